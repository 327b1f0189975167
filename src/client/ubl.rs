//! UBL invoices at the edge: reads an OASIS UBL 2.x `Invoice` into the facts that a receivable is made of.
//!
//! The document itself stays with its parties. What leaves here is a handful of facts and the hash of the bytes; the
//! client makes the fingerprint and the salted commitment of them.
//!
//! # What is read
//! Elements are told by namespace, never by prefix, and named in errors with the prefixes that the standard uses:
//!
//! | fact | element |
//! |---|---|
//! | number | `cbc:ID` |
//! | issue date | `cbc:IssueDate` |
//! | due date | `cbc:DueDate`, else the one `cac:PaymentMeans/cbc:PaymentDueDate` |
//! | currency | `cbc:DocumentCurrencyCode`, else the `currencyID` of the payable amount |
//! | payable amount | `cac:LegalMonetaryTotal/cbc:PayableAmount` |
//! | parties | `cac:AccountingSupplierParty`, `cac:AccountingCustomerParty`, each `/cac:Party/cac:PartyLegalEntity` |
//!
//! # Foreign input
//! A document is refused, never repaired: a document type declaration or an entity of one's own (whatever it expands to,
//! it is not expanded), more than 16 MiB, elements nested deeper than 64, a fact twice, an amount that a token of the given
//! scale cannot hold exactly. Each refusal names the element and says what to do.
//!
//! # Deliberately absent
//! Validation against the schema, tax arithmetic, invoice lines: the parties' own systems did that, and the buyer
//! confirms the total that is owed.

use crate::domain::trade::InvoiceFacts;
use crate::primitives::crypto::sha256;
use crate::primitives::{Currency, Hash};
use jiff::civil::Date;
use std::fmt;
use thiserror::Error;

mod document;

/// Largest document: an invoice with its scanned attachments embedded.
pub const DOCUMENT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Deepest nesting: UBL's own documents stay below 16.
pub const DEPTH_MAX: usize = 64;
/// Longest text of a fact, in bytes: names of companies are the longest.
pub const FACT_BYTES_MAX: usize = 512;
/// Longest start tag, in bytes, so that checking its attributes against each other stays cheap.
pub const TAG_BYTES_MAX: usize = 16 * 1024;
/// Most digits of an amount.
const DIGITS_MAX: usize = 30;

/// Why a document is not an invoice that a receivable can be made of.
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
    #[error("{path} is nested more than {DEPTH_MAX} elements deep, which no UBL invoice is: export it again")]
    TooDeep {
        /// In which element.
        path: String,
    },
    /// Another document.
    #[error("the document is {found}, not a UBL 2.x Invoice: give the invoice that was sent for it")]
    NotAnInvoice {
        /// What it is.
        found: String,
    },
    /// A fact is not there.
    #[error("{path} is missing or empty: it must be filled in")]
    Missing {
        /// Where it belongs.
        path: &'static str,
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
    #[error(
        "{path} is in {amount} and the document in {document}: the payable amount must be in the document's currency"
    )]
    CurrencyMismatch {
        /// The element.
        path: &'static str,
        /// The document's currency.
        document: Currency,
        /// The amount's.
        amount: Currency,
    },
    /// An amount below zero.
    #[error(
        "{path} is '{value}', below zero: the supplier owes it, so it is no receivable; send a credit note instead"
    )]
    Negative {
        /// The element.
        path: String,
        /// Its text.
        value: String,
    },
    /// An amount finer than the token.
    #[error("the payable amount {value} has more than {scale} decimals, and is not rounded: correct the invoice")]
    TooPrecise {
        /// The amount.
        value: Decimal,
        /// How many decimals there can be.
        scale: u32,
    },
    /// An amount past what a ledger can hold.
    #[error("the payable amount {value} is more than a token of {scale} decimals can hold: split the invoice")]
    AmountTooLarge {
        /// The amount.
        value: Decimal,
        /// The token's decimals.
        scale: u32,
    },
}

/// A decimal number that is not negative, exact: `digits / 10^scale`, without trailing zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal {
    digits: u128,
    scale: u32,
}

