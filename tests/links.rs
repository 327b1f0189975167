//! The links between the nodes of a simulated network, each named by its place.

use crate::world;
use causeway::consensus::network::{Channel, Channels, Network};
use commonware_cryptography::ed25519;
use commonware_p2p::simulated::{self, Link, Oracle};
use commonware_runtime::deterministic;
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
