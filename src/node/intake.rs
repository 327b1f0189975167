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
//! * Clients have a share each, and within it senders a line each; both are verified in turns. Past the bound, room is made by
//!   whoever takes up most of it: nobody keeps another's transactions out with garbage, whatever names stand in it
//!   ([`super::shared_queue`]).
//! * One client batch and one peer's batch are verified at a time.
//! * Whoever queued hears once, and a caller that hangs up takes nothing back.

use super::chain::Chain;
use super::clock::LedgerClock;
use super::error::NodeError;
use super::halt::Halt;
use super::service::PendingTransaction;
use super::shared_queue::{SharedQueue, Source};
use super::transactions::TransactionDesk;
use crate::admission::{Admissible, Decoded, Origin, Plausible, Pooled, Refusal};
use crate::consensus::{ForwardedBatch, Runtime};
use crate::execution::{Envelope, Transaction};
use crate::ledger::{Malformed, SignedTransaction, WorkingSet};
use crate::primitives::{AccountId, BlockTime, CodecError, Decode as _};
use crate::storage::{Store, StoreView};
use bytes::Bytes;
use commonware_parallel::Strategy;
use commonware_runtime::{Clock, Error as RuntimeError};
use commonware_utils::channel::{oneshot, watch};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use thiserror::Error;
use tracing::debug;

/// Most signatures that wait to be verified: a third of a second's work of one core, and room for four full submission
/// streams of singly signed transactions.
pub const WAITING_SIGNATURES_MAX: usize = 16_384;
/// Most bytes that wait to be verified: a quarter of what the pool holds.
pub const WAITING_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Most signatures in a batch, if there is more than one transaction: a larger one would save little more, and would make
/// those that came first wait for it.
const BATCH_SIGNATURES_MAX: usize = 1_024;

/// What comes in within this time of the last batch is verified together, unless enough waits by then. The first after
/// a pause is verified at once. Alone, a signature takes twice the time that it takes among eight.
const GATHER: Duration = Duration::from_millis(5);
/// So many are enough: among more, a signature takes hardly less.
const GATHERED: usize = 256;

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

impl WaitingLimits {
    /// What a transaction takes up of what may wait, by whichever of the two bounds it takes up more of.
    fn cost(&self, plausible: &Plausible) -> u64 {
        let by_signatures = plausible.signature_count() as u64 * self.bytes_max as u64;
        by_signatures.max(plausible.encoded_len() as u64 * self.signatures_max as u64)
    }

    /// All of what may wait, in the same units.
    fn cost_max(&self) -> u64 {
        self.signatures_max as u64 * self.bytes_max as u64
    }
}

impl Default for WaitingLimits {
    fn default() -> Self {
        Self { signatures_max: WAITING_SIGNATURES_MAX, bytes_max: WAITING_BYTES_MAX }
    }
}

/// What became of one transaction of several.
type Entered = Result<Pooled, Rejected>;

/// Transactions that one caller sent together: it hears when there is an answer to each.
struct Party {
    answers: Mutex<Answers>,
}

struct Answers {
    so_far: Vec<Option<Entered>>,
    missing: usize,
    caller: Option<oneshot::Sender<Vec<Entered>>>,
}

impl Party {
    fn of(size: usize) -> (Arc<Self>, oneshot::Receiver<Vec<Entered>>) {
        let (caller, answered) = oneshot::channel();
        let answers = Answers { so_far: vec![None; size], missing: size, caller: Some(caller) };
        (Arc::new(Self { answers: Mutex::new(answers) }), answered)
    }

    /// Each place is answered once.
    fn answer(&self, place: usize, entered: Entered) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(slot) = answers.so_far.get_mut(place).filter(|slot| slot.is_none()) else { return };
        *slot = Some(entered);
        answers.missing -= 1;
        if answers.missing == 0
            && let Some(caller) = answers.caller.take()
        {
            // A caller that hung up looks it up later.
            let _ = caller.send(std::mem::take(&mut answers.so_far).into_iter().flatten().collect());
        }
    }
}

