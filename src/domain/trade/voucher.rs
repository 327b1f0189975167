//! Assignment and vouchers: a receivable that its buyer owes passes to others, whole or in parts, down the tiers of suppliers.
//!
//! A part is a receivable of its own: of the same buyer, invoice, token and due date, with an owner who may pass it on, split
//! it or have it financed. Its id is SHA-256(16 || "causeway/part/v1" || parent || its place among the parts as one byte); a
//! receivable is split once.
//!
//! Whoever is given one signs: as long as something is owed on it, its owner's account is not closed, and nobody is to be
//! kept open against its will. A supplier who cannot gather so many signatures splits to itself, and assigns part by part.
//!
//! # Invariants
//! * The parts of a receivable add up to what was outstanding of it, and of itself nothing is outstanding any more.
//! * No part is more than [`SPLIT_DEPTH_MAX`] splits away from its invoice.
//! * What was split is due within six months of its confirmation, or within twelve where the first split states why. Parts
//!   inherit both dates, so what holds of the first split holds of all that follow.
//!
//! # Deliberately absent
//! The price at which one passes on: between merchants it is a payment like others, and can stand in the same transaction.
//! Recourse to whoever passed it on: the buyer owes it, and financing agrees on recourse with whom it lends to.
//!
//! [`SPLIT_DEPTH_MAX`]: crate::ledger::limits::SPLIT_DEPTH_MAX

use super::key::legal_entities;
use super::receivable::{Receivable, receivable};
use crate::ledger::context::open_account;
use crate::ledger::limits::{SPLIT_PARTS_MAX, TERM_EXCEPTION_MONTHS_MAX, TERM_MONTHS_MAX, TEXT_BYTES_MAX};
use crate::ledger::malformed::{Malformed, require, require_text};
use crate::ledger::{Changes, Context, Effect, Reason, Role};
use crate::primitives::crypto::{Domain, hash};
use crate::primitives::{AccountId, Amount, ObjectId};

/// Gives a confirmed receivable that no loan has to another merchant. The sender is its owner; the new owner signs too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AssignReceivable {
    /// The receivable.
    pub receivable: ObjectId,
    /// To whom.
    pub assignee: AccountId,
}

impl AssignReceivable {
    /// Holds the operation to its static bounds, of which there are none beyond its types.
    ///
    /// # Errors
    /// None.
    pub fn check(&self) -> Result<(), Malformed> {
        Ok(())
    }

    /// Plans the assignment.
    ///
    /// # Errors
    /// `UNKNOWN_RECEIVABLE`, `NOT_THE_OWNER`, those of [`Context::signed_by`], `SAME_ACCOUNT`, `ROLE_REQUIRED`,
    /// `LEGAL_ENTITY_REQUIRED`, `SAME_LEGAL_ENTITY`, those of [`Receivable::pledgeable`].
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        let (id, assignee) = (self.receivable, self.assignee);
        let mut found = owned(id, context, changes)?;
        let (owner_before, state_before) = (found.owner(), found.state());
        if assignee == owner_before {
            return Err(Reason::SameAccount { account: assignee });
        }
        require_assignee(assignee, &found, context, changes)?;
        found.assign(id, assignee)?;
        found.keep(id, changes);
        changes.record(
            Effect::new("trade.receivable_assigned")
                .with("receivable", id)
                .with("buyer", found.buyer)
                .with("owner_before", owner_before)
                .with("owner", assignee)
                .with("token", found.token)
                .with("outstanding", found.outstanding())
                .with("due_at", found.due_at)
                .with("state_before", state_before.name())
                .with("state", found.state().name()),
        );
        Ok(())
    }
}

/// A part of a receivable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Whose it will be.
    pub owner: AccountId,
    /// How much of it.
    pub amount: Amount,
}

/// Splits what is outstanding of a confirmed receivable that no loan has. The sender is its owner; owners of parts sign too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitReceivable {
    /// The receivable.
    pub receivable: ObjectId,
    /// Its parts, which add up to what is outstanding.
    pub parts: Vec<Part>,
    /// Why it is due more than six months after its confirmation; empty if it is not.
    pub term_exception: String,
}

impl SplitReceivable {
    /// Holds the operation to its static bounds.
    ///
    /// # Errors
    /// The first field that is out of bounds.
    pub fn check(&self) -> Result<(), Malformed> {
        let count = self.parts.len();
        let within = (2..=SPLIT_PARTS_MAX).contains(&count);
        require(within, "parts", format!("there are {count} and must be 2 to {SPLIT_PARTS_MAX}"))?;
        if let Some(index) = self.parts.iter().position(|part| part.amount.is_zero()) {
            return Err(Malformed::new(format!("parts[{index}].amount"), "it must be positive"));
        }
        require_text("term_exception", &self.term_exception, 0, TEXT_BYTES_MAX)
    }

