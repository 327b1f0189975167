//! Opening an account.

use super::keys_text;
use crate::ledger::account::{KeySet, LEGAL_ENTITY_ID_BYTES_MAX};
use crate::ledger::limits::ACCOUNT_DEPTH_MAX;
use crate::ledger::malformed::{Malformed, require, require_text};
use crate::ledger::{Account, Changes, Context, Effect, OpenItem, Reason, Role, Roles};
use crate::primitives::AccountId;

/// Opens an account under the sender's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenAccount {
    /// Who will sign for it.
    pub keys: KeySet,
    /// What it may do.
    pub roles: Roles,
    /// The company behind it; empty for a natural person.
    pub legal_entity_id: String,
}

impl OpenAccount {
    /// The operation, held to its bounds.
    ///
    /// # Errors
    /// A legal entity id that is too long or is not `REGISTER:ID`.
    pub fn check(&self) -> Result<(), Malformed> {
        check_legal_entity_id(&self.legal_entity_id)
    }

    /// Plans the opening.
    ///
    /// # Errors
    /// `ROLE_REQUIRED`, `ROLE_NOT_GRANTABLE`, `ACCOUNT_TOO_DEEP`, `ACCOUNT_EXISTS`, and those of an unsigned or closed sender.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        let opener = context.signed_by(changes, context.sender)?;
        let grantable = grantable_by(context.sender, opener.roles)?;
        if let Some(role) = self.roles.iter().find(|role| !grantable.has(*role)) {
            return Err(Reason::RoleNotGrantable { role: role.name() });
        }
        let account = Account {
            parent: Some(context.sender),
            keys: self.keys.clone(),
            roles: self.roles,
            legal_entity_id: self.legal_entity_id.clone(),
            closed: false,
        };
        register(changes, context.origin().account_id(), &account)
    }
}

/// Puts a new account on the ledger.
///
/// # Errors
/// `ACCOUNT_EXISTS`, `ACCOUNT_TOO_DEEP`.
pub fn register(changes: &mut Changes<'_>, id: AccountId, account: &Account) -> Result<(), Reason> {
    if changes.read::<Account>(&id).is_some() {
        return Err(Reason::AccountExists { account: id });
    }
    require_depth(changes, account.parent)?;
    changes.put(&id, account);
    if let Some(parent) = account.parent {
        changes.item_opened(parent, OpenItem::Account);
    }
    let mut opened = Effect::new("accounts.opened")
        .with("account", id)
        .with("roles", account.roles.to_string())
        .with("legal_entity_id", account.legal_entity_id.as_str())
        .with("public_keys", keys_text(&account.keys))
        .with("threshold", account.keys.threshold());
    if let Some(parent) = account.parent {
        opened = opened.with("parent", parent);
    }
    changes.record(opened);
    Ok(())
}

/// Holds a legal entity id to its form: empty, or a register and an id in it, `LEI:529900T8BM49AURSDO55`.
pub fn check_legal_entity_id(id: &str) -> Result<(), Malformed> {
    let field = "legal_entity_id";
    require_text(field, id, 0, LEGAL_ENTITY_ID_BYTES_MAX)?;
    let visible = id.bytes().all(|byte| byte.is_ascii_graphic());
    let named = id.split_once(':').is_some_and(|(register, number)| !register.is_empty() && !number.is_empty());
    require(
        id.is_empty() || (visible && named),
        field,
        "it must be empty or REGISTER:ID, such as LEI:529900T8BM49AURSDO55",
    )
}

/// What an account of these roles may grant.
fn grantable_by(id: AccountId, roles: Roles) -> Result<Roles, Reason> {
    let grants = |role, granted: [Role; 2]| granted.into_iter().filter(move |_| roles.has(role));
    if !roles.has(Role::Institution) && !roles.has(Role::Issuer) {
        return Err(Reason::RoleRequired { account: id, role: Role::Institution.name() });
    }
    let by_institution = grants(Role::Institution, [Role::Merchant, Role::Financier]);
    let by_issuer = grants(Role::Issuer, [Role::IssuanceMaker, Role::IssuanceChecker]);
    Ok(by_institution.chain(by_issuer).collect())
}

/// Holds the chain of accounts above a new one to its limit, the new one included.
fn require_depth(changes: &Changes<'_>, parent: Option<AccountId>) -> Result<(), Reason> {
    let mut above = parent;
    for _ in 0..ACCOUNT_DEPTH_MAX {
        let Some(id) = above else { return Ok(()) };
        above = changes.read::<Account>(&id).ok_or(Reason::UnknownAccount { account: id })?.parent;
    }
    Err(Reason::AccountTooDeep { depth_max: ACCOUNT_DEPTH_MAX as u64 })
}
