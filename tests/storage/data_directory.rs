//! A data directory that is not what it should be: each case is one clear line, and no case is an answer or a panic.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use causeway::ledger::view::Column;
use causeway::primitives::ChainId;
use causeway::storage::{
    Batch, FORMAT_VERSION, Reader as _, RocksStore, StorageError, Store as _, StoreColumn, height_key,
};
use futures::executor::block_on;

use super::{CHAIN, contents};

fn commit(store: &RocksStore, batch: Batch) {
    block_on(store.commit(batch)).unwrap();
}

fn refusal(place: &Path, chain: &ChainId) -> String {
    let refusal = RocksStore::open(place, chain).err().expect("opened").to_string();
    assert_eq!(refusal.lines().count(), 1, "{refusal}");
    refusal
}

#[test]
fn another_chain_is_refused() {
    let place = tempfile::tempdir().unwrap();
    drop(RocksStore::open(place.path(), &CHAIN).unwrap());
    let refusal = refusal(place.path(), &ChainId([8; 32]));
    assert!(refusal.contains(&"07".repeat(32)) && refusal.contains(&"08".repeat(32)), "{refusal}");
    assert!(refusal.contains("genesis file"), "{refusal}");
    // The refusal harms nothing.
    RocksStore::open(place.path(), &CHAIN).unwrap();
}

#[test]
fn another_format_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let store = RocksStore::open(place.path(), &CHAIN).unwrap();
    let mut batch = Batch::new();
    batch.put(StoreColumn::Meta, b"format", (FORMAT_VERSION + 1).to_be_bytes().to_vec());
    commit(&store, batch);
    drop(store);
    let refusal = refusal(place.path(), &CHAIN);
    assert!(refusal.contains(&format!("format {}", FORMAT_VERSION + 1)), "{refusal}");
}

#[test]
fn a_database_of_another_program_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let mut options = rocksdb::Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    drop(rocksdb::DB::open_cf(&options, place.path(), ["utxo"]).unwrap());
    let refusal = refusal(place.path(), &CHAIN);
    assert!(refusal.contains("utxo"), "{refusal}");
}

#[test]
fn what_is_no_directory_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("file");
    fs::write(&file, "not a directory").unwrap();
    assert!(refusal(&file, &CHAIN).contains(file.to_str().unwrap()));
    let missing = place.path().join("missing");
    let refusal = RocksStore::open_read_only(&missing, &CHAIN).err().expect("opened");
    assert_eq!(refusal, StorageError::Missing { place: missing.clone() });
    assert!(!missing.exists(), "reading made it");
}

#[test]
fn a_directory_in_use_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let store = RocksStore::open(place.path(), &CHAIN).unwrap();
    assert_eq!(RocksStore::open(place.path(), &CHAIN).err(), Some(StorageError::Locked { place: place.path().into() }));
    drop(store);
    RocksStore::open(place.path(), &CHAIN).unwrap();
}

const HOLD_LOCK_IN: &str = "CAUSEWAY_TEST_HOLD_LOCK_IN";

/// Another process reports the lock in other words than this one. The other process is this test once more.
#[test]
fn a_directory_in_use_by_another_process_is_refused() {
    if let Ok(place) = std::env::var(HOLD_LOCK_IN) {
        let _store = RocksStore::open(Path::new(&place), &CHAIN).unwrap();
        println!("\nholding");
        let _ = std::io::stdin().read_line(&mut String::new());
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let mut holder = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "storage::data_directory::a_directory_in_use_by_another_process_is_refused"])
        .env(HOLD_LOCK_IN, place.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(holder.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "holding"), "the other process did not open the store");
    let refused = RocksStore::open(place.path(), &CHAIN).err();
    // Read as it stands while another process writes to it, it would be read in the middle of a change.
    let unread = RocksStore::open_read_only(place.path(), &CHAIN).err();
    let process = holder.id();
    holder.stdin.take().unwrap().write_all(b"\n").unwrap();
    holder.wait().unwrap();
    assert_eq!(refused, Some(StorageError::Locked { place: place.path().into() }));
    assert_eq!(unread, Some(StorageError::Open { place: place.path().into(), process }));
    RocksStore::open_read_only(place.path(), &CHAIN).unwrap();
}

#[test]
fn reading_only_takes_no_lock_and_writes_nothing() {
    let place = tempfile::tempdir().unwrap();
    fill(place.path());
    let before = RocksStore::open(place.path(), &CHAIN).unwrap();
    let expected = contents(&before).unwrap();
    let reader = RocksStore::open_read_only(place.path(), &CHAIN).unwrap();
    assert_eq!(contents(&reader).unwrap(), expected);
    let mut batch = Batch::new();
    batch.put(StoreColumn::Meta, b"key", b"value".to_vec());
    assert!(block_on(reader.commit(batch)).is_err());
    drop((before, reader));
    assert!(RocksStore::open_read_only(place.path(), &ChainId([8; 32])).is_err());
}

/// A store whose data is partly in tables and partly in the log.
fn fill(place: &Path) {
    for round in 0..2u64 {
        // Opening moves what the log holds into tables.
        let store = RocksStore::open(place, &CHAIN).unwrap();
        for height in 0..20 {
            let height = round * 20 + height;
            let mut batch = Batch::new();
            batch.put(StoreColumn::Blocks, height_key(height), vec![height as u8; 300]);
            batch.put(StoreColumn::State(Column::Circulation), height_key(height), b"balance".to_vec());
            batch.put(StoreColumn::Meta, b"applied", height_key(height).to_vec());
            commit(&store, batch);
        }
    }
}

fn files_of(place: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(place).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|file| file.is_file());
    files.sort();
    files
}

