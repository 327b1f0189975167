//! Request ids: what makes a submission idempotent.
//!
//! A sender's request id stands in state from the block that took it until its transaction's expiry and a while longer.
//! As long as it stands, no other transaction of that sender can use it.

use super::view::{Column, Entry};
use crate::codec_struct;
use crate::primitives::{AccountId, RequestId, TransactionId};

/// The transaction that used a request id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Which transaction.
    pub transaction_id: TransactionId,
    /// In which block.
    pub height: u64,
    /// At which place in it.
    pub index: u32,
}
codec_struct!(Request { transaction_id, height, index });

impl Entry for Request {
    const COLUMN: Column = Column::Requests;
    type Key = (AccountId, RequestId);
}
