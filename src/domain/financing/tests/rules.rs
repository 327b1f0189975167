//! Each rule of the room by example.

use super::settlements::{CHAIN, applied, cite, cite_on, declined, disbursed, paid, record};
use crate::domain::financing::{
    AcceptFinancing, Citation, FinancingRequest, FinancingRequestState, PayInvoice, RequestFinancing, WithdrawFinancing,
};
use crate::domain::market::{Market, OPENING};
use crate::domain::rehearsal::Performed;
use crate::domain::trade::{AssignReceivable, Receivable, ReceivableState};
use crate::ledger::{Balance, Header, MovementKind, Reason, Value};
use crate::primitives::{AccountId, Amount, BlockTime, ChainId, Decode as _, Encode as _, ObjectId};
use bytes::Bytes;

fn amount(units: u64) -> Amount {
    Amount::new(units)
}

fn name_of<T: std::fmt::Debug>(result: Result<T, Reason>) -> &'static str {
    result.expect_err("it must be declined").name()
}

/// A request for 900 and a fee of 10 on a receivable of 1,000.
fn asking(market: &mut Market, receivable: ObjectId) -> RequestFinancing {
    let (financier, expires_at) = (market.financiers[0], BlockTime(OPENING.0 + 1_000));
    let citations = record(market);
    RequestFinancing { receivable, financier, advance: amount(900), fee: amount(10), expires_at, citations }
}

fn request(market: &mut Market, operation: &RequestFinancing) -> Result<ObjectId, Reason> {
    request_as(market.supplier, market, operation)
}

fn request_as(sender: AccountId, market: &mut Market, operation: &RequestFinancing) -> Result<ObjectId, Reason> {
    let performed = market.stage.perform(&[sender], |context, changes| operation.plan(context, changes))?;
    Ok(performed.object)
}

fn accept(market: &mut Market, financier: AccountId, request: ObjectId) -> Result<Performed, Reason> {
    let operation = AcceptFinancing { request };
    market.stage.perform(&[financier], |context, changes| operation.plan(context, changes))
}

fn withdraw(market: &mut Market, sender: AccountId, request: ObjectId) -> Result<Performed, Reason> {
    let operation = WithdrawFinancing { request };
    market.stage.perform(&[sender], |context, changes| operation.plan(context, changes))
}

fn pay(market: &mut Market, sender: AccountId, receivable: ObjectId, units: u64) -> Result<Performed, Reason> {
    let operation = PayInvoice { receivable, amount: amount(units), end_to_end_id: "E2E-1".to_owned() };
    market.stage.perform(&[sender], |context, changes| operation.plan(context, changes))
}

fn available(market: &Market, account: AccountId) -> u64 {
    market.stage.read::<Balance>(&(account, market.token)).unwrap_or_default().available.minor_units()
}

fn receivable_of(market: &Market, id: ObjectId) -> Receivable {
    market.stage.read(&id).expect("the receivable is there")
}

/// A receivable of 1,000 that the first financier has taken for 900 and 10.
fn financed(market: &mut Market) -> (ObjectId, ObjectId) {
    let receivable = market.confirmed(1, 1_000);
    let operation = asking(market, receivable);
    let id = request(market, &operation).expect("the request stands");
    let financier = market.financiers[0];
    accept(market, financier, id).expect("the financier has the funds");
    (receivable, id)
}

#[test]
fn the_advance_and_the_receivable_change_hands_together() {
    let mut market = Market::open();
    let (supplier, financier) = (market.supplier, market.financiers[0]);
    let receivable = market.confirmed(1, 1_000);
    let operation = asking(&mut market, receivable);
    let id = request(&mut market, &operation).expect("the request stands");
    let open: FinancingRequest = market.stage.read(&id).expect("the request is there");
    assert_eq!((open.settlements_cited, open.settlements_sum), (1, amount(100)));
    let performed = accept(&mut market, financier, id).expect("the financier has the funds");
    let movement = performed.planned.movements[0];
    assert_eq!((movement.from, movement.to, movement.amount), (Some(financier), Some(supplier), amount(900)));
    let effect = &performed.planned.effects[0];
    assert_eq!(effect.name, "financing.disbursed");
    assert_eq!(effect.field("holder_before"), Some(&Value::Account(supplier)));
    assert_eq!(effect.field("holder"), Some(&Value::Account(financier)));
    let found = receivable_of(&market, receivable);
    assert_eq!((found.state(), found.holder()), (ReceivableState::Financed, financier));
    assert_eq!(found.secured(), amount(910));
    let closed: FinancingRequest = market.stage.read(&id).expect("the request is there");
    assert_eq!(closed.state(), FinancingRequestState::Accepted);
}

