//! Verifying a snapshot: its files by their checksums, and what is in them by the certified header.

use super::SnapshotError;
use super::manifest::{self, Manifest, STORE};
use crate::daemon::Randomness;
use crate::execution::genesis::Genesis;
use crate::node::audit::{self, ProvenReport};
use crate::node::{Floor, snapshot};
use crate::storage::RocksStore;
use commonware_parallel::Rayon;
use std::num::NonZeroUsize;
use std::path::Path;

/// A snapshot that stands.
#[derive(Clone, Debug)]
pub struct Verified {
    /// What it says of itself.
    pub manifest: Manifest,
    /// What was found in it.
    pub report: ProvenReport,
    /// Where a node begins that is started over it.
    pub floor: Floor,
}

/// Verifies a snapshot from the genesis. It writes nothing. `progress` is told the height that was reached and the last one.
///
/// # Errors
/// The first thing that is wrong.
pub fn verify(
    directory: &Path,
    genesis: &Genesis,
    progress: impl FnMut(u64, u64) + Send,
) -> Result<Verified, SnapshotError> {
    let manifest = its_files(directory, genesis)?;
    prove(directory, manifest, genesis, progress)
}

/// Verifies a snapshot whose files are this node's own by now, and has every table written anew before it is looked at.
///
/// A table says twice what is in it: by its entries, and by filters and indexes that say where not to look. A maker who bends the
/// second has entries that a walk sees and a look-up does not. Written anew, both follow from the same entries.
///
/// # Errors
/// The first thing that is wrong.
pub fn verify_anew(
    directory: &Path,
    genesis: &Genesis,
    progress: impl FnMut(u64, u64) + Send,
) -> Result<Verified, SnapshotError> {
    let manifest = its_files(directory, genesis)?;
    RocksStore::open(&directory.join(STORE), &manifest.chain)?.compact()?;
    prove(directory, manifest, genesis, progress)
}

/// What a snapshot says of itself, and its files as it lists them.
fn its_files(directory: &Path, genesis: &Genesis) -> Result<Manifest, SnapshotError> {
    let manifest = Manifest::read(directory)?;
    if manifest.chain != genesis.chain_id() {
        let (place, found, expected) = (directory.to_path_buf(), manifest.chain, genesis.chain_id());
        return Err(SnapshotError::ForeignChain { place, found, expected });
    }
    manifest::check(&manifest.files, &directory.join(STORE))?;
    Ok(manifest)
}

/// What is in the store, held to the certified header.
fn prove(
    directory: &Path,
    manifest: Manifest,
    genesis: &Genesis,
    progress: impl FnMut(u64, u64) + Send,
) -> Result<Verified, SnapshotError> {
    let place = || directory.to_path_buf();
    let store = RocksStore::open_read_only(&directory.join(STORE), &manifest.chain)?;
    let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let strategy = Rayon::new(cores).map_err(|error| SnapshotError::Threads(error.to_string()))?;
    let mut randomness = Randomness::seeded().map_err(SnapshotError::Randomness)?;
    let report = audit::verify(&store, genesis, Some(&manifest.next), &strategy, &mut randomness, progress)
        .map_err(|cause| SnapshotError::NotProven { place: place(), cause: Box::new(cause) })?;
    if (report.height, report.head) != (manifest.height, manifest.head) {
        return Err(SnapshotError::NotItsManifest { place: place() });
    }
    let floor = snapshot::floor_of(&store, report.height)?;
    let floor = floor.ok_or_else(|| SnapshotError::NoFloor { place: place(), height: report.height })?;
    Ok(Verified { manifest, report, floor })
}
