//! Invoices, and the credit notes that take off them: the same figures with the opposite sign.

use super::lines::{CREDITED, INVOICED, UblLine};
use super::order::order_reference;
use super::place::{Faults, Place};
use super::totals::{TotalsOf, UblTotals};
use super::{Decimal, Document, UblError, UblParty};
use crate::domain::trade::InvoiceFacts;
use crate::primitives::{Currency, Hash};
use jiff::civil::Date;

/// The codes of UNTDID 1001 by which an `Invoice` says that it is a credit note.
const CREDIT_NOTE_TYPES: [&str; 11] = ["81", "83", "261", "262", "296", "308", "381", "396", "420", "458", "532"];

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
    /// The order that it is for, by its number, if it says so.
    pub order_reference: Option<String>,
    /// Its lines.
    pub lines: Vec<UblLine>,
    /// Its totals, which agree with each other and with the lines.
    pub totals: UblTotals,
    /// The hash of the document's exact bytes.
    pub document_sha256: Hash,
}

/// What a credit note says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UblCreditNote {
    /// Its own number, as printed.
    pub number: String,
    /// The day of issue.
    pub issue_date: Date,
    /// The currency of its amounts.
    pub currency: Currency,
    /// What is taken off.
    pub credited_amount: Decimal,
    /// Who delivered and gives the credit.
    pub supplier: UblParty,
    /// Who gets it.
    pub buyer: UblParty,
    /// The order that it is for, by its number, if it says so.
    pub order_reference: Option<String>,
    /// The invoices that it takes off, by their numbers.
    pub invoice_references: Vec<String>,
    /// Its lines.
    pub lines: Vec<UblLine>,
    /// Its totals, which agree with each other and with the lines.
    pub totals: UblTotals,
    /// The hash of the document's exact bytes.
    pub document_sha256: Hash,
}

/// What both say.
struct Billed {
    number: Option<String>,
    issue_date: Option<Date>,
    currency: Option<Currency>,
    supplier: Option<UblParty>,
    buyer: Option<UblParty>,
    order_reference: Option<Option<String>>,
    lines: Option<Vec<UblLine>>,
    totals: Option<UblTotals>,
}

impl Billed {
    fn read(root: &Place<'_>, is_credit: bool, faults: &mut Faults) -> Self {
        let form = if is_credit { &CREDITED } else { &INVOICED };
        let number = faults.note(root.required_text("cbc:ID"));
        let issue_date = faults.note(root.required_date("cbc:IssueDate"));
        let currency = faults.note(document_currency(root, "cac:LegalMonetaryTotal"));
        let lines = currency.and_then(|currency| faults.note_all(form.read(root, currency)));
        let totals = currency.and_then(|currency| {
            let element = "cac:LegalMonetaryTotal";
            faults.note_all(UblTotals::read(root, element, TotalsOf::Invoice, currency, lines.as_deref()))
        });
        Self {
            number,
            issue_date,
            currency,
            supplier: faults.note(UblParty::read(root, "cac:AccountingSupplierParty")),
            buyer: faults.note(UblParty::read(root, "cac:AccountingCustomerParty")),
            order_reference: faults.note(order_reference(root)),
            lines,
            totals,
        }
    }
}

/// The document's currency: its code, or else the payable amount's.
pub(super) fn document_currency(root: &Place<'_>, totals: &str) -> Result<Currency, UblError> {
    if let Some(currency) = root.currency_of("cbc:DocumentCurrencyCode")? {
        return Ok(currency);
    }
    match root.descend(&[totals, "cbc:PayableAmount"])? {
        Some(payable) => payable.amount_currency(),
        None => Err(UblError::Missing { path: root.path_of("cbc:DocumentCurrencyCode") }),
    }
}

impl Document for UblInvoice {
    const ELEMENT: &'static str = "Invoice";

    fn from_root(root: &Place<'_>, document_sha256: Hash) -> Result<Self, Vec<UblError>> {
        let mut faults = Faults::default();
        let billed = Billed::read(root, false, &mut faults);
        let due_date = faults.note(due_date(root));
        faults.note(require_no_credit(root));
        let invoice = (|| {
            let totals = billed.totals?;
            Some(Self {
                number: billed.number?,
                issue_date: billed.issue_date?,
                due_date: due_date?,
                currency: billed.currency?,
                payable_amount: totals.payable,
                supplier: billed.supplier?,
                buyer: billed.buyer?,
                order_reference: billed.order_reference?,
                lines: billed.lines?,
                totals,
                document_sha256,
            })
        })();
        faults.settle(invoice)
    }
}

