//! Keys that were met before, parsed: a point of the curve is a tenth of a verification's work, and who pays today pays
//! tomorrow.
//!
//! # Invariants
//! * At most twice [`KNOWN_KEYS_MAX`] are kept. Those used lately stay: when one generation is full the one before is let go,
//!   and a key found there moves up.
//! * Nothing that parsing would not answer is answered.

use crate::primitives::PublicKey;
use ahash::RandomState;
use commonware_codec::{Copying, DecodeExt as _};
use commonware_cryptography::ed25519;
use std::collections::HashMap;

/// Keys of one generation: about 16 MiB.
pub(super) const KNOWN_KEYS_MAX: usize = 65_536;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct KnownKeys {
    young: HashMap<PublicKey, ed25519::PublicKey, RandomState>,
    old: HashMap<PublicKey, ed25519::PublicKey, RandomState>,
}

impl KnownKeys {
    /// The parsed key. `None` if its bytes are no point of the curve.
    pub(super) fn parsed(&mut self, key: &PublicKey) -> Option<ed25519::PublicKey> {
        if let Some(known) = self.young.get(key) {
            return Some(known.clone());
        }
        let parsed = match self.old.remove(key) {
            Some(known) => known,
            None => ed25519::PublicKey::decode(Copying(&key.0)).ok()?,
        };
        if self.young.len() >= KNOWN_KEYS_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(*key, parsed.clone());
        Some(parsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use commonware_cryptography::Signer as _;

    fn key(seed: u64) -> PublicKey {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(&ed25519::PrivateKey::from_seed(seed).public_key());
        PublicKey(bytes)
    }

    #[test]
    fn a_key_is_parsed_to_itself_however_often_and_what_is_none_never() {
        let mut keys = KnownKeys::default();
        let mut off_curve = [0; 32];
        off_curve[0] = 2;
        for _ in 0..3 {
            assert_eq!(keys.parsed(&key(1)).map(|parsed| parsed.to_vec()), Some(key(1).0.to_vec()));
            assert_eq!(keys.parsed(&PublicKey(off_curve)), None);
        }
        assert_eq!((keys.young.len(), keys.old.len()), (1, 0));
    }

    #[test]
    fn keys_in_use_outlive_those_that_are_not_and_both_are_bounded() {
        let mut keys = KnownKeys::default();
        let parsed = keys.parsed(&key(0)).expect("a key");
        let filler = |n: usize| {
            let mut bytes = [0xff; 32];
            bytes[..8].copy_from_slice(&n.to_be_bytes());
            PublicKey(bytes)
        };
        for round in 0..4 {
            keys.young.extend((0..KNOWN_KEYS_MAX).map(|n| (filler(round * KNOWN_KEYS_MAX + n), parsed.clone())));
            // A generation ends here, and the key in use moves into the next.
            keys.parsed(&key(1 + round as u64)).expect("a key");
            keys.parsed(&key(0)).expect("a key");
            assert!(keys.young.contains_key(&key(0)));
            assert!(keys.young.len() <= KNOWN_KEYS_MAX);
        }
        assert!(!keys.old.contains_key(&filler(0)));
    }
}
