//! Receipts of real blocks: what verifies, and what a forger, a minority or a flipped bit can make of them.

use crate::execution::chronicle::{Chronicle, NODES, certificate, certificate_of, genesis_file, key, public, transfer};
use crate::ledger::certificate::CertificateError;
use crate::ledger::receipt::{
    Anchor, Checkpoint, Handover, LaterHeader, PlacedTransaction, Receipt, ReceiptError, TrustRoot,
};
use crate::ledger::{Header, SignedTransaction, ValidatorSet};
use crate::primitives::merkle::Path;
use crate::primitives::{ChainId, Decode as _, Encode as _, Hash};
use bytes::Bytes;
use ed25519_dalek::SigningKey;

/// A chain of twenty heights, two and a half epochs, with payments in each: five in every third block.
fn chain() -> Chronicle {
    pay_to_twenty(Chronicle::funded())
}

fn pay_to_twenty(mut chronicle: Chronicle) -> Chronicle {
    while chronicle.blocks.len() < 20 {
        let count = if chronicle.blocks.len().is_multiple_of(3) { 5 } else { 1 };
        pay(&mut chronicle, count);
    }
    chronicle
}

/// A block of payments.
fn pay(chronicle: &mut Chronicle, count: usize) {
    let pay = |chronicle: &mut Chronicle| chronicle.transaction("buyer", vec![transfer("buyer", "supplier", 3).into()]);
    let transactions: Vec<_> = (0..count).map(|_| pay(chronicle)).collect();
    chronicle.append(1_000, &transactions);
}

#[test]
fn every_transaction_of_every_block_has_a_receipt_that_verifies() {
    let chronicle = chain();
    let trust = chronicle.trust();
    for block in &chronicle.blocks {
        let height = block.header.height;
        for index in 0..block.transactions.len() {
            for certified_at in [height, (height + 1).min(20), 20] {
                let receipt = chronicle.receipt(height, index, certified_at);
                assert_eq!(receipt.verify(&trust), Ok(()), "{height}/{index} certified at {certified_at}");
                assert_eq!(Receipt::from_bytes(&receipt.to_bytes()).as_ref(), Ok(&receipt));
            }
        }
    }
}

#[test]
fn receipts_of_one_transaction_have_one_id_whatever_certifies_them() {
    let chronicle = chain();
    let of_its_own = chronicle.receipt(7, 0, 7);
    let mut other_quorum = of_its_own.clone();
    other_quorum.certificate = certificate(&of_its_own.header, &NODES, &[1, 2, 3]);
    assert_ne!(of_its_own.certificate, other_quorum.certificate);
    for receipt in [&other_quorum, &chronicle.receipt(7, 0, 12)] {
        assert_eq!(receipt.verify(&chronicle.trust()), Ok(()));
        assert_eq!(receipt.id(), of_its_own.id());
    }
    assert_ne!(chronicle.receipt(8, 0, 8).id(), of_its_own.id());
}

/// Flips every bit, one after the other: none may go unnoticed.
pub(super) fn flip_every_bit(receipt: &Receipt, trust: &TrustRoot) {
    let bytes = receipt.to_bytes();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let Ok(read) = Receipt::from_bytes(&flipped) else { continue };
        assert_eq!(read.to_bytes(), flipped, "bit {bit}: what decodes is canonical");
        assert!(read.verify(trust).is_err(), "bit {bit} of {} was flipped and the receipt verifies", bytes.len() * 8);
    }
}

#[test]
fn no_flipped_bit_goes_unnoticed() {
    let chronicle = chain();
    flip_every_bit(&chronicle.receipt(7, 0, 7), &chronicle.trust());
    flip_every_bit(&anchored(&chronicle, 2), &chronicle.trust());
}

#[test]
fn no_flipped_bit_goes_unnoticed_in_a_receipt_with_history_and_handover() {
    let (chronicle, receipt, trust) = handed_over();
    assert_eq!(receipt.verify(&trust), Ok(()));
    flip_every_bit(&receipt, &trust);
    drop(chronicle);
}

