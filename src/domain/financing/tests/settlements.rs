//! Settlement receipts for tests: outcomes in a block of their own, with real paths into a history that state knows.

use crate::domain::financing::Citation;
use crate::domain::market::Market;
use crate::ledger::block::{outcome_leaf, outcomes_root};
use crate::ledger::{Decline, Effect, Header, HistoryRoot, Movement, MovementKind, Outcome, Reason, Status};
use crate::primitives::{
    AccountId, Amount, BlockTime, ChainId, Encode as _, Hash, PublicKey, TokenId, TransactionId, merkle,
};
use bytes::Bytes;

/// The chain of every [`crate::domain::rehearsal::Rehearsal`].
pub const CHAIN: ChainId = ChainId([0xcc; 32]);
/// How many blocks the history has, the receipts' among them.
const HISTORY: u64 = 7;
/// The height of the receipts' block.
const HEIGHT: u64 = 4;

/// A movement of 100 units.
pub fn paid(from: AccountId, to: AccountId, token: TokenId) -> Movement {
    Movement { kind: MovementKind::Transfer, token, from: Some(from), to: Some(to), amount: Amount::new(100) }
}

/// An applied transaction's outcome.
pub fn applied(id: u8, movements: Vec<Movement>) -> Outcome {
    let (transaction_id, status) = (TransactionId([id; 32]), Status::Applied);
    Outcome { transaction_id, status, movements, balances: Vec::new(), effects: Vec::new() }
}

/// A declined one's.
pub fn declined(id: u8) -> Outcome {
    let reason = Reason::SameAccount { account: AccountId([1; 32]) };
    Outcome::declined(TransactionId([id; 32]), Decline::new(0, &reason))
}

/// An outcome of an advance that a lender paid.
pub fn disbursed(id: u8, financier: AccountId, supplier: AccountId, token: TokenId) -> Outcome {
    let effects = vec![Effect::new("financing.share_disbursed").with("lender", financier)];
    Outcome { effects, ..applied(id, vec![paid(financier, supplier, token)]) }
}

/// An outcome of a payment of an invoice that was due then.
pub fn settled(id: u8, market: &Market, due_at: BlockTime) -> Outcome {
    let effect = Effect::new("financing.invoice_paid").with("supplier", market.supplier).with("due_at", due_at);
    Outcome { effects: vec![effect], ..applied(id, vec![paid(market.stranger, market.supplier, market.token)]) }
}

fn header(chain_id: ChainId, height: u64, outcomes: &[Hash]) -> Header {
    Header {
        chain_id,
        epoch: 0,
        height,
        parent: Hash::ZERO,
        time: BlockTime(height),
        proposer: PublicKey([0; 32]),
        transaction_count: outcomes.len() as u32,
        transactions_root: Hash::ZERO,
        outcome_count: outcomes.len() as u32,
        outcomes_root: outcomes_root(outcomes),
        parent_state_digest: Hash::ZERO,
        history_root: Hash::ZERO,
        validators_hash: Hash::ZERO,
        next_validators_hash: Hash::ZERO,
        reserves_root: Hash::ZERO,
    }
}

/// Puts the outcomes in one block of a chain's history, makes the history known to state, and cites each.
pub fn cite_on(chain: ChainId, market: &mut Market, outcomes: &[Outcome]) -> Vec<Citation> {
    let hashes: Vec<Hash> = outcomes.iter().map(Outcome::hash).collect();
    let leaves: Vec<Hash> = hashes.iter().map(outcome_leaf).collect();
    let headers: Vec<Header> =
        (0..HISTORY).map(|height| header(chain, height, if height == HEIGHT { &hashes[..] } else { &[] })).collect();
    let history: Vec<Hash> = headers.iter().map(Header::history_leaf).collect();
    market.stage.edit(|changes| changes.put(&HISTORY, &HistoryRoot(merkle::root(&history))));
    let place = HEIGHT as usize;
    (0..outcomes.len())
        .map(|index| Citation {
            outcome: Bytes::from(outcomes[index].to_bytes()),
            outcome_path: merkle::Path::of(&leaves, index).expect("the outcome is in its block"),
            header: Bytes::from(headers[place].to_bytes()),
            history_path: merkle::Path::of(&history, place).expect("the block is in its history"),
        })
        .collect()
}

/// The same on the market's own chain.
pub fn cite(market: &mut Market, outcomes: &[Outcome]) -> Vec<Citation> {
    cite_on(CHAIN, market, outcomes)
}

/// One good citation: the stranger paid the supplier.
pub fn record(market: &mut Market) -> Vec<Citation> {
    let outcome = applied(1, vec![paid(market.stranger, market.supplier, market.token)]);
    cite(market, &[outcome])
}
