//! Names that outlast a power cut: that of a file stands in its folder, which has to be synced for itself.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::Path;

/// Syncs the folder in which a file is, or was: what was removed from it stays removed, and what was renamed keeps its new name.
///
/// # Errors
/// The folder cannot be opened, or synced.
pub fn sync_folder_of(file: &Path) -> io::Result<()> {
    // Of a name alone the parent is empty, and the folder is where the process runs.
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// Removes a file for good, if it is there.
///
/// # Errors
/// It is there, and cannot be removed; or its folder cannot be synced, and it may come back.
pub fn remove(file: &Path) -> io::Result<()> {
    remove_and(file, sync_folder_of)
}

fn remove_and(file: &Path, sync: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed.and_then(|()| sync(file)),
    }
}

/// Puts a file, which is synced, in the place of another for good.
///
/// # Errors
/// It cannot be renamed; or the folder cannot be synced, and the other may come back.
pub fn replace(file: &Path, place: &Path) -> io::Result<()> {
    replace_and(file, place, sync_folder_of)
}

fn replace_and(file: &Path, place: &Path, sync: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    fs::rename(file, place).and_then(|()| sync(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_removed_or_replaced_is_synced_once_it_is() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let [mark, partial] = ["mark", "mark.partial"].map(|name| directory.path().join(name));
        fs::write(&partial, "new").expect("written");
        fs::write(&mark, "old").expect("written");
        let mut synced = Vec::new();
        let replaced = replace_and(&partial, &mark, |place| {
            synced.push((place.to_path_buf(), fs::read_to_string(place)?));
            Ok(())
        });
        replaced.expect("it can be renamed");
        assert_eq!(synced, [(mark.clone(), "new".to_owned())]);
        let refused = remove_and(&mark, |place| {
            assert!(!place.exists(), "it is gone before its folder is synced");
            Err(io::Error::other("no sync"))
        });
        assert_eq!(refused.expect_err("it may come back").to_string(), "no sync");
        remove_and(&mark, |_| panic!("nothing was removed")).expect("it is not there");
    }

    #[test]
    fn a_folder_is_found_of_a_path_and_of_a_name_alone() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let inside = directory.path().join("mark");
        fs::write(&inside, "").expect("written");
        remove(&inside).expect("removed, and its folder synced");
        assert!(!inside.exists());
        sync_folder_of(Path::new("mark")).expect("where this runs");
        let nowhere = sync_folder_of(&directory.path().join("nowhere/mark")).expect_err("there is no folder");
        assert_eq!(nowhere.kind(), ErrorKind::NotFound);
    }
}
