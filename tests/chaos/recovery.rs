//! What becomes of a validator whose files are damaged or lost, case by case: how it is noticed, and what brings it back.
//!
//! One validator of four is stopped, its files are damaged, and it is started. It refuses in one clear line, or it serves and
//! says that it cannot vote; never does it go on as if nothing were. What its line tells to do is done, and it must be back:
//! as a validator wherever the journals of its votes are whole, and without its vote wherever they are not.
//!
//! A bit that no start reads is found by who reads it, or by `causeway audit`: `tests/storage/data_directory.rs` flips those.
//!
//! Whoever lost its vote signs nothing, so the copy that was made of it before is still its newest state, and is put back for the
//! next case. An operator has no such knowledge of a backup, and must not do the same.

use super::network::{Network, Node, last_lines};
use super::{damage, is_by_hand, run, turn};
use crate::sandbox::programs::{self, assert_fails, json, text};
use causeway::client::{Client, ClientError};
use causeway::wire::pb::node::{GetStatusResponse, NodeMode};
use std::path::Path;
use std::time::{Duration, Instant};

/// Within this time a node that is started serves or ends, and one that serves has caught up.
const DECIDED_WITHIN: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(50);

/// How a node is brought back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WayOut {
    /// It serves by itself.
    Serves,
    /// `causeway rebuild`
    Rebuild,
    /// `causeway rebuild`, and `causeway snapshot restore` of a snapshot of another node.
    Restore,
    /// `causeway rebuild --without-vote`
    RebuildWithoutVote,
    /// The file is put back from wherever the operator keeps it.
    PutBack,
}

struct Case {
    name: &'static str,
    damage: fn(&Node),
    /// What its log says.
    says: &'static str,
    way_out: WayOut,
    /// Whether it votes afterwards.
    votes: bool,
}

const fn case(name: &'static str, damage: fn(&Node), says: &'static str, way_out: WayOut, votes: bool) -> Case {
    Case { name, damage, says, way_out, votes }
}

fn store(node: &Node) -> std::path::PathBuf {
    node.data().join("store")
}

fn engine(node: &Node, partition: &str) -> std::path::PathBuf {
    node.data().join("engine").join(partition)
}

/// A snapshot that was taken before anything was damaged, in the network's directory.
const SNAPSHOT: &str = "snapshot";
/// The first node's data of a while ago, in the network's directory.
const OLDER: &str = "older";

const DAMAGED: &str = "the store is damaged";
const ANEW: &str = "`causeway rebuild`";

/// The cases of every test run.
const CASES: &[Case] = {
    use WayOut::{Rebuild, RebuildWithoutVote, Restore, Serves};
    &[
        case("a table is gone", |node| damage::remove(&store(node), ".sst"), DAMAGED, Rebuild, true),
        case("the end of the store's log", |node| damage::tear(&store(node), ".log", 30), DAMAGED, Rebuild, true),
        case("the store is gone", |node| damage::empty(&store(node)), ANEW, Rebuild, true),
        case("the store is gone, and a snapshot is there", |node| damage::empty(&store(node)), ANEW, Restore, true),
        case(
            "a bit of the engine's progress",
            |node| damage::flip(&engine(node, "engine-marshal-application-metadata"), "", 20),
            ANEW,
            Rebuild,
            true,
        ),
        case(
            "a bit of the engine's certificates",
            |node| damage::flip_all(&engine(node, "engine-marshal-log"), "", 1_000),
            ANEW,
            Rebuild,
            true,
        ),
        case(
            "a bit of the journal of votes",
            |node| damage::flip_all(&engine(node, "engine-votes-0"), "", 1_000),
            "--without-vote",
            RebuildWithoutVote,
            false,
        ),
        case("the journal is an older one", put_back_older_journal, "an older copy, or lost a part", Serves, false),
        case("the mark that it never voted is back", put_back_never_voted, "bear this key's signature", Serves, false),
        case("all its data is gone", |node| damage::empty(&node.data()), "cannot vote", Serves, false),
    ]
};

