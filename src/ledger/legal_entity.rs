//! Legal entities: how they are written, and which account speaks for each.
//!
//! Invoices, and so their fingerprints, are told apart by the parties' legal entities. If anyone could open an account under
//! another's name, or the same company stood here under two spellings, one invoice could be registered and financed twice.
//! So an id has one form, and an entity is its first opener's: whoever opened the first account of it opens more at will,
//! and anyone else only if an open account of the entity vouches by its signature.
//!
//! # Invariants
//! * An account's legal entity id is empty or has a register entry, and the entry never changes.
//!
//! # Deliberately absent
//! Whether the first opener looked: that is the institution's duty and its licence's matter. And that one company has ids in
//! two registers: the ledger does not know which ids mean the same.

use super::limits::REFERENCE_BYTES_MAX;
use super::malformed::{Malformed, require};
use super::view::{Column, Entry};
use crate::codec_struct;
use crate::primitives::AccountId;

/// Longest legal entity id.
pub const LEGAL_ENTITY_ID_BYTES_MAX: usize = REFERENCE_BYTES_MAX;

/// Who brought a legal entity onto the ledger. Kept for ever, whatever becomes of the entity's accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LegalEntity {
    /// The account under which the first account of it was opened; of the genesis' own accounts, that account.
    pub opener: AccountId,
}
codec_struct!(LegalEntity { opener });

impl Entry for LegalEntity {
    const COLUMN: Column = Column::LegalEntities;
    /// Its id.
    type Key = String;
}

/// Holds a legal entity id to its one form: empty, or `REGISTER:ID` in capital ASCII letters and digits, such as
/// `HKBR:70000011`; behind `LEI:` an id of ISO 17442 with its check digits.
///
/// # Errors
/// Of the field `legal_entity_id`.
pub fn check_legal_entity_id(id: &str) -> Result<(), Malformed> {
    let field = "legal_entity_id";
    if id.is_empty() {
        return Ok(());
    }
    let count = id.len();
    let too_long = format!("it has {count} bytes, at most {LEGAL_ENTITY_ID_BYTES_MAX} are allowed");
    require(count <= LEGAL_ENTITY_ID_BYTES_MAX, field, too_long)?;
    let plain =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    let parts = id.split_once(':').filter(|(register, number)| plain(register) && plain(number));
    let why = "it must be empty or REGISTER:ID in capital letters and digits, such as HKBR:70000011";
    let (register, number) = parts.ok_or_else(|| Malformed::new(field, why))?;
    let why = "it must be 18 capital letters or digits and the two check digits of ISO 17442, such as \
               LEI:529900T8BM49AURSDO55";
    require(register != "LEI" || is_lei(number), field, why)
}

/// Whether capital letters and digits are a legal entity identifier of ISO 17442: letters count as 10 to 35, and the number
/// that results leaves 1 when divided by 97 (ISO/IEC 7064, MOD 97-10).
fn is_lei(text: &str) -> bool {
    let digit = |remainder: u32, character: char| {
        let value = character.to_digit(36).unwrap_or_default();
        (remainder * if value < 10 { 10 } else { 100 } + value) % 97
    };
    text.len() == 20 && text[18..].bytes().all(|byte| byte.is_ascii_digit()) && text.chars().fold(0, digit) == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_form() {
        let longest = format!("HKBR:{}", "7".repeat(30));
        for good in
            ["", "LEI:529900T8BM49AURSDO55", "LEI:HWUPKR0MPOU8FGXBT394", "HKBR:70000011", "0192:974760673", &longest]
        {
            assert_eq!(check_legal_entity_id(good), Ok(()), "{good}");
        }
        let too_long = format!("{longest}7");
        for bad in [
            "ACME",
            "LEI:",
            ":1",
            ":",
            "hkbr:70000011",
            "HKBR:7000001a",
            "HKBR: 70000011",
            " HKBR:70000011",
            "HKBR:7:1",
            "HKBR:7000-0011",
            "HKBR:\u{661}",
            "HKBR:\u{c9}",
            &too_long,
        ] {
            assert_eq!(check_legal_entity_id(bad).expect_err(bad).field, "legal_entity_id");
        }
    }

    #[test]
    fn an_lei_has_its_check_digits() {
        for bad in [
            "LEI:529900T8BM49AURSDO54",
            "LEI:529900T8BM49AURSD055",
            "LEI:259900T8BM49AURSDO55",
            "LEI:529900T8BM49AURSDO5",
            "LEI:529900T8BM49AURSDO555",
            "LEI:529900T8BM49AURSDOE5",
        ] {
            assert_eq!(check_legal_entity_id(bad).expect_err(bad).field, "legal_entity_id");
        }
    }
}
