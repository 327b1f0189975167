//! What writing a chain took: figures for programs, tables for people.

use super::ChainPlan;
use super::writer::Spent;
use crate::bench::report::Build;
use crate::sandbox::plain_table;
use crate::storage::StoreColumn;
use comfy_table::CellAlignment;
use serde::Serialize;
use std::time::Duration;

/// The clocks and counters at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// What writing took.
    pub spent: Spent,
    /// Processor time of the store's own threads, since the process began.
    pub background: Duration,
    /// What the directory takes.
    pub disk_bytes: u64,
}

/// What was measured, before it is put in figures.
pub(super) struct Measured<'a> {
    pub plan: &'a ChainPlan,
    pub readings: &'a [Reading],
    /// What the directory took before the payments, compacted; after them; and after them, compacted.
    pub bytes: [u64; 3],
    /// What the columns took before the payments, and after them, compacted.
    pub columns: [Vec<(StoreColumn, u64)>; 2],
    /// Processor time of compacting everything in the end.
    pub compaction: Option<Duration>,
    pub prepared_seconds: f64,
    pub height: u64,
    pub directory_in_memory: bool,
    pub build: Build,
}

/// Blocks of one power of ten, or all of them.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Decade {
    /// The first of them, counted from 1.
    pub first_block: u64,
    /// The last of them.
    pub last_block: u64,
    /// Transfers in them.
    pub transfers: u64,
    /// Processor time of a transfer: the writing thread's and the store's.
    pub cpu_us_per_transfer: f64,
    /// The writing thread's.
    pub writing_cpu_us_per_transfer: f64,
    /// The store's own threads'.
    pub background_cpu_us_per_transfer: f64,
    /// Time by the clock of the writing thread.
    pub wall_us_per_transfer: f64,
    /// Entries of state that were put or removed.
    pub state_puts_per_transfer: f64,
    /// Keys that the store was asked for.
    pub store_reads_per_transfer: f64,
    /// By how much the directory grew since the first block, for each transfer since then, as it stood at the last of them.
    pub disk_bytes_per_transfer: f64,
}

impl Decade {
    /// What lies between two readings. `began` is what the directory took before the first block.
    pub(super) fn between(before: &Reading, after: &Reading, began: u64) -> Self {
        let spent = after.spent - before.spent;
        let per_transfer = |sum: f64| sum / spent.transactions.max(1) as f64;
        let us = |time: Duration| per_transfer(time.as_secs_f64() * 1e6);
        let background = after.background.saturating_sub(before.background);
        let grown = after.disk_bytes as f64 - began as f64;
        Self {
            first_block: before.spent.blocks + 1,
            last_block: after.spent.blocks,
            transfers: spent.transactions,
            cpu_us_per_transfer: us(spent.cpu + background),
            writing_cpu_us_per_transfer: us(spent.cpu),
            background_cpu_us_per_transfer: us(background),
            wall_us_per_transfer: us(spent.wall),
            state_puts_per_transfer: per_transfer(spent.state_puts as f64),
            store_reads_per_transfer: per_transfer(spent.store_reads as f64),
            disk_bytes_per_transfer: grown / after.spent.transactions.max(1) as f64,
        }
    }

    pub(super) fn in_words(&self) -> String {
        format!(
            "blocks {} to {}: {:.1} µs of CPU a transfer ({:.1} writing, {:.1} in the store's threads)",
            self.first_block,
            self.last_block,
            self.cpu_us_per_transfer,
            self.writing_cpu_us_per_transfer,
            self.background_cpu_us_per_transfer
        )
    }
}

/// What a column takes.
#[derive(Clone, Debug, Serialize)]
pub struct ColumnBytes {
    /// Which.
    pub column: String,
    /// By how much it grew, for each transfer, both times compacted.
    pub bytes_per_transfer: f64,
    /// What it takes in the end, in bytes.
    pub bytes: u64,
}

/// What writing a chain took.
#[derive(Clone, Debug, Serialize)]
pub struct ChainReport {
    /// Blocks of payments.
    pub blocks: u64,
    /// Transfers in them.
    pub transfers: u64,
    /// Accounts that pay each other.
    pub accounts: u64,
    /// Transfers in each block.
    pub transfers_per_block: usize,
    /// Validators that certified.
    pub validators: usize,
    /// How far apart blocks are, in ms of the chain's own time.
    pub block_interval_ms: u64,
    /// Whether every commit was synced.
    pub synced: bool,
    /// The last height, the blocks that opened accounts included.
    pub height: u64,
    /// All blocks.
    pub whole: Decade,
    /// By powers of ten.
    pub decades: Vec<Decade>,
    /// What the disk takes for a transfer, everything included, before a full compaction.
    pub disk_bytes_per_transfer: f64,
    /// The same after it.
    pub disk_bytes_per_transfer_compacted: f64,
    /// By column, after it.
    pub columns: Vec<ColumnBytes>,
    /// Processor time of that compaction, for a transfer; it rewrites what was there before as well.
    pub compaction_cpu_us_per_transfer: Option<f64>,
    /// How long opening and funding the accounts took; next to nothing where that was done before.
    pub prepared_seconds: f64,
    /// Whether the directory is in memory, where syncing costs nothing.
    pub directory_in_memory: bool,
    /// How this program was built.
    pub build: Build,
}

