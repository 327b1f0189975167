//! Where the keys of who signs are: in files, or at signers.

use super::failure::Failure;
use super::flags::Common;
use crate::client::{Credentials, KeyPlace, PassphraseSource, RemoteSigner, Signer, Tls};
use crate::primitives::PublicKey;
use std::sync::Arc;
use std::time::Duration;

/// A signer by its address, with this command's patience and certificates.
///
/// # Errors
/// It is no address, or a file of TLS cannot be read.
pub fn at(common: &Common, address: &str) -> Result<RemoteSigner, Failure> {
    let patience = Duration::from_secs(common.signer_timeout);
    let tls = if address.starts_with("unix:") { None } else { tls(common)? };
    Ok(RemoteSigner::at(address, tls.as_ref(), patience)?)
}

fn tls(common: &Common) -> Result<Option<Tls>, Failure> {
    let authority = common.signer_tls_authority.as_ref().or(common.tls_authority.as_ref());
    let own = common.signer_tls_certificate.as_deref().zip(common.signer_tls_key.as_deref());
    let presented = own.or_else(|| common.tls_certificate.as_deref().zip(common.tls_key.as_deref()));
    // A signer lets in nobody without a certificate, and says less of it than this.
    let read = authority.zip(presented).map(|(authority, presented)| Tls::read(authority, Some(presented)));
    Ok(read.transpose()?)
}

/// Keys at a signer: those that are named, or its only one.
///
/// # Errors
/// It does not answer, has not all of them, or has several of which none is named.
pub async fn keys_at(common: &Common, address: &str, named: &[PublicKey]) -> Result<Vec<Arc<dyn Signer>>, Failure> {
    let signer = at(common, address)?;
    let held = signer.public_keys().await?;
    if let Some(&public_key) = named.iter().find(|key| !held.contains(key)) {
        let address = address.to_owned();
        return Err(crate::client::SignerError::KeyUnknown { address, public_key }.into());
    }
    let chosen = match (named, &held[..]) {
        ([], [only]) => std::slice::from_ref(only),
        ([], _) => {
            let held: Vec<String> = held.iter().map(ToString::to_string).collect();
            let held = if held.is_empty() { "none".to_owned() } else { held.join(", ") };
            return Err(Failure::Usage(format!("say which key of the signer at {address} is meant; it has {held}")));
        }
        (named, _) => named,
    };
    Ok(chosen.iter().map(|key| Arc::new(signer.key(*key)) as Arc<dyn Signer>).collect())
}

/// One key at a signer.
///
/// # Errors
/// It does not answer, or does not have it.
pub async fn key_at(common: &Common, address: &str, public_key: PublicKey) -> Result<Arc<dyn Signer>, Failure> {
    let mut keys = keys_at(common, address, &[public_key]).await?;
    keys.pop().ok_or_else(|| Failure::Failed("the signer has no key".to_owned()))
}

/// A participant's key, where its directory says that it is.
///
/// # Errors
/// The key file does not open, or the signer's address is none.
pub fn key_of(
    common: &Common,
    participant: &Credentials,
    passphrase: Option<&PassphraseSource>,
) -> Result<Arc<dyn Signer>, Failure> {
    Ok(match &participant.place {
        KeyPlace::File { .. } => Arc::new(participant.open(passphrase)?),
        KeyPlace::Signer(address) => Arc::new(at(common, address)?.key(participant.public_key)),
    })
}

/// A co-signer's key: at this command's signer if that has it, else where its own directory says.
///
/// # Errors
/// Those of [`key_of`]; this command's signer does not answer.
pub async fn key_of_co_signer(common: &Common, participant: &Credentials) -> Result<Arc<dyn Signer>, Failure> {
    if let Some(address) = &common.signer {
        let signer = at(common, address)?;
        if signer.public_keys().await?.contains(&participant.public_key) {
            return Ok(Arc::new(signer.key(participant.public_key)));
        }
    }
    key_of(common, participant, None)
}
