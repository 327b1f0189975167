//! Lines: what was ordered, invoiced or credited, each with its amount.

use super::place::Place;
use super::{Decimal, LINES_MAX, UblError};
use crate::primitives::Currency;
use std::collections::BTreeSet;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UblLine {
    /// Its id, unique in the document.
    pub id: String,
    /// How much of it.
    pub quantity: Option<Decimal>,
    /// The unit of the quantity, by its UN/ECE code.
    pub unit: Option<String>,
    /// What it costs without tax (`cbc:LineExtensionAmount`).
    pub amount: Option<Decimal>,
}

/// How a document's lines are written.
pub(super) struct LineForm {
    /// The line's element.
    pub(super) element: &'static str,
    /// The element in it that holds the facts, where that is not the line itself.
    pub(super) item: Option<&'static str>,
    /// The quantity's element.
    pub(super) quantity: &'static str,
    /// Whether goods may go back: an order is of goods, an invoice may take some off.
    pub(super) may_be_negative: bool,
    /// Whether each line must say its amount.
    pub(super) must_be_priced: bool,
}

/// The lines of an order or of a change to it.
pub(super) const ORDERED: LineForm = LineForm {
    element: "cac:OrderLine",
    item: Some("cac:LineItem"),
    quantity: "cbc:Quantity",
    may_be_negative: false,
    must_be_priced: false,
};

/// The lines of an invoice.
pub(super) const INVOICED: LineForm = LineForm {
    element: "cac:InvoiceLine",
    item: None,
    quantity: "cbc:InvoicedQuantity",
    may_be_negative: true,
    must_be_priced: true,
};

/// The lines of a credit note.
pub(super) const CREDITED: LineForm =
    LineForm { element: "cac:CreditNoteLine", quantity: "cbc:CreditedQuantity", ..INVOICED };

impl LineForm {
    /// Reads the lines; each of them that is wrong is a fault of its own.
    pub(super) fn read(&self, document: &Place<'_>, currency: Currency) -> Result<Vec<UblLine>, Vec<UblError>> {
        let places = document.children(self.element);
        if places.is_empty() {
            return Err(vec![UblError::Missing { path: document.path_of(self.element) }]);
        }
        if places.len() > LINES_MAX {
            let (path, value) = (document.path_of(self.element), format!("there {} times", places.len()));
            return Err(vec![UblError::Invalid { path, value, expected: "at most 10000 lines" }]);
        }
        let (mut lines, mut faults, mut ids) = (Vec::new(), Vec::new(), BTreeSet::new());
        for place in &places {
            match self.line(place, currency) {
                Ok(line) if !ids.insert(line.id.clone()) => {
                    let path = place.path_of("cbc:ID");
                    faults.push(UblError::Invalid { path, value: line.id, expected: "an id that no other line has" });
                }
                Ok(line) => lines.push(line),
                Err(fault) => faults.push(fault),
            }
        }
        if faults.is_empty() { Ok(lines) } else { Err(faults) }
    }

    fn line(&self, place: &Place<'_>, currency: Currency) -> Result<UblLine, UblError> {
        let item = match self.item {
            Some(name) => place.child(name)?.ok_or_else(|| UblError::Missing { path: place.path_of(name) })?,
            None => place.clone(),
        };
        let quantity = item.child(self.quantity)?;
        let amount = match self.must_be_priced {
            true => Some(item.required_amount("cbc:LineExtensionAmount", currency)?),
            false => item.amount_of("cbc:LineExtensionAmount", currency)?,
        };
        let unit = quantity.as_ref().map_or(Ok(None), |quantity| quantity.attribute("unitCode"))?;
        let quantity = quantity.map(|quantity| quantity.number()).transpose()?;
        for (name, figure) in [(self.quantity, quantity), ("cbc:LineExtensionAmount", amount)] {
            if let Some(figure) = figure.filter(|figure| figure.is_negative() && !self.may_be_negative) {
                let advice = "an order is of goods to be delivered; what goes back is credited";
                return Err(UblError::Negative { path: item.path_of(name), value: figure.to_string(), advice });
            }
        }
        Ok(UblLine { id: item.required_text("cbc:ID")?, quantity, unit, amount })
    }
}
