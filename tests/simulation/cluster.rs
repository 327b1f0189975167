//! Nodes with their disks on one simulated network.

use super::Context;
use super::cast::Cast;
use super::client::Client;
use super::disk::BadStore;
use super::machine::{Machine, STORE, Syncs, Torn};
use crate::links::{Distances, Links, attach_replicas};
use crate::mouth::Manners;
use causeway::admission::PoolLimits;
use causeway::client::KeyPair;
use causeway::consensus::network::{Network, TRACKED_PEER_SETS, message_bytes_max};
use causeway::consensus::voting::Standing;
use causeway::consensus::{Journaled, Pace, PeerAddress, PrivateKey, Signer, StopReason, voting};
use causeway::ledger::Column;
use causeway::ledger::protocol::PROTOCOL_VERSION_MAX;
use causeway::node::pruning::Keep;
use causeway::node::service::LedgerHandle;
use causeway::node::{self, LedgerClock, NodeError, NodeMetrics, NodeSettings, pruning, snapshot};
use causeway::primitives::PublicKey;
use causeway::storage::{Batch, Reader as _, SimulatedStore, Store as _, StoreColumn};
use commonware_codec::Encode as _;
use commonware_cryptography::{Signer as _, ed25519};
use commonware_macros::select;
use commonware_p2p::simulated::{self, Link};
use commonware_parallel::Sequential;
use commonware_runtime::{Blob as _, Clock as _, Handle, Spawner as _, Storage as _, Supervisor as _};
use commonware_utils::channel::oneshot;
use commonware_utils::probability;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Between any two nodes: 10 ms, give or take 3, and one message of a hundred is lost.
pub const LOSSY: Link =
    Link { latency: Duration::from_millis(10), jitter: Duration::from_millis(3), success_rate: probability!(0.99) };

/// Between any two nodes: 5 ms, and nothing is lost.
pub const CLEAN: Link =
    Link { latency: Duration::from_millis(5), jitter: Duration::from_millis(0), success_rate: probability!(1.0) };

/// What a forgetful disk has not of what was synced to it: some blocks.
const FORGOTTEN_BYTES: u64 = 16_384;

/// What a cluster is made of.
#[derive(Clone)]
pub struct Shape {
    /// The validators of the genesis.
    pub validators: usize,
    /// Nodes besides, of which the ledger knows nothing yet. They stand after the validators, and are not started with them.
    pub newcomers: usize,
    /// Heights in an epoch.
    pub epoch_length: u64,
    /// How long a leader waits with an empty block.
    pub idle: Duration,
    pub distances: Distances,
    /// How long nodes keep bodies of blocks.
    pub keep: Keep,
    /// How much may wait at a node.
    pub pool: PoolLimits,
    /// How far the ledger's clock is ahead of the runtime's.
    pub clock_ahead: Duration,
    /// The validators of which two copies run with one key, each of which is heard by half of the others.
    pub twins: Vec<usize>,
    /// What the second copy of a liar never finds in its state, so that blocks of its making are wrong.
    pub twins_blind_to: Option<Column>,
    /// How nodes speak, and how liars do.
    pub manners: Manners,
    pub twins_manners: Manners,
    /// A bug that is planted: two networks, of which the liars have a copy in each, and of the others every other one is in
    /// the second.
    pub is_split: bool,
    /// A bug that is planted: a column that no node reads.
    pub blind_to: Option<Column>,
    /// A bug that is planted: disks that have not what was synced to them last.
    pub forgetful: bool,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            validators: 4,
            newcomers: 0,
            epoch_length: 1_024,
            idle: Duration::from_secs(1),
            distances: Distances::Alike(LOSSY),
            keep: Keep::default(),
            pool: PoolLimits::default(),
            clock_ahead: Duration::ZERO,
            twins: Vec::new(),
            twins_blind_to: None,
            manners: Manners::default(),
            twins_manners: Manners::default(),
            is_split: false,
            blind_to: None,
            forgetful: false,
        }
    }
}

impl Shape {
    /// Room for every node and some more.
    fn peers_max(&self) -> NonZeroUsize {
        NonZeroUsize::new((self.validators + self.newcomers).max(16)).unwrap()
    }
}

