//! The hot paths, each once: what the clock and the instruction counter both measure.
//!
//! A path is prepared, which is not measured, and then run as often as is asked. Whatever it makes is checked once while it
//! is prepared: a path that does nothing would be fast.

use crate::execution::{Transaction, apply_block};
use crate::ledger::receipt::Receipt;
use crate::ledger::transaction::transaction_id;
use crate::ledger::{Block, SignedTransaction};
use crate::primitives::crypto::{TRANSACTION_NAMESPACE, sha256, signing_payload};
use crate::primitives::digest::StateAccumulator;
use crate::primitives::merkle::{self, Path};
use crate::primitives::{Decode as _, Encode as _, Hash, Signature};
use crate::stage::{Key, Stage};
use bytes::Bytes;
use commonware_codec::DecodeExt as _;
use commonware_cryptography::{BatchEntry, BatchVerifier as _, ed25519};
use commonware_parallel::Sequential;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use std::hint::black_box;
use std::sync::Arc;

/// How many things the paths over many things take.
const MANY: usize = 1_000;
/// How long a signed message is: a plain payment's body.
const MESSAGE_BYTES: usize = 192;

/// Something to run.
pub type Run = Box<dyn FnMut()>;

/// A path that is worth measuring.
pub struct HotPath {
    /// Its name, in the benchmark and in the file of counts.
    pub name: &'static str,
    /// What one of its items is.
    pub per: &'static str,
    /// How many items one run takes.
    pub items: u64,
    /// Prepares it.
    pub prepare: fn() -> Run,
}

/// All of them.
pub const HOT_PATHS: &[HotPath] = &[
    path("signature_alone", "signature", 1, signature_alone),
    path("signatures_in_batches_of_64", "signature", 64, || signatures_in_a_batch(64)),
    path("signatures_in_batches_of_256", "signature", 256, || signatures_in_a_batch(256)),
    path("signatures_in_batches_of_1024", "signature", 1_024, || signatures_in_a_batch(1_024)),
    path("key_parsed", "key", 1, key_parsed),
    path("transaction_id", "transaction", MANY, transaction_ids),
    path("merkle_root_of_1000", "leaf", MANY, merkle_root),
    path("accumulator_add", "entry", MANY, || accumulator(StateAccumulator::add)),
    path("accumulator_remove", "entry", MANY, || accumulator(StateAccumulator::remove)),
    path("block_of_1000_built", "transfer", MANY, block_built),
    path("block_of_1000_checked", "transfer", MANY, block_checked),
    path("block_of_1000_decoded", "transaction", MANY, block_decoded),
    path("receipt_path_of_1000", "path", 1, receipt_path),
    path("receipt_verified", "receipt", 1, receipt_verified),
];

const fn path(name: &'static str, per: &'static str, items: usize, prepare: fn() -> Run) -> HotPath {
    HotPath { name, per, items: items as u64, prepare }
}

/// The path of this name.
pub fn named(name: &str) -> Option<&'static HotPath> {
    HOT_PATHS.iter().find(|path| path.name == name)
}

/// Runs a prepared path once. What happens in here, and nothing else, is counted: the counter is told this function's name.
#[inline(never)]
pub fn counted_run(run: &mut Run) {
    run();
}

fn signature_alone() -> Run {
    let key = Key::of(1);
    let message = [0xca; MESSAGE_BYTES];
    let signature = key.sign(TRANSACTION_NAMESPACE, &message);
    let payload = signing_payload(TRANSACTION_NAMESPACE, &message);
    assert!(!key.public.verify_payload(&payload[1..], &signature), "another message");
    Box::new(move || assert!(black_box(key.public).verify_payload(&payload, &signature)))
}

/// As admission does it, on one thread, each signature by a key of its own, the keys parsed before.
fn signatures_in_a_batch(size: u64) -> Run {
    let sign = |number: u64| {
        let (key, mut message) = (Key::of(number), vec![0xca; MESSAGE_BYTES]);
        message[..8].copy_from_slice(&number.to_be_bytes());
        let signature = key.sign(TRANSACTION_NAMESPACE, &message);
        (parsed(&key.public.0), parsed_signature(&signature), message)
    };
    let entries: Vec<(ed25519::PublicKey, ed25519::Signature, Vec<u8>)> = (0..size).map(sign).collect();
    let mut forged = entries.clone();
    forged[0].2[0] ^= 1;
    assert!(!batch_holds(&forged), "a forgery spoils its batch");
    Box::new(move || assert!(batch_holds(black_box(&entries))))
}

