//! The store as execution sees it: state columns only, and no errors.
//!
//! Rules must not know of disks, so the ledger's view cannot fail. A fault is kept on the side instead, the answer is
//! "not there", and whoever asked for the execution looks at [`StoreView::fault`] before it believes the result.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::{Reader, StorageError, StoreColumn};
use crate::ledger::Place;
use crate::ledger::view::{Column, View};

/// A ledger view over a store or a snapshot of one. Clones share the fault.
#[derive(Clone, Debug)]
pub struct StoreView<R> {
    reader: R,
    fault: Arc<OnceLock<StorageError>>,
}

impl<R: Reader> StoreView<R> {
    /// A view with no fault so far.
    pub fn new(reader: R) -> Self {
        Self { reader, fault: Arc::default() }
    }

    /// The first fault met through this view or a clone of it. If there is one, whatever was computed from the view
    /// is worthless: stop.
    pub fn fault(&self) -> Option<StorageError> {
        self.fault.get().cloned()
    }

    /// The first fault, as a result.
    pub fn check(&self) -> Result<(), StorageError> {
        self.fault().map_or(Ok(()), Err)
    }

    /// What the view reads from.
    pub fn reader(&self) -> &R {
        &self.reader
    }

    fn record<T: Default>(&self, read: Result<T, StorageError>) -> T {
        read.unwrap_or_else(|fault| {
            // Only the first fault is told: the later ones follow from it.
            let _ = self.fault.set(fault);
            T::default()
        })
    }
}

impl<R: Reader> View for StoreView<R> {
    fn get(&self, column: Column, key: &[u8]) -> Option<Bytes> {
        self.record(self.reader.get(StoreColumn::State(column), key))
    }

    fn get_many(&self, places: &[&Place]) -> Vec<Option<Bytes>> {
        let stored: Vec<_> = places.iter().map(|place| (StoreColumn::State(place.column()), place.key())).collect();
        let mut values = self.record(self.reader.multi_get(&stored));
        // After a fault there are fewer; nobody believes what follows.
        values.resize(places.len(), None);
        values
    }

    fn scan(&self, column: Column, from: &[u8], limit: usize) -> Vec<(Bytes, Bytes)> {
        self.record(self.reader.scan(StoreColumn::State(column), from, limit))
    }

    fn note_corruption(&self, column: Column, key: &[u8]) {
        let cause = format!("the entry under key {} does not decode", hex::encode(key));
        let _ = self.fault.set(StorageError::corrupt(StoreColumn::State(column), cause));
    }
}
