//! `LedgerService`: submitting transactions, and reading what became of them.

use super::caller::{Caller, identify, signing_key};
use super::clients::CallingClient;
use super::lineage::lineage;
use super::shares::{Kept, Share};
use super::status::{
    malformed, no_block, no_transaction, not_found, outcome_unknown, refused, signed_otherwise, status, too_many_waits,
    unavailable,
};
use super::streams::{self, StreamPlaces, StreamReader};
use super::submissions;
use super::visibility::Sight;
use crate::admission::Refusal;
use crate::ledger::account::institution_of;
use crate::ledger::malformed::Malformed;
use crate::ledger::receipt::Receipt;
use crate::ledger::{SignedTransaction, View};
use crate::node::service::{
    BlockError, BlockRecord, Ending, Fate, KnownTransaction, LedgerHandle, Snapshot, Source, Submission,
};
use crate::primitives::TransactionId;
use crate::wire::pb::ledger::get_transaction_request::Key;
use crate::wire::pb::ledger::ledger_service_server::LedgerService;
use crate::wire::pb::ledger::{self as pb, TransactionStatus};
use crate::wire::{
    account_id, block_to_pb, citation_to_pb, outcome_to_pb, receipt_to_pb, request_id, signed_transaction,
    status_to_pb, transaction_id,
};
use bytes::Bytes;
use futures::stream::BoxStream;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tonic::{Code, Request, Response, Status, Streaming};

type Answer<T> = Result<Response<T>, Status>;

/// The service.
#[derive(Clone)]
pub(super) struct Ledger {
    pub node: Arc<dyn LedgerHandle>,
    pub streams: StreamPlaces,
    /// How long a stream's reader may leave its queue full.
    pub patience: Duration,
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
            Submission::SignedOtherwise { applied: true, .. } => TransactionStatus::Applied,
            Submission::SignedOtherwise { applied: false, .. } => TransactionStatus::Declined,
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
        // Final, and its certificate not here yet, or the node stops: by no means "not found", and no refusal.
        let receipt = self.node.receipt(id, None).await.ok().flatten().ok_or_else(outcome_unknown)?;
        let state = self.node.snapshot().map_err(|_| outcome_unknown())?.view;
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
        let client = CallingClient::of(&request);
        submissions::answered(self.node.clone(), client, request.into_inner(), self.patience).map(Response::new)
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
        streams::blocks(self.node.clone(), &self.streams, reader, self.patience, from).await.map(Response::new)
    }

    type StreamEventsStream = BoxStream<'static, Result<pb::StreamEventsResponse, Status>>;

    async fn stream_events(&self, request: Request<pb::StreamEventsRequest>) -> Answer<Self::StreamEventsStream> {
        let (caller, snapshot) = identify(&*self.node, &request)?;
        let (reader, from) = (stream_reader(caller.required()?, &snapshot, &request), &request.get_ref().cursor);
        streams::events(self.node.clone(), &self.streams, reader, self.patience, from).await.map(Response::new)
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
pub(super) fn source_of(client: Option<&CallingClient>) -> Source {
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
    // Room first: what cannot be waited for is not taken.
    let mut room = client.map(|client| client.share(Kept::Waits));
    if room.as_mut().is_some_and(|room: &mut Share| !room.set(1)) {
        return Err(too_many_waits());
    }
    let pending =
        match ledger.submit_from(source_of(client), signed).await.map_err(|refusal| charged(client, &refusal))? {
            Submission::Final(_) => return Ok(Settled::Before),
            Submission::SignedOtherwise { height, applied } => return Err(signed_otherwise(height, applied)),
            Submission::Pending(pending) => pending,
        };
    // From here on nothing is told as a refusal that may still happen.
    match ledger.wait_final(pending).await {
        Ok(Ending::Final(_)) => Ok(Settled::Now),
        Ok(Ending::Expired) => Err(expired()),
        Ok(Ending::RequestTaken { by }) => Err(refused(&Refusal::RequestIdReused { transaction_id: by })),
        Ok(Ending::Refused(refusal)) => Err(refused(&refusal)),
        Ok(Ending::Untold) | Err(_) => Err(outcome_unknown()),
    }
}
