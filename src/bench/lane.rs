//! A lane: one node's share of the load, sent and answered side by side, and what each of its payments took.

use super::pacer::Pacer;
use crate::client::submission::{Fate, SubmissionResult, SubmissionResults, SubmissionSender};
use crate::client::{Client, ClientError};
use crate::ledger::{Reason, SignedTransaction, Status};
use crate::primitives::TransactionId;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// How long the last answers are waited for once nothing more is sent.
const PATIENCE: Duration = Duration::from_secs(60);
/// What falls due within this time of a message goes with the next one, as from a client that knows what a message costs the node, and
/// itself: sent one by one, six thousand a second are more than a node takes of one client. The latency includes the wait.
const GATHER: Duration = Duration::from_millis(1);

/// A transaction of the run, signed before the clock started.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Its bytes and signatures.
    pub signed: SignedTransaction,
    /// Its id.
    pub id: TransactionId,
    /// How many transfers it makes if it is applied.
    pub transfers: u32,
}

/// What became of one payment, and when.
#[derive(Clone, Debug)]
pub struct Answered {
    /// Which of those that were signed.
    pub index: usize,
    /// When it was meant to be sent.
    pub intended: Instant,
    /// When the answer was here.
    pub at: Instant,
    /// The answer.
    pub fate: Fate,
}

/// What came of a lane.
#[derive(Debug, Default)]
pub struct LaneResult {
    /// The answers.
    pub answered: Vec<Answered>,
    /// Payments that were sent, and of which nobody said what became of them.
    pub unanswered: Vec<usize>,
    /// Why the lane ended before its time, if it did.
    pub broken: Option<String>,
}

/// How a lane reaches its node.
#[derive(Debug)]
pub enum Transport {
    /// One stream of submissions.
    Stream {
        /// The sending half; dropped once nothing more is sent.
        sender: SubmissionSender,
        /// The receiving half.
        results: Box<SubmissionResults>,
        /// Most transactions in a message.
        batch: usize,
    },
    /// A call for each transaction.
    Unary {
        /// The node.
        client: Arc<Client>,
        /// The calls under way.
        calls: JoinSet<(TransactionId, Result<Fate, ClientError>)>,
    },
}

/// What a step of the transport led to.
enum Step {
    /// There is room to send.
    Ready,
    /// Answers.
    Results(Vec<SubmissionResult>),
    /// A call ended without an answer.
    Unanswered(TransactionId),
    /// Time passed.
    Woken,
}

/// One node's share of the load.
#[derive(Debug)]
pub struct Lane {
    pacer: Pacer,
    transport: Transport,
    prepared: Arc<Vec<Prepared>>,
    /// Transfers acknowledged, by all lanes, for whoever watches.
    acknowledged: Arc<AtomicU64>,
    waiting: HashMap<TransactionId, (usize, Instant)>,
    /// When the next message may go.
    gathers_until: Instant,
    done: LaneResult,
}

impl Lane {
    /// A lane at rest.
    pub fn new(pacer: Pacer, transport: Transport, prepared: Arc<Vec<Prepared>>, acknowledged: Arc<AtomicU64>) -> Self {
        let (waiting, gathers_until, done) = (HashMap::new(), Instant::now(), LaneResult::default());
        Self { pacer, transport, prepared, acknowledged, waiting, gathers_until, done }
    }

    /// Sends and receives until nothing more is to be sent and everything was answered, or patience ends.
    pub async fn run(mut self) -> LaneResult {
        if let Err(error) = self.drive().await {
            self.done.broken = Some(error.to_string());
        }
        self.done.unanswered.extend(self.waiting.into_values().map(|(index, _)| index));
        self.done
    }

