//! F7: a whole network on one machine. Validators as processes of their own, participants with accounts and money, and a
//! scenario whose every step is an answer of the nodes. What a production network does differently is said in the banner.
//!
//! # Invariants
//! * The sandbox talks to the nodes as any client does, over gRPC with signatures; it has no door of its own.
//! * Whatever way it ends, no validator is left behind.
//! * Each fault (a busy port, a lock, a full disk, a validator that stopped) is one line that says what to do.

mod addresses;
mod banner;
pub mod cast;
pub mod certificates;
mod clock;
pub mod cluster;
pub mod directory;
mod documents;
mod figures;
mod ready_file;
mod report;
mod scenes;
mod stage;
pub mod testnet;

use crate::client::{ClientError, KeyFileError, ParticipantError};
use crate::execution::genesis::{Genesis, GenesisError};
use crate::primitives::time::DAY_MS;
pub use report::plain_table;
pub use scenes::Scenario;

use cluster::Cluster;
use directory::{SandboxDirectory, SandboxFile};
use documents::Documents;
use ready_file::ReadyFile;
use report::{Output, Report};
use scenes::market;
use stage::Stage;
use std::path::{Path, PathBuf};
use testnet::{Plan, Ports, TestnetError};
use thiserror::Error;

/// How long a sandbox's leader waits for transactions before it proposes an empty block.
const IDLE_INTERVAL_MS: u64 = 1_000;

/// Why the sandbox ended early.
#[derive(Debug, Error)]
pub enum SandboxError {
    /// A file or directory could not be written.
    #[error("{} could not be written: {why}", path.display())]
    Unwritable {
        /// The path.
        path: PathBuf,
        /// What happened, and what to do.
        why: String,
    },
    /// Another sandbox runs here.
    #[error(
        "another sandbox{} runs in {}; stop it, or choose another directory with --data-dir",
        holder.map_or_else(String::new, |id| format!(" (process {id})")),
        path.display()
    )]
    Locked {
        /// The directory.
        path: PathBuf,
        /// The process that holds it.
        holder: Option<u32>,
    },
    /// Not enough room.
    #[error(
        "the disk of {} has {room_mib} MiB left and a sandbox needs {needed_mib}; free some, or choose another directory \
         with --data-dir",
        path.display()
    )]
    NoRoom {
        /// The directory.
        path: PathBuf,
        /// What is left.
        room_mib: u64,
        /// What is needed.
        needed_mib: u64,
    },
    /// A port is taken.
    #[error(
        "port {port} of this machine cannot be listened on ({cause}); choose others with --ports FIRST, or --ports free"
    )]
    Port {
        /// Which.
        port: u16,
        /// What the operating system said.
        cause: std::io::Error,
    },
    /// The directory holds another network than asked for.
    #[error("{} holds a network {found} already; leave {option} out, or choose another directory with --data-dir", path.display())]
    OtherNetwork {
        /// The directory.
        path: PathBuf,
        /// What it is like.
        found: String,
        /// The option that does not fit.
        option: &'static str,
    },
    /// A process could not be started.
    #[error("{name} could not be started: {cause}")]
    Spawn {
        /// The validator.
        name: String,
        /// What the operating system said.
        cause: std::io::Error,
    },
    /// A validator stopped by itself.
    #[error(
        "{name} stopped ({status}){} (log: {})",
        complaint.as_ref().map_or_else(String::new, |complaint| format!(": {complaint}")),
        log.display()
    )]
    Stopped {
        /// The validator.
        name: String,
        /// How it ended.
        status: String,
        /// The last error or warning in its log since it was started, if there is one.
        complaint: Option<String>,
        /// Its log.
        log: PathBuf,
    },
    /// A validator does not get there.
    #[error("{name} was not ready in time: {last} (log: {})", log.display())]
    NotReady {
        /// The validator.
        name: String,
        /// What it said last.
        last: String,
        /// Its log.
        log: PathBuf,
    },
    /// A step went another way than the scenario has it.
    #[error("step '{step}' was to be {expected}, and was {found}")]
    Unexpected {
        /// The step.
        step: String,
        /// What was expected.
        expected: String,
        /// What happened.
        found: String,
    },
    /// A receipt does not prove what it says.
    #[error("the receipt {} does not verify: {why}", path.display())]
    Receipt {
        /// The file.
        path: PathBuf,
        /// The first link that does not hold.
        why: String,
    },
    /// The invoice cannot be used.
    #[error("the invoice {document}: {why}")]
    Invoice {
        /// The file.
        document: String,
        /// What is wrong with it.
        why: String,
    },
    /// A step failed.
    #[error("step '{step}': {cause}")]
    Step {
        /// The step.
        step: String,
        /// Why.
        cause: Box<ClientError>,
    },
    /// A call failed.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The network could not be made.
    #[error(transparent)]
    Testnet(#[from] TestnetError),
    /// A participant could not be read or written.
    #[error(transparent)]
    Participant(#[from] ParticipantError),
    /// A key could not be made.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// The genesis file does not hold.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
    /// A node's configuration does not hold.
    #[error(transparent)]
    Config(#[from] crate::node::ConfigError),
    /// Something that should not be.
    #[error("{0}")]
    Internal(String),
}

impl SandboxError {
    fn unwritable(path: &Path, cause: &std::io::Error) -> Self {
        Self::Unwritable { path: path.to_path_buf(), why: directory::io_reason(cause) }
    }
}

/// Where the validators listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortChoice {
    /// From this port on.
    From(u16),
    /// Wherever the machine has room.
    Free,
}

impl std::str::FromStr for PortChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "free" => Ok(Self::Free),
            _ => match text.parse() {
                Ok(first) if first > 0 => Ok(Self::From(first)),
                Ok(_) | Err(_) => Err(format!("'{text}' is neither a port nor 'free'")),
            },
        }
    }
}

