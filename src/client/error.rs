//! What can go wrong between a client and the ledger, in sentences that say what to do.

use super::signer::SignerError;
use crate::primitives::{ChainId, TransactionId};
use std::path::PathBuf;
use std::time::Duration;
use thiserror::Error;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// A node's refusal: this call did nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// gRPC's code.
    pub code: Code,
    /// The stable name of the rule, such as `EXPIRED`; empty if the node gave none.
    pub reason: String,
    /// What was wrong, for people.
    pub message: String,
    /// Figures and names behind it.
    pub metadata: Vec<(String, String)>,
    /// Fields that broke a rule: their paths, and the rule.
    pub fields: Vec<(String, String)>,
    /// When the node expects the same call to succeed.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// A refusal out of a status with `google.rpc` details.
    pub fn from_status(status: &Status) -> Self {
        let details = status.get_error_details();
        let (reason, mut metadata) = match details.error_info() {
            Some(info) => (info.reason.clone(), info.metadata.clone().into_iter().collect()),
            None => (String::new(), Vec::new()),
        };
        metadata.sort();
        let violations = details.bad_request().map(|request| request.field_violations.as_slice()).unwrap_or_default();
        Self {
            code: status.code(),
            reason,
            message: status.message().to_owned(),
            metadata,
            fields: violations.iter().map(|found| (found.field.clone(), found.description.clone())).collect(),
            retry_after: details.retry_info().and_then(|retry| retry.retry_delay),
        }
    }

    /// What to do about it: by the rule, else by the code; empty if there is nothing to add.
    pub fn hint(&self) -> &'static str {
        match self.reason.as_str() {
            "READ_SIGNATURE_INVALID" => "Check that the key is one of the account's, and that the account is open.",
            "READ_AUTHORISATION_EXPIRED" | "READ_AUTHORISATION_TOO_FAR" => "Check this machine's clock.",
            "TRANSACTION_EXPIRED" | "EXPIRY_TOO_FAR" => "Sign a new one, and check this machine's clock.",
            "SENDER_UNKNOWN" => "Check the account that acts: this ledger has none of this id.",
            "SENDER_SIGNATURE_MISSING" => "Sign with enough of the account's keys.",
            "SENDER_CLOSED" => "Act as an account that is open.",
            "FOREIGN_CHAIN" => "Check the endpoint and the genesis file: they are of different ledgers.",
            "BLOCK_NOT_REACHED" => "Ask for a lower height, or wait for it: `causeway blocks follow`.",
            "NOT_THE_CALLERS_ACCOUNT" => "`causeway accounts counterparty` shows what others may know of it.",
            _ => self.hint_of_code(),
        }
    }

    fn hint_of_code(&self) -> &'static str {
        match self.code {
            Code::InvalidArgument => "Correct the request and send it again.",
            Code::Unauthenticated => "Say who reads: --account and --key, or --as a participant of a sandbox.",
            Code::PermissionDenied => "The account that acts may not do or see this; use one that may.",
            Code::NotFound => "Check the id, who asks, and that it is of this network.",
            Code::AlreadyExists => "The request id was used for another body; use a fresh one.",
            Code::ResourceExhausted => "The node is busy; try again shortly.",
            Code::FailedPrecondition => "The ledger has moved on; look at its state and build the request anew.",
            Code::OutOfRange => "Start from a later height or cursor.",
            Code::Unimplemented => "The node is of another version than this client.",
            Code::Internal | Code::DataLoss => "The node has a fault; its log says more. Another node can answer.",
            _ => "",
        }
    }

    /// What was wrong, without what to do about it.
    pub fn statement(&self) -> String {
        let message = self.message.trim_end_matches('.');
        let mut statement = if message.is_empty() { "the node refused the call" } else { message }.to_owned();
        for (field, rule) in &self.fields {
            if !message.contains(field.as_str()) {
                statement.push_str(&format!("; {field}: {}", rule.trim_end_matches('.')));
            }
        }
        statement
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.statement())?;
        if !self.reason.is_empty() {
            write!(f, " ({})", self.reason)?;
        }
        // A message of two sentences has said what to do already.
        let said = self.message.trim_end_matches('.').contains(". ");
        if said || self.hint().is_empty() { f.write_str(".") } else { write!(f, ". {}", self.hint()) }
    }
}

