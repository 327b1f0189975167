//! `causeway audit` on the directories of a network that ran: what it says of good ones, of damaged ones, and of a running one.

use super::programs::{assert_fails, json, run, said, text};
use std::path::{Path, PathBuf};

fn store(data_dir: &Path) -> PathBuf {
    data_dir.join("nodes/validator-1/data/store")
}

/// Every node of a network that has stopped stands the audit.
pub fn stands(data_dir: &Path) {
    let rows = json(["audit", "--data-dir", text(data_dir), "--output", "json"]);
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), 4);
    for row in rows {
        assert!(row["height"].as_u64() > Some(30) && row["warning"].is_null(), "{row}");
    }
    let people = run(["audit", "--data-dir", text(&data_dir.join("nodes/validator-1"))]);
    assert!(people.status.success(), "{}", said(&people));
    let printed = String::from_utf8_lossy(&people.stdout);
    assert!(printed.contains("What is there follows from") && !printed.contains("Warning"), "{printed}");
    // What is counted is said, and a transaction is not taken for a transfer.
    let first = &rows[0];
    let (transactions, transfers) = (first["transactions"].as_u64().unwrap(), first["transfers"].as_u64().unwrap());
    assert_ne!(transactions, transfers);
    let told = [format!("{transactions} transactions verified"), format!("made {transfers} transfers:")];
    assert!(told.iter().all(|told| printed.contains(told)), "{printed}");
}

/// A bit of a table, a bit of the mark, the mark itself: each in a copy of the store.
pub fn finds_damage(data_dir: &Path, scratch: &Path) {
    let genesis = data_dir.join("genesis.json");
    let audit = |copy: &Path, format: &str| {
        run(["audit", "--data-dir", text(copy), "--genesis", text(&genesis), "--output", format])
    };
    let damaged = |name: &str, damage: &dyn Fn(&Path)| {
        let copy = scratch.join(name);
        std::fs::create_dir_all(copy.join("store")).unwrap();
        for file in std::fs::read_dir(store(data_dir)).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), copy.join("store").join(file.file_name())).unwrap();
        }
        damage(&copy.join("store"));
        copy
    };
    let flip = |path: &Path| {
        let mut bytes = std::fs::read(path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 4;
        std::fs::write(path, bytes).unwrap();
    };
    let log = damaged("log", &|store| {
        let logs = std::fs::read_dir(store).unwrap().map(|file| file.unwrap().path());
        flip(&logs.filter(|file| file.extension().is_some_and(|extension| extension == "log")).max().unwrap());
    });
    assert_fails(&audit(&log, "text"), 1, &["damaged", "causeway rebuild"]);
    let object: serde_json::Value = serde_json::from_str(said(&audit(&log, "json")).trim()).unwrap();
    assert!(object["error"].as_str().unwrap().contains("damaged"), "{object}");

    let mark = damaged("mark", &|store| flip(&store.join("ACKNOWLEDGED")));
    assert_fails(&audit(&mark, "text"), 1, &["ACKNOWLEDGED", "damaged"]);

    let unmarked = damaged("unmarked", &|store| std::fs::remove_file(store.join("ACKNOWLEDGED")).unwrap());
    assert_fails(&audit(&unmarked, "text"), 1, &["ACKNOWLEDGED", "cannot be told", "--accept-missing-mark"]);
    let accepted = run(["audit", "--accept-missing-mark", "--data-dir", text(&unmarked), "--genesis", text(&genesis)]);
    assert!(accepted.status.success(), "{}", said(&accepted));
    let printed = String::from_utf8_lossy(&accepted.stdout);
    assert!(printed.contains("Warning") && printed.contains("ACKNOWLEDGED"), "{printed}");

    // A network of two, one of which has no data.
    damaged("network/nodes/validator-1", &|_| {});
    std::fs::create_dir_all(scratch.join("network/nodes/validator-2")).unwrap();
    let partial = audit(&scratch.join("network"), "text");
    assert_fails(&partial, 1, &["validator-2", "has no store"]);
    assert!(String::from_utf8_lossy(&partial.stdout).contains("validator-1"), "{}", said(&partial));
}

/// A store that is being written to cannot be compared with anything.
pub fn is_refused_while_the_node_runs(data_dir: &Path) {
    let refused = run(["audit", "--data-dir", text(&data_dir.join("nodes/validator-1"))]);
    assert_fails(&refused, 1, &["open in process", "stop that node"]);
}
