//! Columns: what a store keeps, and the families in which the disk holds it.
//!
//! A [`StoreColumn`] is what callers name. A [`Family`] is what is tuned, flushed and compacted together. All columns
//! of the ledger's state share one family, each under its tag byte: sixteen families of their own would each claim
//! write buffers and files, for columns that are small and always written together.
//!
//! # Accounts with their balances
//! Who pays is asked for as an account and as a balance, in one block. So the keys of these two columns, which both begin with
//! the account's id, are stored under one tag and by that id first, the column's own tag after it: both entries lie in one
//! block of a table, and a store that is larger than its cache reads one block for the two. Reading a column skips the
//! other's entries.

use std::fmt;

use bytes::Bytes;

use super::StorageError;
use crate::ledger::view::Column;
use crate::primitives::AccountId;

/// What a store keeps. Keys and values are bytes; who writes a column owns their encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StoreColumn {
    /// The ledger's state after the last applied block. The only columns that the state digest covers.
    State(Column),
    /// One entry each: what the node must know of itself. Format version, chain id, applied height.
    Meta,
    /// Finalised blocks by height, as the consensus codec encodes them. Written by [`super::stores`] alone.
    Blocks,
    /// Height by block digest. Written by [`super::stores`] alone.
    BlockIndex,
    /// Finalisation certificates by height of the block. Written by [`super::stores`] alone.
    Certificates,
    /// The outcomes of a block's transactions by height.
    Outcomes,
    /// Where a transaction is (height and index) by its id.
    TransactionIndex,
    /// Which transactions an object's history is made of: its id, then where each of them is.
    ObjectIndex,
    /// The state digest's accumulator.
    Accumulator,
    /// Roots of perfect subtrees over header hashes, by level and index: any path into the history is made from them.
    HistoryNodes,
    /// What stays of the blocks whose bodies were pruned, by height.
    PrunedBlocks,
}

impl StoreColumn {
    /// The columns beside the state, each of which has a family to itself.
    pub const BESIDE_STATE: [Self; 10] = [
        Self::Meta,
        Self::Blocks,
        Self::BlockIndex,
        Self::Certificates,
        Self::Outcomes,
        Self::TransactionIndex,
        Self::ObjectIndex,
        Self::Accumulator,
        Self::HistoryNodes,
        Self::PrunedBlocks,
    ];

    /// The family that holds the column.
    pub(super) const fn family(self) -> Family {
        match self {
            Self::State(_) => Family::State,
            Self::Meta => Family::Meta,
            Self::Blocks => Family::Blocks,
            Self::BlockIndex => Family::BlockIndex,
            Self::Certificates => Family::Certificates,
            Self::Outcomes => Family::Outcomes,
            Self::TransactionIndex => Family::TransactionIndex,
            Self::ObjectIndex => Family::ObjectIndex,
            Self::Accumulator => Family::Accumulator,
            Self::HistoryNodes => Family::HistoryNodes,
            Self::PrunedBlocks => Family::PrunedBlocks,
        }
    }

    /// The byte that sets the column's keys apart in a family that holds several: its own, or that of the column whose
    /// entries its own lie among.
    const fn tag(self) -> Option<u8> {
        match self {
            Self::State(Column::Balances) => Some(Column::Accounts.tag()),
            Self::State(column) => Some(column.tag()),
            _ => None,
        }
    }

    /// The byte after an account's id that sets the column's keys apart from those of another that begin with it, too.
    const fn tag_after_account(self) -> Option<u8> {
        match self {
            Self::State(column @ (Column::Accounts | Column::Balances)) => Some(column.tag()),
            _ => None,
        }
    }

    /// The key under which the family holds `key` of this column. A `key` that is shorter than an account's id is one to seek
    /// from, where keys begin with that.
    pub(super) fn stored_key(self, key: &[u8]) -> Vec<u8> {
        let mut stored = Vec::with_capacity(2 + key.len());
        stored.extend(self.tag());
        match (self.tag_after_account(), key.split_at_checked(AccountId::SIZE)) {
            (Some(tag), Some((account, rest))) => {
                stored.extend_from_slice(account);
                stored.push(tag);
                stored.extend_from_slice(rest);
            }
            _ => stored.extend_from_slice(key),
        }
        stored
    }

    /// The caller's key of one that the family holds in the column's range; `None` if it is that of the column beside it.
    ///
    /// # Errors
    /// It is of no column: no committer wrote it.
    pub(super) fn own_key(self, stored: &[u8]) -> Result<Option<Bytes>, StorageError> {
        let foreign = || StorageError::corrupt(self, format!("the key {} is of no column", hex::encode(stored)));
        let key = stored.get(usize::from(self.tag().is_some())..).ok_or_else(foreign)?;
        let Some(own) = self.tag_after_account() else {
            return Ok(Some(Bytes::copy_from_slice(key)));
        };
        let (account, rest) = key.split_at_checked(AccountId::SIZE).ok_or_else(foreign)?;
        match rest.split_first() {
            Some((tag, rest)) if *tag == own => Ok(Some([account, rest].concat().into())),
            Some((tag, _)) if [Column::Accounts.tag(), Column::Balances.tag()].contains(tag) => Ok(None),
            _ => Err(foreign()),
        }
    }

    /// The first stored key beyond the column, or `None` if the column reaches the family's end.
    pub(super) fn stored_end(self) -> Option<Vec<u8>> {
        Some(vec![self.tag()?.checked_add(1)?])
    }
}

impl fmt::Display for StoreColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::State(column) => write!(f, "column State/{column:?}"),
            node_local => write!(f, "column {node_local:?}"),
        }
    }
}

/// A set of columns that the disk holds together. The discriminants are written in the simulated store's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Family {
    State = 0,
    Meta = 1,
    Blocks = 2,
    BlockIndex = 3,
    Certificates = 4,
    Outcomes = 5,
    TransactionIndex = 6,
    Accumulator = 7,
    HistoryNodes = 8,
    ObjectIndex = 9,
    PrunedBlocks = 10,
}

impl Family {
    pub const ALL: [Self; 11] = [
        Self::State,
        Self::Meta,
        Self::Blocks,
        Self::BlockIndex,
        Self::Certificates,
        Self::Outcomes,
        Self::TransactionIndex,
        Self::Accumulator,
        Self::HistoryNodes,
        Self::ObjectIndex,
        Self::PrunedBlocks,
    ];

    /// The name on disk: a rename is a change of format.
    pub const fn name(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Meta => "meta",
            Self::Blocks => "blocks",
            Self::BlockIndex => "block_index",
            Self::Certificates => "certificates",
            Self::Outcomes => "outcomes",
            Self::TransactionIndex => "transaction_index",
            Self::Accumulator => "accumulator",
            Self::HistoryNodes => "history_nodes",
            Self::ObjectIndex => "object_index",
            Self::PrunedBlocks => "pruned_blocks",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|family| family.name() == name)
    }

    pub fn from_tag(tag: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|family| *family as u8 == tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_stand_at_their_tag() {
        for (position, family) in Family::ALL.into_iter().enumerate() {
            assert_eq!(family as usize, position, "{}", family.name());
            assert_eq!(Family::from_tag(family as u8), Some(family));
        }
        assert_eq!(Family::from_tag(Family::ALL.len() as u8), None);
    }
}
