//! `SubmitStream`: transactions as they come, each answered once nothing can change any more.
//!
//! # A message's way
//! what the client owes paid → read → paid for → room for its transactions, and for the waits of those that the stream does not wait for yet → submitted →
//! each answered on its own, as many in a message as are known at once.
//!
//! # Invariants
//! * What is refused was refused before anything happened. What was admitted is never told as refused: where this node can no
//!   longer tell its end, the answer is PENDING.
//! * A stream waits once for a transaction, however many copies of it it sent; each copy is answered.
//! * A stream is worked on whether its answers are read or not, so that what it waits for does not pile up behind a reader that
//!   reads nothing. One that leaves its answers unread for too long is cut off, and what it leaves unread is bounded (`queue`).
//! * A message counts as its client's until its transactions are handed over, by what they take in memory.

use super::clients::CallingClient;
use super::ledger::source_of;
use super::queue::{Feed, Stopped, fed};
use super::shares::{Kept, Share};
use super::status::{
    OUTCOME_UNKNOWN, TOO_MANY_WAITS, malformed, reader_too_slow, too_many_streams, too_much_begun, unavailable,
};
use crate::admission::Refusal;
use crate::ledger::malformed::Malformed;
use crate::ledger::{SignedTransaction, Status as OutcomeStatus};
use crate::node::service::{Ending, Finished, LedgerHandle, PendingTransaction, Submission, Unavailable};
use crate::primitives::TransactionId;
use crate::wire::pb::ledger::{self as pb, TransactionStatus};
use crate::wire::{decline_to_pb, signed_transaction, status_to_pb};
use bytes::Bytes;
use futures::FutureExt as _;
use futures::stream::{BoxStream, FuturesUnordered, Stream, StreamExt as _};
use prost::Message as _;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;

/// Most transactions, or results, in one message of `SubmitStream`.
pub const STREAM_BATCH_MAX: usize = 1_024;
/// Most transactions of one `SubmitStream` that wait for finality at once; then the node reads no further.
pub const STREAM_IN_FLIGHT_MAX: usize = 4_096;

/// Transactions of a stream that take as much of a budget as a call.
const TRANSACTIONS_PER_WEIGHT: usize = 8;

/// Answers to what a client sends, for a reader that may leave them unread for so long.
///
/// # Errors
/// `TOO_MANY_STREAMS`.
pub(super) fn answered(
    ledger: Arc<dyn LedgerHandle>,
    client: Option<CallingClient>,
    incoming: impl Stream<Item = Result<pb::SubmitStreamRequest, Status>> + Send + Unpin + 'static,
    patience: Duration,
) -> Result<BoxStream<'static, Result<pb::SubmitStreamResponse, Status>>, Status> {
    let mut place = client.as_ref().map(|client| client.share(Kept::Submitting));
    if place.as_mut().is_some_and(|place| !place.set(1)) {
        return Err(too_many_streams());
    }
    let unread = client.as_ref().map(|client| client.share(Kept::Queued));
    let feed = move |feed: Feed<pb::SubmitStreamResponse>| async move {
        let mut answers = Submissions::new(ledger, client).answers(incoming);
        while let Some(answer) = answers.next().await {
            let stopped = match answer {
                Ok(answer) => feed.send(answer).await.err(),
                Err(error) => Some(Stopped::Failed(error)),
            };
            if let Some(stopped) = stopped {
                return stopped;
            }
        }
        Stopped::Ended
    };
    Ok(fed(place, unread, patience, feed, |stopped| match stopped {
        Stopped::Left | Stopped::Ended => None,
        Stopped::Failed(error) => Some(Err(error)),
        Stopped::TooSlow => Some(Err(reader_too_slow(
            "the answers were not read: what was sent goes on. Send the same bytes again, or ask for each by its id",
        ))),
    }))
}

/// One stream.
struct Submissions {
    ledger: Arc<dyn LedgerHandle>,
    client: Option<CallingClient>,
    room: Arc<Semaphore>,
    /// The places of what is waited for, of all copies of a transaction together.
    waited: Mutex<BTreeMap<TransactionId, OwnedSemaphorePermit>>,
}

/// A message that there is room for.
struct Admitted {
    transactions: Vec<pb::SignedTransaction>,
    room: OwnedSemaphorePermit,
    /// What is kept of it until it is submitted.
    share: Option<Share>,
}

impl Submissions {
    fn new(ledger: Arc<dyn LedgerHandle>, client: Option<CallingClient>) -> Arc<Self> {
        let room = Arc::new(Semaphore::new(STREAM_IN_FLIGHT_MAX));
        Arc::new(Self { ledger, client, room, waited: Mutex::default() })
    }

