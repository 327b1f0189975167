//! Operations on events of shipments.

use crate::domain::trade::{
    AppointCarrier, BusinessStep, DeclareEventError, ErrorGround, EventAction, EventKind, RecordShipmentEvent,
    RegisterReadPoint, RetireReadPoint,
};
use crate::ledger::malformed::{Malformed, require};
use crate::wire::fields::{account_id, hash, object_id, optional, time};
use crate::wire::pb::trade as pb;

pub(super) fn appoint_carrier(message: pb::AppointCarrier) -> Result<AppointCarrier, Malformed> {
    Ok(AppointCarrier {
        order: object_id("order_id", &message.order_id)?,
        carrier: account_id("carrier_account_id", &message.carrier_account_id)?,
    })
}

pub(super) fn register_read_point(message: pb::RegisterReadPoint) -> Result<RegisterReadPoint, Malformed> {
    Ok(RegisterReadPoint { read_point: hash("read_point_commitment", &message.read_point_commitment)? })
}

pub(super) fn retire_read_point(message: pb::RetireReadPoint) -> Result<RetireReadPoint, Malformed> {
    Ok(RetireReadPoint { read_point: hash("read_point_commitment", &message.read_point_commitment)? })
}

pub(super) fn record_shipment_event(message: pb::RecordShipmentEvent) -> Result<RecordShipmentEvent, Malformed> {
    let offset = message.utc_offset_minutes;
    require((-720..=840).contains(&offset), "utc_offset_minutes", "it must be -720 to 840 minutes east of UTC")?;
    let operation = RecordShipmentEvent {
        order: object_id("order_id", &message.order_id)?,
        event_hash: hash("event_hash", &message.event_hash)?,
        document_commitment: hash("document_commitment", &message.document_commitment)?,
        kind: kind(message.kind).ok_or_else(|| Malformed::new("kind", "it is not a kind of event"))?,
        action: action(message.action).ok_or_else(|| Malformed::new("action", "it is not an action"))?,
        step: step(message.step).ok_or_else(|| Malformed::new("step", "it is not a business step"))?,
        event_time: time("event_time_ms", message.event_time_ms)?,
        // The bounds above keep the sum within 0 to 1560.
        utc_offset_minutes_plus_720: (offset + 720) as u16,
        read_point: hash("read_point_commitment", &message.read_point_commitment)?,
        objects_hash: hash("objects_hash", &message.objects_hash)?,
    };
    operation.check()?;
    Ok(operation)
}

pub(super) fn declare_event_error(message: pb::DeclareEventError) -> Result<DeclareEventError, Malformed> {
    let operation = DeclareEventError {
        order: object_id("order_id", &message.order_id)?,
        event_hash: hash("event_hash", &message.event_hash)?,
        ground: ground(message.ground).ok_or_else(|| Malformed::new("ground", "it is not a ground"))?,
        declared_at: time("declared_at_ms", message.declared_at_ms)?,
        corrective_event: optional(&message.corrective_event_hash, |bytes| hash("corrective_event_hash", bytes))?,
    };
    operation.check()?;
    Ok(operation)
}

fn kind(number: i32) -> Option<EventKind> {
    Some(match pb::EventKind::try_from(number).ok()? {
        pb::EventKind::Unspecified => return None,
        pb::EventKind::Object => EventKind::Object,
        pb::EventKind::Aggregation => EventKind::Aggregation,
        pb::EventKind::Transaction => EventKind::Transaction,
    })
}

fn action(number: i32) -> Option<EventAction> {
    Some(match pb::EventAction::try_from(number).ok()? {
        pb::EventAction::Unspecified => return None,
        pb::EventAction::Add => EventAction::Add,
        pb::EventAction::Observe => EventAction::Observe,
        pb::EventAction::Delete => EventAction::Delete,
    })
}

pub(super) fn step(number: i32) -> Option<BusinessStep> {
    Some(match pb::BusinessStep::try_from(number).ok()? {
        pb::BusinessStep::Unspecified => return None,
        pb::BusinessStep::Commissioning => BusinessStep::Commissioning,
        pb::BusinessStep::Picking => BusinessStep::Picking,
        pb::BusinessStep::Packing => BusinessStep::Packing,
        pb::BusinessStep::StagingOutbound => BusinessStep::StagingOutbound,
        pb::BusinessStep::Loading => BusinessStep::Loading,
        pb::BusinessStep::Shipping => BusinessStep::Shipping,
        pb::BusinessStep::Departing => BusinessStep::Departing,
        pb::BusinessStep::Transporting => BusinessStep::Transporting,
        pb::BusinessStep::Arriving => BusinessStep::Arriving,
        pb::BusinessStep::Unloading => BusinessStep::Unloading,
        pb::BusinessStep::Receiving => BusinessStep::Receiving,
        pb::BusinessStep::Accepting => BusinessStep::Accepting,
        pb::BusinessStep::Storing => BusinessStep::Storing,
        pb::BusinessStep::Inspecting => BusinessStep::Inspecting,
        pb::BusinessStep::Unpacking => BusinessStep::Unpacking,
    })
}

fn ground(number: i32) -> Option<ErrorGround> {
    Some(match pb::ErrorGround::try_from(number).ok()? {
        pb::ErrorGround::Unspecified => return None,
        pb::ErrorGround::DidNotOccur => ErrorGround::DidNotOccur,
        pb::ErrorGround::IncorrectData => ErrorGround::IncorrectData,
    })
}
