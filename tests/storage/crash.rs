//! Crashes of the simulated store: nothing acknowledged is lost, nothing half-written is seen.

use causeway::storage::{Batch, Reader, SimulatedStore, StorageError, Store, StoreColumn};
use commonware_runtime::deterministic::{Checkpoint, Config, FaultConfig, PartialWriteMode, ResizeConfig, WriteConfig};
use commonware_runtime::{Blob as _, Runner as _, Storage as _, WriteOptions, deterministic};
use commonware_utils::probability;

use super::{CHAIN, contents};

const COLUMN: StoreColumn = StoreColumn::Outcomes;
const PARTITION: &str = "store";

fn batch(number: u64) -> Batch {
    let mut batch = Batch::new();
    batch.put(COLUMN, b"latest", number.to_be_bytes().to_vec());
    batch.put(COLUMN, number.to_be_bytes(), vec![number as u8; 100]);
    batch
}

/// The last batch that the store has, after asserting that it has every one up to it, whole.
fn latest(reader: &impl Reader) -> u64 {
    let latest = reader.get(COLUMN, b"latest").unwrap();
    let latest = latest.map_or(0, |bytes| u64::from_be_bytes(bytes.as_ref().try_into().unwrap()));
    for number in 1..=latest {
        let value = reader.get(COLUMN, &number.to_be_bytes()).unwrap();
        assert_eq!(value.as_deref(), Some([number as u8; 100].as_slice()), "batch {number} of {latest}");
    }
    assert_eq!(reader.get(COLUMN, &(latest + 1).to_be_bytes()).unwrap(), None);
    latest
}

fn restart(checkpoint: Option<Checkpoint>, seed: u64) -> deterministic::Runner {
    match checkpoint {
        Some(checkpoint) => deterministic::Runner::from(checkpoint),
        None => deterministic::Runner::new(Config::default().with_seed(seed)),
    }
}

/// Writes fail one in ten and keep an arbitrary part of their bytes; syncs and resizes fail one in ten.
fn faulty() -> FaultConfig {
    let rate = probability!(0.1);
    let write = WriteConfig { failure_rate: rate, retention_rate: probability!(0.5), mode: PartialWriteMode::Subset };
    let resize = ResizeConfig { failure_rate: rate, partial_rate: probability!(0.5) };
    FaultConfig::default().write(write).sync(rate).resize(resize)
}

/// Many lives of one store, each ended by its first failed commit. Reproduce a failure by its seed.
#[test]
fn what_was_acknowledged_survives_every_crash() {
    for seed in 0..40 {
        let mut checkpoint = None;
        let mut acknowledged = 0;
        for life in 0..12 {
            let runner = restart(checkpoint.take(), seed);
            let (last, next) = runner.start_and_recover(|context| async move {
                *context.storage_fault_config().write() = FaultConfig::default();
                let store = SimulatedStore::open(&context, PARTITION, &CHAIN).await.unwrap();
                let found = latest(&store);
                // A batch of unknown fate may have made it; one that was acknowledged has.
                assert!(found == acknowledged || found == acknowledged + 1, "seed {seed}, life {life}: {found}");
                *context.storage_fault_config().write() = faulty();
                let mut last = found;
                while store.commit(batch(last + 1)).await.is_ok() {
                    last += 1;
                    if last == found + 30 {
                        break;
                    }
                }
                last
            });
            acknowledged = last;
            checkpoint = Some(next);
        }
        assert!(acknowledged > 0, "seed {seed}");
    }
}

#[test]
fn a_failed_commit_closes_the_store() {
    deterministic::Runner::default().start(|context| async move {
        let store = SimulatedStore::open(&context, PARTITION, &CHAIN).await.unwrap();
        store.commit(batch(1)).await.unwrap();
        let pinned = store.snapshot().unwrap();
        context.storage_fault_config().write().sync_rate = Some(probability!(1.0));
        let failure = store.commit(batch(2)).await.unwrap_err();
        assert!(matches!(failure, StorageError::Io { .. }), "{failure}");

        // The disk is well again; the store is not, because nobody knows what the disk holds.
        *context.storage_fault_config().write() = FaultConfig::default();
        assert_eq!(store.commit(batch(2)).await, Err(failure.clone()));
        assert_eq!(store.get(COLUMN, b"latest"), Err(failure.clone()));
        assert_eq!(store.clone().scan(COLUMN, b"", 1), Err(failure.clone()));
        assert_eq!(store.snapshot().err(), Some(failure));
        // A snapshot is of a state that was written.
        assert_eq!(latest(&pinned), 1);
    });
}

#[test]
fn an_abandoned_commit_leaves_the_store_sound() {
    let (_, checkpoint) = deterministic::Runner::default().start_and_recover(|context| async move {
        let store = SimulatedStore::open(&context, PARTITION, &CHAIN).await.unwrap();
        store.commit(batch(1)).await.unwrap();
        let mut large = batch(2);
        large.put(COLUMN, b"large", vec![1; 10_000]);
        {
            let commit = std::pin::pin!(store.commit(large));
            // Polled once and dropped, as a task that is aborted would.
            let _ = futures::poll!(commit);
        }
        if latest(&store) == 1 {
            store.commit(batch(2)).await.unwrap();
        }
        store.commit(batch(3)).await.unwrap();
    });
    deterministic::Runner::from(checkpoint).start(|context| async move {
        let store = SimulatedStore::open(&context, PARTITION, &CHAIN).await.unwrap();
        assert_eq!(latest(&store), 3);
    });
}

#[test]
fn a_flipped_byte_in_the_log_is_told() {
    deterministic::Runner::default().start(|context| async move {
        let store = SimulatedStore::open(&context, PARTITION, &CHAIN).await.unwrap();
        for number in 1..=3 {
            store.commit(batch(number)).await.unwrap();
        }
        let whole = contents(&store).unwrap();
        drop(store);

        let name = context.scan(PARTITION).await.unwrap().pop().unwrap();
        let (blob, size) = context.open(PARTITION, &name).await.unwrap();
        let log: Vec<u8> =
            blob.read_at(0, size as usize, Default::default()).await.unwrap().coalesce().as_ref().to_vec();
        drop(blob);
        let last_record = size - size / 3;
        for offset in (0..last_record).step_by(17) {
            flip(&context, &name, offset, log[offset as usize] ^ 0x40).await;
            let damaged = SimulatedStore::open(&context, PARTITION, &CHAIN).await.err();
            assert!(matches!(damaged, Some(StorageError::Corrupt { .. })), "byte {offset}: {damaged:?}");
            flip(&context, &name, offset, log[offset as usize]).await;
        }
        let mended = SimulatedStore::open(&context, PARTITION, &CHAIN).await.unwrap();
        assert_eq!(contents(&mended).unwrap(), whole);
    });
}

async fn flip(context: &deterministic::Context, name: &[u8], offset: u64, byte: u8) {
    let (blob, _) = context.open(PARTITION, name).await.unwrap();
    blob.write_at(offset, vec![byte], WriteOptions::SYNC).await.unwrap();
}
