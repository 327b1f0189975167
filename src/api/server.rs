//! The server: every service on one port, with health, reflection, deadlines and limits.

use super::accounts::Accounts;
use super::call::CallLayer;
use super::clients::{ClientLimits, Clients, FORGET_EVERY};
use super::connections::{Connections, KEEPALIVE_INTERVAL, KEEPALIVE_TIMEOUT, Patience};
use super::financing::Financing;
use super::governance::Governance;
use super::ledger::Ledger;
use super::lending::Lending;
use super::node::Node;
use super::streams::StreamPlaces;
use super::tokens::Tokens;
use super::trade::Trade;
use crate::node::NodeMetrics;
use crate::node::service::LedgerHandle;
use crate::wire::pb;
use crate::wire::pb::accounts::accounts_service_server::AccountsServiceServer;
use crate::wire::pb::financing::financing_service_server::FinancingServiceServer;
use crate::wire::pb::financing::lending_service_server::LendingServiceServer;
use crate::wire::pb::governance::governance_service_server::GovernanceServiceServer;
use crate::wire::pb::ledger::ledger_service_server::LedgerServiceServer;
use crate::wire::pb::node::node_service_server::NodeServiceServer;
use crate::wire::pb::tokens::tokens_service_server::TokensServiceServer;
use crate::wire::pb::trade::trade_service_server::TradeServiceServer;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::net::TcpListener;
use tonic::server::NamedService;
use tonic::transport::ServerTlsConfig;
use tonic::transport::server::{Server, TcpIncoming};
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use tonic_reflection::server::Builder as Reflection;

/// Largest request message: a `SubmitStream` message with 64 of the largest bodies, or a thousand payments.
pub const REQUEST_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Largest answer: a receipt with every handover that it may carry.
pub const RESPONSE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Most calls at once on one connection.
pub const STREAMS_PER_CONNECTION_MAX: u32 = 1_024;

/// What a connection may send before the node reads on: it is kept, and counted by nobody but HTTP/2.
pub const CONNECTION_WINDOW: u32 = 256 * 1024;
/// The same of a call, so that one which the node does not read on leaves the connection's others room.
pub const CALL_WINDOW: u32 = 128 * 1024;

/// How often the health service looks whether the node serves.
const HEALTH_INTERVAL: Duration = Duration::from_millis(200);
/// The name under which the health service says SERVING as long as the process answers at all.
const LIVE: &str = "live";

/// What a node serves of this package's services.
pub const SERVICES: [&str; 8] = [
    LedgerServiceServer::<Ledger>::NAME,
    AccountsServiceServer::<Accounts>::NAME,
    TokensServiceServer::<Tokens>::NAME,
    TradeServiceServer::<Trade>::NAME,
    FinancingServiceServer::<Financing>::NAME,
    LendingServiceServer::<Lending>::NAME,
    GovernanceServiceServer::<Governance>::NAME,
    NodeServiceServer::<Node>::NAME,
];
/// And of others'.
const SERVICES_BESIDES: [&str; 3] =
    ["grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"];

/// How to serve.
#[derive(Clone, Debug, Default)]
pub struct ServerConfig {
    /// Certificates; none for plain text, which is for the loopback only.
    pub tls: Option<ServerTlsConfig>,
    /// What a client may ask for.
    pub clients: ClientLimits,
    /// How long a connection may be silent, and a stream unread.
    pub patience: Patience,
    /// Where it is counted what was refused.
    pub metrics: NodeMetrics,
}

/// Why serving failed.
#[derive(Debug, Error)]
pub enum ServeError {
    /// Certificates that do not fit, or a connection that broke the server.
    #[error("the gRPC server failed: {0}")]
    Transport(#[from] tonic::transport::Error),
    /// The descriptors that are built in do not decode.
    #[error("the built-in descriptors are broken: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// Serves every service on the listener until `shutdown` resolves and open calls have ended.
///
/// # Errors
/// Broken certificates or a broken listener.
pub async fn serve(
    listener: TcpListener,
    ledger: Arc<dyn LedgerHandle>,
    config: ServerConfig,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    // Without this a call takes 40 ms more: Nagle's algorithm waits for the client's delayed acknowledgement.
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let (reporter, health) = tonic_health::server::health_reporter();
    let watch = tokio::spawn(report_health(reporter, ledger.clone()));
    let clients = Clients::new(config.clients, config.metrics.clone());
    let connections = Connections::new(config.clients, config.metrics);
    let forgetting = tokio::spawn(forget_the_idle(clients.clone(), connections.clone()));
    let incoming = connections.placed(incoming, config.patience);
    let mut server = Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .initial_connection_window_size(CONNECTION_WINDOW)
        .initial_stream_window_size(CALL_WINDOW)
        .max_concurrent_streams(STREAMS_PER_CONNECTION_MAX);
    if let Some(tls) = config.tls {
        server = server.tls_config(tls.timeout(config.patience.handshake))?;
    }
    macro_rules! limited {
        ($server:ident($service:expr)) => {
            $server::new($service)
                .max_decoding_message_size(REQUEST_BYTES_MAX)
                .max_encoding_message_size(RESPONSE_BYTES_MAX)
        };
    }
    let served = server
        .layer(CallLayer(clients))
        .add_service(limited!(LedgerServiceServer(Ledger {
            node: ledger.clone(),
            streams: StreamPlaces::default(),
            patience: config.patience.reader,
        })))
        .add_service(limited!(AccountsServiceServer(Accounts(ledger.clone()))))
        .add_service(limited!(TokensServiceServer(Tokens(ledger.clone()))))
        .add_service(limited!(TradeServiceServer(Trade(ledger.clone()))))
        .add_service(limited!(FinancingServiceServer(Financing(ledger.clone()))))
        .add_service(limited!(LendingServiceServer(Lending(ledger.clone()))))
        .add_service(limited!(GovernanceServiceServer(Governance(ledger.clone()))))
        .add_service(limited!(NodeServiceServer(Node(ledger))))
        .add_service(health)
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?)
        .serve_with_incoming_shutdown(incoming, shutdown)
        .await;
    watch.abort();
    forgetting.abort();
    Ok(served?)
}

async fn forget_the_idle(clients: Clients, connections: Connections) {
    loop {
        tokio::time::sleep(FORGET_EVERY).await;
        clients.forget_the_idle();
        connections.forget_the_idle();
    }
}

/// Of the services whose descriptors are built in those that a node serves.
fn reflection() -> Reflection<'static> {
    let reflection = Reflection::configure()
        .register_encoded_file_descriptor_set(pb::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET);
    let served = SERVICES.into_iter().chain(SERVICES_BESIDES);
    served.fold(reflection, |reflection, service| reflection.with_service_name(service))
}

/// Keeps the health service in step with the node: `live` always, everything else while the node serves and its ledger
/// moves. Who balances load by it goes to a node that is on the side of a quorum, if there is one.
async fn report_health(reporter: HealthReporter, ledger: Arc<dyn LedgerHandle>) {
    reporter.set_service_status(LIVE, ServingStatus::Serving).await;
    let mut reported = None;
    loop {
        let node = ledger.status();
        let serving = node.serving && !node.stands_still;
        if reported != Some(serving) {
            let status = if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
            for service in [""].into_iter().chain(SERVICES) {
                reporter.set_service_status(service, status).await;
            }
            reported = Some(serving);
        }
        tokio::time::sleep(HEALTH_INTERVAL).await;
    }
}
