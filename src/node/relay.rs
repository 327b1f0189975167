//! Transactions between nodes: out to those who lead, and in from those who do not.
//!
//! What a client gave this node goes to the current and the next leader at once, and again in later views, until it is
//! final or expired. So a lone payment waits neither for this node's turn nor for an idle leader's timer.

use super::clock::now;
use super::intake::Intake;
use super::transactions::TransactionDesk;
use crate::consensus::{ForwardedBatches, Forwarder, Leaders, Runtime};
use crate::primitives::{PublicKey, TransactionId};
use crate::storage::Store;
use commonware_macros::select;
use commonware_parallel::Strategy;
use commonware_runtime::Error as RuntimeError;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Most transactions sent to a leader at a time.
const FORWARDED_MAX: usize = 4_096;
/// Arrivals within this time go out together.
const GATHER: Duration = Duration::from_millis(2);
/// After this many views a leader is sent again what is still not final: a batch that found no room is gone.
const RESEND_VIEWS: u64 = 64;

/// Sends clients' transactions to leaders, until consensus stops.
pub async fn send<E: Runtime, T: Strategy>(
    context: E,
    me: PublicKey,
    mut leaders: Leaders,
    forwarder: Forwarder,
    desk: Arc<TransactionDesk<T>>,
) {
    let mut arrivals = desk.clients_arrivals();
    let mut sent: BTreeMap<PublicKey, BTreeSet<TransactionId>> = BTreeMap::new();
    let mut resent_at = 0;
    loop {
        select! {
            changed = leaders.changed() => if changed.is_none() { return },
            changed = arrivals.changed() => if changed.is_err() { return },
        }
        let Some(turn) = leaders.now() else { continue };
        if turn.view.abs_diff(resent_at) >= RESEND_VIEWS {
            resent_at = turn.view;
            sent.clear();
        }
        for leader in BTreeSet::from([turn.current, turn.next]) {
            if leader == me {
                continue;
            }
            let known = sent.entry(leader).or_default();
            let news = desk.client_transactions(FORWARDED_MAX, |id| !known.contains(id));
            if news.is_empty() {
                continue;
            }
            let (ids, bytes): (Vec<_>, Vec<_>) = news.into_iter().unzip();
            // What did not go out is offered again with the next arrival or view.
            known.extend(forwarder.forward(leader, &bytes).into_iter().map(|place| ids[place]));
        }
        context.sleep(GATHER).await;
    }
}

/// Takes in what peers forward, until consensus stops.
///
/// # Errors
/// A batch's work did not end, which happens when the runtime stops and should not otherwise.
pub async fn receive<E: Runtime, S: Store, T: Strategy>(
    context: E,
    mut batches: ForwardedBatches,
    intake: Arc<Intake<S, T>>,
) -> Result<(), RuntimeError> {
    while let Some(batch) = batches.next().await {
        let (intake, clock) = (intake.clone(), now(&context));
        let work = context.child("admission").shared(true).spawn(move |_| async move {
            intake.take_forwarded(&batch, clock);
        });
        work.await?;
    }
    Ok(())
}
