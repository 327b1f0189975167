//! Who waits for what to become final.
//!
//! # Invariants
//! * A waiter hears of its transaction once, after the block's effects are synced.
//! * Waiters are bounded; past the bound a caller looks its transaction up instead.

use crate::execution::Executed;
use crate::primitives::TransactionId;
use commonware_utils::channel::{oneshot, watch};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Most callers waiting at a time: what an admitting pool holds, and some who ask twice.
pub const WAITERS_MAX: usize = 131_072;

/// A final transaction's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FinalNotice {
    /// The block's height.
    pub height: u64,
    /// Its place in the block.
    pub index: u32,
}

/// Waiters, and the height that everyone can watch.
pub struct Finality {
    waiters: Mutex<Waiters>,
    height: watch::Sender<u64>,
}

#[derive(Default)]
struct Waiters {
    by_transaction: BTreeMap<TransactionId, Vec<oneshot::Sender<FinalNotice>>>,
    count: usize,
}

impl Finality {
    /// No waiters yet, at a height.
    pub fn new(height: u64) -> Self {
        Self { waiters: Mutex::default(), height: watch::channel(height).0 }
    }

    /// A place where the transaction's finality will be told; `None` if too many wait.
    pub fn wait(&self, transaction: TransactionId) -> Option<oneshot::Receiver<FinalNotice>> {
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
        Some(receiver)
    }

    /// The applied height, and each new one.
    pub fn heights(&self) -> watch::Receiver<u64> {
        self.height.subscribe()
    }

    /// Tells what a committed block made final.
    pub fn announce(&self, executed: &Executed) {
        let height = executed.header.height;
        let mut waiters = self.lock();
        for (index, transaction) in executed.transactions.iter().enumerate() {
            for waiter in waiters.by_transaction.remove(&transaction.id()).unwrap_or_default() {
                waiters.count -= 1;
                // A caller that hung up looks it up later.
                let _ = waiter.send(FinalNotice { height, index: index as u32 });
            }
        }
        drop(waiters);
        self.height.send_replace(height);
    }

    fn lock(&self) -> MutexGuard<'_, Waiters> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiters {
    fn forget_closed(&mut self) {
        self.by_transaction.retain(|_, waiters| {
            waiters.retain(|waiter| !waiter.is_closed());
            !waiters.is_empty()
        });
        self.count = self.by_transaction.values().map(Vec::len).sum();
    }
}
