//! A block as the engine handles it: the ledger's block with its canonical bytes and its hash beside it.
//!
//! # Encoding
//! `u32` big-endian count, then the canonical encoding of [`Block`]. The count makes a block self-delimiting among the
//! engine's own encodings, and lets a reader refuse a large one before it sets memory aside.
//!
//! # Invariants
//! * The bytes are those of the block: a sealed block is made by encoding a block or by reading one strictly.
//! * The transactions are those that the header commits to.
//! * The digest is the header's hash.

use crate::ledger::block::Block;
use crate::ledger::limits::BLOCK_BYTES_MAX;
use crate::primitives::codec::{CodecError, Decode as _, Encode as _, Reader};
use crate::primitives::ids::Hash;
use bytes::{BufMut, Bytes};
use commonware_codec::{Buf, EncodeSize, Error, Read, ReadExt as _, Write};
use commonware_consensus::types::Height;
use commonware_consensus::{Block as EngineBlock, BoundedBlock, Heightable};
use commonware_cryptography::{Digestible, sha256};
use std::sync::Arc;

/// What stands before the canonical bytes.
const COUNT_BYTES: usize = 4;

/// The engine's form of a hash.
pub type Digest = sha256::Digest;

/// The engine's form of `hash`.
pub fn digest(hash: Hash) -> Digest {
    sha256::Digest(hash.0)
}

/// Our form of `digest`.
pub fn hash(digest: Digest) -> Hash {
    Hash(digest.0)
}

/// A block, its bytes and its digest.
#[derive(Clone, Debug)]
pub struct SealedBlock {
    block: Arc<Block>,
    encoded: Bytes,
    digest: Digest,
}

impl SealedBlock {
    /// Seals a block of this node's own.
    pub fn seal(block: Arc<Block>) -> Self {
        let encoded = Bytes::from(block.to_bytes());
        let digest = digest(block.hash());
        Self { block, encoded, digest }
    }

    /// Reads a block from its canonical bytes.
    ///
    /// # Errors
    /// Bytes that are not a block's, that encoding would not have produced, or whose transactions are not those that
    /// the header commits to.
    pub fn open(encoded: Bytes) -> Result<Self, CodecError> {
        let block = Block::from_bytes(&encoded)?;
        let digest = digest(block.hash());
        Ok(Self { block: Arc::new(block), encoded, digest })
    }

    /// Reads a block as the store of final blocks keeps it: the engine's encoding, a count and the canonical bytes.
    ///
    /// # Errors
    /// Those of [`Self::open`], and a count that is not that of the bytes.
    pub fn open_stored(stored: &Bytes) -> Result<Self, CodecError> {
        let count = u32::decode(&mut Reader::new(stored))? as usize;
        if stored.len() - COUNT_BYTES != count {
            return Err(CodecError::Invalid { what: "stored block", why: "its count is not that of its bytes" });
        }
        Self::open(stored.slice(COUNT_BYTES..))
    }

    /// The block.
    pub fn block(&self) -> &Arc<Block> {
        &self.block
    }

    /// Its canonical bytes.
    pub fn canonical_bytes(&self) -> &Bytes {
        &self.encoded
    }
}

impl PartialEq for SealedBlock {
    fn eq(&self, other: &Self) -> bool {
        self.encoded == other.encoded
    }
}

impl Eq for SealedBlock {}

impl Write for SealedBlock {
    fn write(&self, buf: &mut impl BufMut) {
        // A block is made only within its limit, which is far below 4 GiB.
        buf.put_u32(self.encoded.len() as u32);
        buf.put_slice(&self.encoded);
    }
}

impl EncodeSize for SealedBlock {
    fn encode_size(&self) -> usize {
        COUNT_BYTES + self.encoded.len()
    }
}

impl Read for SealedBlock {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, _: &()) -> Result<Self, Error> {
        let count = u32::read(buf)? as usize;
        if count > BLOCK_BYTES_MAX {
            return Err(Error::InvalidLength(count));
        }
        if buf.remaining() < count {
            return Err(Error::EndOfBuffer);
        }
        let encoded = buf.copy_to_bytes(count);
        Self::open(encoded).map_err(|error| Error::Wrapped("block", Box::new(error)))
    }
}

impl Digestible for SealedBlock {
    type Digest = Digest;

    fn digest(&self) -> Digest {
        self.digest
    }
}

impl Heightable for SealedBlock {
    fn height(&self) -> Height {
        Height::new(self.block.header().height)
    }
}

impl EngineBlock for SealedBlock {
    fn parent(&self) -> Digest {
        digest(self.block.header().parent)
    }
}

impl BoundedBlock for SealedBlock {
    fn max_encode_size(_: &()) -> usize {
        COUNT_BYTES + BLOCK_BYTES_MAX
    }
}
