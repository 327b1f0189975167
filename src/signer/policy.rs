//! What each key may sign: a TOML file, explained in `config/signer.toml`.
//!
//! # Invariants
//! * What is not named is not signed: an operation, a token, a key.
//! * A policy is read whole or refused: an unknown key, or the name of an operation that there is not, is an error.

use super::reading::operation_names;
use crate::primitives::{ChainId, PublicKey, TokenId};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a policy is none.
#[derive(Debug, Error)]
pub enum PolicyError {
    /// The file could not be read.
    #[error("the policy {} could not be read: {cause}. config/signer.toml is one to begin with", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        cause: std::io::Error,
    },
    /// It is not TOML of the expected form.
    #[error("the policy {file} is not of the expected form: {why}")]
    Form {
        /// The file.
        file: String,
        /// Where and why.
        why: String,
    },
    /// A key has no entry.
    #[error(
        "the policy {file} has no entry for the key {public_key}, which would sign nothing: add a [[key]] with this public_key"
    )]
    NoEntry {
        /// The file.
        file: String,
        /// The key.
        public_key: PublicKey,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    chain_id: String,
    #[serde(default)]
    key: Vec<KeyEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyEntry {
    public_key: String,
    #[serde(default)]
    operations: BTreeSet<String>,
    #[serde(default = "reads_by_default")]
    reads: bool,
    #[serde(default)]
    amount_max: BTreeMap<String, u64>,
}

fn reads_by_default() -> bool {
    true
}

/// What a key may sign.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    /// Operations, by their names in the proto files.
    pub operations: BTreeSet<String>,
    /// Whether it says who reads.
    pub reads: bool,
    /// Most minor units of each token in one transaction.
    pub amount_max: BTreeMap<TokenId, u64>,
}

/// What each key may sign, and on which ledger.
#[derive(Clone, Debug)]
pub struct Policy {
    file: String,
    chain_id: ChainId,
    keys: BTreeMap<PublicKey, Allowed>,
}

impl Policy {
    /// Reads a policy's file.
    ///
    /// # Errors
    /// It cannot be read, or is none.
    pub fn load(path: &Path) -> Result<Self, PolicyError> {
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|cause| PolicyError::Unreadable { path: path.to_path_buf(), cause })?;
        Self::parse(&text, &path.display().to_string())
    }

    /// Reads a policy. `file` is what errors call it.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(text: &str, file: &str) -> Result<Self, PolicyError> {
        let form = |why: String| PolicyError::Form { file: file.to_owned(), why };
        let read: File = toml::from_str(text).map_err(|error| {
            let line =
                error.span().map_or(1, |span| text.bytes().take(span.start).filter(|byte| *byte == b'\n').count() + 1);
            form(format!("line {line}: {}", error.message().lines().next().unwrap_or_default()))
        })?;
        let chain_id = read.chain_id.parse::<ChainId>().map_err(|error| form(format!("'chain_id': {error}")))?;
        let known = operation_names();
        let mut keys = BTreeMap::new();
        for (index, entry) in read.key.into_iter().enumerate() {
            let form = |why: String| form(format!("[[key]] {}: {why}", index + 1));
            let public_key = entry.public_key.parse::<PublicKey>();
            let public_key = public_key.map_err(|error| form(format!("'public_key': {error}")))?;
            if let Some(unknown) = entry.operations.iter().find(|name| !known.contains(*name)) {
                return Err(form(format!(
                    "there is no operation '{}'; the fields of causeway.ledger.v1.Operation are their names, such as 'transfer'",
                    unknown.escape_default()
                )));
            }
            let token = |(token, amount): (String, u64)| match token.parse::<TokenId>() {
                Ok(token) => Ok((token, amount)),
                Err(error) => Err(form(format!("'amount_max': {error}"))),
            };
            let amount_max = entry.amount_max.into_iter().map(token).collect::<Result<_, _>>()?;
            let allowed = Allowed { operations: entry.operations, reads: entry.reads, amount_max };
            if keys.insert(public_key, allowed).is_some() {
                return Err(form(format!("the key {public_key} has an entry already")));
            }
        }
        Ok(Self { file: file.to_owned(), chain_id, keys })
    }

    /// The ledger for which anything is signed.
    pub fn chain_id(&self) -> ChainId {
        self.chain_id
    }

    /// What a key may sign; nothing if it has no entry.
    pub fn of(&self, public_key: &PublicKey) -> Allowed {
        self.keys.get(public_key).cloned().unwrap_or_default()
    }

    /// Holds every one of these keys to having an entry.
    ///
    /// # Errors
    /// One has none.
    pub fn require(&self, mut keys: impl Iterator<Item = PublicKey>) -> Result<(), PolicyError> {
        let without = keys.find(|key| !self.keys.contains_key(key));
        without.map_or(Ok(()), |public_key| Err(PolicyError::NoEntry { file: self.file.clone(), public_key }))
    }
}
