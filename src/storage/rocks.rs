//! The store of a running node: RocksDB, one family for each kind of data, every commit synced.
//!
//! # Life cycle
//! [`RocksStore::open`] takes the directory's lock and claims it for the chain; the last clone dropped releases it.
//! [`RocksStore::open_read_only`] takes no lock and writes nothing, for the audit of a node that is stopped; it refuses a
//! directory that another process has open.
//!
//! # Damage
//! Every block of a table and every record of the log carries a checksum, verified whenever it is read. Damage that
//! RocksDB takes for a power cut is told all the same: the manifest is checked to its last byte ([`manifest`]), and a
//! store that comes back with less than was acknowledged is refused ([`Watermark`]), as is one whose mark of that is damaged.
//! One that lost its mark is opened, and says so ([`RocksStore::lost_its_mark`]).
//!
//! # Threads
//! `commit` syncs on the task that awaits it: the caller has nothing better to do until the batch is safe, and a
//! runtime with more than one worker carries on beside it. RocksDB flushes and compacts on two threads of its own,
//! below the port; nothing that the ledger computes depends on them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use rocksdb::checkpoint::Checkpoint;
use rocksdb::{
    BottommostLevelCompaction, ColumnFamily, CompactOptions, DB, DBRawIterator, Range, ReadOptions, Snapshot,
    WriteBatch, WriteOptions, properties,
};
use self_cell::self_cell;

use super::column::Family;
use super::manifest::{self, CURRENT};
use super::private::private;
use super::watermark::Watermark;
use super::{Batch, Pair, Reader, StorageError, Store, StoreColumn, holder, identity, rocks_options};
use crate::ledger::view::Column;
use crate::primitives::ChainId;

/// A store in a directory. All clones are the one store.
#[derive(Clone)]
pub struct RocksStore {
    database: Arc<Database>,
}

struct Database {
    rocks: DB,
    place: PathBuf,
    commits: WriteOptions,
    /// None where the store is only read.
    watermark: Option<Watermark>,
    lost_its_mark: bool,
    /// The failed commit that closed the store.
    failure: OnceLock<StorageError>,
}

impl RocksStore {
    /// Opens the store in `place` for `chain`, and makes it if there is nothing there.
    ///
    /// Replays at most 32 MB of log. Fails with one clear line if the directory is in use, closed to this user, on a
    /// full disk, of another chain or format, or damaged.
    pub fn open(place: &Path, chain: &ChainId) -> Result<Self, StorageError> {
        Self::open_with(place, chain, rocks_options::synced())
    }

    /// The same for data that can be made again: commits are not synced, so a power cut may take what they acknowledged. The
    /// death of the process takes nothing.
    pub fn open_unsynced(place: &Path, chain: &ChainId) -> Result<Self, StorageError> {
        Self::open_with(place, chain, WriteOptions::default())
    }

    fn open_with(place: &Path, chain: &ChainId, commits: WriteOptions) -> Result<Self, StorageError> {
        let made = fs::create_dir_all(place).and_then(|()| private(place));
        made.map_err(|error| StorageError::from_io(place, &error))?;
        let acknowledged = check_files(place)?;
        let rocks = DB::open_cf_descriptors(&rocks_options::database(), place, rocks_options::families())
            .map_err(|error| classify(place, "at opening", &error))?;
        let lost_its_mark = check_acknowledged(&rocks, acknowledged)?;
        let watermark = Watermark::open(place, rocks.latest_sequence_number())?;
        let store = Self::over(rocks, place, commits, Some(watermark), lost_its_mark);
        if let Some(claim) = identity::check(&store, place, chain)? {
            store.write(&claim)?;
        }
        Ok(store)
    }

    /// Checks that no other process has the store in `place` open, as far as the system can tell.
    ///
    /// # Errors
    /// One has.
    pub fn require_at_rest(place: &Path) -> Result<(), StorageError> {
        match holder::holder_of(place) {
            None => Ok(()),
            Some(process) => Err(StorageError::Open { place: place.to_path_buf(), process }),
        }
    }

