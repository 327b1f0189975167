//! Loans: what a borrower had advanced on a receivable, what is owed on it, and how late it is.
//!
//! # Life cycle
//! A loan is made, disbursed and secured in one operation ([`super::RequestFinancing`]). What is paid goes to fees, then to
//! interest, then to principal; once it is written off, to principal, then to fees, then to interest. Time alone makes it
//! overdue and ages it; default and write-off are declared by its originator and recorded with their amounts.
//!
//! ```text
//! performing --fall overdue--> overdue --default--> defaulted --write off--> written off --recover--> recovered
//!      +-----------repay----------+---------repay-------+--> repaid
//! ```
//!
//! # Days
//! A loan runs by the calendar days of its programme: from the day of its disbursement, inclusively, to the day of a payment,
//! exclusively. It is due on the day on which its receivable is, or on the business day that follows. It is late from the next
//! day on; within the days of grace that costs no more than before.
//!
//! # Where interest ends
//! It runs for 30 years ([`super::interest::INTEREST_DAYS_MAX`]) from the day on which the principal was last what it is, and until the advance and all that
//! the loan ever cost come to the largest amount. There it stands still. So what is owed on a day is always an amount, and a loan of whatever
//! terms and age is repaid, declared in default and written off.
//!
//! # Invariants
//! * What is paid is divided exactly, and never exceeds what is owed.
//! * Ageing goes one way; only repayment ends it.
//! * What lenders have out, by borrower, buyer and programme, is counted in their books, and each block is held to a recount.

use super::ageing::{Bucket, DEFAULT_DAYS_MIN, LoanClass};
use super::book::BookLine;
use super::interest::{Rate, runs_until};
use super::programme::{Pricing, Programme};
use super::shares::{self, Leg};
use crate::ledger::{Changes, Column, Due, DueKey, DueKind, Effect, Entry, OpenItem, Reason};
use crate::primitives::time::BusinessCalendar;
use crate::primitives::{AccountId, Amount, BlockTime, Day, ObjectId, TokenId};
use crate::{codec_struct, codec_tag};
use std::collections::{BTreeMap, BTreeSet};

/// Where a loan stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoanState {
    /// Not due yet, or due today.
    Performing,
    /// Past its due day.
    Overdue,
    /// Past it by more than 90 days, and declared so.
    Defaulted,
    /// Given up as an asset; what comes in nevertheless is a recovery.
    WrittenOff,
    /// Paid back in full.
    Repaid,
    /// Written off, and paid back in full after all.
    Recovered,
}
codec_tag!(LoanState { Performing = 1, Overdue = 2, Defaulted = 3, WrittenOff = 4, Repaid = 5, Recovered = 6 });

/// What can happen to a loan's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoanStep {
    /// Its due day passes.
    FallOverdue,
    /// Its originator declares the default.
    Default,
    /// Its originator writes it off.
    WriteOff,
    /// The last of it is paid.
    Repay,
    /// The last of what was written off comes in.
    Recover,
}

impl LoanStep {
    /// Every step.
    pub const ALL: &'static [Self] = &[Self::FallOverdue, Self::Default, Self::WriteOff, Self::Repay, Self::Recover];

    /// The step's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::FallOverdue => "fall overdue",
            Self::Default => "default",
            Self::WriteOff => "write off",
            Self::Repay => "repay",
            Self::Recover => "recover",
        }
    }
}

