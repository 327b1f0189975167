//! Committed entries of state in memory: who paid a second ago pays again, and the store need not be asked who it is.
//!
//! # Invariants
//! * What it answers is what the store holds as of the height asked for. An entry knows the height at which it was written, or
//!   at which it was read and had stood unchanged; a reader pinned below that asks the store. So does one pinned above what
//!   the cache was told of: between a block's commit and its telling, a snapshot is a block ahead.
//! * It is bounded: two generations of [`GENERATION_MAX`] entries, the elder of which goes when the younger is full.
//!
//! # Deliberately absent
//! Request ids: they are asked for once, and are not there. Absence of anything else is kept like a value.

use crate::ledger::point_map::PointMap;
use crate::ledger::view::Column;
use crate::ledger::{Place, View, Writes};
use bytes::Bytes;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Entries of one generation: some 20 MiB, accounts and balances of some 40,000 who pay.
const GENERATION_MAX: usize = 131_072;

#[derive(Clone)]
struct Cached {
    /// None: there is no such entry.
    value: Option<Bytes>,
    since: u64,
}

/// See the module.
pub struct StateCache(Mutex<Inner>);

struct Inner {
    height: u64,
    young: PointMap<Cached>,
    old: PointMap<Cached>,
}

impl Inner {
    fn keep(&mut self, place: Place, cached: Cached) {
        if self.young.len() >= GENERATION_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(place, cached);
    }

    /// The entry as of a height, or the newest.
    fn get(&mut self, place: &Place, pinned_at: Option<u64>) -> Option<Option<Bytes>> {
        if pinned_at.is_some_and(|height| height > self.height) {
            return None;
        }
        let valid = |cached: &&Cached| pinned_at.is_none_or(|height| cached.since <= height);
        if let Some(cached) = self.young.get(place) {
            return Some(cached).filter(valid).map(|cached| cached.value.clone());
        }
        let cached = self.old.get(place)?.clone();
        let answer = Some(&cached).filter(valid).map(|cached| cached.value.clone());
        self.keep(place.clone(), cached);
        answer
    }
}

const fn is_kept(column: Column) -> bool {
    !matches!(column, Column::Requests | Column::Due | Column::HistoryRoots)
}

impl StateCache {
    /// Nothing yet, of the state at a height.
    pub fn new(height: u64) -> Self {
        Self(Mutex::new(Inner { height, young: PointMap::default(), old: PointMap::default() }))
    }

    /// Takes over what the block of this height wrote. Called once it is committed, height after height.
    pub fn committed(&self, height: u64, writes: &Writes) {
        let mut inner = self.lock();
        inner.height = height;
        for ((column, key), value) in writes.iter().filter(|((column, _), _)| is_kept(*column)) {
            inner.keep(Place::new(*column, key), Cached { value: value.clone(), since: height });
        }
    }

