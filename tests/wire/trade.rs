//! Orders over gRPC: whoever is a party sees them, whole or a page at a time, and nobody else learns that they are there.

use super::api::{refusal, serving, signed_call};
use super::stand_in::{GENESIS_TIME_MS, StandIn, account, genesis_account, key};
use bytes::Bytes;
use causeway::client::operations::{self, Operation};
use causeway::client::{KeyPair, TransactionBuilder};
use causeway::domain::trade::{
    BusinessStep, DeclareEventError, ErrorGround, EventAction, EventKind, OrderTerms, PlaceOrder, RecordShipmentEvent,
    SilenceMeans, key_commitment,
};
use causeway::node::service::LedgerHandle as _;
use causeway::primitives::{AccountId, Amount, BlockTime, Hash, ObjectId, RequestId};
use causeway::wire::pb::ledger::ledger_service_client::LedgerServiceClient;
use causeway::wire::pb::ledger::{SubmitRequest, TransactionStatus};
use causeway::wire::pb::trade::trade_service_client::TradeServiceClient;
use causeway::wire::pb::trade::{self as pb, GetOrderRequest, ListOrdersRequest, OrderState};
use causeway::wire::signed_transaction_to_pb;
use tonic::transport::Channel;
use tonic::{Code, Status};

const GET_ORDER: &str = "/causeway.trade.v1.TradeService/GetOrder";
const CHECK_FINGERPRINT_KEY: &str = "/causeway.trade.v1.TradeService/CheckFingerprintKey";
const LIST_ORDERS: &str = "/causeway.trade.v1.TradeService/ListOrders";

/// Who takes part, each with the number of its key.
const PARTIES: [(&str, u8, &str); 8] = [
    ("buyer", 11, "merchant"),
    ("supplier", 12, "merchant"),
    ("stranger", 13, "merchant"),
    ("carrier", 14, "carrier"),
    ("issuer", 15, "issuer"),
    ("custodian", 16, "custodian"),
    ("haulier", 17, "carrier"),
    ("watcher", 3, "observer"),
];

fn number_of(name: &str) -> u8 {
    PARTIES.iter().find(|(party, ..)| *party == name).expect("it takes part").1
}

/// A ledger on which merchants trade, served.
struct Market {
    ledger: StandIn,
    channel: Channel,
    requests: u8,
}

impl Market {
    async fn open() -> Self {
        let merchants = PARTIES[..7].iter().map(|(name, number, role)| genesis_account(name, *number, role));
        let token = serde_json::json!([{
            "token_id": "HKDX", "currency": "HKD", "scale": 2, "issuer": "issuer", "custodian": "custodian",
            "asset_rules": [{ "asset_class": "cash", "maturity_days_max": 0, "haircut_bps_min": 0 }],
            "attestation_age_ms_max": 86_400_000, "utc_offset_minutes": 480, "redemption_business_days": 1,
        }]);
        let ledger = StandIn::open_with(merchants.collect(), token);
        let channel = serving(&ledger).await;
        let mut market = Self { ledger, channel, requests: 0 };
        let (supplier, buyer) = (account("supplier"), account("buyer"));
        let commit = operations::commit_fingerprint_key(supplier, buyer, key_commitment(&[9; 32]));
        market.applies("supplier", &["buyer"], commit).await;
        market
    }

    /// Has the operation applied; gives the id of what it creates.
    async fn applies(&mut self, who: &str, co_signers: &[&str], operation: Operation) -> ObjectId {
        self.requests += 1;
        let (chain_id, request_id) = (self.ledger.identity().chain_id, RequestId([self.requests; 16]));
        let builder = TransactionBuilder::with_request_id(chain_id, account(who), request_id);
        let mut builder = builder.expires_at_ms(GENESIS_TIME_MS + 60_000);
        let created = builder.add(operation).object_id();
        let mut keys: Vec<KeyPair> = vec![key(number_of(who))];
        for name in co_signers {
            builder.co_signed_by(account(name));
            keys.push(key(number_of(name)));
        }
        let signed = builder.finish().sign(&keys).expect("it is signed");
        let request = SubmitRequest { transaction: Some(signed_transaction_to_pb(&signed)) };
        let mut client = LedgerServiceClient::new(self.channel.clone());
        client.submit(request.clone()).await.expect("it is admitted");
        // The same bytes again are answered with what became of them.
        let answer = client.submit(request).await.expect("it is known").into_inner();
        assert_eq!(answer.status(), TransactionStatus::Applied, "{answer:?}");
        created
    }

