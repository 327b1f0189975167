//! As much of Prometheus's query language as the alerts use, so that their expressions are put to samples of real nodes wherever
//! the tests run. What it does not know it refuses, so that no alert is passed over.
//!
//! It differs from Prometheus in one thing: `rate` and `increase` tell what was counted between the first sample and the last,
//! without reckoning on to the ends of the range.

use super::samples::{Labels, Points, Samples};
use std::collections::BTreeMap;

/// An expression that was read.
#[derive(Clone, Debug, PartialEq)]
enum Expression {
    Number(f64),
    /// A series' name and labels; the seconds of a range; how many seconds ago.
    Select {
        name: String,
        labels: Labels,
        range: Option<f64>,
        offset: f64,
    },
    Call(String, Vec<Expression>),
    /// `by` these labels.
    Aggregate(String, Vec<String>, Box<Expression>),
    /// `on` these labels, or on all.
    Binary(String, Option<Vec<String>>, Box<[Expression; 2]>),
}

/// What an expression comes to.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    Scalar(f64),
    Vector(Vec<(Labels, f64)>),
}

/// What an alert's expression finds among the samples now: labels and values, none if it does not hold.
pub fn evaluate(text: &str, samples: &Samples) -> Vec<(Labels, f64)> {
    let mut reader = Reader { tokens: tokens(text), at: 0, text };
    let expression = reader.binary(0);
    assert!(reader.at == reader.tokens.len(), "{text}: what follows is not read: {:?}", &reader.tokens[reader.at..]);
    match value_of(&expression, samples) {
        Value::Vector(found) => found,
        Value::Scalar(_) => panic!("{text}: an alert is about series"),
    }
}

const SYMBOLS: [&str; 16] = ["==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "(", ")", "[", "]", "{", "}"];
/// What binds alike, from the weakest on.
const PRECEDENCE: [&[&str]; 5] =
    [&["or"], &["and", "unless"], &["==", "!=", "<=", ">=", "<", ">"], &["+", "-"], &["*", "/"]];

fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let is_word = |character: char| character.is_ascii_alphanumeric() || "_.:".contains(character);
        let length = match first {
            '"' => 2 + rest[1..].find('"').expect("a text ends"),
            ',' | '=' if !rest.starts_with("==") => 1,
            _ if is_word(first) => rest.find(|character| !is_word(character)).unwrap_or(rest.len()),
            _ => {
                let symbol = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol));
                symbol.unwrap_or_else(|| panic!("{text}: {rest} is not read")).len()
            }
        };
        tokens.push(rest[..length].to_owned());
        rest = rest[length..].trim_start();
    }
    tokens
}

struct Reader<'a> {
    tokens: Vec<String>,
    at: usize,
    text: &'a str,
}

