//! F7: one node as a process. Files, keys, sockets, signals and the log come together here; everything else is below.
//!
//! # Life cycle
//! Configuration and genesis read → store opened (its lock is the node's) → gRPC and peer ports tried → runtime started →
//! node started → gRPC served → a signal, or a failure that makes the node's word worthless → no more transactions taken,
//! open calls ended, runtime stopped, within the configured bound.
//!
//! # Invariants
//! * What can be wrong with configuration, keys, ports and disk is said in one line before anything runs.
//! * A key votes from the directory that it voted from before, or where a one-time mark says that it never voted; the
//!   mark is gone before the first vote. Otherwise the node follows and says so. It does so too where another mark, outside
//!   of the directory, says that the directory is an older copy (`last_voted`).

mod error;
mod files;
mod last_voted;
mod log;
mod metrics;
mod randomness;
mod rebuild;
pub mod snapshots;

pub use error::DaemonError;
pub use randomness::Randomness;
pub use rebuild::{SetAside, set_aside};

use crate::admission::PoolLimits;
use crate::api;
use crate::client::{KeyPair, PassphraseSource};
use crate::consensus::network::{Connections, connect};
use crate::consensus::voting::{self, Standing};
use crate::consensus::{Journaled, KeepsJournals, PeerAddress, Signer, private_key};
use crate::execution::genesis::Genesis;
use crate::node::config::{Config, Limits};
use crate::node::{self, Chain, NodeSettings};
use crate::primitives::PublicKey;
use crate::storage::{RocksStore, Store, durable};
use bytes::Bytes;
use commonware_parallel::Strategy;
use commonware_runtime::{
    Error as EngineError, Runner as _, Spawner as _, Strategizer as _, Supervisor as _, tokio as runtime,
};
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tracing::{error, info, warn};

/// Prefix of the engine's partitions.
const PARTITION: &str = "engine";
/// For how many peers more than there are at its start a node makes room. Each takes some 300 KiB of queues.
const PEERS_TO_COME: usize = 16;

/// How often it is looked how much room the disk has.
const LOOK_AT_DISK_EVERY: Duration = Duration::from_secs(10);

/// What was read and opened before the runtime starts.
struct Prepared {
    genesis: Genesis,
    genesis_bytes: Bytes,
    key: KeyPair,
    grpc: TcpListener,
    metrics: Option<TcpListener>,
    store: RocksStore,
}

/// Runs a node until it is told to stop, or has to.
///
/// # Errors
/// Why it could not start, or had to stop.
pub fn run(config: &Config) -> Result<(), DaemonError> {
    log::install(&config.log, &config.data_dir)?;
    for variable in &config.unknown_variables {
        warn!(variable, "this environment variable begins like the node's and means nothing to it");
    }
    if config.rehearsal.clock_ahead_ms > 0 {
        warn!(
            clock_ahead_ms = config.rehearsal.clock_ahead_ms,
            "REHEARSAL: the ledger's clock is set ahead of this machine's, and so is the time of every block"
        );
    }
    if config.rehearsal.protocol_version_max > 0 {
        warn!(
            protocol_version_max = config.rehearsal.protocol_version_max,
            "REHEARSAL: this node takes itself to follow a version of the protocol that its software has no rules of"
        );
    }
    let room = files::room_for_connections(config.limits.connections)?;
    if room < config.limits.connections {
        let configured = config.limits.connections;
        warn!(
            configured,
            room,
            "clients may have fewer connections than configured: the process may open no more files (`ulimit -n`, LimitNOFILE)"
        );
    }
    let config = &Config { limits: Limits { connections: room, ..config.limits }, ..config.clone() };
    let prepared = prepare(config)?;
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let settings = runtime::Config::default()
        .with_worker_threads(cores.max(2))
        .with_tcp_nodelay(Some(true))
        .with_storage_directory(engine_directory(config));
    runtime::Runner::new(settings).start(|context| serve(context, config.clone(), prepared))
}

