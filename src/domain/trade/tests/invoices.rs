//! Invoices by example: registered, confirmed, taken back; their keys, their absence; the fingerprint's vectors.

use super::name_of;
use crate::domain::market::{DUE, Market, OPENING, put_token};
use crate::domain::trade::fingerprint::normalised_number;
use crate::domain::trade::*;
use crate::ledger::limits::FINGERPRINT_KEYS_MAX;
use crate::ledger::{Reason, Role, Roles, Value};
use crate::primitives::{AccountId, Amount, BlockTime, Day, Hash, ObjectId};

#[test]
fn an_invoice_becomes_a_receivable_that_its_buyer_owes() {
    let mut market = Market::open();
    let invoice = market.invoice(1, 500);
    let id = market.register(invoice).expect("a fresh fingerprint");
    let registered: Receivable = market.stage.read(&id).expect("it was registered");
    assert_eq!((registered.state(), registered.holder()), (ReceivableState::Registered, market.supplier));
    assert_eq!((registered.outstanding(), registered.secured()), (Amount::new(500), Amount::ZERO));
    assert_eq!((registered.owner(), registered.confirmation()), (market.supplier, None));
    let buyer = market.buyer;
    let performed = market.confirm_as(buyer, id).expect("the buyer confirms");
    let effect = &performed.planned.effects[0];
    assert_eq!(effect.name, "trade.invoice_confirmed");
    assert_eq!(effect.field("state_before"), Some(&Value::from("registered")));
    assert_eq!(effect.field("state"), Some(&Value::from("confirmed")));
    let confirmed: Receivable = market.stage.read(&id).expect("it is still there");
    assert_eq!(confirmed.state(), ReceivableState::Confirmed);
    assert_eq!((confirmed.confirmation(), confirmed.confirmed_at()), (Some(Confirmation::Buyer), Some(OPENING)));
}

#[test]
fn keys_are_committed_once_for_a_pair_by_both() {
    let mut market = Market::open();
    let (supplier, buyer, stranger) = (market.supplier, market.buyer, market.stranger);
    let invoice = market.invoice(1, 500);
    market.register(invoice).expect("a fresh fingerprint");
    assert_eq!(name_of(market.commit_key(buyer)), "FINGERPRINT_KEY_EXISTS");
    assert_eq!(name_of(market.commit_key(supplier)), "SAME_ACCOUNT");
    assert_eq!(name_of(market.commit_key(AccountId([99; 32]))), "UNKNOWN_ACCOUNT");
    let financier = market.financiers[0];
    assert_eq!(name_of(market.commit_key(financier)), "ROLE_REQUIRED");
    let operation = CommitFingerprintKey { supplier, buyer: stranger, key_commitment: Hash::ZERO };
    let by_one = market.stage.perform(&[supplier], |context, changes| operation.plan(context, changes));
    assert_eq!(name_of(by_one), "MISSING_SIGNATURE");
    market.alter(stranger, |account| account.legal_entity_id.clear());
    assert_eq!(name_of(market.commit_key(stranger)), "LEGAL_ENTITY_REQUIRED");
    market.alter(stranger, |account| account.legal_entity_id = "HKBR:1".to_owned());
    assert_eq!(name_of(market.commit_key(stranger)), "SAME_LEGAL_ENTITY");
    // Another account of the buyer's entity: the pair has its key.
    market.alter(stranger, |account| account.legal_entity_id = "HKBR:2".to_owned());
    assert_eq!(name_of(market.commit_key(stranger)), "FINGERPRINT_KEY_EXISTS");
    market.alter(stranger, |account| account.closed = true);
    assert_eq!(name_of(market.commit_key(stranger)), "ACCOUNT_CLOSED");
}

