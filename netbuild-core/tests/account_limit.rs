//! The limit per account against a slow and obvious model of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use netbuild_core::model::{AccountId, Build, ExecutorName, Priority, Rank, Timestamp};
use netbuild_core::policy::{AccountLimit, AccountLimits, Fifo, Policy, Queued};
use netbuild_core::testkit::fixtures;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};

const LANES: [&str; 2] = ["x", "y"];

/// First in, first out, and it insists that it is told every step once and in order.
#[derive(Debug, Default)]
struct Strict {
    fifo: Fifo,
    waiting: BTreeSet<Rank>,
    running: BTreeSet<Rank>,
}

impl Policy for Strict {
    fn enqueued(&mut self, build: &Queued) {
        assert!(
            self.waiting.insert(build.rank) && !self.running.contains(&build.rank),
            "{build:?} is enqueued already"
        );
        self.fifo.enqueued(build);
    }

    fn withdrawn(&mut self, build: &Queued) {
        assert!(self.waiting.remove(&build.rank), "{build:?} does not wait");
        self.fifo.withdrawn(build);
    }

    fn started(&mut self, build: &Queued) {
        assert!(self.waiting.remove(&build.rank), "{build:?} does not wait");
        self.running.insert(build.rank);
        self.fifo.started(build);
    }

    fn finished(&mut self, build: &Queued) {
        assert!(self.running.remove(&build.rank), "{build:?} does not run");
        self.fifo.finished(build);
    }

    fn next(&mut self, lane: &ExecutorName, now: Timestamp) -> Option<Rank> {
        self.fifo.next(lane, now)
    }
}

/// A step, with a number that says which build or lane it concerns.
#[derive(Clone, Copy, Debug)]
enum Step {
    Enqueue(u8),
    StartNext(u8),
    /// Without having been named: a build that ran before a restart.
    StartAny(u8),
    Withdraw(u8),
    Finish(u8),
    Retry(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => any::<u8>().prop_map(Step::Enqueue),
        4 => any::<u8>().prop_map(Step::StartNext),
        1 => any::<u8>().prop_map(Step::StartAny),
        1 => any::<u8>().prop_map(Step::Withdraw),
        2 => any::<u8>().prop_map(Step::Finish),
        1 => any::<u8>().prop_map(Step::Retry),
    ];
    vec(step, 0..120)
}

fn limits() -> AccountLimits {
    let by_account = BTreeMap::from([(fixtures::account("globex"), 1), (fixtures::account("initech"), 0)]);
    AccountLimits { default: 2, by_account }
}

/// All builds in lists, looked through whenever something is asked.
struct Model {
    by_priority: bool,
    waiting: Vec<Queued>,
    running: Vec<Queued>,
}

impl Model {
    fn may_start(&self, account: &AccountId) -> usize {
        let running = self.running.iter().filter(|build| build.account() == account).count();
        let limits = limits();
        let limit = limits.by_account.get(account).copied().unwrap_or(limits.default);
        (limit as usize).saturating_sub(running)
    }

    fn next(&self, lane: &str) -> Option<Rank> {
        let mut shown = Vec::new();
        for account in ["acme", "globex", "initech"].map(fixtures::account) {
            let mut of_account: Vec<&Queued> = self
                .waiting
                .iter()
                .filter(|build| *build.account() == account && build.lane.as_str() == lane)
                .collect();
            of_account.sort_by_key(|build| (if self.by_priority { -build.priority().0 } else { 0 }, build.rank));
            shown.extend(of_account.into_iter().take(self.may_start(&account)));
        }
        shown.into_iter().min_by_key(|build| build.rank).map(|build| build.rank)
    }
}

fn build(n: u64, kind: u8) -> Queued {
    let account = ["acme", "globex", "initech"][usize::from(kind % 3)];
    let build = fixtures::build(account, "site", n);
    let lane = fixtures::route(LANES[usize::from(kind / 3 % 2)]).executor;
    let priority = Priority(i16::from(kind / 6 % 3));
    Queued { build: Arc::new(Build { priority, ..build }), rank: Rank(n), lane }
}

fn take(builds: &mut Vec<Queued>, which: u8) -> Option<Queued> {
    (!builds.is_empty()).then(|| builds.remove(usize::from(which) % builds.len()))
}

fn play(by_priority: bool, steps: &[Step]) -> Result<(), TestCaseError> {
    let limit = AccountLimit::new(Strict::default(), limits());
    let mut policy = if by_priority { limit.by_priority() } else { limit };
    let mut model = Model { by_priority, waiting: Vec::new(), running: Vec::new() };
    for (n, step) in steps.iter().enumerate() {
        match *step {
            Step::Enqueue(kind) => {
                let build = build(n as u64, kind);
                policy.enqueued(&build);
                model.waiting.push(build);
            }
            Step::StartNext(lane) => {
                let lane = LANES[usize::from(lane % 2)];
                let at = model.next(lane).and_then(|rank| model.waiting.iter().position(|build| build.rank == rank));
                if let Some(at) = at {
                    let build = model.waiting.remove(at);
                    policy.started(&build);
                    model.running.push(build);
                }
            }
            Step::StartAny(which) => {
                if let Some(build) = take(&mut model.waiting, which) {
                    policy.started(&build);
                    model.running.push(build);
                }
            }
            Step::Withdraw(which) => {
                if let Some(build) = take(&mut model.waiting, which) {
                    policy.withdrawn(&build);
                }
            }
            Step::Finish(which) => {
                if let Some(build) = take(&mut model.running, which) {
                    policy.finished(&build);
                }
            }
            Step::Retry(which) => {
                if let Some(build) = take(&mut model.running, which) {
                    policy.finished(&build);
                    policy.enqueued(&build);
                    model.waiting.push(build);
                }
            }
        }
        for lane in LANES {
            let named = policy.next(&fixtures::route(lane).executor, Timestamp::EPOCH);
            prop_assert_eq!(named, model.next(lane), "after step {}: {:?}", n, step);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(Config { rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..Config::default() })]

    #[test]
    fn it_names_what_the_model_names_and_tells_the_inner_policy_every_step(steps in steps(), by_priority in any::<bool>()) {
        play(by_priority, &steps)?;
    }
}
