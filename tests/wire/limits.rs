//! What one client may ask of a node, over the wire.

use super::stand_in::StandIn;
use causeway::api::{ClientLimits, Patience, ServerConfig, serve};
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

#[tokio::test]
async fn past_the_bound_a_connection_is_closed_as_it_is_made() {
    let limits = ClientLimits { connections: 2, ..ClientLimits::DEFAULT };
    let (address, metrics) = served(limits).await;
    let first = TcpStream::connect(address).await.unwrap();
    let _second = TcpStream::connect(address).await.unwrap();
    let refused = |metrics: &NodeMetrics| metrics.refused_connections.get();
    let mut third = TcpStream::connect(address).await.unwrap();
    // Closed, or reset: nothing comes but the end.
    assert_eq!(third.read(&mut [0; 64]).await.unwrap_or(0), 0);
    assert_eq!(refused(&metrics), 1);
    drop(first);
    // Its place comes back when the node has noticed.
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let mut next = TcpStream::connect(address).await.unwrap();
        // The server speaks first: its settings.
        if next.read(&mut [0; 64]).await.unwrap_or(0) > 0 {
            break;
        }
        assert!(Instant::now() < deadline, "the place did not come back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
