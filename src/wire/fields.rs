//! Single fields of messages, read into the types that they stand for. Errors name the field and what it must be.

use crate::ledger::malformed::Malformed;
use crate::primitives::time::ParseDayError;
use crate::primitives::{
    AccountId, Amount, BlockTime, ChainId, Day, Hash, ObjectId, PublicKey, RequestId, Signature, TokenId, TransactionId,
};

fn of_length(field: &str, found: usize, expected: usize) -> Malformed {
    match found {
        0 => Malformed::new(field, format!("it is required and must have {expected} bytes")),
        found => Malformed::new(field, format!("it has {found} bytes and must have {expected}")),
    }
}

macro_rules! fixed {
    ($($(#[$doc:meta])* $function:ident => $type:ident, $size:literal;)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        /// Another length.
        pub fn $function(field: &str, bytes: &[u8]) -> Result<$type, Malformed> {
            let sized: Result<[u8; $size], _> = bytes.try_into();
            sized.map($type).map_err(|_| of_length(field, bytes.len(), $size))
        }
    )*};
}
fixed! {
    /// An account's id.
    account_id => AccountId, 32;
    /// A chain's id.
    chain_id => ChainId, 32;
    /// A hash.
    hash => Hash, 32;
    /// An object's id.
    object_id => ObjectId, 32;
    /// A public key, held to nothing but its length: signatures decide whether it is one.
    public_key => PublicKey, 32;
    /// A request's id.
    request_id => RequestId, 16;
    /// A signature.
    signature => Signature, 64;
    /// A transaction's id.
    transaction_id => TransactionId, 32;
}

/// A token's id.
///
/// # Errors
/// A text that is none.
pub fn token_id(field: &str, text: &str) -> Result<TokenId, Malformed> {
    text.parse().map_err(|_| Malformed::new(field, "it must be 3 to 12 of A-Z and 0-9, a letter first"))
}

/// Money.
pub(super) fn amount(minor_units: u64) -> Amount {
    Amount::new(minor_units)
}

/// A time, bounded to what every language's time types hold: year 9999.
///
/// # Errors
/// A time past that.
pub(super) fn time(field: &str, ms: u64) -> Result<BlockTime, Malformed> {
    const YEAR_10000_MS: u64 = 253_402_300_800_000;
    match ms < YEAR_10000_MS {
        true => Ok(BlockTime(ms)),
        false => Err(Malformed::new(field, "it must be ms of the Unix epoch, before the year 10000")),
    }
}

/// A day of the calendar.
///
/// # Errors
/// A text that is none.
pub(super) fn day(field: &str, text: &str) -> Result<Day, Malformed> {
    text.parse().map_err(|error: ParseDayError| Malformed::new(field, error.to_string()))
}

/// A field that may be left empty.
///
/// # Errors
/// It is not empty, and not what it must be.
pub fn optional<T>(bytes: &[u8], read: impl FnOnce(&[u8]) -> Result<T, Malformed>) -> Result<Option<T>, Malformed> {
    if bytes.is_empty() { Ok(None) } else { read(bytes).map(Some) }
}

/// A message that must be set.
///
/// # Errors
/// It is not.
pub(super) fn required<T>(field: &str, message: Option<T>) -> Result<T, Malformed> {
    message.ok_or_else(|| Malformed::new(field, "it is required"))
}
