//! Finalised blocks and certificates: the engine's two stores, kept once, in our columns.
//!
//! The engine hands a block on only after `sync` of both stores has returned, so a block that the node has applied is
//! in here. Everyone else reads the columns [`StoreColumn::Blocks`], [`StoreColumn::BlockIndex`] and
//! [`StoreColumn::Certificates`]; only this file writes them.
//!
//! # Life cycle
//! [`open`] makes both over one buffer. `put` fills the buffer, whose contents are readable at once; `sync` of either
//! commits all of it, so a block and its certificate cost one synced write between them.
//!
//! # Invariants
//! * What `sync` has returned for is on disk. Nothing is promised of the rest.
//! * The stored ranges of heights name exactly the heights that are stored: both are of one batch.
//! * The first block and the first certificate of a height stay; a later one is ignored.
//! * Neither is removed because the engine does not need it any more: only a [`Pruner`] removes, and both at once.
//! * Stored bytes that do not decode, or are of another height, are an error. (The engine's policy for an error of its
//!   stores is to stop the process.)
//!
//! # Deliberately absent
//! Verification: a certificate was verified before it came here, and `causeway audit` verifies it again.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;

use bytes::Bytes;
use commonware_codec::{Codec, Decode as _, Encode as _, Read};
use commonware_consensus::Block;
use commonware_consensus::marshal::store::{Blocks, Certificates};
use commonware_consensus::simplex::types::Finalization;
use commonware_consensus::types::Height;
use commonware_cryptography::Digest;
use commonware_cryptography::certificate::Scheme;
use commonware_storage::archive::Identifier;
use commonware_utils::sync::{AsyncMutex, Mutex};

use super::height_ranges::HeightRanges;
use super::{Batch, Reader, StorageError, Store, StoreColumn, height_key, key_height};

/// Entries that are looked at together.
const PAGE: usize = 1_024;

/// How many entries [`end_at`] removes at a time. Blocks may have megabytes each.
const REMOVED_PER_COMMIT_MAX: usize = 32;

/// Opens both stores over `store`.
///
/// `block_cfg` and `certificate_cfg` bound what decoding accepts, as they do on the network.
#[allow(clippy::type_complexity)]
pub fn open<S, B, C>(
    store: S,
    block_cfg: <B as Read>::Cfg,
    certificate_cfg: <C::Certificate as Read>::Cfg,
) -> Result<(BlockStore<S, B>, CertificateStore<S, C, B::Digest>), StorageError>
where
    S: Store,
    B: Block + Codec,
    C: Scheme,
{
    let contents = Contents {
        blocks: load_ranges(&store, &BLOCKS)?,
        certificates: load_ranges(&store, &CERTIFICATES)?,
        filling: Writes::new(),
        flushing: Writes::new(),
    };
    let buffer = Arc::new(Buffer { store, contents: Mutex::new(contents), turn: AsyncMutex::new(()) });
    let blocks = BlockStore { buffer: buffer.clone(), cfg: block_cfg, block: PhantomData };
    let certificates = CertificateStore { buffer, cfg: certificate_cfg, certificate: PhantomData };
    Ok((blocks, certificates))
}

/// The engine's store of finalised blocks.
pub struct BlockStore<S, B: Read> {
    buffer: Arc<Buffer<S>>,
    cfg: B::Cfg,
    block: PhantomData<fn() -> B>,
}

/// The engine's store of finalisation certificates. `D` is the digest of the block, which is also what is voted for.
pub struct CertificateStore<S, C: Scheme, D> {
    buffer: Arc<Buffer<S>>,
    cfg: <C::Certificate as Read>::Cfg,
    certificate: PhantomData<fn() -> (C, D)>,
}

impl<S: Store, B: Block + Codec> BlockStore<S, B> {
    /// What removes old blocks from under the engine.
    pub fn pruner(&self) -> Pruner<S> {
        Pruner(self.buffer.clone())
    }

    fn at(&self, height: u64) -> Result<Option<B>, StorageError> {
        let Some(bytes) = self.buffer.value_at(&BLOCKS, height)? else {
            return Ok(None);
        };
        let block = B::decode_cfg(bytes, &self.cfg).map_err(|error| undecodable(&BLOCKS, height, &error))?;
        if block.height().get() != height {
            let cause = format!("the block at height {height} says that its height is {}", block.height());
            return Err(StorageError::corrupt(BLOCKS.column, cause));
        }
        Ok(Some(block))
    }
}

impl<S: Store, B: Block + Codec> Blocks for BlockStore<S, B> {
    type Block = B;
    type Error = StorageError;

    async fn put(self, digest: B::Digest, block: &B) -> Result<Self, StorageError> {
        self.buffer.put(&BLOCKS, block.height().get(), digest.as_ref(), || block.encode())?;
        Ok(self)
    }

