//! What happens in a run: drawn from a seed. The words are those of the simulation's plans.
//!
//! A plan is a list, and not a prophecy: processes, disks and the machine's other work are as they are, so the same plan is
//! another run each time. What the seed repeats is which faults come, in which order, and how long they last.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use std::fmt;

/// How long a fault lasts, and the rest after it, in ms.
const LASTS_MS: std::ops::Range<u64> = 500..4_000;
const REST_MS: std::ops::Range<u64> = 300..1_500;
/// By how far a clock is off at most, in ms.
const CLOCK_AHEAD_MS_MAX: u64 = 10_000;

/// What is between the nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ground {
    /// The machine's loopback, which is never cut. Clocks may be off: a rehearsal's clock is for one machine.
    Loopback,
    /// A network namespace for each, and links between them.
    Links,
}

/// A run before it is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub seed: u64,
    pub validators: usize,
    pub ground: Ground,
    pub steps: Vec<Step>,
}

/// One thing that happens. Nothing depends on an earlier step being there: what makes no sense does nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Wait(u64),
    /// A node's process is killed, as by `kill -9`.
    Crash(usize),
    Start(usize),
    /// A node's process is stopped in its tracks, as by `kill -STOP`.
    Pause(usize),
    Resume(usize),
    /// All are killed at once, and started.
    Power,
    /// A node's clock is ahead by so many ms from its next start on.
    Clock(usize, u64),
    /// A node's disk is full.
    Fill(usize),
    /// A node's disk has room again, and the node is started if it stopped.
    Free(usize),
    /// A node is killed, its files are damaged, and it is started: it serves, or it refuses and is rebuilt from its peers.
    Damage(usize, Damage),
    /// Nothing that these send reaches those.
    Mute(Vec<usize>, Vec<usize>),
    /// Nothing passes between these and those.
    Part(Vec<usize>, Vec<usize>),
    /// What a node sends takes so many ms more, and so many of a hundred packets are lost; or its link is narrow.
    Slow(usize, u64, u64),
    /// All see each other as they did.
    Heal,
}

/// What becomes of a node's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// One of the store's tables is gone; its list of files, where it has none yet.
    MissingTable,
    /// The store's list of files is gone.
    MissingManifest,
    /// A bit of the store's log is another.
    FlippedLog,
    /// The last bytes of the store's log are gone.
    TornLog,
    /// The whole data directory is gone.
    Wiped,
}

impl Plan {
    /// The plan of a seed, with so many faults. With more of them it begins with the same ones.
    pub fn of(seed: u64, validators: usize, ground: Ground, faults: usize) -> Self {
        let rng = &mut StdRng::seed_from_u64(seed);
        let mut steps = vec![rest(rng)];
        let mut is_damaged = false;
        for _ in 0..faults {
            // Once at most: a node that lost its vote takes the place of one that may fail.
            let damages = rng.random_bool(0.15) && !is_damaged && ground == Ground::Loopback;
            is_damaged |= damages;
            steps.extend(match ground {
                _ if damages => vec![damage(rng, validators)],
                Ground::Loopback => of_machines(rng, validators),
                Ground::Links => of_links(rng, validators),
            });
            steps.push(rest(rng));
        }
        Self { seed, validators, ground, steps }
    }

    /// Whether a node's disk is filled at some time.
    pub fn fills(&self, node: usize) -> bool {
        self.steps.contains(&Step::Fill(node))
    }
}

fn rest(rng: &mut StdRng) -> Step {
    Step::Wait(rng.random_range(REST_MS))
}

fn lasts(rng: &mut StdRng) -> Step {
    Step::Wait(rng.random_range(LASTS_MS))
}

/// A fault of a process, a clock or a disk, and its end. Two of them at once are more than four validators bear: they stand
/// still until one is back.
fn of_machines(rng: &mut StdRng, validators: usize) -> Vec<Step> {
    let node = rng.random_range(0..validators);
    let lasts = lasts(rng);
    match rng.random_range(0..100) {
        0..30 => vec![Step::Crash(node), lasts, Step::Start(node)],
        // Killed again while it still recovers.
        30..38 => {
            let at_once = Step::Wait(rng.random_range(50..600));
            vec![Step::Crash(node), Step::Start(node), at_once, Step::Crash(node), lasts, Step::Start(node)]
        }
        38..58 => vec![Step::Pause(node), lasts, Step::Resume(node)],
        58..72 => {
            let other = (node + rng.random_range(1..validators)) % validators;
            let meanwhile = self::lasts(rng);
            let begin = [Step::Crash(node), Step::Pause(other)];
            begin.into_iter().chain([lasts, Step::Start(node), meanwhile, Step::Resume(other)]).collect()
        }
        72..80 => {
            let ahead = Step::Clock(node, rng.random_range(500..CLOCK_AHEAD_MS_MAX));
            let right = Step::Clock(node, 0);
            vec![Step::Crash(node), ahead, Step::Start(node), lasts, Step::Crash(node), right, Step::Start(node)]
        }
        80..90 => vec![Step::Fill(node), lasts, Step::Free(node)],
        _ => vec![Step::Power],
    }
}