impl Drop for Party {
    /// Nobody is left who would answer the rest: the node stops. What got in by then did get in, and its sender is told so.
    fn drop(&mut self) {
        let answers = self.answers.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(caller) = answers.caller.take() {
            let let_go = |entered: Option<Entered>| entered.unwrap_or(Err(Rejected::Closed));
            let _ = caller.send(std::mem::take(&mut answers.so_far).into_iter().map(let_go).collect());
        }
    }
}

/// A plausible transaction, and who wants to hear of it.
struct Waiting {
    plausible: Plausible,
    /// The height as of which it was found so.
    judged_at: u64,
    party: Arc<Party>,
    place: usize,
}

impl Waiting {
    fn answer(&self, entered: Entered) {
        self.party.answer(self.place, entered);
    }
}

/// What waits to be verified.
#[derive(Default)]
struct Queue {
    waiting: SharedQueue<Waiting>,
    closed: bool,
}

impl Queue {
    /// Queues it, or answers it at once; and answers what had to make room for it.
    fn push(&mut self, source: Source, waiting: Waiting, limits: &WaitingLimits) {
        if self.closed {
            return waiting.answer(Err(Rejected::Closed));
        }
        let (whose, cost) = ((source, waiting.plausible.envelope().sender), limits.cost(&waiting.plausible));
        let (Ok(without_room) | Err(without_room)) = self.waiting.push(whose, cost, waiting, limits.cost_max());
        without_room.iter().for_each(|each| each.answer(Err(Refusal::PoolFull.into())));
    }

