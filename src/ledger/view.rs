//! State as rooms see it: columns of ordered entries, read-only.
//!
//! A view never fails and never waits. Where a store stands behind it, a failed read or an entry that does not decode
//! is noted on the side ([`View::note_corruption`]); the node looks there before it believes what was computed, and
//! stops if anything was noted.

use crate::codec_tag;
use crate::primitives::{Decode, Encode};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

/// The columns of the state. Each belongs to one room, or to the ledger. The tag enters the state's digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Column {
    /// One entry each: the chain's tip, the validators.
    Chain,
    /// The roots of recent histories, by height.
    HistoryRoots,
    /// Request ids that may still be asked for.
    Requests,
    /// What falls due, by time.
    Due,
    /// Accounts.
    Accounts,
    /// Balances by account and token.
    Balances,
    /// Circulation by token.
    Circulation,
    /// Open locks.
    Locks,
    /// Tokens with their reserve policies.
    Tokens,
    /// The latest attestation of each token's reserves.
    Attestations,
    /// Issuances.
    Issuances,
    /// Redemptions.
    Redemptions,
    /// Commitments to fingerprint keys, by pair of legal entities.
    FingerprintKeys,
    /// Receivables by fingerprint of their invoice.
    Fingerprints,
    /// Receivables.
    Receivables,
    /// Financing requests.
    FinancingRequests,
    /// Paid redemptions that no attestation covers yet, by token.
    Payouts,
}
codec_tag!(Column {
    Chain = 0,
    HistoryRoots = 1,
    Requests = 2,
    Due = 3,
    Accounts = 4,
    Balances = 5,
    Circulation = 6,
    Locks = 7,
    Tokens = 8,
    Attestations = 9,
    Issuances = 10,
    Redemptions = 11,
    FingerprintKeys = 12,
    Fingerprints = 13,
    Receivables = 14,
    FinancingRequests = 15,
    Payouts = 16,
});

/// A type of state entry: where it is kept and under what key.
pub trait Entry: Encode + Decode {
    /// The column that holds entries of this type.
    const COLUMN: Column;
    /// The key under which an entry is kept. Keys order as their encodings do.
    type Key: Encode;
}

/// Read-only state.
pub trait View: Send + Sync {
    /// The entry under a key.
    fn get(&self, column: Column, key: &[u8]) -> Option<Bytes>;

    /// At most `limit` entries from key `from` on, in ascending order of keys.
    fn scan(&self, column: Column, from: &[u8], limit: usize) -> Vec<(Bytes, Bytes)>;

    /// Notes that a committed entry does not decode. Views without a store behind them have nothing to note.
    fn note_corruption(&self, column: Column, key: &[u8]);
}

impl dyn View + '_ {
    /// The typed entry under a key.
    pub fn read<E: Entry>(&self, key: &E::Key) -> Option<E> {
        let key = key.to_bytes();
        let bytes = self.get(E::COLUMN, &key)?;
        let entry = E::from_bytes(&bytes).ok();
        if entry.is_none() {
            self.note_corruption(E::COLUMN, &key);
        }
        entry
    }
}

/// New values by column and key; `None` deletes.
pub type Writes = BTreeMap<(Column, Bytes), Option<Bytes>>;

/// Looks a key up in `writes` first and in `base` after.
pub(crate) fn layered_get(writes: &Writes, base: &dyn View, column: Column, key: &[u8]) -> Option<Bytes> {
    match writes.get(&(column, Bytes::copy_from_slice(key))) {
        Some(written) => written.clone(),
        None => base.get(column, key),
    }
}

/// Merges `writes` over `base` in key order.
pub(crate) fn layered_scan(
    writes: &Writes,
    base: &dyn View,
    column: Column,
    from: &[u8],
    limit: usize,
) -> Vec<(Bytes, Bytes)> {
    let start = Bound::Included((column, Bytes::copy_from_slice(from)));
    let written: Vec<_> = writes.range((start, Bound::Unbounded)).take_while(|((at, _), _)| *at == column).collect();
    // Every deletion can hide one entry below, so that many more are asked for.
    let deletions = written.iter().filter(|(_, value)| value.is_none()).count();
    let mut merged: BTreeMap<Bytes, Bytes> =
        base.scan(column, from, limit.saturating_add(deletions)).into_iter().collect();
    for ((_, key), value) in written {
        match value {
            Some(value) => merged.insert(key.clone(), value.clone()),
            None => merged.remove(key),
        };
    }
    merged.into_iter().take(limit).collect()
}

