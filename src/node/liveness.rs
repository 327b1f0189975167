//! Whether blocks become final, and if they do not, who is silent.
//!
//! # Invariants
//! * A standstill is told from the ledger alone: no final block for longer than an idle ledger takes, or, while
//!   transactions wait, than a dead leader costs. The log says once that it began and once that it is over.
//! * It is a word to people. Nothing that the ledger computes, and no vote, depends on it.

use super::chain::Chain;
use super::clock::LedgerClock;
use super::metrics::NodeMetrics;
use super::seats::Seats;
use super::transactions::TransactionDesk;
use crate::consensus::{Hearing, Runtime};
use crate::primitives::PublicKey;
use crate::storage::Store;
use commonware_parallel::Strategy;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tracing::{info, warn};

/// How often the watch looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The shortest silence that is spoken of: two dead leaders in turn, and a slow machine, take less, unless a leader is
/// given longer than four seconds.
const STANDSTILL_MIN: Duration = Duration::from_secs(10);

/// What there is to know of a network's life, from one node. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Liveness {
    hearing: Hearing,
    /// This node's key, if it votes.
    voter: Option<PublicKey>,
    /// How long a view may take until its leader is given up on.
    leader_timeout: Duration,
    started: SystemTime,
    clock: LedgerClock,
}

/// How it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulse {
    /// How long ago the newest applied block's time was.
    pub final_age: Duration,
    /// Whether that is too long.
    pub stands_still: bool,
    /// Those heard lately, this node among them if it votes.
    pub heard: BTreeSet<PublicKey>,
}

impl Liveness {
    /// Of a node that starts now.
    pub fn new(
        hearing: Hearing,
        voter: Option<PublicKey>,
        leader_timeout: Duration,
        started: SystemTime,
        clock: LedgerClock,
    ) -> Self {
        Self { hearing, voter, leader_timeout, started, clock }
    }

    /// How it stands now, by the time of the newest applied block and how many transactions wait.
    pub fn pulse(&self, now: SystemTime, final_time_ms: u64, waiting: usize) -> Pulse {
        let since = |time| now.duration_since(time).unwrap_or_default();
        let final_time = UNIX_EPOCH + Duration::from_millis(final_time_ms);
        let final_age = self.clock.at(now).duration_since(final_time).unwrap_or_default();
        // A view of an idle ledger takes nearly its leader's time; some of them in a row may fail.
        let idle = (self.leader_timeout * 4).max(STANDSTILL_MIN);
        let patience = if waiting > 0 { STANDSTILL_MIN.max(self.leader_timeout * 5 / 2) } else { idle };
        let heard_since = now.checked_sub(idle).unwrap_or(UNIX_EPOCH);
        let mut heard = self.hearing.since(heard_since);
        heard.extend(self.voter);
        // A network that was off has an old block and no fault; it is given the same time from its start.
        Pulse { final_age, stands_still: final_age.min(since(self.started)) > patience, heard }
    }
}

/// What is watched, and where what is seen is counted.
pub struct Watched<S, T: Strategy> {
    /// Who is silent.
    pub liveness: Liveness,
    /// Whose silence matters.
    pub seats: Arc<Seats>,
    /// What is final.
    pub chain: Arc<Chain<S>>,
    /// What waits to be.
    pub desk: Arc<TransactionDesk<T>>,
    /// Where the gauges are.
    pub metrics: NodeMetrics,
}

/// How long a node waits for the next block that it knows to be final, until it says so.
const NOT_GIVEN_FOR: Duration = Duration::from_secs(30);

/// Whether the next block comes in, where it is known that there is one.
struct Fetching {
    applied: u64,
    since: SystemTime,
    told: bool,
}

impl Fetching {
    fn at(applied: u64, now: SystemTime) -> Self {
        Self { applied, since: now, told: false }
    }

    /// The block that nobody gives, the first time that this is so.
    fn look(&mut self, applied: u64, known_final: u64, now: SystemTime) -> Option<u64> {
        if applied != self.applied || known_final <= applied {
            *self = Self::at(applied, now);
        }
        let waited = now.duration_since(self.since).unwrap_or_default();
        let tells = !self.told && waited >= NOT_GIVEN_FOR;
        self.told |= tells;
        tells.then_some(applied + 1)
    }
}

