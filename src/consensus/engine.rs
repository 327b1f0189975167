//! Everything of one node's consensus, started together: the broadcast buffer, the marshal with its requests for past
//! blocks, the epochs, and forwarding.
//!
//! # Life cycle
//! [`start`] recovers from the engine's directory and the two stores, asks the ledger for the committee of the epoch
//! that it stopped in, and begins. It runs until the runtime stops or any of its parts ends; [`Consensus::stopped`]
//! says which. There is no restart within a process.

use super::adapter::LedgerApplication;
use super::block::{Digest, SealedBlock};
use super::delivery::{Delivery, Inbox, Marshal, delivery, own_certificate};
use super::epochs::{BUFFER_BYTES, Epochs, MAILBOX_SIZE, Subchannels, VIEWS_RETAINED, enter};
use super::forwarding::{self, ForwardedBatches, Forwarder};
use super::keys::{PrivateKey, theirs};
use super::leaders::{Announcer, Leaders};
use super::network::{Channels, Network};
use super::peering::Peering;
use super::port::{Ledger, UNACKNOWLEDGED_BLOCKS_MAX};
use super::schemes::Schemes;
use super::{Finalization, KeepsJournals, Runtime, Scheme, voting};
use crate::ledger::block::Block;
use crate::ledger::certificate::Certificate;
use crate::ledger::validators::VALIDATORS_MAX;
use crate::primitives::crypto::PublicKey;
use crate::primitives::ids::ChainId;
use bytes::Bytes;
use commonware_broadcast::buffered;
use commonware_codec::Decode as _;
use commonware_consensus::marshal::core::{Actor, Floor};
use commonware_consensus::marshal::resolver::p2p as block_resolver;
use commonware_consensus::marshal::standard::{Inline, Standard};
use commonware_consensus::marshal::store::{Blocks, Certificates};
use commonware_consensus::marshal::{self, Start};
use commonware_consensus::types::{Epoch, Epocher as _, FixedEpocher, Height};
use commonware_cryptography::{Digested, Digestible as _, Signer as _, ed25519};
use commonware_macros::select;
use commonware_p2p::{AddressableManager, Blocker, Receiver, Sender};
use commonware_parallel::Strategy;
use commonware_runtime::buffer::paged::CacheRef;
use commonware_runtime::{Handle, signal};
use commonware_utils::acknowledgement::Exact;
use commonware_utils::{NZU16, NZU64, NZUsize, NonZeroDuration};
use futures::FutureExt as _;
use std::num::{NonZeroU16, NonZeroU64, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tracing::error;

/// Candidate blocks kept in memory for each peer: its proposals of the views that may still be undecided.
const BLOCKS_BUFFERED_PER_PEER: usize = 8;
/// Heights that a node behind fetches at a time.
const REPAIRS_MAX: NonZeroUsize = NZUsize!(32);
/// See [`UNACKNOWLEDGED_BLOCKS_MAX`].
const PENDING_ACKNOWLEDGEMENTS: NonZeroUsize = NZUsize!(UNACKNOWLEDGED_BLOCKS_MAX);
/// Pages of the engine's cache of its own files: 4 MiB in all.
const PAGE_BYTES: NonZeroU16 = NZU16!(4096);
const PAGES: NonZeroUsize = NZUsize!(1024);

/// How a node takes part.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "a process has one")]
pub enum Signer {
    /// Votes with this key in the epochs that it validates, and follows in the others. Only where
    /// the key has its standing: [`super::voting::standing`].
    Voting(PrivateKey),
    /// Verifies and follows, and never signs: an observer, or a validator whose directory is not the one it voted from.
    Silent(PublicKey),
}

impl Signer {
    /// The node's public key.
    pub fn public_key(&self) -> PublicKey {
        match self {
            Self::Voting(key) => super::keys::ours(&key.public_key()),
            Self::Silent(key) => *key,
        }
    }
}

/// How long consensus waits for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// From the entry into a view until its leader is given up on. Above the ledger's idle interval, by as much as the
    /// largest block takes to reach the others.
    pub leader_timeout: Duration,
    /// From the entry into a view until the view is given up on, block or no block. Above `leader_timeout`.
    pub certification_timeout: Duration,
    /// Between repeated votes to give a view up.
    pub retry: Duration,
    /// How long a validator must have been silent for its turns to be skipped at once. Above `certification_timeout`.
    pub skip_after: Duration,
    /// How long a peer may take to answer a request.
    pub fetch: Duration,
    /// How long to wait before a request is repeated.
    pub fetch_retry: Duration,
}

