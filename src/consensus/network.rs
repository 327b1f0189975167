//! The channels between peers, over real connections or simulated ones.
//!
//! Five channels are the engine's, the sixth is ours. Each has a quota of messages a second, for each peer and in both
//! directions: above it, sends are dropped and receipts are delayed. Quotas also size the engine's queues (quota × peers
//! × tracked sets), so they are as small as the rate that a channel really reaches allows.
//!
//! # Invariants
//! * [`message_bytes_max`] is at least as large as the largest message of every component that sends. A larger send
//!   stops the engine, and a peer with a smaller limit disconnects the sender, so all peers compute the same one.

use super::block::{Digest, SealedBlock};
use super::forwarding::BATCH_BYTES_MAX;
use super::keys::PrivateKey;
use super::{Runtime, Scheme};
use crate::ledger::validators::VALIDATORS_MAX;
use crate::primitives::ids::ChainId;
use commonware_consensus::marshal::{self, standard::Standard};
use commonware_consensus::simplex;
use commonware_cryptography::{ChaCha20Poly1305, ed25519};
use commonware_p2p::authenticated::lookup;
use commonware_p2p::utils::mux::prefixed;
use commonware_runtime::{Handle, Network as Sockets, Quota, Resolver};
use commonware_stream::SakeCups;
use commonware_stream::cups::{self, Cups};
use commonware_stream::sake::{self, Sake};
use commonware_utils::{NZU32, NZUsize};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

/// How many lists of peers stay connected: the newest one. With one more, whoever is taken off the list would stay connected
/// until the list changes again, perhaps for ever.
///
/// No handover needs the one before. Who applied an epoch's last block keeps everyone of the new list, and whoever lags keeps
/// everyone of the old: the first of the new list to have the block passes it to those who lack it. A node that was
/// restarted knows one list anyway.
pub const TRACKED_PEER_SETS: NonZeroUsize = NZUsize!(1);

/// A channel between peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Channel {
    /// Votes.
    Votes,
    /// Certificates, as they form.
    Certificates,
    /// Requests for certificates of past views, and the answers.
    CertificateRequests,
    /// Proposed blocks.
    Blocks,
    /// Requests for past blocks, and the answers.
    BlockRequests,
    /// Transactions on their way to a leader.
    Forwarding,
}

impl Channel {
    /// All of them, in the order of [`Channels`].
    pub const ALL: [Self; 6] = [
        Self::Votes,
        Self::Certificates,
        Self::CertificateRequests,
        Self::Blocks,
        Self::BlockRequests,
        Self::Forwarding,
    ];

    /// The number on the wire.
    pub const fn id(self) -> u64 {
        self as u64
    }

    /// Messages a second, for each peer.
    ///
    /// Unpaced, empty blocks follow each other every 8.5 ms: some 120 views a second, with two votes and two
    /// certificates each, and every validator proposes its share of them.
    pub const fn quota(self) -> Quota {
        Quota::per_second(match self {
            Self::Votes | Self::Certificates => NZU32!(512),
            Self::CertificateRequests => NZU32!(64),
            Self::Blocks => NZU32!(128),
            Self::BlockRequests => NZU32!(256),
            Self::Forwarding => NZU32!(128),
        })
    }
}

/// The two ends of each channel.
#[derive(Debug)]
pub struct Channels<S, R> {
    /// [`Channel::Votes`].
    pub votes: (S, R),
    /// [`Channel::Certificates`].
    pub certificates: (S, R),
    /// [`Channel::CertificateRequests`].
    pub certificate_requests: (S, R),
    /// [`Channel::Blocks`].
    pub blocks: (S, R),
    /// [`Channel::BlockRequests`].
    pub block_requests: (S, R),
    /// [`Channel::Forwarding`].
    pub forwarding: (S, R),
}

impl<S, R> From<[(S, R); 6]> for Channels<S, R> {
    /// Channels in the order of [`Channel::ALL`].
    fn from(ends: [(S, R); 6]) -> Self {
        let [votes, certificates, certificate_requests, blocks, block_requests, forwarding] = ends;
        Self { votes, certificates, certificate_requests, blocks, block_requests, forwarding }
    }
}

/// A network as one node sees it: its channels, and the two hands that steer it.
#[derive(Debug)]
pub struct Network<S, R, M, B> {
    /// The channels.
    pub channels: Channels<S, R>,
    /// Told which peers an epoch has and where they are.
    pub manager: M,
    /// Told which peers broke the protocol.
    pub blocker: B,
    /// Most peers of a list, this node included, that the manager has room for; it panics at more.
    pub peers_max: NonZeroUsize,
}

