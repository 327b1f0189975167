//! The API's own rules, over a real socket: statuses and their details, who reads what, pages, streams, deadlines.

use super::stand_in::{StandIn, account, key, opening, signed, text};
use bytes::Bytes;
use causeway::api::{READ_AUTHORISATION_AHEAD_MS_MAX, SERVICES, ServerConfig, read_message, serve};
use causeway::client::KeyPair;
use causeway::node::service::LedgerHandle as _;
use causeway::primitives::AccountId;
use causeway::wire::pb::accounts::accounts_service_client::AccountsServiceClient;
use causeway::wire::pb::accounts::{self, GetAccountRequest, GetCounterpartyRequest, ListAccountsRequest, Role};
use causeway::wire::pb::ledger::get_transaction_request::Key as TransactionKey;
use causeway::wire::pb::ledger::ledger_service_client::LedgerServiceClient;
use causeway::wire::pb::ledger::stream_events_response::Item;
use causeway::wire::pb::ledger::{self as pb, TransactionStatus};
use causeway::wire::pb::node::GetStatusRequest;
use causeway::wire::pb::node::node_service_client::NodeServiceClient;
use causeway::wire::pb::tokens::GetTokenRequest;
use causeway::wire::pb::tokens::tokens_service_client::TokensServiceClient;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio_stream::StreamExt as _;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

const GET_ACCOUNT: &str = "/causeway.accounts.v1.AccountsService/GetAccount";
const GET_COUNTERPARTY: &str = "/causeway.accounts.v1.AccountsService/GetCounterparty";
const LIST_ACCOUNTS: &str = "/causeway.accounts.v1.AccountsService/ListAccounts";
const STREAM_EVENTS: &str = "/causeway.ledger.v1.LedgerService/StreamEvents";
const GET_TRANSACTION: &str = "/causeway.ledger.v1.LedgerService/GetTransaction";
const GET_BLOCK: &str = "/causeway.ledger.v1.LedgerService/GetBlock";

async fn served() -> (StandIn, Channel) {
    let ledger = StandIn::open();
    let channel = serving(&ledger).await;
    (ledger, channel)
}

/// A connection to a server of this ledger.
pub async fn serving(ledger: &StandIn) -> Channel {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let handle = Arc::new(ledger.clone());
    tokio::spawn(serve(listener, handle, ServerConfig::default(), std::future::pending()));
    let channel = Channel::from_shared(format!("http://{address}")).expect("an address");
    channel.connect().await.expect("the server answers")
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as u64
}

/// A call signed by `by` as `reader` for `path`, valid for so long.
pub fn signed_call<T>(
    ledger: &StandIn,
    reader: AccountId,
    by: &KeyPair,
    path: &str,
    ahead_ms: u64,
    message: T,
) -> Request<T> {
    let expires_at_ms = now_ms() + ahead_ms;
    let signature = by.sign_read(&read_message(ledger.identity().chain_id, reader, expires_at_ms, path));
    let mut request = Request::new(message);
    for (name, value) in [
        ("causeway-account", reader.to_string()),
        ("causeway-public-key", text(&by.public_key())),
        ("causeway-expires-ms", expires_at_ms.to_string()),
        ("causeway-signature", hex::encode(signature.0)),
    ] {
        request.metadata_mut().insert(name, value.parse().expect("ASCII"));
    }
    request
}

fn as_bank_a<T>(ledger: &StandIn, path: &str, message: T) -> Request<T> {
    signed_call(ledger, account("bank-a"), &key(1), path, 60_000, message)
}

/// A status' code and reason, which every refusal of ours has in our domain.
pub fn refusal(status: &Status) -> (Code, String) {
    let details = status.get_error_details();
    let info = details.error_info().unwrap_or_else(|| panic!("no ErrorInfo in {status:?}"));
    assert_eq!(info.domain, causeway::api::ERROR_DOMAIN);
    (status.code(), info.reason.clone())
}

fn get(id: AccountId) -> GetAccountRequest {
    GetAccountRequest { account_id: Bytes::copy_from_slice(&id.0) }
}

