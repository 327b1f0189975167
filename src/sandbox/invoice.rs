//! The invoice of the scenario: the UBL file that `CAUSEWAY_DOCUMENTS` names, or one of our own. An invoice is registered once
//! on a ledger, so a sandbox that is run again with the same files takes the next, and in the end its own.

use super::SandboxError;
use super::directory::SandboxDirectory;
use crate::client::ubl::UblInvoice;
use crate::ledger::legal_entity::check_legal_entity_id;
use std::path::{Path, PathBuf};

/// A UBL file, or a directory of which the first invoice counts that the ledger does not have.
const VARIABLE: &str = "CAUSEWAY_DOCUMENTS";
const OWN_INVOICE: &str = include_str!("invoice.xml");

/// An invoice with its exact bytes.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its file, or what it is.
    pub name: String,
    /// The bytes that its hash is of.
    pub bytes: Vec<u8>,
    /// What it says.
    pub invoice: UblInvoice,
    /// Whether it is the sandbox's, and not the user's.
    is_own: bool,
}

impl Document {
    /// The invoices that the environment names, in the order of their files; or our own. At least one.
    ///
    /// # Errors
    /// There is no invoice where the environment says.
    pub fn candidates() -> Result<Vec<Self>, SandboxError> {
        match std::env::var_os(VARIABLE) {
            Some(path) => Self::find(Path::new(&path)),
            None => Ok(vec![Self::own()?]),
        }
    }

    /// Our own, with a number that this ledger has not seen.
    ///
    /// # Errors
    /// None that has been seen: it is part of the program.
    pub fn own() -> Result<Self, SandboxError> {
        let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
        let due = today.saturating_add(jiff::Span::new().days(60));
        // The second of the run makes the number: an invoice becomes a receivable once.
        let number = format!("CW-{}", jiff::Timestamp::now().as_second());
        let text = OWN_INVOICE
            .replace("{number}", &number)
            .replace("{issue_date}", &today.to_string())
            .replace("{due_date}", &due.to_string());
        Self::of("the sandbox's own".to_owned(), text.into_bytes(), true)
    }

    /// Writes our own to where people find it; a document that was given is where it is.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn keep_sample(&self, directory: &SandboxDirectory) -> Result<(), SandboxError> {
        if !self.is_own {
            return Ok(());
        }
        let path = directory.path().join("invoice.xml");
        std::fs::write(&path, &self.bytes).map_err(|cause| SandboxError::unwritable(&path, &cause))
    }

    fn find(path: &Path) -> Result<Vec<Self>, SandboxError> {
        if !path.is_dir() {
            return Ok(vec![Self::read(path)?]);
        }
        let invalid = |why: String| SandboxError::Invoice { document: path.display().to_string(), why };
        let entries = std::fs::read_dir(path).map_err(|error| invalid(error.to_string()))?;
        let mut files: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "xml"));
        files.sort();
        let invoices: Vec<Self> = files.iter().filter_map(|file| Self::read(file).ok()).collect();
        match invoices.is_empty() {
            false => Ok(invoices),
            true => Err(invalid(format!("none of its {} XML files is a UBL invoice", files.len()))),
        }
    }

    fn read(path: &Path) -> Result<Self, SandboxError> {
        let name = path.display().to_string();
        let unreadable =
            |error: std::io::Error| SandboxError::Invoice { document: name.clone(), why: error.to_string() };
        let bytes = std::fs::read(path).map_err(unreadable)?;
        Self::of(name, bytes, false)
    }

    fn of(name: String, bytes: Vec<u8>, is_own: bool) -> Result<Self, SandboxError> {
        match UblInvoice::read(&bytes) {
            Ok(invoice) => Ok(Self { name, bytes, invoice, is_own }),
            Err(error) => Err(SandboxError::Invoice { document: name, why: error.to_string() }),
        }
    }

    /// The supplier's company as the document names it, if it fits an account.
    pub fn supplier_legal_id(&self) -> Option<String> {
        self.invoice.supplier.legal_entity_id().filter(|id| check_legal_entity_id(id).is_ok())
    }

    /// The buyer's company as the document names it, if it fits an account.
    pub fn buyer_legal_id(&self) -> Option<String> {
        self.invoice.buyer.legal_entity_id().filter(|id| check_legal_entity_id(id).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_invoice_is_one() {
        let document = Document::own().expect("an invoice");
        assert_eq!(document.invoice.currency.as_str(), "HKD");
        assert_eq!(document.supplier_legal_id().as_deref(), Some("HKBR:70000011"));
        assert_eq!(document.buyer_legal_id().as_deref(), Some("HKBR:70000010"));
        assert!(document.invoice.due_date.is_some());
        assert_eq!(document.invoice.payable_amount.minor_units(2), Ok(4_860_000));
    }

    #[test]
    fn every_invoice_of_a_directory_is_tried_in_order() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let text = Document::own().expect("an invoice").bytes;
        for name in ["b.xml", "a.xml", "c.txt"] {
            std::fs::write(root.path().join(name), &text).expect("written");
        }
        std::fs::write(root.path().join("0.xml"), "<a/>").expect("written");
        let found = Document::find(root.path()).expect("invoices");
        let names: Vec<&str> = found.iter().filter_map(|document| document.name.rsplit('/').next()).collect();
        assert_eq!(names, ["a.xml", "b.xml"]);
    }

    #[test]
    fn a_directory_without_an_invoice_says_so() {
        let root = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(root.path().join("a.xml"), "<a/>").expect("written");
        let refused = Document::find(root.path()).expect_err("no invoice").to_string();
        assert!(refused.contains("none of its 1 XML files"), "{refused}");
    }
}