fn damage(rng: &mut StdRng, validators: usize) -> Step {
    let kinds = [Damage::MissingTable, Damage::MissingManifest, Damage::FlippedLog, Damage::TornLog, Damage::Wiped];
    Step::Damage(rng.random_range(0..validators), kinds[rng.random_range(0..kinds.len())])
}

/// A fault of links, now and then of a process as well, and its end.
fn of_links(rng: &mut StdRng, validators: usize) -> Vec<Step> {
    let node = rng.random_range(0..validators);
    let lasts = lasts(rng);
    let (left, right) = two_sides(rng, validators);
    match rng.random_range(0..100) {
        0..30 => vec![Step::Part(left, right), lasts, Step::Heal],
        30..45 => vec![Step::Mute(left, right), lasts, Step::Heal],
        45..60 => flapping(rng, &left, &right),
        60..80 => {
            let slow = Step::Slow(node, rng.random_range(50..500), rng.random_range(1..20));
            vec![slow, lasts, Step::Heal]
        }
        80..92 => vec![Step::Part(left, right), Step::Crash(node), lasts, Step::Start(node), Step::Heal],
        _ => vec![Step::Crash(node), lasts, Step::Start(node)],
    }
}

/// Two sides, of which neither is empty.
fn two_sides(rng: &mut StdRng, validators: usize) -> (Vec<usize>, Vec<usize>) {
    let first = rng.random_range(0..validators);
    let others = (1..validators).map(|step| (first + step) % validators);
    let alone = (first + rng.random_range(1..validators)) % validators;
    let (left, right): (Vec<_>, Vec<_>) = others.partition(|node| *node != alone && rng.random_bool(0.5));
    ([vec![first], left].concat(), right)
}

/// A link that comes and goes.
fn flapping(rng: &mut StdRng, left: &[usize], right: &[usize]) -> Vec<Step> {
    let mut once = || {
        let cut = Step::Part(left.to_vec(), right.to_vec());
        [cut, Step::Wait(rng.random_range(50..400)), Step::Heal, Step::Wait(rng.random_range(50..400))]
    };
    (0..4).flat_map(|_| once()).collect()
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ground = match self.ground {
            Ground::Loopback => "on one machine",
            Ground::Links => "over links",
        };
        write!(f, "seed {} among {} {ground}", self.seed, self.validators)
    }
}

#[test]
fn a_seed_is_a_plan_and_every_kind_of_fault_comes_in_some() {
    for ground in [Ground::Loopback, Ground::Links] {
        assert_eq!(Plan::of(7, 4, ground, 20), Plan::of(7, 4, ground, 20));
        assert_ne!(Plan::of(7, 4, ground, 20).steps, Plan::of(8, 4, ground, 20).steps);
        assert!(Plan::of(7, 4, ground, 20).steps.starts_with(&Plan::of(7, 4, ground, 8).steps));
    }
    let all: Vec<Step> =
        [Ground::Loopback, Ground::Links].iter().flat_map(|ground| Plan::of(1, 7, *ground, 400).steps).collect();
    let has = |kind: fn(&Step) -> bool| all.iter().any(kind);
    assert!(has(|step| matches!(step, Step::Clock(..))) && has(|step| matches!(step, Step::Fill(_))));
    assert!(has(|step| matches!(step, Step::Damage(..))) && has(|step| matches!(step, Step::Power)));
    assert!(has(|step| matches!(step, Step::Mute(..))) && has(|step| matches!(step, Step::Slow(..))));
    let parted = all.iter().filter_map(|step| match step {
        Step::Part(left, right) => Some((left.len(), right.len())),
        _ => None,
    });
    parted.for_each(|(left, right)| assert!(left > 0 && right > 0 && left + right == 7, "{left} and {right}"));
}