fn submission(transaction: pb::SignedTransaction) -> pb::SubmitRequest {
    pb::SubmitRequest { transaction: Some(transaction) }
}

#[tokio::test]
async fn public_facts_need_no_authorisation() {
    let (ledger, channel) = served().await;
    let status = NodeServiceClient::new(channel.clone()).get_status(GetStatusRequest {}).await.expect("it answers");
    assert_eq!(status.into_inner().chain_id[..], ledger.identity().chain_id.0);
    let asked = GetTokenRequest { token_id: "NONE".to_owned() };
    let unknown = TokensServiceClient::new(channel).get_token(asked).await.expect_err("there is no token");
    assert_eq!(refusal(&unknown), (Code::NotFound, "NOT_FOUND".to_owned()));
    assert_eq!(unknown.message(), "there is no such token", "tokens are everyone's to see");
}

#[tokio::test]
async fn readers_prove_who_they_are_and_see_their_own() {
    let (ledger, channel) = served().await;
    let mut client = AccountsServiceClient::new(channel);
    let (own, other, watcher) = (account("bank-a"), account("bank-b"), account("watcher"));
    let unsigned = client.get_account(get(own)).await.expect_err("nobody asks");
    assert_eq!(refusal(&unsigned), (Code::Unauthenticated, "READ_AUTHORISATION_REQUIRED".to_owned()));
    client.get_account(as_bank_a(&ledger, GET_ACCOUNT, get(own))).await.expect("its own");
    let foreign = client.get_account(as_bank_a(&ledger, GET_ACCOUNT, get(other))).await.expect_err("another's");
    assert_eq!(foreign.code(), Code::PermissionDenied);
    let absent = client.get_account(as_bank_a(&ledger, GET_ACCOUNT, get(AccountId([7; 32])))).await;
    assert_eq!(refusal(&absent.expect_err("nobody's")), refusal(&foreign), "existence is not told");
    let all = signed_call(&ledger, watcher, &key(3), GET_ACCOUNT, 60_000, get(other));
    client.get_account(all).await.expect("observers see all");

    let far = READ_AUTHORISATION_AHEAD_MS_MAX + 60_000;
    for (request, reason) in [
        (signed_call(&ledger, own, &key(2), GET_ACCOUNT, 60_000, get(own)), "READ_SIGNATURE_INVALID"),
        (signed_call(&ledger, own, &key(1), LIST_ACCOUNTS, 60_000, get(own)), "READ_SIGNATURE_INVALID"),
        (signed_call(&ledger, AccountId([7; 32]), &key(1), GET_ACCOUNT, 60_000, get(own)), "READ_SIGNATURE_INVALID"),
        (signed_call(&ledger, own, &key(1), GET_ACCOUNT, far, get(own)), "READ_AUTHORISATION_TOO_FAR"),
    ] {
        let refused = client.get_account(request).await.expect_err(reason);
        assert_eq!(refusal(&refused), (Code::Unauthenticated, reason.to_owned()));
    }
    for missing in ["causeway-account", "causeway-public-key", "causeway-expires-ms", "causeway-signature"] {
        let mut request = as_bank_a(&ledger, GET_ACCOUNT, get(own));
        request.metadata_mut().remove(missing);
        let refused = client.get_account(request).await.expect_err(missing);
        assert_eq!(refusal(&refused), (Code::Unauthenticated, "READ_AUTHORISATION_MALFORMED".to_owned()));
    }
    let mut stale = as_bank_a(&ledger, GET_ACCOUNT, get(own));
    stale.metadata_mut().insert("causeway-expires-ms", "1".parse().expect("ASCII"));
    let refused = client.get_account(stale).await.expect_err("it is past");
    assert_eq!(refusal(&refused), (Code::Unauthenticated, "READ_AUTHORISATION_EXPIRED".to_owned()));
}

