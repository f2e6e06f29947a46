//! The state machine: who is let through, and what their results do.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use super::config::BreakerConfig;
use super::open_time::OpenTime;
use super::permit::Permit;
use super::policy::TripPolicy;
use super::state::{BreakerState, Change, Refused};
use super::window::Window;

/// A circuit breaker. Share it by reference or `Arc`.
#[derive(Debug)]
pub struct Breaker {
    /// The phase in the two lowest bits, above them the number of changes so far: it never comes back to an old value.
    word: AtomicU64,
    rule: Rule,
    probes: u32,
    /// What is needed only when something failed, or is not closed.
    troubled: Mutex<Troubled>,
}

/// What counts successes while closed.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "each breaker has one, and a pointer to it would cost every call")]
enum Rule {
    /// The ratio over the last calls.
    Ratio { window: Window, min_calls: u64, failure_percent: u64 },
    /// A policy of the host's, and the successes that it was not told of.
    Policy { successes: AtomicU64 },
}

#[derive(Debug)]
struct Troubled {
    state: BreakerState,
    open_time: OpenTime,
    policy: Option<Box<dyn TripPolicy>>,
    /// Probes under way, and those that succeeded.
    probing: u32,
    proved: u32,
    counts: BreakerCounts,
}

/// What a breaker has seen since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BreakerCounts {
    /// Calls that were refused.
    pub refused: u64,
    /// Calls that failed, stale ones not counted.
    pub failed: u64,
    /// Results that came after the state in which their permit was given, and were ignored.
    pub stale: u64,
    /// How often it opened.
    pub opened: u64,
    /// How often it closed again.
    pub closed: u64,
}

const CLOSED: u64 = 0;
const OPEN: u64 = 1;
const HALF_OPEN: u64 = 2;
const PHASE: u64 = 0b11;

impl Breaker {
    /// A closed breaker that opens by the ratio of failures among the last calls.
    pub fn new(config: BreakerConfig) -> Self {
        let rule = Rule::Ratio {
            window: Window::new(config.window),
            min_calls: config.min_calls.max(1).into(),
            failure_percent: config.failure_percent.clamp(1, 100).into(),
        };
        Self::with_rule(&config, rule, None)
    }

    /// A closed breaker that opens when a policy says so, and for as long. Of the configuration only
    /// [`probes`](BreakerConfig::probes) counts.
    pub fn with_policy(config: &BreakerConfig, policy: Box<dyn TripPolicy>) -> Self {
        Self::with_rule(config, Rule::Policy { successes: AtomicU64::new(0) }, Some(policy))
    }

    fn with_rule(config: &BreakerConfig, rule: Rule, policy: Option<Box<dyn TripPolicy>>) -> Self {
        let troubled = Troubled {
            state: BreakerState::Closed,
            open_time: OpenTime::new(config),
            policy,
            probing: 0,
            proved: 0,
            counts: BreakerCounts::default(),
        };
        Breaker { word: AtomicU64::new(CLOSED), rule, probes: config.probes.max(1), troubled: Mutex::new(troubled) }
    }

