//! Standings: a lender's figures held against the lender's rules in force.
//!
//! A standing is a rule with its figure, its limit, its law, and what is left to the limit in money. One computation makes
//! them all: with a loan it decides whether the loan is lawful, and without one it says where the lender stands. So what a
//! lender or its supervisor reads is what the next loan is decided by. To anybody else a figure is not told: a loan that would
//! break a rule is declined with the rule, its limit and its law, since two figures for two advances would give a lender's capital.
//!
//! # Deliberately absent
//! The figures of a loan by itself, its all-in cost and its originator's own share, which the loan's application knows.

use super::assessment::{Condition, Withheld};
use super::book::{BookLine, outstanding};
use super::capital::{LenderCapital, LenderKind};
use super::interest::BPS;
use super::rules::{Parameter, ParameterValue, in_force};
use crate::ledger::{Changes, Reason};
use crate::primitives::amount::percent;
use crate::primitives::time::DAY_MS;
use crate::primitives::{AccountId, Amount, BlockTime, TokenId};

/// A rule of the lender's, as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The rule.
    pub parameter: Parameter,
    /// The lender.
    pub lender: AccountId,
    /// The figure in the rule's unit; none if there is no attestation to take it from.
    pub figure: Option<u64>,
    /// What the law in force sets.
    pub rule: ParameterValue,
    /// How much more the lender could owe, or lend, under this rule alone; none where the rule is not one of amounts, or
    /// leaves room beyond every amount.
    pub headroom: Option<Amount>,
    /// By how much the limit is broken; zero if it is kept.
    pub excess: Amount,
}

/// Whose debts weigh on a rule: a borrower's and an obligor's legal entities.
#[derive(Clone, Copy, Debug)]
pub struct Parties<'a> {
    /// The borrower.
    pub borrower_entity: &'a str,
    /// Who owes the receivable.
    pub obligor_entity: &'a str,
}

impl Standing {
    /// Whether the limit is kept.
    pub fn is_kept(&self) -> bool {
        let limit = self.rule.value;
        match self.figure {
            Some(figure) if self.parameter.is_minimum() => figure >= limit,
            Some(figure) => figure <= limit,
            // Where there is no loan yet, nothing is broken; without an attestation no loan is made.
            None => matches!(self.parameter, Parameter::AllInCostMax | Parameter::OwnShareMin),
        }
    }

    /// What is wrong with it, as a condition that does not hold; none if the limit is kept.
    pub fn condition(&self) -> Option<Condition> {
        if self.is_kept() {
            return None;
        }
        let (bound, than_allowed) =
            if self.parameter.is_minimum() { ("at least", "less") } else { ("at most", "more") };
        let lender = self.lender;
        let (found, withheld) = match (self.parameter, self.figure) {
            (_, None) => (format!("{lender} is not attested"), None),
            // The loan's own, and of shares that the programme publishes.
            (Parameter::AllInCostMax | Parameter::OwnShareMin, Some(figure)) => (self.told(figure), None),
            (_, Some(figure)) => {
                let told = format!("{lender} has {than_allowed}");
                (format!("{} of {lender}", self.told(figure)), Some(Withheld { lender, told }))
            }
        };
        let required = format!("{} {bound}", self.told(self.rule.value));
        let law = self.rule.law.clone();
        Some(Condition { name: self.parameter.name(), found, required, law, amounts: None, withheld })
    }

    /// A figure as people read it.
    fn told(&self, figure: u64) -> String {
        match self.parameter {
            Parameter::CapitalAttestationAgeMax => format!("{figure} days"),
            _ if figure == u64::MAX => "beyond every limit".to_owned(),
            _ => percent(figure),
        }
    }

    /// Whether a smaller advance might keep it.
    pub(super) fn grows_with_the_advance(&self) -> bool {
        match self.parameter {
            Parameter::BorrowerShareMax
            | Parameter::ObligorShareMax
            | Parameter::CapitalAdequacyMin
            | Parameter::LeverageRatioMin => true,
            Parameter::AllInCostMax
            | Parameter::OwnShareMin
            | Parameter::LoanFundingMax
            | Parameter::BondFundingMax
            | Parameter::CapitalAttestationAgeMax => false,
        }
    }

    /// A figure of a loan's own; none where there is no loan.
    pub fn of_loan(lender: AccountId, parameter: Parameter, figure: Option<u64>, rule: ParameterValue) -> Self {
        Self { parameter, lender, figure, rule, headroom: None, excess: Amount::ZERO }
    }

