//! Interest: what a principal costs from one calendar day to another, in minor units.
//!
//! # Day counts
//! By the 2006 ISDA Definitions, from the first day inclusively to the last exclusively:
//! * *ACT/365F*, section 4.16(d): calendar days over 365, leap years too.
//! * *ACT/360*, section 4.16(e): calendar days over 360.
//! * *30/360*, section 4.16(f) (ICMA's bond basis): `360 (Y2 - Y1) + 30 (M2 - M1) + (D2 - D1)` over 360, where a first day
//!   31 counts as 30, and a last day 31 counts as 30 if the first is 30 or 31.
//!
//! # Rounding
//! Simple interest is one division, rounded half up to the minor unit. Where interest compounds, what is capitalised is
//! carried to 2^-32 of a minor unit, rounded down each time, and the sum is rounded half up to the minor unit.
//!
//! # Where it ends
//! What an offer would cost beyond the largest amount, or beyond [`INTEREST_DAYS_MAX`], is no offer ([`Rate::interest`]). What was lent accrues
//! up to that and stands still there ([`Rate::accrued`]): a loan is paid, declared in default and written off however long nobody did.
//!
//! # Invariants
//! * The same days give the same interest on every machine: integers only, and an overflow is no result.
//! * No days, no principal or no rate: no interest. A later last day never costs less.
//!
//! # Deliberately absent
//! Pieces. 30/360 does not add up over days (28 February to 31 March and 31 January to 28 February are 33 and 28 days, the
//! whole is 60), so interest is always reckoned anew from the day on which the principal was last what it is.

use crate::codec_tag;
use crate::primitives::{Amount, Day};

/// Basis points in one.
pub const BPS: u64 = 10_000;
/// The highest annual rate that a programme may name, in basis points: 1,000 %. What law allows is far below, and is the
/// lender's rules' to say; this keeps the arithmetic within its integers.
pub const RATE_BPS_MAX: u32 = 100_000;
/// The longest time that interest is reckoned for: 30 years of days.
pub const INTEREST_DAYS_MAX: u32 = 10_958;

/// How days become a fraction of a year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DayCount {
    /// Calendar days over 365.
    Act365Fixed,
    /// Calendar days over 360.
    Act360,
    /// Months of 30 days over 360.
    Thirty360,
}
codec_tag!(DayCount { Act365Fixed = 1, Act360 = 2, Thirty360 = 3 });

impl DayCount {
    /// Its name in effects and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Act365Fixed => "ACT/365F",
            Self::Act360 => "ACT/360",
            Self::Thirty360 => "30/360",
        }
    }

    /// Days from `start` to `end`, as this convention counts them; zero if `end` is not later. `None` past the year 9999.
    pub fn days(self, start: Day, end: Day) -> Option<u32> {
        match self {
            Self::Act365Fixed | Self::Act360 => Some(end.days_since(start)),
            Self::Thirty360 if end <= start => Some(0),
            Self::Thirty360 => thirty_360(start, end),
        }
    }

    /// How many of its days are a year.
    pub const fn year(self) -> u32 {
        match self {
            Self::Act365Fixed => 365,
            Self::Act360 | Self::Thirty360 => 360,
        }
    }
}

fn thirty_360(start: Day, end: Day) -> Option<u32> {
    let (from, to) = (start.date()?, end.date()?);
    let first = i32::from(from.day()).min(30);
    let last = if first == 30 { i32::from(to.day()).min(30) } else { i32::from(to.day()) };
    let (years, months) = (to.year() - from.year(), to.month() - from.month());
    u32::try_from(360 * i32::from(years) + 30 * i32::from(months) + last - first).ok()
}

/// Whether interest bears interest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compounding {
    /// It does not.
    Simple,
    /// It is added to the principal every calendar day.
    Daily,
    /// It is added to the principal every month, on the day of the month on which it began to run.
    Monthly,
}
codec_tag!(Compounding { Simple = 1, Daily = 2, Monthly = 3 });

impl Compounding {
    /// Its name in effects and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Simple => "simple",
            Self::Daily => "daily",
            Self::Monthly => "monthly",
        }
    }
}

