//! Random histories of trade and lending together, over months: orders, changes, events and errors declared of them, invoices,
//! disputes, credit notes, assignment, parts of parts, joint loans on all of that, payment early, late and never, ageing, default,
//! write-off, recovery.
//!
//! After every block value is conserved, nothing is financed above its worth, shares are the loan, parts are what was split, no
//! loan grows younger, and the books are a recount; executed again, everything comes to the same bytes.

use super::histories::{Dice, Wish, citation, invoice, of_orders, of_receivables, of_trade, programme_terms, terms};
use crate::domain::financing::{
    Bucket, DeclareDefault, JoinProgramme, Loan, LoanState, PayInvoice, PublishProgramme, RecordRecovery,
    RecordRequired, RemoveParticipant, RepayLoan, RequestFinancing, WriteOffLoan,
};
use crate::domain::trade::{
    AcceptOrder, AppointCarrier, CommitFingerprintKey, ConfirmInvoice, PlaceOrder, Receivable, RegisterInvoice,
    RegisterReadPoint, key_commitment,
};
use crate::execution::chronicle::{Chronicle, HOUR_MS, OPENING, genesis_file, id, key, public, token};
use crate::execution::genesis::AccountSpec;
use crate::execution::invariants;
use crate::ledger::{Balance, Circulation, Column, Value};
use crate::primitives::{AccountId, Amount, BlockTime, Decode as _, Hash, ObjectId};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

const DAY_MS: u64 = 24 * HOUR_MS;
/// What lets so much time pass that loans age, beside the second that a block takes.
const PAUSES: [u64; 8] = [0, 0, 0, 0, 0, DAY_MS, 20 * DAY_MS, 45 * DAY_MS];
/// Whoever may own a receivable.
const OWNERS: [&str; 2] = ["supplier", "trader"];
/// Kinds of [`of_trade`], [`of_orders`] and [`of_receivables`], each as often as it takes.
const TRADE: [u64; 16] = [12, 15, 15, 15, 21, 22, 24, 25, 26, 27, 31, 32, 33, 34, 35, 36];
/// What [`lending`] has besides.
const LENDING: u64 = 12;

fn name_of(owner: AccountId) -> &'static str {
    OWNERS.into_iter().find(|name| id(name) == owner).unwrap_or("supplier")
}

fn entries<T: crate::ledger::Entry>(chronicle: &Chronicle) -> Vec<(ObjectId, T)> {
    let entries = chronicle.entries().entries().filter(|(column, ..)| *column == T::COLUMN);
    entries
        .map(|(_, key, value)| (ObjectId::from_bytes(key).expect("an id"), T::from_bytes(value).expect("an entry")))
        .collect()
}

/// A market with two lenders, an order under way, and a joint programme; made once, since it is the same for every history.
pub(super) fn market() -> Chronicle {
    static MARKET: OnceLock<Chronicle> = OnceLock::new();
    MARKET.get_or_init(opened).clone()
}

fn opened() -> Chronicle {
    let mut file = genesis_file();
    file.accounts.push(AccountSpec {
        name: "partner".to_owned(),
        keys: vec![public(&key("partner")).to_string()],
        threshold: 1,
        roles: vec!["financier".to_owned()],
        legal_entity_id: "HKBR:PARTNER".to_owned(),
        parent: Some("bank".to_owned()),
    });
    let mut chronicle = Chronicle::of(&file);
    chronicle.know(key("partner"));
    chronicle.attest(10_000);
    for (name, units) in [("buyer", 3_000), ("supplier", 200), ("financier", 2_000), ("partner", 1_000)] {
        chronicle.issue(name, units);
    }
    let (supplier, buyer) = (id("supplier"), id("buyer"));
    let commit = CommitFingerprintKey { supplier, buyer, key_commitment: key_commitment(&[7; 32]) };
    let mut draft = chronicle.draft(supplier, vec![commit.into()]);
    draft.cosigners = vec![buyer];
    chronicle.append(1_000, &[chronicle.sign(&draft)]);
    let (currency, fingerprint) = ("HKD".parse().expect("a currency"), Hash([0; 32]));
    let order = PlaceOrder { supplier, token: token(), currency, fingerprint, terms: terms(2_000) };
    let order = chronicle.make("buyer", vec![order.into()]);
    let appoint = AppointCarrier { order, carrier: id("carrier") };
    chronicle.make("supplier", vec![AcceptOrder { order }.into(), appoint.into()]);
    chronicle.make("carrier", vec![RegisterReadPoint { read_point: Hash([0; 32]) }.into()]);
    let mut terms = programme_terms();
    terms.participation_bps_max = 5_000;
    terms.evidence.record = RecordRequired::default();
    let programme = chronicle.make("financier", vec![PublishProgramme { terms }.into()]);
    let join = JoinProgramme { programme, share_bps: 3_333, limit: Amount::new(400) };
    let mut draft = chronicle.draft(id("partner"), vec![join.into()]);
    draft.cosigners = vec![id("financier")];
    chronicle.append(1_000, &[chronicle.sign(&draft)]);
    for number in [1, 2] {
        let receivable = chronicle.make("supplier", vec![invoice(number, 150, OPENING).into()]);
        chronicle.make("buyer", vec![ConfirmInvoice { receivable }.into()]);
    }
    chronicle
}

