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
use crate::ledger::{Account, BalanceAfter, Effect, Outcome, Role, SignedTransaction, Value, View};
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

    /// Whether the caller is, or stands above, the token's issuer; or is one of its makers and checkers. Another account under the
    /// issuer is a customer's, and other customers' redemptions are none of its business.
    fn of_issuer(self, token: TokenId) -> bool {
        let Some(Token { issuer, .. }) = self.view.read::<Token>(&token) else { return false };
        self.of_account(issuer) || self.issues_for(issuer)
    }

    /// Whether the caller requests or decides issuances of an issuer's, by the rule that issuances are held to.
    fn issues_for(self, issuer: AccountId) -> bool {
        let caller = self.caller.account().and_then(|caller| self.view.read::<Account>(&caller));
        caller.is_some_and(|caller| {
            let issues = [Role::IssuanceMaker, Role::IssuanceChecker].into_iter().any(|role| caller.roles.has(role));
            issues && caller.parent == Some(issuer)
        })
    }

    /// An issuance: the issuer, its makers and checkers, and those it allots to.
    pub(super) fn of_issuance(self, issuance: &Issuance) -> bool {
        self.of_issuer(issuance.token) || issuance.allocations.iter().any(|part| self.of_account(part.account))
    }

    /// A redemption: its holder, the issuer, and its makers and checkers.
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
    use crate::domain::market::{Market, OPENING};
    use crate::domain::tokens::{Allocation, IssuanceState, RedemptionState};
    use crate::domain::trade::{AppointCarrier, AssignReceivable};
    use crate::primitives::{Amount, Hash};

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
    /// An issuer that is a bank too has customers under it. They see their own, and of other holders' redemptions and issuances no
    /// more than a stranger; its makers and checkers see all of its token, and those of another issuer nothing.
    #[test]
    fn customers_of_an_issuer_see_no_other_holders() {
        let mut market = Market::open();
        let token: Token = market.stage.read(&market.token).expect("the market's");
        let issuer = market.stage.open(0x15, None, &[Role::Issuer, Role::Institution]);
        assert_eq!(issuer, token.issuer);
        let elsewhere = market.stage.open(20, None, &[Role::Issuer]);
        let [maker, checker] = [(21, Role::IssuanceMaker), (22, Role::IssuanceChecker)]
            .map(|(name, role)| market.stage.open(name, Some(issuer), &[role]));
        let [holder, customer] = [23, 24].map(|name| market.stage.open(name, Some(issuer), &[Role::Merchant]));
        let plain = market.stage.open(25, Some(issuer), &[]);
        // Under a customer, or under another issuer, its role is not for this token.
        let beneath = market.stage.open(26, Some(customer), &[Role::IssuanceMaker]);
        let others_maker = market.stage.open(27, Some(elsewhere), &[Role::IssuanceMaker]);
        let redemption = Redemption {
            token: market.token,
            holder,
            amount: Amount::new(100),
            payout_commitment: Hash([1; 32]),
            requested_at: OPENING,
            due_at: OPENING,
            overdue_at: None,
            state: RedemptionState::Requested,
            settled_at: None,
            fiat_reference: String::new(),
            narrative: String::new(),
        };
        let issuance = Issuance {
            token: market.token,
            allocations: vec![Allocation { account: holder, amount: Amount::new(100) }],
            total: Amount::new(100),
            maker,
            maker_keys: market.stage.read::<Account>(&maker).expect("it is open").keys,
            requested_at: OPENING,
            expires_at: OPENING,
            state: IssuanceState::Requested,
            checker: None,
            decided_at: None,
        };
        let sees = |account| {
            let sight = Sight::new(Caller::Account(account), &market.stage.view);
            (sight.of_redemption(&redemption), sight.of_issuance(&issuance))
        };
        for (who, account) in [("issuer", issuer), ("maker", maker), ("checker", checker), ("holder", holder)] {
            assert_eq!(sees(account), (true, true), "the {who}");
        }
        for (who, account) in [
            ("another customer", customer),
            ("an account of no role", plain),
            ("one beneath a customer", beneath),
            ("another issuer's maker", others_maker),
            ("another issuer", elsewhere),
        ] {
            assert_eq!(sees(account), (false, false), "{who}");
        }
    }
}
