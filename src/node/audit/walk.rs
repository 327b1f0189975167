//! A walk over every entry of some columns, on all cores; and what the state's entries add up to on the way.
//!
//! Each column is walked in parts, by the first byte of its keys. Columns that grow large have ids first in their keys, and
//! ids are hashes, so their parts are about even; where they are not, the walk takes longer and tells the same.
//!
//! # Invariants
//! * Every entry is met once, whatever its key.
//! * What is told is what a walk from the first column's first key to the last one's last would tell first.

use super::{Failure, Fault, PAGE, after};
use crate::execution::invariants;
use crate::ledger::Column;
use crate::primitives::digest::StateAccumulator;
use crate::storage::{Reader, StorageError, StoreColumn};
use bytes::Bytes;
use commonware_parallel::Strategy;

/// Parts of a column.
const PARTS: usize = 16;
/// First bytes of a part's keys.
const WIDTH: usize = 256 / PARTS;

/// The entries of a column whose keys begin with some bytes.
struct Part {
    column: StoreColumn,
    number: usize,
}

/// Walks over columns page by page. Each part of one adds up what `take` makes of its pages; the sums come back in order.
///
/// # Errors
/// The first that `take` answers with, or the first part that the store fails to read.
pub(super) fn walk<R: Reader, S: Strategy, T: Default + Send, E: From<StorageError> + Send>(
    store: &R,
    strategy: &S,
    columns: &[StoreColumn],
    take: impl Fn(&mut T, StoreColumn, &[(Bytes, Bytes)]) -> Result<(), E> + Send + Sync,
) -> Result<Vec<T>, E> {
    // Neighbours are walked by one core. So each has a share of every column, however large one of them is.
    let parts = (0..PARTS).flat_map(|number| columns.iter().map(move |column| Part { column: *column, number }));
    let walked = strategy.map_collect_vec(parts.collect::<Vec<_>>(), |part| {
        let mut sum = T::default();
        part.each_page(store, |page| take(&mut sum, part.column, page)).map(|()| sum)
    });
    let mut walked: Vec<_> = walked.into_iter().enumerate().collect();
    walked.sort_by_key(|(at, _)| (at % columns.len(), at / columns.len()));
    walked.into_iter().map(|(_, sum)| sum).collect()
}

impl Part {
    fn each_page<R: Reader, E: From<StorageError>>(
        &self,
        store: &R,
        mut take: impl FnMut(&[(Bytes, Bytes)]) -> Result<(), E>,
    ) -> Result<(), E> {
        // The first part has the empty key too.
        let mut from = if self.number == 0 { Vec::new() } else { vec![(self.number * WIDTH) as u8] };
        loop {
            let mut page = store.scan(self.column, &from, PAGE)?;
            let (read, within) = (page.len(), page.partition_point(|(key, _)| !self.ends_before(key)));
            page.truncate(within);
            take(&page)?;
            let Some((last, _)) = page.last().filter(|_| within == PAGE && read == PAGE) else { return Ok(()) };
            from = after(last);
        }
    }

    fn ends_before(&self, key: &[u8]) -> bool {
        key.first().is_some_and(|first| usize::from(*first) / WIDTH > self.number)
    }
}

/// What the entries of the state add up to.
#[derive(Default)]
pub(super) struct SumOfState {
    /// How many there are.
    pub entries: u64,
    /// The sum that the state's digest is of.
    pub accumulator: StateAccumulator,
    /// What must hold over all of them.
    pub standing: invariants::Ledger,
}

/// Adds up every entry of the state, after it was found as who looks it up finds it, and its page as `compare` wants it.
pub(super) fn sum_of_state<R: Reader, S: Strategy>(
    store: &R,
    strategy: &S,
    compare: impl Fn(Column, &[(Bytes, Bytes)]) -> Result<(), Fault> + Send + Sync,
) -> Result<SumOfState, Failure> {
    let columns: Vec<StoreColumn> = Column::ALL.iter().map(|column| StoreColumn::State(*column)).collect();
    let take = |sum: &mut SumOfState, stored, page: &[(Bytes, Bytes)]| {
        let StoreColumn::State(column) = stored else { return Ok(()) };
        compare(column, page)?;
        check_look_ups(store, stored, page)?;
        for (key, value) in page {
            sum.accumulator.add(column.tag(), key, value);
            sum.standing.count(column, key, value, 1).map_err(Fault::Invariant)?;
        }
        sum.entries += page.len() as u64;
        Ok::<(), Failure>(())
    };
    let mut whole = SumOfState::default();
    for part in walk(store, strategy, &columns, take)? {
        whole.accumulator.join(&part.accumulator);
        whole.standing.join(part.standing);
        whole.entries += part.entries;
    }
    Ok(whole)
}

