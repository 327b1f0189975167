//! Payments: value from one account to another, and what it is for.
//!
//! A payment is final in the block that holds it; there is no life cycle and no entry of its own. What the payer says
//! about it, the [`Remittance`], stays in the transaction's body, which the receipt carries: state holds who has what,
//! not why.
//!
//! # Invariants
//! * The payer signed, and payer and payee are open accounts.
//! * A payment moves exactly its amount and leaves no entry but the two balances.
//!
//! # Deliberately absent
//! Looking anything up for the payer. A payment that names an invoice does not pay the receivable: paying an invoice is
//! an operation of `financing`, which knows who holds it.

mod remittance;
mod transfer;

pub use remittance::{PURPOSE_CODE_BYTES_MAX, Remittance, check_reference};
pub use transfer::Transfer;
