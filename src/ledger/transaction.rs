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
use std::sync::Arc;

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
///
/// Clones share it, and its hashes are computed once, since admission, the pool, blocks and proofs all ask for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedTransaction(Arc<Parts>);

#[derive(Debug, PartialEq, Eq)]
struct Parts {
    body: Bytes,
    signatures: Vec<TransactionSignature>,
    id: TransactionId,
    leaf: Hash,
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
        let id = transaction_id(&body);
        let leaf = leaf_of(id, &signatures);
        Ok(Self(Arc::new(Parts { body, signatures, id, leaf })))
    }

    /// The body's bytes, as its signers signed them.
    pub fn body(&self) -> &Bytes {
        &self.0.body
    }

    /// The signatures, sorted by public key.
    pub fn signatures(&self) -> &[TransactionSignature] {
        &self.0.signatures
    }

    /// The transaction's identity: its body's hash.
    pub fn id(&self) -> TransactionId {
        self.0.id
    }

    /// The keys that it bears signatures of.
    pub fn signers(&self) -> impl Iterator<Item = PublicKey> {
        self.0.signatures.iter().map(|signature| signature.public_key)
    }

    /// The leaf hash that stands in `transactions_root`: over the id and the hash of the signatures, so that a block's
    /// id covers every byte of the block.
    pub fn leaf(&self) -> Hash {
        self.0.leaf
    }

    /// The size of its encoding.
    pub fn encoded_len(&self) -> usize {
        4 + self.0.body.len() + 4 + self.0.signatures.len() * 96
    }
}

fn leaf_of(id: TransactionId, signatures: &[TransactionSignature]) -> Hash {
    let mut listed = Vec::with_capacity(4 + signatures.len() * 96);
    encode_list(signatures, &mut listed);
    let mut leaf = id.to_bytes();
    hash(Domain::SIGNATURES, &listed).encode(&mut leaf);
    merkle::leaf_hash(&leaf)
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
        encode_count(self.0.body.len(), out);
        out.extend_from_slice(&self.0.body);
        encode_list(&self.0.signatures, out);
    }
}

impl Decode for SignedTransaction {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let count = reader.count("transaction body", TRANSACTION_BYTES_MAX)?;
        let body = Bytes::copy_from_slice(reader.take(count)?);
        Self::checked(body, reader.list("signatures", SIGNATURES_MAX)?)
    }
}
