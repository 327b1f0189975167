//! The machine that a simulated node runs on: the runtime, with a disk that needs time to sync.
//!
//! In the runtime alone a write and the sync after it are one moment, and the power never fails between them. Here a write
//! stands unsynced for as long as its sync takes. What of it outlives a failure of the power is what the runtime's faults
//! are configured to keep, by the node's store and by the engine's journals alike.
//!
//! Whether any of it ever did is counted: a file that is longer when it is opened than it was when it was last synced has an
//! end that was never synced ([`Syncs::torn`]).

use super::Context;
use commonware_runtime::telemetry::metrics::{Metric, Registered};
use commonware_runtime::{
    Blob, BlobVersion, Clock, Error, Handle, IoBufs, IoBufsMut, Metrics, Name, ReadOptions, Spawner, Storage,
    Supervisor, WriteOptions, signal,
};
use governor::clock::{Clock as GovernorClock, ReasonablyRealtime};
use rand::{RngExt as _, TryCryptoRng, TryRng};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ops::{AddAssign, RangeInclusive};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

/// What the partition of a node's own store ends in; all others are the engine's.
pub const STORE: &str = "-store";

type FileName = (String, Vec<u8>);
type DiskBlob = <Context as Storage>::Blob;

/// How a disk syncs, and what was seen of it. It outlives failures of the power.
#[derive(Clone, Default)]
pub struct Syncs {
    /// How long a sync may take, in ms.
    ms_max: Arc<AtomicU64>,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    /// How long each file was when it was last synced.
    synced: BTreeMap<FileName, u64>,
    torn: Torn,
}

/// How many files were found with an end that was never synced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Torn {
    /// Logs of nodes' own stores.
    pub stores: u64,
    /// Files of the engine.
    pub journals: u64,
}

impl AddAssign for Torn {
    fn add_assign(&mut self, other: Self) {
        self.stores += other.stores;
        self.journals += other.journals;
    }
}

impl Syncs {
    /// Has each sync from now on take up to so many ms.
    pub fn take_up_to(&self, ms: u64) {
        self.ms_max.store(ms, Ordering::Relaxed);
    }

    /// The files so far that had an end which was never synced.
    pub fn torn(&self) -> Torn {
        self.seen.lock().unwrap().torn
    }

    fn opened(&self, file: &FileName, size: u64) {
        let Seen { synced, torn } = &mut *self.seen.lock().unwrap();
        if synced.insert(file.clone(), size).is_some_and(|before| size > before) {
            let count = if file.0.ends_with(STORE) { &mut torn.stores } else { &mut torn.journals };
            *count += 1;
        }
    }

    fn synced(&self, file: &FileName, size: u64) {
        self.seen.lock().unwrap().synced.insert(file.clone(), size);
    }

    fn synced_at_least(&self, file: &FileName, size: u64) {
        let mut seen = self.seen.lock().unwrap();
        let before = seen.synced.entry(file.clone()).or_default();
        *before = (*before).max(size);
    }

    fn removed(&self, partition: &str, name: Option<&[u8]>) {
        let is_gone = |file: &FileName| file.0 == partition && name.is_none_or(|name| file.1 == name);
        self.seen.lock().unwrap().synced.retain(|file, _| !is_gone(file));
    }
}

/// The runtime over such a disk.
pub struct Machine {
    context: Context,
    syncs: Syncs,
}

impl Machine {
    pub fn new(context: Context, syncs: Syncs) -> Self {
        Self { context, syncs }
    }

    /// How long a sync takes, if it takes any time.
    fn pause(context: &Context, syncs: &Syncs) -> Option<Duration> {
        let ms = syncs.ms_max.load(Ordering::Relaxed);
        (ms > 0).then(|| Duration::from_micros(context.child("pause").random_range(0..=1_000 * ms)))
    }
}

impl Storage for Machine {
    type Blob = File;

    async fn open_versioned(
        &self,
        partition: &str,
        name: &[u8],
        versions: RangeInclusive<BlobVersion>,
    ) -> Result<(File, u64, BlobVersion), Error> {
        let (blob, size, version) = self.context.open_versioned(partition, name, versions).await?;
        let name = (partition.to_owned(), name.to_vec());
        self.syncs.opened(&name, size);
        let context = Arc::new(self.context.child("disk"));
        let (blob, size_now) = (Arc::new(blob), Arc::new(AtomicU64::new(size)));
        Ok((File { blob, name, size: size_now, context, syncs: self.syncs.clone() }, size, version))
    }

    async fn remove(&self, partition: &str, name: Option<&[u8]>) -> Result<(), Error> {
        self.context.remove(partition, name).await?;
        self.syncs.removed(partition, name);
        Ok(())
    }