    /// Keeps what was read from the state at a height, unless a later one is committed by now, which may have changed it.
    fn read(&self, height: u64, entries: impl Iterator<Item = (Place, Option<Bytes>)>) {
        let mut inner = self.lock();
        if inner.height == height {
            entries.for_each(|(place, value)| inner.keep(place, Cached { value, since: height }));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // An entry is put in whole or not at all.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Committed state, the store's entries read through the cache.
pub struct CachedView<V> {
    store: V,
    cache: Arc<StateCache>,
    /// None: the store is not pinned, and what is read from it is not kept.
    pinned_at: Option<u64>,
}

impl<V: View> CachedView<V> {
    /// A view of the state at a height, to which the store's is pinned.
    pub fn pinned(store: V, cache: Arc<StateCache>, height: u64) -> Self {
        Self { store, cache, pinned_at: Some(height) }
    }

    /// A view of the newest state.
    pub fn newest(store: V, cache: Arc<StateCache>) -> Self {
        Self { store, cache, pinned_at: None }
    }
}

impl<V: View> View for CachedView<V> {
    fn get(&self, column: Column, key: &[u8]) -> Option<Bytes> {
        if !is_kept(column) {
            return self.store.get(column, key);
        }
        let place = Place::new(column, key);
        if let Some(cached) = self.cache.lock().get(&place, self.pinned_at) {
            return cached;
        }
        let value = self.store.get(column, key);
        if let Some(height) = self.pinned_at {
            self.cache.read(height, std::iter::once((place, value.clone())));
        }
        value
    }

    fn get_many(&self, places: &[&Place]) -> Vec<Option<Bytes>> {
        let mut cache = self.cache.lock();
        let known = |place: &&Place| match is_kept(place.column()) {
            true => cache.get(place, self.pinned_at),
            false => None,
        };
        let mut values: Vec<Option<Option<Bytes>>> = places.iter().map(known).collect();
        drop(cache);
        let unknown = places.iter().zip(&values).filter(|(_, value)| value.is_none()).map(|(place, _)| *place);
        let unknown: Vec<&Place> = unknown.collect();
        let read = self.store.get_many(&unknown);
        if let Some(height) = self.pinned_at {
            let kept = unknown.iter().zip(&read).filter(|(place, _)| is_kept(place.column()));
            self.cache.read(height, kept.map(|(place, value)| ((*place).clone(), value.clone())));
        }
        let mut read = read.into_iter();
        values.iter_mut().filter(|value| value.is_none()).for_each(|value| *value = read.next());
        values.into_iter().map(Option::flatten).collect()
    }

    fn scan(&self, column: Column, from: &[u8], limit: usize) -> Vec<(Bytes, Bytes)> {
        self.store.scan(column, from, limit)
    }

    fn note_corruption(&self, column: Column, key: &[u8]) {
        self.store.note_corruption(column, key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::view::MemoryView;
    use proptest::prelude::*;

    fn place(key: u8) -> Place {
        Place::new(if key == 0 { Column::Requests } else { Column::Balances }, &[key])
    }

    fn all(view: &impl View) -> Vec<Option<Bytes>> {
        let places: Vec<Place> = (0..6).map(place).collect();
        view.get_many(&places.iter().collect::<Vec<_>>())
    }

    proptest! {
        /// Whatever is committed and read in whatever order, through views pinned at whatever height: the answers are the
        /// state's of that height.
        #[test]
        fn a_view_answers_the_state_of_its_own_height(
            steps in proptest::collection::vec((0u8..3, 0u8..6, any::<Option<u8>>(), 0usize..4), 1..80),
        ) {
            let cache = Arc::new(StateCache::new(0));
            let mut states = vec![MemoryView::default()];
            for (kind, key, value, back) in steps {
                let newest = states.len() - 1;
                if kind == 0 {
                    let written = (place(key).column(), Bytes::copy_from_slice(&[key]));
                    let writes = Writes::from([(written, value.map(|value| Bytes::copy_from_slice(&[value])))]);
                    let mut state = states[newest].clone();
                    state.apply(&writes);
                    states.push(state);
                    // Committed, and the cache not told yet.
                    let ahead = CachedView::pinned(states[newest + 1].clone(), cache.clone(), newest as u64 + 1);
                    prop_assert_eq!(all(&ahead), all(&states[newest + 1]));
                    cache.committed(newest as u64 + 1, &writes);
                    continue;
                }
                let at = newest.saturating_sub(back);
                let view = CachedView::pinned(states[at].clone(), cache.clone(), at as u64);
                let (column, bytes) = (place(key).column(), [key]);
                match kind {
                    1 => prop_assert_eq!(view.get(column, &bytes), states[at].get(column, &bytes)),
                    _ => prop_assert_eq!(all(&view), all(&states[at])),
                }
                let newest = CachedView::newest(states[newest].clone(), cache.clone());
                prop_assert_eq!(newest.get(column, &bytes), states[states.len() - 1].get(column, &bytes));
            }
        }
    }

    #[test]
    fn generations_bound_it_and_what_is_used_stays() {
        let cache = Arc::new(StateCache::new(0));
        let key = |n: usize| Place::new(Column::Balances, &n.to_be_bytes());
        let value = Some(Bytes::from_static(b"v"));
        cache.read(0, std::iter::once((key(0), value.clone())));
        for n in 1..2 * GENERATION_MAX + 2 {
            cache.read(0, std::iter::once((key(n), None)));
            if n % 1_000 == 0 {
                assert_eq!(cache.lock().get(&key(0), Some(0)), Some(value.clone()), "after {n}");
            }
        }
        let inner = cache.lock();
        assert!(inner.young.len() <= GENERATION_MAX && inner.old.len() <= GENERATION_MAX);
    }
}
