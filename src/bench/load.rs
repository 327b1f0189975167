//! The load benchmark, from an empty directory to a checked result.

use super::accounts::{Accounts, FUNDS};
use super::checker::{Balances, Chain};
use super::draws::Pairs;
use super::flows::Flows;
use super::lane::{Answered, Lane, LaneResult, Prepared, Transport};
use super::network::LoadedNetwork;
use super::pacer::Pacer;
use super::payments::{Payments, make_all};
use super::progress::{Phase, note};
use super::report::{Build, Report};
use super::tally::Tally;
use super::{BenchError, Mix, Network, Nodes, Pace, Plan, Via, machine};
use crate::client::submission::Fate;
use crate::client::{ClientError, now_ms};
use crate::ledger::limits::{EXPIRY_AHEAD_MS_MAX, OPERATIONS_MAX};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep};

/// What a closed loop is given to send in a second if nothing is said, and to a single validator of one's own: more than those that were
/// measured so far take.
const SUPPLY_PER_SECOND: f64 = 10_000.0;
const SUPPLY_OF_ONE_PER_SECOND: f64 = 30_000.0;
/// How long past the run its transactions hold: preparing, signing and waiting come before and after it.
const EXPIRY_MARGIN_MS: u64 = 2 * 60 * 60 * 1000;
/// Kept below the farthest that an expiry may lie ahead, for the nodes' clocks.
const EXPIRY_AHEAD_MS: u64 = EXPIRY_AHEAD_MS_MAX - 5 * 60 * 1000;
/// Openings, or fundings, that are made before they are sent: the memory that preparing takes.
const WINDOW: u64 = 1_024;
/// How long a window may take to be sent.
const WINDOW_PATIENCE: Duration = Duration::from_secs(60 * 60);
/// Openings, or fundings, under way at once.
const PREPARING: usize = 256;
/// Most transactions of preparing in a message: each has 64 operations.
const PREPARING_BATCH: usize = 64;
/// Most accounts whose balances are all asked for; of more, a sample of so many is.
const BALANCES_MAX: u64 = 100_000;
/// How long a node that is behind is waited for at the end.
const CATCH_UP_PATIENCE: Duration = Duration::from_secs(30);

/// The rule that refuses a request id which another transaction has.
const REQUEST_ID_REUSED: &str = "REQUEST_ID_REUSED";

/// Runs a plan from end to end. What the check found wrong stands in [`Report::failures`].
///
/// # Errors
/// There is no result: the network did not start, an account was not opened, a plan that does not hold together.
pub async fn run(plan: &Plan) -> Result<Report, BenchError> {
    require_sense(plan)?;
    let mut network = LoadedNetwork::enter(&plan.network).await?;
    note(&format!("{} validators serve.", network.validators));
    let started = Instant::now();
    let (accounts, funded_height) = open_and_fund(plan, &network).await?;
    let flows = match plan.mix {
        Mix::Financing => Some(agree_on_flows(plan, &network, &accounts).await?),
        Mix::Transfers | Mix::MultiLeg { .. } => None,
    };
    let prepared_seconds = started.elapsed().as_secs_f64();

    let signing = Instant::now();
    let prepared = Arc::new(sign(plan, &accounts, flows.as_ref()).await?);
    let signed_seconds = signing.elapsed().as_secs_f64();
    let measured = measure(plan, &network, prepared.clone()).await?;
    network.check_running()?;
    let checked = check(&network, (&accounts, funded_height), &prepared, &measured).await?;
    let tally = Tally::of(measured.start, &measured.answered, &prepared)?;
    Ok(report(plan, &network, tally, &measured, checked, (prepared_seconds, signed_seconds)))
}

fn require_sense(plan: &Plan) -> Result<(), BenchError> {
    let refuse = |why: &str| Err(BenchError::Plan(why.to_owned()));
    if plan.accounts < 3 {
        return refuse("a run takes 3 accounts at least, or nobody could pay anybody else");
    }
    if plan.duration.is_zero() || plan.duration.as_millis() as u64 + EXPIRY_MARGIN_MS > EXPIRY_AHEAD_MS {
        return refuse("a run takes more than no time and at most 21 hours: its transactions expire within a day");
    }
    match (plan.pace, plan.via, plan.mix, plan.skew) {
        (Pace::Closed { concurrency: 0 }, ..) => refuse("with no payment under way at once none is ever sent"),
        (Pace::Open { rate }, ..) if !(rate.is_finite() && rate > 0.0) => refuse("the rate must be a number above 0"),
        (_, Via::Stream { batch }, ..) if !(1..=1_024).contains(&batch) => {
            refuse("a message holds 1 to 1024 transactions")
        }
        (_, _, Mix::MultiLeg { legs }, _) if !(1..=OPERATIONS_MAX).contains(&legs) => {
            refuse("a transaction holds 1 to 64 transfers")
        }
        (_, _, Mix::Financing, _) if plan.accounts < 6 => refuse("invoices take 6 accounts at least, two trios"),
        (.., skew) => skew.require_sense(),
    }
}

