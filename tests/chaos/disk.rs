//! A small disk for a node, which can be filled: memory that is mounted as one.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Room for a short run several times over; little enough for a small machine.
const SIZE: &str = "size=192m";

/// A disk, mounted as long as this lives.
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one.
    ///
    /// # Errors
    /// What this machine forbids.
    pub fn mount(place: &Path) -> Result<Self, String> {
        std::fs::create_dir_all(place).map_err(|error| error.to_string())?;
        let output = Command::new("mount").args(["-t", "tmpfs", "-o", SIZE, "tmpfs"]).arg(place).output();
        let output = output.map_err(|error| format!("mount: {error}"))?;
        match output.status.success() {
            true => Ok(Self(place.to_path_buf())),
            false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        }
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }

    /// Takes all the room that is left.
    pub fn fill(&self) {
        let mut ballast = File::create(self.ballast()).unwrap();
        let block = vec![0xaa; 1 << 16];
        let mut size = block.len();
        while size > 0 {
            match ballast.write_all(&block[..size]) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => size /= 2,
                Err(error) => panic!("filling {}: {error}", self.0.display()),
            }
        }
    }

    /// Gives the room back.
    pub fn free(&self) {
        let _ = std::fs::remove_file(self.ballast());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}
