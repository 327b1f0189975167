//! Orders, and what is said about them afterwards: a change, a cancellation, a response.

use super::invoice::{document_currency, facts};
use super::lines::{ORDERED, UblLine};
use super::place::{Faults, Place};
use super::totals::{TotalsOf, UblTotals};
use super::{Document, UblError, UblParty};
use crate::domain::trade::InvoiceFacts;
use crate::primitives::{Currency, Hash};
use jiff::civil::Date;

const BUYER: &str = "cac:BuyerCustomerParty";
const SELLER: &str = "cac:SellerSupplierParty";

/// What an order says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UblOrder {
    /// Its number, as printed.
    pub number: String,
    /// The day of issue.
    pub issue_date: Date,
    /// Who orders and will owe.
    pub buyer: UblParty,
    /// Who is to deliver.
    pub seller: UblParty,
    /// What was ordered and on which terms.
    pub terms: UblOrderTerms,
    /// The hash of the document's exact bytes.
    pub document_sha256: Hash,
}

/// What a change to an order says: the order as it is to be from then on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UblOrderChange {
    /// Its own number, as printed.
    pub number: String,
    /// The day of issue.
    pub issue_date: Date,
    /// Which change of the order it is, if it says so.
    pub sequence: Option<String>,
    /// The order that it changes, by its number.
    pub order_reference: String,
    /// Who ordered.
    pub buyer: UblParty,
    /// Who is to deliver.
    pub seller: UblParty,
    /// What is ordered and on which terms from then on.
    pub terms: UblOrderTerms,
    /// The hash of the document's exact bytes.
    pub document_sha256: Hash,
}

/// What is ordered and on which terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UblOrderTerms {
    /// The currency of the amounts.
    pub currency: Currency,
    /// The lines.
    pub lines: Vec<UblLine>,
    /// The totals, which agree with each other and with the lines.
    pub totals: UblTotals,
    /// From when it may be delivered, if it says so.
    pub delivery_from: Option<Date>,
    /// By when it is to be delivered, if it says so.
    pub delivery_by: Option<Date>,
    /// Who bears cost and risk until where, such as an Incoterm's code.
    pub delivery_terms: Option<String>,
    /// By when the order must be accepted, if it says so.
    pub valid_until: Option<Date>,
    /// Within how many days an invoice is to be paid, if it says so.
    pub payment_days: Option<u32>,
    /// The terms of payment in words.
    pub payment_note: Option<String>,
}

/// What a cancellation of orders says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UblOrderCancellation {
    /// Its own number, as printed.
    pub number: String,
    /// The day of issue.
    pub issue_date: Date,
    /// The orders that it cancels, by their numbers; at least one.
    pub order_references: Vec<String>,
    /// Why.
    pub notes: Vec<String>,
    /// Who ordered.
    pub buyer: UblParty,
    /// Who was to deliver.
    pub seller: UblParty,
    /// The hash of the document's exact bytes.
    pub document_sha256: Hash,
}

/// What a seller's response to an order says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UblOrderResponse {
    /// Its own number, as printed.
    pub number: String,
    /// The day of issue.
    pub issue_date: Date,
    /// The order that it answers, by its number.
    pub order_reference: String,
    /// Its answer by code (`cbc:OrderResponseCode`), if it gives one for the whole order.
    pub response: Option<String>,
    /// The lines that it names, each with the status that it gives it.
    pub line_statuses: Vec<(String, Option<String>)>,
    /// Who ordered.
    pub buyer: UblParty,
    /// Who answers.
    pub seller: UblParty,
    /// The hash of the document's exact bytes.
    pub document_sha256: Hash,
}

impl UblOrderTerms {
    fn read(root: &Place<'_>, faults: &mut Faults) -> Option<Self> {
        const TOTALS: &str = "cac:AnticipatedMonetaryTotal";
        let currency = faults.note(document_currency(root, TOTALS));
        let lines = currency.and_then(|currency| faults.note_all(ORDERED.read(root, currency)));
        let totals = currency.and_then(|currency| {
            faults.note_all(UblTotals::read(root, TOTALS, TotalsOf::Order, currency, lines.as_deref()))
        });
        let delivery = faults.note(delivery_period(root));
        let delivery_terms = faults.note(delivery_terms(root));
        let valid_until = faults.note(valid_until(root));
        let payment = faults.note(payment_terms(root));
        let ((delivery_from, delivery_by), (payment_days, payment_note)) = (delivery?, payment?);
        Some(Self {
            currency: currency?,
            lines: lines?,
            totals: totals?,
            delivery_from,
            delivery_by,
            delivery_terms: delivery_terms?,
            valid_until: valid_until?,
            payment_days,
            payment_note,
        })
    }
}

