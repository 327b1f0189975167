//! Loans from their disbursement to their end: what is owed on a day, who receives it, and how they age.

use super::desk::{Desk, amount, name_of};
use crate::domain::financing::interest::{Compounding, INTEREST_DAYS_MAX, RATE_BPS_MAX};
use crate::domain::financing::{
    BookLine, Bucket, DeclareDefault, LoanClass, LoanState, Owed, RecordRecovery, WriteOffLoan,
};
use crate::domain::rehearsal::Performed;
use crate::domain::trade::ReceivableState;
use crate::ledger::{Reason, Value};
use crate::primitives::{AccountId, Amount, Day, ObjectId};
use std::collections::BTreeMap;

fn owed(fee: u64, interest: u64, principal: u64) -> Owed {
    Owed { fee: amount(fee), interest: amount(interest), principal: amount(principal) }
}

fn default(desk: &mut Desk, sender: AccountId, loan: ObjectId) -> Result<Performed, Reason> {
    let operation = DeclareDefault { loan };
    desk.market.stage.perform(&[sender], |context, changes| operation.plan(context, changes))
}

fn write_off(desk: &mut Desk, sender: AccountId, loan: ObjectId) -> Result<Performed, Reason> {
    let operation = WriteOffLoan { loan };
    desk.market.stage.perform(&[sender], |context, changes| operation.plan(context, changes))
}

fn recover(desk: &mut Desk, sender: AccountId, loan: ObjectId, units: u64) -> Result<Performed, Reason> {
    let operation = RecordRecovery { loan, amount: amount(units) };
    desk.market.stage.perform(&[sender], |context, changes| operation.plan(context, changes))
}

#[test]
fn interest_runs_by_days_and_late_interest_after_grace() {
    let mut desk = Desk::open();
    let (_, id) = desk.lent();
    let loan = desk.loan(id);
    let due = loan.terms.due_on;
    for (days, expected) in [
        (0, owed(100, 93, 10_000)),
        // Grace: as before.
        (1, owed(100, 96, 10_000)),
        (2, owed(100, 99, 10_000)),
        // After it the late rate, from the due day on: 5 a day.
        (3, owed(100, 108, 10_000)),
        (91, owed(100, 548, 10_000)),
    ] {
        let on = due.checked_add(days).expect("a day");
        assert_eq!(loan.owed(on), expected, "{days} days after the due day");
    }
    assert_eq!(loan.owed(loan.terms.started_on), owed(100, 0, 10_000));
}

#[test]
fn an_invoice_pays_the_loan_first_and_its_owner_the_rest() {
    let mut desk = Desk::open();
    let (receivable, id) = desk.lent();
    let (supplier, financier) = (desk.market.supplier, desk.market.financiers[0]);
    let start = (desk.available(financier), desk.available(supplier));
    desk.days_after_due(0);
    // Fee, interest, a little principal.
    desk.pay(receivable, 1_193).expect("the buyer has the funds");
    assert_eq!((desk.available(financier) - start.0, desk.available(supplier) - start.1), (1_193, 0));
    assert_eq!(desk.loan(id).owed(desk.loan(id).terms.due_on), owed(0, 0, 9_000));
    assert_eq!(desk.receivable(receivable).secured(), amount(9_000));
    // Half a day's interest is none on the same day; the rest is the owner's, and the receivable is free.
    let performed = desk.pay(receivable, 9_500).expect("the buyer has the funds");
    assert_eq!((desk.available(financier) - start.0, desk.available(supplier) - start.1), (10_193, 500));
    let effect = performed.planned.effects.last().expect("an effect");
    assert_eq!(effect.field("to_lenders"), Some(&Value::Amount(amount(9_000))));
    assert_eq!(effect.field("state_before"), Some(&Value::from("financed")));
    assert_eq!(effect.field("state"), Some(&Value::from("confirmed")));
    assert_eq!(desk.loan(id).state(), LoanState::Repaid);
    desk.pay(receivable, 9_307).expect("the rest");
    assert_eq!(desk.receivable(receivable).state(), ReceivableState::Settled);
    assert_eq!(desk.available(supplier) - start.1, 9_807);
    assert_eq!(name_of(desk.pay(receivable, 1)), "RECEIVABLE_NOT_OPEN");
}

