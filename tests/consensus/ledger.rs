//! A ledger whose blocks mean nothing: it checks what the port promises and remembers what became final.

use bytes::Bytes;
use causeway::consensus::{Ancestors, Committee, FinalizedBlock, Ledger, PeerAddress, Peers, PeersChanged, Slot};
use causeway::ledger::SignedTransaction;
use causeway::ledger::block::{Block, Header, outcomes_root, reserves_root, transactions_root};
use causeway::ledger::certificate::Certificate;
use causeway::ledger::transaction::TransactionSignature;
use causeway::ledger::validators::ValidatorSet;
use causeway::primitives::{BlockTime, ChainId, Hash, PublicKey, Signature};
use commonware_runtime::{Clock as _, Supervisor as _, deterministic};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

pub const CHAIN: ChainId = ChainId([0xca; 32]);

/// The block at height 0.
pub fn genesis() -> Arc<Block> {
    block(0, 0, Hash::ZERO, BlockTime(1), PublicKey([0; 32]), Vec::new())
}

/// Transactions that fill a block with about so many bytes. They mean nothing.
pub fn filling(bytes: usize) -> Vec<SignedTransaction> {
    const EACH: usize = 50_000;
    let signature = TransactionSignature { public_key: PublicKey([1; 32]), signature: Signature([2; 64]) };
    let transaction = |number| SignedTransaction::new(Bytes::from(vec![number as u8; EACH]), vec![signature]).unwrap();
    (0..bytes / EACH).map(transaction).collect()
}

fn block(
    epoch: u64,
    height: u64,
    parent: Hash,
    time: BlockTime,
    proposer: PublicKey,
    transactions: Vec<SignedTransaction>,
) -> Arc<Block> {
    let header = Header {
        chain_id: CHAIN,
        epoch,
        height,
        parent,
        time,
        proposer,
        transaction_count: transactions.len() as u32,
        transactions_root: transactions_root(&transactions),
        outcome_count: 0,
        outcomes_root: outcomes_root(&[]),
        parent_state_digest: Hash::ZERO,
        history_root: Hash::ZERO,
        validators_hash: Hash::ZERO,
        next_validators_hash: Hash::ZERO,
        reserves_root: reserves_root(&[]),
    };
    Arc::new(Block::new(header, transactions).unwrap())
}

/// Who validates in which epoch; the last entry holds for all later ones.
pub type Committees = Arc<Vec<Vec<PublicKey>>>;

/// What a node's ledger has applied. It outlives the node, as a disk does.
#[derive(Clone, Default)]
pub struct Applied(Arc<Mutex<Vec<Final>>>);

/// A final block, and its own certificate if it came with one.
type Final = (Arc<Block>, Option<Certificate>);

impl Applied {
    /// How many blocks are applied, the genesis block included.
    pub fn count(&self) -> u64 {
        self.0.lock().unwrap().len() as u64
    }

    /// The hashes of all applied blocks.
    pub fn chain(&self) -> Vec<Hash> {
        self.0.lock().unwrap().iter().map(|(block, _)| block.hash()).collect()
    }

    /// The applied block at `height`.
    pub fn block(&self, height: u64) -> Arc<Block> {
        self.0.lock().unwrap()[height as usize].0.clone()
    }

    /// All certificates that came with blocks, by height.
    pub fn certificates(&self) -> BTreeMap<u64, Certificate> {
        let applied = self.0.lock().unwrap();
        applied.iter().filter_map(|(block, certificate)| Some((block.header().height, certificate.clone()?))).collect()
    }
}

/// What happened when, at which node.
#[derive(Clone, Debug)]
pub enum Event {
    /// It proposed a block in a view.
    Proposed { view: u64, block: Hash },
    /// It was told that a block is final.
    Final { height: u64, block: Hash },
    /// It is in a view: what was proposed in those before is certified, or given up.
    Entered { view: u64 },
}

/// What happened at all nodes, in order.
#[derive(Clone, Default)]
pub struct Diary(Arc<Mutex<Vec<(SystemTime, usize, Event)>>>);