impl Reader<'_> {
    fn peek(&self) -> &str {
        self.tokens.get(self.at).map_or("", String::as_str)
    }

    fn next(&mut self) -> String {
        let token = self.peek().to_owned();
        assert!(!token.is_empty(), "{}: it breaks off", self.text);
        self.at += 1;
        token
    }

    fn takes(&mut self, token: &str) -> bool {
        let found = self.peek() == token;
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, token: &str) {
        assert!(self.takes(token), "{}: {token} is expected and not {:?}", self.text, self.peek());
    }

    /// Whatever binds at least as strongly.
    fn binary(&mut self, level: usize) -> Expression {
        let Some(operators) = PRECEDENCE.get(level) else { return self.single() };
        let mut left = self.binary(level + 1);
        while operators.contains(&self.peek()) {
            let operator = self.next();
            let on = if self.takes("on") { Some(self.names()) } else { None };
            let right = self.binary(level + 1);
            left = Expression::Binary(operator, on, Box::new([left, right]));
        }
        left
    }

    fn names(&mut self) -> Vec<String> {
        self.expect("(");
        let mut names = Vec::new();
        while !self.takes(")") {
            names.push(self.next());
            self.takes(",");
        }
        names
    }

    fn single(&mut self) -> Expression {
        if self.takes("(") {
            let inner = self.binary(0);
            self.expect(")");
            return inner;
        }
        let word = self.next();
        if let Ok(number) = word.parse() {
            return Expression::Number(number);
        }
        if ["max", "sum", "count"].contains(&word.as_str()) {
            let by = if self.takes("by") { self.names() } else { Vec::new() };
            return Expression::Aggregate(word, by, Box::new(self.single()));
        }
        match self.peek() {
            "(" => self.call(word),
            _ => self.select(word),
        }
    }

    fn call(&mut self, name: String) -> Expression {
        self.expect("(");
        let mut arguments = Vec::new();
        while !self.takes(")") {
            arguments.push(self.binary(0));
            self.takes(",");
        }
        Expression::Call(name, arguments)
    }

    fn select(&mut self, name: String) -> Expression {
        let mut labels = Labels::new();
        if self.takes("{") {
            while !self.takes("}") {
                let label = self.next();
                self.expect("=");
                labels.insert(label, self.next().trim_matches('"').to_owned());
                self.takes(",");
            }
        }
        let range = self.takes("[").then(|| {
            let range = self.duration();
            self.expect("]");
            range
        });
        let offset = if self.takes("offset") { self.duration() } else { 0.0 };
        Expression::Select { name, labels, range, offset }
    }

    fn duration(&mut self) -> f64 {
        let word = self.next();
        let (number, unit) = word.split_at(word.len() - 1);
        let seconds = match unit {
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            _ => panic!("{}: {word} is no duration", self.text),
        };
        seconds * number.parse::<f64>().unwrap_or_else(|_| panic!("{}: {word} is no duration", self.text))
    }
}

fn value_of(expression: &Expression, samples: &Samples) -> Value {
    match expression {
        Expression::Number(number) => Value::Scalar(*number),
        Expression::Select { name, labels, range: None, offset } => {
            Value::Vector(samples.instant(name, labels, *offset))
        }
        Expression::Select { name, .. } => panic!("a range of {name} is asked for by a function alone"),
        Expression::Call(name, arguments) => called(name, arguments, samples),
        Expression::Aggregate(operator, by, of) => Value::Vector(aggregated(operator, by, vector(of, samples))),
        Expression::Binary(operator, on, sides) => {
            let [left, right] = &**sides;
            binary(operator, on.as_deref(), value_of(left, samples), value_of(right, samples))
        }
    }
}

fn vector(expression: &Expression, samples: &Samples) -> Vec<(Labels, f64)> {
    match value_of(expression, samples) {
        Value::Vector(found) => found,
        Value::Scalar(_) => panic!("{expression:?} is no vector"),
    }
}

fn called(name: &str, arguments: &[Expression], samples: &Samples) -> Value {
    let range = || {
        let Expression::Select { name, labels, range: Some(range), offset } = &arguments[0] else {
            panic!("{arguments:?}: a range is expected")
        };
        samples.range(name, labels, *range, *offset)
    };
    let of_range = |of: &dyn Fn(&Points) -> f64| {
        let found = range().into_iter().filter(|(_, points)| points.len() > 1);
        Value::Vector(found.map(|(labels, points)| (labels, of(&points))).collect())
    };
    match (name, arguments) {
        ("time", []) => Value::Scalar(samples.now()),
        ("scalar", [of]) => match &vector(of, samples)[..] {
            [(_, value)] => Value::Scalar(*value),
            _ => Value::Scalar(f64::NAN),
        },
        ("increase", [_]) => of_range(&increase),
        ("rate", [_]) => of_range(&|points| increase(points) / (points[points.len() - 1].0 - points[0].0)),
        ("predict_linear", [_, Expression::Binary(operator, None, sides)]) if operator == "*" => {
            let [Expression::Number(left), Expression::Number(right)] = &**sides else { panic!("{sides:?}") };
            of_range(&|points| predicted(points, samples.now() + left * right))
        }
        ("histogram_quantile", [Expression::Number(quantile), of]) => {
            Value::Vector(quantiles(*quantile, vector(of, samples)))
        }
        _ => panic!("{name} of {arguments:?} is not known here"),
    }
}

