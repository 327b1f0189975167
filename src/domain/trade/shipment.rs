//! Recording what happens to the goods of an order, and declaring a record wrong.
//!
//! A party to the order appoints its carriers and warehouses; each records at read points of its own, and under its own name, so
//! that none takes another's event from it. That keeps strangers from contradicting an event before it arrives. Whether an event is true only its carrier knows, and signs for; whoever
//! relies on one looks at whose it is.
//!
//! Neither party keeps the other's carriers out: each has half of the carriers' places, each carrier has room for events of its own,
//! and an event is contradicted by those only that whoever appointed its carrier answers for.
//!
//! # Deliberately absent
//! Taking an event back otherwise than by declaring it wrong, and declaring another's wrong. An event stands when its
//! carrier's account is closed; then nobody corrects it.

use super::order::{Appointment, order};
use super::read_point::read_point_of;
use super::shipment_event::{
    BusinessStep, ErrorGround, EventAction, EventError, EventKind, ShipmentEvent, record_by_another, recorded_events,
};
use crate::ledger::context::{open_account, require_role};
use crate::ledger::limits::{EVENT_AHEAD_MS_MAX, EVENTS_PER_CARRIER_MAX};
use crate::ledger::malformed::{Malformed, require};
use crate::ledger::{Account, Changes, Context, Effect, Reason, Role};
use crate::primitives::{AccountId, BlockTime, Hash, ObjectId};

/// Appoints a carrier or a warehouse for an order. The sender is one of the order's parties.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppointCarrier {
    /// The order.
    pub order: ObjectId,
    /// Who will record.
    pub carrier: AccountId,
}

impl AppointCarrier {
    /// Holds the operation to its static bounds, of which there are none beyond its types.
    ///
    /// # Errors
    /// None.
    pub fn check(&self) -> Result<(), Malformed> {
        Ok(())
    }

    /// Plans the appointment. Appointing again changes nothing.
    ///
    /// # Errors
    /// `UNKNOWN_ORDER`, `NOT_A_PARTY_TO_THE_ORDER`, those of [`Context::signed_by`], `UNKNOWN_ACCOUNT`, `ACCOUNT_CLOSED`,
    /// `ROLE_REQUIRED`, `CARRIER_IS_A_PARTY`, `ORDER_NOT_OPEN`, `TOO_MANY_CARRIERS`.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        let (id, carrier) = (self.order, self.carrier);
        let mut found = order(changes, id)?;
        let party = found.party(id, context, changes)?;
        let account = open_account(changes, carrier)?;
        require_role(carrier, &account, Role::Carrier)?;
        // What a party records of its own delivery is its word, and no evidence of it.
        for party in [found.buyer, found.supplier] {
            let entity = changes.read::<Account>(&party).map(|of| of.legal_entity_id).unwrap_or_default();
            if party == carrier || (!entity.is_empty() && entity == account.legal_entity_id) {
                return Err(Reason::CarrierIsAParty { order: id, carrier });
            }
        }
        found.require_agreed(id)?;
        found.appoint(id, Appointment { carrier, by: party })?;
        changes.put(&id, &found);
        changes.record(
            Effect::new("trade.carrier_appointed").with("order", id).with("party", party).with("carrier", carrier),
        );
        Ok(())
    }
}

/// Records an event of an order's shipment. The sender is a carrier appointed for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordShipmentEvent {
    /// The order, which the event names as its business transaction.
    pub order: ObjectId,
    /// The event's canonical hash.
    pub event_hash: Hash,
    /// The salted commitment to the document that it stands in.
    pub document_commitment: Hash,
    /// Its kind.
    pub kind: EventKind,
    /// What it does.
    pub action: EventAction,
    /// The business step.
    pub step: BusinessStep,
    /// When it happened.
    pub event_time: BlockTime,
    /// Minutes east of UTC there, plus 720.
    pub utc_offset_minutes_plus_720: u16,
    /// Where it was read.
    pub read_point: Hash,
    /// The hash of what it is about.
    pub objects_hash: Hash,
}

impl RecordShipmentEvent {
    /// Holds the operation to its static bounds.
    ///
    /// # Errors
    /// The first field that is out of bounds.
    pub fn check(&self) -> Result<(), Malformed> {
        let offset = self.utc_offset_minutes_plus_720 <= 720 + 14 * 60;
        require(offset, "utc_offset_minutes", "it must be -720 to 840")
    }

