//! The commands that the pages show, as copied, in their order: whoever tries them gets what the page says.

use super::network::Serving;
use super::programs::{causeway, run, said, text};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

/// What a page writes in capitals, and the field of an earlier answer that it stands for.
const WORDS: [(&str, &str); 7] = [
    ("ORDER", "order_id"),
    ("NUMBER", "number"),
    ("RECEIVABLE", "receivable_id"),
    ("PART", "part_1_id"),
    ("PROGRAMME", "programme_id"),
    ("LOAN", "loan_id"),
    ("REDEMPTION", "redemption_id"),
];

/// The lines of a page's block of commands that begins with a line of these words.
fn block(page: &str, first: &str) -> Vec<String> {
    let mut blocks = page.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let block = blocks.find(|block| block.starts_with(first)).unwrap_or_else(|| panic!("{first}"));
    block.replace("\\\n", " ").lines().map(str::to_owned).collect()
}

/// Types the lines in a directory, and holds each to succeeding. `known` is what capitals stand for so far.
fn type_in(directory: &Path, lines: &[String], known: &mut BTreeMap<String, String>) {
    for line in lines {
        let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        for word in &mut words {
            if let Some(meant) = known.get(word) {
                word.clone_from(meant);
            }
        }
        let script = format!("causeway() {{ \"$CAUSEWAY\" \"$@\" --output json; }}\n{}", words.join(" "));
        let mut shell = Command::new("sh");
        shell.args(["-c", &script]).current_dir(directory).env("CAUSEWAY", env!("CARGO_BIN_EXE_causeway"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CAUSEWAY_")) {
            shell.env_remove(name);
        }
        let output = shell.output().unwrap();
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{line}: {printed}{}", said(&output));
        let Ok(answer) = serde_json::from_str::<Value>(&printed) else { continue };
        let learnt = WORDS.into_iter().filter_map(|(word, field)| Some((word, answer[field].as_str()?)));
        // Of the many transactions, a page speaks of a payment.
        let paid = line.starts_with("causeway pay ").then(|| answer["transaction_id"].as_str()).flatten();
        for (word, meant) in learnt.chain(paid.map(|id| ("TRANSACTION", id))) {
            known.insert(word.to_owned(), meant.to_owned());
        }
    }
}

/// The README's, beside a sandbox that has played its default scenario and serves in `sandbox-data` of this directory.
pub fn readme(directory: &Path) {
    let page = include_str!("../../README.md");
    let (mut lines, mut known) = (block(page, "alias causeway="), BTreeMap::new());
    lines.remove(0);
    // It wants a stopped node; `audit::stands` types it.
    lines.retain(|line| !line.starts_with("causeway audit "));
    let receipts = std::fs::read_dir(directory.join("sandbox-data/receipts")).unwrap();
    let mut receipts = receipts.map(|file| file.unwrap().path()).filter(|file| text(file).ends_with("-pay-1.json"));
    let receipt = receipts.next().unwrap();
    known.insert("sandbox-data/receipts/FILE.json".to_owned(), text(&receipt).to_owned());
    assert!(lines.iter().any(|line| line.contains("receipts/FILE.json")), "{lines:#?}");
    type_in(directory, &lines, &mut known);
    let invoice = block(page, "sed 's/>CW-/>MY-/'");
    assert!(invoice.len() >= 11, "{invoice:#?}");
    type_in(directory, &invoice, &mut known);
    let settled = run(["invoices", "show", "--as", "buyer", &known["RECEIVABLE"], "--sandbox"]
        .into_iter()
        .chain([text(&directory.join("sandbox-data"))]));
    assert!(String::from_utf8_lossy(&settled.stdout).contains("SETTLED"), "{}", said(&settled));
}

#[test]
fn a_trade_goes_from_its_documents_as_the_page_has_it() {
    let directory = tempfile::tempdir().unwrap();
    let data_dir = directory.path().join("sandbox-data");
    let new = ["sandbox", "--scenario", "none", "--ports", "free", "--exit", "--data-dir", text(&data_dir)];
    let made = causeway(new).stdout(Stdio::null()).output().unwrap();
    assert!(made.status.success(), "{}", said(&made));
    let serving = Serving::start(&data_dir, &directory.path().join("ready.json"));
    let lines = block(include_str!("../../docs/trade-documents.md"), "causeway invoices commit-key");
    assert!(lines.len() >= 17, "{lines:#?}");
    type_in(directory.path(), &lines, &mut BTreeMap::new());
    assert!(serving.stop().success());
}
