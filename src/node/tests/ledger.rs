//! Verdicts on blocks whose ancestors this node has not executed.

use super::{Context, Disk, chain, desk, simulate};
use crate::consensus::{Ancestors, Ledger as _, Slot};
use crate::execution::chronicle::Chronicle;
use crate::ledger::Block;
use crate::node::finality::Finality;
use crate::node::halt::halt;
use crate::node::ledger::{LedgerParts, NodeLedger};
use crate::node::metrics::NodeMetrics;
use commonware_macros::select;
use commonware_parallel::Sequential;
use commonware_runtime::{Clock as _, Supervisor as _};
use futures::stream::{self, StreamExt as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A node that has committed the genesis, and a chain of empty blocks above it.
struct Behind {
    ledger: NodeLedger<Context, Disk, Sequential>,
    metrics: NodeMetrics,
    blocks: Vec<Arc<Block>>,
}

impl Behind {
    async fn by(context: &Context, count: usize) -> Self {
        let mut chronicle = Chronicle::begin();
        let chain = chain(context, &chronicle).await;
        (0..count).for_each(|_| drop(chronicle.append(1_000, &[])));
        let block = |executed: &crate::execution::Executed| {
            Arc::new(Block::new(executed.header.clone(), Vec::new()).expect("an empty block"))
        };
        let metrics = NodeMetrics::default();
        let ledger = NodeLedger::new(LedgerParts {
            context: context.child("ledger"),
            chain,
            desk: desk(&chronicle),
            finality: Arc::new(Finality::new(0)),
            halt: halt().0,
            metrics: metrics.clone(),
            proposer: chronicle.genesis.validators().keys()[0],
            idle_interval: Duration::from_secs(1),
            addresses: Default::default(),
            observers: Default::default(),
        });
        Self { ledger, metrics, blocks: chronicle.blocks.iter().map(block).collect() }
    }

    /// The verdict on the last block within a minute, and how many of its ancestors were fetched for it.
    async fn verdict(&self, context: &Context) -> (Option<bool>, usize) {
        let (last, before) = self.blocks.split_last().expect("there are blocks");
        let header = last.header();
        let (leader, parent) = (header.proposer, header.parent);
        let slot = Slot { epoch: header.epoch, view: 1, leader, parent };
        let fetched = Arc::new(AtomicUsize::new(0));
        let counter = fetched.clone();
        let ancestors = stream::iter(before.iter().rev().cloned().collect::<Vec<_>>()).inspect(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let verdict = select! {
            verdict = self.ledger.verify(slot, last.clone(), Ancestors::new(ancestors)) => Some(verdict),
            _ = context.sleep(Duration::from_secs(60)) => None,
        };
        (verdict, fetched.load(Ordering::Relaxed))
    }
}

/// Nothing became final for long, and this node has just started: it executes all of it, in steps if need be.
#[test]
fn ancestors_are_rebuilt_however_many_they_are() {
    for (count, attempts) in [(3, 1), (65, 1), (80, 2), (200, 4)] {
        simulate(|context| async move {
            let behind = Behind::by(&context, count).await;
            let mut verdicts = Vec::new();
            while verdicts.last() != Some(&Some(true)) {
                assert!(verdicts.len() < attempts, "{count} blocks: {verdicts:?}");
                verdicts.push(behind.verdict(&context).await.0);
            }
        });
    }
}

/// What is final elsewhere is on its way here: it is not fetched a second time, all of it for one verdict.
#[test]
fn who_is_far_behind_waits_for_delivery() {
    simulate(|context| async move {
        let behind = Behind::by(&context, 200).await;
        behind.metrics.final_height.set(198);
        assert_eq!(behind.verdict(&context).await, (None, 2));
    });
}
