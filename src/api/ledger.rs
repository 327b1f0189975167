//! `LedgerService`: submitting transactions, and reading what became of them.

use super::caller::{Caller, identify, signing_key};
use super::clients::CallingClient;
use super::kept::KeptBytes;
use super::lineage::lineage;
use super::status::{malformed, no_block, no_transaction, not_found, refused, status, unavailable};
use super::streams::{self, StreamPlaces, StreamReader};
use super::visibility::Sight;
use crate::admission::Refusal;
use crate::ledger::account::institution_of;
use crate::ledger::malformed::Malformed;
use crate::ledger::receipt::Receipt;
use crate::ledger::{SignedTransaction, Status as OutcomeStatus, View};
use crate::node::service::{
    BlockError, BlockRecord, Ending, Fate, FinalTransaction, KnownTransaction, LedgerHandle, Snapshot, Source,
    Submission, Unavailable,
};
use crate::primitives::TransactionId;
use crate::wire::pb::ledger::get_transaction_request::Key;
use crate::wire::pb::ledger::ledger_service_server::LedgerService;
use crate::wire::pb::ledger::{self as pb, TransactionStatus};
use crate::wire::{
    account_id, block_to_pb, citation_to_pb, decline_to_pb, outcome_to_pb, receipt_to_pb, request_id,
    signed_transaction, status_to_pb, transaction_id,
};
use bytes::Bytes;
use futures::FutureExt as _;
use futures::stream::{BoxStream, FuturesUnordered, Stream, StreamExt as _};
use prost::Message as _;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::{Code, Request, Response, Status, Streaming};

/// Most transactions, or results, in one message of `SubmitStream`.
pub const STREAM_BATCH_MAX: usize = 1_024;
/// Most transactions of one `SubmitStream` that wait for finality at once; then the node reads no further.
pub const STREAM_IN_FLIGHT_MAX: usize = 4_096;

type Answer<T> = Result<Response<T>, Status>;
/// The transactions of a message, and what is kept of them until they are handed over.
type Taken = (Vec<pb::SignedTransaction>, Option<KeptBytes>);

/// Transactions of a stream that take as much of a budget as a call.
const TRANSACTIONS_PER_WEIGHT: usize = 8;

/// The service.
#[derive(Clone)]
pub(super) struct Ledger {
    pub node: Arc<dyn LedgerHandle>,
    pub streams: StreamPlaces,
}

#[tonic::async_trait]
impl LedgerService for Ledger {
    async fn submit(&self, request: Request<pb::SubmitRequest>) -> Answer<pb::SubmitResponse> {
        let client = CallingClient::of(&request);
        let signed = signed_transaction(request.into_inner().transaction).map_err(malformed)?;
        let transaction_id = signed.id();
        let status = match self
            .node
            .submit_from(source_of(client.as_ref()), signed)
            .await
            .map_err(|refusal| charged(client.as_ref(), &refusal))?
        {
            Submission::Pending(_) => TransactionStatus::Pending,
            Submission::Final(done) => status_to_pb(&done.outcome().status),
        };
        Ok(Response::new(pb::SubmitResponse { transaction_id: copied(transaction_id), status: status.into() }))
    }

    async fn submit_and_wait(&self, request: Request<pb::SubmitAndWaitRequest>) -> Answer<pb::SubmitAndWaitResponse> {
        // Submitting takes the transaction's own signatures. A read signature that does not hold only means that the
        // answer opens no balance.
        let reader = identify(&*self.node, &request).map_or(Caller::Anyone, |(caller, _)| caller);
        let client = CallingClient::of(&request);
        let signed = signed_transaction(request.into_inner().transaction).map_err(malformed)?;
        let id = signed.id();
        let admitted = Instant::now();
        let finality_us = match settle(&*self.node, client.as_ref(), signed).await? {
            Settled::Before => 0,
            // Longer than 584,000 years does not fit.
            Settled::Now => admitted.elapsed().as_micros() as u64,
        };
        // Final, and its certificate not here yet: by no means "not found".
        let receipt =
            self.node.receipt(id, None).await.map_err(unavailable)?.ok_or_else(|| unavailable(Unavailable))?;
        let state = self.node.snapshot().map_err(unavailable)?.view;
        let receipt = visible_receipt(Sight::new(reader, &*state), receipt);
        let outcome = Some(outcome_to_pb(&receipt.outcome, &receipt.balances));
        let receipt = Some(receipt_to_pb(&receipt));
        Ok(Response::new(pb::SubmitAndWaitResponse { receipt, outcome, finality_us }))
    }

