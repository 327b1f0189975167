//! Which version of the protocol a block follows: the rules of execution, the formats of what is hashed, and what nodes
//! say to each other.
//!
//! State names the version, so that whoever executes a block, today or when auditing it in ten years, knows by which rules.
//! Governance raises it by one, from an epoch's first block on, with an epoch's notice. Software follows every version up to its own: nodes are replaced
//! one by one while nothing changes, and then all change at one height.
//!
//! # Invariants
//! * Versions only rise, by one at a time.
//! * Which version a block follows is known when its epoch begins, and does not change within it.

use super::view::{Column, Entry, View};
use crate::codec_struct;

/// The version of the first networks.
pub const PROTOCOL_VERSION_FIRST: u32 = 1;

/// The newest version that this software follows. It follows all before it, too.
pub const PROTOCOL_VERSION_MAX: u32 = 1;

/// The version in force, and what governance decided last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protocol {
    /// The version until the decision is in force.
    pub version: u32,
    /// What was decided last; it may be in force already.
    pub decided: Option<Upgrade>,
}
codec_struct!(Protocol { version, decided });

/// A version that the ledger follows from an epoch on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upgrade {
    /// The version.
    pub version: u32,
    /// The first epoch that follows it.
    pub from_epoch: u64,
}
codec_struct!(Upgrade { version, from_epoch });

impl Entry for Protocol {
    const COLUMN: Column = Column::Chain;
    /// Always [`PROTOCOL_KEY`].
    type Key = u8;
}

/// The key of the protocol in its column.
pub const PROTOCOL_KEY: u8 = b'v';

impl Protocol {
    /// A version, with nothing decided.
    pub fn following(version: u32) -> Self {
        Self { version, decided: None }
    }

    /// The version that an epoch's blocks follow.
    pub fn in_epoch(&self, epoch: u64) -> u32 {
        self.decided.filter(|upgrade| upgrade.from_epoch <= epoch).map_or(self.version, |upgrade| upgrade.version)
    }

    /// What is decided and not in force in an epoch.
    pub fn ahead_of(&self, epoch: u64) -> Option<Upgrade> {
        self.decided.filter(|upgrade| upgrade.from_epoch > epoch)
    }
}

/// The protocol, as state has it; none in a state that is of no ledger.
pub fn protocol_of(view: &dyn View) -> Option<Protocol> {
    view.read(&PROTOCOL_KEY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_is_in_force_from_its_epoch_on() {
        let begun = Protocol::following(1);
        let decided = Protocol { decided: Some(Upgrade { version: 2, from_epoch: 7 }), ..begun };
        assert_eq!([0, 6, 7, 8].map(|epoch| begun.in_epoch(epoch)), [1; 4]);
        assert_eq!([0, 6, 7, 8].map(|epoch| decided.in_epoch(epoch)), [1, 1, 2, 2]);
        assert_eq!([6, 7].map(|epoch| decided.ahead_of(epoch).map(|ahead| ahead.version)), [Some(2), None]);
        assert_eq!(begun.ahead_of(0), None);
    }
}
