//! A bounded queue that many senders share: each has a line of its own, and they are served in turns.
//!
//! # Invariants
//! * What waits costs no more than the queue may hold, whoever sends.
//! * When it is full, room is made by whoever takes up most of it, the newest of theirs first, and only for a sender who would
//!   take up less. So one that sends without end, or in whose name someone does, delays another by one and keeps nobody out.
//! * What one sender sent is taken in the order in which it came.
//!
//! # Deliberately absent
//! Whether senders are who they say: they are named by transactions whose signatures are not verified yet. So a name that
//! someone else floods is crowded by the flood; telling the two apart takes their connections, which are not known here.

use crate::primitives::AccountId;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;

/// One sender's line.
struct Line<T> {
    items: VecDeque<(u64, T)>,
    cost: u64,
}

/// See the module.
pub(super) struct SharedQueue<T> {
    lines: BTreeMap<AccountId, Line<T>>,
    /// The same by what they cost, the dearest last.
    by_cost: BTreeSet<(u64, AccountId)>,
    cost: u64,
    len: usize,
    /// The sender whose turn came last.
    served_last: Option<AccountId>,
}

impl<T> Default for SharedQueue<T> {
    fn default() -> Self {
        Self { lines: BTreeMap::new(), by_cost: BTreeSet::new(), cost: 0, len: 0, served_last: None }
    }
}

impl<T> SharedQueue<T> {
    /// Queues an item behind its sender's others, and returns what had to make room for it.
    ///
    /// # Errors
    /// The item, and whatever had made room for it by then: there is none, and the sender has its share.
    pub(super) fn push(&mut self, sender: AccountId, cost: u64, item: T, cost_max: u64) -> Result<Vec<T>, Vec<T>> {
        let mut displaced = Vec::new();
        let own = self.lines.get(&sender).map_or(0, |line| line.cost).saturating_add(cost);
        while self.cost.saturating_add(cost) > cost_max {
            match self.by_cost.last().copied() {
                Some((most, other)) if other != sender && most > own => displaced.extend(self.remove(other, false)),
                Some(_) | None => {
                    displaced.push(item);
                    return Err(displaced);
                }
            }
        }
        let line = self.lines.entry(sender).or_insert_with(|| Line { items: VecDeque::new(), cost: 0 });
        self.by_cost.remove(&(line.cost, sender));
        line.items.push_back((cost, item));
        line.cost += cost;
        self.by_cost.insert((line.cost, sender));
        self.cost += cost;
        self.len += 1;
        Ok(displaced)
    }

    /// How many items wait.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// What is taken next.
    pub(super) fn peek(&self) -> Option<&T> {
        self.lines.get(&self.next_sender()?)?.items.front().map(|(_, item)| item)
    }

    /// Takes the oldest item of the sender after the one that was served last.
    pub(super) fn take(&mut self) -> Option<T> {
        let sender = self.next_sender()?;
        self.served_last = Some(sender);
        self.remove(sender, true)
    }

    fn next_sender(&self) -> Option<AccountId> {
        let after = self.served_last.map_or(Bound::Unbounded, Bound::Excluded);
        let later = self.lines.range((after, Bound::Unbounded)).next();
        later.or_else(|| self.lines.first_key_value()).map(|(sender, _)| *sender)
    }

    /// Removes a sender's oldest item, or its newest.
    fn remove(&mut self, sender: AccountId, oldest: bool) -> Option<T> {
        let line = self.lines.get_mut(&sender)?;
        let (cost, item) = if oldest { line.items.pop_front() } else { line.items.pop_back() }?;
        self.by_cost.remove(&(line.cost, sender));
        line.cost -= cost;
        self.cost -= cost;
        self.len -= 1;
        match line.items.is_empty() {
            true => drop(self.lines.remove(&sender)),
            false => drop(self.by_cost.insert((line.cost, sender))),
        }
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FLOOD: AccountId = AccountId([1; 32]);
    const HONEST: AccountId = AccountId([2; 32]);

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

    proptest! {
        /// Whatever comes and goes, the costs are those of what waits, within the bound, and nothing is lost or taken twice.
        #[test]
        fn everything_pushed_is_taken_displaced_or_refused_once(
            steps in proptest::collection::vec((0u8..4, 1u64..8, any::<bool>()), 1..200),
        ) {
            let (mut queue, mut left) = (SharedQueue::default(), Vec::new());
            for (number, (sender, cost, takes)) in steps.iter().enumerate() {
                left.extend(match queue.push(AccountId([*sender; 32]), *cost, number, 20) {
                    Ok(displaced) | Err(displaced) => displaced,
                });
                if *takes {
                    left.extend(queue.take());
                }
                let costs: u64 = queue.lines.values().map(|line| line.cost).sum();
                prop_assert_eq!(costs, queue.cost);
                prop_assert!(queue.cost <= 20);
                prop_assert_eq!(queue.len(), queue.lines.values().map(|line| line.items.len()).sum::<usize>());
                prop_assert_eq!(queue.by_cost.len(), queue.lines.len());
            }
            left.extend(std::iter::from_fn(|| queue.take()));
            left.sort_unstable();
            prop_assert_eq!(left, (0..steps.len()).collect::<Vec<_>>());
        }
    }
}
