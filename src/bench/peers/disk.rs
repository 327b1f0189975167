//! The disk by itself: what a write takes until it is synced, in the file system in which the nodes keep their stores.

use super::comparison::median;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

/// Synced writes of each size are measured at most so often.
const WRITES_MAX: usize = 1_000;

/// How long synced writes take, in the median.
#[derive(Clone, Copy, Debug)]
pub struct Syncs {
    /// 4 KiB, appended, then `fdatasync`; in µs.
    pub small_us: f64,
    /// 1 MiB, the same.
    pub large_us: f64,
}

impl Syncs {
    /// Measures each size for half of so long, in a file that is removed afterwards.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn measure(directory: &Path, duration: Duration) -> io::Result<Self> {
        let path = directory.join(format!("synced-writes-{}", std::process::id()));
        let small_us = synced_write_us(&path, 4 * 1024, duration / 2);
        let large_us = synced_write_us(&path, 1024 * 1024, duration / 2);
        let removed = std::fs::remove_file(&path);
        let syncs = Self { small_us: small_us?, large_us: large_us? };
        removed.map(|()| syncs)
    }
}

fn synced_write_us(path: &Path, size: usize, duration: Duration) -> io::Result<f64> {
    let mut file = File::create(path)?;
    let bytes = vec![0xca; size];
    let (deadline, mut took) = (Instant::now() + duration, Vec::new());
    while took.is_empty() || (took.len() < WRITES_MAX && Instant::now() < deadline) {
        let started = Instant::now();
        file.write_all(&bytes)?;
        file.sync_data()?;
        took.push(started.elapsed().as_secs_f64() * 1e6);
    }
    Ok(median(took))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_is_written_at_least_once_and_nothing_stays() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let syncs = Syncs::measure(root.path(), Duration::ZERO).expect("writable");
        assert!(syncs.small_us > 0.0 && syncs.large_us > 0.0, "{syncs:?}");
        assert_eq!(std::fs::read_dir(root.path()).expect("readable").count(), 0);
        assert!(Syncs::measure(&root.path().join("missing"), Duration::ZERO).is_err());
    }
}
