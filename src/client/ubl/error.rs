//! What is wrong with a document: one variant for each rule, each with the place and what to do.

use super::{DEPTH_MAX, DOCUMENT_BYTES_MAX, Decimal, ELEMENTS_MAX};
use crate::primitives::Currency;
use thiserror::Error;

/// Why a document is not one that the ledger's facts can be taken from.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum UblError {
    /// Too large.
    #[error("the document has {bytes} bytes, at most {DOCUMENT_BYTES_MAX} are read: leave embedded attachments out")]
    DocumentTooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Not UTF-8.
    #[error("the document is not in UTF-8 ({found}): save it as UTF-8 and say so in its XML declaration")]
    Encoding {
        /// What was found instead.
        found: String,
    },
    /// Not well-formed XML.
    #[error("the document is not well-formed XML at byte {offset}, in {path}: {why}; export it again")]
    Malformed {
        /// Where in the document.
        offset: u64,
        /// In which element.
        path: String,
        /// What the parser said.
        why: String,
    },
    /// A document type declaration.
    #[error("the document declares a document type (DTD), which UBL has no use for: remove <!DOCTYPE ...>")]
    DocumentType,
    /// An entity that XML does not know by itself.
    #[error("{path} uses the entity '&{name};': write the characters themselves")]
    Entity {
        /// In which element.
        path: String,
        /// The entity's name.
        name: String,
    },
    /// Nested too deep.
    #[error("{path} is nested more than {DEPTH_MAX} elements deep, which no UBL document is: export it again")]
    TooDeep {
        /// In which element.
        path: String,
    },
    /// Too many elements.
    #[error("the document has more than {ELEMENTS_MAX} elements of those that are read: split it")]
    TooManyElements,
    /// Another document.
    #[error("the document is {found}, not a UBL 2.x {expected}: give the {expected} itself")]
    OtherDocument {
        /// What it is.
        found: String,
        /// What was asked for.
        expected: &'static str,
    },
    /// A document of another version of UBL.
    #[error("the document is a UBL {document} of version {version}: UBL 2.x is read, best 2.1; export it as that")]
    Version {
        /// Which document.
        document: String,
        /// Its version.
        version: String,
    },
    /// A fact is not there.
    #[error("{path} is missing or empty: it must be filled in")]
    Missing {
        /// Where it belongs.
        path: String,
    },
    /// A fact is there twice.
    #[error("{path} occurs more than once: it must occur once, or it is not clear which one counts")]
    Repeated {
        /// The element.
        path: String,
    },
    /// A fact is not what it must be.
    #[error("{path} is '{value}': it must be {expected}")]
    Invalid {
        /// The element.
        path: String,
        /// Its text.
        value: String,
        /// What it must be.
        expected: &'static str,
    },
    /// Two currencies.
    #[error("{path} is in {amount} and the document in {document}: every amount must be in the document's currency")]
    CurrencyMismatch {
        /// The element.
        path: String,
        /// The document's currency.
        document: Currency,
        /// The amount's.
        amount: Currency,
    },
    /// An amount below zero.
    #[error("{path} is '{value}', below zero: {advice}")]
    Negative {
        /// The element.
        path: String,
        /// Its text.
        value: String,
        /// What to do.
        advice: &'static str,
    },
    /// A figure that the others contradict.
    #[error("{path} is {stated}, but {sum} is {computed}: correct the document")]
    DoesNotAddUp {
        /// The element.
        path: String,
        /// What it says.
        stated: Decimal,
        /// What it should be the sum of.
        sum: String,
        /// What that is.
        computed: Decimal,
    },
    /// Amounts with too many digits to be added.
    #[error("{path} cannot be checked: its amounts have too many digits to be added")]
    Unsummable {
        /// The element.
        path: String,
    },
    /// An amount finer than the token.
    #[error("the payable amount {value} has more than {scale} decimals, and is not rounded: correct the document")]
    TooPrecise {
        /// The amount.
        value: Decimal,
        /// How many decimals there can be.
        scale: u32,
    },
    /// An amount past what a ledger can hold, or below zero.
    #[error("the amount {value} is not one that a token of {scale} decimals can hold: split the document")]
    AmountOutOfRange {
        /// The amount.
        value: Decimal,
        /// The token's decimals.
        scale: u32,
    },
}
