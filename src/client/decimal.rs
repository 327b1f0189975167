//! Amounts as people write them: decimals of a token's scale, exactly.

use crate::primitives::Amount;
use thiserror::Error;

/// Why a text is not an amount.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecimalError {
    /// Not digits with at most one point.
    #[error("'{text}' is not an amount: write digits and a point, without commas or blanks, such as 1250.00")]
    Form {
        /// What was written.
        text: String,
    },
    /// Below zero.
    #[error("'{text}' is below zero; amounts are above it")]
    Negative {
        /// What was written.
        text: String,
    },
    /// More decimals than the token has.
    #[error("'{text}' has {}, but the token has {}; nothing is rounded here", decimals(*found as u64), decimals((*scale).into()))]
    TooFine {
        /// What was written.
        text: String,
        /// How many decimals it has.
        found: usize,
        /// How many the token has.
        scale: u32,
    },
    /// More than the ledger can hold.
    #[error("'{text}' is more than the ledger can hold")]
    TooLarge {
        /// What was written.
        text: String,
    },
}

/// A count of decimals, as people say it.
pub fn decimals(count: u64) -> String {
    match count {
        0 => "none".to_owned(),
        1 => "1 decimal".to_owned(),
        count => format!("{count} decimals"),
    }
}

/// Reads `1250.5` as 125,050 minor units of a token of scale 2. Commas and spaces are not accepted: they mean different
/// things in different places.
///
/// # Errors
/// Anything but plain digits with at most one point; more decimals than the scale; too much.
pub fn parse(text: &str, scale: u32) -> Result<Amount, DecimalError> {
    let form = || DecimalError::Form { text: text.to_owned() };
    if text.strip_prefix('-').is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit())) {
        return Err(DecimalError::Negative { text: text.to_owned() });
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || (text.contains('.') && fraction.is_empty()) || !digits(whole) || !digits(fraction) {
        return Err(form());
    }
    let width = scale as usize;
    if fraction.len() > width {
        return Err(DecimalError::TooFine { text: text.to_owned(), found: fraction.len(), scale });
    }
    format!("{whole}{fraction:0<width$}")
        .parse()
        .map(Amount::new)
        .map_err(|_| DecimalError::TooLarge { text: text.to_owned() })
}

/// Writes minor units as a decimal, with a comma between thousands: 125,050 of scale 2 is `1,250.50`.
pub fn format(amount: Amount, scale: u32) -> String {
    amount.decimal(scale)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn decimals_are_exact() {
        for (text, scale, minor) in [("100", 2, 10_000), ("100.0", 2, 10_000), ("0.01", 2, 1), ("7", 0, 7)] {
            assert_eq!(parse(text, scale), Ok(Amount::new(minor)), "{text}");
        }
        assert_eq!(format(Amount::new(125_050), 2), "1,250.50");
        assert_eq!(format(Amount::new(5), 2), "0.05");
        assert_eq!(format(Amount::new(1_000_000), 0), "1,000,000");
    }

    #[test]
    fn what_is_not_exact_is_refused() {
        for text in ["", ".", "1.", ".5", "1,000", "-", "--1", "+1", "1e3", "1 000", "0x10", "１"] {
            assert!(matches!(parse(text, 2), Err(DecimalError::Form { .. })), "{text}");
        }
        assert!(matches!(parse("1.001", 2), Err(DecimalError::TooFine { found: 3, scale: 2, .. })));
        assert!(matches!(parse("-1.00", 2), Err(DecimalError::Negative { .. })));
        let grammar = parse("1.5", 0).expect_err("too fine").to_string();
        assert!(grammar.contains("has 1 decimal, but the token has none;"), "{grammar}");
        assert!(matches!(parse("18446744073709551616", 0), Err(DecimalError::TooLarge { .. })));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(minor in any::<u64>(), scale in 0u32..9) {
            let text = format(Amount::new(minor), scale).replace(',', "");
            prop_assert_eq!(parse(&text, scale), Ok(Amount::new(minor)));
        }
    }
}
