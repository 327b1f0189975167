//! The running node as its API sees it.

use super::chain::{Chain, object_places, transaction_place, transaction_places};
use super::error::NodeError;
use super::finality::{Finality, Notice};
use super::halt::Halt;
use super::handovers::Handovers;
use super::intake::{Intake, Rejected};
use super::liveness::Liveness;
use super::metrics::NodeMetrics;
use super::newest::NewestBlocks;
use super::proofs;
use super::records::TransactionPlace;
use super::seats::Seats;
use super::service::{
    BlockError, BlockRecord, Ending, Fate, FinalTransaction, HistoryStep, Identity, KnownTransaction, LedgerHandle,
    PendingTransaction, Snapshot, Source, Status, Submission, Unavailable,
};
use super::transactions::TransactionDesk;
use super::upgrades::Upgrades;
use crate::admission::Refusal;
use crate::consensus::Runtime;
use crate::domain::financing::Citation;
use crate::ledger::receipt::Receipt;
use crate::ledger::{Request, SignedTransaction, View};
use crate::primitives::{AccountId, ObjectId, RequestId, TransactionId};
use crate::storage::stores::Pruner;
use crate::storage::{Store, StoreView};
use crate::wire::senders_of;
use commonware_parallel::Strategy;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use std::sync::Arc;
use tracing::error;

/// How far the applied block may lie behind the newest final one before a node counts as catching up.
const BEHIND_MAX: i64 = 16;

/// A running node. Cheap to clone; all clones are the one node.
pub struct NodeHandle<E, S, T: Strategy> {
    parts: Arc<Parts<E, S, T>>,
}

impl<E, S, T: Strategy> Clone for NodeHandle<E, S, T> {
    fn clone(&self) -> Self {
        Self { parts: self.parts.clone() }
    }
}

/// The parts that a handle joins.
pub struct Parts<E, S, T: Strategy> {
    /// For the clock.
    pub context: E,
    /// What never changes.
    pub identity: Identity,
    /// Who validates.
    pub seats: Arc<Seats>,
    pub upgrades: Arc<Upgrades>,
    /// From whom to whom.
    pub handovers: Handovers,
    /// The chain.
    pub chain: Arc<Chain<S>>,
    /// Where transactions wait.
    pub desk: Arc<TransactionDesk<T>>,
    /// The way there.
    pub intake: Arc<Intake<S, T>>,
    /// Who waits for them.
    pub finality: Arc<Finality>,
    /// The newest blocks.
    pub newest: Arc<NewestBlocks>,
    /// Where bodies of blocks begin.
    pub bodies: Pruner<S>,
    /// Told when the store fails.
    pub halt: Halt,
    /// What is counted.
    pub metrics: NodeMetrics,
    /// Whom the node hears, and whether blocks become final.
    pub liveness: Liveness,
}

impl<E: Runtime, S: Store, T: Strategy> NodeHandle<E, S, T> {
    /// Joins the parts.
    pub fn new(parts: Parts<E, S, T>) -> Self {
        Self { parts: Arc::new(parts) }
    }

    /// Refuses transactions from now on: the node is about to stop.
    pub fn stop_admitting(&self) {
        self.parts.intake.close();
    }

    /// Refuses clients' transactions for as long as there is too little room on its disk. Answers whether there was before.
    pub fn set_short_of_room(&self, is_short: bool) -> bool {
        self.parts.intake.set_short_of_room(is_short)
    }
}

