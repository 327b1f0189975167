//! A node's configuration: a TOML file, with `CAUSEWAY_…` variables of the environment laid over it.
//!
//! Every key has one name and one variable: `listen.grpc` is overridden by `CAUSEWAY_LISTEN_GRPC`, `data_dir` by
//! `CAUSEWAY_DATA_DIR`. Peers are `CAUSEWAY_PEERS=<public key>@<address>,…`. [`KEYS`] lists them all; `config/node.toml`
//! explains them. Relative paths are relative to the file.
//!
//! # Invariants
//! * An unknown key, or an unknown variable of one of our sections or close to one of ours, is an error that names it: a
//!   misspelt limit must not silently be no limit. Other variables that begin with `CAUSEWAY_` are told and no error: a
//!   container platform makes some by itself (`CAUSEWAY_PORT`, `CAUSEWAY_SERVICE_HOST`) where a service has our name.
//! * A variable that is set and empty is an error: a template that was not filled in is not a wish for nothing.
//! * Secrets are never in the file: a passphrase is named by a file or a variable.
//! * Off the loopback, gRPC is encrypted and asks for clients' certificates, unless the file says in so many words that it does
//!   not (`listening`).
//!
//! # Deliberately absent
//! The rules of the ledger. What validators must agree on is in the genesis and in `ledger::limits`.

use crate::consensus::Pace;
use crate::primitives::PublicKey;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;

/// Why a configuration is not one.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("the configuration file {file} could not be read: {cause}")]
    Unreadable {
        /// The file.
        file: String,
        /// What the operating system said.
        cause: std::io::Error,
    },
    /// The file says nothing, and the environment does not say it instead.
    #[error("the configuration file {file} is empty: see config/node.toml, or let `causeway testnet` write one")]
    Empty {
        /// The file.
        file: String,
    },
    /// The file is not TOML.
    #[error("{file} is not TOML: {why}")]
    Syntax {
        /// The file.
        file: String,
        /// Where and why.
        why: String,
    },
    /// A key that does not exist.
    #[error("unknown key '{key}' in {file}{}", hint(nearest))]
    UnknownKey {
        /// The key, with its section.
        key: String,
        /// The file.
        file: String,
        /// The key that may have been meant.
        nearest: Option<String>,
    },
    /// A variable that overrides nothing.
    #[error("unknown environment variable '{variable}'{}", hint(nearest))]
    UnknownVariable {
        /// The variable.
        variable: String,
        /// The variable that may have been meant.
        nearest: Option<String>,
    },
    /// A value that does not fit its key.
    #[error("'{key}' in {source_name}: {why}")]
    Value {
        /// The key, with its section.
        key: String,
        /// The file or the variable.
        source_name: String,
        /// What is wrong and what is expected.
        why: String,
    },
}

fn hint(nearest: &Option<String>) -> String {
    nearest.as_ref().map_or_else(String::new, |nearest| format!("; did you mean '{nearest}'?"))
}

/// What a key's value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text: a path, an address, a name.
    Text,
    /// A whole number.
    Number,
    /// `true` or `false`.
    Flag,
    /// The list of peers.
    Peers,
}

/// Every key, with what its value looks like.
pub const KEYS: &[(&str, Kind)] = &[
    ("data_dir", Kind::Text),
    ("genesis", Kind::Text),
    ("key.path", Kind::Text),
    ("key.passphrase_file", Kind::Text),
    ("key.passphrase_env", Kind::Text),
    ("key.never_voted", Kind::Text),
    ("key.last_voted", Kind::Text),
    ("listen.grpc", Kind::Text),
    ("listen.p2p", Kind::Text),
    ("listen.metrics", Kind::Text),
    ("listen.allow_plaintext", Kind::Flag),
    ("tls.certificate", Kind::Text),
    ("tls.private_key", Kind::Text),
    ("tls.client_authority", Kind::Text),
    ("tls.allow_any_client", Kind::Flag),
    ("consensus.idle_interval_ms", Kind::Number),
    ("consensus.block_delivery_ms", Kind::Number),
    ("log.format", Kind::Text),
    ("log.filter", Kind::Text),
    ("limits.pool_transactions", Kind::Number),
    ("limits.client_calls_per_second", Kind::Number),
    ("limits.client_calls_at_once", Kind::Number),
    ("limits.connections", Kind::Number),
    ("limits.connections_per_address", Kind::Number),
    ("limits.disk_free_mib", Kind::Number),
    ("limits.shutdown_ms", Kind::Number),
    ("pruning.keep_heights", Kind::Number),
    ("pruning.keep_days", Kind::Number),
    ("rehearsal.clock_ahead_ms", Kind::Number),
    ("rehearsal.protocol_version_max", Kind::Number),
    ("peers", Kind::Peers),
];

