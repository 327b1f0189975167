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

/// A run before it is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub seed: u64,
    pub validators: usize,
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
}

impl Plan {
    /// The plan of a seed, with so many faults.
    pub fn of(seed: u64, validators: usize, faults: usize) -> Self {
        let rng = &mut StdRng::seed_from_u64(seed);
        let mut steps = vec![Step::Wait(rest(rng))];
        for _ in 0..faults {
            steps.extend(Step::some(rng, validators));
            steps.push(Step::Wait(rest(rng)));
        }
        Self { seed, validators, steps }
    }
}

fn rest(rng: &mut StdRng) -> u64 {
    rng.random_range(REST_MS)
}

impl Step {
    /// A fault and its end. Two of them at once are more than four validators bear: they stand still until one is back.
    fn some(rng: &mut StdRng, validators: usize) -> Vec<Self> {
        let node = rng.random_range(0..validators);
        let lasts = Self::Wait(rng.random_range(LASTS_MS));
        match rng.random_range(0..100) {
            0..35 => vec![Self::Crash(node), lasts, Self::Start(node)],
            // Killed again while it still recovers.
            35..45 => {
                let at_once = Self::Wait(rng.random_range(50..600));
                vec![Self::Crash(node), Self::Start(node), at_once, Self::Crash(node), lasts, Self::Start(node)]
            }
            45..70 => vec![Self::Pause(node), lasts, Self::Resume(node)],
            70..90 => {
                let other = (node + rng.random_range(1..validators)) % validators;
                let meanwhile = Self::Wait(rng.random_range(LASTS_MS));
                let (begin, end) = ([Self::Crash(node), Self::Pause(other)], [Self::Start(node), Self::Resume(other)]);
                begin.into_iter().chain([lasts, end[0].clone(), meanwhile, end[1].clone()]).collect()
            }
            _ => vec![Self::Power],
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}
