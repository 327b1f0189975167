//! What happens in a run: drawn from a seed, and a list that can be shortened.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use std::fmt;

/// Steps of a plan, before what ends its lives.
const STEPS: std::ops::Range<usize> = 40..70;
/// Longest wait of a step, in ms.
const WAIT_MS_MAX: u64 = 3_000;
/// By how far a clock is off at most, in ms.
const CLOCK_OFF_MS_MAX: i64 = 10_000;
/// By how much a clock runs too fast or too slowly at most, in ms of each second: far more than one that is merely bad.
const DRIFT_MS_MAX: i64 = 50;
/// How much longer a sync takes at most on a slow disk, in ms.
const DRAG_MS_MAX: u64 = 400;

/// A run before it is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Decides every delay and every order.
    pub seed: u64,
    pub validators: usize,
    /// Nodes besides, which governance may make validators. They stand after the validators.
    pub newcomers: usize,
    pub epoch_length: u64,
    /// The validators of which two copies run with one key, each of which speaks to a part of the others: they equivocate,
    /// withhold and contradict themselves in whatever they say.
    pub twins: Vec<usize>,
    /// Whether the second copies do not find what is in their state, so that blocks of their making are wrong.
    pub twins_are_blind: bool,
    /// Whether what they say is garbled now and then: the others soon listen to one no more that does.
    pub twins_garble: bool,
    /// How many of a hundred messages arrive twice.
    pub twice: u32,
    pub steps: Vec<Step>,
}

/// One thing that happens. Nothing depends on an earlier step being there: what makes no sense any more does nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Clients do what this number stands for, all of it at once.
    Deed(u64),
    /// Somebody tries that again: a request id with another body, an invoice that is registered.
    Again(u64),
    Wait(u64),
    /// A node's process dies.
    Crash(usize),
    Start(usize),
    /// Nothing that these send reaches those.
    Mute(Vec<usize>, Vec<usize>),
    /// Nothing passes between these and those.
    Part(Vec<usize>, Vec<usize>),
    /// What goes from one node to another takes so many ms more, and so many of a hundred messages are lost.
    Slow(usize, usize, u64, u64),
    /// All see each other as they did.
    Heal,
    /// A node's clock is ahead by so many ms from its next start on.
    Clock(usize, u64),
    /// Somebody sets a node's clock while it runs: ahead by so many ms, or back.
    Jump(usize, i64),
    /// A node's clock runs too fast by so many ms in a second, or too slowly.
    Drift(usize, i64),
    /// Each sync of a node's disk takes up to so many ms more.
    Drag(usize, u64),
    /// A node's disk is full.
    Fill(usize),
    /// A node's disk has room again.
    Free(usize),
    /// From now on, of ten thousand operations of any disk so many fail: opening, reading, writing, syncing.
    Ail(u32),
    /// Disks fail no more, and whoever stood on one is started anew.
    Mend,
    /// Months pass: what was lent in the beginning is in default, and its lenders do what this number stands for.
    Months(u64),
    /// Governance decides that a newcomer becomes a validator with the next epoch.
    Join(usize),
    /// Governance takes a validator out with the next epoch.
    Leave(usize),
    /// Governance puts a newcomer's key in the place of a validator's.
    Rotate(usize, usize),
    /// The power fails everywhere: of what was written and not synced, a part is there afterwards, as [`Leftovers`] says.
    Power,
}

/// How many steps governance changes the validators before, where there are newcomers.
const CHANGES: f64 = 0.12;

/// In how many plans months pass.
const MONTHS_PASS: f64 = 0.4;

/// What disks have of their unsynced writes after the power failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leftovers {
    All,
    /// Of each write a part from its beginning, of some hundred bytes mostly.
    Beginnings,
    /// Any bytes of each write.
    Scattered,
}

impl Plan {
    /// The plan of a seed.
    pub fn of(seed: u64) -> Self {
        let validators = if seed % 5 == 2 { 7 } else { 4 };
        Self::among(validators, seed)
    }

    /// The same among so many validators.
    pub fn among(validators: usize, seed: u64) -> Self {
        let rng = &mut StdRng::seed_from_u64(seed);
        // As many as consensus bears, mostly.
        let liars_max = (validators - 1) / 3;
        let liars = if rng.random_bool(0.4) { liars_max } else { rng.random_range(0..=liars_max) / 2 };
        // There may come to be fewer validators where there are newcomers, but never less than four.
        let newcomers = if liars < 2 && rng.random_bool(0.35) { rng.random_range(1..3) } else { 0 };
        // Who joins does so within the run.
        let epoch_length = if newcomers > 0 || rng.random_bool(0.3) { 8 } else { 1_024 };
        let first = rng.random_range(0..validators);
        let twins = (0..liars).map(|nth| (first + 3 * nth) % validators).collect();
        let (twins_are_blind, twins_garble, twice) =
            (rng.random_bool(0.5), rng.random_bool(0.3), rng.random_range(0..5));
        let count = rng.random_range(STEPS);
        let mut steps = Vec::new();
        for _ in 0..count {
            if newcomers > 0 && rng.random_bool(CHANGES) {
                steps.push(Step::change(rng, validators, newcomers));
            }
            steps.extend(Step::some(rng, validators + newcomers, &steps));
        }
        if rng.random_bool(MONTHS_PASS) {
            steps.insert(rng.random_range(steps.len() / 3..steps.len()), Step::Months(rng.random_range(0..u64::MAX)));
        }
        Self { seed, validators, newcomers, epoch_length, twins, twins_are_blind, twins_garble, twice, steps }
    }

