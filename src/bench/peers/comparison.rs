//! What was compared: the figures of every round, their medians, and the ratios between them.

use super::disk::Syncs;
use super::signatures::Verification;
use crate::bench::{Build, Report};
use crate::sandbox::plain_table;
use serde_json::{Value, json};

/// The machine that everything ran on.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The processor's model, as it names itself.
    pub cpu: String,
    /// How many threads run at once.
    pub cores: usize,
    /// The kernel's release.
    pub kernel: String,
}

impl Machine {
    /// This one.
    pub fn this() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let kernel = read("/proc/sys/kernel/osrelease").trim().to_owned();
        Self {
            cpu: model(&read("/proc/cpuinfo")).unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            kernel: if kernel.is_empty() { std::env::consts::OS.to_owned() } else { kernel },
        }
    }
}

fn model(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// One round: the network, then each peer.
#[derive(Clone, Debug)]
pub struct Round {
    /// The network at full load.
    pub network: Report,
    /// PostgreSQL, three statements and a commit; transfers in a second.
    pub statements: Option<f64>,
    /// PostgreSQL, one function call.
    pub function: Option<f64>,
    /// PostgreSQL, 1,000 transfers looped in one call.
    pub looped: Option<f64>,
    /// The signatures by themselves.
    pub verification: Verification,
    /// The disk by itself.
    pub syncs: Syncs,
}

impl Round {
    /// In one line.
    pub fn summary(&self) -> String {
        let rate = |rate: Option<f64>| rate.map_or_else(|| "-".to_owned(), |rate| format!("{rate:.0}"));
        format!(
            "{:.0} transfers/s; PostgreSQL {} in statements, {} by function, {} looped; {:.0} signatures/s",
            self.network.transfers_per_second,
            rate(self.statements),
            rate(self.function),
            rate(self.looped),
            self.verification.batched_per_second,
        )
    }
}

/// Whole comparison.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The machine.
    pub machine: Machine,
    /// How many validators the network had.
    pub validators: usize,
    /// The rounds, at least one.
    pub rounds: Vec<Round>,
    /// The network at half of its full load, by a schedule.
    pub half: Report,
    /// Lone payments on the idle network.
    pub lone: Report,
    /// How PostgreSQL was set up, or what to do where there is none.
    pub postgres: Result<String, String>,
}

/// The middle of what was measured; the mean of the two middle ones of an even number; 0 of nothing.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => 0.0,
        count if count % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// How many transfers the signatures alone allow in a second: each of the validators, which share the cores, verifies
/// every one.
fn signature_ceiling(cores: usize, validators: usize, seconds_per_signature: f64) -> f64 {
    cores as f64 / (validators as f64 * seconds_per_signature)
}

impl Comparison {
    fn median_of(&self, figure: impl Fn(&Round) -> f64) -> f64 {
        median(self.rounds.iter().map(figure))
    }

    fn median_of_some(&self, figure: impl Fn(&Round) -> Option<f64>) -> Option<f64> {
        let found: Vec<f64> = self.rounds.iter().filter_map(figure).collect();
        (!found.is_empty()).then(|| median(found))
    }

    fn network_runs(&self) -> impl Iterator<Item = &Report> {
        self.rounds.iter().map(|round| &round.network).chain([&self.half, &self.lone])
    }

    fn transfers_per_second(&self) -> f64 {
        self.median_of(|round| round.network.transfers_per_second)
    }

    fn signature_ceiling(&self) -> f64 {
        let seconds = self.median_of(|round| round.verification.batched_us()) / 1e6;
        signature_ceiling(self.machine.cores, self.validators, seconds)
    }

    fn postgres_rates(&self) -> [(&'static str, &'static str, Option<f64>); 3] {
        [
            ("", "three statements and a commit", self.median_of_some(|round| round.statements)),
            ("function_", "one function call", self.median_of_some(|round| round.function)),
            ("loop_", "1,000 transfers looped in one call", self.median_of_some(|round| round.looped)),
        ]
    }

    /// What the checks of all runs of the network found wrong; empty if they passed.
    pub fn failures(&self) -> Vec<String> {
        self.network_runs().flat_map(|report| report.failures.iter().cloned()).collect()
    }

