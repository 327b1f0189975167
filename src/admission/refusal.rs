//! Why a transaction is refused: it is not taken, and does not reach a block from here.

use crate::execution::Ineligible;
use crate::ledger::Reason;
use crate::ledger::malformed::Malformed;
use crate::primitives::{AccountId, BlockTime, PublicKey, TransactionId};
use crate::wire::BodyError;
use thiserror::Error;

/// Why a transaction is refused, in order of precedence. The message says what to do.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The body's bytes are not a transaction.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// It is for another ledger.
    #[error("the transaction is for another ledger: take the chain id from GetStatus")]
    ForeignChain,
    /// Its expiry has passed.
    #[error("the transaction expired at {expires_at}, and it is {now}: sign a new one with a later expiry")]
    Expired {
        /// Its expiry.
        expires_at: BlockTime,
        /// The ledger's time.
        now: BlockTime,
    },
    /// Its expiry is too far ahead.
    #[error("the transaction expires at {expires_at}, more than 24 hours after {now}: sign one that expires earlier")]
    ExpiryTooFar {
        /// Its expiry.
        expires_at: BlockTime,
        /// The ledger's time.
        now: BlockTime,
    },
    /// Another body was sent under this request id.
    #[error("the sender used this request id for transaction {transaction_id}: use a fresh one for another body")]
    RequestIdReused {
        /// That transaction.
        transaction_id: TransactionId,
    },
    /// There is no such sender.
    #[error("there is no account {account} on this ledger")]
    SenderUnknown {
        /// The sender named.
        account: AccountId,
    },
    /// The sender is closed.
    #[error("account {account} was closed")]
    SenderClosed {
        /// The sender.
        account: AccountId,
    },
    /// The sender's own keys did not sign, or too few of them.
    #[error("account {account} did not sign with enough of its keys")]
    SenderSignatureMissing {
        /// The sender.
        account: AccountId,
    },
    /// There is no such co-signer.
    #[error("there is no account {account} on this ledger, which the body names as a co-signer")]
    CoSignerUnknown {
        /// The co-signer named.
        account: AccountId,
    },
    /// A co-signer is closed.
    #[error("account {account}, which the body names as a co-signer, was closed")]
    CoSignerClosed {
        /// The co-signer.
        account: AccountId,
    },
    /// A co-signer's keys did not sign, or too few of them: never so of a whole transaction, perhaps of a copy.
    #[error("co-signer {account} did not sign with enough of its keys: send the same body with its signatures")]
    CoSignatureMissing {
        /// The co-signer.
        account: AccountId,
    },
    /// The sender has as many transactions waiting as it may.
    #[error("{waiting} transactions of this sender wait already: send on as they become final")]
    SenderQueueFull {
        /// How many wait.
        waiting: usize,
    },
    /// As many transactions of the sender's institution wait as there is room left for everyone else.
    #[error(
        "{waiting} transactions of this sender's institution wait already, and no more room is left for others: send on as they \
         become final, or to another node"
    )]
    InstitutionQueueFull {
        /// How many wait.
        waiting: usize,
    },
    /// The node has as many transactions waiting as it may, for their signatures to be verified or for a block.
    #[error("this node's queue is full: try again shortly, or at another node")]
    PoolFull,
    /// A signature does not verify.
    #[error("the signature by {public_key} does not verify: sign the bytes 23 || \"causeway/transaction/v1\" || body")]
    SignatureInvalid {
        /// Whose.
        public_key: PublicKey,
    },
    /// The node does not take transactions now.
    #[error("this node takes no transactions now: {why}")]
    NotServing {
        /// It starts, catches up or stops.
        why: &'static str,
    },
}

