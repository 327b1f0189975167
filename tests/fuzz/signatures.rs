//! One rule for signatures: singly, in a batch, and in a batch with good ones, the same bytes get the same answer.
//!
//! An input is a number of signatures, each a key and a signature over one fixed body. Beside good ones the corpus has keys and
//! points of small order and points not reduced, where the rules of other libraries differ.

use super::mutate::Form;
use super::run::{Target, USUAL, Verdict};
use crate::wire::stand_in::{StandIn, account, key, opening, signed};
use bytes::Bytes;
use causeway::admission::{Authenticator, Decoded};
use causeway::ledger::{SignedTransaction, TransactionSignature};
use causeway::primitives::{PublicKey, Signature};
use causeway::wire::signed_transaction;
use commonware_parallel::Sequential;
use commonware_utils::test_rng;
use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::scalar::Scalar;
use prost::Message as _;
use std::sync::LazyLock;

/// A key and a signature.
const SIGNED_BYTES: usize = 96;

struct Stage {
    body: Bytes,
    other: SignedTransaction,
}

static STAGE: LazyLock<Stage> = LazyLock::new(|| {
    let ledger = StandIn::open();
    let body = opening(&ledger, account("bank-a"), 1, 40).encode_to_vec().into();
    let other = signed(&opening(&ledger, account("bank-a"), 2, 41), &key(1));
    Stage { body, other: signed_transaction(Some(other)).expect("it is well-formed") }
});

/// Good signatures, forged ones, and those with which rules are told apart.
fn corpus() -> Vec<Vec<u8>> {
    let good = |number: u8| {
        let signature = key(number).sign_transaction(&STAGE.body);
        [&signature.public_key.0[..], &signature.signature.0].concat()
    };
    let mut corpus = vec![good(1), good(2), [good(3), good(4), good(5)].concat()];
    for point in EIGHT_TORSION {
        let point = point.compress().to_bytes();
        // R and A of small order and s = 0 satisfy the cofactored equation, whatever was signed.
        corpus.push([&point[..], &point, Scalar::ZERO.as_bytes()].concat());
        corpus.push([&good(1)[..64], &point[..]].concat());
        // A key that is not reduced: y above the prime.
        let mut not_reduced = [0xff; 32];
        (not_reduced[0], not_reduced[31]) = (0xed + point[0] % 19, 0x7f | point[31] & 0x80);
        corpus.push([&not_reduced[..], &point, Scalar::ZERO.as_bytes()].concat());
    }
    // s with the group's order added: another encoding of the same number.
    let mut wrapped = good(6);
    let order = hex::decode("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010").expect("hexadecimal");
    let mut carry = 0u16;
    for (byte, added) in wrapped[64..].iter_mut().zip(order) {
        carry += u16::from(*byte) + u16::from(added);
        *byte = carry as u8;
        carry >>= 8;
    }
    corpus.push(wrapped);
    corpus
}

/// Whether a transaction with these signatures is genuine.
fn check(bytes: &[u8]) -> Verdict {
    let read = |each: &[u8; SIGNED_BYTES]| TransactionSignature {
        public_key: PublicKey(*each.first_chunk().expect("96 bytes")),
        signature: Signature(*each.last_chunk().expect("96 bytes")),
    };
    let signatures: Vec<TransactionSignature> = bytes.as_chunks::<SIGNED_BYTES>().0.iter().map(read).collect();
    let transaction = match SignedTransaction::new(STAGE.body.clone(), signatures) {
        Ok(transaction) => transaction,
        Err(error) => return Verdict::Refused(error.to_string()),
    };
    let singly = Decoded::read(transaction.clone()).and_then(Decoded::verify).map(|_| ());
    let batched = |transactions: &[SignedTransaction]| {
        let authenticator = Authenticator::new(Sequential, 0);
        authenticator.authenticate_block(&mut test_rng(), transactions).map(|_| ()).map_err(|offence| offence.refusal)
    };
    assert_eq!(batched(std::slice::from_ref(&transaction)), singly, "alone in a batch");
    assert_eq!(batched(&[STAGE.other.clone(), transaction.clone()]), singly, "in a batch with a good one");
    Verdict::of(&singly)
}

pub fn signed_by_many() -> Target {
    Target { form: Form::Bytes, executions: 400, allowed: USUAL, corpus: corpus(), check }
}
