//! The walk through the XML: one pass, a path of standard names, and the facts that lie on it.

use super::{DEPTH_MAX, Decimal, FACT_BYTES_MAX, TAG_BYTES_MAX, UblError, UblInvoice, UblParty};
use crate::primitives::{Currency, Hash};
use jiff::civil::Date;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::name::{Namespace, ResolveResult};
use quick_xml::{NsReader, XmlVersion};
use std::collections::BTreeMap;

const UBL: &str = "urn:oasis:names:specification:ubl:schema:xsd:";

const VERSION: &str = "Invoice/cbc:UBLVersionID";
const NUMBER: &str = "Invoice/cbc:ID";
const ISSUE_DATE: &str = "Invoice/cbc:IssueDate";
const DUE_DATE: &str = "Invoice/cbc:DueDate";
const PAYMENT_DUE_DATE: &str = "Invoice/cac:PaymentMeans/cbc:PaymentDueDate";
const CURRENCY: &str = "Invoice/cbc:DocumentCurrencyCode";
const PAYABLE: &str = "Invoice/cac:LegalMonetaryTotal/cbc:PayableAmount";
const PAYABLE_CURRENCY: &str = "Invoice/cac:LegalMonetaryTotal/cbc:PayableAmount/@currencyID";

/// The paths of a party's facts.
struct PartyPaths {
    registered_name: &'static str,
    trading_name: &'static str,
    legal_id: &'static str,
    legal_id_scheme: &'static str,
}

const SUPPLIER: PartyPaths = PartyPaths {
    registered_name: "Invoice/cac:AccountingSupplierParty/cac:Party/cac:PartyLegalEntity/cbc:RegistrationName",
    trading_name: "Invoice/cac:AccountingSupplierParty/cac:Party/cac:PartyName/cbc:Name",
    legal_id: "Invoice/cac:AccountingSupplierParty/cac:Party/cac:PartyLegalEntity/cbc:CompanyID",
    legal_id_scheme: "Invoice/cac:AccountingSupplierParty/cac:Party/cac:PartyLegalEntity/cbc:CompanyID/@schemeID",
};

const BUYER: PartyPaths = PartyPaths {
    registered_name: "Invoice/cac:AccountingCustomerParty/cac:Party/cac:PartyLegalEntity/cbc:RegistrationName",
    trading_name: "Invoice/cac:AccountingCustomerParty/cac:Party/cac:PartyName/cbc:Name",
    legal_id: "Invoice/cac:AccountingCustomerParty/cac:Party/cac:PartyLegalEntity/cbc:CompanyID",
    legal_id_scheme: "Invoice/cac:AccountingCustomerParty/cac:Party/cac:PartyLegalEntity/cbc:CompanyID/@schemeID",
};

/// The elements that are read, each with the attribute of it that is.
const FACTS: [(&str, Option<(&str, &str)>); 13] = [
    (VERSION, None),
    (NUMBER, None),
    (ISSUE_DATE, None),
    (DUE_DATE, None),
    (PAYMENT_DUE_DATE, None),
    (CURRENCY, None),
    (PAYABLE, Some(("currencyID", PAYABLE_CURRENCY))),
    (SUPPLIER.registered_name, None),
    (SUPPLIER.trading_name, None),
    (SUPPLIER.legal_id, Some(("schemeID", SUPPLIER.legal_id_scheme))),
    (BUYER.registered_name, None),
    (BUYER.trading_name, None),
    (BUYER.legal_id, Some(("schemeID", BUYER.legal_id_scheme))),
];

/// Facts of which the standard allows several.
const REPEATABLE: [&str; 3] = [PAYMENT_DUE_DATE, SUPPLIER.trading_name, BUYER.trading_name];