/// Who trades must know the company on the other side, which is in the fingerprint of every invoice between the two.
#[tokio::test]
async fn a_counterparty_is_known_by_its_company_to_whoever_has_an_account() {
    let (ledger, channel) = served().await;
    let mut client = AccountsServiceClient::new(channel);
    let ask = |id: AccountId| GetCounterpartyRequest { account_id: Bytes::copy_from_slice(&id.0) };
    let unsigned = client.get_counterparty(ask(account("bank-b"))).await.expect_err("nobody asks");
    assert_eq!(refusal(&unsigned), (Code::Unauthenticated, "READ_AUTHORISATION_REQUIRED".to_owned()));
    let found = client.get_counterparty(as_bank_a(&ledger, GET_COUNTERPARTY, ask(account("bank-b")))).await;
    let found = found.expect("another's").into_inner().counterparty.expect("it is there");
    assert_eq!((found.legal_entity_id.as_str(), found.closed), ("TEST:BANKB", false));
    assert_eq!(found.roles, [i32::from(Role::Institution)]);
    let absent = client.get_counterparty(as_bank_a(&ledger, GET_COUNTERPARTY, ask(AccountId([7; 32])))).await;
    assert_eq!(refusal(&absent.expect_err("nobody's")).0, Code::NotFound);
}

#[tokio::test]
async fn submissions_are_idempotent_and_refusals_say_why() {
    let (ledger, channel) = served().await;
    let mut client = LedgerServiceClient::new(channel);
    let body = opening(&ledger, account("bank-a"), 1, 40);
    let good = signed(&body, &key(1));
    let first = client.submit(submission(good.clone())).await.expect("it is admitted").into_inner();
    let again = client.submit(submission(good.clone())).await.expect("the same bytes again").into_inner();
    assert_eq!(first.transaction_id, again.transaction_id);
    assert_eq!(again.status(), TransactionStatus::Applied);
    assert_eq!(ledger.status().height, 1, "nothing happened twice");

    let mut forged = signed(&opening(&ledger, account("bank-a"), 2, 40), &key(1));
    forged.body = signed(&opening(&ledger, account("bank-a"), 2, 41), &key(1)).body;
    let mut foreign_chain = opening(&ledger, account("bank-a"), 3, 40);
    foreign_chain.chain_id = vec![9; 32].into();
    let mut expired = opening(&ledger, account("bank-a"), 4, 40);
    expired.expires_at_ms = 1;
    let mut far = opening(&ledger, account("bank-a"), 5, 40);
    far.expires_at_ms += 48 * 60 * 60 * 1_000;
    for (transaction, code, reason) in [
        (signed(&opening(&ledger, account("bank-a"), 1, 41), &key(1)), Code::AlreadyExists, "REQUEST_ID_REUSED"),
        (forged, Code::Unauthenticated, "SIGNATURE_INVALID"),
        (signed(&foreign_chain, &key(1)), Code::InvalidArgument, "FOREIGN_CHAIN"),
        (signed(&expired, &key(1)), Code::FailedPrecondition, "TRANSACTION_EXPIRED"),
        (signed(&far, &key(1)), Code::InvalidArgument, "EXPIRY_TOO_FAR"),
        (signed(&opening(&ledger, AccountId([7; 32]), 6, 40), &key(1)), Code::PermissionDenied, "SENDER_UNKNOWN"),
        (
            signed(&opening(&ledger, account("bank-a"), 7, 40), &key(2)),
            Code::PermissionDenied,
            "SENDER_SIGNATURE_MISSING",
        ),
    ] {
        let refused = client.submit(submission(transaction)).await.expect_err(reason);
        assert_eq!(refusal(&refused), (code, reason.to_owned()));
    }
    let mut malformed = opening(&ledger, account("bank-a"), 8, 40);
    malformed.request_id = vec![1; 3].into();
    let refused = client.submit(submission(signed(&malformed, &key(1)))).await.expect_err("three bytes");
    assert_eq!(refusal(&refused), (Code::InvalidArgument, "FIELD_MALFORMED".to_owned()));
    let details = refused.get_error_details();
    let violation = &details.bad_request().expect("BadRequest").field_violations[0];
    assert_eq!(violation.field, "request_id");
    assert_eq!(ledger.status().height, 1, "what is refused happened nowhere");
}