/// What outlives a node's crash, and the crash of the whole runtime.
#[derive(Clone)]
pub struct Disk {
    key: PrivateKey,
    /// Prefix of all its partitions. A wiped disk has another one.
    partition: String,
    /// The mark that `testnet` writes beside a new key.
    never_voted: bool,
    is_full: Arc<AtomicBool>,
    clock_ahead: Duration,
    /// The clock of the node that runs on it.
    clock: LedgerClock,
    /// The clock of its second copy, if it lies.
    twins_clock: LedgerClock,
    /// How long it takes to sync, and what was not.
    syncs: Syncs,
    /// The newest version of the protocol that its software follows.
    protocol_version_max: u32,
    starts: u32,
}

/// The nodes that run, by place, as clients reach them.
pub type Handles = Arc<Mutex<Vec<Option<Arc<dyn LedgerHandle>>>>>;

/// All nodes and what is between them.
pub struct Cluster {
    context: Context,
    pub cast: Cast,
    shape: Shape,
    pub links: Links,
    /// The network apart, if there are two.
    apart: Option<Links>,
    disks: Vec<Disk>,
    tasks: Vec<Option<Handle<()>>>,
    /// Of nodes that may stop themselves: where they say why.
    dooms: Vec<Option<oneshot::Receiver<NodeError>>>,
    handles: Handles,
    /// The second copies of liars.
    accomplices: Handles,
    /// What those who do not lie count, by place, from each of their starts.
    metrics: Vec<Vec<NodeMetrics>>,
}

/// A node that has started.
struct Started {
    handle: Arc<dyn LedgerHandle>,
    metrics: NodeMetrics,
}

/// Where a node is reached, as the ledger lists it.
pub fn address(node: usize) -> PeerAddress {
    format!("10.0.0.{node}:7500").parse().unwrap()
}

fn public(key: &PrivateKey) -> PublicKey {
    Signer::Voting(key.clone()).public_key()
}

/// New disks: a key on each, and the mark that it never voted. Newcomers' stand after the validators'.
pub fn new_disks(validators: usize, newcomers: usize) -> Vec<Disk> {
    let mut keys: Vec<PrivateKey> = (0..validators as u64).map(PrivateKey::from_seed).collect();
    // A validator's place in the cluster is its place among the sorted keys.
    keys.sort_by_key(public);
    keys.extend((0..newcomers).map(|place| PrivateKey::from_seed((1_000 + validators + place) as u64)));
    keys.into_iter().enumerate().map(new_disk).collect()
}

/// The ledger of nodes with these disks.
pub fn cast_of(shape: &Shape, disks: &[Disk]) -> Cast {
    let validators: Vec<PublicKey> = disks.iter().take(shape.validators).map(|disk| public(&disk.key)).collect();
    Cast::new(&validators, shape.epoch_length)
}

fn new_disk((place, key): (usize, PrivateKey)) -> Disk {
    Disk {
        key,
        partition: format!("node-{place}"),
        never_voted: true,
        is_full: Arc::default(),
        clock_ahead: Duration::ZERO,
        clock: LedgerClock::default(),
        twins_clock: LedgerClock::default(),
        syncs: Syncs::default(),
        protocol_version_max: PROTOCOL_VERSION_MAX,
        starts: 0,
    }
}

impl Cluster {
    /// A new ledger, with all its nodes running.
    pub async fn started(context: Context, shape: Shape) -> Self {
        let disks = new_disks(shape.validators, shape.newcomers);
        Self::on(context, shape, disks).await
    }

    /// Nodes running on these disks.
    pub async fn on(context: Context, shape: Shape, disks: Vec<Disk>) -> Self {
        let mut cluster = Self::at_rest(context, shape, disks).await;
        for node in 0..cluster.shape.validators {
            cluster.start(node).await;
        }
        cluster
    }

