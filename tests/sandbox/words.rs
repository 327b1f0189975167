//! What people read: every amount with its unit, whoever pays whom, and what is wrong with what they typed.

use super::programs::{assert_fails, causeway, run, said, text};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;

fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{}", said(output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// On a network that serves and has played its scenario.
pub fn fit(data_dir: &Path) {
    let sandbox = text(data_dir);
    let as_buyer = |command: &[&str]| run([command, &["--as", "buyer", "--sandbox", sandbox]].concat());
    for (amount, minor_units, named) in [
        ("0", false, "above zero"),
        ("0.00", false, "above zero"),
        ("-1", false, "below zero"),
        ("1.5", true, "whole number"),
        ("1,000", false, "without commas"),
    ] {
        let pay =
            [&["pay", amount, "HKDX", "--to", "supplier"][..], if minor_units { &["--minor-units"] } else { &[] }];
        assert_fails(&as_buyer(&pay.concat()), 2, &[amount, named]);
    }
    let too_much = as_buyer(&["pay", "999999.00", "HKDX", "--to", "supplier"]);
    let told = String::from_utf8_lossy(&too_much.stdout).into_owned();
    assert!(told.contains("required        999,999.00 HKDX") && told.contains("buyer (cw1"), "{told}");
    assert!(told.contains("available       79,837.50 HKDX"), "{told}");
    whoever_names_a_passphrase_means_it(data_dir);
    assert_fails(&as_buyer(&["blocks", "show", "999999"]), 1, &["BLOCK_NOT_REACHED", "lower height"]);

    let events = printed(&as_buyer(&["events", "follow", "--cursor", "0", "--count", "12"]));
    let payment = events.lines().find(|line| line.contains("PO-2026-0102")).unwrap_or_else(|| panic!("{events}"));
    assert!(payment.contains("TRANSFER 1,800.00 USDX from buyer to supplier, for PO-2026-0102 SUPP INV-7002 INV-7003"));
    let height = payment.split_whitespace().next().unwrap();
    let block = printed(&as_buyer(&["blocks", "show", height]));
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words(&block).contains("USDX attested as of"), "{block}");
    assert!(words(&block).contains("circulation 1,097,200.00 USDX"), "{block}");

    let receipts = std::fs::read_dir(data_dir.join("receipts")).unwrap().map(|file| file.unwrap().path());
    let receipt = receipts.into_iter().find(|path| text(path).ends_with("pay-2.json")).unwrap();
    let genesis = data_dir.join("genesis.json");
    let verified = printed(&run(["receipt", "verify", "--genesis", text(&genesis), text(&receipt)]));
    assert!(words(&verified).contains("amount 1,800.00 USDX"), "{verified}");
    assert!(verified.contains("PO-2026-0102 SUPP INV-7002 INV-7003"), "{verified}");
    let reserves = printed(&as_buyer(&["reserves", "show", "HKDX"]));
    assert!(reserves.contains("government debt up to 366 days, less 2 %; reverse repo up to 1 day"), "{reserves}");
    let status = printed(&as_buyer(&["status"]));
    let nodes: Vec<&str> = status.lines().filter(|line| line.contains("http://")).map(str::trim_start).collect();
    assert!(nodes.iter().enumerate().all(|(index, line)| line.starts_with(&format!("validator-{}", index + 1))));
    assert!(nodes.iter().all(|line| line.contains("4 of 4")), "{status}");
    loans_are_told_in_decimals_and_percent(data_dir);
    what_is_mistyped_is_told(data_dir);
}

/// On the scenario's programme, and its receivable, which is paid by now.
fn loans_are_told_in_decimals_and_percent(data_dir: &Path) {
    let ask = |who: &str, command: &[&str]| run([command, &["--as", who, "--sandbox", text(data_dir)]].concat());
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let told = |who: &str, command: &[&str]| {
        let told = printed(&ask(who, command));
        let wide: Vec<&str> = told.lines().filter(|line| line.chars().count() > 100).collect();
        assert!(wide.is_empty(), "{command:?} breaks a terminal: {wide:#?}");
        words(&told)
    };
    let programmes = told("supplier", &["finance", "programmes"]);
    assert!(programmes.contains("outstanding 0.00 HKDX limit total 48,600.00 HKDX"), "{programmes}");
    let listed = printed(&ask("supplier", &["finance", "programmes", "--output", "json"]));
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let id = listed[0]["programme_id"].as_str().unwrap();
    assert_eq!(
        (&listed[0]["terms"]["limits"]["total"], &listed[0]["terms"]["token_id"]),
        (&4_860_000.into(), &"HKDX".into())
    );
    let programme = told("supplier", &["finance", "programme", id]);
    for figure in ["limit per invoice 48,600.00 HKDX", "late rate 12.00 %", "fee 0.50 %", "advance rate 90.00 %"] {
        assert!(programme.contains(figure), "{figure}: {programme}");
    }
    for (who, command) in [
        ("financier", &["finance", "list"][..]),
        ("supplier", &["finance", "financeable"]),
        ("supplier", &["invoices", "list"]),
        ("supplier", &["orders", "list"]),
        ("supplier", &["balance", "show"]),
        ("bank-west", &["accounts", "list"]),
        ("observer", &["finance", "supervision"]),
        ("supplier", &["tokens", "list"]),
        ("supplier", &["status"]),
    ] {
        told(who, command);
    }
    // A settled receivable is told to be that, and not to be financed.
    let receivables = printed(&ask("supplier", &["invoices", "list", "--output", "json"]));
    let receivables: serde_json::Value = serde_json::from_str(&receivables).unwrap();
    let receivable = receivables[0]["receivable_id"].as_str().unwrap();
    let asked = ["finance", "assess", "--receivable", receivable, "--programme", id, "--advance", "1.00"];
    assert_fails(&ask("supplier", &asked), 1, &["RECEIVABLE_NOT_OPEN", "state settled"]);
}

