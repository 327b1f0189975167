//! Who waits for what to become final.
//!
//! # Invariants
//! * A waiter hears of its transaction once, after the block's effects are synced: that it is final; that a final block is
//!   past its expiry, so that it never will be; that a final block holds another one under its request id; or that what
//!   its block would stand on refuses it.
//! * Waiters are bounded; past the bound a caller looks its transaction up instead.

use super::service::{FinalTransaction, PendingTransaction};
use crate::admission::Refusal;
use crate::execution::{Envelope, Executed};
use crate::primitives::{AccountId, BlockTime, RequestId, TransactionId};
use commonware_utils::channel::{oneshot, watch};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Most callers waiting at a time: twice what the pool holds, since some ask twice.
pub const WAITERS_MAX: usize = 131_072;

/// What a waiter hears.
#[derive(Clone, Debug)]
pub enum Notice {
    /// Its transaction is in a final block.
    Final(FinalTransaction),
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
}

/// A transaction that is waited for.
struct Awaited {
    pending: PendingTransaction,
    waiters: Vec<oneshot::Sender<Notice>>,
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
    pub fn wait(&self, pending: PendingTransaction) -> (Option<oneshot::Receiver<Notice>>, u64) {
        let mut waiters = self.lock();
        // A block is announced under the same lock, so none falls between the two.
        (waiters.wait(pending), self.announced())
    }

    /// The applied height, and each new one.
    pub fn heights(&self) -> watch::Receiver<u64> {
        self.height.subscribe()
    }

    /// Tells what a committed block made final, and what it proves will never be.
    pub fn announce(&self, executed: &Executed) {
        let height = executed.header.height;
        let mut waiters = self.lock();
        for (index, transaction) in executed.transactions.iter().enumerate() {
            let id = transaction.id();
            if let Some(done) = FinalTransaction::of(height, &executed.outcomes, &executed.openings, index) {
                waiters.tell(id, Notice::Final(done));
            }
            for rival in waiters.under(transaction.envelope()) {
                waiters.tell(rival, Notice::RequestTaken { by: id });
            }
        }
        while let Some((expires_at, transaction)) = waiters.by_expiry.first().copied() {
            if expires_at >= executed.header.time {
                break;
            }
            waiters.tell(transaction, Notice::Expired);
        }
        self.height.send_replace(height);
    }

    /// Tells why a transaction was dropped from the pool.
    pub fn refuse(&self, transaction: TransactionId, refusal: Refusal) {
        self.lock().tell(transaction, Notice::Refused(refusal));
    }

    fn lock(&self) -> MutexGuard<'_, Waiters> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiters {
    fn wait(&mut self, pending: PendingTransaction) -> Option<oneshot::Receiver<Notice>> {
        if self.count >= WAITERS_MAX {
            // Those whose caller hung up make room before anyone is refused.
            self.forget_closed();
        }
        if self.count >= WAITERS_MAX {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        let PendingTransaction { transaction_id, sender: account, request_id, expires_at, .. } = pending;
        self.count += 1;
        self.by_request.insert((account, request_id, transaction_id));
        self.by_expiry.insert((expires_at, transaction_id));
        let awaited = self.by_transaction.entry(transaction_id);
        awaited.or_insert_with(|| Awaited { pending, waiters: Vec::new() }).waiters.push(sender);
        Some(receiver)
    }

    /// The transactions that are waited for under the same request id of the same sender.
    fn under(&self, Envelope { sender, request_id, .. }: &Envelope) -> Vec<TransactionId> {
        let [first, last] = [0, u8::MAX].map(|byte| (*sender, *request_id, TransactionId([byte; 32])));
        self.by_request.range(first..=last).map(|(.., id)| *id).collect()
    }

    fn tell(&mut self, transaction: TransactionId, notice: Notice) {
        let Some(Awaited { pending, waiters }) = self.by_transaction.remove(&transaction) else { return };
        self.by_request.remove(&(pending.sender, pending.request_id, transaction));
        self.by_expiry.remove(&(pending.expires_at, transaction));
        for waiter in waiters {
            self.count -= 1;
            // A caller that hung up looks it up later.
            let _ = waiter.send(notice.clone());
        }
    }

    fn forget_closed(&mut self) {
        self.by_transaction.retain(|_, awaited| {
            awaited.waiters.retain(|waiter| !waiter.is_closed());
            !awaited.waiters.is_empty()
        });
        self.by_request.retain(|(.., transaction)| self.by_transaction.contains_key(transaction));
        self.by_expiry.retain(|(_, transaction)| self.by_transaction.contains_key(transaction));
        self.count = self.by_transaction.values().map(|awaited| awaited.waiters.len()).sum();
    }
}