    /// Opens an existing store of `chain` to read it as it stands. Commits to it fail.
    pub fn open_read_only(place: &Path, chain: &ChainId) -> Result<Self, StorageError> {
        Self::require_at_rest(place)?;
        let acknowledged = check_files(place)?;
        if !place.join(CURRENT).exists() {
            return Err(StorageError::Missing { place: place.to_path_buf() });
        }
        let mut options = rocks_options::database();
        options.create_if_missing(false);
        options.create_missing_column_families(false);
        let rocks = DB::open_cf_descriptors_read_only(&options, place, rocks_options::families(), false)
            .map_err(|error| classify(place, "at opening", &error))?;
        let lost_its_mark = check_acknowledged(&rocks, acknowledged)?;
        let store = Self::over(rocks, place, rocks_options::synced(), None, lost_its_mark);
        match identity::check(&store, place, chain)? {
            None => Ok(store),
            Some(_) => Err(StorageError::Missing { place: place.to_path_buf() }),
        }
    }

    fn over(rocks: DB, place: &Path, commits: WriteOptions, watermark: Option<Watermark>, lost_its_mark: bool) -> Self {
        let (place, failure) = (place.to_path_buf(), OnceLock::new());
        Self { database: Arc::new(Database { rocks, place, commits, watermark, lost_its_mark, failure }) }
    }

    /// Whether the store had commits and no mark of how far they were acknowledged, when it was opened. What was lost from
    /// its end before, if anything was, cannot be told.
    pub fn lost_its_mark(&self) -> bool {
        self.database.lost_its_mark
    }

    /// Makes a copy of the store as of its last commit or a later one, in a directory that is not there yet. The store goes on
    /// meanwhile. Tables are shared with the copy by hard links where the file system has them, so it costs what is not yet in
    /// tables, and later what compaction would have removed here.
    ///
    /// # Errors
    /// The directory is there, or the disk is full or failed.
    pub fn checkpoint(&self, to: &Path) -> Result<(), StorageError> {
        self.database.healthy()?;
        let failed = |error| classify(to, "in a checkpoint", &error);
        Checkpoint::new(&self.database.rocks).and_then(|checkpoint| checkpoint.create_checkpoint(to)).map_err(failed)
    }

    /// Writes everything to tables, so that nothing is left in the log.
    ///
    /// # Errors
    /// The disk is full or failed.
    pub fn flush(&self) -> Result<(), StorageError> {
        let database = &self.database;
        for family in Family::ALL {
            let flushed = database.rocks.flush_cf(database.handle(family)?);
            flushed.map_err(|error| classify(&database.place, family.name(), &error))?;
        }
        Ok(())
    }

    /// Merges the tables of a column, so that what was removed from it takes no room any more.
    ///
    /// # Errors
    /// The disk is full or failed.
    pub fn reclaim(&self, column: StoreColumn) -> Result<(), StorageError> {
        let mut options = CompactOptions::default();
        options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
        let family = self.database.family(column)?;
        self.database.rocks.compact_range_cf_opt(family, None::<&[u8]>, None::<&[u8]>, &options);
        self.database.healthy()
    }

    /// Writes everything to tables and merges each family's into one level: what the data takes, and nothing that was
    /// overwritten, with filters and indexes made anew. A running node compacts as it goes.
    pub fn compact(&self) -> Result<(), StorageError> {
        let database = &self.database;
        let mut options = CompactOptions::default();
        options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
        for family in Family::ALL {
            let handle = database.handle(family)?;
            let failed = |error| classify(&database.place, family.name(), &error);
            database.rocks.flush_cf(handle).map_err(failed)?;
            database.rocks.compact_range_cf_opt(handle, None::<&[u8]>, None::<&[u8]>, &options);
        }
        // A compaction says nothing of how it ended.
        database.healthy()
    }

    /// What each column takes in tables, in bytes: of the state's columns, which share tables, by RocksDB's own estimate. What
    /// is not flushed is in none. Balances lie among the accounts, and count with them.
    pub fn bytes_by_column(&self) -> Result<Vec<(StoreColumn, u64)>, StorageError> {
        let database = &self.database;
        let of_state = |column: &Column| {
            let column = StoreColumn::State(*column);
            let (start, end) = (column.stored_key(&[]), column.stored_end().unwrap_or_else(|| vec![u8::MAX]));
            let family = database.handle(Family::State)?;
            let sizes = database.rocks.get_approximate_sizes_cf(family, &[Range::new(&start, &end)]);
            Ok((column, sizes.iter().sum()))
        };
        let of_family = |column: &StoreColumn| {
            let family = column.family();
            let size = database.rocks.property_int_value_cf(database.handle(family)?, properties::LIVE_SST_FILES_SIZE);
            let size = size.map_err(|error| classify(&database.place, family.name(), &error))?;
            Ok((*column, size.unwrap_or(0)))
        };
        let of_its_own = Column::ALL.iter().filter(|column| **column != Column::Balances);
        of_its_own.map(of_state).chain(StoreColumn::BESIDE_STATE.iter().map(of_family)).collect()
    }

