//! The links between the nodes of a simulated network, each named by its place.

use crate::mouth::{Manners, Mouth};
use crate::world;
use causeway::consensus::network::{Channel, Channels, Network};
use commonware_cryptography::ed25519;
use commonware_p2p::Recipients;
use commonware_p2p::simulated::{self, Link, Oracle, SplitOrigin, SplitTarget};
use commonware_runtime::{IoBuf, Supervisor as _, deterministic};
use std::num::NonZeroUsize;

/// How far it is between nodes.
#[derive(Clone)]
pub enum Distances {
    /// As far between any two.
    Alike(Link),
    /// As far as between the regions that they stand in: see [`crate::world`].
    Continents,
}

impl Distances {
    fn link(&self, from: usize, to: usize) -> Link {
        match self {
            Self::Alike(link) => link.clone(),
            Self::Continents => world::link(from, to),
        }
    }
}

pub struct Links {
    pub oracle: Oracle<ed25519::PublicKey, deterministic::Context>,
    /// The nodes' keys, by place.
    keys: Vec<ed25519::PublicKey>,
    distances: Distances,
}

impl Links {
    /// Every node linked with every other.
    pub async fn between_all(
        oracle: Oracle<ed25519::PublicKey, deterministic::Context>,
        keys: Vec<ed25519::PublicKey>,
        distances: Distances,
    ) -> Self {
        let everyone: Vec<usize> = (0..keys.len()).collect();
        let mut links = Self { oracle, keys, distances };
        links.join(&everyone, &everyone).await;
        links
    }

    /// Links every node of `left` with every node of `right`, both ways.
    pub async fn join(&mut self, left: &[usize], right: &[usize]) {
        for (from, to) in self.pairs(left, right) {
            let link = self.distances.link(from, to);
            // Joined already is joined.
            let _ = self.oracle.add_link(self.keys[from].clone(), self.keys[to].clone(), link).await;
        }
    }

    /// Cuts every node of `left` from every node of `right`, both ways.
    pub async fn part(&mut self, left: &[usize], right: &[usize]) {
        for (from, to) in self.pairs(left, right) {
            let _ = self.oracle.remove_link(self.keys[from].clone(), self.keys[to].clone()).await;
        }
    }

    /// Nothing that these send reaches those.
    pub async fn mute(&mut self, from: &[usize], to: &[usize]) {
        for (from, to) in from.iter().flat_map(|from| to.iter().map(move |to| (*from, *to))) {
            let _ = self.oracle.remove_link(self.keys[from].clone(), self.keys[to].clone()).await;
        }
    }

    /// Makes what goes from one to another, if anything does, as slow as this.
    pub async fn change(&mut self, from: usize, to: usize, link: Link) {
        let (from, to) = (self.keys[from].clone(), self.keys[to].clone());
        if self.oracle.remove_link(from.clone(), to.clone()).await.is_ok() {
            let _ = self.oracle.add_link(from, to, link).await;
        }
    }

    /// Every node is linked with every other as at the beginning.
    pub async fn heal(&mut self) {
        let everyone: Vec<usize> = (0..self.keys.len()).collect();
        self.part(&everyone, &everyone).await;
        self.join(&everyone, &everyone).await;
    }

    fn pairs(&self, left: &[usize], right: &[usize]) -> Vec<(usize, usize)> {
        let mut pairs = Vec::new();
        for from in left {
            for to in right.iter().filter(|to| *to != from) {
                pairs.push((*from, *to));
                pairs.push((*to, *from));
            }
        }
        // Nodes stand in the order of their keys.
        pairs.sort();
        pairs.dedup();
        pairs
    }
}

pub type NodeNetwork = Network<
    simulated::Sender<ed25519::PublicKey, deterministic::Context>,
    simulated::Receiver<ed25519::PublicKey>,
    simulated::SocketManager<ed25519::PublicKey, deterministic::Context>,
    simulated::Control<ed25519::PublicKey, deterministic::Context>,
>;

/// A node's end of the network: its channels, its peers, and the means to block one.
pub async fn attach(
    oracle: &Oracle<ed25519::PublicKey, deterministic::Context>,
    key: ed25519::PublicKey,
    peers_max: NonZeroUsize,
) -> NodeNetwork {
    let control = oracle.control(key);
    let mut ends = Vec::new();
    for channel in Channel::ALL {
        ends.push(control.register(channel.id(), channel.quota()).await.unwrap());
    }
    let ends: [_; 6] = ends.try_into().unwrap_or_else(|_| unreachable!("six channels"));
    Network { channels: Channels::from(ends), manager: oracle.socket_manager(), blocker: control, peers_max }
}

/// The ends of one key's network for one node, or for two that lie: both are sent everything, and what each says reaches
/// those of its side alone. Each channel speaks with these manners, by this seed.
pub async fn attach_replicas(
    context: &deterministic::Context,
    oracle: &Oracle<ed25519::PublicKey, deterministic::Context>,
    key: ed25519::PublicKey,
    peers_max: NonZeroUsize,
    sides: Option<[Vec<ed25519::PublicKey>; 2]>,
    (manners, seed): (Manners, u64),
) -> Vec<
    Network<
        impl commonware_p2p::Sender<PublicKey = ed25519::PublicKey>,
        simulated::Receiver<ed25519::PublicKey>,
        simulated::SocketManager<ed25519::PublicKey, deterministic::Context>,
        simulated::Control<ed25519::PublicKey, deterministic::Context>,
    >,
> {
    let control = oracle.control(key);
    let count = if sides.is_some() { 2 } else { 1 };
    let mut first = Vec::new();
    let mut second = Vec::new();
    for channel in Channel::ALL {
        let (sender, receiver) = control.register(channel.id(), channel.quota()).await.unwrap();
        let sides = sides.clone();
        let (one, other) = sender.split_with(move |origin, to: &Recipients<_>, _: &IoBuf| match &sides {
            None => Some(to.clone()),
            Some([left, right]) => on_side(if origin == SplitOrigin::Primary { left } else { right }, to),
        });
        let to_both = if count == 2 { SplitTarget::Both } else { SplitTarget::Primary };
        let (hears, also_hears) = receiver.split_with(context.child("replicas"), move |_| to_both);
        let speak = |sender, replica| Mouth::new(sender, manners, seed ^ (channel.id() << 8 | replica));
        first.push((speak(one, 0), hears));
        second.push((speak(other, 1), also_hears));
    }
    let network = |ends: Vec<_>| Network {
        channels: Channels::from(<[_; 6]>::try_from(ends).unwrap_or_else(|_| unreachable!("six channels"))),
        manager: oracle.socket_manager(),
        blocker: control.clone(),
        peers_max,
    };
    [first, second].into_iter().take(count).map(network).collect()
}

/// Those of the recipients that are on a side.
fn on_side(side: &[ed25519::PublicKey], to: &Recipients<ed25519::PublicKey>) -> Option<Recipients<ed25519::PublicKey>> {
    match to {
        Recipients::All => Some(Recipients::Some(side.to_vec())),
        Recipients::Some(several) => {
            Some(Recipients::Some(several.iter().filter(|one| side.contains(one)).cloned().collect()))
        }
        Recipients::One(one) => side.contains(one).then(|| to.clone()),
    }
}
