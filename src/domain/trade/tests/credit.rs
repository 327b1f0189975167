//! Silence, disputes and credit notes by example.

use super::{agreed, name_of, order_of, perform, terms};
use crate::domain::market::{Market, OPENING};
use crate::domain::trade::*;
use crate::ledger::{Due, DueKey, DueKind, Value, View};
use crate::primitives::time::DAY_MS;
use crate::primitives::{Amount, BlockTime, Hash, ObjectId};

const TERM_ENDS: BlockTime = BlockTime(OPENING.0 + 10 * DAY_MS);

fn found(market: &Market, id: ObjectId) -> Receivable {
    market.stage.read(&id).expect("it was registered")
}

/// An invoice over 600 under an order over 1,000.
fn ordered(market: &mut Market, silence: SilenceMeans) -> (ObjectId, ObjectId) {
    let order = agreed(market, 1, OrderTerms { silence, ..terms(1_000) });
    let invoice = RegisterInvoice { order: Some(order), ..market.invoice(1, 600) };
    (order, market.register(invoice).expect("it fits the order"))
}

fn due(market: &Market, at: BlockTime, id: ObjectId) -> Option<Due> {
    (&market.stage.view as &dyn View).read(&DueKey { at, kind: DueKind::ConfirmationTerm, id })
}

fn dispute(receivable: ObjectId, units: u64) -> DisputeInvoice {
    DisputeInvoice { receivable, amount: Amount::new(units), ground: DisputeGround::Quantity }
}

fn credit(receivable: ObjectId, number: u8, units: u64) -> IssueCreditNote {
    IssueCreditNote {
        receivable,
        amount: Amount::new(units),
        fingerprint: Hash([number; 32]),
        document_commitment: Hash([0xcd; 32]),
    }
}

#[test]
fn silence_confirms_where_the_order_has_it_so() {
    let mut market = Market::open();
    let (buyer, supplier) = (market.buyer, market.supplier);
    let (_, id) = ordered(&mut market, SilenceMeans::Confirms);
    assert_eq!(due(&market, TERM_ENDS, id), Some(Due::ConfirmationTerm(id)));
    // The block has more that fell due than it works off: the answer comes first, and too late.
    market.stage.now = TERM_ENDS;
    assert_eq!(name_of(perform!(market, [buyer], dispute(id, 100))), "CONFIRMATION_TERM_PASSED");
    assert_eq!(name_of(market.reject_as(buyer, id)), "CONFIRMATION_TERM_PASSED");
    let planned = market.stage.edit(|changes| {
        changes.delete::<Due>(&DueKey { at: TERM_ENDS, kind: DueKind::ConfirmationTerm, id });
        confirmation_term(changes, id, TERM_ENDS);
    });
    let effect = &planned.effects[0];
    assert_eq!(effect.name, "trade.invoice_confirmed_by_silence");
    assert_eq!(effect.field("buyer"), Some(&Value::Account(buyer)));
    let confirmed = found(&market, id);
    assert_eq!(
        (confirmed.state(), confirmed.confirmation()),
        (ReceivableState::Confirmed, Some(Confirmation::Silence))
    );
    assert_eq!(confirmed.confirmed_at(), Some(TERM_ENDS));
    assert_eq!(name_of(perform!(market, [buyer], dispute(id, 100))), "RECEIVABLE_NOT_OPEN");
    assert_eq!(name_of(market.withdraw_as(supplier, id)), "RECEIVABLE_NOT_OPEN");
}

/// Whatever ends the wait takes the term out of the queue; the end of one that is over changes nothing.
#[test]
fn an_answer_in_time_ends_the_term() {
    type Answer = fn(&mut Market, ObjectId);
    let answers: [(ReceivableState, Answer); 4] = [
        (ReceivableState::Confirmed, |market, id| drop(market.confirm_as(market.buyer, id).expect("it waits"))),
        (ReceivableState::Disputed, |market, id| {
            drop(perform!(market, [market.buyer], dispute(id, 1)).expect("it waits"))
        }),
        (ReceivableState::Rejected, |market, id| drop(market.reject_as(market.buyer, id).expect("it waits"))),
        (ReceivableState::Withdrawn, |market, id| drop(market.withdraw_as(market.supplier, id).expect("it waits"))),
    ];
    for (state, answer) in answers {
        let mut market = Market::open();
        let (_, id) = ordered(&mut market, SilenceMeans::Confirms);
        market.stage.now = BlockTime(TERM_ENDS.0 - 1);
        answer(&mut market, id);
        assert_eq!((found(&market, id).state(), due(&market, TERM_ENDS, id)), (state, None));
    }
    let mut market = Market::open();
    let (_, id) = ordered(&mut market, SilenceMeans::Nothing);
    assert_eq!(due(&market, TERM_ENDS, id), None);
    market.stage.now = BlockTime(TERM_ENDS.0 + DAY_MS);
    perform!(market, [market.buyer], dispute(id, 1)).expect("silence said nothing");
    let planned = market.stage.edit(|changes| confirmation_term(changes, ObjectId([0; 32]), TERM_ENDS));
    assert!(planned.effects.is_empty() && planned.writes.is_empty());
}

