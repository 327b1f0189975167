//! The running node as its API sees it.

use super::chain::{Chain, block_record, transaction_place};
use super::error::NodeError;
use super::finality::{Finality, Notice};
use super::halt::Halt;
use super::metrics::NodeMetrics;
use super::proofs;
use super::service::{
    BlockError, BlockRecord, Fate, FinalTransaction, Identity, KnownTransaction, LedgerHandle, Mode, NamedValidator,
    Snapshot, Status, Submission, Unavailable,
};
use super::transactions::TransactionDesk;
use crate::admission::{Origin, Refusal};
use crate::consensus::{Runtime, StopReason};
use crate::domain::financing::Citation;
use crate::ledger::receipt::Receipt;
use crate::ledger::{Request, SignedTransaction, View};
use crate::primitives::{AccountId, BlockTime, RequestId, TransactionId};
use crate::storage::{Store, StoreView};
use crate::wire::decode_body;
use commonware_parallel::Strategy;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::UNIX_EPOCH;
use tracing::error;

/// How far the applied block may lie behind the newest final one before a node counts as catching up.
const BEHIND_MAX: i64 = 16;

/// A running node. Cheap to clone; all clones are the one node.
pub struct NodeHandle<E, S, T: Strategy> {
    inner: Arc<Inner<E, S, T>>,
}

struct Inner<E, S, T: Strategy> {
    context: E,
    identity: Identity,
    mode: Mode,
    validators: Vec<NamedValidator>,
    chain: Arc<Chain<S>>,
    desk: Arc<TransactionDesk<T>>,
    finality: Arc<Finality>,
    halt: Halt,
    metrics: NodeMetrics,
    stopping: AtomicBool,
}

impl<E, S, T: Strategy> Clone for NodeHandle<E, S, T> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

/// The parts that a handle joins.
pub struct Parts<E, S, T: Strategy> {
    /// For the clock.
    pub context: E,
    /// What never changes.
    pub identity: Identity,
    /// What the node does in consensus.
    pub mode: Mode,
    /// The validators, by name.
    pub validators: Vec<NamedValidator>,
    /// The chain.
    pub chain: Arc<Chain<S>>,
    /// Where transactions wait.
    pub desk: Arc<TransactionDesk<T>>,
    /// Who waits for them.
    pub finality: Arc<Finality>,
    /// Told when the store fails.
    pub halt: Halt,
    /// What is counted.
    pub metrics: NodeMetrics,
}

impl<E: Runtime, S: Store, T: Strategy> NodeHandle<E, S, T> {
    /// Joins the parts.
    pub fn new(parts: Parts<E, S, T>) -> Self {
        let Parts { context, identity, mode, validators, chain, desk, finality, halt, metrics } = parts;
        let stopping = AtomicBool::new(false);
        let inner = Inner { context, identity, mode, validators, chain, desk, finality, halt, metrics, stopping };
        Self { inner: Arc::new(inner) }
    }

    /// Refuses transactions from now on: the node is about to stop.
    pub fn stop_admitting(&self) {
        self.inner.stopping.store(true, Ordering::Relaxed);
    }
}