    /// Asks for the right to make a call. The time is asked for only when the breaker is not closed.
    ///
    /// # Errors
    /// [`Refused`] while it is open, and while enough probes are under way.
    #[inline]
    pub fn permit(&self, now: impl FnOnce() -> Duration) -> Result<Permit<'_>, Refused> {
        let word = self.word.load(Ordering::Acquire);
        if word & PHASE == CLOSED {
            return Ok(Permit { breaker: self, word, is_probe: false, change: None });
        }
        self.probe(now)
    }

    /// The state. One that is open stays so past its time until somebody asks for a permit.
    pub fn state(&self) -> BreakerState {
        self.troubled().state
    }

    /// What it has seen.
    pub fn counts(&self) -> BreakerCounts {
        self.troubled().counts
    }

    fn probe(&self, now: impl FnOnce() -> Duration) -> Result<Permit<'_>, Refused> {
        let mut troubled = self.troubled();
        let mut change = None;
        match troubled.state {
            BreakerState::Closed => {
                let word = self.word.load(Ordering::Relaxed);
                return Ok(Permit { breaker: self, word, is_probe: false, change });
            }
            BreakerState::Open { until } => {
                let left = until.saturating_sub(now());
                if !left.is_zero() {
                    troubled.counts.refused += 1;
                    return Err(Refused { retry_after: left });
                }
                (troubled.probing, troubled.proved) = (0, 0);
                change = Some(self.change(&mut troubled, BreakerState::HalfOpen));
            }
            BreakerState::HalfOpen if troubled.probing + troubled.proved >= self.probes => {
                troubled.counts.refused += 1;
                return Err(Refused { retry_after: Duration::ZERO });
            }
            BreakerState::HalfOpen => {}
        }
        troubled.probing += 1;
        Ok(Permit { breaker: self, word: self.word.load(Ordering::Relaxed), is_probe: true, change })
    }

    #[inline]
    pub(super) fn call_succeeded(&self, word: u64) -> Option<Change> {
        if self.word.load(Ordering::Relaxed) != word {
            self.troubled().counts.stale += 1;
            return None;
        }
        match &self.rule {
            Rule::Ratio { window, .. } => window.succeeded(),
            Rule::Policy { successes } => drop(successes.fetch_add(1, Ordering::Relaxed)),
        }
        None
    }

    pub(super) fn probe_succeeded(&self, word: u64) -> Option<Change> {
        let mut troubled = self.fresh(word)?;
        troubled.probing -= 1;
        troubled.proved += 1;
        if troubled.proved < self.probes {
            return None;
        }
        match &self.rule {
            Rule::Ratio { window, .. } => window.clear(),
            Rule::Policy { successes } => successes.store(0, Ordering::Relaxed),
        }
        troubled.open_time.reset();
        if let Some(policy) = &mut troubled.policy {
            policy.closed();
        }
        troubled.counts.closed += 1;
        Some(self.change(&mut troubled, BreakerState::Closed))
    }

    pub(super) fn call_failed(&self, word: u64, is_probe: bool, now: impl FnOnce() -> Duration) -> Option<Change> {
        let mut troubled = self.fresh(word)?;
        troubled.counts.failed += 1;
        let now = now();
        let open_for = if is_probe { Some(troubled.reopen(now)) } else { self.judge(&mut troubled, now) }?;
        troubled.counts.opened += 1;
        Some(self.change(&mut troubled, BreakerState::Open { until: now.saturating_add(open_for) }))
    }

    pub(super) fn probe_dropped(&self, word: u64) {
        if let Some(mut troubled) = self.fresh(word) {
            troubled.probing -= 1;
        }
    }

    /// Whether a failure while closed opens it, and for how long.
    fn judge(&self, troubled: &mut Troubled, now: Duration) -> Option<Duration> {
        match &self.rule {
            Rule::Ratio { window, min_calls, failure_percent } => {
                let (failures, calls) = window.failed();
                let trips = calls >= *min_calls && failures * 100 >= failure_percent * calls;
                trips.then(|| troubled.open_time.next())
            }
            Rule::Policy { successes } => {
                let successes = successes.swap(0, Ordering::Relaxed);
                troubled.policy.as_mut()?.failed(successes, now)
            }
        }
    }

    /// The troubled part, if the state is still the one of that word; a result from before it is stale.
    fn fresh(&self, word: u64) -> Option<MutexGuard<'_, Troubled>> {
        let mut troubled = self.troubled();
        if self.word.load(Ordering::Relaxed) == word {
            return Some(troubled);
        }
        troubled.counts.stale += 1;
        None
    }

    fn change(&self, troubled: &mut Troubled, to: BreakerState) -> Change {
        let from = std::mem::replace(&mut troubled.state, to);
        let phase = match to {
            BreakerState::Closed => CLOSED,
            BreakerState::Open { .. } => OPEN,
            BreakerState::HalfOpen => HALF_OPEN,
        };
        let word = (self.word.load(Ordering::Relaxed) & !PHASE).wrapping_add(PHASE + 1) | phase;
        // What was cleared before must be seen by whoever sees the new state.
        self.word.store(word, Ordering::Release);
        Change { from, to }
    }

    fn troubled(&self) -> MutexGuard<'_, Troubled> {
        // A policy of the host's that panicked leaves whole values behind.
        self.troubled.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Troubled {
    fn reopen(&mut self, now: Duration) -> Duration {
        match &mut self.policy {
            Some(policy) => policy.probe_failed(now),
            None => self.open_time.next(),
        }
    }
}
