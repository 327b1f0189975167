//! Operations of those who supervise lenders: auditors and governance.

use super::{Kind, Operation, bytes, text};
use crate::domain::financing::{CapitalFigures, LenderKind, Parameter, ParameterValue};
use crate::primitives::{AccountId, TokenId};
use crate::wire::parameter_number;
use crate::wire::pb::financing;

/// Attests a lender's capital, in the minor units of one token. An auditor does.
pub fn attest_lender_capital(lender: AccountId, token: TokenId, figures: &CapitalFigures) -> Operation {
    let kind = match figures.kind {
        LenderKind::SmallLoan => financing::LenderKind::SmallLoan,
        LenderKind::ConsumerFinance => financing::LenderKind::ConsumerFinance,
        LenderKind::Other => financing::LenderKind::Other,
    };
    Operation(Kind::AttestLenderCapital(financing::AttestLenderCapital {
        lender_account_id: bytes(lender),
        token_id: text(token),
        kind: kind.into(),
        as_of_ms: figures.as_of.0,
        net_assets: figures.net_assets.minor_units(),
        loan_funding: figures.loan_funding.minor_units(),
        bond_funding: figures.bond_funding.minor_units(),
        capital: figures.capital.minor_units(),
        risk_weighted_assets: figures.risk_weighted_assets.minor_units(),
        exposures: figures.exposures.minor_units(),
        lent: figures.lent.minor_units(),
    }))
}

/// Sets one of the lender's rules from a later time on. Governance does.
pub fn set_lending_parameter(parameter: Parameter, value: ParameterValue) -> Operation {
    let ParameterValue { in_force_from, value, law } = value;
    Operation(Kind::SetLendingParameter(financing::SetLendingParameter {
        parameter: parameter_number(parameter),
        value,
        in_force_from_ms: in_force_from.0,
        law,
    }))
}
