//! Writes a chain block by block, by the functions that a node calls, and keeps count of what that takes.
//!
//! # Invariants
//! * What is measured is what a node does with a block that it proposed: execution, sealing, keeping block and certificate,
//!   committing the effects. Making the certificate is not in it, nor is anything before execution.

use super::counted::Counted;
use super::finality::{Final, Validators};
use super::founding::Founding;
use crate::bench::{BenchError, machine};
use crate::consensus::SealedBlock;
use crate::execution::{BlockExecutor, Executed, Ineligible, Place, Transaction};
use crate::ledger::{Block, Reason, Status};
use crate::node::Chain;
use crate::primitives::{BlockTime, PublicKey};
use crate::storage::RocksStore;
use std::collections::VecDeque;
use std::ops::{AddAssign, Sub};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What writing blocks took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    /// Blocks written.
    pub blocks: u64,
    /// Transactions in them.
    pub transactions: u64,
    /// Entries of state that they put or removed.
    pub state_puts: u64,
    /// Keys that the store was asked for.
    pub store_reads: u64,
    /// Processor time of the thread that writes.
    pub cpu: Duration,
    /// Time by the clock.
    pub wall: Duration,
}

impl AddAssign for Spent {
    fn add_assign(&mut self, more: Self) {
        self.blocks += more.blocks;
        self.transactions += more.transactions;
        self.state_puts += more.state_puts;
        self.store_reads += more.store_reads;
        self.cpu += more.cpu;
        self.wall += more.wall;
    }
}

impl Sub for Spent {
    type Output = Self;

    fn sub(self, less: Self) -> Self {
        Self {
            blocks: self.blocks - less.blocks,
            transactions: self.transactions - less.transactions,
            state_puts: self.state_puts - less.state_puts,
            store_reads: self.store_reads - less.store_reads,
            cpu: self.cpu - less.cpu,
            wall: self.wall - less.wall,
        }
    }
}

/// A stretch of this thread's work.
struct Stretch {
    cpu: Option<Duration>,
    wall: Instant,
}

impl Stretch {
    fn begin() -> Self {
        Self { cpu: machine::thread_cpu_time(), wall: Instant::now() }
    }

    fn end(self) -> Spent {
        let cpu = machine::thread_cpu_time().zip(self.cpu).map(|(now, before)| now.saturating_sub(before));
        Spent { cpu: cpu.unwrap_or_default(), wall: self.wall.elapsed(), ..Spent::default() }
    }
}

/// See the module.
pub struct ChainWriter {
    chain: Chain<Counted<RocksStore>>,
    last: Final<Counted<RocksStore>>,
    store: Counted<RocksStore>,
    validators: Validators,
    proposers: Vec<PublicKey>,
    /// What it took so far.
    pub spent: Spent,
}

impl ChainWriter {
    /// Opens the chain in a store, or begins it.
    ///
    /// # Errors
    /// The store fails, or is of another ledger.
    pub async fn open(store: RocksStore, founding: &Founding) -> Result<Self, BenchError> {
        let store = Counted::new(store);
        let genesis = &founding.genesis;
        Ok(Self {
            last: Final::open(store.clone())?,
            chain: Chain::open(store.clone(), genesis).await?,
            store,
            validators: Validators::new(genesis.chain_id(), &founding.validators, genesis.epoch_length())?,
            proposers: genesis.validators().keys().to_vec(),
            spent: Spent::default(),
        })
    }

    /// The last block's height.
    pub fn height(&self) -> u64 {
        self.chain.head().header.height
    }

    /// The last block's time.
    pub fn time(&self) -> BlockTime {
        self.chain.head().header.time
    }

    /// Writes the next block, so much after the last, with as many of the waiting transactions as it has room for. All of
    /// them must be applied.
    ///
    /// # Errors
    /// One is not applied; the store fails.
    pub async fn append(&mut self, ms_later: u64, waiting: &mut VecDeque<Arc<Transaction>>) -> Result<(), BenchError> {
        let (reads, executing) = (self.store.reads(), Stretch::begin());
        let executed = Arc::new(self.execute(ms_later, waiting)?);
        let signed = executed.transactions.iter().map(|each| each.signed().clone()).collect();
        let block = Block::new(executed.header.clone(), signed);
        let block = block.map_err(|error| BenchError::Internal(format!("a block of the chain: {error}")))?;
        let sealed = Arc::new(SealedBlock::seal(Arc::new(block)));
        self.spent += executing.end();

        let certificate = self.validators.certify(&executed.header)?;

        let keeping = Stretch::begin();
        self.chain.publish(executed.clone());
        self.last.keep(&sealed, &certificate).await?;
        self.chain.commit(&executed).await?;
        self.spent += keeping.end();
        self.spent += Spent {
            blocks: 1,
            transactions: executed.transactions.len() as u64,
            state_puts: executed.writes.len() as u64,
            store_reads: self.store.reads() - reads,
            ..Spent::default()
        };
        all_applied(&executed)
    }

    /// Executes the next block as its leader does.
    fn execute(&self, ms_later: u64, waiting: &mut VecDeque<Arc<Transaction>>) -> Result<Executed, BenchError> {
        let fault = |what: &dyn std::fmt::Display| BenchError::Internal(format!("a block of the chain: {what}"));
        let head = self.chain.head();
        let parent = self.chain.state_after(&head.hash)?.ok_or_else(|| fault(&"its parent is not there"))?;
        let turn = (head.header.height % self.proposers.len() as u64) as usize;
        let place = Place { time: BlockTime(head.header.time.0 + ms_later), proposer: self.proposers[turn] };
        let mut executor = BlockExecutor::open(parent.state(), place).map_err(|error| fault(&error))?;
        executor.read_ahead(waiting.iter().map(|transaction| &**transaction));
        while let Some(transaction) = waiting.front() {
            match executor.push(transaction.clone()) {
                Ok(()) => drop(waiting.pop_front()),
                Err(Ineligible::BlockFull) if !executor.is_empty() => break,
                Err(ineligible) => return Err(fault(&ineligible)),
            }
        }
        let executed = executor.close().map_err(|error| fault(&error))?;
        parent.check()?;
        Ok(executed)
    }
}

fn all_applied(executed: &Executed) -> Result<(), BenchError> {
    let declined = executed.outcomes.iter().find_map(|outcome| match &outcome.status {
        Status::Applied => None,
        Status::Declined(decline) => Some(decline),
    });
    let Some(decline) = declined else { return Ok(()) };
    let found = Reason::entry(decline.code).map_or("UNKNOWN", |entry| entry.name).to_owned();
    Err(BenchError::Preparation { step: "writing the chain", found })
}
