//! The store of a simulated node: an image in memory over a log in the engine's own storage.
//!
//! The deterministic runtime can lose what was not synced, tear a write, or fail any operation; a node over this store
//! lives through the same crashes as one over RocksDB, from a seed.
//!
//! # Life cycle
//! `open` replays the log, discards a torn tail and claims the place; each commit appends one record and syncs it, and
//! only then does the image change.
//!
//! # Deliberately absent
//! Compaction: a log lives as long as a simulation.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use commonware_runtime::{Blob, Storage, WriteOptions};
use commonware_utils::sync::{AsyncMutex, RwLock};

use super::simulated_log::{self, StoredWrite};
use super::{Batch, Image, Pair, Reader, StorageError, Store, StoreColumn, identity};
use crate::primitives::ChainId;

const LOG_NAME: &[u8] = b"commits";

/// A store over a blob of the engine's storage. All clones are the one store.
pub struct SimulatedStore<B: Blob> {
    shared: Arc<Shared<B>>,
}

impl<B: Blob> Clone for SimulatedStore<B> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

struct Shared<B> {
    place: PathBuf,
    image: RwLock<Image>,
    /// Held across a commit: commits happen one after another.
    log: AsyncMutex<Log<B>>,
    /// The failed commit that closed the store.
    failure: OnceLock<StorageError>,
}

/// The log's blob, and where the next record goes.
struct Log<B> {
    blob: B,
    end: u64,
    sequence: u64,
    /// A commit was begun at `end` and never finished: its bytes may stand there.
    dirty: bool,
}

impl<B: Blob> SimulatedStore<B> {
    /// Opens the store in `partition` of the engine's storage for `chain`, and makes it if there is nothing there.
    pub async fn open<S>(storage: &S, partition: &str, chain: &ChainId) -> Result<Self, StorageError>
    where
        S: Storage<Blob = B>,
    {
        let place = Path::new(partition);
        let failed = |error| failure(place, &error);
        let (blob, size) = storage.open(partition, LOG_NAME).await.map_err(failed)?;
        let length = usize::try_from(size).map_err(|_| StorageError::corrupt("commit log", "larger than memory"))?;
        let bytes = blob.read_at(0, length, Default::default()).await.map_err(failed)?;
        let replay = simulated_log::replay(&bytes.coalesce().freeze().into())?;
        let mut image = Image::default();
        for StoredWrite { family, key, value } in replay.writes {
            image.apply_stored(family, key, value);
        }
        let log = Log {
            blob,
            end: replay.end as u64,
            sequence: replay.records,
            // A torn tail is cut off before the first new record is written over it.
            dirty: replay.end < length,
        };
        let store = Self {
            shared: Arc::new(Shared {
                place: place.to_path_buf(),
                image: RwLock::new(image),
                log: AsyncMutex::new(log),
                failure: OnceLock::new(),
            }),
        };
        if let Some(claim) = identity::check(&store, place, chain)? {
            store.commit(claim).await?;
        }
        Ok(store)
    }

    fn healthy(&self) -> Result<(), StorageError> {
        self.shared.failure.get().map_or(Ok(()), |failure| Err(failure.clone()))
    }

    fn read<T>(&self, read: impl FnOnce(&Image) -> Result<T, StorageError>) -> Result<T, StorageError> {
        self.healthy()?;
        read(&self.shared.image.read())
    }

    /// The first failure closes the store; later ones follow from it.
    fn close(&self, failure: StorageError) -> StorageError {
        self.shared.failure.get_or_init(|| failure).clone()
    }
}

impl<B: Blob> Log<B> {
    async fn append(&mut self, record: Vec<u8>) -> Result<(), commonware_runtime::Error> {
        if self.dirty {
            // What an abandoned commit left must not stand behind this record and look like a part of the log.
            self.blob.resize(self.end).await?;
        }
        self.dirty = true;
        let size = record.len() as u64;
        self.blob.write_at(self.end, record, WriteOptions::default()).await?;
        self.blob.sync().await?;
        self.end += size;
        self.sequence += 1;
        self.dirty = false;
        Ok(())
    }
}

impl<B: Blob> Store for SimulatedStore<B> {
    type Snapshot = Image;

    async fn commit(&self, batch: Batch) -> Result<(), StorageError> {
        let shared = &self.shared;
        let mut log = shared.log.lock().await;
        self.healthy()?;
        let writes: Vec<_> = batch.into_writes().into_iter().map(StoredWrite::from).collect();
        let record = simulated_log::encode_record(log.sequence, &writes).map_err(|_| {
            let cause = "a commit is larger than 4 GiB".to_owned();
            self.close(StorageError::Io { place: shared.place.clone(), cause })
        })?;
        log.append(record).await.map_err(|error| self.close(failure(&shared.place, &error)))?;
        let mut image = shared.image.write();
        for StoredWrite { family, key, value } in writes {
            image.apply_stored(family, key, value);
        }
        Ok(())
    }

    fn snapshot(&self) -> Result<Image, StorageError> {
        self.read(|image| Ok(image.clone()))
    }
}

impl<B: Blob> Reader for SimulatedStore<B> {
    fn get(&self, column: StoreColumn, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        self.read(|image| image.get(column, key))
    }

    fn multi_get(&self, places: &[(StoreColumn, &[u8])]) -> Result<Vec<Option<Bytes>>, StorageError> {
        self.read(|image| image.multi_get(places))
    }

    fn scan(&self, column: StoreColumn, from: &[u8], limit: usize) -> Result<Vec<Pair>, StorageError> {
        self.read(|image| image.scan(column, from, limit))
    }

    fn scan_back(&self, column: StoreColumn, before: Option<&[u8]>, limit: usize) -> Result<Vec<Pair>, StorageError> {
        self.read(|image| image.scan_back(column, before, limit))
    }
}

fn failure(place: &Path, error: &commonware_runtime::Error) -> StorageError {
    StorageError::Io { place: place.to_path_buf(), cause: error.to_string() }
}