fn wish(chronicle: &Chronicle, dice: &mut Dice<'_>) -> Wish {
    let kind = dice.roll(TRADE.len() as u64 + 2 * LENDING) as usize;
    let later = BlockTime(chronicle.now().0 + dice.roll(30) * HOUR_MS);
    match TRADE.get(kind) {
        Some(kind @ 23..=32) => of_orders(*kind, chronicle, dice),
        Some(kind @ 33..=36) => of_receivables(*kind, chronicle, dice),
        Some(kind) => of_trade(*kind, later, chronicle, dice),
        None => lending(kind as u64 % LENDING, later, chronicle, dice),
    }
}

/// A loan and its borrower.
fn loan(chronicle: &Chronicle, dice: &mut Dice<'_>) -> (ObjectId, &'static str) {
    let loan = dice.object(chronicle, Column::Loans);
    (loan, chronicle.read::<Loan>(&loan).map_or("supplier", |found| name_of(found.terms.borrower)))
}

/// Mostly a loan in a state, if there is one, and sometimes any: few loans ever come so far.
fn loan_in(state: LoanState, chronicle: &Chronicle, dice: &mut Dice<'_>) -> ObjectId {
    let loans = entries::<Loan>(chronicle).into_iter();
    let stand: Vec<ObjectId> = loans.filter(|(_, found)| found.state() == state).map(|(id, _)| id).collect();
    let any = loan(chronicle, dice).0;
    if dice.roll(4) == 0 { any } else { stand.get(dice.roll(stand.len() as u64) as usize).copied().unwrap_or(any) }
}

fn lending(kind: u64, later: BlockTime, chronicle: &Chronicle, dice: &mut Dice<'_>) -> Wish {
    let programme = dice.object(chronicle, Column::Programmes);
    let amount = Amount::new(1 + dice.roll(90));
    match kind {
        0 | 1 => {
            let order = (dice.roll(2) == 0).then(|| dice.object(chronicle, Column::Orders));
            let registered = RegisterInvoice {
                order,
                issued_on: chronicle.now().day(),
                ..invoice(3 + dice.roll(60) as u8, 50 + dice.roll(200), later)
            };
            ("supplier", vec![], registered.into())
        }
        2 => {
            let (share_bps, limit) = (1 + dice.roll(5_500) as u32, Amount::new(dice.roll(500)));
            match dice.roll(5) {
                0 => ("partner", vec![], RemoveParticipant { programme, participant: id("partner") }.into()),
                _ => ("partner", vec![id("financier")], JoinProgramme { programme, share_bps, limit }.into()),
            }
        }
        3..=5 => {
            let (receivable, purpose) = (dice.object(chronicle, Column::Receivables), String::new());
            let owner = chronicle.read::<Receivable>(&receivable).map_or("supplier", |found| name_of(found.owner()));
            let citations = (dice.roll(4) == 0).then(|| citation(chronicle, dice)).flatten().into_iter().collect();
            let (advance, foreign_receipts) = (amount, Vec::new());
            let request = RequestFinancing { receivable, programme, advance, purpose, citations, foreign_receipts };
            (owner, vec![], request.into())
        }
        6 | 7 => {
            let (receivable, end_to_end_id) = (dice.object(chronicle, Column::Receivables), String::new());
            ("buyer", vec![], PayInvoice { receivable, amount, end_to_end_id }.into())
        }
        8 => {
            let (loan, borrower) = loan(chronicle, dice);
            (borrower, vec![], RepayLoan { loan, amount }.into())
        }
        9 => ("financier", vec![], DeclareDefault { loan: loan_in(LoanState::Overdue, chronicle, dice) }.into()),
        10 => ("financier", vec![], WriteOffLoan { loan: loan_in(LoanState::Defaulted, chronicle, dice) }.into()),
        _ => {
            let (loan, amount) = (loan_in(LoanState::WrittenOff, chronicle, dice), Amount::new(1 + dice.roll(3)));
            ("financier", vec![], RecordRecovery { loan, amount }.into())
        }
    }
}

