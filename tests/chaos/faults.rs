//! A plan's steps, done and undone on a network.

use super::network::{Network, Node};
use super::plan::Step;
use std::time::Duration;

/// Does a step.
pub async fn carry_out(step: &Step, network: &mut Network) {
    let nodes = &mut network.nodes;
    match step {
        Step::Wait(ms) => tokio::time::sleep(Duration::from_millis(*ms)).await,
        Step::Crash(node) => nodes[*node].kill(),
        Step::Start(node) => nodes[*node].start(),
        Step::Pause(node) => nodes[*node].pause(),
        Step::Resume(node) => nodes[*node].resume(),
        Step::Power => {
            nodes.iter_mut().for_each(Node::kill);
            network.start_all();
        }
    }
}

/// Undoes whatever is left of any step.
pub async fn heal(network: &mut Network) {
    network.nodes.iter().for_each(Node::resume);
    network.start_all();
}
