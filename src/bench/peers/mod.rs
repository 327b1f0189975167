//! What a payment costs elsewhere: the same machine, the same disk and the same minutes given to peers of the network.
//!
//! * PostgreSQL, synced, in three forms: three statements and a commit for each transfer; the same as one function; and,
//!   what no client could ask of it, a thousand transfers looped in one call.
//! * The signatures alone: every validator verifies every transfer's, so nothing that verifies them can be faster than the
//!   processors at that.
//! * The disk alone: a synced write of 4 KiB and of 1 MiB.
//!
//! Rounds alternate: the network, then each peer, and again. A machine that grows slower in the second minute does so for
//! all. What is printed is the median of the rounds.
//!
//! # Invariants
//! * Of each round of PostgreSQL's, as of the network's, the money is counted: a figure whose transfers are not all there, or
//!   whose balances do not add up, fails the run.
//! * Whatever was started is stopped and removed, however the run ends.
//!
//! # Deliberately absent
//! A verdict. PostgreSQL keeps one copy and believes whoever may log in; the network keeps one at each validator, and believes
//! signatures. The ratio says what that costs.

mod comparison;
mod disk;
mod pgbench;
mod postgres;
mod signatures;

pub use comparison::Comparison;

use super::network::TemporaryDirectory;
use super::progress::note;
use super::{BenchError, Mix, Network, Pace, Plan, Report, Via, load};
use comparison::{Machine, Round};
use disk::Syncs;
use pgbench::{Ledger, Script};
use postgres::{Binaries, Server};
use signatures::Verification;
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;

/// For how long signatures and the disk are measured in a round, at most.
const BARE_MAX: Duration = Duration::from_secs(3);
/// Payments on the idle network: one at a time, so far apart that it is idle again.
const LONE_PER_SECOND: f64 = 4.0;

/// What to compare, and how.
#[derive(Clone, Debug)]
pub struct PeersPlan {
    /// The network's load at its fullest: transfers in a closed loop on validators of its own. Its duration is that of every
    /// peer's round too. Everything is written under its directory, and removed.
    pub load: Plan,
    /// How many rounds.
    pub rounds: usize,
    /// Where PostgreSQL's programs are, if not where they usually are.
    pub postgres: Option<PathBuf>,
}

/// Why there is no comparison.
#[derive(Debug, Error)]
pub enum PeersError {
    /// The network could not be loaded.
    #[error(transparent)]
    Bench(#[from] BenchError),
    /// There is no PostgreSQL, or not all of it.
    #[error("{0}")]
    NoPostgres(String),
    /// A program of PostgreSQL's failed.
    #[error("{program} failed: {said}")]
    Postgres {
        /// Which.
        program: &'static str,
        /// The last that it said.
        said: String,
    },
    /// A program's output is not what it was.
    #[error("{program} said something else than expected: {said}")]
    Unexpected {
        /// Which.
        program: &'static str,
        /// What.
        said: String,
    },
    /// PostgreSQL lost or made money, or transfers.
    #[error("PostgreSQL, {script}: {found}")]
    Unsound {
        /// In which form.
        script: &'static str,
        /// What does not add up.
        found: String,
    },
    /// A file could not be written.
    #[error("{}: {cause}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        cause: std::io::Error,
    },
    /// Something that should not be.
    #[error("{0}")]
    Internal(String),
}

impl PeersError {
    fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        |cause| Self::File { path: path.to_owned(), cause }
    }
}

/// Measures the network and its peers.
///
/// # Errors
/// A measurement failed. That PostgreSQL is missing is no failure: the comparison says so.
pub async fn run(plan: &PeersPlan) -> Result<Comparison, PeersError> {
    let (validators, directory) = require_sense(plan)?;
    let postgres = match Binaries::find(plan.postgres.as_deref()) {
        Ok(binaries) => Ok(Ledger::open(Server::start(&binaries, &directory).await?, &plan.load).await?),
        Err(PeersError::NoPostgres(missing)) => Err(missing),
        Err(error) => return Err(error),
    };
    if let Err(missing) = &postgres {
        note(missing);
    }
    let peers = Peers { load: &plan.load, validators, directory, postgres: postgres.as_ref().ok() };
    let mut rounds = Vec::new();
    for number in 1..=plan.rounds {
        let round = peers.round().await?;
        note(&format!("Round {number} of {}: {}", plan.rounds, round.summary()));
        rounds.push(round);
    }
    let rate = comparison::median(rounds.iter().map(|round| round.network.transfers_per_second));
    note(&format!("The network at half of its rate, {:.0} transfers a second, and then idle.", rate / 2.0));
    let half = peers.network(Pace::Open { rate: (rate / 2.0).max(1.0) }, plan.load.via).await?;
    let lone = peers.network(Pace::Open { rate: LONE_PER_SECOND }, Via::Unary).await?;
    let postgres = postgres.map(|ledger| ledger.description());
    Ok(Comparison { machine: Machine::this(), validators, rounds, half, lone, postgres })
}

/// How many validators the network has, and where everything is written.
fn require_sense(plan: &PeersPlan) -> Result<(usize, PathBuf), PeersError> {
    let refuse = |why: &str| Err(PeersError::Bench(BenchError::Plan(why.to_owned())));
    let Network::Own { validators, directory } = &plan.load.network else {
        return refuse("peers are compared with validators on this machine: name no network that runs already");
    };
    if plan.load.mix != Mix::Transfers || !matches!(plan.load.pace, Pace::Closed { .. }) {
        return refuse("peers are compared at plain transfers and full load: give neither --mix nor --rate");
    }
    if plan.rounds == 0 {
        return refuse("a comparison takes one round at least");
    }
    Ok((*validators, directory.clone().unwrap_or_else(std::env::temp_dir)))
}

/// Everyone who is measured.
struct Peers<'a> {
    load: &'a Plan,
    validators: usize,
    directory: PathBuf,
    postgres: Option<&'a Ledger>,
}

impl Peers<'_> {
    async fn round(&self) -> Result<Round, PeersError> {
        let duration = self.load.duration;
        let network = self.network(self.load.pace, self.load.via).await?;
        let (mut statements, mut function, mut looped) = (None, None, None);
        if let Some(ledger) = self.postgres {
            statements = Some(ledger.measure(Script::Statements, duration).await?);
            function = Some(ledger.measure(Script::Function, duration).await?);
            looped = Some(ledger.measure(Script::Loop, duration).await?);
        }
        let (bare, directory) = (duration.min(BARE_MAX), self.directory.clone());
        let measured = tokio::task::spawn_blocking(move || {
            let syncs = Syncs::measure(&directory, bare).map_err(PeersError::file(&directory))?;
            Ok::<_, PeersError>((Verification::measure(bare), syncs))
        });
        let (verification, syncs) = measured.await.map_err(|error| PeersError::Internal(error.to_string()))??;
        Ok(Round { network, statements, function, looped, verification, syncs })
    }

    /// The network, from empty stores. Its processes end with the run, before their directory goes.
    async fn network(&self, pace: Pace, via: Via) -> Result<Report, PeersError> {
        let stores = TemporaryDirectory::under(&self.directory)?;
        let network = Network::Own { validators: self.validators, directory: Some(stores.0.clone()) };
        // What is to be signed beforehand was said of the full load.
        let transactions = self.load.transactions.filter(|_| pace == self.load.pace);
        let plan = Plan { network, pace, via, transactions, ..self.load.clone() };
        Ok(load::run(&plan).await?)
    }
}