    /// Plans the split.
    ///
    /// # Errors
    /// `UNKNOWN_RECEIVABLE`, `NOT_THE_OWNER`, those of [`Context::signed_by`], `ROLE_REQUIRED`, `LEGAL_ENTITY_REQUIRED`,
    /// `SAME_LEGAL_ENTITY`, those of [`Receivable::pledgeable`], `SPLIT_SUM_MISMATCH`, `RECEIVABLE_TOO_DEEP`, `TERM_TOO_LONG`.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        let id = self.receivable;
        let mut found = owned(id, context, changes)?;
        for owner in self.parts.iter().map(|part| part.owner).filter(|owner| *owner != context.sender) {
            require_assignee(owner, &found, context, changes)?;
        }
        found.pledgeable(id)?;
        let (before, outstanding) = (found.state(), found.outstanding());
        let sum = self.parts.iter().try_fold(Amount::ZERO, |sum, part| sum.checked_add(part.amount));
        if sum != Some(outstanding) {
            return Err(Reason::SplitSumMismatch { sum: sum.unwrap_or(Amount::MAX), outstanding });
        }
        self.require_term(&found)?;
        let shares: Vec<(AccountId, Amount)> = self.parts.iter().map(|part| (part.owner, part.amount)).collect();
        let parts = found.split(id, &shares)?;
        found.keep(id, changes);
        let mut split = Effect::new("trade.receivable_split")
            .with("receivable", id)
            .with("buyer", found.buyer)
            .with("owner", found.owner())
            .with("token", found.token)
            .with("amount", outstanding)
            .with("parts", parts.len() as u64)
            .with("state_before", before.name())
            .with("state", found.state().name());
        if !self.term_exception.is_empty() {
            split = split.with("term_exception", self.term_exception.as_str());
        }
        changes.record(split);
        (0u8..).zip(&parts).for_each(|(place, part)| issue(part_id(id, place), part, changes));
        Ok(())
    }

    /// Whether it is due soon enough to be passed on in parts.
    fn require_term(&self, found: &Receivable) -> Result<(), Reason> {
        // Parts inherit the dates that were judged when the invoice itself was split.
        let Some(confirmed_at) = found.confirmed_at().filter(|_| found.depth == 0) else { return Ok(()) };
        let months = if self.term_exception.is_empty() { TERM_MONTHS_MAX } else { TERM_EXCEPTION_MONTHS_MAX };
        let out_of_range = Reason::TimeOutOfRange { time: found.due_at };
        let latest = confirmed_at.checked_add_months(months).ok_or(out_of_range)?;
        match found.due_at <= latest {
            true => Ok(()),
            false => Err(Reason::TermTooLong { due_at: found.due_at, latest, months_max: months.into() }),
        }
    }
}

fn issue(id: ObjectId, part: &Receivable, changes: &mut Changes<'_>) {
    part.keep(id, changes);
    let mut issued = Effect::new("trade.part_issued")
        .with("receivable", id)
        .with("buyer", part.buyer)
        .with("owner", part.owner())
        .with("token", part.token)
        .with("amount", part.amount)
        .with("due_at", part.due_at)
        .with("depth", part.depth)
        .with("state", part.state().name());
    if let Some(parent) = part.parent {
        issued = issued.with("parent", parent);
    }
    changes.record(issued);
}

/// The id of the part at a place among a receivable's parts.
pub fn part_id(parent: ObjectId, place: u8) -> ObjectId {
    ObjectId(hash(Domain::PART, &[&parent.0[..], &[place]].concat()).0)
}

/// The receivable, if the sender owns it and signed.
fn owned(id: ObjectId, context: &Context<'_>, changes: &Changes<'_>) -> Result<Receivable, Reason> {
    let found = receivable(changes, id)?;
    if context.sender != found.owner() {
        return Err(Reason::NotTheOwner { receivable: id });
    }
    context.signed_by(changes, context.sender)?;
    Ok(found)
}

/// Whether an account may come to own it: an open merchant that signed, and not of the buyer's company, which would owe itself.
fn require_assignee(
    account: AccountId,
    found: &Receivable,
    context: &Context<'_>,
    changes: &Changes<'_>,
) -> Result<(), Reason> {
    let assignee = context.signed_in_role(changes, account, Role::Merchant)?;
    let buyer = open_account(changes, found.buyer)?;
    legal_entities((account, &assignee), (found.buyer, &buyer)).map(|_| ())
}
