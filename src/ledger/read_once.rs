//! A view that reads each entry below it once.
//!
//! A block asks for the same accounts and balances many times over: to judge a transaction, to plan it, to check the block's
//! invariants, to take what changed into the state's digest. And most of what it will ask for is known before it begins, so
//! that a store is walked once for all of it ([`ReadOnce::read_ahead`]).
//!
//! # Invariants
//! * It answers what the view below answers, as long as that does not change: it stands over one state, for one block.
//! * Reading ahead changes no answer, whatever it was asked to read.

use super::point_map::PointMap;
use super::view::{Column, View};
use bytes::Bytes;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// See the module.
pub struct ReadOnce {
    base: Arc<dyn View>,
    entries: Mutex<PointMap<Option<Bytes>>>,
}

impl ReadOnce {
    /// A view over one that does not change, of which nothing was read yet.
    pub fn new(base: Arc<dyn View>) -> Self {
        Self { base, entries: Mutex::default() }
    }

    /// Reads what will be asked for.
    pub fn read_ahead(&self, keys: impl Iterator<Item = (Column, Bytes)>) {
        let mut entries = self.lock();
        let mut unread: Vec<(Column, Bytes)> =
            keys.filter(|(column, key)| entries.get(*column, key).is_none()).collect();
        unread.sort_unstable();
        unread.dedup();
        let values = self.base.get_many(&unread);
        for (place, value) in unread.into_iter().zip(values) {
            entries.insert(place, value);
        }
    }

    fn lock(&self) -> MutexGuard<'_, PointMap<Option<Bytes>>> {
        // An entry is put in whole or not at all.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl View for ReadOnce {
    fn get(&self, column: Column, key: &[u8]) -> Option<Bytes> {
        let mut entries = self.lock();
        if let Some(read) = entries.get(column, key) {
            return read.clone();
        }
        let read = self.base.get(column, key);
        entries.insert((column, Bytes::copy_from_slice(key)), read.clone());
        read
    }

    fn scan(&self, column: Column, from: &[u8], limit: usize) -> Vec<(Bytes, Bytes)> {
        self.base.scan(column, from, limit)
    }

    fn note_corruption(&self, column: Column, key: &[u8]) {
        self.base.note_corruption(column, key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::view::{Layers, MemoryView, Writes};
    use proptest::prelude::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A view that counts how many entries were read through it.
    struct Counting(MemoryView, AtomicUsize);

    impl View for Counting {
        fn get(&self, column: Column, key: &[u8]) -> Option<Bytes> {
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0.get(column, key)
        }

        fn scan(&self, column: Column, from: &[u8], limit: usize) -> Vec<(Bytes, Bytes)> {
            self.0.scan(column, from, limit)
        }

        fn note_corruption(&self, _: Column, _: &[u8]) {}
    }

    fn entry(key: u8, value: Option<u8>) -> ((Column, Bytes), Option<Bytes>) {
        ((Column::Due, Bytes::copy_from_slice(&[key])), value.map(|value| Bytes::copy_from_slice(&[value])))
    }

    #[test]
    fn what_was_read_or_read_ahead_is_not_read_again() {
        let mut below = MemoryView::default();
        below.apply(&Writes::from([entry(1, Some(1)), entry(2, Some(2))]));
        let below = Arc::new(Counting(below, AtomicUsize::new(0)));
        let view = ReadOnce::new(below.clone());
        view.read_ahead([1, 3].map(|key| entry(key, None).0).into_iter());
        for _ in 0..3 {
            let got = [1u8, 2, 3].map(|key| view.get(Column::Due, &[key]));
            assert_eq!(got, [Some(Bytes::from_static(&[1])), Some(Bytes::from_static(&[2])), None]);
        }
        assert_eq!(below.1.load(Ordering::Relaxed), 3, "what is there and what is not, each once");
    }

    proptest! {
        /// Over layers or not, read ahead or not, in whatever order: the answers are those of the view below.
        #[test]
        fn it_answers_what_the_view_below_answers(
            committed in proptest::collection::btree_map(0u8..12, any::<u8>(), 0..8),
            newer in proptest::collection::vec((0u8..12, any::<Option<u8>>()), 0..8),
            older in proptest::collection::vec((0u8..12, any::<Option<u8>>()), 0..8),
            ahead in proptest::collection::btree_set(0u8..14, 0..14),
            asked in proptest::collection::vec(0u8..14, 0..40),
        ) {
            let mut base = MemoryView::default();
            base.apply(&committed.iter().map(|(key, value)| entry(*key, Some(*value))).collect());
            let layer = |writes: &[(u8, Option<u8>)]| Arc::new(writes.iter().map(|(key, value)| entry(*key, *value)).collect::<Writes>());
            let below = Arc::new(Layers::new(vec![layer(&newer), layer(&older)], Arc::new(base)));
            let view = ReadOnce::new(below.clone());
            view.read_ahead(ahead.iter().map(|key| entry(*key, None).0));
            for key in asked {
                prop_assert_eq!(view.get(Column::Due, &[key]), below.get(Column::Due, &[key]));
            }
        }
    }
}
