//! Files that come from somebody else, read no further than they may be long: a pipe or a device says no length.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// A file's bytes; `None` if there are more than `bytes_max`.
///
/// # Errors
/// It cannot be opened or read.
pub fn read(path: &Path, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= bytes_max).then_some(bytes))
}

/// The same where they are text.
///
/// # Errors
/// It cannot be opened or read, or is no text.
pub fn read_text(path: &Path, bytes_max: u64) -> io::Result<Option<String>> {
    let text = read(path, bytes_max)?.map(String::from_utf8).transpose();
    text.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is no text: it is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_read_than_may_be() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("file");
        std::fs::write(&path, "four").expect("written");
        assert_eq!(read_text(&path, 4).expect("read").as_deref(), Some("four"));
        assert_eq!(read(&path, 3).expect("read"), None);
        std::fs::write(&path, [0xff]).expect("written");
        assert!(read_text(&path, 4).expect_err("no text").to_string().contains("UTF-8"));
        if cfg!(target_os = "linux") {
            assert_eq!(read(Path::new("/dev/zero"), 1 << 20).expect("as far as it may be"), None);
        }
    }
}
