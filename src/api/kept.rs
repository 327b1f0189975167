//! Bytes that the node keeps for its clients, counted for each and for all: of messages that came and are not handed over, and of
//! messages that wait to be read.
//!
//! # Invariants
//! * Of one client no more is kept than its bound, of all no more than theirs, and of nobody more than a quarter of what is left over: so
//!   a few that take what they can never leave the next one nothing. Only what must be counted surely is counted past that.
//! * Nobody is remembered for nothing.

use super::clients::ClientId;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What is kept. Everything here shares it.
#[derive(Clone)]
pub(super) struct Kept(Arc<Shared>);

struct Shared {
    most_of_client: usize,
    most: usize,
    counted: Mutex<Counted>,
}

#[derive(Default)]
struct Counted {
    of_all: usize,
    by_client: BTreeMap<Option<ClientId>, usize>,
}

impl Kept {
    /// Within these bounds.
    pub fn new(most_of_client: usize, most: usize) -> Self {
        Self(Arc::new(Shared { most_of_client, most, counted: Mutex::default() }))
    }

    /// Counts so many for a client in place of so many, if the bounds allow it, or `surely`. Tells whether it did. Those who are no
    /// client's share one bound.
    pub fn change(&self, client: Option<ClientId>, before: usize, after: usize, surely: bool) -> bool {
        let mut counted = self.0.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let of_client = counted.by_client.get(&client).copied().unwrap_or_default() - before + after;
        let of_all = counted.of_all - before + after;
        let leaves_room = of_all.saturating_add(of_client.saturating_mul(4)) <= self.0.most;
        let is_allowed = after <= before || surely || (of_client <= self.0.most_of_client && leaves_room);
        if is_allowed {
            counted.of_all = of_all;
            match of_client {
                0 => counted.by_client.remove(&client),
                _ => counted.by_client.insert(client, of_client),
            };
        }
        is_allowed
    }

    /// Nothing yet, for a client.
    pub fn nothing_for(&self, client: ClientId) -> KeptBytes {
        KeptBytes { kept: self.clone(), client, bytes: 0 }
    }

    /// How much is kept in all, and of a client.
    #[cfg(test)]
    pub fn counted(&self, client: Option<ClientId>) -> (usize, Option<usize>) {
        let counted = self.0.counted.lock().unwrap_or_else(PoisonError::into_inner);
        (counted.of_all, counted.by_client.get(&client).copied())
    }
}

/// Bytes that are kept for a client. They are let go when dropped.
pub(super) struct KeptBytes {
    kept: Kept,
    client: ClientId,
    bytes: usize,
}

impl KeptBytes {
    /// So many are kept from now on. Tells whether the bounds allow it; otherwise what was kept before still counts.
    pub fn set(&mut self, bytes: usize) -> bool {
        let is_allowed = self.kept.change(Some(self.client), self.bytes, bytes, false);
        if is_allowed {
            self.bytes = bytes;
        }
        is_allowed
    }
}

impl Drop for KeptBytes {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_for_a_few_leaves_the_next_its_room() {
        const MESSAGE: usize = 4;
        let kept = Kept::new(64, 512);
        let client = |number: u8| ClientId::Certificate([number; 32]);
        let keep = |number| {
            let mut bytes = kept.nothing_for(client(number));
            bytes.set(MESSAGE).then_some(bytes)
        };
        let all: Vec<Vec<KeptBytes>> = (0..8).map(|number| std::iter::from_fn(|| keep(number)).collect()).collect();
        assert_eq!(all[0].len(), 64 / MESSAGE);
        assert!(kept.counted(None).0 <= 512);
        let next: Vec<KeptBytes> = std::iter::from_fn(|| keep(100)).collect();
        assert!(next.len() >= 2, "{}", next.len());
        assert!(kept.change(Some(client(0)), 0, 1, true), "surely");
        assert!(kept.change(Some(client(0)), 1, 0, false));
        drop((all, next));
        assert_eq!(kept.counted(Some(client(0))), (0, None));
    }
}
