//! A trade by hand: every command that two companies need of each other, as themselves and with nobody's help, on a network
//! that serves.

use super::desk::{Desk, field};
use super::programs::{assert_fails, causeway, json, run, said, text};
use serde_json::Value;
use std::path::Path;

/// An invoice registered, confirmed, financed and paid; a token made, backed, issued and redeemed; all from the command line.
pub fn by_hand(desk: &Desk<'_>) {
    let known = desk.does("supplier", &["accounts", "counterparty", "buyer"]);
    assert_eq!((field(&known, "legal_entity_id"), known.get("keys")), ("HKBR:70000010", None), "{known}");
    a_loans_lineage_is_proven(desk);
    a_key_is_committed_once(desk);
    an_invoice_goes_its_way(desk);
    a_token_is_made_and_redeemed(desk);
    lenders_are_supervised(desk);
    another_network_is_known_and_no_longer(desk);
    receipts_are_kept_and_never_overwritten(desk);
}

/// From the scenario's loan down to the programme, the invoice, the order and the carrier's event, offline; and nothing to
/// whom it does not concern.
fn a_loans_lineage_is_proven(desk: &Desk<'_>) {
    let loans = desk.does("financier", &["finance", "list"]);
    let of_the_scenario = |loan: &&Value| loan["advance"] == 4_374_000;
    let loan = loans.as_array().unwrap().iter().find(of_the_scenario).unwrap_or_else(|| panic!("{loans}"));
    let loan = field(loan, "loan_id").to_owned();
    let file = desk.data_dir.join("lineage.json");
    let kept = desk.does("financier", &["lineage", "get", &loan, "--file", text(&file)]);
    let lineage: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let steps = lineage["steps"].as_array().unwrap();
    assert_eq!((kept["steps"].as_u64(), &kept["verified"]), (Some(steps.len() as u64), &true.into()), "{kept}");
    for (relation, event) in [
        ("", "financing.disbursed"),
        ("programme", "financing.programme_published"),
        ("receivable", "trade.invoice_confirmed"),
        ("order", "trade.order_accepted"),
        ("order", "trade.shipment_event_recorded"),
    ] {
        let told = |step: &&Value| {
            step["relation"] == relation
                && step["events"].as_array().is_some_and(|events| events.contains(&event.into()))
        };
        assert!(steps.iter().any(|step| told(&step)), "{relation} {event}: {lineage:#}");
    }
    // What was cited as evidence: three settlements, each its own transaction.
    let settled: Vec<&Value> = steps.iter().filter(|step| step["relation"] == "settlement").collect();
    assert_eq!(settled.len(), 3, "{lineage:#}");
    assert!(settled.iter().all(|step| step["object_id"] == step["transaction_id"]), "{lineage:#}");
    let genesis = desk.data_dir.join("genesis.json");
    let verify = ["lineage", "verify", text(&file), "--genesis", text(&genesis), "--output", "json"];
    let verified = json(verify);
    assert_eq!((&verified["verified"], &verified["steps"]), (&Value::Bool(true), &kept["steps"]), "{verified}");
    desk.refuses("carrier", &["lineage", "get", &loan], 1, &["NOT_FOUND"]);

    let forged = |change: &dyn Fn(&mut Value), named: &str| {
        let mut forged = lineage.clone();
        change(&mut forged["steps"][0]);
        std::fs::write(&file, forged.to_string()).unwrap();
        assert_fails(&run(verify), 1, &["step 0", named]);
    };
    forged(&|step| step["events"] = serde_json::json!(["financing.repaid"]), "other events");
    forged(&|step| step["reserve_lines"] = serde_json::json!([]), "reserve lines");
    forged(&|step| step["object_id"] = steps[1]["transaction_id"].clone(), "does not tell of");
    // A payment that the loan does not name is no evidence of its.
    let mut swapped = lineage.clone();
    let place = steps.iter().position(|step| step["relation"] == "settlement").unwrap();
    swapped["steps"][place]["object_id"] = steps[place - 1]["transaction_id"].clone();
    std::fs::write(&file, swapped.to_string()).unwrap();
    assert_fails(&run(verify), 1, &[&format!("step {place}"), "no step above names"]);
    swapped["steps"][place] = lineage["steps"][place].clone();
    swapped["steps"][place]["transaction_id"] = steps[place - 1]["transaction_id"].clone();
    std::fs::write(&file, swapped.to_string()).unwrap();
    assert_fails(&run(verify), 1, &[&format!("step {place}"), "another transaction"]);
}

