//! What holds whatever happens: random histories of registering, confirming, taking back, requesting, accepting,
//! withdrawing, paying, closing accounts.

use super::settlements::record;
use crate::domain::accounts::CloseAccount;
use crate::domain::financing::{
    AcceptFinancing, Citation, FinancingRequest, FinancingRequestState, PayInvoice, RequestFinancing, WithdrawFinancing,
};
use crate::domain::market::{Market, OPENING};
use crate::domain::rehearsal::Performed;
use crate::domain::trade::Receivable;
use crate::domain::trade::ReceivableState::{Registered, Rejected, Settled, Withdrawn};
use crate::ledger::{Account, Balance, Circulation, OpenItems, Reason};
use crate::primitives::{AccountId, Amount, BlockTime, ObjectId};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug)]
enum Step {
    Register { number: u8, units: u64 },
    Confirm { invoice: usize },
    Retract { invoice: usize, by_buyer: bool },
    Close { account: usize },
    Request { invoice: usize, financier: usize, advance: u64, fee: u64 },
    Withdraw { request: usize },
    Accept { request: usize },
    Pay { invoice: usize, units: u64 },
    Wait { ms: u64 },
}

/// Steps on few things, so that they meet: two invoices, four requests, advances of which several fit into an invoice.
fn any_step() -> impl Strategy<Value = Step> {
    let invoice = || 0usize..2;
    let request = || 0usize..4;
    prop_oneof![
        1 => (0u8..3, 500u64..2_000).prop_map(|(number, units)| Step::Register { number, units }),
        1 => invoice().prop_map(|invoice| Step::Confirm { invoice }),
        1 => (invoice(), any::<bool>()).prop_map(|(invoice, by_buyer)| Step::Retract { invoice, by_buyer }),
        1 => (0usize..5).prop_map(|account| Step::Close { account }),
        4 => (invoice(), 0usize..2, 1u64..800, 0u64..100)
            .prop_map(|(invoice, financier, advance, fee)| Step::Request { invoice, financier, advance, fee }),
        1 => request().prop_map(|request| Step::Withdraw { request }),
        4 => request().prop_map(|request| Step::Accept { request }),
        3 => (invoice(), 1u64..600).prop_map(|(invoice, units)| Step::Pay { invoice, units }),
        1 => (0u64..200).prop_map(|ms| Step::Wait { ms }),
    ]
}

/// A market, what was made in it, and a ledger of our own to hold against it.
struct Play {
    market: Market,
    citations: Vec<Citation>,
    invoices: Vec<ObjectId>,
    requests: Vec<ObjectId>,
    /// For each receivable, who financed it and what that claims, what the buyer paid, and what reached whom.
    book: BTreeMap<ObjectId, Book>,
}

#[derive(Default)]
struct Book {
    financier: Option<AccountId>,
    claim: u64,
    paid: u64,
    repaid: u64,
    passed_on: u64,
}

impl Play {
    fn new() -> Self {
        let mut market = Market::open();
        let citations = record(&mut market);
        Self { market, citations, invoices: Vec::new(), requests: Vec::new(), book: BTreeMap::new() }
    }

    /// A play that begins with an invoice that is owed, so that histories do not spend their steps on getting there.
    fn with_an_invoice(units: u64) -> Self {
        let mut play = Self::new();
        play.invoices.push(play.market.confirmed(9, units));
        play
    }

    /// Does one step. Whether it is declined is the rooms' business; what follows from it is checked after.
    fn take(&mut self, step: Step) -> Result<(), Reason> {
        let Market { supplier, buyer, financiers, .. } = self.market;
        let nothing = ObjectId([0; 32]);
        let at = |list: &[ObjectId], index: usize| list.get(index).copied().unwrap_or(nothing);
        match step {
            Step::Register { number, units } => {
                let invoice = self.market.invoice(number, units);
                let id = self.market.register(invoice)?;
                self.invoices.push(id);
            }
            Step::Confirm { invoice } => {
                self.market.confirm_as(buyer, at(&self.invoices, invoice))?;
            }
            Step::Retract { invoice, by_buyer: true } => {
                self.market.reject_as(buyer, at(&self.invoices, invoice))?;
            }
            Step::Retract { invoice, by_buyer: false } => {
                self.market.withdraw_as(supplier, at(&self.invoices, invoice))?;
            }
            Step::Close { account } => self.close(self.holders()[account])?,
            Step::Request { invoice, financier, advance, fee } => {
                let operation = RequestFinancing {
                    receivable: at(&self.invoices, invoice),
                    financier: financiers[financier],
                    advance: Amount::new(advance),
                    fee: Amount::new(fee),
                    expires_at: BlockTime(OPENING.0 + 1_000),
                    citations: self.citations.clone(),
                };
                let id = self.market.stage.perform(&[supplier], |context, changes| operation.plan(context, changes))?;
                self.requests.push(id.object);
            }
            Step::Withdraw { request } => {
                let operation = WithdrawFinancing { request: at(&self.requests, request) };
                self.market.stage.perform(&[supplier], |context, changes| operation.plan(context, changes))?;
            }
            Step::Accept { request } => self.accept(at(&self.requests, request))?,
            Step::Pay { invoice, units } => self.pay(at(&self.invoices, invoice), units)?,
            Step::Wait { ms } => self.market.stage.now.0 += ms,
        }
        Ok(())
    }