/// Largest message that any channel carries, the same on every node of every chain.
pub fn message_bytes_max() -> u32 {
    let validators = VALIDATORS_MAX as u32;
    commonware_p2p::max_message_size(&[
        // Votes, certificates and requests for them travel on one subchannel for each epoch.
        prefixed(simplex::max_payload_size::<Scheme, Digest>(validators)),
        marshal::max_payload_size::<Standard<SealedBlock>, Scheme>(validators, &()),
        BATCH_BYTES_MAX,
    ])
}

/// Settings of the connections to real peers.
#[derive(Clone, Debug)]
pub struct Connections {
    /// Authenticates this node to its peers.
    pub key: PrivateKey,
    /// The ledger. Peers of another do not get past the handshake.
    pub chain_id: ChainId,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Most validators and observers of an epoch, this node included. It sizes queues, so it should be near the truth.
    pub peers_max: NonZeroUsize,
    /// Whether peers may have private addresses (RFC 1918 and the like): on one machine, in one data centre.
    pub allow_private_addresses: bool,
    /// Whether all peers are on this machine: handshakes then come from one address, and reconnecting costs nothing.
    pub same_machine: bool,
}

/// How a connection is authenticated and encrypted.
type Handshake = SakeCups<PrivateKey, ChaCha20Poly1305>;

/// The network of authenticated peers at known addresses.
pub type PeerNetwork<E> = Network<
    lookup::Sender<ed25519::PublicKey, E>,
    lookup::Receiver<ed25519::PublicKey>,
    lookup::Oracle<ed25519::PublicKey>,
    lookup::Oracle<ed25519::PublicKey>,
>;

/// Starts listening and dialling. The handle ends only when the network has failed or the runtime stops.
pub fn connect<E>(context: E, connections: Connections) -> (PeerNetwork<E>, Handle<()>)
where
    E: Runtime + Sockets + Resolver,
{
    let peers_max = connections.peers_max;
    let (mut network, oracle) = lookup::Network::new(context, lookup_config(connections));
    let channels = Channels::from(Channel::ALL.map(|channel| network.register(channel.id(), channel.quota())));
    let handle = network.start();
    (Network { channels, manager: oracle.clone(), blocker: oracle, peers_max }, handle)
}

fn lookup_config(connections: Connections) -> lookup::Config<Handshake> {
    let Connections { key, chain_id, listen, peers_max, allow_private_addresses, same_machine } = connections;
    let sake = Sake {
        signer: key,
        synchrony_bound: Duration::from_secs(5),
        max_handshake_age: Duration::from_secs(10),
        version: sake::Version::V1,
    };
    let namespace = [b"causeway/p2p/v1/".as_slice(), chain_id.as_bytes()].concat();
    let mailbox_size = NZUsize!(256);
    let mut config = lookup::Config::recommended(
        Cups::new(sake, cups::Version::V1),
        &namespace,
        listen,
        peers_max,
        message_bytes_max(),
        mailbox_size,
    );
    config.allow_private_ips = allow_private_addresses || same_machine;
    // Peers are known by key. Their address is where they are dialled, not where they must come from: behind a
    // container's or a cloud's address translation the two differ.
    config.bypass_ip_check = true;
    config.tracked_peer_sets = TRACKED_PEER_SETS;
    // A minute, the recommendation, is what a restarted validator would be away for.
    config.peer_connection_cooldown = Duration::from_secs(5);
    config.ping_frequency = Duration::from_secs(10);
    if same_machine {
        config.peer_connection_cooldown = Duration::from_millis(500);
        config.dial_frequency = Duration::from_millis(250);
        config.allowed_handshake_rate_per_ip = Quota::per_second(NZU32!(128));
        config.allowed_handshake_rate_per_subnet = Quota::per_second(NZU32!(256));
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::limits::BLOCK_BYTES_MAX;

    #[test]
    fn the_largest_message_has_room_for_a_full_block_and_a_full_batch() {
        let bytes = message_bytes_max() as usize;
        assert!(bytes > BLOCK_BYTES_MAX.max(BATCH_BYTES_MAX));
        assert!(bytes < BLOCK_BYTES_MAX + 64 * 1024, "{bytes}: a limit far above what is sent is no limit");
    }

    #[test]
    fn channels_are_numbered_in_their_order() {
        assert_eq!(Channel::ALL.map(Channel::id), [0, 1, 2, 3, 4, 5]);
    }
}
