//! The ledger as consensus asks it: proposals, verdicts, and final blocks to commit.
//!
//! # A block's way through
//! * [`Ledger::propose`]: waits for transactions up to the idle interval, executes what it takes, publishes the overlay.
//! * [`Ledger::verify`]: executes someone else's block before the notarize vote. A block from the future is waited for.
//! * [`Ledger::finalized`]: commits. Takes the overlay if the block was executed before, and executes it if not: a final
//!   block may be one that this node never saw.
//!
//! # Invariants
//! * `false` is answered only for what can never become valid.
//! * A block is acknowledged after its effects are synced, never before.
//! * What is computed for a view outlives it: an overlay is published, and its time counted, also when nobody waits for
//!   the answer any more, so that the next view finds it.
//! * A failure that makes the node's word worthless halts it: nothing is answered after that.

use super::chain::{Chain, Parent};
use super::clock::LedgerClock;
use super::error::NodeError;
use super::finality::Finality;
use super::halt::Halt;
use super::metrics::NodeMetrics;
use super::newest::NewestBlocks;
use super::pacing::Pacing;
use super::proofs;
use super::records::BlockRecord;
use super::relay::Proposals;
use super::seats::{Seats, committee};
use super::transactions::TransactionDesk;
use super::upgrades::Upgrades;
use crate::admission::Refusal;
use crate::consensus::{
    Ancestors, Committee, FinalizedBlock, Ledger, Pace, PeerAddress, PeersChanged, Runtime, Slot, StopReason, Tip,
};
use crate::execution::{BlockExecutor, Executed, Ineligible, InvalidBlock, Place, Transaction, apply_block};
use crate::ledger::Block;
use crate::ledger::limits::CLOCK_AHEAD_MS_MAX;
use crate::primitives::{BlockTime, Hash, PublicKey, TransactionId};
use crate::storage::{Store, StoreView};
use commonware_parallel::Strategy;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use prometheus_client::metrics::counter::Counter;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use tracing::{debug, info, warn};

/// Most ancestors that are executed at one go to reach a parent's state: a view's time is short. Final blocks further
/// above the committed one than this are left to delivery, which is on its way to them.
const REBUILD_MAX: usize = 64;

/// How many transactions ahead a leader reads at a time: what it reads for those that find no room or time is lost.
const READ_AHEAD: usize = 256;

/// What the ledger joins, and what it needs of its surroundings.
pub struct LedgerParts<E, S, T: Strategy> {
    /// For time, and for work aside.
    pub context: E,
    /// The ledger's time.
    pub clock: LedgerClock,
    /// The chain.
    pub chain: Arc<Chain<S>>,
    /// Where transactions wait.
    pub desk: Arc<TransactionDesk<T>>,
    /// Who waits for them.
    pub finality: Arc<Finality>,
    /// The newest blocks.
    pub newest: Arc<NewestBlocks>,
    /// Who has proposed.
    pub proposals: Proposals,
    /// Told when the node's word is worth nothing any more.
    pub halt: Halt,
    /// What is counted.
    pub metrics: NodeMetrics,
    /// This node's own key, as a proposer.
    pub proposer: PublicKey,
    /// How long a leader waits for transactions before it proposes an empty block.
    pub idle_interval: Duration,
    /// How long consensus waits for a leader and for a view.
    pub pace: Pace,
    /// How much this node offers when it leads.
    pub pacing: Mutex<Pacing>,
    /// Who validates.
    pub seats: Arc<Seats>,
    pub upgrades: Arc<Upgrades>,
    /// Where peers listen, as the configuration says.
    pub peers: BTreeMap<PublicKey, PeerAddress>,
}

/// The node's ledger. Cheap to clone; all clones are the one ledger.
pub struct NodeLedger<E, S, T: Strategy> {
    parts: Arc<LedgerParts<E, S, T>>,
}

impl<E, S, T: Strategy> NodeLedger<E, S, T> {
    /// Joins the parts.
    pub fn new(parts: LedgerParts<E, S, T>) -> Self {
        Self { parts: Arc::new(parts) }
    }
}

