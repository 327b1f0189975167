//! Why a node cannot start or go on. One line each; the operator reads it as it stands.

use crate::consensus::{StartError, StopReason};
use crate::execution::InvalidBlock;
use crate::execution::genesis::GenesisError;
use crate::primitives::{CodecError, PublicKey};
use crate::storage::StorageError;
use std::sync::Arc;
use thiserror::Error;

/// A failure that ends the node.
#[derive(Clone, Debug, Error)]
pub enum NodeError {
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The genesis file cannot be used.
    #[error("{0}")]
    Genesis(Arc<GenesisError>),
    /// A validator cannot be reached, because nothing says where it is.
    #[error(
        "neither the configuration nor the ledger says where validator {0} listens: add it to the peers, or have governance set its address"
    )]
    ValidatorWithoutAddress(PublicKey),
    /// Consensus did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Consensus ended.
    #[error("consensus ended: {0}")]
    Consensus(StopReason),
    /// A record of the node's own does not decode.
    #[error(
        "{what} in the store does not decode ({cause}): do not start this node again on it; `causeway rebuild` has it begin anew from its peers"
    )]
    Record {
        /// Which.
        what: &'static str,
        /// Why.
        cause: CodecError,
    },
    /// A record of the node's own is missing.
    #[error(
        "{0} is missing from the store: do not start this node again on it; `causeway rebuild` has it begin anew from its peers"
    )]
    MissingRecord(&'static str),
    /// A final block is missing that is needed to bring the state up to date.
    #[error(
        "block {0} is final but neither applied nor in the store: store and engine directory are not of one backup; `causeway rebuild` has the node begin anew from its peers"
    )]
    MissingBlock(u64),
    /// A block that is final does not follow the rules here.
    #[error(
        "block {height} is final but invalid here ({cause}): this node's software or state differs from the quorum's; it stops before it does harm"
    )]
    InvalidFinalBlock {
        /// Its height.
        height: u64,
        /// The rule that it breaks.
        cause: Arc<InvalidBlock>,
    },
    /// A transaction of a final block is not authentic here.
    #[error("block {height} is final but a transaction in it is not authentic here ({cause}); the node stops")]
    ForeignTransaction {
        /// The block's height.
        height: u64,
        /// What is wrong with it.
        cause: String,
    },
    /// The next block follows a version of the protocol that this software does not know.
    #[error(
        "from height {height} on the ledger follows version {version} of the protocol, and this software knows none after {version_max}: install a newer one and start the node again, on the same data"
    )]
    ProtocolTooNew {
        /// The version.
        version: u32,
        /// The newest that this software follows.
        version_max: u32,
        /// The first height that follows it.
        height: u64,
    },
    /// A task ended that runs as long as the node.
    #[error("the node's {0} ended by itself: start the node again, and report what its log says before this line")]
    TaskEnded(&'static str),
    /// A block was to be committed that does not follow the head.
    #[error("block {height} does not follow the applied block {head}")]
    NotTheNextBlock {
        /// Its height.
        height: u64,
        /// The head's height.
        head: u64,
    },
}

impl NodeError {
    /// A record that does not decode.
    pub(super) fn record(what: &'static str, cause: CodecError) -> Self {
        Self::Record { what, cause }
    }

    /// Whether the store failed, or does not hold what was written to it: whatever it answers is worth nothing then.
    pub(super) fn is_of_the_store(&self) -> bool {
        matches!(self, Self::Storage(_) | Self::Record { .. } | Self::MissingRecord(_) | Self::MissingBlock(_))
    }
}

impl From<GenesisError> for NodeError {
    fn from(error: GenesisError) -> Self {
        Self::Genesis(Arc::new(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each of them tells its operator not to start the node again on this store: then it does not go on with it either.
    #[test]
    fn what_tells_of_a_damaged_store_is_of_the_store() {
        let damaged = [
            NodeError::record("a block", CodecError::Trailing { count: 1 }),
            NodeError::MissingRecord("a block's outcomes"),
            NodeError::MissingBlock(7),
        ];
        assert!(damaged.iter().all(NodeError::is_of_the_store));
        assert!(!NodeError::TaskEnded("relay").is_of_the_store());
    }
}
