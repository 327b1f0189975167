//! What is sent to leaders, and what is sent again.

use super::{chain, desk, simulate};
use crate::admission::Origin;
use crate::consensus::forwarding::BATCH_BYTES_MAX;
use crate::consensus::{CurrentLeaders, Forwarder, Leaders, Slot};
use crate::execution::Transaction;
use crate::execution::chronicle::{Chronicle, key, public, transfer};
use crate::node::relay::{self, Outbox, Proposals};
use crate::primitives::PublicKey;
use crate::storage::StoreView;
use bytes::Bytes;
use commonware_runtime::{Clock as _, Spawner as _, Supervisor as _};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Of a view whose block this node has seen, only the next leader is sent anything; and nobody what a block offers.
#[test]
fn a_leader_that_has_proposed_is_sent_nothing_and_nobody_what_is_on_its_way() {
    simulate(|context| async move {
        let mut chronicle = Chronicle::funded();
        let (chain, desk) = (chain(&context, &chronicle).await, desk(&chronicle));
        let view = StoreView::new(chain.store().clone());
        let payments =
            [1, 2].map(|units| chronicle.transaction("buyer", vec![transfer("buyer", "supplier", units).into()]));
        let admit = |payment: &Arc<Transaction>| {
            let admitted = desk.admit(vec![payment.clone()], Origin::Client, |_| chronicle.now(), &view);
            admitted[0].as_ref().expect("it is good");
        };
        let sent: Arc<Mutex<Vec<PublicKey>>> = Arc::default();
        let wire = sent.clone();
        let forwarder = Forwarder::by(move |leader, _| {
            wire.lock().expect("not poisoned").push(PublicKey(leader.as_ref().try_into().expect("32 bytes")));
            true
        });
        let names = ["node-0", "node-1", "node-2", "node-3"].map(|name| public(&key(name)));
        let turn = |view, current, next| Some(CurrentLeaders { epoch: 0, view, current, next });
        let (hand, leaders) = Leaders::by_hand(None);
        let proposals = Proposals::default();
        let (desk_of_sender, chain_of_sender) = (desk.clone(), chain.clone());
        let outbox = Outbox {
            me: names[0],
            leaders,
            forwarder,
            desk: desk_of_sender,
            chain: chain_of_sender,
            proposals: proposals.clone(),
        };
        context.child("sender").spawn(move |context| relay::send(context, outbox));
        let heard = |sent: &Mutex<Vec<PublicKey>>| std::mem::take(&mut *sent.lock().expect("not poisoned"));
        admit(&payments[0]);
        hand.send_replace(turn(1, names[1], names[2]));
        context.sleep(Duration::from_secs(1)).await;
        assert_eq!(BTreeSet::from_iter(heard(&sent)), BTreeSet::from([names[1], names[2]]), "both, before the block");

        let parent = chain.head().hash;
        proposals.saw(&Slot { epoch: 0, view: 2, leader: names[2], parent });
        admit(&payments[1]);
        hand.send_replace(turn(2, names[2], names[3]));
        context.sleep(Duration::from_secs(1)).await;
        assert_eq!(heard(&sent), [names[3]], "the current one has proposed");

        // A block above the committed one offers both, and the next leader need not hear of them.
        chronicle.append(1_000, &payments);
        desk.note_offered(chronicle.blocks.last().expect("a block"));
        hand.send_replace(turn(3, names[3], names[1]));
        context.sleep(Duration::from_secs(1)).await;
        assert!(heard(&sent).is_empty());
    });
}

/// A leader takes the first batch and has no room for the second: the second is sent again, the first is not.
#[test]
fn what_did_not_go_out_is_sent_again_and_nothing_else() {
    simulate(|context| async move {
        let mut chronicle = Chronicle::funded().with_bodies(|envelope, operations| {
            [format!("{envelope:?}{operations:?}").into_bytes(), vec![0; 60_000]].concat()
        });
        let (chain, desk) = (chain(&context, &chronicle).await, desk(&chronicle));
        let view = StoreView::new(chain.store().clone());
        for units in 1..=10 {
            let payment = chronicle.transaction("buyer", vec![transfer("buyer", "supplier", units).into()]);
            let admitted = desk.admit(vec![payment], Origin::Client, |_| chronicle.now(), &view);
            admitted[0].as_ref().expect("it is good");
        }
        let sent: Arc<Mutex<Vec<Bytes>>> = Arc::default();
        let wire = sent.clone();
        let forwarder = Forwarder::by(move |_, batch| {
            let mut wire = wire.lock().expect("not poisoned");
            wire.push(batch);
            wire.len() != 2
        });
        let (me, leader) = (public(&key("node-0")), public(&key("node-1")));
        let turn = |view| Some(CurrentLeaders { epoch: 0, view, current: leader, next: me });
        let (hand, leaders) = Leaders::by_hand(None);
        let proposals = Proposals::default();
        let outbox = Outbox { me, leaders, forwarder, desk, chain, proposals };
        context.child("sender").spawn(move |context| relay::send(context, outbox));
        for view in 1..=3 {
            hand.send_replace(turn(view));
            context.sleep(Duration::from_secs(1)).await;
        }
        let sent = sent.lock().expect("not poisoned");
        let sizes: Vec<usize> = sent.iter().map(Bytes::len).collect();
        assert_eq!(sent.len(), 3, "two batches, and the second again: {sizes:?}");
        assert_eq!(sent[1], sent[2]);
        assert!(sizes[0] + sizes[1] > BATCH_BYTES_MAX);
    });
}
