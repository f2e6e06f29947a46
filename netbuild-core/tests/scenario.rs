//! A day of 100,000 builds through the engine in virtual time, twice: the same trace, and every build ends.

#![expect(clippy::unwrap_used, reason = "this is a test")]

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;
use std::time::Duration;

use netbuild_core::engine::{Action, Effects, Engine, EngineConfig, Input, StartAnswer};
use netbuild_core::model::{
    AccountId, AttemptId, Build, BuildId, BuildRecord, BuildState, Cause, Digest, Ending, ExecutorName, Owner, Place,
    Rank, Report, Route, Timestamp,
};
use netbuild_core::policy::{AccountLimit, AccountLimits, Fifo};
use netbuild_core::port::{Activation, Observed, Phase, Router, Started};
use netbuild_core::testkit::fixtures;

const BUILDS: u64 = 100_000;
const ACCOUNTS: u64 = 1_000;
const LIMIT: u32 = 4;
const SLOTS: u32 = 100;

/// Every third account's builds go to the second executor.
#[derive(Debug)]
struct TwoLanes([ExecutorName; 2]);

impl Router for TwoLanes {
    fn version(&self) -> u64 {
        1
    }

    fn route(&self, build: &Build, _avoid: &[ExecutorName]) -> Route {
        let second = build.account.as_str().ends_with(['0', '3', '6', '9']);
        Route::fixed(self.0[usize::from(second)].clone())
    }
}

/// Numbers that are the same on every machine and in every version.
fn dice(seed: u64, what: &str, n: u64) -> u64 {
    let hash = Digest::of(format!("{seed} {what} {n}")).to_string();
    u64::from_str_radix(&hash[..16], 16).unwrap()
}

/// The world around the engine: what will happen when, and what the ledger holds.
struct World {
    seed: u64,
    router: TwoLanes,
    engine: Engine,
    coming: BinaryHeap<Reverse<(Timestamp, u64)>>,
    inputs: BTreeMap<u64, Input>,
    records: BTreeMap<BuildId, BuildRecord>,
    running: BTreeMap<AccountId, u32>,
    first_starts: BTreeMap<(AccountId, ExecutorName), Rank>,
    trace: Digest,
}

impl World {
    fn new(seed: u64) -> Self {
        let lanes = ["vm", "k8s"].map(|name| ExecutorName::new(name).unwrap());
        let policy = AccountLimit::new(Fifo::new(), AccountLimits::each(LIMIT));
        let mut world = World {
            seed,
            engine: Engine::new(EngineConfig::default(), Box::new(policy)),
            coming: BinaryHeap::new(),
            inputs: BTreeMap::new(),
            records: BTreeMap::new(),
            running: BTreeMap::new(),
            first_starts: BTreeMap::new(),
            trace: Digest::of([]),
            router: TwoLanes(lanes.clone()),
        };
        for executor in lanes {
            world.at(Timestamp::EPOCH, Input::Capacity { executor, slots: Some(SLOTS) });
        }
        for n in 1..=BUILDS {
            let account = format!("account-{}", dice(seed, "account", n) % ACCOUNTS);
            let build = Arc::new(fixtures::build(&account, "site", n));
            // In bursts, about as many as the slots can run, so that a backlog comes and goes.
            let at = Timestamp::from_millis(1_000 + n / 500 * 125_000 + n % 500);
            world.at(at, Input::Admitted { build, rank: Rank(n) });
        }
        world
    }

    fn at(&mut self, time: Timestamp, input: Input) {
        let order = self.inputs.last_key_value().map_or(0, |(last, _)| last + 1);
        self.inputs.insert(order, input);
        self.coming.push(Reverse((time, order)));
    }

    fn run(&mut self) {
        while let Some(now) = self.next_time() {
            let input = match self.coming.peek() {
                Some(Reverse((at, order))) if *at <= now => {
                    let input = self.inputs.remove(order).unwrap();
                    self.coming.pop();
                    input
                }
                _ => Input::Tick,
            };
            if let Input::Admitted { build, rank } = &input {
                let place = Place { publisher: fixtures::publisher("api"), epoch: 1, seq: rank.0 };
                self.records.insert(build.id, BuildRecord::admitted(build.as_ref().clone(), place, *rank, now));
            }
            let effects = self.engine.step(input, now, &self.router);
            self.carry_out(effects, now);
        }
    }

