//! Changes: what a transaction is about to do, on top of the state it does it to.
//!
//! A room plans an operation by calling the verbs here. The verbs that move money check it, so no room can overdraw, and
//! record it as a movement, so none can hide it. Nothing is written until the whole transaction has planned; then the
//! writes are taken over as they are, which cannot fail.
//!
//! # Invariants
//! * A verb either does all it says or returns a reason and changes nothing.
//! * Every change of a balance stands in `movements`.

use super::balance::{Balance, Circulation, Lock, LockPurpose};
use super::blinding::Touched;
use super::outcome::{Effect, Movement, MovementKind};
use super::reason::Reason;
use super::view::{Column, Entry, View, Writes, entry_place, held, layered_get, layered_scan, written_from};
use crate::primitives::{AccountId, Amount, Encode, ObjectId, TokenId};
use bytes::Bytes;
use std::collections::BTreeSet;

/// A working set over a view. It is itself a view, and sees its own changes.
pub struct Changes<'v> {
    base: &'v dyn View,
    writes: Writes,
    movements: Vec<Movement>,
    touched: BTreeSet<(AccountId, TokenId)>,
    effects: Vec<Effect>,
}

/// What a planned transaction writes and reports.
#[derive(Debug, Default)]
pub struct Planned {
    /// New values of state entries.
    pub writes: Writes,
    /// What moved, in order.
    pub movements: Vec<Movement>,
    /// The touched balances afterwards, by account and token.
    pub balances: Vec<Touched>,
    /// What else changed.
    pub effects: Vec<Effect>,
}

impl<'v> Changes<'v> {
    /// No changes yet.
    pub fn new(base: &'v dyn View) -> Self {
        let (writes, movements, touched, effects) = Default::default();
        Self { base, writes, movements, touched, effects }
    }

    /// The typed entry under a key, own changes included.
    pub fn read<E: Entry>(&self, key: &E::Key) -> Option<E> {
        (self as &dyn View).read(key)
    }

    /// Whether there is an entry under a key, without decoding it.
    pub fn has<E: Entry>(&self, key: &E::Key) -> bool {
        let mut is_there = false;
        self.look(E::COLUMN, &key.to_bytes(), &mut |entry| is_there = entry.is_some());
        is_there
    }

    /// Writes an entry.
    pub fn put<E: Entry>(&mut self, key: &E::Key, entry: &E) {
        self.writes.insert(entry_place::<E>(key), Some(entry.to_kept()));
    }

    /// Removes an entry.
    pub fn delete<E: Entry>(&mut self, key: &E::Key) {
        self.writes.insert(entry_place::<E>(key), None);
    }

