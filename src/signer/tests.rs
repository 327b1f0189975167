use super::*;
use crate::api::{READ_AUTHORISATION_AHEAD_MS_MAX, read_message};
use crate::client::{KeyPair, Operation, SigningPurpose, TransactionBuilder, operations};
use crate::ledger::limits::EXPIRY_AHEAD_MS_MAX;
use crate::primitives::{AccountId, Amount, ChainId, Hash, ObjectId, RequestId};
use bytes::Bytes;

const NOW_MS: u64 = 1_800_000_000_000;
const CHAIN: ChainId = ChainId([9; 32]);
const GET_ACCOUNT: &str = "/causeway.accounts.v1.AccountsService/GetAccount";

fn key() -> KeyPair {
    KeyPair::from_seed(&[1; 32])
}

fn keyring(entry: &str) -> Keyring {
    let policy = format!("chain_id = \"{CHAIN}\"\n[[key]]\npublic_key = \"{}\"\n{entry}", key().public_key());
    Keyring::new([key()], Policy::parse(&policy, "signer.toml").expect("a policy")).expect("it has the key's entry")
}

/// May pay up to 1,000 HKDX, and pay invoices.
fn payer() -> Keyring {
    keyring("operations = [\"transfer\", \"pay_invoice\"]\n[key.amount_max]\nHKDX = 1000\nUSDX = 500")
}

fn pays(token: &str, amount: u64) -> Operation {
    let (payer, payee) = (AccountId([2; 32]), AccountId([3; 32]));
    operations::transfer(payer, payee, token.parse().expect("a token"), Amount::new(amount), Default::default())
}

fn pays_invoice(amount: u64) -> Operation {
    operations::pay_invoice(ObjectId([4; 32]), Amount::new(amount), "")
}

fn body(chain: ChainId, expires_at_ms: u64, operations: Vec<Operation>) -> Asked {
    let mut builder = TransactionBuilder::with_request_id(chain, AccountId([2; 32]), RequestId([5; 16]));
    builder = builder.expires_at_ms(expires_at_ms);
    for operation in operations {
        builder.add(operation);
    }
    asked(SigningPurpose::Transaction, builder.finish().body().clone())
}

fn asked(purpose: SigningPurpose, message: Bytes) -> Asked {
    Asked { public_key: key().public_key(), purpose: Some(purpose), message }
}

fn refusal(keyring: &Keyring, asked: &Asked) -> &'static str {
    keyring.sign(asked, NOW_MS).map_or_else(|refused| refused.refusal.name(), |_| "")
}

#[test]
fn a_key_signs_what_its_policy_names_up_to_the_amounts_that_stand_there() {
    let of = |operations| refusal(&payer(), &body(CHAIN, NOW_MS + 60_000, operations));
    for (operations, expected) in [
        (vec![pays("HKDX", 1_000)], ""),
        (vec![pays("HKDX", 1_001)], "AMOUNT_NOT_ALLOWED"),
        // All operations together.
        (vec![pays("HKDX", 600), pays("USDX", 500), pays("HKDX", 400)], ""),
        (vec![pays("HKDX", 600), pays("HKDX", 401)], "AMOUNT_NOT_ALLOWED"),
        (vec![pays("HKDX", u64::MAX), pays("HKDX", u64::MAX)], "AMOUNT_NOT_ALLOWED"),
        // A token that has no amount.
        (vec![pays("EURX", 1)], "AMOUNT_NOT_ALLOWED"),
        // A payment of a receivable does not name its token: it may be any.
        (vec![pays_invoice(500)], ""),
        (vec![pays_invoice(501)], "AMOUNT_NOT_ALLOWED"),
        (vec![pays_invoice(400), pays("HKDX", 600)], ""),
        (vec![pays_invoice(401), pays("HKDX", 600)], "AMOUNT_NOT_ALLOWED"),
        (vec![pays("HKDX", 1), operations::close_account(AccountId([2; 32]))], "OPERATION_NOT_ALLOWED"),
    ] {
        let shown = format!("{operations:?}");
        assert_eq!(of(operations), expected, "{shown}");
    }
    let unbounded = keyring("operations = [\"pay_invoice\"]");
    assert_eq!(refusal(&unbounded, &body(CHAIN, NOW_MS, vec![pays_invoice(1)])), "AMOUNT_NOT_ALLOWED");
    assert_eq!(refusal(&keyring(""), &body(CHAIN, NOW_MS, vec![pays("HKDX", 1)])), "OPERATION_NOT_ALLOWED");
}

