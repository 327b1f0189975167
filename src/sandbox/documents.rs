//! The documents of the scenarios: those of the file or folder that `CAUSEWAY_DOCUMENTS` names, and the sandbox's own, which
//! lie in `documents/` as forms to be filled in.
//!
//! An invoice is registered once on a ledger, so a sandbox that is run again with the same files takes the next, and in the
//! end its own. An order or an event of the folder is taken where it fits the invoice; where none does, it is told why, and
//! the sandbox's own takes its place.
//!
//! # Invariants
//! * A document of the user's is never changed, nor taken for what it does not say.
//! * A folder is searched as far as [`DEPTH_MAX`] and [`FILES_MAX`] allow.

use super::SandboxError;
use super::directory::SandboxDirectory;
use crate::client::epcis::{self, EpcisDocument, ShipmentEvent};
use crate::client::ubl::{self, UblCreditNote, UblDocument, UblInvoice, UblOrder, UblOrderChange, UblParty};
use crate::domain::trade::BusinessStep;
use crate::ledger::legal_entity::check_legal_entity_id;
use jiff::civil::Date;
use std::path::{Path, PathBuf};

/// A file, or a folder.
const VARIABLE: &str = "CAUSEWAY_DOCUMENTS";
/// How deep a folder is searched.
const DEPTH_MAX: usize = 3;
/// How many files of a folder are looked at.
const FILES_MAX: usize = 1_000;
/// How many documents that do not fit are told of.
const MISFITS_TOLD_MAX: usize = 5;
/// The decimals by which two amounts of a currency are compared: more than any currency has.
const COMPARED_DECIMALS: u32 = 6;
/// How many days after the order its goods are to be delivered.
const DELIVERY_DAYS: i64 = 14;
/// What the credit note among the samples takes off.
const SAMPLE_CREDIT: &str = "3000.00";

const OWN_INVOICE: &str = include_str!("documents/invoice.xml");
const OWN_ORDER: &str = include_str!("documents/order.xml");
const OWN_ORDER_CHANGE: &str = include_str!("documents/order-change.xml");
const OWN_CREDIT_NOTE: &str = include_str!("documents/credit-note.xml");
const OWN_DEPARTURE: &str = include_str!("documents/departure.jsonld");

/// A document with its exact bytes.
#[derive(Clone, Debug)]
pub struct Document<T> {
    /// Its file, or what it is.
    pub name: String,
    /// The bytes that its hash is of.
    pub bytes: Vec<u8>,
    /// What it says.
    pub says: T,
    /// Whether it is the sandbox's, and not the user's.
    pub is_own: bool,
}

/// What the environment names.
#[derive(Clone, Debug, Default)]
pub struct Documents {
    /// Its invoices, in the order of their files.
    pub invoices: Vec<Document<UblInvoice>>,
    orders: Vec<Document<UblOrder>>,
    events: Vec<Document<EpcisDocument>>,
}

/// What was found to fit, and why what else there is does not.
#[derive(Clone, Debug)]
pub struct Found<T> {
    /// What fits, if anything does.
    pub fits: Option<T>,
    /// One sentence for each that does not.
    pub misfits: Vec<String>,
}

impl Documents {
    /// The documents that the environment names; none if it names none.
    ///
    /// # Errors
    /// There is no invoice where the environment says.
    pub fn named() -> Result<Self, SandboxError> {
        std::env::var_os(VARIABLE).map_or_else(|| Ok(Self::default()), |path| Self::find(Path::new(&path)))
    }

    fn find(path: &Path) -> Result<Self, SandboxError> {
        let mut found = Self::default();
        if !path.is_dir() {
            found.invoices.push(Document::<UblInvoice>::read(path)?);
            return Ok(found);
        }
        let invalid = |why: String| SandboxError::Invoice { document: path.display().to_string(), why };
        let mut files = Vec::new();
        collect(path, 1, &mut files).map_err(|error| invalid(error.to_string()))?;
        for file in &files {
            found.take(file);
        }
        let is_xml = |file: &&PathBuf| file.extension().is_some_and(|extension| extension == "xml");
        match found.invoices.is_empty() {
            false => Ok(found),
            true => {
                Err(invalid(format!("none of its {} XML files is a UBL invoice", files.iter().filter(is_xml).count())))
            }
        }
    }

