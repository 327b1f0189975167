//! The gRPC service: who reaches it, within which bounds, and the line that each request leaves.

use super::keyring::{Asked, Keyring, Refusal, Refused};
use super::reading::Unreadable;
use crate::api::{ERROR_DOMAIN, KEEPALIVE_INTERVAL, KEEPALIVE_TIMEOUT, Patience, Placed};
use crate::client::now_ms;
use crate::ledger::limits::TRANSACTION_BYTES_MAX;
use crate::wire::pb::signer as pb;
use crate::wire::pb::signer::signer_service_server::{SignerService, SignerServiceServer};
use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::transport::server::{Server, TcpConnectInfo, TcpIncoming, TlsConnectInfo};
use tonic::transport::{Certificate, Identity, ServerTlsConfig};
use tonic::{Code, Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt as _};
use tracing::{info, warn};

/// Most connections at once.
const CONNECTIONS_MAX: usize = 64;
/// Most calls at once on one connection.
const CALLS_PER_CONNECTION_MAX: u32 = 16;
/// How long a call may take, with its request's arrival.
const CALL_TIME_MAX: Duration = Duration::from_secs(10);
/// Largest request: a transaction's body, and what stands around it.
const REQUEST_BYTES_MAX: usize = TRANSACTION_BYTES_MAX + 1_024;

/// Where a signer listens.
#[derive(Clone, Debug)]
pub enum Place {
    /// At a Unix socket that is made here.
    Socket {
        /// Its path.
        path: PathBuf,
        /// Whether the file's group may ask too, and not its owner alone.
        for_group: bool,
    },
    /// At an address, over TLS, for whoever presents a certificate.
    Address {
        /// The address.
        address: SocketAddr,
        /// The signer's certificate, its key, and the authority that signs those of its clients; all PEM.
        certificate: PathBuf,
        /// The certificate's key.
        key: PathBuf,
        /// The authority of the clients' certificates.
        authority: PathBuf,
    },
}

/// Why a signer does not serve.
#[derive(Debug, Error)]
pub enum ServeError {
    /// A signer listens there.
    #[error("another signer listens at {}: stop it, or choose another path", path.display())]
    Taken {
        /// The socket.
        path: PathBuf,
    },
    /// What stands there is no socket.
    #[error("{} exists and is no socket: choose another path", path.display())]
    NoSocket {
        /// The file.
        path: PathBuf,
    },
    /// The socket could not be made.
    #[error("the socket {} could not be made: {cause}", path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// What the operating system said.
        cause: io::Error,
    },
    /// The port could not be bound.
    #[error("no signer can listen at {address}: {cause}")]
    Port {
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        cause: io::Error,
    },
    /// A file of TLS that cannot be read.
    #[error("{} could not be read: {cause}", path.display())]
    TlsFile {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        cause: io::Error,
    },
    /// Certificates that do not hold, or a connection that broke the server.
    #[error("the signer's gRPC server failed: {}", crate::client::first_cause(.0))]
    Transport(#[from] tonic::transport::Error),
}

/// Signs for whoever reaches the place, until `shutdown` resolves and open calls have ended.
///
/// # Errors
/// The place cannot be had, or its certificates do not hold.
pub async fn serve(keyring: Keyring, place: &Place, shutdown: impl Future<Output = ()>) -> Result<(), ServeError> {
    let (keys, chain_id) = (keyring.public_keys().map(|key| key.to_string()).collect::<Vec<_>>(), keyring.chain_id());
    let server = Server::builder()
        .timeout(CALL_TIME_MAX)
        .max_concurrent_streams(CALLS_PER_CONNECTION_MAX)
        .concurrency_limit_per_connection(CALLS_PER_CONNECTION_MAX as usize)
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT));
    let service = SignerServiceServer::new(Service(keyring)).max_decoding_message_size(REQUEST_BYTES_MAX);
    let told = |place: &dyn std::fmt::Display| info!(%place, %chain_id, keys = keys.join(" "), "signing");
    match place {
        #[cfg(unix)]
        Place::Socket { path, for_group } => {
            let listener = socket::listen(path, *for_group)?;
            told(&format_args!("unix:{}", path.display()));
            let incoming = placed(tokio_stream::wrappers::UnixListenerStream::new(listener));
            let mut server = server;
            let served = server.add_service(service).serve_with_incoming_shutdown(incoming, shutdown).await;
            // Gone already is as good.
            let _ = std::fs::remove_file(path);
            served?;
        }
        #[cfg(not(unix))]
        Place::Socket { path, .. } => {
            let cause = io::Error::from(io::ErrorKind::Unsupported);
            return Err(ServeError::Socket { path: path.clone(), cause });
        }
        Place::Address { address, certificate, key, authority } => {
            let identity = Identity::from_pem(read(certificate)?, read(key)?);
            let tls = ServerTlsConfig::new().identity(identity).client_ca_root(Certificate::from_pem(read(authority)?));
            let mut server = server.tls_config(tls.timeout(Patience::DEFAULT.handshake))?;
            let port = |cause| ServeError::Port { address: *address, cause };
            let listener = tokio::net::TcpListener::bind(address).await.map_err(port)?;
            told(&format_args!("https://{}", listener.local_addr().map_err(port)?));
            let incoming = placed(TcpIncoming::from(listener).with_nodelay(Some(true)));
            server.add_service(service).serve_with_incoming_shutdown(incoming, shutdown).await?;
        }
    }
    info!("stopped");
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>, ServeError> {
    std::fs::read(path).map_err(|cause| ServeError::TlsFile { path: path.to_path_buf(), cause })
}

