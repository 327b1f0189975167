//! Orders and their changes as documents: the terms that the ledger takes from them, and what the ledger has held to a party's own
//! copy before it signs.
//!
//! # Invariants
//! * Nobody accepts by a document whose amount, currency, lines, dates or parties are not those of the order.
//! * A document about another order than the one that is named is not used, where the order's own document is given.

use super::documents::UblFile;
use super::pair::Companies;
use crate::cli::failure::Failure;
use crate::cli::output::money;
use crate::client::ubl::{UblOrder, UblOrderTerms};
use crate::domain::trade::fingerprint::normalised_number;
use crate::domain::trade::{OrderTerms, SilenceMeans, fingerprint};
use crate::primitives::{Amount, BlockTime, Day, Hash};
use crate::wire::pb::{tokens, trade};
use std::path::Path;

/// What the parties agree on beside the document.
#[derive(Clone, Copy, Debug)]
pub struct Silence {
    /// Within how many days the buyer confirms or disputes an invoice.
    pub confirmation_days: u16,
    /// What silence means after that.
    pub means: SilenceMeans,
}

/// The terms that a document gives, under a commitment to it.
///
/// # Errors
/// One of them is out of the ledger's bounds.
pub fn terms_of(
    path: &Path,
    terms: &UblOrderTerms,
    silence: Silence,
    scale: u32,
    document_commitment: Hash,
) -> Result<OrderTerms, Failure> {
    let out_of_bounds = |why: String| Failure::Failed(format!("{}: {why}", path.display()));
    let payment_days = terms.payment_days.map(u16::try_from).transpose();
    let read = OrderTerms {
        amount: payable(path, terms, scale)?,
        document_commitment,
        line_count: u16::try_from(terms.lines.len()).unwrap_or(u16::MAX),
        deliver_by: deliver_by(path, terms)?,
        confirmation_days: silence.confirmation_days,
        silence: silence.means,
        payment_days: payment_days.map_err(|_| out_of_bounds("payment_days: they are too many".to_owned()))?,
    };
    read.check().map_err(|malformed| match malformed.field.as_str() {
        "confirmation_days" => Failure::Usage(format!("--confirmation-days: {}", malformed.why)),
        _ => out_of_bounds(malformed.to_string()),
    })?;
    Ok(read)
}

fn payable(path: &Path, terms: &UblOrderTerms, scale: u32) -> Result<Amount, Failure> {
    let amount = terms.totals.payable.minor_units(scale);
    amount.map(Amount::new).map_err(|error| Failure::Failed(format!("{}: {error}", path.display())))
}

/// The end of the last day of delivery.
fn deliver_by(path: &Path, terms: &UblOrderTerms) -> Result<Option<BlockTime>, Failure> {
    let Some(date) = terms.delivery_by else { return Ok(None) };
    let end = Day::of(date).and_then(|day| day.checked_add(1)).map(Day::starts_at);
    let no_day =
        || Failure::Failed(format!("{}: {date} is no day of delivery that the ledger can hold", path.display()));
    end.map(Some).ok_or_else(no_day)
}

/// The words for what differs.
struct Comparison<'a> {
    path: &'a Path,
}

impl Comparison<'_> {
    fn same(&self, what: &str, on_ledger: &str, in_document: &str) -> Result<(), Failure> {
        if on_ledger == in_document {
            return Ok(());
        }
        let path = self.path.display();
        Err(Failure::Failed(format!("{what} is {on_ledger} on the ledger and {in_document} in {path}. Do not accept")))
    }
}