/// What a user may choose.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many validators; 4 if nothing is said, or as many as the directory has.
    pub validators: Option<usize>,
    /// Where everything lies.
    pub data_dir: PathBuf,
    /// How many heights an epoch of a new network has.
    pub epoch_length: Option<u64>,
    /// Where the validators listen.
    pub ports: Option<PortChoice>,
    /// A file to write once the network serves.
    pub ready_file: Option<PathBuf>,
    /// What is played.
    pub scenario: Scenario,
    /// Whether nodes and clients show each other certificates: for a new network.
    pub tls: bool,
    /// Whether to end after the scenario.
    pub exit: bool,
    /// Whether one JSON object is printed at the end instead of lines.
    pub json: bool,
}

/// Runs a sandbox until it is interrupted, or until its scenario is done if the options say so.
///
/// # Errors
/// What went wrong, in one line.
pub async fn run(options: Options) -> Result<(), SandboxError> {
    let output = Output::new(options.json);
    // What can be wrong with the question is found before a directory is made for it.
    let validators = options.validators.unwrap_or(4);
    testnet::require_count(validators)?;
    let documents = match options.scenario.takes_documents() {
        true => Documents::named()?,
        false => Documents::default(),
    };
    options.ready_file.as_deref().map_or(Ok(()), ReadyFile::require_writable)?;
    let planned = match options.data_dir.join("genesis.json").exists() {
        true => None,
        false => Some(free_ports(options.ports.unwrap_or(PortChoice::From(Ports::FIRST_DEFAULT)), validators)?),
    };
    let directory = SandboxDirectory::open(&options.data_dir)?;
    if let Some(process) = directory.abandoned_by {
        output.note(&format!("A sandbox (process {process}) ended here without cleaning up; its lock is taken over."));
    }
    let ready_file = options.ready_file.as_deref().map(ReadyFile::claim).transpose()?;
    let interrupted = interruption()?;
    tokio::pin!(interrupted);
    let (ports, is_new) = prepare(&options, &directory, planned, &output)?;
    let mut cluster = Cluster::start(directory.path(), &ports)?;
    let result = tokio::select! {
        biased;
        () = &mut interrupted => Ok(()),
        result = drive(&options, &directory, &mut cluster, &output, documents, is_new, ready_file.as_ref()) => result,
    };
    drop(ready_file);
    output.note("Stopping the validators.");
    cluster.stop();
    if result.is_ok() && !options.exit {
        output.note(&format!("Stopped. What was settled is kept in {}.", directory.path().display()));
    }
    result
}

