//! Building and checking blocks.

use super::invariants::{self, BrokenInvariant};
use super::transaction::{Envelope, Transaction};
use super::work::work_of;
use crate::domain::{financing, governance, tokens, trade};
use crate::ledger::blinding::{Blinding, Openings};
use crate::ledger::block::{outcomes_root, reserves_root, transactions_root};
use crate::ledger::changes::Planned;
use crate::ledger::context::open_account;
use crate::ledger::due::due_by;
use crate::ledger::history::{PARAMETERS_KEY, TIP_KEY};
use crate::ledger::limits::{
    BLOCK_BYTES_MAX, BLOCK_TRANSACTIONS_MAX, BLOCK_WORK_MAX, DUE_PER_BLOCK_MAX, EXPIRY_AHEAD_MS_MAX,
    HISTORY_ROOTS_KEPT, REQUEST_RETENTION_MS, REQUESTS_PER_DUE_ENTRY_MAX,
};
use crate::ledger::outcome::due_outcome_id;
use crate::ledger::validators::validators_of;
use crate::ledger::{
    Change, Changes, Context, Decline, Due, DueKey, DueKind, Entry, Header, HistoryRoot, MovementKind, Outcome,
    Parameters, Reason, Request, ReserveLine, SignedTransaction, Status, Tip, Touched, ValidatorSet, View, WorkingSet,
    Writes,
};
use crate::primitives::digest::StateAccumulator;
use crate::primitives::{AccountId, BlockTime, ChainId, Encode, Hash, ObjectId, PublicKey, RequestId, TransactionId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use thiserror::Error;

/// The state that a block stands on.
#[derive(Clone)]
pub struct ParentState {
    /// The parent's header.
    pub header: Header,
    /// The state after the parent.
    pub view: Arc<dyn View>,
    /// The sum over that state.
    pub accumulator: StateAccumulator,
}

/// Where a block stands, besides its parent.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Its time.
    pub time: BlockTime,
    /// Who proposes it.
    pub proposer: PublicKey,
}

/// A block's effects, ready to be published as an overlay and, once final, to be written.
#[derive(Clone)]
pub struct Executed {
    /// The header that follows from execution.
    pub header: Header,
    /// One for each transaction, in order; then one for each thing that fell due and left a record.
    pub outcomes: Arc<Vec<Outcome>>,
    /// What opens the balances that the outcomes commit to.
    pub openings: Arc<Openings>,
    /// The transactions, in order.
    pub transactions: Arc<Vec<Arc<Transaction>>>,
    /// New values of state entries; entries that did not change are not among them.
    pub writes: Arc<Writes>,
    /// The entries that it read or wrote, for blocks that stand on it.
    pub touched: Arc<Touched>,
    /// The sum over the state afterwards.
    pub accumulator: StateAccumulator,
    /// The lines under `reserves_root`.
    pub reserve_lines: Arc<Vec<ReserveLine>>,
}

/// Why a transaction cannot stand in a block, in order of precedence. A leader leaves it out; elsewhere it invalidates
/// the block.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Ineligible {
    /// It is for another ledger.
    #[error("the transaction is for another ledger")]
    ForeignChain,
    /// Its expiry lies before the block's time.
    #[error("the transaction expired at {expires_at}, and the block's time is {now}")]
    Expired {
        /// Its expiry.
        expires_at: BlockTime,
        /// The block's time.
        now: BlockTime,
    },
    /// Its expiry lies too far after the block's time.
    #[error("the transaction expires at {expires_at}, more than {EXPIRY_AHEAD_MS_MAX} ms after {now}")]
    ExpiryTooFar {
        /// Its expiry.
        expires_at: BlockTime,
        /// The block's time.
        now: BlockTime,
    },
    /// The sender used the request id before.
    #[error("the sender used this request id for transaction {transaction_id}, final at height {height}")]
    RequestSeen {
        /// In which transaction.
        transaction_id: TransactionId,
        /// At which height.
        height: u64,
    },
    /// The sender does not exist, is closed, or did not sign with enough of its keys.
    #[error("the sender did not sign: {0:?}")]
    SenderNotAuthentic(Reason),
    /// An account that the body names as a co-signer does not exist, is closed, or did not sign with enough of its keys.
    #[error("a co-signer did not sign: {0:?}")]
    CoSignerNotAuthentic(Reason),
    /// The block has no room left for it.
    #[error("the block is full")]
    BlockFull,
}

