//! How far commits were acknowledged, in a small file beside RocksDB: to notice when it comes back with less.
//!
//! RocksDB takes a lost log, or damage to the end of one, for a power cut in the middle of a commit, and opens as of an
//! earlier commit without a word. What it acknowledged is not in its own files then; so it is noted outside of them.
//!
//! # Invariants
//! * The mark is written after a commit is synced, never before: it is at most what RocksDB has, unless RocksDB lost it.
//! * The mark is not synced itself. It survives the death of the process; a power cut may leave an earlier mark, which
//!   still tells no lie.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use commonware_utils::sync::Mutex;

use super::StorageError;

const FILE_NAME: &str = "ACKNOWLEDGED";
const CHECKSUM_SIZE: usize = 8;

/// The mark of an open store.
pub(super) struct Watermark {
    file: File,
    /// Commits of several tasks end in any order; the mark only rises.
    highest: Mutex<u64>,
}

impl Watermark {
    /// The mark that was left in `place`. None, or one that does not check, says nothing: 0.
    pub fn read(place: &Path) -> Result<u64, StorageError> {
        match fs::read(place.join(FILE_NAME)) {
            Ok(bytes) => Ok(decode(&bytes).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(StorageError::from_io(place, &error)),
        }
    }

    /// Opens the mark in `place` to raise it.
    pub fn open(place: &Path) -> Result<Self, StorageError> {
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).open(place.join(FILE_NAME));
        let file = file.map_err(|error| StorageError::from_io(place, &error))?;
        Ok(Self { file, highest: Mutex::new(Self::read(place)?) })
    }

    /// Notes that RocksDB has synced everything up to `sequence`.
    pub fn raise(&self, sequence: u64) -> io::Result<()> {
        let mut highest = self.highest.lock();
        if sequence > *highest {
            self.file.write_all_at(&encode(sequence), 0)?;
            *highest = sequence;
        }
        Ok(())
    }
}

fn encode(sequence: u64) -> Vec<u8> {
    let number = sequence.to_be_bytes();
    [number.as_slice(), &blake3::hash(&number).as_bytes()[..CHECKSUM_SIZE]].concat()
}

fn decode(bytes: &[u8]) -> Option<u64> {
    let sequence = u64::from_be_bytes(*bytes.first_chunk()?);
    (encode(sequence) == bytes).then_some(sequence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_only_rises() {
        let place = tempfile::tempdir().unwrap();
        assert_eq!(Watermark::read(place.path()), Ok(0));
        let mark = Watermark::open(place.path()).unwrap();
        mark.raise(9).unwrap();
        mark.raise(7).unwrap();
        assert_eq!(Watermark::read(place.path()), Ok(9));
        drop(mark);
        Watermark::open(place.path()).unwrap().raise(8).unwrap();
        assert_eq!(Watermark::read(place.path()), Ok(9));
        fs::write(place.path().join(FILE_NAME), b"0123456789abcdef").unwrap();
        assert_eq!(Watermark::read(place.path()), Ok(0));
    }
}
