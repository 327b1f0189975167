//! Software replaced node by node, and the protocol raised, while clients pay.
//!
//! `CAUSEWAY_OTHER_BINARY` names a binary of another build: the nodes begin as that and become, one after the other, the build that
//! is tested. Without it they begin as this build too, which has one version of the protocol and rehearses the next.

use super::history::History;
use super::network::{Network, Node, last_lines};
use super::run::{Load, await_height, highest};
use super::{said, turn};
use crate::sandbox::programs::{assert_fails, json, run, text};
use causeway::ledger::protocol::PROTOCOL_VERSION_MAX;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Epochs that a test sees the end of.
const EPOCH_LENGTH: u64 = 24;
const PATIENCE: Duration = Duration::from_secs(180);
const POLL: Duration = Duration::from_millis(100);
/// The validator whose software nobody replaces in time.
const LATE: usize = 3;

#[test]
fn an_upgrade_goes_through_node_by_node_while_clients_pay() {
    let _turn = turn();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut network = Network::with_epochs(4, None, EPOCH_LENGTH);
    let other = std::env::var_os("CAUSEWAY_OTHER_BINARY").map(PathBuf::from);
    network.nodes.iter_mut().for_each(|node| node.program = other.clone());
    match runtime.block_on(go_through(&mut network)) {
        Ok(told) => {
            println!("{told}");
            network.remove();
        }
        Err(why) => panic!("{why}\nlogs: {}", network.directory.join("nodes/*/node.log").display()),
    }
}

async fn go_through(network: &mut Network) -> Result<String, String> {
    let version = PROTOCOL_VERSION_MAX + 1;
    let mut load = Load::begin(network, said("CAUSEWAY_SEED").unwrap_or(1)).await?;
    // One at a time: the others are a quorum.
    for place in 0..network.nodes.len() {
        let node = &mut network.nodes[place];
        node.stop();
        node.program = None;
        node.protocol_version_max = if place == LATE { 0 } else { version };
        node.start();
        let target = highest(&load.everyone).await + 2;
        await_height(network, &load.everyone, target, PATIENCE).await?;
        load.goes_on(network)?;
    }

    let (endpoints, wanted) = (network.endpoints(), version.to_string());
    let govern = |nodes: &[String]| {
        let named = nodes.iter().flat_map(|endpoint| ["--endpoint", endpoint]);
        let arguments = ["upgrade", "decide", &wanted, "--as", "governance", "--sandbox", text(&network.directory)];
        let arguments = arguments.into_iter().chain(named).chain(["--output", "json"]);
        arguments.map(str::to_owned).collect::<Vec<_>>()
    };
    // Of all four nodes one does not know the version, and the command says which.
    assert_fails(&run(govern(&endpoints)), 1, &["would stop", &endpoints[LATE], "on every node first"]);
    let decided = json(govern(&endpoints[..LATE]));
    if decided["status"] != "APPLIED" {
        return Err(format!("it was not decided: {decided:#}"));
    }

    // Who was left out stops by itself at the epoch's end, and says so in a line.
    let stop = "install a newer one and start the node again";
    ends_saying(&mut network.nodes[LATE], &["install a newer one before then", stop]).await?;
    // Started again as it is, it says the same and ends.
    network.nodes[LATE].start();
    ends_saying(&mut network.nodes[LATE], &[stop]).await?;

    // The others went on. With the software it goes on, too.
    network.nodes[LATE].protocol_version_max = version;
    network.nodes[LATE].start();
    let target = highest(&load.everyone[..LATE]).await + 2;
    await_height(network, &load.everyone, target, PATIENCE).await?;
    for client in &load.everyone {
        let status = client.status().await.map_err(|error| error.to_string())?;
        if status.protocol_version != version || status.protocol_version_decided != 0 {
            return Err(format!("a node follows version {}", status.protocol_version));
        }
    }
    load.goes_on(network)?;
    let decision = decided["transaction_id"].as_str().and_then(|id| id.parse().ok());
    let history = History { governed: decision.into_iter().collect(), ..History::default() };
    Ok(format!("upgrade: {}", load.end(network, history).await?))
}

/// Waits until the node ended by itself, and sees that its log has these lines.
async fn ends_saying(node: &mut Node, lines: &[&str]) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    while node.ended().is_none() {
        if Instant::now() > deadline {
            return Err("the node with the old software goes on".to_owned());
        }
        tokio::time::sleep(POLL).await;
    }
    let log = node.log();
    let silent = lines.iter().find(|line| !log.contains(**line));
    silent.map_or(Ok(()), |line| Err(format!("it stopped and did not say {line:?}:\n{}", last_lines(&log))))
}