/// Whoever asks for more than the node takes is told so and when to come again, and then the same bytes are taken, once.
#[tokio::test]
async fn a_full_node_says_when_to_try_again() {
    let (ledger, channel) = served().await;
    let mut client = LedgerServiceClient::new(channel);
    let transaction = signed(&opening(&ledger, account("bank-a"), 1, 40), &key(1));
    ledger.full_for.store(2, Ordering::Relaxed);
    let refused = client.submit(submission(transaction.clone())).await.expect_err("it is full");
    assert_eq!(refusal(&refused), (Code::ResourceExhausted, "POOL_FULL".to_owned()));
    let retry = refused.get_details_retry_info().and_then(|retry| retry.retry_delay);
    assert!(retry.is_some_and(|delay| delay > Duration::ZERO && delay <= Duration::from_secs(2)), "{retry:?}");
    // A stream is not ended by it: the other transaction in the message is taken.
    let other = signed(&opening(&ledger, account("bank-a"), 2, 41), &key(1));
    let messages = vec![pb::SubmitStreamRequest { transactions: vec![transaction.clone(), other] }];
    let answers = client.submit_stream(tokio_stream::iter(messages)).await.expect("it opens").into_inner();
    let answers: Vec<_> = answers.map(|answer| answer.expect("the stream goes on").results).collect().await;
    let mut answers: Vec<_> =
        answers.concat().into_iter().map(|answer| (answer.reason.clone(), answer.status())).collect();
    answers.sort();
    let applied = (String::new(), TransactionStatus::Applied);
    assert_eq!(answers, [applied, ("POOL_FULL".to_owned(), TransactionStatus::Unspecified)]);
    for _ in 0..2 {
        client.submit(submission(transaction.clone())).await.expect("there is room again");
    }
    assert_eq!(ledger.status().height, 2, "each once");
}

#[tokio::test]
async fn a_stream_of_submissions_goes_on_past_refusals() {
    let (ledger, channel) = served().await;
    let mut client = LedgerServiceClient::new(channel);
    let good: Vec<_> = (1..=5).map(|n| signed(&opening(&ledger, account("bank-a"), n, 40 + n), &key(1))).collect();
    let mut transactions = good.clone();
    transactions.insert(2, signed(&opening(&ledger, account("bank-a"), 9, 60), &key(2)));
    // A duplicate within the stream gets the same answer again.
    transactions.push(good[0].clone());
    let messages = vec![pb::SubmitStreamRequest { transactions }];
    let answers = client.submit_stream(tokio_stream::iter(messages)).await.expect("it opens").into_inner();
    let answers: Vec<_> = answers.map(|answer| answer.expect("the stream goes on").results).collect().await;
    let answers = answers.concat();
    assert_eq!(answers.len(), 7);
    let applied = answers.iter().filter(|answer| answer.status() == TransactionStatus::Applied).count();
    let refused: Vec<_> = answers.iter().filter(|answer| !answer.message.is_empty()).collect();
    assert_eq!((applied, refused.len()), (6, 1));
    assert_eq!(refused[0].reason, "SENDER_SIGNATURE_MISSING");
}

