//! How a breaker is set.

use std::time::Duration;

use super::open_times::OpenTimes;

/// What [`Breaker::new`](super::Breaker::new) takes: when to open, and how to come back.
#[derive(Clone, Debug, Default)]
pub struct BreakerConfig {
    /// When a closed breaker opens.
    pub trip: FailureRatio,
    /// What happens from there on.
    pub recovery: Recovery,
}

/// Opens when so large a part of the last calls failed. It is judged when a call failed, and only then.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FailureRatio {
    /// The part of the calls in the window that failed, from which on it opens. At 0 any failure opens it, above 1 (and
    /// where it is no number) none does. Default 0.3: below it are hiccups, above it is an outage.
    pub ratio: f64,
    /// How many of the last calls are looked at: from 1 to 1,048,576, and beyond taken as the nearer of the two. Two to
    /// four bits of memory each. Default 20, so that an outage after calm times takes 6 failures to be seen.
    pub window: u32,
    /// As long as fewer calls ended, it stays closed. At most `window`; more is taken as that. Default 10, so that one
    /// failure right after the start is no outage.
    pub least_calls: u32,
}

impl Default for FailureRatio {
    fn default() -> Self {
        FailureRatio { ratio: 0.3, window: 20, least_calls: 10 }
    }
}

/// How an open breaker comes back.
#[derive(Clone, Debug)]
pub struct Recovery {
    /// How long it stays open, the first time and when probes fail. Default from 1 s, doubled by each failed probe, to 1 min.
    pub open_times: OpenTimes,
    /// How many probes may be out at a time while it is half-open. At least 1; 0 is taken as that. Default 1: what just
    /// comes back is not run over.
    pub probes: u32,
    /// How many probes succeed before it closes. At least 1; 0 is taken as that. Default 1.
    pub successes: u32,
    /// What a call is told to wait that was refused because all the probes are out: nobody knows when they end. Default 100 ms.
    pub probe_wait: Duration,
}

impl Default for Recovery {
    fn default() -> Self {
        Recovery { open_times: OpenTimes::default(), probes: 1, successes: 1, probe_wait: Duration::from_millis(100) }
    }
}
