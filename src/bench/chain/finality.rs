//! Final blocks without an engine: certificates by validators whose keys are all in one hand, and blocks and certificates kept
//! in the engine's own stores.
//!
//! # Deliberately absent
//! Votes, views that fail, and a network: every block is final in the view of its height.

use crate::bench::BenchError;
use crate::client::KeyPair;
use crate::consensus::block::digest;
use crate::consensus::{Finalization, Scheme, SealedBlock, private_key};
use crate::ledger::certificate::consensus_namespace;
use crate::ledger::validators::VALIDATORS_MAX;
use crate::ledger::{Header, ValidatorSet};
use crate::primitives::ChainId;
use crate::storage::stores::{self, BlockStore, CertificateStore};
use crate::storage::{StorageError, Store};
use commonware_consensus::marshal::store::{Blocks as _, Certificates as _};
use commonware_consensus::simplex::types::{Finalize, Proposal};
use commonware_consensus::types::{Epoch, Height, Round, View};
use commonware_cryptography::{Signer as _, sha256};
use commonware_parallel::Sequential;
use commonware_utils::iter::NonEmpty;
use commonware_utils::ordered::Set;
use std::sync::Arc;

/// Validators who sign whatever block they are shown.
pub struct Validators {
    /// A quorum of them.
    signing: Vec<Scheme>,
    epoch_length: u64,
}

impl Validators {
    /// Of these keys.
    ///
    /// # Errors
    /// They are no set of validators.
    pub fn new(chain_id: ChainId, keys: &[KeyPair], epoch_length: u64) -> Result<Self, BenchError> {
        let no_set = || BenchError::Internal("these keys are no set of validators".to_owned());
        let set = ValidatorSet::new(keys.iter().map(KeyPair::public_key).collect()).ok_or_else(no_set)?;
        let secrets: Vec<_> = keys.iter().map(|key| private_key(&key.seed())).collect();
        let members = Set::from_iter_dedup(secrets.iter().map(|secret| secret.public_key()));
        let namespace = consensus_namespace(&chain_id);
        let signer = |secret| Scheme::signer(&namespace, members.clone(), secret).ok_or_else(no_set);
        let signing = secrets.into_iter().take(set.quorum()).map(signer).collect::<Result<_, _>>()?;
        Ok(Self { signing, epoch_length })
    }

    /// A quorum's certificate of a block.
    ///
    /// # Errors
    /// They cannot sign, which would be a fault of this program.
    pub fn certify(&self, header: &Header) -> Result<Finalization, BenchError> {
        let (epoch, height) = (header.height / self.epoch_length, header.height);
        let round = Round::new(Epoch::new(epoch), View::new(height));
        let proposal = Proposal::new(round, View::new(height - 1), digest(header.hash()));
        let votes = self.signing.iter().map(|scheme| Finalize::sign(scheme, proposal.clone()));
        let fault = || BenchError::Internal("the validators could not certify a block".to_owned());
        let votes = votes.collect::<Option<Vec<_>>>().ok_or_else(fault)?;
        let (votes, scheme) = NonEmpty::try_new(votes.iter()).zip(self.signing.first()).ok_or_else(fault)?;
        Finalization::from_finalizes(scheme, votes, &Sequential).map_err(|_| fault())
    }
}

type Stores<S> = (BlockStore<S, Arc<SealedBlock>>, CertificateStore<S, Scheme, sha256::Digest>);

/// The engine's stores of final blocks and certificates, over the node's store.
pub struct Final<S: Store> {
    /// Taken and given back by each write, as the engine's port has it.
    stores: Option<Stores<S>>,
}

impl<S: Store> Final<S> {
    /// Over a store.
    ///
    /// # Errors
    /// The store fails.
    pub fn open(store: S) -> Result<Self, StorageError> {
        Ok(Self { stores: Some(stores::open(store, (), VALIDATORS_MAX)?) })
    }

    /// Keeps a block and its certificate, synced.
    ///
    /// # Errors
    /// The store fails.
    pub async fn keep(&mut self, block: &Arc<SealedBlock>, certificate: &Finalization) -> Result<(), BenchError> {
        let ended = || BenchError::Internal("the store failed before".to_owned());
        let (blocks, certificates) = self.stores.take().ok_or_else(ended)?;
        let header = block.block().header();
        let digest = digest(header.hash());
        let blocks = blocks.put(digest, block).await?;
        let certificates = certificates.put(Height::new(header.height), digest, certificate).await?;
        self.stores = Some((blocks.sync().await?, certificates.sync().await?));
        Ok(())
    }
}