    /// Why a loan is declined that would leave it so; none if the limit is kept.
    pub fn breach(&self) -> Option<Reason> {
        if self.is_kept() {
            return None;
        }
        let (lender, figure, limit_bps) = (self.lender, self.figure.unwrap_or_default(), self.rule.value);
        let law = self.rule.law.clone();
        if self.figure.is_none() && self.parameter != Parameter::CapitalAttestationAgeMax {
            return Some(Reason::LenderNotAttested { lender, rule: self.parameter.name(), law });
        }
        Some(match self.parameter {
            Parameter::LoanFundingMax => Reason::FundingAboveLimit { lender, funding: "loans", limit_bps, law },
            Parameter::BondFundingMax => Reason::FundingAboveLimit { lender, funding: "bonds", limit_bps, law },
            Parameter::BorrowerShareMax => Reason::BorrowerShareAboveLimit { lender, limit_bps, law },
            Parameter::ObligorShareMax => Reason::ObligorShareAboveLimit { lender, limit_bps, law },
            Parameter::CapitalAdequacyMin => Reason::CapitalAdequacyBelowMinimum { lender, limit_bps, law },
            Parameter::LeverageRatioMin => Reason::LeverageRatioBelowMinimum { lender, limit_bps, law },
            Parameter::CapitalAttestationAgeMax => {
                Reason::LenderCapitalNotAttested { lender, age_days_max: limit_bps, law }
            }
            Parameter::AllInCostMax => Reason::AllInCostAboveCap { cost_bps: figure, limit_bps, law },
            Parameter::OwnShareMin => Reason::OwnShareBelowFloor { share_bps: figure, limit_bps, law },
        })
    }

    /// A figure that the limit holds from above.
    fn at_most(lender: AccountId, parameter: Parameter, (part, whole): (u128, u128), rule: ParameterValue) -> Self {
        // `part` in basis points of `whole`, rounded up, is within the limit exactly as long as `part` is within this.
        let most = whole * u128::from(rule.value) / u128::from(BPS);
        let (headroom, excess) = (narrowed(most.saturating_sub(part)), saturated(part.saturating_sub(most)));
        Self { parameter, lender, figure: Some(bps_rounded_up(part, whole)), rule, headroom, excess }
    }

    /// Capital over what it must cover.
    fn at_least(
        lender: AccountId,
        parameter: Parameter,
        (capital, covered): (u128, u128),
        rule: ParameterValue,
    ) -> Self {
        // Capital in basis points of what it covers, rounded down, reaches the limit exactly as long as that is within this.
        let most = (capital * u128::from(BPS)).checked_div(rule.value.into()).unwrap_or(u128::MAX);
        let (headroom, excess) = (narrowed(most.saturating_sub(covered)), saturated(covered.saturating_sub(most)));
        Self { parameter, lender, figure: Some(bps_rounded_down(capital, covered)), rule, headroom, excess }
    }
}

/// Where a lender stands by every rule that binds it, were its company to lend so much more to these parties, in order of precedence:
/// that of its attestation, then those that its kind has. A rule without a value binds nobody. Without an attestation nobody knows
/// of what kind it is, so every rule of amounts stands open.
pub fn standings(
    (lender, entity, token): (AccountId, &str, TokenId),
    parties: Parties<'_>,
    more: Amount,
    now: BlockTime,
    changes: &Changes<'_>,
) -> Vec<Standing> {
    let attested: Option<LenderCapital> = changes.read(&(entity.to_owned(), token));
    let rule = |parameter| in_force(changes, parameter, now);
    let age = rule(Parameter::CapitalAttestationAgeMax).map(|rule| age(lender, attested.as_ref(), rule, now));
    let mut standings: Vec<Standing> = age.into_iter().collect();
    let Some(LenderCapital { figures, .. }) = attested else {
        let open =
            |parameter: &Parameter| rule(*parameter).map(|rule| Standing::of_loan(lender, *parameter, None, rule));
        standings.extend(AMOUNT_RULES.iter().filter_map(open));
        return standings;
    };
    let with = |line| u128::from(outstanding(changes, line, token).minor_units()) + u128::from(more.minor_units());
    let units = |amount: Amount| u128::from(amount.minor_units());
    match figures.kind {
        LenderKind::SmallLoan => {
            let borrower = BookLine::LenderBorrower(entity.to_owned(), parties.borrower_entity.to_owned());
            let obligor = BookLine::LenderObligor(entity.to_owned(), parties.obligor_entity.to_owned());
            for (parameter, part) in [
                (Parameter::LoanFundingMax, units(figures.loan_funding)),
                (Parameter::BondFundingMax, units(figures.bond_funding)),
                (Parameter::BorrowerShareMax, with(borrower)),
                (Parameter::ObligorShareMax, with(obligor)),
            ] {
                let of = (part, units(figures.net_assets));
                standings.extend(rule(parameter).map(|rule| Standing::at_most(lender, parameter, of, rule)));
            }
        }
        LenderKind::ConsumerFinance => {
            let grown = with(BookLine::LenderEntity(entity.to_owned())).saturating_sub(units(figures.lent));
            for (parameter, attested) in [
                (Parameter::CapitalAdequacyMin, figures.risk_weighted_assets),
                (Parameter::LeverageRatioMin, figures.exposures),
            ] {
                let of = (units(figures.capital), units(attested) + grown);
                standings.extend(rule(parameter).map(|rule| Standing::at_least(lender, parameter, of, rule)));
            }
        }
        LenderKind::Other => {}
    }
    standings
}

