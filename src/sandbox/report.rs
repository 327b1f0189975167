//! What a sandbox prints: lines as it goes and a summary, or one JSON object at the end.

use super::cluster::Cluster;
use super::directory::SandboxDirectory;
use crate::client::{Settled, decimal};
use crate::primitives::Amount;
use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};
use std::path::PathBuf;

/// One transaction of the scenario.
#[derive(Clone, Debug)]
pub struct StepRecord {
    /// Its name, for programs.
    pub name: String,
    /// What it is, for people.
    pub sentence: String,
    /// `applied`, or `declined: REASON`.
    pub outcome: String,
    /// The block's height.
    pub height: u64,
    /// From admission to finality at the node.
    pub finality_ms: f64,
    /// The transaction.
    pub transaction_id: String,
    /// The receipt's id.
    pub receipt_id: String,
    /// The receipt's file.
    pub receipt: PathBuf,
}

impl StepRecord {
    pub(super) fn new(name: &str, sentence: &str, outcome: &str, settled: &Settled, receipt: PathBuf) -> Self {
        Self {
            name: name.to_owned(),
            sentence: sentence.to_owned(),
            outcome: outcome.to_owned(),
            height: settled.receipt.header.height,
            finality_ms: settled.finality_us as f64 / 1000.0,
            transaction_id: settled.receipt.transaction_id().to_string(),
            receipt_id: settled.receipt.id().to_string(),
            receipt,
        }
    }
}

/// A validator's way back.
#[derive(Clone, Debug)]
pub struct Restart {
    /// Which.
    pub validator: String,
    /// From its start to the height that the others had reached.
    pub back_after_ms: f64,
}

/// What someone has of a token.
#[derive(Clone, Debug)]
pub struct BalanceLine {
    /// Who.
    pub name: String,
    /// Of which token.
    pub token: String,
    /// That token's decimals.
    pub scale: u32,
    /// What it may spend.
    pub available: u64,
    /// What locks set aside.
    pub locked: u64,
    /// What it had, available and locked, when the story began; none where no story was told.
    pub before: Option<u64>,
}

/// Where a receivable, and the loan on it, stood at a moment.
#[derive(Clone, Debug)]
pub struct StateLine {
    /// After what.
    pub moment: String,
    /// Which receivable, for people.
    pub which: String,
    /// The receivable's state.
    pub receivable: String,
    /// What is owed on it, or would be.
    pub outstanding: Amount,
    /// The loan's state, with how late it is if it is late; none without a loan.
    pub loan: Option<String>,
    /// What the loan's lenders are owed: principal, interest and fees.
    pub owed: Amount,
    /// The token of both amounts.
    pub token: String,
    /// Its decimals.
    pub scale: u32,
}

/// What happened.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Which scenario it was.
    pub scenario: &'static str,
    /// The transactions, in order.
    pub steps: Vec<StepRecord>,
    /// The validator that was killed and came back.
    pub restart: Option<Restart>,
    /// Where the receivables stood, moment by moment.
    pub states: Vec<StateLine>,
    /// From a carrier's event being sent to the loan's receipt, in ms.
    pub event_to_money_ms: Option<f64>,
}

/// Lines for people, or JSON for programs.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    json: bool,
}

impl Output {
    /// JSON if asked for.
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// A line for people. Programs that read standard output are not bothered with it.
    pub fn note(&self, text: &str) {
        if self.json { eprintln!("{text}") } else { println!("{text}") }
    }

    /// A sentence for people, set in below the step that it is about. It is broken where a terminal would break it.
    pub(super) fn tell(&self, sentence: &str) {
        self.note(&wrapped(sentence, 5, 7));
    }

    pub(super) fn step(&self, number: usize, step: &StepRecord) {
        self.note(&wrapped(&format!("{number:>3}. {}", step.sentence), 0, 5));
        let (height, finality, receipt) = (step.height, step.finality_ms, &step.receipt_id[..16]);
        self.note(&format!("     {} · block {height} · final in {finality:.1} ms · receipt {receipt}…", step.outcome));
    }

    pub(super) fn finish(
        &self,
        report: &Report,
        cluster: &Cluster,
        directory: &SandboxDirectory,
        height: u64,
        verified: usize,
        balances: &[BalanceLine],
    ) {
        if self.json {
            println!("{:#}", report.to_json(cluster, directory, height, balances));
            return;
        }
        if !report.steps.is_empty() {
            println!("\n{}", shown(report.steps_table()));
            println!("\n{}", report.summary(height, verified));
        }
        if !report.states.is_empty() {
            println!("\n{}", shown(report.states_table()));
        }
        if !balances.is_empty() {
            println!("\n{}", shown(balances_table(balances)));
        }
    }
}

