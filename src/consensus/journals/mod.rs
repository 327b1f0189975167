//! The engine's journals of votes, each in one log.
//!
//! The engine keeps a journal as a file for each view. On a file system that is, for each block, a file to be made and one to be removed,
//! each with its directory synced, besides the votes themselves. [`Journaled`] is the runtime with another place for them:
//! the files of a journal are kept in memory, where they are small, and what is done to them goes to one log of two files that are
//! written over in turn. A vote is durable after one synced write, as before.
//!
//! * `frame`: what stands in the log, and what it comes to.
//! * `log`: a journal's files, and their log on the disk.
//!
//! # Invariants
//! * What a sync of any file of a journal has acknowledged, and everything that was done to the journal before, is there after a
//!   crash. What was done since is there up to some point, in its order: a file system promises less.
//! * A log that has lost something durable is refused when it is read, and not taken for an earlier one.
//! * Everything that is no journal goes where it went.

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

    fn is_journal(&self, partition: &str) -> bool {
        voting::is_journal(&self.shared.prefix, partition)
    }

    /// The log of a journal, which is read unless it is open.
    async fn log(&self, partition: &str) -> Result<Arc<Log<E::Blob>>, Error> {
        let mut logs = self.shared.logs.lock().await;
        if let Some(log) = logs.get(partition) {
            return Ok(log.clone());
        }
        // Those of past epochs, none of whose files anybody has open.
        logs.retain(|_, log| Arc::strong_count(log) > 1);
        let log = Arc::new(Log::load(&self.context, partition).await?);
        logs.insert(partition.to_owned(), log.clone());
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
        if !self.is_journal(partition) {
            let (blob, size, version) = self.context.open_versioned(partition, name, versions).await?;
            return Ok((File(Place::Other(blob)), size, version));
        }
        let (file, size, version) = self.log(partition).await?.open(name, &versions)?;
        Ok((File(Place::Journal { file, shared: self.shared.clone() }), size, version))
    }

    async fn remove(&self, partition: &str, name: Option<&[u8]>) -> Result<(), Error> {
        match name {
            Some(name) if self.is_journal(partition) => self.log(partition).await?.remove(name),
            None if self.is_journal(partition) => {
                let mut logs = self.shared.logs.lock().await;
                logs.remove(partition);
                self.context.remove(partition, None).await
            }
            name => self.context.remove(partition, name).await,
        }
    }

    async fn scan(&self, partition: &str) -> Result<Vec<Vec<u8>>, Error> {
        let found = self.context.scan(partition).await?;
        match self.is_journal(partition) {
            true => Ok(self.log(partition).await?.names()),
            false => Ok(found),
        }
    }
}

/// A file of a journal, or another.
pub struct File<E: Storage>(Place<E>);

enum Place<E: Storage> {
    Journal { file: log::Handle<E::Blob>, shared: Arc<Shared<E>> },
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
            Place::Journal { file, .. } => {
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
            Place::Journal { file, .. } => file.read(offset, len, |bytes| IoBufMut::from(bytes).into()),
            Place::Other(blob) => blob.read_at(offset, len, options).await,
        }
    }

    async fn write_at(&self, offset: u64, bufs: impl Into<IoBufs> + Send, options: WriteOptions) -> Result<(), Error> {
        match &self.0 {
            Place::Journal { file, .. } => {
                file.write(offset, bufs.into().coalesce().as_ref()).await?;
                if options.contains(WriteOptions::SYNC) { file.log().sync().await } else { Ok(()) }
            }
            Place::Other(blob) => blob.write_at(offset, bufs, options).await,
        }
    }

    async fn resize(&self, len: u64) -> Result<(), Error> {
        match &self.0 {
            Place::Journal { file, .. } => file.resize(len).await,
            Place::Other(blob) => blob.resize(len).await,
        }
    }

    async fn sync(&self) -> Result<(), Error> {
        match &self.0 {
            Place::Journal { file, .. } => file.log().sync().await,
            Place::Other(blob) => blob.sync().await,
        }
    }

    async fn start_sync(&self) -> Handle<()> {
        match &self.0 {
            Place::Journal { file, shared } => {
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
