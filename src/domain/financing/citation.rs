//! Citations: settlement receipts that a supplier shows as its record, checked from state alone.
//!
//! A citation carries the outcome and its way up: outcome, `outcomes_root`, header, `history_root`. State keeps the
//! history roots of recent heights, so each step is a hash and nothing has to be looked up in old blocks.
//!
//! What counts as a settlement is money that another legal entity paid the supplier. Moving money between one's own
//! accounts is none, and neither is the advance of an earlier financing: a loan must not be the record for the next.

use super::accept::DISBURSED;
use crate::ledger::{
    Account, Changes, Context, Header, HistoryRoot, Malformed, Movement, MovementKind, Outcome, Reason, Value,
};
use crate::primitives::{AccountId, Amount, Decode as _, TokenId, merkle};
use bytes::Bytes;
use std::collections::BTreeSet;

/// A settlement receipt, as far as execution needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Citation {
    /// The outcome's canonical bytes.
    pub outcome: Bytes,
    /// From the outcome to the header's `outcomes_root`.
    pub outcome_path: merkle::Path,
    /// The header's canonical bytes.
    pub header: Bytes,
    /// From the header to the `history_root` of the block whose height is the path's size.
    pub history_path: merkle::Path,
}

/// What a supplier's citations add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SettlementRecord {
    /// How many transactions were cited.
    pub count: u16,
    /// What they paid the supplier in the receivable's token. Settlements in other tokens count, but do not add up.
    pub sum: Amount,
}

impl Citation {
    /// Holds the citation to its static bounds.
    ///
    /// # Errors
    /// The first field that is out of bounds.
    pub fn check(&self) -> Result<(), Malformed> {
        if self.header.len() != Header::SIZE {
            return Err(Malformed::new(
                "header",
                format!("it has {} bytes and must have {}", self.header.len(), Header::SIZE),
            ));
        }
        if self.outcome.is_empty() {
            return Err(Malformed::new("outcome", "it must not be empty"));
        }
        for (field, path) in [("outcome_path", &self.outcome_path), ("history_path", &self.history_path)] {
            if path.siblings.len() > merkle::PATH_LENGTH_MAX {
                return Err(Malformed::new(
                    field,
                    format!("it must have at most {} siblings", merkle::PATH_LENGTH_MAX),
                ));
            }
        }
        Ok(())
    }

    /// The cited outcome, if it is of this ledger's history and was applied.
    ///
    /// # Errors
    /// `CITATION_FOREIGN`, `CITATION_UNPROVEN`, `CITATION_DECLINED`, with the citation's index.
    fn prove(&self, index: u64, context: &Context<'_>, changes: &Changes<'_>) -> Result<Outcome, Reason> {
        let unproven = || Reason::CitationUnproven { citation_index: index };
        let header = Header::from_bytes(&self.header).map_err(|_| unproven())?;
        if header.chain_id != context.chain_id {
            return Err(Reason::CitationForeign { citation_index: index });
        }
        let outcome = Outcome::from_bytes(&self.outcome).map_err(|_| unproven())?;
        let history_root = self.history_path.root_from(header.history_leaf()).map(HistoryRoot);
        // A path to nowhere is `None`, and so is a root that state no longer keeps: they must not be taken for equal.
        let kept: HistoryRoot = changes.read(&self.history_path.size).ok_or_else(unproven)?;
        if !header.has_outcome(&self.outcome_path, &outcome.hash()) || history_root != Some(kept) {
            return Err(unproven());
        }
        if !outcome.is_applied() {
            return Err(Reason::CitationDeclined { citation_index: index });
        }
        Ok(outcome)
    }
}

/// Proves every citation and adds them up.
///
/// # Errors
/// `CITATION_FOREIGN`, `CITATION_UNPROVEN`, `CITATION_DECLINED`, `CITATION_NOT_THE_SUPPLIERS`, `CITATION_REPEATED` for
/// the first that does not hold; `AMOUNT_OVERFLOW`.
pub(super) fn settlement_record(
    citations: &[Citation],
    (supplier, token): (AccountId, TokenId),
    context: &Context<'_>,
    changes: &Changes<'_>,
) -> Result<SettlementRecord, Reason> {
    let mut cited = BTreeSet::new();
    let mut record = SettlementRecord::default();
    for (index, citation) in (0u64..).zip(citations) {
        let outcome = citation.prove(index, context, changes)?;
        let mut settlements = settlements_of(&outcome, supplier, changes).peekable();
        if settlements.peek().is_none() {
            return Err(Reason::CitationNotTheSuppliers { citation_index: index, supplier });
        }
        let mut in_token = settlements.filter(|movement| movement.token == token);
        record.sum = in_token
            .try_fold(record.sum, |sum, movement| sum.checked_add(movement.amount))
            .ok_or(Reason::AmountOverflow { token })?;
        if !cited.insert(outcome.transaction_id) {
            return Err(Reason::CitationRepeated { citation_index: index });
        }
        record.count += 1;
    }
    Ok(record)
}

/// The movements of an outcome that are settlements of the supplier's.
fn settlements_of<'a>(
    outcome: &'a Outcome,
    supplier: AccountId,
    changes: &'a Changes<'_>,
) -> impl Iterator<Item = &'a Movement> {
    let entity = changes.read::<Account>(&supplier).map(|account| account.legal_entity_id).unwrap_or_default();
    let lenders: BTreeSet<AccountId> = outcome
        .effects
        .iter()
        .filter(|effect| effect.name == DISBURSED)
        .filter_map(|effect| match effect.field("financier") {
            Some(Value::Account(financier)) => Some(*financier),
            _ => None,
        })
        .collect();
    let of_the_entity = move |payer: AccountId| {
        payer == supplier
            || !entity.is_empty()
                && changes.read::<Account>(&payer).is_some_and(|account| account.legal_entity_id == entity)
    };
    outcome.movements.iter().filter(move |movement| {
        movement.kind == MovementKind::Transfer
            && movement.to == Some(supplier)
            && movement.from.is_some_and(|payer| !lenders.contains(&payer) && !of_the_entity(payer))
    })
}
