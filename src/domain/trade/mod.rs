//! Trade: invoices between legal entities, as receivables that exist once.
//!
//! # Life cycle
//! A supplier and a buyer commit a fingerprint key. The supplier registers an invoice by its keyed fingerprint; the
//! buyer, who recomputed the fingerprint from its own copy, confirms it and owes it from then on, whoever holds it. Until
//! then the supplier may withdraw it and the buyer reject it, and the same invoice may be registered anew.
//! `financing` assigns the receivable and takes the buyer's payments:
//!
//! ```text
//! registered --confirm--> confirmed --finance--> financed
//!      |                      |                      |
//!      |                      +-------settle---------+--> settled
//!      +--withdraw--> withdrawn
//!      +--reject----> rejected
//! ```
//!
//! # Invariants
//! * Of a pair, one fingerprint, one receivable: the entry that maps one to the other is removed only with an invoice that
//!   nobody came to owe.
//! * One pair of legal entities, in one direction, one fingerprint key, and the same one as long as an invoice stands under it.
//! * A receivable is pledged to at most one loan at a time.
//! * What is outstanding never grows, and never falls below what a loan claims of it.
//! * Nothing is outstanding exactly when a receivable is settled, withdrawn or rejected.
//! * Whoever owes on a receivable, or is still to be paid on it, has it counted among its open items.
//!
//! # Against third parties
//! * *Guessing.* A fingerprint is a keyed hash; number, date and amount do not lead to it without the pair's key.
//! * *Blocking.* Who sees a fingerprint before its invoice is ordered (a validator, a financier who was told it) might
//!   register it first. Fingerprints are therefore kept by pair of legal entities: another pair's entry is in nobody's way,
//!   and within the pair only the supplier's accounts register. What the buyer does not owe, it rejects.
//! * *Probing.* A registration is answered about the sender's own pair alone. An absence is certified to anyone who names
//!   both parties and the fingerprint, so to whoever was given it.
//!
//! What prevents that an invoice is taken by an impostor is that nobody else has an account of the parties' legal entities:
//! an entity is its first opener's, has one spelling, and further accounts of it are opened by the same institution or with
//! the entity's own signature (`ledger/legal_entity.rs`). This rests on the *first* institution to name a company knowing it,
//! and on parties being named by the same register: a company's ids in two registers are two entities here.
//!
//! # Deliberately absent
//! The documents, and anything in them that a person could be recognised by: state holds salted commitments and keyed
//! hashes. Whether a fingerprint fits its invoice, which only the holders of the key can say: the buyer says it by
//! confirming. And all movements of money, which are `financing`'s.

mod absence;
pub mod fingerprint;
mod invoice;
mod key;
mod life_cycle;
mod receivable;
mod retraction;

#[cfg(test)]
mod tests;

pub use absence::CertifyAbsence;
pub use fingerprint::{InvoiceFacts, document_commitment, fingerprint, key_commitment};
pub use invoice::{ConfirmInvoice, RegisterInvoice, RegisteredFingerprint};
pub use key::{CommitFingerprintKey, FingerprintKey};
pub use life_cycle::{ReceivableState, Step};
pub use receivable::{Confirmation, Pledge, Receivable, receivable};
pub use retraction::{RejectInvoice, WithdrawInvoice};
