//! A map by column and key that is asked for one key at a time.
//!
//! # Invariants
//! * It cannot be iterated over, so the order of its table, which differs from process to process, shows in nothing: this is
//!   the one file of the pure floors that may name an unordered map.

use super::view::{Column, EntryKey};
use bytes::Bytes;
use std::collections::HashMap;

/// See the module.
#[derive(Debug)]
pub(crate) struct PointMap<T>(HashMap<(Column, Bytes), T>);

impl<T> Default for PointMap<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T> PointMap<T> {
    /// What stands under a key.
    pub(crate) fn get(&self, column: Column, key: &[u8]) -> Option<&T> {
        let place: &dyn EntryKey = &(column, key);
        self.0.get(place)
    }

    /// How many keys it holds.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Puts a value under a key, in the place of the one that stood there.
    pub(crate) fn insert(&mut self, place: (Column, Bytes), value: T) {
        self.0.insert(place, value);
    }
}
