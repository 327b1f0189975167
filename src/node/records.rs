//! What the committer keeps beside the state: encodings of the node-local columns that it owns.
//!
//! | column | key | value |
//! |---|---|---|
//! | Meta | `applied` | the header of the last applied block |
//! | Meta | `floor` | the certificate of a block at or below the applied one, in a store that was restored |
//! | Accumulator | empty | the state digest's accumulator after it |
//! | Outcomes | height | [`BlockRecord`] |
//! | TransactionIndex | transaction id | [`TransactionPlace`] |
//! | ObjectIndex | object id, then [`TransactionPlace`] | empty |
//! | HistoryNodes | level, index | the root of a perfect subtree over header hashes |
//! | PrunedBlocks | height | [`PrunedBlock`], once the block's body is gone |

use crate::codec_struct;
use crate::execution::Executed;
use crate::ledger::{Header, Openings, Outcome, ReserveLine, Value};
use crate::primitives::merkle::NodePlace;
use crate::primitives::{AccountId, Encode, ObjectId};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The key of the last applied header in Meta.
pub(super) const APPLIED_KEY: &[u8] = b"applied";
/// The key in Meta of where a node begins whose store came from a snapshot: see [`super::floor`].
pub(super) const FLOOR_KEY: &[u8] = b"floor";
/// The key of the accumulator in its column.
pub(super) const ACCUMULATOR_KEY: &[u8] = b"";

/// What came of a block, as it was committed to by the header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockRecord {
    /// One for each transaction, in order; then one for each thing that fell due and left a record.
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

/// What stays of a block whose body was pruned. With the block's record, receipts are made from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrunedBlock {
    /// Its header.
    pub header: Header,
    /// Of each transaction: who sent it, and whom its body named as co-signers. They may see it for ever.
    pub senders: Vec<Vec<AccountId>>,
}
codec_struct!(PrunedBlock { header, senders });

/// Where a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionPlace {
    /// The block's height.
    pub height: u64,
    /// Its place in the block, from 0.
    pub index: u32,
}
codec_struct!(TransactionPlace { height, index });

/// Where each outcome of a block is found, its transactions' first: what fell due after the last of them.
pub(super) fn places(height: u64, outcomes: &[Outcome]) -> impl Iterator<Item = (TransactionPlace, &Outcome)> {
    outcomes.iter().enumerate().map(move |(index, outcome)| (TransactionPlace { height, index: index as u32 }, outcome))
}

/// The objects that an outcome's effects tell of: it is a part of their history. A plain payment's tell of none.
pub(super) fn objects_of(outcome: &Outcome) -> BTreeSet<ObjectId> {
    let values = outcome.effects.iter().flat_map(|effect| &effect.fields).map(|(_, value)| value);
    values.filter_map(|value| if let Value::Object(object) = value { Some(*object) } else { None }).collect()
}

/// The key of a step in an object's history. Of one object, keys are in the order of the ledger.
pub(super) fn object_key(object: ObjectId, place: TransactionPlace) -> Vec<u8> {
    (object, place).to_bytes()
}

/// The key of a node of the history tree.
pub(super) fn node_key(place: NodePlace) -> Vec<u8> {
    (place.level, place.index).to_bytes()
}