#[tokio::test]
async fn pages_are_whole_and_bound_to_their_reader() {
    let (ledger, channel) = served().await;
    let mut submitter = LedgerServiceClient::new(channel.clone());
    for number in 1..=5 {
        let transaction = signed(&opening(&ledger, account("bank-a"), number, 40 + number), &key(1));
        submitter.submit(submission(transaction)).await.expect("it is admitted");
    }
    let mut client = AccountsServiceClient::new(channel);
    let (mut seen, mut token, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let asked = ListAccountsRequest { page_size: 2, page_token: token };
        let page = client.list_accounts(as_bank_a(&ledger, LIST_ACCOUNTS, asked)).await.expect("a page").into_inner();
        seen.extend(page.accounts.iter().map(|account| account.account_id.clone()));
        (token, pages) = (page.next_page_token, pages + 1);
        if token.is_empty() {
            break;
        }
        let stolen = ListAccountsRequest { page_size: 2, page_token: token.clone() };
        let stolen = signed_call(&ledger, account("bank-b"), &key(2), LIST_ACCOUNTS, 60_000, stolen);
        let refused = client.list_accounts(stolen).await.expect_err("another's token");
        assert_eq!(refusal(&refused), (Code::InvalidArgument, "PAGE_TOKEN_INVALID".to_owned()));
    }
    assert_eq!((seen.len(), seen.is_sorted()), (6, true), "its own and the five under it, in {pages} pages");
    let asked = ListAccountsRequest::default();
    let other = signed_call(&ledger, account("bank-b"), &key(2), LIST_ACCOUNTS, 60_000, asked);
    assert_eq!(client.list_accounts(other).await.expect("a page").into_inner().accounts.len(), 1);
    let asked = ListAccountsRequest { page_size: 1_001, page_token: String::new() };
    let refused = client.list_accounts(as_bank_a(&ledger, LIST_ACCOUNTS, asked)).await.expect_err("too large");
    assert_eq!(refusal(&refused), (Code::InvalidArgument, "PAGE_SIZE_OUT_OF_RANGE".to_owned()));
}

async fn event(stream: &mut tonic::Streaming<pb::StreamEventsResponse>) -> pb::Event {
    match stream.next().await.expect("the stream goes on").expect("no error").item {
        Some(Item::Event(event)) => event,
        other => panic!("expected an event, found {other:?}"),
    }
}

#[tokio::test]
async fn events_are_filtered_resumed_and_live() {
    let (ledger, channel) = served().await;
    let mut client = LedgerServiceClient::new(channel);
    let open = |bank: &str, by: u8, number: u8| signed(&opening(&ledger, account(bank), number, 40 + number), &key(by));
    for transaction in [open("bank-a", 1, 1), open("bank-b", 2, 2), open("bank-a", 1, 3)] {
        client.submit(submission(transaction)).await.expect("it is admitted");
    }
    let from = |cursor: &str| as_bank_a(&ledger, STREAM_EVENTS, pb::StreamEventsRequest { cursor: cursor.to_owned() });
    let mut stream = client.stream_events(from("0")).await.expect("it opens").into_inner();
    let (first, second) = (event(&mut stream).await, event(&mut stream).await);
    assert_eq!((first.height, second.height), (1, 3), "what concerns the other bank is left out");
    client.submit(submission(open("bank-a", 1, 4))).await.expect("it is admitted");
    assert_eq!(event(&mut stream).await.height, 4, "and then live");
    let mut resumed = client.stream_events(from(&first.cursor)).await.expect("it opens").into_inner();
    assert_eq!(event(&mut resumed).await, second);
    let block = pb::GetBlockRequest { height: 2 };
    let block = client.get_block(as_bank_a(&ledger, GET_BLOCK, block)).await.expect("headers are public").into_inner();
    let block = block.block.expect("a block");
    assert_eq!((block.transaction_count, block.transaction_ids.len()), (1, 0));

    let refused = client.stream_events(from("nonsense")).await.expect_err("no cursor");
    assert_eq!(refusal(&refused), (Code::InvalidArgument, "FIELD_MALFORMED".to_owned()));
    *ledger.oldest.lock().expect("not poisoned") = 3;
    let refused = client.stream_events(from("1.1")).await.expect_err("it is gone");
    assert_eq!(refusal(&refused), (Code::OutOfRange, "BLOCK_PRUNED".to_owned()));
    let unsigned = client.stream_events(pb::StreamEventsRequest::default()).await.expect_err("nobody asks");
    assert_eq!(unsigned.code(), Code::Unauthenticated);
}

