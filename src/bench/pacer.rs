//! When each payment is meant to be sent. Latency counts from here, however late it is sent.
//!
//! * Open loop: payment `i` is due at `i / rate` after the start, whatever became of those before it. Lanes take turns, so
//!   a lane that its node holds up delays nobody else's payments, and its own are late by the clock.
//! * Closed loop: a payment is due when the slot that it takes became free.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// How long a slot rests after a refusal: a node without room is not asked in a tight loop.
const REST: Duration = Duration::from_millis(50);

/// One payment that may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// Which of those that were signed.
    pub index: usize,
    /// When it was meant to be sent.
    pub at: Instant,
}

/// The pace of one lane.
#[derive(Debug)]
pub struct Pacer {
    start: Instant,
    /// When nothing more is sent.
    end: Instant,
    /// How many payments were signed, for all lanes.
    supply: usize,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Open { interval: f64, next: usize, lanes: usize },
    Closed { free: VecDeque<Instant>, resting: VecDeque<Instant>, taken: Arc<AtomicUsize> },
}

impl Pacer {
    /// An open loop's lane: of `lanes`, the one that begins with payment `lane`.
    pub fn open(start: Instant, end: Instant, supply: usize, rate: f64, (lane, lanes): (usize, usize)) -> Self {
        Self { start, end, supply, kind: Kind::Open { interval: 1.0 / rate, next: lane, lanes } }
    }

    /// A closed loop's lane of so many slots. Lanes share the counter of payments taken.
    pub fn closed(start: Instant, end: Instant, supply: usize, slots: usize, taken: Arc<AtomicUsize>) -> Self {
        let free = std::iter::repeat_n(start, slots).collect();
        Self { start, end, supply, kind: Kind::Closed { free, resting: VecDeque::new(), taken } }
    }

    /// When the next payment is due; none if that waits for an answer, or if nothing more is sent.
    pub fn next_due(&self) -> Option<Instant> {
        let (next, left) = match &self.kind {
            Kind::Open { next, .. } => (Some(self.scheduled(*next)), *next < self.supply),
            Kind::Closed { free, resting, taken } => {
                let earliest = free.front().into_iter().chain(resting.front()).min();
                (earliest.copied(), taken.load(Ordering::Relaxed) < self.supply)
            }
        };
        next.filter(|at| left && *at < self.end)
    }

    /// Whether nothing more is sent, whatever is answered.
    pub fn is_over(&self, now: Instant) -> bool {
        match &self.kind {
            Kind::Open { .. } => self.next_due().is_none(),
            Kind::Closed { taken, .. } => now >= self.end || taken.load(Ordering::Relaxed) >= self.supply,
        }
    }

    /// The payments that are due by now, at most so many.
    pub fn take(&mut self, now: Instant, most: usize) -> Vec<Due> {
        let mut due = Vec::new();
        while due.len() < most && self.next_due().is_some_and(|at| at <= now) {
            match self.take_one() {
                Some(taken) => due.push(taken),
                None => break,
            }
        }
        due
    }

    fn take_one(&mut self) -> Option<Due> {
        let at = self.next_due()?;
        match &mut self.kind {
            Kind::Open { next, lanes, .. } => {
                let index = *next;
                *next += *lanes;
                Some(Due { index, at })
            }
            Kind::Closed { free, resting, taken } => {
                let index = taken.fetch_add(1, Ordering::Relaxed);
                let slots = if free.front() == Some(&at) { free } else { resting };
                slots.pop_front();
                (index < self.supply).then_some(Due { index, at })
            }
        }
    }

    /// An answer came.
    pub fn answered(&mut self, now: Instant, refused: bool) {
        if let Kind::Closed { free, resting, .. } = &mut self.kind {
            match refused {
                false => free.push_back(now),
                true => resting.push_back(now + REST),
            }
        }
    }

    fn scheduled(&self, index: usize) -> Instant {
        match &self.kind {
            Kind::Open { interval, .. } => self.start + Duration::from_secs_f64(index as f64 * interval),
            Kind::Closed { .. } => self.start,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn an_open_loop_keeps_its_schedule_however_late_it_is_asked() {
        let start = Instant::now();
        let lane = |lane| Pacer::open(start, start + SECOND, 1_000, 100.0, (lane, 2));
        let (mut even, mut odd) = (lane(0), lane(1));
        let at = |index: u32| start + Duration::from_millis(10) * index;
        assert_eq!(even.take(start, 256), [Due { index: 0, at: start }]);
        assert_eq!((even.next_due(), odd.next_due()), (Some(at(2)), Some(at(1))));
        // A second of silence: everything that was meant to be sent in it is due, each at its own time.
        let late = odd.take(start + SECOND * 5, 256);
        let expected: Vec<Due> = (0..50).map(|turn| Due { index: turn * 2 + 1, at: at(turn as u32 * 2 + 1) }).collect();
        assert_eq!(late, expected);
        assert!(odd.is_over(start + SECOND * 5) && !even.is_over(start + SECOND * 5));
        assert_eq!(even.take(start + SECOND * 5, 7).len(), 7);
    }

    #[test]
    fn a_closed_loop_sends_when_a_slot_is_free() {
        let start = Instant::now();
        let taken = Arc::new(AtomicUsize::new(0));
        let lane = || Pacer::closed(start, start + SECOND, 10, 3, taken.clone());
        let (mut one, mut other) = (lane(), lane());
        assert_eq!(one.take(start, 256).iter().map(|due| due.index).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(one.next_due(), None);
        assert_eq!(other.take(start, 2).iter().map(|due| due.index).collect::<Vec<_>>(), [3, 4]);
        let answered = start + SECOND / 4;
        one.answered(answered, false);
        // Sent a while after: its time is still that of the slot.
        assert_eq!(one.take(start + SECOND / 2, 256), [Due { index: 5, at: answered }]);
        one.answered(answered, true);
        assert_eq!(one.next_due(), Some(answered + REST));
        assert!(one.take(answered, 256).is_empty(), "a refused slot rests");
    }

    #[test]
    fn a_loop_ends_with_its_time_or_its_supply() {
        let start = Instant::now();
        let taken = Arc::new(AtomicUsize::new(0));
        let mut lane = Pacer::closed(start, start + SECOND, 2, 5, taken);
        assert_eq!(lane.take(start, 256).len(), 2);
        assert!(lane.is_over(start));
        let lane = Pacer::closed(start, start + SECOND, 2, 5, Arc::new(AtomicUsize::new(0)));
        assert!(!lane.is_over(start) && lane.is_over(start + SECOND));
        let mut open = Pacer::open(start, start + SECOND, 3, 100.0, (0, 1));
        assert_eq!(open.take(start + SECOND, 256).len(), 3);
        assert!(open.is_over(start + SECOND));
    }
}
