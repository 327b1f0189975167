//! What waits for the reader of a stream, bounded by its bytes.
//!
//! A feed runs in a task of its own. It puts messages in for as long as there is room, and waits when there is none. How much room there is depends on what the
//! client's other streams hold and on what everybody's hold ([`super::shares`]).
//!
//! # Invariants
//! * A queue holds at most [`STREAM_BYTES`], and no more than its client's share allows.
//! * Past these bounds a queue still takes [`SURE_BYTES`], and if it is empty one message, however long: no reader who reads is kept
//!   from going on by those who do not.
//! * What a queue holds is let go as soon as its reader has left or was too slow.

use super::shares::Share;
use super::status::unavailable;
use crate::node::service::{BlockRecord, Unavailable};
use futures::FutureExt as _;
use futures::stream::{BoxStream, Stream, StreamExt as _};
use prost::Message;
use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::sync::Notify;
use tonic::Status;

/// Most that waits for the reader of one stream.
pub const STREAM_BYTES: usize = 1024 * 1024;
/// What may wait for a reader in any case.
const SURE_BYTES: usize = 16 * 1024;

/// A queue, counted in this share: where a feed puts messages in, and the stream that its reader has of them.
pub(super) fn queue<T>(share: Option<Share>) -> (Sender<T>, Receiver<T>) {
    let state = State { messages: VecDeque::new(), bytes: 0, share, go_on_at: 0, end: None, reader: None, left: false };
    let shared = Arc::new(Shared { state: Mutex::new(state), progress: Notify::new() });
    (Sender(shared.clone()), Receiver(shared))
}

struct Shared<T> {
    state: Mutex<State<T>>,
    /// Told whenever the reader takes a message, or leaves.
    progress: Notify,
}

struct State<T> {
    messages: VecDeque<(usize, T)>,
    bytes: usize,
    /// What its client is counted for it.
    share: Option<Share>,
    /// With how little in it a queue that was full takes more. Not with a little less than full: who puts in may have to begin
    /// anew for each time.
    go_on_at: usize,
    /// Set once there is nothing more to come but this.
    end: Option<Option<Result<T, Status>>>,
    reader: Option<Waker>,
    left: bool,
}

impl<T> State<T> {
    fn ends(&mut self, last: Option<Result<T, Status>>) {
        self.end = Some(last);
        self.wake_reader();
    }

    /// It holds so many bytes from now on. Tells whether the client's share allows it.
    fn holds(&mut self, bytes: usize) -> bool {
        self.bytes = bytes;
        self.share.as_mut().is_none_or(|share| share.set(bytes))
    }

    /// Lets go of all that is queued.
    fn clear(&mut self) {
        self.messages = VecDeque::new();
        self.holds(0);
    }

    fn wake_reader(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

impl<T> Shared<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why nothing more can be put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// The reader is gone.
    Left,
    /// The reader took nothing for too long.
    TooSlow,
}

/// Where a feed puts messages in.
pub(super) struct Sender<T>(Arc<Shared<T>>);

impl<T> Sender<T> {
    /// Puts in a message of so many bytes.
    ///
    /// # Errors
    /// The message, if there is no room.
    pub fn put(&self, message: T, bytes: usize) -> Result<(), T> {
        let mut state = self.0.state();
        let (before, after) = (state.bytes, state.bytes + bytes);
        let surely = state.messages.is_empty() || after <= SURE_BYTES;
        if after > STREAM_BYTES && !surely {
            state.go_on_at = STREAM_BYTES / 2;
            return Err(message);
        }
        if !state.holds(after) && !surely {
            state.holds(before);
            state.go_on_at = SURE_BYTES / 2;
            return Err(message);
        }
        state.messages.push_back((bytes, message));
        state.wake_reader();
        Ok(())
    }

    /// Waits until there is room again after there was none.
    ///
    /// # Errors
    /// The reader left, or took nothing for as long as `patience`.
    pub async fn room(&self, patience: Duration) -> Result<(), Unread> {
        loop {
            // Before the look, so that nothing is missed in between.
            let progress = self.0.progress.notified();
            {
                let state = self.0.state();
                if state.left {
                    return Err(Unread::Left);
                }
                if state.bytes <= state.go_on_at {
                    return Ok(());
                }
            }
            tokio::time::timeout(patience, progress).await.map_err(|_| Unread::TooSlow)?;
        }
    }

