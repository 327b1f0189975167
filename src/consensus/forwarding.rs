//! Transactions on their way to those whose turn it is.
//!
//! A node that is not leading sends what its clients gave it to the current and the next leader, on a channel of its
//! own behind the engine's five. Batches are opaque here: admission on the other side treats them as it treats a client's.
//!
//! # Invariants
//! * A batch that finds no room, here or there, is gone. What did not go out the sender hears at once; what found no room
//!   there it repeats some views later, until the transactions are final or expired.
//! * A batch is at most [`BATCH_BYTES_MAX`] long, so it never exceeds what peers accept.
//! * What waits here waits in a queue for each peer, and peers are served in turns: one that sends without end has its
//!   own batches dropped, and delays another's by one.
//!
//! # Deliberately absent
//! Flooding. A batch goes to those it was sent to and no further.

use super::Runtime;
use super::keys::{ours, theirs};
use crate::primitives::codec::{CodecError, Reader, encode_list};
use crate::primitives::crypto::PublicKey;
use bytes::Bytes;
use commonware_cryptography::ed25519;
use commonware_macros::select_loop;
use commonware_p2p::{Receiver, Recipients, Sender};
use commonware_utils::channel::mpsc;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};
use tracing::debug;

/// Largest batch on the wire.
pub const BATCH_BYTES_MAX: usize = 512 * 1024;
/// Most transactions in a batch: what fits if each were as small as a transfer.
pub const BATCH_TRANSACTIONS_MAX: usize = 4096;
/// Most batches of one peer that wait here to be admitted: what its quota lets through in a second.
pub const INBOUND_BATCHES_MAX: usize = 128;
/// Most bytes of one peer's batches that wait here: two full ones, so that the next is there when one is admitted. A
/// sender offers a leader 4,096 payments at a time, which are three, and the first is on its way in when the third comes.
/// Were all of a hundred validators to flood one, they would cost it 100 MiB.
pub const INBOUND_BYTES_MAX: usize = 2 * BATCH_BYTES_MAX;

/// What a count takes in the encoding of a list or a byte string.
const COUNT_BYTES: usize = 4;

/// Hands an encoded batch to a peer and says whether it is on its way.
type Send = dyn Fn(ed25519::PublicKey, Bytes) -> bool + std::marker::Send + Sync;

/// Sends transactions to validators.
#[derive(Clone)]
pub struct Forwarder {
    send: Arc<Send>,
}

impl fmt::Debug for Forwarder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Forwarder")
    }
}

impl Forwarder {
    /// A forwarder over a channel's sender.
    pub(super) fn new<S>(sender: S, me: ed25519::PublicKey) -> Self
    where
        S: Sender<PublicKey = ed25519::PublicKey>,
    {
        Self::by(move |to, batch| {
            let mut sender = sender.clone();
            to != me && !Sender::send(&mut sender, Recipients::Some(vec![to]), batch, false).is_empty()
        })
    }

    /// A forwarder that hands its encoded batches to `send`, which says whether they are on their way.
    pub fn by(send: impl Fn(ed25519::PublicKey, Bytes) -> bool + std::marker::Send + Sync + 'static) -> Self {
        Self { send: Arc::new(send) }
    }

    /// Sends `transactions` to a peer, in as many batches as they need, and returns the places of those that are on their
    /// way. None are to oneself, to a peer that is offline, or past its quota.
    pub fn forward(&self, to: PublicKey, transactions: &[Bytes]) -> Vec<usize> {
        let Some(peer) = theirs(&to) else { return Vec::new() };
        let sent = batches(transactions).into_iter().filter(|batch| (self.send)(peer.clone(), batch.encoded.clone()));
        sent.flat_map(|batch| batch.places).collect()
    }
}

/// A batch as it is sent, and where its transactions stood.
struct Batch {
    encoded: Bytes,
    places: Vec<usize>,
}

/// Encodes transactions into batches within both limits. One that fits no batch is left out: it fits no block either.
fn batches(transactions: &[Bytes]) -> Vec<Batch> {
    let mut batches = Vec::new();
    let mut batch: Vec<Bytes> = Vec::new();
    let mut places = Vec::new();
    let mut bytes = COUNT_BYTES;
    let mut close = |batch: &mut Vec<Bytes>, places: &mut Vec<usize>| {
        if !batch.is_empty() {
            let mut encoded = Vec::new();
            encode_list(batch, &mut encoded);
            batches.push(Batch { encoded: Bytes::from(encoded), places: std::mem::take(places) });
            batch.clear();
        }
    };
    for (place, transaction) in transactions.iter().enumerate() {
        let size = COUNT_BYTES + transaction.len();
        if COUNT_BYTES + size > BATCH_BYTES_MAX {
            debug!(bytes = transaction.len(), "a transaction is too large to forward");
            continue;
        }
        if bytes + size > BATCH_BYTES_MAX || batch.len() == BATCH_TRANSACTIONS_MAX {
            close(&mut batch, &mut places);
            bytes = COUNT_BYTES;
        }
        bytes += size;
        batch.push(transaction.clone());
        places.push(place);
    }
    close(&mut batch, &mut places);
    batches
}

