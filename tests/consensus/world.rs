//! Validators on six continents: how long a block takes to be certified and final, what a validator sends for it, and what
//! trouble costs.
//!
//! The engine is the product's own, with its own settings; the ledger's blocks mean nothing, and processors take no time.
//! `CAUSEWAY_WORLD=7,20,100 cargo test --test suite consensus::world -- --nocapture` prints the table of
//! docs/performance.md.

use super::cluster::{Cluster, Shape};
use super::ledger::Event;
use super::simulation::simulate;
use super::wire::Uplink;
use crate::links::Distances;
use crate::world;
use causeway::consensus::Pace;
use causeway::consensus::network::Channel;
use causeway::primitives::Hash;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

/// How long a leader of the product waits with an empty block, if nothing else is said.
const IDLE: Duration = Duration::from_secs(1);
/// How long it lets a block be on its way, if nothing else is said.
const DELIVERY: Duration = Duration::from_secs(1);
/// A gigabit a second.
const GIGABIT: Uplink = Uplink { bytes_per_second: 125_000_000, begins_slowly: false };
/// A block's size without transactions, and with as many as make a quarter of a megabyte and a whole one.
const SIZES: [usize; 3] = [0, 250_000, 1_000_000];

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    Calm,
    /// As many validators as the protocol bears are gone.
    MostAreGone,
    /// Nobody reaches the validators of one region.
    RegionCut,
}

/// What was seen.
#[derive(Debug)]
struct Seen {
    blocks: u64,
    /// Views that were given up.
    lost_views: u64,
    /// Between the proposals of one final block and the next.
    intervals: Vec<Duration>,
    /// From a block's proposal until a validator has its certificate.
    certified: Vec<Duration>,
    /// From a block's proposal until a validator hands it to its ledger as final.
    finality: Vec<Duration>,
    /// What a validator sent for each block: in blocks, and in everything else.
    block_bytes: u64,
    other_bytes: u64,
}

fn percentile(sorted: &[Duration], hundredths: usize) -> Duration {
    sorted[(sorted.len() * hundredths / 100).min(sorted.len() - 1)]
}

fn across_continents(validators: usize, block_bytes: usize) -> Shape {
    Shape {
        epoch_length: 65_536,
        idle: Duration::ZERO,
        distances: Distances::Continents,
        pace: Pace::new(IDLE, DELIVERY),
        block_bytes,
        uplink: Some(GIGABIT),
        ..Shape::validators(validators)
    }
}

/// Runs a network until so many blocks more are final than when the trouble began.
fn run(shape: Shape, trouble: Trouble, blocks: u64) -> Seen {
    simulate(41, |context| async move {
        let mut cluster = Cluster::started(context, shape).await;
        let everyone: Vec<usize> = (0..cluster.nodes.len()).collect();
        cluster.reach(&everyone, 4).await;
        let rest = strike(&mut cluster, trouble).await;
        let before: Vec<u64> = everyone.iter().map(|node| sent(&cluster, *node, &Channel::ALL)).collect();
        let blocks_before: Vec<u64> = everyone.iter().map(|node| sent(&cluster, *node, &[Channel::Blocks])).collect();
        cluster.diary.take();
        let first = cluster.nodes[rest[0]].applied.count();
        cluster.reach(&rest, first + blocks).await;
        cluster.agree();
        let mut seen = read(&cluster.diary.take(), &rest, first);
        let each = |total: u64| total / rest.len() as u64 / seen.blocks;
        let of = |before: &[u64], channels: &[Channel]| {
            rest.iter().map(|node| sent(&cluster, *node, channels) - before[*node]).sum::<u64>()
        };
        let in_blocks = of(&blocks_before, &[Channel::Blocks]);
        (seen.block_bytes, seen.other_bytes) = (each(in_blocks), each(of(&before, &Channel::ALL) - in_blocks));
        seen
    })
}

fn sent(cluster: &Cluster, node: usize, channels: &[Channel]) -> u64 {
    channels.iter().map(|channel| cluster.traffic.sent(node, *channel)).sum()
}

/// Lets it happen, and returns who goes on.
async fn strike(cluster: &mut Cluster, trouble: Trouble) -> Vec<usize> {
    let everyone = 0..cluster.nodes.len();
    match trouble {
        Trouble::Calm => everyone.collect(),
        Trouble::MostAreGone => {
            let rest = everyone.end - (everyone.end - 1) / 3;
            for node in rest..everyone.end {
                cluster.crash(node).await;
            }
            (0..rest).collect()
        }
        Trouble::RegionCut => {
            let (cut, rest): (Vec<_>, Vec<_>) = everyone.partition(|node| world::region(*node) == 0);
            cluster.links.part(&cut, &rest).await;
            rest
        }
    }
}