impl LoanState {
    /// The state after a step; `None` where the life cycle has no such step.
    pub const fn after(self, step: LoanStep) -> Option<Self> {
        match (self, step) {
            (Self::Performing, LoanStep::FallOverdue) => Some(Self::Overdue),
            (Self::Overdue, LoanStep::Default) => Some(Self::Defaulted),
            (Self::Defaulted, LoanStep::WriteOff) => Some(Self::WrittenOff),
            (Self::Performing | Self::Overdue | Self::Defaulted, LoanStep::Repay) => Some(Self::Repaid),
            (Self::WrittenOff, LoanStep::Recover) => Some(Self::Recovered),
            (Self::Performing, LoanStep::Default | LoanStep::WriteOff | LoanStep::Recover)
            | (Self::Overdue, LoanStep::FallOverdue | LoanStep::WriteOff | LoanStep::Recover)
            | (Self::Defaulted, LoanStep::FallOverdue | LoanStep::Default | LoanStep::Recover)
            | (Self::WrittenOff, LoanStep::FallOverdue | LoanStep::Default | LoanStep::WriteOff | LoanStep::Repay)
            | (
                Self::Repaid | Self::Recovered,
                LoanStep::FallOverdue | LoanStep::Default | LoanStep::WriteOff | LoanStep::Repay | LoanStep::Recover,
            ) => None,
        }
    }

    /// The state's name in reasons, effects and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Performing => "performing",
            Self::Overdue => "overdue",
            Self::Defaulted => "defaulted",
            Self::WrittenOff => "written-off",
            Self::Repaid => "repaid",
            Self::Recovered => "recovered",
        }
    }

    /// Whether something is owed on it.
    pub const fn is_open(self) -> bool {
        !matches!(self, Self::Repaid | Self::Recovered)
    }
}

/// What is owed on a loan, or paid on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owed {
    /// Fees.
    pub fee: Amount,
    /// Interest.
    pub interest: Amount,
    /// Principal.
    pub principal: Amount,
}

impl Owed {
    /// What of it is no principal. Interest ends where it would not fit an amount.
    pub fn charges(&self) -> Amount {
        self.fee.checked_add(self.interest).unwrap_or(Amount::MAX)
    }

    /// All of it, which fits an amount likewise.
    pub fn total(&self) -> Amount {
        self.charges().checked_add(self.principal).unwrap_or(Amount::MAX)
    }
}

/// What a payment did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// What it was for.
    pub paid: Owed,
    /// Who receives how much of it, each lender once; nothing is left out and nothing is zero.
    pub parts: Vec<(AccountId, Amount)>,
}

/// What a loan is about, and never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoanTerms {
    /// The receivable that secures it.
    pub receivable: ObjectId,
    /// The programme under which it was made.
    pub programme: ObjectId,
    /// Who borrows.
    pub borrower: AccountId,
    /// The borrower's legal entity.
    pub borrower_entity: String,
    /// Who owes the receivable, by its legal entity.
    pub obligor_entity: String,
    /// Who delivered what it is for, by its legal entity: another than the borrower's, if it was passed on.
    pub supplier_entity: String,
    /// The invoice that the receivable is, or is a part of.
    pub invoice: ObjectId,
    /// The token.
    pub token: TokenId,
    /// What was advanced.
    pub advance: Amount,
    /// The fee, in all.
    pub fee: Amount,
    /// What it costs.
    pub pricing: Pricing,
    /// Whether the borrower owes what the buyer does not pay.
    pub recourse: bool,
    /// What the proceeds are for.
    pub purpose: String,
    /// The all-in annual cost, if it is repaid on its due day.
    pub all_in_cost_bps: u32,
    /// The day of its disbursement.
    pub started_on: Day,
    /// The day on which it is due.
    pub due_on: Day,
}
codec_struct!(LoanTerms {
    receivable,
    programme,
    borrower,
    borrower_entity,
    obligor_entity,
    supplier_entity,
    invoice,
    token,
    advance,
    fee,
    pricing,
    recourse,
    purpose,
    all_in_cost_bps,
    started_on,
    due_on,
});

/// A loan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loan {
    /// What it is about.
    pub terms: LoanTerms,
    state: LoanState,
    bucket: Bucket,
    ages_at: Option<BlockTime>,
    legs: Vec<Leg>,
    accrues_from: Day,
    interest_paid: Amount,
    fee_owed: Amount,
    interest_written_off: Amount,
    written_off: Amount,
    recovered: Amount,
}
codec_struct!(Loan {
    terms,
    state,
    bucket,
    ages_at,
    legs,
    accrues_from,
    interest_paid,
    fee_owed,
    interest_written_off,
    written_off,
    recovered,
});

