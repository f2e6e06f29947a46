//! The scheduler of the world: it persists, then acts, and crashes at any moment. Time is an agenda of events.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use netbuild_core::engine::{Action, Effects, Engine, EngineConfig, Input, StartAnswer};
use netbuild_core::model::{
    AttemptId, Build, BuildId, BuildRecord, BuildState, Change, ExecutorName, Report, Route, Timestamp,
};
use netbuild_core::policy::{AccountLimit, AccountLimits, Fifo};
use netbuild_core::port::Router;

use super::dice::Dice;
use super::executors::Executor;
use super::ledger::Ledger;
use super::process::Step;
use crate::desk::{is_ended, lane, secs};
use crate::history::{Bounds, Fact};

pub(crate) const BOUNDS: Bounds = Bounds { per_account: 2, attempts: 3 };
pub(crate) const CONFIG_LEASE: u64 = 60;
pub(crate) const CONFIG_GRACE: u64 = 10;
pub(crate) const RUN_LIMIT: u64 = 240;
pub(crate) const QUEUE_LIMIT: u64 = 600;
pub(crate) const PENDING_LIMIT: u64 = 60;
/// Something that will happen.
pub(crate) enum Event {
    /// To the engine of one life; a crash loses it.
    Input {
        life: u64,
        input: Input,
    },
    /// A call under way in one life; a crash loses it.
    Act {
        life: u64,
        action: Action,
    },
    List {
        life: u64,
        executor: ExecutorName,
    },
    Runner {
        executor: ExecutorName,
        attempt: AttemptId,
        born: u64,
        step: Step,
    },
    Report {
        attempt: AttemptId,
        report: Report,
    },
    Up,
}

/// Where the next step with changes ends in a crash.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crash {
    BeforePersist,
    AfterPersist,
}

/// Spreads projects over the lanes; every version differently.
#[derive(Debug)]
pub(crate) struct Spread {
    pub(crate) version: u64,
    lanes: Vec<ExecutorName>,
}

impl Router for Spread {
    fn version(&self) -> u64 {
        self.version
    }

    fn route(&self, build: &Build, avoid: &[ExecutorName]) -> Route {
        let first = (build.created_at.as_millis() + self.version) as usize % self.lanes.len();
        let order = || self.lanes.iter().cycle().skip(first).take(self.lanes.len());
        let executor = order().find(|name| !avoid.contains(name)).unwrap_or(&self.lanes[first]);
        Route { snapshot: self.version, ..Route::fixed(executor.clone()) }
    }
}

pub(crate) struct World {
    pub(crate) dice: Dice,
    pub(crate) now: Timestamp,
    pub(crate) engine: Option<Engine>,
    /// Which engine this is; each crash makes another.
    pub(crate) life: u64,
    pub(crate) executors: BTreeMap<ExecutorName, Executor>,
    pub(crate) births: u64,
    pub(crate) history: Vec<Fact>,
    /// The attempts that the customer's command ended, or that ran for longer than it may.
    pub(crate) customers: BTreeSet<AttemptId>,
    pub(crate) ledger: Ledger,
    pub(crate) router: Spread,
    pub(crate) slots: BTreeMap<ExecutorName, Option<u32>>,
    closed_until: BTreeMap<ExecutorName, Timestamp>,
    pub(crate) agenda: BTreeMap<(Timestamp, u64), Event>,
    events: u64,
    pub(crate) crash: Option<Crash>,
    /// Builds that the ledger activated and the engine was not told of yet.
    unheard: BTreeSet<BuildId>,
}

impl World {
    /// Lives through what the tape says, then without faults until all is over.
    pub(crate) fn live(tape: Vec<u16>) -> Vec<Fact> {
        let slots = BTreeMap::from([(lane("a"), Some(2)), (lane("b"), Some(1)), (lane("c"), None)]);
        let mut world = World {
            dice: Dice::new(tape),
            now: Timestamp::from_millis(1_000_000),
            engine: None,
            life: 0,
            executors: slots.keys().map(|name| (name.clone(), Executor::new(2))).collect(),
            births: 0,
            history: Vec::new(),
            customers: BTreeSet::new(),
            ledger: Ledger::default(),
            router: Spread { version: 0, lanes: slots.keys().cloned().collect() },
            slots,
            closed_until: BTreeMap::new(),
            agenda: BTreeMap::new(),
            events: 0,
            crash: None,
            unheard: BTreeSet::new(),
        };
        world.up();
        while !world.dice.is_over() {
            world.turn();
        }
        world.heal();
        world.history
    }