/// A history, and what it has shown so far.
struct Play {
    chronicle: Chronicle,
    /// The bucket in which each loan was seen last.
    buckets: BTreeMap<ObjectId, Bucket>,
    /// What was split, by receivable.
    split: BTreeMap<ObjectId, u64>,
    /// What was applied, and what fell due.
    applied: BTreeSet<String>,
}

impl Play {
    fn of(numbers: &[u64]) -> Self {
        let mut dice = Dice(numbers.iter());
        let (buckets, split, applied) = Default::default();
        let mut play = Self { chronicle: market(), buckets, split, applied };
        while dice.0.len() > 0 {
            play.turn(&mut dice);
        }
        play.chronicle.check_state();
        play
    }

    /// Lets time pass, and then has a block of one to three wishes.
    fn turn(&mut self, dice: &mut Dice<'_>) {
        let pause = PAUSES[dice.roll(PAUSES.len() as u64) as usize];
        if pause > 0 {
            self.chronicle.append(pause, &[]);
            self.check();
        }
        let mut transactions = Vec::new();
        for _ in 0..=dice.roll(3) {
            let (sender, cosigners, operation) = wish(&self.chronicle, dice);
            let mut draft = self.chronicle.draft(id(sender), vec![operation]);
            draft.cosigners = cosigners;
            transactions.push(self.chronicle.sign(&draft));
        }
        self.chronicle.append_eligible(1_000, &transactions);
        self.check();
    }

    fn check(&mut self) {
        self.read_block();
        self.check_what_fell_due();
        invariants::check_all(self.chronicle.entries().entries()).expect("the books are a recount");
        self.check_value();
        let receivables: BTreeMap<ObjectId, Receivable> = entries(&self.chronicle).into_iter().collect();
        self.check_receivables(&receivables);
        self.check_loans(&receivables);
    }

    /// Takes note of what the newest block applied.
    fn read_block(&mut self) {
        let block = self.chronicle.blocks.last().expect("a block");
        for (transaction, outcome) in block.transactions.iter().zip(block.outcomes.iter()) {
            if outcome.is_applied() {
                let operation = format!("{:?}", transaction.operations()[0]);
                self.applied.insert(operation.split('(').next().unwrap_or_default().to_owned());
            }
        }
        for effect in block.outcomes.iter().flat_map(|outcome| &outcome.effects) {
            let fields = (effect.field("receivable"), effect.field("amount"));
            if let ("trade.receivable_split", (Some(Value::Object(id)), Some(Value::Amount(amount)))) =
                (effect.name.as_str(), fields)
            {
                self.split.insert(*id, amount.minor_units());
            }
        }
    }

    /// What fell due in the newest block: each thing by itself, and each with a receipt that verifies.
    fn check_what_fell_due(&self) {
        let block = self.chronicle.blocks.last().expect("a block");
        for (index, outcome) in block.outcomes.iter().enumerate().skip(block.transactions.len()) {
            assert_eq!(outcome.effects.len(), 1, "one thing, and not another's: {outcome:?}");
            let receipt = self.chronicle.receipt(block.header.height, index, block.header.height);
            assert_eq!(receipt.verify(&self.chronicle.trust()), Ok(()), "{outcome:?}");
            assert!(receipt.transaction.is_none() && receipt.outcome == *outcome, "{receipt:?}");
        }
    }