    /// Its steps from one failure of the power to the next.
    pub fn lives(&self) -> impl Iterator<Item = &[Step]> {
        self.steps.split(|step| *step == Step::Power)
    }

    /// What is there of unsynced writes when one of these lives has ended.
    pub fn leftovers(&self, life: usize) -> Leftovers {
        let rng = &mut StdRng::seed_from_u64(self.seed.rotate_left(32) ^ life as u64);
        [Leftovers::All, Leftovers::Beginnings, Leftovers::Scattered][rng.random_range(0..3)]
    }
}

impl Step {
    /// A change of the validators.
    fn change(rng: &mut StdRng, validators: usize, newcomers: usize) -> Self {
        let (old, new) = (rng.random_range(0..validators), validators + rng.random_range(0..newcomers));
        match rng.random_range(0..10) {
            0..4 => Self::Join(new),
            4..7 => Self::Leave(rng.random_range(0..validators + newcomers)),
            _ => Self::Rotate(old, new),
        }
    }

    /// What happens next: mostly one step.
    fn some(rng: &mut StdRng, nodes: usize, before: &[Self]) -> Vec<Self> {
        let node = rng.random_range(0..nodes);
        match rng.random_range(0..101) {
            0..34 => vec![Self::Deed(rng.random_range(0..u64::MAX))],
            34..40 => again(rng, before).into_iter().collect(),
            40..62 => vec![Self::Wait(rng.random_range(1..WAIT_MS_MAX))],
            62..70 => vec![Self::Crash(node)],
            70..78 => vec![Self::Start(node)],
            78..81 => {
                let (left, right) = two_sides(rng, nodes);
                vec![Self::Part(left, right)]
            }
            81..83 => {
                let (left, right) = two_sides(rng, nodes);
                vec![Self::Mute(left, right)]
            }
            83..85 => flapping(rng, nodes),
            85..89 => {
                let other = rng.random_range(0..nodes);
                vec![Self::Slow(node, other, rng.random_range(0..500), rng.random_range(0..40))]
            }
            89..93 => vec![Self::Heal],
            93..94 => vec![Self::Clock(node, rng.random_range(0..CLOCK_OFF_MS_MAX as u64))],
            94..95 => vec![match rng.random_range(0..4) {
                0 | 1 => Self::Jump(node, rng.random_range(-CLOCK_OFF_MS_MAX..CLOCK_OFF_MS_MAX)),
                2 => Self::Drift(node, rng.random_range(-DRIFT_MS_MAX..DRIFT_MS_MAX)),
                _ => Self::Drag(node, rng.random_range(0..DRAG_MS_MAX)),
            }],
            95..97 => vec![Self::Fill(node)],
            97..98 => vec![Self::Free(node)],
            98..99 => {
                vec![Self::Ail(rng.random_range(1..50)), Self::Wait(rng.random_range(1..WAIT_MS_MAX)), Self::Mend]
            }
            // In the midst of work.
            _ => vec![Self::Deed(rng.random_range(0..u64::MAX)), Self::Wait(rng.random_range(1..400)), Self::Power],
        }
    }
}

/// One of the deeds so far.
fn again(rng: &mut StdRng, before: &[Step]) -> Option<Step> {
    let number = |step: &Step| if let Step::Deed(number) = step { Some(*number) } else { None };
    let deeds: Vec<u64> = before.iter().filter_map(number).collect();
    let place = (!deeds.is_empty()).then(|| rng.random_range(0..deeds.len()))?;
    Some(Step::Again(deeds[place]))
}

fn two_sides(rng: &mut StdRng, nodes: usize) -> (Vec<usize>, Vec<usize>) {
    (0..nodes).partition(|_| rng.random_bool(0.5))
}

/// A link that comes and goes.
fn flapping(rng: &mut StdRng, nodes: usize) -> Vec<Step> {
    let (left, right) = two_sides(rng, nodes);
    let once = |rng: &mut StdRng| {
        let (cut, joined) = (Step::Part(left.clone(), right.clone()), Step::Heal);
        [cut, Step::Wait(rng.random_range(1..400)), joined, Step::Wait(rng.random_range(1..400))]
    };
    (0..4).flat_map(|_| once(rng)).collect()
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { validators, newcomers, epoch_length, twice, .. } = self;
        write!(
            f,
            "{validators} validators, {newcomers} newcomers, {epoch_length} heights in an epoch, {twice} % of messages twice"
        )?;
        if !self.twins.is_empty() {
            let blind = if self.twins_are_blind { "blind " } else { "" };
            let garbling = if self.twins_garble { " who garble" } else { "" };
            write!(f, ", {blind}twins of {:?}{garbling}", self.twins)?;
        }
        self.steps.iter().enumerate().try_for_each(|(place, step)| write!(f, "\n  {place:>3} {step:?}"))
    }
}