impl UblOrder {
    /// The facts that the order's fingerprint is over: those of an invoice, with the order's own number and payable total.
    ///
    /// # Errors
    /// A payable total that has more decimals than its currency.
    pub fn facts(&self, supplier_legal_id: &str, buyer_legal_id: &str) -> Result<InvoiceFacts, UblError> {
        let amount = (self.terms.currency, self.terms.totals.payable);
        facts((&self.number, self.issue_date), amount, supplier_legal_id, buyer_legal_id)
    }
}

impl Document for UblOrder {
    const ELEMENT: &'static str = "Order";

    fn from_root(root: &Place<'_>, document_sha256: Hash) -> Result<Self, Vec<UblError>> {
        let mut faults = Faults::default();
        let number = faults.note(root.required_text("cbc:ID"));
        let issue_date = faults.note(root.required_date("cbc:IssueDate"));
        let (buyer, seller) = parties(root, &mut faults);
        let terms = UblOrderTerms::read(root, &mut faults);
        let order = (|| {
            let (number, issue_date) = (number?, issue_date?);
            Some(Self { number, issue_date, buyer: buyer?, seller: seller?, terms: terms?, document_sha256 })
        })();
        faults.settle(order)
    }
}

impl Document for UblOrderChange {
    const ELEMENT: &'static str = "OrderChange";

    fn from_root(root: &Place<'_>, document_sha256: Hash) -> Result<Self, Vec<UblError>> {
        let mut faults = Faults::default();
        let number = faults.note(root.required_text("cbc:ID"));
        let issue_date = faults.note(root.required_date("cbc:IssueDate"));
        let sequence = faults.note(root.text_of("cbc:SequenceNumberID"));
        let order_reference = faults.note(required_order_reference(root));
        let (buyer, seller) = parties(root, &mut faults);
        let terms = UblOrderTerms::read(root, &mut faults);
        let change = (|| {
            Some(Self {
                number: number?,
                issue_date: issue_date?,
                sequence: sequence?,
                order_reference: order_reference?,
                buyer: buyer?,
                seller: seller?,
                terms: terms?,
                document_sha256,
            })
        })();
        faults.settle(change)
    }
}

impl Document for UblOrderCancellation {
    const ELEMENT: &'static str = "OrderCancellation";

    fn from_root(root: &Place<'_>, document_sha256: Hash) -> Result<Self, Vec<UblError>> {
        let mut faults = Faults::default();
        let number = faults.note(root.required_text("cbc:ID"));
        let issue_date = faults.note(root.required_date("cbc:IssueDate"));
        let references = root.children("cac:OrderReference");
        let order_references = match references.is_empty() {
            true => faults.note(Err(UblError::Missing { path: root.path_of("cac:OrderReference/cbc:ID") })),
            false => faults.note(references.iter().map(|reference| reference.required_text("cbc:ID")).collect()),
        };
        let notes = root.children("cbc:CancellationNote");
        let notes: Option<Vec<Option<String>>> = faults.note(notes.iter().map(Place::text).collect());
        let (buyer, seller) = parties(root, &mut faults);
        let cancellation = (|| {
            Some(Self {
                number: number?,
                issue_date: issue_date?,
                order_references: order_references?,
                notes: notes?.into_iter().flatten().collect(),
                buyer: buyer?,
                seller: seller?,
                document_sha256,
            })
        })();
        faults.settle(cancellation)
    }
}

impl Document for UblOrderResponse {
    const ELEMENT: &'static str = "OrderResponse";