impl<E: Runtime, S: Store, T: Strategy> Ledger for NodeLedger<E, S, T> {
    fn propose(&self, slot: Slot, ancestors: Ancestors) -> BoxFuture<'static, Option<Arc<Block>>> {
        let parts = self.parts.clone();
        async move { parts.propose(slot, ancestors).await }.boxed()
    }

    fn verify(&self, slot: Slot, block: Arc<Block>, ancestors: Ancestors) -> BoxFuture<'static, bool> {
        let parts = self.parts.clone();
        async move { parts.verify(slot, block, ancestors).await }.boxed()
    }

    fn finalized(&self, finalized: FinalizedBlock) -> BoxFuture<'static, PeersChanged> {
        let parts = self.parts.clone();
        async move {
            let FinalizedBlock { block, acknowledgement, .. } = finalized;
            match parts.commit(block).await {
                Ok(peers) => {
                    acknowledgement.give();
                    peers
                }
                Err(error) => {
                    parts.halt.stop(error).await;
                    PeersChanged::No
                }
            }
        }
        .boxed()
    }

    fn committee(&self, epoch: u64) -> BoxFuture<'static, Committee> {
        let parts = self.parts.clone();
        async move { parts.committee(epoch).await }.boxed()
    }

    fn tip(&self, tip: Tip) {
        self.parts.metrics.final_height.set(i64::try_from(tip.height).unwrap_or(i64::MAX));
    }
}

/// How checking a block came out.
enum Verdict {
    Valid,
    Invalid,
    /// Nothing can be said in this view: the parent's state is out of reach.
    Unknown,
}

impl<E: Runtime, S: Store, T: Strategy> LedgerParts<E, S, T> {
    async fn propose(self: &Arc<Self>, slot: Slot, ancestors: Ancestors) -> Option<Arc<Block>> {
        let parent = self.parent_of(slot.parent, ancestors).await?;
        let taken = parent.ids_above_committed();
        let deadline = self.context.current() + self.idle_interval;
        self.desk.wait_for_fresh(&taken, self.context.sleep_until(deadline)).await;

        let me = self.clone();
        let awaited = Awaited::new(&self.metrics.abandoned_builds, "a block was not built before its view ended");
        let built = self.aside(move || me.build(&parent, &taken)).await;
        awaited.done();
        let block = built??;
        debug!(height = block.header().height, transactions = block.transactions().len(), "proposing");
        Some(block)
    }

    /// Builds a block and publishes its effects. `None` if the slot must be given up.
    fn build(&self, parent: &Parent<S>, taken: &BTreeSet<TransactionId>) -> Option<Arc<Block>> {
        let started = self.context.current();
        let executed = self.take_what_fits(parent, taken, started)?;
        let block = Arc::new(self.sealed(&executed)?);
        self.metrics.build_seconds.observe(self.time_since(started).as_secs_f64());
        self.pacing().built(block.header().height, block.hash(), block.transactions().len());
        self.publish(Arc::new(executed));
        Some(block)
    }

    /// Executes what fits of what is fresh, for as long as a leader may take.
    fn take_what_fits(
        &self,
        parent: &Parent<S>,
        taken: &BTreeSet<TransactionId>,
        started: SystemTime,
    ) -> Option<Executed> {
        let state = parent.state();
        let time = BlockTime(self.clock.now(&self.context).0.max(state.header.time.0.checked_add(1)?));
        let place = Place { time, proposer: self.proposer };
        let limit = self.pacing().turn(state.header.height + 1);
        let mut executor = match BlockExecutor::open(state, place) {
            Ok(executor) => executor,
            Err(cause) => {
                warn!(%cause, "cannot build on this parent");
                return None;
            }
        };
        let building_max = self.building_max();
        self.fill(&mut executor, taken, limit, || self.time_since(started) >= building_max);
        let closed = executor.close();
        if let Err(error) = parent.check() {
            self.halt.stop_now(error);
            return None;
        }
        closed
            .inspect_err(|broken| tracing::error!(%broken, "a rule of the ledger is wrong: no block is proposed"))
            .ok()
    }

