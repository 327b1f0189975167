//! Certified absence: proof, for someone about to finance an invoice, that the ledger does not have it.

use super::RegisteredFingerprint;
use crate::ledger::{Changes, Context, Effect, Malformed, Reason};
use crate::primitives::Hash;

/// Certifies that no invoice of a fingerprint is on the ledger. Anyone may ask; the receipt is the proof.
///
/// It holds as of the transaction's place in its block: an invoice may be registered right after, and its receipt then
/// stands later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertifyAbsence {
    /// The fingerprint.
    pub fingerprint: Hash,
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
    /// `FINGERPRINT_REGISTERED`.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        let fingerprint = self.fingerprint;
        if let Some(RegisteredFingerprint { receivable }) = changes.read(&fingerprint) {
            return Err(Reason::FingerprintRegistered { fingerprint, receivable });
        }
        changes.record(
            Effect::new("trade.absence_certified")
                .with("fingerprint", fingerprint)
                .with("height", context.height)
                .with("time", context.now),
        );
        Ok(())
    }
}
