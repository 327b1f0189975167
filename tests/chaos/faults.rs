//! A plan's steps, done to a network and undone.

use super::clients::Market;
use super::damage;
use super::history::Moment;
use super::network::{Network, Node, last_lines};
use super::plan::{Damage, Step};
use crate::sandbox::programs::{json, text};
use causeway::client::Client;
use std::path::Path;
use std::time::{Duration, Instant};

/// Within this time a node that is started serves, or has said why not.
const DECIDED_WITHIN: Duration = Duration::from_secs(60);

/// What was done that outlasts its step.
#[derive(Debug, Default)]
pub struct Faults {
    /// Nodes that were rebuilt, and when.
    pub rebuilt: Vec<(usize, Moment)>,
}

impl Faults {
    /// Does a step.
    ///
    /// # Errors
    /// What a node did that it must not do.
    pub async fn carry_out(&mut self, step: &Step, network: &mut Network, market: &Market) -> Result<(), String> {
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
            Step::Clock(node, ahead_ms) => nodes[*node].clock_ahead_ms = *ahead_ms,
            Step::Fill(node) => fill(&mut nodes[*node]),
            Step::Free(node) => free(&mut nodes[*node])?,
            Step::Damage(node, damage) => {
                if damaged(&mut nodes[*node], *damage).await? {
                    self.rebuilt.push((*node, market.now()));
                }
            }
            Step::Mute(from, to) => cut(network, from, to)?,
            Step::Part(left, right) => {
                cut(network, left, right)?;
                cut(network, right, left)?;
            }
            Step::Slow(node, delay_ms, loss) => {
                network.links.as_ref().map_or(Ok(()), |links| links.slow(*node, *delay_ms, *loss))?;
            }
            Step::Heal => network.links.iter().for_each(|links| links.heal()),
        }
        Ok(())
    }

    /// Undoes whatever is left of any step.
    ///
    /// # Errors
    /// What a node did that it must not do.
    pub fn heal(network: &mut Network) -> Result<(), String> {
        network.links.iter().for_each(|links| links.heal());
        for node in &mut network.nodes {
            node.resume();
            free(node)?;
        }
        network.start_all();
        Ok(())
    }
}

fn cut(network: &Network, from: &[usize], to: &[usize]) -> Result<(), String> {
    let Some(links) = &network.links else { return Ok(()) };
    let pairs = from.iter().flat_map(|from| to.iter().map(move |to| (*from, *to)));
    pairs.into_iter().try_for_each(|(from, to)| links.mute(from, to))
}

fn fill(node: &mut Node) {
    if let Some(disk) = &node.disk {
        node.was_full = true;
        disk.fill();
    }
}

/// Gives a disk its room back. A node that stopped for want of it has said so, and is started.
fn free(node: &mut Node) -> Result<(), String> {
    let Some(disk) = &node.disk else { return Ok(()) };
    disk.free();
    match node.ended() {
        None if node.runs() => Ok(()),
        Some(_) if !node.log().contains("is full") => {
            Err(format!("node {} ended for want of room, and says:\n{}", node.place, last_lines(&node.log())))
        }
        _ => {
            node.start();
            Ok(())
        }
    }
}

/// Damages a node that is killed, and starts it. Tells whether it was rebuilt.
async fn damaged(node: &mut Node, kind: Damage) -> Result<bool, String> {
    node.kill();
    let done = damage_files(&node.data(), kind);
    node.start();
    let deadline = Instant::now() + DECIDED_WITHIN;
    while node.ended().is_none() {
        if Client::connect(&[&node.endpoint], None).await.is_ok() {
            // What was wiped begins anew by itself. All else that is damaged is refused, and nothing else is.
            return match done {
                Some(_) if kind != Damage::Wiped => Err(format!("node {} serves in spite of {done:?}", node.place)),
                _ => Ok(kind == Damage::Wiped),
            };
        }
        if Instant::now() > deadline {
            return Err(format!("node {} neither serves nor ends, with {done:?}", node.place));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let log = node.log();
    if !log.contains("the store is damaged") {
        return Err(format!("node {} refuses {done:?}, and says:\n{}", node.place, last_lines(&log)));
    }
    // As the line says. The journals of its votes stay, and it votes again.
    let config = node.directory.join("node.toml");
    let rebuilt = json(["rebuild", "--config", text(&config), "--output", "json"]);
    if rebuilt["keeps_vote"] != true {
        return Err(format!("node {} was to keep its vote: {rebuilt}", node.place));
    }
    node.start();
    Ok(true)
}

/// Damages a node's files, and tells what was done.
fn damage_files(data: &Path, kind: Damage) -> Option<String> {
    let store = data.join("store");
    match kind {
        Damage::MissingTable if damage::last(&store, ".sst").is_some() => damage::remove(&store, ".sst"),
        Damage::MissingTable | Damage::MissingManifest => damage::remove(&store, "MANIFEST"),
        Damage::FlippedLog | Damage::TornLog => {
            let log = damage::last(&store, ".log")?;
            // What is too short has nothing that was acknowledged, or what is cut off is not all of a record.
            if std::fs::metadata(log).unwrap().len() < 1_024 {
                return None;
            }
            match kind {
                Damage::FlippedLog => damage::flip(&store, ".log", 512),
                _ => damage::tear(&store, ".log", 30),
            }
        }
        Damage::Wiped => damage::empty(data),
    }
    Some(format!("{kind:?}"))
}
