//! A new network on disk: the genesis, and for every validator a directory with its key and a commented configuration.
//!
//! ```text
//! DIR/genesis.json
//! DIR/nodes/validator-1/{node.toml, key.pem, passphrase, never-voted}
//! DIR/participants/issuer/{participant.json, key.pem, passphrase}
//! ```
//!
//! With TLS there are certificates beside the keys: see `certificates`.
//!
//! # Invariants
//! * Nothing that exists is overwritten: keys above all.
//! * A node's directory holds its mark that its key has never voted exactly when its key was made here.

use super::cast::{self, GenesisParty};
use super::certificates::{AUTHORITY, Authority, NODE};
use crate::client::keys::write_new_private_file;
use crate::client::{KeyFileError, KeyPair, Participant, ParticipantError, Passphrase, now_ms};
use crate::execution::genesis::{
    GENESIS_FORMAT, Genesis, GenesisError, GenesisFile, ValidatorSpec, genesis_account_id,
};
use crate::ledger::protocol::PROTOCOL_VERSION_MAX;
use crate::ledger::validators::VALIDATORS_MAX;
use crate::node::Config;
use crate::primitives::{ChainId, PublicKey};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Heights in an epoch of a network made here, unless something else is said.
pub const EPOCH_LENGTH_DEFAULT: u64 = 65_536;
/// What the mark says that a key has never voted.
pub const NEVER_VOTED: &str =
    "This key has never voted. The node removes this file before it first votes. Never copy it.\n";
/// The configuration that the nodes' are made of.
const NODE_TOML: &str = include_str!("../../config/node.toml");

