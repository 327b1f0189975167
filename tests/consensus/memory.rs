//! The marshal's two stores in memory. What was synced outlives the node, what was only put does not.

use causeway::consensus::block::Digest;
use causeway::consensus::{Finalization, Scheme, SealedBlock};
use commonware_consensus::Heightable as _;
use commonware_consensus::marshal::store::{Blocks, Certificates};
use commonware_consensus::types::Height;
use commonware_storage::archive::Identifier;
use commonware_storage::rmap::RMap;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

/// What survives the node.
pub struct Disk<T>(Arc<Mutex<BTreeMap<u64, (Digest, T)>>>);

impl<T> Clone for Disk<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Default for Disk<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

/// A store as one run of a node has it: what is on disk, and what it put since.
pub struct Store<T> {
    disk: Disk<T>,
    entries: BTreeMap<u64, (Digest, T)>,
    heights: RMap,
}

impl<T: Clone> Disk<T> {
    /// Opens the store anew, as after a start.
    pub fn open(&self) -> Store<T> {
        let entries = self.0.lock().unwrap().clone();
        let mut heights = RMap::new();
        entries.keys().for_each(|height| heights.insert(*height));
        Store { disk: self.clone(), entries, heights }
    }

    /// What is on disk at `height`.
    pub fn at(&self, height: u64) -> Option<T> {
        self.0.lock().unwrap().get(&height).map(|(_, entry)| entry.clone())
    }
}

impl<T: Clone> Store<T> {
    fn insert(&mut self, height: u64, digest: Digest, entry: T) {
        self.entries.entry(height).or_insert((digest, entry));
        self.heights.insert(height);
    }

    fn flush(&self) {
        *self.disk.0.lock().unwrap() = self.entries.clone();
    }

    fn find(&self, id: &Identifier<'_, Digest>) -> Option<T> {
        let (_, entry) = match id {
            Identifier::Index(height) => self.entries.get(height)?,
            Identifier::Key(digest) => self.entries.values().find(|(stored, _)| stored == *digest)?,
        };
        Some(entry.clone())
    }

    fn last(&self) -> Option<Height> {
        self.heights.last_index().map(Height::new)
    }
}

impl Blocks for Store<Arc<SealedBlock>> {
    type Block = Arc<SealedBlock>;
    type Error = Infallible;

    async fn put(mut self, digest: Digest, block: &Self::Block) -> Result<Self, Infallible> {
        self.insert(block.height().get(), digest, block.clone());
        Ok(self)
    }

    async fn sync(self) -> Result<Self, Infallible> {
        self.flush();
        Ok(self)
    }

    async fn get(&self, id: Identifier<'_, Digest>) -> Result<Option<Self::Block>, Infallible> {
        Ok(self.find(&id))
    }

    async fn prune(self, _: Height) -> Result<Self, Infallible> {
        Ok(self)
    }

    fn missing_items(&self, start: Height, max: usize) -> Vec<Height> {
        self.heights.missing_items(start.get(), max).into_iter().map(Height::new).collect()
    }

    fn next_gap(&self, value: Height) -> (Option<Height>, Option<Height>) {
        let (end, start) = self.heights.next_gap(value.get());
        (end.map(Height::new), start.map(Height::new))
    }

    fn last_index(&self) -> Option<Height> {
        self.last()
    }
}

impl Certificates for Store<Finalization> {
    type BlockDigest = Digest;
    type Commitment = Digest;
    type Scheme = Scheme;
    type Error = Infallible;

    async fn put(mut self, height: Height, digest: Digest, finalization: &Finalization) -> Result<Self, Infallible> {
        self.insert(height.get(), digest, finalization.clone());
        Ok(self)
    }

    async fn sync(self) -> Result<Self, Infallible> {
        self.flush();
        Ok(self)
    }

    async fn get(&self, id: Identifier<'_, Digest>) -> Result<Option<Finalization>, Infallible> {
        Ok(self.find(&id))
    }

    async fn has(&self, height: Height) -> Result<bool, Infallible> {
        Ok(self.entries.contains_key(&height.get()))
    }

    async fn prune(self, _: Height) -> Result<Self, Infallible> {
        Ok(self)
    }

    fn last_index(&self) -> Option<Height> {
        self.last()
    }

    fn ranges_from(&self, from: Height) -> impl Iterator<Item = (Height, Height)> {
        self.heights.iter_from(from.get()).map(|(start, end)| (Height::new(*start), Height::new(*end)))
    }
}
