//! What `causeway finance` reads: what could be financed now, lenders' books and capital, the rules that bind them, and the
//! supervisor's view.

use super::finance::citations;
use crate::cli::failure::Failure;
use crate::cli::output::{Format, money, print_many, print_one, say};
use crate::cli::session::Session;
use crate::client::json::to_json;
use crate::ledger::Reason;
use crate::primitives::amount::percent;
use crate::primitives::{Amount, BlockTime, TokenId};
use serde_json::{Value, json};

/// Reads.
#[derive(Debug, clap::Subcommand)]
pub enum LendingCommand {
    /// Lists open receivables with what each programme would pay for them now, its price, and all that stands against it.
    Financeable {
        /// Whose receivables; the acting account's, if left out.
        #[arg(long)]
        owner: Option<String>,
        /// What the proceeds would be for, as a code of purposes.
        #[arg(long, default_value = "")]
        purpose: String,
        /// A settlement to cite: a receipt file, or a transaction id. Up to 16.
        #[arg(long = "cite", value_name = "FILE|ID")]
        citations: Vec<String>,
    },
    /// Shows a lender's book: what is out and how late, on whom, and what is left to each limit of the law.
    Book {
        /// The lender; the acting account, if left out.
        lender: Option<String>,
        /// Only in this token.
        #[arg(long)]
        token: Option<TokenId>,
    },
    /// Shows the newest attestation of a lender's capital.
    Capital {
        /// The token in whose minor units it is.
        token: TokenId,
        /// The lender; the acting account, if left out.
        lender: Option<String>,
    },
    /// Lists the lender's rules with the laws that set them: what is in force, and what will be.
    Rules,
    /// Shows all lenders together and each by itself. Observers, operators, auditors and governance may.
    Supervision,
}

impl LendingCommand {
    /// Does it.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        let account = |name: Option<String>| name.map(|name| session.common.find_account(&name)).transpose();
        match self {
            Self::Financeable { owner, purpose, citations: cited } => {
                session.account()?;
                let cited = citations(session, &cited).await?;
                let pages = session.client.financeable(account(owner)?, &purpose, cited).await?;
                let values: Vec<Value> = pages.iter().map(to_json).collect();
                if session.format() == Format::Json {
                    print_one(Format::Json, &Value::Array(values));
                    return Ok(());
                }
                show_financeable(session, &values).await
            }
            Self::Book { lender, token } => {
                session.account()?;
                let value = to_json(&session.client.book(account(lender)?, token).await?);
                if session.format() == Format::Json {
                    print_one(Format::Json, &value);
                    return Ok(());
                }
                let books = list(&value, "books");
                if books.is_empty() {
                    println!("none");
                }
                for book in books {
                    show_book(session, book).await?;
                }
                Ok(())
            }
            Self::Capital { token, lender } => {
                session.account()?;
                let mut value = to_json(&session.client.lender_capital(account(lender)?, token).await?);
                if session.format() == Format::Text {
                    let unit = Unit::of(session, token.as_str()).await?;
                    CAPITAL.iter().for_each(|field| value[*field] = unit.money(&value, field).into());
                }
                print_one(session.format(), &value);
                Ok(())
            }
            Self::Rules => {
                let value = to_json(&session.client.lending_rules().await?);
                if session.format() == Format::Json {
                    print_one(Format::Json, &value);
                    return Ok(());
                }
                show_rules(&value);
                Ok(())
            }
            Self::Supervision => {
                session.account()?;
                let pages = session.client.supervision().await?;
                let values: Vec<Value> = pages.iter().map(to_json).collect();
                if session.format() == Format::Json {
                    print_one(Format::Json, &Value::Array(values));
                    return Ok(());
                }
                show_supervision(session, &values).await
            }
        }
    }
}

/// The amounts of an attestation of capital.
const CAPITAL: [&str; 7] =
    ["net_assets", "loan_funding", "bond_funding", "capital", "risk_weighted_assets", "exposures", "lent"];

/// A token's unit.
struct Unit {
    token: String,
    scale: u32,
}

impl Unit {
    async fn of(session: &Session, token: &str) -> Result<Self, Failure> {
        Ok(Self { token: token.to_owned(), scale: session.scale(token.parse()?).await? })
    }

