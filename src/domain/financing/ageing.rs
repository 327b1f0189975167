//! Ageing: how late a loan is, in the buckets by which it is reported, and what it is as an asset.

use crate::codec_tag;

/// How late a loan is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bucket {
    /// Not late.
    Current,
    /// 1 to 30 days.
    Days1To30,
    /// 31 to 60 days.
    Days31To60,
    /// 61 to 90 days.
    Days61To90,
    /// More than 90 days: non-performing.
    Over90,
}
codec_tag!(Bucket { Current = 1, Days1To30 = 2, Days31To60 = 3, Days61To90 = 4, Over90 = 5 });

/// What a loan is as an asset: how late it is, or what was declared of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LoanClass {
    /// Not late.
    Current,
    /// 1 to 30 days late.
    Days1To30,
    /// 31 to 60 days late.
    Days31To60,
    /// 61 to 90 days late.
    Days61To90,
    /// More than 90 days late, and not declared in default yet.
    Over90,
    /// In default.
    Defaulted,
    /// Given up as an asset: what is still owed of it counts in no other book.
    WrittenOff,
}
codec_tag!(LoanClass {
    Current = 1,
    Days1To30 = 2,
    Days31To60 = 3,
    Days61To90 = 4,
    Over90 = 5,
    Defaulted = 6,
    WrittenOff = 7,
});

impl LoanClass {
    /// Whether it counts as non-performing: more than 90 days late or in default. What was written off is no asset any more.
    pub const fn is_non_performing(self) -> bool {
        matches!(self, Self::Over90 | Self::Defaulted)
    }

    /// That of a bucket, as long as nothing was declared.
    pub(super) const fn of(bucket: Bucket) -> Self {
        match bucket {
            Bucket::Current => Self::Current,
            Bucket::Days1To30 => Self::Days1To30,
            Bucket::Days31To60 => Self::Days31To60,
            Bucket::Days61To90 => Self::Days61To90,
            Bucket::Over90 => Self::Over90,
        }
    }
}

/// How many days late a loan must be to be declared in default.
pub const DEFAULT_DAYS_MIN: u32 = 91;

impl Bucket {
    /// The name in effects and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Days1To30 => "1-30",
            Self::Days31To60 => "31-60",
            Self::Days61To90 => "61-90",
            Self::Over90 => "over-90",
        }
    }

    /// The bucket of so many days late.
    pub const fn of(days: u32) -> Self {
        match days {
            0 => Self::Current,
            1..=30 => Self::Days1To30,
            31..=60 => Self::Days31To60,
            61..=90 => Self::Days61To90,
            _ => Self::Over90,
        }
    }

    /// How many days late a loan is at most that is in it; none for the last.
    pub(super) const fn days_max(self) -> Option<u32> {
        match self {
            Self::Current => Some(0),
            Self::Days1To30 => Some(30),
            Self::Days31To60 => Some(60),
            Self::Days61To90 => Some(90),
            Self::Over90 => None,
        }
    }
}
