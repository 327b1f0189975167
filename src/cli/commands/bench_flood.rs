//! `causeway bench flood`: what a flood from one client does to the others.

use crate::bench::flood::{self, Flood, FloodPlan, Flooder};
use crate::cli::failure::Failure;
use crate::cli::flags::Common;
use crate::cli::output::Format;
use crate::client::Participant;
use crate::sandbox;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;

/// Measures the latency of payments at an even pace while another client floods the node that they are sent to.
///
/// Starts validators of its own. Measures the idle network, each flood in turn, and the idle network again; each time it checks
/// what was acknowledged against the blocks. The flood is a process of its own at the lowest priority and calls from another address
/// of this machine (127.0.0.2), so it is another client to the nodes. docs/performance.md has what was measured.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    causeway bench flood                                  every flood, half a minute each\n  \
    causeway bench flood --flood reads --duration 60      one of them, for longer")]
pub struct FloodCommand {
    /// How many validators to start, each a process of its own.
    #[arg(long, default_value_t = 4)]
    validators: usize,
    /// The payments in a second whose latency is measured.
    #[arg(long, value_name = "N", default_value_t = 25.0)]
    rate: f64,
    /// How long each measurement takes, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    duration: u64,
    /// Which flood; several for several [default: all]
    #[arg(long = "flood", value_name = "KIND", value_enum)]
    floods: Vec<Flood>,
    /// From which keys and payments are derived.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

impl FloodCommand {
    /// Does it.
    ///
    /// # Errors
    /// There is no result, or a check found something wrong: one line that says which.
    pub async fn run(self, common: &Common) -> Result<(), Failure> {
        if !cfg!(target_os = "linux") {
            let why = "the flood calls from 127.0.0.2, which only Linux has without being told: run it there";
            return Err(Failure::Failed(why.into()));
        }
        let floods = if self.floods.is_empty() { Flood::ALL.to_vec() } else { self.floods };
        let (validators, duration) = (self.validators, Duration::from_secs(self.duration));
        let plan = FloodPlan { validators, rate: self.rate, duration, floods, seed: self.seed };
        let interrupted = sandbox::interruption()?;
        let report = tokio::select! {
            biased;
            () = interrupted => return Err(Failure::Failed("interrupted; nothing was measured".into())),
            report = flood::run(&plan) => report?,
        };
        match common.output {
            Format::Text => println!("\n{}", report.table()),
            Format::Json => {
                let value = serde_json::to_value(&report).map_err(|error| Failure::Failed(error.to_string()))?;
                println!("{value:#}");
            }
        }
        match report.failures.is_empty() {
            true => Ok(()),
            false => Err(Failure::Failed(format!("the check failed: {}", report.failures.join("; ")))),
        }
    }
}

/// Floods a node until its standard input ends: the other half of `causeway bench flood`, which starts it.
#[derive(Debug, clap::Args)]
pub struct FlooderCommand {
    /// How.
    #[arg(value_enum)]
    flood: Flood,
    /// As whom it reads.
    #[arg(long, value_name = "DIR")]
    institution: PathBuf,
    /// The address to call from.
    #[arg(long)]
    from: IpAddr,
}

impl FlooderCommand {
    /// Does it. Prints a line when it begins, and one with what it did when it ends.
    ///
    /// # Errors
    /// No endpoint was named, or the node does not answer.
    pub async fn run(self, common: &Common) -> Result<(), Failure> {
        let missing = || Failure::Usage("say which node to flood: --endpoint URL".into());
        let endpoint = common.endpoint.first().ok_or_else(missing)?;
        let institution = Participant::read(&self.institution)?;
        let flooder = Flooder::at(endpoint, self.from, institution).await?;
        let told = async {
            let mut rest = Vec::new();
            // Whatever ends it, it has ended.
            let _ = tokio::io::stdin().read_to_end(&mut rest).await;
        };
        let tide = flooder.flood(self.flood, || println!("flooding"), told).await?;
        println!("{}", serde_json::to_string(&tide).map_err(|error| Failure::Failed(error.to_string()))?);
        // A read of standard input that is under way would keep the runtime from ending.
        std::process::exit(0);
    }
}
