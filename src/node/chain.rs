//! The chain as this node has it: the committed state, and above it the executed blocks that are not final yet.
//!
//! # Life of a block here
//! executed (by whoever proposed or verified it first) → published under its hash, whole or not at all → committed when
//! final, in one synced batch → forgotten with everything that competed with it.
//!
//! # Invariants
//! * Only [`Chain::commit`] writes state, and it writes one block's effects in one synced batch.
//! * A state handed out is of the block that was asked for, or none is.
//! * Nothing computed from a failed read is believed: [`Parent::check`] stands between an execution and its use.
//! * Above the committed block stand at most [`PENDING_MAX`] blocks, or one chain of them however long: a block never
//!   loses an ancestor to make room, and what loses its place is executed again if it turns out to be needed.

use super::error::NodeError;
use super::records::{
    ACCUMULATOR_KEY, APPLIED_KEY, BlockRecord, TransactionPlace, node_key, object_key, objects_of, places,
};
use super::state_cache::{CachedView, StateCache};
use crate::execution::genesis::Genesis;
use crate::execution::{Executed, ParentState};
use crate::ledger::history::TIP_KEY;
use crate::ledger::{Header, Layers, Openings, Tip, View, Writes};
use crate::primitives::digest::StateAccumulator;
use crate::primitives::merkle::{Frontier, NodePlace};
use crate::primitives::{Decode, Encode, Hash, ObjectId, TransactionId};
use crate::storage::{Batch, Reader, Store, StoreColumn, StoreView, height_key};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Executed blocks kept above the committed one: far more than consensus has undecided at a time.
const PENDING_MAX: usize = 64;

/// What a payment's outcome takes in a block's record, with its opening.
const OUTCOME_BYTES_USUAL: usize = 384;

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
    cache: Arc<StateCache>,
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

impl Inner {
    /// Makes room for the block that came last: the lowest of those goes that it does not stand on, as what it stands on
    /// has won or will win if it does.
    fn make_room(&mut self, newest: Hash) {
        if self.pending.len() <= PENDING_MAX {
            return;
        }
        let mut line = BTreeSet::new();
        let mut reached = newest;
        while let Some(executed) = self.pending.get(&reached) {
            line.insert(reached);
            reached = executed.header.parent;
        }
        let beside = self.pending.iter().filter(|(hash, _)| !line.contains(*hash));
        let lowest = beside.min_by_key(|(_, executed)| executed.header.height).map(|(hash, _)| *hash);
        lowest.and_then(|hash| self.pending.remove(&hash));
    }
}

/// A snapshot with what it says of itself.
struct Pinned<R> {
    head: Head,
    reader: R,
}

/// The state that a block is to stand on: of the committed block, and the executed ones above it.
///
/// Pinned: commits that happen meanwhile do not show in it.
pub struct Parent<S: Store> {
    committed: Head,
    /// The newest first.
    above: Vec<Arc<Executed>>,
    /// Tells whether the store failed while it was read.
    probe: StoreView<S::Snapshot>,
    cache: Arc<StateCache>,
}

impl<S: Store> Parent<S> {
    /// The state.
    pub fn state(&self) -> ParentState {
        let layers = self.above.iter().map(|executed| (executed.writes.clone(), executed.touched.clone()));
        let height = self.committed.header.height;
        let committed = CachedView::pinned(self.probe.clone(), self.cache.clone(), height);
        let view: Arc<dyn View> = Arc::new(Layers::touched(layers, Arc::new(committed)));
        let (header, accumulator) = match self.above.first() {
            Some(newest) => (newest.header.clone(), newest.accumulator.clone()),
            None => (self.committed.header.clone(), self.committed.accumulator.clone()),
        };
        ParentState { header, view, accumulator }
    }

    /// The hash of the block whose state it is.
    pub fn hash(&self) -> Hash {
        self.above.first().map_or(self.committed.hash, |newest| newest.header.hash())
    }

    /// The state after a block that was executed on this one.
    pub fn after(mut self, executed: Arc<Executed>) -> Self {
        self.above.insert(0, executed);
        self
    }

    /// What the blocks above the committed one hold already.
    pub fn ids_above_committed(&self) -> BTreeSet<TransactionId> {
        let transactions = self.above.iter().flat_map(|executed| executed.transactions.iter());
        transactions.map(|transaction| transaction.id()).collect()
    }

    /// What is asked after each execution on this state.
    ///
    /// # Errors
    /// The first failed read. What was computed is then worthless.
    pub fn check(&self) -> Result<(), NodeError> {
        Ok(self.probe.check()?)
    }
}

impl<S: Store> Chain<S> {
    /// Opens the chain in a store; an empty store gets the genesis block's state first.
    ///
    /// # Errors
    /// The store fails, or holds what no committer wrote.
    pub async fn open(store: S, genesis: &Genesis) -> Result<Self, NodeError> {
        let head = match store.get(StoreColumn::Meta, APPLIED_KEY)? {
            Some(_) => read_head(&store)?,
            None => write_genesis(&store, genesis).await?,
        };
        let cache = Arc::new(StateCache::new(head.header.height));
        Ok(Self { store, cache, inner: Mutex::new(Inner { head: Arc::new(head), pending: BTreeMap::new() }) })
    }