    /// Takes a file in, if it is a document of ours; a folder may hold anything else.
    fn take(&mut self, file: &Path) {
        let size_max = ubl::DOCUMENT_BYTES_MAX.max(epcis::DOCUMENT_BYTES_MAX) as u64;
        if std::fs::metadata(file).map_or(0, |file| file.len()) > size_max {
            return;
        }
        let Ok(bytes) = std::fs::read(file) else { return };
        let name = file.display().to_string();
        if file.extension().is_some_and(|extension| extension == "xml") {
            match UblDocument::read(&bytes) {
                Ok(UblDocument::Invoice(says)) => {
                    self.invoices.push(Document { name, bytes, says, is_own: false });
                }
                Ok(UblDocument::Order(says)) => self.orders.push(Document { name, bytes, says, is_own: false }),
                Ok(_) | Err(_) => {}
            }
        } else if let Ok(says) = EpcisDocument::read(&bytes) {
            self.events.push(Document { name, bytes, says, is_own: false });
        }
    }

    /// The order that an invoice is under.
    pub fn order_of(&self, invoice: &UblInvoice) -> Found<&Document<UblOrder>> {
        pick(self.orders.iter().map(|order| {
            let misfit = order_misfit(&order.says, invoice);
            misfit.map_or(Ok(order), |why| Err(format!("The order {} of {} {why}.", order.says.number, order.name)))
        }))
    }

    /// The event of the goods' departure under an order, of a time span.
    pub fn departure_of(
        &self,
        order_number: &str,
        (from_ms, until_ms): (u64, u64),
    ) -> Found<(&Document<EpcisDocument>, &ShipmentEvent)> {
        let all =
            || self.events.iter().flat_map(|document| document.says.events.iter().map(move |event| (document, event)));
        let mut found = pick(all().filter(|(_, event)| is_departure(event)).map(|(document, event)| {
            let misfit = departure_misfit(event, order_number, (from_ms, until_ms));
            misfit.map_or(Ok((document, event)), |why| Err(format!("The departure in {} {why}.", document.name)))
        }));
        if found.fits.is_none() && found.misfits.is_empty() && all().next().is_some() {
            found.misfits.push(format!("None of the {} EPCIS events is a departure (shipping).", all().count()));
        }
        found
    }
}

/// The files of a folder and of those in it, in the order of their paths.
fn collect(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    entries.sort();
    for entry in entries {
        if entry.is_dir() && depth < DEPTH_MAX {
            collect(&entry, depth + 1, files)?;
        }
        let of_ours =
            entry.extension().is_some_and(|extension| ["xml", "json", "jsonld"].iter().any(|one| extension == *one));
        if of_ours && entry.is_file() && files.len() < FILES_MAX {
            files.push(entry);
        }
    }
    Ok(())
}

/// The first that fits; told of the others that come before it, so many as are worth a line.
fn pick<T>(candidates: impl Iterator<Item = Result<T, String>>) -> Found<T> {
    let (mut misfits, mut more) = (Vec::new(), 0);
    for candidate in candidates {
        match candidate {
            Ok(fits) => return Found { fits: Some(fits), misfits },
            Err(why) if misfits.len() < MISFITS_TOLD_MAX => misfits.push(why),
            Err(_) => more += 1,
        }
    }
    if more > 0 {
        misfits.push(format!("{more} more do not fit either."));
    }
    Found { fits: None, misfits }
}

