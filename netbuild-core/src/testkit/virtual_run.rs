//! The engine that production runs, in virtual time: a day of builds takes milliseconds.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::fixtures;
use crate::engine::{Action, Effects, Engine, EngineConfig, EngineStats, Input, StartAnswer};
use crate::model::{
    AccountId, AttemptId, Build, BuildId, BuildKey, CancelReason, Cause, DeployContext, Ending, ExecutorName, Failure,
    Outcome, ProjectId, Rank, Report, RunPhase, Timestamp,
};
use crate::policy::Policy;
use crate::port::{Activation, FixedRouter, Notice, Observed, Phase, Router, Started};

/// Runs builds through a policy and the real engine, with everything else played: executors that take what they have slots
/// for, attempts that last and end as the test says, and a ledger that makes deploys visible. Nothing fails unless the test
/// says so, and the same test always runs the same.
///
/// Times are counted from the start of the run.
///
/// ```
/// use std::time::Duration;
///
/// use netbuild_core::policy::Fifo;
/// use netbuild_core::testkit::{VirtualRun, fixtures};
///
/// const RUN: Duration = Duration::from_secs(600);
///
/// let mut run = VirtualRun::new(Fifo::new()).slots(2).lasts(|_| RUN);
/// for n in 1..=3 {
///     run.submit(Duration::ZERO, fixtures::build("acme", "site", n));
/// }
/// run.run();
/// let starts: Vec<Duration> = run.attempts().iter().map(|attempt| attempt.started).collect();
/// assert_eq!(starts, [Duration::ZERO, Duration::ZERO, RUN]);
/// ```
pub struct VirtualRun {
    engine: Engine,
    router: Box<dyn Router>,
    lasts: Box<dyn Fn(&Build) -> Duration>,
    ends: Box<dyn Fn(&AttemptId) -> Outcome>,
    now: Timestamp,
    agenda: BTreeMap<(Timestamp, u64), Event>,
    events: u64,
    admitted: u64,
    ranks: BTreeMap<BuildId, (Rank, Arc<Build>)>,
    visible: BTreeMap<(AccountId, ProjectId, DeployContext), Rank>,
    attempts: Vec<VirtualAttempt>,
    running: BTreeSet<AttemptId>,
    endings: BTreeMap<BuildId, Ending>,
}

/// An attempt that ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualAttempt {
    /// The attempt.
    pub attempt: AttemptId,
    /// Where it ran.
    pub executor: ExecutorName,
    /// When it started.
    pub started: Duration,
    /// When it ended; `None` while it runs.
    pub ended: Option<Duration>,
}

enum Event {
    Submit(Arc<Build>),
    Input(Input),
    End { attempt: AttemptId, executor: ExecutorName, outcome: Outcome },
}

/// The executor of a run to which none was added.
const EXECUTOR: &str = "virtual";

impl VirtualRun {
    /// A run with one executor, `virtual`, of one slot. Attempts last a minute and succeed.
    pub fn new(policy: impl Policy) -> Self {
        Self::with_config(policy, EngineConfig::default())
    }

    /// A run with times and bounds of the engine's own.
    pub fn with_config(policy: impl Policy, config: EngineConfig) -> Self {
        let executor = fixtures::route(EXECUTOR).executor;
        let mut run = VirtualRun {
            engine: Engine::new(config, Box::new(policy)),
            router: Box::new(FixedRouter::new(executor)),
            lasts: Box::new(|_| Duration::from_secs(60)),
            ends: Box::new(|_| Outcome::Succeeded { deploy: Some(fixtures::deploy(1)) }),
            now: Timestamp::EPOCH,
            agenda: BTreeMap::new(),
            events: 0,
            admitted: 0,
            ranks: BTreeMap::new(),
            visible: BTreeMap::new(),
            attempts: Vec::new(),
            running: BTreeSet::new(),
            endings: BTreeMap::new(),
        };
        run.capacity(Duration::ZERO, EXECUTOR, 1);
        run
    }

