//! When each peer was last heard: anything at all, on any of the channels.
//!
//! Validators vote at least once a view, and repeat the vote to give a view up while nothing happens, so one that says
//! nothing for some views is gone, or out of reach.
//!
//! # Deliberately absent
//! Judgement: how long a silence is too long, and what follows from it, is the node's to say.

use super::keys::ours;
use super::network::Channels;
use crate::primitives::crypto::PublicKey;
use commonware_cryptography::ed25519;
use commonware_p2p::{Message, Receiver};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// Tells the time, on whatever runtime.
type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// When peers were last heard. Cheap to clone; all clones hear together.
#[derive(Clone, Debug, Default)]
pub struct Hearing(Arc<Mutex<BTreeMap<PublicKey, SystemTime>>>);

impl Hearing {
    /// The peers that were heard since a time.
    pub fn since(&self, time: SystemTime) -> BTreeSet<PublicKey> {
        let heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heard.iter().filter(|(_, at)| **at >= time).map(|(peer, _)| *peer).collect()
    }

    /// Notes that a peer was heard.
    pub fn note(&self, peer: PublicKey, at: SystemTime) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(peer, at);
    }

    /// The same channels, with an ear to each.
    pub fn attend<S, R>(&self, channels: Channels<S, R>, clock: Clock) -> Channels<S, Attended<R>> {
        let attend =
            |(sender, receiver): (S, R)| (sender, Attended { receiver, hearing: self.clone(), clock: clock.clone() });
        Channels {
            votes: attend(channels.votes),
            certificates: attend(channels.certificates),
            certificate_requests: attend(channels.certificate_requests),
            blocks: attend(channels.blocks),
            block_requests: attend(channels.block_requests),
            forwarding: attend(channels.forwarding),
        }
    }
}

/// A channel's receiving end that notes whom it hears.
pub struct Attended<R> {
    receiver: R,
    hearing: Hearing,
    clock: Clock,
}

impl<R> fmt::Debug for Attended<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Attended")
    }
}

impl<R: Receiver<PublicKey = ed25519::PublicKey>> Receiver for Attended<R> {
    type Error = R::Error;
    type PublicKey = R::PublicKey;

    async fn recv(&mut self) -> Result<Message<Self::PublicKey>, Self::Error> {
        let received = self.receiver.recv().await?;
        self.hearing.note(ours(&received.0), (self.clock)());
        Ok(received)
    }

    fn capacity(&self) -> NonZeroUsize {
        self.receiver.capacity()
    }
}
