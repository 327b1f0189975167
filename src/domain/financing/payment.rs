//! Payments on what is owed: the buyer's of its invoice, which reaches the lenders first; and the borrower's of its loan.

use super::loan::{Loan, Received, calendar_of, loan};
use crate::domain::payments::check_reference;
use crate::domain::trade::{Receivable, receivable};
use crate::ledger::context::open_account;
use crate::ledger::{Changes, Context, Effect, Malformed, Reason};
use crate::primitives::{AccountId, Amount, BlockTime, Day, ObjectId};

/// The name of the effect of a payment of an invoice, by which citations tell how late it was.
pub(super) const INVOICE_PAID: &str = "financing.invoice_paid";

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

    /// Plans the movements: to the lenders what the loan is owed today, each its part; to the owner the rest.
    ///
    /// # Errors
    /// `UNKNOWN_RECEIVABLE`, `NOT_THE_BUYER`, those of [`Context::signed_by`], `RECEIVABLE_NOT_OPEN`,
    /// `AMOUNT_EXCEEDS_OUTSTANDING`, `INSUFFICIENT_FUNDS`, `ACCOUNT_CLOSED`, `AMOUNT_OVERFLOW`.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        let id = self.receivable;
        let mut found = receivable(changes, id)?;
        let (buyer, owner, token) = (found.buyer, found.owner(), found.token);
        if context.sender != buyer {
            return Err(Reason::NotTheBuyer { receivable: id });
        }
        context.signed_by(changes, buyer)?;
        let (state_before, outstanding_before, holder) = (found.state(), found.outstanding(), found.holder());
        found.pay(id, self.amount)?;
        changes.require_available(token, buyer, self.amount)?;
        let to_lenders = match found.loan() {
            None => Amount::ZERO,
            Some(loan_id) => repay_from(buyer, (id, &mut found), (loan_id, self.amount), context.now, changes)?,
        };
        let to_owner = self.amount.excess_over(to_lenders);
        if !to_owner.is_zero() {
            open_account(changes, owner)?;
            changes.transfer(token, buyer, owner, to_owner)?;
        }
        found.keep(id, changes);
        let mut paid = Effect::new(INVOICE_PAID)
            .with("receivable", id)
            .with("buyer", buyer)
            .with("supplier", found.supplier)
            .with("owner", owner)
            .with("holder", holder)
            .with("token", token)
            .with("amount", self.amount)
            .with("due_at", found.due_at)
            .with("to_lenders", to_lenders)
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

/// Pays of an amount what the loan is owed, and says how much that is. Keeps the loan, and the receivable in step with it.
fn repay_from(
    payer: AccountId,
    (receivable_id, found): (ObjectId, &mut Receivable),
    (id, amount): (ObjectId, Amount),
    now: BlockTime,
    changes: &mut Changes<'_>,
) -> Result<Amount, Reason> {
    let loan = loan(changes, id)?;
    let today = calendar_of(changes, &loan.terms)?.day_of(now);
    let to_lenders = amount.min(loan.owed(today).total());
    if !to_lenders.is_zero() {
        repay((id, loan), (payer, to_lenders), (receivable_id, found), now, changes)?;
    }
    Ok(to_lenders)
}

/// Moves a payment from a payer to the lenders, each its part, and keeps the loan. What the loan claims of the receivable goes
/// down with it; a loan that ends releases what is still owed of the receivable.
pub(super) fn repay(
    (id, mut loan): (ObjectId, Loan),
    (payer, amount): (AccountId, Amount),
    (receivable_id, found): (ObjectId, &mut Receivable),
    now: BlockTime,
    changes: &mut Changes<'_>,
) -> Result<(), Reason> {
    let token = loan.terms.token;
    let today = calendar_of(changes, &loan.terms)?.day_of(now);
    let state_before = loan.state();
    let Received { paid, parts } = loan.receive(id, today, amount)?;
    let own = parts.iter().find(|(lender, _)| *lender == payer).map_or(Amount::ZERO, |(_, part)| *part);
    changes.require_available(token, payer, amount.excess_over(own))?;
    for (lender, part) in &parts {
        if *lender != payer {
            open_account(changes, *lender)?;
            changes.transfer(token, payer, *lender, *part)?;
        }
        changes.record(
            Effect::new("financing.share_repaid")
                .with("loan", id)
                .with("lender", *lender)
                .with("token", token)
                .with("amount", *part),
        );
    }
    if found.loan() == Some(id) {
        // What the loan claims of a receivable is at most what is owed on that.
        found.set_secured(claim_on(&loan, today).min(found.outstanding()))?;
        if !loan.state().is_open() && !found.outstanding().is_zero() {
            found.release(receivable_id)?;
        }
    }
    loan.keep(id, changes)?;
    changes.record(
        Effect::new("financing.loan_repaid")
            .with("loan", id)
            .with("receivable", loan.terms.receivable)
            .with("borrower", loan.terms.borrower)
            .with("originator", loan.originator())
            .with("token", token)
            .with("amount", amount)
            .with("fee", paid.fee)
            .with("interest", paid.interest)
            .with("principal", paid.principal)
            .with("principal_left", loan.principal())
            .with("loan_state_before", state_before.name())
            .with("loan_state", loan.state().name()),
    );
    Ok(())
}

/// What a loan claims of what secures it: what will be owed on its due day, or, once that has passed, what is owed today.
pub(super) fn claim_on(loan: &Loan, today: Day) -> Amount {
    loan.owed(today.max(loan.terms.due_on)).total()
}

/// Pays a loan back, in whole or in part, early or by recourse. The sender is its borrower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RepayLoan {
    /// The loan.
    pub loan: ObjectId,
    /// How much, at most what is owed today.
    pub amount: Amount,
}

impl RepayLoan {
    /// Holds the operation to its static bounds.
    ///
    /// # Errors
    /// The first field that is out of bounds.
    pub fn check(&self) -> Result<(), Malformed> {
        crate::ledger::malformed::require(!self.amount.is_zero(), "amount", "it must be positive")
    }

    /// Plans the repayment.
    ///
    /// # Errors
    /// `UNKNOWN_LOAN`, `NOT_THE_BORROWER`, those of [`Context::signed_by`], `LOAN_NOT_OPEN`, `AMOUNT_EXCEEDS_OWED`,
    /// `INSUFFICIENT_FUNDS`, `ACCOUNT_CLOSED`, `AMOUNT_OVERFLOW`.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        let found = loan(changes, self.loan)?;
        let (borrower, receivable_id) = (found.terms.borrower, found.terms.receivable);
        if context.sender != borrower {
            return Err(Reason::NotTheBorrower { loan: self.loan });
        }
        context.signed_by(changes, borrower)?;
        let mut secures = receivable(changes, receivable_id)?;
        let on = (receivable_id, &mut secures);
        repay((self.loan, found), (borrower, self.amount), on, context.now, changes)?;
        secures.keep(receivable_id, changes);
        Ok(())
    }
}
