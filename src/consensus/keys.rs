//! Keys in the engine's form and in ours.

use crate::primitives::crypto::PublicKey;
use commonware_codec::DecodeExt as _;
use commonware_cryptography::ed25519;
use zeroize::Zeroizing;

/// A validator's secret key: it authenticates the node to its peers and, if it may, signs votes.
pub type PrivateKey = ed25519::PrivateKey;

/// The secret key of a 32-byte Ed25519 seed.
pub fn private_key(seed: &Zeroizing<[u8; 32]>) -> PrivateKey {
    // Any 32 bytes are a seed, so the decoder has nothing to refuse.
    PrivateKey::decode(bytes::Bytes::copy_from_slice(seed.as_slice()))
        .unwrap_or_else(|_| unreachable!("every 32 bytes are an Ed25519 seed"))
}

/// Our form of the engine's key.
pub(super) fn ours(key: &ed25519::PublicKey) -> PublicKey {
    PublicKey(key.into())
}

/// The engine's form of our key; `None` if it is not a point of the curve.
pub(super) fn theirs(key: &PublicKey) -> Option<ed25519::PublicKey> {
    ed25519::PublicKey::try_from(key.0).ok()
}