#[test]
fn payments_are_of_the_buyer_and_of_what_is_owed() {
    let mut desk = Desk::open();
    let receivable = desk.market.confirmed(1, 1_000);
    let (buyer, supplier) = (desk.market.buyer, desk.market.supplier);
    assert_eq!(name_of(desk.pay_as(supplier, receivable, 1)), "NOT_THE_BUYER");
    assert_eq!(name_of(desk.pay(receivable, 1_001)), "AMOUNT_EXCEEDS_OUTSTANDING");
    assert_eq!(name_of(desk.pay(ObjectId([0; 32]), 1)), "UNKNOWN_RECEIVABLE");
    desk.pay(receivable, 1_000).expect("the buyer has the funds");
    assert_eq!(desk.available(supplier), 1_000);
    let dear = desk.market.confirmed(3, 2_000_000);
    assert_eq!(name_of(desk.pay_as(buyer, dear, 1_999_999)), "INSUFFICIENT_FUNDS");
    desk.market.alter(supplier, |account| account.closed = true);
    assert_eq!(name_of(desk.pay(dear, 1)), "ACCOUNT_CLOSED");
}

/// What is paid in parts is asked for as a whole, and a decline tells the whole.
#[test]
fn who_cannot_pay_all_of_it_is_told_the_whole() {
    let mut desk = Desk::open();
    let (receivable, id) = desk.lent();
    let (buyer, supplier, token) = (desk.market.buyer, desk.market.supplier, desk.market.token);
    let holds = |units| crate::ledger::Balance { available: amount(units), locked: amount(0) };
    desk.market.stage.edit(|changes| {
        // Enough for the lender's part of 10,100 and not for all of it, and the other way round.
        changes.put(&(buyer, token), &holds(19_999));
        changes.put(&(supplier, token), &holds(9_999));
    });
    let short = |account, units| Reason::InsufficientFunds { account, token, required: amount(units) };
    assert_eq!(desk.pay(receivable, 20_000).map(drop), Err(short(buyer, 20_000)));
    assert_eq!(desk.repay_as(supplier, id, 10_000).map(drop), Err(short(supplier, 10_000)));
    desk.pay(receivable, 19_999).expect("all that it has");
}

#[test]
fn the_borrower_repays_early_and_frees_its_receivable() {
    let mut desk = Desk::open();
    let (receivable, id) = desk.lent();
    let (supplier, buyer) = (desk.market.supplier, desk.market.buyer);
    assert_eq!(name_of(desk.repay_as(buyer, id, 1)), "NOT_THE_BORROWER");
    assert_eq!(name_of(desk.repay_as(supplier, ObjectId([0; 32]), 1)), "UNKNOWN_LOAN");
    // On the day itself no interest is owed: principal and fee.
    assert_eq!(name_of(desk.repay_as(supplier, id, 10_101)), "AMOUNT_EXCEEDS_OWED");
    desk.market.stage.mint(desk.market.token, supplier, 100);
    desk.repay_as(supplier, id, 10_100).expect("principal and fee");
    assert_eq!(name_of(desk.repay_as(supplier, id, 1)), "LOAN_NOT_OPEN");
    assert_eq!(desk.receivable(receivable).state(), ReceivableState::Confirmed);
    let again = desk.asking(receivable, 10_000);
    desk.request(&again).expect("it may be financed anew");
}

#[test]
fn time_alone_ages_a_loan() {
    let mut desk = Desk::open();
    let (_, id) = desk.lent();
    for (days, bucket, state) in [
        (0, Bucket::Current, LoanState::Performing),
        (1, Bucket::Days1To30, LoanState::Overdue),
        (30, Bucket::Days1To30, LoanState::Overdue),
        (31, Bucket::Days31To60, LoanState::Overdue),
        (60, Bucket::Days31To60, LoanState::Overdue),
        (61, Bucket::Days61To90, LoanState::Overdue),
        (90, Bucket::Days61To90, LoanState::Overdue),
        (91, Bucket::Over90, LoanState::Overdue),
        (1_000, Bucket::Over90, LoanState::Overdue),
    ] {
        // The due day is a Sunday, so the loan is due on the Monday after it.
        let due = desk.loan(id).terms.due_on;
        let calendar =
            crate::primitives::time::BusinessCalendar { utc_offset_minutes_plus_720: 1_200, holidays: Vec::new() };
        let on = due.checked_add(days).expect("a day");
        desk.market.stage.now = crate::primitives::BlockTime(calendar.end_of(on).expect("a time").0 - 1);
        desk.work_off_due();
        assert_eq!((desk.loan(id).bucket(), desk.loan(id).state()), (bucket, state), "{days} days late");
    }
}

