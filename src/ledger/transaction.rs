//! Transactions as blocks carry them: the body's exact bytes, and the signatures over them.
//!
//! The ledger floor does not read bodies. A body is protobuf, `wire` decodes it, and what comes back to execution is
//! typed; here it is bytes with an identity.

use super::limits::{SIGNATURES_MAX, TRANSACTION_BYTES_MAX};
use crate::codec_struct;
use crate::primitives::codec::{encode_count, encode_list};
use crate::primitives::crypto::{Domain, TRANSACTION_NAMESPACE, hash, signing_payload};
use crate::primitives::{CodecError, Decode, Encode, Hash, PublicKey, Reader, Signature, TransactionId, merkle};
use bytes::Bytes;

/// One key's signature of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionSignature {
    /// The key.
    pub public_key: PublicKey,
    /// Its signature over the namespaced body.
    pub signature: Signature,
}
codec_struct!(TransactionSignature { public_key, signature });

/// A body and its signatures, sorted by public key, each key once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedTransaction {
    body: Bytes,
    signatures: Vec<TransactionSignature>,
}

impl SignedTransaction {
    /// Sorts the signatures and holds body and signatures to their limits.
    ///
    /// # Errors
    /// An empty or oversized body; no signature, too many, or two of one key.
    pub fn new(body: Bytes, mut signatures: Vec<TransactionSignature>) -> Result<Self, CodecError> {
        signatures.sort_by_key(|signature| signature.public_key);
        Self::checked(body, signatures)
    }

    fn checked(body: Bytes, signatures: Vec<TransactionSignature>) -> Result<Self, CodecError> {
        let invalid = |why| Err(CodecError::Invalid { what: "transaction", why });
        if body.is_empty() {
            return invalid("its body is empty");
        }
        if body.len() > TRANSACTION_BYTES_MAX {
            let (what, count, limit) = ("transaction body", body.len(), TRANSACTION_BYTES_MAX);
            return Err(CodecError::TooLong { what, count, limit });
        }
        if signatures.is_empty() {
            return invalid("it is not signed");
        }
        if signatures.len() > SIGNATURES_MAX {
            let (what, count, limit) = ("signatures", signatures.len(), SIGNATURES_MAX);
            return Err(CodecError::TooLong { what, count, limit });
        }
        if !signatures.windows(2).all(|pair| pair[0].public_key < pair[1].public_key) {
            return invalid("its signatures are not sorted by key, or a key signed twice");
        }
        Ok(Self { body, signatures })
    }

    /// The body's bytes, as its signers signed them.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The signatures, sorted by public key.
    pub fn signatures(&self) -> &[TransactionSignature] {
        &self.signatures
    }

    /// The transaction's identity: its body's hash.
    pub fn id(&self) -> TransactionId {
        transaction_id(&self.body)
    }

    /// The keys that it bears signatures of.
    pub fn signers(&self) -> impl Iterator<Item = PublicKey> {
        self.signatures.iter().map(|signature| signature.public_key)
    }

    /// The leaf hash that stands in `transactions_root`: over the id and the hash of the signatures, so that a block's
    /// id covers every byte of the block.
    pub fn leaf(&self) -> Hash {
        let mut leaf = self.id().to_bytes();
        let mut signatures = Vec::new();
        encode_list(&self.signatures, &mut signatures);
        hash(Domain::SIGNATURES, &signatures).encode(&mut leaf);
        merkle::leaf_hash(&leaf)
    }

    /// The size of its encoding.
    pub fn encoded_len(&self) -> usize {
        4 + self.body.len() + 4 + self.signatures.len() * 96
    }
}

/// The id of a transaction with this body.
pub fn transaction_id(body: &[u8]) -> TransactionId {
    TransactionId(hash(Domain::TRANSACTION, body).0)
}

/// The bytes that the signers of a body sign.
pub fn transaction_signing_payload(body: &[u8]) -> Vec<u8> {
    signing_payload(TRANSACTION_NAMESPACE, body)
}

impl Encode for SignedTransaction {
    fn encode(&self, out: &mut Vec<u8>) {
        encode_count(self.body.len(), out);
        out.extend_from_slice(&self.body);
        encode_list(&self.signatures, out);
    }
}

impl Decode for SignedTransaction {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let count = reader.count("transaction body", TRANSACTION_BYTES_MAX)?;
        let body = Bytes::copy_from_slice(reader.take(count)?);
        Self::checked(body, reader.list("signatures", SIGNATURES_MAX)?)
    }
}
