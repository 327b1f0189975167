//! Everything of a node below gRPC, started together, on whatever runtime, network and store it is given.
//!
//! A production node and a simulated one differ only in what they pass in here.

use super::chain::Chain;
use super::clock::LedgerClock;
use super::error::NodeError;
use super::finality::Finality;
use super::floor::{self, Floor};
use super::halt::{Halt, Halted, halt};
use super::handle::{NodeHandle, Parts};
use super::handovers::Handovers;
use super::intake::{Intake, WaitingLimits};
use super::ledger::{LedgerParts, NodeLedger};
use super::liveness::{self, Liveness, Watched};
use super::metrics::NodeMetrics;
use super::newest::NewestBlocks;
use super::pruning::{self, Keep};
use super::relay::{self, Outbox, Proposals};
use super::seats::Seats;
use super::service::Identity;
use super::transactions::TransactionDesk;
use super::upgrades::Upgrades;
use crate::admission::PoolLimits;
use crate::consensus::network::Network;
use crate::consensus::{
    Attended, Config as ConsensusConfig, ForwardedBatches, Hearing, KeepsJournals, Pace, PeerAddress, Runtime, Scheme,
    SealedBlock, Signer, StartingBlock, StopReason, Stores, engine,
};
use crate::execution::genesis::Genesis;
use crate::ledger::validators::VALIDATORS_MAX;
use crate::primitives::PublicKey;
use crate::storage::stores::Pruner;
use crate::storage::{Store, StoreView, stores};
use bytes::Bytes;
use commonware_cryptography::ed25519;
use commonware_p2p::{AddressableManager, Blocker, Receiver, Sender};
use commonware_parallel::Strategy;
use commonware_runtime::{Error as RuntimeError, Handle};
use futures::FutureExt as _;
use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tracing::info;

/// What a node is told at start.
pub struct NodeSettings {
    /// The genesis.
    pub genesis: Genesis,
    /// The genesis file's exact bytes.
    pub genesis_bytes: Bytes,
    /// How it takes part in consensus.
    pub signer: Signer,
    /// How long a leader waits for transactions before it proposes an empty block.
    pub idle_interval: Duration,
    /// How long consensus waits for what.
    pub pace: Pace,
    /// Where peers listen, as the configuration says, this node included. The rest the ledger says.
    pub peers: BTreeMap<PublicKey, PeerAddress>,
    /// Prefix of every partition of the engine's directory.
    pub partition: String,
    /// How long bodies of blocks are kept.
    pub keep: Keep,
    /// How much may wait.
    pub pool: PoolLimits,
    /// Blinds batch verification: random in a node, fixed in a simulation.
    pub seed: [u8; 32],
    /// The ledger's time.
    pub clock: LedgerClock,
    /// The newest version of the protocol that the node follows.
    pub protocol_version_max: u32,
}

/// A running node, below gRPC.
pub struct RunningNode<E, S, T: Strategy> {
    /// What its API is served from.
    pub handle: NodeHandle<E, S, T>,
    /// What it counts.
    pub metrics: NodeMetrics,
    /// Resolves when it stops itself.
    pub halted: Halted,
    /// Resolves when consensus ends.
    pub consensus: Handle<StopReason>,
}

/// Starts a node.
///
/// # Errors
/// The store fails, is not of the genesis, or does not fit the engine's directory.
pub async fn start<E, S, T, Tx, Rx, M, B>(
    context: E,
    settings: NodeSettings,
    network: Network<Tx, Rx, M, B>,
    store: S,
    strategy: T,
) -> Result<RunningNode<E, S, T>, NodeError>
where
    E: KeepsJournals,
    S: Store,
    T: Strategy,
    Tx: Sender<PublicKey = ed25519::PublicKey>,
    Rx: Receiver<PublicKey = ed25519::PublicKey>,
    M: AddressableManager<PublicKey = ed25519::PublicKey>,
    B: Blocker<PublicKey = ed25519::PublicKey>,
{
    let genesis = &settings.genesis;
    let me = settings.signer.public_key();
    let (blocks, certificates) = stores::open::<_, Arc<SealedBlock>, Scheme>(store.clone(), (), VALIDATORS_MAX)?;
    let pruner = blocks.pruner();
    let chain = Arc::new(Chain::open(store, genesis).await?);
    let (head, floor) = (chain.head(), floor::of(chain.store())?);
    info!(height = head.header.height, chain = %genesis.chain_id(), "state opened");

    let metrics = NodeMetrics::default();
    let state = StoreView::new(chain.store().clone());
    metrics.begin(head.header.height, &state);
    state.check()?;
    let seats = Arc::new(Seats::of(&chain, voter(&settings.signer), metrics.clone())?);
    let upgrades = Arc::new(Upgrades::of(&chain, settings.protocol_version_max, metrics.clone())?);
    let (halt, halted) = halt();
    let finality = Arc::new(Finality::new(head.header.height));
    let desk = Arc::new(TransactionDesk::new(genesis.chain_id(), strategy.clone(), settings.pool, settings.seed));
    let limits = WaitingLimits::default();
    let intake = Arc::new(Intake::new(chain.clone(), desk.clone(), halt.clone(), limits, settings.clock.clone()));
    let (newest, proposals) = (Arc::new(NewestBlocks::default()), Proposals::default());
    let ledger = NodeLedger::new(LedgerParts {
        context: context.child("ledger"),
        clock: settings.clock.clone(),
        chain: chain.clone(),
        desk: desk.clone(),
        finality: finality.clone(),
        newest: newest.clone(),
        proposals: proposals.clone(),
        halt: halt.clone(),
        metrics: metrics.clone(),
        proposer: me,
        idle_interval: settings.idle_interval,
        pace: settings.pace,
        pacing: Mutex::default(),
        seats: seats.clone(),
        upgrades: upgrades.clone(),
        peers: settings.peers.clone(),
    });
    let (network, liveness) = attend(&context, &settings, network);
    let (context_of_consensus, config) = (context.child("consensus"), consensus_config(&settings, floor)?);
    let stores = Stores { certificates, blocks };
    let consensus = engine::start(context_of_consensus, config, network, stores, Arc::new(ledger), strategy).await?;
    let (leaders, forwarder, forwarded, _, consensus) = consensus.split();
    let outbox = Outbox { me, leaders, forwarder, desk: desk.clone(), chain: chain.clone(), proposals };
    start_traffic(&context, outbox, forwarded, &intake, &halt);
    let watched = Watched {
        liveness: liveness.clone(),
        seats: seats.clone(),
        chain: chain.clone(),
        desk: desk.clone(),
        metrics: metrics.clone(),
    };
    context.child("liveness").spawn(move |context| liveness::watch(context, watched));
    if settings.keep.prunes() {
        start_pruning(&context, (chain.clone(), pruner.clone()), settings.keep, halt.clone());
    }

    let handle = NodeHandle::new(Parts {
        identity: identity(&settings, me),
        seats,
        upgrades,
        handovers: Handovers::default(),
        chain,
        desk,
        intake,
        finality,
        newest,
        bodies: pruner,
        halt,
        metrics: metrics.clone(),
        liveness,
        context,
    });
    Ok(RunningNode { handle, metrics, halted, consensus })
}

