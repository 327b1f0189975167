//! Blocks and their headers.
//!
//! A header is fixed in size and commits to everything: what was asked (`transactions_root`), what came of it
//! (`outcomes_root`), the state it stood on (`parent_state_digest`), all headers before it (`history_root`), who may sign
//! (`validators_hash`) and whether the money is backed (`reserves_root`). A certificate over its hash certifies all of that.

use super::limits::{BLOCK_BYTES_MAX, BLOCK_TRANSACTIONS_MAX};
use super::transaction::SignedTransaction;
use crate::codec_struct;
use crate::primitives::codec::encode_list;
use crate::primitives::crypto::{Domain, hash};
use crate::primitives::merkle::Path;
use crate::primitives::{
    Amount, BlockTime, ChainId, CodecError, Decode, Encode, Hash, PublicKey, Reader, TokenId, merkle,
};

/// A block's header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The ledger.
    pub chain_id: ChainId,
    /// The epoch, whose validators sign.
    pub epoch: u64,
    /// The place in the chain; the genesis block is 0.
    pub height: u64,
    /// The hash of the header before; zeros in the genesis block.
    pub parent: Hash,
    /// When, strictly after the parent.
    pub time: BlockTime,
    /// Who proposed it; zeros in the genesis block.
    pub proposer: PublicKey,
    /// How many transactions the block has: the size of the tree over them.
    pub transaction_count: u32,
    /// Tree over the transactions' leaves.
    pub transactions_root: Hash,
    /// How many outcomes the block has: the size of the tree over them.
    pub outcome_count: u32,
    /// Tree over the outcomes' hashes.
    pub outcomes_root: Hash,
    /// Digest of the whole state after the parent block.
    pub parent_state_digest: Hash,
    /// Tree over the hashes of all headers before this one.
    pub history_root: Hash,
    /// The validators of this epoch.
    pub validators_hash: Hash,
    /// The validators of the next block: another set only at an epoch's end.
    pub next_validators_hash: Hash,
    /// Tree over one line for each token: circulation, reserves, shortfall, attestation.
    pub reserves_root: Hash,
}
codec_struct!(Header {
    chain_id,
    epoch,
    height,
    parent,
    time,
    proposer,
    transaction_count,
    transactions_root,
    outcome_count,
    outcomes_root,
    parent_state_digest,
    history_root,
    validators_hash,
    next_validators_hash,
    reserves_root,
});

impl Header {
    /// The size of its encoding: ten fields of 32 bytes, three of 8, two of 4.
    pub const SIZE: usize = 10 * 32 + 3 * 8 + 2 * 4;

    /// The block's identity.
    pub fn hash(&self) -> Hash {
        hash(Domain::HEADER, &self.to_bytes())
    }

    /// Whether the path leads from the leaf to this block's place among its transactions.
    pub fn has_transaction(&self, path: &Path, leaf: Hash) -> bool {
        path.size == u64::from(self.transaction_count) && path.root_from(leaf) == Some(self.transactions_root)
    }

    /// Whether the path leads from the outcome's hash to this block's place among its outcomes.
    pub fn has_outcome(&self, path: &Path, outcome_hash: &Hash) -> bool {
        path.size == u64::from(self.outcome_count)
            && path.root_from(outcome_leaf(outcome_hash)) == Some(self.outcomes_root)
    }

    /// The leaf hash of this header in later headers' `history_root`.
    pub fn history_leaf(&self) -> Hash {
        history_leaf(&self.hash())
    }
}

/// The leaf hash of the header of this hash in later headers' `history_root`.
pub fn history_leaf(header_hash: &Hash) -> Hash {
    merkle::leaf_hash(&header_hash.0)
}

/// How a token stands after a block, at the block's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReserveLine {
    /// Which token.
    pub token: TokenId,
    /// All units, locked ones included.
    pub circulation: Amount,
    /// What the latest attestation counts, if it is not too old, less redemptions paid since.
    pub reserves_counted: Amount,
    /// By how much circulation exceeds the reserves counted.
    pub shortfall: Amount,
    /// The as-of time of the latest attestation; 0 if there is none.
    pub attested_as_of: BlockTime,
}
codec_struct!(ReserveLine { token, circulation, reserves_counted, shortfall, attested_as_of });

/// The tree over reserve lines, which are in the order of their tokens.
pub fn reserves_root(lines: &[ReserveLine]) -> Hash {
    merkle::root(&lines.iter().map(|line| merkle::leaf_hash(&line.to_bytes())).collect::<Vec<_>>())
}

/// The tree over transactions.
pub fn transactions_root(transactions: &[SignedTransaction]) -> Hash {
    merkle::root(&transactions.iter().map(SignedTransaction::leaf).collect::<Vec<_>>())
}

/// The leaf hash of an outcome in `outcomes_root`.
pub fn outcome_leaf(outcome_hash: &Hash) -> Hash {
    merkle::leaf_hash(&outcome_hash.0)
}

/// The tree over outcomes, given their hashes.
pub fn outcomes_root(outcome_hashes: &[Hash]) -> Hash {
    merkle::root(&outcome_hashes.iter().map(outcome_leaf).collect::<Vec<_>>())
}

/// A block: a header, and the transactions that its `transactions_root` covers.
///
/// Decoding checks that root, so a decoded block's id covers its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    header: Header,
    transactions: Vec<SignedTransaction>,
}

impl Block {
    /// Joins a header with the transactions that it commits to.
    ///
    /// # Errors
    /// Too many transactions or bytes, or a `transaction_count` or `transactions_root` that is not theirs.
    pub fn new(header: Header, transactions: Vec<SignedTransaction>) -> Result<Self, CodecError> {
        if transactions.len() > BLOCK_TRANSACTIONS_MAX {
            let (what, count, limit) = ("block", transactions.len(), BLOCK_TRANSACTIONS_MAX);
            return Err(CodecError::TooLong { what, count, limit });
        }
        let counted = header.transaction_count as usize == transactions.len();
        if !counted || header.transactions_root != transactions_root(&transactions) {
            return Err(CodecError::Invalid { what: "block", why: "its transactions are not those of its header" });
        }
        let block = Self { header, transactions };
        match block.encoded_len() {
            0..=BLOCK_BYTES_MAX => Ok(block),
            count => Err(CodecError::TooLong { what: "block bytes", count, limit: BLOCK_BYTES_MAX }),
        }
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The transactions, in order.
    pub fn transactions(&self) -> &[SignedTransaction] {
        &self.transactions
    }

    /// The block's identity.
    pub fn hash(&self) -> Hash {
        self.header.hash()
    }

    /// The size of its encoding.
    pub fn encoded_len(&self) -> usize {
        Header::SIZE + 4 + self.transactions.iter().map(SignedTransaction::encoded_len).sum::<usize>()
    }
}

impl Encode for Block {
    fn encode(&self, out: &mut Vec<u8>) {
        // Grown step by step, megabytes would be copied a dozen times.
        out.reserve(self.encoded_len());
        self.header.encode(out);
        encode_list(&self.transactions, out);
    }
}

impl Decode for Block {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let header = Header::decode(reader)?;
        Self::new(header, reader.list("block", BLOCK_TRANSACTIONS_MAX)?)
    }
}
