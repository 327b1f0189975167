//! State as rooms see it: columns of ordered entries, read-only.
//!
//! A view never fails and never waits. Where a store stands behind it, a failed read or an entry that does not decode
//! is noted on the side ([`View::note_corruption`]); the node looks there before it believes what was computed, and
//! stops if anything was noted.

use super::place::Place;
use super::working_set::Touched;
use crate::codec_tag;
use crate::primitives::{Decode, Encode};
use bytes::Bytes;
use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};
use std::hash::{Hash, Hasher};
use std::ops::Bound;
use std::sync::Arc;

/// The columns of the state. Each belongs to one room, or to the ledger. The tag enters the state's digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Column {
    /// One entry each: the chain's tip, its parameters, when its peers changed.
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
    /// What documents became, by pair of legal entities, kind and fingerprint.
    Fingerprints,
    /// Receivables.
    Receivables,
    /// Paid redemptions that no attestation covers yet, by token.
    Payouts,
    /// What is open of an account.
    OpenItems,
    /// Who brought each legal entity onto the ledger.
    LegalEntities,
    /// Orders.
    Orders,
    /// Events of shipments, by order.
    ShipmentEvents,
    /// Places at which carriers read, by the commitment to their id.
    ReadPoints,
    /// Counts of invoices by pair of legal entities, amount and day.
    InvoiceAmounts,
    /// Programmes.
    Programmes,
    /// Loans.
    Loans,
    /// What is outstanding by lender and by programme.
    LenderBooks,
    /// The latest attestation of each lender's capital.
    LenderCapital,
    /// The lender's rules, with the values that were and will be in force.
    LendingParameters,
    /// Programmes that make loans, by token.
    OpenProgrammes,
    /// Other networks whose receipts are believed.
    Networks,
    /// Accounts of other networks, by the account here that each is linked to.
    ForeignAccounts,
    /// Purposes that a law forbids, with the lists that were and will be in force.
    ForbiddenPurposes,
    /// Validators and observers, by their keys.
    Peers,
    /// The validators of each epoch from which they were others, the latest first.
    ValidatorSets,
    /// Keys that validated and never will again.
    RetiredValidatorKeys,
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
    Payouts = 16,
    OpenItems = 17,
    LegalEntities = 18,
    Orders = 19,
    ShipmentEvents = 20,
    ReadPoints = 21,
    InvoiceAmounts = 22,
    Programmes = 23,
    Loans = 24,
    LenderBooks = 25,
    LenderCapital = 26,
    LendingParameters = 27,
    OpenProgrammes = 28,
    Networks = 29,
    ForeignAccounts = 30,
    ForbiddenPurposes = 31,
    Peers = 32,
    ValidatorSets = 33,
    RetiredValidatorKeys = 34,
});

/// A type of state entry: where it is kept and under what key.
pub trait Entry: Encode + Decode {
    /// The column that holds entries of this type.
    const COLUMN: Column;
    /// The key under which an entry is kept. Keys order as their encodings do.
    type Key: Encode;
}

/// Where an entry is kept: its column and its encoded key.
pub fn entry_place<E: Entry>(key: &E::Key) -> (Column, Bytes) {
    (E::COLUMN, key.to_kept())
}

/// Read-only state.
pub trait View: Send + Sync {
    /// The entry under a key.
    fn get(&self, column: Column, key: &[u8]) -> Option<Bytes>;

    /// Shows the entry under a key where it stands, so that who only looks at it needs no hold of it. `seen` asks the view for
    /// nothing.
    fn look(&self, column: Column, key: &[u8], seen: &mut dyn FnMut(Option<&[u8]>)) {
        seen(self.get(column, key).as_deref());
    }

    /// The entries under many keys, in the order asked. Where a store stands behind the view, it walks it once for all.
    fn get_many(&self, places: &[&Place]) -> Vec<Option<Bytes>> {
        places.iter().map(|place| self.get(place.column(), place.key())).collect()
    }

    /// At most `limit` entries from key `from` on, in ascending order of keys.
    fn scan(&self, column: Column, from: &[u8], limit: usize) -> Vec<(Bytes, Bytes)>;