/// Why an order is not that of an invoice.
fn order_misfit(order: &UblOrder, invoice: &UblInvoice) -> Option<String> {
    let others = |left: &UblParty, right: &UblParty| match (left.legal_entity_id(), right.legal_entity_id()) {
        (Some(left), Some(right)) => left != right,
        _ => left.name != right.name,
    };
    let terms = &order.terms;
    let minor_units = |amount: ubl::Decimal| amount.minor_units(COMPARED_DECIMALS).unwrap_or_default();
    if let Some(number) = invoice.order_reference.as_ref().filter(|number| **number != order.number) {
        return Some(format!("is not the order {number} that the invoice {} names", invoice.number));
    }
    if terms.currency != invoice.currency {
        return Some(format!("is in {}, and the invoice {} in {}", terms.currency, invoice.number, invoice.currency));
    }
    if others(&order.buyer, &invoice.buyer) || others(&order.seller, &invoice.supplier) {
        return Some(format!("is between other companies than the invoice {}", invoice.number));
    }
    if minor_units(terms.totals.payable) < minor_units(invoice.payable_amount) {
        return Some(format!("is over less than the invoice {}", invoice.number));
    }
    None
}

/// Whether an event is that of goods that leave.
fn is_departure(event: &ShipmentEvent) -> bool {
    event.step.as_deref() == Some(BusinessStep::Shipping.name()) && event.error.is_none()
}

/// Why a departure is not that of an order's goods.
fn departure_misfit(event: &ShipmentEvent, order_number: &str, (from_ms, until_ms): (u64, u64)) -> Option<String> {
    let date = |ms: u64| timestamp(ms).map_or_else(|_| ms.to_string(), |at| at.to_string());
    let at_ms = event.event_time_ms;
    if !event.order_numbers().iter().any(|number| number == order_number) {
        Some(format!("is not of the order {order_number}"))
    } else if event.read_point.is_none() {
        Some("does not say where it was read".to_owned())
    } else if !(from_ms..=until_ms).contains(&at_ms) {
        let (from, at) = (date(from_ms), date(at_ms));
        Some(format!("was at {at}, and what counts for an order happened since it stands on the ledger, {from}"))
    } else {
        None
    }
}

impl<T> Document<T> {
    fn own(name: &str, text: String, read: impl Fn(&[u8]) -> Result<T, String>) -> Result<Self, SandboxError> {
        let says = read(text.as_bytes())
            .map_err(|why| SandboxError::Internal(format!("the sandbox's own {name} is none: {why}")))?;
        Ok(Self { name: "the sandbox's own".to_owned(), bytes: text.into_bytes(), says, is_own: true })
    }
}

impl Document<UblInvoice> {
    /// Our own, with a number that this ledger has not seen.
    ///
    /// # Errors
    /// None that has been seen: it is part of the program.
    pub fn own_invoice(now_ms: u64) -> Result<Self, SandboxError> {
        let today = date_of(now_ms)?;
        let due = today.saturating_add(jiff::Span::new().days(60));
        // The second of the run makes the number: an invoice becomes a receivable once.
        let number = format!("CW-{}", now_ms / 1_000);
        let text = OWN_INVOICE
            .replace("{number}", &number)
            .replace("{order_number}", &format!("PO-{number}"))
            .replace("{issue_date}", &today.to_string())
            .replace("{due_date}", &due.to_string());
        Self::own("invoice", text, |bytes| UblInvoice::read(bytes).map_err(|error| error.to_string()))
    }

    /// The same invoice under another number: what a near-duplicate looks like.
    ///
    /// # Errors
    /// None that has been seen: it differs in its number alone.
    pub fn under_number(&self, number: &str) -> Result<Self, SandboxError> {
        let text = String::from_utf8_lossy(&self.bytes).replacen(
            &format!(">{}<", self.says.number),
            &format!(">{number}<"),
            1,
        );
        Self::own("invoice", text, |bytes| UblInvoice::read(bytes).map_err(|error| error.to_string()))
    }

