//! One event, field by field: what it says, and no field that would be left out of its hash unnoticed.

use super::json::{Node, Place};
use super::namespaces::Namespaces;
use super::value::Value;
use super::vocabulary::{
    BUSINESS_STEPS, BUSINESS_TRANSACTIONS, DISPOSITIONS, ERROR_REASONS, PARTIES, Vocabulary, Word,
};
use super::{EpcisError, ErrorDeclaration, EventAction, EventKind};

/// What an event says.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) kind: EventKind,
    pub(super) time_ms: u64,
    /// The offset as it is written, such as `+08:00`.
    pub(super) offset: String,
    pub(super) offset_minutes: i16,
    pub(super) id: Option<String>,
    pub(super) action: EventAction,
    pub(super) parent: Option<Value>,
    /// The things: of an aggregation, those inside the parent.
    pub(super) epcs: Vec<Value>,
    pub(super) quantities: Vec<Quantity>,
    pub(super) step: Option<Word>,
    pub(super) disposition: Option<Word>,
    pub(super) set: Vec<Word>,
    pub(super) unset: Vec<Word>,
    pub(super) read_point: Option<Value>,
    pub(super) location: Option<Value>,
    pub(super) transactions: Vec<Typed>,
    pub(super) sources: Vec<Typed>,
    pub(super) destinations: Vec<Typed>,
    pub(super) ilmd: Vec<Extension>,
    pub(super) extensions: Vec<Extension>,
    pub(super) error: Option<ErrorDeclaration>,
}

/// So much of a class of things.
#[derive(Clone, Debug)]
pub(super) struct Quantity {
    pub(super) class: Value,
    pub(super) quantity: Option<Value>,
    pub(super) unit: Option<String>,
}

/// A business transaction, a source or a destination.
#[derive(Clone, Debug)]
pub(super) struct Typed {
    pub(super) kind: Option<Word>,
    pub(super) id: Value,
}

/// A field of somebody's own: its namespace, its name, and its value or those in it.
#[derive(Clone, Debug)]
pub(super) struct Extension {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) value: Option<Value>,
    pub(super) children: Vec<Self>,
}

/// Fields that every kind has.
const COMMON: [&str; 14] = [
    "@context",
    "type",
    "eventID",
    "eventTime",
    "recordTime",
    "eventTimeZoneOffset",
    "errorDeclaration",
    "action",
    "bizStep",
    "disposition",
    "persistentDisposition",
    "bizTransactionList",
    "sourceList",
    "destinationList",
];

/// Fields without meaning for machines.
const COMMENTS: [&str; 2] = ["comment", "rdfs:comment"];

/// A kind's type, as the standard writes it.
pub(super) const fn type_name(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Object => "ObjectEvent",
        EventKind::Aggregation => "AggregationEvent",
        EventKind::Transaction => "TransactionEvent",
    }
}

/// The fields that say what an event of this kind is about.
const fn object_fields(kind: EventKind) -> &'static [&'static str] {
    match kind {
        EventKind::Object => &["epcList", "quantityList", "ilmd"],
        EventKind::Aggregation => &["parentID", "childEPCs", "childQuantityList"],
        EventKind::Transaction => &["parentID", "epcList", "quantityList"],
    }
}

/// The names of its lists of things and of quantities.
pub(super) const fn lists(kind: EventKind) -> (&'static str, &'static str) {
    match kind {
        EventKind::Aggregation => ("childEPCs", "childQuantityList"),
        EventKind::Object | EventKind::Transaction => ("epcList", "quantityList"),
    }
}

fn read_kind(place: &Place<'_>) -> Result<EventKind, EpcisError> {
    let kind = place.required("type")?;
    let text = kind.text()?;
    EventKind::ALL.iter().copied().find(|known| type_name(*known) == text).ok_or_else(|| {
        kind.invalid("ObjectEvent, AggregationEvent or TransactionEvent, the kinds that a shipment is recorded by")
    })
}

