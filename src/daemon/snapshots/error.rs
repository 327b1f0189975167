//! Why there is no snapshot, or what lies there is none. One line each, with what to do.

use crate::execution::genesis::GenesisError;
use crate::node::NodeError;
use crate::node::audit::AuditError;
use crate::primitives::ChainId;
use crate::storage::StorageError;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// See the module.
#[derive(Debug, Error)]
pub enum SnapshotError {
    /// There is no snapshot.
    #[error("{} holds no snapshot: there is no MANIFEST in it", place.display())]
    NoSnapshot {
        /// Where one was looked for.
        place: PathBuf,
    },
    /// A file cannot be read or written.
    #[error("{}: {cause}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        cause: io::Error,
    },
    /// A file is not the one that was written.
    #[error("{}: {why}. The snapshot is damaged: take another copy of it, or another snapshot", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Another version's.
    #[error("{} is a snapshot of version {found}, and this program reads version 1: use the program that made it, or take another", place.display())]
    Version {
        /// Where it lies.
        place: PathBuf,
        /// Its version.
        found: String,
    },
    /// Another ledger's.
    #[error("{} is a snapshot of ledger {found}, and the genesis file is that of ledger {expected}", place.display())]
    ForeignChain {
        /// Where it lies.
        place: PathBuf,
        /// Its ledger.
        found: ChainId,
        /// The genesis file's.
        expected: ChainId,
    },
    /// What is in the files is not what the certified header vouches for.
    #[error("{}: {cause}. Do not begin from it", place.display())]
    NotProven {
        /// Where it lies.
        place: PathBuf,
        /// What is wrong.
        cause: Box<AuditError>,
    },
    /// The manifest's height or head is not that of the files.
    #[error("{}: the manifest is not of the store that lies beside it", place.display())]
    NotItsManifest {
        /// Where it lies.
        place: PathBuf,
    },
    /// No node could begin there.
    #[error("{}: no block at or below height {height} has both a body and a certificate there, so no node could begin from it", place.display())]
    NoFloor {
        /// Where it lies.
        place: PathBuf,
        /// The last block's height.
        height: u64,
    },
    /// The place is taken.
    #[error("{} is there already: name a directory that is not, or remove it", place.display())]
    PlaceTaken {
        /// Which.
        place: PathBuf,
    },
    /// Nothing certifies the state yet.
    #[error(
        "no block after height {height} is final here within {waited} s, and only the next block's header vouches for the state: take the \
         snapshot when the ledger moves"
    )]
    NotCertified {
        /// The last applied block's height.
        height: u64,
        /// How long was waited.
        waited: u64,
    },
    /// The node is stopped, and the next block is not here.
    #[error(
        "the node is stopped, and the block after height {height}, whose header vouches for the state, is not in its store: name a \
         node that has it with --endpoint, or start this one and take the snapshot then"
    )]
    NextBlockElsewhere {
        /// The last applied block's height.
        height: u64,
    },
    /// The data directory is not empty.
    #[error(
        "{} is there: a snapshot is restored into a data directory without a store. `causeway rebuild` sets it aside and keeps the \
         journals of votes",
        place.display()
    )]
    NotEmpty {
        /// What is in the way.
        place: PathBuf,
    },
    /// Another snapshot is being taken.
    #[error("this node is taking a snapshot already: wait until that is done")]
    Busy,
    /// The node answered no.
    #[error("{0}")]
    Refused(String),
    /// The genesis file cannot be used.
    #[error("{}: {cause}", path.display())]
    Genesis {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: GenesisError,
    },
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness: {0}")]
    Randomness(getrandom::Error),
    /// There are no threads.
    #[error("the work could not be divided: {0}")]
    Threads(String),
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The store holds what no node wrote.
    #[error(transparent)]
    Node(#[from] NodeError),
}

impl SnapshotError {
    /// Names the file of what the operating system said.
    pub(super) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |cause| Self::File { path, cause }
    }
}