/// Each takes a block's room for ever, so there is an end; and how often invoices came and went does not matter to it.
#[test]
fn a_pair_commits_so_many_keys() {
    let mut market = Market::open();
    let (supplier, buyer) = (market.supplier, market.buyer);
    let commit = |market: &mut Market, number: u8| {
        let operation = CommitFingerprintKey { supplier, buyer, key_commitment: Hash([number; 32]) };
        market.stage.perform(&[supplier, buyer], |context, changes| operation.plan(context, changes)).map(|_| ())
    };
    let kept = |market: &Market| -> FingerprintKey {
        market.stage.read(&("HKBR:1".to_owned(), "HKBR:2".to_owned())).expect("a key")
    };
    for number in 0..5 {
        let invoice = market.invoice(number, 500);
        let id = market.register(invoice).expect("a fresh fingerprint");
        assert_eq!(kept(&market).documents, 1);
        market.withdraw_as(supplier, id).expect("nobody owes it yet");
        assert_eq!(kept(&market).documents, 0);
    }
    assert_eq!(kept(&market).keys, 1);
    for number in 1..FINGERPRINT_KEYS_MAX as u8 {
        commit(&mut market, number).expect("there is room");
    }
    let last = kept(&market);
    let refused = Reason::TooManyFingerprintKeys { keys_max: FINGERPRINT_KEYS_MAX.into() };
    assert_eq!(commit(&mut market, 99), Err(refused));
    assert_eq!(kept(&market), last);
    let invoice = market.invoice(1, 500);
    market.register(invoice).expect("the last key stays");
}

#[test]
fn a_key_is_committed_anew_while_no_invoice_stands_under_it() {
    let mut market = Market::open();
    let (supplier, buyer, stranger) = (market.supplier, market.buyer, market.stranger);
    // Another pair's invoice is no matter of this one, whether it comes before or after it in the column.
    market.commit_key(stranger).expect("the first key of the pair");
    let invoice = RegisterInvoice { buyer: stranger, ..market.invoice(9, 500) };
    market.register(invoice).expect("a fresh fingerprint");
    let again = CommitFingerprintKey { supplier, buyer, key_commitment: Hash([8; 32]) };
    let commit = |market: &mut Market| {
        market.stage.perform(&[supplier, buyer], |context, changes| again.plan(context, changes)).map(|_| ())
    };
    commit(&mut market).expect("nothing stands under the first");
    let kept: FingerprintKey = market.stage.read(&("HKBR:1".to_owned(), "HKBR:2".to_owned())).expect("a key");
    assert_eq!(kept.commitment, Hash([8; 32]));
    let invoice = market.invoice(1, 500);
    let id = market.register(invoice).expect("a fresh fingerprint");
    assert_eq!(commit(&mut market), Err(Reason::FingerprintKeyExists { commitment: Hash([8; 32]) }));
    market.withdraw_as(supplier, id).expect("nobody owes it yet");
    commit(&mut market).expect("nothing stands under it any more");
    let id = market.register(invoice).expect("it was withdrawn");
    market.confirm_as(buyer, id).expect("the buyer confirms");
    assert!(commit(&mut market).is_err());
}

#[test]
fn the_key_of_a_pair_works_in_one_direction() {
    let mut market = Market::open();
    let (supplier, buyer) = (market.supplier, market.buyer);
    let reversed = RegisterInvoice { buyer: supplier, ..market.invoice(1, 500) };
    assert_eq!(name_of(market.register_as(buyer, reversed)), "FINGERPRINT_KEY_NOT_COMMITTED");
}

