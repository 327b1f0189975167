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
//! # Invariants
//! * The audit believes the genesis file and nothing else. It writes nothing.
//! * The state is rebuilt in memory, so it takes as much of it as the ledger has accounts and objects, and does not grow
//!   with the history. Blocks are read one by one.
//!
//! # Deliberately absent
//! The engine's own directory, which holds votes and no money, and repair.

use super::error::NodeError;
use super::records::{ACCUMULATOR_KEY, APPLIED_KEY, BlockRecord, TransactionPlace, node_key};
use crate::admission::{Authenticator, Refusal};
use crate::consensus::block::SealedBlock;
use crate::execution::genesis::Genesis;
use crate::execution::invariants::{self, BrokenInvariant};
use crate::execution::{Executed, InvalidBlock, ParentState, apply_block};
use crate::ledger::view::MemoryView;
use crate::ledger::{
    Block, Certificate, CertificateError, Column, Header, Openings, View, Writes, consensus_namespace,
};
use crate::primitives::digest::StateAccumulator;
use crate::primitives::merkle::{Frontier, NodePlace};
use crate::primitives::{CodecError, Decode as _, Encode as _, Hash};
use crate::storage::{Reader, StorageError, StoreColumn, height_key};
use bytes::Bytes;
use commonware_parallel::Sequential;
use rand_core::CryptoRng;
use std::sync::{Arc, PoisonError, RwLock};
use thiserror::Error;

/// What the audit found in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditReport {
    /// The last applied height.
    pub height: u64,
    /// The hash of its header.
    pub head: Hash,
    /// How many transactions were executed.
    pub transactions: u64,
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
    /// Nobody's certificate covers the end of the chain.
    #[error("no certificate covers it, nor any block after it")]
    Uncertified,
    /// An invariant of the ledger is broken.
    #[error("{0}")]
    Invariant(BrokenInvariant),
}

/// Audits a store against the genesis. `progress` is told the height that was checked and the last one.
///
/// # Errors
/// The first thing that is wrong.
pub fn audit<R: Reader, G: CryptoRng>(
    store: &R,
    genesis: &Genesis,
    rng: &mut G,
    mut progress: impl FnMut(u64, u64),
) -> Result<AuditReport, AuditError> {
    let applied = store.get(StoreColumn::Meta, APPLIED_KEY)?.ok_or(AuditError::Empty)?;
    let claimed = Header::from_bytes(&applied)
        .map_err(|cause| AuditError::Genesis(NodeError::record("the applied header", cause)))?;
    let mut auditor = Auditor::begin(store, genesis)?;
    for height in 1..=claimed.height {
        auditor.check_block(height, rng).map_err(|fault| fault.at(height))?;
        progress(height, claimed.height);
    }
    let at_end = |fault: Failure| match fault {
        Failure::Storage(error) => AuditError::Storage(error),
        Failure::Fault(fault) => AuditError::State { height: claimed.height, fault },
    };
    auditor.check_certificates_above(claimed.height).map_err(|fault| fault.at(claimed.height))?;
    auditor.check_ends(&claimed).map_err(at_end)?;
    auditor.check_state().map_err(at_end)?;
    Ok(AuditReport {
        height: claimed.height,
        head: auditor.header.hash(),
        transactions: auditor.transactions,
        certificates: auditor.certificates,
        state_entries: auditor.state.read().entries().count() as u64,
        state_digest: auditor.accumulator.digest(),
    })
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

/// The state as it is rebuilt: read by execution, written between blocks.
#[derive(Clone, Default)]
struct Rebuilt(Arc<RwLock<MemoryView>>);

impl Rebuilt {
    fn read(&self) -> std::sync::RwLockReadGuard<'_, MemoryView> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn apply(&self, writes: &Writes) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).apply(writes);
    }
}

impl View for Rebuilt {
    fn get(&self, column: Column, key: &[u8]) -> Option<Bytes> {
        self.read().get(column, key)
    }

    fn scan(&self, column: Column, from: &[u8], limit: usize) -> Vec<(Bytes, Bytes)> {
        self.read().scan(column, from, limit)
    }

    fn note_corruption(&self, column: Column, key: &[u8]) {
        // What was just executed does not decode: execution will answer wrongly, and the comparison finds it.
        self.read().note_corruption(column, key);
    }
}

/// Entries that are compared at a time.
const PAGE: usize = 1_024;

