//! A client as the product's own behaves: it sends the same bytes to one node after the other until it has an answer.

use super::Context;
use super::cast::Cast;
use super::cluster::Handles;
use causeway::admission::Refusal;
use causeway::ledger::receipt::Receipt;
use causeway::ledger::{SignedTransaction, Status};
use causeway::node::service::{Ending, Finished, LedgerHandle, PendingTransaction, Submission};
use causeway::primitives::TransactionId;
use causeway::wire::decode_body;
use commonware_macros::select;
use commonware_runtime::Clock as _;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

/// How long it waits for one node before it turns to the next.
const PATIENCE: Duration = Duration::from_secs(10);

/// A client of all nodes.
pub struct Client {
    context: Context,
    pub cast: Cast,
    handles: Handles,
}

/// A transaction that is final, and what it took.
#[derive(Debug)]
pub struct Settled {
    pub height: u64,
    pub receipt: Receipt,
    /// From the first submission to the answer.
    pub took: Duration,
}

impl Client {
    pub fn new(context: Context, cast: Cast, handles: Handles) -> Self {
        Self { context, cast, handles }
    }

    /// Now, in ms of the Unix epoch.
    pub fn now_ms(&self) -> u64 {
        self.context.current().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
    }

    fn node(&self, node: usize) -> Option<Arc<dyn LedgerHandle>> {
        let handles = self.handles.lock().unwrap();
        handles[node % handles.len()].clone()
    }

    /// The next node from this turn on that runs and serves clients.
    pub fn running_one(&self, turn: usize) -> Option<(usize, Arc<dyn LedgerHandle>)> {
        let handles = self.handles.lock().unwrap();
        let nodes = (turn..turn + handles.len()).map(|turn| turn % handles.len());
        nodes.into_iter().find_map(|node| Some((node, handles[node].clone()?)))
    }

    /// Submits to one node.
    pub async fn submit(&self, node: usize, transaction: &SignedTransaction) -> Result<Submission, Refusal> {
        let handle = self.node(node).unwrap_or_else(|| panic!("node {node} is down"));
        handle.submit(transaction.clone()).await
    }

    /// Submits to `first`, or to the next that answers, and waits until the transaction is applied.
    pub async fn settle(&self, first: usize, transaction: &SignedTransaction) -> Settled {
        let settled = self.settle_as_it_may(first, transaction).await;
        assert_eq!(settled.receipt.outcome.status, Status::Applied);
        settled
    }

    /// The same for a transaction that may be declined. The receipt that it answers was verified offline.
    pub async fn settle_as_it_may(&self, first: usize, transaction: &SignedTransaction) -> Settled {
        let started = self.context.current();
        for turn in 0.. {
            let node = first + turn;
            let answered = select! {
                answered = self.try_to_settle(node, transaction) => answered,
                _ = self.context.sleep(PATIENCE) => None,
            };
            if let Some((height, receipt)) = answered {
                let took = self.context.current().duration_since(started).unwrap();
                return Settled { height, receipt, took };
            }
        }
        unreachable!("the simulation's time runs out before the turns do")
    }

    async fn try_to_settle(&self, node: usize, transaction: &SignedTransaction) -> Option<(u64, Receipt)> {
        let Some(handle) = self.node(node) else {
            self.context.sleep(Duration::from_millis(100)).await;
            return None;
        };
        let settled: Finished = match handle.submit(transaction.clone()).await {
            Ok(Submission::Final(settled)) => settled.finished(),
            Ok(Submission::Pending(pending)) => match handle.wait_final(pending).await.ok()? {
                Ending::Final(settled) => settled,
                ending => panic!("transaction {}: {ending:?}", pending.transaction_id),
            },
            Ok(otherwise @ Submission::SignedOtherwise { .. }) => panic!("node {node} tells it apart: {otherwise:?}"),
            Err(Refusal::NotServing { .. }) => return None,
            Err(refusal) => panic!("node {node} refused: {refusal}"),
        };
        let receipt = self.receipt(&*handle, transaction.id()).await;
        assert_eq!(receipt.outcome.status, settled.status);
        assert_eq!(receipt.header.height, settled.height);
        Some((settled.height, receipt))
    }

    /// A final transaction's receipt from one node, verified offline.
    pub async fn receipt(&self, handle: &dyn LedgerHandle, id: TransactionId) -> Receipt {
        let receipt = handle.receipt(id, None).await.unwrap().expect("what is final has a receipt");
        receipt.verify(&self.cast.trust_root()).unwrap();
        receipt
    }

    /// What became of a transaction, as one node answers.
    pub async fn wait_final(&self, node: usize, transaction: &SignedTransaction) -> Ending {
        let handle = self.node(node).unwrap_or_else(|| panic!("node {node} is down"));
        let (envelope, _) = decode_body(transaction.body()).unwrap();
        handle.wait_final(PendingTransaction::new(transaction.id(), &envelope)).await.unwrap()
    }

    /// Brings `amount` of the token to the buyer.
    pub async fn fund(&self, amount: u64) {
        for (node, transaction) in self.cast.issuance(self.now_ms(), amount).iter().enumerate() {
            self.settle(node, transaction).await;
        }
    }

    /// Pays the supplier.
    pub async fn pay(&self, first: usize, request: u128, amount: u64) -> Settled {
        let payment = self.cast.payment(request, self.now_ms(), amount);
        self.settle(first, &payment).await
    }
}
