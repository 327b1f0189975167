//! Journals on a disk that fails, against what they were told.

use super::*;
use commonware_runtime::Runner as _;
use commonware_runtime::deterministic::{self, Checkpoint, FaultConfig, PartialWriteMode, WriteConfig};
use commonware_utils::{Probability, probability};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

type Context = Journaled<deterministic::Context>;

const JOURNAL: &str = "engine-votes-3";
const NAMES: [&[u8]; 4] = [b"a", b"b", b"c", b"d"];

fn on<T>(after: Option<Checkpoint>, run: impl AsyncFnOnce(deterministic::Context) -> T) -> (T, Checkpoint) {
    let runner = after.map_or_else(deterministic::Runner::default, deterministic::Runner::from);
    runner.start_and_recover(async |context| run(context).await)
}

fn journaled(context: deterministic::Context) -> Context {
    Journaled::new(context, "engine")
}

/// Has writes fail, with this share of their bytes on the disk.
fn fail_writes(context: &deterministic::Context, failure_rate: Probability, retention_rate: Probability) {
    let write = WriteConfig { failure_rate, retention_rate, mode: PartialWriteMode::Subset };
    *context.storage_fault_config().write() = FaultConfig::default().write(write);
}

/// The files of a journal as somebody reads them who opens each.
async fn contents(context: &Context) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut files = BTreeMap::new();
    let names = match context.scan(JOURNAL).await {
        Err(Error::PartitionMissing(_)) => Vec::new(),
        names => names.expect("a journal"),
    };
    for name in names {
        let (file, size) = context.open(JOURNAL, &name).await.expect("a file");
        let bytes = file.read_at(0, size as usize, ReadOptions::default()).await.expect("its bytes").coalesce();
        files.insert(name, bytes.as_ref().to_vec());
    }
    files
}

/// What a life of a node leaves: what was durable, and what was being written as the power failed, if anything was.
struct Left {
    durable: BTreeMap<Vec<u8>, Vec<u8>>,
    perhaps: Option<BTreeMap<Vec<u8>, Vec<u8>>>,
}

/// Does some things to a journal, drawn from a seed, and keeps a model of it.
async fn live(context: &deterministic::Context, rng: &mut StdRng) -> Left {
    fail_writes(context, probability!(0.0), probability!(0.0));
    let journal = journaled(context.child("node"));
    let mut durable = contents(&journal).await;
    let mut model = durable.clone();
    let mut open = BTreeMap::new();
    for name in durable.keys() {
        open.insert(name.clone(), journal.open(JOURNAL, name).await.expect("a file").0);
    }
    for _ in 0..rng.random_range(1..80) {
        let name = NAMES[rng.random_range(0..NAMES.len())].to_vec();
        if !open.contains_key(&name) {
            open.insert(name.clone(), journal.open(JOURNAL, &name).await.expect("a file").0);
            model.insert(name.clone(), Vec::new());
        }
        let (file, bytes) = (&open[&name], model.get_mut(&name).expect("a file"));
        match rng.random_range(0..10) {
            0 => {
                journal.remove(JOURNAL, Some(&name)).await.expect("removed");
                open.remove(&name);
                model.remove(&name);
            }
            1 => {
                let size = rng.random_range(0..5_000);
                file.resize(size).await.expect("resized");
                bytes.resize(size as usize, 0);
            }
            2..=6 => {
                let (offset, written) =
                    (rng.random_range(0..3_000), vec![rng.random::<u8>(); rng.random_range(0..30_000)]);
                file.write_at(offset, written.clone(), WriteOptions::default()).await.expect("written");
                frame::write(bytes, offset, &written).expect("short enough");
            }
            _ => {
                file.sync().await.expect("synced");
                durable = model.clone();
            }
        }
    }
    let perhaps = rng.random::<bool>().then(|| {
        let newest = rng.random::<u64>().to_be_bytes().to_vec();
        (newest.clone(), model.into_iter().chain([(newest, Vec::new())]).collect())
    });
    if let Some((newest, _)) = &perhaps {
        let kept = if rng.random() { probability!(1.0) } else { probability!(0.9) };
        fail_writes(context, probability!(1.0), kept);
        let file = journal.open(JOURNAL, newest).await.expect("a file").0;
        file.sync().await.expect_err("the disk fails");
        // Whatever becomes of the disk, this process does not know what is on it.
        fail_writes(context, probability!(0.0), probability!(0.0));
        file.sync().await.expect_err("nothing is written after what failed");
    }
    Left { durable, perhaps: perhaps.map(|(_, files)| files) }
}

