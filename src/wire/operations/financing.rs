//! Operations of financing.

use crate::domain::financing::{AcceptFinancing, Citation, PayInvoice, RequestFinancing, WithdrawFinancing};
use crate::ledger::limits::CITATIONS_MAX;
use crate::ledger::malformed::{Malformed, require};
use crate::wire::fields::{account_id, amount, object_id, time};
use crate::wire::pb::financing as pb;
use crate::wire::receipt::path_from_pb;

pub(super) fn request_financing(message: pb::RequestFinancing) -> Result<RequestFinancing, Malformed> {
    let count = message.citations.len();
    require(count <= CITATIONS_MAX, "citations", format!("there are {count} and must be at most {CITATIONS_MAX}"))?;
    let cited = |(index, message)| citation(message).map_err(|error| error.within(format_args!("citations[{index}]")));
    let operation = RequestFinancing {
        receivable: object_id("receivable_id", &message.receivable_id)?,
        financier: account_id("financier_account_id", &message.financier_account_id)?,
        advance: amount(message.advance),
        fee: amount(message.fee),
        expires_at: time("expires_at_ms", message.expires_at_ms)?,
        citations: message.citations.into_iter().enumerate().map(cited).collect::<Result<_, _>>()?,
    };
    operation.check()?;
    Ok(operation)
}

fn citation(message: pb::Citation) -> Result<Citation, Malformed> {
    Ok(Citation {
        outcome: message.outcome,
        outcome_path: path_from_pb("outcome_path", message.outcome_path)?,
        header: message.header,
        history_path: path_from_pb("history_path", message.history_path)?,
    })
}

pub(super) fn accept_financing(message: pb::AcceptFinancing) -> Result<AcceptFinancing, Malformed> {
    Ok(AcceptFinancing { request: object_id("financing_request_id", &message.financing_request_id)? })
}

pub(super) fn withdraw_financing(message: pb::WithdrawFinancing) -> Result<WithdrawFinancing, Malformed> {
    Ok(WithdrawFinancing { request: object_id("financing_request_id", &message.financing_request_id)? })
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