    type SubmitStreamStream = BoxStream<'static, Result<pb::SubmitStreamResponse, Status>>;

    async fn submit_stream(
        &self,
        request: Request<Streaming<pb::SubmitStreamRequest>>,
    ) -> Answer<Self::SubmitStreamStream> {
        let (ledger, room) = (self.node.clone(), Arc::new(Semaphore::new(STREAM_IN_FLIGHT_MAX)));
        let client = CallingClient::of(&request);
        // Kept for as long as the stream is read on.
        let place = client.as_ref().map(CallingClient::submitting).transpose()?;
        let payer = client.clone();
        // No message is read before there is room for what the one before it holds. Those that are read go on side by side.
        let messages = until_broken(paid_before_read(request.into_inner(), client.clone())).then(move |message| {
            let (room, client, _) = (room.clone(), client.clone(), &place);
            async move {
                let (transactions, held) = message?;
                if let (Some(client), Some(weight)) = (client, weight_of_message(transactions.len())) {
                    client.take(weight).await;
                }
                // At least one, so that empty messages are not for nothing either. No more than there is room for in all.
                let places = transactions.len().max(1) as u32;
                let room = room.acquire_many_owned(places).await.map_err(|_| unavailable(Unavailable))?;
                Ok((transactions, held, room))
            }
        });
        let answers = messages.flat_map_unordered(None, move |message: Result<_, Status>| {
            let (ledger, client) = (ledger.clone(), payer.clone());
            match message {
                Ok((transactions, held, room)) => {
                    let results = async move {
                        let results = settled(ledger, client.as_ref(), transactions, room).await;
                        // They are handed over, or refused.
                        drop(held);
                        results
                    };
                    results.flatten_stream().map(Ok).boxed()
                }
                Err(error) => futures::stream::iter([Err(error)]).boxed(),
            }
        });
        // A block ends thousands of waits at once; a message for each would cost more than what it says.
        let answers = answers.ready_chunks(STREAM_BATCH_MAX);
        Ok(Response::new(answers.flat_map(|results| futures::stream::iter(packed(results))).boxed()))
    }

    async fn get_transaction(&self, request: Request<pb::GetTransactionRequest>) -> Answer<pb::GetTransactionResponse> {
        let (caller, snapshot) = identify(&*self.node, &request)?;
        let sight = Sight::new(caller.required()?, &*snapshot.view);
        let key = request.into_inner().key;
        // The time that goes with an answer of nothing was read before the look-up, so it is past no block that this missed.
        let found = match key {
            Some(Key::TransactionId(id)) => {
                let id = transaction_id("transaction_id", &id).map_err(malformed)?;
                self.node.transaction(id).await.map_err(unavailable)?
            }
            Some(Key::Request(key)) => {
                let sender = account_id("request.sender_account_id", &key.sender_account_id).map_err(malformed)?;
                let request = request_id("request.request_id", &key.request_id).map_err(malformed)?;
                self.node.transaction_by_request(sender, request).await.map_err(unavailable)?
            }
            None => {
                let why = "set transaction_id, or request with sender and request id";
                return Err(malformed(Malformed::new("key", why)));
            }
        };
        let visible = found.filter(|known| sees(sight, known)).ok_or_else(|| no_transaction(snapshot.time))?;
        Ok(Response::new(known_to_pb(sight, &visible)))
    }

    async fn get_receipt(&self, request: Request<pb::GetReceiptRequest>) -> Answer<pb::GetReceiptResponse> {
        let (caller, snapshot) = identify(&*self.node, &request)?;
        let pb::GetReceiptRequest { transaction_id: id, without_balances, checkpoint_height } = request.into_inner();
        let checkpoint_height = Some(checkpoint_height).filter(|height| *height > 0);
        if let Some(height) = checkpoint_height.filter(|height| *height > snapshot.height) {
            return Err(no_block(BlockError::NotReached { height, applied: snapshot.height }));
        }
        let id = transaction_id("transaction_id", &id).map_err(malformed)?;
        self.require_visible(caller.required()?, &*snapshot.view, id, "receipt").await?;
        let receipt = self.node.receipt(id, checkpoint_height).await.map_err(unavailable)?;
        let receipt = receipt.ok_or_else(|| not_found("receipt"))?;
        let reader = if without_balances { Caller::Anyone } else { caller };
        let receipt = visible_receipt(Sight::new(reader, &*snapshot.view), receipt);
        let outcome = Some(outcome_to_pb(&receipt.outcome, &receipt.balances));
        Ok(Response::new(pb::GetReceiptResponse { receipt: Some(receipt_to_pb(&receipt)), outcome }))
    }

