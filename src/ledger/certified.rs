//! A header with all that it takes to believe that it is final: what vouches for a snapshot of the state.
//!
//! A header commits to the whole state after its parent block, so a state is proven by the header of the block after it. What
//! proves the header is what proves a receipt's: its certificate, or that of a later header which has it in its history, and the
//! handovers from the genesis' validators to those who signed.
//!
//! # Invariants
//! * What [`CertifiedHeader::verify`] accepts, a quorum of the validators that descend from the genesis made final.

use super::block::Header;
use super::receipt::{HANDOVERS_MAX, Handover, LaterHeader, ReceiptError, TrustRoot, certified_header, check_quorum};
use crate::primitives::{CodecError, Decode, Encode, Reader};
use bytes::Bytes;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertifiedHeader {
    /// The header.
    pub header: Header,
    /// Where it has no certificate of its own.
    pub later: Option<LaterHeader>,
    /// The certificate of the later header, or its own.
    pub certificate: Bytes,
    /// From the genesis' validators to those of the certificate; only where the set changed.
    pub handovers: Vec<Handover>,
}

impl CertifiedHeader {
    /// Verifies it from the genesis.
    ///
    /// # Errors
    /// The first link that does not hold.
    pub fn verify(&self, trust: &TrustRoot) -> Result<(), ReceiptError> {
        if self.header.chain_id != trust.chain_id {
            return Err(ReceiptError::ForeignChain { found: self.header.chain_id, expected: trust.chain_id });
        }
        let certified = certified_header(&self.header, self.later.as_ref())?;
        check_quorum(trust, certified, &self.certificate, &self.handovers)
    }
}

impl Encode for CertifiedHeader {
    fn encode(&self, out: &mut Vec<u8>) {
        self.header.encode(out);
        self.later.encode(out);
        self.certificate.encode(out);
        self.handovers.encode(out);
    }
}

impl Decode for CertifiedHeader {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self {
            header: Header::decode(reader)?,
            later: Option::decode(reader)?,
            certificate: Bytes::decode(reader)?,
            handovers: reader.list("handovers", HANDOVERS_MAX)?,
        })
    }
}
