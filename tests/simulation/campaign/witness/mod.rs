//! What must hold, checked while it runs and once it is over. A violation is a panic, which the run reports.
//!
//! Facts come in one by one: what clients sent and were told ([`Witness::sends`], [`Witness::hears`]), and what nodes that run
//! answered ([`sight`]). Of each it is held, at once, that
//! * there is one block at each height, the same at all nodes, also after they crashed, and it is what the ledger's rules make of
//!   it on a [`model`] of its own, which has no store, no cache and no network;
//! * no transaction is in two blocks, no sender's request id stands for two while it is remembered, nothing is there that nobody
//!   sent, and what raced for one thing did not get it twice;
//! * what a client was told of its transaction is what the blocks say, and is told alike by all;
//! * an invoice is one receivable, and no receivable secures two open loans;
//! * no node is behind what it told anyone, and whatever it reads out (state, transactions, receipts, pages of an object's history)
//!   is what the blocks up to the height make it that it speaks for;
//! * the ledger's invariants hold over all of a node's state: conservation, par, locks;
//! * nobody's pool holds more than it may.
//!
//! At the end, when all nodes run and see each other: every transaction has one end, what raced was won by one, and all nodes
//! have the same blocks, the same state, and that state is what the headers say.

mod ending;
pub mod model;
pub mod sight;
#[cfg(test)]
mod tests;

use super::super::cast::Cast;
use super::workload::Race;
use causeway::execution::{Envelope, Operation};
use causeway::ledger::{Effect, Outcome, SignedTransaction, Value};
use causeway::node::service::BlockRecord;
use causeway::primitives::{AccountId, BlockTime, Hash, ObjectId, RequestId, TransactionId};
use causeway::wire::decode_body;
pub use ending::{Calm, Conclusion};
use model::Model;
use std::collections::BTreeMap;

/// How long after a transaction's expiry its request id is remembered, and stands for no other.
const REMEMBERED_MS: u64 = 60 * 60 * 1_000;

/// What a client was told of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It is in the block of this height, and this is what it did.
    Final(u64, Outcome),
    /// It is in no block and never will be.
    Never,
}

/// A transaction that somebody sent.
#[derive(Clone, Debug)]
struct Sent {
    envelope: Envelope,
    operations: Vec<Operation>,
}

/// What was seen so far. It outlives failures of the power.
pub struct Witness {
    cast: Cast,
    model: Model,
    /// Most transactions that a node's pool may hold.
    pool_max: usize,
    /// What was sent, in order, each once.
    sent: Vec<SignedTransaction>,
    known: BTreeMap<TransactionId, Sent>,
    races: Vec<Race>,
    blocks: BTreeMap<u64, Hash>,
    /// How far each node has told that it is.
    told: BTreeMap<usize, u64>,
    /// How far each node's blocks were compared.
    compared: BTreeMap<usize, u64>,
    ends: BTreeMap<TransactionId, End>,
    /// The newest transaction under each request id, and until when it stands for no other.
    requests: BTreeMap<(AccountId, RequestId), (TransactionId, BlockTime)>,
    /// The receivable that each invoice is.
    invoices: BTreeMap<Hash, ObjectId>,
    /// Where a node's history of an object was read last.
    pages: BTreeMap<usize, sight::Page>,
    /// How many answers were held against the model.
    pub reads: u64,
}

impl Witness {
    /// One that knows the genesis.
    pub fn new(cast: Cast, pool_max: usize) -> Self {
        Self {
            model: Model::new(&cast.genesis),
            cast,
            pool_max,
            sent: Vec::new(),
            known: BTreeMap::new(),
            races: Vec::new(),
            blocks: BTreeMap::new(),
            told: BTreeMap::new(),
            compared: BTreeMap::new(),
            ends: BTreeMap::new(),
            requests: BTreeMap::new(),
            invoices: BTreeMap::new(),
            pages: BTreeMap::new(),
            reads: 0,
        }
    }

    /// A client is about to send a transaction, maybe not for the first time.
    pub fn sends(&mut self, transaction: &SignedTransaction) {
        self.known.entry(transaction.id()).or_insert_with(|| {
            self.sent.push(transaction.clone());
            let (envelope, operations) = decode_body(transaction.body()).unwrap();
            Sent { envelope, operations }
        });
    }

    /// Clients race.
    pub fn expects(&mut self, races: &[Race]) {
        for race in races {
            if !self.races.contains(race) {
                self.races.push(race.clone());
            }
        }
    }

    /// A client was told how its transaction ended, by this node if it is known which it was.
    pub fn hears(&mut self, node: Option<usize>, id: TransactionId, end: End) {
        if let (Some(node), End::Final(height, _)) = (node, &end) {
            let told = self.told.entry(node).or_default();
            *told = (*told).max(*height);
        }
        if let Some(before) = self.ends.get(&id) {
            assert_eq!(*before, end, "transaction {id} ended twice");
            return;
        }
        self.hold_to_the_blocks(id, &end);
        self.ends.insert(id, end);
    }

    /// Whether what a client was told of a transaction is what the blocks say, as far as they are known.
    fn hold_to_the_blocks(&self, id: TransactionId, end: &End) {
        let found = self.model.find(&id);
        match (end, found) {
            (End::Final(height, _), None) => assert!(
                *height > self.model.height(),
                "transaction {id} was acknowledged as final at height {height}, and its block does not have it: it is lost"
            ),
            (End::Final(height, outcome), Some((at, did))) => assert!(
                (*height, outcome) == (at, did),
                "the client of {id} was told {end:?}, and block {at} says {did:?}"
            ),
            (End::Never, None) => {}
            (End::Never, Some((at, _))) => {
                panic!("the client of {id} was told that it never happens, and it is in block {at}")
            }
        }
    }