    /// An order over so much, placed by the buyer.
    async fn order(&mut self, amount: u64) -> ObjectId {
        let terms = OrderTerms {
            amount: Amount::new(amount),
            document_commitment: Hash([2; 32]),
            line_count: 2,
            deliver_by: Some(BlockTime(GENESIS_TIME_MS + 1_000_000)),
            confirmation_days: 10,
            silence: SilenceMeans::Confirms,
            payment_days: Some(60),
        };
        let place = PlaceOrder {
            supplier: account("supplier"),
            token: "HKDX".parse().expect("a token"),
            currency: "HKD".parse().expect("a currency"),
            fingerprint: Hash([self.requests; 32]),
            terms,
        };
        self.applies("buyer", &[], operations::place_order(&place)).await
    }

    async fn get(&self, who: &str, order: ObjectId) -> Result<pb::GetOrderResponse, Status> {
        let message = GetOrderRequest { order_id: Bytes::copy_from_slice(&order.0) };
        let call = signed_call(&self.ledger, account(who), &key(number_of(who)), GET_ORDER, 60_000, message);
        TradeServiceClient::new(self.channel.clone()).get_order(call).await.map(tonic::Response::into_inner)
    }

    async fn has_committed(&self, who: &str, message: pb::CheckFingerprintKeyRequest) -> Result<bool, Status> {
        let signer = key(number_of(who));
        let call = signed_call(&self.ledger, account(who), &signer, CHECK_FINGERPRINT_KEY, 60_000, message);
        let answer = TradeServiceClient::new(self.channel.clone()).check_fingerprint_key(call).await;
        answer.map(|answer| answer.into_inner().is_committed)
    }

    async fn list(&self, who: &str, message: ListOrdersRequest) -> Result<pb::ListOrdersResponse, Status> {
        let call = signed_call(&self.ledger, account(who), &key(number_of(who)), LIST_ORDERS, 60_000, message);
        TradeServiceClient::new(self.channel.clone()).list_orders(call).await.map(tonic::Response::into_inner)
    }
}

fn id(account: AccountId) -> Bytes {
    Bytes::copy_from_slice(&account.0)
}

fn answer_id(order: ObjectId) -> Bytes {
    Bytes::copy_from_slice(&order.0)
}

