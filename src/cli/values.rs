//! Values on the command line that people write in more ways than one: days, times, rates. What is written otherwise is refused
//! with what is wrong and how it is written.

use jiff::Timestamp;
use jiff::civil::Date;

/// Reads a day, written `YYYY-MM-DD`.
///
/// # Errors
/// It is written in another form, or no calendar has it.
pub fn day(text: &str) -> Result<Date, String> {
    let (year, month, number) = parts_of_day(text)
        .ok_or_else(|| format!("'{text}' is not written as a day is: YYYY-MM-DD, such as 2026-12-31"))?;
    let month_of = |day| Date::new(year, month, day).ok();
    let first = month_of(1).ok_or_else(|| format!("'{text}' is no day: the second part is the month, 01 to 12"))?;
    month_of(number).ok_or_else(|| format!("'{text}' is no day: that month has {} days", first.days_in_month()))
}

/// The three numbers of a day, if it is written as one.
fn parts_of_day(text: &str) -> Option<(i16, i8, i8)> {
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let lengths = (year.len(), month.len(), day.len()) == (4, 2, 2);
    if parts.next().is_some() || !lengths || ![year, month, day].into_iter().all(digits) {
        return None;
    }
    Some((year.parse().ok()?, month.parse().ok()?, day.parse().ok()?))
}

/// Reads a time with its offset from UTC, such as `2026-12-31T10:00:00+08:00`.
///
/// # Errors
/// It is written in another form, names no offset, or no calendar has it.
pub fn time(text: &str) -> Result<Timestamp, String> {
    let written = "write day, time and offset from UTC, such as 2026-12-31T10:00:00Z or 2026-12-31T10:00:00+08:00";
    let parts = text.split_once(['T', 't', ' ']).filter(|_| text.starts_with(|first: char| first.is_ascii_digit()));
    if let Some((before, after)) = parts {
        day(before)?;
        let has_offset = after.ends_with(['Z', 'z']) || after.contains(['+', '-']);
        if !has_offset {
            return Err(format!("'{text}' does not say its offset from UTC: {written}"));
        }
    } else if day(text).is_ok() {
        return Err(format!("'{text}' is a day without a time: {written}"));
    }
    text.parse().map_err(|_| format!("'{text}' is not a time: {written}"))
}

/// Reads a rate or a share in basis points, hundredths of a percent.
///
/// # Errors
/// It is a percentage, has decimals, is below zero, or is no number.
pub fn basis_points(text: &str) -> Result<u32, String> {
    if let Some(percent) = text.strip_suffix('%') {
        let meant = in_basis_points(percent.trim_end());
        let meant = meant.map(|meant| format!(", here {meant}")).unwrap_or_default();
        return Err(format!("'{text}' is in percent: write basis points, hundredths of a percent{meant}"));
    }
    if text.starts_with('-') {
        return Err(format!("'{text}' is below zero"));
    }
    match text.parse() {
        Ok(points) => Ok(points),
        Err(_) if in_basis_points(text).is_some() => Err(format!(
            "'{text}' is not a whole number of basis points, which are hundredths of a percent: 800 is 8 %"
        )),
        Err(_) => {
            Err(format!("'{text}' is not a number of basis points, which are hundredths of a percent: 800 is 8 %"))
        }
    }
}

/// A percentage in basis points, if it comes to whole ones.
fn in_basis_points(percent: &str) -> Option<u64> {
    crate::client::decimal::parse(percent, 2).ok().map(crate::primitives::Amount::minor_units)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar_and_written_in_one_way() {
        assert_eq!(day("2028-02-29"), Ok(jiff::civil::date(2028, 2, 29)));
        for (text, told) in [
            ("30/02/2026", "YYYY-MM-DD"),
            ("2026-2-3", "YYYY-MM-DD"),
            ("tomorrow", "YYYY-MM-DD"),
            ("", "YYYY-MM-DD"),
            ("2026-02-30", "that month has 28 days"),
            ("2026-13-01", "the month, 01 to 12"),
            ("2026-04-00", "that month has 30 days"),
        ] {
            let refused = day(text).expect_err(text);
            assert!(refused.contains(told) && refused.contains(&format!("'{text}'")), "{refused}");
        }
    }

    #[test]
    fn times_say_their_offset() {
        assert!(time("2026-12-31T10:00:00Z").is_ok() && time("2026-12-31T10:00:00+08:00").is_ok());
        for (text, told) in [
            ("2026-12-31", "a day without a time"),
            ("2026-12-31T10:00:00", "its offset from UTC"),
            ("2026-02-30T10:00:00Z", "28 days"),
            ("2026-12-31T25:00:00Z", "not a time"),
            ("noon", "not a time"),
            ("tomorrow", "not a time"),
        ] {
            let refused = time(text).expect_err(text);
            assert!(refused.contains(told), "{refused}");
        }
    }

    #[test]
    fn basis_points_are_whole_and_not_percent() {
        assert_eq!((basis_points("800"), basis_points("0")), (Ok(800), Ok(0)));
        for (text, told) in [
            ("8%", "here 800"),
            ("8.25 %", "here 825"),
            ("8.5", "not a whole number of basis points"),
            ("-1", "below zero"),
            ("8,5", "not a number of basis points"),
            ("eight", "800 is 8 %"),
            ("99999999999", "basis points"),
        ] {
            let refused = basis_points(text).expect_err(text);
            assert!(refused.contains(told), "{refused}");
        }
    }
}
