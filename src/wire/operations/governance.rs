//! Operations of governance: who validates and who observes.

use crate::domain::governance::{
    AddObserver, AddValidator, DecideUpgrade, RemoveObserver, RemoveValidator, RotateValidatorKey, SetValidatorAddress,
    WithdrawUpgrade,
};
use crate::ledger::PeerAddress;
use crate::ledger::malformed::Malformed;
use crate::wire::fields::public_key;
use crate::wire::pb::governance as pb;

fn address(text: &str) -> Result<PeerAddress, Malformed> {
    text.parse()
        .map_err(|error: crate::ledger::peer_address::ParseAddressError| Malformed::new("address", error.to_string()))
}

pub(super) fn add_validator(message: pb::AddValidator) -> Result<AddValidator, Malformed> {
    let public_key = public_key("public_key", &message.public_key)?;
    let operation = AddValidator { public_key, name: message.name, address: address(&message.address)? };
    operation.check()?;
    Ok(operation)
}

pub(super) fn remove_validator(message: pb::RemoveValidator) -> Result<RemoveValidator, Malformed> {
    let operation = RemoveValidator { public_key: public_key("public_key", &message.public_key)? };
    operation.check()?;
    Ok(operation)
}

pub(super) fn rotate_validator_key(message: pb::RotateValidatorKey) -> Result<RotateValidatorKey, Malformed> {
    let operation = RotateValidatorKey {
        public_key: public_key("public_key", &message.public_key)?,
        new_public_key: public_key("new_public_key", &message.new_public_key)?,
        address: address(&message.address)?,
    };
    operation.check()?;
    Ok(operation)
}

pub(super) fn set_validator_address(message: pb::SetValidatorAddress) -> Result<SetValidatorAddress, Malformed> {
    let public_key = public_key("public_key", &message.public_key)?;
    let operation = SetValidatorAddress { public_key, address: address(&message.address)? };
    operation.check()?;
    Ok(operation)
}

pub(super) fn add_observer(message: pb::AddObserver) -> Result<AddObserver, Malformed> {
    let operation = AddObserver { public_key: public_key("public_key", &message.public_key)?, name: message.name };
    operation.check()?;
    Ok(operation)
}

pub(super) fn remove_observer(message: pb::RemoveObserver) -> Result<RemoveObserver, Malformed> {
    let operation = RemoveObserver { public_key: public_key("public_key", &message.public_key)? };
    operation.check()?;
    Ok(operation)
}

pub(super) fn decide_upgrade(message: pb::DecideUpgrade) -> Result<DecideUpgrade, Malformed> {
    let operation = DecideUpgrade { protocol_version: message.protocol_version };
    operation.check()?;
    Ok(operation)
}

pub(super) fn withdraw_upgrade(message: pb::WithdrawUpgrade) -> Result<WithdrawUpgrade, Malformed> {
    Ok(WithdrawUpgrade { protocol_version: message.protocol_version })
}
