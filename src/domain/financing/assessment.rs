//! Assessment: whether a proposal meets a programme's terms. Every condition that fails is named with its figures, not the
//! first only, so that whoever is declined knows all that is missing.
//!
//! It is a function of its arguments alone: the same answers a question beforehand as decides in a block.
//!
//! # Whose the figures are
//! What the borrower brings it is told to the unit. What depends on others' loans, or on what a lender has, is the lender's: whoever
//! asks is told which limit does not hold and what the limit is, and the figure stays with the lender and those who supervise it. A
//! decline stands in an outcome, so it tells what everybody is told ([`Condition`]'s `Display`).

use super::citation::SettlementRecord;
use super::programme::ProgrammeTerms;
use crate::domain::tokens;
use crate::ledger::{Changes, Reason};
use crate::primitives::{AccountId, Amount, TokenId};
use std::fmt;

/// A token with its decimals: what amounts are told in.
#[derive(Clone, Copy, Debug)]
pub struct Unit {
    /// The token.
    pub token: TokenId,
    /// Its decimals.
    pub scale: u32,
}

impl Unit {
    /// That of a token.
    ///
    /// # Errors
    /// `UNKNOWN_TOKEN`.
    pub(super) fn of(token: TokenId, changes: &Changes<'_>) -> Result<Self, Reason> {
        Ok(Self { token, scale: tokens::known(changes, token)?.terms.scale })
    }

    fn money(self, amount: Amount) -> String {
        format!("{} {}", amount.decimal(self.scale), self.token)
    }
}

/// What is asked for, and what is known about it.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// Who published the programme, whose loans its limits count.
    pub originator: AccountId,
    /// Who delivered.
    pub supplier: AccountId,
    /// Who asks: another than who delivered, if the receivable was passed on.
    pub borrower: AccountId,
    /// Who owes.
    pub buyer: AccountId,
    /// The receivable's token.
    pub unit: Unit,
    /// The programme's token, in which its limits are.
    pub limits_unit: Unit,
    /// What is owed on the receivable.
    pub outstanding: Amount,
    /// What is asked for.
    pub advance: Amount,
    /// Advance, fee and interest to the due day; none if they do not fit an amount. Nothing where no programme lends so long.
    pub claim: Option<Amount>,
    /// Days to the due day; none if it has passed.
    pub tenor_days: Option<u32>,
    /// Whether the buyer itself confirmed.
    pub buyer_confirmed: bool,
    /// Whether it is under an order that both parties agreed to.
    pub order_agreed: bool,
    /// How many other invoices like this one stood when it was registered.
    pub near_duplicates: u16,
    /// How many days begun ago the step of that order's shipment that is asked for happened last; none if it did not.
    pub shipment_age_days: Option<u32>,
    /// Whether another invoice was financed on an event of that step.
    pub shipment_spent: bool,
    /// What the proceeds are for.
    pub purpose: String,
    /// The borrower's record.
    pub record: SettlementRecord,
    /// What would be outstanding with it.
    pub exposure: Exposure,
}

/// What would be outstanding under the programme with the loan; none where that does not fit an amount.
#[derive(Clone, Debug, Default)]
pub struct Exposure {
    /// In all.
    pub total: Option<Amount>,
    /// On the buyer.
    pub obligor: Option<Amount>,
    /// To the borrower, or on what the supplier delivered: the larger of the two.
    pub supplier: Option<Amount>,
    /// On the invoice, all of its parts together.
    pub invoice: Option<Amount>,
    /// By each participant, with its limit.
    pub participants: Vec<(AccountId, Option<Amount>, Amount)>,
}

/// A condition that does not hold, with what was found and what it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Its stable name.
    pub name: &'static str,
    /// What was found.
    pub found: String,
    /// What it must be.
    pub required: String,
    /// The law that says so; empty where it is the programme's own.
    pub law: String,
    /// What was found and must be, where both are amounts.
    pub amounts: Option<Figures>,
    /// Whose figure was found, where it is not the borrower's to know.
    pub withheld: Option<Withheld>,
}

/// That a figure is a lender's: it and those who supervise it are told, and nobody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withheld {
    /// The lender.
    pub lender: AccountId,
    /// What everybody else is told was found.
    pub told: String,
}

