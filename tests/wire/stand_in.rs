//! A ledger in memory that stands behind the API in its tests. Execution and admission are the real ones; each submission
//! becomes a block of its own at once.

use bytes::Bytes;
use causeway::admission::{Admissible, Authenticator, Decoded, Plausible, Refusal};
use causeway::client::KeyPair;
use causeway::domain::financing::Citation;
use causeway::execution::genesis::{Genesis, genesis_account_id};
use causeway::execution::{BlockExecutor, Executed, ParentState, Place, Transaction};
use causeway::ledger::block::outcome_leaf;
use causeway::ledger::receipt::{PlacedTransaction, Receipt};
use causeway::ledger::view::MemoryView;
use causeway::ledger::{Block, Openings, SignedTransaction, Value};
use causeway::node::TransactionPlace;
use causeway::node::service::{
    BlockError, BlockRecord, Ending, Fate, FinalTransaction, HistoryStep, Identity, KnownTransaction, LedgerHandle,
    Mode, PendingTransaction, Snapshot, Status, Submission, Unavailable, Versions,
};
use causeway::primitives::merkle::Path as MerklePath;
use causeway::primitives::{AccountId, BlockTime, Encode as _, Hash, ObjectId, PublicKey, RequestId, TransactionId};
use causeway::wire::pb::{accounts, ledger as pb};
use causeway::wire::senders_of;
use commonware_parallel::Sequential;
use commonware_utils::test_rng;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use prost::Message as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::watch;

/// When the ledger begins: long before any test runs, so that expiries are in ledger time only.
pub const GENESIS_TIME_MS: u64 = 1_800_000_000_000;

/// A key by number.
pub fn key(number: u8) -> KeyPair {
    KeyPair::from_seed(&[number; 32])
}

/// An account of the genesis: `bank-a` (key 1), `bank-b` (key 2), `watcher` (key 3, an observer).
pub fn account(name: &str) -> AccountId {
    genesis_account_id(name)
}

/// An account of the genesis as its file has it, of a company of its own.
pub fn genesis_account(name: &str, number: u8, role: &str) -> serde_json::Value {
    serde_json::json!({
        "name": name, "keys": [key(number).public_key().to_string()], "threshold": 1,
        "roles": [role], "legal_entity_id": format!("TEST:{}", name.replace('-', "").to_uppercase()),
    })
}

fn genesis_file(more: Vec<serde_json::Value>, tokens: serde_json::Value) -> Vec<u8> {
    let mut accounts = vec![
        genesis_account("bank-a", 1, "institution"),
        genesis_account("bank-b", 2, "institution"),
        genesis_account("watcher", 3, "observer"),
    ];
    accounts.extend(more);
    let file = serde_json::json!({
        "format": 1, "network": "wire-tests", "time_ms": GENESIS_TIME_MS, "epoch_length": 65_536,
        "validators": [{ "name": "one", "public_key": key(99).public_key().to_string() }],
        "accounts": accounts,
        "tokens": tokens,
    });
    file.to_string().into_bytes()
}

struct Chain {
    parent: ParentState,
    state: MemoryView,
    /// Each block, and what opens the balances of its transaction.
    records: Vec<(BlockRecord, Option<Arc<Openings>>)>,
}

/// The stand-in.
#[derive(Clone)]
pub struct StandIn {
    identity: Arc<Identity>,
    authenticator: Arc<Authenticator<Sequential>>,
    chain: Arc<Mutex<Chain>>,
    applied: watch::Sender<u64>,
    /// Blocks below it count as pruned.
    pub oldest: Arc<Mutex<u64>>,
    /// Whether it says that no block becomes final.
    pub stands_still: Arc<AtomicBool>,
    /// Whether it gives receipts, each with a certificate of nobody's.
    pub gives_receipts: Arc<AtomicBool>,
    /// How many submissions it has no room for, before it has.
    pub full_for: Arc<AtomicUsize>,
    /// Whether what it admits waits until it is released.
    pub holds_back: Arc<AtomicBool>,
    held_back: Arc<Mutex<Vec<Arc<Transaction>>>>,
    /// Whether it cannot tell any more what becomes of what it admitted.
    pub falls_silent: Arc<AtomicBool>,
    /// How often it was asked to wait for a transaction.
    pub waits: Arc<AtomicUsize>,
}

