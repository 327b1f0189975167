//! A target and its runs: from a seed, for a number of executions or of seconds, and down to the smallest input that fails.
//!
//! # Invariant
//! Seed, target and the files of the corpus decide the run: the same seed finds the same, and in the same order.

use super::corpus;
use super::meter::{self, Taken};
use super::mutate::{self, Form};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::time::{Duration, Instant};

/// The longest words of a refusal, beside [`WORDS_TIMES_INPUT`]: they go into logs.
const WORDS_BYTES_MAX: usize = 4_096;
/// How often a refusal may repeat its input: TOML shows the line, and marks a place in it.
const WORDS_TIMES_INPUT: usize = 4;
/// How many times its input a decoder may hold. A value is larger than its encoding (an empty text has one byte there and 24
/// here, an error tells the path to where it is), yet by no order that an input could raise.
const MEMORY_TIMES_INPUT: usize = 200;
/// Damages of one input.
const DAMAGES_MAX: u32 = 4;
/// Inputs that are kept for the rest of a run because their answer was new.
const KEPT_MAX: usize = 512;
/// The largest input that is kept for later runs, and how many of a target are.
const GROWN_BYTES_MAX: usize = 4_096;
const GROWN_MAX: usize = 96;
/// Tries at making a finding smaller.
const SHRINKS_MAX: usize = 3_000;

/// What any input may take, whatever its size.
#[derive(Clone, Copy, Debug)]
pub struct Allowed {
    /// Memory beside a multiple of the input: the decoder's tables, its error's text.
    pub memory_bytes: usize,
    /// The processor's time, unoptimised.
    pub processor: Duration,
}

/// What decoders are allowed.
pub const USUAL: Allowed = Allowed { memory_bytes: 512 * 1024, processor: Duration::from_secs(1) };

/// A decoder under test.
pub struct Target {
    /// What its input is made of.
    pub form: Form,
    /// How often it is run where the clock does not decide.
    pub executions: u64,
    /// What an input may take.
    pub allowed: Allowed,
    /// Good inputs to begin with.
    pub corpus: Vec<Vec<u8>>,
    /// Reads an input, and panics if something does not hold.
    pub check: fn(&[u8]) -> Verdict,
}

/// What a decoder said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It took the input.
    Read,
    /// It refused, in these words.
    Refused(String),
}

impl Verdict {
    /// That of a result.
    pub fn of<T, E: ToString>(result: &Result<T, E>) -> Self {
        match result {
            Ok(_) => Self::Read,
            Err(error) => Self::Refused(error.to_string()),
        }
    }

    /// The words without what varies: numbers, and whatever stands in quotes.
    fn class(&self) -> String {
        let Self::Refused(words) = self else { return String::new() };
        let mut quoted = false;
        let kept = words.chars().filter(|each| {
            quoted ^= *each == '\'';
            !quoted && !each.is_ascii_digit()
        });
        kept.take(100).collect()
    }
}

/// How long to run, and from which seed.
pub struct Plan {
    /// Where the damage comes from.
    pub seed: u64,
    seconds: Option<u64>,
    executions: u64,
    /// Whether what was answered in new words is kept for later runs.
    keeps: bool,
}

impl Plan {
    /// As the environment says; so many executions where it does not.
    pub fn of(executions: u64) -> Self {
        let number = |name: &str| {
            let value = std::env::var(name).ok().filter(|value| !value.is_empty());
            value.map(|value| value.parse::<u64>().unwrap_or_else(|_| panic!("{name}={value} is not a number")))
        };
        Self {
            seed: number("CAUSEWAY_FUZZ_SEED").unwrap_or(1),
            seconds: number("CAUSEWAY_FUZZ_SECONDS"),
            executions,
            keeps: number("CAUSEWAY_FUZZ_KEEP").is_some(),
        }
    }

    /// Whether there is more to do.
    pub fn goes_on(&self, done: u64, began: Instant) -> bool {
        match self.seconds {
            Some(seconds) => began.elapsed() < Duration::from_secs(seconds),
            None => done < self.executions,
        }
    }
}

#[derive(Default)]
struct Seen {
    executions: u64,
    read: u64,
    refused: u64,
    classes: BTreeSet<String>,
    most: Taken,
}

