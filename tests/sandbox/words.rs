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
        ("1,000", false, "digits with a point"),
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
    assert!(block.contains("circulation 1,097,200.00 USDX"), "{block}");

    let receipts = std::fs::read_dir(data_dir.join("receipts")).unwrap().map(|file| file.unwrap().path());
    let receipt = receipts.into_iter().find(|path| text(path).ends_with("pay-2.json")).unwrap();
    let genesis = data_dir.join("genesis.json");
    let verified = printed(&run(["receipt", "verify", "--genesis", text(&genesis), text(&receipt)]));
    assert!(verified.contains("amount 1,800.00 USDX"), "{verified}");
    assert!(verified.contains("PO-2026-0102 SUPP INV-7002 INV-7003"), "{verified}");
    let reserves = printed(&as_buyer(&["reserves", "show", "HKDX"]));
    assert!(reserves.contains("government debt up to 366 days, less 2 %; reverse repo up to 1 day"), "{reserves}");
    let status = printed(&as_buyer(&["status"]));
    let nodes: Vec<&str> = status.lines().filter(|line| line.contains("http://")).map(str::trim_start).collect();
    assert!(nodes.iter().enumerate().all(|(index, line)| line.starts_with(&format!("validator-{}", index + 1))));
    assert!(nodes.iter().all(|line| line.contains("4 of 4")), "{status}");
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
