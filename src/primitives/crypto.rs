//! Hashes and signatures, each in a domain of its own.
//!
//! # Signatures
//! Ed25519 judged by [ZIP 215](https://zips.z.cash/zip-0215) and by nothing else: `[8][s]B = [8]R + [8][k]A`, `s` below the
//! group order, `R` and `A` any encoding of a curve point. It is the rule under which single and batch verification
//! agree, so validators cannot be split by a crafted signature. Keys are held to more than that when they are
//! *registered*: see [`PublicKey::registrable`].
//!
//! # Deliberately absent
//! Secret keys and randomness, which belong to clients and validators, and batch verification, which needs randomness
//! and lives in `admission`.

use super::codec::{CodecError, Decode, Encode, Reader};
use super::ids::Hash;
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::IsIdentity;
use sha2::{Digest as _, Sha256, Sha512};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// What a hash is of. No two kinds of input share a domain, so no hash of one can pass for another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Domain(&'static str);

impl Domain {
    /// Ids of opened accounts.
    pub const ACCOUNT: Self = Self("causeway/account/v1");
    /// Ids of things that operations create.
    pub const OBJECT: Self = Self("causeway/object/v1");
    /// Transaction ids.
    pub const TRANSACTION: Self = Self("causeway/transaction/v1");
    /// The signatures of a transaction, as the block commits to them.
    pub const SIGNATURES: Self = Self("causeway/signatures/v1");
    /// Header hashes, which are block ids.
    pub const HEADER: Self = Self("causeway/header/v1");
    /// Outcome hashes.
    pub const OUTCOME: Self = Self("causeway/outcome/v1");
    /// The state's digest: over the sum of all its entries.
    pub const STATE: Self = Self("causeway/state-digest/v1");
    /// The seed of a block's salts.
    pub const BLINDING: Self = Self("causeway/blinding/v1");
    /// Salts of balances.
    pub const SALT: Self = Self("causeway/salt/v1");
    /// Commitments to balances.
    pub const BALANCE: Self = Self("causeway/balance/v1");
    /// The ids of what fell due in blocks.
    pub const DUE: Self = Self("causeway/due/v1");
    /// Validator sets.
    pub const VALIDATORS: Self = Self("causeway/validators/v1");
    /// Receipt ids.
    pub const RECEIPT: Self = Self("causeway/receipt/v1");
    /// Accounts and parties that the genesis names.
    pub const GENESIS_ACCOUNT: Self = Self("causeway/genesis-account/v1");
    /// Commitments to fingerprint keys.
    pub const FINGERPRINT_KEY: Self = Self("causeway/fingerprint-key/v1");
    /// Fingerprints of invoices.
    pub const FINGERPRINT: Self = Self("causeway/fingerprint/v1");
    /// Ids of a receivable's parts.
    pub const PART: Self = Self("causeway/part/v1");
    /// Salted commitments to documents.
    pub const DOCUMENT: Self = Self("causeway/document/v1");
    /// What a shipment's events are about.
    pub const SHIPMENT_OBJECTS: Self = Self("causeway/shipment-objects/v1");
    /// Salted commitments to where events are read.
    pub const READ_POINT: Self = Self("causeway/read-point/v1");
}

/// What the signers of a transaction sign in.
pub const TRANSACTION_NAMESPACE: &[u8] = b"causeway/transaction/v1";
/// What a client signs in to show a node who reads.
pub const READ_NAMESPACE: &[u8] = b"causeway/read/v1";

/// SHA-256 of the domain's length (one byte), the domain, and the bytes.
pub fn hash(domain: Domain, bytes: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([domain.0.len() as u8]);
    hasher.update(domain.0.as_bytes());
    hasher.update(bytes);
    Hash(hasher.finalize().into())
}

/// SHA-256 of the bytes alone: what `sha256sum` prints of a file.
pub fn sha256(bytes: &[u8]) -> Hash {
    Hash(Sha256::digest(bytes).into())
}

/// The bytes that are signed: the namespace's length as a LEB128 varint, the namespace, the message.
pub fn signing_payload(namespace: &[u8], message: &[u8]) -> Vec<u8> {
    let mut payload = Vec::with_capacity(namespace.len() + message.len() + 2);
    write_varint(namespace.len() as u64, &mut payload);
    payload.extend_from_slice(namespace);
    payload.extend_from_slice(message);
    payload
}

/// Appends an unsigned LEB128 varint.
pub fn write_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value as u8 & 0x7f) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Reads an unsigned LEB128 varint in its shortest form.
pub fn read_varint(reader: &mut Reader<'_>) -> Result<u64, CodecError> {
    let invalid = |why| CodecError::Invalid { what: "varint", why };
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = u8::decode(reader)?;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return Err(invalid("it exceeds 64 bits"));
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            let shortest = shift == 0 || byte != 0;
            return if shortest { Ok(value) } else { Err(invalid("it is not in its shortest form")) };
        }
    }
    Err(invalid("it exceeds 64 bits"))
}