/// The transactions of a batch as a peer sent it.
///
/// # Errors
/// Bytes that are no batch, or one of more than [`BATCH_TRANSACTIONS_MAX`].
pub fn read_batch(bytes: &[u8]) -> Result<Vec<Bytes>, CodecError> {
    let mut reader = Reader::new(bytes);
    let transactions = reader.list("forwarded batch", BATCH_TRANSACTIONS_MAX)?;
    reader.finish()?;
    Ok(transactions)
}

/// Transactions that a peer forwarded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardedBatch {
    /// Which peer. It vouches for nothing.
    pub from: PublicKey,
    /// The bytes of each transaction, as its client sent them.
    pub transactions: Vec<Bytes>,
}

/// Batches that wait, still encoded: so they take the room that is reckoned for them, and no more.
///
/// A peer stands in it as long as something of its waits: one whose message found no room takes no turn.
#[derive(Debug, Default)]
struct Inbox {
    by_peer: BTreeMap<PublicKey, VecDeque<Bytes>>,
    /// The peer whose turn came last.
    served_last: Option<PublicKey>,
}

impl Inbox {
    /// Whether there was room for it.
    fn put(&mut self, from: PublicKey, batch: Bytes) -> bool {
        let (batches, bytes) = self.by_peer.get(&from).map_or((0, 0), |waiting| {
            let bytes: usize = waiting.iter().map(Bytes::len).sum();
            (waiting.len(), bytes)
        });
        let has_room = batches < INBOUND_BATCHES_MAX && bytes + batch.len() <= INBOUND_BYTES_MAX;
        if has_room {
            self.by_peer.entry(from).or_default().push_back(batch);
        }
        has_room
    }

    /// The oldest batch of the peer after the one that was served last.
    fn take(&mut self) -> Option<(PublicKey, Bytes)> {
        let after = self.served_last.map_or(Bound::Unbounded, Bound::Excluded);
        let in_turn = self.by_peer.range((after, Bound::Unbounded)).chain(&self.by_peer);
        let from = *in_turn.into_iter().find(|(_, waiting)| !waiting.is_empty())?.0;
        let waiting = self.by_peer.get_mut(&from)?;
        let batch = waiting.pop_front();
        if waiting.is_empty() {
            self.by_peer.remove(&from);
        }
        self.served_last = Some(from);
        batch.map(|batch| (from, batch))
    }
}

/// Where received batches go.
#[derive(Debug)]
pub(super) struct Inbound {
    inbox: Arc<Mutex<Inbox>>,
    wake: mpsc::Sender<()>,
}

impl Inbound {
    fn put(&self, from: PublicKey, batch: Bytes) {
        if !self.inbox.lock().unwrap_or_else(PoisonError::into_inner).put(from, batch) {
            // The sender repeats it.
            debug!(%from, "a forwarded batch found no room");
        }
        // Full: whoever reads is about to look. Closed: nobody admits, yet consensus goes on.
        let _ = self.wake.try_send(());
    }
}

/// What peers forward to this node.
#[derive(Debug)]
pub struct ForwardedBatches {
    inbox: Arc<Mutex<Inbox>>,
    woken: mpsc::Receiver<()>,
}

impl ForwardedBatches {
    /// The next batch, of each peer in turn; `None` once consensus has stopped.
    pub async fn next(&mut self) -> Option<ForwardedBatch> {
        loop {
            let waiting = self.inbox.lock().unwrap_or_else(PoisonError::into_inner).take();
            let Some((from, bytes)) = waiting else {
                self.woken.recv().await?;
                continue;
            };
            match read_batch(&bytes) {
                Ok(transactions) => return Some(ForwardedBatch { from, transactions }),
                // A peer that sends nonsense is not cut off: it may be a validator that consensus needs.
                Err(error) => debug!(%from, %error, "a forwarded batch was unreadable"),
            }
        }
    }
}

/// Where received batches go, and where they are read.
pub(super) fn inbound() -> (Inbound, ForwardedBatches) {
    let inbox = Arc::new(Mutex::new(Inbox::default()));
    let (wake, woken) = mpsc::channel(1);
    (Inbound { inbox: inbox.clone(), wake }, ForwardedBatches { inbox, woken })
}

