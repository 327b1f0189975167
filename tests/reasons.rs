//! `docs/reasons.md` is made from the catalogue. `CAUSEWAY_GOLDEN=write cargo test --test suite reasons` makes it anew.

use causeway::ledger::Reason;
use causeway::ledger::reason::ReasonEntry;
use std::fmt::Write as _;
use std::path::PathBuf;

const INTRODUCTION: &str = "\
# Reasons

Why a transaction was **declined**: it stands in a block, it changed nothing, and its receipt proves the reason. A
declined transaction is not a *refused* one, which never reached a block and has no receipt.

A reason has a stable code and name, and fields with the figures that decided it; receipts carry code and fields
(`docs/receipt-format.md`), gRPC answers the name and the explanation beside them. The catalogue is append-only: a code,
once given, keeps its name, its meaning and its fields. A program that meets a code it does not know should treat it as a
decline and show the fields.

This page is made from `Reason::CATALOGUE` in `src/ledger/reason.rs`; a test holds the two together.
";

/// The hundreds of the codes, and what they are about.
const FAMILIES: [(u16, &str); 8] = [
    (1, "Any operation"),
    (2, "Accounts"),
    (3, "Tokens and reserves"),
    (4, "Payments"),
    (5, "Trade"),
    (6, "Financing"),
    (7, "The lender's rules, and other networks"),
    (8, "Validators and observers"),
];

fn row(entry: &ReasonEntry) -> String {
    let fields = entry.fields.iter().map(|field| format!("`{field}`")).collect::<Vec<_>>().join(", ");
    format!("| {} | `{}` | {} | {} |\n", entry.code, entry.name, entry.explanation, fields)
}

fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    for (hundred, title) in FAMILIES {
        let rows: String = Reason::CATALOGUE.iter().filter(|entry| entry.code / 100 == hundred).map(row).collect();
        if !rows.is_empty() {
            write!(
                page,
                "\n## {title}\n\n| code | name | what it means, and what to do | fields |\n|---|---|---|---|\n{rows}"
            )
            .unwrap();
        }
    }
    page
}

#[test]
fn every_reason_is_of_a_family() {
    for entry in Reason::CATALOGUE {
        assert!(FAMILIES.iter().any(|(hundred, _)| entry.code / 100 == *hundred), "{} {}", entry.code, entry.name);
    }
}

#[test]
fn the_page_is_the_catalogue() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/reasons.md");
    if std::env::var_os("CAUSEWAY_GOLDEN").is_some_and(|mode| mode == "write") {
        std::fs::write(&path, page()).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page(),
        "docs/reasons.md is not what the catalogue says: CAUSEWAY_GOLDEN=write cargo test --test suite reasons"
    );
}
