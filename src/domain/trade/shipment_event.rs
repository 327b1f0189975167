//! Events of shipments: what happened to the goods of an order, by EPCIS 2.0 and the words of CBV 2.0.
//!
//! The event stays with its parties. Here are its canonical hash (CBV 2.0, section 8.9), a hash of what it is about, and the
//! facts that rules read.
//!
//! # Whose an event is
//! A carrier records an event of an order once, and what another carrier recorded under the same hash is that one's own record: a
//! hash is of content alone, and whoever sees it could otherwise take it first and shut the rightful carrier out for good. So the
//! facts that a record states count for its carrier only. Two records of one hash tell of one event: they contradict each other
//! in nothing, and are evidence of one invoice together.
//!
//! # Which events contradict each other
//! Events arrive in any order, hours or days late; what counts is when they happened. Two events of one order that are about
//! the same objects contradict each other if one of these holds, and the one that comes second is declined, unless its carrier was
//! appointed by a party that did not appoint the other's: neither party voids what the other's carriers saw.
//!
//! Events of one hash do not: they are the same, at read points that each carrier has salted for itself.
//!
//! | rule | what |
//! |---|---|
//! | `one_place_at_a_time` | they happened at the same moment, at different read points |
//! | `step_happens_once` | they are the same step and action, of a step that happens once, at another time |
//! | `steps_have_an_order` | the step of the earlier stage happened later |
//!
//! | step | stage | once |
//! |---|---|---|
//! | `commissioning` | 1 | yes |
//! | `picking` | 2 | |
//! | `packing` | 2 | yes |
//! | `shipping` | 3 | yes |
//! | `staging_outbound`, `loading`, `departing`, `transporting`, `arriving`, `unloading` | 3 | |
//! | `receiving` | 4 | yes |
//! | `accepting` | 5 | yes |
//! | `storing`, `inspecting`, `unpacking` | none: at any time | |
//!
//! Legs of a journey repeat what stands in stage 3, so within a stage there is no order. An event that its carrier has
//! declared wrong contradicts nothing.
//!
//! # As evidence
//! A lender that asks for a step finances an invoice on an event, and the goods that it tells of are that invoice's from then on, its
//! parts' included: the goods of one shipment are delivered once, whatever is invoiced under the order. So for every other
//! invoice of the order these events are spent:
//! * the event itself, whoever recorded it;
//! * every event about the same objects, of whatever step, action and time. An action gives no goods back: `DELETE` says that the
//!   objects' lives ended, or that they left a pallet, and neither delivers them once more;
//! * those declared wrong: a declaration of error (EPCIS 2.0, section 7.4.1.4) leaves the event's content as it was, and takes the money
//!   of no loan back. What says the event right tells of its goods too, recorded before it or after: that is spent with it,
//!   and so is what is about the objects of that, though it may state others.
//!
//! Whoever takes the hash of another carrier's event, or names it as what says an own one right, spends nothing of that one's by
//! it: such a word counts for its own carrier's records, unless the record is the very one that a lender relied on.
//!
//! # Deliberately absent
//! The objects: the ledger cannot see that two events are about things that overlap, only that they are about the same.
//! A judge between carriers: those of buyer and supplier can tell of the same objects what cannot both be true. Both records stand, each
//! under its carrier's name, and whoever relies on one looks at whose it is.

use crate::ledger::limits::EVENTS_PER_ORDER_MAX;
use crate::ledger::{Changes, Column, Entry, View};
use crate::primitives::{AccountId, BlockTime, Decode as _, Encode as _, Hash, ObjectId};
use crate::{codec_struct, codec_tag};
use std::collections::{BTreeMap, BTreeSet};

/// What kind of event, by EPCIS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// Something happened to things.
    Object,
    /// Things went into a parent, such as a pallet, or out of it.
    Aggregation,
    /// Things came to belong to a business transaction, or ceased to.
    Transaction,
}
codec_tag!(EventKind { Object = 1, Aggregation = 2, Transaction = 3 });

impl EventKind {
    /// The name in effects.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Aggregation => "aggregation",
            Self::Transaction => "transaction",
        }
    }
}

/// What an event does to what it is about, by EPCIS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventAction {
    /// It begins: to exist, to be inside, to belong.
    Add,
    /// It was seen as it is.
    Observe,
    /// It ends.
    Delete,
}
codec_tag!(EventAction { Add = 1, Observe = 2, Delete = 3 });

impl EventAction {
    /// The name in effects.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Observe => "observe",
            Self::Delete => "delete",
        }
    }
}