/// How interest runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// The annual rate, in basis points.
    pub bps: u32,
    /// How days are counted.
    pub day_count: DayCount,
    /// Whether interest bears interest.
    pub compounding: Compounding,
}
crate::codec_struct!(Rate { bps, day_count, compounding });

/// Until when interest runs from a day on: [`INTEREST_DAYS_MAX`] at most, and no longer than the calendar.
pub fn runs_until(start: Day, end: Day) -> Day {
    let last = start.checked_add(INTEREST_DAYS_MAX).unwrap_or(Day::LAST);
    end.min(last).min(Day::LAST)
}

/// Bits of a minor unit that compounding carries.
const CARRIED_BITS: u32 = 32;

impl Rate {
    /// The interest on a principal from `start` to `end`, exclusively; nothing if `end` is not later.
    ///
    /// `None` if it does not fit an amount, or the time is longer than [`INTEREST_DAYS_MAX`].
    pub fn interest(self, principal: Amount, start: Day, end: Day) -> Option<Amount> {
        if end.days_since(start) > INTEREST_DAYS_MAX {
            return None;
        }
        match self.compounding {
            Compounding::Simple => self.simple(principal, start, end),
            Compounding::Daily => self.compound(principal, start, end, |start, count| start.checked_add(count)),
            Compounding::Monthly => {
                self.compound(principal, start, end, |start, count| start.checked_add_months(count))
            }
        }
    }

    /// The interest that has accrued on a principal from `start` to `end`, exclusively: as [`Self::interest`] has it, and where that has
    /// no number, what it came to last. It stands still after [`INTEREST_DAYS_MAX`], and at the largest amount.
    pub fn accrued(self, principal: Amount, start: Day, end: Day) -> Amount {
        // Of days within the calendar and the bound, only an amount that is too large is no number.
        self.interest(principal, start, runs_until(start, end)).unwrap_or(Amount::MAX)
    }

    fn simple(self, principal: Amount, start: Day, end: Day) -> Option<Amount> {
        let earned = u128::from(principal.minor_units())
            .checked_mul(u128::from(self.bps))?
            .checked_mul(u128::from(self.day_count.days(start, end)?))?;
        rounded_half_up(earned, u128::from(BPS) * u128::from(self.day_count.year()))
    }

    /// Capitalises at the end of each period, which the `count`-th application of `nth` names.
    fn compound(
        self,
        principal: Amount,
        start: Day,
        end: Day,
        nth: impl Fn(Day, u32) -> Option<Day>,
    ) -> Option<Amount> {
        let principal = u128::from(principal.minor_units()) << CARRIED_BITS;
        let year = u128::from(BPS) * u128::from(self.day_count.year());
        let (mut balance, mut from, mut count) = (principal, start, 0);
        while from < end {
            count += 1;
            // Past the calendar there is no next one, and the last period ends with the days.
            let to = nth(start, count).map_or(end, |to| to.min(end));
            let earned = u128::from(self.bps) * u128::from(self.day_count.days(from, to)?);
            balance = balance.checked_add(balance.checked_mul(earned)? / year)?;
            from = to;
        }
        rounded_half_up(balance - principal, 1 << CARRIED_BITS)
    }
}

