//! The state's digest: a lattice hash over every entry, order-free and kept up to date entry by entry.
//!
//! LtHash with 1,024 16-bit lanes over BLAKE3 (Lewi, Kim, Maykov, Weis, "Securing Update Propagation with Homomorphic
//! Hashing", 2019). An entry goes in when written and out when overwritten or deleted, so the digest of a million
//! entries costs nothing to keep, and a snapshot is verified by one pass.
//!
//! # Invariants
//! * Keys are unique within a column, so no element is ever added twice (the construction's known weakness).
//! * The digest, the BLAKE3 checksum of the accumulator, is the one hash here that is not SHA-256.

use super::codec::{CodecError, Decode, Encode, Reader};
use super::ids::Hash;
use bytes::Bytes;
use commonware_codec::DecodeExt as _;
use commonware_cryptography::lthash::LtHash;

/// What every element begins with.
const ELEMENT_DOMAIN: &[u8] = b"causeway/state/v1";

/// The 2 KiB sum of all elements.
#[derive(Clone, Debug, Default)]
pub struct StateAccumulator(LtHash);

impl StateAccumulator {
    /// The size of its encoding.
    pub const SIZE: usize = 2048;

    /// Takes an entry in.
    pub fn add(&mut self, column: u8, key: &[u8], value: &[u8]) {
        self.0.add(&element(column, key, value));
    }

    /// Takes an entry out.
    pub fn remove(&mut self, column: u8, key: &[u8], value: &[u8]) {
        self.0.subtract(&element(column, key, value));
    }

    /// The digest of all entries.
    pub fn digest(&self) -> Hash {
        Hash(self.0.checksum().0)
    }
}

/// Domain, column (one byte), the key's length (`u32`), the value's length (`u32`), key, value.
fn element(column: u8, key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(ELEMENT_DOMAIN.len() + 9 + key.len() + value.len());
    bytes.extend_from_slice(ELEMENT_DOMAIN);
    bytes.push(column);
    (key.len() as u32).encode(&mut bytes);
    (value.len() as u32).encode(&mut bytes);
    bytes.extend_from_slice(key);
    bytes.extend_from_slice(value);
    bytes
}

impl Encode for StateAccumulator {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&commonware_codec::Encode::encode(&self.0));
    }
}

impl Decode for StateAccumulator {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        LtHash::decode(Bytes::copy_from_slice(reader.take(Self::SIZE)?))
            .map(Self)
            .map_err(|_| CodecError::Invalid { what: "state accumulator", why: "it is not 1,024 16-bit lanes" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_detours_do_not_matter() {
        let mut forward = StateAccumulator::default();
        forward.add(1, b"a", b"1");
        forward.add(1, b"b", b"2");
        let mut detour = StateAccumulator::default();
        detour.add(1, b"b", b"9");
        detour.add(1, b"a", b"1");
        detour.remove(1, b"b", b"9");
        detour.add(1, b"b", b"2");
        assert_eq!(forward.digest(), detour.digest());
        assert_eq!(StateAccumulator::from_bytes(&forward.to_bytes()).map(|read| read.digest()), Ok(forward.digest()));
    }

    #[test]
    fn column_key_and_value_do_not_run_together() {
        let digest = |column, key: &[u8], value: &[u8]| {
            let mut accumulator = StateAccumulator::default();
            accumulator.add(column, key, value);
            accumulator.digest()
        };
        assert_ne!(digest(1, b"ab", b"c"), digest(1, b"a", b"bc"));
        assert_ne!(digest(1, b"a", b"b"), digest(2, b"a", b"b"));
    }
}