    /// Records something that changed.
    pub fn record(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// What moved so far.
    pub fn movements(&self) -> &[Movement] {
        &self.movements
    }

    /// An account's balance of a token; zero where there is no entry.
    pub fn balance(&self, account: AccountId, token: TokenId) -> Balance {
        self.read::<Balance>(&(account, token)).unwrap_or_default()
    }

    /// What there is of a token.
    pub fn circulation(&self, token: TokenId) -> Amount {
        self.read::<Circulation>(&token).unwrap_or_default().0
    }

    /// Holds an account to having so much available, for what moves it in several parts: a decline then tells the whole.
    ///
    /// # Errors
    /// `INSUFFICIENT_FUNDS`.
    pub fn require_available(&self, token: TokenId, account: AccountId, amount: Amount) -> Result<(), Reason> {
        self.less_available(account, token, amount).map(drop)
    }

    /// Moves available value from one account to another.
    ///
    /// # Errors
    /// `INSUFFICIENT_FUNDS`, `AMOUNT_OVERFLOW`, or `SAME_ACCOUNT` if the two are one.
    pub fn transfer(&mut self, token: TokenId, from: AccountId, to: AccountId, amount: Amount) -> Result<(), Reason> {
        if from == to {
            return Err(Reason::SameAccount { account: from });
        }
        let payer = self.less_available(from, token, amount)?;
        let payee = self.more_available(to, token, amount)?;
        self.set_balance(from, token, payer);
        self.set_balance(to, token, payee);
        self.moved(MovementKind::Transfer, token, Some(from), Some(to), amount);
        Ok(())
    }

    /// Brings new value into circulation. Whether reserves allow it is for the caller to have checked, and for the block's
    /// invariants to check again.
    ///
    /// # Errors
    /// `AMOUNT_OVERFLOW`.
    pub fn mint(&mut self, token: TokenId, to: AccountId, amount: Amount) -> Result<(), Reason> {
        let overflow = Reason::AmountOverflow { token };
        let circulation = self.circulation(token).checked_add(amount).ok_or(overflow)?;
        let payee = self.more_available(to, token, amount)?;
        self.put(&token, &Circulation(circulation));
        self.set_balance(to, token, payee);
        self.moved(MovementKind::Mint, token, None, Some(to), amount);
        Ok(())
    }

    /// Sets available value aside under an id.
    ///
    /// # Errors
    /// `INSUFFICIENT_FUNDS`; `ALREADY_EXISTS` if a lock of this id is open.
    pub fn lock(
        &mut self,
        id: ObjectId,
        account: AccountId,
        token: TokenId,
        amount: Amount,
        purpose: LockPurpose,
    ) -> Result<(), Reason> {
        if self.read::<Lock>(&id).is_some() {
            return Err(Reason::AlreadyExists { object: id });
        }
        let mut balance = self.less_available(account, token, amount)?;
        balance.locked = balance.locked.checked_add(amount).ok_or(Reason::AmountOverflow { token })?;
        self.set_balance(account, token, balance);
        self.put(&id, &Lock { account, token, amount, purpose });
        self.moved(MovementKind::Lock, token, Some(account), Some(account), amount);
        Ok(())
    }

    /// Gives locked value back to its account and closes the lock. Returns the lock, or `None` if none of this id is open.
    pub fn unlock(&mut self, id: ObjectId) -> Option<Lock> {
        let lock = self.read::<Lock>(&id)?;
        let mut balance = self.without_locked(&lock)?;
        balance.available = balance.available.checked_add(lock.amount)?;
        self.set_balance(lock.account, lock.token, balance);
        self.delete::<Lock>(&id);
        self.moved(MovementKind::Unlock, lock.token, Some(lock.account), Some(lock.account), lock.amount);
        Some(lock)
    }

    /// Takes locked value out of circulation and closes the lock. Returns the lock, or `None` if none of this id is open.
    pub fn burn_locked(&mut self, id: ObjectId) -> Option<Lock> {
        let lock = self.read::<Lock>(&id)?;
        let balance = self.without_locked(&lock)?;
        let circulation = self.circulation(lock.token).checked_sub(lock.amount)?;
        self.put(&lock.token, &Circulation(circulation));
        self.set_balance(lock.account, lock.token, balance);
        self.delete::<Lock>(&id);
        self.moved(MovementKind::Burn, lock.token, Some(lock.account), None, lock.amount);
        Some(lock)
    }

    /// Ends planning.
    pub fn finish(self) -> Planned {
        let balances = self.touched.iter().map(|key| (*key, self.balance(key.0, key.1))).collect();
        Planned { writes: self.writes, movements: self.movements, balances, effects: self.effects }
    }

    fn less_available(&self, account: AccountId, token: TokenId, amount: Amount) -> Result<Balance, Reason> {
        let mut balance = self.balance(account, token);
        let insufficient = Reason::InsufficientFunds { account, token, required: amount };
        balance.available = balance.available.checked_sub(amount).ok_or(insufficient)?;
        Ok(balance)
    }

    fn more_available(&self, account: AccountId, token: TokenId, amount: Amount) -> Result<Balance, Reason> {
        let mut balance = self.balance(account, token);
        balance.available = balance.available.checked_add(amount).ok_or(Reason::AmountOverflow { token })?;
        Ok(balance)
    }

    fn without_locked(&self, lock: &Lock) -> Option<Balance> {
        let mut balance = self.balance(lock.account, lock.token);
        balance.locked = balance.locked.checked_sub(lock.amount)?;
        Some(balance)
    }

    fn set_balance(&mut self, account: AccountId, token: TokenId, balance: Balance) {
        self.touched.insert((account, token));
        match balance {
            // An empty balance leaves no entry behind: state holds what is held.
            Balance { available: Amount::ZERO, locked: Amount::ZERO } => self.delete::<Balance>(&(account, token)),
            balance => self.put(&(account, token), &balance),
        }
    }

    fn moved(
        &mut self,
        kind: MovementKind,
        token: TokenId,
        from: Option<AccountId>,
        to: Option<AccountId>,
        amount: Amount,
    ) {
        self.movements.push(Movement { kind, token, from, to, amount });
    }
}

impl View for Changes<'_> {
    fn get(&self, column: Column, key: &[u8]) -> Option<Bytes> {
        layered_get(&self.writes, self.base, column, key)
    }

