//! What is told of transactions that wait: to whom, how often, and that none that was taken is told as refused.

use super::stand_in::{StandIn, account, key, opening, signed};
use causeway::api::{ClientLimits, Patience, ServerConfig, serve};
use causeway::node::service::LedgerHandle as _;
use causeway::wire::pb::ledger::ledger_service_client::LedgerServiceClient;
use causeway::wire::pb::ledger::{self as pb, TransactionStatus};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

const SOON: Duration = Duration::from_secs(20);

async fn served(config: ServerConfig) -> (StandIn, Endpoint) {
    let (ledger, listener) = (StandIn::open(), TcpListener::bind("127.0.0.1:0").await.expect("a port is free"));
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(serve(listener, Arc::new(ledger.clone()), config, std::future::pending()));
    (ledger, Endpoint::from_shared(format!("http://{address}")).expect("an address"))
}

async fn client_of(endpoint: &Endpoint) -> LedgerServiceClient<Channel> {
    LedgerServiceClient::new(endpoint.connect().await.expect("the server answers"))
}

/// A transaction of bank A, by number.
fn transaction(ledger: &StandIn, number: u8) -> pb::SignedTransaction {
    signed(&opening(ledger, account("bank-a"), number, 40 + number), &key(1))
}

fn waiting_for(transaction: &pb::SignedTransaction) -> pb::SubmitAndWaitRequest {
    pb::SubmitAndWaitRequest { transaction: Some(transaction.clone()) }
}

fn reason(status: &Status) -> (Code, String) {
    (status.code(), status.get_details_error_info().map(|info| info.reason).unwrap_or_default())
}

