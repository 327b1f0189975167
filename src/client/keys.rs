//! Keys on disk and in memory: Ed25519, as encrypted PKCS#8 in PEM, which OpenSSL reads
//! (`openssl pkey -in key.pem -text`).
//!
//! # Invariants
//! * A key file is created with mode 0600, never replaced, and never written in the clear.
//! * Secret bytes are wiped from memory when dropped and never printed.
//! * A file that is opened takes no more memory and time than [`DERIVATION_BYTES_MAX`] and [`DERIVATION_ROUNDS_MAX`] allow: how
//!   hard its key is to derive stands in the file, before anyone proved to know the passphrase.

use super::passphrase::{Passphrase, PassphraseError};
use crate::ledger::transaction::{TransactionSignature, transaction_signing_payload};
use crate::primitives::crypto::{READ_NAMESPACE, signing_payload};
use crate::primitives::{PublicKey, Signature};
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, KeypairBytes};
use ed25519_dalek::{Signer as _, SigningKey};
use pkcs8::pkcs5::pbes2::Kdf;
use pkcs8::{EncryptedPrivateKeyInfoRef, LineEnding, SecretDocument};
use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use thiserror::Error;
use zeroize::Zeroizing;

/// Most memory that scrypt may fill for a key file, round by round. This program's files ask for 16 MiB, as OpenSSL's do.
pub const DERIVATION_BYTES_MAX: u64 = 128 * 1024 * 1024;
/// Most rounds of PBKDF2 for a key file: three times what OWASP asks for.
pub const DERIVATION_ROUNDS_MAX: u32 = 2_000_000;

/// Why a key could not be made, read or written.
#[derive(Debug, Error)]
pub enum KeyFileError {
    /// The file could not be read.
    #[error("the key file {} could not be read: {cause}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        cause: std::io::Error,
    },
    /// The file could not be written.
    #[error("the key file {} could not be written: {cause}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        cause: std::io::Error,
    },
    /// A key is never replaced.
    #[error("{} exists; a key file is never replaced. Choose another name, or move it away", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The passphrase does not open it.
    #[error("the passphrase does not open the key file {}", path.display())]
    WrongPassphrase {
        /// The file.
        path: PathBuf,
    },
    /// Not what is expected in such a file.
    #[error(
        "{} is not an encrypted PKCS#8 file with an Ed25519 key ('-----BEGIN ENCRYPTED PRIVATE KEY-----')",
        path.display()
    )]
    NotAKey {
        /// The file.
        path: PathBuf,
    },
    /// What the file asks for before the passphrase can be tried is out of bounds, or no derivation at all.
    #[error(
        "{} asks for a key derivation that is not done here: scrypt may take {} MiB, its cost a power of two above 1, and \
         PBKDF2 {DERIVATION_ROUNDS_MAX} rounds. Encrypt the key anew, as `openssl pkcs8 -topk8 -scrypt` does",
        path.display(), DERIVATION_BYTES_MAX >> 20
    )]
    Derivation {
        /// The file.
        path: PathBuf,
    },
    /// The key could not be encrypted.
    #[error("the key could not be encrypted")]
    Encryption,
    /// The passphrase could not be had.
    #[error(transparent)]
    Passphrase(#[from] PassphraseError),
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness: {0}")]
    Randomness(getrandom::Error),
}

/// A secret key with its public key.
#[derive(Clone)]
pub struct KeyPair {
    secret: SigningKey,
    public: PublicKey,
}

impl KeyPair {
    /// A new one, from the operating system's randomness.
    ///
    /// # Errors
    /// There is none to be had.
    pub fn generate() -> Result<Self, KeyFileError> {
        let mut seed = Zeroizing::new([0u8; 32]);
        getrandom::fill(seed.as_mut()).map_err(KeyFileError::Randomness)?;
        Ok(Self::from_seed(&seed))
    }

