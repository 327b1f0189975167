//! The handovers from the genesis' validators to later ones, as receipts carry them.
//!
//! # Invariants
//! * A handover is read once: its block may be large, and every receipt after it carries it.

use super::error::NodeError;
use super::proofs::{stored_block, stored_certificate};
use crate::ledger::history::PARAMETERS_KEY;
use crate::ledger::receipt::{HANDOVERS_MAX, Handover};
use crate::ledger::validators::sets_until;
use crate::ledger::{Parameters, View};
use crate::storage::{Reader, StoreView};
use std::sync::{Mutex, PoisonError};

/// Those that were read, each with the epoch that it hands over to, in order.
#[derive(Default)]
pub struct Handovers(Mutex<Vec<(u64, Handover)>>);

impl Handovers {
    /// The handovers up to an epoch.
    ///
    /// # Errors
    /// The store failed, or lacks an epoch's last block or its certificate.
    pub fn until<R: Reader + Clone>(&self, store: &R, epoch: u64) -> Result<Vec<Handover>, NodeError> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.last().is_none_or(|(last, _)| *last < epoch) {
            let reached = known.last().map_or(0, |(last, _)| *last);
            known.extend(read(store, reached, epoch)?);
        }
        Ok(known.iter().take_while(|(from, _)| *from <= epoch).map(|(_, handover)| handover.clone()).collect())
    }
}

/// The handovers to epochs after `reached`, up to `epoch`.
fn read<R: Reader + Clone>(store: &R, reached: u64, epoch: u64) -> Result<Vec<(u64, Handover)>, NodeError> {
    let view = StoreView::new(store.clone());
    let parameters = (&view as &dyn View).read::<Parameters>(&PARAMETERS_KEY);
    // One more than handovers: the genesis' own.
    let mut sets = sets_until(&view, epoch, HANDOVERS_MAX + 1);
    view.check()?;
    let parameters = parameters.ok_or(NodeError::MissingRecord("the ledger's parameters"))?;
    sets.retain(|(from, _)| *from > reached);
    sets.reverse();
    let handover = |(from, next_validators): (u64, _)| {
        let height = from * parameters.epoch_length - 1;
        let block = stored_block(store, height)?.ok_or(NodeError::MissingBlock(height))?;
        // Nothing is built on an epoch's last block before it is final, so its certificate is its own.
        let missing = NodeError::MissingRecord("the certificate of an epoch's last block");
        let certificate = stored_certificate(store, height)?.ok_or(missing)?;
        Ok((from, Handover { header: block.header().clone(), certificate, next_validators }))
    };
    sets.into_iter().map(handover).collect()
}
