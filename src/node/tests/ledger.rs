//! Verdicts on blocks whose ancestors this node has not executed, or whose view is over; and how much a leader takes.

use super::{Context, Disk, chain, desk, simulate};
use crate::admission::{Origin, Pooled};
use crate::consensus::{Ancestors, Ledger as _, Pace, Slot};
use crate::execution::BlockExecutor;
use crate::execution::chronicle::{Chronicle, transfer};
use crate::ledger::Block;
use crate::ledger::protocol::PROTOCOL_VERSION_MAX;
use crate::node::chain::Chain;
use crate::node::finality::Finality;
use crate::node::halt::halt;
use crate::node::ledger::{LedgerParts, NodeLedger};
use crate::node::metrics::NodeMetrics;
use crate::node::seats::Seats;
use crate::node::upgrades::Upgrades;
use crate::storage::StoreView;
use commonware_macros::select;
use commonware_parallel::Sequential;
use commonware_runtime::{Clock as _, Supervisor as _};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt as _};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The parts of a ledger that stands where a chronicle does.
pub(super) fn parts(
    context: &Context,
    chronicle: &Chronicle,
    chain: Arc<Chain<Disk>>,
) -> LedgerParts<Context, Disk, Sequential> {
    let idle_interval = Duration::from_secs(1);
    let seats = Seats::of(&chain, None, NodeMetrics::default()).expect("a chain at its genesis");
    let upgrades = Upgrades::of(&chain, PROTOCOL_VERSION_MAX, NodeMetrics::default()).expect("a chain at its genesis");
    LedgerParts {
        context: context.child("ledger"),
        clock: Default::default(),
        chain,
        desk: desk(chronicle),
        finality: Arc::new(Finality::new(0)),
        newest: Arc::default(),
        proposals: Default::default(),
        halt: halt().0,
        metrics: NodeMetrics::default(),
        proposer: chronicle.genesis.validators().keys()[0],
        idle_interval,
        pace: Pace::new(idle_interval, Duration::from_secs(1)),
        pacing: Mutex::default(),
        seats: Arc::new(seats),
        upgrades: Arc::new(upgrades),
        peers: Default::default(),
    }
}

/// A node that has committed the genesis, and a chain of empty blocks above it.
struct Behind {
    ledger: NodeLedger<Context, Disk, Sequential>,
    chain: Arc<Chain<Disk>>,
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
        let parts = LedgerParts { metrics: metrics.clone(), ..parts(context, &chronicle, chain.clone()) };
        let blocks = chronicle.blocks.iter().map(block).collect();
        Self { ledger: NodeLedger::new(parts), chain, metrics, blocks }
    }

    /// Asks for the verdict on the last block, with these ancestors at hand.
    fn verify(&self, ancestors: Ancestors) -> BoxFuture<'static, bool> {
        let last = self.blocks.last().expect("there are blocks");
        let header = last.header();
        let slot = Slot { epoch: header.epoch, view: 1, leader: header.proposer, parent: header.parent };
        self.ledger.verify(slot, last.clone(), ancestors)
    }

    /// The verdict on the last block within a minute, and how many of its ancestors were fetched for it.
    async fn verdict(&self, context: &Context) -> (Option<bool>, usize) {
        let (_, before) = self.blocks.split_last().expect("there are blocks");
        let fetched = Arc::new(AtomicUsize::new(0));
        let counter = fetched.clone();
        let ancestors = stream::iter(before.iter().rev().cloned().collect::<Vec<_>>()).inspect(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let verdict = select! {
            verdict = self.verify(Ancestors::new(ancestors)) => Some(verdict),
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

/// A block may become final though its view ended here before it was checked: what was begun is not begun again.
#[test]
fn a_block_checked_for_a_view_that_is_over_is_there_for_the_next() {
    simulate(|context| async move {
        let behind = Behind::by(&context, 1).await;
        let hash = behind.blocks[0].hash();
        assert_eq!(behind.verify(Ancestors::at_hand(vec![])).now_or_never(), None, "the view ends at once");
        assert_eq!(behind.metrics.abandoned_checks.get(), 1);
        context.sleep(Duration::from_secs(1)).await;
        assert!(behind.chain.executed(&hash).is_some(), "its effects were published whole");
        assert!(behind.metrics.encode().contains("causeway_verify_seconds_count 1"), "and its time was counted");
        assert_eq!(behind.verify(Ancestors::at_hand(vec![])).now_or_never(), Some(true));
        assert_eq!(behind.metrics.abandoned_checks.get(), 1);
    });
}

#[test]
fn a_leader_whose_time_is_up_offers_what_it_has_and_one_at_least() {
    for (limit, in_time, offered) in [(10, 10, 5), (10, 3, 3), (2, 10, 2), (10, 0, 1)] {
        simulate(|context| async move {
            let mut chronicle = Chronicle::funded();
            let chain = chain(&context, &chronicle).await;
            let parts = parts(&context, &chronicle, chain);
            let view = StoreView::new(parts.chain.store().clone());
            for units in 1..=5 {
                let payment = chronicle.transaction("buyer", vec![transfer("buyer", "supplier", units).into()]);
                let admitted = parts.desk.admit(vec![payment], Origin::Peer, |_| chronicle.now(), &view);
                assert_eq!(admitted, [Ok(Pooled::Added)]);
            }
            let parent = parts.chain.state_after(&parts.chain.head().hash).expect("a store").expect("the head");
            let mut executor = BlockExecutor::open(parent.state(), chronicle.place(1_000)).expect("a block");
            let looks = Cell::new(0);
            let time_is_up = || {
                looks.set(looks.get() + 1);
                looks.get() >= in_time
            };
            parts.fill(&mut executor, &BTreeSet::new(), limit, time_is_up);
            assert_eq!(executor.len(), offered, "of 5, at most {limit}, with time for {in_time}");
        });
    }
}
