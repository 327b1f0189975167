//! What happens from one failure of the power to the next.

use super::super::Context;
use super::super::cluster::{Cluster, LOSSY, address};
use super::clients::{Clients, gone, lock};
use super::plan::Step;
use super::run::Lasting;
use super::witness::{Calm, Conclusion, sight};
use super::workload::{self, Story};
use causeway::client::operations;
use causeway::ledger::SignedTransaction;
use causeway::node::NodeError;
use causeway::primitives::TransactionId;
use commonware_macros::select;
use commonware_p2p::simulated::Link;
use commonware_runtime::deterministic::{FaultConfig, PartialWriteMode, ResizeConfig, WriteConfig};
use commonware_runtime::{Clock as _, Supervisor as _};
use commonware_utils::{Probability, probability};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How often the witness looks at every node.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How many looks apart it adds up a node's state.
const AUDIT_EVERY: u64 = 10;
/// Within this time of all nodes running and seeing each other, every transaction has an end.
const RESOLVED_WITHIN: Duration = Duration::from_secs(120);
/// How long a sync takes at most on a disk that is sound, in ms.
const SYNC_MS_MAX: u64 = 40;
/// The request ids of governance from here on are not the opening's.
const AFTER_OPENING: usize = 100_000;
/// What passes where months do: what was due soon after the opening is in default.
const MONTHS: Duration = Duration::from_secs(100 * 24 * 60 * 60);

/// A life.
pub struct Life {
    context: Context,
    pub cluster: Cluster,
    clients: Clients,
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
}

