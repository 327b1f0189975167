//! Time as the ledger knows it: the block's, in milliseconds of the Unix epoch. Days of the calendar, as documents have them.
//! And business days, which redemption runs on.

use super::codec::{CodecError, Decode, Encode, Reader};
use crate::codec_struct;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// Milliseconds since 1970-01-01T00:00:00Z, without leap seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockTime(pub u64);

/// A day in milliseconds.
pub const DAY_MS: u64 = 24 * 60 * 60 * 1000;

impl BlockTime {
    /// This time and so many milliseconds, or `None` past the end of time.
    pub const fn checked_add_ms(self, milliseconds: u64) -> Option<Self> {
        match self.0.checked_add(milliseconds) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// The same day and time of day so many months later, or the last day of a month that is shorter; `None` past the end of
    /// the calendar.
    pub fn checked_add_months(self, months: u8) -> Option<Self> {
        let date = self.day().date()?.checked_add(jiff::Span::new().months(months)).ok()?;
        Day::of(date)?.starts_at().checked_add_ms(self.0 % DAY_MS)
    }

    /// Milliseconds from `earlier` to this time; zero if it is not earlier.
    pub const fn ms_since(self, earlier: Self) -> u64 {
        match self.0.checked_sub(earlier.0) {
            Some(difference) => difference,
            None => 0,
        }
    }

    /// The day of the calendar in UTC.
    pub const fn day(self) -> Day {
        let day = self.0 / DAY_MS;
        Day(if day > u32::MAX as u64 { u32::MAX } else { day as u32 })
    }
}

impl fmt::Display for BlockTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let timestamp = i64::try_from(self.0).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
        match timestamp {
            Some(timestamp) => write!(f, "{timestamp:.3}"),
            None => write!(f, "{} ms", self.0),
        }
    }
}

impl Encode for BlockTime {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
}

impl Decode for BlockTime {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        u64::decode(reader).map(Self)
    }
}

/// A day of the calendar, counted from 1970-01-01: what a document names as its date, in no time zone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub u32);

/// The last day of the year 9999: what four digits of a year can say.
const DAY_MAX: u32 = 2_932_896;

impl Day {
    /// The last one that is a date.
    pub const LAST: Self = Self(DAY_MAX);

    /// The day of a date; none before 1970 or after 9999.
    pub fn of(date: jiff::civil::Date) -> Option<Self> {
        let days = date.since(EPOCH).ok()?.get_days();
        u32::try_from(days).ok().filter(|day| *day <= DAY_MAX).map(Self)
    }

    /// So many days later, or `None` past the end of time.
    pub const fn checked_add(self, days: u32) -> Option<Self> {
        match self.0.checked_add(days) {
            Some(day) => Some(Self(day)),
            None => None,
        }
    }

    /// The same day of the month so many months later, or the last day of a month that is shorter; `None` past the year 9999.
    pub fn checked_add_months(self, months: u32) -> Option<Self> {
        let months = jiff::Span::new().try_months(months).ok()?;
        self.date()?.checked_add(months).ok().and_then(Self::of)
    }

    /// Days from `earlier` to this day; zero if it is not earlier.
    pub const fn days_since(self, earlier: Self) -> u32 {
        match self.0.checked_sub(earlier.0) {
            Some(days) => days,
            None => 0,
        }
    }

    /// How many days lie between the two.
    pub const fn days_from(self, other: Self) -> u32 {
        self.0.abs_diff(other.0)
    }

    /// Its first millisecond in UTC.
    pub const fn starts_at(self) -> BlockTime {
        BlockTime(self.0 as u64 * DAY_MS)
    }

    /// The date, as far as four digits of a year can say it.
    pub fn date(self) -> Option<jiff::civil::Date> {
        let days = jiff::Span::new().try_days(self.0.min(DAY_MAX + 1)).ok()?;
        EPOCH.checked_add(days).ok().filter(|_| self.0 <= DAY_MAX)
    }
}

const EPOCH: jiff::civil::Date = jiff::civil::date(1970, 1, 1);

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.date() {
            Some(date) => date.fmt(f),
            None => write!(f, "day {}", self.0),
        }
    }
}

impl From<Day> for String {
    fn from(day: Day) -> Self {
        day.to_string()
    }
}

/// Why a text is not a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it must be a date as YYYY-MM-DD, from 1970 to 9999")]
pub struct ParseDayError;

impl FromStr for Day {
    type Err = ParseDayError;

    /// In one form alone, so that a date is not written in two ways.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let day = text.parse().ok().and_then(Self::of).ok_or(ParseDayError)?;
        if day.to_string() == text { Ok(day) } else { Err(ParseDayError) }
    }
}

