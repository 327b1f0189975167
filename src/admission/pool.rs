//! The pool: admissible transactions that wait for a block.
//!
//! # Life cycle
//! Inserted once, offered to every block until one that holds it is final or its expiry has passed, then removed. Being
//! offered does not remove it: a block that is proposed may still lose.
//!
//! # Invariants
//! * Transactions and bytes stay within [`PoolLimits`], in all and for each sender.
//! * An institution has no more waiting than there is room left for others, and a sender no more than is left of that for its
//!   institution's others: whoever sends without end leaves half of the pool, and however many do so, one more finds room.
//! * A transaction stands in it once, and so does a sender's request id.
//! * One sender's transactions are offered in the order in which they came, and any of them leaves as fast as the first, since
//!   blocks and expiry take them out under the pool's lock in whatever order their sender chose. It goes in turns among institutions, and among
//!   the senders of each: whoever sends thousands, in one name or in many, delays another's single payment by one.

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
    /// Its place in its sender's line.
    place: u64,
    /// Its place among those that clients gave this node; none if only peers did.
    arrival: Option<u64>,
    /// The height of the newest block that offered it.
    offered_at: u64,
}

/// What waits of one sender, in the order in which it came.
#[derive(Debug)]
struct Line {
    /// Whose customer the sender is.
    institution: AccountId,
    /// By their places.
    queue: BTreeMap<u64, TransactionId>,
}

/// What waits of the accounts of one institution.
#[derive(Debug, Default)]
struct Share {
    transactions: usize,
    bytes: usize,
    senders: BTreeSet<AccountId>,
    /// The sender whose turn came last.
    served_last: Option<AccountId>,
}

/// Whose turn it is of an institution's senders, each with the place in its line from which on it is served.
struct Turns {
    institution: AccountId,
    senders: VecDeque<(AccountId, u64)>,
}

/// Transactions that wait for a block.
#[derive(Debug, Default)]
pub struct Pool {
    limits: PoolLimits,
    bytes: usize,
    by_id: HashMap<TransactionId, Waiting, RandomState>,
    by_request: HashMap<(AccountId, RequestId), TransactionId, RandomState>,
    by_sender: HashMap<AccountId, Line, RandomState>,
    by_institution: BTreeMap<AccountId, Share>,
    by_expiry: BTreeSet<(BlockTime, TransactionId)>,
    /// What clients gave this node, in the order in which they did.
    by_arrival: BTreeMap<u64, TransactionId>,
    /// How many that were so far.
    arrivals: u64,
    /// How many places in lines were given so far.
    places: u64,
    /// The institution whose turn came last.
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

    /// A waiting transaction, as it was admitted.
    pub fn admissible(&self, id: &TransactionId) -> Option<Admissible> {
        let transaction = self.get(id)?;
        let line = self.by_sender.get(&transaction.envelope().sender)?;
        Some(Admissible::again(transaction.clone(), line.institution))
    }

    /// The transaction that waits under a sender's request id.
    pub fn by_request(&self, sender: AccountId, request_id: RequestId) -> Option<TransactionId> {
        self.by_request.get(&(sender, request_id)).copied()
    }

    /// Whether there is room for a transaction that does not wait yet.
    ///
    /// # Errors
    /// `REQUEST_ID_REUSED`, `SENDER_QUEUE_FULL`, `INSTITUTION_QUEUE_FULL`, `POOL_FULL`.
    pub fn check_room(&self, envelope: &Envelope, institution: AccountId, bytes: usize) -> Result<(), Refusal> {
        if let Some(transaction_id) = self.by_request(envelope.sender, envelope.request_id) {
            return Err(Refusal::RequestIdReused { transaction_id });
        }
        let waiting = self.by_sender.get(&envelope.sender).map_or(0, |line| line.queue.len());
        if waiting >= self.limits.sender_transactions_max {
            return Err(Refusal::SenderQueueFull { waiting });
        }
        if self.len() >= self.limits.transactions_max || self.bytes + bytes > self.limits.bytes_max {
            return Err(Refusal::PoolFull);
        }
        let Some(share) = self.by_institution.get(&institution) else { return Ok(()) };
        let room = self.limits.transactions_max - self.len();
        if share.transactions >= room || share.bytes > self.limits.bytes_max - self.bytes - bytes {
            return Err(Refusal::InstitutionQueueFull { waiting: share.transactions });
        }
        // And of that the same among its senders.
        if waiting > 0 && waiting >= room - share.transactions {
            return Err(Refusal::SenderQueueFull { waiting });
        }
        Ok(())
    }

