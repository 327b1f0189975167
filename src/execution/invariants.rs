//! What holds after every block, whatever its transactions were.
//!
//! Checked on the block's writes against the parent's state, so that the cost goes with the block and not with the ledger;
//! `audit` checks the same over all entries. By induction from the genesis the two are equal.

use crate::domain::financing::{BookLine, Loan, OpenProgramme, Outstanding, Programme, ProgrammeState};
use crate::domain::tokens::Redemption;
use crate::domain::trade::Receivable;
use crate::ledger::{Account, Balance, Change, Circulation, Column, Due, DueKey, Entry, Lock, OpenItem};
use crate::primitives::{AccountId, Amount, CodecError, Decode, ObjectId, TokenId};
use bytes::Bytes;
use std::collections::BTreeMap;
use thiserror::Error;

/// A broken invariant: a rule of the ledger is wrong, or the state is not what was committed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BrokenInvariant {
    /// Balances and circulation changed by different amounts.
    #[error("of {token}, balances changed by {balances} and circulation by {circulation}")]
    Conservation {
        /// The token.
        token: TokenId,
        /// By how much all balances together changed, in minor units.
        balances: i128,
        /// By how much circulation changed, in minor units.
        circulation: i128,
    },
    /// Locked balances and open locks changed by different amounts.
    #[error("of {token}, locked balances changed by {locked} and open locks by {locks}")]
    Locks {
        /// The token.
        token: TokenId,
        /// By how much all locked balances together changed, in minor units.
        locked: i128,
        /// By how much all open locks together changed, in minor units.
        locks: i128,
    },
    /// An account's list of open items and what is open of it differ.
    #[error("of {account}, {item:?} is listed {listed} times more, and open {open} times more")]
    OpenItems {
        /// The account.
        account: AccountId,
        /// The first item that is wrong.
        item: Box<OpenItem>,
        /// How often more it is listed.
        listed: i128,
        /// How often more it is open.
        open: i128,
    },
    /// The list of open programmes and the programmes differ.
    #[error("programme {programme} in {token} is listed {listed} times more, and open {open} times more")]
    OpenProgrammes {
        /// The programme.
        programme: ObjectId,
        /// Its token.
        token: TokenId,
        /// How often more it is listed.
        listed: i128,
        /// How often more it is open.
        open: i128,
    },
    /// What falls due and what has a deadline differ.
    #[error("of what falls due, {due:?} of {} at {} is queued {listed} times more, and runs {open} times more", key.id, key.at)]
    Due {
        /// Where it stands in the queue.
        key: Box<DueKey>,
        /// What falls due.
        due: Box<Due>,
        /// How often more it is queued.
        listed: i128,
        /// How often more such a deadline runs.
        open: i128,
    },
    /// Of a receivable, a loan claims more than is outstanding.
    #[error("a loan claims {secured} of a receivable of which {outstanding} is outstanding")]
    Secured {
        /// What it claims.
        secured: Amount,
        /// What is outstanding.
        outstanding: Amount,
    },
    /// A book of a lender or a programme, and the loans in it, changed by different amounts.
    #[error("on {line:?} in {token}, the book changed by {kept} and the loans by {lent}")]
    Books {
        /// The line.
        line: Box<BookLine>,
        /// The token.
        token: TokenId,
        /// By how much the book changed, in minor units.
        kept: i128,
        /// By how much the loans in it changed, in minor units.
        lent: i128,
    },
    /// An entry of value does not decode.
    #[error("an entry of column {column:?} does not decode: {cause}")]
    Undecodable {
        /// Its column.
        column: Column,
        /// Why.
        cause: CodecError,
    },
}

/// What of a token changed, or stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// All balances, available and locked.
    pub balances: i128,
    /// All locked balances.
    pub locked: i128,
    /// All open locks.
    pub locks: i128,
    /// Circulation.
    pub circulation: i128,
}

/// What of an entry of a list changed, or stands: how often it is listed, and how often what it tells of is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Listed {
    listed: i128,
    open: i128,
}

/// What of a book changed, or stands: as its entry has it, and as the loans add up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Book {
    kept: i128,
    lent: i128,
}

/// Sums of value entries by token, what is listed as open, and the books; and the first receivable that cannot be.
#[derive(Debug, Default)]
pub struct Ledger {
    totals: BTreeMap<TokenId, Totals>,
    items: BTreeMap<(AccountId, OpenItem), Listed>,
    deadlines: BTreeMap<(DueKey, Due), Listed>,
    programmes: BTreeMap<(TokenId, ObjectId), Listed>,
    books: BTreeMap<(BookLine, TokenId), Book>,
    /// What loans claim of a receivable, and what is outstanding, where that is less.
    oversecured: Option<(Amount, Amount)>,
}

