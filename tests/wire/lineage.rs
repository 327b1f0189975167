//! Lineages: what each reader sees of an object's history and of what it stands on, and that nobody sees more.

use super::lending::{Desk, new_invoice, not_found, refused, token};
use super::stand_in::{GENESIS_TIME_MS, account};
use causeway::client::lineage::Lineage;
use causeway::client::operations::{self, NewFinancingRequest, NewInvoice};
use causeway::domain::trade::{
    AssignReceivable, BusinessStep, EventAction, EventKind, OrderTerms, PlaceOrder, RecordShipmentEvent, SilenceMeans,
};
use causeway::ledger::Value;
use causeway::primitives::{Amount, BlockTime, Hash, ObjectId, TransactionId};
use causeway::wire::pb::ledger as pb;
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

/// A market with an order and what came of it: two invoices, each financed by another lender.
struct Story {
    desk: Desk,
    programme: ObjectId,
    order: ObjectId,
    receivables: [ObjectId; 2],
    loans: [ObjectId; 2],
}

impl Story {
    async fn told() -> Self {
        let mut desk = Desk::open().await;
        desk.ledger.gives_receipts.store(true, Ordering::Relaxed);
        let programme = desk.publish("JOINT", "lender", |_| ()).await;
        let others = desk.publish("OTHERS", "second", |_| ()).await;
        let order = agreed_order(&mut desk).await;
        let mut receivables = [ObjectId([0; 32]); 2];
        for (number, receivable) in (1..).zip(&mut receivables) {
            let invoice = NewInvoice { order: Some(order), ..new_invoice(number, 10_000) };
            *receivable = desk.settle(&["supplier"], operations::register_invoice(invoice)).await;
            desk.settle(&["buyer"], operations::confirm_invoice(*receivable)).await;
        }
        let loans = [desk.lend(receivables[0], programme, 8_000).await, desk.lend(receivables[1], others, 7_000).await];
        // After the loans, which do not stand on it.
        desk.settle(&["carrier"], operations::record_shipment_event(&event(order, 2))).await;
        Self { desk, programme, order, receivables, loans }
    }

    async fn lineage(&self, who: &str, object: ObjectId) -> Lineage {
        self.desk.as_who(who).lineage(object).await.unwrap_or_else(|error| panic!("{who} sees it: {error}"))
    }

    /// Relations and what happened.
    async fn seen(&self, who: &str, object: ObjectId) -> Vec<(String, String)> {
        let lineage = self.lineage(who, object).await;
        let steps = lineage.steps.iter();
        steps.flat_map(|step| step.events.iter().map(|event| (step.relation.clone(), event.clone()))).collect()
    }
}

async fn agreed_order(desk: &mut Desk) -> ObjectId {
    let terms = OrderTerms {
        amount: Amount::new(100_000),
        document_commitment: Hash([2; 32]),
        line_count: 2,
        deliver_by: None,
        confirmation_days: 10,
        silence: SilenceMeans::Nothing,
        payment_days: None,
    };
    let (supplier, currency) = (account("supplier"), "HKD".parse().expect("a currency"));
    let place = PlaceOrder { supplier, token: token(), currency, fingerprint: Hash([9; 32]), terms };
    let order = desk.settle(&["buyer"], operations::place_order(&place)).await;
    desk.settle(&["supplier"], operations::accept_order(order)).await;
    desk.settle(&["supplier"], operations::appoint_carrier(order, account("carrier"))).await;
    desk.settle(&["carrier"], operations::register_read_point(Hash([7; 32]))).await;
    desk.settle(&["carrier"], operations::record_shipment_event(&event(order, 1))).await;
    order
}

fn event(order: ObjectId, hash: u8) -> RecordShipmentEvent {
    RecordShipmentEvent {
        order,
        event_hash: Hash([hash; 32]),
        document_commitment: Hash([3; 32]),
        kind: EventKind::Object,
        action: EventAction::Observe,
        step: BusinessStep::Shipping,
        event_time: BlockTime(GENESIS_TIME_MS + 900 + u64::from(hash)),
        utc_offset_minutes_plus_720: 1_200,
        read_point: Hash([7; 32]),
        objects_hash: Hash([hash; 32]),
    }
}