#[test]
fn what_was_synced_is_there_after_a_failure_of_the_power_and_nothing_by_halves() {
    let (mut torn, mut whole) = (0, 0);
    for seed in 0..24 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut checkpoint = None;
        for life in 0..6 {
            let (left, after) = on(checkpoint, async |context| live(&context, &mut rng).await);
            let (found, after) = on(Some(after), async |context| contents(&journaled(context)).await);
            checkpoint = Some(after);
            let is_whole = left.perhaps.as_ref() == Some(&found);
            assert!(found == left.durable || is_whole, "seed {seed}, life {life}: {:?}", found.keys());
            whole += u32::from(is_whole);
            torn += u32::from(left.perhaps.is_some() && !is_whole);
        }
    }
    assert!(torn > 0 && whole > 0, "{torn} writes were torn, {whole} were there");
}

#[test]
fn a_file_is_opened_once_and_read_on_after_its_removal() {
    deterministic::Runner::default().start(|context| async move {
        let journal = journaled(context);
        let (first, size) = journal.open(JOURNAL, b"a").await.expect("a file");
        assert_eq!(size, 0);
        assert!(matches!(journal.open(JOURNAL, b"a").await.err(), Some(Error::BlobAlreadyOpen(..))));
        first.write_at(2, b"xy".to_vec(), WriteOptions::SYNC).await.expect("written");
        journal.remove(JOURNAL, Some(b"a")).await.expect("removed");
        assert!(matches!(journal.remove(JOURNAL, Some(b"a")).await, Err(Error::BlobMissing(..))));
        let (second, size) = journal.open(JOURNAL, b"a").await.expect("another file");
        assert_eq!(size, 0);
        first.write_at(0, b"z".to_vec(), WriteOptions::SYNC).await.expect("nobody's business");
        let read = first.read_at(0, 4, ReadOptions::default()).await.expect("its bytes");
        assert_eq!(read.coalesce().as_ref(), b"z\0xy");
        assert!(matches!(
            second.read_at(0, 1, ReadOptions::default()).await.err(),
            Some(Error::BlobInsufficientLength)
        ));
        let versions = BlobVersion::new(7)..=BlobVersion::new(7);
        drop(second);
        let refused = journal.open_versioned(JOURNAL, b"a", versions).await.err();
        assert!(matches!(refused, Some(Error::BlobVersionMismatch { .. })));
    });
}

#[test]
fn a_name_is_listed_once_it_is_durable() {
    deterministic::Runner::default().start(|context| async move {
        let journal = journaled(context);
        assert!(matches!(journal.scan(JOURNAL).await, Err(Error::PartitionMissing(_))));
        let (file, _) = journal.open(JOURNAL, b"a").await.expect("a file");
        assert_eq!(journal.scan(JOURNAL).await.expect("a journal"), Vec::<Vec<u8>>::new());
        file.start_sync().await.await.expect("synced");
        assert_eq!(journal.scan(JOURNAL).await.expect("a journal"), [b"a".to_vec()]);
    });
}

/// However much is written without a sync, it does not gather in memory.
#[test]
fn what_waits_for_a_sync_is_bounded() {
    let (_, after) = on(None, async |context| {
        let (file, _) = journaled(context).open(JOURNAL, b"a").await.expect("a file");
        for part in 0..5 {
            file.write_at(part << 18, vec![1; 1 << 18], WriteOptions::default()).await.expect("written");
        }
    });
    let (found, _) = on(Some(after), async |context| contents(&journaled(context)).await);
    assert!(found[b"a".as_slice()].len() >= 4 << 18, "{}", found[b"a".as_slice()].len());
}

