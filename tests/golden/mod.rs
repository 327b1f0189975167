//! Golden files: the formats, pinned byte by byte. What stands in receipts and headers is read for as long as a ledger lasts,
//! so a change of any of these files is a change of format: it needs a line in `CHANGELOG.md`, and clients need to know.
//!
//! `CAUSEWAY_GOLDEN=write cargo test --test suite golden` writes them anew.

pub mod chain;
mod formats;
mod receipts;
mod trade;

use std::fmt::Write as _;
use std::path::PathBuf;

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// Compares with the golden file of this name, or writes it if the environment says so.
fn hold(name: &str, found: &str) {
    let path = file(name);
    if std::env::var_os("CAUSEWAY_GOLDEN").is_some_and(|mode| mode == "write") {
        std::fs::write(&path, found).unwrap();
    }
    let pinned = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        pinned == found,
        "the format pinned in tests/golden/{name} has changed.\n\
         If that is meant: CAUSEWAY_GOLDEN=write cargo test --test suite golden, and a line in CHANGELOG.md.\n\
         pinned:\n{pinned}\nfound:\n{found}"
    );
}

/// Lines of `name = hexadecimal`, and few of `name = text`, as golden files hold them.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn with(mut self, name: &str, bytes: impl AsRef<[u8]>) -> Self {
        writeln!(self.0, "{name} = {}", hex::encode(bytes)).unwrap();
        self
    }

    fn with_text(mut self, name: &str, text: &str) -> Self {
        writeln!(self.0, "{name} = {text}").unwrap();
        self
    }
}
