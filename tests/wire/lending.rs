//! What could be financed, lenders' books, and the rules that bind them: found, empty, page by page, and not visible, through the
//! client over a real socket.

use super::stand_in::{GENESIS_TIME_MS, StandIn, account, key};
use causeway::api::{ServerConfig, serve};
use causeway::client::operations::{
    self, AssetClass, NewFinancingRequest, NewInvoice, NewProgramme, Operation, ReserveAsset,
};
use causeway::client::queries::LoanQuery;
use causeway::client::{Client, ClientError, Reader, TransactionBuilder};
use causeway::domain::financing::{CapitalFigures, LenderKind, Parameter, ParameterValue, RegisterNetwork, TokenPair};
use causeway::ledger::{Status, ValidatorSet};
use causeway::node::service::{Ending, LedgerHandle as _, Submission};
use causeway::primitives::time::DAY_MS;
use causeway::primitives::{Amount, BlockTime, ChainId, Hash, ObjectId, RequestId, TokenId, TransactionId};
use causeway::wire::pb::financing::{
    self as pb, GetSupervisionRequest, ListFinanceableRequest, ListLoansRequest, LoanClass, RuleStanding,
};
use std::sync::Arc;
use tokio::net::TcpListener;
use tonic::Code;

/// Everyone with their roles and the account above theirs; the number of each key is its place from 1.
const PARTIES: [(&str, &str, Option<&str>); 14] = [
    ("issuer", "issuer", None),
    ("maker", "issuance-maker", Some("issuer")),
    ("checker", "issuance-checker", Some("issuer")),
    ("custodian", "custodian", None),
    ("bank", "institution", None),
    ("supplier", "merchant", Some("bank")),
    ("buyer", "merchant", None),
    ("lender", "financier", None),
    ("second", "financier", None),
    ("auditor", "auditor", None),
    ("governance", "governance", None),
    ("watcher", "observer", None),
    ("stranger", "merchant", None),
    ("carrier", "carrier", None),
];

const RULE: &str = "the act";

fn number(name: &str) -> u8 {
    let place = PARTIES.iter().position(|(party, _, _)| *party == name).expect("a party");
    place as u8 + 1
}

pub fn token() -> TokenId {
    "HKDX".parse().expect("a token id")
}

fn genesis() -> Vec<u8> {
    let account = |(name, role, parent): &(&str, &str, Option<&str>)| {
        let mut account = serde_json::json!({
            "name": name, "keys": [key(number(name)).public_key().to_string()], "threshold": 1, "roles": [role],
            "legal_entity_id": format!("TEST:{}", name.to_uppercase()),
        });
        if let Some(parent) = parent {
            account["parent"] = (*parent).into();
        }
        account
    };
    let rule = |parameter: Parameter, value: u64| serde_json::json!({ "parameter": parameter.name(), "value": value, "law": RULE, "in_force_from_ms": 0 });
    let file = serde_json::json!({
        "format": 1, "network": "lending-tests", "time_ms": GENESIS_TIME_MS, "epoch_length": 65_536,
        "validators": [{ "name": "one", "public_key": key(99).public_key().to_string() }],
        "accounts": PARTIES.iter().map(account).collect::<Vec<_>>(),
        "tokens": [{
            "token_id": "HKDX", "currency": "HKD", "scale": 2, "issuer": "issuer", "custodian": "custodian",
            "asset_rules": [{ "asset_class": "cash", "maturity_days_max": 0, "haircut_bps_min": 0 }],
            "attestation_age_ms_max": 7 * DAY_MS, "utc_offset_minutes": 480, "holidays": [],
            "redemption_business_days": 1,
        }],
        "lending_parameters": [
            rule(Parameter::AllInCostMax, 2_400), rule(Parameter::OwnShareMin, 3_000),
            rule(Parameter::LoanFundingMax, 10_000), rule(Parameter::BorrowerShareMax, 5_000),
        ],
    });
    file.to_string().into_bytes()
}

/// A ledger with a market on it, and its server.
pub struct Desk {
    pub ledger: StandIn,
    client: Client,
    requests: u16,
}

