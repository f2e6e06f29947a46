//! What a breaker does while it is not closed: all under one lock.

use std::time::Duration;

use super::config::Recovery;
use super::open_times::Series;
use super::policy::{TripPolicy, Verdict};

/// The part of a breaker that only failures, refusals and probes touch.
#[derive(Debug)]
pub(super) struct Recovering {
    pub(super) policy: Option<Box<dyn TripPolicy>>,
    pub(super) trips: u64,
    probes: u32,
    successes: u32,
    times: Series,
    probes_out: u32,
    probes_succeeded: u32,
}

impl Recovering {
    pub(super) fn new(policy: Option<Box<dyn TripPolicy>>, recovery: Recovery) -> Self {
        Recovering {
            policy,
            trips: 0,
            probes: recovery.probes.max(1),
            successes: recovery.successes.max(1),
            times: Series::new(recovery.open_times),
            probes_out: 0,
            probes_succeeded: 0,
        }
    }

    /// How long it opens, at this verdict.
    pub(super) fn open(&mut self, verdict: Verdict) -> Duration {
        self.trips += 1;
        self.probes_out = 0;
        self.probes_succeeded = 0;
        match verdict {
            Verdict::OpenFor(time) => time,
            Verdict::Open | Verdict::Stay => self.times.next_time(),
        }
    }

    /// Takes a probe's place, if there is one.
    pub(super) fn take_probe(&mut self) -> bool {
        let free = self.probes_out < self.probes;
        self.probes_out += u32::from(free);
        free
    }

    pub(super) fn free_probe(&mut self) {
        self.probes_out -= 1;
    }

    /// Counts a probe that succeeded, and answers whether it was the last that is needed.
    pub(super) fn probe_succeeded(&mut self) -> bool {
        self.free_probe();
        self.probes_succeeded += 1;
        self.probes_succeeded >= self.successes
    }

    pub(super) fn close(&mut self) {
        self.probes_out = 0;
        self.probes_succeeded = 0;
        self.times.start_over();
        if let Some(policy) = &mut self.policy {
            policy.closed();
        }
    }
}