impl Event {
    /// Reads an event; `namespaces` are its document's.
    pub(super) fn read(place: &Place<'_>, mut namespaces: Namespaces) -> Result<Self, EpcisError> {
        let kind = read_kind(place)?;
        namespaces.declare(place)?;
        let extensions = extensions_of(place, kind, &namespaces)?;
        let (time_ms, (offset, offset_minutes)) = (event_time(&place.required("eventTime")?)?, utc_offset(place)?);
        let (things, quantities) = lists(kind);
        let event = Self {
            kind,
            time_ms,
            offset,
            offset_minutes,
            id: place.get("eventID").map(|id| id.text().map(str::to_owned)).transpose()?,
            action: read_action(&place.required("action")?)?,
            parent: place.get("parentID").map(|parent| Value::uri(&parent)).transpose()?,
            epcs: list_of(place, things, Value::uri)?,
            quantities: list_of(place, quantities, Quantity::read)?,
            step: word_of(place, "bizStep", &BUSINESS_STEPS)?,
            disposition: word_of(place, "disposition", &DISPOSITIONS)?,
            set: persistent(place, "set")?,
            unset: persistent(place, "unset")?,
            read_point: location_of(place, "readPoint")?,
            location: location_of(place, "bizLocation")?,
            transactions: list_of(place, "bizTransactionList", |item| {
                Typed::read(item, "bizTransaction", &BUSINESS_TRANSACTIONS)
            })?,
            sources: list_of(place, "sourceList", |item| Typed::read(item, "source", &PARTIES))?,
            destinations: list_of(place, "destinationList", |item| Typed::read(item, "destination", &PARTIES))?,
            ilmd: match place.get("ilmd") {
                Some(ilmd) => Extension::read_all(&ilmd, &namespaces)?,
                None => Vec::new(),
            },
            extensions,
            error: place.get("errorDeclaration").map(|error| error_declaration(&error)).transpose()?,
        };
        event.require_objects(place)?;
        Ok(event)
    }

    /// An event is about something, and a transaction event about a transaction.
    fn require_objects(&self, place: &Place<'_>) -> Result<(), EpcisError> {
        let (things, _) = lists(self.kind);
        let is_about_nothing = self.epcs.is_empty() && self.quantities.is_empty();
        // What is taken out of a parent or off a transaction may be all of it.
        if is_about_nothing && (self.kind == EventKind::Object || self.action != EventAction::Delete) {
            return Err(EpcisError::Missing { path: place.path_of(things) });
        }
        let needs_parent = self.kind == EventKind::Aggregation && self.action != EventAction::Observe;
        if needs_parent && self.parent.is_none() {
            return Err(EpcisError::Missing { path: place.path_of("parentID") });
        }
        if self.kind == EventKind::Transaction && self.transactions.is_empty() {
            return Err(EpcisError::Missing { path: place.path_of("bizTransactionList") });
        }
        Ok(())
    }
}

/// An action, as the standard writes it.
pub(super) const fn action_name(action: EventAction) -> &'static str {
    match action {
        EventAction::Add => "ADD",
        EventAction::Observe => "OBSERVE",
        EventAction::Delete => "DELETE",
    }
}

fn read_action(place: &Place<'_>) -> Result<EventAction, EpcisError> {
    let text = place.text()?;
    let found = EventAction::ALL.iter().copied().find(|known| action_name(*known) == text);
    found.ok_or_else(|| place.invalid("ADD, OBSERVE or DELETE"))
}

impl Quantity {
    fn read(place: &Place<'_>) -> Result<Self, EpcisError> {
        only(place, &["epcClass", "quantity", "uom"])?;
        Ok(Self {
            class: Value::uri(&place.required("epcClass")?)?,
            quantity: place.get("quantity").map(|quantity| Value::number(&quantity)).transpose()?,
            unit: place.get("uom").map(|unit| unit_code(&unit)).transpose()?,
        })
    }
}

