//! Citations: settlement receipts that a supplier shows as its record, checked from state alone.
//!
//! A citation carries the outcome and its way up: outcome, `outcomes_root`, header, `history_root`. State keeps the
//! history roots of recent heights, so each step is a hash and nothing has to be looked up in old blocks.
//!
//! What counts as a settlement is money that another legal entity paid the borrower. Moving money between one's own
//! accounts is none, and neither is the advance of an earlier loan: a loan must not be the record for the next.
//!
//! A receipt of another network is carried whole instead, and verified by its certificate ([`networks`](super::networks)). Its
//! accounts are others: what it paid counts if payee and payer are both linked to accounts here, the payee to the borrower's.
//! Who paid could be the borrower itself, if its link were not asked for.
//!
//! A payment of an invoice says when the invoice was due; how late it was paid is counted in days begun after that.

use super::networks::{ForeignAccount, Network, network, prove};
use super::payment::INVOICE_PAID;
use super::request::SHARE_DISBURSED;
use crate::ledger::{
    Account, Changes, Context, Header, HistoryRoot, Malformed, Movement, MovementKind, Outcome, Reason, Receipt, Value,
};
use crate::primitives::time::DAY_MS;
use crate::primitives::{AccountId, Amount, BlockTime, ChainId, Decode as _, Hash, TokenId, TransactionId, merkle};
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

/// A settlement that was cited and proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// The ledger that it is of, if it is another than this.
    pub network: Option<ChainId>,
    /// The transaction.
    pub transaction: TransactionId,
    /// What it paid the borrower in the receivable's token.
    pub paid: Amount,
    /// The time of its block.
    pub settled_at: BlockTime,
}

/// What a borrower shows, proven: each settlement, in the order in which they are numbered, and what they add up to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Each of them.
    pub settlements: Vec<Settlement>,
    /// Their sum.
    pub record: SettlementRecord,
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

/// The ledger on which something was settled.
enum Place {
    /// This one.
    Here,
    /// Another network.
    There(ChainId, Network),
}

impl Place {
    /// The account here that an account of that ledger is, if it is one.
    fn account_here(&self, account: AccountId, changes: &Changes<'_>) -> Option<AccountId> {
        match self {
            Self::Here => Some(account),
            Self::There(id, _) => changes.read(&(*id, account)).map(|linked: ForeignAccount| linked.account),
        }
    }

    /// The token here that a token of that ledger is taken for, if it is for any.
    fn token_here(&self, token: TokenId) -> Option<TokenId> {
        match self {
            Self::Here => Some(token),
            Self::There(_, network) => network.token_here(token),
        }
    }
}

/// An outcome that was proven, with its block's time and the ledger that it is of.
struct Cited {
    place: Place,
    outcome: Outcome,
    time: BlockTime,
}

/// The outcome of a receipt of another network that the programme accepts.
///
/// # Errors
/// Those of [`network`], `NETWORK_NOT_ACCEPTED`, those of [`prove`].
fn cited_there(bytes: &[u8], index: u64, accepted: &[ChainId], changes: &Changes<'_>) -> Result<Cited, Reason> {
    // Before its signatures, which take milliseconds.
    let named = Receipt::from_bytes(bytes).ok().map(|receipt| receipt.header.chain_id);
    if let Some(id) = named.filter(|id| !accepted.contains(id)) {
        network(changes, id)?;
        return Err(Reason::NetworkNotAccepted { citation_index: index, network: Hash(id.0) });
    }
    let (id, network, receipt) = prove(bytes, index, changes)?;
    Ok(Cited { place: Place::There(id, network), outcome: receipt.outcome, time: receipt.header.time })
}

/// What a borrower shows: receipts of this ledger, and whole ones of networks that the programme accepts. They are numbered in
/// this order.
pub struct Shown<'a> {
    /// Receipts of this ledger.
    pub citations: &'a [Citation],
    /// Whole receipts of other networks, in canonical bytes.
    pub foreign_receipts: &'a [Bytes],
    /// The networks that the programme accepts.
    pub networks: &'a [ChainId],
}

