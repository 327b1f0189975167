//! The sandbox's scenarios, each on a network of its own: every step ends as the story has it (the sandbox fails at the first
//! that does not, and at the first receipt that does not verify), and states and money come out as told.

use super::programs::{causeway, json, run, said, text};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

struct Scene {
    /// Dropped last: the files of the network.
    directory: tempfile::TempDir,
    report: Value,
}

impl Scene {
    fn play(name: &str, documents: Option<&Path>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let data_dir = directory.path().join("sandbox");
        let options = ["--ports", "free", "--exit", "--output", "json", "--data-dir", text(&data_dir)];
        let mut command = causeway(["sandbox", "--scenario", name].into_iter().chain(options));
        documents.map(|documents| command.env("CAUSEWAY_DOCUMENTS", documents));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["scenario"], name);
        let scene = Self { directory, report };
        scene.verify_last_receipt();
        scene.conserves_money();
        scene
    }

    fn steps(&self) -> &Vec<Value> {
        self.report["steps"].as_array().unwrap()
    }

    /// The last receipt from its file, by the command; the sandbox itself has verified them all.
    fn verify_last_receipt(&self) {
        let genesis = self.directory.path().join("sandbox/genesis.json");
        let step = self.steps().last().unwrap();
        let receipt = step["receipt"].as_str().unwrap();
        let verified = json(["receipt", "verify", "--genesis", text(&genesis), receipt, "--output", "json"]);
        assert_eq!(verified["receipt_id"], step["receipt_id"], "{step}");
    }

    /// What was taken from one went to another.
    fn conserves_money(&self) {
        let mut changes: BTreeMap<&str, i64> = BTreeMap::new();
        for line in self.report["balances"].as_array().unwrap() {
            let figure = |field: &str| line[field].as_i64().unwrap();
            *changes.entry(line["token"].as_str().unwrap()).or_default() +=
                figure("available") + figure("locked") - figure("before");
        }
        assert!(!changes.is_empty() && changes.values().all(|change| *change == 0), "{changes:?}");
    }

    /// By how much somebody is better off.
    fn gain(&self, name: &str) -> i64 {
        let balances = self.report["balances"].as_array().unwrap();
        let line = balances.iter().find(|line| line["name"] == name).unwrap_or_else(|| panic!("{name}: {balances:?}"));
        line["available"].as_i64().unwrap() - line["before"].as_i64().unwrap()
    }

    /// The lineage that the story proved and kept, verified again by the command.
    fn lineage(&self) -> Value {
        let files = std::fs::read_dir(self.directory.path().join("sandbox/receipts")).unwrap();
        let file = files.map(|file| file.unwrap().path()).find(|path| text(path).ends_with("-lineage.json")).unwrap();
        let genesis = self.directory.path().join("sandbox/genesis.json");
        let verified = json(["lineage", "verify", text(&file), "--genesis", text(&genesis), "--output", "json"]);
        let lineage: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let steps = lineage["steps"].as_array().unwrap().len();
        assert_eq!(verified["verified"], true, "{verified}");
        assert_eq!(verified["steps"].as_u64(), Some(steps as u64), "{verified}");
        lineage
    }

    fn declined(&self) -> Vec<(&str, &str)> {
        let declined = self.steps().iter().filter_map(|step| {
            let reason = step["outcome"].as_str().unwrap().strip_prefix("declined: ")?;
            Some((step["name"].as_str().unwrap(), reason))
        });
        declined.collect()
    }

    /// The receivable's state, what is owed on it, and the loan's state, at every moment that was noted.
    fn states(&self) -> Vec<(&str, &str, i64, &str)> {
        let states = self.report["states"].as_array().unwrap().iter();
        states
            .map(|line| {
                (
                    line["which"].as_str().unwrap(),
                    line["receivable"].as_str().unwrap(),
                    line["outstanding"].as_i64().unwrap(),
                    line["loan"].as_str().unwrap_or("-"),
                )
            })
            .collect()
    }
}

/// What a lender of a part of an advance has for it: its part of a fee of half a percent, rounded down or up, and, if the
/// story ran past midnight, a day's interest of 8 %.
fn of_a_day(advance: i64, lent: i64) -> std::ops::RangeInclusive<i64> {
    let fee = advance * 50 / 10_000 * lent / advance;
    fee..=fee + 2 + lent * 800 / 10_000 / 365
}