impl ChainReport {
    pub(super) fn of(measured: Measured<'_>) -> Self {
        let Measured { plan, readings, bytes: [began, ended, compacted], columns: [before, after], .. } = measured;
        let pairs = readings.iter().zip(readings.iter().skip(1));
        let decades: Vec<_> = pairs.map(|(before, after)| Decade::between(before, after, began)).collect();
        let [first, last] = [readings.first(), readings.last()].map(|reading| reading.copied());
        let [first, last] = [first, last].map(|reading| {
            let nothing = Reading { spent: Spent::default(), background: Duration::ZERO, disk_bytes: began };
            reading.unwrap_or(nothing)
        });
        let whole = Decade::between(&first, &last, began);
        let per_transfer = |bytes: u64, before: u64| (bytes as f64 - before as f64) / whole.transfers.max(1) as f64;
        let of_column = |((column, bytes), (_, before)): ((StoreColumn, u64), (StoreColumn, u64))| ColumnBytes {
            column: column.to_string().trim_start_matches("column ").to_owned(),
            bytes_per_transfer: per_transfer(bytes, before),
            bytes,
        };
        let columns = after.into_iter().zip(before).map(of_column);
        Self {
            blocks: whole.last_block,
            transfers: whole.transfers,
            accounts: plan.accounts,
            transfers_per_block: plan.transfers_per_block,
            validators: plan.validators,
            block_interval_ms: plan.block_interval_ms,
            synced: plan.synced,
            height: measured.height,
            whole,
            decades,
            disk_bytes_per_transfer: per_transfer(ended, began),
            disk_bytes_per_transfer_compacted: per_transfer(compacted, began),
            columns: columns.filter(|column| column.bytes > 0).collect(),
            compaction_cpu_us_per_transfer: measured
                .compaction
                .map(|time| time.as_secs_f64() * 1e6 / whole.transfers.max(1) as f64),
            prepared_seconds: measured.prepared_seconds,
            directory_in_memory: measured.directory_in_memory,
            build: measured.build,
        }
    }

    /// Tables for people, with what they must know to read them.
    pub fn table(&self) -> String {
        let mut decades = plain_table();
        let header = ["blocks", "CPU µs", "writing", "store", "wall µs", "state puts", "store reads", "disk bytes"];
        decades.set_header(header);
        for decade in self.decades.iter().chain(std::iter::once(&self.whole)) {
            let blocks = format!("{} to {}", decade.first_block, decade.last_block);
            let figures = [
                decade.cpu_us_per_transfer,
                decade.writing_cpu_us_per_transfer,
                decade.background_cpu_us_per_transfer,
                decade.wall_us_per_transfer,
                decade.state_puts_per_transfer,
                decade.store_reads_per_transfer,
                decade.disk_bytes_per_transfer,
            ];
            decades.add_row(std::iter::once(blocks).chain(figures.map(|figure| format!("{figure:.1}"))));
        }
        let mut columns = plain_table();
        columns.set_header(["column", "bytes", "MiB"]);
        for column in &self.columns {
            let mebibytes = column.bytes as f64 / f64::from(1 << 20);
            let figures = [format!("{:.1}", column.bytes_per_transfer), format!("{mebibytes:.1}")];
            columns.add_row(std::iter::once(column.column.clone()).chain(figures));
        }
        for table in [&mut decades, &mut columns] {
            table.column_iter_mut().for_each(|column| column.set_cell_alignment(CellAlignment::Right));
        }
        let notes: String = self.notes().into_iter().map(|note| format!("{note}\n")).collect();
        format!("Each figure is for a transfer.\n\n{decades}\n\nOn the disk, compacted:\n\n{columns}\n\n{notes}")
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = vec![format!(
            "{} blocks of {} transfers among {} accounts, certified by a quorum of {} validators; {:.0} bytes on the disk for a \
             transfer, {:.0} after compacting everything. {} build, {} processor features.",
            self.blocks,
            self.transfers_per_block,
            self.accounts,
            self.validators,
            self.disk_bytes_per_transfer,
            self.disk_bytes_per_transfer_compacted,
            self.build.profile,
            self.build.cpu_features
        )];
        if self.build.profile == "debug" {
            notes.push("THIS IS A DEBUG BUILD: ITS FIGURES MEAN NOTHING. Build with --release.".to_owned());
        }
        if !self.synced {
            notes.push("NOT SYNCED: a node syncs every commit, and its time by the clock is longer.".to_owned());
        }
        if self.directory_in_memory {
            notes.push("THE STORE IS IN MEMORY (tmpfs): give --data-dir a disk.".to_owned());
        }
        notes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(blocks: u64, us: u64, disk_bytes: u64) -> Reading {
        let (cpu, wall) = (Duration::from_micros(us), Duration::from_micros(2 * us));
        let spent =
            Spent { blocks, transactions: 10 * blocks, state_puts: 30 * blocks, store_reads: 5 * blocks, cpu, wall };
        Reading { spent, background: Duration::from_micros(us / 2), disk_bytes }
    }

    #[test]
    fn a_decade_is_what_lies_between_its_ends() {
        let decade = Decade::between(&reading(100, 1_000, 7_000), &reading(200, 5_000, 9_000), 5_000);
        assert_eq!((decade.first_block, decade.last_block, decade.transfers), (101, 200, 1_000));
        assert_eq!(decade.writing_cpu_us_per_transfer, 4.0);
        assert_eq!(decade.background_cpu_us_per_transfer, 2.0);
        assert_eq!((decade.cpu_us_per_transfer, decade.wall_us_per_transfer), (6.0, 8.0));
        assert_eq!((decade.state_puts_per_transfer, decade.store_reads_per_transfer), (3.0, 0.5));
        assert_eq!(decade.disk_bytes_per_transfer, 2.0, "of all blocks so far");
    }
}