    async fn scan(&self, partition: &str) -> Result<Vec<Vec<u8>>, Error> {
        self.context.scan(partition).await
    }
}

/// A file on such a disk.
pub struct File {
    blob: Arc<DiskBlob>,
    name: FileName,
    size: Arc<AtomicU64>,
    context: Arc<Context>,
    syncs: Syncs,
}

impl File {
    /// What it takes to sync what was written so far, and maybe more.
    fn syncing(&self) -> impl Future<Output = Result<(), Error>> + Send + 'static {
        let pause = Machine::pause(&self.context, &self.syncs).map(|pause| self.context.sleep(pause));
        let (blob, name, size, syncs) = (self.blob.clone(), self.name.clone(), self.size.clone(), self.syncs.clone());
        async move {
            if let Some(pause) = pause {
                pause.await;
            }
            blob.sync().await?;
            syncs.synced(&name, size.load(Ordering::Relaxed));
            Ok(())
        }
    }
}

impl Blob for File {
    async fn read_at_buf(
        &self,
        offset: u64,
        len: usize,
        bufs: impl Into<IoBufsMut> + Send,
        options: ReadOptions,
    ) -> Result<IoBufsMut, Error> {
        self.blob.read_at_buf(offset, len, bufs, options).await
    }

    async fn read_at(&self, offset: u64, len: usize, options: ReadOptions) -> Result<IoBufsMut, Error> {
        self.blob.read_at(offset, len, options).await
    }

    async fn write_at(&self, offset: u64, bufs: impl Into<IoBufs> + Send, options: WriteOptions) -> Result<(), Error> {
        let bufs = bufs.into();
        let end = offset.saturating_add(bufs.len() as u64);
        if options.contains(WriteOptions::SYNC)
            && let Some(pause) = Machine::pause(&self.context, &self.syncs)
        {
            self.blob.write_at(offset, bufs.clone(), options.without(WriteOptions::SYNC)).await?;
            self.context.sleep(pause).await;
        }
        self.blob.write_at(offset, bufs, options).await?;
        self.size.fetch_max(end, Ordering::Relaxed);
        if options.contains(WriteOptions::SYNC) {
            self.syncs.synced_at_least(&self.name, end);
        }
        Ok(())
    }

    async fn resize(&self, len: u64) -> Result<(), Error> {
        self.blob.resize(len).await?;
        self.size.store(len, Ordering::Relaxed);
        Ok(())
    }

    async fn sync(&self) -> Result<(), Error> {
        self.syncing().await
    }

    async fn start_sync(&self) -> Handle<()> {
        let syncing = self.syncing();
        let started = self.context.child("sync").spawn(move |_| syncing);
        Handle::from_future(async move { started.await? })
    }
}

impl Supervisor for Machine {
    fn name(&self) -> Name {
        self.context.name()
    }

    fn child(&self, label: &'static str) -> Self {
        Self { context: self.context.child(label), syncs: self.syncs.clone() }
    }

    fn with_attribute(self, key: &'static str, value: impl std::fmt::Display) -> Self {
        Self { context: self.context.with_attribute(key, value), syncs: self.syncs }
    }
}

impl Spawner for Machine {
    fn shared(self, blocking: bool) -> Self {
        Self { context: self.context.shared(blocking), syncs: self.syncs }
    }

    fn dedicated(self) -> Self {
        Self { context: self.context.dedicated(), syncs: self.syncs }
    }

    fn spawn<F, Fut, T>(self, work: F) -> Handle<T>
    where
        F: FnOnce(Self) -> Fut + Send + 'static,
        Fut: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        let Self { context, syncs } = self;
        context.spawn(move |context| work(Self { context, syncs }))
    }

    async fn stop(self, value: i32, timeout: Option<Duration>) -> Result<(), Error> {
        self.context.stop(value, timeout).await
    }

    fn stopped(&self) -> signal::Signal {
        self.context.stopped()
    }
}

impl Metrics for Machine {
    fn register<N: Into<String>, H: Into<String>, M: Metric>(&self, name: N, help: H, metric: M) -> Registered<M> {
        self.context.register(name, help, metric)
    }

    fn encode(&self) -> String {
        self.context.encode()
    }
}

impl Clock for Machine {
    fn current(&self) -> SystemTime {
        self.context.current()
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static + use<> {
        self.context.sleep(duration)
    }

    fn sleep_until(&self, deadline: SystemTime) -> impl Future<Output = ()> + Send + 'static + use<> {
        self.context.sleep_until(deadline)
    }
}

impl GovernorClock for Machine {
    type Instant = SystemTime;

    fn now(&self) -> SystemTime {
        self.context.current()
    }
}

impl ReasonablyRealtime for Machine {}

impl TryRng for Machine {
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

impl TryCryptoRng for Machine {}