    /// Plans the record.
    ///
    /// # Errors
    /// Those of [`Context::signed_in_role`], `UNKNOWN_ORDER`, `CARRIER_NOT_APPOINTED`, `ORDER_NOT_OPEN`,
    /// `UNKNOWN_READ_POINT`, `READ_POINT_RETIRED`, `EVENT_FROM_THE_FUTURE`, `EVENT_BEFORE_ORDER`, `EVENT_ALREADY_RECORDED`,
    /// `TOO_MANY_EVENTS`, `EVENT_CONTRADICTED`.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        let (id, carrier, event_hash) = (self.order, context.sender, self.event_hash);
        context.signed_in_role(changes, carrier, Role::Carrier)?;
        let found = order(changes, id)?;
        found.require_appointed(id, carrier)?;
        found.require_agreed(id)?;
        let read_point = read_point_of(changes, carrier, self.read_point)?;
        if let Some(retired_at) = read_point.retired_at.filter(|retired_at| *retired_at <= self.event_time) {
            return Err(Reason::ReadPointRetired { read_point: self.read_point, retired_at });
        }
        require_past(self.event_time, context.now)?;
        let (event_time, placed_at) = (self.event_time, found.placed_at);
        if event_time < placed_at {
            return Err(Reason::EventBeforeOrder { event_time, placed_at });
        }
        if changes.has::<ShipmentEvent>(&(id, (event_hash, carrier))) {
            return Err(Reason::EventAlreadyRecorded { order: id, event_hash });
        }
        let event = self.event(carrier, context.now);
        let others = recorded_events(changes, id);
        if others.iter().filter(|other| other.carrier == carrier).count() >= EVENTS_PER_CARRIER_MAX {
            return Err(Reason::TooManyEvents { order: id, events_max: EVENTS_PER_CARRIER_MAX as u64 });
        }
        let in_the_way = |other: &&ShipmentEvent| other.counts() && found.stands_in_the_way(carrier, other.carrier);
        for other in others.iter().filter(in_the_way) {
            if let Some(rule) = event.contradicts(other) {
                return Err(Reason::EventContradicted { event_hash: other.event_hash, rule });
            }
        }
        event.keep(id, changes);
        self.report(&event, (found.buyer, found.supplier), changes);
        Ok(())
    }

    fn event(&self, carrier: AccountId, recorded_at: BlockTime) -> ShipmentEvent {
        ShipmentEvent {
            event_hash: self.event_hash,
            carrier,
            document_commitment: self.document_commitment,
            kind: self.kind,
            action: self.action,
            step: self.step,
            event_time: self.event_time,
            utc_offset_minutes_plus_720: self.utc_offset_minutes_plus_720,
            read_point: self.read_point,
            objects_hash: self.objects_hash,
            recorded_at,
            error: None,
            serves: None,
        }
    }

    fn report(&self, event: &ShipmentEvent, (buyer, supplier): (AccountId, AccountId), changes: &mut Changes<'_>) {
        changes.record(
            Effect::new("trade.shipment_event_recorded")
                .with("order", self.order)
                .with("buyer", buyer)
                .with("supplier", supplier)
                .with("carrier", event.carrier)
                .with("event_hash", event.event_hash)
                .with("document_commitment", event.document_commitment)
                .with("kind", event.kind.name())
                .with("action", event.action.name())
                .with("step", event.step.name())
                .with("event_time", event.event_time)
                .with("read_point", event.read_point)
                .with("objects_hash", event.objects_hash),
        );
    }
}

/// Declares an event wrong. The sender is the carrier that recorded it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeclareEventError {
    /// The order.
    pub order: ObjectId,
    /// The event.
    pub event_hash: Hash,
    /// Why it is wrong.
    pub ground: ErrorGround,
    /// When it was found to be.
    pub declared_at: BlockTime,
    /// The event that says it right, if there is one.
    pub corrective_event: Option<Hash>,
}

impl DeclareEventError {
    /// Holds the operation to its static bounds.
    ///
    /// # Errors
    /// The first field that is out of bounds.
    pub fn check(&self) -> Result<(), Malformed> {
        let other = self.corrective_event != Some(self.event_hash);
        require(other, "corrective_event_hash", "it must be another event's")
    }

    /// Plans the declaration: the event no longer counts.
    ///
    /// # Errors
    /// Those of [`Context::signed_in_role`], `UNKNOWN_ORDER`, `CARRIER_NOT_APPOINTED`, `UNKNOWN_EVENT`, `NOT_THE_CARRIER`,
    /// `EVENT_DECLARED_WRONG`, `EVENT_FROM_THE_FUTURE`.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        let (id, carrier, event_hash) = (self.order, context.sender, self.event_hash);
        context.signed_in_role(changes, carrier, Role::Carrier)?;
        let found = order(changes, id)?;
        found.require_appointed(id, carrier)?;
        let own: Option<ShipmentEvent> = changes.read(&(id, (event_hash, carrier)));
        let mut event = own.ok_or_else(|| match record_by_another(changes, id, event_hash) {
            Some(_) => Reason::NotTheCarrier { event_hash },
            None => Reason::UnknownEvent { order: id, event_hash },
        })?;
        if !event.counts() {
            return Err(Reason::EventDeclaredWrong { event_hash });
        }
        require_past(self.declared_at, context.now)?;
        let Self { ground, declared_at, corrective_event, .. } = *self;
        event.error = Some(EventError { ground, declared_at, corrective_event });
        event.keep(id, changes);
        let mut declared = Effect::new("trade.event_error_declared")
            .with("order", id)
            .with("buyer", found.buyer)
            .with("supplier", found.supplier)
            .with("carrier", carrier)
            .with("event_hash", event_hash)
            .with("step", event.step.name())
            .with("ground", ground.name())
            .with("declared_at", declared_at);
        if let Some(corrective_event) = corrective_event {
            declared = declared.with("corrective_event", corrective_event);
        }
        changes.record(declared);
        Ok(())
    }
}

/// Whether something lies in the past, by a clock that may be a little ahead of the ledger's.
fn require_past(event_time: BlockTime, now: BlockTime) -> Result<(), Reason> {
    match event_time.ms_since(now) > EVENT_AHEAD_MS_MAX {
        true => Err(Reason::EventFromTheFuture { event_time, now }),
        false => Ok(()),
    }
}
