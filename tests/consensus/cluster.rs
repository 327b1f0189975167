//! Nodes of consensus on one simulated network.

use super::ledger::{Applied, CHAIN, Committees, Diary, Event, PlainBlocks, filling, genesis};
use super::memory::Disk;
use super::wire::{Place, Traffic, Uplink, wired};
use crate::links::{Distances, Links, attach};
use causeway::consensus::network::{Network, TRACKED_PEER_SETS, message_bytes_max};
use causeway::consensus::{
    Config, Finalization, ForwardedBatches, Forwarder, Journaled, Leaders, Pace, PrivateKey, SealedBlock, Signer,
    StopReason, Stores, engine,
};
use causeway::ledger::SignedTransaction;
use causeway::primitives::PublicKey;
use commonware_cryptography::Signer as _;
use commonware_p2p::simulated::{self, Link};
use commonware_parallel::Sequential;
use commonware_runtime::{Clock as _, Handle, Spawner as _, Supervisor as _, deterministic};
use commonware_utils::channel::oneshot;
use commonware_utils::probability;
use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

pub type Context = deterministic::Context;

/// Between any two nodes: 10 ms, give or take 3, and one message of a hundred is lost.
pub const LINK: Link =
    Link { latency: Duration::from_millis(10), jitter: Duration::from_millis(3), success_rate: probability!(0.99) };

/// How long a leader waits with its block, unless a test says otherwise.
const IDLE: Duration = Duration::from_millis(100);

/// What a cluster is made of.
#[derive(Clone)]
pub struct Shape {
    /// How many nodes there are, validators and others.
    pub nodes: usize,
    /// Which nodes validate in which epoch; the last entry holds for all later ones.
    pub committees: Vec<Vec<usize>>,
    /// Nodes that never sign.
    pub silent: Vec<usize>,
    /// Nodes that propose blocks which break a rule.
    pub liars: Vec<usize>,
    /// Blocks in an epoch.
    pub epoch_length: u64,
    /// How long a leader waits with an empty block.
    pub idle: Duration,
    pub distances: Distances,
    pub pace: Pace,
    /// Bytes of the transactions in a block.
    pub block_bytes: usize,
    /// What each node's way out is like; none takes no time.
    pub uplink: Option<Uplink>,
}

impl Shape {
    /// `nodes` validators, all epochs alike.
    pub fn validators(nodes: usize) -> Self {
        Self {
            nodes,
            committees: vec![(0..nodes).collect()],
            silent: Vec::new(),
            liars: Vec::new(),
            epoch_length: 8,
            idle: IDLE,
            distances: Distances::Alike(LINK),
            pace: Pace::new(IDLE, Duration::from_secs(1)),
            block_bytes: 0,
            uplink: None,
        }
    }

    /// Room for every node and some more.
    fn peers_max(&self) -> NonZeroUsize {
        NonZeroUsize::new(self.nodes.max(16)).unwrap()
    }
}

/// What a running node offers.
pub struct Running {
    pub leaders: Leaders,
    pub forwarder: Forwarder,
    pub forwarded: ForwardedBatches,
    task: Handle<StopReason>,
}

/// A node: what outlives a crash, and what does not.
pub struct Node {
    pub key: PrivateKey,
    pub applied: Applied,
    pub certificates: Disk<Finalization>,
    pub blocks: Disk<Arc<SealedBlock>>,
    pub running: Option<Running>,
    starts: u32,
}

impl Node {
    pub fn public_key(&self) -> PublicKey {
        public(&self.key)
    }
}

fn public(key: &PrivateKey) -> PublicKey {
    Signer::Voting(key.clone()).public_key()
}

/// All nodes and what is between them.
pub struct Cluster {
    context: Context,
    pub shape: Shape,
    pub links: Links,
    pub nodes: Vec<Node>,
    pub traffic: Traffic,
    pub diary: Diary,
    filling: Vec<SignedTransaction>,
}

impl Cluster {
    /// A cluster whose nodes are not started.
    pub async fn new(context: Context, shape: Shape) -> Self {
        let (network, oracle) = simulated::Network::new(
            context.child("network"),
            simulated::Config {
                max_size: message_bytes_max(),
                max_peers_per_set: shape.peers_max(),
                disconnect_on_block: true,
                tracked_peer_sets: TRACKED_PEER_SETS,
            },
        );
        network.start();
        let mut keys: Vec<PrivateKey> = (0..shape.nodes as u64).map(PrivateKey::from_seed).collect();
        // A node's place in the cluster is its place among the sorted keys.
        keys.sort_by_key(public);
        let public_keys = keys.iter().map(|key| key.public_key()).collect();
        let links = Links::between_all(oracle, public_keys, shape.distances.clone()).await;
        let nodes = keys
            .into_iter()
            .map(|key| Node {
                key,
                applied: Applied::default(),
                certificates: Disk::default(),
                blocks: Disk::default(),
                running: None,
                starts: 0,
            })
            .collect();
        let filling = filling(shape.block_bytes);
        Self { context, shape, links, nodes, traffic: Traffic::default(), diary: Diary::default(), filling }
    }

