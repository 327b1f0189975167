//! Everyone's keys are at signers, and none beside the commands: an issuer's, a custodian's, a bank's, merchants'.

use super::desk::{Desk, field};
use super::network::Serving;
use super::programs::{assert_fails, causeway, json, run, said, text};
use super::secrets::Overheard;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

/// A signer as a process, killed when dropped.
struct Signing {
    process: Child,
    address: String,
    log: PathBuf,
}

impl Signing {
    /// With a participant's key, under a policy that lets it sign this.
    fn start(data_dir: &Path, name: &str, allowed: &str) -> Self {
        let participant = data_dir.join("participants").join(name);
        let (key, passphrase) = (participant.join("key.pem"), participant.join("passphrase"));
        let shown = json(["keys", "show", text(&key), "--passphrase-file", text(&passphrase), "--output", "json"]);
        let folder = data_dir.join("signers");
        std::fs::create_dir_all(&folder).unwrap();
        let policy = folder.join(format!("{name}.toml"));
        // Beside the directory, of which every file is read in the end.
        let socket = data_dir.parent().unwrap().join(format!("{name}.sock"));
        let chain_id = json(["status", "--sandbox", text(data_dir), "--output", "json"])["chain_id"].clone();
        let entry = format!("[[key]]\npublic_key = {}\n{allowed}\n", shown["public_key"]);
        std::fs::write(&policy, format!("chain_id = {chain_id}\n{entry}")).unwrap();
        let log = folder.join(format!("{name}.log"));
        let lines = std::fs::File::options().create(true).append(true).open(&log).unwrap();
        let held = ["--key", text(&key), "--passphrase-file", text(&passphrase)];
        let place = ["--policy", text(&policy), "--socket", text(&socket)];
        let process = causeway([&["signer", "serve"][..], &held, &place].concat()).stderr(lines).spawn().unwrap();
        let signing = Self { process, address: format!("unix:{}", socket.display()), log };
        let deadline = Instant::now() + Duration::from_secs(30);
        while !run(["signer", "keys", "--signer", &signing.address]).status.success() {
            assert!(Instant::now() < deadline, "{}", signing.said());
            std::thread::sleep(Duration::from_millis(50));
        }
        signing
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Ends it as a power cut would.
    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Signing {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A signer for a participant, whose directory names it from now on, and no key file.
fn at_a_signer(data_dir: &Path, name: &str, allowed: &str) -> Signing {
    let signing = Signing::start(data_dir, name, allowed);
    let file = data_dir.join("participants").join(name).join("participant.json");
    let mut participant: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let fields = participant.as_object_mut().unwrap();
    fields.remove("key").unwrap();
    fields.remove("passphrase_file").unwrap();
    fields.insert("signer".to_owned(), signing.address.clone().into());
    std::fs::write(&file, participant.to_string()).unwrap();
    signing
}

fn available(desk: &Desk<'_>, who: &str, token: &str) -> u64 {
    let shown = desk.does(who, &["balance", "show"]);
    // An account without any has no list of them.
    let balances = shown["balances"].as_array().cloned().unwrap_or_default();
    balances.iter().find(|balance| balance["token_id"] == token).map_or(0, |found| found["available"].as_u64().unwrap())
}

#[test]
fn a_payments_commands_sign_at_signers() {
    let directory = tempfile::tempdir().unwrap();
    let (data_dir, ready_file) = (directory.path().join("s"), directory.path().join("ready"));
    let serving = Serving::start_with(&data_dir, &ready_file, &["--validators", "1", "--ports", "free"]);
    let merchant = "operations = [\"transfer\", \"certify_balance\", \"commit_fingerprint_key\", \"rotate_keys\"]\n\
                    [key.amount_max]\nHKDX = 100000";
    let mut buyer = at_a_signer(&data_dir, "buyer", merchant);
    let others = [
        ("supplier", merchant),
        ("issuer", "operations = [\"create_token\", \"pay_redemption\"]"),
        ("issuer-maker", "operations = [\"request_issuance\"]\n[key.amount_max]\nEURX = 50000"),
        ("issuer-checker", "operations = [\"approve_issuance\"]"),
        ("custodian", "operations = [\"attest_reserves\"]\n[key.amount_max]\nEURX = 100000"),
        ("bank-east", "operations = [\"request_redemption\"]\n[key.amount_max]\nEURX = 20000"),
    ]
    .map(|(name, allowed)| at_a_signer(&data_dir, name, allowed));
    let desk = Desk::beside(&data_dir);
    a_token_is_made_issued_and_redeemed(&desk);
    merchants_pay(&desk, &buyer.address);
    what_the_policy_does_not_name_is_not_signed(&desk, &buyer);
    a_signer_that_ends_is_said_to_have(&desk, &mut buyer);
    buyer = Signing::start(&data_dir, "buyer", merchant);
    desk.applies("buyer", &["pay", "--to", "supplier", "1.00", "HKDX"]);
    let rotated = a_key_moves_to_another_signer(&desk, &buyer, merchant);

    assert!(serving.stop().success());
    let mut overheard = Overheard::default();
    overheard.hear("what the sandbox printed", std::fs::read(Serving::printed(&ready_file)).unwrap());
    for signing in others.iter().chain([&buyer, &rotated]) {
        let said = signing.said();
        assert!(said.contains(" signed by=user "), "{said}");
        overheard.hear(signing.log.display().to_string(), said);
    }
    overheard.holds_no_secret(&data_dir);
}

fn a_token_is_made_issued_and_redeemed(desk: &Desk<'_>) {
    let terms = ["--currency", "EUR", "--custodian", "custodian", "--asset-rule", "cash,0,0"];
    desk.applies("issuer", &[&["tokens", "create", "EURX"], &terms[..]].concat());
    desk.applies("custodian", &["reserves", "attest", "EURX", "--asset", "cash=1000.00"]);
    let past = ["reserves", "attest", "EURX", "--asset", "cash=1000.01"];
    desk.refuses("custodian", &past, 1, &["AMOUNT_NOT_ALLOWED", "100001 minor units of EURX"]);
    let request = |amount| ["issue", "request", "EURX", "--to", amount];
    desk.refuses("issuer-maker", &request("bank-east=500.01"), 1, &["AMOUNT_NOT_ALLOWED"]);
    let requested = desk.applies("issuer-maker", &request("bank-east=500.00"));
    desk.applies("issuer-checker", &["issue", "approve", field(&requested, "issuance_id")]);
    let redeemed = desk.applies("bank-east", &["redeem", "request", "200.00", "EURX", "--payout", "DE00 0000"]);
    let redemption = field(&redeemed, "redemption_id");
    desk.applies("issuer", &["redeem", "pay", redemption, "--fiat-reference", "SEPA-1"]);
    assert_eq!(desk.does("bank-east", &["redeem", "show", redemption])["state"], "PAID");
    assert_eq!(desk.does("bank-east", &["redeem", "list"]).as_array().unwrap().len(), 1);
}

fn merchants_pay(desk: &Desk<'_>, address: &str) {
    let (sandbox, before) = (text(desk.data_dir), available(desk, "supplier", "HKDX"));
    // By the participant's directory, by flags alone, and with another's signature besides, which is at another signer.
    let receipt = desk.data_dir.join("receipt.json");
    let paid = desk.applies("buyer", &["pay", "12.50", "HKDX", "--to", "supplier", "--receipt", text(&receipt)]);
    let by_flags = ["pay", "2.50", "HKDX", "--to", "supplier", "--account", "buyer", "--signer", address];
    let by_flags = [&by_flags[..], &["--sandbox", sandbox, "--output", "json"]].concat();
    assert_eq!(json(by_flags)["status"], "APPLIED");
    let both = desk.applies("buyer", &["pay", "5.00", "HKDX", "--to", "supplier", "--co-signer", "supplier"]);
    assert_eq!(both["transaction"]["co_signer_account_ids"].as_array().unwrap().len(), 1, "{both}");
    assert_eq!(available(desk, "supplier", "HKDX"), before + 2_000);
    let genesis = desk.data_dir.join("genesis.json");
    json(["receipt", "verify", "--genesis", text(&genesis), text(&receipt), "--output", "json"]);
    let transaction = field(&paid, "transaction_id");
    assert_eq!(desk.does("buyer", &["transaction", transaction])["status"], "APPLIED");
    desk.does("buyer", &["receipts", "get", transaction]);
    desk.applies("buyer", &["balance", "certify", "HKDX"]);
    let events = run(desk.arguments("supplier", &["events", "follow", "--cursor", "0", "--count", "1"]));
    assert!(events.status.success(), "{}", said(&events));
    let key = desk.data_dir.join("fingerprint-key.hex");
    desk.applies(
        "supplier",
        &["invoices", "commit-key", "--buyer", "buyer", "--co-signer", "buyer", "--key-file", text(&key)],
    );
}

fn what_the_policy_does_not_name_is_not_signed(desk: &Desk<'_>, buyer: &Signing) {
    let before = available(desk, "buyer", "HKDX");
    let pay = ["pay", "1000.01", "HKDX", "--to", "supplier"];
    desk.refuses(
        "buyer",
        &pay,
        1,
        &["AMOUNT_NOT_ALLOWED", "100001 minor units of HKDX", "sign 100000", "Nothing was sent"],
    );
    let told: Value = serde_json::from_str(&said(&run(desk.arguments("buyer", &pay)))).unwrap();
    assert_eq!(told["reason"], "AMOUNT_NOT_ALLOWED", "{told}");
    desk.refuses("buyer", &["accounts", "close", "buyer"], 1, &["OPERATION_NOT_ALLOWED", "close_account"]);
    let foreign = ["pay", "1.00", "HKDX", "--to", "buyer", "--signer", &buyer.address];
    desk.refuses("supplier", &foreign, 1, &["KEY_UNKNOWN", "signer keys --signer"]);
    assert_eq!(available(desk, "buyer", "HKDX"), before);
    let log = buyer.said();
    for told in
        ["reason=\"AMOUNT_NOT_ALLOWED\"", "reason=\"OPERATION_NOT_ALLOWED\"", "\"amount\":100001", "reading as "]
    {
        assert!(log.contains(told), "'{told}' is not in the log: {log}");
    }
}

fn a_signer_that_ends_is_said_to_have(desk: &Desk<'_>, buyer: &mut Signing) {
    buyer.kill();
    let pay = ["pay", "1.00", "HKDX", "--to", "supplier"];
    desk.refuses("buyer", &pay, 1, &["no signer answers", &buyer.address, "causeway signer serve", "nothing was sent"]);
    let nowhere = [&pay[..], &["--signer", "unix:/nowhere/signer.sock"]].concat();
    desk.refuses("supplier", &nowhere, 1, &["SIGNER_UNREACHABLE", "unix:/nowhere/signer.sock"]);
    desk.refuses("supplier", &[&pay[..], &["--signer", "/signer.sock"]].concat(), 2, &["unix:/PATH"]);
}

/// Signed by the old key at its signer and by the new one at another; from then on the old one is nobody's.
fn a_key_moves_to_another_signer(desk: &Desk<'_>, old: &Signing, allowed: &str) -> Signing {
    let participant = desk.data_dir.join("participants/buyer-renewed");
    std::fs::create_dir(&participant).unwrap();
    let (key, passphrase) = (participant.join("key.pem"), participant.join("passphrase"));
    std::fs::write(&passphrase, "correct horse battery staple\n").unwrap();
    let made = run(["keys", "new", "--out", text(&key), "--passphrase-file", text(&passphrase)]);
    assert!(made.status.success(), "{}", said(&made));
    let new = Signing::start(desk.data_dir, "buyer-renewed", allowed);
    desk.applies("buyer", &["accounts", "rotate", "--new-signer", &new.address]);
    let as_buyer = |address: &str| {
        let pay = ["pay", "1.00", "HKDX", "--to", "supplier", "--account", "buyer", "--signer", address];
        run([&pay[..], &["--sandbox", text(desk.data_dir), "--output", "json"]].concat())
    };
    let paid = as_buyer(&new.address);
    assert!(paid.status.success(), "{}", said(&paid));
    assert_fails(&as_buyer(&old.address), 1, &["READ_SIGNATURE_INVALID"]);
    new
}