impl Entry for Loan {
    const COLUMN: Column = Column::Loans;
    type Key = ObjectId;
}

/// The loan of an id.
///
/// # Errors
/// `UNKNOWN_LOAN`.
pub fn loan(changes: &Changes<'_>, id: ObjectId) -> Result<Loan, Reason> {
    changes.read(&id).ok_or(Reason::UnknownLoan { loan: id })
}

/// The calendar by which a loan's days run: its programme's.
pub(super) fn calendar_of(changes: &Changes<'_>, terms: &LoanTerms) -> Result<BusinessCalendar, Reason> {
    let programme: Programme = super::programme::programme(changes, terms.programme)?;
    Ok(programme.terms.calendar)
}

impl Loan {
    /// A loan as it is disbursed.
    pub(super) fn disbursed(terms: LoanTerms, legs: Vec<Leg>, ages_at: Option<BlockTime>) -> Self {
        let (accrues_from, fee_owed) = (terms.started_on, terms.fee);
        Self {
            terms,
            state: LoanState::Performing,
            bucket: Bucket::Current,
            ages_at,
            legs,
            accrues_from,
            interest_paid: Amount::ZERO,
            fee_owed,
            interest_written_off: Amount::ZERO,
            written_off: Amount::ZERO,
            recovered: Amount::ZERO,
        }
    }

    /// Where it stands.
    pub fn state(&self) -> LoanState {
        self.state
    }

    /// How late it is.
    pub fn bucket(&self) -> Bucket {
        self.bucket
    }

    /// What it is as an asset; none once it has ended.
    pub fn class(&self) -> Option<LoanClass> {
        match self.state {
            LoanState::Performing | LoanState::Overdue => Some(LoanClass::of(self.bucket)),
            LoanState::Defaulted => Some(LoanClass::Defaulted),
            LoanState::WrittenOff => Some(LoanClass::WrittenOff),
            LoanState::Repaid | LoanState::Recovered => None,
        }
    }

    /// Its lenders' parts, the originator's first.
    pub fn legs(&self) -> &[Leg] {
        &self.legs
    }

    /// Who made it, and declares what becomes of it.
    pub fn originator(&self) -> AccountId {
        self.legs.first().map_or(self.terms.borrower, |leg| leg.lender)
    }

    /// What of the advance is not back.
    pub fn principal(&self) -> Amount {
        // The legs add up to the advance, which is an amount.
        Amount::new(self.legs.iter().map(|leg| leg.outstanding().minor_units()).sum())
    }

    /// What was written off.
    pub fn written_off(&self) -> Amount {
        self.written_off
    }

    /// What of that has come in since.
    pub fn recovered(&self) -> Amount {
        self.recovered
    }

    /// How many days late it is on a day, if it is not paid.
    pub fn days_late(&self, on: Day) -> u32 {
        on.days_since(self.terms.due_on)
    }

    /// What is owed if it is paid on a day. A loan that was written off no longer accrues.
    pub fn owed(&self, on: Day) -> Owed {
        let (principal, fee) = (self.principal(), self.fee_owed);
        match self.state {
            LoanState::Performing | LoanState::Overdue | LoanState::Defaulted => {
                let accrued = self.accrued(principal, on).excess_over(self.interest_paid);
                Owed { fee, interest: accrued.min(self.room_for_interest()), principal }
            }
            LoanState::WrittenOff => Owed { fee, interest: self.interest_written_off, principal },
            LoanState::Repaid | LoanState::Recovered => Owed::default(),
        }
    }

    /// How much interest may still be owed, so that the advance and all that the loan ever cost fit an amount. What is paid of
    /// it is owed no more, and takes as much of the room.
    fn room_for_interest(&self) -> Amount {
        let paid = self.legs.iter().map(|leg| leg.charges_received);
        let taken = paid.chain([self.terms.advance, self.fee_owed]);
        taken.fold(Amount::MAX, |room, part| room.excess_over(part))
    }

