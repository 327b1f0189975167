//! An ordered image of a store in memory: what the simulated store reads from, and its snapshots.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use super::column::Family;
use super::{Pair, Reader, StorageError, StoreColumn};

type Entries = BTreeMap<Bytes, Bytes>;

/// All entries of a store at one commit.
///
/// A clone shares its families with the original; the next write to a shared family copies that family's map (the
/// keys and values themselves stay shared). That is fine for the sizes that a simulation reaches.
#[derive(Clone, Debug, Default)]
pub struct Image {
    families: [Arc<Entries>; Family::ALL.len()],
}

impl Image {
    fn family(&self, family: Family) -> &Entries {
        &self.families[family as usize]
    }

    /// Applies one write of a commit.
    pub(super) fn apply_stored(&mut self, family: Family, key: Bytes, value: Option<Bytes>) {
        let entries = Arc::make_mut(&mut self.families[family as usize]);
        match value {
            Some(value) => entries.insert(key, value),
            None => entries.remove(&key),
        };
    }
}

impl Reader for Image {
    fn get(&self, column: StoreColumn, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        let stored = column.stored_key(key);
        Ok(self.family(column.family()).get(stored.as_slice()).cloned())
    }

    fn multi_get(&self, places: &[(StoreColumn, &[u8])]) -> Result<Vec<Option<Bytes>>, StorageError> {
        places.iter().map(|(column, key)| self.get(*column, key)).collect()
    }

    fn scan(&self, column: StoreColumn, from: &[u8], limit: usize) -> Result<Vec<Pair>, StorageError> {
        let start = Bound::Included(Bytes::from(column.stored_key(from)));
        let pairs = self.family(column.family()).range((start, end_of(column)));
        pairs.filter_map(|pair| to_caller(column, pair).transpose()).take(limit).collect()
    }

    fn scan_back(&self, column: StoreColumn, before: Option<&[u8]>, limit: usize) -> Result<Vec<Pair>, StorageError> {
        let start = Bound::Included(Bytes::from(column.stored_key(&[])));
        let end = match before {
            // A range whose end is its start is empty, but the map would panic if both ends were excluded.
            Some(before) => Bound::Excluded(Bytes::from(column.stored_key(before))),
            None => end_of(column),
        };
        let pairs = self.family(column.family()).range((start, end));
        pairs.rev().filter_map(|pair| to_caller(column, pair).transpose()).take(limit).collect()
    }
}

fn end_of(column: StoreColumn) -> Bound<Bytes> {
    column.stored_end().map_or(Bound::Unbounded, |end| Bound::Excluded(Bytes::from(end)))
}

fn to_caller(column: StoreColumn, (key, value): (&Bytes, &Bytes)) -> Result<Option<Pair>, StorageError> {
    Ok(column.own_key(key)?.map(|key| (key, value.clone())))
}
