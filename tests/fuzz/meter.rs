//! What this thread allocates, and what it takes of the processor.
//!
//! The suite's allocator is the system's with two counters beside it, of the thread that asks: they cost nothing that could be
//! seen, and tell of a decoder that believes a length.

use causeway::bench::machine::thread_cpu_time;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

thread_local! {
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

// SAFETY: every call is the system allocator's own; the counters are plain cells of the thread and allocate nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
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
    let began = processor_time();
    let answer = run();
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
