//! The one binary: everything is in the library, so that tests reach it.

#![deny(unsafe_code)]

use mimalloc::MiMalloc;
use std::process::ExitCode;

/// A transaction is some dozens of small allocations, made by one thread and let go by another. `docs/performance.md` has what
/// this saves over the C library's allocator.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    without_huge_pages();
    causeway::cli::main()
}

/// The allocator asks for huge pages, and the kernel clears two megabytes where a few kilobytes are about to be used: with
/// them a busy node cleared pages for a tenth of its time, and stood still while it did.
fn without_huge_pages() {
    #[cfg(target_os = "linux")]
    #[allow(unsafe_code)]
    // SAFETY: it takes numbers and changes a flag of this process. Where the kernel refuses, all is as before.
    unsafe {
        libc::prctl(libc::PR_SET_THP_DISABLE, 1, 0, 0, 0);
    }
}