    /// Waits until the reader has left.
    pub async fn left(&self) {
        loop {
            let progress = self.0.progress.notified();
            if self.0.state().left {
                return;
            }
            progress.await;
        }
    }

    /// Nothing more comes but this, after what is queued.
    pub fn end(&self, last: Option<Result<T, Status>>) {
        self.0.state().ends(last);
    }

    /// Nothing more comes but this, and what is queued is let go.
    pub fn cut_off(&self, last: Option<Result<T, Status>>) {
        let mut state = self.0.state();
        state.clear();
        state.ends(last);
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        // A feed that broke off has no last word.
        let mut state = self.0.state();
        if state.end.is_none() {
            state.ends(None);
        }
    }
}

/// What a feed put in, as its reader has it.
pub(super) struct Receiver<T>(Arc<Shared<T>>);

impl<T> Stream for Receiver<T> {
    type Item = Result<T, Status>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut state = self.0.state();
        if let Some((bytes, message)) = state.messages.pop_front() {
            let left = state.bytes - bytes;
            state.holds(left);
            drop(state);
            self.0.progress.notify_waiters();
            return Poll::Ready(Some(Ok(message)));
        }
        match &mut state.end {
            Some(last) => Poll::Ready(last.take()),
            None => {
                state.reader = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.left = true;
        state.clear();
        drop(state);
        self.0.progress.notify_waiters();
    }
}

/// How long a block is kept for a reader whose queue is full. One that reads has room again by then.
const BLOCK_KEPT_FOR: Duration = Duration::from_millis(100);

/// Where a feed puts its messages, and how it ends for a reader that does not read.
pub(super) struct Feed<T> {
    pub queue: Arc<Sender<T>>,
    pub patience: Duration,
}

/// Why a feed stopped.
pub(super) enum Stopped {
    /// There is no more to say.
    Ended,
    /// The reader is gone.
    Left,
    /// The reader took nothing from a full queue for too long.
    TooSlow,
    /// The node stops, or a block is gone.
    Failed(Status),
}

impl From<Unread> for Stopped {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::Left => Self::Left,
            Unread::TooSlow => Self::TooSlow,
        }
    }
}

impl<T: Message> Feed<T> {
    /// Puts a message in, if there is room.
    pub fn put(&self, message: T) -> bool {
        let bytes = message.encoded_len();
        self.queue.put(message, bytes).is_ok()
    }

    /// Puts a message in once there is room.
    pub async fn send(&self, mut message: T) -> Result<(), Stopped> {
        let bytes = message.encoded_len();
        while let Err(left) = self.queue.put(message, bytes) {
            message = left;
            self.queue.room(self.patience).await?;
        }
        Ok(())
    }

    /// Waits for room after there was none, first for a moment in which the block is kept.
    pub async fn room(&self, block: &mut Option<BlockRecord>) -> Result<(), Stopped> {
        let mut waited = self.queue.room(BLOCK_KEPT_FOR.min(self.patience)).await;
        if waited == Err(Unread::TooSlow) {
            *block = None;
            waited = self.queue.room(self.patience).await;
        }
        Ok(waited?)
    }
}

/// Runs a feed in its own task; what `parting` says of its end comes last: after all that is queued, or in its place for a reader
/// that was too slow.
pub(super) fn fed<T: Message + 'static, F>(
    place: impl Send + 'static,
    share: Option<Share>,
    patience: Duration,
    feed: impl FnOnce(Feed<T>) -> F,
    parting: impl FnOnce(Stopped) -> Option<Result<T, Status>> + Send + 'static,
) -> BoxStream<'static, Result<T, Status>>
where
    F: Future<Output = Stopped> + Send + 'static,
{
    let (sender, receiver) = queue(share);
    let sender = Arc::new(sender);
    let feeding = AssertUnwindSafe(feed(Feed { queue: sender.clone(), patience })).catch_unwind();
    tokio::spawn(async move {
        // A feed that has nothing to send would not notice that its reader is gone.
        let stopped = tokio::select! {
            stopped = feeding => stopped,
            () = sender.left() => Ok(Stopped::Left),
        };
        match stopped {
            Ok(Stopped::TooSlow) => sender.cut_off(parting(Stopped::TooSlow)),
            Ok(stopped) => sender.end(parting(stopped)),
            // It broke: that is no end that a reader may take for one.
            Err(_) => sender.end(parting(Stopped::Failed(unavailable(Unavailable)))),
        }
    });
    // A place is its reader's until it drops the stream.
    receiver.inspect(move |_| _ = &place).boxed()
}

