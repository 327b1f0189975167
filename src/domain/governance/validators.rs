//! Who votes from the next epoch on, and where.

use super::observers::check_key;
use super::peer::{Peer, Standing};
use super::roster::{in_force_epoch, relist, require_free, require_governance, require_newcomer};
use crate::ledger::limits::REFERENCE_BYTES_MAX;
use crate::ledger::malformed::{Malformed, require, require_reference};
use crate::ledger::{Changes, Context, Effect, PeerAddress, Reason};
use crate::primitives::PublicKey;

/// Gives a key a vote from the next epoch on. The sender has the role of governance, and the key signs too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddValidator {
    /// The key, of a node that is not listed, or observes.
    pub public_key: PublicKey,
    /// Its name, for people.
    pub name: String,
    /// Where it listens for other nodes.
    pub address: PeerAddress,
}

impl AddValidator {
    /// Holds the operation to its static bounds.
    ///
    /// # Errors
    /// The first field that is out of bounds.
    pub fn check(&self) -> Result<(), Malformed> {
        check_key("public_key", &self.public_key)?;
        require_reference("name", &self.name, 1, REFERENCE_BYTES_MAX)
    }

    /// Plans the addition.
    ///
    /// # Errors
    /// Those of [`Context::signed_in_role`], `VALIDATOR_KEY_RETIRED`, `PEER_LISTED`, `VALIDATOR_KEY_DID_NOT_SIGN`,
    /// `VALIDATOR_ADDRESS_TAKEN`, `TOO_MANY_PEERS`, `TOO_MANY_VALIDATORS`, `TOO_MANY_VALIDATOR_CHANGES`.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        require_governance(context, changes)?;
        require_newcomer(context, changes, self.public_key)?;
        require_free(changes, &self.address, &[self.public_key])?;
        let (name, address) = (self.name.clone(), Some(self.address.clone()));
        let joining = Peer { name, address, standing: Standing::Joining, replaces: None };
        relist(context, changes, [(self.public_key, Some(joining))])?;
        changes.record(
            Effect::new("governance.validator_added")
                .with("public_key", self.public_key.to_string())
                .with("name", self.name.as_str())
                .with("address", self.address.to_string())
                .with("in_force_epoch", in_force_epoch(context, changes)),
        );
        Ok(())
    }
}

/// Takes a validator's vote from the next epoch on; its node observes then. One that has not joined yet observes at once, and
/// whom it was to replace stays. The sender has the role of governance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoveValidator {
    /// Its key.
    pub public_key: PublicKey,
}

impl RemoveValidator {
    /// Holds the operation to its static bounds.
    ///
    /// # Errors
    /// The key is none.
    pub fn check(&self) -> Result<(), Malformed> {
        check_key("public_key", &self.public_key)
    }

    /// Plans the removal.
    ///
    /// # Errors
    /// Those of [`Context::signed_in_role`], `UNKNOWN_VALIDATOR`, `VALIDATOR_CHANGE_PENDING`, `TOO_FEW_VALIDATORS`,
    /// `TOO_MANY_VALIDATOR_CHANGES`.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        require_governance(context, changes)?;
        let (key, in_force_epoch) = (self.public_key, in_force_epoch(context, changes));
        let peer = votes_or_joins(changes, key)?;
        let effect = match peer.standing {
            Standing::Joining => {
                let restored = peer.replaces.and_then(|old| Some((old, changes.read::<Peer>(&old)?)));
                let restored = restored.map(|(old, peer)| (old, Peer { standing: Standing::Validator, ..peer }));
                let withdrawn =
                    Peer { address: None, standing: Standing::Observer, replaces: None, name: peer.name.clone() };
                let relisted = [Some((key, withdrawn)), restored].into_iter().flatten();
                relist(context, changes, relisted.map(|(key, peer)| (key, Some(peer))))?;
                Effect::new("governance.validator_withdrawn")
                    .with("public_key", key.to_string())
                    .with("name", peer.name.as_str())
            }
            Standing::Validator => {
                relist(context, changes, [(key, Some(Peer { standing: Standing::Leaving, ..peer.clone() }))])?;
                Effect::new("governance.validator_removed")
                    .with("public_key", key.to_string())
                    .with("name", peer.name.as_str())
                    .with("in_force_epoch", in_force_epoch)
            }
            standing => return Err(pending(key, standing, in_force_epoch)),
        };
        changes.record(effect);
        Ok(())
    }
}

