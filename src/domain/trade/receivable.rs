//! The receivable: what a buyer owes on an invoice, and to whom.
//!
//! Its fields that carry rules are private. Whatever another room does to a receivable goes through a method here, and
//! every method goes through [`ReceivableState::after`], so a step that the life cycle does not have cannot be written.

use crate::ledger::{Changes, Column, Entry, OpenItem, Reason};
use crate::primitives::{AccountId, Amount, BlockTime, Hash, ObjectId, TokenId};
use crate::{codec_struct, codec_tag};
use std::collections::BTreeSet;

/// Where a receivable stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceivableState {
    /// Registered by the supplier; nobody owes it yet.
    Registered,
    /// Confirmed by the buyer, who owes it.
    Confirmed,
    /// Assigned to a financier.
    Financed,
    /// Paid in full.
    Settled,
    /// Taken back by the supplier before anyone owed it.
    Withdrawn,
    /// Refused by the buyer, who never owed it.
    Rejected,
}
codec_tag!(ReceivableState {
    Registered = 1,
    Confirmed = 2,
    Financed = 3,
    Settled = 4,
    Withdrawn = 5,
    Rejected = 6,
});

/// What can happen to a receivable's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The buyer confirms.
    Confirm,
    /// A financier takes it over.
    Finance,
    /// The last of it is paid.
    Settle,
    /// The supplier takes it back.
    Withdraw,
    /// The buyer refuses it.
    Reject,
}

impl ReceivableState {
    /// The state after a step; `None` where the life cycle has no such step.
    pub const fn after(self, step: Step) -> Option<Self> {
        match (self, step) {
            (Self::Registered, Step::Confirm) => Some(Self::Confirmed),
            (Self::Confirmed, Step::Finance) => Some(Self::Financed),
            (Self::Confirmed | Self::Financed, Step::Settle) => Some(Self::Settled),
            (Self::Registered, Step::Withdraw) => Some(Self::Withdrawn),
            (Self::Registered, Step::Reject) => Some(Self::Rejected),
            (Self::Registered, Step::Finance | Step::Settle)
            | (Self::Confirmed, Step::Confirm | Step::Withdraw | Step::Reject)
            | (Self::Financed, Step::Confirm | Step::Finance | Step::Withdraw | Step::Reject)
            | (
                Self::Settled | Self::Withdrawn | Self::Rejected,
                Step::Confirm | Step::Finance | Step::Settle | Step::Withdraw | Step::Reject,
            ) => None,
        }
    }

    /// The state's name in reasons, effects and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Confirmed => "confirmed",
            Self::Financed => "financed",
            Self::Settled => "settled",
            Self::Withdrawn => "withdrawn",
            Self::Rejected => "rejected",
        }
    }
}

/// A receivable's assignment to a financier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The financing request under which it was assigned.
    pub request: ObjectId,
    /// Who holds the receivable now.
    pub financier: AccountId,
    /// What the financier is to receive in all: advance and fee.
    pub claim: Amount,
    /// What it has received, at most the claim.
    pub repaid: Amount,
}
codec_struct!(Assignment { request, financier, claim, repaid });

impl Assignment {
    /// What the financier is still to receive.
    pub fn due(&self) -> Amount {
        self.claim.excess_over(self.repaid)
    }
}

/// How a buyer's payment is shared out: the financier first, up to what it is still to receive; the rest to the supplier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvoicePayment {
    /// What the financier receives.
    pub to_financier: Amount,
    /// What the supplier receives.
    pub to_supplier: Amount,
}