#[test]
fn a_signature_is_of_the_message_in_its_purposes_namespace_and_told_in_words() {
    let asked = body(CHAIN, NOW_MS + 60_000, vec![pays("HKDX", 1_000)]);
    let (meaning, signature) = payer().sign(&asked, NOW_MS).expect("allowed");
    assert!(key().public_key().verify(SigningPurpose::Transaction.namespace(), &asked.message, &signature));
    let told = meaning.to_string();
    for word in ["transfer", "\"amount\":1000", "\"token_id\":\"HKDX\"", &AccountId([3; 32]).to_string()] {
        assert!(told.contains(word), "'{word}' is not in: {told}");
    }
}

#[test]
fn nothing_is_signed_that_is_not_understood_or_is_for_another_ledger() {
    let good = body(CHAIN, NOW_MS + 60_000, vec![pays("HKDX", 1)]);
    let mut trailing = good.message.to_vec();
    trailing.extend_from_slice(&[0xf8, 0x07, 0x01]);
    let statement = |chain, path| read_message(chain, AccountId([2; 32]), NOW_MS + 60_000, path);
    let reading = |chain, path| asked(SigningPurpose::Read, statement(chain, path).into());
    for (asked, expected) in [
        (good.clone(), ""),
        (asked(SigningPurpose::Transaction, trailing.into()), "NOT_A_TRANSACTION"),
        (asked(SigningPurpose::Transaction, Bytes::from_static(b"hello")), "NOT_A_TRANSACTION"),
        (asked(SigningPurpose::Transaction, Bytes::new()), "NOT_A_TRANSACTION"),
        // One kind of message is never signed as the other.
        (asked(SigningPurpose::Read, good.message.clone()), "NOT_A_READ_STATEMENT"),
        (asked(SigningPurpose::Transaction, statement(CHAIN, GET_ACCOUNT).into()), "NOT_A_TRANSACTION"),
        (reading(CHAIN, GET_ACCOUNT), ""),
        (reading(CHAIN, "/causeway.accounts.v1.AccountsService/Nothing"), "NOT_A_READ_STATEMENT"),
        (reading(CHAIN, "/causeway.signer.v1.SignerService/Sign"), "NOT_A_READ_STATEMENT"),
        (reading(ChainId([8; 32]), GET_ACCOUNT), "FOREIGN_CHAIN"),
        (body(ChainId([8; 32]), NOW_MS + 60_000, vec![pays("HKDX", 1)]), "FOREIGN_CHAIN"),
        (Asked { purpose: None, ..good.clone() }, "PURPOSE_UNKNOWN"),
        (Asked { public_key: KeyPair::from_seed(&[2; 32]).public_key(), ..good }, "KEY_UNKNOWN"),
    ] {
        assert_eq!(refusal(&payer(), &asked), expected, "{asked:?}");
    }
}

