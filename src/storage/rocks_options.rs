//! How RocksDB is tuned: for a node that rests below 150 MB, syncs every write, and would rather stop than guess.
//!
//! Each option says why, and `docs/performance.md` has the figures of those that were chosen by one. What is not named here is
//! RocksDB's default on purpose.

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DBCompressionType, DBRecoveryMode, Env, LogLevel, Options,
    WriteOptions,
};

use super::column::Family;

/// Uncompressed blocks, indexes and filters of all families together, as they come to be read. Of ten million accounts the
/// filters alone are 25 MB (10 bits for each account and balance); in 64 MiB they and the entries drove each other out.
const BLOCK_CACHE_BYTES: usize = 256 << 20;
/// Memory that all families' unflushed writes may take together.
const WRITE_BUFFERS_BYTES: usize = 64 << 20;
/// Memory that one family's unflushed writes may take before it is flushed.
const WRITE_BUFFER_BYTES: usize = 16 << 20;
/// The write-ahead log that a start may have to replay: a second or two.
const WAL_BYTES_MAX: u64 = 96 << 20;
/// Table files held open. A desktop's limit is often 1,024 for everything.
const OPEN_FILES_MAX: i32 = 256;
/// Small tables keep a compaction's working set small.
const TABLE_FILE_BYTES: u64 = 16 << 20;
/// By how much tables are larger from one level to the next: ten million accounts would else lie in more files than may be open,
/// and a look-up open one to close another.
const TABLE_FILE_GROWTH: i32 = 4;

/// Options of the whole database.
pub(super) fn database() -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);

    // Damage is an error at the earliest read, not a shorter answer.
    options.set_paranoid_checks(true);
    // A record cut short at the log's very end is a commit that was never acknowledged. Anything else wrong in the log
    // stops the start; RocksDB's default would silently drop every commit after the damage.
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    // A log file that the manifest knows of and the disk does not is noticed at the start.
    options.set_track_and_verify_wals_in_manifest(true);
    // An old file reused as a log ends in stale records that look like damage.
    options.set_recycle_log_file_num(0);

    options.set_db_write_buffer_size(WRITE_BUFFERS_BYTES);
    // Families that are seldom written would hold old logs back for ever; past this they are flushed.
    options.set_max_total_wal_size(WAL_BYTES_MAX);
    options.set_max_open_files(OPEN_FILES_MAX);
    // The manifest is read whole at every start; past this it is begun anew.
    options.set_max_manifest_file_size(4 << 20);
    // One flush and one compaction at a time: the machine's cores are for signatures.
    options.set_max_background_jobs(2);
    // A compaction can wait, and a vote or a client cannot: on a machine with few cores, one that took its share of them would
    // hold up every node at once, since all write the same. A flush keeps its place, because commits would wait for it.
    if let Ok(mut environment) = Env::new() {
        environment.lower_thread_pool_cpu_priority();
        options.set_env(&environment);
    }
    // Flushed files reach the disk as they are written, not in one burst that delays a commit's sync.
    options.set_bytes_per_sync(1 << 20);

    // RocksDB's own log is for its developers; errors come to us as results.
    options.set_log_level(LogLevel::Warn);
    options.set_keep_log_file_num(2);
    options.set_max_log_file_size(1 << 20);
    // Nobody reads the statistics, and gathering them wakes an idle node.
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    // Opening reads every table's footer for statistics that only help compaction choose.
    options.set_skip_stats_update_on_db_open(true);
    options
}

/// One descriptor for each family, all over one block cache.
pub(super) fn families() -> Vec<ColumnFamilyDescriptor> {
    let cache = Cache::new_lru_cache(BLOCK_CACHE_BYTES);
    let descriptor = |family: Family| ColumnFamilyDescriptor::new(family.name(), family_options(family, &cache));
    Family::ALL.into_iter().map(descriptor).collect()
}

/// Every commit is synced: an acknowledgement is a promise.
pub(super) fn synced() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.set_sync(true);
    options
}

fn family_options(family: Family, cache: &Cache) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    // Indexes and filters count towards the cache's bound, instead of growing with the data beside it.
    table.set_cache_index_and_filter_blocks(true);
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);
    if asked_for_what_is_absent(family) {
        // 10 bits for each key answer 99 of 100 "is it there?" for an absent key without touching the disk.
        table.set_bloom_filter(10.0, false);
        table.set_optimize_filters_for_memory(true);
    }

    let mut options = Options::default();
    options.set_block_based_table_factory(&table);
    options.set_write_buffer_size(WRITE_BUFFER_BYTES);
    if asked_for_what_is_absent(family) {
        // The same for what is not flushed yet, where each "no" would otherwise walk a list through memory.
        options.set_memtable_prefix_bloom_ratio(0.05);
        options.set_memtable_whole_key_filtering(true);
    }
    // One being filled and one being flushed.
    options.set_max_write_buffer_number(2);
    options.set_target_file_size_base(TABLE_FILE_BYTES);
    options.set_target_file_size_multiplier(TABLE_FILE_GROWTH);
    options.set_max_bytes_for_level_base(4 * TABLE_FILE_BYTES);
    options.set_compression_type(compression(family));
    options
}

/// Families of which keys are asked that most often are not there: request ids, transaction ids, new accounts.
const fn asked_for_what_is_absent(family: Family) -> bool {
    matches!(family, Family::State | Family::BlockIndex | Family::TransactionIndex)
}

/// LZ4 where there is something to gain. Digests and signatures do not compress; nor do accounts and balances, which are ids
/// and keys for the most part, and to unpack 4 KiB for 100 bytes of an account was a sixth of what the read took.
const fn compression(family: Family) -> DBCompressionType {
    match family {
        Family::Meta | Family::Blocks | Family::Outcomes | Family::PrunedBlocks => DBCompressionType::Lz4,
        Family::State
        | Family::BlockIndex
        | Family::Certificates
        | Family::TransactionIndex
        | Family::ObjectIndex
        | Family::Accumulator
        | Family::HistoryNodes => DBCompressionType::None,
    }
}
