//! F7: benchmarks. A load is put on a network from a process of its own, through gRPC and the Rust SDK as any client's,
//! and what was acknowledged is held against what the nodes' blocks say before a figure is printed.
//!
//! A run: a network (of this program's own processes, or one that runs already), accounts opened and funded, the payments
//! signed, the clock started, the load, the clock stopped, the check.
//!
//! # Invariants
//! * A latency begins when its payment was meant to be sent: at its place in the schedule, or when its slot became free. A
//!   node that stalls is not asked later and then found quick ("coordinated omission").
//! * A figure without a passed check is a failure: whoever runs it is told and the exit code is 1.
//! * The same seed draws the same payments.
//!
//! [`flood`] measures the same latencies while another client floods a node.
//!
//! [`chain`] is the other way about: no network and no clients, but a chain as long, and a ledger as large, as is wanted.
//!
//! # Deliberately absent
//! Doors of its own: the nodes are the ones that `causeway node` runs, with synced stores, and know nothing of a benchmark.

use crate::client::{ClientError, ParticipantError, Tls};
use crate::node::NodeError;
use crate::primitives::TokenId;
use crate::sandbox::SandboxError;
use crate::storage::StorageError;
use std::path::PathBuf;
use std::time::Duration;
use thiserror::Error;

mod accounts;
pub mod chain;
mod chart;
mod checker;
mod draws;
pub mod flood;
mod flows;
mod lane;
pub mod load;
pub mod machine;
mod network;
mod pacer;
pub mod page;
mod payments;
#[cfg(unix)]
pub mod peers;
pub mod percentiles;
mod progress;
mod report;
mod tally;

pub use report::{Build, Latencies, Report};

/// What to load, and how.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The nodes.
    pub network: Network,
    /// How many accounts pay each other.
    pub accounts: u64,
    /// When a payment is sent.
    pub pace: Pace,
    /// By which call.
    pub via: Via,
    /// To whom.
    pub nodes: Nodes,
    /// Who pays whom.
    pub skew: Skew,
    /// What a transaction does.
    pub mix: Mix,
    /// How long payments are sent.
    pub duration: Duration,
    /// How many transactions are signed beforehand; what the pace and the duration take if nothing is said.
    pub transactions: Option<usize>,
    /// From which keys and payments are derived.
    pub seed: u64,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            network: Network::Own { validators: 4, directory: None },
            accounts: 10_000,
            pace: Pace::Closed { concurrency: 2_048 },
            via: Via::Stream { batch: 256 },
            nodes: Nodes::All,
            skew: Skew::Uniform,
            mix: Mix::Transfers,
            duration: Duration::from_secs(10),
            transactions: None,
            seed: 1,
        }
    }
}

impl Plan {
    /// The load, as a reader of its figures must know it.
    fn in_words(&self) -> String {
        let mix = match self.mix {
            Mix::Transfers => "plain transfers".to_owned(),
            Mix::MultiLeg { legs } => format!("transactions of {legs} transfers"),
            Mix::Financing => "invoices from registration to payment".to_owned(),
        };
        let skew = match self.skew {
            Skew::Uniform => "evenly".to_owned(),
            Skew::Zipf { exponent } => format!("by Zipf's law with exponent {exponent}"),
            Skew::Hot => "half of them to one merchant".to_owned(),
        };
        let pace = match self.pace {
            Pace::Closed { concurrency } => format!("closed loop, {concurrency} under way at once"),
            Pace::Open { rate } => format!("open loop, {rate} transactions a second"),
        };
        let via = match self.via {
            Via::Stream { batch } => format!("over streams in messages of up to {batch}"),
            Via::Unary => "a call for each".to_owned(),
        };
        let nodes = if self.nodes == Nodes::All { "to all nodes" } else { "to the first node" };
        let (accounts, seconds) = (self.accounts, self.duration.as_secs_f64());
        format!("{mix} among {accounts} accounts, {skew}; {pace}; {via}, {nodes}; {seconds} s; seed {}", self.seed)
    }
}

