//! Answers counted: how many, how fast, and when.

use super::BenchError;
use super::lane::{Answered, Prepared};
use super::report::Latencies;
use crate::client::submission::Fate;
use tokio::time::Instant;

/// The longest latency that is told apart, in µs: an hour.
const LATENCY_US_MAX: u64 = 60 * 60 * 1_000_000;

/// The answers of a run, counted.
#[derive(Debug)]
pub struct Tally {
    /// Of final transactions, from their intended sending to their answer.
    pub latencies: Latencies,
    /// Transfers of applied transactions.
    pub transfers: u64,
    /// Final transactions, declined ones included.
    pub transactions: u64,
    /// Of those, the declined ones.
    pub declined: u64,
    /// What a declined one was declined for, of one of them.
    pub declined_for: Option<String>,
    /// Transactions that were not taken, or that expired.
    pub refused: u64,
    /// What was wrong with one of them.
    pub refused_for: Option<String>,
    /// Transfers by the second in which they were acknowledged.
    pub transfers_by_second: Vec<u64>,
    /// From the start to the last final answer.
    pub seconds: f64,
}

impl Tally {
    /// Counts.
    ///
    /// # Errors
    /// None that depends on the answers.
    pub fn of(start: Instant, answered: &[Answered], prepared: &[Prepared]) -> Result<Self, BenchError> {
        let latencies = Latencies::new_with_bounds(1, LATENCY_US_MAX, 3);
        let mut tally = Self {
            latencies: latencies.map_err(|error| BenchError::Internal(error.to_string()))?,
            transfers: 0,
            transactions: 0,
            declined: 0,
            declined_for: None,
            refused: 0,
            refused_for: None,
            transfers_by_second: Vec::new(),
            seconds: 0.0,
        };
        for answer in answered {
            tally.add(start, answer, prepared[answer.index].transfers.into());
        }
        Ok(tally)
    }

    fn add(&mut self, start: Instant, answer: &Answered, transfers: u64) {
        let Answered { intended, at, fate, .. } = answer;
        match fate {
            Fate::Expired => return self.refuse("TRANSACTION_EXPIRED"),
            Fate::Refused { reason, .. } => return self.refuse(reason),
            Fate::Unknown { .. } => return self.refuse("OUTCOME_UNKNOWN"),
            Fate::Declined { reason, .. } => {
                self.declined += 1;
                self.declined_for.get_or_insert_with(|| reason.clone());
            }
            Fate::Applied { .. } => {
                self.transfers += transfers;
                let second = at.duration_since(start).as_secs() as usize;
                if self.transfers_by_second.len() <= second {
                    self.transfers_by_second.resize(second + 1, 0);
                }
                self.transfers_by_second[second] += transfers;
            }
        }
        self.transactions += 1;
        self.seconds = self.seconds.max(at.duration_since(start).as_secs_f64());
        self.latencies.saturating_record(at.duration_since(*intended).as_micros() as u64);
    }

    fn refuse(&mut self, reason: &str) {
        self.refused += 1;
        self.refused_for.get_or_insert_with(|| reason.to_owned());
    }

    /// The latency that this part of final transactions stays within, in ms.
    pub fn finality_ms(&self, part: f64) -> f64 {
        self.latencies.value_at_quantile(part) as f64 / 1_000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::KeyPair;
    use crate::ledger::SignedTransaction;
    use std::time::Duration;

    fn prepared(transfers: u32) -> Prepared {
        let signature = KeyPair::from_seed(&[1; 32]).sign_transaction(b"body");
        let signed =
            SignedTransaction::new(bytes::Bytes::from_static(b"body"), vec![signature]).expect("a transaction");
        Prepared { id: signed.id(), signed, transfers }
    }

    #[test]
    fn latency_counts_from_the_intended_time_and_throughput_only_what_was_applied() {
        let start = Instant::now();
        let ms = |count: u64| start + Duration::from_millis(count);
        let answered = |intended, at, fate| Answered { index: 0, intended: ms(intended), at: ms(at), fate };
        let declined = Fate::Declined { height: 1, reason: "INSUFFICIENT_FUNDS".to_owned() };
        let refused = Fate::Refused { reason: "POOL_FULL".to_owned(), message: String::new() };
        let answers = [
            answered(0, 100, Fate::Applied { height: 1 }),
            answered(500, 2_500, Fate::Applied { height: 2 }),
            answered(600, 2_600, declined),
            answered(700, 9_000, refused),
        ];
        let tally = Tally::of(start, &answers, &[prepared(8)]).expect("counted");
        assert_eq!((tally.transfers, tally.transactions, tally.declined, tally.refused), (16, 3, 1, 1));
        assert_eq!(tally.transfers_by_second, [8, 0, 8]);
        assert!((tally.seconds - 2.6).abs() < 1e-9, "a refusal does not stretch the run: {}", tally.seconds);
        assert!((tally.finality_ms(0.01) - 100.0).abs() < 1.0 && (tally.finality_ms(1.0) - 2_000.0).abs() < 2.0);
        assert_eq!(tally.declined_for.as_deref(), Some("INSUFFICIENT_FUNDS"));
        assert_eq!(tally.refused_for.as_deref(), Some("POOL_FULL"));
    }
}
