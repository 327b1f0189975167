//! The first of the audit's three steps: blocks as they are stored, and everything about them that needs no state.
//!
//! A block's bytes, its height, its entry in the index, its certificate, and every signature in it. None of that depends on
//! another block, so all cores have a part in it.

use super::{AuditError, Failure, Fault, check_entry};
use crate::admission::{Authenticator, Offence};
use crate::consensus::block::SealedBlock;
use crate::execution::Transaction;
use crate::execution::genesis::Genesis;
use crate::ledger::validators::read_set;
use crate::ledger::{Block, Certificate, Entry as _, Header, SignedTransaction, ValidatorSet, consensus_namespace};
use crate::primitives::Decode as _;
use crate::storage::{Reader, StorageError, StoreColumn, height_key};
use bytes::Bytes;
use commonware_parallel::Strategy;
use rand_core::CryptoRng;
use std::sync::Arc;

/// Bytes of blocks in a window: some 12,000 payments, a dozen batches of signatures.
const WINDOW_BYTES: usize = 4 << 20;

/// More sets of validators than there can be in a chain that fits a disk.
const SETS_MAX: usize = 1 << 20;

/// A block as it is stored.
pub(super) struct Stored {
    /// The block.
    pub block: Arc<Block>,
    /// Whether its certificate holds, if it has one.
    pub certificate: Option<Result<(), Fault>>,
}

/// A block whose transactions are authentic.
pub(super) struct Authentic {
    /// The block.
    pub stored: Stored,
    /// Its transactions.
    pub transactions: Vec<Arc<Transaction>>,
}

/// See the module.
pub(super) struct Reading<'a, R, S: Strategy> {
    store: &'a R,
    genesis: &'a Genesis,
    namespace: Vec<u8>,
    /// The validators by the first epoch of which they are, the last first: as the state has them, which is itself compared with
    /// what execution comes to.
    sets: Vec<(u64, ValidatorSet)>,
    strategy: &'a S,
    authenticator: Authenticator<S>,
    next: u64,
}

impl<'a, R: Reader, S: Strategy> Reading<'a, R, S> {
    /// From the first height on.
    ///
    /// # Errors
    /// The store failed.
    pub fn new(store: &'a R, genesis: &'a Genesis, strategy: &'a S) -> Result<Self, StorageError> {
        let namespace = consensus_namespace(&genesis.chain_id());
        // Every transaction is met once, so none is worth remembering.
        let authenticator = Authenticator::new(strategy.clone(), 0);
        let column = StoreColumn::State(ValidatorSet::COLUMN);
        // One that does not decode is found with the rest of the state.
        let sets = store.scan(column, &[], SETS_MAX)?;
        let sets = sets.iter().filter_map(|(key, value)| read_set(key, value).ok()).collect();
        Ok(Self { store, genesis, namespace, sets, strategy, authenticator, next: 1 })
    }

    /// The next blocks, so many at most, up to the last height. None: there are no more.
    pub fn window(
        &mut self,
        last: u64,
        blocks_max: usize,
        rng: &mut impl CryptoRng,
    ) -> Vec<Result<Authentic, AuditError>> {
        let (first, mut found, mut size) = (self.next, Vec::new(), 0);
        while self.next <= last && size < WINDOW_BYTES && found.len() < blocks_max {
            let bytes = self.bytes(self.next);
            size += bytes.as_ref().map_or(0, Bytes::len);
            found.push((self.next, bytes));
            self.next += 1;
        }
        let open = |(height, bytes): (u64, Result<Bytes, Failure>)| {
            bytes.and_then(|bytes| self.open(height, &bytes)).map_err(|failure| failure.at(height))
        };
        let stored = self.strategy.map_collect_vec(found, open);
        let signed: Vec<&[SignedTransaction]> =
            stored.iter().map(|stored| stored.as_ref().map_or(&[][..], |stored| stored.block.transactions())).collect();
        let authentic = self.authenticator.authenticate_history(rng, &signed);
        let blocks = stored.into_iter().zip(authentic).zip(first..);
        let joined = blocks.map(|((stored, authentic), height)| {
            let not_authentic = |offence: Offence| AuditError::Block {
                height,
                fault: Fault::NotAuthentic { index: offence.index, refusal: offence.refusal },
            };
            Ok(Authentic { stored: stored?, transactions: authentic.map_err(not_authentic)? })
        });
        joined.collect()
    }

    /// The block at a height, if there is one.
    pub fn at(&self, height: u64) -> Result<Option<Stored>, Failure> {
        let bytes = self.store.get(StoreColumn::Blocks, &height_key(height))?;
        bytes.map(|bytes| self.open(height, &bytes)).transpose()
    }

    fn bytes(&self, height: u64) -> Result<Bytes, Failure> {
        let bytes = self.store.get(StoreColumn::Blocks, &height_key(height))?;
        Ok(bytes.ok_or(Fault::Missing(StoreColumn::Blocks))?)
    }

    /// A block's bytes, its height, its place in the index, and its certificate.
    fn open(&self, height: u64, bytes: &Bytes) -> Result<Stored, Failure> {
        let sealed = SealedBlock::open_stored(bytes).map_err(Fault::Undecodable)?;
        let header = sealed.block().header();
        if header.height != height {
            return Err(Fault::Height(header.height).into());
        }
        check_entry(self.store, StoreColumn::BlockIndex, header.hash().as_ref(), &height_key(height))?;
        let certificate = self.store.get(StoreColumn::Certificates, &height_key(height))?;
        let certificate = certificate.map(|bytes| self.check_certificate(header, &bytes));
        Ok(Stored { block: sealed.block().clone(), certificate })
    }

    /// Whether there is a certificate of a block whose body is gone. It must hold, and be in the index.
    pub fn certificate_of(&self, header: &Header) -> Result<bool, Failure> {
        let Some(bytes) = self.store.get(StoreColumn::Certificates, &height_key(header.height))? else {
            return Ok(false);
        };
        check_entry(self.store, StoreColumn::BlockIndex, header.hash().as_ref(), &height_key(header.height))?;
        self.check_certificate(header, &bytes)?;
        Ok(true)
    }

    fn check_certificate(&self, header: &Header, bytes: &[u8]) -> Result<(), Fault> {
        let certificate = Certificate::from_bytes(bytes).map_err(Fault::CertificateForm)?;
        let epoch = header.height / self.genesis.epoch_length();
        if certificate.block != header.hash() || certificate.epoch != epoch {
            return Err(Fault::CertificateOfAnother { block: certificate.block, epoch: certificate.epoch });
        }
        let validators = self.sets.iter().find(|(from, _)| *from <= epoch).ok_or(Fault::NoValidators(epoch))?;
        certificate.verify(&self.namespace, &validators.1).map_err(Fault::Certificate)
    }
}
