//! Orders by example: placed, agreed, changed, cancelled; and the invoices under them.

use super::{agreed, name_of, order_of, perform, placing, terms};
use crate::domain::market::{DUE, Market, OPENING, put_token};
use crate::domain::trade::*;
use crate::ledger::{Reason, Value};
use crate::primitives::time::DAY_MS;
use crate::primitives::{AccountId, Amount, BlockTime, Day, Hash, ObjectId};

const NOTHING: ObjectId = ObjectId([0; 32]);

#[test]
fn an_order_is_agreed_once_the_supplier_accepts() {
    let mut market = Market::open();
    let (buyer, supplier, stranger) = (market.buyer, market.supplier, market.stranger);
    let id = perform!(market, [buyer], placing(&market, 1, terms(1_000))).expect("a fresh number").object;
    assert_eq!((order_of(&market, id).state(), order_of(&market, id).version), (OrderState::Proposed, 1));
    let accept = AcceptOrder { order: id };
    assert_eq!(name_of(perform!(market, [buyer], accept)), "OWN_PROPOSAL");
    assert_eq!(name_of(perform!(market, [stranger], accept)), "NOT_A_PARTY_TO_THE_ORDER");
    assert_eq!(name_of(perform!(market, [supplier], AcceptOrder { order: NOTHING })), "UNKNOWN_ORDER");
    let invoice = RegisterInvoice { order: Some(id), ..market.invoice(1, 500) };
    let early = market.register(invoice).expect_err("nothing is agreed");
    assert_eq!(early, Reason::OrderNotOpen { order: id, state: "proposed" });
    let performed = perform!(market, [supplier], accept).expect("it was placed");
    let effect = &performed.planned.effects[0];
    assert_eq!((effect.name.as_str(), effect.field("state")), ("trade.order_accepted", Some(&Value::from("agreed"))));
    assert_eq!(name_of(perform!(market, [supplier], accept)), "ORDER_NOT_OPEN");
}

#[test]
fn placing_declines_each_for_its_own_reason() {
    let mut market = Market::open();
    let buyer = market.buyer;
    let dollars = put_token(&mut market.stage, "USDX", "USD");
    let good = placing(&market, 1, terms(1_000));
    let first = perform!(market, [buyer], good).expect("a fresh number").object;
    let fresh = placing(&market, 2, terms(1_000));
    let late = OrderTerms { deliver_by: Some(OPENING), ..terms(1_000) };
    let rows = [
        ("ORDER_ALREADY_PLACED", good),
        ("ROLE_REQUIRED", PlaceOrder { supplier: market.financiers[0], ..fresh }),
        ("UNKNOWN_ACCOUNT", PlaceOrder { supplier: AccountId([99; 32]), ..fresh }),
        ("SAME_LEGAL_ENTITY", PlaceOrder { supplier: buyer, ..fresh }),
        ("FINGERPRINT_KEY_NOT_COMMITTED", PlaceOrder { supplier: market.stranger, ..fresh }),
        ("CURRENCY_MISMATCH", PlaceOrder { token: dollars, ..fresh }),
        ("DELIVERY_DATE_PASSED", PlaceOrder { terms: late, ..fresh }),
    ];
    for (name, operation) in rows {
        assert_eq!(name_of(perform!(market, [buyer], operation)), name, "{operation:?}");
    }
    // An invoice of the same fingerprint is another document.
    let invoice = market.invoice(1, 500);
    market.register(invoice).expect("no invoice has it");
    assert!(market.registered(Hash([1; 32])).is_some_and(|receivable| receivable != first));
    let twice = market.stage.perform(&[buyer], |context, changes| {
        fresh.plan(context, changes)?;
        PlaceOrder { fingerprint: Hash([9; 32]), ..fresh }.plan(context, changes)
    });
    assert_eq!(name_of(twice), "ALREADY_EXISTS");
}

