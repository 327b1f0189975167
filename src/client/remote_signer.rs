//! A signer in another process: over a Unix socket of this machine, or over TLS with certificates on both sides. It speaks
//! `causeway.signer.v1`, and may stand in front of a hardware module.
//!
//! # Invariants
//! * A signature is verified before anyone gets it: what a signer gets wrong is told as the signer's fault, and never as a
//!   node's refusal.
//! * A call ends within the patience that was given.
//! * No connection in plain text leaves this process: whoever reaches a signer's port could have things signed.

use super::error::{cause_of, first_cause, is_from_connecting, is_transport};
use super::signer::{Signer, SignerError, SigningPurpose};
use super::tls::Tls;
use crate::primitives::{PublicKey, Signature};
use crate::wire::pb::signer as pb;
use crate::wire::pb::signer::signer_service_client::SignerServiceClient;
use bytes::Bytes;
use std::future::Future;
use std::time::Duration;
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Response, Status};
use tonic_types::StatusExt as _;

/// How long a signer is waited for if nothing else is said.
pub const SIGNER_PATIENCE_DEFAULT: Duration = Duration::from_secs(10);
/// Most keys that a signer may list.
const KEYS_MAX: usize = 1_024;
/// How long to wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// A signer in another process.
#[derive(Clone, Debug)]
pub struct RemoteSigner {
    address: String,
    service: SignerServiceClient<Channel>,
    patience: Duration,
}

impl RemoteSigner {
    /// A signer by its address, `unix:/PATH` or `https://HOST:PORT`. The connection is made at the first call.
    ///
    /// # Errors
    /// It is no address, or speaks TLS and there is none to speak it with.
    pub fn at(address: &str, tls: Option<&Tls>, patience: Duration) -> Result<Self, SignerError> {
        let is_socket = address.starts_with("unix:");
        let malformed = || SignerError::Address { address: address.to_owned() };
        let is_address = match is_socket {
            true => !address.trim_start_matches("unix:").trim_start_matches("//").is_empty(),
            false => address.starts_with("https://"),
        };
        if !is_address {
            return Err(malformed());
        }
        let mut endpoint = Endpoint::from_shared(address.to_owned()).map_err(|_| malformed())?;
        if !is_socket {
            let tls = tls.ok_or_else(|| SignerError::TlsMissing { address: address.to_owned() })?;
            let unusable = |error: tonic::transport::Error| SignerError::Tls {
                address: address.to_owned(),
                cause: first_cause(&error),
            };
            endpoint = endpoint.tls_config(tls.config()).map_err(unusable)?;
        }
        let channel = endpoint.connect_timeout(CONNECT_TIMEOUT).tcp_nodelay(true).connect_lazy();
        Ok(Self { address: address.to_owned(), service: SignerServiceClient::new(channel), patience })
    }

    /// Where it is.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The keys that it signs with.
    ///
    /// # Errors
    /// It does not answer, or not as the protocol says.
    pub async fn public_keys(&self) -> Result<Vec<PublicKey>, SignerError> {
        let mut service = self.service.clone();
        let listed = self.answered(service.list_public_keys(pb::ListPublicKeysRequest {}), None).await?.public_keys;
        if listed.len() > KEYS_MAX {
            return Err(self.malformed(format!("it lists {} keys, at most {KEYS_MAX} are allowed", listed.len())));
        }
        let key = |bytes: &Bytes| <[u8; 32]>::try_from(&bytes[..]).map(PublicKey);
        let keys: Result<Vec<PublicKey>, _> = listed.iter().map(key).collect();
        keys.map_err(|_| self.malformed("a public key is not 32 bytes".to_owned()))
    }

    /// One of its keys. Whether it has it shows when it is asked to sign.
    pub fn key(&self, public_key: PublicKey) -> RemoteKey {
        RemoteKey { signer: self.clone(), public_key }
    }

