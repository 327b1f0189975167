//! Invoices: registered by the supplier, confirmed by the buyer.

use super::key::{FingerprintKey, legal_entities};
use super::receivable::{Confirmation, Receivable, receivable};
use crate::codec_struct;
use crate::domain::tokens;
use crate::ledger::context::{open_account, require_role};
use crate::ledger::{Changes, Column, Context, Effect, Entry, Malformed, Reason, Role};
use crate::primitives::{AccountId, Amount, BlockTime, Currency, Day, Hash, ObjectId, TokenId};

/// Which receivable an invoice became. Removed if it is withdrawn or rejected, never once it was owed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegisteredFingerprint {
    /// The receivable.
    pub receivable: ObjectId,
}
codec_struct!(RegisteredFingerprint { receivable });

impl Entry for RegisteredFingerprint {
    const COLUMN: Column = Column::Fingerprints;
    /// The legal entities of supplier and buyer, and the fingerprint.
    ///
    /// The pair is in it because a fingerprint says nothing of itself: whoever saw another pair's, in a pool or in a question
    /// about its absence, could register it with a buyer of its own, and the invoice itself would be shut out for ever.
    type Key = ((String, String), Hash);
}

/// Registers an invoice. The sender is its supplier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegisterInvoice {
    /// Who owes.
    pub buyer: AccountId,
    /// The token in which it will be paid.
    pub token: TokenId,
    /// The invoice's currency: the token's.
    pub currency: Currency,
    /// The payable amount, in the token's minor units.
    pub amount: Amount,
    /// When it is due.
    pub due_at: BlockTime,
    /// The invoice's keyed fingerprint.
    pub fingerprint: Hash,
    /// The salted commitment to the document.
    pub document_commitment: Hash,
    /// The day of issue that the document states.
    pub issued_on: Day,
}

impl RegisterInvoice {
    /// Holds the operation to its static bounds.
    ///
    /// # Errors
    /// The first field that is out of bounds.
    pub fn check(&self) -> Result<(), Malformed> {
        if self.amount.is_zero() {
            return Err(Malformed::new("amount", "it must be positive"));
        }
        Ok(())
    }

    /// Plans the receivable.
    ///
    /// # Errors
    /// `UNKNOWN_ACCOUNT`, `ACCOUNT_CLOSED`, `MISSING_SIGNATURE`, `ROLE_REQUIRED`, `UNKNOWN_TOKEN`, `CURRENCY_MISMATCH`,
    /// `DUE_DATE_PASSED`, `ISSUE_DATE_IN_THE_FUTURE`, `LEGAL_ENTITY_REQUIRED`, `SAME_LEGAL_ENTITY`, `FINGERPRINT_KEY_NOT_COMMITTED`,
    /// `INVOICE_ALREADY_REGISTERED`, `ALREADY_EXISTS`.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        let (supplier, buyer, now) = (context.sender, self.buyer, context.now);
        let supplier_account = context.signed_in_role(changes, supplier, Role::Merchant)?;
        let buyer_account = open_account(changes, buyer)?;
        require_role(buyer, &buyer_account, Role::Merchant)?;
        let token = tokens::known(changes, self.token)?;
        if token.terms.currency != self.currency {
            return Err(Reason::CurrencyMismatch {
                token: self.token,
                token_currency: token.terms.currency.into(),
                invoice_currency: self.currency.into(),
            });
        }
        if self.due_at <= now {
            return Err(Reason::DueDatePassed { due_at: self.due_at, now });
        }
        // Somewhere on earth it is tomorrow already.
        let issued_on = self.issued_on;
        if issued_on > now.day() && issued_on.days_from(now.day()) > 1 {
            return Err(Reason::IssueDateInTheFuture { issued_on: issued_on.to_string(), now });
        }
        let pair = legal_entities((supplier, &supplier_account), (buyer, &buyer_account))?;
        if changes.read::<FingerprintKey>(&pair).is_none() {
            return Err(Reason::FingerprintKeyNotCommitted { supplier, buyer });
        }
        let registered = (pair, self.fingerprint);
        if let Some(RegisteredFingerprint { receivable }) = changes.read(&registered) {
            return Err(Reason::InvoiceAlreadyRegistered { fingerprint: self.fingerprint, receivable });
        }
        self.register(&registered, context, changes)
    }

    fn register(
        &self,
        registered: &((String, String), Hash),
        context: &Context<'_>,
        changes: &mut Changes<'_>,
    ) -> Result<(), Reason> {
        // A request id can return once it is forgotten, and the receivable's id with it.
        let id = context.object_id();
        if changes.has::<Receivable>(&id) {
            return Err(Reason::AlreadyExists { object: id });
        }
        let receivable = Receivable::registered(context.sender, self);
        changes.put(registered, &RegisteredFingerprint { receivable: id });
        receivable.keep(id, changes);
        changes.record(
            Effect::new("trade.invoice_registered")
                .with("receivable", id)
                .with("supplier", context.sender)
                .with("buyer", self.buyer)
                .with("token", self.token)
                .with("amount", self.amount)
                .with("due_at", self.due_at)
                .with("fingerprint", self.fingerprint)
                .with("document_commitment", self.document_commitment)
                .with("issued_on", self.issued_on)
                .with("state", receivable.state().name()),
        );
        Ok(())
    }
}

/// Confirms an invoice. The sender is its buyer, who has recomputed the fingerprint from its own copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfirmInvoice {
    /// The receivable.
    pub receivable: ObjectId,
}

impl ConfirmInvoice {
    /// Holds the operation to its static bounds, of which there are none beyond its types.
    ///
    /// # Errors
    /// None.
    pub fn check(&self) -> Result<(), Malformed> {
        Ok(())
    }

    /// Plans the confirmation.
    ///
    /// # Errors
    /// `UNKNOWN_RECEIVABLE`, `NOT_THE_BUYER`, those of [`Context::signed_by`], `RECEIVABLE_NOT_OPEN`.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        let id = self.receivable;
        let mut found = receivable(changes, id)?;
        if context.sender != found.buyer {
            return Err(Reason::NotTheBuyer { receivable: id, buyer: found.buyer });
        }
        context.signed_by(changes, context.sender)?;
        let before = found.state();
        found.confirm(id, Confirmation::Buyer, context.now)?;
        found.keep(id, changes);
        changes.record(
            Effect::new("trade.invoice_confirmed")
                .with("receivable", id)
                .with("supplier", found.supplier)
                .with("buyer", found.buyer)
                .with("token", found.token)
                .with("amount", found.amount)
                .with("fingerprint", found.fingerprint)
                .with("state_before", before.name())
                .with("state", found.state().name()),
        );
        Ok(())
    }
}
