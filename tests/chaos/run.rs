//! A plan carried out on processes under load, and the judgement.

use super::checker;
use super::clients::{self, CLIENTS, FUNDS, Market};
use super::disk::SmallDisk;
use super::faults::Faults;
use super::history::History;
use super::ledger::{self, Ledger};
use super::links::Links;
use super::network::Network;
use super::plan::{Ground, Plan};

use causeway::client::Client;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Within this time of being started, a network has its first block.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// Within this time of all nodes running and seeing each other, every transaction has an end and every node has it. Seconds,
/// on a machine of one's own; this is for one that others use too.
const RESOLVED_WITHIN: Duration = Duration::from_secs(180);
const POLL: Duration = Duration::from_millis(100);

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Summary {
    pub transactions: usize,
    pub calls: usize,
    /// Balances that nodes were asked for.
    pub looks: usize,
    pub blocks: usize,
    /// From the end of the last fault until all had its end everywhere.
    pub healed: Duration,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { transactions, calls, looks, blocks, healed } = self;
        write!(f, "{transactions} transactions by {calls} calls, {looks} balances read, {blocks} blocks; ")?;
        write!(f, "whole again {:.1} s after the last fault", healed.as_secs_f64())
    }
}

/// What a run is made on: links and disks, where the plan wants them and the machine allows them.
#[derive(Default)]
pub struct Terrain {
    links: Option<Links>,
    /// What the machine does not allow, in its own words.
    pub missing: Vec<String>,
}

impl Terrain {
    /// What a plan wants.
    pub fn of(plan: &Plan) -> Self {
        let mut terrain = Self::default();
        if plan.ground == Ground::Links {
            match Links::new(plan.validators) {
                Ok(links) if links.has_netem => terrain.links = Some(links),
                Ok(links) => {
                    terrain.missing.push("no netem in this kernel: narrow links instead of slow ones".to_owned());
                    terrain.links = Some(links);
                }
                Err(why) => terrain.missing.push(format!("no network namespaces ({why}): nothing is cut")),
            }
        }
        terrain
    }
}

/// Carries a plan out.
///
/// # Errors
/// What does not hold, with where the logs lie.
pub fn run(plan: &Plan, terrain: &mut Terrain) -> Result<Summary, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut network = Network::new(plan.validators, terrain.links.take());
    for node in network.nodes.iter_mut().filter(|node| plan.fills(node.place)) {
        match SmallDisk::mount(&node.data()) {
            Ok(disk) => node.disk = Some(disk),
            Err(why) => terrain.missing.push(format!("no small disks ({why}): none is filled")),
        }
    }
    terrain.missing.dedup();
    let mut done = Vec::new();
    let judged = runtime.block_on(carry_out(plan, &mut network, &mut done));
    runtime.shutdown_timeout(Duration::from_secs(1));
    match judged {
        Ok(summary) => {
            network.remove();
            Ok(summary)
        }
        Err(why) => {
            let logs = network.directory.join("nodes/*/node.log");
            Err(format!("{why}\nlogs: {}\nuntil then:\n  {}", logs.display(), done.join("\n  ")))
        }
    }
}

async fn carry_out(plan: &Plan, network: &mut Network, done: &mut Vec<String>) -> Result<Summary, String> {
    let mut load = Load::begin(network, plan.seed).await?;
    let mut faults = Faults::default();
    for step in &plan.steps {
        done.push(format!("{:>7.3} s {step:?}", load.market.now().as_secs_f64()));
        faults.carry_out(step, network, &load.market).await?;
        load.goes_on(network)?;
    }
    Faults::heal(network)?;
    load.end(network, History { rebuilt: faults.rebuilt, ..History::default() }).await
}

/// Clients that act while something is done to the nodes, and the judgement of all of them.
pub struct Load {
    pub market: Arc<Market>,
    /// A way to each node alone.
    pub everyone: Vec<Client>,
    /// The first height that is judged.
    first: u64,
    stop: Arc<AtomicBool>,
    acting: JoinSet<History>,
}

impl Load {
    /// Starts all nodes, and the clients.
    pub async fn begin(network: &mut Network, seed: u64) -> Result<Self, String> {
        network.start_all();
        let everyone: Vec<Client> = connect(network).await?;
        await_height(network, &everyone, 1, READY_WITHIN).await?;
        let market = Arc::new(Market::open(network).await.map_err(|error| format!("opening: {error}"))?);
        let first = highest(&everyone).await;
        await_height(network, &everyone, first, READY_WITHIN).await?;
        let (stop, mut acting) = (Arc::new(AtomicBool::new(false)), JoinSet::new());
        (0..CLIENTS).for_each(|me| drop(acting.spawn(clients::act(market.clone(), seed, me, stop.clone()))));
        Ok(Self { market, everyone, first, stop, acting })
    }

