//! Fingerprint keys: one for each supplier and buyer, committed by both; another only while no document stands under it.

use crate::codec_struct;
use crate::ledger::limits::FINGERPRINT_KEYS_MAX;
use crate::ledger::{Account, Changes, Column, Context, Effect, Entry, Malformed, Reason, Role, View as _};
use crate::primitives::{AccountId, BlockTime, Encode as _, Hash};

/// The commitment to the key under which a pair of legal entities fingerprints its orders, invoices and credit notes.
///
/// One for a pair, because with a second key one invoice would have a second fingerprint. So a lost or leaked key is
/// replaced only while no document of the pair is registered, and only so often. It is kept by legal entity and
/// not by account: a supplier with five accounts still has one key with each buyer.
///
/// The documents are counted here. To look for one among the fingerprints would go through all that were ever withdrawn, which a
/// store keeps marks of: a pair that registers and withdraws could make that as long as it likes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FingerprintKey {
    /// The commitment; [`super::key_commitment`] makes it.
    pub commitment: Hash,
    /// When it was committed.
    pub committed_at: BlockTime,
    /// How many keys the pair has committed, this one included.
    pub keys: u16,
    /// How many documents of the pair are registered: what was withdrawn, rejected or cancelled is not.
    pub documents: u64,
}
codec_struct!(FingerprintKey { commitment, committed_at, keys, documents });

impl Entry for FingerprintKey {
    const COLUMN: Column = Column::FingerprintKeys;
    /// The supplier's legal entity, and the buyer's.
    type Key = (String, String);
}

impl FingerprintKey {
    /// Counts a document more or less.
    pub(super) fn count(pair: &(String, String), counted: impl FnOnce(u64) -> Option<u64>, changes: &mut Changes<'_>) {
        let found: Option<Self> = changes.read(pair);
        match found.and_then(|found| Some(Self { documents: counted(found.documents)?, ..found })) {
            Some(found) => changes.put(pair, &found),
            None => changes.note_corruption(Self::COLUMN, &pair.to_bytes()),
        }
    }
}

/// The legal entities of a supplier and a buyer, as the key of their fingerprint key.
///
/// # Errors
/// `LEGAL_ENTITY_REQUIRED`, `SAME_LEGAL_ENTITY`.
pub(super) fn legal_entities(
    (supplier, supplier_account): (AccountId, &Account),
    (buyer, buyer_account): (AccountId, &Account),
) -> Result<(String, String), Reason> {
    for (id, account) in [(supplier, supplier_account), (buyer, buyer_account)] {
        if account.legal_entity_id.is_empty() {
            return Err(Reason::LegalEntityRequired { account: id });
        }
    }
    let pair = (supplier_account.legal_entity_id.clone(), buyer_account.legal_entity_id.clone());
    if pair.0 == pair.1 { Err(Reason::SameLegalEntity { supplier, buyer }) } else { Ok(pair) }
}

/// The same of two accounts by their ids, open or closed.
///
/// # Errors
/// `UNKNOWN_ACCOUNT`, `LEGAL_ENTITY_REQUIRED`, `SAME_LEGAL_ENTITY`.
pub(super) fn legal_entities_of(
    changes: &Changes<'_>,
    supplier: AccountId,
    buyer: AccountId,
) -> Result<(String, String), Reason> {
    let read = |account| changes.read::<Account>(&account).ok_or(Reason::UnknownAccount { account });
    legal_entities((supplier, &read(supplier)?), (buyer, &read(buyer)?))
}

/// The legal entities of a supplier and a buyer who have committed their key.
///
/// # Errors
/// Those of [`legal_entities`], `FINGERPRINT_KEY_NOT_COMMITTED`.
pub(super) fn committed_pair(
    changes: &Changes<'_>,
    supplier: (AccountId, &Account),
    buyer: (AccountId, &Account),
) -> Result<(String, String), Reason> {
    let pair = legal_entities(supplier, buyer)?;
    match changes.has::<FingerprintKey>(&pair) {
        true => Ok(pair),
        false => Err(Reason::FingerprintKeyNotCommitted { supplier: supplier.0, buyer: buyer.0 }),
    }
}

/// Commits the key under which a supplier and a buyer fingerprint their documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitFingerprintKey {
    /// The supplier.
    pub supplier: AccountId,
    /// The buyer.
    pub buyer: AccountId,
    /// The commitment to the key.
    pub key_commitment: Hash,
}

impl CommitFingerprintKey {
    /// Holds the operation to its static bounds, of which there are none beyond its types.
    ///
    /// # Errors
    /// None.
    pub fn check(&self) -> Result<(), Malformed> {
        Ok(())
    }

    /// Plans the commitment.
    ///
    /// # Errors
    /// `SAME_ACCOUNT`, `UNKNOWN_ACCOUNT`, `ACCOUNT_CLOSED`, `MISSING_SIGNATURE`, `ROLE_REQUIRED`,
    /// `LEGAL_ENTITY_REQUIRED`, `SAME_LEGAL_ENTITY`, `FINGERPRINT_KEY_EXISTS`, `TOO_MANY_FINGERPRINT_KEYS`.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        let Self { supplier, buyer, key_commitment: commitment } = *self;
        if supplier == buyer {
            return Err(Reason::SameAccount { account: supplier });
        }
        let supplier_account = context.signed_in_role(changes, supplier, Role::Merchant)?;
        let buyer_account = context.signed_in_role(changes, buyer, Role::Merchant)?;
        let pair = legal_entities((supplier, &supplier_account), (buyer, &buyer_account))?;
        let before: Option<FingerprintKey> = changes.read(&pair);
        if let Some(FingerprintKey { commitment, .. }) = before.filter(|before| before.documents > 0) {
            return Err(Reason::FingerprintKeyExists { commitment });
        }
        let keys = before.map_or(0, |before| before.keys);
        if keys >= FINGERPRINT_KEYS_MAX {
            return Err(Reason::TooManyFingerprintKeys { keys_max: FINGERPRINT_KEYS_MAX.into() });
        }
        let committed_at = context.now;
        changes.put(&pair, &FingerprintKey { commitment, committed_at, keys: keys + 1, documents: 0 });
        changes.record(
            Effect::new("trade.fingerprint_key_committed")
                .with("supplier", supplier)
                .with("buyer", buyer)
                .with("supplier_legal_entity", pair.0)
                .with("buyer_legal_entity", pair.1)
                .with("key_commitment", commitment),
        );
        Ok(())
    }
}
