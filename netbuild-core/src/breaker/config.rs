//! Bounds and times of a breaker.

use std::time::Duration;

/// Bounds and times of a [`Breaker`](super::Breaker). Plain data with defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakerConfig {
    /// How many of the last calls count, 1 to 1,024; a value outside is taken as the nearest inside. Default 20.
    pub window: u32,
    /// How many calls there must be before the ratio counts, at least 1. Default 5: one early failure is no 100%.
    pub min_calls: u32,
    /// At which percentage of failures among them it opens, 1 to 100. Default 30.
    pub failure_percent: u32,
    /// How long it is open the first time. Default 1 s.
    pub open_first: Duration,
    /// The longest time: each trip without a success between doubles it up to this. Default 30 s.
    pub open_max: Duration,
    /// A seed of the random part of the open time, which then lies between half of it and the whole, so that many processes
    /// do not come back in step. `None`: no random part. Default `None`, for the seed must differ from process to process.
    pub jitter: Option<u64>,
    /// How many probes are let through at once when it is half-open, and how many must succeed to close it, at least 1.
    /// Default 1.
    pub probes: u32,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        BreakerConfig {
            window: 20,
            min_calls: 5,
            failure_percent: 30,
            open_first: Duration::from_secs(1),
            open_max: Duration::from_secs(30),
            jitter: None,
            probes: 1,
        }
    }
}
