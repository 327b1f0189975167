//! The sandbox's directory: who may use it, whether there is room, and what lies where.
//!
//! ```text
//! DIR/sandbox.json     endpoints, for commands that are run beside it
//! DIR/lock             held while a sandbox runs
//! DIR/genesis.json     the network, see `testnet`
//! DIR/nodes/…          the validators: configuration, key, store, log
//! DIR/participants/…   accounts and their keys
//! DIR/receipts/…       one file for each transaction of the scenario
//! ```

use super::SandboxError;
use super::testnet::{explain_io, participant_directory};
use fs2::FileExt as _;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

/// Room that four nodes and a scenario need at least, RocksDB's logs included.
const ROOM_BYTES_MIN: u64 = 256 * 1024 * 1024;
/// The file that other commands find the nodes by.
pub const SANDBOX_FILE: &str = "sandbox.json";

/// Where a running or stopped sandbox is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxFile {
    /// The nodes' gRPC endpoints.
    pub endpoints: Vec<String>,
    /// How many validators it has.
    pub validators: usize,
}

impl SandboxFile {
    /// Reads the file of a sandbox's directory; `None` if it is none.
    pub fn read(directory: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(directory.join(SANDBOX_FILE)).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Writes it.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, directory: &Path) -> Result<(), SandboxError> {
        let path = directory.join(SANDBOX_FILE);
        let text = serde_json::to_string_pretty(self).map_err(|error| SandboxError::Internal(error.to_string()))?;
        std::fs::write(&path, text + "\n").map_err(|cause| SandboxError::unwritable(&path, &cause))
    }
}

/// A sandbox's directory, held against other sandboxes until dropped.
#[derive(Debug)]
pub struct SandboxDirectory {
    path: PathBuf,
    lock: File,
    /// The process that left the lock without cleaning up, if one did.
    pub abandoned_by: Option<u32>,
}

impl SandboxDirectory {
    /// Makes the directory if there is none, and takes its lock.
    ///
    /// # Errors
    /// It cannot be written, another sandbox holds it, or the disk has no room.
    pub fn open(path: &Path) -> Result<Self, SandboxError> {
        std::fs::create_dir_all(path.join("receipts")).map_err(|cause| SandboxError::unwritable(path, &cause))?;
        let path = path.canonicalize().map_err(|cause| SandboxError::unwritable(path, &cause))?;
        let lock_path = path.join("lock");
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        let mut lock = options.open(&lock_path).map_err(|cause| SandboxError::unwritable(&lock_path, &cause))?;
        let mut left = String::new();
        // Whatever stands in it is a hint for people; only the lock itself decides.
        let _ = lock.read_to_string(&mut left);
        let holder = left.trim().parse().ok();
        if lock.try_lock_exclusive().is_err() {
            return Err(SandboxError::Locked { path, holder });
        }
        let room = fs2::available_space(&path).unwrap_or(u64::MAX);
        if room < ROOM_BYTES_MIN {
            return Err(SandboxError::NoRoom { path, room_mib: room >> 20, needed_mib: ROOM_BYTES_MIN >> 20 });
        }
        lock.set_len(0)
            .and_then(|()| lock.rewind())
            .and_then(|()| write!(lock, "{}", std::process::id()))
            .map_err(|cause| SandboxError::unwritable(&lock_path, &cause))?;
        Ok(Self { path, lock, abandoned_by: holder })
    }

    /// Where.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The genesis file.
    pub fn genesis(&self) -> PathBuf {
        self.path.join("genesis.json")
    }

    /// A participant's directory.
    pub fn participant(&self, name: &str) -> PathBuf {
        participant_directory(&self.path, name)
    }

    /// The file of a step's receipt. Heights keep the files of several runs apart and in order.
    pub fn receipt(&self, height: u64, step: &str) -> PathBuf {
        self.path.join("receipts").join(format!("{height:06}-{step}.json"))
    }
}

impl Drop for SandboxDirectory {
    fn drop(&mut self) {
        // An empty lock file says that the sandbox ended in order. The lock goes with the process in any case.
        let _ = self.lock.set_len(0);
        let _ = fs2::FileExt::unlock(&self.lock);
    }
}

/// What the operating system said, with what to do about it.
pub(super) fn io_reason(cause: &std::io::Error) -> String {
    explain_io(cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_one_sandbox_at_a_time() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let path = root.path().join("sandbox");
        let held = SandboxDirectory::open(&path).expect("free");
        let refused = SandboxDirectory::open(&path).expect_err("held").to_string();
        assert!(refused.contains(&std::process::id().to_string()), "{refused}");
        assert!(!refused.contains('\n'));
        drop(held);
        let again = SandboxDirectory::open(&path).expect("free again");
        assert_eq!(again.abandoned_by, None);
    }

    #[test]
    fn a_stale_lock_is_taken_over_and_said() {
        let root = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(root.path().join("lock"), "4242").expect("written");
        let taken = SandboxDirectory::open(root.path()).expect("nobody holds it");
        assert_eq!(taken.abandoned_by, Some(4242));
    }
}
