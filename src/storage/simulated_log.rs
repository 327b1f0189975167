//! The simulated store's log: one record for each commit, told apart from torn bytes by checksums.
//!
//! A record is a header of fixed size and a body:
//!
//! ```text
//! header  magic(4)  sequence(u64)  body size(u32)  body checksum(32)  header checksum(8)
//! body    count(u32), then for each write: family(u8) flag(u8) key(u32 + bytes) [value(u32 + bytes)]
//! ```
//!
//! Integers are big-endian; checksums are BLAKE3. A commit is synced before the next begins, so only the *last*
//! record can be torn by a crash. A record that does not check while a later one does was once synced: that is
//! damage, and the two are never confused.

use bytes::{Buf, Bytes};

use super::StorageError;
use super::column::Family;
use super::port::Write;

const MAGIC: [u8; 4] = *b"cwlg";
const BODY_CHECKSUM_SIZE: usize = 32;
const HEADER_CHECKSUM_SIZE: usize = 8;
const HEADER_SIZE: usize = MAGIC.len() + 8 + 4 + BODY_CHECKSUM_SIZE + HEADER_CHECKSUM_SIZE;

/// A write as the log and the image hold it.
pub(super) struct StoredWrite {
    pub family: Family,
    pub key: Bytes,
    pub value: Option<Bytes>,
}

impl From<Write> for StoredWrite {
    fn from(write: Write) -> Self {
        Self { family: write.column.family(), key: write.column.stored_key(&write.key).into(), value: write.value }
    }
}

/// What replaying a log found.
pub(super) struct Replay {
    /// The writes of every whole record, in order.
    pub writes: Vec<StoredWrite>,
    /// How many records those are: the next one's sequence.
    pub records: u64,
    /// Where the last whole record ends; what lies beyond was never acknowledged.
    pub end: usize,
}

/// The bytes of one record.
pub(super) fn encode_record(sequence: u64, writes: &[StoredWrite]) -> Result<Vec<u8>, TooLarge> {
    let mut body = Vec::new();
    put_size(&mut body, writes.len())?;
    for write in writes {
        body.push(write.family as u8);
        body.push(u8::from(write.value.is_some()));
        put_bytes(&mut body, &write.key)?;
        if let Some(value) = &write.value {
            put_bytes(&mut body, value)?;
        }
    }
    let mut record = Vec::with_capacity(HEADER_SIZE + body.len());
    record.extend_from_slice(&MAGIC);
    record.extend_from_slice(&sequence.to_be_bytes());
    put_size(&mut record, body.len())?;
    record.extend_from_slice(blake3::hash(&body).as_bytes());
    let checksum = header_checksum(&record);
    record.extend_from_slice(&checksum);
    record.extend_from_slice(&body);
    Ok(record)
}

/// A commit that does not fit a record's 32-bit sizes.
#[derive(Debug)]
pub(super) struct TooLarge;

/// Reads a log from its beginning.
pub(super) fn replay(log: &Bytes) -> Result<Replay, StorageError> {
    let mut replay = Replay { writes: Vec::new(), records: 0, end: 0 };
    loop {
        match record_at(log, replay.end) {
            Some((sequence, body)) if sequence == replay.records => {
                let mut writes =
                    decode_body(body.clone()).ok_or_else(|| damage(replay.end, "a whole record does not decode"))?;
                replay.writes.append(&mut writes);
                replay.records += 1;
                replay.end += HEADER_SIZE + body.len();
            }
            Some((sequence, _)) => {
                let cause = format!("record {sequence} stands where {} belongs", replay.records);
                return Err(damage(replay.end, &cause));
            }
            None if later_record(log, replay.end, replay.records) => {
                return Err(damage(replay.end, "a record does not check, and later ones do"));
            }
            None => return Ok(replay),
        }
    }
}

fn damage(offset: usize, cause: &str) -> StorageError {
    StorageError::corrupt("commit log", format!("{cause} (at byte {offset})"))
}

/// The sequence and body of the record at `offset`, if one stands there whole.
fn record_at(log: &Bytes, offset: usize) -> Option<(u64, Bytes)> {
    let (sequence, body_size, body_checksum) = header_at(log, offset)?;
    let start = offset + HEADER_SIZE;
    let end = start.checked_add(body_size).filter(|end| *end <= log.len())?;
    let body = log.slice(start..end);
    (blake3::hash(&body).as_bytes() == &body_checksum).then_some((sequence, body))
}

