//! The pool: admissible transactions that wait for a block.
//!
//! # Life cycle
//! Inserted once, offered to every block until one that holds it is final or its expiry has passed, then removed. Being
//! offered does not remove it: a block that is proposed may still lose.
//!
//! # Invariants
//! * Transactions and bytes stay within [`PoolLimits`], in all and for each sender.
//! * A transaction stands in it once, and so does a sender's request id.
//! * One sender's transactions are offered in the order in which they came; among senders it goes in turns, so that a
//!   sender with thousands delays another's single payment by one.

use super::admissible::Admissible;
use super::refusal::Refusal;
use crate::execution::{Envelope, Transaction};
use crate::primitives::{AccountId, BlockTime, RequestId, TransactionId};
use ahash::RandomState;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

/// How much may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolLimits {
    /// Most transactions.
    pub transactions_max: usize,
    /// Most bytes of transactions, as blocks encode them.
    pub bytes_max: usize,
    /// Most transactions of one sender.
    pub sender_transactions_max: usize,
}

impl Default for PoolLimits {
    /// Some seconds' worth of blocks: what waits longer had better be sent again.
    fn default() -> Self {
        Self { transactions_max: 65_536, bytes_max: 64 * 1024 * 1024, sender_transactions_max: 16_384 }
    }
}

/// From where a transaction reached this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A client of this node, which therefore forwards it to leaders.
    Client,
    /// Another node, which goes on forwarding it itself.
    Peer,
}

/// What inserting did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooled {
    /// It waits from now on.
    Added,
    /// The same transaction waits already.
    AlreadyWaiting,
}

#[derive(Debug)]
struct Waiting {
    transaction: Arc<Transaction>,
    /// Its place among those that clients gave this node; none if only peers did.
    arrival: Option<u64>,
    /// The height of the newest block that offered it.
    offered_at: u64,
}

/// Transactions that wait for a block.
#[derive(Debug, Default)]
pub struct Pool {
    limits: PoolLimits,
    bytes: usize,
    by_id: HashMap<TransactionId, Waiting, RandomState>,
    by_request: HashMap<(AccountId, RequestId), TransactionId, RandomState>,
    by_sender: BTreeMap<AccountId, VecDeque<TransactionId>>,
    by_expiry: BTreeSet<(BlockTime, TransactionId)>,
    /// What clients gave this node, in the order in which they did.
    by_arrival: BTreeMap<u64, TransactionId>,
    /// How many that were so far.
    arrivals: u64,
    /// The sender whose turn came last.
    served_last: Option<AccountId>,
}

