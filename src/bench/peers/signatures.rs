//! Signatures by themselves: what the processors verify when they do nothing else.
//!
//! By the rule (ZIP 215) and by the code with which admission verifies what waits at its door, in batches of what a block may
//! well hold, every signature by a key of its own. Keys are parsed beforehand. A thread for each core, each with batches of
//! its own: there is no faster way to use them.

use crate::ledger::transaction::transaction_signing_payload;
use crate::primitives::crypto::TRANSACTION_NAMESPACE;
use crate::primitives::{PublicKey, Signature};
use commonware_cryptography::{BatchEntry, BatchVerifier as _, Signer as _, ed25519};
use commonware_parallel::Sequential;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Signatures in a batch.
pub const BATCH: usize = 1_024;
/// How long the signed messages are: a plain payment's body.
const MESSAGE_BYTES: usize = 192;

/// How fast signatures are verified.
#[derive(Clone, Copy, Debug)]
pub struct Verification {
    /// In batches, on all cores at once, in a second.
    pub batched_per_second: f64,
    /// One by itself, on one core, in µs.
    pub alone_us: f64,
    /// How many threads verified.
    pub cores: usize,
}

struct Signed {
    key: ed25519::PublicKey,
    signature: ed25519::Signature,
    message: Vec<u8>,
}

impl Verification {
    /// Measures for so long.
    pub fn measure(duration: Duration) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let batch: Vec<Signed> = (0..BATCH as u64).map(sign).collect();
        let started = Instant::now();
        let deadline = started + duration;
        let verified: usize = std::thread::scope(|scope| {
            let batch = &batch;
            let start = |seed| scope.spawn(move || verify(batch, seed, deadline));
            let threads: Vec<_> = (0..cores as u64).map(start).collect();
            threads.into_iter().map(|thread| thread.join().unwrap_or(0)).sum()
        });
        let batched_per_second = verified as f64 / started.elapsed().as_secs_f64();
        Self { batched_per_second, alone_us: alone_us(&batch), cores }
    }

    /// The share of one core's second that a signature in a batch takes.
    pub fn batched_us(&self) -> f64 {
        1e6 * self.cores as f64 / self.batched_per_second
    }
}

fn sign(number: u64) -> Signed {
    let (secret, mut message) = (ed25519::PrivateKey::from_seed(number), vec![0xca; MESSAGE_BYTES]);
    message[..8].copy_from_slice(&number.to_be_bytes());
    let signature = secret.sign(TRANSACTION_NAMESPACE, &message);
    Signed { key: secret.public_key(), signature, message }
}

/// Verifies the batch again and again: how many signatures held. A batch under way at the deadline is finished and counts.
fn verify(batch: &[Signed], seed: u64, deadline: Instant) -> usize {
    let mut coefficients = StdRng::seed_from_u64(seed);
    let mut verified = 0;
    while Instant::now() < deadline {
        if holds(black_box(batch), &mut coefficients) {
            verified += batch.len();
        }
    }
    verified
}

fn holds(batch: &[Signed], coefficients: &mut StdRng) -> bool {
    ed25519::PublicKey::verify_batch(
        coefficients,
        batch,
        |_, Signed { key, signature, message }| BatchEntry {
            namespace: TRANSACTION_NAMESPACE,
            message,
            public_key: key,
            signature,
        },
        &Sequential,
    )
}

/// The median of verifying each of the batch's signatures by itself.
fn alone_us(batch: &[Signed]) -> f64 {
    let verify_one = |signed: &Signed| {
        let (mut key, mut signature) = ([0; 32], [0; 64]);
        key.copy_from_slice(&signed.key);
        signature.copy_from_slice(&signed.signature);
        let payload = transaction_signing_payload(&signed.message);
        let started = Instant::now();
        let holds = black_box(PublicKey(key)).verify_payload(&payload, &Signature(signature));
        assert!(holds, "an honest signature holds");
        started.elapsed().as_secs_f64() * 1e6
    };
    super::comparison::median(batch.iter().map(verify_one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_measured_is_verified() {
        let mut batch: Vec<Signed> = (0..8).map(sign).collect();
        let mut coefficients = StdRng::seed_from_u64(1);
        assert!(holds(&batch, &mut coefficients));
        batch[3].message[20] ^= 1;
        assert!(!holds(&batch, &mut coefficients));
        assert_eq!(verify(&batch, 1, Instant::now()), 0, "no time, no batch");
    }

    #[test]
    fn a_signatures_share_of_a_core_follows_from_the_rate_of_all() {
        let verification = Verification { batched_per_second: 200_000.0, alone_us: 40.0, cores: 4 };
        assert!((verification.batched_us() - 20.0).abs() < 1e-9);
    }
}
