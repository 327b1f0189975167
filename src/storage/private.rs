//! What is nobody else's to read: balances of everyone stand in a store.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Leaves a file or a folder to its owner alone.
///
/// # Errors
/// It is not there, or another user's.
pub fn private(place: &Path) -> io::Result<()> {
    let found = fs::metadata(place)?;
    let mode = if found.is_dir() { 0o700 } else { 0o600 };
    match found.permissions().mode() & 0o077 {
        0 => Ok(()),
        _ => fs::set_permissions(place, Permissions::from_mode(mode)),
    }
}
