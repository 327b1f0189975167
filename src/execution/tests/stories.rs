//! What several operations and blocks come to together, which no room decides alone.

use crate::domain::tokens::{ApproveIssuance, PayRedemption, Redemption, RejectRedemption, reserve_line};
use crate::domain::trade::{
    AcceptOrder, CommitFingerprintKey, Confirmation, OrderTerms, PlaceOrder, Receivable, ReceivableState,
    RegisterInvoice, SilenceMeans, key_commitment,
};
use crate::execution::chronicle::{
    ATTESTATION_AGE_MS_MAX, Chronicle, HOUR_MS, attestation, genesis_file, id, issuance, key, object, public, reason,
    redemption, token, transfer,
};
use crate::execution::genesis::AccountSpec;
use crate::execution::{BlockExecutor, ParentState};
use crate::ledger::block::reserves_root;
use crate::ledger::history::TIP_KEY;
use crate::ledger::limits::HISTORY_ROOTS_KEPT;
use crate::ledger::outcome::due_outcome_id;
use crate::ledger::{Balance, Column, HistoryRoot, Outcome, ReserveLine, Status, Tip, TransactionSignature};
use crate::primitives::{Amount, BlockTime, Decode as _, Encode as _, Hash};
use bytes::Bytes;
use std::sync::Arc;

fn operation_declined(outcome: &Outcome) -> u16 {
    match &outcome.status {
        Status::Declined(decline) => decline.operation_index,
        Status::Applied => panic!("it was applied"),
    }
}

fn balance(chronicle: &Chronicle, name: &str) -> u64 {
    chronicle.read::<Balance>(&(id(name), token())).unwrap_or_default().available.minor_units()
}

fn line(chronicle: &Chronicle) -> ReserveLine {
    chronicle.blocks.last().expect("a block").reserve_lines[0]
}

#[test]
fn a_transaction_is_applied_whole_or_not_at_all() {
    let mut chronicle = Chronicle::funded();
    let operations = vec![
        transfer("buyer", "supplier", 400).into(),
        transfer("buyer", "bank", 100).into(),
        transfer("buyer", "supplier", 501).into(),
    ];
    let outcome = chronicle.perform("buyer", operations);
    assert_eq!((reason(&outcome), operation_declined(&outcome)), ("INSUFFICIENT_FUNDS", 2));
    assert!(outcome.movements.is_empty() && outcome.balances.is_empty() && outcome.effects.is_empty());
    assert_eq!(
        [balance(&chronicle, "buyer"), balance(&chronicle, "supplier"), balance(&chronicle, "bank")],
        [1_000, 0, 0]
    );
    let own = [Column::Chain, Column::HistoryRoots, Column::Requests, Column::Due];
    let written = chronicle.blocks.last().expect("a block").writes.keys();
    assert!(written.into_iter().all(|(column, _)| own.contains(column)), "nothing of the first two remains");
}

#[test]
fn operations_of_one_transaction_build_on_each_other() {
    let mut chronicle = Chronicle::funded();
    let mut draft = chronicle.draft(
        id("buyer"),
        vec![transfer("buyer", "supplier", 1_000).into(), transfer("supplier", "bank", 900).into()],
    );
    draft.cosigners = vec![id("supplier")];
    let outcome = chronicle.append(1_000, &[chronicle.sign(&draft)]).swap_remove(0);
    assert_eq!(reason(&outcome), "APPLIED");
    assert_eq!([balance(&chronicle, "supplier"), balance(&chronicle, "bank")], [100, 900]);
}

#[test]
fn transactions_of_one_block_build_on_each_other() {
    let mut chronicle = Chronicle::funded();
    let first = chronicle.transaction("buyer", vec![transfer("buyer", "supplier", 1_000).into()]);
    let second = chronicle.transaction("supplier", vec![transfer("supplier", "bank", 900).into()]);
    let outcomes = chronicle.append(1_000, &[first.clone(), second.clone()]);
    assert_eq!(outcomes.iter().map(reason).collect::<Vec<_>>(), ["APPLIED", "APPLIED"]);
}