/// The accounts, and the height at which each of them has its funds.
async fn open_and_fund(plan: &Plan, network: &LoadedNetwork) -> Result<(Accounts, u64), BenchError> {
    let run_ms = plan.duration.as_millis() as u64 + EXPIRY_MARGIN_MS;
    let accounts = Accounts {
        chain_id: network.client.chain_id(),
        institution: network.institution.clone(),
        token: network.token,
        count: plan.accounts,
        seed: plan.seed,
        expires_at_ms: now_ms() + run_ms.min(EXPIRY_AHEAD_MS),
        companies: plan.mix == Mix::Financing,
    };
    network.provide(accounts.funds()?).await?;
    let count = accounts.transactions();
    settle_all(network, "opening accounts, 63 in a transaction", count, |number| accounts.opening(number)).await?;
    let step = "funding accounts, 63 in a transaction";
    let height = settle_all(network, step, count, |number| accounts.funding(number)).await?;
    Ok((accounts, height))
}

/// An answer that should have been another, with what to do about it.
fn explained(fate: &Fate) -> String {
    match fate {
        Fate::Refused { reason, .. } if reason == REQUEST_ID_REUSED => {
            format!("{fate}. This seed was loaded on this ledger before: choose another --seed")
        }
        _ => fate.to_string(),
    }
}

/// Has the trios of a financing load agree on the keys of their invoices.
async fn agree_on_flows<'a>(
    plan: &Plan,
    network: &LoadedNetwork,
    accounts: &'a Accounts,
) -> Result<Flows<'a>, BenchError> {
    let currency = network.client.token(network.token).await?.currency;
    let mut flows = Flows::new(accounts, plan.skew, plan.pace, currency);
    settle_all(network, "agreeing on the keys of invoices", flows.trios(), |trio| flows.agreement(trio)).await?;
    settle_all(network, "publishing the financiers' programmes", flows.trios(), |trio| flows.programme(trio)).await?;
    flows.fetch_citations(&network.reader()).await?;
    Ok(flows)
}

/// Makes, sends and waits for transactions each of which must be applied. Tells the height of the last.
async fn settle_all(
    network: &LoadedNetwork,
    step: &'static str,
    count: u64,
    make: impl Fn(u64) -> Result<Prepared, ClientError> + Sync,
) -> Result<u64, BenchError> {
    let mut height = 0;
    let done = Arc::new(AtomicU64::new(0));
    let phase = Phase::begin(step, Some(count), &done);
    for first in (0..count).step_by(WINDOW as usize) {
        let window = make_all(first..(first + WINDOW).min(count), &AtomicU64::new(0), &make).await?;
        let sent = window.len();
        let load = Load {
            pace: Pace::Closed { concurrency: PREPARING },
            via: Via::Stream { batch: PREPARING_BATCH },
            nodes: Nodes::All,
            prepared: Arc::new(window),
            acknowledged: Arc::new(AtomicU64::new(0)),
        };
        let (_, lanes) = load.put_on(network, WINDOW_PATIENCE).await?;
        let answers = lanes.iter().flat_map(|lane| &lane.answered);
        let applied = answers.clone().filter(|answer| matches!(answer.fate, Fate::Applied { .. })).count();
        if applied < sent {
            let other = answers.clone().map(|answer| &answer.fate).find(|fate| !matches!(fate, Fate::Applied { .. }));
            let broken = lanes.iter().find_map(|lane| lane.broken.clone());
            let found = other.map(explained).or(broken).unwrap_or_else(|| "no answer".to_owned());
            return Err(BenchError::Preparation { step, found });
        }
        height = answers.filter_map(|answer| answer.fate.height()).max().map_or(height, |last| last.max(height));
        done.fetch_add(sent as u64, Ordering::Relaxed);
    }
    phase.end();
    Ok(height)
}

const fn supply_per_second(network: &Network) -> f64 {
    match network {
        Network::Own { validators: 1, .. } => SUPPLY_OF_ONE_PER_SECOND,
        _ => SUPPLY_PER_SECOND,
    }
}

async fn sign(plan: &Plan, accounts: &Accounts, flows: Option<&Flows<'_>>) -> Result<Vec<Prepared>, BenchError> {
    let seconds = plan.duration.as_secs_f64();
    let legs = plan.mix.legs();
    let wanted = match plan.pace {
        Pace::Open { rate } => (rate * seconds).ceil(),
        Pace::Closed { .. } => (supply_per_second(&plan.network) * seconds / legs as f64).ceil(),
    };
    let count = plan.transactions.map_or(wanted as u64, |count| count as u64);
    let payments = Payments { accounts, pairs: Pairs::new(plan.accounts, plan.skew), legs };
    let signed = Arc::new(AtomicU64::new(0));
    let phase = Phase::begin("signing, before the clock starts", Some(count), &signed);
    let prepared = make_all(0..count, &signed, |place| match flows {
        Some(flows) => flows.step(place),
        None => payments.payment(place),
    })
    .await?;
    phase.end();
    Ok(prepared)
}