    /// Interest since the principal was last what it is. Once the days of grace are over, the late rate runs from the due day on, on
    /// the principal alone: what of it was paid within grace was not late, and the rest is as late as if nothing had been paid.
    fn accrued(&self, principal: Amount, on: Day) -> Amount {
        let (LoanTerms { pricing, due_on, .. }, from) = (&self.terms, self.accrues_from);
        let on = runs_until(from, on);
        if self.days_late(on) <= pricing.grace_days {
            return pricing.rate.accrued(principal, from, on);
        }
        let sum = |one: Amount, other| one.checked_add(other).unwrap_or(Amount::MAX);
        let turns = from.max(*due_on);
        let late = Rate { bps: pricing.late_rate_bps, ..pricing.rate };
        let since = sum(pricing.rate.accrued(principal, from, turns), late.accrued(principal, turns, on));
        if self.days_late(from) > pricing.grace_days {
            return since;
        }
        // Of the days of grace before the principal was paid down, the rate is paid and the rest of the late rate is not.
        let (late, paid) = (late.accrued(principal, *due_on, from), pricing.rate.accrued(principal, *due_on, from));
        sum(since, late.excess_over(paid))
    }

    /// Takes a payment and says for what it was and who receives it. The last of what is owed repays or recovers the loan.
    ///
    /// # Errors
    /// `LOAN_NOT_OPEN`, `AMOUNT_EXCEEDS_OWED`, `AMOUNT_OVERFLOW`; then the loan is not to be kept.
    pub(super) fn receive(&mut self, id: ObjectId, on: Day, amount: Amount) -> Result<Received, Reason> {
        let overflow = Reason::AmountOverflow { token: self.terms.token };
        let last = if self.state == LoanState::WrittenOff { LoanStep::Recover } else { LoanStep::Repay };
        let ended = self.state.after(last).ok_or(self.not_open(id))?;
        let owed = self.owed(on);
        let total = owed.total();
        if amount > total {
            return Err(Reason::AmountExceedsOwed { loan: id, owed: total, amount });
        }
        let paid = self.allot(owed, amount);
        let received = self.book(paid, on).ok_or(overflow)?;
        if amount == total {
            self.state = ended;
            self.ages_at = None;
        }
        Ok(received)
    }

    /// What a payment is for: fees, interest, principal; of a loan that was written off principal, fees, interest.
    fn allot(&self, owed: Owed, amount: Amount) -> Owed {
        if self.state == LoanState::WrittenOff {
            let principal = amount.min(owed.principal);
            let fee = amount.excess_over(principal).min(owed.fee);
            return Owed { fee, interest: amount.excess_over(principal).excess_over(fee), principal };
        }
        let fee = amount.min(owed.fee);
        let interest = amount.excess_over(fee).min(owed.interest);
        let principal = amount.excess_over(fee).excess_over(interest);
        Owed { fee, interest, principal }
    }

    fn book(&mut self, paid: Owed, on: Day) -> Option<Received> {
        let mut parts = shares::divide(&mut self.legs, shares::Account::Charges, paid.charges())?;
        for ((_, part), (_, principal)) in
            parts.iter_mut().zip(shares::divide(&mut self.legs, shares::Account::Principal, paid.principal)?)
        {
            *part = part.checked_add(principal)?;
        }
        parts.retain(|(_, part)| !part.is_zero());
        match self.state {
            LoanState::WrittenOff => {
                self.interest_written_off = self.interest_written_off.checked_sub(paid.interest)?;
                self.recovered = self.recovered.checked_add(paid.total())?;
            }
            // Principal is paid only when no interest is owed, so the next begins from nothing.
            _ if !paid.principal.is_zero() => (self.accrues_from, self.interest_paid) = (on, Amount::ZERO),
            _ => self.interest_paid = self.interest_paid.checked_add(paid.interest)?,
        }
        self.fee_owed = self.fee_owed.checked_sub(paid.fee)?;
        Some(Received { paid, parts })
    }

