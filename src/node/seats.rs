//! Who validates and who is connected, as the committed state has it.
//!
//! # Invariants
//! * What is told is of the state after the newest committed block, or of one before it, never of one after.

use super::chain::Chain;
use super::error::NodeError;
use super::metrics::NodeMetrics;
use super::proofs::stored_certificate;
use super::service::{Mode, NamedValidator};
use crate::consensus::{Committee, PeerAddress, Peers};
use crate::domain::governance::{PEERS_KEY, Peer, PeerList, peers};
use crate::execution::Executed;
use crate::ledger::history::PARAMETERS_KEY;
use crate::ledger::validators::validators_of;
use crate::ledger::{Certificate, Entry, Parameters, ValidatorSet, View};
use crate::primitives::{Decode as _, PublicKey};
use crate::storage::{Store, StoreView};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use tracing::{info, warn};

/// Those who validate the next block.
#[derive(Clone, Debug)]
pub struct Seated {
    /// Their keys.
    pub validators: ValidatorSet,
    /// The same by name.
    pub named: Vec<NamedValidator>,
}

/// See the module.
pub struct Seats {
    /// This node's key, if it has what it takes to vote.
    voter: Option<PublicKey>,
    metrics: NodeMetrics,
    seated: Mutex<Arc<Seated>>,
}

impl Seats {
    /// As the chain's state has them.
    ///
    /// # Errors
    /// The store failed, or holds no state of a ledger.
    pub fn of<S: Store>(chain: &Chain<S>, voter: Option<PublicKey>, metrics: NodeMetrics) -> Result<Self, NodeError> {
        let seated = Mutex::new(Arc::new(read(chain)?));
        let seats = Self { voter, metrics, seated };
        seats.count();
        Ok(seats)
    }

    /// Those who validate the next block.
    pub fn now(&self) -> Arc<Seated> {
        self.seated.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What this node does in consensus.
    pub fn mode(&self) -> Mode {
        match self.voter.is_some_and(|voter| self.now().validators.keys().contains(&voter)) {
            true => Mode::Validator,
            false => Mode::Verifier,
        }
    }

    /// Takes note of a committed block; whether it changed the list of peers.
    ///
    /// # Errors
    /// The store failed.
    pub fn committed<S: Store>(&self, chain: &Chain<S>, executed: &Executed) -> Result<bool, NodeError> {
        let changed = executed.writes.keys().any(|(column, key)| *column == PeerList::COLUMN && **key == [PEERS_KEY]);
        if changed {
            let before = self.mode();
            let seated = read(chain)?;
            *self.seated.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(seated);
            self.count();
            let height = executed.header.height;
            match (before, self.mode()) {
                (Mode::Verifier, Mode::Validator) => info!(height, "this node validates from the next block on"),
                (Mode::Validator, Mode::Verifier) => info!(height, "this node validates no more: it follows"),
                _ => {}
            }
        }
        Ok(changed)
    }

    fn count(&self) {
        self.metrics.quorum.set(self.now().validators.quorum() as i64);
        self.metrics.may_vote.set(i64::from(self.mode() == Mode::Validator));
    }
}

fn read<S: Store>(chain: &Chain<S>) -> Result<Seated, NodeError> {
    let view = StoreView::new(chain.store().clone());
    let next = chain.head().header.height + 1;
    let validators = set_of(&view, |length| next / length);
    let listed = peers(&view);
    view.check()?;
    let validators = validators.ok_or(NodeError::MissingRecord("the validator set"))?;
    let seated = listed.into_iter().filter(|(key, _)| validators.keys().contains(key));
    let named = seated.map(|(public_key, peer)| NamedValidator { name: peer.name, public_key }).collect();
    Ok(Seated { validators, named })
}

fn set_of(view: &dyn View, epoch: impl FnOnce(u64) -> u64) -> Option<ValidatorSet> {
    let parameters: Parameters = view.read(&PARAMETERS_KEY)?;
    validators_of(view, epoch(parameters.epoch_length.max(1)))
}

/// The validators of an epoch, and whom a node is connected with that has been told of these addresses. What its
/// configuration says of a peer comes before what the ledger says, and peers that only the configuration knows are dialled
/// too: a node that was away for long, or is new, finds by them those of whom it has not read yet.
///
/// # Errors
/// The store failed, or holds no state of a ledger.
pub fn committee<S: Store>(
    store: &S,
    epoch: u64,
    configured: &BTreeMap<PublicKey, PeerAddress>,
) -> Result<Committee, NodeError> {
    let view = StoreView::new(store.clone());
    let validators = validators_of(&view, epoch);
    let listed = peers(&view);
    let list = (&view as &dyn View).read::<PeerList>(&PEERS_KEY);
    view.check()?;
    let validators = validators.ok_or(NodeError::MissingRecord("the validator set"))?;
    let PeerList { changed_at } = list.ok_or(NodeError::MissingRecord("the list of peers"))?;
    let mut dialled = configured.clone();
    let mut admitted = BTreeSet::new();
    let mut unlisted: BTreeSet<PublicKey> = configured.keys().copied().collect();
    for (key, Peer { address, .. }) in listed {
        unlisted.remove(&key);
        match address {
            _ if dialled.contains_key(&key) => {}
            Some(address) => drop(dialled.insert(key, address)),
            None => drop(admitted.insert(key)),
        }
    }
    for key in validators.keys().iter().filter(|key| admitted.contains(key)) {
        warn!(validator = %key, "nothing says where this validator listens: it has to dial this node");
    }
    Ok(Committee { validators, peers: Peers { as_of: changed_at, dialled, admitted, unlisted } })
}

/// What a node finds of itself in the ledger before it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Whether its key validates.
    pub is_validator: bool,
    /// How many peers there are, itself included.
    pub peers_count: usize,
}

/// How many of the newest blocks are looked through for a key's signatures.
const LOOKED_THROUGH: usize = 1_000;

/// Whether a key signed one of the newest blocks. A certificate has a quorum's signatures and need not have everyone's, so `false` says
/// little, and `true` says that the key has voted.
///
/// # Errors
/// The store failed, or holds a certificate that is none.
pub fn has_signed<S: Store>(chain: &Chain<S>, me: &PublicKey) -> Result<bool, NodeError> {
    let (newest, view) = (chain.head().header.height, StoreView::new(chain.store().clone()));
    for height in (1..=newest).rev().take(LOOKED_THROUGH) {
        let Some(bytes) = stored_certificate(chain.store(), height)? else { continue };
        let certificate = Certificate::from_bytes(&bytes).map_err(|cause| NodeError::record("a certificate", cause))?;
        let validators = validators_of(&view, certificate.epoch);
        view.check()?;
        let place = validators.and_then(|validators| validators.keys().iter().position(|key| key == me));
        if place.is_some_and(|place| certificate.signers().any(|signer| signer == place)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Looks a node's key up, and holds a validator to knowing where all the others are.
///
/// # Errors
/// It does not know of one, or the store failed.
pub fn find<S: Store>(
    chain: &Chain<S>,
    me: &PublicKey,
    configured: &BTreeMap<PublicKey, PeerAddress>,
) -> Result<Found, NodeError> {
    let validators = read(chain)?.validators;
    let Committee { peers, .. } = committee(chain.store(), u64::MAX, configured)?;
    let is_validator = validators.keys().contains(me);
    let unknown = validators.keys().iter().find(|key| peers.admitted.contains(key));
    match unknown.filter(|_| is_validator) {
        None => Ok(Found { is_validator, peers_count: peers.count_with(me) }),
        Some(key) => Err(NodeError::ValidatorWithoutAddress(*key)),
    }
}