    fn next_time(&self) -> Option<Timestamp> {
        let coming = self.coming.peek().map(|Reverse((at, _))| *at);
        coming.into_iter().chain(self.engine.deadline()).min()
    }

    fn carry_out(&mut self, effects: Effects, now: Timestamp) {
        self.trace = Digest::of(format!("{}{effects:?}", self.trace));
        for change in &effects.persist {
            self.records.get_mut(&change.build().build).unwrap().apply(change).unwrap();
        }
        for action in effects.act {
            match action {
                Action::Start { attempt, executor, build, .. } => self.start(attempt, executor, &build, now),
                Action::Remove { attempt, .. } => *self.running.get_mut(&attempt.build.account).unwrap() -= 1,
                Action::Activate { attempt } => {
                    let record = self.records.get_mut(&attempt.build.build).unwrap();
                    record.activated(attempt.number, None, now).unwrap();
                    self.at(now, Input::Activated { attempt, answer: Some(Activation::Visible) });
                }
                other => panic!("nothing here is cancelled or reaped: {other:?}"),
            }
        }
    }

    fn start(&mut self, attempt: AttemptId, executor: ExecutorName, build: &Build, now: Timestamp) {
        let running = self.running.entry(build.account.clone()).or_default();
        *running += 1;
        assert!(*running <= LIMIT, "{} runs more than it may", build.account);
        assert!(self.engine.live_on(&executor) <= SLOTS as usize, "{executor} is over its capacity");
        let rank = self.records[&build.id].rank;
        if attempt.number.get() == 1 {
            let before = self.first_starts.insert((build.account.clone(), executor.clone()), rank);
            assert!(before.is_none_or(|before| before < rank), "first in, first out within an account");
        }
        let accepted = StartAnswer::Started(Started::Created { host: None });
        self.at(now, Input::StartAnswered { attempt: attempt.clone(), answer: accepted });
        let n = rank.0 * 8 + u64::from(attempt.number.get());
        let phase = Phase::Ended { report: self.report(n) };
        let observed = Observed { attempt, host: None, phase };
        let run = Duration::from_millis(10_000 + dice(self.seed, "run", n) % 60_000);
        self.at(now + run, Input::Observed { executor, observed });
    }

    fn report(&self, n: u64) -> Report {
        match dice(self.seed, "end", n) % 100 {
            0..5 => fixtures::failed(Cause::CommandFailed { code: 1 }),
            5..8 => fixtures::failed(Cause::Evicted),
            8 => fixtures::failed(Cause::Lost),
            _ => fixtures::succeeded(Some(fixtures::deploy(n))),
        }
    }
}

#[test]
fn a_hundred_thousand_builds_end_and_the_same_seed_leaves_the_same_trace() {
    let mut traces = Vec::new();
    for _ in 0..2 {
        let mut world = World::new(7);
        world.run();
        assert_eq!(world.engine.open_builds(), 0);
        assert_eq!(world.engine.stats().policy_violations, 0);
        let mut endings: BTreeMap<String, u64> = BTreeMap::new();
        for record in world.records.values() {
            let BuildState::Ended { ending, .. } = &record.state else { panic!("{} does not end", record.key()) };
            let owner = match ending {
                Ending::Failed { failure } => {
                    let customers = failure.owner() == Owner::Customer;
                    assert!(customers || record.attempts.len() == 3, "infrastructure is tried three times");
                    format!(" by {}", failure.owner())
                }
                _ => String::new(),
            };
            *endings.entry(format!("{}{owner}", ending.label())).or_default() += 1;
        }
        assert_eq!(endings.values().sum::<u64>(), BUILDS);
        println!("{endings:?}");
        traces.push(world.trace);
    }
    assert_eq!(traces[0], traces[1]);
}