    /// Ages it to what it is on a day. Says whether anything changed.
    fn age(&mut self, on: Day, calendar: &BusinessCalendar) -> bool {
        let before = (self.bucket, self.state);
        // Time never goes back; a loan that fell into a bucket stays in it until it is repaid.
        self.bucket = self.bucket.max(Bucket::of(self.days_late(on)));
        if self.bucket > Bucket::Current {
            self.state = self.state.after(LoanStep::FallOverdue).unwrap_or(self.state);
        }
        self.ages_at = ages_at(self.bucket, self.terms.due_on, calendar);
        before != (self.bucket, self.state)
    }

    /// Ages it to what it is on a day, and records that; the caller keeps it. A block works off a limited number of due things, so
    /// what is done to a loan can come before its ageing's turn. One that ages no more stays as it is.
    pub(super) fn catch_up(&mut self, id: ObjectId, on: Day, calendar: &BusinessCalendar, changes: &mut Changes<'_>) {
        let (bucket_before, state_before) = (self.bucket, self.state);
        if self.ages_at.is_none() || !self.age(on, calendar) {
            return;
        }
        changes.record(
            Effect::new("financing.loan_aged")
                .with("loan", id)
                .with("borrower", self.terms.borrower)
                .with("originator", self.originator())
                .with("token", self.terms.token)
                .with("principal", self.principal())
                .with("days_late", self.days_late(on))
                .with("bucket_before", bucket_before.name())
                .with("bucket", self.bucket.name())
                .with("state_before", state_before.name())
                .with("state", self.state.name()),
        );
    }

    /// Declares the default.
    ///
    /// # Errors
    /// `LOAN_NOT_OPEN`, `LOAN_NOT_LATE_ENOUGH`.
    pub(super) fn default_on(&mut self, id: ObjectId, on: Day) -> Result<(), Reason> {
        let days_late = self.days_late(on);
        if self.state.is_open() && days_late < DEFAULT_DAYS_MIN {
            return Err(Reason::LoanNotLateEnough {
                loan: id,
                days_late: days_late.into(),
                days_late_min: DEFAULT_DAYS_MIN.into(),
            });
        }
        self.state = self.state.after(LoanStep::Default).ok_or(self.not_open(id))?;
        Ok(())
    }

    /// Writes off what is owed on a day, and says how much.
    ///
    /// # Errors
    /// `LOAN_NOT_OPEN`.
    pub(super) fn write_off(&mut self, id: ObjectId, on: Day) -> Result<Owed, Reason> {
        let next = self.state.after(LoanStep::WriteOff).ok_or(self.not_open(id))?;
        let owed = self.owed(on);
        self.written_off = owed.total();
        self.interest_written_off = owed.interest;
        (self.state, self.ages_at) = (next, None);
        Ok(owed)
    }

    /// Whose accounts must stay open until it ends: its lenders', who are still to be paid, and the borrower's.
    pub fn bound(&self) -> BTreeSet<AccountId> {
        let open = self.state.is_open();
        self.legs.iter().map(|leg| leg.lender).chain([self.terms.borrower]).filter(|_| open).collect()
    }