#[test]
fn whoever_an_operation_binds_must_sign() {
    let mut chronicle = Chronicle::funded();
    let operations = vec![transfer("buyer", "supplier", 1).into(), transfer("financier", "supplier", 1).into()];
    let mut draft = chronicle.draft(id("buyer"), operations);
    let outcome = chronicle.append(1_000, &[chronicle.sign(&draft)]).swap_remove(0);
    assert_eq!((reason(&outcome), operation_declined(&outcome)), ("MISSING_SIGNATURE", 1));
    assert_eq!(balance(&chronicle, "supplier"), 0);
    draft.envelope.request_id.0[0] ^= 1;
    draft.cosigners = vec![id("financier")];
    let outcome = chronicle.append(1_000, &[chronicle.sign(&draft)]).swap_remove(0);
    assert_eq!(reason(&outcome), "APPLIED");
}

#[test]
fn a_missed_deadline_has_an_outcome_of_its_own() {
    let mut chronicle = Chronicle::funded();
    let id = chronicle.make("buyer", vec![redemption(300).into()]);
    let due_at = chronicle.read::<Redemption>(&id).expect("it is open").due_at;
    assert_eq!(chronicle.append(due_at.0 - 1 - chronicle.now().0, &[]), [], "a millisecond early");

    let outcomes = chronicle.append(1, &[]);
    let [outcome] = &outcomes[..] else { panic!("one outcome: {outcomes:?}") };
    let height = chronicle.tip().header.height;
    assert_eq!(outcome.transaction_id, due_outcome_id(height, 0));
    assert_eq!(
        outcome.effects.iter().map(|effect| effect.name.as_str()).collect::<Vec<_>>(),
        ["tokens.redemption_overdue"]
    );
    assert_eq!(chronicle.read::<Redemption>(&id).expect("still open").overdue_at, Some(due_at));
    assert_eq!(chronicle.append(HOUR_MS, &[]), [], "a breach is recorded once");
    chronicle.check_state();
}

#[test]
fn what_fell_due_stands_after_the_transactions() {
    let mut chronicle = Chronicle::funded();
    let redeemed = chronicle.make("buyer", vec![redemption(300).into()]);
    let due_at = chronicle.read::<Redemption>(&redeemed).expect("it is open").due_at;
    chronicle.append(due_at.0 - 1_000 - chronicle.now().0, &[]);
    let narrative = "the account does not exist".to_owned();
    let reject = chronicle.transaction("issuer", vec![RejectRedemption { redemption: redeemed, narrative }.into()]);
    let outcomes = chronicle.append(1_000, std::slice::from_ref(&reject));
    assert_eq!(outcomes.len(), 2);
    assert_eq!(outcomes[0].transaction_id, reject.id());
    assert_eq!(outcomes[1].effects[0].name, "tokens.redemption_overdue", "due things come first, and are told last");
}

/// The buyer says nothing, and the order has it that it owes the invoice then: the block says so in the buyer's place.
#[test]
fn a_buyers_silence_has_an_outcome_of_its_own() {
    let mut chronicle = Chronicle::funded();
    let (supplier, buyer) = (id("supplier"), id("buyer"));
    let commit = CommitFingerprintKey { supplier, buyer, key_commitment: key_commitment(&[7; 32]) };
    let mut draft = chronicle.draft(supplier, vec![commit.into()]);
    draft.cosigners = vec![buyer];
    chronicle.append(1_000, &[chronicle.sign(&draft)]);
    let terms = OrderTerms {
        amount: Amount::new(900),
        document_commitment: Hash([0x0d; 32]),
        line_count: 1,
        deliver_by: None,
        confirmation_days: 5,
        silence: SilenceMeans::Confirms,
        payment_days: None,
    };
    let currency = "HKD".parse().expect("a currency");
    let place = PlaceOrder { supplier, token: token(), currency, fingerprint: Hash([1; 32]), terms };
    let order = chronicle.make("buyer", vec![place.into()]);
    chronicle.make("supplier", vec![AcceptOrder { order }.into()]);
    let invoice = RegisterInvoice {
        buyer,
        token: token(),
        currency,
        amount: Amount::new(500),
        due_at: BlockTime(chronicle.now().0 + 30 * 24 * HOUR_MS),
        fingerprint: Hash([2; 32]),
        document_commitment: Hash([0xdc; 32]),
        issued_on: chronicle.now().day(),
        order: Some(order),
    };
    let receivable = chronicle.make("supplier", vec![invoice.into()]);
    chronicle.append(5 * 24 * HOUR_MS - 1, &[]);
    let waiting: Receivable = chronicle.read(&receivable).expect("it was registered");
    assert_eq!(waiting.state(), ReceivableState::Registered, "a millisecond early");

    let outcomes = chronicle.append(1, &[]);
    let effects: Vec<&str> = outcomes.iter().flat_map(|own| &own.effects).map(|effect| effect.name.as_str()).collect();
    assert_eq!(effects, ["trade.invoice_confirmed_by_silence"]);
    let confirmed: Receivable = chronicle.read(&receivable).expect("it was registered");
    assert_eq!(confirmed.confirmation(), Some(Confirmation::Silence));
    assert_eq!(confirmed.confirmed_at(), Some(chronicle.now()));
    chronicle.check_state();
}

