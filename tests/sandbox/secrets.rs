//! No secret of a network is anywhere but in its own file: not in what anyone printed, logged or answered, not in metrics, not in
//! any other file of its directory.

use super::programs::{causeway, said, text};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use causeway::client::{KeyPair, PassphraseSource};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Whether a file is there to hold a secret.
fn is_kept(file: &Path) -> bool {
    file.ends_with("key.pem") || file.ends_with("passphrase") || file.extension().is_some_and(|kind| kind == "key")
}

/// A secret in one of its spellings, and whose it is.
struct Spelling {
    of: String,
    bytes: Vec<u8>,
}

/// Every passphrase and key of a network's directory, in every form in which one might slip out.
fn spellings(data_dir: &Path) -> Vec<Spelling> {
    let mut found = Vec::new();
    for key_file in files(data_dir).into_iter().filter(|path| path.ends_with("key.pem")) {
        let folder = key_file.parent().unwrap();
        let passphrase = PassphraseSource::File(folder.join("passphrase")).read().unwrap();
        let seed = KeyPair::read_file(&key_file, &passphrase).unwrap().seed();
        let pem = std::fs::read_to_string(&key_file).unwrap();
        let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        let mut add = |form: &str, bytes: &[u8]| {
            found.push(Spelling { of: format!("{} of {}", form, folder.display()), bytes: bytes.to_vec() });
        };
        add("the passphrase", passphrase.as_str().as_bytes());
        add("the passphrase in hexadecimal", hex::encode(passphrase.as_str()).as_bytes());
        add("the passphrase in base64", STANDARD.encode(passphrase.as_str()).trim_end_matches('=').as_bytes());
        add("the seed", seed.as_slice());
        add("the seed in hexadecimal", hex::encode(seed.as_slice()).as_bytes());
        add("the seed in capitals", hex::encode_upper(seed.as_slice()).as_bytes());
        add("the seed in base64", STANDARD.encode(seed.as_slice()).trim_end_matches('=').as_bytes());
        add("the seed in base64 for URLs", URL_SAFE_NO_PAD.encode(seed.as_slice()).as_bytes());
        add("the seed as a list", format!("{:?}", seed.as_slice()).trim_matches(['[', ']']).as_bytes());
        // Encrypted as it is, it is nobody's business either. Every file begins alike, so its end is looked for.
        add("the encrypted key", &body.as_bytes()[body.len() - 64..]);
    }
    for tls in files(data_dir).into_iter().filter(|path| path.extension().is_some_and(|kind| kind == "key")) {
        let pem = std::fs::read_to_string(&tls).unwrap();
        let line = pem.lines().nth(1).expect("PEM has a first line of base64");
        let (of, line) = (format!("the TLS key {}", tls.display()), &line[line.len() - 32..]);
        found.push(Spelling { of, bytes: line.into() });
    }
    found
}

/// Every file below a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            found.extend(files(&entry));
        } else {
            found.push(entry);
        }
    }
    found
}

/// Everything in which a secret is looked for, by what it is.
#[derive(Default)]
pub struct Overheard(BTreeMap<String, Vec<u8>>);

impl Overheard {
    /// Hears what something said.
    pub fn hear(&mut self, what: impl Into<String>, said: impl AsRef<[u8]>) {
        self.0.entry(what.into()).or_default().extend_from_slice(said.as_ref());
    }

    /// Runs commands that fail, with secrets within reach, and hears what they say of it.
    pub fn provoke(&mut self, data_dir: &Path) {
        let buyer = data_dir.join("participants/buyer");
        let (key, wrong) = (buyer.join("key.pem"), data_dir.join("participants/supplier/passphrase"));
        let (sandbox, passphrase) = (text(data_dir), buyer.join("passphrase"));
        let node = data_dir.join("nodes/validator-1/node.toml");
        let commands: [&[&str]; 7] = [
            &["pay", "1.00", "HKDX", "--as", "buyer", "--to", "nobody", "--sandbox", sandbox],
            &["pay", "99999999999.00", "HKDX", "--as", "buyer", "--to", "supplier", "--sandbox", sandbox],
            &["accounts", "show", "supplier", "--as", "buyer", "--sandbox", sandbox, "--output", "json"],
            &["keys", "show", text(&key), "--passphrase-file", text(&wrong)],
            &["keys", "show", text(&passphrase), "--passphrase-file", text(&passphrase)],
            &["keys", "new", "--out", text(&key), "--passphrase-file", text(&passphrase)],
            // Its store is held by the node that runs.
            &["node", "--config", text(&node)],
        ];
        for command in commands {
            let output = causeway(command).env("RUST_BACKTRACE", "1").output().unwrap();
            assert!(!output.status.success(), "{command:?} was to fail: {}", said(&output));
            self.hear(format!("{command:?}"), [output.stdout, output.stderr].concat());
        }
    }