/// The nodes that are loaded.
#[derive(Clone, Debug)]
pub enum Network {
    /// Validators started for the run, and stopped after it.
    Own {
        /// How many.
        validators: usize,
        /// Where they keep their stores; a temporary directory if nothing is said.
        directory: Option<PathBuf>,
    },
    /// A network that runs already.
    Running {
        /// Its nodes.
        endpoints: Vec<String>,
        /// Whom to believe where they speak TLS.
        tls: Option<Tls>,
        /// Who opens and funds accounts there.
        parties: Box<Parties>,
    },
}

/// The directories of those who open and fund accounts on a network that runs already.
#[derive(Clone, Debug)]
pub struct Parties {
    /// Opens the accounts and funds them. Reads, too, where nobody else is named for it: it sees what is under it.
    pub institution: PathBuf,
    /// The token that is paid in.
    pub token: TokenId,
    /// Attests reserves, requests and approves an issuance, where the institution has too little.
    pub issuance: Option<IssuanceParties>,
}

/// Those who bring new units of a token about.
#[derive(Clone, Debug)]
pub struct IssuanceParties {
    /// Attests the reserves.
    pub custodian: PathBuf,
    /// Requests the issuance.
    pub maker: PathBuf,
    /// Approves it.
    pub checker: PathBuf,
}

/// When a payment is sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// As soon as one of so many is answered: the network sets the pace.
    Closed {
        /// How many are under way at once.
        concurrency: usize,
    },
    /// By a schedule that waits for nobody: the clients set the pace.
    Open {
        /// Transactions in a second.
        rate: f64,
    },
}

/// By which call a transaction is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// `SubmitStream`, one to a node.
    Stream {
        /// Most transactions in a message.
        batch: usize,
    },
    /// `SubmitAndWait`, a call for each, answered with a receipt.
    Unary,
}

/// To which nodes transactions are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nodes {
    /// To all of them, in equal shares.
    All,
    /// To the first alone.
    First,
}

/// Who pays whom.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Skew {
    /// Everyone everyone, equally likely.
    Uniform,
    /// Payer and payee by Zipf's law: the account of rank k with a likelihood proportional to 1/k^s.
    Zipf {
        /// The exponent s.
        exponent: f64,
    },
    /// Half of the payments go to one merchant.
    Hot,
}

impl Skew {
    /// Whether it can be drawn by.
    fn require_sense(self) -> Result<(), BenchError> {
        match self {
            Self::Zipf { exponent } if !(exponent.is_finite() && exponent > 0.0 && exponent <= 10.0) => {
                Err(BenchError::Plan("Zipf's exponent must be above 0 and at most 10".to_owned()))
            }
            Self::Uniform | Self::Zipf { .. } | Self::Hot => Ok(()),
        }
    }
}

/// What a transaction does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mix {
    /// One transfer, one signature.
    Transfers,
    /// So many transfers of one payer, all or none.
    MultiLeg {
        /// How many, 1 to 64.
        legs: usize,
    },
    /// An invoice's life: registered, confirmed, financed, paid; a transaction for each.
    Financing,
}

/// Why there is no result.
#[derive(Debug, Error)]
pub enum BenchError {
    /// The plan does not hold together.
    #[error("{0}")]
    Plan(String),
    /// The network could not be started.
    #[error(transparent)]
    Network(#[from] SandboxError),
    /// A call failed.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A participant's directory could not be read.
    #[error(transparent)]
    Participant(#[from] ParticipantError),
    /// Accounts were not opened or funded as they must.
    #[error("{step}: {found}")]
    Preparation {
        /// At which step.
        step: &'static str,
        /// What happened instead.
        found: String,
    },
    /// A file could not be written.
    #[error("{} could not be written: {cause}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        cause: std::io::Error,
    },
    /// A chain could not be written.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// Its store failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Something that should not be.
    #[error("{0}")]
    Internal(String),
}
