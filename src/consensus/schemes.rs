//! The signing scheme of each epoch that this node has entered.

use super::Scheme;
use super::engine::Signer;
use super::keys::theirs;
use crate::ledger::certificate::consensus_namespace;
use crate::primitives::ids::ChainId;
use commonware_consensus::types::Epoch;
use commonware_cryptography::certificate::{Provider, Scoped};
use commonware_cryptography::ed25519;
use commonware_utils::ordered::Set;
use commonware_utils::sync::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Schemes by epoch, shared with the marshal, which verifies certificates of any epoch it syncs.
#[derive(Clone)]
pub(super) struct Schemes {
    namespace: Arc<[u8]>,
    signer: Arc<Signer>,
    by_epoch: Arc<Mutex<BTreeMap<Epoch, Arc<Scheme>>>>,
}

impl Schemes {
    /// No epoch yet.
    pub fn new(chain_id: &ChainId, signer: Signer) -> Self {
        Self { namespace: consensus_namespace(chain_id).into(), signer: Arc::new(signer), by_epoch: Arc::default() }
    }

    /// Makes `epoch`'s certificates verifiable, and its votes signable if this node votes in it.
    pub fn enter(&self, epoch: Epoch, validators: Set<ed25519::PublicKey>) -> Arc<Scheme> {
        let verifier = || Scheme::verifier(&self.namespace, validators.clone());
        let scheme = match self.signer.as_ref() {
            Signer::Voting(key) => Scheme::signer(&self.namespace, validators.clone(), key.clone()),
            Signer::Silent(key) => {
                theirs(key).and_then(|key| Scheme::member(&self.namespace, validators.clone(), &key))
            }
        };
        let scheme = Arc::new(scheme.unwrap_or_else(verifier));
        self.by_epoch.lock().insert(epoch, scheme.clone());
        scheme
    }
}

impl Provider for Schemes {
    type Scope = Epoch;
    type Scheme = Scheme;

    fn scoped(&self, epoch: Epoch) -> Option<Scoped<Scheme>> {
        self.by_epoch.lock().get(&epoch).cloned().map(Scoped::scheme)
    }
}
