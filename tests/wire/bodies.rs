//! Bodies are read in one form only; whatever else comes is refused, by the field's path, and never panics.

use super::stand_in::{StandIn, account, key, opening, signed, signed_bytes};
use bytes::Bytes;
use causeway::admission::{Authenticator, Decoded, Refusal};
use causeway::ledger::SignedTransaction;
use causeway::ledger::limits::TRANSACTION_BYTES_MAX;
use causeway::wire::pb::{ledger as pb, payments};
use causeway::wire::{BodyError, decode_body, signed_transaction, signed_transaction_to_pb};
use commonware_parallel::Sequential;
use commonware_utils::test_rng;
use proptest::prelude::*;
use prost::Message as _;

fn body() -> pb::TransactionBody {
    opening(&StandIn::open(), account("bank-a"), 7, 40)
}

fn bytes(body: &pb::TransactionBody) -> Bytes {
    body.encode_to_vec().into()
}

fn field_refused(body: &pb::TransactionBody) -> String {
    match decode_body(&bytes(body)) {
        Err(BodyError::Malformed(malformed)) => malformed.field,
        other => panic!("expected a malformed field, found {other:?}"),
    }
}

#[test]
fn a_good_body_is_read() {
    let (envelope, operations) = decode_body(&bytes(&body())).expect("the body is good");
    assert_eq!((envelope.sender, operations.len()), (account("bank-a"), 1));
}

#[test]
fn other_bytes_of_the_same_meaning_are_refused() {
    let good = bytes(&body());
    let not_canonical = |changed: Vec<u8>| {
        assert!(matches!(decode_body(&changed.into()), Err(BodyError::NotCanonical { .. })));
    };
    // A field that no version has; a default written out; the same field twice; fields out of order.
    not_canonical([&good[..], &[0xf8, 0x01, 0x01]].concat());
    not_canonical([&good[..], &[0x20, 0x00]].concat());
    not_canonical([&good[..34], &good[..]].concat());
    not_canonical([&good[34..], &good[..34]].concat());
    // A length in two bytes where one does.
    not_canonical([&[good[0], good[1] | 0x80, 0x00], &good[2..]].concat());
}

#[test]
fn oversized_and_empty_bodies_are_refused() {
    let oversized = Bytes::from(vec![0; TRANSACTION_BYTES_MAX + 1]);
    assert_eq!(decode_body(&oversized), Err(BodyError::TooLarge { bytes: TRANSACTION_BYTES_MAX + 1 }));
    assert!(matches!(decode_body(&Bytes::new()), Err(BodyError::Malformed(_))));
    assert!(signed_transaction(Some(signed_bytes(Bytes::new(), &key(1)))).is_err());
    assert!(signed_transaction(None).is_err());
}

#[test]
fn malformed_fields_are_named_by_their_path() {
    let transfer = |amount: u64, payee: usize| {
        let transfer = payments::Transfer {
            payer_account_id: vec![1; 32].into(),
            payee_account_id: vec![2; payee].into(),
            token_id: "HKDX".to_owned(),
            amount,
            remittance: None,
        };
        pb::Operation { operation: Some(pb::operation::Operation::Transfer(transfer)) }
    };
    let changed = |change: &dyn Fn(&mut pb::TransactionBody)| {
        let mut body = body();
        change(&mut body);
        field_refused(&body)
    };
    let good = || transfer(1, 32);
    let account_ids = |names: &[u8]| names.iter().map(|name| Bytes::from(vec![*name; 32])).collect::<Vec<_>>();
    let co_signers = |names: &[u8]| changed(&|body| body.co_signer_account_ids = account_ids(names));
    let sender = body().sender_account_id;
    for (field, expected) in [
        (changed(&|body| body.chain_id = Bytes::new()), "chain_id"),
        (changed(&|body| body.sender_account_id = vec![1; 31].into()), "sender_account_id"),
        (changed(&|body| body.request_id = vec![1; 17].into()), "request_id"),
        (changed(&|body| body.expires_at_ms = u64::MAX), "expires_at_ms"),
        (changed(&|body| body.operations.clear()), "operations"),
        (changed(&|body| body.operations = vec![good(); 65]), "operations"),
        (changed(&|body| body.operations.push(pb::Operation::default())), "operations[1].operation"),
        (changed(&|body| body.operations = vec![good(), good(), transfer(0, 32)]), "operations[2].transfer.amount"),
        (changed(&|body| body.co_signer_account_ids = vec![vec![1; 31].into()]), "co_signer_account_ids[0]"),
        (changed(&|body| body.co_signer_account_ids = vec![sender.clone()]), "co_signer_account_ids[0]"),
        (co_signers(&[1, 3, 2]), "co_signer_account_ids[2]"),
        (co_signers(&[1, 1]), "co_signer_account_ids[1]"),
        (co_signers(&[1, 2, 3, 4, 5, 6, 7, 8, 9]), "co_signer_account_ids"),
        (changed(&|body| body.operations = vec![transfer(1, 20)]), "operations[0].transfer.payee_account_id"),
    ] {
        assert_eq!(field, expected);
    }
}

