//! Paying an invoice: the buyer's money to whoever the receivable owes it to.

use crate::domain::payments::check_reference;
use crate::domain::trade::receivable;
use crate::ledger::context::open_account;
use crate::ledger::{Changes, Context, Effect, Malformed, Reason};
use crate::primitives::{Amount, ObjectId};

/// Pays an invoice, in whole or in part. The sender is its buyer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayInvoice {
    /// The receivable.
    pub receivable: ObjectId,
    /// How much, at most what is outstanding.
    pub amount: Amount,
    /// The payer's own id of the payment, at most 35 bytes; the effect tells it to the payees, if it is given.
    pub end_to_end_id: String,
}

impl PayInvoice {
    /// Holds the operation to its static bounds.
    ///
    /// # Errors
    /// The first field that is out of bounds.
    pub fn check(&self) -> Result<(), Malformed> {
        if self.amount.is_zero() {
            return Err(Malformed::new("amount", "it must be positive"));
        }
        check_reference("end_to_end_id", &self.end_to_end_id)
    }

    /// Plans the movements, one for each who is paid.
    ///
    /// # Errors
    /// `UNKNOWN_RECEIVABLE`, `NOT_THE_BUYER`, those of [`Context::signed_by`], `RECEIVABLE_NOT_OPEN`,
    /// `AMOUNT_EXCEEDS_OUTSTANDING`, `ACCOUNT_CLOSED`, `INSUFFICIENT_FUNDS`, `AMOUNT_OVERFLOW`.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        let id = self.receivable;
        let mut found = receivable(changes, id)?;
        let (buyer, supplier, owner, holder) = (found.buyer, found.supplier, found.owner(), found.holder());
        if context.sender != buyer {
            return Err(Reason::NotTheBuyer { receivable: id, buyer });
        }
        context.signed_by(changes, buyer)?;
        let (state_before, outstanding_before) = (found.state(), found.outstanding());
        // The loan first, up to what it claims; the rest to the owner.
        let to_financier = self.amount.min(found.secured());
        let to_owner = self.amount.excess_over(to_financier);
        found.pay(id, self.amount)?;
        found.set_secured(found.secured().excess_over(to_financier))?;
        for (payee, amount) in [(holder, to_financier), (owner, to_owner)] {
            if !amount.is_zero() {
                open_account(changes, payee)?;
                changes.transfer(found.token, buyer, payee, amount)?;
            }
        }
        found.keep(id, changes);
        let mut paid = Effect::new("financing.invoice_paid")
            .with("receivable", id)
            .with("buyer", buyer)
            .with("supplier", supplier)
            .with("owner", owner)
            .with("holder", holder)
            .with("token", found.token)
            .with("amount", self.amount)
            .with("to_financier", to_financier)
            .with("to_owner", to_owner)
            .with("outstanding_before", outstanding_before)
            .with("outstanding", found.outstanding())
            .with("secured", found.secured())
            .with("state_before", state_before.name())
            .with("state", found.state().name());
        if !self.end_to_end_id.is_empty() {
            paid = paid.with("end_to_end_id", self.end_to_end_id.as_str());
        }
        changes.record(paid);
        Ok(())
    }
}
