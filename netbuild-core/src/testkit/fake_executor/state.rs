//! The fake's state: a pure machine; every transition gets the time as an argument.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;

use super::events::EventLog;
use super::faults::{CallFault, FakeCall, FakeCallKind, StartFault};
use super::live_attempts::LiveAttempts;
use super::play::Play;
use crate::model::{AttemptId, BuildName, Outcome, Report, Timestamp};
use crate::port::{
    ExecutorError, ExecutorEvent, Listing, LogChunk, Observed, Phase, StartError, StartRequest, Started,
};

/// The calls that are kept at most; the oldest go first.
const MAX_CALLS: usize = 100_000;

/// Everything a fake knows. Times are of the clock's monotonic time.
#[derive(Debug)]
pub(super) struct State {
    /// The wall clock when the monotonic time was zero.
    pub(super) epoch: Timestamp,
    pub(super) attempts: BTreeMap<BuildName, FakeAttempt>,
    pub(super) slots: Option<u32>,
    pub(super) live: LiveAttempts,
    pub(super) most_alive: usize,
    pub(super) lists_complete: bool,
    pub(super) hidden: BTreeSet<AttemptId>,
    pub(super) events: EventLog,
    pub(super) start_faults: VecDeque<StartFault>,
    pub(super) call_faults: BTreeMap<FakeCallKind, VecDeque<CallFault>>,
    pub(super) delays: BTreeMap<FakeCallKind, (Duration, Duration)>,
    pub(super) calls: VecDeque<FakeCall>,
}

/// An attempt that was started.
#[derive(Debug)]
pub(super) struct FakeAttempt {
    pub(super) attempt: AttemptId,
    pub(super) phase: Phase,
    pub(super) play: Play,
    /// What it does next by itself, and when.
    next: Option<(Duration, Step)>,
    /// When a cancel ends it.
    cancelled_at: Option<Duration>,
    pub(super) log: Bytes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Run,
    End,
}

impl State {
    pub(super) fn new(epoch: Timestamp) -> Self {
        State {
            epoch,
            attempts: BTreeMap::new(),
            slots: None,
            live: LiveAttempts::new(),
            most_alive: 0,
            lists_complete: true,
            hidden: BTreeSet::new(),
            events: EventLog::default(),
            start_faults: VecDeque::new(),
            call_faults: BTreeMap::new(),
            delays: BTreeMap::new(),
            calls: VecDeque::new(),
        }
    }

    pub(super) fn record(&mut self, call: FakeCall) {
        if self.calls.len() == MAX_CALLS {
            self.calls.pop_front();
        }
        self.calls.push_back(call);
    }

    /// Does all that is due, in the order of time.
    pub(super) fn advance(&mut self, now: Duration) {
        while let Some((due, name)) = self.earliest()
            && due <= now
        {
            self.step(&name, due);
        }
    }

