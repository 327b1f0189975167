//! Operations of financing.

use super::tokens::calendar;
use crate::domain::financing::interest::{Compounding, DayCount, Rate};
use crate::domain::financing::{
    AttestLenderCapital, CapitalFigures, Citation, CloseProgramme, DeclareDefault, EvidenceRequired, ForbiddenPurposes,
    JoinProgramme, LenderKind, Limits, Parameter, ParameterValue, PayInvoice, Pricing, ProgrammeTerms,
    PublishProgramme, RecordRecovery, RecordRequired, RemoveParticipant, RepayLoan, RequestFinancing,
    SetForbiddenPurposes, SetLendingParameter, WriteOffLoan,
};
use crate::ledger::limits::{CITATIONS_MAX, PROGRAMME_NETWORKS_MAX, PROGRAMME_PARTIES_MAX};
use crate::ledger::malformed::{Malformed, require};
use crate::primitives::AccountId;
use crate::wire::fields::{account_id, amount, chain_id, object_id, required, time, token_id};
use crate::wire::pb::financing as pb;
use crate::wire::receipt::path_from_pb;
use bytes::Bytes;

/// A request for financing, held to its static bounds.
///
/// # Errors
/// The first field that breaks one.
pub fn request_financing(message: pb::RequestFinancing) -> Result<RequestFinancing, Malformed> {
    let operation = RequestFinancing {
        receivable: object_id("receivable_id", &message.receivable_id)?,
        programme: object_id("programme_id", &message.programme_id)?,
        advance: amount(message.advance),
        purpose: message.purpose,
        citations: citations(message.citations)?,
        foreign_receipts: message.foreign_receipts,
    };
    operation.check()?;
    Ok(operation)
}

/// Citations, as many as a request may have.
///
/// # Errors
/// The first field that breaks one.
pub fn citations(messages: Vec<pb::Citation>) -> Result<Vec<Citation>, Malformed> {
    let count = messages.len();
    require(count <= CITATIONS_MAX, "citations", format!("there are {count} and must be at most {CITATIONS_MAX}"))?;
    let read = |(index, message)| citation(message).map_err(|error| error.within(format_args!("citations[{index}]")));
    messages.into_iter().enumerate().map(read).collect()
}

fn citation(message: pb::Citation) -> Result<Citation, Malformed> {
    Ok(Citation {
        outcome: message.outcome,
        outcome_path: path_from_pb("outcome_path", message.outcome_path)?,
        header: message.header,
        history_path: path_from_pb("history_path", message.history_path)?,
    })
}

pub(super) fn pay_invoice(message: pb::PayInvoice) -> Result<PayInvoice, Malformed> {
    let operation = PayInvoice {
        receivable: object_id("receivable_id", &message.receivable_id)?,
        amount: amount(message.amount),
        end_to_end_id: message.end_to_end_id,
    };
    operation.check()?;
    Ok(operation)
}

pub(super) fn publish_programme(message: pb::PublishProgramme) -> Result<PublishProgramme, Malformed> {
    let terms = terms(required("terms", message.terms)?).map_err(|error| error.within("terms"))?;
    let operation = PublishProgramme { terms };
    operation.check()?;
    Ok(operation)
}

fn terms(message: pb::ProgrammeTerms) -> Result<ProgrammeTerms, Malformed> {
    Ok(ProgrammeTerms {
        name: message.name,
        token: token_id("token_id", &message.token_id)?,
        buyers: parties("buyer_account_ids", &message.buyer_account_ids)?,
        suppliers: parties("supplier_account_ids", &message.supplier_account_ids)?,
        advance_rate_bps: message.advance_rate_bps,
        tenor_days_min: message.tenor_days_min,
        tenor_days_max: message.tenor_days_max,
        pricing: pricing(required("pricing", message.pricing)?).map_err(|error| error.within("pricing"))?,
        limits: limits(required("limits", message.limits)?),
        evidence: evidence(required("evidence", message.evidence)?).map_err(|error| error.within("evidence"))?,
        purposes: message.purposes,
        recourse: message.recourse,
        participation_bps_max: message.participation_bps_max,
        calendar: calendar(required("calendar", message.calendar)?)?,
    })
}

