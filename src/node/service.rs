//! The node as its API sees it: one handle, object-safe, and the plain data that it answers with.
//!
//! `api` is written against [`LedgerHandle`] alone, so that the engine's generics end here, and so that its rules (who
//! sees what, which status, which page) are tested without a node.
//!
//! # Invariants
//! * Everything answered is final: applied, and synced to disk. Only [`Submission::Pending`] and [`Fate::Pending`] speak
//!   of what is not.
//! * A block that [`LedgerHandle::applied_beyond`] announced can be read at once, with its outcomes and its state.
//!
//! # Deliberately absent
//! Protobuf, statuses, and who may see what.

pub use super::finality::WAITERS_MAX;
use super::records::TransactionPlace;
pub use super::shared_queue::Source;
use crate::admission::Refusal;
use crate::domain::financing::Citation;
use crate::execution::Envelope;
use crate::ledger::receipt::Receipt;
use crate::ledger::{
    BalanceAfter, Block, Openings, Outcome, ReserveLine, SignedTransaction, Status as OutcomeStatus, View,
};
use crate::primitives::{AccountId, BlockTime, ChainId, Hash, ObjectId, PublicKey, RequestId, TransactionId};
use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// The node cannot answer: it stops, or its store failed. The detail is in its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the node is stopping or its store failed")]
pub struct Unavailable;

/// What of the past is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BlockError {
    /// No block of this height is final yet.
    #[error("height {height} is not reached: the ledger is at {applied}")]
    NotReached {
        /// The height asked for.
        height: u64,
        /// The height applied.
        applied: u64,
    },
    /// Bodies of blocks below a height were pruned, or never here.
    #[error("blocks below height {oldest} are not kept here with their transactions")]
    Pruned {
        /// The oldest height kept.
        oldest: u64,
    },
    /// See [`Unavailable`].
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// What never changes while a node runs.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The ledger.
    pub chain_id: ChainId,
    /// The network's name in the genesis.
    pub network: String,
    /// The genesis file's exact bytes.
    pub genesis: Bytes,
    /// The node's own key.
    pub public_key: PublicKey,
    /// The software's version.
    pub version: String,
}

/// What a node does in consensus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Signs votes.
    Validator,
    /// Follows and verifies.
    Verifier,
}

/// A validator by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedValidator {
    /// Its name, for people.
    pub name: String,
    /// Its key.
    pub public_key: PublicKey,
}

/// How a node is.
#[derive(Clone, Debug)]
pub struct Status {
    /// What it does in consensus.
    pub mode: Mode,
    /// The newest block applied.
    pub height: u64,
    /// Its time.
    pub time: BlockTime,
    /// Its hash.
    pub block_hash: Hash,
    /// Its epoch.
    pub epoch: u64,
    /// The state's digest after the block before it.
    pub parent_state_digest: Hash,
    /// The height from which on every block is kept here with its body.
    pub begins_at: u64,
    /// The validators of the next block.
    pub validators: Vec<NamedValidator>,
    /// The validators that were heard lately, this node among them if it votes.
    pub heard: BTreeSet<PublicKey>,
    /// How many validators it takes to make a block final.
    pub quorum: usize,
    /// How long ago the newest applied block's time was, by this node's clock.
    pub final_age: Duration,
    /// Whether that is longer than it takes a network that works.
    pub stands_still: bool,
    /// Transactions that wait here.
    pub pool_transactions: usize,
    /// The protocol's version.
    pub versions: Versions,
    /// Whether it has caught up and takes transactions.
    pub serving: bool,
}

/// The protocol's version, as the ledger has it and as the node follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    /// The one that the next block follows.
    pub version: u32,
    /// The newest that this node follows.
    pub version_max: u32,
    /// What is decided and not in force, and the height from which it will be.
    pub decided: Option<(u32, u64)>,
}

/// State as of a block.
#[derive(Clone)]
pub struct Snapshot {
    /// The state.
    pub view: Arc<dyn View>,
    /// The block after which it is so.
    pub height: u64,
    /// That block's time.
    pub time: BlockTime,
}

/// What has to be known of a transaction to wait for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PendingTransaction {
    /// Which.
    pub transaction_id: TransactionId,
    /// Who sent it.
    pub sender: AccountId,
    /// Under which request id. If another transaction takes it, this one does not happen.
    pub request_id: RequestId,
    /// Until when it may enter a block.
    pub expires_at: BlockTime,
    /// A height as of which it was looked for and not found to be final, if it was.
    pub not_final_at: Option<u64>,
}

