//! Whole nodes below gRPC, several of them, in the deterministic runtime: consensus, execution, admission, forwarding and
//! storage are the product's own; the network and the disks are simulated, and a seed decides every delay and every order.
//!
//! * [`cast`]: the ledger they keep, and who acts on it.
//! * [`cluster`]: nodes, their disks, and what is between them.
//! * [`client`]: what a client does: submits, waits, turns to another node.
//! * [`disk`]: disks that fill up.
//! * [`machine`]: the runtime that a node runs on, with disks that need time to sync.
//! * [`agreement`]: what must hold between nodes whatever happened.
//! * [`campaign`]: runs in which a seed decides what goes wrong, and what everybody does meanwhile.
//!
//! A failure is repeated with the seed that its output names. Times in the assertions are simulated.

mod agreement;
mod campaign;
mod cast;
pub mod client;
pub mod cluster;
mod disk;
mod machine;

mod crashes;
mod deadlines;
mod epochs;
mod overload;
mod partition;
mod repetition;
mod settlement;
mod validators;
mod world;

use commonware_runtime::deterministic;
use std::time::{Duration, UNIX_EPOCH};

/// The runtime's context, on which everything here runs.
pub type Context = deterministic::Context;

/// What a task takes from being woken to waiting again: about what a real one does.
const STEP: Duration = Duration::from_micros(100);

fn runner(seed: u64, at_most: Duration) -> deterministic::Runner {
    deterministic::Runner::new(config(seed, at_most))
}

fn config(seed: u64, at_most: Duration) -> deterministic::Config {
    // Shown only when the test fails. `RUST_LOG=causeway=debug` shows what the nodes say.
    println!("seed {seed}");
    let log = tracing_subscriber::EnvFilter::from_default_env();
    let _ = tracing_subscriber::fmt().with_env_filter(log).with_test_writer().try_init();
    let start = UNIX_EPOCH + Duration::from_millis(cast::GENESIS_TIME_MS);
    deterministic::Config::new().with_seed(seed).with_start_time(start).with_timeout(Some(at_most)).with_cycle(STEP)
}

/// Runs a scenario from a seed, in at most ten simulated minutes.
pub fn simulate<F, Fut, T>(seed: u64, scenario: F) -> T
where
    F: FnOnce(Context) -> Fut,
    Fut: Future<Output = T>,
{
    use commonware_runtime::Runner as _;
    runner(seed, Duration::from_secs(600)).start(scenario)
}