    /// Takes a transaction in.
    ///
    /// # Errors
    /// `REQUEST_ID_REUSED`, `SENDER_QUEUE_FULL`, `INSTITUTION_QUEUE_FULL`, `POOL_FULL`.
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
        self.check_room(envelope, admissible.institution(), bytes)?;
        self.bytes += bytes;
        let new = || Line { institution: admissible.institution(), queue: BTreeMap::new() };
        let line = self.by_sender.entry(envelope.sender).or_insert_with(new);
        let place = self.places;
        self.places += 1;
        line.queue.insert(place, id);
        let share = self.by_institution.entry(line.institution).or_default();
        share.transactions += 1;
        share.bytes += bytes;
        share.senders.insert(envelope.sender);
        self.by_request.insert((envelope.sender, envelope.request_id), id);
        self.by_expiry.insert((envelope.expires_at, id));
        self.by_id.insert(id, Waiting { transaction: transaction.clone(), place, arrival: None, offered_at: 0 });
        if origin == Origin::Client {
            self.claim(&id);
        }
        Ok(Pooled::Added)
    }

    /// Transactions for a block with room for so many and so many bytes, without those that `taken` says an unfinalised
    /// ancestor holds. They go on waiting.
    ///
    /// The next call begins with the institution, and of each with the sender, after the one that this call served last.
    pub fn for_block(
        &mut self,
        transactions_max: usize,
        bytes_max: usize,
        taken: impl Fn(&TransactionId) -> bool,
    ) -> Vec<Arc<Transaction>> {
        let mut chosen = Vec::new();
        let mut bytes = 0;
        let mut turns = self.institutions_in_turn();
        while let Some(Turns { institution, mut senders }) = turns.pop_front() {
            let Some((sender, from)) = senders.pop_front() else { continue };
            let Some((place, id)) = self.by_sender.get(&sender).and_then(|line| line.queue.range(from..).next()) else {
                turns.push_front(Turns { institution, senders });
                continue;
            };
            let Some(waiting) = self.by_id.get(id).filter(|_| !taken(id)) else {
                senders.push_front((sender, place + 1));
                turns.push_front(Turns { institution, senders });
                continue;
            };
            let size = waiting.transaction.signed().encoded_len();
            if chosen.len() == transactions_max || bytes + size > bytes_max {
                break;
            }
            bytes += size;
            chosen.push(waiting.transaction.clone());
            self.served_last = Some(institution);
            if let Some(share) = self.by_institution.get_mut(&institution) {
                share.served_last = Some(sender);
            }
            senders.push_back((sender, place + 1));
            turns.push_back(Turns { institution, senders });
        }
        chosen
    }

    fn institutions_in_turn(&self) -> VecDeque<Turns> {
        let [rest, first] = after_and_up_to(self.served_last);
        let institutions = self.by_institution.range(rest).chain(self.by_institution.range(first));
        let turns = institutions.map(|(institution, share)| {
            let [rest, first] = after_and_up_to(share.served_last);
            let senders = share.senders.range(rest).chain(share.senders.range(first));
            Turns { institution: *institution, senders: senders.map(|sender| (*sender, 0)).collect() }
        });
        turns.collect()
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
        self.by_sender.get(sender).into_iter().flat_map(|line| line.queue.values()).filter_map(|id| self.get(id))
    }

    /// Removes a transaction that a final block holds, or whose request id another one took.
    pub fn remove(&mut self, id: &TransactionId) -> Option<Arc<Transaction>> {
        let Waiting { transaction, place, arrival, .. } = self.by_id.remove(id)?;
        arrival.and_then(|arrival| self.by_arrival.remove(&arrival));
        let envelope = transaction.envelope();
        let bytes = transaction.signed().encoded_len();
        self.bytes -= bytes;
        self.by_request.remove(&(envelope.sender, envelope.request_id));
        self.by_expiry.remove(&(envelope.expires_at, *id));
        self.leave_line(envelope.sender, place, bytes);
        Some(transaction)
    }

    /// Takes what was removed out of its sender's line, and gives its room back to the institution.
    fn leave_line(&mut self, sender: AccountId, place: u64, bytes: usize) {
        let Some(line) = self.by_sender.get_mut(&sender) else { return };
        line.queue.remove(&place);
        let (institution, is_empty) = (line.institution, line.queue.is_empty());
        if is_empty {
            self.by_sender.remove(&sender);
        }
        let Some(share) = self.by_institution.get_mut(&institution) else { return };
        share.transactions -= 1;
        share.bytes -= bytes;
        if is_empty {
            share.senders.remove(&sender);
        }
        if share.transactions == 0 {
            self.by_institution.remove(&institution);
        }
    }

    /// Removes what no block of this time or later can hold, and returns it.
    pub fn expire(&mut self, now: BlockTime) -> Vec<Arc<Transaction>> {
        let expired: Vec<TransactionId> =
            self.by_expiry.iter().take_while(|(expires_at, _)| *expires_at < now).map(|(_, id)| *id).collect();
        expired.iter().filter_map(|id| self.remove(id)).collect()
    }
}

/// The accounts after one, and then those up to it: in turn, beginning after who was served last.
fn after_and_up_to(served_last: Option<AccountId>) -> [(Bound<AccountId>, Bound<AccountId>); 2] {
    let after = served_last.map_or(Bound::Unbounded, Bound::Excluded);
    let until = served_last.map_or(Bound::Excluded(AccountId([0; 32])), Bound::Included);
    [(after, Bound::Unbounded), (Bound::Unbounded, until)]
}
