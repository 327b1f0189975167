//! The validators of an epoch, by their keys.
//!
//! State keeps the set of the first epoch and one for each later epoch in which it became another: whoever asks for an epoch's
//! finds the last that is not later. So a node that resumes some epochs back names the right ones, and receipts find every
//! handover.

use super::view::{Column, Entry, View};
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

/// A set, under the first epoch of which it is.
impl Entry for ValidatorSet {
    const COLUMN: Column = Column::ValidatorSets;
    type Key = FromEpoch;
}

/// The first epoch of a set. Keys of later epochs come first, so that a scan finds the last set that is not later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FromEpoch(pub u64);

impl Encode for FromEpoch {
    fn encode(&self, out: &mut Vec<u8>) {
        (u64::MAX - self.0).encode(out);
    }
}

impl Decode for FromEpoch {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self(u64::MAX - u64::decode(reader)?))
    }
}

/// The validators of an epoch that is not later than the one after the state's; none in a state that is of no ledger.
pub fn validators_of(view: &dyn View, epoch: u64) -> Option<ValidatorSet> {
    sets_until(view, epoch, 1).pop().map(|(_, validators)| validators)
}

/// The sets that were in force until an epoch, the last one first: at most so many, each with its first epoch.
pub fn sets_until(view: &dyn View, epoch: u64, limit: usize) -> Vec<(u64, ValidatorSet)> {
    let column = ValidatorSet::COLUMN;
    let entries = view.scan(column, &FromEpoch(epoch).to_bytes(), limit).into_iter();
    let read = |(key, value): (bytes::Bytes, bytes::Bytes)| {
        read_set(&key, &value).inspect_err(|_| view.note_corruption(column, &key)).ok()
    };
    entries.filter_map(read).collect()
}

/// A set with its first epoch, as state keeps it.
///
/// # Errors
/// The bytes are none.
pub fn read_set(key: &[u8], value: &[u8]) -> Result<(u64, ValidatorSet), CodecError> {
    Ok((FromEpoch::from_bytes(key)?.0, ValidatorSet::from_bytes(value)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Changes;
    use crate::ledger::view::MemoryView;

    #[test]
    fn an_epochs_set_is_the_last_that_is_not_later() {
        let set = |name: u8| ValidatorSet::new(vec![PublicKey([name; 32])]).expect("one key");
        let mut view = MemoryView::default();
        assert_eq!(validators_of(&view, 0), None);
        let writes = {
            let mut changes = Changes::new(&view);
            for (from, name) in [(0, 1), (3, 2), (300, 3)] {
                changes.put(&FromEpoch(from), &set(name));
            }
            changes.finish().writes
        };
        view.apply(&writes);
        for (epoch, name) in [(0, 1), (2, 1), (3, 2), (299, 2), (300, 3), (u64::MAX, 3)] {
            assert_eq!(validators_of(&view, epoch), Some(set(name)), "of epoch {epoch}");
        }
        assert_eq!(sets_until(&view, 299, 9), [(3, set(2)), (0, set(1))]);
    }
}
