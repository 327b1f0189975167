//! A run as a page: its figures and two charts, in one file that loads nothing, in light and in dark.

use super::Report;
use super::chart::{Axis, Chart};
use std::fmt::Write as _;

/// Steps in each halving of the distance to 100 %.
const TICKS_PER_HALF_DISTANCE: u32 = 10;

const STYLE: &str = "\
:root { color-scheme: light dark; --surface: #fcfcfb; --ink: #1b1b1a; --muted: #66655f; --grid: #e3e2dd; --mark: #2a6fc9;\
 --alarm: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --surface: #191918; --ink: #f1f0ec; --muted: #a5a49d; --grid: #373632;\
 --mark: #6aa8f5; --alarm: #ff8a80; } }
body { margin: 2rem auto; max-width: 46rem; padding: 0 1rem; background: var(--surface); color: var(--ink);\
 font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.4rem; margin-bottom: 0.25rem; } h2 { font-size: 1rem; margin: 2rem 0 0.5rem; }
p { color: var(--muted); margin: 0.25rem 0; } p.alarm { color: var(--alarm); font-weight: 600; }
svg { width: 100%; height: auto; display: block; } svg text { fill: var(--muted); font: 12px system-ui, sans-serif; }
svg .grid { stroke: var(--grid); } svg .line { stroke: var(--mark); stroke-width: 2; fill: none; stroke-linejoin: round; }
svg .bar { fill: var(--mark); } svg .spot { fill: transparent; }
svg .spot:hover { fill: var(--mark); } svg .bar:hover { fill: var(--ink); }
table { border-collapse: collapse; width: 100%; } td { border-top: 1px solid var(--grid); padding: 0.3rem 0; }
td + td { text-align: right; font-variant-numeric: tabular-nums; }
";

/// The page.
pub fn html(report: &Report) -> String {
    let mut page = String::from("<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n");
    let headline =
        format!("{:.0} transfers a second, final in {:.0} ms", report.transfers_per_second, report.finality_ms_p50);
    // Writing into a text does not fail.
    let _ = write!(
        page,
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{headline}</title>\n\
         <style>\n{STYLE}</style>\n<h1>{headline}</h1>\n<p>{}</p>\n",
        escaped(&report.load)
    );
    for note in report.notes() {
        let class = if note.chars().take(6).all(|c| c.is_uppercase() || c == ' ') { " class=\"alarm\"" } else { "" };
        let _ = writeln!(page, "<p{class}>{}</p>", escaped(&note));
    }
    let _ = write!(page, "<h2>Finality by percentile, in ms</h2>\n{}", by_percentile(report));
    let _ = write!(page, "<h2>Transfers acknowledged in each second</h2>\n{}", by_second(report));
    page.push_str("<h2>Figures</h2>\n<table>\n");
    for (figure, value) in report.rows() {
        let _ = writeln!(page, "<tr><td>{figure}</td><td>{}</td></tr>", escaped(&value));
    }
    page.push_str("</table>\n</html>\n");
    page
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Latency over the percentile, spread so that each further nine takes as much room as the one before.
fn by_percentile(report: &Report) -> String {
    let count = report.latencies.len().max(1) as f64;
    let nines = |part: f64| -(1.0 - part).max(1.0 / count).log10();
    let steps = report.latencies.iter_quantiles(TICKS_PER_HALF_DISTANCE);
    let points: Vec<(f64, f64, String)> = steps
        .map(|step| {
            let (part, ms) = (step.quantile_iterated_to(), step.value_iterated_to() as f64 / 1_000.0);
            (nines(part), ms, format!("{:.4} % within {ms:.1} ms", part * 100.0))
        })
        .collect();
    let ticks = [(0.0, "0 %"), (0.5, "50 %"), (0.9, "90 %"), (0.99, "99 %"), (0.999, "99.9 %"), (0.9999, "99.99 %")];
    let reached = ticks.iter().filter(|(part, _)| 1.0 - part >= 1.0 / count);
    let x = Axis { max: nines(1.0), ticks: reached.map(|(part, name)| (nines(*part), (*name).to_owned())).collect() };
    let y_max = points.iter().map(|(_, ms, _)| *ms).fold(0.0, f64::max);
    Chart::new(x, Axis::from_zero(y_max)).line(&points)
}

fn by_second(report: &Report) -> String {
    let counts = &report.transfers_by_second;
    let most = counts.iter().copied().max().unwrap_or_default();
    let bars: Vec<(f64, String)> = counts
        .iter()
        .enumerate()
        .map(|(second, count)| (*count as f64, format!("second {}: {count} transfers", second + 1)))
        .collect();
    Chart::new(Axis::from_zero(counts.len() as f64), Axis::from_zero(most as f64)).bars(&bars)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::report::tests::report;

    #[test]
    fn a_page_stands_alone_and_tells_what_failed() {
        let mut report = report();
        report.load = "a <load> & more".to_owned();
        report.failures = vec!["1 acknowledged transactions are in no block".to_owned()];
        let page = html(&report);
        assert!(page.contains("a &lt;load&gt; &amp; more") && !page.contains("<load>"), "{page}");
        assert!(page.contains("class=\"alarm\">CHECK FAILED: 1 acknowledged"), "{page}");
        assert_eq!(page.matches("<svg").count(), 2);
        assert_eq!(page.matches("class=\"bar\"").count(), report.transfers_by_second.len());
        for outside in ["http://", "https://", "<script", "NaN", "inf"] {
            assert!(!page.contains(outside), "{outside}");
        }
        for name in ["svg", "p", "tr", "title"] {
            let opened = page.matches(&format!("<{name}>")).count() + page.matches(&format!("<{name} ")).count();
            assert_eq!(opened, page.matches(&format!("</{name}>")).count(), "{name}");
        }
    }
}