    async fn sync(self) -> Result<Self, StorageError> {
        self.buffer.flush().await?;
        Ok(self)
    }

    async fn get(&self, id: Identifier<'_, B::Digest>) -> Result<Option<B>, StorageError> {
        match self.buffer.height_of(id)? {
            Some(height) => self.at(height),
            None => Ok(None),
        }
    }

    async fn prune(self, _: Height) -> Result<Self, StorageError> {
        Ok(self)
    }

    fn missing_items(&self, start: Height, max: usize) -> Vec<Height> {
        let missing = self.buffer.contents.lock().blocks.missing(start.get(), max);
        missing.into_iter().map(Height::new).collect()
    }

    fn next_gap(&self, value: Height) -> (Option<Height>, Option<Height>) {
        let (current_end, next_start) = self.buffer.contents.lock().blocks.next_gap(value.get());
        (current_end.map(Height::new), next_start.map(Height::new))
    }

    fn last_index(&self) -> Option<Height> {
        self.buffer.contents.lock().blocks.last().map(Height::new)
    }
}

impl<S: Store, C: Scheme, D: Digest> CertificateStore<S, C, D> {
    fn at(&self, height: u64) -> Result<Option<Finalization<C, D>>, StorageError> {
        let Some(bytes) = self.buffer.value_at(&CERTIFICATES, height)? else {
            return Ok(None);
        };
        let certificate = Finalization::decode_cfg(bytes, &self.cfg);
        certificate.map(Some).map_err(|error| undecodable(&CERTIFICATES, height, &error))
    }
}

impl<S: Store, C: Scheme, D: Digest> Certificates for CertificateStore<S, C, D> {
    type BlockDigest = D;
    type Commitment = D;
    type Scheme = C;
    type Error = StorageError;

    async fn put(self, height: Height, digest: D, finalization: &Finalization<C, D>) -> Result<Self, StorageError> {
        if finalization.proposal.payload != digest {
            let cause = format!("the certificate to be stored at height {height} is of another block");
            return Err(StorageError::corrupt(CERTIFICATES.column, cause));
        }
        self.buffer.put(&CERTIFICATES, height.get(), digest.as_ref(), || finalization.encode())?;
        Ok(self)
    }

    async fn sync(self) -> Result<Self, StorageError> {
        self.buffer.flush().await?;
        Ok(self)
    }

    async fn get(&self, id: Identifier<'_, D>) -> Result<Option<Finalization<C, D>>, StorageError> {
        match self.buffer.height_of(id)? {
            Some(height) => self.at(height),
            None => Ok(None),
        }
    }

    async fn has(&self, height: Height) -> Result<bool, StorageError> {
        Ok(self.buffer.contents.lock().certificates.contains(height.get()))
    }

    async fn prune(self, _: Height) -> Result<Self, StorageError> {
        Ok(self)
    }

    fn last_index(&self) -> Option<Height> {
        self.buffer.contents.lock().certificates.last().map(Height::new)
    }

    fn ranges_from(&self, from: Height) -> impl Iterator<Item = (Height, Height)> {
        let ranges: Vec<_> = self.buffer.contents.lock().certificates.ranges_from(from.get()).collect();
        ranges.into_iter().map(|(start, end)| (Height::new(start), Height::new(end)))
    }
}

/// Removes blocks with their certificates, while the engine works over the two stores. Which, and what stays of them, is for
/// whoever keeps the ledger to say: the engine's own wish to prune, when it begins at a floor, is no reason to lose a history.
pub struct Pruner<S>(Arc<Buffer<S>>);

impl<S> Clone for Pruner<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S: Store> Pruner<S> {
    /// The lowest height from which on every block up to this one is stored.
    pub fn reaches_down_to(&self, height: u64) -> u64 {
        self.0.contents.lock().blocks.reaches_down_to(height)
    }

    /// The lowest height at or above `height` of which the block is stored.
    pub fn next_stored(&self, height: u64) -> Option<u64> {
        let contents = self.0.contents.lock();
        let first = contents.blocks.ranges_from(height).next();
        first.map(|(start, _)| start.max(height))
    }

    /// Puts other entries in the place of blocks and their certificates: each by its height and the block's digest. All of it is
    /// one synced commit.
    ///
    /// # Errors
    /// The store failed.
    pub async fn replace(
        &self,
        blocks: &[(u64, impl AsRef<[u8]>)],
        stays: impl IntoIterator<Item = (StoreColumn, Bytes, Bytes)>,
    ) -> Result<(), StorageError> {
        {
            let mut contents = self.0.contents.lock();
            for (height, digest) in blocks {
                for shelf in [&BLOCKS, &CERTIFICATES] {
                    (shelf.ranges)(&mut contents).remove(*height);
                    contents.write(shelf.column, &height_key(*height), None);
                }
                contents.write(StoreColumn::BlockIndex, digest.as_ref(), None);
            }
            contents.write_ranges(&BLOCKS);
            contents.write_ranges(&CERTIFICATES);
            for (column, key, value) in stays {
                contents.write(column, &key, Some(value));
            }
        }
        self.0.flush().await
    }
}