macro_rules! steps {
    ($($variant:ident = $tag:literal $name:literal $stage:expr, $once:literal;)*) => {
        /// The business step, by CBV 2.0.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum BusinessStep {
            $(#[doc = concat!("`", $name, "`.")] $variant,)*
        }
        codec_tag!(BusinessStep { $($variant = $tag),* });

        impl BusinessStep {
            /// Its name in CBV 2.0.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The stage of a shipment that it belongs to, if to one.
            const fn stage(self) -> Option<u8> {
                match self { $(Self::$variant => $stage,)* }
            }

            /// Whether it happens once to the same objects.
            const fn happens_once(self) -> bool {
                match self { $(Self::$variant => $once,)* }
            }
        }
    };
}
steps! {
    Commissioning = 1 "commissioning" Some(1), true;
    Picking = 2 "picking" Some(2), false;
    Packing = 3 "packing" Some(2), true;
    StagingOutbound = 4 "staging_outbound" Some(3), false;
    Loading = 5 "loading" Some(3), false;
    Shipping = 6 "shipping" Some(3), true;
    Departing = 7 "departing" Some(3), false;
    Transporting = 8 "transporting" Some(3), false;
    Arriving = 9 "arriving" Some(3), false;
    Unloading = 10 "unloading" Some(3), false;
    Receiving = 11 "receiving" Some(4), true;
    Accepting = 12 "accepting" Some(5), true;
    Storing = 13 "storing" None, false;
    Inspecting = 14 "inspecting" None, false;
    Unpacking = 15 "unpacking" None, false;
}

/// Why an event is declared wrong, by CBV 2.0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorGround {
    /// `did_not_occur`.
    DidNotOccur,
    /// `incorrect_data`.
    IncorrectData,
}
codec_tag!(ErrorGround { DidNotOccur = 1, IncorrectData = 2 });

impl ErrorGround {
    /// Its name in CBV 2.0.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DidNotOccur => "did_not_occur",
            Self::IncorrectData => "incorrect_data",
        }
    }
}

/// That its carrier has declared an event wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventError {
    /// Why.
    pub ground: ErrorGround,
    /// When the carrier declared it, by its own clock.
    pub declared_at: BlockTime,
    /// The event that says it right, if there is one: recorded before, after, or never.
    pub corrective_event: Option<Hash>,
}
codec_struct!(EventError { ground, declared_at, corrective_event });

/// An event of a shipment, as state holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShipmentEvent {
    /// Its canonical hash.
    pub event_hash: Hash,
    /// Who recorded it.
    pub carrier: AccountId,
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
    /// Minutes east of UTC there, plus 720 so that it is never negative: 1200 is UTC+8.
    pub utc_offset_minutes_plus_720: u16,
    /// Where it was read: the salted commitment to the reader's id.
    pub read_point: Hash,
    /// The hash of what it is about.
    pub objects_hash: Hash,
    /// When it was recorded.
    pub recorded_at: BlockTime,
    /// That it was declared wrong, if it was.
    pub error: Option<EventError>,
    /// The invoice that was financed on it. What it tells of is evidence of that one, and of its parts.
    pub serves: Option<ObjectId>,
}
codec_struct!(ShipmentEvent {
    event_hash,
    carrier,
    document_commitment,
    kind,
    action,
    step,
    event_time,
    utc_offset_minutes_plus_720,
    read_point,
    objects_hash,
    recorded_at,
    error,
    serves,
});

impl Entry for ShipmentEvent {
    const COLUMN: Column = Column::ShipmentEvents;
    /// The order, and of its events the hash and who recorded it.
    type Key = (ObjectId, (Hash, AccountId));
}

impl ShipmentEvent {
    /// Whether it counts: it was not declared wrong.
    pub fn counts(&self) -> bool {
        self.error.is_none()
    }

    /// Makes it the evidence of an invoice, and of no other.
    pub fn serve(mut self, order: ObjectId, invoice: ObjectId, changes: &mut Changes<'_>) {
        if self.serves.is_none() {
            self.serves = Some(invoice);
            self.keep(order, changes);
        }
    }

    /// Writes it.
    pub(super) fn keep(&self, order: ObjectId, changes: &mut Changes<'_>) {
        changes.put(&(order, (self.event_hash, self.carrier)), self);
    }