    /// A cluster whose nodes all run.
    pub async fn started(context: Context, shape: Shape) -> Self {
        let mut cluster = Self::new(context, shape).await;
        for node in 0..cluster.nodes.len() {
            cluster.start(node).await;
        }
        cluster
    }

    fn committees(&self) -> Committees {
        let keys = |nodes: &Vec<usize>| nodes.iter().map(|node| self.nodes[*node].public_key()).collect();
        Arc::new(self.shape.committees.iter().map(keys).collect())
    }

    /// Starts a node on whatever its disks hold.
    pub async fn start(&mut self, node: usize) {
        let everyone: Vec<PublicKey> = self.nodes.iter().map(Node::public_key).collect();
        let committees = self.committees();
        let oracle = self.links.oracle.clone();
        let (shape, filling, diary) = (self.shape.clone(), self.filling.clone(), self.diary.clone());
        let keys = Arc::new(self.nodes.iter().map(|node| node.key.public_key()).collect());
        let place = Place { from: node, keys, traffic: self.traffic.clone(), uplink: shape.uplink };
        let Node { key, applied, certificates, blocks, running, starts } = &mut self.nodes[node];
        assert!(running.is_none(), "node {node} runs already");
        *starts += 1;
        let context = self.context.child("node").with_attribute("node", node).with_attribute("start", *starts);
        let signer = match shape.silent.contains(&node) {
            true => Signer::Silent(public(key)),
            false => Signer::Voting(key.clone()),
        };
        let config = Config {
            chain_id: CHAIN,
            genesis: genesis(),
            epoch_length: NonZeroU64::new(shape.epoch_length).unwrap(),
            signer,
            pace: shape.pace,
            partition: format!("node-{node}"),
            floor: None,
        };
        let stores = Stores { certificates: certificates.open(), blocks: blocks.open() };
        let (key, applied) = (key.public_key(), applied.clone());
        let (parts, started) = oneshot::channel();
        // One task above all of a node's, so that aborting it is a crash of the node.
        let task = context.spawn(move |context| async move {
            let ledger = PlainBlocks {
                node,
                context: context.child("ledger"),
                idle: shape.idle,
                epoch_length: shape.epoch_length,
                committees,
                everyone,
                applied,
                lies: shape.liars.contains(&node),
                filling,
                diary: diary.clone(),
            };
            let Network { channels, manager, blocker, peers_max } = attach(&oracle, key, shape.peers_max()).await;
            let channels = wired(&context, channels, &place);
            let network = Network { channels, manager, blocker, peers_max };
            let journaled = Journaled::new(context.child("consensus"), &config.partition);
            let consensus =
                engine::start(journaled, config, network, stores, Arc::new(ledger), Sequential).await.unwrap();
            let (leaders, forwarder, forwarded, _, handle) = consensus.split();
            let mut views = leaders.clone();
            context.child("views").spawn(move |context| async move {
                while let Some(turn) = views.changed().await {
                    diary.note(context.current(), node, Event::Entered { view: turn.view });
                }
            });
            let _ = parts.send((leaders, forwarder, forwarded));
            handle.await.unwrap_or(StopReason::Shutdown)
        });
        let (leaders, forwarder, forwarded) = started.await.unwrap();
        *running = Some(Running { leaders, forwarder, forwarded, task });
    }

    /// Ends a node without warning. What it had not synced is gone.
    pub async fn crash(&mut self, node: usize) {
        let running = self.nodes[node].running.take().expect("the node runs");
        running.task.abort();
        let _ = running.task.await;
        // Let its tasks be dropped, and their files with them.
        self.context.sleep(Duration::from_millis(50)).await;
    }

    /// Waits until all of `nodes` have applied `height`.
    pub async fn reach(&self, nodes: &[usize], height: u64) {
        while !nodes.iter().all(|node| self.nodes[*node].applied.count() > height) {
            self.context.sleep(Duration::from_millis(20)).await;
        }
    }

    /// Lets time pass.
    pub async fn pass(&self, time: Duration) {
        self.context.sleep(time).await;
    }

    /// Checks that no two nodes disagree on any height, and returns the longest chain's length.
    pub fn agree(&self) -> u64 {
        let mut chains: Vec<_> = self.nodes.iter().map(|node| node.applied.chain()).collect();
        chains.sort_by_key(Vec::len);
        let longest = chains.pop().unwrap();
        for chain in chains {
            assert_eq!(chain, longest[..chain.len()], "two nodes disagree");
        }
        longest.len() as u64
    }
}