/// Whoever shows a receipt may leave balances out; not change their order, double them, or add somebody else's.
#[test]
fn balances_are_opened_each_once_and_in_order_or_not_at_all() {
    let chronicle = chain();
    let good = chronicle.receipt(7, 0, 7);
    let (balances, of_another) = (good.balances.clone(), chronicle.receipt(8, 0, 8).balances);
    assert_eq!(balances.len(), 2, "a payment touches two balances");
    for kept in [&[][..], &balances[..1], &balances[1..], &balances] {
        assert_eq!(Receipt { balances: kept.to_vec(), ..good.clone() }.verify(&chronicle.trust()), Ok(()));
    }
    let reversed = vec![balances[1], balances[0]];
    let doubled = vec![balances[0], balances[0]];
    for wrong in [reversed, doubled, of_another] {
        let refused = Receipt { balances: wrong, ..good.clone() }.verify(&chronicle.trust());
        assert!(matches!(refused, Err(ReceiptError::Balance { .. })), "{refused:?}");
    }
}

#[test]
fn another_ledgers_receipt_is_foreign() {
    let chronicle = chain();
    let receipt = chronicle.receipt(7, 0, 7);
    let expected = ChainId([1; 32]);
    let trust = TrustRoot { chain_id: expected, ..chronicle.trust() };
    assert_eq!(receipt.verify(&trust), Err(ReceiptError::ForeignChain { found: receipt.header.chain_id, expected }));
}

/// Each row changes one thing and names the link that no longer holds.
#[test]
fn each_broken_link_has_its_own_error() {
    let chronicle = chain();
    let trust = chronicle.trust();
    let good = chronicle.receipt(7, 1, 7);
    let after = |change: &dyn Fn(&mut Receipt)| {
        let mut receipt = good.clone();
        change(&mut receipt);
        receipt.verify(&trust).expect_err("it was changed")
    };
    let sibling = chronicle.receipt(7, 2, 7);

    let transaction = good.transaction.clone().expect("it is of a transaction");
    let of_sibling = sibling.transaction.clone().expect("it is of a transaction");
    let with_signed = |signed| Some(PlacedTransaction { signed, path: transaction.path.clone() });
    let mut signatures = transaction.signed.signatures().to_vec();
    signatures[0].signature.0[0] ^= 1;
    let unsigned = SignedTransaction::new(transaction.signed.body().clone(), signatures).expect("well formed");
    let error = after(&|receipt| receipt.transaction = with_signed(unsigned.clone()));
    assert_eq!(error, ReceiptError::TransactionSignature(public(&key("buyer"))));
    let error = after(&|receipt| receipt.transaction = with_signed(of_sibling.signed.clone()));
    assert_eq!(error, ReceiptError::TransactionPath);
    let error = after(&|receipt| receipt.outcome = sibling.outcome.clone());
    assert_eq!(error, ReceiptError::OutcomeOfAnother);
    let error = after(&|receipt| receipt.outcome_path = sibling.outcome_path.clone());
    assert_eq!(error, ReceiptError::OutcomePath);
    let error = after(&|receipt| receipt.outcome.movements[0].amount = crate::primitives::Amount::new(1_000_000));
    assert_eq!(error, ReceiptError::OutcomePath);
    let error = after(&|receipt| receipt.certificate = Bytes::from_static(b"\x01\x02"));
    assert!(matches!(error, ReceiptError::CertificateForm(_)));
    let error = after(&|receipt| receipt.certificate = chronicle.receipt(5, 0, 5).certificate);
    assert_eq!(error, ReceiptError::CertificateOfAnother);
    let error = after(&|receipt| receipt.header.epoch += 1);
    assert_eq!(error, ReceiptError::CertificateOfAnother, "the hash comes first");
}