    async fn get_citation(&self, request: Request<pb::GetCitationRequest>) -> Answer<pb::GetCitationResponse> {
        let (caller, snapshot) = identify(&*self.node, &request)?;
        let id = transaction_id("transaction_id", &request.get_ref().transaction_id).map_err(malformed)?;
        self.require_visible(caller.required()?, &*snapshot.view, id, "citation").await?;
        let citation = self.node.citation(id).await.map_err(unavailable)?.ok_or_else(|| not_found("citation"))?;
        Ok(Response::new(pb::GetCitationResponse { citation: Some(citation_to_pb(&citation)) }))
    }

    async fn get_lineage(&self, request: Request<pb::GetLineageRequest>) -> Answer<pb::GetLineageResponse> {
        let (caller, snapshot) = identify(&*self.node, &request)?;
        lineage(&*self.node, caller.required()?, &*snapshot.view, request.get_ref()).await.map(Response::new)
    }

    async fn get_block(&self, request: Request<pb::GetBlockRequest>) -> Answer<pb::GetBlockResponse> {
        let (caller, snapshot) = identify(&*self.node, &request)?;
        let record = self.node.block(request.get_ref().height).await.map_err(no_block)?;
        let block = Some(visible_block(Sight::new(caller, &*snapshot.view), &record));
        Ok(Response::new(pb::GetBlockResponse { block }))
    }

    type StreamBlocksStream = BoxStream<'static, Result<pb::StreamBlocksResponse, Status>>;

    async fn stream_blocks(&self, request: Request<pb::StreamBlocksRequest>) -> Answer<Self::StreamBlocksStream> {
        let (caller, snapshot) = identify(&*self.node, &request)?;
        let (reader, from) = (stream_reader(caller, &snapshot, &request), request.get_ref().from_height);
        streams::blocks(self.node.clone(), &self.streams, reader, from).await.map(Response::new)
    }

    type StreamEventsStream = BoxStream<'static, Result<pb::StreamEventsResponse, Status>>;

    async fn stream_events(&self, request: Request<pb::StreamEventsRequest>) -> Answer<Self::StreamEventsStream> {
        let (caller, snapshot) = identify(&*self.node, &request)?;
        let (reader, from) = (stream_reader(caller.required()?, &snapshot, &request), &request.get_ref().cursor);
        streams::events(self.node.clone(), &self.streams, reader, from).await.map(Response::new)
    }
}

fn stream_reader<T>(caller: Caller, snapshot: &Snapshot, request: &Request<T>) -> StreamReader {
    StreamReader {
        caller,
        key: signing_key(request.metadata()),
        institution: caller.account().map(|account| institution_of(&*snapshot.view, account)),
        client: CallingClient::of(request),
    }
}

impl Ledger {
    async fn require_visible(
        &self,
        caller: Caller,
        view: &dyn View,
        id: TransactionId,
        what: &str,
    ) -> Result<(), Status> {
        let known = self.node.transaction(id).await.map_err(unavailable)?;
        let visible = known.is_some_and(|known| sees(Sight::new(caller, view), &known));
        if visible { Ok(()) } else { Err(not_found(what)) }
    }
}

/// The block as the caller sees it: all of its header, and the transactions that concern the caller.
pub(super) fn visible_block(sight: Sight<'_>, record: &BlockRecord) -> pb::Block {
    let entries = record.block.transactions().iter().zip(record.outcomes.iter());
    let visible = entries.filter(|(signed, outcome)| sight.of_transaction(signed, outcome));
    let ids = visible.map(|(_, outcome)| outcome.transaction_id);
    block_to_pb(&record.block, record.certificate.as_ref(), &record.reserve_lines, ids)
}

/// The receipt with those balances opened that the reader may see.
pub(super) fn visible_receipt(sight: Sight<'_>, receipt: Receipt) -> Receipt {
    Receipt { balances: sight.balances(&receipt.balances), ..receipt }
}

fn sees(sight: Sight<'_>, known: &KnownTransaction) -> bool {
    let of_parties = sight.of_senders(&known.senders);
    match &known.fate {
        Fate::Final(done) => of_parties || sight.of_outcome(done.outcome()),
        Fate::Pending => of_parties,
    }
}

