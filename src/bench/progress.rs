//! How far a run is: a bar on a terminal, a line now and then elsewhere. On standard error, so that programs which read
//! the result are not bothered.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// How often a terminal's bar moves.
const BAR_INTERVAL: Duration = Duration::from_millis(100);
/// How often a line is printed elsewhere.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// Something that goes on, and of which is told how far it is.
#[derive(Debug)]
pub struct Phase {
    name: &'static str,
    started: Instant,
    counter: Arc<AtomicU64>,
    teller: JoinHandle<()>,
}

impl Phase {
    /// Begins. `counter` counts up to `total`, which is not known for a phase that ends by the clock.
    pub fn begin(name: &'static str, total: Option<u64>, counter: &Arc<AtomicU64>) -> Self {
        let counted = counter.clone();
        let teller = match std::io::stderr().is_terminal() {
            true => tokio::spawn(move_bar(bar(name, total), counted)),
            false => tokio::spawn(print_lines(name, total, counted)),
        };
        Self { name, started: Instant::now(), counter: counter.clone(), teller }
    }

    /// Ends, and tells how long it took.
    pub fn end(self) -> Duration {
        let took = self.started.elapsed();
        let seconds = took.as_secs_f64();
        note(&format!("{}: {} in {seconds:.1} s", self.name, self.counter.load(Ordering::Relaxed)));
        took
    }
}

impl Drop for Phase {
    fn drop(&mut self) {
        self.teller.abort();
    }
}

/// A line for people.
pub fn note(text: &str) {
    // The bar stands in the last line.
    let clear = if std::io::stderr().is_terminal() { "\r\x1b[2K" } else { "" };
    eprintln!("{clear}{text}");
}

fn bar(name: &'static str, total: Option<u64>) -> ProgressBar {
    let template = match total {
        Some(_) => "{msg}: {wide_bar} {human_pos}/{human_len} {per_sec} {eta}",
        None => "{msg}: {spinner} {human_pos} {per_sec} {elapsed}",
    };
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
    // A template that does not parse would leave the library's own.
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.with_style(style).with_message(name)
}

async fn move_bar(bar: ProgressBar, counter: Arc<AtomicU64>) {
    loop {
        bar.set_position(counter.load(Ordering::Relaxed));
        bar.tick();
        tokio::time::sleep(BAR_INTERVAL).await;
    }
}

async fn print_lines(name: &'static str, total: Option<u64>, counter: Arc<AtomicU64>) {
    let mut before = 0;
    loop {
        tokio::time::sleep(LINE_INTERVAL).await;
        let count = counter.load(Ordering::Relaxed);
        let of = total.map_or_else(String::new, |total| format!(" of {total}"));
        let rate = count.saturating_sub(before) as f64 / LINE_INTERVAL.as_secs_f64();
        eprintln!("{name}: {count}{of} ({rate:.0}/s)");
        before = count;
    }
}
