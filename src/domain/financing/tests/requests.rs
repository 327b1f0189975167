//! Programmes and requests under them.

use super::desk::{Desk, amount, name_of, publish, terms};
use super::settlements::{applied, cite, cite_on, declined, disbursed, paid, record, settled};
use crate::domain::financing::{BookLine, Citation, LoanState, ProgrammeTerms, RequestFinancing, outstanding};
use crate::domain::market::{DUE, Market, put_token};
use crate::domain::trade::{
    AppointCarrier, BusinessStep, DeclareEventError, ErrorGround, EventAction, EventKind, ReceivableState,
    RecordShipmentEvent, RegisterInvoice, RegisterReadPoint,
};
use crate::ledger::{Changes, Header, Outcome, Reason, Role, Value};
use crate::primitives::time::DAY_MS;
use crate::primitives::{Amount, BlockTime, ChainId, Decode as _, Encode as _, Hash, ObjectId};
use bytes::Bytes;
use std::collections::BTreeSet;

#[test]
fn what_meets_every_condition_is_a_loan_in_the_same_operation() {
    let mut desk = Desk::open();
    let (supplier, financier) = (desk.market.supplier, desk.market.financiers[0]);
    let receivable = desk.market.confirmed(1, 20_000);
    let operation = desk.asking(receivable, 10_000);
    let performed = desk.request(&operation).expect("every condition holds");
    let movement = performed.planned.movements[0];
    assert_eq!((movement.from, movement.to, movement.amount), (Some(financier), Some(supplier), amount(10_000)));
    let effect = performed.planned.effects.last().expect("an effect");
    assert_eq!(effect.name, "financing.disbursed");
    for (field, value) in [
        ("state_before", Value::from("confirmed")),
        ("state", Value::from("financed")),
        ("holder_before", Value::Account(supplier)),
        ("holder", Value::Account(financier)),
        // Principal, fee, and 31 days of interest: the due day is a Sunday, and a Monday follows.
        ("secured", Value::Amount(amount(10_193))),
        ("outstanding", Value::Amount(amount(20_000))),
    ] {
        assert_eq!(effect.field(field), Some(&value), "{field}");
    }
    let found = desk.receivable(receivable);
    assert_eq!((found.state(), found.loan()), (ReceivableState::Financed, Some(performed.object)));
    assert_eq!(desk.loan(performed.object).state(), LoanState::Performing);
    assert_eq!(name_of(desk.request(&operation)), "RECEIVABLE_ALREADY_FINANCED");
}

/// What was paid is not taken for what is still financed, whether a loan had it or none.
#[test]
fn a_receivable_that_has_ended_is_told_by_its_state() {
    let mut desk = Desk::open();
    let (financed, loan) = desk.lent();
    let plain = desk.market.confirmed(2, 500);
    for (receivable, units) in [(financed, 20_000), (plain, 500)] {
        desk.pay(receivable, units).expect("the buyer has it");
        let operation = desk.asking(receivable, 100);
        let expected = Reason::ReceivableNotOpen { receivable, state: "settled" };
        assert_eq!(desk.request(&operation).expect_err("it is paid"), expected);
    }
    assert_eq!(desk.receivable(financed).loan(), Some(loan), "which loan it was is kept");
}

/// The loan names each settlement that it was granted on the showing of, with what that paid.
#[test]
fn a_loan_names_the_settlements_that_were_cited_for_it() {
    let mut desk = Desk::open();
    let receivable = desk.market.confirmed(1, 20_000);
    let operation = desk.asking(receivable, 10_000);
    let cited: Vec<Outcome> =
        operation.citations.iter().map(|cited| Outcome::from_bytes(&cited.outcome).expect("an outcome")).collect();
    let performed = desk.request(&operation).expect("every condition holds");
    let told: Vec<_> =
        performed.planned.effects.iter().filter(|effect| effect.name == "financing.settlement_cited").collect();
    assert_eq!(told.len(), cited.len());
    for (effect, outcome) in told.into_iter().zip(&cited) {
        let paid = outcome.movements[0].amount;
        for (field, value) in [
            ("loan", Value::Object(performed.object)),
            ("settlement", Value::Object(ObjectId(outcome.transaction_id.0))),
            ("amount", Value::Amount(paid)),
        ] {
            assert_eq!(effect.field(field), Some(&value), "{field}");
        }
    }
}

