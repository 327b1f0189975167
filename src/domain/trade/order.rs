//! The order: what a buyer and a supplier agreed on, as far as rules read it.
//!
//! The document stays with the parties; here are its commitment, its keyed fingerprint and the terms below. They bind what
//! follows: invoices under the order stay within its amount and its terms of payment, and the term within which the buyer
//! confirms or disputes each is the order's.

use super::life_cycle::{OrderState, OrderStep};
use crate::ledger::limits::{CARRIERS_PER_PARTY_MAX, CONFIRMATION_DAYS_MAX, ORDER_LINES_MAX, PAYMENT_DAYS_MAX};
use crate::ledger::malformed::{Malformed, require};
use crate::ledger::{Changes, Column, Context, Entry, Reason, View as _};
use crate::primitives::time::DAY_MS;
use crate::primitives::{AccountId, Amount, BlockTime, Day, Encode as _, Hash, ObjectId, TokenId};
use crate::{codec_struct, codec_tag};

/// What it means that the buyer neither confirms nor disputes an invoice within the order's term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SilenceMeans {
    /// Nothing: the invoice waits.
    Nothing,
    /// That it owes the invoice.
    Confirms,
}
codec_tag!(SilenceMeans { Nothing = 1, Confirms = 2 });

impl SilenceMeans {
    /// The name in effects and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Confirms => "confirms",
        }
    }
}

/// What the parties agree on, and a change replaces as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderTerms {
    /// The payable total, in the token's minor units.
    pub amount: Amount,
    /// The salted commitment to the document.
    pub document_commitment: Hash,
    /// How many lines the document has.
    pub line_count: u16,
    /// Until when it is to be delivered, if the document says so.
    pub deliver_by: Option<BlockTime>,
    /// Within how many days of its registration the buyer confirms or disputes an invoice; 0 for no such term.
    pub confirmation_days: u16,
    /// What silence means after that.
    pub silence: SilenceMeans,
    /// How many days after its day of issue an invoice is due, if the document says so.
    pub payment_days: Option<u16>,
}
codec_struct!(OrderTerms {
    amount,
    document_commitment,
    line_count,
    deliver_by,
    confirmation_days,
    silence,
    payment_days,
});

impl OrderTerms {
    /// Holds the terms to their static bounds.
    ///
    /// # Errors
    /// The first field that is out of bounds.
    pub fn check(&self) -> Result<(), Malformed> {
        require(!self.amount.is_zero(), "amount", "it must be positive")?;
        let lines = (1..=ORDER_LINES_MAX).contains(&self.line_count);
        require(lines, "line_count", format!("it must be 1 to {ORDER_LINES_MAX}"))?;
        let days = self.confirmation_days <= CONFIRMATION_DAYS_MAX;
        require(days, "confirmation_days", format!("it must be at most {CONFIRMATION_DAYS_MAX}"))?;
        let term = self.silence == SilenceMeans::Nothing || self.confirmation_days > 0;
        require(term, "confirmation_days", "it must be positive where silence confirms")?;
        let days = self.payment_days.is_none_or(|days| days <= PAYMENT_DAYS_MAX);
        require(days, "payment_days", format!("it must be at most {PAYMENT_DAYS_MAX}"))
    }

    /// Whether the delivery is still to come.
    ///
    /// # Errors
    /// `DELIVERY_DATE_PASSED`.
    pub(super) fn require_deliverable(&self, now: BlockTime) -> Result<(), Reason> {
        match self.deliver_by.filter(|deliver_by| *deliver_by <= now) {
            Some(deliver_by) => Err(Reason::DeliveryDatePassed { deliver_by, now }),
            None => Ok(()),
        }
    }

    /// Whether an invoice of this day may be due then: on the day that the payment terms give, in whatever time zone.
    ///
    /// # Errors
    /// `DUE_DATE_OUTSIDE_TERMS`, `TIME_OUT_OF_RANGE`.
    pub(super) fn require_due(&self, issued_on: Day, due_at: BlockTime) -> Result<(), Reason> {
        let Some(payment_days) = self.payment_days else { return Ok(()) };
        let due_on = issued_on.checked_add(payment_days.into()).ok_or(Reason::TimeOutOfRange { time: due_at })?;
        let (earliest, latest) = (due_on.starts_at().0.saturating_sub(DAY_MS), due_on.starts_at().0 + 2 * DAY_MS);
        match (earliest..=latest).contains(&due_at.0) {
            true => Ok(()),
            false => {
                Err(Reason::DueDateOutsideTerms { due_at, earliest: BlockTime(earliest), latest: BlockTime(latest) })
            }
        }
    }
}

