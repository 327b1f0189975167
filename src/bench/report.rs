//! What a run found: figures for programs, a table for people.

use crate::sandbox::plain_table;
use comfy_table::CellAlignment;
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
    /// For what reason, of one of them.
    pub declined_for: Option<String>,
    /// Transactions that a node refused, or that expired, or of which it could not tell.
    pub refused: u64,
    /// By which rule, of one of them.
    pub refused_for: Option<String>,
    /// Transactions of which nobody said what became of them.
    pub unanswered: u64,
    /// Whether a closed loop sent everything that was signed before its time was up.
    pub ran_out: bool,
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

impl Report {
    /// A table for people, with what they must know to read it.
    pub fn table(&self) -> String {
        let mut table = plain_table();
        table.set_header(["figure", "value"]);
        for (figure, value) in self.rows() {
            table.add_row([figure, &value]);
        }
        if let Some(column) = table.column_mut(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        let notes: String = self.notes().into_iter().map(|note| format!("{note}\n")).collect();
        format!("{}\n\n{table}\n\n{notes}", self.load)
    }

    /// The figures with their values, for people.
    pub fn rows(&self) -> Vec<(&'static str, String)> {
        let untold = || "not told here".to_owned();
        let us = |figure: Option<f64>| figure.map_or_else(untold, |us| format!("{us:.1} µs"));
        let ms = |figure: f64| format!("{figure:.1} ms");
        vec![
            ("transfers per second", format!("{:.0}", self.transfers_per_second)),
            ("transfers", self.transfers.to_string()),
            ("transactions final", self.transactions.to_string()),
            ("seconds", format!("{:.1}", self.seconds)),
            ("finality, median", ms(self.finality_ms_p50)),
            ("finality, 90 %", ms(self.finality_ms_p90)),
            ("finality, 99 %", ms(self.finality_ms_p99)),
            ("finality, 99.9 %", ms(self.finality_ms_p999)),
            ("finality, longest", ms(self.finality_ms_max)),
            ("blocks", self.blocks.to_string()),
            ("transactions in a block, mean", format!("{:.1}", self.transactions_per_block)),
            ("processor time of all nodes for a transfer", us(self.cpu_us_per_transfer)),
            ("processor time of the load for a transfer", us(self.generator_cpu_us_per_transfer)),
            ("largest memory of a node", self.memory_mib_max.map_or_else(untold, |mib| format!("{mib} MiB"))),
            (
                "disk of one node for a transfer",
                self.disk_bytes_per_transfer.map_or_else(untold, |bytes| format!("{bytes:.0} bytes")),
            ),
            ("declined", of_which(self.declined, self.declined_for.as_deref())),
            ("refused", of_which(self.refused, self.refused_for.as_deref())),
            ("unanswered", self.unanswered.to_string()),
            ("lost", self.lost.to_string()),
            ("duplicated", self.duplicated.to_string()),
        ]
    }

    /// What a reader of the figures must know.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = vec![format!(
            "{} accounts were opened and funded in {:.1} s, and {} balances held against the blocks. The payments were \
             signed beforehand, in {:.1} s. {} build, {} processor features.",
            self.accounts,
            self.prepared_seconds,
            self.accounts_checked,
            self.signed_seconds,
            self.build.profile,
            self.build.cpu_features
        )];
        if self.build.profile == "debug" {
            notes.push("THIS IS A DEBUG BUILD: ITS FIGURES MEAN NOTHING. Build with --release.".to_owned());
        }
        if self.directory_in_memory {
            notes.push(
                "THE STORES ARE IN MEMORY (tmpfs), where syncing costs nothing: give --data-dir a disk.".to_owned(),
            );
        }
        if self.ran_out {
            let why = "Everything signed was sent before the time was up: sign more with --transactions.";
            notes.push(why.to_owned());
        }
        match self.failures.is_empty() {
            true => notes.push(
                "Checked: every acknowledged transaction is in the blocks once, and the balances agree.".to_owned(),
            ),
            false => notes.extend(self.failures.iter().map(|failure| format!("CHECK FAILED: {failure}."))),
        }
        notes
    }
}

fn of_which(count: u64, example: Option<&str>) -> String {
    example.map_or_else(|| count.to_string(), |example| format!("{count} ({example})"))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A report of some run.
    pub fn report() -> Report {
        let mut latencies = Latencies::new_with_bounds(1, 60_000_000, 3).expect("bounds");
        (1..=500).for_each(|ms| latencies.record(ms * 1_000).expect("in bounds"));
        Report {
            load: "some load".to_owned(),
            transfers_per_second: 250.0,
            transactions_per_second: 250.0,
            finality_ms_p50: 250.0,
            finality_ms_p90: 450.0,
            finality_ms_p99: 495.0,
            finality_ms_p999: 500.0,
            finality_ms_max: 500.0,
            cpu_us_per_transfer: Some(90.0),
            generator_cpu_us_per_transfer: None,
            lost: 0,
            duplicated: 0,
            transfers: 500,
            transactions: 500,
            declined: 0,
            declined_for: None,
            refused: 2,
            refused_for: Some("POOL_FULL".to_owned()),
            unanswered: 0,
            ran_out: false,
            seconds: 2.0,
            accounts: 64,
            accounts_checked: 64,
            validators: 4,
            build: Build { profile: "release", cpu_features: "generic" },
            memory_mib_max: None,
            disk_bytes_per_transfer: Some(400.0),
            directory_in_memory: false,
            prepared_seconds: 0.5,
            signed_seconds: 0.1,
            blocks: 20,
            transactions_per_block: 25.0,
            failures: Vec::new(),
            latencies,
            transfers_by_second: vec![240, 260],
        }
    }

    #[test]
    fn what_makes_figures_worthless_is_said_loudly() {
        let sound = report();
        assert!(sound.table().contains("2 (POOL_FULL)") && sound.table().contains("Checked:"), "{}", sound.table());
        let build = Build { profile: "debug", ..sound.build };
        let failures = vec!["2 balances are not what the blocks make them".to_owned()];
        let told = Report { build, directory_in_memory: true, ran_out: true, failures, ..sound }.table();
        for said in ["DEBUG BUILD", "IN MEMORY", "--transactions", "CHECK FAILED: 2 balances"] {
            assert!(told.contains(said), "{said} is not in:\n{told}");
        }
        assert!(!told.contains("Checked:"), "{told}");
    }
}
