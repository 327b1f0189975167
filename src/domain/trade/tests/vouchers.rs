//! Assignment and vouchers by example.

use super::{name_of, perform};
use crate::domain::market::{Market, OPENING};
use crate::domain::trade::*;
use crate::ledger::limits::{SPLIT_DEPTH_MAX, SPLIT_PARTS_MAX};
use crate::ledger::open_items::{count_open, receivables_of};
use crate::ledger::{Reason, Role, Value};
use crate::primitives::{AccountId, Amount, BlockTime, Hash, ObjectId};

fn found(market: &Market, id: ObjectId) -> Receivable {
    market.stage.read(&id).expect("it was registered")
}

fn splitting(receivable: ObjectId, parts: &[(AccountId, u64)]) -> SplitReceivable {
    let part = |(owner, units): &(AccountId, u64)| Part { owner: *owner, amount: Amount::new(*units) };
    SplitReceivable { receivable, parts: parts.iter().map(part).collect(), term_exception: String::new() }
}

#[test]
fn a_receivable_passes_to_another_merchant_who_signs() {
    let mut market = Market::open();
    let (supplier, buyer, stranger) = (market.supplier, market.buyer, market.stranger);
    let id = market.confirmed(1, 600);
    let assign = |assignee| AssignReceivable { receivable: id, assignee };
    let unsigned = perform!(market, [supplier], assign(stranger)).expect_err("it would be bound");
    assert_eq!(unsigned, Reason::MissingSignature { account: stranger });
    assert_eq!(name_of(perform!(market, [stranger], assign(stranger))), "NOT_THE_OWNER");
    assert_eq!(name_of(perform!(market, [supplier], assign(supplier))), "SAME_ACCOUNT");
    assert_eq!(name_of(perform!(market, [supplier, buyer], assign(buyer))), "SAME_LEGAL_ENTITY");
    let financier = market.financiers[0];
    assert_eq!(name_of(perform!(market, [supplier, financier], assign(financier))), "ROLE_REQUIRED");
    let performed = perform!(market, [supplier, stranger], assign(stranger)).expect("both signed");
    let effect = &performed.planned.effects[0];
    assert_eq!(effect.name, "trade.receivable_assigned");
    for (field, value) in [
        ("buyer", Value::Account(buyer)),
        ("owner_before", Value::Account(supplier)),
        ("owner", Value::Account(stranger)),
        ("outstanding", Value::Amount(Amount::new(600))),
        ("state_before", Value::from("confirmed")),
        ("state", Value::from("confirmed")),
    ] {
        assert_eq!(effect.field(field), Some(&value), "{field}");
    }
    assert_eq!((found(&market, id).owner(), found(&market, id).holder()), (stranger, stranger));
    let open = |market: &Market, account| count_open(&market.stage.view, &receivables_of(account), usize::MAX);
    assert_eq!([supplier, stranger, buyer].map(|account| open(&market, account)), [0, 1, 1]);
    // A credit note would take from whoever has it now.
    let credit = |number| IssueCreditNote {
        receivable: id,
        amount: Amount::new(10),
        fingerprint: Hash([number; 32]),
        document_commitment: Hash([0xcd; 32]),
    };
    let taken = perform!(market, [supplier], credit(1)).expect_err("it is not the supplier's any more");
    assert_eq!(taken, Reason::MissingSignature { account: stranger });
    perform!(market, [supplier, stranger], credit(1)).expect("the owner signed");
}

#[test]
fn only_what_is_owed_and_free_passes_on() {
    let mut market = Market::open();
    let (supplier, stranger, financier) = (market.supplier, market.stranger, market.financiers[0]);
    let invoice = market.invoice(1, 600);
    let id = market.register(invoice).expect("a fresh fingerprint");
    let assign = AssignReceivable { receivable: id, assignee: stranger };
    let split = splitting(id, &[(supplier, 500), (supplier, 100)]);
    assert_eq!(name_of(perform!(market, [supplier, stranger], assign)), "RECEIVABLE_NOT_CONFIRMED");
    assert_eq!(name_of(perform!(market, [supplier], split.clone())), "RECEIVABLE_NOT_CONFIRMED");
    market.confirm_as(market.buyer, id).expect("the buyer confirms");
    let mut pledged = found(&market, id);
    pledged.pledge(id, id, financier, Amount::new(500)).expect("it is owed");
    market.stage.edit(|changes| pledged.keep(id, changes));
    assert_eq!(name_of(perform!(market, [supplier, stranger], assign)), "RECEIVABLE_ALREADY_FINANCED");
    assert_eq!(name_of(perform!(market, [supplier], split)), "RECEIVABLE_ALREADY_FINANCED");
}

