//! The walk through the XML: one pass, which keeps the elements that some document's facts are in and drops all others.
//!
//! # Invariants
//! * Elements are told by namespace and named with the prefixes that the standard uses, whatever the document's own are.
//! * What is dropped is held to the form of XML all the same.
//! * What is kept is bounded: in depth, in count, and each text in length.

use super::{DEPTH_MAX, ELEMENTS_MAX, FACT_BYTES_MAX, TAG_BYTES_MAX, UblError, shortened};
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::name::{Namespace, ResolveResult};
use quick_xml::{NsReader, XmlVersion};

/// Most names of a path that an error tells; UBL's own documents are not as deep.
const NAMES_TOLD_MAX: usize = 16;

const UBL: &str = "urn:oasis:names:specification:ubl:schema:xsd:";

/// The attributes that are read.
const ATTRIBUTES: [&str; 3] = ["currencyID", "schemeID", "unitCode"];

/// The elements that are read, in whichever document.
const READ: [&str; 59] = [
    "cac:AccountingCustomerParty",
    "cac:AccountingSupplierParty",
    "cac:AllowanceCharge",
    "cac:AnticipatedMonetaryTotal",
    "cac:BillingReference",
    "cac:BuyerCustomerParty",
    "cac:CreditNoteLine",
    "cac:Delivery",
    "cac:DeliveryTerms",
    "cac:InvoiceDocumentReference",
    "cac:InvoiceLine",
    "cac:LegalMonetaryTotal",
    "cac:LineItem",
    "cac:OrderLine",
    "cac:OrderReference",
    "cac:Party",
    "cac:PartyLegalEntity",
    "cac:PartyName",
    "cac:PaymentMeans",
    "cac:PaymentTerms",
    "cac:RequestedDeliveryPeriod",
    "cac:SellerSupplierParty",
    "cac:SettlementPeriod",
    "cac:TaxTotal",
    "cac:ValidityPeriod",
    "cbc:AllowanceTotalAmount",
    "cbc:Amount",
    "cbc:CancellationNote",
    "cbc:ChargeIndicator",
    "cbc:ChargeTotalAmount",
    "cbc:CompanyID",
    "cbc:CreditedQuantity",
    "cbc:DocumentCurrencyCode",
    "cbc:DueDate",
    "cbc:DurationMeasure",
    "cbc:EndDate",
    "cbc:ID",
    "cbc:InvoiceTypeCode",
    "cbc:InvoicedQuantity",
    "cbc:IssueDate",
    "cbc:LineExtensionAmount",
    "cbc:LineStatusCode",
    "cbc:Name",
    "cbc:Note",
    "cbc:OrderResponseCode",
    "cbc:PayableAmount",
    "cbc:PayableRoundingAmount",
    "cbc:PaymentDueDate",
    "cbc:PrepaidAmount",
    "cbc:Quantity",
    "cbc:RegistrationName",
    "cbc:SequenceNumberID",
    "cbc:SpecialTerms",
    "cbc:StartDate",
    "cbc:TaxAmount",
    "cbc:TaxCurrencyCode",
    "cbc:TaxExclusiveAmount",
    "cbc:TaxInclusiveAmount",
    "cbc:UBLVersionID",
];

/// An element that is read, with those in it that are.
#[derive(Debug, Default)]
pub(super) struct Element {
    /// The standard's name; a root's is its local name.
    pub(super) name: String,
    /// Its text as written, up to the longest that a fact has.
    pub(super) text: String,
    /// Whether there was more of it.
    pub(super) cut: bool,
    /// Those of its attributes that are read.
    pub(super) attributes: Vec<(&'static str, String)>,
    pub(super) children: Vec<Self>,
}

/// The walk: where it is, and what it has kept.
#[derive(Default)]
struct Walk {
    /// The names from the root to here, with the standard's prefixes.
    names: Vec<String>,
    /// The elements that are open and kept; always the first so many of `names`.
    kept: Vec<Element>,
    count: usize,
    root: Option<Element>,
}

/// Reads a document's elements.
///
/// # Errors
/// The first thing that is wrong with its form.
pub(super) fn read(text: &str) -> Result<Element, UblError> {
    let mut reader = NsReader::from_str(text);
    let config = reader.config_mut();
    config.check_comments = true;
    config.expand_empty_elements = true;
    let mut walk = Walk::default();
    loop {
        let offset = reader.buffer_position();
        let (namespace, event) = reader.read_resolved_event().map_err(|error| walk.malformed(offset, error))?;
        match event {
            Event::Start(start) => walk.enter(&namespace, &start, offset)?,
            Event::End(_) => walk.leave(),
            Event::Text(text) => walk.text(&text.xml10_content(), offset)?,
            Event::CData(text) => walk.text(&text.xml10_content(), offset)?,
            Event::GeneralRef(reference) => walk.reference(&reference, offset)?,
            Event::DocType(_) => return Err(UblError::DocumentType),
            Event::Decl(declaration) => match declaration.encoding() {
                None => {}
                Some(Ok(name)) if ["utf-8", "us-ascii"].contains(&name.to_ascii_lowercase().as_str()) => {}
                Some(Ok(name)) => return Err(UblError::Encoding { found: shortened(&name) }),
                Some(Err(error)) => return Err(walk.malformed(offset, error)),
            },
            Event::Comment(_) | Event::PI(_) => {}
            Event::Empty(_) => return Err(walk.malformed(offset, "an element was not expanded")),
            Event::Eof => {
                let unfinished = walk.malformed(offset, "the document ends before its root element does");
                return walk.root.ok_or(unfinished);
            }
        }
    }
}

impl Walk {
    /// Where the walk is, in words that stay short whatever the document's names are.
    fn path(&self) -> String {
        let told = |names: &[String]| names.iter().map(|name| shortened(name)).collect::<Vec<_>>().join("/");
        match self.names.len() {
            0 => "the document".to_owned(),
            1..=NAMES_TOLD_MAX => told(&self.names),
            depth => {
                let (outer, inner) = (NAMES_TOLD_MAX / 2, depth - NAMES_TOLD_MAX / 2);
                format!("{}/…/{}", told(&self.names[..outer]), told(&self.names[inner..]))
            }
        }
    }

