//! The file that says a sandbox serves: there while it does, and only then.
//!
//! # Invariants
//! * A reader that waits for the file finds all of it, and never that of an earlier run: it is removed before the validators
//!   start and once they have stopped.

use super::SandboxError;
use serde_json::json;
use std::path::{Path, PathBuf};

/// A ready file, removed when dropped.
#[derive(Debug)]
pub struct ReadyFile(PathBuf);

impl ReadyFile {
    /// Holds the file to being one that can be written.
    ///
    /// # Errors
    /// Its directory cannot be written.
    pub fn require_writable(path: &Path) -> Result<(), SandboxError> {
        let partial = partial(path);
        let tried = std::fs::write(&partial, "").and_then(|()| std::fs::remove_file(&partial));
        match (path.is_dir(), tried) {
            (false, tried) => tried.map_err(|cause| SandboxError::unwritable(path, &cause)),
            (true, _) => Err(SandboxError::unwritable(path, &std::io::ErrorKind::IsADirectory.into())),
        }
    }

    /// Takes the place of an earlier run's.
    ///
    /// # Errors
    /// That one cannot be removed.
    pub fn claim(path: &Path) -> Result<Self, SandboxError> {
        match std::fs::remove_file(path) {
            Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => Err(SandboxError::unwritable(path, &cause)),
            Ok(()) | Err(_) => Ok(Self(path.to_path_buf())),
        }
    }

    /// Says that the network serves, and where.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, endpoints: &[String], data_dir: &Path) -> Result<(), SandboxError> {
        let text = json!({ "endpoints": endpoints, "data_dir": data_dir, "pid": std::process::id() });
        let partial = partial(&self.0);
        std::fs::write(&partial, format!("{text:#}\n"))
            .and_then(|()| std::fs::rename(&partial, &self.0))
            .map_err(|cause| SandboxError::unwritable(&self.0, &cause))
    }
}

impl Drop for ReadyFile {
    fn drop(&mut self) {
        // Nothing is left to be told to if it stays.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Where the file is written before it is whole.
fn partial(path: &Path) -> PathBuf {
    path.with_extension("partial")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_there_while_the_sandbox_serves_and_only_then() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("ready.json");
        std::fs::write(&path, "an earlier run").expect("written");
        ReadyFile::require_writable(&path).expect("writable");
        let file = ReadyFile::claim(&path).expect("claimed");
        assert!(!path.exists(), "the earlier run's is gone");
        file.write(&["http://127.0.0.1:1".to_owned()], directory.path()).expect("written");
        assert!(path.exists() && !partial(&path).exists());
        drop(file);
        assert!(!path.exists());
        for bad in [directory.path().join("nowhere/ready.json"), directory.path().to_path_buf()] {
            let refused = ReadyFile::require_writable(&bad).expect_err("not writable").to_string();
            assert!(refused.contains(&bad.display().to_string()), "{refused}");
        }
    }
}
