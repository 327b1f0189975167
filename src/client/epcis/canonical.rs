//! The canonical event hash: CBV 2.0, section 8.9, and the form that its drafts had.
//!
//! # The string that is hashed
//! The fields in the standard's order, each as `name=value`, nothing between them; a list's name once, then its items,
//! sorted; extensions last, sorted, each named `{namespace}name`. Event id, record time and error declaration are left out,
//! so an error declaration has the id of the event that it declares wrong.

use super::EventKind;
use super::event::{Event, Extension, Quantity, Typed, action_name, lists, type_name};
use super::value::Value;
use super::vocabulary::Word;
use crate::primitives::BlockTime;

/// Which form of the string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// The standard's.
    Ratified,
    /// The drafts' of 2021, by which GS1 published the ids of its examples: identifiers and words stay URNs, a type stands
    /// after what it is of, and extensions' names have no braces.
    Draft,
}

/// The string that is hashed.
pub(super) fn pre_hash(event: &Event, form: Form) -> String {
    let mut out = format!(
        "eventType={}eventTime={}eventTimeZoneOffset={}",
        type_name(event.kind),
        BlockTime(event.time_ms),
        event.offset
    );
    let (things, quantities) = lists(event.kind);
    let epcs = event.epcs.iter().map(|epc| format!("epc={}", form.of(epc))).collect();
    let parent = event.parent.as_ref().map(|parent| format!("parentID={}", form.of(parent)));
    // The order of the standard: a list of things, the parent, what is inside it.
    if event.kind == EventKind::Aggregation {
        out.extend(parent);
        out += &list(things, epcs);
    } else {
        out += &list(things, epcs);
        out.extend(parent);
    }
    out += &list(quantities, event.quantities.iter().map(|quantity| form.quantity(quantity)).collect());
    out += &format!("action={}", action_name(event.action));
    out.extend(event.step.as_ref().map(|step| format!("bizStep={}", form.of(&step.value))));
    out.extend(event.disposition.as_ref().map(|word| format!("disposition={}", form.of(&word.value))));
    let words = |name: &str, words: &[Word]| {
        let each = words.iter().map(|word| format!("{name}={}", form.of(&word.value))).collect();
        list("", each)
    };
    let persistent = words("set", &event.set) + &words("unset", &event.unset);
    if !persistent.is_empty() {
        out += &format!("persistentDisposition{persistent}");
    }
    out.extend(event.read_point.as_ref().map(|point| format!("readPointid={}", form.of(point))));
    out.extend(event.location.as_ref().map(|location| format!("bizLocationid={}", form.of(location))));
    let typed =
        |name: &str, item: &str, all: &[Typed]| list(name, all.iter().map(|one| form.typed(item, one)).collect());
    out += &typed("bizTransactionList", "bizTransaction", &event.transactions);
    out += &typed("sourceList", "source", &event.sources);
    out += &typed("destinationList", "destination", &event.destinations);
    out += &list("ilmd", event.ilmd.iter().map(|extension| form.extension(extension)).collect());
    out += &list("", event.extensions.iter().map(|extension| form.extension(extension)).collect());
    out
}

/// What the event is about, sorted: the parent, each thing, each quantity of a class.
pub(super) fn objects(event: &Event) -> Vec<String> {
    let form = Form::Ratified;
    let parent = event.parent.iter().map(|parent| format!("parentID={}", form.of(parent)));
    let epcs = event.epcs.iter().map(|epc| format!("epc={}", form.of(epc)));
    let quantities = event.quantities.iter().map(|quantity| form.quantity(quantity));
    let mut objects: Vec<String> = parent.chain(epcs).chain(quantities).collect();
    objects.sort();
    objects
}

/// The name once and the items sorted; nothing if there are none.
fn list(name: &str, mut items: Vec<String>) -> String {
    items.sort();
    if items.is_empty() { String::new() } else { format!("{name}{}", items.concat()) }
}

impl Form {
    fn of(self, value: &Value) -> &str {
        match self {
            Self::Ratified => &value.canonical,
            Self::Draft => &value.draft,
        }
    }

    fn quantity(self, quantity: &Quantity) -> String {
        let amount = quantity.quantity.as_ref().map(|amount| format!("quantity={}", self.of(amount)));
        let unit = quantity.unit.as_ref().map(|unit| format!("uom={unit}"));
        let class = self.of(&quantity.class);
        format!("quantityElementepcClass={class}{}{}", amount.unwrap_or_default(), unit.unwrap_or_default())
    }

    fn typed(self, item: &str, typed: &Typed) -> String {
        let id = format!("{item}={}", self.of(&typed.id));
        let kind = typed.kind.as_ref().map(|kind| format!("type={}", self.of(&kind.value))).unwrap_or_default();
        match self {
            Self::Ratified => kind + &id,
            Self::Draft => id + &kind,
        }
    }

    fn extension(self, extension: &Extension) -> String {
        let Extension { namespace, name, value, children } = extension;
        let key = match self {
            Self::Ratified => format!("{{{namespace}}}{name}"),
            Self::Draft => format!("{namespace}{name}"),
        };
        let value = value.as_ref().map(|value| format!("={}", self.of(value))).unwrap_or_default();
        key + &value + &list("", children.iter().map(|child| self.extension(child)).collect())
    }
}
