//! One simplex engine for each epoch, and the step from one to the next.
//!
//! # Life of an epoch
//! Its committee is asked of the ledger, its scheme is registered, its peers are tracked, its engine starts on the last
//! block of the epoch before. Whom the ledger lists meanwhile is tracked as soon as it is. When its own last block is final and delivered, the next epoch is entered in the same way
//! and only then is this engine stopped. Until that block is final, leaders propose it again rather than build past it.
//!
//! # A node that is behind
//! Messages of each epoch travel on a subchannel of their own. A message of an epoch not yet entered cannot be verified
//! here, but it says that its sender is ahead: the marshal is told to ask the sender for our epoch's last block.
//!
//! # Invariants
//! * At most one engine of an epoch ever runs at a time, on a journal of its own.
//! * An epoch is entered only after the ledger has applied the block that decides its committee.

use super::adapter::LedgerApplication;
use super::block::{Digest, SealedBlock};
use super::delivery::{Boundary, Marshal, Turn};
use super::engine::{Pace, StopReason};
use super::keys::theirs;
use super::leaders::{Announcer, rotation};
use super::peering::Peering;
use super::port::{Committee, Ledger};
use super::schemes::Schemes;
use super::voting;
use super::{KeepsJournals, Scheme};
use commonware_consensus::Reporters;
use commonware_consensus::marshal::standard::Inline;
use commonware_consensus::simplex::{self, Floor, ForwardPolicy, SkipBudget, SkipPolicy};
use commonware_consensus::types::{Epoch, Epocher as _, FixedEpocher, ViewDelta};
use commonware_cryptography::ed25519;
use commonware_macros::{select, select_loop};
use commonware_p2p::utils::mux::{Builder as _, MuxHandle, Muxer};
use commonware_p2p::{AddressableManager, Blocker, Channel, Message, Receiver, Sender};
use commonware_parallel::Strategy;
use commonware_runtime::Handle;
use commonware_runtime::buffer::paged::CacheRef;
use commonware_utils::NZUsize;
use commonware_utils::channel::mpsc;
use commonware_utils::ordered::Set;
use commonware_utils::vec::NonEmptyVec;
use std::num::NonZeroUsize;
use std::sync::Arc;
use tracing::{debug, info, warn};

/// The ledger as the engine's automaton, relay and reporter.
pub(super) type Application<E> = Inline<E, Scheme, LedgerApplication, SealedBlock, FixedEpocher>;

/// How many views behind the last final one votes and certificates are kept for those who lag.
pub(super) const VIEWS_RETAINED: ViewDelta = ViewDelta::new(64);

/// Messages that wait inside an engine before its overflow policy applies.
pub(super) const MAILBOX_SIZE: NonZeroUsize = NZUsize!(256);
/// Buffer of a journal, when replayed and when written.
pub(super) const BUFFER_BYTES: NonZeroUsize = NZUsize!(64 * 1024);

/// Messages of an epoch that is not entered.
type Strays = mpsc::Receiver<(Channel, Message<ed25519::PublicKey>)>;

/// The engine's three channels, divided by epoch.
pub(super) struct Subchannels<S: Sender> {
    votes: MuxHandle<S>,
    certificates: MuxHandle<S>,
    requests: MuxHandle<S>,
    stray_votes: Strays,
    stray_certificates: Strays,
}

impl<S: Sender<PublicKey = ed25519::PublicKey>> Subchannels<S> {
    /// Divides the channels, and starts what sorts their messages.
    pub fn divide<E, R>(context: &E, votes: (S, R), certificates: (S, R), requests: (S, R)) -> Self
    where
        E: KeepsJournals,
        R: Receiver<PublicKey = ed25519::PublicKey>,
    {
        let (muxer, votes, stray_votes) =
            Muxer::builder(context.child("votes"), votes.0, votes.1).with_backup().build();
        muxer.start();
        let (muxer, certificates, stray_certificates) =
            Muxer::builder(context.child("certificates"), certificates.0, certificates.1).with_backup().build();
        muxer.start();
        let (muxer, requests) = Muxer::new(context.child("certificate_requests"), requests.0, requests.1);
        muxer.start();
        Self { votes, certificates, requests, stray_votes, stray_certificates }
    }
}