/// A declined transaction did nothing to those whom it names; who signed it must still learn what became of it.
#[tokio::test]
async fn who_signed_sees_what_was_declined_and_nobody_else_does() {
    let (ledger, channel) = served().await;
    let mut client = LedgerServiceClient::new(channel);
    let close = accounts::CloseAccount { account_id: Bytes::copy_from_slice(&[9; 32]) };
    let mut body = opening(&ledger, account("bank-a"), 1, 41);
    body.operations = vec![pb::Operation { operation: Some(pb::operation::Operation::CloseAccount(close)) }];
    let alone = signed(&body, &key(1));
    body.request_id = Bytes::from_static(&[2; 16]);
    // A key that signed makes nobody a party, whose ever it is: the body does.
    let together = |body: &pb::TransactionBody| {
        let mut together = signed(body, &key(1));
        together.signatures.extend(signed(body, &key(2)).signatures);
        together.signatures.sort_by(|one, other| one.public_key.cmp(&other.public_key));
        together
    };
    let unnamed = together(&body);
    body.request_id = Bytes::from_static(&[3; 16]);
    body.co_signer_account_ids = vec![Bytes::copy_from_slice(&account("bank-b").0)];
    let mut ids = Vec::new();
    for transaction in [alone, unnamed, together(&body)] {
        ids.push(client.submit(submission(transaction)).await.expect("admitted").into_inner().transaction_id);
    }
    let get = |id: &Bytes| {
        let request = pb::GetTransactionRequest { key: Some(TransactionKey::TransactionId(id.clone())) };
        signed_call(&ledger, account("bank-b"), &key(2), GET_TRANSACTION, 60_000, request)
    };
    for id in &ids[..2] {
        let hidden = client.get_transaction(get(id)).await.expect_err("it only names the other bank");
        assert_eq!(refusal(&hidden), (Code::NotFound, "NOT_FOUND".to_owned()));
    }
    let hidden = client.get_transaction(get(&ids[0])).await.expect_err("it only names the other bank");
    let time = hidden.get_details_error_info().expect("details").metadata["ledger_time_ms"].clone();
    assert!(time.parse::<u64>().is_ok(), "{time}");
    let seen = client.get_transaction(get(&ids[2])).await.expect("it signed").into_inner();
    assert_eq!(seen.status(), TransactionStatus::Declined);
    let from = pb::StreamEventsRequest { cursor: "0".to_owned() };
    let request = signed_call(&ledger, account("bank-b"), &key(2), STREAM_EVENTS, 60_000, from);
    let mut stream = client.stream_events(request).await.expect("it opens").into_inner();
    assert_eq!(event(&mut stream).await.transaction_id, ids[2]);
}

/// Whoever stole a key reads on until it is replaced, and not longer.
#[tokio::test]
async fn a_stream_ends_when_the_key_that_opened_it_is_replaced() {
    let (ledger, channel) = served().await;
    let mut client = LedgerServiceClient::new(channel);
    let from = |cursor: &str| as_bank_a(&ledger, STREAM_EVENTS, pb::StreamEventsRequest { cursor: cursor.to_owned() });
    let mut stream = client.stream_events(from("0")).await.expect("it opens").into_inner();
    let keys = accounts::KeySet { public_keys: vec![Bytes::copy_from_slice(&key(50).public_key().0)], threshold: 1 };
    let rotate = accounts::RotateKeys { account_id: Bytes::copy_from_slice(&account("bank-a").0), keys: Some(keys) };
    let mut body = opening(&ledger, account("bank-a"), 1, 41);
    body.operations = vec![pb::Operation { operation: Some(pb::operation::Operation::RotateKeys(rotate)) }];
    let mut rotation = signed(&body, &key(1));
    rotation.signatures.extend(signed(&body, &key(50)).signatures);
    client.submit(submission(rotation)).await.expect("admitted");
    let ended = stream.next().await.expect("a last word").expect_err("an error");
    assert_eq!(refusal(&ended), (Code::Unauthenticated, "KEY_REPLACED".to_owned()));
}

#[tokio::test]
async fn streams_do_not_begin_beyond_the_next_block() {
    let (ledger, channel) = served().await;
    let mut client = LedgerServiceClient::new(channel);
    client.stream_blocks(pb::StreamBlocksRequest { from_height: 1 }).await.expect("the next block will come");
    let beyond = client.stream_blocks(pb::StreamBlocksRequest { from_height: 2 }).await.expect_err("too far");
    assert_eq!(refusal(&beyond), (Code::NotFound, "BLOCK_NOT_REACHED".to_owned()));
    drop(ledger);
}

