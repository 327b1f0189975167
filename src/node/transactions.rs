//! The transaction desk: where transactions wait between their admission and their block.
//!
//! It joins admission's stages with the pool and the clock's answers that the node gives it, and wakes a leader that waits
//! for something to propose.
//!
//! # Invariants
//! * A transaction leaves the pool when a committed block holds it, holds another one under its request id, or has passed
//!   its expiry; or when a committed block changed its sender's account so that no block takes it any more.
//! * Peers' transactions pass the same stages as clients'.

use super::service::PendingTransaction;
use crate::admission::{Admissible, Authenticator, Decoded, Origin, Plausible, Pool, PoolLimits, Pooled, Refusal};
use crate::execution::{Envelope, Executed, Transaction};
use crate::ledger::limits::{BLOCK_BYTES_MAX, BLOCK_TRANSACTIONS_MAX};
use crate::ledger::{Column, SignedTransaction, View};
use crate::primitives::{AccountId, BlockTime, ChainId, Decode as _, Encode as _, RequestId, TransactionId};
use bytes::Bytes;
use commonware_macros::select;
use commonware_parallel::Strategy;
use commonware_utils::channel::watch;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use std::collections::BTreeSet;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many bytes of authenticated transactions are remembered: two full blocks and what arrives meanwhile.
const REMEMBERED_BYTES_MAX: usize = 4 * BLOCK_BYTES_MAX;

/// Admission, the pool, and those who wait for it to fill.
pub struct TransactionDesk<T: Strategy> {
    chain_id: ChainId,
    authenticator: Authenticator<T>,
    // Batch verification blinds its equation with it; nothing that validators agree on depends on it.
    rng: Mutex<StdRng>,
    pool: Mutex<Pool>,
    /// Wakes a leader that waits. It and the relay have a channel each: the order in which one channel wakes several is
    /// random, and a simulation would not repeat itself.
    arrivals: watch::Sender<u64>,
    /// Wakes the relay.
    clients_arrivals: watch::Sender<u64>,
}

impl<T: Strategy> TransactionDesk<T> {
    /// An empty desk. The seed is random in a node and fixed in a simulation.
    pub fn new(chain_id: ChainId, strategy: T, limits: PoolLimits, seed: [u8; 32]) -> Self {
        Self {
            chain_id,
            authenticator: Authenticator::new(strategy, REMEMBERED_BYTES_MAX),
            rng: Mutex::new(StdRng::from_seed(seed)),
            pool: Mutex::new(Pool::new(limits)),
            arrivals: watch::channel(0).0,
            clients_arrivals: watch::channel(0).0,
        }
    }

    /// Takes authentic transactions to the pool, on the state as it is by now.
    ///
    /// The caller has looked up whether they are final already. Each has its own answer: the first rule that it breaks.
    pub fn admit(
        &self,
        transactions: Vec<Arc<Transaction>>,
        origin: Origin,
        now: impl Fn(BlockTime) -> BlockTime,
        view: &dyn View,
    ) -> Vec<Result<Pooled, Refusal>> {
        let pool = self.pool();
        // What waits here was found admissible; whether it still is, its block decides.
        let waiting: Vec<Option<Admissible>> = transactions.iter().map(|each| pool.admissible(&each.id())).collect();
        drop(pool);
        let judged = transactions.into_iter().zip(waiting).map(|(transaction, waiting)| match waiting {
            Some(waiting) => Ok(waiting),
            None => {
                let now = now(transaction.envelope().expires_at);
                Admissible::check(transaction, self.chain_id, now, view)
            }
        });
        let judged: Vec<Result<Admissible, Refusal>> = judged.collect();
        self.pool_all(judged, origin)
    }

    /// Takes transactions to the pool that were found plausible on the very state that is the newest now, and authentic.
    pub fn admit_judged(&self, admissible: Vec<Admissible>, origin: Origin) -> Vec<Result<Pooled, Refusal>> {
        self.pool_all(admissible.into_iter().map(Ok).collect(), origin)
    }

    fn pool_all(&self, judged: Vec<Result<Admissible, Refusal>>, origin: Origin) -> Vec<Result<Pooled, Refusal>> {
        let mut pool = self.pool();
        let pooled: Vec<_> = judged.into_iter().map(|judged| pool.insert(&judged?, origin)).collect();
        drop(pool);
        if pooled.iter().any(|pooled| matches!(pooled, Ok(Pooled::Added))) {
            self.arrivals.send_modify(|count| *count += 1);
        }
        // Of one that waits already, its origin may be news.
        if origin == Origin::Client && pooled.iter().any(Result::is_ok) {
            self.clients_arrivals.send_modify(|count| *count += 1);
        }
        pooled
    }

    /// The transaction that a client sent again, if it waits here with the same signatures: it needs no second check. One with
    /// others does, since its id says nothing of who sends it.
    pub fn sent_again(&self, signed: &SignedTransaction) -> Option<PendingTransaction> {
        let (mut pool, id) = (self.pool(), signed.id());
        pool.get(&id).filter(|waiting| waiting.signed().leaf() == signed.leaf())?;
        let waiting = PendingTransaction::new(id, pool.claim(&id)?.envelope());
        drop(pool);
        self.clients_arrivals.send_modify(|count| *count += 1);
        Some(waiting)
    }

