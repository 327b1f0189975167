//! Read points: where a carrier reads, by a commitment to the reader's id.
//!
//! A read point is a carrier's own: two carriers may register the same commitment, and neither is in the other's way. Once
//! retired it stays so. What it read before its retirement may still arrive; what was read since does not count.

use crate::codec_struct;
use crate::ledger::{Changes, Column, Context, Effect, Entry, Malformed, Reason, Role};
use crate::primitives::{AccountId, BlockTime, Hash};

/// A read point as state holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadPoint {
    /// When it was registered.
    pub registered_at: BlockTime,
    /// Since when it is out of use.
    pub retired_at: Option<BlockTime>,
}
codec_struct!(ReadPoint { registered_at, retired_at });

impl Entry for ReadPoint {
    const COLUMN: Column = Column::ReadPoints;
    /// The carrier, and the salted commitment to the reader's id.
    type Key = (AccountId, Hash);
}

/// The carrier's read point.
///
/// # Errors
/// `UNKNOWN_READ_POINT`.
pub(super) fn read_point_of(changes: &Changes<'_>, carrier: AccountId, read_point: Hash) -> Result<ReadPoint, Reason> {
    changes.read(&(carrier, read_point)).ok_or(Reason::UnknownReadPoint { read_point })
}

/// Registers a place at which the sender reads. The sender is a carrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegisterReadPoint {
    /// The salted commitment to the reader's id.
    pub read_point: Hash,
}

impl RegisterReadPoint {
    /// Holds the operation to its static bounds, of which there are none beyond its types.
    ///
    /// # Errors
    /// None.
    pub fn check(&self) -> Result<(), Malformed> {
        Ok(())
    }

    /// Plans the registration.
    ///
    /// # Errors
    /// Those of [`Context::signed_in_role`], `READ_POINT_EXISTS`.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        let (carrier, read_point) = (context.sender, self.read_point);
        context.signed_in_role(changes, carrier, Role::Carrier)?;
        if changes.has::<ReadPoint>(&(carrier, read_point)) {
            return Err(Reason::ReadPointExists { read_point });
        }
        changes.put(&(carrier, read_point), &ReadPoint { registered_at: context.now, retired_at: None });
        changes
            .record(Effect::new("trade.read_point_registered").with("carrier", carrier).with("read_point", read_point));
        Ok(())
    }
}

/// Takes a read point out of use. The sender is its carrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetireReadPoint {
    /// The salted commitment to the reader's id.
    pub read_point: Hash,
}

impl RetireReadPoint {
    /// Holds the operation to its static bounds, of which there are none beyond its types.
    ///
    /// # Errors
    /// None.
    pub fn check(&self) -> Result<(), Malformed> {
        Ok(())
    }

    /// Plans the retirement.
    ///
    /// # Errors
    /// Those of [`Context::signed_in_role`], `UNKNOWN_READ_POINT`, `READ_POINT_RETIRED`.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        let (carrier, read_point) = (context.sender, self.read_point);
        context.signed_in_role(changes, carrier, Role::Carrier)?;
        let mut found = read_point_of(changes, carrier, read_point)?;
        if let Some(retired_at) = found.retired_at {
            return Err(Reason::ReadPointRetired { read_point, retired_at });
        }
        found.retired_at = Some(context.now);
        changes.put(&(carrier, read_point), &found);
        changes.record(Effect::new("trade.read_point_retired").with("carrier", carrier).with("read_point", read_point));
        Ok(())
    }
}
