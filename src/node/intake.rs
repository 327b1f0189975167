//! The way in: what clients and peers send goes from here to the pool, by the same stages.
//!
//! # A transaction's way in
//! read and found plausible, where it came in: a few look-ups → queued → its signatures verified, in one batch with what
//! else waits, on the runtime's blocking pool → held to the rules once more, on the state as it is by then → in the pool.
//!
//! # Invariants
//! * Nobody's signatures are verified on a task that serves calls or consensus.
//! * What waits to be verified is bounded, in signatures and in bytes; past that a client is refused at once. Peers have
//!   queues of their own ([`crate::consensus::forwarding`]), so neither crowds the other out.
//! * One client batch and one peer's batch are verified at a time, each in the order in which it came.
//! * Whoever queued hears once, and a caller that hangs up takes nothing back.

use super::chain::Chain;
use super::clock::now;
use super::error::NodeError;
use super::halt::Halt;
use super::service::PendingTransaction;
use super::transactions::TransactionDesk;
use crate::admission::{Decoded, Origin, Plausible, Pooled, Refusal};
use crate::consensus::{ForwardedBatch, Runtime};
use crate::execution::Transaction;
use crate::ledger::{Malformed, SignedTransaction};
use crate::primitives::{BlockTime, CodecError, Decode as _};
use crate::storage::{Store, StoreView};
use bytes::Bytes;
use commonware_parallel::Strategy;
use commonware_runtime::Error as RuntimeError;
use commonware_utils::channel::{oneshot, watch};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use thiserror::Error;
use tracing::debug;

/// Most signatures that wait to be verified: a third of a second's work of one core, and room for four full submission
/// streams of singly signed transactions.
pub const WAITING_SIGNATURES_MAX: usize = 16_384;
/// Most bytes that wait to be verified: a quarter of what the pool holds.
pub const WAITING_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Most signatures in a batch, if there is more than one transaction: a larger one would save little more, and would make
/// those that came first wait for it.
const BATCH_SIGNATURES_MAX: usize = 512;

/// Why a transaction did not get in.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Rejected {
    /// It breaks a rule.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store failed. The node stops.
    #[error("the store failed")]
    Failed,
    /// The node takes nothing in any more.
    #[error("the node takes nothing in any more")]
    Closed,
}

/// What the bounds are on.
#[derive(Clone, Copy, Debug)]
pub struct WaitingLimits {
    /// See [`WAITING_SIGNATURES_MAX`].
    pub signatures_max: usize,
    /// See [`WAITING_BYTES_MAX`].
    pub bytes_max: usize,
}

impl Default for WaitingLimits {
    fn default() -> Self {
        Self { signatures_max: WAITING_SIGNATURES_MAX, bytes_max: WAITING_BYTES_MAX }
    }
}

/// A plausible transaction, and who wants to hear of it.
struct Waiting {
    plausible: Plausible,
    answer: oneshot::Sender<Result<Pooled, Rejected>>,
}

/// What waits to be verified.
#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    signatures: usize,
    bytes: usize,
    closed: bool,
}

impl Queue {
    fn push(&mut self, waiting: Waiting, limits: &WaitingLimits) -> Result<(), Rejected> {
        if self.closed {
            return Err(Rejected::Closed);
        }
        let signatures = self.signatures + waiting.plausible.signature_count();
        let bytes = self.bytes + waiting.plausible.encoded_len();
        if signatures > limits.signatures_max || bytes > limits.bytes_max {
            return Err(Refusal::PoolFull.into());
        }
        (self.signatures, self.bytes) = (signatures, bytes);
        self.waiting.push_back(waiting);
        Ok(())
    }

    /// The oldest, up to a batch's signatures; one at least, if any waits.
    fn batch(&mut self) -> Vec<Waiting> {
        let mut batch = Vec::new();
        let mut room = BATCH_SIGNATURES_MAX;
        while let Some(next) = self.waiting.front() {
            let signatures = next.plausible.signature_count();
            if signatures > room && !batch.is_empty() {
                break;
            }
            room = room.saturating_sub(signatures);
            self.signatures -= signatures;
            self.bytes -= next.plausible.encoded_len();
            batch.extend(self.waiting.pop_front());
        }
        batch
    }
}

/// See the module.
pub struct Intake<S, T: Strategy> {
    chain: Arc<Chain<S>>,
    desk: Arc<TransactionDesk<T>>,
    halt: Halt,
    limits: WaitingLimits,
    queue: Mutex<Queue>,
    arrivals: watch::Sender<u64>,
}

impl<S: Store, T: Strategy> Intake<S, T> {
    /// An open intake with nothing waiting.
    pub fn new(chain: Arc<Chain<S>>, desk: Arc<TransactionDesk<T>>, halt: Halt, limits: WaitingLimits) -> Self {
        Self { chain, desk, halt, limits, queue: Mutex::default(), arrivals: watch::channel(0).0 }
    }

    /// Takes nothing in any more. What waits is let go.
    pub fn close(&self) {
        let mut queue = self.queue();
        *queue = Queue { closed: true, ..Queue::default() };
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        self.queue().closed
    }

