//! What a breaker should do, written for reading: no atomics, every call kept.

use std::collections::VecDeque;
use std::time::Duration;

use netbuild_core::breaker::{BreakerConfig, BreakerState};

pub(crate) struct Model {
    config: BreakerConfig,
    pub(crate) state: BreakerState,
    /// The last calls; `true` is a failure.
    window: VecDeque<bool>,
    trips: u32,
    /// How often the state has changed.
    era: u64,
    probing: u32,
    proved: u32,
}

/// A permit of the model: the era and whether it is a probe.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given {
    era: u64,
    probe: bool,
}

impl Model {
    pub(crate) fn new(config: BreakerConfig) -> Self {
        let window = VecDeque::new();
        Model { config, state: BreakerState::Closed, window, trips: 0, era: 0, probing: 0, proved: 0 }
    }

    fn become_(&mut self, state: BreakerState) {
        self.state = state;
        self.era += 1;
    }

    pub(crate) fn permit(&mut self, now: Duration) -> Result<Given, Duration> {
        match self.state {
            BreakerState::Closed => return Ok(Given { era: self.era, probe: false }),
            BreakerState::Open { until } if now < until => return Err(until - now),
            BreakerState::Open { .. } => {
                self.become_(BreakerState::HalfOpen);
                (self.probing, self.proved) = (0, 0);
            }
            BreakerState::HalfOpen if self.probing + self.proved == self.config.probes => return Err(Duration::ZERO),
            BreakerState::HalfOpen => {}
        }
        self.probing += 1;
        Ok(Given { era: self.era, probe: true })
    }

    pub(crate) fn succeeded(&mut self, given: Given) {
        if given.era != self.era {
            return;
        }
        if !given.probe {
            return self.record(false);
        }
        self.probing -= 1;
        self.proved += 1;
        if self.proved == self.config.probes {
            self.window.clear();
            self.trips = 0;
            self.become_(BreakerState::Closed);
        }
    }

    pub(crate) fn failed(&mut self, given: Given, now: Duration) {
        if given.era != self.era {
            return;
        }
        if !given.probe {
            self.record(true);
            let failures = self.window.iter().filter(|failed| **failed).count() as u32;
            let calls = self.window.len() as u32;
            if calls < self.config.min_calls || failures * 100 < self.config.failure_percent * calls {
                return;
            }
        }
        let open = (self.config.open_first * 2_u32.pow(self.trips.min(20))).min(self.config.open_max);
        self.trips += 1;
        self.become_(BreakerState::Open { until: now + open });
    }

    pub(crate) fn dropped(&mut self, given: Given) {
        if given.era == self.era && given.probe {
            self.probing -= 1;
        }
    }

    fn record(&mut self, failed: bool) {
        self.window.push_back(failed);
        if self.window.len() > self.config.window as usize {
            self.window.pop_front();
        }
    }
}
