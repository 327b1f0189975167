//! Short epochs, crossed while payments are on their way.

use super::cluster::{Cluster, Shape};
use super::simulate;
use std::time::Duration;

#[test]
fn payments_cross_epochs_and_so_does_a_node_that_was_away() {
    for seed in [401, 402, 403] {
        simulate(seed, |context| async move {
            let shape = Shape { epoch_length: 4, idle: Duration::from_millis(200), ..Shape::default() };
            let mut cluster = Cluster::started(context, shape).await;
            let client = cluster.client();
            client.fund(1_000_000).await;
            for request in 1..=12 {
                client.pay(request as usize, request, 10).await;
            }
            cluster.crash(1).await;
            for request in 13..=24 {
                client.pay(request as usize, request, 10).await;
            }
            cluster.start(1).await;
            for request in 25..=36 {
                client.pay(request as usize, request, 10).await;
            }
            let everyone = cluster.everyone();
            let height = cluster.agree(&everyone).await;
            assert!(height > 32, "{height} heights are no eight epochs");
            for height in 1..=height {
                let record = cluster.node(0).block(height).await.unwrap();
                assert_eq!(record.block.header().epoch, height / 4, "the epoch of height {height}");
            }
            for node in everyone {
                assert_eq!(cluster.available(node, "supplier"), 360);
            }
        });
    }
}
