//! Transactions between nodes: out to those who lead, and in from those who do not.
//!
//! What a client gave this node goes to the current and the next leader at once, and again in later views, until it is
//! final or expired. So a lone payment waits neither for this node's turn nor for an idle leader's timer.

use super::chain::Chain;
use super::transactions::TransactionDesk;
use crate::admission::Origin;
use crate::consensus::{ForwardedBatches, Forwarder, Leaders, Runtime};
use crate::ledger::SignedTransaction;
use crate::primitives::{BlockTime, Decode as _, PublicKey, TransactionId};
use crate::storage::{Store, StoreView};
use commonware_macros::select;
use commonware_parallel::Strategy;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};
use tracing::debug;

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
            if forwarder.forward(&[leader], &bytes) > 0 {
                known.extend(ids);
            }
        }
        context.sleep(GATHER).await;
    }
}

/// Takes in what peers forward, until consensus stops.
pub async fn receive<E: Runtime, S: Store, T: Strategy>(
    context: E,
    mut batches: ForwardedBatches,
    chain: Arc<Chain<S>>,
    desk: Arc<TransactionDesk<T>>,
) {
    while let Some(batch) = batches.next().await {
        let since = context.current().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = BlockTime(u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
        let (chain, desk) = (chain.clone(), desk.clone());
        // Signatures are work: it is done where the engine's tasks are not held up.
        let admitted = context.child("admission").shared(true).spawn(move |_| async move {
            for bytes in &batch.transactions {
                let refused = admit(&chain, &desk, bytes, now).err();
                if let Some(why) = refused {
                    debug!(from = %batch.from, why, "a forwarded transaction was refused");
                }
            }
        });
        if admitted.await.is_err() {
            return;
        }
    }
}

fn admit<S: Store, T: Strategy>(
    chain: &Chain<S>,
    desk: &TransactionDesk<T>,
    bytes: &[u8],
    now: BlockTime,
) -> Result<(), String> {
    let signed = SignedTransaction::from_bytes(bytes).map_err(|error| error.to_string())?;
    if desk.is_waiting(&signed.id()) {
        return Ok(());
    }
    let transaction = desk.authenticate(signed).map_err(|refusal| refusal.to_string())?;
    let view = StoreView::new(chain.store().clone());
    let admitted = desk.admit(transaction, Origin::Peer, now, &view);
    view.check().map_err(|error| error.to_string())?;
    admitted.map(drop).map_err(|refusal| refusal.to_string())
}
