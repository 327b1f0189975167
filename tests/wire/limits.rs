//! What one client may ask of a node, over the wire.

use super::stand_in::StandIn;
use causeway::api::{CALL_WINDOW, CONNECTION_WINDOW, ClientLimits, Patience, ServerConfig, serve};
use causeway::node::NodeMetrics;
use causeway::wire::pb::node::GetStatusRequest;
use causeway::wire::pb::node::node_service_client::NodeServiceClient;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tonic::Code;
use tonic::transport::{Channel, Endpoint};
use tonic_types::StatusExt as _;

async fn served(clients: ClientLimits) -> (std::net::SocketAddr, NodeMetrics) {
    served_with(clients, Patience::DEFAULT).await
}

async fn served_with(clients: ClientLimits, patience: Patience) -> (std::net::SocketAddr, NodeMetrics) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, metrics) = (listener.local_addr().unwrap(), NodeMetrics::default());
    let config = ServerConfig { clients, patience, metrics: metrics.clone(), ..ServerConfig::default() };
    tokio::spawn(serve(listener, Arc::new(StandIn::open()), config, std::future::pending()));
    (address, metrics)
}

/// A client that calls from an address of this machine's.
async fn calling_from(source: &'static str, to: std::net::SocketAddr) -> NodeServiceClient<Channel> {
    let connector = tower::service_fn(move |_| async move {
        let socket = TcpSocket::new_v4()?;
        socket.bind(format!("{source}:0").parse().unwrap())?;
        Ok::<_, std::io::Error>(hyper_util::rt::TokioIo::new(socket.connect(to).await?))
    });
    let endpoint = Endpoint::from_shared(format!("http://{to}")).unwrap();
    NodeServiceClient::new(endpoint.connect_with_connector(connector).await.unwrap())
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn who_asks_for_too_much_waits_and_is_refused_and_nobody_else_is() {
    let limits = ClientLimits { calls_per_second: NonZeroU32::new(100).unwrap(), ..ClientLimits::DEFAULT };
    let (address, metrics) = served(limits).await;
    let flood = calling_from("127.0.0.2", address).await;
    let calls = (0..500).map(|_| {
        let mut flood = flood.clone();
        async move { flood.get_status(GetStatusRequest::default()).await }
    });
    let began = Instant::now();
    let flooding = tokio::spawn(futures::future::join_all(calls));
    tokio::time::sleep(Duration::from_millis(20)).await;
    let mut other = calling_from("127.0.0.1", address).await;
    other.get_status(GetStatusRequest::default()).await.expect("another client is served");
    let answers = flooding.await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(900), "the last that were served waited for a budget");
    let refused: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
    // Two seconds' budget at once, and one second's while they wait; a slow machine gives a little more.
    let served = answers.len() - refused.len();
    assert!((200..=450).contains(&served), "{served} were served");
    assert_eq!(refused.len() as u64, metrics.refused_calls.get());
    for status in refused {
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(status.get_details_error_info().unwrap().reason, "CLIENT_RATE_EXCEEDED");
        assert!(status.get_details_retry_info().unwrap().retry_delay.is_some());
    }
}

#[tokio::test]
async fn a_connection_whose_client_says_nothing_is_closed_and_one_that_spoke_is_not() {
    let patience = Patience { handshake: Duration::from_millis(200), ..Patience::DEFAULT };
    let (address, _) = served_with(ClientLimits::DEFAULT, patience).await;
    let mut speaking = TcpStream::connect(address).await.unwrap();
    // The preface, and empty settings.
    speaking.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut silent = TcpStream::connect(address).await.unwrap();
    let mut heard = Vec::new();
    // The server speaks first, its settings, and then it hangs up.
    let ended = tokio::time::timeout(Duration::from_secs(20), silent.read_to_end(&mut heard)).await;
    assert!(ended.is_ok(), "it was not closed");
    while let Ok(more) = tokio::time::timeout(Duration::from_millis(500), speaking.read(&mut [0; 64])).await {
        assert_ne!(more.unwrap(), 0, "it was closed");
    }
}

/// What every client of HTTP/2 says first: the preface, and empty settings.
const HELLO: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// A connection that was made from an address of this machine's, with what its client said.
async fn connected(source: &str, to: std::net::SocketAddr, said: &[u8]) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{source}:0").parse().unwrap()).unwrap();
    let mut connection = socket.connect(to).await.unwrap();
    connection.write_all(said).await.unwrap();
    connection
}