impl Pace {
    /// A pace for a ledger that waits up to `idle_interval` for transactions before it proposes an empty block, and for
    /// validators to whom a block is on its way for up to `block_delivery`: built, sent and received.
    ///
    /// As much again is for its execution and for the votes. A dead leader costs `leader_timeout` each turn, until it has
    /// been silent for `skip_after`.
    pub fn new(idle_interval: Duration, block_delivery: Duration) -> Self {
        Self {
            leader_timeout: idle_interval + block_delivery,
            certification_timeout: idle_interval + 2 * block_delivery,
            retry: block_delivery,
            skip_after: idle_interval + 3 * block_delivery,
            fetch: block_delivery,
            fetch_retry: Duration::from_millis(100),
        }
    }

    /// Whether the timeouts are in the order that the engine insists on.
    fn is_ordered(&self) -> bool {
        !self.leader_timeout.is_zero()
            && self.leader_timeout < self.certification_timeout
            && self.certification_timeout < self.skip_after
            && !self.retry.is_zero()
            && self.retry < self.skip_after
            && !self.fetch.is_zero()
    }

    /// The time for an answer, in the engine's form. `is_ordered` has seen that it is not zero.
    pub(super) fn fetch_timeout(&self) -> NonZeroDuration {
        NonZeroDuration::new(self.fetch).unwrap_or(NonZeroDuration::new_panic(Duration::from_secs(1)))
    }
}

/// What a node's consensus is told at start.
#[derive(Clone, Debug)]
pub struct Config {
    /// The ledger. It goes into every namespace that is signed in.
    pub chain_id: ChainId,
    /// The block at height 0.
    pub genesis: Arc<Block>,
    /// Blocks in each epoch, from the genesis. At least 2: epoch 0 includes the genesis block.
    pub epoch_length: NonZeroU64,
    /// How this node takes part.
    pub signer: Signer,
    /// Timeouts.
    pub pace: Pace,
    /// Prefix of every partition of the engine's directory.
    pub partition: String,
    /// Where to begin, if the engine's directory has no progress of its own: at a block that the block store holds, under its
    /// certificate. At the genesis block, if there is none.
    pub floor: Option<StartingBlock>,
}

/// A block to begin at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartingBlock {
    /// Its height.
    pub height: u64,
    /// Its certificate, byte for byte as the engine made it.
    pub certificate: Bytes,
}

/// Where final blocks and their certificates are kept: the node's own columns.
#[derive(Debug)]
pub struct Stores<C, B> {
    /// Certificates by height.
    pub certificates: C,
    /// Blocks by height and by digest.
    pub blocks: B,
}

