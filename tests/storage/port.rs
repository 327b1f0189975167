//! Whatever is committed, in whatever order and across any number of reopenings, both stores answer as an ordered map.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;

use bytes::Bytes;
use causeway::ledger::view::{Column, View};
use causeway::primitives::AccountId;
use causeway::storage::{Batch, Pair, Reader, RocksStore, SimulatedStore, Store, StoreColumn, StoreView, prefix_end};
use commonware_runtime::{Runner as _, deterministic};
use proptest::collection::vec;
use proptest::prelude::*;

use super::{CHAIN, COLUMNS};

#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<Change>),
    Reopen,
}

#[derive(Clone, Debug)]
struct Change {
    column: StoreColumn,
    key: Vec<u8>,
    value: Option<Vec<u8>>,
}

/// Keys that begin with one of a few account ids, as those of accounts and balances do, and end in a few bytes, the extremes
/// among them, so that keys collide, nest and end columns.
fn any_key() -> impl Strategy<Value = Vec<u8>> {
    let bytes = || prop::sample::select(vec![0x00, 0x01, Column::Accounts.tag(), Column::Balances.tag(), 0xfe, 0xff]);
    (bytes(), bytes(), vec(bytes(), 0..4)).prop_map(|(fill, last, rest)| {
        let mut key = vec![fill; AccountId::SIZE];
        key[AccountId::SIZE - 1] = last;
        key.extend(rest);
        key
    })
}

/// Where a scan may begin: at a key, or short of one.
fn any_probe() -> impl Strategy<Value = Vec<u8>> {
    (any_key(), prop::option::of(0..AccountId::SIZE)).prop_map(|(mut key, length)| {
        key.truncate(length.unwrap_or(key.len()));
        key
    })
}

fn any_step() -> impl Strategy<Value = Step> {
    let change = (prop::sample::select(COLUMNS.to_vec()), any_key(), prop::option::of(vec(any::<u8>(), 0..9)))
        .prop_map(|(column, key, value)| Change { column, key, value });
    prop_oneof![
        5 => vec(change, 0..12).prop_map(Step::Commit),
        1 => Just(Step::Reopen),
    ]
}

type Model = BTreeMap<(StoreColumn, Vec<u8>), Vec<u8>>;

fn batch_of(changes: &[Change]) -> Batch {
    let mut batch = Batch::new();
    for Change { column, key, value } in changes {
        match value {
            Some(value) => batch.put(*column, key, value.clone()),
            None => batch.delete(*column, key),
        }
    }
    batch
}

fn apply(model: &mut Model, changes: &[Change]) {
    for Change { column, key, value } in changes {
        match value {
            Some(value) => model.insert((*column, key.clone()), value.clone()),
            None => model.remove(&(*column, key.clone())),
        };
    }
}

fn pairs_of(model: &Model, column: StoreColumn, inside: impl Fn(&[u8]) -> bool) -> Vec<Pair> {
    let of_column = model.iter().filter(|((at, key), _)| *at == column && inside(key));
    of_column.map(|((_, key), value)| (Bytes::from(key.clone()), Bytes::from(value.clone()))).collect()
}

/// Every kind of read, around `probe`, answers as the model does.
fn assert_reads_as(reader: &impl Reader, model: &Model, probe: &[u8], limit: usize) {
    for column in COLUMNS {
        let take = |pairs: Vec<Pair>| pairs.into_iter().take(limit).collect::<Vec<_>>();
        let take_back = |pairs: Vec<Pair>| pairs.into_iter().rev().take(limit).collect::<Vec<_>>();
        let value = model.get(&(column, probe.to_vec())).cloned().map(Bytes::from);
        assert_eq!(reader.get(column, probe).unwrap(), value, "get in {column}");
        let first = model.get(&(column, vec![0])).cloned().map(Bytes::from);
        assert_eq!(
            reader.multi_get(&[(column, probe), (column, &[0])]).unwrap(),
            [value, first],
            "multi-get in {column}"
        );

        let above = pairs_of(model, column, |key| key >= probe);
        assert_eq!(reader.scan(column, probe, limit).unwrap(), take(above), "scan of {column}");
        let below = pairs_of(model, column, |key| key < probe);
        assert_eq!(reader.scan_back(column, Some(probe), limit).unwrap(), take_back(below), "scan back in {column}");
        let all = pairs_of(model, column, |_| true);
        assert_eq!(reader.last(column).unwrap(), all.last().cloned(), "last of {column}");
        assert_eq!(reader.scan_back(column, None, limit).unwrap(), take_back(all), "scan back of {column}");

        let prefix = &probe[..probe.len().min(1)];
        let inside = pairs_of(model, column, |key| key.starts_with(prefix) && key >= probe);
        assert_eq!(reader.scan_prefix(column, prefix, probe, limit).unwrap(), take(inside), "prefix of {column}");
        let inside = pairs_of(model, column, |key| key.starts_with(prefix) && key < probe);
        let back = reader.scan_prefix_back(column, prefix, Some(probe), limit).unwrap();
        assert_eq!(back, take_back(inside), "prefix of {column}, back");
    }
}