    /// For programs.
    pub fn to_json(&self) -> Value {
        let (ours, ceiling) = (self.transfers_per_second(), self.signature_ceiling());
        let cpu: Option<f64> = self.median_of_some(|round| round.network.cpu_us_per_transfer);
        let mut value = json!({
            "transfers_per_second": ours,
            "signature_ceiling": ceiling,
            "signature_ceiling_share": ours / ceiling,
            "signature_batched_us": self.median_of(|round| round.verification.batched_us()),
            "signature_alone_us": self.median_of(|round| round.verification.alone_us),
            "finality_ms_p50": self.half.finality_ms_p50,
            "finality_ms_p99": self.half.finality_ms_p99,
            "finality_load_per_second": self.half.transfers_per_second,
            "lone_payment_ms_p50": self.lone.finality_ms_p50,
            "lone_payment_ms_p99": self.lone.finality_ms_p99,
            "cpu_us_per_transfer": cpu,
            "synced_4_kib_us": self.median_of(|round| round.syncs.small_us),
            "synced_1_mib_us": self.median_of(|round| round.syncs.large_us),
            "lost": self.network_runs().map(|report| report.lost).sum::<u64>(),
            "duplicated": self.network_runs().map(|report| report.duplicated).sum::<u64>(),
            "failures": self.failures(),
            "ran_out": self.rounds.iter().any(|round| round.network.ran_out),
            "directory_in_memory": self.rounds[0].network.directory_in_memory,
            "rounds": self.rounds.len(),
            "seconds": self.rounds[0].network.seconds,
            "accounts": self.rounds[0].network.accounts,
            "validators": self.validators,
            "postgres": self.postgres.as_ref().ok(),
            "postgres_missing": self.postgres.as_ref().err(),
            "machine": { "cpu": self.machine.cpu, "cores": self.machine.cores, "kernel": self.machine.kernel },
            "build": Build::this(),
        });
        for (name, _, rate) in self.postgres_rates() {
            value[format!("postgres_{name}transfers_per_second")] = json!(rate);
            value[format!("ratio_over_postgres_{name}").trim_end_matches('_')] = json!(rate.map(|rate| ours / rate));
        }
        value
    }

    /// For people.
    pub fn to_text(&self) -> String {
        let (ours, ceiling) = (self.transfers_per_second(), self.signature_ceiling());
        let mut table = plain_table();
        table.set_header(["in the median of the rounds", "transfers/s", "network / this"]);
        let mut row = |what: &str, rate: f64| {
            table.add_row([what.to_owned(), format!("{rate:.0}"), format!("{:.2}", ours / rate)]);
        };
        row(&format!("this network (validators: {})", self.validators), ours);
        for (_, what, rate) in self.postgres_rates() {
            rate.into_iter().for_each(|rate| row(&format!("PostgreSQL, {what}"), rate));
        }
        row("the signatures alone, at every validator", ceiling);
        let mut lines = vec![table.to_string(), String::new()];
        let latencies =
            |report: &Report| format!("p50 {:.1} ms, p99 {:.1} ms", report.finality_ms_p50, report.finality_ms_p99);
        let half = format!("final, at half load ({:.0}/s)", self.half.transfers_per_second);
        lines.push(format!("{half:<32}{}", latencies(&self.half)));
        lines.push(format!("{:<32}{}", "a lone payment, network idle", latencies(&self.lone)));
        let (batched, alone) = (
            self.median_of(|round| round.verification.batched_us()),
            self.median_of(|round| round.verification.alone_us),
        );
        let batch = super::signatures::BATCH;
        lines.push(format!(
            "{:<32}{batched:.1} µs in a batch of {batch}, {alone:.1} µs alone, of one core",
            "a signature"
        ));
        let (small, large) =
            (self.median_of(|round| round.syncs.small_us), self.median_of(|round| round.syncs.large_us));
        lines.push(format!("{:<32}{small:.0} µs of 4 KiB, {large:.0} µs of 1 MiB", "a synced write"));
        if let Some(cpu) = self.median_of_some(|round| round.network.cpu_us_per_transfer) {
            lines.push(format!("{:<32}{cpu:.1} µs, all nodes together", "processor time of a transfer"));
        }
        lines.push(String::new());
        lines.extend(self.notes());
        lines.join("\n")
    }

