//! The way out of a validator: what it sends is counted, and a block takes the time that its bytes take.
//!
//! # What a block's way costs besides the link
//! * Its bytes, once for each recipient, at the rate of the way out. All recipients' connections share it evenly, so that
//!   all have the block when the last has it.
//! * Where connections that rested begin slowly (RFC 5681, section 4.1), the round trips in which they double what is under
//!   way, from ten segments on (RFC 6928).
//!
//! # Deliberately absent
//! The same for votes, certificates and requests, which fit into what is under way at once; the overhead of encryption and
//! framing; what another's traffic takes away.

use crate::world;
use causeway::consensus::network::{Channel, Channels};
use commonware_actor::{Feedback, Unreliable};
use commonware_cryptography::ed25519;
use commonware_p2p::{CheckedSender, LimitedSender, Recipients, Sender};
use commonware_runtime::{Clock as _, IoBufs, Spawner as _, Supervisor as _, deterministic};
use commonware_utils::channel::mpsc;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

/// What a connection has under way at first: ten segments of an Ethernet's size.
const FIRST_FLIGHT_BYTES: usize = 10 * 1_460;

/// What a validator's way out is like.
#[derive(Clone, Copy, Debug)]
pub struct Uplink {
    pub bytes_per_second: u64,
    /// Whether connections begin slowly, each time that a block is sent.
    pub begins_slowly: bool,
}

impl Uplink {
    /// How long so many bytes keep it busy.
    pub fn occupied(&self, bytes: usize) -> Duration {
        Duration::from_nanos(bytes as u64 * 1_000_000_000 / self.bytes_per_second)
    }

    /// For how many round trips a message waits for what of it is under way to be acknowledged.
    fn round_trips(&self, bytes: usize) -> u32 {
        let flights = (bytes.div_ceil(FIRST_FLIGHT_BYTES) + 1).next_power_of_two().trailing_zeros();
        if self.begins_slowly { flights.saturating_sub(1) } else { 0 }
    }
}

/// The bytes that each validator sent, by channel.
#[derive(Clone, Default)]
pub struct Traffic(Arc<Mutex<BTreeMap<(usize, u64), u64>>>);

impl Traffic {
    /// What a validator sent on a channel so far.
    pub fn sent(&self, from: usize, channel: Channel) -> u64 {
        self.0.lock().unwrap().get(&(from, channel.id())).copied().unwrap_or(0)
    }

    fn add(&self, from: usize, channel: Channel, bytes: usize) {
        *self.0.lock().unwrap().entry((from, channel.id())).or_default() += bytes as u64;
    }
}

/// A message on its way out.
struct Parcel {
    recipients: Vec<ed25519::PublicKey>,
    message: IoBufs,
}

/// A channel's sending end.
#[derive(Clone)]
pub struct Wire<S> {
    inner: S,
    from: usize,
    channel: Channel,
    traffic: Traffic,
    /// Where blocks queue; without it they leave at once.
    parcels: Option<mpsc::UnboundedSender<Parcel>>,
}

/// Who sends, and among whom.
pub struct Place {
    pub from: usize,
    pub keys: Arc<Vec<ed25519::PublicKey>>,
    pub traffic: Traffic,
    pub uplink: Option<Uplink>,
}

/// The same channels, each with a wire.
pub fn wired<S, R>(context: &deterministic::Context, channels: Channels<S, R>, place: &Place) -> Channels<Wire<S>, R>
where
    S: Sender<PublicKey = ed25519::PublicKey>,
{
    let wire = |(sender, receiver): (S, R), channel: Channel| {
        let parcels = place.uplink.filter(|_| channel == Channel::Blocks).map(|uplink| {
            let (parcels, queue) = mpsc::unbounded_channel();
            let (sender, from, keys) = (sender.clone(), place.from, place.keys.clone());
            context.child("uplink").spawn(move |context| carry(context, sender, queue, uplink, from, keys));
            parcels
        });
        let (from, traffic) = (place.from, place.traffic.clone());
        (Wire { inner: sender, from, channel, traffic, parcels }, receiver)
    };
    Channels {
        votes: wire(channels.votes, Channel::Votes),
        certificates: wire(channels.certificates, Channel::Certificates),
        certificate_requests: wire(channels.certificate_requests, Channel::CertificateRequests),
        blocks: wire(channels.blocks, Channel::Blocks),
        block_requests: wire(channels.block_requests, Channel::BlockRequests),
        forwarding: wire(channels.forwarding, Channel::Forwarding),
    }
}

/// Sends blocks one after the other, each when its last byte is out.
async fn carry<S: Sender<PublicKey = ed25519::PublicKey>>(
    context: deterministic::Context,
    sender: S,
    mut parcels: mpsc::UnboundedReceiver<Parcel>,
    uplink: Uplink,
    from: usize,
    keys: Arc<Vec<ed25519::PublicKey>>,
) {
    let mut free_at = SystemTime::UNIX_EPOCH;
    while let Some(Parcel { recipients, message }) = parcels.recv().await {
        let bytes = message.len();
        free_at = free_at.max(context.current()) + uplink.occupied(bytes * recipients.len());
        let place = |key: &ed25519::PublicKey| keys.binary_search(key).unwrap();
        let wait = |to| world::round_trip(from, to) * uplink.round_trips(bytes);
        let mut departures: Vec<_> = recipients.into_iter().map(|to| (free_at + wait(place(&to)), to)).collect();
        departures.sort();
        let mut sender = sender.clone();
        context.child("parcel").spawn(move |context| async move {
            for (at, to) in departures {
                context.sleep_until(at).await;
                Sender::send(&mut sender, Recipients::Some(vec![to]), message.clone(), true);
            }
        });
    }
}

/// A send whose recipients are checked.
pub struct Checked<'a, S: LimitedSender + 'a> {
    inner: S::Checked<'a>,
    from: usize,
    channel: Channel,
    traffic: Traffic,
    parcels: Option<mpsc::UnboundedSender<Parcel>>,
}

impl<S: LimitedSender<PublicKey = ed25519::PublicKey>> LimitedSender for Wire<S> {
    type PublicKey = S::PublicKey;
    type Checked<'a> = Checked<'a, S>;

    fn check(&mut self, recipients: Recipients<Self::PublicKey>) -> Result<Self::Checked<'_>, SystemTime> {
        let (from, channel, traffic) = (self.from, self.channel, self.traffic.clone());
        let parcels = self.parcels.clone();
        Ok(Checked { inner: self.inner.check(recipients)?, from, channel, traffic, parcels })
    }
}

impl<'a, S: LimitedSender<PublicKey = ed25519::PublicKey> + 'a> CheckedSender for Checked<'a, S> {
    type PublicKey = S::PublicKey;

    fn recipients(&self) -> Vec<Self::PublicKey> {
        self.inner.recipients()
    }

    fn send(self, message: impl Into<IoBufs> + Send, priority: bool) -> Unreliable<Feedback> {
        let (message, recipients) = (message.into(), self.inner.recipients());
        self.traffic.add(self.from, self.channel, message.len() * recipients.len());
        match self.parcels {
            Some(parcels) => match parcels.send(Parcel { recipients, message }) {
                Ok(()) => Unreliable::new(Feedback::Ok),
                Err(_) => Unreliable::new(Feedback::Closed),
            },
            None => self.inner.send(message, priority),
        }
    }
}
