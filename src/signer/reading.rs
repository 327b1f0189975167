//! What a message means that somebody wants signed, and the same in words for the log.

use crate::client::json::body_to_json;
use crate::client::{SigningPurpose, read_statement};
use crate::execution::{Envelope, Operation};
use crate::primitives::{AccountId, BlockTime, ChainId, printable_json};
use crate::wire::pb::FILE_DESCRIPTOR_SET;
use crate::wire::{BodyError, decode_body};
use bytes::Bytes;
use prost_reflect::DescriptorPool;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::LazyLock;

/// The bytes of a statement of who reads before the method's path: ledger, account, time.
const STATEMENT_HEAD_BYTES: usize = 32 + 32 + 8;

/// The message of which an operation is one field.
const OPERATION: &str = "causeway.ledger.v1.Operation";

static POOL: LazyLock<Option<DescriptorPool>> = LazyLock::new(|| DescriptorPool::decode(FILE_DESCRIPTOR_SET).ok());

/// The names of all operations, as the proto files have them.
pub(super) fn operation_names() -> BTreeSet<String> {
    let message = POOL.as_ref().and_then(|pool| pool.get_message_by_name(OPERATION));
    message.iter().flat_map(|message| message.fields()).map(|field| field.name().to_owned()).collect()
}

/// The paths of all calls that nodes have.
fn method_paths() -> &'static BTreeSet<String> {
    static PATHS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
        let services = POOL.iter().flat_map(|pool| pool.services());
        let of_nodes = services.filter(|service| crate::api::SERVICES.contains(&service.full_name()));
        let methods = of_nodes.flat_map(|service| service.methods().collect::<Vec<_>>());
        methods.map(|method| format!("/{}/{}", method.parent_service().full_name(), method.name())).collect()
    });
    &PATHS
}

/// What a message means.
#[derive(Clone, Debug)]
pub enum Meaning {
    /// A transaction.
    Transaction {
        /// What stands around the operations.
        envelope: Envelope,
        /// What it does.
        operations: Vec<Operation>,
        /// The operations' names, in their order.
        names: Vec<String>,
        /// The body, for the log's words.
        body: Value,
    },
    /// A statement of who reads.
    Read {
        /// The ledger.
        chain_id: ChainId,
        /// Who.
        account: AccountId,
        /// Until when the statement holds, in ms of the Unix epoch.
        expires_at_ms: u64,
        /// The call's path.
        path: String,
    },
}

/// Why a message means nothing that is signed here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is no transaction's body in its one form.
    #[error("what is to be signed as a transaction is none: {0}")]
    Transaction(#[from] BodyError),
    /// It is no statement of who reads.
    #[error("what is to be signed as a statement of who reads is none: {0}")]
    Read(&'static str),
}

impl Meaning {
    /// What a message means.
    ///
    /// # Errors
    /// It means nothing of its purpose.
    pub fn of(purpose: SigningPurpose, message: &Bytes) -> Result<Self, Unreadable> {
        match purpose {
            SigningPurpose::Transaction => {
                let (envelope, operations) = decode_body(message)?;
                let body = body_to_json(message);
                let listed = body["operations"].as_array().cloned().unwrap_or_default();
                let name = |operation: &Value| operation.as_object()?.keys().next().cloned();
                let names = listed.iter().map(|operation| name(operation).unwrap_or_default()).collect();
                Ok(Self::Transaction { envelope, operations, names, body })
            }
            SigningPurpose::Read => read_statement_of(message).map_err(Unreadable::Read),
        }
    }

    /// The ledger that it is for.
    pub fn chain_id(&self) -> ChainId {
        match self {
            Self::Transaction { envelope, .. } => envelope.chain_id,
            Self::Read { chain_id, .. } => *chain_id,
        }
    }
}

fn read_statement_of(message: &Bytes) -> Result<Meaning, &'static str> {
    let (head, path) = message.split_at_checked(STATEMENT_HEAD_BYTES).ok_or("it is too short")?;
    let (chain_id, rest) = head.split_at(32);
    let (account, expires_at_ms) = rest.split_at(32);
    let chain_id = ChainId::from_slice(chain_id).ok_or("it names no ledger")?;
    let account = AccountId::from_slice(account).ok_or("it names no account")?;
    let expires_at_ms = u64::from_be_bytes(expires_at_ms.try_into().map_err(|_| "it names no time")?);
    let path = std::str::from_utf8(path).ok().filter(|path| method_paths().contains(*path));
    let path = path.ok_or("it names no call of a node's services")?.to_owned();
    debug_assert_eq!(read_statement(&chain_id, &account, expires_at_ms, &path), message[..]);
    Ok(Meaning::Read { chain_id, account, expires_at_ms, path })
}

impl fmt::Display for Meaning {
    /// In one line. Texts of others' making are quoted, and their control characters escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transaction { envelope, body, .. } => {
                write!(f, "a transaction of {} until {}", envelope.sender, envelope.expires_at)?;
                for co_signer in &envelope.co_signers {
                    write!(f, ", co-signed by {co_signer}")?;
                }
                let operations = body["operations"].as_array().map(Vec::as_slice).unwrap_or_default();
                for (name, fields) in operations.iter().filter_map(Value::as_object).flatten() {
                    write!(f, "; {name} {}", printable_json(&fields.to_string()))?;
                }
                Ok(())
            }
            Self::Read { account, expires_at_ms, path, .. } => {
                write!(f, "reading as {account} by {path} until {}", BlockTime(*expires_at_ms))
            }
        }
    }
}
