//! Validators that come, go and change their keys while payments are on their way.
//!
//! Every payment's receipt is verified offline from the genesis alone, over every handover that came before.

use super::client::{Client, Settled};
use super::cluster::{Cluster, Shape, address};
use super::simulate;
use causeway::client::Operation;
use causeway::client::operations::{
    add_observer, add_validator, decide_upgrade, remove_observer, remove_validator, rotate_validator_key,
};
use causeway::ledger::protocol::PROTOCOL_VERSION_MAX;
use causeway::ledger::{Receipt, Status};
use causeway::node::NodeError;
use causeway::node::service::{Mode, Versions};
use std::time::Duration;

const EPOCH_LENGTH: u64 = 16;

fn shape(newcomers: usize) -> Shape {
    Shape { newcomers, epoch_length: EPOCH_LENGTH, idle: Duration::from_millis(200), ..Shape::default() }
}

/// A network, a client that pays, and governance.
struct Stage {
    cluster: Cluster,
    client: Client,
    requests: u128,
    paid: Vec<Settled>,
}

impl Stage {
    async fn of(context: super::Context, newcomers: usize) -> Self {
        Self::of_shape(context, shape(newcomers)).await
    }

    async fn of_shape(context: super::Context, shape: Shape) -> Self {
        let cluster = Cluster::started(context, shape).await;
        let client = cluster.client();
        client.fund(1_000_000).await;
        Self { cluster, client, requests: 0, paid: Vec::new() }
    }

    /// Has governance decide, with a node's signature beside its own: the receipt.
    async fn decide(&mut self, operation: Operation, node: Option<usize>) -> Receipt {
        self.requests += 1;
        let key = node.map(|node| self.cluster.key_pair(node));
        let decision = self.client.cast.decision(self.requests, self.client.now_ms(), operation, key.as_ref());
        self.client.settle_as_it_may(0, &decision).await.receipt
    }

    async fn add(&mut self, node: usize) -> Receipt {
        let name = format!("validator-{node}");
        self.decide(add_validator(self.cluster.public_key(node), &name, &address(node)), Some(node)).await
    }

    async fn remove(&mut self, node: usize) -> Receipt {
        self.decide(remove_validator(self.cluster.public_key(node)), None).await
    }

    async fn rotate(&mut self, from: usize, to: usize) -> Receipt {
        let (old, new) = (self.cluster.public_key(from), self.cluster.public_key(to));
        self.decide(rotate_validator_key(old, new, &address(to)), Some(to)).await
    }

    async fn observe(&mut self, node: usize) -> Receipt {
        self.decide(add_observer(self.cluster.public_key(node), "newcomer"), None).await
    }

    /// Pays until the epoch after the one of the newest payment has begun.
    async fn pay_into_the_next_epoch(&mut self) {
        let begun = self.pay().await / EPOCH_LENGTH;
        while self.pay().await / EPOCH_LENGTH == begun {}
    }

    /// Makes some payments at once, through one node each: the height of the last.
    async fn pay(&mut self) -> u64 {
        let requests = self.requests + 1..=self.requests + 4;
        self.requests += 4;
        let payments = requests.map(|request| self.client.pay(request as usize, request, 10));
        self.paid.extend(futures::future::join_all(payments).await);
        self.paid.iter().map(|settled| settled.height).max().unwrap()
    }

    /// The validators of the next block, by their places in the cluster.
    fn validators(&self, asked: usize) -> Vec<usize> {
        let status = self.cluster.node(asked).status();
        let is_one = |node: &usize| {
            let key = self.cluster.public_key(*node);
            status.validators.iter().any(|validator| validator.public_key == key)
        };
        self.cluster.everyone().into_iter().filter(is_one).collect()
    }

    /// That all nodes have the same blocks and the same state, and every payment once.
    async fn check(&self, nodes: &[usize]) {
        self.cluster.agree(nodes).await;
        for node in nodes {
            assert_eq!(self.cluster.available(*node, "supplier"), 10 * self.paid.len() as u64, "node {node}");
        }
    }
}

fn applied(receipt: &Receipt) {
    assert_eq!(receipt.outcome.status, Status::Applied);
}

