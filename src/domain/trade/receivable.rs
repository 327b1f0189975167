//! The receivable: what a buyer owes on an invoice, and to whom.
//!
//! Its fields that carry rules are private. Whatever another room does to a receivable goes through a method here, and
//! every method goes through [`ReceivableState::after`], so a step that the life cycle does not have cannot be written.

use super::invoice::RegisterInvoice;
use super::life_cycle::{ReceivableState, Step};
use super::order::SilenceMeans;
use crate::ledger::limits::SPLIT_DEPTH_MAX;
use crate::ledger::{Changes, Column, Due, DueKey, DueKind, Entry, OpenItem, Reason};
use crate::primitives::time::DAY_MS;
use crate::primitives::{AccountId, Amount, BlockTime, Day, Hash, ObjectId, TokenId};
use crate::{codec_struct, codec_tag};
use std::collections::BTreeSet;

/// What made the buyer owe it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// The buyer said so.
    Buyer,
    /// The buyer said nothing within the term of the order, which has it that silence confirms.
    Silence,
}
codec_tag!(Confirmation { Buyer = 1, Silence = 2 });

impl Confirmation {
    /// The name in effects.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Buyer => "buyer",
            Self::Silence => "silence",
        }
    }
}

/// That a receivable was confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Confirmed {
    by: Confirmation,
    at: BlockTime,
}
codec_struct!(Confirmed { by, at });

/// Until when the buyer confirms or disputes, as the order had it when the invoice was registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfirmationTerm {
    /// When it ends.
    pub ends_at: BlockTime,
    /// How many days it has.
    pub days: u16,
    /// What silence means then.
    pub silence: SilenceMeans,
}
codec_struct!(ConfirmationTerm { ends_at, days, silence });

/// Why a buyer disputes an invoice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisputeGround {
    /// Nothing came.
    NotDelivered,
    /// It came too late.
    Late,
    /// Less came, or more.
    Quantity,
    /// What came is not as agreed.
    Quality,
    /// The price is not as agreed.
    Price,
    /// It was not ordered.
    NotOrdered,
    /// It was invoiced before.
    Duplicate,
    /// Something else, which the parties say between them.
    Other,
}
codec_tag!(DisputeGround {
    NotDelivered = 1,
    Late = 2,
    Quantity = 3,
    Quality = 4,
    Price = 5,
    NotOrdered = 6,
    Duplicate = 7,
    Other = 8,
});

impl DisputeGround {
    /// The name in effects and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotDelivered => "not-delivered",
            Self::Late => "late",
            Self::Quantity => "quantity",
            Self::Quality => "quality",
            Self::Price => "price",
            Self::NotOrdered => "not-ordered",
            Self::Duplicate => "duplicate",
            Self::Other => "other",
        }
    }
}

/// What a buyer says that it does not owe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dispute {
    /// How much of the invoice.
    pub amount: Amount,
    /// Why.
    pub ground: DisputeGround,
    /// What the supplier has credited since.
    pub credited: Amount,
}
codec_struct!(Dispute { amount, ground, credited });

/// A receivable's pledge to a loan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pledge {
    /// The loan.
    pub loan: ObjectId,
    /// Who lends, and is paid first.
    pub financier: AccountId,
    /// What the loan still claims of the receivable. Financing computes it.
    pub secured: Amount,
}
codec_struct!(Pledge { loan, financier, secured });