    /// Notes that a committed entry does not decode. Views without a store behind them have nothing to note.
    fn note_corruption(&self, column: Column, key: &[u8]);
}

impl dyn View + '_ {
    /// The typed entry under a key.
    pub fn read<E: Entry>(&self, key: &E::Key) -> Option<E> {
        let (key, mut decoded) = (key.to_bytes(), None);
        self.look(E::COLUMN, &key, &mut |bytes| decoded = bytes.map(E::from_bytes));
        let entry = decoded?.ok();
        if entry.is_none() {
            self.note_corruption(E::COLUMN, &key);
        }
        entry
    }
}

/// New values by column and key; `None` deletes.
pub type Writes = BTreeMap<(Column, Bytes), Option<Bytes>>;

/// A column and a key that need not be owned, so that a map by `(Column, Bytes)` is asked without copying the key.
pub(super) trait EntryKey {
    fn place(&self) -> (Column, &[u8]);
}

impl EntryKey for (Column, Bytes) {
    fn place(&self) -> (Column, &[u8]) {
        (self.0, &self.1)
    }
}

impl EntryKey for (Column, &[u8]) {
    fn place(&self) -> (Column, &[u8]) {
        *self
    }
}

impl PartialEq for dyn EntryKey + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.place() == other.place()
    }
}

impl Eq for dyn EntryKey + '_ {}

/// As the owned form hashes.
impl Hash for dyn EntryKey + '_ {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.place().hash(state);
    }
}

impl PartialOrd for dyn EntryKey + '_ {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for dyn EntryKey + '_ {
    fn cmp(&self, other: &Self) -> Ordering {
        self.place().cmp(&other.place())
    }
}

impl<'a> Borrow<dyn EntryKey + 'a> for (Column, Bytes) {
    fn borrow(&self) -> &(dyn EntryKey + 'a) {
        self
    }
}

/// What a map by column and key holds.
pub(super) fn held<'m, T>(map: &'m BTreeMap<(Column, Bytes), T>, column: Column, key: &[u8]) -> Option<&'m T> {
    let place: &dyn EntryKey = &(column, key);
    map.get(place)
}

/// Looks a key up in `writes` first and in `base` after.
pub(crate) fn layered_get(writes: &Writes, base: &dyn View, column: Column, key: &[u8]) -> Option<Bytes> {
    match held(writes, column, key) {
        Some(written) => written.clone(),
        None => base.get(column, key),
    }
}

/// What is written of a column from a key on, in order.
pub(crate) fn written_from<'w>(
    writes: &'w Writes,
    column: Column,
    from: &[u8],
) -> impl Iterator<Item = (&'w Bytes, &'w Option<Bytes>)> {
    let start = Bound::Included((column, Bytes::copy_from_slice(from)));
    let written = writes.range((start, Bound::Unbounded)).take_while(move |((at, _), _)| *at == column);
    written.map(|((_, key), value)| (key, value))
}

/// Reads a view's column page by page, as far as it is asked for.
struct Pages<'a> {
    view: &'a dyn View,
    column: Column,
    from: Vec<u8>,
    page: VecDeque<(Bytes, Bytes)>,
    page_size: usize,
    ended: bool,
}

impl Pages<'_> {
    fn peek(&mut self) -> Option<&(Bytes, Bytes)> {
        if self.page.is_empty() && !self.ended {
            self.page = self.view.scan(self.column, &self.from, self.page_size).into();
            self.ended = self.page.len() < self.page_size;
            if let Some((last, _)) = self.page.back() {
                // The smallest key above this one continues it by a zero byte.
                self.from = [&last[..], &[0]].concat();
            }
        }
        self.page.front()
    }
}

/// Pages are at least so large, because below a few deletions the next entry is a few further.
const PAGE_MIN: usize = 8;
/// Pages are at most so large, because most of a long scan's limit is often not there.
const PAGE_MAX: usize = 1_024;

