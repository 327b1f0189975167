//! Citations: settlement receipts that a supplier shows as its record, checked from state alone.
//!
//! A citation carries the outcome and its way up: outcome, `outcomes_root`, header, `history_root`. State keeps the
//! history roots of recent heights, so each step is a hash and nothing has to be looked up in old blocks.
//!
//! What counts as a settlement is money that another legal entity paid the borrower. Moving money between one's own
//! accounts is none, and neither is the advance of an earlier loan: a loan must not be the record for the next.
//!
//! A payment of an invoice says when the invoice was due; how late it was paid is counted in days begun after that.

use super::payment::INVOICE_PAID;
use super::request::SHARE_DISBURSED;
use crate::ledger::{
    Account, Changes, Context, Header, HistoryRoot, Malformed, Movement, MovementKind, Outcome, Reason, Value,
};
use crate::primitives::time::DAY_MS;
use crate::primitives::{AccountId, Amount, BlockTime, Decode as _, TokenId, merkle};
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

/// What a borrower's citations add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SettlementRecord {
    /// How many transactions were cited.
    pub count: u16,
    /// What they paid the borrower in the receivable's token. Settlements in other tokens count, but do not add up.
    pub sum: Amount,
    /// The times of the first and the last of them; none without any.
    pub span: Option<(BlockTime, BlockTime)>,
    /// By how many days the latest of the invoices among them was paid late.
    pub late_days_max: u32,
}

impl SettlementRecord {
    /// How many full days lie between the first and the last.
    pub fn period_days(&self) -> u32 {
        let ms = self.span.map_or(0, |(first, last)| last.ms_since(first));
        u32::try_from(ms / DAY_MS).unwrap_or(u32::MAX)
    }

    fn take_up(&mut self, time: BlockTime, late_days: u32) {
        self.count += 1;
        self.span = Some(self.span.map_or((time, time), |(first, last)| (first.min(time), last.max(time))));
        self.late_days_max = self.late_days_max.max(late_days);
    }
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

    /// The cited outcome and its block's time, if it is of this ledger's history and was applied.
    ///
    /// # Errors
    /// `CITATION_FOREIGN`, `CITATION_UNPROVEN`, `CITATION_DECLINED`, with the citation's index.
    fn prove(&self, index: u64, context: &Context<'_>, changes: &Changes<'_>) -> Result<(Outcome, BlockTime), Reason> {
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
        Ok((outcome, header.time))
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
        let (outcome, time) = citation.prove(index, context, changes)?;
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
        record.take_up(time, late_days(&outcome, supplier, time));
    }
    Ok(record)
}

/// By how many days begun the latest of the supplier's invoices that it paid was late.
fn late_days(outcome: &Outcome, supplier: AccountId, time: BlockTime) -> u32 {
    let paid = outcome.effects.iter().filter(|effect| effect.name == INVOICE_PAID);
    let of_the_supplier = paid.filter(|effect| effect.field("supplier") == Some(&Value::Account(supplier)));
    let due = of_the_supplier.filter_map(|effect| match effect.field("due_at") {
        Some(Value::Time(due_at)) => Some(*due_at),
        _ => None,
    });
    let days = due.map(|due_at| u32::try_from(time.ms_since(due_at).div_ceil(DAY_MS)).unwrap_or(u32::MAX));
    days.max().unwrap_or_default()
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
        .filter(|effect| effect.name == SHARE_DISBURSED)
        .filter_map(|effect| match effect.field("lender") {
            Some(Value::Account(lender)) => Some(*lender),
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