#[test]
fn an_attestations_expiry_is_a_shortfall_that_stops_issuance_until_it_is_cured() {
    let mut chronicle = Chronicle::funded();
    let attested_at = line(&chronicle).attested_as_of;
    let waiting = chronicle.make("maker", vec![issuance("buyer", 1).into()]);
    chronicle.append(attested_at.0 + ATTESTATION_AGE_MS_MAX - chronicle.now().0, &[]);
    assert_eq!(line(&chronicle).shortfall, Amount::ZERO, "on its last millisecond it counts");

    chronicle.append(1, &[]);
    let lapsed = line(&chronicle);
    assert_eq!((lapsed.circulation, lapsed.reserves_counted), (Amount::new(2_000), Amount::ZERO));
    assert_eq!(lapsed.shortfall, Amount::new(2_000));
    assert_eq!(chronicle.tip().header.reserves_root, reserves_root(&[lapsed]), "without anyone asking");

    let approve = ApproveIssuance { issuance: waiting };
    let outcome = chronicle.perform("checker", vec![approve.clone().into()]);
    assert_eq!(reason(&outcome), "RESERVE_SHORTFALL");
    let outcome = chronicle.perform("buyer", vec![transfer("buyer", "supplier", 1).into()]);
    assert_eq!(reason(&outcome), "APPLIED", "payments go on");
    chronicle.attest(2_001);
    assert_eq!(reason(&chronicle.perform("checker", vec![approve.into()])), "APPLIED");
    assert_eq!(line(&chronicle).shortfall, Amount::ZERO);
}

#[test]
fn a_paid_redemption_never_makes_room_for_an_issuance() {
    let mut chronicle = Chronicle::begin();
    chronicle.attest(1_000);
    chronicle.issue("buyer", 1_000);
    let redeemed = chronicle.make("buyer", vec![redemption(400).into()]);
    chronicle.make("issuer", vec![PayRedemption { redemption: redeemed, fiat_reference: "FT-1".into() }.into()]);
    let paid = line(&chronicle);
    assert_eq!((paid.circulation, paid.reserves_counted), (Amount::new(600), Amount::new(600)));
    let waiting = chronicle.make("maker", vec![issuance("buyer", 1).into()]);
    let outcome = chronicle.perform("checker", vec![ApproveIssuance { issuance: waiting }.into()]);
    assert_eq!(reason(&outcome), "RESERVE_SHORTFALL");
}

/// A genesis in which one account both approves issuances and attests the reserves, as no sane one would.
fn conflicted() -> Chronicle {
    let mut file = genesis_file();
    file.accounts.push(AccountSpec {
        name: "keeper".to_owned(),
        keys: vec![public(&key("keeper")).to_string()],
        threshold: 1,
        roles: vec!["custodian".to_owned(), "issuance-checker".to_owned()],
        legal_entity_id: String::new(),
        parent: Some("issuer".to_owned()),
    });
    file.tokens[0].custodian = "keeper".to_owned();
    let mut chronicle = Chronicle::of(&file);
    chronicle.know(key("keeper"));
    chronicle
}

#[test]
fn a_mint_and_what_lowers_the_reserves_after_it_are_declined_as_a_whole() {
    let mut chronicle = conflicted();
    let as_of = BlockTime(chronicle.now().0 + 1);
    chronicle.make("keeper", vec![attestation(as_of, 1_000).into()]);
    let waiting = chronicle.make("maker", vec![issuance("buyer", 1_000).into()]);
    let approve = ApproveIssuance { issuance: waiting };
    let lower = attestation(BlockTime(as_of.0 + 1), 999);
    let outcome = chronicle.perform("keeper", vec![approve.clone().into(), lower.clone().into()]);
    assert_eq!(reason(&outcome), "RESERVE_SHORTFALL");
    assert_eq!((balance(&chronicle, "buyer"), line(&chronicle).circulation), (0, Amount::ZERO));
    let higher = attestation(lower.as_of, 1_001);
    assert_eq!(reason(&chronicle.perform("keeper", vec![approve.into(), higher.into()])), "APPLIED");
}