/// Those of the connections for which there are places; others are closed as they are made.
fn placed<S>(
    incoming: impl Stream<Item = io::Result<S>>,
) -> impl Stream<Item = io::Result<Placed<S, OwnedSemaphorePermit>>> {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    incoming.filter_map(move |connection| {
        let placed = match connection {
            Ok(stream) => {
                places.clone().try_acquire_owned().ok().map(|place| Ok(Placed::new(stream, place, Patience::DEFAULT)))
            }
            Err(cause) => Some(Err(cause)),
        };
        if placed.is_none() {
            warn!("a connection was closed: {CONNECTIONS_MAX} are open");
        }
        async move { placed }
    })
}

#[cfg(unix)]
mod socket {
    //! The signer's place on its machine.

    use super::ServeError;
    use crate::storage::private_socket;
    use std::os::unix::fs::FileTypeExt as _;
    use std::os::unix::net::UnixStream;
    use std::path::Path;
    use tokio::net::UnixListener;

    pub fn listen(path: &Path, for_group: bool) -> Result<UnixListener, ServeError> {
        make_way(path)?;
        let listener = private_socket(path, if for_group { 0o660 } else { 0o600 });
        let listener = listener.and_then(UnixListener::from_std);
        listener.map_err(|cause| ServeError::Socket { path: path.to_path_buf(), cause })
    }

    /// What a signer that was killed left behind is in the way of none.
    fn make_way(path: &Path) -> Result<(), ServeError> {
        let Ok(found) = std::fs::symlink_metadata(path) else { return Ok(()) };
        let path = path.to_path_buf();
        if !found.file_type().is_socket() {
            return Err(ServeError::NoSocket { path });
        }
        match UnixStream::connect(&path) {
            Ok(_) => Err(ServeError::Taken { path }),
            Err(_) => Ok(()),
        }
    }
}

struct Service(Keyring);

#[tonic::async_trait]
impl SignerService for Service {
    async fn list_public_keys(
        &self,
        _: Request<pb::ListPublicKeysRequest>,
    ) -> Result<Response<pb::ListPublicKeysResponse>, Status> {
        let public_keys = self.0.public_keys().map(|key| Bytes::copy_from_slice(&key.0)).collect();
        Ok(Response::new(pb::ListPublicKeysResponse { public_keys }))
    }

    async fn sign(&self, request: Request<pb::SignRequest>) -> Result<Response<pb::SignResponse>, Status> {
        let by = asker(&request);
        let asked = Asked::try_from(request.into_inner()).map_err(|refusal| {
            warn!(%by, reason = refusal.name(), "refused: {refusal}");
            status(&refusal)
        })?;
        let key = asked.public_key;
        match self.0.sign(&asked, now_ms()) {
            Ok((meaning, signature)) => {
                info!(%by, %key, what = %meaning, "signed");
                Ok(Response::new(pb::SignResponse { signature: Bytes::copy_from_slice(&signature.0) }))
            }
            Err(refused) => {
                let Refused { refusal, meaning } = *refused;
                let what = meaning.map_or_else(|| format!("{} bytes", asked.message.len()), |found| found.to_string());
                warn!(%by, %key, %what, reason = refusal.name(), "refused: {refusal}");
                Err(status(&refusal))
            }
        }
    }
}

/// Who asks, as far as the connection tells.
fn asker<T>(request: &Request<T>) -> String {
    let extensions = request.extensions();
    #[cfg(unix)]
    if let Some(peer) = extensions.get::<tonic::transport::server::UdsConnectInfo>().and_then(|info| info.peer_cred) {
        return match peer.pid() {
            Some(process) => format!("user {}, process {process}", peer.uid()),
            None => format!("user {}", peer.uid()),
        };
    }
    let tls = extensions.get::<TlsConnectInfo<TcpConnectInfo>>().and_then(|info| info.get_ref().remote_addr());
    tls.map_or_else(|| "somebody".to_owned(), |address| address.to_string())
}

fn status(refusal: &Refusal) -> Status {
    let code = match refusal {
        Refusal::KeyUnknown(_) => Code::NotFound,
        Refusal::KeyMalformed { .. }
        | Refusal::PurposeUnknown
        | Refusal::Unreadable(Unreadable::Transaction(_) | Unreadable::Read(_))
        | Refusal::ForeignChain { .. }
        | Refusal::ExpiryTooFar { .. } => Code::InvalidArgument,
        Refusal::ReadsNotAllowed(_)
        | Refusal::OperationNotAllowed { .. }
        | Refusal::AmountNotAllowed { .. }
        | Refusal::UnnamedAmountNotAllowed { .. } => Code::PermissionDenied,
    };
    let details = ErrorDetails::with_error_info(refusal.name(), ERROR_DOMAIN, []);
    Status::with_error_details(code, refusal.to_string(), details)
}
