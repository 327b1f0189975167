//! Proofs out of what the node keeps: receipts and citations.

use super::chain::{Chain, transaction_place};
use super::error::NodeError;
use super::handovers::Handovers;
use super::newest::{KeptBlock, NewestBlocks};
use super::records::{PrunedBlock, node_key};
use crate::consensus::block::SealedBlock;
use crate::domain::financing::Citation;
use crate::ledger::receipt::{Anchor, LaterHeader, PlacedTransaction, Receipt};
use crate::ledger::{Block, CertifiedHeader, Header, SignedTransaction};
use crate::primitives::merkle::Path;
use crate::primitives::{Decode as _, Encode as _, Hash, TransactionId};
use crate::storage::{Reader, Store, StoreColumn, height_key, key_height};
use bytes::Bytes;
use std::sync::Arc;

/// The final block at a height, if it is kept here.
///
/// # Errors
/// The store failed or holds what is no block.
pub fn stored_block<R: Reader>(store: &R, height: u64) -> Result<Option<Arc<Block>>, NodeError> {
    let Some(bytes) = store.get(StoreColumn::Blocks, &height_key(height))? else { return Ok(None) };
    let sealed = SealedBlock::open_stored(&bytes).map_err(|cause| NodeError::record("a block", cause))?;
    Ok(Some(sealed.block().clone()))
}

/// The final block at a height as it is kept here, with its body or without.
///
/// # Errors
/// The store failed or holds what is neither.
pub fn kept_block<R: Reader>(store: &R, height: u64) -> Result<Option<KeptBlock>, NodeError> {
    if let Some(block) = stored_block(store, height)? {
        return Ok(Some(KeptBlock::Whole(block)));
    }
    let Some(bytes) = store.get(StoreColumn::PrunedBlocks, &height_key(height))? else { return Ok(None) };
    let pruned = PrunedBlock::from_bytes(&bytes).map_err(|cause| NodeError::record("a pruned block", cause))?;
    Ok(Some(KeptBlock::Pruned(Box::new(pruned))))
}

/// The certificate of the very block at a height, if there is one.
///
/// # Errors
/// The store failed.
pub fn stored_certificate<R: Reader>(store: &R, height: u64) -> Result<Option<Bytes>, NodeError> {
    Ok(store.get(StoreColumn::Certificates, &height_key(height))?)
}

/// The receipt of a transaction or of what fell due, which shows that it is of the history of the header at `checkpoint_height`, if there is one;
/// `None` if it is not final here, or no certificate has come in yet that covers its block and that header.
///
/// # Errors
/// The store failed or holds what no committer wrote.
pub fn receipt<S: Store>(
    chain: &Chain<S>,
    (newest, handovers): (&NewestBlocks, &Handovers),
    id: &TransactionId,
    checkpoint_height: Option<u64>,
) -> Result<Option<Receipt>, NodeError> {
    let store = chain.store();
    let Some(place) = transaction_place(store, id)? else { return Ok(None) };
    let final_block = newest.block(store, place.height)?;
    let (kept, record) = (&final_block.kept, &final_block.record);
    let index = place.index as usize;
    let Some(outcome) = record.outcomes.get(index) else { return Ok(None) };
    let Some((later, certificate)) = certificate_over(store, kept.header(), checkpoint_height)? else {
        return Ok(None);
    };
    let certified = later.as_ref().map_or(kept.header(), |later| &later.header);
    let (certified_height, certified_epoch) = (certified.height, certified.epoch);
    let checkpoint = checkpoint_height.filter(|height| ![place.height, certified_height].contains(height));
    let anchor = checkpoint.map(|height| anchor(store, height, certified_height)).transpose()?;
    let placed = |signed: &SignedTransaction| {
        let path = final_block.transaction_path(index).ok_or(NodeError::MissingRecord("a transaction's path"))?;
        Ok::<_, NodeError>(PlacedTransaction { signed: signed.clone(), path })
    };
    Ok(Some(Receipt {
        // What fell due stands after the transactions and is none; and of those, bodies may be gone.
        transaction: kept.transactions().get(index).map(placed).transpose()?,
        outcome: outcome.clone(),
        balances: record.openings.of(index, outcome),
        outcome_path: final_block.outcome_path(index).ok_or(NodeError::MissingRecord("an outcome's path"))?,
        header: kept.header().clone(),
        later,
        anchor,
        certificate,
        handovers: handovers.until(store, certified_epoch)?,
    }))
}

