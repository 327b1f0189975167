//! Snapshots on real processes: taken of a node under load, damaged and refused, restored into nodes that catch up, verify, serve
//! and vote, and give proof of what happened before they were there.

use super::network::Serving;
use super::programs::{assert_fails, json, run, said, text};
use super::validators::{Network, PATIENCE, Running, first_port, status_where};
use causeway::daemon::snapshots::{SnapshotError, verify};
use causeway::execution::genesis::Genesis;
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

/// Short, so that snapshots lie in later epochs than the genesis.
const EPOCH_LENGTH: &str = "16";

/// Where everything is.
struct Place {
    directory: PathBuf,
    sandbox: PathBuf,
}

impl Place {
    fn node(&self, number: usize) -> PathBuf {
        self.sandbox.join(format!("nodes/validator-{number}/node.toml"))
    }

    fn genesis(&self) -> PathBuf {
        self.sandbox.join("genesis.json")
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn take(&self, node: usize, name: &str, more: &[&str]) -> Value {
        let (config, out) = (self.node(node), self.at(name));
        json([&["snapshot", "take", "--config", text(&config), "--out", text(&out), "--output", "json"], more].concat())
    }

    fn verify(&self, name: &str) -> Value {
        let (snapshot, genesis) = (self.at(name), self.genesis());
        json(["snapshot", "verify", text(&snapshot), "--genesis", text(&genesis), "--output", "json"])
    }

    /// Another node's files. Its directory, its key, and where clients find it.
    fn add_node(&self) -> (PathBuf, Value, String) {
        let port = first_port();
        let ports = port.to_string();
        let added = json(["testnet", "--add", "--out", text(&self.sandbox), "--ports", &ports, "--output", "json"]);
        let node = PathBuf::from(added["node"].as_str().unwrap());
        (node, added, format!("http://127.0.0.1:{port}"))
    }
}

#[test]
fn a_snapshot_of_a_node_under_load_is_verified_and_others_begin_from_it() {
    let directory = tempfile::tempdir().unwrap();
    let place = Place { directory: directory.path().to_path_buf(), sandbox: directory.path().join("sandbox") };
    let ready_file = place.at("ready.json");
    let serving =
        Serving::start_with(&place.sandbox, &ready_file, &["--ports", "free", "--epoch-length", EPOCH_LENGTH]);
    let network = Network { directory: &place.sandbox };
    let old = place.at("old.json");
    let paid = network.ask(&["pay", "1.00", "HKDX", "--as", "buyer", "--to", "supplier", "--receipt", text(&old)]);
    let old_id = paid["transaction_id"].as_str().unwrap().to_owned();
    let paying = Paying::default();
    let (whole, slim) = std::thread::scope(|scope| {
        let load = scope.spawn(|| paying.go_on(&network));
        paying.wait_for(12);
        let whole = place.take(1, "whole", &[]);
        let slim = place.take(2, "slim", &["--without-bodies"]);
        paying.wait_for(4);
        paying.stop.store(true, Ordering::SeqCst);
        load.join().unwrap();
        (whole, slim)
    });
    only_its_user_comes_near(&place);
    let (verified, verified_slim) = (place.verify("whole"), place.verify("slim"));
    assert_eq!((&verified["height"], &verified["head"]), (&whole["height"], &whole["head"]));
    assert_eq!(verified["earliest_block_height"], 0, "{verified}");
    assert_eq!(verified_slim["height"], slim["height"]);
    assert!(verified_slim["earliest_block_height"].as_u64().unwrap() + 16 > slim["height"].as_u64().unwrap());
    refused_where_it_is_wanted_twice(&place);
    damaged_ones_are_refused(&place);
    let newcomer = joins_by_the_whole_one(&place, &network, &old_id);
    let observer = follows_from_the_slim_one(&place, &network, (&old, &old_id));
    newcomer.stop();
    observer.stop();
    assert!(serving.stop().success());
    stopped_nodes(&place);
}

/// Payments, one after the other, until it is told to stop.
#[derive(Default)]
struct Paying {
    stop: AtomicBool,
    made: AtomicU64,
}

impl Paying {
    fn go_on(&self, network: &Network<'_>) {
        while !self.stop.load(Ordering::SeqCst) {
            network.pay();
            self.made.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Waits for so many more.
    fn wait_for(&self, more: u64) {
        let (from, deadline) = (self.made.load(Ordering::SeqCst), Instant::now() + PATIENCE);
        while self.made.load(Ordering::SeqCst) < from + more {
            assert!(Instant::now() < deadline, "payments stand still");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}

/// Who may ask for a snapshot and look into one is who may read the node's data.
fn only_its_user_comes_near(place: &Place) {
    let socket = place.sandbox.join("nodes/validator-1/data/operator.sock");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&socket), mode(&place.at("whole"))), (0o600, 0o700));
    let mut asked = UnixStream::connect(&socket).unwrap();
    asked.write_all(b"{\"shutdown\":true}\n").unwrap();
    let mut answer = String::new();
    asked.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("nothing that may be asked"), "{answer}");
}

fn refused_where_it_is_wanted_twice(place: &Place) {
    let (config, out) = (place.node(1), place.at("whole"));
    let again = run(["snapshot", "take", "--config", text(&config), "--out", text(&out)]);
    assert_fails(&again, 1, &["is there already"]);
    let into = run(["snapshot", "restore", text(&out), "--config", text(&config)]);
    assert_fails(&into, 1, &["open in process"]);
}

/// One bit of any file; a file that is gone, or too many; another ledger's genesis; another version's.
fn damaged_ones_are_refused(place: &Place) {
    let snapshot = place.at("whole");
    let genesis = Genesis::parse(&std::fs::read(place.genesis()).unwrap()).unwrap();
    let verified = || verify(&snapshot, &genesis, |_, _| {});
    assert!(verified().is_ok());
    let mut files = vec![snapshot.join("MANIFEST")];
    files.extend(std::fs::read_dir(snapshot.join("store")).unwrap().map(|file| file.unwrap().path()));
    let mut flipped = 0;
    for path in &files {
        let bytes = std::fs::read(path).unwrap();
        for step in 0..24usize {
            // First, last, and between them wherever; each bit of a byte in its turn.
            let at = if step == 23 { bytes.len().saturating_sub(1) } else { bytes.len() * step / 23 };
            let mut damaged = bytes.clone();
            let Some(byte) = damaged.get_mut(at) else { continue };
            *byte ^= 1 << (step % 8);
            std::fs::write(path, &damaged).unwrap();
            let refused = verified().expect_err(&format!("bit {} of byte {at} of {}", step % 8, path.display()));
            assert_eq!(refused.to_string().lines().count(), 1, "{refused}");
            assert!(refused.to_string().contains(text(&snapshot)), "{refused}");
            flipped += 1;
        }
        std::fs::write(path, &bytes).unwrap();
        std::fs::rename(path, path.with_extension("gone")).unwrap();
        let refused = verified().expect_err("a file is gone");
        assert!(matches!(refused, SnapshotError::Damaged { .. } | SnapshotError::NoSnapshot { .. }), "{refused}");
        std::fs::rename(path.with_extension("gone"), path).unwrap();
    }
    assert!(flipped > 200, "{flipped}");
    let surplus = snapshot.join("store/000000.sst");
    std::fs::write(&surplus, b"x").unwrap();
    assert!(matches!(verified(), Err(SnapshotError::Damaged { .. })));
    std::fs::remove_file(&surplus).unwrap();

    let manifest = std::fs::read_to_string(&files[0]).unwrap();
    std::fs::write(&files[0], manifest.replacen("causeway-snapshot 1", "causeway-snapshot 2", 1)).unwrap();
    assert!(matches!(verified(), Err(SnapshotError::Version { .. })));
    std::fs::write(&files[0], &manifest).unwrap();
    let other = place.at("other.json");
    std::fs::write(&other, std::fs::read_to_string(place.genesis()).unwrap() + "\n").unwrap();
    let foreign = run(["snapshot", "verify", text(&snapshot), "--genesis", text(&other)]);
    assert_fails(&foreign, 1, &["of ledger"]);
    assert!(verified().is_ok(), "all of it was put right");
}

/// A fifth node begins from a snapshot, catches up, agrees on the state, is made a validator, and votes.
fn joins_by_the_whole_one(place: &Place, network: &Network<'_>, old_id: &str) -> Running {
    let (node, added, endpoint) = place.add_node();
    let (config, snapshot) = (node.join("node.toml"), place.at("whole"));
    let arguments = ["snapshot", "restore", text(&snapshot), "--config", text(&config)];
    let restored = json([&arguments[..], &["--output", "json"]].concat());
    assert_eq!(restored["keeps_vote"], false, "{restored}");
    no_table_is_another_s(&snapshot.join("store"), &node.join("data/store"));
    assert_fails(&run(arguments), 1, &["store is there", "causeway rebuild"]);
    let key = added["public_key"].as_str().unwrap();
    let running = Running::start(&["node", "--config", text(&config)]);
    network.govern(&["observers", "add", "newcomer", key]);
    let height = network.pay()["height"].as_u64().unwrap();
    status_where(&endpoint, |status| status["height"].as_u64() >= Some(height));
    agrees(&endpoint, network);
    // What was paid before it was there, it proves with everything.
    let proven =
        json(["receipt", "get", old_id, "--endpoint", &endpoint, "--sandbox", text(&place.sandbox), "--as", "buyer"]);
    assert!(proven["transaction"].is_object(), "{proven}");

    let (key_file, passphrase) = (node.join("key.pem"), node.join("passphrase"));
    let signs = ["--node-key", text(&key_file), "--node-passphrase-file", text(&passphrase)];
    let address = ["--address", added["address"].as_str().unwrap()];
    network.govern(&[&["validators", "add", "validator-5"][..], &signs, &address].concat());
    network.pay_until("validator-5", "VALIDATOR");
    status_where(&endpoint, |status| status["mode"] == "VALIDATOR");
    running
}

/// A table says by filters and indexes where not to look: those of a node are of its own making, and its own to read.
fn no_table_is_another_s(snapshot: &Path, store: &Path) {
    let tables = |folder: &Path| {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let tables = entries.filter(|path| path.extension().is_some_and(|extension| extension == "sst"));
        tables.map(|path| std::fs::read(path).unwrap()).collect::<Vec<_>>()
    };
    let (theirs, ours) = (tables(snapshot), tables(store));
    assert!(!theirs.is_empty() && !ours.is_empty());
    assert!(ours.iter().all(|table| !theirs.contains(table)), "a table was taken over as it was");
    assert_eq!(std::fs::metadata(store).unwrap().permissions().mode() & 0o777, 0o700);
}

/// At one height both have the same block on the same state.
fn agrees(endpoint: &str, network: &Network<'_>) {
    let height = network.pay()["height"].as_u64().unwrap().to_string();
    let of = |arguments: &[&str]| {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let output = run([&["blocks", "show", &height, "--output", "json"], arguments].concat());
            if output.status.success() {
                return serde_json::from_slice::<Value>(&output.stdout).unwrap()["block_hash"].clone();
            }
            assert!(Instant::now() < deadline, "{}", said(&output));
        }
    };
    assert_eq!(of(&["--endpoint", endpoint]), of(&["--sandbox", text(network.directory)]));
}