    /// When something happens next by itself.
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.earliest().map(|(due, _)| due)
    }

    fn earliest(&self) -> Option<(Duration, BuildName)> {
        let due = |attempt: &FakeAttempt| {
            [attempt.next.map(|(due, _)| due), attempt.cancelled_at].into_iter().flatten().min()
        };
        self.attempts.iter().filter_map(|(name, attempt)| due(attempt).map(|due| (due, name.clone()))).min()
    }

    fn step(&mut self, name: &BuildName, due: Duration) {
        let Some(attempt) = self.attempts.get_mut(name) else { return };
        if attempt.cancelled_at == Some(due) {
            return self.end(name, Report::of(Outcome::Cancelled));
        }
        match attempt.next.take() {
            Some((_, Step::Run)) => self.run(name, due),
            Some((_, Step::End)) => {
                let report = Report::of(attempt.play.outcome.clone());
                self.end(name, report);
            }
            None => {}
        }
    }

    /// Starts an attempt, or finds it.
    pub(super) fn start(
        &mut self,
        request: &StartRequest,
        play: impl FnOnce(&StartRequest) -> Play,
        now: Duration,
    ) -> Result<Started, StartError> {
        self.check_caller(request);
        let attempt = &request.job.attempt;
        if let Some(held) = self.attempts.get(&request.name) {
            let by = held.attempt.number;
            match (by.cmp(&attempt.number), &held.phase) {
                (std::cmp::Ordering::Greater, _) => return Err(StartError::Stale { by }),
                (std::cmp::Ordering::Equal, _) => return Ok(Started::Adopted { observed: held.observed() }),
                (std::cmp::Ordering::Less, Phase::Ended { .. }) => {}
                (std::cmp::Ordering::Less, _) => return Err(StartError::NameTaken { by }),
            }
        }
        if self.slots.is_some_and(|slots| self.alive().len() >= slots as usize) {
            return Err(StartError::Full);
        }
        self.live.begin(attempt);
        let play = play(request);
        let created = FakeAttempt {
            attempt: attempt.clone(),
            phase: Phase::Pending { waits_for: String::new() },
            next: play.pending.map(|pending| (now + pending, Step::Run)),
            play,
            cancelled_at: None,
            log: Bytes::new(),
        };
        self.attempts.insert(request.name.clone(), created);
        self.most_alive = self.most_alive.max(self.alive().len());
        self.tell(&request.name);
        self.advance(now);
        Ok(Started::Created { host: None })
    }

    /// What no caller may ask of any executor.
    fn check_caller(&self, request: &StartRequest) {
        let attempt = &request.job.attempt;
        assert!(
            attempt.build == request.build.key(),
            "the job is of build {}, the request of build {}",
            attempt.build,
            request.build.key()
        );
        for (name, held) in &self.attempts {
            assert!(
                (*name == request.name) == (held.attempt.build == attempt.build),
                "a build has one name of its own: {} was given to {}, and {name} is that of {}",
                request.name,
                attempt.build,
                held.attempt.build
            );
        }
    }

    pub(super) fn cancel(&mut self, attempt: &AttemptId, grace: Duration, now: Duration) {
        let Some(name) = self.name_of(attempt) else { return };
        let Some(held) = self.attempts.get_mut(&name) else { return };
        let after = match held.phase {
            Phase::Ended { .. } => return,
            Phase::Pending { .. } => Duration::ZERO,
            Phase::Running { .. } | Phase::Unknown => held.play.after_term.map_or(grace, |after| after.min(grace)),
        };
        let at = now.saturating_add(after);
        held.cancelled_at = Some(held.cancelled_at.map_or(at, |before| before.min(at)));
        self.advance(now);
    }

    pub(super) fn list(&self) -> Listing {
        let shown = |attempt: &&FakeAttempt| !self.hidden.contains(&attempt.attempt);
        let attempts = self.attempts.values().filter(shown).map(FakeAttempt::observed).collect();
        Listing { attempts, complete: self.lists_complete }
    }

    pub(super) fn logs(&self, attempt: &AttemptId, from: u64, max: usize) -> LogChunk {
        let held = self.name_of(attempt).and_then(|name| self.attempts.get(&name));
        let Some(held) = held else { return LogChunk { offset: from, bytes: Bytes::new(), end: true } };
        let begin = usize::try_from(from).unwrap_or(usize::MAX).min(held.log.len());
        let end = begin.saturating_add(max).min(held.log.len());
        let at_end = end == held.log.len() && matches!(held.phase, Phase::Ended { .. });
        LogChunk { offset: from, bytes: held.log.slice(begin..end), end: at_end }
    }

    pub(super) fn remove(&mut self, attempt: &AttemptId) -> Result<(), ExecutorError> {
        let Some(name) = self.name_of(attempt) else { return Ok(()) };
        match self.attempts.get(&name).map(|held| &held.phase) {
            Some(Phase::Ended { .. }) => {
                self.attempts.remove(&name);
                Ok(())
            }
            _ => Err(ExecutorError::StillRuns),
        }
    }

    /// The attempts that have not ended.
    pub(super) fn alive(&self) -> Vec<AttemptId> {
        let alive = |held: &&FakeAttempt| !matches!(held.phase, Phase::Ended { .. });
        self.attempts.values().filter(alive).map(|held| held.attempt.clone()).collect()
    }

    pub(super) fn name_of(&self, attempt: &AttemptId) -> Option<BuildName> {
        self.attempts.iter().find(|(_, held)| held.attempt == *attempt).map(|(name, _)| name.clone())
    }

    pub(super) fn run(&mut self, name: &BuildName, now: Duration) {
        let since = self.epoch + now;
        let Some(held) = self.attempts.get_mut(name) else { return };
        held.phase = Phase::Running { since };
        held.log = held.play.log.clone();
        held.next = held.play.run.map(|run| (now + run, Step::End));
        self.tell(name);
    }

    pub(super) fn end(&mut self, name: &BuildName, report: Report) {
        let Some(held) = self.attempts.get_mut(name) else { return };
        held.phase = Phase::Ended { report: Report { log_bytes: held.log.len() as u64, ..report } };
        held.next = None;
        held.cancelled_at = None;
        self.live.end(&held.attempt);
        self.tell(name);
    }

    /// Moves an attempt to a phase in which it stays until it is moved again.
    pub(super) fn hold(&mut self, name: &BuildName, phase: Phase) {
        let Some(held) = self.attempts.get_mut(name) else { return };
        held.phase = phase;
        held.next = None;
        self.tell(name);
    }

    pub(super) fn vanish(&mut self, name: &BuildName) {
        if let Some(held) = self.attempts.remove(name) {
            self.live.end(&held.attempt);
        }
    }

    fn tell(&mut self, name: &BuildName) {
        if let Some(held) = self.attempts.get(name) {
            self.events.push(ExecutorEvent::Observed(held.observed()));
        }
    }
}

impl FakeAttempt {
    pub(super) fn observed(&self) -> Observed {
        Observed { attempt: self.attempt.clone(), host: None, phase: self.phase.clone() }
    }
}
