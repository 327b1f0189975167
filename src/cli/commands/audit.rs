//! `causeway audit`: a stopped node's data, executed again from the genesis and compared to the last entry.

use crate::cli::failure::Failure;
use crate::cli::flags::{Common, genesis_in};
use crate::cli::output::{Format, bar_of_blocks, print_many, say};
use crate::daemon::Randomness;
use crate::execution::genesis::Genesis;
use crate::node::audit::{self, AuditError, AuditReport, ProvenReport};
use crate::node::snapshot;
use crate::storage::RocksStore;
use commonware_parallel::Rayon;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// How far above a node's data its network's genesis file is looked for.
const LEVELS_MAX: usize = 4;

/// Checks a stopped node's data.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Stop the node first. Without --genesis, genesis.json is looked for in the directory and above it."
)]
pub struct AuditCommand {
    /// The node's data directory; its own directory, or a sandbox's, will do.
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// Take a store whose mark of what was acknowledged is missing, and which may therefore have lost its last commits.
    #[arg(long)]
    accept_missing_mark: bool,
}

impl AuditCommand {
    /// Audits every store in the directory.
    ///
    /// # Errors
    /// There is none, or the first that does not hold; and when all hold, those nodes that have no store, and those stores
    /// whose last commits may be lost unseen.
    pub fn run(&self, common: &Common) -> Result<(), Failure> {
        let genesis_path = self.genesis_path(common)?;
        let genesis = genesis_in(&genesis_path)?;
        let mut rows = Vec::new();
        let mut faults = Vec::new();
        for (directory, store) in nodes_under(&self.data_dir) {
            match store {
                Some(store) => rows.push(audit_store(&store, &genesis)?),
                None => faults
                    .push(format!("{}: this node has no store, so nothing of it was audited", directory.display())),
            }
        }
        if rows.is_empty() && faults.is_empty() {
            return Err(Failure::Failed(format!(
                "{}: there is no node's store here; give the data_dir of its configuration",
                self.data_dir.display()
            )));
        }
        self.report(common, &genesis_path, &rows);
        if !self.accept_missing_mark {
            faults.extend(rows.iter().filter_map(unmarked));
        }
        match faults.is_empty() {
            true => Ok(()),
            false => Err(Failure::Failed(faults.join("; "))),
        }
    }

    fn report(&self, common: &Common, genesis_path: &Path, rows: &[Value]) {
        let columns = ["store", "height", "transactions", "transfers", "certificates", "state_entries"];
        print_many(common.output, rows, &columns);
        if common.output != Format::Text || rows.is_empty() {
            return;
        }
        println!("What is there follows from {}.", genesis_path.display());
        for row in rows.iter().filter(|row| row["earliest_block_height"].is_u64()) {
            let (store, begins_at) = (row["store"].as_str().unwrap_or_default(), &row["earliest_block_height"]);
            let vouched = match row["state_is_certified"] == true {
                true => "and its state is the one that the next block's header commits to",
                false => {
                    "and its state is whole; the next block's header, which vouches for it, is not here: compare state_digest with \
                     parent_state_digest of that height"
                }
            };
            println!(
                "{store} has no bodies of blocks below {begins_at}: it was not executed again. What is there of every block is what its \
                 header commits to, {vouched}."
            );
        }
        for row in rows.iter().filter(|_| self.accept_missing_mark) {
            if let (Some(warning), Some(store)) = (row["warning"].as_str(), row["store"].as_str()) {
                say(&format!("Warning: {store}: {warning}"));
            }
        }
        let total = |field: &str| rows.iter().filter_map(|row| row[field].as_f64()).sum::<f64>();
        let (transactions, transfers, seconds) = (total("transactions"), total("transfers"), total("seconds"));
        let cores = rows[0]["cores"].as_f64().unwrap_or(1.0);
        if rows.iter().any(|row| row["earliest_block_height"].is_u64()) {
            return;
        }
        println!(
            "{} verified and executed again in {seconds:.1} s, which made {}: {:.0} transactions and {:.0} transfers a second, on {}.",
            counted(transactions, "transaction"),
            counted(transfers, "transfer"),
            transactions / seconds,
            transfers / seconds,
            counted(cores, "core")
        );
    }

    fn genesis_path(&self, common: &Common) -> Result<PathBuf, Failure> {
        if let Some(path) = &common.genesis {
            return Ok(path.clone());
        }
        let whole = self.data_dir.canonicalize().map_err(|cause| Failure::file(&self.data_dir, &cause))?;
        let found =
            whole.ancestors().take(LEVELS_MAX).map(|level| level.join("genesis.json")).find(|path| path.exists());
        found.ok_or_else(|| {
            Failure::Usage("there is no genesis.json in the directory or above it: name it with --genesis".to_owned())
        })
    }
}

