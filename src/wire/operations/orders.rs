//! Operations on orders.

use crate::domain::trade::{
    AcceptOrder, AcceptOrderChange, CancelOrder, OrderTerms, PlaceOrder, ProposeOrderChange, SilenceMeans,
};
use crate::ledger::malformed::Malformed;
use crate::primitives::BlockTime;
use crate::wire::fields::{account_id, amount, hash, object_id, required, time, token_id};
use crate::wire::pb::trade as pb;

pub(super) fn place_order(message: pb::PlaceOrder) -> Result<PlaceOrder, Malformed> {
    let operation = PlaceOrder {
        supplier: account_id("supplier_account_id", &message.supplier_account_id)?,
        token: token_id("token_id", &message.token_id)?,
        currency: super::tokens::currency("currency", &message.currency)?,
        fingerprint: hash("fingerprint", &message.fingerprint)?,
        terms: terms(message.terms)?,
    };
    operation.check()?;
    Ok(operation)
}

pub(super) fn accept_order(message: pb::AcceptOrder) -> Result<AcceptOrder, Malformed> {
    Ok(AcceptOrder { order: object_id("order_id", &message.order_id)? })
}

pub(super) fn propose_order_change(message: pb::ProposeOrderChange) -> Result<ProposeOrderChange, Malformed> {
    let operation =
        ProposeOrderChange { order: object_id("order_id", &message.order_id)?, terms: terms(message.terms)? };
    operation.check()?;
    Ok(operation)
}

pub(super) fn accept_order_change(message: pb::AcceptOrderChange) -> Result<AcceptOrderChange, Malformed> {
    Ok(AcceptOrderChange { order: object_id("order_id", &message.order_id)?, number: message.number })
}

pub(super) fn cancel_order(message: pb::CancelOrder) -> Result<CancelOrder, Malformed> {
    Ok(CancelOrder { order: object_id("order_id", &message.order_id)? })
}

fn terms(message: Option<pb::OrderTerms>) -> Result<OrderTerms, Malformed> {
    let message = required("terms", message)?;
    read_terms(&message).map_err(|malformed| malformed.within("terms"))
}

fn read_terms(message: &pb::OrderTerms) -> Result<OrderTerms, Malformed> {
    let deliver_by = time("deliver_by_ms", message.deliver_by_ms)?;
    Ok(OrderTerms {
        amount: amount(message.amount),
        document_commitment: hash("document_commitment", &message.document_commitment)?,
        line_count: small("line_count", message.line_count)?,
        deliver_by: Some(deliver_by).filter(|deliver_by| *deliver_by > BlockTime(0)),
        confirmation_days: small("confirmation_days", message.confirmation_days)?,
        silence: silence(message.silence).ok_or_else(|| Malformed::new("silence", "it is not a meaning of silence"))?,
        payment_days: message.payment_days.map(|days| small("payment_days", days)).transpose()?,
    })
}

fn small(field: &str, number: u32) -> Result<u16, Malformed> {
    u16::try_from(number).map_err(|_| Malformed::new(field, format!("it must be at most {}", u16::MAX)))
}

fn silence(number: i32) -> Option<SilenceMeans> {
    Some(match pb::SilenceMeans::try_from(number).ok()? {
        pb::SilenceMeans::Unspecified => return None,
        pb::SilenceMeans::Nothing => SilenceMeans::Nothing,
        pb::SilenceMeans::Confirms => SilenceMeans::Confirms,
    })
}