/// The variable that overrides a key.
pub fn variable_of(key: &str) -> String {
    format!("CAUSEWAY_{}", key.to_uppercase().replace('.', "_"))
}

/// A node's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the node keeps its store and the engine's journals: one unit of backup.
    pub data_dir: PathBuf,
    /// The genesis file.
    pub genesis: PathBuf,
    /// The node's own key.
    pub key: Key,
    /// Where it listens.
    pub listen: Listen,
    /// Certificates for gRPC.
    pub tls: Option<Tls>,
    /// The pace of consensus.
    #[serde(default)]
    pub consensus: Consensus,
    /// The log.
    #[serde(default)]
    pub log: Log,
    /// The node's own limits.
    #[serde(default)]
    pub limits: Limits,
    /// How long bodies of blocks are kept.
    #[serde(default)]
    pub pruning: Pruning,
    /// What is done in rehearsals only.
    #[serde(default)]
    pub rehearsal: Rehearsal,
    /// The other validators and observers.
    #[serde(default)]
    pub peers: Vec<Peer>,
    /// Variables that begin like ours and mean nothing to us, for the log to tell.
    #[serde(skip)]
    pub unknown_variables: Vec<String>,
}

/// The node's own key.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// The encrypted PKCS#8 file.
    pub path: PathBuf,
    /// The file whose first line is the passphrase.
    pub passphrase_file: Option<PathBuf>,
    /// The variable that holds the passphrase.
    pub passphrase_env: Option<String>,
    /// The one-time mark that this key has never voted. The node removes it before it first votes.
    #[serde(default = "default_never_voted")]
    pub never_voted: PathBuf,
    /// The mark of how far the journals of its votes reached. The node writes it, outside of the data directory.
    #[serde(default = "default_last_voted")]
    pub last_voted: PathBuf,
}

fn default_last_voted() -> PathBuf {
    "last-voted".into()
}

fn default_never_voted() -> PathBuf {
    "never-voted".into()
}

/// The pace of consensus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Consensus {
    /// How long a leader waits for transactions before it proposes an empty block, in ms.
    pub idle_interval_ms: u64,
    /// How long a block may be on its way, built, sent and received, before its leader is given up on, in ms.
    pub block_delivery_ms: u64,
}

impl Default for Consensus {
    fn default() -> Self {
        Self { idle_interval_ms: 1_000, block_delivery_ms: 1_000 }
    }
}

impl Consensus {
    /// How long a leader waits for transactions before it proposes an empty block.
    pub fn idle_interval(&self) -> Duration {
        Duration::from_millis(self.idle_interval_ms)
    }

    /// How long consensus waits for what.
    pub fn pace(&self) -> Pace {
        Pace::new(self.idle_interval(), Duration::from_millis(self.block_delivery_ms))
    }
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// The log.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// How lines are written.
    pub format: LogFormat,
    /// What is written, in the syntax of `tracing`'s `EnvFilter`.
    pub filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info".to_owned() }
    }
}

/// Another node.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// Its public key.
    #[serde(deserialize_with = "read_public_key")]
    pub public_key: PublicKey,
    /// Where it listens for other nodes.
    pub address: SocketAddr,
}

fn read_public_key<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<PublicKey, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|error| serde::de::Error::custom(format!("'{text}': {error}")))
}