    /// Hears the metrics of every node, and what its gRPC port says to nonsense.
    pub fn listen(&mut self, data_dir: &Path) {
        for node in files(&data_dir.join("nodes")).into_iter().filter(|path| path.ends_with("node.toml")) {
            let config: toml::Table = std::fs::read_to_string(&node).unwrap().parse().unwrap();
            let address = |name: &str| config["listen"][name].as_str().unwrap().to_owned();
            let metrics =
                exchange(&address("metrics"), b"GET /metrics HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n");
            assert!(metrics.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&metrics));
            self.hear(format!("metrics of {}", node.display()), metrics);
            self.hear(format!("gRPC errors of {}", node.display()), refusals(&address("grpc")));
        }
    }

    /// Fails if a secret was heard, or stands in any file but its own.
    pub fn holds_no_secret(mut self, data_dir: &Path) {
        let spellings = spellings(data_dir);
        assert!(spellings.len() >= 10 * 12, "a network has more keys than {}", spellings.len() / 10);
        for file in files(data_dir).into_iter().filter(|path| !is_kept(path)) {
            let content = std::fs::read(&file).unwrap();
            self.hear(file.display().to_string(), content);
        }
        assert!(self.0.keys().any(|what| what.ends_with("node.log")), "the nodes' logs are among it");
        let told = self.tells(&spellings);
        assert!(told.is_empty(), "secrets outside of their files: {}", told.join("; "));
    }

    fn tells(&self, spellings: &[Spelling]) -> Vec<String> {
        // Files are large and spellings many: what begins with no spelling's first two bytes is passed over.
        let mut by_start: BTreeMap<[u8; 2], Vec<&Spelling>> = BTreeMap::new();
        let mut begins = vec![false; 1 << 16];
        for spelling in spellings {
            let start = *spelling.bytes.first_chunk().expect("a secret is longer");
            begins[usize::from(u16::from_be_bytes(start))] = true;
            by_start.entry(start).or_default().push(spelling);
        }
        let mut told = BTreeSet::new();
        for (what, said) in &self.0 {
            for at in 0..said.len().saturating_sub(1) {
                let start = [said[at], said[at + 1]];
                if begins[usize::from(u16::from_be_bytes(start))] {
                    let stands = |spelling: &&&Spelling| said[at..].starts_with(&spelling.bytes);
                    told.extend(by_start[&start].iter().filter(stands).map(|found| format!("{} in {what}", found.of)));
                }
            }
        }
        told.into_iter().collect()
    }
}

/// What comes back on a connection until it ends.
fn exchange(address: &str, sent: &[u8]) -> Vec<u8> {
    let mut connection = TcpStream::connect(address).unwrap();
    connection.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    connection.write_all(sent).unwrap();
    let mut received = Vec::new();
    connection.read_to_end(&mut received).unwrap();
    received
}

/// Statuses with their details: of a read without a signature, with another's, and of a transaction that is none.
fn refusals(address: &str) -> Vec<u8> {
    use causeway::wire::pb::accounts::ListAccountsRequest;
    use causeway::wire::pb::accounts::accounts_service_client::AccountsServiceClient;
    use causeway::wire::pb::ledger::ledger_service_client::LedgerServiceClient;
    use causeway::wire::pb::ledger::{SignedTransaction, SubmitRequest};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let channel = tonic::transport::Channel::from_shared(format!("http://{address}")).unwrap();
        let channel = channel.connect().await.unwrap();
        let mut accounts = AccountsServiceClient::new(channel.clone());
        let unsigned = accounts.list_accounts(ListAccountsRequest::default()).await.unwrap_err();
        let mut forged = tonic::Request::new(ListAccountsRequest::default());
        for (name, value) in [("account", "11"), ("public-key", "22"), ("signature", "3333")] {
            forged
                .metadata_mut()
                .insert(format!("causeway-{name}").leak() as &'static str, value.repeat(32).parse().unwrap());
        }
        forged.metadata_mut().insert("causeway-expires-ms", "9999999999999".parse().unwrap());
        let forged = accounts.list_accounts(forged).await.unwrap_err();
        let nonsense = SignedTransaction { body: vec![0xff; 40].into(), signatures: Vec::new() };
        let mut ledger = LedgerServiceClient::new(channel);
        let refused = ledger.submit(SubmitRequest { transaction: Some(nonsense) }).await.unwrap_err();
        [unsigned, forged, refused].map(|status| format!("{status:?}{:?}", status.details())).concat().into_bytes()
    })
}

#[test]
fn a_secret_that_slips_out_is_heard_in_every_spelling() {
    let spelling = |of: &str, bytes: &[u8]| Spelling { of: of.to_owned(), bytes: bytes.to_vec() };
    let spellings = [spelling("one", b"correct horse"), spelling("other", &[7; 32])];
    let mut overheard = Overheard::default();
    overheard.hear("a log", "nothing of note");
    assert!(overheard.tells(&spellings).is_empty());
    overheard.hear("a log", "passphrase=correct horse");
    overheard.hear("a store", [1, 7].repeat(40));
    assert_eq!(overheard.tells(&spellings), ["one in a log"]);
    overheard.hear("a store", [7; 33]);
    assert_eq!(overheard.tells(&spellings), ["one in a log", "other in a store"]);
}
