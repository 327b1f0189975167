//! UBL at the edge: reads the OASIS UBL 2.x documents of a trade into the facts that operations are made of.
//!
//! The documents themselves stay with their parties. What leaves here is a handful of facts and the hash of the bytes; the
//! client makes fingerprints and salted commitments of them.
//!
//! # What is read
//! Elements are told by namespace, never by prefix, and named in errors with the prefixes that the standard uses.
//! `docs/trade-documents.md` has the table of elements; the files here follow it:
//!
//! | document | file |
//! |---|---|
//! | `Order`, `OrderChange`, `OrderCancellation`, `OrderResponse` | `order` |
//! | `Invoice`, `CreditNote` | `invoice` |
//! | their parties, lines and totals | `party`, `lines`, `totals` |
//!
//! # Foreign input
//! A document is refused, never repaired: a document type declaration or an entity of one's own (whatever it expands to,
//! it is not expanded), more than 16 MiB, elements nested deeper than 64, a fact twice, totals that do not add up, an
//! amount in another currency or finer than a token can hold. Each refusal names the place and says what to do, and
//! [`UblDocument::read`] tells all of them at once.
//!
//! # Deliberately absent
//! Validation against the schema, and the tax of each line: the parties' own systems did that. What the order and the
//! invoice have to do with each other is for the ledger and the parties to say.

use crate::primitives::Hash;
use crate::primitives::crypto::sha256;
use place::Place;

mod decimal;
mod element;
mod error;
mod invoice;
mod lacks;
mod lines;
mod order;
mod party;
mod place;
mod totals;

#[cfg(test)]
mod tests;

pub use decimal::Decimal;
pub use error::UblError;
pub use invoice::{UblCreditNote, UblInvoice};
pub use lines::UblLine;
pub use order::{UblOrder, UblOrderCancellation, UblOrderChange, UblOrderResponse, UblOrderTerms};
pub use party::UblParty;
pub use totals::UblTotals;

/// Largest document: an invoice with its scanned attachments embedded.
pub const DOCUMENT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Deepest nesting: UBL's own documents stay below 16.
pub const DEPTH_MAX: usize = 64;
/// Longest text of a fact, in bytes: names of companies are the longest.
pub const FACT_BYTES_MAX: usize = 512;
/// Most characters of a document's own that an error repeats in one place: the standard's longest namespace fits.
const WORDS_TOLD_MAX: usize = 160;
/// Longest start tag, in bytes, so that checking its attributes against each other stays cheap.
pub const TAG_BYTES_MAX: usize = 16 * 1024;
/// Most elements that are kept: ten thousand lines have a fifth of it.
pub const ELEMENTS_MAX: usize = 300_000;
/// Most lines.
pub const LINES_MAX: usize = 10_000;

/// What is read from a root element of its own name.
trait Document: Sized {
    /// The root.
    const ELEMENT: &'static str;

    /// Reads it, or tells everything that is wrong with it.
    fn from_root(root: &Place<'_>, document_sha256: Hash) -> Result<Self, Vec<UblError>>;
}

/// A document, whichever it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UblDocument {
    /// An order.
    Order(UblOrder),
    /// A change to an order.
    OrderChange(UblOrderChange),
    /// A cancellation of orders.
    OrderCancellation(UblOrderCancellation),
    /// A response to an order.
    OrderResponse(UblOrderResponse),
    /// An invoice.
    Invoice(UblInvoice),
    /// A credit note.
    CreditNote(UblCreditNote),
}

