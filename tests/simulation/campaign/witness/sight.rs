//! What is asked of a node that runs, and what must hold of its answers.
//!
//! Asking takes time and may end in the midst, when the node dies; only what was answered whole is judged.

use super::Witness;
use super::model::Place;
use bytes::Bytes;
use causeway::execution::invariants;
use causeway::ledger::receipt::Receipt;
use causeway::ledger::{Column, View};
use causeway::node::TransactionPlace;
use causeway::node::service::{BlockRecord, Fate, HistoryStep, KnownTransaction, LedgerHandle, Snapshot};
use causeway::primitives::{ObjectId, TransactionId};
use std::sync::Arc;

/// The columns of which all is read at every look: balances, and what operations are about.
const LOOKED_AT: [Column; 8] = [
    Column::Accounts,
    Column::Balances,
    Column::Issuances,
    Column::Redemptions,
    Column::Orders,
    Column::Receivables,
    Column::Loans,
    Column::Programmes,
];
/// Steps of a history on a page.
const PAGE: usize = 2;

/// A page of an object's history: its steps after a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    pub object: ObjectId,
    pub after: Option<Place>,
}

/// What a node is asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// For its blocks from this height on.
    from: u64,
    /// For a transaction that it has, and its receipt.
    transaction: Option<TransactionId>,
    /// For a page.
    page: Option<Page>,
}

/// What a node answered.
pub struct Sight {
    pub height: u64,
    pub pool: usize,
    pub blocks: Vec<BlockRecord>,
    /// What it says of the transaction: nothing, if it stopped meanwhile.
    pub transaction: Option<(TransactionId, Option<KnownTransaction>)>,
    pub receipt: Option<(TransactionId, Option<Receipt>)>,
    pub page: Option<(Page, Vec<HistoryStep>)>,
    /// Its state, as of a height that the blocks reach.
    pub state: Option<Snapshot>,
}

/// Asks a node. What it does not answer, because it stops, is not there.
pub async fn ask(node: Arc<dyn LedgerHandle>, question: Question) -> Sight {
    let Question { from, transaction, page } = question;
    let state = node.snapshot().ok();
    let status = node.status();
    let mut blocks = Vec::new();
    for height in from..=status.height {
        let Ok(record) = node.block(height).await else { break };
        blocks.push(record);
    }
    let (mut found, mut receipt) = (None, None);
    if let Some(id) = transaction {
        found = node.transaction(id).await.ok().map(|found| (id, found));
        receipt = node.receipt(id, None).await.ok().map(|receipt| (id, receipt));
    }
    let mut steps = None;
    if let Some(page) = page {
        let after = page.after.map(|(height, index)| TransactionPlace { height, index });
        steps = node.object_history(page.object, after, PAGE).await.ok().map(|steps| (page, steps));
    }
    let (height, pool) = (status.height, status.pool_transactions);
    Sight { height, pool, blocks, transaction: found, receipt, page: steps, state }
}

impl Witness {
    /// What to ask a node next: another transaction at each look, and one object's history page by page.
    pub fn question(&mut self, place: usize, round: u64) -> Question {
        let compared = self.compared(place);
        let nth = |count: usize| (round as usize).wrapping_mul(31).wrapping_add(place) % count.max(1);
        let has = |id: &TransactionId| self.model.find(id).is_some_and(|(height, _)| height <= compared);
        let final_here: Vec<TransactionId> = self.sent.iter().map(|sent| sent.id()).filter(has).collect();
        let transaction = final_here.get(nth(final_here.len())).copied();
        let page = self.pages.get(&place).cloned().or_else(|| {
            let objects: Vec<&ObjectId> = self.model.objects().collect();
            objects.get(nth(objects.len())).map(|object| Page { object: **object, after: None })
        });
        Question { from: compared + 1, transaction, page }
    }

    /// Judges what a node answered.
    pub fn judge(&mut self, place: usize, sight: &Sight) {
        let height = sight.height;
        let told = self.told.entry(place).or_default();
        assert!(height >= *told, "node {place} is at height {height}, and told that it was at {told}");
        *told = height;
        let (pool, pool_max) = (sight.pool, self.pool_max);
        assert!(pool <= pool_max, "the pool of node {place} holds {pool} transactions, and {pool_max} is the most");
        for record in &sight.blocks {
            self.sees(place, record.block.header().height, record);
        }
        if let Some((id, found)) = &sight.transaction {
            self.hold_the_transaction(place, *id, found.as_ref());
        }
        if let Some((id, receipt)) = &sight.receipt {
            self.hold_the_receipt(place, *id, receipt.as_ref());
        }
        if let Some((page, steps)) = &sight.page {
            self.hold_the_page(place, page, steps);
        }
        if let Some(snapshot) = &sight.state {
            self.hold_the_state(place, snapshot.height, &*snapshot.view, &LOOKED_AT);
        }
    }

