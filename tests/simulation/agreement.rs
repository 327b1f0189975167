//! What must hold between nodes, whatever happened.

use super::cast::{account, token};
use super::cluster::Cluster;
use causeway::ledger::{Balance, Column, View};
use causeway::node::service::LedgerHandle;
use causeway::primitives::Hash;
use causeway::primitives::digest::StateAccumulator;

impl Cluster {
    /// Checks that these nodes have the same blocks, and that each one's state is what the next block's header says when
    /// it is added up anew, entry by entry. Returns the height up to which they were compared.
    pub async fn agree(&self, nodes: &[usize]) -> u64 {
        let mut states = Vec::new();
        for node in nodes {
            let snapshot = self.node(*node).snapshot().unwrap();
            states.push((*node, snapshot.height, digest_from_scratch(&*snapshot.view)));
        }
        // The header after a state names its digest.
        let compared = states.iter().map(|(_, height, _)| height + 1).max().unwrap();
        self.reach(nodes, compared).await;
        let reference = self.node(nodes[0]);
        for (node, height, digest) in states {
            let next = header_hash_and_digest(&*reference, height + 1).await.1;
            assert_eq!(digest, next, "the state of node {node} after height {height}");
        }
        // Who began from a snapshot, or pruned, has no bodies below.
        for height in reference.status().begins_at..=compared {
            let expected = header_hash_and_digest(&*reference, height).await;
            for node in nodes.iter().filter(|node| self.node(**node).status().begins_at <= height) {
                let found = header_hash_and_digest(&*self.node(*node), height).await;
                assert_eq!(found, expected, "node {node} has another block at height {height}");
            }
        }
        compared
    }

    /// What a participant may spend, as a node has it.
    pub fn available(&self, node: usize, name: &str) -> u64 {
        let snapshot = self.node(node).snapshot().unwrap();
        let balance = snapshot.view.read::<Balance>(&(account(name), token()));
        balance.unwrap_or_default().available.minor_units()
    }
}

/// A block's hash and the digest of the state before it.
pub async fn header_hash_and_digest(node: &dyn LedgerHandle, height: u64) -> (Hash, Hash) {
    if height == 0 {
        return (Hash::ZERO, Hash::ZERO);
    }
    let record = node.block(height).await.unwrap();
    (record.block.hash(), record.block.header().parent_state_digest)
}

/// The digest of a state, by every entry of every column.
fn digest_from_scratch(view: &dyn View) -> Hash {
    let mut accumulator = StateAccumulator::default();
    for column in Column::ALL {
        for (key, value) in view.scan(*column, &[], usize::MAX) {
            accumulator.add(column.tag(), &key, &value);
        }
    }
    accumulator.digest()
}
