//! A small comparison, on a machine without PostgreSQL.

use crate::sandbox::programs::{assert_fails, json, run};

const SMALL: [&str; 12] = [
    "bench",
    "peers",
    "--validators",
    "1",
    "--accounts",
    "64",
    "--duration",
    "1",
    "--transactions",
    "500",
    "--rounds",
    "1",
];

#[test]
fn without_postgres_the_rest_is_measured_and_it_is_said_what_to_install() {
    let empty = tempfile::tempdir().unwrap();
    let (nowhere, data) = (empty.path().join("bin"), empty.path().join("data"));
    std::fs::create_dir_all(&data).unwrap();
    let (nowhere, directory) = (nowhere.to_str().unwrap(), data.to_str().unwrap());
    let more = ["--postgres", nowhere, "--data-dir", directory, "--concurrency", "32", "--output", "json"];
    let compared = json(SMALL.into_iter().chain(more));
    for figure in [
        "transfers_per_second",
        "signature_ceiling",
        "signature_ceiling_share",
        "signature_alone_us",
        "synced_4_kib_us",
        "synced_1_mib_us",
        "finality_ms_p50",
        "finality_ms_p99",
        "lone_payment_ms_p50",
    ] {
        assert!(compared[figure].as_f64().is_some_and(|value| value > 0.0), "{figure}: {}", compared[figure]);
    }
    assert!(
        compared["postgres_missing"].as_str().is_some_and(|missing| missing.contains("apt-get install postgresql"))
    );
    for absent in ["postgres", "postgres_transfers_per_second", "ratio_over_postgres_loop"] {
        assert_eq!(compared.get(absent), Some(&serde_json::Value::Null), "{absent}");
    }
    assert_eq!((compared["lost"].as_u64(), compared["duplicated"].as_u64()), (Some(0), Some(0)));
    assert_eq!(std::fs::read_dir(&data).unwrap().count(), 0, "everything that was written is removed");
}

#[test]
fn what_cannot_be_compared_is_refused_before_anything_starts() {
    let refused = |more: &[&str]| run(SMALL.into_iter().chain(more.iter().copied()));
    assert_fails(&refused(&["--rate", "100"]), 2, &["--rate"]);
    assert_fails(&refused(&["--mix", "multi-leg:2"]), 2, &["--mix"]);
}