    fn answers(
        self: Arc<Self>,
        incoming: impl Stream<Item = Result<pb::SubmitStreamRequest, Status>> + Send + Unpin + 'static,
    ) -> BoxStream<'static, Result<pb::SubmitStreamResponse, Status>> {
        let stream = self.clone();
        // No message is read before there is room for what the one before it holds. Those that are read go on side by side.
        let messages = until_broken(paid_before_read(incoming, self.client.clone())).then(move |message| {
            let stream = stream.clone();
            async move { stream.admit(message?).await }
        });
        let answers = messages.flat_map_unordered(None, move |message: Result<Admitted, Status>| match message {
            Ok(message) => self.clone().settled(message).flatten_stream().map(Ok).boxed(),
            Err(error) => futures::stream::iter([Err(error)]).boxed(),
        });
        // A block ends thousands of waits at once; a message for each would cost more than what it says.
        let answers = answers.ready_chunks(STREAM_BATCH_MAX);
        answers.flat_map(|results| futures::stream::iter(packed(results))).boxed()
    }

    /// Has a message wait until it is paid for and there is room for it.
    async fn admit(&self, message: pb::SubmitStreamRequest) -> Result<Admitted, Status> {
        let transactions = unpack(message)?;
        let share = self.client.as_ref().map(|client| counted(client, &transactions)).transpose()?;
        if let (Some(client), Some(weight)) = (&self.client, weight_of_message(transactions.len())) {
            client.take(weight).await;
        }
        // At least one, so that empty messages are not for nothing either. No more than there is room for in all.
        let places = transactions.len().max(1) as u32;
        let room = self.room.clone().acquire_many_owned(places).await.map_err(|_| unavailable(Unavailable))?;
        Ok(Admitted { transactions, room, share })
    }

    /// What becomes of the transactions of one message, each as soon as it is known. A refusal concerns one alone; the stream
    /// goes on. Their places are given back one by one.
    async fn settled(
        self: Arc<Self>,
        Admitted { transactions, mut room, share }: Admitted,
    ) -> impl Stream<Item = pb::SubmissionResult> + use<> {
        let mut known = Vec::new();
        let mut signed = Vec::with_capacity(transactions.len());
        for message in transactions {
            let body = message.body.clone();
            match signed_transaction(Some(message)) {
                Ok(transaction) => signed.push(transaction),
                Err(error) => {
                    known.push(refused_with(crate::ledger::transaction::transaction_id(&body), &error.into()));
                }
            }
        }
        let ids: Vec<TransactionId> = signed.iter().map(SignedTransaction::id).collect();
        let waiting = FuturesUnordered::new();
        // Before anything is admitted: what there is no room to wait for did not happen.
        let Some(mut waits) = self.room_to_wait(&ids) else {
            known.extend(ids.into_iter().map(no_room));
            return futures::stream::iter(known).chain(waiting.flat_map(futures::stream::iter).boxed());
        };
        let source = source_of(self.client.as_ref());
        for (id, submission) in ids.into_iter().zip(self.ledger.submit_all_from(source, signed).await) {
            match submission {
                Err(refusal) => {
                    self.client.as_ref().inspect(|client| client.charge_for(&refusal));
                    known.push(refused_with(id, &refusal));
                }
                Ok(Submission::Final(done)) => known.push(finished(id, done.finished())),
                Ok(Submission::SignedOtherwise { height, applied }) => known.push(final_otherwise(id, height, applied)),
                Ok(Submission::Pending(pending)) => {
                    if let Some(place) = room.split(1)
                        && self.waits_anew(id, place)
                    {
                        let wait = waits.as_mut().map(Share::split_one);
                        waiting.push(self.clone().wait(pending, wait));
                    }
                }
            }
        }
        drop(share);
        futures::stream::iter(known).chain(waiting.flat_map(futures::stream::iter).boxed())
    }

    /// Room to wait for those that this stream does not wait for yet, if the client has so much left.
    fn room_to_wait(&self, ids: &[TransactionId]) -> Option<Option<Share>> {
        let Some(client) = &self.client else { return Some(None) };
        let waited = self.waited();
        let news: BTreeSet<&TransactionId> = ids.iter().filter(|id| !waited.contains_key(id)).collect();
        let mut share = client.share(Kept::Waits);
        share.set(news.len()).then_some(Some(share))
    }

    /// Takes up a place of a transaction that waits. Tells whether it is the first of the stream's copies of it.
    fn waits_anew(&self, id: TransactionId, place: OwnedSemaphorePermit) -> bool {
        let mut waited = self.waited();
        match waited.get_mut(&id) {
            Some(places) => places.merge(place),
            None => drop(waited.insert(id, place)),
        }
        waited.get(&id).is_some_and(|places| places.num_permits() == 1)
    }

    /// Waits for a transaction, and answers every copy of it.
    async fn wait(self: Arc<Self>, pending: PendingTransaction, wait: Option<Share>) -> Vec<pb::SubmissionResult> {
        let id = pending.transaction_id;
        let result = ended(id, self.ledger.wait_final(pending).await);
        drop(wait);
        let places = self.waited().remove(&id);
        vec![result; places.map_or(1, |places| places.num_permits())]
    }

    fn waited(&self) -> MutexGuard<'_, BTreeMap<TransactionId, OwnedSemaphorePermit>> {
        self.waited.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a message of a stream takes of its client's budget, besides what it comes to: less than as many calls. One was paid before
