//! Days and rates at their boundaries: due today, due on a holiday, the leap day, the longest term; no rate, and the highest.

use super::desk::{Desk, amount, name_of, terms};
use crate::domain::financing::all_in_cost::COST_BPS_MAX;
use crate::domain::financing::interest::{Compounding, RATE_BPS_MAX};
use crate::domain::financing::{Bucket, LoanState, Owed, Parameter, ParameterValue, ProgrammeTerms, set_parameter};
use crate::domain::market::Market;
use crate::domain::rehearsal::Performed;
use crate::domain::trade::RegisterInvoice;
use crate::ledger::Reason;
use crate::ledger::limits::PROGRAMME_DAYS_MAX;
use crate::primitives::time::DAY_MS;
use crate::primitives::{BlockTime, Day, ObjectId};

fn day(text: &str) -> Day {
    text.parse().expect(text)
}

/// Noon of a day where the programme's days run, eight hours east of UTC.
fn noon(text: &str) -> BlockTime {
    BlockTime(day(text).starts_at().0 + DAY_MS / 6)
}

/// A confirmed receivable of 20,000 that is due on a day.
fn due(desk: &mut Desk, on: &str) -> ObjectId {
    let invoice = RegisterInvoice { due_at: noon(on), ..desk.market.invoice(1, 20_000) };
    let receivable = desk.market.register(invoice).expect("a fresh fingerprint");
    let buyer = desk.market.buyer;
    desk.market.confirm_as(buyer, receivable).expect("it was registered");
    receivable
}

/// Asks for 10,000 on a day.
fn ask(desk: &mut Desk, receivable: ObjectId, on: &str) -> Result<Performed, Reason> {
    desk.market.stage.now = noon(on);
    let operation = desk.asking(receivable, 10_000);
    desk.request(&operation)
}

fn conditions_of(result: Result<Performed, Reason>) -> String {
    match result {
        Err(Reason::ProgrammeConditionsNotMet { conditions, .. }) => conditions,
        other => panic!("{other:?}"),
    }
}

fn any_term(terms: &mut ProgrammeTerms) {
    terms.tenor_days_max = PROGRAMME_DAYS_MAX;
    terms.pricing.fee_bps = 0;
}

/// A Monday that is a holiday: what is due on it, or on the weekend before, is due on the Tuesday, and costs the days until then.
#[test]
fn what_is_due_on_a_holiday_is_late_after_the_next_business_day() {
    for (due_on, holidays, moved_to) in [
        ("2027-02-12", vec![], "2027-02-12"),
        ("2027-02-13", vec![], "2027-02-15"),
        ("2027-02-14", vec!["2027-02-15"], "2027-02-16"),
        ("2027-02-15", vec!["2027-02-15"], "2027-02-16"),
        ("2027-02-15", vec!["2027-02-15", "2027-02-16"], "2027-02-17"),
    ] {
        let mut desk = Desk::open_with(|terms| {
            any_term(terms);
            terms.calendar.holidays = holidays.iter().map(|holiday| day(holiday).0).collect();
        });
        let receivable = due(&mut desk, due_on);
        let id = ask(&mut desk, receivable, "2027-02-05").expect("every condition holds").object;
        let loan = desk.loan(id);
        assert_eq!(loan.terms.due_on, day(moved_to), "due on {due_on}, {holidays:?}");
        let interest = u64::from(day(moved_to).days_since(day("2027-02-05"))) * 3;
        assert_eq!(loan.owed(day(moved_to)).interest, amount(interest));
        for (after, bucket, state) in
            [(0, Bucket::Current, LoanState::Performing), (1, Bucket::Days1To30, LoanState::Overdue)]
        {
            desk.market.stage.now = BlockTime(noon(moved_to).0 + after * DAY_MS);
            desk.work_off_due();
            assert_eq!(
                (desk.loan(id).bucket(), desk.loan(id).state()),
                (bucket, state),
                "{after} days after {moved_to}"
            );
        }
    }
}

