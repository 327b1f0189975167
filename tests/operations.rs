//! What operators are given fits the node: alerts and dashboard name metrics that exist, and every alert has its section in the
//! runbook.

use causeway::node::NodeMetrics;
use std::collections::BTreeSet;

fn read(path: &str) -> String {
    std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The names that begin like the node's metrics.
fn named(text: &str) -> BTreeSet<&str> {
    let is_of_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
    text.split(|character| !is_of_name(character)).filter(|word| word.starts_with("causeway_")).collect()
}

#[test]
fn alerts_and_dashboard_ask_for_metrics_that_exist() {
    let served = NodeMetrics::default().encode();
    let served = named(&served);
    for path in ["config/prometheus/alerts.yml", "config/prometheus/alerts_test.yml", "config/grafana/causeway.json"] {
        let text = read(path);
        let asked = named(&text);
        assert!(asked.len() > 4, "{path} asks for {asked:?}");
        let unknown: Vec<_> = asked.difference(&served).collect();
        assert!(unknown.is_empty(), "{path} asks for {unknown:?}, which no node serves");
    }
}

#[test]
fn every_alert_has_its_section_in_the_runbook_and_every_section_its_alert() {
    let (alerts, runbook) = (read("config/prometheus/alerts.yml"), read("docs/operations.md"));
    let alerts: BTreeSet<&str> = alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    let sections: BTreeSet<&str> = runbook
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .filter(|name| name.starts_with("Causeway"))
        .collect();
    assert!(alerts.len() > 10);
    assert_eq!(alerts, sections);
}

/// The threat model tells of parties in league what they can and what they cannot, and shows the latter.
#[test]
fn every_collusion_of_the_threat_model_has_both_sides_and_a_test() {
    let page = read("docs/security.md");
    let together = page.split("\n## ").find(|part| part.starts_with("Together\n")).expect("it has such a part");
    let is_row = |line: &&str| line.starts_with("| ") && !line.starts_with("| together |");
    let rows: Vec<Vec<&str>> =
        together.lines().filter(is_row).map(|row| row.split('|').map(str::trim).collect()).collect();
    for parties in [
        "issuer and custodian",
        "custodian and auditor",
        "supplier and buyer",
        "carrier and supplier",
        "financier and supplier",
        "up to *f* validators, and a client",
        "more than *f*, fewer than a quorum",
        "governance, as many keys as its threshold",
    ] {
        assert!(rows.iter().any(|row| row[1] == parties), "{parties} are not there");
    }
    for row in rows {
        let [_, parties, can, cannot, shown, _] = row[..] else { panic!("not four columns: {row:?}") };
        assert!(!can.is_empty() && !cannot.is_empty() && shown.contains('`'), "{parties} is not told whole");
    }
}

/// The threat model's last columns name tests: each of them is there.
#[test]
fn every_defence_of_the_threat_model_has_its_test() {
    let page = read("docs/security.md");
    let columns = page.lines().filter(|line| line.starts_with("| ")).filter_map(|line| line.rsplit('|').nth(1));
    let is_name = |word: &&str| {
        word.len() > 12 && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit())
    };
    let named: BTreeSet<&str> = columns.flat_map(|column| column.split('`')).filter(is_name).collect();
    assert!(named.len() > 30, "{named:?}");
    let mut sources = String::new();
    let mut folders =
        vec![format!("{}/src", env!("CARGO_MANIFEST_DIR")), format!("{}/tests", env!("CARGO_MANIFEST_DIR"))];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            match path.extension().and_then(|kind| kind.to_str()) {
                _ if path.is_dir() => folders.push(path.to_str().unwrap().to_owned()),
                Some("rs") => sources.push_str(&std::fs::read_to_string(&path).unwrap()),
                _ => {}
            }
        }
    }
    let missing: Vec<_> = named.iter().filter(|name| !sources.contains(&format!("fn {name}("))).collect();
    assert!(missing.is_empty(), "no test is called {missing:?}");
}
