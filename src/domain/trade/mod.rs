//! Trade: invoices between legal entities, as receivables that exist once.
//!
//! # Life cycle
//! A supplier and a buyer commit a fingerprint key, once. The supplier registers an invoice by its keyed fingerprint; the
//! buyer, who recomputed the fingerprint from its own copy, confirms it and owes it from then on, whoever holds it.
//! `financing` assigns the receivable and takes the buyer's payments:
//!
//! ```text
//! registered --confirm--> confirmed --finance--> financed
//!                             |                      |
//!                             +-------settle---------+--> settled
//! ```
//!
//! # Invariants
//! * One fingerprint, one receivable, for ever: the entry that maps one to the other is never removed.
//! * One pair of legal entities, in one direction, one fingerprint key.
//! * A receivable has at most one assignment, and keeps it when it is settled.
//! * What is outstanding never grows, and never falls below what the financier is still to receive.
//! * A receivable is settled exactly when nothing is outstanding.
//!
//! # Deliberately absent
//! The documents, and anything in them that a person could be recognised by: state holds salted commitments and keyed
//! hashes. Whether a fingerprint fits its invoice, which only the holders of the key can say: the buyer says it by
//! confirming. And all movements of money, which are `financing`'s.

mod absence;
pub mod fingerprint;
mod invoice;
mod key;
mod receivable;

#[cfg(test)]
mod tests;

pub use absence::CertifyAbsence;
pub use fingerprint::{InvoiceFacts, document_commitment, fingerprint, key_commitment};
pub use invoice::{ConfirmInvoice, RegisterInvoice, RegisteredFingerprint};
pub use key::{CommitFingerprintKey, FingerprintKey};
pub use receivable::{Assignment, InvoicePayment, Receivable, ReceivableState, Step, receivable};