    /// Disks and the network between them, with no node running.
    pub async fn at_rest(context: Context, shape: Shape, disks: Vec<Disk>) -> Self {
        let cast = cast_of(&shape, &disks);
        let count = disks.len();
        let tasks = (0..count).map(|_| None).collect();
        let handles = Arc::new(Mutex::new(vec![None; count]));
        let accomplices = Arc::new(Mutex::new(vec![None; count]));
        let links = new_network(&context, &shape, &disks).await;
        let apart = match shape.is_split {
            true => Some(new_network(&context.child("apart"), &shape, &disks).await),
            false => None,
        };
        let dooms = (0..count).map(|_| None).collect();
        let metrics = vec![Vec::new(); count];
        Self { context, cast, shape, links, apart, disks, tasks, dooms, handles, accomplices, metrics }
    }

    /// All places.
    pub fn everyone(&self) -> Vec<usize> {
        (0..self.disks.len()).collect()
    }

    /// Everyone but those who lie.
    pub fn honest(&self) -> Vec<usize> {
        self.everyone().into_iter().filter(|node| !self.shape.twins.contains(node)).collect()
    }

    /// The nodes that run, now and later.
    pub fn handles(&self) -> Handles {
        self.handles.clone()
    }

    /// The second copies of liars that run, now and later: nobody asks them but whoever is in league with them.
    pub fn accomplices(&self) -> Handles {
        self.accomplices.clone()
    }

    /// A node's public key.
    pub fn public_key(&self, node: usize) -> PublicKey {
        public(&self.disks[node].key)
    }

    /// A node's key, to sign a transaction with.
    pub fn key_pair(&self, node: usize) -> KeyPair {
        let seed = self.disks[node].key.encode();
        KeyPair::from_seed(&<[u8; 32]>::try_from(&seed[..]).unwrap())
    }

    /// The disks as they are, for another runtime.
    pub fn disks(&self) -> Vec<Disk> {
        self.disks.clone()
    }

    /// A client of all nodes.
    pub fn client(&self) -> Client {
        Client::new(self.context.child("client"), self.cast.clone(), self.handles.clone())
    }

    /// A running node.
    pub fn node(&self, node: usize) -> Arc<dyn LedgerHandle> {
        self.handles.lock().unwrap()[node].clone().unwrap_or_else(|| panic!("node {node} is down"))
    }

    /// What a running node counts.
    pub fn metrics(&self, node: usize) -> &NodeMetrics {
        self.metrics[node].last().unwrap_or_else(|| panic!("node {node} never ran"))
    }

    /// Starts a node on whatever its disk holds. It must not stop itself.
    pub async fn start(&mut self, node: usize) {
        let doom = self.start_doomed(node).await;
        self.context.child("watch").spawn(move |_| async move {
            if let Ok(cause) = doom.await {
                panic!("node {node} stopped: {cause}");
            }
        });
    }

    /// Starts a node that may stop itself: see [`Self::stopped`].
    pub async fn start_tolerantly(&mut self, node: usize) {
        self.dooms[node] = Some(self.start_doomed(node).await);
    }

    /// Those of the tolerated that have stopped since this was asked last, and why.
    pub fn stopped(&mut self) -> Vec<(usize, NodeError)> {
        let heard = |(node, doom): (usize, &mut Option<oneshot::Receiver<NodeError>>)| {
            let cause = doom.as_mut()?.try_recv().ok()?;
            *doom = None;
            Some((node, cause))
        };
        self.dooms.iter_mut().enumerate().filter_map(heard).collect()
    }

