//! What a node keeps for each client while a call goes on: bytes of messages that have begun, bytes of answers that are not read,
//! waits for transactions to become final, and streams of submissions.
//!
//! # Invariants
//! * Of each kind one client has no more than its bound, and no more than is left for all others: whoever comes next finds half
//!   of what is left.
//! * What is given back is given back at once: when a share is made smaller, or dropped.

use super::clients::ClientId;
use crate::node::service::WAITERS_MAX;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Most that is kept of messages that one client has begun, and of answers that it does not read: sixteen of the largest
/// messages, four of the largest answers.
pub(super) const CLIENT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// The same of all clients.
const ALL_BYTES_MAX: usize = 512 * 1024 * 1024;
/// Most that waits for the readers of one client's streams, as it goes over the wire: in memory, until it is sent, what has many fields
/// takes some three times as much.
const CLIENT_QUEUES_MAX: usize = 8 * 1024 * 1024;
/// The same of all clients.
pub(super) const ALL_QUEUES_MAX: usize = 128 * 1024 * 1024;
/// Most streams of submissions of one client.
const SUBMISSION_STREAMS_PER_CLIENT_MAX: usize = 256;

/// What is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kept {
    /// Bytes of messages that a client has begun and not ended, or that are not handed over.
    Begun,
    /// Bytes of answers of calls that are no streams, which a client has not read.
    Unread,
    /// Bytes that wait for the readers of a client's streams.
    Queued,
    /// Transactions that a client has the node wait for.
    Waits,
    /// Streams of submissions that a client has open.
    Submitting,
}

/// What is kept of every kind, by client. Everything here shares it.
#[derive(Clone)]
pub(super) struct Shares(Arc<Inner>);

struct Inner {
    waits_per_client: usize,
    taken: Mutex<BTreeMap<Kept, Taken>>,
}

#[derive(Default)]
struct Taken {
    of_all: usize,
    by_client: BTreeMap<ClientId, usize>,
}

impl Shares {
    /// Nothing yet, where a client may have so many waits.
    pub fn new(waits_per_client: usize) -> Self {
        Self(Arc::new(Inner { waits_per_client, taken: Mutex::default() }))
    }

    /// A client's share of a kind: nothing yet.
    pub fn of(&self, client: ClientId, kind: Kept) -> Share {
        Share { shares: self.clone(), client, kind, amount: 0 }
    }

    /// Most of a kind, of a client and of all.
    fn bounds(&self, kind: Kept) -> (usize, usize) {
        match kind {
            Kept::Begun | Kept::Unread => (CLIENT_BYTES_MAX, ALL_BYTES_MAX),
            Kept::Queued => (CLIENT_QUEUES_MAX, ALL_QUEUES_MAX),
            Kept::Waits => (self.0.waits_per_client, WAITERS_MAX),
            // They cost next to nothing, and what they hold is bounded by itself.
            Kept::Submitting => (SUBMISSION_STREAMS_PER_CLIENT_MAX, usize::MAX),
        }
    }
}

/// What is kept for one call or stream of a client.
pub(super) struct Share {
    shares: Shares,
    client: ClientId,
    kind: Kept,
    amount: usize,
}

impl Share {
    /// It is so much from now on. Tells whether the bounds allow it: whoever hears that they do not lets go of it.
    pub fn set(&mut self, amount: usize) -> bool {
        let mut taken = self.shares.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = taken.entry(self.kind).or_default();
        let of_client = taken.by_client.get(&self.client).copied().unwrap_or_default() - self.amount + amount;
        taken.of_all = taken.of_all - self.amount + amount;
        let grows = amount > self.amount;
        self.amount = amount;
        match of_client {
            0 => taken.by_client.remove(&self.client),
            _ => taken.by_client.insert(self.client, of_client),
        };
        let (client_max, all_max) = self.shares.bounds(self.kind);
        !grows || of_client <= client_max.min(all_max.saturating_sub(taken.of_all))
    }

    /// How much of its kind all have.
    #[cfg(test)]
    pub fn of_all(&self) -> usize {
        let taken = self.shares.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.get(&self.kind).map_or(0, |taken| taken.of_all)
    }

    /// Takes one out of it, which is kept by itself from now on.
    pub fn split_one(&mut self) -> Self {
        let amount = self.amount.min(1);
        self.amount -= amount;
        Self { shares: self.shares.clone(), client: self.client, kind: self.kind, amount }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(number: u8) -> ClientId {
        ClientId::Certificate([number; 32])
    }

    #[test]
    fn a_client_has_its_bound_and_no_more_than_is_left_for_others() {
        let shares = Shares::new(100);
        let mut first = shares.of(client(1), Kept::Waits);
        assert!(first.set(100) && !first.set(101));
        assert!(first.set(90), "less is always allowed");
        let mut second = shares.of(client(1), Kept::Waits);
        assert!(!second.set(11), "it is the client's bound, not the call's");
        drop(second);
        let apart = first.split_one();
        drop(first);
        let mut rest = shares.of(client(1), Kept::Waits);
        assert!(rest.set(99) && !rest.set(100), "what was taken out of a share goes on being kept");
        drop((apart, rest));
        assert!(shares.of(client(1), Kept::Unread).set(CLIENT_BYTES_MAX), "each kind has bounds of its own");
        assert!(shares.0.taken.lock().unwrap().values().all(|taken| taken.by_client.is_empty() && taken.of_all == 0));
    }

    #[test]
    fn however_many_have_all_they_may_the_next_finds_room() {
        let shares = Shares::new(1);
        let mut held = Vec::new();
        // Seven have their bound; each of the others has half of what those before it left.
        for number in 0..27 {
            let mut share = shares.of(client(number), Kept::Unread);
            let mut fits = CLIENT_BYTES_MAX;
            while !share.set(fits) {
                share.set(0);
                fits /= 2;
            }
            assert!(fits > 0, "client {number} finds none");
            held.push(share);
        }
        let of_all = shares.0.taken.lock().unwrap()[&Kept::Unread].of_all;
        assert!(of_all < ALL_BYTES_MAX, "{of_all}");
    }
}