#[test]
fn default_write_off_and_recovery_are_recorded_with_their_amounts() {
    let mut desk = Desk::open();
    let (receivable, id) = desk.lent();
    let (supplier, lender) = (desk.market.supplier, desk.market.financiers[0]);
    desk.days_after_due(90);
    assert_eq!(name_of(default(&mut desk, supplier, id)), "NOT_THE_ORIGINATOR");
    assert_eq!(name_of(write_off(&mut desk, lender, id)), "LOAN_NOT_OPEN");
    assert_eq!(name_of(recover(&mut desk, lender, id, 1)), "LOAN_NOT_WRITTEN_OFF");
    let early = default(&mut desk, lender, id);
    assert!(matches!(early, Err(Reason::LoanNotLateEnough { .. })), "{early:?}");
    desk.days_after_due(95);
    default(&mut desk, lender, id).expect("late enough");
    assert_eq!(name_of(default(&mut desk, lender, id)), "LOAN_NOT_OPEN");
    write_off(&mut desk, lender, id).expect("in default");
    let loan = desk.loan(id);
    let written_off = loan.written_off().minor_units();
    assert_eq!(written_off, 100 + 93 + 5 * 95 + 10_000);
    assert_eq!(loan.owed(loan.terms.due_on), owed(100, 93 + 5 * 95, 10_000), "each stays what it was");
    let class = BookLine::LenderClass(lender, LoanClass::WrittenOff);
    assert_eq!(loan.lines(), BTreeMap::from([(class, amount(10_000))]), "no asset any more");
    // What the buyer pays after all reaches the lender first; what comes in beside the ledger is recorded.
    desk.pay(receivable, 4_000).expect("the buyer has the funds");
    assert_eq!(desk.loan(id).recovered(), amount(4_000));
    assert_eq!(name_of(recover(&mut desk, lender, id, written_off - 3_999)), "AMOUNT_EXCEEDS_OWED");
    // Principal, then the fee, then interest.
    recover(&mut desk, lender, id, 6_060).expect("a part of it");
    assert_eq!(desk.loan(id).owed(loan.terms.due_on), owed(40, 93 + 5 * 95, 0));
    recover(&mut desk, lender, id, written_off - 10_060).expect("all of it");
    assert_eq!(desk.loan(id).state(), LoanState::Recovered);
    assert_eq!(desk.receivable(receivable).state(), ReceivableState::Confirmed);
}

#[test]
fn joint_lenders_pay_together_or_not_at_all_and_are_repaid_by_their_shares() {
    let mut desk = Desk::open();
    let [originator, other] = desk.market.financiers;
    let buyer = desk.market.buyer;
    assert_eq!(name_of(desk.join(buyer, 1, 1)), "ROLE_REQUIRED");
    assert_eq!(name_of(desk.join(originator, 1, 1)), "SAME_ACCOUNT");
    assert_eq!(name_of(desk.join(other, 7_001, 1)), "PARTICIPATION_EXCEEDED");
    desk.join(other, 3_333, 3_332).expect("within the programme's");
    let receivable = desk.market.confirmed(1, 20_000);
    let operation = desk.asking(receivable, 10_000);
    let Err(Reason::ProgrammeConditionsNotMet { conditions, .. }) = desk.request(&operation) else { panic!("a limit") };
    assert!(conditions.starts_with("participant: "), "{conditions}");
    desk.join(other, 3_333, 3_333).expect("a consent in place of the first");
    let token = desk.market.token;
    let (rich, poor) = (desk.available(other), amount(3_332));
    let holds = |available| crate::ledger::Balance { available, locked: amount(0) };
    desk.market.stage.edit(|changes| changes.put(&(other, token), &holds(poor)));
    let declined = desk.request(&operation);
    assert!(matches!(declined, Err(Reason::InsufficientFunds { account, .. }) if account == other));
    assert_eq!(desk.receivable(receivable).state(), ReceivableState::Confirmed);
    desk.market.stage.edit(|changes| changes.put(&(other, token), &holds(amount(rich))));
    let start = (desk.available(originator), desk.available(other));
    let id = desk.request(&operation).expect("both can pay").object;
    assert_eq!((start.0 - desk.available(originator), start.1 - desk.available(other)), (6_667, 3_333));
    desk.days_after_due(0);
    // Fee 100, interest 93: a third, rounded up, is the participant's; then all of the principal.
    desk.pay(receivable, 193).expect("the buyer has the funds");
    assert_eq!(desk.available(other) - (start.1 - 3_333), 65);
    desk.pay(receivable, 20_000 - 193).expect("the rest");
    assert_eq!((desk.available(originator) - start.0, desk.available(other) - start.1), (128, 65));
    assert_eq!(desk.loan(id).state(), LoanState::Repaid);
}