/// Keeps the gauges of liveness, and says in the log when finality is lost and when it is back, until the runtime stops.
pub async fn watch<E: Runtime, S: Store, T: Strategy>(context: E, watched: Watched<S, T>) {
    let Watched { liveness, seats, chain, desk, metrics } = watched;
    let mut told = false;
    let mut fetching = Fetching::at(chain.head().header.height, context.current());
    loop {
        context.sleep(LOOK_EVERY).await;
        let header = &chain.head().header;
        let known_final = u64::try_from(metrics.final_height.get()).unwrap_or(0);
        if let Some(missing) = fetching.look(header.height, known_final, context.current()) {
            warn!(
                block = missing,
                seconds = NOT_GIVEN_FOR.as_secs(),
                "this block is final and no peer gives it. Where all of them have removed its body, this node begins from a \
                 snapshot: stop it, then `causeway rebuild` and `causeway snapshot restore`"
            );
        }
        let waiting = desk.waiting();
        let pulse = liveness.pulse(context.current(), header.time.0, waiting);
        let validators = &seats.now().validators;
        let heard = validators.keys().iter().filter(|key| pulse.heard.contains(key)).count();
        metrics.validators.set(validators.keys().len() as i64);
        metrics.validators_heard.set(heard as i64);
        metrics.pool_transactions.set(waiting as i64);
        metrics.stands_still.set(i64::from(pulse.stands_still));
        if pulse.stands_still == told {
            continue;
        }
        told = pulse.stands_still;
        if told {
            warn!(
                height = header.height,
                seconds = pulse.final_age.as_secs(),
                waiting,
                heard,
                validators = validators.keys().len(),
                quorum = validators.quorum(),
                "no block becomes final: {}",
                advice(heard, validators.quorum())
            );
        } else {
            info!(height = header.height, "blocks become final again");
        }
    }
}

/// What to look at first.
fn advice(heard: usize, quorum: usize) -> &'static str {
    if heard < quorum {
        "check that enough validators run and reach each other"
    } else {
        "enough validators are heard, but their blocks do not come through: check whether machines are overloaded, by the \
         times to build and to check a block and by how many were abandoned"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_standstill_is_told_after_a_while_and_from_the_nodes_own_start() {
        let liveness =
            Liveness::new(Hearing::default(), None, Duration::from_secs(6), at(1_000), LedgerClock::default());
        let stands_still =
            |now, final_time: u64, waiting| liveness.pulse(at(now), final_time * 1_000, waiting).stands_still;
        assert!(!stands_still(1_015, 10, 1), "the network was off, and has just begun; two leaders may be dead");
        assert!(stands_still(1_016, 10, 1));
        assert!(!stands_still(1_011, 1_010, 1));
        assert!(!stands_still(1_035, 1_012, 0), "an idle ledger takes its time");
        assert!(stands_still(1_037, 1_012, 0));
        assert!(!stands_still(1_000, 2_000, 1), "a clock behind the ledger's");
    }

    #[test]
    fn a_ledger_ahead_of_the_machine_is_as_old_as_by_its_own_clock() {
        let (ahead, timeout) = (Duration::from_secs(1_000_000), Duration::from_secs(6));
        let liveness = Liveness::new(Hearing::default(), None, timeout, at(0), LedgerClock::ahead_by(ahead));
        let pulse = |now, final_time: u64| liveness.pulse(at(now), final_time * 1_000, 1);
        assert_eq!(pulse(50, 1_000_040).final_age, Duration::from_secs(10));
        assert!(!pulse(50, 1_000_040).stands_still && pulse(50, 1_000_030).stands_still);
    }

    #[test]
    fn a_block_that_no_peer_gives_is_told_once() {
        let mut fetching = Fetching::at(7, at(100));
        assert_eq!(fetching.look(7, 7, at(200)), None, "there is none to fetch");
        assert_eq!(fetching.look(7, 9, at(229)), None, "it is on its way");
        assert_eq!(fetching.look(7, 9, at(230)), Some(8));
        assert_eq!(fetching.look(7, 9, at(300)), None, "it was said");
        assert_eq!(fetching.look(8, 9, at(301)), None);
        assert_eq!(fetching.look(8, 9, at(331)), Some(9), "the next one");
    }

    #[test]
    fn a_standstill_among_enough_validators_is_not_blamed_on_their_silence() {
        assert!(advice(2, 3).contains("reach each other"));
        assert!(advice(3, 3).contains("overloaded"));
    }

    #[test]
    fn a_voter_hears_itself_and_forgets_the_silent() {
        let (hearing, me, peer) = (Hearing::default(), PublicKey([1; 32]), PublicKey([2; 32]));
        let liveness = Liveness::new(hearing.clone(), Some(me), Duration::from_secs(2), at(0), LedgerClock::default());
        hearing.note(peer, at(100));
        assert_eq!(liveness.pulse(at(105), 0, 0).heard, BTreeSet::from([me, peer]));
        assert_eq!(liveness.pulse(at(120), 0, 0).heard, BTreeSet::from([me]));
    }
}