/// An invoice on the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receivable {
    /// Who delivered.
    pub supplier: AccountId,
    /// Who owes.
    pub buyer: AccountId,
    /// The token in which it is paid.
    pub token: TokenId,
    /// The invoice's amount.
    pub amount: Amount,
    /// When it is due.
    pub due_at: BlockTime,
    /// The invoice's keyed fingerprint.
    pub fingerprint: Hash,
    /// The salted commitment to the document.
    pub document_commitment: Hash,
    state: ReceivableState,
    outstanding: Amount,
    assignment: Option<Assignment>,
}
codec_struct!(Receivable {
    supplier,
    buyer,
    token,
    amount,
    due_at,
    fingerprint,
    document_commitment,
    state,
    outstanding,
    assignment,
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

impl Receivable {
    /// An invoice as its supplier registers it: all of it outstanding, none of it owed yet.
    pub(super) fn registered(
        (supplier, buyer): (AccountId, AccountId),
        (token, amount): (TokenId, Amount),
        due_at: BlockTime,
        fingerprint: Hash,
        document_commitment: Hash,
    ) -> Self {
        let (state, outstanding, assignment) = (ReceivableState::Registered, amount, None);
        Self {
            supplier,
            buyer,
            token,
            amount,
            due_at,
            fingerprint,
            document_commitment,
            state,
            outstanding,
            assignment,
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

    /// Its assignment to a financier, kept when it is settled.
    pub fn assignment(&self) -> Option<&Assignment> {
        self.assignment.as_ref()
    }

    /// To whom it belongs: the supplier, or the financier it was assigned to.
    pub fn holder(&self) -> AccountId {
        self.assignment.map_or(self.supplier, |assignment| assignment.financier)
    }

    /// What the financier is still to receive; zero if it is not financed.
    pub fn financier_due(&self) -> Amount {
        self.assignment.map_or(Amount::ZERO, |assignment| assignment.due())
    }

    /// Whose accounts must stay open until it ends: the buyer's, and of whoever is still to be paid on it. A financier that
    /// has its advance and fee back is free, and so is a supplier whose every unit goes to the financier.
    pub fn bound(&self) -> BTreeSet<AccountId> {
        let Some(assignment) = self.assignment.as_ref().filter(|_| self.is_open()) else {
            return self.is_open().then_some([self.supplier, self.buyer]).into_iter().flatten().collect();
        };
        let financier = (!assignment.due().is_zero()).then_some(assignment.financier);
        let supplier = (self.outstanding > assignment.due()).then_some(self.supplier);
        financier.into_iter().chain(supplier).chain([self.buyer]).collect()
    }

    fn is_open(&self) -> bool {
        match self.state {
            ReceivableState::Registered | ReceivableState::Confirmed | ReceivableState::Financed => true,
            ReceivableState::Settled | ReceivableState::Withdrawn | ReceivableState::Rejected => false,
        }
    }

    /// Writes it, and moves the counts of open items with whom it binds now and bound before. Nothing else writes one.
    pub fn keep(&self, id: ObjectId, changes: &mut Changes<'_>) {
        let before = changes.read::<Self>(&id).map(|before| before.bound()).unwrap_or_default();
        let after = self.bound();
        after.difference(&before).for_each(|account| changes.item_opened(*account, OpenItem::Receivable));
        before.difference(&after).for_each(|account| changes.item_ended(*account, OpenItem::Receivable));
        changes.put(&id, self);
    }

    /// The buyer owes it from now on.
    ///
    /// # Errors
    /// `RECEIVABLE_NOT_OPEN`.
    pub(super) fn confirm(&mut self, id: ObjectId) -> Result<(), Reason> {
        self.take(id, Step::Confirm)
    }

    /// Nobody will ever owe it: the supplier takes it back, or the buyer refuses it.
    ///
    /// # Errors
    /// `RECEIVABLE_NOT_OPEN`.
    pub(super) fn retract(&mut self, id: ObjectId, step: Step) -> Result<(), Reason> {
        self.take(id, step)?;
        self.outstanding = Amount::ZERO;
        Ok(())
    }

    /// What a financier of this advance and fee would claim, if the receivable can be financed so.
    ///
    /// # Errors
    /// `RECEIVABLE_ALREADY_FINANCED`, `RECEIVABLE_NOT_CONFIRMED`, `RECEIVABLE_NOT_OPEN`, `ADVANCE_EXCEEDS_RECEIVABLE`,
    /// `ADVANCE_EXCEEDS_OUTSTANDING`.
    pub fn claim_of(&self, id: ObjectId, advance: Amount, fee: Amount) -> Result<Amount, Reason> {
        if self.assignment.is_some() {
            return Err(Reason::ReceivableAlreadyFinanced { receivable: id });
        }
        if self.state == ReceivableState::Registered {
            return Err(Reason::ReceivableNotConfirmed { receivable: id });
        }
        self.state.after(Step::Finance).ok_or(self.not_open(id))?;
        let (face, outstanding) = (self.amount, self.outstanding);
        let within = |limit: Amount| advance.checked_add(fee).filter(|claim| *claim <= limit);
        within(face).ok_or(Reason::AdvanceExceedsReceivable { advance, face })?;
        within(outstanding).ok_or(Reason::AdvanceExceedsOutstanding { advance, fee, outstanding })
    }

    /// Assigns it to the financier, who is owed advance and fee first from now on.
    ///
    /// # Errors
    /// Those of [`Self::claim_of`]; then nothing has changed.
    pub fn assign(
        &mut self,
        id: ObjectId,
        request: ObjectId,
        financier: AccountId,
        (advance, fee): (Amount, Amount),
    ) -> Result<(), Reason> {
        let claim = self.claim_of(id, advance, fee)?;
        self.take(id, Step::Finance)?;
        self.assignment = Some(Assignment { request, financier, claim, repaid: Amount::ZERO });
        Ok(())
    }

    /// Takes a payment of the buyer's and says how it is shared out. Settles the receivable with the last of it.
    ///
    /// # Errors
    /// `RECEIVABLE_NOT_OPEN`, `AMOUNT_EXCEEDS_OUTSTANDING`; then nothing has changed.
    pub fn pay(&mut self, id: ObjectId, amount: Amount) -> Result<InvoicePayment, Reason> {
        self.state.after(Step::Settle).ok_or(self.not_open(id))?;
        let outstanding = self.outstanding;
        let left = outstanding.checked_sub(amount).ok_or(Reason::AmountExceedsOutstanding { outstanding, amount })?;
        let to_financier = amount.min(self.financier_due());
        let to_supplier = amount.excess_over(to_financier);
        if let Some(assignment) = &mut self.assignment {
            let overflow = Reason::AmountOverflow { token: self.token };
            assignment.repaid = assignment.repaid.checked_add(to_financier).ok_or(overflow)?;
        }
        self.outstanding = left;
        if left.is_zero() {
            self.take(id, Step::Settle)?;
        }
        Ok(InvoicePayment { to_financier, to_supplier })
    }

    fn take(&mut self, id: ObjectId, step: Step) -> Result<(), Reason> {
        self.state = self.state.after(step).ok_or(self.not_open(id))?;
        Ok(())
    }

    fn not_open(&self, id: ObjectId) -> Reason {
        Reason::ReceivableNotOpen { receivable: id, state: self.state.name() }
    }
}
