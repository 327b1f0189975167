//! Committed entries of state in memory: who paid a second ago pays again, and the store need not be asked who it is.
//!
//! # Invariants
//! * What it answers is what the store holds as of the height asked for. An entry knows the height at which it was written, or
//!   at which it was read and had stood unchanged; a reader pinned below that asks the store. So does one pinned above what
//!   the cache was told of: between a block's commit and its telling, a snapshot is a block ahead.
//! * Of the queue of due things it knows where the first one stands, in every state from a height on. A block works the queue off
//!   at its front, and what it removed lies there until the store compacts: whoever begins at the column's beginning walks over
//!   all of that, block after block, and a block's cost would grow with the chain.
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

/// Where the queue of due things begins.
struct Front {
    /// The first one's key, or a key before it; none: there is nothing.
    first: Option<Bytes>,
    /// Below this height it may have begun earlier.
    since: u64,
}

struct Inner {
    height: u64,
    due: Option<Front>,
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

    /// Takes note of what a block put into the queue of due things.
    fn queue(&mut self, writes: &Writes) {
        let mut due = writes.iter().filter(|((column, _), value)| *column == Column::Due && value.is_some());
        // Writes are in the order of their keys.
        let Some((Front { first, .. }, ((_, put), _))) = self.due.as_mut().zip(due.next()) else { return };
        if first.as_ref().is_none_or(|first| put < first) {
            *first = Some(put.clone());
        }
    }
}

const fn is_kept(column: Column) -> bool {
    !matches!(column, Column::Requests | Column::Due | Column::HistoryRoots)
}

impl StateCache {
    /// Nothing yet, of the state at a height.
    pub fn new(height: u64) -> Self {
        Self(Mutex::new(Inner { height, due: None, young: PointMap::default(), old: PointMap::default() }))
    }

    /// Takes over what the block of this height wrote. Called once it is committed, height after height.
    pub fn committed(&self, height: u64, writes: &Writes) {
        let mut inner = self.lock();
        inner.height = height;
        inner.queue(writes);
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

    /// Where to begin a scan of the queue from a key on, in the state at a height; none: there is nothing.
    fn due_from(&self, height: u64, from: &[u8]) -> Option<Bytes> {
        let inner = self.lock();
        let known = inner.due.as_ref().filter(|front| (front.since..=inner.height).contains(&height));
        let Some(Front { first, .. }) = known else { return Some(Bytes::copy_from_slice(from)) };
        Some(if from > &first.as_ref()?[..] { Bytes::copy_from_slice(from) } else { first.clone()? })
    }

    /// Keeps where the queue begins in the state at a height, unless a later one is committed by now.
    fn found_due(&self, height: u64, first: Option<&Bytes>) {
        let mut inner = self.lock();
        if inner.height == height {
            inner.due = Some(Front { first: first.cloned(), since: height });
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
        let Some(height) = self.pinned_at.filter(|_| column == Column::Due) else {
            return self.store.scan(column, from, limit);
        };
        let start = self.cache.due_from(height, from);
        let found = start.map(|start| self.store.scan(column, &start, limit)).unwrap_or_default();
        if from.is_empty() && limit > 0 {
            self.cache.found_due(height, found.first().map(|(key, _)| key));
        }
        found
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

    proptest! {
        /// Whatever is put into the queue and removed from it, the queue read through views pinned at whatever height is that of
        /// the state at that height.
        #[test]
        fn the_queue_of_due_things_begins_where_it_does(
            steps in proptest::collection::vec((0u8..3, 0u8..12, any::<bool>(), 0usize..4, 0usize..4), 1..80),
        ) {
            let cache = Arc::new(StateCache::new(0));
            let mut states = vec![MemoryView::default()];
            for (kind, key, put, back, limit) in steps {
                let newest = states.len() - 1;
                if kind == 0 {
                    let place = (Column::Due, Bytes::copy_from_slice(&[key]));
                    let writes = Writes::from([(place, put.then(|| Bytes::from_static(b"due")))]);
                    let mut state = states[newest].clone();
                    state.apply(&writes);
                    states.push(state);
                    let ahead = CachedView::pinned(states[newest + 1].clone(), cache.clone(), newest as u64 + 1);
                    prop_assert_eq!(ahead.scan(Column::Due, &[], 9), states[newest + 1].scan(Column::Due, &[], 9));
                    cache.committed(newest as u64 + 1, &writes);
                    continue;
                }
                let at = newest.saturating_sub(back);
                let view = CachedView::pinned(states[at].clone(), cache.clone(), at as u64);
                let from = if kind == 1 { vec![] } else { vec![key] };
                prop_assert_eq!(view.scan(Column::Due, &from, limit), states[at].scan(Column::Due, &from, limit));
            }
        }
    }

    /// A view that tells from which keys it was scanned.
    struct Scanned(MemoryView, Mutex<Vec<Vec<u8>>>);

    impl View for Scanned {
        fn get(&self, column: Column, key: &[u8]) -> Option<Bytes> {
            self.0.get(column, key)
        }

        fn scan(&self, column: Column, from: &[u8], limit: usize) -> Vec<(Bytes, Bytes)> {
            self.1.lock().expect("nobody panicked").push(from.to_vec());
            self.0.scan(column, from, limit)
        }

        fn note_corruption(&self, _: Column, _: &[u8]) {}
    }

    #[test]
    fn what_was_worked_off_is_not_walked_over_again() {
        let (cache, due) = (Arc::new(StateCache::new(0)), |key: u8| (Column::Due, Bytes::copy_from_slice(&[key])));
        let value = Some(Bytes::from_static(b"due"));
        let mut state = MemoryView::default();
        let mut commit = |height: u64, writes: Writes| {
            state.apply(&writes);
            cache.committed(height, &writes);
            let view = CachedView::pinned(Scanned(state.clone(), Mutex::default()), cache.clone(), height);
            view.scan(Column::Due, &[], 1);
            view.store.1.into_inner().expect("nobody panicked")
        };
        assert_eq!(commit(1, Writes::from([3, 5, 7].map(|key| (due(key), value.clone())))), [Vec::<u8>::new()]);
        assert_eq!(commit(2, Writes::from([(due(3), None)])), [vec![3]], "what block 2 removed, and no more");
        assert_eq!(commit(3, Writes::from([(due(5), None), (due(9), value.clone())])), [vec![5]]);
        assert_eq!(commit(4, Writes::from([(due(2), value.clone())])), [vec![2]], "something comes before all others");
        assert_eq!(commit(5, Writes::from([2, 7, 9].map(|key| (due(key), None)))), [vec![2]]);
        assert_eq!(commit(6, Writes::new()), [] as [Vec<u8>; 0], "nothing is left to look for");
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