    /// The rule by which the two cannot both be true, if there is one.
    pub(super) fn contradicts(&self, other: &Self) -> Option<&'static str> {
        if self.objects_hash != other.objects_hash || self.event_hash == other.event_hash {
            return None;
        }
        let (same_time, same_place) = (self.event_time == other.event_time, self.read_point == other.read_point);
        if same_time && !same_place {
            return Some("one_place_at_a_time");
        }
        let same_step = self.step == other.step && self.action == other.action;
        if same_step && self.step.happens_once() && !same_time {
            return Some("step_happens_once");
        }
        let stages = self.step.stage().zip(other.step.stage());
        let out_of_order = stages.is_some_and(|(own, others)| match own.cmp(&others) {
            std::cmp::Ordering::Less => self.event_time > other.event_time,
            std::cmp::Ordering::Equal => false,
            std::cmp::Ordering::Greater => self.event_time < other.event_time,
        });
        out_of_order.then_some("steps_have_an_order")
    }
}

/// Every event recorded of an order, those declared wrong among them, in the order of their hashes.
pub fn recorded_events(view: &dyn View, order: ObjectId) -> Vec<ShipmentEvent> {
    let prefix = order.to_bytes();
    let entries = view.scan(ShipmentEvent::COLUMN, &prefix, EVENTS_PER_ORDER_MAX);
    let of_order = entries.into_iter().take_while(|(key, _)| key.starts_with(&prefix));
    of_order
        .filter_map(|(key, value)| match ShipmentEvent::from_bytes(&value) {
            Ok(event) => Some(event),
            Err(_) => {
                view.note_corruption(ShipmentEvent::COLUMN, &key);
                None
            }
        })
        .collect()
}

/// A record of an event by whoever made it, if anybody did.
pub(super) fn record_by_another(view: &dyn View, order: ObjectId, event_hash: Hash) -> Option<ShipmentEvent> {
    let prefix = (order, event_hash).to_bytes();
    let (key, value) = view.scan(ShipmentEvent::COLUMN, &prefix, 1).into_iter().next()?;
    if !key.starts_with(&prefix) {
        return None;
    }
    let read = ShipmentEvent::from_bytes(&value);
    read.map_err(|_| view.note_corruption(ShipmentEvent::COLUMN, &key)).ok()
}

/// The last event of a step on an order that an invoice can be financed on: that counts, and is not spent on another invoice. The
/// flag is whether one counts that is.
pub fn evidence(
    view: &dyn View,
    order: ObjectId,
    step: BusinessStep,
    invoice: ObjectId,
) -> (Option<ShipmentEvent>, bool) {
    let events = recorded_events(view, order);
    let spent = spent_on_others(&events, invoice);
    let of_step = in_their_order(events).into_iter().filter(|event| event.step == step);
    let (others, free): (Vec<_>, Vec<_>) =
        of_step.partition(|event| spent.contains(&(event.event_hash, event.carrier)));
    (free.into_iter().next_back(), !others.is_empty())
}

/// Those of an order's events, by their keys, that tell of goods on which another invoice was financed.
fn spent_on_others(events: &[ShipmentEvent], invoice: ObjectId) -> BTreeSet<(Hash, AccountId)> {
    let relied_on = |event: &ShipmentEvent| event.serves.is_some_and(|of| of != invoice);
    let mut by_objects: BTreeMap<Hash, Vec<&ShipmentEvent>> = BTreeMap::new();
    let mut by_hash: BTreeMap<Hash, Vec<&ShipmentEvent>> = BTreeMap::new();
    for event in events {
        by_objects.entry(event.objects_hash).or_default().push(event);
        by_hash.entry(event.event_hash).or_default().push(event);
    }
    let mut spent = BTreeSet::new();
    let mut found: Vec<&ShipmentEvent> = events.iter().filter(|event| relied_on(event)).collect();
    while let Some(event) = found.pop() {
        if !spent.insert((event.event_hash, event.carrier)) {
            continue;
        }
        // Each list of objects is taken up once, and one of a hash is as long as an order has carriers: so few steps for each event.
        found.extend(by_objects.remove(&event.objects_hash).into_iter().flatten());
        let corrective = event.error.and_then(|error| error.corrective_event);
        let named = [Some(event.event_hash), corrective].into_iter().flatten().filter_map(|hash| by_hash.get(&hash));
        let bound = named.flatten().filter(|other| other.carrier == event.carrier || relied_on(event));
        found.extend(bound.copied());
    }
    spent
}

/// The events of an order that count, in the order in which they happened.
pub fn events_of_order(view: &dyn View, order: ObjectId) -> Vec<ShipmentEvent> {
    in_their_order(recorded_events(view, order))
}

fn in_their_order(mut events: Vec<ShipmentEvent>) -> Vec<ShipmentEvent> {
    events.retain(ShipmentEvent::counts);
    events.sort_by_key(|event| (event.event_time, event.event_hash, event.carrier));
    events
}
