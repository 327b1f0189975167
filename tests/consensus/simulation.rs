//! What consensus promises, whatever the network does.

use super::cluster::{Cluster, LINK, Shape};
use crate::links::Distances;
use bytes::Bytes;
use causeway::consensus::ForwardedBatch;
use causeway::primitives::Hash;
use commonware_p2p::simulated::Link;
use commonware_runtime::{Clock as _, Runner as _, Supervisor as _, deterministic};
use commonware_utils::probability;
use std::time::Duration;

/// Runs a scenario from a seed, in at most ten simulated minutes.
pub fn simulate<F, Fut, T>(seed: u64, scenario: F) -> T
where
    F: FnOnce(deterministic::Context) -> Fut,
    Fut: Future<Output = T>,
{
    // Shown only when the test fails.
    println!("seed {seed}");
    let config = deterministic::Config::new().with_seed(seed).with_timeout(Some(Duration::from_secs(600)));
    deterministic::Runner::new(config).start(scenario)
}

const FOUR: [usize; 4] = [0, 1, 2, 3];

#[test]
fn four_validators_agree_across_epochs() {
    simulate(1, |context| async move {
        let cluster = Cluster::started(context, Shape::validators(4)).await;
        cluster.reach(&FOUR, 20).await;
        cluster.agree();
        for height in 1..=20 {
            let block = cluster.nodes[0].applied.block(height);
            assert_eq!(block.header().epoch, height / 8, "the epoch of height {height}");
        }
        let leaders = cluster.nodes[0].running.as_ref().unwrap().leaders.now().unwrap();
        assert!(leaders.epoch >= 2);
        assert_ne!(leaders.current, leaders.next);
    });
}

#[test]
fn a_lone_validator_makes_blocks() {
    simulate(2, |context| async move {
        let cluster = Cluster::started(context, Shape::validators(1)).await;
        cluster.reach(&[0], 20).await;
        let leaders = cluster.nodes[0].running.as_ref().unwrap().leaders.now().unwrap();
        assert_eq!(leaders.current, leaders.next);
        assert_eq!(leaders.current, cluster.nodes[0].public_key());
    });
}

#[test]
fn seven_validators_bear_the_loss_of_two() {
    simulate(3, |context| async move {
        let mut cluster = Cluster::started(context, Shape::validators(7)).await;
        cluster.reach(&[0, 1, 2, 3, 4, 5, 6], 3).await;
        cluster.crash(5).await;
        cluster.crash(6).await;
        cluster.reach(&[0, 1, 2, 3, 4], 20).await;
        cluster.agree();
    });
}

#[test]
fn a_validator_that_crashed_catches_up_over_two_epochs() {
    simulate(4, |context| async move {
        let mut cluster = Cluster::started(context, Shape::validators(4)).await;
        cluster.reach(&FOUR, 3).await;
        cluster.crash(3).await;
        let missed_from = cluster.nodes[3].applied.count();
        cluster.reach(&[0, 1, 2], 26).await;
        assert!(cluster.nodes[3].applied.count() < 8, "it was away from {missed_from}");
        cluster.start(3).await;
        cluster.reach(&FOUR, 40).await;
        cluster.agree();
    });
}

#[test]
fn all_validators_crash_and_go_on() {
    simulate(5, |context| async move {
        let mut cluster = Cluster::started(context, Shape::validators(4)).await;
        for height in [5, 8, 17] {
            cluster.reach(&FOUR, height).await;
            for node in FOUR {
                cluster.crash(node).await;
            }
            for node in FOUR {
                cluster.start(node).await;
            }
        }
        cluster.reach(&FOUR, 24).await;
        cluster.agree();
    });
}

#[test]
fn a_partition_stops_both_halves_and_heals() {
    simulate(6, |context| async move {
        let mut cluster = Cluster::started(context, Shape::validators(4)).await;
        cluster.reach(&FOUR, 4).await;
        cluster.links.part(&[0, 1], &[2, 3]).await;
        // What was under way when the cut came may still arrive.
        cluster.pass(Duration::from_secs(1)).await;
        let before = cluster.agree();
        cluster.pass(Duration::from_secs(30)).await;
        assert_eq!(cluster.agree(), before, "half of the validators made a block final");
        cluster.links.join(&[0, 1], &[2, 3]).await;
        cluster.reach(&FOUR, before + 16).await;
        cluster.agree();
    });
}

#[test]
fn the_same_seed_gives_the_same_history() {
    let history = |seed: u64| {
        simulate(seed, |context| async move {
            let observed = context.child("observed");
            let mut cluster = Cluster::started(context, Shape::validators(4)).await;
            cluster.reach(&FOUR, 4).await;
            cluster.crash(2).await;
            cluster.reach(&[0, 1, 3], 12).await;
            cluster.start(2).await;
            cluster.reach(&FOUR, 20).await;
            let chain: Vec<Hash> = cluster.nodes[2].applied.chain();
            (observed.auditor().state(), observed.current(), chain)
        })
    };
    let first = history(7);
    assert_eq!(first, history(7));
    assert_ne!(first.0, history(8).0, "another seed took the very same course");
}