#[tokio::test]
async fn deadlines_end_streams_and_say_so() {
    let (ledger, channel) = served().await;
    let mut client = LedgerServiceClient::new(channel);
    let mut request = as_bank_a(&ledger, STREAM_EVENTS, pb::StreamEventsRequest::default());
    // Written by hand, so that it is the server that keeps it and not this client.
    request.metadata_mut().insert("grpc-timeout", "150m".parse().expect("ASCII"));
    let mut stream = client.stream_events(request).await.expect("it opens").into_inner();
    let ended = tokio::time::timeout(Duration::from_secs(5), stream.next()).await.expect("the server ends it");
    let status = ended.expect("a last word").expect_err("an error");
    assert_eq!(refusal(&status), (Code::DeadlineExceeded, "DEADLINE_EXCEEDED".to_owned()));
}

/// A service's health once it is as expected, or as it still is after two seconds: reports follow by a moment.
async fn health(channel: &Channel, service: &str, expected: i32) -> i32 {
    let mut client = tonic_health::pb::health_client::HealthClient::new(channel.clone());
    let mut status = 0;
    for _ in 0..100 {
        let asked = tonic_health::pb::HealthCheckRequest { service: service.to_owned() };
        status = client.check(asked).await.map_or(0, |answer| answer.into_inner().status);
        if status == expected {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    status
}

#[tokio::test]
async fn health_and_both_reflections_answer() {
    const SERVING: i32 = 1;
    const NOT_SERVING: i32 = 2;
    let (node, channel) = served().await;
    let ledger = "causeway.ledger.v1.LedgerService";
    for service in ["", "live", ledger] {
        assert_eq!(health(&channel, service, SERVING).await, SERVING, "{service}");
    }
    node.stands_still.store(true, Ordering::Relaxed);
    for (service, expected) in [("", NOT_SERVING), (ledger, NOT_SERVING), ("live", SERVING)] {
        assert_eq!(health(&channel, service, expected).await, expected, "{service}, while the ledger stands still");
    }
    node.stands_still.store(false, Ordering::Relaxed);
    assert_eq!(health(&channel, ledger, SERVING).await, SERVING, "and when it moves again");
    macro_rules! services {
        ($version:ident) => {{
            use tonic_reflection::pb::$version::server_reflection_client::ServerReflectionClient;
            use tonic_reflection::pb::$version::server_reflection_request::MessageRequest;
            use tonic_reflection::pb::$version::server_reflection_response::MessageResponse;
            let asked = tonic_reflection::pb::$version::ServerReflectionRequest {
                host: String::new(),
                message_request: Some(MessageRequest::ListServices(String::new())),
            };
            let mut client = ServerReflectionClient::new(channel.clone());
            let answers = client.server_reflection_info(tokio_stream::iter([asked])).await.expect("it answers");
            let answer = answers.into_inner().next().await.expect("an answer").expect("no error");
            match answer.message_response {
                Some(MessageResponse::ListServicesResponse(list)) => {
                    list.service.into_iter().map(|service| service.name).collect::<BTreeSet<_>>()
                }
                other => panic!("expected services, found {other:?}"),
            }
        }};
    }
    for listed in [services!(v1), services!(v1alpha)] {
        let ours: BTreeSet<_> =
            listed.iter().filter(|name| name.starts_with("causeway.")).map(String::as_str).collect();
        assert_eq!(ours, BTreeSet::from(SERVICES), "what is served, and no signer's service");
        assert!(listed.contains("grpc.health.v1.Health"), "{listed:?}");
    }
}

/// The published catalogue is whole.
#[test]
fn every_refusal_stands_on_the_page() {
    let page = include_str!("../../docs/wire.md");
    for name in causeway::admission::Refusal::NAMES {
        assert!(page.contains(&format!("`{name}`")), "{name} is missing in docs/wire.md");
    }
}
