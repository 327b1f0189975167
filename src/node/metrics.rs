//! What a node counts, for Prometheus.

use crate::domain::tokens::redemptions_overdue;
use crate::execution::Executed;
use crate::ledger::{Effect, Status, Value, View};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use std::sync::Arc;

/// The node's own metrics. Cheap to clone; all clones count together.
#[derive(Clone, Debug)]
pub struct NodeMetrics {
    registry: Arc<Registry>,
    /// The newest height known to be final, applied or not.
    pub final_height: Gauge,
    /// The newest height applied here.
    pub applied_height: Gauge,
    /// The applied block's time, in seconds of the Unix epoch.
    pub applied_time_seconds: Gauge,
    /// Tokens whose circulation exceeds the reserves counted.
    pub tokens_in_shortfall: Gauge,
    /// Redemptions found overdue and not settled.
    pub redemptions_overdue: Gauge,
    /// Whether this node's key votes: 1, or 0.
    pub may_vote: Gauge,
    /// Validators heard lately, this node among them if it votes.
    pub validators_heard: Gauge,
    /// How many of them it takes.
    pub quorum: Gauge,
    /// How many validators there are.
    pub validators: Gauge,
    /// Transactions that wait.
    pub pool_transactions: Gauge,
    /// How many of them may wait.
    pub pool_transactions_max: Gauge,
    /// Room on the disk of the node's data, in bytes.
    pub disk_free_bytes: Gauge,
    /// Whether no block has become final for too long: 1, or 0.
    pub stands_still: Gauge,
    /// Transactions applied.
    pub applied_transactions: Counter,
    /// Transactions declined.
    pub declined_transactions: Counter,
    /// Transactions refused before ordering.
    pub refused_transactions: Counter,
    /// Proposed blocks found invalid.
    pub invalid_blocks: Counter,
    /// Calls refused because their client had asked for too much.
    pub refused_calls: Counter,
    /// Connections closed because too many were open: new ones, or others that gave way to them.
    pub refused_connections: Counter,
    /// Blocks whose view ended while they were built here.
    pub abandoned_builds: Counter,
    /// Blocks whose view ended while they were checked here.
    pub abandoned_checks: Counter,
    /// Most transactions that this node puts into a block now.
    pub proposal_transactions_max: Gauge,
    /// The version of the protocol that the next block follows.
    pub protocol_version: Gauge,
    /// The newest version of the protocol that this node follows.
    pub protocol_version_max: Gauge,
    /// The version of the protocol that is decided and not in force; 0 if there is none.
    pub protocol_version_decided: Gauge,
    /// Time to build a block.
    pub build_seconds: Histogram,
    /// Time to check a proposed block.
    pub verify_seconds: Histogram,
    /// Time to commit a final block, sync included.
    pub commit_seconds: Histogram,
    /// Time from a client's submission to finality, sync included.
    pub finality_seconds: Histogram,
}

/// By how much an effect changes the number of redemptions that are overdue and not settled.
fn overdue_change(effect: &Effect) -> i64 {
    let was_overdue = || effect.field("overdue") == Some(&Value::Flag(true));
    match effect.name.as_str() {
        "tokens.redemption_overdue" => 1,
        // One that is settled late, before its deadline's turn came, has the effect above too.
        "tokens.redemption_paid" | "tokens.redemption_rejected" if was_overdue() => -1,
        _ => 0,
    }
}

fn latencies() -> Histogram {
    // From half a millisecond to 16 seconds.
    Histogram::new(exponential_buckets(0.000_5, 2.0, 16))
}

