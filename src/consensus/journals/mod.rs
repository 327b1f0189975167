//! What the engine writes again and again in small pieces, in logs.
//!
//! The engine keeps its journal of votes as a file for each view, and what it knows of views that are not final yet in files that
//! grow by some bytes for each. On a file system a block then takes a file to be made and one to be removed, each with its
//! directory synced, and some six files that grew, each with its length; and whatever changes more than bytes waits for the file
//! system's own journal, which all nodes of a machine share.
//!
//! [`Journaled`] is the runtime with another place for them: they are kept in memory, where they are small, and what is done to
//! them goes to a log of two files that are written over in turn. A sync is one write of as many bytes as were changed, and several
//! that come at once are one.
//!
//! | partitions | log |
//! |---|---|
//! | the journal of an epoch's votes, or of the epoch as a node follows it | one of its own, which is all that stands in the partition |
//! | the marshal's certificates, and its indices of blocks, of views that are not final | one for all of them |
//!
//! * `frame`: what stands in a log, and what it comes to.
//! * `log`: the files of a log, and the log on the disk.
//!
//! # Invariants
//! * What a sync of any file of a log has acknowledged, and everything that was done to files of that log before, is there after
//!   a crash. What was done since is there up to some point, in its order: a file system promises less.
//! * A log that has lost something durable is refused when it is read, and not taken for an earlier one.
//! * Everything else goes where it went: blocks above all, which are too large to be kept in memory.

mod frame;
mod log;

pub use frame::{Damage, FileImage, Files, Recovered, recover};

use super::{Runtime, voting};
use commonware_runtime::telemetry::metrics::{Metric, Registered};
use commonware_runtime::{
    Blob, BlobVersion, BufMut as _, Clock, Error, Handle, IoBufMut, IoBufs, IoBufsMut, Metrics, Name, ReadOptions,
    Spawner, Storage, Supervisor, WriteOptions, signal,
};
use governor::clock::{Clock as GovernorClock, ReasonablyRealtime};
use log::Log;
use rand_core::{TryCryptoRng, TryRng};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::Mutex;

/// What the partitions of the marshal's that have small files end in: those of certificates, and the indices of blocks.
const SMALL: [&str; 6] = [
    "-notarizations-key",
    "-notarizations-value",
    "-finalizations-key",
    "-finalizations-value",
    "-verified-key",
    "-notarized-key",
];

/// A runtime that keeps journals in logs. Whoever reads or writes journals asks for one, so that nobody looks past it.
pub trait KeepsJournals: Runtime {}

impl<E: Runtime> KeepsJournals for Journaled<E> {}

/// The runtime, and a log for each journal.
pub struct Journaled<E: Storage> {
    context: E,
    shared: Arc<Shared<E>>,
}

/// What a runtime's children have in common.
struct Shared<E: Storage> {
    /// Prefix of the partitions among which the journals are.
    prefix: String,
    logs: Mutex<BTreeMap<String, Arc<Log<E::Blob>>>>,
    /// Where a sync that was started goes on.
    tasks: E,
}

impl<E: Runtime> Journaled<E> {
    /// Keeps the journals among the partitions with this prefix. A directory has one of these and its children: the logs are theirs
    /// alone.
    pub fn new(context: E, prefix: &str) -> Self {
        let shared = Shared { prefix: prefix.to_owned(), logs: Mutex::default(), tasks: context.child("journals") };
        Self { context, shared: Arc::new(shared) }
    }

    /// The partition of the log that a partition's files are in, if they are in one.
    fn log_of(&self, partition: &str) -> Option<String> {
        let prefix = &self.shared.prefix;
        if voting::is_journal(prefix, partition) {
            return Some(partition.to_owned());
        }
        let cached = partition.strip_prefix(prefix)?.strip_prefix("-marshal-cache-")?;
        SMALL.iter().any(|end| cached.ends_with(end)).then(|| format!("{prefix}-marshal-log"))
    }

    /// A log, which is read unless it is open.
    async fn open_log(&self, partition: String) -> Result<Arc<Log<E::Blob>>, Error> {
        let mut logs = self.shared.logs.lock().await;
        if let Some(log) = logs.get(&partition) {
            return Ok(log.clone());
        }
        // Those of past epochs, none of whose files anybody has open.
        logs.retain(|_, log| Arc::strong_count(log) > 1 || !log.is_synced());
        let log = Arc::new(Log::load(&self.context, &partition).await?);
        logs.insert(partition, log.clone());
        Ok(log)
    }
}

impl<E: Runtime> Storage for Journaled<E> {
    type Blob = File<E>;

    async fn open_versioned(
        &self,
        partition: &str,
        name: &[u8],
        versions: RangeInclusive<BlobVersion>,
    ) -> Result<(File<E>, u64, BlobVersion), Error> {
        let Some(log) = self.log_of(partition) else {
            let (blob, size, version) = self.context.open_versioned(partition, name, versions).await?;
            return Ok((File(Place::Other(blob)), size, version));
        };
        let (file, size, version) = self.open_log(log).await?.open(partition, name, &versions)?;
        Ok((File(Place::Log { file, shared: self.shared.clone() }), size, version))
    }

    async fn remove(&self, partition: &str, name: Option<&[u8]>) -> Result<(), Error> {
        let Some(log) = self.log_of(partition) else { return self.context.remove(partition, name).await };
        if name.is_none() && log == partition {
            let mut logs = self.shared.logs.lock().await;
            logs.remove(partition);
            return self.context.remove(partition, None).await;
        }
        let log = self.open_log(log).await?;
        match name {
            Some(name) => log.remove(partition, name),
            None => {
                log.remove_all(partition);
                log.sync().await
            }
        }
    }

