//! What the committer keeps beside the state: encodings of the node-local columns that it owns.
//!
//! | column | key | value |
//! |---|---|---|
//! | Meta | `applied` | the header of the last applied block |
//! | Accumulator | empty | the state digest's accumulator after it |
//! | Outcomes | height | [`BlockRecord`] |
//! | TransactionIndex | transaction id | [`TransactionPlace`] |
//! | HistoryNodes | level, index | the root of a perfect subtree over header hashes |

use crate::codec_struct;
use crate::execution::Executed;
use crate::ledger::{Openings, Outcome, ReserveLine};
use crate::primitives::Encode;
use crate::primitives::merkle::NodePlace;
use std::sync::Arc;

/// The key of the last applied header in Meta.
pub(super) const APPLIED_KEY: &[u8] = b"applied";
/// The key of the accumulator in its column.
pub(super) const ACCUMULATOR_KEY: &[u8] = b"";

/// What came of a block, as it was committed to by the header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockRecord {
    /// One for each transaction, in order; then one more if something fell due.
    pub outcomes: Arc<Vec<Outcome>>,
    /// What opens the balances that the outcomes commit to.
    pub openings: Arc<Openings>,
    /// How every token stood after it.
    pub reserve_lines: Arc<Vec<ReserveLine>>,
}
codec_struct!(BlockRecord { outcomes, openings, reserve_lines });

impl BlockRecord {
    /// That of an executed block.
    pub(super) fn of(executed: &Executed) -> Self {
        Self {
            outcomes: executed.outcomes.clone(),
            openings: executed.openings.clone(),
            reserve_lines: executed.reserve_lines.clone(),
        }
    }
}

/// Where a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionPlace {
    /// The block's height.
    pub height: u64,
    /// Its place in the block, from 0.
    pub index: u32,
}
codec_struct!(TransactionPlace { height, index });

/// The key of a node of the history tree.
pub(super) fn node_key(place: NodePlace) -> Vec<u8> {
    (place.level, place.index).to_bytes()
}