    fn write(&self, batch: &Batch) -> Result<(), StorageError> {
        let database = &self.database;
        database.healthy()?;
        let mut writes = WriteBatch::default();
        for write in batch.writes() {
            let family = database.family(write.column)?;
            let key = write.column.stored_key(&write.key);
            match &write.value {
                Some(value) => writes.put_cf(family, key, value),
                None => writes.delete_cf(family, key),
            }
        }
        database
            .rocks
            .write_opt(writes, &database.commits)
            .map_err(|error| database.close(classify(&database.place, "while committing", &error)))?;
        let Some(watermark) = &database.watermark else {
            return Ok(());
        };
        watermark
            .raise(database.rocks.latest_sequence_number())
            .map_err(|error| database.close(StorageError::from_io(&database.place, &error)))
    }
}

impl Store for RocksStore {
    type Snapshot = RocksSnapshot;

    async fn commit(&self, batch: Batch) -> Result<(), StorageError> {
        self.write(&batch)
    }

    fn snapshot(&self) -> Result<RocksSnapshot, StorageError> {
        self.database.healthy()?;
        let pin = Pin::new(self.database.clone(), |database| database.rocks.snapshot());
        Ok(RocksSnapshot { pin: Arc::new(pin) })
    }
}

impl Reader for RocksStore {
    fn get(&self, column: StoreColumn, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        self.database.healthy()?;
        self.database.get(column, key, &ReadOptions::default())
    }

    fn multi_get(&self, places: &[(StoreColumn, &[u8])]) -> Result<Vec<Option<Bytes>>, StorageError> {
        // Without a snapshot a commit could fall between two of the keys.
        self.snapshot()?.multi_get(places)
    }

    fn scan(&self, column: StoreColumn, from: &[u8], limit: usize) -> Result<Vec<Pair>, StorageError> {
        self.database.healthy()?;
        self.database.scan(column, from, limit, ReadOptions::default())
    }

    fn scan_back(&self, column: StoreColumn, before: Option<&[u8]>, limit: usize) -> Result<Vec<Pair>, StorageError> {
        self.database.healthy()?;
        self.database.scan_back(column, before, limit, ReadOptions::default())
    }
}

self_cell!(
    /// A snapshot of RocksDB together with the database that it borrows from.
    struct Pin {
        owner: Arc<Database>,
        #[not_covariant]
        dependent: Snapshot,
    }
);

/// One commit of a [`RocksStore`], pinned. Keeps the store open.
#[derive(Clone)]
pub struct RocksSnapshot {
    pin: Arc<Pin>,
}

impl RocksSnapshot {
    fn with<T>(&self, read: impl FnOnce(&Database, ReadOptions) -> T) -> T {
        self.pin.with_dependent(|database, snapshot| {
            let mut options = ReadOptions::default();
            options.set_snapshot(snapshot);
            read(database, options)
        })
    }
}

impl Reader for RocksSnapshot {
    fn get(&self, column: StoreColumn, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        self.with(|database, options| database.get(column, key, &options))
    }

    fn multi_get(&self, places: &[(StoreColumn, &[u8])]) -> Result<Vec<Option<Bytes>>, StorageError> {
        self.with(|database, options| database.multi_get(places, &options))
    }

    fn scan(&self, column: StoreColumn, from: &[u8], limit: usize) -> Result<Vec<Pair>, StorageError> {
        self.with(|database, options| database.scan(column, from, limit, options))
    }

    fn scan_back(&self, column: StoreColumn, before: Option<&[u8]>, limit: usize) -> Result<Vec<Pair>, StorageError> {
        self.with(|database, options| database.scan_back(column, before, limit, options))
    }
}

impl Database {
    fn healthy(&self) -> Result<(), StorageError> {
        self.failure.get().map_or(Ok(()), |failure| Err(failure.clone()))
    }

    /// The first failure closes the store; later ones follow from it.
    fn close(&self, failure: StorageError) -> StorageError {
        self.failure.get_or_init(|| failure).clone()
    }