impl Decimal {
    /// Reads an `xsd:decimal` without a sign; `None` if it is none, or longer than any amount is.
    fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let fraction = fraction.trim_end_matches('0');
        let digits = [whole, fraction].concat();
        let numeral =
            text.bytes().any(|byte| byte.is_ascii_digit()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !numeral || text.len() > DIGITS_MAX {
            return None;
        }
        let scale = u32::try_from(fraction.len()).ok()?;
        // `.00` leaves no digit over, and is zero.
        let digits = if digits.is_empty() { 0 } else { digits.parse().ok()? };
        Some(Self { digits, scale })
    }

    /// The number in units of `10^-scale`, exactly.
    ///
    /// # Errors
    /// `TooPrecise` if it has more decimals, trailing zeros not counted; `AmountTooLarge` past `u64`.
    pub fn minor_units(self, scale: u32) -> Result<u64, UblError> {
        let shift = scale.checked_sub(self.scale).ok_or(UblError::TooPrecise { value: self, scale })?;
        10u128
            .checked_pow(shift)
            .and_then(|factor| self.digits.checked_mul(factor))
            .and_then(|units| u64::try_from(units).ok())
            .ok_or(UblError::AmountTooLarge { value: self, scale })
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scale = self.scale as usize;
        let digits = format!("{:0width$}", self.digits, width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        if fraction.is_empty() { f.write_str(whole) } else { write!(f, "{whole}.{fraction}") }
    }
}

/// One of the two parties.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UblParty {
    /// The registered name, else the trading name.
    pub name: String,
    /// The company's id (`cac:PartyLegalEntity/cbc:CompanyID`), if the document gives one.
    pub legal_id: Option<String>,
    /// The register that the id is of (`@schemeID`), if the document says so.
    pub legal_id_scheme: Option<String>,
}

impl UblParty {
    /// The company as accounts name it: `REGISTER:ID`, in capital letters and digits, whatever else the document writes in
    /// between. `None` if the document does not give both.
    pub fn legal_entity_id(&self) -> Option<String> {
        let plain = |text: &String| -> String {
            text.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_uppercase()).collect()
        };
        let (register, id) = (plain(self.legal_id_scheme.as_ref()?), plain(self.legal_id.as_ref()?));
        (!register.is_empty() && !id.is_empty()).then(|| format!("{register}:{id}"))
    }
}

/// What an invoice says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UblInvoice {
    /// Its number, as printed.
    pub number: String,
    /// The day of issue.
    pub issue_date: Date,
    /// The day by which it is to be paid, if it says so.
    pub due_date: Option<Date>,
    /// The currency of its amounts.
    pub currency: Currency,
    /// What is to be paid.
    pub payable_amount: Decimal,
    /// Who delivered and is paid.
    pub supplier: UblParty,
    /// Who owes.
    pub buyer: UblParty,
    /// The hash of the document's exact bytes.
    pub document_sha256: Hash,
}

impl UblInvoice {
    /// Reads an invoice.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn read(bytes: &[u8]) -> Result<Self, UblError> {
        if bytes.len() > DOCUMENT_BYTES_MAX {
            return Err(UblError::DocumentTooLarge { bytes: bytes.len() });
        }
        let text = std::str::from_utf8(bytes).map_err(|error| UblError::Encoding { found: error.to_string() })?;
        document::read(text)?.into_invoice(sha256(bytes))
    }

    /// The facts that the invoice's fingerprint is over, between the legal entities that the parties' accounts name.
    ///
    /// The parties' ids come from the ledger, since a document may leave them out or write them in its own way; whether
    /// they are the document's parties is for the caller to check.
    ///
    /// # Errors
    /// A payable amount that has more decimals than its currency.
    pub fn facts(&self, supplier_legal_id: &str, buyer_legal_id: &str) -> Result<InvoiceFacts, UblError> {
        let decimals = iso_currency::Currency::from_code(self.currency.as_str()).and_then(|found| found.exponent());
        Ok(InvoiceFacts {
            supplier_legal_id: supplier_legal_id.to_owned(),
            buyer_legal_id: buyer_legal_id.to_owned(),
            number: self.number.clone(),
            issue_date: self.issue_date,
            currency: self.currency,
            // A `Currency` is one that has a minor unit.
            amount_minor: self.payable_amount.minor_units(decimals.map_or(0, u32::from))?,
        })
    }
}

#[cfg(test)]
mod tests;
