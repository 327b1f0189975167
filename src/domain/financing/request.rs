//! Requests: a receivable turned into money in one operation, or every condition named that stands against it.

use super::all_in_cost::{Flow, all_in_cost_bps};
use super::assessment::{Condition, Exposure, Proposal, assess};
use super::book::{BookLine, outstanding};
use super::capital;
use super::citation::{Citation, Shown, settlement_record};
use super::interest::Rate;
use super::loan::{Bucket, Loan, LoanTerms, ages_at};
use super::networks::check_foreign_receipt;
use super::programme::{Programme, programme};
use super::purposes;
use super::rules::{Parameter, in_force};
use super::shares::{self, Leg};
use crate::domain::trade::{Confirmation, OrderState, Receivable, events_of_order, order, receivable};
use crate::ledger::context::open_account;
use crate::ledger::limits::{CITATIONS_MAX, FOREIGN_RECEIPTS_MAX};
use crate::ledger::malformed::{Malformed, require};
use crate::ledger::{Account, Changes, Context, Effect, Reason};
use crate::primitives::time::DAY_MS;
use crate::primitives::{Amount, BlockTime, Day, ObjectId};
use bytes::Bytes;

/// The name of the effect that each lender's part of an advance leaves, by which citations tell a loan from a settlement.
pub(super) const SHARE_DISBURSED: &str = "financing.share_disbursed";

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

/// What a request comes to.
#[derive(Clone, Debug)]
pub struct Offer {
    /// Every condition of the programme that stands against it.
    pub failing: Vec<Condition>,
    /// The loan as it would be made.
    pub terms: LoanTerms,
    /// What it would bear in interest if it is repaid on its due day; none if that does not fit an amount.
    pub interest: Option<Amount>,
    receivable: Receivable,
    programme: Programme,
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
        let offer = self.offer(context, changes)?;
        if !offer.failing.is_empty() {
            return Err(Reason::ProgrammeConditionsNotMet {
                programme: self.programme,
                count: offer.failing.len() as u64,
                conditions: offer.failing.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
            });
        }
        let (token, advance) = (offer.terms.token, self.advance);
        let legs = shares::fixed(offer.programme.financier, offer.programme.participants(), advance);
        let legs = legs.ok_or(Reason::AmountOverflow { token })?;
        require_lawful(&offer, &legs, context.now, changes)?;
        // A request id can return once it is forgotten, and the loan's id with it.
        let id = context.object_id();
        if changes.has::<Loan>(&id) {
            return Err(Reason::AlreadyExists { object: id });
        }
        disburse(id, offer, legs, changes)
    }

    /// What the request comes to: the loan and all that stands against it. Writes nothing, so it answers a question too.
    ///
    /// # Errors
    /// `UNKNOWN_RECEIVABLE`, `NOT_THE_OWNER`, `RECEIVABLE_ALREADY_FINANCED`, `RECEIVABLE_NOT_CONFIRMED`,
    /// `RECEIVABLE_NOT_OPEN`, `PURPOSE_NOT_STATED`, `PURPOSE_FORBIDDEN`, `UNKNOWN_PROGRAMME`, `PROGRAMME_CLOSED`, `SAME_ACCOUNT`, `UNKNOWN_ACCOUNT`, `ACCOUNT_CLOSED`,
    /// those of [`settlement_record`], `TIME_OUT_OF_RANGE`, `AMOUNT_OVERFLOW`.
    pub fn offer(&self, context: &Context<'_>, changes: &Changes<'_>) -> Result<Offer, Reason> {
        let id = self.receivable;
        let found = receivable(changes, id)?;
        let borrower = context.sender;
        if borrower != found.owner() {
            return Err(Reason::NotTheOwner { receivable: id });
        }
        found.pledgeable(id)?;
        // A rule of law, and the request's alone: it needs no programme to be judged.
        purposes::require_permitted(changes, &self.purpose, context.now)?;
        let programme = programme(changes, self.programme)?;
        programme.require_open(self.programme)?;
        let lenders = || programme.participants().iter().map(|participant| participant.lender);
        // The advance would be paid, and the claim repaid, from an account to itself.
        if let Some(account) = lenders().chain([programme.financier]).find(|one| [borrower, found.buyer].contains(one))
        {
            return Err(Reason::SameAccount { account });
        }
        for lender in lenders().chain([programme.financier]) {
            open_account(changes, lender)?;
        }
        let shown = Shown {
            citations: &self.citations,
            foreign_receipts: &self.foreign_receipts,
            networks: &programme.terms.evidence.networks,
        };
        let record = settlement_record(&shown, (borrower, found.token), context, changes)?;
        let (terms, interest) = self.loan_terms(&found, &programme, context, changes)?;
        let claim = interest.and_then(|interest| interest.checked_add(self.advance)?.checked_add(terms.fee));
        let started = terms.due_on >= terms.started_on;
        let proposal = Proposal {
            supplier: found.supplier,
            buyer: found.buyer,
            token: found.token,
            outstanding: found.outstanding(),
            advance: self.advance,
            claim,
            tenor_days: started.then_some(terms.due_on.days_since(terms.started_on)),
            buyer_confirmed: found.confirmation() == Some(Confirmation::Buyer),
            order_agreed: found
                .order
                .is_some_and(|id| order(changes, id).is_ok_and(|order| order.state() == OrderState::Agreed)),
            near_duplicates: found.near_duplicates,
            shipment_age_days: shipment_age_days(&found, &programme, context.now, changes),
            purpose: self.purpose.clone(),
            record,
            exposure: self.exposure(&terms, &programme, changes),
        };
        let failing = assess(&programme.terms, &proposal);
        Ok(Offer { failing, terms, interest, receivable: found, programme })
    }

    /// The loan's terms, and what it bears in interest to its due day.
    fn loan_terms(
        &self,
        found: &Receivable,
        programme: &Programme,
        context: &Context<'_>,
        changes: &Changes<'_>,
    ) -> Result<(LoanTerms, Option<Amount>), Reason> {
        let (terms, borrower) = (&programme.terms, context.sender);
        let out_of_range = Reason::TimeOutOfRange { time: found.due_at };
        let started_on = terms.calendar.day_of(context.now);
        let due_on = terms.calendar.following_business_day(terms.calendar.day_of(found.due_at)).ok_or(out_of_range)?;
        let overflow = Reason::AmountOverflow { token: found.token };
        let fee = terms.pricing.fee(self.advance).ok_or(overflow)?;
        let interest = terms.pricing.rate.interest(self.advance, started_on, due_on);
        let entity = |account| open_account(changes, account).map(|Account { legal_entity_id, .. }| legal_entity_id);
        let loan = LoanTerms {
            receivable: self.receivable,
            programme: self.programme,
            borrower,
            borrower_entity: entity(borrower)?,
            obligor_entity: entity(found.buyer)?,
            token: found.token,
            advance: self.advance,
            fee,
            pricing: terms.pricing,
            recourse: terms.recourse,
            purpose: self.purpose.clone(),
            all_in_cost_bps: all_in_cost_of(self.advance, (terms.pricing.rate, fee), started_on, due_on),
            started_on,
            due_on,
        };
        Ok((loan, interest))
    }

    fn exposure(&self, terms: &LoanTerms, programme: &Programme, changes: &Changes<'_>) -> Exposure {
        let with = |line, more: Amount| outstanding(changes, line, terms.token).checked_add(more);
        let id = self.programme;
        let participants = programme.participants().iter().map(|participant| {
            let part = self.advance.scale_down(participant.share_bps.into(), super::programme::WHOLE_BPS.into());
            let line = BookLine::ProgrammeLender(id, participant.lender);
            (participant.lender, part.and_then(|part| with(line, part)), participant.limit)
        });
        Exposure {
            total: with(BookLine::Programme(id), self.advance),
            obligor: with(BookLine::ProgrammeObligor(id, terms.obligor_entity.clone()), self.advance),
            supplier: with(BookLine::ProgrammeBorrower(id, terms.borrower_entity.clone()), self.advance),
            participants: participants.collect(),
        }
    }
}

