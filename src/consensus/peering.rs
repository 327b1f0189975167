//! Whom a node is connected with.
//!
//! # Invariants
//! * Nobody gets past the handshake whom the ledger does not list and the node's configuration does not name.
//! * Whoever a new list leaves out is disconnected as it is told: the network keeps the newest list and none before it.
//! * The network is told the list when it changed and not otherwise, each list under a higher number than the one before.

use super::keys::theirs;
use super::port::{PeerAddress, Peers};
use crate::primitives::crypto::PublicKey;
use commonware_cryptography::ed25519;
use commonware_p2p::{Address, AddressableManager, AddressableTrackedPeers, Ingress};
use commonware_utils::Hostname;
use commonware_utils::ordered::Map;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use tracing::{error, warn};

/// The hand that steers the network, and what it did last.
pub(super) struct Peering<M> {
    manager: M,
    me: PublicKey,
    peers_max: NonZeroUsize,
    /// The height of the list that is tracked.
    tracked: Option<u64>,
}

impl<M: AddressableManager<PublicKey = ed25519::PublicKey>> Peering<M> {
    /// Of a network that was told of nobody yet.
    pub fn new(manager: M, me: PublicKey, peers_max: NonZeroUsize) -> Self {
        Self { manager, me, peers_max, tracked: None }
    }

    /// Tells the network of these peers, unless it knows of them or of later ones.
    ///
    /// Where there is no room for all, those go first whom nobody dials.
    ///
    /// # Errors
    /// There is no room for those that are dialled, who are the validators.
    pub fn track(&mut self, peers: &Peers) -> Result<(), &'static str> {
        if self.tracked.is_some_and(|tracked| tracked >= peers.as_of) {
            return Ok(());
        }
        let left_out = peers.count_with(&self.me).saturating_sub(self.peers_max.get());
        if left_out > peers.admitted.len() {
            return Err("it has more members than this node made room for when it started: start it again");
        }
        if left_out > 0 {
            error!(
                left_out,
                "observers are not let in for want of room: start this node again, and it makes room for them"
            );
        }
        let admitted = peers.admitted.iter().take(peers.admitted.len() - left_out);
        let dialled = peers.dialled.iter().filter_map(|(key, at)| Some((theirs(key)?, dialled_at(key, at)?)));
        let admitted = admitted.filter_map(|key| Some((theirs(key)?, nowhere())));
        let (dialled, admitted) = (Map::from_iter_dedup(dialled), Map::from_iter_dedup(admitted));
        let _ = self.manager.track(peers.as_of, AddressableTrackedPeers::new(dialled, admitted));
        self.tracked = Some(peers.as_of);
        Ok(())
    }
}

/// Where to dial a peer. One that cannot be dialled may still dial.
fn dialled_at(key: &PublicKey, peer: &PeerAddress) -> Option<Address> {
    let address = address(peer);
    if address.is_none() {
        warn!(%key, %peer, "this peer's address cannot be dialled");
    }
    Some(address.unwrap_or_else(nowhere))
}

fn address(peer: &PeerAddress) -> Option<Address> {
    if let Ok(ip) = peer.host.parse::<IpAddr>() {
        return Some(Address::Symmetric(SocketAddr::new(ip, peer.port)));
    }
    let host = Hostname::new(peer.host.as_str()).ok()?;
    // Where a named peer will come from is not known, and is not checked.
    let egress = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), peer.port);
    Some(Address::Asymmetric { ingress: Ingress::Dns { host, port: peer.port }, egress })
}

/// The address of those that are not dialled. Where they come from is not checked.
fn nowhere() -> Address {
    Address::Symmetric(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 1))
}
