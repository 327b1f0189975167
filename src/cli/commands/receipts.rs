//! `causeway receipts`: fetching receipts, and verifying them offline.

use crate::cli::failure::Failure;
use crate::cli::flags::Common;
use crate::cli::outcome::{outcome_value, token_of};
use crate::cli::output::{Format, money, print_one, with_units};
use crate::cli::session::Session;
use crate::client::json::body_to_json;
use crate::client::receipt_file::{self, ReceiptFileError};
use crate::execution::genesis::Genesis;
use crate::ledger::receipt::{Checkpoint, Receipt, Subject, TrustRoot};
use crate::ledger::{Effect, Reason, Status, Value as Figure};
use crate::primitives::{Hash, TokenId, TransactionId};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Fetches and verifies receipts.
#[derive(Debug, clap::Subcommand)]
pub enum ReceiptsCommand {
    /// Fetches the receipt of a final transaction or of what fell due, and prints it or keeps it in a file (--receipt FILE).
    Get {
        /// The transaction, or the id of what fell due, as `causeway lineage get` and the stream of events tell it.
        transaction: TransactionId,
        /// Leave your own balances closed in it, to show it to somebody else. Others' are never in it.
        #[arg(long)]
        without_balances: bool,
        /// The height of a block whose hash the verifier trusts: the receipt will show that it is of that block's history.
        #[arg(long, value_name = "HEIGHT", value_parser = clap::value_parser!(u64).range(1..))]
        checkpoint_height: Option<u64>,
    },
    /// Verifies a receipt offline, with the genesis file (--genesis) and nothing else.
    Verify {
        /// The receipt file.
        file: PathBuf,
        /// A block that you trust from elsewhere: the receipt must show that it is of that block's history. `receipts get
        /// --checkpoint-height` fetches one that does.
        #[arg(long, value_name = "HEIGHT:BLOCK_HASH", value_parser = read_checkpoint)]
        checkpoint: Option<Checkpoint>,
    },
}

/// Fetches.
///
/// # Errors
/// See [`Failure`].
pub async fn get(
    session: &Session,
    transaction: TransactionId,
    without_balances: bool,
    checkpoint_height: Option<u64>,
) -> Result<(), Failure> {
    let path = session.common.receipt_path()?;
    let receipt = session.client.receipt_for(transaction, without_balances, checkpoint_height).await?;
    match path {
        None => print!("{}", receipt_file::to_text(&receipt)?),
        Some(path) => {
            receipt_file::write(path, &receipt)?;
            let value =
                json!({ "receipt_id": receipt.id().to_string(), "height": receipt.header.height, "file": path });
            print_one(session.format(), &value);
        }
    }
    Ok(())
}

/// The genesis file that a verifier is given.
///
/// # Errors
/// None was given, or it is none.
pub(super) fn read_genesis(common: &Common) -> Result<Genesis, Failure> {
    common.read_genesis()?.ok_or_else(|| {
        Failure::Usage(
            "give the genesis file with --genesis FILE; its SHA-256 is the id of the ledger that you trust".into(),
        )
    })
}

/// What a verifier trusts: the genesis, and perhaps a later block.
pub(super) fn trust_root(genesis: &Genesis, checkpoint: Option<Checkpoint>) -> TrustRoot {
    TrustRoot { checkpoint, ..genesis.trust_root() }
}

/// Verifies a receipt file. Asks no node.
///
/// # Errors
/// There is no genesis, or the first link of the receipt that does not hold.
pub fn verify(common: &Common, file: &std::path::Path, checkpoint: Option<Checkpoint>) -> Result<(), Failure> {
    let genesis = read_genesis(common)?;
    let trust = trust_root(&genesis, checkpoint);
    // What is no receipt and what proves nothing are one answer to who asks whether this file does.
    let refuse = |error: String| Failure::Failed(format!("{} does not verify: {error}", file.display()));
    let receipt = receipt_file::read(file).map_err(|error| match error {
        ReceiptFileError::Unreadable { .. } => error.into(),
        error => refuse(error.to_string()),
    })?;
    receipt.verify(&trust).map_err(|error| refuse(error.to_string()))?;
    // The genesis knows the scale of its own tokens; of those created later it can only be said that they are minor units.
    let tokens = &genesis.file().tokens;
    let scale_of = |id: &str| tokens.iter().find(|token| token.token_id == id).map(|token| token.scale);
    let mut value = verified_to_json(common.output, &receipt, &scale_of);
    if let Some(Checkpoint { height, hash }) = checkpoint {
        value["checkpoint"] = format!("of the history of block {hash} at height {height}").into();
    }
    print_one(common.output, &value);
    Ok(())
}