/// The facts' texts by their paths, trimmed, never empty.
#[derive(Debug, Default)]
pub(super) struct Facts(BTreeMap<&'static str, Vec<String>>);

/// The walk: where it is, and what it has found.
#[derive(Default)]
struct Walk {
    /// The names from the root to here, with the standard's prefixes.
    names: Vec<String>,
    /// The fact whose element is open, and its text so far.
    open: Option<(&'static str, String)>,
    /// Whether the root was closed.
    done: bool,
    facts: Facts,
}

/// Reads the facts of a document.
pub(super) fn read(text: &str) -> Result<Facts, UblError> {
    let mut reader = NsReader::from_str(text);
    let config = reader.config_mut();
    config.check_comments = true;
    config.expand_empty_elements = true;
    let mut walk = Walk::default();
    loop {
        let offset = reader.buffer_position();
        let malformed = |walk: &Walk, why: String| UblError::Malformed { offset, path: walk.path(), why };
        let (namespace, event) = reader.read_resolved_event().map_err(|error| malformed(&walk, error.to_string()))?;
        match event {
            Event::Start(start) => walk.enter(&namespace, &start, offset)?,
            Event::End(_) => walk.leave()?,
            Event::Text(text) => walk.text(&text.xml10_content(), offset)?,
            Event::CData(text) => walk.text(&text.xml10_content(), offset)?,
            Event::GeneralRef(reference) => walk.reference(&reference, offset)?,
            Event::DocType(_) => return Err(UblError::DocumentType),
            Event::Decl(declaration) => match declaration.encoding() {
                None => {}
                Some(Ok(name)) if ["utf-8", "us-ascii"].contains(&name.to_ascii_lowercase().as_str()) => {}
                Some(Ok(name)) => return Err(UblError::Encoding { found: name.into_owned() }),
                Some(Err(error)) => return Err(malformed(&walk, error.to_string())),
            },
            Event::Comment(_) | Event::PI(_) => {}
            Event::Empty(_) => return Err(malformed(&walk, "an element was not expanded".to_owned())),
            Event::Eof if walk.done => return Ok(walk.facts),
            Event::Eof => return Err(malformed(&walk, "the document ends before its root element does".to_owned())),
        }
    }
}

impl Walk {
    fn path(&self) -> String {
        if self.names.is_empty() { "the document".to_owned() } else { self.names.join("/") }
    }

    fn malformed(&self, offset: u64, why: impl ToString) -> UblError {
        UblError::Malformed { offset, path: self.path(), why: why.to_string() }
    }

    fn enter(&mut self, namespace: &ResolveResult<'_>, start: &BytesStart<'_>, offset: u64) -> Result<(), UblError> {
        if start.len() > TAG_BYTES_MAX {
            return Err(self.malformed(offset, format_args!("a start tag has more than {TAG_BYTES_MAX} bytes")));
        }
        if let Some((fact, _)) = &self.open {
            return Err(self.malformed(offset, format_args!("{fact} must hold text and no elements")));
        }
        let local = start.local_name().into_inner();
        let name = match namespace {
            ResolveResult::Bound(Namespace(uri)) => standard_name(uri, local),
            ResolveResult::Unbound => format!("{{}}{local}"),
            ResolveResult::Unknown(prefix) => {
                return Err(self.malformed(offset, format_args!("the prefix '{prefix}' is bound to no namespace")));
            }
        };
        if self.names.is_empty() {
            if self.done {
                return Err(self.malformed(offset, "there is a second root element"));
            }
            require_invoice(namespace, local)?;
        }
        self.names.push(name);
        if self.names.len() > DEPTH_MAX {
            return Err(UblError::TooDeep { path: self.path() });
        }
        self.attributes(start, offset)
    }

    /// Holds every attribute to the form of XML, and keeps the one that is a fact.
    fn attributes(&mut self, start: &BytesStart<'_>, offset: u64) -> Result<(), UblError> {
        let path = self.path();
        let fact = FACTS.iter().find(|(fact, _)| *fact == path);
        self.open = fact.map(|(fact, _)| (*fact, String::new()));
        let wanted = fact.and_then(|(_, attribute)| *attribute);
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| self.malformed(offset, error))?;
            let value =
                attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|error| self.malformed(offset, error))?;
            if let Some((_, fact)) = wanted.filter(|(name, _)| *name == attribute.key.as_ref()) {
                self.keep(fact, &value)?;
            }
        }
        Ok(())
    }

    fn leave(&mut self) -> Result<(), UblError> {
        if let Some((fact, text)) = self.open.take() {
            self.keep(fact, &text)?;
        }
        self.names.pop();
        self.done = self.names.is_empty();
        Ok(())
    }

    fn text(&mut self, text: &str, offset: u64) -> Result<(), UblError> {
        if self.names.is_empty() && !text.trim_matches(['\u{feff}', ' ', '\t', '\r', '\n']).is_empty() {
            return Err(self.malformed(offset, "there is text outside the root element"));
        }
        let Some((fact, found)) = &mut self.open else { return Ok(()) };
        found.push_str(text);
        if found.len() > FACT_BYTES_MAX {
            let value = found.chars().take(40).collect::<String>() + "...";
            return Err(UblError::Invalid { path: (*fact).to_owned(), value, expected: "at most 512 bytes long" });
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

    fn keep(&mut self, fact: &'static str, text: &str) -> Result<(), UblError> {
        let text = text.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        if text.is_empty() {
            return Ok(());
        }
        if text.chars().any(char::is_control) {
            let value = text.escape_debug().to_string();
            return Err(UblError::Invalid { path: fact.to_owned(), value, expected: "free of control characters" });
        }
        let found = self.facts.0.entry(fact).or_default();
        if !found.is_empty() && !REPEATABLE.contains(&fact) {
            return Err(UblError::Repeated { path: fact.to_owned() });
        }
        found.push(text);
        Ok(())
    }
}

/// An element's name with the prefix that the standard uses for its namespace.
fn standard_name(namespace: &str, local: &str) -> String {
    match namespace.strip_prefix(UBL) {
        Some("CommonBasicComponents-2") => format!("cbc:{local}"),
        Some("CommonAggregateComponents-2") => format!("cac:{local}"),
        Some("Invoice-2") => local.to_owned(),
        _ => format!("{{{namespace}}}{local}"),
    }
}

fn require_invoice(namespace: &ResolveResult<'_>, local: &str) -> Result<(), UblError> {
    let found = match namespace {
        ResolveResult::Bound(Namespace(uri)) => match uri.strip_prefix(UBL) {
            Some("Invoice-2") if local == "Invoice" => return Ok(()),
            Some(document) if document.strip_suffix("-2") == Some(local) => format!("a UBL {local}"),
            _ => format!("<{local}> of the namespace '{uri}'"),
        },
        ResolveResult::Unbound | ResolveResult::Unknown(_) => format!("<{local}> of no namespace"),
    };
    Err(UblError::NotAnInvoice { found })
}

impl Facts {
    pub(super) fn into_invoice(self, document_sha256: Hash) -> Result<UblInvoice, UblError> {
        if let Some(version) = self.first(VERSION).filter(|version| !version.starts_with("2.")) {
            return Err(UblError::NotAnInvoice { found: format!("a UBL Invoice of version {version}") });
        }
        let number = self.required(NUMBER)?.to_owned();
        let issue_date = date(ISSUE_DATE, self.required(ISSUE_DATE)?)?;
        let due_date = self.due_date()?;
        let (payable_amount, currency) = self.payable()?;
        let (supplier, buyer) = (self.party(&SUPPLIER)?, self.party(&BUYER)?);
        Ok(UblInvoice { number, issue_date, due_date, currency, payable_amount, supplier, buyer, document_sha256 })
    }

    fn first(&self, path: &str) -> Option<&str> {
        self.0.get(path).and_then(|texts| texts.first()).map(String::as_str)
    }

    fn required(&self, path: &'static str) -> Result<&str, UblError> {
        self.first(path).ok_or(UblError::Missing { path })
    }

    /// The due date. Several means of payment may each repeat it; if they differ, the invoice is paid in instalments, and
    /// no one of them is the receivable's.
    fn due_date(&self) -> Result<Option<Date>, UblError> {
        if let Some(text) = self.first(DUE_DATE) {
            return date(DUE_DATE, text).map(Some);
        }
        let mut due = None;
        for text in self.0.get(PAYMENT_DUE_DATE).into_iter().flatten() {
            let found = date(PAYMENT_DUE_DATE, text)?;
            if due.is_some_and(|due| due != found) {
                return Err(UblError::Repeated { path: PAYMENT_DUE_DATE.to_owned() });
            }
            due = Some(found);
        }
        Ok(due)
    }

    fn payable(&self) -> Result<(Decimal, Currency), UblError> {
        let text = self.required(PAYABLE)?;
        let amount = currency(PAYABLE_CURRENCY, self.required(PAYABLE_CURRENCY)?)?;
        let document = self.first(CURRENCY).map_or(Ok(amount), |text| currency(CURRENCY, text))?;
        if document != amount {
            return Err(UblError::CurrencyMismatch { path: PAYABLE, document, amount });
        }
        let (path, value) = (PAYABLE.to_owned(), text.to_owned());
        let unsigned = text.strip_prefix('-');
        match Decimal::parse(unsigned.unwrap_or(text.strip_prefix('+').unwrap_or(text))) {
            None => Err(UblError::Invalid { path, value, expected: "a decimal number such as 1250.00" }),
            Some(_) if unsigned.is_some() => Err(UblError::Negative { path, value }),
            Some(payable) => Ok((payable, amount)),
        }
    }

    fn party(&self, paths: &PartyPaths) -> Result<UblParty, UblError> {
        let name = self.first(paths.registered_name).or_else(|| self.first(paths.trading_name));
        let name = name.ok_or(UblError::Missing { path: paths.registered_name })?.to_owned();
        let legal_id = self.first(paths.legal_id).map(str::to_owned);
        let legal_id_scheme = self.first(paths.legal_id_scheme).map(str::to_owned);
        Ok(UblParty { name, legal_id, legal_id_scheme })
    }
}

fn currency(path: &str, text: &str) -> Result<Currency, UblError> {
    text.parse().map_err(|_| UblError::Invalid {
        path: path.to_owned(),
        value: text.to_owned(),
        expected: "the ISO 4217 code of a currency, such as HKD",
    })
}

/// An `xsd:date`: `YYYY-MM-DD`, and maybe a time zone, which a day of business does not need.
fn date(path: &str, text: &str) -> Result<Date, UblError> {
    let day = text.get(..10).filter(|day| day.bytes().enumerate().all(is_of_a_day));
    let zoned = matches!(text.get(10..), Some("" | "Z")) || text.get(10..).is_some_and(is_an_offset);
    day.filter(|_| zoned).and_then(|day| day.parse().ok()).ok_or_else(|| UblError::Invalid {
        path: path.to_owned(),
        value: text.to_owned(),
        expected: "a date, as YYYY-MM-DD",
    })
}

fn is_of_a_day((place, byte): (usize, u8)) -> bool {
    if matches!(place, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() }
}

fn is_an_offset(text: &str) -> bool {
    let form = |(place, byte): (usize, u8)| match place {
        0 => matches!(byte, b'+' | b'-'),
        3 => byte == b':',
        _ => byte.is_ascii_digit(),
    };
    text.len() == 6 && text.bytes().enumerate().all(form)
}
