//! Open items: how much still hangs on an account, so that it is not closed before its time.
//!
//! A closed account neither signs nor receives. Were one closed that is still to be paid, whoever owes it could never pay,
//! and its invoice would stay open for ever; were one closed that others stand under, nobody could close those whose keys
//! are lost. So state counts both for each account, rooms move the counts when such things open and end, and closing asks
//! the counts, which costs one read whatever the account did in its life.
//!
//! # Invariants
//! * The counts are those of a recount: who is bound by receivables and loans that have not ended, and who has open
//!   accounts under it.
//!   Every block is held to it (`execution/invariants.rs`).
//! * An account of which nothing is open has no entry.
//!
//! # Deliberately absent
//! What binds nobody. An issuance that waits is not approved once a party to it is closed, and nothing is owed on it. And what another rule
//! covers: a redemption's lock keeps the balance from being empty, and issuers and custodians are never closed.

use super::changes::Changes;
use super::view::{Column, Entry, View};
use crate::codec_struct;
use crate::primitives::{AccountId, Encode};

/// What can be open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenItem {
    /// A receivable on which the account owes, or is still to be paid.
    Receivable,
    /// An account under it.
    Account,
    /// A loan that it made or had, and that has not ended.
    Loan,
}

/// How much is open of an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenItems {
    /// Receivables on which it owes, or is still to be paid.
    pub receivables: u64,
    /// Open accounts under it.
    pub accounts: u64,
    /// Loans that it made or had, and that have not ended.
    pub loans: u64,
}
codec_struct!(OpenItems { receivables, accounts, loans });

impl Entry for OpenItems {
    const COLUMN: Column = Column::OpenItems;
    type Key = AccountId;
}

impl OpenItems {
    fn of(&mut self, item: OpenItem) -> &mut u64 {
        match item {
            OpenItem::Receivable => &mut self.receivables,
            OpenItem::Account => &mut self.accounts,
            OpenItem::Loan => &mut self.loans,
        }
    }
}

impl Changes<'_> {
    /// Counts one more open item of an account.
    pub fn item_opened(&mut self, account: AccountId, item: OpenItem) {
        self.recount(account, item, |count| count.checked_add(1));
    }

    /// Counts one open item of an account less.
    pub fn item_ended(&mut self, account: AccountId, item: OpenItem) {
        self.recount(account, item, |count| count.checked_sub(1));
    }

    fn recount(&mut self, account: AccountId, item: OpenItem, change: impl Fn(u64) -> Option<u64>) {
        let mut items: OpenItems = self.read(&account).unwrap_or_default();
        let Some(count) = change(*items.of(item)) else {
            // An item ends that nobody counted: state is broken, and the node looks there before it believes this block.
            return self.note_corruption(Column::OpenItems, &account.to_bytes());
        };
        *items.of(item) = count;
        match items {
            OpenItems { receivables: 0, accounts: 0, loans: 0 } => self.delete::<OpenItems>(&account),
            items => self.put(&account, &items),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::view::MemoryView;

    #[test]
    fn items_are_counted_by_kind_and_none_leaves_no_entry() {
        let view = MemoryView::default();
        let mut changes = Changes::new(&view);
        let (one, other) = (AccountId([1; 32]), AccountId([2; 32]));
        changes.item_opened(one, OpenItem::Receivable);
        changes.item_opened(one, OpenItem::Receivable);
        changes.item_opened(one, OpenItem::Account);
        changes.item_opened(other, OpenItem::Account);
        assert_eq!(changes.read(&one), Some(OpenItems { receivables: 2, accounts: 1, loans: 0 }));
        changes.item_ended(one, OpenItem::Receivable);
        changes.item_ended(one, OpenItem::Account);
        assert_eq!(changes.read(&one), Some(OpenItems { receivables: 1, accounts: 0, loans: 0 }));
        changes.item_ended(one, OpenItem::Receivable);
        assert_eq!(changes.read::<OpenItems>(&one), None);
        assert_eq!(changes.read(&other), Some(OpenItems { receivables: 0, accounts: 1, loans: 0 }));
    }
}