#[test]
fn every_condition_that_fails_is_named() {
    let mut desk = Desk::open_with(|terms| {
        terms.suppliers = vec![crate::primitives::AccountId([77; 32])];
        terms.tenor_days_max = 30;
        terms.limits.per_invoice = amount(17_999);
        terms.limits.total = amount(17_998);
        terms.purposes = vec!["GDDS".to_owned()];
        terms.evidence.record.count_min = 2;
        terms.evidence.record.sum_min = amount(101);
        terms.evidence.record.period_days_min = 1;
    });
    let receivable = desk.market.confirmed(1, 20_000);
    let operation = desk.asking(receivable, 19_000);
    let Err(Reason::ProgrammeConditionsNotMet { count, conditions, .. }) = desk.request(&operation) else {
        panic!("it must be declined for its conditions")
    };
    let names: Vec<&str> = conditions.split("; ").filter_map(|each| each.split(':').next()).collect();
    assert_eq!(
        names,
        [
            "supplier",
            "advance",
            "tenor_days",
            "per_invoice",
            "total",
            "settlements",
            "settlements_sum",
            "settlements_period_days",
            "purpose"
        ]
    );
    assert_eq!(count, names.len() as u64);
    assert!(conditions.contains("advance: 190.00 HKDX, must be 180.00 HKDX at most"), "{conditions}");
    assert!(conditions.contains("per_invoice: more, must be 179.99 HKDX at most"), "{conditions}");
}

/// An advance far above what the receivable could bring is declined for that, and tries no lender's room: it weighs on the limits that
/// others' loans count in as what the receivable could bring.
#[test]
fn an_advance_beyond_the_receivable_tries_nobodys_limits() {
    let mut desk = Desk::open_with(|terms| terms.limits.per_obligor = amount(30_000));
    desk.lent();
    let receivable = desk.market.confirmed(2, 20_000);
    for (units, named) in [(20_001, vec!["advance", "claim"]), (900_000, vec!["advance", "claim"])] {
        let operation = desk.asking(receivable, units);
        let conditions = conditions_of(desk.request(&operation));
        let names: Vec<&str> = conditions.split("; ").filter_map(|each| each.split(':').next()).collect();
        assert_eq!(names, named, "{units}: {conditions}");
    }
    // 10,000 are out, so 18,000 more keep 30,000; with 2,001 more they do not, and by how much stays with the lender.
    let another = desk.market.confirmed(3, 2_500);
    let operation = desk.asking(another, 2_001);
    desk.request(&operation).expect("within every limit");
    let operation = desk.asking(receivable, 18_000);
    assert_eq!(conditions_of(desk.request(&operation)), "per_obligor: more, must be 300.00 HKDX at most");
}

