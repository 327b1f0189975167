//! Certifying a balance: the outcome is the answer, and its receipt the proof.

use super::token::require_known;
use crate::ledger::{Account, Changes, Context, Effect, Reason, Role};
use crate::primitives::{AccountId, TokenId};

/// Certifies an account's balance as of the block and the operation's place in it. A closed account's is certified too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertifyBalance {
    /// The account.
    pub account: AccountId,
    /// The token.
    pub token: TokenId,
}

impl CertifyBalance {
    /// Plans the certificate.
    ///
    /// # Errors
    /// `UNKNOWN_TOKEN`, `UNKNOWN_ACCOUNT`, `MISSING_SIGNATURE`, and those of an unsigned or closed sender.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        let (account, token) = (self.account, self.token);
        require_known(changes, token)?;
        let holder: Account = changes.read(&account).ok_or(Reason::UnknownAccount { account })?;
        if !holder.keys.is_satisfied_by(context.signers) {
            let sender = context.signed_by(changes, context.sender)?;
            let may_see = holder.parent == Some(context.sender) || sender.roles.has(Role::Observer);
            if !may_see {
                return Err(Reason::MissingSignature { account });
            }
        }
        let balance = changes.balance(account, token);
        changes.record(
            Effect::new("tokens.balance_certified")
                .with("account", account)
                .with("token", token)
                .with("available", balance.available)
                .with("locked", balance.locked)
                .with("height", context.height)
                .with("time", context.now),
        );
        Ok(())
    }
}
