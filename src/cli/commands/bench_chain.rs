//! `causeway bench chain`: what a transfer costs as the chain and the ledger grow.

use super::bench::skew;
use crate::bench::Skew;
use crate::bench::chain::{self, ChainPlan};
use crate::cli::failure::Failure;
use crate::cli::flags::Common;
use crate::cli::output::Format;
use crate::sandbox;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Measures what a transfer costs a node as the chain and the ledger grow, without a network.
///
/// Writes a chain through a node's own execution, committer and store, with real signatures and certificates, and tells for every
/// power of ten of blocks what a transfer took: processor time of the writing thread and of the store's, entries of state,
/// bytes on the disk. Signing and certifying are not in it. `causeway audit` stands by what is in --data-dir afterwards.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    causeway bench chain                                                 a thousand blocks among 10,000 accounts\n  \
    causeway bench chain --data-dir /mnt/a --accounts 10000000 --blocks 0  opens ten million accounts, once\n  \
    causeway bench chain --data-dir /mnt/a --accounts 10000000             and pays among them, as often as is wanted\n  \
    causeway bench chain --data-dir /mnt/b --blocks 1000000 --transfers-per-block 10 --unsynced\n                                                       \
    a long chain; then `causeway audit --data-dir /mnt/b`")]
pub struct ChainCommand {
    /// How many blocks of payments to write.
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    blocks: u64,
    /// How many accounts pay each other.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    accounts: u64,
    /// How many transfers each block has.
    #[arg(long, value_name = "N", default_value_t = 250)]
    transfers_per_block: usize,
    /// How many validators there are; a quorum of them certifies each block.
    #[arg(long, value_name = "N", default_value_t = 4)]
    validators: usize,
    /// How far apart blocks are, in ms of the chain's own time. A request id is remembered for some 70 minutes of it.
    #[arg(long, value_name = "MS", default_value_t = 1_000)]
    block_interval_ms: u64,
    /// Who pays whom: 'uniform', 'zipf:S' (Zipf's law with exponent S), or 'hot' (half of the payments go to one merchant).
    #[arg(long, value_name = "LAW", default_value = "uniform", value_parser = skew)]
    skew: Skew,
    /// Where the chain is kept, and left; a chain that is there, of the same seed, accounts and validators, is gone on with. A
    /// temporary directory if nothing is said.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Do not sync the commits, which a node does: for a long chain in a short time.
    #[arg(long)]
    unsynced: bool,
    /// From which keys and payments are derived. Whoever knows it can sign anything on this chain.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

impl ChainCommand {
    /// Does it.
    ///
    /// # Errors
    /// There is no result: one line that says why.
    pub async fn run(self, common: &Common) -> Result<(), Failure> {
        let plan = ChainPlan {
            directory: self.data_dir,
            blocks: self.blocks,
            accounts: self.accounts,
            transfers_per_block: self.transfers_per_block,
            validators: self.validators,
            block_interval_ms: self.block_interval_ms,
            skew: self.skew,
            synced: !self.unsynced,
            seed: self.seed,
        };
        let interrupted = sandbox::interruption()?;
        let stopped = Arc::new(AtomicBool::new(false));
        let told = stopped.clone();
        let mut running = tokio::task::spawn_blocking(move || chain::run(&plan, &told));
        let ended = tokio::select! {
            biased;
            () = interrupted => {
                // The blocks that are under way end first: a store is left whole.
                stopped.store(true, Ordering::Relaxed);
                let _ = (&mut running).await;
                return Err(Failure::Failed("interrupted; nothing was measured".into()));
            }
            ended = &mut running => ended,
        };
        let report = ended.map_err(|error| Failure::Failed(error.to_string()))??;
        match common.output {
            Format::Text => println!("\n{}", report.table()),
            Format::Json => {
                let value = serde_json::to_value(&report).map_err(|error| Failure::Failed(error.to_string()))?;
                println!("{value:#}");
            }
        }
        Ok(())
    }
}
