//! The state as it is rebuilt: read by execution, written between blocks.

use crate::ledger::view::MemoryView;
use crate::ledger::{Column, Place, View, Writes};
use bytes::Bytes;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

/// See the module.
#[derive(Clone, Default)]
pub(super) struct Rebuilt(Arc<RwLock<MemoryView>>);

impl Rebuilt {
    /// The state as it is now.
    pub fn read(&self) -> RwLockReadGuard<'_, MemoryView> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over what a block wrote.
    pub fn apply(&self, writes: &Writes) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).apply(writes);
    }
}

impl View for Rebuilt {
    fn get(&self, column: Column, key: &[u8]) -> Option<Bytes> {
        self.read().get(column, key)
    }

    fn get_many(&self, places: &[&Place]) -> Vec<Option<Bytes>> {
        self.read().get_many(places)
    }

    fn scan(&self, column: Column, from: &[u8], limit: usize) -> Vec<(Bytes, Bytes)> {
        self.read().scan(column, from, limit)
    }

    fn note_corruption(&self, column: Column, key: &[u8]) {
        // What was just executed does not decode: execution will answer wrongly, and the comparison finds it.
        self.read().note_corruption(column, key);
    }
}