impl Config {
    /// Reads a file and lays variables over it; `environment` is usually [`std::env::vars`].
    ///
    /// # Errors
    /// The first key or variable that is unknown or has a wrong value.
    pub fn load(path: &Path, environment: impl IntoIterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|cause| ConfigError::Unreadable { file: file.clone(), cause })?;
        let mut config = Self::parse(&text, &file, environment)?;
        config.resolve_paths(path.parent().unwrap_or(Path::new("")));
        Ok(config)
    }

    /// Reads a file's text; `file` is its name in errors.
    ///
    /// # Errors
    /// Those of [`Self::load`].
    pub fn parse(
        text: &str,
        file: &str,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let table: Result<toml::Table, _> = text.parse();
        let mut table = table
            .map_err(|error| ConfigError::Syntax { file: file.to_owned(), why: error.to_string().trim().to_owned() })?;
        refuse_unknown_keys(&table, "", file)?;
        let is_empty = table.is_empty();
        let environment: Vec<_> = environment.into_iter().collect();
        let passphrase_variable = named_passphrase_variable(&table, &environment);
        let (mut overridden, mut unknown_variables) = (Vec::new(), Vec::new());
        for (variable, value) in environment {
            if Some(&variable) == passphrase_variable.as_ref() {
                continue;
            }
            match lay_over(&mut table, &variable, &value)? {
                Meant::Key(key) => overridden.push(key),
                Meant::Nothing => unknown_variables.push(variable),
                Meant::SomethingElse => {}
            }
        }
        // A value is told with where it comes from, or the wrong place would be corrected.
        let source_of = |key: &str| match overridden.contains(&key) {
            true => format!("the environment variable {}", variable_of(key)),
            false => file.to_owned(),
        };
        let config: Self = table.try_into().map_err(|error: toml::de::Error| {
            if is_empty && overridden.is_empty() {
                return ConfigError::Empty { file: file.to_owned() };
            }
            let key = key_of(&error);
            // Within a list the error names a part of it.
            let whole = if key.starts_with("peers") { "peers" } else { &key };
            ConfigError::Value { source_name: source_of(whole), key, why: first_line(error.message()) }
        })?;
        config.check(&source_of)?;
        Ok(Self { unknown_variables, ..config })
    }

    fn check(&self, source_of: &dyn Fn(&str) -> String) -> Result<(), ConfigError> {
        let refuse = |key: &str, why: &str| {
            Err(ConfigError::Value { key: key.into(), source_name: source_of(key), why: why.into() })
        };
        match (&self.key.passphrase_file, &self.key.passphrase_env) {
            (None, None) => {
                return refuse("key.passphrase_file", "say where the passphrase is: here or in key.passphrase_env");
            }
            (Some(_), Some(_)) => {
                return refuse("key.passphrase_env", "key.passphrase_file is set too; keep one of them");
            }
            _ => {}
        }
        if let Err((key, why)) = self.listen.check(self.tls.as_ref()) {
            return refuse(key, &why);
        }
        if !(10..=60_000).contains(&self.consensus.idle_interval_ms) {
            return refuse("consensus.idle_interval_ms", "expected 10 to 60000");
        }
        if !(100..=60_000).contains(&self.consensus.block_delivery_ms) {
            return refuse("consensus.block_delivery_ms", "expected 100 to 60000");
        }
        if let Err((key, why)) =
            self.limits.check().and_then(|()| self.pruning.check()).and_then(|()| self.rehearsal.check(self))
        {
            return refuse(key, &why);
        }
        let mut peers: Vec<_> = self.peers.iter().map(|peer| peer.public_key).collect();
        peers.sort_unstable();
        if let Some(pair) = peers.windows(2).find(|pair| pair[0] == pair[1]) {
            return refuse("peers", &format!("the key {} stands twice", pair[0]));
        }
        Ok(())
    }

    fn resolve_paths(&mut self, directory: &Path) {
        let resolve = |path: &mut PathBuf| *path = directory.join(&path);
        let key = &mut self.key;
        [&mut self.data_dir, &mut self.genesis, &mut key.path, &mut key.never_voted, &mut key.last_voted]
            .into_iter()
            .for_each(resolve);
        self.key.passphrase_file.iter_mut().for_each(resolve);
        if let Some(tls) = &mut self.tls {
            [&mut tls.certificate, &mut tls.private_key].into_iter().for_each(resolve);
            tls.client_authority.iter_mut().for_each(resolve);
        }
    }
}

