//! More than the nodes take: what they refuse they say at once, what they accept happens once, and what was refused is taken
//! when there is room again.

use super::cluster::{Cluster, Shape};
use super::simulate;
use causeway::admission::{PoolLimits, Refusal};
use causeway::ledger::SignedTransaction;
use causeway::node::service::Ending;
use causeway::primitives::TransactionId;
use std::collections::BTreeMap;
use std::time::Duration;

/// Most that wait at a node.
const ROOM: usize = 40;
/// What is offered to each node at once.
const OFFERED: u128 = 150;
const AMOUNT: u64 = 10;

#[test]
fn what_is_refused_happens_later_and_what_is_accepted_happens_once() {
    for seed in [801, 802] {
        simulate(seed, |context| async move {
            let pool = PoolLimits { transactions_max: ROOM, ..PoolLimits::default() };
            let cluster = Cluster::started(context, Shape { pool, ..Shape::default() }).await;
            let client = cluster.client();
            client.fund(1_000_000).await;
            let everyone = cluster.everyone();
            let mut payments: Vec<(usize, SignedTransaction)> = Vec::new();
            for request in 1..=OFFERED * everyone.len() as u128 {
                payments
                    .push((request as usize % everyone.len(), cluster.cast.payment(request, client.now_ms(), AMOUNT)));
            }
            let refused = offer(&cluster, &payments).await;
            assert!(refused.len() > payments.len() / 2, "seed {seed}: only {} refused", refused.len());
            // The load stops; whoever was refused comes again every half second, as it was told to.
            let mut again = refused;
            for _ in 0..120 {
                cluster.pass(Duration::from_millis(500)).await;
                again = offer(&cluster, &again).await;
            }
            assert!(again.is_empty(), "seed {seed}: {} were never taken", again.len());
            for (node, payment) in &payments {
                let ending = client.wait_final(*node, payment).await;
                assert!(matches!(ending, Ending::Final(_)), "seed {seed}: {ending:?}");
            }
            cluster.agree(&everyone).await;
            let blocks = times_in_blocks(&cluster).await;
            assert!(payments.iter().all(|(_, payment)| blocks.get(&payment.id()) == Some(&1)), "seed {seed}");
            for node in everyone {
                assert_eq!(cluster.available(node, "supplier"), AMOUNT * payments.len() as u64);
                assert_eq!(cluster.node(node).status().pool_transactions, 0);
            }
        });
    }
}

/// Offers each to its node, all at once, and returns those that were refused for want of room.
async fn offer(cluster: &Cluster, payments: &[(usize, SignedTransaction)]) -> Vec<(usize, SignedTransaction)> {
    let mut refused = Vec::new();
    for node in cluster.everyone() {
        let own: Vec<_> = payments.iter().filter(|(at, _)| *at == node).map(|(_, payment)| payment.clone()).collect();
        let answers = cluster.node(node).submit_all(own.clone()).await;
        assert_eq!(answers.len(), own.len(), "each has its answer");
        let waiting = cluster.node(node).status().pool_transactions;
        assert!(waiting <= ROOM, "{waiting} wait where {ROOM} may");
        for (payment, answer) in own.into_iter().zip(answers) {
            match answer {
                Ok(_) => {}
                Err(Refusal::PoolFull | Refusal::SenderQueueFull { .. } | Refusal::InstitutionQueueFull { .. }) => {
                    refused.push((node, payment))
                }
                Err(other) => panic!("refused for another reason: {other}"),
            }
        }
    }
    refused
}

/// In how many blocks each transaction stands.
async fn times_in_blocks(cluster: &Cluster) -> BTreeMap<TransactionId, u32> {
    let node = cluster.node(0);
    let mut times = BTreeMap::new();
    for height in 1..=node.status().height {
        for transaction in node.block(height).await.unwrap().block.transactions() {
            *times.entry(transaction.id()).or_default() += 1;
        }
    }
    times
}
