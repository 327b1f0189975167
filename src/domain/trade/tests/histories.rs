//! What holds whatever happens: random histories of invoices under an order, confirmed, disputed, credited, passed on, split,
//! pledged, paid and taken back.

use super::{agreed, order_of, perform, terms};
use crate::domain::market::Market;
use crate::domain::trade::*;
use crate::ledger::open_items::{count_open, receivables_of};
use crate::ledger::{Due, DueKey, DueKind, Entry as _, Reason, View};
use crate::primitives::time::DAY_MS;
use crate::primitives::{Amount, Encode as _, Hash, ObjectId};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug)]
enum Act {
    Register { number: u8, units: u64 },
    Confirm { on: usize },
    Retract { on: usize, by_buyer: bool },
    Dispute { on: usize, units: u64 },
    Credit { on: usize, number: u8, units: u64 },
    Assign { on: usize, to: usize },
    Split { on: usize, first: u64, to: usize },
    Pledge { on: usize, units: u64 },
    Pay { on: usize, units: u64 },
    Wait { days: u64 },
}

fn any_act() -> impl Strategy<Value = Act> {
    let on = || 0usize..8;
    prop_oneof![
        3 => (0u8..9, 1u64..400).prop_map(|(number, units)| Act::Register { number, units }),
        3 => on().prop_map(|on| Act::Confirm { on }),
        1 => (on(), any::<bool>()).prop_map(|(on, by_buyer)| Act::Retract { on, by_buyer }),
        1 => (on(), 1u64..300).prop_map(|(on, units)| Act::Dispute { on, units }),
        2 => (on(), 0u8..30, 1u64..300).prop_map(|(on, number, units)| Act::Credit { on, number, units }),
        1 => (on(), 0usize..2).prop_map(|(on, to)| Act::Assign { on, to }),
        2 => (on(), 1u64..300, 0usize..2).prop_map(|(on, first, to)| Act::Split { on, first, to }),
        1 => (on(), 1u64..300).prop_map(|(on, units)| Act::Pledge { on, units }),
        2 => (on(), 1u64..300).prop_map(|(on, units)| Act::Pay { on, units }),
        1 => (1u64..6).prop_map(|days| Act::Wait { days }),
    ]
}

struct Play {
    market: Market,
    order: ObjectId,
    receivables: Vec<ObjectId>,
    /// What was paid on each.
    paid: BTreeMap<ObjectId, u64>,
}

impl Play {
    fn new() -> Self {
        let mut market = Market::open();
        let order = agreed(&mut market, 1, OrderTerms { payment_days: None, ..terms(1_000) });
        Self { market, order, receivables: Vec::new(), paid: BTreeMap::new() }
    }

    fn found(&self, id: ObjectId) -> Receivable {
        self.market.stage.read(&id).expect("receivables stay")
    }