#[test]
fn registration_declines_each_for_its_own_reason() {
    let mut market = Market::open();
    let dollars = put_token(&mut market.stage, "USDX", "USD");
    let good = market.invoice(1, 500);
    let first = market.register(good).expect("a fresh fingerprint");
    let fresh = market.invoice(2, 500);
    let rows = [
        ("INVOICE_ALREADY_REGISTERED", good),
        ("INVOICE_ALREADY_REGISTERED", RegisterInvoice { amount: Amount::new(1), ..good }),
        ("FINGERPRINT_KEY_NOT_COMMITTED", RegisterInvoice { buyer: market.stranger, ..fresh }),
        ("SAME_LEGAL_ENTITY", RegisterInvoice { buyer: market.supplier, ..fresh }),
        ("ROLE_REQUIRED", RegisterInvoice { buyer: market.financiers[0], ..fresh }),
        ("UNKNOWN_ACCOUNT", RegisterInvoice { buyer: AccountId([99; 32]), ..fresh }),
        ("UNKNOWN_TOKEN", RegisterInvoice { token: "EURX".parse().expect("a token id"), ..fresh }),
        ("CURRENCY_MISMATCH", RegisterInvoice { token: dollars, ..fresh }),
        ("CURRENCY_MISMATCH", RegisterInvoice { currency: "USD".parse().expect("a currency"), ..fresh }),
        ("DUE_DATE_PASSED", RegisterInvoice { due_at: OPENING, ..fresh }),
        ("ISSUE_DATE_IN_THE_FUTURE", RegisterInvoice { issued_on: Day(OPENING.day().0 + 2), ..fresh }),
    ];
    for (name, invoice) in rows {
        assert_eq!(name_of(market.register(invoice)), name, "{invoice:?}");
    }
    let financier = market.financiers[0];
    assert_eq!(name_of(market.register_as(financier, fresh)), "ROLE_REQUIRED");
    assert_eq!(market.registered(good.fingerprint), Some(first));
    assert!(RegisterInvoice { amount: Amount::ZERO, ..fresh }.check().is_err());
    assert!(fresh.check().is_ok());
}

#[test]
fn only_the_buyer_confirms_and_once() {
    let mut market = Market::open();
    let invoice = market.invoice(1, 500);
    let id = market.register(invoice).expect("a fresh fingerprint");
    let (supplier, buyer) = (market.supplier, market.buyer);
    assert_eq!(name_of(market.confirm_as(supplier, id)), "NOT_THE_BUYER");
    assert_eq!(name_of(market.confirm_as(buyer, ObjectId([0; 32]))), "UNKNOWN_RECEIVABLE");
    market.confirm_as(buyer, id).expect("the buyer confirms");
    assert_eq!(name_of(market.confirm_as(buyer, id)), "RECEIVABLE_NOT_OPEN");
}

#[test]
fn absence_is_certified_until_the_invoice_is_there() {
    let mut market = Market::open();
    let (supplier, buyer, fingerprint) = (market.supplier, market.buyer, Hash([1; 32]));
    let key_commitment = key_commitment(&[7; 32]);
    let operation = CertifyAbsence { supplier, buyer, fingerprint, key_commitment };
    let anyone = market.financiers[1];
    let performed = market.stage.perform(&[anyone], |context, changes| operation.plan(context, changes));
    let planned = performed.expect("nothing is registered").planned;
    assert!(planned.writes.is_empty());
    assert_eq!(planned.effects[0].name, "trade.absence_certified");
    assert_eq!(planned.effects[0].field("fingerprint"), Some(&Value::Hash(operation.fingerprint)));
    assert_eq!(planned.effects[0].field("key_commitment"), Some(&Value::Hash(key_commitment)));
    assert_eq!(planned.effects[0].field("committed_at"), Some(&Value::Time(market.stage.now)));
    assert_eq!(planned.effects[0].field("supplier_legal_entity"), Some(&Value::from("HKBR:1")));
    assert_eq!(planned.effects[0].field("buyer_legal_entity"), Some(&Value::from("HKBR:2")));
    assert_eq!(planned.effects[0].field("time"), Some(&Value::Time(OPENING)));
    // Whom an effect names by account sees it: the parties need not know who asks.
    let named = |(_, value): &(String, Value)| matches!(value, Value::Account(_));
    assert!(!planned.effects[0].fields.iter().any(named));
    let invoice = market.invoice(1, 500);
    let id = market.register(invoice).expect("a fresh fingerprint");
    market.alter(buyer, |account| account.closed = true);
    let nobody = AccountId([99; 32]);
    for (expected, operation) in [
        ("FINGERPRINT_REGISTERED", operation),
        // Under another key everything is absent, and where none is committed nothing can be registered. Anyone may ask, so whether a
        // pair has a key, that is, trades, makes no difference.
        ("FINGERPRINT_KEY_MISMATCH", CertifyAbsence { key_commitment: Hash([8; 32]), ..operation }),
        ("FINGERPRINT_KEY_MISMATCH", CertifyAbsence { buyer: market.stranger, ..operation }),
        ("UNKNOWN_ACCOUNT", CertifyAbsence { supplier: nobody, ..operation }),
        ("UNKNOWN_ACCOUNT", CertifyAbsence { buyer: nobody, ..operation }),
        ("SAME_LEGAL_ENTITY", CertifyAbsence { buyer: supplier, ..operation }),
    ] {
        let declined = market.stage.perform(&[anyone], |context, changes| operation.plan(context, changes));
        assert_eq!(name_of(declined), expected);
    }
    market.withdraw_as(supplier, id).expect("nobody owes it");
    let again = market.stage.perform(&[anyone], |context, changes| operation.plan(context, changes));
    assert!(again.is_ok(), "a withdrawn invoice is absent again");
    market.alter(supplier, |account| account.legal_entity_id.clear());
    let declined = market.stage.perform(&[anyone], |context, changes| operation.plan(context, changes));
    assert_eq!(name_of(declined), "LEGAL_ENTITY_REQUIRED");
}

