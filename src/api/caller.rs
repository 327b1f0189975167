//! Who calls, as far as reading goes: proven by a signature in the call's metadata.
//!
//! | metadata | value |
//! |---|---|
//! | `causeway-account` | the account, `cw1…` or 64 hexadecimal digits |
//! | `causeway-public-key` | one of its keys, in hexadecimal |
//! | `causeway-expires-ms` | until when the signature holds, in ms of the Unix epoch, at most 5 minutes ahead |
//! | `causeway-signature` | by that key in namespace `causeway/read/v1` over chain id, account (32 bytes each), expiry (`u64`, big-endian), and the method's full path |
//!
//! The signature names ledger and method, so that it is of no use elsewhere. Within its minutes it can be replayed by who
//! can read the connection, who then reads nothing that it has not read already: off the loopback there is TLS.

use super::call::MethodPath;
use super::status::{status, unavailable};
use crate::ledger::{Account, Role};
use crate::node::service::{LedgerHandle, Snapshot};
use crate::primitives::crypto::READ_NAMESPACE;
use crate::primitives::{AccountId, ChainId, Encode as _, PublicKey, Signature};
use std::time::{SystemTime, UNIX_EPOCH};
use tonic::metadata::MetadataMap;
use tonic::{Code, Request, Status};

/// How far ahead a read signature may expire.
pub const READ_AUTHORISATION_AHEAD_MS_MAX: u64 = 5 * 60 * 1000;

const ACCOUNT: &str = "causeway-account";
const PUBLIC_KEY: &str = "causeway-public-key";
const EXPIRES: &str = "causeway-expires-ms";
const SIGNATURE: &str = "causeway-signature";

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    /// Somebody, who may read public facts.
    Anyone,
    /// An account, which sees what concerns it and the accounts under it.
    Account(AccountId),
    /// An auditor, or governance, which sees every lender's book and loans besides.
    Supervisor(AccountId),
    /// An observer or operator, who sees everything.
    Overseer(AccountId),
}

impl Caller {
    /// An account that calls, by the roles that it has now.
    pub(super) fn of(id: AccountId, account: &Account) -> Self {
        let has_one_of = |roles: [Role; 2]| roles.into_iter().any(|role| account.roles.has(role));
        if has_one_of([Role::Observer, Role::Operator]) {
            Self::Overseer(id)
        } else if has_one_of([Role::Auditor, Role::Governance]) {
            Self::Supervisor(id)
        } else {
            Self::Account(id)
        }
    }

    /// The account that calls, if one does: what page tokens are bound to.
    pub(super) fn account(self) -> Option<AccountId> {
        match self {
            Self::Anyone => None,
            Self::Account(account) | Self::Supervisor(account) | Self::Overseer(account) => Some(account),
        }
    }

    /// The caller, if it proved to be somebody.
    pub(super) fn required(self) -> Result<Self, Status> {
        match self {
            Self::Anyone => Err(status(
                Code::Unauthenticated,
                "READ_AUTHORISATION_REQUIRED",
                "this call reads more than public facts: sign it as docs/wire.md describes",
            )),
            caller => Ok(caller),
        }
    }
}

/// The message that a reader signs.
pub fn read_message(chain_id: ChainId, account: AccountId, expires_at_ms: u64, method_path: &str) -> Vec<u8> {
    let mut message = Vec::with_capacity(72 + method_path.len());
    chain_id.encode(&mut message);
    account.encode(&mut message);
    expires_at_ms.encode(&mut message);
    message.extend_from_slice(method_path.as_bytes());
    message
}

/// Who makes this call, and the state that the answer is to be read from.
pub(super) fn identify<T>(ledger: &dyn LedgerHandle, request: &Request<T>) -> Result<(Caller, Snapshot), Status> {
    let snapshot = ledger.snapshot().map_err(unavailable)?;
    let path = request.extensions().get::<MethodPath>().map_or("", |path| path.0.as_str());
    let caller = caller_of(request.metadata(), path, ledger.identity().chain_id, &snapshot, now_ms())?;
    Ok((caller, snapshot))
}

/// The key that the call is signed with, if it is.
pub(super) fn signing_key(metadata: &MetadataMap) -> Option<PublicKey> {
    metadata.get(PUBLIC_KEY)?.to_str().ok()?.parse().ok()
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn refuse(reason: &str, message: impl Into<String>) -> Status {
    status(Code::Unauthenticated, reason, message)
}

fn caller_of(
    metadata: &MetadataMap,
    path: &str,
    chain_id: ChainId,
    snapshot: &Snapshot,
    now_ms: u64,
) -> Result<Caller, Status> {
    let keys = [ACCOUNT, PUBLIC_KEY, EXPIRES, SIGNATURE];
    if keys.iter().all(|key| metadata.get(*key).is_none()) {
        return Ok(Caller::Anyone);
    }
    let account: AccountId = parsed(metadata, ACCOUNT, |text| text.parse().ok())?;
    let public_key: PublicKey = parsed(metadata, PUBLIC_KEY, |text| text.parse().ok())?;
    let expires_at_ms: u64 = parsed(metadata, EXPIRES, |text| text.parse().ok())?;
    let signature: Signature = parsed(metadata, SIGNATURE, |text| {
        let mut bytes = [0; 64];
        hex::decode_to_slice(text, &mut bytes).ok().map(|()| Signature(bytes))
    })?;
    if expires_at_ms < now_ms {
        return Err(refuse(
            "READ_AUTHORISATION_EXPIRED",
            "the read signature has expired: sign again, and check the clock",
        ));
    }
    if expires_at_ms - now_ms > READ_AUTHORISATION_AHEAD_MS_MAX {
        let message = "the read signature expires more than 5 minutes ahead: sign with an earlier expiry";
        return Err(refuse("READ_AUTHORISATION_TOO_FAR", message));
    }
    // One answer for an unknown account, a foreign key and a bad signature: whoever asks has proven nothing yet.
    let unproven = || {
        let message = "the read signature does not verify, or its key is not one of the account's";
        refuse("READ_SIGNATURE_INVALID", message)
    };
    let message = read_message(chain_id, account, expires_at_ms, path);
    if !public_key.verify(READ_NAMESPACE, &message, &signature) {
        return Err(unproven());
    }
    let found: Account = snapshot.view.read(&account).ok_or_else(unproven)?;
    if found.closed || !found.keys.keys().contains(&public_key) {
        return Err(unproven());
    }
    Ok(Caller::of(account, &found))
}

fn parsed<T>(metadata: &MetadataMap, key: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T, Status> {
    let text = metadata.get(key).and_then(|value| value.to_str().ok());
    text.and_then(parse).ok_or_else(|| {
        let message = format!("the metadata '{key}' is missing or malformed: all four of a read signature are needed");
        refuse("READ_AUTHORISATION_MALFORMED", message)
    })
}
