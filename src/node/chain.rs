//! The chain as this node has it: the committed state, and above it the executed blocks that are not final yet.
//!
//! # Life of a block here
//! executed (by whoever proposed or verified it first) → published under its hash, whole or not at all → committed when
//! final, in one synced batch → forgotten with everything that competed with it.
//!
//! # Invariants
//! * Only [`Chain::commit`] writes state, and it writes one block's effects in one synced batch.
//! * A state handed out is of the block that was asked for, or none is.
//! * Nothing computed from a failed read is believed: [`ParentProbe::check`] stands between an execution and its use.

use super::error::NodeError;
use super::records::{ACCUMULATOR_KEY, APPLIED_KEY, BlockRecord, TransactionPlace, node_key};
use crate::execution::genesis::Genesis;
use crate::execution::{Executed, ParentState};
use crate::ledger::history::TIP_KEY;
use crate::ledger::{Header, Layers, Openings, Tip, View, Writes};
use crate::primitives::digest::StateAccumulator;
use crate::primitives::merkle::{Frontier, NodePlace};
use crate::primitives::{Decode, Encode, Hash, TransactionId};
use crate::storage::{Batch, Reader as _, Store, StoreColumn, StoreView, height_key};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Most executed blocks kept above the committed one: far more than consensus has undecided at a time.
const PENDING_MAX: usize = 64;

/// The last committed block.
#[derive(Clone, Debug)]
pub struct Head {
    /// Its header.
    pub header: Header,
    /// Its header's hash.
    pub hash: Hash,
    /// The sum over the state after it.
    pub accumulator: StateAccumulator,
}

/// The committed state and the executed blocks above it.
pub struct Chain<S> {
    store: S,
    inner: Mutex<Inner>,
}

struct Inner {
    head: Arc<Head>,
    pending: BTreeMap<Hash, Arc<Executed>>,
}

/// The state as of one committed block, whatever is committed after.
pub struct PinnedState {
    /// The block's header.
    pub header: Header,
    /// The state after it.
    pub view: Arc<dyn View>,
}

struct Pinned<R> {
    header: Header,
    reader: R,
}

/// A parent's state with the probe that tells whether reading it ever failed.
pub struct Parent<S: Store> {
    /// The state.
    pub state: ParentState,
    probe: StoreView<S::Snapshot>,
}

impl<S: Store> Parent<S> {
    /// The state, and what is asked after the execution.
    pub fn split(self) -> (ParentState, StateProbe<S>) {
        (self.state, StateProbe(self.probe))
    }
}

/// Tells whether the store behind a state failed while it was read.
pub struct StateProbe<S: Store>(StoreView<S::Snapshot>);

impl<S: Store> StateProbe<S> {
    /// # Errors
    /// The first failure. What was computed is then worthless.
    pub fn check(&self) -> Result<(), NodeError> {
        Ok(self.0.check()?)
    }
}

impl<S: Store> Chain<S> {
    /// Opens the chain in a store; an empty store gets the genesis block's state first.
    ///
    /// # Errors
    /// The store fails, or holds what no committer wrote.
    pub async fn open(store: S, genesis: &Genesis) -> Result<Self, NodeError> {
        let head = match store.get(StoreColumn::Meta, APPLIED_KEY)? {
            Some(header) => read_head(&store, &header)?,
            None => write_genesis(&store, genesis).await?,
        };
        Ok(Self { store, inner: Mutex::new(Inner { head: Arc::new(head), pending: BTreeMap::new() }) })
    }

    /// The store behind the chain.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// The last committed block.
    pub fn head(&self) -> Arc<Head> {
        self.lock().head.clone()
    }

    /// The committed state, pinned together with its header.
    ///
    /// # Errors
    /// The store failed.
    pub fn snapshot(&self) -> Result<PinnedState, NodeError> {
        let Pinned { header, reader } = self.pin()?;
        Ok(PinnedState { header, view: Arc::new(StoreView::new(reader)) })
    }

