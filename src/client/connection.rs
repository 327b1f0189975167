//! A connection to one node, and the statement of who reads.
//!
//! Reads of more than public facts carry metadata: the account, one of its keys, a time a little ahead, and the key's
//! signature over ledger, account, time and the method called. So a node answers whoever the ledger says may see, without
//! passwords or sessions, and a statement that leaks is good for one method for some minutes.

use super::error::{ClientError, first_cause};
use super::signer::{Signer, SigningPurpose};
use super::tls::Tls;
use super::transaction::now_ms;
use crate::primitives::{AccountId, ChainId};
use crate::wire::pb::{accounts, financing, governance, ledger, node, tokens, trade};
use std::error::Error;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tonic::body::Body;
use tonic::codegen::http::{HeaderName, HeaderValue, Request, Response};
use tonic::transport::{Channel, Endpoint, Uri};
use tower::Service;

/// How long a statement of who reads holds. Nodes accept up to five minutes.
const READ_STATEMENT_MS: u64 = 2 * 60 * 1000;
/// How long to wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How often an idle connection is probed, so that a dead node is noticed.
const KEEPALIVE: Duration = Duration::from_secs(20);
/// Largest answer: a page of a thousand, or a block's header with every id.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Who reads.
#[derive(Clone, Debug)]
pub struct Reader {
    /// The account.
    pub account: AccountId,
    /// One of its keys.
    pub key: Arc<dyn Signer>,
}

/// A channel on which each call carries a statement of who reads, if somebody does.
///
/// The statement is signed before the call is sent, by a signer that may be elsewhere. If it does not sign, the call fails with its
/// error and reaches no node.
#[derive(Clone, Debug)]
pub struct Authorized {
    channel: Channel,
    reader: Option<(Reader, ChainId)>,
}

type BoxError = Box<dyn Error + Send + Sync>;

impl Service<Request<Body>> for Authorized {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.channel.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        // The one that was asked whether it is ready is the one that is called.
        let ready = self.channel.clone();
        let mut channel = std::mem::replace(&mut self.channel, ready);
        let reader = self.reader.clone();
        Box::pin(async move {
            if let Some((reader, chain_id)) = &reader {
                state_who_reads(&mut request, reader, chain_id).await?;
            }
            Ok(channel.call(request).await?)
        })
    }
}

async fn state_who_reads(request: &mut Request<Body>, reader: &Reader, chain_id: &ChainId) -> Result<(), BoxError> {
    let expires_at_ms = now_ms().saturating_add(READ_STATEMENT_MS);
    let statement = read_statement(chain_id, &reader.account, expires_at_ms, request.uri().path());
    let signature = reader.key.sign(SigningPurpose::Read, &statement).await?;
    for (name, value) in [
        ("causeway-account", reader.account.to_string()),
        ("causeway-public-key", reader.key.public_key().to_string()),
        ("causeway-expires-ms", expires_at_ms.to_string()),
        ("causeway-signature", hex::encode(signature.0)),
    ] {
        request.headers_mut().insert(HeaderName::from_static(name), HeaderValue::try_from(value)?);
    }
    Ok(())
}

/// The bytes that are signed, in the namespace `causeway/read/v1`: ledger, account, time (`u64`, big-endian), method path.
pub fn read_statement(chain_id: &ChainId, account: &AccountId, expires_at_ms: u64, path: &str) -> Vec<u8> {
    let mut statement = Vec::with_capacity(72 + path.len());
    statement.extend_from_slice(chain_id.as_bytes());
    statement.extend_from_slice(account.as_bytes());
    statement.extend_from_slice(&expires_at_ms.to_be_bytes());
    statement.extend_from_slice(path.as_bytes());
    statement
}

/// One node, and who reads from it. Gives the services' clients as they were generated.
#[derive(Clone, Debug)]
pub struct Connection {
    /// The node's address.
    pub endpoint: String,
    pub(super) service: Authorized,
}