impl Desk {
    /// A market in which everyone has accounts, and the lenders money.
    pub async fn open() -> Self {
        let ledger = StandIn::of(genesis());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        tokio::spawn(serve(listener, Arc::new(ledger.clone()), ServerConfig::default(), std::future::pending()));
        let client = Client::connect(&[format!("http://{address}")], None).await.expect("it answers");
        let mut desk = Self { ledger, client, requests: 0 };
        let cash = ReserveAsset {
            asset_class: AssetClass::Cash,
            matures_at_ms: 0,
            market_value: Amount::new(10_000_000),
            haircut_bps: 0,
        };
        desk.settle(&["custodian"], operations::attest_reserves(token(), GENESIS_TIME_MS, &[cash])).await;
        let allocations = ["lender", "second"].map(|name| (account(name), Amount::new(1_000_000)));
        let expires_at_ms = GENESIS_TIME_MS + 60_000;
        let issuance =
            desk.settle(&["maker"], operations::request_issuance(token(), &allocations, expires_at_ms)).await;
        desk.settle(&["checker"], operations::approve_issuance(issuance)).await;
        let commit = operations::commit_fingerprint_key(account("supplier"), account("buyer"), Hash([1; 32]));
        desk.settle(&["supplier", "buyer"], commit).await;
        // While rules of amounts are in force, nobody lends whose kind is not known.
        for lender in ["lender", "second"] {
            desk.attest_as(lender, 10_000, (LenderKind::Other, BlockTime(GENESIS_TIME_MS - DAY_MS))).await;
        }
        desk
    }

    /// A transaction that must be applied; the id of what it creates.
    pub async fn settle(&mut self, signers: &[&str], operation: Operation) -> ObjectId {
        self.settle_all(signers, vec![operation]).await.remove(0)
    }

    /// The same of several operations.
    pub async fn settle_all(&mut self, signers: &[&str], operations: Vec<Operation>) -> Vec<ObjectId> {
        self.sent(signers, operations).await.1
    }

    /// The same, with the transaction's id before what it creates.
    pub async fn sent(&mut self, signers: &[&str], operations: Vec<Operation>) -> (TransactionId, Vec<ObjectId>) {
        self.requests += 1;
        let mut request_id = RequestId([0; 16]);
        request_id.0[..2].copy_from_slice(&self.requests.to_be_bytes());
        let sender = account(signers[0]);
        let builder = TransactionBuilder::with_request_id(self.client.chain_id(), sender, request_id);
        let mut builder = builder.expires_at_ms(GENESIS_TIME_MS + 60_000);
        let made = operations.into_iter().map(|operation| builder.add(operation).object_id()).collect();
        let keys: Vec<_> = signers.iter().map(|name| key(number(name))).collect();
        let signed = builder.finish().sign(&keys).expect("it is small");
        let id = signed.id();
        let submitted = self.ledger.submit(signed).await.expect("it is admitted");
        let Submission::Pending(pending) = submitted else { panic!("the request id was used") };
        let Ok(Ending::Final(done)) = self.ledger.wait_final(pending).await else { panic!("it is not final") };
        assert_eq!(done.status, Status::Applied);
        (id, made)
    }

    pub async fn publish(&mut self, name: &str, by: &str, change: impl FnOnce(&mut NewProgramme)) -> ObjectId {
        let mut programme = NewProgramme {
            name: name.to_owned(),
            token: token(),
            buyers: Vec::new(),
            suppliers: Vec::new(),
            advance_rate_bps: 9_000,
            tenor_days_max: 90,
            rate_bps: 800,
            late_rate_bps: 800,
            fee_bps: 0,
            limit: Amount::new(500_000),
            settlements_min: 0,
            settlements_late_days_max: 0,
            order_agreed: false,
            shipment_step: None,
            shipment_age_days_max: None,
            near_duplicates_max: None,
            networks: Vec::new(),
            purposes: Vec::new(),
            recourse: true,
            participation_bps_max: 7_000,
            utc_offset_minutes: 480,
            holidays: Vec::new(),
        };
        change(&mut programme);
        self.settle(&[by], operations::publish_programme(programme)).await
    }

