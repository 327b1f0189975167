//! `causeway signer`: keys for clients that do not hold them. No node is asked.

use crate::cli::failure::Failure;
use crate::cli::flags::Common;
use crate::cli::output::{Format, print_one};
use crate::cli::signers;
use crate::client::KeyPair;
use crate::daemon;
use crate::signer::{self, Keyring, Place, Policy};
use serde_json::json;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Holds keys and signs with them for clients.
#[derive(Debug, clap::Subcommand)]
pub enum SignerCommand {
    /// Holds the keys of --key, and signs with them what the policy allows.
    ///
    /// Clients give --signer in place of --key. Before it signs, it reads what it was asked to sign: a transaction of the policy's
    /// ledger, or a statement of who reads there, and nothing else. It logs what it signs and what it refuses, in words, on standard
    /// error. docs/keys.md has the rest, and what stands in its place before a hardware module.
    #[command(
        after_help = "causeway signer serve --key key.pem --policy signer.toml --socket /run/causeway/signer.sock"
    )]
    Serve {
        /// What each key may sign (see config/signer.toml).
        #[arg(long, value_name = "FILE")]
        policy: PathBuf,
        /// Listen at a socket, which is made here for this user alone (mode 0600).
        #[arg(long, value_name = "PATH", required_unless_present = "listen")]
        socket: Option<PathBuf>,
        /// Have the socket's group ask too (mode 0660): that of this process, or of a directory that hands its own on.
        #[arg(long, requires = "socket")]
        for_group: bool,
        /// Listen at an address instead, over TLS: shows --tls-certificate, of the key --tls-key, and lets in whoever presents a
        /// certificate of --tls-authority.
        #[arg(long, value_name = "HOST:PORT", conflicts_with = "socket")]
        listen: Option<SocketAddr>,
    },
    /// Lists the keys of --signer.
    Keys,
}

impl SignerCommand {
    /// Does it.
    ///
    /// # Errors
    /// A key does not open, the policy is none, the place cannot be had; nobody answers at --signer.
    pub async fn run(self, common: &Common) -> Result<(), Failure> {
        match self {
            Self::Serve { policy, socket, for_group, listen } => {
                let place = place(common, socket, for_group, listen)?;
                let policy = Policy::load(&policy)?;
                let keyring = Keyring::new(keys(common)?, policy)?;
                install_log(common.output);
                let stop = async {
                    if let Err(cause) = daemon::signal().await {
                        tracing::error!(%cause, "no signal can be heard");
                    }
                };
                Ok(signer::serve(keyring, &place, stop).await?)
            }
            Self::Keys => {
                let missing = || Failure::Usage("say where the signer is: --signer ADDRESS".into());
                let address = common.signer.as_deref().ok_or_else(missing)?;
                let keys = signers::at(common, address)?.public_keys().await?;
                let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
                print_one(common.output, &json!({ "signer": address, "public_keys": keys }));
                Ok(())
            }
        }
    }
}

fn keys(common: &Common) -> Result<Vec<KeyPair>, Failure> {
    if common.key.is_empty() {
        return Err(Failure::Usage("give the keys to sign with: --key FILE".into()));
    }
    let passphrase = common.passphrase().read()?;
    Ok(common.key.iter().map(|path| KeyPair::read_file(path, &passphrase)).collect::<Result<_, _>>()?)
}

fn place(
    common: &Common,
    socket: Option<PathBuf>,
    for_group: bool,
    listen: Option<SocketAddr>,
) -> Result<Place, Failure> {
    let missing = |flag| Failure::Usage(format!("a signer at an address speaks TLS: give {flag} FILE"));
    match (socket, listen) {
        (Some(path), _) => Ok(Place::Socket { path, for_group }),
        (None, Some(address)) => Ok(Place::Address {
            address,
            certificate: common.tls_certificate.clone().ok_or_else(|| missing("--tls-certificate"))?,
            key: common.tls_key.clone().ok_or_else(|| missing("--tls-key"))?,
            authority: common.tls_authority.clone().ok_or_else(|| missing("--tls-authority"))?,
        }),
        (None, None) => Err(Failure::Usage("say where to listen: --socket PATH".into())),
    }
}

/// A line for each request, on standard error. A second installation, as in tests, changes nothing.
fn install_log(format: Format) {
    let lines = tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false);
    let lines = lines.with_max_level(tracing::Level::INFO);
    let _ = match format {
        Format::Text => lines.try_init(),
        Format::Json => lines.json().flatten_event(true).try_init(),
    };
}
