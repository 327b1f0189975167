//! A small load on a network of one validator.

use crate::sandbox::programs::{assert_fails, json, run};

/// Long enough for a few blocks, and of so few accounts that every balance is asked for.
const SMALL: [&str; 9] =
    ["bench", "--validators", "1", "--accounts", "64", "--duration", "2", "--transactions", "1500"];

#[test]
fn what_was_acknowledged_is_in_the_blocks_once() {
    let report = json(SMALL.into_iter().chain(["--concurrency", "32", "--skew", "zipf:1.0", "--output", "json"]));
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
    let count = |figure: &str| report[figure].as_u64().unwrap_or_else(|| panic!("{figure}: {}", report[figure]));
    assert_eq!((count("lost"), count("duplicated"), count("unanswered"), count("refused")), (0, 0, 0, 0));
    assert_eq!((count("accounts"), count("accounts_checked"), count("validators")), (64, 64, 1));
    assert!(count("transfers") > 0 && count("transfers") == count("transactions") && count("blocks") > 0, "{report}");
    assert_eq!(report["failures"].as_array().map(Vec::len), Some(0));
    assert_eq!(report["build"]["profile"], if cfg!(debug_assertions) { "debug" } else { "release" });
}

#[test]
fn a_plan_that_does_not_hold_together_is_refused_before_anything_starts() {
    let refused = |more: &[&str]| run(SMALL.into_iter().chain(more.iter().copied()));
    assert_fails(&refused(&["--mix", "multi-leg:65"]), 2, &["64"]);
    assert_fails(&refused(&["--skew", "zipf:0"]), 2, &["Zipf"]);
    assert_fails(&refused(&["--institution", "nowhere"]), 2, &["--endpoint"]);
    assert_fails(&refused(&["--endpoint", "http://127.0.0.1:1"]), 2, &["--institution"]);
}