/// What every epoch's engine is made of.
pub(super) struct Epochs<E: KeepsJournals, S: Sender, M, B, T> {
    pub context: E,
    pub ledger: Arc<dyn Ledger>,
    pub application: Application<E>,
    pub marshal: Marshal,
    pub epocher: FixedEpocher,
    pub schemes: Schemes,
    pub announcer: Announcer,
    pub subchannels: Subchannels<S>,
    pub peering: Peering<M>,
    pub blocker: B,
    pub strategy: T,
    pub pace: Pace,
    pub page_cache: CacheRef,
    pub partition: String,
}

/// An epoch whose scheme and peers are known, before its engine runs.
pub(super) struct EnteredEpoch {
    epoch: Epoch,
    scheme: Arc<Scheme>,
    validators: Set<ed25519::PublicKey>,
}

/// Registers `epoch`'s scheme and its peers.
///
/// # Errors
/// The committee cannot be a committee.
pub(super) fn enter<M>(
    epoch: Epoch,
    committee: &Committee,
    schemes: &Schemes,
    peering: &mut Peering<M>,
) -> Result<EnteredEpoch, StopReason>
where
    M: AddressableManager<PublicKey = ed25519::PublicKey>,
{
    let unusable = |why| StopReason::UnusableCommittee { epoch: epoch.get(), why };
    let keys = committee.validators.keys().iter().map(theirs).collect::<Option<Vec<_>>>();
    let validators = Set::from_iter_dedup(keys.ok_or_else(|| unusable("a validator's key is malformed"))?);
    let scheme = schemes.enter(epoch, validators.clone());
    peering.track(committee);
    Ok(EnteredEpoch { epoch, scheme, validators })
}

/// The engine that is running; it is stopped when this is dropped.
struct RunningEngine {
    epoch: Epoch,
    handle: Handle<()>,
    /// Notes that its journal exists, where it votes.
    noting: Option<Handle<()>>,
}

impl Drop for RunningEngine {
    fn drop(&mut self) {
        self.handle.abort();
        if let Some(noting) = &self.noting {
            noting.abort();
        }
    }
}

