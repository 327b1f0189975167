//! Who sees what. One function for each kind of thing, and every answer and stream goes through them.
//!
//! Overseers (observers, operators) see everything. Auditors and governance supervise lenders: they see every lender's book and
//! loans besides what is their own. An account sees what concerns it or an account under it: a
//! transaction concerns its sender, its signers, and every account that its movements, balances and effects name. What fell
//! due in a block concerns nobody as a whole: each effect of it is shown to those whom it names.

use super::caller::Caller;
use crate::domain::financing::Loan;
use crate::domain::tokens::{Issuance, Redemption, Token};
use crate::domain::trade::{Order, Receivable};
use crate::ledger::limits::ACCOUNT_DEPTH_MAX;
use crate::ledger::{Account, BalanceAfter, Effect, Outcome, Role, SignedTransaction, Value, View};
use crate::primitives::{AccountId, PublicKey, TokenId};
use crate::wire::sender_of;

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

    /// Whether the caller sees everything.
    pub(super) fn oversees(self) -> bool {
        matches!(self.caller, Caller::Overseer(_))
    }

    /// Whether the caller sees every lender's book and loans: it oversees, audits or governs.
    pub(super) fn supervises(self) -> bool {
        let holds = |account: Account| account.roles.has(Role::Auditor) || account.roles.has(Role::Governance);
        self.oversees() || self.caller.account().and_then(|own| self.view.read(&own)).is_some_and(holds)
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

    /// Whether a transaction of a block concerns the caller: it sent or signed it, or what it did names an account that the
    /// caller sees. One that was declined did nothing, so those whom it meant to touch hear nothing of it.
    pub(super) fn of_transaction(self, signed: &SignedTransaction, outcome: &Outcome) -> bool {
        let sent = || sender_of(signed.body()).is_some_and(|sender| self.of_account(sender));
        self.of_outcome(outcome) || sent() || self.of_signers(&signed.signers().collect::<Vec<_>>())
    }

    /// Whether one of the caller's own keys signed.
    pub(super) fn of_signers(self, signers: &[PublicKey]) -> bool {
        let Some(own) = self.caller.account() else { return false };
        let keys = self.view.read::<Account>(&own).map(|account| account.keys);
        keys.is_some_and(|keys| keys.keys().iter().any(|key| signers.contains(key)))
    }

    /// Whether an effect names an account that the caller sees.
    pub(super) fn of_effect(self, effect: &Effect) -> bool {
        let named = effect.fields.iter().filter_map(|(_, value)| match value {
            Value::Account(account) => Some(*account),
            _ => None,
        });
        named.into_iter().any(|account| self.of_account(account))
    }

    /// Whether what a transaction did concerns the caller.
    pub(super) fn of_outcome(self, outcome: &Outcome) -> bool {
        if matches!(self.caller, Caller::Overseer(_)) {
            return true;
        }
        let moved = outcome.movements.iter().flat_map(|movement| [movement.from, movement.to]).flatten();
        let touched = outcome.balances.iter().map(|balance| balance.account);
        let mut concerned: Vec<AccountId> = moved.chain(touched).collect();
        concerned.sort_unstable();
        concerned.dedup();
        concerned.into_iter().any(|account| self.of_account(account))
            || outcome.effects.iter().any(|effect| self.of_effect(effect))
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

    /// A receivable: supplier, buyer, owner and financier.
    pub(super) fn of_receivable(self, receivable: &Receivable) -> bool {
        let parties = [receivable.supplier, receivable.buyer, receivable.owner(), receivable.holder()];
        parties.into_iter().any(|party| self.of_account(party))
    }

    /// An order: buyer and supplier.
    pub(super) fn of_order(self, order: &Order) -> bool {
        [order.buyer, order.supplier].into_iter().any(|party| self.of_account(party))
    }

    /// A loan: its borrower, its lenders, and whoever supervises them.
    pub(super) fn of_loan(self, loan: &Loan) -> bool {
        let lenders = loan.legs().iter().map(|leg| leg.lender);
        lenders.chain([loan.terms.borrower]).any(|party| self.of_account(party)) || self.supervises()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::market::Market;
    use crate::domain::trade::{AssignReceivable, OrderTerms, PlaceOrder, SilenceMeans};
    use crate::primitives::{Amount, Hash};

    /// Who sees an order and a receivable: their parties and nobody else, not even a carrier; an owner from when it is one.
    #[test]
    fn trade_is_seen_by_its_parties() {
        let mut market = Market::open();
        let (buyer, supplier, stranger) = (market.buyer, market.supplier, market.stranger);
        let carrier = market.stage.open(9, None, &[Role::Carrier]);
        let terms = OrderTerms {
            amount: Amount::new(500),
            document_commitment: Hash([1; 32]),
            line_count: 1,
            deliver_by: None,
            confirmation_days: 0,
            silence: SilenceMeans::Nothing,
            payment_days: None,
        };
        let currency = "HKD".parse().expect("a currency");
        let place = PlaceOrder { supplier, token: market.token, currency, fingerprint: Hash([2; 32]), terms };
        let placed = market.stage.perform(&[buyer], |context, changes| place.plan(context, changes));
        let order: Order = market.stage.read(&placed.expect("a fresh number").object).expect("it was placed");
        let id = market.confirmed(1, 500);
        let seen = |market: &Market| {
            let receivable: Receivable = market.stage.read(&id).expect("it was registered");
            [buyer, supplier, stranger, carrier].map(|account| {
                let sight = Sight::new(Caller::Account(account), &market.stage.view);
                (sight.of_order(&order), sight.of_receivable(&receivable))
            })
        };
        let (nothing, both) = ((false, false), (true, true));
        assert_eq!(seen(&market), [both, both, nothing, nothing]);
        let assign = AssignReceivable { receivable: id, assignee: stranger };
        let assigned = market.stage.perform(&[supplier, stranger], |context, changes| assign.plan(context, changes));
        assigned.expect("both signed");
        assert_eq!(seen(&market), [both, both, (false, true), nothing]);
        let watcher = Sight::new(Caller::Overseer(carrier), &market.stage.view);
        assert!(watcher.of_order(&order));
    }
}
