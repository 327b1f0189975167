//! Decimals as documents write them, exact.

use super::UblError;
use std::fmt;

/// Most characters of an amount.
const CHARACTERS_MAX: usize = 30;

/// A decimal number, exact: `digits / 10^scale`, without trailing zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal {
    digits: i128,
    scale: u32,
}

impl Decimal {
    /// Nothing.
    pub const ZERO: Self = Self { digits: 0, scale: 0 };

    /// Reads an `xsd:decimal`; `None` if it is none, or longer than any amount is.
    pub fn parse(text: &str) -> Option<Self> {
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let numeral = [whole, fraction].concat();
        if numeral.is_empty() || !numeral.bytes().all(|byte| byte.is_ascii_digit()) || text.len() > CHARACTERS_MAX {
            return None;
        }
        let fraction = fraction.trim_end_matches('0');
        let digits = [whole, fraction].concat();
        // `.00` leaves no digit over, and is zero.
        let digits: i128 = if digits.is_empty() { 0 } else { digits.parse().ok()? };
        let signed = if text.starts_with('-') { -digits } else { digits };
        Some(Self { digits: signed, scale: u32::try_from(fraction.len()).ok()? })
    }

    /// Whether it is below zero.
    pub const fn is_negative(self) -> bool {
        self.digits < 0
    }

    /// The sum, or `None` if it has too many digits.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let scale = self.scale.max(other.scale);
        let at_scale = |value: Self| value.digits.checked_mul(10i128.checked_pow(scale - value.scale)?);
        let mut sum = Self { digits: at_scale(self)?.checked_add(at_scale(other)?)?, scale };
        while sum.scale > 0 && sum.digits % 10 == 0 {
            sum = Self { digits: sum.digits / 10, scale: sum.scale - 1 };
        }
        Some(sum)
    }

    /// The number with the other sign.
    #[must_use]
    pub const fn negated(self) -> Self {
        // Its magnitude was read from 30 characters or came out of a checked sum, so it has a negative.
        Self { digits: self.digits.wrapping_neg(), scale: self.scale }
    }

    /// The number in units of `10^-scale`, exactly.
    ///
    /// # Errors
    /// `TooPrecise` if it has more decimals, trailing zeros not counted; `AmountOutOfRange` below zero or past `u64`.
    pub fn minor_units(self, scale: u32) -> Result<u64, UblError> {
        let shift = scale.checked_sub(self.scale).ok_or(UblError::TooPrecise { value: self, scale })?;
        10i128
            .checked_pow(shift)
            .and_then(|factor| self.digits.checked_mul(factor))
            .and_then(|units| u64::try_from(units).ok())
            .ok_or(UblError::AmountOutOfRange { value: self, scale })
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scale = self.scale as usize;
        let digits = format!("{:0width$}", self.digits.unsigned_abs(), width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        let sign = if self.is_negative() { "-" } else { "" };
        if fraction.is_empty() { write!(f, "{sign}{whole}") } else { write!(f, "{sign}{whole}.{fraction}") }
    }
}
