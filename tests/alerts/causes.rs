//! What brings alerts about: four processes that are stopped, killed, filled, misled and upgraded by halves, watched meanwhile; and in the
//! simulation a validator that lies.

use super::{CAUSES, Ground, Watch};
use crate::chaos::clients::Market;
use crate::chaos::disk::SmallDisk;
use crate::chaos::network::{Network, Node, party};
use crate::chaos::{run, turn};
use crate::sandbox::programs::{json, text};
use crate::simulation::cluster::{Cluster, Shape};
use crate::simulation::simulate;
use causeway::client::operations::{self, AssetClass, Operation, Remittance, ReserveAsset};
use causeway::client::{Client, Participant, Reader, TransactionBuilder, now_ms};
use causeway::ledger::protocol::PROTOCOL_VERSION_MAX;
use causeway::ledger::{Column, SignedTransaction};
use causeway::primitives::{Amount, Hash};
use std::collections::BTreeSet;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Within this time of its cause an alert holds, and of its cause's end no more. Seconds, on a machine of one's own.
const PATIENCE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(200);
/// How long a node may take to answer a scrape.
const SCRAPE_TIME_MAX: Duration = Duration::from_secs(1);
/// How many transactions may wait at a node.
const POOL: usize = 20;
/// Who sends besides the customers of one bank: each is an institution of its own.
const INSTITUTIONS: [&str; 8] =
    ["issuer", "usd-issuer", "custodian", "bank-west", "governance", "auditor", "observer", "operator"];
/// How many blocks a node is behind: more than the alert asks for.
const BEHIND: u64 = 60;
/// How long payments wait before the validators go on.
const WAITED_FOR: Duration = Duration::from_secs(4);
const TEN_DAYS_MS: u64 = 10 * 24 * 60 * 60 * 1_000;
/// The node that is upgraded late, and loses its vote and its disk.
const POOR: usize = 3;
/// The node that falls behind.
const SLOW: usize = 2;

#[test]
fn every_alert_holds_once_its_cause_is_there() {
    let _turn = turn();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut network = Network::new(4, None);
    let mut drill = Drill { watch: Watch::new(), skipped: Vec::new() };
    match runtime.block_on(drill.go_through(&mut network)) {
        Ok(()) => network.remove(),
        Err(why) => panic!("{why}\nlogs: {}", network.directory.join("nodes/*/node.log").display()),
    }
    let mut log = io::stderr();
    drill.skipped.iter().for_each(|(alert, why)| writeln!(log, "{alert}: not brought about: {why}").unwrap());
    let done: BTreeSet<&str> =
        drill.watch.caused.iter().copied().chain(drill.skipped.iter().map(|(alert, _)| *alert)).collect();
    let due: BTreeSet<&str> =
        CAUSES.iter().filter(|(_, ground, _)| *ground != Ground::Simulation).map(|(alert, ..)| *alert).collect();
    assert_eq!(done, due, "alerts that were brought about, and those that must be");
}

struct Drill {
    watch: Watch,
    /// What this machine does not allow.
    skipped: Vec<(&'static str, String)>,
}

impl Drill {
    async fn go_through(&mut self, network: &mut Network) -> Result<(), String> {
        for node in &mut network.nodes {
            let config = node.directory.join("node.toml");
            let own = std::fs::read_to_string(&config).unwrap();
            let small = own.replace("pool_transactions = 50000", &format!("pool_transactions = {POOL}"));
            assert_ne!(own, small, "a configuration says how many transactions may wait");
            std::fs::write(config, small).unwrap();
            node.protocol_version_max = if node.place == POOR { 0 } else { PROTOCOL_VERSION_MAX + 1 };
        }
        network.start_all();
        let everyone = run::connect(network).await?;
        run::await_height(network, &everyone, 1, PATIENCE).await?;
        let market = Market::open(network).await.map_err(|error| error.to_string())?;
        self.nothing_holds(network).await?;
        self.another_program(network).await?;
        self.an_upgrade_by_halves(network).await?;
        self.a_shortfall(network, &market).await?;
        self.too_few(network, &everyone, &market).await?;
        self.a_lost_vote(network).await?;
        self.days_go_by(network, &everyone, &market).await?;
        self.a_small_disk(network).await
    }