fn parties(field: &str, messages: &[Bytes]) -> Result<Vec<AccountId>, Malformed> {
    let count = messages.len();
    let bound = format!("there are {count} and must be at most {PROGRAMME_PARTIES_MAX}");
    require(count <= PROGRAMME_PARTIES_MAX, field, bound)?;
    messages.iter().enumerate().map(|(index, id)| account_id(&format!("{field}[{index}]"), id)).collect()
}

fn pricing(message: pb::Pricing) -> Result<Pricing, Malformed> {
    let day_count = match message.day_count() {
        pb::DayCount::Act365Fixed => DayCount::Act365Fixed,
        pb::DayCount::Act360 => DayCount::Act360,
        pb::DayCount::Thirty360 => DayCount::Thirty360,
        pb::DayCount::Unspecified => return Err(Malformed::new("day_count", "it is not a day count")),
    };
    let compounding = match message.compounding() {
        pb::Compounding::Simple => Compounding::Simple,
        pb::Compounding::Daily => Compounding::Daily,
        pb::Compounding::Monthly => Compounding::Monthly,
        pb::Compounding::Unspecified => return Err(Malformed::new("compounding", "it must say whether")),
    };
    Ok(Pricing {
        rate: Rate { bps: message.rate_bps, day_count, compounding },
        late_rate_bps: message.late_rate_bps,
        grace_days: message.grace_days,
        fee_bps: message.fee_bps,
        fee_flat: amount(message.fee_flat),
    })
}

fn limits(message: pb::Limits) -> Limits {
    Limits {
        total: amount(message.total),
        per_obligor: amount(message.per_obligor),
        per_supplier: amount(message.per_supplier),
        per_invoice: amount(message.per_invoice),
    }
}

fn evidence(message: pb::EvidenceRequired) -> Result<EvidenceRequired, Malformed> {
    let shipment_step = match message.shipment_step {
        0 => None,
        number => {
            let unknown = || Malformed::new("shipment_step", "it is not a business step");
            Some(super::shipments::step(number).ok_or_else(unknown)?)
        }
    };
    let count = message.network_chain_ids.len();
    let bound = format!("there are {count} and must be at most {PROGRAMME_NETWORKS_MAX}");
    require(count <= PROGRAMME_NETWORKS_MAX, "network_chain_ids", bound)?;
    let network = |(index, id): (usize, &Bytes)| chain_id(&format!("network_chain_ids[{index}]"), id);
    let near_duplicates_max = message.near_duplicates_max.map(|count| {
        u16::try_from(count).map_err(|_| Malformed::new("near_duplicates_max", "it must be at most 65535"))
    });
    Ok(EvidenceRequired {
        buyer_confirmed: message.buyer_confirmed,
        order_agreed: message.order_agreed,
        shipment_step,
        shipment_age_days_max: message.shipment_age_days_max,
        near_duplicates_max: near_duplicates_max.transpose()?,
        networks: message.network_chain_ids.iter().enumerate().map(network).collect::<Result<_, _>>()?,
        record: RecordRequired {
            count_min: message.settlements_min,
            sum_min: amount(message.settlements_sum_min),
            period_days_min: message.settlements_period_days_min,
            late_days_max: message.settlements_late_days_max,
        },
    })
}

pub(super) fn close_programme(message: pb::CloseProgramme) -> Result<CloseProgramme, Malformed> {
    Ok(CloseProgramme { programme: object_id("programme_id", &message.programme_id)? })
}

pub(super) fn remove_participant(message: pb::RemoveParticipant) -> Result<RemoveParticipant, Malformed> {
    let programme = object_id("programme_id", &message.programme_id)?;
    Ok(RemoveParticipant {
        programme,
        participant: account_id("participant_account_id", &message.participant_account_id)?,
    })
}

pub(super) fn join_programme(message: pb::JoinProgramme) -> Result<JoinProgramme, Malformed> {
    let operation = JoinProgramme {
        programme: object_id("programme_id", &message.programme_id)?,
        share_bps: message.share_bps,
        limit: amount(message.limit),
    };
    operation.check()?;
    Ok(operation)
}

