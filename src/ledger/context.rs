//! What a room knows about the transaction it plans for, besides the state.

use super::account::{Account, Role};
use super::changes::Changes;
use super::history::{PARAMETERS_KEY, Parameters};
use super::protocol::{PROTOCOL_VERSION_FIRST, protocol_of};
use super::reason::Reason;
use crate::primitives::ids::{ObjectKind, Origin};
use crate::primitives::{AccountId, BlockTime, ChainId, ObjectId, PublicKey, RequestId};
use std::collections::BTreeSet;

/// The transaction and the block around an operation.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The ledger.
    pub chain_id: ChainId,
    /// The block's height.
    pub height: u64,
    /// The block's time: the only now there is.
    pub now: BlockTime,
    /// Who sends the transaction. Its signatures were found sufficient.
    pub sender: AccountId,
    /// The transaction's request id.
    pub request_id: RequestId,
    /// The operation's place in the transaction.
    pub operation_index: u16,
    /// The keys whose signatures over the body were verified.
    pub signers: &'a BTreeSet<PublicKey>,
}

impl Context<'_> {
    /// Where the operation stands, from which ids of what it creates are derived.
    pub fn origin(&self) -> Origin {
        Origin { sender: self.sender, request_id: self.request_id, operation_index: self.operation_index }
    }

    /// The id of the object that the operation creates.
    pub fn object_id(&self, kind: ObjectKind) -> ObjectId {
        self.origin().object_id(kind)
    }

    /// The block's epoch.
    pub fn epoch(&self, changes: &Changes<'_>) -> u64 {
        // A state without parameters is of no ledger, and no block is executed on it.
        self.height / changes.read::<Parameters>(&PARAMETERS_KEY).map_or(1, |parameters| parameters.epoch_length.max(1))
    }

    /// The version of the protocol that the block follows. A rule that is another from a version on asks for it here.
    pub fn protocol_version(&self, changes: &Changes<'_>) -> u32 {
        protocol_of(changes).map_or(PROTOCOL_VERSION_FIRST, |protocol| protocol.in_epoch(self.epoch(changes)))
    }

    /// The account, if it signed.
    ///
    /// # Errors
    /// `UNKNOWN_ACCOUNT`, `ACCOUNT_CLOSED`, `MISSING_SIGNATURE`.
    pub fn signed_by(&self, changes: &Changes<'_>, account: AccountId) -> Result<Account, Reason> {
        let found = open_account(changes, account)?;
        if !found.keys.is_satisfied_by(self.signers) {
            return Err(Reason::MissingSignature { account });
        }
        Ok(found)
    }

    /// The account, if it signed and has the role.
    ///
    /// # Errors
    /// Those of [`Self::signed_by`], and `ROLE_REQUIRED`.
    pub fn signed_in_role(&self, changes: &Changes<'_>, account: AccountId, role: Role) -> Result<Account, Reason> {
        let found = self.signed_by(changes, account)?;
        require_role(account, &found, role)?;
        Ok(found)
    }
}

/// The account, if it exists and is open.
///
/// # Errors
/// `UNKNOWN_ACCOUNT`, `ACCOUNT_CLOSED`.
pub fn open_account(changes: &Changes<'_>, account: AccountId) -> Result<Account, Reason> {
    let found: Account = changes.read(&account).ok_or(Reason::UnknownAccount { account })?;
    if found.closed {
        return Err(Reason::AccountClosed { account });
    }
    Ok(found)
}

/// Whether the account has the role.
///
/// # Errors
/// `ROLE_REQUIRED`.
pub fn require_role(id: AccountId, account: &Account, role: Role) -> Result<(), Reason> {
    match account.roles.has(role) {
        true => Ok(()),
        false => Err(Reason::RoleRequired { account: id, role: role.name() }),
    }
}