impl Encode for Day {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
}

impl Decode for Day {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        u32::decode(reader).map(Self)
    }
}

/// The most holidays that a calendar may list: about 50 years of them.
pub const HOLIDAYS_MAX: usize = 1024;

/// A jurisdiction's business days: Monday to Friday, less listed holidays, in a fixed offset from UTC.
///
/// Offsets are fixed because the places it serves (Hong Kong, Singapore, mainland China) keep no summer time; a rule
/// that validators agree on must not hang on a time-zone database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BusinessCalendar {
    /// Minutes east of UTC, plus 720 so that it is never negative: 1200 is UTC+8.
    pub utc_offset_minutes_plus_720: u16,
    /// Days that are no business days, as days since 1970-01-01 in local time.
    pub holidays: Vec<u32>,
}
codec_struct!(BusinessCalendar { utc_offset_minutes_plus_720, holidays });

impl BusinessCalendar {
    /// Whether offset and list are within bounds, and the list is sorted and without repetition.
    pub fn is_well_formed(&self) -> bool {
        let distinct: BTreeSet<_> = self.holidays.iter().collect();
        self.utc_offset_minutes_plus_720 <= 1560
            && self.holidays.len() <= HOLIDAYS_MAX
            && distinct.len() == self.holidays.len()
            && self.holidays.is_sorted()
    }

    fn local_day(&self, time: BlockTime) -> u64 {
        let shifted = u128::from(time.0) + u128::from(self.utc_offset_minutes_plus_720) * 60_000;
        (shifted.saturating_sub(720 * 60_000) / u128::from(DAY_MS)) as u64
    }

    fn is_business_day(&self, local_day: u64) -> bool {
        // 1970-01-01 was a Thursday: day 0 is weekday 3, counting from Monday.
        let weekday = (local_day + 3) % 7;
        let holiday = u32::try_from(local_day).is_ok_and(|day| self.holidays.binary_search(&day).is_ok());
        weekday < 5 && !holiday
    }

    /// The calendar day that a time falls on; the last there is, past the end of days.
    pub fn day_of(&self, time: BlockTime) -> Day {
        Day(u32::try_from(self.local_day(time)).unwrap_or(u32::MAX))
    }

    /// The first moment after a day: its local midnight. `None` past the end of time.
    pub fn end_of(&self, day: Day) -> Option<BlockTime> {
        let local_midnight_ms = (u128::from(day.0) + 1) * u128::from(DAY_MS) + 720 * 60_000;
        let utc_ms = local_midnight_ms.checked_sub(u128::from(self.utc_offset_minutes_plus_720) * 60_000)?;
        u64::try_from(utc_ms).ok().map(BlockTime)
    }

    /// The day itself if it is a business day, or the first one after it: the *following* business day convention. `None` past
    /// the end of days.
    pub fn following_business_day(&self, day: Day) -> Option<Day> {
        let day = u64::from(day.0);
        let found = (day..day + 3 + self.holidays.len() as u64 * 2).find(|day| self.is_business_day(*day))?;
        u32::try_from(found).ok().map(Day)
    }

