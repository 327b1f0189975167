//! What a node says of the ledger when a run is over: its blocks, what its transactions came to, and balances.

use causeway::client::queries::StreamItem;
use causeway::client::{Client, ClientError};
use causeway::primitives::{TokenId, TransactionId};
use causeway::wire::pb::ledger::TransactionStatus;
use std::collections::{BTreeMap, BTreeSet};

/// A block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    pub height: u64,
    pub hash: Vec<u8>,
    /// In their order.
    pub transactions: Vec<TransactionId>,
    /// What circulates of the token after it, by its reserve line.
    pub circulation: u64,
}

/// What one node says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    pub node: usize,
    pub blocks: Vec<Block>,
    /// What became of each transaction: the reason's name, if it was declined.
    pub ends: BTreeMap<TransactionId, Option<String>>,
    /// What each account has, by its place.
    pub balances: Vec<u64>,
}

/// Reads the blocks after `from` up to `to`. The client sees every transaction: it reads as an observer.
pub async fn read(
    node: usize,
    observer: &Client,
    (from, to): (u64, u64),
    token: TokenId,
) -> Result<Ledger, ClientError> {
    let mut ledger = Ledger { node, ..Ledger::default() };
    let mut stream = observer.follow_blocks(from + 1).await?;
    for height in from + 1..=to {
        let message = stream.message().await.map_err(|status| ended("blocks", status.message()))?;
        let block = message.and_then(|message| message.block).ok_or_else(|| ended("blocks", "early"))?;
        if block.height != height || block.transaction_ids.len() != block.transaction_count as usize {
            return Err(ended("blocks", &format!("with {} where {height} was to come", block.height)));
        }
        let line = block.reserve_lines.iter().find(|line| line.token_id == token.as_str());
        ledger.blocks.push(Block {
            height,
            hash: block.block_hash.to_vec(),
            transactions: block.transaction_ids.iter().filter_map(|id| TransactionId::from_slice(id)).collect(),
            circulation: line.map_or(0, |line| line.circulation),
        });
    }
    read_ends(observer, from, &mut ledger).await?;
    Ok(ledger)
}

/// What became of the transactions of the blocks, by the events.
async fn read_ends(observer: &Client, from: u64, ledger: &mut Ledger) -> Result<(), ClientError> {
    let wanted = ledger.blocks.iter().flat_map(|block| &block.transactions);
    let wanted: BTreeSet<TransactionId> = wanted.copied().collect();
    let mut cursor = format!("{}.0", from + 1);
    while ledger.ends.len() < wanted.len() {
        let mut events = observer.follow_events(&cursor).await?;
        while ledger.ends.len() < wanted.len() {
            let message = events.message().await.map_err(|status| ended("events", status.message()))?;
            match message.map(StreamItem::from) {
                Some(StreamItem::Event(event)) => {
                    let id = TransactionId::from_slice(&event.transaction_id).filter(|id| wanted.contains(id));
                    let declined = event.status == i32::from(TransactionStatus::Declined);
                    if let Some(id) = id {
                        let reason = event.decline.map(|decline| decline.reason).unwrap_or_default();
                        ledger.ends.insert(id, declined.then_some(reason));
                    }
                    cursor = event.cursor;
                }
                // Too slow: the stream goes on where it was cut.
                Some(StreamItem::Gap(_)) => break,
                Some(StreamItem::Nothing) => {}
                None => return Err(ended("events", "early")),
            }
        }
    }
    Ok(())
}

fn ended(what: &str, how: &str) -> ClientError {
    ClientError::Malformed(format!("the stream of {what} ended {how}"))
}
