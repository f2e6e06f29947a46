//! What a host can set about the engine.

use std::time::Duration;

/// Times and bounds of the engine: plain data with defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineConfig {
    /// The most attempts of a build; further infrastructure failures are final. Default 3: a cause that outlives three
    /// attempts on different machines needs a person.
    pub max_attempts: u32,
    /// The wait before the second attempt; it doubles with each further one. Default 1 s.
    pub retry_base: Duration,
    /// The longest wait before an attempt. Default 60 s.
    pub retry_cap: Duration,
    /// The wait before an executor that was full, away or silent is asked again. Default 2 s.
    pub ask_again: Duration,
    /// The most attempts that wait for an executor to take them, in each lane. Default 64. What is above it stays in the
    /// backlog, where the policy and a new route still see it: an executor that decides by itself how many it runs is not
    /// asked for all of them at once.
    pub max_asking: usize,
    /// The time between TERM and KILL. Default 10 s.
    pub grace: Duration,
    /// How long a runner works on without an answer from the gateway. Default 60 s. It must equal the lease in
    /// [`JobRules`](crate::model::JobRules): the scheduler passes it on.
    pub lease: Duration,
    /// Added to lease and grace before an attempt that cannot be seen counts as certainly over: the clocks' difference and
    /// the kernel's time to kill. Default 10 s.
    pub fence_margin: Duration,
    /// How long after its run limit an attempt is stopped from outside, when the runner did not do it by itself.
    /// Default 15 s: a little more than the grace.
    pub run_margin: Duration,
}

impl Default for EngineConfig {
    fn default() -> Self {
        EngineConfig {
            max_attempts: 3,
            retry_base: Duration::from_secs(1),
            retry_cap: Duration::from_secs(60),
            ask_again: Duration::from_secs(2),
            max_asking: 64,
            grace: Duration::from_secs(10),
            lease: Duration::from_secs(60),
            fence_margin: Duration::from_secs(10),
            run_margin: Duration::from_secs(15),
        }
    }
}

impl EngineConfig {
    /// After so long without any sign of life an attempt has certainly ended by itself.
    pub(super) fn fence_after(&self) -> Duration {
        self.lease + self.grace + self.fence_margin
    }
}
