//! F4: admission. What a transaction goes through before it may stand in a block.
//!
//! # Stages
//! Each stage is a type, made only by the one before:
//! [`SignedTransaction`](crate::ledger::SignedTransaction) (received: bytes within their limits) → [`Decoded`] (one
//! meaning) → [`Plausible`] (keeps every rule, if its signatures are genuine) →
//! [`Transaction`](crate::execution::Transaction) (authentic) → [`Admissible`] (fits the state that it was held against).
//! The [`Pool`] takes nothing less than the last. A block's transactions pass over the second of these stages: execution
//! holds them to the same rules.
//!
//! # Invariants
//! * Signatures are judged by ZIP 215 only. Singly and in batches the answer is the same.
//! * What can be refused without verifying a signature is.
//! * A node verifies a signature once: what it authenticated it remembers, within bounds, by transaction id *and*
//!   signatures, since the id does not cover these.
//! * Whatever is refused here happened nowhere. Every rule has one variant of [`Refusal`].
//! * The pool never exceeds its bounds, whoever sends.
//!
//! # Deliberately absent
//! Clocks (times are arguments), threads (work goes through the engine's `Strategy`), and what operations mean.

mod admissible;
mod authenticator;
mod known_keys;
mod plausible;
mod pool;
mod refusal;

pub use admissible::Admissible;
pub use authenticator::{Authenticator, Decoded, Offence};
pub use plausible::Plausible;
pub use pool::{Origin, Pool, PoolLimits, Pooled};
pub use refusal::Refusal;
