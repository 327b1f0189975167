//! The log: structured lines on standard error.

use super::DaemonError;
use crate::node::config::{Log, LogFormat};
use std::path::Path;
use tracing::error;
use tracing_subscriber::EnvFilter;

/// What the engine says at `info` is for its own engineers; an operator asks for it by name.
const QUIET: [&str; 7] = [
    "commonware_consensus=warn",
    "commonware_p2p=warn",
    "commonware_runtime=warn",
    "commonware_storage=warn",
    "commonware_broadcast=warn",
    // It warns of a floor that it has passed, at each start of a node that once began from a snapshot, and of nothing else.
    "commonware_consensus::marshal::core::actor=error",
    // It repeats what the panic said; see `install`.
    "commonware_runtime::utils::handle=off",
];

/// A disk with less room than a block and what is written with it is full.
const FULL_BYTES: u64 = 16 << 20;

/// Installs the log for the process, and has a panic say its cause there in one line: the engine's policy for a store
/// that fails under it is to panic, and the operator needs the cause, not the trace. A second installation, as in tests,
/// changes nothing.
///
/// A store that fails mostly does so for want of room, and says anything but that: so the hook looks at the disk.
pub fn install(log: &Log, data_dir: &Path) -> Result<(), DaemonError> {
    let mut filter = EnvFilter::try_new(&log.filter).map_err(|error| DaemonError::LogFilter(error.to_string()))?;
    if !log.filter.contains("commonware") {
        for directive in QUIET {
            filter = filter.add_directive(directive.parse().map_err(|_| DaemonError::LogFilter(directive.to_owned()))?);
        }
    }
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    let installed = match log.format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    // Refused only if a log is installed already.
    if installed.is_ok() {
        let data_dir = data_dir.to_owned();
        std::panic::set_hook(Box::new(move |panic| {
            let cause = first_line(panic.payload_as_str().unwrap_or("a part of the node panicked"));
            let place = panic.location().map(ToString::to_string).unwrap_or_default();
            match full_disk(&data_dir).or_else(|| unreadable_engine(&data_dir, cause, &place)) {
                Some(advice) => error!(cause, place, "the node stops: {advice}"),
                None => error!(cause, place, "the node stops"),
            }
        }));
    }
    Ok(())
}

/// What to do about the disk of the data directory, if it is full.
pub fn full_disk(data_dir: &Path) -> Option<String> {
    let left = fs2::available_space(data_dir).ok().filter(|left| *left < FULL_BYTES)?;
    let (place, left) = (data_dir.display(), left >> 20);
    Some(format!("the disk of {place} is full ({left} MiB left). Free some and start the node again; nothing is lost"))
}

/// What to do about a panic at `place`, if it is in a part of the engine that reads its directory. The engine's own
/// words name neither the directory nor a way out. Only who votes reads the journals of votes.
fn unreadable_engine(data_dir: &Path, cause: &str, place: &str) -> Option<String> {
    let engine = data_dir.join("engine");
    let engine = engine.display();
    // Connections have no files.
    if !place.contains("commonware-") || place.contains("commonware-p2p") {
        return None;
    }
    if cause.contains("Too many open files") || cause.contains("os error 24") {
        return Some(
            "it may open no more files: raise the limit (`ulimit -n`, LimitNOFILE) and start it again; nothing is lost"
                .to_owned(),
        );
    }
    // What was read at the start and cannot be written later is no damage.
    if WRITING.iter().any(|failed| cause.contains(failed)) {
        return Some(format!(
            "the disk did not take what the engine wrote to {engine}: see the system's log, and start the node again; nothing is lost"
        ));
    }
    Some(match place.contains("actors/voter") {
        true => format!(
            "the journal of this key's votes in {engine} cannot be read: `causeway rebuild --without-vote` has the node begin \
             anew from its peers; it then cannot vote until its key is replaced"
        ),
        false => format!(
            "a part of the engine's directory {engine} cannot be read: `causeway rebuild` has the node begin anew from its \
             peers, and keeps the journals of its votes"
        ),
    })
}

/// What the engine says when it cannot write to a journal that it has read.
const WRITING: [&str; 3] = ["unable to append to journal", "unable to sync journal", "unable to prune journal"];

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_written_is_no_reason_to_give_up_a_vote() {
        let place = "/deps/commonware-consensus-2026.10.0/src/simplex/actors/voter/actor.rs:328:10";
        for (cause, advice) in [
            (
                "unable to append to journal: Runtime(BlobOpenFailed(…, Too many open files (os error 24)))",
                "raise the limit",
            ),
            ("unable to sync journal: Runtime(BlobSyncFailed(…, Input/output error (os error 5)))", "did not take"),
        ] {
            let told = unreadable_engine(Path::new("/var/lib/causeway"), cause, place).expect("advice");
            assert!(told.contains(advice) && told.contains("nothing is lost") && !told.contains("rebuild"), "{told}");
        }
    }

    #[test]
    fn a_panic_in_the_engine_names_its_directory_and_one_elsewhere_does_not() {
        let advice = |place| unreadable_engine(Path::new("/var/lib/causeway"), "unable to open journal: …", place);
        for (place, way_out) in [
            (
                "/deps/commonware-consensus-2026.10.0/src/simplex/actors/voter/actor.rs:1081:10",
                "rebuild --without-vote`",
            ),
            ("/deps/commonware-consensus-2026.10.0/src/marshal/core/actor.rs:510:10", "rebuild`"),
        ] {
            let told = advice(place).expect("advice");
            assert!(told.contains("/var/lib/causeway/engine") && told.contains(way_out), "{told}");
        }
        for elsewhere in
            ["src/node/chain.rs:1:1", "/deps/commonware-p2p-2026.10.0/src/authenticated/lookup/network.rs:1:1"]
        {
            assert_eq!(advice(elsewhere), None);
        }
    }
}
