//! What must hold once it is over, when all nodes run, see each other, and nothing is under way.

use super::super::super::agreement::header_hash_and_digest;
use super::super::super::cluster::Cluster;
use super::super::workload::Race;
use super::{End, Sent, Witness};
use causeway::domain::financing::Loan;
use causeway::execution::Operation;
use causeway::ledger::{Entry as _, View};
use causeway::node::service::{BlockRecord, Snapshot};
use causeway::primitives::{Decode as _, Hash};
use std::collections::BTreeMap;

/// What is there at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conclusion {
    pub height: u64,
    /// The block of that height.
    pub hash: Hash,
    /// The digest of the state before it.
    pub state: Hash,
    /// How many operations of each kind were sent.
    pub sent: BTreeMap<String, u64>,
    /// How many of them were applied.
    pub applied: BTreeMap<String, u64>,
    /// How many races for each prize were won by one.
    pub won: BTreeMap<&'static str, u64>,
    /// How many answers of nodes were held against the model.
    pub reads: u64,
}

/// What all nodes have that neither lie nor were left out, when nothing is under way.
pub struct Calm {
    height: u64,
    hash: Hash,
    state: Hash,
    /// Of each its blocks that were not compared yet, and its state.
    nodes: Vec<(usize, Vec<BlockRecord>, Snapshot)>,
}

impl Calm {
    /// Waits until these nodes agree, and asks each for its blocks above the height up to which it was compared.
    pub async fn of(cluster: &Cluster, honest: &[usize], compared: Vec<u64>) -> Self {
        let height = cluster.agree(honest).await;
        let mut nodes = Vec::new();
        for (&node, compared) in honest.iter().zip(compared) {
            let handle = cluster.node(node);
            let mut blocks = Vec::new();
            for height in compared + 1..=height {
                blocks.push(handle.block(height).await.unwrap());
            }
            nodes.push((node, blocks, handle.snapshot().unwrap()));
        }
        let (hash, state) = header_hash_and_digest(&*cluster.node(honest[0]), height).await;
        Self { height, hash, state, nodes }
    }
}

impl Witness {
    /// Looks at everything once more.
    pub fn conclude(&mut self, calm: Calm) -> Conclusion {
        let Calm { height, hash, state, nodes } = calm;
        for (node, blocks, snapshot) in nodes {
            blocks.iter().for_each(|record| self.sees(node, record.block.header().height, record));
            self.audit(node, &snapshot);
        }
        self.hold_the_ends();
        let won = self.hold_the_races_to_their_ends();
        let (sent, applied) = self.kinds();
        Conclusion { height, hash, state, sent, applied, won, reads: self.reads }
    }

    /// Every transaction that was sent has an end, and it is what the blocks say.
    pub(super) fn hold_the_ends(&self) {
        for transaction in &self.sent {
            let id = transaction.id();
            let end = self.ends.get(&id).unwrap_or_else(|| panic!("transaction {id} has no end"));
            self.hold_to_the_blocks(id, end);
            let (is_final, is_there) = (matches!(end, End::Final(..)), self.model.find(&id).is_some());
            assert_eq!(is_final, is_there, "transaction {id} was acknowledged, and no block has it: it is lost");
        }
    }

    /// Where all who raced had their turn, one has the prize.
    pub(super) fn hold_the_races_to_their_ends(&self) -> BTreeMap<&'static str, u64> {
        let mut won = BTreeMap::new();
        for Race { prize, given, rivals } in &self.races {
            let winners = rivals.iter().filter(|id| self.saw_applied(id)).count();
            let is_over = rivals.iter().all(|id| matches!(self.ends.get(id), Some(End::Final(..))));
            let was_given = !given.is_empty() && given.iter().all(|id| self.saw_applied(id));
            assert!(winners < 2, "{prize} was given twice, to {rivals:?}");
            assert!(winners == 1 || !is_over || !was_given, "{prize} was given to nobody of {rivals:?}");
            *won.entry(*prize).or_default() += winners as u64;
        }
        won
    }

    /// How many operations of each kind were sent, and how many applied.
    fn kinds(&self) -> (BTreeMap<String, u64>, BTreeMap<String, u64>) {
        let (mut sent, mut applied) = (BTreeMap::new(), BTreeMap::new());
        for (id, Sent { operations, .. }) in &self.known {
            for name in operations.iter().map(kind) {
                if self.saw_applied(id) {
                    *applied.entry(name.clone()).or_default() += 1;
                }
                *sent.entry(name).or_default() += 1;
            }
        }
        (sent, applied)
    }
}

/// The name of an operation.
pub fn kind(operation: &Operation) -> String {
    let told = format!("{operation:?}");
    told.split('(').next().unwrap_or_default().to_owned()
}

/// A receivable secures one loan.
pub(super) fn one_loan_each(view: &dyn View) {
    let mut lent_on = BTreeMap::new();
    for (_, value) in view.scan(Loan::COLUMN, &[], usize::MAX) {
        let loan = Loan::from_bytes(&value).unwrap();
        if loan.state().is_open() {
            let receivable = loan.terms.receivable;
            assert_eq!(lent_on.insert(receivable, ()), None, "two open loans are on receivable {receivable}");
        }
    }
}