impl Refusal {
    /// Every name, in order of precedence: what clients may find as `ErrorInfo.reason` of a refused transaction.
    pub const NAMES: &'static [&'static str] = &[
        "BODY_TOO_LARGE",
        "BODY_UNDECODABLE",
        "BODY_NOT_CANONICAL",
        "FIELD_MALFORMED",
        "FOREIGN_CHAIN",
        "TRANSACTION_EXPIRED",
        "EXPIRY_TOO_FAR",
        "REQUEST_ID_REUSED",
        "SENDER_UNKNOWN",
        "SENDER_CLOSED",
        "SENDER_SIGNATURE_MISSING",
        "CO_SIGNER_UNKNOWN",
        "CO_SIGNER_CLOSED",
        "CO_SIGNATURE_MISSING",
        "SENDER_QUEUE_FULL",
        "INSTITUTION_QUEUE_FULL",
        "POOL_FULL",
        "SIGNATURE_INVALID",
        "NOT_SERVING",
    ];

    /// The stable name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Body(BodyError::TooLarge { .. }) => "BODY_TOO_LARGE",
            Self::Body(BodyError::Undecodable { .. }) => "BODY_UNDECODABLE",
            Self::Body(BodyError::NotCanonical { .. }) => "BODY_NOT_CANONICAL",
            Self::Body(BodyError::Malformed(_)) => "FIELD_MALFORMED",
            Self::ForeignChain => "FOREIGN_CHAIN",
            Self::Expired { .. } => "TRANSACTION_EXPIRED",
            Self::ExpiryTooFar { .. } => "EXPIRY_TOO_FAR",
            Self::RequestIdReused { .. } => "REQUEST_ID_REUSED",
            Self::SenderUnknown { .. } => "SENDER_UNKNOWN",
            Self::SenderClosed { .. } => "SENDER_CLOSED",
            Self::SenderSignatureMissing { .. } => "SENDER_SIGNATURE_MISSING",
            Self::CoSignerUnknown { .. } => "CO_SIGNER_UNKNOWN",
            Self::CoSignerClosed { .. } => "CO_SIGNER_CLOSED",
            Self::CoSignatureMissing { .. } => "CO_SIGNATURE_MISSING",
            Self::SenderQueueFull { .. } => "SENDER_QUEUE_FULL",
            Self::InstitutionQueueFull { .. } => "INSTITUTION_QUEUE_FULL",
            Self::PoolFull => "POOL_FULL",
            Self::SignatureInvalid { .. } => "SIGNATURE_INVALID",
            Self::NotServing { .. } => "NOT_SERVING",
        }
    }

    /// The refusal that an ineligible transaction of `sender` gets.
    pub fn of_ineligible(ineligible: Ineligible, sender: AccountId) -> Self {
        match ineligible {
            Ineligible::ForeignChain => Self::ForeignChain,
            Ineligible::Expired { expires_at, now } => Self::Expired { expires_at, now },
            Ineligible::ExpiryTooFar { expires_at, now } => Self::ExpiryTooFar { expires_at, now },
            Ineligible::RequestSeen { transaction_id, .. } => Self::RequestIdReused { transaction_id },
            Ineligible::SenderNotAuthentic(Reason::UnknownAccount { account }) => Self::SenderUnknown { account },
            Ineligible::SenderNotAuthentic(Reason::AccountClosed { account }) => Self::SenderClosed { account },
            Ineligible::SenderNotAuthentic(_) => Self::SenderSignatureMissing { account: sender },
            Ineligible::CoSignerNotAuthentic(reason) => Self::of_co_signer(reason, sender),
            Ineligible::BlockFull => Self::PoolFull,
        }
    }

    /// Why a co-signer does not stand by a transaction.
    fn of_co_signer(reason: Reason, sender: AccountId) -> Self {
        match reason {
            Reason::UnknownAccount { account } => Self::CoSignerUnknown { account },
            Reason::AccountClosed { account } => Self::CoSignerClosed { account },
            Reason::MissingSignature { account } => Self::CoSignatureMissing { account },
            _ => Self::CoSignatureMissing { account: sender },
        }
    }
}

impl From<Malformed> for Refusal {
    fn from(malformed: Malformed) -> Self {
        Self::Body(BodyError::Malformed(malformed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_screaming_snake() {
        let distinct: std::collections::BTreeSet<_> = Refusal::NAMES.iter().collect();
        assert_eq!(distinct.len(), Refusal::NAMES.len());
        assert!(Refusal::NAMES.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')));
        assert!(Refusal::NAMES.contains(&Refusal::PoolFull.name()));
    }
}
