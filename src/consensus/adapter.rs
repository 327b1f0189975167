//! The engine's questions, put to the ledger.

use super::Scheme;
use super::block::{Digest, SealedBlock, hash};
use super::keys::ours;
use super::port::{Ancestors, Ledger, Slot};
use commonware_consensus::marshal::ancestry::Ancestry;
use commonware_consensus::simplex::types::Context;
use commonware_consensus::{Application, Block as _, Epochable as _, Viewable as _};
use commonware_cryptography::{Digested, Digestible as _, ed25519};
use futures::StreamExt as _;
use std::sync::Arc;
use tracing::error;

/// The engine's view of a slot.
type SlotContext = Context<Digest, ed25519::PublicKey>;

/// The ledger as the engine's application.
#[derive(Clone)]
pub(super) struct LedgerApplication {
    ledger: Arc<dyn Ledger>,
}

impl LedgerApplication {
    /// Wraps the ledger.
    pub fn new(ledger: Arc<dyn Ledger>) -> Self {
        Self { ledger }
    }
}

fn slot(context: &SlotContext) -> Slot {
    Slot {
        epoch: context.epoch().get(),
        view: context.view().get(),
        leader: ours(&context.leader),
        parent: hash(context.parent.1),
    }
}

fn ancestors(ancestry: impl Ancestry<SealedBlock>) -> Ancestors {
    Ancestors::new(ancestry.map(|block| block.inner().block().clone()))
}

impl<E: Send + 'static> Application<E> for LedgerApplication {
    type SigningScheme = Scheme;
    type Context = SlotContext;
    type Block = SealedBlock;
    type Input = ();

    async fn propose(
        &mut self,
        (_, context): (E, SlotContext),
        ancestry: impl Ancestry<SealedBlock>,
        (): (),
    ) -> Option<Digested<SealedBlock>> {
        let slot = slot(&context);
        let block = self.ledger.propose(slot, ancestors(ancestry)).await?;
        let sealed = SealedBlock::seal(block);
        if hash(sealed.parent()) != slot.parent {
            error!(?slot, "the ledger built on another parent than the slot's; slot given up");
            return None;
        }
        let digest = sealed.digest();
        Some(Digested::precomputed(sealed, digest))
    }

    async fn verify(&mut self, (_, context): (E, SlotContext), mut ancestry: impl Ancestry<SealedBlock>) -> bool {
        // The stream begins with the block itself. Without it there is no verdict, and no verdict is no vote.
        let Some(block) = ancestry.next().await else {
            return futures::future::pending().await;
        };
        let block = block.inner().block().clone();
        self.ledger.verify(slot(&context), block, ancestors(ancestry)).await
    }
}
