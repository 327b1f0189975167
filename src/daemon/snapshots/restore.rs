//! Restoring a snapshot into a node's data directory.
//!
//! # Invariants
//! * The store is verified where it will be used, and has its name only then. What was interrupted is `store.partial`, and is
//!   begun anew.
//! * Journals of votes are neither brought nor touched. A key votes afterwards by the same rules as before: from the journals that
//!   are there, or where the one-time mark says that it never voted (`daemon`).

use super::SnapshotError;
use super::manifest::{self, STORE};
use super::verify::{Verified, verify_anew};
use crate::consensus::voting;
use crate::daemon::{DaemonError, PARTITION, bind, engine_directory};
use crate::execution::genesis::Genesis;
use crate::node::audit::ProvenReport;
use crate::node::config::Config;
use crate::node::snapshot;
use crate::storage::{RocksStore, durable, private};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

/// What was restored.
#[derive(Clone, Debug)]
pub struct Restored {
    /// What was found in the snapshot.
    pub report: ProvenReport,
    /// The height of the block from which the node goes on.
    pub floor: u64,
    /// Whether journals of its key's votes lie in the data directory, so that it votes once it has caught up.
    pub keeps_vote: bool,
}

/// Verifies a snapshot and makes it the store of a node that has none.
///
/// # Errors
/// The node runs, has a store, or the snapshot does not stand.
pub fn restore(
    directory: &Path,
    config: &Config,
    genesis: &Genesis,
    progress: impl FnMut(u64, u64) + Send,
) -> Result<Restored, DaemonError> {
    let store = config.data_dir.join("store");
    RocksStore::require_at_rest(&store)?;
    drop(bind(config.listen.p2p, "listen.p2p")?);
    let keeps_vote = require_room(&store, &engine_directory(config))?;
    let partial = config.data_dir.join("store.partial");
    let verified = copy(directory, genesis, &partial, progress)?;
    begin(&partial, &verified, genesis)?;
    rename(&partial, &store).map_err(SnapshotError::file(&store))?;
    Ok(Restored { report: verified.report, floor: verified.floor.height, keeps_vote })
}

/// Neither a store nor the engine's progress is there. Answers whether journals of votes are.
fn require_room(store: &Path, engine: &Path) -> Result<bool, SnapshotError> {
    let is_empty = |place: &Path| fs::read_dir(place).map_or(true, |mut entries| entries.next().is_none());
    if !is_empty(store) {
        return Err(SnapshotError::NotEmpty { place: store.to_path_buf() });
    }
    let mut keeps_vote = false;
    for entry in fs::read_dir(engine).into_iter().flatten().flatten() {
        match entry.file_name().to_str().is_some_and(|name| voting::is_of_votes(PARTITION, name)) {
            true => keeps_vote = true,
            false => return Err(SnapshotError::NotEmpty { place: entry.path() }),
        }
    }
    Ok(keeps_vote)
}

/// Copies a snapshot beside where it will be, and verifies the copy. Its files are not linked: a store appends to some of them.
fn copy(
    directory: &Path,
    genesis: &Genesis,
    partial: &Path,
    progress: impl FnMut(u64, u64) + Send,
) -> Result<Verified, SnapshotError> {
    // Before megabytes are copied: whether it is one at all, and whose.
    let manifest = manifest::Manifest::read(directory)?;
    if manifest.chain != genesis.chain_id() {
        let (place, found, expected) = (directory.to_path_buf(), manifest.chain, genesis.chain_id());
        return Err(SnapshotError::ForeignChain { place, found, expected });
    }
    if partial.exists() {
        fs::remove_dir_all(partial).map_err(SnapshotError::file(partial))?;
    }
    let folder = partial.join(STORE);
    fs::create_dir_all(&folder).map_err(SnapshotError::file(&folder))?;
    private(partial).and_then(|()| private(&folder)).map_err(SnapshotError::file(partial))?;
    for (name, listed) in &manifest.files {
        let (from, to) = (directory.join(STORE).join(name), folder.join(name));
        manifest::require_file(&from, listed.size)?;
        copy_file(&from, &to, listed.size).map_err(SnapshotError::file(&from))?;
    }
    fs::write(partial.join(manifest::FILE_NAME), manifest.to_text()).map_err(SnapshotError::file(partial))?;
    verify_anew(partial, genesis, progress).inspect_err(|_| {
        let _ = fs::remove_dir_all(partial);
    })
}

/// Copies what is listed and no byte more, into a file that is this user's, whoever's the other was.
fn copy_file(from: &Path, to: &Path, size: u64) -> io::Result<()> {
    let mut copied = File::create(to)?;
    io::copy(&mut File::open(from)?.take(size), &mut copied)?;
    private(to)?;
    copied.sync_all()
}

/// Tells the node that will be started over it where it begins.
fn begin(partial: &Path, verified: &Verified, genesis: &Genesis) -> Result<(), SnapshotError> {
    let store = RocksStore::open(&partial.join(STORE), &genesis.chain_id())?;
    Ok(futures::executor::block_on(snapshot::begin_from(&store, &verified.floor))?)
}

fn rename(partial: &Path, store: &Path) -> io::Result<()> {
    if store.exists() {
        // It is empty.
        fs::remove_dir(store)?;
    }
    durable::replace(&partial.join(STORE), store)?;
    fs::remove_dir_all(partial)
}