fn read_checkpoint(text: &str) -> Result<Checkpoint, String> {
    let checkpoint = text.split_once(':').and_then(|(height, hash)| {
        let (height, hash) = (height.parse().ok()?, hex::decode(hash).ok()?);
        Some(Checkpoint { height, hash: Hash(hash.try_into().ok()?) })
    });
    checkpoint.ok_or_else(|| "expected a height, a colon, and the block's hash in 64 hexadecimal digits".to_owned())
}

fn verified_to_json(format: Format, receipt: &Receipt, scale_of: &dyn Fn(&str) -> Option<u32>) -> Value {
    let header = &receipt.header;
    let mut value = json!({
        "verified": true,
        "receipt_id": receipt.id().to_string(),
        "transaction_id": receipt.transaction_id().to_string(),
        "chain_id": header.chain_id.to_string(),
        "height": header.height,
        "time_ms": header.time.0,
    });
    let body = receipt.transaction.as_ref().map(|transaction| body_to_json(transaction.signed.body()));
    match &receipt.outcome.status {
        // It was asked by nobody: time alone brought it about.
        Status::Applied if receipt.subject() == Subject::FellDue => value["status"] = "FELL_DUE".into(),
        Status::Applied => value["status"] = "APPLIED".into(),
        Status::Declined(decline) => {
            let entry = Reason::entry(decline.code);
            value["status"] = "DECLINED".into();
            value["reason"] = entry.map_or("UNKNOWN", |entry| entry.name).into();
            value["explanation"] = entry.map_or("", |entry| entry.explanation).into();
        }
    }
    if receipt.subject() == Subject::BodyNotCarried {
        value["note"] = "the node that gave it no longer keeps the transaction: the outcome is proven, and what was asked is not shown".into();
    }
    let mut outcome = outcome_value(receipt);
    if format == Format::Text {
        with_units(&mut outcome, scale_of);
        outcome["effects"] = receipt.outcome.effects.iter().map(|effect| effect_to_text(effect, scale_of)).collect();
    }
    match format {
        Format::Json => {
            value["outcome"] = outcome;
            value["transaction"] = body.into();
        }
        Format::Text => {
            let remittance = body.as_ref().map(remittance_of).unwrap_or_default();
            if !remittance.is_empty() {
                value["for"] = remittance.into();
            }
            for part in ["movements", "balances", "effects"] {
                if outcome[part].as_array().is_some_and(|items| !items.is_empty()) {
                    value[part] = outcome[part].clone();
                }
            }
        }
    }
    value
}

/// What its payments are for, in the payer's words: its own ids, purposes, invoice numbers.
fn remittance_of(body: &Value) -> String {
    let operations = body["operations"].as_array().map(Vec::as_slice).unwrap_or_default();
    let each =
        operations.iter().flat_map(|operation| operation.as_object().into_iter().flat_map(|fields| fields.values()));
    let mut words = Vec::new();
    for operation in each {
        let remittance = if operation["remittance"].is_object() { &operation["remittance"] } else { operation };
        let own = ["end_to_end_id", "purpose_code"].into_iter().filter_map(|field| remittance[field].as_str());
        let invoices = remittance["invoice_references"].as_array().map(Vec::as_slice).unwrap_or_default();
        words.extend(own.chain(invoices.iter().filter_map(Value::as_str)).map(str::to_owned));
    }
    words.retain(|word| !word.is_empty());
    words.join(" ")
}

/// An effect in one row: its name and its fields, amounts with their unit.
fn effect_to_text(effect: &Effect, scale_of: &dyn Fn(&str) -> Option<u32>) -> Value {
    let token = token_of(&effect.fields);
    let token = token.as_ref().map(TokenId::as_str);
    let mut row = json!({ "effect": effect.name });
    for (name, figure) in &effect.fields {
        row[name] = match figure {
            Figure::Amount(amount) => money(*amount, token, token.and_then(scale_of)),
            figure => figure.to_string(),
        }
        .into();
    }
    row
}