/// Runs a target, and fails with what it takes to see a failure again.
pub fn fuzz(name: &str, target: &Target) {
    watch_panics();
    let plan = Plan::of(target.executions);
    let mut pool = target.corpus.clone();
    pool.extend(corpus::kept(name));
    let mut grown = corpus::grown(name);
    pool.extend(grown.iter().cloned());
    let mut seen = Seen::default();
    for input in &pool {
        execute(name, target, &plan, &mut seen, input);
    }
    assert!(seen.read > 0, "{name}: no input of the corpus is read, so damage to them tells nothing");
    let good = pool.len();
    let mut rng = StdRng::seed_from_u64(plan.seed ^ fold(name));
    let began = Instant::now();
    while plan.goes_on(seen.executions, began) {
        let mut input = pool[rng.random_range(0..pool.len())].clone();
        for _ in 0..rng.random_range(1..=DAMAGES_MAX) {
            mutate::damage(target.form, &mut input, &pool, &mut rng);
        }
        let is_new = execute(name, target, &plan, &mut seen, &input);
        if is_new && pool.len() < good + KEPT_MAX {
            if plan.keeps && grown.len() < GROWN_MAX {
                grown.extend(as_small(target, &input));
            }
            pool.push(input);
        }
    }
    if plan.keeps {
        corpus::keep_grown(name, &grown);
    }
    assert!(seen.refused > 0, "{name}: nothing was refused, whatever was done to it");
    println!(
        "{name}: {} executions from seed {}, {} read, {} refused in {} ways, at most {} KiB and {:?} for one",
        seen.executions,
        plan.seed,
        seen.read,
        seen.refused,
        seen.classes.len(),
        seen.most.memory_bytes / 1024,
        seen.most.processor,
    );
}

/// The smallest input found that is answered in the same words, if it is small enough to be kept.
fn as_small(target: &Target, input: &[u8]) -> Option<Vec<u8>> {
    let class = |input: &[u8]| judge(target, input).ok().map(|(verdict, _)| verdict.class());
    let words = class(input);
    // What is dear on purpose is not tried thousands of times.
    let is_dear = target.allowed.processor > USUAL.processor;
    let smallest = if is_dear { input.to_vec() } else { shrink(input, |smaller| class(smaller) == words) };
    Some(smallest).filter(|smallest| smallest.len() <= GROWN_BYTES_MAX)
}

fn fold(name: &str) -> u64 {
    name.bytes().fold(0, |folded, byte| folded.wrapping_mul(0x100_0000_01b3) ^ u64::from(byte))
}

/// Runs one input; whether its answer was in new words.
fn execute(name: &str, target: &Target, plan: &Plan, seen: &mut Seen, input: &[u8]) -> bool {
    let (verdict, taken) = match judge(target, input) {
        Ok(answer) => answer,
        Err(fault) => report(name, target, plan, seen.executions, input, &fault),
    };
    seen.executions += 1;
    match verdict {
        Verdict::Read => seen.read += 1,
        Verdict::Refused(_) => seen.refused += 1,
    }
    seen.most.memory_bytes = seen.most.memory_bytes.max(taken.memory_bytes);
    seen.most.processor = seen.most.processor.max(taken.processor);
    seen.classes.insert(verdict.class())
}

/// The verdict on an input, or what did not hold.
fn judge(target: &Target, input: &[u8]) -> Result<(Verdict, Taken), String> {
    QUIET.set(true);
    PANICKED.take();
    let (answer, taken) = meter::measure(|| catch_unwind(AssertUnwindSafe(|| (target.check)(input))));
    QUIET.set(false);
    // One that somebody caught on the way, as a runtime does, is one all the same.
    if let Some(panic) = PANICKED.take() {
        return Err(panic);
    }
    let allowed = target.allowed.memory_bytes + MEMORY_TIMES_INPUT * input.len();
    if taken.memory_bytes > allowed {
        return Err(format!("{} bytes took {} of memory, more than {allowed}", input.len(), taken.memory_bytes));
    }
    if taken.processor > target.allowed.processor {
        return Err(format!("{} bytes took {:?} of the processor", input.len(), taken.processor));
    }
    let verdict = answer.expect("a panic was told above");
    match &verdict {
        Verdict::Refused(words) if words.len() > WORDS_BYTES_MAX + WORDS_TIMES_INPUT * input.len() => {
            Err(format!("a refusal of {} bytes: {}…", words.len(), words.chars().take(200).collect::<String>()))
        }
        _ => Ok((verdict, taken)),
    }
}