/// It has seen no block below the snapshot's, asks nobody for one, and is a validator like any other. It comes back from a
/// crash as well, and gives proof of what was before its time.
#[test]
fn a_newcomer_begins_from_a_snapshot_and_then_votes() {
    for (seed, with_bodies) in [(631, true), (632, false), (633, false)] {
        simulate(seed, |context| async move {
            let mut stage = Stage::of(context, 1).await;
            stage.pay_into_the_next_epoch().await;
            stage.pay_into_the_next_epoch().await;
            applied(&stage.observe(4).await);
            stage.cluster.crash(0).await;
            stage.cluster.begin_from(4, 0, with_bodies).await;
            stage.cluster.start(0).await;
            stage.pay_into_the_next_epoch().await;
            stage.cluster.start(4).await;
            let height = stage.pay().await;
            stage.cluster.reach(&[4], height).await;
            let begins_at = stage.cluster.node(4).status().begins_at;
            assert_eq!(begins_at > EPOCH_LENGTH, !with_bodies, "it begins at height {begins_at}");
            let first = &stage.paid[0];
            let old = stage.client.receipt(&*stage.cluster.node(4), first.receipt.transaction_id()).await;
            assert_eq!((old.id(), old.transaction.is_some()), (first.receipt.id(), with_bodies));
            applied(&stage.add(4).await);
            stage.pay_into_the_next_epoch().await;
            stage.cluster.crash(4).await;
            stage.pay().await;
            stage.cluster.start(4).await;
            stage.cluster.crash(0).await;
            for _ in 0..4 {
                stage.pay().await;
            }
            assert_eq!(stage.cluster.node(4).status().mode, Mode::Validator);
            stage.check(&[1, 2, 3, 4]).await;
        });
    }
}

/// Nodes that pruned agree with each other and with whoever begins from a snapshot of them; who needs what none of them has any
/// more waits for it, and does nothing wrong meanwhile.
#[test]
fn what_every_node_has_pruned_nobody_replays_and_a_snapshot_has_it() {
    simulate(641, |context| async move {
        // One epoch, and so many blocks that the engines' own caches have let go of the first ones.
        let shape = Shape { epoch_length: 4_096, idle: Duration::from_millis(50), ..shape(2) };
        let mut stage = Stage::of_shape(context, shape).await;
        let first = stage.pay().await;
        for node in [4, 5] {
            applied(&stage.observe(node).await);
        }
        stage.cluster.reach(&[0], first + 360).await;
        let below = stage.pay().await - 4;
        for node in 0..4 {
            stage.cluster.crash(node).await;
            stage.cluster.prune(node, below).await;
        }
        stage.cluster.begin_from(5, 3, false).await;
        for node in 0..6 {
            stage.cluster.start(node).await;
        }
        let height = stage.pay().await;
        stage.cluster.reach(&[0, 1, 2, 3, 5], height).await;
        stage.cluster.pass(Duration::from_secs(60)).await;
        assert_eq!(stage.cluster.node(4).status().height, 0, "from whom would it have the first block?");
        let first = &stage.paid[0];
        for node in [0, 5] {
            assert!(stage.cluster.node(node).status().begins_at > first.height);
            let old = stage.client.receipt(&*stage.cluster.node(node), first.receipt.transaction_id()).await;
            assert_eq!((old.id(), old.transaction), (first.receipt.id(), None));
        }
        stage.check(&[0, 1, 2, 3, 5]).await;
    });
}

/// It follows, catches up, and votes from its epoch on: with one of the others down, nothing is final without it.
#[test]
fn a_newcomer_follows_and_then_votes() {
    for seed in [601, 602] {
        simulate(seed, |context| async move {
            let mut stage = Stage::of(context, 1).await;
            applied(&stage.observe(4).await);
            stage.cluster.start(4).await;
            let height = stage.pay().await;
            stage.cluster.reach(&[4], height).await;
            assert_eq!(stage.cluster.node(4).status().mode, Mode::Verifier, "it is no validator yet");
            applied(&stage.add(4).await);
            assert_eq!(stage.validators(0), [0, 1, 2, 3], "until the epoch ends");
            stage.pay_into_the_next_epoch().await;
            assert_eq!(stage.validators(0), [0, 1, 2, 3, 4]);
            assert_eq!(stage.cluster.node(4).status().mode, Mode::Validator);
            assert_eq!(stage.cluster.node(0).status().quorum, 4);
            stage.cluster.crash(0).await;
            for _ in 0..4 {
                stage.pay().await;
            }
            let last = stage.paid.last().unwrap();
            assert_eq!(last.receipt.handovers.len(), 1);
            stage.check(&[1, 2, 3, 4]).await;
        });
    }
}

