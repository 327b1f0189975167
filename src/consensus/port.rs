//! The port: what consensus asks of the ledger above it, and what it tells.
//!
//! The node implements [`Ledger`]; the engine's adapter calls it. Nothing here names the engine, so the node does not
//! either.
//!
//! # Life of a block
//! `propose` (on the slot's leader) → `verify` (on everyone else, before the notarize vote) → `finalized` (on everyone,
//! in height order, genesis first). A node may be told that a block is final which it never verified: a finalise vote
//! vouches for availability only.
//!
//! # Invariants
//! * `finalized` is called with heights `h, h + 1, …`, without a gap, one call at a time. After a restart it begins
//!   above the last height whose acknowledgement was stored, so a height may be seen again but is never left out.
//! * Once a block's [`Acknowledgement`] is given, the block is not delivered again by a node that restarts normally.
//!   It is given only after the synced write. One that is dropped instead stops consensus: the node is about to stop.
//! * At most [`UNACKNOWLEDGED_BLOCKS_MAX`] blocks are delivered and not yet acknowledged.
//!
//! # Deliberately absent
//! Views that failed, votes, peers that misbehaved: the engine's own business.

use crate::ledger::block::Block;
use crate::ledger::certificate::Certificate;
pub use crate::ledger::peer_address::PeerAddress;
use crate::ledger::validators::ValidatorSet;
use crate::primitives::crypto::PublicKey;
use crate::primitives::ids::Hash;
use futures::future::BoxFuture;
use futures::stream::{BoxStream, StreamExt as _};
use futures::{Stream, stream};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// Most blocks that the ledger is given ahead of its acknowledgements: enough for one synced write to cover several.
pub const UNACKNOWLEDGED_BLOCKS_MAX: usize = 16;

/// Where in the chain of views a block is proposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The epoch. A block of another epoch is invalid here.
    pub epoch: u64,
    /// The view of the epoch, from 1.
    pub view: u64,
    /// Who proposes.
    pub leader: PublicKey,
    /// The block to build on: the header's hash. It may not be final yet.
    pub parent: Hash,
}

/// The ledger, as consensus sees it.
///
/// `propose` and `verify` run in a task of their own for each call, several at once if views overlap; `finalized` runs in
/// the one task that delivers. None holds a vote up, but each occupies a thread of the runtime while it computes.
pub trait Ledger: Send + Sync + 'static {
    /// Builds a block on the slot's parent, or gives the slot up with `None`.
    ///
    /// It paces the chain: it waits for transactions, up to the idle interval. The future is dropped when the view
    /// ends, so what it publishes it publishes whole or not at all. `ancestors` begins with the parent.
    fn propose(&self, slot: Slot, ancestors: Ancestors) -> BoxFuture<'static, Option<Arc<Block>>>;

    /// Whether `block` may stand in `slot`. That it extends the slot's parent by one in height is already known.
    ///
    /// `false` is for ever: a block that may yet become valid (its time lies ahead, something is not there) is waited
    /// for. The future is dropped when the view ends. `ancestors` begins with the parent.
    fn verify(&self, slot: Slot, block: Arc<Block>, ancestors: Ancestors) -> BoxFuture<'static, bool>;

    /// Takes a final block. The next one is delivered when the future resolves, which may be before the
    /// acknowledgement.
    fn finalized(&self, finalized: FinalizedBlock) -> BoxFuture<'static, PeersChanged>;

    /// Who validates in `epoch`, by genesis for epoch 0 and by the last block of the epoch before for every other; and who is
    /// connected as of the newest applied block.
    ///
    /// Asked once that block was delivered, and at start; pending until it is applied. At start the answer is wanted
    /// for the epoch of the first height not acknowledged, which may be one behind the epoch that the state is in.
    fn committee(&self, epoch: u64) -> BoxFuture<'static, Committee>;

    /// Hears the highest final height that consensus knows of, which may be far above what was delivered. A hint, not
    /// yet on disk.
    fn tip(&self, tip: Tip) {
        let _ = tip;
    }
}

