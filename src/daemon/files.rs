//! How many files the process may have open: each connection is one, and so is each file of blocks that consensus begins.
//!
//! # Invariants
//! * Clients never have so many connections that the store or consensus could not open its next file, which ends the node.

use thiserror::Error;

/// What the node opens besides its clients' connections: the store's tables (256) and logs, the engine's logs and blocks, peers, scrapes
/// (128).
const RESERVED: u64 = 640;
/// Besides the connections that are configured there are an eighth as many whose handshake is not over, and so many at least.
const CONNECTIONS_PER_HANDSHAKE: u64 = 8;
const HANDSHAKES_LEAST: u64 = 16;
/// With fewer connections than that a node serves nobody in earnest.
const CONNECTIONS_LEAST: u64 = 64;

/// The process may open too few files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "this process may open {limit} files, and needs {least} at least: raise the limit (`ulimit -n`, LimitNOFILE of its service) and start it again"
)]
pub struct TooFewFiles {
    /// How many it may open.
    pub limit: u64,
    /// How many it needs.
    pub least: u64,
}

/// Raises the limit as far as the connections that are configured need it and the system allows, and tells how many connections there is
/// room for. Where the system knows no such limit, all of them.
///
/// # Errors
/// There is not even room for a few.
pub fn room_for_connections(configured: u32) -> Result<u32, TooFewFiles> {
    match rlimit::increase_nofile_limit(with_handshakes(u64::from(configured)) + RESERVED) {
        Ok(limit) => of_limit(limit, configured),
        Err(_) => Ok(configured),
    }
}

fn of_limit(limit: u64, configured: u32) -> Result<u32, TooFewFiles> {
    let least = RESERVED + with_handshakes(CONNECTIONS_LEAST.min(u64::from(configured)));
    if limit < least {
        return Err(TooFewFiles { limit, least });
    }
    let left = limit - RESERVED;
    let room = left - left.div_ceil(CONNECTIONS_PER_HANDSHAKE + 1).max(HANDSHAKES_LEAST).min(left);
    Ok(u32::try_from(room).unwrap_or(u32::MAX).min(configured))
}

/// Connections, and those besides whose handshake is not over.
fn with_handshakes(connections: u64) -> u64 {
    connections + connections.div_ceil(CONNECTIONS_PER_HANDSHAKE).max(HANDSHAKES_LEAST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_the_files_that_the_node_itself_needs() {
        assert_eq!(of_limit(1_024, 4_096), Ok(341));
        assert_eq!(of_limit(1_000_000, 4_096), Ok(4_096));
        assert_eq!(of_limit(720, 4_096), Ok(64));
        assert_eq!(of_limit(659, 3), Ok(3));
        let refused = of_limit(256, 4_096).unwrap_err();
        assert_eq!(refused, TooFewFiles { limit: 256, least: 720 });
        assert!(refused.to_string().contains("LimitNOFILE"), "{refused}");
    }
}