impl<E, S, M, B, T> Epochs<E, S, M, B, T>
where
    E: KeepsJournals,
    S: Sender<PublicKey = ed25519::PublicKey>,
    M: AddressableManager<PublicKey = ed25519::PublicKey>,
    B: Blocker<PublicKey = ed25519::PublicKey>,
    T: Strategy,
{
    /// Runs epoch after epoch, beginning with `first` on the block `parent`, until something ends.
    pub async fn run(
        mut self,
        first: EnteredEpoch,
        parent: Digest,
        mut turns: mpsc::UnboundedReceiver<Turn>,
    ) -> StopReason {
        let mut running = match self.start(first, parent).await {
            Ok(running) => running,
            Err(reason) => return reason,
        };
        let mut reason = StopReason::Shutdown;
        select_loop! {
            self.context,
            on_stopped => {
                debug!(epoch = %running.epoch, "consensus is stopping");
            },
            Some((epoch, (sender, _))) = self.subchannels.stray_votes.recv() else break => {
                self.heed(running.epoch, Epoch::new(epoch), sender);
            },
            Some((epoch, (sender, _))) = self.subchannels.stray_certificates.recv() else break => {
                self.heed(running.epoch, Epoch::new(epoch), sender);
            },
            ended = &mut running.handle => {
                warn!(epoch = %running.epoch, ?ended, "the consensus engine ended");
                reason = StopReason::Engine { epoch: running.epoch.get() };
                break;
            },
            Some(turn) = turns.recv() else break => {
                let turned = match turn {
                    // A boundary that is delivered again after a restart was already crossed.
                    Turn::EpochEnds(boundary) if boundary.epoch == running.epoch => self.cross(boundary).await,
                    Turn::EpochEnds(_) => continue,
                    Turn::PeersChange => {
                        self.retrack(running.epoch).await;
                        continue;
                    }
                };
                match turned {
                    Ok(Some(next)) => running = next,
                    Ok(None) => {}
                    Err(failed) => {
                        reason = failed;
                        break;
                    }
                }
            },
        }
        reason
    }

    /// Enters the epoch after `boundary`; `None` if the runtime stops first.
    async fn cross(&mut self, boundary: Boundary) -> Result<Option<RunningEngine>, StopReason> {
        let next = boundary.epoch.next();
        let Some(committee) = self.committee(next).await else { return Ok(None) };
        let entered = enter(next, &committee, &self.schemes, &mut self.peering)?;
        self.start(entered, boundary.block).await.map(Some)
    }

    /// Connects with whom the ledger names now.
    async fn retrack(&mut self, epoch: Epoch) {
        if let Some(committee) = self.committee(epoch).await {
            self.peering.track(&committee);
        }
    }

    /// Asks the ledger; `None` if the runtime stops first.
    async fn committee(&mut self, epoch: Epoch) -> Option<Committee> {
        let mut stopped = self.context.stopped();
        select! {
            _ = &mut stopped => None,
            committee = self.ledger.committee(epoch.get()) => Some(committee),
        }
    }

    /// Starts the epoch's engine on `parent`.
    async fn start(&mut self, entered: EnteredEpoch, parent: Digest) -> Result<RunningEngine, StopReason> {
        let EnteredEpoch { epoch, scheme, validators } = entered;
        let journal = match self.schemes.votes_in(epoch) {
            true => voting::journal(&self.partition, epoch.get()),
            false => voting::silent_journal(&self.partition, epoch.get()),
        };
        let engine = simplex::Engine::new(
            self.context.child("epoch").with_attribute("epoch", epoch),
            simplex::Config {
                scheme: scheme.as_ref().clone(),
                elector: rotation(),
                blocker: self.blocker.clone(),
                automaton: self.application.clone(),
                relay: self.application.clone(),
                reporter: Reporters::from((self.application.clone(), self.announcer.enter(epoch, &validators))),
                track_historical_votes: false,
                strategy: self.strategy.clone(),
                partition: journal,
                mailbox_size: MAILBOX_SIZE,
                epoch,
                floor: Floor::Genesis(parent),
                replay_buffer: BUFFER_BYTES,
                write_buffer: BUFFER_BYTES,
                page_cache: self.page_cache.clone(),
                leader_timeout: self.pace.leader_timeout,
                certification_timeout: self.pace.certification_timeout,
                timeout_retry: self.pace.retry,
                view_retention: VIEWS_RETAINED,
                skip: SkipPolicy::Enabled { timeout: self.pace.skip_after, budget: SkipBudget::Participants },
                fetch_timeout: self.pace.fetch_timeout(),
                fetch_retry_delay: self.pace.fetch_retry,
                // Whoever enters a view would send the last block to all whose votes are still on their way to it. Over long
                // ways those are many, and a block would be sent several times to everyone. Who lacks it asks for it.
                forward: ForwardPolicy::Disabled,
            },
        );
        // Each epoch registers once, so a refusal means that the network is gone.
        let gone = |_| StopReason::Network;
        let votes = self.subchannels.votes.register(epoch.get()).await.map_err(gone)?;
        let certificates = self.subchannels.certificates.register(epoch.get()).await.map_err(gone)?;
        let requests = self.subchannels.requests.register(epoch.get()).await.map_err(gone)?;
        let handle = engine.start(votes, certificates, requests);
        info!(%epoch, validators = validators.len(), "epoch entered");
        Ok(RunningEngine { epoch, handle, noting: self.start_noting(epoch) })
    }

    fn start_noting(&self, epoch: Epoch) -> Option<Handle<()>> {
        if !self.schemes.votes_in(epoch) {
            return None;
        }
        let (key, partition) = (self.schemes.public_key(), self.partition.clone());
        let context = self.context.child("noting").with_attribute("epoch", epoch);
        Some(context.spawn(move |context| voting::note_journal(context, partition, key, epoch.get())))
    }

    /// Takes a message of another epoch as a hint that its sender has our epoch's last block.
    fn heed(&self, ours: Epoch, theirs: Epoch, sender: ed25519::PublicKey) {
        if theirs <= ours {
            return;
        }
        if let Some(last) = self.epocher.last(ours) {
            debug!(%ours, %theirs, %last, "a peer is in a later epoch");
            self.marshal.hint_finalized(last, NonEmptyVec::new(sender));
        }
    }
}
