//! Acceptance: the advance against the receivable, both or neither.

use super::request::{claim_on, financing_request};
use crate::domain::trade::receivable;
use crate::ledger::context::open_account;
use crate::ledger::{Changes, Context, Effect, Malformed, Reason};
use crate::primitives::ObjectId;

/// The name of the effect that an advance leaves, by which citations tell a loan from a settlement.
pub(super) const DISBURSED: &str = "financing.disbursed";

/// Accepts a financing request. The sender is the financier that was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcceptFinancing {
    /// The request.
    pub request: ObjectId,
}

impl AcceptFinancing {
    /// Holds the operation to its static bounds, of which there are none beyond its types.
    ///
    /// # Errors
    /// None.
    pub fn check(&self) -> Result<(), Malformed> {
        Ok(())
    }

    /// Plans the disbursement and the assignment.
    ///
    /// # Errors
    /// `UNKNOWN_FINANCING_REQUEST`, `NOT_THE_FINANCIER`, those of [`Context::signed_by`], `FINANCING_REQUEST_CLOSED`,
    /// `NOT_THE_OWNER`, `RECEIVABLE_ALREADY_FINANCED`, `RECEIVABLE_NOT_OPEN`, `ADVANCE_EXCEEDS_OUTSTANDING`, `ACCOUNT_CLOSED`,
    /// `INSUFFICIENT_FUNDS`, `AMOUNT_OVERFLOW`.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        let id = self.request;
        let mut request = financing_request(changes, id)?;
        if context.sender != request.financier {
            return Err(Reason::NotTheFinancier { request: id, financier: request.financier });
        }
        // A closed account could never be repaid, and the buyer would be left with an invoice that it cannot pay.
        context.signed_by(changes, request.financier)?;
        request.accept(id, context.now)?;
        let mut found = receivable(changes, request.receivable)?;
        // It may have passed to another owner since it was asked for.
        if found.owner() != request.supplier {
            return Err(Reason::NotTheOwner { receivable: request.receivable });
        }
        let (state_before, holder_before) = (found.state(), found.holder());
        let secured = claim_on((request.receivable, &found), request.advance, request.fee)?;
        found.pledge(request.receivable, id, request.financier, secured)?;
        open_account(changes, request.supplier)?;
        changes.transfer(found.token, request.financier, request.supplier, request.advance)?;
        changes.put(&id, &request);
        found.keep(request.receivable, changes);
        changes.record(
            Effect::new(DISBURSED)
                .with("request", id)
                .with("receivable", request.receivable)
                .with("supplier", request.supplier)
                .with("financier", request.financier)
                .with("token", found.token)
                .with("advance", request.advance)
                .with("fee", request.fee)
                .with("outstanding", found.outstanding())
                .with("holder_before", holder_before)
                .with("holder", found.holder())
                .with("state_before", state_before.name())
                .with("state", found.state().name()),
        );
        Ok(())
    }
}
