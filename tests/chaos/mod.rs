//! Chaos: validators as real processes under load, and what goes wrong with processes, disks and networks.
//!
//! * [`plan`]: what happens, drawn from a seed.
//! * [`network`], [`links`], [`disk`]: the processes, what is between them, and what they write to.
//! * [`faults`]: what is done to them, and undone.
//! * [`clients`]: what they are asked meanwhile.
//! * [`history`]: what clients meant, sent and heard.
//! * [`ledger`]: what nodes say when it is over.
//! * [`checker`]: what must hold of the two.
//! * [`run`]: a plan carried out.
//! * [`upgrade`]: software and protocol replaced while clients pay.
//! * [`recovery`]: what becomes of a validator whose files are damaged ([`damage`]), case by case.
//!
//! `make chaos MINUTES=10` runs plan after plan, `make chaos SEED=7` one again. Where the simulation (`tests/simulation`)
//! finds what only millions of orders of events show, this finds what the simulation leaves out: sockets, RocksDB, the
//! operating system, and the binary itself. Nothing here depends on how fast the machine is.

mod checker;
pub mod clients;
mod damage;
pub mod disk;
mod faults;
mod history;
mod ledger;
mod links;
pub mod network;
mod plan;
mod recovery;
pub mod run;
mod upgrade;

use plan::{Ground, Plan};
use run::{Terrain, run};
use std::io::{self, Write as _};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The seeds of every test run: on one machine, over links, among seven.
const FIXED_SEED: u64 = 1;
const FIXED_SEED_OF_LINKS: u64 = 2;
const FIXED_SEED_OF_SEVEN: u64 = 3;
/// Faults among seven, of which each costs more.
const FAULTS_OF_SEVEN: usize = 3;
/// Faults of a run by hand.
const FAULTS: usize = 20;

/// Networks of processes take turns: each wants the whole machine.
pub fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A number that the environment says.
fn said(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// Whether somebody asks for more than every test run has.
fn is_by_hand() -> bool {
    said("CAUSEWAY_SEED").or(said("CAUSEWAY_MINUTES")).is_some()
}

/// Carries a plan out, or tells how to do it again.
fn stand(plan: &Plan) {
    let started = Instant::now();
    let mut terrain = Terrain::of(plan);
    let ended = run(plan, &mut terrain);
    // Past the test runner, which swallows what a test that holds has printed: whoever reads the log is to know what was
    // not tried.
    let mut log = io::stderr();
    for missing in &terrain.missing {
        writeln!(log, "{plan}: skipped: {missing}").unwrap();
    }
    match ended {
        Ok(summary) => println!("{plan}: {summary}, {:.0} s in all", started.elapsed().as_secs_f64()),
        Err(why) => panic!("{plan}: {why}\nagain: make chaos SEED={} VALIDATORS={}", plan.seed, plan.validators),
    }
}

/// By hand, even seeds are over links.
fn ground(seed: u64) -> Ground {
    if seed.is_multiple_of(2) { Ground::Links } else { Ground::Loopback }
}

#[test]
fn whatever_happens_to_processes_nothing_is_lost_and_nothing_happens_twice() {
    let _turn = turn();
    let (seed, minutes, validators) = (said("CAUSEWAY_SEED"), said("CAUSEWAY_MINUTES"), said("CAUSEWAY_VALIDATORS"));
    let validators = usize::try_from(validators.unwrap_or(4)).unwrap();
    if !is_by_hand() {
        return stand(&Plan::of_every_kind(FIXED_SEED, validators, ground(FIXED_SEED)));
    }
    let until = Instant::now() + Duration::from_secs(60 * minutes.unwrap_or_default());
    for seed in seed.unwrap_or(FIXED_SEED).. {
        stand(&Plan::of(seed, validators, ground(seed), FAULTS));
        if Instant::now() >= until {
            return;
        }
    }
}

#[test]
fn whatever_happens_to_links_nothing_is_lost_and_nothing_happens_twice() {
    // By hand, every second plan is over links.
    if is_by_hand() {
        return;
    }
    let _turn = turn();
    stand(&Plan::of_every_kind(FIXED_SEED_OF_LINKS, 4, ground(FIXED_SEED_OF_LINKS)));
}

#[test]
fn seven_processes_bear_what_four_do() {
    // By hand, as many as are asked for.
    if is_by_hand() {
        return;
    }
    let _turn = turn();
    stand(&Plan::of(FIXED_SEED_OF_SEVEN, 7, ground(FIXED_SEED_OF_SEVEN), FAULTS_OF_SEVEN));
}