#[test]
fn the_closed_loop_goes_from_the_order_to_the_money_and_back() {
    let scene = Scene::play("closed-loop", None);
    assert_eq!(scene.declined(), []);
    let whole = 4_860_000;
    let states = [
        ("invoice", "registered", whole, "-"),
        ("invoice", "confirmed", whole, "-"),
        ("invoice", "financed", whole, "performing"),
        ("invoice", "settled", 0, "repaid"),
    ];
    assert_eq!(scene.states(), states);
    assert_eq!(scene.gain("buyer"), -whole);
    let advance = whole * 90 / 100;
    assert!(of_a_day(advance, advance).contains(&scene.gain("financier")), "{}", scene.report);
    assert!(scene.report["event_to_money_ms"].as_f64() > Some(0.0), "{}", scene.report);
    // Disbursed and repaid; registered and confirmed; published; placed, accepted with its carrier, and on its way; three settlements.
    let lineage = scene.lineage();
    let steps = lineage["steps"].as_array().unwrap();
    let relations: Vec<&str> = steps.iter().map(|step| step["relation"].as_str().unwrap()).collect();
    let expected = [&["", ""][..], &["receivable"; 2], &["programme"], &["order"; 3], &["settlement"; 3]].concat();
    assert_eq!(relations, expected);
    let paid: Vec<&Value> = scene
        .steps()
        .iter()
        .filter(|step| ["pay-1", "pay-2", "pay-3"].contains(&step["name"].as_str().unwrap()))
        .collect();
    for (step, paid) in steps[8..].iter().zip(paid) {
        assert_eq!((&step["object_id"], &step["transaction_id"]), (&paid["transaction_id"], &paid["transaction_id"]));
        assert!(!step["reserve_lines"].as_array().unwrap().is_empty(), "{step}");
    }
}

#[test]
fn an_invoice_is_financed_once_whoever_is_asked() {
    let scene = Scene::play("double-financing", None);
    let declined = [
        ("register-invoice-again", "INVOICE_ALREADY_REGISTERED"),
        ("register-other-letters", "INVOICE_ALREADY_REGISTERED"),
        ("finance-again", "RECEIVABLE_ALREADY_FINANCED"),
        ("finance-elsewhere", "RECEIVABLE_ALREADY_FINANCED"),
        ("certify-absence-again", "FINGERPRINT_REGISTERED"),
    ];
    assert_eq!(scene.declined(), declined);
    assert_eq!(scene.states()[2..4], [("copy", "registered", 4_860_000, "-"), ("copy", "rejected", 0, "-")]);
    assert_eq!(scene.gain("co-financier"), 0);
}

#[test]
fn lenders_of_one_loan_have_their_exact_parts() {
    let scene = Scene::play("joint-loan", None);
    let declined = [("join-with-too-much", "OWN_SHARE_BELOW_FLOOR"), ("credit-too-much", "CREDIT_EXCEEDS_UNFINANCED")];
    assert_eq!(scene.declined(), declined);
    assert_eq!(scene.states().last(), Some(&("invoice", "settled", 0, "repaid")));
    let credited = 4_860_000 * 5 / 100;
    assert_eq!(scene.gain("buyer"), credited - 4_860_000);
    let advance = 4_860_000 * 80 / 100 + 1;
    assert!(of_a_day(advance, advance).contains(&(scene.gain("financier") + scene.gain("co-financier"))));
    let of_the_second = of_a_day(advance, advance * 3_333 / 10_000);
    assert!(of_the_second.contains(&scene.gain("co-financier")), "{}", scene.report);
}

#[test]
fn a_receivable_passes_down_the_tiers_and_each_part_is_financed() {
    let scene = Scene::play("voucher", None);
    let declined = [
        ("split-too-much", "SPLIT_SUM_MISMATCH"),
        ("split-too-deep", "RECEIVABLE_TOO_DEEP"),
        ("split-financed", "RECEIVABLE_ALREADY_FINANCED"),
    ];
    assert_eq!(scene.declined(), declined);
    let states = scene.states();
    assert_eq!(states[1], ("invoice", "split", 0, "-"));
    let parts = [("part of supplier", 2_860_000), ("part of tier-2", 1_200_000), ("part of tier-3", 798_400)];
    assert_eq!(states[2..5], parts.map(|(which, amount)| (which, "financed", amount, "performing")));
    assert_eq!(states[5..8], parts.map(|(which, _)| (which, "settled", 0, "repaid")));
    assert_eq!(scene.gain("buyer"), -4_860_000);
}

