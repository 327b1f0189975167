//! The newest final blocks, kept in memory with what came of them: thousands wait for one block, and each asks for its
//! outcome or its receipt as soon as the block is final. And the few older ones that were asked for last: a lineage has several
//! steps in one block.
//!
//! # Invariants
//! * What is kept is what was committed. Any other block is read from the store.
//! * The trees over a block are built once, by whoever asks first for a path in it.

use super::chain::block_record;
use super::error::NodeError;
use super::proofs::kept_block;
use super::records::{BlockRecord, PrunedBlock};
use crate::ledger::block::outcome_leaf;
use crate::ledger::{Block, Header, Outcome, SignedTransaction};
use crate::primitives::AccountId;
use crate::primitives::merkle::{Path, Tree};
use crate::storage::Store;
use crate::wire::senders_of;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// How many blocks are kept: what becomes final in about half a second.
const KEPT: usize = 16;

/// How many older blocks are kept, of those that were asked for last. A full one takes some ten megabytes.
pub(super) const READ_KEPT: usize = 8;

/// A final block and what came of it.
pub struct FinalBlock {
    /// The block, or what stays of it.
    pub kept: KeptBlock,
    /// What came of it.
    pub record: BlockRecord,
    trees: OnceLock<(Tree, Tree)>,
}

/// A block, or what stays of it once its body is gone.
pub enum KeptBlock {
    /// All of it.
    Whole(Arc<Block>),
    /// Its header, and who sent what.
    Pruned(Box<PrunedBlock>),
}

impl KeptBlock {
    /// The header.
    pub fn header(&self) -> &Header {
        match self {
            Self::Whole(block) => block.header(),
            Self::Pruned(pruned) => &pruned.header,
        }
    }

    /// The transactions; none of those that are gone.
    pub fn transactions(&self) -> &[SignedTransaction] {
        match self {
            Self::Whole(block) => block.transactions(),
            Self::Pruned(_) => &[],
        }
    }

    /// Who sent the transaction at a place, and whom its body names as co-signers; nobody, of what fell due.
    pub fn senders(&self, index: usize) -> Vec<AccountId> {
        match self {
            Self::Whole(block) => {
                block.transactions().get(index).map_or_else(Vec::new, |transaction| senders_of(transaction.body()))
            }
            Self::Pruned(pruned) => pruned.senders.get(index).cloned().unwrap_or_default(),
        }
    }
}

impl FinalBlock {
    fn new(kept: KeptBlock, record: BlockRecord) -> Self {
        Self { kept, record, trees: OnceLock::new() }
    }

    /// The path of a transaction; `None` if there is no such transaction, or its body is gone.
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
            let transactions = self.kept.transactions().iter().map(SignedTransaction::leaf);
            (Tree::of(transactions), Tree::of(self.record.outcomes.iter().map(outcome)))
        })
    }
}

/// See the module.
#[derive(Default)]
pub struct NewestBlocks(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    newest: BTreeMap<u64, Arc<FinalBlock>>,
    /// Older ones, the one asked for last at the end.
    read: Vec<Arc<FinalBlock>>,
}

impl Kept {
    fn get(&mut self, height: u64) -> Option<Arc<FinalBlock>> {
        if let Some(known) = self.newest.get(&height) {
            return Some(known.clone());
        }
        let place = self.read.iter().position(|block| block.kept.header().height == height)?;
        let known = self.read.remove(place);
        self.read.push(known.clone());
        Some(known)
    }

    /// Keeps what was read, unless another call was first: then that is the one.
    fn keep(&mut self, read: FinalBlock) -> Arc<FinalBlock> {
        if let Some(known) = self.get(read.kept.header().height) {
            return known;
        }
        if self.read.len() == READ_KEPT {
            self.read.remove(0);
        }
        let read = Arc::new(read);
        self.read.push(read.clone());
        read
    }
}

impl NewestBlocks {
    /// Keeps a block that was just committed.
    pub fn committed(&self, block: Arc<Block>, record: BlockRecord) {
        let newest = &mut self.kept().newest;
        newest.insert(block.header().height, Arc::new(FinalBlock::new(KeptBlock::Whole(block), record)));
        if newest.len() > KEPT {
            newest.pop_first();
        }
    }

    /// What came of an applied block.
    ///
    /// # Errors
    /// The store failed, or does not hold it.
    pub fn record<S: Store>(&self, store: &S, height: u64) -> Result<BlockRecord, NodeError> {
        if let Some(known) = self.kept().get(height) {
            return Ok(known.record.clone());
        }
        block_record(store, height)?.ok_or(NodeError::MissingRecord("a block's outcomes"))
    }

    /// An applied block.
    ///
    /// # Errors
    /// The store failed, or does not hold it.
    pub fn block<S: Store>(&self, store: &S, height: u64) -> Result<Arc<FinalBlock>, NodeError> {
        if let Some(known) = self.kept().get(height) {
            return Ok(known);
        }
        let kept = kept_block(store, height)?.ok_or(NodeError::MissingBlock(height))?;
        let record = self.record(store, height)?;
        Ok(self.kept().keep(FinalBlock::new(kept, record)))
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
