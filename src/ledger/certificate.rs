//! Finality certificates: the validators' signatures that make a block final, checked by anyone with their keys.
//!
//! The bytes are those of the consensus engine's finalisation, so a node hands out what it stored. Reading and checking
//! them needs nothing of the engine: a receipt is verified offline with this file alone.
//!
//! | field | encoding |
//! |---|---|
//! | epoch, view, parent view | LEB128 varints, shortest form |
//! | block | 32 bytes, the header's hash |
//! | validator count | `u64`, big-endian |
//! | signers | one bit for each validator, least significant first, unused bits zero |
//! | signature count | LEB128 varint, equal to the number of bits set |
//! | signatures | 64 bytes each, in the order of the sorted public keys |
//!
//! What is signed is `varint(len ns) || ns || epoch || view || parent view || block`, where `ns` is
//! [`consensus_namespace`] followed by `_FINALIZE`.
//!
//! # Invariants
//! * A certificate that [`verify`](Certificate::verify)s was signed by a quorum of exactly the given validators.
//! * Two certificates of one block may differ (other signers, another view), so nothing may hash one as an identity.
//!
//! # Deliberately absent
//! Whether the epoch is that of the block's height, and who the validators of an epoch are: the verifier of a receipt
//! knows the epoch's length and follows the handovers.

use super::validators::{VALIDATORS_MAX, ValidatorSet};
use crate::primitives::codec::{CodecError, Decode, Encode, Reader};
use crate::primitives::crypto::{PublicKey, Signature, read_varint, signing_payload, write_varint};
use crate::primitives::ids::{ChainId, Hash};
use thiserror::Error;

/// What the engine appends to the namespace of votes that finalise.
const FINALIZE_SUFFIX: &[u8] = b"_FINALIZE";

/// The base of every namespace that validators of this chain vote in. It holds the chain id because a vote to skip a
/// view carries nothing else that would tell two chains apart.
pub fn consensus_namespace(chain_id: &ChainId) -> Vec<u8> {
    [b"causeway/consensus/v1/".as_slice(), chain_id.as_bytes()].concat()
}

/// Why a certificate does not prove its block final.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CertificateError {
    /// It speaks of another number of validators.
    #[error("the certificate is of {found} validators, the set has {expected}")]
    ValidatorCount {
        /// How many the certificate has.
        found: usize,
        /// How many the set has.
        expected: usize,
    },
    /// Too few signed.
    #[error("{signers} validators signed, {quorum} make a quorum")]
    NoQuorum {
        /// How many signed.
        signers: usize,
        /// How many must.
        quorum: usize,
    },
    /// A signature is not its validator's over this block.
    #[error("the signature of validator {validator} does not verify")]
    Signature {
        /// Whose.
        validator: PublicKey,
    },
}

/// A quorum's signatures on one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The epoch in which the block became final.
    pub epoch: u64,
    /// The view of that epoch.
    pub view: u64,
    /// The view whose block it was built on; 0 is the last block of the epoch before.
    pub parent_view: u64,
    /// The block.
    pub block: Hash,
    validator_count: usize,
    // Ascending by the validator's place in the sorted set, each once.
    signatures: Vec<(usize, Signature)>,
}

