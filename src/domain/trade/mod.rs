//! Trade: orders between legal entities, and invoices as receivables that exist once.
//!
//! # Life cycle
//! A supplier and a buyer commit a fingerprint key. The buyer may place an order, and the supplier accepts it; carriers
//! whom they appoint record what happens to its goods. The supplier
//! registers an invoice by its keyed fingerprint, under an order or without; the buyer, who recomputed the fingerprint from
//! its own copy, confirms it and owes it from then on, whoever holds it; or its silence confirms, where the order has it so.
//! Until then the buyer may dispute or reject it and the supplier withdraw it. What is owed passes from owner to owner, whole
//! or in parts, is pledged to loans and paid by `financing`, and comes down by credit notes. `docs/state-machines.md` draws
//! both life cycles from their tables.
//!
//! # Invariants
//! * Of a pair, one fingerprint, one document: the entry that maps one to the other is removed only with an invoice that
//!   nobody came to owe, or an order that is cancelled.
//! * One pair of legal entities, in one direction, one fingerprint key, and the same one as long as a document stands under it.
//! * The terms of an order are signed by both parties, each time.
//! * What stands invoiced under an order, less what was credited, is counted on it and never exceeds its amount.
//! * A receivable is pledged to at most one loan at a time.
//! * What is outstanding never grows, and never falls below what a loan claims of it.
//! * Nothing is outstanding exactly when a receivable is settled, withdrawn, rejected or split; and what a split takes from it
//!   is what its parts have.
//! * Whoever owes on a receivable, or is still to be paid on it, has it listed among its open items.
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
mod credit_note;
pub mod fingerprint;
mod invoice;
mod key;
mod life_cycle;
mod near_duplicates;
mod order;
mod ordering;
mod read_point;
mod receivable;
mod registered;
mod retraction;
mod shipment;
mod shipment_event;
mod voucher;

#[cfg(test)]
mod tests;

pub use absence::CertifyAbsence;
pub use credit_note::{DisputeInvoice, IssueCreditNote, confirmation_term};
pub use fingerprint::{InvoiceFacts, document_commitment, fingerprint, key_commitment};
pub use invoice::{ConfirmInvoice, RegisterInvoice};
pub use key::{CommitFingerprintKey, FingerprintKey};
pub use life_cycle::{OrderState, OrderStep, ReceivableState, Step};
pub use near_duplicates::InvoicesOfDay;
pub use order::{Order, OrderChange, OrderTerms, SilenceMeans, order};
pub use ordering::{AcceptOrder, AcceptOrderChange, CancelOrder, PlaceOrder, ProposeOrderChange};
pub use read_point::{ReadPoint, RegisterReadPoint, RetireReadPoint};
pub use receivable::{
    Confirmation, ConfirmationTerm, Dispute, DisputeGround, Pledge, Receivable, invoice_of, receivable,
};
pub use registered::{DocumentKind, RegisteredDocument};
pub use retraction::{RejectInvoice, WithdrawInvoice};
pub use shipment::{AppointCarrier, DeclareEventError, RecordShipmentEvent};
pub use shipment_event::{
    BusinessStep, ErrorGround, EventAction, EventError, EventKind, ShipmentEvent, events_of_order, evidence,
    recorded_events,
};
pub use voucher::{AssignReceivable, Part, SplitReceivable, part_id};
