//! The one binary: everything is in the library, so that tests reach it.

use mimalloc::MiMalloc;
use std::process::ExitCode;

/// A transaction is some dozens of small allocations, made by one thread and let go by another. `docs/performance.md` has what
/// this saves over the C library's allocator.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    causeway::cli::main()
}