/// The blocks before a block, from its parent towards genesis. Reading on may fetch from peers, so it may take a while.
pub struct Ancestors(BoxStream<'static, Arc<Block>>);

impl Ancestors {
    /// Ancestors from a stream that yields the parent first.
    pub fn new(blocks: impl Stream<Item = Arc<Block>> + Send + 'static) -> Self {
        Self(blocks.boxed())
    }

    /// Ancestors that are at hand, the parent first.
    pub fn at_hand(blocks: Vec<Arc<Block>>) -> Self {
        Self::new(stream::iter(blocks))
    }

    /// The next older block; `None` past genesis, or if it cannot be had any more.
    pub async fn next(&mut self) -> Option<Arc<Block>> {
        self.0.next().await
    }
}

impl fmt::Debug for Ancestors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ancestors")
    }
}

/// A block that is final.
#[derive(Debug)]
pub struct FinalizedBlock {
    /// The block.
    pub block: Arc<Block>,
    /// The certificate of this very block, if there is one. Blocks below another final block may have none; a later
    /// block's certificate then proves them. Two nodes may hold different ones.
    pub certificate: Option<Certificate>,
    /// To be given once the block's effects are on disk.
    pub acknowledgement: Acknowledgement,
}

/// Says that a final block is applied and synced. Dropped without that, it stops consensus.
pub struct Acknowledgement(Option<Box<dyn FnOnce() + Send + Sync>>);

impl Acknowledgement {
    /// An acknowledgement that runs `give` when it is given, and drops it otherwise.
    pub fn new(give: impl FnOnce() + Send + Sync + 'static) -> Self {
        Self(Some(Box::new(give)))
    }

    /// Lets consensus forget the block.
    pub fn give(mut self) {
        if let Some(give) = self.0.take() {
            give();
        }
    }
}

impl fmt::Debug for Acknowledgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Acknowledgement")
    }
}

/// The highest block known to be final.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tip {
    /// The epoch in which it became final.
    pub epoch: u64,
    /// The view of that epoch.
    pub view: u64,
    /// Its height.
    pub height: u64,
    /// The block.
    pub block: Hash,
}

/// Who takes part in an epoch, and who is connected meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committee {
    /// Those who propose and vote.
    pub validators: ValidatorSet,
    /// Those to be connected with.
    pub peers: Peers,
}

/// Whom a node is connected with. Nobody else gets past the handshake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peers {
    /// The height after which they are these. Of two, those of the higher one count.
    pub as_of: u64,
    /// Those that are dialled, and where they listen.
    pub dialled: BTreeMap<PublicKey, PeerAddress>,
    /// Those of whom nothing says where they listen. They dial.
    pub admitted: BTreeSet<PublicKey>,
    /// Of those that are dialled, the ones that the ledger does not list: the node's configuration alone names them.
    pub unlisted: BTreeSet<PublicKey>,
}

impl Peers {
    /// How many there are, a node of this key among them.
    pub fn count_with(&self, me: &PublicKey) -> usize {
        let listed = self.dialled.contains_key(me) || self.admitted.contains(me);
        self.dialled.len() + self.admitted.len() + usize::from(!listed)
    }
}

/// Whether a block changed whom a node is connected with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeersChanged {
    /// It did: [`Ledger::committee`] tells whom now.
    Yes,
    /// It did not.
    No,
}

/// Whose turn it is. A transaction sent to both reaches a block without waiting for its own node's turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CurrentLeaders {
    /// The epoch that this node is in.
    pub epoch: u64,
    /// The view that it is in.
    pub view: u64,
    /// Who leads this view.
    pub current: PublicKey,
    /// Who leads the next.
    pub next: PublicKey,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn an_acknowledgement_counts_only_when_given() {
        let given = Arc::new(AtomicU32::new(0));
        let acknowledgement = || {
            let given = given.clone();
            Acknowledgement::new(move || {
                given.fetch_add(1, Ordering::SeqCst);
            })
        };
        drop(acknowledgement());
        assert_eq!(given.load(Ordering::SeqCst), 0);
        acknowledgement().give();
        assert_eq!(given.load(Ordering::SeqCst), 1);
    }
}
