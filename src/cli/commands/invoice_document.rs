//! An invoice's document, held to what the ledger says before anything is signed.
//!
//! # Invariants
//! * Nobody confirms by a document whose amount, currency, due date or parties are not those of the receivable.
//!
//! # Deliberately absent
//! The ledger's own rules. It never sees the document, so what only a reader of it can notice is noticed here or nowhere.

use super::documents::UblFile;
use super::pair::Companies;
use crate::cli::failure::Failure;
use crate::cli::output::money;
use crate::client::ubl::UblInvoice;
use crate::domain::trade::fingerprint;
use crate::primitives::{Amount, BlockTime, Hash};
use jiff::civil::Date;
use std::path::{Path, PathBuf};

/// A document as one of the parties has it.
#[derive(Debug)]
pub struct InvoiceDocument {
    path: PathBuf,
    /// The bytes that the commitment is to.
    pub bytes: Vec<u8>,
    /// What it says.
    pub invoice: UblInvoice,
}

/// What a receivable says that its document must say too.
#[derive(Clone, Debug)]
pub struct Owed {
    /// The face amount.
    pub amount: Amount,
    /// The token in which it is paid.
    pub token: String,
    /// That token's currency.
    pub currency: String,
    /// That token's decimals.
    pub scale: u32,
    /// When it is due, in ms of the Unix epoch.
    pub due_at_ms: u64,
}

