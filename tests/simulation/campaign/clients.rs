//! Clients: each tells its story to one node after the other until it has an end, and tries on after a failure of the power.

use super::super::Context;
use super::super::client::Client;
use super::super::cluster::Handles;
use super::witness::{End, Witness};
use super::workload::Story;
use causeway::admission::Refusal;
use causeway::ledger::SignedTransaction;
use causeway::node::service::{Ending, Fate, LedgerHandle, PendingTransaction, Submission};
use causeway::primitives::TransactionId;
use causeway::wire::decode_body;
use commonware_macros::select;
use commonware_runtime::{Clock as _, Spawner as _, Supervisor as _};
use futures::FutureExt as _;
use futures::future::join_all;
use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a client waits for one node before it turns to the next.
const PATIENCE: Duration = Duration::from_secs(4);
/// Within this time it is noticed that a node is gone.
const NOTICED_WITHIN: Duration = Duration::from_millis(20);

/// What panicked with it in hand has said so: the run ends with that.
pub fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

pub fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

/// Everyone who sends, and where what they come upon is kept.
#[derive(Clone)]
pub struct Clients {
    pub client: Arc<Client>,
    /// The nodes that run.
    pub handles: Handles,
    /// The second copies of liars, with which some clients are in league.
    pub accomplices: Handles,
    pub witness: Arc<Mutex<Witness>>,
    /// What a witness or a client came upon.
    pub violation: Arc<Mutex<Option<String>>>,
    /// Whose turn it is to be asked first.
    turn: Arc<AtomicUsize>,
    /// How many stories have not come to their end.
    underway: Arc<AtomicUsize>,
}

impl Clients {
    pub fn new(client: Arc<Client>, handles: Handles, accomplices: Handles, witness: Arc<Mutex<Witness>>) -> Self {
        let (violation, turn, underway) = (Arc::default(), Arc::default(), Arc::default());
        Self { client, handles, accomplices, witness, violation, turn, underway }
    }

    /// Whether a story has not come to its end.
    pub fn are_busy(&self) -> bool {
        self.underway.load(Ordering::Relaxed) > 0
    }

    /// Runs a task. If it panics, the run ends with that.
    pub fn report<W, F>(&self, context: &Context, name: &'static str, work: W)
    where
        W: FnOnce(Context) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let violation = self.violation.clone();
        context.child(name).spawn(move |context| async move {
            if let Err(panic) = AssertUnwindSafe(work(context)).catch_unwind().await {
                lock(&violation).get_or_insert_with(|| message(&*panic));
            }
        });
    }

    /// Sends a story's transactions, a stage when the one before it has ended. What has an end already is not sent again.
    pub fn tell(&self, context: &Context, story: Arc<Story>) {
        lock(&self.witness).expects(&story.races);
        self.underway.fetch_add(1, Ordering::Relaxed);
        let clients = self.clone();
        self.report(context, "story", move |context| async move {
            for (number, stage) in story.stages.iter().enumerate() {
                let mut needed = story.stages[..number.min(story.needs)].iter().flatten();
                if !needed.all(|each| lock(&clients.witness).saw_applied(&each.id())) {
                    break;
                }
                join_all(stage.iter().map(|transaction| clients.pursue(&context, transaction))).await;
            }
            clients.underway.fetch_sub(1, Ordering::Relaxed);
        });
    }

    /// A client sends a transaction to one node after the other until one tells it the end.
    async fn pursue(&self, context: &Context, transaction: &SignedTransaction) {
        if lock(&self.witness).knows(&transaction.id()) {
            return;
        }
        lock(&self.witness).sends(transaction);
        self.whisper(context, transaction);
        for turn in self.turn.fetch_add(1, Ordering::Relaxed).. {
            if let Some((node, handle)) = self.client.running_one(turn) {
                let heard = select! {
                    heard = end_at(node, handle, transaction) => heard,
                    _ = context.sleep(PATIENCE) => None,
                    _ = gone(context, &self.handles, node) => None,
                };
                if let Some(end) = heard {
                    return lock(&self.witness).hears(Some(node), transaction.id(), end);
                }
            }
            context.sleep(Duration::from_millis(100)).await;
        }
    }

    /// Gives it to those who lie, too: what an honest node refuses because it was there before, one that does not find what is in
    /// its state takes into a block. And once more what was sent long ago.
    fn whisper(&self, context: &Context, transaction: &SignedTransaction) {
        let liars: Vec<Arc<dyn LedgerHandle>> = lock(&self.accomplices).iter().flatten().cloned().collect();
        let earlier = {
            let witness = lock(&self.witness);
            witness.sent().get(witness.sent().len() / 2).cloned()
        };
        for liar in liars {
            for transaction in std::iter::once(transaction.clone()).chain(earlier.clone()) {
                let liar = liar.clone();
                context.child("whisper").spawn(move |context| async move {
                    select! {
                        _ = liar.submit(transaction) => {},
                        _ = context.sleep(PATIENCE) => {},
                    }
                });
            }
        }
    }
}

/// Waits until a node is gone. Whoever waits for its answer lets go of it then, as if its connection broke.
pub async fn gone(context: &Context, handles: &Handles, node: usize) {
    while lock(handles)[node].is_some() {
        context.sleep(NOTICED_WITHIN).await;
    }
}

/// How a transaction ended, if a node tells. Only what breaks no rule here is sent, so a refusal that is for good and not
/// for the state's sake is a violation.
async fn end_at(node: usize, handle: Arc<dyn LedgerHandle>, transaction: &SignedTransaction) -> Option<End> {
    let id = transaction.id();
    let pending = match handle.submit(transaction.clone()).await {
        Ok(Submission::Final(done)) => return Some(End::Final(done.height(), done.outcome().clone())),
        Ok(Submission::Pending(pending)) => pending,
        Ok(otherwise @ Submission::SignedOtherwise { .. }) => panic!("node {node} tells {id} apart: {otherwise:?}"),
        Err(Refusal::RequestIdReused { transaction_id }) => {
            never_if_final(&*handle, transaction_id).await?;
            return Some(End::Never);
        }
        // By this node's clock. Whether it happened before, blocks tell: one past its expiry has to be final.
        Err(Refusal::Expired { .. }) => PendingTransaction::new(id, &decode_body(transaction.body()).unwrap().0),
        // The last two: another node is ahead of this one, and has the account.
        Err(
            Refusal::NotServing { .. }
            | Refusal::PoolFull
            | Refusal::SenderQueueFull { .. }
            | Refusal::InstitutionQueueFull { .. }
            | Refusal::SenderUnknown { .. }
            | Refusal::CoSignerUnknown { .. },
        ) => return None,
        Err(refusal) => panic!("node {node} refused {id}: {refusal}"),
    };
    Some(match handle.wait_final(pending).await.ok()? {
        Ending::Final(_) => match handle.transaction(id).await.ok()??.fate {
            Fate::Final(done) => End::Final(done.height(), done.outcome().clone()),
            Fate::Pending => panic!("node {node} says that {id} is final, and then that it waits"),
        },
        Ending::Untold => return None,
        Ending::Expired | Ending::RequestTaken { .. } => End::Never,
        Ending::Refused(refusal) => panic!("node {node} dropped {id}: {refusal}"),
    })
}

/// Whether the transaction under another's request id is final: until then either may be.
async fn never_if_final(handle: &dyn LedgerHandle, other: TransactionId) -> Option<()> {
    let known = handle.transaction(other).await.ok()??;
    matches!(known.fate, Fate::Final(_)).then_some(())
}
