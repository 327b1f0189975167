//! Certified absence: proof, for someone about to finance an invoice, that the ledger does not have it.
//!
//! A fingerprint is of the key that it was made with, and any other key would make one that is absent. So whoever asks names the
//! commitment to the key that it used, which must be the pair's, and the answer repeats it with the time since when it is.
//!
//! A pair that committed another key and one that committed none get one answer: anyone may ask, and who trades with whom is not anyone's
//! to know.
//!
//! # Deliberately absent
//! That the fingerprint was made with that key: who asks made it, or trusts whom it was given by.

use super::key::{FingerprintKey, legal_entities_of};
use super::registered::{DocumentKind, RegisteredDocument};
use crate::ledger::{Changes, Context, Effect, Malformed, Reason};
use crate::primitives::{AccountId, Hash};

/// Certifies that no invoice of a fingerprint, of this supplier to this buyer, is on the ledger. Anyone may ask; the receipt
/// is the proof. It is also proof that the invoice was not financed: only what was withdrawn or rejected before anyone owed
/// it leaves the ledger's fingerprints again.
///
/// It holds as of the transaction's place in its block: an invoice may be registered right after, and its receipt then
/// stands later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertifyAbsence {
    /// The supplier, by any account of its legal entity.
    pub supplier: AccountId,
    /// The buyer, by any account of its legal entity.
    pub buyer: AccountId,
    /// The fingerprint.
    pub fingerprint: Hash,
    /// The commitment to the key that it was made with: the pair's.
    pub key_commitment: Hash,
}

impl CertifyAbsence {
    /// Holds the operation to its static bounds, of which there are none beyond its types.
    ///
    /// # Errors
    /// None.
    pub fn check(&self) -> Result<(), Malformed> {
        Ok(())
    }

    /// Plans the answer, which is an effect and no entry.
    ///
    /// # Errors
    /// `UNKNOWN_ACCOUNT`, `LEGAL_ENTITY_REQUIRED`, `SAME_LEGAL_ENTITY`, `FINGERPRINT_KEY_MISMATCH`, `FINGERPRINT_REGISTERED`.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        let fingerprint = self.fingerprint;
        let pair = legal_entities_of(changes, self.supplier, self.buyer)?;
        let key_commitment = self.key_commitment;
        let key = changes.read::<FingerprintKey>(&pair).filter(|key| key.commitment == key_commitment);
        let FingerprintKey { committed_at, .. } = key.ok_or(Reason::FingerprintKeyMismatch { key_commitment })?;
        let registered = (pair, (DocumentKind::Invoice, fingerprint));
        if let Some(RegisteredDocument { object }) = changes.read(&registered) {
            return Err(Reason::FingerprintRegistered { fingerprint, receivable: object });
        }
        let (supplier_legal_entity, buyer_legal_entity) = registered.0;
        // Legal entities and no accounts: whom an effect names by account sees it, and that a financier asks is not for the
        // buyer to see.
        changes.record(
            Effect::new("trade.absence_certified")
                .with("supplier_legal_entity", supplier_legal_entity)
                .with("buyer_legal_entity", buyer_legal_entity)
                .with("fingerprint", fingerprint)
                .with("key_commitment", key_commitment)
                .with("committed_at", committed_at)
                .with("height", context.height)
                .with("time", context.now),
        );
        Ok(())
    }
}