    async fn scan(&self, partition: &str) -> Result<Vec<Vec<u8>>, Error> {
        let Some(log) = self.log_of(partition) else { return self.context.scan(partition).await };
        let is_own = log == partition;
        if let Err(error) = self.context.scan(&log).await {
            return Err(if is_own { error } else { Error::PartitionMissing(partition.to_owned()) });
        }
        let names = self.open_log(log).await?.names(partition);
        match names.is_empty() && !is_own {
            true => Err(Error::PartitionMissing(partition.to_owned())),
            false => Ok(names),
        }
    }
}

/// A file in a log, or another.
pub struct File<E: Storage>(Place<E>);

enum Place<E: Storage> {
    Log { file: log::Handle<E::Blob>, shared: Arc<Shared<E>> },
    Other(E::Blob),
}

impl<E: Runtime> Blob for File<E> {
    async fn read_at_buf(
        &self,
        offset: u64,
        len: usize,
        bufs: impl Into<IoBufsMut> + Send,
        options: ReadOptions,
    ) -> Result<IoBufsMut, Error> {
        match &self.0 {
            Place::Log { file, .. } => {
                let mut bufs = bufs.into();
                file.read(offset, len, |bytes| match bufs.len() {
                    0 => bufs.put_slice(bytes),
                    filled if filled == len => bufs.copy_from_slice(bytes),
                    _ => bufs = IoBufMut::from(bytes).into(),
                })?;
                Ok(bufs)
            }
            Place::Other(blob) => blob.read_at_buf(offset, len, bufs, options).await,
        }
    }

    async fn read_at(&self, offset: u64, len: usize, options: ReadOptions) -> Result<IoBufsMut, Error> {
        match &self.0 {
            Place::Log { file, .. } => file.read(offset, len, |bytes| IoBufMut::from(bytes).into()),
            Place::Other(blob) => blob.read_at(offset, len, options).await,
        }
    }

    async fn write_at(&self, offset: u64, bufs: impl Into<IoBufs> + Send, options: WriteOptions) -> Result<(), Error> {
        match &self.0 {
            Place::Log { file, .. } => {
                file.write(offset, bufs.into().coalesce().as_ref()).await?;
                if options.contains(WriteOptions::SYNC) { file.log().sync().await } else { Ok(()) }
            }
            Place::Other(blob) => blob.write_at(offset, bufs, options).await,
        }
    }

    async fn resize(&self, len: u64) -> Result<(), Error> {
        match &self.0 {
            Place::Log { file, .. } => file.resize(len).await,
            Place::Other(blob) => blob.resize(len).await,
        }
    }

    async fn sync(&self) -> Result<(), Error> {
        match &self.0 {
            Place::Log { file, .. } => file.log().sync().await,
            Place::Other(blob) => blob.sync().await,
        }
    }

    async fn start_sync(&self) -> Handle<()> {
        match &self.0 {
            Place::Log { file, shared } => {
                let log = file.log().clone();
                let started = shared.tasks.child("sync").spawn(move |_| async move { log.sync().await });
                Handle::from_future(async move { started.await? })
            }
            Place::Other(blob) => blob.start_sync().await,
        }
    }
}

impl<E: Runtime> Supervisor for Journaled<E> {
    fn name(&self) -> Name {
        self.context.name()
    }

    fn child(&self, label: &'static str) -> Self {
        Self { context: self.context.child(label), shared: self.shared.clone() }
    }

    fn with_attribute(self, key: &'static str, value: impl std::fmt::Display) -> Self {
        Self { context: self.context.with_attribute(key, value), shared: self.shared }
    }
}

impl<E: Runtime> Spawner for Journaled<E> {
    fn shared(self, blocking: bool) -> Self {
        Self { context: self.context.shared(blocking), shared: self.shared }
    }

    fn dedicated(self) -> Self {
        Self { context: self.context.dedicated(), shared: self.shared }
    }

    fn spawn<F, Fut, T>(self, work: F) -> Handle<T>
    where
        F: FnOnce(Self) -> Fut + Send + 'static,
        Fut: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        let Self { context, shared } = self;
        context.spawn(move |context| work(Self { context, shared }))
    }

    async fn stop(self, value: i32, timeout: Option<Duration>) -> Result<(), Error> {
        self.context.stop(value, timeout).await
    }

    fn stopped(&self) -> signal::Signal {
        self.context.stopped()
    }
}

impl<E: Runtime> Metrics for Journaled<E> {
    fn register<N: Into<String>, H: Into<String>, M: Metric>(&self, name: N, help: H, metric: M) -> Registered<M> {
        self.context.register(name, help, metric)
    }

    fn encode(&self) -> String {
        self.context.encode()
    }
}

impl<E: Runtime> Clock for Journaled<E> {
    fn current(&self) -> SystemTime {
        self.context.current()
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static + use<E> {
        self.context.sleep(duration)
    }

    fn sleep_until(&self, deadline: SystemTime) -> impl Future<Output = ()> + Send + 'static + use<E> {
        self.context.sleep_until(deadline)
    }
}

impl<E: Runtime> GovernorClock for Journaled<E> {
    type Instant = SystemTime;

    fn now(&self) -> SystemTime {
        self.context.current()
    }
}

impl<E: Runtime> ReasonablyRealtime for Journaled<E> {}

impl<E: Runtime> TryRng for Journaled<E> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.context.try_next_u32()
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.context.try_next_u64()
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), Infallible> {
        self.context.try_fill_bytes(dest)
    }
}

impl<E: Runtime> TryCryptoRng for Journaled<E> {}

#[cfg(test)]
mod tests;
