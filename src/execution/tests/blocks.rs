//! What may not stand in a block, and what makes a block invalid: a row for each rule.

use crate::domain::tokens::ApproveIssuance;
use crate::execution::chronicle::{Chronicle, HOUR_MS, assert_same, id, key, public, reason, token, transfer};
use crate::execution::{Ineligible, InvalidBlock, ParentState, Transaction, apply_block};
use crate::ledger::limits::{BLOCK_BYTES_MAX, BLOCK_TRANSACTIONS_MAX, EXPIRY_AHEAD_MS_MAX, OPERATIONS_MAX};
use crate::ledger::view::MemoryView;
use crate::ledger::{Account, Balance, Changes, Column, Header, Reason};
use crate::primitives::{BlockTime, ChainId, Encode as _, Hash, ObjectId};
use bytes::Bytes;
use std::sync::Arc;

/// What a leader says of one transaction a second after the last block, and that a validator says the same of its block.
fn refused(chronicle: &Chronicle, transaction: &Arc<Transaction>) -> Ineligible {
    let (built, mut left_out) = chronicle.build(1_000, std::slice::from_ref(transaction));
    assert!(built.transactions.is_empty(), "the leader leaves it out");
    let cause = left_out.pop().expect("it was left out");
    match chronicle.check(&built.header, std::slice::from_ref(transaction)) {
        Err(InvalidBlock::Transaction { index: 0, cause: found }) => assert_eq!(found, cause),
        other => panic!("a block that holds it is invalid for it, not {:?}", other.map(|executed| executed.header)),
    }
    cause
}

#[test]
fn each_rule_of_eligibility_has_its_own_variant() {
    let mut chronicle = Chronicle::funded();
    let now = BlockTime(chronicle.now().0 + 1_000);
    let good = chronicle.draft(id("buyer"), vec![transfer("buyer", "supplier", 1).into()]);

    let mut foreign = good.clone();
    foreign.envelope.chain_id = ChainId([1; 32]);
    assert_eq!(refused(&chronicle, &chronicle.sign(&foreign)), Ineligible::ForeignChain);

    let mut expired = good.clone();
    expired.envelope.expires_at = BlockTime(now.0 - 1);
    let expected = Ineligible::Expired { expires_at: expired.envelope.expires_at, now };
    assert_eq!(refused(&chronicle, &chronicle.sign(&expired)), expected);

    let mut far = good.clone();
    far.envelope.expires_at = BlockTime(now.0 + EXPIRY_AHEAD_MS_MAX + 1);
    let expected = Ineligible::ExpiryTooFar { expires_at: far.envelope.expires_at, now };
    assert_eq!(refused(&chronicle, &chronicle.sign(&far)), expected);

    let mut unknown = good.clone();
    unknown.envelope.sender = id("nobody");
    let expected = Ineligible::SenderNotAuthentic(Reason::UnknownAccount { account: id("nobody") });
    assert_eq!(refused(&chronicle, &chronicle.sign(&unknown)), expected);

    let unsigned = chronicle.sign_with(&good, &[public(&key("supplier"))]);
    let expected = Ineligible::SenderNotAuthentic(Reason::MissingSignature { account: id("buyer") });
    assert_eq!(refused(&chronicle, &unsigned), expected);

    for (co_signer, signers, expected) in [
        ("financier", &["buyer"][..], Some(Reason::MissingSignature { account: id("financier") })),
        ("nobody", &["buyer"], Some(Reason::UnknownAccount { account: id("nobody") })),
        ("financier", &["buyer", "financier"], None),
    ] {
        let mut bound = good.clone();
        bound.envelope.co_signers = vec![id(co_signer)];
        let keys: Vec<_> = signers.iter().map(|name| public(&key(name))).collect();
        let signed = chronicle.sign_with(&bound, &keys);
        let expected: Vec<_> = expected.into_iter().map(Ineligible::CoSignerNotAuthentic).collect();
        assert_eq!(chronicle.build(1_000, &[signed]).1, expected);
    }

    let taken = chronicle.sign(&good);
    let height = chronicle.tip().header.height + 1;
    chronicle.append(1_000, std::slice::from_ref(&taken));
    let expected = Ineligible::RequestSeen { transaction_id: taken.id(), height };
    assert_eq!(refused(&chronicle, &taken), expected);
}