/// Other terms that one party wants and the other has not accepted yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderChange {
    /// Which of the order's proposals it is, from 1: whoever accepts names it, and so accepts no other.
    pub number: u32,
    /// Who proposes.
    pub proposer: AccountId,
    /// The terms.
    pub terms: OrderTerms,
}
codec_struct!(OrderChange { number, proposer, terms });

/// That a party appointed a carrier. A carrier that both appointed has two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appointment {
    /// Who records.
    pub carrier: AccountId,
    /// The party.
    pub by: AccountId,
}
codec_struct!(Appointment { carrier, by });

/// An order on the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Who buys, and placed it.
    pub buyer: AccountId,
    /// Who delivers.
    pub supplier: AccountId,
    /// The token in which its invoices are paid.
    pub token: TokenId,
    /// The keyed fingerprint of its number.
    pub fingerprint: Hash,
    /// The terms in force; proposed ones until it is agreed.
    pub terms: OrderTerms,
    /// 1 for the order as placed, one more with every change.
    pub version: u32,
    /// When it was placed.
    pub placed_at: BlockTime,
    state: OrderState,
    invoiced: Amount,
    proposals: u32,
    change: Option<OrderChange>,
    appointments: Vec<Appointment>,
}
codec_struct!(Order {
    buyer,
    supplier,
    token,
    fingerprint,
    terms,
    version,
    placed_at,
    state,
    invoiced,
    proposals,
    change,
    appointments,
});

impl Entry for Order {
    const COLUMN: Column = Column::Orders;
    type Key = ObjectId;
}

/// The order of an id.
///
/// # Errors
/// `UNKNOWN_ORDER`.
pub fn order(changes: &Changes<'_>, id: ObjectId) -> Result<Order, Reason> {
    changes.read(&id).ok_or(Reason::UnknownOrder { order: id })
}

impl Order {
    pub(super) fn placed(
        (buyer, supplier): (AccountId, AccountId),
        token: TokenId,
        fingerprint: Hash,
        terms: OrderTerms,
        placed_at: BlockTime,
    ) -> Self {
        let (state, invoiced) = (OrderState::Proposed, Amount::ZERO);
        let (version, proposals, change, appointments) = (1, 0, None, Vec::new());
        Self {
            buyer,
            supplier,
            token,
            fingerprint,
            terms,
            version,
            placed_at,
            state,
            invoiced,
            proposals,
            change,
            appointments,
        }
    }

    /// Where it stands.
    pub fn state(&self) -> OrderState {
        self.state
    }

    /// What standing invoices under it come to, less what was credited on them.
    pub fn invoiced(&self) -> Amount {
        self.invoiced
    }

    /// The change that waits to be accepted.
    pub fn change(&self) -> Option<&OrderChange> {
        self.change.as_ref()
    }

    /// Who records what happens to its goods, each once, in the order of their appointment.
    pub fn carriers(&self) -> Vec<AccountId> {
        let mut carriers = Vec::new();
        for Appointment { carrier, .. } in &self.appointments {
            if !carriers.contains(carrier) {
                carriers.push(*carrier);
            }
        }
        carriers
    }

    /// Takes a carrier among those who record, on one of the party's own places.
    ///
    /// # Errors
    /// `TOO_MANY_CARRIERS`.
    pub(super) fn appoint(&mut self, id: ObjectId, appointment: Appointment) -> Result<(), Reason> {
        if self.appointments.contains(&appointment) {
            return Ok(());
        }
        let taken = self.appointments.iter().filter(|other| other.by == appointment.by).count();
        if taken >= CARRIERS_PER_PARTY_MAX {
            return Err(Reason::TooManyCarriers { order: id, carriers_max: CARRIERS_PER_PARTY_MAX as u64 });
        }
        self.appointments.push(appointment);
        Ok(())
    }

    /// Whether what another carrier recorded stands in a carrier's way: where whoever appointed the one appointed the other too. A party
    /// takes the word of those whom it chose, and of nobody whom the other chose alone.
    pub(super) fn stands_in_the_way(&self, of: AccountId, other: AccountId) -> bool {
        let appointed = |carrier, by| self.appointments.contains(&Appointment { carrier, by });
        [self.buyer, self.supplier].into_iter().all(|party| !appointed(of, party) || appointed(other, party))
    }