#[tokio::test]
async fn an_order_is_read_whole_with_every_event_of_its_shipments() {
    let mut market = Market::open().await;
    let order = market.order(12_500_000).await;
    let proposed = market.get("supplier", order).await.expect("it is its own").order.expect("there is one");
    assert_eq!((proposed.state(), proposed.version, proposed.change), (OrderState::Proposed, 1, None));
    market.applies("supplier", &[], operations::accept_order(order)).await;
    market.applies("supplier", &[], operations::appoint_carrier(order, account("carrier"))).await;
    let read_point = Hash([7; 32]);
    market.applies("carrier", &[], operations::register_read_point(read_point)).await;
    let event = |hash: u8, step, after_ms| RecordShipmentEvent {
        order,
        event_hash: Hash([hash; 32]),
        document_commitment: Hash([3; 32]),
        kind: EventKind::Object,
        action: EventAction::Observe,
        step,
        event_time: BlockTime(GENESIS_TIME_MS + after_ms),
        utc_offset_minutes_plus_720: 1_200,
        read_point,
        objects_hash: Hash([4; 32]),
    };
    // What happened first arrives last.
    for event in [event(1, BusinessStep::Shipping, 900), event(2, BusinessStep::Packing, 500)] {
        market.applies("carrier", &[], operations::record_shipment_event(&event)).await;
    }
    let wrong = DeclareEventError {
        order,
        event_hash: Hash([1; 32]),
        ground: ErrorGround::IncorrectData,
        declared_at: BlockTime(GENESIS_TIME_MS + 950),
        corrective_event: Some(Hash([5; 32])),
    };
    market.applies("carrier", &[], operations::declare_event_error(&wrong)).await;

    let answer = market.get("buyer", order).await.expect("it is its own");
    let found = answer.order.expect("there is one");
    assert_eq!((&found.order_id[..], found.state(), found.version), (&order.0[..], OrderState::Agreed, 1));
    assert_eq!((found.buyer_account_id, found.supplier_account_id), (id(account("buyer")), id(account("supplier"))));
    assert_eq!((found.token_id.as_str(), found.invoiced, found.change), ("HKDX", 0, None));
    assert_eq!(found.carrier_account_ids, [id(account("carrier"))]);
    let terms = found.terms.expect("it has terms");
    assert_eq!((terms.amount, terms.line_count, terms.payment_days), (12_500_000, 2, Some(60)));
    assert_eq!((terms.silence(), terms.confirmation_days), (pb::SilenceMeans::Confirms, 10));
    assert_eq!(terms.deliver_by_ms, GENESIS_TIME_MS + 1_000_000);
    let steps: Vec<_> = answer.events.iter().map(pb::ShipmentEvent::step).collect();
    assert_eq!(steps, [pb::BusinessStep::Packing, pb::BusinessStep::Shipping], "in the order in which they happened");
    let [packing, shipping] = &answer.events[..] else { panic!("{:?}", answer.events) };
    assert_eq!((packing.error_ground(), packing.error_declared_at_ms), (pb::ErrorGround::Unspecified, 0));
    assert_eq!(shipping.error_ground(), pb::ErrorGround::IncorrectData);
    assert_eq!(
        (shipping.error_declared_at_ms, &shipping.corrective_event_hash[..]),
        (GENESIS_TIME_MS + 950, &[5; 32][..])
    );
    assert_eq!((shipping.utc_offset_minutes, &shipping.read_point_commitment[..]), (480, &read_point.0[..]));
}

#[tokio::test]
async fn a_change_waits_in_the_order_until_the_other_party_accepts_it() {
    let mut market = Market::open().await;
    let order = market.order(100).await;
    market.applies("supplier", &[], operations::accept_order(order)).await;
    let placed = market.get("buyer", order).await.expect("it is its own").order.and_then(|order| order.terms);
    let terms = OrderTerms {
        amount: Amount::new(150),
        document_commitment: Hash([6; 32]),
        line_count: 3,
        deliver_by: None,
        confirmation_days: 0,
        silence: SilenceMeans::Nothing,
        payment_days: None,
    };
    market.applies("buyer", &[], operations::propose_order_change(order, &terms)).await;
    let found = market.get("supplier", order).await.expect("it is its own").order.expect("there is one");
    let change = found.change.expect("it waits");
    assert_eq!((change.number, change.proposer_account_id), (1, id(account("buyer"))));
    let proposed = change.terms.expect("it has terms");
    assert_eq!((proposed.amount, proposed.deliver_by_ms, proposed.payment_days), (150, 0, None));
    assert_eq!((found.version, &found.terms), (1, &placed), "what is in force is not touched");
    market.applies("supplier", &[], operations::accept_order_change(order, 1)).await;
    let found = market.get("supplier", order).await.expect("it is its own").order.expect("there is one");
    assert_eq!((found.version, found.change, found.terms), (2, None, Some(proposed)));
}

