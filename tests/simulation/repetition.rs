//! One seed, one run: without that no failure here could be repeated.

use super::agreement::header_hash_and_digest;
use super::cluster::{Cluster, Shape};
use super::simulate;
use commonware_runtime::Supervisor as _;
use std::time::Duration;

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed: u64| {
        simulate(seed, |context| async move {
            let observed = context.child("observed");
            let shape = Shape { epoch_length: 8, idle: Duration::from_millis(300), ..Shape::default() };
            let mut cluster = Cluster::started(context, shape).await;
            let client = cluster.client();
            client.fund(1_000).await;
            cluster.crash(2).await;
            for request in 1..=6 {
                client.pay(request as usize, request, 10).await;
            }
            cluster.start(2).await;
            let height = cluster.agree(&[0, 1, 2, 3]).await;
            let mut headers = Vec::new();
            for height in 1..=height {
                headers.push(header_hash_and_digest(&*cluster.node(2), height).await);
            }
            (headers, observed.auditor().state())
        })
    };
    let first = run(601);
    assert_eq!(first, run(601));
    assert_ne!(first.1, run(602).1, "another seed took the very same course");
}
