//! The ledger's clock in a story that takes months: how far the nodes' configurations set it ahead of this machine's.
//!
//! # Invariants
//! * Every node has the same, and it only grows: the ledger's time never goes back.
//! * A file is written whole or not at all, and what else stands in it stays.

use super::SandboxError;
use super::addresses::configurations;
use crate::node::Config;
use std::path::Path;

const SECTION: &str = "[rehearsal]";
const KEY: &str = "clock_ahead_ms";

/// How far the nodes of a directory have it ahead, in ms.
///
/// # Errors
/// A configuration does not hold.
pub fn read(directory: &Path) -> Result<u64, SandboxError> {
    let mut ahead_ms = 0;
    for path in configurations(directory) {
        ahead_ms = Config::load(&path, [])?.rehearsal.clock_ahead_ms.max(ahead_ms);
    }
    Ok(ahead_ms)
}

/// Sets it for every node, for when they are started again.
///
/// # Errors
/// A configuration cannot be read or written, or refuses such a clock.
pub fn change(directory: &Path, ahead_ms: u64) -> Result<(), SandboxError> {
    for path in configurations(directory) {
        let unwritable = |cause: std::io::Error| SandboxError::unwritable(&path, &cause);
        let changed = with_clock(&std::fs::read_to_string(&path).map_err(unwritable)?, ahead_ms);
        let config = Config::parse(&changed, &path.display().to_string(), [])?;
        if config.rehearsal.clock_ahead_ms != ahead_ms {
            let why = format!("{KEY} stands in it in another form than the sandbox writes: change it by hand");
            return Err(SandboxError::Unwritable { path, why });
        }
        let partial = path.with_extension("partial");
        let written = std::fs::write(&partial, changed).and_then(|()| std::fs::rename(&partial, &path));
        written.map_err(unwritable)?;
    }
    Ok(())
}

/// A configuration's text with another clock in it.
fn with_clock(text: &str, ahead_ms: u64) -> String {
    let line = format!("{KEY} = {ahead_ms}");
    let (mut section, mut written) = ("", false);
    let mut lines: Vec<&str> = Vec::new();
    for given in text.lines() {
        if given.trim_start().starts_with('[') {
            section = given.trim();
        }
        let is_clock = section == SECTION && given.split_once('=').is_some_and(|(key, _)| key.trim() == KEY);
        written |= is_clock;
        lines.push(if is_clock { &line } else { given });
    }
    if !written {
        lines.extend(["", SECTION, &line]);
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::testnet::{EPOCH_LENGTH_DEFAULT, Plan, Ports, create, node_directory};

    #[test]
    fn every_node_has_the_clock_and_keeps_the_rest() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let plan = Plan {
            directory: directory.path().to_path_buf(),
            network: "test".to_owned(),
            validators: 2,
            ports: Ports::from_first(9000, 2).expect("few ports"),
            idle_interval_ms: 700,
            tls: false,
            epoch_length: EPOCH_LENGTH_DEFAULT,
        };
        create(&plan).expect("made");
        let text = || std::fs::read_to_string(node_directory(directory.path(), 1).join("node.toml")).expect("written");
        let before = text();
        assert_eq!(read(directory.path()).expect("they hold"), 0);
        change(directory.path(), 5).expect("set");
        assert!(text().starts_with(&before), "{}", text());
        change(directory.path(), 86_400_000).expect("set further");
        assert_eq!(read(directory.path()).expect("they hold"), 86_400_000);
        assert_eq!(text().matches(SECTION).count(), before.matches(SECTION).count() + 1);
        let config = Config::load(&node_directory(directory.path(), 1).join("node.toml"), []).expect("it holds");
        assert_eq!((config.peers.len(), config.consensus.idle_interval_ms), (1, 700));
    }
}
