//! Transactions on their way to those whose turn it is.
//!
//! A node that is not leading sends what its clients gave it to the current and the next leader, on a channel of its
//! own behind the engine's five. Batches are opaque here: admission on the other side treats them as it treats a client's.
//!
//! # Invariants
//! * Nothing waits: a batch that finds no room, here or there, is gone. The sender repeats it each view until the
//!   transactions are final or expired.
//! * A batch is at most [`BATCH_BYTES_MAX`] long, so it never exceeds what peers accept.
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
use std::fmt;
use std::sync::Arc;
use tracing::debug;

/// Largest batch on the wire. At the channel's quota a peer can send 16 MiB a second.
pub const BATCH_BYTES_MAX: usize = 512 * 1024;
/// Most transactions in a batch: what fits if each were as small as a transfer.
pub const BATCH_TRANSACTIONS_MAX: usize = 4096;
/// Most batches that wait here to be admitted.
pub const INBOUND_BATCHES_MAX: usize = 32;

/// What a count takes in the encoding of a list or a byte string.
const COUNT_BYTES: usize = 4;

/// Hands an encoded batch to peers and says how many of them it is on its way to.
type Send = dyn Fn(Vec<ed25519::PublicKey>, Bytes) -> usize + std::marker::Send + Sync;

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
        let send = move |mut to: Vec<ed25519::PublicKey>, batch: Bytes| {
            to.retain(|peer| *peer != me);
            if to.is_empty() {
                return 0;
            }
            let mut sender = sender.clone();
            Sender::send(&mut sender, Recipients::Some(to), batch, false).len()
        };
        Self { send: Arc::new(send) }
    }

    /// A forwarder that hands its encoded batches to `send`, for tests of those who forward.
    pub fn to_nowhere() -> Self {
        Self { send: Arc::new(|_, _| 0) }
    }

    /// Sends `transactions` to each of `to`, in as many batches as they need. Oneself is left out.
    ///
    /// Returns how many batches are on their way to a peer; one that is offline or at its quota does not count.
    pub fn forward(&self, to: &[PublicKey], transactions: &[Bytes]) -> usize {
        let peers: Vec<_> = to.iter().filter_map(theirs).collect();
        batches(transactions).into_iter().map(|batch| (self.send)(peers.clone(), batch)).sum()
    }
}

/// Encodes transactions into batches within both limits. One that fits no batch is left out: it fits no block either.
fn batches(transactions: &[Bytes]) -> Vec<Bytes> {
    let mut batches = Vec::new();
    let mut batch: Vec<Bytes> = Vec::new();
    let mut bytes = COUNT_BYTES;
    let mut close = |batch: &mut Vec<Bytes>| {
        if !batch.is_empty() {
            let mut encoded = Vec::new();
            encode_list(batch, &mut encoded);
            batches.push(Bytes::from(encoded));
            batch.clear();
        }
    };
    for transaction in transactions {
        let size = COUNT_BYTES + transaction.len();
        if COUNT_BYTES + size > BATCH_BYTES_MAX {
            debug!(bytes = transaction.len(), "a transaction is too large to forward");
            continue;
        }
        if bytes + size > BATCH_BYTES_MAX || batch.len() == BATCH_TRANSACTIONS_MAX {
            close(&mut batch);
            bytes = COUNT_BYTES;
        }
        bytes += size;
        batch.push(transaction.clone());
    }
    close(&mut batch);
    batches
}

fn read_batch(bytes: &[u8]) -> Result<Vec<Bytes>, CodecError> {
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

/// What peers forward to this node.
#[derive(Debug)]
pub struct ForwardedBatches(mpsc::Receiver<ForwardedBatch>);

impl ForwardedBatches {
    /// The next batch; `None` once consensus has stopped.
    pub async fn next(&mut self) -> Option<ForwardedBatch> {
        self.0.recv().await
    }
}

/// Where received batches go, and where they are read.
pub(super) fn inbound() -> (mpsc::Sender<ForwardedBatch>, ForwardedBatches) {
    let (sender, receiver) = mpsc::channel(INBOUND_BATCHES_MAX);
    (sender, ForwardedBatches(receiver))
}

/// Receives batches until the runtime or the network stops.
pub(super) async fn receive<E, R>(context: E, mut receiver: R, batches: mpsc::Sender<ForwardedBatch>)
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
            let bytes: Bytes = message.into();
            let from = ours(&from);
            match read_batch(&bytes) {
                // Full: the sender repeats it. Closed: nobody admits, yet consensus goes on.
                Ok(transactions) => drop(batches.try_send(ForwardedBatch { from, transactions })),
                // A peer that sends nonsense is not cut off: it may be a validator that consensus needs.
                Err(error) => debug!(%from, %error, "a forwarded batch was unreadable"),
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_forwarded_fits_and_arrives_in_order() {
        let small = Bytes::from(vec![1; 300]);
        let large = Bytes::from(vec![2; BATCH_BYTES_MAX / 2]);
        let too_large = Bytes::from(vec![3; BATCH_BYTES_MAX]);
        let mut sent = vec![small; BATCH_TRANSACTIONS_MAX + 1];
        sent.extend([large.clone(), too_large.clone(), large]);
        let encoded = batches(&sent);
        assert!(encoded.iter().all(|batch| batch.len() <= BATCH_BYTES_MAX));
        let arrived: Vec<Bytes> = encoded.iter().flat_map(|batch| read_batch(batch).expect("our own batch")).collect();
        sent.retain(|transaction| *transaction != too_large);
        assert_eq!(arrived, sent);
        assert!(batches(&[]).is_empty());
    }

    proptest! {
        #[test]
        fn foreign_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..128)) {
            let _ = read_batch(&bytes);
        }
    }
}
