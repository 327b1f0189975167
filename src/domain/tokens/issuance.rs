//! Issuance: one person asks, another approves, and the reserves must cover it.

use super::reserves::reserve_line;
use super::token::{Token, known};
use crate::ledger::account::{Account, KeySet};
use crate::ledger::context::{open_account, require_role};
use crate::ledger::limits::ISSUANCE_ALLOCATIONS_MAX;
use crate::ledger::malformed::{Malformed, require};
use crate::ledger::{Changes, Column, Context, Effect, Entry, Reason, Role};
use crate::primitives::ids::ObjectKind;
use crate::primitives::{AccountId, Amount, BlockTime, ObjectId, TokenId};
use crate::{codec_struct, codec_tag};

/// Who receives how much of an issuance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allocation {
    /// The account.
    pub account: AccountId,
    /// How much.
    pub amount: Amount,
}
codec_struct!(Allocation { account, amount });

/// Where an issuance stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssuanceState {
    /// Waits for a checker.
    Requested,
    /// Approved and minted.
    Issued,
    /// Rejected.
    Rejected,
}
codec_tag!(IssuanceState { Requested = 1, Issued = 2, Rejected = 3 });

impl IssuanceState {
    /// The state's name in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Issued => "issued",
            Self::Rejected => "rejected",
        }
    }
}

/// An issuance as state holds it, decided or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuance {
    /// The token.
    pub token: TokenId,
    /// Who receives how much.
    pub allocations: Vec<Allocation>,
    /// What the allocations add up to.
    pub total: Amount,
    /// Who asked.
    pub maker: AccountId,
    /// The maker's keys when it asked: rotating them away afterwards does not make another person of it.
    pub maker_keys: KeySet,
    /// When it was asked for.
    pub requested_at: BlockTime,
    /// Until when it may be approved.
    pub expires_at: BlockTime,
    /// Where it stands.
    pub state: IssuanceState,
    /// Who decided, once someone did.
    pub checker: Option<AccountId>,
    /// When it was decided.
    pub decided_at: Option<BlockTime>,
}
codec_struct!(Issuance {
    token,
    allocations,
    total,
    maker,
    maker_keys,
    requested_at,
    expires_at,
    state,
    checker,
    decided_at,
});

impl Entry for Issuance {
    const COLUMN: Column = Column::Issuances;
    type Key = ObjectId;
}

/// Asks for new units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestIssuance {
    /// The token.
    pub token: TokenId,
    /// Who receives how much.
    pub allocations: Vec<Allocation>,
    /// Until when it may be approved.
    pub expires_at: BlockTime,
}

impl RequestIssuance {
    /// The operation, held to its bounds.
    ///
    /// # Errors
    /// No allocation or too many, or one of nothing.
    pub fn check(&self) -> Result<(), Malformed> {
        let count = self.allocations.len();
        let why = format!("it has {count} entries and must have 1 to {ISSUANCE_ALLOCATIONS_MAX}");
        require((1..=ISSUANCE_ALLOCATIONS_MAX).contains(&count), "allocations", why)?;
        for (index, allocation) in self.allocations.iter().enumerate() {
            require(!allocation.amount.is_zero(), format!("allocations[{index}].amount"), "it must be positive")?;
        }
        Ok(())
    }

    /// Plans the request.
    ///
    /// # Errors
    /// `UNKNOWN_TOKEN`, `NOT_THE_ISSUER`, `ROLE_REQUIRED`, `ISSUANCE_EXPIRED`, `ALREADY_EXISTS`, `UNKNOWN_ACCOUNT`,
    /// `ACCOUNT_CLOSED`, `AMOUNT_OVERFLOW`, and those of an unsigned or closed sender.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        let (token, id) = (self.token, context.object_id(ObjectKind::Issuance));
        let maker = sender_under_issuer(context, changes, token, Role::IssuanceMaker)?;
        if self.expires_at < context.now {
            return Err(Reason::IssuanceExpired { issuance: id, expired_at: self.expires_at });
        }
        if changes.read::<Issuance>(&id).is_some() {
            return Err(Reason::AlreadyExists { object: id });
        }
        let mut total = Amount::ZERO;
        for allocation in &self.allocations {
            open_account(changes, allocation.account)?;
            total = total.checked_add(allocation.amount).ok_or(Reason::AmountOverflow { token })?;
        }
        let issuance = Issuance {
            token,
            allocations: self.allocations.clone(),
            total,
            maker: context.sender,
            maker_keys: maker.keys,
            requested_at: context.now,
            expires_at: self.expires_at,
            state: IssuanceState::Requested,
            checker: None,
            decided_at: None,
        };
        changes.put(&id, &issuance);
        changes.record(
            Effect::new("tokens.issuance_requested")
                .with("issuance", id)
                .with("token", token)
                .with("maker", context.sender)
                .with("total", total)
                .with("allocation_count", self.allocations.len() as u64)
                .with("expires_at", self.expires_at),
        );
        Ok(())
    }
}

/// Approves an issuance and mints it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApproveIssuance {
    /// The issuance.
    pub issuance: ObjectId,
}

