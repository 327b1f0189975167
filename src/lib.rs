//! Causeway: a settlement node for fiat-pegged tokens.
//!
//! The house has floors, and a floor imports only the floors below it; `docs/architecture.md` draws it and a test in
//! `tests/architecture.rs` enforces it.

#![deny(unsafe_code)]

pub mod admission;
pub mod api;
pub mod bench;
pub mod cli;
pub mod client;
pub mod consensus;
pub mod daemon;
pub mod domain;
pub mod execution;
pub mod ledger;
pub mod node;
pub mod primitives;
pub mod sandbox;
pub mod signer;
pub mod storage;
pub mod wire;
