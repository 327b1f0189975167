//! A sandbox as a whole: four processes, the scenario, and what remains of it.
//!
//! One test, because a network takes seconds to start and everything here wants one.

use super::desk::Desk;
use super::programs::{assert_fails, causeway, json, run, said, text};
use super::secrets::Overheard;
use super::{audit, documents, pages, trading, words};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

/// A sandbox that serves, stopped when dropped.
pub struct Serving(Child);

impl Serving {
    pub fn start(data_dir: &Path, ready_file: &Path) -> Self {
        Self::start_with(data_dir, ready_file, &[])
    }

    pub fn start_with(data_dir: &Path, ready_file: &Path, options: &[&str]) -> Self {
        let arguments =
            ["sandbox", "--scenario", "none", "--data-dir", text(data_dir), "--ready-file", text(ready_file)];
        let arguments = [&arguments, options].concat();
        let printed = std::fs::File::create(Self::printed(ready_file)).unwrap();
        let errors = printed.try_clone().unwrap();
        let child = causeway(arguments).stdout(printed).stderr(errors).spawn().unwrap();
        let serving = Self(child);
        let deadline = Instant::now() + Duration::from_secs(120);
        while !ready_file.exists() {
            assert!(Instant::now() < deadline, "the sandbox did not become ready");
            std::thread::sleep(Duration::from_millis(50));
        }
        serving
    }

    /// Where everything stands that it printed.
    pub fn printed(ready_file: &Path) -> PathBuf {
        ready_file.with_extension("printed")
    }

