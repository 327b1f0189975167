//! `causeway bench`: what a network bears.

use super::bench_chain::ChainCommand;
use super::bench_flood::{FloodCommand, FlooderCommand};
#[cfg(unix)]
use super::peers::PeersCommand;
use crate::bench::{
    self, IssuanceParties, Mix, Network, Nodes, Pace, Parties, Plan, Report, Skew, Via, page, percentiles,
};
use crate::cli::failure::Failure;
use crate::cli::flags::Common;
use crate::cli::output::Format;
use crate::primitives::TokenId;
use crate::sandbox;
use std::path::PathBuf;
use std::time::Duration;

/// `causeway bench`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    causeway bench                                        what this machine's network settles\n  \
    causeway bench --rate 2000 --duration 60              latency at 2,000 payments a second\n  \
    causeway bench --accounts 1000000 --skew zipf:1.0     a million accounts, some much busier\n  \
    causeway bench --rate 500 --report run.html           a page with charts of the run\n  \
    causeway bench --endpoint http://10.0.0.2:7400 --institution participants/bank\n                                                        \
    a network that runs already")]
#[command(args_conflicts_with_subcommands = true)]
pub struct BenchCommand {
    #[command(flatten)]
    load: LoadArguments,
    /// Keep the latencies in this file, as the percentiles that HdrHistogram's plotters read (.hgrm).
    #[arg(long, value_name = "FILE", help_heading = "Results")]
    histogram: Option<PathBuf>,
    /// Write a page with charts of the run, in HTML.
    #[arg(long = "report", value_name = "FILE", help_heading = "Results")]
    page: Option<PathBuf>,
    #[command(subcommand)]
    other: Option<Other>,
}

/// What else is measured.
#[derive(Debug, clap::Subcommand)]
enum Other {
    /// Measures PostgreSQL, the signatures alone and the disk alone beside it, in alternating rounds.
    #[cfg(unix)]
    Peers(Box<PeersCommand>),
    /// Measures what a transfer costs a node as the chain and the ledger grow, without a network.
    Chain(ChainCommand),
    /// Measures the latency of payments while another client floods the node that they are sent to.
    Flood(FloodCommand),
    #[command(hide = true)]
    Flooder(FlooderCommand),
}

/// What to load, and how.
#[derive(Debug, clap::Args)]
pub struct LoadArguments {
    /// How many validators to start, each a process of its own.
    #[arg(long, default_value_t = 4, help_heading = "Network")]
    validators: usize,
    /// Where they keep their stores, and leave them; a temporary directory if nothing is said.
    #[arg(long, value_name = "DIR", conflicts_with = "institution", help_heading = "Network")]
    data_dir: Option<PathBuf>,
    /// Load the network of --endpoint instead. The institution of this participant's directory opens and funds the accounts.
    #[arg(long, value_name = "DIR", help_heading = "Network")]
    institution: Option<PathBuf>,
    /// Where the institution has too little: who attests reserves.
    #[arg(long, value_name = "DIR", requires_all = ["institution", "maker", "checker"], help_heading = "Network")]
    custodian: Option<PathBuf>,
    /// Where the institution has too little: who requests an issuance.
    #[arg(long, value_name = "DIR", requires = "custodian", help_heading = "Network")]
    maker: Option<PathBuf>,
    /// Where the institution has too little: who approves it.
    #[arg(long, value_name = "DIR", requires = "custodian", help_heading = "Network")]
    checker: Option<PathBuf>,
    /// The token that is paid in on a network that runs already.
    #[arg(long, value_name = "TOKEN", requires = "institution", default_value = "HKDX", help_heading = "Network")]
    token: TokenId,

    /// How many accounts pay each other.
    #[arg(long, value_name = "N", default_value_t = 10_000, help_heading = "Load")]
    accounts: u64,
    /// Closed loop: so many transactions are under way at once, and the next is sent when one is answered [default: 2048]
    #[arg(long, value_name = "N", conflicts_with = "rate", help_heading = "Load")]
    concurrency: Option<usize>,
    /// Open loop: so many transactions a second by a schedule that waits for nobody.
    #[arg(long, value_name = "N", help_heading = "Load")]
    rate: Option<f64>,
    /// How long, in seconds.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds, help_heading = "Load")]
    duration: Duration,
    /// By which call: 'stream', or 'unary' (a call and a receipt for each).
    #[arg(long, value_name = "CALL", default_value = "stream", value_parser = ["stream", "unary"], help_heading = "Load")]
    via: String,
    /// Most transactions in a message of a stream.
    #[arg(long, value_name = "N", default_value_t = 256, help_heading = "Load")]
    batch: usize,
    /// To which nodes: 'all' in equal shares, or the 'first'.
    #[arg(long, value_name = "NODES", default_value = "all", value_parser = ["all", "first"], help_heading = "Load")]
    nodes: String,
    /// Who pays whom: 'uniform', 'zipf:S' (Zipf's law with exponent S), or 'hot' (half of the payments go to one merchant).
    #[arg(long, value_name = "LAW", default_value = "uniform", value_parser = skew, help_heading = "Load")]
    skew: Skew,
    /// What a transaction is: 'transfers' (one transfer), 'multi-leg:N' (N transfers, all or none), or 'financing' (a step in an
    /// invoice's life: registered, confirmed, financed, paid).
    #[arg(long, value_name = "MIX", default_value = "transfers", value_parser = mix, help_heading = "Load")]
    mix: Mix,
    /// How many transactions to sign before the clock starts; by default what the rate takes, or 10,000 transfers a second, and 30,000
    /// with one validator of the run's own.
    #[arg(long, value_name = "N", help_heading = "Load")]
    transactions: Option<usize>,
    /// From which keys and payments are derived: the same seed loads the same. A network that runs already takes each seed
    /// once [default: 1, or by chance for a network that runs already]
    #[arg(long, value_name = "N", help_heading = "Load")]
    seed: Option<u64>,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| format!("'{text}' is no number of seconds"))?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

