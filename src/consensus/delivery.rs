//! Final blocks on their way from the engine to the ledger, one at a time and in order.

use super::block::{Digest, SealedBlock, hash};
use super::port::{Acknowledgement, FinalizedBlock, Ledger, PeersChanged, Tip};
use super::{Finalization, Runtime, Scheme};
use crate::ledger::certificate::Certificate;
use crate::primitives::codec::{CodecError, Decode as _};
use commonware_actor::Feedback;
use commonware_codec::Encode as _;
use commonware_consensus::marshal::Update;
use commonware_consensus::marshal::core::Mailbox;
use commonware_consensus::marshal::standard::Standard;
use commonware_consensus::types::{Epoch, Epocher as _, FixedEpocher, Height};
use commonware_consensus::{Heightable as _, Reporter};
use commonware_cryptography::{Digested, Digestible as _};
use commonware_macros::select_loop;
use commonware_utils::Acknowledgement as _;
use commonware_utils::acknowledgement::Exact;
use commonware_utils::channel::mpsc;
use std::sync::Arc;
use tracing::{debug, error};

/// The marshal, as the rest of this room asks it.
pub(super) type Marshal = Mailbox<Scheme, Standard<SealedBlock>>;

/// The last block of an epoch was delivered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Boundary {
    /// The epoch that it ends.
    pub epoch: Epoch,
    /// The block that the next epoch begins from.
    pub block: Digest,
}

/// What a delivered block means for the epochs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Turn {
    /// It was its epoch's last.
    EpochEnds(Boundary),
    /// It changed whom the node is connected with.
    PeersChange,
}

/// Where the marshal reports final blocks. The queue is bounded by the marshal, which stops at
/// [`super::port::UNACKNOWLEDGED_BLOCKS_MAX`] blocks without an acknowledgement.
#[derive(Clone)]
pub(super) struct Inbox {
    ledger: Arc<dyn Ledger>,
    sender: mpsc::UnboundedSender<(Digested<SealedBlock>, Exact)>,
}

/// Takes blocks out of the inbox and hands them over.
pub(super) struct Delivery {
    ledger: Arc<dyn Ledger>,
    epocher: FixedEpocher,
    receiver: mpsc::UnboundedReceiver<(Digested<SealedBlock>, Exact)>,
    turns: mpsc::UnboundedSender<Turn>,
}

/// An inbox, what empties it, and where it is told what a block means for the epochs.
pub(super) fn delivery(
    ledger: Arc<dyn Ledger>,
    epocher: FixedEpocher,
) -> (Inbox, Delivery, mpsc::UnboundedReceiver<Turn>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let (turns, heard) = mpsc::unbounded_channel();
    let inbox = Inbox { ledger: ledger.clone(), sender };
    (inbox, Delivery { ledger, epocher, receiver, turns }, heard)
}

impl Reporter for Inbox {
    type Activity = Update<SealedBlock>;

    fn report(&mut self, update: Self::Activity) -> Feedback {
        match update {
            Update::Tip(round, height, digest) => {
                self.ledger.tip(Tip {
                    epoch: round.epoch().get(),
                    view: round.view().get(),
                    height: height.get(),
                    block: hash(digest),
                });
                Feedback::Ok
            }
            Update::Block(block, acknowledgement) => match self.sender.send((block, acknowledgement)) {
                Ok(()) => Feedback::Ok,
                Err(_) => Feedback::Closed,
            },
        }
    }
}

impl Delivery {
    /// Delivers until the runtime stops or the marshal is gone.
    pub async fn run<E: Runtime>(mut self, context: E, marshal: Marshal) {
        select_loop! {
            context,
            on_stopped => {
                debug!("delivery of final blocks stopped");
            },
            Some((block, acknowledgement)) = self.receiver.recv() else break => {
                self.deliver(&marshal, block, acknowledgement).await;
            },
        }
    }

    async fn deliver(&self, marshal: &Marshal, block: Digested<SealedBlock>, acknowledgement: Exact) {
        let height = block.height();
        let certificate = own_certificate(marshal, height).await;
        let peers = self
            .ledger
            .finalized(FinalizedBlock {
                block: block.inner().block().clone(),
                certificate,
                acknowledgement: Acknowledgement::new(move || acknowledgement.acknowledge()),
            })
            .await;
        let Some(position) = self.epocher.containing(height) else { return };
        if position.last() == height {
            let boundary = Boundary { epoch: position.epoch(), block: block.digest() };
            debug!(epoch = %boundary.epoch, %height, "the epoch's last block is final");
            // Nobody listens any more only when consensus is stopping. The next epoch's entry tracks its peers.
            let _ = self.turns.send(Turn::EpochEnds(boundary));
        } else if peers == PeersChanged::Yes {
            let _ = self.turns.send(Turn::PeersChange);
        }
    }
}

/// The certificate of the block at `height`, if it became final by one of its own.
pub(super) async fn own_certificate(marshal: &Marshal, height: Height) -> Option<Certificate> {
    let finalization = marshal.get_finalization(height).await?;
    match certificate(&finalization) {
        Ok(certificate) => Some(certificate),
        Err(error) => {
            error!(%height, %error, "the engine's certificate is not in the documented format");
            None
        }
    }
}

/// Our form of the engine's finalisation. They are the same bytes.
///
/// # Errors
/// Never of a finalisation that the engine verified: its committees are below our limit.
pub fn certificate(finalization: &Finalization) -> Result<Certificate, CodecError> {
    Certificate::from_bytes(&finalization.encode())
}