/// it was read.
fn weight_of_message(transactions: usize) -> Option<NonZeroU32> {
    NonZeroU32::new(transactions.div_ceil(TRANSACTIONS_PER_WEIGHT).saturating_sub(1) as u32)
}

/// What a client sends. Whoever owes, as for signatures that did not verify, pays before the next message is read: what waits for a
/// budget waits with its sender.
fn paid_before_read<T: Send + 'static>(
    messages: impl Stream<Item = T> + Unpin + Send + 'static,
    client: Option<CallingClient>,
) -> BoxStream<'static, T> {
    let paid = futures::stream::unfold((messages, client), async |(mut messages, client)| {
        if let Some(client) = &client {
            client.take(NonZeroU32::MIN).await;
        }
        Some((messages.next().await?, (messages, client)))
    });
    paid.boxed()
}

/// Counts what a client's transactions take, until it is dropped.
fn counted(client: &CallingClient, transactions: &[pb::SignedTransaction]) -> Result<Share, Status> {
    let mut share = client.share(Kept::Begun);
    if share.set(memory_of(transactions)) { Ok(share) } else { Err(too_much_begun()) }
}

/// What transactions take in memory. Many that are next to empty take far more than they took on the wire.
fn memory_of(transactions: &[pb::SignedTransaction]) -> usize {
    let each = transactions.iter().map(|one| one.encoded_len() + size_of_val(one.signatures.as_slice()));
    size_of_val(transactions) + each.sum::<usize>()
}

/// The transactions of one message, or the error that ends the stream.
fn unpack(message: pb::SubmitStreamRequest) -> Result<Vec<pb::SignedTransaction>, Status> {
    match message.transactions.len() {
        0..=STREAM_BATCH_MAX => Ok(message.transactions),
        count => {
            let why = format!("there are {count} and must be at most {STREAM_BATCH_MAX}");
            Err(malformed(Malformed::new("transactions", why)))
        }
    }
}

/// What a client sends, up to the first message that cannot be read, and nothing of the stream after it: one that broke off within
/// a message tells the same error whenever it is asked, and would be read for ever.
fn until_broken<T>(messages: impl Stream<Item = Result<T, Status>> + Unpin) -> impl Stream<Item = Result<T, Status>> {
    futures::stream::unfold(Some(messages), async |left| {
        let mut messages = left?;
        let message = messages.next().await?;
        let left = message.is_ok().then_some(messages);
        Some((message, left))
    })
}

/// Results in one message, and after it the error that ends the stream, if there is one.
fn packed(results: Vec<Result<pb::SubmissionResult, Status>>) -> Vec<Result<pb::SubmitStreamResponse, Status>> {
    let (results, errors): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    let results: Vec<_> = results.into_iter().flatten().collect();
    let message = (!results.is_empty()).then_some(Ok(pb::SubmitStreamResponse { results }));
    message.into_iter().chain(errors.into_iter().filter_map(Result::err).map(Err)).collect()
}

fn ended(id: TransactionId, ending: Result<Ending, Unavailable>) -> pb::SubmissionResult {
    match ending {
        Ok(Ending::Final(done)) => finished(id, done),
        Ok(Ending::Expired) => result(id, TransactionStatus::Expired),
        Ok(Ending::RequestTaken { by }) => refused_with(id, &Refusal::RequestIdReused { transaction_id: by }),
        Ok(Ending::Refused(refusal)) => refused_with(id, &refusal),
        Ok(Ending::Untold) | Err(Unavailable) => {
            let (reason, message) = OUTCOME_UNKNOWN;
            let (reason, message) = (reason.to_owned(), message.to_owned());
            pb::SubmissionResult { reason, message, ..result(id, TransactionStatus::Pending) }
        }
    }
}

fn result(id: TransactionId, status: TransactionStatus) -> pb::SubmissionResult {
    let transaction_id = Bytes::copy_from_slice(&id.0);
    pb::SubmissionResult { transaction_id, status: status.into(), ..Default::default() }
}