fn rows(rows: &[(&str, &str)]) -> Vec<(String, String)> {
    rows.iter().map(|(relation, event)| ((*relation).to_owned(), (*event).to_owned())).collect()
}

/// Every object that a lineage tells of, in whatever effect of whatever receipt.
fn objects_in(lineage: &Lineage) -> BTreeSet<ObjectId> {
    let effects = lineage.steps.iter().flat_map(|step| &step.receipt.outcome.effects);
    let values = effects.flat_map(|effect| effect.fields.iter().map(|(_, value)| value));
    values.filter_map(|value| if let Value::Object(object) = value { Some(*object) } else { None }).collect()
}

/// A lender sees what its claim stood on when it lent, and nothing of the order's other invoice and the loan on that.
#[tokio::test]
async fn a_lender_sees_what_its_claim_stands_on() {
    let story = Story::told().await;
    let lineage = story.lineage("lender", story.loans[0]).await;
    let expected = [
        ("", "financing.share_disbursed"),
        ("", "financing.disbursed"),
        ("receivable", "trade.invoice_registered"),
        ("receivable", "trade.invoice_confirmed"),
        ("programme", "financing.programme_published"),
        ("order", "trade.order_placed"),
        ("order", "trade.order_accepted"),
        ("order", "trade.carrier_appointed"),
        ("order", "trade.shipment_event_recorded"),
    ];
    let mut seen = story.seen("lender", story.loans[0]).await;
    let mut expected = rows(&expected);
    seen.sort();
    expected.sort();
    assert_eq!(seen, expected);
    assert_eq!((lineage.withheld, lineage.truncated), (0, false));
    let told = objects_in(&lineage);
    assert!(!told.contains(&story.receivables[1]) && !told.contains(&story.loans[1]), "{told:?}");
    for (who, object) in [
        ("lender", story.order),
        ("lender", story.loans[1]),
        ("lender", story.receivables[1]),
        ("second", story.loans[0]),
        ("carrier", story.loans[0]),
        ("stranger", story.receivables[0]),
    ] {
        assert_eq!(refused(story.desk.as_who(who).lineage(object).await), not_found(), "{who}");
    }
    // Of the receivable it sees its own loan on it, and not what others did with it.
    let seen = story.seen("lender", story.receivables[0]).await;
    assert_eq!(seen, rows(&[("", "financing.disbursed")]));
}

/// A programme leads to nobody's loans; whoever took no part in it sees nothing of it, and none takes part in nothing.
#[tokio::test]
async fn a_programme_leads_nowhere() {
    let mut story = Story::told().await;
    for who in ["second", "stranger", "carrier", "auditor"] {
        let seen = story.desk.as_who(who).lineage(story.programme).await;
        assert_eq!(refused(seen), not_found(), "{who}");
    }
    let join = operations::join_programme(story.programme, 4_000, Amount::new(100_000));
    story.desk.settle(&["second", "lender"], join).await;
    assert_eq!(story.seen("second", story.programme).await, rows(&[("", "financing.programme_joined")]));
    let mine = story.seen("lender", story.programme).await;
    let own = ["financing.programme_published", "financing.disbursed", "financing.programme_joined"];
    assert_eq!(mine, rows(&own.map(|event| ("", event))));
    // The supplier sees its loan under it, and nothing of the programme below that it does not see by itself.
    assert_eq!(story.seen("supplier", story.programme).await, rows(&[("", "financing.disbursed")]));
}

#[tokio::test]
async fn a_carrier_sees_of_an_order_its_own_part() {
    let story = Story::told().await;
    let seen = story.seen("carrier", story.order).await;
    let own = ["trade.carrier_appointed", "trade.shipment_event_recorded", "trade.shipment_event_recorded"];
    assert_eq!(seen, rows(&own.map(|event| ("", event))));
    // A party sees all of it, and comes from it to no invoice by itself.
    let lineage = story.lineage("buyer", story.order).await;
    assert!(lineage.steps.iter().all(|step| step.object == story.order));
}