    /// The one of a given 32-byte seed (RFC 8032's private key).
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let secret = SigningKey::from_bytes(seed);
        let public = PublicKey(secret.verifying_key().to_bytes());
        Self { secret, public }
    }

    /// The 32-byte seed, for a node that hands its key to the consensus engine.
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.secret.to_bytes())
    }

    /// The public key.
    pub fn public_key(&self) -> PublicKey {
        self.public
    }

    /// Signs a transaction's body.
    pub fn sign_transaction(&self, body: &[u8]) -> TransactionSignature {
        TransactionSignature { public_key: self.public, signature: self.sign(&transaction_signing_payload(body)) }
    }

    /// Signs a statement of who reads.
    pub fn sign_read(&self, message: &[u8]) -> Signature {
        self.sign(&signing_payload(READ_NAMESPACE, message))
    }

    fn sign(&self, payload: &[u8]) -> Signature {
        Signature(self.secret.sign(payload).to_bytes())
    }

    /// Writes the key into a new file, encrypted (scrypt and AES-256-CBC).
    ///
    /// # Errors
    /// The file exists or cannot be written.
    pub fn write_new_file(&self, path: &Path, passphrase: &Passphrase) -> Result<(), KeyFileError> {
        // OpenSSL 3.0 refuses PKCS#8 version 2, which a public key inside would make it.
        let pair = KeypairBytes { secret_key: self.secret.to_bytes(), public_key: None };
        let pem = pair.to_pkcs8_encrypted_pem(passphrase.as_str(), LineEnding::LF);
        let pem = pem.map_err(|_| KeyFileError::Encryption)?;
        write_new_private_file(path, pem.as_bytes()).map_err(|cause| match cause.kind() {
            std::io::ErrorKind::AlreadyExists => KeyFileError::Exists { path: path.to_path_buf() },
            _ => KeyFileError::Unwritable { path: path.to_path_buf(), cause },
        })
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// It cannot be read, is no key file, or the passphrase does not open it.
    pub fn read_file(path: &Path, passphrase: &Passphrase) -> Result<Self, KeyFileError> {
        let unreadable = |cause| KeyFileError::Unreadable { path: path.to_path_buf(), cause };
        let pem = Zeroizing::new(std::fs::read_to_string(path).map_err(unreadable)?);
        let not_a_key = || KeyFileError::NotAKey { path: path.to_path_buf() };
        if !pem.trim_start().starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----") {
            return Err(not_a_key());
        }
        let (_, document) = SecretDocument::from_pem(&pem).map_err(|_| not_a_key())?;
        let encrypted = EncryptedPrivateKeyInfoRef::try_from(document.as_bytes()).map_err(|_| not_a_key())?;
        let derivation = encrypted.encryption_algorithm.pbes2().map(|scheme| &scheme.kdf);
        if !derivation.is_some_and(is_bounded) {
            return Err(KeyFileError::Derivation { path: path.to_path_buf() });
        }
        let pair = KeypairBytes::from_pkcs8_encrypted_pem(&pem, passphrase.as_str()).map_err(|error| match error {
            pkcs8::Error::EncryptedPrivateKey(_) => KeyFileError::WrongPassphrase { path: path.to_path_buf() },
            _ => not_a_key(),
        })?;
        Ok(Self::from_seed(&pair.secret_key))
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyPair({})", self.public)
    }
}

/// Whether what a file asks for may be done for it.
fn is_bounded(derivation: &Kdf) -> bool {
    match derivation {
        Kdf::Scrypt(scrypt) => {
            let blocks = u64::from(scrypt.block_size) * u64::from(scrypt.parallelization);
            let bytes = scrypt.cost_parameter.checked_mul(blocks).and_then(|blocks| blocks.checked_mul(128));
            scrypt.cost_parameter.is_power_of_two()
                && scrypt.cost_parameter > 1
                && bytes.is_some_and(|bytes| (1..=DERIVATION_BYTES_MAX).contains(&bytes))
        }
        Kdf::Pbkdf2(rounds) => (1..=DERIVATION_ROUNDS_MAX).contains(&rounds.iteration_count),
        _ => false,
    }
}