    pub async fn invoice(&mut self, number: u8, units: u64, confirmed: bool) -> ObjectId {
        let receivable = self.settle(&["supplier"], operations::register_invoice(new_invoice(number, units))).await;
        if confirmed {
            self.settle(&["buyer"], operations::confirm_invoice(receivable)).await;
        }
        receivable
    }

    pub async fn lend(&mut self, receivable: ObjectId, programme: ObjectId, units: u64) -> ObjectId {
        let (advance, purpose, citations) = (Amount::new(units), String::new(), Vec::new());
        let request =
            NewFinancingRequest { receivable, programme, advance, purpose, citations, foreign_receipts: Vec::new() };
        self.settle(&["supplier"], operations::request_financing(request)).await
    }

    async fn attest(&mut self, lender: &str, net_assets: u64) {
        self.attest_as(lender, net_assets, (LenderKind::SmallLoan, BlockTime(GENESIS_TIME_MS))).await;
    }

    async fn attest_as(&mut self, lender: &str, net_assets: u64, (kind, as_of): (LenderKind, BlockTime)) {
        let all = Amount::new(net_assets);
        let figures = CapitalFigures {
            kind,
            as_of,
            net_assets: all,
            loan_funding: Amount::new(net_assets / 2),
            bond_funding: Amount::ZERO,
            capital: all,
            risk_weighted_assets: all,
            exposures: all,
            lent: Amount::ZERO,
        };
        self.settle(&["auditor"], operations::attest_lender_capital(account(lender), token(), &figures)).await;
    }

    pub fn as_who(&self, name: &str) -> Client {
        self.client.reading_as(Reader { account: account(name), key: Arc::new(key(number(name))) })
    }
}

/// An invoice of the supplier's to the buyer, by a number that makes its fingerprint.
pub fn new_invoice(number: u8, units: u64) -> NewInvoice {
    NewInvoice {
        buyer: account("buyer"),
        token: token(),
        currency: "HKD".to_owned(),
        amount: Amount::new(units),
        due_at_ms: GENESIS_TIME_MS + 60 * DAY_MS,
        fingerprint: Hash([number; 32]),
        document_commitment: Hash([0xdc; 32]),
        issued_on: BlockTime(GENESIS_TIME_MS).day().to_string(),
        order: None,
    }
}

/// The code and the reason of what a call was refused for.
pub fn refused<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> (Code, String) {
    let error = answer.expect_err("it must be refused");
    let refusal = error.refusal().unwrap_or_else(|| panic!("not a refusal: {error:?}"));
    (refusal.code, refusal.reason.clone())
}

pub fn not_found() -> (Code, String) {
    (Code::NotFound, "NOT_FOUND".to_owned())
}

fn of_class(classes: &[pb::ClassAmount], class: LoanClass) -> u64 {
    classes.iter().find(|one| one.class() == class).map_or(0, |one| one.outstanding)
}

