//! Documents that exist once: what each fingerprint of a pair of legal entities became.
//!
//! # Invariants
//! * The pair's fingerprint key counts them.

use super::key::FingerprintKey;
use crate::codec_struct;
use crate::codec_tag;
use crate::ledger::{Changes, Column, Entry};
use crate::primitives::{Hash, ObjectId};

/// What a fingerprint is of. A document of one kind is in no other's way, whatever its fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DocumentKind {
    /// An invoice.
    Invoice,
    /// An order.
    Order,
    /// A credit note.
    CreditNote,
}
codec_tag!(DocumentKind { Invoice = 1, Order = 2, CreditNote = 3 });

/// What a document became. Removed with an invoice that is withdrawn or rejected and with an order that is cancelled, and
/// never with one that came to bind anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegisteredDocument {
    /// The receivable of an invoice, the order, or the receivable that a credit note is on.
    pub object: ObjectId,
}
codec_struct!(RegisteredDocument { object });

impl Entry for RegisteredDocument {
    const COLUMN: Column = Column::Fingerprints;
    /// The legal entities of supplier and buyer, the document's kind, and its fingerprint.
    ///
    /// The pair is in it because a fingerprint says nothing of itself: whoever saw another pair's, in a pool or in a question
    /// about its absence, could register it with a buyer of its own, and the document itself would be shut out for ever.
    type Key = ((String, String), (DocumentKind, Hash));
}

/// What a registered document stands under.
type Registered = <RegisteredDocument as Entry>::Key;

impl RegisteredDocument {
    /// Registers a document, and counts it on the key that it was fingerprinted with.
    pub(super) fn register(self, registered: &Registered, changes: &mut Changes<'_>) {
        changes.put(registered, &self);
        FingerprintKey::count(&registered.0, |documents| documents.checked_add(1), changes);
    }

    /// Takes one away again: it never came to bind anybody.
    pub(super) fn withdraw(registered: &Registered, changes: &mut Changes<'_>) {
        changes.delete::<Self>(registered);
        FingerprintKey::count(&registered.0, |documents| documents.checked_sub(1), changes);
    }
}
