//! The stage before any signature is verified: would the transaction be admissible if whoever it names did sign it?
//!
//! A signature costs a hundred times what these rules cost, and a transaction may bear 64. So what fails without them is
//! refused first.

use super::authenticator::Decoded;
use super::refusal::Refusal;
use crate::execution::{Envelope, eligible};
use crate::ledger::View;
use crate::primitives::{BlockTime, ChainId, TransactionId};

/// A transaction that keeps every rule, provided that its signatures are those of the keys they name.
#[derive(Clone, Debug)]
pub struct Plausible(Decoded);

impl Plausible {
    /// Holds a transaction to the rules of block validity, with the keys that it claims for signers.
    ///
    /// # Errors
    /// The first rule that it breaks, whoever signed.
    pub fn check(decoded: Decoded, chain_id: ChainId, now: BlockTime, view: &dyn View) -> Result<Self, Refusal> {
        match eligible(decoded.envelope(), &decoded.claimed_signers(), chain_id, now, view) {
            Ok(()) => Ok(Self(decoded)),
            Err(ineligible) => Err(Refusal::of_ineligible(ineligible, decoded.envelope().sender)),
        }
    }

    /// The body's hash.
    pub fn id(&self) -> TransactionId {
        self.0.signed().id()
    }

    /// Ledger, sender, request id and expiry.
    pub fn envelope(&self) -> &Envelope {
        self.0.envelope()
    }

    /// How many signatures are left to verify.
    pub fn signature_count(&self) -> usize {
        self.0.signed().signatures().len()
    }

    /// Its size, as blocks encode it.
    pub fn encoded_len(&self) -> usize {
        self.0.signed().encoded_len()
    }

    pub(super) fn decoded(&self) -> &Decoded {
        &self.0
    }

    pub(super) fn into_decoded(self) -> Decoded {
        self.0
    }
}
