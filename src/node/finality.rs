//! Who waits for what to become final.
//!
//! # Invariants
//! * A waiter hears of its transaction once, after the block's effects are synced: that it is final; that a final block is
//!   past its expiry, so that it never will be; that a final block holds another one under its request id; or that what
//!   its block would stand on refuses it.
//! * What a waiter hears is small, however large its block: it may lie there until whoever waits comes to read it.
//! * Waiters are bounded; past the bound a caller looks its transaction up instead. One that is dropped is gone at once, so
//!   whoever hangs up takes nobody's room, and nobody looks through all of them for those who did.

use super::service::{Finished, PendingTransaction};
use crate::admission::Refusal;
use crate::execution::{Envelope, Executed};
use crate::primitives::{AccountId, BlockTime, RequestId, TransactionId};
use commonware_utils::channel::{oneshot, watch};
use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

/// Most callers waiting at a time: twice what the pool holds, since some ask twice.
pub const WAITERS_MAX: usize = 131_072;

/// What a waiter hears.
#[derive(Clone, Debug)]
pub enum Notice {
    /// Its transaction is in a final block.
    Final(Finished),
    /// Its transaction never happened.
    Expired,
    /// Another transaction of its sender, under the same request id, is final.
    RequestTaken {
        /// That transaction.
        by: TransactionId,
    },
    /// Its transaction was admitted, and final blocks since made it one that no block takes: it does not wait any more.
    Refused(Refusal),
}

/// Waiters, and the height that everyone can watch.
pub struct Finality {
    waiters: Mutex<Waiters>,
    height: watch::Sender<u64>,
}

#[derive(Default)]
struct Waiters {
    by_transaction: BTreeMap<TransactionId, Awaited>,
    by_request: BTreeSet<(AccountId, RequestId, TransactionId)>,
    by_expiry: BTreeSet<(BlockTime, TransactionId)>,
    count: usize,
    /// How many there ever were: the next one's number.
    numbered: u64,
}

/// A transaction that is waited for.
struct Awaited {
    pending: PendingTransaction,
    waiters: BTreeMap<u64, oneshot::Sender<Notice>>,
}

/// A wait: what its transaction came to, or nothing if the node is dismantled before. When dropped it is over.
pub struct Wait {
    notice: oneshot::Receiver<Notice>,
    finality: Arc<Finality>,
    transaction: TransactionId,
    number: u64,
}

impl Future for Wait {
    type Output = Option<Notice>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.notice).poll(context).map(Result::ok)
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.finality.lock().leave(self.transaction, self.number);
    }
}

impl Finality {
    /// No waiters yet, at a height.
    pub fn new(height: u64) -> Self {
        Self { waiters: Mutex::default(), height: watch::channel(height).0 }
    }

    /// The height of the newest block that was announced.
    pub fn announced(&self) -> u64 {
        *self.height.borrow()
    }

    /// A place where the transaction's fate will be told, by every block announced after the height that stands beside it;
    /// `None` if too many wait.
    pub fn wait(self: &Arc<Self>, pending: PendingTransaction) -> (Option<Wait>, u64) {
        let transaction = pending.transaction_id;
        let mut waiters = self.lock();
        let waiter = waiters.wait(pending);
        // A block is announced under the same lock, so none falls between the two.
        let announced = self.announced();
        drop(waiters);
        (waiter.map(|(number, notice)| Wait { notice, finality: self.clone(), transaction, number }), announced)
    }

    /// The applied height, and each new one.
    pub fn heights(&self) -> watch::Receiver<u64> {
        self.height.subscribe()
    }

    /// Tells what a committed block made final, and what it proves will never be.
    pub fn announce(&self, executed: &Executed) {
        let height = executed.header.height;
        let mut waiters = self.lock();
        // Outcomes of what fell due stand after those of the transactions.
        for (transaction, outcome) in executed.transactions.iter().zip(executed.outcomes.iter()) {
            let id = transaction.id();
            waiters.tell(id, || Notice::Final(Finished { height, status: outcome.status.clone() }));
            for rival in waiters.under(transaction.envelope()) {
                waiters.tell(rival, || Notice::RequestTaken { by: id });
            }
        }
        while let Some((expires_at, transaction)) = waiters.by_expiry.first().copied() {
            if expires_at >= executed.header.time {
                break;
            }
            waiters.tell(transaction, || Notice::Expired);
        }
        self.height.send_replace(height);
    }

    /// Tells why a transaction was dropped from the pool.
    pub fn refuse(&self, transaction: TransactionId, refusal: Refusal) {
        self.lock().tell(transaction, || Notice::Refused(refusal));
    }

    fn lock(&self) -> MutexGuard<'_, Waiters> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiters {
    fn wait(&mut self, pending: PendingTransaction) -> Option<(u64, oneshot::Receiver<Notice>)> {
        if self.count >= WAITERS_MAX {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        let PendingTransaction { transaction_id, sender: account, request_id, expires_at, .. } = pending;
        let number = self.numbered;
        (self.count, self.numbered) = (self.count + 1, number + 1);
        self.by_request.insert((account, request_id, transaction_id));
        self.by_expiry.insert((expires_at, transaction_id));
        let awaited = self.by_transaction.entry(transaction_id);
        awaited.or_insert_with(|| Awaited { pending, waiters: BTreeMap::new() }).waiters.insert(number, sender);
        Some((number, receiver))
    }

    /// The transactions that are waited for under the same request id of the same sender.
    fn under(&self, Envelope { sender, request_id, .. }: &Envelope) -> Vec<TransactionId> {
        let [first, last] = [0, u8::MAX].map(|byte| (*sender, *request_id, TransactionId([byte; 32])));
        self.by_request.range(first..=last).map(|(.., id)| *id).collect()
    }

    fn tell(&mut self, transaction: TransactionId, notice: impl FnOnce() -> Notice) {
        let Some(waiters) = self.forget(&transaction) else { return };
        let notice = notice();
        self.count -= waiters.len();
        for waiter in waiters.into_values() {
            // A caller that hung up looks it up later.
            let _ = waiter.send(notice.clone());
        }
    }

    /// One waits no more. It may have heard already.
    fn leave(&mut self, transaction: TransactionId, number: u64) {
        let Some(awaited) = self.by_transaction.get_mut(&transaction) else { return };
        if awaited.waiters.remove(&number).is_none() {
            return;
        }
        self.count -= 1;
        if awaited.waiters.is_empty() {
            self.forget(&transaction);
        }
    }

    /// Takes a transaction out, and gives back who waits for it.
    fn forget(&mut self, transaction: &TransactionId) -> Option<BTreeMap<u64, oneshot::Sender<Notice>>> {
        let Awaited { pending, waiters } = self.by_transaction.remove(transaction)?;
        self.by_request.remove(&(pending.sender, pending.request_id, *transaction));
        self.by_expiry.remove(&(pending.expires_at, *transaction));
        Some(waiters)
    }
}
