//! What a snapshot says of itself: a few lines of text beside its files.
//!
//! ```text
//! causeway-snapshot 1
//! chain <the ledger's id>
//! height <the last block's height>
//! head <its hash>
//! next <the next block's header with what certifies it, in the ledger's encoding, in hexadecimal>
//! file <BLAKE3 of its bytes> <its size> <its name>
//! …
//! checksum <BLAKE3 of all lines before this one>
//! ```
//!
//! # Invariants
//! * A manifest has one text: what reads otherwise than it would be written is refused.
//! * The checksums are for damage alone. Whoever makes a snapshot can make them fit; what they cannot make is `next`.

use super::SnapshotError;
use crate::ledger::CertifiedHeader;
use crate::primitives::{ChainId, Decode as _, Encode as _, Hash};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufReader, Read as _};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Its name in the snapshot's directory.
pub const FILE_NAME: &str = "MANIFEST";
/// The folder of its files.
pub const STORE: &str = "store";
/// The version of this format and of what it stands beside.
const VERSION: u32 = 1;
/// Larger than any: 4,096 handovers and a few thousand files stay below.
const BYTES_MAX: u64 = 64 << 20;
/// Of files that a manifest does not know, so many are looked at for the first by name.
const UNKNOWN_MAX: usize = 1_000;
/// How much of a file is read and hashed at once.
const HASHED_AT_ONCE: usize = 1 << 20;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The ledger.
    pub chain: ChainId,
    /// The last block's height.
    pub height: u64,
    /// Its hash.
    pub head: Hash,
    /// What vouches for the state after it.
    pub next: CertifiedHeader,
    /// The store's files by name.
    pub files: BTreeMap<String, Listed>,
}

/// Why a text is no manifest.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unreadable {
    /// It is of another version of the format.
    #[error("it is of version {0}")]
    Version(String),
    /// It is not what was written.
    #[error("it is not what was written")]
    Damaged,
}

/// A file as it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// BLAKE3 of its bytes.
    pub hash: blake3::Hash,
    /// Their number.
    pub size: u64,
}

impl Manifest {
    /// Its text.
    pub fn to_text(&self) -> String {
        let Self { chain, height, head, next, files } = self;
        let mut text = format!(
            "causeway-snapshot {VERSION}\nchain {chain}\nheight {height}\nhead {head}\nnext {}\n",
            hex::encode(next.to_bytes())
        );
        for (name, Listed { hash, size }) in files {
            text.push_str(&format!("file {hash} {size} {name}\n"));
        }
        let checksum = blake3::hash(text.as_bytes());
        text + &format!("checksum {checksum}\n")
    }

    /// Writes it into a snapshot's directory, synced.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, directory: &Path) -> io::Result<()> {
        let path = directory.join(FILE_NAME);
        fs::write(&path, self.to_text())?;
        File::open(&path)?.sync_all()?;
        File::open(directory)?.sync_all()
    }

    /// Reads that of a snapshot's directory.
    ///
    /// # Errors
    /// There is none, it is damaged, or it is of another version.
    pub fn read(directory: &Path) -> Result<Self, SnapshotError> {
        let path = directory.join(FILE_NAME);
        let unreadable = |cause: io::Error| match cause.kind() {
            io::ErrorKind::NotFound => SnapshotError::NoSnapshot { place: directory.to_path_buf() },
            _ => SnapshotError::File { path: path.clone(), cause },
        };
        let found = fs::symlink_metadata(&path).map_err(unreadable)?;
        let damaged = || SnapshotError::Damaged { path: path.clone(), why: "it is not what was written".to_owned() };
        // A link or a pipe may have no end, whatever it says.
        if !found.is_file() || found.len() > BYTES_MAX {
            return Err(damaged());
        }
        let text = String::from_utf8(fs::read(&path).map_err(unreadable)?).map_err(|_| damaged())?;
        Self::from_text(&text).map_err(|unreadable| match unreadable {
            Unreadable::Version(found) => SnapshotError::Version { place: directory.to_path_buf(), found },
            Unreadable::Damaged => damaged(),
        })
    }

    /// Reads its text.
    ///
    /// # Errors
    /// It is another version's, or not one that was written so.
    pub fn from_text(text: &str) -> Result<Self, Unreadable> {
        // The version first, so that a snapshot of a later one is named and not merely found strange.
        let version = text.lines().next().and_then(|line| line.strip_prefix("causeway-snapshot "));
        let version: u32 = version.and_then(|version| version.parse().ok()).ok_or(Unreadable::Damaged)?;
        if version != VERSION {
            return Err(Unreadable::Version(version.to_string()));
        }
        Self::parse(text).filter(|manifest| manifest.to_text() == text).ok_or(Unreadable::Damaged)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines().skip(1);
        let mut field = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
        let chain = ChainId(hex_array(field("chain")?)?);
        let height = field("height")?.parse().ok()?;
        let head = Hash(hex_array(field("head")?)?);
        let next = CertifiedHeader::from_bytes(&hex::decode(field("next")?).ok()?).ok()?;
        let mut files = BTreeMap::new();
        for line in lines.take_while(|line| line.starts_with("file ")) {
            let mut parts = line.splitn(4, ' ').skip(1);
            let hash = blake3::Hash::from_hex(parts.next()?).ok()?;
            let size = parts.next()?.parse().ok()?;
            files.insert(plain_name(parts.next()?)?.to_owned(), Listed { hash, size });
        }
        Some(Self { chain, height, head, next, files })
    }
}

