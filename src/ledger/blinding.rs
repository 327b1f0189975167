//! Blinding: how an outcome commits to the balances that it leaves behind without telling them to everyone who reads it.
//!
//! A receipt is shown around: to the payee, to a financier who is asked to lend on it, to an auditor. It names every account
//! that its transaction touched, yet what one of them has left is nobody's business but that account's. So the outcome
//! holds a salted commitment for each balance, and the opening, the figures and the salt, travels beside the outcome, to
//! those who may see them.
//!
//! # Invariants
//! * An opening fits one commitment: account, token, figures and salt are all under the hash.
//! * Salts follow from the whole state before the block ([`Blinding::of_state`]), so validators agree on them, and whoever
//!   does not hold that state cannot try figures until one fits. The state's digest, which headers show, is a hash of
//!   what the salts are made from and gives none of it away.
//!
//! # Deliberately absent
//! Secrecy from validators and observers, who hold the state. And from those who can compute the state of a ledger's first
//! blocks, because they know its genesis and every transaction since: a ledger whose transactions are all public has
//! nothing to blind.

use super::balance::Balance;
use super::outcome::Outcome;
use crate::codec_struct;
use crate::primitives::crypto::{Domain, hash};
use crate::primitives::digest::StateAccumulator;
use crate::primitives::{AccountId, Amount, Encode, Hash, TokenId, TransactionId};

/// What a block's salts are made from. Whoever knows it can open every balance of the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blinding {
    seed: Hash,
}
codec_struct!(Blinding { seed });

impl Blinding {
    /// That of a block, from the sum over the state after its parent.
    pub fn of_state(parent: &StateAccumulator) -> Self {
        Self { seed: hash(Domain::BLINDING, &parent.to_bytes()) }
    }

    /// The salt of one balance after one transaction.
    fn salt(&self, transaction: TransactionId, account: AccountId, token: TokenId) -> Hash {
        hash(Domain::SALT, &(self.seed, (transaction, (account, token))).to_bytes())
    }
}

/// What an outcome says of a balance to everyone: whose, of which token, and a hash that only its opening fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BalanceCommitment {
    /// Whose.
    pub account: AccountId,
    /// Of which token.
    pub token: TokenId,
    /// The hash of the opening.
    pub commitment: Hash,
}
codec_struct!(BalanceCommitment { account, token, commitment });

/// A balance after a transaction: the opening of a commitment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BalanceAfter {
    /// Whose.
    pub account: AccountId,
    /// Of which token.
    pub token: TokenId,
    /// What it may spend.
    pub available: Amount,
    /// What its locks set aside.
    pub locked: Amount,
    /// What keeps others from guessing.
    pub salt: Hash,
}
codec_struct!(BalanceAfter { account, token, available, locked, salt });

impl BalanceAfter {
    /// The commitment that this opens.
    pub fn commitment(&self) -> BalanceCommitment {
        let commitment = hash(Domain::BALANCE, &self.to_bytes());
        BalanceCommitment { account: self.account, token: self.token, commitment }
    }
}

/// A balance that a transaction touched, and what it is afterwards.
pub type Touched = ((AccountId, TokenId), Balance);

/// The openings of a block's outcomes, as nodes keep them beside those: one list for each outcome, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Openings {
    blinding: Blinding,
    balances: Vec<Vec<Balance>>,
}
codec_struct!(Openings { blinding, balances });

impl Openings {
    /// Those of a block without outcomes yet.
    pub fn new(blinding: Blinding) -> Self {
        Self { blinding, balances: Vec::new() }
    }

    /// Those of the genesis block, which has no outcomes.
    pub fn of_genesis() -> Self {
        Self::new(Blinding::of_state(&StateAccumulator::default()))
    }

    /// Keeps the next outcome's balances, and gives what the outcome says of them.
    pub fn commit(&mut self, transaction: TransactionId, touched: &[Touched]) -> Vec<BalanceCommitment> {
        self.balances.push(touched.iter().map(|(_, balance)| *balance).collect());
        let open = |((account, token), balance): &Touched| self.open(transaction, *account, *token, *balance);
        touched.iter().map(|touched| open(touched).commitment()).collect()
    }

