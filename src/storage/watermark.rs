//! How far commits were acknowledged, in a small file beside RocksDB: to notice when it comes back with less.
//!
//! RocksDB takes a lost log, or damage to the end of one, for a power cut in the middle of a commit, and opens as of an
//! earlier commit without a word. What it acknowledged is not in its own files then; so it is noted outside of them.
//!
//! # Invariants
//! * The mark is written after a commit is synced, never before: it is at most what RocksDB has, unless RocksDB lost it.
//! * The file appears whole and synced, before the store's first commit; later marks are written over it in place, within
//!   one sector, and not synced. They survive the death of the process; a power cut may leave an earlier mark, which
//!   still tells no lie. So a mark that does not check is damage, and never a power cut.
//! * A store that has commits and no mark is not refused, because it may be as whole as any, but is spoken of: what it had
//!   acknowledged cannot be told any more.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use commonware_utils::sync::Mutex;

use super::{StorageError, durable};

const FILE_NAME: &str = "ACKNOWLEDGED";
const CHECKSUM_SIZE: usize = 8;

/// The mark of an open store.
pub(super) struct Watermark {
    file: File,
    /// Commits of several tasks end in any order; the mark only rises.
    highest: Mutex<u64>,
}

impl Watermark {
    /// The mark that was left in `place`, if one was.
    pub fn read(place: &Path) -> Result<Option<u64>, StorageError> {
        let bytes = match fs::read(place.join(FILE_NAME)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StorageError::from_io(place, &error)),
        };
        let damaged = || StorageError::corrupt(FILE_NAME, "the mark of what was acknowledged does not check");
        decode(&bytes).map(Some).ok_or_else(damaged)
    }

    /// Opens the mark in `place` to raise it. Where there is none, it begins at `sequence`, which the store has.
    pub fn open(place: &Path, sequence: u64) -> Result<Self, StorageError> {
        let failed = |error| StorageError::from_io(place, &error);
        let highest = match Self::read(place)? {
            Some(highest) => highest,
            None => {
                create(place, sequence).map_err(failed)?;
                sequence
            }
        };
        let file = OpenOptions::new().write(true).open(place.join(FILE_NAME)).map_err(failed)?;
        Ok(Self { file, highest: Mutex::new(highest) })
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

/// Makes the file, whole or not at all.
fn create(place: &Path, sequence: u64) -> io::Result<()> {
    let partial = place.join(format!("{FILE_NAME}.partial"));
    let file = File::create(&partial)?;
    file.write_all_at(&encode(sequence), 0)?;
    file.sync_all()?;
    durable::replace(&partial, &place.join(FILE_NAME))
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
        assert_eq!(Watermark::read(place.path()), Ok(None));
        let mark = Watermark::open(place.path(), 3).unwrap();
        assert_eq!(Watermark::read(place.path()), Ok(Some(3)));
        mark.raise(9).unwrap();
        mark.raise(7).unwrap();
        assert_eq!(Watermark::read(place.path()), Ok(Some(9)));
        drop(mark);
        Watermark::open(place.path(), 2).unwrap().raise(8).unwrap();
        assert_eq!(Watermark::read(place.path()), Ok(Some(9)));
    }

    #[test]
    fn a_mark_that_does_not_check_is_damage() {
        let place = tempfile::tempdir().unwrap();
        Watermark::open(place.path(), 9).unwrap();
        let whole = fs::read(place.path().join(FILE_NAME)).unwrap();
        let flipped = (0..whole.len() * 8).map(|bit| {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            bytes
        });
        let cut = (0..whole.len()).map(|length| whole[..length].to_vec());
        for damaged in flipped.chain(cut) {
            fs::write(place.path().join(FILE_NAME), &damaged).unwrap();
            let read = Watermark::read(place.path());
            assert!(matches!(read, Err(StorageError::Corrupt { .. })), "{damaged:?}: {read:?}");
            assert!(Watermark::open(place.path(), 9).is_err(), "{damaged:?}");
        }
    }
}