/// Receives batches until the runtime or the network stops.
pub(super) async fn receive<E, R>(context: E, mut receiver: R, inbound: Inbound)
where
    E: Runtime,
    R: Receiver<PublicKey = ed25519::PublicKey>,
{
    select_loop! {
        context,
        on_stopped => {
            debug!("forwarding stopped");
        },
        Ok((from, message)) = receiver.recv() else break => {
            inbound.put(ours(&from), message.into());
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use commonware_cryptography::Signer as _;
    use futures::FutureExt as _;
    use proptest::prelude::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn what_is_forwarded_fits_and_arrives_in_order() {
        let small = Bytes::from(vec![1; 300]);
        let large = Bytes::from(vec![2; BATCH_BYTES_MAX / 2]);
        let too_large = Bytes::from(vec![3; BATCH_BYTES_MAX]);
        let mut sent = vec![small; BATCH_TRANSACTIONS_MAX + 1];
        sent.extend([large.clone(), too_large.clone(), large]);
        let encoded = batches(&sent);
        assert!(encoded.iter().all(|batch| batch.encoded.len() <= BATCH_BYTES_MAX));
        let read = |batch: &Batch| read_batch(&batch.encoded).expect("our own batch");
        let arrived: Vec<Bytes> = encoded.iter().flat_map(read).collect();
        for batch in &encoded {
            let placed: Vec<Bytes> = batch.places.iter().map(|place| sent[*place].clone()).collect();
            assert_eq!(read(batch), placed);
        }
        sent.retain(|transaction| *transaction != too_large);
        assert_eq!(arrived, sent);
        assert!(batches(&[]).is_empty());
    }

    fn peer(number: u64) -> PublicKey {
        ours(&ed25519::PrivateKey::from_seed(number).public_key())
    }

    #[test]
    fn only_what_is_on_its_way_is_told_so() {
        // Two batches of which the peer's quota lets the second through, then none.
        let half = Bytes::from(vec![1; BATCH_BYTES_MAX / 2]);
        let calls = AtomicUsize::new(0);
        let forwarder = Forwarder::by(move |_, _| calls.fetch_add(1, Ordering::SeqCst) == 1);
        let transactions = vec![half.clone(), half.clone(), half];
        assert_eq!(forwarder.forward(peer(1), &transactions), [1]);
        assert_eq!(forwarder.forward(peer(1), &transactions), [0; 0]);
    }

    #[test]
    fn a_peer_that_floods_fills_its_own_queue_and_delays_another_by_one() {
        let (inbound, mut batches) = inbound();
        let batch = |transaction: &'static [u8]| {
            let mut encoded = Vec::new();
            encode_list(&[Bytes::from_static(transaction)], &mut encoded);
            Bytes::from(encoded)
        };
        for _ in 0..10 * INBOUND_BATCHES_MAX {
            inbound.put(peer(1), batch(b"noise"));
        }
        inbound.put(peer(2), batch(b"payment"));
        let mut next = || batches.next().now_or_never().flatten();
        let first_two = [next().expect("one"), next().expect("another")];
        let payment = ForwardedBatch { from: peer(2), transactions: vec![Bytes::from_static(b"payment")] };
        assert!(first_two.contains(&payment), "{first_two:?}");
        assert_eq!(std::iter::from_fn(next).count(), INBOUND_BATCHES_MAX - 1);
    }

    /// Peers may send up to what the network lets through, which is more than waits here of one.
    #[test]
    fn what_finds_no_room_takes_no_turn() {
        let (inbound, mut batches) = inbound();
        for from in 1..=5 {
            inbound.put(peer(from), Bytes::from(vec![0; INBOUND_BYTES_MAX + 1]));
        }
        assert!(inbound.inbox.lock().expect("one thread").by_peer.is_empty(), "they take no place");
        let mut encoded = Vec::new();
        encode_list(&[Bytes::from_static(b"payment")], &mut encoded);
        inbound.put(peer(6), encoded.into());
        for from in 7..=10 {
            inbound.put(peer(from), Bytes::from(vec![0; INBOUND_BYTES_MAX + 1]));
        }
        let next = batches.next().now_or_never().flatten().expect("it waits for no other message");
        assert_eq!(next.from, peer(6));
        assert_eq!(batches.next().now_or_never(), None, "and there is nothing more");
    }

    #[test]
    fn a_peers_queue_is_bounded_in_bytes_and_room_comes_back() {
        let large = || Bytes::from(vec![0; BATCH_BYTES_MAX]);
        let mut inbox = Inbox::default();
        assert_eq!([0; 3].map(|_| inbox.put(peer(1), large())), [true, true, false]);
        assert!(inbox.put(peer(2), large()), "another peer's room is its own");
        let turns: Vec<_> = (0..3).filter_map(|_| inbox.take()).map(|(from, _)| from).collect();
        assert_ne!(turns[0], turns[1], "in turns");
        assert_eq!(turns[2], peer(1));
        assert!(inbox.put(peer(1), large()));
    }

    proptest! {
        #[test]
        fn foreign_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..128)) {
            let _ = read_batch(&bytes);
        }
    }
}