impl StandIn {
    pub fn open() -> Self {
        Self::open_with(Vec::new(), serde_json::json!([]))
    }

    /// With these accounts and tokens besides.
    pub fn open_with(accounts: Vec<serde_json::Value>, tokens: serde_json::Value) -> Self {
        Self::of(genesis_file(accounts, tokens))
    }

    /// The ledger of a genesis file.
    pub fn of(file: Vec<u8>) -> Self {
        let genesis = Genesis::parse(&file).expect("the genesis is good");
        let built = genesis.build().expect("the genesis builds");
        let mut state = MemoryView::default();
        state.apply(&built.writes);
        let identity = Identity {
            chain_id: genesis.chain_id(),
            network: "wire-tests".to_owned(),
            genesis: file.into(),
            public_key: key(99).public_key(),
            version: "0".to_owned(),
        };
        let (header, accumulator) = (built.block.header().clone(), built.accumulator);
        let parent = ParentState { header, view: Arc::new(state.clone()), accumulator };
        let record = BlockRecord {
            block: Arc::new(built.block),
            outcomes: Arc::default(),
            certificate: None,
            reserve_lines: built.reserve_lines,
        };
        Self {
            identity: Arc::new(identity),
            authenticator: Arc::new(Authenticator::new(Sequential, 1 << 20)),
            chain: Arc::new(Mutex::new(Chain { parent, state, records: vec![(record, None)] })),
            applied: watch::Sender::new(0),
            oldest: Arc::default(),
            stands_still: Arc::default(),
            gives_receipts: Arc::default(),
            full_for: Arc::default(),
            holds_back: Arc::default(),
            held_back: Arc::default(),
            falls_silent: Arc::default(),
            waits: Arc::default(),
        }
    }

    fn chain(&self) -> MutexGuard<'_, Chain> {
        self.chain.lock().expect("no test panics while it holds the chain")
    }

    fn find(&self, wanted: impl Fn(&KnownTransaction) -> bool) -> Option<KnownTransaction> {
        let chain = self.chain();
        let known = chain.records.iter().zip(0u64..).filter_map(|((record, applied), height)| {
            let openings = applied.as_ref()?;
            let outcome = record.outcomes.first()?.clone();
            let senders = senders_of(record.block.transactions()[0].body());
            let done = FinalTransaction::of(height, &record.outcomes, openings, 0)?;
            let fate = Fate::Final(done);
            Some(KnownTransaction { transaction_id: outcome.transaction_id, senders, fate })
        });
        known.into_iter().find(|known| wanted(known))
    }

    fn take(&self, signed: SignedTransaction) -> Result<Submission, Refusal> {
        let id = signed.id();
        if let Some(KnownTransaction { fate: Fate::Final(done), .. }) = self.find(|known| known.transaction_id == id) {
            let stored = self.chain().records[done.height() as usize].0.block.transactions()[0].leaf();
            let applied = done.outcome().is_applied();
            return Ok(match stored == signed.leaf() {
                true => Submission::Final(done),
                false => Submission::SignedOtherwise { height: done.height(), applied },
            });
        }
        let fuller = |left: usize| left.checked_sub(1);
        if self.full_for.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fuller).is_ok() {
            return Err(Refusal::PoolFull);
        }
        let (chain_id, state, now) = {
            let chain = self.chain();
            (self.identity.chain_id, chain.state.clone(), chain.parent.header.time)
        };
        let plausible = Plausible::check(Decoded::read(signed)?, chain_id, now, &state)?;
        let transaction = self.authenticator.authenticate_each(&mut test_rng(), vec![plausible]).remove(0)?;
        Admissible::check(transaction.clone(), chain_id, now, &state)?;
        let pending = PendingTransaction::new(id, transaction.envelope());
        match self.holds_back.load(Ordering::Relaxed) {
            true => {
                let mut held_back = self.held_back.lock().expect("not poisoned");
                if held_back.iter().all(|held| held.id() != id) {
                    held_back.push(transaction);
                }
            }
            false => self.execute(transaction),
        }
        Ok(Submission::Pending(pending))
    }

    /// Makes a block of each transaction that it held back.
    pub fn release(&self) {
        self.holds_back.store(false, Ordering::Relaxed);
        let held_back = std::mem::take(&mut *self.held_back.lock().expect("not poisoned"));
        held_back.into_iter().for_each(|transaction| self.execute(transaction));
    }

    fn execute(&self, transaction: Arc<Transaction>) {
        let mut chain = self.chain();
        let now = chain.parent.header.time;
        let place = Place { time: BlockTime(now.0 + 1), proposer: key(99).public_key() };
        let mut executor = BlockExecutor::open(chain.parent.clone(), place).expect("the block opens");
        executor.push(transaction).expect("it is admissible");
        let executed = executor.close().expect("invariants hold");
        chain.append(executed);
        let height = chain.parent.header.height;
        drop(chain);
        self.applied.send_replace(height);
    }
}

