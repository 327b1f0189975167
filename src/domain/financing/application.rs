//! Applications: what a request for financing is about, read from state once, and what any advance on it would come to.
//!
//! A request names one advance, and is decided by the [`Offer`] for it. A question beforehand asks for more: the highest
//! advance that would pass. It is found by holding one advance after another to the same conditions and rules, so there is no
//! second opinion.
//!
//! # Deliberately absent
//! Lenders' balances: what a lender has left is nobody's to find out by asking. A request is declined for it.

use super::all_in_cost::{Flow, all_in_cost_bps};
use super::assessment::{Condition, Exposure, Proposal, assess};
use super::book::{BookLine, outstanding};
use super::citation::SettlementRecord;
use super::interest::Rate;
use super::loan::LoanTerms;
use super::programme::{Programme, WHOLE_BPS, programme};
use super::purposes::require_permitted;
use super::rules::{Parameter, in_force};
use super::shares::{self, Leg};
use super::standing::{Parties, Standing, standings};
use crate::domain::trade::{Confirmation, OrderState, Receivable, events_of_order, order, receivable};
use crate::ledger::context::open_account;
use crate::ledger::limits::PROGRAMME_DAYS_MAX;
use crate::ledger::{Account, Changes, Context, Reason};
use crate::primitives::time::DAY_MS;
use crate::primitives::{AccountId, Amount, BlockTime, Day, ObjectId};

/// What a request is about, whatever the advance.
#[derive(Clone, Debug)]
pub struct Application {
    /// The receivable.
    pub(super) receivable: Receivable,
    /// The programme.
    pub(super) programme: Programme,
    ids: (ObjectId, ObjectId),
    now: BlockTime,
    borrower: AccountId,
    borrower_entity: String,
    obligor_entity: String,
    record: SettlementRecord,
    order_agreed: bool,
    shipment_age_days: Option<u32>,
    purpose: String,
    days: (Day, Day),
    standing: Outstanding,
}

/// What is outstanding under the programme before the loan.
#[derive(Clone, Debug)]
struct Outstanding {
    total: Amount,
    obligor: Amount,
    supplier: Amount,
    /// Of each participant, in their order.
    participants: Vec<Amount>,
}

/// What a request comes to.
#[derive(Clone, Debug)]
pub struct Offer {
    /// Every condition of the programme that stands against it.
    pub failing: Vec<Condition>,
    /// Where it would leave the lenders by every rule in force.
    pub standings: Vec<Standing>,
    /// The loan as it would be made.
    pub terms: LoanTerms,
    /// What it would bear in interest if it is repaid on its due day; none if that does not fit an amount.
    pub interest: Option<Amount>,
    /// The lenders' parts.
    pub(super) legs: Vec<Leg>,
}

impl Offer {
    /// All that stands against it: the programme's conditions, then the lender's rules.
    pub fn against(&self) -> Vec<Condition> {
        self.failing.iter().cloned().chain(self.standings.iter().filter_map(Standing::condition)).collect()
    }
}

/// The highest advance that the limits leave room for, and what it would come to.
#[derive(Clone, Debug)]
pub struct DryRun {
    /// The advance; zero if there is no room at all.
    pub advance: Amount,
    /// The loan at that advance; at one minor unit if there is no room.
    pub offer: Offer,
    /// All that stands against it. It would pass if this is empty.
    pub against: Vec<Condition>,
}

impl Application {
    /// Reads what a request of a receivable under a programme is about. `record` says what the borrower shows adds up to.
    ///
    /// # Errors
    /// Those of [`financeable`], `UNKNOWN_PROGRAMME`, `PROGRAMME_CLOSED`, `SAME_ACCOUNT`, `UNKNOWN_ACCOUNT`, `ACCOUNT_CLOSED`,
    /// those of `record`, `TIME_OUT_OF_RANGE`.
    pub fn read(
        ids: (ObjectId, ObjectId),
        purpose: &str,
        record: impl FnOnce(&Receivable, &Programme) -> Result<SettlementRecord, Reason>,
        context: &Context<'_>,
        changes: &Changes<'_>,
    ) -> Result<Self, Reason> {
        let (receivable_id, programme_id) = ids;
        let borrower = context.sender;
        let found = financeable(receivable_id, borrower, (purpose, context.now), changes)?;
        let programme = programme(changes, programme_id)?;
        programme.require_open(programme_id)?;
        let lenders = || programme.participants().iter().map(|participant| participant.lender);
        // The advance would be paid, and the claim repaid, from an account to itself.
        if let Some(account) = lenders().chain([programme.financier]).find(|one| [borrower, found.buyer].contains(one))
        {
            return Err(Reason::SameAccount { account });
        }
        for lender in lenders().chain([programme.financier]) {
            open_account(changes, lender)?;
        }
        let record = record(&found, &programme)?;
        let calendar = &programme.terms.calendar;
        let out_of_range = Reason::TimeOutOfRange { time: found.due_at };
        let due_on = calendar.following_business_day(calendar.day_of(found.due_at)).ok_or(out_of_range)?;
        let days = (calendar.day_of(context.now), due_on);
        let entity = |account| open_account(changes, account).map(|Account { legal_entity_id, .. }| legal_entity_id);
        let (borrower_entity, obligor_entity) = (entity(borrower)?, entity(found.buyer)?);
        let agreed = |id| order(changes, id).is_ok_and(|order| order.state() == OrderState::Agreed);
        let line = |line| outstanding(changes, line, programme.terms.token);
        let standing = Outstanding {
            total: line(BookLine::Programme(programme_id)),
            obligor: line(BookLine::ProgrammeObligor(programme_id, obligor_entity.clone())),
            supplier: line(BookLine::ProgrammeBorrower(programme_id, borrower_entity.clone())),
            participants: lenders().map(|lender| line(BookLine::ProgrammeLender(programme_id, lender))).collect(),
        };
        let (order_agreed, now) = (found.order.is_some_and(agreed), context.now);
        let shipment_age_days = shipment_age_days(&found, &programme, now, changes);
        Ok(Self {
            receivable: found,
            programme,
            ids,
            now,
            borrower,
            borrower_entity,
            obligor_entity,
            record,
            order_agreed,
            shipment_age_days,
            purpose: purpose.to_owned(),
            days,
            standing,
        })
    }

