//! What the processor did for whom, by the system's clocks: time in which a thread waited for its turn is not in it.

use std::future::Future;
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

/// The processor's time of this thread since then; none where the system does not tell.
pub(super) fn spent_since(began: Option<Duration>) -> Duration {
    began.and_then(|began| thread_cpu_time()?.checked_sub(began)).unwrap_or_default()
}

/// A future, and what the processor works on it told piece by piece: whatever becomes of the future.
pub(super) async fn timed<F: Future>(future: F, mut spent: impl FnMut(Duration)) -> F::Output {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|context| {
        let began = thread_cpu_time();
        let polled = future.as_mut().poll(context);
        spent(spent_since(began));
        polled
    })
    .await
}