impl Default for NodeMetrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("causeway");
        macro_rules! metric {
            ($name:literal, $help:literal, $metric:expr) => {{
                let metric = $metric;
                registry.register($name, $help, metric.clone());
                metric
            }};
            ($name:literal, $help:literal, $metric:expr, seconds) => {{
                let metric = $metric;
                registry.register_with_unit($name, $help, Unit::Seconds, metric.clone());
                metric
            }};
        }
        let final_height = metric!("final_height", "Newest height known to be final", Gauge::default());
        let applied_height = metric!("applied_height", "Newest height applied here", Gauge::default());
        let applied_time_seconds = metric!("applied_time", "The applied block's time", Gauge::default(), seconds);
        let tokens_in_shortfall =
            metric!("tokens_in_shortfall", "Tokens whose circulation exceeds the reserves counted", Gauge::default());
        let redemptions_overdue =
            metric!("redemptions_overdue", "Redemptions past their deadline and not settled", Gauge::default());
        let may_vote = metric!("may_vote", "Whether this node's key votes", Gauge::default());
        let validators_heard = metric!("validators_heard", "Validators heard lately", Gauge::default());
        let quorum = metric!("quorum", "Validators that it takes", Gauge::default());
        let validators = metric!("validators", "Validators there are", Gauge::default());
        let pool_transactions_max = metric!("pool_transactions_max", "Transactions that may wait", Gauge::default());
        let disk_free = "Room on the disk of the node's data";
        let disk_free_bytes = Gauge::default();
        registry.register_with_unit("disk_free", disk_free, Unit::Bytes, disk_free_bytes.clone());
        let build = Info::new([("version", env!("CARGO_PKG_VERSION")), ("source", env!("CAUSEWAY_SOURCE"))]);
        registry.register("build", "The node's version, and the sources that it is built from", build);
        let pool_transactions = metric!("pool_transactions", "Transactions that wait", Gauge::default());
        let stands_still = metric!("stands_still", "Whether no block has become final for too long", Gauge::default());
        let applied_transactions = metric!("applied_transactions", "Transactions applied", Counter::default());
        let declined_transactions = metric!("declined_transactions", "Transactions declined", Counter::default());
        let refused_transactions =
            metric!("refused_transactions", "Transactions refused before ordering", Counter::default());
        let invalid_blocks = metric!("invalid_blocks", "Proposed blocks found invalid", Counter::default());
        let refused_calls =
            metric!("refused_calls", "Calls refused because their client had asked for too much", Counter::default());
        let refused_connections =
            metric!("refused_connections", "Connections closed because too many were open", Counter::default());
        let abandoned_builds =
            metric!("abandoned_builds", "Blocks whose view ended while they were built here", Counter::default());
        let abandoned_checks =
            metric!("abandoned_checks", "Blocks whose view ended while they were checked here", Counter::default());
        let proposal_transactions_max = metric!(
            "proposal_transactions_max",
            "Most transactions that this node puts into a block now",
            Gauge::default()
        );
        let protocol_version =
            metric!("protocol_version", "The protocol's version that the next block follows", Gauge::default());
        let protocol_version_max =
            metric!("protocol_version_max", "The protocol's newest version that this node follows", Gauge::default());
        let protocol_version_decided = metric!(
            "protocol_version_decided",
            "The protocol's version that is decided and not in force, or 0",
            Gauge::default()
        );
        let build_seconds = metric!("build", "Time to build a block", latencies(), seconds);
        let verify_seconds = metric!("verify", "Time to check a proposed block", latencies(), seconds);
        let commit_seconds = metric!("commit", "Time to commit a final block", latencies(), seconds);
        let finality_seconds = metric!("finality", "Time from submission to finality", latencies(), seconds);
        Self {
            registry: Arc::new(registry),
            final_height,
            applied_height,
            applied_time_seconds,
            tokens_in_shortfall,
            redemptions_overdue,
            may_vote,
            validators_heard,
            quorum,
            validators,
            pool_transactions,
            pool_transactions_max,
            disk_free_bytes,
            stands_still,
            applied_transactions,
            declined_transactions,
            refused_transactions,
            invalid_blocks,
            refused_calls,
            refused_connections,
            abandoned_builds,
            abandoned_checks,
            proposal_transactions_max,
            protocol_version,
            protocol_version_max,
            protocol_version_decided,
            build_seconds,
            verify_seconds,
            commit_seconds,
            finality_seconds,
        }
    }
}

impl NodeMetrics {
    /// Begins at a committed state. From then on each block tells what it changes.
    pub fn begin(&self, height: u64, state: &dyn View) {
        self.applied_height.set(i64::try_from(height).unwrap_or(i64::MAX));
        self.redemptions_overdue.set(i64::try_from(redemptions_overdue(state)).unwrap_or(i64::MAX));
    }

    /// Counts a committed block.
    pub fn committed(&self, executed: &Executed, seconds: f64) {
        let header = &executed.header;
        self.applied_height.set(i64::try_from(header.height).unwrap_or(i64::MAX));
        self.applied_time_seconds.set(i64::try_from(header.time.0 / 1_000).unwrap_or(i64::MAX));
        self.commit_seconds.observe(seconds);
        for outcome in executed.outcomes.iter().take(executed.transactions.len()) {
            match outcome.status {
                Status::Applied => self.applied_transactions.inc(),
                Status::Declined(_) => self.declined_transactions.inc(),
            };
        }
        let effects = executed.outcomes.iter().flat_map(|outcome| &outcome.effects);
        self.redemptions_overdue.inc_by(effects.map(overdue_change).sum());
        let short = executed.reserve_lines.iter().filter(|line| !line.shortfall.is_zero()).count();
        self.tokens_in_shortfall.set(short as i64);
    }

    /// Everything, in the OpenMetrics text format.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // Writing into a string does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redemption_counts_as_overdue_from_its_breach_to_its_settlement() {
        let settled = |name: &str, overdue: bool| Effect::new(name).with("overdue", overdue);
        for (effect, change) in [
            (Effect::new("tokens.redemption_overdue"), 1),
            (settled("tokens.redemption_paid", true), -1),
            (settled("tokens.redemption_rejected", true), -1),
            (settled("tokens.redemption_paid", false), 0),
            (settled("tokens.redemption_rejected", false), 0),
            (Effect::new("tokens.redemption_requested"), 0),
        ] {
            assert_eq!(overdue_change(&effect), change, "{effect:?}");
        }
    }

    #[test]
    fn every_metric_stands_on_the_page() {
        let (page, text) = (include_str!("../../docs/metrics.md"), NodeMetrics::default().encode());
        let names: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
        assert!(names.len() > 10, "{text}");
        for name in names {
            assert!(page.contains(&format!("`{name}")), "docs/metrics.md does not explain {name}");
        }
    }
}
