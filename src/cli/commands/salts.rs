//! Salts: what opens the commitments that the ledger has of documents and read points.
//!
//! # Invariants
//! * A salt is on disk before anything that is committed to under it is sent: a commitment whose salt is lost could never be
//!   opened.
//! * A document has one salt, and a salt one document: it is used again for the same bytes, and refused for others. Whoever
//!   was shown one document could otherwise test guesses at the next.
//! * No salt is ever overwritten or removed: that a transaction was refused or declined is a node's word, and no proof that it will
//!   not be final. One under which nothing was committed is taken again for the same bytes.

use crate::cli::failure::Failure;
use crate::cli::session::Session;
use crate::client::TransactionBuilder;
use crate::client::keys::write_new_private_file;
use crate::domain::trade::document_commitment;
use crate::primitives::crypto::sha256;
use crate::primitives::{Hash, TokenId};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Where a document's salt is kept.
#[derive(Debug, clap::Args)]
pub struct SaltFlag {
    /// Where the document's salt is kept, or lies from before; the document's own name with .salt after it if not given.
    #[arg(long, value_name = "FILE")]
    pub salt_file: Option<PathBuf>,
}

/// A document's salt.
#[derive(Debug)]
pub struct DocumentSalt {
    salt: [u8; 32],
    file: PathBuf,
    /// What is to be written, if it does not lie there yet.
    new: Option<String>,
}

impl SaltFlag {
    /// The document's salt: the one that lies there, or a new one. Nothing is written yet.
    ///
    /// # Errors
    /// The file cannot be read, or is the salt of another document.
    pub fn of(&self, document: &Path, bytes: &[u8]) -> Result<DocumentSalt, Failure> {
        let file = self.salt_file.clone().unwrap_or_else(|| {
            let mut name = document.as_os_str().to_owned();
            name.push(".salt");
            name.into()
        });
        let document_hash = sha256(bytes);
        if !file.exists() {
            let salt = random()?;
            let new = Some(format!("{}  {document_hash}\n", hex::encode(salt)));
            return Ok(DocumentSalt { salt, file, new });
        }
        let text = std::fs::read_to_string(&file).map_err(|cause| Failure::file(&file, &cause))?;
        let parsed = text.split_once("  ").and_then(|(salt, hash)| Some((parse(salt)?, hash.trim().parse().ok()?)));
        let form =
            || Failure::Failed(format!("{} is not a salt file: a salt and its document's SHA-256", file.display()));
        let (salt, of): ([u8; 32], Hash) = parsed.ok_or_else(form)?;
        if of != document_hash {
            return Err(Failure::Failed(format!(
                "{} is the salt of another document, of SHA-256 {of}; {} is {document_hash}. Keep it with that one, and name \
                 another file with --salt-file",
                file.display(),
                document.display(),
            )));
        }
        Ok(DocumentSalt { salt, file, new: None })
    }
}

impl DocumentSalt {
    /// The commitment to the document.
    pub fn commitment(&self, bytes: &[u8]) -> Hash {
        document_commitment(&self.salt, bytes)
    }

    /// Writes the salt down, then signs and submits what commits under it, waits and prints.
    ///
    /// # Errors
    /// The salt cannot be written, and nothing was sent; or those of [`Session::submit`].
    pub async fn submit(
        &self,
        session: &Session,
        builder: TransactionBuilder,
        paid_in: Option<TokenId>,
        created: &[(&str, String)],
    ) -> Result<(), Failure> {
        self.write()?;
        let settled = session.settle(builder).await?;
        let told = [("document_salt", hex::encode(self.salt)), ("document_salt_file", self.file.display().to_string())];
        session.print_settled(&settled, &[created, &told].concat(), paid_in).await?;
        session.note("Keep the salt with the document: together they open the commitment that the ledger has of it.");
        Ok(())
    }

    fn write(&self) -> Result<(), Failure> {
        let Some(text) = &self.new else { return Ok(()) };
        write_new_private_file(&self.file, text.as_bytes()).map_err(|cause| Failure::file(&self.file, &cause))
    }
}

/// A carrier's read points: in one file, a line with salt and id for each.
#[derive(Debug)]
pub struct ReadPoints {
    file: PathBuf,
}

impl ReadPoints {
    /// The file's name, in the participant's directory or here.
    const FILE_DEFAULT: &str = "read-points.txt";

    /// The file that was named, or the participant's own, or the one here.
    pub fn at(named: Option<PathBuf>, participant: Option<PathBuf>) -> Self {
        Self { file: named.unwrap_or_else(|| participant.unwrap_or_default().join(Self::FILE_DEFAULT)) }
    }