/// How much was counted. A counter that falls began anew.
fn increase(points: &[(f64, f64)]) -> f64 {
    points.windows(2).map(|pair| if pair[1].1 < pair[0].1 { pair[1].1 } else { pair[1].1 - pair[0].1 }).sum()
}

/// Where the line of least squares is at a time.
fn predicted(points: &[(f64, f64)], at: f64) -> f64 {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (time, value) = (mean(|point| point.0), mean(|point| point.1));
    let covariance: f64 = points.iter().map(|point| (point.0 - time) * (point.1 - value)).sum();
    let variance: f64 = points.iter().map(|point| (point.0 - time).powi(2)).sum();
    value + covariance / variance * (at - time)
}

fn only(labels: &Labels, names: &[String]) -> Labels {
    labels.iter().filter(|(name, _)| names.contains(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn aggregated(operator: &str, by: &[String], of: Vec<(Labels, f64)>) -> Vec<(Labels, f64)> {
    let mut groups: BTreeMap<Labels, Vec<f64>> = BTreeMap::new();
    for (labels, value) in of {
        groups.entry(only(&labels, by)).or_default().push(value);
    }
    let fold = |values: Vec<f64>| match operator {
        "max" => values.into_iter().fold(f64::NEG_INFINITY, f64::max),
        "sum" => values.into_iter().sum(),
        _ => values.len() as f64,
    };
    groups.into_iter().map(|(labels, values)| (labels, fold(values))).collect()
}

/// A quantile of each histogram, between the bounds of its bucket in proportion.
fn quantiles(quantile: f64, buckets: Vec<(Labels, f64)>) -> Vec<(Labels, f64)> {
    let mut histograms: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
    for (mut labels, count) in buckets {
        let bound = labels.remove("le").expect("a bucket has a bound");
        histograms.entry(labels).or_default().push((bound.replace('+', "").parse().unwrap(), count));
    }
    let of = |mut buckets: Vec<(f64, f64)>| {
        buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
        let rank = quantile * buckets.last().map_or(0.0, |(_, all)| *all);
        let place = buckets.iter().position(|(_, count)| *count >= rank).unwrap_or(buckets.len() - 1);
        let (below, before) = if place == 0 { (0.0, 0.0) } else { buckets[place - 1] };
        let (bound, count) = buckets[place];
        match bound.is_infinite() {
            true => below,
            false => below + (bound - below) * (rank - before) / (count - before),
        }
    };
    histograms.into_iter().map(|(labels, buckets)| (labels, of(buckets))).filter(|(_, value)| !value.is_nan()).collect()
}

fn binary(operator: &str, on: Option<&[String]>, left: Value, right: Value) -> Value {
    use Value::{Scalar, Vector};
    let key = |labels: &Labels| on.map_or_else(|| labels.clone(), |names| only(labels, names));
    match (left, right) {
        (Vector(left), Vector(right)) => {
            let there: BTreeMap<Labels, f64> = right.iter().map(|(labels, value)| (key(labels), *value)).collect();
            let found = |labels: &Labels| there.get(&key(labels)).copied();
            match operator {
                "and" => Vector(left.into_iter().filter(|(labels, _)| found(labels).is_some()).collect()),
                "unless" => Vector(left.into_iter().filter(|(labels, _)| found(labels).is_none()).collect()),
                "or" => {
                    let here: Vec<Labels> = left.iter().map(|(labels, _)| key(labels)).collect();
                    let others = right.into_iter().filter(|(labels, _)| !here.contains(&key(labels)));
                    Vector(left.into_iter().chain(others).collect())
                }
                _ => {
                    let pairs = left.into_iter().filter_map(|(labels, value)| {
                        let there = found(&labels)?;
                        Some((labels, result(operator, value, there)?))
                    });
                    Vector(pairs.collect())
                }
            }
        }
        (Vector(left), Scalar(right)) => Vector(
            left.into_iter().filter_map(|(labels, value)| Some((labels, result(operator, value, right)?))).collect(),
        ),
        (Scalar(left), Vector(right)) => {
            assert!(PRECEDENCE[3..].iter().any(|of| of.contains(&operator)), "{operator} after a scalar");
            let results =
                right.into_iter().filter_map(|(labels, value)| Some((labels, result(operator, left, value)?)));
            Vector(results.collect())
        }
        (Scalar(left), Scalar(right)) => Scalar(result(operator, left, right).unwrap_or(f64::NAN)),
    }
}

/// What two numbers come to. A comparison keeps the left one, or nothing.
fn result(operator: &str, left: f64, right: f64) -> Option<f64> {
    let kept = |holds: bool| holds.then_some(left);
    match operator {
        "+" => Some(left + right),
        "-" => Some(left - right),
        "*" => Some(left * right),
        "/" => Some(left / right),
        "==" => kept(left == right),
        "!=" => kept(left != right),
        "<" => kept(left < right),
        ">" => kept(left > right),
        "<=" => kept(left <= right),
        ">=" => kept(left >= right),
        _ => panic!("{operator} is not known here"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(lines: &[(f64, &str)]) -> Samples {
        let mut samples = Samples::default();
        for (time, text) in lines {
            samples.take("a", *time, Some(text));
        }
        samples
    }

    fn values(text: &str, samples: &Samples) -> Vec<f64> {
        evaluate(text, samples).into_iter().map(|(_, value)| value).collect()
    }

    #[test]
    fn what_binds_how_strongly_is_as_in_prometheus() {
        let samples = samples(&[(0.0, "x 7\ny 3\n")]);
        assert_eq!(values("x - y * 2 > 0 and y <= 3", &samples), [1.0]);
        assert_eq!(values("(x - y) * 2 > 0 unless on (instance) y > 3", &samples), [8.0]);
        assert_eq!(values("x < 7 or y == 3", &samples), [3.0]);
        assert_eq!(values("scalar(max(x)) - y > 3.5", &samples), [4.0]);
        assert_eq!(values("time() - x > 0", &samples), [0.0; 0]);
        assert_eq!(values("count(count by (version) (x)) > 0", &samples), [1.0]);
    }

    #[test]
    fn ranges_are_of_their_time_and_counters_begin_anew() {
        let samples = samples(&[(0.0, "c 5\n"), (60.0, "c 9\n"), (120.0, "c 2\n")]);
        assert_eq!(values("increase(c[10m])", &samples), [6.0]);
        assert_eq!(values("increase(c[90s])", &samples), [2.0]);
        assert_eq!(values("rate(c[10m])", &samples), [0.05]);
        assert_eq!(values("c offset 1m", &samples), [9.0]);
        let line = self::samples(&[(0.0, "d 100\n"), (60.0, "d 90\n")]);
        assert_eq!(values("predict_linear(d[6h], 2 * 60)", &line), [70.0]);
    }

    #[test]
    fn a_quantile_lies_in_its_bucket() {
        let text = |all: u32| {
            format!("h_bucket{{le=\"1.0\"}} 10\nh_bucket{{le=\"4.0\"}} {all}\nh_bucket{{le=\"+Inf\"}} {all}\n")
        };
        let samples = samples(&[
            (0.0, "h_bucket{le=\"1.0\"} 10\nh_bucket{le=\"4.0\"} 10\nh_bucket{le=\"+Inf\"} 10\n"),
            (60.0, &text(40)),
        ]);
        let found = values("histogram_quantile(0.50, sum by (instance, le) (rate(h_bucket[5m])))", &samples);
        assert_eq!(found, [2.5]);
    }

    #[test]
    fn who_is_not_there_any_more_has_no_samples() {
        let mut samples = samples(&[(0.0, "x 1\n")]);
        samples.take("a", 10.0, None);
        assert_eq!(values("x", &samples), [0.0; 0]);
        assert_eq!(values("up{job=\"causeway\"} == 0", &samples), [0.0]);
    }
}