/// Whether a connection is taken on: the server answers settings, and closes or resets it otherwise.
async fn is_served(connection: &mut TcpStream) -> bool {
    let mut heard = Vec::new();
    // Its own settings, which it sends to everybody, and what acknowledges the client's.
    while !heard.windows(5).any(|frame| frame == [0, 0, 0, 4, 1]) {
        let mut some = [0; 256];
        match connection.read(&mut some).await {
            Ok(0) | Err(_) => return false,
            Ok(count) => heard.extend_from_slice(&some[..count]),
        }
    }
    true
}

async fn is_closed(connection: &mut TcpStream) -> bool {
    let ended = async { while connection.read(&mut [0; 256]).await.unwrap_or(0) > 0 {} };
    tokio::time::timeout(Duration::from_secs(20), ended).await.is_ok()
}

#[tokio::test]
async fn past_the_bound_a_connection_is_closed_as_it_is_made() {
    let limits = ClientLimits { connections: 2, ..ClientLimits::DEFAULT };
    let (address, metrics) = served(limits).await;
    let mut first = connected("127.0.0.1", address, HELLO).await;
    let mut second = connected("127.0.0.1", address, HELLO).await;
    assert!(is_served(&mut first).await && is_served(&mut second).await);
    let mut third = TcpStream::connect(address).await.unwrap();
    // Closed, or reset: nothing comes but the end.
    assert_eq!(third.read(&mut [0; 64]).await.unwrap_or(0), 0);
    assert_eq!(metrics.refused_connections.get(), 1);
    drop(first);
    // Its place comes back when the node has noticed.
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_served(&mut connected("127.0.0.1", address, HELLO).await).await {
        assert!(Instant::now() < deadline, "the place did not come back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_address_with_most_of_all_connections_gives_way_to_another() {
    let limits = ClientLimits { connections: 8, ..ClientLimits::DEFAULT };
    let (address, _) = served(limits).await;
    let mut flood = Vec::new();
    for _ in 0..8 {
        let mut connection = connected("127.0.0.2", address, HELLO).await;
        assert!(is_served(&mut connection).await);
        flood.push(connection);
    }
    let mut other = connected("127.0.0.3", address, HELLO).await;
    assert!(is_served(&mut other).await, "the flood keeps it out");
    assert!(is_closed(&mut flood[0]).await, "the oldest gives way");
    let served = tokio::time::timeout(Duration::from_millis(200), flood[1].read(&mut [0; 64])).await;
    assert!(served.is_err() || served.unwrap().unwrap() > 0, "no more than one gives way");
}

/// As many as there are connections in all, and whoever says something is served.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn connections_that_say_nothing_take_nobodys_place() {
    let limits = ClientLimits { connections: 16, ..ClientLimits::DEFAULT };
    let (address, _) = served(limits).await;
    let mut silent = Vec::new();
    for number in 0..32 {
        silent.push(connected(&format!("127.0.0.{}", 2 + number % 4), address, b"").await);
    }
    for source in ["127.0.0.1", "127.0.0.2"] {
        let mut speaking = connected(source, address, HELLO).await;
        assert!(is_served(&mut speaking).await, "{source} is kept out");
    }
    assert!(is_closed(&mut silent[0]).await, "the oldest gave way");
}

/// What a connection may send unread is memory that nobody else counts.
#[tokio::test]
async fn a_connection_may_send_little_before_it_is_read() {
    let (address, _) = served(ClientLimits::DEFAULT).await;
    let mut connection = connected("127.0.0.1", address, HELLO).await;
    let (mut of_call, mut of_connection) = (None, None);
    while of_call.is_none() || of_connection.is_none() {
        let mut head = [0; 9];
        connection.read_exact(&mut head).await.unwrap();
        let mut payload = vec![0; usize::from(head[2]) + (usize::from(head[1]) << 8)];
        connection.read_exact(&mut payload).await.unwrap();
        let number = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().unwrap());
        match (head[3], head[4]) {
            // Settings, of which the fourth is a stream's window.
            (4, 0) => {
                let window = payload.chunks(6).find(|setting| setting[..2] == [0, 4]);
                of_call = window.map(|setting| number(&setting[2..]));
            }
            // More than the 65,535 that a connection begins with.
            (8, _) => of_connection = Some(65_535 + number(&payload)),
            _ => {}
        }
    }
    assert_eq!((of_call, of_connection), (Some(CALL_WINDOW), Some(CONNECTION_WINDOW)));
}
