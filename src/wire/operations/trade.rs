//! Operations on invoices.

use crate::domain::trade::{
    CertifyAbsence, CommitFingerprintKey, ConfirmInvoice, RegisterInvoice, RejectInvoice, WithdrawInvoice,
};
use crate::ledger::malformed::Malformed;
use crate::wire::fields::{account_id, amount, day, hash, object_id, time, token_id};
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
    })
}