struct Auditor<'a, R> {
    store: &'a R,
    genesis: &'a Genesis,
    authenticator: Authenticator<Sequential>,
    state: Rebuilt,
    accumulator: StateAccumulator,
    header: Header,
    history: Frontier,
    transactions: u64,
    indexed: u64,
    history_nodes: u64,
    blocks: u64,
    certificates: u64,
    certified_height: u64,
}

impl<'a, R: Reader> Auditor<'a, R> {
    /// Rebuilds the genesis and checks what the store has of it.
    fn begin(store: &'a R, genesis: &'a Genesis) -> Result<Self, AuditError> {
        let built = genesis.build().map_err(NodeError::from)?;
        let state = Rebuilt::default();
        state.apply(&built.writes);
        let mut auditor = Self {
            store,
            genesis,
            // Every transaction is met once, so nothing is worth remembering.
            authenticator: Authenticator::new(Sequential, 0),
            state,
            accumulator: built.accumulator,
            header: built.block.header().clone(),
            history: Frontier::default(),
            transactions: 0,
            indexed: 0,
            history_nodes: 0,
            blocks: 0,
            certificates: 0,
            certified_height: 0,
        };
        let record = BlockRecord {
            outcomes: Arc::default(),
            openings: Arc::new(Openings::of_genesis()),
            reserve_lines: Arc::new(built.reserve_lines),
        };
        auditor.check_genesis(&built.block, &record).map_err(|failure| failure.at(0))?;
        Ok(auditor)
    }

    fn check_genesis(&mut self, block: &Block, record: &BlockRecord) -> Result<(), Failure> {
        self.check_entry(StoreColumn::Outcomes, &height_key(0), &record.to_bytes())?;
        // The engine takes the genesis block as given, and may or may not keep it.
        if self.store.get(StoreColumn::Blocks, &height_key(0))?.is_some() {
            self.check_chain(0, Hash::ZERO)?;
            self.check_entry(StoreColumn::BlockIndex, block.hash().as_ref(), &height_key(0))?;
        }
        self.check_history(block.header())
    }

    fn check_block<G: CryptoRng>(&mut self, height: u64, rng: &mut G) -> Result<(), Failure> {
        let block = self.check_chain(height, self.header.hash())?;
        let authentic = self.authenticator.authenticate_block(rng, block.transactions());
        let authentic =
            authentic.map_err(|offence| Fault::NotAuthentic { index: offence.index, refusal: offence.refusal })?;
        let parent = ParentState {
            header: self.header.clone(),
            view: Arc::new(self.state.clone()),
            accumulator: self.accumulator.clone(),
        };
        let executed = apply_block(parent, block.header(), &authentic).map_err(Fault::Invalid)?;
        self.check_record(height, &executed)?;
        self.check_history(&executed.header)?;
        if let Some(certificate) = self.store.get(StoreColumn::Certificates, &height_key(height))? {
            self.check_certificate(&executed.header, &certificate)?;
        }
        self.state.apply(&executed.writes);
        self.accumulator = executed.accumulator;
        self.header = executed.header;
        Ok(())
    }

    /// A block's bytes, its height, its parent, and its place in the index.
    fn check_chain(&mut self, height: u64, parent: Hash) -> Result<Arc<Block>, Failure> {
        let bytes = self.store.get(StoreColumn::Blocks, &height_key(height))?;
        let bytes = bytes.ok_or(Fault::Missing(StoreColumn::Blocks))?;
        let sealed = SealedBlock::open_stored(&bytes).map_err(Fault::Undecodable)?;
        let header = sealed.block().header();
        if header.height != height {
            return Err(Fault::Height(header.height).into());
        }
        if header.parent != parent {
            return Err(Fault::Parent { found: header.parent, expected: parent }.into());
        }
        self.check_entry(StoreColumn::BlockIndex, header.hash().as_ref(), &height_key(height))?;
        self.blocks += 1;
        Ok(sealed.block().clone())
    }

    /// What the committer wrote of a block beside the state.
    fn check_record(&mut self, height: u64, executed: &Executed) -> Result<(), Failure> {
        let record = BlockRecord::of(executed);
        self.check_entry(StoreColumn::Outcomes, &height_key(height), &record.to_bytes())?;
        for (index, outcome) in record.outcomes.iter().enumerate() {
            let place = TransactionPlace { height, index: index as u32 };
            self.check_entry(StoreColumn::TransactionIndex, outcome.transaction_id.as_bytes(), &place.to_bytes())?;
            self.indexed += 1;
        }
        self.transactions += executed.transactions.len() as u64;
        Ok(())
    }