/// Why consensus did not start.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StartError {
    /// The genesis block is not at height 0.
    #[error("the genesis block has height {0}, not 0")]
    GenesisHeight(u64),
    /// An epoch of one block would hold the genesis block alone.
    #[error("an epoch has at least 2 blocks")]
    EpochLength,
    /// The timeouts contradict each other.
    #[error("the timeouts must ascend: leader, certification, skip; and none may be zero")]
    Pace,
    /// The node's key is no point of the curve.
    #[error("the node's public key {0} is malformed")]
    Key(PublicKey),
    /// The block before the epoch is not in the store.
    #[error(
        "the block at height {height}, from which epoch {epoch} begins, is not in the store, and the engine's directory is ahead of it: `causeway rebuild` has the node begin anew from its peers"
    )]
    BoundaryMissing {
        /// The epoch to begin in.
        epoch: u64,
        /// The height of the block that it begins from.
        height: u64,
    },
    /// The certificate to begin at is none.
    #[error(
        "the certificate of the block at height {height}, from which this node begins, does not decode: restore the snapshot again"
    )]
    Floor {
        /// The block's height.
        height: u64,
    },
    /// The record of who votes from the engine's directory cannot be read.
    #[error("the record of this key's votes cannot be read: {0}; check that the data directory is readable")]
    Record(String),
    /// The committee cannot be used.
    #[error(transparent)]
    Committee(#[from] StopReason),
}

/// Why consensus ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum StopReason {
    /// The runtime was asked to stop.
    #[error("the node is shutting down")]
    Shutdown,
    /// An epoch's engine ended.
    #[error("the consensus engine of epoch {epoch} ended")]
    Engine {
        /// The epoch.
        epoch: u64,
    },
    /// The marshal ended: a store failed, or the ledger dropped an acknowledgement.
    #[error("the marshal ended: a store failed, or a final block was not acknowledged")]
    Marshal,
    /// Delivery of final blocks ended.
    #[error("delivery of final blocks ended")]
    Delivery,
    /// The channels are closed.
    #[error("the network ended")]
    Network,
    /// The ledger named a committee that cannot be one.
    #[error("the committee of epoch {epoch} is unusable: {why}")]
    UnusableCommittee {
        /// The epoch.
        epoch: u64,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// A running consensus.
pub struct Consensus {
    /// Whose turn it is.
    pub leaders: Leaders,
    /// Sends transactions to validators.
    pub forwarder: Forwarder,
    /// What peers forward here. Take it out and read it, or it fills and drops.
    pub forwarded: ForwardedBatches,
    /// Reads the engine's blocks and certificates.
    pub archive: Archive,
    handle: Handle<StopReason>,
}

impl Consensus {
    /// Waits until consensus has ended, and says why. A node that is not shutting down then stops as well.
    pub async fn stopped(self) -> StopReason {
        self.handle.await.unwrap_or(StopReason::Shutdown)
    }

    /// Divides the parts among those who use them.
    pub fn split(self) -> (Leaders, Forwarder, ForwardedBatches, Archive, Handle<StopReason>) {
        (self.leaders, self.forwarder, self.forwarded, self.archive, self.handle)
    }
}

/// Final blocks and certificates as the engine has them, which may be ahead of what the ledger has applied.
#[derive(Clone)]
pub struct Archive(Marshal);

impl std::fmt::Debug for Archive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Archive")
    }
}

impl Archive {
    /// The final block at `height`.
    pub async fn block(&self, height: u64) -> Option<Arc<Block>> {
        let block = self.0.get_block(Height::new(height)).await?;
        Some(block.inner().block().clone())
    }

    /// The certificate of the block at `height`, if it has one of its own.
    pub async fn certificate(&self, height: u64) -> Option<Certificate> {
        own_certificate(&self.0, Height::new(height)).await
    }
}

