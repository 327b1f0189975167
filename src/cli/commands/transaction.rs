//! `causeway transaction`: what became of one, above all of one that was sent and not answered.

use crate::cli::failure::Failure;
use crate::cli::output::{Format, print_one};
use crate::cli::session::Session;
use crate::client::ClientError;
use crate::client::json::to_json;
use crate::primitives::TransactionId;
use serde_json::json;
use tonic::Code;

/// Asks a node what it knows of a transaction.
///
/// # Errors
/// See [`Failure`]. That a node does not know it is an answer.
pub async fn run(session: &Session, transaction: TransactionId) -> Result<(), Failure> {
    session.account()?;
    let value = match session.client.transaction(transaction).await {
        Ok(found) => {
            let mut value = to_json(&found);
            // Its movements and balances are the receipt's to tell (`causeway receipts get`).
            if session.format() == Format::Text
                && let Some(outcome) = value.as_object_mut().and_then(|fields| fields.remove("outcome"))
                && let Some(reason) = outcome["decline"]["reason"].as_str()
            {
                value["reason"] = reason.into();
            }
            value
        }
        Err(ClientError::Refused(refusal)) if refusal.code == Code::NotFound => {
            json!({ "transaction_id": transaction.to_string(), "status": "UNKNOWN" })
        }
        Err(error) => return Err(error.into()),
    };
    let is_open = value["status"] == "UNKNOWN" || value["status"] == "PENDING";
    print_one(session.format(), &value);
    if is_open {
        session.note("It may still become final until it expires; what has not by then never will.");
    }
    Ok(())
}
