//! EPCIS at the edge: reads logistics events, EPCIS 2.0 in JSON, into the facts that shipments are recorded by.
//!
//! An event says what happened to which things, when, where and in which step of business, and names the order that it
//! belongs to by a business transaction. The event itself stays with its parties; what leaves here is its canonical hash
//! (CBV 2.0, section 8.9), which whoever holds the event computes alike however it is written, the hash of what it is about,
//! and the facts that rules read.
//!
//! # What is read
//! An `EPCISDocument` or one bare event: `ObjectEvent`, `AggregationEvent`, `TransactionEvent`. `docs/trade-documents.md`
//! says from which field what is taken, and works a hash out by hand.
//!
//! # Invariants
//! * One event, one hash: words written bare, as URNs or as web URIs, identifiers as EPC URNs or as Digital Links, times in
//!   any offset and lists in any order give the same.
//! * Never a wrong hash: what programs hash differently, or the standard leaves open, is refused and named.
//! * An event id that is a hash is the event's, or the file is refused.
//!
//! # Deliberately absent
//! EPCIS in XML, queries, master data, events of transformation and association, and sensor data. `@context` is not fetched:
//! the standard's is known, and a document's own prefixes are in it.

use crate::primitives::Encode as _;
use crate::primitives::Hash;
use crate::primitives::crypto::{Domain, hash, sha256};
use event::Event;
use json::{Node, Place};
use namespaces::Namespaces;

mod canonical;
mod error;
mod event;
mod identifier;
mod json;
mod namespaces;
mod recording;
mod value;
mod vocabulary;

#[cfg(test)]
mod tests;

pub use crate::domain::trade::{EventAction, EventKind};
pub use error::EpcisError;
pub use recording::RecordingError;

/// Largest document.
pub const DOCUMENT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Deepest nesting: an event of a document is at 4, and its extensions seldom below 10.
pub const DEPTH_MAX: usize = 32;
/// Most events of a document.
pub const EVENTS_MAX: usize = 1_000;
/// Most items of a list: a container of cartons has some thousands.
pub const LIST_MAX: usize = 20_000;
/// Longest text, in bytes.
pub const TEXT_BYTES_MAX: usize = 4 * 1024;

/// A file of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpcisDocument {
    /// Its events, in the order of the file; at least one.
    pub events: Vec<ShipmentEvent>,
    /// The hash of the document's exact bytes.
    pub document_sha256: Hash,
}

/// What an event says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShipmentEvent {
    /// Its canonical hash.
    pub event_hash: Hash,
    /// The string that the hash is of.
    pub pre_hash: String,
    /// How its id stands to the hash.
    pub id: EventId,
    /// Its kind.
    pub kind: EventKind,
    /// What it does.
    pub action: EventAction,
    /// When it happened, in ms of the Unix epoch.
    pub event_time_ms: u64,
    /// How far local time was ahead of UTC there.
    pub utc_offset_minutes: i16,
    /// The step of business: a word of CBV 2.0, or a URI of somebody's own.
    pub step: Option<String>,
    /// The things' state afterwards, likewise.
    pub disposition: Option<String>,
    /// Where it was read, in canonical form.
    pub read_point: Option<String>,
    /// Where the things were afterwards, in canonical form.
    pub location: Option<String>,
    /// The business transactions that it belongs to.
    pub transactions: Vec<BusinessTransaction>,
    /// What it is about, sorted: `parentID=`, `epc=`, `quantityElement...` as in the string that is hashed.
    pub objects: Vec<String>,
    /// That it declares an earlier event wrong, the one with the same hash.
    pub error: Option<ErrorDeclaration>,
}

/// An event's id, as the document gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventId {
    /// None.
    Absent,
    /// One that is no hash, such as a UUID.
    Opaque(String),
    /// The event's hash.
    Hash(String),
    /// The event's hash by the drafts of CBV 2.0. Not the hash that is recorded.
    DraftHash(String),
}

/// A business transaction that an event belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusinessTransaction {
    /// Its type: a word of CBV 2.0 such as `po`, or a URI of somebody's own.
    pub kind: Option<String>,
    /// Its id, in canonical form.
    pub id: String,
}

/// That an earlier event did not happen, or not so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorDeclaration {
    /// When it was declared, in ms of the Unix epoch.
    pub declared_at_ms: u64,
    /// Why: `did_not_occur`, `incorrect_data`, or a URI of somebody's own.
    pub reason: Option<String>,
    /// The events that say it right, by their ids.
    pub corrective_event_ids: Vec<String>,
}

