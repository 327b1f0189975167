//! Who reads what: every read of every service, asked of a node by everyone, and held to the table of `docs/readers.md`.
//!
//! The table is what the node answered when it was last written (`CAUSEWAY_GOLDEN=write`). What no table may bless is said here
//! in rules: what nobody in particular may read, and that no answer tells of others' trade.

mod asking;
mod market;

use crate::fuzz::messages::Messages;
use asking::{Answer, ask, request};
use market::{Ground, Market};
use prost_reflect::MethodDescriptor;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;

/// The columns: who asks, and whom the sandbox has for it. The last is everyone's measure, since it sees everything.
const COLUMNS: [(&str, Option<&str>); 13] = [
    ("nobody", None),
    ("stranger", Some("tier-2")),
    ("buyer", Some("buyer")),
    ("supplier", Some("supplier")),
    ("its bank", Some("bank-west")),
    ("financier", Some("financier")),
    ("carrier", Some("carrier")),
    ("issuer", Some("issuer")),
    ("its maker", Some("issuer-maker")),
    ("custodian", Some("custodian")),
    ("auditor", Some("auditor")),
    ("governance", Some("governance")),
    ("observer", Some("observer")),
];
/// Sees what an observer sees.
const OPERATOR: &str = "operator";

/// The calls that write.
const WRITES: [&str; 3] = ["Submit", "SubmitAndWait", "SubmitStream"];
/// What is read without saying who one is.
const PUBLIC: [&str; 9] = [
    "GetStatus",
    "GetGenesis",
    "ListPeers",
    "GetToken",
    "ListTokens",
    "GetLendingRules",
    "ListNetworks",
    "GetBlock",
    "StreamBlocks",
];
/// What everyone reads who has an account: who is behind an account of which one has the id, what is published, and one's own.
const OF_ACCOUNTS: [&str; 6] =
    ["GetCounterparty", "CheckFingerprintKey", "GetProgramme", "ListProgrammes", "ListAccounts", "StreamEvents"];

const INTRODUCTION: &str = "# Who reads what

Every read of every service, asked of a node by everyone, after a trade that buyer, supplier, carrier and financier did with each other
and one that others did. What is asked for is the first trade's: its order, its financed invoice, its loan, a payment of the buyer's
to the supplier, an issuance and a redemption of the supplier's, and, where an account is named, the supplier's; of books and capital the
financier's. Lists are asked for whole.