    /// Nodes and clients are at work.
    ///
    /// # Errors
    /// Who ended by itself.
    pub fn goes_on(&mut self, network: &mut Network) -> Result<(), String> {
        network.nobody_ended()?;
        match self.acting.try_join_next() {
            None => Ok(()),
            Some(ended) => Err(ended.map_or_else(|panic| panic.to_string(), |_| "a client ended by itself".to_owned())),
        }
    }

    /// Lets every transaction find its end, with all nodes running, and judges what clients saw beside what is known already.
    ///
    /// # Errors
    /// What does not hold.
    pub async fn end(mut self, network: &mut Network, mut history: History) -> Result<Summary, String> {
        let (market, everyone) = (&self.market, &self.everyone);
        let healed = Instant::now();
        self.stop.store(true, Ordering::Relaxed);
        while let Some(seen) = self.acting.join_next().await {
            history.append(seen.map_err(|panic| panic.to_string())?);
        }
        market.resolve(&mut history, RESOLVED_WITHIN).await?;
        let last = highest(everyone).await;
        await_height(network, everyone, last, RESOLVED_WITHIN).await?;
        let healed = healed.elapsed();

        let ledgers = read(market, network.nodes.len(), (self.first, last)).await;
        let ledgers = ledgers.map_err(|error| format!("reading: {error}"))?;
        let violations = checker::violations(&history, &ledgers, CLIENTS, FUNDS);
        if !violations.is_empty() {
            return Err(violations.join("\n"));
        }
        logs_are_clear(network)?;
        Ok(Summary {
            transactions: history.deeds.len(),
            calls: history.deeds.iter().map(|deed| deed.tries.len()).sum(),
            looks: history.looks.len(),
            blocks: ledgers[0].blocks.len(),
            healed,
        })
    }
}

/// A way to each node alone.
pub async fn connect(network: &mut Network) -> Result<Vec<Client>, String> {
    let deadline = Instant::now() + READY_WITHIN;
    let mut everyone = Vec::new();
    while let Some(node) = network.nodes.get(everyone.len()) {
        match Client::connect(&[&node.endpoint], Some(network.chain_id())).await {
            Ok(client) => everyone.push(client),
            Err(error) if Instant::now() > deadline => return Err(format!("node {}: {error}", node.place)),
            Err(_) => tokio::time::sleep(POLL).await,
        }
        network.nobody_ended()?;
    }
    Ok(everyone)
}

/// Waits until every node has applied a height.
pub async fn await_height(
    network: &mut Network,
    everyone: &[Client],
    height: u64,
    within: Duration,
) -> Result<(), String> {
    let deadline = Instant::now() + within;
    for (place, client) in everyone.iter().enumerate() {
        loop {
            let said = client.status().await;
            if said.as_ref().is_ok_and(|status| status.height >= height) {
                break;
            }
            if Instant::now() > deadline {
                let said = said.map(|status| status.height);
                return Err(format!("node {place} is not at height {height} within {within:?}: {said:?}"));
            }
            network.nobody_ended()?;
            tokio::time::sleep(POLL).await;
        }
    }
    Ok(())
}

pub async fn highest(everyone: &[Client]) -> u64 {
    let mut highest = 0;
    for client in everyone {
        highest = client.status().await.map_or(highest, |status| status.height.max(highest));
    }
    highest
}

/// Whatever happened, every line of every log is one of the node's: no trace of a panic, and nothing that is said in two.
fn logs_are_clear(network: &Network) -> Result<(), String> {
    let is_clear = |line: &&str| line.starts_with("20") || line.starts_with("causeway: ") || line.is_empty();
    for node in &network.nodes {
        let log = std::fs::read_to_string(node.log_path()).unwrap_or_default();
        if let Some(line) = log.lines().find(|line| !is_clear(line)) {
            return Err(format!("node {} says what is no line of a log: {line}", node.place));
        }
    }
    Ok(())
}

/// What every node says of the blocks in between, and what everyone has.
async fn read(market: &Market, nodes: usize, range: (u64, u64)) -> Result<Vec<Ledger>, causeway::client::ClientError> {
    let mut ledgers = Vec::new();
    for node in 0..nodes {
        let mut ledger = ledger::read(node, &market.observing(node), range, market.token).await?;
        for account in 0..market.accounts.len() {
            let (_, available) = market.balance(account, node).await?;
            ledger.balances.push(available);
        }
        ledgers.push(ledger);
    }
    Ok(ledgers)
}