#[test]
fn no_signature_is_given_that_could_be_kept_for_later() {
    let minutes = |count: u64| count * 60_000;
    let paying = |ahead_ms: u64| refusal(&payer(), &body(CHAIN, NOW_MS + ahead_ms, vec![pays("HKDX", 1)]));
    assert_eq!((paying(EXPIRY_AHEAD_MS_MAX), paying(EXPIRY_AHEAD_MS_MAX + minutes(2))), ("", "EXPIRY_TOO_FAR"));
    let reading = |ahead_ms: u64| {
        let statement = read_message(CHAIN, AccountId([2; 32]), NOW_MS + ahead_ms, GET_ACCOUNT);
        refusal(&payer(), &asked(SigningPurpose::Read, statement.into()))
    };
    let ahead = READ_AUTHORISATION_AHEAD_MS_MAX;
    assert_eq!((reading(ahead), reading(ahead + minutes(2))), ("", "EXPIRY_TOO_FAR"));
    let silent = keyring("operations = [\"transfer\"]\nreads = false");
    let statement = read_message(CHAIN, AccountId([2; 32]), NOW_MS, GET_ACCOUNT);
    assert_eq!(refusal(&silent, &asked(SigningPurpose::Read, statement.into())), "READS_NOT_ALLOWED");
}

/// What somebody else wrote into a transaction does not write lines into the log.
#[test]
fn what_is_signed_is_told_in_one_line() {
    let remittance =
        operations::Remittance { end_to_end_id: "x\n2026 INFO signed\u{1b}[2J".to_owned(), ..Default::default() };
    let (payer_account, payee) = (AccountId([2; 32]), AccountId([3; 32]));
    let token = "HKDX".parse().expect("a token");
    let transfer = operations::transfer(payer_account, payee, token, Amount::new(1), remittance);
    let told = match payer().sign(&body(CHAIN, NOW_MS, vec![transfer]), NOW_MS) {
        Ok((meaning, _)) => meaning.to_string(),
        Err(refused) => refused.refusal.to_string(),
    };
    assert!(!told.chars().any(char::is_control), "{told}");
}

#[test]
fn a_policy_that_does_not_mean_what_it_says_is_refused_and_told_where() {
    let (chain, public_key) = (CHAIN.to_string(), key().public_key().to_string());
    let entry = |more: &str| format!("chain_id = \"{chain}\"\n[[key]]\npublic_key = \"{public_key}\"\n{more}");
    for (text, named) in [
        (String::new(), vec!["chain_id"]),
        ("chain_id = \"12\"".to_owned(), vec!["'chain_id'"]),
        (entry("operation = []"), vec!["line 4", "operation"]),
        (entry("operations = [\"transfers\"]"), vec!["[[key]] 1", "'transfers'", "such as 'transfer'"]),
        (entry("[key.amount_max]\nhkdx = 5"), vec!["'amount_max'"]),
        (entry("[key.amount_max]\nHKDX = -5"), vec!["line 5"]),
        (entry(&format!("[[key]]\npublic_key = \"{public_key}\"")), vec!["[[key]] 2", "already"]),
    ] {
        let said = Policy::parse(&text, "signer.toml").expect_err("it is none").to_string();
        assert!(said.starts_with("the policy signer.toml") && said.lines().count() == 1, "{said}");
        for name in named {
            assert!(said.contains(name), "'{name}' is not in: {said}");
        }
    }
    let other = KeyPair::from_seed(&[2; 32]);
    let policy = Policy::parse(&entry(""), "signer.toml").expect("a policy");
    let without = Keyring::new([key(), other.clone()], policy).expect_err("the other has no entry").to_string();
    assert!(without.contains(&other.public_key().to_string()), "{without}");
}

#[test]
fn the_example_of_a_policy_is_one() {
    let text = include_str!("../../config/signer.toml");
    let policy = Policy::parse(text, "config/signer.toml").expect("a policy");
    assert!(policy.of(&text.split('"').nth(3).expect("a key").parse().expect("a key")).reads);
    // Every operation that a client can build has a name that a policy can have.
    let hash = Hash([4; 32]);
    let request = operations::request_redemption("HKDX".parse().expect("a token"), Amount::new(1), hash);
    assert_eq!(
        refusal(
            &keyring("operations = [\"request_redemption\"]\n[key.amount_max]\nHKDX = 1"),
            &body(CHAIN, NOW_MS, vec![request])
        ),
        ""
    );
}