/// Either party ends what nobody owes; the invoice may then be registered rightly.
#[test]
fn an_unconfirmed_invoice_is_withdrawn_or_rejected_and_frees_its_fingerprint() {
    type End = fn(&mut Market, ObjectId) -> Result<crate::domain::rehearsal::Performed, Reason>;
    let ends: [(&str, &str, End); 2] = [
        ("withdrawn", "trade.invoice_withdrawn", |market, id| market.withdraw_as(market.supplier, id)),
        ("rejected", "trade.invoice_rejected", |market, id| market.reject_as(market.buyer, id)),
    ];
    for (state, effect, end) in ends {
        let mut market = Market::open();
        let wrong = RegisterInvoice { due_at: BlockTime(DUE.0 + 1), ..market.invoice(1, 500) };
        let id = market.register(wrong).expect("a fresh fingerprint");
        let performed = end(&mut market, id).expect("nobody owes it");
        let shown = &performed.planned.effects[0];
        assert_eq!((shown.name.as_str(), shown.field("state")), (effect, Some(&Value::from(state))));
        let ended: Receivable = market.stage.read(&id).expect("receivables stay");
        assert_eq!((ended.state().name(), ended.outstanding()), (state, Amount::ZERO));
        assert_eq!(market.registered(wrong.fingerprint), None);
        let right = market.invoice(1, 500);
        let anew = market.register(right).expect("the fingerprint is free");
        // What ended stays ended, and the new one does not hang on it.
        let (supplier, buyer) = (market.supplier, market.buyer);
        for declined in [market.confirm_as(buyer, id), market.reject_as(buyer, id), market.withdraw_as(supplier, id)] {
            assert_eq!(declined.expect_err(state), Reason::ReceivableNotOpen { receivable: id, state });
        }
        assert_eq!(market.registered(right.fingerprint), Some(anew));
        market.confirm_as(buyer, anew).expect("the right one is confirmed");
    }
}