/// Holds terms on the ledger to a document's.
///
/// # Errors
/// The first difference, with both figures.
pub fn require_terms(
    path: &Path,
    on_ledger: &trade::OrderTerms,
    token: &tokens::Token,
    terms: &UblOrderTerms,
) -> Result<(), Failure> {
    let comparison = Comparison { path };
    comparison.same("the currency", &token.currency, terms.currency.as_str())?;
    let figure = |amount| money(amount, Some(&token.token_id), Some(token.scale));
    let amount = payable(path, terms, token.scale)?;
    comparison.same("the amount", &figure(Amount::new(on_ledger.amount)), &figure(amount))?;
    comparison.same("the number of lines", &on_ledger.line_count.to_string(), &terms.lines.len().to_string())?;
    let time = |time: u64| if time == 0 { "not said".to_owned() } else { BlockTime(time).to_string() };
    let by = deliver_by(path, terms)?.map_or(0, |by| by.0);
    comparison.same("the end of delivery", &time(on_ledger.deliver_by_ms), &time(by))?;
    let days = |days: Option<u32>| days.map_or_else(|| "not said".to_owned(), |days| format!("{days} days"));
    comparison.same("the term of payment", &days(on_ledger.payment_days), &days(terms.payment_days))
}

/// Holds an order's fingerprint on the ledger to its document as it was placed.
///
/// # Errors
/// It is of another document, or under another key.
pub fn require_order(
    document: &UblFile<UblOrder>,
    on_ledger: &[u8],
    key: &[u8; 32],
    companies: &Companies,
) -> Result<(), Failure> {
    let computed = fingerprint(key, &document.content.facts(&companies.supplier, &companies.buyer)?);
    match computed.0[..] == *on_ledger {
        true => Ok(()),
        false => Err(Failure::Failed(format!(
            "the order's fingerprint on the ledger is not that of {}: its number, issue date, currency or amount differs, or \
             it was made under another key than the pair's. Nothing was sent",
            document.path.display()
        ))),
    }
}