/// The network with an ear to it, and what can be told from what is heard.
fn attend<E: Runtime, Tx, Rx, M, B>(
    context: &E,
    settings: &NodeSettings,
    network: Network<Tx, Rx, M, B>,
) -> (Network<Tx, Attended<Rx>, M, B>, Liveness) {
    let (hearing, clock) = (Hearing::default(), context.child("clock"));
    let voter = voter(&settings.signer);
    let (timeout, ledger_clock) = (settings.pace.leader_timeout, settings.clock.clone());
    let liveness = Liveness::new(hearing.clone(), voter, timeout, clock.current(), ledger_clock);
    let Network { channels, manager, blocker, peers_max } = network;
    let channels = hearing.attend(channels, Arc::new(move || clock.current()));
    (Network { channels, manager, blocker, peers_max }, liveness)
}

/// Starts what removes bodies of old blocks. Where the store fails it, the node stops as it does elsewhere.
fn start_pruning<E: Runtime, S: Store>(
    context: &E,
    (chain, pruner): (Arc<Chain<S>>, Pruner<S>),
    keep: Keep,
    halt: Halt,
) {
    context.child("pruning").spawn(move |context| async move {
        if let Err(error) = pruning::run(context, chain, pruner, keep).await {
            halt.stop(error).await;
        }
    });
}

fn consensus_config(settings: &NodeSettings, floor: Option<Floor>) -> Result<ConsensusConfig, NodeError> {
    let genesis = &settings.genesis;
    Ok(ConsensusConfig {
        chain_id: genesis.chain_id(),
        genesis: Arc::new(genesis.build()?.block),
        epoch_length: NonZeroU64::new(genesis.epoch_length()).unwrap_or(NonZeroU64::MIN),
        signer: settings.signer.clone(),
        pace: settings.pace,
        partition: settings.partition.clone(),
        floor: floor.map(|Floor { height, certificate }| StartingBlock { height, certificate }),
    })
}

/// Starts the tasks that move transactions: in from clients, out to leaders, in from peers.
fn start_traffic<E: Runtime, S: Store, T: Strategy>(
    context: &E,
    outbox: Outbox<S, T>,
    forwarded: ForwardedBatches,
    intake: &Arc<Intake<S, T>>,
    halt: &Halt,
) {
    let start = |name: &'static str, task: Handle<Result<(), RuntimeError>>| {
        let halt = halt.clone();
        context.child("watch").with_attribute("task", name).spawn(move |context| watch(context, name, task, halt));
    };
    let verifying = intake.clone();
    start("admission", context.child("verifier").spawn(move |context| verifying.verify(context)));
    let sender = context.child("sender").spawn(move |context| async move {
        relay::send(context, outbox).await;
        Ok(())
    });
    start("sender of transactions", sender);
    let receiving = intake.clone();
    let receiver = context.child("receiver").spawn(move |context| relay::receive(context, forwarded, receiving));
    start("receiver of transactions", receiver);
}

/// Halts the node if a task of its own ends before the runtime stops. One that ends well has ended with consensus, which
/// says itself why.
pub(super) async fn watch<E: Runtime>(
    context: E,
    name: &'static str,
    task: Handle<Result<(), RuntimeError>>,
    halt: Halt,
) {
    let ended = task.await;
    // Asked for only now: whoever holds the signal holds up the stop.
    let stops = context.stopped().now_or_never().is_some();
    if !stops && !matches!(ended, Ok(Ok(()))) {
        halt.stop_now(NodeError::TaskEnded(name));
    }
}

/// The node's key, if it has what it takes to vote.
fn voter(signer: &Signer) -> Option<PublicKey> {
    match signer {
        Signer::Voting(_) => Some(signer.public_key()),
        Signer::Silent(_) => None,
    }
}

fn identity(settings: &NodeSettings, public_key: PublicKey) -> Identity {
    Identity {
        chain_id: settings.genesis.chain_id(),
        network: settings.genesis.file().network.clone(),
        genesis: settings.genesis_bytes.clone(),
        public_key,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}
