//! What a flood from one client does to the others: the latency of payments at an even pace, on the idle network and while somebody
//! asks of the same node as much as it gives, in each of the ways that there are.
//!
//! # How
//! Everything is as a load's benchmark has it: validators of the run's own, accounts opened and funded, payments by a schedule
//! that waits for nobody, each a call to the first node that is answered with a receipt, and a check against the blocks. The flood
//! comes from a process of its own at that node. It calls from another address, so it is another client; and it is at the lowest
//! priority (`nice -n 19`), so that on a machine which it shares with the nodes it takes what they leave: what is measured
//! is what nodes do for it, and not what it takes itself to ask.
//!
//! # Invariants
//! * The idle network is measured before the floods and after them; a ratio is to the mean of both.
//! * A flood that did nothing is a failure, and no ratio: what was asked and what came of it is told beside the latency.

mod flooder;

pub use flooder::{FloodCounts, Flooder};

use super::network::{LoadedNetwork, TemporaryDirectory};
use super::progress::note;
use super::{BenchError, Build, IssuanceParties, Mix, Network, Nodes, Pace, Parties, Plan, Report, Skew, Via, load};
use crate::sandbox::plain_table;
use crate::sandbox::testnet::participant_directory;
use comfy_table::CellAlignment;
use serde::Serialize;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

/// Accounts among which the victims pay, and which the flood's lists list.
const ACCOUNTS: u64 = 1_000;
/// Transactions of the financing load that makes what the flood reads: invoices, programmes and loans.
const FINANCING: usize = 640;
/// The address that the flood calls from. On Linux all of 127/8 is this machine.
const FLOOD_FROM: &str = "127.0.0.2";
/// How long a flood may take to begin or to end.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the network rests between two measurements, so that one flood's wake is not the next one's.
const REST: Duration = Duration::from_secs(2);

/// A way to flood a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Flood {
    /// Plain calls, as many as there are answers.
    Calls,
    /// Streams of transactions in another's name whose signatures do not verify.
    Signatures,
    /// Connections, made and dropped, besides as many held as there are places.
    Connections,
    /// Lists, lineages, books, and what could be financed.
    Reads,
    /// Streams and long answers of which nothing is read.
    SlowReaders,
    /// Messages that are begun and go on byte by byte.
    SlowWriters,
}

impl Flood {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Calls, Self::Signatures, Self::Connections, Self::Reads, Self::SlowReaders, Self::SlowWriters];

    /// As whom it acts: the payers' bank, in whose name it forges; else somebody who sees everything, and whose places for streams
    /// are not the payers' bank's.
    fn acts_as(self) -> &'static str {
        match self {
            Self::Signatures => "bank-east",
            Self::Calls | Self::Connections | Self::Reads | Self::SlowReaders | Self::SlowWriters => "observer",
        }
    }

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::Signatures => "signatures",
            Self::Connections => "connections",
            Self::Reads => "reads",
            Self::SlowReaders => "slow-readers",
            Self::SlowWriters => "slow-writers",
        }
    }
}

/// What to measure.
#[derive(Clone, Debug)]
pub struct FloodPlan {
    /// How many validators to start.
    pub validators: usize,
    /// The victims' payments in a second.
    pub rate: f64,
    /// How long each measurement takes.
    pub duration: Duration,
    /// Which floods, in this order.
    pub floods: Vec<Flood>,
    /// From which keys and payments are derived.
    pub seed: u64,
}