/// What comes in on a loan that was written off is principal as far as that is still out, then charges, at most what is owed of
/// both; and each lender has its exact part of each.
#[test]
fn what_is_recovered_is_held_to_what_is_still_owed() {
    let mut desk = Desk::open();
    let [lender, other] = desk.market.financiers;
    desk.join(other, 3_333, 10_000).expect("within the programme's");
    let (receivable, id) = desk.lent();
    desk.days_after_due(95);
    // Fee 100, interest 93 and 95 days late at 5, and 4,000 of the principal.
    desk.pay(receivable, 100 + 93 + 5 * 95 + 4_000).expect("the buyer has the funds");
    desk.days_after_due(105);
    default(&mut desk, lender, id).expect("late enough");
    write_off(&mut desk, lender, id).expect("in default");
    // Ten days on 6,000 at 3 a day.
    assert_eq!(desk.loan(id).written_off(), amount(6_030));
    assert_eq!(name_of(recover(&mut desk, lender, id, 6_031)), "AMOUNT_EXCEEDS_OWED");
    let before = desk.available(other);
    let recovered = recover(&mut desk, lender, id, 6_020).expect("ten less than what is owed");
    let paid =
        recovered.planned.effects.iter().find(|effect| effect.name == "financing.loan_repaid").expect("it is told");
    for (field, units) in [("principal", 6_000), ("interest", 20), ("fee", 0), ("principal_left", 0)] {
        assert_eq!(paid.field(field), Some(&Value::Amount(amount(units))), "{field}");
    }
    // Of principal 3,333 less 1,334; of charges 688 in all, a third of it rounded up, less 223.
    assert_eq!(desk.available(other) - before, 1_999 + 7);
    let loan = desk.loan(id);
    assert!(loan.legs().iter().all(|leg| leg.principal_received == leg.lent), "{:?}", loan.legs());
    assert_eq!((loan.state(), loan.owed(loan.terms.due_on)), (LoanState::WrittenOff, owed(0, 10, 0)));
    assert_eq!(name_of(recover(&mut desk, lender, id, 11)), "AMOUNT_EXCEEDS_OWED");
    recover(&mut desk, lender, id, 10).expect("the last of it");
    assert_eq!(desk.loan(id).state(), LoanState::Recovered);
}

/// A loan of the highest rates, compounding by the day or not at all, so many days after its due day, when its interest stands still.
fn long_forgotten(bps: u32, compounding: Compounding, days: u64) -> (Desk, ObjectId, ObjectId, Day) {
    let mut desk = Desk::open_with(|terms| {
        (terms.pricing.rate.bps, terms.pricing.late_rate_bps) = (bps, bps);
        terms.pricing.rate.compounding = compounding;
    });
    let receivable = desk.market.confirmed(1, 20_000);
    let operation = desk.asking(receivable, 5_000);
    let id = desk.request(&operation).expect("the claim is below its worth").object;
    desk.days_after_due(days);
    let loan = desk.loan(id);
    let today = loan.terms.due_on.checked_add(days as u32).expect("a day");
    (desk, receivable, id, today)
}

