//! A participant's directory: an account's id, its key, and the file with the key's passphrase. `causeway sandbox` writes
//! one for each participant, and commands take one with `--as NAME` or `--participant DIR`.

use super::keys::{KeyFileError, KeyPair};
use super::passphrase::PassphraseSource;
use crate::primitives::AccountId;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The file that makes a directory a participant's.
pub const PARTICIPANT_FILE: &str = "participant.json";

/// Why a directory is no participant's.
#[derive(Debug, Error)]
pub enum ParticipantError {
    /// The file is missing or unreadable.
    #[error("there is no participant here: {} could not be read ({cause}). `causeway sandbox` makes participants", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        cause: std::io::Error,
    },
    /// The file could not be written.
    #[error("{} could not be written: {cause}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        cause: std::io::Error,
    },
    /// Not of the expected shape.
    #[error("{} is not of the expected form: {why}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// Where and why.
        why: String,
    },
    /// The key could not be read.
    #[error(transparent)]
    Key(#[from] KeyFileError),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ParticipantFile {
    name: String,
    account_id: String,
    public_key: String,
    key: PathBuf,
    passphrase_file: PathBuf,
    /// For whoever reads the file; nobody need write one.
    #[serde(default)]
    note: String,
}

/// Someone who takes part: a name, an account, and its key.
#[derive(Clone, Debug)]
pub struct Participant {
    /// The name, for people.
    pub name: String,
    /// The account.
    pub account: AccountId,
    /// Its key.
    pub key: KeyPair,
}

impl Participant {
    /// Reads a participant's directory, key included.
    ///
    /// # Errors
    /// It is none, or the key does not open.
    pub fn read(directory: &Path) -> Result<Self, ParticipantError> {
        Self::read_with(directory, None)
    }

    /// The same with the passphrase from elsewhere than the file that the directory names.
    ///
    /// # Errors
    /// Those of [`Self::read`].
    pub fn read_with(directory: &Path, passphrase: Option<&PassphraseSource>) -> Result<Self, ParticipantError> {
        let (file, account) = read_file(directory)?;
        let own = PassphraseSource::File(directory.join(&file.passphrase_file));
        let passphrase = passphrase.unwrap_or(&own).read().map_err(KeyFileError::from)?;
        let key = KeyPair::read_file(&directory.join(&file.key), &passphrase)?;
        Ok(Self { name: file.name, account, key })
    }

    /// The account of a participant's directory, without its key.
    ///
    /// # Errors
    /// It is none.
    pub fn read_account(directory: &Path) -> Result<AccountId, ParticipantError> {
        read_file(directory).map(|(_, account)| account)
    }

    /// Writes the file that joins an account with a key that is in the directory already.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write_file(&self, directory: &Path, key: &str, passphrase_file: &str) -> Result<(), ParticipantError> {
        let path = directory.join(PARTICIPANT_FILE);
        let file = ParticipantFile {
            name: self.name.clone(),
            account_id: self.account.to_string(),
            public_key: self.key.public_key().to_string(),
            key: key.into(),
            passphrase_file: passphrase_file.into(),
            note: "Not for production: the passphrase lies beside the key.".to_owned(),
        };
        let text = serde_json::to_string_pretty(&file);
        let text = text.map_err(|error| ParticipantError::Form { path: path.clone(), why: error.to_string() })?;
        std::fs::write(&path, text + "\n").map_err(|cause| ParticipantError::Unwritable { path, cause })
    }
}

fn read_file(directory: &Path) -> Result<(ParticipantFile, AccountId), ParticipantError> {
    let path = directory.join(PARTICIPANT_FILE);
    let text = std::fs::read_to_string(&path);
    let text = text.map_err(|cause| ParticipantError::Unreadable { path: path.clone(), cause })?;
    let form = |why: String| ParticipantError::Form { path: path.clone(), why };
    let file: ParticipantFile = serde_json::from_str(&text).map_err(|error| form(error.to_string()))?;
    let account =
        file.account_id.parse().map_err(|error: crate::primitives::ids::ParseIdError| form(error.to_string()))?;
    Ok((file, account))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Passphrase;

    #[test]
    fn a_participant_survives_its_directory() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let at = directory.path();
        let buyer =
            Participant { name: "buyer".into(), account: AccountId([3; 32]), key: KeyPair::from_seed(&[4; 32]) };
        buyer.key.write_new_file(&at.join("key.pem"), &Passphrase::new("p".into())).expect("written");
        std::fs::write(at.join("passphrase"), "p\n").expect("written");
        buyer.write_file(at, "key.pem", "passphrase").expect("written");
        let read = Participant::read(at).expect("read");
        assert_eq!((read.name.as_str(), read.account), ("buyer", buyer.account));
        assert_eq!(read.key.public_key(), buyer.key.public_key());
        let elsewhere = PassphraseSource::File(at.join("elsewhere"));
        assert!(Participant::read_with(at, Some(&elsewhere)).is_err(), "what is named is used, or refused");
        std::fs::write(at.join("elsewhere"), "p\n").expect("written");
        assert_eq!(Participant::read_with(at, Some(&elsewhere)).expect("read").account, buyer.account);
        let file = std::fs::read_to_string(at.join(PARTICIPANT_FILE)).expect("it was written");
        let without_note: Vec<&str> = file.lines().filter(|line| !line.contains("\"note\"")).collect();
        let without_note = without_note.join("\n").replace("\"passphrase\",", "\"passphrase\"");
        std::fs::write(at.join(PARTICIPANT_FILE), without_note).expect("written");
        assert_eq!(Participant::read(at).expect("a note is optional").account, buyer.account);
        assert!(Participant::read(&at.join("nobody")).expect_err("nobody").to_string().contains("nobody"));
    }
}
