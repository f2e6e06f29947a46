//! Trip rules that users bring.

use std::fmt::Debug;
use std::time::Duration;

/// Decides when a breaker opens.
///
/// It is asked when a call failed, and under a lock then; before that it is told how many calls succeeded since the last
/// time. So successes cost no lock, and a policy that looks at time sees them at the time of the next failure.
///
/// # Assumptions
/// Quick, and without panics: calls that failed wait for each other meanwhile. It keeps what it needs to know itself and
/// has nothing else to look at, so that the same calls give the same answers.
///
/// ```
/// use std::time::Duration;
/// use netbuild_core::breaker::{Breaker, BreakerState, Recovery, TripPolicy, Verdict};
///
/// /// Opens at the first failure after a start.
/// #[derive(Debug)]
/// struct Fragile;
///
/// impl TripPolicy for Fragile {
///     fn succeeded(&mut self, _calls: u64) {}
///     fn failed(&mut self, _now: Duration) -> Verdict {
///         Verdict::Open
///     }
///     fn closed(&mut self) {}
/// }
///
/// let breaker = Breaker::with_policy(Fragile, Recovery::default());
/// let now = || Duration::ZERO;
/// let change = breaker.permit(now)?.failed(now).unwrap();
/// assert_eq!(change.to, BreakerState::Open { until: Duration::from_secs(1) });
/// # Ok::<(), netbuild_core::breaker::Refused>(())
/// ```
pub trait TripPolicy: Debug + Send + 'static {
    /// So many calls, more than none, succeeded since the last failure or the last [`closed`](Self::closed).
    fn succeeded(&mut self, calls: u64);

    /// A call failed at this monotonic time. While the breaker is closed the answer decides whether it opens. When a
    /// probe failed it opens in any case, and the answer says only for how long.
    fn failed(&mut self, now: Duration) -> Verdict;

    /// The breaker closed again: what was before no longer counts. The probes that closed it are not told.
    fn closed(&mut self);
}

/// What a [`TripPolicy`] says about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It stays closed.
    Stay,
    /// It opens, for the next of [`Recovery::open_times`](super::Recovery::open_times).
    Open,
    /// It opens for so long.
    OpenFor(Duration),
}
