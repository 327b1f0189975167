//! Consensus, several nodes of it, in the deterministic runtime: a seed decides every delay and every order.
//!
//! A failure is repeated with the seed that its message names.

mod admission;
mod certificates;
mod cluster;
mod ledger;
mod memory;
mod simulation;
mod wire;
mod world;
