//! F2: the rooms. Each holds the rules of one business: its operations, the entries they keep, what they refuse and why.
//!
//! An operation is a struct with `check`, its static bounds, and `plan`, its rules. Rooms see each other through
//! read-only functions along one line: `accounts <- tokens <- payments`, `trade <- financing`.
//!
//! Deliberately absent: signatures of bytes (admission verified them), blocks and their order (execution's), money that
//! moves other than through the ledger's `Changes`.

pub mod accounts;
pub mod financing;
pub mod governance;
pub mod payments;
pub mod tokens;
pub mod trade;

#[cfg(test)]
pub(crate) mod market;
#[cfg(test)]
pub(crate) mod rehearsal;
