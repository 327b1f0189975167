//! The entries of state that a block touches: each as it was before, and as the block leaves it.
//!
//! A block of payments reads an account that pays five times, and its balance three. Each entry is asked of the state below
//! once, all that show beforehand in one walk ([`WorkingSet::read_ahead`]), and what is written stands beside what was read:
//! at the block's end nothing is looked up again.
//!
//! # Invariants
//! * It answers what the state below would with the writes applied to it. The state below does not change meanwhile.
//! * What comes out of it does not depend on what was read, in which order, or ahead.

use super::place::Place;
use super::place_index::{PlaceHash, PlaceIndex};
use super::view::{Column, View, Writes, layered_scan};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// See the module.
pub struct WorkingSet {
    below: Arc<dyn View>,
    touched: Mutex<Touched>,
}

/// The entries that a block read or wrote, for blocks that stand on it.
#[derive(Debug, Default)]
pub struct Touched {
    slots: Vec<Slot>,
    index: PlaceIndex,
    /// Of the columns that were scanned: what is written, by key.
    ordered: BTreeMap<Column, BTreeMap<Bytes, Option<Bytes>>>,
}

#[derive(Debug)]
struct Slot {
    place: Place,
    before: Before,
    /// None: not written.
    written: Option<Option<Bytes>>,
}

#[derive(Debug)]
enum Before {
    /// Written, and not asked for until now.
    Unread,
    Read(Option<Bytes>),
}

/// An entry that a block wrote.
pub struct Change {
    /// Its column.
    pub column: Column,
    /// Its key.
    pub key: Bytes,
    /// What stood there before the block.
    pub old: Option<Bytes>,
    /// What stands there now.
    pub new: Option<Bytes>,
}

impl Touched {
    /// The entry after the block, if the block read or wrote it.
    pub(crate) fn after(&self, place: &Place) -> Option<Option<Bytes>> {
        self.slots[self.find(self.index.hash(place), place)?].after().cloned()
    }

    fn find(&self, hash: PlaceHash, place: &Place) -> Option<usize> {
        self.index.find(hash, |at| self.slots[at].place == *place)
    }

    /// The slot of a place, unread and unwritten if there was none.
    fn slot(&mut self, place: Place) -> &mut Slot {
        let hash = self.index.hash(&place);
        let at = self.find(hash, &place).unwrap_or_else(|| {
            self.index.insert(hash, self.slots.len());
            self.slots.push(Slot { place, before: Before::Unread, written: None });
            self.slots.len() - 1
        });
        &mut self.slots[at]
    }

    /// The entry as it stands, asked of the state below if it was not yet.
    fn read(&mut self, column: Column, key: &[u8], below: &dyn View) -> Option<&Bytes> {
        let slot = self.slot(Place::new(column, key));
        if slot.after().is_none() {
            slot.before = Before::Read(below.get(column, key));
        }
        slot.after()?.as_ref()
    }

    fn write(&mut self, column: Column, key: &[u8], value: Option<Bytes>) {
        if let Some(ordered) = self.ordered.get_mut(&column) {
            ordered.insert(Bytes::copy_from_slice(key), value.clone());
        }
        self.slot(Place::new(column, key)).written = Some(value);
    }

    /// What is written of a column, in order: from the first scan on it is kept so.
    fn ordered(&mut self, column: Column) -> &BTreeMap<Bytes, Option<Bytes>> {
        let slots = &self.slots;
        self.ordered.entry(column).or_insert_with(|| {
            let of_column = slots.iter().filter(|slot| slot.place.column() == column);
            let written = of_column.filter_map(|slot| Some((slot.key(), slot.written.clone()?)));
            written.collect()
        })
    }
}

impl WorkingSet {
    /// Over a state of which nothing was touched yet.
    pub fn new(below: Arc<dyn View>) -> Self {
        Self { below, touched: Mutex::default() }
    }

