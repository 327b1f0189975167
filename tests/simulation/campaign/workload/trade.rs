//! Orders, shipments, invoices, disputes, and receivables that pass on.

use super::super::super::cast::{account, token};
use super::lending::{asking, programme};
use super::{Desk, fingerprint_key, opened};
use causeway::client::operations::{self, BusinessStep, NewInvoice, Operation};
use causeway::domain::trade::{
    AssignReceivable, DeclareEventError, DisputeGround, DisputeInvoice, ErrorGround, EventAction, EventKind,
    IssueCreditNote, OrderTerms, Part, PlaceOrder, RecordShipmentEvent, SilenceMeans, SplitReceivable,
    document_commitment, part_id,
};
use causeway::primitives::crypto::sha256;
use causeway::primitives::ids::ObjectKind;
use causeway::primitives::time::DAY_MS;
use causeway::primitives::{Amount, BlockTime, Hash, ObjectId};
use rand::RngExt as _;
use rand::rngs::StdRng;

/// The request id of the order that is under way from the opening on.
const ORDER: u64 = 10;
/// What it is over.
const ORDER_AMOUNT: u64 = 100_000_000;

fn standing_order() -> ObjectId {
    opened("buyer", ORDER, ObjectKind::Order)
}

fn reader() -> Hash {
    sha256(b"the gate of the warehouse")
}

pub fn registered_reader(desk: &mut Desk<'_>) {
    desk.act("carrier", operations::register_read_point(reader()));
}

pub fn placed_order(desk: &mut Desk<'_>) {
    desk.act_under(ORDER, &["buyer"], vec![operations::place_order(&placing(desk, ORDER_AMOUNT))]);
}

pub fn agreed_order(desk: &mut Desk<'_>) {
    desk.act("supplier", operations::accept_order(standing_order()));
}

pub fn appointed_carrier(desk: &mut Desk<'_>) {
    desk.act("supplier", operations::appoint_carrier(standing_order(), account("carrier")));
}

fn order_terms(desk: &Desk<'_>, amount: u64) -> OrderTerms {
    OrderTerms {
        amount: Amount::new(amount),
        document_commitment: document_commitment(&desk.hash("order").0, b"an order"),
        line_count: 1,
        deliver_by: None,
        confirmation_days: 10,
        silence: SilenceMeans::Confirms,
        payment_days: None,
    }
}

fn placing(desk: &Desk<'_>, amount: u64) -> PlaceOrder {
    let (supplier, currency, fingerprint) = (account("supplier"), "HKD".parse().unwrap(), desk.hash("order number"));
    PlaceOrder { supplier, token: token(), currency, fingerprint, terms: order_terms(desk, amount) }
}

/// An order that is accepted and cancelled at the same time.
pub fn order(desk: &mut Desk<'_>, rng: &mut StdRng) {
    let placed = desk.act("buyer", operations::place_order(&placing(desk, rng.random_range(1..100_000))));
    if rng.random_bool(0.7) {
        desk.then();
    }
    let rivals = [
        desk.act("supplier", operations::accept_order(placed.made)),
        desk.act("buyer", operations::cancel_order(placed.made)),
    ];
    if desk.story.stages.len() > 1 {
        desk.race("whether an order is agreed", &[placed], &rivals);
    }
}

/// An order of which both want other terms, of which one is accepted; an invoice under it; cancelled by both in the end.
pub fn changed_order(desk: &mut Desk<'_>, rng: &mut StdRng) {
    let amount = rng.random_range(50_000..100_000);
    let order = desk.act("buyer", operations::place_order(&placing(desk, amount))).made;
    desk.then();
    desk.act("supplier", operations::accept_order(order));
    desk.then();
    for party in ["buyer", "supplier"] {
        let terms = order_terms(desk, amount + rng.random_range(1..1_000));
        desk.act(party, operations::propose_order_change(order, &terms));
    }
    desk.then();
    // Whichever came second took the place of the first; nobody accepts its own.
    let rivals = [("buyer", 1), ("supplier", 1), ("buyer", 2), ("supplier", 2)]
        .map(|(party, number)| desk.act(party, operations::accept_order_change(order, number)));
    desk.race("an order's terms", &[], &rivals);
    desk.then();
    match rng.random_bool(0.5) {
        true => desk.act_with(&["buyer", "supplier"], operations::cancel_order(order)),
        false => desk.act("supplier", under(desk, Some(order), "invoice", 40_000)),
    };
}

