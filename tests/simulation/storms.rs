//! Crashes, cuts and payments in an order that the seed decides. Whatever it was: when all nodes are back and see each other,
//! every payment happened exactly once, and all nodes agree.

use super::cluster::{Cluster, Shape};
use super::runner;
use causeway::ledger::SignedTransaction;
use commonware_runtime::Runner as _;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use std::time::Duration;

const STEPS: usize = 40;
/// What each payment moves.
const AMOUNT: u64 = 10;

/// A run through a storm, with what it did to the cluster.
struct Storm {
    rng: StdRng,
    down: Vec<usize>,
    cut: Option<(Vec<usize>, Vec<usize>)>,
    payments: Vec<SignedTransaction>,
}

impl Storm {
    async fn step(&mut self, cluster: &mut Cluster) {
        match self.rng.random_range(0..10) {
            0..=3 => self.pay(cluster).await,
            4 | 5 => self.crash_or_start(cluster).await,
            6 => self.cut_or_join(cluster).await,
            _ => cluster.pass(Duration::from_millis(self.rng.random_range(1..3_000))).await,
        }
    }

    /// Hands payments to a node and hears nothing of them.
    async fn pay(&mut self, cluster: &Cluster) {
        let client = cluster.client();
        let node = self.rng.random_range(0..cluster.everyone().len());
        for _ in 0..self.rng.random_range(1..4) {
            let request = self.payments.len() as u128 + 1;
            let payment = cluster.cast.payment(request, client.now_ms(), AMOUNT);
            if !self.down.contains(&node) {
                client.submit(node, &payment).await.unwrap();
            }
            self.payments.push(payment);
        }
    }

    async fn crash_or_start(&mut self, cluster: &mut Cluster) {
        let node = self.rng.random_range(0..cluster.everyone().len());
        match self.down.iter().position(|down| *down == node) {
            Some(place) => {
                self.down.remove(place);
                cluster.start(node).await;
            }
            None => {
                self.down.push(node);
                cluster.crash(node).await;
            }
        }
    }

    async fn cut_or_join(&mut self, cluster: &mut Cluster) {
        match self.cut.take() {
            Some((left, right)) => cluster.links.join(&left, &right).await,
            None => {
                let (left, right): (Vec<_>, Vec<_>) =
                    cluster.everyone().into_iter().partition(|_| self.rng.random_bool(0.5));
                cluster.links.part(&left, &right).await;
                self.cut = Some((left, right));
            }
        }
    }

    /// Ends it: all nodes run, and see each other.
    async fn calm(&mut self, cluster: &mut Cluster) {
        if let Some((left, right)) = self.cut.take() {
            cluster.links.join(&left, &right).await;
        }
        for node in std::mem::take(&mut self.down) {
            cluster.start(node).await;
        }
    }
}

#[test]
fn whatever_happens_every_payment_happens_once() {
    let seeds: Vec<u64> = match std::env::var("CAUSEWAY_STORMS") {
        // For a long look: `CAUSEWAY_STORMS=100 cargo test --test suite storms`.
        Ok(count) => (700..700 + count.parse::<u64>().unwrap()).collect(),
        Err(_) => vec![701, 702, 703, 704],
    };
    for seed in seeds {
        // Half an hour to expiry is enough for any of them.
        runner(seed, Duration::from_secs(1_800)).start(|context| async move {
            let epoch_length = if seed % 2 == 0 { 8 } else { 1_024 };
            let mut cluster = Cluster::started(context, Shape { epoch_length, ..Shape::default() }).await;
            let client = cluster.client();
            client.fund(1_000_000).await;
            let rng = StdRng::seed_from_u64(seed);
            let mut storm = Storm { rng, down: Vec::new(), cut: None, payments: Vec::new() };
            for _ in 0..STEPS {
                storm.step(&mut cluster).await;
            }
            storm.calm(&mut cluster).await;
            for (node, payment) in storm.payments.iter().enumerate() {
                client.settle(node, payment).await;
            }
            let everyone = cluster.everyone();
            cluster.agree(&everyone).await;
            for node in everyone {
                assert_eq!(cluster.available(node, "supplier"), AMOUNT * storm.payments.len() as u64);
            }
        });
    }
}
