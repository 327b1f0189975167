//! What time alone does: a redemption that nobody pays is found overdue, and request ids are forgotten.

use super::cast::{account, token};
use super::client::Client;
use super::cluster::{CLEAN, Cluster, Shape};
use super::runner;
use crate::links::Distances;
use causeway::admission::Refusal;
use causeway::client::operations;
use causeway::domain::tokens::Redemption;
use causeway::ledger::SignedTransaction;
use causeway::node::service::{Fate, Submission};
use causeway::primitives::ids::{ObjectKind, Origin};
use causeway::primitives::time::DAY_MS;
use causeway::primitives::{Amount, Hash, ObjectId, RequestId};
use commonware_runtime::Runner as _;
use std::time::Duration;

const HOUR_MS: u64 = 60 * 60 * 1000;

fn redemption(cluster: &Cluster, node: usize, id: ObjectId) -> Redemption {
    let snapshot = cluster.node(node).snapshot().unwrap();
    snapshot.view.read::<Redemption>(&id).unwrap()
}

fn redemption_request(cluster: &Cluster, now_ms: u64) -> (SignedTransaction, ObjectId) {
    let origin = Origin { sender: account("buyer"), request_id: RequestId(7u128.to_be_bytes()), operation_index: 0 };
    let request = operations::request_redemption(token(), Amount::new(400), Hash([9; 32]));
    (cluster.cast.transaction("buyer", 7, now_ms + HOUR_MS, [request]), origin.object_id(ObjectKind::Redemption))
}

#[test]
fn a_redemption_that_nobody_pays_is_found_overdue_and_its_request_is_forgotten() {
    for seed in [501, 502] {
        runner(seed, Duration::from_millis(6 * DAY_MS)).start(|context| async move {
            // Empty blocks every ten minutes: the queue of due things runs on them.
            let shape =
                Shape { idle: Duration::from_secs(600), distances: Distances::Alike(CLEAN), ..Shape::default() };
            let mut cluster = Cluster::started(context, shape).await;
            let client = cluster.client();
            client.fund(1_000).await;
            let (request, id) = redemption_request(&cluster, client.now_ms());
            let settled = client.settle(1, &request).await;
            assert_eq!(cluster.available(1, "buyer"), 600, "the units are locked");
            let due_at = redemption(&cluster, 1, id).due_at;

            // An hour to its expiry, and another in which it is remembered.
            let (sender, request_id) = (account("buyer"), RequestId(7u128.to_be_bytes()));
            cluster.pass(Duration::from_millis(HOUR_MS + HOUR_MS / 2)).await;
            let known = cluster.node(2).transaction_by_request(sender, request_id).await.unwrap().unwrap();
            assert!(matches!(known.fate, Fate::Final(_)));
            cluster.pass(Duration::from_millis(HOUR_MS)).await;
            assert!(cluster.node(2).transaction_by_request(sender, request_id).await.unwrap().is_none());
            // The id of what is final stays known, and so does its receipt.
            assert!(matches!(client.submit(2, &request).await, Ok(Submission::Final(_))));
            let again = client.receipt(&*cluster.node(2), request.id()).await;
            assert_eq!(again.id(), settled.receipt.id());

            assert_eq!(redemption(&cluster, 0, id).overdue_at, None);
            assert_eq!(overdue_counted(&cluster), [0; 4]);
            let left = due_at.0 - client.now_ms();
            cluster.pass(Duration::from_millis(left + HOUR_MS)).await;
            for node in cluster.everyone() {
                let overdue_at = redemption(&cluster, node, id).overdue_at.expect("found overdue");
                assert!(
                    overdue_at >= due_at && overdue_at.0 < due_at.0 + HOUR_MS / 2,
                    "{overdue_at:?}, due {due_at:?}"
                );
            }
            breach_is_proven(&cluster, &client, settled.height).await;
            it_is_counted_until_it_is_paid(&mut cluster, &client, id).await;
            let everyone = cluster.everyone();
            cluster.agree(&everyone).await;
        });
    }
}

/// How many redemptions are overdue, as each node's metrics tell.
fn overdue_counted(cluster: &Cluster) -> Vec<i64> {
    cluster.everyone().into_iter().map(|node| cluster.metrics(node).redemptions_overdue.get()).collect()
}