    /// What a reader of the figures must know.
    fn notes(&self) -> Vec<String> {
        let Machine { cpu, cores, kernel } = &self.machine;
        let build = Build::this();
        let mut lines = vec![format!(
            "{cpu}, {cores} cores, kernel {kernel}; {} build, {} processor features; rounds: {}",
            build.profile,
            build.cpu_features,
            self.rounds.len()
        )];
        lines.push(self.postgres.clone().unwrap_or_else(|missing| missing));
        if build.profile == "debug" {
            lines.push("A DEBUG BUILD: none of these figures means anything. Build with --release.".to_owned());
        }
        if self.rounds[0].network.directory_in_memory {
            let why = "EVERYTHING WAS WRITTEN TO MEMORY (tmpfs), where syncing costs nothing: give --data-dir a disk.";
            lines.push(why.to_owned());
        }
        if self.rounds.iter().any(|round| round.network.ran_out) {
            let why = "The network was sent all that was signed before the time was up: sign more with --transactions.";
            lines.push(why.to_owned());
        }
        lines.extend(self.failures().into_iter().map(|failure| format!("FAILED: {failure}")));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::Latencies;

    /// A report with these figures, and everything else at rest.
    fn report(transfers_per_second: f64, finality_ms_p50: f64, lost: u64) -> Report {
        let failures = (lost > 0).then(|| format!("{lost} lost")).into_iter().collect();
        Report {
            load: String::new(),
            transfers_per_second,
            transactions_per_second: transfers_per_second,
            finality_ms_p50,
            finality_ms_p90: finality_ms_p50,
            finality_ms_p99: finality_ms_p50,
            finality_ms_p999: finality_ms_p50,
            finality_ms_max: finality_ms_p50,
            cpu_us_per_transfer: Some(transfers_per_second / 10.0),
            generator_cpu_us_per_transfer: None,
            lost,
            duplicated: 0,
            transfers: 1,
            transactions: 1,
            declined: 0,
            declined_for: None,
            refused: 0,
            refused_for: None,
            unanswered: 0,
            ran_out: false,
            seconds: 1.0,
            accounts: 64,
            accounts_checked: 64,
            validators: 4,
            build: Build::this(),
            memory_mib_max: None,
            disk_bytes_per_transfer: None,
            directory_in_memory: false,
            prepared_seconds: 1.0,
            signed_seconds: 1.0,
            blocks: 1,
            transactions_per_block: 1.0,
            failures,
            latencies: Latencies::new(3).expect("three digits"),
            transfers_by_second: Vec::new(),
        }
    }

    fn round(network: f64, statements: Option<f64>, batched_per_second: f64) -> Round {
        Round {
            network: report(network, 30.0, 0),
            statements,
            function: statements.map(|rate| rate * 2.0),
            looped: statements.map(|rate| rate * 4.0),
            verification: Verification { batched_per_second, alone_us: 50.0, cores: 2 },
            syncs: Syncs { small_us: 900.0, large_us: 3_000.0 },
        }
    }

    fn comparison(rounds: Vec<Round>, postgres: Result<String, String>) -> Comparison {
        let machine = Machine { cpu: "a processor".to_owned(), cores: 2, kernel: "6.1".to_owned() };
        Comparison { machine, validators: 4, rounds, half: report(500.0, 12.0, 0), lone: report(4.0, 8.0, 0), postgres }
    }

    #[test]
    fn a_median_is_the_middle_whatever_the_order() {
        assert_eq!([3.0, 1.0, 2.0].map(|middle| median([9.0, middle, 0.0])), [3.0, 1.0, 2.0]);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median([]), 0.0);
    }

    #[test]
    fn ratios_are_of_medians_and_the_ceiling_is_shared_by_the_validators() {
        let rounds = vec![round(900.0, Some(2_000.0), 40_000.0), round(1_100.0, Some(1_000.0), 80_000.0)];
        let value = comparison(rounds, Ok("PostgreSQL 15".to_owned())).to_json();
        let figures = [
            ("transfers_per_second", 1_000.0),
            ("postgres_transfers_per_second", 1_500.0),
            ("postgres_function_transfers_per_second", 3_000.0),
            ("postgres_loop_transfers_per_second", 6_000.0),
            ("ratio_over_postgres", 1_000.0 / 1_500.0),
            ("ratio_over_postgres_function", 1.0 / 3.0),
            ("ratio_over_postgres_loop", 1.0 / 6.0),
            // 50 and 25 µs of a core: 37.5 in the median. Two cores, four validators.
            ("signature_ceiling", 2.0 / (4.0 * 37.5e-6)),
            ("signature_ceiling_share", 1_000.0 * 4.0 * 37.5e-6 / 2.0),
            ("finality_ms_p50", 12.0),
            ("lone_payment_ms_p50", 8.0),
            ("cpu_us_per_transfer", 100.0),
        ];
        for (name, expected) in figures {
            let found = value[name].as_f64().unwrap_or(f64::NAN);
            assert!((found - expected).abs() < 1e-9 * expected, "{name}: {found}, not {expected}");
        }
        assert_eq!((&value["lost"], &value["duplicated"]), (&json!(0), &json!(0)));
        assert_eq!(value["machine"]["cpu"], "a processor");
    }

    #[test]
    fn without_postgres_its_figures_are_absent_and_the_rest_is_there() {
        let missing = comparison(vec![round(900.0, None, 40_000.0)], Err("apt-get install postgresql".to_owned()));
        let value = missing.to_json();
        for name in ["postgres", "postgres_transfers_per_second", "ratio_over_postgres", "ratio_over_postgres_loop"] {
            assert_eq!(value.get(name), Some(&Value::Null), "{name}");
        }
        assert_eq!(value["postgres_missing"], "apt-get install postgresql");
        assert!(value["signature_ceiling_share"].as_f64() > Some(0.0));
        let text = missing.to_text();
        assert!(text.contains("apt-get install postgresql") && !text.contains("one function call"), "{text}");
    }

    #[test]
    fn what_any_run_lost_is_told() {
        let mut compared = comparison(vec![round(900.0, None, 40_000.0)], Ok(String::new()));
        assert_eq!(compared.failures(), Vec::<String>::new());
        compared.half = report(450.0, 12.0, 3);
        assert_eq!(compared.failures(), ["3 lost"]);
        assert_eq!(compared.to_json()["lost"], 3);
        assert!(compared.to_text().contains("FAILED: 3 lost"));
    }

    #[test]
    fn the_processor_names_itself() {
        let cpuinfo = "processor\t: 0\nmodel name\t: AMD EPYC 9V74\nflags\t\t: fpu\n";
        assert_eq!(model(cpuinfo).as_deref(), Some("AMD EPYC 9V74"));
        assert_eq!(model("processor : 0\n"), None);
    }
}