/// Until a count is reached; it never passes it.
async fn until(ledger: &StandIn, waits: usize) {
    timeout(SOON, async {
        while ledger.waits.load(Ordering::Relaxed) < waits {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("it waits");
}

/// Copies of one payment, over streams enough, would take all the room there is to wait, everybody's.
#[tokio::test]
async fn a_stream_waits_once_for_all_copies_of_a_transaction_and_answers_each() {
    let (ledger, endpoint) = served(ServerConfig::default()).await;
    ledger.holds_back.store(true, Ordering::Relaxed);
    let (copied, other) = (transaction(&ledger, 1), transaction(&ledger, 2));
    let (outgoing, queued) = mpsc::channel(4);
    for _ in 0..3 {
        let copies = vec![copied.clone(); 500];
        outgoing.send(pb::SubmitStreamRequest { transactions: copies }).await.expect("it is open");
    }
    outgoing.send(pb::SubmitStreamRequest { transactions: vec![other] }).await.expect("it is open");
    let mut client = client_of(&endpoint).await;
    let answers = client.submit_stream(ReceiverStream::new(queued)).await.expect("it opens").into_inner();
    drop(outgoing);
    until(&ledger, 2).await;
    ledger.release();
    let answers = timeout(SOON, answers.map(|answer| answer.expect("it goes on").results).collect::<Vec<_>>()).await;
    let answers = answers.expect("all are answered").concat();
    assert!(answers.iter().all(|answer| answer.status() == TransactionStatus::Applied));
    assert_eq!((answers.len(), ledger.waits.load(Ordering::Relaxed)), (1_501, 2));
}

/// Whoever is told of a refusal signs anew, and would pay twice.
#[tokio::test]
async fn what_was_taken_and_cannot_be_waited_for_is_never_told_as_refused() {
    let (ledger, endpoint) = served(ServerConfig::default()).await;
    ledger.falls_silent.store(true, Ordering::Relaxed);
    let mut client = client_of(&endpoint).await;
    let messages = vec![pb::SubmitStreamRequest { transactions: vec![transaction(&ledger, 1)] }];
    let answers = client.submit_stream(tokio_stream::iter(messages)).await.expect("it opens").into_inner();
    let answers: Vec<_> = answers.map(|answer| answer.expect("it goes on").results).collect().await;
    let answer = answers.concat().pop().expect("an answer");
    assert_eq!((answer.status(), answer.reason.as_str()), (TransactionStatus::Pending, "OUTCOME_UNKNOWN"));
    let status = client.submit_and_wait(waiting_for(&transaction(&ledger, 2))).await.expect_err("nobody tells");
    assert_eq!(reason(&status), (Code::Unavailable, "OUTCOME_UNKNOWN".to_owned()));
    // Nor is what is final and has no receipt yet.
    ledger.falls_silent.store(false, Ordering::Relaxed);
    let status = client.submit_and_wait(waiting_for(&transaction(&ledger, 3))).await.expect_err("there is no receipt");
    assert_eq!(reason(&status), (Code::Unavailable, "OUTCOME_UNKNOWN".to_owned()));
    assert_eq!(ledger.status().height, 3, "they happened");
}

#[tokio::test]
async fn a_client_has_so_many_waits_and_past_them_nothing_is_taken() {
    let clients = ClientLimits { waits_at_once: 2, ..ClientLimits::DEFAULT };
    let (ledger, endpoint) = served(ServerConfig { clients, ..ServerConfig::default() }).await;
    ledger.holds_back.store(true, Ordering::Relaxed);
    ledger.gives_receipts.store(true, Ordering::Relaxed);
    let client = client_of(&endpoint).await;
    let waits: Vec<_> = (1..=2)
        .map(|number| {
            let (mut client, request) = (client.clone(), waiting_for(&transaction(&ledger, number)));
            tokio::spawn(async move { client.submit_and_wait(request).await.map(drop) })
        })
        .collect();
    until(&ledger, 2).await;
    let mut client = client;
    let refused = client.submit_and_wait(waiting_for(&transaction(&ledger, 3))).await.expect_err("no room");
    assert_eq!(reason(&refused), (Code::ResourceExhausted, "TOO_MANY_WAITS".to_owned()));
    assert!(refused.get_details_retry_info().is_some_and(|retry| retry.retry_delay.is_some()));
    let messages = vec![pb::SubmitStreamRequest { transactions: vec![transaction(&ledger, 4)] }];
    let answers = client.submit_stream(tokio_stream::iter(messages)).await.expect("it opens").into_inner();
    let answers: Vec<_> = answers.map(|answer| answer.expect("it goes on").results).collect().await;
    assert_eq!(answers.concat()[0].reason, "TOO_MANY_WAITS");
    ledger.release();
    for wait in waits {
        wait.await.expect("it ends").expect("it is final");
    }
    assert_eq!(ledger.status().height, 2, "what was refused did not happen");
    client.submit_and_wait(waiting_for(&transaction(&ledger, 3))).await.expect("there is room again");
}

#[tokio::test]
async fn a_submit_stream_whose_answers_are_not_read_is_cut_off() {
    let patience = Patience { reader: Duration::from_millis(50), ..Patience::DEFAULT };
    let (ledger, endpoint) = served(ServerConfig { patience, ..ServerConfig::default() }).await;
    let mut client = client_of(&endpoint.initial_stream_window_size(1)).await;
    let (outgoing, queued) = mpsc::channel(1);
    let mut answers = client.submit_stream(ReceiverStream::new(queued)).await.expect("it opens").into_inner();
    // Refused at once, so that each has an answer of its own, until the node reads no further.
    let mut foreign = opening(&ledger, account("bank-a"), 1, 41);
    foreign.chain_id = vec![9; 32].into();
    let message = pb::SubmitStreamRequest { transactions: vec![signed(&foreign, &key(1))] };
    let mut sent = 0;
    while let Ok(Ok(())) = timeout(Duration::from_secs(2), outgoing.send(message.clone())).await {
        sent += 1;
        assert!(sent < 1_000_000, "it reads on though nothing is read of its answers");
    }
    let ended = timeout(SOON, async {
        loop {
            match answers.message().await {
                Ok(Some(_)) => {}
                Ok(None) => return None,
                Err(status) => return Some(status),
            }
        }
    });
    let ended = ended.await.expect("it ends").expect("it says why");
    assert_eq!(reason(&ended), (Code::ResourceExhausted, "READER_TOO_SLOW".to_owned()));
}

/// Whoever was shown a draft knows its id, and can send it with garbage for signatures.
#[tokio::test]
async fn a_final_transactions_receipt_is_for_the_signatures_that_it_has() {
    let (ledger, endpoint) = served(ServerConfig::default()).await;
    ledger.gives_receipts.store(true, Ordering::Relaxed);
    let mut client = client_of(&endpoint).await;
    let genuine = transaction(&ledger, 1);
    client.submit_and_wait(waiting_for(&genuine)).await.expect("it is final");
    client.submit_and_wait(waiting_for(&genuine)).await.expect("and told again to who has its signatures");
    let mut forged = genuine.clone();
    forged.signatures.truncate(1);
    forged.signatures[0].signature = vec![7; 64].into();
    let told = client.submit_and_wait(waiting_for(&forged)).await.expect_err("it is nobody's who forges");
    assert_eq!(reason(&told), (Code::AlreadyExists, "SIGNED_OTHERWISE".to_owned()));
    let figures = told.get_details_error_info().expect("it has them").metadata;
    assert_eq!((figures["height"].as_str(), figures["status"].as_str()), ("1", "APPLIED"));
}
