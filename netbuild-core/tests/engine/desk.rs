//! One engine on a desk: each step by hand, the ledger beside it. Every change must be legal.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use netbuild_core::engine::{Action, Effects, Engine, EngineConfig, Input, StartAnswer};
use netbuild_core::model::{
    AttemptId, AttemptNumber, Build, BuildId, BuildKey, BuildRecord, BuildState, CancelReason, Cause, Change, Ending,
    ExecutorName, Failure, HostName, Outcome, Rank, Report, Route, RunPhase, Timestamp,
};
use netbuild_core::policy::{Fifo, Policy};
use netbuild_core::port::{Activation, Listing, Observed, Phase, Router, Started};
use netbuild_core::testkit::fixtures;

/// Routes to the first of its lanes that is not to be avoided, or else to the first.
#[derive(Debug)]
pub(crate) struct Lanes {
    pub(crate) version: u64,
    pub(crate) order: Vec<ExecutorName>,
}

impl Router for Lanes {
    fn version(&self) -> u64 {
        self.version
    }

    fn route(&self, _build: &Build, avoid: &[ExecutorName]) -> Route {
        let executor = self.order.iter().find(|name| !avoid.contains(name)).unwrap_or(&self.order[0]);
        Route { snapshot: self.version, ..Route::fixed(executor.clone()) }
    }
}

pub(crate) fn lane(name: &str) -> ExecutorName {
    ExecutorName::new(name).expect("a name")
}

pub(crate) fn host(name: &str) -> HostName {
    HostName::new(name).expect("a name")
}

pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) struct Desk {
    pub(crate) engine: Engine,
    pub(crate) router: Lanes,
    pub(crate) now: Timestamp,
    pub(crate) records: BTreeMap<BuildId, BuildRecord>,
    /// What the last step told to do.
    pub(crate) last: Effects,
    capacity: Vec<(ExecutorName, Option<u32>)>,
}

impl Desk {
    /// Lane `a`, which is routed to, and lane `b`, which is there when `a` is avoided; both with ten slots.
    pub(crate) fn new() -> Self {
        Self::with(Box::new(Fifo::new()), EngineConfig::default(), &[("a", Some(10)), ("b", Some(10))])
    }

    pub(crate) fn with(policy: Box<dyn Policy>, config: EngineConfig, lanes: &[(&str, Option<u32>)]) -> Self {
        let capacity: Vec<_> = lanes.iter().map(|(name, slots)| (lane(name), *slots)).collect();
        let router = Lanes { version: 1, order: capacity.iter().map(|(name, _)| name.clone()).collect() };
        let mut desk = Desk {
            engine: Engine::new(config, policy),
            router,
            now: Timestamp::from_millis(1_000_000),
            records: BTreeMap::new(),
            last: Effects::default(),
            capacity,
        };
        desk.tell_capacity();
        desk
    }

    fn tell_capacity(&mut self) {
        for (executor, slots) in self.capacity.clone() {
            self.step(Input::Capacity { executor, slots });
        }
    }

    /// One step. What is to be persisted is written, what is to be done is left in `last`.
    pub(crate) fn step(&mut self, input: Input) -> &Effects {
        let effects = self.engine.step(input, self.now, &self.router);
        self.keep(effects)
    }

    fn keep(&mut self, effects: Effects) -> &Effects {
        for change in &effects.persist {
            let record = self.records.get_mut(&change.build().build).expect("a change is about an admitted build");
            record.apply(change).expect("the engine persists legal changes only");
        }
        self.last = effects;
        &self.last
    }

    /// Another engine takes over from the records.
    pub(crate) fn restart(&mut self, config: EngineConfig) {
        self.engine = Engine::new(config, Box::new(Fifo::new()));
        self.tell_capacity();
        let mut open: Vec<_> = self.records.values().filter(|record| !is_ended(record)).cloned().collect();
        open.sort_by_key(|record| record.rank);
        let mut all = Effects::default();
        for record in open {
            let mut effects = Effects::default();
            self.engine.restore(record, self.now, &self.router, &mut effects);
            all.act.extend(self.keep(effects).act.clone());
        }
        all.act.extend(self.step(Input::Tick).act.clone());
        self.last.act = all.act;
    }