/// A buyer sees its invoice and order, and nothing of the loan; a former owner how it came and went.
#[tokio::test]
async fn buyer_and_former_owner_see_their_own_of_a_receivable() {
    let mut story = Story::told().await;
    let seen = story.seen("buyer", story.receivables[0]).await;
    assert_eq!(seen[..2], rows(&[("", "trade.invoice_registered"), ("", "trade.invoice_confirmed")]));
    assert!(seen.iter().skip(2).all(|(relation, _)| relation == "order"), "{seen:?}");
    assert!(!objects_in(&story.lineage("buyer", story.receivables[0]).await).contains(&story.loans[0]));

    let desk = &mut story.desk;
    let passed_on = NewInvoice { order: Some(story.order), ..new_invoice(3, 10_000) };
    let receivable = desk.settle(&["supplier"], operations::register_invoice(passed_on)).await;
    desk.settle(&["buyer"], operations::confirm_invoice(receivable)).await;
    for (from, to) in [("supplier", "stranger"), ("stranger", "supplier")] {
        let assignment = AssignReceivable { receivable, assignee: account(to) };
        desk.settle(&[from, to], operations::assign_receivable(&assignment)).await;
    }
    desk.lend(receivable, story.programme, 8_000).await;
    let assigned = ("", "trade.receivable_assigned");
    assert_eq!(story.seen("stranger", receivable).await, rows(&[assigned, assigned]));
}

/// An invoice that was registered together with another: who lent on one of them learns nothing of the other.
#[tokio::test]
async fn what_tells_of_others_business_is_withheld() {
    let mut story = Story::told().await;
    let invoice = |number| NewInvoice { order: Some(story.order), ..new_invoice(number, 10_000) };
    let both = [4, 5].map(|number| operations::register_invoice(invoice(number)));
    let made = story.desk.settle_all(&["supplier"], both.to_vec()).await;
    story.desk.settle(&["buyer"], operations::confirm_invoice(made[0])).await;
    let loan = story.desk.lend(made[0], story.programme, 8_000).await;
    let lineage = story.lineage("lender", loan).await;
    assert!(!objects_in(&lineage).contains(&made[1]), "{lineage:?}");
    let registered = |lineage: &Lineage| {
        lineage.steps.iter().any(|step| step.events.iter().any(|event| event == "trade.invoice_registered"))
    };
    assert_eq!((lineage.withheld, registered(&lineage)), (1, false));
    // What names the order is withheld, and so is the order: every object is named in a step above it.
    assert!(lineage.steps.iter().all(|step| step.relation != "order"));
    // The borrower registered both, and sees all of it.
    let lineage = story.lineage("supplier", loan).await;
    assert_eq!((lineage.withheld, registered(&lineage)), (0, true));
}

/// The settlements that a loan was granted on the showing of are steps of its lineage, with their receipts: for whoever lent, who
/// was shown them, and for whom they concern; and for nobody else.
#[tokio::test]
async fn the_settlements_that_were_cited_are_steps_too() {
    let mut story = Story::told().await;
    let desk = &mut story.desk;
    let pay = |units| {
        let remittance = operations::Remittance::default();
        operations::transfer(account("lender"), account("supplier"), token(), Amount::new(units), remittance)
    };
    let mut cited = Vec::new();
    let mut citations = Vec::new();
    for units in [700, 800] {
        let (paid, _) = desk.sent(&["lender"], vec![pay(units)]).await;
        cited.push(ObjectId(paid.0));
        citations.push(desk.as_who("supplier").citation(paid).await.expect("it is the supplier's"));
    }
    let receivable = desk.invoice(8, 10_000, true).await;
    // Another lends, whom the payments do not concern.
    let programme = desk.publish("ON-RECORD", "second", |terms| terms.settlements_min = 2).await;
    let (advance, purpose, foreign_receipts) = (Amount::new(5_000), String::new(), Vec::new());
    let request = NewFinancingRequest { receivable, programme, advance, purpose, citations, foreign_receipts };
    let loan = desk.settle(&["supplier"], operations::request_financing(request)).await;
    for who in ["second", "supplier", "watcher"] {
        let lineage = story.lineage(who, loan).await;
        let settled: Vec<ObjectId> =
            lineage.steps.iter().filter(|step| step.relation == "settlement").map(|step| step.object).collect();
        assert_eq!(settled, cited, "{who}");
        for step in lineage.steps.iter().filter(|step| step.relation == "settlement") {
            assert_eq!((step.transaction.0, step.summary().as_str()), (step.object.0, "payment"));
            assert_eq!(step.receipt.outcome.movements.len(), 1);
            // What the payer has left is its own to know.
            assert!(who != "second" || step.receipt.balances.is_empty(), "{:?}", step.receipt.balances);
        }
    }
    // The buyer was shown nothing, and a lender that was not asked learns nothing of the loan.
    for who in ["buyer", "lender", "stranger"] {
        assert_eq!(refused(story.desk.as_who(who).lineage(loan).await), not_found(), "{who}");
    }
}

