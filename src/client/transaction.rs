//! Building and signing transactions.
//!
//! ```no_run
//! # use causeway::client::{KeyPair, TransactionBuilder, operations};
//! # use causeway::primitives::*;
//! # fn example(chain: ChainId, buyer: AccountId, supplier: AccountId, key: KeyPair) -> Result<(), Box<dyn std::error::Error>> {
//! let mut builder = TransactionBuilder::new(chain, buyer)?;
//! builder.add(operations::transfer(buyer, supplier, "HKDX".parse()?, Amount::new(12_500), Default::default()));
//! let signed = builder.finish().sign([&key])?;
//! # Ok(()) }
//! ```
//!
//! What an operation creates has an id that follows from sender, request id and place, so it is known before signing:
//! [`TransactionBuilder::add`] tells it.

use super::error::ClientError;
use super::keys::KeyPair;
use super::operations::Operation;
use super::signer::{Signer, sign_body};
use crate::ledger::transaction::transaction_id;
use crate::ledger::{SignedTransaction, TransactionSignature};
use crate::primitives::ids::{ObjectKind, Origin};
use crate::primitives::{AccountId, BlockTime, ChainId, ObjectId, RequestId, TransactionId};
use crate::wire::pb::ledger as pb;
use bytes::Bytes;
use prost::Message as _;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long a transaction may wait to enter a block if nothing else is said: long enough to try several nodes.
pub const EXPIRES_IN_DEFAULT: Duration = Duration::from_secs(10 * 60);

/// Now, in ms of the Unix epoch, by this machine's clock.
pub fn now_ms() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}

/// A fresh request id.
///
/// # Errors
/// The operating system gave no randomness.
pub fn random_request_id() -> Result<RequestId, ClientError> {
    let mut bytes = [0; RequestId::SIZE];
    getrandom::fill(&mut bytes).map_err(ClientError::Randomness)?;
    Ok(RequestId(bytes))
}

/// A transaction in the making.
#[derive(Clone, Debug)]
pub struct TransactionBuilder {
    chain_id: ChainId,
    sender: AccountId,
    request_id: RequestId,
    expires_at_ms: u64,
    operations: Vec<Operation>,
    co_signers: BTreeSet<AccountId>,
}

impl TransactionBuilder {
    /// A transaction without operations, with a fresh request id, that expires in [`EXPIRES_IN_DEFAULT`].
    ///
    /// # Errors
    /// The operating system gave no randomness.
    pub fn new(chain_id: ChainId, sender: AccountId) -> Result<Self, ClientError> {
        Ok(Self::with_request_id(chain_id, sender, random_request_id()?))
    }

    /// The same under a request id of the caller's own. Never use one for two different bodies.
    pub fn with_request_id(chain_id: ChainId, sender: AccountId, request_id: RequestId) -> Self {
        let expires_at_ms = now_ms().saturating_add(EXPIRES_IN_DEFAULT.as_millis() as u64);
        Self { chain_id, sender, request_id, expires_at_ms, operations: Vec::new(), co_signers: BTreeSet::new() }
    }

    /// Sets until when it may enter a block, in ms of the Unix epoch.
    #[must_use]
    pub fn expires_at_ms(mut self, expires_at_ms: u64) -> Self {
        self.expires_at_ms = expires_at_ms;
        self
    }

    /// Lists an account besides the sender that an operation binds. Without its signature the transaction is then refused, by
    /// every node and in every block; unlisted, a copy from which somebody took that signature would be declined, and spend
    /// the request id. Nodes take at most [`crate::ledger::limits::CO_SIGNERS_MAX`].
    pub fn co_signed_by(&mut self, account: AccountId) {
        if account != self.sender {
            self.co_signers.insert(account);
        }
    }

    /// Adds an operation, and tells its place, from which the id of what it creates is derived.
    pub fn add(&mut self, operation: Operation) -> Added {
        let operation_index = u16::try_from(self.operations.len()).unwrap_or(u16::MAX);
        let creates = operation.creates();
        self.operations.push(operation);
        Added { origin: Origin { sender: self.sender, request_id: self.request_id, operation_index }, creates }
    }

    /// Until when it may become final.
    pub fn expires_at(&self) -> BlockTime {
        BlockTime(self.expires_at_ms)
    }

    /// Serialises the body. From here on nothing of it changes.
    pub fn finish(self) -> UnsignedTransaction {
        let body = pb::TransactionBody {
            chain_id: Bytes::copy_from_slice(self.chain_id.as_bytes()),
            sender_account_id: Bytes::copy_from_slice(self.sender.as_bytes()),
            request_id: Bytes::copy_from_slice(self.request_id.as_bytes()),
            expires_at_ms: self.expires_at_ms,
            operations: self.operations.into_iter().map(Operation::into_pb).collect(),
            co_signer_account_ids: self.co_signers.iter().map(|each| Bytes::copy_from_slice(each.as_bytes())).collect(),
        };
        // prost writes fields in ascending order and leaves defaults out: the one form that nodes accept.
        UnsignedTransaction { body: body.encode_to_vec().into() }
    }
}

