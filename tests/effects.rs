//! `docs/effects.md` names every effect that the ledger records, with its fields in their order. What the page says is held
//! to the sources: to `Effect::new("room.event")` with the `.with("field", …)` that follow, whether in the same expression,
//! on the variable that it is bound to, or after a call of the function that begins it.

use super::architecture::{Source, sources};
use causeway::domain::tokens::AssetClass;
use std::collections::BTreeMap;

/// The rooms whose effects there are.
const ROOMS: [&str; 6] = ["accounts", "tokens", "payments", "trade", "financing", "governance"];
const KINDS: [&str; 9] = ["amount", "number", "object", "account", "token", "hash", "time", "text", "flag"];

/// Each effect's fields, in order.
type Effects = BTreeMap<String, Vec<String>>;

/// The text that begins with a quote at `at`, and where it ends.
fn text_at(code: &str, at: usize) -> (&str, usize) {
    let mut escaped = false;
    for (offset, character) in code[at + 1..].char_indices() {
        match character {
            '"' if !escaped => return (&code[at + 1..at + 1 + offset], at + offset + 2),
            character => escaped = character == '\\' && !escaped,
        }
    }
    panic!("a text does not end: {}", &code[at..]);
}

/// Where the parenthesis at `open` is closed.
fn closing(code: &str, open: usize) -> usize {
    let (mut at, mut depth) = (open, 0);
    while at < code.len() {
        match code.as_bytes()[at] {
            b'"' => {
                at = text_at(code, at).1;
                continue;
            }
            b'(' => depth += 1,
            b')' if depth == 1 => return at,
            b')' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    panic!("a parenthesis is not closed: {}", &code[open..]);
}

/// The fields of a chain of `.with("field", …)` that begins at `at`.
fn chain(code: &str, mut at: usize) -> Vec<String> {
    let mut fields = Vec::new();
    loop {
        at += code[at..].len() - code[at..].trim_start().len();
        if !code[at..].starts_with(".with(") {
            return fields;
        }
        let open = at + ".with".len();
        let argument = code[open + 1..].trim_start();
        match argument.strip_prefix("&format!(") {
            None => fields.push(text_at(argument, 0).0.to_owned()),
            Some(template) => {
                let template = text_at(template, 0).0;
                assert_eq!(template, "counted_{}", "a field's name that this test cannot read");
                fields
                    .extend(AssetClass::ALL.iter().map(|class| format!("counted_{}", class.name().replace('-', "_"))));
            }
        }
        at = closing(code, open) + 1;
    }
}

/// The first chain that follows a parenthesis that was open at `at`, within the statement.
fn chain_out_of(code: &str, mut at: usize) -> Vec<String> {
    while at < code.len() {
        match code.as_bytes()[at] {
            b'"' => at = text_at(code, at).1,
            b'(' => at = closing(code, at) + 1,
            b')' => {
                let fields = chain(code, at + 1);
                if !fields.is_empty() {
                    return fields;
                }
                at += 1;
            }
            b';' | b'{' | b'}' => return Vec::new(),
            _ => at += 1,
        }
    }
    Vec::new()
}

/// The fields that are added later to the variable that the statement around `at` binds, if it binds one.
fn added_later(code: &str, at: usize) -> Vec<String> {
    let statement = &code[code[..at].rfind([';', '{', '}']).map_or(0, |end| end + 1)..at];
    let Some((pattern, _)) = statement.trim_start().strip_prefix("let ").and_then(|bound| bound.split_once(" ="))
    else {
        return Vec::new();
    };
    let with = format!("{}.with(", pattern.trim_start_matches("mut "));
    let end = code[at..].find("fn ").map_or(code.len(), |next| at + next);
    let places = code[at..end].match_indices(&with).map(|(place, _)| at + place + with.len() - ".with(".len());
    places.flat_map(|place| chain(code, place)).collect()
}

fn is_name(text: &str) -> bool {
    text.split_once('.').is_some_and(|(room, event)| {
        ROOMS.contains(&room) && event.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    })
}

/// What one file records.
fn recorded_in(source: &Source) -> Effects {
    let code: String = source.product().iter().map(|(_, line)| format!("{line}\n")).collect();
    // A quote that is a character begins no text.
    let code = code.replace("'\"'", "'_'");
    let mut effects = Effects::new();
    let mut add = |name: &str, fields: Vec<String>| {
        let before = effects.insert(name.to_owned(), fields);
        assert_eq!(before, None, "{name} is recorded in two places of {}", source.path);
    };
    let mut begun = Vec::new();
    let mut named = Vec::new();
    for (at, found) in code.match_indices("Effect::new(") {
        let open = at + found.len() - 1;
        let close = closing(&code, open);
        let argument = &code[open + 1..close];
        let fields = || [chain(&code, close + 1), added_later(&code, at)].concat();
        let constant = format!("const {argument}: &str = ");
        match code.find(&constant) {
            _ if argument.starts_with('"') => {
                named.push(open + 1);
                add(text_at(argument, 0).0, fields());
            }
            Some(declared) => {
                named.push(declared + constant.len());
                add(text_at(&code, declared + constant.len()).0, fields());
            }
            None => begun.push(chain(&code, close + 1)),
        }
    }
    let mut at = 0;
    while let Some(quote) = code[at..].find('"').map(|offset| at + offset) {
        let (text, end) = text_at(&code, quote);
        at = end;
        // Who names an effect on another floor reads it.
        if source.room == "domain" && is_name(text) && !named.contains(&quote) {
            let [common] = &begun[..] else { panic!("{} names {text} and does not record it", source.path) };
            add(text, [common.clone(), chain_out_of(&code, end), added_later(&code, quote)].concat());
        }
    }
    effects
}

/// What the page says.
fn described() -> Effects {
    let page = include_str!("../docs/effects.md");
    let mut effects = Effects::new();
    let mut current: Option<&mut Vec<String>> = None;
    for line in page.lines() {
        if let Some(name) = line.strip_prefix("### `").and_then(|rest| rest.strip_suffix('`')) {
            assert!(!effects.contains_key(name), "docs/effects.md describes {name} twice");
            current = Some(effects.entry(name.to_owned()).or_default());
        } else if line.starts_with('#') {
            current = None;
        }
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if let (Some(fields), [_, name, kind, _, _]) = (&mut current, &cells[..])
            && let Some(field) = name.strip_prefix('`').and_then(|name| name.strip_suffix('`'))
        {
            assert!(KINDS.contains(kind), "docs/effects.md: {field} is of no kind: {kind}");
            fields.push(field.to_owned());
        }
    }
    effects
}

#[test]
fn the_page_describes_every_effect_and_no_other() {
    let mut recorded = Effects::new();
    for source in sources() {
        for (name, fields) in recorded_in(&source) {
            assert_eq!(recorded.insert(name.clone(), fields), None, "{name} is recorded in two files");
        }
    }
    let described = described();
    for (name, fields) in &recorded {
        let found = described.get(name);
        assert_eq!(found, Some(fields), "docs/effects.md has other fields for {name} than the sources, or none");
    }
    for name in described.keys() {
        assert!(recorded.contains_key(name), "docs/effects.md describes {name}, which nothing records");
    }
}
