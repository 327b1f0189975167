//! The files of a log, in memory, and the log on the disk.
//!
//! # Life cycle
//! [`Log::load`] reads what there is and writes nothing. What the files are told is kept until one of them is synced: then all of it goes
//! out as one frame, in one write. The first frame after a load begins a new generation, and so does one that would make the log
//! longer than it may be.
//!
//! # Invariants
//! * A frame is written after the one before it is durable. After a failure, or a sync that was given up halfway, nothing is
//!   written any more, and every sync fails.
//! * What waits to be synced is bounded: above [`UNSYNCED_BYTES_MAX`] a write syncs.
//! * A name is listed once it is durable, until the file is removed.

use super::frame::{self, Files, Recovered, Step};
use crate::primitives::codec::Encode as _;
use commonware_runtime::{Blob, BlobVersion, Error, ReadOptions, Storage, WriteOptions};
use hex::encode as hex;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Mutex as TurnMutex;

/// The two files of a log on the disk.
const HALVES: [&[u8]; 2] = [b"0", b"1"];
/// How long a generation becomes, or four times what it began with, if that is more. At 40 views a second that is some seconds; and as
/// the files are written over again and again, a sync writes their bytes and nothing of the file system's.
const GENERATION_BYTES: u64 = 1 << 20;
/// The engine syncs what it writes before it does anything else.
const UNSYNCED_BYTES_MAX: usize = 1 << 20;

/// A file's partition, a zero, and its name.
type Name = Vec<u8>;
type Bytes = Arc<Mutex<Vec<u8>>>;

/// A log.
pub(super) struct Log<B> {
    state: Mutex<State>,
    disk: TurnMutex<Disk<B>>,
}

struct State {
    files: BTreeMap<Name, Entry>,
    /// What was done since the last frame, encoded.
    unsynced: Vec<u8>,
    durable: BTreeSet<Name>,
}

struct Entry {
    version: u16,
    bytes: Bytes,
}

struct Disk<B> {
    halves: [B; 2],
    generation: u64,
    half: usize,
    /// Where the next frame goes. There is none before the first of this process.
    end: Option<u64>,
    end_max: u64,
    /// A frame is being written, or could not be.
    is_broken: bool,
}

fn full_name(partition: &str, name: &[u8]) -> Name {
    [partition.as_bytes(), &[0], name].concat()
}