/// An operation's place in a transaction, and what it creates there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Added {
    /// The place.
    pub origin: Origin,
    /// What kind of object it creates, if it creates one.
    pub creates: Option<ObjectKind>,
}

impl Added {
    /// The id of what the operation creates; all zeros if that has none.
    pub fn object_id(&self) -> ObjectId {
        self.creates.map_or(ObjectId([0; 32]), |kind| self.origin.object_id(kind))
    }

    /// The id of the account that the operation opens, if it opens one.
    pub fn account_id(&self) -> AccountId {
        self.origin.account_id()
    }
}

/// A body that waits for its signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsignedTransaction {
    body: Bytes,
}

impl UnsignedTransaction {
    /// The transaction's id, which signatures do not change.
    pub fn id(&self) -> TransactionId {
        transaction_id(&self.body)
    }

    /// The bytes to sign.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Signs with every key. A key that is given twice signs once.
    ///
    /// # Errors
    /// No key, or a body that is too large.
    pub fn sign<'a>(self, keys: impl IntoIterator<Item = &'a KeyPair>) -> Result<SignedTransaction, ClientError> {
        let signatures = keys.into_iter().map(|key| key.sign_transaction(&self.body)).collect();
        self.signed(signatures)
    }

    /// Has it signed by every signer, one after the other. A key that is given twice is asked once.
    ///
    /// # Errors
    /// A signer did not sign; no signer, or a body that is too large.
    pub async fn sign_by(self, signers: &[Arc<dyn Signer>]) -> Result<SignedTransaction, ClientError> {
        let mut signatures: Vec<TransactionSignature> = Vec::with_capacity(signers.len());
        for signer in signers {
            if signatures.iter().all(|found| found.public_key != signer.public_key()) {
                signatures.push(sign_body(signer.as_ref(), &self.body).await?);
            }
        }
        self.signed(signatures)
    }

    fn signed(self, mut signatures: Vec<TransactionSignature>) -> Result<SignedTransaction, ClientError> {
        signatures.sort_by_key(|signature| signature.public_key);
        signatures.dedup_by_key(|signature| signature.public_key);
        SignedTransaction::new(self.body, signatures).map_err(|error| ClientError::Request(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::operations;
    use crate::primitives::{Amount, Hash, crypto::TRANSACTION_NAMESPACE};

    fn builder() -> TransactionBuilder {
        let (chain, sender) = (ChainId([1; 32]), AccountId([2; 32]));
        let mut builder = TransactionBuilder::with_request_id(chain, sender, RequestId([3; 16])).expires_at_ms(99);
        let token = "HKDX".parse().expect("a token id");
        builder.add(operations::transfer(sender, AccountId([4; 32]), token, Amount::new(5), Default::default()));
        builder
    }

    #[test]
    fn the_same_request_gives_the_same_bytes() {
        assert_eq!(builder().finish(), builder().finish());
        assert_ne!(builder().expires_at_ms(100).finish().id(), builder().finish().id());
    }

    #[test]
    fn co_signers_are_listed_in_order_and_never_the_sender() {
        let mut builder = builder();
        for account in [9, 2, 4, 9] {
            builder.co_signed_by(AccountId([account; 32]));
        }
        let (envelope, _) = crate::wire::decode_body(builder.finish().body()).expect("nodes take it");
        assert_eq!(envelope.co_signers, [AccountId([4; 32]), AccountId([9; 32])]);
    }

    #[test]
    fn every_key_signs_once_over_the_body() {
        let (one, two) = (KeyPair::from_seed(&[1; 32]), KeyPair::from_seed(&[2; 32]));
        let signed = builder().finish().sign([&one, &two, &one]).expect("signed");
        assert_eq!(signed.signatures().len(), 2);
        for signature in signed.signatures() {
            assert!(signature.public_key.verify(TRANSACTION_NAMESPACE, signed.body(), &signature.signature));
        }
        assert_eq!(signed.id(), builder().finish().id());
        assert!(builder().finish().sign([]).is_err());
    }

    #[tokio::test]
    async fn signers_make_of_a_body_what_keys_do() {
        let keys = [1, 2, 1].map(|seed| KeyPair::from_seed(&[seed; 32]));
        let signers = keys.clone().map(|key| Arc::new(key) as Arc<dyn Signer>);
        let signed = builder().finish().sign_by(&signers).await.expect("signed");
        assert_eq!(signed, builder().finish().sign(&keys).expect("signed"));
        assert!(builder().finish().sign_by(&[]).await.is_err());
    }

    #[test]
    fn created_ids_are_known_before_signing() {
        let mut builder = builder();
        let token = "HKDX".parse().expect("a token id");
        let added = builder.add(operations::request_redemption(token, Amount::new(1), Hash([4; 32])));
        let origin = Origin { sender: AccountId([2; 32]), request_id: RequestId([3; 16]), operation_index: 1 };
        assert_eq!(added, Added { origin, creates: Some(ObjectKind::Redemption) });
        assert_eq!(added.object_id(), origin.object_id(ObjectKind::Redemption));
    }
}
