//! What operators and users write: the genesis, a node's configuration, keys, and single values.

use super::corpus::{file, golden};
use super::mutate::Form;
use super::run::{Allowed, Target, USUAL, Verdict};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use causeway::client::{KeyPair, Passphrase, decimal};
use causeway::consensus::PeerAddress;
use causeway::execution::genesis::Genesis;
use causeway::node::Config;
use causeway::primitives::currency::Currency;
use causeway::primitives::{AccountId, ChainId, Day, ObjectId, PublicKey, TokenId};
use pkcs8::SecretDocument;
use std::fmt::{Debug, Display};
use std::str::FromStr;
use std::time::Duration;

/// A genesis is read and built, or refused; what is read has the id of its bytes.
pub fn genesis_files() -> Target {
    let check = |bytes: &[u8]| {
        let read = Genesis::parse(bytes);
        match &read {
            Ok(genesis) => Verdict::of(&genesis.build()),
            Err(_) => Verdict::of(&read),
        }
    };
    Target { form: Form::Text, executions: 1_500, allowed: USUAL, corpus: vec![golden("genesis.json")], check }
}

/// A configuration is read or refused in one line that names the file.
pub fn node_configurations() -> Target {
    let check = |bytes: &[u8]| {
        let Ok(text) = std::str::from_utf8(bytes) else { return Verdict::Refused("not UTF-8".to_owned()) };
        let read = Config::parse(text, "node.toml", []);
        // A value from outside is laid over whatever the file says.
        let overlaid = [("CAUSEWAY_LISTEN_GRPC", text), ("CAUSEWAY_LIMITS_SHUTDOWN_MS", "1000")];
        let overlaid = overlaid.map(|(name, value)| (name.to_owned(), value.chars().take(60).collect()));
        let _ = Config::parse(text, "node.toml", overlaid);
        Verdict::of(&read)
    };
    Target { form: Form::Text, executions: 1_500, allowed: USUAL, corpus: vec![file("../config/node.toml")], check }
}

/// A value that is read is written as something that is read as the same.
fn survives<T: FromStr + Display + PartialEq + Debug>(text: &str) -> bool {
    let Ok(value) = text.parse::<T>() else { return false };
    let again = value.to_string().parse::<T>().ok();
    assert_eq!(again.as_ref(), Some(&value), "'{text}' is written as '{value}'");
    true
}

pub fn ids_and_amounts() -> Target {
    let account = AccountId([7; 32]);
    let hexadecimal = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    let texts = [
        &account.to_string(),
        hexadecimal,
        "HKDX",
        "HKD",
        "2026-11-16",
        "1800.00",
        "0.5",
        "validator-1.example:7401",
        "[::1]:7401",
        "18446744073709551615",
    ];
    let corpus = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    let check = |bytes: &[u8]| {
        let Ok(text) = std::str::from_utf8(bytes) else { return Verdict::Refused("not UTF-8".to_owned()) };
        let readers: [fn(&str) -> bool; 8] = [
            survives::<AccountId>,
            survives::<PublicKey>,
            survives::<ChainId>,
            survives::<ObjectId>,
            survives::<TokenId>,
            survives::<Currency>,
            survives::<Day>,
            survives::<PeerAddress>,
        ];
        let mut is_read = readers.map(|read| read(text)).contains(&true);
        for scale in [0, 2, 8, 18] {
            if let Ok(amount) = decimal::parse(text, scale) {
                // People read groups of three digits; commands take none.
                let shown = decimal::format(amount, scale).replace(',', "");
                assert_eq!(decimal::parse(&shown, scale).ok(), Some(amount), "'{text}'");
                is_read = true;
            }
        }
        if is_read { Verdict::Read } else { Verdict::Refused("nothing takes it".to_owned()) }
    };
    Target { form: Form::Text, executions: 20_000, allowed: USUAL, corpus, check }
}

/// What opening a key file may take: the derivation of its key is meant to be dear, within its bounds.
const DERIVATION: Allowed = Allowed { memory_bytes: 130 << 20, processor: Duration::from_secs(5) };

/// A key file's bytes within its PEM, its passphrase known: what is damaged opens or not, at a bounded price.
pub fn key_files() -> Target {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("key.pem");
    let passphrase = || Passphrase::new("open".to_owned());
    KeyPair::from_seed(&[9; 32]).write_new_file(&path, &passphrase()).expect("written");
    let (_, whole) = SecretDocument::from_pem(&std::fs::read_to_string(&path).expect("read")).expect("PEM");
    let check = |bytes: &[u8]| {
        let text = STANDARD.encode(bytes);
        let lines = text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned() + "\n");
        let pem = format!("-----BEGIN {LABEL}-----\n{}-----END {LABEL}-----\n", lines.collect::<String>());
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), pem).expect("written");
        match KeyPair::read_file(file.path(), &Passphrase::new("open".to_owned())) {
            Ok(_) => Verdict::Read,
            // The file's name varies.
            Err(error) => Verdict::Refused(error.to_string().replace(&file.path().display().to_string(), "")),
        }
    };
    let corpus = vec![whole.as_bytes().to_vec()];
    Target { form: Form::Bytes, executions: 120, allowed: DERIVATION, corpus, check }
}

const LABEL: &str = "ENCRYPTED PRIVATE KEY";
