//! Purposes: what the proceeds of a loan are for, and what a law forbids them to be for.
//!
//! A purpose is a code, so that one purpose has one spelling: lower-case letters, digits and hyphens. Which codes there are is
//! for programmes and laws to say. What the law forbids is a list with the law that it is from, in force from a time on, like
//! a [parameter](super::rules) of the lender's rules. While a list is in force and forbids anything, a request says what it is for.
//!
//! # Invariants
//! * What is in force at a time that has passed never changes.
//!
//! # Deliberately absent
//! Whether the money was used as the borrower said: that is between lender and borrower, and the code stands in the loan.

use crate::codec_struct;
use crate::ledger::limits::{FORBIDDEN_PURPOSES_MAX, PARAMETER_VALUES_MAX, REFERENCE_BYTES_MAX, TEXT_BYTES_MAX};
use crate::ledger::malformed::{Malformed, require, require_text};
use crate::ledger::{Changes, Column, Context, Effect, Entry, Reason, Role};
use crate::primitives::BlockTime;

/// Holds a purpose to the form of its code.
///
/// # Errors
/// The field and the form, if it does not hold.
pub fn require_purpose(field: &str, purpose: &str, bytes_min: usize) -> Result<(), Malformed> {
    require_text(field, purpose, bytes_min, REFERENCE_BYTES_MAX)?;
    let of_code = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    require(purpose.bytes().all(of_code), field, "it must be a code of a-z, 0-9 and '-'")
}

/// The purposes that are forbidden from a time on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForbiddenPurposes {
    /// From when.
    pub in_force_from: BlockTime,
    /// Their codes, ascending; none if nothing is forbidden any more.
    pub purposes: Vec<String>,
    /// The law that forbids them.
    pub law: String,
}
codec_struct!(ForbiddenPurposes { in_force_from, purposes, law });

impl ForbiddenPurposes {
    /// Holds the list to its static bounds.
    ///
    /// # Errors
    /// The first field that is out of bounds.
    pub fn check(&self) -> Result<(), Malformed> {
        let ascending = self.purposes.windows(2).all(|pair| pair[0] < pair[1]);
        let listed = ascending && self.purposes.len() <= FORBIDDEN_PURPOSES_MAX;
        let bound = format!("they must be at most {FORBIDDEN_PURPOSES_MAX}, ascending, each once");
        require(listed, "purposes", bound)?;
        for (index, purpose) in self.purposes.iter().enumerate() {
            require_purpose(&format!("purposes[{index}]"), purpose, 1)?;
        }
        require_text("law", &self.law, 1, TEXT_BYTES_MAX)
    }
}

/// Every list, the earliest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct ForbiddenLists {
    lists: Vec<ForbiddenPurposes>,
}
codec_struct!(ForbiddenLists { lists });

impl Entry for ForbiddenLists {
    const COLUMN: Column = Column::ForbiddenPurposes;
    /// Always [`LISTS_KEY`].
    type Key = u8;
}

const LISTS_KEY: u8 = b'p';

/// Adds a list: what governance and the genesis have in common.
///
/// # Errors
/// `PARAMETER_NOT_LATER` if a list of this or a later time stands, `TOO_MANY_PARAMETER_VALUES`.
pub fn forbid_purposes(changes: &mut Changes<'_>, forbidden: ForbiddenPurposes) -> Result<(), Reason> {
    let mut known: ForbiddenLists = changes.read(&LISTS_KEY).unwrap_or_default();
    let (in_force_from, latest) = (forbidden.in_force_from, known.lists.last().map(|last| last.in_force_from));
    if let Some(later_than) = latest.filter(|latest| *latest >= in_force_from) {
        return Err(Reason::ParameterNotLater { in_force_from, later_than });
    }
    if known.lists.len() == PARAMETER_VALUES_MAX {
        return Err(Reason::TooManyParameterValues { values_max: PARAMETER_VALUES_MAX as u64 });
    }
    changes.record(
        Effect::new("financing.purposes_forbidden")
            .with("purposes", forbidden.purposes.join(", "))
            .with("in_force_from", in_force_from)
            .with("law", forbidden.law.as_str()),
    );
    known.lists.push(forbidden);
    changes.put(&LISTS_KEY, &known);
    Ok(())
}

/// Holds a purpose to the list that is in force.
///
/// # Errors
/// `PURPOSE_NOT_STATED`, `PURPOSE_FORBIDDEN`.
pub(super) fn require_permitted(changes: &Changes<'_>, purpose: &str, now: BlockTime) -> Result<(), Reason> {
    let known: ForbiddenLists = changes.read(&LISTS_KEY).unwrap_or_default();
    let in_force = known.lists.into_iter().rev().find(|list| list.in_force_from <= now);
    let Some(list) = in_force.filter(|list| !list.purposes.is_empty()) else { return Ok(()) };
    if purpose.is_empty() {
        return Err(Reason::PurposeNotStated { law: list.law });
    }
    match list.purposes.iter().any(|forbidden| forbidden == purpose) {
        true => Err(Reason::PurposeForbidden { purpose: purpose.to_owned(), law: list.law }),
        false => Ok(()),
    }
}

/// Forbids purposes from a later time on, in place of those that were forbidden until then. The sender has the role of
/// governance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetForbiddenPurposes {
    /// Which, from when, by which law.
    pub forbidden: ForbiddenPurposes,
}

impl SetForbiddenPurposes {
    /// Holds the operation to its static bounds.
    ///
    /// # Errors
    /// Those of [`ForbiddenPurposes::check`].
    pub fn check(&self) -> Result<(), Malformed> {
        self.forbidden.check()
    }

    /// Plans the change.
    ///
    /// # Errors
    /// Those of [`Context::signed_in_role`] and of [`forbid_purposes`]; `PARAMETER_NOT_LATER` unless the time lies ahead.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        context.signed_in_role(changes, context.sender, Role::Governance)?;
        let (in_force_from, later_than) = (self.forbidden.in_force_from, context.now);
        if in_force_from <= later_than {
            return Err(Reason::ParameterNotLater { in_force_from, later_than });
        }
        forbid_purposes(changes, self.forbidden.clone())
    }
}
