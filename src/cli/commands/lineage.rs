//! `causeway lineage`: where a loan, a receivable or an order comes from, fetched with its proofs and verified offline.

use super::receipts::{read_genesis, trust_root};
use crate::cli::failure::Failure;
use crate::cli::flags::Common;
use crate::cli::output::{Format, print_many, print_one};
use crate::cli::session::Session;
use crate::client::lineage::{Lineage, LineageError, LineageStep};
use crate::primitives::ObjectId;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Fetches lineages, and verifies them offline.
#[derive(Debug, clap::Subcommand)]
pub enum LineageCommand {
    /// Fetches the history of an object and of what it stands on, and shows it or keeps it in a file with its proofs.
    Get {
        /// The object: a loan, a receivable, an order, an issuance.
        object: ObjectId,
        /// Keep the steps with their receipts in this file, for `lineage verify`.
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Verifies a lineage file offline, with the genesis file (--genesis) and nothing else.
    Verify {
        /// The lineage file.
        file: PathBuf,
    },
}

/// Fetches.
///
/// # Errors
/// See [`Failure`].
pub async fn get(session: &Session, object: ObjectId, file: Option<&Path>) -> Result<(), Failure> {
    session.account()?;
    let lineage = session.client.lineage(object).await?;
    if let Some(path) = file {
        lineage.write(path)?;
        let bytes = std::fs::metadata(path)?.len();
        let value = json!({ "steps": lineage.steps.len(), "file": path, "bytes": bytes });
        print_one(session.format(), &value);
    } else {
        show(&session.common, &lineage);
    }
    if lineage.withheld > 0 {
        let withheld = lineage.withheld;
        session.note(&format!(
            "{withheld} more steps tell of others' business too, and are not shown: ask the borrower for their receipts."
        ));
    }
    if lineage.truncated {
        session
            .note("There are more steps than these, which are as many as are gathered: ask for the objects further down by themselves.");
    }
    Ok(())
}

/// Verifies a lineage file. Asks no node.
///
/// # Errors
/// There is no genesis, or the first step of the lineage that does not hold.
pub fn verify(common: &Common, file: &Path) -> Result<(), Failure> {
    let trust = trust_root(&read_genesis(common)?, None);
    let refuse = |error: LineageError| Failure::Failed(format!("{} does not verify: {error}", file.display()));
    let lineage = Lineage::read(file).map_err(|error| match error {
        LineageError::File { .. } => error.into(),
        error => refuse(error),
    })?;
    lineage.verify(&trust).map_err(refuse)?;
    let value = json!({
        "verified": true,
        "chain_id": trust.chain_id.to_string(),
        "steps": lineage.steps.len(),
    });
    if common.output == Format::Text {
        show(common, &lineage);
    }
    print_one(common.output, &value);
    Ok(())
}

fn show(common: &Common, lineage: &Lineage) {
    let row = |step: &LineageStep| -> Value {
        json!({
            "object": if step.relation.is_empty() { "asked for" } else { &step.relation },
            "object_id": step.object.to_string(),
            "height": step.height,
            "what_happened": step.summary(),
            "transaction_id": step.transaction.to_string(),
            "by": if step.receipt.transaction.is_some() { "transaction" } else { "fell due" },
        })
    };
    let rows: Vec<Value> = lineage.steps.iter().map(row).collect();
    print_many(common.output, &rows, &["object", "object_id", "height", "what_happened", "transaction_id", "by"]);
}