#[test]
fn the_bounds_of_the_expiry_window_are_inside_it() {
    let mut chronicle = Chronicle::funded();
    let now = chronicle.now().0 + 1_000;
    for expires_at in [now, now + EXPIRY_AHEAD_MS_MAX] {
        let mut draft = chronicle.draft(id("buyer"), vec![transfer("buyer", "supplier", 1).into()]);
        draft.envelope.expires_at = BlockTime(expires_at);
        assert_eq!(chronicle.build(1_000, &[chronicle.sign(&draft)]).1, []);
    }
}

#[test]
fn a_closed_sender_is_not_authentic() {
    let mut chronicle = Chronicle::begin();
    let closed = id("financier");
    let close = crate::domain::accounts::CloseAccount { account: closed };
    chronicle.make("financier", vec![close.into()]);
    assert!(chronicle.read::<Account>(&closed).expect("it leaves its entry").closed);
    let late = chronicle.transaction("financier", vec![transfer("financier", "buyer", 1).into()]);
    let expected = Ineligible::SenderNotAuthentic(Reason::AccountClosed { account: closed });
    assert_eq!(refused(&chronicle, &late), expected);
}

#[test]
fn a_full_block_takes_no_more_and_is_within_the_limit() {
    let mut chronicle = Chronicle::begin().with_bodies(|envelope, _| {
        let mut body = vec![0; 60 * 1024];
        body[..16].copy_from_slice(&envelope.request_id.0);
        body
    });
    let large: Vec<_> =
        (0..80).map(|_| chronicle.transaction("buyer", vec![transfer("buyer", "supplier", 1).into()])).collect();
    let left_out = chronicle.append_eligible(1_000, &large);
    assert!(!left_out.is_empty() && left_out.iter().all(|cause| *cause == Ineligible::BlockFull), "{left_out:?}");
    let taken = large.len() - left_out.len();
    let bytes: usize = Header::SIZE + 4 + large[..taken].iter().map(|each| each.signed().encoded_len()).sum::<usize>();
    assert!(bytes <= BLOCK_BYTES_MAX && bytes + large[0].signed().encoded_len() > BLOCK_BYTES_MAX);
}

/// Few bytes that may cost much: forty of an approval can mint for sixteen accounts.
#[test]
fn a_block_past_its_budget_of_work_is_refused_by_leader_and_validator_alike() {
    let mut chronicle = Chronicle::begin().with_bodies(|envelope, _| envelope.request_id.0.to_vec());
    let approvals = || vec![ApproveIssuance { issuance: ObjectId([1; 32]) }.into(); OPERATIONS_MAX];
    let costly: Vec<_> = (0..200).map(|_| chronicle.transaction("checker", approvals())).collect();
    let (built, left_out) = chronicle.build(1_000, &costly);
    let taken = built.transactions.len();
    assert!(taken > 0 && !left_out.is_empty(), "{taken} taken");
    assert!(left_out.iter().all(|cause| *cause == Ineligible::BlockFull), "{left_out:?}");
    let bytes: usize = costly.iter().map(|each| each.signed().encoded_len()).sum();
    assert!(bytes < BLOCK_BYTES_MAX && costly.len() < BLOCK_TRANSACTIONS_MAX, "only the work fills it");
    assert_same(&chronicle.check(&built.header, &built.transactions).expect("within its budget"), &built);
    let one_more = chronicle.check(&built.header, &costly[..=taken]);
    assert!(
        matches!(one_more, Err(InvalidBlock::Transaction { index, cause: Ineligible::BlockFull }) if index == taken)
    );
}

