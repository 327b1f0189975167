//! Validators changed by command, on real processes: four of a sandbox, and a fifth that is added to it.

use super::programs::{causeway, json, run, text};
use serde_json::Value;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// Short, so that a test sees some of them.
const EPOCH_LENGTH: &str = "24";
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A process that ends with the test.
pub struct Running(Child);

impl Running {
    pub fn start(arguments: &[&str]) -> Self {
        Self(causeway(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    /// Asks it to end, and waits until it has.
    pub fn stop(mut self) {
        let id = libc::pid_t::try_from(self.0.id()).unwrap();
        // SAFETY: a signal to a child that was not waited for yet.
        unsafe { libc::kill(id, libc::SIGTERM) };
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port that is free, as are those 100 and 200 above it, and that no other test of this process was given: what
/// listens on it does so only later.
pub fn first_port() -> u16 {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    let is_free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    let first = 20_000 + (std::process::id() % 100) as u16 * 97;
    let mut candidates = std::iter::repeat_with(|| first + 7 * GIVEN.fetch_add(1, Ordering::Relaxed));
    candidates.find(|first| [0, 100, 200].iter().all(|offset| is_free(first + offset))).unwrap()
}

/// A network whose commands are typed.
pub struct Network<'a> {
    pub directory: &'a Path,
}

impl Network<'_> {
    pub fn ask(&self, arguments: &[&str]) -> Value {
        json([arguments, &["--sandbox", text(self.directory), "--output", "json"]].concat())
    }

    pub fn govern(&self, arguments: &[&str]) {
        let decided = self.ask(&[arguments, &["--as", "governance"]].concat());
        assert_eq!(decided["status"], "APPLIED", "{decided}");
    }

    pub fn pay(&self) -> Value {
        let paid = self.ask(&["pay", "1.00", "HKDX", "--as", "buyer", "--to", "supplier"]);
        assert_eq!(paid["status"], "APPLIED", "{paid}");
        paid
    }

    /// Pays until what is listed of a name is so.
    pub fn pay_until(&self, name: &str, standing: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.pay();
            let listed = self.ask(&["validators", "list"]);
            let of_name = listed["peers"].as_array().unwrap().iter().find(|peer| peer["name"] == name);
            if of_name.is_some_and(|peer| peer["standing"] == standing) {
                return;
            }
            assert!(Instant::now() < deadline, "{name} is not {standing}: {listed:#}");
        }
    }
}

/// What a node says of itself, once it says that this is so.
pub fn status_where(endpoint: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let output = run(["status", "--endpoint", endpoint, "--output", "json"]);
        let status: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        if is_so(&status) {
            return status;
        }
        assert!(Instant::now() < deadline, "{status}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_fifth_validator_joins_the_first_leaves_and_payments_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let data_dir = directory.path().join("sandbox");
    let ready_file = directory.path().join("ready.json");
    let network = ["sandbox", "--scenario", "none", "--ports", "free", "--epoch-length", EPOCH_LENGTH];
    let files = ["--data-dir", text(&data_dir), "--ready-file", text(&ready_file)];
    let sandbox = Running::start(&[&network[..], &files].concat());
    let deadline = Instant::now() + PATIENCE;
    while !ready_file.exists() {
        assert!(Instant::now() < deadline, "the sandbox did not become ready");
        std::thread::sleep(Duration::from_millis(50));
    }
    let ready: Value = serde_json::from_slice(&std::fs::read(&ready_file).unwrap()).unwrap();
    let endpoints: Vec<&str> =
        ready["endpoints"].as_array().unwrap().iter().map(|each| each.as_str().unwrap()).collect();
    let network = Network { directory: &data_dir };

    let first_port = first_port();
    let ports = first_port.to_string();
    let added = json(["testnet", "--add", "--out", text(&data_dir), "--ports", &ports, "--output", "json"]);
    let (node, key) = (Path::new(added["node"].as_str().unwrap()), added["public_key"].as_str().unwrap());
    let fifth = Running::start(&["node", "--config", text(&node.join("node.toml"))]);
    let endpoint = format!("http://127.0.0.1:{first_port}");
    network.govern(&["observers", "add", "newcomer", key]);
    let height = network.pay()["height"].as_u64().unwrap();
    let status = status_where(&endpoint, |status| status["height"].as_u64() >= Some(height));
    assert_eq!(status["mode"], "VERIFIER", "{status}");

    let (key_file, passphrase) = (node.join("key.pem"), node.join("passphrase"));
    let signs = ["--node-key", text(&key_file), "--node-passphrase-file", text(&passphrase)];
    let address = ["--address", added["address"].as_str().unwrap()];
    network.govern(&[&["validators", "add", "validator-5"][..], &signs, &address].concat());
    network.pay_until("validator-5", "VALIDATOR");
    let status = status_where(&endpoint, |status| status["mode"] == "VALIDATOR");
    assert_eq!((status["validators"].as_array().unwrap().len(), &status["quorum"]), (5, &4.into()));

    network.govern(&["validators", "remove", "validator-1"]);
    network.pay_until("validator-1", "OBSERVER");
    status_where(endpoints[0], |status| status["mode"] == "VERIFIER");
    let height = network.pay()["height"].as_u64().unwrap();
    status_where(endpoints[0], |status| status["height"].as_u64() >= Some(height));
    status_where(&endpoint, |status| status["height"].as_u64() >= Some(height));

    // Both changes lie between the genesis and this receipt, and the genesis file is all that it takes.
    let (file, genesis) = (directory.path().join("receipt.json"), data_dir.join("genesis.json"));
    network.ask(&["pay", "1.00", "HKDX", "--as", "buyer", "--to", "supplier", "--receipt", text(&file)]);
    let receipt: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(receipt["handovers"].as_array().unwrap().len(), 2);
    json(["receipt", "verify", "--genesis", text(&genesis), text(&file), "--output", "json"]);
    fifth.stop();
    sandbox.stop();
}