fn unit_code(place: &Place<'_>) -> Result<String, EpcisError> {
    let text = place.text()?;
    let is_code = (2..=3).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        && text.bytes().any(|byte| byte.is_ascii_uppercase());
    if is_code { Ok(text.to_owned()) } else { Err(place.invalid("a unit's UN/ECE code, such as KGM")) }
}

impl Typed {
    fn read(place: &Place<'_>, id: &str, vocabulary: &Vocabulary) -> Result<Self, EpcisError> {
        only(place, &["type", id])?;
        Ok(Self { kind: word_of(place, "type", vocabulary)?, id: Value::uri(&place.required(id)?)? })
    }
}

impl Extension {
    fn read_all(place: &Place<'_>, namespaces: &Namespaces) -> Result<Vec<Self>, EpcisError> {
        let mut all = Vec::new();
        for (name, field) in place.entries()?.into_iter().filter(|(name, _)| !COMMENTS.contains(name)) {
            let Some((namespace, local)) = namespaces.resolve(&field, name)? else {
                let why = "only names with a prefix of @context have a namespace; rename it";
                return Err(EpcisError::Unhashable { path: field.path, what: "a name without a namespace", why });
            };
            Self::read(&field, &namespace, local, namespaces, &mut all)?;
        }
        Ok(all)
    }

    /// Reads a field: one extension, or as many as the list has items.
    fn read(
        field: &Place<'_>,
        namespace: &str,
        name: &str,
        namespaces: &Namespaces,
        all: &mut Vec<Self>,
    ) -> Result<(), EpcisError> {
        let (namespace_of, name_of) = (namespace.to_owned(), name.to_owned());
        match field.node {
            Node::List(items) if items.is_empty() => return Err(EpcisError::Missing { path: field.path.clone() }),
            Node::List(_) => {
                for item in field.items()? {
                    if matches!(item.node, Node::List(_)) {
                        return Err(item.invalid("no list in a list"));
                    }
                    Self::read(&item, namespace, name, namespaces, all)?;
                }
            }
            Node::Object(_) => {
                let children = Self::read_all(field, namespaces)?;
                if children.is_empty() {
                    return Err(EpcisError::Missing { path: field.path.clone() });
                }
                all.push(Self { namespace: namespace_of, name: name_of, value: None, children });
            }
            _ => {
                let value = Some(Value::of_extension(field, namespaces)?);
                all.push(Self { namespace: namespace_of, name: name_of, value, children: Vec::new() });
            }
        }
        Ok(())
    }
}

/// The extensions of the event itself, when every other field is one of its kind's.
fn extensions_of(place: &Place<'_>, kind: EventKind, namespaces: &Namespaces) -> Result<Vec<Extension>, EpcisError> {
    let mut extensions = Vec::new();
    for (name, field) in place.entries()? {
        if name == "sensorElementList" || name == "certificationInfo" {
            let why = "programs differ on where it stands in CBV 2.0's hash; record it in an event of its own";
            let what = if name == "certificationInfo" { "certification information" } else { "sensor data" };
            return Err(EpcisError::Unhashable { path: field.path, what, why });
        }
        let known = COMMON.contains(&name) || COMMENTS.contains(&name) || matches!(name, "readPoint" | "bizLocation");
        if known || object_fields(kind).contains(&name) {
            continue;
        }
        match namespaces.resolve(&field, name)? {
            Some((namespace, local)) => Extension::read(&field, &namespace, local, namespaces, &mut extensions)?,
            None => return Err(EpcisError::UnknownField { path: field.path, kind: type_name(kind) }),
        }
    }
    Ok(extensions)
}

fn only(place: &Place<'_>, fields: &[&str]) -> Result<(), EpcisError> {
    for (name, field) in place.entries()? {
        if fields.contains(&name) || COMMENTS.contains(&name) {
            continue;
        }
        let why = "programs differ on where an extension inside a standard field stands in CBV 2.0's hash; move it to the event";
        return Err(EpcisError::Unhashable { path: field.path, what: "an extension of a standard field", why });
    }
    Ok(())
}

