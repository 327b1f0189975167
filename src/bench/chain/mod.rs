//! `causeway bench chain`: what a transfer costs a node, in processor time and on the disk, as the chain and the ledger grow.
//!
//! A chain is written through the node's own functions (execution, the engine's stores of blocks and certificates, the
//! committer) into a real store, without waiting for consensus. Its signatures and certificates are real, so `causeway audit`
//! stands by the directory. Transactions are signed ahead, on all cores, in windows between which blocks are written.
//!
//! # Invariants
//! * Signing and certifying are not in what is measured. Processor time is the writing thread's own, and the store's threads':
//!   whatever the process used that neither the writing thread nor a signing one did.
//! * A chain goes on where it ended, and only if it is of the same seed, accounts and validators.
//!
//! # Deliberately absent
//! Verifying the transactions' signatures, which costs the same however long the chain is and is measured elsewhere, and the
//! network.

mod counted;
mod finality;
mod founding;
mod report;
mod writer;

pub use report::{ChainReport, ColumnBytes, Decade};

use super::accounts::Accounts;
use super::draws::Pairs;
use super::network::TemporaryDirectory;
use super::payments::{Payments, on_all_cores};
use super::progress::{Phase, note};
use super::report::Build;
use super::{BenchError, Skew, machine};
use crate::client::operations::{self, AssetClass, ReserveAsset};
use crate::client::{ClientError, TransactionBuilder};
use crate::execution::Transaction;
use crate::ledger::SignedTransaction;
use crate::primitives::RequestId;
use crate::sandbox::testnet::{self, explain_io};
use crate::storage::RocksStore;
use crate::wire::decode_body;
use founding::{BANK, CHECKER, CUSTODIAN, Founding, MAKER, OPENING_MS};
use futures::executor::block_on;
use report::Reading;
use std::collections::VecDeque;
use std::ops::Range;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use writer::ChainWriter;

/// Most transfers in a block: what has room in its bytes.
const TRANSFERS_PER_BLOCK_MAX: usize = 8_192;
/// Bits of a payment's number that tell its place in the block.
const PLACE_BITS: u32 = 13;
/// How long a payment holds, in ms of the chain's own time: as long as a client's by default.
const EXPIRES_IN_MS: u64 = 10 * 60 * 1000;
/// How far apart the blocks are that open and fund accounts, in ms of the chain's own time.
const PREPARING_INTERVAL_MS: u64 = 1_000;
/// How long their transactions hold: of ten million accounts that is some 500 blocks.
const PREPARING_EXPIRES_IN_MS: u64 = 20 * 60 * 60 * 1000;
/// Payments that are signed before they are written: what the memory has room for.
const WINDOW: u64 = 32_768;
/// Openings, or fundings, that are signed before they are written: each has 64 operations.
const PREPARING_WINDOW: u64 = 1_024;
/// The file that says what a directory's chain was made of.
const PREPARED_FILE: &str = "prepared.json";

/// What chain to write.
#[derive(Clone, Debug)]
pub struct ChainPlan {
    /// Where; a temporary directory if nothing is said.
    pub directory: Option<PathBuf>,
    /// How many blocks of payments.
    pub blocks: u64,
    /// How many accounts pay each other.
    pub accounts: u64,
    /// How many transfers each block has.
    pub transfers_per_block: usize,
    /// How many validators certify it.
    pub validators: usize,
    /// How far apart blocks are, in ms of the chain's own time. Request ids are forgotten 70 minutes after their payment.
    pub block_interval_ms: u64,
    /// Who pays whom.
    pub skew: Skew,
    /// Whether every commit is synced, as a node's is.
    pub synced: bool,
    /// From which keys and payments are derived.
    pub seed: u64,
}