    /// Pushes what is fresh until the block is full, has as many as it may, or time is up; but one at least, if any may.
    pub(super) fn fill(
        &self,
        executor: &mut BlockExecutor,
        taken: &BTreeSet<TransactionId>,
        limit: usize,
        time_is_up: impl Fn() -> bool,
    ) {
        // What is final already goes too: a copy that came in while its block was committed would keep leaders from resting.
        let committed = self.chain.head().header.height;
        let fresh = self.desk.fresh(taken, limit);
        for (place, transaction) in fresh.iter().enumerate() {
            if place % READ_AHEAD == 0 {
                executor.read_ahead(fresh.iter().skip(place).take(READ_AHEAD).map(|transaction| &**transaction));
            }
            if !executor.is_empty() && time_is_up() {
                debug!(transactions = executor.len(), "the rest waits for another block: a leader's time is up");
                break;
            }
            let (id, sender) = (transaction.id(), transaction.envelope().sender);
            match executor.push(transaction.clone()) {
                Ok(()) => {}
                Err(Ineligible::BlockFull) => break,
                // In a block above the committed one, which may yet lose; or expired, and dropped with the next commit.
                Err(Ineligible::RequestSeen { height, .. }) if height > committed => {}
                Err(Ineligible::Expired { .. }) => {}
                // On a branch that may yet lose, nothing is dropped: a client was told that it waits.
                Err(_) if !taken.is_empty() => {}
                Err(cause) => {
                    debug!(transaction = %id, %cause, "left out and dropped");
                    self.desk.drop_ineligible(&id);
                    // Of a request id that is taken its waiter hears with the block that took it.
                    if !matches!(cause, Ineligible::RequestSeen { .. }) {
                        self.finality.refuse(id, Refusal::of_ineligible(cause, sender));
                    }
                }
            }
        }
    }

    /// How long a leader executes transactions for its block: a quarter of what its timeout leaves when it has waited its
    /// idle interval. The rest is for the block's end, and its way to the others.
    fn building_max(&self) -> Duration {
        self.pace.leader_timeout.saturating_sub(self.idle_interval) / 4
    }

    /// How long a block may take to be checked here, before it counts as too large: half of what a view leaves when its
    /// leader has waited its idle interval.
    fn checking_max(&self) -> Duration {
        self.pace.certification_timeout.saturating_sub(self.idle_interval) / 2
    }

    fn sealed(&self, executed: &Executed) -> Option<Block> {
        let transactions = executed.transactions.iter().map(|each| each.signed().clone()).collect();
        Block::new(executed.header.clone(), transactions).inspect_err(|error| warn!(%error, "block not built")).ok()
    }

    async fn verify(self: &Arc<Self>, slot: Slot, block: Arc<Block>, ancestors: Ancestors) -> bool {
        self.proposals.saw(&slot);
        let header = block.header();
        if header.proposer != slot.leader || header.epoch != slot.epoch || header.parent != slot.parent {
            warn!(height = header.height, "a proposed block is not of its slot");
            return false;
        }
        if self.chain.executed(&block.hash()).is_some() {
            return true;
        }
        // An upper bound on the clock, here and nowhere else: what is final is final whatever the clock says.
        while header.time.0 > self.clock.now(&self.context).0.saturating_add(CLOCK_AHEAD_MS_MAX) {
            let ahead =
                header.time.0.saturating_sub(self.clock.now(&self.context).0).saturating_sub(CLOCK_AHEAD_MS_MAX);
            self.context.sleep(Duration::from_millis(ahead.clamp(1, 1_000))).await;
        }
        match self.check(slot.parent, block, ancestors).await {
            Verdict::Valid => true,
            Verdict::Invalid => false,
            Verdict::Unknown => futures::future::pending().await,
        }
    }

    async fn check(self: &Arc<Self>, parent: Hash, block: Arc<Block>, ancestors: Ancestors) -> Verdict {
        let Some(parent) = self.parent_of(parent, ancestors).await else { return Verdict::Unknown };
        let me = self.clone();
        let awaited = Awaited::new(&self.metrics.abandoned_checks, "a block was not checked before its view ended");
        let checked = self.aside(move || me.check_and_publish(&parent, &block)).await;
        awaited.done();
        match checked {
            Some(Ok(_)) => Verdict::Valid,
            Some(Err(Refused::Invalid(cause))) => {
                warn!(%cause, "a proposed block is invalid");
                self.metrics.invalid_blocks.inc();
                Verdict::Invalid
            }
            Some(Err(Refused::ForeignTransaction(cause))) => {
                warn!(cause, "a proposed block holds a transaction that is not authentic");
                self.metrics.invalid_blocks.inc();
                Verdict::Invalid
            }
            Some(Err(Refused::Fault(error))) => {
                self.halt.stop(error).await;
                Verdict::Unknown
            }
            None => Verdict::Unknown,
        }
    }

