//! Small loads on a network of one validator.

use crate::sandbox::programs::{assert_fails, json, run, text};
use serde_json::Value;

/// Long enough for a few blocks, and of so few accounts that every balance is asked for.
const SMALL: [&str; 9] =
    ["bench", "--validators", "1", "--accounts", "64", "--duration", "2", "--transactions", "1500"];

fn count(report: &Value, figure: &str) -> u64 {
    report[figure].as_u64().unwrap_or_else(|| panic!("{figure} in {report}"))
}

fn assert_nothing_is_wrong(report: &Value) {
    for figure in ["lost", "duplicated", "unanswered", "refused", "declined"] {
        assert_eq!(count(report, figure), 0, "{figure} in {report}");
    }
    assert_eq!(report["failures"].as_array().map(Vec::len), Some(0), "{report}");
}

#[test]
fn what_was_acknowledged_is_in_the_blocks_once() {
    let directory = tempfile::tempdir().unwrap();
    let (histogram, page) = (directory.path().join("run.hgrm"), directory.path().join("run.html"));
    let files = ["--histogram", text(&histogram), "--report", text(&page)];
    let more = ["--concurrency", "32", "--skew", "zipf:1.0", "--output", "json"];
    let report = json(SMALL.into_iter().chain(more).chain(files));
    for figure in [
        "transfers_per_second",
        "finality_ms_p50",
        "finality_ms_p99",
        "generator_cpu_us_per_transfer",
        "seconds",
        "disk_bytes_per_transfer",
        "prepared_seconds",
        "cpu_us_per_transfer",
        "memory_mib_max",
    ] {
        // What the system does not tell is null, and there in any case.
        let value = report.get(figure).unwrap_or_else(|| panic!("{figure} is missing"));
        assert!(value.is_null() || value.as_f64().is_some_and(|value| value > 0.0), "{figure}: {value}");
    }
    assert_nothing_is_wrong(&report);
    let of_the_network = ["accounts", "accounts_checked", "validators"].map(|figure| count(&report, figure));
    assert_eq!(of_the_network, [64, 64, 1]);
    let transfers = count(&report, "transfers");
    assert!(transfers > 0 && transfers == count(&report, "transactions") && count(&report, "blocks") > 0, "{report}");
    assert_eq!(report["build"]["profile"], if cfg!(debug_assertions) { "debug" } else { "release" });

    let histogram = std::fs::read_to_string(histogram).unwrap();
    let total: u64 =
        histogram.rsplit("Total count    =").next().unwrap().split(']').next().unwrap().trim().parse().unwrap();
    assert_eq!(total, transfers);
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.ends_with("</html>\n") && page.matches("<svg").count() == 2);
}

#[test]
fn an_open_loop_sends_what_its_schedule_says() {
    let line = ["bench", "--validators", "1", "--accounts", "8", "--duration", "2", "--rate", "50", "--via", "unary"];
    let report = json(line.into_iter().chain(["--mix", "multi-leg:4", "--skew", "hot", "--output", "json"]));
    assert_nothing_is_wrong(&report);
    assert_eq!((count(&report, "transactions"), count(&report, "transfers")), (100, 400), "{report}");
}

#[test]
fn invoices_go_from_registration_to_payment() {
    let line = ["bench", "--validators", "1", "--accounts", "6", "--duration", "60", "--concurrency", "8"];
    // Two waves of 64 invoices, five steps each. An acceptance moves the advance, a payment what the two are owed.
    let report = json(line.into_iter().chain(["--mix", "financing", "--transactions", "640", "--output", "json"]));
    assert_nothing_is_wrong(&report);
    assert_eq!((count(&report, "transactions"), count(&report, "transfers")), (640, 128 * 3), "{report}");
    assert_eq!(report["ran_out"], true);
}

#[test]
fn a_plan_that_does_not_hold_together_is_refused_before_anything_starts() {
    let refused = |more: &[&str]| run(SMALL.into_iter().chain(more.iter().copied()));
    assert_fails(&refused(&["--mix", "multi-leg:65"]), 2, &["64"]);
    assert_fails(&refused(&["--skew", "zipf:0"]), 2, &["Zipf"]);
    assert_fails(&refused(&["--rate", "0"]), 2, &["rate"]);
    assert_fails(&refused(&["--histogram", "/nowhere/run.hgrm"]), 1, &["/nowhere/run.hgrm"]);
    assert_fails(&refused(&["--institution", "nowhere"]), 2, &["--endpoint"]);
    assert_fails(&refused(&["--endpoint", "http://127.0.0.1:1"]), 2, &["--institution"]);
}