impl<E: Runtime, S: Store, T: Strategy> Parts<E, S, T> {
    /// A store that fails a query, or lacks what it must hold, ends the node: what it would answer next is worth nothing.
    fn unavailable(&self, cause: NodeError) -> Unavailable {
        error!(%cause, "a query failed");
        if cause.is_of_the_store() {
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
        behind <= BEHIND_MAX && self.alive().is_ok() && !self.intake.is_closed()
    }

    async fn submit_all(&self, source: Source, signed: Vec<SignedTransaction>) -> Vec<Result<Submission, Refusal>> {
        const STOPPING: Refusal = Refusal::NotServing { why: "it is stopping; send the same bytes to another node" };
        const FAILED: Refusal = Refusal::NotServing { why: "its store failed; send the same bytes to another node" };
        let all = |refusal: Refusal| signed.iter().map(|_| Err(refusal.clone())).collect();
        if self.intake.is_closed() || self.alive().is_err() {
            return all(STOPPING);
        }
        // Read first: what is announced later is not missed by whoever waits.
        let announced = self.finality.announced();
        let found = match self.submitted_before(&signed) {
            Ok(found) => found,
            Err(error) => {
                let _ = self.unavailable(error);
                return all(FAILED);
            }
        };
        let news = signed.iter().zip(&found).filter(|(_, found)| found.is_none()).map(|(signed, _)| signed.clone());
        let entered = self.intake.submit_all(source, news.collect(), self.intake.now(&self.context)).await;
        let mut entered = entered.into_iter();
        let answers = found.into_iter().zip(signed).map(|(found, signed)| match found {
            Some(found) => Ok(found),
            None => match entered.next().unwrap_or(Err(Rejected::Closed)) {
                Ok(pending) => Ok(Submission::Pending(PendingTransaction { not_final_at: Some(announced), ..pending })),
                Err(Rejected::Closed) => Err(STOPPING),
                Err(Rejected::Failed) => Err(FAILED),
                // It may have become final since it was looked up, and is then taken for its own reuse, or for expired.
                Err(Rejected::Refused(refusal)) => match self.submitted_before(&[signed]) {
                    Ok(found) => found.into_iter().flatten().next().map_or_else(
                        || {
                            self.metrics.refused_transactions.inc();
                            Err(refusal)
                        },
                        Ok,
                    ),
                    Err(error) => {
                        let _ = self.unavailable(error);
                        Err(FAILED)
                    }
                },
            },
        });
        answers.collect()
    }

    /// What is answered of those that are final.
    fn submitted_before(&self, signed: &[SignedTransaction]) -> Result<Vec<Option<Submission>>, NodeError> {
        let ids: Vec<TransactionId> = signed.iter().map(SignedTransaction::id).collect();
        let places = transaction_places(self.chain.store(), &ids)?;
        let answer = |(signed, place): (_, Option<_>)| place.map(|place| self.sent_again(signed, place)).transpose();
        signed.iter().zip(places).map(answer).collect()
    }

    /// What is answered of a final transaction: all of it to whoever sends the very signatures that it has. Its id is its body's
    /// hash alone, so anyone who was shown a draft can send the rest as garbage.
    fn sent_again(&self, signed: &SignedTransaction, place: TransactionPlace) -> Result<Submission, NodeError> {
        let block = self.newest.block(self.chain.store(), place.height)?;
        let (record, index) = (&block.record, place.index as usize);
        let done = FinalTransaction::of(place.height, &record.outcomes, &record.openings, index);
        let done = done.ok_or(NodeError::MissingRecord("a transaction's outcome"))?;
        match block.kept.transactions().get(index) {
            // There may be a thousand in a message, each in a block of its own.
            Some(stored) if stored.leaf() == signed.leaf() => Ok(Submission::Final(done.alone())),
            _ => Ok(Submission::SignedOtherwise { height: place.height, applied: done.outcome().is_applied() }),
        }
    }

    fn found(&self, id: &TransactionId) -> Result<Option<FinalTransaction>, NodeError> {
        match transaction_place(self.chain.store(), id)? {
            Some(place) => self.at(place).map(Some),
            None => Ok(None),
        }
    }

    fn object_history(
        &self,
        object: ObjectId,
        after: Option<TransactionPlace>,
        limit: usize,
    ) -> Result<Vec<HistoryStep>, NodeError> {
        let places = object_places(self.chain.store(), object, after, limit)?;
        places.into_iter().map(|place| self.step(place)).collect()
    }

    fn step(&self, place: TransactionPlace) -> Result<HistoryStep, NodeError> {
        let reserve_lines = self.newest.record(self.chain.store(), place.height)?.reserve_lines.clone();
        // There may be hundreds, each in a block of its own.
        Ok(HistoryStep { place, done: self.at(place)?.alone(), reserve_lines })
    }

    fn at(&self, place: TransactionPlace) -> Result<FinalTransaction, NodeError> {
        let record = self.newest.record(self.chain.store(), place.height)?;
        let found = FinalTransaction::of(place.height, &record.outcomes, &record.openings, place.index as usize);
        found.ok_or(NodeError::MissingRecord("a transaction's outcome"))
    }

    async fn wait_final(&self, pending: PendingTransaction) -> Result<Ending, NodeError> {
        let id = pending.transaction_id;
        let started = self.context.current();
        // The time first, so that it says nothing of blocks that the look-up may have missed.
        let ledger_time = self.chain.head().header.time;
        // Registered first and looked up after, so that nothing falls between the two.
        let (wait, announced) = self.finality.wait(pending);
        if pending.not_final_at != Some(announced) {
            if let Some(found) = self.found(&id)? {
                return Ok(Ending::Final(found.finished()));
            }
            if let Some(by) = self.request_holder(pending.sender, pending.request_id)? {
                return self.taken(id, by);
            }
            if ledger_time > pending.expires_at {
                return Ok(Ending::Expired);
            }
        }
        let Some(wait) = wait else { return Ok(Ending::Untold) };
        Ok(match wait.await {
            Some(Notice::Expired) => Ending::Expired,
            Some(Notice::RequestTaken { by }) => Ending::RequestTaken { by },
            Some(Notice::Refused(refusal)) => Ending::Refused(refusal),
            Some(Notice::Final(done)) => {
                let waited = self.context.current().duration_since(started).unwrap_or_default();
                self.metrics.finality_seconds.observe(waited.as_secs_f64());
                Ending::Final(done)
            }
            // The node is being dismantled.
            None => Ending::Untold,
        })
    }

    /// A request id is held by a final transaction, which by now may be the one that asks.
    fn taken(&self, id: TransactionId, by: TransactionId) -> Result<Ending, NodeError> {
        match self.found(&id)? {
            Some(found) => Ok(Ending::Final(found.finished())),
            None => Ok(Ending::RequestTaken { by }),
        }
    }

    /// The final transaction that holds a request id.
    fn request_holder(&self, sender: AccountId, request_id: RequestId) -> Result<Option<TransactionId>, NodeError> {
        let view = StoreView::new(self.chain.store().clone());
        let request = (&view as &dyn View).read::<Request>(&(sender, request_id));
        view.check()?;
        Ok(request.map(|request| request.transaction_id))
    }

    fn known(&self, id: TransactionId) -> Result<Option<KnownTransaction>, NodeError> {
        if let Some(found) = self.found(&id)? {
            let senders = self.senders_of(&id, found.height())?;
            return Ok(Some(KnownTransaction { transaction_id: id, senders, fate: Fate::Final(found) }));
        }
        Ok(self.desk.waiting_transaction(&id).map(|transaction| KnownTransaction {
            transaction_id: id,
            senders: senders_of(transaction.signed().body()),
            fate: Fate::Pending,
        }))
    }

    /// Who sent a final transaction and whom its body names as co-signers; nobody, of what fell due.
    fn senders_of(&self, id: &TransactionId, height: u64) -> Result<Vec<AccountId>, NodeError> {
        let stored = self.newest.block(self.chain.store(), height)?;
        let index = stored.record.outcomes.iter().position(|outcome| outcome.transaction_id == *id);
        Ok(index.map_or_else(Vec::new, |index| stored.kept.senders(index)))
    }

    fn known_by_request(
        &self,
        sender: AccountId,
        request_id: RequestId,
    ) -> Result<Option<KnownTransaction>, NodeError> {
        let id = self.request_holder(sender, request_id)?;
        match id.or_else(|| self.desk.waiting_under(sender, request_id)) {
            Some(id) => self.known(id),
            None => Ok(None),
        }
    }

    /// The receipt, waiting for the certificate that covers its block if that is still on its way.
    async fn receipt(&self, id: TransactionId, checkpoint_height: Option<u64>) -> Result<Option<Receipt>, NodeError> {
        let mut heights = self.finality.heights();
        loop {
            heights.borrow_and_update();
            if let Some(receipt) =
                proofs::receipt(&self.chain, (&self.newest, &self.handovers), &id, checkpoint_height)?
            {
                return Ok(Some(receipt));
            }
            let Some(place) = transaction_place(self.chain.store(), &id)? else { return Ok(None) };
            let covered = checkpoint_height.map_or(place.height, |height| height.max(place.height));
            let behind = self.chain.head().header.height.saturating_sub(covered);
            if behind > CERTIFICATE_WITHIN || heights.changed().await.is_err() {
                return Ok(None);
            }
        }
    }

    fn block(&self, height: u64) -> Result<Option<BlockRecord>, NodeError> {
        let store = self.chain.store();
        let Some(block) = proofs::stored_block(store, height)? else { return Ok(None) };
        let record = self.newest.record(store, height)?;
        Ok(Some(BlockRecord {
            block,
            outcomes: record.outcomes,
            certificate: proofs::stored_certificate(store, height)?,
            reserve_lines: record.reserve_lines.to_vec(),
        }))
    }
}

/// A certificate that covers a block comes within so many blocks after it, or not soon.
const CERTIFICATE_WITHIN: u64 = 8;

impl<E: Runtime, S: Store, T: Strategy> LedgerHandle for NodeHandle<E, S, T> {
    fn identity(&self) -> &Identity {
        &self.parts.identity
    }