    pub(crate) fn happen(&mut self, event: Event) {
        match event {
            Event::Input { life, input } if life == self.life => self.feed(input),
            Event::Act { life, action } if life == self.life => self.carry_out(action),
            Event::List { life, executor } if life == self.life => self.list(&executor),
            Event::Input { .. } | Event::Act { .. } | Event::List { .. } => {}
            Event::Runner { executor, attempt, born, step } => self.runner(&executor, &attempt, born, step),
            Event::Report { attempt, report } => self.feed(Input::Reported { attempt, report }),
            Event::Up => self.up(),
        }
    }

    pub(crate) fn at(&mut self, at: Timestamp, event: Event) {
        self.events += 1;
        self.agenda.insert((at, self.events), event);
    }

    pub(crate) fn later(&mut self, after: Duration, event: Event) {
        self.at(self.now + after, event);
    }

    pub(crate) fn later_input(&mut self, after: Duration, input: Input) {
        self.later(after, Event::Input { life: self.life, input });
    }

    /// An engine takes over from the ledger.
    fn up(&mut self) {
        let config = EngineConfig { max_attempts: BOUNDS.attempts, ..EngineConfig::default() };
        assert_eq!((config.lease, config.grace), (secs(CONFIG_LEASE), secs(CONFIG_GRACE)));
        let limits = AccountLimits::each(BOUNDS.per_account as u32);
        let mut engine = Engine::new(config, Box::new(AccountLimit::new(Fifo::new(), limits)));
        self.life += 1;
        let mut all = Effects::default();
        for (executor, slots) in self.slots.clone() {
            engine.step_into(Input::Capacity { executor, slots }, self.now, &self.router, &mut all);
        }
        for record in self.ledger.open().cloned().collect::<Vec<_>>() {
            engine.restore(record, self.now, &self.router, &mut all);
        }
        engine.step_into(Input::Tick, self.now, &self.router, &mut all);
        self.engine = Some(engine);
        self.commit(all);
        for executor in self.lanes() {
            self.list(&executor);
        }
    }

    pub(crate) fn go_down(&mut self) {
        if self.engine.take().is_none() {
            return;
        }
        self.crash = None;
        self.unheard.clear();
        self.closed_until.clear();
        // What was under way is lost, also for the time in between.
        self.life += 1;
        let after = self.dice.pick(&[0, 1, 20, 65, 90]);
        self.later(secs(after), Event::Up);
    }

    pub(crate) fn feed(&mut self, input: Input) {
        self.feed_and(input, |_| ());
    }

    /// One step, and a look at the engine before it is committed.
    pub(crate) fn feed_and<T>(&mut self, input: Input, look: impl FnOnce(&Engine) -> T) -> Option<T> {
        if let Input::Activated { attempt, answer: Some(_) } = &input {
            self.unheard.remove(&attempt.build.build);
        }
        if let Input::StartAnswered { attempt, answer: StartAnswer::Full | StartAnswer::Unavailable } = &input {
            let record = self.ledger.record(attempt.build.build);
            if let Some(last) = record.attempts.last() {
                self.closed_until.insert(last.route.executor.clone(), self.now + secs(2));
            }
        }
        let engine = self.engine.as_mut()?;
        let effects = engine.step(input, self.now, &self.router);
        let seen = look(engine);
        self.commit(effects);
        Some(seen)
    }

    /// Writes all changes or none, then lets the actions begin.
    fn commit(&mut self, effects: Effects) {
        let crash = if effects.persist.is_empty() { None } else { self.crash };
        if crash == Some(Crash::BeforePersist) {
            return self.go_down();
        }
        effects.persist.iter().for_each(|change| self.persist(change));
        if crash == Some(Crash::AfterPersist) {
            return self.go_down();
        }
        for action in effects.act {
            let after = self.dice.pick(&[0, 0, 2]);
            self.later(secs(after), Event::Act { life: self.life, action });
        }
        self.count();
    }

