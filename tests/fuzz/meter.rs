//! What this thread allocates, and what it takes of the processor.
//!
//! What runs away is stopped before it takes the machine along: past [`RUNAWAY_BYTES`] the system has no more for it, and the process
//! ends.
//!
//! The suite's allocator is the system's with two counters beside it, of the thread that asks: they cost nothing that could be
//! seen, and tell of a decoder that believes a length.

use causeway::bench::machine::thread_cpu_time;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

/// What nothing that is measured ever needs.
const RUNAWAY_BYTES: isize = 2 << 30;

thread_local! {
    static CEILING: Cell<isize> = const { Cell::new(isize::MAX) };
    static HELD: Cell<isize> = const { Cell::new(0) };
    static HELD_MOST: Cell<isize> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

fn count(change: isize) {
    // A thread that ends frees what it held after its counters are gone.
    let _ = HELD.try_with(|held| {
        held.set(held.get() + change);
        let _ = HELD_MOST.try_with(|most| most.set(most.get().max(held.get())));
    });
}

/// Whether so much more is past what this thread may hold.
fn runs_away(size: usize) -> bool {
    HELD.try_with(|held| CEILING.try_with(|ceiling| held.get().saturating_add(size as isize) > ceiling.get()))
        .is_ok_and(|inner| inner.unwrap_or(false))
}

// SAFETY: every call is the system allocator's own, or tells that there is no memory; the counters are plain cells of the thread and allocate nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if runs_away(layout.size()) {
            return std::ptr::null_mut();
        }
        count(layout.size() as isize);
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if runs_away(layout.size()) {
            return std::ptr::null_mut();
        }
        count(layout.size() as isize);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if runs_away(size) {
            return std::ptr::null_mut();
        }
        count(size as isize - layout.size() as isize);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// What something took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Taken {
    /// The most memory that it held at once, in bytes.
    pub memory_bytes: usize,
    /// The processor's time, which others on the machine do not lengthen.
    pub processor: Duration,
}

/// Runs something on this thread and measures it.
pub fn measure<T>(run: impl FnOnce() -> T) -> (T, Taken) {
    let before = HELD.get();
    HELD_MOST.set(before);
    CEILING.set(before.saturating_add(RUNAWAY_BYTES));
    let began = processor_time();
    let answer = run();
    CEILING.set(isize::MAX);
    let taken = Taken {
        memory_bytes: (HELD_MOST.get() - before).max(0) as usize,
        processor: processor_time().saturating_sub(began),
    };
    (answer, taken)
}

/// What this thread took of the processor so far.
pub fn processor_time() -> Duration {
    thread_cpu_time().expect("the system tells a thread's time")
}

#[test]
fn what_is_allocated_is_counted() {
    let (kept, taken) = measure(|| vec![1u8; 100_000]);
    assert!((100_000..101_000).contains(&taken.memory_bytes), "{taken:?}");
    let (_, taken) = measure(|| {
        drop(vec![1u8; 70_000]);
        drop(vec![1u8; 60_000]);
        kept.len()
    });
    assert!((70_000..71_000).contains(&taken.memory_bytes), "not both at once: {taken:?}");
}