#[test]
fn every_tampered_field_of_a_header_is_named() {
    let mut chronicle = Chronicle::funded();
    let payment = chronicle.transaction("buyer", vec![transfer("buyer", "supplier", 5).into()]);
    let (built, _) = chronicle.build(1_000, &[payment]);
    type Tamper = fn(&mut Header);
    let rows: [(&str, Tamper); 13] = [
        ("chain_id", |header| header.chain_id = ChainId([1; 32])),
        ("epoch", |header| header.epoch += 1),
        ("height", |header| header.height += 1),
        ("parent", |header| header.parent = Hash([1; 32])),
        ("transaction_count", |header| header.transaction_count += 1),
        ("outcome_count", |header| header.outcome_count += 1),
        ("transactions_root", |header| header.transactions_root = Hash([1; 32])),
        ("outcomes_root", |header| header.outcomes_root = Hash([1; 32])),
        ("parent_state_digest", |header| header.parent_state_digest = Hash([1; 32])),
        ("history_root", |header| header.history_root = Hash([1; 32])),
        ("validators_hash", |header| header.validators_hash = Hash([1; 32])),
        ("next_validators_hash", |header| header.next_validators_hash = Hash([1; 32])),
        ("reserves_root", |header| header.reserves_root = Hash([1; 32])),
    ];
    for (name, tamper) in rows {
        let mut header = built.header.clone();
        tamper(&mut header);
        match chronicle.check(&header, &built.transactions) {
            Err(InvalidBlock::Header { field }) => assert_eq!(field, name),
            other => panic!("{name}: {:?}", other.map(|executed| executed.header)),
        }
    }
    let with = |tamper: &dyn Fn(&mut Header)| {
        let mut header = built.header.clone();
        tamper(&mut header);
        chronicle.check(&header, &built.transactions)
    };
    let parent_time = chronicle.now();
    for time in [parent_time, BlockTime(parent_time.0 - 1)] {
        let invalid = with(&|header| header.time = time);
        assert!(matches!(invalid, Err(InvalidBlock::TimeNotAfterParent { time: of, .. }) if of == time));
    }
    let foreign = public(&key("buyer"));
    let invalid = with(&|header| header.proposer = foreign);
    assert!(matches!(invalid, Err(InvalidBlock::ForeignProposer(proposer)) if proposer == foreign));
    assert_same(&with(&|_| {}).expect("untampered it is valid"), &built);
}

#[test]
fn transactions_out_of_order_left_out_or_put_in_are_noticed() {
    let mut chronicle = Chronicle::funded();
    let one = chronicle.transaction("buyer", vec![transfer("buyer", "supplier", 5).into()]);
    let two = chronicle.transaction("financier", vec![transfer("financier", "supplier", 5).into()]);
    let (built, _) = chronicle.build(1_000, &[one.clone(), two.clone()]);
    let rows = [
        (vec![two.clone(), one.clone()], "transactions_root"),
        (vec![one.clone()], "transaction_count"),
        (vec![], "transaction_count"),
    ];
    for (other, expected) in rows {
        let invalid = chronicle.check(&built.header, &other);
        assert!(matches!(invalid, Err(InvalidBlock::Header { field }) if field == expected));
    }
    let twice = chronicle.check(&built.header, &[one.clone(), one.clone()]);
    let seen = |cause: &Ineligible| matches!(cause, Ineligible::RequestSeen { .. });
    assert!(matches!(twice, Err(InvalidBlock::Transaction { index: 1, cause }) if seen(&cause)));
}

/// A third party may add or take away signatures of a transaction; that makes another block, whose root says so.
#[test]
fn the_transactions_root_covers_the_signatures() {
    let mut chronicle = Chronicle::funded();
    let draft = chronicle.draft(id("buyer"), vec![transfer("buyer", "supplier", 5).into()]);
    let one = chronicle.sign(&draft);
    let both = chronicle.sign_with(&draft, &[public(&key("buyer")), public(&key("bank"))]);
    assert_eq!(one.id(), both.id());
    let (built, _) = chronicle.build(1_000, &[one]);
    let invalid = chronicle.check(&built.header, &[both]);
    assert!(matches!(invalid, Err(InvalidBlock::Header { field: "transactions_root" })));
}

#[test]
fn a_state_without_its_fixtures_is_no_state_of_this_ledger() {
    let chronicle = Chronicle::begin();
    let (built, _) = chronicle.build(1_000, &[]);
    let empty = ParentState { view: Arc::new(MemoryView::default()), ..chronicle.tip().clone() };
    assert!(matches!(apply_block(empty, &built.header, &[]), Err(InvalidBlock::State("tip"))));
}