/// Events of the standing order's shipment, read at a point of their own; one is wrong, and said twice.
pub fn shipment(desk: &mut Desk<'_>, rng: &mut StdRng) {
    let point = desk.hash("reader");
    desk.act("carrier", operations::register_read_point(point));
    let read_point = if rng.random_bool(0.5) { point } else { reader() };
    let event = |desk: &Desk<'_>, what: &str, step, seconds: u64| RecordShipmentEvent {
        order: standing_order(),
        event_hash: desk.hash(what),
        document_commitment: desk.hash("shipment"),
        kind: EventKind::Object,
        action: EventAction::Observe,
        step,
        // After the order was placed, and before now, by whatever clock.
        event_time: BlockTime(desk.now_ms.saturating_sub(1_000 * seconds)),
        utc_offset_minutes_plus_720: 1_200,
        read_point,
        objects_hash: desk.hash("objects"),
    };
    desk.then();
    let shipped = event(desk, "shipped", BusinessStep::Shipping, 2);
    desk.act("carrier", operations::record_shipment_event(&shipped));
    let twice = event(desk, "shipped later", BusinessStep::Shipping, 1);
    desk.act("carrier", operations::record_shipment_event(&twice));
    desk.then();
    let declaring = DeclareEventError {
        order: standing_order(),
        event_hash: shipped.event_hash,
        ground: ErrorGround::IncorrectData,
        declared_at: BlockTime(desk.now_ms),
        corrective_event: None,
    };
    let rivals = [(); 2].map(|()| desk.act("carrier", operations::declare_event_error(&declaring)));
    desk.race("whether an event counts", &[], &rivals);
    desk.act("carrier", operations::retire_read_point(point));
}

/// An invoice from its registration on, with everyone who wants something of it in a race.
pub fn invoice(desk: &mut Desk<'_>, rng: &mut StdRng) {
    let amount = rng.random_range(10_000..500_000);
    let receivable = desk.act("supplier", registering(desk, "invoice", amount)).made;
    let end = rng.random_range(0..4);
    let mut race = vec![("buyer", operations::confirm_invoice(receivable))];
    match end {
        0 => race.push(("buyer", operations::reject_invoice(receivable))),
        1 => race.push(("supplier", operations::withdraw_invoice(receivable))),
        _ => {}
    }
    if rng.random_bool(0.5) {
        race.reverse();
    }
    let rivals: Vec<_> = race.into_iter().map(|(who, operation)| desk.act(who, operation)).collect();
    if rivals.len() > 1 {
        desk.race("whether an invoice is owed", &[], &rivals);
    }
    let absence =
        operations::certify_absence(account("supplier"), account("buyer"), desk.hash("another"), fingerprint_key());
    desk.act("financier", absence);
    let advance = amount * rng.random_range(10..80) / 100;
    for place in 0..2 {
        desk.act("supplier", asking(receivable, programme(place), advance));
    }
    if end > 1 {
        for part in ["first", "second"] {
            desk.act("buyer", operations::pay_invoice(receivable, Amount::new(amount * 6 / 10), part));
        }
    }
}

/// The same invoice, registered twice and financed by two.
pub fn one_invoice_twice(desk: &mut Desk<'_>, rng: &mut StdRng) {
    let amount = rng.random_range(10_000..500_000);
    for place in 0..2 {
        let receivable = desk.act("supplier", registering(desk, "one invoice", amount)).made;
        desk.act("buyer", operations::confirm_invoice(receivable));
        desk.act("supplier", asking(receivable, programme(place), amount / 2));
    }
}

