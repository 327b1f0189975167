//! The validators of an epoch, by their keys.

use super::view::{Column, Entry};
use crate::primitives::crypto::{Domain, hash};
use crate::primitives::{CodecError, Decode, Encode, Hash, PublicKey, Reader};

/// Most validators: the engine's messages stay small and a certificate below 8 KiB.
pub const VALIDATORS_MAX: usize = 100;

/// A validator set: distinct keys, sorted, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidatorSet(Vec<PublicKey>);

impl ValidatorSet {
    /// A set of these keys, sorted; `None` if there are none, too many, or one twice.
    pub fn new(mut keys: Vec<PublicKey>) -> Option<Self> {
        keys.sort_unstable();
        let distinct = keys.windows(2).all(|pair| pair[0] != pair[1]);
        (distinct && (1..=VALIDATORS_MAX).contains(&keys.len())).then_some(Self(keys))
    }

    /// The keys, sorted. A validator's index in certificates is its place here.
    pub fn keys(&self) -> &[PublicKey] {
        &self.0
    }

    /// How many of them may lie or be absent: `(n - 1) / 3`.
    pub fn faults_max(&self) -> usize {
        (self.0.len() - 1) / 3
    }

    /// How many signatures make a certificate: `n - (n - 1) / 3`.
    pub fn quorum(&self) -> usize {
        self.0.len() - self.faults_max()
    }

    /// What headers commit to.
    pub fn hash(&self) -> Hash {
        hash(Domain::VALIDATORS, &self.to_bytes())
    }
}

impl Encode for ValidatorSet {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
}

impl Decode for ValidatorSet {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let keys: Vec<PublicKey> = reader.list("validators", VALIDATORS_MAX)?;
        let sorted = keys.is_sorted();
        Self::new(keys)
            .filter(|_| sorted)
            .ok_or(CodecError::Invalid { what: "validator set", why: "its keys must be sorted and distinct" })
    }
}

/// The validators of the current epoch, as state holds them.
impl Entry for ValidatorSet {
    const COLUMN: Column = Column::Chain;
    /// Always `b'v'`.
    type Key = u8;
}

/// The key of the validator set in its column.
pub const VALIDATORS_KEY: u8 = b'v';
