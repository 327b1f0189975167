//! What the machine tells of processes and directories: processor time, memory, bytes on disk. Linux only, through `/proc`;
//! elsewhere there is no answer, and the report says so.

pub use crate::api::processor::{own_cpu_time, thread_cpu_time};
use std::path::Path;
use std::time::Duration;

/// The processor time that a process has used, by all its threads, in user and system mode.
pub fn cpu_time(process: u32) -> Option<Duration> {
    cpu_time_of(&std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?, ticks_per_second()?)
}

/// Fields 14 and 15 of `/proc/PID/stat` (proc(5)), counted behind the name, which may hold anything.
fn cpu_time_of(stat: &str, ticks_per_second: u64) -> Option<Duration> {
    let (_, after_name) = stat.rsplit_once(") ")?;
    let mut fields = after_name.split(' ').skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    let used = ticks()?.checked_add(ticks()?)?;
    Some(Duration::from_secs_f64(used as f64 / ticks_per_second as f64))
}

#[cfg(unix)]
#[allow(unsafe_code)]
fn ticks_per_second() -> Option<u64> {
    // SAFETY: asks for a constant of the system.
    u64::try_from(unsafe { libc::sysconf(libc::_SC_CLK_TCK) }).ok().filter(|ticks| *ticks > 0)
}

#[cfg(not(unix))]
fn ticks_per_second() -> Option<u64> {
    None
}

/// The largest resident memory that a process has had, in MiB.
pub fn memory_mib_max(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kibibytes / 1024)
}

/// What a directory takes on the disk, in bytes, with everything under it. What vanishes meanwhile counts nothing.
pub fn directory_bytes(directory: &Path) -> u64 {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let bytes = entries.map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => directory_bytes(&entry.path()),
        Ok(metadata) => allocated(&metadata),
        Err(_) => 0,
    });
    bytes.sum()
}

/// Blocks that are held, and not the length: a log may be allocated ahead, or have holes.
#[cfg(unix)]
fn allocated(metadata: &std::fs::Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    metadata.blocks() * 512
}

#[cfg(not(unix))]
fn allocated(metadata: &std::fs::Metadata) -> u64 {
    metadata.len()
}

/// Whether a directory is kept in memory, where a sync costs nothing and a power cut takes all.
#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
pub fn is_in_memory(directory: &Path) -> bool {
    use std::os::unix::ffi::OsStrExt as _;
    let Ok(path) = std::ffi::CString::new(directory.as_os_str().as_bytes()) else { return false };
    // SAFETY: a path that ends with a zero, and room for the answer, which is all zeros until it is filled.
    unsafe {
        let mut found: libc::statfs = std::mem::zeroed();
        libc::statfs(path.as_ptr(), &raw mut found) == 0 && found.f_type == libc::TMPFS_MAGIC
    }
}

/// Whether a directory is kept in memory: not known here.
#[cfg(not(target_os = "linux"))]
pub fn is_in_memory(_directory: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read_behind_whatever_name() {
        let stat = "42 (a ) b) S 1 42 42 0 -1 4194304 100 0 0 0 150 50 0 0 20 0 9 0 1 2 3";
        assert_eq!(cpu_time_of(stat, 100), Some(Duration::from_secs(2)));
        assert_eq!(cpu_time_of("42 (a) S 1", 100), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_threads_time_is_part_of_its_process() {
        // The process is asked first and last, so that what passes between two questions is its as well.
        let before = (own_cpu_time().expect("told"), thread_cpu_time().expect("told"));
        let sum = (0..2_000_000u64).fold(0, |sum: u64, n| std::hint::black_box(sum ^ n));
        let thread = thread_cpu_time().expect("told");
        let process = own_cpu_time().expect("told");
        assert!(
            thread > before.1 && process - before.0 >= thread - before.1,
            "{before:?} {process:?} {thread:?} {sum}"
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_used_time_and_memory() {
        let process = std::process::id();
        assert!(cpu_time(process).is_some());
        assert!(memory_mib_max(process).is_some_and(|mib| mib > 0));
        assert!(is_in_memory(Path::new("/dev/shm")) && !is_in_memory(Path::new("/proc")));
    }

    #[test]
    fn a_directory_is_as_large_as_what_is_under_it() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let below = directory.path().join("below");
        std::fs::create_dir(&below).expect("made");
        std::fs::write(below.join("file"), vec![1; 100_000]).expect("written");
        assert!(directory_bytes(directory.path()) >= directory_bytes(&below));
        assert_eq!(directory_bytes(&directory.path().join("nowhere")), 0);
    }
}
