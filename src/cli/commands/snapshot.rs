//! `causeway snapshot`: a node's data as a directory that others begin from, and that is a backup.

use super::receipts::read_genesis;
use crate::cli::failure::Failure;
use crate::cli::flags::{Common, genesis_in};
use crate::cli::output::{Format, bar_of_blocks, print_one};
use crate::client::Client;
use crate::daemon::snapshots::{self, SnapshotError, Taken, Wanted};
use crate::ledger::Header;
use crate::node::Config;
use crate::primitives::{ChainId, Decode as _};
use bytes::Bytes;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Takes, verifies and restores snapshots.
#[derive(Debug, clap::Subcommand)]
pub enum SnapshotCommand {
    /// Takes a snapshot of a node, which goes on meanwhile.
    ///
    /// Asks the node at the socket in its data directory, so it must run as the node's own user. A node that is stopped is copied
    /// as it is; then --endpoint names another that has the block after its last.
    Take {
        /// The node's configuration.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Where it is to be: a directory that is not there yet. On the data directory's file system it is made of links.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Leave out the bodies of blocks that no node needs to begin: smaller, and every receipt can still be had from it.
        #[arg(long)]
        without_bodies: bool,
    },
    /// Verifies a snapshot offline, with the genesis file (--genesis) and nothing else.
    Verify {
        /// The snapshot.
        #[arg(value_name = "DIR")]
        snapshot: PathBuf,
    },
    /// Verifies a snapshot and makes it the data of a node that has none.
    ///
    /// Stop the node first, and start it afterwards: it fetches what came since from its peers. A node whose data is damaged is
    /// readied for it by `causeway rebuild`. Journals of votes are neither brought nor touched.
    Restore {
        /// The snapshot.
        #[arg(value_name = "DIR")]
        snapshot: PathBuf,
        /// The node's configuration.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
}

impl SnapshotCommand {
    /// Does it.
    ///
    /// # Errors
    /// What is wrong, in one line.
    pub fn run(&self, common: &Common) -> Result<(), Failure> {
        match self {
            Self::Take { config, out, without_bodies } => take(common, config, out, !without_bodies),
            Self::Verify { snapshot } => verify(common, snapshot),
            Self::Restore { snapshot, config } => restore(common, snapshot, config),
        }
    }
}

fn take(common: &Common, config: &Path, out: &Path, with_bodies: bool) -> Result<(), Failure> {
    let config = Config::load(config, std::env::vars())?;
    let wanted = Wanted { place: std::path::absolute(out)?, with_bodies };
    let taken = match snapshots::ask(&config.data_dir, &wanted)? {
        Some(taken) => taken,
        None => {
            let genesis = genesis_in(&config.genesis)?;
            let chain = genesis.chain_id();
            let fetch =
                |height| fetch(common, chain, height).map_err(|failure| SnapshotError::Refused(failure.to_string()));
            snapshots::take_of_stopped(&config.data_dir.join("store"), chain, &wanted, fetch)?
        }
    };
    let Taken { place, height, head, bytes, took_ms } = taken;
    let value = json!({ "snapshot": place, "height": height, "head": head, "bytes": bytes, "took_ms": took_ms });
    print_one(common.output, &value);
    if common.output == Format::Text {
        println!(
            "\nBefore anyone relies on it: causeway snapshot verify {} --genesis {}",
            place.display(),
            config.genesis.display()
        );
    }
    Ok(())
}

/// A block's header and certificate as another node has them. Nothing of it is believed: whoever verifies the snapshot does.
fn fetch(common: &Common, chain: ChainId, height: u64) -> Result<Option<(Header, Bytes)>, Failure> {
    if common.endpoint.is_empty() {
        return Ok(None);
    }
    let tls = common.tls()?;
    let block = tokio::runtime::Runtime::new()?.block_on(async {
        let client = Client::connect_over(tls, &common.endpoint, Some(chain)).await?;
        client.block(height).await
    })?;
    let header = Header::from_bytes(&block.header)
        .map_err(|cause| Failure::Failed(format!("the node answered with a header that is none: {cause}")))?;
    Ok((!block.certificate.is_empty()).then_some((header, block.certificate)))
}

fn verify(common: &Common, snapshot: &Path) -> Result<(), Failure> {
    let genesis = read_genesis(common)?;
    let started = Instant::now();
    let bar = bar_of_blocks();
    let verified = snapshots::verify(snapshot, &genesis, |height, last| {
        bar.set_length(last);
        bar.set_position(height);
    });
    bar.finish_and_clear();
    let verified = verified?;
    let report = verified.report;
    print_one(
        common.output,
        &json!({
            "verified": true,
            "snapshot": snapshot,
            "height": report.height,
            "head": report.head.to_string(),
            "state_entries": report.state_entries,
            "state_digest": report.state_digest.to_string(),
            "transactions": report.transactions,
            "certificates": report.certificates,
            "earliest_block_height": report.begins_at,
            "seconds": started.elapsed().as_secs_f64(),
        }),
    );
    Ok(())
}

fn restore(common: &Common, snapshot: &Path, config_path: &Path) -> Result<(), Failure> {
    let config = Config::load(config_path, std::env::vars())?;
    let genesis = genesis_in(&config.genesis)?;
    let started = Instant::now();
    let bar = bar_of_blocks();
    let restored = snapshots::restore(snapshot, &config, &genesis, |height, last| {
        bar.set_length(last);
        bar.set_position(height);
    });
    bar.finish_and_clear();
    let restored = restored?;
    print_one(
        common.output,
        &json!({
            "restored": config.data_dir.join("store"),
            "height": restored.report.height,
            "state_digest": restored.report.state_digest.to_string(),
            "begins_at": restored.floor,
            "earliest_block_height": restored.report.begins_at,
            "keeps_vote": restored.keeps_vote,
            "seconds": started.elapsed().as_secs_f64(),
        }),
    );
    if common.output == Format::Text {
        let then = match (restored.keeps_vote, config.key.never_voted.exists()) {
            (true, _) => "It votes again where its journals end.",
            (false, true) => "Its key never voted: it votes as soon as it is a validator's.",
            (false, false) => "It follows. It cannot vote, since the journals of its votes are not here.",
        };
        println!("\nStart the node: causeway node --config {}. {then}", config_path.display());
    }
    Ok(())
}
