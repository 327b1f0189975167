//! A plan carried out: what clients do, what goes wrong meanwhile, and what is made of it.

use super::super::cast::GENESIS_TIME_MS;
use super::super::client::Client;
use super::super::cluster::{Cluster, Disk, Handles, LOSSY, Shape, address, new_disks};
use super::super::machine::Torn;
use super::super::{Context, config};
use super::Planted;
use super::plan::{Leftovers, Plan, Step};
use super::witness::{self, Conclusion, End, Witness};
use super::workload;
use crate::mouth::Manners;
use causeway::admission::Refusal;
use causeway::client::operations;
use causeway::ledger::{Column, SignedTransaction};
use causeway::node::NodeError;
use causeway::node::service::{Ending, Fate, LedgerHandle, Submission};
use causeway::primitives::TransactionId;
use causeway::wire::decode_body;
use commonware_macros::select;
use commonware_p2p::simulated::Link;
use commonware_runtime::deterministic::{self, FaultConfig, PartialWriteMode, ResizeConfig, WriteConfig};
use commonware_runtime::{Clock as _, Spawner as _, Supervisor as _};
use commonware_utils::{Probability, probability};
use futures::FutureExt as _;
use std::any::Any;
use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// No run takes longer, in simulated time.
const RUN_MAX: Duration = Duration::from_secs(3_600);
/// How often the witness looks at every node.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often it adds up a node's state.
const AUDIT_EVERY: u64 = 10;
/// Within this time of all nodes running and seeing each other, every transaction has an end.
const RESOLVED_WITHIN: Duration = Duration::from_secs(120);
/// Within this time it is noticed that a node is gone.
const NOTICED_WITHIN: Duration = Duration::from_millis(20);
/// How long a client waits for one node before it turns to the next.
const PATIENCE: Duration = Duration::from_secs(4);

/// How long a sync takes at most on a disk that is sound, in ms.
const SYNC_MS_MAX: u64 = 10;

/// The request ids of governance from here on are not the opening's.
const AFTER_OPENING: usize = 1_000;

/// How liars speak who do not garble.
const LIES: Manners = Manners { twice: 5, garbled: 0, again: 10 };
/// How much those garble who do, of a hundred messages.
const GARBLED: u32 = 10;

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The digest of everything that happened, in order: the same for the same plan, byte for byte.
    pub audit: String,
    /// What all nodes came to.
    pub conclusion: Conclusion,
    pub transactions: usize,
    /// How long it took in simulated time.
    pub simulated: Duration,
    pub happened: Happened,
}

/// What happened of that which only may: a run in which it does not proves nothing about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Happened {
    /// How many operations of each kind were sent.
    pub sent: BTreeMap<String, u64>,
    /// How many of them were applied.
    pub applied: BTreeMap<String, u64>,
    /// Files that were found with an end which was never synced.
    pub torn: Torn,
    /// Proposed blocks that a node which does not lie found invalid.
    pub invalid_blocks: u64,
}

impl AddAssign for Happened {
    fn add_assign(&mut self, other: Self) {
        let Self { sent, applied, torn, invalid_blocks } = other;
        for (total, more) in [(&mut self.sent, sent), (&mut self.applied, applied)] {
            more.into_iter().for_each(|(kind, count)| *total.entry(kind).or_default() += count);
        }
        self.torn += torn;
        self.invalid_blocks += invalid_blocks;
    }
}

/// What outlives a failure of the power: the disks, and what clients sent and heard.
#[derive(Clone)]
struct Lasting {
    disks: Vec<Disk>,
    shape: Shape,
    sent: Arc<Mutex<Vec<SignedTransaction>>>,
    witness: Arc<Mutex<Witness>>,
    /// The nodes whose keys governance was asked to replace, with the transactions that ask.
    replaced: Vec<(TransactionId, usize)>,
    invalid_blocks: u64,
    audit: String,
}

