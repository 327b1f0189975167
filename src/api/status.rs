//! gRPC statuses: the one place where what went wrong becomes a canonical code with details.
//!
//! Every status carries `google.rpc.ErrorInfo` (domain `causeway`, a stable reason, the figures as metadata); malformed
//! fields carry `BadRequest` too, and what passes by itself `RetryInfo`. The table is in `docs/wire.md`.

use crate::admission::Refusal;
use crate::ledger::Reason;
use crate::ledger::malformed::Malformed;
use crate::node::service::{BlockError, Unavailable};
use crate::primitives::BlockTime;
use crate::wire::BodyError;
use std::collections::HashMap;
use std::time::Duration;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// The domain of every `ErrorInfo`.
pub const ERROR_DOMAIN: &str = "causeway";

/// When to try again where the node has too much to do: about a block.
const RETRY_WHEN_FULL: Duration = Duration::from_millis(500);
/// When to try again where the node starts, catches up or stops.
const RETRY_WHEN_UNAVAILABLE: Duration = Duration::from_secs(2);

/// Why there is no room to wait for one more transaction, and what to do.
pub(super) const TOO_MANY_WAITS: (&str, &str) = (
    "TOO_MANY_WAITS",
    "nothing was taken: the node waits for as many of this client's transactions as it waits for of one client. Send on as they \
     become final, or submit without waiting and ask",
);

/// What is said of a transaction that was taken, where the node cannot tell what becomes of it.
pub(super) const OUTCOME_UNKNOWN: (&str, &str) = (
    "OUTCOME_UNKNOWN",
    "the transaction was taken, and this node cannot tell what becomes of it: it may be final, or become so until it expires. Ask \
     for it by its id, or send the same bytes to another node, before you sign a new one",
);

/// A status with its reason.
pub(super) fn status(code: Code, reason: &str, message: impl Into<String>) -> Status {
    Status::with_error_details(code, message, error_info(reason, []))
}

fn error_info<const N: usize>(reason: &str, metadata: [(&str, String); N]) -> ErrorDetails {
    let metadata: HashMap<String, String> = metadata.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    ErrorDetails::with_error_info(reason, ERROR_DOMAIN, metadata)
}

/// The code of each refusal.
fn code_of(refusal: &Refusal) -> Code {
    match refusal {
        Refusal::Body(_) | Refusal::ForeignChain | Refusal::ExpiryTooFar { .. } => Code::InvalidArgument,
        Refusal::SignatureInvalid { .. } => Code::Unauthenticated,
        Refusal::Expired { .. } | Refusal::SenderClosed { .. } | Refusal::CoSignerClosed { .. } => {
            Code::FailedPrecondition
        }
        Refusal::RequestIdReused { .. } => Code::AlreadyExists,
        Refusal::SenderUnknown { .. }
        | Refusal::SenderSignatureMissing { .. }
        | Refusal::CoSignerUnknown { .. }
        | Refusal::CoSignatureMissing { .. } => Code::PermissionDenied,
        Refusal::SenderQueueFull { .. } | Refusal::InstitutionQueueFull { .. } | Refusal::PoolFull => {
            Code::ResourceExhausted
        }
        Refusal::NotServing { .. } => Code::Unavailable,
    }
}

/// A refused transaction's status.
pub(super) fn refused(refusal: &Refusal) -> Status {
    let reason = refusal.name();
    let mut details = match refusal {
        Refusal::Body(BodyError::TooLarge { bytes }) => error_info(reason, [("bytes", bytes.to_string())]),
        Refusal::Body(BodyError::NotCanonical { offset }) => error_info(reason, [("offset", offset.to_string())]),
        Refusal::Body(BodyError::Malformed(malformed)) => {
            let mut details = error_info(reason, [("field", malformed.field.clone())]);
            details.add_bad_request_violation(&malformed.field, &malformed.why);
            details
        }
        Refusal::SignatureInvalid { public_key } => error_info(reason, [("public_key", public_key.to_string())]),
        Refusal::Expired { expires_at, now } | Refusal::ExpiryTooFar { expires_at, now } => {
            error_info(reason, [("expires_at_ms", expires_at.0.to_string()), ("now_ms", now.0.to_string())])
        }
        Refusal::RequestIdReused { transaction_id } => {
            error_info(reason, [("transaction_id", transaction_id.to_string())])
        }
        Refusal::SenderUnknown { account }
        | Refusal::SenderClosed { account }
        | Refusal::SenderSignatureMissing { account }
        | Refusal::CoSignerUnknown { account }
        | Refusal::CoSignerClosed { account }
        | Refusal::CoSignatureMissing { account } => error_info(reason, [("account_id", account.to_string())]),
        Refusal::SenderQueueFull { waiting } | Refusal::InstitutionQueueFull { waiting } => {
            error_info(reason, [("waiting", waiting.to_string())])
        }
        Refusal::Body(BodyError::Undecodable { .. })
        | Refusal::ForeignChain
        | Refusal::PoolFull
        | Refusal::NotServing { .. } => error_info(reason, []),
    };
    match code_of(refusal) {
        Code::ResourceExhausted => details.set_retry_info(Some(RETRY_WHEN_FULL)),
        Code::Unavailable => details.set_retry_info(Some(RETRY_WHEN_UNAVAILABLE)),
        _ => &mut details,
    };
    Status::with_error_details(code_of(refusal), refusal.to_string(), details)
}

