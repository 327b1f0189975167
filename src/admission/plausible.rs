//! The stage before any signature is verified: would the transaction be admissible if whoever it names did sign it?
//!
//! A signature costs a hundred times what these rules cost, and a transaction may bear 64. So what fails without them is
//! refused first.

use super::authenticator::Decoded;
use super::refusal::Refusal;
use crate::execution::{Envelope, eligible};
use crate::ledger::View;
use crate::ledger::account::institution_of;
use crate::primitives::{AccountId, BlockTime, ChainId, TransactionId};

/// A transaction that keeps every rule, provided that its signatures are those of the keys they name.
#[derive(Clone, Debug)]
pub struct Plausible {
    decoded: Decoded,
    institution: AccountId,
}

impl Plausible {
    /// Holds a transaction to the rules of block validity, with the keys that it claims for signers.
    ///
    /// # Errors
    /// The first rule that it breaks, whoever signed.
    pub fn check(decoded: Decoded, chain_id: ChainId, now: BlockTime, view: &dyn View) -> Result<Self, Refusal> {
        match eligible(decoded.envelope(), &decoded.claimed_signers(), chain_id, now, view) {
            Ok(()) => Ok(Self { institution: institution_of(view, decoded.envelope().sender), decoded }),
            Err(ineligible) => Err(Refusal::of_ineligible(ineligible, decoded.envelope().sender)),
        }
    }

    /// The body's hash.
    pub fn id(&self) -> TransactionId {
        self.decoded.signed().id()
    }

    /// Ledger, sender, request id and expiry.
    pub fn envelope(&self) -> &Envelope {
        self.decoded.envelope()
    }

    /// Whose customer its sender is.
    pub fn institution(&self) -> AccountId {
        self.institution
    }

    /// How many signatures are left to verify.
    pub fn signature_count(&self) -> usize {
        self.decoded.signed().signatures().len()
    }

    /// Its size, as blocks encode it.
    pub fn encoded_len(&self) -> usize {
        self.decoded.signed().encoded_len()
    }

    pub(super) fn decoded(&self) -> &Decoded {
        &self.decoded
    }

    pub(super) fn into_decoded(self) -> Decoded {
        self.decoded
    }
}
