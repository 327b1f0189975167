//! F3: what a block does.
//!
//! One function, [`BlockExecutor::push`], decides about a transaction for the leader that builds a block and for everyone
//! who checks it; the leader leaves out what is ineligible, and a block that holds it is invalid. So the two cannot drift
//! apart.
//!
//! # Invariants
//! * The same parent state and the same block give the same header, outcomes and writes, on every machine.
//! * A transaction is applied whole or declined whole, and either way stands in the block with an outcome.
//! * [`invariants`] holds of every block's writes before anyone votes for it.
//!
//! # Deliberately absent
//! Signatures (verified before), storage, clocks, and old blocks: execution reads state only.

mod apply;
#[cfg(test)]
pub(crate) mod chronicle;
pub mod genesis;
pub mod invariants;
mod operation;
#[cfg(test)]
mod tests;
mod transaction;
mod work;

pub use apply::{BlockExecutor, Executed, Ineligible, InvalidBlock, ParentState, Place, apply_block, eligible};
pub use operation::Operation;
pub use transaction::{Envelope, Transaction};
