//! Where a node begins that has not seen all blocks: at the newest block of its store that has a certificate of its own.
//!
//! A store that was restored from a snapshot has the state after some block, and an engine that knows nothing. The engine is
//! told a floor then: a certificate, which it verifies, of a block at or below the applied one. It delivers from there on, the
//! ledger passes over what is applied, and nothing below the floor is ever asked of a peer.
//!
//! # Life cycle
//! Written by `causeway snapshot restore`, read at every start. Once the engine has progress of its own, that counts.
//!
//! # Invariants
//! * Every block from the floor up to the applied one has its body in the store.

use super::error::NodeError;
use super::records::FLOOR_KEY;
use crate::codec_struct;
use crate::primitives::{Decode as _, Encode as _};
use crate::storage::{Batch, Reader, Store, StoreColumn, height_key, key_height, stores};
use bytes::Bytes;

/// A floor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Floor {
    /// The block's height.
    pub height: u64,
    /// Its certificate.
    pub certificate: Bytes,
}
codec_struct!(Floor { height, certificate });

/// The highest floor of a store whose last applied block is at a height; `None` if no block up to there has a certificate, or
/// bodies are missing above the one that has.
///
/// # Errors
/// The store failed.
pub fn highest<R: Reader>(store: &R, applied: u64) -> Result<Option<Floor>, NodeError> {
    let above = height_key(applied.saturating_add(1));
    let Some((key, certificate)) = store.scan_back(StoreColumn::Certificates, Some(&above), 1)?.pop() else {
        return Ok(None);
    };
    let height = key_height(&key).ok_or(NodeError::MissingRecord("a certificate's height"))?;
    Ok((stores::reaches_down_to(store, applied)? <= height).then_some(Floor { height, certificate }))
}

/// Has a node begin at a floor when it is started over this store.
///
/// # Errors
/// The store failed.
pub async fn set<S: Store>(store: &S, floor: &Floor) -> Result<(), NodeError> {
    let mut batch = Batch::new();
    batch.put(StoreColumn::Meta, FLOOR_KEY, floor.to_bytes());
    Ok(store.commit(batch).await?)
}

/// The floor of a store that was restored.
///
/// # Errors
/// The store failed, or holds what nobody wrote.
pub fn of<R: Reader>(store: &R) -> Result<Option<Floor>, NodeError> {
    let Some(bytes) = store.get(StoreColumn::Meta, FLOOR_KEY)? else { return Ok(None) };
    Floor::from_bytes(&bytes).map(Some).map_err(|cause| NodeError::record("where the node begins", cause))
}
