//! Reading facts off a place in a document: every failure names the place.

use super::element::Element;
use super::{Decimal, UblError};
use crate::primitives::Currency;
use crate::primitives::unseen::{unseen_in_reference, unseen_in_text};
use jiff::civil::Date;

/// An element and where it is, as an XPath would say it.
#[derive(Clone, Debug)]
pub(super) struct Place<'a> {
    element: &'a Element,
    pub(super) path: String,
}

impl<'a> Place<'a> {
    pub(super) fn root(element: &'a Element) -> Self {
        Self { element, path: element.name.clone() }
    }

    pub(super) fn path_of(&self, name: &str) -> String {
        format!("{}/{name}", self.path)
    }

    /// The child of this name.
    pub(super) fn child(&self, name: &str) -> Result<Option<Self>, UblError> {
        let mut named = self.element.children.iter().filter(|child| child.name == name);
        let Some(element) = named.next() else { return Ok(None) };
        match named.next() {
            Some(_) => Err(UblError::Repeated { path: self.path_of(name) }),
            None => Ok(Some(Self { element, path: self.path_of(name) })),
        }
    }

    /// The child at the end of a path of names; `None` if one of them is not there.
    pub(super) fn descend(&self, names: &[&str]) -> Result<Option<Self>, UblError> {
        let mut place = self.clone();
        for name in names {
            match place.child(name)? {
                Some(child) => place = child,
                None => return Ok(None),
            }
        }
        Ok(Some(place))
    }

    /// The children of this name, numbered from 1 if there are several.
    pub(super) fn children(&self, name: &str) -> Vec<Self> {
        let named: Vec<&Element> = self.element.children.iter().filter(|child| child.name == name).collect();
        let several = named.len() > 1;
        let numbered = named.into_iter().enumerate().map(|(index, element)| match several {
            true => Self { element, path: format!("{}/{name}[{}]", self.path, index + 1) },
            false => Self { element, path: self.path_of(name) },
        });
        numbered.collect()
    }

    /// The text here, each run of whitespace one space; `None` if it is empty.
    pub(super) fn text(&self) -> Result<Option<String>, UblError> {
        let text = self.element.text.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        if self.element.cut {
            let value = text.chars().take(40).collect::<String>() + "...";
            return Err(UblError::Invalid { path: self.path.clone(), value, expected: "at most 512 bytes long" });
        }
        clean(&self.path, text)
    }

    /// An attribute here, which must be filled in where it is given.
    pub(super) fn attribute(&self, name: &str) -> Result<Option<String>, UblError> {
        let found = self.element.attributes.iter().find(|(attribute, _)| *attribute == name);
        let Some((_, text)) = found else { return Ok(None) };
        clean(&self.path_of(&format!("@{name}")), text.split_ascii_whitespace().collect::<Vec<_>>().join(" "))
    }

    pub(super) fn text_of(&self, name: &str) -> Result<Option<String>, UblError> {
        self.child(name)?.map_or(Ok(None), |child| child.text())
    }

    pub(super) fn required_text(&self, name: &str) -> Result<String, UblError> {
        self.text_of(name)?.ok_or_else(|| UblError::Missing { path: self.path_of(name) })
    }

    pub(super) fn date_of(&self, name: &str) -> Result<Option<Date>, UblError> {
        self.text_of(name)?.map(|text| date(&self.path_of(name), &text)).transpose()
    }

    pub(super) fn required_date(&self, name: &str) -> Result<Date, UblError> {
        date(&self.path_of(name), &self.required_text(name)?)
    }

    pub(super) fn currency_of(&self, name: &str) -> Result<Option<Currency>, UblError> {
        self.text_of(name)?.map(|text| currency(&self.path_of(name), &text)).transpose()
    }

    /// The amount that stands here, which must be in the document's currency.
    pub(super) fn amount(&self, document: Currency) -> Result<Decimal, UblError> {
        let amount = self.amount_currency()?;
        if amount != document {
            return Err(UblError::CurrencyMismatch { path: self.path.clone(), document, amount });
        }
        let text = self.text()?.ok_or_else(|| UblError::Missing { path: self.path.clone() })?;
        self.decimal(text)
    }