fn header_at(log: &[u8], offset: usize) -> Option<(u64, usize, [u8; BODY_CHECKSUM_SIZE])> {
    let header = log.get(offset..)?.get(..HEADER_SIZE)?;
    let (content, checksum) = header.split_at(HEADER_SIZE - HEADER_CHECKSUM_SIZE);
    if !content.starts_with(&MAGIC) || header_checksum(content) != checksum {
        return None;
    }
    let mut content = content.get(MAGIC.len()..)?;
    let sequence = content.try_get_u64().ok()?;
    let body_size = usize::try_from(content.try_get_u32().ok()?).ok()?;
    Some((sequence, body_size, content.try_into().ok()?))
}

/// Whether a record after `sequence` was begun beyond `offset`: then the one at `offset` had been synced.
fn later_record(log: &[u8], offset: usize, sequence: u64) -> bool {
    let beyond = offset + 1..log.len();
    beyond.into_iter().any(|at| header_at(log, at).is_some_and(|(later, ..)| later > sequence))
}

fn header_checksum(content: &[u8]) -> [u8; HEADER_CHECKSUM_SIZE] {
    let mut checksum = [0; HEADER_CHECKSUM_SIZE];
    blake3::Hasher::new().update(content).finalize_xof().fill(&mut checksum);
    checksum
}

fn decode_body(mut body: Bytes) -> Option<Vec<StoredWrite>> {
    let count = body.try_get_u32().ok()?;
    let mut writes = Vec::new();
    for _ in 0..count {
        let family = Family::from_tag(body.try_get_u8().ok()?)?;
        let has_value = match body.try_get_u8().ok()? {
            0 => false,
            1 => true,
            _ => return None,
        };
        let key = take_bytes(&mut body)?;
        let value = if has_value { Some(take_bytes(&mut body)?) } else { None };
        writes.push(StoredWrite { family, key, value });
    }
    body.is_empty().then_some(writes)
}

fn take_bytes(body: &mut Bytes) -> Option<Bytes> {
    let size = usize::try_from(body.try_get_u32().ok()?).ok()?;
    (size <= body.len()).then(|| body.split_to(size))
}

fn put_size(out: &mut Vec<u8>, size: usize) -> Result<(), TooLarge> {
    let size = u32::try_from(size).map_err(|_| TooLarge)?;
    out.extend_from_slice(&size.to_be_bytes());
    Ok(())
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), TooLarge> {
    put_size(out, bytes.len())?;
    out.extend_from_slice(bytes);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(sequence: u64, value: &'static [u8]) -> Vec<u8> {
        let write = StoredWrite {
            family: Family::Blocks,
            key: Bytes::from_static(b"key"),
            value: Some(Bytes::from_static(value)),
        };
        encode_record(sequence, &[write]).unwrap()
    }

    fn log() -> Vec<u8> {
        [record(0, b"first"), record(1, b"second"), record(2, b"third")].concat()
    }

    #[test]
    fn whole_records_are_read_back() {
        let replay = replay(&log().into()).unwrap();
        assert_eq!((replay.records, replay.end), (3, log().len()));
        assert_eq!(replay.writes[1].value.as_deref(), Some(b"second".as_slice()));
    }

    #[test]
    fn a_tail_torn_anywhere_is_discarded() {
        let whole = log();
        let last = whole.len() - record(2, b"third").len();
        for cut in last..whole.len() {
            let replay = replay(&whole[..cut].to_vec().into()).unwrap();
            assert_eq!((replay.records, replay.end), (2, last), "cut at byte {cut}");
        }
        for torn in last..whole.len() {
            let mut log = whole.clone();
            log[torn] ^= 1;
            let replay = replay(&log.into()).unwrap();
            assert_eq!(replay.records, 2, "torn at byte {torn}");
        }
    }

    #[test]
    fn damage_before_the_tail_is_told() {
        let whole = log();
        let last = whole.len() - record(2, b"third").len();
        for flipped in 0..last {
            let mut log = whole.clone();
            log[flipped] ^= 1;
            let damaged = replay(&log.into()).err();
            assert!(matches!(damaged, Some(StorageError::Corrupt { .. })), "flipped at byte {flipped}");
        }
    }

    #[test]
    fn a_missing_record_is_told() {
        let log = [record(0, b"first"), record(2, b"third")].concat();
        assert!(matches!(replay(&log.into()), Err(StorageError::Corrupt { .. })));
    }
}
