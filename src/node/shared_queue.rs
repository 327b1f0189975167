//! A bounded queue that many share. Each source of what comes in has its share, and within it each sender a line of its own; both
//! are served in turns.
//!
//! # Invariants
//! * What waits costs no more than the queue may hold, whoever sends.
//! * When it is full, room is made by the source that takes up most of it, the newest of its longest line first, and only for a source
//!   that would take up less; within one source likewise by sender. So whoever sends without end, in its own name or in others',
//!   delays another by one and keeps nobody out.
//! * What one sender sent by one way is taken in the order in which it came.
//!
//! # Deliberately absent
//! Whether senders are who they say: they are named by transactions whose signatures are not verified yet. That is why sources
//! come first: a name that someone else floods is crowded where the flood comes from, and nowhere else.

use crate::primitives::AccountId;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;

/// Whom something came from, as far as those who bring it can be told apart. All who cannot are one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source(pub u64);

/// One sender's line.
struct Line<T> {
    items: VecDeque<(u64, T)>,
    cost: u64,
}

/// What came from one source.
struct Share<T> {
    lines: BTreeMap<AccountId, Line<T>>,
    /// The same by what they cost, the dearest last.
    by_cost: BTreeSet<(u64, AccountId)>,
    cost: u64,
    /// The sender whose turn came last.
    served_last: Option<AccountId>,
}

impl<T> Share<T> {
    fn empty() -> Self {
        Self { lines: BTreeMap::new(), by_cost: BTreeSet::new(), cost: 0, served_last: None }
    }

    fn cost_of(&self, sender: &AccountId) -> u64 {
        self.lines.get(sender).map_or(0, |line| line.cost)
    }

    fn push(&mut self, sender: AccountId, cost: u64, item: T) {
        let line = self.lines.entry(sender).or_insert_with(|| Line { items: VecDeque::new(), cost: 0 });
        self.by_cost.remove(&(line.cost, sender));
        line.items.push_back((cost, item));
        line.cost += cost;
        self.by_cost.insert((line.cost, sender));
        self.cost += cost;
    }

    fn next_sender(&self) -> Option<AccountId> {
        next_after(&self.lines, self.served_last)
    }

    /// Removes a sender's oldest item, or its newest, and tells what it cost.
    fn remove(&mut self, sender: AccountId, oldest: bool) -> Option<(u64, T)> {
        let line = self.lines.get_mut(&sender)?;
        let (cost, item) = if oldest { line.items.pop_front() } else { line.items.pop_back() }?;
        self.by_cost.remove(&(line.cost, sender));
        line.cost -= cost;
        self.cost -= cost;
        match line.items.is_empty() {
            true => drop(self.lines.remove(&sender)),
            false => drop(self.by_cost.insert((line.cost, sender))),
        }
        Some((cost, item))
    }
}

/// The key whose turn comes after the last one's.
fn next_after<K: Ord + Copy, V>(turns: &BTreeMap<K, V>, last: Option<K>) -> Option<K> {
    let after = last.map_or(Bound::Unbounded, Bound::Excluded);
    let later = turns.range((after, Bound::Unbounded)).next();
    later.or_else(|| turns.first_key_value()).map(|(key, _)| *key)
}

/// See the module.
pub(super) struct SharedQueue<T> {
    shares: BTreeMap<Source, Share<T>>,
    /// The same by what they cost, the dearest last.
    by_cost: BTreeSet<(u64, Source)>,
    cost: u64,
    len: usize,
    /// The source whose turn came last.
    served_last: Option<Source>,
}

impl<T> Default for SharedQueue<T> {
    fn default() -> Self {
        Self { shares: BTreeMap::new(), by_cost: BTreeSet::new(), cost: 0, len: 0, served_last: None }
    }
}

impl<T> SharedQueue<T> {
    /// Queues an item behind its sender's others from this source, and returns what had to make room for it.
    ///
    /// # Errors
    /// The item, and whatever had made room for it by then: there is none, and the source and the sender have their share.
    pub(super) fn push(
        &mut self,
        (source, sender): (Source, AccountId),
        cost: u64,
        item: T,
        cost_max: u64,
    ) -> Result<Vec<T>, Vec<T>> {
        let mut displaced = Vec::new();
        while self.cost.saturating_add(cost) > cost_max {
            let Some(place) = self.place_that_makes_room(source, sender, cost) else {
                displaced.push(item);
                return Err(displaced);
            };
            displaced.extend(self.remove(place, false));
        }
        let share = self.shares.entry(source).or_insert_with(Share::empty);
        self.by_cost.remove(&(share.cost, source));
        share.push(sender, cost, item);
        self.by_cost.insert((share.cost, source));
        self.cost += cost;
        self.len += 1;
        Ok(displaced)
    }

    /// Whose newest item goes for one of this cost: the longest line's of the dearest source, if that is dearer than the item's would
    /// become; else the longest line's of the same source, if that is longer than the sender's would become.
    fn place_that_makes_room(&self, source: Source, sender: AccountId, cost: u64) -> Option<(Source, AccountId)> {
        let own = self.shares.get(&source);
        let own_cost = own.map_or(0, |share| share.cost).saturating_add(cost);
        if let Some((most, other)) = self.by_cost.last().copied()
            && other != source
            && most > own_cost
        {
            let (_, longest) = self.shares.get(&other)?.by_cost.last().copied()?;
            return Some((other, longest));
        }
        let own = own?;
        let (most, other) = own.by_cost.last().copied()?;
        (other != sender && most > own.cost_of(&sender).saturating_add(cost)).then_some((source, other))
    }