/// The amounts of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    /// Of which token.
    pub token: TokenId,
    /// What was found; none if it does not fit an amount, or is nobody's to know.
    pub found: Option<Amount>,
    /// What it is held to.
    pub required: Amount,
}

impl Condition {
    /// That somebody who would lend has not got its part. How much it has is nobody's to find out by asking; how much it would take is
    /// known to whoever asks.
    pub(super) fn unfunded(lender: AccountId, part: Amount, unit: Unit) -> Self {
        Self {
            name: LENDER_FUNDS,
            found: format!("{lender} has less"),
            required: format!("{} at least", unit.money(part)),
            law: String::new(),
            amounts: Some(Figures { token: unit.token, found: None, required: part }),
            withheld: None,
        }
    }

    /// The condition as somebody is told it who sees the figures of some lenders, or of none.
    #[must_use]
    pub fn told_to(mut self, sees: impl FnOnce(AccountId) -> bool) -> Self {
        if let Some(Withheld { lender, told }) = self.withheld.take()
            && !sees(lender)
        {
            self.found = told;
            self.amounts = self.amounts.map(|amounts| Figures { found: None, ..amounts });
        }
        self
    }

    /// Whether a smaller advance might meet it.
    pub(super) fn grows_with_the_advance(&self) -> bool {
        AMOUNTS.contains(&self.name)
    }
}

/// The conditions that bound the advance from above.
const AMOUNTS: [&str; 7] = [ADVANCE, CLAIM, PER_INVOICE, PER_SUPPLIER, PER_OBLIGOR, TOTAL, PARTICIPANT];
const ADVANCE: &str = "advance";
const CLAIM: &str = "claim";
const PER_INVOICE: &str = "per_invoice";
const PER_SUPPLIER: &str = "per_supplier";
const PER_OBLIGOR: &str = "per_obligor";
const TOTAL: &str = "total";
const PARTICIPANT: &str = "participant";
const LENDER_FUNDS: &str = "lender_funds";

/// As everybody is told it.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = self.withheld.as_ref().map_or(&self.found, |withheld| &withheld.told);
        write!(f, "{}: {found}, must be {}", self.name, self.required)
    }
}

/// Every condition of the programme that the proposal fails, in the order in which the terms are written.
pub fn assess(terms: &ProgrammeTerms, proposal: &Proposal) -> Vec<Condition> {
    let mut failing = Failing::default();
    let (unit, limits_unit) = (proposal.unit, proposal.limits_unit);
    failing.unless(unit.token == terms.token, "token", unit.token, terms.token);
    failing.unless(terms.admits_buyer(proposal.buyer), "buyer", proposal.buyer, "one of the programme's");
    failing.unless(terms.admits_supplier(proposal.supplier), "supplier", proposal.supplier, "one of the programme's");
    let asks_itself = proposal.borrower == proposal.supplier || terms.admits_supplier(proposal.borrower);
    failing.unless(asks_itself, "borrower", proposal.borrower, "one of the programme's suppliers");
    failing.at_most(ADVANCE, Some(proposal.advance), terms.advance_max(proposal.outstanding), unit);
    failing.at_most(CLAIM, proposal.claim, proposal.outstanding, unit);
    tenor(&mut failing, terms, proposal);
    let limits = &terms.limits;
    let exposure = &proposal.exposure;
    for (name, found, limit) in [
        (PER_INVOICE, exposure.invoice, limits.per_invoice),
        (PER_SUPPLIER, exposure.supplier, limits.per_supplier),
        (PER_OBLIGOR, exposure.obligor, limits.per_obligor),
        (TOTAL, exposure.total, limits.total),
    ] {
        failing.of = Some(proposal.originator);
        failing.at_most(name, found, limit, limits_unit);
    }
    failing.of = None;
    for (lender, exposure, limit) in &exposure.participants {
        let within = exposure.is_some_and(|exposure| exposure <= *limit);
        let required = format!("within its limit of {}", limits_unit.money(*limit));
        failing.unless(within, PARTICIPANT, lender, required);
    }
    evidence(&mut failing, terms, proposal);
    let permitted = terms.purposes.is_empty() || terms.purposes.contains(&proposal.purpose);
    failing.unless(permitted, "purpose", format_args!("'{}'", proposal.purpose), "one of the programme's");
    failing.conditions
}