impl ChainPlan {
    fn require_sense(&self) -> Result<(), BenchError> {
        let refuse = |why: &str| Err(BenchError::Plan(why.to_owned()));
        testnet::require_count(self.validators).map_err(|error| BenchError::Plan(error.to_string()))?;
        if self.accounts < 3 {
            return refuse("a chain takes 3 accounts at least, or nobody could pay anybody else");
        }
        if !(1..=TRANSFERS_PER_BLOCK_MAX).contains(&self.transfers_per_block) {
            return refuse("a block holds 1 to 8192 transfers");
        }
        match self.block_interval_ms {
            0 => refuse("a block's time is above its parent's: blocks are a millisecond apart at least"),
            _ => self.skew.require_sense(),
        }
    }

    /// What a directory's chain must have in common with another run that goes on with it.
    fn prepared(&self) -> String {
        let prepared =
            serde_json::json!({ "seed": self.seed, "accounts": self.accounts, "validators": self.validators });
        format!("{prepared:#}\n")
    }
}

/// Writes a chain and tells what it took. Must be called where a runtime is; ends early, without a result, once `stopped` says so.
///
/// # Errors
/// A plan that does not hold together, a directory of another chain, a store that fails.
pub fn run(plan: &ChainPlan, stopped: &AtomicBool) -> Result<ChainReport, BenchError> {
    plan.require_sense()?;
    let temporary = plan.directory.is_none().then(|| TemporaryDirectory::under(&std::env::temp_dir())).transpose()?;
    let directory = plan.directory.as_deref().or(temporary.as_ref().map(|made| made.0.as_path()));
    let directory = directory.unwrap_or(Path::new("."));
    let founding = Founding::of(plan.seed, plan.validators)?;
    let is_prepared = enter(directory, &founding, plan)?;
    let store = match plan.synced {
        true => RocksStore::open(&directory.join("store"), &founding.genesis.chain_id())?,
        false => RocksStore::open_unsynced(&directory.join("store"), &founding.genesis.chain_id())?,
    };
    let writer = block_on(ChainWriter::open(store.clone(), &founding))?;
    let mut run = Run { plan, founding, directory, store, writer, stopped, signing: Duration::ZERO };
    let started = Instant::now();
    if !is_prepared {
        run.prepare()?;
        write(&directory.join(PREPARED_FILE), &plan.prepared())?;
    }
    let prepared_seconds = started.elapsed().as_secs_f64();
    run.measure(prepared_seconds)
}

/// Makes the directory a chain's, or finds the chain that is there. Tells whether its accounts are open.
fn enter(directory: &Path, founding: &Founding, plan: &ChainPlan) -> Result<bool, BenchError> {
    std::fs::create_dir_all(directory).map_err(unwritable(directory))?;
    let (genesis, prepared) = (directory.join("genesis.json"), directory.join(PREPARED_FILE));
    let Ok(found) = std::fs::read_to_string(&genesis) else {
        write(&genesis, &founding.text)?;
        return Ok(false);
    };
    let described = std::fs::read_to_string(&prepared).ok();
    match described {
        Some(described) if found == founding.text && described == plan.prepared() => Ok(true),
        Some(described) => Err(BenchError::Plan(format!(
            "{} has a chain of another plan ({}): give the same, or another directory",
            directory.display(),
            described.split_whitespace().collect::<Vec<_>>().join(" ")
        ))),
        None => Err(BenchError::Plan(format!(
            "{} has a chain whose accounts were not all opened, or another network: remove it, or give another directory",
            directory.display()
        ))),
    }
}

fn write(path: &Path, text: &str) -> Result<(), BenchError> {
    std::fs::write(path, text).map_err(unwritable(path))
}

fn unwritable(path: &Path) -> impl FnOnce(std::io::Error) -> BenchError {
    let path = path.to_path_buf();
    move |cause| BenchError::Internal(format!("{}: {}", path.display(), explain_io(&cause)))
}

/// A run under way.
struct Run<'a> {
    plan: &'a ChainPlan,
    founding: Founding,
    directory: &'a Path,
    store: RocksStore,
    writer: ChainWriter,
    stopped: &'a AtomicBool,
    /// Processor time of the threads that signed.
    signing: Duration,
}

