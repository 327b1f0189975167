//! Open items: what still hangs on an account, and so keeps it from being closed.
//!
//! A closed account neither signs nor receives. Were one closed that is still to be paid, whoever owes it could never pay,
//! and its invoice would stay open for ever; were one closed that others stand under, nobody could close those whose keys
//! are lost. So state lists both for each account, rooms move the lists when such things open and end, and closing asks
//! the list for its first entries.
//!
//! The list is an index too: whoever asks for an account's open loans or receivables reads those and no others.
//!
//! # Invariants
//! * The lists are those of a recount: who is bound by receivables and loans that have not ended, and who has open
//!   accounts under it.
//!   Every block is held to it (`execution/invariants.rs`).
//! * An account of which nothing is open has no entry.
//!
//! # Deliberately absent
//! What binds nobody. An issuance that waits is not approved once a party to it is closed, and nothing is owed on it. And what another rule
//! covers: a redemption's lock keeps the balance from being empty, and issuers and custodians are never closed.

use super::changes::Changes;
use super::view::{Column, Entry, View};
use crate::primitives::{AccountId, CodecError, Decode, Encode, ObjectId, Reader};

/// Something that is open of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OpenItem {
    /// A receivable on which it owes, or is still to be paid.
    Receivable(ObjectId),
    /// An open account under it.
    Account(AccountId),
    /// A loan that it made or had, and that has not ended.
    Loan(ObjectId),
}

impl OpenItem {
    const RECEIVABLE: u8 = 1;
    const ACCOUNT: u8 = 2;
    const LOAN: u8 = 3;
}

impl Encode for OpenItem {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Receivable(id) => (Self::RECEIVABLE, *id).encode(out),
            Self::Account(id) => (Self::ACCOUNT, *id).encode(out),
            Self::Loan(id) => (Self::LOAN, *id).encode(out),
        }
    }
}

impl Decode for OpenItem {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(match u8::decode(reader)? {
            Self::RECEIVABLE => Self::Receivable(ObjectId::decode(reader)?),
            Self::ACCOUNT => Self::Account(AccountId::decode(reader)?),
            Self::LOAN => Self::Loan(ObjectId::decode(reader)?),
            value => return Err(CodecError::Tag { what: "open item", value: u64::from(value) }),
        })
    }
}

/// That an item is open of an account. The key says all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open;

impl Encode for Open {
    fn encode(&self, _: &mut Vec<u8>) {}
}

impl Decode for Open {
    fn decode(_: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self)
    }
}

impl Entry for Open {
    const COLUMN: Column = Column::OpenItems;
    type Key = (AccountId, OpenItem);
}

/// What the keys of an account's open receivables begin with.
pub fn receivables_of(account: AccountId) -> Vec<u8> {
    (account, OpenItem::RECEIVABLE).to_bytes()
}

/// What the keys of the open accounts under an account begin with.
pub fn accounts_of(account: AccountId) -> Vec<u8> {
    (account, OpenItem::ACCOUNT).to_bytes()
}

/// What the keys of an account's open loans begin with.
pub fn loans_of(account: AccountId) -> Vec<u8> {
    (account, OpenItem::LOAN).to_bytes()
}

/// How many items are open under a prefix, counted as far as `most`.
pub fn count_open(view: &dyn View, prefix: &[u8], most: usize) -> usize {
    let entries = view.scan(Column::OpenItems, prefix, most);
    entries.iter().take_while(|(key, _)| key.starts_with(prefix)).count()
}

impl Changes<'_> {
    /// Lists an open item of an account.
    pub fn item_opened(&mut self, account: AccountId, item: OpenItem) {
        self.put(&(account, item), &Open);
    }

    /// Takes an item that has ended off an account's list.
    pub fn item_ended(&mut self, account: AccountId, item: OpenItem) {
        self.delete::<Open>(&(account, item));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::view::MemoryView;

    #[test]
    fn items_are_listed_by_kind_and_none_leaves_no_entry() {
        let view = MemoryView::default();
        let mut changes = Changes::new(&view);
        let (one, other) = (AccountId([1; 32]), AccountId([2; 32]));
        let receivables = [7, 8].map(|id| OpenItem::Receivable(ObjectId([id; 32])));
        receivables.iter().for_each(|item| changes.item_opened(one, *item));
        changes.item_opened(one, OpenItem::Account(other));
        changes.item_opened(other, OpenItem::Loan(ObjectId([9; 32])));
        let counted = |changes: &Changes<'_>, account| {
            [receivables_of(account), accounts_of(account), loans_of(account)]
                .map(|prefix| count_open(changes, &prefix, 16))
        };
        assert_eq!((counted(&changes, one), counted(&changes, other)), ([2, 1, 0], [0, 0, 1]));
        assert_eq!(count_open(&changes, &receivables_of(one), 1), 1);
        let key = changes.scan(Column::OpenItems, &receivables_of(one), 1).remove(0).0;
        assert_eq!(<(AccountId, OpenItem)>::from_bytes(&key), Ok((one, receivables[0])));
        receivables.iter().for_each(|item| changes.item_ended(one, *item));
        changes.item_ended(one, OpenItem::Account(other));
        assert_eq!((counted(&changes, one), counted(&changes, other)), ([0; 3], [0, 0, 1]));
    }
}
