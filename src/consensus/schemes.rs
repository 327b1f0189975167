//! The signing scheme of each epoch that this node has entered.

use super::Scheme;
use super::engine::Signer;
use super::keys::theirs;
use crate::ledger::certificate::consensus_namespace;
use crate::primitives::crypto::PublicKey;
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
    /// The first epoch in which this node votes, if it votes at all.
    votes_from: u64,
    by_epoch: Arc<Mutex<BTreeMap<Epoch, Arc<Scheme>>>>,
}

impl Schemes {
    /// No epoch yet.
    pub fn new(chain_id: &ChainId, signer: Signer, votes_from: u64) -> Self {
        let namespace = consensus_namespace(chain_id).into();
        Self { namespace, signer: Arc::new(signer), votes_from, by_epoch: Arc::default() }
    }

    /// Whether this node's key signs in an epoch, if it is a validator there.
    pub fn votes_in(&self, epoch: Epoch) -> bool {
        matches!(*self.signer, Signer::Voting(_)) && epoch.get() >= self.votes_from
    }

    /// This node's key.
    pub fn public_key(&self) -> PublicKey {
        self.signer.public_key()
    }

    /// Makes `epoch`'s certificates verifiable, and its votes signable if this node votes in it.
    pub fn enter(&self, epoch: Epoch, validators: Set<ed25519::PublicKey>) -> Arc<Scheme> {
        let verifier = || Scheme::verifier(&self.namespace, validators.clone());
        let scheme = match self.signer.as_ref() {
            Signer::Voting(key) if self.votes_in(epoch) => {
                Scheme::signer(&self.namespace, validators.clone(), key.clone())
            }
            Signer::Voting(_) | Signer::Silent(_) => {
                theirs(&self.public_key()).and_then(|key| Scheme::member(&self.namespace, validators.clone(), &key))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consensus::keys::PrivateKey;
    use commonware_cryptography::Signer as _;
    use commonware_cryptography::certificate::{Membership, Scheme as _};

    /// A node that begins anew passes through epochs whose journals are gone.
    #[test]
    fn nobody_votes_before_the_epoch_from_which_its_journals_are_kept() {
        let keys: Vec<_> = (1..5).map(PrivateKey::from_seed).collect();
        let validators: Set<_> = Set::from_iter_dedup(keys.iter().map(|key| key.public_key()));
        let may_sign = |signer: Signer, epoch| {
            let schemes = Schemes::new(&ChainId([1; 32]), signer, 4);
            let is_signer = matches!(schemes.enter(epoch, validators.clone()).me(), Some(Membership::Signer(_)));
            assert_eq!(schemes.votes_in(epoch), is_signer, "{epoch}");
            is_signer
        };
        let voting = || Signer::Voting(keys[0].clone());
        let silent = || Signer::Silent(crate::consensus::keys::ours(&keys[0].public_key()));
        assert_eq!([3, 4, 5].map(|epoch| may_sign(voting(), Epoch::new(epoch))), [false, true, true]);
        assert_eq!([3, 4, 5].map(|epoch| may_sign(silent(), Epoch::new(epoch))), [false; 3]);
    }
}
