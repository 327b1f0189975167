//! Taking a snapshot.
//!
//! # Invariants
//! * The directory has its name once it is whole and synced. What was interrupted lies beside it, as `NAME.partial`.

use super::SnapshotError;
use super::manifest::{self, Manifest, STORE};
use crate::ledger::{CertifiedHeader, Header};
use crate::node::{NodeError, snapshot};
use crate::primitives::{ChainId, Hash};
use crate::storage::{RocksStore, StoreColumn, durable, private};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long the next block is waited for: an idle ledger makes one every second or so.
const NEXT_BLOCK_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What of a snapshot is wanted, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// Where it is to be: a directory that is not there yet. Absolute, since the node's own directory is another.
    pub place: PathBuf,
    /// Whether the bodies of blocks come along that no node needs to begin.
    pub with_bodies: bool,
}

/// What was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// Where it is.
    pub place: PathBuf,
    /// The last block's height.
    pub height: u64,
    /// Its hash.
    pub head: String,
    /// How many bytes its files have.
    pub bytes: u64,
    /// How long it took, in ms, until it lay there.
    pub took_ms: u64,
}

/// Takes a snapshot of a store that goes on. `proof` is asked for what vouches for the state after a height until it knows.
///
/// # Errors
/// The place is taken, the disk is full, or no block becomes final.
pub fn take(
    store: &RocksStore,
    chain: ChainId,
    wanted: &Wanted,
    mut proof: impl FnMut(u64) -> Result<Option<CertifiedHeader>, NodeError>,
) -> Result<Taken, SnapshotError> {
    let started = Instant::now();
    make(store, chain, wanted, |height| {
        let waiting = Instant::now();
        loop {
            if let Some(next) = proof(height)? {
                return Ok(next);
            }
            if waiting.elapsed() > NEXT_BLOCK_WITHIN {
                return Err(SnapshotError::NotCertified { height, waited: NEXT_BLOCK_WITHIN.as_secs() });
            }
            std::thread::sleep(LOOK_EVERY);
        }
    })
    .map(|taken| Taken { took_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX), ..taken })
}

/// Takes one of a stopped node's store. `ask` fetches the next block's header and certificate from elsewhere, if they are not in
/// the store.
///
/// # Errors
/// Those of [`take`]; nobody has the next block.
pub fn take_of_stopped(
    place: &Path,
    chain: ChainId,
    wanted: &Wanted,
    ask: impl FnOnce(u64) -> Result<Option<(Header, bytes::Bytes)>, SnapshotError>,
) -> Result<Taken, SnapshotError> {
    let started = Instant::now();
    let store = RocksStore::open(place, &chain)?;
    let next = |height: u64| {
        if let Some(next) = snapshot::proof(&store, height)? {
            return Ok(next);
        }
        match ask(height + 1)? {
            Some((header, certificate)) => Ok(snapshot::proof_from(&store, header, certificate)?),
            None => Err(SnapshotError::NextBlockElsewhere { height }),
        }
    };
    let taken = make(&store, chain, wanted, next)?;
    Ok(Taken { took_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX), ..taken })
}

fn make(
    store: &RocksStore,
    chain: ChainId,
    wanted: &Wanted,
    next: impl FnOnce(u64) -> Result<CertifiedHeader, SnapshotError>,
) -> Result<Taken, SnapshotError> {
    let place = &wanted.place;
    let partial = partial_of(place);
    for taken in [place, &partial] {
        if taken.exists() {
            return Err(SnapshotError::PlaceTaken { place: taken.clone() });
        }
    }
    fs::create_dir(&partial).map_err(SnapshotError::file(&partial))?;
    // Everyone's balances are in it. The files keep the permissions that they have in the data directory.
    private(&partial).map_err(SnapshotError::file(&partial))?;
    let made = fill(store, chain, wanted, &partial, next);
    let bytes = match made {
        Ok(manifest) => manifest,
        // Hard links and copies that nobody else has: gone with the attempt.
        Err(error) => {
            let _ = fs::remove_dir_all(&partial);
            return Err(error);
        }
    };
    durable::replace(&partial, place).map_err(SnapshotError::file(place))?;
    let Manifest { height, head, files, .. } = bytes;
    let bytes = files.values().map(|file| file.size).sum();
    Ok(Taken { place: place.clone(), height, head: head.to_string(), bytes, took_ms: 0 })
}

fn fill(
    store: &RocksStore,
    chain: ChainId,
    wanted: &Wanted,
    partial: &Path,
    next: impl FnOnce(u64) -> Result<CertifiedHeader, SnapshotError>,
) -> Result<Manifest, SnapshotError> {
    let folder = partial.join(STORE);
    store.checkpoint(&folder)?;
    let header = {
        let copy = RocksStore::open_unsynced(&folder, &chain)?;
        let header = futures::executor::block_on(snapshot::seal(&copy, wanted.with_bodies))?;
        copy.flush()?;
        if !wanted.with_bodies {
            copy.reclaim(StoreColumn::Blocks)?;
            copy.reclaim(StoreColumn::Certificates)?;
        }
        header
    };
    let next = next(header.height)?;
    clear(&folder)?;
    let head: Hash = header.hash();
    let manifest = Manifest { chain, height: header.height, head, next, files: manifest::list(&folder)? };
    for name in manifest.files.keys() {
        let path = folder.join(name);
        File::open(&path).and_then(|file| file.sync_all()).map_err(SnapshotError::file(&path))?;
    }
    File::open(&folder).and_then(|folder| folder.sync_all()).map_err(SnapshotError::file(&folder))?;
    manifest.write(partial).map_err(SnapshotError::file(partial))?;
    Ok(manifest)
}

/// Removes what RocksDB keeps for a process and for its developers.
fn clear(folder: &Path) -> Result<(), SnapshotError> {
    for entry in fs::read_dir(folder).map_err(SnapshotError::file(folder))? {
        let path = entry.map_err(SnapshotError::file(folder))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name == "LOCK" || name == "LOG" || name.starts_with("LOG.old") {
            fs::remove_file(&path).map_err(SnapshotError::file(folder))?;
        }
    }
    Ok(())
}

fn partial_of(place: &Path) -> PathBuf {
    let mut name = place.file_name().unwrap_or_default().to_os_string();
    name.push(".partial");
    place.with_file_name(name)
}
