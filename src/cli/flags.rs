//! The flags that every command has: whom to ask, who acts, where keys and files are, and how to print.
//!
//! # Invariants
//! * The command line comes before the environment, and names one who acts.
//! * A file that was named is used, or the command is refused.

use super::failure::Failure;
use super::output::Format;
use super::signers;
use crate::client::bounded_file;
use crate::client::{
    Credentials, KeyPair, Participant, ParticipantError, PassphraseSource, SIGNER_PATIENCE_DEFAULT, Signer, Tls,
};
use crate::execution::genesis::{GENESIS_BYTES_MAX, Genesis};
use crate::primitives::{AccountId, PublicKey};
use crate::sandbox;
use crate::sandbox::certificates;
use crate::sandbox::directory::{SANDBOX_FILE, SandboxFile};
use crate::sandbox::testnet::participant_directory;
use clap::parser::ValueSource;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a node listens if nothing else is said.
const ENDPOINT_DEFAULT: &str = "http://127.0.0.1:7400";

/// Where a sandbox lies if nothing else is said.
const SANDBOX_DEFAULT: &str = "sandbox-data";

/// Flags of every command.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Common {
    /// A node's gRPC endpoint; give several and the next is asked when one does not answer.
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "CAUSEWAY_ENDPOINT",
        hide_env_values = true,
        value_delimiter = ','
    )]
    pub endpoint: Vec<String>,
    /// The authority that signs the nodes' certificates, in PEM, for endpoints that are https://HOST:PORT; beside a sandbox
    /// with --tls its own, unless another is named.
    #[arg(long, global = true, value_name = "FILE")]
    pub tls_authority: Option<PathBuf>,
    /// The certificate to present to nodes that ask for one, in PEM.
    #[arg(long, global = true, value_name = "FILE", requires = "tls_key")]
    pub tls_certificate: Option<PathBuf>,
    /// The key of that certificate, in PEM.
    #[arg(long, global = true, value_name = "FILE", requires = "tls_certificate")]
    pub tls_key: Option<PathBuf>,
    /// The genesis file. With it, nodes of another ledger are refused.
    #[arg(long, global = true, value_name = "FILE", env = "CAUSEWAY_GENESIS", hide_env_values = true)]
    pub genesis: Option<PathBuf>,
    /// A sandbox's directory, where --as and names of accounts are looked up [default: sandbox-data]
    #[arg(long, global = true, value_name = "DIR", env = "CAUSEWAY_SANDBOX", hide_env_values = true)]
    pub sandbox: Option<PathBuf>,
    /// Act as this participant of the sandbox.
    #[arg(long = "as", global = true, value_name = "NAME", env = "CAUSEWAY_AS", hide_env_values = true)]
    pub act_as: Option<String>,
    /// Act as the participant of this directory.
    #[arg(long, global = true, value_name = "DIR")]
    pub participant: Option<PathBuf>,
    /// Act as this account (with --key or --signer). Not beside --as or --participant; the command line comes before the environment.
    #[arg(
        id = "acting_account",
        long = "account",
        global = true,
        value_name = "ID",
        env = "CAUSEWAY_ACCOUNT",
        hide_env_values = true
    )]
    pub account: Option<String>,
    /// A key file to sign with; several for an account that needs several.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "CAUSEWAY_KEY",
        hide_env_values = true,
        value_delimiter = ','
    )]
    pub key: Vec<PathBuf>,
    /// The signer that holds the keys, in place of --key: unix:/PATH of its socket, or https://HOST:PORT. It signs for a
    /// participant (--as) too, and for co-signers whose keys it has.
    #[arg(long, global = true, value_name = "ADDRESS", env = "CAUSEWAY_SIGNER", hide_env_values = true)]
    pub signer: Option<String>,
    /// Which of the signer's keys, by its public key in hexadecimal, if it has several; several for an account that needs several.
    #[arg(long, global = true, value_name = "HEX")]
    pub signer_key: Vec<PublicKey>,
    /// How many seconds a signer may take for a signature.
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = SIGNER_PATIENCE_DEFAULT.as_secs(), value_parser = clap::value_parser!(u64).range(1..=600))]
    pub signer_timeout: u64,
    /// The authority that signs the certificate of a signer at https://, in PEM; else that of --tls-authority.
    #[arg(long, global = true, value_name = "FILE")]
    pub signer_tls_authority: Option<PathBuf>,
    /// The certificate to present to such a signer, in PEM; else that of --tls-certificate.
    #[arg(long, global = true, value_name = "FILE", requires = "signer_tls_key")]
    pub signer_tls_certificate: Option<PathBuf>,
    /// The key of that certificate, in PEM; else that of --tls-key.
    #[arg(long, global = true, value_name = "FILE", requires = "signer_tls_certificate")]
    pub signer_tls_key: Option<PathBuf>,
    /// The file whose first line is the passphrase of the keys. Else a participant's own, else CAUSEWAY_PASSPHRASE, else you
    /// are asked.
    #[arg(long, global = true, value_name = "FILE", env = "CAUSEWAY_PASSPHRASE_FILE", hide_env_values = true)]
    pub passphrase_file: Option<PathBuf>,
    /// Whether that file is meant for a participant, too: not if it stands in a variable and the participant on the command line.
    #[arg(skip)]
    opens_participants: bool,
    /// A participant (a name, or a directory) that signs too, where an operation binds several. The transaction lists it, so
    /// that no copy without its signature counts.
    #[arg(long, global = true, value_name = "NAME")]
    pub co_signer: Vec<String>,
    /// Keep the transaction's receipt in this file, which must not exist yet.
    #[arg(long, global = true, value_name = "FILE")]
    pub receipt: Option<PathBuf>,
    /// Amounts are in minor units instead of decimals.
    #[arg(long, global = true)]
    pub minor_units: bool,
    /// How many seconds to wait for finality.
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    pub timeout: u64,
    /// How to print.
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    pub output: Format,
}

