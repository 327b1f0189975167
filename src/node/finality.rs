//! Who waits for what to become final.
//!
//! # Invariants
//! * A waiter hears of its transaction once, after the block's effects are synced: that it is final, or that a final
//!   block is past its expiry, so that it never will be.
//! * Waiters are bounded; past the bound a caller looks its transaction up instead.

use crate::execution::Executed;
use crate::primitives::{BlockTime, TransactionId};
use commonware_utils::channel::{oneshot, watch};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Most callers waiting at a time: twice what the pool holds, since some ask twice.
pub const WAITERS_MAX: usize = 131_072;

/// What a waiter hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Its transaction is in this final block, at this place.
    Final {
        /// The block's height.
        height: u64,
        /// The place in the block.
        index: u32,
    },
    /// Its transaction never happened.
    Expired,
}

/// Waiters, and the height that everyone can watch.
pub struct Finality {
    waiters: Mutex<Waiters>,
    height: watch::Sender<u64>,
}

#[derive(Default)]
struct Waiters {
    by_transaction: BTreeMap<TransactionId, Vec<oneshot::Sender<Notice>>>,
    by_expiry: BTreeSet<(BlockTime, TransactionId)>,
    count: usize,
}

impl Finality {
    /// No waiters yet, at a height.
    pub fn new(height: u64) -> Self {
        Self { waiters: Mutex::default(), height: watch::channel(height).0 }
    }

    /// A place where the transaction's fate will be told; `None` if too many wait.
    pub fn wait(&self, transaction: TransactionId, expires_at: BlockTime) -> Option<oneshot::Receiver<Notice>> {
        let (sender, receiver) = oneshot::channel();
        let mut waiters = self.lock();
        if waiters.count >= WAITERS_MAX {
            // Those whose caller hung up make room before anyone is refused.
            waiters.forget_closed();
        }
        if waiters.count >= WAITERS_MAX {
            return None;
        }
        waiters.count += 1;
        waiters.by_transaction.entry(transaction).or_default().push(sender);
        waiters.by_expiry.insert((expires_at, transaction));
        Some(receiver)
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
            let expires_at = transaction.envelope().expires_at;
            waiters.tell(transaction.id(), expires_at, Notice::Final { height, index: index as u32 });
        }
        while let Some((expires_at, transaction)) = waiters.by_expiry.first().copied() {
            if expires_at >= executed.header.time {
                break;
            }
            waiters.tell(transaction, expires_at, Notice::Expired);
        }
        drop(waiters);
        self.height.send_replace(height);
    }

    fn lock(&self) -> MutexGuard<'_, Waiters> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiters {
    fn tell(&mut self, transaction: TransactionId, expires_at: BlockTime, notice: Notice) {
        self.by_expiry.remove(&(expires_at, transaction));
        for waiter in self.by_transaction.remove(&transaction).unwrap_or_default() {
            self.count -= 1;
            // A caller that hung up looks it up later.
            let _ = waiter.send(notice);
        }
    }

    fn forget_closed(&mut self) {
        self.by_transaction.retain(|_, waiters| {
            waiters.retain(|waiter| !waiter.is_closed());
            !waiters.is_empty()
        });
        self.by_expiry.retain(|(_, transaction)| self.by_transaction.contains_key(transaction));
        self.count = self.by_transaction.values().map(Vec::len).sum();
    }
}