    fn from_root(root: &Place<'_>, document_sha256: Hash) -> Result<Self, Vec<UblError>> {
        let mut faults = Faults::default();
        let number = faults.note(root.required_text("cbc:ID"));
        let issue_date = faults.note(root.required_date("cbc:IssueDate"));
        let order_reference = faults.note(required_order_reference(root));
        let response = faults.note(root.text_of("cbc:OrderResponseCode"));
        let line_statuses = faults.note(root.children("cac:OrderLine").iter().map(line_status).collect());
        let (buyer, seller) = parties(root, &mut faults);
        let answer = (|| {
            Some(Self {
                number: number?,
                issue_date: issue_date?,
                order_reference: order_reference?,
                response: response?,
                line_statuses: line_statuses?,
                buyer: buyer?,
                seller: seller?,
                document_sha256,
            })
        })();
        faults.settle(answer)
    }
}

fn parties(root: &Place<'_>, faults: &mut Faults) -> (Option<UblParty>, Option<UblParty>) {
    (faults.note(UblParty::read(root, BUYER)), faults.note(UblParty::read(root, SELLER)))
}

/// The order that a document is about, by its number, if it says so.
pub(super) fn order_reference(root: &Place<'_>) -> Result<Option<String>, UblError> {
    root.child("cac:OrderReference")?.map(|reference| reference.required_text("cbc:ID")).transpose()
}

fn required_order_reference(root: &Place<'_>) -> Result<String, UblError> {
    order_reference(root)?.ok_or_else(|| UblError::Missing { path: root.path_of("cac:OrderReference/cbc:ID") })
}

fn line_status(line: &Place<'_>) -> Result<(String, Option<String>), UblError> {
    let item = line.child("cac:LineItem")?;
    let item = item.ok_or_else(|| UblError::Missing { path: line.path_of("cac:LineItem") })?;
    Ok((item.required_text("cbc:ID")?, item.text_of("cbc:LineStatusCode")?))
}

/// The period that the whole order is to be delivered in: the one of its deliveries, or of all of them the widest.
fn delivery_period(root: &Place<'_>) -> Result<(Option<Date>, Option<Date>), UblError> {
    let (mut from, mut by): (Option<Date>, Option<Date>) = (None, None);
    for delivery in root.children("cac:Delivery") {
        let Some(period) = delivery.child("cac:RequestedDeliveryPeriod")? else { continue };
        let (start, end) = (period.date_of("cbc:StartDate")?, period.date_of("cbc:EndDate")?);
        if let (Some(start), Some(end)) = (start, end)
            && end < start
        {
            let (path, value) = (period.path_of("cbc:EndDate"), end.to_string());
            return Err(UblError::Invalid { path, value, expected: "no earlier than the period's start" });
        }
        from = [from, start].into_iter().flatten().min();
        by = [by, end].into_iter().flatten().max();
    }
    Ok((from, by))
}

fn delivery_terms(root: &Place<'_>) -> Result<Option<String>, UblError> {
    let Some(terms) = root.children("cac:DeliveryTerms").into_iter().next() else { return Ok(None) };
    match terms.text_of("cbc:ID")? {
        Some(code) => Ok(Some(code)),
        None => terms.text_of("cbc:SpecialTerms"),
    }
}

fn valid_until(root: &Place<'_>) -> Result<Option<Date>, UblError> {
    root.child("cac:ValidityPeriod")?.map_or(Ok(None), |period| period.date_of("cbc:EndDate"))
}

/// The days within which an invoice is to be paid, and the terms in words.
fn payment_terms(root: &Place<'_>) -> Result<(Option<u32>, Option<String>), UblError> {
    let places = root.children("cac:PaymentTerms");
    let Some(terms) = places.first() else { return Ok((None, None)) };
    let note = terms.children("cbc:Note").first().map_or(Ok(None), Place::text)?;
    let Some(duration) = terms.descend(&["cac:SettlementPeriod", "cbc:DurationMeasure"])? else {
        return Ok((None, note));
    };
    let path = duration.path.clone();
    let days = duration.number()?.minor_units(0).ok().and_then(|days| u32::try_from(days).ok());
    match (days, duration.attribute("unitCode")?.as_deref()) {
        (Some(days), Some("DAY")) => Ok((Some(days), note)),
        (_, unit) => {
            let value = format!("{} of unit {}", duration.text()?.unwrap_or_default(), unit.unwrap_or("none"));
            Err(UblError::Invalid { path, value, expected: "whole days, with unitCode DAY" })
        }
    }
}
