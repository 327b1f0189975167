//! What a node takes on at once.

use serde::Deserialize;
use std::time::Duration;

/// The node's own limits. Those of the ledger's rules are in `ledger::limits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Most transactions admitted and not final yet. More are refused with RESOURCE_EXHAUSTED.
    pub pool_transactions: u32,
    /// What a client's budget of calls fills by in a second; see docs/wire.md.
    pub client_calls_per_second: u32,
    /// Most calls of a client that are open at once.
    pub client_calls_at_once: u32,
    /// Most connections, besides an eighth as many whose handshake is not over.
    pub connections: u32,
    /// Most of them from one address; an IPv6 /48 is one.
    pub connections_per_address: u32,
    /// With less room than that on the disk of its data, in MiB, the node takes no clients' transactions.
    pub disk_free_mib: u32,
    /// How long a graceful shutdown may take, in ms.
    pub shutdown_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            pool_transactions: 50_000,
            client_calls_per_second: 5_000,
            client_calls_at_once: 8_192,
            connections: 4_096,
            connections_per_address: 1_024,
            disk_free_mib: 500,
            shutdown_ms: 5_000,
        }
    }
}

impl Limits {
    /// Whether so many bytes are too little room for more transactions.
    pub fn is_short_of_room(&self, free: u64) -> bool {
        free >> 20 < u64::from(self.disk_free_mib)
    }

    /// How long a graceful shutdown may take.
    pub fn shutdown(&self) -> Duration {
        Duration::from_millis(self.shutdown_ms)
    }

    /// Holds each to the least that makes sense.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        for (key, value, least) in [
            ("limits.pool_transactions", u64::from(self.pool_transactions), 1),
            ("limits.client_calls_per_second", u64::from(self.client_calls_per_second), 100),
            ("limits.client_calls_at_once", u64::from(self.client_calls_at_once), 1),
            ("limits.connections", u64::from(self.connections), 1),
            ("limits.connections_per_address", u64::from(self.connections_per_address), 1),
            ("limits.shutdown_ms", self.shutdown_ms, 100),
        ] {
            if value < least {
                return Err((key, format!("expected at least {least}")));
            }
        }
        Ok(())
    }
}