    /// Does one thing. Whether it is declined is the room's business; what follows from it is checked after.
    fn take(&mut self, act: Act) -> Result<(), Reason> {
        let Market { supplier, buyer, stranger, financiers: [financier, _], .. } = self.market;
        let merchants = [supplier, stranger];
        let at = |on: usize| self.receivables.get(on).copied().unwrap_or(ObjectId([0; 32]));
        let market = &mut self.market;
        match act {
            Act::Register { number, units } => {
                let invoice = RegisterInvoice { order: Some(self.order), ..market.invoice(number, units) };
                self.receivables.push(market.register(invoice)?);
            }
            Act::Confirm { on } => drop(market.confirm_as(buyer, at(on))?),
            Act::Retract { on, by_buyer: true } => drop(market.reject_as(buyer, at(on))?),
            Act::Retract { on, by_buyer: false } => drop(market.withdraw_as(supplier, at(on))?),
            Act::Dispute { on, units } => {
                let ground = DisputeGround::Price;
                perform!(market, [buyer], DisputeInvoice { receivable: at(on), amount: Amount::new(units), ground })?;
            }
            Act::Credit { on, number, units } => {
                let (receivable, amount) = (at(on), Amount::new(units));
                let (fingerprint, document_commitment) = (Hash([number; 32]), Hash([0xcd; 32]));
                let note = IssueCreditNote { receivable, amount, fingerprint, document_commitment };
                let owner = receivable_of(market, receivable)?.owner();
                perform!(market, [supplier, owner], note)?;
            }
            Act::Assign { on, to } => {
                let assign = AssignReceivable { receivable: at(on), assignee: merchants[to] };
                let owner = receivable_of(market, at(on))?.owner();
                perform!(market, [owner, merchants[to]], assign)?;
            }
            Act::Split { on, first, to } => {
                let id = at(on);
                let found = receivable_of(market, id)?;
                let (owner, outstanding) = (found.owner(), found.outstanding());
                let parts = [(owner, Amount::new(first)), (merchants[to], outstanding.excess_over(Amount::new(first)))];
                let parts = parts.map(|(owner, amount)| Part { owner, amount }).to_vec();
                let split = SplitReceivable { receivable: id, parts, term_exception: String::new() };
                if split.check().is_ok() {
                    perform!(market, [owner, merchants[to]], split)?;
                    self.receivables.extend([part_id(id, 0), part_id(id, 1)]);
                }
            }
            Act::Pledge { on, units } => {
                let mut found = receivable_of(market, at(on))?;
                found.pledge(at(on), at(on), financier, Amount::new(units))?;
                market.stage.edit(|changes| found.keep(at(on), changes));
            }
            Act::Pay { on, units } => self.pay(at(on), units)?,
            Act::Wait { days } => self.wait(days),
        }
        Ok(())
    }

    fn pay(&mut self, id: ObjectId, units: u64) -> Result<(), Reason> {
        let mut found = receivable_of(&self.market, id)?;
        found.pay(id, Amount::new(units))?;
        found.set_secured(found.secured().excess_over(Amount::new(units)))?;
        if found.secured().is_zero() && found.state() == ReceivableState::Financed {
            found.release(id)?;
        }
        self.market.stage.edit(|changes| found.keep(id, changes));
        *self.paid.entry(id).or_default() += units;
        Ok(())
    }

    /// Lets time pass, and what falls due meanwhile.
    fn wait(&mut self, days: u64) {
        self.market.stage.now.0 += days * DAY_MS;
        let now = self.market.stage.now;
        let due = crate::ledger::due::due_by(&self.market.stage.view, now, usize::MAX);
        for (key, due) in due {
            let Due::ConfirmationTerm(id) = due else { panic!("nothing else falls due here: {due:?}") };
            self.market.stage.edit(|changes| {
                changes.delete::<Due>(&key);
                confirmation_term(changes, id, now);
            });
            assert_eq!(self.found(id).confirmation(), Some(Confirmation::Silence));
        }
    }

    fn check(&self) {
        let mut invoiced = 0;
        for id in &self.receivables {
            let found = self.found(*id);
            let (state, outstanding) = (found.state(), found.outstanding().minor_units());
            assert!(found.secured() <= found.outstanding(), "financed above what is outstanding");
            assert_eq!(outstanding == 0, !state.is_open(), "{state:?}");
            let paid = self.paid.get(id).copied().unwrap_or_default();
            let parts: u64 = self.parts_of(*id).map(|part| part.amount.minor_units()).sum();
            let retracted = matches!(state, ReceivableState::Withdrawn | ReceivableState::Rejected);
            let accounted = outstanding + paid + found.credited().minor_units() + parts;
            assert!(retracted || accounted == found.amount.minor_units(), "something of it is lost: {found:?}");
            assert!(found.confirmation().is_some() || paid + parts == 0, "nobody pays or splits what nobody owes");
            if found.parent.is_none() && !retracted {
                invoiced += found.amount.minor_units();
            }
            if !retracted {
                invoiced -= found.credited().minor_units();
            }
            self.check_term(*id, &found);
        }
        assert_eq!(order_of(&self.market, self.order).invoiced().minor_units(), invoiced);
        self.check_open_items();
        self.check_documents();
    }

