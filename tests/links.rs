//! The links between the nodes of a simulated network, each named by its place.

use commonware_cryptography::ed25519;
use commonware_p2p::simulated::{Link, Oracle};
use commonware_runtime::deterministic;

pub struct Links {
    pub oracle: Oracle<ed25519::PublicKey, deterministic::Context>,
    /// The nodes' keys, by place.
    keys: Vec<ed25519::PublicKey>,
    link: Link,
}

impl Links {
    /// Every node linked with every other.
    pub async fn between_all(
        oracle: Oracle<ed25519::PublicKey, deterministic::Context>,
        keys: Vec<ed25519::PublicKey>,
        link: Link,
    ) -> Self {
        let everyone: Vec<usize> = (0..keys.len()).collect();
        let mut links = Self { oracle, keys, link };
        links.join(&everyone, &everyone).await;
        links
    }

    /// Links every node of `left` with every node of `right`, both ways.
    pub async fn join(&mut self, left: &[usize], right: &[usize]) {
        for (from, to) in self.pairs(left, right) {
            // Joined already is joined.
            let _ = self.oracle.add_link(from, to, self.link.clone()).await;
        }
    }

    /// Cuts every node of `left` from every node of `right`, both ways.
    pub async fn part(&mut self, left: &[usize], right: &[usize]) {
        for (from, to) in self.pairs(left, right) {
            let _ = self.oracle.remove_link(from, to).await;
        }
    }

    fn pairs(&self, left: &[usize], right: &[usize]) -> Vec<(ed25519::PublicKey, ed25519::PublicKey)> {
        let mut pairs = Vec::new();
        for from in left {
            for to in right.iter().filter(|to| *to != from) {
                let (from, to) = (&self.keys[*from], &self.keys[*to]);
                pairs.push((from.clone(), to.clone()));
                pairs.push((to.clone(), from.clone()));
            }
        }
        pairs.sort();
        pairs.dedup();
        pairs
    }
}