    fn family(&self, column: StoreColumn) -> Result<&ColumnFamily, StorageError> {
        self.handle(column.family())
    }

    fn handle(&self, family: Family) -> Result<&ColumnFamily, StorageError> {
        let name = family.name();
        self.rocks.cf_handle(name).ok_or_else(|| StorageError::corrupt(name, "the family is not there"))
    }

    fn get(&self, column: StoreColumn, key: &[u8], options: &ReadOptions) -> Result<Option<Bytes>, StorageError> {
        let found = self.rocks.get_cf_opt(self.family(column)?, column.stored_key(key), options);
        found.map(|value| value.map(Bytes::from)).map_err(|error| self.read_failure(column, &error))
    }

    /// One look-up for each family, so that keys which lie together are read together.
    fn multi_get(
        &self,
        places: &[(StoreColumn, &[u8])],
        options: &ReadOptions,
    ) -> Result<Vec<Option<Bytes>>, StorageError> {
        let mut by_family: BTreeMap<Family, Vec<usize>> = BTreeMap::new();
        for (index, (column, _)) in places.iter().enumerate() {
            by_family.entry(column.family()).or_default().push(index);
        }
        let mut values = vec![None; places.len()];
        for (family, indexes) in by_family {
            let mut stored: Vec<(Vec<u8>, usize)> =
                indexes.into_iter().map(|index| (places[index].0.stored_key(places[index].1), index)).collect();
            stored.sort_unstable();
            let keys: Vec<&[u8]> = stored.iter().map(|(key, _)| &key[..]).collect();
            let found = self.rocks.batched_multi_get_cf_opt(self.handle(family)?, keys, true, options);
            for ((_, index), value) in stored.iter().zip(found) {
                let value = value.map_err(|error| self.read_failure(places[*index].0, &error))?;
                values[*index] = value.map(|found| Bytes::copy_from_slice(&found));
            }
        }
        Ok(values)
    }

    fn scan(
        &self,
        column: StoreColumn,
        from: &[u8],
        limit: usize,
        mut options: ReadOptions,
    ) -> Result<Vec<Pair>, StorageError> {
        if let Some(end) = column.stored_end() {
            options.set_iterate_upper_bound(end);
        }
        let mut cursor = self.rocks.raw_iterator_cf_opt(self.family(column)?, options);
        cursor.seek(column.stored_key(from));
        self.collect(column, cursor, limit, DBRawIterator::next)
    }

    fn scan_back(
        &self,
        column: StoreColumn,
        before: Option<&[u8]>,
        limit: usize,
        mut options: ReadOptions,
    ) -> Result<Vec<Pair>, StorageError> {
        options.set_iterate_lower_bound(column.stored_key(&[]));
        if let Some(end) = before.map(|before| column.stored_key(before)).or_else(|| column.stored_end()) {
            options.set_iterate_upper_bound(end);
        }
        let mut cursor = self.rocks.raw_iterator_cf_opt(self.family(column)?, options);
        cursor.seek_to_last();
        self.collect(column, cursor, limit, DBRawIterator::prev)
    }

    fn collect<'a>(
        &'a self,
        column: StoreColumn,
        mut cursor: DBRawIterator<'a>,
        limit: usize,
        step: fn(&mut DBRawIterator<'a>),
    ) -> Result<Vec<Pair>, StorageError> {
        let mut pairs = Vec::new();
        while pairs.len() < limit {
            let Some((key, value)) = cursor.item() else {
                break;
            };
            if let Some(key) = column.own_key(key)? {
                pairs.push((key, Bytes::copy_from_slice(value)));
            }
            step(&mut cursor);
        }
        // An iterator that meets damage just ends; its status tells the end from the damage.
        cursor.status().map_err(|error| self.read_failure(column, &error))?;
        Ok(pairs)
    }

    fn read_failure(&self, column: StoreColumn, error: &rocksdb::Error) -> StorageError {
        classify(&self.place, &column.to_string(), error)
    }
}

