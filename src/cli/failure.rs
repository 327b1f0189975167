//! How a command fails: one line that says what happened and what to do, and an exit code. With `--output json` the line is a
//! JSON object on standard error: `error` says what happened, `reason` is the stable name of a node's or a signer's refusal and
//! `hint` what to do about it, where there is one. A decline is no failure of this kind: it is an answer, on standard output.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | failed: nobody answers, refused, not signed, a file is missing, a receipt does not verify |
//! | 2 | the command line itself is wrong |
//! | 3 | the ledger declined the transaction; its receipt says why |
//! | 4 | a transaction was sent, and nobody said what became of it: it may still happen until it expires |

use crate::bench::BenchError;
#[cfg(unix)]
use crate::bench::peers::PeersError;
use crate::client::decimal::DecimalError;
use crate::client::lineage::LineageError;
use crate::client::receipt_file::ReceiptFileError;
use crate::client::ubl::UblError;
use crate::client::{ClientError, KeyFileError, ParticipantError, PassphraseError, Refusal, SignerError};
use crate::daemon::DaemonError;
use crate::daemon::snapshots::SnapshotError;
use crate::execution::genesis::GenesisError;
use crate::ledger::receipt::ReceiptError;
use crate::node::ConfigError;
use crate::primitives::ids::ParseIdError;
use crate::primitives::{BlockTime, TransactionId};
use crate::sandbox::SandboxError;
use crate::sandbox::testnet::TestnetError;
use crate::signer::{PolicyError, ServeError};
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;
use thiserror::Error;

/// Why a command did not do what it was asked.
#[derive(Debug, Error)]
pub enum Failure {
    /// The command line is wrong.
    #[error("{0}")]
    Usage(String),
    /// Something failed.
    #[error("{0}")]
    Failed(String),
    /// A transaction was sent, and nobody said what became of it.
    #[error("{error}")]
    OutcomeUnknown {
        /// What is known, and how to learn the rest.
        error: String,
        /// The transaction.
        transaction: TransactionId,
        /// Until when it may still become final.
        expires_at: BlockTime,
    },
    /// A node refused.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// Whoever holds a key did not sign. Nothing was sent.
    #[error("{0}")]
    Unsigned(Box<SignerError>),
    /// The ledger declined, and was printed.
    #[error("declined")]
    Declined,
}

impl Failure {
    /// A file that could not be read or written.
    pub fn file(path: &Path, cause: &std::io::Error) -> Self {
        let why = match cause.kind() {
            std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
            std::io::ErrorKind::IsADirectory => "it is a directory: name a file".to_owned(),
            std::io::ErrorKind::PermissionDenied => "permission denied: you may not read or write it".to_owned(),
            _ => crate::sandbox::testnet::explain_io(cause),
        };
        Self::Failed(format!("{}: {why}", path.display()))
    }

    /// Why a transaction that was sent came to no answer. Where it may still happen, the failure says until when.
    pub fn of_submission(id: TransactionId, expires_at: BlockTime, error: ClientError) -> Self {
        let waited = match &error {
            ClientError::OutcomeUnknown { waited, cause, .. } => format!("after {} s ({cause})", waited.as_secs()),
            ClientError::Malformed(cause) => format!("by an answer that the node gave ({cause})"),
            _ => return error.into(),
        };
        Self::OutcomeUnknown {
            error: format!(
                "what became of transaction {id} is not known {waited}. It may still become final until {expires_at}, and \
                 never after. Look with `causeway transaction {id}`; to pay again before then may pay twice"
            ),
            transaction: id,
            expires_at,
        }
    }

    /// The failure as programs read it, in one line.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Usage(error) | Self::Failed(error) => json!({ "error": error }),
            Self::OutcomeUnknown { error, transaction, expires_at } => json!({
                "error": error,
                "reason": "OUTCOME_UNKNOWN",
                "transaction_id": transaction.to_string(),
                "expires_at_ms": expires_at.0,
            }),
            Self::Refused(refusal) => {
                json!({ "error": refusal.statement(), "reason": refusal.reason, "hint": refusal.hint() })
            }
            Self::Unsigned(error) => json!({ "error": error.to_string(), "reason": error.reason() }),
            Self::Declined => json!({ "error": "declined" }),
        }
    }

    /// The exit code.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Failed(_) | Self::Refused(_) | Self::Unsigned(_) => 1,
            Self::Usage(_) => 2,
            Self::Declined => 3,
            Self::OutcomeUnknown { .. } => 4,
        })
    }
}

macro_rules! failures {
    ($($variant:ident: $($error:ty),*;)*) => {$($(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::$variant(error.to_string())
            }
        }
    )*)*};
}
failures! {
    Usage: DecimalError, ParseIdError;
    Failed: KeyFileError, LineageError, ParticipantError, PassphraseError, ReceiptFileError, UblError, GenesisError, ReceiptError,
        ConfigError, DaemonError, PolicyError, ServeError, SnapshotError, std::io::Error;
}

impl From<TestnetError> for Failure {
    fn from(error: TestnetError) -> Self {
        match error {
            TestnetError::ValidatorCount(_) | TestnetError::Ports(_) => Self::Usage(error.to_string()),
            _ => Self::Failed(error.to_string()),
        }
    }
}

impl From<SandboxError> for Failure {
    fn from(error: SandboxError) -> Self {
        match error {
            SandboxError::Testnet(error) => error.into(),
            SandboxError::OtherNetwork { .. } => Self::Usage(error.to_string()),
            _ => Self::Failed(error.to_string()),
        }
    }
}

#[cfg(unix)]
impl From<PeersError> for Failure {
    fn from(error: PeersError) -> Self {
        match error {
            PeersError::Bench(error) => error.into(),
            _ => Self::Failed(error.to_string()),
        }
    }
}

impl From<BenchError> for Failure {
    fn from(error: BenchError) -> Self {
        match error {
            BenchError::Network(error) => error.into(),
            BenchError::Client(error) => error.into(),
            BenchError::Plan(why) => Self::Usage(why),
            _ => Self::Failed(error.to_string()),
        }
    }
}

impl From<SignerError> for Failure {
    fn from(error: SignerError) -> Self {
        match error {
            SignerError::Address { .. } => Self::Usage(error.to_string()),
            error => Self::Unsigned(Box::new(error)),
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Request(_) | ClientError::Endpoint { .. } => Self::Usage(error.to_string()),
            ClientError::Refused(refusal) => Self::Refused(refusal),
            ClientError::Signer(error) => error.into(),
            _ => Self::Failed(error.to_string()),
        }
    }
}
