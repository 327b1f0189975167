//! What a rehearsal on one machine may do and no other network: set the ledger's clock ahead, so that terms end and loans grow
//! late before anyone's eyes; and go through an upgrade before there is one.
//!
//! # Invariants
//! * It is refused unless every address of the node, its own and its peers', is on the loopback: a node that anyone else can
//!   reach has no such clock, by accident or otherwise.

use super::Config;
use crate::ledger::protocol::PROTOCOL_VERSION_MAX;
use crate::node::LedgerClock;
use crate::primitives::time::DAY_MS;
use serde::Deserialize;
use std::net::SocketAddr;
use std::time::Duration;

/// How far the clock may be ahead: ten years, longer than anything on the ledger runs.
const AHEAD_MS_MAX: u64 = 3_653 * DAY_MS;

/// What is done in rehearsals only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rehearsal {
    /// How far the ledger's clock is ahead of this machine's, in ms.
    pub clock_ahead_ms: u64,
    /// The newest version of the protocol that the node takes itself to follow: one after what its software does, whose rules
    /// are then those of the software's newest. 0: what the software does.
    pub protocol_version_max: u32,
}

impl Rehearsal {
    /// The ledger's clock.
    pub fn clock(&self) -> LedgerClock {
        LedgerClock::ahead_by(Duration::from_millis(self.clock_ahead_ms))
    }

    /// The newest version of the protocol that the node follows.
    pub fn protocol_version_max(&self) -> u32 {
        self.protocol_version_max.max(PROTOCOL_VERSION_MAX)
    }

    /// Holds it to a network on one machine. Gives the key that is wrong, and why.
    pub(super) fn check(&self, config: &Config) -> Result<(), (&'static str, String)> {
        let (clock, protocol) = ("rehearsal.clock_ahead_ms", "rehearsal.protocol_version_max");
        if self.clock_ahead_ms > AHEAD_MS_MAX {
            return Err((clock, format!("expected at most {AHEAD_MS_MAX}, which is ten years")));
        }
        let version_next = PROTOCOL_VERSION_MAX + 1;
        if ![0, version_next].contains(&self.protocol_version_max) {
            return Err((protocol, format!("expected {version_next}, which is one more than this software follows")));
        }
        let (key, rule) = match (self.clock_ahead_ms, self.protocol_version_max) {
            (0, 0) => return Ok(()),
            (0, _) => (protocol, "a version of the protocol without its rules is"),
            _ => (clock, "a clock that is set ahead is"),
        };
        let listen = &config.listen;
        let own =
            [("listen.grpc", Some(listen.grpc)), ("listen.p2p", Some(listen.p2p)), ("listen.metrics", listen.metrics)];
        let own = own.into_iter().filter_map(|(key, address)| Some((key, address?)));
        let peers = config.peers.iter().map(|peer| ("a peer", peer.address));
        match own.chain(peers).find(|(_, address): &(&str, SocketAddr)| !address.ip().is_loopback()) {
            None => Ok(()),
            Some((whose, address)) => {
                let rule = format!("{rule} for rehearsals on one machine, never for a network that others reach");
                Err((key, format!("{rule}; {whose} is {address}. Leave it out, or have every address on 127.0.0.1")))
            }
        }
    }
}
