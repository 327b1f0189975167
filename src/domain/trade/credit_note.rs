//! Disputes and credit notes: how an invoice that is not wholly owed comes to the amount that is; and what silence does.
//!
//! A buyer that does not owe all of an invoice disputes an amount of it before it confirms; once it has confirmed, it owes. The
//! supplier answers with credit notes: once they make up for what was disputed, the invoice is as if registered anew with
//! what is left of it, for the buyer to confirm within its term. Or the buyer gives in and confirms, the supplier
//! withdraws, the buyer rejects.
//!
//! A credit note also comes later, for goods returned. It takes off what is outstanding, never what a loan claims: a loan
//! is not repaid by its debtor's supplier giving money away. Whoever owns the receivable signs, if that is no longer the
//! supplier.

use super::key::legal_entities_of;
use super::life_cycle::ReceivableState;
use super::order::uninvoice;
use super::receivable::{Confirmation, DisputeGround, Receivable, receivable};
use super::registered::{DocumentKind, RegisteredDocument};
use crate::ledger::malformed::{Malformed, require};
use crate::ledger::{Changes, Context, Effect, Reason};
use crate::primitives::{Amount, BlockTime, Hash, ObjectId};

/// Disputes an amount of an invoice that was not confirmed. The sender is its buyer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DisputeInvoice {
    /// The receivable.
    pub receivable: ObjectId,
    /// How much of it the buyer does not owe.
    pub amount: Amount,
    /// Why.
    pub ground: DisputeGround,
}

impl DisputeInvoice {
    /// Holds the operation to its static bounds.
    ///
    /// # Errors
    /// The first field that is out of bounds.
    pub fn check(&self) -> Result<(), Malformed> {
        require(!self.amount.is_zero(), "amount", "it must be positive")
    }

    /// Plans the dispute.
    ///
    /// # Errors
    /// `UNKNOWN_RECEIVABLE`, `NOT_THE_BUYER`, those of [`Context::signed_by`], `CONFIRMATION_TERM_PASSED`,
    /// `RECEIVABLE_NOT_OPEN`, `DISPUTE_EXCEEDS_OUTSTANDING`.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        let id = self.receivable;
        let mut found = receivable(changes, id)?;
        if context.sender != found.buyer {
            return Err(Reason::NotTheBuyer { receivable: id });
        }
        context.signed_by(changes, context.sender)?;
        found.require_within_term(id, context.now)?;
        let before = found.state();
        found.open_dispute(id, self.amount, self.ground)?;
        found.keep(id, changes);
        changes.record(
            Effect::new("trade.invoice_disputed")
                .with("receivable", id)
                .with("supplier", found.supplier)
                .with("buyer", found.buyer)
                .with("token", found.token)
                .with("amount", self.amount)
                .with("ground", self.ground.name())
                .with("outstanding", found.outstanding())
                .with("state_before", before.name())
                .with("state", found.state().name()),
        );
        Ok(())
    }
}

/// Takes an amount off an invoice. The sender is its supplier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IssueCreditNote {
    /// The receivable.
    pub receivable: ObjectId,
    /// How much, in the receivable's token.
    pub amount: Amount,
    /// The credit note's keyed fingerprint.
    pub fingerprint: Hash,
    /// The salted commitment to the document.
    pub document_commitment: Hash,
}

impl IssueCreditNote {
    /// Holds the operation to its static bounds.
    ///
    /// # Errors
    /// The first field that is out of bounds.
    pub fn check(&self) -> Result<(), Malformed> {
        require(!self.amount.is_zero(), "amount", "it must be positive")
    }

    /// Plans the credit.
    ///
    /// # Errors
    /// `UNKNOWN_RECEIVABLE`, `NOT_THE_SUPPLIER`, those of [`Context::signed_by`] for the supplier and for the owner,
    /// `CREDIT_NOTE_ALREADY_REGISTERED`, `RECEIVABLE_NOT_OPEN`, `CREDIT_EXCEEDS_UNFINANCED`, `TIME_OUT_OF_RANGE`.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        let (id, fingerprint) = (self.receivable, self.fingerprint);
        let mut found = receivable(changes, id)?;
        if context.sender != found.supplier {
            return Err(Reason::NotTheSupplier { receivable: id });
        }
        context.signed_by(changes, found.supplier)?;
        context.signed_by(changes, found.owner())?;
        let pair = legal_entities_of(changes, found.supplier, found.buyer)?;
        let registered = (pair, (DocumentKind::CreditNote, fingerprint));
        if let Some(RegisteredDocument { object }) = changes.read(&registered) {
            return Err(Reason::CreditNoteAlreadyRegistered { fingerprint, receivable: object });
        }
        let (state_before, outstanding_before) = (found.state(), found.outstanding());
        found.credit(id, self.amount, context.now)?;
        RegisteredDocument { object: id }.register(&registered, changes);
        uninvoice(changes, found.order, self.amount);
        found.keep(id, changes);
        let mut credited = Effect::new("trade.invoice_credited")
            .with("receivable", id)
            .with("supplier", found.supplier)
            .with("buyer", found.buyer)
            .with("owner", found.owner())
            .with("token", found.token)
            .with("amount", self.amount)
            .with("fingerprint", fingerprint)
            .with("document_commitment", self.document_commitment)
            .with("outstanding_before", outstanding_before)
            .with("outstanding", found.outstanding())
            .with("state_before", state_before.name())
            .with("state", found.state().name());
        if let Some(term) = found.term().filter(|_| found.state() == ReceivableState::Registered) {
            credited = credited.with("confirm_by", term.ends_at);
        }
        changes.record(credited);
        Ok(())
    }
}

/// What the end of a buyer's term does, where the order has it that silence confirms.
pub fn confirmation_term(changes: &mut Changes<'_>, id: ObjectId, now: BlockTime) {
    let Some(mut found) = changes.read::<Receivable>(&id) else { return };
    let before = found.state();
    // The term of an invoice that was confirmed, disputed or taken back is no longer among what falls due.
    if found.confirm(id, Confirmation::Silence, now).is_err() {
        return;
    }
    found.keep(id, changes);
    changes.record(
        Effect::new("trade.invoice_confirmed_by_silence")
            .with("receivable", id)
            .with("supplier", found.supplier)
            .with("buyer", found.buyer)
            .with("token", found.token)
            .with("amount", found.outstanding())
            .with("fingerprint", found.fingerprint)
            .with("state_before", before.name())
            .with("state", found.state().name()),
    );
}