/// 29 February is a day like any other: interest is due for it, and a loan is late from the day after.
#[test]
fn the_leap_day_is_a_day() {
    // Asked on, due on, days of interest.
    for (asked_on, due_on, days) in [
        ("2028-02-28", "2028-02-29", 1),
        ("2028-02-28", "2028-03-01", 2),
        ("2028-02-29", "2028-02-29", 0),
        ("2028-02-29", "2028-03-01", 1),
        ("2028-02-29", "2029-02-28", 365),
        ("2028-02-28", "2029-02-28", 366),
        ("2027-02-26", "2027-03-01", 3),
    ] {
        let mut desk = Desk::open_with(any_term);
        let receivable = due(&mut desk, due_on);
        let id = ask(&mut desk, receivable, asked_on).expect("every condition holds").object;
        let loan = desk.loan(id);
        assert_eq!(loan.terms.due_on, day(due_on));
        let owed = Owed { interest: amount(3 * days), principal: amount(10_000), ..Owed::default() };
        assert_eq!(loan.owed(day(due_on)), owed, "from {asked_on} to {due_on}");
        let next = day(due_on).checked_add(1).expect("a day");
        assert_eq!((loan.days_late(day(due_on)), loan.days_late(next)), (0, 1));
    }
}

/// No days cost no interest. A fee is then past every cost that is told apart, and a cap declines it; without a cap it is lent.
#[test]
fn what_is_due_today_is_lent_for_no_days() {
    let opened = |fee_bps| {
        let mut desk = Desk::open_with(|terms| terms.pricing.fee_bps = fee_bps);
        let receivable = due(&mut desk, "2027-02-15");
        (desk, receivable)
    };
    let cap = |desk: &mut Desk| {
        let value = ParameterValue { in_force_from: BlockTime(0), value: 2_400, law: "a law".to_owned() };
        desk.market.stage.edit(|changes| set_parameter(changes, Parameter::AllInCostMax, value).expect("the first"));
    };
    let (mut free, receivable) = opened(0);
    cap(&mut free);
    let loan = ask(&mut free, receivable, "2027-02-15").expect("for nothing").object;
    assert_eq!((free.loan(loan).terms.all_in_cost_bps, free.loan(loan).terms.due_on), (0, day("2027-02-15")));

    let (mut dear, receivable) = opened(100);
    let mut capped = Desk { market: dear.market.clone(), programme: dear.programme };
    cap(&mut capped);
    let Err(Reason::AllInCostAboveCap { cost_bps, limit_bps, law }) = ask(&mut capped, receivable, "2027-02-15") else {
        panic!("a fee for no days")
    };
    assert_eq!((cost_bps, limit_bps, law.as_str()), (COST_BPS_MAX.into(), 2_400, "a law"));
    let id = ask(&mut dear, receivable, "2027-02-15").expect("no cap is set").object;
    let owed = Owed { fee: amount(100), interest: amount(0), principal: amount(10_000) };
    assert_eq!(dear.loan(id).owed(day("2027-02-15")), owed);

    let mut desk = Desk::open_with(|terms| terms.tenor_days_min = 1);
    let receivable = due(&mut desk, "2027-02-15");
    let today = conditions_of(ask(&mut desk, receivable, "2027-02-15"));
    assert_eq!(today, "tenor_days: 0, must be 1 to 365");
    let past = conditions_of(ask(&mut desk, receivable, "2027-02-16"));
    assert_eq!(past, "tenor_days: past the due day, must be 1 to 365");
    ask(&mut desk, receivable, "2027-02-14").expect("the day before");
}

