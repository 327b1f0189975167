//! Who follows without voting.

use super::peer::{Peer, Standing};
use super::roster::{relist, require_governance};
use crate::ledger::limits::REFERENCE_BYTES_MAX;
use crate::ledger::malformed::{Malformed, require_reference};
use crate::ledger::{Changes, Context, Effect, Reason};
use crate::primitives::PublicKey;

/// Lists an observer: its node is let in by the others, follows and verifies, and never votes. The sender has the role of
/// governance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddObserver {
    /// Its node's key.
    pub public_key: PublicKey,
    /// Its name, for people.
    pub name: String,
}

impl AddObserver {
    /// Holds the operation to its static bounds.
    ///
    /// # Errors
    /// The first field that is out of bounds.
    pub fn check(&self) -> Result<(), Malformed> {
        check_key("public_key", &self.public_key)?;
        require_reference("name", &self.name, 1, REFERENCE_BYTES_MAX)
    }

    /// Plans the listing.
    ///
    /// # Errors
    /// Those of [`Context::signed_in_role`], `PEER_LISTED`, `TOO_MANY_PEERS`.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        require_governance(context, changes)?;
        let (key, public_key) = (self.public_key, self.public_key.to_string());
        if let Some(Peer { standing, .. }) = changes.read(&key) {
            return Err(Reason::PeerListed { public_key, standing: standing.name() });
        }
        let standing = Standing::Observer;
        let observer = Peer { name: self.name.clone(), address: None, standing, replaces: None };
        relist(context, changes, [(key, Some(observer))])?;
        changes.record(
            Effect::new("governance.observer_added").with("public_key", public_key).with("name", self.name.as_str()),
        );
        Ok(())
    }
}

/// Takes an observer off the list: its node is cut off. The sender has the role of governance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoveObserver {
    /// Its node's key.
    pub public_key: PublicKey,
}

impl RemoveObserver {
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
    /// Those of [`Context::signed_in_role`], `UNKNOWN_OBSERVER`.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        require_governance(context, changes)?;
        let (key, public_key) = (self.public_key, self.public_key.to_string());
        let observer = changes.read::<Peer>(&key).filter(|peer| peer.standing == Standing::Observer);
        let Some(Peer { name, .. }) = observer else { return Err(Reason::UnknownObserver { public_key }) };
        relist(context, changes, [(key, None)])?;
        changes.record(Effect::new("governance.observer_removed").with("public_key", public_key).with("name", name));
        Ok(())
    }
}

/// Holds a node's key to what a key must be.
///
/// # Errors
/// It is no point of the curve, or one of small order.
pub(super) fn check_key(field: &str, key: &PublicKey) -> Result<(), Malformed> {
    PublicKey::registrable(&key.0).map(drop).map_err(|error| Malformed::new(field, error.to_string()))
}