    /// The next engine will not have this executor.
    pub(crate) fn remove_lane(&mut self, name: &str) {
        self.capacity.retain(|(executor, _)| executor.as_str() != name);
    }

    pub(crate) fn pass(&mut self, time: Duration) -> &Effects {
        self.now = self.now + time;
        self.step(Input::Tick)
    }

    /// Goes to the next deadline and ticks; how long that took.
    pub(crate) fn reach_deadline(&mut self) -> Duration {
        let deadline = self.engine.deadline().expect("something is due");
        assert!(deadline > self.now, "nothing is left due after a step");
        let took = deadline.since(self.now);
        self.now = deadline;
        self.step(Input::Tick);
        took
    }

    pub(crate) fn admit(&mut self, build: Build) -> BuildKey {
        let rank = Rank(self.records.len() as u64 + 1);
        let key = build.key();
        let place = fixtures::message("p", rank.0, build.clone()).place;
        self.records.insert(build.id, BuildRecord::admitted(build.clone(), place, rank, self.now));
        self.step(Input::Admitted { build: Arc::new(build), rank });
        key
    }

    /// Admits a build and takes its first attempt as far as asking.
    pub(crate) fn asking(&mut self) -> AttemptId {
        let key = self.admit(a_build());
        key.attempt(AttemptNumber::FIRST)
    }

    /// The executor has the attempt.
    pub(crate) fn pending(&mut self) -> AttemptId {
        let attempt = self.asking();
        self.created(&attempt);
        attempt
    }

    /// Its runner runs.
    pub(crate) fn running(&mut self) -> AttemptId {
        let attempt = self.pending();
        self.beat(&attempt);
        attempt
    }

    /// Its deploy waits to become visible.
    pub(crate) fn activating(&mut self) -> AttemptId {
        let attempt = self.running();
        self.report(&attempt, fixtures::succeeded(Some(fixtures::deploy(1))));
        attempt
    }

    pub(crate) fn answer(&mut self, attempt: &AttemptId, answer: StartAnswer) -> &Effects {
        self.step(Input::StartAnswered { attempt: attempt.clone(), answer })
    }

    pub(crate) fn created(&mut self, attempt: &AttemptId) -> &Effects {
        self.answer(attempt, StartAnswer::Started(Started::Created { host: Some(host("h1")) }))
    }

    pub(crate) fn refused(&mut self, attempt: &AttemptId, cause: Cause) -> &Effects {
        self.answer(attempt, StartAnswer::Refused(Failure::new(cause, "no")))
    }

    pub(crate) fn beat(&mut self, attempt: &AttemptId) -> &Effects {
        self.step(Input::Beat { attempt: attempt.clone(), phase: RunPhase::Run })
    }

    pub(crate) fn report(&mut self, attempt: &AttemptId, report: Report) -> &Effects {
        self.step(Input::Reported { attempt: attempt.clone(), report })
    }

    pub(crate) fn sees(&mut self, attempt: &AttemptId, phase: Phase) -> &Effects {
        let observed = Observed { attempt: attempt.clone(), host: None, phase };
        self.step(Input::Observed { executor: lane("a"), observed })
    }

    pub(crate) fn cancel(&mut self, build: &BuildKey) -> &Effects {
        self.step(Input::CancelAsked { build: build.clone(), reason: CancelReason::User })
    }

    /// A list of lane `a`, asked for at a step.
    pub(crate) fn listed(&mut self, asked_at_step: u64, attempts: &[(&AttemptId, Phase)], complete: bool) -> &Effects {
        let observed = |(attempt, phase): &(&AttemptId, Phase)| Observed {
            attempt: (*attempt).clone(),
            host: None,
            phase: phase.clone(),
        };
        let listing = Listing { attempts: attempts.iter().map(observed).collect(), complete };
        self.step(Input::Listed { executor: lane("a"), asked_at_step, listing })
    }

    /// A complete list of lane `a`, asked for now.
    pub(crate) fn lists(&mut self, attempts: &[(&AttemptId, Phase)]) -> &Effects {
        self.listed(self.engine.steps(), attempts, true)
    }

