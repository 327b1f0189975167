//! Books: what is outstanding, by lender and by programme, and of each by whom it is owed, and how late.
//!
//! Parties are counted by their legal entities, so that a company does not borrow, or lend, more through a second account. Loans move
//! the books as they change, and every block is held to a recount (`execution/invariants.rs`).

use super::ageing::LoanClass;
use crate::codec_struct;
use crate::ledger::{Changes, Column, Entry, Reason};
use crate::primitives::{AccountId, Amount, CodecError, Decode, Encode, ObjectId, Reader, TokenId};
use std::collections::BTreeMap;

/// What is counted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BookLine {
    /// All that a lender has out.
    Lender(AccountId),
    /// What a lender's legal entity has out to one borrower.
    LenderBorrower(String, String),
    /// What it has out on the debts of one buyer.
    LenderObligor(String, String),
    /// All that is out under a programme.
    Programme(ObjectId),
    /// What is out under it to one borrower, or on what one supplier delivered.
    ProgrammeBorrower(ObjectId, String),
    /// What is out under it on the debts of one buyer.
    ProgrammeObligor(ObjectId, String),
    /// What one lender has out under it.
    ProgrammeLender(ObjectId, AccountId),
    /// What of a lender's is in a class, what it wrote off included.
    LenderClass(AccountId, LoanClass),
    /// What is out under a programme on one invoice, its parts included.
    ProgrammeInvoice(ObjectId, ObjectId),
    /// All that a lender's legal entity has out, by whatever accounts.
    LenderEntity(String),
}

impl Encode for BookLine {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Lender(lender) => (1u8, *lender).encode(out),
            Self::LenderBorrower(lender, entity) => ((2u8, lender.clone()), entity.clone()).encode(out),
            Self::LenderObligor(lender, entity) => ((3u8, lender.clone()), entity.clone()).encode(out),
            Self::Programme(programme) => (4u8, *programme).encode(out),
            Self::ProgrammeBorrower(programme, entity) => ((5u8, *programme), entity.clone()).encode(out),
            Self::ProgrammeObligor(programme, entity) => ((6u8, *programme), entity.clone()).encode(out),
            Self::ProgrammeLender(programme, lender) => ((7u8, *programme), *lender).encode(out),
            Self::LenderClass(lender, class) => ((8u8, *lender), *class).encode(out),
            Self::ProgrammeInvoice(programme, invoice) => ((9u8, *programme), *invoice).encode(out),
            Self::LenderEntity(entity) => (10u8, entity.clone()).encode(out),
        }
    }
}

impl Decode for BookLine {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(match u8::decode(reader)? {
            1 => Self::Lender(AccountId::decode(reader)?),
            2 => Self::LenderBorrower(String::decode(reader)?, String::decode(reader)?),
            3 => Self::LenderObligor(String::decode(reader)?, String::decode(reader)?),
            4 => Self::Programme(ObjectId::decode(reader)?),
            5 => Self::ProgrammeBorrower(ObjectId::decode(reader)?, String::decode(reader)?),
            6 => Self::ProgrammeObligor(ObjectId::decode(reader)?, String::decode(reader)?),
            7 => Self::ProgrammeLender(ObjectId::decode(reader)?, AccountId::decode(reader)?),
            8 => Self::LenderClass(AccountId::decode(reader)?, LoanClass::decode(reader)?),
            9 => Self::ProgrammeInvoice(ObjectId::decode(reader)?, ObjectId::decode(reader)?),
            10 => Self::LenderEntity(String::decode(reader)?),
            value => return Err(CodecError::Tag { what: "book line", value: u64::from(value) }),
        })
    }
}

/// What is outstanding on a line, in a token. A line on which nothing is has no entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outstanding {
    /// How much.
    pub amount: Amount,
}
codec_struct!(Outstanding { amount });

impl Entry for Outstanding {
    const COLUMN: Column = Column::LenderBooks;
    type Key = (BookLine, TokenId);
}

/// What the keys of the lines by the borrowers of a lender's legal entity begin with.
pub(super) fn borrowers_of(lender: &str) -> Vec<u8> {
    (2u8, lender.to_owned()).to_bytes()
}

/// What the keys of the lines by its obligors begin with.
pub(super) fn obligors_of(lender: &str) -> Vec<u8> {
    (3u8, lender.to_owned()).to_bytes()
}

/// What the keys of the lines by lender and class begin with: of one lender, or of all.
pub(super) fn classes_of(lender: Option<AccountId>) -> Vec<u8> {
    lender.map_or_else(|| 8u8.to_bytes(), |lender| (8u8, lender).to_bytes())
}

/// What is outstanding on a line.
pub fn outstanding(changes: &Changes<'_>, line: BookLine, token: TokenId) -> Amount {
    changes.read::<Outstanding>(&(line, token)).unwrap_or_default().amount
}

/// Takes a loan's old lines out of the books and its new ones in.
///
/// # Errors
/// `AMOUNT_OVERFLOW`.
pub(super) fn rewrite(
    changes: &mut Changes<'_>,
    token: TokenId,
    before: BTreeMap<BookLine, Amount>,
    after: BTreeMap<BookLine, Amount>,
) -> Result<(), Reason> {
    let of = |lines: &BTreeMap<BookLine, Amount>, line: &BookLine| lines.get(line).copied().unwrap_or_default();
    let mut lines: Vec<&BookLine> = before.keys().chain(after.keys()).collect();
    lines.sort_unstable();
    lines.dedup();
    for line in lines {
        let (old, new) = (of(&before, line), of(&after, line));
        if old == new {
            continue;
        }
        let key = (line.clone(), token);
        let standing = changes.read::<Outstanding>(&key).unwrap_or_default().amount;
        let amount = standing.excess_over(old).checked_add(new).ok_or(Reason::AmountOverflow { token })?;
        match amount {
            Amount::ZERO => changes.delete::<Outstanding>(&key),
            amount => changes.put(&key, &Outstanding { amount }),
        }
    }
    Ok(())
}
