//! Fingerprint keys: one for each supplier and buyer, committed by both; another only while no document stands under it.

use super::registered::{DocumentKind, RegisteredDocument};
use crate::codec_struct;
use crate::ledger::{Account, Changes, Column, Context, Effect, Entry, Malformed, Reason, Role, View};
use crate::primitives::{AccountId, BlockTime, Decode, Encode, Hash};

/// The commitment to the key under which a pair of legal entities fingerprints its orders, invoices and credit notes.
///
/// One for a pair, because with a second key one invoice would have a second fingerprint. So a lost or leaked key is
/// replaced only while no document of the pair is registered. It is kept by legal entity and
/// not by account: a supplier with five accounts still has one key with each buyer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FingerprintKey {
    /// The commitment; [`super::key_commitment`] makes it.
    pub commitment: Hash,
    /// When it was committed.
    pub committed_at: BlockTime,
}
codec_struct!(FingerprintKey { commitment, committed_at });

impl Entry for FingerprintKey {
    const COLUMN: Column = Column::FingerprintKeys;
    /// The supplier's legal entity, and the buyer's.
    type Key = (String, String);
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
    /// `LEGAL_ENTITY_REQUIRED`, `SAME_LEGAL_ENTITY`, `FINGERPRINT_KEY_EXISTS`.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        let Self { supplier, buyer, key_commitment: commitment } = *self;
        if supplier == buyer {
            return Err(Reason::SameAccount { account: supplier });
        }
        let supplier_account = context.signed_in_role(changes, supplier, Role::Merchant)?;
        let buyer_account = context.signed_in_role(changes, buyer, Role::Merchant)?;
        let pair = legal_entities((supplier, &supplier_account), (buyer, &buyer_account))?;
        if let Some(FingerprintKey { commitment, .. }) = changes.read(&pair)
            && a_document_stands(changes, &pair)
        {
            return Err(Reason::FingerprintKeyExists { commitment });
        }
        changes.put(&pair, &FingerprintKey { commitment, committed_at: context.now });
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

/// Whether any document of the pair is registered: what was withdrawn, rejected or cancelled is not.
fn a_document_stands(changes: &Changes<'_>, pair: &(String, String)) -> bool {
    // The pair leads the keys of its fingerprints, so the first from there on is one of them or there is none.
    let first = changes.scan(RegisteredDocument::COLUMN, &pair.to_bytes(), 1).into_iter().next();
    first.is_some_and(|(key, _)| match <((String, String), (DocumentKind, Hash))>::from_bytes(&key) {
        Ok((found, _)) => found == *pair,
        Err(_) => {
            changes.note_corruption(RegisteredDocument::COLUMN, &key);
            true
        }
    })
}
