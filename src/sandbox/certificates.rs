//! Development certificates for gRPC: an authority of a network's own, and what it signed. Not for production: the
//! authority's key lies beside them.
//!
//! ```text
//! DIR/tls/{authority.crt, authority.key}           whom everybody here believes
//! DIR/nodes/validator-1/{node.crt, node.key}       for localhost, 127.0.0.1 and ::1
//! DIR/participants/issuer/{client.crt, client.key} what an institution presents to a node
//! ```
//!
//! Keys are ECDSA P-256, which every TLS library takes. Certificates hold for two years from the day before they were made.

use super::testnet::{TestnetError, participant_directory, write_text};
use crate::client::Tls;
use crate::client::keys::write_new_private_file;
use jiff::{Timestamp, ToSpan as _, tz::TimeZone};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use std::path::{Path, PathBuf};

/// The names by which a node on this machine is called.
const LOCAL_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
/// The certificate of who may sign others.
pub const AUTHORITY: &str = "authority.crt";
const AUTHORITY_KEY: &str = "authority.key";
/// The participant whose certificate the sandbox itself presents.
pub const OPERATOR: &str = "operator";
/// What a node presents.
pub const NODE: [&str; 2] = ["node.crt", "node.key"];
/// What an institution presents to a node.
pub const CLIENT: [&str; 2] = ["client.crt", "client.key"];

/// Who signs a network's development certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Makes an authority, and writes it into the network's directory.
    ///
    /// # Errors
    /// There is one, or it cannot be written.
    pub fn create(directory: &Path) -> Result<Self, TestnetError> {
        let place = place_of(directory);
        std::fs::create_dir_all(&place).map_err(|cause| TestnetError::Unwritable { path: place.clone(), cause })?;
        let (params, key) = (authority_params()?, KeyPair::generate()?);
        write_key(&place.join(AUTHORITY_KEY), &key)?;
        write_text(&place.join(AUTHORITY), &params.self_signed(&key)?.pem())?;
        Ok(Self { issuer: Issuer::new(params, key) })
    }

    /// The authority of a network's directory, if it has one.
    ///
    /// # Errors
    /// It has, and its key cannot be read.
    pub fn read(directory: &Path) -> Result<Option<Self>, TestnetError> {
        let path = place_of(directory).join(AUTHORITY_KEY);
        match std::fs::read_to_string(&path) {
            Ok(pem) => Ok(Some(Self { issuer: Issuer::new(authority_params()?, KeyPair::from_pem(&pem)?) })),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(TestnetError::Unreadable { path, cause }),
        }
    }

    /// Writes a node's certificate and key into its directory.
    ///
    /// # Errors
    /// They are there, or cannot be written.
    pub fn sign_node(&self, directory: &Path) -> Result<(), TestnetError> {
        let name = directory.file_name().unwrap_or_default().to_string_lossy();
        self.sign(directory, NODE, &name, &LOCAL_NAMES, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// Writes what an institution presents into its directory.
    ///
    /// # Errors
    /// They are there, or cannot be written.
    pub fn sign_client(&self, directory: &Path) -> Result<(), TestnetError> {
        let name = directory.file_name().unwrap_or_default().to_string_lossy();
        self.sign(directory, CLIENT, &name, &[], ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn sign(
        &self,
        directory: &Path,
        [certificate, key_file]: [&str; 2],
        name: &str,
        called: &[&str],
        usage: ExtendedKeyUsagePurpose,
    ) -> Result<(), TestnetError> {
        let mut params = CertificateParams::new(called.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        dated(&mut params);
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages.push(usage);
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        write_key(&directory.join(key_file), &key)?;
        write_text(&directory.join(certificate), &params.signed_by(&key, &self.issuer)?.pem())
    }
}

/// How to call the nodes of a network's directory as one of its participants: with its development certificates, if it has
/// any.
///
/// # Errors
/// A file of them cannot be read.
pub fn tls_of(directory: &Path, participant: &str) -> Result<Option<Tls>, crate::client::ClientError> {
    if !are_in(directory) {
        return Ok(None);
    }
    let authority = place_of(directory).join(AUTHORITY);
    let [certificate, key] = CLIENT.map(|file| participant_directory(directory, participant).join(file));
    let presented = certificate.exists().then_some((certificate.as_path(), key.as_path()));
    Tls::read(&authority, presented).map(Some)
}

/// Whether a network's directory has development certificates.
pub fn are_in(directory: &Path) -> bool {
    place_of(directory).join(AUTHORITY).exists()
}

fn place_of(directory: &Path) -> PathBuf {
    directory.join("tls")
}

fn authority_params() -> Result<CertificateParams, TestnetError> {
    let mut params = CertificateParams::new(Vec::new())?;
    dated(&mut params);
    params.distinguished_name.push(DnType::CommonName, "Causeway development authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

/// Two years from yesterday on, so that a clock somewhat behind believes it today.
fn dated(params: &mut CertificateParams) {
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let day = |date: jiff::civil::Date| {
        date_time_ymd(date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs())
    };
    params.not_before = day(today.saturating_sub(1.day()));
    params.not_after = day(today.saturating_add(2.years()));
}

fn write_key(path: &Path, key: &KeyPair) -> Result<(), TestnetError> {
    let unwritable = |cause| TestnetError::Unwritable { path: path.to_path_buf(), cause };
    write_new_private_file(path, key.serialize_pem().as_bytes()).map_err(unwritable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::testnet::node_directory;

    #[test]
    fn an_authority_signs_again_after_it_was_read() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        assert!(Authority::read(directory.path()).expect("readable").is_none());
        let node = node_directory(directory.path(), 0);
        std::fs::create_dir_all(&node).expect("made");
        Authority::create(directory.path()).expect("made");
        assert!(Authority::create(directory.path()).is_err(), "an authority is never overwritten");
        let again = Authority::read(directory.path()).expect("readable").expect("there");
        again.sign_node(&node).expect("signed");
        assert!(again.sign_node(&node).is_err(), "a key is never overwritten");
        let read = |path: PathBuf| std::fs::read_to_string(path).expect("written");
        assert!(read(node.join(NODE[0])).starts_with("-----BEGIN CERTIFICATE-----"));
        assert!(read(node.join(NODE[1])).starts_with("-----BEGIN PRIVATE KEY-----"));
        assert!(
            tls_of(directory.path(), "nobody").expect("readable").is_some(),
            "who has no certificate still believes"
        );
    }
}
