//! What stands in the two files of a journal's log, and what it comes to.
//!
//! A log is a row of frames, each at a multiple of [`ALIGNMENT`] bytes:
//!
//! | bytes | |
//! |---|---|
//! | 8 | [`MAGIC`] |
//! | 8 | the generation, from 1 |
//! | 4 | how long the steps are |
//! | | the steps |
//! | 32 | SHA-256 of all before |
//!
//! The first frame of a generation makes every file that there is; the others say what was done since. A generation stands in one of the
//! two files, from its beginning, over what is left of the one before the last. The next begins in the other file.
//!
//! # Invariants
//! * A frame is written after the one before it is durable. So a frame that is not whole is the end of the log, torn by a
//!   failure of the power, unless a later frame of its generation is there: then it was whole once, and is damaged.
//! * A frame is taken as a whole or not at all.
//!
//! # Deliberately absent
//! Damage to the very last frame cannot be told from a write that was torn. Whoever keeps elsewhere how far the journal reached
//! finds it ([`super::super::voting::falls_short`]).

use crate::primitives::codec::{CodecError, Decode, Encode, Reader};
use crate::primitives::crypto::sha256;
use std::collections::BTreeMap;
use thiserror::Error;

/// Where a frame may begin.
pub(super) const ALIGNMENT: usize = 512;
/// What every frame begins with; the last byte is the version of the format.
const MAGIC: [u8; 8] = *b"cwyvote\x01";
const HEADER_BYTES: usize = 20;
const CHECKSUM_BYTES: usize = 32;
/// The longest name of a file, and the longest file.
const NAME_BYTES_MAX: usize = 256;
const FILE_BYTES_MAX: usize = 64 << 20;

/// A file's bytes, and the version that it was made with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileImage {
    /// As its maker chose it.
    pub version: u16,
    /// All of it.
    pub bytes: Vec<u8>,
}

/// The files of a journal, by name.
pub type Files = BTreeMap<Vec<u8>, FileImage>;

/// What a log says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The newest generation; 0 where nothing was ever written.
    pub generation: u64,
    /// The file that it stands in: 0 or 1.
    pub half: usize,
    /// The files, as the last whole frame left them.
    pub files: Files,
}

/// Why a log cannot be read. Something that was durable is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Damage {
    /// A frame is not whole, and there are later ones.
    #[error("at byte {0} of the log something is damaged that was whole once")]
    Frame(usize),
    /// One of the two files is not there.
    #[error("one of its two files is gone")]
    HalfGone,
    /// Both files claim the same generation.
    #[error("its two files are of one generation: one is a copy")]
    Twice,
    /// A frame says what nobody wrote.
    #[error("the frame at byte {0} of the log is whole, and none that this version writes")]
    Step(usize),
}

/// A change to the files of a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step<'a> {
    /// A file was made, or made anew, empty.
    Made { name: &'a [u8], version: u16 },
    /// Bytes were written into a file, zeros filling what lay between its end and them.
    Written { name: &'a [u8], offset: u64, bytes: &'a [u8] },
    /// A file was cut, or filled up with zeros.
    Resized { name: &'a [u8], size: u64 },
    /// A file was removed.
    Removed { name: &'a [u8] },
}

impl Encode for Step<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        let named = |tag: u8, name: &[u8], out: &mut Vec<u8>| {
            out.push(tag);
            encode_bytes(name, out);
        };
        match self {
            Self::Made { name, version } => {
                named(0, name, out);
                version.encode(out);
            }
            Self::Written { name, offset, bytes } => {
                named(1, name, out);
                offset.encode(out);
                encode_bytes(bytes, out);
            }
            Self::Resized { name, size } => {
                named(2, name, out);
                size.encode(out);
            }
            Self::Removed { name } => named(3, name, out),
        }
    }
}

impl<'a> Step<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, CodecError> {
        let tag = u8::decode(reader)?;
        let count = reader.count("name", NAME_BYTES_MAX)?;
        let name = reader.take(count)?;
        Ok(match tag {
            0 => Self::Made { name, version: u16::decode(reader)? },
            1 => {
                let offset = u64::decode(reader)?;
                let count = reader.count("write", FILE_BYTES_MAX)?;
                Self::Written { name, offset, bytes: reader.take(count)? }
            }
            2 => Self::Resized { name, size: u64::decode(reader)? },
            3 => Self::Removed { name },
            value => return Err(CodecError::Tag { what: "step", value: u64::from(value) }),
        })
    }

    /// Does it. `None` if it cannot be: its file is not there, or would be too long.
    fn apply(&self, files: &mut Files) -> Option<()> {
        match *self {
            Self::Made { name, version } => {
                files.insert(name.to_vec(), FileImage { version, bytes: Vec::new() });
            }
            Self::Written { name, offset, bytes } => write(&mut files.get_mut(name)?.bytes, offset, bytes)?,
            Self::Resized { name, size } => {
                let size = usize::try_from(size).ok().filter(|size| *size <= FILE_BYTES_MAX)?;
                files.get_mut(name)?.bytes.resize(size, 0);
            }
            Self::Removed { name } => drop(files.remove(name)?),
        }
        Some(())
    }
}