/// The path that toml's error gives in its second line, "in `listen.grpc`".
fn key_of(error: &toml::de::Error) -> String {
    let text = error.to_string();
    let path = text.lines().find_map(|line| line.trim().strip_prefix("in `")?.strip_suffix('`'));
    path.map(str::to_owned).unwrap_or_else(|| missing_field(error.message()).unwrap_or("the file").to_owned())
}

fn missing_field(message: &str) -> Option<&str> {
    message.strip_prefix("missing field `")?.strip_suffix('`')
}

fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().to_owned()
}

fn refuse_unknown_keys(table: &toml::Table, prefix: &str, file: &str) -> Result<(), ConfigError> {
    for (name, value) in table {
        let key = format!("{prefix}{name}");
        if let Some((_, kind)) = KEYS.iter().find(|(known, _)| *known == key) {
            if let (Kind::Peers, Some(peers)) = (kind, value.as_array()) {
                refuse_unknown_peer_keys(peers, file)?;
            }
            continue;
        }
        let section = format!("{key}.");
        match value.as_table() {
            Some(inner) if KEYS.iter().any(|(known, _)| known.starts_with(&section)) => {
                refuse_unknown_keys(inner, &section, file)?;
            }
            _ => {
                let nearest = nearest(&key, KEYS.iter().map(|(known, _)| (*known).to_owned()));
                return Err(ConfigError::UnknownKey { key, file: file.to_owned(), nearest });
            }
        }
    }
    Ok(())
}

fn refuse_unknown_peer_keys(peers: &[toml::Value], file: &str) -> Result<(), ConfigError> {
    let known = ["public_key", "address"];
    let names = peers.iter().filter_map(toml::Value::as_table).flat_map(toml::Table::keys);
    match names.into_iter().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(ConfigError::UnknownKey {
            key: format!("peers.{name}"),
            file: file.to_owned(),
            nearest: nearest(name, known.iter().map(|known| (*known).to_owned())),
        }),
    }
}

/// What begins every variable of ours.
const VARIABLE_PREFIX: &str = "CAUSEWAY_";

/// Sections whose variables are ours alone, so that an unknown one is a mistake.
const SECTION_VARIABLES: &[&str] = &[
    "CAUSEWAY_LISTEN_",
    "CAUSEWAY_TLS_",
    "CAUSEWAY_CONSENSUS_",
    "CAUSEWAY_LOG_",
    "CAUSEWAY_LIMITS_",
    "CAUSEWAY_KEY_",
    "CAUSEWAY_PRUNING_",
    "CAUSEWAY_REHEARSAL_",
];

/// Variables of the command line and the sandbox, which mean nothing to a node and are no mistake.
pub const CLIENT_VARIABLES: &[&str] = &[
    "CAUSEWAY_ACCOUNT",
    "CAUSEWAY_AS",
    "CAUSEWAY_DOCUMENTS",
    "CAUSEWAY_ENDPOINT",
    "CAUSEWAY_KEY",
    "CAUSEWAY_PASSPHRASE",
    "CAUSEWAY_PASSPHRASE_FILE",
    "CAUSEWAY_SANDBOX",
    "CAUSEWAY_SIGNER",
];

/// The variable that holds the passphrase, which may begin like ours.
fn named_passphrase_variable(table: &toml::Table, environment: &[(String, String)]) -> Option<String> {
    let key = "key.passphrase_env";
    let overridden = environment.iter().find(|(variable, _)| *variable == variable_of(key));
    let in_file = || table.get("key")?.get("passphrase_env")?.as_str().map(str::to_owned);
    overridden.map(|(_, value)| value.clone()).or_else(in_file)
}

