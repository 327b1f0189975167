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
use crate::primitives::crypto::PublicKey;
use crate::primitives::ids::Hash;
use futures::future::BoxFuture;
use futures::stream::{BoxStream, StreamExt as _};
use futures::{Stream, stream};
use std::collections::BTreeMap;
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
    fn finalized(&self, finalized: FinalizedBlock) -> BoxFuture<'static, ()>;

    /// Who validates in `epoch`: by genesis for epoch 0, by the last block of the epoch before for every other.
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

/// Who takes part in an epoch, and where they are reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Committee {
    /// Those who propose and vote.
    pub validators: BTreeMap<PublicKey, PeerAddress>,
    /// Those who follow. They dial; nobody dials them.
    pub observers: BTreeMap<PublicKey, PeerAddress>,
}

/// A peer's `host:port`. The host is an IP address or a DNS name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PeerAddress {
    /// IP address or DNS name.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// Why a text is no peer address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a peer address: expected host:port, such as 10.0.0.7:4001 or validator.example:4001")]
pub struct ParseAddressError(String);

impl std::str::FromStr for PeerAddress {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = || ParseAddressError(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(malformed)?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let well_formed = host.parse::<std::net::IpAddr>().is_ok() || is_dns_name(host);
        let port = port.parse().map_err(|_| malformed())?;
        if !well_formed || port == 0 {
            return Err(malformed());
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// RFC 1123, section 2.1: labels of 1 to 63 letters, digits and inner hyphens, 253 characters in all.
fn is_dns_name(host: &str) -> bool {
    let is_label = |label: &str| {
        let alphabet = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (1..=63).contains(&label.len())
            && label.bytes().all(alphabet)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.len() <= 253 && host.split('.').all(is_label)
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
    fn addresses_are_strict_and_survive_text() {
        for good in ["127.0.0.1:4001", "[::1]:4001", "validator-1.example:1", "localhost:65535"] {
            let address: PeerAddress = good.parse().expect(good);
            assert_eq!(address.to_string(), good);
        }
        for bad in ["", "127.0.0.1", ":4001", "host:0", "host:65536", "-a:1", "a..b:1", "a b:1", "a/b:1"] {
            assert!(bad.parse::<PeerAddress>().is_err(), "{bad}");
        }
    }

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
