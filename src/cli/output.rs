//! What commands print: tables and pairs for people, JSON for programs. Both come from the same JSON value, so that they
//! cannot tell different things.

use crate::client::decimal;
use crate::primitives::amount::percent;
use crate::primitives::{Amount, BlockTime, printable, printable_json};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value};

/// How to print.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// Prints one thing.
pub fn print_one(format: Format, value: &Value) {
    match format {
        Format::Json => println!("{}", json(value)),
        Format::Text => println!("{}", pairs(value)),
    }
}

/// Tells of work that goes from block to block: on a terminal only, and beside the output.
pub fn bar_of_blocks() -> ProgressBar {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} block {pos} of {len}, {per_sec}, {eta} left") {
        bar.set_style(style);
    }
    bar
}

/// How wide a table may be: what the narrower of the usual terminals shows without breaking lines.
const TABLE_WIDTH_MAX: usize = 100;
/// What is between two columns.
const GAP: usize = 2;

/// Prints many things of one kind, as a table with these columns; one below the other where the table would be wider than a
/// terminal, since an id that is cut cannot be copied.
pub fn print_many(format: Format, values: &[Value], columns: &[&str]) {
    match format {
        Format::Json => println!("{}", json(&Value::Array(values.to_vec()))),
        Format::Text => println!("{}", many(values, columns)),
    }
}

fn many(values: &[Value], columns: &[&str]) -> String {
    if values.is_empty() {
        return "none".to_owned();
    }
    let titles: Vec<String> = columns.iter().map(|column| title(column)).collect();
    let cell_of = |value: &Value, column: &str| cell(column, value.get(column).unwrap_or(&Value::Null));
    let rows: Vec<Vec<String>> =
        values.iter().map(|value| columns.iter().map(|column| cell_of(value, column)).collect()).collect();
    let width_of = |place: usize| {
        let cells = rows.iter().map(|row| row[place].chars().count());
        cells.chain([titles[place].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width_of).collect();
    let width = widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1);
    if width <= TABLE_WIDTH_MAX {
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).map(|(text, width)| format!("{text:<width$}"));
            cells.collect::<Vec<_>>().join(&" ".repeat(GAP)).trim_end().to_owned()
        };
        let body = rows.iter().map(line);
        return [line(&titles), "─".repeat(width)].into_iter().chain(body).collect::<Vec<_>>().join("\n");
    }
    let width = titles.iter().map(|title| title.chars().count()).max().unwrap_or(0);
    let record = |row: &Vec<String>| {
        let filled = titles.iter().zip(row).filter(|(_, text)| !text.is_empty());
        filled.map(|(title, text)| format!("{title:<width$}  {text}")).collect::<Vec<_>>().join("\n")
    };
    rows.iter().map(record).collect::<Vec<_>>().join("\n\n")
}

/// Prints one of a stream: a line of JSON, or of text.
pub fn print_line(format: Format, value: &Value, text: &str) {
    match format {
        Format::Json => println!("{}", printable_json(&value.to_string())),
        Format::Text => println!("{}", printable(text)),
    }
}

/// Prints a line for people, with whatever others wrote into it.
pub fn say(text: &str) {
    println!("{}", printable(text));
}

/// A value as programs read it, over as many lines as people like.
pub fn json(value: &Value) -> String {
    printable_json(&format!("{value:#}")).into_owned()
}

/// Of a field that a node or a file names.
fn title(field: &str) -> String {
    printable(&field.trim_end_matches("_ms").replace("_bps", "").replace('_', " ")).into_owned()
}

/// What a reader looks for first.
const FIRST: [&str; 6] = ["verified", "status", "reason", "explanation", "kind", "financed_now"];

fn pairs(value: &Value) -> String {
    lines(value, 0).join("\n")
}

/// The lines of an object: what fits a line first, so that the rest does not tear it apart, and of that, whether it worked; then
/// what has parts of its own, each below its title and set in.
fn lines(value: &Value, indent: usize) -> Vec<String> {
    let (mut lines, empty) = (Vec::new(), Map::new());
    let object = value.as_object().unwrap_or(&empty);
    let has_parts = |name: &str, value: &Value| match value {
        Value::Array(items) => items.iter().any(Value::is_object) || cell(name, value).len() > TABLE_WIDTH_MAX,
        value => value.is_object(),
    };
    // What there is nothing to say of is left out.
    let told = object.iter().filter(|(name, value)| value.is_object() || !cell(name, value).is_empty());
    let (with_parts, mut of_a_line): (Vec<_>, Vec<_>) = told.partition(|(name, value)| has_parts(name, value));
    of_a_line.sort_by_key(|(name, _)| FIRST.iter().position(|first| first == name).unwrap_or(FIRST.len()));
    let width = of_a_line.iter().map(|(name, _)| title(name).chars().count()).max().unwrap_or(0);
    for (name, value) in of_a_line {
        lines.push(format!("{:indent$}{:<width$}  {}", "", title(name), cell(name, value)).trim_end().to_owned());
    }
    for (name, value) in with_parts {
        lines.push(format!("{:indent$}{}", "", title(name)));
        match value {
            Value::Array(items) => items.iter().for_each(|item| lines.extend(item_lines(item, indent + 2))),
            value => lines.extend(self::lines(value, indent + 2)),
        }
    }
    lines
}