    fn check_value(&self) {
        let held: u64 = self
            .chronicle
            .entries()
            .entries()
            .filter(|(column, ..)| *column == Column::Balances)
            .map(|(_, _, value)| Balance::from_bytes(value).expect("a balance"))
            .map(|balance| balance.available.minor_units() + balance.locked.minor_units())
            .sum();
        let circulation: Circulation = self.chronicle.read(&token()).expect("there is money");
        assert_eq!(held, circulation.0.minor_units(), "value was made or lost");
    }

    fn check_receivables(&self, receivables: &BTreeMap<ObjectId, Receivable>) {
        let mut parts: BTreeMap<ObjectId, u64> = BTreeMap::new();
        for (id, found) in receivables {
            assert!(found.secured() <= found.outstanding(), "{id}: more is secured than it is worth");
            assert!(found.outstanding() <= found.amount, "{id}: more is owed than was invoiced");
            if let Some(parent) = found.parent {
                *parts.entry(parent).or_default() += found.amount.minor_units();
            }
        }
        assert_eq!(parts, self.split, "parts are what was split");
        for id in self.split.keys() {
            assert!(receivables[id].outstanding().is_zero(), "{id} was split and is still owed");
        }
    }

    fn check_loans(&mut self, receivables: &BTreeMap<ObjectId, Receivable>) {
        for (id, loan) in entries::<Loan>(&self.chronicle) {
            let sum = |amount: fn(&crate::domain::financing::Leg) -> Amount| -> u64 {
                loan.legs().iter().map(|leg| amount(leg).minor_units()).sum()
            };
            let advance = loan.terms.advance.minor_units();
            assert_eq!(sum(|leg| leg.lent), advance, "{id}: the shares are not the loan");
            let received = sum(|leg| leg.principal_received);
            assert_eq!(advance - received, loan.principal().minor_units(), "{id}: lenders have other than was repaid");
            assert!(loan.terms.advance <= receivables[&loan.terms.receivable].amount, "{id}: financed above its worth");
            assert!(loan.recovered() <= loan.written_off());
            let ended = matches!(loan.state(), LoanState::Repaid | LoanState::Recovered);
            assert!(!ended || loan.principal().is_zero(), "{id} ended and something is owed");
            let before = self.buckets.insert(id, loan.bucket()).unwrap_or(Bucket::Current);
            assert!(before <= loan.bucket(), "{id} grew younger: {before:?}, then {:?}", loan.bucket());
            self.applied.insert(format!("{:?}", loan.bucket()));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Whatever trade and lending do to a receivable, each turn keeps what is stated above, and a replay comes to the same.
    #[test]
    fn trade_and_lending_hold_together(numbers in prop::collection::vec(any::<u64>(), 50..600)) {
        let play = Play::of(&numbers);
        let again = play.chronicle.replay();
        let bytes = |chronicle: &Chronicle| chronicle.entries().entries().map(|(c, k, v)| (c, k.clone(), v.clone())).collect::<Vec<_>>();
        prop_assert_eq!(bytes(&play.chronicle), bytes(&again));
    }
}

/// The histories above would prove little if their steps were never applied.
#[test]
fn histories_of_the_closed_loop_reach_everything() {
    let wanted = "AcceptOrderChange AssignReceivable CancelOrder ConfirmInvoice Current Days1To30 Days31To60 Days61To90 \
                  DeclareDefault DeclareEventError DisputeInvoice IssueCreditNote JoinProgramme Over90 PayInvoice \
                  ProposeOrderChange RecordRecovery RecordShipmentEvent RegisterInvoice RejectInvoice \
                  RemoveParticipant RepayLoan RequestFinancing SplitReceivable Transfer WithdrawInvoice WriteOffLoan";
    let mut missing: BTreeSet<&str> = wanted.split_whitespace().collect();
    let mut number = OPENING.0;
    for _ in 0..20 {
        let mut next = || {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            number >> 33
        };
        let numbers: Vec<u64> = (0..600).map(|_| next()).collect();
        let applied = Play::of(&numbers).applied;
        missing.retain(|step| !applied.contains(*step));
        if missing.is_empty() {
            return;
        }
    }
    panic!("these never happened: {missing:?}");
}