    /// Executes a block, publishes its effects and counts how long that took.
    fn check_and_publish(&self, parent: &Parent<S>, block: &Block) -> Result<Arc<Executed>, Refused> {
        let started = self.context.current();
        let executed = self.execute(parent, block);
        let took = self.time_since(started);
        self.metrics.verify_seconds.observe(took.as_secs_f64());
        let executed = Arc::new(executed?);
        self.pacing().checked(block.transactions().len(), took, self.checking_max());
        self.publish(executed.clone());
        Ok(executed)
    }

    fn publish(&self, executed: Arc<Executed>) {
        self.desk.note_offered(&executed);
        self.chain.publish(executed);
    }

    /// Authenticates and executes a block on its parent's state.
    fn execute(&self, parent: &Parent<S>, block: &Block) -> Result<Executed, Refused> {
        let transactions: Vec<Arc<Transaction>> =
            self.desk.authenticate_block(block.transactions()).map_err(Refused::ForeignTransaction)?;
        let applied = apply_block(parent.state(), block.header(), &transactions);
        parent.check().map_err(Refused::Fault)?;
        applied.map_err(Refused::Invalid)
    }

    /// The state after a block, executing its ancestors down to what this node has if need be.
    async fn parent_of(self: &Arc<Self>, hash: Hash, mut ancestors: Ancestors) -> Option<Parent<S>> {
        // The newest first. Of more than it holds the lowest stay: what is executed of them is there for the next attempt.
        let mut missing: VecDeque<Arc<Block>> = VecDeque::new();
        let mut wanted = hash;
        let mut state = self.state_after(&wanted).await;
        while state.is_none() {
            let block = ancestors.next().await?;
            // It may have been executed, or become final, while it was fetched.
            state = self.state_after(&wanted).await;
            if state.is_some() {
                break;
            }
            let (height, head) = (block.header().height, self.chain.head().header.height);
            let delivered_before = height <= self.final_height() && height > head + REBUILD_MAX as u64;
            if height <= head || delivered_before {
                return None;
            }
            wanted = block.header().parent;
            missing.push_back(block);
            if missing.len() > REBUILD_MAX {
                missing.pop_front();
            }
            state = self.state_after(&wanted).await;
        }
        let mut state = state?;
        while let Some(block) = missing.pop_back() {
            state = self.rebuild(state, block).await?;
        }
        (state.hash() == hash).then_some(state)
    }

    /// Executes a block that others stand on, and publishes it. What follows stands on what was executed, whether or not
    /// it keeps its place among what was published.
    async fn rebuild(self: &Arc<Self>, parent: Parent<S>, block: Arc<Block>) -> Option<Parent<S>> {
        if let Some(executed) = self.chain.executed(&block.hash()) {
            return Some(parent.after(executed));
        }
        let me = self.clone();
        let (parent, executed) = self
            .aside(move || {
                let executed = me.check_and_publish(&parent, &block);
                (parent, executed)
            })
            .await?;
        match executed {
            Ok(executed) => return Some(parent.after(executed)),
            Err(Refused::Fault(error)) => self.halt.stop(error).await,
            Err(Refused::Invalid(cause)) => warn!(%cause, "an ancestor of a proposed block is invalid"),
            Err(Refused::ForeignTransaction(cause)) => warn!(cause, "an ancestor holds a foreign transaction"),
        }
        None
    }

    /// The highest height that is known to be final, here or elsewhere.
    fn final_height(&self) -> u64 {
        u64::try_from(self.metrics.final_height.get()).unwrap_or(0)
    }

    async fn state_after(&self, hash: &Hash) -> Option<Parent<S>> {
        match self.chain.state_after(hash) {
            Ok(parent) => parent,
            Err(error) => {
                self.halt.stop(error).await;
                None
            }
        }
    }