fn batch_holds(entries: &[(ed25519::PublicKey, ed25519::Signature, Vec<u8>)]) -> bool {
    // The same coefficients each time, so that counts compare.
    let mut coefficients = StdRng::seed_from_u64(7);
    ed25519::PublicKey::verify_batch(
        &mut coefficients,
        entries,
        |_, (public_key, signature, message)| BatchEntry {
            namespace: TRANSACTION_NAMESPACE,
            message,
            public_key,
            signature,
        },
        &Sequential,
    )
}

fn parsed(key: &[u8; 32]) -> ed25519::PublicKey {
    ed25519::PublicKey::decode(Bytes::copy_from_slice(key)).expect("a point of the curve")
}

fn parsed_signature(signature: &Signature) -> ed25519::Signature {
    ed25519::Signature::decode(Bytes::copy_from_slice(&signature.0)).expect("64 bytes")
}

fn key_parsed() -> Run {
    let key = Key::of(1).public;
    Box::new(move || {
        black_box(parsed(black_box(&key.0)));
    })
}

fn transaction_ids() -> Run {
    let bodies: Vec<Vec<u8>> = (0..MANY).map(|number| vec![number as u8; MESSAGE_BYTES]).collect();
    Box::new(move || {
        bodies.iter().for_each(|body| {
            black_box(transaction_id(body));
        });
    })
}

fn merkle_root() -> Run {
    let leaves: Vec<Hash> = (0..MANY as u64).map(|number| merkle::leaf_hash(&number.to_be_bytes())).collect();
    Box::new(move || {
        black_box(merkle::root(black_box(&leaves)));
    })
}

/// Entries as balances are: a key of an account and a token, two amounts.
fn accumulator(step: fn(&mut StateAccumulator, u8, &[u8], &[u8])) -> Run {
    let entries: Vec<([u8; 32], [u8; 16])> =
        (0..MANY as u64).map(|number| (sha256(&number.to_be_bytes()).0, [number as u8; 16])).collect();
    let mut accumulator = StateAccumulator::default();
    Box::new(move || entries.iter().for_each(|(key, value)| step(black_box(&mut accumulator), 2, key, value)))
}

fn block_built() -> Run {
    let stage = Stage::new(MANY);
    let transfers = stage.transfers();
    Box::new(move || drop(black_box(stage.build(&transfers))))
}

fn block_checked() -> Run {
    let stage = Stage::new(MANY);
    let transfers = stage.transfers();
    let header = stage.build(&transfers).header;
    let mut wrong = header.clone();
    wrong.outcome_count += 1;
    assert!(apply_block(stage.parent(), &wrong, &transfers).is_err(), "another header");
    Box::new(move || drop(black_box(apply_block(stage.parent(), &header, &transfers).expect("a valid block"))))
}

fn block_decoded() -> Run {
    let stage = Stage::new(MANY);
    let executed = stage.build(&stage.transfers());
    let bytes = Block::new(executed.header, signed(&executed.transactions)).expect("within its limits").to_bytes();
    Box::new(move || drop(black_box(Block::from_bytes(&bytes).expect("its own bytes"))))
}

fn signed(transactions: &[Arc<Transaction>]) -> Vec<SignedTransaction> {
    transactions.iter().map(|each| each.signed().clone()).collect()
}

fn receipt_path() -> Run {
    let leaves: Vec<Hash> = (0..MANY as u64).map(|number| merkle::leaf_hash(&number.to_be_bytes())).collect();
    Box::new(move || drop(black_box(Path::of(black_box(&leaves), MANY / 2).expect("there is such a leaf"))))
}

fn receipt_verified() -> Run {
    let stage = Stage::new(MANY);
    let executed = stage.build(&stage.transfers());
    let (receipt, trust) = (stage.receipt(&executed, MANY / 2), stage.trust());
    let bytes = receipt.to_bytes();
    Box::new(move || {
        let read = Receipt::from_bytes(black_box(&bytes)).expect("its own bytes");
        assert_eq!(read.verify(&trust), Ok(()));
    })
}
