//! The store: everything a node must still know after `kill -9`.
//!
//! One port ([`Reader`] and [`Store`]), two implementations: [`RocksStore`] for a node, and [`SimulatedStore`]
//! over the engine's own storage, so that the whole node below gRPC runs in the deterministic runtime with faults
//! injected under it. Everything above the port behaves the same over both; one suite of tests holds them to it.
//!
//! # Life cycle
//! `open` (claims the place for one chain and one format) -> any number of reads, snapshots and commits -> drop.
//! There is nothing to flush at the end: what was acknowledged is on disk.
//!
//! # Invariants
//! * A [`Batch`] is applied whole and synced before `commit` returns `Ok`, or it never was.
//! * A failed commit closes the store: from then on every read and every commit answers with that first failure.
//!   The caller stops; nobody is told of a state that was not written.
//! * A place belongs to one chain and one format version, for ever.
//! * Damaged bytes are an error that names the column, never a panic and never an answer.
//!
//! # Deliberately absent
//! Rules of the ledger (a value is opaque here, save blocks and certificates in [`stores`]), caches of decoded
//! values, merge operators, transactions that read: there is one writer of state, the committer. Repair, too: a
//! node rebuilds from its peers or its backup; a store that mends itself cannot be audited.

mod column;
pub mod durable;
mod error;
mod height_ranges;
mod holder;
mod identity;
mod image;
mod manifest;
mod port;
mod private;
mod rocks;
mod rocks_options;
mod simulated;
mod simulated_log;
pub mod stores;
mod view;
mod watermark;

pub use column::StoreColumn;
pub use error::StorageError;
pub use identity::{FORMAT_VERSION, identity_keys};
pub use image::Image;
pub use port::{Batch, Pair, Reader, Store, height_key, key_height, prefix_end};
pub use private::{APART_BYTES, private, private_socket};
pub use rocks::{RocksSnapshot, RocksStore};
pub use simulated::SimulatedStore;
pub use view::StoreView;
