//! Commands that need no network.

use super::programs::{assert_fails, causeway, json, run, said, text};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;

fn golden(name: &str) -> String {
    format!("{}/tests/golden/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn a_receipt_is_verified_offline() {
    for file in ["receipt.json", "receipt-later-header.json", "receipt-handover.json"] {
        let verified =
            json(["receipt", "verify", "--genesis", &golden("genesis.json"), &golden(file), "--output", "json"]);
        assert_eq!(verified["verified"], true, "{file}");
    }
    let people = run(["receipts", "verify", "--genesis", &golden("genesis.json"), &golden("receipt.json")]);
    assert!(people.status.success(), "{}", said(&people));
    assert!(String::from_utf8_lossy(&people.stdout).contains("verified"));
}

/// A reader that has seen enough ends the command, without a word. A connection that a node closed does not.
#[test]
fn a_command_ends_with_its_reader() {
    let mut command = causeway(["receipt", "verify", "--genesis", &golden("genesis.json"), &golden("receipt.json")]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = command.stdout(writer).stderr(Stdio::piped()).output().unwrap();
    assert_eq!((output.status.code(), said(&output)), (Some(141), String::new()));
}

#[test]
fn a_changed_receipt_or_another_genesis_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let genesis = directory.path().join("genesis.json");
    let original = std::fs::read_to_string(golden("genesis.json")).unwrap();
    std::fs::write(&genesis, format!("{original}\n")).unwrap();
    let foreign = run(["receipt", "verify", "--genesis", text(&genesis), &golden("receipt.json")]);
    assert_fails(&foreign, 1, &["does not verify", "of ledger"]);
    let missing = run(["receipt", "verify", "--genesis", &golden("genesis.json"), "/nowhere/receipt.json"]);
    assert_fails(&missing, 1, &["/nowhere/receipt.json"]);
    let garbled = directory.path().join("receipt.json");
    std::fs::write(&garbled, "{}").unwrap();
    let garbage = run(["receipt", "verify", "--genesis", &golden("genesis.json"), text(&garbled)]);
    assert_fails(&garbage, 1, &[text(&garbled), "does not verify: "]);
    let changed = std::fs::read_to_string(golden("receipt.json")).unwrap().replacen("\"height\": ", "\"height\": 1", 1);
    std::fs::write(&garbled, changed).unwrap();
    let changed = run(["receipt", "verify", "--genesis", &golden("genesis.json"), text(&garbled)]);
    assert_fails(&changed, 1, &[text(&garbled), "does not verify: ", "height"]);
    let sandbox = directory.path().join("none");
    let no_genesis = run(["receipt", "verify", "--sandbox", text(&sandbox), &golden("receipt.json")]);
    assert_fails(&no_genesis, 2, &["--genesis"]);
}

#[test]
fn keys_are_made_once_and_open_with_their_passphrase_only() {
    let directory = tempfile::tempdir().unwrap();
    let (key, right, wrong) =
        (directory.path().join("key.pem"), directory.path().join("right"), directory.path().join("wrong"));
    for (file, content) in [(&right, "correct horse\n"), (&wrong, "wrong horse\n")] {
        std::fs::write(file, content).unwrap();
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    let new = |out: &Path| {
        ["keys", "new", "--out", text(out), "--passphrase-file", text(&right), "--output", "json"].map(str::to_owned)
    };
    let made = json(new(&key));
    let shown = json(["keys", "show", text(&key), "--passphrase-file", text(&right), "--output", "json"]);
    assert_eq!(made["public_key"], shown["public_key"]);
    assert_fails(&run(["keys", "show", text(&key), "--passphrase-file", text(&wrong)]), 1, &["passphrase", "key.pem"]);
    assert_fails(&run(new(&key)), 1, &["never replaced"]);
    std::fs::set_permissions(&right, std::fs::Permissions::from_mode(0o644)).unwrap();
    let open = run(["keys", "show", text(&key), "--passphrase-file", text(&right)]);
    assert!(open.status.success() && said(&open).contains("mode 0644"), "{}", said(&open));
    let asked = causeway(["keys", "show", text(&key)]).stdin(std::process::Stdio::null()).output().unwrap();
    assert_fails(&asked, 1, &["--passphrase-file", "CAUSEWAY_PASSPHRASE"]);
}

#[test]
fn a_network_is_made_once() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("network");
    let made = json(["testnet", "--validators", "2", "--out", text(&out), "--output", "json"]);
    assert_eq!(made["nodes"].as_array().map(Vec::len), Some(2));
    for part in ["genesis.json", "nodes/validator-2/node.toml", "nodes/validator-2/never-voted", "participants/issuer"]
    {
        assert!(out.join(part).exists(), "{part}");
    }
    assert_fails(&run(["testnet", "--validators", "2", "--out", text(&out)]), 1, &["genesis.json", "exists"]);
    let other = directory.path().join("other");
    assert_fails(&run(["testnet", "--validators", "0", "--out", text(&other)]), 2, &["1 to 100"]);
    assert!(!other.exists(), "nothing is made of a wrong question");
    let sandbox = run(["sandbox", "--validators", "0", "--data-dir", text(&other)]);
    assert_fails(&sandbox, 2, &["1 to 100", "4 bear the loss of one"]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let busy = run(["sandbox", "--validators", "1", "--ports", &port, "--data-dir", text(&other)]);
    assert_fails(&busy, 1, &[&port, "--ports free"]);
    assert!(!other.exists(), "ports are tried before anything is written");
}

#[test]
fn a_node_that_does_not_know_every_validator_does_not_start() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("network");
    json(["testnet", "--validators", "4", "--out", text(&out), "--output", "json"]);
    let home = out.join("nodes/validator-1");
    let config = home.join("node.toml");
    let good = std::fs::read_to_string(&config).unwrap();
    let (head, last_peer) = good.rsplit_once("[[peers]]").unwrap();
    let (_, rest) = last_peer.split_once("\n\n").unwrap_or((last_peer, ""));
    let missing = last_peer.split('"').nth(1).unwrap().to_owned();
    std::fs::write(&config, format!("{head}{rest}")).unwrap();
    let refused = run(["node", "--config", text(&config)]);
    // The log warns of it as well, and the last line says what to do.
    let last = said(&refused).lines().last().unwrap_or_default().to_owned();
    assert_eq!(refused.status.code(), Some(1), "{last}");
    assert!(
        last.starts_with("causeway: ") && last.contains(&missing) && last.contains("add it to the peers"),
        "{last}"
    );
    assert!(home.join("never-voted").exists(), "the key has not voted, and may still");
}

#[test]
fn a_node_names_what_is_wrong_with_its_configuration() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("network");
    json(["testnet", "--validators", "1", "--out", text(&out), "--output", "json"]);
    let config = out.join("nodes/validator-1/node.toml");
    let good = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, good.replace("idle_interval_ms", "idle_intervall_ms")).unwrap();
    let misspelt = run(["node", "--config", text(&config)]);
    assert_fails(&misspelt, 1, &["'consensus.idle_intervall_ms'", "node.toml", "'consensus.idle_interval_ms'"]);
    assert_fails(&run(["node", "--config", "/nowhere/node.toml"]), 1, &["/nowhere/node.toml"]);
    std::fs::write(&config, good).unwrap();
    let variable = causeway(["node", "--config", text(&config)]).env("CAUSEWAY_LISTEN_GRCP", "x").output().unwrap();
    assert_fails(&variable, 1, &["CAUSEWAY_LISTEN_GRCP", "CAUSEWAY_LISTEN_GRPC"]);
    let value = causeway(["node", "--config", text(&config)]).env("CAUSEWAY_LOG_FORMAT", "x").output().unwrap();
    assert_fails(&value, 1, &["'log.format' in the environment variable CAUSEWAY_LOG_FORMAT"]);
}

