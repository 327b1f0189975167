//! The history as state keeps it: for each recent height, the root over the hashes of all headers below it.
//!
//! Execution writes one entry for each block, before the block's transactions, and removes the one that has grown older
//! than [`HISTORY_ROOTS_KEPT`](super::limits::HISTORY_ROOTS_KEPT) blocks. Rooms only read: a transaction that cites an
//! earlier receipt proves against these roots that the receipt's header is of this ledger.

use super::view::{Column, Entry};
use crate::primitives::{CodecError, Decode, Encode, Hash, Reader};

/// The `history_root` of the block of a height: over the headers 0 to height - 1, so over as many leaves as the height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryRoot(pub Hash);

impl Encode for HistoryRoot {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
}

impl Decode for HistoryRoot {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Hash::decode(reader).map(Self)
    }
}

impl Entry for HistoryRoot {
    const COLUMN: Column = Column::HistoryRoots;
    /// The block's height.
    type Key = u64;
}