    /// Those whose turn it is, up to a batch's signatures; one at least, if any waits.
    fn batch(&mut self) -> Vec<Waiting> {
        let mut batch = Vec::new();
        let mut room = BATCH_SIGNATURES_MAX;
        while let Some(next) = self.waiting.peek() {
            let signatures = next.plausible.signature_count();
            if signatures > room && !batch.is_empty() {
                break;
            }
            room = room.saturating_sub(signatures);
            batch.extend(self.waiting.take());
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
    clock: LedgerClock,
    queue: Mutex<Queue>,
    arrivals: watch::Sender<u64>,
    is_short_of_room: AtomicBool,
}

impl<S: Store, T: Strategy> Intake<S, T> {
    /// An open intake with nothing waiting.
    pub fn new(
        chain: Arc<Chain<S>>,
        desk: Arc<TransactionDesk<T>>,
        halt: Halt,
        limits: WaitingLimits,
        clock: LedgerClock,
    ) -> Self {
        let (queue, arrivals) = (Mutex::default(), watch::channel(0).0);
        Self { chain, desk, halt, limits, clock, queue, arrivals, is_short_of_room: AtomicBool::new(false) }
    }

    /// Now, as expiries are judged.
    pub fn now(&self, runtime: &impl Clock) -> BlockTime {
        self.clock.now(runtime)
    }

    /// Takes nothing in any more. What waits is let go.
    pub fn close(&self) {
        let mut queue = self.queue();
        *queue = Queue { closed: true, ..Queue::default() };
    }

    /// Says whether there is too little room for more blocks than it takes to keep up. Answers whether there was before.
    pub fn set_short_of_room(&self, is_short: bool) -> bool {
        self.is_short_of_room.swap(is_short, Ordering::Relaxed)
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
        self.submit_all(Source::default(), vec![signed], clock).await.pop().unwrap_or(Err(Rejected::Closed))
    }

    /// Takes a client's transactions in, and answers once each is in the pool or refused.
    ///
    /// The caller has looked up whether they are final already.
    pub async fn submit_all(
        &self,
        source: Source,
        signed: Vec<SignedTransaction>,
        clock: BlockTime,
    ) -> Vec<Result<PendingTransaction, Rejected>> {
        let mut answers: Vec<_> = signed.iter().map(|each| self.desk.sent_again(each).map(Ok)).collect();
        if self.is_short_of_room.load(Ordering::Relaxed) {
            const FULL: Refusal =
                Refusal::NotServing { why: "its disk is nearly full; send the same bytes to another node" };
            return answers.into_iter().map(|known| known.unwrap_or(Err(FULL.into()))).collect();
        }
        let news = signed.into_iter().zip(&answers).filter(|(_, known)| known.is_none()).map(|(signed, _)| signed);
        // Read first: judged on no earlier state.
        let judged_at = self.chain.head().header.height;
        let mut plausible = self.plausible_all(news.collect(), clock).into_iter();
        let mut places = Vec::new();
        let mut queued = Vec::new();
        for (place, answer) in answers.iter_mut().enumerate().filter(|(_, answer)| answer.is_none()) {
            match plausible.next() {
                Some(Ok(plausible)) => {
                    *answer = Some(Ok(PendingTransaction::new(plausible.id(), plausible.envelope())));
                    places.push(place);
                    queued.push(plausible);
                }
                Some(Err(rejected)) => *answer = Some(Err(rejected)),
                None => *answer = Some(Err(Rejected::Closed)),
            }
        }
        let entered = self.queue_and_wait(source, queued, judged_at).await;
        for (place, entered) in places.into_iter().zip(entered) {
            if let Err(rejected) = entered {
                answers[place] = Some(Err(rejected));
            }
        }
        answers.into_iter().map(|answer| answer.unwrap_or(Err(Rejected::Closed))).collect()
    }

    /// Has transactions verified and admitted, as far as there is room for them.
    async fn queue_and_wait(&self, source: Source, plausible: Vec<Plausible>, judged_at: u64) -> Vec<Entered> {
        let size = plausible.len();
        if size == 0 {
            return Vec::new();
        }
        let answered = self.queue_party(source, plausible, judged_at);
        self.arrivals.send_modify(|count| *count += 1);
        // Let go without an answer: closed.
        answered.await.unwrap_or_else(|_| vec![Err(Rejected::Closed); size])
    }

    fn queue_party(
        &self,
        source: Source,
        plausible: Vec<Plausible>,
        judged_at: u64,
    ) -> oneshot::Receiver<Vec<Entered>> {
        let (party, answered) = Party::of(plausible.len());
        let mut queue = self.queue();
        for (place, plausible) in plausible.into_iter().enumerate() {
            queue.push(source, Waiting { plausible, judged_at, party: party.clone(), place }, &self.limits);
        }
        answered
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
            let (me, clock) = (self.clone(), self.now(&context));
            let work = context.child("admission").shared(true).spawn(move |_| async move {
                let judged_at = batch.iter().map(|waiting| waiting.judged_at).min().unwrap_or(0);
                let (plausible, callers): (Vec<_>, Vec<_>) =
                    batch.into_iter().map(|waiting| (waiting.plausible, (waiting.party, waiting.place))).unzip();
                for ((party, place), entered) in
                    callers.into_iter().zip(me.enter(plausible, judged_at, Origin::Client, clock))
                {
                    party.answer(place, entered);
                }
            });
            work.await?;
            if self.queue().waiting.len() < GATHERED {
                context.sleep(GATHER).await;
            }
        }
    }

    /// Takes in what a peer forwarded. This is work: it belongs on the runtime's blocking pool.
    pub fn take_forwarded(&self, batch: &ForwardedBatch, clock: BlockTime) {
        let malformed =
            |error: CodecError| Rejected::from(Refusal::from(Malformed::new("transaction", error.to_string())));
        let read = |bytes: &Bytes| SignedTransaction::from_bytes(bytes).map_err(malformed);
        let (signed, unread): (Vec<_>, Vec<_>) = batch.transactions.iter().map(read).partition(Result::is_ok);
        let news = signed.into_iter().flatten().filter(|signed| !self.desk.is_waiting(&signed.id())).collect();
        let judged_at = self.chain.head().header.height;
        let found = self.plausible_all(news, clock).into_iter();
        let (plausible, refused): (Vec<_>, Vec<_>) = found.partition(Result::is_ok);
        let entered = self.enter(plausible.into_iter().flatten().collect(), judged_at, Origin::Peer, clock);
        let unread = unread.into_iter().filter_map(Result::err);
        let refused = refused.into_iter().filter_map(Result::err).chain(entered.into_iter().filter_map(Result::err));
        for why in unread.chain(refused) {
            debug!(from = %batch.from, %why, "a forwarded transaction was refused");
        }
    }

    /// Holds each to the rules that need no signature.
    fn plausible_all(&self, signed: Vec<SignedTransaction>, clock: BlockTime) -> Vec<Result<Plausible, Rejected>> {
        let decoded: Vec<Result<Decoded, Refusal>> = signed.into_iter().map(Decoded::read).collect();
        let (probe, view) = self.read_ahead(decoded.iter().flatten().map(Decoded::envelope));
        let judged = decoded.into_iter().map(|decoded| {
            let decoded = decoded?;
            let now = self.judged_at(decoded.envelope().expires_at, clock);
            Ok(self.desk.plausible(decoded, now, &view)?)
        });
        let judged: Vec<_> = judged.collect();
        match self.believes(&probe) {
            true => judged,
            false => judged.iter().map(|_| Err(Rejected::Failed)).collect(),
        }
    }

    /// Verifies and admits, in order, what was found plausible on the state of a height: on the state as it is by now, if
    /// that is another.
    fn enter(&self, plausible: Vec<Plausible>, judged_at: u64, origin: Origin, clock: BlockTime) -> Vec<Entered> {
        if plausible.is_empty() {
            return Vec::new();
        }
        let institutions: Vec<AccountId> = plausible.iter().map(Plausible::institution).collect();
        let authentic = self.desk.authenticate_each(plausible);
        let (probe, mut admitted) = match self.chain.head().header.height == judged_at {
            true => {
                let known = authentic.iter().zip(institutions).filter_map(|(authentic, institution)| {
                    Some(Admissible::again(authentic.as_ref().ok()?.clone(), institution))
                });
                (None, self.desk.admit_judged(known.collect(), origin).into_iter())
            }
            false => {
                let known: Vec<Arc<Transaction>> = authentic.iter().flatten().cloned().collect();
                let (probe, view) = self.read_ahead(known.iter().map(|transaction| transaction.envelope()));
                let now = |expires_at| self.judged_at(expires_at, clock);
                (Some(probe), self.desk.admit(known, origin, now, &view).into_iter())
            }
        };
        let entered = authentic.into_iter().map(|authentic| {
            authentic?;
            Ok(admitted.next().unwrap_or(Err(Refusal::PoolFull))?)
        });
        let entered: Vec<Entered> = entered.collect();
        match probe {
            // What is in the pool by then may have gone out to a peer.
            Some(probe) if !self.believes(&probe) => {
                let entered = entered.into_iter();
                entered.map(|entered: Entered| entered.map_err(|_| Rejected::Failed)).collect()
            }
            _ => entered,
        }
    }

    /// The state now, of which what says whether these may stand in a block was read at one go.
    fn read_ahead<'e>(&self, envelopes: impl Iterator<Item = &'e Envelope>) -> (StoreView<S>, WorkingSet) {
        let (probe, state) = self.chain.newest_state();
        let view = WorkingSet::new(Arc::new(state));
        let about = envelopes.size_hint().0 * 2;
        view.read_ahead(envelopes.flat_map(Envelope::foreseen_reads), about);
        (probe, view)
    }

    /// Whether what was judged by a view holds. A failed read ends the node: what it would answer next is worth nothing.
    fn believes(&self, probe: &StoreView<S>) -> bool {
        let failed = probe.check().err();
        let believed = failed.is_none();
        failed.into_iter().for_each(|error| self.halt.stop_now(NodeError::from(error)));
        believed
    }

    /// The time by which an expiry is judged. Only the ledger's own says that it is too late: a block may hold the
    /// transaction that this clock no longer would.
    fn judged_at(&self, expires_at: BlockTime, clock: BlockTime) -> BlockTime {
        let ledger = self.chain.head().header.time;
        let clock = clock.max(ledger);
        if expires_at < clock { ledger } else { clock }
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

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    /// The node may stop between two batches: what got in by then is in the pool, or at a peer, and goes on from there.
    #[test]
    fn what_got_in_before_the_node_stopped_is_told_so_and_only_the_rest_is_not() {
        let (party, answered) = Party::of(3);
        party.answer(1, Ok(Pooled::Added));
        drop(party);
        let closed = Err(Rejected::Closed);
        let heard = answered.now_or_never().expect("nobody is left who would answer").expect("it is told");
        assert_eq!(heard, [closed.clone(), Ok(Pooled::Added), closed]);
    }
}