    /// Empties an account and closes it.
    fn close(&mut self, account: AccountId) -> Result<(), Reason> {
        let token = self.market.token;
        let custody = AccountId([0xcd; 32]);
        let operation = CloseAccount { account };
        self.market.stage.perform(&[account], |context, changes| {
            let available = changes.balance(account, token).available;
            changes.transfer(token, account, custody, available)?;
            operation.plan(context, changes)
        })?;
        Ok(())
    }

    fn holders(&self) -> [AccountId; 5] {
        let Market { supplier, buyer, stranger, financiers: [one, two], .. } = self.market;
        [supplier, buyer, stranger, one, two]
    }

    fn accept(&mut self, id: ObjectId) -> Result<(), Reason> {
        let asked: Option<FinancingRequest> = self.market.stage.read(&id);
        let sender = asked.map_or(self.market.financiers[0], |request| request.financier);
        let operation = AcceptFinancing { request: id };
        self.market.stage.perform(&[sender], |context, changes| operation.plan(context, changes))?;
        if let Some(request) = asked {
            let book = self.book.entry(request.receivable).or_default();
            assert_eq!(book.financier, None, "a receivable found a second financier");
            book.financier = Some(request.financier);
            book.claim = request.advance.minor_units() + request.fee.minor_units();
        }
        Ok(())
    }

    fn pay(&mut self, receivable: ObjectId, units: u64) -> Result<(), Reason> {
        let (buyer, supplier) = (self.market.buyer, self.market.supplier);
        let operation = PayInvoice { receivable, amount: Amount::new(units), end_to_end_id: String::new() };
        let Performed { planned, .. } =
            self.market.stage.perform(&[buyer], |context, changes| operation.plan(context, changes))?;
        let book = self.book.entry(receivable).or_default();
        for movement in planned.movements {
            assert_eq!(movement.from, Some(buyer));
            match movement.to {
                to if to == Some(supplier) => book.passed_on += movement.amount.minor_units(),
                to if to.is_some() && to == book.financier => book.repaid += movement.amount.minor_units(),
                to => panic!("a payment reached {to:?}, who is neither supplier nor financier"),
            }
        }
        book.paid += units;
        Ok(())
    }

    fn check(&self) {
        let empty = Book::default();
        for id in &self.invoices {
            let found: Receivable = self.market.stage.read(id).expect("receivables stay");
            let book = self.book.get(id).unwrap_or(&empty);
            assert_eq!(book.paid, book.repaid + book.passed_on, "what is paid reaches someone");
            let retracted = matches!(found.state(), Withdrawn | Rejected);
            assert!(!retracted || book.paid == 0, "something was paid on what nobody owed");
            let outstanding = if retracted { 0 } else { found.amount.minor_units() - book.paid };
            let stands = self.market.registered(found.fingerprint) == Some(*id);
            assert_eq!(stands, !retracted, "a fingerprint stands as long as its invoice");
            assert_eq!(found.outstanding().minor_units(), outstanding);
            assert!(found.secured() <= found.outstanding(), "the buyer owes less than the financier is due");
            assert_eq!(found.state() == Settled || retracted, outstanding == 0);
            assert!(found.state() != Registered || book.paid == 0, "nobody pays what nobody owes");
            assert_eq!(found.pledged().map(|pledge| pledge.financier), book.financier);
            assert_eq!(found.secured().minor_units(), book.claim - book.repaid);
            assert!(book.passed_on == 0 || found.secured().is_zero() || book.financier.is_some());
            assert_eq!(found.holder(), book.financier.unwrap_or(self.market.supplier));
            assert!(self.accepted(*id) <= 1, "two accepted requests for one receivable");
        }
        self.check_value();
        self.check_open_items();
    }