#[tokio::test]
async fn who_is_no_party_learns_nothing_of_an_order() {
    let mut market = Market::open().await;
    let order = market.order(100).await;
    market.applies("supplier", &[], operations::accept_order(order)).await;
    market.applies("buyer", &[], operations::appoint_carrier(order, account("carrier"))).await;
    let nobody = market.get("buyer", ObjectId([1; 32])).await.expect_err("there is none");
    for who in ["stranger", "haulier", "issuer"] {
        let refused = market.get(who, order).await.expect_err("it is not its own");
        assert_eq!(refusal(&refused), (Code::NotFound, "NOT_FOUND".to_owned()), "{who}");
        assert_eq!(refused.message(), nobody.message(), "as if there were none");
        let listed = market.list(who, ListOrdersRequest::default()).await.expect("a page");
        assert_eq!((listed.orders, listed.next_page_token.as_str()), (Vec::new(), ""), "{who}");
    }
    for who in ["buyer", "supplier", "carrier", "watcher"] {
        assert!(market.get(who, order).await.is_ok(), "{who}");
        let listed = market.list(who, ListOrdersRequest::default()).await.expect("a page");
        assert_eq!(listed.orders.len(), 1, "{who}");
    }
    let mut client = TradeServiceClient::new(market.channel.clone());
    let unsigned = client.get_order(GetOrderRequest { order_id: Bytes::copy_from_slice(&order.0) }).await;
    let unsigned = unsigned.expect_err("nobody asks");
    assert_eq!(refusal(&unsigned), (Code::Unauthenticated, "READ_AUTHORISATION_REQUIRED".to_owned()));
    let short = GetOrderRequest { order_id: Bytes::from_static(&[1; 31]) };
    let call = signed_call(&market.ledger, account("buyer"), &key(number_of("buyer")), GET_ORDER, 60_000, short);
    assert_eq!(client.get_order(call).await.expect_err("no id").code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_carrier_sees_its_orders_and_of_their_events_its_own() {
    let mut market = Market::open().await;
    let (order, other) = (market.order(100).await, market.order(200).await);
    for order in [order, other] {
        market.applies("supplier", &[], operations::accept_order(order)).await;
    }
    let read_point = Hash([7; 32]);
    for (hash, who) in [(1, "carrier"), (2, "haulier")] {
        market.applies("buyer", &[], operations::appoint_carrier(order, account(who))).await;
        market.applies(who, &[], operations::register_read_point(read_point)).await;
        let event = RecordShipmentEvent {
            order,
            event_hash: Hash([hash; 32]),
            document_commitment: Hash([3; 32]),
            kind: EventKind::Object,
            action: EventAction::Observe,
            step: BusinessStep::Shipping,
            event_time: BlockTime(GENESIS_TIME_MS + 900),
            utc_offset_minutes_plus_720: 1_200,
            read_point,
            objects_hash: Hash([hash; 32]),
        };
        market.applies(who, &[], operations::record_shipment_event(&event)).await;
    }
    for (who, hashes, carriers) in [
        ("carrier", vec![1], vec!["carrier"]),
        ("haulier", vec![2], vec!["haulier"]),
        ("supplier", vec![1, 2], vec!["carrier", "haulier"]),
        ("watcher", vec![1, 2], vec!["carrier", "haulier"]),
    ] {
        let answer = market.get(who, order).await.expect("it is its own");
        let mut seen: Vec<u8> = answer.events.iter().map(|event| event.event_hash[0]).collect();
        seen.sort_unstable();
        assert_eq!(seen, hashes, "{who}");
        let mut expected: Vec<_> = carriers.into_iter().map(|name| id(account(name))).collect();
        expected.sort();
        let mut told = answer.order.expect("there is one").carrier_account_ids;
        told.sort();
        assert_eq!(told, expected, "{who}");
        let listed = market.list(who, ListOrdersRequest::default()).await.expect("a page").orders;
        assert_eq!(listed.len(), if who == "carrier" || who == "haulier" { 1 } else { 2 }, "{who}");
        assert!(listed.iter().any(|listed| listed.order_id == answer_id(order) && listed.carrier_account_ids == told));
    }
    let refused = market.get("carrier", other).await.expect_err("it carries nothing of it");
    assert_eq!(refusal(&refused), (Code::NotFound, "NOT_FOUND".to_owned()));
}

#[tokio::test]
async fn orders_are_listed_by_state_in_pages_that_are_whole() {
    let mut market = Market::open().await;
    let mut orders = Vec::new();
    for amount in 1..=5 {
        orders.push(market.order(amount).await);
    }
    for order in &orders[..3] {
        market.applies("supplier", &[], operations::accept_order(*order)).await;
    }
    market.applies("buyer", &[], operations::cancel_order(orders[4])).await;
    for (state, count) in
        [(OrderState::Unspecified, 5), (OrderState::Proposed, 1), (OrderState::Agreed, 3), (OrderState::Cancelled, 1)]
    {
        let asked = ListOrdersRequest { state: state.into(), ..Default::default() };
        let listed = market.list("supplier", asked).await.expect("a page").orders;
        assert_eq!(listed.len(), count, "{state:?}");
        assert!(listed.iter().all(|order| state == OrderState::Unspecified || order.state() == state));
    }
    let (mut seen, mut page_token) = (Vec::new(), String::new());
    loop {
        let asked = ListOrdersRequest { page_size: 2, page_token, ..Default::default() };
        let page = market.list("buyer", asked).await.expect("a page");
        assert!(page.orders.len() <= 2);
        seen.extend(page.orders.into_iter().map(|order| order.order_id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
        // A page token is its reader's, and of its own question.
        let message = ListOrdersRequest { page_size: 2, page_token: page_token.clone(), ..Default::default() };
        let stolen = market.list("supplier", message.clone()).await.expect_err("another's token");
        let other = ListOrdersRequest { state: OrderState::Agreed.into(), ..message };
        let other = market.list("buyer", other).await.expect_err("another question's token");
        for refused in [stolen, other] {
            assert_eq!(refusal(&refused), (Code::InvalidArgument, "PAGE_TOKEN_INVALID".to_owned()));
        }
    }
    orders.sort_unstable();
    let expected: Vec<_> = orders.iter().map(|order| Bytes::copy_from_slice(&order.0)).collect();
    assert_eq!(seen, expected, "each once, in the order of their ids");
    let large = ListOrdersRequest { page_size: 1_001, ..Default::default() };
    let refused = market.list("buyer", large).await.expect_err("too large");
    assert_eq!(refusal(&refused), (Code::InvalidArgument, "PAGE_SIZE_OUT_OF_RANGE".to_owned()));
}

/// Who has a key learns whether it is the pair's; who has none learns nothing, not even that there is one.
#[tokio::test]
async fn a_fingerprint_key_is_its_pairs_or_is_not() {
    let market = Market::open().await;
    let asked = |supplier: &str, buyer: &str, key: u8| pb::CheckFingerprintKeyRequest {
        supplier_account_id: id(account(supplier)),
        buyer_account_id: id(account(buyer)),
        key_commitment: Bytes::copy_from_slice(&key_commitment(&[key; 32]).0),
    };
    for (supplier, buyer, key, theirs) in [
        ("supplier", "buyer", 9, true),
        ("supplier", "buyer", 8, false),
        // The other way round they are another pair, which has none.
        ("buyer", "supplier", 9, false),
        ("supplier", "stranger", 9, false),
    ] {
        for who in ["supplier", "buyer", "stranger", "watcher"] {
            let answer = market.has_committed(who, asked(supplier, buyer, key)).await.expect("an answer");
            assert_eq!(answer, theirs, "{who} asks whether key {key} is of {supplier} and {buyer}");
        }
    }
    let short = pb::CheckFingerprintKeyRequest { key_commitment: Bytes::new(), ..asked("supplier", "buyer", 9) };
    assert_eq!(market.has_committed("buyer", short).await.expect_err("no hash").code(), Code::InvalidArgument);
    let nobody = Bytes::copy_from_slice(&[1; 32]);
    let nobody = pb::CheckFingerprintKeyRequest { buyer_account_id: nobody, ..asked("supplier", "buyer", 9) };
    let refused = market.has_committed("buyer", nobody).await.expect_err("no account");
    assert_eq!(refusal(&refused), (Code::NotFound, "NOT_FOUND".to_owned()));
    let mut client = TradeServiceClient::new(market.channel.clone());
    let unsigned = client.check_fingerprint_key(asked("supplier", "buyer", 9)).await.expect_err("nobody asks");
    assert_eq!(refusal(&unsigned), (Code::Unauthenticated, "READ_AUTHORISATION_REQUIRED".to_owned()));
}
