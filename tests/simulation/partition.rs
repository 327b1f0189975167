//! A network cut in two halves: neither makes anything final, and both go on together when it heals.

use super::cluster::{Cluster, Shape};
use super::simulate;
use causeway::node::service::Ending;
use std::time::Duration;

fn heights(cluster: &Cluster) -> Vec<u64> {
    cluster.everyone().into_iter().map(|node| cluster.node(node).status().height).collect()
}

#[test]
fn two_halves_halt_and_what_waits_is_settled_when_they_meet() {
    for seed in [301, 302, 303] {
        simulate(seed, |context| async move {
            let mut cluster = Cluster::started(context, Shape::default()).await;
            let client = cluster.client();
            client.fund(1_000_000).await;
            cluster.links.part(&[0, 1], &[2, 3]).await;
            // What was under way when the cut came may still arrive.
            cluster.pass(Duration::from_secs(2)).await;
            let before = heights(&cluster);
            let mut waiting = Vec::new();
            for node in cluster.everyone() {
                let payment = cluster.cast.payment(node as u128 + 1, client.now_ms(), 10);
                client.submit(node, &payment).await.unwrap();
                waiting.push(payment);
            }
            cluster.pass(Duration::from_secs(30)).await;
            assert_eq!(heights(&cluster), before, "half of the validators made a block final");
            for node in cluster.everyone() {
                let status = cluster.node(node).status();
                let (heard, age) = (status.heard.len(), status.final_age.as_secs());
                assert!(status.stands_still && heard == 2 && status.quorum == 3 && age >= 30, "{node}: {status:?}");
            }
            cluster.links.join(&[0, 1], &[2, 3]).await;
            for (node, payment) in waiting.iter().enumerate() {
                let ending = client.wait_final(node, payment).await;
                assert!(matches!(ending, Ending::Final(_)), "{ending:?}");
            }
            let everyone = cluster.everyone();
            cluster.agree(&everyone).await;
            assert_eq!(cluster.available(0, "supplier"), 40);
            let status = cluster.node(0).status();
            assert!(!status.stands_still && status.heard.len() == 4, "{status:?}");
        });
    }
}
