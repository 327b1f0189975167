//! A node whose data is damaged begins anew from its peers, and goes on voting.
//!
//! The store, and what the engine keeps besides the journals of votes, follow from the chain: peers have all of it. The
//! journals follow from nothing, so they stay where they are, to the last bit. What is set aside is moved and not removed.
//!
//! # Invariants
//! * The journals of votes and the record of them are never moved apart: both stay, or both go, and with them the vote.
//! * Whenever it is interrupted, the node refuses to start or starts as it should, and the command can be run again: the engine's
//!   parts go first, since an engine without progress takes any store, and a store without blocks takes only such an engine.

use super::{DaemonError, PARTITION, bind, engine_directory};
use crate::consensus::voting;
use crate::node::config::Config;
use crate::storage::RocksStore;
use std::path::{Path, PathBuf};

/// What was set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// Where it is now.
    pub place: PathBuf,
    /// Whether the journals of votes stay, so that the node votes once it has caught up.
    pub keeps_vote: bool,
}

/// Sets aside what a node has that its peers have too; with `without_vote`, the journals of its votes as well.
///
/// # Errors
/// The node runs, there is nothing, or a file cannot be moved.
pub fn set_aside(config: &Config, without_vote: bool) -> Result<SetAside, DaemonError> {
    let (store, engine) = (config.data_dir.join("store"), engine_directory(config));
    RocksStore::require_at_rest(&store)?;
    drop(bind(config.listen.p2p, "listen.p2p")?);
    let mut parts = Vec::new();
    let mut keeps_vote = false;
    for entry in std::fs::read_dir(&engine).into_iter().flatten().flatten() {
        let is_of_votes = entry.file_name().to_str().is_some_and(|name| voting::is_of_votes(PARTITION, name));
        keeps_vote |= is_of_votes && !without_vote;
        if without_vote || !is_of_votes {
            parts.push((entry.path(), Path::new("engine").join(entry.file_name())));
        }
    }
    if store.exists() {
        parts.push((store, "store".into()));
    }
    if parts.is_empty() {
        return Err(DaemonError::NothingToRebuild { place: config.data_dir.clone() });
    }
    let place =
        (1u64..).map(|number| config.data_dir.join(format!("set-aside-{number}"))).find(|place| !place.exists());
    let place = place.unwrap_or_else(|| config.data_dir.join("set-aside"));
    for (from, to) in parts {
        let to = place.join(to);
        let moved = std::fs::create_dir_all(to.parent().unwrap_or(&place)).and_then(|()| std::fs::rename(&from, &to));
        moved.map_err(|cause| DaemonError::SetAside { from, to, cause })?;
    }
    Ok(SetAside { place, keeps_vote })
}