#[test]
fn what_is_owed_is_neither_withdrawn_nor_rejected_and_only_a_party_may() {
    let mut market = Market::open();
    let (supplier, buyer, stranger) = (market.supplier, market.buyer, market.stranger);
    let invoice = market.invoice(1, 500);
    let id = market.register(invoice).expect("a fresh fingerprint");
    for other in [buyer, stranger] {
        assert_eq!(name_of(market.withdraw_as(other, id)), "NOT_THE_SUPPLIER");
    }
    for other in [supplier, stranger] {
        assert_eq!(name_of(market.reject_as(other, id)), "NOT_THE_BUYER");
    }
    assert_eq!(name_of(market.withdraw_as(supplier, ObjectId([0; 32]))), "UNKNOWN_RECEIVABLE");
    assert_eq!(name_of(market.reject_as(buyer, ObjectId([0; 32]))), "UNKNOWN_RECEIVABLE");
    market.confirm_as(buyer, id).expect("the buyer confirms");
    let not_open = Reason::ReceivableNotOpen { receivable: id, state: "confirmed" };
    assert_eq!(market.withdraw_as(supplier, id).expect_err("it is owed"), not_open);
    assert_eq!(market.reject_as(buyer, id).expect_err("it is owed"), not_open);
    assert_eq!(market.registered(invoice.fingerprint), Some(id));
}

/// Someone who saw a fingerprint registers it with a buyer of its own first: the invoice itself goes through all the same.
#[test]
fn a_fingerprint_that_another_pair_registered_is_in_nobodys_way() {
    let mut market = Market::open();
    let (buyer, stranger) = (market.buyer, market.stranger);
    let operation = CommitFingerprintKey { supplier: stranger, buyer, key_commitment: key_commitment(&[8; 32]) };
    let committed = market.stage.perform(&[stranger, buyer], |context, changes| operation.plan(context, changes));
    committed.expect("the first key of the pair");
    let invoice = market.invoice(1, 500);
    let copied = market.register_as(stranger, invoice).expect("it is free in that pair");
    let id = market.register(invoice).expect("and in this one");
    assert_eq!(market.registered(invoice.fingerprint), Some(id));
    market.reject_as(buyer, copied).expect("the buyer owes the stranger nothing");
    assert_eq!(market.registered(invoice.fingerprint), Some(id));
}

#[test]
fn a_returning_request_id_does_not_overwrite_a_receivable() {
    let mut market = Market::open();
    let supplier = market.supplier;
    let (one, two) = (market.invoice(1, 500), market.invoice(2, 700));
    let both = market.stage.perform(&[supplier], |context, changes| {
        one.plan(context, changes)?;
        two.plan(context, changes)
    });
    assert_eq!(name_of(both), "ALREADY_EXISTS");
}

/// What financing may do to a receivable, and when: the figures of a pledge never exceed what is owed.
#[test]
fn a_receivable_is_pledged_paid_and_released() {
    let mut market = Market::open();
    let id = market.confirmed(1, 500);
    let (loan, [financier, other]) = (ObjectId([9; 32]), market.financiers);
    let mut found: Receivable = market.stage.read(&id).expect("it was registered");
    let amount = Amount::new;
    assert_eq!(name_of(found.pledge(id, loan, financier, amount(501))), "SECURED_EXCEEDS_OUTSTANDING");
    found.pledge(id, loan, financier, amount(400)).expect("it is owed");
    assert_eq!((found.loan(), found.holder(), found.secured()), (Some(loan), financier, amount(400)));
    assert_eq!(name_of(found.pledge(id, loan, other, amount(1))), "RECEIVABLE_ALREADY_FINANCED");
    assert_eq!(found.bound(), [market.buyer, market.supplier, financier].into());
    assert_eq!(name_of(found.pay(id, amount(501))), "AMOUNT_EXCEEDS_OUTSTANDING");
    found.pay(id, amount(400)).expect("so much is owed");
    assert_eq!(name_of(found.set_secured(amount(101))), "SECURED_EXCEEDS_OUTSTANDING");
    found.set_secured(Amount::ZERO).expect("it is repaid");
    assert_eq!(found.bound(), [market.buyer, market.supplier].into());
    found.release(id).expect("the loan is repaid");
    assert_eq!((found.state(), found.loan(), found.holder()), (ReceivableState::Confirmed, None, market.supplier));
    assert_eq!(name_of(found.release(id)), "RECEIVABLE_NOT_OPEN");
    found.pledge(id, loan, other, amount(100)).expect("it may be financed anew");
    found.pay(id, amount(100)).expect("so much is owed");
    assert_eq!((found.state(), found.outstanding()), (ReceivableState::Settled, Amount::ZERO));
    assert_eq!(name_of(found.pay(id, amount(1))), "RECEIVABLE_NOT_OPEN");
    assert_eq!(found.bound(), [].into());
}