#[test]
fn fewer_than_a_quorum_forge_nothing() {
    let chronicle = chain();
    let mut receipt = chronicle.receipt(7, 0, 7);
    receipt.certificate = certificate(&receipt.header, &NODES, &[0, 3]);
    let refused = CertificateError::NoQuorum { signers: 2, quorum: 3 };
    assert_eq!(receipt.verify(&chronicle.trust()), Err(ReceiptError::Certificate(refused)));

    // A set of the forgers' own choosing, a quorum of itself.
    let two = [NODES[0], NODES[1]];
    receipt.certificate = certificate(&receipt.header, &two, &[0, 1]);
    let refused = CertificateError::ValidatorCount { found: 2, expected: 4 };
    assert_eq!(receipt.verify(&chronicle.trust()), Err(ReceiptError::Certificate(refused)));

    // The header names that set too: then it is not the one in charge.
    let own = ValidatorSet::new(two.iter().map(|name| public(&key(name))).collect()).expect("two keys");
    receipt.header.validators_hash = own.hash();
    receipt.certificate = certificate(&receipt.header, &two, &[0, 1]);
    assert_eq!(receipt.verify(&chronicle.trust()), Err(ReceiptError::Validators));

    // Strangers' signatures in the validators' places.
    let mut receipt = chronicle.receipt(7, 0, 7);
    receipt.certificate = certificate(&receipt.header, &["a", "b", "c", "d"], &[0, 1, 2]);
    let error = receipt.verify(&chronicle.trust());
    assert!(matches!(error, Err(ReceiptError::Certificate(CertificateError::Signature { .. }))));
}

/// What validators signed in one epoch, or for one chain, must not count in another.
#[test]
fn votes_of_another_epoch_or_chain_do_not_count() {
    let chronicle = chain();
    let mut keys: Vec<SigningKey> = NODES.iter().map(|name| key(name)).collect();
    keys.sort_by_key(public);
    let mut receipt = chronicle.receipt(7, 0, 7);
    let Header { chain_id, epoch, .. } = receipt.header;
    receipt.certificate = certificate_of((chain_id, epoch + 1, receipt.header.hash()), &keys, &[0, 1, 2]);
    let wrong_epoch = ReceiptError::Epoch { height: 7, found: 1, expected: 0 };
    assert_eq!(receipt.verify(&chronicle.trust()), Err(wrong_epoch));
    receipt.certificate = certificate_of((ChainId([1; 32]), epoch, receipt.header.hash()), &keys, &[0, 1, 2]);
    let error = receipt.verify(&chronicle.trust());
    assert!(matches!(error, Err(ReceiptError::Certificate(CertificateError::Signature { .. }))));
    // Even a quorum cannot place a height in an epoch that is not its own.
    let mut receipt = chronicle.receipt(7, 0, 7);
    receipt.header.epoch = 1;
    receipt.certificate = certificate(&receipt.header, &NODES, &[0, 1, 2]);
    let wrong_epoch = ReceiptError::Epoch { height: 7, found: 1, expected: 0 };
    assert_eq!(receipt.verify(&chronicle.trust()), Err(wrong_epoch));
}

#[test]
fn a_height_without_a_certificate_is_proven_by_a_later_one_and_by_no_other() {
    let chronicle = chain();
    let trust = chronicle.trust();
    let good = chronicle.receipt(4, 0, 11);
    assert_eq!(good.verify(&trust), Ok(()));
    let later = good.later.clone().expect("it is certified later");
    let with = |later: LaterHeader| Receipt { later: Some(later), ..good.clone() }.verify(&trust);
    // At another place of the history, or of a history of another size.
    for path in [
        Path { index: 5, ..later.path.clone() },
        Path { size: later.path.size + 1, ..later.path.clone() },
        chronicle.receipt(5, 0, 11).later.expect("it is certified later").path,
    ] {
        assert_eq!(with(LaterHeader { path, ..later.clone() }), Err(ReceiptError::HistoryPath));
    }
    let mut other = later.clone();
    other.header = chronicle.headers()[12].clone();
    assert_eq!(with(other), Err(ReceiptError::HistoryPath));
    // Its own certificate does not certify the later header, nor the later's its own.
    let crossed = Receipt { certificate: chronicle.receipt(4, 0, 4).certificate, ..good.clone() };
    assert_eq!(crossed.verify(&trust), Err(ReceiptError::CertificateOfAnother));
    let crossed = Receipt { later: None, ..good.clone() };
    assert_eq!(crossed.verify(&trust), Err(ReceiptError::CertificateOfAnother));
}