/// An invoice on the ledger, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receivable {
    /// Who delivered.
    pub supplier: AccountId,
    /// Who owes.
    pub buyer: AccountId,
    /// The token in which it is paid.
    pub token: TokenId,
    /// The invoice's amount, or the part's.
    pub amount: Amount,
    /// When it is due.
    pub due_at: BlockTime,
    /// The invoice's keyed fingerprint.
    pub fingerprint: Hash,
    /// The salted commitment to the document.
    pub document_commitment: Hash,
    /// The order that it was delivered under, if it is on the ledger.
    pub order: Option<ObjectId>,
    /// The day of issue that the invoice states.
    pub issued_on: Day,
    /// How many other invoices of the pair over the same amount and of about the same day stood when it was registered.
    pub near_duplicates: u16,
    /// The receivable that it is a part of.
    pub parent: Option<ObjectId>,
    /// How often it was split: 0 for an invoice.
    pub depth: u8,
    owner: AccountId,
    state: ReceivableState,
    outstanding: Amount,
    credited: Amount,
    term: Option<ConfirmationTerm>,
    dispute: Option<Dispute>,
    confirmed: Option<Confirmed>,
    pledge: Option<Pledge>,
}
codec_struct!(Receivable {
    supplier,
    buyer,
    token,
    amount,
    due_at,
    fingerprint,
    document_commitment,
    order,
    issued_on,
    near_duplicates,
    parent,
    depth,
    owner,
    state,
    outstanding,
    credited,
    term,
    dispute,
    confirmed,
    pledge,
});

impl Entry for Receivable {
    const COLUMN: Column = Column::Receivables;
    type Key = ObjectId;
}

/// The receivable of an id.
///
/// # Errors
/// `UNKNOWN_RECEIVABLE`.
pub fn receivable(changes: &Changes<'_>, id: ObjectId) -> Result<Receivable, Reason> {
    changes.read(&id).ok_or(Reason::UnknownReceivable { receivable: id })
}

/// The invoice that a receivable is, or is a part of.
pub fn invoice_of(changes: &Changes<'_>, id: ObjectId, found: &Receivable) -> ObjectId {
    let (mut invoice, mut above) = (id, found.parent);
    while let Some(parent) = above {
        invoice = parent;
        above = changes.read::<Receivable>(&parent).and_then(|found| found.parent);
    }
    invoice
}

impl Receivable {
    /// An invoice as its supplier registers it: all of it outstanding, none of it owed yet.
    pub(super) fn registered(supplier: AccountId, invoice: &RegisterInvoice, near_duplicates: u16) -> Self {
        Self {
            supplier,
            buyer: invoice.buyer,
            token: invoice.token,
            amount: invoice.amount,
            due_at: invoice.due_at,
            fingerprint: invoice.fingerprint,
            document_commitment: invoice.document_commitment,
            order: invoice.order,
            issued_on: invoice.issued_on,
            near_duplicates,
            parent: None,
            depth: 0,
            owner: supplier,
            state: ReceivableState::Registered,
            outstanding: invoice.amount,
            credited: Amount::ZERO,
            term: None,
            dispute: None,
            confirmed: None,
            pledge: None,
        }
    }

    /// Where it stands.
    pub fn state(&self) -> ReceivableState {
        self.state
    }

    /// What is still owed.
    pub fn outstanding(&self) -> Amount {
        self.outstanding
    }

    /// What credit notes took off it.
    pub fn credited(&self) -> Amount {
        self.credited
    }

    /// The term within which the buyer confirms or disputes, if an order sets one.
    pub fn term(&self) -> Option<&ConfirmationTerm> {
        self.term.as_ref()
    }

    /// What the buyer disputes, as long as it does.
    pub fn dispute(&self) -> Option<&Dispute> {
        self.dispute.as_ref()
    }

    /// To whom it belongs: who may have it financed, and is paid what no loan claims. The supplier at first.
    pub fn owner(&self) -> AccountId {
        self.owner
    }

    /// What made the buyer owe it; none as long as nobody owes it.
    pub fn confirmation(&self) -> Option<Confirmation> {
        self.confirmed.map(|confirmed| confirmed.by)
    }

    /// When the buyer came to owe it.
    pub fn confirmed_at(&self) -> Option<BlockTime> {
        self.confirmed.map(|confirmed| confirmed.at)
    }

    /// Its pledge to a loan, kept when it is settled.
    pub fn pledged(&self) -> Option<&Pledge> {
        self.pledge.as_ref()
    }