fn facts() -> InvoiceFacts {
    InvoiceFacts {
        supplier_legal_id: "LEI:529900T8BM49AURSDO55".to_owned(),
        buyer_legal_id: "HKBR:12345678".to_owned(),
        number: "INV-2026 0042".to_owned(),
        issue_date: jiff::civil::date(2026, 11, 22),
        currency: "HKD".parse().expect("a currency"),
        amount_minor: 1_250_000,
    }
}

/// Computed with Python's `hmac` and `hashlib` from the page in `fingerprint.rs`.
#[test]
fn fingerprints_are_those_of_the_written_specification() {
    let key: [u8; 32] = std::array::from_fn(|index| index as u8);
    assert_eq!(
        fingerprint(&key, &facts()).to_string(),
        "f0454dc1947c0d2732545e3c2cf375b8d6315a6e2ce39ebdb4b56c531bc15990"
    );
    assert_eq!(key_commitment(&key).to_string(), "a92ccdac20d237b5a25999dd56d2d676ff4e6d6f9e75387b681595a3ae2fb909");
    assert_eq!(
        document_commitment(&key, b"<Invoice/>").to_string(),
        "1c96abb195f0b7a0267d704bbb4f3ca086781b707eea1966f3913f4020da0a50"
    );
}

#[test]
fn a_number_typed_differently_is_the_same_number() {
    for typed in ["INV-2026 0042", "  inv-2026\t 0042\n", "Inv-2026 0042"] {
        assert_eq!(normalised_number(typed), "INV-2026 0042");
    }
    // Not the same: another character, or letters beyond ASCII, which stay as they are.
    for other in ["INV2026 0042", "INV-20260042", "ÏNV-2026 0042"] {
        assert_ne!(normalised_number(other), "INV-2026 0042");
    }
    assert_eq!(normalised_number("é1"), "é1");
}

#[test]
fn every_fact_and_the_key_change_the_fingerprint() {
    let original = fingerprint(&[1; 32], &facts());
    let changed = [
        InvoiceFacts { supplier_legal_id: "HKBR:X".to_owned(), ..facts() },
        InvoiceFacts { buyer_legal_id: "HKBR:1".to_owned(), ..facts() },
        // Swapped parties are another invoice.
        InvoiceFacts {
            supplier_legal_id: facts().buyer_legal_id,
            buyer_legal_id: facts().supplier_legal_id,
            ..facts()
        },
        InvoiceFacts { number: "INV-2026 0043".to_owned(), ..facts() },
        InvoiceFacts { issue_date: jiff::civil::date(2026, 11, 23), ..facts() },
        InvoiceFacts { currency: "USD".parse().expect("a currency"), ..facts() },
        InvoiceFacts { amount_minor: 1_250_001, ..facts() },
    ];
    let mut seen: std::collections::BTreeSet<Hash> = changed.iter().map(|facts| fingerprint(&[1; 32], facts)).collect();
    seen.insert(original);
    seen.insert(fingerprint(&[2; 32], &facts()));
    assert_eq!(seen.len(), changed.len() + 2);
}

#[test]
fn an_account_of_several_roles_supplies_and_buys() {
    let mut market = Market::open();
    let supplier = market.supplier;
    market.alter(supplier, |account| account.roles = Roles::NONE.with(Role::Merchant).with(Role::Institution));
    let invoice = RegisterInvoice { due_at: BlockTime(DUE.0 + 1), ..market.invoice(3, 1) };
    assert!(market.register(invoice).is_ok());
}
