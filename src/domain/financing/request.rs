//! Requests: a receivable turned into money in one operation, or every condition named that stands against it.

use super::ageing::Bucket;
use super::application::{Application, Offer};
use super::citation::{Citation, Settlement, Shown, settlement_record};
use super::loan::{Loan, LoanTerms, ages_at};
use super::networks::check_foreign_receipt;
use super::programme::Programme;
use super::purposes;
use super::standing::Standing;
use crate::domain::trade::Receivable;
use crate::ledger::limits::{CITATIONS_MAX, FOREIGN_RECEIPTS_MAX};
use crate::ledger::malformed::{Malformed, require};
use crate::ledger::{Changes, Context, Effect, Reason};
use crate::primitives::ids::ObjectKind;
use crate::primitives::{Amount, Hash, ObjectId};
use bytes::Bytes;

/// The name of the effect that each lender's part of an advance leaves, by which citations tell a loan from a settlement.
pub(super) const SHARE_DISBURSED: &str = "financing.share_disbursed";

/// The name of the effect that each cited settlement leaves.
const SETTLEMENT_CITED: &str = "financing.settlement_cited";

/// Asks for a loan under a programme, secured by a confirmed receivable. The sender is the receivable's owner.
///
/// If every condition holds, the loan is made, disbursed by all of its lenders and secured in this operation; else nothing is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestFinancing {
    /// The receivable.
    pub receivable: ObjectId,
    /// The programme.
    pub programme: ObjectId,
    /// What to be paid now.
    pub advance: Amount,
    /// What the proceeds are for, as a code of purposes; may be empty.
    pub purpose: String,
    /// Settlement receipts of the sender's, each once.
    pub citations: Vec<Citation>,
    /// The same of other networks: whole receipts, in canonical bytes.
    pub foreign_receipts: Vec<Bytes>,
}

impl RequestFinancing {
    /// Holds the operation to its static bounds.
    ///
    /// # Errors
    /// The first field that is out of bounds.
    pub fn check(&self) -> Result<(), Malformed> {
        require(!self.advance.is_zero(), "advance", "it must be positive")?;
        purposes::require_purpose("purpose", &self.purpose, 0)?;
        require(self.citations.len() <= CITATIONS_MAX, "citations", format!("there must be at most {CITATIONS_MAX}"))?;
        for (index, citation) in self.citations.iter().enumerate() {
            citation.check().map_err(|malformed| malformed.within(format_args!("citations[{index}]")))?;
        }
        let foreign = self.foreign_receipts.len() <= FOREIGN_RECEIPTS_MAX;
        require(foreign, "foreign_receipts", format!("there must be at most {FOREIGN_RECEIPTS_MAX}"))?;
        for (index, receipt) in self.foreign_receipts.iter().enumerate() {
            check_foreign_receipt(&format!("foreign_receipts[{index}]"), receipt)?;
        }
        Ok(())
    }

    /// Plans the loan.
    ///
    /// # Errors
    /// `MISSING_SIGNATURE`, those of [`Self::offer`], `PROGRAMME_CONDITIONS_NOT_MET`, those of the lender's rules,
    /// `INSUFFICIENT_FUNDS`, `AMOUNT_OVERFLOW`, `ALREADY_EXISTS`.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        context.signed_by(changes, context.sender)?;
        let application = self.application(context, changes)?;
        let offer = application.offer(self.advance, changes)?;
        if !offer.failing.is_empty() {
            return Err(Reason::ProgrammeConditionsNotMet {
                programme: self.programme,
                count: offer.failing.len() as u64,
                conditions: offer.failing.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
            });
        }
        if let Some(reason) = offer.standings.iter().find_map(Standing::breach) {
            return Err(reason);
        }
        // A request id can return once it is forgotten, and the loan's id with it.
        let id = context.object_id(ObjectKind::Loan);
        if changes.has::<Loan>(&id) {
            return Err(Reason::AlreadyExists { object: id });
        }
        disburse(id, application, offer, changes)
    }

    /// What the request comes to: the loan and all that stands against it. Writes nothing, so it answers a question too.
    ///
    /// # Errors
    /// Those of [`Application::read`] and of [`settlement_record`], `AMOUNT_OVERFLOW`.
    pub fn offer(&self, context: &Context<'_>, changes: &Changes<'_>) -> Result<Offer, Reason> {
        self.application(context, changes)?.offer(self.advance, changes)
    }

    fn application(&self, context: &Context<'_>, changes: &Changes<'_>) -> Result<Application, Reason> {
        let record = |found: &Receivable, programme: &Programme| {
            let shown = Shown {
                citations: &self.citations,
                foreign_receipts: &self.foreign_receipts,
                networks: &programme.terms.evidence.networks,
            };
            settlement_record(&shown, (context.sender, found.token), context, changes)
        };
        Application::read((self.receivable, self.programme), &self.purpose, record, context, changes)
    }
}