#[test]
fn terms_are_held_to_their_bounds() {
    assert!(terms(1).check().is_ok());
    for bad in [
        OrderTerms { amount: Amount::ZERO, ..terms(1) },
        OrderTerms { line_count: 0, ..terms(1) },
        OrderTerms { confirmation_days: 0, ..terms(1) },
        OrderTerms { confirmation_days: 181, ..terms(1) },
        OrderTerms { payment_days: Some(367), ..terms(1) },
    ] {
        assert!(bad.check().is_err(), "{bad:?}");
    }
    assert!(OrderTerms { confirmation_days: 0, silence: SilenceMeans::Nothing, ..terms(1) }.check().is_ok());
}

#[test]
fn an_order_is_changed_by_one_and_accepted_by_the_other() {
    let mut market = Market::open();
    let (buyer, supplier) = (market.buyer, market.supplier);
    let id = agreed(&mut market, 1, terms(1_000));
    let propose = |units| ProposeOrderChange { order: id, terms: terms(units) };
    let accept = |number| AcceptOrderChange { order: id, number };
    assert_eq!(name_of(perform!(market, [supplier], accept(1))), "ORDER_CHANGE_NOT_PROPOSED");
    perform!(market, [buyer], propose(800)).expect("either may");
    assert_eq!(name_of(perform!(market, [buyer], accept(1))), "OWN_PROPOSAL");
    // What the other signs for is a proposal by its number: this one takes the first one's place.
    perform!(market, [supplier], propose(1_200)).expect("either may");
    assert_eq!(name_of(perform!(market, [supplier], accept(1))), "ORDER_CHANGE_NOT_PROPOSED");
    perform!(market, [buyer], accept(2)).expect("the other accepts");
    let changed = order_of(&market, id);
    assert_eq!((changed.version, changed.terms.amount, changed.change()), (2, Amount::new(1_200), None));
    assert_eq!(name_of(perform!(market, [buyer], accept(2))), "ORDER_CHANGE_NOT_PROPOSED");

    let invoice = RegisterInvoice { order: Some(id), ..market.invoice(1, 900) };
    perform!(market, [buyer], propose(800)).expect("nothing is invoiced yet");
    market.register(invoice).expect("there is room for it");
    assert_eq!(name_of(perform!(market, [supplier], accept(3))), "AMOUNT_BELOW_INVOICED");
    assert_eq!(name_of(perform!(market, [buyer], propose(899))), "AMOUNT_BELOW_INVOICED");
    market.stage.now = BlockTime(OPENING.0 + 21 * DAY_MS);
    perform!(market, [buyer], propose(900)).expect("what is delivered keeps its date");
    let late = OrderTerms { deliver_by: Some(OPENING), ..terms(900) };
    let late = ProposeOrderChange { order: id, terms: late };
    assert_eq!(name_of(perform!(market, [buyer], late)), "DELIVERY_DATE_PASSED");
}

#[test]
fn an_order_is_cancelled_by_either_before_and_by_both_after() {
    let mut market = Market::open();
    let (buyer, supplier, stranger) = (market.buyer, market.supplier, market.stranger);
    for by in [buyer, supplier] {
        let placed = perform!(market, [buyer], placing(&market, 1, terms(1_000))).expect("its number is free").object;
        assert_eq!(name_of(perform!(market, [stranger], CancelOrder { order: placed })), "NOT_A_PARTY_TO_THE_ORDER");
        perform!(market, [by], CancelOrder { order: placed }).expect("nothing is agreed");
        assert_eq!(name_of(perform!(market, [supplier], AcceptOrder { order: placed })), "ORDER_NOT_OPEN");
    }
    let id = agreed(&mut market, 1, terms(1_000));
    let cancel = CancelOrder { order: id };
    let missing = perform!(market, [buyer], cancel).expect_err("both have agreed");
    assert_eq!(missing, Reason::MissingSignature { account: supplier });
    let invoice = RegisterInvoice { order: Some(id), ..market.invoice(1, 900) };
    let receivable = market.register(invoice).expect("there is room for it");
    assert_eq!(name_of(perform!(market, [supplier, buyer], cancel)), "ORDER_INVOICED");
    market.withdraw_as(supplier, receivable).expect("nobody owes it");
    perform!(market, [supplier, buyer], cancel).expect("nothing is invoiced");
    assert_eq!(order_of(&market, id).state(), OrderState::Cancelled);
    assert_eq!(name_of(market.register(invoice)), "ORDER_NOT_OPEN");
}