impl Chain {
    fn receipt(&self, id: TransactionId) -> Option<Receipt> {
        let found = |record: &BlockRecord| record.outcomes.iter().position(|outcome| outcome.transaction_id == id);
        let (record, openings, index) =
            self.records.iter().find_map(|(record, openings)| Some((record, openings.as_ref()?, found(record)?)))?;
        let outcome = record.outcomes[index].clone();
        let outcomes: Vec<Hash> = record.outcomes.iter().map(|outcome| outcome_leaf(&outcome.hash())).collect();
        let transaction = record.block.transactions().get(index).map(|signed| PlacedTransaction {
            signed: signed.clone(),
            path: MerklePath::of(&[signed.leaf()], 0).expect("it is alone"),
        });
        Some(Receipt {
            transaction,
            balances: openings.of(index, &outcome),
            outcome,
            outcome_path: MerklePath::of(&outcomes, index).expect("it is in the block"),
            header: record.block.header().clone(),
            later: None,
            anchor: None,
            certificate: Bytes::new(),
            handovers: Vec::new(),
        })
    }

    /// Everything that happened, in the ledger's order. The genesis did nothing, and has no openings.
    fn steps(&self) -> Vec<HistoryStep> {
        let blocks = self.records.iter().zip(0u64..);
        let blocks = blocks.filter_map(|((record, openings), height)| Some((record, openings.as_ref()?, height)));
        let steps = blocks.flat_map(|(record, openings, height)| {
            let reserve_lines = Arc::new(record.reserve_lines.clone());
            let step = move |index: usize| {
                let done = FinalTransaction::of(height, &record.outcomes, openings, index)?;
                let place = TransactionPlace { height, index: index as u32 };
                Some(HistoryStep { place, done, reserve_lines: reserve_lines.clone() })
            };
            (0..record.outcomes.len()).filter_map(step)
        });
        steps.collect()
    }

    fn append(&mut self, executed: Executed) {
        let signed = executed.transactions.iter().map(|transaction| transaction.signed().clone()).collect();
        let block = Block::new(executed.header.clone(), signed).expect("the block is whole");
        self.state.apply(&executed.writes);
        let record = BlockRecord {
            block: Arc::new(block),
            outcomes: executed.outcomes,
            certificate: None,
            reserve_lines: executed.reserve_lines.to_vec(),
        };
        self.records.push((record, Some(executed.openings)));
        self.parent = ParentState {
            header: executed.header,
            view: Arc::new(self.state.clone()),
            accumulator: executed.accumulator,
        };
    }
}