/// What sets the two stores apart in the buffer that they share.
struct Shelf {
    column: StoreColumn,
    /// The key in `Meta` of the ranges of heights that are stored.
    ranges_key: &'static [u8],
    ranges: fn(&mut Contents) -> &mut HeightRanges,
}

const BLOCKS: Shelf =
    Shelf { column: StoreColumn::Blocks, ranges_key: b"heights/blocks", ranges: |contents| &mut contents.blocks };

const CERTIFICATES: Shelf = Shelf {
    column: StoreColumn::Certificates,
    ranges_key: b"heights/certificates",
    ranges: |contents| &mut contents.certificates,
};

/// The keys in `Meta` of what both keep.
pub const META_KEYS: [&[u8]; 2] = [BLOCKS.ranges_key, CERTIFICATES.ranges_key];

type Writes = BTreeMap<(StoreColumn, Bytes), Option<Bytes>>;

/// The store, and what was put and not yet synced.
struct Buffer<S> {
    store: S,
    contents: Mutex<Contents>,
    /// Held across a commit, so that a `sync` with nothing left to write waits for the one that carries its writes.
    turn: AsyncMutex<()>,
}

struct Contents {
    blocks: HeightRanges,
    certificates: HeightRanges,
    /// Put since the last commit began.
    filling: Writes,
    /// Being committed: readable here until the store has it.
    flushing: Writes,
}

impl Contents {
    fn buffered(&self, column: StoreColumn, key: &[u8]) -> Option<Option<Bytes>> {
        let key = (column, Bytes::copy_from_slice(key));
        self.filling.get(&key).or_else(|| self.flushing.get(&key)).cloned()
    }

    fn write(&mut self, column: StoreColumn, key: &[u8], value: Option<Bytes>) {
        self.filling.insert((column, Bytes::copy_from_slice(key)), value);
    }

    fn write_ranges(&mut self, shelf: &Shelf) {
        let ranges = (shelf.ranges)(self).encode();
        self.write(StoreColumn::Meta, shelf.ranges_key, Some(ranges.into()));
    }
}

impl<S: Store> Buffer<S> {
    /// The value as of the last `put`.
    fn read(&self, column: StoreColumn, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        let buffered = self.contents.lock().buffered(column, key);
        // A value that leaves the buffer in between is in the store by then.
        buffered.map_or_else(|| self.store.get(column, key), Ok)
    }

    fn value_at(&self, shelf: &Shelf, height: u64) -> Result<Option<Bytes>, StorageError> {
        if !(shelf.ranges)(&mut self.contents.lock()).contains(height) {
            return Ok(None);
        }
        match self.read(shelf.column, &height_key(height))? {
            Some(bytes) => Ok(Some(bytes)),
            None => Err(missing(shelf, height)),
        }
    }

    fn height_of<D: Digest>(&self, id: Identifier<'_, D>) -> Result<Option<u64>, StorageError> {
        match id {
            Identifier::Index(height) => Ok(Some(height)),
            Identifier::Key(digest) => self.indexed_height(digest.as_ref()),
        }
    }

    fn indexed_height(&self, digest: &[u8]) -> Result<Option<u64>, StorageError> {
        let Some(height) = self.read(StoreColumn::BlockIndex, digest)? else {
            return Ok(None);
        };
        let malformed = || StorageError::corrupt(StoreColumn::BlockIndex, "an entry is not a height");
        key_height(&height).map(Some).ok_or_else(malformed)
    }

    /// Buffers what `encode` makes, unless the height or the digest is taken.
    fn put(
        &self,
        shelf: &Shelf,
        height: u64,
        digest: &[u8],
        encode: impl FnOnce() -> Bytes,
    ) -> Result<(), StorageError> {
        let indexed = self.indexed_height(digest)?;
        let mut contents = self.contents.lock();
        let ranges = (shelf.ranges)(&mut contents);
        if ranges.contains(height) || indexed.is_some_and(|at| ranges.contains(at)) {
            return Ok(());
        }
        ranges.insert(height);
        contents.write_ranges(shelf);
        let height = height_key(height);
        contents.write(shelf.column, &height, Some(encode()));
        contents.write(StoreColumn::BlockIndex, digest, Some(Bytes::copy_from_slice(&height)));
        Ok(())
    }