    /// The loan that it is, or was when it was settled, pledged to.
    pub fn loan(&self) -> Option<ObjectId> {
        self.pledge.map(|pledge| pledge.loan)
    }

    /// Who is paid first: the financier that it is pledged to, or else its owner.
    pub fn holder(&self) -> AccountId {
        self.pledge.map_or(self.owner, |pledge| pledge.financier)
    }

    /// What a loan still claims of it; zero if it is not pledged.
    pub fn secured(&self) -> Amount {
        self.pledge.map_or(Amount::ZERO, |pledge| pledge.secured)
    }

    /// Whose accounts must stay open until it ends: the buyer's, and of whoever is still to be paid on it. A financier whose
    /// claim is met is free, and so is an owner whose every unit a loan claims.
    pub fn bound(&self) -> BTreeSet<AccountId> {
        if !self.state.is_open() {
            return BTreeSet::new();
        }
        let secured = self.secured();
        let owner = (self.outstanding > secured).then_some(self.owner);
        let financier = self.pledge.filter(|_| !secured.is_zero()).map(|pledge| pledge.financier);
        owner.into_iter().chain(financier).chain([self.buyer]).collect()
    }

    /// When the buyer's silence will confirm it, if it does.
    pub fn silence_due(&self, id: ObjectId) -> Option<DueKey> {
        let term = self.term.filter(|term| term.silence == SilenceMeans::Confirms)?;
        let key = DueKey { at: term.ends_at, kind: DueKind::ConfirmationTerm, id };
        (self.state == ReceivableState::Registered).then_some(key)
    }

    /// Writes it, and with it what follows from it: the open items of whom it binds now and bound before, and the
    /// end of the buyer's term among what falls due. Nothing else writes one.
    pub fn keep(&self, id: ObjectId, changes: &mut Changes<'_>) {
        let before: Option<Self> = changes.read(&id);
        let (due_before, due) = (before.as_ref().and_then(|before| before.silence_due(id)), self.silence_due(id));
        let (before, after) = (before.map(|before| before.bound()).unwrap_or_default(), self.bound());
        after.difference(&before).for_each(|account| changes.item_opened(*account, OpenItem::Receivable(id)));
        before.difference(&after).for_each(|account| changes.item_ended(*account, OpenItem::Receivable(id)));
        if due_before != due {
            due_before.iter().for_each(|key| changes.delete::<Due>(key));
            due.iter().for_each(|key| changes.put(key, &Due::ConfirmationTerm(id)));
        }
        changes.put(&id, self);
    }

    /// The buyer's term begins.
    ///
    /// # Errors
    /// `TIME_OUT_OF_RANGE`.
    pub(super) fn begin_term(&mut self, days: u16, silence: SilenceMeans, now: BlockTime) -> Result<(), Reason> {
        if days > 0 {
            let ends_at = now.checked_add_ms(u64::from(days) * DAY_MS).ok_or(Reason::TimeOutOfRange { time: now })?;
            self.term = Some(ConfirmationTerm { ends_at, days, silence });
        }
        Ok(())
    }

    /// Whether the buyer may still say that it does not owe it. A block works off a limited number of due things, so its
    /// answer can come before its silence's turn.
    ///
    /// # Errors
    /// `CONFIRMATION_TERM_PASSED`.
    pub(super) fn require_within_term(&self, id: ObjectId, now: BlockTime) -> Result<(), Reason> {
        match self.silence_due(id).filter(|due| due.at <= now) {
            Some(DueKey { at: confirm_by, .. }) => {
                Err(Reason::ConfirmationTermPassed { receivable: id, confirm_by, now })
            }
            None => Ok(()),
        }
    }

    /// The buyer owes it from now on.
    ///
    /// # Errors
    /// `RECEIVABLE_NOT_OPEN`.
    pub(super) fn confirm(&mut self, id: ObjectId, by: Confirmation, at: BlockTime) -> Result<(), Reason> {
        self.take(id, Step::Confirm)?;
        self.confirmed = Some(Confirmed { by, at });
        self.dispute = None;
        Ok(())
    }

