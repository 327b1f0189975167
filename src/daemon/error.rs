//! Why a node's process could not start, or stopped. One line each, with what to do.

use super::snapshots::SnapshotError;
use crate::api::ServeError;
use crate::client::{KeyFileError, PassphraseError};
use crate::execution::genesis::GenesisError;
use crate::node::NodeError;
use crate::primitives::PublicKey;
use crate::storage::StorageError;
use std::net::SocketAddr;
use std::path::PathBuf;
use thiserror::Error;

/// A failure that ends the process.
#[derive(Debug, Error)]
pub enum DaemonError {
    /// The process may open too few files.
    #[error(transparent)]
    TooFewFiles(#[from] super::files::TooFewFiles),
    /// The log filter is not one.
    #[error("log.filter: {0}; write for example \"info\" or \"info,causeway=debug\"")]
    LogFilter(String),
    /// A file that the configuration names cannot be read.
    #[error("{} cannot be read: {cause}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        cause: std::io::Error,
    },
    /// The genesis file cannot be used.
    #[error("{}: {cause}", path.display())]
    Genesis {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: GenesisError,
    },
    /// The key's passphrase is not to be had.
    #[error(transparent)]
    Passphrase(#[from] PassphraseError),
    /// The key does not open.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// A port cannot be listened on.
    #[error("cannot listen on {address} ({key}): {cause}; stop what uses it, or choose another port")]
    Port {
        /// The address.
        address: SocketAddr,
        /// The key of the configuration that names it.
        key: &'static str,
        /// What the operating system said.
        cause: std::io::Error,
    },
    /// The mark that the key has never voted cannot be removed.
    #[error("{} cannot be removed: {cause}; the node does not vote while it is there", path.display())]
    Mark {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        cause: std::io::Error,
    },
    /// The mark of how far the key's journals reached is not one.
    #[error(
        "{} is not what a node wrote: {why}. If this is the data directory from which the key voted last, and none other was ever \
         in its place, remove the file; otherwise give up the vote (`causeway rebuild --without-vote`)",
        path.display()
    )]
    LastVoted {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// There is nothing that could be set aside.
    #[error("{} holds neither a store nor an engine's directory: there is nothing to rebuild; start the node", place.display())]
    NothingToRebuild {
        /// The data directory.
        place: PathBuf,
    },
    /// A part of the data directory cannot be set aside.
    #[error("{} cannot be moved to {}: {cause}; run the command again once it can", from.display(), to.display())]
    SetAside {
        /// What was to be moved.
        from: PathBuf,
        /// Where to.
        to: PathBuf,
        /// What the operating system said.
        cause: std::io::Error,
    },
    /// The configuration has this node's own key among the others'.
    #[error(
        "[[peers]] holds this node's own key, {0}: remove it there, or correct key.path if the key is another node's"
    )]
    OwnPeer(PublicKey),
    /// The engine's directory is another key's.
    #[error(
        "the journals in {} are of key {found}, and the configuration has key {configured}: configure the key that they are of, or give the new key an empty data directory",
        place.display()
    )]
    ForeignJournals {
        /// The engine's directory.
        place: PathBuf,
        /// The key that voted from it.
        found: PublicKey,
        /// The configuration's.
        configured: PublicKey,
    },
    /// A journal of the key's votes has lost something.
    #[error(
        "the journal of this key's votes in {} cannot be read: {why}; `causeway rebuild --without-vote` has the node begin anew from \
         its peers; it then cannot vote until its key is replaced",
        place.display()
    )]
    Votes {
        /// The engine's directory.
        place: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The engine's directory cannot be used.
    #[error(
        "the engine's directory cannot be used: {0}; check that the data directory is writable and the disk not full"
    )]
    Engine(commonware_runtime::Error),
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness: {0}")]
    Randomness(getrandom::Error),
    /// The runtime could not take a socket or a signal over.
    #[error("the runtime could not start: {0}")]
    Runtime(std::io::Error),
    /// The operator's socket cannot be made.
    #[error("the operator's socket {} cannot be made: {cause}; check that the data directory is writable", path.display())]
    OperatorSocket {
        /// The socket.
        path: PathBuf,
        /// What the operating system said.
        cause: std::io::Error,
    },
    /// A snapshot is none, or cannot be taken or restored.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The node failed.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The gRPC server failed.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The connections to peers ended.
    #[error("the connections to peers ended: check that the peer port is free and the network is up")]
    Network,
}