#[tokio::test]
async fn an_owner_sees_what_its_receivables_could_bring() {
    let mut desk = Desk::open().await;
    let cheap = desk.publish("CHEAP", "lender", |terms| terms.limit = Amount::new(50_000)).await;
    let dear = desk.publish("DEAR", "second", |terms| (terms.rate_bps, terms.late_rate_bps) = (1_200, 1_200)).await;
    let choosy = desk.publish("CHOOSY", "second", |terms| terms.settlements_min = 1).await;
    desk.publish("OTHERS", "second", |terms| terms.suppliers = vec![account("stranger")]).await;
    let (first, open) = (desk.invoice(1, 100_000, true).await, desk.invoice(2, 7_000, false).await);
    let pages = desk.as_who("supplier").financeable(None, "", Vec::new()).await.expect("its own");
    assert_eq!(pages.iter().map(|page| page.height).collect::<Vec<_>>(), [desk.ledger.status().height]);
    let found =
        |id: ObjectId| pages[0].receivables.iter().find(|one| one.receivable_id[..] == id.0).expect("it is open");
    assert_eq!(found(open).reason, "RECEIVABLE_NOT_CONFIRMED");
    let offers = &found(first).offers;
    let seen: Vec<_> =
        offers.iter().map(|offer| (&offer.programme_id[..], offer.advance, offer.failing.len())).collect();
    assert_eq!(seen, [(&cheap.0[..], 50_000, 0), (&dear.0[..], 90_000, 0), (&choosy.0[..], 90_000, 1)]);
    let condition = &offers[2].failing[0];
    assert_eq!((condition.name.as_str(), condition.found.as_str()), ("settlements", "0"));
    assert!(offers[0].all_in_cost_bps < offers[1].all_in_cost_bps && offers[0].interest > 0);
    // What is said is so, to the minor unit.
    desk.lend(first, dear, 90_000).await;
    let pages = desk.as_who("supplier").financeable(None, "", Vec::new()).await.expect("its own");
    let reasons: Vec<_> = pages[0].receivables.iter().map(|one| one.reason.as_str()).collect();
    assert!(reasons.contains(&"RECEIVABLE_ALREADY_FINANCED"), "{reasons:?}");

    // Above it, and whoever oversees, see it; nobody else does, not even that there is an owner.
    for name in ["bank", "watcher"] {
        let seen = desk.as_who(name).financeable(Some(account("supplier")), "", Vec::new()).await.expect(name);
        assert_eq!(seen[0].receivables.len(), 2, "{name}");
    }
    for name in ["buyer", "lender", "stranger", "auditor"] {
        let foreign = desk.as_who(name).financeable(Some(account("supplier")), "", Vec::new()).await;
        assert_eq!(refused(foreign), not_found(), "{name}");
    }
    let none = desk.as_who("stranger").financeable(None, "", Vec::new()).await.expect("its own");
    assert_eq!(none[0].receivables, []);
}

/// Whoever asks is told which limit does not hold and what it is. By how much, which tells of others' loans and of the lender's capital,
/// is for the lender and those who supervise it.
#[tokio::test]
async fn a_lenders_figures_stay_with_the_lender_and_its_supervisors() {
    let mut desk = Desk::open().await;
    let programme = desk.publish("NARROW", "lender", |terms| terms.limit = Amount::new(50_000)).await;
    desk.attest("lender", 80_000).await;
    let (first, second) = (desk.invoice(1, 60_000, true).await, desk.invoice(2, 60_000, true).await);
    desk.lend(first, programme, 40_000).await;
    let asking = |units| {
        let (receivable, advance, purpose, citations) = (second, Amount::new(units), String::new(), Vec::new());
        NewFinancingRequest { receivable, programme, advance, purpose, citations, foreign_receipts: Vec::new() }
    };
    let supplier = desk.as_who("supplier");
    let mut told = Vec::new();
    for units in [20_000, 30_000] {
        let answer = supplier.assess_financing(asking(units)).await.expect("its own receivable");
        told.push(answer.failing);
    }
    let names: Vec<&str> = told[0].iter().map(|one| one.name.as_str()).collect();
    assert!(names.contains(&"per_obligor") && names.contains(&"borrower-share-bps-max"), "{names:?}");
    assert_eq!(told[0], told[1], "two advances, and no figure that differs");
    let capital = told[0].iter().find(|one| one.name == "borrower-share-bps-max").expect("it is named");
    let found = format!("{} has more", account("lender"));
    assert_eq!((&capital.found, capital.required.as_str()), (&found, "50.00 % at most"));
    assert!(told[0].iter().all(|one| one.found_amount.is_none()), "{:?}", told[0]);

    // Of what could be financed, too: its owner and the bank above that are not told, and whoever oversees is.
    let lender = account("lender");
    for (name, found) in [
        ("supplier", format!("{lender} has more")),
        ("bank", format!("{lender} has more")),
        ("watcher", format!("50.01 % of {lender}")),
    ] {
        let pages = desk.as_who(name).financeable(Some(account("supplier")), "", Vec::new()).await.expect(name);
        let of_second = pages[0].receivables.iter().find(|one| one.receivable_id[..] == second.0).expect("it is open");
        let failing: Vec<_> = of_second.offers[0].failing.iter().map(|one| (one.name.as_str(), &one.found)).collect();
        assert_eq!(failing, [("borrower-share-bps-max", &found)], "{name}");
    }
}

