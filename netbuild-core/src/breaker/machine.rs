//! The breaker itself: the three states and what moves it between them.

use std::sync::PoisonError;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::Duration;

use super::config::{BreakerConfig, Recovery};
use super::own_line::OwnLine;
use super::period::{Period, Phase};
use super::permit::{Permit, Refused};
use super::policy::{TripPolicy, Verdict};
use super::recovery::Recovering;
use super::state::{BreakerCounts, BreakerState, Change};
use super::sync::{AtomicU64, Mutex, MutexGuard};
use super::window::Window;

/// A circuit breaker, shared by reference between all that make the calls. The [module](super) tells how it behaves.
///
/// Times are of one monotonic clock, from an origin of its own; up to 584 years of it are told apart.
#[derive(Debug)]
pub struct Breaker {
    /// The [`Period`]. Read by every call; written under the lock of `recovering` only.
    period: AtomicU64,
    /// Nanoseconds, of the last time it opened.
    open_until: AtomicU64,
    probe_wait: Duration,
    tally: Tally,
    recovering: Mutex<Recovering>,
    refused: AtomicU64,
}

/// What calls write while the breaker is closed.
#[derive(Debug)]
enum Tally {
    Window(Box<Window>),
    /// The successes that the policy has not been told yet.
    Untold(Box<OwnLine>),
}

impl Breaker {
    /// A closed breaker that trips by the ratio of failures.
    pub fn new(config: BreakerConfig) -> Self {
        Self::build(Tally::Window(Box::new(Window::new(config.trip))), None, config.recovery)
    }

    /// A closed breaker that trips when the policy says so.
    pub fn with_policy(policy: impl TripPolicy, recovery: Recovery) -> Self {
        Self::build(Tally::Untold(Box::default()), Some(Box::new(policy)), recovery)
    }

    fn build(tally: Tally, policy: Option<Box<dyn TripPolicy>>, recovery: Recovery) -> Self {
        Breaker {
            period: AtomicU64::new(Period::FIRST.word()),
            open_until: AtomicU64::new(0),
            probe_wait: recovery.probe_wait,
            tally,
            recovering: Mutex::new(Recovering::new(policy, recovery)),
            refused: AtomicU64::new(0),
        }
    }

    /// The leave to make a call. A closed breaker does not read the clock.
    ///
    /// # Errors
    /// [`Refused`]: it is open, or half-open with all the probes out.
    #[inline]
    pub fn permit(&self, now: impl FnOnce() -> Duration) -> Result<Permit<'_>, Refused> {
        let period = self.period();
        if period.is_closed() { Ok(Permit::new(self, period, None)) } else { self.permit_to_probe(now()) }
    }

    /// The state as the next call would find it: an open breaker whose time is over is half-open.
    pub fn state(&self, now: Duration) -> BreakerState {
        match self.period().phase() {
            Phase::Closed => BreakerState::Closed,
            Phase::Open if now < self.open_until() => BreakerState::Open { until: self.open_until() },
            Phase::Open | Phase::HalfOpen => BreakerState::HalfOpen,
        }
    }

    /// What it counted.
    pub fn counts(&self) -> BreakerCounts {
        let (window_calls, window_failures) = match &self.tally {
            Tally::Window(window) => (window.calls(), window.failures()),
            Tally::Untold(_) => (0, 0),
        };
        BreakerCounts {
            refused: self.refused.load(Relaxed),
            trips: self.recovering().trips,
            window_calls,
            window_failures,
        }
    }

    fn permit_to_probe(&self, now: Duration) -> Result<Permit<'_>, Refused> {
        // While it is open, refusing takes no lock.
        if self.period().phase() == Phase::Open && now < self.open_until() {
            return self.refuse(self.open_until().saturating_sub(now));
        }
        let mut recovering = self.recovering();
        let period = self.period();
        match period.phase() {
            Phase::Closed => Ok(Permit::new(self, period, None)),
            Phase::Open if now < self.open_until() => self.refuse(self.open_until() - now),
            Phase::Open => {
                recovering.take_probe();
                let from = BreakerState::Open { until: self.open_until() };
                let period = self.enter(period.next(Phase::HalfOpen));
                Ok(Permit::new(self, period, Some(Change { from, to: BreakerState::HalfOpen })))
            }
            Phase::HalfOpen if recovering.take_probe() => Ok(Permit::new(self, period, None)),
            Phase::HalfOpen => self.refuse(self.probe_wait),
        }
    }

    fn refuse(&self, retry_after: Duration) -> Result<Permit<'_>, Refused> {
        self.refused.fetch_add(1, Relaxed);
        Err(Refused { retry_after })
    }

    #[inline]
    pub(super) fn succeeded(&self, of: Period) -> Option<Change> {
        if !of.is_closed() {
            return self.probe_succeeded(of);
        }
        if self.period() == of {
            match &self.tally {
                Tally::Window(window) => window.succeeded(),
                Tally::Untold(successes) => {
                    successes.fetch_add(1, Relaxed);
                }
            }
        }
        None
    }

    pub(super) fn failed(&self, of: Period, now: impl FnOnce() -> Duration) -> Option<Change> {
        if self.period() != of {
            return None;
        }
        if let (true, Tally::Window(window)) = (of.is_closed(), &self.tally)
            && !window.failed(|| self.period() != of)
        {
            return None;
        }
        let now = now();
        let mut recovering = self.recovering();
        if self.period() != of {
            return None;
        }
        let verdict = match (&self.tally, recovering.policy.as_mut()) {
            (Tally::Untold(successes), Some(policy)) => {
                let calls = successes.swap(0, Relaxed);
                if calls > 0 {
                    policy.succeeded(calls);
                }
                policy.failed(now)
            }
            _ => Verdict::Open,
        };
        if of.is_closed() && verdict == Verdict::Stay {
            return None;
        }
        let until = now.saturating_add(recovering.open(verdict));
        self.open_until.store(u64::try_from(until.as_nanos()).unwrap_or(u64::MAX), Release);
        self.enter(of.next(Phase::Open));
        let from = if of.is_closed() { BreakerState::Closed } else { BreakerState::HalfOpen };
        Some(Change { from, to: BreakerState::Open { until: self.open_until() } })
    }

    fn probe_succeeded(&self, of: Period) -> Option<Change> {
        let mut recovering = self.recovering();
        if self.period() != of || !recovering.probe_succeeded() {
            return None;
        }
        recovering.close();
        match &self.tally {
            Tally::Window(window) => window.clear(),
            Tally::Untold(successes) => successes.store(0, Relaxed),
        }
        self.enter(of.next(Phase::Closed));
        Some(Change { from: BreakerState::HalfOpen, to: BreakerState::Closed })
    }

    pub(super) fn probe_dropped(&self, of: Period) {
        let mut recovering = self.recovering();
        if self.period() == of {
            recovering.free_probe();
        }
    }

    #[inline]
    fn period(&self) -> Period {
        Period::from_word(self.period.load(Acquire))
    }

    fn enter(&self, period: Period) -> Period {
        self.period.store(period.word(), Release);
        period
    }

    fn open_until(&self) -> Duration {
        Duration::from_nanos(self.open_until.load(Acquire))
    }

    /// A policy that panicked left its own state as it is, and ours whole.
    fn recovering(&self) -> MutexGuard<'_, Recovering> {
        self.recovering.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
