//! The log: structured lines on standard error.

use super::DaemonError;
use crate::node::config::{Log, LogFormat};
use tracing::error;
use tracing_subscriber::EnvFilter;

/// What the engine says at `info` is for its own engineers; an operator asks for it by name.
const QUIET: [&str; 5] = [
    "commonware_consensus=warn",
    "commonware_p2p=warn",
    "commonware_runtime=warn",
    "commonware_storage=warn",
    "commonware_broadcast=warn",
];

/// Installs the log for the process, and has a panic say its cause there in one line: the engine's policy for a store
/// that fails under it is to panic, and the operator needs the cause, not the trace. A second installation, as in tests,
/// changes nothing.
pub fn install(log: &Log) -> Result<(), DaemonError> {
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
        std::panic::set_hook(Box::new(|panic| {
            let cause = panic.payload_as_str().unwrap_or("a part of the node panicked");
            let place = panic.location().map(ToString::to_string).unwrap_or_default();
            error!(cause = first_line(cause), place, "the node stops");
        }));
    }
    Ok(())
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
