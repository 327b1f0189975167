//! Which heights are there, as ranges: small in memory and on disk, however long the chain.
//!
//! The engine asks for gaps synchronously and often. Blocks arrive in order, or backwards to fill a gap, so there is
//! seldom more than one range or two.
//!
//! # Invariant
//! Ranges are not empty, do not overlap, and do not touch: between two of them a height is missing.

use std::collections::BTreeMap;

/// A set of heights.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct HeightRanges {
    /// Last height by first height, both inclusive.
    ranges: BTreeMap<u64, u64>,
}

/// Ranges as stored break the invariant.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct MalformedRanges;

impl HeightRanges {
    pub fn contains(&self, height: u64) -> bool {
        self.range_of(height).is_some()
    }

    pub fn first(&self) -> Option<u64> {
        self.ranges.keys().next().copied()
    }

    pub fn last(&self) -> Option<u64> {
        self.ranges.values().next_back().copied()
    }

    /// The lowest height from which on every height up to this one is there; the next one, if it is not there itself.
    pub fn reaches_down_to(&self, height: u64) -> u64 {
        self.range_of(height).map_or(height.saturating_add(1), |(start, _)| start)
    }

    /// Takes a height in, and joins the ranges that it touches.
    pub fn insert(&mut self, height: u64) {
        if self.contains(height) {
            return;
        }
        let mut start = height;
        let mut end = height;
        if let Some((before, _)) = height.checked_sub(1).and_then(|below| self.range_of(below)) {
            start = before;
        }
        if let Some(after) = height.checked_add(1).and_then(|above| self.ranges.remove(&above)) {
            end = after;
        }
        self.ranges.insert(start, end);
    }

    /// Takes a height out.
    pub fn remove(&mut self, height: u64) {
        let Some((start, end)) = self.range_of(height) else {
            return;
        };
        self.ranges.remove(&start);
        if start < height {
            self.ranges.insert(start, height - 1);
        }
        if height < end {
            self.ranges.insert(height + 1, end);
        }
    }

    /// The end of the range that `height` is in, and the start of the first range beyond `height`.
    pub fn next_gap(&self, height: u64) -> (Option<u64>, Option<u64>) {
        let current_end = self.range_of(height).map(|(_, end)| end);
        let above = height.checked_add(1);
        let next_start = above.and_then(|above| self.ranges.range(above..).next()).map(|(start, _)| *start);
        (current_end, next_start)
    }

    /// At most `max` missing heights at or above `start` and below the last range.
    pub fn missing(&self, start: u64, max: usize) -> Vec<u64> {
        let mut missing = Vec::new();
        let mut at = start;
        for (first, last) in self.ranges_from(start) {
            missing.extend((at..first).take(max - missing.len()));
            match last.checked_add(1) {
                Some(beyond) if missing.len() < max => at = beyond,
                _ => break,
            }
        }
        missing
    }

    /// The ranges that contain `from` or follow it.
    pub fn ranges_from(&self, from: u64) -> impl Iterator<Item = (u64, u64)> {
        let first = self.range_of(from).map_or(from, |(start, _)| start);
        self.ranges.range(first..).map(|(start, end)| (*start, *end))
    }

    /// First and last of each range, big-endian.
    pub fn encode(&self) -> Vec<u8> {
        self.ranges.iter().flat_map(|(start, end)| [start.to_be_bytes(), end.to_be_bytes()]).flatten().collect()
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, MalformedRanges> {
        let (pairs, []) = bytes.as_chunks::<16>() else {
            return Err(MalformedRanges);
        };
        let mut ranges = BTreeMap::new();
        let mut lowest = Some(0);
        for pair in pairs {
            let pair = u128::from_be_bytes(*pair);
            let (start, end) = ((pair >> 64) as u64, pair as u64);
            if start > end || lowest.is_none_or(|lowest| start < lowest) {
                return Err(MalformedRanges);
            }
            ranges.insert(start, end);
            // The next range may not touch this one.
            lowest = end.checked_add(2);
        }
        Ok(Self { ranges })
    }

    fn range_of(&self, height: u64) -> Option<(u64, u64)> {
        let (start, end) = self.ranges.range(..=height).next_back()?;
        (height <= *end).then_some((*start, *end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use commonware_storage::rmap::RMap;
    use proptest::prelude::*;

    proptest! {
        /// Whatever comes and goes, the answers are those of the engine's own range map.
        #[test]
        fn answers_as_the_engines_own_map(
            steps in prop::collection::vec((any::<bool>(), 0..40u64), 0..80),
            at in 0..45u64,
            max in 1..10usize,
        ) {
            let mut ours = HeightRanges::default();
            let mut theirs = RMap::new();
            for (insert, height) in steps {
                if insert {
                    ours.insert(height);
                    theirs.insert(height);
                } else {
                    ours.remove(height);
                    theirs.remove(height, height);
                }
            }
            prop_assert_eq!(ours.next_gap(at), theirs.next_gap(at));
            prop_assert_eq!(ours.missing(at, max), theirs.missing_items(at, max));
            prop_assert_eq!(ours.last(), theirs.last_index());
            prop_assert_eq!(ours.first(), theirs.first_index());
            prop_assert_eq!(ours.contains(at), theirs.get(at).is_some());
            let from_ours: Vec<_> = ours.ranges_from(at).collect();
            let from_theirs: Vec<_> = theirs.iter_from(at).map(|(start, end)| (*start, *end)).collect();
            prop_assert_eq!(from_ours, from_theirs);
            prop_assert_eq!(HeightRanges::decode(&ours.encode()), Ok(ours));
        }

        #[test]
        fn any_bytes_decode_or_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(ranges) = HeightRanges::decode(&bytes) {
                prop_assert_eq!(ranges.encode(), bytes);
            }
        }
    }

    #[test]
    fn the_highest_height_is_a_height() {
        let mut ranges = HeightRanges::default();
        ranges.insert(u64::MAX);
        ranges.insert(u64::MAX - 1);
        assert_eq!(ranges.next_gap(u64::MAX), (Some(u64::MAX), None));
        assert_eq!(ranges.missing(u64::MAX - 2, 5), [u64::MAX - 2]);
        assert_eq!(HeightRanges::decode(&ranges.encode()), Ok(ranges));
    }
}