/// An item of a list: in one line if that is not too long, else what it is in one, and its facts below.
fn item_lines(item: &Value, indent: usize) -> Vec<String> {
    let line = inline(item);
    let is_flat = |object: &Map<String, Value>| object.values().all(|value| !value.is_object());
    let Some(object) = item.as_object().filter(|object| line.len() + indent > TABLE_WIDTH_MAX || !is_flat(object))
    else {
        return vec![format!("{:indent$}{line}", "")];
    };
    let leading = object.iter().find(|(name, _)| LEADING.contains(&name.as_str()));
    let first = leading.map_or_else(|| "-".to_owned(), |(name, value)| cell(name, value));
    let mut facts: Map<String, Value> = object.clone();
    leading.map(|(name, _)| facts.remove(name));
    // What an effect tells stands in a field of its own.
    if let Some(Value::Object(fields)) = facts.remove("fields") {
        facts.extend(fields);
    }
    let mut lines = vec![format!("{:indent$}{first}", "")];
    lines.extend(self::lines(&Value::Object(facts), indent + 2));
    lines
}

/// What an item of a list is.
const LEADING: [&str; 5] = ["kind", "effect", "name", "token_id", "lender_account_id"];

fn inline(value: &Value) -> String {
    match value.as_object() {
        Some(object) => {
            let mut fields: Vec<_> = object.iter().collect();
            fields.sort_by_key(|(name, _)| !LEADING.contains(&name.as_str()));
            let parts = fields.into_iter().map(|(name, value)| (title(name), cell(name, value)));
            let filled = parts.filter(|(_, text)| !text.is_empty());
            filled.map(|(title, text)| format!("{title} {text}")).collect::<Vec<_>>().join(", ")
        }
        None => cell("", value),
    }
}

fn cell(field: &str, value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        // What a receipt tells is text, whatever it is of.
        Value::String(text) if field.contains("_bps") => {
            text.parse().map_or_else(|_| printable(text).into_owned(), percent)
        }
        Value::String(text) => printable(text).into_owned(),
        // Times are milliseconds for programs and dates for people; 0 means that there is none.
        Value::Number(number) if field.ends_with("_ms") => match number.as_u64() {
            Some(0) => "none".to_owned(),
            Some(time) if time > 1_000_000_000_000 => BlockTime(time).to_string(),
            _ => format!("{number} ms"),
        },
        Value::Number(number) if field.contains("_bps") => number.as_u64().map_or_else(|| number.to_string(), percent),
        Value::Array(items) => items.iter().map(|item| cell(field, item)).collect::<Vec<_>>().join(", "),
        Value::Object(_) => inline(value),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// Fields that are amounts of the token that stands beside them, or above.
const AMOUNTS: [&str; 30] = [
    "advance",
    "amount",
    "available",
    "charges_received",
    "circulation",
    "credited",
    "fee",
    "fee_flat",
    "fee_owed",
    "found_amount",
    "interest",
    "interest_owed",
    "lent",
    "limit",
    "locked",
    "outstanding",
    "per_invoice",
    "per_obligor",
    "per_supplier",
    "principal",
    "principal_received",
    "recovered",
    "required_amount",
    "reserves_counted",
    "secured",
    "settlements_sum_min",
    "shortfall",
    "total",
    "invoiced",
    "written_off",
];

/// An amount with its unit: decimals of its token where the scale is known, minor units where it is not.
pub fn money(amount: Amount, token: Option<&str>, scale: Option<u32>) -> String {
    match (token, scale) {
        (Some(token), Some(scale)) => format!("{} {token}", decimal::format(amount, scale)),
        (Some(token), None) => format!("{} minor units of {token}", decimal::format(amount, 0)),
        (None, _) => format!("{} minor units", decimal::format(amount, 0)),
    }
}

/// Gives every amount the unit of the token whose id stands beside it, or above it, however deep in the value, for people.
pub fn with_units(value: &mut Value, scale_of: &dyn Fn(&str) -> Option<u32>) {
    with_units_of(value, None, scale_of);
}

/// The same where the value's own token is named beside it.
pub fn with_units_of(value: &mut Value, token: Option<&str>, scale_of: &dyn Fn(&str) -> Option<u32>) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| with_units_of(item, token, scale_of)),
        Value::Object(fields) => {
            // A programme names its token among its terms.
            let of_terms = || fields.get("terms")?.get("token_id")?.as_str();
            let own = fields.get("token_id").and_then(Value::as_str).or_else(of_terms).map(str::to_owned);
            let token = own.as_deref().or(token);
            for (name, field) in fields.iter_mut() {
                match (token, field.as_u64()) {
                    (Some(token), Some(minor)) if AMOUNTS.contains(&name.as_str()) => {
                        *field = money(Amount::new(minor), Some(token), scale_of(token)).into();
                    }
                    _ => with_units_of(field, token, scale_of),
                }
            }
        }
        _ => {}
    }
}