impl LedgerHandle for StandIn {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn status(&self) -> Status {
        let header = self.chain().parent.header.clone();
        Status {
            mode: Mode::Validator,
            height: header.height,
            time: header.time,
            block_hash: header.hash(),
            epoch: header.epoch,
            parent_state_digest: header.parent_state_digest,
            begins_at: 0,
            validators: Vec::new(),
            heard: [].into(),
            quorum: 1,
            final_age: std::time::Duration::ZERO,
            stands_still: self.stands_still.load(Ordering::Relaxed),
            pool_transactions: 0,
            versions: Versions { version: 1, version_max: 1, decided: None },
            serving: true,
        }
    }

    fn snapshot(&self) -> Result<Snapshot, Unavailable> {
        let chain = self.chain();
        let header = &chain.parent.header;
        Ok(Snapshot { view: chain.parent.view.clone(), height: header.height, time: header.time })
    }

    fn submit_all(&self, transactions: Vec<SignedTransaction>) -> BoxFuture<'static, Vec<Result<Submission, Refusal>>> {
        futures::future::ready(transactions.into_iter().map(|each| self.take(each)).collect()).boxed()
    }

    fn wait_final(&self, pending: PendingTransaction) -> BoxFuture<'static, Result<Ending, Unavailable>> {
        self.waits.fetch_add(1, Ordering::Relaxed);
        if self.falls_silent.load(Ordering::Relaxed) {
            return futures::future::ready(Err(Unavailable)).boxed();
        }
        // What never becomes final is waited for until its call's deadline.
        let (ledger, mut applied) = (self.clone(), self.applied.subscribe());
        async move {
            loop {
                let found = ledger.find(|known| known.transaction_id == pending.transaction_id);
                if let Some(Fate::Final(done)) = found.map(|known| known.fate) {
                    return Ok(Ending::Final(done.finished()));
                }
                applied.changed().await.map_err(|_| Unavailable)?;
            }
        }
        .boxed()
    }

    fn transaction(&self, id: TransactionId) -> BoxFuture<'static, Result<Option<KnownTransaction>, Unavailable>> {
        futures::future::ready(Ok(self.find(|known| known.transaction_id == id))).boxed()
    }

    fn transaction_by_request(
        &self,
        _: AccountId,
        _: RequestId,
    ) -> BoxFuture<'static, Result<Option<KnownTransaction>, Unavailable>> {
        futures::future::ready(Ok(None)).boxed()
    }

    fn receipt(&self, id: TransactionId, _: Option<u64>) -> BoxFuture<'static, Result<Option<Receipt>, Unavailable>> {
        let receipt = self.gives_receipts.load(Ordering::Relaxed).then(|| self.chain().receipt(id)).flatten();
        futures::future::ready(Ok(receipt)).boxed()
    }

    fn citation(&self, id: TransactionId) -> BoxFuture<'static, Result<Option<Citation>, Unavailable>> {
        let chain = self.chain();
        let citation = chain.receipt(id).map(|receipt| {
            let leaves: Vec<Hash> =
                chain.records.iter().map(|(record, _)| record.block.header().history_leaf()).collect();
            let history_path = MerklePath::of(&leaves, receipt.header.height as usize).expect("it is in the history");
            Citation {
                outcome: receipt.outcome.to_bytes().into(),
                outcome_path: receipt.outcome_path,
                header: receipt.header.to_bytes().into(),
                history_path,
            }
        });
        futures::future::ready(Ok(citation)).boxed()
    }

    fn object_history(
        &self,
        object: ObjectId,
        after: Option<TransactionPlace>,
        most: usize,
    ) -> BoxFuture<'static, Result<Vec<HistoryStep>, Unavailable>> {
        let told = |step: &HistoryStep| {
            let mut fields = step.done.outcome().effects.iter().flat_map(|effect| &effect.fields);
            fields.any(|(_, value)| *value == Value::Object(object))
        };
        let is_after = |step: &HistoryStep| {
            let TransactionPlace { height, index } = step.place;
            after.is_none_or(|after| (after.height, after.index) < (height, index))
        };
        let steps = self.chain().steps().into_iter().filter(told).filter(is_after).take(most).collect();
        futures::future::ready(Ok(steps)).boxed()
    }

    fn history_step(&self, id: TransactionId) -> BoxFuture<'static, Result<Option<HistoryStep>, Unavailable>> {
        let is_it = |step: &HistoryStep| step.done.outcome().transaction_id == id;
        let found = self.chain().steps().into_iter().find(is_it);
        futures::future::ready(Ok(found)).boxed()
    }

    fn block(&self, height: u64) -> BoxFuture<'static, Result<BlockRecord, BlockError>> {
        let (chain, oldest) = (self.chain(), *self.oldest.lock().expect("not poisoned"));
        let applied = chain.parent.header.height;
        let found = match chain.records.get(height as usize) {
            Some(_) if height < oldest => Err(BlockError::Pruned { oldest }),
            Some((record, _)) => Ok(record.clone()),
            None => Err(BlockError::NotReached { height, applied }),
        };
        futures::future::ready(found).boxed()
    }

    fn applied_beyond(&self, height: u64) -> BoxFuture<'static, Result<u64, Unavailable>> {
        let mut applied = self.applied.subscribe();
        async move { applied.wait_for(|at| *at > height).await.map(|at| *at).map_err(|_| Unavailable) }.boxed()
    }
}

