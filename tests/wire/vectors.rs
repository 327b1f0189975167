//! ZIP 215 against public vectors, singly and in batches.
//!
//! Wycheproof and ed25519-speccheck are read where `CAUSEWAY_VECTORS` says, or from `../shared/data/ed25519` beside the
//! checkout; where they are absent the test says so and passes. The table of small-order points is made here.

use bytes::Bytes;
use causeway::primitives::crypto::{TRANSACTION_NAMESPACE, signing_payload};
use causeway::primitives::{PublicKey, Signature};
use commonware_codec::DecodeExt as _;
use commonware_cryptography::{BatchEntry, BatchVerifier as _, ed25519};
use commonware_parallel::Sequential;
use commonware_utils::test_rng;
use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use curve25519_dalek::scalar::Scalar;
use serde_json::Value;
use sha2::{Digest as _, Sha512};
use std::path::PathBuf;

fn vectors(file: &str) -> Option<Value> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data/ed25519");
    let path = std::env::var_os("CAUSEWAY_VECTORS").map_or(beside, PathBuf::from).join(file);
    match std::fs::read(&path) {
        Ok(bytes) => Some(serde_json::from_slice(&bytes).expect("vectors are JSON")),
        Err(_) => {
            println!("not checked: {} is not there; CAUSEWAY_VECTORS names the folder that holds it", path.display());
            None
        }
    }
}

fn hexadecimal(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().expect("a text")).expect("hexadecimal")
}

fn accepts(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let (Ok(key), Ok(signature)) = (key.try_into(), signature.try_into()) else { return false };
    PublicKey(key).verify_payload(message, &Signature(signature))
}

#[test]
fn speccheck_cases_are_judged_as_zip_215_judges_them() {
    let Some(cases) = vectors("speccheck_cases.json") else { return };
    let cases = cases.as_array().expect("a list");
    assert_eq!(cases.len(), 12);
    for (number, case) in cases.iter().enumerate() {
        let [key, message, signature] = ["pub_key", "message", "signature"].map(|field| hexadecimal(&case[field]));
        // 6 and 7 have an s that is not reduced; 8 differs by more than small order.
        let expected = ![6, 7, 8].contains(&number);
        assert_eq!(accepts(&key, &message, &signature), expected, "speccheck case {number}");
    }
}

#[test]
fn wycheproof_is_judged_as_published() {
    let Some(file) = vectors("wycheproof_ed25519_test.json") else { return };
    let mut checked = 0;
    for group in file["testGroups"].as_array().expect("groups") {
        let key = hexadecimal(&group["publicKey"]["pk"]);
        for test in group["tests"].as_array().expect("tests") {
            let accepted = accepts(&key, &hexadecimal(&test["msg"]), &hexadecimal(&test["sig"]));
            // RFC 8032 refuses an R of y = 1 with a sign; ZIP 215 reads R in any encoding of a point.
            let by_zip_215_alone = test["tcId"] == 151;
            let expected = test["result"] == "valid" || by_zip_215_alone;
            assert_eq!(accepted, expected, "Wycheproof test {}: {}", test["tcId"], test["comment"]);
            checked += 1;
        }
    }
    assert_eq!(file["numberOfTests"], checked);
}

/// The 14 encodings of points of small order: eight canonical ones, and six that only ZIP 215 reads.
fn small_order_encodings() -> Vec<[u8; 32]> {
    let mut encodings: Vec<[u8; 32]> = EIGHT_TORSION.iter().map(|point| point.compress().0).collect();
    // p = 2^255 - 19, little-endian; p and p + 1 stand for y = 0 and y = 1.
    let mut p = [0xff; 32];
    (p[0], p[31]) = (0xed, 0x7f);
    let plus = |low: u8| {
        let mut bytes = p;
        bytes[0] = low;
        bytes
    };
    let signed = |mut bytes: [u8; 32]| {
        bytes[31] |= 0x80;
        bytes
    };
    let mut one = [0; 32];
    one[0] = 1;
    // x = 0 with the sign of a negative x: y = 1, y = -1, and y = p + 1; y = p with either sign.
    encodings.extend([signed(one), signed(plus(0xec)), p, signed(p), plus(0xee), signed(plus(0xee))]);
    encodings
}