fn known_to_pb(sight: Sight<'_>, known: &KnownTransaction) -> pb::GetTransactionResponse {
    let (status, height, outcome) = match &known.fate {
        Fate::Pending => (TransactionStatus::Pending, 0, None),
        Fate::Final(done) => {
            let outcome = outcome_to_pb(done.outcome(), &sight.balances(&done.balances()));
            (status_to_pb(&done.outcome().status), done.height(), Some(outcome))
        }
    };
    pb::GetTransactionResponse { transaction_id: copied(known.transaction_id), status: status.into(), height, outcome }
}

fn copied(id: TransactionId) -> Bytes {
    Bytes::copy_from_slice(&id.0)
}

fn expired() -> Status {
    let message = "the transaction never happened: its expiry passed before a block took it. Sign a new one";
    status(Code::FailedPrecondition, "TRANSACTION_EXPIRED", message)
}

/// When a submission became final.
enum Settled {
    /// It was final before.
    Before,
    /// It became final while the call waited.
    Now,
}

/// Whom a client's submissions come from.
fn source_of(client: Option<&CallingClient>) -> Source {
    client.map(CallingClient::source).unwrap_or_default()
}

/// A refusal's status, once whoever sent the transaction has paid for it.
fn charged(client: Option<&CallingClient>, refusal: &Refusal) -> Status {
    client.inspect(|client| client.charge_for(refusal));
    refused(refusal)
}

/// Submits and waits until nothing can change any more.
async fn settle(
    ledger: &dyn LedgerHandle,
    client: Option<&CallingClient>,
    signed: SignedTransaction,
) -> Result<Settled, Status> {
    let pending =
        match ledger.submit_from(source_of(client), signed).await.map_err(|refusal| charged(client, &refusal))? {
            Submission::Final(_) => return Ok(Settled::Before),
            Submission::Pending(pending) => pending,
        };
    match ledger.wait_final(pending).await.map_err(unavailable)? {
        Ending::Final(_) => Ok(Settled::Now),
        Ending::Expired => Err(expired()),
        Ending::RequestTaken { by } => Err(refused(&Refusal::RequestIdReused { transaction_id: by })),
        Ending::Refused(refusal) => Err(refused(&refusal)),
    }
}

/// What a message of a stream takes of its client's budget, besides what it comes to: less than as many calls. One was paid before
/// it was read.
fn weight_of_message(transactions: usize) -> Option<NonZeroU32> {
    NonZeroU32::new(transactions.div_ceil(TRANSACTIONS_PER_WEIGHT).saturating_sub(1) as u32)
}

/// The messages of a stream, each with what is held for it until its transactions are handed over. Whoever owes, as for signatures
/// that did not verify, pays before the next message is read: what waits for a budget waits with its sender.
fn paid_before_read(
    messages: impl Stream<Item = Result<pb::SubmitStreamRequest, Status>> + Unpin + Send + 'static,
    client: Option<CallingClient>,
) -> BoxStream<'static, Result<Taken, Status>> {
    futures::stream::unfold((messages, client), async |(mut messages, client)| {
        if let Some(client) = &client {
            client.take(NonZeroU32::MIN).await;
        }
        // Nothing waits between the message and what is held for it.
        let message = messages.next().await?;
        let taken = message.and_then(unpack).and_then(|transactions| {
            let held = client.as_ref().map(|client| client.keep(memory_of(&transactions))).transpose()?;
            Ok((transactions, held))
        });
        Some((taken, (messages, client)))
    })
    .boxed()
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