    /// Whole, none holds but those on this machine's own disk.
    async fn nothing_holds(&mut self, network: &mut Network) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.scrape(network);
            let mut holding = self.watch.holding();
            holding.retain(|alert| !alert.starts_with("CausewayDisk"));
            if holding.is_empty() {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!("nothing is wrong, and these hold: {holding:?}"));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Nodes that say that they are of the same version, of which one was built from other sources.
    async fn another_program(&mut self, network: &mut Network) -> Result<(), String> {
        let program = network.directory.join("another-causeway");
        write_another_program(&program);
        restart(&mut network.nodes[POOR], |node| node.program = Some(program));
        self.until_holds("CausewayVersionsDiffer", None, network).await?;
        restart(&mut network.nodes[POOR], |node| node.program = None);
        self.until_over("CausewayVersionsDiffer", network).await
    }

    async fn an_upgrade_by_halves(&mut self, network: &mut Network) -> Result<(), String> {
        let version = (PROTOCOL_VERSION_MAX + 1).to_string();
        let govern = |network: &Network, what: &str| {
            let endpoints = network.endpoints();
            let named = endpoints[..POOR].iter().flat_map(|endpoint| ["--endpoint", endpoint]);
            let arguments = ["upgrade", what, &version, "--as", "governance", "--sandbox", text(&network.directory)];
            let decided = json(arguments.into_iter().chain(named).chain(["--output", "json"]));
            assert_eq!(decided["status"], "APPLIED", "{decided}");
        };
        govern(network, "decide");
        self.until_holds("CausewayUpgradeNotInstalled", Some(POOR), network).await?;
        govern(network, "withdraw");
        self.until_over("CausewayUpgradeNotInstalled", network).await
    }

    async fn a_shortfall(&mut self, network: &mut Network, market: &Market) -> Result<(), String> {
        let client = client_of(network).await?;
        let custodian = Participant::read(&party(&network.directory, "custodian")).unwrap();
        let attest = async |units: u64| {
            let market_value = Amount::new(units);
            let cash = ReserveAsset { asset_class: AssetClass::Cash, matures_at_ms: 0, market_value, haircut_bps: 0 };
            apply(&client, &custodian, operations::attest_reserves(market.token, now_ms() - 1, &[cash])).await
        };
        attest(1).await?;
        self.until_holds("CausewayParShortfall", None, network).await?;
        attest(1_000_000).await?;
        self.until_over("CausewayParShortfall", network).await
    }

    /// One of four is stopped and the others go on; two are, and nothing does.
    async fn too_few(&mut self, network: &mut Network, everyone: &[Client], market: &Market) -> Result<(), String> {
        self.fall_behind(network, everyone, market).await?;
        network.nodes[SLOW].pause();
        network.nodes[POOR].pause();
        let waiting_room = crowd(network, market)?;
        for (_, transaction) in &waiting_room {
            everyone[0].submit(transaction).await.map_err(|error| error.to_string())?;
        }
        self.until_holds("CausewayPoolNearlyFull", Some(0), network).await?;
        self.until_holds("CausewayNoFinality", Some(0), network).await?;
        // A node counts how long those wait who ask it for the end: for longer than the alert bears, whatever else happens.
        let mut waiting = JoinSet::new();
        for (who, transaction) in waiting_room {
            let reader = Reader { account: who.account, key: Arc::new(who.key) };
            let client = everyone[0].reading_as(reader).with_patience(PATIENCE);
            waiting.spawn(async move { client.submit_and_wait(&transaction).await.map(|_| ()) });
        }
        tokio::time::sleep(WAITED_FOR).await;
        network.nodes[SLOW].resume();
        network.nodes[POOR].resume();
        while let Some(ended) = waiting.join_next().await {
            ended.map_err(|panic| panic.to_string())?.map_err(|error| format!("a transaction that waited: {error}"))?;
        }
        self.until_holds("CausewaySlowFinality", Some(0), network).await?;
        self.until_over("CausewayPoolNearlyFull", network).await?;
        self.until_over("CausewayNoFinality", network).await?;
        self.until_over("CausewayNoSpareValidator", network).await
    }