    fn pin(&self) -> Result<Pinned<S::Snapshot>, NodeError> {
        let reader = self.store.snapshot()?;
        let header = reader.get(StoreColumn::Meta, APPLIED_KEY)?;
        let header = header.ok_or(NodeError::MissingRecord("the applied header"))?;
        let header = Header::from_bytes(&header).map_err(|cause| NodeError::record("the applied header", cause))?;
        Ok(Pinned { header, reader })
    }

    /// The executed block of this hash, if it is above the committed one.
    pub fn executed(&self, hash: &Hash) -> Option<Arc<Executed>> {
        self.lock().pending.get(hash).cloned()
    }

    /// The state after the block of this hash: of the committed one, or of one whose ancestors down to the committed one
    /// have all been executed. Pinned: commits that happen meanwhile do not show in it.
    ///
    /// # Errors
    /// The store failed.
    pub fn state_after(&self, hash: &Hash) -> Result<Option<Parent<S>>, NodeError> {
        let inner = self.lock();
        // A commit writes before it moves the head, so the pinned state may be one block ahead of the head, never behind.
        let pinned = self.pin()?;
        let pinned_hash = pinned.header.hash();
        let mut layers: Vec<Arc<Writes>> = Vec::new();
        let mut reached = *hash;
        while reached != pinned_hash {
            let Some(executed) = inner.pending.get(&reached) else { return Ok(None) };
            layers.push(executed.writes.clone());
            reached = executed.header.parent;
        }
        let (header, accumulator) = match inner.pending.get(hash) {
            Some(executed) => (executed.header.clone(), executed.accumulator.clone()),
            None if *hash == inner.head.hash => (inner.head.header.clone(), inner.head.accumulator.clone()),
            None => return Ok(None),
        };
        drop(inner);
        let probe = StoreView::new(pinned.reader);
        let view: Arc<dyn View> = Arc::new(Layers::new(layers, Arc::new(probe.clone())));
        Ok(Some(Parent { state: ParentState { header, view, accumulator }, probe }))
    }

    /// Publishes an executed block, for children to stand on.
    pub fn publish(&self, executed: Arc<Executed>) {
        let mut inner = self.lock();
        let committed_height = inner.head.header.height;
        inner.pending.retain(|_, pending| pending.header.height > committed_height);
        if executed.header.height > committed_height && inner.pending.len() < PENDING_MAX {
            inner.pending.insert(executed.header.hash(), executed);
        }
    }