async fn assert_behaves_as_a_map<S, F>(open: impl Fn() -> F, steps: Vec<Step>, probe: &[u8], limit: usize)
where
    S: Store,
    F: Future<Output = S>,
{
    let mut model = Model::new();
    let mut store = open().await;
    for step in steps {
        match step {
            Step::Commit(changes) => {
                let pinned = store.snapshot().unwrap();
                store.commit(batch_of(&changes)).await.unwrap();
                assert_reads_as(&pinned, &model, probe, limit);
                apply(&mut model, &changes);
            }
            Step::Reopen => {
                drop(store);
                store = open().await;
            }
        }
        assert_reads_as(&store, &model, probe, limit);
    }
}

fn open_rocks(place: &Path) -> RocksStore {
    RocksStore::open(place, &CHAIN).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_simulated_store_behaves_as_a_map(
        steps in vec(any_step(), 1..20), probe in any_probe(), limit in 0..6usize,
    ) {
        deterministic::Runner::default().start(|context| async move {
            let open = async || SimulatedStore::open(&context, "store", &CHAIN).await.unwrap();
            assert_behaves_as_a_map(open, steps, &probe, limit).await;
        });
    }
}

proptest! {
    // Each reopening syncs a directory: few cases, and the same ones.
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn the_rocks_store_behaves_as_a_map(
        steps in vec(any_step(), 1..20), probe in any_probe(), limit in 0..6usize,
    ) {
        let place = tempfile::tempdir().unwrap();
        let open = async || open_rocks(place.path());
        futures::executor::block_on(assert_behaves_as_a_map(open, steps, &probe, limit));
    }
}

/// The view that execution reads shows state columns, and nothing of their neighbours.
#[test]
fn a_view_shows_state() {
    let place = tempfile::tempdir().unwrap();
    let store = open_rocks(place.path());
    let mut batch = Batch::new();
    let (a, b) = ([b'a'; AccountId::SIZE], [b'b'; AccountId::SIZE]);
    batch.put(StoreColumn::State(Column::Accounts), b, b"account".to_vec());
    batch.put(StoreColumn::State(Column::Balances), a, b"balance".to_vec());
    batch.put(StoreColumn::State(Column::Balances), [b.as_slice(), b"token"].concat(), b"balance".to_vec());
    batch.put(StoreColumn::Outcomes, b"c", b"outcome".to_vec());
    futures::executor::block_on(store.commit(batch)).unwrap();

    let view = StoreView::new(store.snapshot().unwrap());
    assert_eq!(view.get(Column::Accounts, &b).as_deref(), Some(b"account".as_slice()));
    assert_eq!(view.get(Column::Accounts, &a), None);
    assert_eq!(view.scan(Column::Accounts, b"", 9), [(Bytes::copy_from_slice(&b), Bytes::from("account"))]);
    assert_eq!(view.scan(Column::Balances, b"", 9).len(), 2);
    assert_eq!(view.fault(), None);
    view.note_corruption(Column::Accounts, &b);
    view.note_corruption(Column::Balances, &a);
    let fault = view.clone().fault().unwrap().to_string();
    assert!(fault.contains("State/Accounts") && fault.contains("6262"), "the first fault is told: {fault}");
}

#[test]
fn a_prefix_ends_where_the_next_begins() {
    assert_eq!(prefix_end(b"ab"), Some(b"ac".to_vec()));
    assert_eq!(prefix_end(&[1, 0xff, 0xff]), Some(vec![2]));
    assert_eq!(prefix_end(&[0xff, 0xff]), None);
    assert_eq!(prefix_end(b""), None);
}
