//! What consensus promises, whatever the network does.

use super::cluster::{Cluster, Shape};
use commonware_runtime::{Runner as _, deterministic};
use std::time::Duration;

/// Runs a scenario from a seed, in at most ten simulated minutes.
fn simulate<F, Fut, T>(seed: u64, scenario: F) -> T
where
    F: FnOnce(deterministic::Context) -> Fut,
    Fut: Future<Output = T>,
{
    eprintln!("seed {seed}");
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