#[tokio::test]
async fn receivables_come_page_by_page() {
    let mut desk = Desk::open().await;
    desk.publish("ONE", "lender", |_| ()).await;
    for number in 1..=3 {
        desk.invoice(number, 10_000, true).await;
    }
    let reader = desk.as_who("supplier");
    let service = || reader.connection().expect("a node").financing();
    let mut request = ListFinanceableRequest { page_size: 2, ..Default::default() };
    let first = service().list_financeable(request.clone()).await.expect("a page").into_inner();
    request.page_token = first.next_page_token.clone();
    let last = service().list_financeable(request.clone()).await.expect("a page").into_inner();
    assert_eq!((first.receivables.len(), last.receivables.len()), (2, 1));
    assert_eq!(last.next_page_token, "");
    let ids = first.receivables.iter().chain(&last.receivables).map(|one| &one.receivable_id);
    assert!(ids.clone().is_sorted() && ids.collect::<std::collections::BTreeSet<_>>().len() == 3);
    request.purpose = "goods".to_owned();
    let foreign = service().list_financeable(request).await.expect_err("a token of another question");
    assert_eq!(foreign.code(), Code::InvalidArgument);
    let large = ListFinanceableRequest { page_size: 51, ..Default::default() };
    let refused = service().list_financeable(large).await.expect_err("too large");
    assert_eq!(refused.message(), "page_size must be 1 to 50, or 0 for 10");
    let wordy = ListFinanceableRequest { purpose: "x".repeat(36), ..Default::default() };
    assert!(service().list_financeable(wordy).await.expect_err("too long").message().contains("purpose"));
}

/// A page ends before its receivables are held against more programmes than a page may cost, and loses none of them.
#[tokio::test]
async fn a_page_is_bounded_in_offers_too() {
    let mut desk = Desk::open().await;
    for number in 0..17 {
        desk.publish(&format!("P{number}"), "lender", |_| ()).await;
    }
    for number in 1..=12 {
        desk.invoice(number, 10_000, number != 12).await;
    }
    let reader = desk.as_who("supplier");
    let service = || reader.connection().expect("a node").financing();
    let mut request = ListFinanceableRequest { page_size: 50, ..Default::default() };
    let first = service().list_financeable(request.clone()).await.expect("a page").into_inner();
    request.page_token = first.next_page_token.clone();
    let last = service().list_financeable(request).await.expect("a page").into_inner();
    let offers =
        |page: &pb::ListFinanceableResponse| page.receivables.iter().map(|one| one.offers.len()).sum::<usize>();
    assert_eq!(offers(&first) + offers(&last), 11 * 16, "16 of 17 for each that is confirmed");
    assert!(offers(&first) <= 160 && first.receivables.len() >= 10, "{} offers", offers(&first));
    assert_eq!((first.receivables.len() + last.receivables.len(), last.next_page_token.as_str()), (12, ""));
    let ids = first.receivables.iter().chain(&last.receivables).map(|one| &one.receivable_id);
    assert!(ids.clone().is_sorted() && ids.collect::<std::collections::BTreeSet<_>>().len() == 12);
}

