//! The other audit: everything that a store holds is held to one certified header, and nothing is executed.
//!
//! A header commits to the whole state after its parent and, by the chain of parents and by the history root, to every header
//! before it; each of those to its block's transactions, outcomes and reserve lines. So one header that a quorum signed vouches
//! for all of a store as of the block before it, and hashing once over every entry shows whether the store is what it vouches
//! for. That is what a snapshot is verified by, and what can be audited where bodies of old blocks are gone.
//!
//! # What is checked
//! * The header: its certificate, and the handovers of the validators from the genesis on.
//! * The state: each entry is in the digest that the header commits to, and what must hold over all of them does.
//! * Every block: its header's place in the chain; its body, if it is there, its outcomes and reserve lines by the header; that
//!   the openings open what the outcomes commit to.
//! * Every certificate that is there: the quorum.
//! * The indexes, the history nodes, the accumulator: that they are those which follow, and nothing is there besides.
//!
//! # What is not
//! * That the blocks follow the rules: a quorum executed each before it signed the next. `audit` executes them again.
//! * Who sent a transaction whose body is gone. Nothing commits to that but the body; it decides who is shown the outcome, and
//!   proves nothing.
//!
//! # Invariants
//! * The genesis file is believed, and nothing else.
//! * Memory goes with what is open in the ledger (deadlines, loans, accounts under accounts), not with its history.

use super::comparing::{Comparing, Counted};
use super::reading::{Reading, Stored};
use super::walk::{SumOfState, check_counts, sum_of_state};
use super::{AuditError, Failure, Fault, PAGE, check_entry, check_parent};
use crate::execution::genesis::Genesis;
use crate::ledger::block::{outcomes_root, reserves_root};
use crate::ledger::outcome::due_outcome_id;
use crate::ledger::{CertifiedHeader, Header, Openings, Outcome, SignedTransaction};
use crate::node::NodeError;
use crate::node::records::{ACCUMULATOR_KEY, APPLIED_KEY, BlockRecord, FLOOR_KEY, PrunedBlock};
use crate::primitives::merkle::Frontier;
use crate::primitives::{Decode as _, Encode as _, Hash};
use crate::storage::{Reader, StoreColumn, height_key, identity_keys, key_height, stores};
use commonware_parallel::Strategy;
use rand_core::CryptoRng;
use std::sync::Arc;

/// Blocks that are looked at together.
const WINDOW: u64 = 512;

/// What was found in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProvenReport {
    /// The last applied height.
    pub height: u64,
    /// The hash of its header.
    pub head: Hash,
    /// The first height from which on every block has its body.
    pub begins_at: u64,
    /// How many transactions the blocks hold, with or without their bodies.
    pub transactions: u64,
    /// How many certificates were verified.
    pub certificates: u64,
    /// How many entries the state has.
    pub state_entries: u64,
    /// The digest over them.
    pub state_digest: Hash,
    /// Whether a certified header vouches for the state after the last applied block. Without one it is only what the node's own
    /// sum over it says.
    pub is_certified: bool,
}

/// Holds a store to the genesis and, if it is given, to the header of the block after the last applied one.
///
/// # Errors
/// The first thing that is wrong.
pub fn verify<R: Reader, S: Strategy, G: CryptoRng + Send>(
    store: &R,
    genesis: &Genesis,
    next: Option<&CertifiedHeader>,
    strategy: &S,
    rng: &mut G,
    progress: impl FnMut(u64, u64) + Send,
) -> Result<ProvenReport, AuditError> {
    let head = super::applied_header(store)?;
    let at_end = |failure: Failure| match failure {
        Failure::Storage(error) => AuditError::Storage(error),
        Failure::Fault(fault) => AuditError::State { height: head.height, fault },
    };
    if let Some(next) = next {
        check_next(next, &head, genesis).map_err(|fault| at_end(fault.into()))?;
    }
    let held = Held {
        store,
        reading: Reading::new(store, genesis, strategy)?,
        comparing: Comparing::new(store, strategy, rng),
        strategy,
    };
    let (history, state) =
        strategy.join(|| held.check_history(genesis, &head, progress), || held.check_state(next).map_err(at_end));
    let (history, (state_entries, state_digest)) = (history?, state?);
    held.comparing.check_indexes(&history.counted, head.height)?;
    held.check_ends(&head, &history).map_err(at_end)?;
    Ok(ProvenReport {
        height: head.height,
        head: head.hash(),
        begins_at: history.begins_at,
        transactions: history.transactions,
        certificates: history.certificates,
        state_entries,
        state_digest,
        is_certified: next.is_some(),
    })
}

/// The header is certified, and that of the block after the last applied one.
fn check_next(next: &CertifiedHeader, head: &Header, genesis: &Genesis) -> Result<(), Fault> {
    next.verify(&genesis.trust_root()).map_err(Fault::Proof)?;
    match next.header.height.checked_sub(1) == Some(head.height) && next.header.parent == head.hash() {
        true => Ok(()),
        false => Err(Fault::ProofOfAnother { height: next.header.height, parent: next.header.parent }),
    }
}