#[test]
fn invoices_fit_their_order() {
    let mut market = Market::open();
    let id = agreed(&mut market, 1, terms(1_000));
    let dollars = put_token(&mut market.stage, "USDX", "USD");
    let fits = RegisterInvoice { order: Some(id), ..market.invoice(1, 600) };
    let buyer = market.stranger;
    market.commit_key(buyer).expect("the first key of the pair");
    let rows = [
        ("UNKNOWN_ORDER", RegisterInvoice { order: Some(NOTHING), ..fits }),
        ("ORDER_MISMATCH", RegisterInvoice { buyer, ..fits }),
        ("ORDER_MISMATCH", RegisterInvoice { token: dollars, currency: "USD".parse().expect("a currency"), ..fits }),
        ("ORDER_AMOUNT_EXCEEDED", RegisterInvoice { amount: Amount::new(1_001), ..fits }),
        ("DUE_DATE_OUTSIDE_TERMS", RegisterInvoice { due_at: BlockTime(DUE.0 - 3 * DAY_MS), ..fits }),
        ("DUE_DATE_OUTSIDE_TERMS", RegisterInvoice { due_at: BlockTime(DUE.0 + 3 * DAY_MS), ..fits }),
    ];
    for (name, invoice) in rows {
        assert_eq!(name_of(market.register(invoice)), name, "{invoice:?}");
    }
    let first = market.register(fits).expect("it fits");
    assert_eq!(order_of(&market, id).invoiced(), Amount::new(600));
    let second = RegisterInvoice { fingerprint: Hash([2; 32]), ..fits };
    let over = market.register(second).expect_err("more than is left");
    assert_eq!(over, Reason::OrderAmountExceeded { order: id, amount: Amount::new(600), left: Amount::new(400) });
    let rejecting = market.buyer;
    market.reject_as(rejecting, first).expect("nobody owes it");
    assert_eq!(order_of(&market, id).invoiced(), Amount::ZERO);
    market.register(second).expect("there is room again");
}

/// Same pair, same amount, about the same day, in whatever token of the currency: counted until one is taken back.
#[test]
fn near_duplicates_are_counted() {
    let mut market = Market::open();
    let (supplier, stranger) = (market.supplier, market.stranger);
    market.commit_key(stranger).expect("the first key of the pair");
    let mills = put_token(&mut market.stage, "HKDM", "HKD");
    let today = OPENING.day().0;
    let invoice =
        |market: &Market, number, units, day| RegisterInvoice { issued_on: Day(day), ..market.invoice(number, units) };
    let found = |market: &mut Market, invoice| {
        let id = market.register(invoice).expect("a fresh fingerprint");
        (id, market.stage.read::<Receivable>(&id).expect("it was registered").near_duplicates)
    };
    let first = invoice(&market, 1, 500, today - 20);
    assert_eq!(found(&mut market, first).1, 0);
    for (number, units, day, expected) in [
        (2, 500, today - 6, 1),
        (3, 501, today - 6, 0),
        (4, 500, today - 35, 0),
        (5, 500, today - 20, 2),
        (6, 500, today, 1),
    ] {
        let next = invoice(&market, number, units, day);
        assert_eq!(found(&mut market, next).1, expected, "{number}");
    }
    let other_token = RegisterInvoice { token: mills, ..invoice(&market, 7, 500, today) };
    let (id, near) = found(&mut market, other_token);
    assert_eq!(near, 2);
    market.withdraw_as(supplier, id).expect("nobody owes it");
    let again = invoice(&market, 8, 500, today);
    assert_eq!(found(&mut market, again).1, 2);
    let other_buyer = RegisterInvoice { buyer: stranger, ..invoice(&market, 9, 500, today) };
    assert_eq!(found(&mut market, other_buyer).1, 0);
}