/// Fails with the smallest input that was found to fail, and how to see it again.
fn report(name: &str, target: &Target, plan: &Plan, execution: u64, input: &[u8], fault: &str) -> ! {
    let smallest = shrink(input, |smaller| judge(target, smaller).is_err());
    let smaller_fault = judge(target, &smallest).map_or_else(|fault| fault, |_| fault.to_owned());
    let file = corpus::file_of(name, &smallest);
    let kept = match plan.seconds {
        Some(_) => {
            corpus::keep(&file, &smallest);
            "is kept as"
        }
        None => "belongs into",
    };
    panic!(
        "target {name}, seed {}, execution {execution}: {smaller_fault}\n\
         the smallest input found ({} bytes of {}): {}\n\
         as text: {:?}\n\
         It {kept} {}, with which every run begins.\n\
         Again: make fuzz TARGET={name} SEED={} SECONDS=60",
        plan.seed,
        smallest.len(),
        input.len(),
        hex::encode(&smallest),
        String::from_utf8_lossy(&smallest[..smallest.len().min(400)]),
        file.display(),
        plan.seed,
    );
}

/// Leaves out whatever the failure does not need.
fn shrink(input: &[u8], fails: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut smallest = input.to_vec();
    let mut tries = 0;
    let mut size = smallest.len() / 2;
    while size > 0 && tries < SHRINKS_MAX {
        let mut at = 0;
        while at + size <= smallest.len() && tries < SHRINKS_MAX {
            tries += 1;
            let without = [&smallest[..at], &smallest[at + size..]].concat();
            if fails(&without) {
                smallest = without;
            } else {
                at += size;
            }
        }
        size /= 2;
    }
    smallest
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
    static PANICKED: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Panics of a thread that is being judged are noted instead of printed.
fn watch_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if QUIET.get() {
                PANICKED.with_borrow_mut(|noted| {
                    noted.get_or_insert_with(|| panic.to_string());
                });
            } else {
                usual(panic);
            }
        }));
    });
}

#[test]
fn a_fault_is_found_and_made_small() {
    watch_panics();
    let check = |bytes: &[u8]| {
        assert!(!bytes.windows(2).any(|pair| pair == [0xff, 0x00]), "planted");
        if bytes.len().is_multiple_of(2) { Verdict::Read } else { Verdict::Refused("odd".to_owned()) }
    };
    let target =
        Target { form: Form::Bytes, executions: 20_000, allowed: USUAL, corpus: vec![vec![7; 40], vec![0; 9]], check };
    let found = catch_unwind(AssertUnwindSafe(|| fuzz("planted", &target))).expect_err("it must be found");
    let said = found.downcast_ref::<String>().expect("a text");
    assert!(said.contains("planted") && said.contains("(2 bytes of") && said.contains("ff00"), "{said}");
}

#[test]
fn memory_time_and_words_are_bounded() {
    let judged = |check: fn(&[u8]) -> Verdict| {
        let target = Target { form: Form::Bytes, executions: 0, allowed: USUAL, corpus: Vec::new(), check };
        judge(&target, &[1, 2, 3]).map(|(verdict, _)| verdict)
    };
    watch_panics();
    let believing = |_: &[u8]| Verdict::Refused(vec![0u8; 16 << 20].len().to_string());
    assert!(judged(believing).is_err_and(|fault| fault.contains("of memory")));
    let slow = |_: &[u8]| {
        let began = meter::processor_time();
        let mut spun = 0u64;
        while meter::processor_time() - began <= USUAL.processor {
            spun += 1;
        }
        Verdict::Refused(spun.to_string())
    };
    assert!(judged(slow).is_err_and(|fault| fault.contains("of the processor")));
    let wordy = |_: &[u8]| Verdict::Refused("no ".repeat(WORDS_BYTES_MAX));
    assert!(judged(wordy).is_err_and(|fault| fault.contains("a refusal of")));
    assert_eq!(judged(|_| Verdict::Read), Ok(Verdict::Read));
}
