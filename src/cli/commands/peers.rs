//! `causeway bench peers`: the network and what it is compared with, on one machine.

use super::bench::LoadArguments;
use crate::bench::peers::{self, PeersPlan};
use crate::cli::failure::Failure;
use crate::cli::flags::Common;
use crate::cli::output::Format;
use crate::sandbox;
use std::path::PathBuf;

/// Measures the network, and in the same rounds what it is to be compared with.
///
/// PostgreSQL in a cluster of its own, synced, reached by a Unix socket: three statements and a commit for each transfer, the same
/// as one function call, and 1,000 transfers looped in one call. The signatures alone, which every validator verifies. The disk
/// alone. Then the network at half of its rate, and idle. Figures are medians of the rounds. Whatever was started is stopped,
/// and what was written is removed, under --data-dir as well. Without PostgreSQL it says how to get it, and goes on.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    causeway bench peers                                  this machine's figures, in a few minutes\n  \
    causeway bench peers --rounds 5 --duration 30         what is worth writing down\n  \
    causeway bench peers --data-dir /mnt/disk             on that disk, PostgreSQL as well")]
pub struct PeersCommand {
    #[command(flatten)]
    load: LoadArguments,
    /// How many rounds: each measures everyone for --duration, one after the other.
    #[arg(long, value_name = "N", default_value_t = 3, help_heading = "Peers")]
    rounds: usize,
    /// Where PostgreSQL's programs are, if neither in PATH nor where Debian and Homebrew put them.
    #[arg(long, value_name = "DIR", help_heading = "Peers")]
    postgres: Option<PathBuf>,
}

impl PeersCommand {
    /// Does it.
    ///
    /// # Errors
    /// There is no comparison, or a check found something wrong: one line that says which.
    pub async fn run(self, common: &Common) -> Result<(), Failure> {
        let plan = PeersPlan { load: self.load.plan(common)?, rounds: self.rounds, postgres: self.postgres };
        let interrupted = sandbox::interruption()?;
        let compared = tokio::select! {
            biased;
            () = interrupted => return Err(Failure::Failed("interrupted; all that was started is stopped".into())),
            compared = peers::run(&plan) => compared?,
        };
        match common.output {
            Format::Text => println!("\n{}", compared.to_text()),
            Format::Json => println!("{:#}", compared.to_json()),
        }
        let failures = compared.failures();
        match failures.is_empty() {
            true => Ok(()),
            false => Err(Failure::Failed(format!("the check failed: {}", failures.join("; ")))),
        }
    }
}