/// Starts a node's consensus.
///
/// `strategy` is where signatures are verified and digests computed: `Sequential` in simulations, the runtime's own
/// threads in production.
///
/// # Errors
/// The configuration contradicts itself, or the stores do not hold what the engine's directory says they do.
pub async fn start<E, S, R, M, B, T, FC, FB>(
    context: E,
    config: Config,
    network: Network<S, R, M, B>,
    stores: Stores<FC, FB>,
    ledger: Arc<dyn Ledger>,
    strategy: T,
) -> Result<Consensus, StartError>
where
    E: KeepsJournals,
    S: Sender<PublicKey = ed25519::PublicKey>,
    R: Receiver<PublicKey = ed25519::PublicKey>,
    M: AddressableManager<PublicKey = ed25519::PublicKey>,
    B: Blocker<PublicKey = ed25519::PublicKey>,
    T: Strategy,
    FC: Certificates<BlockDigest = Digest, Commitment = Digest, Scheme = Scheme>,
    FB: Blocks<Block = Arc<SealedBlock>>,
{
    check(&config)?;
    let me = theirs(&config.signer.public_key()).ok_or(StartError::Key(config.signer.public_key()))?;
    let Network { channels, manager, blocker, peers_max } = network;
    let Channels { votes, certificates, certificate_requests, blocks, block_requests, forwarding } = channels;
    let epocher = FixedEpocher::new(config.epoch_length);
    let page_cache = CacheRef::new(PAGE_BYTES, PAGES);
    let votes_from = match &config.signer {
        Signer::Voting(_) => voting::votes_from(&context, &config.partition, &config.signer.public_key()).await,
        Signer::Silent(_) => Ok(0),
    };
    let votes_from = votes_from.map_err(|error| StartError::Record(error.to_string()))?;
    let schemes = Schemes::new(&config.chain_id, config.signer.clone(), votes_from);

    let settings = marshal_settings(&config, &epocher, &schemes, &page_cache, strategy.clone())?;
    let (actor, marshal, floor) =
        Actor::init(context.child("marshal"), stores.certificates, stores.blocks, settings).await;
    let epoch = resumed_epoch(&floor, config.floor.as_ref(), &epocher);
    // The marshal verifies certificates as soon as it runs, so the committee comes first.
    let committee = ledger.committee(epoch.get()).await;
    let mut peering = Peering::new(manager.clone(), config.signer.public_key(), peers_max);
    let entered = enter(epoch, &committee, &schemes, &mut peering)?;

    let (inbox, outbox, turns) = delivery(ledger.clone(), epocher.clone());
    let peers = Peers { me: me.clone(), manager: manager.clone(), blocker: blocker.clone() };
    let (marshal_handle, buffer) =
        start_marshal(&context, actor, inbox, &config.pace, peers, (blocks, block_requests), strategy.clone());
    let parent = boundary_digest(&marshal, &config, &epocher, epoch).await?;
    let delivery = start_delivery(&context, outbox, marshal.clone());
    let (forwarder, forwarded, forwarding) = start_forwarding(&context, forwarding, me);

    let (announcer, leaders) = Announcer::new();
    let archive = Archive(marshal.clone());
    let epochs_context = context.child("epochs");
    let application = LedgerApplication::new(ledger.clone());
    let epochs = Epochs {
        application: Inline::new(context.child("application"), application, marshal.clone(), epocher.clone()),
        subchannels: Subchannels::divide(&epochs_context, votes, certificates, certificate_requests),
        context: epochs_context.child("engines"),
        ledger,
        marshal,
        epocher,
        schemes,
        announcer,
        peering,
        blocker,
        strategy,
        pace: config.pace,
        page_cache,
        partition: config.partition,
    };
    let epochs = epochs_context.spawn(move |_| epochs.run(entered, parent, turns));
    let parts = Parts { epochs, marshal: marshal_handle, buffer, delivery, forwarding };
    let handle = context.spawn(move |context| parts.watch(context.stopped()));
    Ok(Consensus { leaders, forwarder, forwarded, archive, handle })
}

/// Who this node is among its peers, and how it steers the network.
struct Peers<M, B> {
    me: ed25519::PublicKey,
    manager: M,
    blocker: B,
}