/// Proves everything that is shown and adds it up.
///
/// # Errors
/// `CITATION_FOREIGN`, `CITATION_UNPROVEN`, `CITATION_DECLINED`, `CITATION_NOT_THE_SUPPLIERS`, `CITATION_REPEATED` for
/// the first that does not hold, of another network those of `prove` and `NETWORK_NOT_ACCEPTED` too; `AMOUNT_OVERFLOW`.
pub fn settlement_record(
    shown: &Shown<'_>,
    (supplier, token): (AccountId, TokenId),
    context: &Context<'_>,
    changes: &Changes<'_>,
) -> Result<Evidence, Reason> {
    let overflow = || Reason::AmountOverflow { token };
    let mut cited = BTreeSet::new();
    let Evidence { mut settlements, mut record } = Evidence::default();
    let of_here = (0u64..).zip(shown.citations).map(|(index, citation)| {
        let (outcome, time) = citation.prove(index, context, changes)?;
        Ok((index, Cited { place: Place::Here, outcome, time }))
    });
    let of_there = (shown.citations.len() as u64..)
        .zip(shown.foreign_receipts)
        .map(|(index, bytes)| Ok((index, cited_there(bytes, index, shown.networks, changes)?)));
    for proven in of_here.chain(of_there) {
        let (citation_index, found) = proven?;
        let mut movements = settlements_of(&found, supplier, changes).peekable();
        if movements.peek().is_none() {
            return Err(Reason::CitationNotTheSuppliers { citation_index, supplier });
        }
        let mut in_token = movements.filter(|movement| found.place.token_here(movement.token) == Some(token));
        let paid = in_token.try_fold(Amount::ZERO, |sum, movement| sum.checked_add(movement.amount));
        let paid = paid.ok_or_else(overflow)?;
        record.sum = record.sum.checked_add(paid).ok_or_else(overflow)?;
        let network = match found.place {
            Place::Here => None,
            Place::There(id, _) => Some(id),
        };
        let (transaction, settled_at) = (found.outcome.transaction_id, found.time);
        if !cited.insert((network, transaction)) {
            return Err(Reason::CitationRepeated { citation_index });
        }
        record.take_up(settled_at, late_days(&found, supplier, changes));
        settlements.push(Settlement { network, transaction, paid, settled_at });
    }
    Ok(Evidence { settlements, record })
}

/// By how many days begun the latest of the supplier's invoices that it paid was late.
fn late_days(found: &Cited, supplier: AccountId, changes: &Changes<'_>) -> u32 {
    let paid = found.outcome.effects.iter().filter(|effect| effect.name == INVOICE_PAID);
    let of_the_supplier = paid.filter(|effect| match effect.field("supplier") {
        Some(Value::Account(account)) => found.place.account_here(*account, changes) == Some(supplier),
        _ => false,
    });
    let due = of_the_supplier.filter_map(|effect| match effect.field("due_at") {
        Some(Value::Time(due_at)) => Some(*due_at),
        _ => None,
    });
    let days = due.map(|due_at| u32::try_from(found.time.ms_since(due_at).div_ceil(DAY_MS)).unwrap_or(u32::MAX));
    days.max().unwrap_or_default()
}

/// The movements of an outcome that are settlements of the supplier's.
fn settlements_of<'a>(
    found: &'a Cited,
    supplier: AccountId,
    changes: &'a Changes<'_>,
) -> impl Iterator<Item = &'a Movement> {
    let entity = changes.read::<Account>(&supplier).map(|account| account.legal_entity_id).unwrap_or_default();
    let lenders: BTreeSet<AccountId> = found
        .outcome
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
    let here = |account: Option<AccountId>| account.and_then(|account| found.place.account_here(account, changes));
    found.outcome.movements.iter().filter(move |movement| {
        movement.kind == MovementKind::Transfer
            && here(movement.to) == Some(supplier)
            && movement.from.is_some_and(|payer| !lenders.contains(&payer))
            && here(movement.from).is_some_and(|payer| !of_the_entity(payer))
    })
}
