//! The fake executor keeps the contract; and planted defects: for each case of the suite at least one executor that is wrong
//! in just the way which the case looks for. A case that finds none of its defects proves nothing.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use netbuild_core::model::{AttemptId, AttemptNumber, Cause, Failure, Outcome, Report, Timestamp};
use netbuild_core::port::{
    Clock, Executor, ExecutorCapabilities, ExecutorError, ExecutorEvent, Listing, LogChunk, Observed, Phase,
    StartError, StartRequest, Started,
};
use netbuild_core::testkit::conformance::executor::{self, ExecutorUnderTest, READY, TestCommand, request};
use netbuild_core::testkit::conformance::{Subject, Verdict};
use netbuild_core::testkit::{FakeExecutor, FakeExecutorHandle, Play, TokioClock};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    SaysAdopted,
    CreatesAgain,
    RestartsTheEnded,
    KeepsTheEnded,
    ReplacesTheRunning,
    ForgetsTheFence,
    CancelsByBuildId,
    HasNoSlots,
    IsFullForTheRunning,
    ForgetsOnReopen,
    SaysLost,
    SaysCodeOne,
    SaysVanishedSucceeded,
    IgnoresCancels,
    CancelsAll,
    WaitsOutTheGrace,
    KillsAtOnce,
    RefusesRepeats,
    CancelsTheEnded,
    RefusesTheAbsent,
    CancelsByBuild,
    IgnoresRemoves,
    RemovesTheRunning,
    SaysRemovedOfTheRunning,
    RemovesByBuild,
    HidesTheEnded,
    IsNeverComplete,
    ListsTwice,
    BeginsWithoutGap,
    DropsEnds,
    TellsOneStream,
    IgnoresOffsets,
    IgnoresMax,
    EndsLogsEarly,
    NeverEndsLogs,
    ReadsLogsByBuild,
}
use Fault::*;

#[tokio::test(start_paused = true)]
async fn the_fake_keeps_the_contract() {
    let report = executor::run(async || Planted::new(None)).await;
    report.assert_all_passed();
    assert!(report.skipped.is_empty(), "{report}");
}

#[tokio::test(start_paused = true)]
async fn every_executor_case_finds_its_defects() {
    let defects: &[(&str, &[Fault])] = &[
        ("a_start_creates_and_the_attempt_ends", &[SaysAdopted, SaysLost]),
        ("a_repeated_start_adopts_what_runs", &[CreatesAgain]),
        ("a_repeated_start_adopts_what_has_ended", &[RestartsTheEnded, CreatesAgain]),
        ("a_lower_fence_that_is_over_is_replaced", &[KeepsTheEnded]),
        ("a_lower_fence_that_runs_keeps_the_name", &[ReplacesTheRunning]),
        ("a_higher_fence_makes_the_caller_stale", &[ForgetsTheFence]),
        ("of_concurrent_starts_one_creates", &[CreatesAgain]),
        ("tenants_with_equal_names_do_not_meet", &[CancelsByBuildId]),
        ("past_its_slots_it_is_full", &[HasNoSlots, IsFullForTheRunning]),
        ("attempts_outlive_the_scheduler", &[ForgetsOnReopen]),
        ("the_exit_code_is_kept", &[SaysCodeOne, SaysLost]),
        ("what_vanishes_is_no_success", &[SaysVanishedSucceeded]),
        ("cancel_ends_what_runs_within_the_grace", &[IgnoresCancels, CancelsAll, WaitsOutTheGrace]),
        ("cancel_kills_what_ignores_term_after_the_grace", &[IgnoresCancels, KillsAtOnce]),
        ("cancel_again_is_harmless", &[RefusesRepeats, CancelsTheEnded]),
        ("cancel_of_what_has_ended_changes_nothing", &[CancelsTheEnded]),
        ("cancel_of_what_is_absent_is_no_error", &[RefusesTheAbsent, CancelsByBuild]),
        ("a_removed_attempt_is_absent_and_its_name_free", &[IgnoresRemoves]),
        ("what_runs_is_not_removed", &[RemovesTheRunning, SaysRemovedOfTheRunning]),
        ("remove_of_another_attempt_changes_nothing", &[RemovesByBuild]),
        ("remove_of_what_is_absent_is_no_error", &[RefusesTheAbsent]),
        ("a_list_has_what_runs_and_what_has_ended", &[HidesTheEnded, IsNeverComplete, ListsTwice]),
        ("events_begin_with_a_gap", &[BeginsWithoutGap]),
        ("events_tell_the_end", &[DropsEnds]),
        ("every_stream_tells_the_end", &[TellsOneStream]),
        ("a_log_is_read_from_any_offset", &[IgnoresOffsets, IgnoresMax]),
        ("a_log_goes_on_while_its_attempt_runs_and_then_ends", &[EndsLogsEarly, NeverEndsLogs]),
        ("a_log_of_what_is_absent_is_empty_and_ends", &[ReadsLogsByBuild, NeverEndsLogs]),
    ];
    let cases = executor::cases();
    for (name, _) in defects {
        assert!(cases.iter().any(|case| case.name() == *name), "there is no case {name}");
    }
    for case in cases {
        let own = defects.iter().find(|(name, _)| *name == case.name());
        let (_, faults) = own.unwrap_or_else(|| panic!("{} has no planted defect", case.name()));
        for fault in *faults {
            let verdict = case.run(&mut Planted::new(Some(*fault))).await;
            assert!(matches!(verdict, Verdict::Failed(_)), "{} does not find {fault:?}: {verdict:?}", case.name());
        }
    }
}