#[test]
fn the_buyer_repays_the_financier_first_and_the_rest_reaches_the_supplier() {
    let mut market = Market::open();
    let (receivable, _) = financed(&mut market);
    let (buyer, supplier, financier) = (market.buyer, market.supplier, market.financiers[0]);
    let start = (available(&market, financier), available(&market, supplier));
    // Instalment, what the financier has after it, what the supplier has, what is outstanding.
    for (instalment, repaid, passed_on, outstanding) in [(600, 600, 0, 400), (350, 910, 40, 50), (50, 910, 90, 0)] {
        let performed = pay(&mut market, buyer, receivable, instalment).expect("the buyer has the funds");
        let effect = &performed.planned.effects[0];
        assert_eq!(effect.field("outstanding_before"), Some(&Value::Amount(amount(outstanding + instalment))));
        assert_eq!(effect.field("outstanding"), Some(&Value::Amount(amount(outstanding))));
        assert_eq!(available(&market, financier) - start.0, repaid);
        assert_eq!(available(&market, supplier) - start.1, passed_on);
    }
    let settled = receivable_of(&market, receivable);
    assert_eq!((settled.state(), settled.holder()), (ReceivableState::Settled, financier));
    assert_eq!(name_of(pay(&mut market, buyer, receivable, 1)), "RECEIVABLE_NOT_OPEN");
}

#[test]
fn an_invoice_that_nobody_financed_is_paid_to_its_supplier() {
    let mut market = Market::open();
    let receivable = market.confirmed(1, 1_000);
    let (buyer, supplier) = (market.buyer, market.supplier);
    assert_eq!(name_of(pay(&mut market, supplier, receivable, 1)), "NOT_THE_BUYER");
    assert_eq!(name_of(pay(&mut market, buyer, receivable, 1_001)), "AMOUNT_EXCEEDS_OUTSTANDING");
    assert_eq!(name_of(pay(&mut market, buyer, ObjectId([0; 32]), 1)), "UNKNOWN_RECEIVABLE");
    pay(&mut market, buyer, receivable, 1_000).expect("the buyer has the funds");
    assert_eq!(available(&market, supplier), 1_000);
    assert_eq!(receivable_of(&market, receivable).state(), ReceivableState::Settled);
    let invoice = market.invoice(2, 2_000_000);
    let unconfirmed = market.register(invoice).expect("a fresh fingerprint");
    assert_eq!(name_of(pay(&mut market, buyer, unconfirmed, 1)), "RECEIVABLE_NOT_OPEN");
    let dear = market.confirmed(3, 2_000_000);
    assert_eq!(name_of(pay(&mut market, buyer, dear, 1_999_999)), "INSUFFICIENT_FUNDS");
    market.alter(supplier, |account| account.closed = true);
    assert_eq!(name_of(pay(&mut market, buyer, dear, 1)), "ACCOUNT_CLOSED");
}

#[test]
fn a_receivable_is_financed_once_whoever_was_asked() {
    let mut market = Market::open();
    let receivable = market.confirmed(1, 1_000);
    let [first, second] = market.financiers;
    let operation = asking(&mut market, receivable);
    let one = request(&mut market, &operation).expect("the request stands");
    let other = RequestFinancing { financier: second, ..operation.clone() };
    let two = request(&mut market, &other).expect("one open request does not block another");
    accept(&mut market, second, two).expect("the first to accept has it");
    assert_eq!(name_of(accept(&mut market, first, one)), "RECEIVABLE_ALREADY_FINANCED");
    assert_eq!(name_of(accept(&mut market, second, two)), "FINANCING_REQUEST_CLOSED");
    assert_eq!(name_of(request(&mut market, &operation)), "RECEIVABLE_ALREADY_FINANCED");
    let buyer = market.buyer;
    pay(&mut market, buyer, receivable, 1_000).expect("the buyer has the funds");
    assert_eq!(name_of(accept(&mut market, first, one)), "RECEIVABLE_ALREADY_FINANCED");
    let supplier = market.supplier;
    withdraw(&mut market, supplier, one).expect("an open request can be tidied up");
}

