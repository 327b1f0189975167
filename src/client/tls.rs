//! TLS to a node: whose certificate to believe, and which to present where a node asks for one.

use super::error::ClientError;
use std::fmt;
use std::path::Path;
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

/// How to speak TLS.
#[derive(Clone)]
pub struct Tls(ClientTlsConfig);

impl fmt::Debug for Tls {
    /// Without keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

impl Tls {
    /// Believes the nodes whose certificates this authority signed (PEM).
    pub fn believing(authority: &[u8]) -> Self {
        Self(ClientTlsConfig::new().ca_certificate(Certificate::from_pem(authority)))
    }

    /// Presents this certificate, with its key (both PEM), to nodes that ask for one.
    #[must_use]
    pub fn presenting(self, certificate: &[u8], key: &[u8]) -> Self {
        Self(self.0.identity(Identity::from_pem(certificate, key)))
    }

    /// The same, from files.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn read(authority: &Path, presented: Option<(&Path, &Path)>) -> Result<Self, ClientError> {
        let read =
            |path: &Path| std::fs::read(path).map_err(|cause| ClientError::TlsFile { path: path.to_path_buf(), cause });
        let tls = Self::believing(&read(authority)?);
        match presented {
            Some((certificate, key)) => Ok(tls.presenting(&read(certificate)?, &read(key)?)),
            None => Ok(tls),
        }
    }

    pub(super) fn config(&self) -> ClientTlsConfig {
        self.0.clone()
    }
}