impl Life {
    pub async fn begin(context: Context, lasting: Lasting, sound: FaultConfig, is_first: bool) -> Self {
        *context.storage_fault_config().write() = sound.clone();
        let (disks, shape) = (lasting.disks.clone(), lasting.shape.clone());
        let cluster = Cluster::at_rest(context.child("cluster"), shape, disks).await;
        let client = Arc::new(cluster.client());
        let clients = Clients::new(client, cluster.handles(), cluster.accomplices(), lasting.witness.clone());
        let count = cluster.everyone().len();
        let (running, full, had_bad_disk) = (vec![false; count], vec![false; count], vec![false; count]);
        let drifts = Arc::new(Mutex::new(vec![0; count]));
        let ailing = false;
        let mut life = Self { context, cluster, clients, lasting, running, full, sound, ailing, had_bad_disk, drifts };
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
            // Clients that heard nothing before the power failed try on, and go on with what they had before them.
            false => {
                let stories = life.lasting.stories.clone();
                stories.into_iter().for_each(|story| life.clients.tell(&life.context, story));
            }
        }
        life
    }

    /// What clients take for now, in ms of the Unix epoch.
    fn now_ms(&self) -> u64 {
        self.clients.client.now_ms() + self.lasting.shape.clock_ahead.as_millis() as u64
    }

    /// Money, programmes, loans, and newcomers who are let in, stage by stage.
    async fn open(&mut self) {
        let mut opening = workload::opening(&self.cluster.cast, self.now_ms());
        for node in self.lasting.shape.validators..self.cluster.everyone().len() {
            let listing = operations::add_observer(self.cluster.public_key(node), "newcomer");
            let decision = self.decision(node, listing, None);
            opening.stages[0].push(decision);
        }
        let opening = Arc::new(opening);
        self.clients.tell(&self.context, opening.clone());
        while self.clients.are_busy() {
            self.bury().await;
            self.cluster.pass(Duration::from_millis(50)).await;
        }
        self.bury().await;
        for transaction in opening.stages.iter().flatten() {
            let is_applied = lock(&self.lasting.witness).saw_applied(&transaction.id());
            assert!(is_applied, "transaction {} of the opening was not applied", transaction.id());
        }
    }

    /// Moves clocks that run too fast or too slowly, second by second.
    fn drift(&self) {
        let clocks: Vec<_> = self.cluster.everyone().into_iter().map(|node| self.cluster.clock_of(node)).collect();
        let drifts = self.drifts.clone();
        self.clients.report(&self.context, "drift", move |context| async move {
            loop {
                context.sleep(Duration::from_secs(1)).await;
                lock(&drifts).iter().zip(&clocks).for_each(|(ms, clock)| clock.shift(*ms));
            }
        });
    }

    /// Has the witness look at every node, for as long as this life lasts.
    fn watch(&self) {
        let (handles, witness) = (self.cluster.handles(), self.lasting.witness.clone());
        self.clients.report(&self.context, "witness", move |context| async move {
            for round in 1u64.. {
                context.sleep(LOOK_EVERY).await;
                let running = handles.lock().unwrap().clone();
                for (place, node) in running.iter().enumerate() {
                    let Some(node) = node else { continue };
                    let question = lock(&witness).question(place, round);
                    let sight = select! {
                        sight = sight::ask(node.clone(), question) => sight,
                        _ = gone(&context, &handles, place) => continue,
                    };
                    let mut witness = lock(&witness);
                    witness.judge(place, &sight);
                    if let Some(snapshot) = sight.state.filter(|_| round % AUDIT_EVERY == 0) {
                        witness.audit(place, &snapshot);
                    }
                }
            }
        });
    }

    pub async fn step(&mut self, step: &Step) {
        match step {
            Step::Deed(number) => self.send(workload::deed(&self.cluster.cast, self.now_ms(), *number)),
            Step::Again(number) => self.send(workload::again(&self.cluster.cast, self.now_ms(), *number)),
            Step::Months(number) => self.pass_months(*number),
            Step::Wait(ms) => self.cluster.pass(Duration::from_millis(*ms)).await,
            Step::Crash(node) => self.crash(*node).await,
            Step::Start(node) => self.start(*node).await,
            Step::Part(left, right) => self.cluster.links.part(left, right).await,
            Step::Mute(from, to) => self.cluster.links.mute(from, to).await,
            Step::Slow(from, to, ms, lost) => self.cluster.links.change(*from, *to, slow(*ms, *lost)).await,
            Step::Heal => self.heal().await,
            Step::Clock(node, ms) => self.cluster.set_clock_of(*node, Duration::from_millis(*ms)),
            Step::Jump(node, ms) => self.set_clock(*node, *ms),
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

    fn send(&mut self, story: Story) {
        let story = Arc::new(story);
        self.lasting.stories.push(story.clone());
        self.clients.tell(&self.context, story);
    }

    /// Months pass in a moment, for everyone alike; then what fell due is seen to.
    fn pass_months(&mut self, number: u64) {
        self.lasting.shape.clock_ahead += MONTHS;
        self.cluster.move_clocks(MONTHS);
        self.send(workload::late(&self.cluster.cast, self.now_ms(), number));
    }

    /// Sets a node's clock ahead of everyone's by so many ms, or back.
    fn set_clock(&self, node: usize, ms: i64) {
        self.cluster.clock_of(node).set(self.lasting.shape.clock_ahead.as_millis() as i64 + ms);
    }

    fn decision(&self, request: usize, operation: operations::Operation, node: Option<usize>) -> SignedTransaction {
        let key = node.map(|node| self.cluster.key_pair(node));
        self.cluster.cast.decision(request as u128, self.now_ms(), operation, key.as_ref())
    }

    /// Has governance change the validators, with a newcomer's signature if it is about one.
    fn change(&mut self, operation: operations::Operation, newcomer: Option<usize>) -> TransactionId {
        // Other than any before.
        let request = AFTER_OPENING + self.lasting.stories.len();
        let decision = self.decision(request, operation, newcomer);
        let id = decision.id();
        self.send(Story { stages: vec![vec![decision]], ..Story::default() });
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
        if let Some(violation) = lock(&self.clients.violation).take() {
            panic!("{violation}");
        }
        for (node, cause) in self.cluster.stopped() {
            let of_disk = matches!(cause, NodeError::Storage(_) | NodeError::Consensus(_));
            assert!(of_disk && self.had_bad_disk[node], "node {node} stopped: {cause}");
            self.crash(node).await;
        }
    }

    /// All nodes run and see each other: what was sent ends, and is looked at.
    pub async fn conclude(&mut self) -> Conclusion {
        self.mend().await;
        self.heal().await;
        lock(&self.drifts).fill(0);
        for node in self.cluster.everyone() {
            self.fill(node, false);
            self.cluster.drag(node, SYNC_MS_MAX);
            self.set_clock(node, 0);
        }
        self.bury().await;
        for node in self.cluster.everyone() {
            self.start(node).await;
        }
        let calm = self.context.current();
        loop {
            self.bury().await;
            let unresolved = lock(&self.lasting.witness).unresolved();
            let waited = self.context.current().duration_since(calm).unwrap_or_default();
            if unresolved.is_empty() && !self.clients.are_busy() {
                break;
            }
            assert!(
                waited <= RESOLVED_WITHIN,
                "{} transactions have no end {waited:?} after calm returned: {:?}",
                unresolved.len(),
                unresolved.first()
            );
            self.cluster.pass(Duration::from_millis(200)).await;
        }
        // Whose key was replaced is off the list, and hears no more.
        let replaced = self.lasting.replaced.iter();
        let replaced = replaced.filter(|(id, _)| lock(&self.lasting.witness).saw_applied(id)).map(|(_, node)| *node);
        let replaced: Vec<usize> = replaced.collect();
        let mut honest = self.cluster.honest();
        honest.retain(|node| !replaced.contains(node));
        let compared = honest.iter().map(|node| lock(&self.lasting.witness).compared(*node)).collect();
        let calm = Calm::of(&self.cluster, &honest, compared).await;
        lock(&self.lasting.witness).conclude(calm)
    }

    pub fn end(self, audit: String) -> Lasting {
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
