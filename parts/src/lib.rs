//! The pure floors by themselves, F0 to F3: what makes a block, compiled in a minute, without the store, the engine and the
//! wire.
//!
//! The same sources as the node's, read by path and not copied. That they compile here is the compiler's proof that they
//! need nothing else: this crate has neither RocksDB, tonic nor the engine, and an import of a higher floor does not
//! resolve.
//!
//! What is measured is listed once, in [`hot_paths`]: `cargo bench --package causeway-parts` takes its time on this machine,
//! and `make instructions` counts its instructions, which are the same on every machine, against those last accepted.
//!
//! # Deliberately absent
//! Bodies of transactions as the wire has them, admission, the store, the network: `causeway bench` measures them all
//! together. And the floors' own tests, which run with the node's.

// Nothing of the rules is.
#![forbid(unsafe_code)]
// Items that only the floors above use.
#![allow(dead_code)]

#[path = "../../src/domain/mod.rs"]
pub mod domain;
#[path = "../../src/execution/mod.rs"]
pub mod execution;
#[path = "../../src/ledger/mod.rs"]
pub mod ledger;
#[path = "../../src/primitives/mod.rs"]
pub mod primitives;

pub mod hot_paths;
pub mod instruction_counts;
mod stage;
