//! Applications: what a request for financing is about, read from state once, and what any advance on it would come to.
//!
//! A request names one advance, and is decided by the [`Offer`] for it. A question beforehand asks for more: the highest
//! advance that would pass. It is found by holding one advance after another to the same conditions and rules, so there is no
//! second opinion.
//!
//! Whether each lender has its part of that highest advance is told, too: an offer that nobody can pay out is none.
//!
//! # Deliberately absent
//! How much lenders have: that is nobody's to find out by asking. The advance is not bounded by it, and of an advance that the
//! caller chooses it is not told at all, or a few dozen questions would come to the figure. A request is declined for it.
//!
//! How much room is left under a limit beyond what the receivable could bring: an advance above that is weighed as that.

use super::all_in_cost::{AllInCost, Flow, all_in_cost};
use super::assessment::{Condition, Exposure, Proposal, Unit, assess};
use super::book::{BookLine, outstanding};
use super::citation::{Evidence, Settlement, SettlementRecord};
use super::interest::Rate;
use super::loan::LoanTerms;
use super::programme::{Programme, WHOLE_BPS, programme};
use super::purposes::require_permitted;
use super::rules::{Parameter, in_force};
use super::shares::{self, Leg};
use super::standing::{Parties, Standing, standings};
use crate::domain::trade::{
    Confirmation, OrderState, Receivable, ShipmentEvent, evidence, invoice_of, order, receivable,
};
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
    supplier_entity: String,
    /// Of every lender, the originator's first.
    lender_entities: Vec<String>,
    /// The invoice that the receivable is, or is a part of.
    invoice: ObjectId,
    record: SettlementRecord,
    pub(super) settlements: Vec<Settlement>,
    order_agreed: bool,
    pub(super) shipment: Shipment,
    purpose: String,
    days: (Day, Day),
    standing: Outstanding,
    /// The receivable's token, and the programme's.
    units: (Unit, Unit),
}

/// What is known of the step of its shipment that the programme asks for.
#[derive(Clone, Debug)]
pub(super) struct Shipment {
    /// The event that shows it, if one does that no other invoice was financed on.
    pub(super) event: Option<ShipmentEvent>,
    /// Whether others were.
    pub(super) spent: bool,
}