/// With --output json a failure is one object on standard error, whatever failed, and standard output is empty.
#[test]
fn programs_are_told_in_json_what_failed() {
    let directory = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let endpoint = format!("http://127.0.0.1:{port}");
    for (code, named, arguments) in [
        (1, "no node answers", vec!["status", "--endpoint", &endpoint, "--output", "json"]),
        (2, "'--nonsense'", vec!["status", "--nonsense", "--output=json"]),
        (2, "1 to 100", vec!["testnet", "--validators", "0", "--out", text(directory.path()), "--output", "json"]),
    ] {
        let output = run(&arguments);
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(code), &b""[..]), "{arguments:?}");
        let object: serde_json::Value = serde_json::from_str(&said(&output)).unwrap();
        assert!(object["error"].as_str().is_some_and(|error| error.contains(named)), "{object}");
        assert_eq!(said(&output).lines().count(), 1, "{object}");
    }
}

#[test]
fn who_names_a_sandbox_or_a_participant_that_is_not_there_is_told_so() {
    let directory = tempfile::tempdir().unwrap();
    let nowhere = text(directory.path());
    assert_fails(&run(["status", "--sandbox", nowhere]), 2, &[nowhere, "no sandbox's directory"]);
    let out = directory.path().join("network");
    json(["testnet", "--validators", "1", "--out", text(&out), "--output", "json"]);
    for line in [["balance", "show", "--as", "nobody"], ["balance", "show", "nobody", "--as=issuer"]] {
        let refused = run(line.into_iter().chain(["--sandbox", text(&out), "--endpoint", "http://127.0.0.1:9"]));
        match line[2] {
            "--as" => assert_fails(&refused, 2, &["'nobody'", "issuer, issuer-checker"]),
            // Whose account is meant is looked up once a node answers.
            _ => assert_fails(&refused, 1, &["no node answers"]),
        }
    }
}