/// Merges what is written of a column from key `from` on, in order, over `base`. Reads no further than the limit asks for, whatever else was written: a scan
/// costs what it returns and the deletions between.
pub(crate) fn layered_scan<'w>(
    written: impl Iterator<Item = (&'w Bytes, &'w Option<Bytes>)>,
    base: &dyn View,
    column: Column,
    from: &[u8],
    limit: usize,
) -> Vec<(Bytes, Bytes)> {
    let mut written = written.peekable();
    let page_size = limit.clamp(PAGE_MIN, PAGE_MAX);
    let mut below =
        Pages { view: base, column, from: from.to_vec(), page: VecDeque::new(), page_size, ended: limit == 0 };
    let mut merged = Vec::new();
    while merged.len() < limit {
        let order = match (written.peek(), below.peek()) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((key, _)), Some((key_below, _))) => (*key).cmp(key_below),
        };
        if order != Ordering::Less {
            let entry = below.page.pop_front();
            // What stands above hides what stands below.
            merged.extend(entry.filter(|_| order == Ordering::Greater));
        }
        if order != Ordering::Greater
            && let Some((key, Some(value))) = written.next()
        {
            merged.push((key.clone(), value.clone()));
        }
    }
    merged
}

/// State after blocks that are not committed yet: their writes, the newest first, over the committed state.
///
/// The committed state may take in the lowest layers while they stand here; what they say stays the same. So a chain of
/// uncommitted blocks is always as deep as it is long, and never deeper.
#[derive(Clone)]
pub struct Layers {
    layers: Vec<Layer>,
    committed: Arc<dyn View>,
}

/// One block's writes in order, and what execution left of the entries that it touched.
#[derive(Clone)]
struct Layer {
    ordered: Arc<Writes>,
    touched: Option<Arc<Touched>>,
}

impl Layer {
    /// The entry after the block, if the layer knows it.
    fn after(&self, place: &Place) -> Option<Option<Bytes>> {
        match &self.touched {
            Some(touched) => touched.after(place),
            None => held(&self.ordered, place.column(), place.key()).cloned(),
        }
    }
}

impl Layers {
    /// Lays writes, the newest first, over committed state.
    pub fn new(layers: Vec<Arc<Writes>>, committed: Arc<dyn View>) -> Self {
        let layers = layers.into_iter().map(|ordered| Layer { ordered, touched: None }).collect();
        Self { layers, committed }
    }

