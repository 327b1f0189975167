//! A check of RocksDB's manifest before RocksDB reads it: the list of its tables must be whole to the last byte.
//!
//! RocksDB takes a manifest that ends in the middle of a record for one that a power cut ended, forgets the record, and
//! deletes the tables that it named. A flipped bit in a record's length looks the same, and the data in those tables
//! is gone without a word. A manifest's records are a few hundred bytes, written and synced one at a time, so a real
//! cut practically never falls inside of one; where it does, refusing to start is the safe side.
//!
//! Checksums are left to RocksDB, which verifies those of the records that it sees.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use super::StorageError;

/// The file that names the current manifest: where it is, there is a database.
pub(super) const CURRENT: &str = "CURRENT";
const CURRENT_BYTES_MAX: u64 = 64;

// RocksDB's log format: blocks of 32 KiB; a record never begins in a block's last bytes where its header would not fit.
const BLOCK_SIZE: usize = 32 << 10;
/// Checksum (4), length (u16, little-endian), type (1).
const HEADER_SIZE: usize = 7;

/// Checks that the current manifest in `place` ends where its last record does.
pub(super) fn check(place: &Path) -> Result<(), StorageError> {
    let damaged = |cause: String| StorageError::corrupt("at opening", cause);
    // A link or a pipe may have no end, whatever it says: a store may be somebody else's, as a snapshot.
    let read = |name: &str, bytes_max: u64| -> io::Result<Vec<u8>> {
        let path = place.join(name);
        if !fs::symlink_metadata(&path)?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is no file"));
        }
        let mut bytes = Vec::new();
        File::open(path)?.take(bytes_max).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let current = read(CURRENT, CURRENT_BYTES_MAX).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => damaged(format!("CURRENT: {error}")),
        _ => StorageError::from_io(place, &error),
    })?;
    let name = manifest_name(&current).ok_or_else(|| damaged("CURRENT does not name a manifest".to_owned()))?;
    let manifest = read(name, u64::MAX)
        .map_err(|error| damaged(format!("CURRENT names a manifest that cannot be read: {error}")))?;
    match torn_at(&manifest) {
        None => Ok(()),
        Some(offset) => {
            Err(damaged(format!("the manifest's record at byte {offset} of {} does not end", manifest.len())))
        }
    }
}

/// The manifest's name in the one line of CURRENT.
fn manifest_name(current: &[u8]) -> Option<&str> {
    let name = str::from_utf8(current).ok()?.strip_suffix('\n')?;
    let number = name.strip_prefix("MANIFEST-")?;
    (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())).then_some(name)
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
    fn a_manifest_is_named_by_its_number_alone() {
        assert_eq!(manifest_name(b"MANIFEST-000012\n"), Some("MANIFEST-000012"));
        for other in ["", "MANIFEST-000012", "MANIFEST-\n", "/dev/zero\n", "../MANIFEST-1\n", "MANIFEST-1/..\n"] {
            assert_eq!(manifest_name(other.as_bytes()), None, "{other}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_not_read() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        for (name, link) in [("CURRENT", "/dev/zero"), ("MANIFEST-000001", "/dev/zero")] {
            std::fs::write(directory.path().join("CURRENT"), "MANIFEST-000001\n").expect("written");
            let place = directory.path().join(name);
            let _ = std::fs::remove_file(&place);
            std::os::unix::fs::symlink(link, &place).expect("a link");
            let refused = check(directory.path()).expect_err("a link").to_string();
            assert!(refused.contains("it is no file"), "{refused}");
            std::fs::remove_file(&place).expect("removed");
        }
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
