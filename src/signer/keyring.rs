//! Keys with their policy: what is asked, whether it is signed, and the signature.

use super::amounts::Amounts;
use super::policy::{Policy, PolicyError};
use super::reading::{Meaning, Unreadable};
use crate::api::READ_AUTHORISATION_AHEAD_MS_MAX;
use crate::client::{KeyPair, SigningPurpose};
use crate::ledger::limits::EXPIRY_AHEAD_MS_MAX;
use crate::primitives::{BlockTime, ChainId, PublicKey, Signature, TokenId};
use crate::wire::pb::signer as pb;
use bytes::Bytes;
use std::collections::BTreeMap;
use thiserror::Error;

/// How far a clock here may be behind that of who asks.
const CLOCKS_APART_MS_MAX: u64 = 60 * 1000;

/// What somebody wants signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// By which key.
    pub public_key: PublicKey,
    /// As what; none if the request names no purpose that there is.
    pub purpose: Option<SigningPurpose>,
    /// What.
    pub message: Bytes,
}

impl TryFrom<pb::SignRequest> for Asked {
    type Error = Refusal;

    fn try_from(request: pb::SignRequest) -> Result<Self, Refusal> {
        let malformed = |_| Refusal::KeyMalformed { bytes: request.public_key.len() };
        let public_key = <[u8; 32]>::try_from(&request.public_key[..]).map(PublicKey).map_err(malformed)?;
        let purpose = match pb::SigningPurpose::try_from(request.purpose) {
            Ok(pb::SigningPurpose::Transaction) => Some(SigningPurpose::Transaction),
            Ok(pb::SigningPurpose::Read) => Some(SigningPurpose::Read),
            Ok(pb::SigningPurpose::Unspecified) | Err(_) => None,
        };
        Ok(Self { public_key, purpose, message: request.message })
    }
}

/// Why something is not signed, in the order in which it is checked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The key is none.
    #[error("public_key has {bytes} bytes and must have 32")]
    KeyMalformed {
        /// How many it has.
        bytes: usize,
    },
    /// The key is not here.
    #[error("this signer does not have the key {0}")]
    KeyUnknown(PublicKey),
    /// It is not said what the message is for.
    #[error("the purpose of what is to be signed must be a transaction or a statement of who reads")]
    PurposeUnknown,
    /// The message means nothing of its purpose.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// It is for another ledger.
    #[error("it is for ledger {found}, and this signer signs for {expected} alone")]
    ForeignChain {
        /// The message's.
        found: ChainId,
        /// The policy's.
        expected: ChainId,
    },
    /// It could be kept and used much later.
    #[error("it would hold until {expires_at}, more than {} minutes ahead of this signer's clock", ahead_ms_max / 60_000)]
    ExpiryTooFar {
        /// Until when.
        expires_at: BlockTime,
        /// How far is allowed.
        ahead_ms_max: u64,
    },
    /// The key's entry does not let it say who reads.
    #[error("the policy does not let {0} sign statements of who reads")]
    ReadsNotAllowed(PublicKey),
    /// An operation is not in the key's entry.
    #[error("operations[{index}] is {name}, which the policy does not let {public_key} sign")]
    OperationNotAllowed {
        /// Which operation.
        index: usize,
        /// Its name.
        name: String,
        /// The key.
        public_key: PublicKey,
    },
    /// More of a token than the key's entry says.
    #[error(
        "it comes to {amount} minor units of {token}, and the policy lets {public_key} sign {amount_max} in one transaction"
    )]
    AmountNotAllowed {
        /// The token.
        token: TokenId,
        /// How much.
        amount: u128,
        /// How much the policy allows.
        amount_max: u64,
        /// The key.
        public_key: PublicKey,
    },
    /// An amount of a token that the bytes do not name, and no token has a bound.
    #[error(
        "it comes to {amount} minor units of a token that is not in its bytes, and the policy gives {public_key} no amount of any"
    )]
    UnnamedAmountNotAllowed {
        /// How much.
        amount: u128,
        /// The key.
        public_key: PublicKey,
    },
}

impl Refusal {
    /// The rule's stable name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::KeyMalformed { .. } => "KEY_MALFORMED",
            Self::KeyUnknown(_) => "KEY_UNKNOWN",
            Self::PurposeUnknown => "PURPOSE_UNKNOWN",
            Self::Unreadable(Unreadable::Transaction(_)) => "NOT_A_TRANSACTION",
            Self::Unreadable(Unreadable::Read(_)) => "NOT_A_READ_STATEMENT",
            Self::ForeignChain { .. } => "FOREIGN_CHAIN",
            Self::ExpiryTooFar { .. } => "EXPIRY_TOO_FAR",
            Self::ReadsNotAllowed(_) => "READS_NOT_ALLOWED",
            Self::OperationNotAllowed { .. } => "OPERATION_NOT_ALLOWED",
            Self::AmountNotAllowed { .. } | Self::UnnamedAmountNotAllowed { .. } => "AMOUNT_NOT_ALLOWED",
        }
    }

    /// The names of all rules, for the page that lists them.
    pub const NAMES: [&'static str; 10] = [
        "KEY_MALFORMED",
        "KEY_UNKNOWN",
        "PURPOSE_UNKNOWN",
        "NOT_A_TRANSACTION",
        "NOT_A_READ_STATEMENT",
        "FOREIGN_CHAIN",
        "EXPIRY_TOO_FAR",
        "READS_NOT_ALLOWED",
        "OPERATION_NOT_ALLOWED",
        "AMOUNT_NOT_ALLOWED",
    ];
}