    /// How many attempts the executor `virtual` runs at once.
    pub fn slots(mut self, slots: u32) -> Self {
        self.capacity(Duration::ZERO, EXECUTOR, slots);
        self
    }

    /// Another executor, and how many attempts it runs at once. A [`router`](Self::router) sends builds there.
    ///
    /// # Panics
    /// On an invalid name.
    pub fn executor(mut self, name: &str, slots: u32) -> Self {
        self.capacity(Duration::ZERO, name, slots);
        self
    }

    /// Chooses the executor of each build.
    pub fn router(mut self, router: impl Router) -> Self {
        self.router = Box::new(router);
        self
    }

    /// How long each attempt of a build lasts. One that lasts longer than the build's run limit ends there.
    pub fn lasts(mut self, lasts: impl Fn(&Build) -> Duration + 'static) -> Self {
        self.lasts = Box::new(lasts);
        self
    }

    /// How each attempt ends. Of a build that publishes nothing a success has no deploy, whatever is said here.
    pub fn ends(mut self, ends: impl Fn(&AttemptId) -> Outcome + 'static) -> Self {
        self.ends = Box::new(ends);
        self
    }

    /// A customer asks for a build at a time. Builds of the same time are admitted in the order of these calls.
    pub fn submit(&mut self, at: Duration, build: Build) {
        self.plan(at, Event::Submit(Arc::new(build)));
    }

    /// Somebody cancels a build at a time.
    pub fn cancel(&mut self, at: Duration, build: BuildKey) {
        self.plan(at, Event::Input(Input::CancelAsked { build, reason: CancelReason::User }));
    }

    /// An executor runs so many attempts at once from a time on.
    ///
    /// # Panics
    /// On an invalid name.
    pub fn capacity(&mut self, at: Duration, executor: &str, slots: u32) {
        let executor = fixtures::route(executor).executor;
        self.plan(at, Event::Input(Input::Capacity { executor, slots: Some(slots) }));
    }

    /// Lets time pass until every build that was submitted has ended. A build that the policy never names ends at its
    /// queue limit.
    pub fn run(&mut self) {
        while let Some(next) = self.next() {
            self.advance(next);
        }
    }

    /// Lets time pass until a time, what happens then included.
    pub fn run_until(&mut self, time: Duration) {
        let end = Timestamp::EPOCH + time;
        while let Some(next) = self.next().filter(|next| *next <= end) {
            self.advance(next);
        }
        self.now = self.now.max(end);
    }

    /// The attempts in the order in which they started.
    pub fn attempts(&self) -> &[VirtualAttempt] {
        &self.attempts
    }

    /// The builds of the attempts in the order in which they started: a build that was tried again is there again.
    pub fn started(&self) -> Vec<BuildId> {
        self.attempts.iter().map(|attempt| attempt.attempt.build.build).collect()
    }

    /// How a build ended; `None` while it is open.
    pub fn ending(&self, build: BuildId) -> Option<&Ending> {
        self.endings.get(&build)
    }

    /// What the engine counts: answers of the policy that broke its contract, among others.
    pub fn stats(&self) -> EngineStats {
        self.engine.stats()
    }

    fn plan(&mut self, at: Duration, event: Event) {
        self.events += 1;
        self.agenda.insert((Timestamp::EPOCH + at, self.events), event);
    }

    /// After what else happens at this time, and never inside the step that led to it.
    fn soon(&mut self, event: Event) {
        self.plan(self.now.since(Timestamp::EPOCH), event);
    }

    fn next(&self) -> Option<Timestamp> {
        let planned = self.agenda.first_key_value().map(|((at, _), _)| *at);
        planned.into_iter().chain(self.engine.deadline()).min()
    }

    fn advance(&mut self, to: Timestamp) {
        self.now = self.now.max(to);
        let due = self.agenda.first_entry().filter(|first| first.key().0 <= self.now);
        match due.map(|first| first.remove()) {
            None => self.step(Input::Tick),
            Some(Event::Input(input)) => self.step(input),
            Some(Event::Submit(build)) => {
                self.admitted += 1;
                let rank = Rank(self.admitted);
                self.ranks.entry(build.id).or_insert_with(|| (rank, build.clone()));
                self.step(Input::Admitted { build, rank });
            }
            Some(Event::End { attempt, executor, outcome }) => self.end(attempt, executor, outcome),
        }
    }

