//! Positions: what they say of a lender is what its loans add up to.

use super::desk::{Desk, amount};
use crate::domain::financing::{
    BookLine, By, Concentration, LoanClass, LoanTally, classes, concentrations, lenders, outstanding, totals,
};
use crate::domain::financing::{Loan, Outstanding};
use crate::ledger::{Account, Changes};
use crate::primitives::{AccountId, Day, ObjectId};
use std::collections::BTreeMap;

/// What a lender has out on a loan.
fn part(loan: &Loan, lender: AccountId) -> u128 {
    let legs = loan.legs().iter().filter(|leg| leg.lender == lender);
    legs.map(|leg| u128::from(leg.outstanding().minor_units())).sum()
}

fn tally(desk: &Desk, lender: AccountId, loans: &[(ObjectId, Loan)]) -> LoanTally {
    let mut tally = LoanTally::default();
    let today = desk.market.stage.now.day();
    loans.iter().for_each(|(id, loan)| tally.take_up(lender, *id, loan, today));
    tally
}

/// Holds the positions of the desk's lenders to the loans that there are.
pub fn check(desk: &Desk, loans: &[(ObjectId, Loan)]) {
    let (view, token) = (&desk.market.stage.view, desk.market.token);
    let changes = Changes::new(view);
    let mut all: BTreeMap<LoanClass, u128> = BTreeMap::new();
    for lender in desk.market.financiers {
        let mut sums: BTreeMap<LoanClass, u128> = BTreeMap::new();
        for (_, loan) in loans.iter().filter(|(_, loan)| part(loan, lender) > 0) {
            let class = loan.class().expect("something is out on it");
            *sums.entry(class).or_default() += part(loan, lender);
            *all.entry(class).or_default() += part(loan, lender);
        }
        let kept = classes(view, lender).remove(&token).unwrap_or_default();
        let kept: BTreeMap<_, _> = kept.iter().map(|(class, sum)| (*class, u128::from(sum.minor_units()))).collect();
        assert_eq!(kept, sums);
        assert_eq!(lenders(view, None, 9).contains(&lender), !sums.is_empty());
        sums.remove(&LoanClass::WrittenOff);
        let total = outstanding(&changes, BookLine::Lender(lender), token);
        let tally = tally(desk, lender, loans);
        let company = company(desk, lender);
        assert_eq!(sums.values().sum::<u128>(), u128::from(total.minor_units()));
        assert_eq!(tally.originated + tally.joined, u128::from(total.minor_units()));
        for by in [By::Borrower, By::Obligor] {
            let found = concentrations(&changes, (&company, token), by, (9, 9));
            let largest = found.largest.iter().map(|one| one.outstanding.minor_units()).sum::<u64>();
            assert_eq!((largest, found.others.minor_units(), found.whole), (total.minor_units(), 0, true));
        }
    }
    let found: BTreeMap<_, _> = totals(view, 100).classes.into_iter().map(|((_, class), sum)| (class, sum)).collect();
    assert_eq!(found, all);
}

fn company(desk: &Desk, lender: AccountId) -> String {
    desk.market.stage.read::<Account>(&lender).expect("it is open").legal_entity_id
}

#[test]
fn the_largest_come_first_and_the_rest_is_summed() {
    let mut desk = Desk::open();
    let (lender, token) = (desk.market.financiers[0], desk.market.token);
    let company = company(&desk, lender);
    let entities = [("HKBR:3", 5), ("HKBR:1", 7), ("HKBR:10", 7), ("HKBR:2", 1)];
    desk.market.stage.edit(|changes| {
        for (entity, units) in entities {
            let line = BookLine::LenderBorrower(company.clone(), entity.to_owned());
            changes.put(&(line, token), &Outstanding { amount: amount(units) });
        }
        changes.put(&(BookLine::LenderEntity(company.clone()), token), &Outstanding { amount: amount(20) });
    });
    let changes = Changes::new(&desk.market.stage.view);
    let of = |limits| concentrations(&changes, (&company, token), By::Borrower, limits);
    let one = |entity: &str, units| Concentration { entity: entity.to_owned(), outstanding: amount(units) };
    let found = of((2, 100));
    assert_eq!(found.largest, [one("HKBR:1", 7), one("HKBR:10", 7)]);
    assert_eq!((found.others, found.others_count, found.whole), (amount(6), 2, true));
    // Of three lines that are read, the rest is still right, and it is said that not all were looked at.
    let found = of((2, 3));
    assert_eq!((found.largest[0].outstanding, found.others, found.whole), (amount(7), amount(8), false));
}

#[test]
fn lenders_are_found_page_by_page() {
    let mut desk = Desk::open();
    let ids: Vec<AccountId> = (1..=5).map(|number| AccountId([number; 32])).collect();
    let token = desk.market.token;
    desk.market.stage.edit(|changes| {
        for (lender, class) in ids.iter().flat_map(|id| LoanClass::ALL.iter().map(move |class| (*id, *class))) {
            changes.put(&(BookLine::LenderClass(lender, class), token), &Outstanding { amount: amount(1) });
        }
    });
    let view = &desk.market.stage.view;
    assert_eq!(lenders(view, None, 3), ids[..3]);
    assert_eq!(lenders(view, Some(ids[2]), 3), ids[3..]);
    assert_eq!(lenders(view, Some(ids[4]), 3), []);
    let (found, cut) = (totals(view, 100), totals(view, 35));
    assert_eq!((found.classes[&(token, LoanClass::Defaulted)], found.whole, cut.whole), (5, true, false));
}

/// A joint loan, seen from both of its lenders.
#[test]
fn a_tally_tells_own_shares_from_others() {
    let mut desk = Desk::open();
    let [lender, other] = desk.market.financiers;
    desk.join(other, 4_000, 100_000).expect("it consents");
    let (_, id) = desk.lent();
    let loans = vec![(id, desk.loan(id))];
    let of_lender = tally(&desk, lender, &loans);
    assert_eq!((of_lender.count, of_lender.originated, of_lender.others, of_lender.joined), (1, 6_000, 4_000, 0));
    assert_eq!(of_lender.own_share_bps_min, Some(6_000));
    let of_other = tally(&desk, other, &loans);
    assert_eq!((of_other.originated, of_other.others, of_other.joined), (0, 0, 4_000));
    assert_eq!((of_other.own_share_bps_min, of_other.fell_due), (None, Vec::new()));
    // A fee of 100, no interest on the first day, divided by what each lent.
    assert_eq!((of_lender.charges, of_other.charges), (60, 40));
    let due: Day = loans[0].1.terms.due_on;
    let mut late = LoanTally::default();
    late.take_up(lender, id, &loans[0].1, due);
    assert_eq!(late.fell_due.iter().map(|one| one.outstanding).collect::<Vec<_>>(), [amount(6_000)]);
    check(&desk, &loans);
    // The fee and half of the principal are back: what counts is what is out, and the share is of what was lent.
    let supplier = desk.market.supplier;
    desk.repay_as(supplier, id, 5_100).expect("it was advanced more");
    let loans = vec![(id, desk.loan(id))];
    let of_lender = tally(&desk, lender, &loans);
    assert_eq!((of_lender.originated, of_lender.others, of_lender.charges), (3_000, 2_000, 0));
    assert_eq!((of_lender.own_share_bps_min, tally(&desk, other, &loans).joined), (Some(6_000), 2_000));
    let mut late = LoanTally::default();
    late.take_up(lender, id, &loans[0].1, due);
    assert_eq!(late.fell_due.iter().map(|one| one.outstanding).collect::<Vec<_>>(), [amount(3_000)]);
    check(&desk, &loans);
}
