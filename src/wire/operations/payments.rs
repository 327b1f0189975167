//! Operations of payments.

use crate::domain::payments::{Remittance, Transfer};
use crate::ledger::malformed::Malformed;
use crate::wire::fields::{account_id, amount, token_id};
use crate::wire::pb::payments as pb;

pub(super) fn transfer(message: pb::Transfer) -> Result<Transfer, Malformed> {
    let operation = Transfer {
        payer: account_id("payer_account_id", &message.payer_account_id)?,
        payee: account_id("payee_account_id", &message.payee_account_id)?,
        token: token_id("token_id", &message.token_id)?,
        amount: amount(message.amount),
        remittance: message.remittance.map(remittance).unwrap_or_default(),
    };
    operation.check()?;
    Ok(operation)
}

fn remittance(message: pb::Remittance) -> Remittance {
    Remittance {
        end_to_end_id: message.end_to_end_id,
        purpose_code: message.purpose_code,
        invoice_references: message.invoice_references,
    }
}