    fn step(&mut self, input: Input) {
        let effects = self.engine.step(input, self.now, self.router.as_ref());
        self.carry_out(effects);
    }

    fn carry_out(&mut self, effects: Effects) {
        for notice in effects.notify {
            if let Notice::Ended { build, ending } = notice {
                self.endings.insert(build.build, ending);
            }
        }
        for action in effects.act {
            match action {
                Action::Start { attempt, executor, build, .. } => self.start(attempt, executor, &build),
                Action::Cancel { attempt, executor, .. } => {
                    self.soon(Event::End { attempt, executor, outcome: Outcome::Cancelled });
                }
                Action::Activate { attempt } => self.activate(attempt),
                // Nothing is left behind here, and nobody else leads.
                Action::Remove { .. } | Action::Reap { .. } | Action::StepDown => {}
            }
        }
    }

    fn start(&mut self, attempt: AttemptId, executor: ExecutorName, build: &Build) {
        let started = self.now.since(Timestamp::EPOCH);
        self.attempts.push(VirtualAttempt {
            attempt: attempt.clone(),
            executor: executor.clone(),
            started,
            ended: None,
        });
        self.running.insert(attempt.clone());
        let outcome = match (self.ends)(&attempt) {
            Outcome::Succeeded { deploy } => {
                Outcome::Succeeded { deploy: deploy.filter(|_| build.spec.publish.is_some()) }
            }
            other => other,
        };
        let (lasts, limit) = ((self.lasts)(build), build.spec.limits.run);
        let too_long = || Outcome::Failed(Failure::new(Cause::RunTimeout, "it lasts longer than its run limit"));
        let outcome = if lasts > limit { too_long() } else { outcome };
        self.plan(started + lasts.min(limit), Event::End { attempt: attempt.clone(), executor, outcome });
        let answer = StartAnswer::Started(Started::Created { host: None });
        self.soon(Event::Input(Input::StartAnswered { attempt: attempt.clone(), answer }));
        self.soon(Event::Input(Input::Beat { attempt, phase: RunPhase::Run }));
    }

    fn end(&mut self, attempt: AttemptId, executor: ExecutorName, outcome: Outcome) {
        if !self.running.remove(&attempt) {
            return;
        }
        let ended = self.now.since(Timestamp::EPOCH);
        if let Some(known) = self.attempts.iter_mut().rfind(|known| known.attempt == attempt) {
            known.ended = Some(ended);
        }
        let observed = Observed { attempt, host: None, phase: Phase::Ended { report: Report::of(outcome) } };
        self.step(Input::Observed { executor, observed });
    }

    fn activate(&mut self, attempt: AttemptId) {
        let Some((rank, build)) = self.ranks.get(&attempt.build.build) else { return };
        let site = (build.account.clone(), build.project.clone(), build.context.clone());
        let newest = self.visible.entry(site).or_insert(*rank);
        let answer = if *newest > *rank { Activation::Superseded { by: *newest } } else { Activation::Visible };
        *newest = (*newest).max(*rank);
        self.soon(Event::Input(Input::Activated { attempt, answer: Some(answer) }));
    }
}