    /// Asks it to end, and waits until it has.
    pub fn stop(mut self) -> std::process::ExitStatus {
        let id = libc::pid_t::try_from(self.0.id()).unwrap();
        // SAFETY: a signal to a child that was not waited for yet.
        unsafe { libc::kill(id, libc::SIGINT) };
        self.0.wait().unwrap()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn verify(data_dir: &Path, step: &Value) {
    let genesis = data_dir.join("genesis.json");
    let receipt = step["receipt"].as_str().unwrap();
    let verified = json(["receipt", "verify", "--genesis", text(&genesis), receipt, "--output", "json"]);
    assert_eq!(verified["receipt_id"], step["receipt_id"], "{step}");
    assert_eq!(verified["height"], step["height"], "{step}");
}

#[test]
fn a_network_settles_its_scenario_serves_and_resumes() {
    let directory = tempfile::tempdir().unwrap();
    let data_dir = directory.path().join("sandbox-data");
    let first = run(["sandbox", "--ports", "free", "--data-dir", text(&data_dir), "--exit", "--output", "json"]);
    assert!(first.status.success(), "{}", said(&first));
    let report: Value = serde_json::from_slice(&first.stdout).unwrap();
    let mut overheard = Overheard::default();
    overheard.hear("the scenario", [first.stdout, first.stderr].concat());
    assert_eq!(report["validators"], 4);
    let steps = report["steps"].as_array().unwrap();
    let outcome = |name: &str| steps.iter().find(|step| step["name"] == name).map(|step| step["outcome"].clone());
    for (name, expected) in [
        ("attest-hkdx", "applied"),
        ("approve-past-reserves", "declined: RESERVE_SHORTFALL"),
        ("pay-3", "applied"),
        ("register-invoice-again", "declined: INVOICE_ALREADY_REGISTERED"),
        ("finance-without-record", "declined: PROGRAMME_CONDITIONS_NOT_MET"),
        ("request-financing", "applied"),
        ("finance-again", "declined: RECEIVABLE_ALREADY_FINANCED"),
        ("certify-absence", "applied"),
        ("pay-invoice", "applied"),
        ("pay-redemption", "applied"),
    ] {
        assert_eq!(outcome(name), Some(expected.into()), "{name}");
    }
    for step in steps.iter().filter(|step| step["name"] == "pay-1" || step["name"] == "finance-again") {
        verify(&data_dir, step);
    }
    audit::stands(&data_dir);
    audit::finds_damage(&data_dir, directory.path());
    resume(&data_dir, report["height"].as_u64().unwrap(), overheard);
}

fn resume(data_dir: &Path, height: u64, mut overheard: Overheard) {
    let sample = std::fs::read(data_dir.join("invoice.xml")).unwrap();
    let ready_file = data_dir.join("ready.json");
    // The nodes say all that they can say from here on.
    for node in 1..=4 {
        let file = data_dir.join(format!("nodes/validator-{node}/node.toml"));
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains("filter = \"info\""), "{text}");
        std::fs::write(&file, text.replace("filter = \"info\"", "filter = \"info,causeway=trace\"")).unwrap();
    }
    let serving = Serving::start(data_dir, &ready_file);
    let sandbox = text(data_dir);
    assert_eq!(
        std::fs::read(data_dir.join("invoice.xml")).unwrap(),
        sample,
        "a run without a scenario writes no invoice"
    );
    audit::is_refused_while_the_node_runs(data_dir);
    let second = run(["sandbox", "--scenario", "none", "--exit", "--data-dir", sandbox]);
    assert_fails(&second, 1, &["another sandbox", "--data-dir"]);
    let status = json(["status", "--sandbox", sandbox, "--output", "json"]);
    for node in status.as_array().unwrap() {
        assert_eq!(node["mode"], "VALIDATOR", "{node}");
        assert!(node["height"].as_u64() >= Some(height), "{node}");
    }

    let pay = ["pay", "12.50", "HKDX", "--as", "buyer", "--to", "supplier", "--sandbox", sandbox, "--output", "json"];
    let before = json(["balance", "show", "--as", "supplier", "--sandbox", sandbox, "--output", "json"]);
    let paid = json(pay);
    assert_eq!(paid["status"], "APPLIED", "{paid}");
    let after = json(["balance", "show", "--as", "supplier", "--sandbox", sandbox, "--output", "json"]);
    let hkdx = |balances: &Value| {
        let balances = balances["balances"].as_array().unwrap().clone();
        balances
            .iter()
            .find(|balance| balance["token_id"] == "HKDX")
            .and_then(|found| found["available"].as_u64())
            .unwrap()
    };
    assert_eq!(hkdx(&after), hkdx(&before) + 1_250);

    let too_much = run(["pay", "99999999999.00", "HKDX", "--as", "buyer", "--to", "supplier", "--sandbox", sandbox]);
    assert_eq!(too_much.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&too_much.stdout).contains("INSUFFICIENT_FUNDS"));
    let too_fine = run(["pay", "1.001", "HKDX", "--as", "buyer", "--to", "supplier", "--sandbox", sandbox]);
    assert_fails(&too_fine, 2, &["3 decimals"]);
    let stranger = run(["accounts", "show", "buyer", "--as", "supplier", "--sandbox", sandbox]);
    assert_fails(&stranger, 1, &["NOT_THE_CALLERS_ACCOUNT", "accounts counterparty"]);
    let for_programs = run(["accounts", "show", "buyer", "--as", "supplier", "--sandbox", sandbox, "--output", "json"]);
    let object: Value = serde_json::from_str(&said(&for_programs)).unwrap();
    assert_eq!(object["reason"], "NOT_THE_CALLERS_ACCOUNT", "{object}");
    assert!(object["error"].is_string() && object["hint"].is_string(), "{object}");
    words::fit(data_dir);
    pages::readme(data_dir.parent().unwrap());
    let desk = Desk::beside(data_dir);
    trading::by_hand(&desk);
    documents::by_documents(&desk);
    desk.has_applied_every_operation_of("trade");
    overheard.provoke(data_dir);
    overheard.listen(data_dir);
    assert!(serving.stop().success());
    assert!(!ready_file.exists(), "a sandbox that has stopped is not ready");
    let log = std::fs::read_to_string(data_dir.join("nodes/validator-1/node.log")).unwrap();
    assert!(log.lines().last().is_some_and(|line| line.ends_with("causeway::daemon: stopped")), "{log}");
    overheard.holds_no_secret(data_dir);
    moves_to_free_ports(data_dir);
}

/// The ports that a kept network listened on are taken: it says so, and moves.
fn moves_to_free_ports(data_dir: &Path) {
    let file: Value = serde_json::from_slice(&std::fs::read(data_dir.join("sandbox.json")).unwrap()).unwrap();
    let first = file["endpoints"][0].as_str().unwrap().rsplit(':').next().unwrap().to_owned();
    let taken = std::net::TcpListener::bind(format!("127.0.0.1:{first}")).unwrap();
    let again = ["sandbox", "--scenario", "none", "--exit", "--output", "json", "--data-dir", text(data_dir)];
    let busy = run(again);
    assert_eq!(busy.status.code(), Some(1));
    assert!(said(&busy).contains(&first) && said(&busy).contains("--ports free"), "{}", said(&busy));
    let moved = json(again.into_iter().chain(["--ports", "free"]));
    assert!(!moved["endpoints"].to_string().contains(&format!(":{first}\"")), "{moved}");
    drop(taken);
}