    /// Holds a transaction to every rule that needs no signature, the pool's room included.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn plausible(&self, decoded: Decoded, now: BlockTime, view: &dyn View) -> Result<Plausible, Refusal> {
        let plausible = Plausible::check(decoded, self.chain_id, now, view)?;
        let pool = self.pool();
        // The same bytes may have come in another way since they were looked for; they take no room of their own.
        if pool.get(&plausible.id()).is_none() {
            pool.check_room(plausible.envelope(), plausible.institution(), plausible.encoded_len())?;
        }
        drop(pool);
        Ok(plausible)
    }

    /// Verifies the signatures of what was found plausible.
    pub fn authenticate_each(&self, plausible: Vec<Plausible>) -> Vec<Result<Arc<Transaction>, Refusal>> {
        self.authenticator.authenticate_each(&mut self.fork_rng(), plausible)
    }

    /// Verifies a block's transactions.
    ///
    /// # Errors
    /// What is wrong with the first that is refused.
    pub fn authenticate_block(&self, signed: &[SignedTransaction]) -> Result<Vec<Arc<Transaction>>, String> {
        let authenticated = self.authenticator.authenticate_block(&mut self.fork_rng(), signed);
        authenticated.map_err(|offence| format!("transaction {}: {}", offence.index, offence.refusal))
    }

    fn fork_rng(&self) -> StdRng {
        let mut shared = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        StdRng::from_rng(&mut *shared)
    }

    /// Waits until there is something that no unfinalised ancestor holds, or until the deadline.
    pub async fn wait_for_fresh(&self, taken: &BTreeSet<TransactionId>, deadline: impl Future<Output = ()>) {
        let mut arrivals = self.arrivals.subscribe();
        let mut deadline = std::pin::pin!(deadline);
        while !self.has_fresh(taken) {
            select! {
                changed = arrivals.changed() => if changed.is_err() { return },
                _ = &mut deadline => return,
            }
        }
    }

    fn has_fresh(&self, taken: &BTreeSet<TransactionId>) -> bool {
        let pool = self.pool();
        pool.len() > taken.len() || pool.ids().any(|id| !taken.contains(id))
    }

    /// So many, or as many as a block may hold, in the pool's order.
    pub fn fresh(&self, taken: &BTreeSet<TransactionId>, most: usize) -> Vec<Arc<Transaction>> {
        self.pool().for_block(most.min(BLOCK_TRANSACTIONS_MAX), BLOCK_BYTES_MAX, |id| taken.contains(id))
    }

    /// Drops a transaction that its leader found ineligible on the state that it would have stood on.
    pub fn drop_ineligible(&self, id: &TransactionId) {
        self.pool().remove(id);
    }

    /// Drops what waits of accounts that a committed block wrote and cannot stand in any block after it: their keys were
    /// replaced, or they were closed. Returns what was dropped, and why.
    pub fn drop_disowned(&self, executed: &Executed, view: &dyn View) -> Vec<(TransactionId, Refusal)> {
        let accounts = executed.writes.keys().filter(|(column, _)| *column == Column::Accounts);
        let senders = accounts.filter_map(|(_, key)| AccountId::from_bytes(key).ok());
        let mut pool = self.pool();
        let mut dropped = Vec::new();
        for sender in senders {
            dropped.extend(pool.of_sender(&sender).filter_map(|transaction| {
                let judged = Admissible::still(transaction, self.chain_id, executed.header.time, view);
                judged.err().map(|refusal| (transaction.id(), refusal))
            }));
        }
        for (id, _) in &dropped {
            pool.remove(id);
        }
        dropped
    }

    /// Drops what a committed block holds, and what it keeps from ever happening.
    pub fn committed(&self, executed: &Executed) {
        let mut pool = self.pool();
        for transaction in executed.transactions.iter() {
            pool.remove(&transaction.id());
            let Envelope { sender, request_id, .. } = *transaction.envelope();
            if let Some(rival) = pool.by_request(sender, request_id) {
                pool.remove(&rival);
            }
        }
        pool.expire(executed.header.time);
    }

    /// Whether the transaction waits here.
    pub fn is_waiting(&self, id: &TransactionId) -> bool {
        self.pool().get(id).is_some()
    }

    /// The transaction, if it waits here.
    pub fn waiting_transaction(&self, id: &TransactionId) -> Option<Arc<Transaction>> {
        self.pool().get(id).cloned()
    }

    /// The transaction that waits under a sender's request id.
    pub fn waiting_under(&self, sender: AccountId, request_id: RequestId) -> Option<TransactionId> {
        self.pool().by_request(sender, request_id)
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.pool().len()
    }

    /// What clients gave this node and no block above the committed one offers, from an arrival on and as far as it is due,
    /// with the bytes that peers are sent.
    pub fn client_transactions(
        &self,
        from: u64,
        committed: u64,
        most: usize,
        is_due: impl Fn(u64) -> bool,
    ) -> Vec<(u64, Bytes)> {
        let pool = self.pool();
        let waiting = pool.client_transactions(from, committed).filter(|(arrival, _)| is_due(*arrival)).take(most);
        let waiting: Vec<(u64, Arc<Transaction>)> = waiting.map(|(arrival, each)| (arrival, each.clone())).collect();
        drop(pool);
        waiting.into_iter().map(|(arrival, each)| (arrival, Bytes::from(each.signed().to_bytes()))).collect()
    }

    /// Notes what an executed block offers: it need not be sent to another leader while the block may become final.
    pub fn note_offered(&self, executed: &Executed) {
        let mut pool = self.pool();
        executed.transactions.iter().for_each(|each| pool.note_offered(&each.id(), executed.header.height));
    }

    /// Counts what clients send, for the one who passes it on.
    pub fn clients_arrivals(&self) -> watch::Receiver<u64> {
        self.clients_arrivals.subscribe()
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
