//! Fingerprints: one hash for one invoice, which only the holders of a key can compute or check.
//!
//! Client and room share this file. It is written so that the function can be rebuilt elsewhere from this page:
//!
//! ```text
//! text(t)     = length of t in bytes as u32, big-endian || t in UTF-8
//! facts       = text(supplier_legal_id) || text(buyer_legal_id) || text(number) || text(issue_date)
//!               || text(currency) || amount_minor as u64, big-endian
//! digest      = SHA-256(23 || "causeway/fingerprint/v1" || facts)             23 is the text's length, one byte
//! fingerprint = HMAC-SHA-256(key, digest)                                     RFC 2104, key of 32 bytes
//! commitment  = SHA-256(27 || "causeway/fingerprint-key/v1" || key)
//! ```
//!
//! In Python: `hmac.new(key, hashlib.sha256(b"\x17causeway/fingerprint/v1" + facts).digest(), "sha256").digest()`.
//!
//! # Normalisation
//! An invoice must not get a second fingerprint by being typed differently:
//! * `supplier_legal_id`, `buyer_legal_id`: exactly as the accounts name them on the ledger.
//! * `number`: whitespace (space, tab, line feed, form feed, carriage return) is removed at both ends, each run of it
//!   inside becomes one space, and `a`-`z` become `A`-`Z`. All else stays, non-ASCII letters and hyphens too: what a
//!   rule for every script would do changes with each edition of Unicode, and `A-1` and `A1` may be two invoices.
//! * `issue_date`: `YYYY-MM-DD`.
//! * `currency`: the ISO 4217 code, three of `A`-`Z`.
//! * `amount_minor`: the payable amount in the *currency's* minor units by ISO 4217 (HKD and USD 2 decimals, JPY none),
//!   whatever the scale of the token it is registered in. Else a choice of token would be a choice of fingerprint.
//!
//! # Why HMAC
//! The number, date and amount of an invoice can be guessed, so a plain hash would tell an outsider who invoices whom.
//! `SHA-256(key || facts)` would do for this one encoding, whose length extensions are no facts; HMAC is a pseudorandom
//! function whatever the message, and every language's standard library has it.

use crate::primitives::crypto::{Domain, hash};
use crate::primitives::{Currency, Encode, Hash};
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::civil::Date;
use sha2::Sha256;

/// What a fingerprint is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvoiceFacts {
    /// The supplier, as its account's `legal_entity_id` has it.
    pub supplier_legal_id: String,
    /// The buyer, as its account's `legal_entity_id` has it.
    pub buyer_legal_id: String,
    /// The invoice's number, as printed.
    pub number: String,
    /// The day of issue.
    pub issue_date: Date,
    /// The currency.
    pub currency: Currency,
    /// The payable amount in the currency's minor units.
    pub amount_minor: u64,
}

impl InvoiceFacts {
    /// The facts in their one form.
    fn canonical_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.supplier_legal_id.encode(&mut bytes);
        self.buyer_legal_id.encode(&mut bytes);
        normalised_number(&self.number).encode(&mut bytes);
        self.issue_date.to_string().encode(&mut bytes);
        self.currency.as_str().encode(&mut bytes);
        self.amount_minor.encode(&mut bytes);
        bytes
    }
}

/// An invoice number in the one form that enters the fingerprint.
pub fn normalised_number(number: &str) -> String {
    number.split_ascii_whitespace().collect::<Vec<_>>().join(" ").to_ascii_uppercase()
}

/// The fingerprint of an invoice under the key of its supplier and buyer.
pub fn fingerprint(key: &[u8; 32], facts: &InvoiceFacts) -> Hash {
    let digest = hash(Domain::FINGERPRINT, &facts.canonical_bytes());
    // RFC 2104 pads a key that is shorter than the hash's block with zeros.
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    let mut mac = Hmac::<Sha256>::new(&block.into());
    mac.update(&digest.0);
    Hash(mac.finalize().into_bytes().into())
}

/// What the pair commits to before its first invoice.
pub fn key_commitment(key: &[u8; 32]) -> Hash {
    hash(Domain::FINGERPRINT_KEY, key)
}

/// What the ledger keeps of a document: `SHA-256(20 || "causeway/document/v1" || salt || document)`. The salt, 32 random
/// bytes that stay with the document, keeps short or well-known documents from being guessed.
pub fn document_commitment(salt: &[u8; 32], document: &[u8]) -> Hash {
    hash(Domain::DOCUMENT, &[salt, document].concat())
}