/// What was counted on the way through the blocks.
#[derive(Default)]
struct History {
    counted: Counted,
    transactions: u64,
    bodies: u64,
    pruned: u64,
    certificates: u64,
    indexed: u64,
    nodes: u64,
    begins_at: u64,
}

/// A block that is what its header says.
struct Opened {
    header: Header,
    counted: Counted,
    has_body: bool,
    has_pruned: bool,
    has_certificate: bool,
}

/// See the module.
struct Held<'a, R, S: Strategy> {
    store: &'a R,
    reading: Reading<'a, R, S>,
    comparing: Comparing<'a, R, S>,
    strategy: &'a S,
}

impl<R: Reader, S: Strategy> Held<'_, R, S> {
    /// Goes from the genesis to the last applied block, and over those that are stored above it.
    fn check_history(
        &self,
        genesis: &Genesis,
        head: &Header,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<History, AuditError> {
        let (mut history, mut frontier) = (History::default(), Frontier::default());
        let mut header = self.check_genesis(genesis, &mut history)?;
        let mut certified = 0;
        self.push(&mut frontier, &mut history, &header).map_err(|failure| failure.at(0))?;
        let pruned_until = self.store.last(StoreColumn::PrunedBlocks)?.and_then(|(key, _)| key_height(&key));
        let mut from = 1;
        while from <= head.height {
            let until = head.height.min(from + WINDOW - 1);
            let open =
                |height: u64| self.open(height, pruned_until >= Some(height)).map_err(|failure| failure.at(height));
            for opened in self.strategy.map_collect_vec(from..=until, open) {
                let opened = opened?;
                let height = opened.header.height;
                check_parent(&opened.header, header.hash()).map_err(|fault| Failure::Fault(fault).at(height))?;
                header = opened.header.clone();
                self.push(&mut frontier, &mut history, &header).map_err(|failure| failure.at(height))?;
                if opened.has_certificate {
                    certified = height;
                }
                history.take(&opened);
            }
            progress(until, head.height);
            from = until + 1;
        }
        if header != *head {
            return Err(Failure::Fault(Fault::Missing(StoreColumn::Blocks)).at(head.height));
        }
        self.check_above(&mut history, header, certified).map_err(|failure| failure.at(head.height))?;
        Ok(history)
    }

    fn check_genesis(&self, genesis: &Genesis, history: &mut History) -> Result<Header, AuditError> {
        let built = genesis.build().map_err(NodeError::from)?;
        let (outcomes, openings) = (Arc::default(), Arc::new(Openings::of_genesis()));
        let record = BlockRecord { outcomes, openings, reserve_lines: Arc::new(built.reserve_lines) };
        check_entry(self.store, StoreColumn::Outcomes, &height_key(0), &record.to_bytes())
            .map_err(|failure| failure.at(0))?;
        let header = built.block.header().clone();
        // The engine takes the genesis block as given, and may or may not keep it.
        if let Some(stored) = self.reading.at(0).map_err(|failure| failure.at(0))? {
            if stored.block.header() != &header {
                let key = hex::encode(height_key(0));
                return Err(Failure::Fault(Fault::Differs { column: StoreColumn::Blocks, key }).at(0));
            }
            history.bodies += 1;
            history.indexed += 1;
        }
        Ok(header)
    }

    /// Takes a header into the history, whose nodes must be there.
    fn push(&self, frontier: &mut Frontier, history: &mut History, header: &Header) -> Result<(), Failure> {
        let mut completed = Vec::new();
        frontier.push_noting(header.history_leaf(), |place, hash| completed.push((place, hash)));
        history.nodes += completed.len() as u64;
        self.comparing.check_nodes(&completed)
    }

    /// A block of which everything that is there is what its header commits to.
    fn open(&self, height: u64, may_be_pruned: bool) -> Result<Opened, Failure> {
        let (block, certificate) = match self.reading.at(height)? {
            Some(Stored { block, certificate }) => (Some(block), certificate.transpose()?),
            None => (None, None),
        };
        let pruned = match may_be_pruned {
            true => self.store.get(StoreColumn::PrunedBlocks, &height_key(height))?,
            false => None,
        };
        let pruned = pruned.map(|bytes| PrunedBlock::from_bytes(&bytes)).transpose().map_err(Fault::Undecodable)?;
        let (header, transactions) = match (&block, &pruned) {
            (Some(block), _) => (block.header(), Some(block.transactions())),
            (None, Some(pruned)) => (&pruned.header, None),
            (None, None) => return Err(Fault::Missing(StoreColumn::Blocks).into()),
        };
        if header.height != height {
            return Err(Fault::Height(header.height).into());
        }
        if let Some(pruned) = &pruned
            && (pruned.header != *header || pruned.senders.len() != header.transaction_count as usize)
        {
            return Err(
                Fault::Differs { column: StoreColumn::PrunedBlocks, key: hex::encode(height_key(height)) }.into()
            );
        }
        let has_certificate = match &block {
            // It was looked at with the body.
            Some(_) => certificate.is_some(),
            None => self.reading.certificate_of(header)?,
        };
        let record = self.store.get(StoreColumn::Outcomes, &height_key(height))?;
        let record = record.ok_or(Fault::Missing(StoreColumn::Outcomes))?;
        let record = BlockRecord::from_bytes(&record).map_err(Fault::Undecodable)?;
        check_record(header, &record, transactions)?;
        Ok(Opened {
            header: header.clone(),
            counted: self.comparing.count(height, &record.outcomes),
            has_body: block.is_some(),
            has_pruned: pruned.is_some(),
            has_certificate,
        })
    }

    /// Blocks may be final and stored before they are applied. Whatever the last is, a certificate covers it.
    fn check_above(&self, history: &mut History, applied: Header, mut certified: u64) -> Result<(), Failure> {
        let mut last = applied;
        while let Some(stored) = self.reading.at(last.height + 1)? {
            check_parent(stored.block.header(), last.hash())?;
            last = stored.block.header().clone();
            history.bodies += 1;
            history.indexed += 1;
            if let Some(certificate) = stored.certificate {
                certificate?;
                history.certificates += 1;
                certified = last.height;
            }
        }
        match certified == last.height || last.height == 0 {
            true => Ok(()),
            false => Err(Fault::Uncertified.into()),
        }
    }

    /// One pass over every entry of the state.
    fn check_state(&self, next: Option<&CertifiedHeader>) -> Result<(u64, Hash), Failure> {
        let SumOfState { entries, accumulator, standing } = sum_of_state(self.store, self.strategy, |_, _| Ok(()))?;
        let digest = accumulator.digest();
        if let Some(next) = next.filter(|next| next.header.parent_state_digest != digest) {
            return Err(Fault::Digest { found: digest, certified: next.header.parent_state_digest }.into());
        }
        standing.agree().map_err(Fault::Invariant)?;
        check_entry(self.store, StoreColumn::Accumulator, ACCUMULATOR_KEY, &accumulator.to_bytes())?;
        Ok((entries, digest))
    }

    /// Nothing is left that was not looked at.
    fn check_ends(&self, head: &Header, history: &History) -> Result<(), Failure> {
        let counted = [
            (StoreColumn::Outcomes, head.height + 1),
            (StoreColumn::HistoryNodes, history.nodes),
            (StoreColumn::Accumulator, 1),
            (StoreColumn::Blocks, history.bodies),
            (StoreColumn::PrunedBlocks, history.pruned),
            (StoreColumn::BlockIndex, history.indexed),
            (StoreColumn::Certificates, history.certificates),
        ];
        check_counts(self.store, self.strategy, &counted)?;
        let known = [&[APPLIED_KEY, FLOOR_KEY][..], &identity_keys(), &stores::META_KEYS].concat();
        for (key, _) in self.store.scan(StoreColumn::Meta, &[], PAGE)? {
            if !known.contains(&&key[..]) {
                return Err(Fault::Differs { column: StoreColumn::Meta, key: hex::encode(key) }.into());
            }
        }
        stores::check_ranges(self.store)?;
        Ok(())
    }
}