/// A load to be put on a network.
struct Load {
    pace: Pace,
    via: Via,
    nodes: Nodes,
    prepared: Arc<Vec<Prepared>>,
    acknowledged: Arc<AtomicU64>,
}

impl Load {
    /// Sends everything, or for so long, through a lane for each node, and waits for the answers. Tells when it began.
    async fn put_on(
        &self,
        network: &LoadedNetwork,
        duration: Duration,
    ) -> Result<(Instant, Vec<LaneResult>), BenchError> {
        let targets = network.targets(self.nodes);
        let mut transports = Vec::new();
        for endpoint in targets {
            let client = network.client.of_node(endpoint).await?;
            transports.push(match self.via {
                Via::Stream { batch } => {
                    let (sender, results) = client.submissions().await?;
                    Transport::Stream { sender, results: Box::new(results), batch }
                }
                Via::Unary => Transport::Unary { client: Arc::new(client), calls: JoinSet::new() },
            });
        }
        let (start, lanes, supply) = (Instant::now(), targets.len(), self.prepared.len());
        let end = start + duration;
        let taken = Arc::new(AtomicUsize::new(0));
        let running: Vec<JoinHandle<LaneResult>> = transports
            .into_iter()
            .enumerate()
            .map(|(lane, transport)| {
                let pacer = match self.pace {
                    Pace::Open { rate } => Pacer::open(start, end, supply, rate, (lane, lanes)),
                    Pace::Closed { concurrency } => {
                        // The first lanes take what does not divide.
                        let slots = concurrency / lanes + usize::from(lane < concurrency % lanes);
                        Pacer::closed(start, end, supply, slots, taken.clone())
                    }
                };
                tokio::spawn(Lane::new(pacer, transport, self.prepared.clone(), self.acknowledged.clone()).run())
            })
            .collect();
        let mut results = Vec::new();
        for lane in running {
            results.push(lane.await.map_err(|error| BenchError::Internal(error.to_string()))?);
        }
        Ok((start, results))
    }
}

/// What the clock saw.
struct Measured {
    start: Instant,
    answered: Vec<Answered>,
    unanswered: u64,
    broken: Vec<String>,
    /// The height before the first payment.
    from_height: u64,
    nodes_cpu: Option<Duration>,
    generator_cpu: Option<Duration>,
    disk_bytes: Option<f64>,
    /// Whether everything that was signed was sent before the time was up.
    ran_out: bool,
}

impl Measured {
    /// The height of the last transaction that was acknowledged.
    fn to_height(&self) -> u64 {
        self.answered.iter().filter_map(|answer| answer.fate.height()).max().unwrap_or(self.from_height)
    }
}

async fn measure(plan: &Plan, network: &LoadedNetwork, prepared: Arc<Vec<Prepared>>) -> Result<Measured, BenchError> {
    let supply = prepared.len();
    let from_height = network.client.status().await?.height;
    let disk_before = network.disk_bytes();
    let (nodes_before, own_before) = (network.cpu_time(), machine::cpu_time(std::process::id()));
    let acknowledged = Arc::new(AtomicU64::new(0));
    let phase = Phase::begin("transfers acknowledged", None, &acknowledged);
    let load = Load { pace: plan.pace, via: plan.via, nodes: plan.nodes, prepared, acknowledged };
    let (start, lanes) = load.put_on(network, plan.duration).await?;
    let spent = |after: Option<Duration>, before: Option<Duration>| Some(after?.saturating_sub(before?));
    let nodes_cpu = spent(network.cpu_time(), nodes_before);
    let generator_cpu = spent(machine::cpu_time(std::process::id()), own_before);
    phase.end();
    let disk_bytes = network.disk_bytes().zip(disk_before).map(|(after, before)| (after - before).max(0.0));
    let sent: usize = lanes.iter().map(|lane| lane.answered.len() + lane.unanswered.len()).sum();
    let mut measured = Measured {
        start,
        answered: Vec::new(),
        unanswered: 0,
        broken: Vec::new(),
        from_height,
        nodes_cpu,
        generator_cpu,
        disk_bytes,
        ran_out: matches!(plan.pace, Pace::Closed { .. }) && sent == supply,
    };
    for lane in lanes {
        measured.answered.extend(lane.answered);
        measured.unanswered += lane.unanswered.len() as u64;
        measured.broken.extend(lane.broken);
    }
    Ok(measured)
}

