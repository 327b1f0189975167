//! Whole nodes on six continents: how long a client waits for a lone payment, by where it is.
//!
//! `CAUSEWAY_WORLD=7,20 cargo test --test suite simulation::world -- --nocapture` prints the table of docs/performance.md.

use super::cluster::{Cluster, Shape};
use super::simulate;
use crate::links::Distances;
use crate::world::{REGIONS, networks, region};
use causeway::ledger::certificate::Certificate;
use causeway::primitives::Decode as _;
use std::collections::BTreeMap;
use std::time::Duration;

/// Payments from each region.
const ROUNDS: u128 = 4;

/// What was seen: each region's waiting times, sorted, and how many views were given up meanwhile.
struct Seen {
    took: BTreeMap<usize, Vec<Duration>>,
    lost_views: u64,
}

fn pay_from_everywhere(validators: usize) -> Seen {
    simulate(51, |context| async move {
        let shape = Shape { validators, distances: Distances::Continents, ..Shape::default() };
        let cluster = Cluster::started(context, shape).await;
        let client = cluster.client();
        client.fund(1_000_000).await;
        let (first_view, first_height) = newest(&cluster).await;
        let mut took: BTreeMap<usize, Vec<Duration>> = BTreeMap::new();
        let places = validators.min(REGIONS.len());
        for request in 1..=ROUNDS * places as u128 {
            // Whatever the leader's timer stands at.
            cluster.pass(Duration::from_millis(500 + 130 * request as u64 % 1_000)).await;
            let place = request as usize % places;
            took.entry(region(place)).or_default().push(client.pay(place, request, 100).await.took);
        }
        let (view, height) = newest(&cluster).await;
        took.values_mut().for_each(|times| times.sort());
        Seen { took, lost_views: (view - first_view) - (height - first_height) }
    })
}

/// The view and the height of the newest block that has a certificate of its own.
async fn newest(cluster: &Cluster) -> (u64, u64) {
    let node = cluster.node(0);
    for height in (1..=node.status().height).rev() {
        if let Some(certificate) = node.block(height).await.unwrap().certificate {
            return (Certificate::from_bytes(&certificate).unwrap().view, height);
        }
    }
    panic!("no block has a certificate");
}

fn print(validators: usize, seen: &Seen) {
    let regions = seen.took.iter().map(|(region, times)| {
        format!("{} {}–{}", REGIONS[*region], times[0].as_millis(), times[times.len() - 1].as_millis())
    });
    let mut all: Vec<Duration> = seen.took.values().flatten().copied().collect();
    all.sort();
    println!(
        "| {validators} | {} | {} | {} |",
        all[all.len() / 2].as_millis(),
        all[all.len() - 1].as_millis(),
        regions.collect::<Vec<_>>().join(", ")
    );
}

/// It waits for the ways between continents and for nobody's turn or timer.
#[test]
fn a_lone_payment_on_six_continents_takes_less_than_a_second() {
    for validators in networks() {
        let seen = pay_from_everywhere(validators);
        print(validators, &seen);
        assert_eq!(seen.lost_views, 0, "a view was given up in calm weather");
        let longest = seen.took.values().flatten().max().unwrap();
        assert!(*longest < Duration::from_secs(1), "a payment waited for a timer: {longest:?}");
    }
}