#[test]
fn parts_are_receivables_of_their_own() {
    let mut market = Market::open();
    let (supplier, buyer, stranger) = (market.supplier, market.buyer, market.stranger);
    let id = market.confirmed(1, 600);
    let parts = [(supplier, 100), (stranger, 500)];
    for (name, wrong) in [
        ("SPLIT_SUM_MISMATCH", splitting(id, &[(supplier, 100), (supplier, 499)])),
        ("SPLIT_SUM_MISMATCH", splitting(id, &[(supplier, u64::MAX), (supplier, 601)])),
        ("MISSING_SIGNATURE", splitting(id, &parts)),
        ("MISSING_SIGNATURE", splitting(id, &[(buyer, 100), (supplier, 500)])),
        ("UNKNOWN_RECEIVABLE", splitting(ObjectId([0; 32]), &parts)),
    ] {
        assert_eq!(name_of(perform!(market, [supplier], wrong)), name);
    }
    assert_eq!(name_of(perform!(market, [stranger], splitting(id, &parts))), "NOT_THE_OWNER");
    let to_buyer = splitting(id, &[(buyer, 100), (supplier, 500)]);
    assert_eq!(name_of(perform!(market, [supplier, buyer], to_buyer)), "SAME_LEGAL_ENTITY");
    let performed = perform!(market, [supplier, stranger], splitting(id, &parts)).expect("they add up");
    assert_eq!(performed.planned.effects.len(), 3);
    let parent = found(&market, id);
    assert_eq!(
        (parent.state(), parent.outstanding(), parent.bound()),
        (ReceivableState::Split, Amount::ZERO, [].into())
    );
    for (place, (owner, units)) in (0..).zip(parts) {
        let part = found(&market, part_id(id, place));
        assert_eq!((part.owner(), part.amount, part.outstanding()), (owner, Amount::new(units), Amount::new(units)));
        assert_eq!((part.parent, part.depth, part.state()), (Some(id), 1, ReceivableState::Confirmed));
        assert_eq!((part.due_at, part.supplier, part.buyer), (parent.due_at, supplier, buyer));
        assert_eq!(part.confirmation(), Some(Confirmation::Buyer));
    }
    assert_eq!(
        name_of(perform!(market, [supplier], splitting(id, &[(supplier, 1), (supplier, 2)]))),
        "RECEIVABLE_NOT_OPEN"
    );
}

#[test]
fn parts_go_so_deep_and_are_so_many() {
    let mut market = Market::open();
    let supplier = market.supplier;
    let mut id = market.confirmed(1, 600);
    let mut left = 600;
    for _ in 0..SPLIT_DEPTH_MAX {
        perform!(market, [supplier], splitting(id, &[(supplier, left - 1), (supplier, 1)])).expect("deep enough yet");
        (id, left) = (part_id(id, 0), left - 1);
    }
    let deeper = splitting(id, &[(supplier, left - 1), (supplier, 1)]);
    assert_eq!(name_of(perform!(market, [supplier], deeper)), "RECEIVABLE_TOO_DEEP");
    let of = |count| splitting(id, &vec![(supplier, 1); count]).check();
    assert!(of(2).is_ok() && of(SPLIT_PARTS_MAX).is_ok());
    assert!(of(1).is_err() && of(SPLIT_PARTS_MAX + 1).is_err());
    assert!(splitting(id, &[(supplier, 0), (supplier, 1)]).check().is_err());
    let long = SplitReceivable { term_exception: "x".repeat(141), ..splitting(id, &[(supplier, 1), (supplier, 1)]) };
    assert!(long.check().is_err());
}

/// Six months from the confirmation, twelve with a reason; a part of a part is held to what its invoice was held to.
#[test]
fn what_is_due_late_is_split_by_exception_or_not_at_all() {
    let months = |count| OPENING.checked_add_months(count).expect("within the calendar").0;
    for (due_at, plainly, by_exception) in [
        (months(6), true, true),
        (months(6) + 1, false, true),
        (months(12), false, true),
        (months(12) + 1, false, false),
    ] {
        for (exception, allowed) in [("", plainly), ("seasonal crop, contract 7", by_exception)] {
            let mut market = Market::open();
            let (supplier, buyer) = (market.supplier, market.buyer);
            let invoice = RegisterInvoice { due_at: BlockTime(due_at), ..market.invoice(1, 600) };
            let id = market.register(invoice).expect("a fresh fingerprint");
            market.confirm_as(buyer, id).expect("the buyer confirms");
            let halves = splitting(id, &[(supplier, 300), (supplier, 300)]);
            let split = SplitReceivable { term_exception: exception.to_owned(), ..halves };
            let result = perform!(market, [supplier], split);
            if !allowed {
                assert_eq!(name_of(result), "TERM_TOO_LONG", "{due_at} {exception}");
                continue;
            }
            let stated = result.expect("within the cap").planned.effects[0].field("term_exception").cloned();
            assert_eq!(stated, (!exception.is_empty()).then(|| Value::from(exception)));
            let again = splitting(part_id(id, 0), &[(supplier, 200), (supplier, 100)]);
            perform!(market, [supplier], again).expect("it was judged once");
        }
    }
}

#[test]
fn an_assignee_is_a_merchant_with_a_company() {
    let mut market = Market::open();
    let (supplier, stranger) = (market.supplier, market.stranger);
    let id = market.confirmed(1, 600);
    let assign = AssignReceivable { receivable: id, assignee: stranger };
    market.alter(stranger, |account| account.legal_entity_id.clear());
    assert_eq!(name_of(perform!(market, [supplier, stranger], assign)), "LEGAL_ENTITY_REQUIRED");
    market.alter(stranger, |account| account.roles = [Role::Financier].into_iter().collect());
    assert_eq!(name_of(perform!(market, [supplier, stranger], assign)), "ROLE_REQUIRED");
    market.alter(stranger, |account| account.closed = true);
    assert_eq!(name_of(perform!(market, [supplier, stranger], assign)), "ACCOUNT_CLOSED");
}
