//! The canonical codec: one value, one encoding.
//!
//! Everything that is hashed, signed or kept in state goes through it. Integers are big-endian and fixed in width;
//! byte strings, texts and lists carry a `u32` count first; an option is one byte, 0 or 1, then the value. Decoding
//! refuses what encoding would not have produced, trailing bytes included, so a decoded value re-encodes to its input.

use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use thiserror::Error;

/// Largest count that a list or byte string may announce: 16 MiB, above any block.
pub const COUNT_MAX: usize = 16 * 1024 * 1024;

/// Why bytes are not a value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CodecError {
    /// The input ended inside a value.
    #[error("the input ends {missing} bytes short at offset {offset}")]
    Truncated {
        /// Where the value began.
        offset: usize,
        /// How many bytes more it needs.
        missing: usize,
    },
    /// Bytes remain after the value.
    #[error("{count} bytes remain after the value")]
    Trailing {
        /// How many.
        count: usize,
    },
    /// A byte that must be one of a few is another.
    #[error("{what} has no value {value}")]
    Tag {
        /// The type that was read.
        what: &'static str,
        /// The value found.
        value: u64,
    },
    /// A count above its limit.
    #[error("{what} announces {count} entries, at most {limit} are allowed")]
    TooLong {
        /// The list that was read.
        what: &'static str,
        /// The count found.
        count: usize,
        /// The largest count allowed.
        limit: usize,
    },
    /// A value that breaks a rule of its type.
    #[error("{what} is invalid: {why}")]
    Invalid {
        /// The type that was read.
        what: &'static str,
        /// The rule.
        why: &'static str,
    },
}

/// A value with a canonical encoding.
pub trait Encode {
    /// Appends the encoding.
    fn encode(&self, out: &mut Vec<u8>);

    /// The encoding by itself.
    fn to_bytes(&self) -> Vec<u8> {
        // Most entries of state and their keys are no longer.
        let mut out = Vec::with_capacity(128);
        self.encode(&mut out);
        out
    }

    /// The encoding in as much memory as it takes, for who keeps it among many.
    fn to_kept(&self) -> Bytes {
        Bytes::copy_from_slice(&self.to_bytes())
    }
}

/// A value that can be read back from its canonical encoding.
pub trait Decode: Sized {
    /// Reads one value and leaves the reader behind it.
    fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError>;

    /// Reads one value that fills the input exactly.
    fn from_bytes(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(bytes);
        let value = Self::decode(&mut reader)?;
        reader.finish()?;
        Ok(value)
    }
}

/// A cursor over foreign bytes. It never reads past the end and never allocates by an announced count alone.
#[derive(Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// A cursor at the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0 }
    }

    /// How many bytes are left.
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.offset
    }

    /// How many bytes were read.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// The next `count` bytes.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], CodecError> {
        if self.remaining() < count {
            return Err(CodecError::Truncated { offset: self.offset, missing: count - self.remaining() });
        }
        let taken = &self.bytes[self.offset..self.offset + count];
        self.offset += count;
        Ok(taken)
    }

    /// The next `N` bytes as an array.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// A count that must not exceed `limit`.
    pub fn count(&mut self, what: &'static str, limit: usize) -> Result<usize, CodecError> {
        let count = u32::decode(self)? as usize;
        if count > limit {
            return Err(CodecError::TooLong { what, count, limit });
        }
        Ok(count)
    }

    /// A list of at most `limit` values.
    pub fn list<T: Decode>(&mut self, what: &'static str, limit: usize) -> Result<Vec<T>, CodecError> {
        let count = self.count(what, limit)?;
        // The announced count is a claim; the bytes that are here bound what is set aside for it, whatever a value's size.
        let mut values = Vec::with_capacity(count.min(self.remaining() / size_of::<T>().max(1)));
        for _ in 0..count {
            values.push(T::decode(self)?);
        }
        Ok(values)
    }

    /// Succeeds only at the end of the input.
    pub fn finish(self) -> Result<(), CodecError> {
        match self.remaining() {
            0 => Ok(()),
            count => Err(CodecError::Trailing { count }),
        }
    }
}

/// Appends a count followed by the values.
pub fn encode_list<T: Encode>(values: &[T], out: &mut Vec<u8>) {
    encode_count(values.len(), out);
    for value in values {
        value.encode(out);
    }
}

/// Appends a count. Counts come from lists that limits keep far below `u32::MAX`.
pub fn encode_count(count: usize, out: &mut Vec<u8>) {
    debug_assert!(count <= COUNT_MAX);
    (count as u32).encode(out);
}

macro_rules! integers {
    ($($integer:ty),*) => {$(
        impl Encode for $integer {
            fn encode(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_be_bytes());
            }
        }
        impl Decode for $integer {
            fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
                Ok(Self::from_be_bytes(reader.array()?))
            }
        }
    )*};
}
integers!(u8, u16, u32, u64, u128);

impl<T: Encode> Encode for Arc<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        (**self).encode(out);
    }
}

impl<T: Decode> Decode for Arc<T> {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        T::decode(reader).map(Self::new)
    }
}

impl Encode for bool {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
}

impl Decode for bool {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        match u8::decode(reader)? {
            0 => Ok(false),
            1 => Ok(true),
            value => Err(CodecError::Tag { what: "flag", value: u64::from(value) }),
        }
    }
}

impl<const N: usize> Encode for [u8; N] {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
}