#[tokio::test]
async fn a_lender_reads_its_book_and_what_is_left_to_each_limit() {
    let mut desk = Desk::open().await;
    let programme = desk.publish("JOINT", "lender", |_| ()).await;
    let join = operations::join_programme(programme, 4_000, Amount::new(100_000));
    desk.settle(&["second", "lender"], join).await;
    desk.attest("lender", 200_000).await;
    let receivable = desk.invoice(1, 100_000, true).await;
    let loan = desk.lend(receivable, programme, 80_000).await;
    let answer = desk.as_who("lender").book(None, None).await.expect("its own");
    assert_eq!(answer.height, desk.ledger.status().height);
    let [book] = &answer.books[..] else { panic!("one token: {answer:?}") };
    assert_eq!((book.outstanding, of_class(&book.classes, LoanClass::Current)), (48_000, 48_000));
    assert_eq!((book.classes.len(), book.non_performing_bps), (7, 0));
    for (found, entity) in [(&book.borrowers, "TEST:SUPPLIER"), (&book.obligors, "TEST:BUYER")] {
        let found = found.as_ref().expect("they are told apart");
        let largest: Vec<_> = found.largest.iter().map(|one| (one.legal_entity_id.as_str(), one.outstanding)).collect();
        assert_eq!((largest, found.others, found.truncated), (vec![(entity, 48_000)], 0, false));
        assert_eq!(found.largest[0].share_bps, 10_000);
    }
    let loans = book.loans.as_ref().expect("it was read");
    assert_eq!((loans.count, loans.originated, loans.others, loans.joined), (1, 48_000, 32_000, 0));
    let capital = book.capital.as_ref().expect("it was attested");
    assert_eq!((capital.net_assets, capital.lent, capital.age_days), (200_000, 0, 1));
    let standing = |name: &str| -> &RuleStanding {
        let found = book.standings.iter().find(|rule| rule.name == name);
        found.unwrap_or_else(|| panic!("{name} is not in {:?}", book.standings))
    };
    let share = standing("borrower-share-bps-max");
    assert_eq!((share.figure, share.limit, share.headroom, share.kept), (Some(2_400), 5_000, Some(52_000), true));
    assert_eq!((share.law.as_str(), share.excess), (RULE, 0));
    let funding = standing("loan-funding-bps-max");
    assert_eq!((funding.figure, funding.headroom), (Some(5_000), Some(100_000)));
    assert_eq!(standing("own-share-bps-min").figure, Some(6_000));
    assert_eq!(standing("all-in-cost-bps-max").limit, 2_400);

    // The other lender sees its own part, and neither sees the other's book.
    let second = desk.as_who("second").book(None, Some(token())).await.expect("its own");
    let joined = second.books[0].loans.as_ref().map(|loans| (loans.originated, loans.joined));
    assert_eq!((second.books[0].outstanding, joined), (32_000, Some((0, 32_000))));
    for (name, whose) in [("second", "lender"), ("supplier", "lender"), ("stranger", "second"), ("bank", "lender")] {
        assert_eq!(refused(desk.as_who(name).book(Some(account(whose)), None).await), not_found(), "{name}");
        let capital = desk.as_who(name).lender_capital(Some(account(whose)), token()).await;
        assert_eq!(refused(capital), not_found(), "{name}");
    }
    for name in ["watcher", "auditor", "governance"] {
        let seen = desk.as_who(name).book(Some(account("lender")), None).await.expect(name);
        assert_eq!(seen.books, answer.books, "{name}");
        desk.as_who(name).lender_capital(Some(account("lender")), token()).await.expect(name);
        desk.as_who(name).loan(loan).await.expect(name);
    }
    let nobody = desk.as_who("watcher").book(Some(causeway::primitives::AccountId([7; 32])), None).await;
    assert_eq!(refused(nobody), not_found());
    assert_eq!(desk.as_who("stranger").book(None, None).await.expect("its own").books, []);
    assert_eq!(refused(desk.as_who("stranger").lender_capital(None, token()).await), not_found());
}