pub(super) fn skew(text: &str) -> Result<Skew, String> {
    let unknown = || format!("'{text}' is not uniform, zipf:S or hot");
    match text.split_once(':') {
        None if text == "uniform" => Ok(Skew::Uniform),
        None if text == "hot" => Ok(Skew::Hot),
        Some(("zipf", exponent)) => exponent.parse().map(|exponent| Skew::Zipf { exponent }).map_err(|_| unknown()),
        _ => Err(unknown()),
    }
}

fn mix(text: &str) -> Result<Mix, String> {
    let unknown = || format!("'{text}' is not transfers, multi-leg:N or financing");
    match text.split_once(':') {
        None if text == "transfers" => Ok(Mix::Transfers),
        None if text == "financing" => Ok(Mix::Financing),
        Some(("multi-leg", legs)) => legs.parse().map(|legs| Mix::MultiLeg { legs }).map_err(|_| unknown()),
        _ => Err(unknown()),
    }
}

impl LoadArguments {
    /// The plan that they make.
    ///
    /// # Errors
    /// A network is named, and nobody who opens accounts there.
    pub fn plan(self, common: &Common) -> Result<Plan, Failure> {
        let network = match self.institution {
            Some(institution) => {
                if common.endpoint.is_empty() {
                    return Err(Failure::Usage(
                        "--institution is of a network that runs: name it with --endpoint".into(),
                    ));
                }
                let issuance = self.custodian.zip(self.maker).zip(self.checker);
                let issuance =
                    issuance.map(|((custodian, maker), checker)| IssuanceParties { custodian, maker, checker });
                let parties = Box::new(Parties { institution, token: self.token, issuance });
                Network::Running { endpoints: common.endpoint.clone(), tls: common.tls()?, parties }
            }
            // A network that the environment names is not loaded by accident.
            None if !common.endpoint.is_empty() => {
                let why = "--endpoint (or CAUSEWAY_ENDPOINT) names a network that runs: say with --institution DIR who \
                           opens accounts there, or name none to start validators here";
                return Err(Failure::Usage(why.into()));
            }
            None => Network::Own { validators: self.validators, directory: self.data_dir },
        };
        let by_chance = || -> Result<u64, Failure> {
            let mut seed = [0; 8];
            getrandom::fill(&mut seed).map_err(|error| Failure::Failed(error.to_string()))?;
            Ok(u64::from_be_bytes(seed))
        };
        let seed = match (&network, self.seed) {
            (_, Some(seed)) => seed,
            (Network::Own { .. }, None) => Plan::default().seed,
            (Network::Running { .. }, None) => by_chance()?,
        };
        let closed = Pace::Closed { concurrency: self.concurrency.unwrap_or(2_048) };
        Ok(Plan {
            network,
            accounts: self.accounts,
            pace: self.rate.map_or(closed, |rate| Pace::Open { rate }),
            via: if self.via == "unary" { Via::Unary } else { Via::Stream { batch: self.batch } },
            nodes: if self.nodes == "first" { Nodes::First } else { Nodes::All },
            skew: self.skew,
            mix: self.mix,
            duration: self.duration,
            transactions: self.transactions,
            seed,
        })
    }
}

impl BenchCommand {
    /// Does it.
    ///
    /// # Errors
    /// There is no result, or the check found something wrong: one line that says which.
    pub async fn run(self, common: &Common) -> Result<(), Failure> {
        match self.other {
            #[cfg(unix)]
            Some(Other::Peers(command)) => return command.run(common).await,
            Some(Other::Chain(command)) => return command.run(common).await,
            Some(Other::Flood(command)) => return command.run(common).await,
            Some(Other::Flooder(command)) => return command.run(common).await,
            None => {}
        }
        let plan = self.load.plan(common)?;
        // A file that cannot be written is better known before the run than after it.
        [&self.histogram, &self.page].into_iter().try_for_each(|file| keep(file.clone(), String::new))?;
        let interrupted = sandbox::interruption()?;
        let report = tokio::select! {
            biased;
            () = interrupted => return Err(Failure::Failed("interrupted; nothing was measured".into())),
            report = bench::load::run(&plan) => report?,
        };
        print(common.output, &report)?;
        keep(self.histogram, || percentiles::hgrm(&report.latencies))?;
        keep(self.page, || page::html(&report))?;
        match report.failures.is_empty() {
            true => Ok(()),
            false => Err(Failure::Failed(format!("the check failed: {}", report.failures.join("; ")))),
        }
    }
}

/// Writes a file if one was asked for.
fn keep(file: Option<PathBuf>, content: impl FnOnce() -> String) -> Result<(), Failure> {
    let Some(path) = file else { return Ok(()) };
    std::fs::write(&path, content()).map_err(|cause| Failure::file(&path, &cause))
}

fn print(format: Format, report: &Report) -> Result<(), Failure> {
    match format {
        Format::Text => println!("\n{}", report.table()),
        Format::Json => {
            let value = serde_json::to_value(report).map_err(|error| Failure::Failed(error.to_string()))?;
            println!("{value:#}");
        }
    }
    Ok(())
}
