//! Two verifiers that know of each other only the page that describes the format: they agree on every damaged receipt.

use super::corpus::golden;
use super::ledger::RECEIPTS;
use super::mutate::{self, Form};
use super::run::Plan;
use causeway::client::receipt_file;
use causeway::execution::genesis::Genesis;
use causeway::ledger::TrustRoot;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// Damaged receipts that both judge, each of a new kind or not: most are refused early, by both.
const FILES: u64 = 400;

fn ours(file: &[u8], trust: &TrustRoot) -> Result<(), String> {
    let text = std::str::from_utf8(file).map_err(|error| error.to_string())?;
    let receipt = receipt_file::from_text(text).map_err(|error| error.to_string())?;
    receipt.verify(trust).map_err(|error| error.to_string())
}

/// What the Python verifier says of each file of a folder, in the order of their names.
fn theirs(folder: &Path) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let judged = Command::new("python3")
        .arg(root.join("tests/python/judge_receipts.py"))
        .arg(root.join("tests/golden/genesis.json"))
        .arg(folder)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .expect("python3 is there: `make test` asks for it");
    assert!(judged.status.success(), "{}", String::from_utf8_lossy(&judged.stderr));
    String::from_utf8(judged.stdout).expect("a text").lines().map(str::to_owned).collect()
}

#[test]
fn both_verifiers_judge_damaged_receipts_alike() {
    let genesis = Genesis::parse(&golden("genesis.json")).expect("the golden genesis");
    let trust = genesis.trust_root();
    let good: Vec<Vec<u8>> = RECEIPTS.iter().map(|name| golden(name)).collect();
    let plan = Plan::of(FILES);
    let mut rng = StdRng::seed_from_u64(plan.seed);
    let mut files = good.clone();
    files.extend(super::corpus::kept("receipt_files"));
    files.extend(super::corpus::grown("receipt_files"));
    let (mut judged, began) = (0, Instant::now());
    while plan.goes_on(judged, began) {
        let differing = judge_round(std::mem::take(&mut files), &good, &trust, &mut rng);
        assert!(differing.is_empty(), "seed {}, {} differ:\n{}", plan.seed, differing.len(), differing.join("\n\n"));
        judged += FILES;
    }
    println!("both verifiers: {judged} damaged receipts from seed {}, judged alike", plan.seed);
}

/// Judges these files, and damaged ones up to [`FILES`]; where the two differ.
fn judge_round(mut files: Vec<Vec<u8>>, good: &[Vec<u8>], trust: &TrustRoot, rng: &mut StdRng) -> Vec<String> {
    let whole = files.len();
    while (files.len() as u64) < FILES {
        let mut file = good[rng.random_range(0..good.len())].clone();
        for _ in 0..rng.random_range(1..=2) {
            mutate::damage(Form::Text, &mut file, good, rng);
        }
        files.push(file);
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (number, file) in files.iter().enumerate() {
        fs::write(folder.path().join(format!("{number:06}")), file).expect("written");
    }
    let theirs = theirs(folder.path());
    assert_eq!(theirs.len(), files.len());
    let mut accepted = 0;
    let mut differing = Vec::new();
    for (file, theirs) in files.iter().zip(&theirs) {
        let ours = ours(file, trust);
        accepted += u32::from(ours.is_ok());
        let agree = if ours.is_ok() { theirs == "accepted" } else { theirs.starts_with("refused: ") };
        if !agree {
            differing.push(format!("ours: {ours:?}\ntheirs: {theirs}\n{}", first_difference(file, good)));
        }
    }
    assert!(
        whole == 0 || accepted > 5,
        "{accepted} of {FILES} are accepted: damage that changes no meaning is missing"
    );
    differing
}

/// Where a file begins to differ from the good one that it is most like.
fn first_difference(file: &[u8], good: &[Vec<u8>]) -> String {
    let agreeing = |one: &Vec<u8>| file.iter().zip(one).take_while(|(ours, theirs)| ours == theirs).count();
    let at = good.iter().map(agreeing).max().unwrap_or(0);
    let (from, to) = (at.saturating_sub(60), (at + 100).min(file.len()));
    format!("at byte {at}: {:?}", String::from_utf8_lossy(&file[from..to]))
}
