//! What a breaker is, and what it says.

use std::time::Duration;

/// The state of a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Every call is let through.
    Closed,
    /// None is.
    Open {
        /// Until when, by the caller's monotonic clock. The first call after it is a probe.
        until: Duration,
    },
    /// Only probes are.
    HalfOpen,
}

impl BreakerState {
    /// The name in lower case: `half_open`.
    pub fn label(self) -> &'static str {
        match self {
            BreakerState::Closed => "closed",
            BreakerState::Open { .. } => "open",
            BreakerState::HalfOpen => "half_open",
        }
    }
}

/// A change of the state, returned to whoever caused it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The state before.
    pub from: BreakerState,
    /// The state now.
    pub to: BreakerState,
}

/// A call is not let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the breaker is open; try again after {retry_after:?}")]
pub struct Refused {
    /// When a next try may be let through. Zero while probes are under way: it depends on them.
    pub retry_after: Duration,
}