    /// What an advance comes to: the loan and all that stands against it.
    ///
    /// # Errors
    /// `AMOUNT_OVERFLOW`.
    pub fn offer(&self, advance: Amount, changes: &Changes<'_>) -> Result<Offer, Reason> {
        let overflow = || Reason::AmountOverflow { token: self.receivable.token };
        let terms = self.loan_terms(advance).ok_or_else(overflow)?;
        let legs = self.legs(advance).ok_or_else(overflow)?;
        let mut standings = self.of_the_loan(&terms, changes);
        standings.extend(self.of_lenders(&legs, changes));
        let failing = assess(&self.programme.terms, &self.proposal(advance));
        Ok(Offer { failing, standings, interest: self.interest(advance), terms, legs })
    }

    /// The highest advance that the programme's limits and the lender's rules leave room for, and what else stands against it.
    ///
    /// # Errors
    /// `AMOUNT_OVERFLOW`: not even the least advance can be reckoned.
    pub fn dry_run(&self, changes: &Changes<'_>) -> Result<DryRun, Reason> {
        let within_limits = |advance| {
            let proposal = self.proposal(advance);
            proposal.claim.is_some()
                && !assess(&self.programme.terms, &proposal).iter().any(Condition::grows_with_the_advance)
        };
        let within_rules = |advance| {
            let standings = self.legs(advance).map(|legs| self.of_lenders(&legs, changes));
            standings
                .is_some_and(|standings| standings.iter().all(|one| one.is_kept() || !one.grows_with_the_advance()))
        };
        let by_limits = match self.is_priced() {
            true => highest(self.receivable.outstanding(), within_limits),
            false => Amount::ZERO,
        };
        let advance = highest(by_limits, within_rules);
        let offer = self.offer(advance.max(Amount::new(1)), changes)?;
        let mut against = offer.against();
        if advance.is_zero() {
            // What one unit costs a year says nothing.
            against.retain(|condition| condition.name != Parameter::AllInCostMax.name());
        }
        Ok(DryRun { advance, offer, against })
    }

    fn proposal(&self, advance: Amount) -> Proposal {
        let (found, (started_on, due_on)) = (&self.receivable, self.days);
        let fee = self.programme.terms.pricing.fee(advance);
        let claim = match self.is_priced() {
            true => self.interest(advance).and_then(|interest| interest.checked_add(advance)?.checked_add(fee?)),
            false => Some(Amount::ZERO),
        };
        Proposal {
            supplier: found.supplier,
            buyer: found.buyer,
            token: found.token,
            outstanding: found.outstanding(),
            advance,
            claim,
            tenor_days: (due_on >= started_on).then_some(due_on.days_since(started_on)),
            buyer_confirmed: found.confirmation() == Some(Confirmation::Buyer),
            order_agreed: self.order_agreed,
            near_duplicates: found.near_duplicates,
            shipment_age_days: self.shipment_age_days,
            purpose: self.purpose.clone(),
            record: self.record,
            exposure: self.exposure(advance),
        }
    }

    fn exposure(&self, advance: Amount) -> Exposure {
        let participants = self.programme.participants().iter().zip(&self.standing.participants);
        let participants = participants.map(|(participant, standing)| {
            let part = advance.scale_down(participant.share_bps.into(), WHOLE_BPS.into());
            (participant.lender, part.and_then(|part| standing.checked_add(part)), participant.limit)
        });
        Exposure {
            total: self.standing.total.checked_add(advance),
            obligor: self.standing.obligor.checked_add(advance),
            supplier: self.standing.supplier.checked_add(advance),
            participants: participants.collect(),
        }
    }

