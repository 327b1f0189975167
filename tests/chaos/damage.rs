//! What becomes of files: gone, a bit that is another, an end that is missing.

use std::path::{Path, PathBuf};

/// The last file of a directory whose name contains this.
pub fn last(directory: &Path, kind: &str) -> Option<PathBuf> {
    let files = std::fs::read_dir(directory).unwrap().map(|file| file.unwrap().path());
    files.filter(|file| file.file_name().unwrap().to_str().unwrap().contains(kind)).max()
}

fn found(directory: &Path, kind: &str) -> PathBuf {
    last(directory, kind).unwrap_or_else(|| panic!("there is no file like '{kind}' in {}", directory.display()))
}

/// Removes the last file of a kind.
pub fn remove(directory: &Path, kind: &str) {
    std::fs::remove_file(found(directory, kind)).unwrap();
}

/// Flips a bit of the last file of a kind.
pub fn flip(directory: &Path, kind: &str, offset: usize) {
    flip_in(&found(directory, kind), offset);
}

/// Flips a bit of each file of a kind.
pub fn flip_all(directory: &Path, kind: &str, offset: usize) {
    let files = std::fs::read_dir(directory).unwrap().map(|file| file.unwrap().path());
    files.filter(|file| file.to_str().unwrap().ends_with(kind)).for_each(|file| flip_in(&file, offset));
}

fn flip_in(path: &Path, offset: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    assert!(offset < bytes.len(), "{} has {} bytes", path.display(), bytes.len());
    bytes[offset] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

/// Takes bytes off the end of the last file of a kind.
pub fn tear(directory: &Path, kind: &str, bytes: u64) {
    let file = std::fs::OpenOptions::new().write(true).open(found(directory, kind)).unwrap();
    file.set_len(file.metadata().unwrap().len() - bytes).unwrap();
}

/// Removes what is in a directory. It may be a disk's, which stays.
pub fn empty(directory: &Path) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => std::fs::remove_dir_all(path).unwrap(),
            false => std::fs::remove_file(path).unwrap(),
        }
    }
}
