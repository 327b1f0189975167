//! The protocol's version as this node's software follows it: it warns when governance decided on one that it does not know,
//! and stops before the first block that follows that.
//!
//! # Invariants
//! * No block is executed by other rules than those of its version: a node stops at the last block that it knows how to follow,
//!   which it has committed.

use super::chain::Chain;
use super::error::NodeError;
use super::metrics::NodeMetrics;
use super::service::Versions;
use crate::execution::Executed;
use crate::ledger::history::PARAMETERS_KEY;
use crate::ledger::protocol::{PROTOCOL_KEY, Upgrade, protocol_of};
use crate::ledger::{Entry, Parameters, Protocol, View};
use crate::storage::{Store, StoreView};
use std::sync::{Mutex, PoisonError};
use tracing::{info, warn};

/// See the module.
pub struct Upgrades {
    /// The newest version that this node follows.
    version_max: u32,
    epoch_length: u64,
    metrics: NodeMetrics,
    protocol: Mutex<Protocol>,
}

impl Upgrades {
    /// As the chain's state has them.
    ///
    /// # Errors
    /// The next block follows a version that this node does not, or the store failed.
    pub fn of<S: Store>(chain: &Chain<S>, version_max: u32, metrics: NodeMetrics) -> Result<Self, NodeError> {
        let view = StoreView::new(chain.store().clone());
        let parameters = (&view as &dyn View).read::<Parameters>(&PARAMETERS_KEY);
        let protocol = protocol_of(&view);
        view.check()?;
        let Parameters { epoch_length } = parameters.ok_or(NodeError::MissingRecord("the ledger's parameters"))?;
        let protocol = protocol.ok_or(NodeError::MissingRecord("the protocol's version"))?;
        let upgrades = Self { version_max, epoch_length: epoch_length.max(1), metrics, protocol: Mutex::new(protocol) };
        let height = chain.head().header.height;
        upgrades.note(height);
        upgrades.require_known(height)?;
        Ok(upgrades)
    }

    /// Takes note of a committed block.
    ///
    /// # Errors
    /// The next one follows a version that this node does not, or the store failed.
    pub fn committed<S: Store>(&self, chain: &Chain<S>, executed: &Executed) -> Result<(), NodeError> {
        let height = executed.header.height;
        if executed.writes.keys().any(|(column, key)| *column == Protocol::COLUMN && **key == [PROTOCOL_KEY]) {
            let view = StoreView::new(chain.store().clone());
            let protocol = protocol_of(&view);
            view.check()?;
            *self.protocol.lock().unwrap_or_else(PoisonError::into_inner) =
                protocol.ok_or(NodeError::MissingRecord("the protocol's version"))?;
            self.note(height);
        } else if self.epoch_of(height + 1) != self.epoch_of(height) {
            self.note(height);
        }
        self.require_known(height)
    }

    /// What is to be told after a height.
    pub fn versions(&self, height: u64) -> Versions {
        let protocol = self.protocol();
        let epoch = self.epoch_of(height + 1);
        let in_force_at = |upgrade: Upgrade| (upgrade.version, upgrade.from_epoch.saturating_mul(self.epoch_length));
        Versions {
            version: protocol.in_epoch(epoch),
            version_max: self.version_max,
            decided: protocol.ahead_of(epoch).map(in_force_at),
        }
    }

    fn protocol(&self) -> Protocol {
        *self.protocol.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn epoch_of(&self, height: u64) -> u64 {
        height / self.epoch_length
    }

    /// Counts, and says in the log what whoever runs the node has to know.
    fn note(&self, height: u64) {
        let Versions { version, version_max, decided } = self.versions(height);
        let number = |version: u32| i64::from(version);
        self.metrics.protocol_version.set(number(version));
        self.metrics.protocol_version_max.set(number(version_max));
        self.metrics.protocol_version_decided.set(decided.map_or(0, |(version, _)| number(version)));
        match decided {
            Some((decided, from)) if decided > version_max => warn!(
                "the ledger follows version {decided} of the protocol from height {from} on, and this software knows \
                 none after {version_max}: install a newer one before then, or this node stops there"
            ),
            Some((decided, from)) => {
                info!("the ledger follows version {decided} of the protocol from height {from} on")
            }
            None => {}
        }
    }

    fn require_known(&self, height: u64) -> Result<(), NodeError> {
        let Versions { version, version_max, .. } = self.versions(height);
        match version <= version_max {
            true => Ok(()),
            false => Err(NodeError::ProtocolTooNew { version, version_max, height: height + 1 }),
        }
    }
}