    /// What a call comes to, within the signer's patience.
    async fn answered<T>(
        &self,
        call: impl Future<Output = Result<Response<T>, Status>>,
        asked_for: Option<PublicKey>,
    ) -> Result<T, SignerError> {
        let address = self.address.clone();
        let Ok(answer) = timeout(self.patience, call).await else {
            return Err(SignerError::Timeout { address, patience: self.patience });
        };
        answer.map(Response::into_inner).map_err(|status| {
            let reason = status.get_details_error_info().map(|info| info.reason).unwrap_or_default();
            match asked_for {
                _ if is_from_connecting(&status) => SignerError::Unreachable { address, cause: cause_of(&status) },
                _ if is_transport(&status) => SignerError::Lost { address, cause: cause_of(&status) },
                // Its own bound on a call, whichever comes first.
                _ if matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled) => {
                    SignerError::Timeout { address, patience: self.patience }
                }
                Some(public_key) if status.code() == Code::NotFound => SignerError::KeyUnknown { address, public_key },
                _ => {
                    let reason = if reason.is_empty() { format!("{:?}", status.code()) } else { reason };
                    let message = status.message().trim_end_matches('.').to_owned();
                    SignerError::Refused { address, reason, message }
                }
            }
        })
    }

    fn malformed(&self, why: String) -> SignerError {
        SignerError::Malformed { address: self.address.clone(), why }
    }
}

/// A key that a signer in another process holds.
#[derive(Clone, Debug)]
pub struct RemoteKey {
    signer: RemoteSigner,
    public_key: PublicKey,
}

#[tonic::async_trait]
impl Signer for RemoteKey {
    fn public_key(&self) -> PublicKey {
        self.public_key
    }

    fn patience(&self) -> Duration {
        self.signer.patience
    }

    async fn sign(&self, purpose: SigningPurpose, message: &[u8]) -> Result<Signature, SignerError> {
        let mut service = self.signer.service.clone();
        let request = pb::SignRequest {
            public_key: Bytes::copy_from_slice(&self.public_key.0),
            purpose: purpose_to_pb(purpose).into(),
            message: Bytes::copy_from_slice(message),
        };
        let answer = self.signer.answered(service.sign(request), Some(self.public_key)).await?;
        let signature = <[u8; 64]>::try_from(&answer.signature[..]).map(Signature);
        let signature = signature.map_err(|_| self.signer.malformed("a signature is not 64 bytes".to_owned()))?;
        if !self.public_key.verify(purpose.namespace(), message, &signature) {
            let (address, public_key) = (self.signer.address.clone(), self.public_key);
            return Err(SignerError::WrongSignature { address, public_key });
        }
        Ok(signature)
    }
}

fn purpose_to_pb(purpose: SigningPurpose) -> pb::SigningPurpose {
    match purpose {
        SigningPurpose::Transaction => pb::SigningPurpose::Transaction,
        SigningPurpose::Read => pb::SigningPurpose::Read,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_signer_has_a_socket_or_speaks_tls() {
        let at = |address: &str| RemoteSigner::at(address, None, SIGNER_PATIENCE_DEFAULT);
        for good in ["unix:/run/signer.sock", "unix:///run/signer.sock", "unix:signer.sock"] {
            assert_eq!(at(good).expect("an address").address(), good);
        }
        for bad in ["", "unix:", "unix://", "/run/signer.sock", "http://127.0.0.1:7700", "https://"] {
            assert!(matches!(at(bad), Err(SignerError::Address { .. } | SignerError::TlsMissing { .. })), "{bad}");
        }
        assert!(matches!(at("https://127.0.0.1:7700"), Err(SignerError::TlsMissing { .. })));
    }

    #[tokio::test]
    async fn a_signer_that_is_not_there_is_said_not_to_be() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let address = format!("unix:{}", directory.path().join("none.sock").display());
        let signer = RemoteSigner::at(&address, None, SIGNER_PATIENCE_DEFAULT).expect("an address");
        let error = signer.public_keys().await.expect_err("nobody listens");
        assert!(matches!(error, SignerError::Unreachable { .. }), "{error:?}");
        assert!(error.to_string().contains(&address) && error.to_string().contains("signer serve"), "{error}");
    }
}