/// Who signs.
#[derive(Debug)]
pub struct Identity {
    /// The account.
    pub account: AccountId,
    /// Its keys, wherever they are.
    pub keys: Vec<Arc<dyn Signer>>,
}

impl Common {
    /// Gives the command line precedence over the environment: who is named there acts, if the command has anybody act, and where
    /// that is said there is asked, whatever a variable says.
    ///
    /// # Errors
    /// The command line itself names two who act.
    pub fn prefer_the_command_line(&mut self, matches: &clap::ArgMatches, acts: bool) -> Result<(), Failure> {
        if !acts {
            return Ok(());
        }
        let typed = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
        let named = |flags: [(&str, &'static str); 2]| -> Vec<&'static str> {
            flags.into_iter().filter_map(|(id, flag)| typed(id).then_some(flag)).collect()
        };
        let participants = named([("act_as", "--as"), ("participant", "--participant")]);
        let accounts = named([("acting_account", "--account"), ("key", "--key")]);
        if let ([participant, ..], [other, ..]) | ([participant, other], []) = (&participants[..], &accounts[..]) {
            return Err(Failure::Usage(format!("{participant} and {other} name two who act: give one of them")));
        }
        if let (true, true) = (typed("key"), typed("signer")) {
            return Err(Failure::Usage("--key and --signer name two places of the keys: give one of them".into()));
        }
        if !accounts.is_empty() {
            self.act_as = None;
        }
        if typed("signer") {
            self.key.clear();
        } else if typed("key") || !participants.is_empty() {
            self.signer = None;
        }
        self.opens_participants = typed("passphrase_file") || participants.is_empty();
        if !participants.is_empty() {
            self.account = None;
            self.key.clear();
        }
        if typed("signer") && self.account.is_none() && self.participant.is_none() && self.act_as.is_none() {
            let why = "--signer signs for an account: name it with --account ID, or --as NAME of a sandbox";
            return Err(Failure::Usage(why.into()));
        }
        if typed("key") && self.account.is_none() {
            return Err(Failure::Usage("--key signs for an account: name it with --account ID".into()));
        }
        if !self.signer_key.is_empty() && self.signer.is_none() {
            return Err(Failure::Usage(
                "--signer-key names a key at a signer: say where it is with --signer ADDRESS".into(),
            ));
        }
        if typed("sandbox") {
            if !typed("endpoint") {
                self.endpoint.clear();
            }
            if !typed("genesis") {
                self.genesis = None;
            }
        }
        Ok(())
    }

    /// The directory of the participant that acts, if one does.
    pub fn participant_directory(&self) -> Option<PathBuf> {
        self.participant.clone().or_else(|| self.act_as.as_ref().map(|name| self.directory_of(name)))
    }

    /// The genesis file, if there is one: the flag's, or the sandbox's.
    ///
    /// # Errors
    /// It cannot be read or does not hold.
    pub fn read_genesis(&self) -> Result<Option<Genesis>, Failure> {
        let in_sandbox = self.sandbox().join("genesis.json");
        let path = match &self.genesis {
            Some(path) => path.clone(),
            // A node that is named by its endpoint need not be the sandbox's, unless one of the sandbox's people asks it:
            // on another ledger their accounts are nobody's.
            None if (self.endpoint.is_empty() || self.act_as.is_some()) && in_sandbox.exists() => in_sandbox,
            None => return Ok(None),
        };
        genesis_in(&path).map(Some)
    }

    /// Where the receipt is to be kept, if anywhere: a file that can be made.
    ///
    /// # Errors
    /// There is such a file, or no directory for it.
    pub fn receipt_path(&self) -> Result<Option<&Path>, Failure> {
        let Some(path) = self.receipt.as_deref() else { return Ok(None) };
        require_new(path).map(|()| Some(path))
    }

    /// Whom to believe where an endpoint speaks TLS, and what to present: the files that were named, or the sandbox's and its
    /// participant's.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn tls(&self) -> Result<Option<Tls>, Failure> {
        let Some(authority) = &self.tls_authority else {
            return Ok(certificates::tls_of(self.sandbox(), self.act_as.as_deref().unwrap_or(certificates::OPERATOR))?);
        };
        let presented = self.tls_certificate.as_deref().zip(self.tls_key.as_deref());
        Ok(Some(Tls::read(authority, presented)?))
    }

    /// The sandbox's directory, the default one if none was named.
    pub fn sandbox(&self) -> &Path {
        self.sandbox.as_deref().unwrap_or(Path::new(SANDBOX_DEFAULT))
    }

    /// The nodes' endpoints: those that were named, or the sandbox's in the order of its validators.
    ///
    /// # Errors
    /// A sandbox was named that is none.
    pub fn endpoints(&self) -> Result<Vec<String>, Failure> {
        if !self.endpoint.is_empty() {
            return Ok(self.endpoint.clone());
        }
        match (SandboxFile::read(self.sandbox()), &self.sandbox) {
            (Some(file), _) => Ok(file.endpoints),
            (None, None) => Ok(vec![ENDPOINT_DEFAULT.to_owned()]),
            // What `testnet` makes has no such file; where its nodes listen stands in their configurations.
            (None, Some(named)) if named.join("genesis.json").exists() => Ok(sandbox::endpoints_of(named)?),
            // Whoever names a sandbox does not mean whatever else listens here.
            (None, Some(named)) => Err(Failure::Usage(format!(
                "{} is no sandbox's directory: it has no {SANDBOX_FILE} and no genesis.json. `causeway sandbox --data-dir DIR` makes one",
                named.display()
            ))),
        }
    }

    /// An account by its id, or by the name of a participant of the sandbox.
    ///
    /// # Errors
    /// Neither.
    pub fn find_account(&self, text: &str) -> Result<AccountId, Failure> {
        let malformed = match text.parse() {
            Ok(account) => return Ok(account),
            Err(error) => error,
        };
        let directory = self.directory_of(text);
        Participant::read_account(&directory).map_err(|error| match error {
            // What is nearly an id is none of anybody's names.
            ParticipantError::Unreadable { .. } if text.to_ascii_lowercase().starts_with("cw1") => malformed.into(),
            ParticipantError::Unreadable { .. } => {
                Failure::Usage(format!("{malformed}, or a participant's name; {}", self.participants()))
            }
            error => error.into(),
        })
    }

    /// What a participant's directory says, by its name in the sandbox or by its path.
    ///
    /// # Errors
    /// It is none.
    pub fn credentials(&self, name: &str) -> Result<Credentials, Failure> {
        Credentials::read(&self.directory_of(name)).map_err(|error| match error {
            ParticipantError::Unreadable { cause, .. } if cause.kind() == std::io::ErrorKind::NotFound => {
                Failure::Usage(format!(
                    "'{name}' is no participant's directory and no participant's name; {}",
                    self.participants()
                ))
            }
            error => error.into(),
        })
    }

    /// Whom one may name, for who named somebody else.
    fn participants(&self) -> String {
        let mut names: Vec<String> = self.participants_by_account().into_values().collect();
        names.sort();
        let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        match (&self.sandbox, self.sandbox().is_dir()) {
            (None, false) => format!("there is no {SANDBOX_DEFAULT} here; name a sandbox with --sandbox DIR"),
            _ => format!("{} has {names}", self.sandbox().display()),
        }
    }

    /// The names of the sandbox's participants; none away from a sandbox.
    pub fn participants_by_account(&self) -> BTreeMap<AccountId, String> {
        let entries = std::fs::read_dir(self.sandbox().join("participants")).into_iter().flatten().flatten();
        let named = entries.filter_map(|entry| {
            let account = Participant::read_account(&entry.path()).ok()?;
            Some((account, entry.file_name().to_string_lossy().into_owned()))
        });
        named.collect()
    }

    /// Where the passphrase of --key comes from. Whoever lets others read it is told, beside the output.
    pub fn passphrase(&self) -> PassphraseSource {
        let source = PassphraseSource::file_or_ask(self.passphrase_file.as_deref());
        if let Some(exposure) = source.exposure() {
            match self.output {
                Format::Text => eprintln!("causeway: warning: {exposure}"),
                Format::Json => eprintln!("{}", json!({ "warning": exposure })),
            }
        }
        source
    }

    fn directory_of(&self, name: &str) -> PathBuf {
        match Path::new(name).is_dir() {
            true => name.into(),
            false => participant_directory(self.sandbox(), name),
        }
    }

    /// Who acts, if somebody is named.
    ///
    /// # Errors
    /// There is no such participant or account, a key does not open, or the signer does not have it.
    pub async fn identity(&self) -> Result<Option<Identity>, Failure> {
        // Whoever names a file means it: were it passed over, a wrong one would go unnoticed, and money move.
        let passphrase = self.passphrase_file.as_ref().filter(|_| self.opens_participants).map(|_| self.passphrase());
        let participant = match (&self.participant, &self.act_as) {
            (Some(directory), _) => Some(Credentials::read(directory)?),
            (None, Some(name)) => Some(self.credentials(name)?),
            (None, None) => None,
        };
        if let Some(participant) = participant {
            let keys = match &self.signer {
                Some(address) if self.signer_key.is_empty() => {
                    vec![signers::key_at(self, address, participant.public_key).await?]
                }
                Some(address) => signers::keys_at(self, address, &self.signer_key).await?,
                None => vec![signers::key_of(self, &participant, passphrase.as_ref())?],
            };
            return Ok(Some(Identity { account: participant.account, keys }));
        }
        let Some(account) = &self.account else { return Ok(None) };
        let account = self.find_account(account)?;
        if let Some(address) = &self.signer {
            return Ok(Some(Identity { account, keys: signers::keys_at(self, address, &self.signer_key).await? }));
        }
        let passphrase = if self.key.is_empty() { None } else { Some(self.passphrase().read()?) };
        let mut keys: Vec<Arc<dyn Signer>> = Vec::new();
        for path in &self.key {
            let key = passphrase.as_ref().map(|passphrase| KeyPair::read_file(path, passphrase)).transpose()?;
            keys.extend(key.map(|key| Arc::new(key) as Arc<dyn Signer>));
        }
        Ok(Some(Identity { account, keys }))
    }
}

/// A genesis file.
///
/// # Errors
/// It cannot be read or does not hold.
pub fn genesis_in(path: &Path) -> Result<Genesis, Failure> {
    let bytes = bounded_file::read(path, GENESIS_BYTES_MAX as u64).map_err(|cause| Failure::file(path, &cause))?;
    let too_long = || {
        Failure::Failed(format!("{} is longer than a genesis file may be, {GENESIS_BYTES_MAX} bytes", path.display()))
    };
    Ok(Genesis::parse(&bytes.ok_or_else(too_long)?)?)
}

/// Holds a file to be written to being a new one, in a directory that is there.
///
/// # Errors
/// It exists, or could not be made.
pub fn require_new(path: &Path) -> Result<(), Failure> {
    if path.exists() {
        let why = "it is not overwritten. Choose another name, or move it away";
        return Err(Failure::Failed(format!("{} exists; {why}", path.display())));
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match parent.is_dir() {
        true => Ok(()),
        false => Err(Failure::Failed(format!("{}: there is no directory {}", path.display(), parent.display()))),
    }
}
