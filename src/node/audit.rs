//! The audit: a stopped node's data, executed again from the genesis and compared with what is stored, to the last entry.
//!
//! # What is checked
//! * Of every block: its bytes, its place in the chain of headers, every signature, and that executing it gives its header,
//!   the stored outcomes and reserve lines.
//! * Of every certificate that is there: the quorum. Blocks without one are covered by a later one; that the last block is
//!   covered is checked too.
//! * Of everything the node keeps beside them: indexes, history nodes, accumulator, applied header. Nothing may be missing
//!   and nothing may be there that does not follow from the blocks.
//! * Of the state: each entry, the digest over all entries from scratch, the ledger's invariants over all of them.
//!
//! # How
//! In windows of blocks, three of which are under way at once: one is read and its signatures are verified (`reading`), one
//! is executed, and one is compared with what is stored of it (`comparing`). Only execution has to go block by block, so one
//! core does nothing else, and what is left to do beside it is whoever's hands are free. The state is compared last, by a walk
//! that all cores have a part in (`walk`).
//!
//! # Invariants
//! * The audit believes the genesis file and nothing else. It writes nothing.
//! * What is told is the first thing that is wrong, by height, however many windows are under way.
//! * The state is rebuilt in memory, so it takes as much of it as the ledger has accounts and objects, and does not grow
//!   with the history.
//!
//! # Deliberately absent
//! The engine's own directory, which holds votes and no money, and repair.

use super::error::NodeError;
use super::records::{ACCUMULATOR_KEY, APPLIED_KEY, BlockRecord};
use crate::admission::Refusal;
use crate::execution::genesis::Genesis;
use crate::execution::invariants::BrokenInvariant;
use crate::execution::{InvalidBlock, ParentState, apply_block};
use crate::ledger::protocol::{PROTOCOL_VERSION_FIRST, PROTOCOL_VERSION_MAX, protocol_of};
use crate::ledger::receipt::ReceiptError;
use crate::ledger::{CertificateError, Column, Header, Openings, ReserveLine, View as _};
use crate::primitives::digest::StateAccumulator;
use crate::primitives::merkle::{Frontier, NodePlace};
use crate::primitives::{CodecError, Decode as _, Encode as _, Hash};
use crate::storage::{Reader, StorageError, StoreColumn, height_key, stores};
use bytes::Bytes;
use commonware_parallel::Strategy;
use comparing::{Comparing, Counted, Replayed};
use rand_core::CryptoRng;
use reading::{Authentic, Reading};
use rebuilt::Rebuilt;
use std::sync::Arc;
use thiserror::Error;
use walk::{check_counts, check_look_ups, sum_of_state};

mod comparing;
mod entries;
mod proven;
mod reading;
mod rebuilt;
mod walk;

pub use proven::{ProvenReport, verify};

/// What the audit found in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditReport {
    /// The last applied height.
    pub height: u64,
    /// The hash of its header.
    pub head: Hash,
    /// How many transactions were executed.
    pub transactions: u64,
    /// How many transfers they made.
    pub transfers: u64,
    /// How many certificates were verified.
    pub certificates: u64,
    /// How many entries the state has.
    pub state_entries: u64,
    /// The digest over them.
    pub state_digest: Hash,
}

