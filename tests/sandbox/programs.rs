//! Running the binary.

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

/// The binary with these arguments, undisturbed by the environment of whoever runs the tests.
pub fn causeway<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    another(Path::new(env!("CARGO_BIN_EXE_causeway")), arguments)
}

/// The same of another build.
pub fn another<S: AsRef<std::ffi::OsStr>>(program: &Path, arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CAUSEWAY_")) {
        command.env_remove(name);
    }
    command.args(arguments);
    command
}

/// Runs it to its end.
pub fn run<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Output {
    causeway(arguments).output().expect("the binary runs")
}

/// Runs it, and reads the JSON that it must print.
pub fn json<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Value {
    let output = run(arguments);
    assert!(output.status.success(), "{}", said(&output));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", said(&output)))
}

/// What it said on standard error.
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Holds a failure to its exit code, to one line, and to what that line must name.
pub fn assert_fails(output: &Output, code: i32, named: &[&str]) {
    let said = said(output);
    assert_eq!(output.status.code(), Some(code), "{said}");
    for name in named {
        assert!(said.contains(name), "'{name}' is not in: {said}");
    }
    assert_eq!(said.trim_end().lines().count(), 1, "more than one line: {said}");
}

/// A path as text.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("test paths are UTF-8")
}
