//! Where the passphrase of a key file comes from: a file, the environment, or the terminal. Never an argument, which
//! every user of the machine could read in the list of processes.

use std::fmt;
use std::path::{Path, PathBuf};
use thiserror::Error;
use zeroize::Zeroizing;

/// The variable that is looked at when nothing else is said.
pub const PASSPHRASE_VARIABLE: &str = "CAUSEWAY_PASSPHRASE";

/// A passphrase, wiped from memory when dropped and never printed.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// A passphrase of this text.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// A random one of 32 hexadecimal digits, 128 bits.
    ///
    /// # Errors
    /// The operating system gave no randomness.
    pub fn random() -> Result<Self, PassphraseError> {
        let mut bytes = Zeroizing::new([0u8; 16]);
        getrandom::fill(bytes.as_mut()).map_err(PassphraseError::Randomness)?;
        Ok(Self::new(hex::encode(bytes.as_ref())))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(…)")
    }
}

/// Why there is no passphrase.
#[derive(Debug, Error)]
pub enum PassphraseError {
    /// The file could not be read.
    #[error("the passphrase file {} could not be read: {cause}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        cause: std::io::Error,
    },
    /// The environment does not have it.
    #[error("the environment variable {variable} with the passphrase is not set")]
    VariableUnset {
        /// The variable.
        variable: String,
    },
    /// Nobody is there to be asked.
    #[error("the key needs a passphrase: give --passphrase-file FILE, or set {PASSPHRASE_VARIABLE}")]
    NoTerminal,
    /// An empty passphrase protects nothing.
    #[error("the passphrase is empty")]
    Empty,
    /// The same was not typed twice.
    #[error("the two passphrases differ")]
    Mismatch,
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness: {0}")]
    Randomness(getrandom::Error),
}

/// Where to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PassphraseSource {
    /// The first line of a file.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
    /// [`PASSPHRASE_VARIABLE`] if it is set, the terminal otherwise.
    Ask,
}

impl PassphraseSource {
    /// The file if there is one, else [`Self::Ask`].
    pub fn file_or_ask(file: Option<&Path>) -> Self {
        file.map_or(Self::Ask, |path| Self::File(path.to_path_buf()))
    }

    /// A warning if the passphrase lies where other users of the machine may read it.
    pub fn exposure(&self) -> Option<String> {
        let Self::File(path) = self else { return None };
        let mode = mode_of(path)?;
        (mode & 0o077 != 0).then(|| {
            format!("the passphrase file {} is open to other users (mode {mode:04o}); make it 0600", path.display())
        })
    }

    /// The passphrase of an existing key.
    ///
    /// # Errors
    /// It is not where it was said to be, or it is empty.
    pub fn read(&self) -> Result<Passphrase, PassphraseError> {
        self.obtain("Passphrase: ", false)
    }

    /// The passphrase for a new key; whoever types it types it twice.
    ///
    /// # Errors
    /// Those of [`Self::read`], and two different ones.
    pub fn read_new(&self) -> Result<Passphrase, PassphraseError> {
        self.obtain("Passphrase for the new key: ", true)
    }

    fn obtain(&self, prompt: &str, twice: bool) -> Result<Passphrase, PassphraseError> {
        let text = match self {
            Self::File(path) => {
                let content = std::fs::read_to_string(path).map(Zeroizing::new);
                let content = content.map_err(|cause| PassphraseError::Unreadable { path: path.clone(), cause })?;
                content.lines().next().unwrap_or_default().to_owned()
            }
            Self::Variable(variable) => {
                std::env::var(variable).map_err(|_| PassphraseError::VariableUnset { variable: variable.clone() })?
            }
            Self::Ask => match std::env::var(PASSPHRASE_VARIABLE) {
                Ok(text) => text,
                Err(_) => ask(prompt, twice)?,
            },
        };
        if text.is_empty() { Err(PassphraseError::Empty) } else { Ok(Passphrase::new(text)) }
    }
}

#[cfg(unix)]
fn mode_of(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    Some(std::fs::metadata(path).ok()?.permissions().mode() & 0o7777)
}

#[cfg(not(unix))]
fn mode_of(_path: &Path) -> Option<u32> {
    None
}

fn ask(prompt: &str, twice: bool) -> Result<String, PassphraseError> {
    let terminal = console::Term::stderr();
    if !terminal.is_term() {
        return Err(PassphraseError::NoTerminal);
    }
    let ask_once = |prompt: &str| {
        terminal.write_str(prompt).and_then(|()| terminal.read_secure_line()).map_err(|_| PassphraseError::NoTerminal)
    };
    let text = ask_once(prompt)?;
    if twice && *Zeroizing::new(ask_once("Once more: ")?) != text {
        return Err(PassphraseError::Mismatch);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_gives_its_first_line() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("passphrase");
        std::fs::write(&path, "correct horse\nbattery\n").expect("written");
        assert_eq!(PassphraseSource::File(path.clone()).read().expect("read").as_str(), "correct horse");
        std::fs::write(&path, "\n").expect("written");
        assert!(matches!(PassphraseSource::File(path).read(), Err(PassphraseError::Empty)));
    }

    #[test]
    fn what_is_missing_is_named() {
        let missing = PassphraseSource::File("/nowhere/passphrase".into()).read().expect_err("there is none");
        assert!(missing.to_string().contains("/nowhere/passphrase"));
        let unset = PassphraseSource::Variable("CAUSEWAY_TEST_UNSET".into()).read().expect_err("it is not set");
        assert!(unset.to_string().contains("CAUSEWAY_TEST_UNSET"));
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_may_read_is_warned_of() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("passphrase");
        std::fs::write(&path, "correct horse\n").expect("written");
        for (mode, warned) in [(0o600, false), (0o400, false), (0o640, true), (0o604, true)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("our own file");
            let exposure = PassphraseSource::File(path.clone()).exposure();
            assert_eq!(exposure.is_some(), warned, "{mode:o}: {exposure:?}");
        }
        assert_eq!(PassphraseSource::Ask.exposure(), None);
    }

    #[test]
    fn a_passphrase_does_not_print() {
        assert!(!format!("{:?}", Passphrase::new("secret".into())).contains("secret"));
    }
}
