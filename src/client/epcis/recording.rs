//! From an event's document to the operations that record it, and declare it wrong.

use super::{EpcisDocument, EventId, ShipmentEvent, digest_of};
use crate::domain::trade::{BusinessStep, DeclareEventError, ErrorGround, RecordShipmentEvent};
use crate::primitives::{BlockTime, Hash, ObjectId};
use thiserror::Error;

/// Why an event cannot be recorded, or declared wrong.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RecordingError {
    /// It is no event, but word that an earlier one is wrong.
    #[error("the event declares the one with its hash wrong: that is recorded by declaring the error, not as an event")]
    ErrorDeclaration,
    /// No business step, or one that a shipment does not have.
    #[error("bizStep is {found}: it must be one of {}", steps())]
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
    /// An event that declares nothing wrong.
    #[error("errorDeclaration is missing: the event declares nothing wrong, and is recorded as an event")]
    NoErrorDeclaration,
    /// No reason, or one of somebody's own.
    #[error("errorDeclaration.reason is {found}: it must be one of {}", grounds())]
    Ground {
        /// What the event says.
        found: String,
    },
    /// More corrections than the ledger keeps.
    #[error("errorDeclaration.correctiveEventIDs has {count} events: the ledger keeps one; name it yourself")]
    Corrections {
        /// How many.
        count: usize,
    },
    /// A correction by an id that is no hash, of an event that is not in the document.
    #[error(
        "errorDeclaration.correctiveEventIDs names {id}, which is no hash and no event of this document: name the event \
         by its hash"
    )]
    UnknownCorrection {
        /// The id.
        id: String,
    },
}

fn steps() -> String {
    BusinessStep::ALL.iter().map(|step| step.name()).collect::<Vec<_>>().join(", ")
}

fn grounds() -> String {
    ErrorGround::ALL.iter().map(|ground| ground.name()).collect::<Vec<_>>().join(", ")
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

impl EpcisDocument {
    /// The operation by which the document's event declares the one with its hash wrong. The event that says it right is
    /// `corrective`, or else the one that the declaration names: by its hash, or by its id in this document.
    ///
    /// # Errors
    /// The event declares nothing wrong, or not as the ledger keeps it.
    pub fn declaring_error(
        &self,
        event: &ShipmentEvent,
        order: ObjectId,
        corrective: Option<Hash>,
    ) -> Result<DeclareEventError, RecordingError> {
        let error = event.error.as_ref().ok_or(RecordingError::NoErrorDeclaration)?;
        let said = error.reason.as_deref().unwrap_or("missing");
        let ground = ErrorGround::ALL.iter().find(|ground| ground.name() == said).copied();
        let corrective_event = match (corrective, error.corrective_event_ids.as_slice()) {
            (Some(hash), _) => Some(hash),
            (None, []) => None,
            (None, [id]) => Some(self.hash_of(id).ok_or_else(|| RecordingError::UnknownCorrection { id: id.clone() })?),
            (None, ids) => return Err(RecordingError::Corrections { count: ids.len() }),
        };
        Ok(DeclareEventError {
            order,
            event_hash: event.event_hash,
            ground: ground.ok_or_else(|| RecordingError::Ground { found: said.to_owned() })?,
            declared_at: BlockTime(error.declared_at_ms),
            corrective_event,
        })
    }

    /// The hash of an event by its id: one that is a hash, or that of an event here.
    fn hash_of(&self, id: &str) -> Option<Hash> {
        let is_it = |event: &&ShipmentEvent| match &event.id {
            EventId::Opaque(own) | EventId::Hash(own) | EventId::DraftHash(own) => own == id,
            EventId::Absent => false,
        };
        let here = self.events.iter().find(is_it).map(|event| event.event_hash);
        here.or_else(|| digest_of(id)?.parse().ok())
    }
}
