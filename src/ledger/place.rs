//! Where an entry of state stands: its column and its encoded key, in one value that is compared, hashed and copied without
//! following a pointer. The keys of everything that payments touch are short; a longer one takes an allocation.

use super::view::{Column, Entry};
use crate::primitives::Encode;
use std::hash::{Hash, Hasher};

/// Keys of so many bytes stand in the value itself, which with the column is then 72 bytes.
const SHORT_MAX: usize = 62;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    column: Column,
    key: Key,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Key {
    /// What lies behind the key is zero, so that equal keys are equal values.
    Short {
        len: u8,
        bytes: [u8; SHORT_MAX],
    },
    Long(Box<[u8]>),
}

impl Place {
    /// That of an encoded key in a column.
    pub fn new(column: Column, key: &[u8]) -> Self {
        let mut bytes = [0; SHORT_MAX];
        let key = match bytes.get_mut(..key.len()) {
            Some(start) => {
                start.copy_from_slice(key);
                Key::Short { len: key.len() as u8, bytes }
            }
            None => Key::Long(key.into()),
        };
        Self { column, key }
    }

    /// That of the entry of a type under its key.
    pub fn of<E: Entry>(key: &E::Key) -> Self {
        Self::new(E::COLUMN, &key.to_bytes())
    }

    /// The column.
    pub const fn column(&self) -> Column {
        self.column
    }

    /// The encoded key.
    pub fn key(&self) -> &[u8] {
        match &self.key {
            Key::Short { len, bytes } => &bytes[..usize::from(*len)],
            Key::Long(bytes) => bytes,
        }
    }
}

impl Hash for Place {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u8(self.column.tag());
        state.write(self.key());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Short or long, a place is its column and its key, and nothing else.
        #[test]
        fn a_place_is_its_column_and_its_key(
            one in proptest::collection::vec(any::<u8>(), 0..2 * SHORT_MAX),
            other in proptest::collection::vec(any::<u8>(), 0..2 * SHORT_MAX),
        ) {
            let place = Place::new(Column::Due, &one);
            prop_assert_eq!((place.column(), place.key()), (Column::Due, &one[..]));
            prop_assert_eq!(place == Place::new(Column::Due, &other), one == other);
            prop_assert_ne!(place, Place::new(Column::Locks, &one));
        }
    }

    #[test]
    fn a_key_that_ends_in_zeros_is_not_the_shorter_one() {
        assert_ne!(Place::new(Column::Due, &[1]), Place::new(Column::Due, &[1, 0]));
        assert_ne!(Place::new(Column::Due, &[0; SHORT_MAX]), Place::new(Column::Due, &[0; SHORT_MAX + 1]));
    }
}
