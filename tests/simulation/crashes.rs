//! Nodes that crash, alone and all at once, and disks that are lost: nothing acknowledged is lost, nothing happens twice.

use super::cast::{account, token};
use super::client::{Client, Settled};
use super::cluster::{CLEAN, Cluster, Shape};
use super::{config, runner, simulate};
use crate::links::Distances;
use causeway::admission::Refusal;
use causeway::ledger::{Balance, Column};
use causeway::node::NodeError;
use causeway::node::service::{Mode, Submission};
use causeway::primitives::{Amount, Encode as _};
use causeway::storage::{Batch, StoreColumn};
use commonware_runtime::{Runner as _, deterministic};
use std::time::Duration;

/// Checks at one node that every transaction is final there once, and as it was.
async fn remembers(cluster: &Cluster, client: &Client, node: usize, settled: &[Settled]) {
    for (height, receipt) in settled.iter().map(|settled| (settled.height, &settled.receipt)) {
        match client.submit(node, &receipt.transaction.as_ref().unwrap().signed).await {
            Ok(Submission::Final(again)) => assert_eq!((again.height(), again.outcome()), (height, &receipt.outcome)),
            other => panic!("node {node} answers {other:?} to what was final at height {height}"),
        }
        let again = client.receipt(&*cluster.node(node), receipt.transaction_id()).await;
        assert_eq!(again.id(), receipt.id());
    }
}

#[test]
fn a_node_that_crashed_catches_up_and_nothing_happens_twice() {
    for seed in [201, 202, 203] {
        simulate(seed, |context| async move {
            let mut cluster = Cluster::started(context, Shape::default()).await;
            let client = cluster.client();
            client.fund(1_000_000).await;
            let mut settled = Vec::new();
            settled.push(client.pay(2, 1, 10).await);
            // It takes a payment and crashes before anyone could hear of it, or just after.
            let in_flight = cluster.cast.payment(2, client.now_ms(), 10);
            assert!(matches!(client.submit(2, &in_flight).await, Ok(Submission::Pending(_))));
            cluster.pass(Duration::from_millis(seed % 3 * 20)).await;
            cluster.crash(2).await;
            for request in 3..10 {
                settled.push(client.pay(request as usize, request, 10).await);
            }
            settled.push(client.settle(0, &in_flight).await);
            cluster.start(2).await;
            settled.push(client.pay(2, 10, 10).await);
            let everyone = cluster.everyone();
            cluster.agree(&everyone).await;
            for node in everyone {
                remembers(&cluster, &client, node, &settled).await;
                let other_body = cluster.cast.payment(3, client.now_ms(), 11);
                let refused = client.submit(node, &other_body).await;
                let first = settled[1].receipt.transaction_id();
                assert_eq!(refused.err(), Some(Refusal::RequestIdReused { transaction_id: first }));
                assert_eq!(cluster.available(node, "supplier"), 10 * settled.len() as u64);
            }
        });
    }
}

#[test]
fn all_nodes_crash_at_once_and_go_on_from_their_disks() {
    for seed in [211, 212, 213] {
        let shape = Shape { epoch_length: 16, ..Shape::default() };
        let (before, checkpoint) = runner(seed, Duration::from_secs(900)).start_and_recover({
            let shape = shape.clone();
            |context| async move {
                let cluster = Cluster::started(context, shape).await;
                let client = cluster.client();
                client.fund(1_000_000).await;
                let mut settled = Vec::new();
                for request in 1..=5 {
                    settled.push(client.pay(request as usize, request, 10).await);
                }
                let mut in_flight = Vec::new();
                for request in 6..=9 {
                    let payment = cluster.cast.payment(request, client.now_ms(), 10);
                    client.submit(request as usize, &payment).await.unwrap();
                    in_flight.push(payment);
                }
                cluster.pass(Duration::from_millis(seed % 3 * 15)).await;
                (cluster.disks(), settled, in_flight)
            }
        });
        deterministic::Runner::from(checkpoint).start(|context| async move {
            let (disks, mut settled, in_flight) = before;
            let cluster = Cluster::on(context, shape, disks).await;
            let client = cluster.client();
            for (node, payment) in in_flight.iter().enumerate() {
                settled.push(client.settle(node, payment).await);
            }
            settled.push(client.pay(3, 10, 10).await);
            let everyone = cluster.everyone();
            cluster.agree(&everyone).await;
            for node in everyone {
                assert_eq!(cluster.node(node).status().mode, Mode::Validator);
                remembers(&cluster, &client, node, &settled).await;
                assert_eq!(cluster.available(node, "supplier"), 10 * settled.len() as u64);
            }
        });
    }
}

