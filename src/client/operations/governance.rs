//! Who validates and who observes. Governance does all of it.

use super::{Kind, Operation, bytes};
use crate::ledger::PeerAddress;
use crate::primitives::PublicKey;
use crate::wire::pb::governance;

/// Gives a key a vote from the next epoch on. The key signs too.
pub fn add_validator(public_key: PublicKey, name: &str, address: &PeerAddress) -> Operation {
    let (public_key, name, address) = (bytes(public_key.0), name.to_owned(), address.to_string());
    Operation(Kind::AddValidator(governance::AddValidator { public_key, name, address }))
}

/// Takes a validator's vote from the next epoch on.
pub fn remove_validator(public_key: PublicKey) -> Operation {
    Operation(Kind::RemoveValidator(governance::RemoveValidator { public_key: bytes(public_key.0) }))
}

/// Puts another key in a validator's place from the next epoch on. The new key signs too.
pub fn rotate_validator_key(public_key: PublicKey, new_public_key: PublicKey, address: &PeerAddress) -> Operation {
    let [public_key, new_public_key] = [public_key, new_public_key].map(|key| bytes(key.0));
    let address = address.to_string();
    Operation(Kind::RotateValidatorKey(governance::RotateValidatorKey { public_key, new_public_key, address }))
}

/// Says where a validator listens.
pub fn set_validator_address(public_key: PublicKey, address: &PeerAddress) -> Operation {
    let (public_key, address) = (bytes(public_key.0), address.to_string());
    Operation(Kind::SetValidatorAddress(governance::SetValidatorAddress { public_key, address }))
}

/// Lists an observer.
pub fn add_observer(public_key: PublicKey, name: &str) -> Operation {
    let (public_key, name) = (bytes(public_key.0), name.to_owned());
    Operation(Kind::AddObserver(governance::AddObserver { public_key, name }))
}

/// Takes an observer off the list.
pub fn remove_observer(public_key: PublicKey) -> Operation {
    Operation(Kind::RemoveObserver(governance::RemoveObserver { public_key: bytes(public_key.0) }))
}

/// Raises the protocol's version from the epoch after the next on.
pub fn decide_upgrade(protocol_version: u32) -> Operation {
    Operation(Kind::DecideUpgrade(governance::DecideUpgrade { protocol_version }))
}

/// Takes back what was decided of the protocol's version.
pub fn withdraw_upgrade(protocol_version: u32) -> Operation {
    Operation(Kind::WithdrawUpgrade(governance::WithdrawUpgrade { protocol_version }))
}
