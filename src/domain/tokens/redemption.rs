//! Redemption in two steps, matched by its own id, on a clock that reports its own breach.

use super::reserves::note_payout;
use super::token::{Token, known};
use crate::ledger::limits::{REFERENCE_BYTES_MAX, TEXT_BYTES_MAX};
use crate::ledger::malformed::{Malformed, require, require_reference, require_text};
use crate::ledger::{Changes, Column, Context, Due, DueKey, DueKind, Effect, Entry, Lock, LockPurpose, Reason, View};
use crate::primitives::crypto::sha256;
use crate::primitives::ids::ObjectKind;
use crate::primitives::{AccountId, Amount, BlockTime, Decode as _, Encode, Hash, ObjectId, TokenId};
use crate::{codec_struct, codec_tag};

/// Where a redemption stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedemptionState {
    /// Waits to be paid; its units are locked.
    Requested,
    /// Paid; its units are burned.
    Paid,
    /// Rejected; its units were given back.
    Rejected,
}
codec_tag!(RedemptionState { Requested = 1, Paid = 2, Rejected = 3 });

impl RedemptionState {
    /// The state's name in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Paid => "paid",
            Self::Rejected => "rejected",
        }
    }
}

/// A redemption as state holds it, settled or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redemption {
    /// The token.
    pub token: TokenId,
    /// Who redeems.
    pub holder: AccountId,
    /// How much.
    pub amount: Amount,
    /// A salted commitment to where the fiat goes.
    pub payout_commitment: Hash,
    /// When it was requested.
    pub requested_at: BlockTime,
    /// From when on it is overdue.
    pub due_at: BlockTime,
    /// When it was found overdue, if it was. It stays found after it is settled.
    pub overdue_at: Option<BlockTime>,
    /// Where it stands.
    pub state: RedemptionState,
    /// When it was paid or rejected.
    pub settled_at: Option<BlockTime>,
    /// The fiat payment's own reference; empty unless paid.
    pub fiat_reference: String,
    /// Why it was rejected; empty unless rejected.
    pub narrative: String,
}
codec_struct!(Redemption {
    token,
    holder,
    amount,
    payout_commitment,
    requested_at,
    due_at,
    overdue_at,
    state,
    settled_at,
    fiat_reference,
    narrative,
});

impl Entry for Redemption {
    const COLUMN: Column = Column::Redemptions;
    type Key = ObjectId;
}

/// A salted commitment to where the fiat goes, as issuer and holder agree on it: `SHA-256(salt || payout)`. The ledger keeps it
/// and cannot check it; `docs/trade-documents.md` has it for others to build.
pub fn payout_commitment(salt: &[u8; 32], payout: &str) -> Hash {
    sha256(&[salt, payout.as_bytes()].concat())
}

/// Asks for fiat at par.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestRedemption {
    /// The token.
    pub token: TokenId,
    /// How much.
    pub amount: Amount,
    /// A salted commitment to where the fiat goes.
    pub payout_commitment: Hash,
}

impl RequestRedemption {
    /// The operation, held to its bounds.
    ///
    /// # Errors
    /// An amount of nothing.
    pub fn check(&self) -> Result<(), Malformed> {
        require(!self.amount.is_zero(), "amount", "it must be positive")
    }

