//! Whom a node is connected with.
//!
//! # Invariants
//! * Nobody gets past the handshake whom the ledger does not list and the node's configuration does not name.
//! * Whoever a new list leaves out is disconnected as it is told: the network keeps the newest list and none before it.
//! * The network is told the list when it changed and not otherwise, each list under a higher number than the one before.
//! * The network is told of as many as it has room for, and consensus goes on with them: nothing that governance decides ends it. Where
//!   there is no room for all, those go first that the ledger does not list (the old keys of validators, say, that still stand in the
//!   configuration), then those whom nobody dials, which are observers, then those who do not validate, and validators last.

use super::keys::theirs;
use super::port::{Committee, PeerAddress};
use crate::primitives::crypto::PublicKey;
use commonware_cryptography::ed25519;
use commonware_p2p::{Address, AddressableManager, AddressableTrackedPeers, Ingress};
use commonware_utils::Hostname;
use commonware_utils::ordered::Map;
use std::collections::BTreeSet;
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

    /// Tells the network of an epoch's peers, unless it knows of them or of later ones: of as many as there is room for.
    pub fn track(&mut self, committee: &Committee) {
        let peers = &committee.peers;
        if self.tracked.is_some_and(|tracked| tracked >= peers.as_of) {
            return;
        }
        let left_out = self.left_out(committee);
        let stays = |key: &PublicKey| !left_out.contains(key);
        let dialled = peers.dialled.iter().filter(|(key, _)| stays(key));
        let dialled = dialled.filter_map(|(key, at)| Some((theirs(key)?, dialled_at(key, at)?)));
        let admitted = peers.admitted.iter().filter(|key| stays(key));
        let admitted = admitted.filter_map(|key| Some((theirs(key)?, nowhere())));
        let (dialled, admitted) = (Map::from_iter_dedup(dialled), Map::from_iter_dedup(admitted));
        let _ = self.manager.track(peers.as_of, AddressableTrackedPeers::new(dialled, admitted));
        self.tracked = Some(peers.as_of);
    }

    /// For whom there is no room.
    fn left_out(&self, Committee { validators, peers }: &Committee) -> BTreeSet<PublicKey> {
        let others = peers.dialled.keys().chain(&peers.admitted).filter(|key| **key != self.me);
        let mut others: Vec<PublicKey> = others.copied().collect();
        others.sort_by_key(|key| match validators.keys().contains(key) {
            true => 0,
            false if peers.unlisted.contains(key) => 3,
            false => 1 + u8::from(peers.admitted.contains(key)),
        });
        // This node takes a place itself, listed or not.
        let room = others.len().min(self.peers_max.get() - 1);
        let left_out: BTreeSet<PublicKey> = others.drain(room..).collect();
        let unlisted = left_out.intersection(&peers.unlisted).count();
        let listed = left_out.len() - unlisted;
        if listed > 0 {
            error!(
                listed,
                unlisted,
                "there is no room for peers that the ledger lists: start this node again, and it makes room for them"
            );
        } else if unlisted > 0 {
            warn!(
                unlisted,
                "keys in [[peers]] that the ledger does not list are left out for want of room: take them out, and start this node again"
            );
        }
        left_out
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

#[cfg(test)]
mod tests {
    use super::super::keys::ours;
    use super::super::port::Peers;
    use super::*;
    use crate::ledger::validators::ValidatorSet;
    use commonware_actor::Feedback;
    use commonware_cryptography::Signer as _;
    use commonware_p2p::{PeerSetSubscription, Provider, TrackedPeers};
    use commonware_utils::channel::mpsc;
    use std::sync::{Arc, Mutex};

    type Key = ed25519::PublicKey;

    /// A list as the network is told it: its number and who is on it.
    type List = (u64, BTreeSet<PublicKey>);

    /// A network that notes what it is told.
    #[derive(Clone, Debug, Default)]
    struct Told(Arc<Mutex<Vec<List>>>);

    impl Provider for Told {
        type PublicKey = Key;

        async fn peer_set(&mut self, _: u64) -> Option<TrackedPeers<Key>> {
            None
        }

        async fn subscribe(&mut self) -> PeerSetSubscription<Key> {
            mpsc::unbounded_channel().1
        }
    }

    impl AddressableManager for Told {
        fn track<R: Into<AddressableTrackedPeers<Key>> + Send>(&mut self, id: u64, peers: R) -> Feedback {
            let AddressableTrackedPeers { primary, secondary } = peers.into();
            let keys = primary.iter().chain(secondary.iter()).map(ours).collect();
            self.0.lock().expect("one thread").push((id, keys));
            Feedback::Ok
        }

        fn overwrite(&mut self, _: Map<Key, Address>) -> Feedback {
            Feedback::Ok
        }
    }

    fn peer(number: u64) -> PublicKey {
        ours(&ed25519::PrivateKey::from_seed(number).public_key())
    }

    fn keys(numbers: impl IntoIterator<Item = u64>) -> BTreeSet<PublicKey> {
        numbers.into_iter().map(peer).collect()
    }

    /// Validators 1 to 4, of whom 4 has no address; 11 and 12 are listed with one, 21 and 22 as observers; 31 on are named by the
    /// configuration alone. This node is 0, which its own configuration names.
    fn committee(as_of: u64, unlisted: u64) -> Committee {
        let unlisted = keys((31..31 + unlisted).chain([0]));
        let at = PeerAddress { host: "127.0.0.1".to_owned(), port: 7500 };
        let dialled = keys([1, 2, 3, 11, 12]).into_iter().chain(unlisted.clone()).map(|key| (key, at.clone()));
        let dialled = dialled.collect();
        let validators = ValidatorSet::new(keys(1..=4).into_iter().collect()).expect("four keys");
        Committee { validators, peers: Peers { as_of, dialled, admitted: keys([4, 21, 22]), unlisted } }
    }

    /// A row for each room, from one for all down to one for this node alone.
    #[test]
    fn those_that_the_ledger_does_not_list_go_first_and_validators_last() {
        let all = || keys((0..=4).chain([11, 12, 21, 22, 31, 32]));
        for room in 1..=12 {
            let network = Told::default();
            let mut peering = Peering::new(network.clone(), peer(0), NonZeroUsize::new(room).expect("room"));
            peering.track(&committee(1, 2));
            let told = network.0.lock().expect("one thread").pop().expect("it is told").1;
            assert_eq!(told.len(), room.min(11));
            let gone: Vec<_> = [keys([31, 32]), keys([21, 22]), keys([11, 12]), keys(1..=4)]
                .map(|rank| rank.difference(&told).count())
                .into();
            assert!(told.is_subset(&all()) && told.contains(&peer(0)), "this node has its place");
            for (earlier, later) in [(0, 1), (1, 2), (2, 3)] {
                assert!(gone[later] == 0 || gone[earlier] == 2, "room for {room}: {gone:?} are gone");
            }
        }
    }

    /// Seventeen rotations of validators whose old keys stand in the configuration, on a node that made room for sixteen more.
    #[test]
    fn a_list_that_outgrew_its_room_is_tracked_all_the_same() {
        let network = Told::default();
        let before = committee(0, 0);
        let room = before.peers.count_with(&peer(0)) + 16;
        let mut peering = Peering::new(network.clone(), peer(0), NonZeroUsize::new(room).expect("room"));
        for rotated in 0..40 {
            peering.track(&committee(1 + rotated, rotated));
            peering.track(&committee(rotated, 0));
        }
        let told = network.0.lock().expect("one thread").clone();
        assert_eq!(told.iter().map(|(id, _)| *id).collect::<Vec<_>>(), (1..=40).collect::<Vec<_>>(), "each once");
        let listed = keys((0..=4).chain([11, 12, 21, 22]));
        for (id, keys) in told {
            assert!(keys.len() <= room && listed.is_subset(&keys), "list {id}: {} for a room of {room}", keys.len());
        }
    }
}