fn a_key_is_committed_once(desk: &Desk<'_>) {
    let [declined, key] = ["declined.hex", "second.hex"].map(|name| desk.data_dir.join(name));
    let again = ["invoices", "commit-key", "--buyer", "buyer", "--co-signer", "buyer", "--key-file", text(&declined)];
    desk.declines("supplier", &again, "FINGERPRINT_KEY_EXISTS");
    assert!(
        !declined.exists(),
        "a key that was not committed is nobody's, and is not left for whoever takes it for theirs"
    );
    let nobody = ["invoices", "commit-key", "--buyer", "buyer", "--co-signer", "nobody", "--key-file", text(&declined)];
    desk.refuses("supplier", &nobody, 2, &["'nobody'"]);
    assert!(!declined.exists(), "nothing was sent");
    // The other way round they are another pair.
    let other = ["invoices", "commit-key", "--buyer", "supplier", "--co-signer", "supplier", "--key-file", text(&key)];
    desk.applies("buyer", &other);
    let kept = std::fs::read_to_string(&key).unwrap();
    assert_eq!(kept.trim().len(), 64);
    assert_fails(&run(desk.arguments("buyer", &other)), 1, &["second.hex", "exists"]);
    assert_eq!(std::fs::read_to_string(&key).unwrap(), kept);
}

/// Another key than the pair's would make another invoice of one that is there, and hide one from who asks for it.
fn a_wrong_key_is_never_used(desk: &Desk<'_>, receivable: &str, file: &Path) {
    let here = tempfile::tempdir().unwrap();
    let wrong = here.path().join("fingerprint-key.hex");
    std::fs::write(&wrong, format!("{}\n", "7".repeat(64))).unwrap();
    let named = ["--key-file", text(&wrong)];
    let register = ["invoices", "register", text(file), "--buyer", "buyer", "--token", "HKDX"];
    let confirm = ["invoices", "confirm", receivable, "--file", text(file)];
    let whose = ["--supplier", "supplier", "--buyer", "buyer"];
    let absence = [&["invoices", "certify-absence", text(file)], &whose[..]].concat();
    let told = [text(&wrong), "supplier (supplier) and buyer (buyer)", "Nothing was sent", "--key-file FILE"];
    for (who, command) in [("supplier", &register[..]), ("buyer", &confirm), ("financier", &absence)] {
        desk.refuses(who, &[command, &named].concat(), 1, &told);
    }
    // One that only lies here comes after the participant's own, and is no better for whoever has none.
    let typed_here =
        |who: &str, command: &[&str]| causeway(desk.arguments(who, command)).current_dir(here.path()).output().unwrap();
    assert_fails(&typed_here("financier", &absence), 1, &["fingerprint-key.hex is not", "Nothing was sent"]);
    let again = typed_here("supplier", &register);
    let again: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(again["reason"], "INVOICE_ALREADY_REGISTERED", "{again}");
    // And the pair's own, lying here, is found after a participant's own of another pair.
    let own = desk.data_dir.join("participants/supplier/fingerprint-key.hex");
    std::fs::copy(&own, &wrong).unwrap();
    let found = typed_here("financier", &absence);
    let found: Value = serde_json::from_slice(&found.stdout).unwrap();
    assert_eq!(found["reason"], "FINGERPRINT_REGISTERED", "{found}");
}