impl<const N: usize> Decode for [u8; N] {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        reader.array()
    }
}

impl<T: Encode> Encode for Option<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            None => out.push(0),
            Some(value) => {
                out.push(1);
                value.encode(out);
            }
        }
    }
}

impl<T: Decode> Decode for Option<T> {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(if bool::decode(reader)? { Some(T::decode(reader)?) } else { None })
    }
}

impl<T: Encode> Encode for Vec<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        encode_list(self, out);
    }
}

impl<T: Decode> Decode for Vec<T> {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        reader.list("list", COUNT_MAX)
    }
}

impl Encode for Bytes {
    fn encode(&self, out: &mut Vec<u8>) {
        encode_count(self.len(), out);
        out.extend_from_slice(self);
    }
}

impl Decode for Bytes {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let count = reader.count("byte string", COUNT_MAX)?;
        reader.take(count).map(Bytes::copy_from_slice)
    }
}

impl Encode for str {
    fn encode(&self, out: &mut Vec<u8>) {
        encode_count(self.len(), out);
        out.extend_from_slice(self.as_bytes());
    }
}

impl Encode for String {
    fn encode(&self, out: &mut Vec<u8>) {
        self.as_str().encode(out);
    }
}

impl Decode for String {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let count = reader.count("text", COUNT_MAX)?;
        let bytes = reader.take(count)?.to_vec();
        Self::from_utf8(bytes).map_err(|_| CodecError::Invalid { what: "text", why: "it is not UTF-8" })
    }
}

impl<A: Encode, B: Encode> Encode for (A, B) {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
        self.1.encode(out);
    }
}

impl<A: Decode, B: Decode> Decode for (A, B) {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok((A::decode(reader)?, B::decode(reader)?))
    }
}

impl<K: Encode, V: Encode> Encode for BTreeMap<K, V> {
    fn encode(&self, out: &mut Vec<u8>) {
        encode_count(self.len(), out);
        for (key, value) in self {
            key.encode(out);
            value.encode(out);
        }
    }
}

impl<K: Decode + Ord, V: Decode> Decode for BTreeMap<K, V> {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let count = reader.count("map", COUNT_MAX)?;
        let mut map = Self::new();
        for _ in 0..count {
            let key = K::decode(reader)?;
            if map.last_key_value().is_some_and(|(last, _)| *last >= key) {
                return Err(CodecError::Invalid { what: "map", why: "its keys are not in strictly ascending order" });
            }
            map.insert(key, V::decode(reader)?);
        }
        Ok(map)
    }
}

/// Implements the codec for a struct as its fields in order.
#[macro_export]
macro_rules! codec_struct {
    ($name:ident { $($field:ident),* $(,)? }) => {
        impl $crate::primitives::codec::Encode for $name {
            fn encode(&self, out: &mut Vec<u8>) {
                $($crate::primitives::codec::Encode::encode(&self.$field, out);)*
            }
        }
        impl $crate::primitives::codec::Decode for $name {
            fn decode(
                reader: &mut $crate::primitives::codec::Reader<'_>,
            ) -> Result<Self, $crate::primitives::codec::CodecError> {
                Ok(Self { $($field: $crate::primitives::codec::Decode::decode(reader)?),* })
            }
        }
    };
}

/// Implements the codec for an enum without data as one byte, and gives it `ALL`.
#[macro_export]
macro_rules! codec_tag {
    ($name:ident { $($variant:ident = $tag:literal),* $(,)? }) => {
        impl $name {
            /// Every value, in the order of its encoding.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The byte that stands for this value.
            pub const fn tag(self) -> u8 {
                match self { $(Self::$variant => $tag),* }
            }
        }
        impl $crate::primitives::codec::Encode for $name {
            fn encode(&self, out: &mut Vec<u8>) {
                out.push(self.tag());
            }
        }
        impl $crate::primitives::codec::Decode for $name {
            fn decode(
                reader: &mut $crate::primitives::codec::Reader<'_>,
            ) -> Result<Self, $crate::primitives::codec::CodecError> {
                match <u8 as $crate::primitives::codec::Decode>::decode(reader)? {
                    $($tag => Ok(Self::$variant),)*
                    value => Err($crate::primitives::codec::CodecError::Tag {
                        what: stringify!($name),
                        value: u64::from(value),
                    }),
                }
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_encoding_would_not_produce_is_refused() {
        assert_eq!(bool::from_bytes(&[2]), Err(CodecError::Tag { what: "flag", value: 2 }));
        assert_eq!(u16::from_bytes(&[1]), Err(CodecError::Truncated { offset: 0, missing: 1 }));
        assert_eq!(u8::from_bytes(&[1, 2]), Err(CodecError::Trailing { count: 1 }));
        assert!(String::from_bytes(&[0, 0, 0, 1, 0xff]).is_err());
        assert!(Vec::<u8>::from_bytes(&[0xff, 0xff, 0xff, 0xff]).is_err());
        let unordered = [0, 0, 0, 2, 2, 0, 1, 0];
        assert!(BTreeMap::<u8, u8>::from_bytes(&unordered).is_err());
    }

    proptest! {
        #[test]
        fn a_decoded_value_encodes_to_its_input(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(value) = Vec::<(u8, Option<u16>)>::from_bytes(&bytes) {
                prop_assert_eq!(value.to_bytes(), bytes);
            }
        }
    }
}
