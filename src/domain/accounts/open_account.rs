//! Opening an account.

use super::keys_text;
use crate::ledger::account::KeySet;
use crate::ledger::legal_entity::check_legal_entity_id;
use crate::ledger::limits::ACCOUNT_DEPTH_MAX;
use crate::ledger::malformed::{Malformed, require};
use crate::ledger::{Account, Changes, Context, Effect, LegalEntity, OpenItem, Reason, Role, Roles};
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
    /// An open account of that company, which signs too: what it takes where somebody else opened the first.
    pub vouching_account: Option<AccountId>,
}

impl OpenAccount {
    /// The operation, held to its bounds.
    ///
    /// # Errors
    /// A legal entity id that is not in its form, or a voucher for nobody.
    pub fn check(&self) -> Result<(), Malformed> {
        check_legal_entity_id(&self.legal_entity_id)?;
        let for_somebody = self.vouching_account.is_none() || !self.legal_entity_id.is_empty();
        require(for_somebody, "vouching_account_id", "it must be empty where legal_entity_id is")
    }

    /// Plans the opening. As many of its keys sign as will have to: nobody gives an account keys that are another's.
    ///
    /// # Errors
    /// `ROLE_REQUIRED`, `ROLE_NOT_GRANTABLE`, `LEGAL_ENTITY_TAKEN`, `NEW_KEYS_DID_NOT_SIGN`, `ACCOUNT_TOO_DEEP`, `ACCOUNT_EXISTS`,
    /// and those of an unsigned, unknown or closed sender or voucher.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        let opener = context.signed_by(changes, context.sender)?;
        let grantable = grantable_by(context.sender, opener.roles)?;
        if let Some(role) = self.roles.iter().find(|role| !grantable.has(*role)) {
            return Err(Reason::RoleNotGrantable { role: role.name() });
        }
        self.require_entity(context, changes)?;
        let id = context.origin().account_id();
        if !self.keys.is_satisfied_by(context.signers) {
            return Err(Reason::NewKeysDidNotSign { account: id });
        }
        let account = Account {
            parent: Some(context.sender),
            keys: self.keys.clone(),
            roles: self.roles,
            legal_entity_id: self.legal_entity_id.clone(),
            closed: false,
        };
        register(changes, id, &account)
    }

    /// Holds the opener to accounts of companies that nobody else brought here, or whose own account vouches.
    fn require_entity(&self, context: &Context<'_>, changes: &Changes<'_>) -> Result<(), Reason> {
        let vouched = match self.vouching_account {
            Some(voucher) => context.signed_by(changes, voucher)?.legal_entity_id == self.legal_entity_id,
            None => false,
        };
        // Whose the entity is stays unsaid: which bank a company is with is no matter of other banks.
        let taken = || Reason::LegalEntityTaken { legal_entity_id: self.legal_entity_id.clone() };
        let of_another =
            changes.read(&self.legal_entity_id).is_some_and(|LegalEntity { opener }| opener != context.sender);
        if of_another && !vouched { Err(taken()) } else { Ok(()) }
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
    bring_legal_entity(changes, id, account);
    if let Some(parent) = account.parent {
        changes.item_opened(parent, OpenItem::Account(id));
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

/// Notes who brought a new account's legal entity onto the ledger, if it is the first account of it.
pub fn bring_legal_entity(changes: &mut Changes<'_>, id: AccountId, account: &Account) {
    let entity = &account.legal_entity_id;
    if !entity.is_empty() && !changes.has::<LegalEntity>(entity) {
        changes.put(entity, &LegalEntity { opener: account.parent.unwrap_or(id) });
    }
}

/// What an account of these roles may grant.
fn grantable_by(id: AccountId, roles: Roles) -> Result<Roles, Reason> {
    let grants = |role, granted: &'static [Role]| granted.iter().copied().filter(move |_| roles.has(role));
    if !roles.has(Role::Institution) && !roles.has(Role::Issuer) {
        return Err(Reason::RoleRequired { account: id, role: Role::Institution.name() });
    }
    let by_institution = grants(Role::Institution, &[Role::Merchant, Role::Financier, Role::Carrier]);
    let by_issuer = grants(Role::Issuer, &[Role::IssuanceMaker, Role::IssuanceChecker]);
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
