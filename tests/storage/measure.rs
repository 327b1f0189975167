//! What the store costs, printed: `cargo test --test suite storage::measure -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use causeway::ledger::view::Column;
use causeway::storage::{Batch, Reader as _, RocksStore, Store as _, StoreColumn, height_key};
use futures::executor::block_on;

use super::CHAIN;

const BALANCES: StoreColumn = StoreColumn::State(Column::Balances);

fn per(elapsed: Duration, count: u32) -> Duration {
    elapsed / count
}

fn resident_mb() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS"));
    line.unwrap_or("unknown on this system").to_owned()
}

#[test]
#[ignore = "prints measurements; asserts nothing"]
fn measure() {
    let place = tempfile::tempdir_in(".").unwrap();
    let opening = Instant::now();
    let store = RocksStore::open(place.path(), &CHAIN).unwrap();
    println!("first open: {:?}; {}", opening.elapsed(), resident_mb());

    for puts in [1u64, 100, 10_000] {
        let rounds = 20;
        let mut spent = Duration::ZERO;
        for round in 0..rounds {
            let mut batch = Batch::new();
            for put in 0..puts {
                // Keys as balances have them: spread like hashes.
                let key = blake3::hash(&(round * puts + put).to_be_bytes());
                batch.put(BALANCES, key.as_bytes(), vec![7; 40]);
            }
            let commit = Instant::now();
            block_on(store.commit(batch)).unwrap();
            spent += commit.elapsed();
        }
        let commit = per(spent, rounds as u32);
        println!("commit of {puts} puts: {commit:?}, {:?} a put", per(commit, puts as u32));
    }

    let reads = 50_000u32;
    let snapshot = store.snapshot().unwrap();
    let reading = Instant::now();
    for read in 0..reads {
        let key = blake3::hash(&u64::from(read).to_be_bytes());
        assert!(snapshot.get(BALANCES, key.as_bytes()).unwrap().is_some());
    }
    println!("get of a balance: {:?}", per(reading.elapsed(), reads));
    let reading = Instant::now();
    for read in 0..reads {
        let key = blake3::hash(&(u64::from(read) + (1 << 40)).to_be_bytes());
        assert!(snapshot.get(BALANCES, key.as_bytes()).unwrap().is_none());
    }
    println!("get of what is not there: {:?}", per(reading.elapsed(), reads));

    for height in 0..200 {
        let mut batch = Batch::new();
        batch.put(StoreColumn::Blocks, height_key(height), vec![height as u8; 1 << 20]);
        block_on(store.commit(batch)).unwrap();
    }
    println!("after 200 blocks of 1 MB: {}", resident_mb());
    drop((store, snapshot));
    let opening = Instant::now();
    let store = RocksStore::open(place.path(), &CHAIN).unwrap();
    println!("open again: {:?}; {}", opening.elapsed(), resident_mb());
    assert!(store.last(StoreColumn::Blocks).unwrap().is_some());
}
