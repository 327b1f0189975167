//! Sets of entries as sums: whether a column of a hundred million entries is the one that follows from the blocks is told by one
//! walk through it in its own order, where asking for each entry would touch the disk at as many places.
//!
//! A set is the sum of its entries' keyed hashes, lane by lane modulo 2^64 (MSet-Add-Hash: Clarke, Devadas, van Dijk, Gassend,
//! Suh, "Incremental Multiset Hash Functions and Their Application to Memory Integrity Checking", 2003). The key is drawn when
//! the audit begins. Whoever wrote the column did not know it, so two sets have one sum with a chance of one in 2^256, whatever
//! was written.

use rand_core::CryptoRng;

/// The key of one audit.
#[derive(Clone, Copy)]
pub(super) struct SetKey([u8; 32]);

impl SetKey {
    /// A fresh one.
    pub fn drawn(rng: &mut impl CryptoRng) -> Self {
        let mut key = [0; 32];
        rng.fill_bytes(&mut key);
        Self(key)
    }
}

/// A set of entries, under a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct EntrySet {
    lanes: [u64; 4],
    count: u64,
}

impl EntrySet {
    /// Takes an entry in.
    pub fn insert(&mut self, set_key: &SetKey, key: &[u8], value: &[u8]) {
        let mut hasher = blake3::Hasher::new_keyed(&set_key.0);
        hasher.update(&(key.len() as u64).to_be_bytes());
        hasher.update(key);
        hasher.update(value);
        let hash = hasher.finalize();
        let (lanes, _) = hash.as_bytes().as_chunks();
        for (sum, lane) in self.lanes.iter_mut().zip(lanes) {
            *sum = sum.wrapping_add(u64::from_le_bytes(*lane));
        }
        self.count += 1;
    }

    /// Takes in another set's entries.
    pub fn join(&mut self, other: &Self) {
        self.lanes.iter_mut().zip(other.lanes).for_each(|(sum, lane)| *sum = sum.wrapping_add(lane));
        self.count += other.count;
    }

    /// How many entries it has.
    pub fn count(&self) -> u64 {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(key: u8, entries: &[(&[u8], &[u8])]) -> EntrySet {
        let mut set = EntrySet::default();
        entries.iter().for_each(|(entry, value)| set.insert(&SetKey([key; 32]), entry, value));
        set
    }

    #[test]
    fn a_set_is_its_entries_in_whatever_order_and_nothing_else() {
        let whole = set(1, &[(b"a", b"1"), (b"b", b"2"), (b"c", b"3")]);
        let mut joined = set(1, &[(b"c", b"3")]);
        joined.join(&set(1, &[(b"b", b"2"), (b"a", b"1")]));
        assert_eq!((joined, joined.count()), (whole, 3));
        for other in [
            set(1, &[(b"a", b"1"), (b"b", b"2")]),
            set(1, &[(b"a", b"2"), (b"b", b"1"), (b"c", b"3")]),
            set(1, &[(b"a", b"1"), (b"b", b"2"), (b"", b"c3")]),
            set(1, &[(b"a", b"1"), (b"a", b"1"), (b"c", b"3")]),
            set(2, &[(b"a", b"1"), (b"b", b"2"), (b"c", b"3")]),
        ] {
            assert_ne!(other, whole);
        }
    }
}
