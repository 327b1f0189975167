//! States handed out while blocks compete and commits are under way.

use super::{Disk, chain, simulate, store};
use crate::execution::chronicle::{Chronicle, MINUTE_MS};
use crate::node::Chain;
use crate::storage::{Batch, Pair, Reader, StorageError, Store, StoreColumn};
use bytes::Bytes;
use commonware_macros::select;
use commonware_runtime::Clock as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A store whose commits, while it stalls, are written and do not return.
#[derive(Clone)]
struct StallingStore {
    store: Disk,
    stalls: Arc<AtomicBool>,
}

impl Reader for StallingStore {
    fn get(&self, column: StoreColumn, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        self.store.get(column, key)
    }

    fn multi_get(&self, places: &[(StoreColumn, &[u8])]) -> Result<Vec<Option<Bytes>>, StorageError> {
        self.store.multi_get(places)
    }

    fn scan(&self, column: StoreColumn, from: &[u8], limit: usize) -> Result<Vec<Pair>, StorageError> {
        self.store.scan(column, from, limit)
    }

    fn scan_back(&self, column: StoreColumn, before: Option<&[u8]>, limit: usize) -> Result<Vec<Pair>, StorageError> {
        self.store.scan_back(column, before, limit)
    }
}

impl Store for StallingStore {
    type Snapshot = <Disk as Store>::Snapshot;

    async fn commit(&self, batch: Batch) -> Result<(), StorageError> {
        self.store.commit(batch).await?;
        if self.stalls.load(Ordering::Relaxed) {
            futures::future::pending::<()>().await;
        }
        Ok(())
    }

    fn snapshot(&self) -> Result<Self::Snapshot, StorageError> {
        self.store.snapshot()
    }
}

/// Between its write and its becoming the head a block can be built on, whether or not it was executed here before.
#[test]
fn a_block_that_is_written_and_not_yet_the_head_can_be_built_on() {
    simulate(|context| async move {
        let mut chronicle = Chronicle::begin();
        chronicle.attest(10_000);
        let stalls = Arc::new(AtomicBool::new(false));
        let store = StallingStore { store: store(&context, &chronicle).await, stalls: stalls.clone() };
        let chain = Chain::open(store, &chronicle.genesis).await.expect("an empty store");
        stalls.store(true, Ordering::Relaxed);
        let block = &chronicle.blocks[0];
        select! {
            _ = chain.commit(block) => panic!("it stalls"),
            _ = context.sleep(Duration::from_secs(1)) => {},
        }
        assert_eq!(chain.head().header.height, 0, "the head has not moved");
        let state = chain.state_after(&block.header.hash()).expect("the store reads").expect("it is written").state();
        assert_eq!(state.header, block.header);
        assert_eq!(state.accumulator.digest(), block.accumulator.digest());
        chronicle.check(&chronicle.build(1_000, &[]).0.header, &[]).expect("and a child is valid on it");
    });
}

/// However many blocks compete, and however long nothing becomes final, the newest one can be built on.
#[test]
fn losers_make_room_and_ancestors_never_do() {
    simulate(|context| async move {
        let mut chronicle = Chronicle::begin();
        let chain = chain(&context, &chronicle).await;
        let mut losers = Vec::new();
        for _ in 0..100 {
            let (loser, _) = chronicle.build(MINUTE_MS, &[]);
            losers.push(loser.header.hash());
            chain.publish(Arc::new(loser));
            chronicle.append(1_000, &[]);
            let block = chronicle.blocks.last().expect("a block").clone();
            let hash = block.header.hash();
            chain.publish(Arc::new(block));
            let state = chain.state_after(&hash).expect("the store reads");
            assert_eq!(state.expect("every ancestor is there").hash(), hash);
        }
        let kept = losers.iter().filter(|hash| chain.executed(hash).is_some()).count();
        assert!(kept <= 1, "{kept} losers were kept, though there was no room");
    });
}