impl Document for UblCreditNote {
    const ELEMENT: &'static str = "CreditNote";

    fn from_root(root: &Place<'_>, document_sha256: Hash) -> Result<Self, Vec<UblError>> {
        let mut faults = Faults::default();
        let billed = Billed::read(root, true, &mut faults);
        let invoice_references = faults.note(invoice_references(root));
        let credit_note = (|| {
            let totals = billed.totals?;
            Some(Self {
                number: billed.number?,
                issue_date: billed.issue_date?,
                currency: billed.currency?,
                credited_amount: totals.payable,
                supplier: billed.supplier?,
                buyer: billed.buyer?,
                order_reference: billed.order_reference?,
                invoice_references: invoice_references?,
                lines: billed.lines?,
                totals,
                document_sha256,
            })
        })();
        faults.settle(credit_note)
    }
}

impl UblInvoice {
    /// The facts that the invoice's fingerprint is over, between the legal entities that the parties' accounts name.
    ///
    /// The parties' ids come from the ledger, since a document may leave them out or write them in its own way; whether
    /// they are the document's parties is for the caller to check.
    ///
    /// # Errors
    /// A payable amount that has more decimals than its currency.
    pub fn facts(&self, supplier_legal_id: &str, buyer_legal_id: &str) -> Result<InvoiceFacts, UblError> {
        facts((&self.number, self.issue_date), (self.currency, self.payable_amount), supplier_legal_id, buyer_legal_id)
    }
}

impl UblCreditNote {
    /// The facts that the note's fingerprint is over: those of an invoice, with the note's own number and amount.
    ///
    /// # Errors
    /// A credited amount that has more decimals than its currency.
    pub fn facts(&self, supplier_legal_id: &str, buyer_legal_id: &str) -> Result<InvoiceFacts, UblError> {
        facts((&self.number, self.issue_date), (self.currency, self.credited_amount), supplier_legal_id, buyer_legal_id)
    }
}

/// The facts of a document between two legal entities, its amount in the currency's own minor units.
pub(super) fn facts(
    (number, issue_date): (&str, Date),
    (currency, amount): (Currency, Decimal),
    supplier_legal_id: &str,
    buyer_legal_id: &str,
) -> Result<InvoiceFacts, UblError> {
    let decimals = iso_currency::Currency::from_code(currency.as_str()).and_then(|found| found.exponent());
    Ok(InvoiceFacts {
        supplier_legal_id: supplier_legal_id.to_owned(),
        buyer_legal_id: buyer_legal_id.to_owned(),
        number: number.to_owned(),
        issue_date,
        currency,
        // A `Currency` is one that has a minor unit.
        amount_minor: amount.minor_units(decimals.map_or(0, u32::from))?,
    })
}

/// The due date. Several means of payment may each repeat it; if they differ, the invoice is paid in instalments, and no
/// one of them is the receivable's.
fn due_date(root: &Place<'_>) -> Result<Option<Date>, UblError> {
    if let Some(due) = root.date_of("cbc:DueDate")? {
        return Ok(Some(due));
    }
    let mut due = None;
    for element in ["cac:PaymentMeans", "cac:PaymentTerms"] {
        for place in root.children(element) {
            for found in place.children("cbc:PaymentDueDate") {
                let Some(text) = found.text()? else { continue };
                let found_date = super::place::date(&found.path, &text)?;
                if due.is_some_and(|due| due != found_date) {
                    let path = root.path_of(&format!("{element}/cbc:PaymentDueDate"));
                    return Err(UblError::Repeated { path });
                }
                due = Some(found_date);
            }
        }
    }
    Ok(due)
}

fn require_no_credit(root: &Place<'_>) -> Result<(), UblError> {
    match root.text_of("cbc:InvoiceTypeCode")?.filter(|code| CREDIT_NOTE_TYPES.contains(&code.as_str())) {
        None => Ok(()),
        Some(value) => Err(UblError::Invalid {
            path: root.path_of("cbc:InvoiceTypeCode"),
            value,
            expected: "an invoice's type, such as 380: a credit is sent as a UBL CreditNote",
        }),
    }
}

fn invoice_references(root: &Place<'_>) -> Result<Vec<String>, UblError> {
    let mut numbers = Vec::new();
    for reference in root.children("cac:BillingReference") {
        if let Some(invoice) = reference.child("cac:InvoiceDocumentReference")? {
            numbers.push(invoice.required_text("cbc:ID")?);
        }
    }
    Ok(numbers)
}
