//! The processor's time.

use rustix::time::{ClockId, clock_gettime};

/// A moment of the processor time that this thread has used. Wall time would count what other programs of a busy machine
/// take away; their use of the shared caches is still felt.
#[derive(Clone, Copy, Debug)]
pub struct CpuTime(i64);

impl CpuTime {
    /// Now.
    pub fn now() -> Self {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        CpuTime(time.tv_sec * 1_000_000_000 + time.tv_nsec)
    }

    /// The nanoseconds since then.
    pub fn elapsed_nanos(self) -> f64 {
        (Self::now().0 - self.0) as f64
    }
}