impl fmt::Debug for VirtualRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VirtualRun").field("now", &self.now).field("stats", &self.stats()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AttemptNumber, Limits, Route};
    use crate::policy::Fifo;

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn build(n: u64) -> Build {
        fixtures::build("acme", "site", n)
    }

    fn lost() -> Outcome {
        Outcome::Failed(Failure::new(Cause::Lost, ""))
    }

    #[test]
    fn what_is_lost_is_tried_again_and_what_fails_is_not() {
        let second_fails = |attempt: &AttemptId| match (attempt.build.build == fixtures::build_id(2), attempt.number) {
            (true, _) => Outcome::Failed(Failure::new(Cause::CommandFailed { code: 1 }, "")),
            (false, AttemptNumber::FIRST) => lost(),
            (false, _) => Outcome::Succeeded { deploy: Some(fixtures::deploy(7)) },
        };
        let mut run = VirtualRun::new(Fifo::new()).slots(2).ends(second_fails);
        run.submit(secs(0), build(1));
        run.submit(secs(0), build(2));
        run.run();
        assert_eq!(run.started(), [1, 2, 1].map(fixtures::build_id));
        assert_eq!(run.ending(fixtures::build_id(1)), Some(&Ending::Deployed { deploy: fixtures::deploy(7) }));
        assert_eq!(run.ending(fixtures::build_id(2)).map(Ending::label), Some("failed"));
    }

    #[test]
    fn an_older_build_that_ends_later_is_superseded() {
        let long = |build: &Build| secs(if build.id == fixtures::build_id(1) { 100 } else { 10 });
        let mut run = VirtualRun::new(Fifo::new()).slots(2).lasts(long);
        run.submit(secs(0), build(1));
        run.submit(secs(0), build(2));
        run.run();
        assert_eq!(run.ending(fixtures::build_id(1)).map(Ending::label), Some("superseded"));
        assert_eq!(run.ending(fixtures::build_id(2)).map(Ending::label), Some("deployed"));
    }

    #[test]
    fn a_cancel_ends_what_runs_and_what_waits() {
        let mut run = VirtualRun::new(Fifo::new());
        for n in 1..=3 {
            run.submit(secs(0), build(n));
        }
        run.cancel(secs(10), build(1).key());
        run.cancel(secs(10), build(2).key());
        run.run_until(secs(10));
        assert_eq!(run.attempts()[0].ended, Some(secs(10)));
        assert_eq!(run.ending(fixtures::build_id(3)), None);
        run.run();
        assert_eq!(run.started(), [1, 3].map(fixtures::build_id));
        assert_eq!(run.ending(fixtures::build_id(2)).map(Ending::label), Some("cancelled"));
    }

    #[test]
    fn limits_and_capacity_are_the_engines() {
        let mut run = VirtualRun::new(Fifo::new()).slots(0).lasts(|_| secs(5_000));
        let limits = Limits { queue: secs(100), run: secs(1_000), ..Limits::default() };
        for n in 1..=2 {
            let mut build = build(n);
            build.spec.limits = limits;
            run.submit(secs(n * 50), build);
        }
        run.capacity(secs(151), "virtual", 1);
        run.run();
        let causes = [1, 2].map(|n| match run.ending(fixtures::build_id(n)) {
            Some(Ending::Failed { failure }) => failure.cause.clone(),
            other => panic!("{other:?}"),
        });
        assert_eq!(causes, [Cause::QueueTimeout, Cause::RunTimeout]);
        assert_eq!(run.attempts()[0].ended, Some(secs(1_151)));
    }

    #[derive(Debug)]
    struct ByNumber;

    impl Router for ByNumber {
        fn version(&self) -> u64 {
            0
        }

        fn route(&self, build: &Build, _avoid: &[ExecutorName]) -> Route {
            fixtures::route(if build.id == fixtures::build_id(1) { "virtual" } else { "other" })
        }
    }

    #[test]
    fn a_router_chooses_among_executors() {
        let mut run = VirtualRun::new(Fifo::new()).executor("other", 1).router(ByNumber);
        run.submit(secs(0), build(1));
        run.submit(secs(0), build(2));
        run.run();
        let places: Vec<_> =
            run.attempts().iter().map(|attempt| (attempt.executor.as_str(), attempt.started)).collect();
        assert_eq!(places, [("virtual", secs(0)), ("other", secs(0))]);
    }

    #[test]
    fn many_slots_need_no_deep_stack() {
        let mut run = VirtualRun::new(Fifo::new()).slots(0);
        for n in 1..=5_000 {
            run.submit(secs(0), build(n));
        }
        run.capacity(secs(1), "virtual", 5_000);
        run.run();
        assert!(run.attempts().iter().all(|attempt| attempt.started == secs(1)));
        assert_eq!(run.attempts().len(), 5_000);
    }
}