    /// What it adds to the books of its lenders and its programme. What was written off is no asset any more, and stands in its
    /// class alone.
    pub fn lines(&self) -> BTreeMap<BookLine, Amount> {
        let mut lines = BTreeMap::new();
        let Some(class) = self.class() else { return lines };
        let lent = || self.legs.iter().map(|leg| (leg.lender, leg.outstanding())).filter(|(_, part)| !part.is_zero());
        lines.extend(lent().map(|(lender, part)| (BookLine::LenderClass(lender, class), part)));
        if class == LoanClass::WrittenOff {
            return lines;
        }
        let LoanTerms { programme, borrower_entity, obligor_entity, supplier_entity, invoice, .. } = &self.terms;
        for (lender, outstanding) in lent() {
            lines.insert(BookLine::Lender(lender), outstanding);
            lines.insert(BookLine::ProgrammeLender(*programme, lender), outstanding);
        }
        for leg in &self.legs {
            let (entity, outstanding) = (leg.entity.clone(), leg.outstanding());
            for line in [
                BookLine::LenderBorrower(entity.clone(), borrower_entity.clone()),
                BookLine::LenderObligor(entity.clone(), obligor_entity.clone()),
                BookLine::LenderEntity(entity),
            ] {
                // Two of the lenders may be of one company. The legs add up to the advance, which is an amount.
                let sum: &mut Amount = lines.entry(line).or_default();
                *sum = Amount::new(sum.minor_units() + outstanding.minor_units());
            }
        }
        let principal = self.principal();
        lines.insert(BookLine::Programme(*programme), principal);
        // What was passed on counts for who borrows, and for who delivered it.
        lines.insert(BookLine::ProgrammeBorrower(*programme, borrower_entity.clone()), principal);
        lines.insert(BookLine::ProgrammeBorrower(*programme, supplier_entity.clone()), principal);
        lines.insert(BookLine::ProgrammeObligor(*programme, obligor_entity.clone()), principal);
        lines.insert(BookLine::ProgrammeInvoice(*programme, *invoice), principal);
        lines.retain(|_, amount| !amount.is_zero());
        lines
    }

    /// When it ages next, if it does.
    pub fn ageing_due(&self, id: ObjectId) -> Option<DueKey> {
        self.ages_at.map(|at| DueKey { at, kind: DueKind::LoanAgeing, id })
    }

    /// Writes it, and with it what follows from it: the books, the open items of whom it binds, and when it ages next.
    ///
    /// # Errors
    /// `AMOUNT_OVERFLOW`: a book would hold more than an amount.
    pub(super) fn keep(&self, id: ObjectId, changes: &mut Changes<'_>) -> Result<(), Reason> {
        let before: Option<Self> = changes.read(&id);
        let due_before = before.as_ref().and_then(|before| before.ageing_due(id));
        let lines_before = before.as_ref().map(Self::lines).unwrap_or_default();
        super::book::rewrite(changes, self.terms.token, lines_before, self.lines())?;
        let (bound_before, bound) = (before.map(|before| before.bound()).unwrap_or_default(), self.bound());
        bound.difference(&bound_before).for_each(|account| changes.item_opened(*account, OpenItem::Loan(id)));
        bound_before.difference(&bound).for_each(|account| changes.item_ended(*account, OpenItem::Loan(id)));
        let due = self.ageing_due(id);
        if due_before != due {
            due_before.iter().for_each(|key| changes.delete::<Due>(key));
            due.iter().for_each(|key| changes.put(key, &Due::LoanAgeing(id)));
        }
        changes.put(&id, self);
        Ok(())
    }

    pub(super) fn not_open(&self, id: ObjectId) -> Reason {
        Reason::LoanNotOpen { loan: id, state: self.state.name() }
    }
}

/// When a loan in a bucket falls into the next: at the end of the last day in it. `None` for the last, or past the end of time.
pub(super) fn ages_at(bucket: Bucket, due_on: Day, calendar: &BusinessCalendar) -> Option<BlockTime> {
    calendar.end_of(due_on.checked_add(bucket.days_max()?)?)
}

/// Ages a loan, when its time has come.
pub fn age_loan(changes: &mut Changes<'_>, id: ObjectId, now: BlockTime) {
    let Ok(mut found) = loan(changes, id) else { return };
    let Ok(calendar) = calendar_of(changes, &found.terms) else { return };
    found.catch_up(id, calendar.day_of(now), &calendar, changes);
    // Its principal is as before, so no book grows beyond what the lender has out, and keeping it cannot fail.
    let _ = found.keep(id, changes);
}