    /// Who is owed, or owes, is counted; and nobody leaves before.
    fn check_open_items(&self) {
        let receivables: Vec<Receivable> = self.invoices.iter().filter_map(|id| self.market.stage.read(id)).collect();
        for account in self.holders() {
            let binds = |found: &&Receivable| {
                let open = !found.outstanding().is_zero();
                let due = found.secured();
                open && found.buyer == account
                    || found.owner() == account && found.outstanding() > due
                    || found.pledged().is_some_and(|to| to.financier == account) && !due.is_zero()
            };
            let open = receivables.iter().filter(binds).count() as u64;
            let counted: OpenItems = self.market.stage.read(&account).unwrap_or_default();
            assert_eq!(counted, OpenItems { receivables: open, accounts: 0 });
            let closed = self.market.stage.read::<Account>(&account).is_some_and(|found| found.closed);
            assert!(!closed || open == 0, "a party to an open receivable was closed");
        }
    }

    fn accepted(&self, receivable: ObjectId) -> usize {
        let requests = self.requests.iter().filter_map(|id| self.market.stage.read::<FinancingRequest>(id));
        requests
            .filter(|request| request.receivable == receivable && request.state() == FinancingRequestState::Accepted)
            .count()
    }

    fn check_value(&self) {
        let token = self.market.token;
        let held: u64 = self
            .holders()
            .into_iter()
            .chain([AccountId([0xcd; 32])])
            .filter_map(|account| self.market.stage.read::<Balance>(&(account, token)))
            .map(|balance| balance.available.minor_units() + balance.locked.minor_units())
            .sum();
        let circulation: Circulation = self.market.stage.read(&token).expect("there is money");
        assert_eq!(held, circulation.0.minor_units(), "value was made or lost");
    }
}

proptest! {
    /// Never two financiers; what is paid is repaid or passed on; nothing is owed twice; value is conserved.
    #[test]
    fn receivables_hold_their_invariants(
        units in 500u64..3_000,
        steps in proptest::collection::vec(any_step(), 0..40),
    ) {
        let mut play = Play::with_an_invoice(units);
        for step in steps {
            // A decline is an answer, not a failure.
            let _ = play.take(step).is_ok();
            play.check();
        }
    }
}

/// An account that owes or is owed stays; each party may go as soon as nothing of the invoice concerns it.
#[test]
fn parties_may_leave_when_they_are_done() {
    let mut play = Play::new();
    let [supplier, buyer, _, financier, _] = play.holders();
    let declined = |play: &mut Play, account| play.close(account).err();
    let owes = |account| Some(Reason::AccountHasOpenClaims { account, open: 1 });
    for step in [
        Step::Register { number: 1, units: 1_000 },
        Step::Confirm { invoice: 0 },
        // Asked, a financier may still go; that binds it to nothing.
        Step::Request { invoice: 0, financier: 1, advance: 900, fee: 10 },
        Step::Close { account: 4 },
        Step::Request { invoice: 0, financier: 0, advance: 900, fee: 10 },
        Step::Accept { request: 1 },
    ] {
        play.take(step).unwrap_or_else(|reason| panic!("{step:?} was declined: {reason:?}"));
        play.check();
    }
    for account in [supplier, buyer, financier] {
        assert_eq!(declined(&mut play, account), owes(account));
    }
    play.take(Step::Pay { invoice: 0, units: 910 }).expect("the financier is repaid");
    assert_eq!(declined(&mut play, supplier), owes(supplier));
    assert_eq!(declined(&mut play, financier), None);
    play.take(Step::Pay { invoice: 0, units: 90 }).expect("a closed financier is in nobody's way");
    play.check();
    assert_eq!([declined(&mut play, supplier), declined(&mut play, buyer)], [None, None]);
}

/// The histories above reach what they are meant to test: seen here once, step by step.
#[test]
fn a_history_reaches_the_end_of_the_life_cycle() {
    let mut play = Play::new();
    for step in [
        Step::Register { number: 1, units: 1_000 },
        Step::Confirm { invoice: 0 },
        Step::Request { invoice: 0, financier: 0, advance: 800, fee: 10 },
        Step::Request { invoice: 0, financier: 1, advance: 900, fee: 20 },
        Step::Pay { invoice: 0, units: 50 },
        Step::Accept { request: 1 },
        Step::Pay { invoice: 0, units: 899 },
        Step::Pay { invoice: 0, units: 51 },
    ] {
        play.take(step).unwrap_or_else(|reason| panic!("{step:?} was declined: {reason:?}"));
        play.check();
    }
    assert!(play.take(Step::Accept { request: 0 }).is_err());
    let book = &play.book[&play.invoices[0]];
    assert_eq!((book.paid, book.repaid, book.passed_on), (1_000, 920, 80));
}
