//! What must hold, checked while it runs and once it is over. A violation is a panic, which the run reports.
//!
//! While it runs, of every node that does:
//! * one block at each height, the same at all nodes, also after they crashed;
//! * no node is behind what it told anyone;
//! * the ledger's invariants hold over all of its state: conservation, par, locks.
//!
//! At the end, when all nodes run and see each other:
//! * every transaction has one end, and it is the one that its client was told;
//! * no transaction is in two blocks, no sender's request id stands for two, and nothing is there that nobody sent;
//! * an invoice is one receivable, and no receivable secures two open loans;
//! * all nodes have the same blocks, and each one's state is what the headers say.

use super::super::agreement::header_hash_and_digest;
use super::super::cluster::Cluster;
use causeway::domain::financing::Loan;
use causeway::domain::trade::{Receivable, ReceivableState};
use causeway::execution::{Operation, invariants};
use causeway::ledger::{Column, Entry as _, Outcome, SignedTransaction, Status, View};
use causeway::node::service::LedgerHandle;
use causeway::primitives::{Decode as _, Hash, TransactionId};
use causeway::wire::decode_body;
use std::collections::BTreeMap;

/// What a client was told of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It is in the block of this height, and this is what it did.
    Final(u64, Outcome),
    /// It is in no block and never will be.
    Never,
}

/// What was seen so far. It outlives failures of the power.
#[derive(Clone, Debug, Default)]
pub struct Witness {
    blocks: BTreeMap<u64, Hash>,
    /// How far each node has told that it is.
    told: BTreeMap<usize, u64>,
    /// How far each node's blocks were compared.
    compared: BTreeMap<usize, u64>,
    ends: BTreeMap<TransactionId, End>,
}

impl Witness {
    /// A client was told how its transaction ended, by this node if it is known which it was.
    pub fn hears(&mut self, node: Option<usize>, id: TransactionId, end: End) {
        if let (Some(node), End::Final(height, _)) = (node, &end) {
            let told = self.told.entry(node).or_default();
            *told = (*told).max(*height);
        }
        match self.ends.get(&id) {
            Some(before) => assert_eq!(*before, end, "transaction {id} ended twice"),
            None => drop(self.ends.insert(id, end)),
        }
    }

    /// Whether a client was told how it ended.
    pub fn knows(&self, id: &TransactionId) -> bool {
        self.ends.contains_key(id)
    }

    /// Looks at a node that runs.
    pub async fn look_at(&mut self, place: usize, node: &dyn LedgerHandle) {
        let height = node.status().height;
        let told = self.told.entry(place).or_default();
        assert!(height >= *told, "node {place} is at height {height}, and told that it was at {told}");
        *told = height;
        let compared = self.compared.entry(place).or_default();
        for height in *compared + 1..=height {
            // One that stops meanwhile is looked at when it is back.
            let Ok(record) = node.block(height).await else { return };
            let found = record.block.hash();
            let known = *self.blocks.entry(height).or_insert(found);
            assert_eq!(found, known, "node {place} has another block at height {height}");
            *compared = height;
        }
    }

    /// Takes over what was seen of the blocks.
    pub fn learn(&mut self, seen: Self) {
        let Self { blocks, told, compared, ends: _ } = seen;
        self.blocks.extend(blocks);
        for (place, height) in told {
            let told = self.told.entry(place).or_default();
            *told = (*told).max(height);
        }
        self.compared.extend(compared);
    }

    /// Adds up all of a node's state.
    pub fn audit(&self, place: usize, node: &dyn LedgerHandle) {
        let Ok(snapshot) = node.snapshot() else { return };
        let entries = entries(&*snapshot.view);
        let all = entries.iter().map(|(column, key, value)| (*column, key, value));
        if let Err(broken) = invariants::check_all(all) {
            panic!("node {place}, after height {}: {broken}", snapshot.height);
        }
    }

    /// Whether it is final, and did what it says.
    pub fn saw_applied(&self, id: &TransactionId) -> bool {
        matches!(self.ends.get(id), Some(End::Final(_, outcome)) if outcome.status == Status::Applied)
    }