fn copy(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for file in files_of(from) {
        fs::copy(&file, to.path().join(file.file_name().unwrap())).unwrap();
    }
    to
}

/// What a node reads from a directory: everything, or the error that stops it.
fn read_all(place: &Path) -> Result<Vec<super::StoredEntry>, StorageError> {
    contents(&RocksStore::open(place, &CHAIN)?)
}

/// Flips one bit at `count` places of each file that `kind` picks, one copy of the directory at a time.
///
/// Either the damage is told, or it hit bytes that nobody reads and the answer is unchanged. At least one of the
/// flips must have been told.
fn assert_damage_is_told(kind: fn(&str) -> bool, count: u64) {
    let place = tempfile::tempdir().unwrap();
    fill(place.path());
    let expected = read_all(copy(place.path()).path()).unwrap();
    let mut told = 0;
    for file in files_of(place.path()) {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        if !kind(&name) {
            continue;
        }
        let size = fs::metadata(&file).unwrap().len();
        for step in 0..count.min(size) {
            let offset = (step * size / count.min(size)) as usize;
            let damaged = copy(place.path());
            let path = damaged.path().join(&name);
            let mut bytes = fs::read(&path).unwrap();
            bytes[offset] ^= 0x10;
            fs::write(&path, bytes).unwrap();
            match read_all(damaged.path()) {
                Ok(found) => assert!(found == expected, "{name}, bit flipped in byte {offset} of {size}"),
                Err(StorageError::Corrupt { .. }) => told += 1,
                Err(other) => panic!("{name}, bit flipped in byte {offset} of {size}: {other}"),
            }
        }
    }
    assert!(told > 0, "no damage was told");
}

#[test]
fn a_flipped_bit_in_a_table_is_told() {
    assert_damage_is_told(|name| name.ends_with(".sst"), 12);
}

#[test]
fn a_flipped_bit_in_the_log_is_told() {
    assert_damage_is_told(|name| name.ends_with(".log"), 60);
}

#[test]
fn a_flipped_bit_in_the_manifest_is_told() {
    assert_damage_is_told(|name| name.starts_with("MANIFEST"), 60);
}

#[test]
fn a_flipped_bit_elsewhere_is_told() {
    assert_damage_is_told(|name| name == "CURRENT", 60);
}

#[test]
fn a_missing_file_is_told() {
    let place = tempfile::tempdir().unwrap();
    fill(place.path());
    for file in files_of(place.path()) {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        if !(name.ends_with(".sst") || name.ends_with(".log") || name == "CURRENT" || name.starts_with("MANIFEST")) {
            continue;
        }
        let damaged = copy(place.path());
        fs::remove_file(damaged.path().join(&name)).unwrap();
        let told = read_all(damaged.path()).err();
        assert!(matches!(told, Some(StorageError::Corrupt { .. })), "without {name}: {told:?}");
    }
}

/// Power lost in the middle of a commit that was never acknowledged: the log ends early, and the store opens without
/// that commit. A commit that *was* acknowledged and is gone the same way is told.
#[test]
fn a_torn_tail_of_the_log_is_discarded_unless_it_was_acknowledged() {
    let place = tempfile::tempdir().unwrap();
    fill(place.path());
    let whole = read_all(copy(place.path()).path()).unwrap();
    let torn = copy(place.path());
    let is_log = |file: &PathBuf| file.extension().is_some_and(|extension| extension == "log");
    let log = files_of(torn.path()).into_iter().rfind(is_log).unwrap();
    let size = fs::metadata(&log).unwrap().len();
    fs::OpenOptions::new().write(true).open(&log).unwrap().set_len(size - 20).unwrap();
    let refusal = refusal(copy(torn.path()).path(), &CHAIN);
    assert!(refusal.contains("was acknowledged"), "{refusal}");

    // The mark of a commit that was never acknowledged is not there.
    fs::remove_file(torn.path().join("ACKNOWLEDGED")).unwrap();
    assert!(RocksStore::open_read_only(torn.path(), &CHAIN).unwrap().lost_its_mark());
    let store = RocksStore::open(torn.path(), &CHAIN).unwrap();
    assert!(store.lost_its_mark());
    // The last commit is gone whole, and only it.
    assert_eq!(store.last(StoreColumn::Blocks).unwrap().unwrap().0.as_ref(), height_key(38));
    assert_eq!(store.get(StoreColumn::Meta, b"applied").unwrap().unwrap().as_ref(), height_key(38));
    assert_eq!(contents(&store).unwrap().len(), whole.len() - 2);
}

/// A mark that was damaged with the log must not let the log's loss pass.
#[test]
fn a_damaged_mark_does_not_hide_a_torn_log() {
    let place = tempfile::tempdir().unwrap();
    fill(place.path());
    assert!(!RocksStore::open_read_only(place.path(), &CHAIN).unwrap().lost_its_mark());
    let is_log = |file: &PathBuf| file.extension().is_some_and(|extension| extension == "log");
    let log = files_of(place.path()).into_iter().rfind(is_log).unwrap();
    let size = fs::metadata(&log).unwrap().len();
    fs::OpenOptions::new().write(true).open(&log).unwrap().set_len(size - 20).unwrap();
    let mark = place.path().join("ACKNOWLEDGED");
    let mut bytes = fs::read(&mark).unwrap();
    bytes[0] ^= 1;
    fs::write(&mark, bytes).unwrap();
    let refusal = refusal(place.path(), &CHAIN);
    assert!(refusal.contains("ACKNOWLEDGED"), "{refusal}");
    let audited = RocksStore::open_read_only(place.path(), &CHAIN).err();
    assert!(matches!(audited, Some(StorageError::Corrupt { .. })), "{audited:?}");
}