macro_rules! services {
    ($($(#[$doc:meta])* $name:ident: $client:ty;)*) => {$(
        $(#[$doc])*
        pub fn $name(&self) -> $client {
            <$client>::new(self.service.clone())
        }
    )*};
}

impl Connection {
    /// A connection that is made at the first call.
    ///
    /// # Errors
    /// The endpoint is no URL, or speaks TLS and there is none to speak it with.
    pub fn lazy(endpoint: &str, tls: Option<&Tls>) -> Result<Self, ClientError> {
        let malformed = || ClientError::Endpoint { endpoint: endpoint.to_owned() };
        let has_scheme = endpoint.starts_with("http://") || endpoint.starts_with("https://");
        if !has_scheme {
            return Err(malformed());
        }
        let mut channel = Endpoint::from_shared(endpoint.to_owned()).map_err(|_| malformed())?;
        if endpoint.starts_with("https://") {
            let tls = tls.ok_or_else(|| ClientError::TlsAuthorityMissing { endpoint: endpoint.to_owned() })?;
            let unusable = |error: tonic::transport::Error| ClientError::Tls { cause: first_cause(&error) };
            channel = channel.tls_config(tls.config()).map_err(unusable)?;
        }
        let channel = channel
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(KEEPALIVE)
            .keep_alive_while_idle(true)
            .connect_lazy();
        Ok(Self::over(endpoint, channel))
    }

    /// One over a channel that somebody has set up by rules of its own, such as who measures what a node bears.
    pub(crate) fn over(endpoint: &str, channel: Channel) -> Self {
        Self { endpoint: endpoint.to_owned(), service: Authorized { channel, reader: None } }
    }

    /// The same connection, read from as an account.
    #[must_use]
    pub fn reading_as(&self, reader: Reader, chain_id: ChainId) -> Self {
        let service = Authorized { channel: self.service.channel.clone(), reader: Some((reader, chain_id)) };
        Self { endpoint: self.endpoint.clone(), service }
    }

    /// Who reads over it, if somebody does.
    pub fn reader(&self) -> Option<&Reader> {
        self.service.reader.as_ref().map(|(reader, _)| reader)
    }

    /// Whether the node is on this machine: its address is a loopback's.
    pub fn is_on_this_machine(&self) -> bool {
        let uri: Option<Uri> = self.endpoint.parse().ok();
        let host = uri.as_ref().and_then(Uri::host).map(|host| host.trim_matches(['[', ']']));
        host.is_some_and(|host| host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback()))
    }

    /// The service that submits transactions and reads the ledger.
    pub fn ledger(&self) -> ledger::ledger_service_client::LedgerServiceClient<Authorized> {
        let service = self.service.clone();
        ledger::ledger_service_client::LedgerServiceClient::new(service).max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    services! {
        /// The service that tells how a node is.
        node: node::node_service_client::NodeServiceClient<Authorized>;
        /// The service that reads accounts and balances.
        accounts: accounts::accounts_service_client::AccountsServiceClient<Authorized>;
        /// The service that reads tokens, issuances and redemptions.
        tokens: tokens::tokens_service_client::TokensServiceClient<Authorized>;
        /// The service that reads receivables.
        trade: trade::trade_service_client::TradeServiceClient<Authorized>;
        /// The service that reads financing requests.
        financing: financing::financing_service_client::FinancingServiceClient<Authorized>;
        /// The service that reads lenders' books and rules.
        lending: financing::lending_service_client::LendingServiceClient<Authorized>;
        /// The service that tells who validates and who observes.
        governance: governance::governance_service_client::GovernanceServiceClient<Authorized>;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::KeyPair;
    use crate::primitives::crypto::READ_NAMESPACE;
    use crate::primitives::{PublicKey, Signature};

    #[tokio::test]
    async fn endpoints_are_urls() {
        assert!(Connection::lazy("http://127.0.0.1:7400", None).is_ok());
        let unbelieved = Connection::lazy("https://127.0.0.1:7400", None);
        assert!(matches!(unbelieved, Err(ClientError::TlsAuthorityMissing { .. })));
        for bad in ["", "127.0.0.1:7400", "ftp://x", "http://"] {
            assert!(Connection::lazy(bad, None).is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_node_is_on_this_machine_by_its_address() {
        let is_here = |endpoint| Connection::lazy(endpoint, None).expect("a URL").is_on_this_machine();
        assert!(["http://127.0.0.1:7400", "http://[::1]:7400", "http://localhost:7400"].into_iter().all(is_here));
        let others = ["http://10.0.0.1:7400", "http://127.0.0.1.example.com:7400", "http://[::2]:7400"];
        assert!(!others.into_iter().any(is_here));
    }

    #[tokio::test]
    async fn a_read_is_signed_for_its_method() {
        let reader = Reader { account: AccountId([5; 32]), key: Arc::new(KeyPair::from_seed(&[6; 32])) };
        let chain_id = ChainId([7; 32]);
        let path = "/causeway.accounts.v1.AccountsService/GetAccount";
        let mut request = Request::builder().uri(path).body(Body::empty()).expect("a request");
        state_who_reads(&mut request, &reader, &chain_id).await.expect("signed");
        let field = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).expect("set");
        let expires_at_ms: u64 = field("causeway-expires-ms").parse().expect("a number");
        let statement = read_statement(&chain_id, &reader.account, expires_at_ms, path);
        let key: PublicKey = field("causeway-public-key").parse().expect("a key");
        let signature = hex::decode(field("causeway-signature")).expect("hexadecimal");
        let signature = Signature(signature.try_into().expect("64 bytes"));
        assert!(key.verify(READ_NAMESPACE, &statement, &signature));
        assert!(expires_at_ms > now_ms());
    }
}
