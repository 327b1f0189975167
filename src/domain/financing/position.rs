//! Positions: what lenders have out, how late, and on whom, as their books count it; and what only the loans themselves say.
//!
//! The books give every sum at once, however many loans there are. What changes from day to day (interest), or is of single
//! loans (who else lends, what fell due), is added up over the loans, as many of them as the caller reads.

use super::ageing::LoanClass;
use super::book::{BookLine, Outstanding, borrowers_of, classes_of, obligors_of, outstanding};
use super::loan::Loan;
use super::shares::{self, Account};
use crate::ledger::limits::TOKENS_MAX;
use crate::ledger::{Changes, Column, View};
use crate::primitives::{AccountId, Amount, Day, Decode, ObjectId, TokenId};
use std::collections::BTreeMap;

/// How many days back a loan fell due lately.
pub const LATELY_DAYS: u32 = 30;

/// What a lender has in each class, by token; classes in which it has nothing are left out.
pub fn classes(view: &dyn View, lender: AccountId) -> BTreeMap<TokenId, BTreeMap<LoanClass, Amount>> {
    let mut by_token: BTreeMap<TokenId, BTreeMap<LoanClass, Amount>> = BTreeMap::new();
    for (line, token, amount) in lines(view, &classes_of(Some(lender)), LoanClass::ALL.len() * TOKENS_MAX) {
        if let BookLine::LenderClass(_, class) = line {
            by_token.entry(token).or_default().insert(class, amount);
        }
    }
    by_token
}

/// What all lenders together have in each class, by token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// The sums, in minor units: of many lenders they may be more than an amount.
    pub classes: BTreeMap<(TokenId, LoanClass), u128>,
    /// Whether every line was read.
    pub whole: bool,
}

/// Adds up the lenders' classes, reading at most so many lines.
pub fn totals(view: &dyn View, lines_max: usize) -> Totals {
    let found = lines(view, &classes_of(None), lines_max);
    let mut totals = Totals { classes: BTreeMap::new(), whole: found.len() < lines_max };
    for (line, token, amount) in found {
        if let BookLine::LenderClass(_, class) = line {
            *totals.classes.entry((token, class)).or_default() += u128::from(amount.minor_units());
        }
    }
    totals
}

/// The next lenders after one that have something out or written off, in the order of their ids.
pub fn lenders(view: &dyn View, after: Option<AccountId>, most: usize) -> Vec<AccountId> {
    let all = classes_of(None);
    let mut found = Vec::new();
    let mut last = after;
    while found.len() < most {
        // No class is so high: the first key past the lender's own.
        let from = last.map_or_else(|| all.clone(), |lender| [&classes_of(Some(lender))[..], &[u8::MAX]].concat());
        let Some((key, _)) = view.scan(Column::LenderBooks, &from, 1).pop().filter(|(key, _)| key.starts_with(&all))
        else {
            break;
        };
        let Ok((BookLine::LenderClass(lender, _), _)) = <(BookLine, TokenId)>::from_bytes(&key) else {
            view.note_corruption(Column::LenderBooks, &key);
            break;
        };
        found.push(lender);
        last = Some(lender);
    }
    found
}

/// By whom a lender's loans are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Who borrows.
    Borrower,
    /// Who owes the receivables.
    Obligor,
}

/// What a lender's company has out on one legal entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Concentration {
    /// The legal entity.
    pub entity: String,
    /// How much.
    pub outstanding: Amount,
}

/// A lender's largest concentrations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Concentrations {
    /// The largest first; of equals, in the order of the entities.
    pub largest: Vec<Concentration>,
    /// What it has out on all others.
    pub others: Amount,
    /// How many those are, as far as they were read.
    pub others_count: usize,
    /// Whether every line was read; else a larger one may be among the others.
    pub whole: bool,
}