    /// The same with what execution touched: the entries that a block only read stand after it as it read them, so nothing
    /// below is asked for them.
    pub fn touched(layers: impl Iterator<Item = (Arc<Writes>, Arc<Touched>)>, committed: Arc<dyn View>) -> Self {
        let layers = layers.map(|(ordered, touched)| Layer { ordered, touched: Some(touched) }).collect();
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

    fn get_many(&self, places: &[&Place]) -> Vec<Option<Bytes>> {
        let above = |place: &&Place| self.layers.iter().find_map(|layer| layer.after(place));
        let mut values: Vec<Option<Option<Bytes>>> = places.iter().map(above).collect();
        let below: Vec<&Place> =
            places.iter().zip(&values).filter(|(_, value)| value.is_none()).map(|(place, _)| *place).collect();
        let mut committed = self.committed.get_many(&below).into_iter();
        values.iter_mut().filter(|value| value.is_none()).for_each(|value| *value = committed.next());
        values.into_iter().map(Option::flatten).collect()
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
    layers: &'a [Layer],
    committed: &'a dyn View,
}

impl View for Below<'_> {
    fn get(&self, column: Column, key: &[u8]) -> Option<Bytes> {
        let place = Place::new(column, key);
        let above = self.layers.iter().find_map(|layer| layer.after(&place));
        above.unwrap_or_else(|| self.committed.get(column, key))
    }

    fn scan(&self, column: Column, from: &[u8], limit: usize) -> Vec<(Bytes, Bytes)> {
        match self.layers.split_first() {
            None => self.committed.scan(column, from, limit),
            Some((newest, older)) => {
                let below = Below { layers: older, committed: self.committed };
                layered_scan(written_from(&newest.ordered, column, from), &below, column, from, limit)
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
        held(&self.entries, column, key).cloned()
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
    use crate::ledger::WorkingSet;

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

    /// A view that counts how many entries were read through it.
    struct Counting(MemoryView, std::sync::atomic::AtomicUsize);

    impl View for Counting {
        fn get(&self, column: Column, key: &[u8]) -> Option<Bytes> {
            self.0.get(column, key)
        }

        fn scan(&self, column: Column, from: &[u8], limit: usize) -> Vec<(Bytes, Bytes)> {
            let found = self.0.scan(column, from, limit);
            self.1.fetch_add(found.len(), std::sync::atomic::Ordering::Relaxed);
            found
        }

        fn note_corruption(&self, _: Column, _: &[u8]) {}
    }

    #[test]
    fn a_scan_reads_no_further_than_it_must() {
        let key = |n: u32| Bytes::copy_from_slice(&n.to_be_bytes());
        let entries = |range: std::ops::Range<u32>, value: Option<Bytes>| -> Writes {
            range.map(|n| ((Column::Balances, key(n)), value.clone())).collect()
        };
        let mut base = MemoryView::default();
        base.apply(&entries(0..10_000, Some(bytes("old"))));
        let base = Counting(base, Default::default());
        let mut writes = entries(0..5, None);
        writes.extend(entries(5..9_000, Some(bytes("new"))));
        let scan =
            |limit| layered_scan(written_from(&writes, Column::Balances, &[]), &base, Column::Balances, &[], limit);
        assert_eq!(scan(1), [(key(5), bytes("new"))]);
        assert!(base.1.load(std::sync::atomic::Ordering::Relaxed) <= 2 * PAGE_MIN);
        assert_eq!(scan(20_000).len(), 9_995);
        assert!(scan(0).is_empty());
    }

    proptest::proptest! {
        /// Whatever stands in the layers, a scan is that of one map with the same content.
        #[test]
        fn a_scan_of_layers_is_that_of_their_sum(
            below in proptest::collection::btree_map(0u8..30, proptest::bool::ANY, 0..20),
            above in proptest::collection::btree_map(0u8..30, proptest::bool::ANY, 0..20),
            read in proptest::collection::vec(0u8..32, 0..10),
            from in 0u8..30,
            limit in 0usize..40,
        ) {
            let writes = |layer: &BTreeMap<u8, bool>, value: &str| -> Writes {
                let entry = |(key, put): (&u8, &bool)| ((Column::Due, Bytes::copy_from_slice(&[*key])), put.then(|| bytes(value)));
                layer.iter().map(entry).collect()
            };
            let (below, above) = (writes(&below, "below"), writes(&above, "above"));
            let mut base = MemoryView::default();
            base.apply(&below);
            let mut sum = base.clone();
            sum.apply(&above);
            let base: Arc<dyn View> = Arc::new(base);
            let block = WorkingSet::new(base.clone());
            block.read_ahead(read.iter().map(|key| Place::new(Column::Due, &[*key])), read.len());
            block.take_over(above.clone());
            let touched = std::iter::once((Arc::new(above.clone()), Arc::new(block.finish().1)));
            let touched = Layers::touched(touched, base.clone());
            let layers = Layers::new(vec![Arc::new(above)], base);
            let places: Vec<Place> = (0..32).map(|key| Place::new(Column::Due, &[key])).collect();
            let places: Vec<&Place> = places.iter().collect();
            for place in &places {
                let expected = sum.get(Column::Due, place.key());
                proptest::prop_assert_eq!(&layers.get(Column::Due, place.key()), &expected);
                proptest::prop_assert_eq!(&touched.get(Column::Due, place.key()), &expected);
            }
            proptest::prop_assert_eq!(touched.get_many(&places), sum.get_many(&places));
            proptest::prop_assert_eq!(touched.scan(Column::Due, &[from], limit), sum.scan(Column::Due, &[from], limit));
            proptest::prop_assert_eq!(layers.scan(Column::Due, &[from], limit), sum.scan(Column::Due, &[from], limit));
        }
    }
}
