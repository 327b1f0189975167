//! What commands print: tables and pairs for people, JSON for programs. Both come from the same JSON value, so that they
//! cannot tell different things.

use crate::client::decimal;
use crate::primitives::{Amount, BlockTime};
use crate::sandbox::plain_table;
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
        Format::Json => println!("{value:#}"),
        Format::Text => println!("{}", pairs(value)),
    }
}

/// Prints many things of one kind, as a table with these columns.
pub fn print_many(format: Format, values: &[Value], columns: &[&str]) {
    if format == Format::Json {
        println!("{:#}", Value::Array(values.to_vec()));
        return;
    }
    if values.is_empty() {
        println!("none");
        return;
    }
    let mut table = plain_table();
    table.set_header(columns.iter().map(|column| title(column)));
    for value in values {
        table.add_row(columns.iter().map(|column| cell(column, value.get(*column).unwrap_or(&Value::Null))));
    }
    println!("{table}");
}

/// Prints one of a stream: a line of JSON, or of text.
pub fn print_line(format: Format, value: &Value, text: &str) {
    match format {
        Format::Json => println!("{value}"),
        Format::Text => println!("{text}"),
    }
}

fn title(field: &str) -> String {
    field.trim_end_matches("_ms").replace('_', " ")
}

/// What a reader looks for first.
const FIRST: [&str; 4] = ["verified", "status", "reason", "explanation"];

fn pairs(value: &Value) -> String {
    let mut lines = Vec::new();
    let empty = Map::new();
    let object = value.as_object().unwrap_or(&empty);
    let width = object.keys().map(|name| title(name).chars().count()).max().unwrap_or(0);
    let is_list = |value: &Value| value.as_array().is_some_and(|items| items.iter().any(Value::is_object));
    // What fits a line comes first, so that lists do not tear it apart; and of that, whether it worked.
    let mut lines_of_one: Vec<_> = object.iter().filter(|(_, value)| !is_list(value)).collect();
    lines_of_one.sort_by_key(|(name, _)| FIRST.iter().position(|first| first == name).unwrap_or(FIRST.len()));
    for (name, value) in lines_of_one {
        lines.push(format!("{:<width$}  {}", title(name), cell(name, value)));
    }
    for (name, value) in object.iter().filter(|(_, value)| is_list(value)) {
        lines.push(title(name));
        lines.extend(value.as_array().into_iter().flatten().map(|item| format!("  {}", inline(item))));
    }
    lines.join("\n")
}

/// What an item of a list is.
const LEADING: [&str; 3] = ["kind", "effect", "name"];

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
        Value::String(text) => text.clone(),
        // Times are milliseconds for programs and dates for people; 0 means that there is none.
        Value::Number(number) if field.ends_with("_ms") => match number.as_u64() {
            Some(0) => "none".to_owned(),
            Some(time) if time > 1_000_000_000_000 => BlockTime(time).to_string(),
            _ => format!("{number} ms"),
        },
        Value::Array(items) => items.iter().map(|item| cell(field, item)).collect::<Vec<_>>().join(", "),
        Value::Object(_) => inline(value),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// Fields that are amounts of the token that stands beside them.
const AMOUNTS: [&str; 6] = ["amount", "available", "locked", "circulation", "reserves_counted", "shortfall"];

/// An amount with its unit: decimals of its token where the scale is known, minor units where it is not.
pub fn money(amount: Amount, token: Option<&str>, scale: Option<u32>) -> String {
    match (token, scale) {
        (Some(token), Some(scale)) => format!("{} {token}", decimal::format(amount, scale)),
        (Some(token), None) => format!("{} minor units of {token}", decimal::format(amount, 0)),
        (None, _) => format!("{} minor units", decimal::format(amount, 0)),
    }
}

/// Gives every amount that stands beside its token's id the unit, however deep in the value, for people.
pub fn with_units(value: &mut Value, scale_of: &dyn Fn(&str) -> Option<u32>) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| with_units(item, scale_of)),
        Value::Object(fields) => {
            let token = fields.get("token_id").and_then(Value::as_str).map(str::to_owned);
            for (name, field) in fields.iter_mut() {
                match (&token, field.as_u64()) {
                    (Some(token), Some(minor)) if AMOUNTS.contains(&name.as_str()) => {
                        *field = money(Amount::new(minor), Some(token), scale_of(token)).into();
                    }
                    _ => with_units(field, scale_of),
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
        assert_eq!(money(Amount::new(5), None, None), "5 minor units");
    }

    #[test]
    fn decimals_are_for_people_only() {
        let value = json!({ "amount": 1250 });
        assert_eq!(with_decimals(Format::Text, value.clone(), &["amount"], 2)["amount"], "12.50");
        assert_eq!(with_decimals(Format::Json, value, &["amount"], 2)["amount"], 1250);
    }
}
