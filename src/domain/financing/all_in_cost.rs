//! The all-in annual cost of a loan: its rate and every fee, as one figure that loans are compared and capped by.
//!
//! It is the effective annual rate X at which what the borrower receives and what it repays, charges included, are worth the
//! same: the basic equation of Directive 2008/48/EC, annex I, part I,
//!
//! ```text
//! sum of drawdown_k (1 + X)^-t_k  =  sum of repayment_l (1 + X)^-s_l
//! ```
//!
//! with times in days over a year of 365 (remark (c); a leap year's 366 would make one loan cost differently by when it
//! begins). What is shown is rounded half up to a basis point, finer than remark (d) asks for; what is held to a cap is rounded up.
//!
//! # How
//! With v the discount of a day, every term is an amount times a whole power of v. Both sides are compared at v by powers in
//! fixed point of 62 bits, and v is found by bisection in 62 steps, so the work is bounded and every machine finds the same.
//!
//! # Invariants
//! * Total: every list of flows has a cost, from zero to [`COST_BPS_MAX`], which stands for that much or more.
//! * What is repaid earlier, or more of, never costs less.

use super::interest::BPS;
use crate::primitives::{Amount, Day};

/// The highest cost that is told apart, in basis points: 10,000 %.
pub const COST_BPS_MAX: u32 = 1_000_000;
/// Days in a year.
const YEAR: u32 = 365;
/// Fixed point: one.
const ONE: u128 = 1 << 62;
/// Basis points that are looked for: a hundredth of one, so that rounding is by a digit that was found.
const PARTS: u128 = 100;

/// Money that changes hands on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// When.
    pub on: Day,
    /// How much.
    pub amount: Amount,
}

/// The all-in annual cost of what was drawn and is to be repaid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AllInCost {
    /// In hundredths of a basis point, rounded down: digits that were found.
    parts: u128,
}

impl AllInCost {
    /// In basis points, rounded half up: to be shown.
    pub fn bps(self) -> u32 {
        Self::within(self.parts.saturating_add(PARTS / 2) / PARTS)
    }

    /// In basis points, rounded up: what must stay below a limit is not rounded under it.
    pub fn bps_rounded_up(self) -> u32 {
        Self::within(self.parts.div_ceil(PARTS))
    }

    fn within(bps: u128) -> u32 {
        bps.min(u128::from(COST_BPS_MAX)) as u32
    }
}

/// The all-in annual cost of what was drawn and is to be repaid.
///
/// Nothing repaid beyond what was drawn costs nothing. What is drawn must come before what is repaid for the equation to have
/// one solution; the first drawdown is the day from which time runs.
pub fn all_in_cost(drawn: &[Flow], repaid: &[Flow]) -> AllInCost {
    AllInCost { parts: cost_parts(drawn, repaid) }
}

fn cost_parts(drawn: &[Flow], repaid: &[Flow]) -> u128 {
    let Some(start) = drawn.iter().map(|flow| flow.on).min() else { return 0 };
    let total = |flows: &[Flow]| flows.iter().map(|flow| u128::from(flow.amount.minor_units())).sum::<u128>();
    if total(repaid) <= total(drawn) {
        return 0;
    }
    // At a discount of `low` the repayments are worth less than the drawdowns, at `high` more.
    let (mut low, mut high) = (0, ONE);
    while high - low > 1 {
        let discount = low.midpoint(high);
        if worth(repaid, start, discount) > worth(drawn, start, discount) {
            high = discount;
        } else {
            low = discount;
        }
    }
    annual_parts(high)
}

/// What flows are worth on the first day, in minor units and 62 bits of one. Below 2^64 x 2^62 each, and they are few.
fn worth(flows: &[Flow], start: Day, discount: u128) -> u128 {
    flows
        .iter()
        .map(|flow| u128::from(flow.amount.minor_units()).saturating_mul(power(discount, flow.on.days_since(start))))
        .fold(0, u128::saturating_add)
}

/// A power of a number of at most one, rounded down at each step.
fn power(base: u128, exponent: u32) -> u128 {
    let (mut result, mut square, mut left) = (ONE, base, exponent);
    while left > 0 {
        if left & 1 == 1 {
            result = (result * square) >> 62;
        }
        square = (square * square) >> 62;
        left >>= 1;
    }
    result
}

