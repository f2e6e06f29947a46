//! The policies and backoffs of the crate `failsafe` under this breaker.
//!
//! That crate's own breaker lets every call through when it is half-open and reads a clock of its own; its failure policies
//! and backoffs are good. Here they decide when to open and for how long, and the [`Breaker`](super::Breaker) who is let
//! through.
//!
//! ```
//! use std::time::Duration;
//!
//! use failsafe::{backoff, failure_policy};
//! use netbuild_core::breaker::failsafe::Failsafe;
//! use netbuild_core::breaker::{Breaker, BreakerConfig, BreakerState};
//!
//! let times = backoff::exponential(Duration::from_secs(1), Duration::from_secs(60));
//! let policy = Failsafe::new(failure_policy::consecutive_failures(2, times));
//! let breaker = Breaker::with_policy(&BreakerConfig::default(), Box::new(policy));
//! for _ in 0..2 {
//!     breaker.permit(|| Duration::ZERO).expect("it is closed").failed(|| Duration::ZERO);
//! }
//! assert_eq!(breaker.state(), BreakerState::Open { until: Duration::from_secs(1) });
//! ```

use std::fmt;
use std::time::Duration;

use ::failsafe::FailurePolicy;

use super::policy::TripPolicy;

/// A failure policy of `failsafe` as a [`TripPolicy`].
///
/// A policy that judges by time, as `success_rate_over_time_window` does, reads the machine's clock itself: the time that
/// is an argument here does not reach it.
pub struct Failsafe<P> {
    policy: P,
    last: Duration,
}

/// The most successes that a policy is told of at a failure: more of them say nothing new.
const MOST_SUCCESSES: u64 = 1_000;

impl<P: FailurePolicy> Failsafe<P> {
    /// The policy, with the backoff that it was made with.
    pub fn new(policy: P) -> Self {
        Failsafe { policy, last: Duration::ZERO }
    }
}

impl<P: FailurePolicy + Send> TripPolicy for Failsafe<P> {
    fn failed(&mut self, successes: u64, _now: Duration) -> Option<Duration> {
        (0..successes.min(MOST_SUCCESSES)).for_each(|_| self.policy.record_success());
        let open = self.policy.mark_dead_on_failure();
        self.last = open.unwrap_or(self.last);
        open
    }

    fn probe_failed(&mut self, _now: Duration) -> Duration {
        // A policy that would stay closed has no say while the breaker is not: then it is open as long as before.
        self.last = self.policy.mark_dead_on_failure().unwrap_or(self.last);
        self.last
    }

    fn closed(&mut self) {
        self.policy.revived();
    }
}

impl<P> fmt::Debug for Failsafe<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failsafe").field("last", &self.last).finish_non_exhaustive()
    }
}