/// The other ones, which come with `make chaos`.
const MORE_CASES: &[Case] = {
    use WayOut::{PutBack, Rebuild, RebuildWithoutVote, Serves};
    &[
        case("a bit of each table", |node| damage::flip_all(&store(node), ".sst", 100), DAMAGED, Rebuild, true),
        case("the list of tables is gone", |node| damage::remove(&store(node), "MANIFEST"), DAMAGED, Rebuild, true),
        case("a bit of the list of tables", |node| damage::flip(&store(node), "MANIFEST", 60), DAMAGED, Rebuild, true),
        case("CURRENT is gone", |node| damage::remove(&store(node), "CURRENT"), DAMAGED, Rebuild, true),
        case("a bit of the store's log", |node| damage::flip(&store(node), ".log", 512), DAMAGED, Rebuild, true),
        case("a bit of ACKNOWLEDGED", |node| damage::flip(&store(node), "ACKNOWLEDGED", 3), DAMAGED, Rebuild, true),
        case("a bit of the key", |node| damage::flip(&node.directory, "key.pem", 60), "key.pem", PutBack, true),
        case(
            "a bit of the passphrase",
            |node| damage::flip(&node.directory, "passphrase", 5),
            "passphrase",
            PutBack,
            true,
        ),
        case(
            "a file of the journal is gone",
            |node| damage::remove(&engine(node, "engine-votes-0"), ""),
            "--without-vote",
            RebuildWithoutVote,
            false,
        ),
        case(
            "the journal is gone",
            |node| damage::empty(&engine(node, "engine-votes-0")),
            "cannot vote",
            Serves,
            false,
        ),
        case(
            "the record of votes is gone",
            |node| damage::empty(&engine(node, "engine-voters")),
            "cannot vote",
            Serves,
            false,
        ),
    ]
};

/// The journal is put back as it was when [`a_while_ago`] copied it.
fn put_back_older_journal(node: &Node) {
    let journal = engine(node, "engine-votes-0");
    damage::empty(&journal);
    let network = node.directory.ancestors().find(|place| place.join(OLDER).exists()).expect("an older copy");
    copy_all(&network.join(OLDER).join("engine/engine-votes-0"), &journal);
}

/// The key's files are restored from a backup of before its first vote, and the journals are not there.
fn put_back_never_voted(node: &Node) {
    damage::empty(&node.data().join("engine"));
    damage::remove(&node.directory, "last-voted");
    std::fs::write(node.directory.join("never-voted"), "This key has never voted.\n").unwrap();
}

#[test]
fn a_validator_whose_files_are_damaged_says_so_and_comes_back_with_its_vote_if_that_is_whole() {
    let _turn = turn();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut network = Network::new(4, None);
    let more = if is_by_hand() { MORE_CASES } else { &[] };
    let told = runtime.block_on(go_through(&mut network, more));
    match told {
        Ok(lines) => {
            println!("{}", lines.join("\n"));
            network.remove();
        }
        Err(why) => panic!("{why}\nlogs: {}", network.directory.join("nodes/*/node.log").display()),
    }
}

async fn go_through(network: &mut Network, more: &[Case]) -> Result<Vec<String>, String> {
    network.start_all();
    let everyone = run::connect(network).await?;
    run::await_height(network, &everyone, 3, DECIDED_WITHIN).await?;
    let config = network.nodes[0].directory.join("node.toml");
    assert_fails(&programs::run(["rebuild", "--config", text(&config)]), 1, &["open in process", "stop that node"]);
    let (other, snapshot) = (network.nodes[1].directory.join("node.toml"), network.directory.join(SNAPSHOT));
    json(["snapshot", "take", "--config", text(&other), "--out", text(&snapshot), "--output", "json"]);
    let mut lines = vec![a_while_ago(network, &everyone).await?];
    for case in CASES.iter().chain(more) {
        lines.push(befall(case, network, &everyone).await?);
    }
    lines.push(all_at_once(network, &everyone).await?);
    Ok(lines)
}

/// One case, and how long it took.
async fn befall(case: &Case, network: &mut Network, everyone: &[Client]) -> Result<String, String> {
    let wrong = |what: String| format!("{}: {what}", case.name);
    let node = &mut network.nodes[0];
    // What is in the log is moved to tables at a start.
    while damage::last(&store(node), ".sst").is_none() {
        node.stop();
        node.start();
        serves_or_ends(node).await.map_err(wrong)?;
    }
    // And something is in the log again.
    let target = run::highest(everyone).await + 2;
    run::await_height(network, &everyone[..1], target, DECIDED_WITHIN).await.map_err(wrong)?;
    let node = &mut network.nodes[0];
    node.stop();
    let copy = network.directory.join("copy");
    copy_all(&node.directory, &copy);
    (case.damage)(node);
    let started = Instant::now();
    node.start();
    // The engine's files are read while it serves already.
    let serves = case.way_out == WayOut::Serves;
    while serves_or_ends(node).await.map_err(wrong)?.is_some() && !serves {
        if started.elapsed() > DECIDED_WITHIN {
            return Err(wrong(format!("it serves, and says:\n{}", last_lines(&node.log()))));
        }
        tokio::time::sleep(POLL).await;
    }
    let noticed = started.elapsed();
    let log = node.log();
    if !log.contains(case.says) || node.runs() != serves {
        return Err(wrong(format!("it runs: {}, and says:\n{}", node.runs(), last_lines(&log))));
    }
    let config = node.directory.join("node.toml");
    let rebuild = |flag: Option<&str>| {
        let arguments = ["rebuild", "--config", text(&config), "--output", "json"];
        json(arguments.into_iter().chain(flag))["keeps_vote"] == (flag.is_none())
    };
    let as_told = match case.way_out {
        WayOut::Serves => true,
        WayOut::Rebuild => rebuild(None),
        WayOut::Restore => {
            let snapshot = network.directory.join(SNAPSHOT);
            let restore = ["snapshot", "restore", text(&snapshot), "--config", text(&config), "--output", "json"];
            rebuild(None) && json(restore)["keeps_vote"] == true
        }
        WayOut::RebuildWithoutVote => rebuild(Some("--without-vote")),
        WayOut::PutBack => {
            put_back(&copy, node);
            true
        }
    };
    if !as_told {
        return Err(wrong("the command says otherwise of its vote".to_owned()));
    }
    let restarted = Instant::now();
    node.start();
    let target = run::highest(&everyone[1..]).await;
    run::await_height(network, &everyone[..1], target, DECIDED_WITHIN).await.map_err(wrong)?;
    let back = restarted.elapsed();
    let status = everyone[0].status().await.map_err(|error| wrong(error.to_string()))?;
    if (status.mode() == NodeMode::Validator) != case.votes {
        return Err(wrong(format!("it is back as {:?}", status.mode())));
    }
    if !case.votes {
        let node = &mut network.nodes[0];
        node.stop();
        put_back(&copy, node);
        node.start();
        run::await_height(network, &everyone[..1], target, DECIDED_WITHIN).await.map_err(wrong)?;
    }
    let (noticed, back) = (noticed.as_secs_f64(), back.as_secs_f64());
    Ok(format!(
        "{}: {:?}; noticed within {noticed:.1} s, back at height {target} {back:.1} s later",
        case.name, case.way_out
    ))
}

