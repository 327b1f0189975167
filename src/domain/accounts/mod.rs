//! Accounts: opened under an institution or an issuer, kept under changing keys, closed when nothing hangs on them.
//!
//! # Life cycle
//! The genesis names the first accounts. From then on an institution opens its customers' and an issuer its makers' and
//! checkers'. Keys are replaced by the account itself. A closed account stays in state, so that its id is never another's.
//!
//! # Invariants
//! * An account's id, its place under another account and its roles never change.
//! * No account grants a role that it was not made to grant, so no chain of openings leads to more power than the genesis gave.
//! * Accounts of a legal entity are opened by whoever opened the first, or with the signature of one of them.
//! * Keys are replaced by keys that signed: a mistyped set, which would lock the account for ever, is declined.
//! * A closed account holds nothing, owes nothing, is owed nothing, and has no open account under it.
//!
//! # Deliberately absent
//! Names and addresses of persons: the ledger knows companies by their register ids and natural persons not at all.

mod close_account;
mod open_account;
mod rotate_keys;
#[cfg(test)]
mod tests;

pub use close_account::CloseAccount;
pub use open_account::{OpenAccount, bring_legal_entity, register};
pub use rotate_keys::RotateKeys;

use crate::ledger::account::KeySet;
use crate::ledger::limits::ACCOUNT_KEYS_MAX;
use crate::ledger::malformed::{Malformed, require};
use crate::primitives::PublicKey;

/// The key set that a message's bytes stand for.
///
/// # Errors
/// A key that may not be registered, one twice, none or too many, or a threshold out of reach; paths start at the key set.
pub fn key_set<K: AsRef<[u8]>>(public_keys: &[K], threshold: u32) -> Result<KeySet, Malformed> {
    let count = public_keys.len();
    let why = format!("it has {count} keys and must have 1 to {ACCOUNT_KEYS_MAX}");
    require((1..=ACCOUNT_KEYS_MAX).contains(&count), "public_keys", why)?;
    let mut keys = Vec::with_capacity(count);
    for (index, bytes) in public_keys.iter().enumerate() {
        let field = || format!("public_keys[{index}]");
        let key = PublicKey::registrable(bytes.as_ref()).map_err(|error| Malformed::new(field(), error.to_string()))?;
        require(!keys.contains(&key), field(), "it stands in the set already")?;
        keys.push(key);
    }
    let unreachable = || Malformed::new("threshold", format!("it must be 1 to {count}, the number of keys"));
    let threshold = u8::try_from(threshold).map_err(|_| unreachable())?;
    KeySet::new(keys, threshold).ok_or_else(unreachable)
}

/// A key set as effects show it: its keys in hexadecimal, in order, separated by spaces.
fn keys_text(keys: &KeySet) -> String {
    keys.keys().iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