    pub(crate) fn activated(&mut self, attempt: &AttemptId, answer: Option<Activation>) -> &Effects {
        if let Some(answer) = &answer {
            let newer = match answer {
                Activation::Visible => None,
                Activation::Superseded { by } => Some(*by),
            };
            let record = self.records.get_mut(&attempt.build.build).expect("an admitted build");
            record.activated(attempt.number, newer, self.now).expect("a deploy waits");
        }
        self.step(Input::Activated { attempt: attempt.clone(), answer })
    }

    pub(crate) fn record(&self, build: &BuildKey) -> &BuildRecord {
        &self.records[&build.build]
    }

    pub(crate) fn ending(&self, build: &BuildKey) -> Option<&Ending> {
        match &self.record(build).state {
            BuildState::Ended { ending, .. } => Some(ending),
            _ => None,
        }
    }

    /// The cause with which a build failed.
    pub(crate) fn failed_with(&self, build: &BuildKey) -> Option<Cause> {
        match self.ending(build)? {
            Ending::Failed { failure } => Some(failure.cause.clone()),
            _ => None,
        }
    }

    pub(crate) fn is_cancelled(&self, build: &BuildKey) -> bool {
        matches!(self.ending(build), Some(Ending::Cancelled { reason: CancelReason::User }))
    }

    /// The cause of an attempt's failure, once it is settled.
    pub(crate) fn cause_of(&self, attempt: &AttemptId) -> Option<Cause> {
        let known = self.record(&attempt.build).attempts.iter().find(|known| known.number == attempt.number)?;
        match known.state.outcome()? {
            Outcome::Failed(failure) => Some(failure.cause.clone()),
            _ => None,
        }
    }

    /// Goes on to the build's next attempt.
    pub(crate) fn retried(&mut self, after: &AttemptId) -> AttemptId {
        let next = after.build.attempt(after.number.next());
        assert!(matches!(self.record(&after.build).state, BuildState::Queued { .. }), "{after} is to be retried");
        for _ in 0..100 {
            self.reach_deadline();
            if self.starts().contains(&next) {
                return next;
            }
        }
        panic!("{next} never starts");
    }

    pub(crate) fn starts(&self) -> Vec<AttemptId> {
        started(&self.last).map(|(attempt, _)| attempt.clone()).collect()
    }

    /// The lanes and hosts to avoid of the starts of the last step.
    pub(crate) fn start_places(&self) -> Vec<(ExecutorName, Vec<HostName>)> {
        let place = |action: &Action| match action {
            Action::Start { executor, avoid, .. } => Some((executor.clone(), avoid.clone())),
            _ => None,
        };
        self.last.act.iter().filter_map(place).collect()
    }

    pub(crate) fn cancels(&self) -> Vec<AttemptId> {
        let cancel = |action: &Action| match action {
            Action::Cancel { attempt, .. } => Some(attempt.clone()),
            _ => None,
        };
        self.last.act.iter().filter_map(cancel).collect()
    }
}

pub(crate) fn started(effects: &Effects) -> impl Iterator<Item = (&AttemptId, &ExecutorName)> {
    effects.act.iter().filter_map(|action| match action {
        Action::Start { attempt, executor, .. } => Some((attempt, executor)),
        _ => None,
    })
}

pub(crate) fn is_ended(record: &BuildRecord) -> bool {
    matches!(record.state, BuildState::Ended { .. })
}

/// A build that publishes, with limits of its own for each stage: 1,000 s in the queue, 100 s pending, 300 s running.
pub(crate) fn a_build() -> Build {
    numbered("acme", 1)
}

pub(crate) fn numbered(account: &str, n: u64) -> Build {
    let mut build = fixtures::build(account, "site", n);
    build.spec.limits.queue = secs(1_000);
    build.spec.limits.pending = secs(100);
    build.spec.limits.run = secs(300);
    build
}

pub(crate) fn running() -> Phase {
    Phase::Running { since: Timestamp::EPOCH }
}

pub(crate) fn waits() -> Phase {
    Phase::Pending { waits_for: String::new() }
}

pub(crate) fn ended(report: Report) -> Phase {
    Phase::Ended { report }
}

pub(crate) fn wrote(effects: &Effects, wanted: impl Fn(&Change) -> bool) -> bool {
    effects.persist.iter().any(wanted)
}