/// Where the nodes of a network's directory listen for clients, by their configurations.
///
/// # Errors
/// There are no nodes in it, or a configuration does not hold.
pub fn endpoints_of(directory: &Path) -> Result<Vec<String>, SandboxError> {
    addresses::endpoints(directory)
}

/// Resolves at Ctrl-C or SIGTERM.
///
/// # Errors
/// The system does not let this process receive them.
pub fn interruption() -> Result<impl Future<Output = ()>, SandboxError> {
    let internal = |error: std::io::Error| SandboxError::Internal(format!("signals cannot be received: {error}"));
    #[cfg(unix)]
    let mut terminate = {
        use tokio::signal::unix::{SignalKind, signal};
        signal(SignalKind::terminate()).map_err(internal)?
    };
    #[cfg(unix)]
    let mut interrupt = {
        use tokio::signal::unix::{SignalKind, signal};
        signal(SignalKind::interrupt()).map_err(internal)?
    };
    Ok(async move {
        #[cfg(unix)]
        tokio::select! {
            _ = interrupt.recv() => {},
            _ = terminate.recv() => {},
        }
        #[cfg(not(unix))]
        drop(tokio::signal::ctrl_c().await);
    })
}

/// The ports of a choice, all of which can be listened on now.
fn free_ports(choice: PortChoice, validators: usize) -> Result<Ports, SandboxError> {
    let ports = match choice {
        PortChoice::Free => Ports::free(validators).map_err(|error| SandboxError::Internal(error.to_string()))?,
        PortChoice::From(first) => Ports::from_first(first, validators)?,
    };
    cluster::require_free(&ports)?;
    Ok(ports)
}

/// Makes the network where ports were planned for it, or finds the one that is there.
fn prepare(
    options: &Options,
    directory: &SandboxDirectory,
    planned: Option<Ports>,
    output: &Output,
) -> Result<(Ports, bool), SandboxError> {
    if let (false, Some(ports)) = (directory.genesis().exists(), planned) {
        let validators = ports.grpc.len();
        output.note(&format!("Making keys and the genesis for {validators} validators."));
        testnet::create(&Plan {
            directory: directory.path().to_path_buf(),
            network: "sandbox".to_owned(),
            validators,
            ports: ports.clone(),
            idle_interval_ms: IDLE_INTERVAL_MS,
            tls: options.tls,
            epoch_length: options.epoch_length.unwrap_or(testnet::EPOCH_LENGTH_DEFAULT),
        })?;
        return Ok((ports, true));
    }
    let ports = addresses::read(directory.path())?;
    let validators = ports.grpc.len();
    if options.validators.is_some_and(|wanted| wanted != validators) {
        let (path, found) = (directory.path().to_path_buf(), format!("of {validators} validators"));
        return Err(SandboxError::OtherNetwork { path, found, option: "--validators" });
    }
    if options.tls && !certificates::are_in(directory.path()) {
        let (path, found) = (directory.path().to_path_buf(), "without certificates".to_owned());
        return Err(SandboxError::OtherNetwork { path, found, option: "--tls" });
    }
    output.note("Resuming the network that is in the directory.");
    match options.ports {
        None => Ok((ports, false)),
        Some(PortChoice::From(first)) if ports == Ports::from_first(first, validators)? => Ok((ports, false)),
        Some(choice) => {
            let wanted = free_ports(choice, validators)?;
            addresses::change(directory.path(), &read_genesis(directory)?, &wanted)?;
            output.note(&format!("Its validators listen on other ports from now on, the first on {}.", wanted.grpc[0]));
            Ok((wanted, false))
        }
    }
}

fn read_genesis(directory: &SandboxDirectory) -> Result<Genesis, SandboxError> {
    let bytes = std::fs::read(directory.genesis()).map_err(|error| SandboxError::Internal(error.to_string()))?;
    Ok(Genesis::parse(&bytes)?)
}