impl Pool {
    /// An empty pool.
    pub fn new(limits: PoolLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// How many transactions wait.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// How many bytes wait.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The ids of all that wait, in no order.
    pub fn ids(&self) -> impl Iterator<Item = &TransactionId> {
        self.by_id.keys()
    }

    /// A waiting transaction that a client has sent now: whatever it came from before, it is forwarded from here on.
    pub fn claim(&mut self, id: &TransactionId) -> Option<&Arc<Transaction>> {
        let waiting = self.by_id.get_mut(id)?;
        if waiting.arrival.is_none() {
            waiting.arrival = Some(self.arrivals);
            self.by_arrival.insert(self.arrivals, *id);
            self.arrivals += 1;
        }
        Some(&waiting.transaction)
    }

    /// A waiting transaction.
    pub fn get(&self, id: &TransactionId) -> Option<&Arc<Transaction>> {
        self.by_id.get(id).map(|waiting| &waiting.transaction)
    }

    /// The transaction that waits under a sender's request id.
    pub fn by_request(&self, sender: AccountId, request_id: RequestId) -> Option<TransactionId> {
        self.by_request.get(&(sender, request_id)).copied()
    }

    /// Whether there is room for a transaction that does not wait yet.
    ///
    /// # Errors
    /// `REQUEST_ID_REUSED`, `SENDER_QUEUE_FULL`, `POOL_FULL`.
    pub fn check_room(&self, envelope: &Envelope, bytes: usize) -> Result<(), Refusal> {
        if let Some(transaction_id) = self.by_request(envelope.sender, envelope.request_id) {
            return Err(Refusal::RequestIdReused { transaction_id });
        }
        let waiting = self.by_sender.get(&envelope.sender).map_or(0, VecDeque::len);
        if waiting >= self.limits.sender_transactions_max {
            return Err(Refusal::SenderQueueFull { waiting });
        }
        if self.len() >= self.limits.transactions_max || self.bytes + bytes > self.limits.bytes_max {
            return Err(Refusal::PoolFull);
        }
        Ok(())
    }

    /// Takes a transaction in.
    ///
    /// # Errors
    /// `REQUEST_ID_REUSED`, `SENDER_QUEUE_FULL`, `POOL_FULL`.
    pub fn insert(&mut self, admissible: &Admissible, origin: Origin) -> Result<Pooled, Refusal> {
        let transaction = admissible.transaction();
        let (id, envelope) = (transaction.id(), transaction.envelope());
        if self.by_id.contains_key(&id) {
            // What a client gave this node it forwards, even if a peer was faster.
            if origin == Origin::Client {
                self.claim(&id);
            }
            return Ok(Pooled::AlreadyWaiting);
        }
        let bytes = transaction.signed().encoded_len();
        self.check_room(envelope, bytes)?;
        self.bytes += bytes;
        self.by_request.insert((envelope.sender, envelope.request_id), id);
        self.by_sender.entry(envelope.sender).or_default().push_back(id);
        self.by_expiry.insert((envelope.expires_at, id));
        self.by_id.insert(id, Waiting { transaction: transaction.clone(), arrival: None, offered_at: 0 });
        if origin == Origin::Client {
            self.claim(&id);
        }
        Ok(Pooled::Added)
    }

    /// Transactions for a block with room for so many and so many bytes, without those that `taken` says an unfinalised
    /// ancestor holds. They go on waiting.
    ///
    /// The next call begins with the sender after the one that this call served last.
    pub fn for_block(
        &mut self,
        transactions_max: usize,
        bytes_max: usize,
        taken: impl Fn(&TransactionId) -> bool,
    ) -> Vec<Arc<Transaction>> {
        let mut chosen = Vec::new();
        let mut bytes = 0;
        let mut turns: VecDeque<(AccountId, usize)> = self.senders_in_turn().map(|sender| (sender, 0)).collect();
        while let Some((sender, place)) = turns.pop_front() {
            let queue = self.by_sender.get(&sender);
            let Some(id) = queue.and_then(|queue| queue.get(place)) else { continue };
            let Some(waiting) = self.by_id.get(id).filter(|_| !taken(id)) else {
                turns.push_front((sender, place + 1));
                continue;
            };
            let size = waiting.transaction.signed().encoded_len();
            if chosen.len() == transactions_max || bytes + size > bytes_max {
                break;
            }
            bytes += size;
            chosen.push(waiting.transaction.clone());
            self.served_last = Some(sender);
            turns.push_back((sender, place + 1));
        }
        chosen
    }

    fn senders_in_turn(&self) -> impl Iterator<Item = AccountId> + '_ {
        let after = self.served_last.map_or(Bound::Unbounded, Bound::Excluded);
        let until = self.served_last.map_or(Bound::Excluded(AccountId([0; 32])), Bound::Included);
        let rest = self.by_sender.range((after, Bound::Unbounded));
        rest.chain(self.by_sender.range((Bound::Unbounded, until))).map(|(sender, _)| *sender)
    }

    /// What clients gave this node, from an arrival on and in that order, but for what a block above `committed` offers: it
    /// is on its way.
    pub fn client_transactions(&self, from: u64, committed: u64) -> impl Iterator<Item = (u64, &Arc<Transaction>)> {
        self.by_arrival.range(from..).filter_map(move |(arrival, id)| {
            let waiting = self.by_id.get(id).filter(|waiting| waiting.offered_at <= committed)?;
            Some((*arrival, &waiting.transaction))
        })
    }

    /// Notes that a block of this height offers a transaction. It goes on waiting.
    pub fn note_offered(&mut self, id: &TransactionId, height: u64) {
        if let Some(waiting) = self.by_id.get_mut(id) {
            waiting.offered_at = waiting.offered_at.max(height);
        }
    }

    /// What waits of a sender, in the order in which it came.
    pub fn of_sender(&self, sender: &AccountId) -> impl Iterator<Item = &Arc<Transaction>> {
        self.by_sender.get(sender).into_iter().flatten().filter_map(|id| self.get(id))
    }

    /// Removes a transaction that a final block holds, or whose request id another one took.
    pub fn remove(&mut self, id: &TransactionId) -> Option<Arc<Transaction>> {
        let Waiting { transaction, arrival, .. } = self.by_id.remove(id)?;
        arrival.and_then(|arrival| self.by_arrival.remove(&arrival));
        let envelope = transaction.envelope();
        self.bytes -= transaction.signed().encoded_len();
        self.by_request.remove(&(envelope.sender, envelope.request_id));
        self.by_expiry.remove(&(envelope.expires_at, *id));
        if let Some(queue) = self.by_sender.get_mut(&envelope.sender) {
            // What a block takes is near the front, so the search is short.
            if let Some(place) = queue.iter().position(|waiting| waiting == id) {
                queue.remove(place);
            }
            if queue.is_empty() {
                self.by_sender.remove(&envelope.sender);
            }
        }
        Some(transaction)
    }

    /// Removes what no block of this time or later can hold, and returns it.
    pub fn expire(&mut self, now: BlockTime) -> Vec<Arc<Transaction>> {
        let expired: Vec<TransactionId> =
            self.by_expiry.iter().take_while(|(expires_at, _)| *expires_at < now).map(|(_, id)| *id).collect();
        expired.iter().filter_map(|id| self.remove(id)).collect()
    }
}
