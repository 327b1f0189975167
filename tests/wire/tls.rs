//! TLS: whom a client believes, and whom a node lets in.

use super::stand_in::StandIn;
use causeway::api::{ClientLimits, Patience, ServerConfig, serve};
use causeway::client::{Client, ClientError, Tls};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tonic::transport::{Certificate, Identity, ServerTlsConfig};

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls").join(name)
}

fn file(name: &str) -> Vec<u8> {
    std::fs::read(path(name)).expect("a fixture")
}

/// Serves with the node's certificate, and asks clients for theirs if it is to be mutual. Gives the endpoint.
async fn served(mutual: bool) -> String {
    served_with(mutual, Patience::DEFAULT).await
}

async fn served_with(mutual: bool, patience: Patience) -> String {
    served_within(mutual, patience, ClientLimits::DEFAULT).await
}

async fn served_within(mutual: bool, patience: Patience, clients: ClientLimits) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    let mut tls = ServerTlsConfig::new().identity(Identity::from_pem(file("node.crt"), file("node.key")));
    if mutual {
        tls = tls.client_ca_root(Certificate::from_pem(file("authority.crt")));
    }
    let config = ServerConfig { tls: Some(tls), patience, clients, ..ServerConfig::default() };
    tokio::spawn(serve(listener, Arc::new(StandIn::open()), config, std::future::pending()));
    format!("https://localhost:{port}")
}

async fn connect(tls: Option<Tls>, endpoint: &str) -> Result<Client, ClientError> {
    Client::connect_over(tls, &[endpoint], None).await
}

#[tokio::test]
async fn a_client_believes_the_authority_that_it_was_given_and_no_other() {
    let endpoint = served(false).await;
    let believed = Tls::read(&path("authority.crt"), None).expect("readable");
    connect(Some(believed), &endpoint).await.expect("the node's certificate is the authority's");
    let stranger = connect(Some(Tls::believing(&file("stranger.crt"))), &endpoint).await;
    assert!(matches!(stranger, Err(ClientError::Unreachable { .. })), "{stranger:?}");
    let nobody = connect(None, &endpoint).await;
    assert!(matches!(nobody, Err(ClientError::TlsAuthorityMissing { .. })), "{nobody:?}");
    let plain = connect(None, &endpoint.replace("https", "http")).await;
    assert!(matches!(plain, Err(ClientError::Unreachable { .. })), "{plain:?}");
}

#[tokio::test]
async fn a_node_that_asks_for_certificates_lets_in_those_of_its_authority() {
    let endpoint = served(true).await;
    let believing = || Tls::believing(&file("authority.crt"));
    let known = believing().presenting(&file("client.crt"), &file("client.key"));
    let client = connect(Some(known), &endpoint).await.expect("its certificate is the authority's");
    client.of_node(&endpoint).await.expect("it presents it again");
    let unknown = connect(Some(believing()), &endpoint).await;
    assert!(matches!(unknown, Err(ClientError::Unreachable { .. })), "{unknown:?}");
}

#[tokio::test]
async fn a_handshake_that_comes_to_no_end_is_broken_off() {
    let patience = Patience { handshake: Duration::from_millis(200), ..Patience::DEFAULT };
    let endpoint = served_with(true, patience).await;
    let mut stalling = TcpStream::connect(endpoint.strip_prefix("https://").unwrap()).await.expect("it listens");
    // The head of a client's hello, whose rest never comes. It has spoken, so its silence alone would be borne for longer.
    stalling.write_all(&[0x16, 3, 1, 2, 0, 1]).await.expect("it is open");
    let ended = tokio::time::timeout(Duration::from_secs(20), stalling.read_to_end(&mut Vec::new())).await;
    assert!(ended.is_ok(), "it was not closed");
}

/// More handshakes that go no further than there are connections: who presents a certificate is let in all the same.
#[tokio::test]
async fn handshakes_that_come_to_no_end_keep_nobody_out() {
    let limits = ClientLimits { connections: 16, ..ClientLimits::DEFAULT };
    let endpoint = served_within(true, Patience::DEFAULT, limits).await;
    let mut stalling = Vec::new();
    for _ in 0..32 {
        let mut connection =
            TcpStream::connect(endpoint.replace("https://localhost", "127.0.0.1")).await.expect("it listens");
        // The first byte of a client's hello. It has spoken, and yet its handshake is not over.
        connection.write_all(&[0x16]).await.expect("it is open");
        stalling.push(connection);
    }
    let known = Tls::believing(&file("authority.crt")).presenting(&file("client.crt"), &file("client.key"));
    connect(Some(known), &endpoint).await.expect("its certificate is the authority's");
}

#[tokio::test]
async fn files_that_are_no_certificates_are_named() {
    let missing = Tls::read(&path("nobody.crt"), None);
    assert!(matches!(&missing, Err(ClientError::TlsFile { path, .. }) if path.ends_with("nobody.crt")), "{missing:?}");
    let garbled = connect(Some(Tls::believing(b"not PEM")), "https://localhost:1").await;
    assert!(matches!(garbled, Err(ClientError::Tls { .. } | ClientError::Unreachable { .. })), "{garbled:?}");
    let crossed = Tls::believing(&file("authority.crt")).presenting(&file("client.crt"), &file("node.key"));
    let crossed = connect(Some(crossed), "https://localhost:1").await;
    assert!(matches!(crossed, Err(ClientError::Tls { .. })), "{crossed:?}");
}