    fn check_history(&mut self, header: &Header) -> Result<(), Failure> {
        let mut completed: Vec<(NodePlace, Hash)> = Vec::new();
        self.history.push_noting(header.history_leaf(), |place, hash| completed.push((place, hash)));
        for (place, hash) in completed {
            self.check_entry(StoreColumn::HistoryNodes, &node_key(place), &hash.to_bytes())?;
            self.history_nodes += 1;
        }
        Ok(())
    }

    fn check_certificate(&mut self, header: &Header, bytes: &[u8]) -> Result<(), Failure> {
        let certificate = Certificate::from_bytes(bytes).map_err(Fault::CertificateForm)?;
        let epoch = header.height / self.genesis.epoch_length();
        if certificate.block != header.hash() || certificate.epoch != epoch {
            return Err(Fault::CertificateOfAnother { block: certificate.block, epoch: certificate.epoch }.into());
        }
        let namespace = consensus_namespace(&self.genesis.chain_id());
        certificate.verify(&namespace, self.genesis.validators()).map_err(Fault::Certificate)?;
        self.certificates += 1;
        self.certified_height = header.height;
        Ok(())
    }

    /// Blocks may be final and stored before they are applied; their chain and certificates are checked all the same.
    fn check_certificates_above(&mut self, applied: u64) -> Result<(), Failure> {
        let mut parent = self.header.hash();
        for height in applied + 1.. {
            if self.store.get(StoreColumn::Blocks, &height_key(height))?.is_none() {
                break;
            }
            let block = self.check_chain(height, parent)?;
            if let Some(certificate) = self.store.get(StoreColumn::Certificates, &height_key(height))? {
                self.check_certificate(block.header(), &certificate)?;
            }
            parent = block.hash();
        }
        if applied > 0 && self.certified_height < applied {
            return Err(Fault::Uncertified.into());
        }
        Ok(())
    }

    /// Nothing is left that was not looked at.
    fn check_ends(&self, claimed: &Header) -> Result<(), Failure> {
        self.check_entry(StoreColumn::Meta, APPLIED_KEY, &self.header.to_bytes())?;
        self.check_entry(StoreColumn::Accumulator, ACCUMULATOR_KEY, &self.accumulator.to_bytes())?;
        for (column, expected) in [
            (StoreColumn::Outcomes, claimed.height + 1),
            (StoreColumn::TransactionIndex, self.indexed),
            (StoreColumn::HistoryNodes, self.history_nodes),
            (StoreColumn::Accumulator, 1),
            (StoreColumn::Blocks, self.blocks),
            (StoreColumn::BlockIndex, self.blocks),
            (StoreColumn::Certificates, self.certificates),
        ] {
            let found = self.count(column)?;
            if found != expected {
                return Err(Fault::Surplus { column, found, expected }.into());
            }
        }
        crate::storage::stores::check_ranges(self.store)?;
        Ok(())
    }

    fn count(&self, column: StoreColumn) -> Result<u64, StorageError> {
        let (mut count, mut from) = (0, Vec::new());
        loop {
            let page = self.store.scan(column, &from, PAGE)?;
            count += page.len() as u64;
            let Some((last, _)) = page.last().filter(|_| page.len() == PAGE) else { return Ok(count) };
            from = after(last);
        }
    }

    /// Every entry of the state, both ways, and what must hold over all of them.
    fn check_state(&self) -> Result<(), Failure> {
        let mut from_scratch = StateAccumulator::default();
        for column in Column::ALL {
            let stored = StoreColumn::State(*column);
            let mut from = Vec::new();
            loop {
                let (found, expected) = (self.store.scan(stored, &from, PAGE)?, self.state.scan(*column, &from, PAGE));
                if found != expected {
                    return Err(first_difference(stored, &found, &expected).into());
                }
                found.iter().for_each(|(key, value)| from_scratch.add(column.tag(), key, value));
                let Some((last, _)) = found.last().filter(|_| found.len() == PAGE) else { break };
                from = after(last);
            }
        }
        if from_scratch.digest() != self.accumulator.digest() {
            let (column, key) = (StoreColumn::Accumulator, hex::encode(ACCUMULATOR_KEY));
            return Err(Fault::Differs { column, key }.into());
        }
        Ok(invariants::check_all(self.state.read().entries()).map_err(Fault::Invariant)?)
    }

    fn check_entry(&self, column: StoreColumn, key: &[u8], expected: &[u8]) -> Result<(), Failure> {
        match self.store.get(column, key)? {
            Some(found) if found == expected => Ok(()),
            Some(_) => Err(Fault::Differs { column, key: hex::encode(key) }.into()),
            None => Err(Fault::Missing(column).into()),
        }
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
