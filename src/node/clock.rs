//! The clock that the ledger goes by: the runtime's, and in a rehearsal so far ahead of it.
//!
//! # Invariants
//! * Whatever the ledger reckons with (a block's time, expiries, how long ago the newest block was) goes by this clock, and
//!   whatever consensus and the network wait for goes by the runtime's: a moved clock makes nobody wait longer or shorter.

use crate::primitives::BlockTime;
use commonware_runtime::Clock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How the ledger's time follows from the runtime's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LedgerClock {
    ahead: Duration,
}

impl LedgerClock {
    /// A clock so far ahead of the runtime's; not at all outside of rehearsals.
    pub const fn ahead_by(ahead: Duration) -> Self {
        Self { ahead }
    }

    /// The ledger's time at a time of the runtime's.
    pub(super) fn at(self, runtime: SystemTime) -> SystemTime {
        runtime.checked_add(self.ahead).unwrap_or(runtime)
    }

    /// Now, in ms of the Unix epoch.
    pub(super) fn now(self, clock: &impl Clock) -> BlockTime {
        let since = self.at(clock.current()).duration_since(UNIX_EPOCH).unwrap_or_default();
        BlockTime(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}
