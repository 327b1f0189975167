//! A client of a ledger: several nodes, one of which answers.
//!
//! A transaction is sent as the same bytes to one node after the other until one of them says what became of it. That is
//! safe, because its identity is its body's hash: it cannot be applied twice, whoever receives it.

use super::connection::{Connection, Reader};
use super::error::{ClientError, cause_of, final_otherwise, is_worth_another_node, never_happened, was_never_taken};
use super::tls::Tls;
use super::transaction::now_ms;
use crate::ledger::receipt::Receipt;
use crate::ledger::{Outcome, SignedTransaction};
use crate::primitives::{AccountId, ChainId, TransactionId};
use crate::wire::pb::ledger as pb;
use crate::wire::{receipt_from_pb, signed_transaction_to_pb};
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};
use tonic::{Code, Response, Status};
use tonic_types::StatusExt as _;

/// How long one node is given to answer before the next is asked.
const PATIENCE_PER_NODE: Duration = Duration::from_secs(5);
/// How long to wait for finality if nothing else is said.
const PATIENCE_DEFAULT: Duration = Duration::from_secs(60);
const BACKOFF_FIRST: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(2);
/// Longest wait that a node may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(10);

/// A final transaction with its proof.
#[derive(Clone, Debug)]
pub struct Settled {
    /// The proof. Verify it with [`Receipt::verify`]; nothing here has.
    pub receipt: Receipt,
    /// From admission to finality at the node, in microseconds; 0 if the same bytes were final before.
    pub finality_us: u64,
    /// How many calls it took.
    pub attempts: u32,
}

impl Settled {
    /// What the transaction did.
    pub fn outcome(&self) -> &Outcome {
        &self.receipt.outcome
    }
}

/// A client of the nodes of one ledger.
#[derive(Debug)]
pub struct Client {
    connections: Vec<Connection>,
    /// The node that answered last.
    preferred: AtomicUsize,
    chain_id: ChainId,
    tls: Option<Tls>,
    patience: Duration,
    /// How far the ledger's clock was ahead of this machine's when the first node answered, in ms.
    ahead_ms: i64,
}

impl Client {
    /// Connects to a ledger through any of its nodes, and learns its chain id from them unless one is expected.
    ///
    /// # Errors
    /// An endpoint is no URL, nobody answers, or the node is of another ledger than expected.
    pub async fn connect<S: AsRef<str>>(endpoints: &[S], expected: Option<ChainId>) -> Result<Self, ClientError> {
        Self::connect_over(None, endpoints, expected).await
    }

    /// The same, over TLS where an endpoint is `https://`.
    ///
    /// # Errors
    /// Those of [`Self::connect`]; an endpoint speaks TLS and there is none to speak it with.
    pub async fn connect_over<S: AsRef<str>>(
        tls: Option<Tls>,
        endpoints: &[S],
        expected: Option<ChainId>,
    ) -> Result<Self, ClientError> {
        let mut connections = Vec::new();
        for endpoint in endpoints {
            connections.push(Connection::lazy(endpoint.as_ref(), tls.as_ref())?);
        }
        let chain_id = expected.unwrap_or(ChainId([0; 32]));
        let preferred = AtomicUsize::new(0);
        let mut client = Self { connections, preferred, chain_id, tls, patience: PATIENCE_DEFAULT, ahead_ms: 0 };
        let status = client.status().await?;
        if client.connections.iter().all(Connection::is_on_this_machine) {
            client.ahead_ms = status.time_ms.saturating_add(status.final_age_ms).wrapping_sub(now_ms()).cast_signed();
        }
        let found = ChainId::from_slice(&status.chain_id);
        let found = found.ok_or_else(|| ClientError::Malformed("the chain id is not 32 bytes".to_owned()))?;
        match expected {
            Some(expected) if expected != found => return Err(ClientError::ForeignChain { found, expected }),
            _ => client.chain_id = found,
        }
        Ok(client)
    }

    /// The same nodes, read from as another account.
    #[must_use]
    pub fn reading_as(&self, reader: Reader) -> Self {
        let reading = |connection: &Connection| connection.reading_as(reader.clone(), self.chain_id);
        Self {
            connections: self.connections.iter().map(reading).collect(),
            preferred: AtomicUsize::new(self.preferred.load(Ordering::Relaxed)),
            chain_id: self.chain_id,
            tls: self.tls.clone(),
            patience: self.patience,
            ahead_ms: self.ahead_ms,
        }
    }

    /// A client of one node of the same ledger.
    ///
    /// # Errors
    /// It does not answer, or is of another ledger.
    pub async fn of_node(&self, endpoint: &str) -> Result<Self, ClientError> {
        Self::connect_over(self.tls.clone(), &[endpoint], Some(self.chain_id)).await
    }