    fn status(&self) -> Status {
        let head = self.parts.chain.head();
        let waiting = self.parts.desk.waiting();
        let pulse = self.parts.liveness.pulse(self.parts.context.current(), head.header.time.0, waiting);
        let seated = self.parts.seats.now();
        Status {
            mode: self.parts.seats.mode(),
            height: head.header.height,
            time: head.header.time,
            block_hash: head.hash,
            epoch: head.header.epoch,
            parent_state_digest: head.header.parent_state_digest,
            begins_at: self.parts.bodies.reaches_down_to(head.header.height),
            validators: seated.named.clone(),
            heard: pulse.heard,
            quorum: seated.validators.quorum(),
            final_age: pulse.final_age,
            stands_still: pulse.stands_still,
            pool_transactions: waiting,
            versions: self.parts.upgrades.versions(head.header.height),
            serving: self.parts.is_serving(),
        }
    }

    fn snapshot(&self) -> Result<Snapshot, Unavailable> {
        self.parts.alive()?;
        let snapshot = self.parts.chain.snapshot().map_err(|error| self.parts.unavailable(error))?;
        Ok(Snapshot { view: snapshot.view, height: snapshot.header.height, time: snapshot.header.time })
    }

    fn submit_all(&self, transactions: Vec<SignedTransaction>) -> BoxFuture<'static, Vec<Result<Submission, Refusal>>> {
        self.submit_all_from(Source::default(), transactions)
    }

