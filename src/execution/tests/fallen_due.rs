//! Receipts of what fell due: each thing has its own, and nothing else can be shown as one.

use super::receipts::flip_every_bit;
use crate::domain::tokens::Redemption;
use crate::execution::chronicle::{Chronicle, NODES, certificate, id, redemption, transfer};
use crate::ledger::block::{outcome_leaf, outcomes_root};
use crate::ledger::outcome::due_outcome_id;
use crate::ledger::receipt::{Receipt, ReceiptError, Subject};
use crate::ledger::{Header, Outcome, Value};
use crate::primitives::merkle::Path;
use crate::primitives::{AccountId, BlockTime, Decode as _, Encode as _, Hash};
use std::collections::BTreeSet;

/// A chain, and two heights of it at which redemptions were found overdue: two after two payments, then one after one.
fn chain() -> (Chronicle, u64, u64) {
    let mut chronicle = Chronicle::funded();
    let redeem = |chronicle: &mut Chronicle, holder: &str| {
        let made = chronicle.make(holder, vec![redemption(100).into()]);
        chronicle.read::<Redemption>(&made).expect("it is open").due_at
    };
    let first = ["buyer", "financier"].map(|holder| redeem(&mut chronicle, holder));
    let both = overdue(&mut chronicle, first[0].max(first[1]), 2);
    let third = redeem(&mut chronicle, "buyer");
    let one = overdue(&mut chronicle, third, 1);
    (chronicle, both, one)
}

/// A block of payments in which what is due at a time falls due: its height.
fn overdue(chronicle: &mut Chronicle, due_at: BlockTime, payments: usize) -> u64 {
    // A payment expires within the hour, so it is signed shortly before.
    let short = due_at.0 - 60_000 - chronicle.now().0;
    chronicle.append(short, &[]);
    let pay = |_| chronicle.transaction("buyer", vec![transfer("buyer", "supplier", 1).into()]);
    let payments: Vec<_> = (0..payments).map(pay).collect();
    chronicle.append(60_000, &payments);
    chronicle.tip().header.height
}

/// Those whom an outcome's effects name.
fn named(outcome: &Outcome) -> BTreeSet<AccountId> {
    let values = outcome.effects.iter().flat_map(|effect| &effect.fields);
    values.filter_map(|(_, value)| if let Value::Account(account) = value { Some(*account) } else { None }).collect()
}

#[test]
fn each_thing_that_fell_due_has_a_receipt_that_verifies_and_tells_of_it_alone() {
    let (chronicle, both, one) = chain();
    let (mut ids, mut told_of) = (BTreeSet::new(), Vec::new());
    for (height, index) in [(both, 2), (both, 3), (one, 1)] {
        for certified_at in [height, chronicle.tip().header.height] {
            let receipt = chronicle.receipt(height, index, certified_at);
            assert_eq!(receipt.verify(&chronicle.trust()), Ok(()), "{height}/{index} certified at {certified_at}");
            assert_eq!((&receipt.transaction, receipt.subject()), (&None, Subject::FellDue));
            assert_eq!(Receipt::from_bytes(&receipt.to_bytes()).as_ref(), Ok(&receipt));
            ids.insert(receipt.id());
        }
        told_of.push(named(&chronicle.receipt(height, index, height).outcome));
    }
    let [buyer, financier] = ["buyer", "financier"].map(|holder| BTreeSet::from([id(holder)]));
    // What fell due at one time stands in the order of its ids.
    told_of[..2].sort_by_key(|told| *told != buyer);
    assert_eq!(told_of, [buyer.clone(), financier, buyer]);
    assert_eq!(ids.len(), 3, "one id each, whatever certifies it");
    for (height, count) in [(both, 4), (one, 2)] {
        assert_eq!(chronicle.headers()[height as usize].outcome_count, count);
    }
}

#[test]
fn no_flipped_bit_goes_unnoticed_in_what_fell_due() {
    let (chronicle, both, _) = chain();
    flip_every_bit(&chronicle.receipt(both, 3, both), &chronicle.trust());
    flip_every_bit(&chronicle.receipt(both, 2, chronicle.tip().header.height), &chronicle.trust());
}

/// Each row passes one thing off as another, and names what gives it away.
#[test]
fn nothing_else_is_shown_as_what_fell_due() {
    let (chronicle, both, one) = chain();
    let (trust, payment, good) =
        (chronicle.trust(), chronicle.receipt(both, 0, both), chronicle.receipt(both, 2, both));
    let (other, of_another_height) = (chronicle.receipt(both, 3, both), chronicle.receipt(one, 1, one));
    let refused = Err(ReceiptError::NotFallenDue { height: both });
    let outcome = |from: &Receipt| from.outcome.clone();
    let path = |from: &Receipt| from.outcome_path.clone();
    for (what, forged) in [
        ("a payment's outcome in its place", Receipt { outcome: outcome(&payment), ..good.clone() }),
        ("it, in another's place", Receipt { outcome_path: path(&other), ..good.clone() }),
        ("another's outcome in its place", Receipt { outcome: outcome(&other), ..good.clone() }),
        ("that of another height", Receipt { outcome: outcome(&of_another_height), ..good.clone() }),
    ] {
        assert_eq!(forged.verify(&trust), refused, "{what}");
    }
    let in_a_payments_place = Receipt { outcome_path: path(&payment), ..good.clone() };
    assert_eq!(in_a_payments_place.verify(&trust), Err(ReceiptError::OutcomePath));
    let Receipt { header, certificate, .. } = of_another_height;
    let moved = Receipt { header, certificate, ..good.clone() };
    assert_eq!(moved.verify(&trust), Err(ReceiptError::NotFallenDue { height: one }), "at another height");
    let mut far = good.clone();
    far.outcome_path.index += 1 << 32;
    assert_eq!(far.verify(&trust), refused, "a place that only its last bits name");
    let signed = Receipt { transaction: payment.transaction, ..good.clone() };
    assert_eq!(signed.verify(&trust), Err(ReceiptError::OutcomeOfAnother), "as a transaction's");
    let mut told_otherwise = good;
    told_otherwise.outcome.effects[0].name = "tokens.redemption_paid".to_owned();
    assert_eq!(told_otherwise.verify(&trust), Err(ReceiptError::OutcomePath));
}