#[test]
fn a_wiped_node_rebuilds_from_its_peers_and_does_not_vote() {
    for seed in [221, 222] {
        simulate(seed, |context| async move {
            let mut cluster = Cluster::started(context, Shape { epoch_length: 16, ..Shape::default() }).await;
            let client = cluster.client();
            client.fund(1_000_000).await;
            let mut settled = Vec::new();
            for request in 1..=4 {
                settled.push(client.pay(request as usize, request, 10).await);
            }
            cluster.crash(3).await;
            cluster.wipe(3);
            let wiped_at = cluster.node(0).status().height;
            for request in 5..=20 {
                settled.push(client.pay(request as usize % 3, request, 10).await);
            }
            cluster.start(3).await;
            assert_eq!(cluster.node(3).status().mode, Mode::Verifier);
            // It serves like any other: what it is given, it forwards to those who vote.
            settled.push(client.pay(3, 21, 10).await);
            let everyone = cluster.everyone();
            let height = cluster.agree(&everyone).await;
            remembers(&cluster, &client, 3, &settled).await;
            let wiped = cluster.node(3).identity().public_key;
            for height in wiped_at + 8..=height {
                let block = cluster.node(0).block(height).await.unwrap().block;
                assert_ne!(block.header().proposer, wiped, "it proposed height {height}");
            }
        });
    }
}

/// The record that the key has voted is still there; what it voted for is not.
#[test]
fn a_node_that_lost_only_the_journal_of_its_votes_does_not_vote() {
    for seed in [226, 227] {
        simulate(seed, |context| async move {
            let mut cluster = Cluster::started(context, Shape::default()).await;
            let client = cluster.client();
            client.fund(1_000_000).await;
            cluster.pass(Duration::from_secs(10)).await;
            cluster.crash(3).await;
            cluster.lose_journal(3, 0).await;
            // Twice: after the first start there is a journal again, without the votes.
            for request in [1, 2] {
                cluster.start(3).await;
                assert_eq!(cluster.node(3).status().mode, Mode::Verifier);
                client.pay(3, request, 10).await;
                cluster.pass(Duration::from_secs(5)).await;
                cluster.crash(3).await;
            }
            // The others keep their journals and their votes.
            cluster.crash(2).await;
            cluster.start(2).await;
            assert_eq!(cluster.node(2).status().mode, Mode::Validator);
        });
    }
}

/// Wherever a crash falls - before the first vote, between two epochs, in epochs that were only caught up with - the key
/// is not taken for one whose journal was lost.
#[test]
fn a_node_that_crashes_again_and_again_keeps_its_vote() {
    for seed in [228, 229] {
        simulate(seed, |context| async move {
            let shape = Shape { epoch_length: 8, ..Shape::default() };
            let mut cluster = Cluster::started(context, shape).await;
            let client = cluster.client();
            client.fund(1_000_000).await;
            for request in 1..=24u128 {
                cluster.crash(3).await;
                // Every sixth absence is longer than an epoch.
                let absence = if request % 6 == 0 { 20_000 } else { 37 };
                cluster.pass(Duration::from_millis(absence)).await;
                cluster.start(3).await;
                assert_eq!(cluster.node(3).status().mode, Mode::Validator, "at its start {request}");
                cluster.pass(Duration::from_millis(request as u64 * 331 % 3_000)).await;
                client.pay(request as usize % 3, request, 10).await;
            }
            let everyone = cluster.everyone();
            cluster.agree(&everyone).await;
        });
    }
}