#[test]
fn a_checkpoint_holds_receipts_to_one_history() {
    let chronicle = chain();
    let headers = chronicle.headers();
    let at = |height: u64, hash: Hash| TrustRoot { checkpoint: Some(Checkpoint { height, hash }), ..chronicle.trust() };
    let pinned = at(11, headers[11].hash());
    assert_eq!(chronicle.receipt(11, 0, 11).verify(&pinned), Ok(()), "of the checkpoint itself");
    assert_eq!(chronicle.receipt(4, 0, 11).verify(&pinned), Ok(()), "leading to it");
    let refused = Err(ReceiptError::CheckpointNotShown(11));
    let trusted = Hash([1; 32]);
    let another = Err(ReceiptError::OtherHistory { height: 11, shown: headers[11].hash(), trusted });
    assert_eq!(chronicle.receipt(4, 0, 4).verify(&pinned), refused, "a lower one that does not lead to it");
    assert_eq!(chronicle.receipt(4, 0, 15).verify(&pinned), refused, "one that leads past it");
    assert_eq!(chronicle.receipt(11, 0, 11).verify(&at(11, trusted)), another, "of another header");
    assert_eq!(chronicle.receipt(4, 0, 11).verify(&at(11, trusted)), another, "leading to another header");
    assert_eq!(chronicle.receipt(15, 0, 15).verify(&pinned), refused, "one above it that does not say");
    assert_eq!(anchored(&chronicle, 11).verify(&pinned), Ok(()), "past it, and saying so");
    assert_eq!(anchored(&chronicle, 11).verify(&at(11, trusted)), another, "past it, and past another header");
    assert_eq!(anchored(&chronicle, 10).verify(&pinned), refused, "anchored elsewhere");
    assert_eq!(anchored(&chronicle, 10).verify(&chronicle.trust()), Ok(()), "which is as good without a checkpoint");
    let mut astray = anchored(&chronicle, 11);
    astray.later = chronicle.receipt(4, 0, 14).later;
    astray.certificate = chronicle.receipt(4, 0, 14).certificate;
    assert_eq!(astray.verify(&pinned), Err(ReceiptError::Anchor), "of another header's history");
}

/// A receipt of height 4, certified at 15, that shows its way from the header of a height.
fn anchored(chronicle: &Chronicle, height: usize) -> Receipt {
    let headers = chronicle.headers();
    let history: Vec<Hash> = headers.iter().take(15).map(Header::history_leaf).collect();
    let path = Path::of(&history, height).expect("a place in the history");
    let anchor = Anchor { header_hash: headers[height].hash(), path };
    Receipt { anchor: Some(anchor), ..chronicle.receipt(4, 0, 15) }
}

/// The validators of the second set.
const SUCCESSORS: [&str; 4] = ["node-1", "node-2", "node-3", "node-4"];

pub(super) fn successors() -> ValidatorSet {
    ValidatorSet::new(SUCCESSORS.iter().map(|name| public(&key(name))).collect()).expect("four keys")
}

/// A chain whose second epoch has other validators, and a receipt from there.
pub(super) fn handed_over() -> (Chronicle, Receipt, TrustRoot) {
    let mut chronicle = Chronicle::governed();
    chronicle.replace_validator("node-0", "node-4");
    fund(&mut chronicle);
    let chronicle = pay_to_twenty(chronicle);
    let (receipt, trust) = (chronicle.receipt(9, 0, 12), chronicle.trust());
    (chronicle, receipt, trust)
}

