//! What a run found: figures for programs, a table for people.

use hdrhistogram::Histogram;
use serde::Serialize;

/// What was measured, and whether the check passed.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What the load was, in words.
    pub load: String,
    /// Transfers applied and acknowledged in a second.
    pub transfers_per_second: f64,
    /// Transactions final in a second.
    pub transactions_per_second: f64,
    /// From a payment's intended sending to its acknowledgement: the median, in ms.
    pub finality_ms_p50: f64,
    /// The latency that 90 in 100 stay within, in ms.
    pub finality_ms_p90: f64,
    /// That of 99 in 100.
    pub finality_ms_p99: f64,
    /// That of 999 in 1,000.
    pub finality_ms_p999: f64,
    /// The longest.
    pub finality_ms_max: f64,
    /// Processor time of all nodes together for a transfer, in µs; none where the system does not tell or the nodes are not
    /// of this run.
    pub cpu_us_per_transfer: Option<f64>,
    /// Processor time of the load's own process for a transfer, in µs. Signing beforehand is not in it.
    pub generator_cpu_us_per_transfer: Option<f64>,
    /// Acknowledged as final, and in no block.
    pub lost: u64,
    /// In more than one block, or twice in one.
    pub duplicated: u64,
    /// Transfers applied and acknowledged.
    pub transfers: u64,
    /// Transactions acknowledged as final.
    pub transactions: u64,
    /// Of those, how many the ledger declined.
    pub declined: u64,
    /// Transactions that a node refused: nothing happened.
    pub refused: u64,
    /// Transactions of which nobody said what became of them.
    pub unanswered: u64,
    /// From the start of the clock to the last acknowledgement.
    pub seconds: f64,
    /// How many accounts paid each other.
    pub accounts: u64,
    /// The accounts whose balance was held against the blocks.
    pub accounts_checked: u64,
    /// How many validators.
    pub validators: usize,
    /// How this program was built.
    pub build: Build,
    /// The largest resident memory of any node up to the end, in MiB.
    pub memory_mib_max: Option<u64>,
    /// What a transfer takes on one node's disk, in bytes, by the growth of its directory.
    pub disk_bytes_per_transfer: Option<f64>,
    /// Whether the nodes' directory is in memory, where syncing costs nothing.
    pub directory_in_memory: bool,
    /// How long opening and funding the accounts took.
    pub prepared_seconds: f64,
    /// How long signing the payments took, before the clock started.
    pub signed_seconds: f64,
    /// Blocks from the load's beginning to the height of its last transaction.
    pub blocks: u64,
    /// Transactions in a block, in the mean, empty blocks included.
    pub transactions_per_block: f64,
    /// What the check found wrong; empty if it passed.
    pub failures: Vec<String>,
    /// The latencies.
    #[serde(skip)]
    pub latencies: Latencies,
    /// Transfers acknowledged in each second of the run.
    #[serde(skip)]
    pub transfers_by_second: Vec<u64>,
}

/// Latencies in µs, to three digits.
pub type Latencies = Histogram<u64>;

/// How this program was built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Build {
    /// `release`, or `debug`: then no figure means anything.
    pub profile: &'static str,
    /// `native` if it was compiled for processors with more than the platform's baseline, `generic` otherwise.
    pub cpu_features: &'static str,
}

impl Build {
    /// This one.
    pub const fn this() -> Self {
        let beyond_baseline = cfg!(any(target_feature = "avx2", target_feature = "sve"));
        Self {
            profile: if cfg!(debug_assertions) { "debug" } else { "release" },
            cpu_features: if beyond_baseline { "native" } else { "generic" },
        }
    }
}
