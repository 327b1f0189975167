//! Every alert is brought about on real nodes, and over again once its cause is.
//!
//! * [`expression`]: the rules' expressions, evaluated as Prometheus does.
//! * [`samples`]: what is scraped.
//! * [`causes`]: what brings each alert about.
//!
//! An alert holds here when its expression does. How long it must hold before somebody is woken (`for`) is Prometheus's to count;
//! `config/prometheus/alerts_test.yml` has that, where promtool is.

mod causes;
mod expression;
pub mod samples;

use samples::{Labels, Samples};
use std::collections::{BTreeMap, BTreeSet};

/// What brings an alert about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ground {
    /// Four processes.
    Processes,
    /// The same, of which one has a disk of its own: for that a machine must allow mounting.
    OwnDisk,
    /// A lying validator, which no process of this program can be made into.
    Simulation,
}

/// Every alert, on what it is brought about, and how: in the words of its section in the runbook.
const CAUSES: [(&str, Ground, &str); 16] = {
    use Ground::{OwnDisk, Processes, Simulation};
    [
        ("CausewayNoFinality", Processes, "two of four validators stopped (SIGSTOP)"),
        ("CausewayNodeDown", Processes, "a validator killed (SIGKILL)"),
        ("CausewayNoSpareValidator", Processes, "one of four validators stopped (SIGSTOP)"),
        ("CausewayValidatorSilent", Processes, "one of four validators stopped (SIGSTOP)"),
        (
            "CausewayNodeLagging",
            Processes,
            "a validator stopped (SIGSTOP) while the others make sixty blocks, and resumed",
        ),
        ("CausewayCannotVote", Processes, "the directory `data/engine` of a stopped validator removed"),
        (
            "CausewayInvalidBlock",
            Simulation,
            "a validator that is blind to used request ids proposes a payment under one",
        ),
        ("CausewayParShortfall", Processes, "reserves attested at 0.01"),
        ("CausewayRedemptionOverdue", Processes, "a redemption left unpaid over ten days of a rehearsal's clock"),
        (
            "CausewayPoolNearlyFull",
            Processes,
            "transactions of many institutions sent to a node with a small pool while two of four validators are stopped",
        ),
        ("CausewaySlowFinality", Processes, "transactions that waited until two stopped validators went on"),
        ("CausewayClockBehind", Processes, "a rehearsal ten days ahead"),
        ("CausewayDiskLow", OwnDisk, "a data directory on a file system of 192 MB"),
        ("CausewayDiskFull", OwnDisk, "a data directory on a file system of 192 MB"),
        (
            "CausewayUpgradeNotInstalled",
            Processes,
            "governance decides for a version that one of four nodes does not know",
        ),
        ("CausewayVersionsDiffer", Processes, "one of four nodes is a program that names other sources"),
    ]
};

fn read(path: &str) -> String {
    std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The expressions of all alerts, by name. One that goes over several lines is indented further than its name.
fn rules() -> BTreeMap<String, String> {
    let text = read("config/prometheus/alerts.yml");
    let mut rules = BTreeMap::new();
    let mut lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#')).peekable();
    let mut alert = "";
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix("- alert: ") {
            alert = name;
        }
        let Some(first) = line.strip_prefix("expr: ") else { continue };
        let mut expression = first.trim_start_matches('>').to_owned();
        while first == ">" && lines.peek().is_some_and(|line| !line.contains(": ")) {
            expression = expression + " " + lines.next().unwrap_or_default();
        }
        assert!(rules.insert(alert.to_owned(), expression).is_none(), "{alert} has two expressions");
    }
    rules
}

/// What watches nodes as Prometheus would.
struct Watch {
    rules: BTreeMap<String, String>,
    samples: Samples,
    /// The alerts that held when they were brought about.
    caused: BTreeSet<&'static str>,
}

impl Watch {
    fn new() -> Self {
        Self { rules: rules(), samples: Samples::default(), caused: BTreeSet::new() }
    }

    /// What an alert's expression finds now.
    fn found(&self, alert: &str) -> Vec<(Labels, f64)> {
        let expression = self.rules.get(alert).unwrap_or_else(|| panic!("there is no alert {alert}"));
        expression::evaluate(expression, &self.samples)
    }

    /// Whether an alert holds: of this instance, if one is named. An alert on all nodes together names none.
    fn holds(&self, alert: &str, instance: Option<&str>) -> bool {
        let found = self.found(alert);
        found.iter().any(|(labels, _)| instance.is_none() || labels.get("instance").map(String::as_str) == instance)
    }

    /// Those that hold of any node.
    fn holding(&self) -> Vec<&str> {
        self.rules.keys().map(String::as_str).filter(|alert| self.holds(alert, None)).collect()
    }
}

#[test]
fn every_alert_has_a_cause_that_its_section_of_the_runbook_tells() {
    let alerts: BTreeSet<String> = rules().into_keys().collect();
    let causes: BTreeSet<String> = CAUSES.iter().map(|(alert, ..)| (*alert).to_owned()).collect();
    assert_eq!(alerts, causes, "each alert is to be brought about by something");
    let runbook = read("docs/operations.md");
    for (alert, _, how) in CAUSES {
        let section = runbook.split("\n### ").find(|section| section.lines().next() == Some(alert)).unwrap_or_default();
        let tried = section.split("*Tried:*").nth(1).unwrap_or_default();
        let tried = tried.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(tried.contains(how), "{alert}: the runbook does not say that it was tried by: {how}");
    }
}