/// Should a rule, or the disk, put value there that does not decode, no block that touches it gets a vote.
#[test]
fn a_block_over_broken_value_breaks_an_invariant() {
    let mut chronicle = Chronicle::funded();
    let payment = chronicle.transaction("buyer", vec![transfer("buyer", "supplier", 5).into()]);
    let (built, _) = chronicle.build(1_000, std::slice::from_ref(&payment));
    let mut entries = chronicle.entries().clone();
    let key = (id("supplier"), token()).to_bytes();
    entries.apply(&[((Column::Balances, Bytes::from(key)), Some(Bytes::from_static(b"x")))].into());
    let broken = ParentState { view: Arc::new(entries), ..chronicle.tip().clone() };
    assert!(matches!(apply_block(broken, &built.header, &[payment]), Err(InvalidBlock::Invariant(_))));
}

/// The same transactions in two blocks of different times are two blocks, and execution sees no clock but the block's.
#[test]
fn only_the_header_tells_the_time() {
    let mut chronicle = Chronicle::funded();
    let payment = chronicle.transaction("buyer", vec![transfer("buyer", "supplier", 5).into()]);
    let (soon, _) = chronicle.build(1, std::slice::from_ref(&payment));
    let (late, _) = chronicle.build(HOUR_MS / 2, &[payment]);
    assert_ne!(soon.header.hash(), late.header.hash());
    assert_eq!(soon.header.outcomes_root, late.header.outcomes_root);
}

/// Whoever relays a transaction can take signatures off it. Where the body lists the co-signer, that leaves nothing that a
/// block may hold, and the whole transaction still happens; where it does not, the request id is spent.
#[test]
fn a_copy_without_a_co_signature_spends_nothing() {
    let mut chronicle = Chronicle::funded();
    let mut draft = chronicle.draft(id("buyer"), vec![transfer("financier", "supplier", 5).into()]);
    draft.envelope.co_signers = vec![id("financier")];
    draft.cosigners = vec![id("financier")];
    let whole = chronicle.sign(&draft);
    let stripped = chronicle.sign_with(&draft, &[public(&key("buyer"))]);
    assert_eq!(whole.id(), stripped.id());
    let missing = Ineligible::CoSignerNotAuthentic(Reason::MissingSignature { account: id("financier") });
    assert_eq!(refused(&chronicle, &stripped), missing);
    // A leader that puts it into a block all the same makes an invalid one.
    let built = chronicle.build(1_000, std::slice::from_ref(&whole)).0;
    let checked = chronicle.check(&built.header, std::slice::from_ref(&stripped));
    assert!(matches!(checked, Err(InvalidBlock::Transaction { index: 0, cause }) if cause == missing));
    assert_eq!(reason(&chronicle.append(1_000, &[whole])[0]), "APPLIED");

    let mut unlisted = chronicle.draft(id("buyer"), vec![transfer("financier", "supplier", 5).into()]);
    unlisted.cosigners = vec![id("financier")];
    let stripped = chronicle.sign_with(&unlisted, &[public(&key("buyer"))]);
    assert_eq!(reason(&chronicle.append(1_000, &[stripped])[0]), "MISSING_SIGNATURE");
    let whole = chronicle.sign(&unlisted);
    assert!(matches!(refused(&chronicle, &whole), Ineligible::RequestSeen { .. }));
}

/// A block's transactions decode to what was signed; keys that no account has are of no consequence.
#[test]
fn signatures_of_strangers_bind_nobody() {
    let mut chronicle = Chronicle::funded();
    let draft = chronicle.draft(id("buyer"), vec![transfer("financier", "supplier", 5).into()]);
    chronicle.know(key("passer-by"));
    let signed = chronicle.sign_with(&draft, &[public(&key("buyer")), public(&key("passer-by"))]);
    let outcome = chronicle.append(1_000, &[signed]).swap_remove(0);
    assert_eq!(reason(&outcome), "MISSING_SIGNATURE");
    let supplier = Changes::new(&*chronicle.tip().view).balance(id("supplier"), token());
    assert_eq!(supplier, Balance::default());
}
