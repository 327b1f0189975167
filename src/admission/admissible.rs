//! The last stage: authentic, and in keeping with the state that it was held against.

use super::refusal::Refusal;
use crate::execution::{Transaction, eligible};
use crate::ledger::View;
use crate::primitives::{BlockTime, ChainId};
use std::sync::Arc;

/// A transaction that could stand in the next block. By the time it does, the state may have moved on: blocks check again.
#[derive(Clone, Debug)]
pub struct Admissible(Arc<Transaction>);

impl Admissible {
    /// Holds a transaction to the rules of block validity, by the same function that blocks use.
    ///
    /// The caller has looked up whether this very transaction is final already; here it would count as a reuse of its own
    /// request id, or as expired.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn check(
        transaction: Arc<Transaction>,
        chain_id: ChainId,
        now: BlockTime,
        view: &dyn View,
    ) -> Result<Self, Refusal> {
        Self::still(&transaction, chain_id, now, view).map(|()| Self(transaction))
    }

    /// Whether a transaction that waits could still stand in the next block.
    ///
    /// # Errors
    /// The first rule that it breaks by now.
    pub fn still(transaction: &Transaction, chain_id: ChainId, now: BlockTime, view: &dyn View) -> Result<(), Refusal> {
        let envelope = transaction.envelope();
        let judged = eligible(envelope, transaction.signers(), chain_id, now, view);
        judged.map_err(|ineligible| Refusal::of_ineligible(ineligible, envelope.sender))
    }

    /// A transaction that the pool holds, or that was plausible and became authentic while the state stayed as it was: it
    /// was held to every rule.
    pub fn again(waiting: Arc<Transaction>) -> Self {
        Self(waiting)
    }

    /// The transaction.
    pub fn transaction(&self) -> &Arc<Transaction> {
        &self.0
    }
}
