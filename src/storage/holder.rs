//! Who has a store open: asked of the operating system, without taking anything.
//!
//! RocksDB holds a record lock on its file `LOCK` as long as it is open for writing. Such a lock is asked about with
//! `F_GETLK`, which tells the process that holds it.
//!
//! # Deliberately absent
//! This process: a lock of one's own is not in one's own way. And as the system goes, closing the file that was asked about
//! would release this process's own lock on it, so who writes to a store does not also read it from aside.

use std::path::Path;

const FILE_NAME: &str = "LOCK";

/// The process that has the store in `place` open for writing, if another one does and the system can tell.
#[cfg(unix)]
#[allow(unsafe_code)]
pub(super) fn holder_of(place: &Path) -> Option<u32> {
    use std::os::fd::AsRawFd as _;
    let file = std::fs::File::open(place.join(FILE_NAME)).ok()?;
    // SAFETY: a plain structure of integers, for which zero is a value.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = libc::F_WRLCK as libc::c_short;
    lock.l_whence = libc::SEEK_SET as libc::c_short;
    // SAFETY: the descriptor is open, and the structure outlives the call, which only fills it in.
    let asked = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETLK, &mut lock) };
    let is_held = asked == 0 && lock.l_type != libc::F_UNLCK as libc::c_short;
    if is_held { u32::try_from(lock.l_pid).ok() } else { None }
}

/// Not to be had here.
#[cfg(not(unix))]
pub(super) fn holder_of(_place: &Path) -> Option<u32> {
    None
}