type Entry = (ed25519::PublicKey, ed25519::Signature);

fn entry(key: [u8; 32], signature: [u8; 64]) -> Option<Entry> {
    let key = ed25519::PublicKey::decode(Bytes::copy_from_slice(&key)).ok()?;
    Some((key, ed25519::Signature::decode(Bytes::copy_from_slice(&signature)).ok()?))
}

fn batch_accepts(entries: &[Entry], message: &[u8]) -> bool {
    let namespace = TRANSACTION_NAMESPACE;
    ed25519::PublicKey::verify_batch(
        &mut test_rng(),
        entries,
        |_, (public_key, signature)| BatchEntry { namespace, message, public_key, signature },
        &Sequential,
    )
}

#[test]
fn every_pair_of_small_order_points_is_accepted_singly_and_in_a_batch() {
    let encodings = small_order_encodings();
    let distinct: std::collections::BTreeSet<_> = encodings.iter().collect();
    assert_eq!(distinct.len(), 14);
    let mut batch = Vec::new();
    for key in &encodings {
        assert!(PublicKey::registrable(key).is_err(), "no account may register {}", hex::encode(key));
        for r in &encodings {
            let mut signature = [0; 64];
            signature[..32].copy_from_slice(r);
            let single = PublicKey(*key).verify(TRANSACTION_NAMESPACE, b"Zcash", &Signature(signature));
            assert!(single, "A = {}, R = {}", hex::encode(key), hex::encode(r));
            let entry = entry(*key, signature).expect("both parse");
            assert!(batch_accepts(std::slice::from_ref(&entry), b"Zcash"));
            batch.push(entry);
        }
    }
    assert!(batch_accepts(&batch, b"Zcash"));
    assert_eq!(batch.len(), 196);
}

/// A signature by a key with a part of small order. The cofactored equation holds; the cofactorless one does not.
fn with_torsion(seed: u64, torsion: usize, message: &[u8]) -> ([u8; 32], [u8; 64]) {
    let (secret, nonce) = (Scalar::from(seed + 2), Scalar::from(seed + 1_000));
    let key = (ED25519_BASEPOINT_POINT * secret + EIGHT_TORSION[torsion]).compress().0;
    let r = (ED25519_BASEPOINT_POINT * nonce).compress().0;
    let mut hasher = Sha512::new();
    hasher.update(r);
    hasher.update(key);
    hasher.update(signing_payload(TRANSACTION_NAMESPACE, message));
    let k = Scalar::from_bytes_mod_order_wide(&hasher.finalize().into());
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&r);
    signature[32..].copy_from_slice((nonce + k * secret).as_bytes());
    (key, signature)
}

#[test]
fn single_and_batch_agree_on_keys_of_mixed_order_and_on_damage() {
    let message = b"message";
    let honest: Vec<_> = (0..64).map(|seed| with_torsion(seed, (seed % 8) as usize, message)).collect();
    let entries: Vec<Entry> = honest.iter().filter_map(|(key, signature)| entry(*key, *signature)).collect();
    assert_eq!(entries.len(), 64);
    assert!(batch_accepts(&entries, message));
    for (place, (key, signature)) in honest.iter().enumerate() {
        assert!(PublicKey(*key).verify(TRANSACTION_NAMESPACE, message, &Signature(*signature)));
        // One flipped bit, in R or in s, spoils the signature and every batch that holds it.
        let mut damaged = *signature;
        damaged[place] ^= 1;
        let single = PublicKey(*key).verify(TRANSACTION_NAMESPACE, message, &Signature(damaged));
        assert!(!single, "byte {place}");
        let mut batch = entries.clone();
        if let Some(entry) = entry(*key, damaged) {
            batch[place] = entry;
            assert!(!batch_accepts(&batch, message), "byte {place}");
        }
    }
}