#[test]
fn who_does_not_sign_follows() {
    simulate(9, |context| async move {
        let shape = Shape { nodes: 5, committees: vec![FOUR.to_vec()], silent: vec![3, 4], ..Shape::validators(4) };
        let cluster = Cluster::started(context, shape).await;
        cluster.reach(&[0, 1, 2, 3, 4], 20).await;
        cluster.agree();
        for (height, certificate) in cluster.nodes[4].applied.certificates() {
            assert_eq!(certificate.signers().collect::<Vec<_>>(), [0, 1, 2], "at height {height}");
        }
    });
}

#[test]
fn the_validators_change_at_an_epochs_end() {
    simulate(10, |context| async move {
        let committees = vec![vec![0, 1, 2, 3], vec![1, 2, 3, 4], vec![0, 2, 3, 4, 5]];
        let shape = Shape { nodes: 6, committees: committees.clone(), ..Shape::validators(6) };
        let cluster = Cluster::started(context, shape).await;
        cluster.reach(&[0, 1, 2, 3, 4, 5], 26).await;
        cluster.agree();
        for height in 1..26 {
            let header = cluster.nodes[0].applied.block(height).header().clone();
            let committee = &committees[(header.epoch as usize).min(2)];
            assert!(committee.iter().any(|node| cluster.nodes[*node].public_key() == header.proposer));
        }
    });
}

#[test]
fn what_is_forwarded_reaches_the_leaders_and_nobody_else() {
    simulate(11, |context| async move {
        let link = Link { success_rate: probability!(1.0), ..LINK };
        let mut cluster =
            Cluster::started(context, Shape { distances: Distances::Alike(link), ..Shape::validators(4) }).await;
        cluster.reach(&FOUR, 2).await;
        let keys: Vec<_> = cluster.nodes.iter().map(|node| node.public_key()).collect();
        let transactions = vec![Bytes::from_static(b"one"), Bytes::from_static(b"two")];
        let sender = cluster.nodes[0].running.as_ref().unwrap().forwarder.clone();
        // To itself it sends nothing.
        assert_eq!(sender.forward(keys[0], &transactions), [0; 0]);
        for node in [1, 2] {
            assert_eq!(sender.forward(keys[node], &transactions), [0, 1]);
        }
        for node in [1, 2] {
            let forwarded = &mut cluster.nodes[node].running.as_mut().unwrap().forwarded;
            let batch = forwarded.next().await.unwrap();
            assert_eq!(batch, ForwardedBatch { from: keys[0], transactions: transactions.clone() });
        }
        cluster.pass(Duration::from_secs(1)).await;
        for node in [0, 3] {
            let forwarded = &mut cluster.nodes[node].running.as_mut().unwrap().forwarded;
            assert!(futures::FutureExt::now_or_never(forwarded.next()).is_none(), "node {node} got it too");
        }
    });
}

#[test]
fn a_dead_validator_soon_costs_little() {
    simulate(12, |context| async move {
        let mut cluster = Cluster::started(context, Shape::validators(4)).await;
        cluster.reach(&FOUR, 8).await;
        let alive = blocks_in_a_minute(&cluster).await;
        cluster.crash(1).await;
        let first = blocks_in_a_minute(&cluster).await;
        let then = blocks_in_a_minute(&cluster).await;
        println!("blocks a minute: four alive {alive}, after the death {first}, then {then}");
        assert!(first * 2 > alive, "the first minute: {first} blocks against {alive}");
        assert!(then * 10 > alive * 6, "the second minute: {then} blocks against {alive}");
    });
}

/// What one validator proposes against the rules is voted down by the others and never final, and they go on.
#[test]
fn a_validator_that_proposes_invalid_blocks_is_outvoted() {
    for seed in [13, 14] {
        simulate(seed, |context| async move {
            let shape = Shape { liars: vec![2], ..Shape::validators(4) };
            let cluster = Cluster::started(context, shape).await;
            cluster.reach(&FOUR, 24).await;
            cluster.agree();
            let (liar, mut last) = (cluster.nodes[2].public_key(), None);
            for height in 0..=24 {
                let header = cluster.nodes[0].applied.block(height).header().clone();
                assert_ne!(header.proposer, liar, "a block of the liar is final at {height}");
                assert!(last.is_none_or(|last| header.time > last), "time stands still at {height}");
                last = Some(header.time);
            }
        });
    }
}

async fn blocks_in_a_minute(cluster: &Cluster) -> u64 {
    let before = cluster.nodes[0].applied.count();
    cluster.pass(Duration::from_secs(60)).await;
    cluster.nodes[0].applied.count() - before
}