    /// The same client with another limit to how long it tries.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The ledger.
    pub fn chain_id(&self) -> ChainId {
        self.chain_id
    }

    /// Now, as a transaction's expiry goes by: this machine's clock, or, where every node is on this machine, the ledger's as the
    /// node tells it, since a network in a rehearsal is ahead. No other node is believed: one that told a time hours ahead would
    /// be signed transactions that it could keep back for as long.
    pub fn now_ms(&self) -> u64 {
        now_ms().saturating_add_signed(self.ahead_ms)
    }

    /// The nodes' addresses, the one that is asked first in front.
    pub fn endpoints(&self) -> Vec<&str> {
        self.in_order().map(|(_, connection)| connection.endpoint.as_str()).collect()
    }

    /// A connection to the node that is asked first.
    ///
    /// # Errors
    /// There is none.
    pub fn connection(&self) -> Result<&Connection, ClientError> {
        let first = self.in_order().next();
        first.map(|(_, connection)| connection).ok_or_else(|| ClientError::Request("no endpoint was given".to_owned()))
    }

    fn in_order(&self) -> impl Iterator<Item = (usize, &Connection)> {
        let (count, first) = (self.connections.len(), self.preferred.load(Ordering::Relaxed));
        (0..count).map(move |step| (first + step) % count).map(|index| (index, &self.connections[index]))
    }

    /// Makes a call that may be repeated, of each node in turn until one answers.
    ///
    /// # Errors
    /// A refusal, or that nobody answers.
    pub async fn ask<T, F, Answer>(&self, call: F) -> Result<T, ClientError>
    where
        F: Fn(Connection) -> Answer,
        Answer: Future<Output = Result<Response<T>, Status>>,
    {
        let mut last = Status::unavailable("no endpoint was given");
        for (index, connection) in self.in_order() {
            let answer = timeout(PATIENCE_PER_NODE + patience_with_signer(connection), call(connection.clone())).await;
            match answer.unwrap_or_else(|_| Err(Status::unavailable("it did not answer in time"))) {
                Ok(response) => {
                    self.preferred.store(index, Ordering::Relaxed);
                    return Ok(response.into_inner());
                }
                Err(status) if is_worth_another_node(&status) => last = status,
                Err(status) => return Err(ClientError::from_status(&status, &connection.endpoint)),
            }
        }
        Err(ClientError::from_status(&last, &self.endpoints().join(", ")))
    }

    /// Submits a transaction and waits for its receipt, trying one node after the other with the same bytes.
    ///
    /// A transaction that the ledger declines is settled too: its receipt says why.
    ///
    /// # Errors
    /// A refusal (no node took it), that nobody answers (nothing was sent), or that the outcome is unknown: once a node may have
    /// taken it, another's refusal speaks of its own call alone, unless it says that the transaction never happened.
    pub async fn submit_and_wait(&self, transaction: &SignedTransaction) -> Result<Settled, ClientError> {
        let mut sent = Sent::now(transaction.id());
        let deadline = sent.since + self.patience;
        let mut backoff = BACKOFF_FIRST;
        let mut attempts = 0;
        loop {
            let mut last = Status::unavailable("no endpoint was given");
            for (index, connection) in self.in_order() {
                attempts += 1;
                match self.submit_once(connection, transaction, deadline).await {
                    Ok(response) => {
                        self.preferred.store(index, Ordering::Relaxed);
                        return settled(response, transaction.id(), attempts);
                    }
                    Err(status) => {
                        let status = sent.not_taken(status, &connection.endpoint)?;
                        // That one waited in vain tells more than that another does not answer.
                        if last.code() != Code::DeadlineExceeded {
                            last = status;
                        }
                    }
                }
            }
            let pause = backoff.max(asked_to_wait(&last));
            if Instant::now() + pause >= deadline {
                return Err(sent.in_vain(&last, &self.endpoints()));
            }
            sleep(pause).await;
            backoff = (backoff * 2).min(BACKOFF_MAX);
        }
    }

    async fn submit_once(
        &self,
        connection: &Connection,
        transaction: &SignedTransaction,
        deadline: Instant,
    ) -> Result<pb::SubmitAndWaitResponse, Status> {
        let patience = PATIENCE_PER_NODE.min(deadline.saturating_duration_since(Instant::now()));
        let mut request =
            tonic::Request::new(pb::SubmitAndWaitRequest { transaction: Some(signed_transaction_to_pb(transaction)) });
        request.set_timeout(patience);
        let mut service = connection.ledger();
        let until = patience + patience_with_signer(connection) + Duration::from_millis(250);
        let answer = timeout(until, service.submit_and_wait(request)).await;
        answer.unwrap_or_else(|_| Err(Status::deadline_exceeded("it did not answer in time"))).map(Response::into_inner)
    }