    /// The buyer says that it does not owe so much of it.
    ///
    /// # Errors
    /// `RECEIVABLE_NOT_OPEN`, `DISPUTE_EXCEEDS_OUTSTANDING`.
    pub(super) fn open_dispute(&mut self, id: ObjectId, amount: Amount, ground: DisputeGround) -> Result<(), Reason> {
        self.take(id, Step::Dispute)?;
        let outstanding = self.outstanding;
        if amount > outstanding {
            return Err(Reason::DisputeExceedsOutstanding { amount, outstanding });
        }
        self.dispute = Some(Dispute { amount, ground, credited: Amount::ZERO });
        Ok(())
    }

    /// Takes a credit note off it: never below what a loan claims. One that leaves nothing settles it; one that makes up for
    /// what was disputed ends the dispute, and the buyer's term begins anew.
    ///
    /// # Errors
    /// `RECEIVABLE_NOT_OPEN`, `CREDIT_EXCEEDS_UNFINANCED`, `TIME_OUT_OF_RANGE`.
    pub(super) fn credit(&mut self, id: ObjectId, credit: Amount, now: BlockTime) -> Result<(), Reason> {
        self.state.after(Step::Credit).ok_or(self.not_open(id))?;
        let (outstanding, secured) = (self.outstanding, self.secured());
        let left = outstanding.checked_sub(credit).filter(|left| *left >= secured);
        self.outstanding = left.ok_or(Reason::CreditExceedsUnfinanced { credit, outstanding, secured })?;
        let overflow = Reason::AmountOverflow { token: self.token };
        self.credited = self.credited.checked_add(credit).ok_or(overflow.clone())?;
        if self.outstanding.is_zero() {
            self.dispute = None;
            return self.take(id, Step::Credit);
        }
        let Some(dispute) = &mut self.dispute else { return Ok(()) };
        dispute.credited = dispute.credited.checked_add(credit).ok_or(overflow)?;
        if dispute.credited >= dispute.amount {
            self.dispute = None;
            self.take(id, Step::Resolve)?;
            if let Some(ConfirmationTerm { days, silence, .. }) = self.term {
                self.begin_term(days, silence, now)?;
            }
        }
        Ok(())
    }

    /// Gives it to another owner.
    ///
    /// # Errors
    /// Those of [`Self::pledgeable`].
    pub(super) fn assign(&mut self, id: ObjectId, owner: AccountId) -> Result<(), Reason> {
        self.pledgeable(id)?;
        self.owner = owner;
        Ok(())
    }

    /// Splits what is outstanding into parts for these owners, each a receivable of its own. Whether they add up is for the
    /// caller to have checked.
    ///
    /// # Errors
    /// Those of [`Self::pledgeable`], `RECEIVABLE_TOO_DEEP`.
    pub(super) fn split(&mut self, id: ObjectId, parts: &[(AccountId, Amount)]) -> Result<Vec<Self>, Reason> {
        self.pledgeable(id)?;
        let depth = self.depth + 1;
        if depth > SPLIT_DEPTH_MAX {
            return Err(Reason::ReceivableTooDeep { depth_max: SPLIT_DEPTH_MAX.into() });
        }
        let part = |(owner, amount): &(AccountId, Amount)| Self {
            owner: *owner,
            amount: *amount,
            outstanding: *amount,
            credited: Amount::ZERO,
            parent: Some(id),
            depth,
            ..self.clone()
        };
        let parts = parts.iter().map(part).collect();
        self.take(id, Step::Split)?;
        self.outstanding = Amount::ZERO;
        Ok(parts)
    }