/// What a transaction would be declined for, asked beforehand: its name, its explanation and its figures.
pub(super) fn declined_beforehand(reason: &Reason) -> Status {
    let figures: Vec<(String, String)> =
        reason.fields().into_iter().map(|(name, figure)| (name, figure.to_string())).collect();
    let told: Vec<String> =
        figures.iter().map(|(name, figure)| format!("{} {figure}", name.replace('_', " "))).collect();
    let explanation = reason.explanation().trim_end_matches('.');
    let message = if told.is_empty() { explanation.to_owned() } else { format!("{explanation} ({})", told.join(", ")) };
    let details =
        ErrorDetails::with_error_info(reason.name(), ERROR_DOMAIN, figures.into_iter().collect::<HashMap<_, _>>());
    Status::with_error_details(Code::FailedPrecondition, message, details)
}

/// A client that asks for more than its part.
pub(super) fn over_budget(wait: Duration) -> Status {
    let mut details = error_info("CLIENT_RATE_EXCEEDED", []);
    details.set_retry_info(Some(wait));
    let message =
        "this client asks for more than a node gives to one: slow down, keep fewer calls open, or submit by stream";
    Status::with_error_details(Code::ResourceExhausted, message, details)
}

/// The caller has as many streams as it may have.
pub(super) fn too_many_streams() -> Status {
    let message = "the node serves no more streams to this caller: end one, or ask another node";
    status(Code::ResourceExhausted, "TOO_MANY_STREAMS", message)
}

/// A malformed field of a request.
pub(super) fn malformed(malformed: Malformed) -> Status {
    refused(&Refusal::from(malformed))
}

/// No room to wait for a transaction, which was not taken.
pub(super) fn too_many_waits() -> Status {
    let (reason, message) = TOO_MANY_WAITS;
    let mut details = error_info(reason, []);
    details.set_retry_info(Some(RETRY_WHEN_FULL));
    Status::with_error_details(Code::ResourceExhausted, message, details)
}

/// A transaction that was taken, or may have been, and what became of it is not told.
pub(super) fn outcome_unknown() -> Status {
    let (reason, message) = OUTCOME_UNKNOWN;
    let mut details = error_info(reason, []);
    details.set_retry_info(Some(RETRY_WHEN_FULL));
    Status::with_error_details(Code::Unavailable, message, details)
}

/// A transaction that is final, sent with other signatures than it has.
pub(super) fn signed_otherwise(height: u64, applied: bool) -> Status {
    let became = if applied { "APPLIED" } else { "DECLINED" };
    let details = error_info("SIGNED_OTHERWISE", [("height", height.to_string()), ("status", became.to_owned())]);
    let message = format!(
        "the transaction is final, {became} at height {height}, and not with these signatures: its receipt is GetReceipt's, to those \
         whom it names"
    );
    Status::with_error_details(Code::AlreadyExists, message, details)
}

/// A reader that leaves too much unread, or for too long.
pub(super) fn reader_too_slow(message: &str) -> Status {
    let mut details = error_info("READER_TOO_SLOW", []);
    details.set_retry_info(Some(RETRY_WHEN_FULL));
    Status::with_error_details(Code::ResourceExhausted, message, details)
}

/// A client that has more messages begun, or waiting for room, than is kept of one.
pub(super) fn too_much_begun() -> Status {
    let message = "too much of what clients have begun to send is kept: end a message before the next one is begun";
    Status::resource_exhausted(message)
}

/// The node stops or its store failed.
pub(super) fn unavailable(error: Unavailable) -> Status {
    let mut details = error_info("NOT_SERVING", []);
    details.set_retry_info(Some(RETRY_WHEN_UNAVAILABLE));
    Status::with_error_details(Code::Unavailable, format!("{error}: ask another node"), details)
}

/// No block of that height, asked for by itself.
pub(super) fn no_block(error: BlockError) -> Status {
    match error {
        BlockError::NotReached { height, applied } => {
            let details =
                error_info("BLOCK_NOT_REACHED", [("height", height.to_string()), ("applied", applied.to_string())]);
            Status::with_error_details(Code::NotFound, error.to_string(), details)
        }
        BlockError::Pruned { oldest } => {
            let details = error_info("BLOCK_PRUNED", [("oldest_height", oldest.to_string())]);
            Status::with_error_details(Code::OutOfRange, format!("{error}: begin there, or ask another node"), details)
        }
        BlockError::Unavailable(error) => unavailable(error),
    }
}

/// No transaction that the caller may see. The ledger's time is with it: whoever knows the expiry knows from it whether
/// the transaction can still happen.
pub(super) fn no_transaction(ledger_time: BlockTime) -> Status {
    let message = "there is no such transaction, or it is not the caller's to see. Where the ledger's time is past its \
                   expiry, it never happened and never will";
    let details = error_info("NOT_FOUND", [("ledger_time_ms", ledger_time.0.to_string())]);
    Status::with_error_details(Code::NotFound, message, details)
}

/// Nothing of this kind, where whoever asks would see it.
pub(super) fn absent(what: &str) -> Status {
    status(Code::NotFound, "NOT_FOUND", format!("there is no such {what}"))
}

/// Nothing of this kind that the caller may see.
pub(super) fn not_found(what: &str) -> Status {
    status(Code::NotFound, "NOT_FOUND", format!("there is no such {what}, or it is not the caller's to see"))
}