    /// Reads what will be asked for, which is about so much.
    pub fn read_ahead(&self, places: impl Iterator<Item = Place>, about: usize) {
        let mut touched = self.lock();
        touched.index.reserve(about);
        touched.slots.reserve(about);
        let first = touched.slots.len();
        for place in places {
            touched.slot(place);
        }
        let unread: Vec<&Place> = touched.slots[first..].iter().map(|slot| &slot.place).collect();
        let values = self.below.get_many(&unread);
        for (slot, value) in touched.slots[first..].iter_mut().zip(values) {
            slot.before = Before::Read(value);
        }
    }

    /// Writes an entry; `None` removes it.
    pub fn write(&self, column: Column, key: &[u8], value: Option<Bytes>) {
        self.lock().write(column, key, value);
    }

    /// Writes entries.
    pub fn take_over(&self, writes: Writes) {
        let mut touched = self.lock();
        writes.into_iter().for_each(|((column, key), value)| touched.write(column, &key, value));
    }

    /// What changed, ascending by column and key, and what was touched.
    pub fn finish(self) -> (Vec<Change>, Touched) {
        let mut touched = self.touched.into_inner().unwrap_or_else(PoisonError::into_inner);
        let unread = |slot: &&mut Slot| matches!(slot.before, Before::Unread);
        let mut unread: Vec<&mut Slot> = touched.slots.iter_mut().filter(unread).collect();
        let places: Vec<&Place> = unread.iter().map(|slot| &slot.place).collect();
        let values = self.below.get_many(&places);
        unread.iter_mut().zip(values).for_each(|(slot, value)| slot.before = Before::Read(value));

        let mut changes: Vec<Change> = touched.slots.iter().filter_map(Slot::change).collect();
        changes.sort_unstable_by(|one, other| (one.column, &one.key).cmp(&(other.column, &other.key)));
        (changes, touched)
    }

    fn lock(&self) -> MutexGuard<'_, Touched> {
        // An entry is put in whole or not at all.
        self.touched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    fn key(&self) -> Bytes {
        Bytes::copy_from_slice(self.place.key())
    }

    /// The entry after the block. None: it was not written, and nobody asked what stood there.
    fn after(&self) -> Option<&Option<Bytes>> {
        match (&self.written, &self.before) {
            (Some(written), _) => Some(written),
            (None, Before::Read(value)) => Some(value),
            (None, Before::Unread) => None,
        }
    }

    /// What the block made of the entry, if that is another than before.
    fn change(&self) -> Option<Change> {
        let new = self.written.as_ref()?;
        let old = match &self.before {
            Before::Read(value) => value,
            Before::Unread => &None,
        };
        let change = || Change { column: self.place.column(), key: self.key(), old: old.clone(), new: new.clone() };
        (old != new).then(change)
    }
}

impl View for WorkingSet {
    fn get(&self, column: Column, key: &[u8]) -> Option<Bytes> {
        let mut touched = self.lock();
        touched.read(column, key, &*self.below).cloned()
    }

    fn look(&self, column: Column, key: &[u8], seen: &mut dyn FnMut(Option<&[u8]>)) {
        let mut touched = self.lock();
        seen(touched.read(column, key, &*self.below).map(|entry| &entry[..]));
    }

    fn scan(&self, column: Column, from: &[u8], limit: usize) -> Vec<(Bytes, Bytes)> {
        let mut touched = self.lock();
        let written = touched.ordered(column).range(Bytes::copy_from_slice(from)..);
        layered_scan(written, &*self.below, column, from, limit)
    }

