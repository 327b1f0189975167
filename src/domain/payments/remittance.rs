//! Remittance: the payer's words about a payment, in the terms of ISO 20022 (`pacs.008`), so that a bank's systems carry
//! them on unchanged.

use crate::ledger::limits::{INVOICE_REFERENCES_MAX, REFERENCE_BYTES_MAX};
use crate::ledger::malformed::{Malformed, require_reference};

/// Longest purpose code: `ExternalPurpose1Code` has 1 to 4 characters.
pub const PURPOSE_CODE_BYTES_MAX: usize = 4;

/// What a payment is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remittance {
    /// The payer's own id of the payment (`EndToEndId`), passed on unchanged, at most 35 bytes; empty for none.
    pub end_to_end_id: String,
    /// An ISO 20022 external purpose code of 1 to 4 of `A`-`Z` and `0`-`9`, such as `SUPP`; empty for none.
    ///
    /// The form is checked and the list is not: ISO extends it every quarter, and validators must agree for ever.
    pub purpose_code: String,
    /// Numbers of the invoices paid, at most 16, each 1 to 35 bytes.
    pub invoice_references: Vec<String>,
}

impl Remittance {
    /// Holds every field to its bounds.
    ///
    /// # Errors
    /// The first field that is out of bounds.
    pub fn check(&self) -> Result<(), Malformed> {
        let malformed = |field, why| Err(Malformed::new(field, why));
        check_reference("remittance.end_to_end_id", &self.end_to_end_id)?;
        let of_the_code = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
        if self.purpose_code.len() > PURPOSE_CODE_BYTES_MAX || !self.purpose_code.bytes().all(of_the_code) {
            return malformed("remittance.purpose_code", "it must be 1 to 4 of A-Z and 0-9, or empty");
        }
        if self.invoice_references.len() > INVOICE_REFERENCES_MAX {
            return malformed("remittance.invoice_references", "there must be at most 16");
        }
        for reference in &self.invoice_references {
            if reference.is_empty() {
                return malformed("remittance.invoice_references", "none may be empty");
            }
            check_reference("remittance.invoice_references", reference)?;
        }
        Ok(())
    }
}

/// Holds an identifier of the parties' own to its bounds: at most 35 bytes (`Max35Text`), all of which show, since no bank's system would
/// pass on a control character, and one invoice has one number.
///
/// # Errors
/// Names the field.
pub fn check_reference(field: &'static str, reference: &str) -> Result<(), Malformed> {
    require_reference(field, reference, 0, REFERENCE_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remittance(end_to_end_id: &str, purpose_code: &str, references: &[&str]) -> Remittance {
        Remittance {
            end_to_end_id: end_to_end_id.to_owned(),
            purpose_code: purpose_code.to_owned(),
            invoice_references: references.iter().map(|&reference| reference.to_owned()).collect(),
        }
    }

    #[test]
    fn bounds_are_those_of_iso_20022() {
        let (longest, too_long) = ("x".repeat(35), "x".repeat(36));
        for good in [
            remittance("", "", &[]),
            remittance(&longest, "SUPP", &[longest.as_str(); 16]),
            remittance("E2E-1", "A1", &["INV 7/2026", "发票-8"]),
        ] {
            assert_eq!(good.check(), Ok(()), "{good:?}");
        }
        for (bad, field) in [
            (remittance(&too_long, "", &[]), "remittance.end_to_end_id"),
            (remittance("a\nb", "", &[]), "remittance.end_to_end_id"),
            (remittance("E2E\u{200b}-1", "", &[]), "remittance.end_to_end_id"),
            (remittance("", "", &["QX-1", "QX\u{2060}-1"]), "remittance.invoice_references"),
            // 35 characters, but 36 bytes.
            (remittance(&("é".to_owned() + &"x".repeat(34)), "", &[]), "remittance.end_to_end_id"),
            (remittance("", "supp", &[]), "remittance.purpose_code"),
            (remittance("", "SUPPL", &[]), "remittance.purpose_code"),
            (remittance("", "", &["x"; 17]), "remittance.invoice_references"),
            (remittance("", "", &[""]), "remittance.invoice_references"),
            (remittance("", "", &["ok", &too_long]), "remittance.invoice_references"),
        ] {
            assert_eq!(bad.check().map_err(|malformed| malformed.field), Err(field.to_owned()), "{bad:?}");
        }
    }
}