/// Holds the orders or invoices that a document names to a number.
///
/// # Errors
/// It is not among them.
pub fn require_named(path: &Path, what: &str, named: &[String], number: &str) -> Result<(), Failure> {
    let wanted = normalised_number(number);
    if named.iter().any(|named| normalised_number(named) == wanted) {
        return Ok(());
    }
    let (path, named) = (path.display(), if named.is_empty() { "none".to_owned() } else { named.join(", ") });
    Err(Failure::Failed(format!("{path} is not about the {what} {number}: it names {named}. Nothing was sent")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDER: &str = include_str!("../../../tests/fixtures/ubl/order-hkd.xml");

    fn order(text: &str) -> UblFile<UblOrder> {
        let content = UblOrder::read(text.as_bytes()).expect("an order");
        UblFile { path: "order.xml".into(), bytes: text.as_bytes().to_vec(), content }
    }

    fn terms(text: &str, silence: Silence) -> Result<OrderTerms, Failure> {
        let order = order(text);
        terms_of(&order.path, &order.content.terms, silence, 2, Hash([1; 32]))
    }

    const NOTHING: Silence = Silence { confirmation_days: 0, means: SilenceMeans::Nothing };

    #[test]
    fn terms_are_the_documents() {
        let read = terms(ORDER, Silence { confirmation_days: 10, means: SilenceMeans::Confirms }).expect("terms");
        assert_eq!((read.amount, read.line_count, read.payment_days), (Amount::new(12_500_000), 2, Some(60)));
        assert_eq!((read.confirmation_days, read.silence), (10, SilenceMeans::Confirms));
        // The last day of delivery is 2026-11-30, and lasts until its end.
        assert_eq!(read.deliver_by.map(|by| by.to_string()).as_deref(), Some("2026-12-01T00:00:00.000Z"));
        let bare = terms(&ORDER.replace("<cbc:EndDate>2026-11-30</cbc:EndDate>", ""), NOTHING).expect("terms");
        assert_eq!((bare.deliver_by, bare.confirmation_days), (None, 0));
    }

    #[test]
    fn terms_that_the_ledger_does_not_take_are_refused_here() {
        let refused = |text: &str, silence| terms(text, silence).expect_err("out of bounds");
        for (text, named) in [
            (
                ORDER.replace(">60</cbc:DurationMeasure>", ">400</cbc:DurationMeasure>"),
                "payment_days: it must be at most",
            ),
            (ORDER.replace(">60</cbc:DurationMeasure>", ">70000</cbc:DurationMeasure>"), "payment_days"),
        ] {
            let refused = refused(&text, NOTHING).to_string();
            assert!(refused.contains("order.xml") && refused.contains(named), "{refused}");
        }
        for silence in [
            Silence { confirmation_days: 181, means: SilenceMeans::Nothing },
            Silence { confirmation_days: 0, means: SilenceMeans::Confirms },
        ] {
            let refused = refused(ORDER, silence);
            assert!(matches!(refused, Failure::Usage(_)), "{refused}");
            assert!(refused.to_string().contains("--confirmation-days"), "{refused}");
        }
    }

    #[test]
    fn terms_on_the_ledger_are_held_to_the_document_and_both_figures_are_told() {
        let document = order(ORDER);
        let token =
            tokens::Token { token_id: "HKDX".to_owned(), currency: "HKD".to_owned(), scale: 2, ..Default::default() };
        let on_ledger = trade::OrderTerms {
            amount: 12_500_000,
            line_count: 2,
            deliver_by_ms: 1_796_083_200_000,
            payment_days: Some(60),
            ..Default::default()
        };
        let hold = |on_ledger: &trade::OrderTerms, token: &tokens::Token| {
            require_terms(&document.path, on_ledger, token, &document.content.terms)
        };
        hold(&on_ledger, &token).expect("the same");
        for (changed, told) in [
            (trade::OrderTerms { amount: 1, ..on_ledger.clone() }, ["0.01 HKDX", "125,000.00 HKDX"]),
            (trade::OrderTerms { line_count: 3, ..on_ledger.clone() }, ["lines is 3", "2 in order.xml"]),
            (trade::OrderTerms { deliver_by_ms: 0, ..on_ledger.clone() }, ["not said", "2026-12-01"]),
            (trade::OrderTerms { payment_days: Some(90), ..on_ledger.clone() }, ["90 days", "60 days"]),
        ] {
            let refused = hold(&changed, &token).expect_err("another").to_string();
            assert!(told.iter().all(|figure| refused.contains(figure)), "{refused}");
        }
        let dollars = tokens::Token { currency: "USD".to_owned(), ..token };
        assert!(hold(&on_ledger, &dollars).expect_err("another currency").to_string().contains("USD on the ledger"));
    }

    #[test]
    fn a_document_is_about_the_order_that_it_names() {
        let named = |named: &[&str]| {
            let named: Vec<String> = named.iter().map(|number| (*number).to_owned()).collect();
            require_named(Path::new("change.xml"), "order", &named, "PO-7781")
        };
        named(&["PO-1", " po-7781"]).expect("numbers have one form");
        for (others, told) in [(&["PO-1", "PO-77811"][..], "PO-1, PO-77811"), (&[], "it names none")] {
            let refused = named(others).expect_err("another order").to_string();
            assert!(refused.contains(told) && refused.contains("not about the order PO-7781"), "{refused}");
        }
        let companies = Companies { supplier: "A:1".to_owned(), buyer: "B:2".to_owned() };
        let document = order(ORDER);
        let facts = document.content.facts(&companies.supplier, &companies.buyer).expect("facts");
        let own = fingerprint(&[7; 32], &facts);
        require_order(&document, &own.0, &[7; 32], &companies).expect("its own");
        assert!(require_order(&document, &own.0, &[8; 32], &companies).is_err(), "another key");
        let other = order(&ORDER.replace("<cbc:ID>PO-7781<", "<cbc:ID>PO-7782<"));
        let refused = require_order(&other, &own.0, &[7; 32], &companies).expect_err("another order").to_string();
        assert!(refused.contains("order.xml") && refused.contains("number"), "{refused}");
    }
}
