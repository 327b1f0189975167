//! What can go wrong with a store, each with what the operator should do about it.
//!
//! All of these are fatal to the caller: a node that meets one stops. They are cloneable because the first failure
//! closes the store and every later call answers with it.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A failure of the store. One line each; the operator reads it as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StorageError {
    /// Another process, or this one, has the directory open.
    #[error(
        "the store in {} is in use by another process: stop that node, or give this one a data directory of its own",
        place.display()
    )]
    Locked {
        /// The store's directory.
        place: PathBuf,
    },

    /// Another process has the directory open, where it was to be read as it stands.
    #[error("the store in {} is open in process {process}: stop that node first, and then ask again", place.display())]
    Open {
        /// The store's directory.
        place: PathBuf,
        /// Who has it.
        process: u32,
    },

    /// The operating system does not let this user read or write there.
    #[error(
        "no permission for the store in {}: make it readable and writable for the user that runs the node, or choose another data directory ({cause})",
        place.display()
    )]
    PermissionDenied {
        /// The store's directory.
        place: PathBuf,
        /// The system's own words.
        cause: String,
    },

    /// No space or no quota left. What was acknowledged before is safe.
    #[error(
        "the disk that holds {} is full: free some space and start the node again; nothing acknowledged is lost",
        place.display()
    )]
    DiskFull {
        /// The store's directory.
        place: PathBuf,
    },

    /// Nothing is there, where a store was to be read only.
    #[error("there is no store in {}: check the data directory", place.display())]
    Missing {
        /// The store's directory.
        place: PathBuf,
    },

    /// The place holds another chain's ledger.
    #[error(
        "the store in {} belongs to chain {found}, but the genesis file makes chain {expected}: use the genesis file that this data was made with, or another data directory",
        place.display()
    )]
    ForeignChain {
        /// The store's directory.
        place: PathBuf,
        /// The chain id written in it, in hex.
        found: String,
        /// The chain id asked for, in hex.
        expected: String,
    },

    /// The place was written in another format.
    #[error(
        "the store in {} is of format {found}, and this program reads format {supported}: run the program that wrote it, or have the node begin anew from its peers (`causeway rebuild`)",
        place.display()
    )]
    ForeignFormat {
        /// The store's directory.
        place: PathBuf,
        /// The version written in it, or what else betrays another format.
        found: String,
        /// The one version that this program reads and writes.
        supported: u32,
    },

    /// Bytes on the disk are not what was written.
    #[error(
        "the store is damaged ({column}): {cause}; do not start this node again on it: `causeway rebuild` has it begin anew from its peers"
    )]
    Corrupt {
        /// The column that was read, or the stage at which the damage was met.
        column: String,
        /// What does not hold.
        cause: String,
    },

    /// The system refused a read or a write for another reason.
    #[error("the store in {} failed: {cause}", place.display())]
    Io {
        /// The store's directory.
        place: PathBuf,
        /// The system's or the library's own words.
        cause: String,
    },
}

impl StorageError {
    pub(super) fn corrupt(column: impl ToString, cause: impl ToString) -> Self {
        Self::Corrupt { column: column.to_string(), cause: cause.to_string() }
    }

    pub(super) fn from_io(place: &Path, error: &io::Error) -> Self {
        let place = place.to_path_buf();
        let cause = error.to_string();
        match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::PermissionDenied { place, cause }
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { place },
            _ => Self::Io { place, cause },
        }
    }
}