impl PendingTransaction {
    /// The transaction of this id and envelope.
    pub fn new(transaction_id: TransactionId, envelope: &Envelope) -> Self {
        let Envelope { sender, request_id, expires_at, .. } = *envelope;
        Self { transaction_id, sender, request_id, expires_at, not_final_at: None }
    }
}

/// A transaction that was submitted and not refused.
#[derive(Clone, Debug)]
pub enum Submission {
    /// It waits for a block.
    Pending(PendingTransaction),
    /// The same body was final before, with the same signatures.
    Final(FinalTransaction),
    /// The same body was final before, with other signatures, or with such as are not kept any more: whoever sends it may have
    /// seen no more of it than a draft.
    SignedOtherwise {
        /// The block's height.
        height: u64,
        /// Whether it was applied.
        applied: bool,
    },
}

/// How a transaction is final, in short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// The block's height.
    pub height: u64,
    /// Whether it was applied, and why not.
    pub status: OutcomeStatus,
}

/// A final transaction. It shares what it tells with the others of its block.
#[derive(Clone)]
pub struct FinalTransaction {
    height: u64,
    index: usize,
    outcomes: Arc<Vec<Outcome>>,
    openings: Arc<Openings>,
}

impl FinalTransaction {
    /// The transaction at a place of a block, of which these are the outcomes; `None` if there is no such place.
    pub fn of(height: u64, outcomes: &Arc<Vec<Outcome>>, openings: &Arc<Openings>, index: usize) -> Option<Self> {
        let (outcomes, openings) = (outcomes.clone(), openings.clone());
        (index < outcomes.len()).then_some(Self { height, index, outcomes, openings })
    }

    /// The same, which keeps nothing of what else its block did. Of a full block that is megabytes.
    #[must_use]
    pub fn alone(&self) -> Self {
        let (outcomes, openings) = (vec![self.outcome().clone()], self.openings.only(self.index));
        Self { height: self.height, index: 0, outcomes: Arc::new(outcomes), openings: Arc::new(openings) }
    }

    /// The block's height.
    pub fn height(&self) -> u64 {
        self.height
    }

    /// What it did.
    pub fn outcome(&self) -> &Outcome {
        &self.outcomes[self.index]
    }

    /// What opens every balance that the outcome commits to. Not everyone may see every one of them.
    pub fn balances(&self) -> Vec<BalanceAfter> {
        self.openings.of(self.index, self.outcome())
    }

    /// The same in short.
    pub fn finished(&self) -> Finished {
        Finished { height: self.height, status: self.outcome().status.clone() }
    }
}

impl fmt::Debug for FinalTransaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FinalTransaction").field("height", &self.height).field("outcome", self.outcome()).finish()
    }
}

/// A step of an object's history.
#[derive(Clone, Debug)]
pub struct HistoryStep {
    /// Where it is.
    pub place: TransactionPlace,
    /// The final transaction, or what fell due.
    pub done: FinalTransaction,
    /// How every token stood after its block.
    pub reserve_lines: Arc<Vec<ReserveLine>>,
}

/// What became of a transaction so far.
#[derive(Clone, Debug)]
pub enum Fate {
    /// It waits for a block, here.
    Pending,
    /// It is in a final block.
    Final(FinalTransaction),
}

/// How the wait for a transaction ended.
#[derive(Clone, Debug)]
pub enum Ending {
    /// It is in a final block.
    Final(Finished),
    /// It never happened: a final block is past its expiry.
    Expired,
    /// It did not happen: a final block holds another transaction of its sender under its request id.
    RequestTaken {
        /// That transaction.
        by: TransactionId,
    },
    /// It was dropped: final blocks since its admission made it one that no block takes, such as by replacing its
    /// sender's keys.
    Refused(Refusal),
    /// Nobody here tells: too many wait, or the node is dismantled. It may be final, or become so.
    Untold,
}

/// A transaction as this node knows it, or what fell due.
#[derive(Clone, Debug)]
pub struct KnownTransaction {
    /// Its id.
    pub transaction_id: TransactionId,
    /// Who sent it, and whom its body names as co-signers; nobody, of what fell due.
    pub senders: Vec<AccountId>,
    /// What became of it.
    pub fate: Fate,
}

/// A final block with what came of it.
#[derive(Clone, Debug)]
pub struct BlockRecord {
    /// The block.
    pub block: Arc<Block>,
    /// What each of its transactions did, in their order; then one for each thing that fell due and left a record.
    pub outcomes: Arc<Vec<Outcome>>,
    /// Its own certificate, if this node has one of this height.
    pub certificate: Option<Bytes>,
    /// How every token stood after it.
    pub reserve_lines: Vec<ReserveLine>,
}

