//! Signers elsewhere: the reference one as it serves, and those that do wrong.

use super::stand_in::{StandIn, account, key};
use bytes::Bytes;
use causeway::api::{ServerConfig, serve};
use causeway::client::{
    Client, ClientError, Reader, RemoteSigner, Signer as _, SignerError, SigningPurpose, Tls, TransactionBuilder,
    operations,
};
use causeway::node::service::LedgerHandle as _;
use causeway::primitives::PublicKey;
use causeway::signer::{self, Keyring, Place, Policy};
use causeway::wire::pb::signer as pb;
use causeway::wire::pb::signer::signer_service_server::{SignerService, SignerServiceServer};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, UnixListener};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::{Request, Response, Status};

const PATIENCE: Duration = Duration::from_secs(5);

/// A keyring with key 1, which closes accounts on this ledger.
fn keyring(ledger: &StandIn) -> Keyring {
    let policy = format!(
        "chain_id = \"{}\"\n[[key]]\npublic_key = \"{}\"\noperations = [\"close_account\"]\n",
        ledger.identity().chain_id,
        key(1).public_key()
    );
    Keyring::new([key(1)], Policy::parse(&policy, "signer.toml").expect("a policy")).expect("it has an entry")
}

/// The reference signer at a place, until the hand that is given is dropped.
fn serving(ledger: &StandIn, place: Place) -> (oneshot::Sender<()>, JoinHandle<Result<(), signer::ServeError>>) {
    let (hand, stopped) = oneshot::channel::<()>();
    let keyring = keyring(ledger);
    let served = tokio::spawn(async move {
        let stop = async {
            let _ = stopped.await;
        };
        signer::serve(keyring, &place, stop).await
    });
    (hand, served)
}

fn at(socket: &Path, patience: Duration) -> RemoteSigner {
    RemoteSigner::at(&format!("unix:{}", socket.display()), None, patience).expect("an address")
}

/// Waits until somebody listens.
async fn is_there(signer: &RemoteSigner) -> Vec<PublicKey> {
    for _ in 0..200 {
        if let Ok(keys) = signer.public_keys().await {
            return keys;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("no signer came to be there: {:?}", signer.public_keys().await);
}

/// A client of a node, which reads as `bank-a` with a key at this signer.
async fn client(ledger: &StandIn, signer: &RemoteSigner) -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let endpoint = format!("http://{}", listener.local_addr().expect("it is bound"));
    tokio::spawn(serve(listener, Arc::new(ledger.clone()), ServerConfig::default(), std::future::pending()));
    let client = Client::connect(&[endpoint], None).await.expect("the node answers");
    client.reading_as(Reader { account: account("bank-a"), key: Arc::new(signer.key(key(1).public_key())) })
}

#[tokio::test]
async fn a_key_at_a_signer_signs_and_reads_like_one_in_memory() {
    let (directory, ledger) = (tempfile::tempdir().expect("a temporary directory"), StandIn::open());
    let path = directory.path().join("signer.sock");
    let (stop, served) = serving(&ledger, Place::Socket { path: path.clone(), for_group: false });
    let signer = at(&path, PATIENCE);
    assert_eq!(is_there(&signer).await, [key(1).public_key()]);
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "nobody else asks");
    }
    let client = client(&ledger, &signer).await;
    assert_eq!(client.account(account("bank-a")).await.expect("its own").account_id[..], account("bank-a").0);

    let mut builder = TransactionBuilder::new(ledger.identity().chain_id, account("bank-a")).expect("randomness");
    builder.add(operations::close_account(account("bank-a")));
    let remote: Arc<dyn causeway::client::Signer> = Arc::new(signer.key(key(1).public_key()));
    let signed = builder.clone().finish().sign_by(std::slice::from_ref(&remote)).await.expect("it signs");
    assert_eq!(signed, builder.finish().sign([&key(1)]).expect("signed"), "the same bytes");

    // Its refusals are its own, and no node hears of it.
    let mut other = TransactionBuilder::new(ledger.identity().chain_id, account("bank-a")).expect("randomness");
    other.add(operations::certify_balance(account("bank-a"), "HKDX".parse().expect("a token")));
    let refused = other.finish().sign_by(&[remote]).await.expect_err("not in its policy");
    let ClientError::Signer(SignerError::Refused { reason, message, .. }) = &refused else { panic!("{refused:?}") };
    assert_eq!(reason, "OPERATION_NOT_ALLOWED");
    assert!(message.contains("operations[0] is certify_balance"), "{message}");
    let unknown = signer.key(key(2).public_key()).sign(SigningPurpose::Transaction, b"").await;
    assert!(matches!(unknown, Err(SignerError::KeyUnknown { .. })), "{unknown:?}");

    // It goes away: reads say so, and its place is left clean.
    drop(stop);
    served.await.expect("it ends").expect("well");
    assert!(!path.exists());
    let gone = client.account(account("bank-a")).await.expect_err("nobody signs");
    assert!(matches!(gone, ClientError::Signer(SignerError::Unreachable { .. })), "{gone:?}");
}

