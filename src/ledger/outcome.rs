//! Outcomes: what a transaction did, or why it did nothing. One stands in the block's `outcomes_root` for each transaction, and
//! after those one for each thing that fell due in the block and left a record, by its place among them.
//!
//! An outcome says what moved, what the touched balances are afterwards, and what else changed as *effects*: records
//! with a name and named fields, so that a reader who has never heard of a room can still show what it recorded. Of the
//! balances it says only whose they are: their figures are opened to those who may see them, as [`super::blinding`] has it.

use super::blinding::BalanceCommitment;
use super::reason::Reason;
use crate::primitives::crypto::{Domain, hash};
use crate::primitives::{
    AccountId, Amount, BlockTime, CodecError, Currency, Day, Decode, Encode, Hash, ObjectId, Reader, TokenId,
    TransactionId,
};
use crate::{codec_struct, codec_tag};
use std::fmt;

/// How value moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MovementKind {
    /// From one account to another.
    Transfer,
    /// Into circulation.
    Mint,
    /// Out of circulation, from locked value.
    Burn,
    /// From available to locked, within an account.
    Lock,
    /// From locked to available, within an account.
    Unlock,
}
codec_tag!(MovementKind { Transfer = 1, Mint = 2, Burn = 3, Lock = 4, Unlock = 5 });

/// One movement of value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Movement {
    /// How.
    pub kind: MovementKind,
    /// Of which token.
    pub token: TokenId,
    /// Who had it; none for a mint.
    pub from: Option<AccountId>,
    /// Who has it now; none for a burn.
    pub to: Option<AccountId>,
    /// How much.
    pub amount: Amount,
}
codec_struct!(Movement { kind, token, from, to, amount });

/// A field's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Money, in minor units.
    Amount(Amount),
    /// A count, a rate in basis points, an index: the field's name says which.
    Number(u64),
    /// An object's id, or a transaction's.
    Object(ObjectId),
    /// An account.
    Account(AccountId),
    /// A token.
    Token(TokenId),
    /// A hash.
    Hash(Hash),
    /// A time, in ms of the Unix epoch.
    Time(BlockTime),
    /// A text.
    Text(String),
    /// Yes or no.
    Flag(bool),
}

impl Value {
    const fn tag(&self) -> u8 {
        match self {
            Self::Amount(_) => 1,
            Self::Number(_) => 2,
            Self::Object(_) => 3,
            Self::Account(_) => 4,
            Self::Token(_) => 5,
            Self::Hash(_) => 6,
            Self::Time(_) => 7,
            Self::Text(_) => 8,
            Self::Flag(_) => 9,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Amount(value) => value.fmt(f),
            Self::Number(value) => value.fmt(f),
            Self::Object(value) => value.fmt(f),
            Self::Account(value) => value.fmt(f),
            Self::Token(value) => value.fmt(f),
            Self::Hash(value) => value.fmt(f),
            Self::Time(value) => value.fmt(f),
            Self::Text(value) => value.fmt(f),
            Self::Flag(value) => value.fmt(f),
        }
    }
}

impl Encode for Value {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.tag());
        match self {
            Self::Amount(value) => value.encode(out),
            Self::Number(value) => value.encode(out),
            Self::Object(value) => value.encode(out),
            Self::Account(value) => value.encode(out),
            Self::Token(value) => value.encode(out),
            Self::Hash(value) => value.encode(out),
            Self::Time(value) => value.encode(out),
            Self::Text(value) => value.encode(out),
            Self::Flag(value) => value.encode(out),
        }
    }
}

impl Decode for Value {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(match u8::decode(reader)? {
            1 => Self::Amount(Amount::decode(reader)?),
            2 => Self::Number(u64::decode(reader)?),
            3 => Self::Object(ObjectId::decode(reader)?),
            4 => Self::Account(AccountId::decode(reader)?),
            5 => Self::Token(TokenId::decode(reader)?),
            6 => Self::Hash(Hash::decode(reader)?),
            7 => Self::Time(BlockTime::decode(reader)?),
            8 => Self::Text(String::decode(reader)?),
            9 => Self::Flag(bool::decode(reader)?),
            value => return Err(CodecError::Tag { what: "value", value: u64::from(value) }),
        })
    }
}