fn an_invoice_goes_its_way(desk: &Desk<'_>) {
    // The scenario's own invoice, under another number.
    let invoice = std::fs::read_to_string(desk.data_dir.join("invoice.xml")).unwrap().replace(">CW-", ">HAND-");
    let file = desk.data_dir.join("by-hand.xml");
    std::fs::write(&file, invoice).unwrap();
    let key = desk.data_dir.join("participants/supplier/fingerprint-key.hex");
    let whose = ["--supplier", "supplier", "--buyer", "buyer", "--key-file", text(&key)];
    let absence = [&["invoices", "certify-absence", text(&file)], &whose[..]].concat();
    desk.applies("financier", &absence);
    let register =
        ["invoices", "register", text(&file), "--buyer", "buyer", "--token", "HKDX", "--key-file", text(&key)];
    // Twice it comes to nothing, and the invoice may be registered anew.
    for (who, end, state) in [("supplier", "withdraw", "WITHDRAWN"), ("buyer", "reject", "REJECTED")] {
        let registered = desk.applies("supplier", &register);
        let receivable = field(&registered, "receivable_id");
        desk.applies(who, &["invoices", end, receivable]);
        assert_eq!(desk.does("buyer", &["invoices", "show", receivable])["state"], state);
        desk.declines("buyer", &["invoices", "confirm", receivable], "RECEIVABLE_NOT_OPEN");
    }
    let registered = desk.applies("supplier", &register);
    let receivable = field(&registered, "receivable_id");
    desk.declines("supplier", &register, "INVOICE_ALREADY_REGISTERED");
    desk.declines("financier", &absence, "FINGERPRINT_REGISTERED");
    nobody_confirms_what_its_own_copy_does_not_say(desk, receivable, &file);
    a_wrong_key_is_never_used(desk, receivable, &file);
    // The pair's key lies in the buyer's own directory.
    desk.applies("buyer", &["invoices", "confirm", receivable, "--file", text(&file)]);
    let paid = desk.applies("buyer", &["pay", "10.00", "HKDX", "--to", "supplier"]);
    assert_eq!(desk.does("buyer", &["transaction", field(&paid, "transaction_id")])["status"], "APPLIED");
    assert_eq!(desk.does("buyer", &["transaction", &"0".repeat(64)])["status"], "UNKNOWN");
    let terms = ["--name", "BY-HAND", "--token", "HKDX", "--limit", "100000.00", "--rate-bps", "800"];
    let published = desk.applies("financier", &[&["finance", "publish"], &terms[..]].concat());
    let programme = field(&published, "programme_id");
    assert_eq!(desk.does("supplier", &["finance", "programme", programme])["state"], "OPEN");
    let asked = ["--receivable", receivable, "--programme", programme, "--advance"];
    let cited = ["--cite", field(&paid, "transaction_id")];
    let too_much = desk.does("supplier", &[&["finance", "assess"], &asked[..], &["48000.00"], &cited[..]].concat());
    let failing = &too_much["failing"][0];
    let amounts = [&failing["found_amount"], &failing["required_amount"]].map(Value::as_u64);
    assert_eq!((&failing["name"], &failing["token_id"]), (&"advance".into(), &"HKDX".into()), "{too_much}");
    assert_eq!(amounts, [Some(4_800_000), Some(4_374_000)], "{too_much}");
    // People read decimals with their token, of a question and of a decline.
    let as_supplier = |what: &'static str| {
        let command = [&["finance", what], &asked[..], &["48000.00"], &cited[..]].concat();
        let printed = run([&command[..], &["--as", "supplier", "--sandbox", text(desk.data_dir)]].concat());
        String::from_utf8_lossy(&printed.stdout).into_owned()
    };
    for told in ["assess", "request"].map(as_supplier) {
        assert!(told.contains("advance: 48,000.00 HKDX, must be 43,740.00 HKDX at most\n"), "{told}");
        assert!(!told.contains("minor units"), "{told}");
    }
    let request = [&["finance", "request"], &asked[..], &["40000.00"], &cited[..]].concat();
    let financed = desk.applies("supplier", &request);
    let loan = desk.does("financier", &["finance", "show", field(&financed, "loan_id")]);
    assert_eq!((&loan["principal"], &loan["state"]), (&4_000_000.into(), &"PERFORMING".into()), "{loan}");
    assert_eq!(desk.does("financier", &["invoices", "show", receivable])["state"], "FINANCED");
    desk.refuses("buyer", &["finance", "show", field(&financed, "loan_id")], 1, &["NOT_FOUND"]);
    desk.applies("supplier", &["finance", "repay", field(&financed, "loan_id"), "1000.00"]);
    let too_much =
        run([&["invoices", "pay", receivable, "99999.00"][..], &["--as", "buyer", "--sandbox", text(desk.data_dir)]]
            .concat());
    assert_eq!(too_much.status.code(), Some(3), "{}", said(&too_much));
    let told = String::from_utf8_lossy(&too_much.stdout).into_owned();
    assert!(told.contains("48,600.00 HKDX") && !told.contains("minor units"), "{told}");
    desk.applies("buyer", &["invoices", "pay", receivable, "100.00"]);
    assert_eq!(desk.does("buyer", &["invoices", "show", receivable])["state"], "FINANCED");
}