/// What was wrong, where, and how it is written.
fn what_is_mistyped_is_told(data_dir: &Path) {
    let participant = std::fs::read_to_string(data_dir.join("participants/buyer/participant.json")).unwrap();
    let participant: serde_json::Value = serde_json::from_str(&participant).unwrap();
    let account = participant["account_id"].as_str().unwrap();
    let other = if &account[20..21] == "q" { "p" } else { "q" };
    let mistyped = format!("{}{other}{}", &account[..20], &account[21..]);
    let departure = data_dir.join("departure.jsonld");
    let (invoice, departure) = (data_dir.join("invoice.xml"), text(&departure));
    let (invoice, order) = (text(&invoice), "0".repeat(64));
    let publish = ["finance", "publish", "--name", "X", "--token", "HKDX", "--limit", "1.00", "--rate-bps"];
    let register = ["invoices", "register", invoice, "--buyer", "buyer", "--token"];
    let rule = ["finance", "set-rule", "all-in-cost-bps-max", "2400", "--law", "x", "--from"];
    let record = ["events", "record", "--order", &order, "--order-number", "1", "--document"];
    let nowhere = ["documents", "inspect", "/nowhere/invoice.xml"];
    for (command, last, code, named) in [
        (&["pay", "--to", &mistyped, "1.00"][..], "HKDX", 2, &["its character 21 is mistyped"][..]),
        (&["pay", "--to", "nobody", "1.00"], "HKDX", 2, &["'nobody'", "a participant's name", "supplier"]),
        (&["pay", "--to", "supplier", "1.00"], "EURX", 1, &["there is no token EURX", "HKDX, USDX"]),
        (&["pay", "--to", "supplier", "1.001"], "HKDX", 2, &["3 decimals", "HKDX has 2 decimals"]),
        (&["finance", "show"], "12x4", 2, &["its character 3 is 'x'", "64 hexadecimal digits"]),
        (&publish, "8%", 2, &["'8%' is in percent", "here 800"]),
        (&publish, "8.5", 2, &["not a whole number of basis points"]),
        (&publish, "-1", 2, &["'-1' is below zero"]),
        (&[&register[..], &["HKDX", "--due"]].concat(), "30/02/2026", 2, &["YYYY-MM-DD"]),
        (&[&register[..], &["HKDX", "--due"]].concat(), "2026-02-30", 2, &["that month has 28 days"]),
        (&rule, "2026-12-31", 2, &["a day without a time", "+08:00"]),
        (&["accounts", "open", "--new-key", "k", "--role"], "merchnt", 2, &["roles are institution"]),
        (&record, invoice, 1, &["the document is XML", "in JSON"]),
        (
            &["invoices", "register", "--buyer", "buyer", "--token", "HKDX"],
            departure,
            1,
            &["the document is JSON", "UBL 2.x Invoice"],
        ),
        (&nowhere[..2], nowhere[2], 1, &["/nowhere/invoice.xml: there is no such file"]),
        (&["documents", "inspect"], text(data_dir), 1, &["it is a directory"]),
    ] {
        let typed = [command, &[last, "--as", "buyer", "--sandbox", text(data_dir), "--output", "json"]].concat();
        assert_fails(&run(typed), code, named);
    }
}

/// It was passed over once, and money moved.
fn whoever_names_a_passphrase_means_it(data_dir: &Path) {
    let wrong = data_dir.join("wrong-passphrase");
    std::fs::write(&wrong, "wrong\n").unwrap();
    std::fs::set_permissions(&wrong, std::fs::Permissions::from_mode(0o600)).unwrap();
    let own = data_dir.join("participants/buyer/passphrase");
    let show = ["balance", "show", "--sandbox", text(data_dir)];
    let participant = data_dir.join("participants/buyer");
    for who in [["--as", "buyer"], ["--participant", text(&participant)]] {
        let with = |file: &str| run([&show[..], &who, &["--passphrase-file", file]].concat());
        assert_fails(&with(text(&wrong)), 1, &["passphrase"]);
        assert_fails(&with("/nowhere/passphrase"), 1, &["/nowhere/passphrase"]);
        assert!(with(text(&own)).status.success());
    }
    // A variable that was set long ago does not speak for who is named on the command line.
    let variable = |arguments: &[&str], variables: &[(&str, &str)]| {
        causeway([&show[..], arguments].concat()).envs(variables.iter().copied()).output().unwrap()
    };
    let set = ("CAUSEWAY_PASSPHRASE_FILE", text(&wrong));
    assert!(variable(&["--as", "buyer"], &[set]).status.success());
    assert_fails(&variable(&[], &[set, ("CAUSEWAY_AS", "buyer")]), 1, &["passphrase"]);
}
