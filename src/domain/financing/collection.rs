//! What becomes of a loan that is not paid: default, write-off, recovery. Its originator declares each, and each is recorded
//! with its amount.

use super::loan::{Loan, calendar_of, loan};
use super::payment::repay;
use crate::domain::trade::receivable;
use crate::ledger::malformed::{Malformed, require};
use crate::ledger::{Changes, Context, Effect, Reason};
use crate::primitives::{Amount, ObjectId};

/// The loan, if the sender originated it and signed.
fn originated(id: ObjectId, context: &Context<'_>, changes: &Changes<'_>) -> Result<Loan, Reason> {
    let found = loan(changes, id)?;
    let originator = found.originator();
    if context.sender != originator {
        return Err(Reason::NotTheOriginator { loan: id });
    }
    context.signed_by(changes, originator)?;
    Ok(found)
}

/// Declares a loan in default that is more than 90 days late. The sender is its originator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeclareDefault {
    /// The loan.
    pub loan: ObjectId,
}

impl DeclareDefault {
    /// Holds the operation to its static bounds, of which there are none beyond its types.
    ///
    /// # Errors
    /// None.
    pub fn check(&self) -> Result<(), Malformed> {
        Ok(())
    }

    /// Plans the declaration.
    ///
    /// # Errors
    /// `UNKNOWN_LOAN`, `NOT_THE_ORIGINATOR`, those of [`Context::signed_by`], `LOAN_NOT_LATE_ENOUGH`, `LOAN_NOT_OPEN`,
    /// `AMOUNT_OVERFLOW`.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        let id = self.loan;
        let mut found = originated(id, context, changes)?;
        let calendar = calendar_of(changes, &found.terms)?;
        let today = calendar.day_of(context.now);
        found.catch_up(id, today, &calendar, changes);
        let state_before = found.state();
        found.default_on(id, today)?;
        let owed = found.owed(today);
        found.keep(id, changes)?;
        changes.record(
            Effect::new("financing.loan_defaulted")
                .with("loan", id)
                .with("borrower", found.terms.borrower)
                .with("originator", context.sender)
                .with("token", found.terms.token)
                .with("fee", owed.fee)
                .with("interest", owed.interest)
                .with("principal", owed.principal)
                .with("days_late", found.days_late(today))
                .with("state_before", state_before.name())
                .with("state", found.state().name()),
        );
        Ok(())
    }
}

/// Writes off what is owed on a loan in default. The sender is its originator. What is owed stays owed; it no longer accrues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteOffLoan {
    /// The loan.
    pub loan: ObjectId,
}

impl WriteOffLoan {
    /// Holds the operation to its static bounds, of which there are none beyond its types.
    ///
    /// # Errors
    /// None.
    pub fn check(&self) -> Result<(), Malformed> {
        Ok(())
    }

    /// Plans the write-off.
    ///
    /// # Errors
    /// `UNKNOWN_LOAN`, `NOT_THE_ORIGINATOR`, those of [`Context::signed_by`], `LOAN_NOT_OPEN`, `AMOUNT_OVERFLOW`.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        let id = self.loan;
        let mut found = originated(id, context, changes)?;
        let calendar = calendar_of(changes, &found.terms)?;
        let today = calendar.day_of(context.now);
        found.catch_up(id, today, &calendar, changes);
        let state_before = found.state();
        let owed = found.write_off(id, today)?;
        found.keep(id, changes)?;
        changes.record(
            Effect::new("financing.loan_written_off")
                .with("loan", id)
                .with("borrower", found.terms.borrower)
                .with("originator", context.sender)
                .with("token", found.terms.token)
                .with("fee", owed.fee)
                .with("interest", owed.interest)
                .with("principal", owed.principal)
                .with("written_off", found.written_off())
                .with("state_before", state_before.name())
                .with("state", found.state().name()),
        );
        Ok(())
    }
}

/// Records what came in, outside of the ledger, on a loan that was written off. The sender is its originator, which keeps its
/// own part and pays the other lenders theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordRecovery {
    /// The loan.
    pub loan: ObjectId,
    /// How much, at most what was written off and has not come in.
    pub amount: Amount,
}

impl RecordRecovery {
    /// Holds the operation to its static bounds.
    ///
    /// # Errors
    /// The first field that is out of bounds.
    pub fn check(&self) -> Result<(), Malformed> {
        require(!self.amount.is_zero(), "amount", "it must be positive")
    }

    /// Plans the recovery.
    ///
    /// # Errors
    /// `UNKNOWN_LOAN`, `NOT_THE_ORIGINATOR`, those of [`Context::signed_by`], `LOAN_NOT_WRITTEN_OFF`, `AMOUNT_EXCEEDS_OWED`,
    /// `INSUFFICIENT_FUNDS`, `ACCOUNT_CLOSED`, `AMOUNT_OVERFLOW`.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        let id = self.loan;
        let found = originated(id, context, changes)?;
        if found.written_off().is_zero() {
            return Err(Reason::LoanNotWrittenOff { loan: id, state: found.state().name() });
        }
        let (receivable_id, borrower, token) = (found.terms.receivable, found.terms.borrower, found.terms.token);
        let mut secures = receivable(changes, receivable_id)?;
        let on = (receivable_id, &mut secures);
        repay((id, found), (context.sender, self.amount), on, context.now, changes)?;
        secures.keep(receivable_id, changes);
        let after = loan(changes, id)?;
        changes.record(
            Effect::new("financing.loan_recovered")
                .with("loan", id)
                .with("borrower", borrower)
                .with("originator", context.sender)
                .with("token", token)
                .with("amount", self.amount)
                .with("written_off", after.written_off())
                .with("recovered", after.recovered())
                .with("state", after.state().name()),
        );
        Ok(())
    }
}
