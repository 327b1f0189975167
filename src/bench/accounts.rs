//! The accounts of a run: a table of keys and ids that takes no memory, since both follow from a seed and a place.
//!
//! One institution opens them, 63 in a transaction, which each of their keys signs. An opened account's id follows from who sent the opening, under which
//! request id and as which operation, so every id is known before anything is sent.

use super::lane::Prepared;
use crate::client::operations::{self, Keys};
use crate::client::{ClientError, KeyPair, Participant, TransactionBuilder};
use crate::ledger::account::Role;
use crate::ledger::limits::{OPERATIONS_MAX, SIGNATURES_MAX};
use crate::primitives::crypto::sha256;
use crate::primitives::ids::Origin;
use crate::primitives::{AccountId, Amount, ChainId, RequestId, TokenId};
use sha2::{Digest as _, Sha512};

/// How many accounts one transaction opens, or funds: each new account's key signs beside the institution's.
const ACCOUNTS_PER_TRANSACTION: u64 =
    (if OPERATIONS_MAX < SIGNATURES_MAX { OPERATIONS_MAX } else { SIGNATURES_MAX - 1 }) as u64;

/// What each account is given, in minor units: more than the busiest payer of any run can spend.
pub const FUNDS: u64 = 1_000_000_000;

/// The accounts of a run.
#[derive(Debug)]
pub struct Accounts {
    /// The ledger.
    pub chain_id: ChainId,
    /// Who opens and funds them.
    pub institution: Participant,
    /// In which token.
    pub token: TokenId,
    /// How many.
    pub count: u64,
    /// From which keys are derived.
    pub seed: u64,
    /// Until when their transactions hold, in ms of the Unix epoch.
    pub expires_at_ms: u64,
    /// Whether each is of a company of its own, as invoices need it.
    pub companies: bool,
}

impl Accounts {
    /// How many transactions it takes to open, or to fund, all of them.
    pub fn transactions(&self) -> u64 {
        self.count.div_ceil(ACCOUNTS_PER_TRANSACTION)
    }

    /// What all of them are given together.
    ///
    /// # Errors
    /// It is more than an amount can be.
    pub fn funds(&self) -> Result<Amount, ClientError> {
        let all = self.count.checked_mul(FUNDS).map(Amount::new);
        all.ok_or_else(|| ClientError::Request(format!("{} accounts are more than can be funded", self.count)))
    }

    /// An account's key: the first half of SHA-512 over the seed and its place.
    pub fn key(&self, index: u64) -> KeyPair {
        let mut hasher = Sha512::new();
        hasher.update(b"causeway/bench/key/v1");
        hasher.update(self.seed.to_be_bytes());
        hasher.update(index.to_be_bytes());
        let mut seed = [0; 32];
        seed.copy_from_slice(&hasher.finalize()[..32]);
        KeyPair::from_seed(&seed)
    }

    /// An account's id.
    pub fn id(&self, index: u64) -> AccountId {
        let (number, place) = (index / ACCOUNTS_PER_TRANSACTION, index % ACCOUNTS_PER_TRANSACTION);
        let request_id = self.request_id(b"open", number);
        let (sender, operation_index) = (self.institution.account, place as u16);
        Origin { sender, request_id, operation_index }.account_id()
    }

    /// The request id of a transaction of the run.
    pub fn request_id(&self, purpose: &[u8], number: u64) -> RequestId {
        let text = [&b"causeway/bench/request/v1"[..], &self.seed.to_be_bytes(), &number.to_be_bytes(), purpose];
        let mut id = [0; RequestId::SIZE];
        id.copy_from_slice(&sha256(&text.concat()).0[..RequestId::SIZE]);
        RequestId(id)
    }

    /// A transaction in the making.
    pub fn draft(&self, sender: AccountId, purpose: &[u8], number: u64) -> TransactionBuilder {
        let request_id = self.request_id(purpose, number);
        TransactionBuilder::with_request_id(self.chain_id, sender, request_id).expires_at_ms(self.expires_at_ms)
    }