/// Whether columns have as many entries as they should.
pub(super) fn check_counts<R: Reader, S: Strategy>(
    store: &R,
    strategy: &S,
    columns: &[(StoreColumn, u64)],
) -> Result<(), Failure> {
    let counts = strategy.map_collect_vec(columns, |(column, _)| count(store, *column));
    for (found, (column, expected)) in counts.into_iter().zip(columns) {
        let (found, expected) = (found?, *expected);
        if found != expected {
            return Err(Fault::Surplus { column: *column, found, expected }.into());
        }
    }
    Ok(())
}

/// How many entries a column has.
fn count<R: Reader>(store: &R, column: StoreColumn) -> Result<u64, StorageError> {
    let (mut count, mut from) = (0, Vec::new());
    loop {
        let page = store.scan(column, &from, PAGE)?;
        count += page.len() as u64;
        let Some((last, _)) = page.last().filter(|_| page.len() == PAGE) else { return Ok(count) };
        from = after(last);
    }
}

/// Whether whoever looks entries up finds what whoever walks over them does: a table says by its filters where not to look, and
/// execution looks up.
pub(super) fn check_look_ups<R: Reader>(
    store: &R,
    column: StoreColumn,
    page: &[(Bytes, Bytes)],
) -> Result<(), Failure> {
    let places: Vec<(StoreColumn, &[u8])> = page.iter().map(|(key, _)| (column, &key[..])).collect();
    let found = store.multi_get(&places)?;
    match page.iter().zip(&found).find(|((_, value), found)| found.as_ref() != Some(value)) {
        None => Ok(()),
        Some(((key, _), _)) => Err(Fault::Hidden { column, key: hex::encode(key) }.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::primitives::ChainId;
    use crate::storage::{Batch, RocksStore, Store as _};
    use commonware_parallel::{Rayon, Sequential};
    use futures::executor::block_on;
    use std::num::NonZero;

    const COLUMNS: [StoreColumn; 3] = [StoreColumn::ObjectIndex, StoreColumn::Outcomes, StoreColumn::TransactionIndex];

    /// More than a page within a part, none in many, and the keys at their borders.
    fn keys() -> Vec<Vec<u8>> {
        let borders =
            (0..PARTS).flat_map(|part| [vec![(part * WIDTH) as u8], vec![(part * WIDTH + WIDTH - 1) as u8; 40]]);
        let many = (0..2 * PAGE as u16 + 7).map(|n| [&[0x77][..], &n.to_be_bytes()].concat());
        let mut keys: Vec<Vec<u8>> = borders.chain(many).chain([vec![], vec![0xff; 3]]).collect();
        keys.sort();
        keys
    }

    #[test]
    fn every_entry_is_met_once_and_in_order_of_the_parts() {
        let place = tempfile::tempdir().expect("a directory");
        let store = RocksStore::open(place.path(), &ChainId([1; 32])).expect("an empty directory");
        let mut batch = Batch::new();
        for column in [COLUMNS[0], COLUMNS[2]] {
            keys().into_iter().for_each(|key| batch.put(column, key, Bytes::from_static(b"value")));
        }
        block_on(store.commit(batch)).expect("room on the disk");
        let expected: Vec<(StoreColumn, Vec<u8>)> = [COLUMNS[0], COLUMNS[2]]
            .into_iter()
            .flat_map(|column| keys().into_iter().map(move |key| (column, key)))
            .collect();
        let note = |met: &mut Vec<_>, column, page: &[(Bytes, Bytes)]| {
            met.extend(page.iter().map(|(key, _)| (column, key.to_vec())));
            Ok::<(), StorageError>(())
        };
        let cores = Rayon::new(NonZero::new(3).expect("three")).expect("threads");
        assert_eq!(walk(&store, &Sequential, &COLUMNS, note).expect("read").concat(), expected);
        assert_eq!(walk(&store, &cores, &COLUMNS, note).expect("read").concat(), expected);
    }

    /// Whichever part is walked first, the fault that is told is the first in order.
    #[test]
    fn the_first_fault_is_told() {
        #[derive(Debug, PartialEq)]
        struct Found(StoreColumn, Vec<u8>);
        impl From<StorageError> for Found {
            fn from(error: StorageError) -> Self {
                panic!("{error}")
            }
        }
        let place = tempfile::tempdir().expect("a directory");
        let store = RocksStore::open(place.path(), &ChainId([1; 32])).expect("an empty directory");
        let mut batch = Batch::new();
        let bad = [(COLUMNS[0], 0xee), (COLUMNS[1], 0x01), (COLUMNS[2], 0x00)];
        bad.iter().for_each(|(column, key)| batch.put(*column, vec![*key], Bytes::from_static(b"bad")));
        block_on(store.commit(batch)).expect("room on the disk");
        let judge = |_: &mut (), column, page: &[(Bytes, Bytes)]| match page.first() {
            Some((key, _)) => Err(Found(column, key.to_vec())),
            None => Ok(()),
        };
        let cores = Rayon::new(NonZero::new(2).expect("two")).expect("threads");
        assert_eq!(walk(&store, &cores, &COLUMNS, judge), Err(Found(COLUMNS[0], vec![0xee])));
    }
}