    /// Takes a client's transaction in, and answers once it is in the pool.
    ///
    /// The caller has looked up whether it is final already.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub async fn submit(&self, signed: SignedTransaction, clock: BlockTime) -> Result<PendingTransaction, Rejected> {
        if let Some(pending) = self.desk.sent_again(&signed.id()) {
            return Ok(pending);
        }
        let plausible = self.plausible(signed, clock)?;
        let pending = PendingTransaction::new(plausible.id(), plausible.envelope());
        let (answer, answered) = oneshot::channel();
        self.queue().push(Waiting { plausible, answer }, &self.limits)?;
        self.arrivals.send_modify(|count| *count += 1);
        // Let go without an answer: closed.
        answered.await.unwrap_or(Err(Rejected::Closed)).map(|_| pending)
    }

    /// Verifies what clients sent, for as long as the runtime runs.
    ///
    /// # Errors
    /// A batch's work did not end, which happens when the runtime stops and should not otherwise.
    pub async fn verify<E: Runtime>(self: Arc<Self>, context: E) -> Result<(), RuntimeError> {
        // Whoever waits here when this ends, however it ends, waits for nothing.
        let _closing = Closing(&self);
        let mut arrivals = self.arrivals.subscribe();
        loop {
            let batch = self.queue().batch();
            if batch.is_empty() {
                if arrivals.changed().await.is_err() {
                    return Ok(());
                }
                continue;
            }
            let (me, clock) = (self.clone(), now(&context));
            let work = context.child("admission").shared(true).spawn(move |_| async move {
                let (plausible, answers): (Vec<_>, Vec<_>) =
                    batch.into_iter().map(|waiting| (waiting.plausible, waiting.answer)).unzip();
                for (answer, entered) in answers.into_iter().zip(me.enter(plausible, Origin::Client, clock)) {
                    // A caller that hung up looks it up later.
                    let _ = answer.send(entered);
                }
            });
            work.await?;
        }
    }

    /// Takes in what a peer forwarded. This is work: it belongs on the runtime's blocking pool.
    pub fn take_forwarded(&self, batch: &ForwardedBatch, clock: BlockTime) {
        let found = batch.transactions.iter().map(|bytes| self.plausible_bytes(bytes, clock));
        let (plausible, refused): (Vec<_>, Vec<_>) = found.partition(Result::is_ok);
        let plausible = plausible.into_iter().flatten().flatten().collect();
        let entered = self.enter(plausible, Origin::Peer, clock);
        for why in refused.into_iter().filter_map(Result::err).chain(entered.into_iter().filter_map(Result::err)) {
            debug!(from = %batch.from, %why, "a forwarded transaction was refused");
        }
    }

    /// What a peer's bytes hold; none if it waits already.
    fn plausible_bytes(&self, bytes: &Bytes, clock: BlockTime) -> Result<Option<Plausible>, Rejected> {
        let malformed = |error: CodecError| Refusal::from(Malformed::new("transaction", error.to_string()));
        let signed = SignedTransaction::from_bytes(bytes).map_err(malformed)?;
        match self.desk.is_waiting(&signed.id()) {
            true => Ok(None),
            false => self.plausible(signed, clock).map(Some),
        }
    }

    fn plausible(&self, signed: SignedTransaction, clock: BlockTime) -> Result<Plausible, Rejected> {
        let decoded = Decoded::read(signed)?;
        let now = self.judged_at(decoded.envelope().expires_at, clock);
        let view = StoreView::new(self.chain.store().clone());
        let plausible = self.desk.plausible(decoded, now, &view);
        self.believe(&view)?;
        Ok(plausible?)
    }

    /// Verifies and admits, in order.
    fn enter(&self, plausible: Vec<Plausible>, origin: Origin, clock: BlockTime) -> Vec<Result<Pooled, Rejected>> {
        let authentic = self.desk.authenticate_each(plausible);
        authentic.into_iter().map(|transaction| self.admit(transaction?, origin, clock)).collect()
    }

    fn admit(&self, transaction: Arc<Transaction>, origin: Origin, clock: BlockTime) -> Result<Pooled, Rejected> {
        let now = self.judged_at(transaction.envelope().expires_at, clock);
        let view = StoreView::new(self.chain.store().clone());
        let admitted = self.desk.admit(transaction, origin, now, &view);
        self.believe(&view)?;
        Ok(admitted?)
    }

    /// The time by which an expiry is judged. Only the ledger's own says that it is too late: a block may hold the
    /// transaction that this clock no longer would.
    fn judged_at(&self, expires_at: BlockTime, clock: BlockTime) -> BlockTime {
        let ledger = self.chain.head().header.time;
        let clock = clock.max(ledger);
        if expires_at < clock { ledger } else { clock }
    }

    /// A failed read ends the node: what it would answer next is worth nothing.
    fn believe(&self, view: &StoreView<S>) -> Result<(), Rejected> {
        view.check().map_err(|error| {
            self.halt.stop_now(NodeError::from(error));
            Rejected::Failed
        })
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes the intake when it goes.
struct Closing<'a, S: Store, T: Strategy>(&'a Intake<S, T>);

impl<S: Store, T: Strategy> Drop for Closing<'_, S, T> {
    fn drop(&mut self) {
        self.0.close();
    }
}
