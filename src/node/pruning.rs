//! Bodies of old blocks, removed as far back as the operator has no use for them.
//!
//! What stays of such a block is its header, what came of it, and who sent what: enough for every receipt, citation and step of a
//! history, each with the certificate of a later block. What goes is what was asked: the transactions' bytes and signatures,
//! and certificates that later ones stand in for.
//!
//! # Invariants
//! * Execution reads state only, so a node that pruned decides everything as any other.
//! * An epoch's last block stays whole with its certificate: the next epoch begins from it, receipts carry it where the validators
//!   changed, and whoever is epochs behind finds its way by it. So does the genesis block.
//! * The newest [`KEPT_MIN`] blocks stay whole: the engine is not done with them yet, and peers that were away fetch them.
//! * A block is replaced by what stays of it in one synced commit, so there is always one of them.
//! * A commit removes at most `PER_COMMIT_MAX` blocks, and others use the disk between two.

use super::chain::Chain;
use super::error::NodeError;
use super::proofs::stored_block;
use super::records::PrunedBlock;
use crate::consensus::{Runtime, Scheme, SealedBlock};
use crate::ledger::history::PARAMETERS_KEY;
use crate::ledger::validators::VALIDATORS_MAX;
use crate::ledger::{Block, Parameters, View};
use crate::primitives::{Encode as _, Hash};
use crate::storage::stores::{self, Pruner};
use crate::storage::{Reader, Store, StoreColumn, StoreView, height_key};
use crate::wire::senders_of;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tracing::info;

/// The fewest blocks that stay whole, however few are asked for.
pub const KEPT_MIN: u64 = 1_024;
/// Blocks that one commit removes: at most so many, and at least one.
const PER_COMMIT_MAX: usize = 64;
/// Bytes of blocks that are read for one commit, but for the last of them.
const BYTES_PER_COMMIT_MAX: usize = 8 << 20;
/// The log tells of so many at a time.
const TOLD_FROM: usize = 1_000;
/// Between two commits, and how often it is looked whether there is more to do.
const REST: Duration = Duration::from_millis(50);
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// How much stays whole. Where both are said, what either keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// So many of the newest blocks.
    pub heights: Option<u64>,
    /// Blocks so old, by the ledger's time.
    pub days: Option<u64>,
}

impl Keep {
    /// Whether anything is to be removed at all.
    pub fn prunes(&self) -> bool {
        self.heights.is_some() || self.days.is_some()
    }

    /// Whether the block of a height and time goes, where the newest has these.
    pub(super) fn lets_go(&self, (height, time_ms): (u64, u64), (head, head_time_ms): (u64, u64)) -> bool {
        let kept = self.heights.unwrap_or(0).max(KEPT_MIN);
        let by_height = height.saturating_add(kept) <= head;
        let days_ms = self.days.map(|days| days.saturating_mul(24 * 60 * 60 * 1_000));
        by_height && days_ms.is_none_or(|kept_ms| time_ms.saturating_add(kept_ms) < head_time_ms)
    }
}

/// Removes bodies as blocks grow old, as long as the node runs.
///
/// # Errors
/// The store failed.
pub async fn run<E: Runtime, S: Store>(
    context: E,
    chain: Arc<Chain<S>>,
    pruner: Pruner<S>,
    keep: Keep,
) -> Result<(), NodeError> {
    let (mut at, mut gone) = (1, 0);
    loop {
        let head = chain.head();
        let newest = (head.header.height, head.header.time.0);
        let lets_go = |block: &Block| keep.lets_go((block.header().height, block.header().time.0), newest);
        let removed = prune_some(chain.store(), &pruner, &mut at, lets_go).await?;
        gone += removed;
        if removed == 0 && gone >= TOLD_FROM {
            info!(removed = gone, below = at, "bodies of old blocks were removed");
            gone = 0;
        }
        context.sleep(if removed > 0 { REST } else { LOOK_EVERY }).await;
    }
}

/// Removes every body of a store below a height, save those that stay. For a copy that no engine has open.
///
/// # Errors
/// The store failed.
pub async fn prune_below<S: Store>(store: &S, height: u64) -> Result<(), NodeError> {
    let (blocks, _) = stores::open::<_, Arc<SealedBlock>, Scheme>(store.clone(), (), VALIDATORS_MAX)?;
    let (pruner, mut at) = (blocks.pruner(), 1);
    while prune_some(store, &pruner, &mut at, |block| block.header().height < height).await? > 0 {}
    Ok(())
}

/// Removes the bodies that a commit has room for, from a height on, and moves that on. How many.
async fn prune_some<S: Store>(
    store: &S,
    pruner: &Pruner<S>,
    at: &mut u64,
    lets_go: impl Fn(&Block) -> bool,
) -> Result<usize, NodeError> {
    let epoch_length = epoch_length(store)?;
    let (mut gone, mut stays): (Vec<(u64, Hash)>, Vec<_>) = (Vec::new(), Vec::new());
    let mut bytes = 0;
    while gone.len() < PER_COMMIT_MAX && bytes < BYTES_PER_COMMIT_MAX {
        let Some(height) = pruner.next_stored(*at) else { break };
        *at = height;
        if (height + 1).is_multiple_of(epoch_length) {
            *at += 1;
            continue;
        }
        let block = stored_block(store, height)?.ok_or(NodeError::MissingBlock(height))?;
        if !lets_go(&block) {
            break;
        }
        bytes += block.encoded_len();
        gone.push((height, block.hash()));
        let senders = block.transactions().iter().map(|transaction| senders_of(transaction.body())).collect();
        let pruned = PrunedBlock { header: block.header().clone(), senders };
        let key = Bytes::copy_from_slice(&height_key(height));
        stays.push((StoreColumn::PrunedBlocks, key, Bytes::from(pruned.to_bytes())));
        *at += 1;
    }
    if !gone.is_empty() {
        pruner.replace(&gone, stays).await?;
    }
    Ok(gone.len())
}

fn epoch_length<R: Reader + Clone>(store: &R) -> Result<u64, NodeError> {
    let view = StoreView::new(store.clone());
    let parameters = (&view as &dyn View).read::<Parameters>(&PARAMETERS_KEY);
    view.check()?;
    Ok(parameters.ok_or(NodeError::MissingRecord("the ledger's parameters"))?.epoch_length.max(1))
}