    /// Nobody will ever owe it: the supplier takes it back, or the buyer refuses it.
    ///
    /// # Errors
    /// `RECEIVABLE_NOT_OPEN`.
    pub(super) fn retract(&mut self, id: ObjectId, step: Step) -> Result<(), Reason> {
        self.take(id, step)?;
        self.outstanding = Amount::ZERO;
        self.dispute = None;
        Ok(())
    }

    /// Whether it can be pledged: it is owed, and no loan has it.
    ///
    /// # Errors
    /// `RECEIVABLE_ALREADY_FINANCED`, `RECEIVABLE_NOT_CONFIRMED`, `RECEIVABLE_NOT_OPEN`.
    pub fn pledgeable(&self, id: ObjectId) -> Result<(), Reason> {
        // The pledge of one that is settled is kept, for whoever asks what it was; no loan has it any more.
        if self.state == ReceivableState::Financed {
            return Err(Reason::ReceivableAlreadyFinanced { receivable: id });
        }
        if self.state.is_open() && self.confirmed.is_none() {
            return Err(Reason::ReceivableNotConfirmed { receivable: id });
        }
        self.state.after(Step::Finance).ok_or(self.not_open(id)).map(|_| ())
    }

    /// Pledges it to a loan, which claims so much of it.
    ///
    /// # Errors
    /// Those of [`Self::pledgeable`], `SECURED_EXCEEDS_OUTSTANDING`; then nothing has changed.
    pub fn pledge(
        &mut self,
        id: ObjectId,
        loan: ObjectId,
        financier: AccountId,
        secured: Amount,
    ) -> Result<(), Reason> {
        self.pledgeable(id)?;
        self.within_outstanding(secured)?;
        self.take(id, Step::Finance)?;
        self.pledge = Some(Pledge { loan, financier, secured });
        Ok(())
    }

    /// The loan claims so much of it from now on. Without a pledge there is nothing to claim, and nothing changes.
    ///
    /// # Errors
    /// `SECURED_EXCEEDS_OUTSTANDING`; then nothing has changed.
    pub fn set_secured(&mut self, secured: Amount) -> Result<(), Reason> {
        self.within_outstanding(secured)?;
        if let Some(pledge) = &mut self.pledge {
            pledge.secured = secured;
        }
        Ok(())
    }

    fn within_outstanding(&self, secured: Amount) -> Result<(), Reason> {
        let outstanding = self.outstanding;
        if secured > outstanding { Err(Reason::SecuredExceedsOutstanding { secured, outstanding }) } else { Ok(()) }
    }

    /// The loan is repaid and something is still owed: it is the owner's alone again, and may be financed anew.
    ///
    /// # Errors
    /// `RECEIVABLE_NOT_OPEN`.
    pub fn release(&mut self, id: ObjectId) -> Result<(), Reason> {
        self.take(id, Step::Release)?;
        self.pledge = None;
        Ok(())
    }

    /// Takes a payment of the buyer's, and settles the receivable with the last of it. Who is paid is for the caller to say,
    /// and so is what the loan still claims: at most what is then outstanding.
    ///
    /// # Errors
    /// `RECEIVABLE_NOT_OPEN`, `AMOUNT_EXCEEDS_OUTSTANDING`; then nothing has changed.
    pub fn pay(&mut self, id: ObjectId, amount: Amount) -> Result<(), Reason> {
        self.state.after(Step::Settle).ok_or(self.not_open(id))?;
        let outstanding = self.outstanding;
        self.outstanding =
            outstanding.checked_sub(amount).ok_or(Reason::AmountExceedsOutstanding { outstanding, amount })?;
        if self.outstanding.is_zero() {
            self.take(id, Step::Settle)?;
        }
        Ok(())
    }

    fn take(&mut self, id: ObjectId, step: Step) -> Result<(), Reason> {
        self.state = self.state.after(step).ok_or(self.not_open(id))?;
        Ok(())
    }

    fn not_open(&self, id: ObjectId) -> Reason {
        Reason::ReceivableNotOpen { receivable: id, state: self.state.name() }
    }
}
