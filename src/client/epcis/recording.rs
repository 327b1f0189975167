//! From an event's document to the operation that records it.

use super::ShipmentEvent;
use crate::domain::trade::{BusinessStep, RecordShipmentEvent};
use crate::primitives::{BlockTime, Hash, ObjectId};
use thiserror::Error;

/// Why an event cannot be recorded.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RecordingError {
    /// It is no event, but word that an earlier one is wrong.
    #[error("the event declares the one with its hash wrong: that is recorded by declaring the error, not as an event")]
    ErrorDeclaration,
    /// No business step, or one that a shipment does not have.
    #[error("bizStep is {found}: it must be one of {}", names())]
    Step {
        /// What the event says.
        found: String,
    },
    /// Nowhere.
    #[error("readPoint is missing: a carrier records what it read at a place that it registered")]
    ReadPoint,
    /// A time zone that there is not.
    #[error("eventTimeZoneOffset is {minutes} minutes from UTC: it must be within 12 hours behind and 14 hours ahead")]
    Offset {
        /// The offset.
        minutes: i16,
    },
}

fn names() -> String {
    BusinessStep::ALL.iter().map(|step| step.name()).collect::<Vec<_>>().join(", ")
}

impl ShipmentEvent {
    /// The operation that records the event for an order. The commitment is to the document that it stands in; the salt is the
    /// one under which its carrier registered the read point.
    ///
    /// # Errors
    /// The event lacks what the ledger keeps.
    pub fn recording(
        &self,
        order: ObjectId,
        document_commitment: Hash,
        read_point_salt: &[u8; 32],
    ) -> Result<RecordShipmentEvent, RecordingError> {
        if self.error.is_some() {
            return Err(RecordingError::ErrorDeclaration);
        }
        let said = self.step.as_deref().unwrap_or("missing");
        let step = BusinessStep::ALL.iter().find(|step| step.name() == said).copied();
        let minutes = self.utc_offset_minutes;
        let utc_offset = u16::try_from(minutes + 720).ok().filter(|_| (-720..=840).contains(&minutes));
        Ok(RecordShipmentEvent {
            order,
            event_hash: self.event_hash,
            document_commitment,
            kind: self.kind,
            action: self.action,
            step: step.ok_or_else(|| RecordingError::Step { found: said.to_owned() })?,
            event_time: BlockTime(self.event_time_ms),
            utc_offset_minutes_plus_720: utc_offset.ok_or(RecordingError::Offset { minutes })?,
            read_point: self.read_point_commitment(read_point_salt).ok_or(RecordingError::ReadPoint)?,
            objects_hash: self.objects_hash(),
        })
    }
}