    /// The transaction that opens the accounts of a number.
    ///
    /// # Errors
    /// It cannot be signed.
    pub fn opening(&self, number: u64) -> Result<Prepared, ClientError> {
        let mut draft = self.draft(self.institution.account, b"open", number);
        // Each account's key signs that it is one.
        let mut keys = vec![self.institution.key.clone()];
        for index in self.of_number(number) {
            keys.push(self.key(index));
            let role = if self.companies && index % 3 == 2 { Role::Financier } else { Role::Merchant };
            draft.add(operations::open_account(
                Keys::single(self.key(index).public_key()),
                &[role],
                &self.company(index),
            ));
        }
        prepare(draft, &keys.iter().collect::<Vec<_>>(), 0)
    }

    /// The transaction that funds the accounts of a number.
    ///
    /// # Errors
    /// It cannot be signed.
    pub fn funding(&self, number: u64) -> Result<Prepared, ClientError> {
        let from = self.institution.account;
        let mut draft = self.draft(from, b"fund", number);
        let indices = self.of_number(number);
        let transfers = (indices.end - indices.start) as u32;
        for index in indices {
            let amount = Amount::new(FUNDS);
            draft.add(operations::transfer(from, self.id(index), self.token, amount, Default::default()));
        }
        prepare(draft, &[&self.institution.key], transfers)
    }

    /// The legal entity behind an account; empty where the run needs none.
    pub fn company(&self, index: u64) -> String {
        if self.companies { format!("BENCH:{:X}X{index}", self.seed) } else { String::new() }
    }

    fn of_number(&self, number: u64) -> std::ops::Range<u64> {
        let first = number * ACCOUNTS_PER_TRANSACTION;
        first..(first + ACCOUNTS_PER_TRANSACTION).min(self.count)
    }
}

/// Signs a draft that makes so many transfers.
///
/// # Errors
/// It is too large.
pub fn prepare(draft: TransactionBuilder, keys: &[&KeyPair], transfers: u32) -> Result<Prepared, ClientError> {
    let signed = draft.finish().sign(keys.iter().copied())?;
    let id = signed.id();
    Ok(Prepared { signed, id, transfers })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::decode_body;

    fn accounts(count: u64) -> Accounts {
        let institution =
            Participant { name: "bank".into(), account: AccountId([9; 32]), key: KeyPair::from_seed(&[9; 32]) };
        Accounts {
            chain_id: ChainId([1; 32]),
            institution,
            token: "HKDX".parse().expect("a token id"),
            count,
            seed: 7,
            expires_at_ms: 1_000_000,
            companies: false,
        }
    }

    #[test]
    fn every_account_is_opened_once_and_its_id_is_known_beforehand() {
        let accounts = accounts(130);
        let counts: Vec<usize> = (0..accounts.transactions())
            .map(|number| {
                let opening = accounts.opening(number).expect("signed");
                let (_, operations) = decode_body(opening.signed.body()).expect("nodes take it");
                operations.len()
            })
            .collect();
        assert_eq!(counts, [63, 63, 4]);
        let origin =
            Origin { sender: AccountId([9; 32]), request_id: accounts.request_id(b"open", 2), operation_index: 3 };
        assert_eq!(accounts.id(129), origin.account_id());
    }

    #[test]
    fn keys_and_requests_are_the_seeds_and_differ() {
        let (one, other) = (accounts(10), Accounts { seed: 8, ..accounts(10) });
        assert_eq!(one.key(3).public_key(), accounts(10).key(3).public_key());
        assert_ne!(one.key(3).public_key(), one.key(4).public_key());
        assert_ne!(one.key(3).public_key(), other.key(3).public_key());
        assert_ne!(one.request_id(b"open", 1), one.request_id(b"fund", 1));
        assert_ne!(one.request_id(b"open", 1), other.request_id(b"open", 1));
    }
}