    fn note_corruption(&self, column: Column, key: &[u8]) {
        self.below.note_corruption(column, key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::view::{Layers, MemoryView};
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

    type Entry = ((Column, Bytes), Option<Bytes>);

    fn entry(key: u8, value: Option<u8>) -> Entry {
        ((Column::Due, Bytes::copy_from_slice(&[key])), value.map(|value| Bytes::copy_from_slice(&[value])))
    }

    fn writes(entries: &[(u8, Option<u8>)]) -> Writes {
        entries.iter().map(|(key, value)| entry(*key, *value)).collect()
    }

    #[test]
    fn each_entry_is_asked_for_once() {
        let mut below = MemoryView::default();
        below.apply(&writes(&[(1, Some(1)), (2, Some(2))]));
        let below = Arc::new(Counting(below, AtomicUsize::new(0)));
        let set = WorkingSet::new(below.clone());
        set.read_ahead([1, 3, 1].map(|key| Place::new(Column::Due, &[key])).into_iter(), 3);
        for _ in 0..3 {
            let got = [1u8, 2, 3].map(|key| set.get(Column::Due, &[key]));
            let mut seen = Vec::new();
            [1u8, 2, 3].iter().for_each(|key| {
                set.look(Column::Due, &[*key], &mut |entry| seen.push(entry.map(Bytes::copy_from_slice)));
            });
            assert_eq!(seen, got);
            assert_eq!(got, [Some(Bytes::from_static(&[1])), Some(Bytes::from_static(&[2])), None]);
        }
        set.take_over(writes(&[(1, None), (2, Some(2))]));
        assert_eq!(set.finish().0.len(), 1, "what was written as it stood did not change");
        assert_eq!(below.1.load(Ordering::Relaxed), 3, "what is there and what is not, each once");
    }

    /// A step of a block.
    #[derive(Clone, Debug)]
    enum Step {
        Ahead(Vec<u8>),
        Get(u8),
        Scan(u8, usize),
        Write(u8, Option<u8>),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            proptest::collection::vec(0u8..14, 0..6).prop_map(Step::Ahead),
            (0u8..14).prop_map(Step::Get),
            (0u8..14, 0usize..6).prop_map(|(from, limit)| Step::Scan(from, limit)),
            (0u8..14, any::<Option<u8>>()).prop_map(|(key, value)| Step::Write(key, value)),
        ]
    }

    proptest! {
        /// Whatever is read, read ahead, scanned and written in whatever order: the answers are those of the state with the
        /// writes applied, what changed is the difference of the two states, and what was touched says what stands after.
        #[test]
        fn it_is_the_state_below_with_the_writes_applied(
            committed in proptest::collection::btree_map(0u8..12, any::<u8>(), 0..8),
            layer in proptest::collection::vec((0u8..12, any::<Option<u8>>()), 0..8),
            steps in proptest::collection::vec(step(), 0..40),
        ) {
            let mut base = MemoryView::default();
            base.apply(&committed.iter().map(|(key, value)| entry(*key, Some(*value))).collect());
            let mut model = base.clone();
            model.apply(&writes(&layer));
            let before = model.clone();
            let set = WorkingSet::new(Arc::new(Layers::new(vec![Arc::new(writes(&layer))], Arc::new(base))));
            for step in steps {
                match step {
                    Step::Ahead(keys) => set.read_ahead(keys.iter().map(|key| Place::new(Column::Due, &[*key])), 2),
                    Step::Get(key) => {
                        let mut seen = None;
                        set.look(Column::Due, &[key], &mut |entry| seen = entry.map(Bytes::copy_from_slice));
                        prop_assert_eq!(&seen, &model.get(Column::Due, &[key]));
                        prop_assert_eq!(set.get(Column::Due, &[key]), seen);
                    }
                    Step::Scan(from, limit) => {
                        prop_assert_eq!(set.scan(Column::Due, &[from], limit), model.scan(Column::Due, &[from], limit));
                    }
                    Step::Write(key, value) => {
                        let ((column, key), value) = entry(key, value);
                        set.write(column, &key, value.clone());
                        model.apply(&Writes::from([((column, key), value)]));
                    }
                }
            }
            let (changes, touched) = set.finish();
            let differs = |key: &u8| before.get(Column::Due, &[*key]) != model.get(Column::Due, &[*key]);
            let changed: Vec<u8> = changes.iter().map(|change| change.key[0]).collect();
            prop_assert_eq!(changed, (0u8..14).filter(differs).collect::<Vec<_>>());
            for Change { column, key, old, new } in changes {
                prop_assert_eq!((old, new), (before.get(column, &key), model.get(column, &key)));
            }
            for key in 0u8..14 {
                if let Some(after) = touched.after(&Place::new(Column::Due, &[key])) {
                    prop_assert_eq!(after, model.get(Column::Due, &[key]));
                }
            }
        }
    }
}