fn tenor(failing: &mut Failing, terms: &ProgrammeTerms, proposal: &Proposal) {
    let (min, max) = (terms.tenor_days_min, terms.tenor_days_max);
    match proposal.tenor_days {
        None => failing.unless(false, "tenor_days", "past the due day", format_args!("{min} to {max}")),
        Some(days) => failing.unless((min..=max).contains(&days), "tenor_days", days, format_args!("{min} to {max}")),
    }
}

fn evidence(failing: &mut Failing, terms: &ProgrammeTerms, proposal: &Proposal) {
    let required = &terms.evidence;
    let confirmed = proposal.buyer_confirmed || !required.buyer_confirmed;
    failing.unless(confirmed, "confirmation", "the buyer's silence", "the buyer's own");
    let agreed = proposal.order_agreed || !required.order_agreed;
    failing.unless(agreed, "order", "none that is agreed", "agreed by buyer and supplier");
    if let Some(step) = required.shipment_step {
        let found =
            if proposal.shipment_spent { "recorded, and another invoice was financed on it" } else { "not recorded" };
        failing.unless(proposal.shipment_age_days.is_some(), "shipment_step", found, step.name());
    }
    if let Some((age, max)) = proposal.shipment_age_days.zip(required.shipment_age_days_max) {
        failing.unless(age <= max, "shipment_age_days", age, format_args!("{max} at most"));
    }
    if let Some(max) = required.near_duplicates_max {
        let found = proposal.near_duplicates;
        failing.unless(found <= max, "near_duplicates", found, format_args!("{max} at most"));
    }
    let (record, required) = (&proposal.record, &required.record);
    let at_least = |min: u32| format!("{min} at least");
    let count = u32::from(record.count);
    failing.unless(count >= required.count_min, "settlements", count, at_least(required.count_min));
    failing.at_least("settlements_sum", record.sum, required.sum_min, proposal.limits_unit);
    let period = record.period_days();
    failing.unless(
        period >= required.period_days_min,
        "settlements_period_days",
        period,
        at_least(required.period_days_min),
    );
    let late = record.late_days_max;
    failing.unless(
        late <= required.late_days_max,
        "settlements_late_days",
        late,
        format_args!("{} at most", required.late_days_max),
    );
}

#[derive(Default)]
struct Failing {
    conditions: Vec<Condition>,
    /// Whose the figures are that are held to a limit now, if not the borrower's own.
    of: Option<AccountId>,
}

impl Failing {
    fn unless(&mut self, holds: bool, name: &'static str, found: impl fmt::Display, required: impl fmt::Display) {
        if !holds {
            let (found, required, law) = (found.to_string(), required.to_string(), String::new());
            self.conditions.push(Condition { name, found, required, law, amounts: None, withheld: None });
        }
    }

    fn at_most(&mut self, name: &'static str, found: Option<Amount>, limit: Amount, unit: Unit) {
        if found.is_none_or(|found| found > limit) {
            let told = found.map_or_else(|| "beyond every amount".to_owned(), |found| unit.money(found));
            self.push_amounts(name, (told, found), (format!("{} at most", unit.money(limit)), limit), unit);
        }
    }

    fn at_least(&mut self, name: &'static str, found: Amount, least: Amount, unit: Unit) {
        if found < least {
            let required = (format!("{} at least", unit.money(least)), least);
            self.push_amounts(name, (unit.money(found), Some(found)), required, unit);
        }
    }

    fn push_amounts(
        &mut self,
        name: &'static str,
        (found, found_amount): (String, Option<Amount>),
        (required, required_amount): (String, Amount),
        unit: Unit,
    ) {
        let figures = Figures { token: unit.token, found: found_amount, required: required_amount };
        let withheld = self.of.map(|lender| Withheld { lender, told: "more".to_owned() });
        self.conditions.push(Condition { name, found, required, law: String::new(), amounts: Some(figures), withheld });
    }
}