fn prepare(config: &Config) -> Result<Prepared, DaemonError> {
    let unreadable = |path: &Path| {
        let path = path.to_path_buf();
        move |cause| DaemonError::Unreadable { path, cause }
    };
    let genesis_bytes = std::fs::read(&config.genesis).map_err(unreadable(&config.genesis))?;
    let genesis =
        Genesis::parse(&genesis_bytes).map_err(|cause| DaemonError::Genesis { path: config.genesis.clone(), cause })?;
    let passphrase = match (&config.key.passphrase_file, &config.key.passphrase_env) {
        (Some(file), _) => PassphraseSource::File(file.clone()),
        (None, Some(variable)) => PassphraseSource::Variable(variable.clone()),
        (None, None) => PassphraseSource::Ask,
    };
    if let Some(exposure) = passphrase.exposure() {
        warn!("{exposure}");
    }
    let passphrase = passphrase.read()?;
    let key = KeyPair::read_file(&config.key.path, &passphrase)?;
    if config.peers.iter().any(|peer| peer.public_key == key.public_key()) {
        return Err(DaemonError::OwnPeer(key.public_key()));
    }
    // Its lock first: a second process of one configuration is told so, and not that its ports are taken.
    let place = config.data_dir.join("store");
    let store = RocksStore::open(&place, &genesis.chain_id())?;
    if store.lost_its_mark() {
        warn!(
            store = %place.display(),
            "the mark of what was acknowledged, ACKNOWLEDGED, is missing: whether the store lost its last commits cannot be \
             told. Unless you know why, have the node begin anew from its peers (`causeway rebuild`)"
        );
    }
    let grpc = bind(config.listen.grpc, "listen.grpc")?;
    let metrics = config.listen.metrics.map(|address| bind(address, "listen.metrics")).transpose()?;
    // The engine binds this one itself; trying it here turns its panic into a line.
    drop(bind(config.listen.p2p, "listen.p2p")?);
    Ok(Prepared { genesis, genesis_bytes: genesis_bytes.into(), key, grpc, metrics, store })
}

fn bind(address: SocketAddr, key: &'static str) -> Result<TcpListener, DaemonError> {
    let bound = TcpListener::bind(address).and_then(|listener| listener.set_nonblocking(true).map(|()| listener));
    bound.map_err(|cause| DaemonError::Port { address, key, cause })
}

/// How the key takes part, by what the engine's directory and the one-time mark say.
async fn signer<E: KeepsJournals>(
    context: &E,
    config: &Config,
    prepared: &Prepared,
    is_validator: bool,
    has_signed: bool,
) -> Result<Signer, DaemonError> {
    let public_key = prepared.key.public_key();
    let unusable = |cause| unusable_engine(config, cause);
    let falls_short = match last_voted::read(&config.key.last_voted, &public_key)? {
        Some(known) => voting::falls_short(context, PARTITION, &public_key, known).await.map_err(unusable)?,
        None => false,
    };
    let lost = match voting::standing(context, PARTITION, &public_key).await.map_err(unusable)? {
        Standing::OfAnother(found) => {
            let place = engine_directory(config);
            return Err(DaemonError::ForeignJournals { place, found, configured: public_key });
        }
        _ if falls_short => {
            "the journals of this key's votes in the data directory end before its last vote: it is an older copy, or lost a part"
        }
        Standing::Votes => {
            // A crash between the record and the mark's removal leaves the mark behind.
            remove_mark(&config.key.never_voted)?;
            return Ok(Signer::Voting(private_key(&prepared.key.seed())));
        }
        Standing::Unrecorded if has_signed => {
            "blocks in the data directory bear this key's signature: the mark that it never voted is an older copy"
        }
        Standing::Unrecorded if config.key.never_voted.exists() => {
            voting::allow_first_vote(context, PARTITION, &public_key).await.map_err(unusable)?;
            remove_mark(&config.key.never_voted)?;
            if !is_validator {
                info!(key = %public_key, "the node follows, and votes as soon as its key is a validator's");
            }
            return Ok(Signer::Voting(private_key(&prepared.key.seed())));
        }
        Standing::JournalLost => "the journal of this key's votes is lost from the data directory",
        Standing::Unrecorded => "this key's voting record is not in the data directory",
    };
    let engine = engine_directory(config);
    match is_validator {
        true => warn!(
            validator = %public_key,
            engine = %engine.display(),
            "{lost}: the node rebuilds and follows, and cannot vote until its key is replaced"
        ),
        false => info!(key = %public_key, "{lost}: the node follows, and could not vote if its key were a validator's"),
    }
    Ok(Signer::Silent(public_key))
}

/// Why the engine's directory cannot be used. A disk that fails is another matter than journals that lost something.
fn unusable_engine(config: &Config, cause: EngineError) -> DaemonError {
    match cause {
        EngineError::PartitionCorrupt(why) => DaemonError::Votes { place: engine_directory(config), why },
        cause => DaemonError::Engine(cause),
    }
}

/// Where the engine keeps its journals.
fn engine_directory(config: &Config) -> PathBuf {
    config.data_dir.join("engine")
}