    /// Whether the carrier records for it.
    ///
    /// # Errors
    /// `CARRIER_NOT_APPOINTED`.
    pub(super) fn require_appointed(&self, id: ObjectId, carrier: AccountId) -> Result<(), Reason> {
        let appointed = self.appointments.iter().any(|appointment| appointment.carrier == carrier);
        if appointed { Ok(()) } else { Err(Reason::CarrierNotAppointed { order: id, carrier }) }
    }

    /// Whether it is agreed and stands.
    ///
    /// # Errors
    /// `ORDER_NOT_OPEN`.
    pub(super) fn require_agreed(&self, id: ObjectId) -> Result<(), Reason> {
        if self.state == OrderState::Agreed { Ok(()) } else { Err(self.not_open(id)) }
    }

    /// The party to it that sends, which must have signed.
    ///
    /// # Errors
    /// `NOT_A_PARTY_TO_THE_ORDER`, and those of [`Context::signed_by`].
    pub(super) fn party(
        &self,
        id: ObjectId,
        context: &Context<'_>,
        changes: &Changes<'_>,
    ) -> Result<AccountId, Reason> {
        let sender = context.sender;
        if ![self.buyer, self.supplier].contains(&sender) {
            return Err(Reason::NotAPartyToTheOrder { order: id });
        }
        context.signed_by(changes, sender).map(|_| sender)
    }

    pub(super) fn take(&mut self, id: ObjectId, step: OrderStep) -> Result<(), Reason> {
        self.state = self.state.after(step).ok_or(self.not_open(id))?;
        Ok(())
    }

    /// Takes down other terms, in place of what was proposed before. Returns the proposal's number.
    ///
    /// # Errors
    /// `ORDER_NOT_OPEN`, `AMOUNT_BELOW_INVOICED`.
    pub(super) fn propose(&mut self, id: ObjectId, proposer: AccountId, terms: OrderTerms) -> Result<u32, Reason> {
        self.state.after(OrderStep::Change).ok_or(self.not_open(id))?;
        self.require_room_for_invoiced(&terms)?;
        // Each proposal is an operation in a block: the count is not exhausted.
        self.proposals += 1;
        self.change = Some(OrderChange { number: self.proposals, proposer, terms });
        Ok(self.proposals)
    }

    /// Puts the proposed terms into force.
    ///
    /// # Errors
    /// `ORDER_NOT_OPEN`, `ORDER_CHANGE_NOT_PROPOSED`, `OWN_PROPOSAL`, `AMOUNT_BELOW_INVOICED`.
    pub(super) fn accept_change(&mut self, id: ObjectId, number: u32, by: AccountId) -> Result<(), Reason> {
        self.take(id, OrderStep::Change)?;
        let proposed = self.change.filter(|change| change.number == number);
        let change = proposed.ok_or(Reason::OrderChangeNotProposed { order: id, number: number.into() })?;
        if change.proposer == by {
            return Err(Reason::OwnProposal { order: id });
        }
        self.require_room_for_invoiced(&change.terms)?;
        self.terms = change.terms;
        self.version += 1;
        self.change = None;
        Ok(())
    }

    fn require_room_for_invoiced(&self, terms: &OrderTerms) -> Result<(), Reason> {
        let (amount, invoiced) = (terms.amount, self.invoiced);
        if amount < invoiced { Err(Reason::AmountBelowInvoiced { amount, invoiced }) } else { Ok(()) }
    }

    /// Counts an invoice under it.
    ///
    /// # Errors
    /// `ORDER_AMOUNT_EXCEEDED`.
    pub(super) fn invoice(&mut self, id: ObjectId, amount: Amount) -> Result<(), Reason> {
        let left = self.terms.amount.excess_over(self.invoiced);
        let invoiced = self.invoiced.checked_add(amount).filter(|invoiced| *invoiced <= self.terms.amount);
        self.invoiced = invoiced.ok_or(Reason::OrderAmountExceeded { order: id, amount, left })?;
        Ok(())
    }

    fn not_open(&self, id: ObjectId) -> Reason {
        Reason::OrderNotOpen { order: id, state: self.state.name() }
    }
}

/// What of an invoice under an order will never be owed is no longer counted on the order.
pub(super) fn uninvoice(changes: &mut Changes<'_>, id: Option<ObjectId>, amount: Amount) {
    let Some(id) = id else { return };
    let Some(mut found) = changes.read::<Order>(&id) else { return };
    match found.invoiced.checked_sub(amount) {
        Some(invoiced) => {
            found.invoiced = invoiced;
            changes.put(&id, &found);
        }
        // More is taken back than was counted: state is broken, and the node looks there before it believes this block.
        None => changes.note_corruption(Column::Orders, &id.to_bytes()),
    }
}
