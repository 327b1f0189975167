//! The port: what a node asks of a store, and what a store promises.
//!
//! Reads are synchronous, because execution reads in the middle of deciding and must not yield there; commits are
//! asynchronous, because one implementation writes through the engine's simulated storage. [`Reader`] is object
//! safe: what only reads (queries, streams, the audit) takes an `Arc<dyn Reader>` and need not be generic.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;

use super::{StorageError, StoreColumn};

/// A key and its value.
pub type Pair = (Bytes, Bytes);

/// Reads one consistent source: the store as last committed, or a snapshot of it.
///
/// Keys order as byte strings within a column; no read crosses into a neighbouring column.
pub trait Reader: Send + Sync {
    /// The value under `key`, or `None` if the column has no such key.
    fn get(&self, column: StoreColumn, key: &[u8]) -> Result<Option<Bytes>, StorageError>;

    /// The values at `places`, each a column and a key, in the order asked. All of one commit.
    fn multi_get(&self, places: &[(StoreColumn, &[u8])]) -> Result<Vec<Option<Bytes>>, StorageError>;

    /// At most `limit` pairs with keys at or above `from`, ascending.
    fn scan(&self, column: StoreColumn, from: &[u8], limit: usize) -> Result<Vec<Pair>, StorageError>;

    /// At most `limit` pairs with keys strictly below `before` (or all keys, if `None`), descending: the newest
    /// first, where keys grow with time. The last key of one page is the next page's `before`.
    fn scan_back(&self, column: StoreColumn, before: Option<&[u8]>, limit: usize) -> Result<Vec<Pair>, StorageError>;

    /// At most `limit` pairs whose keys begin with `prefix`, from `from` on (at or above), ascending.
    ///
    /// `from` may lie below the prefix's first key: the scan starts at whichever is higher.
    fn scan_prefix(
        &self,
        column: StoreColumn,
        prefix: &[u8],
        from: &[u8],
        limit: usize,
    ) -> Result<Vec<Pair>, StorageError> {
        let mut pairs = self.scan(column, from.max(prefix), limit)?;
        let inside = pairs.partition_point(|(key, _)| key.starts_with(prefix));
        pairs.truncate(inside);
        Ok(pairs)
    }

    /// At most `limit` pairs whose keys begin with `prefix` and lie strictly below `before`, descending.
    fn scan_prefix_back(
        &self,
        column: StoreColumn,
        prefix: &[u8],
        before: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Pair>, StorageError> {
        let end = prefix_end(prefix);
        let upper = match (before, end.as_deref()) {
            (Some(before), Some(end)) => Some(before.min(end)),
            (before, end) => before.or(end),
        };
        let mut pairs = self.scan_back(column, upper, limit)?;
        let inside = pairs.partition_point(|(key, _)| key.starts_with(prefix));
        pairs.truncate(inside);
        Ok(pairs)
    }

    /// The pair with the highest key of the column.
    fn last(&self, column: StoreColumn) -> Result<Option<Pair>, StorageError> {
        Ok(self.scan_back(column, None, 1)?.pop())
    }
}

impl<R: Reader + ?Sized> Reader for Arc<R> {
    fn get(&self, column: StoreColumn, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        (**self).get(column, key)
    }

    fn multi_get(&self, places: &[(StoreColumn, &[u8])]) -> Result<Vec<Option<Bytes>>, StorageError> {
        (**self).multi_get(places)
    }

    fn scan(&self, column: StoreColumn, from: &[u8], limit: usize) -> Result<Vec<Pair>, StorageError> {
        (**self).scan(column, from, limit)
    }

    fn scan_back(&self, column: StoreColumn, before: Option<&[u8]>, limit: usize) -> Result<Vec<Pair>, StorageError> {
        (**self).scan_back(column, before, limit)
    }
}

/// A store that can also be written and pinned. Cheap to clone; all clones are the one store.
pub trait Store: Reader + Clone + 'static {
    /// A view of one commit that later commits do not change.
    type Snapshot: Reader + Clone + 'static;

    /// Applies `batch` whole and syncs it to the disk.
    ///
    /// On `Ok` the batch survives a power cut and every read sees it. On `Err` its fate is unknown until the next
    /// `open`, and the store answers nothing any more: the caller must stop. A future dropped half-way leaves a
    /// batch that either applies whole at the next `open` or never does.
    fn commit(&self, batch: Batch) -> impl Future<Output = Result<(), StorageError>> + Send;

    /// Pins the store as last committed. Held for as short as possible: it holds back what compaction could free.
    fn snapshot(&self) -> Result<Self::Snapshot, StorageError>;
}

/// Writes that apply together or not at all, in order: the last one to a key wins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    writes: Vec<Write>,
}

/// One write of a batch; no value means that the key is removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Write {
    pub column: StoreColumn,
    pub key: Bytes,
    pub value: Option<Bytes>,
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets `key` to `value`.
    pub fn put(&mut self, column: StoreColumn, key: impl AsRef<[u8]>, value: impl Into<Bytes>) {
        self.writes.push(Write { column, key: Bytes::copy_from_slice(key.as_ref()), value: Some(value.into()) });
    }

    /// Removes `key`; removing what is not there is no error.
    pub fn delete(&mut self, column: StoreColumn, key: impl AsRef<[u8]>) {
        self.writes.push(Write { column, key: Bytes::copy_from_slice(key.as_ref()), value: None });
    }

    /// Appends the writes of `later` after this batch's own.
    pub fn append(&mut self, mut later: Batch) {
        self.writes.append(&mut later.writes);
    }

    /// How many writes the batch holds.
    pub fn len(&self) -> usize {
        self.writes.len()
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    pub(super) fn writes(&self) -> &[Write] {
        &self.writes
    }

    pub(super) fn into_writes(self) -> Vec<Write> {
        self.writes
    }
}

/// The key of a height in the columns that are ordered by it: big-endian, so that byte order is height order.
pub fn height_key(height: u64) -> [u8; 8] {
    height.to_be_bytes()
}

/// The height that such a key begins with, or `None` if it is too short to hold one.
pub fn key_height(key: &[u8]) -> Option<u64> {
    key.first_chunk().map(|bytes| u64::from_be_bytes(*bytes))
}

/// The lowest key above every key that begins with `prefix`, or `None` if there is none (all bytes are 0xff).
pub fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let keep = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix[..=keep].to_vec();
    end[keep] += 1;
    Some(end)
}