impl Run<'_> {
    fn accounts(&self) -> Accounts {
        Accounts {
            chain_id: self.founding.genesis.chain_id(),
            institution: self.founding.party(BANK),
            token: self.founding.token,
            count: self.plan.accounts,
            seed: self.plan.seed,
            expires_at_ms: OPENING_MS + PREPARING_EXPIRES_IN_MS,
            companies: false,
        }
    }

    /// Issues the money, opens the accounts and funds them.
    fn prepare(&mut self) -> Result<(), BenchError> {
        let accounts = self.accounts();
        let funds = accounts.funds()?;
        let (token, expires_at_ms) = (self.founding.token, accounts.expires_at_ms);
        let cash =
            ReserveAsset { asset_class: AssetClass::Cash, matures_at_ms: 0, market_value: funds, haircut_bps: 0 };
        self.settle(CUSTODIAN, 1, operations::attest_reserves(token, OPENING_MS, &[cash]))?;
        let allocations = [(accounts.institution.account, funds)];
        let request = operations::request_issuance(token, &allocations, expires_at_ms);
        let issuance = self.settle(MAKER, 2, request)?;
        self.settle(CHECKER, 3, operations::approve_issuance(issuance))?;
        let count = accounts.transactions();
        self.append_all("opening accounts, 63 in a transaction", count, |number| {
            ready(accounts.opening(number)?.signed)
        })?;
        self.append_all("funding accounts, 63 in a transaction", count, |number| {
            ready(accounts.funding(number)?.signed)
        })
    }

    /// A block of one transaction by a party of the genesis: the id of what it made.
    fn settle(
        &mut self,
        party: &str,
        number: u8,
        operation: operations::Operation,
    ) -> Result<crate::primitives::ObjectId, BenchError> {
        let party = self.founding.party(party);
        let request_id = RequestId([number; RequestId::SIZE]);
        let chain_id = self.founding.genesis.chain_id();
        let mut draft = TransactionBuilder::with_request_id(chain_id, party.account, request_id)
            .expires_at_ms(OPENING_MS + PREPARING_EXPIRES_IN_MS);
        let made = draft.add(operation).object_id();
        let transaction = ready(draft.finish().sign([&party.key])?)?;
        block_on(self.writer.append(PREPARING_INTERVAL_MS, &mut VecDeque::from([transaction])))?;
        Ok(made)
    }

    /// Makes transactions and writes them, in blocks that are as full as may be.
    fn append_all(
        &mut self,
        step: &'static str,
        count: u64,
        make: impl Fn(u64) -> Result<Arc<Transaction>, ClientError> + Sync,
    ) -> Result<(), BenchError> {
        let done = Arc::new(AtomicU64::new(0));
        let phase = Phase::begin(step, Some(count), &done);
        let mut waiting = VecDeque::new();
        for first in (0..count).step_by(PREPARING_WINDOW as usize) {
            let window = first..(first + PREPARING_WINDOW).min(count);
            done.store(window.end, Ordering::Relaxed);
            let is_last = window.end == count;
            waiting.extend(self.make(window, &make)?);
            // What does not fill a block waits for the next window.
            while waiting.len() as u64 >= PREPARING_WINDOW / 2 || (is_last && !waiting.is_empty()) {
                block_on(self.writer.append(PREPARING_INTERVAL_MS, &mut waiting))?;
            }
        }
        phase.end();
        Ok(())
    }

    /// Makes transactions on all cores.
    fn make(
        &mut self,
        range: Range<u64>,
        make: &(impl Fn(u64) -> Result<Arc<Transaction>, ClientError> + Sync),
    ) -> Result<Vec<Arc<Transaction>>, BenchError> {
        if self.stopped.load(Ordering::Relaxed) {
            return Err(BenchError::Plan("interrupted".to_owned()));
        }
        let (made, cpu) = on_all_cores(range, make)?;
        self.signing += cpu;
        Ok(made)
    }

    /// Writes the blocks of payments, and reads the clocks at each power of ten.
    fn measure(mut self, prepared_seconds: f64) -> Result<ChainReport, BenchError> {
        note("compacting what is there");
        self.store.compact()?;
        let (began, columns) = (machine::directory_bytes(self.directory), self.store.bytes_by_column()?);
        self.writer.spent = Default::default();
        let mut readings = vec![self.read()];
        let written = Arc::new(AtomicU64::new(0));
        let phase = Phase::begin("blocks", Some(self.plan.blocks), &written);
        let blocks_in_window = (WINDOW / self.plan.transfers_per_block as u64).max(1);
        let mut next = 0;
        while next < self.plan.blocks {
            let end = decade_end(next).min(next + blocks_in_window).min(self.plan.blocks);
            self.write_payments(end - next)?;
            written.store(end, Ordering::Relaxed);
            next = end;
            if end == decade_end(end - 1) || end == self.plan.blocks {
                readings.push(self.read());
                if let [.., before, after] = &readings[..] {
                    note(&Decade::between(before, after, began).in_words());
                }
            }
        }
        phase.end();
        note("compacting everything");
        let ended = (machine::directory_bytes(self.directory), machine::own_cpu_time());
        self.store.compact()?;
        let compaction = machine::own_cpu_time().zip(ended.1).map(|(now, before)| now.saturating_sub(before));
        Ok(ChainReport::of(report::Measured {
            plan: self.plan,
            readings: &readings,
            bytes: [began, ended.0, machine::directory_bytes(self.directory)],
            columns: [columns, self.store.bytes_by_column()?],
            compaction,
            prepared_seconds,
            height: self.writer.height(),
            directory_in_memory: machine::is_in_memory(self.directory),
            build: Build::this(),
        }))
    }

    /// Signs the payments of so many blocks, and writes the blocks.
    fn write_payments(&mut self, blocks: u64) -> Result<(), BenchError> {
        let accounts = self.accounts();
        let payments = Payments { accounts: &accounts, pairs: Pairs::new(accounts.count, self.plan.skew), legs: 1 };
        let (first, time_ms) = (self.writer.height() + 1, self.writer.time().0);
        let (per_block, interval_ms) = (self.plan.transfers_per_block as u64, self.plan.block_interval_ms);
        let transactions = self.make(0..blocks * per_block, &|index| {
            let (block, place) = (index / per_block, index % per_block);
            let expires_at_ms = time_ms + (block + 1) * interval_ms + EXPIRES_IN_MS;
            ready(payments.payment_until((first + block) << PLACE_BITS | place, expires_at_ms)?.signed)
        })?;
        let mut transactions = transactions.into_iter();
        for _ in 0..blocks {
            let mut of_block = transactions.by_ref().take(per_block as usize).collect();
            block_on(self.writer.append(interval_ms, &mut of_block))?;
            if !of_block.is_empty() {
                return Err(BenchError::Internal("a block had no room for its payments".to_owned()));
            }
        }
        Ok(())
    }

    fn read(&self) -> Reading {
        let others = machine::own_cpu_time().zip(machine::thread_cpu_time());
        let background = others.map(|(all, writing)| all.saturating_sub(writing).saturating_sub(self.signing));
        Reading {
            spent: self.writer.spent,
            background: background.unwrap_or_default(),
            disk_bytes: machine::directory_bytes(self.directory),
        }
    }
}

/// What execution takes, of a transaction that was just signed here.
fn ready(signed: SignedTransaction) -> Result<Arc<Transaction>, ClientError> {
    let (envelope, operations) =
        decode_body(signed.body()).map_err(|refusal| ClientError::Request(refusal.to_string()))?;
    Ok(Arc::new(Transaction::authentic(signed, envelope, operations)))
}

/// The power of ten that a count of blocks runs up to, 100 at least.
fn decade_end(blocks: u64) -> u64 {
    (2..20).map(|exponent| 10u64.saturating_pow(exponent)).find(|end| *end > blocks).unwrap_or(u64::MAX)
}
