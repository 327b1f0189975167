//! What the processor did for whom, by the system's clocks: time in which a thread waited for its turn is not in it.

use std::time::Duration;

/// The processor time that this thread has used.
#[cfg(unix)]
pub fn thread_cpu_time() -> Option<Duration> {
    clock(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// The processor time that this process has used, by all its threads, to the nanosecond.
#[cfg(unix)]
pub fn own_cpu_time() -> Option<Duration> {
    clock(libc::CLOCK_PROCESS_CPUTIME_ID)
}

#[cfg(unix)]
#[allow(unsafe_code)]
fn clock(id: libc::clockid_t) -> Option<Duration> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the structure outlives the call, which only fills it in.
    let told = unsafe { libc::clock_gettime(id, &raw mut time) } == 0;
    told.then(|| Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
}

/// Not to be had here.
#[cfg(not(unix))]
pub fn thread_cpu_time() -> Option<Duration> {
    None
}

/// Not to be had here.
#[cfg(not(unix))]
pub fn own_cpu_time() -> Option<Duration> {
    None
}
