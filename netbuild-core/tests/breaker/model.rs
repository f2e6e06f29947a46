//! The breaker as one would write it without threads and without hurry.

use std::collections::VecDeque;
use std::time::Duration;

use netbuild_core::breaker::{BreakerConfig, BreakerCounts, BreakerState, Change, Refused};

/// Which period a permit is of. A number says it: states that come again are not the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ModelPermit {
    period: u32,
    pub(crate) change: Option<Change>,
}

pub(crate) struct Model {
    config: BreakerConfig,
    state: BreakerState,
    period: u32,
    /// Of the last calls, the oldest first: whether it failed.
    results: VecDeque<bool>,
    probes_out: u32,
    probes_succeeded: u32,
    failed_openings: usize,
    refused: u64,
    trips: u64,
}

impl Model {
    pub(crate) fn new(config: BreakerConfig) -> Self {
        Model {
            config,
            state: BreakerState::Closed,
            period: 0,
            results: VecDeque::new(),
            probes_out: 0,
            probes_succeeded: 0,
            failed_openings: 0,
            refused: 0,
            trips: 0,
        }
    }

    pub(crate) fn permit(&mut self, now: Duration) -> Result<ModelPermit, Refused> {
        let mut change = None;
        match self.state {
            BreakerState::Closed => {}
            BreakerState::Open { until } if now < until => return self.refuse(until - now),
            BreakerState::Open { .. } => {
                change = Some(self.enter(BreakerState::HalfOpen));
                self.probes_out = 1;
                self.probes_succeeded = 0;
            }
            BreakerState::HalfOpen if self.probes_out < self.config.recovery.probes => self.probes_out += 1,
            BreakerState::HalfOpen => return self.refuse(self.config.recovery.probe_wait),
        }
        Ok(ModelPermit { period: self.period, change })
    }

    pub(crate) fn succeeded(&mut self, permit: ModelPermit) -> Option<Change> {
        match self.state {
            _ if permit.period != self.period => None,
            BreakerState::HalfOpen => {
                self.probes_out -= 1;
                self.probes_succeeded += 1;
                (self.probes_succeeded == self.config.recovery.successes).then(|| {
                    self.results.clear();
                    self.failed_openings = 0;
                    self.enter(BreakerState::Closed)
                })
            }
            _ => {
                self.count(false);
                None
            }
        }
    }

    pub(crate) fn failed(&mut self, permit: ModelPermit, now: Duration) -> Option<Change> {
        if permit.period != self.period {
            return None;
        }
        if self.state == BreakerState::Closed {
            self.count(true);
            let trip = self.config.trip;
            let failures = self.results.iter().filter(|failed| **failed).count();
            let enough = self.results.len() >= trip.least_calls as usize;
            if !enough || (failures as f64) < trip.ratio * self.results.len() as f64 {
                return None;
            }
        }
        let time = self.config.recovery.open_times.series().nth(self.failed_openings);
        self.failed_openings += 1;
        self.trips += 1;
        Some(self.enter(BreakerState::Open { until: now + time.expect("the series does not end") }))
    }

    pub(crate) fn dropped(&mut self, permit: ModelPermit) {
        if permit.period == self.period && self.state == BreakerState::HalfOpen {
            self.probes_out -= 1;
        }
    }

    pub(crate) fn state(&self, now: Duration) -> BreakerState {
        match self.state {
            BreakerState::Open { until } if now >= until => BreakerState::HalfOpen,
            state => state,
        }
    }

    pub(crate) fn counts(&self) -> BreakerCounts {
        BreakerCounts {
            refused: self.refused,
            trips: self.trips,
            window_calls: self.results.len() as u64,
            window_failures: self.results.iter().filter(|failed| **failed).count() as u64,
        }
    }

    fn refuse(&mut self, retry_after: Duration) -> Result<ModelPermit, Refused> {
        self.refused += 1;
        Err(Refused { retry_after })
    }

    fn count(&mut self, failed: bool) {
        self.results.push_back(failed);
        if self.results.len() > self.config.trip.window as usize {
            self.results.pop_front();
        }
    }

    fn enter(&mut self, to: BreakerState) -> Change {
        self.period += 1;
        Change { from: std::mem::replace(&mut self.state, to), to }
    }
}