    /// Writes a final block's effects and makes it the head.
    ///
    /// # Errors
    /// The store failed: nothing may be answered any more, and the node stops.
    pub async fn commit(&self, executed: &Executed) -> Result<Arc<Head>, NodeError> {
        let head = self.head();
        if executed.header.parent != head.hash {
            return Err(NodeError::NotTheNextBlock { height: executed.header.height, head: head.header.height });
        }
        self.store.commit(effects(&self.store, executed)?).await?;
        let (header, accumulator) = (executed.header.clone(), executed.accumulator.clone());
        let committed = Arc::new(Head { hash: header.hash(), header, accumulator });
        let mut inner = self.lock();
        inner.head = committed.clone();
        inner.pending.retain(|_, pending| pending.header.height > committed.header.height);
        Ok(committed)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every change under the lock is a single assignment or insertion, so a panic elsewhere leaves it whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read_head<S: Store>(store: &S, header: &[u8]) -> Result<Head, NodeError> {
    let header = Header::from_bytes(header).map_err(|cause| NodeError::record("the applied header", cause))?;
    let accumulator = store
        .get(StoreColumn::Accumulator, ACCUMULATOR_KEY)?
        .ok_or(NodeError::MissingRecord("the state's accumulator"))?;
    let accumulator = StateAccumulator::from_bytes(&accumulator)
        .map_err(|cause| NodeError::record("the state's accumulator", cause))?;
    Ok(Head { hash: header.hash(), header, accumulator })
}

async fn write_genesis<S: Store>(store: &S, genesis: &Genesis) -> Result<Head, NodeError> {
    let built = genesis.build()?;
    let mut batch = Batch::new();
    put_state(&mut batch, &built.writes);
    let mut frontier = Frontier::default();
    frontier.push_noting(built.block.header().history_leaf(), |place, hash| put_node(&mut batch, place, hash));
    let record = BlockRecord {
        outcomes: Vec::new(),
        openings: Openings::of_genesis(),
        reserve_lines: built.reserve_lines.clone(),
    };
    batch.put(StoreColumn::Outcomes, height_key(0), record.to_bytes());
    put_head(&mut batch, built.block.header(), &built.accumulator);
    store.commit(batch).await?;
    let header = built.block.header().clone();
    Ok(Head { hash: header.hash(), header, accumulator: built.accumulator })
}

/// Everything that one block writes.
fn effects<S: Store>(store: &S, executed: &Executed) -> Result<Batch, NodeError> {
    let height = executed.header.height;
    let mut batch = Batch::new();
    put_state(&mut batch, &executed.writes);
    for (index, transaction) in executed.transactions.iter().enumerate() {
        let place = TransactionPlace { height, index: index as u32 };
        batch.put(StoreColumn::TransactionIndex, transaction.id(), place.to_bytes());
    }
    for outcome in executed.outcomes.iter().skip(executed.transactions.len()) {
        // What fell due is found like a transaction, after the last of them.
        let place = TransactionPlace { height, index: executed.transactions.len() as u32 };
        batch.put(StoreColumn::TransactionIndex, outcome.transaction_id, place.to_bytes());
    }
    batch.put(StoreColumn::Outcomes, height_key(height), BlockRecord::of(executed).to_bytes());
    let mut history = tip(store)?.history;
    history.push_noting(executed.header.history_leaf(), |place, hash| put_node(&mut batch, place, hash));
    put_head(&mut batch, &executed.header, &executed.accumulator);
    Ok(batch)
}

fn tip<S: Store>(store: &S) -> Result<Tip, NodeError> {
    let view = StoreView::new(store.clone());
    let tip = (&view as &dyn View).read::<Tip>(&TIP_KEY);
    view.check()?;
    tip.ok_or(NodeError::MissingRecord("the chain's tip"))
}

fn put_state(batch: &mut Batch, writes: &Writes) {
    for ((column, key), value) in writes {
        match value {
            Some(value) => batch.put(StoreColumn::State(*column), key, value.clone()),
            None => batch.delete(StoreColumn::State(*column), key),
        }
    }
}

fn put_node(batch: &mut Batch, place: NodePlace, hash: Hash) {
    batch.put(StoreColumn::HistoryNodes, node_key(place), hash.to_bytes());
}

fn put_head(batch: &mut Batch, header: &Header, accumulator: &StateAccumulator) {
    batch.put(StoreColumn::Meta, APPLIED_KEY, header.to_bytes());
    batch.put(StoreColumn::Accumulator, ACCUMULATOR_KEY, accumulator.to_bytes());
}

/// Where a transaction is, if it is final.
///
/// # Errors
/// The store failed or holds what no committer wrote.
pub fn transaction_place<S: Store>(store: &S, id: &TransactionId) -> Result<Option<TransactionPlace>, NodeError> {
    let Some(bytes) = store.get(StoreColumn::TransactionIndex, id.as_bytes())? else { return Ok(None) };
    let place = TransactionPlace::from_bytes(&bytes);
    place.map(Some).map_err(|cause| NodeError::record("a transaction's place", cause))
}

/// What came of the block at a height, if it is applied.
///
/// # Errors
/// The store failed or holds what no committer wrote.
pub fn block_record<S: Store>(store: &S, height: u64) -> Result<Option<BlockRecord>, NodeError> {
    let Some(bytes) = store.get(StoreColumn::Outcomes, &height_key(height))? else { return Ok(None) };
    let record = BlockRecord::from_bytes(&bytes);
    record.map(Some).map_err(|cause| NodeError::record("a block's outcomes", cause))
}
