//! The state's digest: a lattice hash over every entry, order-free and kept up to date entry by entry.
//!
//! LtHash with 1,024 16-bit lanes (Lewi, Kim, Maykov, Weis, "Securing Update Propagation with Homomorphic Hashing", 2019).
//! An entry goes in when written and out when overwritten or deleted, so the digest of a million entries costs nothing to
//! keep, and a snapshot is verified by one pass.
//!
//! An element is expanded to its lanes as Bitcoin's MuHash3072 does it: its SHA-256 is the key of a ChaCha keystream
//! (RFC 8439 with 12 rounds, nonce and counter 0), and the keystream is the lanes, little-endian. Every processor has fast
//! code for it; the paper's own expansion by BLAKE2 or BLAKE3 is as fast only with AVX-512.
//!
//! # Invariants
//! * Keys are unique within a column, so no element is ever added twice (the construction's known weakness).

use super::codec::{CodecError, Decode, Encode, Reader};
use super::crypto::{Domain, hash, sha256};
use super::ids::Hash;
use chacha20::ChaCha12;
use chacha20::cipher::{KeyIvInit as _, StreamCipher as _};

/// What every element begins with.
const ELEMENT_DOMAIN: &[u8] = b"causeway/state/v1";
const LANES: usize = 1_024;

/// The 2 KiB sum of all elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateAccumulator([u16; LANES]);

impl Default for StateAccumulator {
    /// The sum of nothing.
    fn default() -> Self {
        Self([0; LANES])
    }
}

impl StateAccumulator {
    /// The size of its encoding.
    pub const SIZE: usize = 2 * LANES;

    /// Takes an entry in.
    pub fn add(&mut self, column: u8, key: &[u8], value: &[u8]) {
        self.each_lane(&element(column, key, value), u16::wrapping_add);
    }

    /// Takes an entry out.
    pub fn remove(&mut self, column: u8, key: &[u8], value: &[u8]) {
        self.each_lane(&element(column, key, value), u16::wrapping_sub);
    }

    /// Takes in all entries of another sum, none of which is in this one.
    pub fn join(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, lane)| *sum = sum.wrapping_add(lane));
    }

    /// The digest of all entries: the hash of the sum.
    pub fn digest(&self) -> Hash {
        hash(Domain::STATE, &self.to_bytes())
    }

    fn each_lane(&mut self, element: &[u8], change: impl Fn(u16, u16) -> u16) {
        let mut keystream = [0; Self::SIZE];
        ChaCha12::new(&sha256(element).0.into(), &[0; 12].into()).apply_keystream(&mut keystream);
        let (lanes, _) = keystream.as_chunks();
        for (sum, lane) in self.0.iter_mut().zip(lanes) {
            *sum = change(*sum, u16::from_le_bytes(*lane));
        }
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

/// Lanes in their order, each little-endian.
impl Encode for StateAccumulator {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.0.iter().flat_map(|lane| lane.to_le_bytes()));
    }
}

impl Decode for StateAccumulator {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let (lanes, _) = reader.take(Self::SIZE)?.as_chunks();
        let mut sum = Self::default();
        for (lane, bytes) in sum.0.iter_mut().zip(lanes) {
            *lane = u16::from_le_bytes(*bytes);
        }
        Ok(sum)
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
    fn a_sum_of_parts_is_that_of_the_whole() {
        let sum = |entries: &[&[u8]]| {
            let mut sum = StateAccumulator::default();
            entries.iter().for_each(|key| sum.add(1, key, b"value"));
            sum
        };
        let mut joined = sum(&[b"c", b"a"]);
        joined.join(&sum(&[b"b"]));
        assert_eq!(joined, sum(&[b"a", b"b", b"c"]));
    }

    /// The keystream of RFC 8439's block function, with 12 rounds for 20: written out here, not taken from the library.
    fn chacha12_block(key: [u8; 32], counter: u32) -> [u8; 64] {
        let mut state = [0u32; 16];
        state[..4].copy_from_slice(&[0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574]);
        for (word, bytes) in state[4..12].iter_mut().zip(key.as_chunks().0) {
            *word = u32::from_le_bytes(*bytes);
        }
        state[12] = counter;
        let mut mixed = state;
        let mut quarter = |a: usize, b: usize, c: usize, d: usize| {
            for (x, y, z, by) in [(a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)] {
                mixed[x] = mixed[x].wrapping_add(mixed[y]);
                mixed[z] = (mixed[z] ^ mixed[x]).rotate_left(by);
            }
        };
        for _ in 0..6 {
            (0..4).for_each(|n| quarter(n, 4 + n, 8 + n, 12 + n));
            (0..4).for_each(|n| quarter(n, 4 + (n + 1) % 4, 8 + (n + 2) % 4, 12 + (n + 3) % 4));
        }
        let mut block = [0; 64];
        for ((bytes, mixed), word) in block.as_chunks_mut().0.iter_mut().zip(mixed).zip(state) {
            *bytes = mixed.wrapping_add(word).to_le_bytes();
        }
        block
    }

    #[test]
    fn an_elements_lanes_are_the_keystream_under_its_hash() {
        let mut accumulator = StateAccumulator::default();
        accumulator.add(5, b"key", b"value");
        let element = b"causeway/state/v1\x05\0\0\0\x03\0\0\0\x05keyvalue";
        let keystream: Vec<u8> = (0..32).flat_map(|counter| chacha12_block(sha256(element).0, counter)).collect();
        assert_eq!(accumulator.to_bytes(), keystream);
        accumulator.remove(5, b"key", b"value");
        assert_eq!(accumulator, StateAccumulator::default());
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