/// What becomes of the transactions of one message, each as soon as it is known. A refusal concerns one alone; the stream
/// goes on. Their places are given back one by one.
async fn settled(
    ledger: Arc<dyn LedgerHandle>,
    client: Option<&CallingClient>,
    messages: Vec<pb::SignedTransaction>,
    mut room: OwnedSemaphorePermit,
) -> impl Stream<Item = pb::SubmissionResult> + use<> {
    let mut known = Vec::new();
    let mut signed = Vec::with_capacity(messages.len());
    for message in messages {
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
    for (id, submission) in ids.into_iter().zip(ledger.submit_all_from(source_of(client), signed).await) {
        match submission {
            Err(refusal) => {
                client.inspect(|client| client.charge_for(&refusal));
                known.push(refused_with(id, &refusal));
            }
            Ok(Submission::Final(done)) => known.push(finished(id, &done)),
            Ok(Submission::Pending(pending)) => {
                let (place, ending) = (room.split(1), ledger.wait_final(pending));
                waiting.push(async move {
                    let result = ended(id, ending.await);
                    drop(place);
                    result
                });
            }
        }
    }
    futures::stream::iter(known).chain(waiting)
}

fn ended(id: TransactionId, ending: Result<Ending, Unavailable>) -> pb::SubmissionResult {
    match ending {
        Ok(Ending::Final(done)) => finished(id, &done),
        Ok(Ending::Expired) => {
            let status = TransactionStatus::Expired.into();
            pb::SubmissionResult { transaction_id: copied(id), status, ..Default::default() }
        }
        Ok(Ending::RequestTaken { by }) => refused_with(id, &Refusal::RequestIdReused { transaction_id: by }),
        Ok(Ending::Refused(refusal)) => refused_with(id, &refusal),
        Err(Unavailable) => refused_with(id, &Refusal::NotServing { why: "it is stopping" }),
    }
}

fn finished(id: TransactionId, done: &FinalTransaction) -> pb::SubmissionResult {
    let reason = match &done.outcome().status {
        OutcomeStatus::Applied => String::new(),
        OutcomeStatus::Declined(decline) => decline_to_pb(decline).reason,
    };
    let status = status_to_pb(&done.outcome().status).into();
    pb::SubmissionResult { transaction_id: copied(id), status, height: done.height(), reason, message: String::new() }
}

fn refused_with(id: TransactionId, refusal: &Refusal) -> pb::SubmissionResult {
    let (reason, message) = (refusal.name().to_owned(), refusal.to_string());
    pb::SubmissionResult { transaction_id: copied(id), reason, message, ..Default::default() }
}

#[cfg(test)]
mod tests {
    use super::super::clients::{BAD_SIGNATURE_WEIGHT, ClientLimits, Clients};
    use super::*;
    use crate::node::NodeMetrics;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn client(calls_per_second: u32) -> CallingClient {
        let calls_per_second = NonZeroU32::new(calls_per_second).unwrap();
        let clients = Clients::new(ClientLimits { calls_per_second, ..ClientLimits::DEFAULT }, NodeMetrics::default());
        clients.calling(&tonic::codegen::http::Extensions::new())
    }

    /// A message of a megabyte.
    fn message() -> Result<pb::SubmitStreamRequest, Status> {
        let transaction = pb::SignedTransaction { body: Bytes::from(vec![7; 1 << 20]), signatures: Vec::new() };
        Ok(pb::SubmitStreamRequest { transactions: vec![transaction] })
    }

    #[tokio::test]
    async fn a_whole_message_is_held_for_its_client_until_it_is_handed_over() {
        let client = client(5_000);
        let stream = || paid_before_read(futures::stream::iter([message()]), Some(client.clone()));
        let mut waiting = Vec::new();
        let refused = loop {
            match stream().next().await.expect("a message") {
                Ok(message) => waiting.push(message),
                Err(refused) => break refused,
            }
        };
        // 64 MiB, with what goes with each.
        assert_eq!((refused.code(), waiting.len()), (Code::ResourceExhausted, 63));
        waiting.clear();
        assert!(stream().next().await.expect("a message").is_ok(), "what was handed over is not held");
    }

    #[tokio::test]
    async fn whoever_owes_pays_before_the_next_message_is_read() {
        let client = client(100);
        client.charge(2 * 100 + BAD_SIGNATURE_WEIGHT);
        let read = Arc::new(AtomicUsize::new(0));
        let counted = read.clone();
        let messages = futures::stream::iter([(); 2]).map(move |()| {
            counted.fetch_add(1, Ordering::Relaxed);
            message()
        });
        let mut paid = paid_before_read(messages, Some(client));
        assert!(paid.next().now_or_never().is_none(), "a fifth of a second is owed");
        assert_eq!(read.load(Ordering::Relaxed), 0, "it was read all the same");
        assert!(paid.next().await.expect("a message").is_ok());
    }

    #[test]
    fn empty_transactions_are_held_for_what_they_take_in_memory() {
        let signatures = vec![pb::TransactionSignature::default(); 1_000];
        let transactions = vec![pb::SignedTransaction { body: Bytes::new(), signatures }; 8];
        assert!(memory_of(&transactions) >= 8 * 1_000 * size_of::<pb::TransactionSignature>());
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