    /// Commits everything that was put before the call.
    async fn flush(&self) -> Result<(), StorageError> {
        let _turn = self.turn.lock().await;
        let batch = self.contents.lock().begin_flush();
        if batch.is_empty() {
            return Ok(());
        }
        self.store.commit(batch).await?;
        self.contents.lock().flushing.clear();
        Ok(())
    }
}

impl Contents {
    /// Moves what was put to what is being committed. What an abandoned commit left there goes along again.
    fn begin_flush(&mut self) -> Batch {
        let filled = std::mem::take(&mut self.filling);
        self.flushing.extend(filled);
        let mut batch = Batch::new();
        for ((column, key), value) in &self.flushing {
            match value {
                Some(value) => batch.put(*column, key, value.clone()),
                None => batch.delete(*column, key),
            }
        }
        batch
    }
}

/// Removes every block and certificate above a height from a store that no engine has open: a copy of one that went on.
/// `digest_of` tells the digest of the block that an entry of either column is, or is of.
///
/// # Errors
/// The store failed, or an entry is neither.
pub async fn end_at<S: Store, D: AsRef<[u8]>>(
    store: &S,
    height: u64,
    digest_of: impl Fn(StoreColumn, &Bytes) -> Option<D>,
) -> Result<(), StorageError> {
    for shelf in [&BLOCKS, &CERTIFICATES] {
        let mut ranges = load_ranges(store, shelf)?;
        loop {
            let above = store.scan(shelf.column, &height_key(height.saturating_add(1)), REMOVED_PER_COMMIT_MAX)?;
            if above.is_empty() {
                break;
            }
            let mut batch = Batch::new();
            for (key, value) in &above {
                let unreadable = || StorageError::corrupt(shelf.column, "an entry is not what was stored there");
                let at = key_height(key).ok_or_else(unreadable)?;
                batch.delete(StoreColumn::BlockIndex, digest_of(shelf.column, value).ok_or_else(unreadable)?);
                batch.delete(shelf.column, key);
                ranges.remove(at);
            }
            batch.put(StoreColumn::Meta, shelf.ranges_key, ranges.encode());
            store.commit(batch).await?;
        }
    }
    Ok(())
}

/// The lowest height from which on every block up to this one is stored.
///
/// # Errors
/// The store failed, or holds what nobody stored.
pub fn reaches_down_to(store: &impl Reader, height: u64) -> Result<u64, StorageError> {
    Ok(load_ranges(store, &BLOCKS)?.reaches_down_to(height))
}

/// Whether the stored ranges name exactly the heights that are stored: for the audit, which looks at every one.
///
/// # Errors
/// They do not, or the store failed.
pub fn check_ranges(store: &impl Reader) -> Result<(), StorageError> {
    for shelf in [&BLOCKS, &CERTIFICATES] {
        let mut stored = HeightRanges::default();
        let mut from = Vec::new();
        loop {
            let page = store.scan(shelf.column, &from, PAGE)?;
            let Some((last, _)) = page.last() else { break };
            from = [last, &[0][..]].concat();
            page.iter().filter_map(|(key, _)| key_height(key)).for_each(|height| stored.insert(height));
        }
        if load_ranges(store, shelf)? != stored {
            return Err(StorageError::corrupt(shelf.column, "the ranges of heights do not fit the entries"));
        }
    }
    Ok(())
}

/// Reads a store's ranges, and asserts that what they begin and end with is there.
fn load_ranges(store: &impl Reader, shelf: &Shelf) -> Result<HeightRanges, StorageError> {
    let Some(bytes) = store.get(StoreColumn::Meta, shelf.ranges_key)? else {
        return match store.last(shelf.column)? {
            None => Ok(HeightRanges::default()),
            Some(_) => Err(StorageError::corrupt(shelf.column, "there are entries, but no ranges of heights")),
        };
    };
    let ranges = HeightRanges::decode(&bytes)
        .map_err(|_| StorageError::corrupt(shelf.column, "the ranges of heights do not decode"))?;
    let first = store.scan(shelf.column, &[], 1)?.pop();
    let ends = [first, store.last(shelf.column)?].map(|pair| pair.and_then(|(key, _)| key_height(&key)));
    if ends != [ranges.first(), ranges.last()] {
        return Err(StorageError::corrupt(shelf.column, "the ranges of heights do not fit the entries"));
    }
    Ok(ranges)
}

fn missing(shelf: &Shelf, height: u64) -> StorageError {
    StorageError::corrupt(shelf.column, format!("the entry of height {height} is missing"))
}

fn undecodable(shelf: &Shelf, height: u64, error: &commonware_codec::Error) -> StorageError {
    StorageError::corrupt(shelf.column, format!("the entry of height {height} does not decode: {error}"))
}
