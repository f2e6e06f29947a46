//! The leave to make a call.

use std::mem::ManuallyDrop;
use std::time::Duration;

use super::machine::Breaker;
use super::period::Period;
use super::state::Change;

/// The leave to make one call. Say how it went by [`succeeded`](Self::succeeded) or [`failed`](Self::failed); dropped
/// without, it counts as nothing.
#[derive(Debug)]
#[must_use = "a permit that is dropped counts as nothing"]
pub struct Permit<'a> {
    breaker: &'a Breaker,
    period: Period,
    change: Option<Change>,
}

/// There is no leave to make the call now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the circuit breaker is open; ask again in {retry_after:?}")]
pub struct Refused {
    /// When asking again makes sense: the rest of the open time, or, while all the probes are out,
    /// [`Recovery::probe_wait`](super::Recovery::probe_wait).
    pub retry_after: Duration,
}

impl<'a> Permit<'a> {
    #[inline]
    pub(super) fn new(breaker: &'a Breaker, period: Period, change: Option<Change>) -> Self {
        Permit { breaker, period, change }
    }

    /// The change from open to half-open, if this is the permit that made it.
    pub fn change(&self) -> Option<Change> {
        self.change
    }

    /// Whether this is a probe: the breaker was half-open.
    pub fn is_probe(&self) -> bool {
        !self.period.is_closed()
    }

    /// The call succeeded. Answers the change to closed, if this made it.
    #[inline]
    pub fn succeeded(self) -> Option<Change> {
        let answered = ManuallyDrop::new(self);
        answered.breaker.succeeded(answered.period)
    }

    /// The call failed at this monotonic time, which is read only where it is needed. Answers the change to open, if this
    /// made it.
    pub fn failed(self, now: impl FnOnce() -> Duration) -> Option<Change> {
        let answered = ManuallyDrop::new(self);
        answered.breaker.failed(answered.period, now)
    }
}

impl Drop for Permit<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.is_probe() {
            self.breaker.probe_dropped(self.period);
        }
    }
}