struct Planted {
    executor: Arc<Faulty>,
    clock: TokioClock,
}

impl Planted {
    fn new(fault: Option<Fault>) -> Self {
        let clock = TokioClock::new(Timestamp::from_millis(1_700_000_000_000));
        let (inner, handle) = FakeExecutor::new(clock, move |request| play(&request.job.command, fault));
        handle.set_slots((fault != Some(HasNoSlots)).then_some(4));
        Planted { executor: Arc::new(Faulty { inner, handle, fault, notes: Mutex::default() }), clock }
    }
}

/// What a command does, as far as the suite can see.
fn play(shell: &str, fault: Option<Fault>) -> Play {
    let is = |command: TestCommand| command.shell() == shell;
    let time = Duration::from_millis(500);
    let code = (1..=255).find(|code| is(TestCommand::Exit(*code)));
    let lines = (1..=100).find(|lines| is(TestCommand::LogLines(*lines)));
    let play = match (code, lines) {
        (Some(code), _) => Play::fails_after(time, Cause::CommandFailed { code }),
        (None, Some(lines)) => {
            Play::succeeds_after(time).logging((1..=lines).map(|n| format!("line {n}\n")).collect::<String>())
        }
        (None, None) if is(TestCommand::RunUntilCancelled) => Play::runs_on().logging(READY),
        (None, None) if is(TestCommand::IgnoreTerm) => Play::runs_on().logging(READY).ignoring_term(),
        (None, None) => Play::succeeds_after(time),
    };
    if fault == Some(WaitsOutTheGrace) { play.ignoring_term() } else { play }
}

#[async_trait]
impl Subject<ExecutorUnderTest> for Planted {
    fn store(&self) -> Arc<ExecutorUnderTest> {
        let executor = Arc::clone(&self.executor);
        Arc::new(ExecutorUnderTest {
            executor: executor.clone(),
            request: Arc::new(request),
            destroy: Some(Arc::new(move |attempt| {
                match executor.fault {
                    Some(SaysVanishedSucceeded) => {
                        executor.handle.end(&attempt, Report::of(Outcome::Succeeded { deploy: None }));
                    }
                    _ => executor.handle.vanish(&attempt),
                }
                Box::pin(async {})
            })),
        })
    }

    fn limit(&self) -> Option<u64> {
        None
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn pass(&mut self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    async fn reopen(&mut self) -> bool {
        if self.executor.fault == Some(ForgetsOnReopen) {
            for attempt in self.executor.handle.alive() {
                self.executor.handle.vanish(&attempt);
            }
        }
        true
    }

    fn unit(&self) -> Duration {
        Duration::from_secs(1)
    }
}

#[derive(Debug)]
struct Faulty {
    inner: FakeExecutor,
    handle: FakeExecutorHandle,
    fault: Option<Fault>,
    notes: Mutex<Notes>,
}

#[derive(Debug, Default)]
struct Notes {
    cancelled: BTreeSet<AttemptId>,
    cancelled_late: BTreeSet<AttemptId>,
    streams: usize,
}

impl Faulty {
    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    /// The attempt of the same build that is there, whatever its number.
    fn sibling(&self, attempt: &AttemptId) -> AttemptId {
        let there = |number| {
            let other = attempt.build.attempt(AttemptNumber::new(number));
            self.handle.phase(&other).map(|_| other)
        };
        (1..=3).find_map(there).unwrap_or_else(|| attempt.clone())
    }

    fn ended(&self, attempt: &AttemptId) -> bool {
        matches!(self.handle.phase(attempt), Some(Phase::Ended { .. }))
    }

    fn altered(&self, mut observed: Observed) -> Observed {
        if let Phase::Ended { report } = &mut observed.phase {
            let lost = Failure::new(Cause::Lost, "");
            match &mut report.outcome {
                outcome if self.has(SaysLost) => *outcome = Outcome::Failed(lost),
                Outcome::Failed(failure) if self.has(SaysCodeOne) => failure.cause = Cause::CommandFailed { code: 1 },
                outcome if self.has(CancelsTheEnded) && self.notes().cancelled_late.contains(&observed.attempt) => {
                    *outcome = Outcome::Failed(lost);
                }
                _ => {}
            }
        }
        observed
    }

    fn notes(&self) -> std::sync::MutexGuard<'_, Notes> {
        self.notes.lock().expect("nothing panics while it holds this lock")
    }
}

#[async_trait]
impl Executor for Faulty {
    fn capabilities(&self) -> ExecutorCapabilities {
        ExecutorCapabilities { slots: Some(4), ..self.inner.capabilities() }
    }