    /// The store behind the chain.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// The committed state as it is now, and what tells whether the store failed while it was read.
    pub fn newest_state(&self) -> (StoreView<S>, CachedView<StoreView<S>>) {
        let probe = StoreView::new(self.store.clone());
        (probe.clone(), CachedView::newest(probe, self.cache.clone()))
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
        let reader = self.store.snapshot()?;
        let header = applied_header(&reader)?;
        Ok(PinnedState { header, view: Arc::new(StoreView::new(reader)) })
    }

    fn pin(&self) -> Result<Pinned<S::Snapshot>, NodeError> {
        let reader = self.store.snapshot()?;
        Ok(Pinned { head: read_head(&reader)?, reader })
    }

    /// The executed block of this hash, if it is above the committed one.
    pub fn executed(&self, hash: &Hash) -> Option<Arc<Executed>> {
        self.lock().pending.get(hash).cloned()
    }

    /// The state after the block of this hash: of the committed one, or of one whose ancestors down to the committed one
    /// have all been executed.
    ///
    /// # Errors
    /// The store failed.
    pub fn state_after(&self, hash: &Hash) -> Result<Option<Parent<S>>, NodeError> {
        let inner = self.lock();
        // A commit writes before it moves the head, so what is pinned may be one block ahead of the head, never behind. It
        // says itself what it is; the head is not asked.
        let Pinned { head, reader } = self.pin()?;
        let mut above: Vec<Arc<Executed>> = Vec::new();
        let mut reached = *hash;
        while reached != head.hash {
            let Some(executed) = inner.pending.get(&reached) else { return Ok(None) };
            reached = executed.header.parent;
            above.push(executed.clone());
        }
        let cache = self.cache.clone();
        Ok(Some(Parent { committed: head, above, probe: StoreView::new(reader), cache }))
    }

    /// Publishes an executed block, for children to stand on.
    pub fn publish(&self, executed: Arc<Executed>) {
        let mut inner = self.lock();
        if executed.header.height > inner.head.header.height {
            let hash = executed.header.hash();
            inner.pending.insert(hash, executed);
            inner.make_room(hash);
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
        self.cache.committed(executed.header.height, &executed.writes);
        let (header, accumulator) = (executed.header.clone(), executed.accumulator.clone());
        let committed = Arc::new(Head { hash: header.hash(), header, accumulator });
        let mut inner = self.lock();
        inner.head = committed.clone();
        inner.pending.retain(|_, pending| pending.header.height > committed.header.height);
        Ok(committed)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every change under the lock is whole at each step, so a panic elsewhere leaves nothing half done.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn applied_header(reader: &impl Reader) -> Result<Header, NodeError> {
    let header = reader.get(StoreColumn::Meta, APPLIED_KEY)?.ok_or(NodeError::MissingRecord("the applied header"))?;
    Header::from_bytes(&header).map_err(|cause| NodeError::record("the applied header", cause))
}

fn read_head(reader: &impl Reader) -> Result<Head, NodeError> {
    let header = applied_header(reader)?;
    let accumulator = reader.get(StoreColumn::Accumulator, ACCUMULATOR_KEY)?;
    let accumulator = accumulator.ok_or(NodeError::MissingRecord("the state's accumulator"))?;
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
        outcomes: Arc::default(),
        openings: Arc::new(Openings::of_genesis()),
        reserve_lines: Arc::new(built.reserve_lines.clone()),
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
    for (place, outcome) in places(height, &executed.outcomes) {
        batch.put(StoreColumn::TransactionIndex, outcome.transaction_id, place.to_bytes());
        for object in objects_of(outcome) {
            batch.put(StoreColumn::ObjectIndex, object_key(object, place), Bytes::new());
        }
    }
    // Grown step by step, it would be copied a dozen times.
    let mut record = Vec::with_capacity(executed.outcomes.len() * OUTCOME_BYTES_USUAL + 1_024);
    BlockRecord::of(executed).encode(&mut record);
    batch.put(StoreColumn::Outcomes, height_key(height), record);
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

/// Where transactions are, of those that are final.
///
/// # Errors
/// The store failed or holds what no committer wrote.
pub fn transaction_places<S: Store>(
    store: &S,
    ids: &[TransactionId],
) -> Result<Vec<Option<TransactionPlace>>, NodeError> {
    let places: Vec<_> = ids.iter().map(|id| (StoreColumn::TransactionIndex, &id.as_bytes()[..])).collect();
    let found = store.multi_get(&places)?.into_iter();
    let read = |bytes: Bytes| TransactionPlace::from_bytes(&bytes);
    let places = found.map(|bytes| bytes.map(read).transpose());
    places.collect::<Result<_, _>>().map_err(|cause| NodeError::record("a transaction's place", cause))
}

/// Where the first transactions are that an object's history is made of, in the ledger's order, or the first after a place.
///
/// # Errors
/// The store failed or holds what no committer wrote.
pub fn object_places<S: Store>(
    store: &S,
    object: ObjectId,
    after: Option<TransactionPlace>,
    limit: usize,
) -> Result<Vec<TransactionPlace>, NodeError> {
    let prefix = object.as_bytes();
    let from = after.map_or_else(|| prefix.to_vec(), |after| [&object_key(object, after)[..], &[0]].concat());
    let steps = store.scan_prefix(StoreColumn::ObjectIndex, prefix, &from, limit)?;
    let place = |key: &Bytes| TransactionPlace::from_bytes(key.get(ObjectId::SIZE..).unwrap_or_default());
    let places = steps.iter().map(|(key, _)| place(key)).collect::<Result<_, _>>();
    places.map_err(|cause| NodeError::record("a step of an object's history", cause))
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