/// The longest receipt there is: of another height, and past a second change of the validators.
#[test]
fn receipts_lead_over_every_handover() {
    let mut chronicle = Chronicle::governed();
    chronicle.replace_validator("node-0", "node-4");
    fund(&mut chronicle);
    while chronicle.blocks.len() < 9 {
        pay(&mut chronicle, 1);
    }
    chronicle.replace_validator("node-1", "node-5");
    let chronicle = pay_to_twenty(chronicle);
    let trust = chronicle.trust();
    for (height, certified_at, handovers) in [(7, 7, 0), (7, 8, 1), (9, 15, 1), (9, 16, 2), (18, 18, 2), (18, 20, 2)] {
        let receipt = chronicle.receipt(height, 0, certified_at);
        assert_eq!(receipt.handovers.len(), handovers);
        assert_eq!(receipt.verify(&trust), Ok(()), "{height} certified at {certified_at}");
        assert_eq!(Receipt::from_bytes(&receipt.to_bytes()).as_ref(), Ok(&receipt));
    }
    let good = chronicle.receipt(18, 0, 20);
    let with = |handovers: Vec<Handover>| Receipt { handovers, ..good.clone() }.verify(&trust);
    let [first, second] = [good.handovers[0].clone(), good.handovers[1].clone()];
    assert_eq!(with(vec![]), Err(ReceiptError::Validators));
    assert_eq!(with(vec![first.clone()]), Err(ReceiptError::Validators));
    assert_eq!(with(vec![second.clone()]), Err(ReceiptError::Handover(0)));
    assert_eq!(with(vec![second.clone(), first.clone()]), Err(ReceiptError::Handover(0)));
    let crossed = Handover { certificate: first.certificate.clone(), ..second.clone() };
    assert_eq!(with(vec![first.clone(), crossed]), Err(ReceiptError::CertificateOfAnother));
    let crossed = Handover { next_validators: first.next_validators.clone(), ..second.clone() };
    assert_eq!(with(vec![first.clone(), crossed]), Err(ReceiptError::Handover(1)));
    // Who trusts a later set needs nothing from before, and is not shown it in vain.
    let late = TrustRoot { validators: first.next_validators.clone(), ..trust.clone() };
    assert_eq!(good.verify(&late), Err(ReceiptError::Handover(0)));
    assert_eq!(good.clone().from_validators(&late.validators).verify(&late), Ok(()));
    assert_eq!(good.clone().from_validators(&second.next_validators).handovers, []);
    assert_eq!(good.clone().from_validators(&trust.validators), good);
    let strangers = ValidatorSet::new(vec![public(&key("stranger"))]).expect("one key");
    assert_eq!(good.clone().from_validators(&strangers), good, "who trusts none of them is shown all");
}

fn fund(chronicle: &mut Chronicle) {
    chronicle.attest(10_000);
    chronicle.issue("buyer", 1_000);
}