/// Each condition by itself, just kept and just broken.
#[test]
fn conditions_hold_to_their_last_unit() {
    type Change = fn(&mut crate::domain::financing::ProgrammeTerms);
    let rows: [(&str, u64, Change, bool); 13] = [
        ("advance", 18_000, |_| (), true),
        ("advance", 18_001, |_| (), false),
        // Principal 19,000 and interest of 5.70 a day for 31 days, 177; and a fee.
        (
            "claim",
            19_000,
            |terms| (terms.advance_rate_bps, terms.pricing.fee_bps, terms.pricing.fee_flat) = (10_000, 0, amount(823)),
            true,
        ),
        (
            "claim",
            19_000,
            |terms| (terms.advance_rate_bps, terms.pricing.fee_bps, terms.pricing.fee_flat) = (10_000, 0, amount(824)),
            false,
        ),
        ("tenor_days", 1_000, |terms| (terms.tenor_days_min, terms.tenor_days_max) = (31, 31), true),
        ("tenor_days", 1_000, |terms| terms.tenor_days_min = 32, false),
        ("per_obligor", 1_000, |terms| terms.limits.per_obligor = amount(1_000), true),
        ("per_obligor", 1_000, |terms| terms.limits.per_obligor = amount(999), false),
        ("per_supplier", 1_000, |terms| terms.limits.per_supplier = amount(999), false),
        ("buyer", 1_000, |terms| terms.buyers = vec![crate::primitives::AccountId([9; 32])], false),
        ("total", 1_000, |terms| terms.limits.total = Amount::ZERO, false),
        ("settlements_sum", 1_000, |terms| terms.evidence.record.sum_min = amount(101), false),
        ("purpose", 1_000, |terms| terms.purposes = vec![String::from("SUPP")], false),
    ];
    for (name, units, change, holds) in rows {
        let mut desk = Desk::open_with(change);
        let receivable = desk.market.confirmed(1, 20_000);
        let operation = desk.asking(receivable, units);
        match desk.request(&operation) {
            Ok(_) => assert!(holds, "{name} at {units} must not hold"),
            Err(Reason::ProgrammeConditionsNotMet { count, conditions, .. }) => {
                assert!(!holds && count == 1 && conditions.starts_with(&format!("{name}: ")), "{name}: {conditions}");
            }
            Err(other) => panic!("{name}: {other:?}"),
        }
    }
}

/// The order agreed and its shipment on the way are evidence, until the carrier declares its event wrong.
#[test]
fn an_order_and_its_shipment_are_evidence() {
    let asking_for_both = |terms: &mut ProgrammeTerms| {
        terms.evidence.order_agreed = true;
        terms.evidence.shipment_step = Some(BusinessStep::Shipping);
        terms.evidence.shipment_age_days_max = Some(2);
    };
    let mut desk = Desk::open_with(asking_for_both);
    let without = desk.market.confirmed(1, 20_000);
    let operation = desk.asking(without, 1_000);
    let conditions = conditions_of(desk.request(&operation));
    assert!(conditions.contains("order: ") && conditions.contains("; shipment_step: "), "{conditions}");

    let market = &mut desk.market;
    let (buyer, supplier) = (market.buyer, market.supplier);
    let order = market.ordered(9, 50_000);
    let carrier = market.stage.open(8, None, &[Role::Carrier]);
    let read_point = Hash([0xd0; 32]);
    let appoint = AppointCarrier { order, carrier };
    market.stage.perform(&[supplier], |context, changes| appoint.plan(context, changes)).expect("a party appoints");
    let dock = RegisterReadPoint { read_point };
    market.stage.perform(&[carrier], |context, changes| dock.plan(context, changes)).expect("a new reader");
    let invoice = RegisterInvoice { order: Some(order), ..market.invoice(2, 20_000) };
    let receivable = market.register(invoice).expect("within the order");
    market.confirm_as(buyer, receivable).expect("it was registered");
    let operation = desk.asking(receivable, 1_000);
    let conditions = conditions_of(desk.request(&operation));
    assert!(conditions.starts_with("shipment_step: ") && !conditions.contains("order: "), "{conditions}");

    let event = RecordShipmentEvent {
        order,
        event_hash: Hash([1; 32]),
        document_commitment: Hash([2; 32]),
        kind: EventKind::Object,
        action: EventAction::Observe,
        step: BusinessStep::Shipping,
        event_time: desk.market.stage.now,
        utc_offset_minutes_plus_720: 1_200,
        read_point,
        objects_hash: Hash([3; 32]),
    };
    let wrong = DeclareEventError {
        order,
        event_hash: event.event_hash,
        ground: ErrorGround::IncorrectData,
        declared_at: desk.market.stage.now,
        corrective_event: None,
    };
    let stage = &mut desk.market.stage;
    stage.perform(&[carrier], |context, changes| event.plan(context, changes)).expect("it just happened");
    stage.perform(&[carrier], |context, changes| wrong.plan(context, changes)).expect("its own event");
    assert!(conditions_of(desk.request(&operation)).starts_with("shipment_step: "), "it was declared wrong");
    let right = RecordShipmentEvent { event_hash: Hash([4; 32]), ..event };
    let stage = &mut desk.market.stage;
    stage.perform(&[carrier], |context, changes| right.plan(context, changes)).expect("the wrong one is gone");
    desk.market.stage.now.0 += 2 * DAY_MS + 1;
    assert_eq!(conditions_of(desk.request(&operation)), "shipment_age_days: 3, must be 2 at most");
    desk.market.stage.now.0 -= 1;
    desk.request(&operation).expect("all that is asked for is there, and two days old to the millisecond");
}

