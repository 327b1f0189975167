//! F5: the node. It holds the chain, answers consensus, commits what is final, and hands its API one handle.
//!
//! * [`start`]: everything below gRPC, on whatever runtime, network and store it is given.
//! * `chain`: the committed state, and the executed blocks above it. Its `commit` is the only writer of state.
//! * `ledger`: proposals, verdicts, and final blocks.
//! * `seats`: who validates and who is connected. `handovers`: from whom to whom. `upgrades`: by which version of the protocol.
//! * `intake`, `transactions`, `relay`: the way in, where transactions wait, and their way between nodes.
//! * `liveness`: whether blocks become final, and who is silent.
//! * [`audit`]: a stopped node's data, executed again and compared. [`snapshot`]: a copy of it that others begin from; `floor`:
//!   where they begin.
//! * `finality`, `handle`, `proofs`: who waits for what, what is answered, and what proves it.
//!
//! # Invariants
//! * Nothing is answered from a state that was not written: a failed read or write halts the node.
//! * Nothing here knows which runtime it is on.
//!
//! # Deliberately absent
//! Sockets and statuses (`api`), processes and terminals (`cli`, `sandbox`).

pub mod audit;
mod chain;
mod clock;
pub mod config;
mod error;
mod finality;
mod floor;
mod halt;
mod handle;
mod handovers;
mod intake;
mod ledger;
mod liveness;
mod metrics;
mod newest;
mod pacing;
mod proofs;
pub mod pruning;
mod records;
mod relay;
mod seats;
pub mod service;
mod shared_queue;
pub mod snapshot;
mod start;
mod state_cache;
#[cfg(test)]
mod tests;
mod transactions;
mod upgrades;

pub use chain::Chain;
pub use clock::LedgerClock;
pub use config::{Config, ConfigError};
pub use error::NodeError;
pub use floor::Floor;
pub use halt::Halted;
pub use handle::NodeHandle;
pub use metrics::NodeMetrics;
pub use records::{BlockRecord as StoredRecord, TransactionPlace};
pub use seats::{Found, find, has_signed};
pub use start::{NodeSettings, RunningNode, start};