    /// A field's amount; nothing if there is none.
    fn money(&self, value: &Value, field: &str) -> String {
        let units = value.get(field).and_then(Value::as_u64);
        units.map(|units| money(Amount::new(units), Some(&self.token), Some(self.scale))).unwrap_or_default()
    }
}

fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value.get(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// A table under a heading, if there is anything in it.
fn section(heading: &str, rows: &[Value], columns: &[&str]) {
    if !rows.is_empty() {
        println!("\n{heading}");
        print_many(Format::Text, rows, columns);
    }
}

/// A rule's figure in its unit.
fn figure(rule: &str, figure: Option<u64>) -> String {
    match figure {
        None => "none".to_owned(),
        Some(u64::MAX) => "beyond every limit".to_owned(),
        Some(days) if rule.contains("-days-") => format!("{days} days"),
        Some(bps) => percent(bps),
    }
}

fn class_name(class: &Value) -> String {
    text(class, "class").to_lowercase().replace("_to_", "-").replace('_', " ")
}

async fn show_financeable(session: &Session, pages: &[Value]) -> Result<(), Failure> {
    let mut first = true;
    for receivable in pages.iter().flat_map(|page| list(page, "receivables")) {
        let unit = Unit::of(session, text(receivable, "token_id")).await?;
        let due = receivable.get("due_at_ms").and_then(Value::as_u64).unwrap_or_default();
        let owed = unit.money(receivable, "outstanding");
        if !first {
            println!();
        }
        first = false;
        let due = BlockTime(due).day();
        say(&format!("receivable {}: {owed}, due {due}", text(receivable, "receivable_id")));
        if !text(receivable, "reason").is_empty() {
            say(&format!("not now: {}", explained(text(receivable, "reason"))));
            continue;
        }
        if list(receivable, "offers").is_empty() {
            println!("There is no open programme for its parties.");
            continue;
        }
        for offer in list(receivable, "offers") {
            println!();
            print_one(Format::Text, &offer_row(&unit, offer));
            against(offer).iter().for_each(|line| say(&format!("  against it: {line}")));
        }
        if receivable.get("more_programmes") == Some(&Value::Bool(true)) {
            println!("There are more programmes for its parties than these.");
        }
    }
    if first {
        println!("none");
    }
    if let Some(page) = pages.last() {
        session.note(&format!("As of block {}.", page["height"]));
    }
    Ok(())
}

/// What stands against something, in a word.
fn whether(against: &[String]) -> String {
    match against.len() {
        0 => "yes".to_owned(),
        1 => "no: one condition stands against it".to_owned(),
        count => format!("no: {count} conditions stand against it"),
    }
}

/// An offer as people read it. What is not offered has no price.
fn offer_row(unit: &Unit, offer: &Value) -> Value {
    let cost = offer.get("all_in_cost_bps").and_then(Value::as_u64).filter(|cost| *cost > 0);
    json!({
        "financed_now": whether(&against(offer)),
        "programme_id": text(offer, "programme_id"),
        "name": text(offer, "programme_name"),
        "advance": unit.money(offer, "advance"),
        "fee": unit.money(offer, "fee"),
        "interest": unit.money(offer, "interest"),
        "due_on": text(offer, "due_on"),
        "all_in_cost": cost.map(percent),
    })
}

/// A reason by its name, with what it means.
fn explained(name: &str) -> String {
    let entry = Reason::CATALOGUE.iter().find(|entry| entry.name == name);
    entry.map_or_else(|| name.to_owned(), |entry| format!("{name}. {}", entry.explanation))
}

/// Shows what one request would come to.
///
/// # Errors
/// No node answers.
pub(super) async fn show_assessment(session: &Session, value: &Value) -> Result<(), Failure> {
    let unit = Unit::of(session, text(value, "token_id")).await?;
    let against = against(value);
    let outcome = match whether(&against) {
        yes if against.is_empty() => format!("{yes}, as far as the lenders' balances suffice"),
        no => no,
    };
    print_one(
        Format::Text,
        &json!({
            "financed_now": outcome,
            "advance": unit.money(value, "advance"),
            "fee": unit.money(value, "fee"),
            "interest": unit.money(value, "interest"),
            "due_on": text(value, "due_on"),
            "all_in_cost": percent(value.get("all_in_cost_bps").and_then(Value::as_u64).unwrap_or_default()),
        }),
    );
    against.iter().for_each(|line| say(&format!("  against it: {line}")));
    Ok(())
}

/// All that stands against an offer, each in a line.
fn against(offer: &Value) -> Vec<String> {
    let condition = |condition: &Value| {
        let law = text(condition, "law");
        let by = if law.is_empty() { String::new() } else { format!(" ({law})") };
        let (name, found, required) = (text(condition, "name"), text(condition, "found"), text(condition, "required"));
        format!("{name}: {found}, must be {required}{by}")
    };
    let reason = Some(text(offer, "reason")).filter(|reason| !reason.is_empty()).map(explained);
    list(offer, "failing").iter().map(condition).chain(reason).collect()
}

async fn show_book(session: &Session, book: &Value) -> Result<(), Failure> {
    let unit = Unit::of(session, text(book, "token_id")).await?;
    let bad = book.get("non_performing_bps").and_then(Value::as_u64).unwrap_or_default();
    let loans = book.get("loans");
    let of_loans = |field| loans.map(|loans| unit.money(loans, field)).unwrap_or_default();
    let count = loans.and_then(|loans| loans.get("count")).and_then(Value::as_u64).unwrap_or_default();
    print_one(
        Format::Text,
        &json!({
            "lender": text(book, "lender_account_id"),
            "outstanding": unit.money(book, "outstanding"),
            "non_performing": percent(bad),
            "open_loans": count,
            "originated": of_loans("originated"),
            "others_on_these": of_loans("others"),
            "joined": of_loans("joined"),
            "fees_and_interest_owed": of_loans("charges_owed"),
            "fell_due_in_30_days": of_loans("fell_due"),
        }),
    );
    if loans.and_then(|loans| loans.get("truncated")) == Some(&Value::Bool(true)) {
        session.note("There are more open loans than were read: figures of single loans are not whole.");
    }
    let class = |class: &Value| json!({ "class": class_name(class), "outstanding": unit.money(class, "outstanding") });
    section("By class", &list(book, "classes").iter().map(class).collect::<Vec<_>>(), &["class", "outstanding"]);
    for (field, heading) in [("borrowers", "By borrower"), ("obligors", "By obligor")] {
        section(heading, &concentration_rows(&unit, &book[field]), &["legal_entity_id", "outstanding", "share"]);
    }
    let fell_due = loans.map(|loans| list(loans, "fell_due_loans")).unwrap_or_default();
    let fell_due = fell_due.iter().map(|loan| {
        json!({
            "loan_id": text(loan, "loan_id"),
            "due_on": text(loan, "due_on"),
            "outstanding": unit.money(loan, "outstanding"),
        })
    });
    section("Fell due lately", &fell_due.collect::<Vec<_>>(), &["loan_id", "due_on", "outstanding"]);
    if let Some(capital) = book.get("capital") {
        let mut shown = capital.clone();
        CAPITAL.iter().for_each(|field| shown[*field] = unit.money(capital, field).into());
        println!("\nCapital, as attested");
        print_one(Format::Text, &shown);
    }
    let standings: Vec<Value> = list(book, "standings").iter().map(|rule| standing_row(&unit, rule)).collect();
    section("The lender's rules", &standings, &["rule", "figure", "limit", "kept", "left", "law"]);
    println!();
    Ok(())
}

fn concentration_rows(unit: &Unit, found: &Value) -> Vec<Value> {
    let row = |one: &Value| {
        json!({
            "legal_entity_id": text(one, "legal_entity_id"),
            "outstanding": unit.money(one, "outstanding"),
            "share": percent(one.get("share_bps").and_then(Value::as_u64).unwrap_or_default()),
        })
    };
    let mut rows: Vec<Value> = list(found, "largest").iter().map(row).collect();
    if let Some(count) = found.get("others_count").and_then(Value::as_u64).filter(|count| *count > 0) {
        let at_least = if found.get("truncated") == Some(&Value::Bool(true)) { " at least" } else { "" };
        rows.push(json!({ "legal_entity_id": format!("{count} others{at_least}"), "outstanding": unit.money(found, "others") }));
    }
    rows
}

fn standing_row(unit: &Unit, rule: &Value) -> Value {
    let name = text(rule, "name");
    let number = |field: &str| rule.get(field).and_then(Value::as_u64);
    let excess = number("excess").filter(|units| *units > 0);
    let left = match (number("headroom"), excess) {
        (_, Some(_)) => format!("{} too much", unit.money(rule, "excess")),
        (Some(_), None) => unit.money(rule, "headroom"),
        (None, None) => String::new(),
    };
    json!({
        "rule": name,
        "figure": figure(name, number("figure")),
        "limit": figure(name, number("limit")),
        "kept": if rule.get("kept") == Some(&Value::Bool(true)) { "yes" } else { "no" },
        "left": left,
        "law": text(rule, "law"),
    })
}

fn show_rules(value: &Value) {
    let row = |name: &str, from: &Value, since: Value| {
        json!({
            "rule": name,
            "value": figure(name, from.get("value").and_then(Value::as_u64)),
            "from_ms": since,
            "law": text(from, "law"),
        })
    };
    let mut rows = Vec::new();
    for rule in list(value, "rules") {
        let name = text(rule, "name");
        match rule.get("in_force") {
            Some(from) => rows.push(row(name, from, "in force".into())),
            None => rows.push(json!({ "rule": name, "value": "none", "from_ms": "binds nobody" })),
        }
        let to_come = |from: &Value| row(name, from, from.get("in_force_from_ms").cloned().unwrap_or_default());
        rows.extend(list(rule, "coming").iter().map(to_come));
    }
    print_many(Format::Text, &rows, &["rule", "value", "from_ms", "law"]);
}

async fn show_supervision(session: &Session, pages: &[Value]) -> Result<(), Failure> {
    let first = pages.first().unwrap_or(&Value::Null);
    let mut totals = Vec::new();
    for total in list(first, "totals") {
        let unit = Unit::of(session, text(total, "token_id")).await?;
        for class in list(total, "classes") {
            totals.push(json!({ "class": class_name(class), "outstanding": unit.money(class, "outstanding") }));
        }
        let bad = percent(total.get("non_performing_bps").and_then(Value::as_u64).unwrap_or_default());
        totals.push(json!({ "class": format!("all but written off, {bad} non-performing"), "outstanding": unit.money(total, "outstanding") }));
    }
    say(&format!("All lenders, as of block {}", first["height"]));
    print_many(Format::Text, &totals, &["class", "outstanding"]);
    let mut rows = Vec::new();
    for book in pages.iter().flat_map(|page| list(page, "books")) {
        let unit = Unit::of(session, text(book, "token_id")).await?;
        let largest =
            |field: &str| concentration_rows(&unit, &book[field]).first().map(|one| text(one, "share").to_owned());
        let broken = list(book, "standings").iter().filter(|rule| rule.get("kept") != Some(&Value::Bool(true)));
        let broken: Vec<&str> = broken.map(|rule| text(rule, "name")).collect();
        rows.push(json!({
            "lender": text(book, "lender_account_id"),
            "outstanding": unit.money(book, "outstanding"),
            "non_performing": percent(book.get("non_performing_bps").and_then(Value::as_u64).unwrap_or_default()),
            "largest_borrower": largest("borrowers"),
            "largest_obligor": largest("obligors"),
            "broken_rules": if broken.is_empty() { "none".to_owned() } else { broken.join(", ") },
        }));
    }
    let columns = ["lender", "outstanding", "non_performing", "largest_borrower", "largest_obligor", "broken_rules"];
    section("Each lender", &rows, &columns);
    let standings = pages.iter().flat_map(|page| list(page, "books")).flat_map(|book| {
        let lender = text(book, "lender_account_id");
        list(book, "standings").iter().map(move |rule| (lender, text(book, "token_id"), rule))
    });
    let mut rows = Vec::new();
    for (lender, token, rule) in standings {
        let mut row = standing_row(&Unit::of(session, token).await?, rule);
        row["lender"] = lender.into();
        rows.push(row);
    }
    section("How near", &rows, &["lender", "rule", "figure", "limit", "left"]);
    Ok(())
}