    /// The pair's key counts the documents that are registered under it.
    fn check_documents(&self) {
        let view = &self.market.stage.view;
        let pair = ("HKBR:1".to_owned(), "HKBR:2".to_owned());
        let entries = view.scan(RegisteredDocument::COLUMN, &pair.to_bytes(), usize::MAX);
        let registered = entries.iter().filter(|(key, _)| key.starts_with(&pair.to_bytes())).count();
        let key = (view as &dyn View).read::<FingerprintKey>(&pair).expect("the market committed one");
        assert_eq!(key.documents, registered as u64);
    }

    fn parts_of(&self, id: ObjectId) -> impl Iterator<Item = Receivable> {
        self.receivables.iter().map(|id| self.found(*id)).filter(move |part| part.parent == Some(id))
    }

    /// A term is among what falls due exactly as long as it runs.
    fn check_term(&self, id: ObjectId, found: &Receivable) {
        let Some(term) = found.term() else { panic!("the order sets one") };
        let key = DueKey { at: term.ends_at, kind: DueKind::ConfirmationTerm, id };
        let queued = (&self.market.stage.view as &dyn View).read::<Due>(&key).is_some();
        assert_eq!(queued, found.state() == ReceivableState::Registered);
        assert!(!queued || term.ends_at > self.market.stage.now);
    }

    fn check_open_items(&self) {
        let Market { supplier, buyer, stranger, financiers: [one, two], .. } = self.market;
        for account in [supplier, buyer, stranger, one, two] {
            let open = self.receivables.iter().filter(|id| self.found(**id).bound().contains(&account)).count();
            assert_eq!(count_open(&self.market.stage.view, &receivables_of(account), usize::MAX), open);
            assert_eq!(count_open(&self.market.stage.view, &account.to_bytes(), usize::MAX), open);
        }
    }
}

fn receivable_of(market: &Market, id: ObjectId) -> Result<Receivable, Reason> {
    market.stage.read(&id).ok_or(Reason::UnknownReceivable { receivable: id })
}

proptest! {
    /// Parts add up; nothing is financed above what is outstanding; the order counts what is invoiced; open items are right.
    #[test]
    fn receivables_add_up(acts in proptest::collection::vec(any_act(), 0..60)) {
        let mut play = Play::new();
        for act in acts {
            // A decline is an answer, not a failure.
            let _ = play.take(act).is_ok();
            play.check();
        }
    }
}

/// The histories above reach what they are meant to test: seen here once, step by step.
#[test]
fn a_history_reaches_parts_of_parts_and_silence() {
    let mut play = Play::new();
    for act in [
        Act::Register { number: 1, units: 300 },
        Act::Register { number: 2, units: 200 },
        Act::Dispute { on: 1, units: 50 },
        Act::Credit { on: 1, number: 1, units: 50 },
        Act::Wait { days: 10 },
        Act::Split { on: 0, first: 100, to: 1 },
        Act::Split { on: 3, first: 40, to: 0 },
        Act::Assign { on: 2, to: 1 },
        Act::Pledge { on: 2, units: 80 },
        Act::Credit { on: 2, number: 2, units: 20 },
        Act::Pay { on: 2, units: 80 },
        Act::Pay { on: 4, units: 40 },
    ] {
        play.take(act).unwrap_or_else(|reason| panic!("{act:?} was declined: {reason:?}"));
        play.check();
    }
    let states: Vec<&str> = play.receivables.iter().map(|id| play.found(*id).state().name()).collect();
    assert_eq!(states, ["split", "confirmed", "settled", "split", "settled", "confirmed"]);
    assert_eq!(play.found(play.receivables[4]).depth, 2);
}