    /// The stopped node is asked while it stands still, and answers when it goes on, before it has heard what it missed. Where it was
    /// faster than that, it is stopped again.
    async fn fall_behind(&mut self, network: &mut Network, everyone: &[Client], market: &Market) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        while !self.watch.holds("CausewayNodeLagging", Some(name(SLOW))) {
            if Instant::now() > deadline {
                return Err("the stopped node was never found behind".to_owned());
            }
            network.nodes[SLOW].pause();
            let (since, height) = (Instant::now(), run::highest(&everyone[..1]).await + BEHIND);
            while run::highest(&everyone[..1]).await < height {
                everyone[0].submit_and_wait(&payment(market)?).await.map_err(|error| error.to_string())?;
            }
            println!("{BEHIND} blocks without a validator took {:.1} s", since.elapsed().as_secs_f64());
            self.until_holds("CausewayValidatorSilent", Some(0), network).await?;
            self.until_holds("CausewayNoSpareValidator", Some(0), network).await?;
            for node in network.nodes.iter().filter(|node| node.place != SLOW) {
                self.scrape_one(node, Asked::of(node));
            }
            let asked = Asked::of(&network.nodes[SLOW]);
            network.nodes[SLOW].resume();
            self.scrape_one(&network.nodes[SLOW], asked);
        }
        self.watch.caused.insert("CausewayNodeLagging");
        self.until_over("CausewayNodeLagging", network).await
    }

    /// A validator that is killed, and comes back without the record of its votes.
    async fn a_lost_vote(&mut self, network: &mut Network) -> Result<(), String> {
        network.nodes[POOR].kill();
        self.until_holds("CausewayNodeDown", Some(POOR), network).await?;
        std::fs::remove_dir_all(network.nodes[POOR].data().join("engine")).unwrap();
        network.nodes[POOR].start();
        self.until_holds("CausewayCannotVote", Some(POOR), network).await?;
        self.until_over("CausewayNodeDown", network).await
    }

    async fn days_go_by(&mut self, network: &mut Network, everyone: &[Client], market: &Market) -> Result<(), String> {
        let redemption = operations::request_redemption(market.token, Amount::new(5), Hash([7; 32]));
        let mut draft = TransactionBuilder::new(network.chain_id(), market.accounts[1]).unwrap();
        draft.add(redemption);
        let signed = draft.finish().sign([market.key(1)]).unwrap();
        let settled = everyone[0].submit_and_wait(&signed).await.map_err(|error| error.to_string())?;
        assert!(settled.outcome().is_applied(), "{:?}", settled.outcome().status);
        network.nodes.iter_mut().for_each(Node::stop);
        network.nodes.iter_mut().for_each(|node| node.clock_ahead_ms = TEN_DAYS_MS);
        network.start_all();
        self.until_holds("CausewayClockBehind", None, network).await?;
        self.until_holds("CausewayRedemptionOverdue", Some(0), network).await
    }

    async fn a_small_disk(&mut self, network: &mut Network) -> Result<(), String> {
        let node = &mut network.nodes[POOR];
        node.stop();
        std::fs::remove_dir_all(node.data()).unwrap();
        match SmallDisk::mount(&node.data()) {
            Ok(disk) => node.disk = Some(disk),
            Err(why) => {
                let of_disks = CAUSES.iter().filter(|(_, ground, _)| *ground == Ground::OwnDisk);
                self.skipped.extend(of_disks.map(|(alert, ..)| (*alert, why.clone())));
                return Ok(());
            }
        }
        node.start();
        self.until_holds("CausewayDiskLow", Some(POOR), network).await?;
        self.until_holds("CausewayDiskFull", Some(POOR), network).await
    }

