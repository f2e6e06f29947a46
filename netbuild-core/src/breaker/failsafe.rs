//! The policies of the crate `failsafe`.

use std::fmt;
use std::time::Duration;

use failsafe::FailurePolicy;

use super::policy::{TripPolicy, Verdict};

/// How many successes in a row a policy is told at most: more than any sensible threshold of calls.
const MOST_TOLD: u64 = 10_000;

/// A failure policy of `failsafe`, with its backoff as the open times: `consecutive_failures`,
/// `success_rate_over_time_window`, both by `or_else`, or one that you wrote for it.
///
/// It is asked under our permits, so only probes pass while half-open, and only when something failed: successes are
/// told at the next failure, 10,000 of them at most. Of `failsafe`'s own, `success_rate_over_time_window` reads the
/// machine's clock by itself and takes those successes to be of that moment; the jittered backoffs are random by
/// themselves. Runs that are to replay use `consecutive_failures` with a plain backoff.
///
/// ```
/// use std::time::Duration;
/// use failsafe::{backoff, failure_policy};
/// use netbuild_core::breaker::{Breaker, BreakerState, FailsafePolicy, Recovery};
///
/// let times = backoff::exponential(Duration::from_secs(10), Duration::from_secs(60));
/// let policy = FailsafePolicy::new(failure_policy::consecutive_failures(3, times));
/// let breaker = Breaker::with_policy(policy, Recovery::default());
/// let now = || Duration::ZERO;
/// for _ in 0..3 {
///     breaker.permit(now)?.failed(now);
/// }
/// assert_eq!(breaker.state(now()), BreakerState::Open { until: Duration::from_secs(10) });
/// # Ok::<(), netbuild_core::breaker::Refused>(())
/// ```
pub struct FailsafePolicy<P>(P);

impl<P> FailsafePolicy<P> {
    /// Over this policy.
    pub fn new(policy: P) -> Self {
        FailsafePolicy(policy)
    }
}

impl<P: FailurePolicy + Send + 'static> TripPolicy for FailsafePolicy<P> {
    fn succeeded(&mut self, calls: u64) {
        for _ in 0..calls.min(MOST_TOLD) {
            self.0.record_success();
        }
    }

    fn failed(&mut self, _now: Duration) -> Verdict {
        self.0.mark_dead_on_failure().map_or(Verdict::Stay, Verdict::OpenFor)
    }

    fn closed(&mut self) {
        self.0.revived();
    }
}

impl<P> fmt::Debug for FailsafePolicy<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FailsafePolicy").field(&std::any::type_name::<P>()).finish()
    }
}