#[tokio::test]
async fn loans_are_filtered_and_an_accounts_own_are_read_alone() {
    let mut desk = Desk::open().await;
    let programmes = [desk.publish("ONE", "lender", |_| ()).await, desk.publish("TWO", "second", |_| ()).await];
    let mut loans = Vec::new();
    for (number, programme) in (1..).zip([programmes[0], programmes[1], programmes[1]]) {
        let receivable = desk.invoice(number, 10_000, true).await;
        loans.push(desk.lend(receivable, programme, 5_000).await);
    }
    desk.settle(&["supplier"], operations::repay_loan(loans[2], Amount::new(5_000))).await;
    let supplier = desk.as_who("supplier");
    let none = LoanQuery::default();
    for (query, expected) in [
        (none, vec![loans[0], loans[1], loans[2]]),
        (LoanQuery { state: Some("repaid"), ..none }, vec![loans[2]]),
        (LoanQuery { bucket: Some("current"), state: Some("performing"), ..none }, vec![loans[0], loans[1]]),
        (LoanQuery { bucket: Some("1-30"), ..none }, vec![]),
        (LoanQuery { programme: Some(programmes[1]), ..none }, vec![loans[1], loans[2]]),
        // What is open of an account, and no more.
        (LoanQuery { account: Some(account("supplier")), ..none }, vec![loans[0], loans[1]]),
        (LoanQuery { account: Some(account("supplier")), programme: Some(programmes[1]), ..none }, vec![loans[1]]),
        (LoanQuery { borrower: Some(account("supplier")), state: Some("repaid"), ..none }, vec![loans[2]]),
        (LoanQuery { borrower: Some(account("stranger")), ..none }, vec![]),
        (LoanQuery { obligor_entity: Some("TEST:BUYER"), bucket: Some("current"), ..none }, loans.clone()),
        (LoanQuery { obligor_entity: Some("TEST:SUPPLIER"), ..none }, vec![]),
    ] {
        let mut found: Vec<_> =
            supplier.loans(&query).await.expect("its own").into_iter().map(|loan| loan.loan_id).collect();
        let mut expected: Vec<_> = expected.iter().map(|loan| loan.0.to_vec()).collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{query:?}");
    }
    let of_lender = LoanQuery { account: Some(account("lender")), ..none };
    for name in ["lender", "watcher", "auditor"] {
        assert_eq!(desk.as_who(name).loans(&of_lender).await.expect(name).len(), 1, "{name}");
    }
    assert_eq!(refused(supplier.loans(&of_lender).await), not_found());
    let short = ListLoansRequest { account_id: vec![1; 31].into(), ..Default::default() };
    let refusal = supplier.connection().expect("a node").financing().list_loans(short).await.expect_err("31 bytes");
    assert!(refusal.message().contains("account_id"), "{}", refusal.message());
}

#[tokio::test]
async fn the_rules_are_public_with_what_is_to_come() {
    let mut desk = Desk::open().await;
    let later = ParameterValue {
        in_force_from: BlockTime(GENESIS_TIME_MS + DAY_MS),
        value: 2_000,
        law: "a later act".to_owned(),
    };
    desk.settle(&["governance"], operations::set_lending_parameter(Parameter::AllInCostMax, later)).await;
    let answer = desk.client.lending_rules().await.expect("they are public");
    assert_eq!((answer.rules.len(), answer.height), (Parameter::ALL.len(), desk.ledger.status().height));
    let rule = |name: &str| answer.rules.iter().find(|rule| rule.name == name).expect("a rule");
    let cost = rule("all-in-cost-bps-max");
    assert_eq!(cost.in_force.as_ref().map(|value| (value.value, value.law.as_str())), Some((2_400, RULE)));
    assert_eq!(
        cost.coming.iter().map(|value| (value.value, value.law.as_str())).collect::<Vec<_>>(),
        [(2_000, "a later act")]
    );
    assert_eq!((&cost.past[..], rule("leverage-ratio-bps-min").in_force.as_ref()), (&[][..], None));
}