/// Why the data does not stand the audit.
#[derive(Debug, Error)]
pub enum AuditError {
    /// The store failed, or is damaged below the level at which values are read.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The genesis cannot be built.
    #[error(transparent)]
    Genesis(#[from] NodeError),
    /// No block was ever applied here.
    #[error("no block was ever applied here, not even the genesis: there is nothing to audit")]
    Empty,
    /// Something about one block is wrong.
    #[error("block {height}: {fault}")]
    Block {
        /// Which.
        height: u64,
        /// What.
        fault: Fault,
    },
    /// Something beside the blocks is wrong.
    #[error("after block {height}: {fault}")]
    State {
        /// The last applied height.
        height: u64,
        /// What.
        fault: Fault,
    },
}

/// What is wrong. Listing the variants lists what is checked.
#[derive(Debug, Error)]
pub enum Fault {
    /// An entry that must be there is not.
    #[error("its entry in {0} is missing")]
    Missing(StoreColumn),
    /// An entry is not what follows from the blocks.
    #[error("the entry under key {key} in {column} is not the one that follows from the blocks")]
    Differs {
        /// Where.
        column: StoreColumn,
        /// Its key, in hexadecimal.
        key: String,
    },
    /// An entry that stands among its neighbours is not what is found under its key.
    #[error(
        "the entry under key {key} in {column} is not found by who looks it up: a table's filters or indexes are damaged, or were made so"
    )]
    Hidden {
        /// Where.
        column: StoreColumn,
        /// Its key, in hexadecimal.
        key: String,
    },
    /// A column has entries that do not follow from the blocks.
    #[error("{column} has {found} entries, and {expected} follow from the blocks")]
    Surplus {
        /// Where.
        column: StoreColumn,
        /// How many it has.
        found: u64,
        /// How many it should have.
        expected: u64,
    },
    /// The block's bytes are not a block's.
    #[error("its bytes do not decode as a block: {0}")]
    Undecodable(CodecError),
    /// The block names another height.
    #[error("it says that its height is {0}")]
    Height(u64),
    /// The block does not follow the one before.
    #[error("its parent is {found}, and the block before is {expected}")]
    Parent {
        /// What it names.
        found: Hash,
        /// The header's hash before it.
        expected: Hash,
    },
    /// A transaction is not authentic.
    #[error("transaction {index} is not authentic: {refusal}")]
    NotAuthentic {
        /// Which.
        index: usize,
        /// Why.
        refusal: Refusal,
    },
    /// The block breaks a rule.
    #[error("{0}")]
    Invalid(InvalidBlock),
    /// The block follows a version of the protocol that this software does not know.
    #[error(
        "it follows version {version} of the protocol, and this software knows none after {PROTOCOL_VERSION_MAX}: audit with a newer one"
    )]
    ProtocolTooNew {
        /// Which.
        version: u32,
    },
    /// The certificate does not decode.
    #[error("its certificate does not decode: {0}")]
    CertificateForm(CodecError),
    /// The certificate is of another block or epoch.
    #[error("its certificate is of block {block} in epoch {epoch}")]
    CertificateOfAnother {
        /// The block it names.
        block: Hash,
        /// The epoch it names.
        epoch: u64,
    },
    /// The certificate does not hold.
    #[error("its certificate does not hold: {0}")]
    Certificate(CertificateError),
    /// Nothing says who validated the epoch.
    #[error("the state does not say who validated epoch {0}")]
    NoValidators(u64),
    /// Nobody's certificate covers the end of the chain.
    #[error("no certificate covers it, nor any block after it")]
    Uncertified,
    /// An invariant of the ledger is broken.
    #[error("{0}")]
    Invariant(BrokenInvariant),
    /// What is kept of what came of the block is not what its header commits to.
    #[error("its {0} are not those that its header commits to")]
    Record(&'static str),
    /// The header that should vouch for the state does not hold.
    #[error("the header that vouches for the state does not hold: {0}")]
    Proof(ReceiptError),
    /// The header that should vouch for the state is not that of the next block.
    #[error("the header that should vouch for the state is of height {height} on block {parent}")]
    ProofOfAnother {
        /// Its height.
        height: u64,
        /// The block that it stands on.
        parent: Hash,
    },
    /// The state is not the one that the certified header commits to.
    #[error("the state's digest is {found}, and the certified header commits to {certified}")]
    Digest {
        /// Of the entries that are there.
        found: Hash,
        /// The header's.
        certified: Hash,
    },
}

/// The height from which on a store has every block with its body, up to the last applied one. Above 1, it cannot be executed
/// again from the genesis: [`verify`] is for such a store.
///
/// # Errors
/// The store failed, or no block was ever applied.
pub fn begins_at<R: Reader>(store: &R) -> Result<u64, AuditError> {
    let applied = applied_height(store)?;
    Ok(stores::reaches_down_to(store, applied)?.min(applied))
}

/// The last applied height of a store.
///
/// # Errors
/// The store failed, or no block was ever applied.
pub fn applied_height<R: Reader>(store: &R) -> Result<u64, AuditError> {
    Ok(applied_header(store)?.height)
}