/// A running node.
pub trait LedgerHandle: Send + Sync + 'static {
    /// What never changes.
    fn identity(&self) -> &Identity;

    /// How it is now.
    fn status(&self) -> Status;

    /// State as of the newest applied block.
    fn snapshot(&self) -> Result<Snapshot, Unavailable>;

    /// Authenticates and admits transactions, each by itself, and answers them in their order. The same body again is no
    /// error: it answers what became of it, and all of that to whoever sends the same signatures.
    fn submit_all(&self, transactions: Vec<SignedTransaction>) -> BoxFuture<'static, Vec<Result<Submission, Refusal>>>;

    /// Does so for a caller that is told apart from others, so that none of them has the others wait for it.
    fn submit_all_from(
        &self,
        source: Source,
        transactions: Vec<SignedTransaction>,
    ) -> BoxFuture<'static, Vec<Result<Submission, Refusal>>> {
        // Who verifies at once has nobody wait.
        let _ = source;
        self.submit_all(transactions)
    }

    /// Does so with one transaction.
    fn submit(&self, transaction: SignedTransaction) -> BoxFuture<'static, Result<Submission, Refusal>> {
        self.submit_from(Source::default(), transaction)
    }

    /// Does so with one transaction, for a caller that is told apart from others.
    fn submit_from(
        &self,
        source: Source,
        transaction: SignedTransaction,
    ) -> BoxFuture<'static, Result<Submission, Refusal>> {
        let answers = self.submit_all_from(source, vec![transaction]);
        let none = Refusal::NotServing { why: "it is stopping; send the same bytes to another node" };
        async move { answers.await.pop().unwrap_or(Err(none)) }.boxed()
    }

    /// Resolves when nothing can change any more for a transaction that was admitted. Dropping it ends the wait and nothing
    /// else.
    fn wait_final(&self, pending: PendingTransaction) -> BoxFuture<'static, Result<Ending, Unavailable>>;

    /// Looks a transaction up by its id.
    fn transaction(&self, id: TransactionId) -> BoxFuture<'static, Result<Option<KnownTransaction>, Unavailable>>;

    /// Looks a transaction up by who sent it under which request id.
    fn transaction_by_request(
        &self,
        sender: AccountId,
        request_id: RequestId,
    ) -> BoxFuture<'static, Result<Option<KnownTransaction>, Unavailable>>;

    /// A final transaction's receipt, with every balance opened. Not everyone may see every one of them.
    /// It shows that it is of the history of the header at `checkpoint_height`, which is applied, if there is one.
    fn receipt(
        &self,
        id: TransactionId,
        checkpoint_height: Option<u64>,
    ) -> BoxFuture<'static, Result<Option<Receipt>, Unavailable>>;

    /// A final transaction's outcome with its way into the newest history root.
    fn citation(&self, id: TransactionId) -> BoxFuture<'static, Result<Option<Citation>, Unavailable>>;

    /// What an object's history is made of, in the ledger's order: the first so many steps, or those after a place.
    fn object_history(
        &self,
        object: ObjectId,
        after: Option<TransactionPlace>,
        limit: usize,
    ) -> BoxFuture<'static, Result<Vec<HistoryStep>, Unavailable>>;

    /// A final transaction, or what fell due, as a step by itself.
    fn history_step(&self, id: TransactionId) -> BoxFuture<'static, Result<Option<HistoryStep>, Unavailable>>;

    /// A final block.
    fn block(&self, height: u64) -> BoxFuture<'static, Result<BlockRecord, BlockError>>;

    /// Resolves with the applied height as soon as it is above `height`.
    fn applied_beyond(&self, height: u64) -> BoxFuture<'static, Result<u64, Unavailable>>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::execution::chronicle::{Chronicle, transfer};

    #[test]
    fn what_stands_alone_is_the_same_with_the_same_balances() {
        let mut chronicle = Chronicle::funded();
        let pay = |units| chronicle.transaction("buyer", vec![transfer("buyer", "supplier", units).into()]);
        let payments: Vec<_> = (1..4).map(pay).collect();
        chronicle.append(1_000, &payments);
        let block = chronicle.blocks.last().expect("it was appended");
        for (index, outcome) in block.outcomes.iter().enumerate() {
            let whole = FinalTransaction::of(7, &block.outcomes, &block.openings, index).expect("it is in the block");
            let alone = whole.alone();
            assert_eq!((alone.height(), alone.outcome(), alone.balances()), (7, outcome, whole.balances()));
            let opened: Vec<_> = alone.balances().iter().map(BalanceAfter::commitment).collect();
            assert_eq!(opened, outcome.balances, "they open what it commits to");
            assert_eq!((alone.outcomes.len(), opened.len()), (1, 2));
        }
    }
}