#[test]
fn acceptance_declines_each_for_its_own_reason() {
    let mut market = Market::open();
    let receivable = market.confirmed(1, 1_000);
    let [asked, other] = market.financiers;
    let (buyer, supplier) = (market.buyer, market.supplier);
    let operation = asking(&mut market, receivable);
    let open = |market: &mut Market| request(market, &operation).expect("the request stands");
    let id = open(&mut market);
    assert_eq!(name_of(accept(&mut market, asked, ObjectId([0; 32]))), "UNKNOWN_FINANCING_REQUEST");
    assert_eq!(name_of(accept(&mut market, other, id)), "NOT_THE_FINANCIER");
    assert_eq!(name_of(withdraw(&mut market, asked, id)), "NOT_THE_SUPPLIER");
    assert_eq!(name_of(withdraw(&mut market, supplier, ObjectId([0; 32]))), "UNKNOWN_FINANCING_REQUEST");
    withdraw(&mut market, supplier, id).expect("the supplier takes it back");
    assert_eq!(name_of(withdraw(&mut market, supplier, id)), "FINANCING_REQUEST_CLOSED");
    assert_eq!(name_of(accept(&mut market, asked, id)), "FINANCING_REQUEST_CLOSED");

    let id = open(&mut market);
    let unsigned = AcceptFinancing { request: id };
    let nobody = std::collections::BTreeSet::new();
    let unsigned = market.stage.perform_signed(asked, &nobody, |context, changes| unsigned.plan(context, changes));
    assert_eq!(name_of(unsigned), "MISSING_SIGNATURE");
    market.alter(asked, |account| account.closed = true);
    assert_eq!(name_of(accept(&mut market, asked, id)), "ACCOUNT_CLOSED");
    market.alter(asked, |account| account.closed = false);
    market.alter(supplier, |account| account.closed = true);
    assert_eq!(name_of(accept(&mut market, asked, id)), "ACCOUNT_CLOSED");
    market.alter(supplier, |account| account.closed = false);
    let token = market.token;
    market.stage.edit(|changes| changes.put(&(asked, token), &Balance { available: amount(899), locked: amount(500) }));
    assert_eq!(name_of(accept(&mut market, asked, id)), "INSUFFICIENT_FUNDS");
    // The buyer has paid 91 meanwhile, and 910 was to be claimed.
    pay(&mut market, buyer, receivable, 91).expect("the buyer has the funds");
    assert_eq!(name_of(accept(&mut market, asked, id)), "ADVANCE_EXCEEDS_OUTSTANDING");
    pay(&mut market, buyer, receivable, 909).expect("the buyer has the funds");
    assert_eq!(name_of(accept(&mut market, asked, id)), "RECEIVABLE_NOT_OPEN");
}

/// Whoever owns it now is financed and paid; a request of whoever owned it before is worth nothing.
#[test]
fn financing_follows_the_owner() {
    let mut market = Market::open();
    let (supplier, buyer, stranger, [financier, _]) =
        (market.supplier, market.buyer, market.stranger, market.financiers);
    let receivable = market.confirmed(1, 1_000);
    let operation = asking(&mut market, receivable);
    let before = request(&mut market, &operation).expect("it is the supplier's own");
    let assign = AssignReceivable { receivable, assignee: stranger };
    let assigned = market.stage.perform(&[supplier, stranger], |context, changes| assign.plan(context, changes));
    assigned.expect("both signed");
    assert_eq!(name_of(accept(&mut market, financier, before)), "NOT_THE_OWNER");
    assert_eq!(name_of(request(&mut market, &operation)), "NOT_THE_OWNER");
    let paid = paid(buyer, stranger, market.token);
    let citations = cite(&mut market, &[applied(1, vec![paid])]);
    let operation = RequestFinancing { citations, ..operation };
    let id = request_as(stranger, &mut market, &operation).expect("it is the stranger's now");
    let start = (available(&market, stranger), available(&market, supplier));
    accept(&mut market, financier, id).expect("the financier has the funds");
    pay(&mut market, buyer, receivable, 1_000).expect("the buyer has the funds");
    assert_eq!(available(&market, stranger) - start.0, 900 + 90);
    assert_eq!(available(&market, supplier), start.1);
}

