//! Who sees what. One function for each kind of thing, and every answer and stream goes through them.
//!
//! Overseers (observers, operators) see everything. An account sees what concerns it or an account under it: a
//! transaction concerns its sender and every account that its movements, balances and effects name.

use super::caller::Caller;
use crate::domain::financing::FinancingRequest;
use crate::domain::tokens::{Issuance, Redemption, Token};
use crate::domain::trade::Receivable;
use crate::ledger::limits::ACCOUNT_DEPTH_MAX;
use crate::ledger::{Account, BalanceAfter, Outcome, Value, View};
use crate::primitives::{AccountId, TokenId};

/// What a caller may see of a state.
#[derive(Clone, Copy)]
pub(super) struct Sight<'a> {
    caller: Caller,
    view: &'a dyn View,
}

impl<'a> Sight<'a> {
    pub(super) fn new(caller: Caller, view: &'a dyn View) -> Self {
        Self { caller, view }
    }

    /// Whether the account is the caller's own or stands under it.
    pub(super) fn of_account(self, account: AccountId) -> bool {
        let own = match self.caller {
            Caller::Anyone => return false,
            Caller::Overseer(_) => return true,
            Caller::Account(own) => own,
        };
        let mut above = Some(account);
        for _ in 0..=ACCOUNT_DEPTH_MAX {
            let Some(id) = above else { return false };
            if id == own {
                return true;
            }
            above = self.view.read::<Account>(&id).and_then(|account| account.parent);
        }
        false
    }

    /// Whether what a transaction did concerns the caller. What fell due has no sender.
    pub(super) fn of_outcome(self, sender: Option<AccountId>, outcome: &Outcome) -> bool {
        if matches!(self.caller, Caller::Overseer(_)) {
            return true;
        }
        let moved = outcome.movements.iter().flat_map(|movement| [movement.from, movement.to]).flatten();
        let touched = outcome.balances.iter().map(|balance| balance.account);
        let named = outcome.effects.iter().flat_map(|effect| &effect.fields).filter_map(|(_, value)| match value {
            Value::Account(account) => Some(*account),
            _ => None,
        });
        let mut concerned: Vec<AccountId> = sender.into_iter().chain(moved).chain(touched).chain(named).collect();
        concerned.sort_unstable();
        concerned.dedup();
        concerned.into_iter().any(|account| self.of_account(account))
    }

    /// Those balances after a transaction that the caller may see: of accounts that it sees.
    pub(super) fn balances(self, balances: &[BalanceAfter]) -> Vec<BalanceAfter> {
        balances.iter().copied().filter(|balance| self.of_account(balance.account)).collect()
    }

    /// Whether the caller is, or stands above, the token's issuer; or under it, as its makers and checkers do.
    fn of_issuer(self, token: TokenId) -> bool {
        let Some(token) = self.view.read::<Token>(&token) else { return false };
        let Some(caller) = self.caller.account() else { return false };
        self.of_account(token.issuer) || Sight::new(Caller::Account(token.issuer), self.view).of_account(caller)
    }

    /// An issuance: the issuer, those under it, and those it allots to.
    pub(super) fn of_issuance(self, issuance: &Issuance) -> bool {
        self.of_issuer(issuance.token) || issuance.allocations.iter().any(|part| self.of_account(part.account))
    }

    /// A redemption: its holder and the issuer.
    pub(super) fn of_redemption(self, redemption: &Redemption) -> bool {
        self.of_account(redemption.holder) || self.of_issuer(redemption.token)
    }

    /// A receivable: supplier, buyer and holder.
    pub(super) fn of_receivable(self, receivable: &Receivable) -> bool {
        [receivable.supplier, receivable.buyer, receivable.holder()].into_iter().any(|party| self.of_account(party))
    }

    /// A financing request: the supplier and the financier asked.
    pub(super) fn of_financing_request(self, request: &FinancingRequest) -> bool {
        [request.supplier, request.financier].into_iter().any(|party| self.of_account(party))
    }
}
