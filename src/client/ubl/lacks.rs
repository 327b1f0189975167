//! What a document leaves out although it is right: what an operation asks for besides, each with its element.

use super::{UblDocument, UblParty};

impl UblDocument {
    /// What it does not say and the ledger's operations need, each with the element that would say it.
    pub fn lacks(&self) -> Vec<String> {
        let mut lacks = Lacks(Vec::new());
        match self {
            Self::Order(order) => {
                lacks.companies([("cac:BuyerCustomerParty", &order.buyer), ("cac:SellerSupplierParty", &order.seller)]);
                lacks.terms(&order.terms);
            }
            Self::OrderChange(change) => {
                lacks.companies([
                    ("cac:BuyerCustomerParty", &change.buyer),
                    ("cac:SellerSupplierParty", &change.seller),
                ]);
                lacks.terms(&change.terms);
            }
            Self::OrderCancellation(cancellation) => {
                let (buyer, seller) = (&cancellation.buyer, &cancellation.seller);
                lacks.companies([("cac:BuyerCustomerParty", buyer), ("cac:SellerSupplierParty", seller)]);
                lacks.unless(!cancellation.notes.is_empty(), "cbc:CancellationNote: no reason");
            }
            Self::OrderResponse(response) => {
                let (buyer, seller) = (&response.buyer, &response.seller);
                lacks.companies([("cac:BuyerCustomerParty", buyer), ("cac:SellerSupplierParty", seller)]);
                lacks.unless(response.response.is_some(), "cbc:OrderResponseCode: no answer for the whole order");
            }
            Self::Invoice(invoice) => {
                let (supplier, buyer) = (&invoice.supplier, &invoice.buyer);
                lacks.companies([("cac:AccountingSupplierParty", supplier), ("cac:AccountingCustomerParty", buyer)]);
                lacks.unless(invoice.due_date.is_some(), "cbc:DueDate: no day by which it is to be paid");
                lacks.unless(invoice.order_reference.is_some(), "cac:OrderReference/cbc:ID: no order that it is for");
            }
            Self::CreditNote(note) => {
                let (supplier, buyer) = (&note.supplier, &note.buyer);
                lacks.companies([("cac:AccountingSupplierParty", supplier), ("cac:AccountingCustomerParty", buyer)]);
                let names_one = !note.invoice_references.is_empty();
                lacks.unless(
                    names_one,
                    "cac:BillingReference/cac:InvoiceDocumentReference: no invoice that it takes off",
                );
            }
        }
        lacks.0
    }
}

struct Lacks(Vec<String>);

impl Lacks {
    fn unless(&mut self, says_it: bool, what: &str) {
        if !says_it {
            self.0.push(what.to_owned());
        }
    }

    fn companies(&mut self, parties: [(&str, &UblParty); 2]) {
        for (role, party) in parties {
            let element = "cac:Party/cac:PartyLegalEntity/cbc:CompanyID with @schemeID";
            let what = format!("{role}/{element}: no company id of {} with its register", party.name);
            self.unless(party.legal_entity_id().is_some(), &what);
        }
    }

    fn terms(&mut self, terms: &super::UblOrderTerms) {
        self.unless(
            terms.delivery_by.is_some(),
            "cac:Delivery/cac:RequestedDeliveryPeriod/cbc:EndDate: no day of delivery",
        );
        let days = "cac:PaymentTerms/cac:SettlementPeriod/cbc:DurationMeasure: no days within which invoices are paid";
        self.unless(terms.payment_days.is_some(), days);
        let is_priced = terms.totals.lines.is_some() && terms.lines.iter().all(|line| line.amount.is_some());
        self.unless(is_priced, "cbc:LineExtensionAmount: not every line and the total says its amount");
    }
}