    /// Starts a node that will stop itself, and where it will say why.
    pub async fn start_doomed(&mut self, node: usize) -> oneshot::Receiver<NodeError> {
        assert!(self.tasks[node].is_none(), "node {node} runs already");
        let disk = &mut self.disks[node];
        disk.starts += 1;
        let context = self.context.child("node").with_attribute("node", node).with_attribute("start", disk.starts);
        let (ready, started) = oneshot::channel();
        let (doom, doomed) = oneshot::channel();
        let (cast, shape) = (self.cast.clone(), self.shape.clone());
        let (disk, is_twin) = (disk.clone(), shape.twins.contains(&node));
        let apart = self.apart.as_ref().map(|links| links.oracle.clone());
        let oracle = match &apart {
            Some(apart) if !is_twin && node % 2 == 1 => apart.clone(),
            _ => self.links.oracle.clone(),
        };
        let apart = apart.filter(|_| is_twin);
        let sides = (is_twin && apart.is_none()).then(|| self.sides_of(node));
        let accomplices = self.accomplices.clone();
        // One task above all of a node's, so that aborting it is a crash of the node.
        let task = context.spawn(move |context| async move {
            let (key, peers_max) = (disk.key.public_key(), shape.peers_max());
            let manners = (
                if is_twin { shape.twins_manners } else { shape.manners },
                (node as u64) << 32 | u64::from(disk.starts),
            );
            let mut networks = attach_replicas(&context, &oracle, key.clone(), peers_max, sides, manners).await;
            if let Some(apart) = apart {
                networks.extend(attach_replicas(&context, &apart, key, peers_max, None, manners).await);
            }
            let mut networks = networks.into_iter();
            let network = networks.next().unwrap();
            if let Some(other) = networks.next() {
                // Another clock, so that its blocks are others.
                let (partition, clock_ahead) = (format!("{}-twin", disk.partition), Duration::from_millis(7));
                let twin = Disk { partition, clock_ahead, clock: disk.twins_clock.clone(), ..disk.clone() };
                let blind_to = shape.twins_blind_to.or(shape.blind_to);
                let (cast, shape) = (cast.clone(), Shape { blind_to, ..shape.clone() });
                context.child("twin").spawn(move |context| async move {
                    let (ready, started) = oneshot::channel::<Started>();
                    context.child("accomplice").spawn(move |_| async move {
                        accomplices.lock().unwrap()[node] = started.await.ok().map(|started| started.handle);
                    });
                    // What a liar comes to is nobody's business.
                    let _ = replica(context, twin, cast, shape, other, ready).await;
                });
            }
            let cause = replica(context, disk, cast, shape, network, ready).await;
            let _ = doom.send(cause);
        });
        let started: Started = started.await.unwrap();
        self.disks[node].never_voted = false;
        self.tasks[node] = Some(task);
        // Nobody asks a liar.
        self.handles.lock().unwrap()[node] = (!is_twin).then_some(started.handle);
        self.metrics[node].extend((!is_twin).then_some(started.metrics));
        doomed
    }

    /// Everyone but one, in two halves.
    fn sides_of(&self, node: usize) -> [Vec<ed25519::PublicKey>; 2] {
        let others = self.disks.iter().enumerate().filter(|(other, _)| *other != node);
        let keys: Vec<_> = others.map(|(_, disk)| disk.key.public_key()).collect();
        let every_other = |from: usize| keys.iter().skip(from).step_by(2).cloned().collect();
        [every_other(0), every_other(1)]
    }

    /// Sets the ledger's clock of one node from its next start on.
    pub fn set_clock_of(&mut self, node: usize, ahead: Duration) {
        self.disks[node].clock_ahead = ahead;
    }

    /// Gives a node other software from its next start on: which follows the protocol's versions up to this one.
    pub fn set_protocol_version_max(&mut self, node: usize, version: u32) {
        self.disks[node].protocol_version_max = version;
    }

    /// The clock of a node, which may be set while it runs. It is right again at its next start.
    pub fn clock_of(&self, node: usize) -> LedgerClock {
        self.disks[node].clock.clone()
    }

    /// Has each sync of a node's disk take up to so many ms.
    pub fn drag(&self, node: usize, ms: u64) {
        self.disks[node].syncs.take_up_to(ms);
    }

    /// How many files of all disks were found with an end that was never synced.
    pub fn torn(&self) -> Torn {
        let mut torn = Torn::default();
        self.disks.iter().for_each(|disk| torn += disk.syncs.torn());
        torn
    }

    /// How many proposed blocks those who do not lie have found invalid on this runtime.
    pub fn invalid_blocks(&self) -> u64 {
        self.metrics.iter().flatten().map(|metrics| metrics.invalid_blocks.get()).sum()
    }