/// A body that opens an account for key `number` under `sender`.
pub fn opening(ledger: &StandIn, sender: AccountId, request: u8, number: u8) -> pb::TransactionBody {
    let keys =
        accounts::KeySet { public_keys: vec![Bytes::copy_from_slice(&key(number).public_key().0)], threshold: 1 };
    let open = accounts::OpenAccount { keys: Some(keys), roles: vec![], ..Default::default() };
    pb::TransactionBody {
        chain_id: Bytes::copy_from_slice(&ledger.identity.chain_id.0),
        sender_account_id: Bytes::copy_from_slice(&sender.0),
        request_id: Bytes::copy_from_slice(&[request; 16]),
        expires_at_ms: GENESIS_TIME_MS + 60_000,
        operations: vec![pb::Operation { operation: Some(pb::operation::Operation::OpenAccount(open)) }],
        co_signer_account_ids: vec![],
    }
}

/// A signed transaction, as its message. The keys of an account that it opens sign too, if they are among those of tests.
pub fn signed(body: &pb::TransactionBody, by: &KeyPair) -> pb::SignedTransaction {
    let mut signed = signed_bytes(body.encode_to_vec().into(), by);
    let opened = body.operations.iter().filter_map(|operation| match &operation.operation {
        Some(pb::operation::Operation::OpenAccount(open)) => open.keys.as_ref(),
        _ => None,
    });
    let opened: Vec<&Bytes> = opened.flat_map(|keys| &keys.public_keys).collect();
    let keys = (40..=99).filter(|_| !opened.is_empty()).map(key);
    for new in keys.filter(|new| opened.iter().any(|opened| opened[..] == new.public_key().0)) {
        signed.signatures.extend(signed_bytes(signed.body.clone(), &new).signatures);
    }
    signed.signatures.sort_by(|one, other| one.public_key.cmp(&other.public_key));
    signed
}

/// Signed bytes, whatever they are.
pub fn signed_bytes(body: Bytes, by: &KeyPair) -> pb::SignedTransaction {
    let signature = by.sign_transaction(&body);
    let signature = pb::TransactionSignature {
        public_key: Bytes::copy_from_slice(&signature.public_key.0),
        signature: Bytes::copy_from_slice(&signature.signature.0),
    };
    pb::SignedTransaction { body, signatures: vec![signature] }
}

/// A public key as hexadecimal, for metadata.
pub fn text(key: &PublicKey) -> String {
    key.to_string()
}