async fn drive(
    options: &Options,
    directory: &SandboxDirectory,
    cluster: &mut Cluster,
    output: &Output,
    documents: Documents,
    is_new: bool,
    ready_file: Option<&ReadyFile>,
) -> Result<(), SandboxError> {
    let genesis = read_genesis(directory)?;
    let quorum = genesis.validators().quorum();
    output.note(&format!("Starting {} validators.", cluster.size()));
    let started = std::time::Instant::now();
    let height = cluster.wait_until_ready(genesis.chain_id()).await?;
    let days_ahead = clock::read(directory.path())? / DAY_MS;
    if days_ahead > 0 {
        output.note(&format!("This network's clock is {days_ahead} days ahead: a late payer was rehearsed on it."));
    }
    output.note(&format!("All of them serve after {} ms, at height {height}.\n", started.elapsed().as_millis()));
    let endpoints = cluster.endpoints();
    SandboxFile { endpoints: endpoints.clone(), validators: cluster.size() }.write(directory.path())?;

    let mut stage = Stage::enter(directory, cluster, genesis, output).await?;
    stage.report.scenario = options.scenario.name();
    market::open_accounts(&mut stage, documents.invoices.first()).await?;
    let invoice = scenes::choose(&stage, &documents).await?;
    let is_story = options.scenario.is_story();
    // Whoever tries the commands finds documents to try them on, and the scenario leaves the invoice that it plays with.
    if is_story || is_new {
        invoice.keep_samples(directory, stage.now_ms())?;
    }
    if is_new && !is_story {
        market::fund_all(&mut stage, &invoice).await?;
    }
    banner::print(&stage, quorum, &invoice).await?;
    ready_file.map_or(Ok(()), |file| file.write(&endpoints, directory.path()))?;
    scenes::play(options.scenario, &mut stage, &documents, &invoice).await?;
    finish(&mut stage).await?;
    if options.exit {
        return Ok(());
    }
    output.note("\nServing until Ctrl-C.");
    serve(&mut stage, quorum).await
}

/// Tells what becomes of the network, until none of its validators is left.
async fn serve(stage: &mut Stage<'_>, quorum: usize) -> Result<(), SandboxError> {
    let mut stood_still = false;
    loop {
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        if let Err(stopped) = stage.cluster.check_running() {
            let left = stage.cluster.process_ids().len();
            if left == 0 {
                return Err(stopped);
            }
            stage.output.note(&format!("{stopped}. {}", what_is_left(left, stage.cluster.size(), quorum)));
        }
        // Validators may be started again by other hands, so it is the nodes that know whether blocks become final.
        let Ok(status) = stage.client().status().await else { continue };
        if status.stands_still != stood_still {
            stood_still = status.stands_still;
            stage.output.note(match stood_still {
                true => "The ledger stands still: no block becomes final. `causeway status` says whom the nodes do not hear.",
                false => "The ledger goes on: blocks become final again.",
            });
        }
    }
}

/// What the loss of a validator means.
fn what_is_left(left: usize, validators: usize, quorum: usize) -> String {
    let means = match left >= quorum {
        true => "the ledger goes on.",
        false => "nothing becomes final until the quorum is back (`causeway node --config FILE`).",
    };
    format!("{left} of {validators} validators are left, and it takes {quorum}: {means}")
}

/// Verifies every receipt from its file, and prints the sum of it all.
async fn finish(stage: &mut Stage<'_>) -> Result<(), SandboxError> {
    let verified = stage.verify_receipts()?;
    let height = stage.height().await?;
    let balances = stage.balances().await?;
    let report: &Report = &stage.report;
    stage.output.finish(report, stage.cluster, stage.directory, height, verified, &balances);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_validator_is_told_with_what_it_means() {
        assert!(what_is_left(3, 4, 3).ends_with("3 of 4 validators are left, and it takes 3: the ledger goes on."));
        assert!(what_is_left(2, 4, 3).contains("it takes 3: nothing becomes final until the quorum is back"));
    }
}
