//! Operations on invoices and receivables.

use crate::domain::financing;
use crate::domain::trade::{
    AssignReceivable, CertifyAbsence, CommitFingerprintKey, ConfirmInvoice, DisputeGround, DisputeInvoice,
    IssueCreditNote, Part, RegisterInvoice, RejectInvoice, SplitReceivable, WithdrawInvoice,
};
use crate::ledger::limits::SPLIT_PARTS_MAX;
use crate::ledger::malformed::{Malformed, require};
use crate::wire::fields::{account_id, amount, day, hash, object_id, optional, time, token_id};
use crate::wire::pb::trade as pb;

pub(super) fn commit_fingerprint_key(message: pb::CommitFingerprintKey) -> Result<CommitFingerprintKey, Malformed> {
    Ok(CommitFingerprintKey {
        supplier: account_id("supplier_account_id", &message.supplier_account_id)?,
        buyer: account_id("buyer_account_id", &message.buyer_account_id)?,
        key_commitment: hash("key_commitment", &message.key_commitment)?,
    })
}

pub(super) fn register_invoice(message: pb::RegisterInvoice) -> Result<RegisterInvoice, Malformed> {
    let operation = RegisterInvoice {
        buyer: account_id("buyer_account_id", &message.buyer_account_id)?,
        token: token_id("token_id", &message.token_id)?,
        currency: super::tokens::currency("currency", &message.currency)?,
        amount: amount(message.amount),
        due_at: time("due_at_ms", message.due_at_ms)?,
        fingerprint: hash("fingerprint", &message.fingerprint)?,
        document_commitment: hash("document_commitment", &message.document_commitment)?,
        issued_on: day("issued_on", &message.issued_on)?,
        order: optional(&message.order_id, |bytes| object_id("order_id", bytes))?,
    };
    operation.check()?;
    Ok(operation)
}

pub(super) fn confirm_invoice(message: pb::ConfirmInvoice) -> Result<ConfirmInvoice, Malformed> {
    Ok(ConfirmInvoice { receivable: object_id("receivable_id", &message.receivable_id)? })
}

pub(super) fn withdraw_invoice(message: pb::WithdrawInvoice) -> Result<WithdrawInvoice, Malformed> {
    Ok(WithdrawInvoice { receivable: object_id("receivable_id", &message.receivable_id)? })
}

pub(super) fn reject_invoice(message: pb::RejectInvoice) -> Result<RejectInvoice, Malformed> {
    Ok(RejectInvoice { receivable: object_id("receivable_id", &message.receivable_id)? })
}

pub(super) fn certify_absence(message: pb::CertifyAbsence) -> Result<CertifyAbsence, Malformed> {
    Ok(CertifyAbsence {
        fingerprint: hash("fingerprint", &message.fingerprint)?,
        supplier: account_id("supplier_account_id", &message.supplier_account_id)?,
        buyer: account_id("buyer_account_id", &message.buyer_account_id)?,
        key_commitment: hash("key_commitment", &message.key_commitment)?,
    })
}

pub(super) fn dispute_invoice(message: pb::DisputeInvoice) -> Result<DisputeInvoice, Malformed> {
    let operation = DisputeInvoice {
        receivable: object_id("receivable_id", &message.receivable_id)?,
        amount: amount(message.amount),
        ground: dispute_ground(message.ground).ok_or_else(|| Malformed::new("ground", "it is not a ground"))?,
    };
    operation.check()?;
    Ok(operation)
}

fn dispute_ground(number: i32) -> Option<DisputeGround> {
    Some(match pb::DisputeGround::try_from(number).ok()? {
        pb::DisputeGround::Unspecified => return None,
        pb::DisputeGround::NotDelivered => DisputeGround::NotDelivered,
        pb::DisputeGround::Late => DisputeGround::Late,
        pb::DisputeGround::Quantity => DisputeGround::Quantity,
        pb::DisputeGround::Quality => DisputeGround::Quality,
        pb::DisputeGround::Price => DisputeGround::Price,
        pb::DisputeGround::NotOrdered => DisputeGround::NotOrdered,
        pb::DisputeGround::Duplicate => DisputeGround::Duplicate,
        pb::DisputeGround::Other => DisputeGround::Other,
    })
}

pub(super) fn issue_credit_note(message: pb::IssueCreditNote) -> Result<financing::IssueCreditNote, Malformed> {
    let operation = IssueCreditNote {
        receivable: object_id("receivable_id", &message.receivable_id)?,
        amount: amount(message.amount),
        fingerprint: hash("fingerprint", &message.fingerprint)?,
        document_commitment: hash("document_commitment", &message.document_commitment)?,
    };
    operation.check()?;
    Ok(financing::IssueCreditNote(operation))
}

pub(super) fn assign_receivable(message: pb::AssignReceivable) -> Result<AssignReceivable, Malformed> {
    Ok(AssignReceivable {
        receivable: object_id("receivable_id", &message.receivable_id)?,
        assignee: account_id("assignee_account_id", &message.assignee_account_id)?,
    })
}

pub(super) fn split_receivable(message: pb::SplitReceivable) -> Result<SplitReceivable, Malformed> {
    let count = message.parts.len();
    require(count <= SPLIT_PARTS_MAX, "parts", format!("there are {count} and must be 2 to {SPLIT_PARTS_MAX}"))?;
    let part = |(index, part): (usize, &pb::split_receivable::Part)| {
        let owner = account_id("owner_account_id", &part.owner_account_id);
        let owner = owner.map_err(|error| error.within(format_args!("parts[{index}]")))?;
        Ok(Part { owner, amount: amount(part.amount) })
    };
    let operation = SplitReceivable {
        receivable: object_id("receivable_id", &message.receivable_id)?,
        parts: message.parts.iter().enumerate().map(part).collect::<Result<_, _>>()?,
        term_exception: message.term_exception,
    };
    operation.check()?;
    Ok(operation)
}
