//! When a breaker opens, and for how long.

use std::fmt::Debug;
use std::time::Duration;

/// Says when a closed breaker opens, and for how long. It is asked only when a call failed, one caller at a time.
pub trait TripPolicy: Debug + Send {
    /// A call failed while the breaker was closed, after so many that succeeded since the failure before. How long to open,
    /// or `None` to stay closed.
    fn failed(&mut self, successes: u64, now: Duration) -> Option<Duration>;

    /// A probe failed: how long to open again.
    fn probe_failed(&mut self, now: Duration) -> Duration;

    /// Enough probes succeeded: what was before does not count any more.
    fn closed(&mut self);
}
