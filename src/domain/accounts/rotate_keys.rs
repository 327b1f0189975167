//! Replacing an account's keys.

use super::keys_text;
use crate::ledger::account::KeySet;
use crate::ledger::{Changes, Context, Effect, Reason};
use crate::primitives::AccountId;

/// Replaces an account's keys. Both sets sign: nothing recovers an account whose keys nobody has. The new ones hold from the next operation on, in the same transaction too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RotateKeys {
    /// The account.
    pub account: AccountId,
    /// Who will sign for it.
    pub keys: KeySet,
}

impl RotateKeys {
    /// Plans the replacement.
    ///
    /// # Errors
    /// `UNKNOWN_ACCOUNT`, `ACCOUNT_CLOSED`, `MISSING_SIGNATURE` of the present keys, `NEW_KEYS_DID_NOT_SIGN`.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        let mut account = context.signed_by(changes, self.account)?;
        if !self.keys.is_satisfied_by(context.signers) {
            return Err(Reason::NewKeysDidNotSign { account: self.account });
        }
        account.keys = self.keys.clone();
        changes.put(&self.account, &account);
        let rotated = Effect::new("accounts.keys_rotated")
            .with("account", self.account)
            .with("public_keys", keys_text(&self.keys))
            .with("threshold", self.keys.threshold());
        changes.record(rotated);
        Ok(())
    }
}