impl<E: Runtime, S: Store, T: Strategy> Inner<E, S, T> {
    fn now(&self) -> BlockTime {
        let since = self.context.current().duration_since(UNIX_EPOCH).unwrap_or_default();
        BlockTime(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// A failed read of the store ends the node: what it would answer next is worth nothing.
    fn unavailable(&self, cause: NodeError) -> Unavailable {
        error!(%cause, "a query failed");
        if matches!(cause, NodeError::Storage(_)) {
            self.halt.stop_now(cause);
        }
        Unavailable
    }

    /// A node that stopped itself answers nothing more, however long its process takes to end.
    fn alive(&self) -> Result<(), Unavailable> {
        match self.halt.has_stopped() {
            false => Ok(()),
            true => Err(Unavailable),
        }
    }

    fn is_serving(&self) -> bool {
        let applied = self.metrics.applied_height.get();
        let behind = self.metrics.final_height.get().saturating_sub(applied);
        behind <= BEHIND_MAX && self.alive().is_ok() && !self.stopping.load(Ordering::Relaxed)
    }

    fn submit(&self, signed: SignedTransaction) -> Result<Submission, Refusal> {
        let not_serving = |why| Refusal::NotServing { why };
        if self.stopping.load(Ordering::Relaxed) || self.alive().is_err() {
            return Err(not_serving("it is stopping; send the same bytes to another node"));
        }
        let id = signed.id();
        let failed = |_| not_serving("its store failed; send the same bytes to another node");
        // Read before the look-up: what is not final by then and cannot become so after this time never will.
        let ledger_time = self.chain.head().header.time;
        if let Some(found) = self.found(&id).map_err(|error| self.unavailable(error)).map_err(failed)? {
            return Ok(Submission::Final(found));
        }
        let transaction = self.desk.authenticate(signed).inspect_err(|_| {
            self.metrics.refused_transactions.inc();
        })?;
        let expires_at = transaction.envelope().expires_at;
        let view = StoreView::new(self.chain.store().clone());
        // Only the ledger's time says that it is too late: a block may hold it that this clock no longer would.
        let clock = BlockTime(self.now().0.max(ledger_time.0));
        let now = if expires_at < clock { ledger_time } else { clock };
        let admitted = self.desk.admit(transaction, Origin::Client, now, &view);
        view.check().map_err(|error| self.unavailable(error.into())).map_err(failed)?;
        match admitted {
            Ok(_) => Ok(Submission::Pending { transaction_id: id, expires_at }),
            // It may have become final between the look-up and the check, which then takes it for its own reuse.
            Err(refusal) => match self.found(&id).map_err(|error| self.unavailable(error)).map_err(failed)? {
                Some(found) => Ok(Submission::Final(found)),
                None => {
                    self.metrics.refused_transactions.inc();
                    Err(refusal)
                }
            },
        }
    }

    fn found(&self, id: &TransactionId) -> Result<Option<FinalTransaction>, NodeError> {
        let store = self.chain.store();
        let Some(place) = transaction_place(store, id)? else { return Ok(None) };
        let record = block_record(store, place.height)?.ok_or(NodeError::MissingRecord("a block's outcomes"))?;
        let index = place.index as usize;
        let outcome = record.outcomes.into_iter().nth(index);
        let outcome = outcome.ok_or(NodeError::MissingRecord("a transaction's outcome"))?;
        let balances = record.openings.of(index, &outcome);
        Ok(Some(FinalTransaction { height: place.height, outcome, balances }))
    }

    async fn wait_final(&self, id: TransactionId, expires_at: BlockTime) -> Result<Fate, NodeError> {
        let started = self.context.current();
        // The time first, so that it says nothing of blocks that the look-up may have missed.
        let ledger_time = self.chain.head().header.time;
        // Registered first and looked up after, so that nothing falls between the two.
        let waiter = self.finality.wait(id, expires_at);
        if let Some(found) = self.found(&id)? {
            return Ok(Fate::Final(found));
        }
        if ledger_time > expires_at {
            return Ok(Fate::Expired);
        }
        let waiter = waiter.ok_or(NodeError::TooManyWaiters)?;
        match waiter.await {
            Ok(Notice::Expired) => Ok(Fate::Expired),
            Ok(Notice::Final { .. }) => {
                let waited = self.context.current().duration_since(started).unwrap_or_default();
                self.metrics.finality_seconds.observe(waited.as_secs_f64());
                let found = self.found(&id)?;
                found.map(Fate::Final).ok_or(NodeError::MissingRecord("a final transaction's place"))
            }
            // The node is being dismantled.
            Err(_) => Err(NodeError::Consensus(StopReason::Shutdown)),
        }
    }

    fn known(&self, id: TransactionId) -> Result<Option<KnownTransaction>, NodeError> {
        if let Some(found) = self.found(&id)? {
            let sender = self.sender_of(&id, found.height)?;
            return Ok(sender.map(|sender| KnownTransaction { transaction_id: id, sender, fate: Fate::Final(found) }));
        }
        let waiting = self.desk.sender_of(&id);
        Ok(waiting.map(|sender| KnownTransaction { transaction_id: id, sender, fate: Fate::Pending }))
    }

    fn sender_of(&self, id: &TransactionId, height: u64) -> Result<Option<AccountId>, NodeError> {
        let block = proofs::stored_block(self.chain.store(), height)?.ok_or(NodeError::MissingBlock(height))?;
        let transaction = block.transactions().iter().find(|transaction| transaction.id() == *id);
        Ok(transaction
            .and_then(|transaction| decode_body(transaction.body()).ok())
            .map(|(envelope, _)| envelope.sender))
    }

    fn known_by_request(
        &self,
        sender: AccountId,
        request_id: RequestId,
    ) -> Result<Option<KnownTransaction>, NodeError> {
        let view = StoreView::new(self.chain.store().clone());
        let request = (&view as &dyn View).read::<Request>(&(sender, request_id));
        view.check()?;
        let id = request.map(|request| request.transaction_id);
        match id.or_else(|| self.desk.waiting_under(sender, request_id)) {
            Some(id) => self.known(id),
            None => Ok(None),
        }
    }

    /// The receipt, waiting for the certificate that covers its block if that is still on its way.
    async fn receipt(&self, id: TransactionId) -> Result<Option<Receipt>, NodeError> {
        let mut heights = self.finality.heights();
        loop {
            heights.borrow_and_update();
            if let Some(receipt) = proofs::receipt(&self.chain, &id)? {
                return Ok(Some(receipt));
            }
            let Some(place) = transaction_place(self.chain.store(), &id)? else { return Ok(None) };
            let behind = self.chain.head().header.height.saturating_sub(place.height);
            if behind > CERTIFICATE_WITHIN || heights.changed().await.is_err() {
                return Ok(None);
            }
        }
    }

    fn block(&self, height: u64) -> Result<Option<BlockRecord>, NodeError> {
        let store = self.chain.store();
        let Some(block) = proofs::stored_block(store, height)? else { return Ok(None) };
        let record = block_record(store, height)?.ok_or(NodeError::MissingRecord("a block's outcomes"))?;
        Ok(Some(BlockRecord {
            block,
            outcomes: Arc::new(record.outcomes),
            certificate: proofs::stored_certificate(store, height)?,
            reserve_lines: record.reserve_lines,
        }))
    }
}

/// A certificate that covers a block comes within so many blocks after it, or not soon.
const CERTIFICATE_WITHIN: u64 = 8;

impl<E: Runtime, S: Store, T: Strategy> LedgerHandle for NodeHandle<E, S, T> {
    fn identity(&self) -> &Identity {
        &self.inner.identity
    }

    fn status(&self) -> Status {
        let head = self.inner.chain.head();
        Status {
            mode: self.inner.mode,
            height: head.header.height,
            time: head.header.time,
            block_hash: head.hash,
            epoch: head.header.epoch,
            parent_state_digest: head.header.parent_state_digest,
            validators: self.inner.validators.clone(),
            pool_transactions: self.inner.desk.waiting(),
            serving: self.inner.is_serving(),
        }
    }

    fn snapshot(&self) -> Result<Snapshot, Unavailable> {
        self.inner.alive()?;
        let snapshot = self.inner.chain.snapshot().map_err(|error| self.inner.unavailable(error))?;
        Ok(Snapshot { view: snapshot.view, height: snapshot.header.height, time: snapshot.header.time })
    }

    fn submit(&self, transaction: SignedTransaction) -> BoxFuture<'static, Result<Submission, Refusal>> {
        let inner = self.inner.clone();
        async move { inner.submit(transaction) }.boxed()
    }

    fn wait_final(&self, id: TransactionId, expires_at: BlockTime) -> BoxFuture<'static, Result<Fate, Unavailable>> {
        let inner = self.inner.clone();
        async move {
            inner.alive()?;
            inner.wait_final(id, expires_at).await.map_err(|error| inner.unavailable(error))
        }
        .boxed()
    }