/// The largest concentrations in a token of a lender's legal entity, of the first `lines_max` legal entities.
pub fn concentrations(
    changes: &Changes<'_>,
    (lender, token): (&str, TokenId),
    by: By,
    (most, lines_max): (usize, usize),
) -> Concentrations {
    let prefix = match by {
        By::Borrower => borrowers_of(lender),
        By::Obligor => obligors_of(lender),
    };
    let found = lines(changes, &prefix, lines_max);
    let whole = found.len() < lines_max;
    let of_token = found.into_iter().filter(|(_, of, _)| *of == token);
    let mut largest: Vec<Concentration> = of_token
        .filter_map(|(line, _, outstanding)| match line {
            BookLine::LenderBorrower(_, entity) | BookLine::LenderObligor(_, entity) => {
                Some(Concentration { entity, outstanding })
            }
            _ => None,
        })
        .collect();
    largest.sort_by(|one, other| (other.outstanding, &one.entity).cmp(&(one.outstanding, &other.entity)));
    let others_count = largest.len().saturating_sub(most);
    largest.truncate(most);
    let total = outstanding(changes, BookLine::LenderEntity(lender.to_owned()), token);
    let others = largest.iter().fold(total, |rest, one| rest.excess_over(one.outstanding));
    Concentrations { largest, others, others_count, whole }
}

/// The book lines under a prefix with what is on them, at most so many.
fn lines(view: &dyn View, prefix: &[u8], most: usize) -> Vec<(BookLine, TokenId, Amount)> {
    let entries = view.scan(Column::LenderBooks, prefix, most);
    let under = entries.into_iter().take_while(|(key, _)| key.starts_with(prefix));
    under
        .filter_map(|(key, value)| match (<(BookLine, TokenId)>::from_bytes(&key), Outstanding::from_bytes(&value)) {
            (Ok((line, token)), Ok(Outstanding { amount })) => Some((line, token, amount)),
            _ => {
                view.note_corruption(Column::LenderBooks, &key);
                None
            }
        })
        .collect()
}

/// A loan that fell due lately and is still owed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FellDue {
    /// The loan.
    pub loan: ObjectId,
    /// When.
    pub due_on: Day,
    /// What the lender has out on it.
    pub outstanding: Amount,
}

/// What the loans of a lender in one token say that no book counts. What is written off is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoanTally {
    /// How many there are.
    pub count: u64,
    /// What it has out on loans that it originated.
    pub originated: u128,
    /// What others have out on those.
    pub others: u128,
    /// What it has out on loans that others originated.
    pub joined: u128,
    /// What it would receive in fees and interest were they paid today, on top of principal.
    pub charges: u128,
    /// The highest all-in annual cost among them, in basis points.
    pub cost_bps_max: u32,
    /// The least share that it lent itself of a joint loan that it originated, in basis points, rounded down.
    pub own_share_bps_min: Option<u32>,
    /// What fell due lately.
    pub fell_due: Vec<FellDue>,
}

impl LoanTally {
    /// Takes up an open loan of the lender's, on a day of its calendar.
    pub fn take_up(&mut self, lender: AccountId, id: ObjectId, loan: &Loan, today: Day) {
        let Some(leg) = loan.legs().iter().find(|leg| leg.lender == lender) else { return };
        if loan.class().is_none_or(|class| class == LoanClass::WrittenOff) {
            return;
        }
        self.count += 1;
        let own = leg.outstanding();
        let units = |amount: Amount| u128::from(amount.minor_units());
        if loan.originator() == lender {
            self.originated += units(own);
            self.others += units(loan.principal().excess_over(own));
            if loan.legs().len() > 1 {
                let share = leg.lent.scale_down(10_000, loan.terms.advance.minor_units()).unwrap_or_default();
                let share = u32::try_from(share.minor_units()).unwrap_or(u32::MAX);
                self.own_share_bps_min = Some(self.own_share_bps_min.map_or(share, |least| least.min(share)));
            }
        } else {
            self.joined += units(own);
        }
        self.charges += units(charges_of(lender, loan, today));
        self.cost_bps_max = self.cost_bps_max.max(loan.terms.all_in_cost_bps);
        let days_late = loan.days_late(today);
        if loan.terms.due_on <= today && days_late <= LATELY_DAYS {
            self.fell_due.push(FellDue { loan: id, due_on: loan.terms.due_on, outstanding: own });
        }
    }
}

/// What a lender would receive of the fees and the interest of a loan, were they paid today.
fn charges_of(lender: AccountId, loan: &Loan, today: Day) -> Amount {
    let mut legs = loan.legs().to_vec();
    let parts = shares::divide(&mut legs, Account::Charges, loan.owed(today).charges()).unwrap_or_default();
    parts.iter().find(|(whose, _)| *whose == lender).map_or(Amount::ZERO, |(_, part)| *part)
}