    fn hold_the_transaction(&mut self, place: usize, id: TransactionId, found: Option<&KnownTransaction>) {
        self.reads += 1;
        let (at, did) = self.model.find(&id).expect("only what is final is asked for");
        match found.map(|found| &found.fate) {
            Some(Fate::Final(done)) => assert!(
                (done.height(), done.outcome()) == (at, did),
                "node {place} reads transaction {id} at height {} with {:?}, and block {at} has it with {did:?}",
                done.height(),
                done.outcome()
            ),
            other => panic!("node {place} has block {at}, and of transaction {id} in it reads {other:?}"),
        }
    }

    fn hold_the_receipt(&mut self, place: usize, id: TransactionId, receipt: Option<&Receipt>) {
        self.reads += 1;
        let (at, did) = self.model.find(&id).expect("only what is final is asked for");
        let receipt = receipt.unwrap_or_else(|| panic!("node {place} has block {at}, and no receipt of {id} in it"));
        if let Err(why) = receipt.verify(&self.cast.trust_root()) {
            panic!("the receipt of {id} from node {place} does not verify: {why}");
        }
        let says = (receipt.header.height, &receipt.outcome);
        assert!(says == (at, did), "the receipt of {id} from node {place} says {says:?}, and block {at} says {did:?}");
    }

    fn hold_the_page(&mut self, place: usize, page: &Page, steps: &[HistoryStep]) {
        self.reads += 1;
        let Page { object, after } = page;
        let compared = self.compared(place);
        // It may have gone on since it was asked for its blocks, but must not be short of them.
        let expected = self.model.history(object, *after, u64::MAX);
        let least = self.model.history(object, *after, compared).len().min(PAGE);
        let found: Vec<Place> = steps.iter().map(|step| (step.place.height, step.place.index)).collect();
        let known: Vec<Place> = found.iter().copied().filter(|at| at.0 <= self.model.height()).collect();
        assert!(
            found.len() >= least && expected.starts_with(&known),
            "node {place} reads the history of {object} after {after:?} as {found:?}, and the blocks make it {expected:?}"
        );
        for (step, at) in steps.iter().zip(&known) {
            let outcome = self.model.at(*at);
            assert!(
                step.done.outcome() == outcome,
                "node {place} reads step {at:?} of {object} as {:?}, and its block has {outcome:?}",
                step.done.outcome()
            );
        }
        match known.last() {
            Some(last) => drop(self.pages.insert(place, Page { object: *object, after: Some(*last) })),
            None => drop(self.pages.remove(&place)),
        }
    }

    /// What a node reads of its state is what the blocks up to its height make of it.
    pub fn hold_the_state(&mut self, place: usize, height: u64, view: &dyn View, columns: &[Column]) {
        let Some(state) = self.model.state(height).cloned() else { return };
        for column in columns {
            self.reads += 1;
            let found = view.scan(*column, &[], usize::MAX);
            let expected = state.scan(*column, &[], usize::MAX);
            if found != expected {
                let differs = |pair: &&(Bytes, Bytes)| !expected.contains(pair);
                let key = found.iter().find(differs).or_else(|| expected.iter().find(|pair| !found.contains(pair)));
                panic!(
                    "node {place} reads {column:?} at height {height} otherwise than the blocks make it, at {key:?}"
                );
            }
        }
    }

    /// Adds up all of a node's state, and holds it against the model's.
    pub fn audit(&mut self, place: usize, snapshot: &Snapshot) {
        let of = |column: &Column| {
            let column = *column;
            snapshot.view.scan(column, &[], usize::MAX).into_iter().map(move |(key, value)| (column, key, value))
        };
        let entries: Vec<_> = Column::ALL.iter().flat_map(of).collect();
        let all = entries.iter().map(|(column, key, value)| (*column, key, value));
        if let Err(broken) = invariants::check_all(all) {
            panic!("node {place}, after height {}: {broken}", snapshot.height);
        }
        super::ending::one_loan_each(&*snapshot.view);
        self.hold_the_state(place, snapshot.height, &*snapshot.view, Column::ALL);
    }
}
