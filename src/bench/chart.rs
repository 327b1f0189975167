//! Charts as SVG, by hand: one series, a grid, and a word for each mark when the pointer rests on it.

use std::fmt::Write as _;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 28.0;
/// About how many lines a grid has.
const TICKS: f64 = 5.0;
/// Between bars, where they are wide enough for it.
const GAP: f64 = 2.0;

/// An axis from zero.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// Where it ends.
    pub max: f64,
    /// Places with their labels.
    pub ticks: Vec<(f64, String)>,
}

impl Axis {
    /// An axis that holds a value, with ticks at round numbers.
    pub fn from_zero(value: f64) -> Self {
        let value = if value > 0.0 { value } else { 1.0 };
        let magnitude = 10f64.powf((value / TICKS).log10().floor());
        let steps = [1.0, 2.0, 2.5, 5.0, 10.0].map(|factor| factor * magnitude);
        let step = steps.into_iter().find(|step| value / step <= TICKS + 0.5).unwrap_or(value);
        let count = (value / step).ceil() as u32;
        let digits = if step < 1.0 { (-step.log10()).ceil() as usize } else { usize::from(step.fract() > 0.0) };
        let tick = |index: u32| (f64::from(index) * step, format!("{:.digits$}", f64::from(index) * step));
        Self { max: f64::from(count) * step, ticks: (0..=count).map(tick).collect() }
    }
}

/// A chart of one series.
#[derive(Debug)]
pub struct Chart {
    x: Axis,
    y: Axis,
}

impl Chart {
    /// With these axes.
    pub fn new(x: Axis, y: Axis) -> Self {
        Self { x, y }
    }

    fn across(&self, x: f64) -> f64 {
        let part = if self.x.max > 0.0 { x / self.x.max } else { 0.0 };
        LEFT + part * (WIDTH - LEFT - RIGHT)
    }

    fn down(&self, y: f64) -> f64 {
        HEIGHT - BOTTOM - y / self.y.max * (HEIGHT - TOP - BOTTOM)
    }

    fn framed(&self, marks: &str) -> String {
        let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">\n");
        // Writing into a text does not fail.
        for (y, label) in &self.y.ticks {
            let (at, end, before) = (self.down(*y), WIDTH - RIGHT, LEFT - 8.0);
            let _ = writeln!(svg, "<path class=\"grid\" d=\"M{LEFT} {at:.1}H{end}\"/>");
            let _ = writeln!(svg, "<text x=\"{before}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>", at + 4.0);
        }
        for (x, label) in &self.x.ticks {
            let (at, below) = (self.across(*x), HEIGHT - 8.0);
            let _ = writeln!(svg, "<text x=\"{at:.1}\" y=\"{below}\" text-anchor=\"middle\">{label}</text>");
        }
        svg + marks + "</svg>\n"
    }

    /// A line through points, each with a word.
    pub fn line(&self, points: &[(f64, f64, String)]) -> String {
        let mut marks = String::from("<path class=\"line\" d=\"");
        for (index, (x, y, _)) in points.iter().enumerate() {
            let step = if index == 0 { 'M' } else { 'L' };
            let _ = write!(marks, "{step}{:.1} {:.1}", self.across(*x), self.down(*y));
        }
        marks.push_str("\"/>\n");
        for (x, y, word) in points {
            let (x, y) = (self.across(*x), self.down(*y));
            let _ = writeln!(
                marks,
                "<circle class=\"spot\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"5\"><title>{word}</title></circle>"
            );
        }
        self.framed(&marks)
    }

    /// A bar for each step of the horizontal axis, each with a word.
    pub fn bars(&self, bars: &[(f64, String)]) -> String {
        let step = self.across(1.0) - self.across(0.0);
        let width = if step > 3.0 * GAP { step - GAP } else { step };
        let mut marks = String::new();
        for (index, (value, word)) in bars.iter().enumerate() {
            let (x, y) = (self.across(index as f64), self.down(*value));
            let height = HEIGHT - BOTTOM - y;
            let _ = writeln!(
                marks,
                "<rect class=\"bar\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.2}\" height=\"{height:.1}\">\
                 <title>{word}</title></rect>"
            );
        }
        self.framed(&marks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_hold_the_value() {
        let labels = |value| Axis::from_zero(value).ticks.into_iter().map(|(_, label)| label).collect::<Vec<_>>();
        assert_eq!(labels(10.0), ["0", "2", "4", "6", "8", "10"]);
        assert_eq!(labels(4_321.0), ["0", "1000", "2000", "3000", "4000", "5000"]);
        assert_eq!(labels(0.9), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(12.0), ["0.0", "2.5", "5.0", "7.5", "10.0", "12.5"]);
        for value in [0.0, 0.003, 1.0, 7.7, 99.0, 123_456.0] {
            let axis = Axis::from_zero(value);
            assert!(axis.max >= value && (2..=7).contains(&axis.ticks.len()), "{value}: {axis:?}");
        }
    }

    #[test]
    fn marks_stay_in_the_frame() {
        let chart = Chart::new(Axis::from_zero(4.0), Axis::from_zero(10.0));
        assert_eq!((chart.across(0.0), chart.down(0.0)), (LEFT, HEIGHT - BOTTOM));
        assert_eq!((chart.across(chart.x.max), chart.down(chart.y.max)), (WIDTH - RIGHT, TOP));
        let svg = chart.bars(&[(10.0, "ten".to_owned()), (0.0, "none".to_owned())]);
        assert!(svg.contains("<title>ten</title>") && svg.contains("height=\"0.0\""), "{svg}");
    }
}
