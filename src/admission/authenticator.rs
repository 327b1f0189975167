//! Authentication: signatures verified once, and all that are at hand, a block's or what waits at the door, in one batch.
//! Of a history, which is at hand whole, in batches of [`HISTORY_BATCH`] across its blocks.

use super::known_keys::KnownKeys;
use super::plausible::Plausible;
use super::refusal::Refusal;
use crate::execution::{Envelope, Operation, Transaction};
use crate::ledger::SignedTransaction;
use crate::ledger::transaction::TransactionSignature;
use crate::primitives::crypto::TRANSACTION_NAMESPACE;
use crate::primitives::{Hash, PublicKey};
use crate::wire::decode_body;
use ahash::RandomState;
use commonware_codec::{Copying, DecodeExt as _};
use commonware_cryptography::{BatchEntry, BatchVerifier as _, ed25519};
use commonware_parallel::{Sequential, Strategy};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand_core::CryptoRng;
use std::borrow::Borrow;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

/// Signatures of a history that are verified at once: past it a batch gains little, and below it cores would have no work.
const HISTORY_BATCH: usize = 1_024;

/// A transaction that has one meaning. Who signed it is not known yet.
#[derive(Clone, Debug)]
pub struct Decoded {
    signed: SignedTransaction,
    envelope: Envelope,
    operations: Vec<Operation>,
}

impl Decoded {
    /// Reads the body strictly.
    ///
    /// # Errors
    /// The first rule of form that it breaks.
    pub fn read(signed: SignedTransaction) -> Result<Self, Refusal> {
        let (envelope, operations) = decode_body(signed.body())?;
        Ok(Self { signed, envelope, operations })
    }

    /// What stands around the operations.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// The transaction as it came.
    pub fn signed(&self) -> &SignedTransaction {
        &self.signed
    }

    /// Whose signatures it bears, if they are theirs.
    pub fn claimed_signers(&self) -> BTreeSet<PublicKey> {
        self.signed.signatures().iter().map(|signature| signature.public_key).collect()
    }

    /// Verifies every signature by itself.
    ///
    /// # Errors
    /// `SIGNATURE_INVALID`, of the first key whose signature fails.
    pub fn verify(self) -> Result<Transaction, Refusal> {
        match first_invalid(&self.signed) {
            None => Ok(self.believed()),
            Some(public_key) => Err(Refusal::SignatureInvalid { public_key }),
        }
    }

    /// The transaction, its signatures having been verified.
    fn believed(self) -> Transaction {
        Transaction::authentic(self.signed, self.envelope, self.operations)
    }
}

fn first_invalid(signed: &SignedTransaction) -> Option<PublicKey> {
    let invalid = |entry: &&TransactionSignature| {
        !entry.public_key.verify(TRANSACTION_NAMESPACE, signed.body(), &entry.signature)
    };
    signed.signatures().iter().find(invalid).map(|entry| entry.public_key)
}

/// The first transaction of a block that is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offence {
    /// Its place.
    pub index: usize,
    /// What is wrong with it.
    pub refusal: Refusal,
}

/// Batches of fewer signatures, a few milliseconds' work, stay on one core: to wake another costs more than it takes off.
const SPREAD_MIN: usize = 128;

/// A signature as a batch takes it: the key, the signature, what was signed.
type Entry<'d> = (ed25519::PublicKey, ed25519::Signature, &'d [u8]);