/// An invoice is held against those that stood when it was registered, so the first of two alike is financed and not the second.
#[test]
fn near_duplicates_are_as_many_as_the_programme_takes() {
    let mut desk = Desk::open_with(|terms| terms.evidence.near_duplicates_max = Some(1));
    let alike = [1, 2, 3].map(|number| desk.market.confirmed(number, 20_000));
    for (receivable, found) in alike.into_iter().zip([None, None, Some("near_duplicates: 2, must be 1 at most")]) {
        let operation = desk.asking(receivable, 1_000);
        match found {
            None => drop(desk.request(&operation).expect("so many are allowed")),
            Some(conditions) => assert_eq!(conditions_of(desk.request(&operation)), conditions),
        }
    }
}

fn conditions_of<T: std::fmt::Debug>(result: Result<T, Reason>) -> String {
    match result {
        Err(Reason::ProgrammeConditionsNotMet { conditions, .. }) => conditions,
        other => panic!("{other:?}"),
    }
}

#[test]
fn limits_count_what_is_outstanding_and_free_what_is_repaid() {
    let mut desk = Desk::open_with(|terms| terms.limits.total = amount(15_000));
    let (first, _) = desk.lent();
    let second = desk.market.confirmed(2, 20_000);
    let operation = desk.asking(second, 5_001);
    assert_eq!(name_of(desk.request(&operation)), "PROGRAMME_CONDITIONS_NOT_MET");
    let within = RequestFinancing { advance: amount(5_000), ..operation.clone() };
    desk.request(&within).expect("15,000 in all");
    desk.pay(first, 20_000).expect("the buyer has the funds");
    let third = desk.market.confirmed(3, 20_000);
    let operation = desk.asking(third, 10_000);
    desk.request(&operation).expect("10,000 are back");
    let changes = Changes::new(&desk.market.stage.view);
    let line = BookLine::Programme(desk.programme);
    assert_eq!(outstanding(&changes, line, desk.market.token), amount(15_000));
}

#[test]
fn requests_decline_each_for_its_own_reason() {
    let mut desk = Desk::open();
    let receivable = desk.market.confirmed(1, 20_000);
    let good = desk.asking(receivable, 10_000);
    let (buyer, financier) = (desk.market.buyer, desk.market.financiers[0]);
    let unknown = RequestFinancing { receivable: ObjectId([0; 32]), ..good.clone() };
    assert_eq!(name_of(desk.request(&unknown)), "UNKNOWN_RECEIVABLE");
    let unknown = RequestFinancing { programme: ObjectId([0; 32]), ..good.clone() };
    assert_eq!(name_of(desk.request(&unknown)), "UNKNOWN_PROGRAMME");
    let by_buyer = desk.market.stage.perform(&[buyer], |context, changes| good.plan(context, changes));
    assert_eq!(name_of(by_buyer), "NOT_THE_OWNER");
    let invoice = desk.market.invoice(2, 500);
    let unconfirmed = desk.market.register(invoice).expect("a fresh fingerprint");
    let unconfirmed = RequestFinancing { receivable: unconfirmed, ..good.clone() };
    assert_eq!(name_of(desk.request(&unconfirmed)), "RECEIVABLE_NOT_CONFIRMED");
    desk.market.alter(financier, |account| account.closed = true);
    assert_eq!(name_of(desk.request(&good)), "ACCOUNT_CLOSED");
    desk.market.alter(financier, |account| account.closed = false);
    let token = desk.market.token;
    let poor = crate::ledger::Balance { available: amount(9_999), locked: Amount::ZERO };
    desk.market.stage.edit(|changes| changes.put(&(financier, token), &poor));
    assert_eq!(name_of(desk.request(&good)), "INSUFFICIENT_FUNDS");
    assert_eq!(name_of(desk.close_as(buyer)), "NOT_THE_FINANCIER");
    desk.close_as(financier).expect("its own");
    assert_eq!(name_of(desk.close_as(financier)), "PROGRAMME_CLOSED");
    assert_eq!(name_of(desk.request(&good)), "PROGRAMME_CLOSED");
    let merchant = publish(&mut desk.market, buyer, terms(&Market::open()));
    assert_eq!(name_of(merchant), "ROLE_REQUIRED");
    let nowhere =
        crate::domain::financing::ProgrammeTerms { token: "NONE".parse().expect("a token id"), ..terms(&desk.market) };
    assert_eq!(name_of(publish(&mut desk.market, financier, nowhere)), "UNKNOWN_TOKEN");
}