#[tokio::test]
async fn a_signers_socket_is_taken_over_from_the_dead_alone() {
    let (directory, ledger) = (tempfile::tempdir().expect("a temporary directory"), StandIn::open());
    let path = directory.path().join("signer.sock");
    // Left behind: bound once, and nobody listens.
    drop(UnixListener::bind(&path).expect("bound"));
    let (_stop, _served) = serving(&ledger, Place::Socket { path: path.clone(), for_group: true });
    is_there(&at(&path, PATIENCE)).await;
    let (_other, second) = serving(&ledger, Place::Socket { path: path.clone(), for_group: false });
    let second = second.await.expect("it ends");
    assert!(matches!(second, Err(signer::ServeError::Taken { .. })), "{second:?}");
    assert_eq!(is_there(&at(&path, PATIENCE)).await.len(), 1, "the first goes on");
    let file = directory.path().join("file");
    std::fs::write(&file, "something else").expect("written");
    let (_third, third) = serving(&ledger, Place::Socket { path: file.clone(), for_group: false });
    assert!(matches!(third.await.expect("it ends"), Err(signer::ServeError::NoSocket { .. })));
    assert_eq!(std::fs::read(&file).expect("it is there"), b"something else");
}

fn tls_file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls").join(name)
}

#[tokio::test]
async fn a_signer_at_an_address_answers_those_who_show_a_certificate_and_nobody_else() {
    let ledger = StandIn::open();
    let port = TcpListener::bind("127.0.0.1:0").await.expect("a port is free").local_addr().expect("bound").port();
    let place = Place::Address {
        address: ([127, 0, 0, 1], port).into(),
        certificate: tls_file("node.crt"),
        key: tls_file("node.key"),
        authority: tls_file("authority.crt"),
    };
    let (_stop, _served) = serving(&ledger, place);
    let address = format!("https://localhost:{port}");
    let (authority, certificate, key_file) =
        (tls_file("authority.crt"), tls_file("client.crt"), tls_file("client.key"));
    let known = Tls::read(&authority, Some((&certificate, &key_file))).expect("readable");
    let known = RemoteSigner::at(&address, Some(&known), PATIENCE).expect("an address");
    is_there(&known).await;
    let read = causeway::client::read_statement(
        &ledger.identity().chain_id,
        &account("bank-a"),
        causeway::client::now_ms() + 60_000,
        "/causeway.accounts.v1.AccountsService/GetAccount",
    );
    known.key(key(1).public_key()).sign(SigningPurpose::Read, &read).await.expect("it signs");
    let unknown = Tls::read(&authority, None).expect("readable");
    let unknown = RemoteSigner::at(&address, Some(&unknown), PATIENCE).expect("an address").public_keys().await;
    assert!(matches!(unknown, Err(SignerError::Unreachable { .. } | SignerError::Lost { .. })), "{unknown:?}");
    let plain = RemoteSigner::at(&address.replace("https", "http"), None, PATIENCE);
    assert!(matches!(plain, Err(SignerError::Address { .. })), "{plain:?}");
}

/// What a signer does wrong.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// Signs something else.
    SignsSomethingElse,
    /// Signs with another key.
    SignsWithAnotherKey,
    /// Answers half a signature.
    AnswersHalf,
    /// Does not answer.
    Waits,
    /// Ends, with its connections, once it is asked.
    Dies,
}

struct Faulty {
    fault: Fault,
    asked: tokio::sync::mpsc::Sender<()>,
}

