//! A participant's directory: an account's id, and its key's place: a key file with the file of its passphrase, or the signer
//! that holds it. `causeway sandbox` writes one with files for each participant, and commands take one with `--as NAME`,
//! `--participant DIR` or `--co-signer DIR`.

use super::keys::{KeyFileError, KeyPair};
use super::passphrase::PassphraseSource;
use crate::primitives::{AccountId, PublicKey};
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
    /// The key is not here to be read.
    #[error("the key of {name} is at the signer {address}, and not here")]
    AtSigner {
        /// Whose key.
        name: String,
        /// Where it is.
        address: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ParticipantFile {
    name: String,
    account_id: String,
    public_key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    passphrase_file: Option<PathBuf>,
    /// Where the key is, if it is at a signer: `unix:/PATH` or `https://HOST:PORT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signer: Option<String>,
    /// For whoever reads the file; nobody need write one.
    #[serde(default)]
    note: String,
}

/// Where a participant's key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPlace {
    /// In a file.
    File {
        /// The file.
        key: PathBuf,
        /// The file with its passphrase.
        passphrase: PathBuf,
    },
    /// At the signer of this address.
    Signer(String),
}

/// What a participant's directory says of it: who it is, and where its key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The name, for people.
    pub name: String,
    /// The account.
    pub account: AccountId,
    /// The key's public half.
    pub public_key: PublicKey,
    /// Where the key is.
    pub place: KeyPlace,
}

impl Credentials {
    /// Reads a participant's directory, without its key.
    ///
    /// # Errors
    /// It is none, or does not say where its key is.
    pub fn read(directory: &Path) -> Result<Self, ParticipantError> {
        let (file, account) = read_file(directory)?;
        let form = |why: String| ParticipantError::Form { path: directory.join(PARTICIPANT_FILE), why };
        let public_key = file.public_key.parse::<PublicKey>();
        let public_key = public_key.map_err(|error| form(format!("public_key: {error}")))?;
        let place = match (file.key, file.passphrase_file, file.signer) {
            (Some(key), Some(passphrase), None) => {
                KeyPlace::File { key: directory.join(key), passphrase: directory.join(passphrase) }
            }
            (None, None, Some(address)) => KeyPlace::Signer(address),
            _ => {
                let why = "it must name either 'key' and 'passphrase_file', or 'signer', where its key is";
                return Err(form(why.to_owned()));
            }
        };
        Ok(Self { name: file.name, account, public_key, place })
    }

    /// Opens the key file, with the passphrase from elsewhere if it is said where.
    ///
    /// # Errors
    /// The key does not open, or is at a signer.
    pub fn open(&self, passphrase: Option<&PassphraseSource>) -> Result<KeyPair, ParticipantError> {
        match &self.place {
            KeyPlace::File { key, passphrase: own } => {
                let own = PassphraseSource::File(own.clone());
                let passphrase = passphrase.unwrap_or(&own).read().map_err(KeyFileError::from)?;
                Ok(KeyPair::read_file(key, &passphrase)?)
            }
            KeyPlace::Signer(address) => {
                Err(ParticipantError::AtSigner { name: self.name.clone(), address: address.clone() })
            }
        }
    }
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
    /// It is none, or the key does not open or is at a signer.
    pub fn read(directory: &Path) -> Result<Self, ParticipantError> {
        let credentials = Credentials::read(directory)?;
        let key = credentials.open(None)?;
        Ok(Self { name: credentials.name, account: credentials.account, key })
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
            key: Some(key.into()),
            passphrase_file: Some(passphrase_file.into()),
            signer: None,
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
        let credentials = Credentials::read(at).expect("read");
        assert!(credentials.open(Some(&elsewhere)).is_err(), "what is named is used, or refused");
        std::fs::write(at.join("elsewhere"), "p\n").expect("written");
        let opened = credentials.open(Some(&elsewhere)).expect("it opens");
        assert_eq!((opened.public_key(), credentials.public_key), (buyer.key.public_key(), buyer.key.public_key()));
        let file = std::fs::read_to_string(at.join(PARTICIPANT_FILE)).expect("it was written");
        let without_note: Vec<&str> = file.lines().filter(|line| !line.contains("\"note\"")).collect();
        let without_note = without_note.join("\n").replace("\"passphrase\",", "\"passphrase\"");
        std::fs::write(at.join(PARTICIPANT_FILE), without_note).expect("written");
        assert_eq!(Participant::read(at).expect("a note is optional").account, buyer.account);
        assert!(Participant::read(&at.join("nobody")).expect_err("nobody").to_string().contains("nobody"));
    }
    #[test]
    fn a_participants_key_is_in_a_file_or_at_a_signer() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let read = |places: serde_json::Value| {
            let mut file = serde_json::json!({
                "name": "bank", "account_id": AccountId([3; 32]).to_string(),
                "public_key": KeyPair::from_seed(&[4; 32]).public_key().to_string(),
            });
            file.as_object_mut().expect("an object").extend(places.as_object().expect("an object").clone());
            std::fs::write(directory.path().join(PARTICIPANT_FILE), file.to_string()).expect("written");
            Credentials::read(directory.path())
        };
        let remote = read(serde_json::json!({ "signer": "unix:/run/signer.sock" })).expect("at a signer");
        assert_eq!(remote.place, KeyPlace::Signer("unix:/run/signer.sock".to_owned()));
        assert!(remote.open(None).expect_err("not here").to_string().contains("unix:/run/signer.sock"));
        for neither in [
            serde_json::json!({}),
            serde_json::json!({ "key": "key.pem" }),
            serde_json::json!({ "key": "key.pem", "passphrase_file": "passphrase", "signer": "unix:/s" }),
        ] {
            assert!(
                read(neither.clone()).expect_err("two places, or none").to_string().contains("'signer'"),
                "{neither}"
            );
        }
    }
}