    async fn drive(&mut self) -> Result<(), ClientError> {
        let mut give_up = None;
        loop {
            let now = Instant::now();
            let over = self.pacer.is_over(now);
            if over && self.waiting.is_empty() {
                return Ok(());
            }
            if over && *give_up.get_or_insert(now + PATIENCE) <= now {
                let waited = format!("no answer within {} s of the last sending", PATIENCE.as_secs());
                return Err(ClientError::Malformed(waited));
            }
            let due = self.pacer.next_due().map(|at| at.max(self.gathers_until));
            let may_send = !over && due.is_some_and(|at| at <= now);
            // Where nothing is due and no answer comes, the clock alone may end the lane.
            let wake = due.filter(|at| *at > now).or(give_up).unwrap_or(now + Duration::from_millis(100));
            match self.step(may_send, wake).await? {
                Step::Ready | Step::Woken => {}
                Step::Results(results) => self.receive(results),
                Step::Unanswered(transaction) => {
                    let unanswered = self.waiting.remove(&transaction);
                    self.done.unanswered.extend(unanswered.map(|(index, _)| index));
                    self.pacer.answered(Instant::now(), true);
                }
            }
        }
    }

    /// Sends if it may and can, or waits for whatever comes first.
    async fn step(&mut self, may_send: bool, wake: Instant) -> Result<Step, ClientError> {
        match &mut self.transport {
            Transport::Stream { sender, results, batch } => tokio::select! {
                biased;
                known = results.next() => match known? {
                    Some(results) => Ok(Step::Results(results)),
                    None => Err(ClientError::Malformed("the node ended the stream of submissions".to_owned())),
                },
                permit = sender.ready(), if may_send => {
                    let now = Instant::now();
                    let due = self.pacer.take(now, *batch);
                    if due.len() < *batch {
                        self.gathers_until = now + GATHER;
                    }
                    let prepared = due.iter().map(|due| &self.prepared[due.index]);
                    permit?.send(prepared.clone().map(|prepared| &prepared.signed));
                    self.waiting.extend(due.iter().zip(prepared).map(|(due, of)| (of.id, (due.index, due.at))));
                    Ok(Step::Ready)
                },
                () = sleep_until(wake) => Ok(Step::Woken),
            },
            Transport::Unary { client, calls } => {
                if may_send {
                    for due in self.pacer.take(Instant::now(), usize::MAX) {
                        let (client, prepared, index) = (client.clone(), self.prepared.clone(), due.index);
                        self.waiting.insert(prepared[index].id, (index, due.at));
                        calls.spawn(async move { (prepared[index].id, call(&client, &prepared[index]).await) });
                    }
                    return Ok(Step::Ready);
                }
                tokio::select! {
                    Some(joined) = calls.join_next() => match joined {
                        Ok((transaction, Ok(fate))) => Ok(Step::Results(vec![SubmissionResult { transaction, fate }])),
                        // That call failed; the others go on.
                        Ok((transaction, Err(_))) => Ok(Step::Unanswered(transaction)),
                        Err(error) => Err(ClientError::Malformed(error.to_string())),
                    },
                    () = sleep_until(wake) => Ok(Step::Woken),
                }
            }
        }
    }

    fn receive(&mut self, results: Vec<SubmissionResult>) {
        let now = Instant::now();
        for SubmissionResult { transaction, fate } in results {
            let Some((index, intended)) = self.waiting.remove(&transaction) else { continue };
            self.pacer.answered(now, matches!(fate, Fate::Refused { .. }));
            if matches!(fate, Fate::Applied { .. }) {
                self.acknowledged.fetch_add(self.prepared[index].transfers.into(), Ordering::Relaxed);
            }
            self.done.answered.push(Answered { index, intended, at: now, fate });
        }
    }
}

/// One call for one transaction. That a node refuses is an answer.
async fn call(client: &Client, prepared: &Prepared) -> Result<Fate, ClientError> {
    Ok(match client.submit_and_wait(&prepared.signed).await {
        Ok(settled) => {
            let height = settled.receipt.header.height;
            match &settled.outcome().status {
                Status::Applied => Fate::Applied { height },
                Status::Declined(decline) => {
                    let reason = Reason::entry(decline.code).map_or("UNKNOWN", |entry| entry.name).to_owned();
                    Fate::Declined { height, reason }
                }
            }
        }
        Err(ClientError::Refused(refusal)) => {
            Fate::Refused { reason: refusal.reason.clone(), message: refusal.message.clone() }
        }
        Err(error) => return Err(error),
    })
}
