//! A store whose disk fills up, as the test wishes.

use bytes::Bytes;
use causeway::storage::{Batch, Pair, Reader, StorageError, Store, StoreColumn};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A store that refuses every commit while `is_full`.
#[derive(Clone)]
pub struct FillingStore<S> {
    pub store: S,
    pub is_full: Arc<AtomicBool>,
}

impl<S: Reader> Reader for FillingStore<S> {
    fn get(&self, column: StoreColumn, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        self.store.get(column, key)
    }

    fn multi_get(&self, places: &[(StoreColumn, &[u8])]) -> Result<Vec<Option<Bytes>>, StorageError> {
        self.store.multi_get(places)
    }

    fn scan(&self, column: StoreColumn, from: &[u8], limit: usize) -> Result<Vec<Pair>, StorageError> {
        self.store.scan(column, from, limit)
    }

    fn scan_back(&self, column: StoreColumn, before: Option<&[u8]>, limit: usize) -> Result<Vec<Pair>, StorageError> {
        self.store.scan_back(column, before, limit)
    }
}

impl<S: Store> Store for FillingStore<S> {
    type Snapshot = S::Snapshot;

    async fn commit(&self, batch: Batch) -> Result<(), StorageError> {
        match self.is_full.load(Ordering::Relaxed) {
            true => Err(StorageError::DiskFull { place: PathBuf::from("simulated") }),
            false => self.store.commit(batch).await,
        }
    }

    fn snapshot(&self) -> Result<S::Snapshot, StorageError> {
        self.store.snapshot()
    }
}