    async fn start(&self, request: &StartRequest) -> Result<Started, StartError> {
        let attempt = &request.job.attempt;
        let sibling = self.sibling(attempt);
        let there = self.handle.phase(&sibling).is_some();
        if self.has(RestartsTheEnded) && self.ended(attempt)
            || self.has(ForgetsTheFence) && sibling.number > attempt.number && self.ended(&sibling)
        {
            self.inner.remove(&sibling).await.expect("it has ended");
        } else if there
            && (self.has(ForgetsTheFence) && sibling.number > attempt.number
                || self.has(ReplacesTheRunning) && sibling.number < attempt.number)
        {
            self.handle.vanish(&sibling);
        } else if self.has(KeepsTheEnded) && there && sibling.number < attempt.number {
            return Err(StartError::NameTaken { by: sibling.number });
        } else if self.has(IsFullForTheRunning) && self.handle.alive().len() >= 4 {
            return Err(StartError::Full);
        }
        match self.inner.start(request).await? {
            Started::Created { .. } if self.has(SaysAdopted) => Ok(Started::Adopted {
                observed: Observed {
                    attempt: attempt.clone(),
                    host: None,
                    phase: Phase::Pending { waits_for: String::new() },
                },
            }),
            Started::Adopted { .. } if self.has(CreatesAgain) => Ok(Started::Created { host: None }),
            Started::Adopted { observed } => Ok(Started::Adopted { observed: self.altered(observed) }),
            created @ Started::Created { .. } => Ok(created),
        }
    }

    async fn cancel(&self, attempt: &AttemptId, grace: Duration) -> Result<(), ExecutorError> {
        let is_new = self.notes().cancelled.insert(attempt.clone());
        if self.ended(attempt) {
            self.notes().cancelled_late.insert(attempt.clone());
        }
        let is_there = self.handle.phase(attempt).is_some();
        if self.has(IgnoresCancels) {
            return Ok(());
        }
        if self.has(RefusesRepeats) && !is_new || self.has(RefusesTheAbsent) && !is_there {
            return Err(ExecutorError::Unavailable("planted".into()));
        }
        for other in self.handle.alive() {
            let is_sibling = self.has(CancelsByBuild) && other.build == attempt.build;
            let is_namesake = self.has(CancelsByBuildId) && other.build.build == attempt.build.build;
            if self.has(CancelsAll) || is_sibling || is_namesake {
                self.inner.cancel(&other, grace).await?;
            }
        }
        let grace = if self.has(KillsAtOnce) { Duration::ZERO } else { grace };
        self.inner.cancel(attempt, grace).await
    }

    async fn list(&self) -> Result<Listing, ExecutorError> {
        let mut listing = self.inner.list().await?;
        listing.complete &= !self.has(IsNeverComplete);
        listing.attempts.retain(|observed| !self.has(HidesTheEnded) || !matches!(observed.phase, Phase::Ended { .. }));
        listing.attempts = listing.attempts.into_iter().map(|observed| self.altered(observed)).collect();
        if self.has(ListsTwice) {
            listing.attempts.extend(listing.attempts.clone());
        }
        Ok(listing)
    }

    async fn events(&self) -> Result<BoxStream<'static, ExecutorEvent>, ExecutorError> {
        let streams = {
            let mut notes = self.notes();
            notes.streams += 1;
            notes.streams
        };
        let skipped = usize::from(self.has(BeginsWithoutGap));
        let drops_ends = self.has(DropsEnds) || self.has(TellsOneStream) && streams > 1;
        let events = self.inner.events().await?.skip(skipped).filter(move |event| {
            let is_end = matches!(event, ExecutorEvent::Observed(Observed { phase: Phase::Ended { .. }, .. }));
            std::future::ready(!(drops_ends && is_end))
        });
        Ok(events.boxed())
    }

    async fn logs(&self, attempt: &AttemptId, from: u64, max: usize) -> Result<LogChunk, ExecutorError> {
        let attempt = if self.has(ReadsLogsByBuild) { self.sibling(attempt) } else { attempt.clone() };
        let max = if self.has(IgnoresMax) { 1 << 20 } else { max };
        let read_from = if self.has(IgnoresOffsets) { 0 } else { from };
        let chunk = self.inner.logs(&attempt, read_from, max).await?;
        let end = (chunk.end || self.has(EndsLogsEarly)) && !self.has(NeverEndsLogs);
        Ok(LogChunk { offset: from, end, ..chunk })
    }

    async fn remove(&self, attempt: &AttemptId) -> Result<(), ExecutorError> {
        let phase = self.handle.phase(attempt);
        match phase {
            None if self.has(RefusesTheAbsent) => Err(ExecutorError::StillRuns),
            _ if self.has(IgnoresRemoves) => Ok(()),
            _ if self.has(RemovesByBuild) => self.inner.remove(&self.sibling(attempt)).await,
            Some(Phase::Running { .. }) if self.has(RemovesTheRunning) => {
                self.handle.vanish(attempt);
                Err(ExecutorError::StillRuns)
            }
            Some(Phase::Running { .. }) if self.has(SaysRemovedOfTheRunning) => Ok(()),
            _ => self.inner.remove(attempt).await,
        }
    }
}