/// How many days begun ago the step that the programme asks for happened last, if it did. A carrier's clock may be ahead.
fn shipment_age_days(found: &Receivable, programme: &Programme, now: BlockTime, changes: &Changes<'_>) -> Option<u32> {
    let (step, order) = (programme.terms.evidence.shipment_step?, found.order?);
    let events = events_of_order(changes, order);
    let latest = events.iter().rev().find(|event| event.step == step)?;
    Some(u32::try_from(now.ms_since(latest.event_time).div_ceil(DAY_MS)).unwrap_or(u32::MAX))
}

/// The all-in annual cost of an advance that is repaid with interest and fee on its due day.
pub(super) fn all_in_cost_of(advance: Amount, (rate, fee): (Rate, Amount), started_on: Day, due_on: Day) -> u32 {
    let interest = rate.interest(advance, started_on, due_on);
    let repaid = interest.and_then(|interest| interest.checked_add(fee)?.checked_add(advance));
    let drawn = [Flow { on: started_on, amount: advance }];
    let repaid = Flow { on: due_on.max(started_on), amount: repaid.unwrap_or(Amount::MAX) };
    all_in_cost_bps(&drawn, &[repaid])
}

/// Holds a loan to the lender's rules that are in force.
fn require_lawful(offer: &Offer, legs: &[Leg], now: BlockTime, changes: &Changes<'_>) -> Result<(), Reason> {
    let Offer { terms, programme, .. } = offer;
    if let Some(cap) = in_force(changes, Parameter::AllInCostMax, now) {
        cap.require_cost(terms.all_in_cost_bps)?;
    }
    if let Some(floor) = in_force(changes, Parameter::OwnShareMin, now) {
        floor.require_own_share(programme.own_share_bps())?;
    }
    legs.iter().try_for_each(|leg| capital::require_capital((leg.lender, leg.lent), terms, now, changes))
}

/// Pays the advance, each lender its part, and secures it by the receivable: all legs or none.
fn disburse(id: ObjectId, offer: Offer, legs: Vec<Leg>, changes: &mut Changes<'_>) -> Result<(), Reason> {
    let Offer { terms, interest, receivable: mut found, programme, .. } = offer;
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
    let ages_at = ages_at(Bucket::Current, terms.due_on, &programme.terms.calendar);
    let loan = Loan::disbursed(terms, legs, ages_at);
    loan.keep(id, changes)?;
    let terms = &loan.terms;
    found.keep(terms.receivable, changes);
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
