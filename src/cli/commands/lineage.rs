//! `causeway lineage`: where a loan, a receivable or an order comes from, fetched with its proofs and verified offline.

use super::receipts::{read_genesis, trust_root};
use crate::cli::failure::Failure;
use crate::cli::flags::Common;
use crate::cli::output::{Format, money, print_many, print_one};
use crate::cli::session::Session;
use crate::client::lineage::{Lineage, LineageError, LineageStep};
use crate::ledger::receipt::Subject;
use crate::ledger::{ReserveLine, Value as Figure};
use crate::primitives::ObjectId;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Fetches lineages, and verifies them offline.
#[derive(Debug, clap::Subcommand)]
pub enum LineageCommand {
    /// Fetches the history of an object and of what it stands on, verifies it where the genesis is known, and shows it or keeps
    /// it in a file with its proofs.
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
    // Whoever has the genesis need not take a node's word for it.
    let genesis = session.common.read_genesis()?;
    if let Some(genesis) = &genesis {
        let refuse = |error| Failure::Failed(format!("what the node answers does not verify: {error}"));
        lineage.verify(&trust_root(genesis, None)).map_err(refuse)?;
    }
    if let Some(path) = file {
        lineage.write(path)?;
        let bytes = std::fs::metadata(path)?.len();
        let verified = genesis.is_some();
        let value = json!({ "steps": lineage.steps.len(), "file": path, "bytes": bytes, "verified": verified });
        print_one(session.format(), &value);
    } else {
        let tokens = session.client.tokens().await?;
        let scale_of = |id: &str| tokens.iter().find(|token| token.token_id == id).map(|token| token.scale);
        show(&session.common, &lineage, &scale_of);
        session.note(match genesis {
            Some(_) => "Every step verifies, with the genesis alone.",
            None => "None of it is verified: name the genesis with --genesis FILE.",
        });
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
    let genesis = read_genesis(common)?;
    let trust = trust_root(&genesis, None);
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
        // Of tokens that were created later the genesis knows no decimals.
        let tokens = &genesis.file().tokens;
        let scale_of = |id: &str| tokens.iter().find(|token| token.token_id == id).map(|token| token.scale);
        show(common, &lineage, &scale_of);
        println!();
    }
    print_one(common.output, &value);
    Ok(())
}

fn show(common: &Common, lineage: &Lineage, scale_of: &dyn Fn(&str) -> Option<u32>) {
    let row = |step: &LineageStep| -> Value {
        let fell_due = step.receipt.subject() == Subject::FellDue;
        let by = match (fell_due, common.output) {
            (true, _) => "fell due",
            (false, Format::Json) => "transaction",
            (false, Format::Text) => "",
        };
        let reserves = step.reserve_lines.iter().filter(|line| common.output == Format::Json || tells_of(step, line));
        let reserves = reserves.map(|line| match common.output {
            Format::Json => reserves_value(line),
            Format::Text => reserves_text(line, scale_of).into(),
        });
        json!({
            "object": if step.relation.is_empty() { "asked for" } else { &step.relation },
            "object_id": step.object.to_string(),
            "height": step.height,
            "what_happened": step.summary(),
            "transaction_id": step.transaction.to_string(),
            "by": by,
            "reserves": reserves.collect::<Vec<Value>>(),
        })
    };
    let rows: Vec<Value> = lineage.steps.iter().map(row).collect();
    let columns = ["object", "object_id", "height", "what_happened", "transaction_id", "by", "reserves"];
    print_many(common.output, &rows, &columns);
}

/// Whether a step is about a token: of those that it is not about, the reserves are in the file and say nothing here.
fn tells_of(step: &LineageStep, line: &ReserveLine) -> bool {
    let outcome = &step.receipt.outcome;
    let is_it = |(_, value): &(String, Figure)| *value == Figure::Token(line.token);
    outcome.movements.iter().any(|movement| movement.token == line.token)
        || outcome.effects.iter().any(|effect| effect.fields.iter().any(is_it))
}

fn reserves_value(line: &ReserveLine) -> Value {
    json!({
        "token_id": line.token.as_str(),
        "circulation": line.circulation.minor_units(),
        "reserves_counted": line.reserves_counted.minor_units(),
        "shortfall": line.shortfall.minor_units(),
        "attested_as_of_ms": line.attested_as_of.0,
    })
}

/// What stood behind a token after a block.
fn reserves_text(line: &ReserveLine, scale_of: &dyn Fn(&str) -> Option<u32>) -> String {
    let token = line.token.as_str();
    let told = |amount| money(amount, Some(token), scale_of(token));
    format!("{} counted for {} in circulation", told(line.reserves_counted), told(line.circulation))
}