impl History {
    fn take(&mut self, opened: &Opened) {
        self.counted.join(&opened.counted);
        self.transactions += u64::from(opened.header.transaction_count);
        self.bodies += u64::from(opened.has_body);
        self.pruned += u64::from(opened.has_pruned);
        self.certificates += u64::from(opened.has_certificate);
        self.indexed += u64::from(opened.has_body || opened.has_certificate);
        if !opened.has_body {
            self.begins_at = opened.header.height + 1;
        }
    }
}

/// What came of a block is what its header commits to, outcome by outcome.
fn check_record(header: &Header, record: &BlockRecord, body: Option<&[SignedTransaction]>) -> Result<(), Fault> {
    let BlockRecord { outcomes, openings, reserve_lines } = record;
    let hashes: Vec<Hash> = outcomes.iter().map(Outcome::hash).collect();
    if outcomes.len() != header.outcome_count as usize || outcomes_root(&hashes) != header.outcomes_root {
        return Err(Fault::Record("outcomes"));
    }
    if reserves_root(reserve_lines) != header.reserves_root {
        return Err(Fault::Record("reserve lines"));
    }
    if !openings.open_all(outcomes) {
        return Err(Fault::Record("openings of balances"));
    }
    let transactions = header.transaction_count as usize;
    let due = (0..).map(|place| due_outcome_id(header.height, place));
    let of_due = outcomes.iter().skip(transactions).zip(due).all(|(outcome, id)| outcome.transaction_id == id);
    let mut bodies = body.unwrap_or_default().iter().zip(&**outcomes);
    let of_body = bodies.all(|(signed, outcome)| outcome.transaction_id == signed.id());
    match of_due && of_body && outcomes.len() >= transactions {
        true => Ok(()),
        false => Err(Fault::Record("ids of outcomes")),
    }
}
