//! Credit notes on what secures a loan: they take off what no loan claims, and that is reckoned anew first.
//!
//! A loan's claim on its receivable is written when money changes hands, and interest goes on every day. So before an invoice that
//! secures a loan is credited, the claim becomes what is owed today, late interest included.

use super::loan::{calendar_of, loan};
use super::payment::claim_on;
use crate::domain::trade;
use crate::ledger::{Changes, Context, Malformed, Reason};

/// Takes an amount off an invoice. The sender is its supplier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IssueCreditNote(pub trade::IssueCreditNote);

impl IssueCreditNote {
    /// Holds the operation to its static bounds.
    ///
    /// # Errors
    /// The first field that is out of bounds.
    pub fn check(&self) -> Result<(), Malformed> {
        self.0.check()
    }

    /// Plans the credit.
    ///
    /// # Errors
    /// Those of [`trade::IssueCreditNote::plan`], `AMOUNT_OVERFLOW`.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        let id = self.0.receivable;
        let secures = changes.read::<trade::Receivable>(&id).and_then(|found| Some((found.loan()?, found)));
        if let Some((loan_id, mut found)) = secures.filter(|(_, found)| found.state().is_open()) {
            let claims = loan(changes, loan_id)?;
            let today = calendar_of(changes, &claims.terms)?.day_of(context.now);
            found.set_secured(claim_on(&claims, today).min(found.outstanding()))?;
            found.keep(id, changes);
        }
        self.0.plan(context, changes)
    }
}