/// State after blocks that are not committed yet: their writes, the newest first, over the committed state.
///
/// The committed state may take in the lowest layers while they stand here; what they say stays the same. So a chain of
/// uncommitted blocks is always as deep as it is long, and never deeper.
#[derive(Clone)]
pub struct Layers {
    layers: Vec<Arc<Writes>>,
    committed: Arc<dyn View>,
}

impl Layers {
    /// Lays writes, the newest first, over committed state.
    pub fn new(layers: Vec<Arc<Writes>>, committed: Arc<dyn View>) -> Self {
        Self { layers, committed }
    }

    fn top(&self) -> Below<'_> {
        Below { layers: &self.layers, committed: &*self.committed }
    }
}

impl View for Layers {
    fn get(&self, column: Column, key: &[u8]) -> Option<Bytes> {
        self.top().get(column, key)
    }

    fn scan(&self, column: Column, from: &[u8], limit: usize) -> Vec<(Bytes, Bytes)> {
        self.top().scan(column, from, limit)
    }

    fn note_corruption(&self, column: Column, key: &[u8]) {
        self.committed.note_corruption(column, key);
    }
}

/// The lower part of a pile of layers.
struct Below<'a> {
    layers: &'a [Arc<Writes>],
    committed: &'a dyn View,
}

impl View for Below<'_> {
    fn get(&self, column: Column, key: &[u8]) -> Option<Bytes> {
        let key_of_write = (column, Bytes::copy_from_slice(key));
        let written = self.layers.iter().find_map(|writes| writes.get(&key_of_write));
        written.map_or_else(|| self.committed.get(column, key), Clone::clone)
    }

    fn scan(&self, column: Column, from: &[u8], limit: usize) -> Vec<(Bytes, Bytes)> {
        match self.layers.split_first() {
            None => self.committed.scan(column, from, limit),
            Some((newest, older)) => {
                let below = Below { layers: older, committed: self.committed };
                layered_scan(newest, &below, column, from, limit)
            }
        }
    }

    fn note_corruption(&self, column: Column, key: &[u8]) {
        self.committed.note_corruption(column, key);
    }
}

/// State in memory: the genesis before it is stored, and tests.
#[derive(Clone, Debug, Default)]
pub struct MemoryView {
    entries: BTreeMap<(Column, Bytes), Bytes>,
}

impl MemoryView {
    /// Applies writes.
    pub fn apply(&mut self, writes: &Writes) {
        for (key, value) in writes {
            match value {
                Some(value) => self.entries.insert(key.clone(), value.clone()),
                None => self.entries.remove(key),
            };
        }
    }

    /// Every entry, by column and key.
    pub fn entries(&self) -> impl Iterator<Item = (Column, &Bytes, &Bytes)> {
        self.entries.iter().map(|((column, key), value)| (*column, key, value))
    }
}

impl View for MemoryView {
    fn get(&self, column: Column, key: &[u8]) -> Option<Bytes> {
        self.entries.get(&(column, Bytes::copy_from_slice(key))).cloned()
    }

    fn scan(&self, column: Column, from: &[u8], limit: usize) -> Vec<(Bytes, Bytes)> {
        let start = Bound::Included((column, Bytes::copy_from_slice(from)));
        self.entries
            .range((start, Bound::Unbounded))
            .take_while(|((at, _), _)| *at == column)
            .take(limit)
            .map(|((_, key), value)| (key.clone(), value.clone()))
            .collect()
    }

    fn note_corruption(&self, _: Column, _: &[u8]) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Bytes {
        Bytes::copy_from_slice(text.as_bytes())
    }

    #[test]
    fn layers_hide_change_and_add() {
        let mut base = MemoryView::default();
        base.apply(&Writes::from(["a", "b", "c"].map(|key| ((Column::Due, bytes(key)), Some(bytes("old"))))));
        let writes = Writes::from([
            ((Column::Due, bytes("a")), None),
            ((Column::Due, bytes("b")), Some(bytes("new"))),
            ((Column::Due, bytes("bb")), Some(bytes("new"))),
            ((Column::Tokens, bytes("a")), Some(bytes("elsewhere"))),
        ]);
        let older =
            Writes::from([((Column::Due, bytes("b")), None), ((Column::Due, bytes("bbb")), Some(bytes("older")))]);
        let overlay = Layers::new(vec![Arc::new(writes), Arc::new(older)], Arc::new(base));
        let keys =
            |limit| -> Vec<_> { overlay.scan(Column::Due, b"", limit).into_iter().map(|(key, _)| key).collect() };
        assert_eq!(keys(9), ["b", "bb", "bbb", "c"].map(bytes));
        assert_eq!(keys(1), ["b"].map(bytes));
        assert_eq!(overlay.get(Column::Due, b"a"), None);
        assert_eq!(overlay.get(Column::Due, b"b"), Some(bytes("new")));
    }
}