    /// Scrapes until an alert holds, of this node if one is named.
    async fn until_holds(
        &mut self,
        alert: &'static str,
        of: Option<usize>,
        network: &mut Network,
    ) -> Result<(), String> {
        let caused = Instant::now();
        self.until(alert, true, of, network).await?;
        println!("{alert}: holds {:.1} s after its cause", caused.elapsed().as_secs_f64());
        self.watch.caused.insert(alert);
        Ok(())
    }

    async fn until_over(&mut self, alert: &'static str, network: &mut Network) -> Result<(), String> {
        self.until(alert, false, None, network).await
    }

    async fn until(
        &mut self,
        alert: &str,
        holds: bool,
        of: Option<usize>,
        network: &mut Network,
    ) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.scrape(network);
            if self.watch.holds(alert, of.map(name)) == holds {
                return Ok(());
            }
            network.nobody_ended()?;
            if Instant::now() > deadline {
                return Err(format!("{alert}, of {of:?}, holds: {}, and these do: {:?}", !holds, self.watch.holding()));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn scrape(&mut self, network: &Network) {
        // All are asked before any is waited for.
        let asked: Vec<Asked> = network.nodes.iter().map(Asked::of).collect();
        network.nodes.iter().zip(asked).for_each(|(node, asked)| self.scrape_one(node, asked));
    }

    fn scrape_one(&mut self, node: &Node, asked: Asked) {
        let answer = asked.answer();
        let now = now_ms() as f64 / 1_000.0;
        self.watch.samples.take(name(node.place), now, answer.as_deref());
    }
}

/// How an instance is called.
fn name(place: usize) -> &'static str {
    ["node-0", "node-1", "node-2", "node-3", "node-4", "node-5", "node-6"][place]
}

/// A scrape whose request is out, and since when.
struct Asked(Option<TcpStream>, Instant);