/// Why a network was not made.
#[derive(Debug, Error)]
pub enum TestnetError {
    /// Too few or too many validators.
    #[error("a network has 1 to {VALIDATORS_MAX} validators, not {0}; 4 bear the loss of one, 7 of two")]
    ValidatorCount(usize),
    /// The ports run past 65535.
    #[error("the ports from {0} on do not suffice; choose a lower first port")]
    Ports(u16),
    /// The engine needs two heights in an epoch.
    #[error("an epoch has at least 2 heights")]
    EpochLength,
    /// There is no network.
    #[error("{} does not exist: there is no network in this directory to add a node to", path.display())]
    NoNetwork {
        /// The file that is missing.
        path: PathBuf,
    },
    /// A node's configuration does not hold.
    #[error(transparent)]
    Config(#[from] crate::node::ConfigError),
    /// There is a network already.
    #[error("{} exists: there is a network in this directory. Choose another one", path.display())]
    Exists {
        /// The file that exists.
        path: PathBuf,
    },
    /// A file or directory could not be written.
    #[error("{} could not be written: {}", path.display(), explain_io(cause))]
    Unwritable {
        /// The path.
        path: PathBuf,
        /// What the operating system said.
        cause: std::io::Error,
    },
    /// A file could not be read.
    #[error("{} could not be read: {cause}", path.display())]
    Unreadable {
        /// The path.
        path: PathBuf,
        /// What the operating system said.
        cause: std::io::Error,
    },
    /// A certificate could not be made.
    #[error("the development certificates could not be made: {0}")]
    Certificate(#[from] rcgen::Error),
    /// A key could not be made.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// A participant could not be written.
    #[error(transparent)]
    Participant(#[from] ParticipantError),
    /// The genesis does not hold.
    #[error("the genesis file does not hold: {0}")]
    Genesis(#[from] GenesisError),
}

/// An operating system's error with what to do about it.
pub fn explain_io(cause: &std::io::Error) -> String {
    match cause.kind() {
        std::io::ErrorKind::StorageFull => "the disk is full; free some space or choose another directory".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied; choose a directory that you may write".to_owned(),
        _ => cause.to_string(),
    }
}

/// Where the nodes of a network listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ports {
    /// For clients, by validator.
    pub grpc: Vec<u16>,
    /// For other nodes, by validator.
    pub p2p: Vec<u16>,
    /// For Prometheus, by validator.
    pub metrics: Vec<u16>,
}

impl Ports {
    /// The first port if nothing else is said.
    pub const FIRST_DEFAULT: u16 = 7400;

    /// `first`, `first + 1`, … for clients; from `first + 100` on for nodes, from `first + 200` on for Prometheus.
    ///
    /// # Errors
    /// They run past 65535.
    pub fn from_first(first: u16, validators: usize) -> Result<Self, TestnetError> {
        let range = |offset: usize| {
            let port = |index: usize| u16::try_from(usize::from(first) + offset + index);
            (0..validators).map(port).collect::<Result<Vec<_>, _>>().map_err(|_| TestnetError::Ports(first))
        };
        Ok(Self { grpc: range(0)?, p2p: range(100)?, metrics: range(200)? })
    }

    /// Ports that the operating system has free now.
    ///
    /// # Errors
    /// It has none.
    pub fn free(validators: usize) -> std::io::Result<Self> {
        // All are held until all are known, or the same one would come twice.
        let listeners: Vec<_> = (0..validators * 3)
            .map(|_| std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
            .collect::<Result<_, _>>()?;
        let ports: Vec<u16> =
            listeners.iter().map(|listener| listener.local_addr().map(|at| at.port())).collect::<Result<_, _>>()?;
        let part = |index: usize| ports[index * validators..(index + 1) * validators].to_vec();
        Ok(Self { grpc: part(0), p2p: part(1), metrics: part(2) })
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = u16> + '_ {
        self.grpc.iter().chain(&self.p2p).chain(&self.metrics).copied()
    }
}

/// What network to make.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where.
    pub directory: PathBuf,
    /// Its name, for people.
    pub network: String,
    /// How many validators.
    pub validators: usize,
    /// Where its nodes listen.
    pub ports: Ports,
    /// How long a leader waits for transactions before it proposes an empty block, in ms.
    pub idle_interval_ms: u64,
    /// Whether nodes and clients show each other certificates, of an authority of the network's own.
    pub tls: bool,
    /// How many heights an epoch has: changes of the validators take force with the next.
    pub epoch_length: u64,
}

/// A network on disk.
#[derive(Clone, Debug)]
pub struct Testnet {
    /// Where.
    pub directory: PathBuf,
    /// The ledger.
    pub chain_id: ChainId,
    /// The nodes' directories.
    pub nodes: Vec<PathBuf>,
}

/// The directory of a validator, counted from 0.
pub fn node_directory(directory: &Path, index: usize) -> PathBuf {
    directory.join("nodes").join(format!("validator-{}", index + 1))
}

/// The directory of a participant.
pub fn participant_directory(directory: &Path, name: &str) -> PathBuf {
    directory.join("participants").join(name)
}

/// Holds a number of validators to what a network may have.
///
/// # Errors
/// There are too few or too many.
pub fn require_count(validators: usize) -> Result<(), TestnetError> {
    match (1..=VALIDATORS_MAX).contains(&validators) {
        true => Ok(()),
        false => Err(TestnetError::ValidatorCount(validators)),
    }
}

/// Makes a network.
///
/// # Errors
/// What could not be made, and why.
pub fn create(plan: &Plan) -> Result<Testnet, TestnetError> {
    require_count(plan.validators)?;
    if plan.epoch_length < 2 {
        return Err(TestnetError::EpochLength);
    }
    let genesis_path = plan.directory.join("genesis.json");
    if genesis_path.exists() {
        return Err(TestnetError::Exists { path: genesis_path });
    }
    let nodes: Vec<_> = (0..plan.validators).map(|index| node_directory(&plan.directory, index)).collect();
    let node_keys = in_parallel(&nodes, |directory| create_key(directory))?;
    let parties = cast::genesis_parties();
    let party_keys = in_parallel(&parties, |party| create_party(&plan.directory, party))?;
    if plan.tls {
        let authority = Authority::create(&plan.directory)?;
        nodes.iter().try_for_each(|directory| authority.sign_node(directory))?;
        let directories = parties.iter().map(|party| participant_directory(&plan.directory, party.name));
        directories.into_iter().try_for_each(|directory| authority.sign_client(&directory))?;
    }

    let genesis = genesis_text(plan, &node_keys, &parties, &party_keys)?;
    let chain_id = Genesis::parse(genesis.as_bytes())?.chain_id();
    let listening: Vec<_> = node_keys.iter().map(KeyPair::public_key).zip(plan.ports.p2p.iter().copied()).collect();
    for (index, directory) in nodes.iter().enumerate() {
        let node = NodeFile {
            index,
            network: &plan.network,
            ports: [&plan.ports.grpc, &plan.ports.p2p, &plan.ports.metrics].map(|ports| ports[index]),
            idle_interval_ms: plan.idle_interval_ms,
            tls: plan.tls,
        };
        write_text(&directory.join("node.toml"), &node_toml(&node, &listening))?;
        write_text(&directory.join("never-voted"), NEVER_VOTED)?;
    }
    // Last, because its presence says that the network is complete.
    write_text(&genesis_path, &genesis)?;
    Ok(Testnet { directory: plan.directory.clone(), chain_id, nodes })
}

/// Encrypting a key takes a tenth of a second on purpose, so keys are made on all cores.
fn in_parallel<I: Sync, T: Send>(
    items: &[I],
    make: impl Fn(&I) -> Result<T, TestnetError> + Sync,
) -> Result<Vec<T>, TestnetError> {
    let width = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut made = Vec::with_capacity(items.len());
    for batch in items.chunks(width) {
        let results: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = batch.iter().map(|item| scope.spawn(|| make(item))).collect();
            threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
        });
        for result in results {
            made.push(result?);
        }
    }
    Ok(made)
}

/// Makes a key with a passphrase of its own beside it.
///
/// # Errors
/// The directory cannot be written, or a key is there already.
pub fn create_key(directory: &Path) -> Result<KeyPair, TestnetError> {
    let unwritable = |path: PathBuf| |cause| TestnetError::Unwritable { path, cause };
    std::fs::create_dir_all(directory).map_err(unwritable(directory.to_path_buf()))?;
    let key = KeyPair::generate()?;
    let passphrase = Passphrase::random().map_err(KeyFileError::from)?;
    key.write_new_file(&directory.join("key.pem"), &passphrase)?;
    let path = directory.join("passphrase");
    write_new_private_file(&path, format!("{}\n", passphrase.as_str()).as_bytes()).map_err(unwritable(path))?;
    Ok(key)
}

fn create_party(directory: &Path, party: &GenesisParty) -> Result<PublicKey, TestnetError> {
    let directory = participant_directory(directory, party.name);
    let key = create_key(&directory)?;
    let public_key = key.public_key();
    let participant = Participant { name: party.name.to_owned(), account: genesis_account_id(party.name), key };
    participant.write_file(&directory, "key.pem", "passphrase")?;
    Ok(public_key)
}

fn genesis_text(
    plan: &Plan,
    node_keys: &[KeyPair],
    parties: &[GenesisParty],
    party_keys: &[PublicKey],
) -> Result<String, GenesisError> {
    let validator = |(index, key): (usize, &KeyPair)| ValidatorSpec {
        name: format!("validator-{}", index + 1),
        public_key: key.public_key().to_string(),
    };
    let file = GenesisFile {
        format: GENESIS_FORMAT,
        network: plan.network.clone(),
        time_ms: now_ms(),
        epoch_length: plan.epoch_length,
        protocol_version: PROTOCOL_VERSION_MAX,
        validators: node_keys.iter().enumerate().map(validator).collect(),
        accounts: parties.iter().zip(party_keys).map(|(party, key)| party.to_spec(*key)).collect(),
        tokens: cast::genesis_tokens(),
        lending_parameters: cast::lending_parameters(),
        forbidden_purposes: Vec::new(),
    };
    Ok(serde_json::to_string_pretty(&file)? + "\n")
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// What a node's configuration says of it.
struct NodeFile<'a> {
    /// Its place among the directories, from 0.
    index: usize,
    network: &'a str,
    /// For clients, for nodes, for Prometheus.
    ports: [u16; 3],
    idle_interval_ms: u64,
    tls: bool,
}

/// The commented example with this node's own values in it. Of those that listen, in the order of their directories, the node's
/// own place is left out.
fn node_toml(node: &NodeFile<'_>, listening: &[(PublicKey, u16)]) -> String {
    let own = |name: &str, value: String| (format!("{name} = "), format!("{name} = {value}"));
    let address = |port: u16| format!("\"{}\"", loopback(port));
    let [grpc, p2p, metrics] = node.ports;
    let values = [
        own("genesis", "\"../../genesis.json\"".to_owned()),
        own("grpc", address(grpc)),
        own("p2p", address(p2p)),
        own("metrics", address(metrics)),
        own("idle_interval_ms", node.idle_interval_ms.to_string()),
    ];
    let mut text = format!("# validator-{} of the network '{}'.\n#\n", node.index + 1, node.network);
    let [certificate, private_key] = NODE;
    let tls = [
        ("# [tls]", "[tls]".to_owned()),
        ("# certificate = ", format!("certificate = \"{certificate}\"")),
        ("# private_key = ", format!("private_key = \"{private_key}\"")),
        ("# client_authority = ", format!("client_authority = \"../../tls/{AUTHORITY}\"")),
    ];
    let tls = tls.into_iter().filter(|_| node.tls).map(|(prefix, line)| (prefix.to_owned(), line));
    let values: Vec<(String, String)> = values.into_iter().chain(tls).collect();
    for line in NODE_TOML.lines() {
        let value = values.iter().find(|(prefix, _)| line.starts_with(prefix.as_str()));
        text.push_str(value.map_or(line, |(_, own)| own.as_str()));
        text.push('\n');
    }
    for (peer, (public_key, port)) in listening.iter().enumerate().filter(|(peer, _)| *peer != node.index) {
        let address = loopback(*port);
        text.push_str(&format!(
            "\n# validator-{}\n[[peers]]\npublic_key = \"{public_key}\"\naddress = \"{address}\"\n",
            peer + 1
        ));
    }
    text
}

/// A node that was added to a network on disk.
#[derive(Clone, Debug)]
pub struct AddedNode {
    /// Its directory.
    pub directory: PathBuf,
    /// Its key.
    pub public_key: PublicKey,
    /// Where it listens for others.
    pub address: SocketAddr,
}

/// Makes one more node's files in a network's directory: a key that never voted, and a configuration that names the validators
/// of the genesis. It listens above the others, or from the port that is given. The ledger knows nothing of it yet.
///
/// # Errors
/// There is no network, or something cannot be read or written.
pub fn add_node(directory: &Path, first_port: Option<u16>) -> Result<AddedNode, TestnetError> {
    let genesis_path = directory.join("genesis.json");
    let Ok(genesis) = std::fs::read(&genesis_path) else { return Err(TestnetError::NoNetwork { path: genesis_path }) };
    let genesis = Genesis::parse(&genesis)?;
    let configured = super::addresses::configurations(directory).map(|path| Config::load(&path, []));
    let configured = configured.collect::<Result<Vec<_>, _>>()?;
    let index = configured.len();
    let highest = |port: fn(&Config) -> u16| configured.iter().map(port).max().unwrap_or(Ports::FIRST_DEFAULT);
    let above = |highest: u16| highest.checked_add(1).ok_or(TestnetError::Ports(highest));
    let ports = match first_port {
        Some(first) => {
            let Ports { grpc, p2p, metrics } = Ports::from_first(first, 1)?;
            [grpc[0], p2p[0], metrics[0]]
        }
        None => [
            above(highest(|config| config.listen.grpc.port()))?,
            above(highest(|config| config.listen.p2p.port()))?,
            above(highest(|config| config.listen.metrics.map_or(0, |at| at.port())))?,
        ],
    };
    let authority = Authority::read(directory)?;
    let node = NodeFile {
        index,
        network: &genesis.file().network,
        ports,
        idle_interval_ms: configured.first().map_or(1_000, |config| config.consensus.idle_interval_ms),
        tls: authority.is_some(),
    };
    let keys = genesis.file().validators.iter().filter_map(|validator| validator.public_key.parse().ok());
    let listening: Vec<_> = keys.zip(configured.iter().map(|config| config.listen.p2p.port())).collect();
    let directory = node_directory(directory, index);
    let public_key = create_key(&directory)?.public_key();
    authority.map_or(Ok(()), |authority| authority.sign_node(&directory))?;
    write_text(&directory.join("never-voted"), NEVER_VOTED)?;
    write_text(&directory.join("node.toml"), &node_toml(&node, &listening))?;
    Ok(AddedNode { directory, public_key, address: loopback(ports[1]) })
}

pub(super) fn write_text(path: &Path, text: &str) -> Result<(), TestnetError> {
    std::fs::write(path, text).map_err(|cause| TestnetError::Unwritable { path: path.to_path_buf(), cause })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(directory: &Path, validators: usize) -> Plan {
        Plan {
            directory: directory.to_path_buf(),
            network: "test".to_owned(),
            validators,
            ports: Ports::from_first(9000, validators).expect("few ports"),
            idle_interval_ms: 700,
            tls: validators == 2,
            epoch_length: 512,
        }
    }

    #[test]
    fn a_network_is_complete_and_its_parts_fit() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let testnet = create(&plan(directory.path(), 3)).expect("made");
        let text = std::fs::read(directory.path().join("genesis.json")).expect("written");
        let genesis = Genesis::parse(&text).expect("it holds");
        assert_eq!(genesis.chain_id(), testnet.chain_id);
        assert_eq!(genesis.validators().keys().len(), 3);
        for (index, node) in testnet.nodes.iter().enumerate() {
            let config = Config::load(&node.join("node.toml"), []).expect("it holds");
            assert_eq!(config.listen.grpc, loopback(9000 + index as u16));
            assert_eq!((config.peers.len(), config.consensus.idle_interval_ms), (2, 700));
            assert!(config.genesis.exists() && config.key.path.exists() && config.key.never_voted.exists());
        }
        let issuer = Participant::read(&participant_directory(directory.path(), "issuer")).expect("readable");
        assert_eq!(issuer.account, genesis_account_id("issuer"));
    }

