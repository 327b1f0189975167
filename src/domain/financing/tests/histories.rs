//! What holds whatever happens: random histories of requesting, joining, paying, repaying, ageing, defaulting, writing off,
//! recovering, closing accounts.

use super::desk::{Desk, amount};
use super::positions;
use crate::domain::accounts::CloseAccount;
use crate::domain::financing::{
    BookLine, Bucket, DeclareDefault, Loan, LoanState, Outstanding, RecordRecovery, WriteOffLoan,
};
use crate::domain::market::DUE;
use crate::ledger::open_items::{count_open, loans_of};
use crate::ledger::{Balance, Circulation, Column, Reason, View as _};
use crate::primitives::time::DAY_MS;
use crate::primitives::{AccountId, Amount, BlockTime, Decode as _, ObjectId, TokenId};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug)]
enum Step {
    Confirm { number: u8, units: u64 },
    Join { share_bps: u32, limit: u64 },
    Request { invoice: usize, units: u64 },
    Pay { invoice: usize, units: u64 },
    Repay { loan: usize, units: u64 },
    Default { loan: usize },
    WriteOff { loan: usize },
    Recover { loan: usize, units: u64 },
    Close { account: usize },
    Wait { days: u64 },
}

/// Steps on few things, so that they meet.
fn any_step() -> impl Strategy<Value = Step> {
    let (invoice, loan) = (|| 0usize..2, || 0usize..3);
    prop_oneof![
        1 => (2u8..5, 500u64..20_000).prop_map(|(number, units)| Step::Confirm { number, units }),
        1 => (0u32..7_500, 0u64..20_000).prop_map(|(share_bps, limit)| Step::Join { share_bps, limit }),
        4 => (invoice(), 1u64..18_000).prop_map(|(invoice, units)| Step::Request { invoice, units }),
        4 => (invoice(), 1u64..9_000).prop_map(|(invoice, units)| Step::Pay { invoice, units }),
        2 => (loan(), 1u64..9_000).prop_map(|(loan, units)| Step::Repay { loan, units }),
        2 => loan().prop_map(|loan| Step::Default { loan }),
        2 => loan().prop_map(|loan| Step::WriteOff { loan }),
        2 => (loan(), 1u64..9_000).prop_map(|(loan, units)| Step::Recover { loan, units }),
        1 => (0usize..4).prop_map(|account| Step::Close { account }),
        3 => (0u64..80).prop_map(|days| Step::Wait { days }),
    ]
}

struct Play {
    desk: Desk,
    invoices: Vec<ObjectId>,
    loans: Vec<ObjectId>,
    /// The bucket in which each loan was seen last.
    seen: BTreeMap<ObjectId, Bucket>,
}

const CUSTODY: AccountId = AccountId([0xcd; 32]);

impl Play {
    fn new(units: u64) -> Self {
        let mut desk = Desk::open();
        let invoices = vec![desk.market.confirmed(1, units)];
        Self { desk, invoices, loans: Vec::new(), seen: BTreeMap::new() }
    }

    fn take(&mut self, step: Step) -> Result<(), Reason> {
        let at = |list: &[ObjectId], index: usize| list.get(index).copied().unwrap_or(ObjectId([0; 32]));
        let [lender, other] = self.desk.market.financiers;
        let supplier = self.desk.market.supplier;
        match step {
            Step::Confirm { number, units } => {
                let invoice = self.desk.market.invoice(number, units);
                let id = self.desk.market.register(invoice)?;
                let buyer = self.desk.market.buyer;
                self.desk.market.confirm_as(buyer, id)?;
                self.invoices.push(id);
            }
            Step::Join { share_bps, limit } => drop(self.desk.join(other, share_bps, limit)?),
            Step::Request { invoice, units } => {
                let operation = self.desk.asking(at(&self.invoices, invoice), units);
                self.loans.push(self.desk.request(&operation)?.object);
            }
            Step::Pay { invoice, units } => drop(self.desk.pay(at(&self.invoices, invoice), units)?),
            Step::Repay { loan, units } => drop(self.desk.repay_as(supplier, at(&self.loans, loan), units)?),
            Step::Default { loan } => {
                let operation = DeclareDefault { loan: at(&self.loans, loan) };
                self.desk.market.stage.perform(&[lender], |context, changes| operation.plan(context, changes))?;
            }
            Step::WriteOff { loan } => {
                let operation = WriteOffLoan { loan: at(&self.loans, loan) };
                self.desk.market.stage.perform(&[lender], |context, changes| operation.plan(context, changes))?;
            }
            Step::Recover { loan, units } => {
                let operation = RecordRecovery { loan: at(&self.loans, loan), amount: amount(units) };
                self.desk.market.stage.perform(&[lender], |context, changes| operation.plan(context, changes))?;
            }
            Step::Close { account } => self.close(self.holders()[account])?,
            Step::Wait { days } => {
                self.desk.market.stage.now = BlockTime(self.desk.market.stage.now.0 + days * DAY_MS);
                self.desk.work_off_due();
            }
        }
        Ok(())
    }

    /// Empties an account and closes it.
    fn close(&mut self, account: AccountId) -> Result<(), Reason> {
        let token = self.desk.market.token;
        let operation = CloseAccount { account };
        let closed = self.desk.market.stage.perform(&[account], |context, changes| {
            let available = changes.balance(account, token).available;
            changes.transfer(token, account, CUSTODY, available)?;
            operation.plan(context, changes)
        });
        closed.map(drop)
    }

