//! The runtime's clock, as the ledger reckons time.

use crate::primitives::BlockTime;
use commonware_runtime::Clock;
use std::time::UNIX_EPOCH;

/// Now, in ms of the Unix epoch.
pub(super) fn now(clock: &impl Clock) -> BlockTime {
    let since = clock.current().duration_since(UNIX_EPOCH).unwrap_or_default();
    BlockTime(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
