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