#[tonic::async_trait]
impl SignerService for Faulty {
    async fn list_public_keys(
        &self,
        _: Request<pb::ListPublicKeysRequest>,
    ) -> Result<Response<pb::ListPublicKeysResponse>, Status> {
        Ok(Response::new(pb::ListPublicKeysResponse {
            public_keys: vec![Bytes::copy_from_slice(&key(1).public_key().0)],
        }))
    }

    async fn sign(&self, request: Request<pb::SignRequest>) -> Result<Response<pb::SignResponse>, Status> {
        let _ = self.asked.send(()).await;
        let message = request.into_inner().message;
        let signature = match self.fault {
            Fault::SignsSomethingElse => key(1).sign_read(&message),
            Fault::SignsWithAnotherKey => key(2).sign_transaction(&message).signature,
            Fault::AnswersHalf => {
                return Ok(Response::new(pb::SignResponse { signature: Bytes::from_static(&[7; 32]) }));
            }
            Fault::Waits | Fault::Dies => std::future::pending().await,
        };
        Ok(Response::new(pb::SignResponse { signature: Bytes::copy_from_slice(&signature.0) }))
    }
}

#[tokio::test]
async fn a_signer_that_does_wrong_is_told_to_have_and_nothing_is_sent() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for fault in [Fault::SignsSomethingElse, Fault::SignsWithAnotherKey, Fault::AnswersHalf, Fault::Waits, Fault::Dies]
    {
        let path = directory.path().join(format!("{fault:?}"));
        let listener = UnixListener::bind(&path).expect("bound");
        let (asked, mut was_asked) = tokio::sync::mpsc::channel(1);
        // In a runtime of its own, whose end closes its connections like the end of a process.
        let process = Runtime::new().expect("a runtime");
        let service = SignerServiceServer::new(Faulty { fault, asked });
        let listener = listener.into_std().expect("a listener");
        process.spawn(async move {
            let listener = UnixListener::from_std(listener).expect("a listener");
            let server = tonic::transport::Server::builder().add_service(service);
            server.serve_with_incoming(UnixListenerStream::new(listener)).await
        });
        let patience = if matches!(fault, Fault::Waits) { Duration::from_millis(300) } else { PATIENCE };
        let remote = at(&path, patience).key(key(1).public_key());
        let signing = tokio::spawn(async move { remote.sign(SigningPurpose::Transaction, b"a body").await });
        was_asked.recv().await.expect("it is asked");
        let mut process = Some(process);
        let end = |process: &mut Option<Runtime>| process.take().into_iter().for_each(Runtime::shutdown_background);
        if matches!(fault, Fault::Dies) {
            end(&mut process);
        }
        let signed = signing.await;
        end(&mut process);
        let error = signed.expect("no panic").expect_err("it does wrong");
        let (as_expected, words) = match fault {
            Fault::SignsSomethingElse | Fault::SignsWithAnotherKey => {
                (matches!(error, SignerError::WrongSignature { .. }), "not by")
            }
            Fault::AnswersHalf => (matches!(error, SignerError::Malformed { .. }), "64 bytes"),
            Fault::Waits => (matches!(error, SignerError::Timeout { .. }), "did not answer"),
            Fault::Dies => (matches!(error, SignerError::Lost { .. }), "went away"),
        };
        assert!(as_expected && error.to_string().contains(words), "{fault:?}: {error:?}");
        assert!(error.to_string().contains(&format!("{fault:?}")), "where it is, is told: {error}");
    }
}

/// The published reasons are whole.
#[test]
fn every_refusal_of_a_signer_stands_on_the_page() {
    let page = include_str!("../../docs/keys.md");
    let of_clients = [
        "SIGNER_ADDRESS_MALFORMED",
        "SIGNER_TLS",
        "SIGNER_UNREACHABLE",
        "SIGNER_LOST",
        "SIGNER_TIMEOUT",
        "SIGNER_SIGNATURE_WRONG",
        "SIGNER_ANSWER_MALFORMED",
    ];
    for name in causeway::signer::Refusal::NAMES.into_iter().chain(of_clients) {
        assert!(page.contains(&format!("`{name}`")), "{name} is missing in docs/keys.md");
    }
}
