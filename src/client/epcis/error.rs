//! What is wrong with a file of events: one variant for each rule, each with the place and what to do.

use super::{DOCUMENT_BYTES_MAX, EVENTS_MAX};
use thiserror::Error;

/// Why a file is not one that shipments can be recorded from.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EpcisError {
    /// Too large.
    #[error("the document has {bytes} bytes, at most {DOCUMENT_BYTES_MAX} are read: split it")]
    DocumentTooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Not JSON, or past a limit of nesting, of items or of a text's length.
    #[error("the document is not JSON as EPCIS 2.0 writes it: {why}")]
    NotJson {
        /// What the parser said, with line and column.
        why: String,
    },
    /// Another document.
    #[error("the document is {found}: give an EPCISDocument of EPCIS 2.0, or one event of it, in JSON")]
    OtherDocument {
        /// What it is.
        found: String,
    },
    /// Too many events.
    #[error("the document has {count} events, at most {EVENTS_MAX} are read: split it")]
    TooManyEvents {
        /// How many.
        count: usize,
    },
    /// A fact is not there.
    #[error("{path} is missing or empty: it must be filled in")]
    Missing {
        /// Where it belongs.
        path: String,
    },
    /// A fact is not what it must be.
    #[error("{path} is '{value}': it must be {expected}")]
    Invalid {
        /// Where.
        path: String,
        /// What it says.
        value: String,
        /// What it must be.
        expected: &'static str,
    },
    /// A word that the vocabulary does not have.
    #[error("{path} is '{value}', which is no {vocabulary} of CBV 2.0: use one of its words, or a URI of your own")]
    UnknownWord {
        /// Where.
        path: String,
        /// What it says.
        value: String,
        /// Whose word it should be.
        vocabulary: &'static str,
    },
    /// A field that this kind of event does not have.
    #[error("{path} is no field of an EPCIS 2.0 {kind}: an extension's name has a prefix that @context declares")]
    UnknownField {
        /// Where.
        path: String,
        /// The kind of event.
        kind: &'static str,
    },
    /// A prefix that nothing declares.
    #[error("{path} has the prefix '{prefix}', which @context does not declare: declare its namespace there")]
    UnknownPrefix {
        /// Where.
        path: String,
        /// The prefix.
        prefix: String,
    },
    /// Something for which there is no one event hash.
    #[error("{path}: {what} cannot be hashed reliably: {why}")]
    Unhashable {
        /// Where.
        path: String,
        /// What.
        what: &'static str,
        /// Why, and what to do.
        why: &'static str,
    },
    /// An event id that is a hash, but not the event's.
    #[error(
        "{path} is {claimed}, but the event's hash is {computed}: the event was changed after its id was made, or the id \
         was made by another rule; leave it out or correct it"
    )]
    WrongHash {
        /// Where.
        path: String,
        /// The id.
        claimed: String,
        /// What it should be.
        computed: String,
    },
}
