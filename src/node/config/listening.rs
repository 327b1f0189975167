//! Where a node listens, and whom it lets in there.
//!
//! # Invariants
//! * Off the loopback, gRPC is encrypted unless the file says in so many words that it is not; and clients present certificates of an
//!   authority unless the file says in so many words that anyone may call.

use serde::Deserialize;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Where the node listens.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// For clients.
    pub grpc: SocketAddr,
    /// For other nodes.
    pub p2p: SocketAddr,
    /// For Prometheus; not served if absent.
    pub metrics: Option<SocketAddr>,
    /// Whether gRPC may go unencrypted off the loopback.
    #[serde(default)]
    pub allow_plaintext: bool,
}

/// Certificates for gRPC, in PEM.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The node's certificate chain.
    pub certificate: PathBuf,
    /// Its private key.
    pub private_key: PathBuf,
    /// The authority whose certificates clients must present.
    pub client_authority: Option<PathBuf>,
    /// Whether anyone may call off the loopback, where there is no such authority.
    #[serde(default)]
    pub allow_any_client: bool,
}

impl Listen {
    /// Holds them to the invariants. Gives the key that is wrong, and why.
    pub(super) fn check(&self, tls: Option<&Tls>) -> Result<(), (&'static str, String)> {
        let is_reached = !self.grpc.ip().is_loopback();
        match tls {
            None if is_reached && !self.allow_plaintext => Err((
                "listen.grpc",
                "clients off this machine would talk to the node unencrypted. Configure [tls], or say \
                 listen.allow_plaintext = true where something in front of the node encrypts"
                    .into(),
            )),
            Some(Tls { client_authority: None, allow_any_client: false, .. }) if is_reached => Err((
                "tls.client_authority",
                format!(
                    "whoever reaches {} could call, without a certificate. Name the authority that signs those of clients, or say \
                     tls.allow_any_client = true where anyone may",
                    self.grpc
                ),
            )),
            Some(Tls { client_authority: Some(_), allow_any_client: true, .. }) => Err((
                "tls.allow_any_client",
                "tls.client_authority is set too, and lets in only whoever presents a certificate; keep one of them"
                    .into(),
            )),
            _ => Ok(()),
        }
    }
}