| cell | what is answered |
|---|---|
| all | what an observer gets |
| part | what of it concerns the reader, or an account under it; of a block its header; of a receipt without others' balances |
| none | an empty list |
| not found | NOT_FOUND, as if there were no such thing |
| denied | PERMISSION_DENIED |
| sign | UNAUTHENTICATED: the call is to say who asks ([wire.md](wire.md#reading-who-asks)) |

`nobody` does not say who it is; the `stranger` has an account and no part in the trade; `its bank` is above the accounts of supplier,
financier and carrier, `its maker` under the issuer's, in that role: an issuer that is
a bank too has customers under it, who get of its token what any bank's customers get. An operator gets what an
observer does. Writes have no rows: they are authorised by the signatures of the accounts that they bind. The peer port lets in
validators and listed observers ([security.md](security.md)).

`every_read_answers_each_role_as_the_table_says` in `tests/sandbox/readers/` asks, and holds this page to the answers: a read that
is new has no row, and fails it. It holds besides, whatever stands here, that what is not public is
asked by somebody, and that no answer to anyone but overseers and supervisors names anything of the others' trade.
";

fn page_path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/readers.md")
}

/// Every call of a node's services but those that write.
fn reads() -> Vec<MethodDescriptor> {
    let calls = Messages::open().calls().into_iter().filter(|call| !WRITES.contains(&call.name()));
    calls.collect()
}

/// What each column was answered to each read, in the columns' order, by service and method.
type Table = BTreeMap<(String, String), Vec<String>>;

fn page(table: &Table) -> String {
    let mut page = INTRODUCTION.to_owned();
    let mut service_before = "";
    for ((service, method), cells) in table {
        if service != service_before {
            let columns: Vec<&str> = COLUMNS.iter().map(|(column, _)| *column).collect();
            let (columns, rule) = (columns.join(" | "), "---|".repeat(columns.len()));
            write!(page, "\n## {service}\n\n| | {columns} |\n|---|{rule}\n").unwrap();
            service_before = service;
        }
        writeln!(page, "| `{method}` | {} |", cells.join(" | ")).unwrap();
    }
    page
}

#[test]
fn every_read_answers_each_role_as_the_table_says() {
    let directory = tempfile::tempdir().unwrap();
    let (here, there) = std::thread::scope(|scope| {
        let open = |name: &'static str| {
            let directory = directory.path();
            scope.spawn(move || Ground::open(directory, name))
        };
        let (here, there) = (open("here"), open("there"));
        (here.join().unwrap(), there.join().unwrap())
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let table = runtime.block_on(async {
        let market = Market::of(&here, &there).await;
        let (mut table, mut overseen) = (Table::new(), String::new());
        for call in reads() {
            let (cells, seen_by_all) = row(&market, &call).await;
            table.insert((call.parent_service().name().to_owned(), call.name().to_owned()), cells);
            overseen += &seen_by_all;
        }
        // That nobody else is told of it says something because it is there to be told.
        for id in market.others.as_ref().expect("it was done").ids() {
            assert!(overseen.contains(&asking::in_json(&id)), "no read tells an observer of {}", hex::encode(id));
        }
        table
    });
    if std::env::var_os("CAUSEWAY_GOLDEN").is_some_and(|mode| mode == "write") {
        std::fs::write(page_path(), page(&table)).unwrap();
    }
    let (written, page) = (std::fs::read_to_string(page_path()).unwrap_or_default(), page(&table));
    let differs: Vec<_> = page.lines().filter(|line| !written.lines().any(|known| known == *line)).collect();
    assert!(
        written == page,
        "docs/readers.md is not what a node answers; it answers\n{}\nIf that is right: CAUSEWAY_GOLDEN=write cargo test \
         --test suite every_read_answers",
        differs.join("\n")
    );
}

/// One read by everyone: the cells, and the whole of it.
async fn row(market: &Market, call: &MethodDescriptor) -> (Vec<String>, String) {
    let asked = request(market, call);
    let mut answers = BTreeMap::new();
    for (column, reader) in COLUMNS.into_iter().chain([(OPERATOR, Some(OPERATOR))]) {
        let reader = reader.map(|name| &market.people[name]);
        answers.insert(column, ask(market, reader, call, &asked).await);
    }
    // What is asked for in one's own name has its owner for a measure.
    let measure = ["observer", "supplier"].into_iter().find_map(|who| answers[who].read());
    let measure =
        measure.unwrap_or_else(|| panic!("{} answers nobody: {:?}", call.name(), answers["observer"])).clone();
    let cell = |column: &str| cell_of(call.name(), column, &answers[column], &measure);
    assert_eq!(cell(OPERATOR), cell("observer"), "{}", call.name());
    for (column, reader) in COLUMNS {
        let cell = cell(column);
        let is_public = PUBLIC.contains(&call.name());
        if reader.is_none() {
            assert_eq!(cell != "sign", is_public, "{} to nobody: {cell}", call.name());
        }
        if column == "stranger" && !is_public && !OF_ACCOUNTS.contains(&call.name()) {
            assert!(!["all", "part"].contains(&&*cell), "{} tells a stranger {:?}", call.name(), answers[column]);
        }
        tells_of_no_others(market, call.name(), column, &answers[column]);
    }
    (COLUMNS.iter().map(|(column, _)| cell(column)).collect(), measure.to_string())
}

/// Nobody is told of others' trade: supervisors of its loan alone, with what secures it, and overseers of all.
fn tells_of_no_others(market: &Market, method: &str, column: &str, answer: &Answer) {
    let Some(told) = answer.read().filter(|_| column != "observer") else { return };
    let others = market.others.as_ref().expect("it was done");
    let mut secret: BTreeSet<[u8; 32]> = others.ids().into_iter().collect();
    if ["auditor", "governance"].contains(&column) {
        secret.remove(&others.loan.0);
        secret.remove(&others.receivables[0].0);
    }
    let text = told.to_string();
    for id in secret {
        assert!(!text.contains(&asking::in_json(&id)), "{method} tells {column} of others' trade: {told:#}");
    }
}

fn cell_of(method: &str, column: &str, answer: &Answer, measure: &Value) -> String {
    let told = match answer {
        Answer::Refused(reason) => return reason.clone(),
        Answer::Read(told) => told,
    };
    if told == measure {
        return "all".to_owned();
    }
    if asking::is_empty(told) {
        return "none".to_owned();
    }
    assert!(asking::is_part(told, measure), "{method} tells {column} more than an observer: {told:#}\n{measure:#}");
    "part".to_owned()
}
