//! What is sent to leaders, and what is sent again.

use super::{chain, desk, simulate};
use crate::admission::Origin;
use crate::consensus::forwarding::BATCH_BYTES_MAX;
use crate::consensus::{CurrentLeaders, Forwarder, Leaders};
use crate::execution::chronicle::{Chronicle, key, public, transfer};
use crate::node::relay;
use crate::storage::StoreView;
use bytes::Bytes;
use commonware_runtime::{Clock as _, Spawner as _, Supervisor as _};
use std::sync::{Arc, Mutex};
use std::time::Duration;

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
            desk.admit(payment, Origin::Client, chronicle.now(), &view).expect("it is good");
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
        context.child("sender").spawn(move |context| relay::send(context, me, leaders, forwarder, desk));
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
