//! The plain day: money flows through every node, and every receipt verifies.

use super::cast::GENESIS_TIME_MS;
use super::cluster::{CLEAN, Cluster, Shape};
use super::simulate;
use std::time::Duration;

#[test]
fn four_nodes_settle_and_agree_and_every_receipt_verifies() {
    for seed in [101, 102, 103] {
        simulate(seed, |context| async move {
            let cluster = Cluster::started(context, Shape::default()).await;
            let client = cluster.client();
            client.fund(1_000_000).await;
            let everyone = cluster.everyone();
            for request in 1..=8 {
                let settled = client.pay(request as usize, request, 100).await;
                // Whichever node is asked, the receipt is the same one.
                cluster.reach(&everyone, settled.height).await;
                for node in &everyone {
                    let id = settled.receipt.transaction.id();
                    let receipt = client.receipt(&*cluster.node(*node), id).await;
                    assert_eq!(receipt.id(), settled.receipt.id());
                }
            }
            cluster.agree(&everyone).await;
            for node in everyone {
                assert_eq!(cluster.available(node, "buyer"), 1_000_000 - 800);
                assert_eq!(cluster.available(node, "supplier"), 800);
            }
        });
    }
}

/// Whoever leads is sent the payment at once, so neither the idle interval nor the rotation shows in its finality.
#[test]
fn a_lone_payment_waits_for_nobodys_turn() {
    const IDLE: Duration = Duration::from_secs(1);
    for seed in [111, 112] {
        let took = simulate(seed, |context| async move {
            let cluster = Cluster::started(context, Shape { link: CLEAN, idle: IDLE, ..Shape::default() }).await;
            let client = cluster.client();
            client.fund(1_000_000).await;
            let mut took = Vec::new();
            for request in 1..=16u128 {
                // Whatever the leader's timer stands at.
                cluster.pass(Duration::from_millis(700 + 130 * request as u64 % 1_000)).await;
                took.push(client.pay(request as usize, request, 100).await.took);
            }
            took.sort();
            took
        });
        println!("finality with links of 5 ms: median {:?}, longest {:?}", took[took.len() / 2], took[took.len() - 1]);
        assert!(took[took.len() - 1] < IDLE / 5, "a payment waited for a timer: {took:?}");
    }
}

#[test]
fn a_lone_validator_settles() {
    simulate(121, |context| async move {
        let cluster = Cluster::started(context, Shape { validators: 1, ..Shape::default() }).await;
        let client = cluster.client();
        client.fund(1_000).await;
        let settled = client.pay(0, 1, 1_000).await;
        assert!(settled.receipt.header.time.0 > GENESIS_TIME_MS);
        assert_eq!(cluster.available(0, "supplier"), 1_000);
        cluster.agree(&[0]).await;
    });
}
