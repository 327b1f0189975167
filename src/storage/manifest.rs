//! A check of RocksDB's manifest before RocksDB reads it: the list of its tables must be whole to the last byte.
//!
//! RocksDB takes a manifest that ends in the middle of a record for one that a power cut ended, forgets the record, and
//! deletes the tables that it named. A flipped bit in a record's length looks the same, and the data in those tables
//! is gone without a word. A manifest's records are a few hundred bytes, written and synced one at a time, so a real
//! cut practically never falls inside of one; where it does, refusing to start is the safe side.
//!
//! Checksums are left to RocksDB, which verifies those of the records that it sees.

use std::fs;
use std::path::Path;

use super::StorageError;

/// The file that names the current manifest: where it is, there is a database.
pub(super) const CURRENT: &str = "CURRENT";

// RocksDB's log format: blocks of 32 KiB; a record never begins in a block's last bytes where its header would not fit.
const BLOCK_SIZE: usize = 32 << 10;
/// Checksum (4), length (u16, little-endian), type (1).
const HEADER_SIZE: usize = 7;

/// Checks that the current manifest in `place` ends where its last record does.
pub(super) fn check(place: &Path) -> Result<(), StorageError> {
    let current = fs::read(place.join(CURRENT)).map_err(|error| StorageError::from_io(place, &error))?;
    let name = String::from_utf8_lossy(&current);
    let manifest = fs::read(place.join(name.trim_end())).map_err(|error| {
        StorageError::corrupt("at opening", format!("CURRENT names a manifest that cannot be read: {error}"))
    })?;
    match torn_at(&manifest) {
        None => Ok(()),
        Some(offset) => {
            let cause = format!("the manifest's record at byte {offset} of {} does not end", manifest.len());
            Err(StorageError::corrupt("at opening", cause))
        }
    }
}

/// Where the record begins that ends outside of its block or of the file, if there is one.
fn torn_at(log: &[u8]) -> Option<usize> {
    for (index, block) in log.chunks(BLOCK_SIZE).enumerate() {
        let mut at = 0;
        while let Some(header) = block[at..].first_chunk::<HEADER_SIZE>() {
            let length = u16::from_le_bytes([header[4], header[5]]);
            let end = at + HEADER_SIZE + usize::from(length);
            if end > block.len() {
                return Some(index * BLOCK_SIZE + at);
            }
            at = end;
        }
        let is_full = block.len() == BLOCK_SIZE;
        if !is_full && at < block.len() {
            return Some(index * BLOCK_SIZE + at);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(length: u16) -> Vec<u8> {
        let [low, high] = length.to_le_bytes();
        let mut record = vec![0, 0, 0, 0, low, high, 1];
        record.resize(HEADER_SIZE + usize::from(length), 0xaa);
        record
    }

    #[test]
    fn a_manifest_is_whole_or_torn() {
        let whole = [record(5), record(0), record(300)].concat();
        assert_eq!(torn_at(&whole), None);
        assert_eq!(torn_at(&[]), None);
        let last = whole.len() - record(300).len();
        for cut in last + 1..whole.len() {
            assert_eq!(torn_at(&whole[..cut]), Some(last), "cut at byte {cut}");
        }
        // A block's last six bytes hold no header.
        let mut two_blocks = record((BLOCK_SIZE - HEADER_SIZE - 6) as u16);
        two_blocks.resize(BLOCK_SIZE, 0);
        two_blocks.extend(record(9));
        assert_eq!(torn_at(&two_blocks), None);
        assert_eq!(torn_at(&two_blocks[..two_blocks.len() - 1]), Some(BLOCK_SIZE));
    }
}