/// Records what the loan was granted on the showing of, so that it leads from the loan to the proof of each settlement.
fn report_evidence(id: ObjectId, terms: &LoanTerms, settlements: &[Settlement], changes: &mut Changes<'_>) {
    for settlement in settlements {
        let cited = Effect::new(SETTLEMENT_CITED)
            .with("loan", id)
            .with("borrower", terms.borrower)
            .with("token", terms.token)
            .with("amount", settlement.paid)
            .with("settled_at", settlement.settled_at);
        let transaction = settlement.transaction.0;
        changes.record(match settlement.network {
            None => cited.with("settlement", ObjectId(transaction)),
            Some(network) => cited.with("network", Hash(network.0)).with("foreign_transaction", Hash(transaction)),
        });
    }
}

/// Pays the advance, each lender its part, and secures it by the receivable: all legs or none.
fn disburse(id: ObjectId, application: Application, offer: Offer, changes: &mut Changes<'_>) -> Result<(), Reason> {
    let Application { receivable: mut found, programme, shipment, settlements, .. } = application;
    let Offer { terms, interest, legs, .. } = offer;
    let overflow = Reason::AmountOverflow { token: terms.token };
    let claim = interest.and_then(|interest| interest.checked_add(terms.advance)?.checked_add(terms.fee));
    let (claim, originator) = (claim.ok_or(overflow)?, programme.financier);
    let (state_before, holder_before) = (found.state(), found.holder());
    found.pledge(terms.receivable, id, originator, claim)?;
    for leg in &legs {
        changes.transfer(terms.token, leg.lender, terms.borrower, leg.lent)?;
        changes.record(
            Effect::new(SHARE_DISBURSED)
                .with("loan", id)
                .with("lender", leg.lender)
                .with("borrower", terms.borrower)
                .with("token", terms.token)
                .with("amount", leg.lent),
        );
    }
    report_evidence(id, &terms, &settlements, changes);
    let ages_at = ages_at(Bucket::Current, terms.due_on, &programme.terms.calendar);
    let loan = Loan::disbursed(terms, legs, ages_at);
    loan.keep(id, changes)?;
    let terms = &loan.terms;
    found.keep(terms.receivable, changes);
    if let Some((event, order)) = shipment.event.zip(found.order) {
        event.serve(order, terms.invoice, changes);
    }
    changes.record(
        Effect::new("financing.disbursed")
            .with("loan", id)
            .with("receivable", terms.receivable)
            .with("programme", terms.programme)
            .with("borrower", terms.borrower)
            .with("originator", originator)
            .with("token", terms.token)
            .with("advance", terms.advance)
            .with("fee", terms.fee)
            .with("rate_bps", terms.pricing.rate.bps)
            .with("all_in_cost_bps", terms.all_in_cost_bps)
            .with("started_on", terms.started_on.to_string())
            .with("due_on", terms.due_on.to_string())
            .with("recourse", terms.recourse)
            .with("loan_state", loan.state().name())
            .with("outstanding", found.outstanding())
            .with("secured", found.secured())
            .with("holder_before", holder_before)
            .with("holder", found.holder())
            .with("state_before", state_before.name())
            .with("state", found.state().name()),
    );
    Ok(())
}