    /// Whether a client was told how it ended.
    pub fn knows(&self, id: &TransactionId) -> bool {
        self.ends.contains_key(id)
    }

    /// What was sent, in order, each once.
    pub fn sent(&self) -> &[SignedTransaction] {
        &self.sent
    }

    /// Up to which height a node's blocks were compared.
    pub fn compared(&self, place: usize) -> u64 {
        self.compared.get(&place).copied().unwrap_or_default()
    }

    /// What was sent and has no end.
    pub fn unresolved(&self) -> Vec<TransactionId> {
        self.sent.iter().map(SignedTransaction::id).filter(|id| !self.knows(id)).collect()
    }

    /// Whether a client was told that it is final, and did what it says.
    pub fn saw_applied(&self, id: &TransactionId) -> bool {
        matches!(self.ends.get(id), Some(End::Final(_, outcome)) if outcome.is_applied())
    }

    /// A node that does not lie has this final block.
    fn sees(&mut self, place: usize, height: u64, record: &BlockRecord) {
        let found = record.block.hash();
        if let Some(known) = self.blocks.get(&height) {
            assert_eq!(found, *known, "node {place} has another block at height {height}");
        } else {
            assert_eq!(height, self.model.height() + 1, "node {place} tells of block {height} out of turn");
            self.hold_to_what_was_sent(height, record);
            self.hold_to_the_races(height, record);
            if let Err(why) = self.model.extend(&record.block) {
                panic!("block {height} of node {place} is not what the rules make of it: {why}");
            }
            self.blocks.insert(height, found);
            self.hold_to_what_was_told(height);
        }
        let outcomes = self.model.outcomes(height);
        assert!(record.outcomes == *outcomes, "node {place} tells other outcomes of block {height} than it has");
        self.compared.insert(place, height);
    }

    /// Nothing is there that nobody sent, or that was there before.
    fn hold_to_what_was_sent(&mut self, height: u64, record: &BlockRecord) {
        let time = record.block.header().time;
        let mut here = BTreeMap::new();
        for (transaction, outcome) in record.block.transactions().iter().zip(&*record.outcomes) {
            let id = transaction.id();
            let Some(Sent { envelope, .. }) = self.known.get(&id) else {
                panic!("nobody sent transaction {id} of block {height}");
            };
            let before = self.model.find(&id).map(|(at, _)| at).or(here.insert(id, height));
            assert_eq!(before, None, "transaction {id} is in two blocks, of which one is {height}");
            let request = (envelope.sender, envelope.request_id);
            let until = BlockTime(envelope.expires_at.0.saturating_add(REMEMBERED_MS));
            if let Some((other, remembered_until)) = self.requests.insert(request, (id, until)) {
                let sender = envelope.sender;
                assert!(
                    time > remembered_until,
                    "one request id of {sender} stands for two transactions, {other} and {id}"
                );
            }
            outcome.effects.iter().for_each(|effect| self.hold_to_one_receivable(effect));
        }
    }

    /// An invoice is one receivable, unless it was taken back.
    fn hold_to_one_receivable(&mut self, effect: &Effect) {
        let (Some(Value::Object(receivable)), Some(Value::Hash(fingerprint))) =
            (effect.field("receivable"), effect.field("fingerprint"))
        else {
            return;
        };
        match effect.name.as_str() {
            "trade.invoice_registered" => {
                let before = self.invoices.insert(*fingerprint, *receivable);
                assert_eq!(before, None, "the invoice {fingerprint} is two receivables, of which one is {receivable}");
            }
            "trade.invoice_withdrawn" | "trade.invoice_rejected" => drop(self.invoices.remove(fingerprint)),
            _ => {}
        }
    }

    /// What only one can have was not given twice.
    fn hold_to_the_races(&self, height: u64, record: &BlockRecord) {
        let here: Vec<TransactionId> =
            record.outcomes.iter().filter(|done| done.is_applied()).map(|done| done.transaction_id).collect();
        let has_it = |id: &TransactionId| {
            here.contains(id) || self.model.find(id).is_some_and(|(_, outcome)| outcome.is_applied())
        };
        for Race { prize, rivals, .. } in
            self.races.iter().filter(|race| race.rivals.iter().any(|id| here.contains(id)))
        {
            let winners: Vec<_> = rivals.iter().filter(|id| has_it(id)).collect();
            assert!(winners.len() < 2, "{prize} was given twice by height {height}, to {winners:?}");
        }
    }

    /// Whoever was told something of this height, or of a transaction in it, was told the truth.
    fn hold_to_what_was_told(&self, height: u64) {
        let is_of_this = |(id, end): &(&TransactionId, &End)| match end {
            End::Final(at, _) => *at == height,
            End::Never => self.model.find(id).is_some_and(|(at, _)| at == height),
        };
        self.ends.iter().filter(is_of_this).for_each(|(id, end)| self.hold_to_the_blocks(*id, end));
        for outcome in self.model.outcomes(height).iter() {
            if let Some(end) = self.ends.get(&outcome.transaction_id) {
                self.hold_to_the_blocks(outcome.transaction_id, end);
            }
        }
    }
}
