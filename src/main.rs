//! The one binary: everything is in the library, so that tests reach it.

use mimalloc::MiMalloc;
use std::ffi::{c_int, c_long};
use std::process::ExitCode;

/// A transaction is some dozens of small allocations, made by one thread and let go by another. `docs/performance.md` has what
/// this saves over the C library's allocator.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// `mi_option_purge_delay` of mimalloc 3: for how many milliseconds memory that was let go is kept before the system has it
/// back.
const PURGE_DELAY: c_int = 15;
/// Blocks come several in a second and each takes some megabytes. Given back at once, as mimalloc does if nobody says
/// otherwise, they are cleared by the kernel anew for every block, which was 9 % of a busy node's time.
const PURGE_DELAY_MS: c_long = 60_000;

unsafe extern "C" {
    fn mi_option_set(option: c_int, value: c_long);
}

fn main() -> ExitCode {
    // SAFETY: it stores a number, and is defined by the allocator that is linked above.
    unsafe { mi_option_set(PURGE_DELAY, PURGE_DELAY_MS) };
    causeway::cli::main()
}
