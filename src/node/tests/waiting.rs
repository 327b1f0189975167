//! Who waits hears; and who watches a task sees it end.

use super::ledger::parts;
use super::{chain, desk, simulate};
use crate::admission::{Origin, Refusal};
use crate::consensus::{Acknowledgement, FinalizedBlock, Ledger as _};
use crate::domain::accounts::RotateKeys;
use crate::execution::chronicle::{Chronicle, HOUR_MS, id, key, public, transfer};
use crate::ledger::account::KeySet;
use crate::ledger::{Block, Status};
use crate::node::error::NodeError;
use crate::node::finality::{Finality, Notice, WAITERS_MAX};
use crate::node::halt::halt;
use crate::node::ledger::{LedgerParts, NodeLedger};
use crate::node::service::PendingTransaction;
use crate::node::start::watch;
use crate::storage::StoreView;
use commonware_runtime::{Spawner as _, Supervisor as _};
use futures::FutureExt as _;
use std::sync::Arc;

#[test]
fn a_waiter_hears_of_its_own_end_and_no_other() {
    let mut chronicle = Chronicle::funded();
    let draft = chronicle.draft(id("buyer"), vec![transfer("buyer", "supplier", 1).into()]);
    let mut rival = draft.clone();
    rival.operations = vec![transfer("buyer", "supplier", 2).into()];
    let mut namesake = chronicle.draft(id("financier"), vec![transfer("financier", "supplier", 3).into()]);
    namesake.envelope.request_id = draft.envelope.request_id;
    let signed = [draft, rival, namesake].map(|draft| chronicle.sign(&draft));
    let finality = Arc::new(Finality::new(chronicle.tip().header.height));
    let mut heard = signed.clone().map(|transaction| {
        finality.wait(PendingTransaction::new(transaction.id(), transaction.envelope())).0.expect("there is room")
    });
    chronicle.append(1_000, &signed[..1]);
    let block = chronicle.blocks.last().expect("a block");
    finality.announce(block);
    let by = signed[0].id();
    let Some(Some(Notice::Final(done))) = (&mut heard[0]).now_or_never() else { panic!("it is final") };
    assert_eq!((done.height, done.status), (block.header.height, block.outcomes[0].status.clone()));
    let taken = (&mut heard[1]).now_or_never().flatten();
    assert!(
        matches!(taken, Some(Notice::RequestTaken { by: taken }) if taken == by),
        "another body under its request id"
    );
    assert!((&mut heard[2]).now_or_never().is_none(), "another sender's request id is another one");
    chronicle.append(2 * HOUR_MS, &[]);
    finality.announce(chronicle.blocks.last().expect("a block"));
    assert!(matches!((&mut heard[2]).now_or_never(), Some(Some(Notice::Expired))));
}

/// Whoever waits and hangs up, over and over, takes nobody's room; and nobody has to look for those who did.
#[test]
fn who_waits_no_more_leaves_room_at_once() {
    let mut chronicle = Chronicle::funded();
    let mut pending = |units| {
        let payment = chronicle.transaction("buyer", vec![transfer("buyer", "supplier", units).into()]);
        PendingTransaction::new(payment.id(), payment.envelope())
    };
    let (crowded, other) = (pending(1), pending(2));
    let finality = Arc::new(Finality::new(0));
    let mut waits: Vec<_> = (0..WAITERS_MAX).map(|_| finality.wait(crowded).0.expect("there is room")).collect();
    assert!(finality.wait(other).0.is_none(), "it is full");
    waits.pop();
    let wait = finality.wait(other).0.expect("its place came back");
    assert!(finality.wait(other).0.is_none());
    drop((waits, wait));
    assert!(finality.wait(crowded).0.is_some());
}

/// Whoever holds the client's wait tells it, leader or not: every node judges what waits by what it commits.
#[test]
fn who_waits_with_keys_that_are_no_longer_its_senders_hears_so() {
    simulate(|context| async move {
        let mut chronicle = Chronicle::funded();
        let before = chronicle.blocks.len();
        let (chain, desk) = (chain(&context, &chronicle).await, desk(&chronicle));
        let parts = parts(&context, &chronicle, chain.clone());
        let finality = parts.finality.clone();
        let view = StoreView::new(chain.store().clone());
        let payments = ["buyer", "financier"]
            .map(|payer| chronicle.transaction(payer, vec![transfer(payer, "supplier", 1).into()]));
        let mut waits = payments.clone().map(|payment| {
            let pending = PendingTransaction::new(payment.id(), payment.envelope());
            let admitted = desk.admit(vec![payment], Origin::Client, |_| chronicle.now(), &view);
            admitted[0].as_ref().expect("it is admissible");
            finality.wait(pending).0.expect("there is room")
        });
        let ledger = NodeLedger::new(LedgerParts { desk: desk.clone(), ..parts });
        chronicle.know(key("buyer-anew"));
        let keys = KeySet::new(vec![public(&key("buyer-anew"))], 1).expect("one key");
        let outcome = chronicle.perform("buyer", vec![RotateKeys { account: id("buyer"), keys }.into()]);
        assert_eq!(outcome.status, Status::Applied);
        for executed in &chronicle.blocks[before..] {
            // Executed before, as by a validator that voted for it.
            chain.publish(Arc::new(executed.clone()));
            let signed = executed.transactions.iter().map(|each| each.signed().clone()).collect();
            let block = Arc::new(Block::new(executed.header.clone(), signed).expect("a block"));
            let acknowledgement = Acknowledgement::new(|| {});
            ledger.finalized(FinalizedBlock { block, certificate: None, acknowledgement }).await;
        }
        let refusal = Refusal::SenderSignatureMissing { account: id("buyer") };
        let heard = (&mut waits[0]).now_or_never().flatten();
        assert!(matches!(heard, Some(Notice::Refused(why)) if why == refusal));
        assert!(!desk.is_waiting(&payments[0].id()));
        assert!((&mut waits[1]).now_or_never().is_none(), "another sender's goes on waiting");
        assert!(desk.is_waiting(&payments[1].id()));
    });
}

#[test]
fn a_task_that_ends_too_early_halts_the_node() {
    simulate(|context| async move {
        let (hand, mut halted) = halt();
        let lost = context.child("task").spawn(|_| futures::future::pending());
        lost.abort();
        watch(context.child("watch"), "sender of transactions", lost, hand.clone()).await;
        let cause = halted.cause().now_or_never().expect("it halted");
        assert!(matches!(cause, NodeError::TaskEnded("sender of transactions")), "{cause}");
    });
}

#[test]
fn a_task_that_ends_with_consensus_or_with_the_node_halts_nothing() {
    simulate(|context| async move {
        let (hand, mut halted) = halt();
        let done = context.child("task").spawn(|_| async { Ok(()) });
        watch(context.child("watch"), "one", done, hand.clone()).await;
        let lost = context.child("task").spawn(|_| futures::future::pending());
        let stopping = context.child("stop");
        stopping.stop(0, None).await.expect("nothing holds it up");
        lost.abort();
        watch(context.child("watch"), "another", lost, hand).await;
        assert!(halted.cause().now_or_never().is_none());
    });
}