    fn holders(&self) -> [AccountId; 4] {
        let [lender, other] = self.desk.market.financiers;
        [self.desk.market.supplier, self.desk.market.buyer, lender, other]
    }

    fn check(&mut self) {
        let loans: Vec<(ObjectId, Loan)> = self.loans.iter().map(|id| (*id, self.desk.loan(*id))).collect();
        for (id, loan) in &loans {
            let lent: u64 = loan.legs().iter().map(|leg| leg.lent.minor_units()).sum();
            assert_eq!(lent, loan.terms.advance.minor_units(), "the shares are the advance");
            assert!(loan.legs().iter().all(|leg| leg.principal_received <= leg.lent));
            let ended = matches!(loan.state(), LoanState::Repaid | LoanState::Recovered);
            assert!(!ended || loan.principal().is_zero(), "it ended and something is owed");
            assert!(loan.recovered() <= loan.written_off());
            let before = self.seen.insert(*id, loan.bucket()).unwrap_or(Bucket::Current);
            assert!(before <= loan.bucket(), "a loan grew younger");
        }
        for id in &self.invoices {
            let found = self.desk.receivable(*id);
            assert!(found.secured() <= found.outstanding(), "more is secured than it is worth");
        }
        self.check_value();
        self.check_books(&loans);
    }

    fn check_value(&self) {
        let token = self.desk.market.token;
        let accounts = self.holders().into_iter().chain([self.desk.market.stranger, CUSTODY]);
        let held: u64 = accounts
            .filter_map(|account| self.desk.market.stage.read::<Balance>(&(account, token)))
            .map(|balance| balance.available.minor_units() + balance.locked.minor_units())
            .sum();
        let circulation: Circulation = self.desk.market.stage.read(&token).expect("there is money");
        assert_eq!(held, circulation.0.minor_units(), "value was made or lost");
    }

    /// The books are the loans' sums, and whoever a loan binds stays.
    fn check_books(&self, loans: &[(ObjectId, Loan)]) {
        let mut sums: BTreeMap<BookLine, u64> = BTreeMap::new();
        for (line, lent) in loans.iter().flat_map(|(_, loan)| loan.lines()) {
            *sums.entry(line).or_default() += lent.minor_units();
        }
        let kept = self.desk.market.stage.view.scan(Column::LenderBooks, &[], usize::MAX);
        let read = |(key, value): &(bytes::Bytes, bytes::Bytes)| {
            let (line, _) = <(BookLine, TokenId)>::from_bytes(key).expect("a line");
            (line, Outstanding::from_bytes(value).expect("an amount").amount.minor_units())
        };
        assert_eq!(kept.iter().map(read).collect::<BTreeMap<_, _>>(), sums);
        positions::check(&self.desk, loans);
        for account in self.holders() {
            let bound = loans.iter().filter(|(_, loan)| loan.bound().contains(&account)).count();
            assert_eq!(count_open(&self.desk.market.stage.view, &loans_of(account), usize::MAX), bound);
        }
    }
}

proptest! {
    /// Value is conserved, the books are the loans, nothing is financed above its worth, shares sum, and no loan grows younger.
    #[test]
    fn loans_hold_their_invariants(
        units in 5_000u64..20_000,
        steps in proptest::collection::vec(any_step(), 0..40),
    ) {
        let mut play = Play::new(units);
        for step in steps {
            // A decline is an answer, not a failure.
            let _ = play.take(step).is_ok();
            play.check();
        }
    }
}

/// The histories above reach what they are meant to test: seen here once, step by step.
#[test]
fn a_history_reaches_every_end_of_the_life_cycle() {
    let mut play = Play::new(10_000);
    play.desk.market.stage.mint(play.desk.market.token, play.desk.market.supplier, 5_000);
    for step in [
        Step::Join { share_bps: 3_333, limit: 20_000 },
        Step::Confirm { number: 2, units: 10_000 },
        Step::Request { invoice: 0, units: 9_000 },
        Step::Request { invoice: 1, units: 5_000 },
        Step::Repay { loan: 1, units: 5_050 },
        Step::Wait { days: 130 },
        Step::Pay { invoice: 0, units: 1_000 },
        Step::Default { loan: 0 },
        Step::WriteOff { loan: 0 },
        Step::Pay { invoice: 0, units: 8_000 },
    ] {
        play.take(step).unwrap_or_else(|reason| panic!("{step:?} was declined: {reason:?}"));
        play.check();
    }
    let owing = |play: &Play, index: usize| play.desk.loan(play.loans[index]);
    assert_eq!((owing(&play, 0).state(), owing(&play, 1).state()), (LoanState::WrittenOff, LoanState::Repaid));
    // What the invoice did not pay comes in beside the ledger; until then nobody of the loan leaves.
    let [lender, other] = play.desk.market.financiers;
    let stays = play.close(other).expect_err("it is owed something");
    assert_eq!(stays, Reason::AccountHasOpenLoans { account: other, open: 1 });
    let left = owing(&play, 0).written_off().minor_units() - owing(&play, 0).recovered().minor_units();
    assert!(left > 0 && Amount::new(left) < amount(2_000), "{left}");
    play.take(Step::Recover { loan: 0, units: left }).expect("all of it");
    play.check();
    assert_eq!(owing(&play, 0).state(), LoanState::Recovered);
    play.close(lender).and_then(|()| play.close(other)).expect("nothing binds them");
    assert!(play.desk.market.stage.now > DUE);
}