fn list_of<T>(
    place: &Place<'_>,
    name: &str,
    read: impl Fn(&Place<'_>) -> Result<T, EpcisError>,
) -> Result<Vec<T>, EpcisError> {
    match place.get(name) {
        Some(list) => list.items()?.iter().map(read).collect(),
        None => Ok(Vec::new()),
    }
}

fn word_of(place: &Place<'_>, name: &str, vocabulary: &Vocabulary) -> Result<Option<Word>, EpcisError> {
    place.get(name).map(|word| vocabulary.read(&word)).transpose()
}

fn persistent(place: &Place<'_>, name: &str) -> Result<Vec<Word>, EpcisError> {
    let Some(persistent) = place.get("persistentDisposition") else { return Ok(Vec::new()) };
    only(&persistent, &["set", "unset"])?;
    list_of(&persistent, name, |word| DISPOSITIONS.read(word))
}

fn location_of(place: &Place<'_>, name: &str) -> Result<Option<Value>, EpcisError> {
    let Some(location) = place.get(name) else { return Ok(None) };
    only(&location, &["id"])?;
    Value::uri(&location.required("id")?).map(Some)
}

fn error_declaration(place: &Place<'_>) -> Result<ErrorDeclaration, EpcisError> {
    let corrective = list_of(place, "correctiveEventIDs", |id| id.text().map(str::to_owned))?;
    Ok(ErrorDeclaration {
        declared_at_ms: event_time(&place.required("declarationTime")?)?,
        reason: word_of(place, "reason", &ERROR_REASONS)?.map(|reason| reason.shown().to_owned()),
        corrective_event_ids: corrective,
    })
}

/// An `xsd:dateTimeStamp` in milliseconds of the Unix epoch.
fn event_time(place: &Place<'_>) -> Result<u64, EpcisError> {
    let text = place.text()?;
    let invalid = || place.invalid("a time with its offset, such as 2026-11-23T10:00:00.000+08:00, after 1970");
    let (clock, rest) = text.split_at_checked(19).ok_or_else(invalid)?;
    let form = |(at, byte): (usize, u8)| match at {
        4 | 7 => byte == b'-',
        10 => byte == b'T',
        13 | 16 => byte == b':',
        _ => byte.is_ascii_digit(),
    };
    let (fraction, zone) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(rest.bytes().take_while(u8::is_ascii_digit).count()),
        None => ("0", rest),
    };
    let offset = if zone == "Z" { Some(0) } else { offset_minutes(zone) };
    if !clock.bytes().enumerate().all(form) || clock.ends_with(":60") || fraction.is_empty() || offset.is_none() {
        return Err(invalid());
    }
    let seconds: jiff::Timestamp = format!("{clock}{zone}").parse().map_err(|_| invalid())?;
    let (milliseconds, finer) = fraction.split_at(fraction.len().min(3));
    if finer.bytes().any(|byte| byte != b'0') {
        let why = "CBV 2.0 does not say how it is rounded; write milliseconds";
        return Err(EpcisError::Unhashable { path: place.path.clone(), what: "a time finer than milliseconds", why });
    }
    let milliseconds: i64 = format!("{milliseconds:0<3}").parse().map_err(|_| invalid())?;
    u64::try_from(seconds.as_millisecond() + milliseconds).map_err(|_| invalid())
}

fn utc_offset(place: &Place<'_>) -> Result<(String, i16), EpcisError> {
    let offset = place.required("eventTimeZoneOffset")?;
    let text = offset.text()?;
    let minutes = offset_minutes(text).ok_or_else(|| offset.invalid("an offset from UTC, such as +08:00"))?;
    Ok((text.to_owned(), minutes))
}

/// `+hh:mm` or `-hh:mm`, at most fourteen hours.
fn offset_minutes(text: &str) -> Option<i16> {
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = text.get(1..)?.split_once(':')?;
    let number = |part: &str| {
        (part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit())).then(|| part.parse::<i16>().ok())?
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (minutes < 60 && hours * 60 + minutes <= 14 * 60).then_some(sign * (hours * 60 + minutes))
}