fn finished(id: TransactionId, Finished { height, status }: Finished) -> pb::SubmissionResult {
    let reason = match &status {
        OutcomeStatus::Applied => String::new(),
        OutcomeStatus::Declined(decline) => decline_to_pb(decline).reason,
    };
    pb::SubmissionResult { height, reason, ..result(id, status_to_pb(&status)) }
}

fn final_otherwise(id: TransactionId, height: u64, applied: bool) -> pb::SubmissionResult {
    let status = if applied { TransactionStatus::Applied } else { TransactionStatus::Declined };
    pb::SubmissionResult { height, ..result(id, status) }
}

fn refused_with(id: TransactionId, refusal: &Refusal) -> pb::SubmissionResult {
    let (reason, message) = (refusal.name().to_owned(), refusal.to_string());
    pb::SubmissionResult { reason, message, ..result(id, TransactionStatus::Unspecified) }
}

fn no_room(id: TransactionId) -> pb::SubmissionResult {
    let (reason, message) = TOO_MANY_WAITS;
    let (reason, message) = (reason.to_owned(), message.to_owned());
    pb::SubmissionResult { reason, message, ..result(id, TransactionStatus::Unspecified) }
}

#[cfg(test)]
mod tests {
    use super::super::clients::{BAD_SIGNATURE_WEIGHT, ClientLimits, Clients};
    use super::super::shares::CLIENT_BYTES_MAX;
    use super::*;
    use crate::node::NodeMetrics;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tonic::Code;

    fn client(calls_per_second: u32) -> CallingClient {
        let calls_per_second = NonZeroU32::new(calls_per_second).unwrap();
        let clients = Clients::new(ClientLimits { calls_per_second, ..ClientLimits::DEFAULT }, NodeMetrics::default());
        clients.calling(&tonic::codegen::http::Extensions::new())
    }

    #[tokio::test]
    async fn whoever_owes_pays_before_the_next_message_is_read() {
        let client = client(100);
        client.charge(2 * 100 + BAD_SIGNATURE_WEIGHT);
        let read = Arc::new(AtomicUsize::new(0));
        let counted = read.clone();
        let messages = futures::stream::iter([(); 2]).map(move |()| counted.fetch_add(1, Ordering::Relaxed));
        let mut paid = paid_before_read(messages, Some(client));
        assert!(paid.next().now_or_never().is_none(), "a fifth of a second is owed");
        assert_eq!(read.load(Ordering::Relaxed), 0, "it was read all the same");
        assert_eq!(paid.next().await, Some(0));
    }

    #[test]
    fn a_whole_message_counts_until_it_is_handed_over() {
        let client = client(5_000);
        let message = [pb::SignedTransaction { body: Bytes::from(vec![7; 1 << 20]), signatures: Vec::new() }];
        let count = || counted(&client, &message);
        let waiting: Vec<Share> = std::iter::from_fn(|| count().ok()).collect();
        // 64 of a megabyte, less what goes with each.
        assert_eq!(waiting.len(), (CLIENT_BYTES_MAX >> 20) - 1);
        assert_eq!(count().err().map(|refused| refused.code()), Some(Code::ResourceExhausted));
        drop(waiting);
        assert!(count().is_ok(), "what was handed over does not count");
    }

    #[test]
    fn empty_transactions_are_counted_by_what_they_take_in_memory() {
        let signatures = vec![pb::TransactionSignature::default(); 1_000];
        let transactions = vec![pb::SignedTransaction { body: Bytes::new(), signatures }; 8];
        assert!(memory_of(&transactions) >= 8 * 1_000 * size_of::<pb::TransactionSignature>());
    }

    #[test]
    fn streams_of_submissions_are_bounded_by_client() {
        let client = client(100);
        let place = || {
            let mut place = client.share(Kept::Submitting);
            place.set(1).then_some(place)
        };
        let open: Vec<Share> = std::iter::from_fn(place).collect();
        assert_eq!(open.len(), 256);
        drop(open);
        assert!(place().is_some(), "a place comes back");
    }

    /// With bounded patience: a stream that is read for ever shows as one that was read too often.
    #[tokio::test]
    async fn a_stream_that_broke_is_not_read_on() {
        let broken = || Err(Status::internal("Unexpected EOF decoding stream."));
        let messages = futures::stream::iter([Ok(1), Ok(2)]).chain(futures::stream::repeat_with(broken).take(1_000));
        let read: Vec<Result<u32, Status>> = until_broken(messages).collect().await;
        assert_eq!(read.len(), 3);
        assert!(matches!(read[..], [Ok(1), Ok(2), Err(_)]));
        let whole: Vec<_> = until_broken(futures::stream::iter([Ok::<u32, Status>(7)])).collect().await;
        assert_eq!(whole.len(), 1);
    }
}