    /// The end of the `count`-th business day after the day of `time`: its local midnight. `None` past the end of time.
    pub fn end_of_business_day_after(&self, time: BlockTime, count: u32) -> Option<BlockTime> {
        let mut day = self.local_day(time);
        for _ in 0..count {
            // A run of non-business days is bounded by the holidays listed and a weekend at either end.
            day = (day + 1..day + 4 + self.holidays.len() as u64 * 2).find(|day| self.is_business_day(*day))?;
        }
        self.end_of(Day(u32::try_from(day).ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> BlockTime {
        BlockTime(text.parse::<jiff::Timestamp>().expect(text).as_millisecond() as u64)
    }

    fn day(text: &str) -> u32 {
        (at(&format!("{text}T00:00:00Z")).0 / DAY_MS) as u32
    }

    #[test]
    fn business_days_skip_weekends_and_holidays_in_local_time() {
        let holidays = vec![day("2026-12-25"), day("2026-12-26"), day("2027-01-01")];
        let hong_kong = BusinessCalendar { utc_offset_minutes_plus_720: 1200, holidays };
        assert!(hong_kong.is_well_formed());
        for (requested, due) in [
            // Monday morning: due by the end of Tuesday, Hong Kong time.
            ("2026-11-23T01:00:00Z", "2026-11-24T16:00:00Z"),
            // Sunday 23:30 UTC is Monday morning in Hong Kong.
            ("2026-11-22T23:30:00Z", "2026-11-24T16:00:00Z"),
            // Friday: due on Monday.
            ("2026-11-27T08:00:00Z", "2026-11-30T16:00:00Z"),
            // Christmas Eve, a Thursday: Friday and Saturday are holidays, so Monday.
            ("2026-12-24T08:00:00Z", "2026-12-28T16:00:00Z"),
        ] {
            assert_eq!(hong_kong.end_of_business_day_after(at(requested), 1), Some(at(due)), "{requested}");
        }
    }

    #[test]
    fn a_month_later_is_the_same_day_or_the_last() {
        for (from, months, to) in [
            ("2027-01-31", 1, "2027-02-28"),
            ("2028-01-31", 1, "2028-02-29"),
            ("2027-01-31", 3, "2027-04-30"),
            ("2027-11-15", 2, "2028-01-15"),
            ("2027-06-30", 0, "2027-06-30"),
        ] {
            assert_eq!(Day(day(from)).checked_add_months(months), Some(Day(day(to))), "{from} and {months} months");
        }
        assert_eq!((Day(u32::MAX).checked_add_months(1), Day(0).checked_add_months(u32::MAX)), (None, None));
        assert_eq!((Day(9).days_since(Day(2)), Day(2).days_since(Day(9))), (7, 0));
    }

    #[test]
    fn what_is_due_on_a_holiday_is_due_on_the_following_business_day() {
        let holidays = vec![day("2026-12-25"), day("2026-12-28")];
        let hong_kong = BusinessCalendar { utc_offset_minutes_plus_720: 1200, holidays };
        for (due, paid_by) in [
            ("2026-12-24", "2026-12-24"),
            // Christmas, a weekend, and Monday in its place.
            ("2026-12-25", "2026-12-29"),
            ("2026-12-27", "2026-12-29"),
            ("2026-12-29", "2026-12-29"),
        ] {
            assert_eq!(hong_kong.following_business_day(Day(day(due))), Some(Day(day(paid_by))), "{due}");
        }
        assert_eq!(hong_kong.day_of(at("2026-12-24T16:00:00Z")), Day(day("2026-12-25")));
        assert_eq!(hong_kong.end_of(Day(day("2026-12-24"))), Some(at("2026-12-24T16:00:00Z")));
    }

    #[test]
    fn the_end_of_time_is_no_panic() {
        assert_eq!(BusinessCalendar::default().day_of(BlockTime(u64::MAX)), Day(u32::MAX));
        assert!(BusinessCalendar::default().end_of(Day(u32::MAX)).is_some());
        assert_eq!(BusinessCalendar::default().end_of_business_day_after(BlockTime(u64::MAX), 1), None);
        assert_eq!(BlockTime(u64::MAX).checked_add_ms(1), None);
    }

    #[test]
    fn days_have_one_form() {
        for (text, number) in [("1970-01-01", 0), ("1970-01-02", 1), ("2028-02-29", 21_243), ("9999-12-31", DAY_MAX)] {
            assert_eq!(text.parse(), Ok(Day(number)), "{text}");
            assert_eq!(Day(number).to_string(), text);
        }
        for bad in ["", "1969-12-31", "2027-02-29", "2026-1-1", "20260101", "10000-01-01", "2026-01-01T00:00:00"] {
            assert_eq!(bad.parse::<Day>(), Err(ParseDayError), "{bad}");
        }
        assert_eq!(at("2026-12-31T23:59:59.999Z").day().to_string(), "2026-12-31");
        assert_eq!(Day(DAY_MAX + 1).to_string(), "day 2932897");
        assert_eq!(BlockTime(u64::MAX).day(), Day(u32::MAX));
        assert_eq!((Day(3).days_from(Day(10)), Day(1).starts_at()), (7, BlockTime(DAY_MS)));
    }

    #[test]
    fn months_end_on_their_last_day() {
        for (from, months, to) in [
            ("2026-08-31T10:00:00.250Z", 6, "2027-02-28T10:00:00.250Z"),
            ("2027-08-31T00:00:00.000Z", 6, "2028-02-29T00:00:00.000Z"),
            ("2028-02-29T00:00:00.000Z", 12, "2029-02-28T00:00:00.000Z"),
        ] {
            assert_eq!(at(from).checked_add_months(months), Some(at(to)), "{from}");
        }
        assert_eq!(at("9999-12-01T00:00:00Z").checked_add_months(1), None);
        assert_eq!(BlockTime(u64::MAX).checked_add_months(1), None);
    }

    #[test]
    fn times_print_as_rfc_3339() {
        assert_eq!(at("2026-11-22T10:00:00.250Z").to_string(), "2026-11-22T10:00:00.250Z");
    }
}
