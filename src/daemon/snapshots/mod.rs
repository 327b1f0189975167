//! Snapshots as directories: taken of a node that runs or is stopped, verified, and restored.
//!
//! ```text
//! DIR/MANIFEST   what it is, what certifies it, and a checksum of each file
//! DIR/store/     RocksDB's files: the state, what came of every block, and the bodies that the node had
//! ```
//!
//! # Life cycle
//! A running node copies its store by hard links, which stops nothing; the copy is sealed at the block that was applied last, and
//! waits for the next block, whose certified header commits to the whole state. The directory appears under its name once all
//! of it is there and synced.
//!
//! # Invariants
//! * Who asks a node for one is who may open a file of its data directory: the socket lies there and nowhere else ([`operator`]).
//! * Nothing in a snapshot is secret to the ledger's validators, and nothing in it can vote: no key, no journal of votes.
//! * What is restored was verified as it lies on the node's own disk, and is there whole or not at all.

mod error;
pub mod manifest;
pub mod operator;
mod restore;
mod take;
mod verify;

pub use error::SnapshotError;
pub use operator::ask;
pub use restore::{Restored, restore};
pub use take::{Taken, Wanted, take, take_of_stopped};
pub use verify::{Verified, verify};