/// A power cut does not bring it back: the key could then vote once more from an empty directory.
fn remove_mark(path: &Path) -> Result<(), DaemonError> {
    durable::remove(path).map_err(|cause| DaemonError::Mark { path: path.to_path_buf(), cause })
}

async fn serve(context: runtime::Context, config: Config, prepared: Prepared) -> Result<(), DaemonError> {
    let journaled = Journaled::new(context.child("journaled"), PARTITION);
    // The chain is opened before the network, so that a store that cannot be used is the first thing said; and what the
    // ledger says of the peers is held to the configuration before the mark that the key never voted is used up.
    let chain = Chain::open(prepared.store.clone(), &prepared.genesis).await?;
    let known = known_peers(&config, &prepared);
    let found = node::find(&chain, &prepared.key.public_key(), &known)?;
    // Only who would begin to vote has to be sure that it never did.
    let has_signed = config.key.never_voted.exists() && node::has_signed(&chain, &prepared.key.public_key())?;
    drop(chain);
    let signer = signer(&journaled, &config, &prepared, found.is_validator, has_signed).await?;
    let peers = config.peers.iter().map(|peer| peer.address.ip()).chain([config.listen.p2p.ip()]);
    let connections = Connections {
        key: private_key(&prepared.key.seed()),
        chain_id: prepared.genesis.chain_id(),
        listen: config.listen.p2p,
        peers_max: NonZeroUsize::new(found.peers_count + PEERS_TO_COME).unwrap_or(NonZeroUsize::MIN),
        allow_private_addresses: true,
        same_machine: peers.into_iter().all(|address| address.is_loopback()),
    };
    let votes = matches!(signer, Signer::Voting(_)).then(|| signer.public_key());
    let strategy = context.strategy(NonZeroUsize::new(2).unwrap_or(NonZeroUsize::MIN));
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(DaemonError::Randomness)?;
    let settings = NodeSettings {
        genesis: prepared.genesis,
        genesis_bytes: prepared.genesis_bytes,
        signer,
        idle_interval: config.consensus.idle_interval(),
        pace: config.consensus.pace(),
        peers: known,
        partition: PARTITION.to_owned(),
        clock: config.rehearsal.clock(),
        keep: config.pruning.keep(),
        protocol_version_max: config.rehearsal.protocol_version_max(),
        pool: PoolLimits { transactions_max: config.limits.pool_transactions as usize, ..PoolLimits::default() },
        seed,
    };
    let (store, chain_id, operator) =
        (prepared.store.clone(), settings.genesis.chain_id(), snapshots::operator::listen(&config.data_dir)?);
    let (network, peers) = connect(context.child("network"), connections);
    let mut running = node::start(journaled.child("node"), settings, network, prepared.store, strategy).await?;
    let handle = running.handle.clone();
    if let Some(key) = votes {
        let mark = config.key.last_voted.clone();
        journaled.child("last_voted").spawn(move |context| last_voted::keep(context, mark, key));
    }

    if let Some(listener) = prepared.metrics {
        metrics::serve(context.child("metrics"), listener, running.metrics.clone(), Arc::new(handle.clone()))?;
    }
    running.metrics.pool_transactions_max.set(i64::from(config.limits.pool_transactions));
    let disk = Disk { handle: handle.clone(), metrics: running.metrics.clone(), config: config.clone() };
    disk.look();
    tokio::spawn(disk.watch());
    if let Some(listening) = operator {
        tokio::spawn(snapshots::operator::serve(listening, store, chain_id));
    }
    let (stop_serving, stopped) = tokio::sync::oneshot::channel::<()>();
    let listener = tokio::net::TcpListener::from_std(prepared.grpc).map_err(DaemonError::Runtime)?;
    let server_config = api::ServerConfig {
        tls: tls(&config)?,
        clients: client_limits(&config),
        patience: api::Patience::DEFAULT,
        metrics: running.metrics.clone(),
    };
    let serving = api::serve(listener, Arc::new(handle.clone()), server_config, async {
        // A dropped hand stops as well.
        let _ = stopped.await;
    });
    let mut serving = std::pin::pin!(serving);
    info!(grpc = %config.listen.grpc, p2p = %config.listen.p2p, "serving");

    let ended = tokio::select! {
        signal = signal() => signal.map(|name| info!(signal = name, "stopping")),
        cause = running.halted.cause() => Err(cause.into()),
        reason = running.consensus => Err(reason.map_or(DaemonError::Network, |reason| node::NodeError::Consensus(reason).into())),
        _ = peers => Err(DaemonError::Network),
        served = &mut serving => served.map_err(DaemonError::from),
    };
    handle.stop_admitting();
    drop(stop_serving);
    let bound = config.limits.shutdown();
    if ended.is_ok() && tokio::time::timeout(bound / 2, &mut serving).await.is_err() {
        warn!("some calls were still open and are cut off");
    }
    if context.stop(0, Some(bound / 2)).await.is_err() {
        warn!("some tasks did not end in time and are cut off");
    }
    match &ended {
        Ok(()) => info!("stopped"),
        Err(cause) => match log::full_disk(&config.data_dir) {
            Some(advice) => error!(%cause, "the node stopped: {advice}"),
            None => error!(%cause, "the node stopped"),
        },
    }
    ended
}