pub(super) fn repay_loan(message: pb::RepayLoan) -> Result<RepayLoan, Malformed> {
    let operation = RepayLoan { loan: object_id("loan_id", &message.loan_id)?, amount: amount(message.amount) };
    operation.check()?;
    Ok(operation)
}

pub(super) fn declare_default(message: pb::DeclareDefault) -> Result<DeclareDefault, Malformed> {
    Ok(DeclareDefault { loan: object_id("loan_id", &message.loan_id)? })
}

pub(super) fn write_off_loan(message: pb::WriteOffLoan) -> Result<WriteOffLoan, Malformed> {
    Ok(WriteOffLoan { loan: object_id("loan_id", &message.loan_id)? })
}

pub(super) fn record_recovery(message: pb::RecordRecovery) -> Result<RecordRecovery, Malformed> {
    let operation = RecordRecovery { loan: object_id("loan_id", &message.loan_id)?, amount: amount(message.amount) };
    operation.check()?;
    Ok(operation)
}

pub(super) fn set_lending_parameter(message: pb::SetLendingParameter) -> Result<SetLendingParameter, Malformed> {
    let unknown = || Malformed::new("parameter", "it is not a lending parameter");
    let parameter = parameter(message.parameter).ok_or_else(unknown)?;
    let in_force_from = time("in_force_from_ms", message.in_force_from_ms)?;
    let value = ParameterValue { in_force_from, value: message.value, law: message.law };
    let operation = SetLendingParameter { parameter, value };
    operation.check()?;
    Ok(operation)
}

pub(super) fn set_forbidden_purposes(message: pb::SetForbiddenPurposes) -> Result<SetForbiddenPurposes, Malformed> {
    let in_force_from = time("in_force_from_ms", message.in_force_from_ms)?;
    let forbidden = ForbiddenPurposes { in_force_from, purposes: message.purposes, law: message.law };
    let operation = SetForbiddenPurposes { forbidden };
    operation.check()?;
    Ok(operation)
}

fn parameter(number: i32) -> Option<Parameter> {
    Parameter::ALL.iter().copied().find(|parameter| parameter_number(*parameter) == number)
}

/// A parameter's number on the wire: its tag on the ledger.
pub fn parameter_number(parameter: Parameter) -> i32 {
    i32::from(parameter.tag())
}

pub(super) fn attest_lender_capital(message: pb::AttestLenderCapital) -> Result<AttestLenderCapital, Malformed> {
    let kind = match message.kind() {
        pb::LenderKind::SmallLoan => LenderKind::SmallLoan,
        pb::LenderKind::ConsumerFinance => LenderKind::ConsumerFinance,
        pb::LenderKind::Other => LenderKind::Other,
        pb::LenderKind::Unspecified => return Err(Malformed::new("kind", "it is not a kind of lender")),
    };
    Ok(AttestLenderCapital {
        lender: account_id("lender_account_id", &message.lender_account_id)?,
        token: token_id("token_id", &message.token_id)?,
        figures: CapitalFigures {
            kind,
            as_of: time("as_of_ms", message.as_of_ms)?,
            net_assets: amount(message.net_assets),
            loan_funding: amount(message.loan_funding),
            bond_funding: amount(message.bond_funding),
            capital: amount(message.capital),
            risk_weighted_assets: amount(message.risk_weighted_assets),
            exposures: amount(message.exposures),
            lent: amount(message.lent),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::financing::LoanClass;

    /// Where tags of the ledger go onto the wire as they are, they mean the same there.
    #[test]
    fn the_wires_numbers_are_the_ledgers_tags() {
        for expected in Parameter::ALL {
            let number = parameter_number(*expected);
            let shown = pb::LendingParameter::try_from(number).expect("a number of the wire's");
            assert_eq!((format!("{shown:?}"), parameter(number)), (format!("{expected:?}"), Some(*expected)));
        }
        assert_eq!(parameter(0), None);
        for class in LoanClass::ALL {
            let shown = pb::LoanClass::try_from(i32::from(class.tag())).expect("a number of the wire's");
            assert_eq!(format!("{shown:?}"), format!("{class:?}"));
        }
    }
}