impl EpcisDocument {
    /// Reads a document, or one bare event.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn read(bytes: &[u8]) -> Result<Self, EpcisError> {
        if bytes.len() > DOCUMENT_BYTES_MAX {
            return Err(EpcisError::DocumentTooLarge { bytes: bytes.len() });
        }
        if bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start().starts_with(b"<") {
            return Err(EpcisError::OtherDocument { found: "XML".to_owned() });
        }
        let root = json::read(bytes)?;
        let document = Place::root(&root);
        let mut namespaces = Namespaces::default();
        let events = match event_list(&document)? {
            None => vec![ShipmentEvent::read(&document, namespaces)?],
            Some(list) => {
                namespaces.declare(&document)?;
                let places = list.items()?;
                if places.is_empty() {
                    return Err(EpcisError::Missing { path: list.path });
                }
                if places.len() > EVENTS_MAX {
                    return Err(EpcisError::TooManyEvents { count: places.len() });
                }
                let read = |place: &Place<'_>| ShipmentEvent::read(place, namespaces.clone());
                places.iter().map(read).collect::<Result<_, _>>()?
            }
        };
        Ok(Self { events, document_sha256: sha256(bytes) })
    }
}

/// The list of events; `None` if the document is an event itself.
fn event_list<'a>(document: &Place<'a>) -> Result<Option<Place<'a>>, EpcisError> {
    let other = |found: &str| EpcisError::OtherDocument { found: found.to_owned() };
    if !matches!(document.node, Node::Object(_)) {
        return Err(other("JSON, but no object"));
    }
    let kind = match document.get("type") {
        Some(kind) => kind.text()?.chars().take(80).collect::<String>(),
        None if document.get("isA").is_some() => return Err(other("of a draft of EPCIS 2.0 ('isA' became 'type')")),
        None => return Err(other("a JSON object without a 'type'")),
    };
    if kind != "EPCISDocument" {
        return if kind.ends_with("Event") { Ok(None) } else { Err(other(&format!("of the type '{kind}'"))) };
    }
    let version = document.required("schemaVersion")?;
    let is_two = match version.node {
        Node::Text(text) => text == "2" || text.starts_with("2."),
        Node::Number(number) => number == "2" || number.starts_with("2."),
        _ => false,
    };
    if !is_two {
        return Err(version.invalid("2.0: export the document in that version of EPCIS"));
    }
    document.required("epcisBody")?.required("eventList").map(Some)
}

impl ShipmentEvent {
    fn read(place: &Place<'_>, namespaces: Namespaces) -> Result<Self, EpcisError> {
        let event = Event::read(place, namespaces)?;
        let pre_hash = canonical::pre_hash(&event, canonical::Form::Ratified);
        let event_hash = sha256(pre_hash.as_bytes());
        let shown = |value: Option<&value::Value>| value.map(|value| value.canonical.clone());
        Ok(Self {
            id: EventId::of(&event, event_hash, &place.path_of("eventID"))?,
            kind: event.kind,
            action: event.action,
            event_time_ms: event.time_ms,
            utc_offset_minutes: event.offset_minutes,
            step: event.step.as_ref().map(|word| word.shown().to_owned()),
            disposition: event.disposition.as_ref().map(|word| word.shown().to_owned()),
            read_point: shown(event.read_point.as_ref()),
            location: shown(event.location.as_ref()),
            transactions: event.transactions.iter().map(BusinessTransaction::of).collect(),
            objects: canonical::objects(&event),
            error: event.error,
            event_hash,
            pre_hash,
        })
    }