    /// Whether any programme lends for so long. What a loan would cost that none makes is not reckoned: its tenor is judged first,
    /// and the interest of thirty years, compounded daily, would be a validator's time for nothing.
    fn is_priced(&self) -> bool {
        self.days.1.days_since(self.days.0) <= PROGRAMME_DAYS_MAX
    }

    /// What an advance bears in interest to its due day; none beyond every amount, or if it is not priced.
    fn interest(&self, advance: Amount) -> Option<Amount> {
        let rate = self.is_priced().then_some(self.programme.terms.pricing.rate)?;
        rate.interest(advance, self.days.0, self.days.1)
    }

    fn all_in_cost_bps(&self, advance: Amount, fee: Amount) -> Option<u32> {
        let (rate, (started_on, due_on)) = (self.programme.terms.pricing.rate, self.days);
        self.is_priced().then(|| all_in_cost_of(advance, (rate, fee), started_on, due_on))
    }

    fn legs(&self, advance: Amount) -> Option<Vec<Leg>> {
        shares::fixed(self.programme.financier, self.programme.participants(), advance)
    }

    fn loan_terms(&self, advance: Amount) -> Option<LoanTerms> {
        let (terms, (started_on, due_on)) = (&self.programme.terms, self.days);
        let fee = terms.pricing.fee(advance)?;
        Some(LoanTerms {
            receivable: self.ids.0,
            programme: self.ids.1,
            borrower: self.borrower,
            borrower_entity: self.borrower_entity.clone(),
            obligor_entity: self.obligor_entity.clone(),
            token: self.receivable.token,
            advance,
            fee,
            pricing: terms.pricing,
            recourse: terms.recourse,
            purpose: self.purpose.clone(),
            all_in_cost_bps: self.all_in_cost_bps(advance, fee).unwrap_or_default(),
            started_on,
            due_on,
        })
    }

    /// Where the rules for each loan by itself would leave it.
    fn of_the_loan(&self, terms: &LoanTerms, changes: &Changes<'_>) -> Vec<Standing> {
        let originator = self.programme.financier;
        let figures = [
            (Parameter::AllInCostMax, self.is_priced().then_some(u64::from(terms.all_in_cost_bps))),
            (Parameter::OwnShareMin, Some(u64::from(self.programme.own_share_bps()))),
        ];
        let of = |(parameter, figure)| {
            in_force(changes, parameter, self.now).map(|rule| Standing::of_loan(originator, parameter, figure, rule))
        };
        figures.into_iter().filter_map(of).collect()
    }

    /// Where it would leave each of its lenders.
    fn of_lenders(&self, legs: &[Leg], changes: &Changes<'_>) -> Vec<Standing> {
        let parties = Parties { borrower_entity: &self.borrower_entity, obligor_entity: &self.obligor_entity };
        let token = self.receivable.token;
        legs.iter().flat_map(|leg| standings((leg.lender, token), parties, leg.lent, self.now, changes)).collect()
    }
}

/// A receivable that its owner may have financed for a purpose, whatever the programme.
///
/// # Errors
/// `UNKNOWN_RECEIVABLE`, `NOT_THE_OWNER`, `RECEIVABLE_ALREADY_FINANCED`, `RECEIVABLE_NOT_CONFIRMED`, `RECEIVABLE_NOT_OPEN`,
/// `PURPOSE_NOT_STATED`, `PURPOSE_FORBIDDEN`.
pub fn financeable(
    id: ObjectId,
    owner: AccountId,
    (purpose, now): (&str, BlockTime),
    changes: &Changes<'_>,
) -> Result<Receivable, Reason> {
    let found = receivable(changes, id)?;
    if owner != found.owner() {
        return Err(Reason::NotTheOwner { receivable: id });
    }
    found.pledgeable(id)?;
    // A rule of law, and the request's alone: it needs no programme to be judged.
    require_permitted(changes, purpose, now)?;
    Ok(found)
}

/// The largest amount up to `most` of which something holds that holds of no larger one once it fails; zero if of none.
fn highest(most: Amount, holds: impl Fn(Amount) -> bool) -> Amount {
    if most.is_zero() || holds(most) {
        return most;
    }
    let (mut holding, mut failing) = (0, most.minor_units());
    while failing - holding > 1 {
        let middle = holding + (failing - holding) / 2;
        if holds(Amount::new(middle)) { holding = middle } else { failing = middle }
    }
    Amount::new(holding)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_is_the_last_that_holds() {
        for (most, last) in [(0, 0), (1, 0), (1, 1), (10, 0), (10, 3), (10, 10), (u64::MAX, 1), (u64::MAX, u64::MAX)] {
            let found = highest(Amount::new(most), |amount| amount.minor_units() <= last);
            assert_eq!(found, Amount::new(last), "{last} of {most}");
        }
    }
}