/// The victims' latency in one condition.
#[derive(Clone, Debug, Serialize)]
pub struct Condition {
    /// `idle before`, `idle after`, or the flood's name.
    pub condition: String,
    /// Payments that were acknowledged.
    pub payments: u64,
    /// Payments that a node refused, or of which nobody said what became of them.
    pub failed: u64,
    /// The median from a payment's intended sending to its receipt, in ms.
    pub p50_ms: f64,
    /// What 99 in 100 stay within.
    pub p99_ms: f64,
    /// The median by that of the idle network; none for the idle network itself.
    pub p50_ratio: Option<f64>,
    /// The same of what 99 in 100 stay within.
    pub p99_ratio: Option<f64>,
    /// Processor time of the nodes, in cores.
    pub nodes_cores: Option<f64>,
    /// What the flood asked for and what came of it.
    pub flood: Option<FloodCounts>,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct FloodReport {
    /// How many validators.
    pub validators: usize,
    /// The victims' payments in a second.
    pub rate: f64,
    /// How long each measurement took, in seconds.
    pub seconds: f64,
    /// How this program was built.
    pub build: Build,
    /// Each condition.
    pub conditions: Vec<Condition>,
    /// What the checks found wrong; empty if they passed.
    pub failures: Vec<String>,
}

/// Measures a plan from end to end.
///
/// # Errors
/// There is no result: the network did not start, a flood did not begin, a plan that does not hold together.
pub async fn run(plan: &FloodPlan) -> Result<FloodReport, BenchError> {
    let temporary = TemporaryDirectory::under(&std::env::temp_dir())?;
    let own = Network::Own { validators: plan.validators, directory: Some(temporary.0.clone()) };
    let mut network = LoadedNetwork::enter(&own).await?;
    let target = network.targets(Nodes::First).first().cloned().unwrap_or_default();
    note("making what the floods read");
    let mut failures = load::run(&something_to_read(plan, &network, &temporary.0)).await?.failures;
    let mut conditions = vec![measure(plan, &network, &temporary.0, 1, "idle before").await?];
    for (number, flood) in (2..).zip(&plan.floods) {
        let child = FloodProcess::start(*flood, &target, &participant_directory(&temporary.0, flood.acts_as())).await?;
        let (condition, seen) = measure(plan, &network, &temporary.0, number, flood.name()).await?;
        let counts = child.end().await?;
        if counts.asked == 0 {
            failures.push(format!("the flood of {} did nothing", flood.name()));
        }
        conditions.push((Condition { flood: Some(counts), ..condition }, seen));
        network.check_running()?;
        tokio::time::sleep(REST).await;
    }
    let last = 2 + plan.floods.len() as u64;
    conditions.push(measure(plan, &network, &temporary.0, last, "idle after").await?);
    network.check_running()?;
    let (mut conditions, seen): (Vec<Condition>, Vec<Vec<String>>) = conditions.into_iter().unzip();
    failures.extend(seen.into_iter().flatten());
    set_ratios(&mut conditions);
    Ok(FloodReport {
        validators: plan.validators,
        rate: plan.rate,
        seconds: plan.duration.as_secs_f64(),
        build: Build::this(),
        conditions,
        failures,
    })
}

/// The network as one that runs already, since several loads follow each other on it.
fn running(network: &LoadedNetwork, directory: &Path) -> Network {
    let party = |name: &str| participant_directory(directory, name);
    let (custodian, maker, checker) = (party("custodian"), party("issuer-maker"), party("issuer-checker"));
    let issuance = Some(IssuanceParties { custodian, maker, checker });
    let parties = Box::new(Parties { institution: party("bank-east"), token: network.token, issuance });
    Network::Running { endpoints: network.endpoints().to_vec(), tls: None, parties }
}

fn something_to_read(plan: &FloodPlan, network: &LoadedNetwork, directory: &Path) -> Plan {
    Plan {
        network: running(network, directory),
        accounts: 24,
        pace: Pace::Closed { concurrency: 32 },
        mix: Mix::Financing,
        // It ends when everything is sent.
        duration: Duration::from_secs(600),
        transactions: Some(FINANCING),
        seed: plan.seed.wrapping_add(1 << 32),
        ..Plan::default()
    }
}

/// The victims' payments for as long as the plan says. Each measurement has accounts of its own, by its number.
async fn measure(
    plan: &FloodPlan,
    network: &LoadedNetwork,
    directory: &Path,
    number: u64,
    name: &str,
) -> Result<(Condition, Vec<String>), BenchError> {
    note(&format!("measuring: {name}"));
    let load = Plan {
        network: running(network, directory),
        accounts: ACCOUNTS,
        pace: Pace::Open { rate: plan.rate },
        via: Via::Unary,
        nodes: Nodes::First,
        skew: Skew::Uniform,
        mix: Mix::Transfers,
        duration: plan.duration,
        transactions: None,
        seed: plan.seed.wrapping_add(number),
    };
    let before = network.cpu_time();
    let began = tokio::time::Instant::now();
    let report = load::run(&load).await?;
    // Opening accounts and the check are in it: it tells how busy the nodes were, and no more.
    let spent = network.cpu_time().zip(before).map(|(after, before)| after.saturating_sub(before));
    let cores = spent.map(|spent| spent.as_secs_f64() / began.elapsed().as_secs_f64());
    Ok((condition(name, &report, cores), report.failures.into_iter().map(|found| format!("{name}: {found}")).collect()))
}

fn condition(name: &str, report: &Report, nodes_cores: Option<f64>) -> Condition {
    Condition {
        condition: name.to_owned(),
        payments: report.transactions,
        failed: report.refused + report.unanswered,
        p50_ms: report.finality_ms_p50,
        p99_ms: report.finality_ms_p99,
        p50_ratio: None,
        p99_ratio: None,
        nodes_cores,
        flood: None,
    }
}

/// Sets each flood's ratios to the mean of the idle network's figures.
fn set_ratios(conditions: &mut [Condition]) {
    let mean = |figure: fn(&Condition) -> f64| {
        let idle: Vec<f64> = conditions.iter().filter(|each| each.flood.is_none()).map(figure).collect();
        idle.iter().sum::<f64>() / idle.len().max(1) as f64
    };
    let (p50, p99) = (mean(|each| each.p50_ms), mean(|each| each.p99_ms));
    let by = |figure: f64, idle: f64| (idle > 0.0).then(|| figure / idle);
    for each in conditions.iter_mut().filter(|each| each.flood.is_some()) {
        (each.p50_ratio, each.p99_ratio) = (by(each.p50_ms, p50), by(each.p99_ms, p99));
    }
}

impl FloodReport {
    /// A table for people.
    pub fn table(&self) -> String {
        let mut table = plain_table();
        table.set_header([
            "condition",
            "p50 ms",
            "by idle",
            "p99 ms",
            "by idle",
            "payments",
            "failed",
            "nodes' cores",
            "the flood",
        ]);
        let ratio = |ratio: Option<f64>| ratio.map_or_else(String::new, |ratio| format!("{ratio:.1}"));
        for each in &self.conditions {
            table.add_row([
                each.condition.clone(),
                format!("{:.1}", each.p50_ms),
                ratio(each.p50_ratio),
                format!("{:.1}", each.p99_ms),
                ratio(each.p99_ratio),
                each.payments.to_string(),
                each.failed.to_string(),
                ratio(each.nodes_cores),
                each.flood.as_ref().map_or_else(String::new, FloodCounts::to_string),
            ]);
        }
        for column in 1..8 {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        let Build { profile, cpu_features } = self.build;
        let notes = format!(
            "{} validators; {} payments/s to the flooded node, {} s each; {profile} build, {cpu_features} processor features",
            self.validators, self.rate, self.seconds
        );
        let failures: String = self.failures.iter().map(|found| format!("the check failed: {found}\n")).collect();
        format!("{table}\n\n{notes}\n{failures}")
    }
}

/// A flood in a process of its own. It ends when its standard input does, so it does not outlive this one.
struct FloodProcess {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl FloodProcess {
    async fn start(flood: Flood, endpoint: &str, institution: &Path) -> Result<Self, BenchError> {
        let program = std::env::current_exe().map_err(|error| BenchError::Internal(error.to_string()))?;
        let mut command = Command::new("nice");
        command.args(["-n", "19"]).arg(program).args(["bench", "flooder", flood.name(), "--from", FLOOD_FROM]);
        command.args(["--endpoint", endpoint, "--institution"]).arg(institution);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let cannot = |error: std::io::Error| BenchError::Internal(format!("the flood did not start: {error}"));
        let mut child = command.spawn().map_err(cannot)?;
        let out = child.stdout.take().ok_or_else(|| BenchError::Internal("the flood has no output".to_owned()))?;
        let mut started = Self { child, lines: BufReader::new(out).lines() };
        started.line().await.map(|_| started)
    }