impl Asked {
    fn of(node: &Node) -> Self {
        let config = std::fs::read_to_string(node.directory.join("node.toml")).unwrap();
        let config: toml::Table = config.parse().unwrap();
        let address = config["listen"]["metrics"].as_str().unwrap().to_owned();
        let ask = || {
            let mut stream = TcpStream::connect(&address)?;
            write!(stream, "GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
            Ok::<_, io::Error>(stream)
        };
        Self(ask().ok(), Instant::now())
    }

    fn answer(self) -> Option<String> {
        let (mut stream, mut answer) = (self.0?, String::new());
        // What came while another was waited for is read all the same.
        let left = SCRAPE_TIME_MAX.saturating_sub(self.1.elapsed()).max(POLL);
        stream.set_read_timeout(Some(left)).ok()?;
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        head.starts_with("HTTP/1.1 200").then(|| body.to_owned())
    }
}

fn restart(node: &mut Node, change: impl FnOnce(&mut Node)) {
    node.stop();
    change(node);
    node.start();
}

/// The program that is tested, but for what it says of the sources that it was built from.
fn write_another_program(path: &Path) {
    let mut program = std::fs::read(env!("CARGO_BIN_EXE_causeway")).unwrap();
    let own = env!("CAUSEWAY_SOURCE").as_bytes();
    let mut found = 0;
    let mut at = 0;
    while let Some(place) = program[at..].windows(own.len()).position(|window| window == own) {
        program[at + place..at + place + own.len()].copy_from_slice(b"0123456789abcdef");
        (at, found) = (at + place + own.len(), found + 1);
    }
    assert!(found > 0, "the program does not say from which sources it was built");
    std::fs::write(path, program).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

async fn client_of(network: &Network) -> Result<Client, String> {
    let connected = Client::connect(&network.endpoints(), Some(network.chain_id())).await;
    connected.map_err(|error| error.to_string())
}

async fn apply(client: &Client, who: &Participant, operation: Operation) -> Result<(), String> {
    let mut draft = TransactionBuilder::new(client.chain_id(), who.account).map_err(|error| error.to_string())?;
    draft.add(operation);
    let signed = draft.finish().sign([&who.key]).map_err(|error| error.to_string())?;
    let settled = client.submit_and_wait(&signed).await.map_err(|error| error.to_string())?;
    assert!(settled.outcome().is_applied(), "{}: {:?}", who.name, settled.outcome().status);
    Ok(())
}

/// The first account pays the second one.
fn payment(market: &Market) -> Result<SignedTransaction, String> {
    let mut draft =
        TransactionBuilder::new(market.chain_id(), market.accounts[0]).map_err(|error| error.to_string())?;
    let (payer, payee) = (market.accounts[0], market.accounts[1]);
    draft.add(operations::transfer(payer, payee, market.token, Amount::new(1), Remittance::default()));
    draft.finish().sign([market.key(0)]).map_err(|error| error.to_string())
}

/// A transaction each of so many that a pool has little room left. One institution has no more of it than there is for others, so that
/// it takes several.
fn crowd(network: &Network, market: &Market) -> Result<Vec<(Participant, SignedTransaction)>, String> {
    let customer = |place: usize| Participant {
        name: place.to_string(),
        account: market.accounts[place],
        key: market.key(place).clone(),
    };
    let institution = |name: &&str| Participant::read(&party(&network.directory, name)).unwrap();
    let everyone = (0..POOL / 2).map(customer).chain(INSTITUTIONS.iter().map(institution));
    let with_transaction = |who: Participant| {
        let mut draft = TransactionBuilder::new(market.chain_id(), who.account).map_err(|error| error.to_string())?;
        draft.add(operations::certify_balance(who.account, market.token));
        let signed = draft.finish().sign([&who.key]).map_err(|error| error.to_string())?;
        Ok((who, signed))
    };
    everyone.map(with_transaction).collect()
}

/// No process of this program can be made to lie. A whole node below gRPC can, in the simulation: one that does not find in its state
/// that a request id was used proposes another payment under it.
#[test]
fn a_block_that_breaks_the_rules_is_counted_and_the_alert_holds() {
    simulate(41, |context| async move {
        let shape = Shape { validators: 7, twins: vec![2], twins_blind_to: Some(Column::Requests), ..Shape::default() };
        let cluster = Cluster::started(context, shape).await;
        let client = cluster.client();
        client.fund(1_000_000).await;
        client.settle(0, &cluster.cast.payment(1, client.now_ms(), 10)).await;
        let mut watch = Watch::new();
        scrape_all(&mut watch, &cluster, &client);
        assert!(!watch.holds("CausewayInvalidBlock", None), "nobody lied yet");
        let again = cluster.cast.payment(1, client.now_ms(), 11);
        for _ in 0..60 {
            let liar = cluster.accomplices().lock().unwrap()[2].clone();
            if let Some(liar) = liar {
                let _ = liar.submit(again.clone()).await;
            }
            cluster.pass(Duration::from_secs(1)).await;
            scrape_all(&mut watch, &cluster, &client);
            if watch.holds("CausewayInvalidBlock", None) {
                assert!(cluster.invalid_blocks() > 0);
                cluster.agree(&cluster.honest()).await;
                assert_eq!(cluster.available(0, "supplier"), 10, "it was paid once");
                return;
            }
        }
        panic!("no block of the liar was found invalid");
    });
}

fn scrape_all(watch: &mut Watch, cluster: &Cluster, client: &crate::simulation::client::Client) {
    for node in cluster.honest() {
        let text = cluster.metrics(node).encode();
        watch.samples.take(name(node), client.now_ms() as f64 / 1_000.0, Some(&text));
    }
}