#[test]
fn a_request_can_be_accepted_until_it_expires() {
    for (late_ms, accepted) in [(0, true), (1, false)] {
        let mut market = Market::open();
        let receivable = market.confirmed(1, 1_000);
        let operation = asking(&mut market, receivable);
        let id = request(&mut market, &operation).expect("the request stands");
        market.stage.now = BlockTime(operation.expires_at.0 + late_ms);
        let financier = market.financiers[0];
        match accept(&mut market, financier, id) {
            Ok(_) => assert!(accepted),
            Err(reason) => {
                assert_eq!(reason, Reason::FinancingRequestClosed { request: id, state: "expired" });
                assert!(!accepted);
            }
        }
    }
}

#[test]
fn requests_decline_each_for_its_own_reason() {
    let mut market = Market::open();
    let receivable = market.confirmed(1, 1_000);
    let good = asking(&mut market, receivable);
    let invoice = market.invoice(2, 1_000);
    let unconfirmed = market.register(invoice).expect("a fresh fingerprint");
    let settled = market.confirmed(3, 1_000);
    let buyer = market.buyer;
    pay(&mut market, buyer, settled, 1_000).expect("the buyer has the funds");
    let partly = market.confirmed(4, 1_000);
    pay(&mut market, buyer, partly, 91).expect("the buyer has the funds");
    let closed = market.financiers[1];
    market.alter(closed, |account| account.closed = true);
    let rows = [
        ("UNKNOWN_RECEIVABLE", RequestFinancing { receivable: ObjectId([0; 32]), ..good.clone() }),
        ("RECEIVABLE_NOT_CONFIRMED", RequestFinancing { receivable: unconfirmed, ..good.clone() }),
        ("RECEIVABLE_NOT_OPEN", RequestFinancing { receivable: settled, ..good.clone() }),
        ("ADVANCE_EXCEEDS_RECEIVABLE", RequestFinancing { fee: amount(101), ..good.clone() }),
        ("ADVANCE_EXCEEDS_RECEIVABLE", RequestFinancing { fee: Amount::MAX, ..good.clone() }),
        ("ADVANCE_EXCEEDS_OUTSTANDING", RequestFinancing { receivable: partly, ..good.clone() }),
        ("FINANCING_EXPIRY_PASSED", RequestFinancing { expires_at: BlockTime(OPENING.0 - 1), ..good.clone() }),
        ("SAME_ACCOUNT", RequestFinancing { financier: market.supplier, ..good.clone() }),
        ("SAME_ACCOUNT", RequestFinancing { financier: market.buyer, ..good.clone() }),
        ("ROLE_REQUIRED", RequestFinancing { financier: market.stranger, ..good.clone() }),
        ("UNKNOWN_ACCOUNT", RequestFinancing { financier: AccountId([99; 32]), ..good.clone() }),
        ("ACCOUNT_CLOSED", RequestFinancing { financier: closed, ..good.clone() }),
        ("NO_CITATION", RequestFinancing { citations: Vec::new(), ..good.clone() }),
    ];
    for (name, operation) in rows {
        assert_eq!(name_of(request(&mut market, &operation)), name);
    }
    assert_eq!(name_of(request_as(buyer, &mut market, &good)), "NOT_THE_OWNER");
    assert!(request(&mut market, &RequestFinancing { fee: amount(100), ..good.clone() }).is_ok());
    assert!(good.check().is_ok());
    assert!(RequestFinancing { advance: Amount::ZERO, ..good.clone() }.check().is_err());
    let citations = vec![good.citations[0].clone(); 17];
    assert!(RequestFinancing { citations, ..good.clone() }.check().is_err());
    let short = Citation { header: Bytes::from_static(b"short"), ..good.citations[0].clone() };
    let malformed = RequestFinancing { citations: vec![short], ..good }.check().expect_err("no header is that short");
    assert_eq!(malformed.field, "citations[0].header");
}