    fn transaction(&self, id: TransactionId) -> BoxFuture<'static, Result<Option<KnownTransaction>, Unavailable>> {
        let inner = self.inner.clone();
        async move {
            inner.alive()?;
            inner.known(id).map_err(|error| inner.unavailable(error))
        }
        .boxed()
    }

    fn transaction_by_request(
        &self,
        sender: AccountId,
        request_id: RequestId,
    ) -> BoxFuture<'static, Result<Option<KnownTransaction>, Unavailable>> {
        let inner = self.inner.clone();
        async move {
            inner.alive()?;
            inner.known_by_request(sender, request_id).map_err(|error| inner.unavailable(error))
        }
        .boxed()
    }

    fn receipt(&self, id: TransactionId) -> BoxFuture<'static, Result<Option<Receipt>, Unavailable>> {
        let inner = self.inner.clone();
        async move {
            inner.alive()?;
            inner.receipt(id).await.map_err(|error| inner.unavailable(error))
        }
        .boxed()
    }

    fn citation(&self, id: TransactionId) -> BoxFuture<'static, Result<Option<Citation>, Unavailable>> {
        let inner = self.inner.clone();
        async move {
            inner.alive()?;
            proofs::citation(&inner.chain, &id).map_err(|error| inner.unavailable(error))
        }
        .boxed()
    }

    fn block(&self, height: u64) -> BoxFuture<'static, Result<BlockRecord, BlockError>> {
        let inner = self.inner.clone();
        async move {
            inner.alive()?;
            let applied = inner.chain.head().header.height;
            if height > applied {
                return Err(BlockError::NotReached { height, applied });
            }
            let found = inner.block(height).map_err(|error| inner.unavailable(error))?;
            found.ok_or(BlockError::Pruned { oldest: height.saturating_add(1) })
        }
        .boxed()
    }

    fn applied_beyond(&self, height: u64) -> BoxFuture<'static, Result<u64, Unavailable>> {
        let mut heights = self.inner.finality.heights();
        async move { heights.wait_for(|applied| *applied > height).await.map(|applied| *applied).map_err(|_| Unavailable) }
            .boxed()
    }
}