#[test]
fn a_request_past_the_due_day_fails_its_tenor_and_on_the_day_costs_whatever_the_fee_does() {
    let mut desk = Desk::open_with(|terms| terms.pricing.fee_bps = 0);
    let receivable = desk.market.confirmed(1, 20_000);
    let operation = desk.asking(receivable, 10_000);
    desk.market.stage.now = BlockTime(DUE.0 + 4 * DAY_MS);
    let Err(Reason::ProgrammeConditionsNotMet { conditions, .. }) = desk.request(&operation) else { panic!("late") };
    assert_eq!(conditions, "tenor_days: past the due day, must be 0 to 365");
    desk.market.stage.now = BlockTime(DUE.0 + DAY_MS);
    let loan = desk.request(&operation).expect("due today, for nothing").object;
    let terms = desk.loan(loan).terms;
    assert_eq!((terms.all_in_cost_bps, terms.started_on), (0, terms.due_on));
}

/// Bad evidence: another's, of what was declined, cited twice, of a loan, of another ledger, forged, forgotten.
#[test]
fn citations_are_proven_each() {
    let mut desk = Desk::open();
    let receivable = desk.market.confirmed(1, 20_000);
    let good = desk.asking(receivable, 10_000);
    let (supplier, buyer, stranger, token) =
        (desk.market.supplier, desk.market.buyer, desk.market.stranger, desk.market.token);
    let lender = desk.market.financiers[1];
    type Citing = Box<dyn Fn(&mut Market) -> Vec<Citation>>;
    let rows: Vec<(&str, Citing)> = vec![
        (
            "CITATION_NOT_THE_SUPPLIERS",
            Box::new(move |market| cite(market, &[applied(2, vec![paid(buyer, stranger, token)])])),
        ),
        ("CITATION_DECLINED", Box::new(|market| cite(market, &[declined(3)]))),
        ("CITATION_REPEATED", Box::new(|market| [record(market), record(market)].concat())),
        ("CITATION_NOT_THE_SUPPLIERS", Box::new(move |market| cite(market, &[disbursed(4, lender, supplier, token)]))),
        ("CITATION_FOREIGN", Box::new(|market| cite_on(ChainId([1; 32]), market, &[applied(5, Vec::new())]))),
        (
            "CITATION_UNPROVEN",
            Box::new(move |market| {
                let mut forged = cite(market, &[applied(6, vec![paid(buyer, supplier, token)])]);
                forged[0].outcome = Bytes::from(applied(7, vec![paid(buyer, supplier, token)]).to_bytes());
                forged
            }),
        ),
        (
            "CITATION_UNPROVEN",
            Box::new(|market| {
                let mut forgotten = record(market);
                forgotten[0].history_path.size += 1;
                forgotten
            }),
        ),
        (
            "CITATION_UNPROVEN",
            Box::new(|market| {
                let mut altered = record(market);
                let mut header = Header::from_bytes(&altered[0].header).expect("a header");
                header.time.0 += 1;
                altered[0].header = Bytes::from(header.to_bytes());
                altered
            }),
        ),
    ];
    for (index, (reason, citations)) in rows.into_iter().enumerate() {
        let citations = citations(&mut desk.market);
        let request = RequestFinancing { citations, ..good.clone() };
        assert_eq!(name_of(desk.request(&request)), reason, "row {index}");
    }
    let without = RequestFinancing { citations: Vec::new(), ..good };
    assert_eq!(name_of(desk.request(&without)), "PROGRAMME_CONDITIONS_NOT_MET");
}