fn rounded_half_up(numerator: u128, denominator: u128) -> Option<Amount> {
    let rounded = numerator.checked_add(denominator / 2)? / denominator;
    u64::try_from(rounded).ok().map(Amount::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn day(text: &str) -> Day {
        text.parse().expect(text)
    }

    fn rate(bps: u32, day_count: DayCount, compounding: Compounding) -> Rate {
        Rate { bps, day_count, compounding }
    }

    /// The dates of the examples that ISDA published with its day count fractions (`30-360-2006ISDADefs.xls`), 30/360 column,
    /// and calendar days beside them.
    #[test]
    fn days_are_those_of_isdas_examples() {
        for (start, end, thirty_360, actual) in [
            ("2007-01-15", "2007-01-30", 15, 15),
            ("2007-01-15", "2007-02-15", 30, 31),
            ("2007-01-15", "2007-07-15", 180, 181),
            ("2007-09-30", "2008-03-31", 180, 183),
            ("2007-09-30", "2007-10-31", 30, 31),
            ("2007-09-30", "2008-09-30", 360, 366),
            ("2007-01-15", "2007-01-31", 16, 16),
            ("2007-01-31", "2007-02-28", 28, 28),
            ("2007-02-28", "2007-03-31", 33, 31),
            ("2006-08-31", "2007-02-28", 178, 181),
            ("2007-02-28", "2007-08-31", 183, 184),
            ("2007-02-14", "2007-02-28", 14, 14),
            ("2007-02-26", "2008-02-29", 363, 368),
            ("2008-02-29", "2009-02-28", 359, 365),
            ("2008-02-29", "2008-03-30", 31, 30),
            ("2008-02-29", "2008-03-31", 32, 31),
            ("2007-02-28", "2007-03-05", 7, 5),
            ("2007-10-31", "2007-11-28", 28, 28),
            ("2007-08-31", "2008-02-29", 179, 182),
            ("2008-02-29", "2008-08-31", 182, 184),
            ("2008-08-31", "2009-02-28", 178, 181),
            ("2009-02-28", "2009-08-31", 183, 184),
        ] {
            let (start, end) = (day(start), day(end));
            assert_eq!(DayCount::Thirty360.days(start, end), Some(thirty_360), "30/360 from {start} to {end}");
            assert_eq!(DayCount::Act365Fixed.days(start, end), Some(actual), "actual days from {start} to {end}");
            assert_eq!(DayCount::Act360.days(start, end), Some(actual));
            assert!(
                DayCount::ALL.iter().all(|count| [start, end].iter().all(|later| count.days(end, *later) == Some(0)))
            );
        }
    }

    #[test]
    fn interest_by_example() {
        use Compounding::{Daily, Monthly, Simple};
        use DayCount::{Act360, Act365Fixed, Thirty360};
        for (principal, bps, day_count, compounding, start, end, interest) in [
            // 100,000.00 at 8 % over half a leap year: 182 days.
            (10_000_000, 800, Act365Fixed, Simple, "2028-01-01", "2028-07-01", 398_904),
            (10_000_000, 800, Act360, Simple, "2028-01-01", "2028-07-01", 404_444),
            (10_000_000, 800, Thirty360, Simple, "2028-01-01", "2028-07-01", 400_000),
            // The leap day is a day.
            (10_000_000, 3_650, Act365Fixed, Simple, "2028-02-28", "2028-03-01", 20_000),
            (10_000_000, 3_650, Act365Fixed, Simple, "2027-02-28", "2027-03-01", 10_000),
            // Half a minor unit rounds up, less does not.
            (365, 10_000, Act365Fixed, Simple, "2027-01-01", "2027-01-02", 1),
            (182, 10_000, Act365Fixed, Simple, "2027-01-01", "2027-01-02", 0),
            (183, 10_000, Act365Fixed, Simple, "2027-01-01", "2027-01-02", 1),
            // 1,000.00 at 5 % for ten years, compounding monthly: 1,647.01, as textbooks have it.
            (100_000, 500, Thirty360, Monthly, "2026-01-01", "2036-01-01", 64_701),
            // 1,000.00 at 12 % for a year of 365 days, compounding daily: 1,127.47.
            (100_000, 1_200, Act365Fixed, Daily, "2026-01-01", "2027-01-01", 12_747),
            // 31 January to 28 February is 28 days here: 933.33; then 16 days on the sum: 538.31.
            (10_000_000, 1_200, Thirty360, Monthly, "2027-01-31", "2027-03-14", 147_164),
        ] {
            let found = rate(bps, day_count, compounding).interest(Amount::new(principal), day(start), day(end));
            assert_eq!(found, Some(Amount::new(interest)), "{principal} at {bps} from {start} to {end}");
        }
    }

    #[test]
    fn what_cannot_be_reckoned_is_no_number() {
        let (start, simple) = (Day(0), rate(RATE_BPS_MAX, DayCount::Act360, Compounding::Simple));
        assert_eq!(simple.interest(Amount::MAX, start, Day(365)), None);
        assert_eq!(simple.interest(Amount::new(1), start, Day(INTEREST_DAYS_MAX + 1)), None);
        let daily = Rate { compounding: Compounding::Daily, ..simple };
        assert_eq!(daily.interest(Amount::new(u64::MAX / 2), start, Day(3_650)), None);
        assert_eq!(daily.interest(Amount::MAX, start, start), Some(Amount::ZERO));
    }

    #[test]
    fn what_accrues_stands_still_at_its_bounds() {
        let (start, past) = (Day(20_000), Day(20_000 + INTEREST_DAYS_MAX));
        for (day_count, compounding) in
            DayCount::ALL.iter().flat_map(|count| Compounding::ALL.iter().map(move |how| (*count, *how)))
        {
            let plain = rate(800, day_count, compounding);
            let principal = Amount::new(1_000_000);
            assert_eq!(Some(plain.accrued(principal, start, past)), plain.interest(principal, start, past));
            for later in [1, 10, 1_000_000, 4_000_000_000] {
                let on = Day(past.0 + later);
                assert_eq!(
                    plain.accrued(principal, start, on),
                    plain.accrued(principal, start, past),
                    "{later} days later"
                );
            }
            // The last unit that fits, and everything beyond.
            let worst = rate(RATE_BPS_MAX, day_count, compounding);
            let accrued: Vec<_> = (0..120)
                .map(|years| worst.accrued(Amount::new(u64::MAX / 100), start, Day(start.0 + 365 * years)))
                .collect();
            assert!(
                accrued.is_sorted() && accrued.last() == Some(&Amount::MAX),
                "{day_count:?} {compounding:?}: {accrued:?}"
            );
            // Up to the calendar's last day, and past it.
            let late = Day(Day::LAST.0 - 40);
            let last = plain.accrued(principal, late, Day::LAST);
            assert_eq!(plain.interest(principal, late, Day::LAST), Some(last));
            assert!(!last.is_zero() && plain.accrued(principal, late, Day(u32::MAX)) == last);
            assert!(plain.accrued(principal, Day(Day::LAST.0 + 1), Day(u32::MAX)).is_zero());
        }
    }

    fn any_rate() -> impl Strategy<Value = Rate> {
        let (day_count, compounding) = (0usize..3, 0usize..3);
        (0u32..=10_000, day_count, compounding)
            .prop_map(|(bps, count, how)| rate(bps, DayCount::ALL[count], Compounding::ALL[how]))
    }

    proptest! {
        /// Floating-point arithmetic by the formula is another implementation, exact to far below a minor unit here.
        #[test]
        fn interest_is_what_the_formula_says(
            rate in any_rate(),
            principal in 0u64..1_000_000_000,
            start in 0u32..40_000,
            length in 0u32..800,
        ) {
            let (first, last) = (Day(start), Day(start + length));
            let found = rate.interest(Amount::new(principal), first, last).expect("it fits").minor_units();
            let year = f64::from(rate.day_count.year());
            let fraction = |from: Day, to: Day| f64::from(rate.day_count.days(from, to).expect("dates")) / year;
            let annual = f64::from(rate.bps) / 10_000.0;
            let growth = match rate.compounding {
                Compounding::Simple => 1.0 + annual * fraction(first, last),
                Compounding::Daily => {
                    (start..start + length).map(|at| 1.0 + annual * fraction(Day(at), Day(at + 1))).product()
                }
                Compounding::Monthly => {
                    let ends = (1u32..).map_while(|count| first.checked_add_months(count).filter(|end| *end < last));
                    let bounds: Vec<Day> = [first].into_iter().chain(ends).chain([last]).collect();
                    bounds.windows(2).map(|pair| 1.0 + annual * fraction(pair[0], pair[1])).product()
                }
            };
            let expected = principal as f64 * (growth - 1.0);
            prop_assert!((found as f64 - expected).abs() <= 0.51, "{found} and {expected}");
        }

        /// Another day never makes it cheaper, however days are counted; on a month's 31st 30/360 may stand still.
        #[test]
        fn interest_never_falls_with_time(rate in any_rate(), start in 0u32..40_000, length in 0u32..400) {
            let reckon = |days| rate.interest(Amount::new(1_000_000), Day(start), Day(start + days)).expect("it fits");
            prop_assert!(reckon(length) <= reckon(length + 1));
            prop_assert_eq!(reckon(0), Amount::ZERO);
        }
    }
}