/// A count with what it is of. A transaction may make no transfer of tokens from one account to another, or many.
fn counted(count: f64, what: &str) -> String {
    let plural = if count == 1.0 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// The nodes that a directory has, each with its store if it has one: one node, or a network's.
fn nodes_under(directory: &Path) -> Vec<(PathBuf, Option<PathBuf>)> {
    let of_node =
        |node: &Path| [node.join("store"), node.join("data").join("store")].into_iter().find(|at| at.is_dir());
    if let Some(store) = of_node(directory) {
        return vec![(directory.to_path_buf(), Some(store))];
    }
    let entries = std::fs::read_dir(directory.join("nodes")).into_iter().flatten().flatten();
    let mut nodes: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    nodes.sort();
    nodes.into_iter().map(|node| (of_node(&node), node)).map(|(store, node)| (node, store)).collect()
}

/// Why a store that passed is no proof that everything acknowledged is there.
fn unmarked(row: &Value) -> Option<String> {
    let (warning, store) = (row["warning"].as_str()?, row["store"].as_str()?);
    Some(format!("{store}: {warning}; then --accept-missing-mark takes it as it is"))
}

fn audit_store(place: &Path, genesis: &Genesis) -> Result<Value, Failure> {
    // Some causes name the store themselves.
    let failed = |cause: &dyn std::fmt::Display| {
        let (place, cause) = (place.display().to_string(), cause.to_string());
        Failure::Failed(if cause.contains(&place) { cause } else { format!("{place}: {cause}") })
    };
    let store = RocksStore::open_read_only(place, &genesis.chain_id()).map_err(|error| failed(&error))?;
    let mut randomness = Randomness::seeded().map_err(|error| failed(&error))?;
    let bar = bar_of_blocks();
    let cores = std::thread::available_parallelism().unwrap_or(std::num::NonZero::<usize>::MIN);
    let strategy = Rayon::new(cores).map_err(|error| failed(&error))?;
    let started = Instant::now();
    let progress = |height, last| {
        bar.set_length(last);
        bar.set_position(height);
    };
    if audit::begins_at(&store).map_err(|error| failed(&advice(&error)))? > 1 {
        let height = audit::applied_height(&store).map_err(|error| failed(&advice(&error)))?;
        let next = snapshot::proof(&store, height).map_err(|error| failed(&error))?;
        let verified = audit::verify(&store, genesis, next.as_ref(), &strategy, &mut randomness, progress);
        bar.finish_and_clear();
        let verified = verified.map_err(|error| failed(&advice(&error)))?;
        return Ok(row_of_verified(place, &store, &verified, started.elapsed().as_secs_f64(), cores.get()));
    }
    let audited = audit::audit(&store, genesis, &strategy, &mut randomness, progress);
    bar.finish_and_clear();
    let AuditReport { height, head, transactions, transfers, certificates, state_entries, state_digest } =
        audited.map_err(|error| failed(&advice(&error)))?;
    let seconds = started.elapsed().as_secs_f64();
    let per_second = transfers as f64 / seconds;
    Ok(json!({
        "warning": warning_of(&store),
        "store": place,
        "height": height,
        "head": head.to_string(),
        "transactions": transactions,
        "transfers": transfers,
        "seconds": seconds,
        "cores": cores,
        "transfers_per_second": per_second,
        "transfers_per_second_and_core": per_second / cores.get() as f64,
        "certificates": certificates,
        "state_entries": state_entries,
        "state_digest": state_digest.to_string(),
    }))
}

/// A store that does not begin at the genesis: held to a certified header, and not executed again.
fn row_of_verified(place: &Path, store: &RocksStore, report: &ProvenReport, seconds: f64, cores: usize) -> Value {
    json!({
        "warning": warning_of(store),
        "store": place,
        "height": report.height,
        "head": report.head.to_string(),
        "earliest_block_height": report.begins_at,
        "transactions": report.transactions,
        "seconds": seconds,
        "cores": cores,
        "certificates": report.certificates,
        "state_entries": report.state_entries,
        "state_digest": report.state_digest.to_string(),
        "state_is_certified": report.is_certified,
    })
}

/// What is there follows from the genesis; what may have been there after it is another matter.
fn warning_of(store: &RocksStore) -> Option<&'static str> {
    store.lost_its_mark().then_some(
        "the mark of what was acknowledged, ACKNOWLEDGED, is missing: what is there follows from the genesis, and whether \
         the last commits were lost cannot be told. Compare the height with other nodes'",
    )
}

/// What is wrong, and what to do about it.
fn advice(error: &AuditError) -> String {
    match error {
        // Each says itself what to do.
        AuditError::Storage(_) | AuditError::Genesis(_) | AuditError::Empty => error.to_string(),
        AuditError::Block { .. } | AuditError::State { .. } => format!(
            "{error}. If the node runs, stop it and audit again; else do not start it on this data: `causeway rebuild` has \
             it begin anew from its peers"
        ),
    }
}