/// The networks are everyone's to see; who is linked to whom is asked for by somebody.
#[tokio::test]
async fn networks_are_listed_as_governance_registered_them() {
    let mut desk = Desk::open().await;
    assert_eq!(desk.client.networks().await.expect("they are public"), []);
    let network = RegisterNetwork {
        network: ChainId([5; 32]),
        name: "elsewhere".to_owned(),
        validators: ValidatorSet::new(vec![key(98).public_key()]).expect("one"),
        epoch_length: 1_000,
        tokens: vec![TokenPair { there: "HKDY".parse().expect("a token id"), here: token() }],
    };
    desk.settle(&["governance"], operations::register_network(&network)).await;
    let listed = desk.client.networks().await.expect("they are public");
    let [found] = &listed[..] else { panic!("{listed:?}") };
    assert_eq!((&found.network_chain_id[..], found.state()), (&[5; 32][..], pb::NetworkState::Open));
    assert_eq!((found.name.as_str(), found.epoch_length), ("elsewhere", 1_000));
    assert_eq!(found.validators, [key(98).public_key().0.to_vec()]);
    desk.settle(&["governance"], operations::retire_network(network.network)).await;
    assert_eq!(desk.client.networks().await.expect("it stays listed")[0].state(), pb::NetworkState::Retired);
    let nobody = desk.client.foreign_accounts(None).await;
    assert_eq!(refused(nobody), (Code::Unauthenticated, "READ_AUTHORISATION_REQUIRED".to_owned()));
    assert_eq!(desk.as_who("supplier").foreign_accounts(Some(network.network)).await.expect("none"), []);
}

#[tokio::test]
async fn supervisors_see_all_lenders_page_by_page_and_nobody_else_does() {
    let mut desk = Desk::open().await;
    let empty = desk.as_who("watcher").supervision().await.expect("an observer");
    assert_eq!((empty.len(), &empty[0].totals[..], &empty[0].books[..]), (1, &[][..], &[][..]));
    for (number, (by, units)) in (1..).zip([("lender", 5_000), ("second", 7_000)]) {
        let programme = desk.publish(by, by, |_| ()).await;
        let receivable = desk.invoice(number, 10_000, true).await;
        desk.lend(receivable, programme, units).await;
    }
    desk.attest("second", 10_000).await;
    for name in ["watcher", "auditor", "governance"] {
        let pages = desk.as_who(name).supervision().await.expect(name);
        let total = &pages[0].totals[0];
        assert_eq!((total.outstanding, of_class(&total.classes, LoanClass::Current)), (12_000, 12_000), "{name}");
        assert!(!pages[0].totals_truncated);
        let mut outstanding: Vec<_> = pages[0].books.iter().map(|book| book.outstanding).collect();
        outstanding.sort_unstable();
        assert_eq!(outstanding, [5_000, 7_000], "{name}");
        // The second has lent to one borrower more than the half of its net assets that the law allows.
        let second = pages[0].books.iter().find(|book| book.lender_account_id[..] == account("second").0);
        let broken = second.expect("a lender").standings.iter().filter(|rule| !rule.kept);
        let broken: Vec<_> = broken.map(|rule| (rule.name.as_str(), rule.figure, rule.excess, rule.headroom)).collect();
        assert_eq!(broken, [("borrower-share-bps-max", Some(7_000), 2_000, Some(0))], "{name}");
    }
    for name in ["lender", "supplier", "bank"] {
        let refusal = refused(desk.as_who(name).supervision().await);
        assert_eq!(refusal, (Code::PermissionDenied, "ROLE_REQUIRED".to_owned()), "{name}");
    }
    let reader = desk.as_who("watcher");
    let service = || reader.connection().expect("a node").lending();
    let mut request = GetSupervisionRequest { page_size: 1, page_token: String::new() };
    let first = service().get_supervision(request.clone()).await.expect("a page").into_inner();
    request.page_token = first.next_page_token.clone();
    let second = service().get_supervision(request.clone()).await.expect("a page").into_inner();
    request.page_token = second.next_page_token.clone();
    let none = service().get_supervision(request).await.expect("the last page").into_inner();
    let count = |page: &pb::GetSupervisionResponse| page.books.len();
    assert_eq!((count(&first), count(&second), count(&none), none.next_page_token.as_str()), (1, 1, 0, ""));
    assert_ne!(first.books[0].lender_account_id, second.books[0].lender_account_id);
    assert_eq!(first.totals, none.totals, "every page has the totals");
}