fn applied_header<R: Reader>(store: &R) -> Result<Header, AuditError> {
    let applied = store.get(StoreColumn::Meta, APPLIED_KEY)?.ok_or(AuditError::Empty)?;
    Header::from_bytes(&applied).map_err(|cause| AuditError::Genesis(NodeError::record("the applied header", cause)))
}

/// Audits a store against the genesis, on as many cores as the strategy has. `progress` is told the height that was executed and
/// the last one.
///
/// # Errors
/// The first thing that is wrong.
pub fn audit<R: Reader, S: Strategy, G: CryptoRng + Send>(
    store: &R,
    genesis: &Genesis,
    strategy: &S,
    rng: &mut G,
    progress: impl FnMut(u64, u64) + Send,
) -> Result<AuditReport, AuditError> {
    audit_in_windows(WINDOW_BLOCKS_MAX, store, genesis, strategy, rng, progress)
}

/// The audit in windows of so many blocks at most.
fn audit_in_windows<R: Reader, S: Strategy, G: CryptoRng + Send>(
    blocks_max: usize,
    store: &R,
    genesis: &Genesis,
    strategy: &S,
    rng: &mut G,
    mut progress: impl FnMut(u64, u64) + Send,
) -> Result<AuditReport, AuditError> {
    let claimed = applied_header(store)?;
    let comparing = Comparing::new(store, strategy, rng);
    let mut reading = Reading::new(store, genesis, strategy)?;
    let mut auditor = Auditor::begin(store, genesis)?;
    auditor.check_genesis(&reading, &comparing).map_err(|failure| failure.at(0))?;

    let mut read = reading.window(claimed.height, blocks_max, rng);
    let mut executed = Window::default();
    while !(read.is_empty() && executed.blocks.is_empty()) {
        let (next, (window, counted)) = strategy.join(
            || reading.window(claimed.height, blocks_max, rng),
            || {
                // Whoever comes to a join begins with its first half and leaves the other to who has nothing to do.
                let execute = || auditor.execute(read, |height| progress(height, claimed.height));
                strategy.join(execute, || comparing.compare(executed.blocks))
            },
        );
        auditor.counted.join(&counted?);
        if let Some(fault) = window.fault {
            // What was executed before it comes first, if there is anything wrong with that.
            comparing.compare(window.blocks)?;
            return Err(fault);
        }
        (read, executed) = (next, window);
    }
    auditor.check_above(&reading).map_err(|failure| failure.at(claimed.height))?;
    let at_end = |failure: Failure| match failure {
        Failure::Storage(error) => AuditError::Storage(error),
        Failure::Fault(fault) => AuditError::State { height: claimed.height, fault },
    };
    let (indexed, ended) = strategy.join(
        || comparing.check_indexes(&auditor.counted, claimed.height),
        || auditor.check_ends(claimed.height, strategy).and_then(|()| auditor.check_state(strategy)),
    );
    indexed?;
    ended.map_err(at_end)?;
    Ok(auditor.report())
}

/// A fault, or a store that failed while it was looked for.
enum Failure {
    Storage(StorageError),
    Fault(Fault),
}

impl Failure {
    fn at(self, height: u64) -> AuditError {
        match self {
            Self::Storage(error) => AuditError::Storage(error),
            Self::Fault(fault) => AuditError::Block { height, fault },
        }
    }
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Blocks that were executed, up to the first that could not be.
#[derive(Default)]
struct Window {
    blocks: Vec<Replayed>,
    fault: Option<AuditError>,
}

/// Most blocks in a window, however small.
const WINDOW_BLOCKS_MAX: usize = 2_048;

/// Entries that are compared at a time.
const PAGE: usize = 1_024;

/// What goes from block to block.
struct Auditor<'a, R> {
    store: &'a R,
    reserve_lines: Arc<Vec<ReserveLine>>,
    state: Rebuilt,
    accumulator: StateAccumulator,
    header: Header,
    history: Frontier,
    transactions: u64,
    counted: Counted,
    history_nodes: u64,
    blocks: u64,
    certificates: u64,
    certified_height: u64,
}