fn missing(partition: &str, name: &[u8]) -> Error {
    Error::BlobMissing(partition.to_owned(), hex(name))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is guarded is whole after each statement, so a panic elsewhere leaves nothing half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<B: Blob> Log<B> {
    /// Reads a log; an empty one where there is none.
    ///
    /// # Errors
    /// The disk fails, or the log is damaged ([`Error::PartitionCorrupt`]).
    pub(super) async fn load<E: Storage<Blob = B>>(storage: &E, partition: &str) -> Result<Self, Error> {
        let corrupt = |why: String| Error::PartitionCorrupt(format!("{partition}: {why}"));
        let names = match storage.scan(partition).await {
            Err(Error::PartitionMissing(_)) => Vec::new(),
            scanned => scanned?,
        };
        if let Some(other) = names.iter().find(|name| !HALVES.contains(&name.as_slice())) {
            return Err(corrupt(format!("{} is no file of a journal's log", hex(other))));
        }
        let open = async |name: &[u8]| -> Result<(B, Option<Vec<u8>>), Error> {
            let is_there = names.iter().any(|found| found == name);
            let opened = storage.open(partition, name).await;
            let (blob, size) = opened.map_err(|error| match error {
                Error::BlobCorrupt(_, name, why) => corrupt(format!("{name}: {why}")),
                error => error,
            })?;
            let size = usize::try_from(size).map_err(|_| corrupt(format!("{} is too long", hex(name))))?;
            let bytes = blob.read_at(0, size, ReadOptions::default()).await?.coalesce();
            Ok((blob, is_there.then(|| bytes.as_ref().to_vec())))
        };
        let ((first, first_bytes), (second, second_bytes)) = (open(HALVES[0]).await?, open(HALVES[1]).await?);
        let recovered = frame::recover([first_bytes.as_deref(), second_bytes.as_deref()]);
        let Recovered { generation, half, files } = recovered.map_err(|damage| corrupt(damage.to_string()))?;
        let disk = Disk { halves: [first, second], generation, half, end: None, end_max: 0, is_broken: false };
        let state = Mutex::new(State::of(files));
        Ok(Self { state, disk: TurnMutex::new(disk) })
    }

    /// Whether everything that was done is durable.
    pub(super) fn is_synced(&self) -> bool {
        locked(&self.state).unsynced.is_empty()
    }

    /// The files of a partition whose names are durable.
    pub(super) fn names(&self, partition: &str) -> Vec<Vec<u8>> {
        let (state, prefix) = (locked(&self.state), full_name(partition, &[]));
        let there = state.durable.iter().filter(|name| state.files.contains_key(*name));
        there.filter_map(|name| name.strip_prefix(prefix.as_slice())).map(<[u8]>::to_vec).collect()
    }

    /// Opens a file, or makes it.
    pub(super) fn open(
        self: &Arc<Self>,
        partition: &str,
        name: &[u8],
        versions: &RangeInclusive<BlobVersion>,
    ) -> Result<(Handle<B>, u64, BlobVersion), Error> {
        let (mut state, full) = (locked(&self.state), full_name(partition, name));
        if !state.files.contains_key(&full) {
            let version = versions.end().get();
            Step::Made { name: &full, version }.encode(&mut state.unsynced);
            state.files.insert(full.clone(), Entry { version, bytes: Bytes::default() });
        }
        let Some(entry) = state.files.get(&full) else { return Err(missing(partition, name)) };
        let found = BlobVersion::new(entry.version);
        if !versions.contains(&found) {
            return Err(Error::BlobVersionMismatch { expected: versions.clone(), found });
        }
        // One is ours, and each handle has one.
        if Arc::strong_count(&entry.bytes) > 1 {
            return Err(Error::BlobAlreadyOpen(partition.to_owned(), hex(name)));
        }
        let size = locked(&entry.bytes).len() as u64;
        let handle = Handle { log: self.clone(), bytes: entry.bytes.clone(), name: full };
        Ok((handle, size, found))
    }

    /// Removes a file. That is durable with the next sync.
    pub(super) fn remove(&self, partition: &str, name: &[u8]) -> Result<(), Error> {
        let (mut state, full) = (locked(&self.state), full_name(partition, name));
        state.files.remove(&full).ok_or_else(|| missing(partition, name))?;
        Step::Removed { name: &full }.encode(&mut state.unsynced);
        Ok(())
    }

    /// Removes all files of a partition, if it has any. That is durable with the next sync.
    pub(super) fn remove_all(&self, partition: &str) {
        let State { files, unsynced, .. } = &mut *locked(&self.state);
        let prefix = full_name(partition, &[]);
        files.retain(|name, _| {
            let stays = !name.starts_with(&prefix);
            if !stays {
                Step::Removed { name }.encode(unsynced);
            }
            stays
        });
    }

    /// Makes everything durable that was done before this call.
    pub(super) async fn sync(&self) -> Result<(), Error> {
        let mut disk = self.disk.lock().await;
        if disk.is_broken {
            return Err(Error::WriteFailed);
        }
        let Some((frame, names)) = self.next_frame(&mut disk) else { return Ok(()) };
        // It stays so if the write fails, or if nobody waits for it any more: it may then be there or not.
        disk.is_broken = true;
        let at = disk.end.unwrap_or_default();
        let end = at + frame.len() as u64;
        disk.halves[disk.half].write_at(at, frame, WriteOptions::SYNC).await?;
        disk.end = Some(end);
        disk.is_broken = false;
        locked(&self.state).durable = names;
        Ok(())
    }

    /// What is to be written, and the names that are durable then; nothing if nothing was done.
    fn next_frame(&self, disk: &mut Disk<B>) -> Option<(Vec<u8>, BTreeSet<Name>)> {
        let mut state = locked(&self.state);
        if state.unsynced.is_empty() {
            return None;
        }
        let steps = std::mem::take(&mut state.unsynced);
        let names = state.files.keys().cloned().collect();
        let frame = frame::seal(disk.generation, &steps);
        if disk.end.is_some_and(|end| end + frame.len() as u64 <= disk.end_max) {
            return Some((frame, names));
        }
        disk.generation += 1;
        disk.half = if disk.end.is_none() && disk.generation == 1 { 0 } else { 1 - disk.half };
        disk.end = None;
        let frame = frame::seal(disk.generation, &state.image());
        disk.end_max = GENERATION_BYTES.max(4 * frame.len() as u64);
        Some((frame, names))
    }
}

impl State {
    fn of(files: Files) -> Self {
        let durable = files.keys().cloned().collect();
        let entry = |file: frame::FileImage| Entry { version: file.version, bytes: Arc::new(Mutex::new(file.bytes)) };
        let files = files.into_iter().map(|(name, file)| (name, entry(file))).collect();
        Self { files, unsynced: Vec::new(), durable }
    }

    /// All files, as the first frame of a generation says them.
    fn image(&self) -> Vec<u8> {
        let files: Vec<_> =
            self.files.iter().map(|(name, entry)| (name.as_slice(), entry.version, locked(&entry.bytes))).collect();
        frame::steps_of(files.iter().map(|(name, version, bytes)| (*name, *version, bytes.as_slice())))
    }
}

/// A file in a log.
pub struct Handle<B> {
    log: Arc<Log<B>>,
    name: Name,
    bytes: Bytes,
}

impl<B: Blob> Handle<B> {
    /// The log that the file is in.
    pub(super) fn log(&self) -> &Arc<Log<B>> {
        &self.log
    }

    pub(super) fn read<T>(&self, offset: u64, len: usize, take: impl FnOnce(&[u8]) -> T) -> Result<T, Error> {
        let bytes = locked(&self.bytes);
        let start = usize::try_from(offset).map_err(|_| Error::OffsetOverflow)?;
        let end = start.checked_add(len).ok_or(Error::OffsetOverflow)?;
        bytes.get(start..end).map(take).ok_or(Error::BlobInsufficientLength)
    }

    pub(super) async fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        let is_much = self.change(Step::Written { name: &self.name, offset, bytes }, |file| {
            frame::write(file, offset, bytes).ok_or(Error::OffsetOverflow)
        })?;
        if is_much { self.log.sync().await } else { Ok(()) }
    }

    pub(super) async fn resize(&self, size: u64) -> Result<(), Error> {
        let is_much = self.change(Step::Resized { name: &self.name, size }, |file| {
            file.resize(usize::try_from(size).map_err(|_| Error::OffsetOverflow)?, 0);
            Ok(())
        })?;
        if is_much { self.log.sync().await } else { Ok(()) }
    }

    /// Does something and has it said in the next frame. Answers whether so much waits that it is time for one.
    fn change(&self, step: Step<'_>, done: impl FnOnce(&mut Vec<u8>) -> Result<(), Error>) -> Result<bool, Error> {
        let mut state = locked(&self.log.state);
        done(&mut locked(&self.bytes))?;
        // What was removed may be read on, and is nobody else's business.
        if state.files.get(&self.name).is_some_and(|entry| Arc::ptr_eq(&entry.bytes, &self.bytes)) {
            step.encode(&mut state.unsynced);
        }
        Ok(state.unsynced.len() > UNSYNCED_BYTES_MAX)
    }
}