/// What the check found.
struct Checked {
    lost: u64,
    duplicated: u64,
    accounts_checked: u64,
    failures: Vec<String>,
}

async fn check(
    network: &LoadedNetwork,
    (accounts, funded_height): (&Accounts, u64),
    prepared: &[Prepared],
    measured: &Measured,
) -> Result<Checked, BenchError> {
    let (client, token) = (network.reader(), network.token);
    let read = Arc::new(AtomicU64::new(0));
    let phase = Phase::begin("transactions read back from the blocks", None, &read);
    // Unanswered transactions may stand in later blocks than the last that was acknowledged, and move balances too.
    let height = client.status().await?.height.max(measured.to_height());
    // From the moment on at which every balance was known: agreements on invoices move money too.
    let chain = Chain::read(&client, (funded_height, height), token, &read).await?;
    phase.end();
    let verdict = chain.judge(measured.answered.iter().map(|answer| (prepared[answer.index].id, &answer.fate)));

    let step = accounts.count.div_ceil(BALANCES_MAX);
    let asked = Arc::new(AtomicU64::new(0));
    let phase = Phase::begin("balances held against the blocks", Some(accounts.count.div_ceil(step)), &asked);
    let ids = (0..accounts.count).step_by(step as usize).map(|index| accounts.id(index));
    let balances = Balances::check(&client, &chain, ids, (token, FUNDS), &asked).await?;
    phase.end();

    let mut failures = measured.broken.clone();
    failures.extend(verdict.failures());
    let funded = u128::from(FUNDS) * u128::from(accounts.count);
    failures.extend(balances.failures((step == 1).then_some(funded)));
    failures.extend(agree(network, height).await?);
    Ok(Checked { lost: verdict.lost, duplicated: verdict.duplicated, accounts_checked: balances.checked, failures })
}

/// Whether every node has the same block at a height: a header commits to all before it, and to the state.
async fn agree(network: &LoadedNetwork, height: u64) -> Result<Option<String>, BenchError> {
    let mut hashes = std::collections::BTreeSet::new();
    for endpoint in network.endpoints() {
        let client = network.client.of_node(endpoint).await?;
        let deadline = Instant::now() + CATCH_UP_PATIENCE;
        while client.status().await?.height < height {
            if Instant::now() > deadline {
                return Ok(Some(format!("{endpoint} has not reached block {height}")));
            }
            sleep(Duration::from_millis(50)).await;
        }
        hashes.insert(client.block(height).await?.block_hash);
    }
    Ok((hashes.len() > 1).then(|| format!("the nodes have different blocks at height {height}")))
}

fn report(
    plan: &Plan,
    network: &LoadedNetwork,
    tally: Tally,
    measured: &Measured,
    checked: Checked,
    (prepared_seconds, signed_seconds): (f64, f64),
) -> Report {
    let per_transfer = |whole: f64| if tally.transfers == 0 { 0.0 } else { whole / tally.transfers as f64 };
    let us_per_transfer = |spent: Duration| per_transfer(spent.as_secs_f64() * 1e6);
    let per_second = |count: u64| if tally.seconds > 0.0 { count as f64 / tally.seconds } else { 0.0 };
    let blocks = measured.to_height() - measured.from_height;
    Report {
        load: plan.in_words(),
        transfers_per_second: per_second(tally.transfers),
        transactions_per_second: per_second(tally.transactions),
        finality_ms_p50: tally.finality_ms(0.5),
        finality_ms_p90: tally.finality_ms(0.9),
        finality_ms_p99: tally.finality_ms(0.99),
        finality_ms_p999: tally.finality_ms(0.999),
        finality_ms_max: tally.finality_ms(1.0),
        cpu_us_per_transfer: measured.nodes_cpu.map(us_per_transfer),
        generator_cpu_us_per_transfer: measured.generator_cpu.map(us_per_transfer),
        lost: checked.lost,
        duplicated: checked.duplicated,
        transfers: tally.transfers,
        transactions: tally.transactions,
        declined: tally.declined,
        declined_for: tally.declined_for,
        refused: tally.refused,
        refused_for: tally.refused_for,
        unanswered: measured.unanswered,
        ran_out: measured.ran_out,
        seconds: tally.seconds,
        accounts: plan.accounts,
        accounts_checked: checked.accounts_checked,
        validators: network.validators,
        build: Build::this(),
        memory_mib_max: network.memory_mib_max(),
        disk_bytes_per_transfer: measured.disk_bytes.map(per_transfer),
        directory_in_memory: network.directory_in_memory(),
        prepared_seconds,
        signed_seconds,
        blocks,
        transactions_per_block: if blocks == 0 { 0.0 } else { tally.transactions as f64 / blocks as f64 },
        failures: checked.failures,
        latencies: tally.latencies,
        transfers_by_second: tally.transfers_by_second,
    }
}