impl Report {
    fn to_json(
        &self,
        cluster: &Cluster,
        directory: &SandboxDirectory,
        height: u64,
        balances: &[BalanceLine],
    ) -> serde_json::Value {
        let steps = self.steps.iter().map(|step| {
            serde_json::json!({
                "name": step.name,
                "height": step.height,
                "finality_ms": step.finality_ms,
                "receipt": step.receipt,
                "receipt_id": step.receipt_id,
                "transaction_id": step.transaction_id,
                "outcome": step.outcome,
            })
        });
        let steps = steps.collect::<Vec<_>>();
        let restart = self.restart.as_ref().map(
            |restart| serde_json::json!({ "validator": restart.validator, "back_after_ms": restart.back_after_ms }),
        );
        let states = self.states.iter().map(|line| {
            serde_json::json!({
                "moment": line.moment,
                "which": line.which,
                "receivable": line.receivable,
                "outstanding": line.outstanding.minor_units(),
                "loan": line.loan,
                "owed": line.owed.minor_units(),
                "token": line.token,
            })
        });
        let states = states.collect::<Vec<_>>();
        let balances = balances.iter().map(|line| {
            serde_json::json!({
                "name": line.name,
                "token": line.token,
                "available": line.available,
                "locked": line.locked,
                "before": line.before,
            })
        });
        let balances = balances.collect::<Vec<_>>();
        serde_json::json!({
            "scenario": self.scenario,
            "validators": cluster.size(),
            "endpoints": cluster.endpoints(),
            "data_dir": directory.path(),
            "genesis": directory.genesis(),
            "height": height,
            "steps": steps,
            "restart": restart,
            "states": states,
            "balances": balances,
            "event_to_money_ms": self.event_to_money_ms,
        })
    }

    fn states_table(&self) -> Table {
        let mut table = plain_table();
        let token = self.states.first().map_or("", |line| line.token.as_str());
        // Where there is one receivable all along, it is not named in every row.
        let several = self.states.iter().any(|line| line.which != self.states[0].which);
        let which = |name: String| several.then_some(name);
        let owed = format!("owed, {token}");
        let header = ["when".to_owned()].into_iter().chain(which("receivable".to_owned()));
        table.set_header(header.chain(["state", &owed, "loan", "to lenders"].map(str::to_owned)));
        for line in &self.states {
            let to_lenders = match &line.loan {
                Some(_) => decimal::format(line.owed, line.scale),
                None => String::new(),
            };
            let row = [line.moment.clone()].into_iter().chain(which(line.which.clone()));
            table.add_row(row.chain([
                line.receivable.clone(),
                decimal::format(line.outstanding, line.scale),
                line.loan.clone().unwrap_or_default(),
                to_lenders,
            ]));
        }
        let amounts = if several { [3, 5] } else { [2, 4] };
        align_right(&mut table, &amounts);
        table
    }

    fn steps_table(&self) -> Table {
        let mut table = plain_table();
        table.set_header(["step", "outcome", "block", "final, ms", "receipt"]);
        for step in &self.steps {
            table.add_row([
                step.name.clone(),
                step.outcome.clone(),
                step.height.to_string(),
                format!("{:.1}", step.finality_ms),
                format!("{}…", &step.receipt_id[..8.min(step.receipt_id.len())]),
            ]);
        }
        align_right(&mut table, &[2, 3]);
        table
    }

    fn summary(&self, height: u64, verified: usize) -> String {
        let mut finality: Vec<f64> = self.steps.iter().map(|step| step.finality_ms).collect();
        finality.sort_by(f64::total_cmp);
        let median = finality.get(finality.len() / 2).copied().unwrap_or_default();
        let slowest = finality.last().copied().unwrap_or_default();
        let declined = match self.steps.iter().filter(|step| step.outcome != "applied").count() {
            0 => "all of them applied, as they should be".to_owned(),
            1 => "1 of them declined, as it should be".to_owned(),
            count => format!("{count} of them declined, as they should be"),
        };
        format!(
            "{}, {declined}; height {height}.\nFinality {median:.1} ms in the median, {slowest:.1} ms at most.\n\
             {} verified offline, from their files and genesis.json alone.",
            counted(self.steps.len(), "transaction"),
            counted(verified, "receipt")
        )
    }
}

/// A count with what it is of.
pub(super) fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// What everyone has; where a story was told, of those alone whom it moved, and by how much.
fn balances_table(balances: &[BalanceLine]) -> Table {
    let mut table = plain_table();
    let told = balances.iter().any(|line| line.before.is_some());
    table.set_header(["who", "token", "available", "locked"].into_iter().chain(told.then_some("change")));
    for line in balances {
        let text = |amount: u64| decimal::format(Amount::new(amount), line.scale);
        let now = line.available.saturating_add(line.locked);
        let change = match line.before {
            Some(before) if before == now => continue,
            Some(before) if before > now => Some(format!("-{}", text(before - now))),
            Some(before) => Some(format!("+{}", text(now - before))),
            None => told.then(String::new),
        };
        let row = [line.name.clone(), line.token.clone(), text(line.available), text(line.locked)];
        table.add_row(row.into_iter().chain(change));
    }
    align_right(&mut table, &[2, 3, 4]);
    table
}

