//! Closing an account.

use crate::ledger::account::Account;
use crate::ledger::context::open_account;
use crate::ledger::limits::OPEN_ITEMS_COUNTED_MAX;
use crate::ledger::open_items::{accounts_of, count_open, loans_of, receivables_of};
use crate::ledger::{Balance, Changes, Column, Context, Effect, OpenItem, Reason, Role, View};
use crate::primitives::{AccountId, Decode, Encode, TokenId};

/// Closes an account for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseAccount {
    /// The account.
    pub account: AccountId,
}

impl CloseAccount {
    /// Plans the closing.
    ///
    /// # Errors
    /// `UNKNOWN_ACCOUNT`, `ACCOUNT_CLOSED`, `NOT_THE_PARENT`, `ACCOUNT_IN_OFFICE`, `ACCOUNT_NOT_EMPTY`,
    /// `ACCOUNT_HAS_OPEN_CLAIMS`, `ACCOUNT_HAS_OPEN_LOANS`, `ACCOUNT_HAS_ACCOUNTS_UNDER_IT`.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        let mut account = open_account(changes, self.account)?;
        if !signed_by_it_or_its_parent(context, changes, &account) {
            return Err(Reason::NotTheParent { account: self.account });
        }
        if let Some(role) = [Role::Issuer, Role::Custodian].into_iter().find(|role| account.roles.has(*role)) {
            return Err(Reason::AccountInOffice { account: self.account, role: role.name() });
        }
        if let Some((token, Balance { available, locked })) = first_balance(changes, self.account) {
            return Err(Reason::AccountNotEmpty { token, available, locked });
        }
        require_nothing_open(changes, self.account)?;
        account.closed = true;
        changes.put(&self.account, &account);
        if let Some(parent) = account.parent {
            changes.item_ended(parent, OpenItem::Account(self.account));
        }
        changes.record(Effect::new("accounts.closed").with("account", self.account).with("by", context.sender));
        Ok(())
    }
}

fn signed_by_it_or_its_parent(context: &Context<'_>, changes: &Changes<'_>, account: &Account) -> bool {
    let by_parent = || account.parent.is_some_and(|parent| context.signed_by(changes, parent).is_ok());
    account.keys.is_satisfied_by(context.signers) || by_parent()
}

fn require_nothing_open(changes: &Changes<'_>, account: AccountId) -> Result<(), Reason> {
    let count = |prefix: Vec<u8>| count_open(changes, &prefix, OPEN_ITEMS_COUNTED_MAX) as u64;
    let open = count(receivables_of(account));
    if open > 0 {
        return Err(Reason::AccountHasOpenClaims { account, open });
    }
    let open = count(loans_of(account));
    if open > 0 {
        return Err(Reason::AccountHasOpenLoans { account, open });
    }
    let open = count(accounts_of(account));
    if open > 0 {
        return Err(Reason::AccountHasAccountsUnderIt { account, open });
    }
    Ok(())
}

/// Something that the account still holds, if it holds anything. Empty balances have no entry.
fn first_balance(changes: &Changes<'_>, account: AccountId) -> Option<(TokenId, Balance)> {
    let (key, value) = changes.scan(Column::Balances, &account.to_bytes(), 1).into_iter().next()?;
    match (<(AccountId, TokenId)>::from_bytes(&key), Balance::from_bytes(&value)) {
        (Ok((holder, token)), Ok(balance)) => (holder == account).then_some((token, balance)),
        _ => {
            changes.note_corruption(Column::Balances, &key);
            None
        }
    }
}