    /// Commits a final block, and before it any final block that was stored and never applied.
    async fn commit(self: &Arc<Self>, block: Arc<Block>) -> Result<PeersChanged, NodeError> {
        let applied = self.chain.head().header.height;
        let mut peers = PeersChanged::No;
        for height in applied + 1..block.header().height {
            let stored = proofs::stored_block(self.chain.store(), height)?.ok_or(NodeError::MissingBlock(height))?;
            info!(height, "applying a block that was final before the node stopped");
            self.commit_next(stored, &mut peers).await?;
        }
        if block.header().height > applied {
            self.commit_next(block, &mut peers).await?;
        }
        Ok(peers)
    }

    async fn commit_next(self: &Arc<Self>, block: Arc<Block>, peers: &mut PeersChanged) -> Result<(), NodeError> {
        let started = self.context.current();
        let (height, block_hash) = (block.header().height, block.hash());
        let executed = match self.chain.executed(&block_hash) {
            Some(executed) => executed,
            None => {
                let head = self.chain.head();
                let parent = self.chain.state_after(&block.header().parent)?;
                let parent = parent.ok_or(NodeError::NotTheNextBlock { height, head: head.header.height })?;
                let (me, block) = (self.clone(), block.clone());
                let executed = self.aside(move || me.execute(&parent, &block)).await;
                let executed = executed.ok_or(NodeError::Consensus(StopReason::Shutdown))?;
                Arc::new(executed.map_err(|refused| refused.of_final_block(height))?)
            }
        };
        self.chain.commit(&executed).await?;
        if self.seats.committed(&self.chain, &executed)? {
            *peers = PeersChanged::Yes;
        }
        self.metrics.committed(&executed, self.time_since(started).as_secs_f64());
        self.pacing().finalized(height, block_hash);
        self.metrics.proposal_transactions_max.set(i64::try_from(self.pacing().limit()).unwrap_or(i64::MAX));
        self.desk.committed(&executed);
        self.newest.committed(block, BlockRecord::of(&executed));
        self.finality.announce(&executed);
        let view = StoreView::new(self.chain.store().clone());
        let dropped = self.desk.drop_disowned(&executed, &view);
        view.check()?;
        for (transaction, refusal) in dropped {
            debug!(%transaction, why = %refusal, "dropped: the block changed its sender's account");
            self.finality.refuse(transaction, refusal);
        }
        // Whoever waited has heard: this block is followed, whatever the next one takes.
        self.upgrades.committed(&self.chain, &executed)
    }

    async fn committee(&self, epoch: u64) -> Committee {
        debug!(epoch, "naming the committee");
        match committee(self.chain.store(), epoch, &self.peers) {
            Ok(committee) => committee,
            Err(error) => {
                self.halt.stop(error).await;
                futures::future::pending().await
            }
        }
    }

    /// Runs work on the runtime's blocking pool, away from the engine's tasks. `None` if the node is shutting down.
    async fn aside<R: Send + 'static>(&self, work: impl FnOnce() -> R + Send + 'static) -> Option<R> {
        self.context.child("execution").shared(true).spawn(move |_| async move { work() }).await.ok()
    }

    fn time_since(&self, started: SystemTime) -> Duration {
        self.context.current().duration_since(started).unwrap_or_default()
    }

    fn pacing(&self) -> MutexGuard<'_, Pacing> {
        self.pacing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Work that a view waits for. Dropped before it is done, it counts: the engine drops what it asked when the view ends.
struct Awaited<'a> {
    abandoned: &'a Counter,
    what: &'static str,
    is_done: bool,
}

impl<'a> Awaited<'a> {
    fn new(abandoned: &'a Counter, what: &'static str) -> Self {
        Self { abandoned, what, is_done: false }
    }

    fn done(mut self) {
        self.is_done = true;
    }
}

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        if !self.is_done {
            self.abandoned.inc();
            info!("{}", self.what);
        }
    }
}

/// Why a block was not executed to its end.
enum Refused {
    Invalid(InvalidBlock),
    ForeignTransaction(String),
    Fault(NodeError),
}

impl Refused {
    fn of_final_block(self, height: u64) -> NodeError {
        match self {
            Self::Invalid(cause) => NodeError::InvalidFinalBlock { height, cause: Arc::new(cause) },
            Self::ForeignTransaction(cause) => NodeError::ForeignTransaction { height, cause },
            Self::Fault(error) => error,
        }
    }
}
