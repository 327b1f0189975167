//! Transactions as execution takes them: decoded, and their signatures verified.
//!
//! Only `admission` makes them out of foreign bytes, after it verified every signature over exactly the body's bytes.

use super::operation::Operation;
use crate::ledger::{Account, Place, Request, SignedTransaction};
use crate::primitives::{AccountId, BlockTime, ChainId, PublicKey, RequestId, TransactionId};
use std::collections::BTreeSet;

/// What stands around the operations of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The ledger it is for.
    pub chain_id: ChainId,
    /// Who sends it.
    pub sender: AccountId,
    /// The sender's own id of the request.
    pub request_id: RequestId,
    /// Until when it may enter a block.
    pub expires_at: BlockTime,
    /// Accounts besides the sender without whose signatures it is not the transaction that was meant, ascending.
    pub co_signers: Vec<AccountId>,
}

impl Envelope {
    /// Where the entries stand that say whether it may stand in a block.
    pub fn foreseen_reads(&self) -> impl Iterator<Item = Place> {
        let request = Place::of::<Request>(&(self.sender, self.request_id));
        let signing = std::iter::once(&self.sender).chain(&self.co_signers);
        std::iter::once(request).chain(signing.map(Place::of::<Account>))
    }
}

/// A decoded body with its verified signatures.
#[derive(Clone, Debug)]
pub struct Transaction {
    id: TransactionId,
    envelope: Envelope,
    operations: Vec<Operation>,
    signers: BTreeSet<PublicKey>,
    signed: SignedTransaction,
}

impl Transaction {
    /// Joins what was decoded from a body with the signed bytes. The caller has verified every signature.
    pub fn authentic(signed: SignedTransaction, envelope: Envelope, operations: Vec<Operation>) -> Self {
        let signers = signed.signatures().iter().map(|signature| signature.public_key).collect();
        Self { id: signed.id(), envelope, operations, signers, signed }
    }

    /// The body's hash.
    pub fn id(&self) -> TransactionId {
        self.id
    }

    /// What stands around the operations.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// What to do, in order.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// The keys that signed.
    pub fn signers(&self) -> &BTreeSet<PublicKey> {
        &self.signers
    }

    /// Where entries of state stand that its execution will ask for, as far as that shows beforehand.
    pub fn foreseen_reads(&self) -> impl Iterator<Item = Place> {
        let operations = self.operations.iter().flat_map(Operation::foreseen_reads);
        self.envelope.foreseen_reads().chain(operations)
    }

    /// The bytes, as signed.
    pub fn signed(&self) -> &SignedTransaction {
        &self.signed
    }
}