    fn look(&self, column: Column, key: &[u8], seen: &mut dyn FnMut(Option<&[u8]>)) {
        match held(&self.writes, column, key) {
            Some(written) => seen(written.as_deref()),
            None => self.base.look(column, key, seen),
        }
    }

    fn scan(&self, column: Column, from: &[u8], limit: usize) -> Vec<(Bytes, Bytes)> {
        layered_scan(written_from(&self.writes, column, from), self.base, column, from, limit)
    }

    fn note_corruption(&self, column: Column, key: &[u8]) {
        self.base.note_corruption(column, key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::view::MemoryView;
    use proptest::prelude::*;

    const A: AccountId = AccountId([1; 32]);
    const B: AccountId = AccountId([2; 32]);

    fn token() -> TokenId {
        "HKDX".parse().expect("a token id")
    }

    fn amount(units: u64) -> Amount {
        Amount::new(units)
    }

    #[test]
    fn verbs_refuse_what_they_cannot_do_and_change_nothing() {
        let base = MemoryView::default();
        let mut changes = Changes::new(&base);
        changes.mint(token(), A, amount(10)).expect("room for ten");
        assert_eq!(changes.transfer(token(), A, A, amount(1)), Err(Reason::SameAccount { account: A }));
        assert!(matches!(
            changes.transfer(token(), A, B, amount(11)),
            Err(Reason::InsufficientFunds { required, .. }) if required == amount(11)
        ));
        assert_eq!(changes.mint(token(), B, Amount::MAX), Err(Reason::AmountOverflow { token: token() }));
        let id = ObjectId([9; 32]);
        changes.lock(id, A, token(), amount(4), LockPurpose::Redemption).expect("four are there");
        assert!(changes.lock(id, A, token(), amount(1), LockPurpose::Redemption).is_err());
        assert_eq!(changes.unlock(ObjectId([8; 32])), None);
        assert_eq!(changes.balance(A, token()), Balance { available: amount(6), locked: amount(4) });
        assert!(changes.burn_locked(id).is_some());
        assert_eq!((changes.burn_locked(id), changes.circulation(token())), (None, amount(6)));
    }

    proptest! {
        /// Whatever the verbs do, balances add up to circulation and locked value to the open locks.
        #[test]
        fn value_is_conserved(steps in proptest::collection::vec((0u8..5, 0u8..3, 0u8..3, 0u64..50), 0..60)) {
            let base = MemoryView::default();
            let mut changes = Changes::new(&base);
            for (verb, who, whom, units) in steps {
                let (who, whom, lock) = (AccountId([who; 32]), AccountId([whom; 32]), ObjectId([whom; 32]));
                let _ = match verb {
                    0 => changes.mint(token(), who, amount(units)).is_ok(),
                    1 => changes.transfer(token(), who, whom, amount(units)).is_ok(),
                    2 => changes.lock(lock, who, token(), amount(units), LockPurpose::Redemption).is_ok(),
                    3 => changes.unlock(lock).is_some(),
                    _ => changes.burn_locked(lock).is_some(),
                };
            }
            let ids = || (0u8..3).map(|n| [n; 32]);
            let balances: Vec<_> = ids().map(|id| changes.balance(AccountId(id), token())).collect();
            let held: u64 = balances.iter().map(|b| b.available.minor_units() + b.locked.minor_units()).sum();
            prop_assert_eq!(held, changes.circulation(token()).minor_units());
            let locked: u64 = balances.iter().map(|b| b.locked.minor_units()).sum();
            let open: u64 = ids().filter_map(|id| changes.read::<Lock>(&ObjectId(id))).map(|l| l.amount.minor_units()).sum();
            prop_assert_eq!(locked, open);
        }
    }
}