#[test]
fn late_settlements_count_as_late() {
    // The receipts' block has a time of 4 ms.
    for (due_ms, late_days) in [(4, 0), (3, 1)] {
        let mut desk = Desk::open_with(|terms| terms.evidence.record.sum_min = Amount::ZERO);
        let receivable = desk.market.confirmed(1, 20_000);
        let asking = desk.asking(receivable, 1_000);
        let outcome = settled(1, &desk.market, BlockTime(due_ms));
        let citations = cite(&mut desk.market, &[outcome]);
        let request = RequestFinancing { citations, ..asking };
        let fails = matches!(
            desk.request(&request),
            Err(Reason::ProgrammeConditionsNotMet { conditions, .. })
                if conditions == "settlements_late_days: 1, must be 0 at most"
        );
        assert_eq!(fails, late_days == 1, "due at {due_ms}");
    }
}

#[test]
fn programmes_have_bounds() {
    let market = Market::open();
    let good = terms(&market);
    assert!(good.check().is_ok());
    type Change = fn(&mut crate::domain::financing::ProgrammeTerms);
    let rows: [(&str, Change); 12] = [
        ("evidence.shipment_age_days_max", |terms| terms.evidence.shipment_age_days_max = Some(1)),
        ("evidence.shipment_age_days_max", |terms| {
            terms.evidence.shipment_step = Some(BusinessStep::Shipping);
            terms.evidence.shipment_age_days_max = Some(3_654);
        }),
        ("evidence.network_chain_ids", |terms| terms.evidence.networks = vec![ChainId([1; 32]); 2]),
        ("purposes[0]", |terms| terms.purposes = vec!["Stocks".to_owned()]),
        ("name", |terms| terms.name.clear()),
        ("buyer_account_ids", |terms| terms.buyers = vec![crate::primitives::AccountId([1; 32]); 2]),
        ("advance_rate_bps", |terms| terms.advance_rate_bps = 10_001),
        ("tenor_days_max", |terms| terms.tenor_days_min = 366),
        ("pricing.late_rate_bps", |terms| terms.pricing.late_rate_bps = 1_094),
        ("pricing.fee_bps", |terms| terms.pricing.fee_bps = 10_001),
        ("participation_bps_max", |terms| terms.participation_bps_max = 10_000),
        ("calendar", |terms| terms.calendar.holidays = vec![2, 1]),
    ];
    for (field, change) in rows {
        let mut terms = good.clone();
        change(&mut terms);
        assert_eq!(terms.check().expect_err(field).field, field);
    }
}

#[test]
fn a_receivable_in_another_token_is_none_of_the_programmes() {
    let mut desk = Desk::open();
    let other = put_token(&mut desk.market.stage, "HKDY", "HKD");
    let invoice = crate::domain::trade::RegisterInvoice { token: other, ..desk.market.invoice(1, 20_000) };
    let receivable = desk.market.register(invoice).expect("a fresh fingerprint");
    let buyer = desk.market.buyer;
    desk.market.confirm_as(buyer, receivable).expect("registered");
    let request = desk.asking(receivable, 1_000);
    let Err(Reason::ProgrammeConditionsNotMet { conditions, .. }) = desk.request(&request) else { panic!("a token") };
    assert!(conditions.starts_with("token: HKDY, must be HKDX"), "{conditions}");
}

/// The sender's keys are those of the moment: an operation before this one in the transaction may have changed them.
#[test]
fn a_sender_without_its_signature_is_not_financed() {
    let mut desk = Desk::open();
    let supplier = desk.market.supplier;
    let receivable = desk.market.confirmed(1, 20_000);
    let operation = desk.asking(receivable, 10_000);
    let performed = desk
        .market
        .stage
        .perform_signed(supplier, &BTreeSet::new(), |context, changes| operation.plan(context, changes));
    assert_eq!(performed.err(), Some(Reason::MissingSignature { account: supplier }));
    desk.request(&operation).expect("with it, it is");
}
