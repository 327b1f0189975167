//! What is nobody else's to read: balances of everyone stand in a store.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

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

/// How many bytes longer than its own path the one is at which a socket is made.
pub const APART_BYTES: usize = ".4194304/s".len();

/// Makes a socket where nobody else reaches it, gives it its mode, and moves it to its place: it is never there with another.
/// What was at the place goes.
///
/// # Errors
/// The folder cannot be written to, or the path is longer than a socket's may be.
pub fn private_socket(place: &Path, mode: u32) -> io::Result<UnixListener> {
    let mut apart = place.as_os_str().to_owned();
    apart.push(format!(".{}", std::process::id()));
    let apart = PathBuf::from(apart);
    let made = listen_apart(&apart, place, mode);
    let _ = fs::remove_dir_all(&apart);
    made
}

fn listen_apart(apart: &Path, place: &Path, mode: u32) -> io::Result<UnixListener> {
    DirBuilder::new().mode(0o700).create(apart)?;
    let made = apart.join("s");
    let listener = UnixListener::bind(&made)?;
    listener.set_nonblocking(true)?;
    fs::set_permissions(&made, Permissions::from_mode(mode))?;
    fs::rename(&made, place)?;
    Ok(listener)
}