/// A transaction's outcome with its way into the newest history root; `None` if it is not final here.
///
/// # Errors
/// The store failed or holds what no committer wrote.
pub fn citation<S: Store>(
    chain: &Chain<S>,
    newest: &NewestBlocks,
    id: &TransactionId,
) -> Result<Option<Citation>, NodeError> {
    let store = chain.store();
    let size = chain.head().header.height + 1;
    let Some(place) = transaction_place(store, id)? else { return Ok(None) };
    let final_block = newest.block(store, place.height)?;
    let index = place.index as usize;
    let Some(outcome) = final_block.record.outcomes.get(index) else { return Ok(None) };
    Ok(Some(Citation {
        outcome: outcome.to_bytes().into(),
        outcome_path: final_block.outcome_path(index).ok_or(NodeError::MissingRecord("an outcome's path"))?,
        header: final_block.kept.header().to_bytes().into(),
        history_path: history_path(store, place.height, size)?,
    }))
}

/// The header at a height with what proves it final; `None` if the block is not there, or no certificate yet that covers it.
///
/// # Errors
/// The store failed or holds what no committer wrote.
pub fn certified_header<R: Reader + Clone>(
    store: &R,
    handovers: &Handovers,
    height: u64,
) -> Result<Option<CertifiedHeader>, NodeError> {
    let Some(block) = stored_block(store, height)? else { return Ok(None) };
    let header = block.header().clone();
    let Some((later, certificate)) = certificate_over(store, &header, None)? else { return Ok(None) };
    let epoch = later.as_ref().map_or(header.epoch, |later| later.header.epoch);
    let handovers = handovers.until(store, epoch)?;
    Ok(Some(CertifiedHeader { header, later, certificate, handovers }))
}

fn anchor<S: Store>(store: &S, height: u64, certified_height: u64) -> Result<Anchor, NodeError> {
    let kept = kept_block(store, height)?.ok_or(NodeError::MissingBlock(height))?;
    Ok(Anchor { header_hash: kept.header().hash(), path: history_path(store, height, certified_height)? })
}

/// The certificate of this header, or that of the next one that has any with the way to it; none below the checkpoint's.
fn certificate_over<R: Reader>(
    store: &R,
    header: &Header,
    checkpoint_height: Option<u64>,
) -> Result<Option<(Option<LaterHeader>, Bytes)>, NodeError> {
    let from = checkpoint_height.map_or(header.height, |height| height.max(header.height));
    let mut certificates = store.scan(StoreColumn::Certificates, &height_key(from), 1)?;
    let Some((key, certificate)) = certificates.pop() else { return Ok(None) };
    let height = key_height(&key).ok_or(NodeError::MissingRecord("a certificate's height"))?;
    if height == header.height {
        return Ok(Some((None, certificate)));
    }
    // The certificate may be ahead of what is applied; its block comes in before it is needed again.
    let Some(certified) = stored_block(store, height)? else { return Ok(None) };
    let path = history_path(store, header.height, height);
    match path {
        Ok(path) => Ok(Some((Some(LaterHeader { path, header: certified.header().clone() }), certificate))),
        Err(NodeError::MissingRecord(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The way from the header at `height` into the tree over the first `size` headers.
fn history_path<R: Reader>(store: &R, height: u64, size: u64) -> Result<Path, NodeError> {
    let mut fault = None;
    let path =
        Path::from_nodes(height, size, &mut |place| match store.get(StoreColumn::HistoryNodes, &node_key(place)) {
            Ok(Some(bytes)) => Hash::from_bytes(&bytes).ok(),
            Ok(None) => None,
            Err(error) => {
                fault = Some(error);
                None
            }
        });
    match fault {
        Some(error) => Err(error.into()),
        None => path.ok_or(NodeError::MissingRecord("a node of the history tree")),
    }
}