/// Ten times the amount, another due date, another company: the buyer is told both figures, and nothing is confirmed.
fn nobody_confirms_what_its_own_copy_does_not_say(desk: &Desk<'_>, receivable: &str, file: &Path) {
    let own = std::fs::read_to_string(file).unwrap();
    let copy = desk.data_dir.join("another.xml");
    let due = own.split("<cbc:DueDate>").nth(1).and_then(|rest| rest.split('<').next()).unwrap();
    for (from, to, told) in [
        ("48600.00", "4860.00", &["48,600.00 HKDX", "4860 HKD", "Do not confirm"][..]),
        (due, "2030-01-01", &[due, "2030-01-01", "Do not confirm"]),
        (">70000010<", ">70000099<", &["HKBR:70000099", "HKBR:70000010", "another company"]),
        ("<cbc:CompanyID schemeID=\"HKBR\">70000010</cbc:CompanyID>", "", &["--without-company-ids", "for the buyer"]),
        (">HAND-", ">OTHER-", &["fingerprint", "Do not confirm"]),
    ] {
        std::fs::write(&copy, own.replace(from, to)).unwrap();
        desk.refuses("buyer", &["invoices", "confirm", receivable, "--file", text(&copy)], 1, told);
    }
    std::fs::write(&copy, own.replace(">70000011<", ">70000099<")).unwrap();
    let register = ["invoices", "register", text(&copy), "--buyer", "buyer", "--token", "HKDX"];
    desk.refuses("supplier", &register, 1, &["HKBR:70000099", "another company"]);
    assert_eq!(desk.does("buyer", &["invoices", "show", receivable])["state"], "REGISTERED");
}

fn a_token_is_made_and_redeemed(desk: &Desk<'_>) {
    let terms = ["--currency", "EUR", "--custodian", "custodian", "--asset-rule", "cash,0,0"];
    desk.applies("issuer", &[&["tokens", "create", "EURX"], &terms[..]].concat());
    desk.applies("custodian", &["reserves", "attest", "EURX", "--asset", "cash=1000.00"]);
    let requested = desk.applies("issuer-maker", &["issue", "request", "EURX", "--to", "bank-east=500.00"]);
    let issuance = field(&requested, "issuance_id");
    let waiting = desk.does("issuer-checker", &["issue", "list", "--state", "requested"]);
    assert!(waiting.as_array().unwrap().iter().any(|found| found["issuance_id"] == issuance), "{waiting}");
    assert_eq!(desk.does("buyer", &["issue", "list", "--state", "requested"]), serde_json::json!([]));
    desk.applies("issuer-checker", &["issue", "approve", issuance]);
    assert_eq!(desk.does("issuer", &["issue", "show", issuance])["state"], "ISSUED");
    let redeemed = desk.applies("bank-east", &["redeem", "request", "200.00", "EURX", "--payout", "DE00 0000"]);
    let redemption = field(&redeemed, "redemption_id");
    desk.applies("issuer", &["redeem", "pay", redemption, "--fiat-reference", "SEPA-1"]);
    assert_eq!(desk.does("bank-east", &["redeem", "show", redemption])["state"], "PAID");
    let nowhere = ["redeem", "request", "1.00", "EURX"];
    desk.refuses("bank-east", &nowhere, 2, &["--payout"]);
    desk.refuses("bank-east", &[&nowhere[..], &["--payout", ""]].concat(), 2, &["--payout"]);
    let refused = desk.applies("bank-east", &[&nowhere[..], &["--payout", "DE00 0000"]].concat());
    let redemption = field(&refused, "redemption_id");
    desk.applies("issuer", &["redeem", "reject", redemption, "--why", "the payout account is closed"]);
    let shown = desk.does("bank-east", &["redeem", "show", redemption]);
    assert_eq!((&shown["state"], &shown["narrative"]), (&"REJECTED".into(), &"the payout account is closed".into()));
    assert_eq!(desk.does("bank-east", &["reserves", "show", "EURX"])["circulation"], 30_000);
}