    /// Writes our own to where people find it, with the other documents of its trade, to try the commands on; a document that
    /// was given is where it is.
    ///
    /// # Errors
    /// One cannot be written.
    pub fn keep_samples(&self, directory: &SandboxDirectory, now_ms: u64) -> Result<(), SandboxError> {
        if !self.is_own {
            return Ok(());
        }
        let order = Document::own_order(&self.says, now_ms)?;
        let number = &order.says.number;
        let credit_note = format!("CN-{}", self.says.number);
        for (name, bytes) in [
            ("invoice.xml", &self.bytes),
            ("order.xml", &order.bytes),
            ("order-change.xml", &Document::own_order_change(number, now_ms)?.bytes),
            ("departure.jsonld", &Document::own_departure(number, now_ms)?.bytes),
            ("credit-note.xml", &Document::own_credit_note(&self.says, &credit_note, SAMPLE_CREDIT, now_ms)?.bytes),
        ] {
            let path = directory.path().join(name);
            std::fs::write(&path, bytes).map_err(|cause| SandboxError::unwritable(&path, &cause))?;
        }
        Ok(())
    }

    fn read(path: &Path) -> Result<Self, SandboxError> {
        let name = path.display().to_string();
        let invalid = |why: String| SandboxError::Invoice { document: name.clone(), why };
        let bytes = std::fs::read(path).map_err(|error| invalid(error.to_string()))?;
        let says = UblInvoice::read(&bytes).map_err(|error| invalid(error.to_string()))?;
        Ok(Self { name, bytes, says, is_own: false })
    }

    /// The supplier's company as the document names it, if it fits an account.
    pub fn supplier_legal_id(&self) -> Option<String> {
        self.says.supplier.legal_entity_id().filter(|id| check_legal_entity_id(id).is_ok())
    }

    /// The buyer's company as the document names it, if it fits an account.
    pub fn buyer_legal_id(&self) -> Option<String> {
        self.says.buyer.legal_entity_id().filter(|id| check_legal_entity_id(id).is_ok())
    }
}

impl Document<UblOrder> {
    /// Our own for an invoice: over its amount, between its parties, by the number that it names.
    ///
    /// # Errors
    /// None that has been seen: what is filled in was read from a document.
    pub fn own_order(invoice: &UblInvoice, now_ms: u64) -> Result<Self, SandboxError> {
        let today = date_of(now_ms)?;
        let plain = |text: &&String| text.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-');
        let letters = |letter: &char| letter.is_ascii_alphanumeric() || *letter == '-';
        let made_up = || format!("PO-{}", invoice.number.chars().filter(letters).collect::<String>());
        let number = invoice.order_reference.as_ref().filter(plain).cloned().unwrap_or_else(made_up);
        let text = OWN_ORDER
            .replace("{number}", &number)
            .replace("{issue_date}", &today.to_string())
            .replace("{deliver_by}", &delivery_day(today))
            .replace("{currency}", invoice.currency.as_str())
            .replace("{amount}", &invoice.payable_amount.to_string())
            .replace("{buyer}", &named(&invoice.buyer))
            .replace("{supplier}", &named(&invoice.supplier));
        Self::own("order", text, |bytes| UblOrder::read(bytes).map_err(|error| error.to_string()))
    }
}

impl Document<UblOrderChange> {
    /// Our own of an order of ours: more of the same.
    ///
    /// # Errors
    /// None that has been seen: it is part of the program.
    fn own_order_change(order_number: &str, now_ms: u64) -> Result<Self, SandboxError> {
        let today = date_of(now_ms)?;
        let text = OWN_ORDER_CHANGE
            .replace("{order_number}", order_number)
            .replace("{issue_date}", &today.to_string())
            .replace("{deliver_by}", &delivery_day(today));
        Self::own("order change", text, |bytes| UblOrderChange::read(bytes).map_err(|error| error.to_string()))
    }
}

impl Document<UblCreditNote> {
    /// Our own on an invoice of ours.
    ///
    /// # Errors
    /// None that has been seen: it is part of the program.
    pub fn own_credit_note(
        invoice: &UblInvoice,
        number: &str,
        amount: &str,
        now_ms: u64,
    ) -> Result<Self, SandboxError> {
        let text = OWN_CREDIT_NOTE
            .replace("{number}", number)
            .replace("{invoice_number}", &invoice.number)
            .replace("{issue_date}", &date_of(now_ms)?.to_string())
            .replace("{amount}", amount);
        Self::own("credit note", text, |bytes| UblCreditNote::read(bytes).map_err(|error| error.to_string()))
    }
}