/// Interest stands still after 30 years, and before it would not fit an amount; and whatever its terms and its age, a loan is repaid, by its
/// invoice and by its borrower, in part and in whole.
#[test]
fn a_loan_past_every_bound_is_repaid() {
    let years = |years: u64| 365 * years;
    for (bps, compounding, days) in [
        (RATE_BPS_MAX, Compounding::Daily, years(5)),
        (RATE_BPS_MAX, Compounding::Daily, years(300)),
        (RATE_BPS_MAX, Compounding::Simple, years(31)),
        (1_095, Compounding::Monthly, years(7_000)),
    ] {
        let (mut desk, receivable, id, today) = long_forgotten(bps, compounding, days);
        let (supplier, financier, token) = (desk.market.supplier, desk.market.financiers[0], desk.market.token);
        let owed = desk.loan(id).owed(today);
        let tomorrow = today.checked_add(1).expect("a day");
        assert_eq!(desk.loan(id).owed(tomorrow), owed, "it stands still");
        let is_largest = bps == RATE_BPS_MAX && compounding == Compounding::Daily;
        assert_eq!(owed.total() == Amount::MAX, is_largest, "{owed:?}");
        desk.pay(receivable, 1_000).expect("the buyer pays of its invoice");
        let left = owed.total().excess_over(amount(1_000));
        assert_eq!(desk.loan(id).owed(today).total(), left, "each unit that is paid is owed no more");
        // All there can be, as often as it takes: it comes back to the borrower in between.
        desk.market.stage.edit(|changes| {
            let rest = Amount::MAX.excess_over(changes.circulation(token));
            changes.mint(token, supplier, rest).expect("no more than there can be");
        });
        for _ in 0..3 {
            let left = desk.loan(id).owed(today).total();
            let paid = desk.available(supplier).min(left.minor_units());
            desk.repay_as(supplier, id, paid).expect("at most what is owed");
            if paid == left.minor_units() {
                break;
            }
            desk.market.stage.edit(|changes| {
                changes.transfer(token, financier, supplier, amount(paid)).expect("it was just paid");
            });
        }
        assert_eq!(desk.loan(id).state(), LoanState::Repaid, "{bps} {compounding:?} after {days} days");
    }
}

#[test]
fn a_loan_past_every_bound_is_written_off_and_recovered() {
    for (compounding, days) in [(Compounding::Daily, 365 * 5), (Compounding::Simple, u64::from(INTEREST_DAYS_MAX) * 3)]
    {
        let (mut desk, _, id, today) = long_forgotten(RATE_BPS_MAX, compounding, days);
        let financier = desk.market.financiers[0];
        let owed = desk.loan(id).owed(today);
        default(&mut desk, financier, id).expect("late enough");
        write_off(&mut desk, financier, id).expect("it is in default");
        assert_eq!(desk.loan(id).written_off(), owed.total());
        // The lender keeps what is its own, so a recovery of whatever amount needs no funds.
        recover(&mut desk, financier, id, 1).expect("a first part");
        recover(&mut desk, financier, id, owed.total().minor_units() - 1).expect("and the rest");
        assert_eq!(desk.loan(id).state(), LoanState::Recovered);
    }
}

/// A unit of principal that is paid after the bound has the rest of it bear interest again, from then on.
#[test]
fn interest_runs_anew_on_what_is_left_after_its_bound() {
    let (mut desk, _, id, today) = long_forgotten(1_095, Compounding::Simple, 365 * 40);
    let supplier = desk.market.supplier;
    let owed = desk.loan(id).owed(today);
    desk.market.stage.mint(desk.market.token, supplier, 1_000_000);
    let charges_and_some = owed.charges().minor_units() + 1_000;
    desk.repay_as(supplier, id, charges_and_some).expect("charges, and 1,000 of the principal");
    let loan = desk.loan(id);
    assert_eq!(loan.owed(today).total(), amount(4_000));
    let interest = |days| loan.owed(today.checked_add(days).expect("a day")).interest.minor_units();
    // 10.95 % of 4,000 over 365 days.
    assert_eq!((interest(365), interest(INTEREST_DAYS_MAX)), (438, 13_150));
    assert_eq!(interest(INTEREST_DAYS_MAX + 1), 13_150);
}