macro_rules! values {
    ($($type:ty => $variant:ident),* $(,)?) => {$(
        impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Self::$variant(value.into())
            }
        }
    )*};
}
values! {
    Amount => Amount,
    u64 => Number,
    u32 => Number,
    u16 => Number,
    u8 => Number,
    ObjectId => Object,
    AccountId => Account,
    TokenId => Token,
    Hash => Hash,
    BlockTime => Time,
    String => Text,
    Currency => Text,
    Day => Text,
    &str => Text,
    bool => Flag,
}

/// A named record of something that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// What happened, as `room.event`: `tokens.issued`, `financing.disbursed`.
    pub name: String,
    /// The facts, in a fixed order for each name.
    pub fields: Vec<(String, Value)>,
}
codec_struct!(Effect { name, fields });

impl Effect {
    /// A record without fields yet.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), fields: Vec::new() }
    }

    /// The record with one more field.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.push((name.to_owned(), value.into()));
        self
    }

    /// The value of a field.
    pub fn field(&self, name: &str) -> Option<&Value> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value)
    }
}

/// Why a transaction did nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decline {
    /// Which operation could not be done, from 0.
    pub operation_index: u16,
    /// The reason's code in the catalogue.
    pub code: u16,
    /// The figures behind it.
    pub fields: Vec<(String, Value)>,
}
codec_struct!(Decline { operation_index, code, fields });

impl Decline {
    /// A decline of one operation for one reason.
    pub fn new(operation_index: u16, reason: &Reason) -> Self {
        Self { operation_index, code: reason.code(), fields: reason.fields() }
    }
}

/// Whether a transaction was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// All of it.
    Applied,
    /// None of it.
    Declined(Decline),
}

impl Encode for Status {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Applied => out.push(1),
            Self::Declined(decline) => {
                out.push(2);
                decline.encode(out);
            }
        }
    }
}

impl Decode for Status {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        match u8::decode(reader)? {
            1 => Ok(Self::Applied),
            2 => Decline::decode(reader).map(Self::Declined),
            value => Err(CodecError::Tag { what: "status", value: u64::from(value) }),
        }
    }
}

/// The id under which a block tells of one thing that fell due in it, by its place among those that it tells of, from 0. No
/// transaction has it: theirs are hashes in another domain.
pub fn due_outcome_id(height: u64, place: u32) -> TransactionId {
    TransactionId(hash(Domain::DUE, &(height, place).to_bytes()).0)
}

/// What a transaction did, or what fell due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Which transaction; or [`due_outcome_id`].
    pub transaction_id: TransactionId,
    /// Applied or declined.
    pub status: Status,
    /// What moved, in order. Empty if declined.
    pub movements: Vec<Movement>,
    /// A commitment to every balance that it touched, by account and token. Empty if declined.
    pub balances: Vec<BalanceCommitment>,
    /// What else it changed, in order. Empty if declined.
    pub effects: Vec<Effect>,
}
codec_struct!(Outcome { transaction_id, status, movements, balances, effects });

impl Outcome {
    /// A declined transaction's.
    pub fn declined(transaction_id: TransactionId, decline: Decline) -> Self {
        let status = Status::Declined(decline);
        Self { transaction_id, status, movements: Vec::new(), balances: Vec::new(), effects: Vec::new() }
    }

    /// The hash that stands as a leaf in `outcomes_root`.
    pub fn hash(&self) -> Hash {
        hash(Domain::OUTCOME, &self.to_bytes())
    }

    /// Whether it was applied.
    pub fn is_applied(&self) -> bool {
        matches!(self.status, Status::Applied)
    }
}
