//! The node's parts, each by itself, on real blocks, signatures and stores.

mod bodies;
mod chain;
mod intake;
mod ledger;
mod newest;
mod pruning;
mod relay;
mod seats;
mod waiting;

pub(in crate::node) use bodies::write_body;

use super::chain::Chain;
use super::clock::LedgerClock;
use super::halt::{Halted, halt};
use super::intake::{Intake, WaitingLimits};
use super::transactions::TransactionDesk;
use crate::admission::PoolLimits;
use crate::execution::chronicle::{Chronicle, HOUR_MS, OPENING};
use crate::ledger::SignedTransaction;
use crate::storage::SimulatedStore;
use commonware_parallel::Sequential;
use commonware_runtime::{Runner as _, Storage, deterministic};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

type Context = deterministic::Context;
type Disk = SimulatedStore<<Context as Storage>::Blob>;

/// Runs a scenario an hour after the opening, when no block of a chronicle is from the future.
fn simulate<F, Fut>(scenario: F)
where
    F: FnOnce(Context) -> Fut,
    Fut: Future<Output = ()>,
{
    let start = UNIX_EPOCH + Duration::from_millis(OPENING.0 + HOUR_MS);
    let config = deterministic::Config::new().with_seed(1).with_start_time(start);
    deterministic::Runner::new(config).start(scenario);
}

async fn store(context: &Context, chronicle: &Chronicle) -> Disk {
    SimulatedStore::open(context, "store", &chronicle.genesis.chain_id()).await.expect("an empty disk")
}

/// A chain that has committed a chronicle's blocks.
async fn chain(context: &Context, chronicle: &Chronicle) -> Arc<Chain<Disk>> {
    let chain = Chain::open(store(context, chronicle).await, &chronicle.genesis).await.expect("an empty store");
    for block in &chronicle.blocks {
        chain.commit(block).await.expect("the next block");
    }
    Arc::new(chain)
}

fn desk(chronicle: &Chronicle) -> Arc<TransactionDesk<Sequential>> {
    Arc::new(TransactionDesk::new(chronicle.genesis.chain_id(), Sequential, PoolLimits::default(), [7; 32]))
}

/// An intake of a chronicle's ledger that verifies nothing until it is told to.
struct Door {
    chronicle: Chronicle,
    desk: Arc<TransactionDesk<Sequential>>,
    intake: Arc<Intake<Disk, Sequential>>,
    _halted: Halted,
}

impl Door {
    async fn open(context: &Context, limits: WaitingLimits) -> Self {
        let mut chronicle = Chronicle::begin().with_bodies(write_body);
        chronicle.attest(10_000);
        chronicle.issue("buyer", 1_000);
        let (chain, desk) = (chain(context, &chronicle).await, desk(&chronicle));
        let (halt, halted) = halt();
        let intake = Arc::new(Intake::new(chain, desk.clone(), halt, limits, LedgerClock::default()));
        Self { chronicle, desk, intake, _halted: halted }
    }

    /// A payment of the buyer, signed.
    fn payment(&mut self, units: u64) -> SignedTransaction {
        let pay = crate::execution::chronicle::transfer("buyer", "supplier", units);
        self.chronicle.transaction("buyer", vec![pay.into()]).signed().clone()
    }
}

/// The same with every signature spoilt.
fn forged(transaction: &SignedTransaction) -> SignedTransaction {
    let mut signatures = transaction.signatures().to_vec();
    signatures.iter_mut().for_each(|each| each.signature.0[40] ^= 1);
    SignedTransaction::new(transaction.body().clone(), signatures).expect("it was within its limits")
}
