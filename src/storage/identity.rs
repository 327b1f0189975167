//! Whose store it is: the chain and the format, written by the first `open` and checked by every later one.

use std::path::Path;

use super::{Batch, Reader, StorageError, StoreColumn};
use crate::primitives::ChainId;

/// The format that this program reads and writes: families, keys, and the encodings of values.
///
/// Raised by any change that an older program would misread. Stores are not converted: a node rebuilds.
pub const FORMAT_VERSION: u32 = 3;

const FORMAT_KEY: &[u8] = b"format";
const CHAIN_KEY: &[u8] = b"chain";

/// The keys in `Meta` that say whose store it is.
pub fn identity_keys() -> [&'static [u8]; 2] {
    [FORMAT_KEY, CHAIN_KEY]
}

/// Checks that the store at `place` is of this format and of `chain`.
///
/// Answers the batch that claims it, if nobody has: the caller commits that before anything else.
pub(super) fn check(store: &impl Reader, place: &Path, chain: &ChainId) -> Result<Option<Batch>, StorageError> {
    let format = store.get(StoreColumn::Meta, FORMAT_KEY)?;
    let found = store.get(StoreColumn::Meta, CHAIN_KEY)?;
    let (format, found) = match (format, found) {
        (Some(format), Some(found)) => (format, found),
        (None, None) => return claim(store, place, chain).map(Some),
        _ => {
            return Err(StorageError::corrupt(StoreColumn::Meta, "format and chain id do not stand together"));
        }
    };
    if format.as_ref() != FORMAT_VERSION.to_be_bytes() {
        return Err(foreign_format(place, describe_format(&format)));
    }
    if found.as_ref() != chain.as_ref() {
        return Err(StorageError::ForeignChain {
            place: place.to_path_buf(),
            found: hex::encode(&found),
            expected: hex::encode(chain),
        });
    }
    Ok(None)
}

/// The refusal of a store that another program wrote.
pub(super) fn foreign_format(place: &Path, found: String) -> StorageError {
    StorageError::ForeignFormat { place: place.to_path_buf(), found, supported: FORMAT_VERSION }
}

/// An empty store may be claimed; one with blocks but no owner was written by something else.
fn claim(store: &impl Reader, place: &Path, chain: &ChainId) -> Result<Batch, StorageError> {
    for column in [StoreColumn::Meta, StoreColumn::Blocks, StoreColumn::Outcomes] {
        if store.last(column)?.is_some() {
            return Err(foreign_format(place, "without a version".to_owned()));
        }
    }
    let mut batch = Batch::new();
    batch.put(StoreColumn::Meta, FORMAT_KEY, FORMAT_VERSION.to_be_bytes().to_vec());
    batch.put(StoreColumn::Meta, CHAIN_KEY, chain.as_ref().to_vec());
    Ok(batch)
}

fn describe_format(bytes: &[u8]) -> String {
    match bytes.try_into() {
        Ok(version) => u32::from_be_bytes(version).to_string(),
        Err(_) => format!("0x{}", hex::encode(bytes)),
    }
}