/// An older copy of the data directory is put in its place: it looks like an earlier life of the node, and must not vote.
async fn a_while_ago(network: &mut Network, everyone: &[Client]) -> Result<String, String> {
    let node = &mut network.nodes[0];
    node.stop();
    let (older, newer) = (network.directory.join(OLDER), network.directory.join("newer"));
    copy_all(&node.data(), &older);
    node.start();
    let height = run::highest(&everyone[1..]).await + 5;
    run::await_height(network, everyone, height, DECIDED_WITHIN).await?;
    // The mark is brought up to date once a second.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let node = &mut network.nodes[0];
    node.stop();
    std::fs::rename(node.data(), &newer).unwrap();
    copy_all(&older, &node.data());
    node.start();
    let status = serves_or_ends(node).await?.ok_or_else(|| last_lines(&node.log()))?;
    if status.mode() != NodeMode::Verifier || !node.log().contains("an older copy, or lost a part") {
        return Err(format!("an older copy of the data is taken as {:?}", status.mode()));
    }
    run::await_height(network, &everyone[..1], height, DECIDED_WITHIN).await?;
    let node = &mut network.nodes[0];
    node.stop();
    damage::empty(&node.data());
    std::fs::remove_dir(node.data()).unwrap();
    std::fs::rename(&newer, node.data()).unwrap();
    node.start();
    let status = serves_or_ends(node).await?.ok_or_else(|| last_lines(&node.log()))?;
    match status.mode() {
        NodeMode::Validator => {
            Ok("an older copy of the data: Serves; without its vote, and with it once the newest is back".to_owned())
        }
        mode => Err(format!("its own newest data is taken as {mode:?}")),
    }
}

/// All are killed at once: they go on where they were.
async fn all_at_once(network: &mut Network, everyone: &[Client]) -> Result<String, String> {
    let height = run::highest(everyone).await;
    network.nodes.iter_mut().for_each(Node::kill);
    let started = Instant::now();
    network.start_all();
    run::await_height(network, everyone, height + 1, DECIDED_WITHIN).await?;
    let back = started.elapsed().as_secs_f64();
    Ok(format!("all are killed at once: Serves; height {} everywhere {back:.1} s after their start", height + 1))
}

/// Waits until a node that was started answers, or has ended.
async fn serves_or_ends(node: &mut Node) -> Result<Option<GetStatusResponse>, String> {
    let deadline = Instant::now() + DECIDED_WITHIN;
    while node.ended().is_none() {
        if Instant::now() > deadline {
            return Err(format!("node {} neither serves nor ends", node.place));
        }
        if let Ok(status) = status_of(node).await {
            return Ok(Some(status));
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(None)
}

async fn status_of(node: &Node) -> Result<GetStatusResponse, ClientError> {
    Client::connect(&[&node.endpoint], None).await?.status().await
}

/// Puts everything back as it was copied, save for the log.
fn put_back(copy: &Path, node: &Node) {
    let log = std::fs::read(node.log_path()).unwrap();
    damage::empty(&node.directory);
    copy_all(copy, &node.directory);
    std::fs::write(node.log_path(), log).unwrap();
}

fn copy_all(from: &Path, to: &Path) {
    if to.exists() {
        damage::empty(to);
    }
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let into = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_all(&entry.path(), &into),
            false => drop(std::fs::copy(entry.path(), into).unwrap()),
        }
    }
}
