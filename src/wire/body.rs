//! Transactions: from the bytes that were signed to what they mean, in one form only.

use super::fields::{account_id, chain_id, public_key, request_id, required, signature, time};
use super::operations::operation;
use super::pb::ledger as pb;
use crate::execution::{Envelope, Operation};
use crate::ledger::limits::{CO_SIGNERS_MAX, OPERATIONS_MAX, SIGNATURES_MAX, TRANSACTION_BYTES_MAX};
use crate::ledger::malformed::{Malformed, require};
use crate::ledger::{SignedTransaction, TransactionSignature};
use crate::primitives::AccountId;
use bytes::Bytes;
use prost::Message as _;
use thiserror::Error;

/// Why a body's bytes are not a transaction, in the order in which it is checked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BodyError {
    /// More bytes than a body may have.
    #[error("the body has {bytes} bytes, at most {TRANSACTION_BYTES_MAX} are allowed")]
    TooLarge {
        /// How many it has.
        bytes: usize,
    },
    /// Not a protobuf message of this type.
    #[error("the body is not a causeway.ledger.v1.TransactionBody: {why}")]
    Undecodable {
        /// The decoder's words.
        why: String,
    },
    /// It decodes, but its bytes are not those that encoding gives.
    #[error(
        "the body is not in its canonical bytes: serialise fields in ascending order, leave defaults out, use the shortest \
         varints, and send no field that this node's proto files do not have (first difference at byte {offset})"
    )]
    NotCanonical {
        /// Where the bytes first differ.
        offset: usize,
    },
    /// A field breaks a bound.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// What a body's bytes mean.
///
/// # Errors
/// The first rule that they break.
pub fn decode_body(bytes: &Bytes) -> Result<(Envelope, Vec<Operation>), BodyError> {
    if bytes.len() > TRANSACTION_BYTES_MAX {
        return Err(BodyError::TooLarge { bytes: bytes.len() });
    }
    let body = pb::TransactionBody::decode(bytes.clone())
        .map_err(|error| BodyError::Undecodable { why: error.to_string() })?;
    let encoded = body.encode_to_vec();
    if encoded != *bytes {
        let agreeing = encoded.iter().zip(bytes.iter()).take_while(|(ours, theirs)| ours == theirs).count();
        return Err(BodyError::NotCanonical { offset: agreeing });
    }
    let envelope = Envelope {
        chain_id: chain_id("chain_id", &body.chain_id)?,
        sender: account_id("sender_account_id", &body.sender_account_id)?,
        request_id: request_id("request_id", &body.request_id)?,
        expires_at: time("expires_at_ms", body.expires_at_ms)?,
        co_signers: co_signers(&body)?,
    };
    Ok((envelope, operations(body.operations)?))
}

/// Who sent a transaction, and whom its body names as co-signers, read from the body without regard to the rest; nobody if the
/// body is no transaction.
pub fn senders_of(body: &Bytes) -> Vec<AccountId> {
    let Ok(body) = pb::TransactionBody::decode(body.clone()) else { return Vec::new() };
    let senders = [&body.sender_account_id].into_iter().chain(&body.co_signer_account_ids);
    senders.filter_map(|id| AccountId::from_slice(id)).collect()
}

fn co_signers(body: &pb::TransactionBody) -> Result<Vec<AccountId>, Malformed> {
    let field = "co_signer_account_ids";
    let count = body.co_signer_account_ids.len();
    require(count <= CO_SIGNERS_MAX, field, format!("there are {count}, at most {CO_SIGNERS_MAX} are allowed"))?;
    let mut accounts: Vec<AccountId> = Vec::with_capacity(count);
    for (index, bytes) in body.co_signer_account_ids.iter().enumerate() {
        let field = format!("{field}[{index}]");
        let account = account_id(&field, bytes)?;
        require(account.as_bytes()[..] != body.sender_account_id[..], &field, "the sender signs anyhow")?;
        require(accounts.last().is_none_or(|last| *last < account), &field, "they must ascend, each once")?;
        accounts.push(account);
    }
    Ok(accounts)
}

fn operations(messages: Vec<pb::Operation>) -> Result<Vec<Operation>, Malformed> {
    let count = messages.len();
    let why = format!("there are {count} and must be 1 to {OPERATIONS_MAX}");
    require((1..=OPERATIONS_MAX).contains(&count), "operations", why)?;
    let convert =
        |(index, message)| operation(message).map_err(|error| error.within(format_args!("operations[{index}]")));
    messages.into_iter().enumerate().map(convert).collect()
}

/// A transaction as it came over the wire, its signatures sorted. Nothing is verified yet.
///
/// # Errors
/// A missing message, a field of the wrong size, too many signatures, or two of one key.
pub fn signed_transaction(message: Option<pb::SignedTransaction>) -> Result<SignedTransaction, Malformed> {
    let message = required("transaction", message)?;
    let count = message.signatures.len();
    let why = format!("there are {count} and must be 1 to {SIGNATURES_MAX}");
    require((1..=SIGNATURES_MAX).contains(&count), "transaction.signatures", why)?;
    let mut signatures = Vec::with_capacity(count);
    for (index, entry) in message.signatures.iter().enumerate() {
        let path = format!("transaction.signatures[{index}]");
        signatures.push(TransactionSignature {
            public_key: public_key(&format!("{path}.public_key"), &entry.public_key)?,
            signature: signature(&format!("{path}.signature"), &entry.signature)?,
        });
    }
    // Copied out of the message that it came in, of which a slice would keep all of 4 MiB for as long as the transaction is kept.
    let body = Bytes::copy_from_slice(&message.body);
    SignedTransaction::new(body, signatures).map_err(|error| Malformed::new("transaction", error.to_string()))
}

/// The message of a transaction.
pub fn signed_transaction_to_pb(signed: &SignedTransaction) -> pb::SignedTransaction {
    let signature = |entry: &TransactionSignature| pb::TransactionSignature {
        public_key: Bytes::copy_from_slice(&entry.public_key.0),
        signature: Bytes::copy_from_slice(&entry.signature.0),
    };
    pb::SignedTransaction {
        body: signed.body().clone(),
        signatures: signed.signatures().iter().map(signature).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_keeps_nothing_of_the_message_that_it_came_in() {
        let message = Bytes::from(vec![7; 4_096]);
        let signature = pb::TransactionSignature {
            public_key: Bytes::copy_from_slice(&[1; 32]),
            signature: Bytes::copy_from_slice(&[2; 64]),
        };
        let came = pb::SignedTransaction { body: message.slice(100..200), signatures: vec![signature] };
        let signed = signed_transaction(Some(came)).expect("it is whole");
        assert!(!message.as_ptr_range().contains(&signed.body().as_ptr()), "a slice keeps all of it");
    }
}
