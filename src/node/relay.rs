//! Transactions between nodes: out to those who lead, and in from those who do not.
//!
//! What a client gave this node goes to the next leader at once, and to the current one if that has not proposed yet; and
//! again to those of later views, until a block offers it. So a lone payment waits neither for this node's turn nor for an
//! idle leader's timer, and on a busy network a transaction crosses it about once besides its block.

use super::chain::Chain;
use super::intake::Intake;
use super::transactions::TransactionDesk;
use crate::consensus::{CurrentLeaders, ForwardedBatches, Forwarder, Leaders, Runtime, Slot};
use crate::primitives::PublicKey;
use crate::storage::Store;
use bytes::Bytes;
use commonware_macros::select;
use commonware_parallel::Strategy;
use commonware_runtime::Error as RuntimeError;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Most transactions sent to a leader at a time.
const FORWARDED_MAX: usize = 4_096;
/// Arrivals within this time of the last that went out go out together. The first after a pause goes at once. It keeps a node
/// within its quota of messages, past which nothing goes out at all, and the batches large enough to be worth their way.
const GATHER: Duration = Duration::from_millis(10);
/// After this many views a leader is sent again what is still not final: a batch that found no room is gone.
const RESEND_VIEWS: u64 = 64;

/// The newest view whose proposal this node has seen.
#[derive(Clone, Debug, Default)]
pub struct Proposals(Arc<Mutex<(u64, u64)>>);

impl Proposals {
    /// The leader of this slot has proposed.
    pub fn saw(&self, slot: &Slot) {
        let mut newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *newest = (*newest).max((slot.epoch, slot.view));
    }

    fn is_in(&self, turn: &CurrentLeaders) -> bool {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) >= (turn.epoch, turn.view)
    }
}

/// What a leader was sent.
#[derive(Default)]
struct Sent {
    /// All arrivals before this one, but for those that did not go out.
    before: u64,
    /// What did not go out.
    missed: BTreeSet<u64>,
}

impl Sent {
    /// What it is to be sent now.
    fn due<T: Strategy>(&self, desk: &TransactionDesk<T>, committed: u64) -> Vec<(u64, Bytes)> {
        let from = self.missed.first().map_or(self.before, |missed| self.before.min(*missed));
        let is_due = |arrival: u64| arrival >= self.before || self.missed.contains(&arrival);
        desk.client_transactions(from, committed, FORWARDED_MAX, is_due)
    }

    /// It was sent what was due, and of that only what stands at these places went out.
    fn note(&mut self, due: &[(u64, Bytes)], out: &[usize]) {
        let out: BTreeSet<usize> = out.iter().copied().collect();
        for (place, (arrival, _)) in due.iter().enumerate() {
            self.before = self.before.max(arrival + 1);
            match out.contains(&place) {
                true => self.missed.remove(arrival),
                false => self.missed.insert(*arrival),
            };
        }
    }
}

/// Where transactions are sent from.
pub struct Outbox<S, T: Strategy> {
    /// This node.
    pub me: PublicKey,
    /// Whose turn it is.
    pub leaders: Leaders,
    /// The way to them.
    pub forwarder: Forwarder,
    /// Where transactions wait.
    pub desk: Arc<TransactionDesk<T>>,
    /// The chain.
    pub chain: Arc<Chain<S>>,
    /// Who has proposed.
    pub proposals: Proposals,
}

/// Sends clients' transactions to leaders, until consensus stops.
pub async fn send<E: Runtime, S: Store, T: Strategy>(context: E, outbox: Outbox<S, T>) {
    let Outbox { me, mut leaders, forwarder, desk, chain, proposals } = outbox;
    let mut arrivals = desk.clients_arrivals();
    let mut sent: BTreeMap<PublicKey, Sent> = BTreeMap::new();
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
        let current = (!proposals.is_in(&turn)).then_some(turn.current);
        let targets: BTreeSet<PublicKey> =
            current.into_iter().chain([turn.next]).filter(|leader| *leader != me).collect();
        for leader in targets {
            let sent = sent.entry(leader).or_default();
            let due = sent.due(&desk, chain.head().header.height);
            if due.is_empty() {
                continue;
            }
            let bytes: Vec<Bytes> = due.iter().map(|(_, bytes)| bytes.clone()).collect();
            // What did not go out is offered again with the next arrival or view.
            let out = forwarder.forward(leader, &bytes);
            sent.note(&due, &out);
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
        let (intake, clock) = (intake.clone(), intake.now(&context));
        let work = context.child("admission").shared(true).spawn(move |_| async move {
            intake.take_forwarded(&batch, clock);
        });
        work.await?;
    }
    Ok(())
}
