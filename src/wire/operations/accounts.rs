//! Operations on accounts.

use crate::domain::accounts::{CloseAccount, OpenAccount, RotateKeys, key_set};
use crate::ledger::account::{KeySet, Role, Roles};
use crate::ledger::malformed::{Malformed, require};
use crate::wire::fields::{account_id, required};
use crate::wire::pb::accounts as pb;

pub(super) fn open_account(message: pb::OpenAccount) -> Result<OpenAccount, Malformed> {
    let operation = OpenAccount {
        keys: keys(message.keys)?,
        roles: roles(&message.roles)?,
        legal_entity_id: message.legal_entity_id,
        vouching_account: match message.vouching_account_id.is_empty() {
            true => None,
            false => Some(account_id("vouching_account_id", &message.vouching_account_id)?),
        },
    };
    operation.check()?;
    Ok(operation)
}

pub(super) fn rotate_keys(message: pb::RotateKeys) -> Result<RotateKeys, Malformed> {
    Ok(RotateKeys { account: account_id("account_id", &message.account_id)?, keys: keys(message.keys)? })
}

pub(super) fn close_account(message: pb::CloseAccount) -> Result<CloseAccount, Malformed> {
    Ok(CloseAccount { account: account_id("account_id", &message.account_id)? })
}

fn keys(message: Option<pb::KeySet>) -> Result<KeySet, Malformed> {
    let message = required("keys", message)?;
    key_set(&message.public_keys, message.threshold).map_err(|error| error.within("keys"))
}

fn roles(numbers: &[i32]) -> Result<Roles, Malformed> {
    let mut roles = Roles::NONE;
    for (index, number) in numbers.iter().enumerate() {
        let field = || format!("roles[{index}]");
        let role = role(*number).ok_or_else(|| Malformed::new(field(), "it is not a role"))?;
        require(!roles.has(role), field(), "it stands in the list already")?;
        roles = roles.with(role);
    }
    Ok(roles)
}

fn role(number: i32) -> Option<Role> {
    Some(match pb::Role::try_from(number).ok()? {
        pb::Role::Unspecified => return None,
        pb::Role::Institution => Role::Institution,
        pb::Role::Issuer => Role::Issuer,
        pb::Role::IssuanceMaker => Role::IssuanceMaker,
        pb::Role::IssuanceChecker => Role::IssuanceChecker,
        pb::Role::Custodian => Role::Custodian,
        pb::Role::Merchant => Role::Merchant,
        pb::Role::Financier => Role::Financier,
        pb::Role::Observer => Role::Observer,
        pb::Role::Operator => Role::Operator,
        pb::Role::Carrier => Role::Carrier,
        pb::Role::Governance => Role::Governance,
        pb::Role::Auditor => Role::Auditor,
    })
}
