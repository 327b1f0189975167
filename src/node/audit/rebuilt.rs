//! The state as it is rebuilt: read by execution, written between blocks.
//!
//! Execution asks for a block's entries at once, by their keys, and scans few columns. So entries are looked up by hash, and a
//! column is put in order when it is first scanned.

use crate::ledger::{Column, Place, View, Writes};
use ahash::RandomState;
use bytes::Bytes;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// See the module.
#[derive(Clone, Default)]
pub(super) struct Rebuilt(Arc<RwLock<State>>);

/// Values by their places.
#[derive(Default)]
struct State {
    entries: HashMap<Place, Bytes, RandomState>,
    /// The columns that were scanned, in order.
    ordered: BTreeMap<Column, BTreeMap<Bytes, Bytes>>,
}

impl Rebuilt {
    /// Takes over what a block wrote.
    pub fn apply(&self, writes: Writes) {
        let mut state = self.write();
        writes.into_iter().for_each(|((column, key), value)| state.put(column, &key, value));
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.read().entries.len()
    }

    /// The first key of a page of a column's entries that has another entry here, or none.
    pub fn first_unlike<'p>(&self, column: Column, page: &'p [(Bytes, Bytes)]) -> Option<&'p Bytes> {
        let state = self.read();
        let unlike = |(key, value): &&(Bytes, Bytes)| state.entries.get(&Place::new(column, key)) != Some(value);
        page.iter().find(unlike).map(|(key, _)| key)
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn put(&mut self, column: Column, key: &Bytes, value: Option<Bytes>) {
        if let Some(ordered) = self.ordered.get_mut(&column) {
            match &value {
                Some(value) => ordered.insert(key.clone(), value.clone()),
                None => ordered.remove(key),
            };
        }
        let place = Place::new(column, key);
        match value {
            Some(value) => self.entries.insert(place, value),
            None => self.entries.remove(&place),
        };
    }

    fn order(&mut self, column: Column) {
        let entries = &self.entries;
        self.ordered.entry(column).or_insert_with(|| {
            let of_column = entries.iter().filter(|(place, _)| place.column() == column);
            of_column.map(|(place, value)| (Bytes::copy_from_slice(place.key()), value.clone())).collect()
        });
    }
}

impl View for Rebuilt {
    fn get(&self, column: Column, key: &[u8]) -> Option<Bytes> {
        self.read().entries.get(&Place::new(column, key)).cloned()
    }

    fn get_many(&self, places: &[&Place]) -> Vec<Option<Bytes>> {
        let state = self.read();
        places.iter().map(|place| state.entries.get(*place).cloned()).collect()
    }

    fn scan(&self, column: Column, from: &[u8], limit: usize) -> Vec<(Bytes, Bytes)> {
        if !self.read().ordered.contains_key(&column) {
            self.write().order(column);
        }
        let (state, from_on) = (self.read(), (Bound::Included(from), Bound::Unbounded));
        let ordered = state.ordered.get(&column).into_iter().flat_map(|ordered| ordered.range::<[u8], _>(from_on));
        ordered.take(limit).map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// What was just executed does not decode: execution will answer wrongly, and the comparison finds it.
    fn note_corruption(&self, _: Column, _: &[u8]) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::view::MemoryView;
    use proptest::prelude::*;

    proptest! {
        /// Whatever is written, and whenever a column is first scanned: it answers what a state in order would.
        #[test]
        fn it_is_a_state_in_order(
            blocks in proptest::collection::vec(
                proptest::collection::btree_map((any::<bool>(), 0u8..12), any::<Option<u8>>(), 0..6),
                0..8,
            ),
            scanned_after in 0usize..8,
            from in 0u8..12,
            limit in 0usize..6,
        ) {
            let (rebuilt, mut model) = (Rebuilt::default(), MemoryView::default());
            let column = |due: bool| if due { Column::Due } else { Column::Tokens };
            for (height, block) in blocks.iter().enumerate() {
                let bytes = |byte: u8| Bytes::copy_from_slice(&[byte]);
                let writes: Writes = block
                    .iter()
                    .map(|((due, key), value)| ((column(*due), bytes(*key)), value.map(bytes)))
                    .collect();
                model.apply(&writes);
                rebuilt.apply(writes);
                if height >= scanned_after {
                    prop_assert_eq!(rebuilt.scan(Column::Due, &[from], limit), model.scan(Column::Due, &[from], limit));
                }
            }
            for key in 0..12 {
                let place = Place::new(Column::Tokens, &[key]);
                prop_assert_eq!(rebuilt.get_many(&[&place]), [model.get(Column::Tokens, &[key])]);
            }
            let mut entries = 0;
            for (column, key, value) in model.entries() {
                let mut page = vec![(key.clone(), value.clone())];
                prop_assert_eq!(rebuilt.first_unlike(column, &page), None);
                page.push((key.clone(), Bytes::from_static(b"another")));
                prop_assert_eq!(rebuilt.first_unlike(column, &page), Some(key));
                entries += 1;
            }
            prop_assert_eq!(rebuilt.len(), entries);
            let unwritten = [(Bytes::from_static(b"never"), Bytes::new())];
            prop_assert!(rebuilt.first_unlike(Column::Tokens, &unwritten).is_some());
        }
    }
}
