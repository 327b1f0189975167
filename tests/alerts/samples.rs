//! What is scraped of nodes, as Prometheus keeps it: series of samples, with the labels that `config/prometheus/scrape.yml` gives.

use std::collections::BTreeMap;

pub type Labels = BTreeMap<String, String>;
/// Values by time, in seconds of the Unix epoch.
pub type Points = [(f64, f64)];
/// The same; no value where the series was not there any more.
type Scraped = Vec<(f64, Option<f64>)>;

/// How long a sample counts as a series' newest.
const LOOKED_BACK_SECONDS: f64 = 300.0;

/// Every sample so far.
#[derive(Debug, Default)]
pub struct Samples {
    /// By name and labels.
    series: BTreeMap<(String, Labels), Scraped>,
    now: f64,
}

impl Samples {
    /// The time of the newest scrape, in seconds of the Unix epoch.
    pub fn now(&self) -> f64 {
        self.now
    }

    /// Takes what a node answered at a time, or that it did not answer.
    pub fn take(&mut self, instance: &str, time: f64, answer: Option<&str>) {
        self.now = time;
        let own = |labels: &Labels| labels.get("instance").is_some_and(|of| of == instance);
        // What a node does not serve any more is over at once.
        for ((_, labels), points) in &mut self.series {
            if own(labels) {
                points.push((time, None));
            }
        }
        let up = format!("up {}\n", u8::from(answer.is_some()));
        for line in up.lines().chain(answer.unwrap_or_default().lines()).filter(|line| !line.starts_with('#')) {
            let (name, mut labels, value) = read(line);
            for (label, value) in [("instance", instance), ("job", "causeway"), ("role", "validator")] {
                labels.insert(label.to_owned(), value.to_owned());
            }
            let points = self.series.entry((name, labels)).or_default();
            points.retain(|(at, value)| *at < time || value.is_some());
            points.push((time, Some(value)));
        }
    }

    fn found(&self, name: &str, labels: &Labels) -> impl Iterator<Item = (&Labels, &[(f64, Option<f64>)])> {
        let fits = move |of: &Labels| labels.iter().all(|(label, value)| of.get(label) == Some(value));
        let found = self.series.iter().filter(move |((of, labels), _)| of == name && fits(labels));
        found.map(|((_, labels), points)| (labels, &points[..]))
    }

    /// The newest sample of each such series, as of so many seconds ago.
    pub fn instant(&self, name: &str, labels: &Labels, offset: f64) -> Vec<(Labels, f64)> {
        let at = self.now - offset;
        let newest = |points: &[(f64, Option<f64>)]| {
            let (time, value) = *points.iter().rfind(|(time, _)| *time <= at)?;
            value.filter(|_| at - time < LOOKED_BACK_SECONDS)
        };
        let found = self.found(name, labels);
        found.filter_map(|(labels, points)| Some((labels.clone(), newest(points)?))).collect()
    }

    /// The samples of each such series within so many seconds up to so many seconds ago.
    pub fn range(&self, name: &str, labels: &Labels, seconds: f64, offset: f64) -> Vec<(Labels, Vec<(f64, f64)>)> {
        let end = self.now - offset;
        let within = |points: &[(f64, Option<f64>)]| {
            let points = points.iter().filter(|(time, _)| *time > end - seconds && *time <= end);
            points.filter_map(|(time, value)| Some((*time, (*value)?))).collect()
        };
        self.found(name, labels).map(|(labels, points)| (labels.clone(), within(points))).collect()
    }
}

/// A line of the exposition: `name{label="value"} 1`.
fn read(line: &str) -> (String, Labels, f64) {
    let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {line}"));
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    let pairs = labels.trim_end_matches('}').split("\",").filter_map(|pair| pair.split_once("=\""));
    let labels = pairs.map(|(label, value)| (label.to_owned(), value.trim_end_matches('"').to_owned())).collect();
    (name.to_owned(), labels, value.parse().unwrap_or_else(|_| panic!("no number: {line}")))
}