/// Why a key cannot be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    /// Not the 32 bytes of an Ed25519 public key.
    #[error("an Ed25519 public key has 32 bytes")]
    Length,
    /// The bytes do not decode to a point of the curve.
    #[error("the key is not a point of the curve")]
    NotOnCurve,
    /// Another encoding of the same point is the canonical one (RFC 8032, section 5.1.2).
    #[error("the key is not in its canonical encoding")]
    NonCanonical,
    /// The point's order divides 8, so that one signature can fit many messages.
    #[error("the key is a point of small order")]
    SmallOrder,
}

/// An Ed25519 public key, as bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(pub [u8; 32]);

impl PublicKey {
    /// The key, if accounts and validators may use it: on the curve, canonical, and not of small order.
    ///
    /// # Errors
    /// Says which of the three does not hold.
    pub fn registrable(bytes: &[u8]) -> Result<Self, KeyError> {
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| KeyError::Length)?;
        let point = CompressedEdwardsY(bytes).decompress().ok_or(KeyError::NotOnCurve)?;
        if point.compress().0 != bytes {
            return Err(KeyError::NonCanonical);
        }
        if point.is_small_order() {
            return Err(KeyError::SmallOrder);
        }
        Ok(Self(bytes))
    }

    /// Whether `signature` is this key's over `message` in `namespace`, by ZIP 215.
    pub fn verify(&self, namespace: &[u8], message: &[u8], signature: &Signature) -> bool {
        self.verify_payload(&signing_payload(namespace, message), signature)
    }

    /// Whether `signature` is this key's over exactly these bytes, by ZIP 215.
    pub fn verify_payload(&self, payload: &[u8], signature: &Signature) -> bool {
        let (r_bytes, s_bytes) = signature.halves();
        let Some(key) = CompressedEdwardsY(self.0).decompress() else { return false };
        let Some(r) = CompressedEdwardsY(r_bytes).decompress() else { return false };
        let Some(s) = Option::<Scalar>::from(Scalar::from_canonical_bytes(s_bytes)) else { return false };
        let mut hasher = Sha512::new();
        hasher.update(r_bytes);
        hasher.update(self.0);
        hasher.update(payload);
        let k = Scalar::from_bytes_mod_order_wide(&hasher.finalize().into());
        let expected = EdwardsPoint::vartime_double_scalar_mul_basepoint(&k, &-key, &s);
        (r - expected).mul_by_cofactor().is_identity()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    /// Reads 64 hexadecimal digits and holds the key to the rules of registration.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::registrable(&hex::decode(text).map_err(|_| KeyError::Length)?)
    }
}

impl Encode for PublicKey {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}

impl Decode for PublicKey {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        reader.array().map(Self)
    }
}

/// An Ed25519 signature, as bytes: `R`, then `s`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature(pub [u8; 64]);

impl Signature {
    fn halves(&self) -> ([u8; 32], [u8; 32]) {
        let (mut r, mut s) = ([0; 32], [0; 32]);
        r.copy_from_slice(&self.0[..32]);
        s.copy_from_slice(&self.0[32..]);
        (r, s)
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl Encode for Signature {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}

impl Decode for Signature {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        reader.array().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::{Signer as _, SigningKey};

    #[test]
    fn a_signature_holds_for_its_message_key_and_namespace_only() {
        let signer = SigningKey::from_bytes(&[1; 32]);
        let key = PublicKey::registrable(signer.verifying_key().as_bytes()).expect("an honest key");
        let signature = Signature(signer.sign(&signing_payload(b"a", b"message")).to_bytes());
        assert!(key.verify(b"a", b"message", &signature));
        assert!(!key.verify(b"b", b"message", &signature));
        assert!(!key.verify(b"a", b"massage", &signature));
        let other = PublicKey(SigningKey::from_bytes(&[2; 32]).verifying_key().to_bytes());
        assert!(!other.verify(b"a", b"message", &signature));
    }

    #[test]
    fn keys_that_could_sign_anything_are_not_registrable() {
        let identity = [&[1u8][..], &[0; 31]].concat();
        assert_eq!(PublicKey::registrable(&identity), Err(KeyError::SmallOrder));
        // y = p + 1 encodes the identity a second time.
        let mut second_identity = [0xff; 32];
        second_identity[0] = 0xee;
        second_identity[31] = 0x7f;
        assert_eq!(PublicKey::registrable(&second_identity), Err(KeyError::NonCanonical));
        let mut off_curve = [0; 32];
        off_curve[0] = 2;
        assert_eq!(PublicKey::registrable(&off_curve), Err(KeyError::NotOnCurve));
        assert_eq!(PublicKey::registrable(&[0; 31]), Err(KeyError::Length));
    }

    #[test]
    fn varints_have_one_form() {
        for value in [0, 1, 127, 128, 300, u64::MAX] {
            let mut bytes = Vec::new();
            write_varint(value, &mut bytes);
            assert_eq!(read_varint(&mut Reader::new(&bytes)), Ok(value));
        }
        assert!(read_varint(&mut Reader::new(&[0x80, 0x00])).is_err());
        assert!(read_varint(&mut Reader::new(&[0xff; 11])).is_err());
    }
}
