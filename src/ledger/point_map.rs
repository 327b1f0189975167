//! A map by column and key that is asked for one key at a time.
//!
//! # Invariants
//! * It cannot be iterated over, so the order of its table, which differs from process to process, shows in nothing: this is
//!   the one file of the pure floors that may name an unordered map.
//! * Its hash is keyed anew for each map, so that nobody can choose keys that fall together.

use super::place::Place;
use ahash::RandomState;
use std::collections::HashMap;

/// See the module.
#[derive(Debug)]
pub(crate) struct PointMap<T>(HashMap<Place, T, RandomState>);

impl<T> Default for PointMap<T> {
    fn default() -> Self {
        Self(HashMap::default())
    }
}

impl<T> PointMap<T> {
    /// What stands under a key.
    pub(crate) fn get(&self, place: &Place) -> Option<&T> {
        self.0.get(place)
    }

    /// How many keys it holds.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Puts a value under a key, in the place of the one that stood there.
    pub(crate) fn insert(&mut self, place: Place, value: T) {
        self.0.insert(place, value);
    }
}
