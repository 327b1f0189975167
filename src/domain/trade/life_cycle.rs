//! The life cycle of a receivable, as one table: `docs/state-machines.md` is drawn from it.

use crate::codec_tag;

/// Where a receivable stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceivableState {
    /// Registered by the supplier; nobody owes it yet.
    Registered,
    /// Confirmed by the buyer, who owes it.
    Confirmed,
    /// Pledged to a loan.
    Financed,
    /// Nothing of it is left to pay.
    Settled,
    /// Taken back by the supplier before anyone owed it.
    Withdrawn,
    /// Refused by the buyer, who never owed it.
    Rejected,
    /// The buyer says that it owes less.
    Disputed,
    /// Split: its parts are receivables of their own.
    Split,
}
codec_tag!(ReceivableState {
    Registered = 1,
    Confirmed = 2,
    Financed = 3,
    Settled = 4,
    Withdrawn = 5,
    Rejected = 6,
    Disputed = 7,
    Split = 8,
});

/// What can happen to a receivable's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The buyer confirms, or its silence does.
    Confirm,
    /// The buyer disputes.
    Dispute,
    /// The supplier credits what was disputed.
    Resolve,
    /// A loan takes it as its security.
    Finance,
    /// The loan is repaid, and something of the receivable still owed.
    Release,
    /// The last of it is paid.
    Settle,
    /// The last of it is credited.
    Credit,
    /// Its owner splits it.
    Split,
    /// The supplier takes it back.
    Withdraw,
    /// The buyer refuses it.
    Reject,
}

impl Step {
    /// Every step.
    pub const ALL: &'static [Self] = &[
        Self::Confirm,
        Self::Dispute,
        Self::Resolve,
        Self::Finance,
        Self::Release,
        Self::Settle,
        Self::Credit,
        Self::Split,
        Self::Withdraw,
        Self::Reject,
    ];

    /// The step's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Confirm => "confirm",
            Self::Dispute => "dispute",
            Self::Resolve => "resolve",
            Self::Finance => "finance",
            Self::Release => "release",
            Self::Settle => "settle",
            Self::Credit => "credit",
            Self::Split => "split",
            Self::Withdraw => "withdraw",
            Self::Reject => "reject",
        }
    }
}

impl ReceivableState {
    /// The state after a step; `None` where the life cycle has no such step.
    pub const fn after(self, step: Step) -> Option<Self> {
        match (self, step) {
            (Self::Registered | Self::Disputed, Step::Confirm) => Some(Self::Confirmed),
            (Self::Registered, Step::Dispute) => Some(Self::Disputed),
            (Self::Disputed, Step::Resolve) => Some(Self::Registered),
            (Self::Confirmed, Step::Finance) => Some(Self::Financed),
            (Self::Financed, Step::Release) => Some(Self::Confirmed),
            (Self::Confirmed | Self::Financed, Step::Settle) => Some(Self::Settled),
            (Self::Registered | Self::Disputed | Self::Confirmed | Self::Financed, Step::Credit) => Some(Self::Settled),
            (Self::Confirmed, Step::Split) => Some(Self::Split),
            (Self::Registered | Self::Disputed, Step::Withdraw) => Some(Self::Withdrawn),
            (Self::Registered | Self::Disputed, Step::Reject) => Some(Self::Rejected),
            (Self::Registered, Step::Resolve | Step::Finance | Step::Release | Step::Settle | Step::Split)
            | (Self::Disputed, Step::Dispute | Step::Finance | Step::Release | Step::Settle | Step::Split)
            | (
                Self::Confirmed,
                Step::Confirm | Step::Dispute | Step::Resolve | Step::Release | Step::Withdraw | Step::Reject,
            )
            | (
                Self::Financed,
                Step::Confirm
                | Step::Dispute
                | Step::Resolve
                | Step::Finance
                | Step::Split
                | Step::Withdraw
                | Step::Reject,
            )
            | (
                Self::Settled | Self::Withdrawn | Self::Rejected | Self::Split,
                Step::Confirm
                | Step::Dispute
                | Step::Resolve
                | Step::Finance
                | Step::Release
                | Step::Settle
                | Step::Credit
                | Step::Split
                | Step::Withdraw
                | Step::Reject,
            ) => None,
        }
    }

    /// Whether something of it may still come to be paid.
    pub const fn is_open(self) -> bool {
        match self {
            Self::Registered | Self::Disputed | Self::Confirmed | Self::Financed => true,
            Self::Settled | Self::Withdrawn | Self::Rejected | Self::Split => false,
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
            Self::Disputed => "disputed",
            Self::Split => "split",
        }
    }
}

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderState {
    /// Placed by the buyer; the supplier has not accepted it.
    Proposed,
    /// Agreed: both have signed.
    Agreed,
    /// Cancelled.
    Cancelled,
}
codec_tag!(OrderState { Proposed = 1, Agreed = 2, Cancelled = 3 });

/// What can happen to an order's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderStep {
    /// The supplier accepts.
    Accept,
    /// Other terms come into force.
    Change,
    /// It is cancelled: by either party before it is agreed, by both afterwards.
    Cancel,
}

impl OrderStep {
    /// Every step.
    pub const ALL: &'static [Self] = &[Self::Accept, Self::Change, Self::Cancel];

    /// The step's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Change => "change",
            Self::Cancel => "cancel",
        }
    }
}

impl OrderState {
    /// The state after a step; `None` where the life cycle has no such step.
    pub const fn after(self, step: OrderStep) -> Option<Self> {
        match (self, step) {
            (Self::Proposed, OrderStep::Accept) | (Self::Agreed, OrderStep::Change) => Some(Self::Agreed),
            (Self::Proposed | Self::Agreed, OrderStep::Cancel) => Some(Self::Cancelled),
            (Self::Proposed, OrderStep::Change)
            | (Self::Agreed, OrderStep::Accept)
            | (Self::Cancelled, OrderStep::Accept | OrderStep::Change | OrderStep::Cancel) => None,
        }
    }

    /// The state's name in reasons, effects and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Agreed => "agreed",
            Self::Cancelled => "cancelled",
        }
    }
}