/// A term that no programme lends for is judged by itself: what it would cost, day by day for thirty years, nobody reckons.
#[test]
fn a_term_of_thirty_years_is_declined_before_it_is_priced() {
    let mut desk = Desk::open_with(|terms| {
        any_term(terms);
        terms.pricing.rate.compounding = Compounding::Daily;
    });
    let value = ParameterValue { in_force_from: BlockTime(0), value: 100, law: "a law".to_owned() };
    desk.market.stage.edit(|changes| set_parameter(changes, Parameter::AllInCostMax, value).expect("the first"));
    let receivable = due(&mut desk, "2057-01-15");
    let declined = conditions_of(ask(&mut desk, receivable, "2027-02-01"));
    assert_eq!(declined, "tenor_days: 10941, must be 0 to 3653");
    // A day within the longest term it is priced, and claims more than the receivable is worth.
    let last = day("2057-01-15").0 - PROGRAMME_DAYS_MAX;
    let asked_on = Day(last).to_string();
    let declined = ask(&mut desk, receivable, &asked_on);
    let claimed = conditions_of(declined);
    assert!(claimed.starts_with("claim: ") && !claimed.contains("tenor_days"), "{claimed}");
}

#[test]
fn rates_hold_to_their_bounds() {
    // 1,000 % a year for ten days, and nothing.
    for (bps, interest) in [(RATE_BPS_MAX, 2_740), (0, 0)] {
        let mut desk = Desk::open_with(|terms| {
            any_term(terms);
            (terms.pricing.rate.bps, terms.pricing.late_rate_bps) = (bps, RATE_BPS_MAX);
        });
        let receivable = due(&mut desk, "2027-02-15");
        let id = ask(&mut desk, receivable, "2027-02-05").expect("no cap is set").object;
        let owed = desk.loan(id).owed(day("2027-02-15"));
        assert_eq!(owed.interest, amount(interest), "{bps} basis points");
        assert_eq!(desk.loan(id).terms.all_in_cost_bps == 0, bps == 0);
    }
    type Change = fn(&mut ProgrammeTerms);
    let rows: [(&str, Change, Change); 5] = [
        (
            "pricing.late_rate_bps",
            |terms| terms.pricing.late_rate_bps = RATE_BPS_MAX,
            |terms| {
                (terms.pricing.rate.bps, terms.pricing.late_rate_bps) = (RATE_BPS_MAX + 1, RATE_BPS_MAX + 1);
            },
        ),
        (
            "pricing.grace_days",
            |terms| terms.pricing.grace_days = PROGRAMME_DAYS_MAX,
            |terms| {
                terms.pricing.grace_days = PROGRAMME_DAYS_MAX + 1;
            },
        ),
        ("pricing.fee_bps", |terms| terms.pricing.fee_bps = 10_000, |terms| terms.pricing.fee_bps = 10_001),
        (
            "tenor_days_max",
            |terms| terms.tenor_days_max = PROGRAMME_DAYS_MAX,
            |terms| {
                terms.tenor_days_max = PROGRAMME_DAYS_MAX + 1;
            },
        ),
        ("advance_rate_bps", |terms| terms.advance_rate_bps = 1, |terms| terms.advance_rate_bps = 0),
    ];
    for (field, last, beyond) in rows {
        let (mut good, mut bad) = (terms(&Market::open()), terms(&Market::open()));
        last(&mut good);
        beyond(&mut bad);
        assert!(good.check().is_ok(), "{field}: {:?}", good.check());
        assert_eq!(bad.check().expect_err(field).field, field);
    }
}

/// A rate that costs more than the receivable is worth is no loan, however lawful.
#[test]
fn no_rate_finances_above_the_worth() {
    let mut desk = Desk::open_with(|terms| {
        any_term(terms);
        (terms.pricing.rate.bps, terms.pricing.late_rate_bps) = (RATE_BPS_MAX, RATE_BPS_MAX);
    });
    let receivable = due(&mut desk, "2027-03-17");
    // 10,000 and 40 days at 1,000 %: 20,958.90, rounded.
    let declined = ask(&mut desk, receivable, "2027-02-05");
    assert_eq!(name_of(declined), "PROGRAMME_CONDITIONS_NOT_MET");
    let declined = conditions_of(ask(&mut desk, receivable, "2027-02-05"));
    assert_eq!(declined, "claim: 209.59 HKDX, must be 200.00 HKDX at most");
}