fn transaction(request: u8) -> SignedTransaction {
    let body = opening(&StandIn::open(), account("bank-a"), request, 40);
    signed_transaction(Some(signed(&body, &key(1)))).expect("it is well-formed")
}

#[test]
fn a_block_names_the_one_signature_that_fails() {
    let authenticator = Authenticator::new(Sequential, 1 << 20);
    let mut block: Vec<SignedTransaction> = (0..20).map(transaction).collect();
    assert_eq!(authenticator.authenticate_block(&mut test_rng(), &block).map(|all| all.len()), Ok(20));
    // Known transactions are not verified again, and another signature of the same body is not the known one.
    let mut forged = signed_transaction_to_pb(&block[13]);
    let mut signature = forged.signatures[0].signature.to_vec();
    signature[40] ^= 1;
    forged.signatures[0].signature = signature.into();
    block[13] = signed_transaction(Some(forged)).expect("it is well-formed");
    let offence = authenticator.authenticate_block(&mut test_rng(), &block).expect_err("one is forged");
    assert_eq!(offence.index, 13);
    assert_eq!(offence.refusal, Refusal::SignatureInvalid { public_key: key(1).public_key() });
    assert_eq!(Decoded::read(block[13].clone()).and_then(Decoded::verify).map(|_| ()), Err(offence.refusal));
    assert!(authenticator.authenticate_block(&mut test_rng(), &[]).is_ok_and(|none| none.is_empty()));
}

/// Batches go across blocks, and a block answers for itself alone: for its form, and for the first signature that fails.
#[test]
fn a_history_is_authenticated_block_by_block_whatever_is_wrong_beside() {
    let authenticator = Authenticator::new(Sequential, 1 << 20);
    let forge = |transaction: &SignedTransaction| {
        let mut forged = signed_transaction_to_pb(transaction);
        let mut signature = forged.signatures[0].signature.to_vec();
        signature[7] ^= 1;
        forged.signatures[0].signature = signature.into();
        signed_transaction(Some(forged)).expect("it is well-formed")
    };
    let good: Vec<SignedTransaction> = (0..6).map(transaction).collect();
    let mut forged: Vec<SignedTransaction> = (6..12).map(transaction).collect();
    [2, 4].into_iter().for_each(|index| forged[index] = forge(&forged[index]));
    let malformed = [
        transaction(12),
        signed_transaction(Some(signed_bytes(Bytes::from_static(b"no body"), &key(1)))).expect("bytes and a signature"),
    ];
    let blocks = [&good[..], &[], &forged, &malformed, &good];
    for round in 0..2 {
        let answers = authenticator.authenticate_history(&mut test_rng(), &blocks);
        let counts: Vec<_> = answers.iter().map(|answer| answer.as_ref().map_or(99, Vec::len)).collect();
        assert_eq!(counts, [6, 0, 99, 99, 6], "round {round}: nothing is remembered");
        let ids = answers[4].as_ref().expect("good").iter().map(|transaction| transaction.id());
        assert!(ids.eq(good.iter().map(SignedTransaction::id)));
        let offence = answers[2].as_ref().expect_err("two are forged");
        assert_eq!(offence.index, 2);
        assert_eq!(offence.refusal, Refusal::SignatureInvalid { public_key: key(1).public_key() });
        assert_eq!(answers[3].as_ref().expect_err("one has no body").index, 1);
    }
}

proptest! {
    /// What is read re-encodes to what came, whatever was done to it on the way; nothing panics.
    #[test]
    fn a_body_that_is_read_has_one_form(
        cut in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        flip in 0u8..=255,
        tail in proptest::collection::vec(any::<u8>(), 0..4),
    ) {
        let good = bytes(&body());
        let mut changed = good[..cut.index(good.len() + 1)].to_vec();
        if !changed.is_empty() {
            let at = at.index(changed.len());
            changed[at] ^= flip;
        }
        changed.extend(tail);
        let changed = Bytes::from(changed);
        if decode_body(&changed).is_ok() {
            let read = pb::TransactionBody::decode(changed.clone()).expect("it was read before");
            prop_assert_eq!(bytes(&read), changed);
        }
    }

    /// Noise is refused.
    #[test]
    fn noise_is_refused(noise in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(decode_body(&noise.into()).is_err());
    }

    /// A changed bit of a signed body is noticed, by form or by signature.
    #[test]
    fn no_bit_of_a_signed_body_can_be_changed(bit in any::<prop::sample::Index>()) {
        let good = transaction(9);
        let mut message = signed_transaction_to_pb(&good);
        let mut body = message.body.to_vec();
        let bit = bit.index(body.len() * 8);
        body[bit / 8] ^= 1 << (bit % 8);
        message.body = body.into();
        let changed = signed_transaction(Some(message)).expect("the outside is well-formed");
        prop_assert!(Decoded::read(changed).and_then(Decoded::verify).is_err());
    }
}
