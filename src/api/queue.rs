//! What waits for the reader of a stream, bounded by its bytes.
//!
//! A feed puts messages in for as long as there is room, and waits when there is none. How much room there is depends on what the
//! client's other streams hold and on what everybody's hold.
//!
//! # Invariants
//! * A queue holds at most [`STREAM_BYTES`], those of one client [`CLIENT_BYTES`], all together [`ALL_BYTES`], and of that nobody more
//!   than a quarter of what is left over: readers that do not read leave others room.
//! * Past these bounds a queue still takes [`SURE_BYTES`], and if it is empty one message, however long: no reader who reads is kept
//!   from going on by those who do not.
//! * What a queue holds is let go as soon as its reader has left or was too slow.
//!
//! Bytes are counted as they go over the wire. In memory, until they are sent, messages of many fields take some three times as much.

use super::clients::ClientId;
use super::kept::Kept;
use futures::Stream;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::sync::Notify;
use tonic::Status;

/// Most that waits for the reader of one stream.
pub const STREAM_BYTES: usize = 1024 * 1024;
/// Most that waits for the readers of one client.
const CLIENT_BYTES: usize = 16 * 1024 * 1024;
/// Most that waits for all readers.
const ALL_BYTES: usize = 128 * 1024 * 1024;
/// What may wait for a reader in any case.
const SURE_BYTES: usize = 16 * 1024;

/// What all queues hold: nothing yet.
pub(super) fn queued_bytes() -> Kept {
    Kept::new(CLIENT_BYTES, ALL_BYTES)
}

/// A queue, for a stream of this client's: where a feed puts messages in, and the stream that its reader has of them.
pub(super) fn queue<T>(queued: &Kept, client: Option<ClientId>) -> (Sender<T>, Receiver<T>) {
    let state = State { messages: VecDeque::new(), bytes: 0, go_on_at: 0, end: None, reader: None, left: false };
    let shared = Shared { state: Mutex::new(state), progress: Notify::new(), queued: queued.clone(), client };
    let shared = Arc::new(shared);
    (Sender(shared.clone()), Receiver(shared))
}

struct Shared<T> {
    state: Mutex<State<T>>,
    /// Told whenever the reader takes a message, or leaves.
    progress: Notify,
    queued: Kept,
    client: Option<ClientId>,
}

struct State<T> {
    messages: VecDeque<(usize, T)>,
    bytes: usize,
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

    /// Lets go of all that is queued.
    fn clear(&self, state: &mut State<T>) {
        self.queued.change(self.client, state.bytes, 0, true);
        (state.messages, state.bytes) = (VecDeque::new(), 0);
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
    /// Puts in a message of so many bytes, if there is room. Tells whether there was.
    pub fn put(&self, message: T, bytes: usize) -> bool {
        let mut state = self.0.state();
        let after = state.bytes + bytes;
        let surely = state.messages.is_empty() || after <= SURE_BYTES;
        if after > STREAM_BYTES && !surely {
            state.go_on_at = STREAM_BYTES / 2;
            return false;
        }
        if !self.0.queued.change(self.0.client, 0, bytes, surely) {
            state.go_on_at = SURE_BYTES / 2;
            return false;
        }
        state.bytes = after;
        state.messages.push_back((bytes, message));
        state.wake_reader();
        true
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
        self.0.clear(&mut state);
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
            state.bytes -= bytes;
            drop(state);
            self.0.queued.change(self.0.client, bytes, 0, true);
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
        self.0.clear(&mut state);
        drop(state);
        self.0.progress.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::{FutureExt as _, StreamExt as _};

    const MESSAGE: usize = 40 * 1024;

    fn client(number: u8) -> Option<ClientId> {
        Some(ClientId::Certificate([number; 32]))
    }

    /// Puts messages in until there is no room, and tells how many there was room for.
    fn fill(sender: &Sender<u32>, bytes: usize) -> usize {
        (0..10_000).take_while(|number| sender.put(*number, bytes)).count()
    }

    #[tokio::test]
    async fn a_queue_is_bounded_by_bytes_and_not_by_messages() {
        let queued = queued_bytes();
        let (sender, mut receiver) = queue(&queued, client(1));
        assert_eq!(fill(&sender, MESSAGE), STREAM_BYTES / MESSAGE);
        let short = Duration::from_millis(10);
        assert_eq!(sender.room(short).await, Err(Unread::TooSlow));
        while sender.room(Duration::ZERO).now_or_never() != Some(Ok(())) {
            receiver.next().await.expect("a message").expect("no error");
        }
        assert_eq!(queued.counted(None).0 / MESSAGE, STREAM_BYTES / 2 / MESSAGE, "it went on at half");
        let (sender, _receiver) = queue(&queued, client(2));
        assert!(sender.put(0, 2 * STREAM_BYTES), "one message in any case");
        assert!(!sender.put(0, 1));
    }

    #[test]
    fn unread_streams_hold_little_and_leave_others_room() {
        let queued = queued_bytes();
        let mut unread = Vec::new();
        for number in 0..20 {
            for _ in 0..40 {
                let (sender, receiver) = queue(&queued, client(number));
                fill(&sender, MESSAGE);
                unread.push((sender, receiver));
            }
        }
        let surely = unread.len() * MESSAGE;
        let (of_all, of_one) = queued.counted(client(0));
        assert!(of_all <= ALL_BYTES + surely, "{of_all}");
        let (of_one, another) = (of_one.expect("it is counted"), queue(&queued, client(100)));
        assert!(of_one <= CLIENT_BYTES + 40 * MESSAGE, "{of_one}");
        assert!(fill(&another.0, 100) * 100 >= SURE_BYTES - 100, "who reads goes on, whoever does not");
        drop((unread, another));
        assert_eq!(queued.counted(client(0)), (0, None));
    }

    #[test]
    fn a_few_clients_that_do_not_read_leave_the_next_one_its_room() {
        let queued = queued_bytes();
        let mut unread = Vec::new();
        for number in 0..16 {
            for _ in 0..16 {
                let (sender, receiver) = queue(&queued, client(number));
                fill(&sender, 1024);
                unread.push((sender, receiver));
            }
        }
        let (next, _receiver) = queue(&queued, client(100));
        let room = fill(&next, 1024) * 1024;
        assert!(room >= STREAM_BYTES / 2, "{room}");
    }

    #[tokio::test]
    async fn what_is_cut_off_is_let_go_and_what_ends_is_read() {
        let queued = queued_bytes();
        let (sender, receiver) = queue(&queued, client(1));
        fill(&sender, MESSAGE);
        sender.cut_off(Some(Ok(u32::MAX)));
        drop(sender);
        assert_eq!(queued.counted(None).0, 0, "while its reader is still there");
        let read: Vec<u32> = receiver.map(|item| item.expect("no error")).collect().await;
        assert_eq!(read, [u32::MAX]);
        let (sender, receiver) = queue(&queued, client(1));
        assert!(sender.put(1, MESSAGE) && sender.put(2, MESSAGE));
        sender.end(Some(Ok(3)));
        drop(sender);
        let read: Vec<u32> = receiver.map(|item| item.expect("no error")).collect().await;
        assert_eq!(read, [1, 2, 3]);
        let (sender, receiver) = queue::<u32>(&queued, client(1));
        drop(sender);
        assert_eq!(receiver.collect::<Vec<_>>().await.len(), 0, "a feed that broke off ends its stream");
        let (sender, receiver) = queue::<u32>(&queued, client(1));
        drop(receiver);
        sender.left().await;
        assert_eq!(sender.room(Duration::ZERO).await, Err(Unread::Left));
    }
}