/// Puts another key in a validator's place from the next epoch on. The sender has the role of governance, and the new key signs
/// too; the old one need not, since it may be lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RotateValidatorKey {
    /// The validator's key.
    pub public_key: PublicKey,
    /// The key that takes its place.
    pub new_public_key: PublicKey,
    /// Where the node of the new key listens for others. It may be where that of the old one does.
    pub address: PeerAddress,
}

impl RotateValidatorKey {
    /// Holds the operation to its static bounds.
    ///
    /// # Errors
    /// A key that is none, or the same key twice.
    pub fn check(&self) -> Result<(), Malformed> {
        check_key("public_key", &self.public_key)?;
        check_key("new_public_key", &self.new_public_key)?;
        require(self.public_key != self.new_public_key, "new_public_key", "it must be another key than the old one")
    }

    /// Plans the replacement.
    ///
    /// # Errors
    /// Those of [`Context::signed_in_role`], `UNKNOWN_VALIDATOR`, `VALIDATOR_CHANGE_PENDING`, `VALIDATOR_KEY_RETIRED`,
    /// `PEER_LISTED`, `VALIDATOR_KEY_DID_NOT_SIGN`, `VALIDATOR_ADDRESS_TAKEN`, `TOO_MANY_PEERS`,
    /// `TOO_MANY_VALIDATOR_CHANGES`.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        require_governance(context, changes)?;
        let in_force_epoch = in_force_epoch(context, changes);
        let (old_key, new_key) = (self.public_key, self.new_public_key);
        let old = votes_or_joins(changes, old_key)?;
        if old.standing != Standing::Validator {
            return Err(pending(old_key, old.standing, in_force_epoch));
        }
        require_newcomer(context, changes, new_key)?;
        require_free(changes, &self.address, &[old_key, new_key])?;
        let (name, address) = (old.name.clone(), Some(self.address.clone()));
        let joining = Peer { name, address, standing: Standing::Joining, replaces: Some(old_key) };
        let replaced = Peer { standing: Standing::Replaced, ..old };
        let name = joining.name.clone();
        relist(context, changes, [(new_key, Some(joining)), (old_key, Some(replaced))])?;
        changes.record(
            Effect::new("governance.validator_key_rotated")
                .with("public_key", old_key.to_string())
                .with("new_public_key", new_key.to_string())
                .with("name", name)
                .with("address", self.address.to_string())
                .with("in_force_epoch", in_force_epoch),
        );
        Ok(())
    }
}

/// Says where a validator listens from now on. The sender has the role of governance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetValidatorAddress {
    /// The validator's key.
    pub public_key: PublicKey,
    /// Where it listens for other nodes.
    pub address: PeerAddress,
}

impl SetValidatorAddress {
    /// Holds the operation to its static bounds.
    ///
    /// # Errors
    /// The key is none.
    pub fn check(&self) -> Result<(), Malformed> {
        check_key("public_key", &self.public_key)
    }

    /// Plans the change.
    ///
    /// # Errors
    /// Those of [`Context::signed_in_role`], `UNKNOWN_VALIDATOR`, `VALIDATOR_ADDRESS_TAKEN`.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        require_governance(context, changes)?;
        let key = self.public_key;
        let peer = votes_or_joins(changes, key)?;
        require_free(changes, &self.address, &[key])?;
        let name = peer.name.clone();
        relist(context, changes, [(key, Some(Peer { address: Some(self.address.clone()), ..peer }))])?;
        changes.record(
            Effect::new("governance.validator_address_set")
                .with("public_key", key.to_string())
                .with("name", name)
                .with("address", self.address.to_string()),
        );
        Ok(())
    }
}

/// The peer of this key, which votes in this epoch or in the next.
fn votes_or_joins(changes: &Changes<'_>, key: PublicKey) -> Result<Peer, Reason> {
    let peer = changes.read::<Peer>(&key).filter(|peer| peer.standing != Standing::Observer);
    peer.ok_or_else(|| Reason::UnknownValidator { public_key: key.to_string() })
}

fn pending(key: PublicKey, standing: Standing, in_force_epoch: u64) -> Reason {
    Reason::ValidatorChangePending { public_key: key.to_string(), standing: standing.name(), in_force_epoch }
}
