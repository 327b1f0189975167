//! Which version of the protocol the ledger follows, from the epoch after the next on: whoever runs a node has a whole epoch to hear of it.

use super::roster::require_governance;
use crate::ledger::malformed::{Malformed, require};
use crate::ledger::protocol::{PROTOCOL_KEY, PROTOCOL_VERSION_FIRST, Upgrade, protocol_of};
use crate::ledger::{Changes, Context, Effect, Protocol, Reason};

/// How many epochs later than the block of the decision the first one is that follows the version. The first may end at once.
const EPOCHS_OF_NOTICE: u64 = 2;

/// Raises the protocol's version from the epoch after the next on. Nodes whose software does not follow it stop when that begins. The sender
/// has the role of governance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecideUpgrade {
    /// The version: the one after what is in force.
    pub protocol_version: u32,
}

impl DecideUpgrade {
    /// Holds the operation to its static bounds.
    ///
    /// # Errors
    /// A version that no ledger can be raised to.
    pub fn check(&self) -> Result<(), Malformed> {
        let why = "the first version that a ledger can be raised to is 2";
        require(self.protocol_version > PROTOCOL_VERSION_FIRST, "protocol_version", why)
    }

    /// Plans the decision.
    ///
    /// # Errors
    /// Those of [`Context::signed_in_role`], `UPGRADE_DECIDED`, `PROTOCOL_VERSION_NOT_NEXT`.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        require_governance(context, changes)?;
        let (version, in_force) = (self.protocol_version, context.protocol_version(changes));
        require_undecided(context, changes)?;
        if Some(version) != in_force.checked_add(1) {
            return Err(Reason::ProtocolVersionNotNext {
                protocol_version: version.into(),
                protocol_version_in_force: in_force.into(),
            });
        }
        let from_epoch = context.epoch(changes) + EPOCHS_OF_NOTICE;
        changes.put(&PROTOCOL_KEY, &Protocol { version: in_force, decided: Some(Upgrade { version, from_epoch }) });
        changes.record(
            Effect::new("governance.upgrade_decided")
                .with("protocol_version", u64::from(version))
                .with("in_force_epoch", from_epoch),
        );
        Ok(())
    }
}

/// Takes back what was decided of the protocol's version, before its epoch begins. The sender has the role of governance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WithdrawUpgrade {
    /// The version that was decided on.
    pub protocol_version: u32,
}

impl WithdrawUpgrade {
    /// Plans it.
    ///
    /// # Errors
    /// Those of [`Context::signed_in_role`], `NO_UPGRADE_DECIDED`.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        require_governance(context, changes)?;
        let in_force = context.protocol_version(changes);
        if decided(context, changes).is_none_or(|upgrade| upgrade.version != self.protocol_version) {
            return Err(Reason::NoUpgradeDecided { protocol_version: self.protocol_version.into() });
        }
        changes.put(&PROTOCOL_KEY, &Protocol::following(in_force));
        changes.record(
            Effect::new("governance.upgrade_withdrawn").with("protocol_version", u64::from(self.protocol_version)),
        );
        Ok(())
    }
}

/// What is decided and waits for its epoch.
fn decided(context: &Context<'_>, changes: &Changes<'_>) -> Option<Upgrade> {
    protocol_of(changes)?.ahead_of(context.epoch(changes))
}

fn require_undecided(context: &Context<'_>, changes: &Changes<'_>) -> Result<(), Reason> {
    match decided(context, changes) {
        None => Ok(()),
        Some(Upgrade { version, from_epoch }) => {
            Err(Reason::UpgradeDecided { protocol_version: version.into(), in_force_epoch: from_epoch })
        }
    }
}