/// What a variable is to a node.
enum Meant {
    /// It overrides this key.
    Key(&'static str),
    /// It begins like ours, and is none.
    Nothing,
    /// It is not for the node.
    SomethingElse,
}

/// A variable that no key has: an error if it was meant for one.
fn unknown(variable: &str) -> Result<Meant, ConfigError> {
    if !variable.starts_with(VARIABLE_PREFIX) || CLIENT_VARIABLES.contains(&variable) {
        return Ok(Meant::SomethingElse);
    }
    let nearest = nearest(variable, KEYS.iter().map(|(key, _)| variable_of(key)));
    let is_ours = SECTION_VARIABLES.iter().any(|section| variable.starts_with(section));
    // Two slips of the hand; three would take a platform's CAUSEWAY_PORT for CAUSEWAY_PEERS.
    let is_misspelt = nearest.as_ref().is_some_and(|nearest| edit_distance(variable, nearest) <= 2);
    match is_ours || is_misspelt {
        true => Err(ConfigError::UnknownVariable { variable: variable.to_owned(), nearest }),
        false => Ok(Meant::Nothing),
    }
}

fn lay_over(table: &mut toml::Table, variable: &str, text: &str) -> Result<Meant, ConfigError> {
    let Some((key, kind)) = KEYS.iter().find(|(key, _)| variable_of(key) == variable) else {
        return unknown(variable);
    };
    let refuse = |expected: &str| ConfigError::Value {
        key: (*key).to_owned(),
        source_name: format!("the environment variable {variable}"),
        why: format!("'{text}' is not {expected}"),
    };
    if text.trim().is_empty() {
        let why = "it is set and empty: give it a value, or unset it".to_owned();
        let source_name = format!("the environment variable {variable}");
        return Err(ConfigError::Value { key: (*key).to_owned(), source_name, why });
    }
    let value = match kind {
        Kind::Text => toml::Value::String(text.to_owned()),
        Kind::Number => toml::Value::Integer(text.parse().map_err(|_| refuse("a whole number"))?),
        Kind::Flag => toml::Value::Boolean(text.parse().map_err(|_| refuse("true or false"))?),
        Kind::Peers => {
            let peers = text.split(',').filter(|peer| !peer.is_empty()).map(peer_of).collect::<Option<Vec<_>>>();
            toml::Value::Array(peers.ok_or_else(|| refuse("a list <public key>@<address>,…"))?)
        }
    };
    match key.split_once('.') {
        None => drop(table.insert((*key).to_owned(), value)),
        Some((section, name)) => {
            let section = table.entry(section).or_insert_with(|| toml::Value::Table(toml::Table::new()));
            if let Some(section) = section.as_table_mut() {
                section.insert(name.to_owned(), value);
            }
        }
    }
    Ok(Meant::Key(key))
}

fn peer_of(text: &str) -> Option<toml::Value> {
    let (public_key, address) = text.split_once('@')?;
    let text = |text: &str| toml::Value::String(text.trim().to_owned());
    Some(toml::Value::Table(toml::Table::from_iter([
        ("public_key".to_owned(), text(public_key)),
        ("address".to_owned(), text(address)),
    ])))
}

/// The candidate closest to what was written, if it is close enough to have been meant.
fn nearest(written: &str, candidates: impl Iterator<Item = String>) -> Option<String> {
    let (distance, candidate) = candidates.map(|candidate| (edit_distance(written, &candidate), candidate)).min()?;
    (distance <= 3).then_some(candidate)
}

/// Levenshtein's distance.
fn edit_distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (above, letter) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = above + 1;
        for (column, other) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}

mod limits;
mod listening;
mod pruning;
mod rehearsal;
#[cfg(test)]
mod tests;

pub use limits::Limits;
pub use listening::{Listen, Tls};
pub use pruning::Pruning;
pub use rehearsal::Rehearsal;
