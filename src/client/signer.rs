//! The port through which a client has its messages signed: by a key in memory, or by whoever holds the key elsewhere.
//!
//! A signer is asked for two kinds of messages and no others, each in a namespace of its own: transactions' bodies, and
//! statements of who reads. It may refuse, be away, or take its time, so asking is asynchronous and its errors say who refused.
//!
//! # Invariants
//! * What an implementation gives was made by the key that it names: one that asks somebody else verifies the answer.
//!
//! # Deliberately absent
//! Validators' keys. The engine signs votes at once and in memory; `docs/keys.md` says what another place would take.

use super::keys::KeyPair;
use crate::ledger::transaction::TransactionSignature;
use crate::primitives::crypto::{READ_NAMESPACE, TRANSACTION_NAMESPACE};
use crate::primitives::{PublicKey, Signature};
use std::fmt;
use std::time::Duration;
use thiserror::Error;

/// What a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigningPurpose {
    /// A transaction's body.
    Transaction,
    /// A statement of who reads: see [`read_statement`](super::read_statement).
    Read,
}

impl SigningPurpose {
    /// The namespace in which such a message is signed.
    pub fn namespace(self) -> &'static [u8] {
        match self {
            Self::Transaction => TRANSACTION_NAMESPACE,
            Self::Read => READ_NAMESPACE,
        }
    }
}

/// One key that signs, wherever it is.
#[tonic::async_trait]
pub trait Signer: fmt::Debug + Send + Sync {
    /// The public key.
    fn public_key(&self) -> PublicKey;

    /// How long signing may take, so that nobody takes a slow signer for a slow node.
    fn patience(&self) -> Duration {
        Duration::ZERO
    }

    /// Signs a message in its purpose's namespace.
    ///
    /// # Errors
    /// The key's holder is away, refuses, or answers with something else than a signature of this message by this key.
    async fn sign(&self, purpose: SigningPurpose, message: &[u8]) -> Result<Signature, SignerError>;
}

#[tonic::async_trait]
impl Signer for KeyPair {
    fn public_key(&self) -> PublicKey {
        self.public_key()
    }

    async fn sign(&self, purpose: SigningPurpose, message: &[u8]) -> Result<Signature, SignerError> {
        Ok(match purpose {
            SigningPurpose::Transaction => self.sign_transaction(message).signature,
            SigningPurpose::Read => self.sign_read(message),
        })
    }
}

/// A signer's signature of a transaction's body.
///
/// # Errors
/// Those of [`Signer::sign`].
pub(super) async fn sign_body(signer: &dyn Signer, body: &[u8]) -> Result<TransactionSignature, SignerError> {
    let signature = signer.sign(SigningPurpose::Transaction, body).await?;
    Ok(TransactionSignature { public_key: signer.public_key(), signature })
}

/// Why a signer did not sign. Nothing was sent to a node.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SignerError {
    /// Not an address of a signer.
    #[error("'{address}' is no signer's address; expected unix:/PATH of its socket, or https://HOST:PORT")]
    Address {
        /// What was given.
        address: String,
    },
    /// It is reached over TLS, and it was not said whom to believe and what to present.
    #[error(
        "the signer at {address} asks for a certificate: give --signer-tls-authority, --signer-tls-certificate and --signer-tls-key"
    )]
    TlsMissing {
        /// Where it is.
        address: String,
    },
    /// The certificates do not hold.
    #[error("the certificates for the signer at {address} do not hold: {cause}")]
    Tls {
        /// Where it is.
        address: String,
        /// What is wrong.
        cause: String,
    },
    /// Nobody listens there.
    #[error(
        "no signer answers at {address} ({cause}); nothing was sent. Start it (`causeway signer serve`), or correct --signer"
    )]
    Unreachable {
        /// Where it should be.
        address: String,
        /// What the operating system said.
        cause: String,
    },
    /// It went away while it was asked.
    #[error(
        "the signer at {address} went away while it was asked ({cause}); nothing was sent. Its log says more; then ask again"
    )]
    Lost {
        /// Where it was.
        address: String,
        /// What the connection said.
        cause: String,
    },
    /// It takes too long.
    #[error("the signer at {address} did not answer within {} s; nothing was sent. --signer-timeout gives it more", patience.as_secs())]
    Timeout {
        /// Where it is.
        address: String,
        /// How long it was waited for.
        patience: Duration,
    },
    /// It does not have the key.
    #[error(
        "the signer at {address} does not have the key {public_key}; `causeway signer keys --signer {address}` lists those that it has"
    )]
    KeyUnknown {
        /// Where it is.
        address: String,
        /// The key.
        public_key: PublicKey,
    },
    /// It knows what it was asked to sign, and does not sign it.
    #[error("the signer at {address} refuses: {message} ({reason}). Nothing was sent")]
    Refused {
        /// Where it is.
        address: String,
        /// The rule's stable name, as the signer gave it.
        reason: String,
        /// What was wrong.
        message: String,
    },
    /// What it gave is no signature of the message by the key.
    #[error(
        "the signer at {address} answered with a signature that is not by {public_key} over what it was asked to sign; nothing \
         was sent. Do not use it until it is known why"
    )]
    WrongSignature {
        /// Where it is.
        address: String,
        /// The key that was asked for.
        public_key: PublicKey,
    },
    /// Its answer makes no sense.
    #[error("the answer of the signer at {address} is not what the protocol says: {why}")]
    Malformed {
        /// Where it is.
        address: String,
        /// What is wrong.
        why: String,
    },
}

impl SignerError {
    /// The stable name, for programs: a refusal's is the signer's own.
    pub fn reason(&self) -> &str {
        match self {
            Self::Address { .. } => "SIGNER_ADDRESS_MALFORMED",
            Self::TlsMissing { .. } | Self::Tls { .. } => "SIGNER_TLS",
            Self::Unreachable { .. } => "SIGNER_UNREACHABLE",
            Self::Lost { .. } => "SIGNER_LOST",
            Self::Timeout { .. } => "SIGNER_TIMEOUT",
            Self::KeyUnknown { .. } => "KEY_UNKNOWN",
            Self::Refused { reason, .. } => reason,
            Self::WrongSignature { .. } => "SIGNER_SIGNATURE_WRONG",
            Self::Malformed { .. } => "SIGNER_ANSWER_MALFORMED",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_key_in_memory_signs_for_each_purpose_in_its_own_namespace() {
        let key = KeyPair::from_seed(&[7; 32]);
        for (purpose, other) in
            [(SigningPurpose::Transaction, SigningPurpose::Read), (SigningPurpose::Read, SigningPurpose::Transaction)]
        {
            let signature = Signer::sign(&key, purpose, b"message").await.expect("it is here");
            assert!(key.public_key().verify(purpose.namespace(), b"message", &signature));
            assert!(!key.public_key().verify(other.namespace(), b"message", &signature));
        }
    }
}
