//! Taking back what nobody owes yet: the supplier withdraws an invoice that it registered wrongly, or the buyer rejects one
//! that it rejects.
//!
//! Either frees the fingerprint, since the invoice itself may be right and only its due date, token or document wrong. A
//! confirmed invoice is owed and has one way to end, which is to be paid. Nothing can have been financed before, so no
//! request waits on what is taken back. Why a buyer rejects is said between the parties: it would name goods and people.

use super::key::legal_entities_of;
use super::life_cycle::Step;
use super::near_duplicates;
use super::order::uninvoice;
use super::receivable::{Receivable, receivable};
use super::registered::{DocumentKind, RegisteredDocument};
use crate::domain::tokens;
use crate::ledger::{Changes, Context, Effect, Malformed, Reason};
use crate::primitives::ObjectId;

/// Takes back an invoice that its buyer has not confirmed. The sender is its supplier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WithdrawInvoice {
    /// The receivable.
    pub receivable: ObjectId,
}

impl WithdrawInvoice {
    /// Holds the operation to its static bounds, of which there are none beyond its types.
    ///
    /// # Errors
    /// None.
    pub fn check(&self) -> Result<(), Malformed> {
        Ok(())
    }

    /// Plans the withdrawal.
    ///
    /// # Errors
    /// `UNKNOWN_RECEIVABLE`, `NOT_THE_SUPPLIER`, those of [`Context::signed_by`], `RECEIVABLE_NOT_OPEN`.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        let id = self.receivable;
        let found = receivable(changes, id)?;
        if context.sender != found.supplier {
            return Err(Reason::NotTheSupplier { receivable: id });
        }
        retract((id, found), (Step::Withdraw, "trade.invoice_withdrawn"), context, changes)
    }
}

/// Refuses an invoice. The sender is its buyer, who has not confirmed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RejectInvoice {
    /// The receivable.
    pub receivable: ObjectId,
}

impl RejectInvoice {
    /// Holds the operation to its static bounds, of which there are none beyond its types.
    ///
    /// # Errors
    /// None.
    pub fn check(&self) -> Result<(), Malformed> {
        Ok(())
    }

    /// Plans the rejection.
    ///
    /// # Errors
    /// `UNKNOWN_RECEIVABLE`, `NOT_THE_BUYER`, those of [`Context::signed_by`], `CONFIRMATION_TERM_PASSED`,
    /// `RECEIVABLE_NOT_OPEN`.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        let id = self.receivable;
        let found = receivable(changes, id)?;
        if context.sender != found.buyer {
            return Err(Reason::NotTheBuyer { receivable: id });
        }
        found.require_within_term(id, context.now)?;
        retract((id, found), (Step::Reject, "trade.invoice_rejected"), context, changes)
    }
}

fn retract(
    (id, mut found): (ObjectId, Receivable),
    (step, effect): (Step, &str),
    context: &Context<'_>,
    changes: &mut Changes<'_>,
) -> Result<(), Reason> {
    context.signed_by(changes, context.sender)?;
    let (before, outstanding) = (found.state(), found.outstanding());
    found.retract(id, step)?;
    let pair = legal_entities_of(changes, found.supplier, found.buyer)?;
    let token = tokens::known(changes, found.token)?;
    near_duplicates::discount(changes, &near_duplicates::likeness(&pair, &token, found.amount, found.issued_on));
    RegisteredDocument::withdraw(&(pair, (DocumentKind::Invoice, found.fingerprint)), changes);
    uninvoice(changes, found.order, outstanding);
    found.keep(id, changes);
    changes.record(
        Effect::new(effect)
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
