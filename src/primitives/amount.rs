//! Money: a count of a token's minor units. Checked everywhere, saturating nowhere.

use super::codec::{CodecError, Decode, Encode, Reader};
use std::fmt;

/// A non-negative number of minor units (cents of a token of scale 2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(u64);

impl Amount {
    /// No money.
    pub const ZERO: Self = Self(0);
    /// The largest amount that the ledger can hold.
    pub const MAX: Self = Self(u64::MAX);

    /// An amount of so many minor units.
    pub const fn new(minor_units: u64) -> Self {
        Self(minor_units)
    }

    /// The number of minor units.
    pub const fn minor_units(self) -> u64 {
        self.0
    }

    /// Whether this is no money at all.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The sum, or `None` past the largest amount.
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// The difference, or `None` below zero.
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(difference) => Some(Self(difference)),
            None => None,
        }
    }

    /// How far this amount exceeds `other`; zero if it does not.
    pub const fn excess_over(self, other: Self) -> Self {
        match self.0.checked_sub(other.0) {
            Some(excess) => Self(excess),
            None => Self::ZERO,
        }
    }

    /// The lesser of two amounts.
    pub fn min(self, other: Self) -> Self {
        Self(self.0.min(other.0))
    }

    /// `self * numerator / denominator`, rounded down; `None` on overflow of the result or a zero denominator.
    pub fn scale_down(self, numerator: u64, denominator: u64) -> Option<Self> {
        let product = u128::from(self.0).checked_mul(u128::from(numerator))?;
        let quotient = product.checked_div(u128::from(denominator))?;
        u64::try_from(quotient).ok().map(Self)
    }

    /// Minor units as a decimal, with a comma between thousands: 125,050 of scale 2 is `1,250.50`.
    pub fn decimal(self, scale: u32) -> String {
        let width = scale as usize + 1;
        let digits = format!("{:0>width$}", self.0);
        let (whole, fraction) = digits.split_at(digits.len() - scale as usize);
        let mut grouped = String::new();
        for (index, digit) in whole.chars().enumerate() {
            if index > 0 && (whole.len() - index).is_multiple_of(3) {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        if fraction.is_empty() { grouped } else { format!("{grouped}.{fraction}") }
    }
}

/// Basis points, hundredths of a percent, as people read them: 825 is `8.25 %`.
pub fn percent(basis_points: u64) -> String {
    format!("{}.{:02} %", basis_points / 100, basis_points % 100)
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Encode for Amount {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
}

impl Decode for Amount {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        u64::decode(reader).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_decimals_and_percent() {
        assert_eq!(Amount::new(125_050).decimal(2), "1,250.50");
        assert_eq!((Amount::new(5).decimal(2), Amount::new(7).decimal(0)), ("0.05".to_owned(), "7".to_owned()));
        assert_eq!([0, 5, 825, 10_000].map(percent), ["0.00 %", "0.05 %", "8.25 %", "100.00 %"]);
    }

    #[test]
    fn arithmetic_is_checked() {
        assert_eq!(Amount::MAX.checked_add(Amount::new(1)), None);
        assert_eq!(Amount::ZERO.checked_sub(Amount::new(1)), None);
        assert_eq!(Amount::new(5).excess_over(Amount::new(7)), Amount::ZERO);
        assert_eq!(Amount::new(999).scale_down(9_800, 10_000), Some(Amount::new(979)));
        assert_eq!(Amount::MAX.scale_down(2, 1), None);
        assert_eq!(Amount::new(1).scale_down(1, 0), None);
    }
}
