//! Time as the ledger knows it: the block's, in milliseconds of the Unix epoch. And business days, which redemption runs on.

use super::codec::{CodecError, Decode, Encode, Reader};
use crate::codec_struct;
use std::collections::BTreeSet;
use std::fmt;

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

    /// Milliseconds from `earlier` to this time; zero if it is not earlier.
    pub const fn ms_since(self, earlier: Self) -> u64 {
        match self.0.checked_sub(earlier.0) {
            Some(difference) => difference,
            None => 0,
        }
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

    /// The end of the `count`-th business day after the day of `time`: its local midnight. `None` past the end of time.
    pub fn end_of_business_day_after(&self, time: BlockTime, count: u32) -> Option<BlockTime> {
        let mut day = self.local_day(time);
        for _ in 0..count {
            // A run of non-business days is bounded by the holidays listed and a weekend at either end.
            day = (day + 1..day + 4 + self.holidays.len() as u64 * 2).find(|day| self.is_business_day(*day))?;
        }
        let local_midnight_ms = u128::from(day + 1) * u128::from(DAY_MS) + 720 * 60_000;
        let utc_ms = local_midnight_ms.checked_sub(u128::from(self.utc_offset_minutes_plus_720) * 60_000)?;
        u64::try_from(utc_ms).ok().map(BlockTime)
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
    fn the_end_of_time_is_no_panic() {
        assert_eq!(BusinessCalendar::default().end_of_business_day_after(BlockTime(u64::MAX), 1), None);
        assert_eq!(BlockTime(u64::MAX).checked_add_ms(1), None);
    }

    #[test]
    fn times_print_as_rfc_3339() {
        assert_eq!(at("2026-11-22T10:00:00.250Z").to_string(), "2026-11-22T10:00:00.250Z");
    }
}