/// Joined, taken out, taken out while down, replaced, late: the network never halts, and everyone has the same state.
#[test]
fn validators_come_and_go_under_load() {
    for seed in [611, 612, 613] {
        simulate(seed, |context| async move {
            let mut stage = Stage::of(context, 3).await;
            let (joins, replaces, late) = (4, 5, 6);
            applied(&stage.observe(joins).await);
            stage.cluster.start(joins).await;
            // One in, one out, at one epoch's end.
            applied(&stage.add(joins).await);
            applied(&stage.remove(0).await);
            stage.pay_into_the_next_epoch().await;
            assert_eq!(stage.validators(1), [1, 2, 3, 4]);
            assert_eq!(stage.cluster.node(0).status().mode, Mode::Verifier, "it follows");

            // A key is replaced by that of a node which starts only then, while another node crashes and comes back.
            applied(&stage.rotate(1, replaces).await);
            stage.cluster.start(replaces).await;
            stage.cluster.crash(2).await;
            stage.pay().await;
            stage.cluster.start(2).await;
            stage.pay_into_the_next_epoch().await;
            assert_eq!(stage.validators(2), [2, 3, 4, 5]);
            stage.cluster.crash(1).await;

            // One is taken out while it is down; who takes its place starts when its epoch has begun long since.
            stage.cluster.crash(3).await;
            applied(&stage.add(late).await);
            applied(&stage.remove(3).await);
            stage.pay_into_the_next_epoch().await;
            assert_eq!(stage.validators(2), [2, 4, 5, 6]);
            stage.pay_into_the_next_epoch().await;
            stage.cluster.start(3).await;
            stage.cluster.start(late).await;
            let height = stage.pay().await;
            stage.cluster.reach(&[3, late], height).await;
            assert_eq!(stage.cluster.node(3).status().mode, Mode::Verifier, "it was taken out while it was down");
            assert_eq!(stage.cluster.node(late).status().mode, Mode::Validator);

            // Now nothing is final without the one that came late.
            stage.cluster.crash(2).await;
            for _ in 0..3 {
                stage.pay().await;
            }
            assert_eq!(stage.paid.last().unwrap().receipt.handovers.len(), 3);
            stage.check(&[0, 3, 4, 5, 6]).await;
        });
    }
}

/// Whoever is not on the list hears nothing, and whoever is taken off it hears no more.
#[test]
fn who_is_not_listed_is_not_let_in() {
    simulate(621, |context| async move {
        let mut stage = Stage::of(context, 1).await;
        stage.cluster.start(4).await;
        for _ in 0..4 {
            stage.pay().await;
        }
        assert_eq!(stage.cluster.node(4).status().height, 0, "nobody knows it");
        applied(&stage.observe(4).await);
        let height = stage.pay().await;
        stage.cluster.reach(&[4], height).await;
        applied(&stage.decide(remove_observer(stage.cluster.public_key(4)), None).await);
        let reached = stage.cluster.node(4).status().height;
        for _ in 0..4 {
            stage.pay().await;
        }
        let now = stage.cluster.node(0).status().height;
        assert!(stage.cluster.node(4).status().height <= reached + 1 && now > reached + 3, "{now} and {reached}");
    });
}

/// Software is replaced node by node and governance decides; at one height all follow the next version. Who kept the old
/// software stops before it, and goes on with the new.
#[test]
fn the_protocol_is_raised_while_payments_go_on() {
    for seed in [631, 632] {
        simulate(seed, |context| async move {
            let mut stage = Stage::of(context, 1).await;
            let (late, version) = (3, PROTOCOL_VERSION_MAX + 1);
            for node in [0, 1, 2] {
                stage.cluster.crash(node).await;
                stage.cluster.set_protocol_version_max(node, version);
                stage.cluster.start(node).await;
                stage.pay().await;
            }
            stage.cluster.crash(late).await;
            let doomed = stage.cluster.start_doomed(late).await;
            let decided = stage.decide(decide_upgrade(version), None).await;
            applied(&decided);
            let from = (decided.header.height / EPOCH_LENGTH + 2) * EPOCH_LENGTH;
            stage.cluster.reach(&[0], decided.header.height).await;
            let versions = Versions { version: version - 1, version_max: version, decided: Some((version, from)) };
            assert_eq!(stage.cluster.node(0).status().versions, versions);

            while stage.cluster.node(0).status().height < from - 1 {
                stage.cluster.pass(Duration::from_millis(100)).await;
            }
            let cause = doomed.await.unwrap();
            match cause {
                NodeError::ProtocolTooNew { version: needed, version_max, height } => {
                    assert_eq!((needed, version_max, height), (version, version - 1, from));
                }
                other => panic!("it stopped for another reason: {other}"),
            }
            stage.cluster.crash(late).await;
            stage.pay_into_the_next_epoch().await;
            stage.cluster.set_protocol_version_max(late, version);
            stage.cluster.start(late).await;
            let height = stage.pay().await;
            stage.cluster.reach(&[late], height).await;
            let versions = Versions { version, version_max: version, decided: None };
            assert_eq!(stage.cluster.node(late).status().versions, versions);
            stage.check(&[0, 1, 2, late]).await;
        });
    }
}
