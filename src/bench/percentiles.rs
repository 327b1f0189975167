//! Latencies as the percentile text that HdrHistogram's plotters read (`.hgrm`), in ms.

use super::Latencies;
use std::fmt::Write as _;

/// Steps in each halving of the distance to 100 %, as the other implementations write them.
const TICKS_PER_HALF_DISTANCE: u32 = 5;
const US_PER_MS: f64 = 1_000.0;

/// The text.
pub fn hgrm(latencies: &Latencies) -> String {
    let mut text = format!("{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    let mut total = 0;
    for step in latencies.iter_quantiles(TICKS_PER_HALF_DISTANCE) {
        total += step.count_since_last_iteration();
        let (value, part) = (step.value_iterated_to() as f64 / US_PER_MS, step.quantile_iterated_to());
        // Writing into a text does not fail.
        let _ = match part < 1.0 {
            true => writeln!(text, "{value:>12.3} {part:>14.12} {total:>10} {:>14.2}", 1.0 / (1.0 - part)),
            false => writeln!(text, "{value:>12.3} {part:>14.12} {total:>10}"),
        };
    }
    let (mean, deviation) = (latencies.mean() / US_PER_MS, latencies.stdev() / US_PER_MS);
    let max = latencies.max() as f64 / US_PER_MS;
    let _ = writeln!(text, "#[Mean    = {mean:>12.3}, StdDeviation   = {deviation:>12.3}]");
    let _ = writeln!(text, "#[Max     = {max:>12.3}, Total count    = {:>12}]", latencies.len());
    let (buckets, halves) = (latencies.buckets(), 1u64 << (64 - (2 * 10u64.pow(3) - 1).leading_zeros()));
    let _ = writeln!(text, "#[Buckets = {buckets:>12}, SubBuckets     = {halves:>12}]");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plotter_finds_every_line_in_its_form() {
        let mut latencies = Latencies::new_with_bounds(1, 60_000_000, 3).expect("bounds");
        for ms in 1..=1_000u64 {
            latencies.record(ms * 1_000).expect("in bounds");
        }
        let text = hgrm(&latencies);
        let rows: Vec<Vec<f64>> = text
            .lines()
            .skip(2)
            .take_while(|line| !line.starts_with('#'))
            .map(|line| line.split_whitespace().map(|field| field.parse().expect("a number")).collect())
            .collect();
        assert!(rows.len() > 20);
        assert!(rows.windows(2).all(|pair| pair[0][0] <= pair[1][0] && pair[0][1] <= pair[1][1]), "{text}");
        let median = rows.iter().find(|row| row[1] >= 0.5).expect("there is a median");
        assert!((median[0] - 500.0).abs() < 2.0 && (median[3] - 2.0).abs() < 1e-9, "{median:?}");
        let last = rows.last().expect("there are rows");
        assert_eq!((last[1], last[2], last.len()), (1.0, 1_000.0, 3));
        for line in ["#[Mean", "#[Max     =     1000", "SubBuckets     =         2048]"] {
            assert!(text.contains(line), "{line} is not in:\n{text}");
        }
    }
}