    /// Plans the request.
    ///
    /// # Errors
    /// `UNKNOWN_TOKEN`, `ALREADY_EXISTS`, `TIME_OUT_OF_RANGE`, `INSUFFICIENT_FUNDS`, and those of an unsigned or closed sender.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        let (token, holder, amount, id) =
            (self.token, context.sender, self.amount, context.object_id(ObjectKind::Redemption));
        let Token { terms, .. } = known(changes, token)?;
        context.signed_by(changes, holder)?;
        if changes.read::<Redemption>(&id).is_some() {
            return Err(Reason::AlreadyExists { object: id });
        }
        let due_at = terms.calendar.end_of_business_day_after(context.now, terms.redemption_business_days);
        let due_at = due_at.ok_or(Reason::TimeOutOfRange { time: context.now })?;
        changes.lock(id, holder, token, amount, LockPurpose::Redemption)?;
        let redemption = Redemption {
            token,
            holder,
            amount,
            payout_commitment: self.payout_commitment,
            requested_at: context.now,
            due_at,
            overdue_at: None,
            state: RedemptionState::Requested,
            settled_at: None,
            fiat_reference: String::new(),
            narrative: String::new(),
        };
        changes.put(&id, &redemption);
        changes.put(&deadline_key(id, &redemption), &Due::RedemptionDeadline(id));
        changes.record(
            effect("tokens.redemption_requested", id, &redemption)
                .with("payout_commitment", self.payout_commitment)
                .with("due_at", due_at),
        );
        Ok(())
    }
}

/// States that a redemption's fiat was paid, and burns its units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayRedemption {
    /// The redemption.
    pub redemption: ObjectId,
    /// The fiat payment's own reference.
    pub fiat_reference: String,
}

impl PayRedemption {
    /// The operation, held to its bounds.
    ///
    /// # Errors
    /// A reference of no bytes or too many.
    pub fn check(&self) -> Result<(), Malformed> {
        require_reference("fiat_reference", &self.fiat_reference, 1, REFERENCE_BYTES_MAX)
    }

    /// Plans the settlement.
    ///
    /// # Errors
    /// `UNKNOWN_REDEMPTION`, `NOT_THE_ISSUER`, those of an unsigned or closed sender, and `REDEMPTION_SETTLED`.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        let mut redemption = to_be_settled_by_sender(context, changes, self.redemption)?;
        let burned = changes.burn_locked(self.redemption);
        require_lock(changes, self.redemption, burned)?;
        note_payout(changes, redemption.token, context.now, redemption.amount)?;
        redemption.fiat_reference.clone_from(&self.fiat_reference);
        settle(context, changes, self.redemption, redemption, RedemptionState::Paid);
        Ok(())
    }
}

/// Rejects a redemption and gives its units back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectRedemption {
    /// The redemption.
    pub redemption: ObjectId,
    /// Why, for the holder to read.
    pub narrative: String,
}

impl RejectRedemption {
    /// The operation, held to its bounds.
    ///
    /// # Errors
    /// A narrative of no bytes or too many.
    pub fn check(&self) -> Result<(), Malformed> {
        require_text("narrative", &self.narrative, 1, TEXT_BYTES_MAX)
    }

    /// Plans the rejection.
    ///
    /// # Errors
    /// `UNKNOWN_REDEMPTION`, `NOT_THE_ISSUER`, those of an unsigned or closed sender, and `REDEMPTION_SETTLED`.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        let mut redemption = to_be_settled_by_sender(context, changes, self.redemption)?;
        let unlocked = changes.unlock(self.redemption);
        require_lock(changes, self.redemption, unlocked)?;
        redemption.narrative.clone_from(&self.narrative);
        settle(context, changes, self.redemption, redemption, RedemptionState::Rejected);
        Ok(())
    }
}

/// What a redemption's due entry does: records the breach if the redemption is still open, and otherwise nothing.
pub fn redemption_deadline(changes: &mut Changes<'_>, id: ObjectId, now: BlockTime) {
    let Some(mut redemption) = changes.read::<Redemption>(&id) else { return };
    if redemption.state == RedemptionState::Requested && note_breach(changes, id, &mut redemption, now) {
        changes.put(&id, &redemption);
    }
}

/// Marks a redemption overdue if it is, and was not before. The caller writes it.
fn note_breach(changes: &mut Changes<'_>, id: ObjectId, redemption: &mut Redemption, now: BlockTime) -> bool {
    let breached = redemption.overdue_at.is_none() && now >= redemption.due_at;
    if breached {
        redemption.overdue_at = Some(now);
        let overdue = effect("tokens.redemption_overdue", id, redemption).with("due_at", redemption.due_at);
        changes.record(overdue.with("overdue_at", now));
    }
    breached
}