    fn submit_all_from(
        &self,
        source: Source,
        transactions: Vec<SignedTransaction>,
    ) -> BoxFuture<'static, Vec<Result<Submission, Refusal>>> {
        let parts = self.parts.clone();
        async move { parts.submit_all(source, transactions).await }.boxed()
    }

    fn wait_final(&self, pending: PendingTransaction) -> BoxFuture<'static, Result<Ending, Unavailable>> {
        let parts = self.parts.clone();
        async move {
            parts.alive()?;
            parts.wait_final(pending).await.map_err(|error| parts.unavailable(error))
        }
        .boxed()
    }

    fn transaction(&self, id: TransactionId) -> BoxFuture<'static, Result<Option<KnownTransaction>, Unavailable>> {
        let parts = self.parts.clone();
        async move {
            parts.alive()?;
            parts.known(id).map_err(|error| parts.unavailable(error))
        }
        .boxed()
    }

    fn transaction_by_request(
        &self,
        sender: AccountId,
        request_id: RequestId,
    ) -> BoxFuture<'static, Result<Option<KnownTransaction>, Unavailable>> {
        let parts = self.parts.clone();
        async move {
            parts.alive()?;
            parts.known_by_request(sender, request_id).map_err(|error| parts.unavailable(error))
        }
        .boxed()
    }

    fn receipt(
        &self,
        id: TransactionId,
        checkpoint_height: Option<u64>,
    ) -> BoxFuture<'static, Result<Option<Receipt>, Unavailable>> {
        let parts = self.parts.clone();
        async move {
            parts.alive()?;
            parts.receipt(id, checkpoint_height).await.map_err(|error| parts.unavailable(error))
        }
        .boxed()
    }

    fn citation(&self, id: TransactionId) -> BoxFuture<'static, Result<Option<Citation>, Unavailable>> {
        let parts = self.parts.clone();
        async move {
            parts.alive()?;
            proofs::citation(&parts.chain, &parts.newest, &id).map_err(|error| parts.unavailable(error))
        }
        .boxed()
    }

    fn object_history(
        &self,
        object: ObjectId,
        after: Option<TransactionPlace>,
        limit: usize,
    ) -> BoxFuture<'static, Result<Vec<HistoryStep>, Unavailable>> {
        let parts = self.parts.clone();
        async move {
            parts.alive()?;
            parts.object_history(object, after, limit).map_err(|error| parts.unavailable(error))
        }
        .boxed()
    }

    fn history_step(&self, id: TransactionId) -> BoxFuture<'static, Result<Option<HistoryStep>, Unavailable>> {
        let parts = self.parts.clone();
        async move {
            parts.alive()?;
            let place = transaction_place(parts.chain.store(), &id).map_err(|error| parts.unavailable(error))?;
            place.map(|place| parts.step(place)).transpose().map_err(|error| parts.unavailable(error))
        }
        .boxed()
    }

    fn block(&self, height: u64) -> BoxFuture<'static, Result<BlockRecord, BlockError>> {
        let parts = self.parts.clone();
        async move {
            parts.alive()?;
            let applied = parts.chain.head().header.height;
            if height > applied {
                return Err(BlockError::NotReached { height, applied });
            }
            let begins_at = parts.bodies.reaches_down_to(applied);
            if height < begins_at {
                return Err(BlockError::Pruned { oldest: begins_at });
            }
            let found = parts.block(height).map_err(|error| parts.unavailable(error))?;
            // Its body was removed since.
            found.ok_or_else(|| BlockError::Pruned { oldest: parts.bodies.reaches_down_to(applied) })
        }
        .boxed()
    }

    fn applied_beyond(&self, height: u64) -> BoxFuture<'static, Result<u64, Unavailable>> {
        let mut heights = self.parts.finality.heights();
        async move { heights.wait_for(|applied| *applied > height).await.map(|applied| *applied).map_err(|_| Unavailable) }
            .boxed()
    }
}