#[test]
fn a_handover_is_believed_where_the_old_quorum_signed_the_boundary() {
    let (_, good, trust) = handed_over();
    assert_eq!(good.verify(&trust), Ok(()));
    assert_eq!(Receipt { handovers: Vec::new(), ..good.clone() }.verify(&trust), Err(ReceiptError::Validators));
    let refused = |change: &dyn Fn(&mut Handover)| {
        let mut receipt = good.clone();
        change(&mut receipt.handovers[0]);
        receipt.verify(&trust).expect_err("it was changed")
    };
    let resign = |handover: &mut Handover| handover.certificate = certificate(&handover.header, &NODES, &[0, 1, 2]);

    // Signed by the successors themselves: anyone could appoint itself so.
    let error = refused(&|handover| handover.certificate = certificate(&handover.header, &SUCCESSORS, &[0, 1, 2]));
    assert!(matches!(error, ReceiptError::Certificate(CertificateError::Signature { .. })));
    let error = refused(&|handover| handover.certificate = certificate(&handover.header, &NODES, &[0, 1]));
    assert_eq!(error, ReceiptError::Certificate(CertificateError::NoQuorum { signers: 2, quorum: 3 }));
    // Other successors than the header commits to.
    let usurpers = ValidatorSet::new(vec![public(&key("usurper"))]).expect("one key");
    assert_eq!(refused(&|handover| handover.next_validators = usurpers.clone()), ReceiptError::Handover(0));
    // A header that is not an epoch's last, of another chain, or not below the certified one.
    let changes: [fn(&mut Header); 5] = [
        |header| header.height = 6,
        |header| header.height = u64::MAX,
        |header| header.height = 15,
        |header| header.chain_id = ChainId([1; 32]),
        |header| header.validators_hash = Hash([1; 32]),
    ];
    for change in changes {
        let error = refused(&|handover| {
            change(&mut handover.header);
            resign(handover);
        });
        assert_eq!(error, ReceiptError::Handover(0));
    }
    let error = refused(&|handover| {
        handover.header.epoch = 1;
        resign(handover);
    });
    assert_eq!(error, ReceiptError::Epoch { height: 7, found: 1, expected: 0 });
}

#[test]
fn handovers_go_forward_only() {
    let (_, good, trust) = handed_over();
    let twice = Receipt { handovers: vec![good.handovers[0].clone(), good.handovers[0].clone()], ..good.clone() };
    assert_eq!(twice.verify(&trust), Err(ReceiptError::Handover(1)));
    // Back to the first set by a boundary of the same epoch.
    let mut back = good.handovers[0].clone();
    back.header.validators_hash = successors().hash();
    back.header.next_validators_hash = trust.validators.hash();
    back.next_validators = trust.validators.clone();
    back.certificate = certificate(&back.header, &SUCCESSORS, &[0, 1, 2]);
    let receipt = Receipt { handovers: vec![good.handovers[0].clone(), back], ..good };
    assert_eq!(receipt.verify(&trust), Err(ReceiptError::Handover(1)));
}

#[test]
fn a_set_that_was_replaced_signs_nothing_more() {
    let (_, good, trust) = handed_over();
    let mut receipt = good;
    receipt.later = None;
    receipt.certificate = certificate(&receipt.header, &NODES, &[0, 1, 2]);
    let error = receipt.verify(&trust);
    assert!(matches!(error, Err(ReceiptError::Certificate(CertificateError::Signature { .. }))), "{error:?}");
}

/// A small file must not make a reader set aside much memory, whatever counts it announces.
#[test]
fn announced_counts_are_no_orders_for_memory() {
    let (_, good, _) = handed_over();
    let bytes = good.to_bytes();
    let handovers_at = bytes.len() - good.handovers[0].to_bytes().len() - 4;
    let mut many = bytes.clone();
    many[handovers_at..handovers_at + 4].copy_from_slice(&u32::MAX.to_be_bytes());
    assert!(Receipt::from_bytes(&many).is_err());
    many[handovers_at..handovers_at + 4].copy_from_slice(&100_000u32.to_be_bytes());
    assert!(Receipt::from_bytes(&many).is_err());
}

/// A genesis with epochs of one height, where every header is a boundary.
#[test]
fn epochs_of_one_height_verify() {
    let mut file = genesis_file();
    file.epoch_length = 1;
    let mut chronicle = Chronicle::of(&file);
    chronicle.attest(1_000);
    chronicle.issue("buyer", 10);
    for height in 1..=3 {
        assert_eq!(chronicle.receipt(height, 0, height).verify(&chronicle.trust()), Ok(()));
        assert_eq!(chronicle.blocks[height as usize - 1].header.epoch, height);
    }
    assert_eq!(chronicle.receipt(1, 0, 3).verify(&chronicle.trust()), Ok(()));
    assert_eq!(chronicle.receipt(1, 0, 1).transaction_id(), chronicle.blocks[0].transactions[0].id());
}