    /// Looks at everything once more, when nothing is under way, at all nodes that neither lie nor were left out: the height up
    /// to which they were compared, with that block's hash and the digest of the state before it.
    pub async fn conclude(&self, cluster: &Cluster, sent: &[SignedTransaction], left_out: &[usize]) -> Conclusion {
        let mut honest = cluster.honest();
        honest.retain(|node| !left_out.contains(node));
        let compared = cluster.agree(&honest).await;
        let found = transactions(&*cluster.node(honest[0]), compared).await;
        let known: BTreeMap<TransactionId, &SignedTransaction> = sent.iter().map(|each| (each.id(), each)).collect();
        let (mut requests, mut applied) = (BTreeMap::new(), BTreeMap::new());
        for (id, (height, outcome)) in &found {
            let sent = known.get(id).unwrap_or_else(|| panic!("nobody sent transaction {id} of block {height}"));
            let (envelope, operations) = decode_body(sent.body()).unwrap();
            if outcome.status == Status::Applied {
                operations.iter().for_each(|operation| *applied.entry(kind(operation)).or_default() += 1);
            }
            let before = requests.insert((envelope.sender, envelope.request_id), id);
            assert_eq!(before, None, "one request id of {} stands for two transactions", envelope.sender);
            let end = &self.ends[id];
            assert_eq!(*end, End::Final(*height, outcome.clone()), "what the client of {id} was told");
        }
        for (id, end) in &self.ends {
            assert_eq!(matches!(end, End::Final(..)), found.contains_key(id), "transaction {id}: {end:?}");
        }
        for &node in &honest {
            self.audit(node, &*cluster.node(node));
            once_each(&*cluster.node(node).snapshot().unwrap().view);
        }
        let (hash, state) = header_hash_and_digest(&*cluster.node(honest[0]), compared).await;
        Conclusion { height: compared, hash, state, applied }
    }
}

/// What is there at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conclusion {
    pub height: u64,
    /// The block of that height.
    pub hash: Hash,
    /// The digest of the state before it.
    pub state: Hash,
    /// How many operations of each kind were applied.
    pub applied: BTreeMap<String, u64>,
}

/// The name of an operation.
pub fn kind(operation: &Operation) -> String {
    let told = format!("{operation:?}");
    told.split('(').next().unwrap_or_default().to_owned()
}

fn entries(view: &dyn View) -> Vec<(Column, bytes::Bytes, bytes::Bytes)> {
    let of = |column: &Column| {
        let column = *column;
        view.scan(column, &[], usize::MAX).into_iter().map(move |(key, value)| (column, key, value))
    };
    Column::ALL.iter().flat_map(of).collect()
}

/// Every transaction in the blocks up to a height, with what it did.
async fn transactions(node: &dyn LedgerHandle, up_to: u64) -> BTreeMap<TransactionId, (u64, Outcome)> {
    let mut found = BTreeMap::new();
    for height in 1..=up_to {
        let record = node.block(height).await.unwrap();
        for (transaction, outcome) in record.block.transactions().iter().zip(&*record.outcomes) {
            let before = found.insert(transaction.id(), (height, outcome.clone()));
            assert!(before.is_none(), "transaction {} is in two blocks", transaction.id());
        }
    }
    found
}

/// An invoice is one receivable, and a receivable secures one loan.
fn once_each(view: &dyn View) {
    let of = |column| view.scan(column, &[], usize::MAX).into_iter().map(|(_, value)| value);
    let mut invoices = BTreeMap::new();
    for value in of(Receivable::COLUMN) {
        let receivable = Receivable::from_bytes(&value).unwrap();
        if !matches!(receivable.state(), ReceivableState::Withdrawn | ReceivableState::Rejected) {
            let before = invoices.insert(receivable.fingerprint, ());
            assert_eq!(before, None, "the invoice {} is two receivables", receivable.fingerprint);
        }
    }
    let mut lent_on = BTreeMap::new();
    for value in of(Loan::COLUMN) {
        let loan = Loan::from_bytes(&value).unwrap();
        if loan.state().is_open() {
            let receivable = loan.terms.receivable;
            assert_eq!(lent_on.insert(receivable, ()), None, "two open loans are on receivable {receivable}");
        }
    }
}