/// Carries a plan out.
///
/// # Errors
/// What does not hold.
pub fn run(plan: &Plan, planted: Option<Planted>) -> Result<Summary, String> {
    let carried_out = catch_unwind(AssertUnwindSafe(|| carry_out(plan, planted)));
    carried_out.map_err(|panic| message(&*panic))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

fn carry_out(plan: &Plan, planted: Option<Planted>) -> Summary {
    let lives: Vec<&[Step]> = plan.lives().collect();
    // Two of four, who let each of the others believe that it is the only one beside them.
    let is_split = planted == Some(Planted::TooManyLiars);
    let twins = if is_split { vec![0, 1] } else { plan.twins.clone() };
    let blind_to = match planted {
        Some(Planted::ReusedRequests) => Some(Column::Requests),
        Some(Planted::SkippedCheck) => Some(Column::Fingerprints),
        _ => None,
    };
    let shape = Shape {
        validators: plan.validators,
        newcomers: plan.newcomers,
        epoch_length: plan.epoch_length,
        twins,
        twins_blind_to: plan.twins_are_blind.then_some(Column::Requests),
        manners: Manners { twice: plan.twice, ..Manners::default() },
        twins_manners: Manners { garbled: if plan.twins_garble { GARBLED } else { 0 }, ..LIES },
        is_split,
        blind_to,
        forgetful: planted == Some(Planted::UnsyncedAcknowledgement),
        ..Shape::default()
    };
    let mut lasting = Lasting {
        disks: new_disks(plan.validators, plan.newcomers),
        shape,
        sent: Arc::default(),
        witness: Arc::default(),
        replaced: Vec::new(),
        invalid_blocks: 0,
        audit: String::new(),
    };
    // The engine panics where its own writes fail. What is a panic here is told by `Life::reporting`.
    let mut runner = deterministic::Runner::new(config(plan.seed, RUN_MAX).with_catch_panics(true));
    let mut simulated = Duration::ZERO;
    let (mut conclusion, mut torn) = (None, Torn::default());
    for (number, steps) in lives.iter().enumerate() {
        let (steps, is_first, is_last) = (steps.to_vec(), number == 0, number + 1 == lives.len());
        let sound = sound(plan.leftovers(number));
        let (lived, checkpoint) = runner.start_and_recover(move |context| async move {
            let ended = context.child("ended");
            let mut life = Life::begin(context, lasting, sound, is_first).await;
            for step in &steps {
                life.step(step).await;
            }
            let conclusion = if is_last { Some(life.conclude().await) } else { None };
            let elapsed = ended.current().duration_since(config_start()).unwrap_or_default();
            let torn = life.cluster.torn();
            (life.end(ended.auditor().state()), conclusion, elapsed, torn)
        });
        (lasting, conclusion, simulated, torn) = lived;
        runner = deterministic::Runner::from(checkpoint);
    }
    let transactions = lock(&lasting.sent).len();
    let conclusion = conclusion.expect("a plan has a last life");
    let (applied, invalid_blocks) = (conclusion.applied.clone(), lasting.invalid_blocks);
    let happened = Happened { sent: kinds(&lock(&lasting.sent)), applied, torn, invalid_blocks };
    Summary { audit: lasting.audit, conclusion, transactions, simulated, happened }
}

/// How many operations of each kind these have.
fn kinds(sent: &[SignedTransaction]) -> BTreeMap<String, u64> {
    let mut kinds = BTreeMap::new();
    for transaction in sent {
        let (_, operations) = decode_body(transaction.body()).unwrap();
        operations.iter().for_each(|operation| *kinds.entry(witness::kind(operation)).or_default() += 1);
    }
    kinds
}

/// Disks on which nothing fails, and what those have of their unsynced writes on which the power did.
fn sound(leftovers: Leftovers) -> FaultConfig {
    let (retention_rate, mode) = match leftovers {
        Leftovers::All => (probability!(1.0), PartialWriteMode::Prefix),
        Leftovers::Beginnings => (probability!(0.99), PartialWriteMode::Prefix),
        Leftovers::Scattered => (probability!(0.5), PartialWriteMode::Subset),
    };
    FaultConfig::default().write(WriteConfig { failure_rate: probability!(0.0), retention_rate, mode })
}

fn config_start() -> std::time::SystemTime {
    std::time::UNIX_EPOCH + Duration::from_millis(GENESIS_TIME_MS)
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap()
}

/// What happens from one failure of the power to the next.
struct Life {
    context: Context,
    cluster: Cluster,
    client: Arc<Client>,
    lasting: Lasting,
    running: Vec<bool>,
    full: Vec<bool>,
    /// How disks are that do not fail.
    sound: FaultConfig,
    /// Whether disks fail.
    ailing: bool,
    /// Whether a node's disk was full, or failed, since it was started.
    had_bad_disk: Vec<bool>,
    /// By how many ms in a second a node's clock runs too fast.
    drifts: Arc<Mutex<Vec<i64>>>,
    /// What a witness or a client came upon.
    violation: Arc<Mutex<Option<String>>>,
    turn: usize,
}

impl Life {
    async fn begin(context: Context, lasting: Lasting, sound: FaultConfig, is_first: bool) -> Self {
        *context.storage_fault_config().write() = sound.clone();
        let (disks, shape) = (lasting.disks.clone(), lasting.shape.clone());
        let cluster = Cluster::at_rest(context.child("cluster"), shape, disks).await;
        let client = Arc::new(cluster.client());
        let count = cluster.everyone().len();
        let (running, full, had_bad_disk) = (vec![false; count], vec![false; count], vec![false; count]);
        let (violation, drifts) = (Arc::default(), Arc::new(Mutex::new(vec![0; count])));
        let (ailing, turn) = (false, 0);
        let mut life = Self {
            context,
            cluster,
            client,
            lasting,
            running,
            full,
            sound,
            ailing,
            had_bad_disk,
            drifts,
            violation,
            turn,
        };
        for node in life.cluster.everyone() {
            if life.lasting.shape.forgetful && !is_first {
                life.cluster.forget(node).await;
            }
            life.fill(node, false);
            life.cluster.drag(node, SYNC_MS_MAX);
            life.start(node).await;
        }
        life.watch();
        life.drift();
        match is_first {
            true => life.open().await,
            // Clients that heard nothing before the power failed try on.
            false => {
                let sent = lock(&life.lasting.sent).clone();
                let witness = lock(&life.lasting.witness).clone();
                sent.into_iter().filter(|each| !witness.knows(&each.id())).for_each(|each| life.pursue(each));
            }
        }
        life
    }

    /// Money, programmes, and newcomers who are let in, one after the other.
    async fn open(&mut self) {
        let mut opening = workload::opening(&self.cluster.cast, self.client.now_ms());
        for node in self.lasting.shape.validators..self.cluster.everyone().len() {
            let listing = operations::add_observer(self.cluster.public_key(node), "newcomer");
            opening.push(self.decision(node, listing, None));
        }
        for transaction in opening {
            let settled = self.client.settle(0, &transaction).await;
            let end = End::Final(settled.height, settled.receipt.outcome);
            lock(&self.lasting.witness).hears(None, transaction.id(), end);
            lock(&self.lasting.sent).push(transaction);
        }
    }

    /// Moves clocks that run too fast or too slowly, second by second.
    fn drift(&self) {
        let clocks: Vec<_> = self.cluster.everyone().into_iter().map(|node| self.cluster.clock_of(node)).collect();
        let drifts = self.drifts.clone();
        self.reporting("drift", move |context| async move {
            loop {
                context.sleep(Duration::from_secs(1)).await;
                lock(&drifts).iter().zip(&clocks).for_each(|(ms, clock)| clock.shift(*ms));
            }
        });
    }

    /// Has the witness look at every node, for as long as this life lasts.
    fn watch(&self) {
        let (handles, witness) = (self.cluster.handles(), self.lasting.witness.clone());
        self.reporting("witness", move |context| async move {
            for round in 1u64.. {
                context.sleep(LOOK_EVERY).await;
                let running = handles.lock().unwrap().clone();
                for (place, node) in running.iter().enumerate() {
                    let Some(node) = node else { continue };
                    let mut seen = lock(&witness).clone();
                    select! {
                        _ = seen.look_at(place, &**node) => lock(&witness).learn(seen),
                        _ = gone(&context, &handles, place) => continue,
                    }
                    if round % AUDIT_EVERY == 0 {
                        lock(&witness).audit(place, &**node);
                    }
                }
            }
        });
    }

    /// Runs a task. If it panics, the run ends with that.
    fn reporting<W, F>(&self, name: &'static str, work: W)
    where
        W: FnOnce(Context) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let violation = self.violation.clone();
        self.context.child(name).spawn(move |context| async move {
            if let Err(panic) = AssertUnwindSafe(work(context)).catch_unwind().await {
                lock(&violation).get_or_insert_with(|| message(&*panic));
            }
        });
    }

    /// A client sends a transaction to one node after the other until one tells it the end.
    fn pursue(&mut self, transaction: SignedTransaction) {
        self.turn += 1;
        let (first, client, witness) = (self.turn, self.client.clone(), self.lasting.witness.clone());
        let handles = self.cluster.handles();
        self.reporting("client", move |context| async move {
            for turn in first.. {
                if let Some((node, handle)) = client.running_one(turn) {
                    let heard = select! {
                        heard = end_at(node, handle, &transaction) => heard,
                        _ = context.sleep(PATIENCE) => None,
                        _ = gone(&context, &handles, node) => None,
                    };
                    if let Some(end) = heard {
                        return lock(&witness).hears(Some(node), transaction.id(), end);
                    }
                }
                context.sleep(Duration::from_millis(100)).await;
            }
        });
    }

    /// Gives it to those who lie, too: what an honest node refuses because it was there before, one that does not find what is in
    /// its state takes into a block.
    fn whisper(&self, transaction: &SignedTransaction) {
        let liars: Vec<Arc<dyn LedgerHandle>> = lock(&self.cluster.accomplices()).iter().flatten().cloned().collect();
        for liar in liars {
            let transaction = transaction.clone();
            self.context.child("whisper").spawn(move |context| async move {
                select! {
                    _ = liar.submit(transaction) => {},
                    _ = context.sleep(PATIENCE) => {},
                }
            });
        }
    }

    async fn step(&mut self, step: &Step) {
        match step {
            Step::Deed(number) => self.send(workload::deed(&self.cluster.cast, self.client.now_ms(), *number)),
            Step::Again(number) => self.send(workload::again(&self.cluster.cast, self.client.now_ms(), *number)),
            Step::Wait(ms) => self.cluster.pass(Duration::from_millis(*ms)).await,
            Step::Crash(node) => self.crash(*node).await,
            Step::Start(node) => self.start(*node).await,
            Step::Part(left, right) => self.cluster.links.part(left, right).await,
            Step::Mute(from, to) => self.cluster.links.mute(from, to).await,
            Step::Slow(from, to, ms, lost) => self.cluster.links.change(*from, *to, slow(*ms, *lost)).await,
            Step::Heal => self.heal().await,
            Step::Clock(node, ms) => self.cluster.set_clock_of(*node, Duration::from_millis(*ms)),
            Step::Jump(node, ms) => self.cluster.clock_of(*node).set(*ms),
            Step::Drift(node, ms) => lock(&self.drifts)[*node] = *ms,
            Step::Drag(node, ms) => self.cluster.drag(*node, SYNC_MS_MAX + ms),
            Step::Fill(node) => self.fill(*node, true),
            Step::Free(node) => self.fill(*node, false),
            Step::Ail(rate) => self.ail(*rate),
            Step::Mend => self.mend().await,
            Step::Join(node) => self.join(*node),
            Step::Leave(node) => {
                self.change(operations::remove_validator(self.cluster.public_key(*node)), None);
            }
            Step::Rotate(from, to) => self.rotate(*from, *to),
            Step::Power => {}
        }
        self.bury().await;
    }

    fn send(&mut self, transactions: Vec<SignedTransaction>) {
        for transaction in transactions {
            let mut sent = lock(&self.lasting.sent);
            if !sent.iter().any(|each| each.id() == transaction.id()) {
                sent.push(transaction.clone());
            }
            drop(sent);
            self.whisper(&transaction);
            self.pursue(transaction);
        }
        let earlier = {
            let sent = lock(&self.lasting.sent);
            sent.get(sent.len() / 2).cloned()
        };
        earlier.iter().for_each(|earlier| self.whisper(earlier));
    }

    fn decision(&self, request: usize, operation: operations::Operation, node: Option<usize>) -> SignedTransaction {
        let key = node.map(|node| self.cluster.key_pair(node));
        self.cluster.cast.decision(request as u128, self.client.now_ms(), operation, key.as_ref())
    }

    /// Has governance change the validators, with a newcomer's signature if it is about one.
    fn change(&mut self, operation: operations::Operation, newcomer: Option<usize>) -> TransactionId {
        // Other than any before.
        let request = AFTER_OPENING + lock(&self.lasting.sent).len();
        let decision = self.decision(request, operation, newcomer);
        let id = decision.id();
        self.send(vec![decision]);
        id
    }

    fn join(&mut self, node: usize) {
        let name = format!("validator-{node}");
        self.change(operations::add_validator(self.cluster.public_key(node), &name, &address(node)), Some(node));
    }

    fn rotate(&mut self, from: usize, to: usize) {
        let (old, new) = (self.cluster.public_key(from), self.cluster.public_key(to));
        let id = self.change(operations::rotate_validator_key(old, new, &address(to)), Some(to));
        self.lasting.replaced.push((id, from));
    }

    async fn crash(&mut self, node: usize) {
        if std::mem::take(&mut self.running[node]) {
            self.cluster.crash(node).await;
        }
    }

    async fn start(&mut self, node: usize) {
        if !self.running[node] && !self.full[node] && !self.ailing {
            self.cluster.start_tolerantly(node).await;
            (self.running[node], self.had_bad_disk[node]) = (true, false);
        }
    }

    fn fill(&mut self, node: usize, is_full: bool) {
        self.full[node] = is_full;
        self.had_bad_disk[node] |= is_full;
        self.cluster.set_full(node, is_full);
    }

    /// Has disks fail. Nodes notice, each at its own time.
    fn ail(&mut self, of_ten_thousand: u32) {
        let rate = Probability::new(u64::from(of_ten_thousand), 10_000).unwrap();
        let write =
            WriteConfig { failure_rate: rate, retention_rate: probability!(0.5), mode: PartialWriteMode::Subset };
        let resize = ResizeConfig { failure_rate: rate, partial_rate: probability!(0.5) };
        let faults = FaultConfig::default().open(rate).read(rate).write(write).sync(rate).resize(resize);
        *self.context.storage_fault_config().write() = faults;
        self.ailing = true;
        self.had_bad_disk.fill(true);
    }

    /// Disks are sound again. What of a node's engine broke on one is told by nothing but silence here, where in the product
    /// its process ends: all are started anew.
    async fn mend(&mut self) {
        *self.context.storage_fault_config().write() = self.sound.clone();
        if std::mem::take(&mut self.ailing) {
            self.bury().await;
            for node in self.cluster.everyone() {
                if self.running[node] {
                    self.crash(node).await;
                    self.start(node).await;
                }
            }
        }
    }

    async fn heal(&mut self) {
        self.cluster.links.heal().await;
    }

    /// Nodes whose disk is full or fails stop by themselves, or because the engine does. For nothing else may one stop.
    async fn bury(&mut self) {
        if let Some(violation) = lock(&self.violation).take() {
            panic!("{violation}");
        }
        for (node, cause) in self.cluster.stopped() {
            let of_disk = matches!(cause, NodeError::Storage(_) | NodeError::Consensus(_));
            assert!(of_disk && self.had_bad_disk[node], "node {node} stopped: {cause}");
            self.crash(node).await;
        }
    }

    /// All nodes run and see each other: what was sent ends, and is looked at.
    async fn conclude(&mut self) -> Conclusion {
        self.mend().await;
        self.heal().await;
        lock(&self.drifts).fill(0);
        for node in self.cluster.everyone() {
            self.fill(node, false);
            self.cluster.drag(node, SYNC_MS_MAX);
            self.cluster.clock_of(node).set(0);
        }
        self.bury().await;
        for node in self.cluster.everyone() {
            self.start(node).await;
        }
        let calm = self.context.current();
        let sent = lock(&self.lasting.sent).clone();
        loop {
            self.bury().await;
            let unknown: Vec<TransactionId> = {
                let witness = lock(&self.lasting.witness);
                sent.iter().map(SignedTransaction::id).filter(|id| !witness.knows(id)).collect()
            };
            let waited = self.context.current().duration_since(calm).unwrap_or_default();
            match unknown.first() {
                None => break,
                Some(id) if waited > RESOLVED_WITHIN => {
                    panic!("{} transactions have no end {waited:?} after calm returned, {id} among them", unknown.len())
                }
                Some(_) => self.cluster.pass(Duration::from_millis(200)).await,
            }
        }
        let witness = lock(&self.lasting.witness).clone();
        // Whose key was replaced is off the list, and hears no more.
        let replaced = self.lasting.replaced.iter().filter(|(id, _)| witness.saw_applied(id));
        let replaced: Vec<usize> = replaced.map(|(_, node)| *node).collect();
        witness.conclude(&self.cluster, &sent, &replaced).await
    }

    fn end(self, audit: String) -> Lasting {
        let disks = self.cluster.disks();
        let invalid_blocks = self.lasting.invalid_blocks + self.cluster.invalid_blocks();
        Lasting { disks, invalid_blocks, audit: self.lasting.audit + &audit, ..self.lasting }
    }
}

fn slow(ms: u64, lost_of_hundred: u64) -> Link {
    let latency = LOSSY.latency + Duration::from_millis(ms);
    let success_rate = Probability::new(100 - lost_of_hundred, 100).unwrap();
    Link { latency, jitter: Duration::from_millis(ms / 4), success_rate }
}

/// Waits until a node is gone. Whoever waits for its answer lets go of it then, as if its connection broke.
async fn gone(context: &Context, handles: &Handles, node: usize) {
    while lock(handles)[node].is_some() {
        context.sleep(NOTICED_WITHIN).await;
    }
}

/// How a transaction ended, if a node tells. Only what breaks no rule here is sent, so a refusal that is for good and not
/// for the state's sake is a violation.
async fn end_at(node: usize, handle: Arc<dyn LedgerHandle>, transaction: &SignedTransaction) -> Option<End> {
    let id = transaction.id();
    Some(match handle.submit(transaction.clone()).await {
        Ok(Submission::Final(done)) => End::Final(done.height(), done.outcome().clone()),
        Ok(Submission::Pending(pending)) => match handle.wait_final(pending).await.ok()? {
            Ending::Final(done) => End::Final(done.height(), done.outcome().clone()),
            Ending::Expired | Ending::RequestTaken { .. } => End::Never,
            Ending::Refused(refusal) => panic!("node {node} dropped {id}: {refusal}"),
        },
        Err(Refusal::RequestIdReused { transaction_id }) => {
            never_if_final(&*handle, transaction_id).await?;
            End::Never
        }
        Err(Refusal::Expired { .. }) => End::Never,
        Err(Refusal::NotServing { .. } | Refusal::PoolFull | Refusal::SenderQueueFull { .. }) => return None,
        Err(refusal) => panic!("node {node} refused {id}: {refusal}"),
    })
}

/// Whether the transaction under another's request id is final: until then either may be.
async fn never_if_final(handle: &dyn LedgerHandle, other: TransactionId) -> Option<()> {
    let known = handle.transaction(other).await.ok()??;
    matches!(known.fate, Fate::Final(_)).then_some(())
}