/// Why a client's call came to nothing.
#[derive(Debug, Error)]
pub enum ClientError {
    /// An endpoint is no address.
    #[error("'{endpoint}' is not an endpoint; expected http://HOST:PORT or https://HOST:PORT")]
    Endpoint {
        /// What was given.
        endpoint: String,
    },
    /// An endpoint speaks TLS, and nothing was said of whom to believe.
    #[error("'{endpoint}' speaks TLS: say which authority signs the nodes' certificates (--tls-authority FILE)")]
    TlsAuthorityMissing {
        /// The endpoint.
        endpoint: String,
    },
    /// Certificates or a key that cannot be used.
    #[error("the TLS certificates do not hold: {cause}. They and the key must be PEM, and belong together")]
    Tls {
        /// What is wrong.
        cause: String,
    },
    /// A file of TLS that cannot be read.
    #[error("{} could not be read: {cause}", path.display())]
    TlsFile {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        cause: std::io::Error,
    },
    /// No node answers.
    #[error("no node answers at {endpoints} ({cause}). Is it running? `causeway status --endpoint URL` asks one")]
    Unreachable {
        /// Whom we called.
        endpoints: String,
        /// What the last of them said.
        cause: String,
    },
    /// A node refused.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// The wait ended. The transaction may still become final.
    #[error(
        "after {} s the transaction {transaction} is not final ({cause}): it may still become so. Ask for it with \
         `causeway receipts get {transaction}` before you make another one; its same bytes cannot be applied twice",
        waited.as_secs()
    )]
    OutcomeUnknown {
        /// Which.
        transaction: TransactionId,
        /// How long it was waited for.
        waited: Duration,
        /// What the last node said.
        cause: String,
    },
    /// The nodes are of another ledger.
    #[error("the node is of ledger {found}, the genesis file of {expected}: they do not belong together")]
    ForeignChain {
        /// The node's.
        found: ChainId,
        /// Ours.
        expected: ChainId,
    },
    /// An answer that makes no sense.
    #[error("the node's answer is not what the protocol says: {0}")]
    Malformed(String),
    /// The request itself is not one.
    #[error("{0}")]
    Request(String),
    /// Whoever holds the key did not sign.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness: {0}")]
    Randomness(getrandom::Error),
}

impl ClientError {
    /// A refusal, unless the status says that nobody was reached, or that the call was not even signed.
    pub(super) fn from_status(status: &Status, endpoints: &str) -> Self {
        if let Some(error) = of_signer(status) {
            return Self::Signer(error.clone());
        }
        match is_transport(status) {
            // A node that asks for a certificate ends the connection once the handshake is over, and its reason may be lost.
            true if endpoints.contains("https://") && !is_from_connecting(status) => {
                let cause = format!(
                    "{}; so does a node that asks for a certificate: present one of its authority with --tls-certificate and \
                     --tls-key",
                    cause_of(status)
                );
                Self::Unreachable { endpoints: endpoints.to_owned(), cause }
            }
            true => Self::Unreachable { endpoints: endpoints.to_owned(), cause: cause_of(status) },
            false => Self::Refused(Box::new(Refusal::from_status(status))),
        }
    }

    /// The refusal, if it is one.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }
}

/// Whether another node may know better: nobody answered, or not in time, or this one has no room.
pub(super) fn is_worth_another_node(status: &Status) -> bool {
    is_transport(status)
        || matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled | Code::ResourceExhausted | Code::Aborted)
}

/// Whether a submission with this answer surely did nothing: no connection was made, or the node had no room for it. What breaks
/// later may have been taken before.
pub(super) fn was_never_taken(status: &Status) -> bool {
    status.code() == Code::ResourceExhausted || is_from_connecting(status)
}

/// Whether no connection was made.
pub(super) fn is_from_connecting(status: &Status) -> bool {
    causes(status).any(|cause| cause.is::<tonic::ConnectError>())
}

/// What the signer said, if the call was never made because of it.
fn of_signer(status: &Status) -> Option<&SignerError> {
    causes(status).find_map(|cause| cause.downcast_ref())
}