/// Why a block is invalid.
#[derive(Debug, Error)]
pub enum InvalidBlock {
    /// It does not come after its parent.
    #[error("the block's time {time} is not after its parent's, {parent_time}")]
    TimeNotAfterParent {
        /// The block's time.
        time: BlockTime,
        /// The parent's time.
        parent_time: BlockTime,
    },
    /// Its proposer is not a validator.
    #[error("the proposer {0} is not a validator")]
    ForeignProposer(PublicKey),
    /// A transaction may not stand in it.
    #[error("transaction {index} may not stand in the block: {cause}")]
    Transaction {
        /// Which one, from 0.
        index: usize,
        /// Why.
        cause: Ineligible,
    },
    /// A field of its header does not follow from execution.
    #[error("the header's {field} does not follow from execution")]
    Header {
        /// Which field.
        field: &'static str,
    },
    /// Its effects break an invariant of the ledger.
    #[error(transparent)]
    Invariant(#[from] BrokenInvariant),
    /// The state it stands on lacks what genesis put there.
    #[error("the parent's state has no {0}: it is not a state of this ledger")]
    State(&'static str),
}

/// A block under construction.
pub struct BlockExecutor {
    parent: Header,
    parent_accumulator: StateAccumulator,
    /// The parent's state with what the block has written so far.
    state: WorkingSet,
    place: Place,
    tip: Tip,
    epoch_length: u64,
    validators: ValidatorSet,
    outcomes: Vec<Outcome>,
    openings: Openings,
    fell_due: Vec<Planned>,
    transactions: Vec<Arc<Transaction>>,
    encoded_len: usize,
    work: u64,
    to_forget: BTreeMap<BlockTime, Vec<(AccountId, RequestId)>>,
}

impl BlockExecutor {
    /// Opens a block on a parent and works off what is due.
    ///
    /// # Errors
    /// A time that is not after the parent's, a proposer that is not a validator, or a state without its fixtures.
    pub fn open(parent: ParentState, place: Place) -> Result<Self, InvalidBlock> {
        let ParentState { header: parent, view, accumulator: parent_accumulator } = parent;
        let state = WorkingSet::new(view);
        let view: &dyn View = &state;
        let tip: Tip = view.read(&TIP_KEY).ok_or(InvalidBlock::State("tip"))?;
        let parameters: Parameters = view.read(&PARAMETERS_KEY).ok_or(InvalidBlock::State("parameters"))?;
        let epoch_length = parameters.epoch_length.max(1);
        let epoch = (parent.height + 1) / epoch_length;
        let validators = validators_of(view, epoch).ok_or(InvalidBlock::State("validators"))?;
        if place.time <= parent.time {
            return Err(InvalidBlock::TimeNotAfterParent { time: place.time, parent_time: parent.time });
        }
        if !validators.keys().contains(&place.proposer) {
            return Err(InvalidBlock::ForeignProposer(place.proposer));
        }
        let (outcomes, transactions, to_forget) = Default::default();
        let openings = Openings::new(Blinding::of_state(&parent_accumulator));
        let mut executor = Self {
            parent,
            parent_accumulator,
            state,
            place,
            tip,
            epoch_length,
            validators,
            outcomes,
            openings,
            fell_due: Vec::new(),
            transactions,
            encoded_len: Header::SIZE + 4,
            work: 0,
            to_forget,
        };
        executor.work_off_due();
        Ok(executor)
    }

    /// Reads in one walk what transactions will ask for, before they are pushed. It changes nothing but the time it takes.
    pub fn read_ahead<'t>(&self, transactions: impl Iterator<Item = &'t Transaction>) {
        let about = transactions.size_hint().0 * READS_USUAL;
        self.state.read_ahead(transactions.flat_map(Transaction::foreseen_reads), about);
    }

    /// How many transactions the block has.
    pub fn len(&self) -> usize {
        self.transactions.len()
    }

    /// Whether the block has no transaction.
    pub fn is_empty(&self) -> bool {
        self.transactions.is_empty()
    }

    /// Executes a transaction as the block's next: applied or declined, it has an outcome.
    ///
    /// # Errors
    /// It may not stand in this block. The block is as before.
    pub fn push(&mut self, transaction: Arc<Transaction>) -> Result<(), Ineligible> {
        let encoded_len = self.encoded_len + transaction.signed().encoded_len();
        let work = self.work + work_of(&transaction);
        let full = self.transactions.len() == BLOCK_TRANSACTIONS_MAX;
        if full || encoded_len > BLOCK_BYTES_MAX || work > BLOCK_WORK_MAX {
            return Err(Ineligible::BlockFull);
        }
        let (chain_id, now) = (self.parent.chain_id, self.place.time);
        eligible(transaction.envelope(), transaction.signers(), chain_id, now, &self.state)?;
        match execute(&transaction, self.height(), now, &self.state) {
            Ok(planned) => self.record(transaction.id(), planned),
            Err(decline) => self.record_decline(transaction.id(), decline),
        }
        self.remember_request(&transaction);
        self.transactions.push(transaction);
        self.encoded_len = encoded_len;
        self.work = work;
        Ok(())
    }

    /// Ends the block: everything that its header commits to follows from what was pushed.
    ///
    /// # Errors
    /// An invariant of the ledger is broken, which means that a rule is wrong: the block must not be voted for.
    pub fn close(mut self) -> Result<Executed, BrokenInvariant> {
        self.schedule_forgetting();
        let height = self.height();
        let next_validators = self.end_epoch();
        for (planned, place) in std::mem::take(&mut self.fell_due).into_iter().zip(0..) {
            self.record(due_outcome_id(height, place), planned);
        }
        let reserve_lines = tokens::reserve_lines(&self.state, self.place.time);
        let outcomes = std::mem::take(&mut self.outcomes);
        let header = self.header(&outcomes, &reserve_lines, &next_validators);
        self.advance_tip(&header);

        let (changes, touched) = self.state.finish();
        invariants::check(&changes)?;
        let mut accumulator = self.parent_accumulator;
        let writes = Arc::new(settle(changes, &mut accumulator));
        Ok(Executed {
            header,
            outcomes: Arc::new(outcomes),
            openings: Arc::new(self.openings),
            transactions: Arc::new(self.transactions),
            writes,
            touched: Arc::new(touched),
            accumulator,
            reserve_lines: Arc::new(reserve_lines),
        })
    }

    fn height(&self) -> u64 {
        self.parent.height + 1
    }

    /// The validators of the next block: where the block ends an epoch, those that governance decided on in it.
    fn end_epoch(&mut self) -> ValidatorSet {
        let (height, next_epoch) = (self.height(), (self.height() + 1) / self.epoch_length);
        if next_epoch == height / self.epoch_length {
            return self.validators.clone();
        }
        let mut changes = Changes::new(&self.state);
        governance::turn(&mut changes, height, next_epoch);
        self.take_over_due(changes.finish());
        validators_of(&self.state, next_epoch).unwrap_or_else(|| self.validators.clone())
    }

    fn header(&self, outcomes: &[Outcome], reserve_lines: &[ReserveLine], next_validators: &ValidatorSet) -> Header {
        let signed: Vec<SignedTransaction> = self.transactions.iter().map(|each| each.signed().clone()).collect();
        Header {
            chain_id: self.parent.chain_id,
            epoch: self.height() / self.epoch_length,
            height: self.height(),
            parent: self.parent.hash(),
            time: self.place.time,
            proposer: self.place.proposer,
            // Blocks hold at most 16,384 transactions, and work off twice as many due things.
            transaction_count: self.transactions.len() as u32,
            transactions_root: transactions_root(&signed),
            outcome_count: outcomes.len() as u32,
            outcomes_root: outcomes_root(&outcomes.iter().map(Outcome::hash).collect::<Vec<_>>()),
            parent_state_digest: self.parent_accumulator.digest(),
            history_root: self.tip.history.root(),
            validators_hash: self.validators.hash(),
            next_validators_hash: next_validators.hash(),
            reserves_root: reserves_root(reserve_lines),
        }
    }

    /// Works off the queue of due things. Whatever leaves a record has an outcome of its own, which names those whom it concerns
    /// and nobody else.
    fn work_off_due(&mut self) {
        for (key, due) in due_by(&self.state, self.place.time, DUE_PER_BLOCK_MAX) {
            let mut changes = Changes::new(&self.state);
            changes.delete::<Due>(&key);
            match due {
                Due::ForgetRequests(requests) => requests.iter().for_each(|key| changes.delete::<Request>(key)),
                Due::RedemptionDeadline(redemption) => {
                    tokens::redemption_deadline(&mut changes, redemption, self.place.time);
                }
                Due::ConfirmationTerm(receivable) => {
                    trade::confirmation_term(&mut changes, receivable, self.place.time);
                }
                Due::LoanAgeing(loan) => financing::age_loan(&mut changes, loan, self.place.time),
            }
            let planned = changes.finish();
            self.take_over_due(planned);
        }
    }

    /// Takes over what was planned of something that fell due, and has it recorded if there is something to tell.
    fn take_over_due(&mut self, mut planned: Planned) {
        self.state.take_over(std::mem::take(&mut planned.writes));
        if !planned.effects.is_empty() || !planned.movements.is_empty() {
            self.fell_due.push(planned);
        }
    }

    /// Takes over what was planned, and says so in the block's next outcome.
    fn record(&mut self, transaction_id: TransactionId, planned: Planned) {
        let Planned { writes, movements, balances, effects } = planned;
        self.state.take_over(writes);
        let balances = self.openings.commit(transaction_id, &balances);
        self.outcomes.push(Outcome { transaction_id, status: Status::Applied, movements, balances, effects });
    }

    fn record_decline(&mut self, transaction_id: TransactionId, decline: Decline) {
        self.openings.commit(transaction_id, &[]);
        self.outcomes.push(Outcome::declined(transaction_id, decline));
    }

    fn remember_request(&mut self, transaction: &Transaction) {
        let envelope = transaction.envelope();
        let key = (envelope.sender, envelope.request_id);
        let index = self.transactions.len() as u32;
        let request = Request { transaction_id: transaction.id(), height: self.height(), index };
        self.put(&key, &request);
        // Requests are forgotten by the minute, so that one entry of the queue stands for many of them.
        let forget_at = envelope.expires_at.0.saturating_add(REQUEST_RETENTION_MS).div_ceil(FORGET_EVERY_MS);
        let forget_at = BlockTime(forget_at.saturating_mul(FORGET_EVERY_MS));
        self.to_forget.entry(forget_at).or_default().push(key);
    }

    fn schedule_forgetting(&mut self) {
        let height = self.height();
        let mut ordinal = 0u64;
        for (at, requests) in std::mem::take(&mut self.to_forget) {
            for chunk in requests.chunks(REQUESTS_PER_DUE_ENTRY_MAX) {
                let mut id = [0; 32];
                id[..8].copy_from_slice(&height.to_be_bytes());
                id[8..16].copy_from_slice(&ordinal.to_be_bytes());
                let due = Due::ForgetRequests(chunk.to_vec());
                self.put(&DueKey { at, kind: DueKind::ForgetRequests, id: ObjectId(id) }, &due);
                ordinal += 1;
            }
        }
    }

    /// Leaves behind what the next block starts from.
    fn advance_tip(&mut self, header: &Header) {
        let mut history = self.tip.history.clone();
        history.push(header.history_leaf());
        let size = history.size();
        self.put(&size, &HistoryRoot(history.root()));
        if let Some(forgotten) = size.checked_sub(HISTORY_ROOTS_KEPT) {
            self.state.write(HistoryRoot::COLUMN, &forgotten.to_bytes(), None);
        }
        let tip = Tip { height: header.height, time: header.time, hash: header.hash(), history };
        self.put(&TIP_KEY, &tip);
    }

    fn put<E: Entry>(&self, key: &E::Key, entry: &E) {
        self.state.write(E::COLUMN, &key.to_bytes(), Some(entry.to_kept()));
    }
}

/// What a payment reads: its request id, two accounts and their balances.
const READS_USUAL: usize = 5;

/// How finely the forgetting of request ids is scheduled.
const FORGET_EVERY_MS: u64 = 60_000;

/// Whether the transaction may stand in a block of this time on this state, by everything but the block's size.
///
/// # Errors
/// The first rule that it breaks.
pub fn eligible(
    envelope: &Envelope,
    signers: &BTreeSet<PublicKey>,
    chain_id: ChainId,
    now: BlockTime,
    view: &dyn View,
) -> Result<(), Ineligible> {
    let expires_at = envelope.expires_at;
    if envelope.chain_id != chain_id {
        return Err(Ineligible::ForeignChain);
    }
    if expires_at < now {
        return Err(Ineligible::Expired { expires_at, now });
    }
    if expires_at.ms_since(now) > EXPIRY_AHEAD_MS_MAX {
        return Err(Ineligible::ExpiryTooFar { expires_at, now });
    }
    if let Some(Request { transaction_id, height, .. }) = view.read(&(envelope.sender, envelope.request_id)) {
        return Err(Ineligible::RequestSeen { transaction_id, height });
    }
    let changes = Changes::new(view);
    require_signed(&changes, envelope.sender, signers).map_err(Ineligible::SenderNotAuthentic)?;
    // A transaction's id does not cover its signatures. Were one that misses a co-signature declined, whoever relays it could
    // strip the signature and so spend the request id.
    let mut co_signers = envelope.co_signers.iter();
    co_signers
        .try_for_each(|account| require_signed(&changes, *account, signers))
        .map_err(Ineligible::CoSignerNotAuthentic)
}

/// Whether the account exists, is open and signed.
fn require_signed(changes: &Changes<'_>, account: AccountId, signers: &BTreeSet<PublicKey>) -> Result<(), Reason> {
    let signs = open_account(changes, account)?.keys.is_satisfied_by(signers);
    if signs { Ok(()) } else { Err(Reason::MissingSignature { account }) }
}

/// Plans all operations, up to the first that cannot be done.
fn execute(transaction: &Transaction, height: u64, now: BlockTime, view: &dyn View) -> Result<Planned, Decline> {
    let envelope = transaction.envelope();
    let mut changes = Changes::new(view);
    for (index, operation) in transaction.operations().iter().enumerate() {
        let operation_index = index as u16;
        let context = Context {
            chain_id: envelope.chain_id,
            height,
            now,
            sender: envelope.sender,
            request_id: envelope.request_id,
            operation_index,
            signers: transaction.signers(),
        };
        let planned = operation.plan(&context, &mut changes);
        planned.map_err(|reason| Decline::new(operation_index, &reason))?;
    }
    match uncovered_mint(&changes, now) {
        Some(reason) => Err(Decline::new(0, &reason)),
        None => Ok(changes.finish()),
    }
}

/// Holds the transaction as a whole to the law of reserves: whichever room minted, and whatever else the same
/// transaction did to the reserves, circulation must be covered at its end.
fn uncovered_mint(changes: &Changes<'_>, now: BlockTime) -> Option<Reason> {
    let mut seen = BTreeSet::new();
    let minted = changes.movements().iter().filter(|movement| movement.kind == MovementKind::Mint);
    minted.filter(|movement| seen.insert(movement.token)).find_map(|movement| {
        let line = tokens::reserve_line(changes, movement.token, now)?;
        (!line.shortfall.is_zero()).then_some(Reason::ReserveShortfall {
            reserves_counted: line.reserves_counted,
            circulation: line.circulation,
            requested: movement.amount,
        })
    })
}

/// Executes a block that someone else built, and holds its header to what follows.
///
/// # Errors
/// The first rule that the block breaks.
pub fn apply_block(
    parent: ParentState,
    header: &Header,
    transactions: &[Arc<Transaction>],
) -> Result<Executed, InvalidBlock> {
    let mut executor = BlockExecutor::open(parent, Place { time: header.time, proposer: header.proposer })?;
    executor.read_ahead(transactions.iter().map(|transaction| &**transaction));
    for (index, transaction) in transactions.iter().enumerate() {
        executor.push(transaction.clone()).map_err(|cause| InvalidBlock::Transaction { index, cause })?;
    }
    let executed = executor.close()?;
    match first_difference(header, &executed.header) {
        Some(field) => Err(InvalidBlock::Header { field }),
        None => Ok(executed),
    }
}

fn first_difference(claimed: &Header, followed: &Header) -> Option<&'static str> {
    let hashes: [(&'static str, Hash, Hash); 8] = [
        ("parent", claimed.parent, followed.parent),
        ("parent_state_digest", claimed.parent_state_digest, followed.parent_state_digest),
        ("transactions_root", claimed.transactions_root, followed.transactions_root),
        ("outcomes_root", claimed.outcomes_root, followed.outcomes_root),
        ("history_root", claimed.history_root, followed.history_root),
        ("validators_hash", claimed.validators_hash, followed.validators_hash),
        ("next_validators_hash", claimed.next_validators_hash, followed.next_validators_hash),
        ("reserves_root", claimed.reserves_root, followed.reserves_root),
    ];
    if claimed.chain_id != followed.chain_id {
        return Some("chain_id");
    }
    if claimed.height != followed.height {
        return Some("height");
    }
    if claimed.epoch != followed.epoch {
        return Some("epoch");
    }
    if claimed.transaction_count != followed.transaction_count {
        return Some("transaction_count");
    }
    if claimed.outcome_count != followed.outcome_count {
        return Some("outcome_count");
    }
    hashes.into_iter().find(|(_, claimed, followed)| claimed != followed).map(|(field, _, _)| field)
}

/// Takes what changed into the accumulator.
pub(super) fn settle(changes: Vec<Change>, accumulator: &mut StateAccumulator) -> Writes {
    let settled = changes.into_iter().map(|Change { column, key, old, new }| {
        if let Some(old) = old {
            accumulator.remove(column.tag(), &key, &old);
        }
        if let Some(new) = &new {
            accumulator.add(column.tag(), &key, new);
        }
        ((column, key), new)
    });
    settled.collect()
}