/// Asks with these citations and gives the name of the reason and the index that it names.
fn declined_citation(market: &mut Market, citations: Vec<Citation>) -> (&'static str, Value) {
    let receivable = market.confirmed(200, 1_000);
    let operation = RequestFinancing { citations, ..asking(market, receivable) };
    let reason = request(market, &operation).expect_err("a citation does not hold");
    let index = reason.fields().into_iter().find(|(name, _)| name == "citation_index").expect("an index").1;
    (reason.name(), index)
}

#[test]
fn what_settled_nothing_for_the_supplier_is_no_record() {
    let market = Market::open();
    let (supplier, buyer, stranger, token) = (market.supplier, market.buyer, market.stranger, market.token);
    let good = applied(1, vec![paid(stranger, supplier, token)]);
    let mint = crate::ledger::Movement { kind: MovementKind::Mint, from: None, ..paid(stranger, supplier, token) };
    let rows = [
        ("CITATION_DECLINED", vec![good.clone(), declined(2)]),
        ("CITATION_NOT_THE_SUPPLIERS", vec![good.clone(), applied(2, vec![paid(stranger, buyer, token)])]),
        ("CITATION_NOT_THE_SUPPLIERS", vec![good.clone(), applied(2, vec![paid(supplier, buyer, token)])]),
        ("CITATION_NOT_THE_SUPPLIERS", vec![good.clone(), applied(2, vec![mint])]),
        ("CITATION_NOT_THE_SUPPLIERS", vec![good.clone(), applied(2, vec![])]),
        // An advance is a loan, not a settlement.
        ("CITATION_NOT_THE_SUPPLIERS", vec![good.clone(), disbursed(2, market.financiers[0], supplier, token)]),
        ("CITATION_REPEATED", vec![good.clone(), good]),
    ];
    for (name, outcomes) in rows {
        let mut market = Market::open();
        let citations = cite(&mut market, &outcomes);
        let receivable = market.confirmed(1, 1_000);
        let operation = RequestFinancing { citations, ..asking(&mut market, receivable) };
        // `asking` made a history of its own; make the cited one known again.
        cite(&mut market, &outcomes);
        let reason = request(&mut market, &operation).expect_err("the second citation does not hold");
        assert_eq!(reason.name(), name, "{outcomes:?}");
        assert!(reason.fields().contains(&("citation_index".to_owned(), Value::Number(1))), "{reason:?}");
    }
}

#[test]
fn money_from_an_account_of_the_same_legal_entity_is_no_settlement() {
    let mut market = Market::open();
    let stranger = market.stranger;
    market.alter(stranger, |account| account.legal_entity_id = "HKBR:1".to_owned());
    let citations = record(&mut market);
    assert_eq!(declined_citation(&mut market, citations).0, "CITATION_NOT_THE_SUPPLIERS");
}

#[test]
fn forged_and_foreign_receipts_prove_nothing() {
    let mut market = Market::open();
    let foreign_outcome = applied(1, vec![paid(market.stranger, market.supplier, market.token)]);
    let foreign = cite_on(ChainId([1; 32]), &mut market, &[foreign_outcome]);
    assert_eq!(declined_citation(&mut market, foreign), ("CITATION_FOREIGN", Value::Number(0)));

    let good = record(&mut Market::open()).remove(0);
    let mut richer = applied(1, vec![paid(market.stranger, market.supplier, market.token)]);
    richer.movements[0].amount = amount(1_000_000);
    let mut other_header = Header::from_bytes(&good.header).expect("a header");
    assert_eq!(other_header.chain_id, CHAIN);
    other_header.time = BlockTime(99);
    let mut moved = good.outcome_path.clone();
    moved.size += 1;
    let mut unknown_height = good.history_path.clone();
    unknown_height.size = 6;
    let mut bent = good.history_path.clone();
    bent.siblings[0].0[0] ^= 1;
    let forgeries = [
        Citation { outcome: Bytes::from(richer.to_bytes()), ..good.clone() },
        Citation { outcome: good.outcome.slice(..good.outcome.len() - 1), ..good.clone() },
        Citation { header: Bytes::from(other_header.to_bytes()), ..good.clone() },
        Citation { header: good.header.slice(..100), ..good.clone() },
        Citation { outcome_path: moved, ..good.clone() },
        Citation { history_path: unknown_height, ..good.clone() },
        Citation { history_path: bent, ..good.clone() },
    ];
    for forgery in forgeries {
        let mut market = Market::open();
        assert_eq!(declined_citation(&mut market, vec![forgery]).0, "CITATION_UNPROVEN");
    }
}