/// What the diary says of the blocks from `first` on.
fn read(diary: &[(SystemTime, usize, Event)], nodes: &[usize], first: u64) -> Seen {
    let mut proposed: BTreeMap<Hash, (SystemTime, u64)> = BTreeMap::new();
    let mut finals: BTreeMap<u64, (Hash, Vec<SystemTime>)> = BTreeMap::new();
    let mut entered: BTreeMap<usize, Vec<(u64, SystemTime)>> = BTreeMap::new();
    for (at, node, event) in diary {
        match event {
            Event::Proposed { view, block } => drop(proposed.insert(*block, (*at, *view))),
            Event::Final { height, block } if *height >= first && nodes.contains(node) => {
                finals.entry(*height).or_insert((*block, Vec::new())).1.push(*at);
            }
            Event::Final { .. } => {}
            Event::Entered { view } => entered.entry(*node).or_default().push((*view, *at)),
        }
    }
    // Proposed before the trouble: not of it.
    let finals: Vec<_> = finals.into_values().filter(|(block, _)| proposed.contains_key(block)).collect();
    let (mut certified, mut finality, mut turns) = (Vec::new(), Vec::new(), Vec::new());
    for (block, times) in &finals {
        let (at, view) = proposed[block];
        turns.push((at, view));
        finality.extend(times.iter().map(|time| time.duration_since(at).unwrap()));
        for node in nodes {
            let views = entered.get(node).map(Vec::as_slice).unwrap_or_default();
            let left = views.iter().find(|(entered, _)| *entered > view);
            certified.extend(left.and_then(|(_, time)| time.duration_since(at).ok()));
        }
    }
    let mut intervals: Vec<_> = turns.windows(2).map(|pair| pair[1].0.duration_since(pair[0].0).unwrap()).collect();
    [&mut intervals, &mut certified, &mut finality].into_iter().for_each(|each| each.sort());
    let (blocks, views) = (turns.len() as u64, turns[turns.len() - 1].1 - turns[0].1 + 1);
    Seen { blocks, lost_views: views - blocks, intervals, certified, finality, block_bytes: 0, other_bytes: 0 }
}

fn print(validators: usize, block_bytes: usize, what: &str, seen: &Seen) {
    let both =
        |times: &[Duration]| format!("{} / {}", percentile(times, 50).as_millis(), percentile(times, 99).as_millis());
    let mean = seen.intervals.iter().sum::<Duration>() / seen.intervals.len() as u32;
    println!(
        "| {validators} | {} | {what} | {} / {} | {} | {} | {} of {} | {} + {} |",
        block_bytes / 1_000,
        mean.as_millis(),
        percentile(&seen.intervals, 99).as_millis(),
        both(&seen.certified),
        both(&seen.finality),
        seen.lost_views,
        seen.blocks + seen.lost_views,
        seen.block_bytes / 1_000,
        seen.other_bytes / 1_000,
    );
}

fn blocks_of(validators: usize) -> u64 {
    match (world::is_asked_for(), validators) {
        (false, _) => 21,
        (true, ..50) => 48,
        (true, _) => 24,
    }
}

/// In calm weather no view is lost, a block is final everywhere within three of the longest ways, and nobody is sent it twice.
#[test]
fn validators_on_six_continents_lose_no_view_and_send_a_block_once() {
    const BLOCK: usize = 250_000;
    for validators in world::networks() {
        let seen = run(across_continents(validators, BLOCK), Trouble::Calm, blocks_of(validators));
        // A leader sends it to all others. What is asked for again is the rest.
        let others = validators as u64 - 1;
        let once = (BLOCK as u64 + 1_000) * others / validators as u64;
        assert!(seen.block_bytes < once * 11 / 10, "{} bytes for a block that takes {once}", seen.block_bytes);
        assert_eq!(seen.lost_views, 0);
        let bound = 3 * world::LONGEST_WAY + GIGABIT.occupied(BLOCK * others as usize);
        assert!(*seen.finality.last().unwrap() < bound, "{:?}", seen.finality.last());
        if world::is_asked_for() {
            tell(validators);
        }
    }
}

/// On an idle ledger the leader of a view waits for as long as it may before the block goes on its way.
#[test]
fn an_idle_network_across_continents_loses_no_view() {
    let shape = Shape { idle: IDLE, ..across_continents(7, 0) };
    assert_eq!(run(shape, Trouble::Calm, 14).lost_views, 0);
}

/// What `consensus.block_delivery_ms` is for: where a full block takes longer than that, views are lost, and with enough of it
/// they are not.
#[test]
fn views_are_lost_where_blocks_take_longer_than_they_may() {
    let seen = |delivery| {
        let slow = Uplink { begins_slowly: true, ..GIGABIT };
        let pace = Pace::new(Duration::from_millis(100), delivery);
        run(Shape { pace, uplink: Some(slow), ..across_continents(7, 1_000_000) }, Trouble::Calm, 10)
    };
    assert!(seen(Duration::from_millis(800)).lost_views > 0, "the setting does nothing");
    assert_eq!(seen(Duration::from_secs(3)).lost_views, 0);
}

/// The table of docs/performance.md.
fn tell(validators: usize) {
    println!(
        "| validators | block, kB | | interval mean / p99, ms | certified p50 / p99, ms | final p50 / p99, ms \
         | views lost | sent for a block, kB |"
    );
    let blocks = blocks_of(validators);
    for size in SIZES {
        print(validators, size, "calm", &run(across_continents(validators, size), Trouble::Calm, blocks));
    }
    let slow = Uplink { begins_slowly: true, ..GIGABIT };
    for size in &SIZES[1..] {
        let pace = Pace::new(IDLE, 3 * DELIVERY);
        let shape = Shape { uplink: Some(slow), pace, ..across_continents(validators, *size) };
        print(validators, *size, "connections begin slowly", &run(shape, Trouble::Calm, blocks));
    }
    for (trouble, what) in [(Trouble::MostAreGone, "a third gone"), (Trouble::RegionCut, "Frankfurt cut off")] {
        print(validators, SIZES[1], what, &run(across_continents(validators, SIZES[1]), trouble, 3 * blocks));
    }
}
