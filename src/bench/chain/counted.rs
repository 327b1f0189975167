//! A store that counts what is asked of it: how much a block's execution reads that no cache answered.

use crate::storage::{Batch, Pair, Reader, StorageError, Store, StoreColumn};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A store, or a snapshot of one, with a counter of the keys that were asked for.
#[derive(Clone)]
pub struct Counted<R> {
    inner: R,
    reads: Arc<AtomicU64>,
}

impl<R> Counted<R> {
    /// Counts from zero.
    pub fn new(inner: R) -> Self {
        Self { inner, reads: Arc::default() }
    }

    /// Keys that were asked for singly or among others, in this store and its snapshots.
    pub fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    fn count(&self, keys: usize) {
        self.reads.fetch_add(keys as u64, Ordering::Relaxed);
    }
}

impl<R: Reader> Reader for Counted<R> {
    fn get(&self, column: StoreColumn, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        self.count(1);
        self.inner.get(column, key)
    }

    fn multi_get(&self, places: &[(StoreColumn, &[u8])]) -> Result<Vec<Option<Bytes>>, StorageError> {
        self.count(places.len());
        self.inner.multi_get(places)
    }

    fn scan(&self, column: StoreColumn, from: &[u8], limit: usize) -> Result<Vec<Pair>, StorageError> {
        self.inner.scan(column, from, limit)
    }

    fn scan_back(&self, column: StoreColumn, before: Option<&[u8]>, limit: usize) -> Result<Vec<Pair>, StorageError> {
        self.inner.scan_back(column, before, limit)
    }
}

impl<S: Store> Store for Counted<S> {
    type Snapshot = Counted<S::Snapshot>;

    async fn commit(&self, batch: Batch) -> Result<(), StorageError> {
        self.inner.commit(batch).await
    }

    fn snapshot(&self) -> Result<Self::Snapshot, StorageError> {
        Ok(Counted { inner: self.inner.snapshot()?, reads: self.reads.clone() })
    }
}
