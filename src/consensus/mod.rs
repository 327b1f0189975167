//! F4: consensus. Our port to it, and the adapter to the engine behind the port.
//!
//! The engine is commonware's *simplex* (votes, views, certificates) with its *marshal* (dissemination, storage and
//! ordered delivery of final blocks). The node sees none of it: it implements [`Ledger`], hands over a network, the two
//! stores of final blocks and certificates, and gets back a [`Consensus`] to watch and to forward transactions with.
//!
//! * [`port`]: what the ledger is asked and told.
//! * [`block`]: the ledger's block with its bytes and hash, as the engine handles it.
//! * [`engine`]: everything of one node, started together.
//! * `epochs`: one simplex engine for each epoch, and the step from one to the next.
//! * `peering`: whom the network connects with.
//! * [`leaders`], [`forwarding`]: whose turn it is, and transactions on their way to them.
//! * [`network`]: the six channels, over real peers or simulated ones. [`Hearing`]: when each peer was last heard on them.
//! * [`voting`]: whether a key may vote from this directory. [`journals`]: where its votes are kept.
//!
//! # Invariants
//! * Everything that is signed here is signed in a namespace that contains the chain id.
//! * A key signs only while the engine's directory that its earlier votes are in is whole: see [`voting`].
//! * No message is sent that is larger than what all peers accept; the engine would stop.
//! * Nothing here knows which runtime it is on, so a whole network runs in the deterministic one.
//!
//! # Deliberately absent
//! What a block means, and whether it is valid.

mod adapter;
pub mod block;
mod delivery;
pub mod engine;
mod epochs;
pub mod forwarding;
mod hearing;
pub mod journals;
mod keys;
pub mod leaders;
pub mod network;
mod peering;
pub mod port;
mod schemes;
pub mod voting;

pub use block::SealedBlock;
pub use engine::{Config, Consensus, Pace, Signer, StartError, StartingBlock, StopReason, Stores};
pub use forwarding::{ForwardedBatch, ForwardedBatches, Forwarder};
pub use hearing::{Attended, Hearing};
pub use journals::{Journaled, KeepsJournals};
pub use keys::{PrivateKey, private_key};
pub use leaders::Leaders;
pub use port::{
    Acknowledgement, Ancestors, Committee, CurrentLeaders, FinalizedBlock, Ledger, PeerAddress, Peers, PeersChanged,
    Slot, Tip,
};

use block::Digest;
use commonware_consensus::simplex;
use commonware_runtime::{Clock, Metrics, Spawner, Storage};
use rand_core::CryptoRng;

/// How votes are signed: Ed25519, a certificate being the signatures of a quorum.
pub type Scheme = simplex::scheme::ed25519::Scheme;

/// A quorum's votes that make a block final, as the engine holds them.
pub type Finalization = simplex::types::Finalization<Scheme, Digest>;

/// What the engine reports of its votes and certificates.
pub type Activity = simplex::types::Activity<Scheme, Digest>;

/// What a runtime must offer. The deterministic one and tokio's both do.
pub trait Runtime: Clock + CryptoRng + Metrics + Spawner + Storage {}

impl<E: Clock + CryptoRng + Metrics + Spawner + Storage> Runtime for E {}