impl Document<EpcisDocument> {
    /// Our own of an order: its goods leave now.
    ///
    /// # Errors
    /// None that has been seen: it is part of the program.
    pub fn own_departure(order_number: &str, now_ms: u64) -> Result<Self, SandboxError> {
        let text =
            OWN_DEPARTURE.replace("{now}", &timestamp(now_ms)?.to_string()).replace("{order_number}", order_number);
        Self::own("EPCIS event", text, |bytes| EpcisDocument::read(bytes).map_err(|error| error.to_string()))
    }
}

fn timestamp(now_ms: u64) -> Result<jiff::Timestamp, SandboxError> {
    let now = i64::try_from(now_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    now.ok_or_else(|| SandboxError::Internal(format!("{now_ms} ms is no time of a calendar")))
}

/// A time's day in UTC.
fn date_of(now_ms: u64) -> Result<Date, SandboxError> {
    Ok(timestamp(now_ms)?.to_zoned(jiff::tz::TimeZone::UTC).date())
}

/// Until when the goods of an order of a day are to be delivered.
fn delivery_day(ordered_on: Date) -> String {
    ordered_on.saturating_add(jiff::Span::new().days(DELIVERY_DAYS)).to_string()
}

/// A company as it stands in `cac:PartyLegalEntity`: its name and, where it is known, its id with the register's.
fn named(party: &UblParty) -> String {
    let name = format!("<cbc:RegistrationName>{}</cbc:RegistrationName>", escaped(&party.name));
    match (&party.legal_id_scheme, &party.legal_id) {
        (Some(register), Some(id)) => {
            let (register, id) = (escaped(register).replace('"', "&quot;"), escaped(id));
            format!("{name}<cbc:CompanyID schemeID=\"{register}\">{id}</cbc:CompanyID>")
        }
        _ => name,
    }
}

/// A text as it stands in XML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_795_000_000_000;

    fn own_invoice() -> Document<UblInvoice> {
        Document::own_invoice(NOW_MS).expect("an invoice")
    }

    #[test]
    fn our_own_invoice_is_one() {
        let document = own_invoice();
        assert_eq!(document.says.currency.as_str(), "HKD");
        assert_eq!(document.supplier_legal_id().as_deref(), Some("HKBR:70000011"));
        assert_eq!(document.buyer_legal_id().as_deref(), Some("HKBR:70000010"));
        assert!(document.says.due_date.is_some());
        assert_eq!(document.says.payable_amount.minor_units(2), Ok(4_860_000));
        let other = document.under_number("CW-2").expect("an invoice");
        assert_eq!((other.says.number.as_str(), other.says.payable_amount), ("CW-2", document.says.payable_amount));
    }

    #[test]
    fn our_own_documents_fit_each_other() {
        let invoice = own_invoice().says;
        let order = Document::own_order(&invoice, NOW_MS).expect("an order");
        assert_eq!(Some(&order.says.number), invoice.order_reference.as_ref());
        assert_eq!(order_misfit(&order.says, &invoice), None);
        let departure = Document::own_departure(&order.says.number, NOW_MS).expect("an event");
        let event = departure.says.events.first().expect("one");
        assert!(is_departure(event));
        assert_eq!(departure_misfit(event, &order.says.number, (NOW_MS, NOW_MS)), None);
        assert_eq!(order.says.buyer.legal_entity_id(), invoice.buyer.legal_entity_id());
        assert_eq!(order.says.seller.legal_entity_id(), invoice.supplier.legal_entity_id());
        let change = Document::own_order_change(&order.says.number, NOW_MS).expect("a change").says;
        assert_eq!((&change.order_reference, &change.buyer), (&order.says.number, &order.says.buyer));
        assert_eq!(change.terms.delivery_by, order.says.terms.delivery_by);
        let note = Document::own_credit_note(&invoice, "CN-1", "1200.00", NOW_MS).expect("a credit note");
        assert_eq!(note.says.invoice_references, [invoice.number]);
    }

    /// The companies of a document are in the user's hands, and so are their names.
    #[test]
    fn an_order_is_made_for_any_invoice() {
        let mut invoice = own_invoice().says;
        invoice.buyer.name = "Marks & <Spencer>".to_owned();
        invoice.buyer.legal_id_scheme = Some("\"A&B\"".to_owned());
        invoice.order_reference = Some("4/ü".to_owned());
        let order = Document::own_order(&invoice, NOW_MS).expect("an order");
        assert_eq!(
            (order.says.buyer.name.as_str(), order.says.number.as_str()),
            ("Marks & <Spencer>", "PO-CW-1795000000")
        );
        assert_eq!(order.says.buyer.legal_id_scheme, invoice.buyer.legal_id_scheme);
        invoice.buyer.legal_id = None;
        let order = Document::own_order(&invoice, NOW_MS).expect("an order");
        assert_eq!(order.says.buyer.legal_entity_id(), None);
    }

    #[test]
    fn what_does_not_fit_is_told_with_the_reason() {
        let invoice = own_invoice().says;
        let order = Document::own_order(&invoice, NOW_MS).expect("an order");
        let misfit = |change: &dyn Fn(&mut UblOrder)| {
            let mut order = order.says.clone();
            change(&mut order);
            let documents = Documents {
                orders: vec![Document { says: order, is_own: false, name: "a.xml".to_owned(), bytes: Vec::new() }],
                ..Documents::default()
            };
            let found = documents.order_of(&invoice);
            assert!(found.fits.is_none());
            found.misfits.concat()
        };
        for (told, found) in [
            ("is not the order PO-CW-1795000000", misfit(&|order| order.number = "7".to_owned())),
            ("is in EUR", misfit(&|order| order.terms.currency = "EUR".parse().expect("a currency"))),
            ("other companies", misfit(&|order| order.seller.legal_id = Some("70000099".to_owned()))),
            (
                "other companies",
                misfit(&|order| (order.seller.name, order.seller.legal_id) = ("Another".to_owned(), None)),
            ),
            ("is over less", misfit(&|order| order.terms.totals.payable = ubl::Decimal::ZERO)),
        ] {
            assert!(found.contains(told) && found.contains("a.xml"), "{found}");
        }
        let departure = Document::own_departure("PO-1", NOW_MS).expect("an event");
        let documents = Documents { events: vec![departure], ..Documents::default() };
        assert!(documents.departure_of("PO-1", (NOW_MS, NOW_MS)).fits.is_some());
        let late = documents.departure_of("PO-1", (NOW_MS + 1, NOW_MS + 2));
        assert!(late.fits.is_none() && late.misfits.concat().contains("since it stands on the ledger"), "{late:?}");
        assert!(documents.departure_of("PO-2", (0, NOW_MS)).misfits.concat().contains("not of the order PO-2"));
    }

    #[test]
    fn every_invoice_of_a_folder_is_tried_in_order() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let text = own_invoice().bytes;
        std::fs::create_dir_all(root.path().join("c/d/e")).expect("made");
        for name in ["b.xml", "a.xml", "c.txt", "c/d/1.xml", "c/d/e/2.xml"] {
            std::fs::write(root.path().join(name), &text).expect("written");
        }
        std::fs::write(root.path().join("0.xml"), "<a/>").expect("written");
        let found = Documents::find(root.path()).expect("invoices").invoices;
        let names: Vec<&str> = found.iter().filter_map(|document| document.name.rsplit('/').next()).collect();
        assert_eq!(names, ["a.xml", "b.xml", "1.xml"], "as deep as folders are searched");
    }

    #[test]
    fn a_folder_without_an_invoice_says_so() {
        let root = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(root.path().join("a.xml"), "<a/>").expect("written");
        let refused = Documents::find(root.path()).expect_err("no invoice").to_string();
        assert!(refused.contains("none of its 1 XML files"), "{refused}");
    }
}