async fn page(
    story: &Story,
    who: &str,
    object: ObjectId,
    (page_size, page_token): (u32, &str),
) -> Result<pb::GetLineageResponse, tonic::Status> {
    let (object_id, page_token) = (object.0.to_vec().into(), page_token.to_owned());
    let mut service = story.desk.as_who(who).connection().expect("a node").ledger();
    let request = pb::GetLineageRequest { object_id, page_size, page_token };
    service.get_lineage(request).await.map(tonic::Response::into_inner)
}

/// What the pages of a lineage have together, and how many there are.
async fn gathered(story: &Story, object: ObjectId, page_size: u32) -> (Vec<(ObjectId, TransactionId)>, usize) {
    let (mut steps, mut pages, mut page_token) = (Vec::new(), 0, String::new());
    loop {
        let page = page(story, "lender", object, (page_size, &page_token)).await.expect("it is the lender's");
        assert!(page.steps.len() <= page_size as usize);
        steps.extend(page.steps.iter().map(|step| {
            let id = |bytes: &[u8]| <[u8; 32]>::try_from(bytes).expect("32 bytes");
            (ObjectId(id(&step.object_id)), TransactionId(id(&step.transaction_id)))
        }));
        (pages, page_token) = (pages + 1, page.next_page_token);
        if page_token.is_empty() {
            return (steps, pages);
        }
    }
}

/// However long a history is, its pages together have every step once and in its order, the last as well as the first.
#[tokio::test]
async fn a_long_lineage_has_pages() {
    let mut story = Story::told().await;
    let (loan, receivable) = (story.loans[0], story.receivables[0]);
    let remittance = operations::Remittance::default();
    let fund = operations::transfer(account("second"), account("buyer"), token(), Amount::new(900), remittance);
    story.desk.settle(&["second"], fund).await;
    for _ in 0..90 {
        story.desk.settle(&["buyer"], operations::pay_invoice(receivable, Amount::new(10), "")).await;
    }
    let whole = story.lineage("lender", loan).await;
    assert!(!whole.truncated);
    let repaid = whole.steps.iter().filter(|step| step.events.iter().any(|event| event == "financing.loan_repaid"));
    assert_eq!(repaid.count(), 90, "each payment of the invoice repays a part of the loan");
    let below = whole.steps.iter().filter(|step| !step.relation.is_empty()).count();
    assert!(below >= 7, "what the loan stands on comes after all of them: {below}");
    for page_size in [1, 7, 256] {
        let (steps, pages) = gathered(&story, loan, page_size).await;
        let expected: Vec<_> = whole.steps.iter().map(|step| (step.object, step.transaction)).collect();
        assert_eq!(steps, expected, "{page_size}");
        assert!(pages >= whole.steps.len() / page_size as usize);
    }
    // The usual page, and no page is larger than the largest.
    let usual = page(&story, "lender", loan, (0, "")).await.expect("it is the lender's");
    assert_eq!(usual.steps.len(), 64);
    let token = usual.next_page_token.as_str();
    // A token is one caller's, and of one object.
    for (who, object, asked) in [
        ("lender", loan, (257, "")),
        ("lender", loan, (0, "AAAA")),
        ("lender", loan, (0, "not a token")),
        ("supplier", loan, (0, token)),
        ("lender", receivable, (0, token)),
    ] {
        let status = page(&story, who, object, asked).await.expect_err("no such page");
        assert_eq!(status.code(), tonic::Code::InvalidArgument, "{who} {asked:?}");
    }
}
