//! A plan carried out, life by life, and what came of it.

use super::super::cast::GENESIS_TIME_MS;
use super::super::cluster::{Disk, Shape, cast_of, new_disks};
use super::super::config;
use super::super::machine::Torn;
use super::Planted;
use super::clients::{lock, message};
use super::life::Life;
use super::plan::{Leftovers, Plan, Step};
use super::witness::{Conclusion, Witness};
use super::workload::Story;
use crate::mouth::Manners;
use causeway::admission::PoolLimits;
use causeway::ledger::Column;
use causeway::primitives::TransactionId;
use commonware_runtime::deterministic::{self, FaultConfig, PartialWriteMode, WriteConfig};
use commonware_runtime::{Clock as _, Supervisor as _};
use commonware_utils::probability;
use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// No run takes longer, in simulated time.
const RUN_MAX: Duration = Duration::from_secs(3_600);
/// So little that now and then it is full: clients turn to another node then.
const POOL: PoolLimits = PoolLimits { transactions_max: 32, bytes_max: 64 * 1_024, sender_transactions_max: 8 };

/// How liars speak who do not garble.
const LIES: Manners = Manners { twice: 5, garbled: 0, again: 10 };
/// How much those garble who do, of a hundred messages.
const GARBLED: u32 = 10;

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The digest of everything that happened, in order: the same for the same plan, byte for byte.
    pub audit: String,
    /// What all nodes came to.
    pub conclusion: Conclusion,
    pub transactions: usize,
    /// How long it took in simulated time.
    pub simulated: Duration,
    pub happened: Happened,
}

/// What happened of that which only may: a run in which it does not proves nothing about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Happened {
    /// How many operations of each kind were sent.
    pub sent: BTreeMap<String, u64>,
    /// How many of them were applied.
    pub applied: BTreeMap<String, u64>,
    /// Files that were found with an end which was never synced.
    pub torn: Torn,
    /// Proposed blocks that a node which does not lie found invalid.
    pub invalid_blocks: u64,
    /// How many races for each prize one has won.
    pub won: BTreeMap<&'static str, u64>,
    /// How many answers of nodes were held against the witness' own ledger.
    pub reads: u64,
}

impl AddAssign for Happened {
    fn add_assign(&mut self, other: Self) {
        let Self { sent, applied, torn, invalid_blocks, won, reads } = other;
        for (total, more) in [(&mut self.sent, sent), (&mut self.applied, applied)] {
            more.into_iter().for_each(|(kind, count)| *total.entry(kind).or_default() += count);
        }
        won.into_iter().for_each(|(prize, count)| *self.won.entry(prize).or_default() += count);
        self.torn += torn;
        self.invalid_blocks += invalid_blocks;
        self.reads += reads;
    }
}

/// What outlives a failure of the power: the disks, and what clients sent and heard.
#[derive(Clone)]
pub struct Lasting {
    pub disks: Vec<Disk>,
    pub shape: Shape,
    /// What clients set out to do, from the beginning on.
    pub stories: Vec<Arc<Story>>,
    pub witness: Arc<Mutex<Witness>>,
    /// The nodes whose keys governance was asked to replace, with the transactions that ask.
    pub replaced: Vec<(TransactionId, usize)>,
    pub invalid_blocks: u64,
    pub audit: String,
}

/// Carries a plan out.
///
/// # Errors
/// What does not hold.
pub fn run(plan: &Plan, planted: Option<Planted>) -> Result<Summary, String> {
    let carried_out = catch_unwind(AssertUnwindSafe(|| carry_out(plan, planted)));
    carried_out.map_err(|panic| message(&*panic))
}

fn carry_out(plan: &Plan, planted: Option<Planted>) -> Summary {
    let lives: Vec<&[Step]> = plan.lives().collect();
    // Two of four, who let each of the others believe that it is the only one beside them.
    let is_split = planted == Some(Planted::TooManyLiars);
    let twins = if is_split { vec![0, 1] } else { plan.twins.clone() };
    let blind_to = match planted {
        Some(Planted::ReusedRequests) => Some(Column::Requests),
        Some(Planted::SkippedCheck) => Some(Column::Fingerprints),
        _ => None,
    };
    let shape = Shape {
        validators: plan.validators,
        newcomers: plan.newcomers,
        epoch_length: plan.epoch_length,
        twins,
        twins_blind_to: plan.twins_are_blind.then_some(Column::Requests),
        manners: Manners { twice: plan.twice, ..Manners::default() },
        twins_manners: Manners { garbled: if plan.twins_garble { GARBLED } else { 0 }, ..LIES },
        is_split,
        blind_to,
        forgetful: planted == Some(Planted::UnsyncedAcknowledgement),
        pool: POOL,
        ..Shape::default()
    };
    let disks = new_disks(plan.validators, plan.newcomers);
    let witness = Witness::new(cast_of(&shape, &disks), POOL.transactions_max);
    let mut lasting = Lasting {
        disks,
        shape,
        stories: Vec::new(),
        witness: Arc::new(Mutex::new(witness)),
        replaced: Vec::new(),
        invalid_blocks: 0,
        audit: String::new(),
    };
    // The engine panics where its own writes fail. What is a panic here is told by `Clients::report`.
    let mut runner = deterministic::Runner::new(config(plan.seed, RUN_MAX).with_catch_panics(true));
    let mut simulated = Duration::ZERO;
    let (mut conclusion, mut torn) = (None, Torn::default());
    for (number, steps) in lives.iter().enumerate() {
        let (steps, is_first, is_last) = (steps.to_vec(), number == 0, number + 1 == lives.len());
        let sound = sound(plan.leftovers(number));
        let (lived, checkpoint) = runner.start_and_recover(move |context| async move {
            let ended = context.child("ended");
            let mut life = Life::begin(context, lasting, sound, is_first).await;
            for step in &steps {
                life.step(step).await;
            }
            let conclusion = if is_last { Some(life.conclude().await) } else { None };
            let elapsed = ended.current().duration_since(config_start()).unwrap_or_default();
            let torn = life.cluster.torn();
            (life.end(ended.auditor().state()), conclusion, elapsed, torn)
        });
        (lasting, conclusion, simulated, torn) = lived;
        runner = deterministic::Runner::from(checkpoint);
    }
    let transactions = lock(&lasting.witness).sent().len();
    let conclusion = conclusion.expect("a plan has a last life");
    let Conclusion { sent, applied, won, reads, .. } = conclusion.clone();
    let happened = Happened { sent, applied, torn, invalid_blocks: lasting.invalid_blocks, won, reads };
    Summary { audit: lasting.audit, conclusion, transactions, simulated, happened }
}

/// Disks on which nothing fails, and what those have of their unsynced writes on which the power did.
fn sound(leftovers: Leftovers) -> FaultConfig {
    let (retention_rate, mode) = match leftovers {
        Leftovers::All => (probability!(1.0), PartialWriteMode::Prefix),
        Leftovers::Beginnings => (probability!(0.99), PartialWriteMode::Prefix),
        Leftovers::Scattered => (probability!(0.5), PartialWriteMode::Subset),
    };
    FaultConfig::default().write(WriteConfig { failure_rate: probability!(0.0), retention_rate, mode })
}

fn config_start() -> std::time::SystemTime {
    std::time::UNIX_EPOCH + Duration::from_millis(GENESIS_TIME_MS)
}