fn settle(
    context: &Context<'_>,
    changes: &mut Changes<'_>,
    id: ObjectId,
    mut redemption: Redemption,
    state: RedemptionState,
) {
    // A block works off a limited number of due things, so a late settlement can come before its own deadline's turn.
    note_breach(changes, id, &mut redemption, context.now);
    changes.delete::<Due>(&deadline_key(id, &redemption));
    redemption.state = state;
    redemption.settled_at = Some(context.now);
    changes.put(&id, &redemption);
    let overdue = redemption.overdue_at.is_some();
    changes.record(match state {
        RedemptionState::Paid => effect("tokens.redemption_paid", id, &redemption)
            .with("fiat_reference", redemption.fiat_reference)
            .with("circulation", changes.circulation(redemption.token))
            .with("overdue", overdue),
        RedemptionState::Requested | RedemptionState::Rejected => effect("tokens.redemption_rejected", id, &redemption)
            .with("narrative", redemption.narrative)
            .with("overdue", overdue),
    });
}

/// How many redemptions were found overdue and are not settled. It reads each open one, by its lock, and none that is settled.
pub fn redemptions_overdue(view: &dyn View) -> u64 {
    const LOCKS_AT_ONCE: usize = 1_024;
    let (mut from, mut count) = (Vec::new(), 0);
    loop {
        let locks = view.scan(Lock::COLUMN, &from, LOCKS_AT_ONCE);
        let Some((last, _)) = locks.last() else { return count };
        // The first key after it.
        from = [last, [0].as_slice()].concat();
        for (key, _) in &locks {
            match ObjectId::from_bytes(key) {
                Ok(id) => count += u64::from(view.read(&id).is_some_and(|found: Redemption| found.is_overdue())),
                Err(_) => view.note_corruption(Lock::COLUMN, key),
            }
        }
    }
}

/// The redemption, if the sender is the issuer of its token and it is open: how it stands is not for others to learn from a decline.
fn to_be_settled_by_sender(context: &Context<'_>, changes: &Changes<'_>, id: ObjectId) -> Result<Redemption, Reason> {
    let redemption: Redemption = changes.read(&id).ok_or(Reason::UnknownRedemption { redemption: id })?;
    let Token { issuer, .. } = known(changes, redemption.token)?;
    if context.sender != issuer {
        return Err(Reason::NotTheIssuer {});
    }
    context.signed_by(changes, issuer)?;
    if redemption.state != RedemptionState::Requested {
        return Err(Reason::RedemptionSettled { redemption: id });
    }
    Ok(redemption)
}

/// An open redemption has a lock. If it has none, or one that balances and circulation do not bear, state is broken; that
/// is noted where the node looks before it believes this block.
fn require_lock(changes: &Changes<'_>, id: ObjectId, lock: Option<Lock>) -> Result<(), Reason> {
    if lock.is_none() {
        changes.note_corruption(Column::Locks, &id.to_bytes());
        return Err(Reason::UnknownRedemption { redemption: id });
    }
    Ok(())
}

fn deadline_key(id: ObjectId, redemption: &Redemption) -> DueKey {
    DueKey { at: redemption.due_at, kind: DueKind::RedemptionDeadline, id }
}

impl Redemption {
    /// Whether it was found overdue and is not settled.
    fn is_overdue(&self) -> bool {
        self.state == RedemptionState::Requested && self.overdue_at.is_some()
    }

    /// When it will be found overdue: as long as it is open and was not.
    pub fn deadline_due(&self, id: ObjectId) -> Option<DueKey> {
        let ahead = self.state == RedemptionState::Requested && self.overdue_at.is_none();
        ahead.then(|| deadline_key(id, self))
    }
}

fn effect(name: &str, id: ObjectId, redemption: &Redemption) -> Effect {
    Effect::new(name)
        .with("redemption", id)
        .with("token", redemption.token)
        .with("holder", redemption.holder)
        .with("amount", redemption.amount)
}