    /// The file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The salt of a read point by its id in canonical form, if it is among them.
    ///
    /// # Errors
    /// The file cannot be read, or has a line that is none.
    pub fn salt_of(&self, id: &str) -> Result<Option<[u8; 32]>, Failure> {
        if !self.file.exists() {
            return Ok(None);
        }
        let text = std::fs::read_to_string(&self.file).map_err(|cause| Failure::file(&self.file, &cause))?;
        for (index, line) in text.lines().enumerate() {
            let form = || {
                let (file, line) = (self.file.display(), index + 1);
                Failure::Failed(format!("{file}, line {line}: it must be a salt of 64 hexadecimal digits and an id"))
            };
            let (salt, of) = line.split_once("  ").ok_or_else(form)?;
            let salt = parse(salt).ok_or_else(form)?;
            if of == id {
                return Ok(Some(salt));
            }
        }
        Ok(None)
    }

    /// The same, or a new salt that is among them from now on.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn keep(&self, id: &str) -> Result<[u8; 32], Failure> {
        if let Some(salt) = self.salt_of(id)? {
            return Ok(salt);
        }
        let salt = random()?;
        let line = format!("{}  {id}\n", hex::encode(salt));
        self.append(&line).map_err(|cause| Failure::file(&self.file, &cause))?;
        Ok(salt)
    }
}

impl ReadPoints {
    fn append(&self, line: &str) -> std::io::Result<()> {
        if !self.file.exists() {
            return write_new_private_file(&self.file, line.as_bytes());
        }
        let mut file = std::fs::OpenOptions::new().append(true).open(&self.file)?;
        // Whoever edited it by hand may have left its last line open.
        let is_open = std::fs::read(&self.file)?.last().is_some_and(|last| *last != b'\n');
        file.write_all(if is_open { format!("\n{line}") } else { line.to_owned() }.as_bytes())?;
        file.sync_all()
    }
}

fn random() -> Result<[u8; 32], Failure> {
    let mut salt = [0; 32];
    getrandom::fill(&mut salt).map_err(|error| Failure::Failed(error.to_string()))?;
    Ok(salt)
}

fn parse(text: &str) -> Option<[u8; 32]> {
    let mut salt = [0; 32];
    hex::decode_to_slice(text, &mut salt).ok().map(|()| salt)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_documents_salt_is_that_documents_alone_and_stays() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let document = directory.path().join("order.xml");
        let beside = SaltFlag { salt_file: None };
        let made = beside.of(&document, b"one").expect("made");
        assert_eq!(made.file, directory.path().join("order.xml.salt"));
        made.write().expect("written");
        let again = beside.of(&document, b"one").expect("it is there");
        assert_eq!((again.salt, again.commitment(b"one")), (made.salt, document_commitment(&made.salt, b"one")));
        let refused = beside.of(&document, b"two").expect_err("another document").to_string();
        assert!(refused.contains("order.xml.salt") && refused.contains("--salt-file"), "{refused}");
        again.write().expect("nothing to write");
        assert!(made.write().is_err(), "it is not overwritten");
        let elsewhere = SaltFlag { salt_file: Some(directory.path().join("own.salt")) };
        assert_ne!(elsewhere.of(&document, b"two").expect("made").salt, made.salt);
        std::fs::write(directory.path().join("own.salt"), "none\n").expect("written");
        assert!(elsewhere.of(&document, b"two").expect_err("no salt").to_string().contains("own.salt"));
        let nowhere = SaltFlag { salt_file: Some(directory.path().join("no/where.salt")) };
        assert!(nowhere.of(&document, b"two").expect("made").write().is_err(), "and so nothing is sent");
    }

    #[test]
    fn read_points_are_added_and_never_replaced() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let points = ReadPoints::at(None, Some(directory.path().to_path_buf()));
        assert_eq!(points.salt_of("gate").expect("no file is no read point"), None);
        let (gate, dock) = (points.keep("gate").expect("kept"), points.keep("dock").expect("kept"));
        assert_ne!(gate, dock);
        assert_eq!(points.keep("gate").expect("it is there"), gate);
        assert_eq!(points.salt_of("dock").expect("read"), Some(dock));
        let text = std::fs::read_to_string(points.file()).expect("read");
        assert_eq!(text.lines().count(), 2);
        std::fs::write(points.file(), text.trim_end()).expect("written");
        let bay = points.keep("bay").expect("kept on a line of its own");
        assert_eq!(
            (points.salt_of("bay").expect("read"), points.salt_of("dock").expect("read")),
            (Some(bay), Some(dock))
        );
        std::fs::write(points.file(), "garbled\n").expect("written");
        assert!(points.keep("gate").expect_err("garbled").to_string().contains("line 1"));
        assert_eq!(std::fs::read_to_string(points.file()).expect("read"), "garbled\n");
    }
}
