//! Everything of a node below gRPC, started together, on whatever runtime, network and store it is given.
//!
//! A production node and a simulated one differ only in what they pass in here.

use super::chain::Chain;
use super::error::NodeError;
use super::finality::Finality;
use super::halt::{Halted, halt};
use super::handle::{NodeHandle, Parts};
use super::ledger::{LedgerSettings, NodeLedger};
use super::metrics::NodeMetrics;
use super::relay;
use super::service::{Identity, Mode, NamedValidator};
use super::transactions::TransactionDesk;
use crate::admission::PoolLimits;
use crate::consensus::network::Network;
use crate::consensus::{
    Config as ConsensusConfig, Pace, PeerAddress, Runtime, Scheme, SealedBlock, Signer, StopReason, Stores, engine,
};
use crate::execution::genesis::Genesis;
use crate::ledger::validators::VALIDATORS_MAX;
use crate::primitives::PublicKey;
use crate::storage::{Store, stores};
use bytes::Bytes;
use commonware_cryptography::ed25519;
use commonware_p2p::{AddressableManager, Blocker, Receiver, Sender};
use commonware_parallel::Strategy;
use commonware_runtime::Handle;
use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::Arc;
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
    /// Where validators are reached, this one included.
    pub addresses: BTreeMap<PublicKey, PeerAddress>,
    /// Those who follow without validating.
    pub observers: BTreeMap<PublicKey, PeerAddress>,
    /// Prefix of every partition of the engine's directory.
    pub partition: String,
    /// How much may wait.
    pub pool: PoolLimits,
    /// Blinds batch verification: random in a node, fixed in a simulation.
    pub seed: [u8; 32],
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
    E: Runtime,
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
    let chain = Arc::new(Chain::open(store, genesis).await?);
    let head = chain.head();
    info!(height = head.header.height, chain = %genesis.chain_id(), "state opened");

    let metrics = NodeMetrics::default();
    metrics.applied_height.set(i64::try_from(head.header.height).unwrap_or(i64::MAX));
    let (stopper, halted) = halt();
    let finality = Arc::new(Finality::new(head.header.height));
    let desk = Arc::new(TransactionDesk::new(genesis.chain_id(), strategy.clone(), settings.pool, settings.seed));
    let ledger = NodeLedger::new(
        context.child("ledger"),
        chain.clone(),
        desk.clone(),
        finality.clone(),
        stopper.clone(),
        metrics.clone(),
        LedgerSettings {
            proposer: me,
            idle_interval: settings.idle_interval,
            addresses: settings.addresses.clone(),
            observers: settings.observers.clone(),
        },
    );
    let config = ConsensusConfig {
        chain_id: genesis.chain_id(),
        genesis: Arc::new(genesis.build()?.block),
        epoch_length: NonZeroU64::new(genesis.epoch_length()).unwrap_or(NonZeroU64::MIN),
        signer: settings.signer.clone(),
        pace: Pace::for_idle_interval(settings.idle_interval),
        partition: settings.partition.clone(),
    };
    let stores = Stores { certificates, blocks };
    let consensus =
        engine::start(context.child("consensus"), config, network, stores, Arc::new(ledger), strategy).await?;
    let (leaders, forwarder, forwarded, _, consensus) = consensus.split();
    let (sending, receiving) = (desk.clone(), (chain.clone(), desk.clone()));
    context.child("sender").spawn(move |context| relay::send(context, me, leaders, forwarder, sending));
    context.child("receiver").spawn(move |context| relay::receive(context, forwarded, receiving.0, receiving.1));

    let mode = match &settings.signer {
        Signer::Voting(_) if genesis.validators().keys().contains(&me) => Mode::Validator,
        Signer::Voting(_) | Signer::Silent(_) => Mode::Verifier,
    };
    let handle = NodeHandle::new(Parts {
        identity: identity(&settings, me),
        mode,
        validators: named_validators(genesis),
        chain,
        desk,
        finality,
        halt: stopper,
        metrics: metrics.clone(),
        context,
    });
    Ok(RunningNode { handle, metrics, halted, consensus })
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

/// The validators of the genesis, by name.
fn named_validators(genesis: &Genesis) -> Vec<NamedValidator> {
    let named = |spec: &crate::execution::genesis::ValidatorSpec| {
        let public_key = spec.public_key.parse().ok()?;
        Some(NamedValidator { name: spec.name.clone(), public_key })
    };
    genesis.file().validators.iter().filter_map(named).collect()
}