/// An auditor attests capital, governance sets a rule and a list of purposes; nobody else does, and nothing is set for the past.
fn lenders_are_supervised(desk: &Desk<'_>) {
    let a_second_ago = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(1);
    let as_of = a_second_ago.to_string();
    let attest = |assets: &'static str| {
        let figures =
            ["--loan-funding", "0", "--bond-funding", "0.50", "--capital", "9.00", "--risk-weighted-assets", "8.00"];
        let of = ["finance", "attest-capital", "financier", "--token", "USDX", "--kind", "small-loan", "--as-of"];
        [&of[..], &[as_of.as_str(), "--net-assets", assets, "--exposures", "7.00"], &figures].concat()
    };
    desk.declines("governance", &attest("12.34"), "ROLE_REQUIRED");
    desk.applies("auditor", &attest("12.34"));
    let capital = desk.does("financier", &["finance", "capital", "USDX"]);
    let told = ["net_assets", "loan_funding", "bond_funding", "capital", "risk_weighted_assets", "exposures"];
    assert_eq!(told.map(|field| capital[field].as_u64()), [1_234, 0, 50, 900, 800, 700].map(Some), "{capital}");
    assert_eq!(
        (&capital["kind"], capital["as_of_ms"].as_i64()),
        (&"SMALL_LOAN".into(), Some(a_second_ago.as_millisecond()))
    );
    desk.refuses("auditor", &attest("a lot"), 2, &["a lot"]);

    let rule = ["finance", "set-rule", "borrower-share-bps-max", "900"];
    let law = ["--law", "a later act"];
    let past = [&rule[..], &["--from", "2020-01-01T00:00:00Z"], &law].concat();
    desk.declines("governance", &past, "PARAMETER_NOT_LATER");
    desk.declines("supplier", &[&rule[..], &["--from", "2099-01-01T00:00:00Z"], &law].concat(), "ROLE_REQUIRED");
    desk.applies("governance", &[&rule[..], &["--from", "2099-01-01T00:00:00+08:00"], &law].concat());
    let rules = desk.does("supplier", &["finance", "rules"]);
    let found = rules["rules"].as_array().unwrap().iter().find(|rule| rule["name"] == "borrower-share-bps-max");
    let coming = &found.unwrap()["coming"][0];
    assert_eq!((&coming["value"], &coming["law"]), (&900.into(), &"a later act".into()));
    assert_eq!(coming["in_force_from_ms"], 4_070_880_000_000_u64);
    let unknown = ["finance", "set-rule", "borrowers", "900", "--from", "2099-01-01T00:00:00Z", "--law", "x"];
    desk.refuses("governance", &unknown, 2, &["borrower-share-bps-max"]);

    let forbid = |code| ["finance", "forbid-purposes", code, "--from", "2099-01-01T00:00:00Z", "--law", "a later act"];
    desk.refuses("governance", &forbid("Shares"), 2, &["purposes[0]"]);
    desk.applies("governance", &forbid("securities"));
}

/// A network of another genesis is registered, listed and retired; nobody has an account on it.
fn another_network_is_known_and_no_longer(desk: &Desk<'_>) {
    let own = std::fs::read_to_string(desk.data_dir.join("genesis.json")).unwrap();
    let mut other: Value = serde_json::from_str(&own).unwrap();
    other["network"] = "elsewhere".into();
    let file = desk.data_dir.join("elsewhere.json");
    std::fs::write(&file, other.to_string()).unwrap();
    desk.applies("governance", &["networks", "register", text(&file), "--token", "HKDX=HKDX"]);
    let listed = desk.does("supplier", &["networks", "list"]);
    assert_eq!((&listed[0]["name"], &listed[0]["state"]), (&"elsewhere".into(), &"OPEN".into()), "{listed}");
    assert_eq!(listed[0]["tokens"][0]["token_id_there"], "HKDX");
    let chain = field(&listed[0], "network_chain_id").to_owned();
    desk.applies("governance", &["networks", "retire", &chain]);
    assert_eq!(desk.does("supplier", &["networks", "list"])[0]["state"], "RETIRED");
    assert_eq!(desk.does("supplier", &["networks", "accounts", &chain]), serde_json::json!([]));
}

fn receipts_are_kept_and_never_overwritten(desk: &Desk<'_>) {
    let file = desk.data_dir.join("kept.json");
    let certify = ["balance", "certify", "HKDX", "--receipt", text(&file)];
    let certified = desk.applies("buyer", &certify);
    let kept = std::fs::read(&file).unwrap();
    let again = run(desk.arguments("buyer", &certify));
    assert_fails(&again, 1, &["kept.json", "not overwritten"]);
    assert_eq!(std::fs::read(&file).unwrap(), kept);
    let fetched = desk.data_dir.join("fetched.json");
    let id = field(&certified, "transaction_id");
    desk.does("buyer", &["receipts", "get", id, "--receipt", text(&fetched)]);
    // Another node may hold another certificate of the same block; the receipt's id leaves it out.
    let genesis = desk.data_dir.join("genesis.json");
    let verified = json(["receipt", "verify", "--genesis", text(&genesis), text(&fetched), "--output", "json"]);
    assert_eq!(verified["receipt_id"], certified["receipt_id"]);
}