    /// Its next line.
    async fn line(&mut self) -> Result<String, BenchError> {
        let line = timeout(PATIENCE, self.lines.next_line()).await;
        let line = line.ok().and_then(Result::ok).flatten();
        line.ok_or_else(|| BenchError::Internal("the flood ended, or said nothing; it tells why above".to_owned()))
    }

    /// Ends it, and tells what it did.
    async fn end(mut self) -> Result<FloodCounts, BenchError> {
        drop(self.child.stdin.take());
        let told = self.line().await?;
        let _ = timeout(PATIENCE, self.child.wait()).await;
        serde_json::from_str(&told).map_err(|error| BenchError::Internal(format!("the flood said '{told}': {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_to_the_mean_of_the_idle_network() {
        let condition = |name: &str, p50_ms: f64, flood: Option<FloodCounts>| Condition {
            condition: name.to_owned(),
            payments: 1,
            failed: 0,
            p50_ms,
            p99_ms: 2.0 * p50_ms,
            p50_ratio: None,
            p99_ratio: None,
            nodes_cores: None,
            flood,
        };
        let mut conditions = [
            condition("idle before", 10.0, None),
            condition("calls", 30.0, Some(FloodCounts::default())),
            condition("idle after", 20.0, None),
        ];
        set_ratios(&mut conditions);
        assert_eq!(conditions.clone().map(|each| each.p50_ratio), [None, Some(2.0), None]);
        assert_eq!(conditions.map(|each| each.p99_ratio), [None, Some(2.0), None]);
    }
}