#[test]
fn a_log_that_lost_something_is_refused_and_other_partitions_are_left_alone() {
    deterministic::Runner::default().start(|context| async move {
        let journal = journaled(context.child("first"));
        drop(journal.open("engine-voters", b"me").await.expect("another partition"));
        assert_eq!(context.scan("engine-voters").await.expect("as it is"), [b"me".to_vec()]);
        let (file, _) = journal.open(JOURNAL, b"a").await.expect("a file");
        file.sync().await.expect("synced");
        assert_eq!(context.scan(JOURNAL).await.expect("its log"), [b"0".to_vec(), b"1".to_vec()]);
        drop((file, journal));
        context.remove(JOURNAL, Some(b"1")).await.expect("removed");
        let refused = journaled(context.child("second")).scan(JOURNAL).await.expect_err("a half is gone").to_string();
        assert!(refused.contains("one of its two files is gone") && refused.contains(JOURNAL), "{refused}");
        drop(context.open(JOURNAL, b"2").await.expect("a file"));
        let refused = journaled(context.child("third")).scan(JOURNAL).await.expect_err("a stranger").to_string();
        assert!(refused.contains("no file of a journal's log"), "{refused}");
    });
}

/// The marshal's small files are in one log, and its blocks are not.
#[test]
fn partitions_that_share_a_log_are_apart() {
    const ONE: &str = "engine-marshal-cache-cache-0-verified-key";
    const OTHER: &str = "engine-marshal-cache-cache-0-notarizations-value";
    let (_, after) = on(None, async |context| {
        let journal = journaled(context.child("node"));
        assert!(matches!(journal.scan(ONE).await, Err(Error::PartitionMissing(_))));
        let mut files = Vec::new();
        for (partition, name) in [(ONE, b"a"), (ONE, b"b"), (OTHER, b"a")] {
            let (file, _) = journal.open(partition, name).await.expect("a file");
            file.write_at(0, [partition.as_bytes(), name].concat(), WriteOptions::default()).await.expect("written");
            files.push(file);
        }
        assert!(matches!(journal.scan(ONE).await, Err(Error::PartitionMissing(_))));
        // One sync is everybody's.
        files[0].sync().await.expect("synced");
        drop(journal.open("engine-marshal-cache-cache-0-verified-value", b"a").await.expect("a file of its own"));
        assert_eq!(journal.scan(ONE).await.expect("two files"), [b"a".to_vec(), b"b".to_vec()]);
    });
    let (_, after) = on(Some(after), async |context| {
        assert_eq!(context.scan("engine-marshal-log").await.expect("its log"), [b"0".to_vec(), b"1".to_vec()]);
        let journal = journaled(context.child("node"));
        let (file, size) = journal.open(OTHER, b"a").await.expect("a file");
        let bytes = file.read_at(0, size as usize, ReadOptions::default()).await.expect("its bytes").coalesce();
        assert_eq!(bytes.as_ref(), [OTHER.as_bytes(), b"a"].concat());
        journal.remove(ONE, None).await.expect("removed");
        journal.remove(ONE, None).await.expect("nothing is left to remove");
    });
    on(Some(after), async |context| {
        let journal = journaled(context);
        assert!(matches!(journal.scan(ONE).await, Err(Error::PartitionMissing(_))));
        assert_eq!(journal.scan(OTHER).await.expect("one file"), [b"a".to_vec()]);
    });
}

#[test]
fn the_logs_of_past_epochs_are_closed() {
    deterministic::Runner::default().start(|context| async move {
        let journal = journaled(context);
        for epoch in 0..5 {
            let (file, _) = journal.open(&voting::journal("engine", epoch), b"a").await.expect("a file");
            file.sync().await.expect("synced");
        }
        assert_eq!(journal.shared.logs.lock().await.len(), 1);
    });
}
