//! Balances, circulation and locks: the entries that hold value.

use super::view::{Column, Entry};
use crate::primitives::{AccountId, Amount, ObjectId, TokenId};
use crate::{codec_struct, codec_tag};

/// What an account has of a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// What it may spend.
    pub available: Amount,
    /// What its open locks set aside. Still its own, still in circulation.
    pub locked: Amount,
}
codec_struct!(Balance { available, locked });

impl Entry for Balance {
    const COLUMN: Column = Column::Balances;
    type Key = (AccountId, TokenId);
}

/// What there is of a token, locked and frozen units included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Circulation(pub Amount);

impl crate::primitives::Encode for Circulation {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
}

impl crate::primitives::Decode for Circulation {
    fn decode(reader: &mut crate::primitives::Reader<'_>) -> Result<Self, crate::primitives::CodecError> {
        Amount::decode(reader).map(Self)
    }
}

impl Entry for Circulation {
    const COLUMN: Column = Column::Circulation;
    type Key = TokenId;
}

/// Why value is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockPurpose {
    /// It waits for redemption.
    Redemption,
}
codec_tag!(LockPurpose { Redemption = 1 });

/// Value of one account set aside under an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lock {
    /// Whose value.
    pub account: AccountId,
    /// Of which token.
    pub token: TokenId,
    /// How much.
    pub amount: Amount,
    /// What for.
    pub purpose: LockPurpose,
}
codec_struct!(Lock { account, token, amount, purpose });

impl Entry for Lock {
    const COLUMN: Column = Column::Locks;
    type Key = ObjectId;
}