/// Creates a file that only its owner reads, and writes it through to the disk.
///
/// # Errors
/// It exists or cannot be written.
pub fn write_new_private_file(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(text.to_owned())
    }

    #[test]
    fn a_key_survives_its_file_and_only_its_passphrase_opens_it() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("key.pem");
        let pair = KeyPair::generate().expect("randomness");
        pair.write_new_file(&path, &passphrase("right")).expect("written");
        let read = KeyPair::read_file(&path, &passphrase("right")).expect("read");
        assert_eq!(read.public_key(), pair.public_key());
        let wrong = KeyPair::read_file(&path, &passphrase("wrong"));
        assert!(matches!(wrong, Err(KeyFileError::WrongPassphrase { .. })), "{wrong:?}");
        let again = pair.write_new_file(&path, &passphrase("right"));
        assert!(matches!(again, Err(KeyFileError::Exists { .. })), "{again:?}");
    }

    /// The cost stands in the file. Zero made the derivation panic, and 2^40 would have taken a terabyte.
    #[test]
    fn a_file_does_not_decide_what_opening_it_costs() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let good = directory.path().join("good.pem");
        KeyPair::from_seed(&[1; 32]).write_new_file(&good, &passphrase("p")).expect("written");
        let (_, document) = SecretDocument::from_pem(&std::fs::read_to_string(&good).expect("read")).expect("PEM");
        let cost = document.as_bytes().windows(4).position(|window| window == [0x02, 0x02, 0x40, 0x00]);
        let mut odd = document.as_bytes().to_vec();
        odd[cost.expect("16,384 stands there") + 3] = 1;
        let path = directory.path().join("odd.pem");
        let odd = SecretDocument::try_from(odd).expect("DER");
        odd.write_pem_file(&path, "ENCRYPTED PRIVATE KEY", LineEnding::LF).expect("written");
        let read = KeyPair::read_file(&path, &passphrase("p"));
        assert!(matches!(read, Err(KeyFileError::Derivation { .. })), "{read:?}");
        let scrypt = |cost_parameter, block_size| {
            let EncryptedPrivateKeyInfoRef { encryption_algorithm, .. } =
                EncryptedPrivateKeyInfoRef::try_from(document.as_bytes()).expect("our own file");
            let Kdf::Scrypt(ours) = &encryption_algorithm.pbes2().expect("PBES2").kdf else { panic!("scrypt") };
            Kdf::Scrypt(pkcs8::pkcs5::pbes2::ScryptParams { cost_parameter, block_size, ..*ours })
        };
        for (cost, block, fits) in [
            (0, 8, false),
            (1, 8, false),
            (1 << 14, 8, true),
            (1 << 17, 8, true),
            (1 << 17, 9, false),
            (1 << 40, 8, false),
        ] {
            assert_eq!(
                is_bounded(&scrypt(cost, block)),
                fits,
                "2^14 and blocks of 8 are usual, not {cost} and {block}"
            );
        }
        assert!(!is_bounded(&scrypt(1 << 63, u16::MAX)) && !is_bounded(&scrypt(2, 0)));
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_reads_a_key_file() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("key.pem");
        KeyPair::from_seed(&[1; 32]).write_new_file(&path, &passphrase("p")).expect("written");
        let mode = std::fs::metadata(&path).expect("it exists").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn what_is_no_key_is_said_to_be_none() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("key.pem");
        for content in
            ["", "garbage", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"]
        {
            std::fs::write(&path, content).expect("written");
            let read = KeyPair::read_file(&path, &passphrase("p"));
            assert!(matches!(read, Err(KeyFileError::NotAKey { .. })), "{content}: {read:?}");
        }
    }

    #[test]
    fn openssl_reads_the_file() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("key.pem");
        let pair = KeyPair::from_seed(&[9; 32]);
        pair.write_new_file(&path, &passphrase("open sesame")).expect("written");
        let openssl = std::process::Command::new("openssl")
            .args(["pkey", "-passin", "pass:open sesame", "-pubout", "-outform", "DER", "-in"])
            .arg(&path)
            .output();
        let Ok(output) = openssl else {
            eprintln!("openssl is not installed here; the check was left out");
            return;
        };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stdout.ends_with(&pair.public_key().0));
    }

    #[test]
    fn transaction_signatures_hold() {
        let pair = KeyPair::from_seed(&[3; 32]);
        let signed = pair.sign_transaction(b"body");
        assert!(signed.public_key.verify_payload(&transaction_signing_payload(b"body"), &signed.signature));
        assert!(!format!("{pair:?}").contains(&hex::encode([3; 32])));
    }
}