    /// Those of the outcome at a place alone.
    pub fn only(&self, index: usize) -> Self {
        let balances = self.balances.get(index).cloned().unwrap_or_default();
        Self { blinding: self.blinding, balances: vec![balances] }
    }

    /// The openings of the outcome at a place.
    pub fn of(&self, index: usize, outcome: &Outcome) -> Vec<BalanceAfter> {
        let balances = self.balances.get(index).map_or(&[][..], Vec::as_slice);
        let open = |(said, balance): (&BalanceCommitment, &Balance)| {
            self.open(outcome.transaction_id, said.account, said.token, *balance)
        };
        outcome.balances.iter().zip(balances).map(open).collect()
    }

    /// Whether these are the openings of these outcomes: each balance is the one that its outcome commits to, and none is left.
    pub fn open_all(&self, outcomes: &[Outcome]) -> bool {
        let opened = |(index, outcome): (usize, &Outcome)| {
            let said = &outcome.balances;
            self.balances.get(index).is_some_and(|balances| balances.len() == said.len())
                && self.of(index, outcome).iter().zip(said).all(|(balance, said)| balance.commitment() == *said)
        };
        self.balances.len() == outcomes.len() && outcomes.iter().enumerate().all(opened)
    }

    fn open(&self, transaction: TransactionId, account: AccountId, token: TokenId, balance: Balance) -> BalanceAfter {
        let Balance { available, locked } = balance;
        BalanceAfter { account, token, available, locked, salt: self.blinding.salt(transaction, account, token) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Decline, Reason};
    use crate::primitives::Decode as _;
    use proptest::prelude::*;

    fn touched(account: u8, available: u64, locked: u64) -> Touched {
        let key = (AccountId([account; 32]), "HKDX".parse().expect("a token id"));
        (key, Balance { available: Amount::new(available), locked: Amount::new(locked) })
    }

    fn openings(state: &[u8]) -> Openings {
        let mut accumulator = StateAccumulator::default();
        accumulator.add(1, b"key", state);
        Openings::new(Blinding::of_state(&accumulator))
    }

    #[test]
    fn the_same_balance_is_committed_to_differently_each_time() {
        let mut block = openings(b"one");
        let first = block.commit(TransactionId([1; 32]), &[touched(7, 5, 0), touched(8, 5, 0)]);
        let second = block.commit(TransactionId([2; 32]), &[touched(7, 5, 0)]);
        let elsewhere = openings(b"another").commit(TransactionId([1; 32]), &[touched(7, 5, 0)]);
        let mut hashes: Vec<Hash> =
            [&first[..], &second, &elsewhere].concat().iter().map(|said| said.commitment).collect();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), 4, "each has a salt of its own");
    }

    proptest! {
        /// What a node keeps opens what the outcome says; and no other figures, owner, token or salt do.
        #[test]
        fn openings_fit_their_commitments_and_nothing_else(
            figures in proptest::collection::vec((any::<u64>(), any::<u64>()), 1..5),
            other in any::<(u64, u64, u8)>(),
        ) {
            let id = TransactionId([3; 32]);
            let touched: Vec<Touched> =
                figures.iter().enumerate().map(|(who, (available, locked))| touched(who as u8, *available, *locked)).collect();
            let mut block = openings(b"state");
            block.commit(TransactionId([1; 32]), &[]);
            let said = block.commit(id, &touched);
            let outcome = Outcome {
                balances: said.clone(),
                ..Outcome::declined(id, Decline::new(0, &Reason::UnknownToken { token: touched[0].0.1 }))
            };
            let block = Openings::from_bytes(&block.to_bytes()).expect("its own encoding");
            let opened = block.of(1, &outcome);
            prop_assert_eq!(opened.iter().map(BalanceAfter::commitment).collect::<Vec<_>>(), said.clone());
            let (available, locked, salt) = (Amount::new(other.0), Amount::new(other.1), Hash([other.2; 32]));
            let known = opened[0];
            let forged = [
                BalanceAfter { available, ..known },
                BalanceAfter { locked, ..known },
                BalanceAfter { salt, ..known },
                BalanceAfter { account: AccountId([200; 32]), ..known },
            ];
            for forged in forged.into_iter().filter(|forged| *forged != known) {
                prop_assert_ne!(forged.commitment(), said[0]);
            }
            prop_assert!(block.of(2, &outcome).is_empty());
        }
    }
}