    pub(super) fn amount_currency(&self) -> Result<Currency, UblError> {
        let path = self.path_of("@currencyID");
        let code = self.attribute("currencyID")?.ok_or_else(|| UblError::Missing { path: path.clone() })?;
        currency(&path, &code)
    }

    pub(super) fn amount_of(&self, name: &str, document: Currency) -> Result<Option<Decimal>, UblError> {
        self.child(name)?.map(|child| child.amount(document)).transpose()
    }

    pub(super) fn required_amount(&self, name: &str, document: Currency) -> Result<Decimal, UblError> {
        self.amount_of(name, document)?.ok_or_else(|| UblError::Missing { path: self.path_of(name) })
    }

    /// The number that stands here, of whatever unit.
    pub(super) fn number(&self) -> Result<Decimal, UblError> {
        let text = self.text()?.ok_or_else(|| UblError::Missing { path: self.path.clone() })?;
        self.decimal(text)
    }

    fn decimal(&self, text: String) -> Result<Decimal, UblError> {
        let expected = "a decimal number such as 1250.00";
        Decimal::parse(&text).ok_or_else(|| UblError::Invalid { path: self.path.clone(), value: text, expected })
    }
}

fn clean(path: &str, text: String) -> Result<Option<String>, UblError> {
    // What looks like another document's number would be another document to the ledger, and the same to people.
    let unseen = if path.ends_with("cbc:ID") { unseen_in_reference(&text) } else { unseen_in_text(&text) };
    if unseen.is_some() {
        let (path, value) = (path.to_owned(), text.escape_debug().to_string());
        return Err(UblError::Invalid { path, value, expected: "free of characters that do not show" });
    }
    Ok((!text.is_empty()).then_some(text))
}

fn currency(path: &str, text: &str) -> Result<Currency, UblError> {
    text.parse().map_err(|_| UblError::Invalid {
        path: path.to_owned(),
        value: text.to_owned(),
        expected: "the ISO 4217 code of a currency, such as HKD",
    })
}

/// An `xsd:date`: `YYYY-MM-DD`, and maybe a time zone, which a day of business does not need.
pub(super) fn date(path: &str, text: &str) -> Result<Date, UblError> {
    let day = text.get(..10).filter(|day| day.bytes().enumerate().all(is_of_a_day));
    let zoned = matches!(text.get(10..), Some("" | "Z")) || text.get(10..).is_some_and(is_an_offset);
    day.filter(|_| zoned).and_then(|day| day.parse().ok()).ok_or_else(|| UblError::Invalid {
        path: path.to_owned(),
        value: text.to_owned(),
        expected: "a day of the calendar, as YYYY-MM-DD",
    })
}

fn is_of_a_day((place, byte): (usize, u8)) -> bool {
    if matches!(place, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() }
}

fn is_an_offset(text: &str) -> bool {
    let form = |(place, byte): (usize, u8)| match place {
        0 => matches!(byte, b'+' | b'-'),
        3 => byte == b':',
        _ => byte.is_ascii_digit(),
    };
    text.len() == 6 && text.bytes().enumerate().all(form)
}

/// What went wrong so far, so that a reader can go on and tell all of it at once.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<UblError>);

impl Faults {
    /// The fact, or nothing and one more fault.
    pub(super) fn note<T>(&mut self, read: Result<T, UblError>) -> Option<T> {
        match read {
            Ok(fact) => Some(fact),
            Err(fault) => {
                // The same place may be asked twice: for a fact, and for what is computed from it.
                if !self.0.contains(&fault) {
                    self.0.push(fault);
                }
                None
            }
        }
    }

    /// The facts, or nothing and so many more faults.
    pub(super) fn note_all<T>(&mut self, read: Result<T, Vec<UblError>>) -> Option<T> {
        read.map_err(|faults| faults.into_iter().for_each(|fault| drop(self.note::<T>(Err(fault))))).ok()
    }

    /// The document if nothing was wrong.
    pub(super) fn settle<T>(self, document: Option<T>) -> Result<T, Vec<UblError>> {
        match document {
            Some(document) if self.0.is_empty() => Ok(document),
            _ => Err(self.0),
        }
    }
}