/// Replaces minor units by amounts with their unit in a value's fields, for people.
pub fn with_money(format: Format, mut value: Value, fields: &[&str], token: &str, scale: u32) -> Value {
    for field in fields.iter().filter(|_| format == Format::Text) {
        if let Some(minor) = value.get(*field).and_then(Value::as_u64) {
            value[*field] = money(Amount::new(minor), Some(token), Some(scale)).into();
        }
    }
    value
}

/// Replaces minor units by decimals of the token's scale in a value's fields, for tables that name the token in a column.
pub fn with_decimals(format: Format, mut value: Value, fields: &[&str], scale: u32) -> Value {
    if format == Format::Text {
        for field in fields {
            let decimal = value.get(*field).and_then(Value::as_u64);
            if let Some(minor) = decimal {
                value[*field] = decimal::format(Amount::new(minor), scale).into();
            }
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pairs_are_aligned_and_times_are_dates() {
        let text = pairs(&json!({ "token_id": "HKDX", "due_at_ms": 1_795_428_000_250u64, "attested_as_of_ms": 0 }));
        assert_eq!(text, "attested as of  none\ndue at          2026-11-23T10:00:00.250Z\ntoken id        HKDX");
    }

    /// An id that is cut cannot be copied, and a table that a terminal breaks cannot be read.
    #[test]
    fn a_table_that_is_too_wide_becomes_a_list() {
        let row = |id: &str| json!({ "object_id": id.repeat(64), "amount": "48,600.00 HKDX", "note": null });
        let columns = ["object_id", "amount", "note"];
        let narrow = many(&[json!({ "object_id": "ab", "amount": "1.00 HKDX", "note": "x" })], &columns);
        assert_eq!(narrow, "object id  amount     note\n──────────────────────────\nab         1.00 HKDX  x");
        let columns = ["object_id", "amount", "note", "state", "a_column_that_makes_it_wide"];
        let wide = many(&[row("a"), row("b")], &columns);
        let first = format!("object id                    {}", "a".repeat(64));
        assert!(wide.starts_with(&first) && wide.contains("\n\n"), "{wide}");
        assert!(wide.lines().all(|line| line.chars().count() <= TABLE_WIDTH_MAX), "{wide}");
        assert!(!wide.contains("note") && many(&[], &columns) == "none", "{wide}");
    }

    #[test]
    fn facts_within_facts_stand_below_each_other() {
        let text = pairs(&json!({
            "state": "OPEN",
            "pricing": { "rate_bps": 800, "late_rate_bps": "1200", "law": "" },
            "effects": [{ "name": "a.b", "fields": { "loan": "ab", "amount": "1.00 HKDX" } }],
            "lines": [{ "line": "1", "amount": "2" }],
            "nothing": null,
        }));
        let expected = "state  OPEN\neffects\n  a.b\n    amount  1.00 HKDX\n    loan    ab\nlines\n  amount 2, line 1\n\
                        pricing\n  late rate  12.00 %\n  rate       8.00 %";
        assert_eq!(text, expected);
    }

    #[test]
    fn every_amount_says_of_what_it_is() {
        let scale_of = |token: &str| (token == "HKDX").then_some(2);
        let mut value = json!({
            "height": 7,
            "movements": [{ "token_id": "HKDX", "amount": 180_000 }, { "token_id": "EURX", "amount": 180_000 }],
        });
        with_units(&mut value, &scale_of);
        assert_eq!(value["movements"][0]["amount"], "1,800.00 HKDX");
        assert_eq!(value["movements"][1]["amount"], "180,000 minor units of EURX");
        assert_eq!(value["height"], 7);
        // A programme's limits are of the token that its terms name above them.
        let mut value = json!({ "token_id": "HKDX", "limits": { "total": 5 }, "legs": [{ "lent": 100 }] });
        with_units(&mut value, &scale_of);
        assert_eq!((&value["limits"]["total"], &value["legs"][0]["lent"]), (&"0.05 HKDX".into(), &"1.00 HKDX".into()));
        assert_eq!(money(Amount::new(5), None, None), "5 minor units");
    }

    #[test]
    fn decimals_are_for_people_only() {
        let value = json!({ "amount": 1250 });
        assert_eq!(with_decimals(Format::Text, value.clone(), &["amount"], 2)["amount"], "12.50");
        assert_eq!(with_decimals(Format::Json, value, &["amount"], 2)["amount"], 1250);
    }
}
