//! Submitting through several nodes: what a client says of a transaction once one of them may have taken it.

use super::stand_in::{GENESIS_TIME_MS, StandIn, account, key};
use causeway::api::{ServerConfig, serve};
use causeway::client::operations::{self, Keys};
use causeway::client::{Client, ClientError, TransactionBuilder};
use causeway::ledger::SignedTransaction;
use causeway::node::service::LedgerHandle as _;
use causeway::primitives::RequestId;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// The address of a server of this ledger.
async fn served(ledger: &StandIn) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(serve(listener, Arc::new(ledger.clone()), ServerConfig::default(), std::future::pending()));
    format!("http://{address}")
}

/// An address at which nobody listens.
async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    format!("http://{}", listener.local_addr().expect("it is bound"))
}

/// Opens an account on one of two ledgers of one genesis, and has it send something: the other knows no such sender.
async fn of_a_sender_that_one_knows(client: &Client, knows: &StandIn) -> SignedTransaction {
    let opened_by = TransactionBuilder::with_request_id(client.chain_id(), account("bank-a"), RequestId([1; 16]));
    let mut opened_by = opened_by.expires_at_ms(GENESIS_TIME_MS + 60_000);
    let opened = opened_by.add(operations::open_account(Keys::single(key(50).public_key()), &[], "")).account_id();
    let opening = opened_by.finish().sign(&[key(1), key(50)]).expect("it is small");
    knows.submit(opening).await.expect("it is admitted");
    let builder = TransactionBuilder::with_request_id(client.chain_id(), opened, RequestId([2; 16]));
    let mut builder = builder.expires_at_ms(GENESIS_TIME_MS + 60_000);
    builder.add(operations::close_account(opened));
    builder.finish().sign(&[key(50)]).expect("it is small")
}

/// The first node takes it, and cannot give a receipt; the second refuses it. Nothing says that nothing happened, and it did.
#[tokio::test]
async fn a_refusal_after_a_node_may_have_taken_it_leaves_the_outcome_open() {
    let (takes, refuses) = (StandIn::open(), StandIn::open());
    let client = Client::connect(&[served(&takes).await, served(&refuses).await], None).await.expect("they answer");
    let transaction = of_a_sender_that_one_knows(&client, &takes).await;
    let error = client.submit_and_wait(&transaction).await.expect_err("no node gives its receipt");
    let ClientError::OutcomeUnknown { transaction: id, cause, .. } = &error else { panic!("{error:?}") };
    assert_eq!(*id, transaction.id());
    assert!(cause.contains("another refuses it: there is no account"), "{cause}");
    assert_eq!(takes.status().height, 2, "it happened");
}

/// A way to a server that can be cut: then whoever comes is heard and never answered.
async fn cuttable(to: String) -> (String, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let (cut, is_cut) = watch::channel(false);
    let server = to.trim_start_matches("http://").to_owned();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let (mut is_cut, server) = (is_cut.clone(), server.clone());
            tokio::spawn(async move {
                if *is_cut.borrow() {
                    let _ = client.read(&mut [0; 64]).await;
                    return;
                }
                let mut server = TcpStream::connect(server).await.expect("it listens");
                tokio::select! {
                    _ = copy_bidirectional(&mut client, &mut server) => (),
                    _ = is_cut.changed() => (),
                }
            });
        }
    });
    (format!("http://{address}"), cut)
}

/// Without waiting it is the same: the connection breaks after the transaction went out, and another node refuses it.
#[tokio::test]
async fn who_does_not_wait_hears_that_the_outcome_is_open_too() {
    let (near, refuses) = (StandIn::open(), StandIn::open());
    let (way, cut) = cuttable(served(&near).await).await;
    let client = Client::connect(&[way, served(&refuses).await], None).await.expect("they answer");
    let transaction = of_a_sender_that_one_knows(&client, &near).await;
    cut.send(true).expect("somebody listens");
    let error = client.submit(&transaction).await.expect_err("one breaks off, one refuses");
    assert!(matches!(error, ClientError::OutcomeUnknown { .. }), "{error:?}");
    // Asked alone, its refusal is one.
    let alone = client.of_node(client.endpoints()[1]).await.expect("it answers");
    let error = alone.submit(&transaction).await.expect_err("it knows no such sender");
    assert_eq!(error.refusal().map(|refusal| refusal.reason.as_str()), Some("SENDER_UNKNOWN"), "{error:?}");
}

/// That it expired is said of the transaction, and not of one call: it never happened, whoever had it before.
#[tokio::test]
async fn what_expired_is_no_open_outcome() {
    let (takes, later) = (StandIn::open(), StandIn::open());
    let client = Client::connect(&[served(&takes).await, served(&later).await], None).await.expect("they answer");
    let opening = |request: u8, expires_at_ms| {
        let builder =
            TransactionBuilder::with_request_id(client.chain_id(), account("bank-a"), RequestId([request; 16]));
        let mut builder = builder.expires_at_ms(expires_at_ms);
        builder.add(operations::open_account(Keys::single(key(60 + request).public_key()), &[], ""));
        builder.finish().sign(&[key(1), key(60 + request)]).expect("it is small")
    };
    for request in 1..=5 {
        later.submit(opening(request, GENESIS_TIME_MS + 60_000)).await.expect("it is admitted");
    }
    let error = client.submit_and_wait(&opening(9, GENESIS_TIME_MS + 4)).await.expect_err("its time is over");
    assert_eq!(error.refusal().map(|refusal| refusal.reason.as_str()), Some("TRANSACTION_EXPIRED"), "{error:?}");
    assert_eq!(takes.status().height, 1, "the first node was asked");
}

/// Where no node can have taken it, a refusal is one: nobody listens at one address, and the other node had no room before.
#[tokio::test]
async fn a_refusal_is_one_where_no_node_can_have_taken_it() {
    let (knows, refuses) = (StandIn::open(), StandIn::open());
    let client = Client::connect(&[served(&refuses).await, nobody().await], None).await.expect("one answers");
    let transaction = of_a_sender_that_one_knows(&client, &knows).await;
    refuses.full_for.store(1, Ordering::Relaxed);
    let error = client.submit_and_wait(&transaction).await.expect_err("it knows no such sender");
    assert_eq!(error.refusal().map(|refusal| refusal.reason.as_str()), Some("SENDER_UNKNOWN"), "{error:?}");
    assert_eq!(refuses.full_for.load(Ordering::Relaxed), 0, "it had no room once");
    // Nor is it open what became of it if there never was room.
    refuses.full_for.store(usize::MAX, Ordering::Relaxed);
    let impatient = client.with_patience(Duration::from_millis(100));
    let error = impatient.submit_and_wait(&transaction).await.expect_err("no room");
    assert!(!matches!(error, ClientError::OutcomeUnknown { .. }), "{error:?}");
    assert_eq!(refuses.status().height, 0);
}