    /// Sets the ledger's clock of the nodes that are started from now on.
    pub fn set_clock_ahead(&mut self, ahead: Duration) {
        self.shape.clock_ahead = ahead;
    }

    /// Moves the ledger's time on for everybody, who runs and who will.
    pub fn move_clocks(&mut self, by: Duration) {
        self.shape.clock_ahead += by;
        let ms = by.as_millis() as i64;
        self.disks.iter().flat_map(|disk| [&disk.clock, &disk.twins_clock]).for_each(|clock| clock.shift(ms));
    }

    /// Ends a node without warning. What it had not synced is gone.
    pub async fn crash(&mut self, node: usize) {
        let task = self.tasks[node].take().unwrap_or_else(|| panic!("node {node} is down already"));
        task.abort();
        let _ = task.await;
        self.handles.lock().unwrap()[node] = None;
        self.accomplices.lock().unwrap()[node] = None;
        self.dooms[node] = None;
        // Let its tasks be dropped, and their files with them.
        self.context.sleep(Duration::from_millis(50)).await;
        if self.shape.forgetful {
            self.forget(node).await;
        }
    }

    /// Takes from the disk of a node that is down what it synced last.
    pub async fn forget(&self, node: usize) {
        let partition = format!("{}{STORE}", self.disks[node].partition);
        let (blob, size) = self.context.open(&partition, b"commits").await.unwrap();
        blob.resize(size.saturating_sub(FORGOTTEN_BYTES)).await.unwrap();
        blob.sync().await.unwrap();
    }

    /// Gives a node that is down an empty disk.
    pub fn wipe(&mut self, node: usize) {
        assert!(self.tasks[node].is_none(), "node {node} runs");
        self.disks[node].partition.push_str("-wiped");
    }

    /// Removes the journal of an epoch's votes, and nothing else, from the disk of a node that is down.
    pub async fn lose_journal(&self, node: usize, epoch: u64) {
        assert!(self.tasks[node].is_none(), "node {node} runs");
        let journal = format!("{}-votes-{epoch}", self.disks[node].partition);
        self.context.remove(&journal, None).await.unwrap();
    }

    /// Fills a node's disk, or frees it.
    pub fn set_full(&self, node: usize, is_full: bool) {
        self.disks[node].is_full.store(is_full, Ordering::Relaxed);
    }

    /// Writes to the disk of a node that is down.
    pub async fn tamper(&self, node: usize, batch: Batch) {
        assert!(self.tasks[node].is_none(), "node {node} runs");
        let store = format!("{}{STORE}", self.disks[node].partition);
        let store = SimulatedStore::open(&self.context, &store, &self.cast.chain_id()).await.unwrap();
        store.commit(batch).await.unwrap();
    }

    /// Has a node that never ran begin from the state of another, both of which are down.
    pub async fn begin_from(&self, node: usize, other: usize, with_bodies: bool) {
        assert!(self.tasks[node].is_none() && self.tasks[other].is_none(), "one of them runs");
        let open = async |node: usize| {
            let store = format!("{}{STORE}", self.disks[node].partition);
            SimulatedStore::open(&self.context, &store, &self.cast.chain_id()).await.unwrap()
        };
        let (from, to) = (open(other).await, open(node).await);
        let columns = Column::ALL.iter().map(|column| StoreColumn::State(*column)).chain(StoreColumn::BESIDE_STATE);
        let mut copy = Batch::new();
        for column in columns {
            for (key, value) in from.scan(column, &[], usize::MAX).unwrap() {
                copy.put(column, key, value);
            }
        }
        to.commit(copy).await.unwrap();
        let header = snapshot::seal(&to, with_bodies).await.unwrap();
        let floor = snapshot::floor_of(&to, header.height).unwrap().expect("a block that is certified");
        snapshot::begin_from(&to, &floor).await.unwrap();
    }

    /// Removes the bodies below a height from the disk of a node that is down.
    pub async fn prune(&self, node: usize, below: u64) {
        assert!(self.tasks[node].is_none(), "node {node} runs");
        let store = format!("{}{STORE}", self.disks[node].partition);
        let store = SimulatedStore::open(&self.context, &store, &self.cast.chain_id()).await.unwrap();
        pruning::prune_below(&store, below).await.unwrap();
    }