impl<'a, R: Reader> Auditor<'a, R> {
    /// Rebuilds the genesis.
    fn begin(store: &'a R, genesis: &Genesis) -> Result<Self, AuditError> {
        let built = genesis.build().map_err(NodeError::from)?;
        let state = Rebuilt::default();
        state.apply(built.writes);
        Ok(Self {
            store,
            reserve_lines: Arc::new(built.reserve_lines),
            state,
            accumulator: built.accumulator,
            header: built.block.header().clone(),
            history: Frontier::default(),
            transactions: 0,
            counted: Counted::default(),
            history_nodes: 0,
            blocks: 0,
            certificates: 0,
            certified_height: 0,
        })
    }

    /// Checks what the store has of the genesis.
    fn check_genesis<S: Strategy>(
        &mut self,
        reading: &Reading<'_, R, S>,
        comparing: &Comparing<'_, R, S>,
    ) -> Result<(), Failure> {
        let (outcomes, openings) = (Arc::default(), Arc::new(Openings::of_genesis()));
        let record = BlockRecord { outcomes, openings, reserve_lines: self.reserve_lines.clone() };
        check_entry(self.store, StoreColumn::Outcomes, &height_key(0), &record.to_bytes())?;
        // The engine takes the genesis block as given, and may or may not keep it.
        if let Some(stored) = reading.at(0)? {
            if stored.block.header() != &self.header {
                let key = hex::encode(height_key(0));
                return Err(Fault::Differs { column: StoreColumn::Blocks, key }.into());
            }
            self.blocks += 1;
        }
        let nodes = self.push_history();
        comparing.check_nodes(&nodes)
    }

    /// Executes what was read, block by block.
    fn execute(&mut self, read: Vec<Result<Authentic, AuditError>>, mut progress: impl FnMut(u64)) -> Window {
        let mut window = Window::default();
        for (authentic, height) in read.into_iter().zip(self.header.height + 1..) {
            let executed =
                authentic.and_then(|authentic| self.execute_block(authentic).map_err(|failure| failure.at(height)));
            match executed {
                Ok(replayed) => window.blocks.push(replayed),
                Err(fault) => {
                    window.fault = Some(fault);
                    break;
                }
            }
            progress(height);
        }
        window
    }

    fn execute_block(&mut self, Authentic { stored, transactions }: Authentic) -> Result<Replayed, Failure> {
        let header = stored.block.header();
        check_parent(header, self.header.hash())?;
        let version =
            protocol_of(&self.state).map_or(PROTOCOL_VERSION_FIRST, |protocol| protocol.in_epoch(header.epoch));
        if version > PROTOCOL_VERSION_MAX {
            return Err(Fault::ProtocolTooNew { version }.into());
        }
        let parent = ParentState {
            header: self.header.clone(),
            view: Arc::new(self.state.clone()),
            accumulator: self.accumulator.clone(),
        };
        let executed = apply_block(parent, header, &transactions).map_err(Fault::Invalid)?;
        let record = BlockRecord::of(&executed);
        self.count_stored(header.height, stored.certificate)?;
        self.state.apply(Arc::unwrap_or_clone(executed.writes));
        self.accumulator = executed.accumulator;
        self.header = executed.header;
        self.transactions += transactions.len() as u64;
        let nodes = self.push_history();
        Ok(Replayed { height: self.header.height, record, nodes, spent: (stored.block, executed.transactions) })
    }

    /// Counts a stored block with its certificate, which must hold.
    fn count_stored(&mut self, height: u64, certificate: Option<Result<(), Fault>>) -> Result<(), Fault> {
        self.blocks += 1;
        if let Some(certificate) = certificate {
            certificate?;
            self.certificates += 1;
            self.certified_height = height;
        }
        Ok(())
    }

    /// Takes the header into the history. Answers the nodes that it completed.
    fn push_history(&mut self) -> Vec<(NodePlace, Hash)> {
        let mut completed = Vec::new();
        self.history.push_noting(self.header.history_leaf(), |place, hash| completed.push((place, hash)));
        self.history_nodes += completed.len() as u64;
        completed
    }

    /// Blocks may be final and stored before they are applied; their chain and certificates are checked all the same.
    fn check_above<S: Strategy>(&mut self, reading: &Reading<'_, R, S>) -> Result<(), Failure> {
        let (applied, mut parent) = (self.header.height, self.header.hash());
        for height in applied + 1.. {
            let Some(stored) = reading.at(height)? else { break };
            check_parent(stored.block.header(), parent)?;
            parent = stored.block.hash();
            self.count_stored(height, stored.certificate)?;
        }
        if applied > 0 && self.certified_height < applied {
            return Err(Fault::Uncertified.into());
        }
        Ok(())
    }