#[test]
fn the_reserve_line_is_of_the_blocks_time_and_after_its_effects() {
    let mut chronicle = Chronicle::funded();
    let attest = attestation(BlockTime(chronicle.now().0 + 1), 500);
    let transaction = chronicle.transaction("custodian", vec![attest.into()]);
    chronicle.append(1_000, &[transaction]);
    assert_eq!(line(&chronicle).shortfall, Amount::new(1_500));
    let again = reserve_line(&*chronicle.tip().view, token(), chronicle.now());
    assert_eq!(again, Some(line(&chronicle)));
}

#[test]
fn epochs_follow_from_heights() {
    let mut chronicle = Chronicle::begin();
    (0..17).for_each(|_| drop(chronicle.append(1, &[])));
    let epochs: Vec<u64> = chronicle.headers().iter().map(|header| header.epoch).collect();
    assert_eq!(epochs, [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2]);
}

#[test]
fn objects_are_known_by_id_before_they_are_made() {
    let mut chronicle = Chronicle::funded();
    let mut draft = chronicle.draft(id("buyer"), vec![redemption(1).into(), redemption(2).into()]);
    let second = object(&draft, 1);
    draft.operations.push(transfer("buyer", "supplier", 1).into());
    chronicle.append(1_000, &[chronicle.sign(&draft)]);
    assert_eq!(chronicle.read::<Redemption>(&second).expect("it was made").amount, Amount::new(2));
}

#[test]
fn history_roots_are_kept_for_a_window_of_heights() {
    let mut chronicle = Chronicle::begin();
    (0..3).for_each(|_| drop(chronicle.append(1, &[])));
    let leaves: Vec<Hash> = chronicle.headers().iter().map(|header| header.history_leaf()).collect();
    for size in 1..=4 {
        let root = crate::primitives::merkle::root(&leaves[..size]);
        assert_eq!(chronicle.read::<HistoryRoot>(&(size as u64)), Some(HistoryRoot(root)));
    }

    // The same state, as if as many blocks stood below it as are remembered.
    let mut tip: Tip = chronicle.read(&TIP_KEY).expect("the tip");
    while tip.history.size() < HISTORY_ROOTS_KEPT {
        tip.history.push(Hash::ZERO);
    }
    tip.height = HISTORY_ROOTS_KEPT - 1;
    let mut entries = chronicle.entries().clone();
    entries.apply(&[((Column::Chain, Bytes::from(TIP_KEY.to_bytes())), Some(Bytes::from(tip.to_bytes())))].into());
    let mut high = ParentState { view: Arc::new(entries), ..chronicle.tip().clone() };
    high.header.height = tip.height;
    let built = BlockExecutor::open(high, chronicle.place(1)).expect("a good place").close().expect("it holds");
    let roots = built.writes.iter().filter(|((column, _), _)| *column == Column::HistoryRoots);
    let written: Vec<(u64, bool)> =
        roots.map(|((_, key), value)| (u64::from_bytes(key).expect("a height"), value.is_some())).collect();
    assert_eq!(written, [(1, false), (HISTORY_ROOTS_KEPT + 1, true)]);
}

/// What one transaction is signed with is nobody's business but its own.
#[test]
fn a_k_of_n_account_needs_k_of_its_n_keys() {
    let names = ["a", "b", "c"];
    let mut file = genesis_file();
    file.accounts.push(AccountSpec {
        name: "board".to_owned(),
        keys: names.iter().map(|name| public(&key(name)).to_string()).collect(),
        threshold: 2,
        roles: vec!["merchant".to_owned()],
        legal_entity_id: String::new(),
        parent: None,
    });
    let mut chronicle = Chronicle::of(&file);
    names.iter().for_each(|name| chronicle.know(key(name)));
    let draft = chronicle.draft(id("board"), vec![transfer("board", "buyer", 1).into()]);
    let signers = |signatures: &[TransactionSignature]| signatures.len();
    for (count, eligible) in [(1, false), (2, true), (3, true)] {
        let keys: Vec<_> = names[..count].iter().map(|name| public(&key(name))).collect();
        let signed = chronicle.sign_with(&draft, &keys);
        assert_eq!(signers(signed.signed().signatures()), count);
        assert_eq!(chronicle.build(1_000, &[signed]).1.is_empty(), eligible, "{count} of 3");
    }
}
