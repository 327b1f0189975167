//! The plain day: money flows through every node, and every receipt verifies.

use super::cast::GENESIS_TIME_MS;
use super::cluster::{CLEAN, Cluster, Shape};
use super::simulate;
use crate::links::Distances;
use causeway::ledger::SignedTransaction;
use causeway::ledger::receipt::{Checkpoint, ReceiptError, TrustRoot};
use causeway::node::service::{Ending, Fate, Submission};
use causeway::primitives::Hash;
use commonware_macros::select;
use futures::future::join_all;
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
                    let id = settled.receipt.transaction_id();
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

/// Whichever header a verifier trusts, below the payment's or above, a node shows that the receipt is of its history.
#[test]
fn receipts_are_shown_to_be_of_any_checkpoints_history() {
    simulate(104, |context| async move {
        let cluster = Cluster::started(context, Shape::default()).await;
        let client = cluster.client();
        client.fund(1_000_000).await;
        client.pay(1, 1, 100).await;
        let settled = client.pay(2, 2, 100).await;
        let last = settled.height + 3;
        for request in 3..=5 {
            client.pay(0, request, 100).await;
        }
        cluster.reach(&[0], last).await;
        let node = cluster.node(0);
        for height in 1..=last {
            let hash = node.block(height).await.unwrap().block.hash();
            let shown = node.receipt(settled.receipt.transaction_id(), Some(height)).await.unwrap().unwrap();
            let pinned =
                |hash| TrustRoot { checkpoint: Some(Checkpoint { height, hash }), ..cluster.cast.trust_root() };
            assert_eq!(shown.verify(&pinned(hash)), Ok(()), "height {height}");
            let trusted = Hash([1; 32]);
            let another = Err(ReceiptError::OtherHistory { height, shown: hash, trusted });
            assert_eq!(shown.verify(&pinned(trusted)), another, "another header of height {height}");
        }
    });
}

/// Whoever leads is sent the payment at once, so neither the idle interval nor the rotation shows in its finality.
#[test]
fn a_lone_payment_waits_for_nobodys_turn() {
    const IDLE: Duration = Duration::from_secs(1);
    for seed in [111, 112] {
        let took = simulate(seed, |context| async move {
            let cluster =
                Cluster::started(context, Shape { distances: Distances::Alike(CLEAN), idle: IDLE, ..Shape::default() })
                    .await;
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

/// A transaction's id is its body's hash: whoever was shown a draft of it can send it with garbage for signatures.
#[test]
fn who_sends_a_final_transaction_with_other_signatures_hears_no_more_than_that_it_is_final() {
    simulate(134, |context| async move {
        let cluster = Cluster::started(context, Shape { distances: Distances::Alike(CLEAN), ..Shape::default() }).await;
        let client = cluster.client();
        client.fund(1_000).await;
        let payment = cluster.cast.payment(1, client.now_ms(), 10);
        let height = client.settle_as_it_may(0, &payment).await.height;
        let again = client.submit(0, &payment).await.expect("it is final");
        assert!(matches!(again, Submission::Final(done) if done.height() == height));
        let mut signatures = payment.signatures().to_vec();
        signatures.iter_mut().for_each(|each| each.signature.0[40] ^= 1);
        let forged = SignedTransaction::new(payment.body().clone(), signatures).expect("it was within its limits");
        let told = client.submit(0, &forged).await.expect("it is final");
        assert!(matches!(told, Submission::SignedOtherwise { height: at, applied: true } if at == height), "{told:?}");
    });
}

/// Bodies under one request id, given to all nodes at once: one of them happens, and whoever waits for another hears
/// which it was. After that the leaders rest; what can never stand in a block is not something to hurry for.
#[test]
fn one_request_id_is_one_transaction_and_an_idle_ledger_rests() {
    for seed in [131, 132, 133] {
        simulate(seed, |context| async move {
            let cluster =
                Cluster::started(context, Shape { distances: Distances::Alike(CLEAN), ..Shape::default() }).await;
            let client = cluster.client();
            client.fund(1_000).await;
            let rivals: Vec<SignedTransaction> =
                (0..4).map(|node| cluster.cast.payment(1, client.now_ms(), 10 + node)).collect();
            let mut waits = Vec::new();
            for (node, rival) in rivals.iter().enumerate() {
                // A node that was forwarded another one already refuses.
                if client.submit(node, rival).await.is_ok() {
                    waits.push(client.wait_final(node, rival));
                }
            }
            assert!(waits.len() > 1, "seed {seed}: no two nodes took one each");
            let endings = select! {
                endings = join_all(waits) => endings,
                _ = cluster.pass(Duration::from_secs(3)) => panic!("seed {seed}: someone still waits"),
            };
            let mut happened = Vec::new();
            for rival in &rivals {
                let known = cluster.node(0).transaction(rival.id()).await.unwrap();
                happened.extend(known.filter(|known| matches!(known.fate, Fate::Final(_))).map(|_| rival.id()));
            }
            assert_eq!(happened.len(), 1);
            let finals = endings.iter().filter(|ending| matches!(ending, Ending::Final(_))).count();
            let losers = endings.iter().filter(|end| matches!(end, Ending::RequestTaken { by } if *by == happened[0]));
            assert_eq!((finals, losers.count()), (1, endings.len() - 1), "seed {seed}: {endings:?}");
            for node in cluster.everyone() {
                assert_eq!(cluster.node(node).status().pool_transactions, 0, "left at node {node}");
            }
            // A copy that was on its way when its block became final is met once, and gone.
            cluster.pass(Duration::from_secs(6)).await;
            let before = cluster.node(0).status().height;
            cluster.pass(Duration::from_secs(20)).await;
            let blocks = cluster.node(0).status().height - before;
            assert!((10..=20).contains(&blocks), "{blocks} blocks in 20 idle seconds");
            for node in cluster.everyone() {
                assert_eq!(cluster.node(node).status().pool_transactions, 0, "left at node {node}");
            }
        });
    }
}