#[test]
fn a_dispute_ends_when_what_was_disputed_is_credited() {
    let mut market = Market::open();
    let (buyer, supplier) = (market.buyer, market.supplier);
    let (order, id) = ordered(&mut market, SilenceMeans::Confirms);
    assert_eq!(name_of(perform!(market, [supplier], dispute(id, 100))), "NOT_THE_BUYER");
    assert_eq!(name_of(perform!(market, [buyer], dispute(id, 601))), "DISPUTE_EXCEEDS_OUTSTANDING");
    let performed = perform!(market, [buyer], dispute(id, 100)).expect("it was not confirmed");
    assert_eq!(performed.planned.effects[0].field("ground"), Some(&Value::from("quantity")));
    assert_eq!(name_of(perform!(market, [buyer], dispute(id, 100))), "RECEIVABLE_NOT_OPEN");
    perform!(market, [supplier], credit(id, 1, 40)).expect("it is the supplier's to give");
    let disputed = found(&market, id);
    assert_eq!((disputed.state(), disputed.outstanding()), (ReceivableState::Disputed, Amount::new(560)));
    assert_eq!(disputed.dispute().map(|dispute| dispute.credited), Some(Amount::new(40)));
    market.stage.now = BlockTime(OPENING.0 + DAY_MS);
    perform!(market, [supplier], credit(id, 2, 60)).expect("it is the supplier's to give");
    let resolved = found(&market, id);
    assert_eq!((resolved.state(), resolved.dispute()), (ReceivableState::Registered, None));
    assert_eq!((resolved.outstanding(), resolved.credited()), (Amount::new(500), Amount::new(100)));
    assert_eq!(order_of(&market, order).invoiced(), Amount::new(500));
    // The buyer has its term again.
    let ends_at = BlockTime(TERM_ENDS.0 + DAY_MS);
    assert_eq!((due(&market, TERM_ENDS, id), due(&market, ends_at, id)), (None, Some(Due::ConfirmationTerm(id))));
    perform!(market, [buyer], dispute(id, 500)).expect("it may dispute again");
    market.confirm_as(buyer, id).expect("or give in");
    assert_eq!((found(&market, id).state(), found(&market, id).dispute()), (ReceivableState::Confirmed, None));
}

#[test]
fn a_disputed_invoice_is_taken_back_with_what_was_left_of_it() {
    let mut market = Market::open();
    let (buyer, supplier) = (market.buyer, market.supplier);
    let (order, id) = ordered(&mut market, SilenceMeans::Confirms);
    perform!(market, [buyer], dispute(id, 100)).expect("it was not confirmed");
    perform!(market, [supplier], credit(id, 1, 40)).expect("it is the supplier's to give");
    market.withdraw_as(supplier, id).expect("nobody owes it");
    assert_eq!((found(&market, id).dispute(), order_of(&market, order).invoiced()), (None, Amount::ZERO));
}

#[test]
fn a_credit_note_exists_once_and_leaves_what_a_loan_claims() {
    let mut market = Market::open();
    let (buyer, supplier, [financier, _]) = (market.buyer, market.supplier, market.financiers);
    let id = market.confirmed(1, 600);
    assert_eq!(name_of(perform!(market, [buyer], credit(id, 1, 10))), "NOT_THE_SUPPLIER");
    assert_eq!(name_of(perform!(market, [supplier], credit(ObjectId([0; 32]), 1, 10))), "UNKNOWN_RECEIVABLE");
    perform!(market, [supplier], credit(id, 1, 10)).expect("it is the supplier's to give");
    assert_eq!(name_of(perform!(market, [supplier], credit(id, 1, 10))), "CREDIT_NOTE_ALREADY_REGISTERED");
    let mut pledged = found(&market, id);
    pledged.pledge(id, id, financier, Amount::new(500)).expect("it is owed");
    market.stage.edit(|changes| pledged.keep(id, changes));
    assert_eq!(name_of(perform!(market, [supplier], credit(id, 2, 91))), "CREDIT_EXCEEDS_UNFINANCED");
    perform!(market, [supplier], credit(id, 2, 90)).expect("no loan claims so much");
    assert_eq!(found(&market, id).bound(), [buyer, financier].into());
    assert_eq!(name_of(perform!(market, [supplier], credit(id, 3, 1))), "CREDIT_EXCEEDS_UNFINANCED");

    for confirm in [false, true] {
        let invoice = market.invoice(10 + u8::from(confirm), 70);
        let whole = market.register(invoice).expect("a fresh fingerprint");
        if confirm {
            market.confirm_as(buyer, whole).expect("the buyer confirms");
        }
        perform!(market, [supplier], credit(whole, 4 + u8::from(confirm), 70)).expect("all of it");
        assert_eq!(
            (found(&market, whole).state(), found(&market, whole).bound()),
            (ReceivableState::Settled, [].into())
        );
        assert_eq!(name_of(perform!(market, [supplier], credit(whole, 6, 1))), "RECEIVABLE_NOT_OPEN");
    }
    assert!(credit(id, 1, 0).check().is_err() && dispute(id, 0).check().is_err());
}