/// What is overdue is told as long as it is, and by a node that began after it was found so as by the others.
async fn it_is_counted_until_it_is_paid(cluster: &mut Cluster, client: &Client, id: ObjectId) {
    cluster.pass(Duration::from_millis(2 * HOUR_MS)).await;
    assert_eq!(overdue_counted(cluster), [1; 4]);
    cluster.crash(2).await;
    cluster.start(2).await;
    assert_eq!(overdue_counted(cluster), [1; 4]);
    let pay = operations::pay_redemption(id, "FPS-1");
    let paid = client.settle(1, &cluster.cast.transaction("issuer", 8, client.now_ms() + HOUR_MS, [pay])).await;
    let everyone = cluster.everyone();
    cluster.reach(&everyone, paid.height).await;
    assert_eq!(overdue_counted(cluster), [0; 4]);
}

/// The breach has an outcome of its own, behind those of the block's transactions, and a receipt, of one id at every node.
async fn breach_is_proven(cluster: &Cluster, client: &Client, after: u64) {
    let node = cluster.node(3);
    let mut breaches = Vec::new();
    for height in after..=node.status().height {
        let record = node.block(height).await.unwrap();
        for outcome in record.outcomes.iter().skip(record.block.transactions().len()) {
            assert!(outcome.effects.iter().all(|effect| effect.name == "tokens.redemption_overdue"), "{outcome:?}");
            breaches.push(outcome.transaction_id);
        }
    }
    let [breach] = breaches[..] else { panic!("one breach: {breaches:?}") };
    let known = node.transaction(breach).await.unwrap().expect("it is final");
    assert_eq!(known.senders, []);
    let receipts = [client.receipt(&*node, breach).await, client.receipt(&*cluster.node(0), breach).await];
    assert_eq!((&receipts[0].transaction, receipts[0].id()), (&None, receipts[1].id()));
}

/// A rehearsal: a ledger lives at the time that its nodes' clocks show, a month ahead and then two. Consensus keeps its pace.
#[test]
fn a_ledger_whose_clock_is_set_ahead_lives_at_that_time() {
    for seed in [503, 504] {
        runner(seed, Duration::from_secs(600)).start(|context| async move {
            let month_ms = 30 * DAY_MS;
            let clock_ahead = Duration::from_millis(month_ms);
            let shape = Shape { clock_ahead, distances: Distances::Alike(CLEAN), ..Shape::default() };
            let mut cluster = Cluster::started(context, shape).await;
            let client = cluster.client();
            for (node, issuing) in cluster.cast.issuance(client.now_ms() + month_ms, 1_000).iter().enumerate() {
                client.settle(node, issuing).await;
            }
            lives_at(&cluster, client.now_ms() + month_ms);
            // Node 2 settled the last of them, so it has a block of that time.
            let of_today = cluster.cast.payment(1, client.now_ms(), 1);
            let refused = client.submit(2, &of_today).await;
            assert!(matches!(refused, Err(Refusal::Expired { .. })), "{refused:?}");

            for node in cluster.everyone() {
                cluster.crash(node).await;
            }
            cluster.set_clock_ahead(2 * clock_ahead);
            for node in 0..4 {
                cluster.start(node).await;
            }
            let payment = cluster.cast.payment(2, client.now_ms() + 2 * month_ms, 1);
            let settled = client.settle(1, &payment).await;
            lives_at(&cluster, client.now_ms() + 2 * month_ms);
            let everyone = cluster.everyone();
            cluster.reach(&everyone, settled.height).await;
            cluster.agree(&everyone).await;
        });
    }
}

/// The node that has most has a block of just now, by the clock that it was given.
fn lives_at(cluster: &Cluster, now_ms: u64) {
    let statuses = cluster.everyone().into_iter().map(|node| cluster.node(node).status());
    let newest = statuses.max_by_key(|status| status.height).unwrap();
    assert!((now_ms - 10_000..=now_ms + 1_000).contains(&newest.time.0), "{} at {now_ms}", newest.time.0);
    assert!(newest.final_age < Duration::from_secs(10) && !newest.stands_still, "{:?}", newest.final_age);
}
