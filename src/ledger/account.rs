//! Accounts: who may sign, and what they may do.
//!
//! An account's id is derived from the place of its opening and survives every change of its keys. It is controlled by
//! any `threshold` of its `keys`. Roles are capabilities: an operation asks for a role, never for a name.

use crate::primitives::{AccountId, CodecError, Decode, Encode, PublicKey, Reader};
use crate::{codec_struct, codec_tag};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use super::limits::{ACCOUNT_DEPTH_MAX, ACCOUNT_KEYS_MAX};
use super::view::{Column, Entry, View};

/// What an account may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Opens and closes accounts of its customers.
    Institution,
    /// Owns tokens: pays redemptions out, names makers and checkers.
    Issuer,
    /// Requests issuances for the issuer above it.
    IssuanceMaker,
    /// Approves issuances for the issuer above it.
    IssuanceChecker,
    /// Attests reserves.
    Custodian,
    /// Buys and supplies: registers and confirms invoices.
    Merchant,
    /// Finances receivables.
    Financier,
    /// Reads everything.
    Observer,
    /// Runs a validator; reads everything.
    Operator,
    /// Carries or stores goods: records what happens to those of an order.
    Carrier,
    /// Sets what the law sets: the lender's rules. Given by the genesis alone.
    Governance,
    /// Attests the capital of lenders. Given by the genesis alone.
    Auditor,
}
codec_tag!(Role {
    Institution = 0,
    Issuer = 1,
    IssuanceMaker = 2,
    IssuanceChecker = 3,
    Custodian = 4,
    Merchant = 5,
    Financier = 6,
    Observer = 7,
    Operator = 8,
    Carrier = 9,
    Governance = 10,
    Auditor = 11,
});

impl Role {
    /// The role's name in files, on the command line and in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Institution => "institution",
            Self::Issuer => "issuer",
            Self::IssuanceMaker => "issuance-maker",
            Self::IssuanceChecker => "issuance-checker",
            Self::Custodian => "custodian",
            Self::Merchant => "merchant",
            Self::Financier => "financier",
            Self::Observer => "observer",
            Self::Operator => "operator",
            Self::Carrier => "carrier",
            Self::Governance => "governance",
            Self::Auditor => "auditor",
        }
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let names = || Self::ALL.iter().map(|role| role.name()).collect::<Vec<_>>().join(", ");
        Self::ALL
            .iter()
            .copied()
            .find(|role| role.name() == text)
            .ok_or_else(|| format!("'{text}' is not a role; roles are {}", names()))
    }
}

/// A set of roles, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Roles(u32);

impl Roles {
    /// No role.
    pub const NONE: Self = Self(0);

    /// Whether the set has the role.
    pub const fn has(self, role: Role) -> bool {
        self.0 & (1 << role.tag()) != 0
    }

    /// The set with the role.
    pub const fn with(self, role: Role) -> Self {
        Self(self.0 | 1 << role.tag())
    }

    /// Whether every role of `other` is in this set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The roles, in order.
    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL.iter().copied().filter(move |role| self.has(*role))
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Self {
        roles.into_iter().fold(Self::NONE, Self::with)
    }
}

impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iter().map(Role::name).collect::<Vec<_>>().join(", "))
    }
}

impl Encode for Roles {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
}

impl Decode for Roles {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let bits = u32::decode(reader)?;
        if bits >> Role::ALL.len() != 0 {
            return Err(CodecError::Invalid { what: "roles", why: "a bit stands for no role" });
        }
        Ok(Self(bits))
    }
}

/// The keys that control an account: any `threshold` of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySet {
    keys: Vec<PublicKey>,
    threshold: u8,
}

impl KeySet {
    /// A key set, its keys sorted; `None` if there are none or too many, one twice, or a threshold out of reach.
    ///
    /// The keys themselves must have been held to [`PublicKey::registrable`].
    pub fn new(mut keys: Vec<PublicKey>, threshold: u8) -> Option<Self> {
        keys.sort_unstable();
        let distinct = keys.windows(2).all(|pair| pair[0] != pair[1]);
        let reachable = (1..=keys.len()).contains(&usize::from(threshold));
        (distinct && reachable && keys.len() <= ACCOUNT_KEYS_MAX).then_some(Self { keys, threshold })
    }

    /// The keys, sorted.
    pub fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    /// How many of them must sign.
    pub fn threshold(&self) -> u8 {
        self.threshold
    }

    /// Whether enough of the keys are among the signers.
    pub fn is_satisfied_by(&self, signers: &BTreeSet<PublicKey>) -> bool {
        self.keys.iter().filter(|key| signers.contains(key)).count() >= usize::from(self.threshold)
    }

    /// Whether the two sets have a key in common.
    pub fn shares_a_key_with(&self, other: &Self) -> bool {
        self.keys.iter().any(|key| other.keys.binary_search(key).is_ok())
    }
}

impl Encode for KeySet {
    fn encode(&self, out: &mut Vec<u8>) {
        self.keys.encode(out);
        self.threshold.encode(out);
    }
}

impl Decode for KeySet {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let keys: Vec<PublicKey> = reader.list("account keys", ACCOUNT_KEYS_MAX)?;
        let threshold = u8::decode(reader)?;
        let sorted = keys.is_sorted();
        Self::new(keys, threshold).filter(|_| sorted).ok_or(CodecError::Invalid {
            what: "key set",
            why: "keys must be sorted and distinct, and the threshold within reach",
        })
    }
}

/// An account as state holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The account under which it was opened; none for those of the genesis.
    pub parent: Option<AccountId>,
    /// Who may sign for it.
    pub keys: KeySet,
    /// What it may do.
    pub roles: Roles,
    /// The company behind it, by an id of a public register (`LEI:…`, `HKBR:…`) in its one form. Empty for natural
    /// persons, of whom the ledger knows nothing.
    pub legal_entity_id: String,
    /// Whether it was closed. A closed account neither signs nor receives.
    pub closed: bool,
}
codec_struct!(Account { parent, keys, roles, legal_entity_id, closed });

/// Whose customer an account is: the one above it, or it itself, that governance opened or the genesis names.
pub fn institution_of(view: &dyn View, account: AccountId) -> AccountId {
    let (mut institution, mut next) = (account, Some(account));
    for _ in 0..=ACCOUNT_DEPTH_MAX {
        let Some(id) = next else { break };
        let found = view.read::<Account>(&id).filter(|found| !found.roles.has(Role::Governance));
        let Some(found) = found else { break };
        (institution, next) = (id, found.parent);
    }
    institution
}

impl Entry for Account {
    const COLUMN: Column = Column::Accounts;
    type Key = AccountId;
}