fn causes(status: &Status) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(std::error::Error::source(status), |cause| cause.source())
}

/// Whether a refusal is of the transaction, and not of one call: a final block is past its expiry, and none holds it.
pub(super) fn never_happened(status: &Status) -> bool {
    status.get_details_error_info().is_some_and(|info| info.reason == "TRANSACTION_EXPIRED")
}

/// Whether a submission is final already, with other signatures than it was sent with.
pub(super) fn final_otherwise(status: &Status) -> bool {
    status.get_details_error_info().is_some_and(|info| info.reason == "SIGNED_OTHERWISE")
}

/// Whether the connection failed, and no node or signer answered.
pub(super) fn is_transport(status: &Status) -> bool {
    if of_signer(status).is_some() {
        return false;
    }
    // tonic reports a connection that breaks during a call as Unknown or Cancelled, with the cause as source.
    status.code() == Code::Unavailable
        || (matches!(status.code(), Code::Unknown | Code::Internal | Code::Cancelled)
            && std::error::Error::source(status).is_some()
            && status.details().is_empty())
}

/// The innermost cause: "Connection refused" instead of "transport error".
pub(super) fn cause_of(status: &Status) -> String {
    if std::error::Error::source(status).is_none() && !status.message().is_empty() {
        return status.message().to_owned();
    }
    first_cause(status)
}

/// What an error began with: libraries wrap what matters in layers that say little.
pub fn first_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic_types::ErrorDetails;

    #[test]
    fn a_refusal_is_a_sentence_that_says_what_to_do() {
        let mut details = ErrorDetails::with_error_info("EXPIRED", "causeway", [("now_ms".to_owned(), "5".to_owned())]);
        details.add_bad_request_violation("expires_at_ms", "must lie ahead");
        let status = Status::with_error_details(Code::InvalidArgument, "the transaction has expired", details);
        let refusal = Refusal::from_status(&status);
        assert_eq!(
            refusal.to_string(),
            "the transaction has expired; expires_at_ms: must lie ahead (EXPIRED). Correct the request and send it again."
        );
        assert_eq!(refusal.metadata, [("now_ms".to_owned(), "5".to_owned())]);
    }

    #[test]
    fn a_hint_fits_the_rule_that_was_broken() {
        let of = |code: Code, reason: &str| {
            let details = ErrorDetails::with_error_info(reason, "causeway", []);
            Refusal::from_status(&Status::with_error_details(code, "no", details)).hint()
        };
        assert!(of(Code::NotFound, "BLOCK_NOT_REACHED").contains("height"));
        assert!(of(Code::PermissionDenied, "SENDER_SIGNATURE_MISSING").contains("keys"));
        assert!(of(Code::PermissionDenied, "NOT_THE_CALLERS_ACCOUNT").contains("counterparty"));
        assert!(of(Code::Unauthenticated, "READ_AUTHORISATION_EXPIRED").contains("clock"));
    }

    #[test]
    fn a_status_without_details_is_a_refusal_too() {
        let refusal = Refusal::from_status(&Status::not_found("no such account"));
        assert_eq!(refusal.to_string(), "no such account. Check the id, who asks, and that it is of this network.");
    }

    /// Another node would have the same signer asked again.
    #[test]
    fn what_a_signer_refuses_is_nobodys_else() {
        let refused = SignerError::Refused {
            address: "unix:/signer".to_owned(),
            reason: "AMOUNT_NOT_ALLOWED".to_owned(),
            message: "too much".to_owned(),
        };
        let status = Status::from_error(Box::new(refused.clone()));
        assert!(!is_worth_another_node(&status) && !is_transport(&status));
        let error = ClientError::from_status(&status, "http://127.0.0.1:1");
        assert!(matches!(&error, ClientError::Signer(found) if *found == refused), "{error:?}");
    }

    #[test]
    fn unavailable_means_unreachable() {
        let error = ClientError::from_status(&Status::unavailable("down"), "http://127.0.0.1:1");
        assert!(error.to_string().contains("http://127.0.0.1:1"), "{error}");
        assert!(is_worth_another_node(&Status::deadline_exceeded("late")));
        assert!(!is_worth_another_node(&Status::invalid_argument("bad")));
    }
}
