//! Who sees what. One function for each kind of thing, and every answer and stream goes through them.
//!
//! Overseers (observers, operators) see everything. Auditors and governance supervise lenders: they see every lender's book and
//! loans besides what is their own. An account sees what concerns it or an account under it: a
//! transaction concerns its sender, the accounts that its body names as co-signers, and every account that its movements,
//! balances and effects name. Not whoever has a key that signed: an account can name a key that is another's. What fell due, which has an outcome for each thing, every account that this one names. A carrier sees the orders for which it was
//! appointed, and of the events of their shipments its own.

use super::caller::Caller;
use crate::domain::financing::Loan;
use crate::domain::tokens::{Issuance, Redemption, Token};
use crate::domain::trade::{Order, Receivable, ShipmentEvent};
use crate::ledger::limits::ACCOUNT_DEPTH_MAX;
use crate::ledger::{Account, BalanceAfter, Effect, Outcome, SignedTransaction, Value, View};
use crate::primitives::{AccountId, TokenId};
use crate::wire::senders_of;

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

    /// Whether the caller sees every lender's book and loans: it oversees, audits or governs.
    pub(super) fn supervises(self) -> bool {
        matches!(self.caller, Caller::Supervisor(_) | Caller::Overseer(_))
    }

    /// Whether the caller sees a lender's figures: its own, those of a lender under it, or whoever's it supervises.
    pub(super) fn of_lender(self, lender: AccountId) -> bool {
        self.of_account(lender) || self.supervises()
    }

    /// Whether the account is the caller's own or stands under it.
    pub(super) fn of_account(self, account: AccountId) -> bool {
        let own = match self.caller {
            Caller::Anyone => return false,
            Caller::Overseer(_) => return true,
            Caller::Account(own) | Caller::Supervisor(own) => own,
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

    /// Whether a transaction of a block concerns the caller: it sent or co-signed it, or what it did names an account that the
    /// caller sees. One that was declined did nothing, so those whom it meant to touch hear nothing of it.
    pub(super) fn of_transaction(self, signed: &SignedTransaction, outcome: &Outcome) -> bool {
        // For whoever may see none of them, no body is read.
        !matches!(self.caller, Caller::Anyone)
            && (self.of_outcome(outcome) || self.of_senders(&senders_of(signed.body())))
    }

    /// Whether one of these accounts is the caller's own or stands under it.
    pub(super) fn of_senders(self, senders: &[AccountId]) -> bool {
        senders.iter().any(|sender| self.of_account(*sender))
    }

    /// Whether an effect names an account that the caller sees.
    fn of_effect(self, effect: &Effect) -> bool {
        let named = effect.fields.iter().filter_map(|(_, value)| match value {
            Value::Account(account) => Some(*account),
            _ => None,
        });
        named.into_iter().any(|account| self.of_account(account))
    }

    /// Whether what a transaction did, or what fell due, concerns the caller.
    pub(super) fn of_outcome(self, outcome: &Outcome) -> bool {
        match self.caller {
            Caller::Anyone => return false,
            Caller::Overseer(_) => return true,
            Caller::Account(_) | Caller::Supervisor(_) => {}
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

    /// An order: buyer, supplier, and the carriers that they appointed.
    pub(super) fn of_order(self, order: &Order) -> bool {
        self.of_parties(order) || order.carriers().iter().any(|carrier| self.of_account(*carrier))
    }

    fn of_parties(self, order: &Order) -> bool {
        [order.buyer, order.supplier].into_iter().any(|party| self.of_account(party))
    }

    /// Who carries an order, as far as the caller sees it: all of it is its parties' business, and a carrier's is its own part.
    pub(super) fn carriers(self, order: &Order) -> Vec<AccountId> {
        let all = self.of_parties(order);
        order.carriers().iter().copied().filter(|carrier| all || self.of_account(*carrier)).collect()
    }

    /// Those events of an order's shipments that the caller sees: its parties all of them, a carrier its own.
    pub(super) fn events(self, order: &Order, mut events: Vec<ShipmentEvent>) -> Vec<ShipmentEvent> {
        let all = self.of_parties(order);
        events.retain(|event| all || self.of_account(event.carrier));
        events
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
    use crate::domain::trade::{AppointCarrier, AssignReceivable};
    use crate::ledger::Role;

    /// Who sees an order and a receivable: their parties, of an order the carriers that they appointed, and nobody else; an owner
    /// from when it is one.
    #[test]
    fn trade_is_seen_by_its_parties() {
        let mut market = Market::open();
        let (buyer, supplier, stranger) = (market.buyer, market.supplier, market.stranger);
        let [carrier, haulier] = [9, 10].map(|name| market.stage.open(name, None, &[Role::Carrier]));
        let order_id = market.ordered(2, 500);
        let id = market.confirmed(1, 500);
        let seen = |market: &Market| {
            let receivable: Receivable = market.stage.read(&id).expect("it was registered");
            let order: Order = market.stage.read(&order_id).expect("it was placed");
            [buyer, supplier, stranger, carrier, haulier].map(|account| {
                let sight = Sight::new(Caller::Account(account), &market.stage.view);
                (sight.of_order(&order), sight.of_receivable(&receivable))
            })
        };
        let (nothing, both) = ((false, false), (true, true));
        assert_eq!(seen(&market), [both, both, nothing, nothing, nothing]);
        let appoint = AppointCarrier { order: order_id, carrier };
        market.stage.perform(&[supplier], |context, changes| appoint.plan(context, changes)).expect("a party appoints");
        assert_eq!(seen(&market), [both, both, nothing, (true, false), nothing]);
        let assign = AssignReceivable { receivable: id, assignee: stranger };
        let assigned = market.stage.perform(&[supplier, stranger], |context, changes| assign.plan(context, changes));
        assigned.expect("both signed");
        assert_eq!(seen(&market), [both, both, (false, true), (true, false), nothing]);
        let order: Order = market.stage.read(&order_id).expect("it was placed");
        let watcher = Sight::new(Caller::Overseer(haulier), &market.stage.view);
        assert!(watcher.of_order(&order));
    }
}