/// Four buckets, each entered by time alone; then default, write-off, and recovery.
#[test]
fn a_loan_that_is_not_paid_ages_by_time_and_is_recovered_after_all() {
    let scene = Scene::play("late-payer", None);
    assert_eq!(scene.declined(), [("default-too-early", "LOAN_NOT_LATE_ENOUGH")]);
    let loans: Vec<&str> = scene.states().into_iter().map(|(_, _, _, loan)| loan).collect();
    let expected = [
        "performing",
        "overdue, 1-30 days late",
        "overdue, 31-60 days late",
        "overdue, 61-90 days late",
        "overdue, over 90 days late",
        "defaulted, over 90 days late",
        "written-off, over 90 days late",
        "written-off, over 90 days late",
        "recovered",
    ];
    assert_eq!(loans, expected);
    let owed: Vec<i64> =
        scene.report["states"].as_array().unwrap().iter().map(|line| line["owed"].as_i64().unwrap()).collect();
    assert!(owed[..5].is_sorted() && owed[0] < owed[4], "interest runs on, and at the late rate: {owed:?}");
    assert_eq!((owed[6] - owed[7], owed[8]), (500_000, 0), "{owed:?}");
    assert_eq!((scene.gain("buyer"), scene.states().last().unwrap().1), (-4_860_000, "settled"));
    let lineage = scene.lineage();
    let steps = lineage["steps"].as_array().unwrap();
    let aged: Vec<&Value> = steps.iter().filter(|step| step["receipt"]["transaction"].is_null()).collect();
    assert_eq!(aged.len(), 4, "one for each bucket: {lineage:#}");
    assert!(aged.iter().all(|step| step["events"] == serde_json::json!(["financing.loan_aged"])), "{lineage:#}");
    // Whoever goes on with the network lives at its time, and so does the command line.
    let data_dir = scene.directory.path().join("sandbox");
    let serving = super::network::Serving::start(&data_dir, &data_dir.join("ready.json"));
    let pay =
        ["pay", "12.50", "HKDX", "--as", "buyer", "--to", "supplier", "--sandbox", text(&data_dir), "--output", "json"];
    assert_eq!(json(pay)["status"], "APPLIED");
    an_ageing_is_proven_to_whom_it_concerns(&data_dir, aged[0]);
    assert!(serving.stop().success());
    let log = std::fs::read_to_string(data_dir.join("nodes/validator-1/node.log")).unwrap();
    assert!(log.contains("REHEARSAL"), "{log}");
}

/// The lender fetches the receipt by its id, and it verifies offline; a stranger does not learn that there is one.
fn an_ageing_is_proven_to_whom_it_concerns(data_dir: &Path, aged: &Value) {
    let id = aged["transaction_id"].as_str().unwrap();
    let (genesis, file) = (data_dir.join("genesis.json"), data_dir.join("aged.json"));
    let get = |name| ["receipts", "get", id, "--as", name, "--sandbox", text(data_dir), "--receipt", text(&file)];
    let refused = run(get("carrier"));
    assert!(!refused.status.success() && said(&refused).contains("NOT_FOUND"), "{}", said(&refused));
    let fetched = run(get("financier"));
    assert!(fetched.status.success(), "{}", said(&fetched));
    let verified = json(["receipts", "verify", text(&file), "--genesis", text(&genesis), "--output", "json"]);
    assert_eq!((&verified["status"], &verified["transaction_id"]), (&"FELL_DUE".into(), &id.into()), "{verified}");
    assert_eq!(verified["outcome"]["effects"][0]["name"], "financing.loan_aged");
    assert_eq!(verified["transaction"], Value::Null);
}

/// The fixtures' order is the invoice's; their events are of a time before the ledger. So the sandbox's own takes their place.
#[test]
fn the_loop_is_played_on_the_documents_of_a_folder() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let scene = Scene::play("closed-loop", Some(&fixtures));
    assert_eq!(scene.gain("buyer"), -12_500_000);
    let nowhere = run(["sandbox", "--scenario", "closed-circle", "--data-dir", "/nowhere"]);
    assert!(
        said(&nowhere).contains("'closed-circle' is no scenario; scenarios are default, closed-loop"),
        "{}",
        said(&nowhere)
    );
}