    /// Waits until all of `nodes` have applied `height`.
    pub async fn reach(&self, nodes: &[usize], height: u64) {
        for node in nodes {
            let node = self.node(*node);
            while node.status().height < height {
                node.applied_beyond(height - 1).await.unwrap();
            }
        }
    }

    /// Lets time pass.
    pub async fn pass(&self, time: Duration) {
        self.context.sleep(time).await;
    }
}

/// A network on which every node of these disks reaches every other.
async fn new_network(context: &Context, shape: &Shape, disks: &[Disk]) -> Links {
    let settings = simulated::Config {
        max_size: message_bytes_max(),
        max_peers_per_set: shape.peers_max(),
        disconnect_on_block: true,
        tracked_peer_sets: TRACKED_PEER_SETS,
    };
    let (network, oracle) = simulated::Network::new(context.child("network"), settings);
    network.start();
    let keys = disks.iter().map(|disk| disk.key.public_key()).collect();
    Links::between_all(oracle, keys, shape.distances.clone()).await
}

/// Runs a node on a disk until it stops, and says why.
async fn replica<N, R, M, B>(
    context: Context,
    disk: Disk,
    cast: Cast,
    shape: Shape,
    network: Network<N, R, M, B>,
    ready: oneshot::Sender<Started>,
) -> NodeError
where
    N: commonware_p2p::Sender<PublicKey = ed25519::PublicKey>,
    R: commonware_p2p::Receiver<PublicKey = ed25519::PublicKey>,
    M: commonware_p2p::AddressableManager<PublicKey = ed25519::PublicKey>,
    B: commonware_p2p::Blocker<PublicKey = ed25519::PublicKey>,
{
    let machine = Journaled::new(Machine::new(context, disk.syncs.clone()), &disk.partition);
    let signer = signer(&machine, &disk).await;
    let store = format!("{}{STORE}", disk.partition);
    let store = SimulatedStore::open(&machine, &store, &cast.chain_id()).await.unwrap();
    let store = BadStore { store, is_full: disk.is_full.clone(), blind_to: shape.blind_to };
    let settings = settings(cast, &shape, signer, disk);
    let mut running = node::start(machine.child("node"), settings, network, store, Sequential).await.unwrap();
    let _ = ready.send(Started { handle: Arc::new(running.handle), metrics: running.metrics });
    select! {
        cause = running.halted.cause() => cause,
        reason = running.consensus => NodeError::Consensus(reason.unwrap_or(StopReason::Shutdown)),
    }
}

/// How the key takes part, by the rule of the product's own start.
async fn signer(machine: &Journaled<Machine>, disk: &Disk) -> Signer {
    let key = public(&disk.key);
    if disk.never_voted {
        voting::allow_first_vote(machine, &disk.partition, &key).await.unwrap();
    }
    match voting::standing(machine, &disk.partition, &key).await.unwrap() {
        Standing::Votes => Signer::Voting(disk.key.clone()),
        Standing::JournalLost | Standing::Unrecorded | Standing::OfAnother(_) => Signer::Silent(key),
    }
}

fn settings(cast: Cast, shape: &Shape, signer: Signer, disk: Disk) -> NodeSettings {
    let anywhere = PeerAddress { host: "127.0.0.1".to_owned(), port: 4001 };
    let validators = cast.genesis.validators().keys().iter();
    let ahead = shape.clock_ahead + disk.clock_ahead;
    disk.clock.set(i64::try_from(ahead.as_millis()).unwrap());
    NodeSettings {
        peers: validators.map(|key| (*key, anywhere.clone())).collect(),
        genesis: cast.genesis,
        genesis_bytes: cast.genesis_bytes,
        signer,
        idle_interval: shape.idle,
        pace: Pace::new(shape.idle, Duration::from_secs(1)),
        partition: disk.partition,
        keep: shape.keep,
        pool: shape.pool,
        seed: [7; 32],
        clock: disk.clock,
        protocol_version_max: disk.protocol_version_max,
    }
}
