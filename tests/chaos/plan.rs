//! What happens in a run: drawn from a seed. The words are those of the simulation's plans.
//!
//! A plan is a list, and not a prophecy: processes, disks and the machine's other work are as they are, so the same plan is
//! another run each time. What the seed repeats is which faults come, in which order, and how long they last.

use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
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

/// A fault and its end.
type Fault = fn(&mut StdRng, usize) -> Vec<Step>;

/// Faults of processes, clocks and disks, each with how many of a hundred it is. Two nodes that fail at once are more than four
/// validators bear: they stand still until one is back.
const OF_MACHINES: &[(u32, Fault)] = &[
    (30, crash),
    (8, crash_in_recovery),
    (20, pause),
    (14, crash_and_pause),
    (8, clock_ahead),
    (10, full_disk),
    (10, |_, _| vec![Step::Power]),
];

/// Faults of links, now and then of a process as well.
const OF_LINKS: &[(u32, Fault)] =
    &[(30, part), (15, mute), (15, flapping), (20, slow), (12, part_and_crash), (8, crash)];

impl Ground {
    const fn faults(self) -> &'static [(u32, Fault)] {
        match self {
            Self::Loopback => OF_MACHINES,
            Self::Links => OF_LINKS,
        }
    }
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
            let fault = if damages { damage } else { drawn(rng, ground.faults()) };
            steps.extend(fault(rng, validators));
            steps.push(rest(rng));
        }
        Self { seed, validators, ground, steps }
    }

    /// Every kind of fault once, in an order that the seed says.
    pub fn of_every_kind(seed: u64, validators: usize, ground: Ground) -> Self {
        let rng = &mut StdRng::seed_from_u64(seed);
        let damage: Option<Fault> = (ground == Ground::Loopback).then_some(damage);
        let mut faults: Vec<Fault> = ground.faults().iter().map(|(_, fault)| *fault).chain(damage).collect();
        faults.shuffle(rng);
        let mut steps = vec![rest(rng)];
        for fault in faults {
            steps.extend(fault(rng, validators));
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

fn drawn(rng: &mut StdRng, faults: &[(u32, Fault)]) -> Fault {
    let mut left = rng.random_range(0..faults.iter().map(|(share, _)| share).sum());
    let of_share = |(share, _): &&(u32, Fault)| {
        let here = left < *share;
        left = left.saturating_sub(*share);
        here
    };
    faults.iter().find(of_share).map_or(crash, |(_, fault)| *fault)
}

fn one_of(rng: &mut StdRng, validators: usize) -> usize {
    rng.random_range(0..validators)
}

fn crash(rng: &mut StdRng, validators: usize) -> Vec<Step> {
    let node = one_of(rng, validators);
    vec![Step::Crash(node), lasts(rng), Step::Start(node)]
}

/// Killed again while it still recovers.
fn crash_in_recovery(rng: &mut StdRng, validators: usize) -> Vec<Step> {
    let node = one_of(rng, validators);
    let at_once = Step::Wait(rng.random_range(50..600));
    vec![Step::Crash(node), Step::Start(node), at_once, Step::Crash(node), lasts(rng), Step::Start(node)]
}

fn pause(rng: &mut StdRng, validators: usize) -> Vec<Step> {
    let node = one_of(rng, validators);
    vec![Step::Pause(node), lasts(rng), Step::Resume(node)]
}

fn crash_and_pause(rng: &mut StdRng, validators: usize) -> Vec<Step> {
    let node = one_of(rng, validators);
    let other = (node + rng.random_range(1..validators)) % validators;
    let (both, one) = (lasts(rng), lasts(rng));
    vec![Step::Crash(node), Step::Pause(other), both, Step::Start(node), one, Step::Resume(other)]
}

fn clock_ahead(rng: &mut StdRng, validators: usize) -> Vec<Step> {
    let node = one_of(rng, validators);
    let ahead = Step::Clock(node, rng.random_range(500..CLOCK_AHEAD_MS_MAX));
    let right = Step::Clock(node, 0);
    vec![Step::Crash(node), ahead, Step::Start(node), lasts(rng), Step::Crash(node), right, Step::Start(node)]
}

fn full_disk(rng: &mut StdRng, validators: usize) -> Vec<Step> {
    let node = one_of(rng, validators);
    vec![Step::Fill(node), lasts(rng), Step::Free(node)]
}

fn damage(rng: &mut StdRng, validators: usize) -> Vec<Step> {
    let kinds = [Damage::MissingTable, Damage::MissingManifest, Damage::FlippedLog, Damage::TornLog, Damage::Wiped];
    vec![Step::Damage(one_of(rng, validators), kinds[rng.random_range(0..kinds.len())])]
}

fn part(rng: &mut StdRng, validators: usize) -> Vec<Step> {
    let (left, right) = two_sides(rng, validators);
    vec![Step::Part(left, right), lasts(rng), Step::Heal]
}

fn mute(rng: &mut StdRng, validators: usize) -> Vec<Step> {
    let (left, right) = two_sides(rng, validators);
    vec![Step::Mute(left, right), lasts(rng), Step::Heal]
}

fn slow(rng: &mut StdRng, validators: usize) -> Vec<Step> {
    let slow = Step::Slow(one_of(rng, validators), rng.random_range(50..500), rng.random_range(1..20));
    vec![slow, lasts(rng), Step::Heal]
}

fn part_and_crash(rng: &mut StdRng, validators: usize) -> Vec<Step> {
    let node = one_of(rng, validators);
    let (left, right) = two_sides(rng, validators);
    vec![Step::Part(left, right), Step::Crash(node), lasts(rng), Step::Start(node), Step::Heal]
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
fn flapping(rng: &mut StdRng, validators: usize) -> Vec<Step> {
    let (left, right) = two_sides(rng, validators);
    let mut once = || {
        let cut = Step::Part(left.clone(), right.clone());
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
fn a_seed_is_a_plan_and_one_of_every_kind_has_every_kind() {
    for ground in [Ground::Loopback, Ground::Links] {
        assert_eq!(Plan::of(7, 4, ground, 20), Plan::of(7, 4, ground, 20));
        assert_ne!(Plan::of(7, 4, ground, 20).steps, Plan::of(8, 4, ground, 20).steps);
        assert!(Plan::of(7, 4, ground, 20).steps.starts_with(&Plan::of(7, 4, ground, 8).steps));
        assert_ne!(Plan::of_every_kind(7, 4, ground).steps, Plan::of_every_kind(8, 4, ground).steps);
    }
    let every = |ground| Plan::of_every_kind(1, 4, ground).steps;
    let has = |steps: &[Step], kind: fn(&Step) -> bool| assert!(steps.iter().any(kind), "{steps:?}");
    let of_machines = every(Ground::Loopback);
    has(&of_machines, |step| matches!(step, Step::Crash(_)));
    has(&of_machines, |step| matches!(step, Step::Pause(_)));
    has(&of_machines, |step| matches!(step, Step::Power));
    has(&of_machines, |step| matches!(step, Step::Clock(_, 1..)));
    has(&of_machines, |step| matches!(step, Step::Fill(_)));
    has(&of_machines, |step| matches!(step, Step::Damage(..)));
    let of_links = every(Ground::Links);
    has(&of_links, |step| matches!(step, Step::Part(..)));
    has(&of_links, |step| matches!(step, Step::Mute(..)));
    has(&of_links, |step| matches!(step, Step::Slow(..)));

    let all: Vec<Step> = (1..40).flat_map(|seed| Plan::of(seed, 7, Ground::Links, 20).steps).collect();
    let parted = all.iter().filter_map(|step| match step {
        Step::Part(left, right) => Some((left.len(), right.len())),
        _ => None,
    });
    parted.for_each(|(left, right)| assert!(left > 0 && right > 0 && left + right == 7, "{left} and {right}"));
}