/// Writes into a file's bytes. `None` if the file would be too long.
pub(super) fn write(file: &mut Vec<u8>, offset: u64, bytes: &[u8]) -> Option<()> {
    let start = usize::try_from(offset).ok()?;
    let end = start.checked_add(bytes.len()).filter(|end| *end <= FILE_BYTES_MAX)?;
    if end > file.len() {
        file.resize(end, 0);
    }
    file[start..end].copy_from_slice(bytes);
    Some(())
}

/// A file is far shorter than `u32::MAX`, and so are all of a log together.
fn encode_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    (bytes.len() as u32).encode(out);
    out.extend_from_slice(bytes);
}

/// A frame of steps that are encoded already, filled up to the next place where one may begin.
pub(super) fn seal(generation: u64, steps: &[u8]) -> Vec<u8> {
    let size = (HEADER_BYTES + steps.len() + CHECKSUM_BYTES).next_multiple_of(ALIGNMENT);
    let mut frame = Vec::with_capacity(size);
    frame.extend_from_slice(&MAGIC);
    generation.encode(&mut frame);
    encode_bytes(steps, &mut frame);
    let checksum = sha256(&frame);
    frame.extend_from_slice(&checksum.0);
    frame.resize(size, 0);
    frame
}

/// The steps that make these files out of nothing.
pub(super) fn steps_of<'a>(files: impl Iterator<Item = (&'a [u8], u16, &'a [u8])>) -> Vec<u8> {
    let mut steps = Vec::new();
    for (name, version, bytes) in files {
        Step::Made { name, version }.encode(&mut steps);
        Step::Written { name, offset: 0, bytes }.encode(&mut steps);
    }
    steps
}

/// A whole frame.
struct Frame<'a> {
    generation: u64,
    steps: &'a [u8],
    size: usize,
}

fn frame_at(log: &[u8], offset: usize) -> Option<Frame<'_>> {
    let rest = log.get(offset..)?;
    let mut reader = Reader::new(rest);
    if reader.array().ok()? != MAGIC {
        return None;
    }
    let generation = u64::decode(&mut reader).ok()?;
    let count = u32::decode(&mut reader).ok()? as usize;
    let steps = reader.take(count).ok()?;
    let checksum: [u8; CHECKSUM_BYTES] = reader.array().ok()?;
    let end = HEADER_BYTES + count;
    let size = (end + CHECKSUM_BYTES).next_multiple_of(ALIGNMENT);
    (sha256(&rest[..end]).0 == checksum && generation > 0).then_some(Frame { generation, steps, size })
}

/// The places of whole frames in a file, with their generations.
fn frames(log: &[u8]) -> impl Iterator<Item = (usize, Frame<'_>)> {
    let mut offset = 0;
    std::iter::from_fn(move || {
        while offset < log.len() {
            let at = offset;
            match frame_at(log, at) {
                Some(frame) => {
                    offset += frame.size;
                    return Some((at, frame));
                }
                None => offset += ALIGNMENT,
            }
        }
        None
    })
}

