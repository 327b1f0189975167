//! The lender's rules: figures that a law sets, each dated by the law that set it.
//!
//! A parameter has a list of values, each in force from a time on, with the law that it is from. A transaction is held to the
//! values in force at its block's time, so a change takes effect on its day and on no other, and both values stand in state:
//! who audits a loan of last year finds the figure of last year. A parameter that was never set binds nobody.
//!
//! The genesis gives the first values; governance adds later ones, in the future only.
//!
//! # Invariants
//! * What is in force at a time that has passed never changes.
//!
//! # Deliberately absent
//! The law. Whether a figure is what the law says is for governance to answer for; here it is named, and held to.

use crate::ledger::limits::{PARAMETER_VALUES_MAX, TEXT_BYTES_MAX};
use crate::ledger::malformed::{Malformed, require_text};
use crate::ledger::{Changes, Column, Context, Effect, Entry, Reason, Role};
use crate::primitives::BlockTime;
use crate::{codec_struct, codec_tag};
use std::str::FromStr;

/// What a law sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Parameter {
    /// The highest all-in annual cost of a loan, in basis points.
    AllInCostMax,
    /// The least share of a joint loan that its originator lends itself, in basis points.
    OwnShareMin,
    /// What a small-loan company owes in loans from banks and shareholders, at most: basis points of its net assets.
    LoanFundingMax,
    /// What a small-loan company owes in bonds and securitisations, at most: basis points of its net assets.
    BondFundingMax,
    /// What a small-loan company lends to one borrower, at most: basis points of its net assets.
    BorrowerShareMax,
    /// What a small-loan company lends on the debts of one buyer, at most: basis points of its net assets.
    ObligorShareMax,
    /// A consumer-finance company's capital, at least: basis points of its risk-weighted assets.
    CapitalAdequacyMin,
    /// A consumer-finance company's capital, at least: basis points of its exposures.
    LeverageRatioMin,
    /// How old an attestation of capital may be, in days. Where it is set, a lender without one does not lend.
    CapitalAttestationAgeMax,
}
codec_tag!(Parameter {
    AllInCostMax = 1,
    OwnShareMin = 2,
    LoanFundingMax = 3,
    BondFundingMax = 4,
    BorrowerShareMax = 5,
    ObligorShareMax = 6,
    CapitalAdequacyMin = 7,
    LeverageRatioMin = 8,
    CapitalAttestationAgeMax = 9,
});

impl Parameter {
    /// Its name in the genesis, in effects and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AllInCostMax => "all-in-cost-bps-max",
            Self::OwnShareMin => "own-share-bps-min",
            Self::LoanFundingMax => "loan-funding-bps-max",
            Self::BondFundingMax => "bond-funding-bps-max",
            Self::BorrowerShareMax => "borrower-share-bps-max",
            Self::ObligorShareMax => "obligor-share-bps-max",
            Self::CapitalAdequacyMin => "capital-adequacy-bps-min",
            Self::LeverageRatioMin => "leverage-ratio-bps-min",
            Self::CapitalAttestationAgeMax => "capital-attestation-age-days-max",
        }
    }
}

impl Parameter {
    /// Whether a figure must reach it; else it must not exceed it.
    pub const fn is_minimum(self) -> bool {
        match self {
            Self::OwnShareMin | Self::CapitalAdequacyMin | Self::LeverageRatioMin => true,
            Self::AllInCostMax
            | Self::LoanFundingMax
            | Self::BondFundingMax
            | Self::BorrowerShareMax
            | Self::ObligorShareMax
            | Self::CapitalAttestationAgeMax => false,
        }
    }
}

impl FromStr for Parameter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let names = || Self::ALL.iter().map(|parameter| parameter.name()).collect::<Vec<_>>().join(", ");
        let found = Self::ALL.iter().copied().find(|parameter| parameter.name() == text);
        found.ok_or_else(|| format!("'{text}' is not a lending parameter; they are {}", names()))
    }
}

/// A parameter's value from a time on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterValue {
    /// From when.
    pub in_force_from: BlockTime,
    /// The figure, in the parameter's unit.
    pub value: u64,
    /// The law that sets it.
    pub law: String,
}
codec_struct!(ParameterValue { in_force_from, value, law });

impl ParameterValue {
    /// Holds the value to its static bounds.
    ///
    /// # Errors
    /// The law is too long, or is not named.
    pub fn check(&self) -> Result<(), Malformed> {
        require_text("law", &self.law, 1, TEXT_BYTES_MAX)
    }
}

/// A parameter's values, the earliest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParameterValues {
    /// The values.
    pub values: Vec<ParameterValue>,
}
codec_struct!(ParameterValues { values });

impl Entry for ParameterValues {
    const COLUMN: Column = Column::LendingParameters;
    type Key = Parameter;
}

/// The value of a parameter that is in force at a time.
pub fn in_force(changes: &Changes<'_>, parameter: Parameter, now: BlockTime) -> Option<ParameterValue> {
    let values: ParameterValues = changes.read(&parameter)?;
    values.values.into_iter().rev().find(|value| value.in_force_from <= now)
}

/// Adds a value to a parameter's list: what governance and the genesis have in common.
///
/// # Errors
/// `PARAMETER_NOT_LATER` if a value of this or a later time stands, `TOO_MANY_PARAMETER_VALUES`.
pub fn set_parameter(changes: &mut Changes<'_>, parameter: Parameter, value: ParameterValue) -> Result<(), Reason> {
    let mut values: ParameterValues = changes.read(&parameter).unwrap_or_default();
    let (in_force_from, latest) = (value.in_force_from, values.values.last().map(|last| last.in_force_from));
    if let Some(latest) = latest.filter(|latest| *latest >= in_force_from) {
        return Err(Reason::ParameterNotLater { in_force_from, later_than: latest });
    }
    if values.values.len() == PARAMETER_VALUES_MAX {
        return Err(Reason::TooManyParameterValues { values_max: PARAMETER_VALUES_MAX as u64 });
    }
    changes.record(
        Effect::new("financing.parameter_set")
            .with("parameter", parameter.name())
            .with("value", value.value)
            .with("in_force_from", in_force_from)
            .with("law", value.law.as_str()),
    );
    values.values.push(value);
    changes.put(&parameter, &values);
    Ok(())
}

/// Sets a parameter from a later time on. The sender has the role of governance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetLendingParameter {
    /// Which.
    pub parameter: Parameter,
    /// Its value and from when.
    pub value: ParameterValue,
}

impl SetLendingParameter {
    /// Holds the operation to its static bounds.
    ///
    /// # Errors
    /// Those of [`ParameterValue::check`].
    pub fn check(&self) -> Result<(), Malformed> {
        self.value.check()
    }

    /// Plans the change.
    ///
    /// # Errors
    /// Those of [`Context::signed_in_role`] and of [`set_parameter`]; `PARAMETER_NOT_LATER` unless the time lies ahead.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        context.signed_in_role(changes, context.sender, Role::Governance)?;
        let (in_force_from, later_than) = (self.value.in_force_from, context.now);
        if in_force_from <= later_than {
            return Err(Reason::ParameterNotLater { in_force_from, later_than });
        }
        set_parameter(changes, self.parameter, self.value.clone())
    }
}
