//! What can be seen of a breaker.

use std::time::Duration;

/// The state of a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Every call gets a permit.
    Closed,
    /// No call gets a permit.
    Open {
        /// The monotonic time from which on a call is let through to probe.
        until: Duration,
    },
    /// A few calls get a permit, to probe.
    HalfOpen,
}

impl BreakerState {
    /// A word for it, for metrics and logs: `closed`, `open` or `half_open`.
    pub fn as_str(&self) -> &'static str {
        match self {
            BreakerState::Closed => "closed",
            BreakerState::Open { .. } => "open",
            BreakerState::HalfOpen => "half_open",
        }
    }
}

/// A change of state. Exactly one call gets it: the one that caused it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The state before.
    pub from: BreakerState,
    /// The state since.
    pub to: BreakerState,
}

/// What a breaker counted. The figures are read one after the other, so calls at the same time may be in some of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BreakerCounts {
    /// Calls refused since the start.
    pub refused: u64,
    /// How often it opened since the start, by the trip rule or by a failed probe.
    pub trips: u64,
    /// Calls in the window of the ratio rule; 0 with a policy. While it is not closed: those before it opened.
    pub window_calls: u64,
    /// How many of them failed.
    pub window_failures: u64,
}