/// What the two files of a log come to; `None` stands for one that is not there.
///
/// # Errors
/// Something is missing that was durable.
pub fn recover(halves: [Option<&[u8]>; 2]) -> Result<Recovered, Damage> {
    let generations = halves.map(|half| frames(half.unwrap_or_default()).map(|(_, frame)| frame.generation).max());
    let Some(generation) = generations.into_iter().flatten().max() else { return Ok(Recovered::default()) };
    if halves.contains(&None) {
        return Err(Damage::HalfGone);
    }
    let half = match generations {
        [first, second] if first == second => return Err(Damage::Twice),
        [_, second] => usize::from(second == Some(generation)),
    };
    let log = halves[half].unwrap_or_default();
    let (mut files, mut end) = (Files::new(), 0);
    for (at, frame) in frames(log).filter(|(_, frame)| frame.generation == generation) {
        if at != end {
            return Err(Damage::Frame(end));
        }
        let mut steps = Reader::new(frame.steps);
        while steps.remaining() > 0 {
            let step = Step::read(&mut steps).ok();
            step.and_then(|step| step.apply(&mut files)).ok_or(Damage::Step(at))?;
        }
        end += frame.size;
    }
    Ok(Recovered { generation, half, files })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(name: &[u8], bytes: &[u8]) -> Vec<u8> {
        steps_of([(name, 0, bytes)].into_iter())
    }

    fn written(name: &[u8], offset: u64, bytes: &[u8]) -> Vec<u8> {
        Step::Written { name, offset, bytes }.to_bytes()
    }

    fn log(frames: &[Vec<u8>]) -> Vec<u8> {
        frames.concat()
    }

    #[test]
    fn a_log_comes_to_what_its_steps_did() {
        let steps = [
            Step::Made { name: b"a", version: 3 }.to_bytes(),
            Step::Written { name: b"a", offset: 2, bytes: b"xyz" }.to_bytes(),
            Step::Resized { name: b"a", size: 4 }.to_bytes(),
            Step::Made { name: b"b", version: 0 }.to_bytes(),
            Step::Removed { name: b"b" }.to_bytes(),
        ];
        let log = log(&[seal(1, &steps[..2].concat()), seal(1, &steps[2..].concat())]);
        let recovered = recover([Some(&log), Some(&[])]).expect("a log");
        let image = FileImage { version: 3, bytes: b"\0\0xy".to_vec() };
        assert_eq!(recovered, Recovered { generation: 1, half: 0, files: [(b"a".to_vec(), image)].into() });
    }

    /// Whatever of the last frame is missing, all of it is.
    #[test]
    fn a_torn_end_leaves_what_was_before_it() {
        let first = seal(1, &made(b"a", b"1"));
        let whole = log(&[first.clone(), seal(1, &written(b"a", 0, &[7; 700]))]);
        let before = recover([Some(&first), Some(&[])]).expect("a log");
        let payload_end = HEADER_BYTES + written(b"a", 0, &[7; 700]).len() + CHECKSUM_BYTES;
        for size in first.len()..first.len() + payload_end {
            assert_eq!(recover([Some(&whole[..size]), Some(&[])]).as_ref(), Ok(&before), "{size}");
        }
        for at in (first.len()..first.len() + payload_end).step_by(3) {
            let mut torn = whole.clone();
            torn[at] ^= 0x40;
            assert_eq!(recover([Some(&torn), Some(&[])]).as_ref(), Ok(&before), "{at}");
        }
        assert_ne!(recover([Some(&whole), Some(&[])]).as_ref(), Ok(&before));
    }

    /// A frame was durable before the next was written.
    #[test]
    fn a_frame_that_is_not_whole_before_one_that_is_was_damaged() {
        let frames = [seal(1, &made(b"a", b"1")), seal(1, &written(b"a", 1, b"2")), seal(1, &written(b"a", 2, b"3"))];
        for damaged in [0, 1] {
            let mut log = log(&frames);
            log[damaged * ALIGNMENT + 30] ^= 1;
            assert_eq!(recover([Some(&log), Some(&[])]), Err(Damage::Frame(damaged * ALIGNMENT)));
        }
    }

    #[test]
    fn a_generation_that_was_not_begun_leaves_the_one_before_it() {
        let older = log(&[seal(2, &made(b"a", b"1")), seal(2, &written(b"a", 0, b"2"))]);
        let oldest = log(&[seal(1, &made(b"a", b"0")), seal(1, &[]), seal(1, &[])]);
        let newer = seal(3, &made(b"a", b"3"));
        let mut torn = oldest.clone();
        torn[..newer.len() - 500].copy_from_slice(&newer[..newer.len() - 500]);
        torn[25] ^= 1;
        let found = recover([Some(&torn), Some(&older)]).expect("a log");
        assert_eq!(
            (found.generation, found.half, found.files[b"a".as_slice()].bytes.as_slice()),
            (2, 1, b"2".as_slice())
        );
        let mut begun = oldest;
        begun[..newer.len()].copy_from_slice(&newer);
        let found = recover([Some(&begun), Some(&older)]).expect("a log");
        assert_eq!(
            (found.generation, found.half, found.files[b"a".as_slice()].bytes.as_slice()),
            (3, 0, b"3".as_slice())
        );
    }

    #[test]
    fn what_is_missing_is_told_and_never_an_older_state_taken() {
        let (older, newer) = (seal(4, &made(b"a", b"1")), seal(5, &made(b"a", b"2")));
        assert_eq!(recover([Some(&older), None]), Err(Damage::HalfGone));
        assert_eq!(recover([None, Some(&newer)]), Err(Damage::HalfGone));
        assert_eq!(recover([Some(&older), Some(&older)]), Err(Damage::Twice));
        assert_eq!(recover([Some(&seal(1, &written(b"a", 0, b"1"))), Some(&[])]), Err(Damage::Step(0)));
        assert_eq!(recover([Some(&seal(1, &[9, 0, 0, 0, 0])), Some(&[])]), Err(Damage::Step(0)));
        assert_eq!(recover([None, None]), Ok(Recovered::default()));
        assert_eq!(recover([Some(&[]), None]), Ok(Recovered::default()));
    }
}