#[test]
fn settlements_in_another_token_count_but_do_not_add_up() {
    let mut market = Market::open();
    let dollars = crate::domain::market::put_token(&mut market.stage, "USDX", "USD");
    let (supplier, stranger, token) = (market.supplier, market.stranger, market.token);
    let outcomes = [
        applied(1, vec![paid(stranger, supplier, token), paid(stranger, supplier, dollars)]),
        applied(2, vec![paid(stranger, supplier, dollars)]),
    ];
    let receivable = market.confirmed(1, 1_000);
    let operation = asking(&mut market, receivable);
    let operation = RequestFinancing { citations: cite(&mut market, &outcomes), ..operation };
    let id = request(&mut market, &operation).expect("both are the supplier's");
    let found: FinancingRequest = market.stage.read(&id).expect("the request is there");
    assert_eq!((found.settlements_cited, found.settlements_sum), (2, amount(100)));
    // Sums are checked, whatever circulation could ever be.
    let mut huge = applied(3, vec![paid(stranger, supplier, token), paid(stranger, supplier, token)]);
    huge.movements[0].amount = Amount::MAX;
    let operation = RequestFinancing { citations: cite(&mut market, &[huge]), ..operation };
    assert_eq!(name_of(request(&mut market, &operation)), "AMOUNT_OVERFLOW");
}

#[test]
fn a_returning_request_id_does_not_overwrite_a_request() {
    let mut market = Market::open();
    let receivable = market.confirmed(1, 1_000);
    let operation = asking(&mut market, receivable);
    let supplier = market.supplier;
    let twice = market.stage.perform(&[supplier], |context, changes| {
        operation.plan(context, changes)?;
        operation.plan(context, changes)
    });
    assert_eq!(name_of(twice), "ALREADY_EXISTS");
}

/// A payee with five open invoices and one payment must know which it was for.
#[test]
fn payees_are_told_the_payers_own_id_of_the_payment() {
    let mut market = Market::open();
    let (receivable, _) = financed(&mut market);
    let buyer = market.buyer;
    let paid = pay(&mut market, buyer, receivable, 10).expect("the buyer pays").planned.effects;
    assert_eq!(paid[0].field("end_to_end_id"), Some(&Value::from("E2E-1")));
    let operation = PayInvoice { receivable, amount: amount(10), end_to_end_id: String::new() };
    let paid = market.stage.perform(&[buyer], |context, changes| operation.plan(context, changes));
    assert_eq!(paid.expect("the buyer pays").planned.effects[0].field("end_to_end_id"), None);
}

/// Who lost the race learns that it is over, and not to whom: who finances whom is no matter of other financiers.
#[test]
fn the_loser_is_not_told_who_won() {
    let mut market = Market::open();
    let (receivable, _) = financed(&mut market);
    let financier = market.financiers[1];
    let operation = RequestFinancing { financier, ..asking(&mut market, receivable) };
    let declined = request(&mut market, &operation).expect_err("it was financed before");
    assert_eq!(declined, Reason::ReceivableAlreadyFinanced { receivable });
    assert_eq!(declined.fields(), [("receivable".to_owned(), Value::from(receivable))]);
}

#[test]
fn payments_are_held_to_their_bounds() {
    let receivable = ObjectId([1; 32]);
    let payment = |units, end_to_end_id: &str| PayInvoice {
        receivable,
        amount: amount(units),
        end_to_end_id: end_to_end_id.to_owned(),
    };
    assert!(payment(1, "").check().is_ok());
    assert!(payment(0, "").check().is_err());
    assert!(payment(1, &"x".repeat(36)).check().is_err());
}