    /// Submits a transaction without waiting for its finality.
    ///
    /// # Errors
    /// Those of [`Self::submit_and_wait`].
    pub async fn submit(&self, transaction: &SignedTransaction) -> Result<TransactionId, ClientError> {
        let message = signed_transaction_to_pb(transaction);
        let mut sent = Sent::now(transaction.id());
        let mut last = Status::unavailable("no endpoint was given");
        for (index, connection) in self.in_order() {
            let (mut service, request) =
                (connection.ledger(), pb::SubmitRequest { transaction: Some(message.clone()) });
            let until = PATIENCE_PER_NODE + patience_with_signer(connection);
            let answer = timeout(until, service.submit(request)).await;
            match answer.unwrap_or_else(|_| Err(Status::deadline_exceeded("it did not answer in time"))) {
                Ok(_) => {
                    self.preferred.store(index, Ordering::Relaxed);
                    return Ok(sent.transaction);
                }
                Err(status) => last = sent.not_taken(status, &connection.endpoint)?,
            }
        }
        Err(sent.in_vain(&last, &self.endpoints()))
    }

    /// The account whose balance, receivables and so on this client reads, if it reads as one.
    pub fn reader(&self) -> Option<AccountId> {
        self.connections.first()?.reader().map(|reader| reader.account)
    }
}

/// A transaction that is sent to one node after the other, and what those asked so far leave open.
struct Sent {
    transaction: TransactionId,
    since: Instant,
    may_be_taken: bool,
}

impl Sent {
    fn now(transaction: TransactionId) -> Self {
        Self { transaction, since: Instant::now(), may_be_taken: false }
    }

    /// Takes up that a node gave no answer. The status is given back where another node is to be asked.
    ///
    /// # Errors
    /// A refusal, unless a node that was asked before may have taken it: then the outcome is open, save of what never happened.
    /// It is not told here either of what is final with other signatures.
    fn not_taken(&mut self, status: Status, endpoint: &str) -> Result<Status, ClientError> {
        if final_otherwise(&status) {
            return Err(self.unknown(cause_of(&status)));
        }
        if is_worth_another_node(&status) {
            self.may_be_taken |= !was_never_taken(&status);
            return Ok(status);
        }
        if self.may_be_taken && !never_happened(&status) {
            let cause = format!("a node may have taken it, and another refuses it: {}", cause_of(&status));
            return Err(self.unknown(cause));
        }
        Err(ClientError::from_status(&status, endpoint))
    }

    /// What is known once no node is asked any more.
    fn in_vain(&self, last: &Status, endpoints: &[&str]) -> ClientError {
        match last.code() {
            _ if !self.may_be_taken => ClientError::from_status(last, &endpoints.join(", ")),
            // The node's own words for it tell a program what to do next, and so does the error.
            Code::DeadlineExceeded => self.unknown("no block holds it yet".to_owned()),
            _ => self.unknown(cause_of(last)),
        }
    }

    fn unknown(&self, cause: String) -> ClientError {
        ClientError::OutcomeUnknown { transaction: self.transaction, waited: self.since.elapsed(), cause }
    }
}

/// How long it may take until a call is signed and leaves.
fn patience_with_signer(connection: &Connection) -> Duration {
    connection.reader().map_or(Duration::ZERO, |reader| reader.key.patience())
}

/// How long a node said to wait before the same call may succeed.
fn asked_to_wait(status: &Status) -> Duration {
    let asked = status.get_details_retry_info().and_then(|retry| retry.retry_delay);
    asked.unwrap_or_default().min(RETRY_AFTER_MAX)
}

fn settled(response: pb::SubmitAndWaitResponse, sent: TransactionId, attempts: u32) -> Result<Settled, ClientError> {
    let message = response.receipt.ok_or_else(|| ClientError::Malformed("there is no receipt in it".to_owned()))?;
    let receipt = receipt_from_pb(message).map_err(|error| ClientError::Malformed(error.to_string()))?;
    if receipt.transaction_id() != sent {
        return Err(ClientError::Malformed("its receipt is of another transaction".to_owned()));
    }
    Ok(Settled { receipt, finality_us: response.finality_us, attempts })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic_types::ErrorDetails;

    #[test]
    fn a_node_that_says_when_to_try_again_is_heeded_within_reason() {
        let asking = |delay| {
            let details = ErrorDetails::with_retry_info(Some(delay));
            asked_to_wait(&Status::with_error_details(Code::ResourceExhausted, "full", details))
        };
        assert_eq!(asking(Duration::from_millis(500)), Duration::from_millis(500));
        assert_eq!(asking(Duration::from_secs(3_600)), RETRY_AFTER_MAX);
        assert_eq!(asked_to_wait(&Status::resource_exhausted("full")), Duration::ZERO);
    }
}
