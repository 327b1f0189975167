//! The chain as state knows it: its tip, its parameters, and the roots of recent histories.
//!
//! Execution reads state only, never old bodies, so what it needs of the past stands here: the frontier that the next
//! header's `history_root` grows from, and earlier roots, against which citations of receipts are checked.

use super::view::{Column, Entry};
use crate::codec_struct;
use crate::primitives::merkle::Frontier;
use crate::primitives::{BlockTime, CodecError, Decode, Encode, Hash, Reader};

/// The last block, as its own execution leaves it for the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tip {
    /// Its height.
    pub height: u64,
    /// Its time.
    pub time: BlockTime,
    /// Its header's hash.
    pub hash: Hash,
    /// The tree over all headers, its own included.
    pub history: Frontier,
}
codec_struct!(Tip { height, time, hash, history });

impl Entry for Tip {
    const COLUMN: Column = Column::Chain;
    /// Always [`TIP_KEY`].
    type Key = u8;
}

/// The key of the tip in its column.
pub const TIP_KEY: u8 = b't';

/// What the genesis fixed for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// How many heights an epoch has. Height `h` is in epoch `h / epoch_length`.
    pub epoch_length: u64,
}
codec_struct!(Parameters { epoch_length });

impl Entry for Parameters {
    const COLUMN: Column = Column::Chain;
    /// Always [`PARAMETERS_KEY`].
    type Key = u8;
}

/// The key of the parameters in their column.
pub const PARAMETERS_KEY: u8 = b'p';

/// The root over the first `n` headers, kept under `n`: the `history_root` of the block at height `n`.
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
    type Key = u64;
}