/// A table as narrow as it can be, without blanks at the ends of its lines.
pub(super) fn shown(mut table: Table) -> String {
    table.column_iter_mut().for_each(|column| {
        column.set_padding((0, 1));
    });
    // Its left border is a blank that nobody needs.
    let line = |line: &str| line.chars().skip(1).collect::<String>().trim_end().to_owned();
    table.to_string().lines().map(line).collect::<Vec<_>>().join("\n")
}

/// What a terminal shows without breaking a line by itself.
const LINE_WIDTH_MAX: usize = 100;

/// A sentence in lines that a terminal shows, each set in by so much, and those after the first by as much as is said.
fn wrapped(text: &str, indent: usize, indent_after: usize) -> String {
    let (mut lines, mut line, mut width) = (Vec::new(), " ".repeat(indent), indent);
    let mut is_empty = true;
    for word in text.split(' ') {
        let length = word.chars().count();
        if !is_empty && width + 1 + length > LINE_WIDTH_MAX {
            lines.push(std::mem::replace(&mut line, " ".repeat(indent_after)));
            (width, is_empty) = (indent_after, true);
        }
        if !is_empty {
            line.push(' ');
            width += 1;
        }
        line.push_str(word);
        (width, is_empty) = (width + length, false);
    }
    lines.push(line);
    lines.join("\n")
}

/// A table with a line under its header and nothing else drawn.
pub fn plain_table() -> Table {
    let mut table = Table::new();
    table.load_style(TableStyle::new().header_separator(LineStyle::new('─', '─', '─', '─')));
    table.set_content_arrangement(ContentArrangement::Disabled);
    table
}

fn align_right(table: &mut Table, columns: &[usize]) {
    for column in columns {
        if let Some(column) = table.column_mut(*column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(outcomes: &[&str]) -> Report {
        let step = |outcome: &&str| StepRecord {
            name: "pay".to_owned(),
            sentence: String::new(),
            outcome: (*outcome).to_owned(),
            height: 1,
            finality_ms: 1.0,
            transaction_id: "ab".repeat(32),
            receipt_id: "cd".repeat(32),
            receipt: PathBuf::new(),
        };
        Report { steps: outcomes.iter().map(step).collect(), ..Report::default() }
    }

    #[test]
    fn a_count_of_nothing_or_one_reads_as_it_is_said() {
        let told = |outcomes: &[&str]| report(outcomes).summary(9, outcomes.len());
        assert!(told(&["applied"]).starts_with("1 transaction, all of them applied, as they should be;"));
        assert!(told(&["applied"]).contains("1 receipt verified offline"));
        assert!(told(&["applied", "declined: A"]).starts_with("2 transactions, 1 of them declined, as it should be;"));
        assert!(told(&["declined: A", "declined: B"]).contains("2 of them declined, as they should be"));
    }

    #[test]
    fn a_sentence_is_broken_where_a_terminal_would_break_it() {
        let words = ["word"; 40].join(" ");
        let lines = wrapped(&words, 5, 7);
        assert!(lines.lines().all(|line| line.chars().count() <= LINE_WIDTH_MAX), "{lines}");
        assert!(lines.starts_with("     word") && lines.contains("\n       word"), "{lines}");
        assert_eq!(lines.split_whitespace().count(), 40);
        assert_eq!(wrapped("short", 5, 7), "     short");
        // What has no blank is not cut, so that it can be copied; and what is set in by blanks of its own stays so.
        assert_eq!(wrapped(&"x".repeat(150), 0, 5), "x".repeat(150));
        assert_eq!(wrapped("  block    7  loan", 5, 7), "       block    7  loan");
    }

    /// The longest names that there are still leave the table within a terminal.
    #[test]
    fn the_tables_of_a_story_fit_a_terminal() {
        let mut report = report(&["declined: RECEIVABLE_ALREADY_FINANCED"]);
        report.steps[0].name = "publish-programme-co-financier".to_owned();
        let fits = |table: Table| {
            let table = shown(table);
            assert!(table.lines().all(|line| line.chars().count() <= LINE_WIDTH_MAX), "{table}");
        };
        fits(report.steps_table());
        let line = |which: &str, moment: &str, loan: &str| StateLine {
            moment: moment.to_owned(),
            which: which.to_owned(),
            receivable: "registered".to_owned(),
            outstanding: Amount::new(486_000_000),
            loan: Some(loan.to_owned()),
            owed: Amount::new(486_000_000),
            token: "HKDX".to_owned(),
            scale: 2,
        };
        report.states = vec![line("invoice", "recovered in part", "written-off, over 90 days late")];
        fits(report.states_table());
        report.states =
            ["invoice", "part of supplier"].map(|which| line(which, "paid by the buyer", "performing")).into();
        fits(report.states_table());
    }
}