/// Starts the marshal with what feeds it: the buffer of proposed blocks, and requests for past ones.
fn start_marshal<E, S, R, M, B, T, FC, FB>(
    context: &E,
    actor: Actor<E, Standard<SealedBlock>, Schemes, FC, FB, FixedEpocher, T, Exact>,
    inbox: Inbox,
    pace: &Pace,
    peers: Peers<M, B>,
    (blocks, block_requests): ((S, R), (S, R)),
    strategy: T,
) -> (Handle<()>, Handle<()>)
where
    E: Runtime,
    S: Sender<PublicKey = ed25519::PublicKey>,
    R: Receiver<PublicKey = ed25519::PublicKey>,
    M: AddressableManager<PublicKey = ed25519::PublicKey>,
    B: Blocker<PublicKey = ed25519::PublicKey>,
    T: Strategy,
    FC: Certificates<BlockDigest = Digest, Commitment = Digest, Scheme = Scheme>,
    FB: Blocks<Block = Arc<SealedBlock>>,
{
    let (buffer, buffered_blocks) = buffered::Engine::new(
        context.child("blocks"),
        buffered::Config {
            public_key: peers.me.clone(),
            mailbox_size: MAILBOX_SIZE,
            deque_size: BLOCKS_BUFFERED_PER_PEER,
            priority: true,
            codec_config: (),
            peer_provider: peers.manager.clone(),
            strategy,
        },
    );
    let resolver = block_resolver::init(
        context.child("block_requests"),
        block_resolver::Config {
            public_key: peers.me,
            peer_provider: peers.manager,
            blocker: peers.blocker,
            mailbox_size: MAILBOX_SIZE,
            fetch_timeout: pace.fetch_timeout(),
            fetch_retry_delay: pace.fetch_retry,
            priority_requests: false,
            priority_responses: false,
        },
        block_requests,
    );
    (actor.start(inbox, buffered_blocks, resolver), buffer.start(blocks))
}

/// Starts handing final blocks to the ledger.
fn start_delivery<E: Runtime>(context: &E, outbox: Delivery, marshal: Marshal) -> Handle<()> {
    context.child("delivery").spawn(move |context| outbox.run(context, marshal))
}

/// Opens the channel of forwarded transactions, both ways.
fn start_forwarding<E, S, R>(
    context: &E,
    (sender, receiver): (S, R),
    me: ed25519::PublicKey,
) -> (Forwarder, ForwardedBatches, Handle<()>)
where
    E: Runtime,
    S: Sender<PublicKey = ed25519::PublicKey>,
    R: Receiver<PublicKey = ed25519::PublicKey>,
{
    let (inbound, forwarded) = forwarding::inbound();
    let receiving = context.child("forwarding").spawn(move |context| forwarding::receive(context, receiver, inbound));
    (Forwarder::new(sender, me), forwarded, receiving)
}

/// The epoch of the first height whose acknowledgement was not stored: above what was processed, or at the block to begin at.
fn resumed_epoch(floor: &Floor, starting: Option<&StartingBlock>, epocher: &FixedEpocher) -> Epoch {
    let processed = floor.processed().map_or(Height::zero(), |processed| processed.height().next());
    let next = processed.max(starting.map_or(Height::zero(), |starting| Height::new(starting.height)));
    epocher.containing(next).map_or(Epoch::zero(), |position| position.epoch())
}

/// The tasks that must all run.
struct Parts {
    epochs: Handle<StopReason>,
    marshal: Handle<()>,
    buffer: Handle<()>,
    delivery: Handle<()>,
    forwarding: Handle<()>,
}

impl Parts {
    /// Waits for the first to end, and ends the others.
    async fn watch(mut self, mut stopping: signal::Signal) -> StopReason {
        let ended = select! {
            reason = &mut self.epochs => reason.unwrap_or(StopReason::Shutdown),
            _ = &mut self.marshal => StopReason::Marshal,
            _ = &mut self.buffer => StopReason::Network,
            _ = &mut self.delivery => StopReason::Delivery,
            _ = &mut self.forwarding => StopReason::Network,
        };
        // Told to stop, the parts end in any order, and whichever was first is no failure.
        let reason = if (&mut stopping).now_or_never().is_some() { StopReason::Shutdown } else { ended };
        self.epochs.abort();
        self.marshal.abort();
        self.buffer.abort();
        self.delivery.abort();
        self.forwarding.abort();
        if reason != StopReason::Shutdown {
            error!(%reason, "consensus ended");
        }
        reason
    }
}

