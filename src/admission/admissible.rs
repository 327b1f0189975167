//! The last stage: authentic, and in keeping with the state that it was held against.

use super::refusal::Refusal;
use crate::execution::{Transaction, eligible};
use crate::ledger::View;
use crate::ledger::account::institution_of;
use crate::primitives::{AccountId, BlockTime, ChainId};
use std::sync::Arc;

/// A transaction that could stand in the next block. By the time it does, the state may have moved on: blocks check again.
#[derive(Clone, Debug)]
pub struct Admissible {
    transaction: Arc<Transaction>,
    institution: AccountId,
}

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
        Self::still(&transaction, chain_id, now, view)?;
        let institution = institution_of(view, transaction.envelope().sender);
        Ok(Self { transaction, institution })
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
    /// was held to every rule. The institution is the sender's.
    pub fn again(transaction: Arc<Transaction>, institution: AccountId) -> Self {
        Self { transaction, institution }
    }

    /// The transaction.
    pub fn transaction(&self) -> &Arc<Transaction> {
        &self.transaction
    }

    /// Whose customer its sender is: who takes turns with others, and has a share of what may wait.
    pub fn institution(&self) -> AccountId {
        self.institution
    }
}
