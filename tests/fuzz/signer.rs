//! What a signer is asked to sign, and what its operator writes.

use super::corpus::file;
use super::messages::Messages;
use super::mutate::Form;
use super::run::{Target, USUAL, Verdict};
use crate::wire::stand_in::{account, key};
use bytes::Bytes;
use causeway::api::read_message;
use causeway::client::SigningPurpose;
use causeway::primitives::ChainId;
use causeway::signer::{Asked, Keyring, Meaning, Policy};
use causeway::wire::pb::ledger::TransactionBody;
use causeway::wire::pb::signer::{SignRequest, SigningPurpose as Purpose};
use prost::Message as _;
use std::sync::LazyLock;

/// The ledger for which is signed, and when.
const CHAIN: ChainId = ChainId([9; 32]);
const NOW_MS: u64 = 1_800_000_000_000;
/// What the key may not sign, and how much of everything else.
const FORBIDDEN: [&str; 3] = ["rotate_keys", "close_account", "pay_redemption"];
const AMOUNT_MAX: u64 = 15_000;

static KEYRING: LazyLock<Keyring> = LazyLock::new(|| {
    let mut operations = Messages::open().names_of_fields("causeway.ledger.v1.Operation");
    operations.retain(|name| !FORBIDDEN.contains(&name.as_str()));
    let policy = format!(
        "chain_id = \"{CHAIN}\"\n[[key]]\npublic_key = \"{}\"\noperations = {operations:?}\n[key.amount_max]\nHKDX = {AMOUNT_MAX}\n",
        key(1).public_key()
    );
    Keyring::new([key(1)], Policy::parse(&policy, "signer.toml").expect("a policy")).expect("it has an entry")
});

/// What is signed is understood, allowed, and signed for what it is.
fn check_request(bytes: &[u8]) -> Verdict {
    let request = match SignRequest::decode(bytes) {
        Ok(request) => request,
        Err(error) => return Verdict::Refused(error.to_string()),
    };
    let asked = match Asked::try_from(request) {
        Ok(asked) => asked,
        Err(refusal) => return Verdict::Refused(refusal.to_string()),
    };
    let (meaning, signature) = match KEYRING.sign(&asked, NOW_MS) {
        Ok(signed) => signed,
        Err(refused) => return Verdict::Refused(refused.refusal.to_string()),
    };
    let purpose = match &meaning {
        Meaning::Transaction { envelope, operations, names, .. } => {
            assert_eq!(envelope.chain_id, CHAIN);
            assert_eq!(operations.len(), names.len(), "each operation has its name");
            assert!(!names.iter().any(|name| FORBIDDEN.contains(&name.as_str())), "{names:?}");
            SigningPurpose::Transaction
        }
        Meaning::Read { chain_id, account, expires_at_ms, path } => {
            assert_eq!(read_message(*chain_id, *account, *expires_at_ms, path), asked.message);
            assert_eq!(*chain_id, CHAIN);
            SigningPurpose::Read
        }
    };
    assert_eq!(asked.purpose, Some(purpose));
    assert_eq!(asked.public_key, key(1).public_key());
    assert!(asked.public_key.verify(purpose.namespace(), &asked.message, &signature));
    assert!(!meaning.to_string().chars().any(char::is_control), "one line, and nothing that moves a terminal");
    Verdict::Read
}

fn request(purpose: Purpose, message: Vec<u8>) -> Vec<u8> {
    let public_key = Bytes::copy_from_slice(&key(1).public_key().0);
    SignRequest { public_key, purpose: purpose.into(), message: message.into() }.encode_to_vec()
}

pub fn signing_requests() -> Target {
    LazyLock::force(&KEYRING);
    let bodies = Messages::open().drawn("causeway.ledger.v1.TransactionBody", 300, 7);
    let transactions = bodies.iter().filter_map(|bytes| {
        let mut body = TransactionBody::decode(&bytes[..]).ok()?;
        body.chain_id = Bytes::copy_from_slice(&CHAIN.0);
        body.expires_at_ms = NOW_MS + 60_000;
        Some(request(Purpose::Transaction, body.encode_to_vec()))
    });
    let paths = ["/causeway.accounts.v1.AccountsService/GetAccount", "/causeway.ledger.v1.LedgerService/SubmitAndWait"];
    let statement = |path| request(Purpose::Read, read_message(CHAIN, account("bank-a"), NOW_MS + 60_000, path));
    let corpus: Vec<Vec<u8>> = transactions.chain(paths.map(statement)).collect();
    let signed = corpus.iter().filter(|input| check_request(input) == Verdict::Read).count();
    assert!(signed > 5, "of what is drawn only {signed} would be signed");
    Target { form: Form::Protobuf { after: 0 }, executions: 6_000, allowed: USUAL, corpus, check: check_request }
}

/// A policy is read or refused in one line that names the file.
pub fn signer_policies() -> Target {
    let check = |bytes: &[u8]| {
        let Ok(text) = std::str::from_utf8(bytes) else { return Verdict::Refused("not UTF-8".to_owned()) };
        let read = Policy::parse(text, "signer.toml");
        if let Err(error) = &read {
            let said = error.to_string();
            assert!(said.contains("signer.toml") && said.lines().count() == 1, "{said}");
        }
        Verdict::of(&read)
    };
    let corpus = vec![file("../config/signer.toml")];
    // The names of operations are read out of the built-in descriptors once, before anything is measured.
    check(&corpus[0]);
    Target { form: Form::Text, executions: 1_500, allowed: USUAL, corpus, check }
}