impl UblDocument {
    /// Reads a document of any kind that is read here.
    ///
    /// # Errors
    /// Everything that is wrong with it, at least one thing. Where its form is broken, that alone.
    pub fn read(bytes: &[u8]) -> Result<Self, Vec<UblError>> {
        let (root, document_sha256) = read_root(bytes, "document").map_err(|fault| vec![fault])?;
        let place = Place::root(&root);
        match root.name.as_str() {
            UblOrder::ELEMENT => UblOrder::from_root(&place, document_sha256).map(Self::Order),
            UblOrderChange::ELEMENT => UblOrderChange::from_root(&place, document_sha256).map(Self::OrderChange),
            UblOrderCancellation::ELEMENT => {
                UblOrderCancellation::from_root(&place, document_sha256).map(Self::OrderCancellation)
            }
            UblOrderResponse::ELEMENT => UblOrderResponse::from_root(&place, document_sha256).map(Self::OrderResponse),
            UblInvoice::ELEMENT => UblInvoice::from_root(&place, document_sha256).map(Self::Invoice),
            UblCreditNote::ELEMENT => UblCreditNote::from_root(&place, document_sha256).map(Self::CreditNote),
            _ => {
                let expected = "Order, OrderChange, OrderCancellation, OrderResponse, Invoice or CreditNote";
                Err(vec![UblError::OtherDocument { found: found(&root.name), expected }])
            }
        }
    }
}

macro_rules! readers {
    ($($document:ident),*) => {$(
        impl $document {
            /// Reads one.
            ///
            /// # Errors
            /// The first thing that is wrong with it.
            pub fn read(bytes: &[u8]) -> Result<Self, UblError> {
                // `Faults::settle` never gives none.
                let missing = || UblError::Missing { path: Self::ELEMENT.to_owned() };
                Self::read_thoroughly(bytes).map_err(|faults| faults.into_iter().next().unwrap_or_else(missing))
            }

            /// Reads one, or tells all that is wrong.
            ///
            /// # Errors
            /// Everything that is wrong with it, at least one thing. Where its form is broken, that alone.
            pub fn read_thoroughly(bytes: &[u8]) -> Result<Self, Vec<UblError>> {
                read_one(bytes)
            }
        }
    )*};
}
readers!(UblOrder, UblOrderChange, UblOrderCancellation, UblOrderResponse, UblInvoice, UblCreditNote);

fn read_one<T: Document>(bytes: &[u8]) -> Result<T, Vec<UblError>> {
    let (root, document_sha256) = read_root(bytes, T::ELEMENT).map_err(|fault| vec![fault])?;
    if root.name != T::ELEMENT {
        return Err(vec![UblError::OtherDocument { found: found(&root.name), expected: T::ELEMENT }]);
    }
    T::from_root(&Place::root(&root), document_sha256)
}

fn read_root(bytes: &[u8], expected: &'static str) -> Result<(element::Element, Hash), UblError> {
    if bytes.len() > DOCUMENT_BYTES_MAX {
        return Err(UblError::DocumentTooLarge { bytes: bytes.len() });
    }
    let text = std::str::from_utf8(bytes).map_err(|error| UblError::Encoding { found: error.to_string() })?;
    let begins = text.trim_start_matches('\u{feff}').trim_start();
    if begins.starts_with(['{', '[']) {
        return Err(UblError::OtherDocument { found: "JSON, as events of EPCIS are written".to_owned(), expected });
    }
    if !begins.is_empty() && !begins.starts_with('<') {
        return Err(UblError::OtherDocument { found: "not in XML".to_owned(), expected });
    }
    let root = element::read(text)?;
    if let Some(version) = Place::root(&root).text_of("cbc:UBLVersionID")?.filter(|version| !version.starts_with("2."))
    {
        return Err(UblError::Version { document: root.name, version });
    }
    Ok((root, sha256(bytes)))
}

/// What a root element is, in words.
fn found(name: &str) -> String {
    let told = shortened(name);
    if name.contains([' ', '<']) { told } else { format!("a UBL {told}") }
}

/// A document's own words as an error tells them: names and namespaces have no bound but that of a tag.
fn shortened(words: &str) -> String {
    match words.char_indices().nth(WORDS_TOLD_MAX) {
        None => words.to_owned(),
        Some((end, _)) => format!("{}…", &words[..end]),
    }
}