/// A name that stays in its folder.
fn plain_name(name: &str) -> Option<&str> {
    let mut parts = Path::new(name).components();
    let is_plain = matches!(parts.next(), Some(std::path::Component::Normal(_))) && parts.next().is_none();
    is_plain.then_some(name)
}

fn hex_array<const N: usize>(text: &str) -> Option<[u8; N]> {
    hex::decode(text).ok()?.try_into().ok()
}

/// Holds a file to being one, of the size that is listed: before any of it is read, since a link or a pipe may have no end.
///
/// # Errors
/// It is missing, no file, or of another size.
pub fn require_file(path: &Path, size: u64) -> Result<(), SnapshotError> {
    let damaged = |why: &str| Err(SnapshotError::Damaged { path: path.to_path_buf(), why: why.to_owned() });
    match fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => damaged("it is no file"),
        Ok(found) if found.len() != size => damaged("it has another size than the manifest says"),
        Ok(_) => Ok(()),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => damaged("it is missing"),
        Err(cause) => Err(SnapshotError::File { path: path.to_path_buf(), cause }),
    }
}

/// The files of a folder as they are, by name.
///
/// # Errors
/// One cannot be read, or is none.
pub fn list(folder: &Path) -> Result<BTreeMap<String, Listed>, SnapshotError> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(SnapshotError::file(folder))? {
        let path = entry.map_err(SnapshotError::file(folder))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        let listed = hash(&path, u64::MAX).map_err(SnapshotError::file(&path))?;
        let why = || SnapshotError::Damaged { path: path.clone(), why: "its name is no text".to_owned() };
        files.insert(name.ok_or_else(why)?, listed);
    }
    Ok(files)
}

fn hash(path: &Path, bytes_max: u64) -> io::Result<Listed> {
    let mut hasher = blake3::Hasher::new();
    let file = File::open(path)?.take(bytes_max);
    let size = io::copy(&mut BufReader::with_capacity(HASHED_AT_ONCE, file), &mut hasher)?;
    Ok(Listed { hash: hasher.finalize(), size })
}

/// Holds the files of a folder to what is listed.
///
/// # Errors
/// The first by name that is missing, another, or too many.
pub fn check(listed: &BTreeMap<String, Listed>, folder: &Path) -> Result<(), SnapshotError> {
    let damaged = |path: PathBuf, why: &str| Err(SnapshotError::Damaged { path, why: why.to_owned() });
    // By their names alone: what nobody listed is not opened, since it may be anything.
    let mut unknown = BTreeSet::new();
    for entry in fs::read_dir(folder).map_err(SnapshotError::file(folder))? {
        let path = entry.map_err(SnapshotError::file(folder))?.path();
        let is_listed = path.file_name().and_then(|name| name.to_str()).is_some_and(|name| listed.contains_key(name));
        if !is_listed && unknown.len() < UNKNOWN_MAX {
            unknown.insert(path);
        }
    }
    for (name, expected) in listed {
        require_file(&folder.join(name), expected.size)?;
    }
    if let Some(first) = unknown.pop_first() {
        return damaged(first, "the manifest does not know it");
    }
    for (name, expected) in listed {
        let path = folder.join(name);
        if hash(&path, expected.size).map_err(SnapshotError::file(&path))?.hash != expected.hash {
            return damaged(path, "its bytes are not those of the manifest");
        }
    }
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    /// What somebody hands over as a snapshot may hold anything.
    #[test]
    fn what_the_manifest_does_not_know_is_named_and_not_opened() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let folder = directory.path();
        fs::write(folder.join("000001.sst"), "table").expect("written");
        let listed = list(folder).expect("one file");
        check(&listed, folder).expect("as it is listed");
        std::os::unix::fs::symlink("/dev/zero", folder.join("more")).expect("a link");
        let refused = check(&listed, folder).expect_err("a stranger").to_string();
        assert!(refused.contains("more") && refused.contains("does not know it"), "{refused}");
        fs::remove_file(folder.join("more")).expect("removed");
        fs::write(folder.join("000001.sst"), "tablf").expect("written");
        assert!(check(&listed, folder).expect_err("other bytes").to_string().contains("bytes are not those"));
    }
}