/// A node without the bodies of old blocks says where it begins, and proves what came of them all the same.
fn follows_from_the_slim_one(place: &Place, network: &Network<'_>, (old, old_id): (&Path, &str)) -> Running {
    let (node, added, endpoint) = place.add_node();
    let config = node.join("node.toml");
    json(["snapshot", "restore", text(&place.at("slim")), "--config", text(&config), "--output", "json"]);
    let running = Running::start(&["node", "--config", text(&config)]);
    network.govern(&["observers", "add", "slim", added["public_key"].as_str().unwrap()]);
    let height = network.pay()["height"].as_u64().unwrap();
    let status = status_where(&endpoint, |status| status["height"].as_u64() >= Some(height));
    let earliest = status["earliest_block_height"].as_u64().unwrap();
    assert!(earliest > 2, "{status}");
    agrees(&endpoint, network);
    for command in [&["blocks", "show", "2"][..], &["blocks", "follow", "--from", "2"]] {
        let gone = run([command, &["--endpoint", &endpoint]].concat());
        assert_fails(&gone, 1, &["BLOCK_PRUNED", &earliest.to_string(), "ask another node"]);
    }
    let asked = ["--endpoint", &endpoint, "--sandbox", text(&place.sandbox), "--as", "buyer"];
    let again = place.at("again.json");
    run([&["receipt", "get", old_id, "--receipt", text(&again)], &asked[..]].concat());
    let verify =
        |file: &Path| json(["receipt", "verify", "--genesis", text(&place.genesis()), text(file), "--output", "json"]);
    let (before, now) = (verify(old), verify(&again));
    assert_eq!((&now["receipt_id"], &now["outcome"]), (&before["receipt_id"], &before["outcome"]));
    assert!(now["transaction"].is_null() && now["note"].is_string() && before["transaction"].is_object(), "{now}");
    let known = json([&["transaction", old_id, "--output", "json"], &asked[..]].concat());
    assert_eq!(known["status"], "APPLIED", "{known}");
    running
}

/// A snapshot of a node that is stopped, and the audit of one that has no old bodies.
fn stopped_nodes(place: &Place) {
    let (config, out) = (place.node(1), place.at("stopped"));
    let taken = run(["snapshot", "take", "--config", text(&config), "--out", text(&out)]);
    match taken.status.success() {
        true => drop(place.verify("stopped")),
        false => assert_fails(&taken, 1, &["--endpoint"]),
    }
    let audited = run(["audit", "--data-dir", text(&place.sandbox.join("nodes/validator-6"))]);
    assert!(audited.status.success(), "{}", said(&audited));
    assert!(String::from_utf8_lossy(&audited.stdout).contains("was not executed again"));
    let whole = json(["audit", "--data-dir", text(&place.sandbox.join("nodes/validator-5")), "--output", "json"]);
    assert!(whole[0]["transfers"].as_u64() > Some(10), "{whole}");
}