/// Of every block's transactions, outcomes and places, only those that belong together prove anything.
#[test]
fn parts_of_receipts_prove_nothing_in_another_combination() {
    let (chronicle, both, one) = chain();
    let trust = chronicle.trust();
    let places = [(both, 0), (both, 1), (both, 2), (both, 3), (one, 0), (one, 1)];
    let receipts = places.map(|(height, index)| chronicle.receipt(height, index, height));
    let mut proven = 0;
    for of_transaction in &receipts {
        for of_outcome in &receipts {
            for of_place in &receipts {
                for of_header in [&receipts[0], &receipts[4]] {
                    let joined = Receipt {
                        transaction: of_transaction.transaction.clone(),
                        outcome: of_outcome.outcome.clone(),
                        outcome_path: of_place.outcome_path.clone(),
                        balances: Vec::new(),
                        ..of_header.clone()
                    };
                    let of_one = receipts.iter().any(|one| {
                        let whole = Receipt { balances: Vec::new(), ..one.clone() };
                        whole == joined || Receipt { transaction: None, ..whole } == joined
                    });
                    assert_eq!(joined.verify(&trust).is_ok(), of_one, "{joined:?}");
                    proven += u32::from(of_one);
                }
            }
        }
    }
    // Three receipts lend their want of a transaction to each of the three that have none, and to each of those that have one.
    assert_eq!(proven, 3 + 3 * 3 + 3 * 3);
}

/// A node that no longer has a transaction shows what came of it all the same, under the id that its receipt always had.
#[test]
fn a_transactions_outcome_is_proven_without_the_transaction() {
    let (chronicle, both, _) = chain();
    for (certified_at, index) in [(both, 0), (chronicle.tip().header.height, 1)] {
        let whole = chronicle.receipt(both, index, certified_at);
        let without = Receipt { transaction: None, ..whole.clone() };
        assert_eq!((without.verify(&chronicle.trust()), without.subject()), (Ok(()), Subject::BodyNotCarried));
        assert_eq!((without.id(), without.transaction_id()), (whole.id(), whole.transaction_id()));
        assert_eq!(Receipt::from_bytes(&without.to_bytes()).as_ref(), Ok(&without));
        let mut of_another = without.clone();
        of_another.outcome.transaction_id.0[0] ^= 1;
        assert_eq!(of_another.verify(&chronicle.trust()), Err(ReceiptError::OutcomePath), "another transaction's id");
        flip_every_bit(&without, &chronicle.trust());
    }
}

/// Even a quorum cannot show what fell due from among the transactions' outcomes: it is no more than a transaction's there.
#[test]
fn what_fell_due_stands_after_the_transactions_whoever_certifies_it() {
    let (chronicle, _, one) = chain();
    let mut forged = chronicle.receipt(one, 1, one);
    let paid = chronicle.receipt(one, 0, one).outcome;
    let certified = |receipt: &mut Receipt, outcomes: &[Outcome], index: usize| {
        let hashes: Vec<Hash> = outcomes.iter().map(Outcome::hash).collect();
        let leaves: Vec<Hash> = hashes.iter().map(outcome_leaf).collect();
        let (outcomes_root, outcome_count) = (outcomes_root(&hashes), outcomes.len() as u32);
        receipt.header = Header { outcomes_root, outcome_count, ..receipt.header.clone() };
        receipt.outcome_path = Path::of(&leaves, index).expect("it is among them");
        receipt.certificate = certificate(&receipt.header, &NODES, &[0, 1, 2]);
    };
    let fell_due = forged.outcome.clone();
    certified(&mut forged, &[paid.clone(), fell_due.clone()], 1);
    assert_eq!(forged.verify(&chronicle.trust()), Ok(()));
    let refused = Err(ReceiptError::NotFallenDue { height: one });
    certified(&mut forged, &[fell_due, paid], 0);
    assert_eq!(forged.subject(), Subject::BodyNotCarried, "before them");
    forged.outcome.transaction_id = due_outcome_id(one, u32::MAX);
    let outcome = forged.outcome.clone();
    certified(&mut forged, std::slice::from_ref(&outcome), 0);
    assert_eq!(forged.subject(), Subject::BodyNotCarried, "one place before the first");
    certified(&mut forged, &[outcome.clone(), outcome], 1);
    assert_eq!(forged.verify(&chronicle.trust()), refused, "under the id of another place");
}