/// The year's growth that a day's discount stands for, in hundredths of a basis point above one.
fn annual_parts(discount: u128) -> u128 {
    let scale = u128::from(BPS) * PARTS;
    let year = power(discount, YEAR);
    // A discount so small that its year vanishes is a cost past every bound.
    let grown = (ONE * scale).checked_div(year).unwrap_or(u128::MAX);
    grown.saturating_sub(scale)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all_in_cost_bps(drawn: &[Flow], repaid: &[Flow]) -> u32 {
        all_in_cost(drawn, repaid).bps()
    }

    /// What is a hair above a basis point is shown as that, and held to the next.
    #[test]
    fn a_limit_is_not_rounded_under() {
        for (repaid, shown, held) in [
            (1_240_000_000, 2_400, 2_400),
            (1_240_049_000, 2_400, 2_401),
            (1_240_051_000, 2_401, 2_401),
            (1_239_999_000, 2_400, 2_400),
        ] {
            let cost = all_in_cost(&flows(&[(0, 1_000_000_000)]), &flows(&[(365, repaid)]));
            assert_eq!((cost.bps(), cost.bps_rounded_up()), (shown, held), "{repaid}");
        }
    }

    fn flow(on: u32, units: u64) -> Flow {
        Flow { on: Day(20_000 + on), amount: Amount::new(units) }
    }

    fn flows(of: &[(u32, u64)]) -> Vec<Flow> {
        of.iter().map(|(on, units)| flow(*on, *units)).collect()
    }

    /// The calendar examples of Directive 98/7/EC, annex II (annex III of 87/102/EEC), whose equation 2008/48/EC kept; amounts
    /// in hundredths.
    #[test]
    fn the_directives_examples() {
        for (drawn, repaid, bps) in [
            // One payment of 1,200 after 546 days: 12.96 %.
            (100_000, vec![(546, 120_000)], 1_296),
            // The same, with 50 kept back for expenses: 16.90 %.
            (95_000, vec![(546, 120_000)], 1_690),
            // Two payments of 600, after one year and after two: 13.07 %.
            (100_000, vec![(365, 60_000), (730, 60_000)], 1_307),
            // 272 after 90 days and after 181, 544 after a year: 13.23 %.
            (100_000, vec![(90, 27_200), (181, 27_200), (365, 54_400)], 1_323),
        ] {
            assert_eq!(all_in_cost_bps(&flows(&[(0, drawn)]), &flows(&repaid)), bps, "{drawn} for {repaid:?}");
        }
    }

    #[test]
    fn every_loan_has_a_cost() {
        for (drawn, repaid, bps) in [
            // Nothing on top, or less than nothing.
            (vec![(0, 100)], vec![(30, 100)], 0),
            (vec![(0, 100)], vec![(30, 99)], 0),
            (vec![], vec![(30, 99)], 0),
            // A fee on the day itself, or what doubles overnight, is past every bound.
            (vec![(0, 100)], vec![(0, 101)], COST_BPS_MAX),
            (vec![(0, 100)], vec![(1, 200)], COST_BPS_MAX),
            // Exactly 24 % a year, and a year of 366 days costs less.
            (vec![(0, 100_000)], vec![(365, 124_000)], 2_400),
            (vec![(0, 100_000)], vec![(366, 124_000)], 2_393),
            // Two drawdowns.
            (vec![(0, 50_000), (365, 50_000)], vec![(365, 60_000), (730, 60_000)], 2_000),
            // The largest amounts.
            (vec![(0, u64::MAX / 2)], vec![(365, u64::MAX)], 10_000),
        ] {
            assert_eq!(all_in_cost_bps(&flows(&drawn), &flows(&repaid)), bps, "{drawn:?} for {repaid:?}");
        }
    }

    /// Newton's method in floating point: another way to the same root.
    fn by_newton(drawn: u64, repaid: &[(u32, u64)]) -> f64 {
        let mut rate = 0.1;
        for _ in 0..200 {
            let (mut value, mut slope) = (-(drawn as f64), 0.0);
            for (day, units) in repaid {
                let years = f64::from(*day) / 365.0;
                let term = *units as f64 * (1.0f64 + rate).powf(-years);
                value += term;
                slope -= years * term / (1.0 + rate);
            }
            let next: f64 = rate - value / slope;
            rate = next.max((rate - 1.0) / 2.0 - 0.4).max(-0.9);
        }
        rate
    }

    proptest! {
        #[test]
        fn the_cost_is_the_root_that_newton_finds(
            drawn in 10_000u64..10_000_000,
            repayments in proptest::collection::vec((20u32..1_500, 1u64..100), 1..6),
            on_top_bps in 10u64..4_000,
        ) {
            // Shares of what was drawn and of a charge on top, on their days.
            let weight: u64 = repayments.iter().map(|(_, share)| share).sum();
            let owed = drawn + drawn * on_top_bps / 10_000;
            let repaid: Vec<(u32, u64)> =
                repayments.iter().map(|(day, share)| (*day, (owed * share).div_ceil(weight))).collect();
            let expected = by_newton(drawn, &repaid) * 10_000.0;
            prop_assume!(expected.is_finite() && expected < 100_000.0);
            let found = all_in_cost_bps(&flows(&[(0, drawn)]), &flows(&repaid));
            prop_assert!((f64::from(found) - expected).abs() <= 0.51, "{found} and {expected}");
        }

        /// A fee more costs more, a day later costs less, and nobody panics.
        #[test]
        fn the_cost_follows_what_is_paid_and_when(
            drawn in 1u64..u64::MAX / 4,
            extra in 0u64..1 << 40,
            days in 0u32..11_000,
        ) {
            let of = |repaid: u64, days| all_in_cost_bps(&[flow(0, drawn)], &[flow(days, repaid)]);
            prop_assert!(of(drawn + extra, days) <= of(drawn + extra + 1, days));
            prop_assert!(of(drawn + extra, days + 1) <= of(drawn + extra, days));
        }
    }
}
