//! A ledger in memory of which the simulation has all keys, and on which it may do wrong: another network whose receipts are
//! carried to the simulated one, and facts to plant before the witness.

use super::super::cast::{Cast, GENESIS_TIME_MS};
use crate::golden::chain::certificate_of;
use causeway::execution::{BlockExecutor, ParentState, Place, Transaction};
use causeway::ledger::block::outcome_leaf;
use causeway::ledger::receipt::{PlacedTransaction, Receipt};
use causeway::ledger::view::MemoryView;
use causeway::ledger::{Block, Column, Openings, SignedTransaction, Writes};
use causeway::node::service::{BlockRecord, FinalTransaction, Snapshot};
use causeway::primitives::crypto::sha256;
use causeway::primitives::merkle::Path;
use causeway::primitives::{BlockTime, Hash, PublicKey};
use causeway::wire::decode_body;
use ed25519_dalek::SigningKey;
use std::sync::Arc;

/// Heights in an epoch: it never comes to the end of the first.
pub const EPOCH_LENGTH: u64 = 1_024;

/// A ledger with the participants of every simulation, and four validators that sign whatever they are told.
pub struct OwnLedger {
    pub cast: Cast,
    tip: ParentState,
    states: Vec<MemoryView>,
    records: Vec<BlockRecord>,
    openings: Vec<Arc<Openings>>,
}

fn validators() -> [SigningKey; 4] {
    [0, 1, 2, 3].map(|place: u8| SigningKey::from_bytes(&sha256(&[b"own", &[place][..]].concat()).0))
}

impl OwnLedger {
    pub fn new(name: &str) -> Self {
        let keys = validators().map(|key| PublicKey(key.verifying_key().to_bytes()));
        let cast = Cast::named(name, &keys, EPOCH_LENGTH);
        let genesis = cast.genesis.build().unwrap();
        let mut view = MemoryView::default();
        view.apply(&genesis.writes);
        let (header, state) = (genesis.block.header().clone(), Arc::new(view.clone()));
        let tip = ParentState { header, view: state, accumulator: genesis.accumulator };
        Self { cast, tip, states: vec![view], records: Vec::new(), openings: Vec::new() }
    }

    /// Appends a block of these, a second after the last.
    pub fn append(&mut self, transactions: &[SignedTransaction]) -> &BlockRecord {
        self.append_blindly(transactions, None)
    }

    /// The same as executed by whoever does not find what is in a column.
    pub fn append_blindly(&mut self, transactions: &[SignedTransaction], blind_to: Option<Column>) -> &BlockRecord {
        let mut state = self.states.last().unwrap().clone();
        let seen = state.entries().filter(|(column, ..)| Some(*column) != blind_to);
        let seen: Writes = seen.map(|(column, key, value)| ((column, key.clone()), Some(value.clone()))).collect();
        let mut view = MemoryView::default();
        view.apply(&seen);
        let time = BlockTime(self.tip.header.time.0.max(GENESIS_TIME_MS) + 1_000);
        let proposer = self.cast.genesis.validators().keys()[0];
        let parent = ParentState { view: Arc::new(view), ..self.tip.clone() };
        let mut executor = BlockExecutor::open(parent, Place { time, proposer }).unwrap();
        for signed in transactions {
            let (envelope, operations) = decode_body(signed.body()).unwrap();
            executor.push(Arc::new(Transaction::authentic(signed.clone(), envelope, operations))).unwrap();
        }
        let executed = executor.close().unwrap();
        state.apply(&executed.writes);
        let block = Block::new(executed.header.clone(), transactions.to_vec()).unwrap();
        self.tip =
            ParentState { header: executed.header, view: Arc::new(state.clone()), accumulator: executed.accumulator };
        self.states.push(state);
        self.openings.push(executed.openings);
        self.records.push(BlockRecord {
            block: Arc::new(block),
            outcomes: executed.outcomes,
            certificate: None,
            reserve_lines: executed.reserve_lines.to_vec(),
        });
        self.records.last().unwrap()
    }

    pub fn height(&self) -> u64 {
        self.tip.header.height
    }

    pub fn record(&self, height: u64) -> &BlockRecord {
        &self.records[height as usize - 1]
    }

    /// The state after a height.
    pub fn state(&self, height: u64) -> &MemoryView {
        &self.states[height as usize]
    }

    pub fn snapshot(&self, height: u64) -> Snapshot {
        Snapshot { view: Arc::new(self.state(height).clone()), height, time: self.record(height).block.header().time }
    }

    /// What a transaction did, as a node tells it.
    pub fn done(&self, height: u64, index: usize) -> FinalTransaction {
        let (outcomes, openings) = (&self.record(height).outcomes, &self.openings[height as usize - 1]);
        FinalTransaction::of(height, outcomes, openings, index).unwrap()
    }

    /// The receipt of a transaction, certified at once.
    pub fn receipt(&self, height: u64, index: usize) -> Receipt {
        let BlockRecord { block, outcomes, .. } = self.record(height);
        let leaves: Vec<Hash> = outcomes.iter().map(|outcome| outcome_leaf(&outcome.hash())).collect();
        let signed = block.transactions()[index].clone();
        let bodies: Vec<Hash> = block.transactions().iter().map(SignedTransaction::leaf).collect();
        Receipt {
            transaction: Some(PlacedTransaction { signed, path: Path::of(&bodies, index).unwrap() }),
            outcome: outcomes[index].clone(),
            balances: Vec::new(),
            outcome_path: Path::of(&leaves, index).unwrap(),
            header: block.header().clone(),
            later: None,
            anchor: None,
            certificate: certificate_of(block.header(), validators()).into(),
            handovers: Vec::new(),
        }
    }
}
