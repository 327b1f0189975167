//! Operations of financing that are about other networks.

use crate::domain::financing::{DeclareForeignAccount, LinkForeignAccount, RegisterNetwork, RetireNetwork, TokenPair};
use crate::ledger::ValidatorSet;
use crate::ledger::limits::NETWORK_TOKENS_MAX;
use crate::ledger::malformed::{Malformed, require};
use crate::ledger::validators::VALIDATORS_MAX;
use crate::wire::fields::{account_id, chain_id, public_key, token_id};
use crate::wire::pb::financing as pb;

pub(super) fn register_network(message: pb::RegisterNetwork) -> Result<RegisterNetwork, Malformed> {
    let count = message.validators.len();
    let bound = format!("there are {count} and must be 1 to {VALIDATORS_MAX}, ascending, each once");
    require((1..=VALIDATORS_MAX).contains(&count), "validators", bound.as_str())?;
    let keys = message.validators.iter().enumerate();
    let keys =
        keys.map(|(index, key)| public_key(&format!("validators[{index}]"), key)).collect::<Result<Vec<_>, _>>()?;
    require(keys.is_sorted(), "validators", bound.as_str())?;
    let validators = ValidatorSet::new(keys).ok_or_else(|| Malformed::new("validators", bound))?;
    let count = message.tokens.len();
    let bound = format!("there are {count} and must be at most {NETWORK_TOKENS_MAX}");
    require(count <= NETWORK_TOKENS_MAX, "tokens", bound)?;
    let pair = |(index, pair): (usize, pb::TokenPair)| {
        let there = token_id(&format!("tokens[{index}].token_id_there"), &pair.token_id_there)?;
        let here = token_id(&format!("tokens[{index}].token_id_here"), &pair.token_id_here)?;
        Ok(TokenPair { there, here })
    };
    let operation = RegisterNetwork {
        network: chain_id("network_chain_id", &message.network_chain_id)?,
        name: message.name,
        validators,
        epoch_length: message.epoch_length,
        tokens: message.tokens.into_iter().enumerate().map(pair).collect::<Result<_, Malformed>>()?,
    };
    operation.check()?;
    Ok(operation)
}

pub(super) fn retire_network(message: pb::RetireNetwork) -> Result<RetireNetwork, Malformed> {
    Ok(RetireNetwork { network: chain_id("network_chain_id", &message.network_chain_id)? })
}

pub(super) fn declare_foreign_account(message: pb::DeclareForeignAccount) -> Result<DeclareForeignAccount, Malformed> {
    Ok(DeclareForeignAccount {
        network: chain_id("network_chain_id", &message.network_chain_id)?,
        account: account_id("foreign_account_id", &message.foreign_account_id)?,
    })
}

pub(super) fn link_foreign_account(message: pb::LinkForeignAccount) -> Result<LinkForeignAccount, Malformed> {
    let operation = LinkForeignAccount { receipt: message.receipt };
    operation.check()?;
    Ok(operation)
}