    fn malformed(&self, offset: u64, why: impl ToString) -> UblError {
        UblError::Malformed { offset, path: self.path(), why: shortened(&why.to_string()) }
    }

    /// Whether the element that is open is kept.
    fn keeps(&self) -> bool {
        self.kept.len() == self.names.len()
    }

    fn enter(&mut self, namespace: &ResolveResult<'_>, start: &BytesStart<'_>, offset: u64) -> Result<(), UblError> {
        if start.len() > TAG_BYTES_MAX {
            return Err(self.malformed(offset, format_args!("a start tag has more than {TAG_BYTES_MAX} bytes")));
        }
        if let Some(leaf) = self.names.last().filter(|name| self.keeps() && name.starts_with("cbc:")) {
            return Err(self.malformed(offset, format_args!("{leaf} must hold text and no elements")));
        }
        let local = start.local_name().into_inner();
        let name = match namespace {
            ResolveResult::Bound(Namespace(uri)) if self.names.is_empty() => root_name(uri, local),
            ResolveResult::Bound(Namespace(uri)) => standard_name(uri, local),
            ResolveResult::Unbound => format!("<{local}> of no namespace"),
            ResolveResult::Unknown(prefix) => {
                return Err(self.malformed(offset, format_args!("the prefix '{prefix}' is bound to no namespace")));
            }
        };
        if self.names.is_empty() && self.root.is_some() {
            return Err(self.malformed(offset, "there is a second root element"));
        }
        let wanted = self.names.is_empty() || (self.keeps() && READ.contains(&name.as_str()));
        self.names.push(name.clone());
        if self.names.len() > DEPTH_MAX {
            return Err(UblError::TooDeep { path: self.path() });
        }
        let attributes = self.attributes(start, offset)?;
        if wanted {
            self.count += 1;
            if self.count > ELEMENTS_MAX {
                return Err(UblError::TooManyElements);
            }
            self.kept.push(Element { name, attributes, ..Element::default() });
        }
        Ok(())
    }

    /// Holds every attribute to the form of XML, and keeps those that are read.
    fn attributes(&self, start: &BytesStart<'_>, offset: u64) -> Result<Vec<(&'static str, String)>, UblError> {
        let mut kept = Vec::new();
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| self.malformed(offset, error))?;
            let value =
                attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|error| self.malformed(offset, error))?;
            if let Some(name) = ATTRIBUTES.iter().find(|name| **name == attribute.key.as_ref()) {
                kept.push((*name, value.chars().take(FACT_BYTES_MAX).collect()));
            }
        }
        Ok(kept)
    }

    fn leave(&mut self) {
        if self.keeps() {
            let closed = self.kept.pop();
            match self.kept.last_mut() {
                Some(parent) => parent.children.extend(closed),
                None => self.root = closed,
            }
        }
        self.names.pop();
    }

    fn text(&mut self, text: &str, offset: u64) -> Result<(), UblError> {
        if self.names.is_empty() && !text.trim_matches(['\u{feff}', ' ', '\t', '\r', '\n']).is_empty() {
            return Err(self.malformed(offset, "there is text outside the root element"));
        }
        let is_leaf = self.keeps() && self.names.last().is_some_and(|name| name.starts_with("cbc:"));
        if let Some(element) = self.kept.last_mut().filter(|_| is_leaf) {
            for character in text.chars() {
                if element.text.len() + character.len_utf8() > FACT_BYTES_MAX {
                    element.cut = true;
                    break;
                }
                element.text.push(character);
            }
        }
        Ok(())
    }

    /// A character by number, or one of the five entities that XML has without a DTD.
    fn reference(&mut self, reference: &BytesRef<'_>, offset: u64) -> Result<(), UblError> {
        let name: &str = reference;
        if let Some(character) = reference.resolve_char_ref().map_err(|error| self.malformed(offset, error))? {
            return self.text(character.encode_utf8(&mut [0; 4]), offset);
        }
        match resolve_predefined_entity(name) {
            Some(text) => self.text(text, offset),
            None => Err(UblError::Entity { path: self.path(), name: name.chars().take(40).collect() }),
        }
    }
}

/// An element's name with the prefix that the standard uses for its namespace.
fn standard_name(namespace: &str, local: &str) -> String {
    match namespace.strip_prefix(UBL) {
        Some("CommonBasicComponents-2") => format!("cbc:{local}"),
        Some("CommonAggregateComponents-2") => format!("cac:{local}"),
        _ => format!("{{{namespace}}}{local}"),
    }
}

/// A root's name: a UBL 2 document's is its own, and of anything else it says what it is.
fn root_name(namespace: &str, local: &str) -> String {
    match namespace.strip_prefix(UBL).and_then(|document| document.strip_prefix(local)) {
        Some("-2") => local.to_owned(),
        Some(version) if version.starts_with('-') => format!("a UBL {local} of version {}", &version[1..]),
        _ => format!("<{local}> of the namespace '{namespace}'"),
    }
}