    fn persist(&mut self, change: &Change) {
        if let Change::Settled { attempt, .. } = change {
            let executor =
                self.ledger.record(attempt.build.build).attempts.last().map(|last| last.route.executor.clone());
            if let Some(executor) = executor {
                self.learn_truth(&executor, attempt);
            }
        }
        let fact = match self.ledger.apply(change) {
            Err(change) => Some(Fact::Illegal { change }),
            Ok(record) => match change {
                Change::Planned { attempt, route, .. } => {
                    let (attempt, rank, executor) = (attempt.clone(), record.rank, route.executor.clone());
                    let slots = self.slots[&executor];
                    let waits = |other: &&BuildRecord| {
                        other.build.account == attempt.build.account && self.never_started_in(other, &executor)
                    };
                    let waiting = self.ledger.open().filter(waits).map(|other| other.rank).collect();
                    Some(Fact::Planned { attempt, rank, lane: executor.clone(), slots, waiting })
                }
                Change::Settled { attempt, report, .. } => {
                    let customers = self.customers.contains(attempt);
                    let works = self.is_at_work(attempt);
                    Some(Fact::Settled { attempt: attempt.clone(), outcome: report.outcome.clone(), customers, works })
                }
                Change::Requeued { build, .. } => Some(Fact::Requeued { build: build.clone() }),
                Change::CancelAsked { build, .. } => Some(Fact::CancelAccepted { build: build.clone() }),
                Change::Ended { build, ending, .. } => {
                    Some(Fact::Ended { build: build.clone(), rank: record.rank, ending: ending.clone() })
                }
                Change::Accepted { .. } | Change::Running { .. } => None,
            },
        };
        self.history.extend(fact);
    }

    fn is_at_work(&self, attempt: &AttemptId) -> bool {
        let process = |port: &Executor| {
            port.processes.get(&attempt.build.build).map(|process| (process.at_work, process.attempt.clone()))
        };
        self.executors.values().filter_map(process).any(|(at_work, other)| at_work && other == *attempt)
    }

    fn never_started_in(&self, record: &BuildRecord, executor: &ExecutorName) -> bool {
        matches!(record.state, BuildState::Queued { .. })
            && record.attempts.is_empty()
            && self.router.route(&record.build, &[]).executor == *executor
    }

    /// What must hold after every step.
    fn count(&mut self) {
        let Some(engine) = &self.engine else { return };
        let stats = engine.stats();
        let open = self.ledger.open().count() + self.unheard.len();
        self.history.push(Fact::Counted { engine: engine.open_builds(), ledger: open });
        let sum = stats.queued + stats.live + stats.activating;
        self.history.push(Fact::Counted { engine: sum as usize, ledger: open });
        let live_of = |record: &BuildRecord| {
            let same = |other: &&BuildRecord| other.build.account == record.build.account;
            self.ledger.open().filter(same).filter(|other| other.live_attempt().is_some()).count()
        };
        let mut idle = Vec::new();
        for (executor, slots) in &self.slots {
            let closed = self.closed_until.get(executor).is_some_and(|until| *until > self.now);
            if closed || slots.is_some_and(|slots| engine.live_on(executor) >= slots as usize) {
                continue;
            }
            let may_start =
                |record: &&BuildRecord| self.never_started_in(record, executor) && live_of(record) < BOUNDS.per_account;
            let stuck = self.ledger.open().find(may_start);
            idle.extend(stuck.map(|record| Fact::Idle { lane: executor.clone(), build: record.key() }));
        }
        self.history.extend(idle);
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::Start { attempt, executor, build, .. } => {
                let answer = self.start(&executor, &attempt, &build);
                let after = self.dice.pick(&[0, 0, 1, 8]);
                self.later_input(secs(after), Input::StartAnswered { attempt, answer });
            }
            Action::Cancel { attempt, executor, .. } => self.kill(&executor, &attempt),
            Action::Remove { attempt, executor } => self.remove(&executor, &attempt),
            Action::Reap { attempt, executor, ended } => self.reap(&attempt, &executor, ended),
            Action::Activate { attempt } => self.activate(attempt),
            Action::StepDown => self.go_down(),
        }
    }

    fn reap(&mut self, attempt: &AttemptId, executor: &ExecutorName, ended: bool) {
        let record = self.ledger.record(attempt.build.build);
        let known = record.attempts.iter().find(|known| known.number == attempt.number);
        let over = is_ended(record) || known.is_some_and(|known| known.state.outcome().is_some());
        if !over {
            return;
        }
        if ended {
            self.remove(executor, attempt);
        } else {
            self.kill(executor, attempt);
        }
    }

    fn activate(&mut self, attempt: AttemptId) {
        if self.dice.once_in(10) {
            return self.later_input(secs(1), Input::Activated { attempt, answer: None });
        }
        let (answer, fact) = self.ledger.activate(&attempt, self.now);
        if let Some(Fact::Ended { .. }) = &fact {
            self.unheard.insert(attempt.build.build);
        }
        self.history.extend(fact);
        let answer = answer.filter(|_| !self.dice.once_in(10));
        self.later_input(secs(1), Input::Activated { attempt, answer });
    }
}
