//! Snapshots, as far as the ledger goes: a copy of a store is made to end at its applied block, and what vouches for it is found.
//!
//! # Life cycle
//! copied while the node runs (`storage`) -> sealed -> proven by the header of the block after it, once that is final ->
//! verified wherever it comes to (`audit::verify`) -> restored, with a floor for the engine.
//!
//! # Invariants
//! * A sealed copy holds nothing above its applied block, and nothing of the node that it was copied from but what every node
//!   of the ledger has.

use super::error::NodeError;
use super::floor::{self, Floor};
use super::handovers::Handovers;
use super::proofs;
use super::pruning;
use super::records::{APPLIED_KEY, FLOOR_KEY};
use crate::consensus::block::SealedBlock;
use crate::ledger::{Certificate, CertifiedHeader, Header};
use crate::primitives::{Decode as _, Hash};
use crate::storage::{Batch, Reader, Store, StoreColumn, stores};
use bytes::Bytes;

/// Ends a copy of a store at its applied block, and removes the bodies from it that no node needs to begin, if they are not
/// wanted. Answers that block's header.
///
/// # Errors
/// The store failed, or holds what no committer wrote.
pub async fn seal<S: Store>(store: &S, with_bodies: bool) -> Result<Header, NodeError> {
    let applied = store.get(StoreColumn::Meta, APPLIED_KEY)?.ok_or(NodeError::MissingRecord("the applied header"))?;
    let header = Header::from_bytes(&applied).map_err(|cause| NodeError::record("the applied header", cause))?;
    stores::end_at(store, header.height, block_of).await?;
    let mut batch = Batch::new();
    batch.delete(StoreColumn::Meta, FLOOR_KEY);
    store.commit(batch).await?;
    if !with_bodies && let Some(floor) = floor::highest(store, header.height)? {
        pruning::prune_below(store, floor.height).await?;
    }
    Ok(header)
}

/// The block that an entry of the engine's stores is, or is of.
fn block_of(column: StoreColumn, value: &Bytes) -> Option<Hash> {
    match column {
        StoreColumn::Blocks => SealedBlock::open_stored(value).ok().map(|sealed| sealed.block().hash()),
        _ => Certificate::from_bytes(value).ok().map(|certificate| certificate.block),
    }
}

/// What vouches for the state after the block at a height: the header of the next, if it is final and certified here.
///
/// # Errors
/// The store failed or holds what no committer wrote.
pub fn proof<R: Reader + Clone>(store: &R, height: u64) -> Result<Option<CertifiedHeader>, NodeError> {
    proofs::certified_header(store, &Handovers::default(), height.saturating_add(1))
}

/// The same with a header and a certificate that came from elsewhere. Nothing of it is verified.
///
/// # Errors
/// The store failed or holds what no committer wrote.
pub fn proof_from<R: Reader + Clone>(
    store: &R,
    header: Header,
    certificate: Bytes,
) -> Result<CertifiedHeader, NodeError> {
    let handovers = Handovers::default().until(store, header.epoch)?;
    Ok(CertifiedHeader { header, later: None, certificate, handovers })
}

/// Where a node begins that is started over a snapshot; `None` if it could not.
///
/// # Errors
/// The store failed.
pub fn floor_of<R: Reader>(store: &R, height: u64) -> Result<Option<Floor>, NodeError> {
    floor::highest(store, height)
}

/// Readies a verified copy of a snapshot for a node to start over.
///
/// # Errors
/// The store failed.
pub async fn begin_from<S: Store>(store: &S, floor: &Floor) -> Result<(), NodeError> {
    floor::set(store, floor).await
}