    /// How many items wait.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// What is taken next.
    pub(super) fn peek(&self) -> Option<&T> {
        let share = self.shares.get(&self.next_source()?)?;
        share.lines.get(&share.next_sender()?)?.items.front().map(|(_, item)| item)
    }

    /// Takes the oldest item of the sender whose turn it is of the source after the one that was served last.
    pub(super) fn take(&mut self) -> Option<T> {
        let source = self.next_source()?;
        let share = self.shares.get_mut(&source)?;
        let sender = share.next_sender()?;
        share.served_last = Some(sender);
        self.served_last = Some(source);
        self.remove((source, sender), true)
    }

    fn next_source(&self) -> Option<Source> {
        next_after(&self.shares, self.served_last)
    }

    fn remove(&mut self, (source, sender): (Source, AccountId), oldest: bool) -> Option<T> {
        let share = self.shares.get_mut(&source)?;
        let before = share.cost;
        let (cost, item) = share.remove(sender, oldest)?;
        self.by_cost.remove(&(before, source));
        self.cost -= cost;
        self.len -= 1;
        match share.lines.is_empty() {
            true => drop(self.shares.remove(&source)),
            false => drop(self.by_cost.insert((share.cost, source))),
        }
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HERE: Source = Source(1);
    const FLOOD: (Source, AccountId) = (HERE, AccountId([1; 32]));
    const HONEST: (Source, AccountId) = (HERE, AccountId([2; 32]));

    #[test]
    fn a_flood_makes_room_for_another_and_delays_it_by_one() {
        let mut queue = SharedQueue::default();
        for number in 0..10 {
            assert_eq!(queue.push(FLOOD, 1, number, 10), Ok(vec![]));
        }
        assert_eq!(queue.push(FLOOD, 1, 10, 10), Err(vec![10]), "its own line is the longest");
        assert_eq!(queue.push(HONEST, 1, 100, 10), Ok(vec![9]), "the newest of the longest makes room");
        assert_eq!([queue.take(), queue.take(), queue.take()], [Some(0), Some(100), Some(1)]);
        // As long as the other's, but no longer.
        let pushed: Vec<_> = (101..110).map(|number| queue.push(HONEST, 1, number, 10).is_ok()).collect();
        assert_eq!(pushed.iter().filter(|ok| **ok).count(), 5, "{pushed:?}");
    }

    /// A flood in an honest sender's own name, or in a hundred names, crowds the place where it comes from.
    #[test]
    fn a_flood_in_anothers_name_or_in_many_makes_room_for_who_comes_from_elsewhere() {
        let elsewhere = (Source(2), HONEST.1);
        for name in [|_: u8| HONEST.1, |number: u8| AccountId([number; 32])] {
            let mut queue = SharedQueue::default();
            for number in 0..10 {
                assert_eq!(queue.push((HERE, name(number)), 1, number, 10), Ok(vec![]));
            }
            for number in 100..105 {
                let made_room = queue.push(elsewhere, 1, number, 10);
                assert!(made_room.as_ref().is_ok_and(|displaced| displaced.len() == 1), "{number}: {made_room:?}");
            }
            let taken: Vec<u8> = std::iter::from_fn(|| queue.take()).collect();
            assert!(taken[..2].contains(&100) && taken[2..4].contains(&101), "each source in turn: {taken:?}");
        }
    }

    proptest! {
        /// Whatever comes and goes, the costs are those of what waits, within the bound, and nothing is lost or taken twice.
        #[test]
        fn everything_pushed_is_taken_displaced_or_refused_once(
            steps in proptest::collection::vec((0u64..3, 0u8..4, 1u64..8, any::<bool>()), 1..200),
        ) {
            let (mut queue, mut left) = (SharedQueue::default(), Vec::new());
            for (number, (source, sender, cost, takes)) in steps.iter().enumerate() {
                left.extend(match queue.push((Source(*source), AccountId([*sender; 32])), *cost, number, 20) {
                    Ok(displaced) | Err(displaced) => displaced,
                });
                if *takes {
                    left.extend(queue.take());
                }
                let lines = || queue.shares.values().flat_map(|share| share.lines.values());
                prop_assert_eq!(lines().map(|line| line.cost).sum::<u64>(), queue.cost);
                prop_assert!(queue.cost <= 20);
                prop_assert_eq!(queue.len(), lines().map(|line| line.items.len()).sum::<usize>());
                let by_cost: BTreeSet<_> = queue.shares.iter().map(|(source, share)| (share.cost, *source)).collect();
                prop_assert_eq!(&queue.by_cost, &by_cost);
                for share in queue.shares.values() {
                    let by_cost: BTreeSet<_> = share.lines.iter().map(|(sender, line)| (line.cost, *sender)).collect();
                    prop_assert_eq!(&share.by_cost, &by_cost);
                }
            }
            left.extend(std::iter::from_fn(|| queue.take()));
            left.sort_unstable();
            prop_assert_eq!(left, (0..steps.len()).collect::<Vec<_>>());
        }
    }
}