    /// Nothing is left that was not looked at.
    fn check_ends<S: Strategy>(&self, applied: u64, strategy: &S) -> Result<(), Failure> {
        check_entry(self.store, StoreColumn::Meta, APPLIED_KEY, &self.header.to_bytes())?;
        check_entry(self.store, StoreColumn::Accumulator, ACCUMULATOR_KEY, &self.accumulator.to_bytes())?;
        let columns = [
            (StoreColumn::Outcomes, applied + 1),
            (StoreColumn::HistoryNodes, self.history_nodes),
            (StoreColumn::Accumulator, 1),
            (StoreColumn::Blocks, self.blocks),
            (StoreColumn::BlockIndex, self.blocks),
            (StoreColumn::Certificates, self.certificates),
            // Where bodies are gone nothing is executed again (`verify`).
            (StoreColumn::PrunedBlocks, 0),
        ];
        check_counts(self.store, strategy, &columns)?;
        stores::check_ranges(self.store)?;
        Ok(())
    }

    /// Every entry of the state, both ways, and what must hold over all of them.
    fn check_state<S: Strategy>(&self, strategy: &S) -> Result<(), Failure> {
        let summed = sum_of_state(self.store, strategy, |column, page| match self.state.first_unlike(column, page) {
            None => Ok(()),
            Some(key) => Err(Fault::Differs { column: StoreColumn::State(column), key: hex::encode(key) }),
        });
        // All that is there was rebuilt, and as many were rebuilt as are there. Otherwise the first that differs may as well be
        // one that is missing.
        if !summed.as_ref().is_ok_and(|summed| summed.entries == self.state.len() as u64) {
            self.compare_in_order()?;
        }
        let summed = summed?;
        if summed.accumulator.digest() != self.accumulator.digest() {
            let (column, key) = (StoreColumn::Accumulator, hex::encode(ACCUMULATOR_KEY));
            return Err(Fault::Differs { column, key }.into());
        }
        Ok(summed.standing.agree().map_err(Fault::Invariant)?)
    }

    /// The state's entries one by one, up to the first that is not as it should be.
    fn compare_in_order(&self) -> Result<(), Failure> {
        for column in Column::ALL {
            let stored = StoreColumn::State(*column);
            let mut from = Vec::new();
            loop {
                let (found, expected) = (self.store.scan(stored, &from, PAGE)?, self.state.scan(*column, &from, PAGE));
                if found != expected {
                    return Err(first_difference(stored, &found, &expected).into());
                }
                check_look_ups(self.store, stored, &found)?;
                let Some((last, _)) = found.last().filter(|_| found.len() == PAGE) else { break };
                from = after(last);
            }
        }
        Ok(())
    }

    fn report(&self) -> AuditReport {
        AuditReport {
            height: self.header.height,
            head: self.header.hash(),
            transactions: self.transactions,
            transfers: self.counted.transfers,
            certificates: self.certificates,
            state_entries: self.state.len() as u64,
            state_digest: self.accumulator.digest(),
        }
    }
}

fn check_parent(header: &Header, expected: Hash) -> Result<(), Fault> {
    match header.parent == expected {
        true => Ok(()),
        false => Err(Fault::Parent { found: header.parent, expected }),
    }
}

fn check_entry<R: Reader>(store: &R, column: StoreColumn, key: &[u8], expected: &[u8]) -> Result<(), Failure> {
    match store.get(column, key)? {
        Some(found) if found == expected => Ok(()),
        Some(_) => Err(Fault::Differs { column, key: hex::encode(key) }.into()),
        None => Err(Fault::Missing(column).into()),
    }
}

/// The smallest key above this one.
fn after(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

fn first_difference(column: StoreColumn, found: &[(Bytes, Bytes)], expected: &[(Bytes, Bytes)]) -> Fault {
    let alike = found.iter().zip(expected).take_while(|(one, other)| one == other).count();
    let key = [found.get(alike), expected.get(alike)].into_iter().flatten().map(|(key, _)| key).min();
    Fault::Differs { column, key: key.map(hex::encode).unwrap_or_default() }
}

#[cfg(test)]
mod tests;
