//! Transfer: the plain payment.

use super::Remittance;
use crate::domain::tokens;
use crate::ledger::context::open_account;
use crate::ledger::malformed::Malformed;
use crate::ledger::{Account, Balance, Changes, Context, Place, Reason};
use crate::primitives::{AccountId, Amount, TokenId};

/// Moves value from one account to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Who pays.
    pub payer: AccountId,
    /// Who is paid.
    pub payee: AccountId,
    /// In which token.
    pub token: TokenId,
    /// How much.
    pub amount: Amount,
    /// What for.
    pub remittance: Remittance,
}

impl Transfer {
    /// Holds the operation to its static bounds.
    ///
    /// # Errors
    /// The first field that is out of bounds.
    pub fn check(&self) -> Result<(), Malformed> {
        if self.amount.is_zero() {
            return Err(Malformed::new("amount", "it must be positive"));
        }
        self.remittance.check()
    }

    /// Where the entries stand that planning it reads, but for the token, of which there are few.
    pub fn foreseen_reads(&self) -> [Place; 4] {
        let balance = |account| Place::of::<Balance>(&(account, self.token));
        let account = |account| Place::of::<Account>(&account);
        [account(self.payer), account(self.payee), balance(self.payer), balance(self.payee)]
    }

    /// Plans the movement.
    ///
    /// # Errors
    /// `UNKNOWN_TOKEN`, `UNKNOWN_ACCOUNT`, `ACCOUNT_CLOSED`, `SAME_ACCOUNT`, `MISSING_SIGNATURE`, `INSUFFICIENT_FUNDS`,
    /// `AMOUNT_OVERFLOW`.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        tokens::require_known(changes, self.token)?;
        open_account(changes, self.payee)?;
        if self.payer == self.payee {
            return Err(Reason::SameAccount { account: self.payer });
        }
        context.signed_by(changes, self.payer)?;
        changes.transfer(self.token, self.payer, self.payee, self.amount)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::market::Market;
    use crate::ledger::MovementKind;

    fn transfer(market: &Market, units: u64) -> Transfer {
        let (payer, payee, token) = (market.buyer, market.supplier, market.token);
        Transfer { payer, payee, token, amount: Amount::new(units), remittance: Remittance::default() }
    }

    #[test]
    fn a_payment_is_two_balances_and_nothing_else() {
        let mut market = Market::open();
        let operation = transfer(&market, 400);
        let planned = market
            .stage
            .perform(&[operation.payer], |context, changes| operation.plan(context, changes))
            .expect("funds are there")
            .planned;
        assert_eq!(planned.writes.len(), 2);
        assert!(planned.effects.is_empty());
        assert_eq!(
            (planned.movements[0].kind, planned.movements[0].amount),
            (MovementKind::Transfer, Amount::new(400))
        );
        let of = |account| market.stage.read::<Balance>(&(account, market.token)).unwrap_or_default().available;
        assert_eq!((of(market.buyer), of(market.supplier)), (Amount::new(999_600), Amount::new(400)));
    }

    #[test]
    fn another_account_may_send_what_the_payer_signs() {
        let mut market = Market::open();
        let operation = transfer(&market, 1);
        let sponsor = market.stranger;
        let plan = |context: &Context<'_>, changes: &mut Changes<'_>| operation.plan(context, changes);
        assert!(market.stage.perform(&[sponsor, operation.payer], plan).is_ok());
        let declined = market.stage.perform(&[sponsor, operation.payee], plan);
        assert_eq!(
            declined.expect_err("the payer did not sign"),
            Reason::MissingSignature { account: operation.payer }
        );
    }

    #[test]
    fn each_rule_declines_with_its_own_reason() {
        let mut market = Market::open();
        let closed = market.financiers[1];
        market.alter(closed, |account| account.closed = true);
        let good = transfer(&market, 400);
        let stranger = AccountId([99; 32]);
        let rows = [
            ("UNKNOWN_TOKEN", Transfer { token: "EURX".parse().expect("a token id"), ..good.clone() }),
            ("UNKNOWN_ACCOUNT", Transfer { payee: stranger, ..good.clone() }),
            ("UNKNOWN_ACCOUNT", Transfer { payer: stranger, ..good.clone() }),
            ("ACCOUNT_CLOSED", Transfer { payee: closed, ..good.clone() }),
            ("ACCOUNT_CLOSED", Transfer { payer: closed, ..good.clone() }),
            ("SAME_ACCOUNT", Transfer { payee: good.payer, ..good.clone() }),
            ("MISSING_SIGNATURE", Transfer { payer: market.financiers[0], ..good.clone() }),
            ("INSUFFICIENT_FUNDS", Transfer { amount: Amount::new(1_000_001), ..good.clone() }),
        ];
        for (name, operation) in rows {
            let declined = market.stage.perform(&[market.buyer], |context, changes| operation.plan(context, changes));
            assert_eq!(declined.expect_err(name).name(), name);
        }
        assert!(Transfer { amount: Amount::ZERO, ..good.clone() }.check().is_err());
        assert_eq!(good.check(), Ok(()));
    }

    #[test]
    fn a_payee_cannot_be_paid_past_what_a_balance_holds() {
        let mut market = Market::open();
        let operation = transfer(&market, 1);
        let full = Balance { available: Amount::MAX, locked: Amount::ZERO };
        market.stage.edit(|changes| changes.put(&(operation.payee, operation.token), &full));
        let declined = market.stage.perform(&[market.buyer], |context, changes| operation.plan(context, changes));
        assert_eq!(declined.expect_err("no room"), Reason::AmountOverflow { token: operation.token });
    }
}