/// What is not signed, and why.
#[derive(Clone, Debug)]
pub struct Refused {
    /// Why.
    pub refusal: Refusal,
    /// What it means, if that is known.
    pub meaning: Option<Meaning>,
}

/// Keys that sign what their policy allows.
#[derive(Debug)]
pub struct Keyring {
    keys: BTreeMap<PublicKey, KeyPair>,
    policy: Policy,
}

impl Keyring {
    /// These keys under this policy.
    ///
    /// # Errors
    /// The policy has no entry for one of them.
    pub fn new(keys: impl IntoIterator<Item = KeyPair>, policy: Policy) -> Result<Self, PolicyError> {
        let keys: BTreeMap<PublicKey, KeyPair> = keys.into_iter().map(|key| (key.public_key(), key)).collect();
        policy.require(keys.keys().copied())?;
        Ok(Self { keys, policy })
    }

    /// The keys that are here, ascending.
    pub fn public_keys(&self) -> impl Iterator<Item = PublicKey> {
        self.keys.keys().copied()
    }

    /// The ledger for which is signed.
    pub fn chain_id(&self) -> ChainId {
        self.policy.chain_id()
    }

    /// What a message means and its signature, if the policy allows it at this time (ms of the Unix epoch).
    ///
    /// # Errors
    /// The first rule that forbids it, and what the message means if that is known.
    pub fn sign(&self, asked: &Asked, now_ms: u64) -> Result<(Meaning, Signature), Box<Refused>> {
        let refuse = |refusal: Refusal| Box::new(Refused { refusal, meaning: None });
        let key = self.keys.get(&asked.public_key).ok_or_else(|| refuse(Refusal::KeyUnknown(asked.public_key)))?;
        let purpose = asked.purpose.ok_or_else(|| refuse(Refusal::PurposeUnknown))?;
        let meaning = Meaning::of(purpose, &asked.message).map_err(|why| refuse(why.into()))?;
        match self.judge(&asked.public_key, &meaning, now_ms) {
            Err(refusal) => Err(Box::new(Refused { refusal, meaning: Some(meaning) })),
            Ok(()) => {
                let signature = match purpose {
                    SigningPurpose::Transaction => key.sign_transaction(&asked.message).signature,
                    SigningPurpose::Read => key.sign_read(&asked.message),
                };
                Ok((meaning, signature))
            }
        }
    }

    fn judge(&self, public_key: &PublicKey, meaning: &Meaning, now_ms: u64) -> Result<(), Refusal> {
        let (found, expected) = (meaning.chain_id(), self.policy.chain_id());
        if found != expected {
            return Err(Refusal::ForeignChain { found, expected });
        }
        let (expires_at, ahead_ms_max) = match meaning {
            Meaning::Transaction { envelope, .. } => (envelope.expires_at, EXPIRY_AHEAD_MS_MAX),
            Meaning::Read { expires_at_ms, .. } => (BlockTime(*expires_at_ms), READ_AUTHORISATION_AHEAD_MS_MAX),
        };
        if expires_at.0 > now_ms.saturating_add(ahead_ms_max).saturating_add(CLOCKS_APART_MS_MAX) {
            return Err(Refusal::ExpiryTooFar { expires_at, ahead_ms_max });
        }
        let (public_key, allowed) = (*public_key, self.policy.of(public_key));
        match meaning {
            Meaning::Read { .. } if allowed.reads => Ok(()),
            Meaning::Read { .. } => Err(Refusal::ReadsNotAllowed(public_key)),
            Meaning::Transaction { operations, names, .. } => {
                for (index, name) in names.iter().enumerate() {
                    if !allowed.operations.contains(name) {
                        return Err(Refusal::OperationNotAllowed { index, name: name.clone(), public_key });
                    }
                }
                hold(&Amounts::of(operations), &allowed.amount_max, public_key)
            }
        }
    }
}

/// Holds amounts to their bounds. What is not named counts against every bound: it may be of any of these tokens.
fn hold(amounts: &Amounts, bounds: &BTreeMap<TokenId, u64>, public_key: PublicKey) -> Result<(), Refusal> {
    let unnamed = amounts.of_unnamed;
    if unnamed > 0 && bounds.is_empty() {
        return Err(Refusal::UnnamedAmountNotAllowed { amount: unnamed, public_key });
    }
    let tokens = amounts.by_token.keys().chain(bounds.keys().filter(|_| unnamed > 0));
    for token in tokens {
        let amount = amounts.by_token.get(token).copied().unwrap_or_default() + unnamed;
        let amount_max = bounds.get(token).copied().unwrap_or_default();
        if amount > u128::from(amount_max) {
            return Err(Refusal::AmountNotAllowed { token: *token, amount, amount_max, public_key });
        }
    }
    Ok(())
}