impl Certificate {
    /// The places, in the sorted validator set, of those who signed.
    pub fn signers(&self) -> impl Iterator<Item = usize> + '_ {
        self.signatures.iter().map(|(place, _)| *place)
    }

    /// How many validators the epoch has, by the certificate's own account.
    pub fn validator_count(&self) -> usize {
        self.validator_count
    }

    /// Checks the certificate against the validators of its epoch.
    ///
    /// # Errors
    /// In this order: the set has another size, a quorum is missing, a signature fails. Signatures are judged by
    /// ZIP 215, singly, and all of them must hold: a quorum beside one bad signature is refused, as the engine refuses
    /// it.
    pub fn verify(&self, namespace: &[u8], validators: &ValidatorSet) -> Result<(), CertificateError> {
        let keys = validators.keys();
        if self.validator_count != keys.len() {
            return Err(CertificateError::ValidatorCount { found: self.validator_count, expected: keys.len() });
        }
        let quorum = validators.quorum();
        if self.signatures.len() < quorum {
            return Err(CertificateError::NoQuorum { signers: self.signatures.len(), quorum });
        }
        let payload = self.signed_payload(namespace);
        for (place, signature) in &self.signatures {
            // A place is below the count, which is the set's.
            let validator = keys[*place];
            if !validator.verify_payload(&payload, signature) {
                return Err(CertificateError::Signature { validator });
            }
        }
        Ok(())
    }

    /// The bytes under every signature, given the chain's [`consensus_namespace`].
    pub fn signed_payload(&self, namespace: &[u8]) -> Vec<u8> {
        let mut proposal = Vec::with_capacity(64);
        self.encode_proposal(&mut proposal);
        signing_payload(&[namespace, FINALIZE_SUFFIX].concat(), &proposal)
    }

    fn encode_proposal(&self, out: &mut Vec<u8>) {
        write_varint(self.epoch, out);
        write_varint(self.view, out);
        write_varint(self.parent_view, out);
        self.block.encode(out);
    }
}

impl Encode for Certificate {
    fn encode(&self, out: &mut Vec<u8>) {
        self.encode_proposal(out);
        (self.validator_count as u64).encode(out);
        let mut bitmap = vec![0u8; self.validator_count.div_ceil(8)];
        for (place, _) in &self.signatures {
            bitmap[place / 8] |= 1 << (place % 8);
        }
        out.extend_from_slice(&bitmap);
        write_varint(self.signatures.len() as u64, out);
        for (_, signature) in &self.signatures {
            signature.encode(out);
        }
    }
}

impl Decode for Certificate {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let invalid = |why| CodecError::Invalid { what: "certificate", why };
        let (epoch, view, parent_view) = (read_varint(reader)?, read_varint(reader)?, read_varint(reader)?);
        let block = Hash::decode(reader)?;
        let validator_count = usize::try_from(u64::decode(reader)?).unwrap_or(usize::MAX);
        if validator_count > VALIDATORS_MAX {
            let what = "certificate's validator set";
            return Err(CodecError::TooLong { what, count: validator_count, limit: VALIDATORS_MAX });
        }
        let bitmap = reader.take(validator_count.div_ceil(8))?;
        let is_signer = |place: usize| bitmap[place / 8] & (1 << (place % 8)) != 0;
        if (validator_count..bitmap.len() * 8).any(is_signer) {
            return Err(invalid("bits beyond the last validator are set"));
        }
        let places: Vec<usize> = (0..validator_count).filter(|place| is_signer(*place)).collect();
        if read_varint(reader)? != places.len() as u64 {
            return Err(invalid("the number of signatures is not the number of signers"));
        }
        let signatures = places
            .into_iter()
            .map(|place| Ok((place, Signature::decode(reader)?)))
            .collect::<Result<Vec<_>, CodecError>>()?;
        Ok(Self { epoch, view, parent_view, block, validator_count, signatures })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::{Signer as _, SigningKey};
    use proptest::prelude::*;

    const NAMESPACE: &[u8] = b"test";

    /// A certificate of `total` validators, signed by those at `places`, and their sorted keys.
    fn certificate(total: usize, places: &[usize]) -> (Certificate, ValidatorSet) {
        let mut keys: Vec<SigningKey> = (0..total).map(|seed| SigningKey::from_bytes(&[seed as u8 + 1; 32])).collect();
        keys.sort_by_key(|key| key.verifying_key().to_bytes());
        let mut certificate = Certificate {
            epoch: 3,
            view: 300,
            parent_view: 299,
            block: Hash([7; 32]),
            validator_count: total,
            signatures: Vec::new(),
        };
        let payload = certificate.signed_payload(NAMESPACE);
        let sign = |place: &usize| (*place, Signature(keys[*place].sign(&payload).to_bytes()));
        certificate.signatures = places.iter().map(sign).collect();
        let keys = keys.iter().map(|key| PublicKey(key.verifying_key().to_bytes())).collect();
        (certificate, ValidatorSet::new(keys).expect("distinct keys"))
    }