fn client_limits(config: &Config) -> api::ClientLimits {
    let limits = &config.limits;
    api::ClientLimits {
        calls_per_second: NonZeroU32::new(limits.client_calls_per_second).unwrap_or(NonZeroU32::MIN),
        calls_at_once: limits.client_calls_at_once as usize,
        waits_at_once: api::ClientLimits::DEFAULT.waits_at_once,
        connections: limits.connections as usize,
        connections_per_address: limits.connections_per_address as usize,
    }
}

/// The room that is left on the disk of a node's data.
struct Disk<E, S, T: Strategy> {
    handle: node::NodeHandle<E, S, T>,
    metrics: node::NodeMetrics,
    config: Config,
}

impl<E: KeepsJournals, S: Store, T: Strategy> Disk<E, S, T> {
    /// Keeps the figure, and whether it is enough for more transactions.
    fn look(&self) {
        let Ok(free) = fs2::available_space(&self.config.data_dir) else { return };
        self.metrics.disk_free_bytes.set(i64::try_from(free).unwrap_or(i64::MAX));
        let is_short = self.config.limits.is_short_of_room(free);
        if self.handle.set_short_of_room(is_short) != is_short {
            let (place, left, least) = (self.config.data_dir.display(), free >> 20, self.config.limits.disk_free_mib);
            match is_short {
                true => warn!(
                    "the disk of {place} has {left} MiB left, less than limits.disk_free_mib = {least}: the node takes no clients' transactions \
                     until there is more"
                ),
                false => info!("the disk of {place} has {left} MiB left: the node takes transactions again"),
            }
        }
    }

    async fn watch(self) {
        loop {
            tokio::time::sleep(LOOK_AT_DISK_EVERY).await;
            self.look();
        }
    }
}

/// Where peers are reached by the configuration's word, and this node.
fn known_peers(config: &Config, prepared: &Prepared) -> BTreeMap<PublicKey, PeerAddress> {
    let address = |at: SocketAddr| PeerAddress { host: at.ip().to_string(), port: at.port() };
    let peers = config.peers.iter().map(|peer| (peer.public_key, address(peer.address)));
    peers.chain([(prepared.key.public_key(), address(config.listen.p2p))]).collect()
}

fn tls(config: &Config) -> Result<Option<tonic::transport::ServerTlsConfig>, DaemonError> {
    let Some(tls) = &config.tls else { return Ok(None) };
    let read =
        |path: &Path| std::fs::read(path).map_err(|cause| DaemonError::Unreadable { path: path.to_path_buf(), cause });
    let identity = tonic::transport::Identity::from_pem(read(&tls.certificate)?, read(&tls.private_key)?);
    let mut server = tonic::transport::ServerTlsConfig::new().identity(identity);
    if let Some(authority) = &tls.client_authority {
        server = server.client_ca_root(tonic::transport::Certificate::from_pem(read(authority)?));
    }
    Ok(Some(server))
}

/// Waits for the wish to stop.
///
/// # Errors
/// The operating system hears none.
#[cfg(unix)]
pub async fn signal() -> Result<&'static str, DaemonError> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).map_err(DaemonError::Runtime)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(DaemonError::Runtime)?;
    tokio::select! {
        _ = terminate.recv() => Ok("SIGTERM"),
        _ = interrupt.recv() => Ok("SIGINT"),
    }
}

/// Waits for the wish to stop.
///
/// # Errors
/// The operating system hears none.
#[cfg(not(unix))]
pub async fn signal() -> Result<&'static str, DaemonError> {
    tokio::signal::ctrl_c().await.map(|()| "Ctrl-C").map_err(DaemonError::Runtime)
}
