//! The newest final blocks, kept in memory with what came of them: thousands wait for one block, and each asks for its
//! outcome or its receipt as soon as the block is final.
//!
//! # Invariants
//! * What is kept is what was committed. An older block is read from the store, each time it is asked for.
//! * The trees over a block are built once, by whoever asks first for a path in it.

use super::chain::block_record;
use super::error::NodeError;
use super::proofs::stored_block;
use super::records::BlockRecord;
use crate::ledger::block::outcome_leaf;
use crate::ledger::{Block, Outcome, SignedTransaction};
use crate::primitives::merkle::{Path, Tree};
use crate::storage::Store;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// How many blocks are kept: what becomes final in about half a second.
const KEPT: usize = 16;

/// A final block and what came of it.
pub struct FinalBlock {
    /// The block.
    pub block: Arc<Block>,
    /// What came of it.
    pub record: BlockRecord,
    trees: OnceLock<(Tree, Tree)>,
}

impl FinalBlock {
    fn new(block: Arc<Block>, record: BlockRecord) -> Self {
        Self { block, record, trees: OnceLock::new() }
    }

    /// The path of a transaction; `None` if there is no such transaction.
    pub fn transaction_path(&self, index: usize) -> Option<Path> {
        self.trees().0.path(index)
    }

    /// The path of an outcome, that of what fell due included; `None` if there is no such outcome.
    pub fn outcome_path(&self, index: usize) -> Option<Path> {
        self.trees().1.path(index)
    }

    fn trees(&self) -> &(Tree, Tree) {
        self.trees.get_or_init(|| {
            let outcome = |outcome: &Outcome| outcome_leaf(&outcome.hash());
            let transactions = self.block.transactions().iter().map(SignedTransaction::leaf);
            (Tree::of(transactions), Tree::of(self.record.outcomes.iter().map(outcome)))
        })
    }
}

/// See the module.
#[derive(Default)]
pub struct NewestBlocks(Mutex<BTreeMap<u64, Arc<FinalBlock>>>);

impl NewestBlocks {
    /// Keeps a block that was just committed.
    pub fn committed(&self, block: Arc<Block>, record: BlockRecord) {
        let mut kept = self.kept();
        kept.insert(block.header().height, Arc::new(FinalBlock::new(block, record)));
        if kept.len() > KEPT {
            kept.pop_first();
        }
    }

    /// What came of an applied block.
    ///
    /// # Errors
    /// The store failed, or does not hold it.
    pub fn record<S: Store>(&self, store: &S, height: u64) -> Result<BlockRecord, NodeError> {
        if let Some(known) = self.kept().get(&height) {
            return Ok(known.record.clone());
        }
        block_record(store, height)?.ok_or(NodeError::MissingRecord("a block's outcomes"))
    }

    /// An applied block.
    ///
    /// # Errors
    /// The store failed, or does not hold it.
    pub fn block<S: Store>(&self, store: &S, height: u64) -> Result<Arc<FinalBlock>, NodeError> {
        if let Some(known) = self.kept().get(&height) {
            return Ok(known.clone());
        }
        let block = stored_block(store, height)?.ok_or(NodeError::MissingBlock(height))?;
        Ok(Arc::new(FinalBlock::new(block, self.record(store, height)?)))
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<FinalBlock>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