fn check(config: &Config) -> Result<(), StartError> {
    match config.genesis.header().height {
        0 => {}
        height => return Err(StartError::GenesisHeight(height)),
    }
    if config.epoch_length.get() < 2 {
        return Err(StartError::EpochLength);
    }
    if !config.pace.is_ordered() {
        return Err(StartError::Pace);
    }
    Ok(())
}

fn marshal_settings<T: Strategy>(
    config: &Config,
    epocher: &FixedEpocher,
    schemes: &Schemes,
    page_cache: &CacheRef,
    strategy: T,
) -> Result<marshal::Config<Schemes, FixedEpocher, T, SealedBlock, Digested<SealedBlock>>, StartError> {
    let genesis = SealedBlock::seal(config.genesis.clone());
    let digest = genesis.digest();
    let start = match &config.floor {
        None => Start::Genesis(Digested::precomputed(genesis, digest)),
        // Where the engine has progress that covers it, it is passed over.
        Some(StartingBlock { height, certificate }) => {
            let finalization = Finalization::decode_cfg(certificate.clone(), &VALIDATORS_MAX);
            Start::Floor(finalization.map_err(|_| StartError::Floor { height: *height })?)
        }
    };
    Ok(marshal::Config {
        provider: schemes.clone(),
        epocher: epocher.clone(),
        start,
        partition_prefix: format!("{}-marshal", config.partition),
        mailbox_size: MAILBOX_SIZE,
        view_retention: VIEWS_RETAINED,
        prunable_items_per_section: NZU64!(256),
        page_cache: page_cache.clone(),
        replay_buffer: BUFFER_BYTES,
        key_write_buffer: BUFFER_BYTES,
        value_write_buffer: BUFFER_BYTES,
        block_codec_config: (),
        max_repair: REPAIRS_MAX,
        max_pending_acks: PENDING_ACKNOWLEDGEMENTS,
        strategy,
    })
}

/// The digest of the block that `epoch` begins from: the last of the epoch before, or the genesis block. That is in every store
/// but those that begin at a floor.
async fn boundary_digest(
    marshal: &Marshal,
    config: &Config,
    epocher: &FixedEpocher,
    epoch: Epoch,
) -> Result<Digest, StartError> {
    let last_before = epoch.previous().and_then(|previous| epocher.last(previous));
    if last_before.is_none() && config.floor.is_some() {
        return Ok(super::block::digest(config.genesis.hash()));
    }
    let height = last_before.unwrap_or_else(Height::zero);
    let (_, block) = marshal
        .get_info(height)
        .await
        .ok_or(StartError::BoundaryMissing { epoch: epoch.get(), height: height.get() })?;
    Ok(block)
}

#[cfg(test)]
mod tests {
    use super::*;
    use commonware_runtime::{Runner as _, Spawner as _, Supervisor as _, deterministic};

    /// Without what peers forward a node goes on as if nothing were missing, so its end must end consensus.
    #[test]
    fn the_end_of_forwarding_ends_consensus() {
        deterministic::Runner::default().start(|context| async move {
            let runs = |name: &'static str| context.child(name).spawn(|_| futures::future::pending::<()>());
            let parts = Parts {
                epochs: context.child("epochs").spawn(|_| futures::future::pending()),
                marshal: runs("marshal"),
                buffer: runs("buffer"),
                delivery: runs("delivery"),
                forwarding: context.child("forwarding").spawn(|_| async {}),
            };
            assert_eq!(parts.watch(context.stopped()).await, StopReason::Network);
        });
    }
}