impl InvoiceDocument {
    /// Reads a UBL file.
    ///
    /// # Errors
    /// It cannot be read, or is no invoice: everything that is wrong with it.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let UblFile { path, bytes, content: invoice } = UblFile::read(path, UblInvoice::read_thoroughly)?;
        Ok(Self { path, bytes, invoice })
    }

    /// When it is due: at the start of the day that was agreed on, or else of the day that it names.
    ///
    /// # Errors
    /// Neither is there.
    pub fn due_at_ms(&self, agreed: Option<Date>) -> Result<u64, Failure> {
        let due = agreed.or(self.invoice.due_date).and_then(|date| date.to_zoned(jiff::tz::TimeZone::UTC).ok());
        let due_at_ms = due.and_then(|due| u64::try_from(due.timestamp().as_millisecond()).ok());
        due_at_ms.ok_or_else(|| Failure::Usage("the invoice says no due date; give --due DATE".into()))
    }

    /// The fingerprint of what it says between these companies.
    ///
    /// # Errors
    /// Its amount is finer than its currency.
    pub fn fingerprint(&self, key: &[u8; 32], companies: &Companies) -> Result<Hash, Failure> {
        Ok(fingerprint(key, &self.invoice.facts(&companies.supplier, &companies.buyer)?))
    }

    /// Holds its parties to the companies of their accounts.
    ///
    /// # Errors
    /// Those of [`Companies::require`].
    pub fn require_parties(&self, companies: &Companies, without_company_ids: bool) -> Result<(), Failure> {
        companies.require(&self.path, &self.invoice.supplier, &self.invoice.buyer, without_company_ids)
    }

    /// Holds a receivable's fingerprint to the document.
    ///
    /// # Errors
    /// It is of another document, or under another key; what not to do then.
    pub fn require_fingerprint(
        &self,
        on_ledger: &[u8],
        key: &[u8; 32],
        companies: &Companies,
        advice: &str,
    ) -> Result<(), Failure> {
        match self.fingerprint(key, companies)?.0[..] == *on_ledger {
            true => Ok(()),
            false => Err(Failure::Failed(format!(
                "the registered fingerprint is not that of {}: its number or issue date differs, or it was made under another \
                 key than the pair's. {advice}",
                self.path.display()
            ))),
        }
    }

    /// Holds what a receivable says to what the document says.
    ///
    /// # Errors
    /// The first difference, with both figures.
    pub fn require_owed(&self, owed: &Owed, agreed: Option<Date>) -> Result<(), Failure> {
        let differs = |what: &str, ledger: &str, document: &str| {
            let path = self.path.display();
            Err(Failure::Failed(format!("{what} is {ledger} on the ledger and {document} in {path}. Do not confirm")))
        };
        let said = format!("{} {}", self.invoice.payable_amount, self.invoice.currency.as_str());
        let on_ledger = money(owed.amount, Some(&owed.token), Some(owed.scale));
        if self.invoice.currency.as_str() != owed.currency {
            return differs("the currency", &format!("{} ({on_ledger})", owed.currency), &said);
        }
        if self.invoice.payable_amount.minor_units(owed.scale).ok() != Some(owed.amount.minor_units()) {
            return differs("the amount", &on_ledger, &said);
        }
        let due_at_ms = self.due_at_ms(agreed)?;
        if due_at_ms != owed.due_at_ms {
            let (ledger, document) = (BlockTime(owed.due_at_ms).to_string(), BlockTime(due_at_ms).to_string());
            return match agreed {
                None => differs("the due date", &ledger, &format!("{document} (--due DATE if another was agreed on)")),
                Some(_) => Err(Failure::Failed(format!(
                    "the due date is {ledger} on the ledger, not {document}. Do not confirm"
                ))),
            };
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = include_str!("../../sandbox/documents/invoice.xml");

    fn document() -> InvoiceDocument {
        let text = OWN
            .replace("{number}", "1")
            .replace("{order_number}", "PO-1")
            .replace("{issue_date}", "2026-11-01")
            .replace("{due_date}", "2026-12-01");
        let invoice = UblInvoice::read(text.as_bytes()).expect("an invoice");
        InvoiceDocument { path: "invoice.xml".into(), bytes: text.into_bytes(), invoice }
    }

    fn owed() -> Owed {
        let due_at_ms = document().due_at_ms(None).expect("it names one");
        let (token, currency) = ("HKDX".to_owned(), "HKD".to_owned());
        Owed { amount: Amount::new(4_860_000), token, currency, scale: 2, due_at_ms }
    }

    #[test]
    fn a_receivable_is_held_to_its_document_and_both_figures_are_told() {
        document().require_owed(&owed(), None).expect("it is the same");
        let day = 24 * 60 * 60 * 1_000;
        for (changed, told) in [
            (Owed { amount: Amount::new(48_600_000), ..owed() }, ["486,000.00 HKDX", "48600 HKD"]),
            (Owed { currency: "USD".into(), token: "USDX".into(), ..owed() }, ["48,600.00 USDX", "48600 HKD"]),
            (Owed { due_at_ms: owed().due_at_ms - day, ..owed() }, ["2026-11-30", "2026-12-01"]),
        ] {
            let refused = document().require_owed(&changed, None).expect_err("another").to_string();
            assert!(told.iter().all(|figure| refused.contains(figure)), "{refused}");
        }
        // Another day than the document's counts only where the buyer says so itself.
        let later = Owed { due_at_ms: owed().due_at_ms + day, ..owed() };
        document().require_owed(&later, Some(jiff::civil::date(2026, 12, 2))).expect("agreed on");
        assert!(document().require_owed(&later, Some(jiff::civil::date(2026, 12, 3))).is_err());
    }

    #[test]
    fn parties_are_the_accounts_companies_or_it_is_said_that_nobody_can_tell() {
        let companies =
            |supplier: &str, buyer: &str| Companies { supplier: supplier.to_owned(), buyer: buyer.to_owned() };
        let right = companies("HKBR:70000011", "HKBR:70000010");
        document().require_parties(&right, false).expect("the same companies");
        for wrong in [companies("HKBR:70000010", "HKBR:70000011"), companies("HKBR:70000011", "LEI:70000010")] {
            for without in [false, true] {
                let refused = document().require_parties(&wrong, without).expect_err("another company").to_string();
                assert!(refused.contains("another company"), "{refused}");
            }
        }
        let mut silent = document();
        silent.invoice.buyer.legal_id_scheme = None;
        let refused = silent.require_parties(&right, false).expect_err("it does not say").to_string();
        assert!(refused.contains("--without-company-ids") && refused.contains("for the buyer"), "{refused}");
        silent.require_parties(&right, true).expect("it was compared by hand");
        silent.invoice.buyer.legal_id = Some("70000099".to_owned());
        assert!(silent.require_parties(&right, true).is_err(), "not even the number is the account's");
    }
}
