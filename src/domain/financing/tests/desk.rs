//! A market with a programme in it, for tests of loans.

use super::settlements::record;
use crate::domain::financing::{
    CloseProgramme, EvidenceRequired, JoinProgramme, Limits, Loan, PayInvoice, Pricing, ProgrammeTerms,
    PublishProgramme, RecordRequired, RemoveParticipant, RepayLoan, RequestFinancing,
    interest::{Compounding, DayCount, Rate},
};
use crate::domain::market::{DUE, Market};
use crate::domain::rehearsal::Performed;
use crate::domain::trade::Receivable;
use crate::ledger::{Balance, Reason};
use crate::primitives::time::{BusinessCalendar, DAY_MS};
use crate::primitives::{AccountId, Amount, BlockTime, ObjectId};

/// The market and whoever lends in it.
pub struct Desk {
    /// The market.
    pub market: Market,
    /// A programme of the first financier's.
    pub programme: ObjectId,
}

pub fn amount(units: u64) -> Amount {
    Amount::new(units)
}

pub fn name_of<T: std::fmt::Debug>(result: Result<T, Reason>) -> &'static str {
    result.expect_err("it must be declined").name()
}

/// Terms that finance 90 % of anything in the market's token for a year, at 10.95 % over 365 days and a fee of 1 %: 3 units a
/// day and 100 on an advance of 10,000.
pub fn terms(market: &Market) -> ProgrammeTerms {
    let all = amount(1_000_000);
    ProgrammeTerms {
        name: "PROGRAMME".to_owned(),
        token: market.token,
        buyers: Vec::new(),
        suppliers: Vec::new(),
        advance_rate_bps: 9_000,
        tenor_days_min: 0,
        tenor_days_max: 365,
        pricing: Pricing {
            rate: Rate { bps: 1_095, day_count: DayCount::Act365Fixed, compounding: Compounding::Simple },
            late_rate_bps: 1_825,
            grace_days: 2,
            fee_bps: 100,
            fee_flat: Amount::ZERO,
        },
        limits: Limits { total: all, per_obligor: all, per_supplier: all, per_invoice: all },
        evidence: EvidenceRequired {
            buyer_confirmed: true,
            order_agreed: false,
            shipment_step: None,
            record: RecordRequired { count_min: 1, sum_min: amount(100), ..RecordRequired::default() },
            ..EvidenceRequired::default()
        },
        purposes: Vec::new(),
        recourse: true,
        participation_bps_max: 7_000,
        calendar: BusinessCalendar { utc_offset_minutes_plus_720: 1_200, holidays: Vec::new() },
    }
}

impl Desk {
    /// A market on its first day, with a programme of [`terms`].
    pub fn open() -> Self {
        Self::open_with(|_| ())
    }

    /// The same with terms that differ.
    pub fn open_with(change: impl FnOnce(&mut ProgrammeTerms)) -> Self {
        let mut market = Market::open();
        let mut terms = terms(&market);
        change(&mut terms);
        let financier = market.financiers[0];
        let programme = publish(&mut market, financier, terms).expect("a financier publishes");
        Self { market, programme }
    }

    /// A request for so much on a receivable, with one good citation.
    pub fn asking(&mut self, receivable: ObjectId, units: u64) -> RequestFinancing {
        let citations = record(&mut self.market);
        let (programme, purpose) = (self.programme, String::new());
        let foreign_receipts = Vec::new();
        RequestFinancing { receivable, programme, advance: amount(units), purpose, citations, foreign_receipts }
    }

    /// Sends it, as the supplier.
    pub fn request(&mut self, operation: &RequestFinancing) -> Result<Performed, Reason> {
        let supplier = self.market.supplier;
        self.market.stage.perform(&[supplier], |context, changes| operation.plan(context, changes))
    }

    /// A receivable of 20,000 and a loan of 10,000 on it.
    pub fn lent(&mut self) -> (ObjectId, ObjectId) {
        let receivable = self.market.confirmed(1, 20_000);
        let operation = self.asking(receivable, 10_000);
        (receivable, self.request(&operation).expect("every condition holds").object)
    }

    pub fn join(&mut self, lender: AccountId, share_bps: u32, limit: u64) -> Result<Performed, Reason> {
        let operation = JoinProgramme { programme: self.programme, share_bps, limit: amount(limit) };
        let publisher = self.market.financiers[0];
        self.market.stage.perform(&[lender, publisher], |context, changes| operation.plan(context, changes))
    }

    pub fn remove_as(&mut self, sender: AccountId, participant: AccountId) -> Result<Performed, Reason> {
        let operation = RemoveParticipant { programme: self.programme, participant };
        self.market.stage.perform(&[sender], |context, changes| operation.plan(context, changes))
    }

    pub fn close_as(&mut self, sender: AccountId) -> Result<Performed, Reason> {
        let operation = CloseProgramme { programme: self.programme };
        self.market.stage.perform(&[sender], |context, changes| operation.plan(context, changes))
    }

    /// Pays an invoice, as the buyer.
    pub fn pay(&mut self, receivable: ObjectId, units: u64) -> Result<Performed, Reason> {
        let buyer = self.market.buyer;
        self.pay_as(buyer, receivable, units)
    }

    pub fn pay_as(&mut self, sender: AccountId, receivable: ObjectId, units: u64) -> Result<Performed, Reason> {
        let operation = PayInvoice { receivable, amount: amount(units), end_to_end_id: String::new() };
        self.market.stage.perform(&[sender], |context, changes| operation.plan(context, changes))
    }

    /// Pays a loan, as anyone.
    pub fn repay_as(&mut self, sender: AccountId, loan: ObjectId, units: u64) -> Result<Performed, Reason> {
        let operation = RepayLoan { loan, amount: amount(units) };
        self.market.stage.perform(&[sender], |context, changes| operation.plan(context, changes))
    }

    /// The invoices are due on a Sunday, so loans are due on the Monday after it.
    ///
    /// Lets time pass to so many days after the day on which a loan is due, and works off what falls due.
    pub fn days_after_due(&mut self, days: u64) {
        self.market.stage.now = BlockTime(DUE.0 + (days + 1) * DAY_MS);
        self.work_off_due();
    }

    /// Works off what falls due, as a block does.
    pub fn work_off_due(&mut self) {
        let now = self.market.stage.now;
        let due = crate::ledger::due::due_by(&self.market.stage.view, now, usize::MAX);
        self.market.stage.edit(|changes| {
            for (key, due) in due {
                changes.delete::<crate::ledger::Due>(&key);
                if let crate::ledger::Due::LoanAgeing(loan) = due {
                    crate::domain::financing::age_loan(changes, loan, now);
                }
            }
        });
    }

    pub fn loan(&self, id: ObjectId) -> Loan {
        self.market.stage.read(&id).expect("the loan is there")
    }

    pub fn receivable(&self, id: ObjectId) -> Receivable {
        self.market.stage.read(&id).expect("the receivable is there")
    }

    pub fn available(&self, account: AccountId) -> u64 {
        let balance: Balance = self.market.stage.read(&(account, self.market.token)).unwrap_or_default();
        balance.available.minor_units()
    }
}

/// Publishes a programme.
pub fn publish(market: &mut Market, sender: AccountId, terms: ProgrammeTerms) -> Result<ObjectId, Reason> {
    let operation = PublishProgramme { terms };
    let performed = market.stage.perform(&[sender], |context, changes| operation.plan(context, changes))?;
    Ok(performed.object)
}