/// Refuses a directory that RocksDB would misunderstand. Answers how far commits in it were acknowledged, if that is known.
fn check_files(place: &Path) -> Result<Option<u64>, StorageError> {
    if place.join(CURRENT).exists() {
        // Read before the database is: another process may be committing to it.
        let acknowledged = Watermark::read(place)?;
        manifest::check(place)?;
        let families =
            DB::list_cf(&rocks_options::database(), place).map_err(|error| classify(place, "at opening", &error))?;
        let ours = |name: &String| name == rocksdb::DEFAULT_COLUMN_FAMILY_NAME || Family::from_name(name).is_some();
        return match families.into_iter().find(|name| !ours(name)) {
            Some(foreign) => Err(identity::foreign_format(place, format!("with a family '{foreign}'"))),
            None => Ok(acknowledged),
        };
    }
    // RocksDB would begin a new database over the tables of one that lost this file.
    let files = match fs::read_dir(place) {
        Ok(files) => files,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StorageError::from_io(place, &error)),
    };
    for file in files {
        let path = file.map_err(|error| StorageError::from_io(place, &error))?.path();
        if path.extension().is_some_and(|extension| extension == "sst") {
            return Err(StorageError::corrupt("at opening", "the file CURRENT is missing beside existing tables"));
        }
    }
    Ok(None)
}

/// Refuses a database that has less than was acknowledged. Answers whether it has commits of which that is not known.
fn check_acknowledged(rocks: &DB, acknowledged: Option<u64>) -> Result<bool, StorageError> {
    let found = rocks.latest_sequence_number();
    if let Some(acknowledged) = acknowledged.filter(|acknowledged| found < *acknowledged) {
        let cause = format!("it ends at write {found}, but everything up to write {acknowledged} was acknowledged");
        return Err(StorageError::corrupt("commit log", cause));
    }
    Ok(acknowledged.is_none() && found > 0)
}

fn classify(place: &Path, column: &str, error: &rocksdb::Error) -> StorageError {
    classify_text(place, column, error.as_ref())
}

/// What RocksDB's words mean for the operator: it tells kinds apart by text alone.
fn classify_text(place: &Path, column: &str, text: &str) -> StorageError {
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let place = place.to_path_buf();
    if says(&["lock hold by current process"]) || (says(&["LOCK"]) && says(&["unavailable", "No locks available"])) {
        return StorageError::Locked { place };
    }
    if says(&["Permission denied", "Read-only file system", "Operation not permitted"]) {
        return StorageError::PermissionDenied { place, cause: text.to_owned() };
    }
    if says(&["No space left on device", "Disk quota exceeded", "Disc quota exceeded"]) {
        return StorageError::DiskFull { place };
    }
    // A table that the manifest names and the directory lacks is damage, too.
    if text.starts_with("Corruption") || says(&["No such file or directory"]) {
        return StorageError::corrupt(column, text);
    }
    StorageError::Io { place, cause: text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rocksdb::ErrorKind;

    /// RocksDB's errors cannot be built, only provoked or told from text: these are texts that it was seen to write.
    #[test]
    fn rocksdbs_words_become_the_operators() {
        let place = Path::new("/var/lib/causeway/store");
        let cases = [
            ("IO error: While lock file: /var/lib/causeway/store/LOCK: Resource temporarily unavailable", "in use"),
            (
                "IO error: lock hold by current process, acquire time 1 acquiring thread 2: /x/LOCK: No locks available",
                "in use",
            ),
            ("IO error: While open a file for appending: /x/000012.log: Permission denied", "no permission"),
            (
                "IO error: While opening a file for sequentially reading: /x/CURRENT: Operation not permitted",
                "no permission",
            ),
            (
                "IO error: No space left on device: While appending to file: /x/000012.log: No space left on device",
                "is full",
            ),
            (
                "Corruption: block checksum mismatch: stored = 1, computed = 2 in /x/000009.sst offset 0 size 9",
                "damaged",
            ),
            ("IO error: No such file or directory: While open a file for random read: /x/000009.sst", "damaged"),
            ("IO error: While appending to file: /x/000012.log: Input/output error", "failed"),
        ];
        for (text, expected) in cases {
            let told = classify_text(place, "column Blocks", text).to_string();
            assert!(told.contains(expected), "{text}: {told}");
            assert_eq!(told.lines().count(), 1, "{told}");
        }
        // The prefixes that tell kinds apart are RocksDB's, not ours: one that can be provoked.
        let provoked = DB::list_cf(&rocksdb::Options::default(), "/nonexistent/store").unwrap_err();
        assert_eq!(provoked.kind(), ErrorKind::IOError, "{provoked}");
    }
}
