//! What each client has left of its budget.
//!
//! A budget fills by the second and holds what two seconds bring. It is kept as one time: that at which it would be full. What is
//! taken moves that time on, and what there is not yet is taken ahead of time: whoever takes it waits once, for as long as it
//! says, and no two wait for the same. What something came to cost beyond what it was let in for is a debt, and whoever has one
//! waits until it is paid.
//!
//! # Invariants
//! * Over any time a client takes no more than two seconds' worth, what the time brings, and its debts.
//! * A debt is at most [`DEBT_MAX`]: a mistake does not shut anybody out for long.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long an empty budget takes to fill.
const FULL_AFTER: Duration = Duration::from_secs(2);
/// How long the largest debt takes to be paid.
pub(super) const DEBT_MAX: Duration = Duration::from_secs(10);

/// The budgets of all clients that took of theirs lately.
pub(super) struct Budgets<K> {
    per_second: NonZeroU32,
    full_at: Mutex<BTreeMap<K, Instant>>,
}

impl<K: Ord + Copy> Budgets<K> {
    /// Full ones, of what fills in a second.
    pub fn new(per_second: NonZeroU32) -> Self {
        Self { per_second, full_at: Mutex::default() }
    }

    fn full_at(&self) -> MutexGuard<'_, BTreeMap<K, Instant>> {
        self.full_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long a budget takes to bring so much.
    fn brings(&self, weight: u32) -> Duration {
        Duration::from_secs(1) * weight / self.per_second.get()
    }

    /// Takes so much of a client's budget, and tells how long it is to be waited until it is there: not at all if it is.
    ///
    /// # Errors
    /// That time, if it is longer than `patience`. Then nothing is taken.
    pub fn take(&self, client: K, weight: u32, patience: Duration, now: Instant) -> Result<Duration, Duration> {
        let mut budgets = self.full_at();
        let full_at = budgets.get(&client).copied().unwrap_or(now).max(now) + self.brings(weight);
        let wait = full_at.saturating_duration_since(now).saturating_sub(FULL_AFTER);
        if wait > patience {
            return Err(wait);
        }
        budgets.insert(client, full_at);
        Ok(wait)
    }

    /// Takes what something came to cost, whether it is there or not.
    pub fn owe(&self, client: K, weight: u32, now: Instant) {
        let mut budgets = self.full_at();
        let before = budgets.get(&client).copied().unwrap_or(now).max(now);
        // What was taken ahead of time stays taken.
        let latest = before.max(now + FULL_AFTER + DEBT_MAX);
        budgets.insert(client, (before + self.brings(weight)).min(latest));
    }

    /// Forgets those whose budget is full.
    pub fn forget_the_full(&self, now: Instant) {
        self.full_at().retain(|_, full_at| *full_at > now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(1);

    fn budgets() -> Budgets<u8> {
        Budgets::new(NonZeroU32::new(10).unwrap())
    }

    #[test]
    fn what_is_not_there_yet_is_waited_for_once_and_in_turn() {
        let (budgets, now) = (budgets(), Instant::now());
        assert_eq!(budgets.take(1, 20, PATIENCE, now), Ok(Duration::ZERO), "two seconds' worth");
        let waits = [5, 5].map(|weight| budgets.take(1, weight, PATIENCE, now).unwrap().as_millis());
        assert_eq!(waits, [500, 1_000], "one after the other");
        assert_eq!(budgets.take(1, 1, PATIENCE, now).unwrap_err().as_millis(), 1_100);
        assert_eq!(budgets.take(2, 20, PATIENCE, now), Ok(Duration::ZERO), "another's is its own");
        let later = now + Duration::from_millis(1_100);
        assert_eq!(budgets.take(1, 1, PATIENCE, later), Ok(Duration::ZERO), "what was refused took nothing");
    }

    #[test]
    fn debts_are_paid_and_bounded() {
        let (budgets, now) = (budgets(), Instant::now());
        budgets.owe(1, 25, now);
        assert_eq!(budgets.take(1, 1, PATIENCE, now).unwrap().as_millis(), 600);
        budgets.owe(1, 1_000_000, now);
        assert_eq!(budgets.take(1, 1, PATIENCE, now).unwrap_err(), DEBT_MAX + Duration::from_millis(100));
        budgets.forget_the_full(now);
        assert_eq!(budgets.full_at().len(), 1);
        let far = budgets.take(2, 1_000, Duration::MAX, now).unwrap();
        budgets.owe(2, 1, now);
        assert!(budgets.take(2, 1, Duration::MAX, now).unwrap() > far, "nothing is given back for a debt");
        let later = now + Duration::from_secs(1_000);
        budgets.forget_the_full(later);
        assert!(budgets.full_at().is_empty());
        assert_eq!(budgets.take(1, 20, PATIENCE, later), Ok(Duration::ZERO), "never more than two seconds' worth");
        assert_eq!(budgets.take(1, 20, PATIENCE, later).unwrap_err().as_millis(), 2_000);
    }
}
