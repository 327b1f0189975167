//! Receipts and citations as messages, and receipts back.

use super::body::{signed_transaction, signed_transaction_to_pb};
use super::fields::{public_key, required};
use super::pb::{financing, ledger as pb, types};
use crate::domain::financing::Citation;
use crate::ledger::blinding::BalanceAfter;
use crate::ledger::block::Header;
use crate::ledger::malformed::Malformed;
use crate::ledger::outcome::Outcome;
use crate::ledger::receipt::{Anchor, Handover, LaterHeader, PlacedTransaction, Receipt};
use crate::ledger::validators::ValidatorSet;
use crate::primitives::{Decode, Encode as _, Hash, merkle};
use bytes::Bytes;

/// A path.
pub fn path_to_pb(path: &merkle::Path) -> types::MerklePath {
    let siblings = path.siblings.iter().map(|hash| Bytes::copy_from_slice(&hash.0)).collect();
    types::MerklePath { index: path.index, size: path.size, siblings }
}

/// A path, with at most as many siblings as any tree needs.
///
/// # Errors
/// Too many siblings, or one that is not 32 bytes.
pub fn path_from_pb(field: &str, path: Option<types::MerklePath>) -> Result<merkle::Path, Malformed> {
    let path = required(field, path)?;
    if path.siblings.len() > merkle::PATH_LENGTH_MAX {
        let why = format!("there are {} and must be at most {}", path.siblings.len(), merkle::PATH_LENGTH_MAX);
        return Err(Malformed::new(format!("{field}.siblings"), why));
    }
    let sibling = |(index, bytes): (usize, &Bytes)| super::fields::hash(&format!("{field}.siblings[{index}]"), bytes);
    let siblings: Result<Vec<Hash>, _> = path.siblings.iter().enumerate().map(sibling).collect();
    Ok(merkle::Path { index: path.index, size: path.size, siblings: siblings? })
}

/// A receipt.
pub fn receipt_to_pb(receipt: &Receipt) -> pb::Receipt {
    let handover = |handover: &Handover| pb::Handover {
        header: handover.header.to_bytes().into(),
        certificate: handover.certificate.clone(),
        next_validators: handover.next_validators.keys().iter().map(|key| Bytes::copy_from_slice(&key.0)).collect(),
    };
    pb::Receipt {
        receipt_id: Bytes::copy_from_slice(&receipt.id().0),
        height: receipt.header.height,
        transaction: receipt.transaction.as_ref().map(|transaction| signed_transaction_to_pb(&transaction.signed)),
        outcome: receipt.outcome.to_bytes().into(),
        balances: receipt.balances.iter().map(|balance| balance.to_bytes().into()).collect(),
        transaction_path: receipt.transaction.as_ref().map(|transaction| path_to_pb(&transaction.path)),
        outcome_path: Some(path_to_pb(&receipt.outcome_path)),
        header: receipt.header.to_bytes().into(),
        history_path: receipt.later.as_ref().map(|later| path_to_pb(&later.path)),
        certified_header: receipt.later.as_ref().map(|later| later.header.to_bytes().into()).unwrap_or_default(),
        certificate: receipt.certificate.clone(),
        anchor_header_hash: receipt
            .anchor
            .as_ref()
            .map(|anchor| Bytes::copy_from_slice(&anchor.header_hash.0))
            .unwrap_or_default(),
        anchor_path: receipt.anchor.as_ref().map(|anchor| path_to_pb(&anchor.path)),
        handovers: receipt.handovers.iter().map(handover).collect(),
    }
}

/// A receipt from its message. Nothing is verified yet but that id and height are the receipt's own.
///
/// # Errors
/// A part that does not decode, or an id or height that is another's.
pub fn receipt_from_pb(message: pb::Receipt) -> Result<Receipt, Malformed> {
    let transaction = match (message.transaction, message.transaction_path) {
        (None, None) => None,
        (signed, path) => Some(PlacedTransaction {
            signed: signed_transaction(signed)?,
            path: path_from_pb("transaction_path", path)?,
        }),
    };
    let later = match (message.history_path, message.certified_header.is_empty()) {
        (None, true) => None,
        (path, _) => Some(LaterHeader {
            path: path_from_pb("history_path", path)?,
            header: canonical::<Header>("certified_header", &message.certified_header)?,
        }),
    };
    let anchor = match (message.anchor_path, message.anchor_header_hash.is_empty()) {
        (None, true) => None,
        (path, _) => Some(Anchor {
            header_hash: super::fields::hash("anchor_header_hash", &message.anchor_header_hash)?,
            path: path_from_pb("anchor_path", path)?,
        }),
    };
    let receipt = Receipt {
        transaction,
        outcome: canonical::<Outcome>("outcome", &message.outcome)?,
        balances: message.balances.iter().enumerate().map(balance).collect::<Result<_, _>>()?,
        outcome_path: path_from_pb("outcome_path", message.outcome_path)?,
        header: canonical::<Header>("header", &message.header)?,
        later,
        anchor,
        certificate: message.certificate,
        handovers: message.handovers.into_iter().enumerate().map(handover).collect::<Result<_, _>>()?,
    };
    if receipt.id().0[..] != message.receipt_id[..] {
        return Err(Malformed::new("receipt_id", "it is not the id of this receipt"));
    }
    if receipt.header.height != message.height {
        return Err(Malformed::new("height", "it is not the header's"));
    }
    Ok(receipt)
}

fn balance((index, bytes): (usize, &Bytes)) -> Result<BalanceAfter, Malformed> {
    canonical::<BalanceAfter>(&format!("balances[{index}]"), bytes)
}

fn handover((index, message): (usize, pb::Handover)) -> Result<Handover, Malformed> {
    let path = format!("handovers[{index}]");
    let key = |bytes: &Bytes| public_key(&format!("{path}.next_validators"), bytes);
    let keys: Vec<_> = message.next_validators.iter().map(key).collect::<Result<_, _>>()?;
    let unsorted = || Malformed::new(format!("{path}.next_validators"), "keys must ascend, each once");
    let sorted = keys.is_sorted();
    Ok(Handover {
        header: canonical::<Header>(&format!("{path}.header"), &message.header)?,
        certificate: message.certificate,
        next_validators: ValidatorSet::new(keys).filter(|_| sorted).ok_or_else(unsorted)?,
    })
}

fn canonical<T: Decode>(field: &str, bytes: &[u8]) -> Result<T, Malformed> {
    T::from_bytes(bytes).map_err(|error| Malformed::new(field, error.to_string()))
}

/// A citation.
pub fn citation_to_pb(citation: &Citation) -> financing::Citation {
    financing::Citation {
        outcome: citation.outcome.clone(),
        outcome_path: Some(path_to_pb(&citation.outcome_path)),
        header: citation.header.clone(),
        history_path: Some(path_to_pb(&citation.history_path)),
    }
}