/// What one node believes of a balance is not what the others believe. The first block that touches it tells.
#[test]
fn a_node_whose_state_was_altered_stops_and_harms_nobody() {
    for seed in [231, 232] {
        simulate(seed, |context| async move {
            let mut cluster = Cluster::started(context, Shape::default()).await;
            let client = cluster.client();
            client.fund(1_000_000).await;
            client.pay(1, 1, 10).await;
            cluster.reach(&[0, 1, 2, 3], 5).await;
            cluster.crash(3).await;
            let mut batch = Batch::new();
            let rich = Balance { available: Amount::new(5_000_000), locked: Amount::ZERO };
            let key = (account("supplier"), token()).to_bytes();
            batch.put(StoreColumn::State(Column::Balances), key, rich.to_bytes());
            cluster.tamper(3, batch).await;
            let doomed = cluster.start_doomed(3).await;
            for request in 2..=8 {
                client.pay(request as usize % 3, request, 10).await;
            }
            let cause = doomed.await.unwrap();
            assert!(matches!(cause, NodeError::InvalidFinalBlock { .. }), "{cause}");
            let refused = client.submit(3, &cluster.cast.payment(9, client.now_ms(), 10)).await;
            assert!(matches!(refused, Err(Refusal::NotServing { .. })), "{refused:?}");
            assert!(cluster.node(3).snapshot().is_err(), "it answers from a state that is not the ledger's");
            let others = [0, 1, 2];
            cluster.agree(&others).await;
            for node in others {
                assert_eq!(cluster.available(node, "supplier"), 80);
            }
        });
    }
}

/// A write that failed ends the node: it acknowledges nothing that it did not write, and goes on once there is room.
#[test]
fn a_node_whose_disk_is_full_stops_and_later_catches_up() {
    for seed in [251, 252, 253] {
        // The engine panics where its own writes fail; the node ends by that or by its own failed write, whichever comes first.
        let config = config(seed, Duration::from_secs(600)).with_catch_panics(true);
        deterministic::Runner::new(config).start(|context| async move {
            let mut cluster = Cluster::started(context, Shape::default()).await;
            let client = cluster.client();
            client.fund(1_000_000).await;
            cluster.crash(3).await;
            let doomed = cluster.start_doomed(3).await;
            let mut settled = vec![client.pay(3, 1, 10).await];
            cluster.set_full(3, true);
            for request in 2..=6 {
                settled.push(client.pay(request as usize % 3, request, 10).await);
            }
            let cause = doomed.await.unwrap();
            assert!(matches!(cause, NodeError::Storage(_) | NodeError::Consensus(_)), "{cause}");
            cluster.crash(3).await;
            cluster.set_full(3, false);
            cluster.start(3).await;
            settled.push(client.pay(3, 7, 10).await);
            let everyone = cluster.everyone();
            cluster.agree(&everyone).await;
            remembers(&cluster, &client, 3, &settled).await;
            assert_eq!(cluster.available(3, "supplier"), 70);
        });
    }
}

/// Its turns cost a timeout each until it has been silent for a while; then they are skipped.
#[test]
fn a_dead_validator_costs_payments_little() {
    let mut took = simulate(241, |context| async move {
        let mut cluster =
            Cluster::started(context, Shape { distances: Distances::Alike(CLEAN), ..Shape::default() }).await;
        let client = cluster.client();
        client.fund(1_000_000).await;
        cluster.crash(1).await;
        let mut took = Vec::new();
        for request in 1..=32u128 {
            cluster.pass(Duration::from_millis(500 + 137 * request as u64 % 1_000)).await;
            took.push(client.pay(2, request, 10).await.took);
        }
        took
    });
    took.sort();
    let (median, longest) = (took[took.len() / 2], took[took.len() - 1]);
    println!("finality with one of four dead: median {median:?}, longest {longest:?}");
    assert!(median < Duration::from_millis(100), "median {median:?}");
    assert!(longest < Duration::from_secs(5), "longest {longest:?}");
}
