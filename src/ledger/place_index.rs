//! Where places stand in a list, for whoever keeps the list.
//!
//! A block looks up some twenty places for each payment. The places stand in the list alone; what is kept here is a table of
//! eight bytes for each, which stays close to the processor: buckets with linear probing, a quarter of them free.
//!
//! # Invariants
//! * It cannot be iterated over, so the order of its table, which differs from process to process, shows in nothing.
//! * Its hash is keyed anew for each index, so that nobody can choose places that fall together.
//!
//! # Deliberately absent
//! Removal: a block forgets nothing that it touched.

use super::place::Place;
use ahash::RandomState;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct PlaceIndex {
    hashes: RandomState,
    /// A power of two of them, or none.
    buckets: Vec<Bucket>,
    len: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    hash: u32,
    /// One more than where the place stands in the list; 0: the bucket is free.
    number: u32,
}

/// A place's hash, under one index's key.
#[derive(Clone, Copy)]
pub(super) struct PlaceHash(u32);

impl PlaceIndex {
    /// What the index looks a place up by.
    pub(super) fn hash(&self, place: &Place) -> PlaceHash {
        PlaceHash(self.hashes.hash_one(place) as u32)
    }

    /// Where the place stands, of which `is_at` says whether it stands at one.
    pub(super) fn find(&self, PlaceHash(hash): PlaceHash, is_at: impl Fn(usize) -> bool) -> Option<usize> {
        let mut at = hash as usize;
        loop {
            let bucket = self.buckets.get(at & self.mask())?;
            let number = bucket.number.checked_sub(1)? as usize;
            if bucket.hash == hash && is_at(number) {
                return Some(number);
            }
            at += 1;
        }
    }

    /// Notes where a place stands that is not noted yet.
    pub(super) fn insert(&mut self, hash: PlaceHash, number: usize) {
        self.reserve(1);
        // A block touches far fewer places than there are numbers.
        self.settle(Bucket { hash: hash.0, number: number as u32 + 1 });
        self.len += 1;
    }

    /// Makes room for so many places more at once.
    pub(super) fn reserve(&mut self, more: usize) {
        let needed = (self.len + more).div_ceil(3) * 4;
        if needed > self.buckets.len() {
            let more_buckets = vec![Bucket::default(); needed.next_power_of_two()];
            let settled = std::mem::replace(&mut self.buckets, more_buckets);
            settled.into_iter().filter(|bucket| bucket.number != 0).for_each(|bucket| self.settle(bucket));
        }
    }

    fn settle(&mut self, bucket: Bucket) {
        let (mut at, mask) = (bucket.hash as usize, self.mask());
        while self.buckets[at & mask].number != 0 {
            at += 1;
        }
        self.buckets[at & mask] = bucket;
    }

    fn mask(&self) -> usize {
        self.buckets.len().wrapping_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Column;
    use proptest::prelude::*;

    proptest! {
        /// Whatever is noted, and with however much room made beforehand: each place is found where it stands, and no other.
        #[test]
        fn places_are_found_where_they_stand(
            keys in proptest::collection::vec(any::<u8>(), 0..200),
            reserved in proptest::collection::vec(0usize..40, 0..8),
        ) {
            let (mut index, mut list) = (PlaceIndex::default(), Vec::<Place>::new());
            let place = |key: u8| Place::new(Column::Due, &[key]);
            let find = |index: &PlaceIndex, list: &[Place], place: &Place| {
                index.find(index.hash(place), |at| list[at] == *place)
            };
            for (step, key) in keys.iter().enumerate() {
                reserved.get(step).into_iter().for_each(|more| index.reserve(*more));
                let place = place(*key);
                match find(&index, &list, &place) {
                    Some(at) => prop_assert_eq!(&list[at], &place),
                    None => {
                        index.insert(index.hash(&place), list.len());
                        list.push(place);
                    }
                }
            }
            for key in 0..=u8::MAX {
                prop_assert_eq!(find(&index, &list, &place(key)).is_some(), keys.contains(&key));
            }
            prop_assert!(list.len() <= 256, "each once");
        }
    }

    #[test]
    fn places_whose_hashes_are_alike_are_told_apart() {
        let mut index = PlaceIndex::default();
        (0..20).for_each(|number| index.insert(PlaceHash(7), number));
        (0..20).for_each(|number| assert_eq!(index.find(PlaceHash(7), |at| at == number), Some(number)));
        assert_eq!(index.find(PlaceHash(7), |at| at == 20), None);
        assert_eq!(index.find(PlaceHash(7 + (1 << 20)), |_| true), None);
    }
}
