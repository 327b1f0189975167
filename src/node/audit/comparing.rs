//! The last of the audit's three steps: what was executed, compared with what is stored of it beside the state.
//!
//! Outcomes, openings and reserve lines by height, nodes of the history, and the indexes of transactions and of objects. An index
//! is in the order of ids, which is no order of time: it is compared as a set ([`super::entries`]), and entry by entry only if
//! the sets differ.

use super::entries::{EntrySet, SetKey};
use super::walk::walk;
use super::{AuditError, Failure, Fault, check_entry};
use crate::execution::Transaction;
use crate::ledger::{Block, MovementKind, Outcome};
use crate::node::records::{BlockRecord, node_key, object_key, objects_of, places};
use crate::primitives::merkle::NodePlace;
use crate::primitives::{Decode as _, Encode as _, Hash};
use crate::storage::{Reader, StorageError, StoreColumn, height_key};
use bytes::Bytes;
use commonware_parallel::Strategy;
use rand_core::CryptoRng;
use std::sync::Arc;

/// A block that was executed.
pub(super) struct Replayed {
    /// Its height.
    pub height: u64,
    /// What came of it.
    pub record: BlockRecord,
    /// The nodes of the history that it completed.
    pub nodes: Vec<(NodePlace, Hash)>,
    /// What it was executed from, which is of no use any more: given back here, since whoever executes has no time to.
    pub spent: (Arc<Block>, Arc<Vec<Arc<Transaction>>>),
}

/// What was counted while blocks were compared.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counted {
    /// The entries of the index of transactions.
    pub transactions: EntrySet,
    /// The entries of the index of objects.
    pub objects: EntrySet,
    /// Transfers that were made.
    pub transfers: u64,
}

impl Counted {
    /// Takes in another count.
    pub fn join(&mut self, other: &Self) {
        self.transactions.join(&other.transactions);
        self.objects.join(&other.objects);
        self.transfers += other.transfers;
    }
}

/// See the module.
pub(super) struct Comparing<'a, R, S> {
    store: &'a R,
    strategy: &'a S,
    set_key: SetKey,
}

impl<'a, R: Reader, S: Strategy> Comparing<'a, R, S> {
    /// With a key of its own.
    pub fn new(store: &'a R, strategy: &'a S, rng: &mut impl CryptoRng) -> Self {
        Self { store, strategy, set_key: SetKey::drawn(rng) }
    }

    /// Compares blocks with what is stored of them.
    pub fn compare(&self, blocks: Vec<Replayed>) -> Result<Counted, AuditError> {
        let compare = |block: Replayed| {
            let counted = self.compare_one(&block).map_err(|failure| failure.at(block.height));
            drop(block.spent);
            counted
        };
        let mut counted = Counted::default();
        for of_block in self.strategy.map_collect_vec(blocks, compare) {
            counted.join(&of_block?);
        }
        Ok(counted)
    }

    fn compare_one(&self, block: &Replayed) -> Result<Counted, Failure> {
        let Replayed { height, record, nodes, .. } = block;
        check_entry(self.store, StoreColumn::Outcomes, &height_key(*height), &record.to_bytes())?;
        self.check_nodes(nodes)?;
        Ok(self.count(*height, &record.outcomes))
    }

    /// What the indexes have of a block that these are the outcomes of.
    pub fn count(&self, height: u64, outcomes: &[Outcome]) -> Counted {
        let mut counted = Counted::default();
        for (place, outcome) in places(height, outcomes) {
            counted.transactions.insert(&self.set_key, outcome.transaction_id.as_bytes(), &place.to_bytes());
            for object in objects_of(outcome) {
                counted.objects.insert(&self.set_key, &object_key(object, place), &[]);
            }
            let moved = outcome.movements.iter().filter(|movement| movement.kind == MovementKind::Transfer);
            counted.transfers += moved.count() as u64;
        }
        counted
    }

    /// Nodes of the history, as a header completed them.
    pub fn check_nodes(&self, nodes: &[(NodePlace, Hash)]) -> Result<(), Failure> {
        nodes.iter().try_for_each(|(place, hash)| {
            check_entry(self.store, StoreColumn::HistoryNodes, &node_key(*place), &hash.to_bytes())
        })
    }

    /// Whether the indexes are those that follow from the blocks up to a height.
    pub fn check_indexes(&self, expected: &Counted, height: u64) -> Result<(), AuditError> {
        let indexes =
            [(StoreColumn::TransactionIndex, &expected.transactions), (StoreColumn::ObjectIndex, &expected.objects)];
        indexes.into_iter().try_for_each(|(column, expected)| self.check_index(column, expected, height))
    }

    fn check_index(&self, column: StoreColumn, expected: &EntrySet, height: u64) -> Result<(), AuditError> {
        let take = |set: &mut EntrySet, _, page: &[(Bytes, Bytes)]| {
            page.iter().for_each(|(key, value)| set.insert(&self.set_key, key, value));
            Ok::<(), StorageError>(())
        };
        let mut found = EntrySet::default();
        walk(self.store, self.strategy, &[column], take)?.iter().for_each(|part| found.join(part));
        if found == *expected {
            return Ok(());
        }
        for height in 1..=height {
            self.check_indexes_of(height).map_err(|failure| failure.at(height))?;
        }
        let fault = Fault::Surplus { column, found: found.count(), expected: expected.count() };
        Err(AuditError::State { height, fault })
    }

    /// The indexes' entries of one block, one by one. Its outcomes were compared before.
    fn check_indexes_of(&self, height: u64) -> Result<(), Failure> {
        let bytes = self.store.get(StoreColumn::Outcomes, &height_key(height))?;
        let bytes = bytes.ok_or(Fault::Missing(StoreColumn::Outcomes))?;
        let record = BlockRecord::from_bytes(&bytes).map_err(Fault::Undecodable)?;
        places(height, &record.outcomes).try_for_each(|(place, outcome)| {
            let key = outcome.transaction_id.as_bytes();
            check_entry(self.store, StoreColumn::TransactionIndex, key, &place.to_bytes())?;
            objects_of(outcome).into_iter().try_for_each(|object| {
                check_entry(self.store, StoreColumn::ObjectIndex, &object_key(object, place), &[])
            })
        })
    }
}