    /// Its type as EPCIS writes it: `ObjectEvent`, `AggregationEvent`, `TransactionEvent`.
    pub const fn type_name(&self) -> &'static str {
        event::type_name(self.kind)
    }

    /// Its action as EPCIS writes it: `ADD`, `OBSERVE`, `DELETE`.
    pub const fn action_name(&self) -> &'static str {
        event::action_name(self.action)
    }

    /// The event's id by CBV 2.0.
    pub fn canonical_id(&self) -> String {
        ni(self.event_hash)
    }

    /// The hash of what the event is about: `SHA-256(28 || "causeway/shipment-objects/v1" || text(object) ...)`, the
    /// objects in canonical form and sorted. It tells whether two events are about the same things.
    pub fn objects_hash(&self) -> Hash {
        let mut bytes = Vec::new();
        for object in &self.objects {
            object.as_str().encode(&mut bytes);
        }
        hash(Domain::SHIPMENT_OBJECTS, &bytes)
    }

    /// The commitment to where it was read: `SHA-256(22 || "causeway/read-point/v1" || salt || id)`; `None` if it does not say.
    pub fn read_point_commitment(&self, salt: &[u8; 32]) -> Option<Hash> {
        self.read_point.as_deref().map(|id| read_point_commitment(salt, id))
    }

    /// The numbers of the orders that it belongs to, as far as its transactions of type `po` tell them.
    pub fn order_numbers(&self) -> Vec<String> {
        let orders = self.transactions.iter().filter(|transaction| transaction.kind.as_deref() == Some("po"));
        orders.filter_map(BusinessTransaction::number).collect()
    }

    /// What it does not say and a recorded shipment needs, each with the field that would say it.
    pub fn lacks(&self) -> Vec<&'static str> {
        let missing = [
            (self.order_numbers().is_empty(), "bizTransactionList: no order (a bizTransaction of type po)"),
            (self.step.is_none(), "bizStep: no step of business"),
            (self.read_point.is_none(), "readPoint: not where it was read"),
            (self.id == EventId::Absent, "eventID: no id"),
        ];
        missing.into_iter().filter(|(lacks, _)| *lacks).map(|(_, what)| what).collect()
    }
}

/// A read point's id in canonical form, as `readPoint.id` of an event gives it.
///
/// # Errors
/// It is no URI, or has no one form.
pub fn canonical_read_point(id: &str) -> Result<String, EpcisError> {
    let node = Node::Text(id.to_owned());
    let place = Place { node: &node, path: "the read point's id".to_owned() };
    Ok(value::Value::uri(&place)?.canonical)
}

/// The commitment to a read point by its id in canonical form.
pub fn read_point_commitment(salt: &[u8; 32], id: &str) -> Hash {
    hash(Domain::READ_POINT, &[salt, id.as_bytes()].concat())
}

impl BusinessTransaction {
    fn of(typed: &event::Typed) -> Self {
        Self { kind: typed.kind.as_ref().map(|kind| kind.shown().to_owned()), id: typed.id.canonical.clone() }
    }

    /// The transaction's number: of `urn:epcglobal:cbv:bt:<GLN>:<number>` the number, of a web address its last part.
    pub fn number(&self) -> Option<String> {
        let own = match self.id.strip_prefix("urn:epcglobal:cbv:bt:") {
            Some(rest) => rest.split_once(':').map(|(_, number)| number),
            None => self.id.strip_prefix("http").and_then(|rest| rest.rsplit('/').next()),
        };
        own.filter(|number| !number.is_empty()).and_then(unescaped)
    }
}

/// A text without its percent escapes, if it is one.
fn unescaped(text: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::new(), text.bytes());
    while let Some(byte) = rest.next() {
        let escape = |high: Option<u8>, low: Option<u8>| {
            let digits = [high?, low?];
            u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()
        };
        bytes.push(if byte == b'%' { escape(rest.next(), rest.next())? } else { byte });
    }
    String::from_utf8(bytes).ok()
}

/// The digest in an event id that is a hash.
fn digest_of(id: &str) -> Option<&str> {
    let (digest, version) = id.strip_prefix("ni:///sha-256;")?.split_once('?')?;
    // What CBV 2.1 hashes otherwise is refused before.
    matches!(version, "ver=CBV2.0" | "ver=CBV2.1").then_some(digest)
}

fn ni(hash: Hash) -> String {
    format!("ni:///sha-256;{}?ver=CBV2.0", hex::encode(hash.0))
}

impl EventId {
    /// Holds the id to the event, if it is a hash.
    fn of(event: &Event, computed: Hash, path: &str) -> Result<Self, EpcisError> {
        let Some(id) = &event.id else { return Ok(Self::Absent) };
        if !id.starts_with("ni:") {
            return Ok(Self::Opaque(id.clone()));
        }
        let Some(digest) = digest_of(id) else {
            let (what, why) = ("this id", "only SHA-256 by CBV 2.0 can be checked: ni:///sha-256;...?ver=CBV2.0");
            return Err(EpcisError::Unhashable { path: path.to_owned(), what, why });
        };
        let draft = || sha256(canonical::pre_hash(event, canonical::Form::Draft).as_bytes());
        if digest.eq_ignore_ascii_case(&hex::encode(computed.0)) {
            Ok(Self::Hash(id.clone()))
        } else if digest.eq_ignore_ascii_case(&hex::encode(draft().0)) {
            Ok(Self::DraftHash(id.clone()))
        } else {
            Err(EpcisError::WrongHash { path: path.to_owned(), claimed: id.clone(), computed: ni(computed) })
        }
    }
}
