//! Invoices: registered by the supplier, confirmed by the buyer.

use super::key::committed_pair;
use super::near_duplicates;
use super::order::{OrderTerms, order};
use super::receivable::{Confirmation, Receivable, receivable};
use super::registered::{DocumentKind, RegisteredDocument};
use crate::domain::tokens;
use crate::ledger::context::{open_account, require_role};
use crate::ledger::{Changes, Context, Effect, Malformed, Reason, Role};
use crate::primitives::ids::ObjectKind;
use crate::primitives::{AccountId, Amount, BlockTime, Currency, Day, Hash, ObjectId, TokenId};

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
    /// The order that it is under, if that is on the ledger.
    pub order: Option<ObjectId>,
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
    /// `INVOICE_ALREADY_REGISTERED`, `ALREADY_EXISTS`; under an order `UNKNOWN_ORDER`, `ORDER_MISMATCH`, `ORDER_NOT_OPEN`,
    /// `DUE_DATE_OUTSIDE_TERMS`, `ORDER_AMOUNT_EXCEEDED`, `TIME_OUT_OF_RANGE`.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        let (supplier, buyer, now) = (context.sender, self.buyer, context.now);
        let supplier_account = context.signed_in_role(changes, supplier, Role::Merchant)?;
        let buyer_account = open_account(changes, buyer)?;
        require_role(buyer, &buyer_account, Role::Merchant)?;
        let token = tokens::known_in(changes, self.token, self.currency)?;
        if self.due_at <= now {
            return Err(Reason::DueDatePassed { due_at: self.due_at, now });
        }
        // Somewhere on earth it is tomorrow already.
        let issued_on = self.issued_on;
        if issued_on > now.day() && issued_on.days_from(now.day()) > 1 {
            return Err(Reason::IssueDateInTheFuture { issued_on: issued_on.to_string(), now });
        }
        let pair = committed_pair(changes, (supplier, &supplier_account), (buyer, &buyer_account))?;
        let likeness = near_duplicates::likeness(&pair, &token, self.amount, issued_on);
        let registered = (pair, (DocumentKind::Invoice, self.fingerprint));
        if let Some(RegisteredDocument { object }) = changes.read(&registered) {
            return Err(Reason::InvoiceAlreadyRegistered { fingerprint: self.fingerprint, receivable: object });
        }
        // A request id can return once it is forgotten, and the receivable's id with it.
        let id = context.object_id(ObjectKind::Receivable);
        if changes.has::<Receivable>(&id) {
            return Err(Reason::AlreadyExists { object: id });
        }
        let mut receivable = Receivable::registered(supplier, self, near_duplicates::near(changes, &likeness));
        if let Some(order) = self.order {
            let OrderTerms { confirmation_days, silence, .. } = self.under_order(order, supplier, changes)?;
            receivable.begin_term(confirmation_days, silence, now)?;
        }
        RegisteredDocument { object: id }.register(&registered, changes);
        near_duplicates::count(changes, &likeness);
        receivable.keep(id, changes);
        self.report(id, &receivable, changes);
        Ok(())
    }

    /// Counts the invoice on its order, if it fits.
    fn under_order(&self, id: ObjectId, supplier: AccountId, changes: &mut Changes<'_>) -> Result<OrderTerms, Reason> {
        let mut found = order(changes, id)?;
        let matches = [
            ("supplier", found.supplier == supplier),
            ("buyer", found.buyer == self.buyer),
            ("token", found.token == self.token),
        ];
        if let Some((field, _)) = matches.into_iter().find(|(_, matches)| !matches) {
            return Err(Reason::OrderMismatch { order: id, field });
        }
        found.require_agreed(id)?;
        found.terms.require_due(self.issued_on, self.due_at)?;
        found.invoice(id, self.amount)?;
        changes.put(&id, &found);
        Ok(found.terms)
    }

    fn report(&self, id: ObjectId, receivable: &Receivable, changes: &mut Changes<'_>) {
        let mut registered = Effect::new("trade.invoice_registered")
            .with("receivable", id)
            .with("supplier", receivable.supplier)
            .with("buyer", self.buyer)
            .with("token", self.token)
            .with("amount", self.amount)
            .with("due_at", self.due_at)
            .with("fingerprint", self.fingerprint)
            .with("document_commitment", self.document_commitment)
            .with("issued_on", self.issued_on)
            .with("near_duplicates", receivable.near_duplicates)
            .with("state", receivable.state().name());
        if let Some(order) = self.order {
            registered = registered.with("order", order);
        }
        if let Some(term) = receivable.term() {
            registered = registered.with("confirm_by", term.ends_at).with("silence", term.silence.name());
        }
        changes.record(registered);
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
            return Err(Reason::NotTheBuyer { receivable: id });
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