impl Ledger {
    /// Takes an entry into the sums, `sign` times. Entries of other columns are passed over.
    ///
    /// # Errors
    /// The entry does not decode.
    pub fn count(&mut self, column: Column, key: &[u8], value: &[u8], sign: i128) -> Result<(), BrokenInvariant> {
        self.count_value(column, key, value, sign).map_err(|cause| BrokenInvariant::Undecodable { column, cause })
    }

    fn count_value(&mut self, column: Column, key: &[u8], value: &[u8], sign: i128) -> Result<(), CodecError> {
        match column {
            Column::Balances => {
                let (_, token) = <(AccountId, TokenId)>::from_bytes(key)?;
                let balance = Balance::from_bytes(value)?;
                let locked = i128::from(balance.locked.minor_units());
                let totals = self.totals.entry(token).or_default();
                totals.balances += sign * (i128::from(balance.available.minor_units()) + locked);
                totals.locked += sign * locked;
            }
            Column::Circulation => {
                let circulation = Circulation::from_bytes(value)?.0.minor_units();
                self.totals.entry(TokenId::from_bytes(key)?).or_default().circulation += sign * i128::from(circulation);
            }
            Column::Locks => {
                let lock = Lock::from_bytes(value)?;
                self.totals.entry(lock.token).or_default().locks += sign * i128::from(lock.amount.minor_units());
            }
            Column::OpenItems => {
                self.items.entry(<(AccountId, OpenItem)>::from_bytes(key)?).or_default().listed += sign;
            }
            Column::Receivables => {
                let (id, receivable) = (ObjectId::from_bytes(key)?, Receivable::from_bytes(value)?);
                let (secured, outstanding) = (receivable.secured(), receivable.outstanding());
                if sign > 0 && secured > outstanding {
                    self.oversecured = Some((secured, outstanding));
                }
                for account in receivable.bound() {
                    self.items.entry((account, OpenItem::Receivable(id))).or_default().open += sign;
                }
                self.count_deadline(receivable.silence_due(id), Due::ConfirmationTerm(id), sign);
            }
            Column::Redemptions => {
                let (id, redemption) = (ObjectId::from_bytes(key)?, Redemption::from_bytes(value)?);
                self.count_deadline(redemption.deadline_due(id), Due::RedemptionDeadline(id), sign);
            }
            Column::Due => match Due::from_bytes(value)? {
                // Request ids are forgotten in bundles; each stands by itself among the requests.
                Due::ForgetRequests(_) => {}
                due => self.deadlines.entry((DueKey::from_bytes(key)?, due)).or_default().listed += sign,
            },
            Column::Accounts => {
                let (id, account) = (AccountId::from_bytes(key)?, Account::from_bytes(value)?);
                if let Some(parent) = account.parent.filter(|_| !account.closed) {
                    self.items.entry((parent, OpenItem::Account(id))).or_default().open += sign;
                }
            }
            Column::LenderBooks => {
                let Outstanding { amount } = Outstanding::from_bytes(value)?;
                let key = <(BookLine, TokenId)>::from_bytes(key)?;
                self.books.entry(key).or_default().kept += sign * i128::from(amount.minor_units());
            }
            Column::Loans => self.count_loan(ObjectId::from_bytes(key)?, &Loan::from_bytes(value)?, sign),
            Column::OpenProgrammes => {
                let key = <OpenProgramme as Entry>::Key::from_bytes(key)?;
                self.programmes.entry(key).or_default().listed += sign;
            }
            Column::Programmes => {
                let (id, programme) = (ObjectId::from_bytes(key)?, Programme::from_bytes(value)?);
                if programme.state() == ProgrammeState::Open {
                    self.programmes.entry((programme.terms.token, id)).or_default().open += sign;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn count_loan(&mut self, id: ObjectId, loan: &Loan, sign: i128) {
        for account in loan.bound() {
            self.items.entry((account, OpenItem::Loan(id))).or_default().open += sign;
        }
        self.count_deadline(loan.ageing_due(id), Due::LoanAgeing(id), sign);
        for (line, amount) in loan.lines() {
            self.books.entry((line, loan.terms.token)).or_default().lent += sign * i128::from(amount.minor_units());
        }
    }

    fn count_deadline(&mut self, key: Option<DueKey>, due: Due, sign: i128) {
        if let Some(key) = key {
            self.deadlines.entry((key, due)).or_default().open += sign;
        }
    }

    /// Takes in the sums over other entries, counted after these.
    pub fn join(&mut self, other: Self) {
        let Self { totals, items, deadlines, programmes, books, oversecured } = other;
        for (token, Totals { balances, locked, locks, circulation }) in totals {
            let sum = self.totals.entry(token).or_default();
            sum.balances += balances;
            sum.locked += locked;
            sum.locks += locks;
            sum.circulation += circulation;
        }
        join_listed(&mut self.items, items);
        join_listed(&mut self.deadlines, deadlines);
        join_listed(&mut self.programmes, programmes);
        for (key, Book { kept, lent }) in books {
            let sum = self.books.entry(key).or_default();
            sum.kept += kept;
            sum.lent += lent;
        }
        self.oversecured = oversecured.or(self.oversecured);
    }

    /// Whether the sums agree, token by token and account by account.
    ///
    /// # Errors
    /// The first disagreement.
    pub fn agree(&self) -> Result<(), BrokenInvariant> {
        if let Some((secured, outstanding)) = self.oversecured {
            return Err(BrokenInvariant::Secured { secured, outstanding });
        }
        for (token, totals) in &self.totals {
            let Totals { balances, locked, locks, circulation } = *totals;
            if balances != circulation {
                return Err(BrokenInvariant::Conservation { token: *token, balances, circulation });
            }
            if locked != locks {
                return Err(BrokenInvariant::Locks { token: *token, locked, locks });
            }
        }
        let differs = |entry: &Listed| entry.listed != entry.open;
        if let Some(((account, item), Listed { listed, open })) = self.items.iter().find(|(_, entry)| differs(entry)) {
            let item = Box::new(*item);
            return Err(BrokenInvariant::OpenItems { account: *account, item, listed: *listed, open: *open });
        }
        if let Some(((token, id), Listed { listed, open })) = self.programmes.iter().find(|(_, entry)| differs(entry)) {
            let (programme, token) = (*id, *token);
            return Err(BrokenInvariant::OpenProgrammes { programme, token, listed: *listed, open: *open });
        }
        if let Some(((key, due), Listed { listed, open })) = self.deadlines.iter().find(|(_, entry)| differs(entry)) {
            let (key, due) = (Box::new(*key), Box::new(due.clone()));
            return Err(BrokenInvariant::Due { key, due, listed: *listed, open: *open });
        }
        let differs = self.books.iter().find(|(_, book)| book.kept != book.lent);
        differs.map_or(Ok(()), |((line, token), Book { kept, lent })| {
            let (line, token) = (Box::new(line.clone()), *token);
            Err(BrokenInvariant::Books { line, token, kept: *kept, lent: *lent })
        })
    }
}

fn join_listed<K: Ord>(sums: &mut BTreeMap<K, Listed>, others: BTreeMap<K, Listed>) {
    for (key, Listed { listed, open }) in others {
        let sum = sums.entry(key).or_default();
        sum.listed += listed;
        sum.open += open;
    }
}

/// Whether entries of a column are counted.
const fn counted(column: Column) -> bool {
    matches!(
        column,
        Column::Balances
            | Column::Circulation
            | Column::Locks
            | Column::OpenItems
            | Column::Due
            | Column::Redemptions
            | Column::Receivables
            | Column::Accounts
            | Column::Loans
            | Column::LenderBooks
            | Column::Programmes
            | Column::OpenProgrammes
    )
}

/// Whether what a block changed keeps the invariants that held of its parent's state.
///
/// # Errors
/// The invariant that they break.
pub fn check(changes: &[Change]) -> Result<(), BrokenInvariant> {
    let mut changed = Ledger::default();
    for Change { column, key, old, new } in changes.iter().filter(|change| counted(change.column)) {
        if let Some(old) = old {
            changed.count(*column, key, old, -1)?;
        }
        if let Some(new) = new {
            changed.count(*column, key, new, 1)?;
        }
    }
    changed.agree()
}

/// Whether the invariants hold of a whole state.
///
/// # Errors
/// The invariant that is broken.
pub fn check_all<'a>(entries: impl Iterator<Item = (Column, &'a Bytes, &'a Bytes)>) -> Result<(), BrokenInvariant> {
    let mut standing = Ledger::default();
    for (column, key, value) in entries {
        standing.count(column, key, value, 1)?;
    }
    standing.agree()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::market::Market;
    use crate::domain::tokens::RequestRedemption;
    use crate::ledger::view::{MemoryView, Writes};
    use crate::ledger::{Changes, DueKind, LockPurpose, WorkingSet};
    use crate::primitives::{BlockTime, Encode, Hash};
    use std::sync::Arc;

    fn token() -> TokenId {
        "HKDX".parse().expect("a token id")
    }

    fn minted() -> Writes {
        let view = MemoryView::default();
        let mut changes = Changes::new(&view);
        changes.mint(token(), AccountId([1; 32]), Amount::new(10)).expect("room for ten");
        changes
            .lock(ObjectId([1; 32]), AccountId([1; 32]), token(), Amount::new(4), LockPurpose::Redemption)
            .expect("ten are there");
        changes.finish().writes
    }

    /// Whether writes to an empty state keep the invariants.
    fn check(writes: Writes) -> Result<(), BrokenInvariant> {
        let state = WorkingSet::new(Arc::new(MemoryView::default()));
        state.take_over(writes);
        super::check(&state.finish().0)
    }

    #[test]
    fn honest_writes_pass_and_forged_ones_do_not() {
        let view = MemoryView::default();
        assert_eq!(check(minted()), Ok(()));

        let mut inflated = minted();
        let key = (Column::Balances, Bytes::from((AccountId([2; 32]), token()).to_bytes()));
        let balance = Balance { available: Amount::new(1), locked: Amount::ZERO };
        inflated.insert(key, Some(Bytes::from(balance.to_bytes())));
        assert!(matches!(check(inflated), Err(BrokenInvariant::Conservation { balances: 11, .. })));

        let mut leaked = minted();
        leaked.insert((Column::Locks, Bytes::from(ObjectId([1; 32]).to_bytes())), None);
        assert!(matches!(check(leaked), Err(BrokenInvariant::Locks { locked: 4, locks: 0, .. })));

        let mut miscounted = minted();
        let mut changes = Changes::new(&view);
        changes.item_opened(AccountId([1; 32]), OpenItem::Receivable(ObjectId([1; 32])));
        miscounted.extend(changes.finish().writes);
        assert!(matches!(check(miscounted), Err(BrokenInvariant::OpenItems { listed: 1, open: 0, .. })));

        let mut unlisted = minted();
        let mut changes = Changes::new(&view);
        changes.put(&(token(), ObjectId([1; 32])), &OpenProgramme);
        unlisted.extend(changes.finish().writes);
        assert!(matches!(check(unlisted), Err(BrokenInvariant::OpenProgrammes { listed: 1, open: 0, .. })));

        // A deadline that nothing has, and one that another took the place of.
        let mut queued = minted();
        let mut changes = Changes::new(&view);
        let key = DueKey { at: BlockTime(1), kind: DueKind::LoanAgeing, id: ObjectId([1; 32]) };
        changes.put(&key, &Due::LoanAgeing(key.id));
        queued.extend(changes.finish().writes);
        assert!(matches!(check(queued), Err(BrokenInvariant::Due { listed: 1, open: 0, .. })));

        let mut market = Market::open();
        let buyer = market.buyer;
        let asked = RequestRedemption { token: market.token, amount: Amount::new(1), payout_commitment: Hash([1; 32]) };
        let asked = market.stage.perform(&[buyer], |context, changes| asked.plan(context, changes));
        let id = asked.expect("the buyer has some").object;
        assert_eq!(check_all(market.stage.view.entries()), Ok(()));
        let mut parts = [Ledger::default(), Ledger::default()];
        for (n, (column, key, value)) in market.stage.view.entries().enumerate() {
            parts[n % 2].count(column, key, value, 1).expect("it decodes");
        }
        let [mut joined, other] = parts;
        assert!(joined.agree().is_err() && other.agree().is_err(), "what one part tells of, the other lists");
        joined.join(other);
        assert_eq!(joined.agree(), Ok(()));
        let redemption: Redemption = market.stage.read(&id).expect("it was asked for");
        let key = redemption.deadline_due(id).expect("it is open");
        market.stage.edit(|changes| changes.delete::<Due>(&key));
        let forgotten = check_all(market.stage.view.entries());
        assert!(matches!(forgotten, Err(BrokenInvariant::Due { listed: 0, open: 1, .. })));

        // Whoever takes a payment and leaves the loan's claim as it was.
        let mut market = Market::open();
        let id = market.confirmed(1, 500);
        let mut paid: Receivable = market.stage.read(&id).expect("it was registered");
        paid.pledge(id, id, market.financiers[0], Amount::new(400)).expect("it is owed");
        paid.pay(id, Amount::new(200)).expect("so much is owed");
        let oversecured = market.stage.edit(|changes| paid.keep(id, changes)).writes;
        assert!(matches!(check(oversecured), Err(BrokenInvariant::Secured { .. })));

        let mut garbled = minted();
        garbled.insert((Column::Circulation, Bytes::from(token().to_bytes())), Some(Bytes::from_static(b"x")));
        assert!(matches!(check(garbled), Err(BrokenInvariant::Undecodable { .. })));
    }
}
