//! The clock that the ledger goes by: the runtime's, and in a rehearsal so far ahead of it.
//!
//! # Invariants
//! * Whatever the ledger reckons with (a block's time, expiries, how long ago the newest block was) goes by this clock, and
//!   whatever consensus and the network wait for goes by the runtime's: a moved clock makes nobody wait longer or shorter.

use crate::primitives::BlockTime;
use commonware_runtime::Clock;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How the ledger's time follows from the runtime's. Copies are one clock, which whoever gave it to a node may set while the
/// node runs, as somebody sets a machine's.
#[derive(Clone, Debug, Default)]
pub struct LedgerClock {
    offset_ms: Arc<AtomicI64>,
}

impl LedgerClock {
    /// A clock so far ahead of the runtime's; not at all outside of rehearsals.
    pub fn ahead_by(ahead: Duration) -> Self {
        let clock = Self::default();
        clock.set(i64::try_from(ahead.as_millis()).unwrap_or(i64::MAX));
        clock
    }

    /// Sets how many ms it is ahead of the runtime's, or behind it.
    pub fn set(&self, offset_ms: i64) {
        self.offset_ms.store(offset_ms, Ordering::Relaxed);
    }

    /// Moves it on, or back.
    pub fn shift(&self, ms: i64) {
        self.offset_ms.fetch_add(ms, Ordering::Relaxed);
    }

    /// The ledger's time at a time of the runtime's.
    pub(super) fn at(&self, runtime: SystemTime) -> SystemTime {
        let offset_ms = self.offset_ms.load(Ordering::Relaxed);
        let offset = Duration::from_millis(offset_ms.unsigned_abs());
        let moved = if offset_ms < 0 { runtime.checked_sub(offset) } else { runtime.checked_add(offset) };
        moved.unwrap_or(runtime)
    }

    /// Now, in ms of the Unix epoch.
    pub(super) fn now(&self, clock: &impl Clock) -> BlockTime {
        let since = self.at(clock.current()).duration_since(UNIX_EPOCH).unwrap_or_default();
        BlockTime(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}