impl ApproveIssuance {
    /// Plans the approval.
    ///
    /// # Errors
    /// `UNKNOWN_ISSUANCE`, `NOT_THE_ISSUER`, `ROLE_REQUIRED`, `ISSUANCE_DECIDED`, `ISSUANCE_EXPIRED`, `SAME_PERSON`,
    /// `RESERVE_SHORTFALL`, `ACCOUNT_CLOSED` of a receiver, `AMOUNT_OVERFLOW`, and those of an unsigned or closed sender.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        let (issuance, checker) = undecided_for_sender(context, changes, self.issuance)?;
        if context.now > issuance.expires_at {
            return Err(Reason::IssuanceExpired { issuance: self.issuance, expired_at: issuance.expires_at });
        }
        require_another_person(context.sender, &checker, changes, &issuance)?;
        let reserves_counted = require_reserves(changes, &issuance, context.now)?;
        for allocation in &issuance.allocations {
            open_account(changes, allocation.account)?;
            changes.mint(issuance.token, allocation.account, allocation.amount)?;
        }
        changes.record(
            Effect::new("tokens.issued")
                .with("issuance", self.issuance)
                .with("token", issuance.token)
                .with("maker", issuance.maker)
                .with("checker", context.sender)
                .with("total", issuance.total)
                .with("circulation", changes.circulation(issuance.token))
                .with("reserves_counted", reserves_counted),
        );
        decide(context, changes, self.issuance, issuance, IssuanceState::Issued);
        Ok(())
    }
}

/// Rejects an issuance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectIssuance {
    /// The issuance.
    pub issuance: ObjectId,
}

impl RejectIssuance {
    /// Plans the rejection.
    ///
    /// # Errors
    /// `UNKNOWN_ISSUANCE`, `NOT_THE_ISSUER`, `ROLE_REQUIRED`, `ISSUANCE_DECIDED`, and those of an unsigned or closed sender.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        let (issuance, _) = undecided_for_sender(context, changes, self.issuance)?;
        changes.record(
            Effect::new("tokens.issuance_rejected")
                .with("issuance", self.issuance)
                .with("token", issuance.token)
                .with("maker", issuance.maker)
                .with("checker", context.sender)
                .with("total", issuance.total),
        );
        decide(context, changes, self.issuance, issuance, IssuanceState::Rejected);
        Ok(())
    }
}

/// The issuance, if the sender is a checker under its token's issuer and nobody decided it yet, and the sender's account. How it stands is
/// not for others to learn from a decline.
fn undecided_for_sender(
    context: &Context<'_>,
    changes: &Changes<'_>,
    id: ObjectId,
) -> Result<(Issuance, Account), Reason> {
    let issuance: Issuance = changes.read(&id).ok_or(Reason::UnknownIssuance { issuance: id })?;
    let checker = sender_under_issuer(context, changes, issuance.token, Role::IssuanceChecker)?;
    match issuance.state {
        IssuanceState::Requested => Ok((issuance, checker)),
        IssuanceState::Issued | IssuanceState::Rejected => Err(Reason::IssuanceDecided { issuance: id }),
    }
}

fn decide(context: &Context<'_>, changes: &mut Changes<'_>, id: ObjectId, issuance: Issuance, state: IssuanceState) {
    let (checker, decided_at) = (Some(context.sender), Some(context.now));
    changes.put(&id, &Issuance { state, checker, decided_at, ..issuance });
}

/// The sender's account, if it stands under the token's issuer and has the role.
fn sender_under_issuer(
    context: &Context<'_>,
    changes: &Changes<'_>,
    token: TokenId,
    role: Role,
) -> Result<Account, Reason> {
    let Token { issuer, .. } = known(changes, token)?;
    let sender = context.signed_by(changes, context.sender)?;
    if sender.parent != Some(issuer) {
        return Err(Reason::NotTheIssuer {});
    }
    require_role(context.sender, &sender, role)?;
    Ok(sender)
}

/// Four eyes: the checker is not the maker and shares no key with it, neither now nor when the maker asked.
fn require_another_person(
    checker_id: AccountId,
    checker: &Account,
    changes: &Changes<'_>,
    issuance: &Issuance,
) -> Result<(), Reason> {
    let keys_now = changes.read::<Account>(&issuance.maker).map(|maker| maker.keys);
    let shares_a_key = |keys: &KeySet| keys.shares_a_key_with(&checker.keys);
    let same = checker_id == issuance.maker
        || shares_a_key(&issuance.maker_keys)
        || keys_now.is_some_and(|k| shares_a_key(&k));
    if same { Err(Reason::SamePerson { account: checker_id }) } else { Ok(()) }
}

/// The reserves counted, if they cover circulation and the issuance.
fn require_reserves(changes: &Changes<'_>, issuance: &Issuance, now: BlockTime) -> Result<Amount, Reason> {
    let (token, requested) = (issuance.token, issuance.total);
    let line = reserve_line(changes, token, now).ok_or(Reason::UnknownToken { token })?;
    let (reserves_counted, circulation) = (line.reserves_counted, line.circulation);
    let covered = circulation.checked_add(requested).is_some_and(|after| after <= reserves_counted);
    match covered {
        true => Ok(reserves_counted),
        false => Err(Reason::ReserveShortfall { reserves_counted, circulation, requested }),
    }
}