    #[test]
    fn a_node_is_added_beside_the_others() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        assert!(matches!(add_node(directory.path(), None), Err(TestnetError::NoNetwork { .. })));
        create(&plan(directory.path(), 3)).expect("made");
        let fourth = add_node(directory.path(), None).expect("added");
        assert_eq!(fourth.directory, node_directory(directory.path(), 3));
        let config = Config::load(&fourth.directory.join("node.toml"), []).expect("it holds");
        assert_eq!((config.listen.grpc, config.listen.p2p), (loopback(9003), fourth.address));
        assert_eq!((config.peers.len(), config.consensus.idle_interval_ms), (3, 700));
        assert!(config.peers.iter().all(|peer| peer.public_key != fourth.public_key));
        assert!(config.key.path.exists() && config.key.never_voted.exists());
        let encrypted = tempfile::tempdir().expect("a temporary directory");
        create(&plan(encrypted.path(), 2)).expect("made");
        let third = add_node(encrypted.path(), None).expect("added").directory;
        let tls = Config::load(&third.join("node.toml"), []).expect("it holds").tls.expect("as the others have it");
        assert!(tls.certificate.exists() && tls.private_key.exists());
        let fifth = add_node(directory.path(), Some(9700)).expect("added");
        assert_eq!((fifth.directory, fifth.address), (node_directory(directory.path(), 4), loopback(9800)));
    }

    #[test]
    fn a_network_is_never_overwritten() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        create(&plan(directory.path(), 1)).expect("made");
        assert!(matches!(create(&plan(directory.path(), 1)), Err(TestnetError::Exists { .. })));
        assert!(matches!(create(&plan(directory.path(), 0)), Err(TestnetError::ValidatorCount(0))));
        assert!(matches!(Ports::from_first(65_500, 4), Err(TestnetError::Ports(65_500))));
    }
}