    #[test]
    fn a_certificate_survives_its_bytes() {
        for (total, places) in [(1, vec![0]), (4, vec![0, 2, 3]), (9, vec![0, 1, 2, 4, 5, 7, 8])] {
            let (certificate, validators) = certificate(total, &places);
            let read = Certificate::from_bytes(&certificate.to_bytes()).expect("its own bytes");
            assert_eq!(read, certificate);
            assert_eq!(read.verify(NAMESPACE, &validators), Ok(()));
            assert_eq!(read.signers().collect::<Vec<_>>(), places);
        }
    }

    #[test]
    fn fewer_than_a_quorum_prove_nothing() {
        let (two_of_four, validators) = certificate(4, &[0, 3]);
        let refused = CertificateError::NoQuorum { signers: 2, quorum: 3 };
        assert_eq!(two_of_four.verify(NAMESPACE, &validators), Err(refused));
        for (total, quorum) in [(1, 1), (2, 2), (3, 3), (4, 3), (7, 5), (10, 7)] {
            let enough: Vec<usize> = (0..quorum).collect();
            let (certificate_of_quorum, validators) = certificate(total, &enough);
            assert_eq!(certificate_of_quorum.verify(NAMESPACE, &validators), Ok(()), "{quorum} of {total}");
            let (one_less, _) = certificate(total, &enough[1..]);
            assert!(one_less.verify(NAMESPACE, &validators).is_err(), "{} of {total}", quorum - 1);
        }
    }

    #[test]
    fn another_set_another_namespace_or_another_block_is_refused() {
        let (good, validators) = certificate(4, &[0, 1, 2]);
        let bad_signature = Err(CertificateError::Signature { validator: validators.keys()[0] });
        assert_eq!(good.verify(b"other", &validators), bad_signature);
        let changes: [fn(&mut Certificate); 4] = [
            |certificate| certificate.block = Hash([8; 32]),
            |certificate| certificate.epoch += 1,
            |certificate| certificate.view += 1,
            |certificate| certificate.parent_view -= 1,
        ];
        for change in changes {
            let mut changed = good.clone();
            change(&mut changed);
            assert_eq!(changed.verify(NAMESPACE, &validators), bad_signature);
        }
        let (_, five) = certificate(5, &[]);
        assert_eq!(good.verify(NAMESPACE, &five), Err(CertificateError::ValidatorCount { found: 4, expected: 5 }));
    }

    #[test]
    fn one_bad_signature_beside_a_quorum_is_refused() {
        let (mut all, validators) = certificate(4, &[0, 1, 2, 3]);
        all.signatures[3].1.0[0] ^= 1;
        let refused = CertificateError::Signature { validator: validators.keys()[3] };
        assert_eq!(all.verify(NAMESPACE, &validators), Err(refused));
    }

    #[test]
    fn bytes_that_encoding_would_not_produce_are_refused() {
        let (good, _) = certificate(4, &[0, 1, 2]);
        let bytes = good.to_bytes();
        let bitmap = 1 + 2 + 2 + 32 + 8;
        let with = |change: fn(&mut Vec<u8>, usize)| {
            let mut changed = bytes.clone();
            change(&mut changed, bitmap);
            Certificate::from_bytes(&changed)
        };
        assert!(with(|bytes, bitmap| bytes[bitmap] |= 0x10).is_err(), "a fifth signer of four");
        assert!(with(|bytes, bitmap| bytes[bitmap] |= 0x08).is_err(), "a signer without a signature");
        assert!(with(|bytes, bitmap| bytes[bitmap + 1] = 2).is_err(), "a signature without a signer");
        assert!(with(|bytes, bitmap| bytes[bitmap - 8] = 0xff).is_err(), "more validators than there may be");
        assert!(with(|bytes, _| bytes.push(0)).is_err(), "a trailing byte");
        assert!(with(|bytes, _| bytes.truncate(bytes.len() - 1)).is_err(), "a missing byte");
    }

    proptest! {
        /// Whatever comes over the wire, reading it neither panics nor loses a bit.
        #[test]
        fn foreign_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            if let Ok(certificate) = Certificate::from_bytes(&bytes) {
                prop_assert_eq!(certificate.to_bytes(), bytes);
            }
        }
    }
}
