//! Malformed operations: what breaks a static bound and is therefore refused before ordering, never declined in a block.
//!
//! A room's operation states its bounds in `check`; `wire` calls it on what a client sent and puts the path of the
//! operation in front. What a bound needs to know is the operation alone; what needs the state is a [`super::Reason`].

use crate::primitives::unseen::{unseen_in_reference, unseen_in_text};
use std::fmt;
use thiserror::Error;

/// A field that breaks a bound, by its path in the protobuf message, and what the bound is.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{field}: {why}")]
pub struct Malformed {
    /// The field's path from the operation down: `reserve_policy.asset_rules[1].haircut_bps_min`.
    pub field: String,
    /// What it must be, for the caller to read.
    pub why: String,
}

impl Malformed {
    /// A field and what it must be.
    pub fn new(field: impl Into<String>, why: impl Into<String>) -> Self {
        Self { field: field.into(), why: why.into() }
    }

    /// The same, seen from a message that holds this one under `path`.
    #[must_use]
    pub fn within(self, path: impl fmt::Display) -> Self {
        Self { field: format!("{path}.{}", self.field), why: self.why }
    }
}

/// Holds a field to a bound.
///
/// # Errors
/// The field and the bound, if it does not hold.
pub fn require(holds: bool, field: impl Into<String>, why: impl Into<String>) -> Result<(), Malformed> {
    if holds { Ok(()) } else { Err(Malformed::new(field, why)) }
}

/// Holds a text for people to a length in bytes, and keeps out of receipts, logs and terminals what does not show or makes it show as
/// another ([`crate::primitives::unseen`]).
///
/// # Errors
/// The field and the bound, if it does not hold.
pub fn require_text(field: &str, text: &str, bytes_min: usize, bytes_max: usize) -> Result<(), Malformed> {
    require_length(field, text, bytes_min, bytes_max)?;
    require_shown(field, unseen_in_text(text))
}

/// Holds a reference or a name, which people compare by eye, to the same and to plain spaces.
///
/// # Errors
/// The field and the bound, if it does not hold.
pub fn require_reference(field: &str, reference: &str, bytes_min: usize, bytes_max: usize) -> Result<(), Malformed> {
    require_length(field, reference, bytes_min, bytes_max)?;
    require_shown(field, unseen_in_reference(reference))
}

fn require_length(field: &str, text: &str, bytes_min: usize, bytes_max: usize) -> Result<(), Malformed> {
    let fits = (bytes_min..=bytes_max).contains(&text.len());
    require(fits, field, format!("it has {} bytes and must have {bytes_min} to {bytes_max}", text.len()))
}

fn require_shown(field: &str, unseen: Option<char>) -> Result<(), Malformed> {
    let why = |unseen: char| {
        format!("it must not contain U+{:04X}, which does not show as what it is: leave it out", u32::from(unseen))
    };
    unseen.map_or(Ok(()), |unseen| Err(Malformed::new(field, why(unseen))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_grow_outwards() {
        let inner = Malformed::new("amount", "it must be positive");
        assert_eq!(inner.within("allocations[2]").to_string(), "allocations[2].amount: it must be positive");
    }

    #[test]
    fn texts_have_bounds() {
        assert!(require_text("narrative", "", 0, 140).is_ok());
        assert!(require_text("narrative", "", 1, 140).is_err());
        assert!(require_text("narrative", "a\u{1b}[2J", 1, 140).is_err());
        let turned = require_text("narrative", "pay \u{202e}001", 1, 140).expect_err("it shows as 100");
        assert_eq!(
            turned.to_string(),
            "narrative: it must not contain U+202E, which does not show as what it is: leave it out"
        );
        assert!(require_text("narrative", "می\u{200C}خواهم", 1, 140).is_ok());
        assert!(require_reference("reference", "می\u{200C}خواهم", 1, 35).is_err());
        assert!(require_reference("reference", "QX 1", 1, 35).is_ok());
        assert!(require_reference("reference", &"x".repeat(36), 1, 35).is_err());
    }
}