impl Diary {
    pub fn note(&self, at: SystemTime, node: usize, event: Event) {
        self.0.lock().unwrap().push((at, node, event));
    }

    /// What happened since the last time that this was asked.
    pub fn take(&self) -> Vec<(SystemTime, usize, Event)> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

/// A ledger that waits `idle` and proposes a block.
pub struct PlainBlocks {
    pub node: usize,
    pub context: deterministic::Context,
    pub idle: Duration,
    pub epoch_length: u64,
    pub committees: Committees,
    pub everyone: Vec<PublicKey>,
    pub applied: Applied,
    /// Whether it proposes blocks that its peers must refuse.
    pub lies: bool,
    /// What every block holds.
    pub filling: Vec<SignedTransaction>,
    pub diary: Diary,
}

impl PlainBlocks {
    fn noting(&self) -> impl Fn(Event) + Send + 'static {
        let (clock, node, diary) = (self.context.child("clock"), self.node, self.diary.clone());
        move |event| diary.note(clock.current(), node, event)
    }
}

impl Ledger for PlainBlocks {
    fn propose(&self, slot: Slot, mut ancestors: Ancestors) -> BoxFuture<'static, Option<Arc<Block>>> {
        let (idle, lies, filling, note) =
            (self.context.sleep(self.idle), self.lies, self.filling.clone(), self.noting());
        async move {
            let parent = ancestors.next().await?;
            assert_eq!(parent.hash(), slot.parent);
            idle.await;
            let (height, now) = (parent.header().height + 1, parent.header().time.0);
            let time = BlockTime(if lies { now } else { now + 1 });
            let block = block(slot.epoch, height, slot.parent, time, slot.leader, filling);
            note(Event::Proposed { view: slot.view, block: block.hash() });
            Some(block)
        }
        .boxed()
    }

    fn verify(&self, slot: Slot, block: Arc<Block>, mut ancestors: Ancestors) -> BoxFuture<'static, bool> {
        async move {
            let Some(parent) = ancestors.next().await else { return futures::future::pending().await };
            assert_eq!(parent.hash(), slot.parent, "the port hands over the slot's parent first");
            let (header, parent) = (block.header(), parent.header());
            header.chain_id == CHAIN
                && header.epoch == slot.epoch
                && header.proposer == slot.leader
                && header.height == parent.height + 1
                && header.time > parent.time
        }
        .boxed()
    }

    fn finalized(&self, finalized: FinalizedBlock) -> BoxFuture<'static, PeersChanged> {
        let (applied, note) = (self.applied.clone(), self.noting());
        async move {
            note(Event::Final { height: finalized.block.header().height, block: finalized.block.hash() });
            let mut chain = applied.0.lock().unwrap();
            let (next, height) = (chain.len() as u64, finalized.block.header().height);
            assert!(height <= next, "height {height} delivered before {next}");
            if height == next {
                chain.push((finalized.block, finalized.certificate));
            } else {
                assert_eq!(chain[height as usize].0.hash(), finalized.block.hash(), "another block at {height}");
            }
            finalized.acknowledgement.give();
            PeersChanged::No
        }
        .boxed()
    }

    fn committee(&self, epoch: u64) -> BoxFuture<'static, Committee> {
        let decided_by = epoch * self.epoch_length;
        let context = self.context.child("committee");
        let (applied, committees, everyone) = (self.applied.clone(), self.committees.clone(), self.everyone.clone());
        async move {
            while epoch > 0 && applied.count() < decided_by {
                context.sleep(Duration::from_millis(5)).await;
            }
            let validators = &committees[(epoch as usize).min(committees.len() - 1)];
            let anywhere = PeerAddress { host: "127.0.0.1".to_owned(), port: 4001 };
            let observers = everyone.iter().filter(|key| !validators.contains(key));
            Committee {
                validators: ValidatorSet::new(validators.clone()).unwrap(),
                peers: Peers {
                    as_of: decided_by,
                    dialled: validators.iter().map(|key| (*key, anywhere.clone())).collect(),
                    admitted: observers.copied().collect(),
                    unlisted: Default::default(),
                },
            }
        }
        .boxed()
    }
}
