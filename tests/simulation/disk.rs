//! A store whose disk fills up, or that does not find what is there, as the test wishes.

use bytes::Bytes;
use causeway::ledger::Column;
use causeway::storage::{Batch, Pair, Reader, StorageError, Store, StoreColumn};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A store that refuses every commit while `is_full`, and says of each key of one column that it is not there.
#[derive(Clone)]
pub struct BadStore<S> {
    pub store: S,
    pub is_full: Arc<AtomicBool>,
    /// A bug that is planted: whatever this column says is not asked for.
    pub blind_to: Option<Column>,
}

impl<S> BadStore<S> {
    fn is_blind_to(&self, column: StoreColumn) -> bool {
        self.blind_to.is_some_and(|blind_to| column == StoreColumn::State(blind_to))
    }
}

impl<S: Reader> Reader for BadStore<S> {
    fn get(&self, column: StoreColumn, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        if self.is_blind_to(column) {
            return Ok(None);
        }
        self.store.get(column, key)
    }

    fn multi_get(&self, places: &[(StoreColumn, &[u8])]) -> Result<Vec<Option<Bytes>>, StorageError> {
        let mut values = self.store.multi_get(places)?;
        for (value, (column, _)) in values.iter_mut().zip(places) {
            if self.is_blind_to(*column) {
                *value = None;
            }
        }
        Ok(values)
    }

    fn scan(&self, column: StoreColumn, from: &[u8], limit: usize) -> Result<Vec<Pair>, StorageError> {
        self.store.scan(column, from, limit)
    }

    fn scan_back(&self, column: StoreColumn, before: Option<&[u8]>, limit: usize) -> Result<Vec<Pair>, StorageError> {
        self.store.scan_back(column, before, limit)
    }
}

impl<S: Store> Store for BadStore<S> {
    type Snapshot = BadStore<S::Snapshot>;

    async fn commit(&self, batch: Batch) -> Result<(), StorageError> {
        match self.is_full.load(Ordering::Relaxed) {
            true => Err(StorageError::DiskFull { place: PathBuf::from("simulated") }),
            false => self.store.commit(batch).await,
        }
    }

    fn snapshot(&self) -> Result<Self::Snapshot, StorageError> {
        let store = self.store.snapshot()?;
        Ok(BadStore { store, is_full: self.is_full.clone(), blind_to: self.blind_to })
    }
}