/// An invoice of which the buyer disputes a part, which the supplier credits or takes back whole; and goods returned later.
pub fn dispute(desk: &mut Desk<'_>, rng: &mut StdRng) {
    let amount = rng.random_range(10_000..500_000);
    let order = rng.random_bool(0.3).then(standing_order);
    let receivable = desk.act("supplier", under(desk, order, "disputed", amount)).made;
    desk.then();
    let dispute = |amount, ground| DisputeInvoice { receivable, amount: Amount::new(amount), ground };
    let disputes = [dispute(amount / 4, DisputeGround::Price), dispute(amount / 5, DisputeGround::NotOrdered)];
    let rivals = disputes.map(|dispute| desk.act("buyer", operations::dispute_invoice(&dispute)));
    desk.race("an invoice's dispute", &[], &rivals);
    desk.then();
    let note = |desk: &Desk<'_>, what: &str, amount| IssueCreditNote {
        receivable,
        amount: Amount::new(amount),
        fingerprint: desk.hash(what),
        document_commitment: desk.hash("note"),
    };
    let credit = note(desk, "credit note", amount / 4);
    let rivals = [(); 2].map(|()| desk.act("supplier", operations::issue_credit_note(&credit)));
    desk.race("a credit note's number", &[], &rivals);
    if rng.random_bool(0.3) {
        desk.act("supplier", operations::withdraw_invoice(receivable));
    }
    desk.then();
    match rng.random_bool(0.3) {
        true => desk.act("buyer", operations::reject_invoice(receivable)),
        false => desk.act("buyer", operations::confirm_invoice(receivable)),
    };
    desk.then();
    desk.act("supplier", asking(receivable, programme(0), amount / 2));
    desk.then();
    let returned = note(desk, "returned goods", amount / 20);
    desk.act("supplier", operations::issue_credit_note(&returned));
}

/// A confirmed receivable that its owner assigns, splits and pledges at the same time; what was split is financed in parts.
pub fn passing_on(desk: &mut Desk<'_>, rng: &mut StdRng) {
    let amount = rng.random_range(10_000..500_000);
    let receivable = desk.act("supplier", registering(desk, "passed on", amount)).made;
    desk.then();
    let confirmed = desk.act("buyer", operations::confirm_invoice(receivable));
    desk.then();
    let assignment = AssignReceivable { receivable, assignee: account("trader") };
    let part = |owner, amount| Part { owner: account(owner), amount: Amount::new(amount) };
    let parts = vec![part("supplier", amount / 3), part("trader", amount - amount / 3)];
    let split = SplitReceivable { receivable, parts, term_exception: String::new() };
    let signers = ["supplier", "trader"];
    let mut race: Vec<(&[&str], Operation)> = vec![
        (&signers, operations::assign_receivable(&assignment)),
        (&signers, operations::split_receivable(&split)),
        (&signers[..1], asking(receivable, programme(1), amount / 2)),
    ];
    race.rotate_left(rng.random_range(0..3));
    race.truncate(2);
    let rivals: Vec<_> = race.into_iter().map(|(signers, operation)| desk.act_with(signers, operation)).collect();
    desk.race("a receivable", &[confirmed], &rivals);
    desk.then();
    for (place, owner) in [(0, "supplier"), (1, "trader")] {
        desk.act(owner, asking(part_id(receivable, place), programme(0), amount / 5));
    }
    desk.act("trader", asking(receivable, programme(0), amount / 5));
    desk.then();
    desk.act("buyer", operations::pay_invoice(part_id(receivable, 1), Amount::new(amount / 10), "a part"));
    desk.act("buyer", operations::pay_invoice(receivable, Amount::new(amount / 10), "the whole"));
}

pub fn registering(desk: &Desk<'_>, number: &str, amount: u64) -> Operation {
    under(desk, None, number, amount)
}

fn under(desk: &Desk<'_>, order: Option<ObjectId>, number: &str, amount: u64) -> Operation {
    due_in(desk, order, number, amount, 60)
}

pub fn due_in(desk: &Desk<'_>, order: Option<ObjectId>, number: &str, amount: u64, days: u64) -> Operation {
    operations::register_invoice(NewInvoice {
        buyer: account("buyer"),
        token: token(),
        currency: "HKD".to_owned(),
        amount: Amount::new(amount),
        due_at_ms: desk.now_ms + days * DAY_MS,
        fingerprint: desk.hash(number),
        document_commitment: desk.hash("document"),
        issued_on: "2026-01-01".to_owned(),
        order,
    })
}