#[cfg(test)]
mod tests {
    use super::super::clients::ClientId;
    use super::super::shares::{ALL_QUEUES_MAX, Kept, Shares};
    use super::*;

    const MESSAGE: usize = 40 * 1024;

    fn share(shares: &Shares, client: u8) -> Share {
        shares.of(ClientId::Certificate([client; 32]), Kept::Queued)
    }

    /// Puts messages in until there is no room, and tells how many there was room for.
    fn fill(sender: &Sender<u32>, bytes: usize) -> usize {
        (0..10_000).take_while(|number| sender.put(*number, bytes).is_ok()).count()
    }

    /// Queues of so many clients, so many of each, which nobody reads.
    fn unread(shares: &Shares, clients: u8, of_each: usize, bytes: usize) -> Vec<(Sender<u32>, Receiver<u32>)> {
        let queues = (0..clients).flat_map(|client| std::iter::repeat_n(client, of_each));
        let filled = queues.map(|client| {
            let (sender, receiver) = queue(Some(share(shares, client)));
            fill(&sender, bytes);
            (sender, receiver)
        });
        filled.collect()
    }

    #[tokio::test]
    async fn a_queue_is_bounded_by_bytes_and_not_by_messages() {
        let shares = Shares::new(1);
        let (sender, mut receiver) = queue(Some(share(&shares, 1)));
        assert_eq!(fill(&sender, MESSAGE), STREAM_BYTES / MESSAGE);
        assert_eq!(sender.room(Duration::from_millis(10)).await, Err(Unread::TooSlow));
        while sender.room(Duration::ZERO).now_or_never() != Some(Ok(())) {
            receiver.next().await.expect("a message").expect("no error");
        }
        assert_eq!(share(&shares, 1).of_all() / MESSAGE, STREAM_BYTES / 2 / MESSAGE, "it went on at half");
        let (sender, _receiver) = queue(Some(share(&shares, 2)));
        assert_eq!(sender.put(0, 2 * STREAM_BYTES), Ok(()), "one message in any case");
        assert_eq!(sender.put(0, 1), Err(0));
    }

    #[test]
    fn unread_streams_hold_little_and_leave_others_room() {
        let shares = Shares::new(1);
        let unread = unread(&shares, 20, 40, MESSAGE);
        let (of_all, surely) = (share(&shares, 100).of_all(), unread.len() * MESSAGE);
        assert!(of_all <= ALL_QUEUES_MAX + surely, "{of_all}");
        let another = queue(Some(share(&shares, 100)));
        assert!(fill(&another.0, 100) * 100 >= SURE_BYTES - 100, "who reads goes on, whoever does not");
        drop((unread, another));
        assert_eq!(share(&shares, 100).of_all(), 0);
    }

    #[test]
    fn a_few_clients_that_do_not_read_leave_the_next_one_its_room() {
        let shares = Shares::new(1);
        let _unread = unread(&shares, 14, 16, 1024);
        let (next, _receiver) = queue(Some(share(&shares, 100)));
        assert_eq!(fill(&next, 1024), STREAM_BYTES / 1024);
    }

    #[tokio::test]
    async fn what_is_cut_off_is_let_go_and_what_ends_is_read() {
        let shares = Shares::new(1);
        let (sender, receiver) = queue(Some(share(&shares, 1)));
        fill(&sender, MESSAGE);
        sender.cut_off(Some(Ok(u32::MAX)));
        assert_eq!(share(&shares, 1).of_all(), 0, "while its reader is still there");
        let read: Vec<u32> = receiver.map(|item| item.expect("no error")).collect().await;
        assert_eq!(read, [u32::MAX]);
        let (sender, receiver) = queue(None);
        assert!(sender.put(1, MESSAGE).is_ok() && sender.put(2, MESSAGE).is_ok());
        sender.end(Some(Ok(3)));
        let read: Vec<u32> = receiver.map(|item| item.expect("no error")).collect().await;
        assert_eq!(read, [1, 2, 3]);
        let (sender, receiver) = queue::<u32>(None);
        drop(receiver);
        sender.left().await;
        assert_eq!(sender.room(Duration::ZERO).await, Err(Unread::Left));
    }
}
