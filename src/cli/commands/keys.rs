//! `causeway keys`: key files on this machine. No node is asked.

use crate::cli::failure::Failure;
use crate::cli::flags::Common;
use crate::cli::output::print_one;
use crate::client::KeyPair;
use crate::client::keys::write_new_private_file;
use crate::sandbox::testnet::NEVER_VOTED;
use serde_json::json;
use std::path::PathBuf;

/// Makes and shows keys.
#[derive(Debug, clap::Subcommand)]
pub enum KeysCommand {
    /// Makes a key and writes it to a new file, encrypted (PKCS#8; `openssl pkey -in FILE -text` reads it).
    New {
        /// Where.
        #[arg(long, value_name = "FILE", default_value = "key.pem")]
        out: PathBuf,
        /// Beside a node's key: a new file that says that the key has never voted. The node needs it once, to validate.
        #[arg(long, value_name = "FILE")]
        never_voted: Option<PathBuf>,
    },
    /// Shows a key file's public key.
    Show {
        /// The key file.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

impl KeysCommand {
    /// Does it.
    ///
    /// # Errors
    /// The file exists, cannot be written or read, or does not open.
    pub fn run(self, common: &Common) -> Result<(), Failure> {
        let source = common.passphrase();
        let (key, file) = match self {
            Self::New { out, never_voted } => {
                let key = KeyPair::generate()?;
                key.write_new_file(&out, &source.read_new()?)?;
                if let Some(mark) = never_voted {
                    let written = write_new_private_file(&mark, NEVER_VOTED.as_bytes());
                    written.map_err(|cause| Failure::file(&mark, &cause))?;
                }
                (key, out)
            }
            // Who names a file that is not there is told so before being asked for its passphrase.
            Self::Show { file } if !file.exists() => {
                return Err(Failure::file(&file, &std::io::ErrorKind::NotFound.into()));
            }
            Self::Show { file } => (KeyPair::read_file(&file, &source.read()?)?, file),
        };
        print_one(common.output, &json!({ "public_key": key.public_key().to_string(), "file": file }));
        Ok(())
    }
}