/// The rules that are of a lender's amounts, and so need its attestation.
const AMOUNT_RULES: [Parameter; 6] = [
    Parameter::LoanFundingMax,
    Parameter::BondFundingMax,
    Parameter::BorrowerShareMax,
    Parameter::ObligorShareMax,
    Parameter::CapitalAdequacyMin,
    Parameter::LeverageRatioMin,
];

/// The attestation's age in days begun, held against how old it may be.
fn age(lender: AccountId, attested: Option<&LenderCapital>, rule: ParameterValue, now: BlockTime) -> Standing {
    let days = attested.map(|attested| now.ms_since(attested.figures.as_of).div_ceil(DAY_MS));
    let (parameter, headroom, excess) = (Parameter::CapitalAttestationAgeMax, None, Amount::ZERO);
    Standing { parameter, lender, figure: days, rule, headroom, excess }
}

/// An amount, if it is one.
fn narrowed(units: u128) -> Option<Amount> {
    u64::try_from(units).ok().map(Amount::new)
}

/// An amount, or the largest: what is beyond every limit is shown as that.
fn saturated(units: u128) -> Amount {
    narrowed(units).unwrap_or(Amount::MAX)
}

/// A part of a whole in basis points, rounded up: what must stay below a limit is not rounded under it. Of nothing, any part
/// is beyond every limit.
pub fn bps_rounded_up(part: u128, whole: u128) -> u64 {
    match (part, whole) {
        (0, _) => 0,
        (_, 0) => u64::MAX,
        (part, whole) => u64::try_from((part * u128::from(BPS)).div_ceil(whole)).unwrap_or(u64::MAX),
    }
}

/// A part of a whole in basis points, rounded down: what must reach a minimum is not rounded up to it.
fn bps_rounded_down(part: u128, whole: u128) -> u64 {
    (part * u128::from(BPS)).checked_div(whole).map_or(u64::MAX, |bps| u64::try_from(bps).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rule(value: u64) -> ParameterValue {
        ParameterValue { in_force_from: BlockTime(0), value, law: "a law".to_owned() }
    }

    proptest! {
        /// The headroom is the last unit that is lawful: with it the limit is kept, and with one more it is broken.
        #[test]
        fn headroom_ends_where_the_limit_does(
            part in 0u64..1 << 40,
            whole in 0u64..1 << 40,
            limit in 0u64..60_000,
        ) {
            let lender = AccountId([1; 32]);
            let (part, whole) = (u128::from(part), u128::from(whole));
            let at_most = |part| Standing::at_most(lender, Parameter::BorrowerShareMax, (part, whole), rule(limit));
            let at_least = |part| Standing::at_least(lender, Parameter::LeverageRatioMin, (whole, part), rule(limit));
            let of: [&dyn Fn(u128) -> Standing; 2] = [&at_most, &at_least];
            for of in of {
                let now = of(part);
                prop_assert_eq!(now.breach().is_none(), now.excess.is_zero());
                if now.is_kept() {
                    let Some(headroom) = now.headroom else { continue };
                    let last = part + u128::from(headroom.minor_units());
                    prop_assert!(of(last).is_kept() && !of(last + 1).is_kept());
                } else {
                    prop_assert_eq!(now.headroom, Some(Amount::ZERO));
                    let excess = u128::from(now.excess.minor_units());
                    prop_assert!(of(part - excess).is_kept());
                    prop_assert!(!of(part - excess + 1).is_kept());
                }
            }
        }
    }
}