/// What is outstanding under the programme before the loan.
#[derive(Clone, Debug)]
struct Outstanding {
    total: Amount,
    obligor: Amount,
    /// To the borrower or on the supplier's deliveries, whichever is more.
    supplier: Amount,
    invoice: Amount,
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
    /// Reads what a request of a receivable under a programme is about. `prove` says what the
    /// borrower shows.
    ///
    /// # Errors
    /// Those of [`financeable`], `UNKNOWN_PROGRAMME`, `PROGRAMME_CLOSED`, `SAME_ACCOUNT`, `UNKNOWN_ACCOUNT`, `ACCOUNT_CLOSED`, `LENDER_IS_A_PARTY`,
    /// those of `prove`, `TIME_OUT_OF_RANGE`, `UNKNOWN_TOKEN`.
    pub fn read(
        ids: (ObjectId, ObjectId),
        purpose: &str,
        prove: impl FnOnce(&Receivable, &Programme) -> Result<Evidence, Reason>,
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
        let entity = |account| open_account(changes, account).map(|Account { legal_entity_id, .. }| legal_entity_id);
        let (borrower_entity, obligor_entity) = (entity(borrower)?, entity(found.buyer)?);
        let mut lender_entities = Vec::with_capacity(1 + programme.participants().len());
        for lender in [programme.financier].into_iter().chain(lenders()) {
            let lends = entity(lender)?;
            for (party, is) in [(borrower, &borrower_entity), (found.buyer, &obligor_entity)] {
                if !lends.is_empty() && lends == *is {
                    return Err(Reason::LenderIsAParty { lender, party });
                }
            }
            lender_entities.push(lends);
        }
        let Evidence { settlements, record } = prove(&found, &programme)?;
        let calendar = &programme.terms.calendar;
        let out_of_range = Reason::TimeOutOfRange { time: found.due_at };
        let due_on = calendar.following_business_day(calendar.day_of(found.due_at)).ok_or(out_of_range)?;
        let days = (calendar.day_of(context.now), due_on);
        let agreed = |id| order(changes, id).is_ok_and(|order| order.state() == OrderState::Agreed);
        let line = |line| outstanding(changes, line, programme.terms.token);
        // The account may be closed by now; what it delivered is owed all the same.
        let supplier_entity = changes.read::<Account>(&found.supplier).map(|of| of.legal_entity_id).unwrap_or_default();
        let invoice = invoice_of(changes, receivable_id, &found);
        let of_party = |entity: &String| line(BookLine::ProgrammeBorrower(programme_id, entity.clone()));
        let standing = Outstanding {
            total: line(BookLine::Programme(programme_id)),
            obligor: line(BookLine::ProgrammeObligor(programme_id, obligor_entity.clone())),
            supplier: of_party(&borrower_entity).max(of_party(&supplier_entity)),
            invoice: line(BookLine::ProgrammeInvoice(programme_id, invoice)),
            participants: lenders().map(|lender| line(BookLine::ProgrammeLender(programme_id, lender))).collect(),
        };
        let (order_agreed, now) = (found.order.is_some_and(agreed), context.now);
        let shipment = shipment(&found, invoice, &programme, changes);
        let units = (Unit::of(found.token, changes)?, Unit::of(programme.terms.token, changes)?);
        Ok(Self {
            receivable: found,
            programme,
            ids,
            now,
            borrower,
            borrower_entity,
            obligor_entity,
            supplier_entity,
            lender_entities,
            invoice,
            record,
            settlements,
            order_agreed,
            shipment,
            purpose: purpose.to_owned(),
            days,
            standing,
            units,
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
        let weighed = self.legs(self.weighed(advance)).ok_or_else(overflow)?;
        let mut standings = self.of_the_loan(&terms, changes);
        standings.extend(self.of_lenders(&weighed, changes));
        let failing = assess(&self.programme.terms, &self.proposal(advance, self.claim(advance)));
        Ok(Offer { failing, standings, interest: self.interest(advance), terms, legs })
    }

    /// The highest advance that the programme's limits and the lender's rules leave room for, and what else stands against it.
    ///
    /// # Errors
    /// `AMOUNT_OVERFLOW`: not even the least advance can be reckoned.
    pub fn dry_run(&self, changes: &Changes<'_>) -> Result<DryRun, Reason> {
        let nothing_claimed = Some(Amount::ZERO);
        let within_limits = |advance| {
            let proposal = self.proposal(advance, nothing_claimed);
            !assess(&self.programme.terms, &proposal).iter().any(Condition::grows_with_the_advance)
        };
        let covered = |advance| self.claim(advance).is_some_and(|claim| claim <= self.receivable.outstanding());
        let within_rules = |advance| {
            let standings = self.legs(advance).map(|legs| self.of_lenders(&legs, changes));
            standings
                .is_some_and(|standings| standings.iter().all(|one| one.is_kept() || !one.grows_with_the_advance()))
        };
        let by_limits = match self.is_priced() {
            true => {
                let most = highest(self.receivable.outstanding(), None, within_limits);
                // Interest is nearly in proportion to the advance, and reckoning it is what a dry run costs.
                let claimed = self.claim(most).filter(|claim| !claim.is_zero());
                let worth = self.receivable.outstanding().minor_units();
                let guess = claimed.and_then(|claim| most.scale_down(worth, claim.minor_units()));
                highest(most, guess, covered)
            }
            false => Amount::ZERO,
        };
        let advance = highest(by_limits, None, within_rules);
        let offer = self.offer(advance.max(Amount::new(1)), changes)?;
        let mut against = offer.against();
        if advance.is_zero() {
            // What one unit costs a year says nothing.
            against.retain(|condition| condition.name != Parameter::AllInCostMax.name());
        }
        against.extend(self.unfunded(&offer.legs, changes));
        Ok(DryRun { advance, offer, against })
    }

    /// What of an advance is held to the limits that others' loans count in, and to the lender's rules: at most what the receivable could
    /// bring. More is declined by its own conditions, and would only try how much room a lender has left.
    fn weighed(&self, advance: Amount) -> Amount {
        self.programme.terms.advance_max(self.receivable.outstanding()).min(advance)
    }

    /// Advance, fee and interest to the due day; none if they do not fit an amount, and nothing where no programme lends so long.
    fn claim(&self, advance: Amount) -> Option<Amount> {
        match self.is_priced() {
            true => {
                self.interest(advance)?.checked_add(advance)?.checked_add(self.programme.terms.pricing.fee(advance)?)
            }
            false => Some(Amount::ZERO),
        }
    }

    fn proposal(&self, advance: Amount, claim: Option<Amount>) -> Proposal {
        let (found, (started_on, due_on)) = (&self.receivable, self.days);
        Proposal {
            originator: self.programme.financier,
            supplier: found.supplier,
            borrower: self.borrower,
            buyer: found.buyer,
            unit: self.units.0,
            limits_unit: self.units.1,
            outstanding: found.outstanding(),
            advance,
            claim,
            tenor_days: (due_on >= started_on).then_some(due_on.days_since(started_on)),
            buyer_confirmed: found.confirmation() == Some(Confirmation::Buyer),
            order_agreed: self.order_agreed,
            near_duplicates: found.near_duplicates,
            shipment_age_days: self.shipment.event.as_ref().map(|event| age_days(event, self.now)),
            shipment_spent: self.shipment.spent,
            purpose: self.purpose.clone(),
            record: self.record,
            exposure: self.exposure(self.weighed(advance)),
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
            invoice: self.standing.invoice.checked_add(advance),
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

    fn all_in_cost(&self, advance: Amount, fee: Amount) -> Option<AllInCost> {
        let (rate, (started_on, due_on)) = (self.programme.terms.pricing.rate, self.days);
        self.is_priced().then(|| all_in_cost_of(advance, (rate, fee), started_on, due_on))
    }

    fn legs(&self, advance: Amount) -> Option<Vec<Leg>> {
        shares::fixed(self.programme.financier, self.programme.participants(), &self.lender_entities, advance)
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
            supplier_entity: self.supplier_entity.clone(),
            invoice: self.invoice,
            token: self.receivable.token,
            advance,
            fee,
            pricing: terms.pricing,
            recourse: terms.recourse,
            purpose: self.purpose.clone(),
            all_in_cost_bps: self.all_in_cost(advance, fee).unwrap_or_default().bps(),
            started_on,
            due_on,
        })
    }

    /// Those of the lenders who have not got their parts.
    fn unfunded(&self, legs: &[Leg], changes: &Changes<'_>) -> Vec<Condition> {
        let token = self.receivable.token;
        let lacks = |leg: &&Leg| changes.require_available(token, leg.lender, leg.lent).is_err();
        legs.iter().filter(lacks).map(|leg| Condition::unfunded(leg.lender, leg.lent, self.units.0)).collect()
    }

    /// Where the rules for each loan by itself would leave it.
    fn of_the_loan(&self, terms: &LoanTerms, changes: &Changes<'_>) -> Vec<Standing> {
        let originator = self.programme.financier;
        // The cap holds whether it is paid in time or late.
        let cost = self.all_in_cost(terms.advance, terms.fee).map(AllInCost::bps_rounded_up);
        let cost = cost.map(|cost| u64::from(cost.max(terms.pricing.late_cost_bps())));
        let figures = [
            (Parameter::AllInCostMax, cost),
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
        // Of two lenders of one company, what both lend weighs on it.
        let lent = |entity: &str| -> u64 {
            legs.iter().filter(|leg| leg.entity == entity).map(|leg| leg.lent.minor_units()).sum()
        };
        let of = |leg: &Leg| {
            standings((leg.lender, &leg.entity, token), parties, Amount::new(lent(&leg.entity)), self.now, changes)
        };
        legs.iter().flat_map(of).collect()
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

/// The largest amount up to `most` of which something holds that holds of no larger one once it fails; zero if of none. It is looked
/// for outward from a guess, in steps that double, so a good one takes few trials.
fn highest(most: Amount, guess: Option<Amount>, holds: impl Fn(Amount) -> bool) -> Amount {
    if most.is_zero() || holds(most) {
        return most;
    }
    let (mut holding, mut failing, mut step) = (0, most.minor_units(), 1u64);
    if let Some(guess) = guess.map(Amount::minor_units).filter(|guess| (1..failing).contains(guess)) {
        if holds(Amount::new(guess)) {
            holding = guess;
            while let Some(next) = holding.checked_add(step).filter(|next| *next < failing) {
                if !holds(Amount::new(next)) {
                    failing = next;
                    break;
                }
                (holding, step) = (next, step.saturating_mul(2));
            }
        } else {
            failing = guess;
            while let Some(next) = failing.checked_sub(step).filter(|next| *next > 0) {
                if holds(Amount::new(next)) {
                    holding = next;
                    break;
                }
                (failing, step) = (next, step.saturating_mul(2));
            }
        }
    }
    while failing - holding > 1 {
        let middle = holding + (failing - holding) / 2;
        if holds(Amount::new(middle)) { holding = middle } else { failing = middle }
    }
    Amount::new(holding)
}

/// What is known of the step that the programme asks for.
fn shipment(found: &Receivable, invoice: ObjectId, programme: &Programme, changes: &Changes<'_>) -> Shipment {
    let asked = programme.terms.evidence.shipment_step.zip(found.order);
    let (event, spent) = asked.map_or((None, false), |(step, order)| evidence(changes, order, step, invoice));
    Shipment { event, spent }
}

/// How many days begun ago an event happened. A carrier's clock may be ahead.
fn age_days(event: &ShipmentEvent, now: BlockTime) -> u32 {
    u32::try_from(now.ms_since(event.event_time).div_ceil(DAY_MS)).unwrap_or(u32::MAX)
}

/// The all-in annual cost of an advance that is repaid with interest and fee on its due day.
pub(super) fn all_in_cost_of(advance: Amount, (rate, fee): (Rate, Amount), started_on: Day, due_on: Day) -> AllInCost {
    let interest = rate.interest(advance, started_on, due_on);
    let repaid = interest.and_then(|interest| interest.checked_add(fee)?.checked_add(advance));
    let drawn = [Flow { on: started_on, amount: advance }];
    let repaid = Flow { on: due_on.max(started_on), amount: repaid.unwrap_or(Amount::MAX) };
    all_in_cost(&drawn, &[repaid])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_is_the_last_that_holds() {
        for (most, last) in [(0, 0), (1, 0), (1, 1), (10, 0), (10, 3), (10, 10), (u64::MAX, 1), (u64::MAX, u64::MAX)] {
            for guess in [None, Some(0), Some(1), Some(2), Some(3), Some(4), Some(9), Some(most), Some(u64::MAX / 3)] {
                let holds = |amount: Amount| amount.minor_units() <= last;
                let found = highest(Amount::new(most), guess.map(Amount::new), holds);
                assert_eq!(found, Amount::new(last), "{last} of {most}, from {guess:?}");
            }
        }
    }

    /// A guess that is close is found from in a few trials.
    #[test]
    fn a_good_guess_takes_few_trials() {
        let trials = std::cell::Cell::new(0);
        let holds = |amount: Amount| {
            trials.set(trials.get() + 1);
            amount.minor_units() <= 1 << 50
        };
        assert_eq!(highest(Amount::MAX, Some(Amount::new((1 << 50) + 5)), holds), Amount::new(1 << 50));
        assert!(trials.get() <= 10, "{}", trials.get());
    }
}
