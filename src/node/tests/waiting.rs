//! Who waits hears; and who watches a task sees it end.

use super::simulate;
use crate::execution::chronicle::{Chronicle, HOUR_MS, id, transfer};
use crate::node::error::NodeError;
use crate::node::finality::{Finality, Notice};
use crate::node::halt::halt;
use crate::node::service::PendingTransaction;
use crate::node::start::watch;
use commonware_runtime::{Spawner as _, Supervisor as _};
use futures::FutureExt as _;

#[test]
fn a_waiter_hears_of_its_own_end_and_no_other() {
    let mut chronicle = Chronicle::funded();
    let draft = chronicle.draft(id("buyer"), vec![transfer("buyer", "supplier", 1).into()]);
    let mut rival = draft.clone();
    rival.operations = vec![transfer("buyer", "supplier", 2).into()];
    let mut namesake = chronicle.draft(id("financier"), vec![transfer("financier", "supplier", 3).into()]);
    namesake.envelope.request_id = draft.envelope.request_id;
    let signed = [draft, rival, namesake].map(|draft| chronicle.sign(&draft));
    let finality = Finality::new(chronicle.tip().header.height);
    let mut heard = signed.clone().map(|transaction| {
        finality.wait(PendingTransaction::new(transaction.id(), transaction.envelope())).expect("there is room")
    });
    chronicle.append(1_000, &signed[..1]);
    let block = chronicle.blocks.last().expect("a block");
    finality.announce(block);
    let by = signed[0].id();
    assert_eq!(heard[0].try_recv(), Ok(Notice::Final { height: block.header.height, index: 0 }));
    assert_eq!(heard[1].try_recv(), Ok(Notice::RequestTaken { by }), "another body under its request id is final");
    assert!(heard[2].try_recv().is_err(), "another sender's request id is another one");
    chronicle.append(2 * HOUR_MS, &[]);
    finality.announce(chronicle.blocks.last().expect("a block"));
    assert_eq!(heard[2].try_recv(), Ok(Notice::Expired));
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