/// Whether every signature holds.
fn verify(rng: &mut impl CryptoRng, entries: &[Entry<'_>], strategy: &impl Strategy) -> bool {
    ed25519::PublicKey::verify_batch(
        rng,
        entries,
        |_, (public_key, signature, message)| BatchEntry {
            namespace: TRANSACTION_NAMESPACE,
            message,
            public_key,
            signature,
        },
        strategy,
    )
}

/// Authenticates transactions and remembers, within bounds, which ones it authenticated.
#[derive(Debug)]
pub struct Authenticator<S: Strategy> {
    strategy: S,
    keys: Mutex<KnownKeys>,
    remembered: Mutex<Remembered>,
}

impl<S: Strategy> Authenticator<S> {
    /// An authenticator that remembers so many bytes of transactions, and spreads batches by the strategy.
    pub fn new(strategy: S, remembered_bytes_max: usize) -> Self {
        Self { strategy, keys: Mutex::default(), remembered: Mutex::new(Remembered::new(remembered_bytes_max)) }
    }

    /// Authenticates what was found plausible, each by itself, though all unknown signatures are verified in one batch.
    pub fn authenticate_each<R: CryptoRng>(
        &self,
        rng: &mut R,
        plausible: Vec<Plausible>,
    ) -> Vec<Result<Arc<Transaction>, Refusal>> {
        let keys: Vec<Hash> = plausible.iter().map(|each| each.decoded().signed.leaf()).collect();
        let mut answers: Vec<_> = keys.iter().map(|key| self.recall(key).map(Ok)).collect();
        let unknown = plausible.into_iter().enumerate().filter(|(index, _)| answers[*index].is_none());
        let (places, decoded): (Vec<usize>, Vec<Decoded>) =
            unknown.map(|(index, plausible)| (index, plausible.into_decoded())).unzip();
        let forgeries = self.forgeries(rng, &decoded, &self.strategy);
        for ((index, decoded), forged) in places.into_iter().zip(decoded).zip(forgeries) {
            answers[index] = Some(match forged {
                Some(public_key) => Err(Refusal::SignatureInvalid { public_key }),
                None => Ok(self.believe(keys[index], decoded)),
            });
        }
        answers.into_iter().flatten().collect()
    }

    /// Authenticates a block's transactions: those not met before are decoded and verified in one batch.
    ///
    /// # Errors
    /// The first transaction that is refused: its form before anyone's signature.
    pub fn authenticate_block<R: CryptoRng>(
        &self,
        rng: &mut R,
        signed: &[SignedTransaction],
    ) -> Result<Vec<Arc<Transaction>>, Offence> {
        let keys: Vec<Hash> = signed.iter().map(SignedTransaction::leaf).collect();
        let mut transactions: Vec<Option<Arc<Transaction>>> = keys.iter().map(|key| self.recall(key)).collect();
        let unknown: Vec<usize> = (0..signed.len()).filter(|index| transactions[*index].is_none()).collect();
        let decoded: Vec<Decoded> = self.strategy.try_map_collect_vec(unknown.clone(), |index| {
            Decoded::read(signed[index].clone()).map_err(|refusal| Offence { index, refusal })
        })?;
        let forgeries = self.forgeries(rng, &decoded, &self.strategy);
        for ((index, decoded), forged) in unknown.into_iter().zip(decoded).zip(forgeries) {
            if let Some(public_key) = forged {
                return Err(Offence { index, refusal: Refusal::SignatureInvalid { public_key } });
            }
            transactions[index] = Some(self.believe(keys[index], decoded));
        }
        Ok(transactions.into_iter().flatten().collect())
    }

    /// Authenticates the transactions of blocks that follow each other, and remembers none. What is wrong with one block keeps
    /// no other from its answer.
    pub fn authenticate_history<R: CryptoRng>(
        &self,
        rng: &mut R,
        blocks: &[&[SignedTransaction]],
    ) -> Vec<Result<Vec<Arc<Transaction>>, Offence>> {
        let read = |block: &&[SignedTransaction]| -> Result<Vec<Decoded>, Offence> {
            let decoded = block.iter().map(|signed| Decoded::read(signed.clone())).enumerate();
            decoded.map(|(index, decoded)| decoded.map_err(|refusal| Offence { index, refusal })).collect()
        };
        let decoded = self.strategy.map_collect_vec(blocks, read);
        let all: Vec<&Decoded> = decoded.iter().flatten().flatten().collect();
        let seeded = |batch| {
            let mut seed = [0; 32];
            rng.fill_bytes(&mut seed);
            (batch, StdRng::from_seed(seed))
        };
        let batches: Vec<(&[&Decoded], StdRng)> = all.chunks(HISTORY_BATCH).map(seeded).collect();
        let verify = |(batch, mut rng): (&[&Decoded], StdRng)| self.forgeries(&mut rng, batch, &Sequential);
        let mut forgeries = self.strategy.map_collect_vec(batches, verify).into_iter().flatten();
        let mut believe = |decoded: Vec<Decoded>| {
            let of_block: Vec<Option<PublicKey>> = forgeries.by_ref().take(decoded.len()).collect();
            let told = decoded.into_iter().zip(of_block).enumerate().map(|(index, (decoded, forged))| match forged {
                Some(public_key) => Err(Offence { index, refusal: Refusal::SignatureInvalid { public_key } }),
                None => Ok(Arc::new(decoded.believed())),
            });
            told.collect()
        };
        decoded.into_iter().map(|decoded| decoded.and_then(&mut believe)).collect()
    }

    /// For each transaction the first key whose signature fails. Which one spoils a batch is found by verifying singly.
    fn forgeries<R: CryptoRng, D: Borrow<Decoded> + Sync>(
        &self,
        rng: &mut R,
        decoded: &[D],
        strategy: &impl Strategy,
    ) -> Vec<Option<PublicKey>> {
        if self.batch_is_valid(rng, decoded, strategy) {
            return vec![None; decoded.len()];
        }
        // Both verifiers follow ZIP 215, so one is found. Should they ever disagree, single verification rules: it is what
        // receipts and clients go by.
        strategy.map_collect_vec(decoded, |decoded| first_invalid(&decoded.borrow().signed))
    }

    /// Whether every signature of every transaction holds, by one equation for all of them.
    fn batch_is_valid<R: CryptoRng, D: Borrow<Decoded>>(
        &self,
        rng: &mut R,
        decoded: &[D],
        strategy: &impl Strategy,
    ) -> bool {
        // Keys that are no points of the curve do not parse; the caller finds them singly.
        let Some(entries) = self.batch(decoded) else { return false };
        match entries.len() {
            0 => true,
            1..SPREAD_MIN => verify(rng, &entries, &Sequential),
            _ => verify(rng, &entries, strategy),
        }
    }

    fn batch<'d, D: Borrow<Decoded>>(&self, decoded: &'d [D]) -> Option<Vec<Entry<'d>>> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let signed = decoded
            .iter()
            .map(Borrow::borrow)
            .flat_map(|decoded| decoded.signed.signatures().iter().map(|entry| (entry, &decoded.signed.body()[..])));
        let entry = |(entry, body): (&TransactionSignature, &'d [u8])| {
            let signature = ed25519::Signature::decode(Copying(&entry.signature.0)).ok()?;
            Some((keys.parsed(&entry.public_key)?, signature, body))
        };
        signed.map(entry).collect()
    }

    fn believe(&self, key: Hash, decoded: Decoded) -> Arc<Transaction> {
        let transaction = Arc::new(decoded.believed());
        self.remember(key, &transaction);
        transaction
    }

    fn recall(&self, key: &Hash) -> Option<Arc<Transaction>> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner).by_leaf.get(key).cloned()
    }

    fn remember(&self, key: Hash, transaction: &Arc<Transaction>) {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner).insert(key, transaction);
    }
}

/// Authentic transactions by the hash that covers body and signatures, the oldest forgotten first.
#[derive(Debug)]
struct Remembered {
    bytes_max: usize,
    bytes: usize,
    by_leaf: HashMap<Hash, Arc<Transaction>, RandomState>,
    by_age: VecDeque<Hash>,
}

impl Remembered {
    fn new(bytes_max: usize) -> Self {
        Self { bytes_max, bytes: 0, by_leaf: HashMap::default(), by_age: VecDeque::new() }
    }

    fn insert(&mut self, key: Hash, transaction: &Arc<Transaction>) {
        if self.by_leaf.insert(key, transaction.clone()).is_some() {
            return;
        }
        self.by_age.push_back(key);
        self.bytes += transaction.signed().encoded_len();
        while self.bytes > self.bytes_max {
            let Some(oldest) = self.by_age.pop_front() else { break };
            if let Some(forgotten) = self.by_leaf.remove(&oldest) {
                self.bytes -= forgotten.signed().encoded_len();
            }
        }
    }
}