/// Whoever types who acts is not overruled by a variable that was set long ago.
#[test]
fn the_command_line_comes_before_the_environment() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("network");
    json(["testnet", "--validators", "1", "--out", text(&out), "--output", "json"]);
    let file = std::fs::read_to_string(out.join("participants/issuer/participant.json")).unwrap();
    let file: serde_json::Value = serde_json::from_str(&file).unwrap();
    let account = file["account_id"].as_str().unwrap();
    let line = ["balance", "show", "--sandbox", text(&out), "--endpoint", "http://127.0.0.1:9"];
    let with = |arguments: &[&str], variables: &[(&str, &str)]| {
        let command = [&line[..], arguments].concat();
        causeway(command).envs(variables.iter().copied()).output().unwrap()
    };
    // 'nobody' would be looked up first, and is nobody.
    let nobody = ("CAUSEWAY_AS", "nobody");
    assert_fails(&with(&[], &[nobody]), 2, &["'nobody'"]);
    assert_fails(&with(&["--account", account], &[nobody]), 1, &["no node answers"]);
    assert_fails(&with(&["--as", "issuer"], &[("CAUSEWAY_ACCOUNT", "nobody")]), 1, &["no node answers"]);
    let both = ["--as", "issuer", "--account", account, "--key", "key.pem"];
    assert_fails(&with(&both, &[]), 2, &["--as and --account"]);
}

#[test]
fn nobody_answers_is_one_line_that_says_whom_was_asked() {
    let directory = tempfile::tempdir().unwrap();
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let endpoint = format!("http://127.0.0.1:{port}");
    let asked = run(["status", "--endpoint", &endpoint, "--sandbox", text(directory.path())]);
    assert_fails(&asked, 1, &["no node answers", &endpoint]);
    assert_fails(&run(["status", "--endpoint", "127.0.0.1:7400"]), 2, &["http://HOST:PORT"]);
}

#[test]
fn completions_are_printed() {
    let output = run(["completions", "bash"]);
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains("_causeway"));
}

fn fixture(name: &str) -> String {
    format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn documents_say_what_they_say_and_what_they_lack() {
    let order = json(["documents", "inspect", &fixture("ubl/order-hkd.xml"), "--output", "json"]);
    assert_eq!((&order["kind"], &order["number"]), (&"UBL Order".into(), &"PO-7781".into()));
    assert_eq!(order["totals"]["payable"], "125000");
    assert_eq!(order["seller"]["legal_entity_id"], "USCC:91440300MA5EXAMPL1");
    assert_eq!(order["lacks"].as_array().map(Vec::len), Some(0));
    let events =
        json(["documents", "inspect", &fixture("epcis/shipment-hkd.jsonld"), "--output", "json", "--pre-hash"]);
    let shipping = &events["events"][1];
    assert_eq!((&shipping["step"], &shipping["orders"][0]), (&"shipping".into(), &"PO-7781".into()));
    assert_eq!(shipping["canonical_event_id"], shipping["event_id"]);
    assert!(shipping["pre_hash"].as_str().is_some_and(|text| text.starts_with("eventType=ObjectEvent")));
    let people = run(["documents", "inspect", &fixture("epcis/shipment-hkd.jsonld")]);
    assert!(people.status.success(), "{}", said(&people));
    let people = String::from_utf8_lossy(&people.stdout).into_owned();
    assert!(people.contains("eventID: no id"), "{people}");
}

#[test]
fn a_wrong_document_is_refused_with_everything_that_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("order.xml");
    let order = std::fs::read_to_string(fixture("ubl/order-hkd.xml")).unwrap();
    let broken =
        order.replacen("<cbc:IssueDate>2026-10-28</cbc:IssueDate>", "", 1).replacen(">6000.00<", ">6000.01<", 1);
    std::fs::write(&file, broken).unwrap();
    let refused = run(["documents", "inspect", text(&file)]);
    let told = [
        "2 things are wrong: (1) Order/cbc:IssueDate is missing",
        "; (2) Order/",
        "the sum of the 2 lines is 126000.01",
    ];
    assert_fails(&refused, 1, &told);
    std::fs::File::create(&file).unwrap().set_len(100 * 1024 * 1024).unwrap();
    assert_fails(&run(["documents", "inspect", text(&file)]), 1, &["has 104857600 bytes, at most 16777216 are read"]);
    // What says no size and never ends is read no further.
    let endless = run(["documents", "inspect", "/dev/zero"]);
    assert_fails(&endless, 1, &["/dev/zero: the document has 16777217 bytes, at most 16777216 are read"]);
    assert_fails(&run(["documents", "inspect", "/nowhere/order.xml"]), 1, &["/nowhere/order.xml"]);
}
