//! A tiny chain, which the audit takes for what it is, and goes on with where it ended.

use crate::sandbox::programs::{assert_fails, json, run, text};
use std::path::Path;

const SMALL: [&str; 10] =
    ["bench", "chain", "--accounts", "70", "--transfers-per-block", "5", "--block-interval-ms", "60000", "--seed", "3"];

fn chain(directory: &Path, more: &[&str]) -> Vec<String> {
    let line = SMALL.into_iter().chain(["--data-dir", text(directory)]).chain(more.iter().copied());
    line.map(str::to_owned).collect()
}

fn audited(directory: &Path) -> serde_json::Value {
    json(["audit", "--data-dir", text(directory), "--output", "json"])[0].clone()
}

#[test]
fn the_audit_stands_by_a_chain_and_what_was_added_to_it() {
    let directory = tempfile::tempdir().unwrap();
    let report = json(chain(directory.path(), &["--blocks", "110", "--output", "json"]).iter().map(String::as_str));
    assert_eq!((report["blocks"].as_u64(), report["transfers"].as_u64()), (Some(110), Some(550)), "{report}");
    assert_eq!(report["decades"].as_array().map(Vec::len), Some(2), "{report}");
    for figure in ["cpu_us_per_transfer", "state_puts_per_transfer", "disk_bytes_per_transfer"] {
        assert!(report["whole"][figure].as_f64().is_some_and(|value| value > 0.0), "{figure}: {report}");
    }
    // Each transfer has a transaction, its outcome, its place by its id, and two balances, which lie among the accounts.
    for column in ["Blocks", "Outcomes", "TransactionIndex", "State/Accounts"] {
        let columns = report["columns"].as_array().unwrap();
        assert!(columns.iter().any(|each| each["column"] == column && each["bytes"].as_u64() > Some(0)), "{report}");
    }
    let first = audited(directory.path());
    // Three blocks bring the money about, one opens the accounts and one funds them.
    assert_eq!(first["height"].as_u64(), Some(115), "{first}");
    assert_eq!(first["transactions"].as_u64(), Some(550 + 3 + 4), "{first}");
    assert_eq!(first["certificates"], first["height"], "{first}");

    let more =
        json(chain(directory.path(), &["--blocks", "7", "--unsynced", "--output", "json"]).iter().map(String::as_str));
    assert_eq!((more["height"].as_u64(), more["synced"].as_bool()), (Some(122), Some(false)), "{more}");
    let second = audited(directory.path());
    assert_eq!(second["transactions"].as_u64(), Some(557 + 35), "{second}");
}

#[test]
fn a_chain_of_another_plan_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let none = json(chain(directory.path(), &["--blocks", "0", "--output", "json"]).iter().map(String::as_str));
    assert_eq!(none["blocks"].as_u64(), Some(0));
    let refused = |more: &[&str]| {
        let line = ["bench", "chain", "--data-dir", text(directory.path())];
        run(line.into_iter().chain(more.iter().copied()))
    };
    assert_fails(&refused(&["--accounts", "70", "--seed", "4"]), 2, &["another plan", "\"seed\": 3"]);
    assert_fails(&refused(&["--accounts", "71", "--seed", "3"]), 2, &["another plan", "\"accounts\": 70"]);
    std::fs::remove_file(directory.path().join("prepared.json")).unwrap();
    assert_fails(&refused(&["--accounts", "70", "--seed", "3"]), 2, &["not all opened"]);
    assert_fails(&refused(&["--transfers-per-block", "0"]), 2, &["8192"]);
    assert_fails(&refused(&["--accounts", "2"]), 2, &["3 accounts"]);
}
