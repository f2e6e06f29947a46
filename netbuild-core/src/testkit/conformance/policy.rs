//! The contract of [`Policy`].
//!
//! A policy is plain code, so its cases need no subject, only a way to make one:
//!
//! ```
//! use netbuild_core::policy::Fifo;
//! use netbuild_core::testkit::conformance::policy;
//!
//! policy::run(Fifo::new).assert_all_passed();
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::report::{Report, Verdict};
use super::suite::{Stop, check, equal};
use crate::model::{Build, ExecutorName, Priority, Rank, Timestamp};
use crate::policy::{Policy, Queued};
use crate::testkit::fixtures;

/// Runs all cases, each against fresh policies. The policy must let the accounts `acme`, `globex` and `initech` run at least
/// one build each.
pub fn run<P: Policy>(fresh: impl Fn() -> P) -> Report {
    let fresh: &Fresh<'_> = &|| Box::new(fresh());
    let mut report = Report::default();
    for (name, case) in CASES {
        report.add(
            name,
            match case(fresh) {
                Ok(()) => Verdict::Passed,
                Err(Stop::Skipped(reason)) => Verdict::Skipped(reason),
                Err(Stop::Failed(finding)) => Verdict::Failed(finding),
            },
        );
    }
    report
}

type Fresh<'a> = dyn Fn() -> Box<dyn Policy> + 'a;
type Case = fn(&Fresh<'_>) -> Result<(), Stop>;

const CASES: [(&str, Case); 8] = [
    ("next_names_only_builds_that_wait_in_that_lane", next_names_only_builds_that_wait_in_that_lane),
    ("next_changes_nothing", next_changes_nothing),
    ("nothing_is_lost", nothing_is_lost),
    ("the_same_calls_give_the_same_answers", the_same_calls_give_the_same_answers),
    ("a_lane_that_is_full_holds_up_no_other", a_lane_that_is_full_holds_up_no_other),
    ("a_build_that_left_is_not_named", a_build_that_left_is_not_named),
    ("a_retry_is_named_again", a_retry_is_named_again),
    ("builds_that_ran_before_a_restart_are_taken_in", builds_that_ran_before_a_restart_are_taken_in),
];

const LANES: [&str; 2] = ["x", "y"];

fn lane(name: &str) -> ExecutorName {
    fixtures::route(name).executor
}

/// Build number `n`: accounts, priorities and lanes take turns, each in a rhythm of its own.
fn queued(n: u64) -> Queued {
    let account = ["acme", "globex", "initech"][(n % 3) as usize];
    let priority = Priority([0, 5, -1, 0, 9][(n % 5) as usize]);
    let build = fixtures::build(account, ["site", "blog"][(n % 7 % 2) as usize], n);
    let lane = lane(LANES[(n / 3 % 2) as usize]);
    Queued { build: Arc::new(Build { priority, ..build }), rank: Rank(n), lane }
}

/// Time for policies that let builds wait: each asking is half an hour after the one before.
fn time(asking: u64) -> Timestamp {
    Timestamp::EPOCH + Duration::from_secs(asking * 1_800)
}

/// As many askings as four weeks hold: a policy that holds a build back for longer loses it.
const PATIENCE: u64 = 48 * 28;

/// Plays the engine: tells a policy every step and keeps what it must know.
struct Play {
    policy: Box<dyn Policy>,
    waiting: BTreeMap<Rank, Queued>,
    running: Vec<Queued>,
    askings: u64,
    answers: Vec<Option<Rank>>,
    /// Asks everything twice.
    asks_twice: bool,
}

impl Play {
    fn new(policy: Box<dyn Policy>) -> Self {
        let (waiting, running, answers) = (BTreeMap::new(), Vec::new(), Vec::new());
        Play { policy, waiting, running, askings: 0, answers, asks_twice: false }
    }

    fn enqueue(&mut self, build: Queued) {
        self.policy.enqueued(&build);
        self.waiting.insert(build.rank, build);
    }

    fn withdraw(&mut self, build: &Queued) {
        self.policy.withdrawn(build);
        self.waiting.remove(&build.rank);
    }

    /// Asks for the next build of a lane and starts it.
    fn start_next(&mut self, name: &str) -> Result<Option<Queued>, Stop> {
        self.askings += 1;
        let (lane, now) = (lane(name), time(self.askings));
        if self.asks_twice {
            for name in LANES {
                self.policy.next(&fixtures::route(name).executor, now);
            }
        }
        let answer = self.policy.next(&lane, now);
        self.answers.push(answer);
        let Some(rank) = answer else { return Ok(None) };
        let named = self.waiting.remove(&rank).filter(|build| build.lane == lane);
        let Some(build) = named else {
            return Err(Stop::failed(format_args!(
                "next names the build of rank {rank}, which does not wait in the lane {lane}"
            )));
        };
        self.policy.started(&build);
        self.running.push(build.clone());
        Ok(Some(build))
    }

    fn finish_oldest(&mut self) -> Option<Queued> {
        let build = (!self.running.is_empty()).then(|| self.running.remove(0))?;
        self.policy.finished(&build);
        Some(build)
    }

    /// Starts and finishes until nothing waits.
    fn drain(&mut self) -> Result<(), Stop> {
        for _ in 0..PATIENCE {
            for name in LANES {
                while self.start_next(name)?.is_some() {}
            }
            while self.finish_oldest().is_some() {}
            if self.waiting.is_empty() {
                return Ok(());
            }
        }
        let lost: Vec<u64> = self.waiting.values().map(|build| build.rank.0).collect();
        Err(Stop::failed(format_args!("nothing else runs, and these builds are never named: {lost:?}")))
    }

    /// A day with everything in it: builds come, start, end, are tried again and withdrawn, in both lanes.
    fn a_day(&mut self) -> Result<(), Stop> {
        for n in 1..=60 {
            self.enqueue(queued(n));
            if n % 2 == 0 {
                self.start_next(LANES[(n / 2 % 2) as usize])?;
            }
            if n % 5 == 0
                && let Some(build) = self.finish_oldest().filter(|build| build.rank.0 % 10 == 5)
            {
                self.enqueue(build);
            }
            let withdrawn = self.waiting.values().nth(1).filter(|_| n % 7 == 0).cloned();
            if let Some(build) = withdrawn {
                self.withdraw(&build);
            }
        }
        self.drain()
    }
}

fn next_names_only_builds_that_wait_in_that_lane(fresh: &Fresh<'_>) -> Result<(), Stop> {
    Play::new(fresh()).a_day()?;
    equal(fresh().next(&lane("x"), time(1)), None, "an empty policy names nothing")
}

fn next_changes_nothing(fresh: &Fresh<'_>) -> Result<(), Stop> {
    let mut once = Play::new(fresh());
    let mut twice = Play { asks_twice: true, ..Play::new(fresh()) };
    // What they name is another case's concern.
    let _ = (once.a_day(), twice.a_day());
    equal(once.answers, twice.answers, "asking more often changes no answer")
}

fn nothing_is_lost(fresh: &Fresh<'_>) -> Result<(), Stop> {
    let mut play = Play::new(fresh());
    (1..=200).for_each(|n| play.enqueue(queued(n)));
    play.drain()
}

fn the_same_calls_give_the_same_answers(fresh: &Fresh<'_>) -> Result<(), Stop> {
    let mut plays = [Play::new(fresh()), Play::new(fresh())];
    for play in &mut plays {
        let _ = play.a_day();
    }
    let [first, second] = plays;
    equal(first.answers, second.answers, "the same calls give the same answers")
}

/// A lane without room is not asked; the builds in it stay where they are.
fn a_lane_that_is_full_holds_up_no_other(fresh: &Fresh<'_>) -> Result<(), Stop> {
    let mut play = Play::new(fresh());
    (1..=40).for_each(|n| play.enqueue(queued(n)));
    let in_y = |play: &Play| play.waiting.values().filter(|build| build.lane == lane("y")).count();
    for _ in 0..PATIENCE {
        while play.start_next("y")?.is_some() {}
        while play.finish_oldest().is_some() {}
        if in_y(&play) == 0 {
            return Ok(());
        }
    }
    Err(Stop::failed(format_args!("lane y is empty and {} builds for it wait behind lane x", in_y(&play))))
}

fn a_build_that_left_is_not_named(fresh: &Fresh<'_>) -> Result<(), Stop> {
    let mut play = Play::new(fresh());
    (1..=30).for_each(|n| play.enqueue(queued(n)));
    let leaving: BTreeSet<u64> = (1..=30).filter(|n| n % 3 != 1).collect();
    leaving.iter().for_each(|n| play.withdraw(&queued(*n)));
    play.drain()
}

fn a_retry_is_named_again(fresh: &Fresh<'_>) -> Result<(), Stop> {
    let mut play = Play::new(fresh());
    (1..=6).for_each(|n| play.enqueue(queued(n)));
    play.drain()?;
    (1..=6).for_each(|n| play.enqueue(queued(n)));
    play.drain()
}

/// After a restart builds are told that run already: enqueued and started without having been named, perhaps more of them
/// than the policy would let start.
fn builds_that_ran_before_a_restart_are_taken_in(fresh: &Fresh<'_>) -> Result<(), Stop> {
    let mut play = Play::new(fresh());
    for n in 1..=30 {
        let build = queued(n);
        play.policy.enqueued(&build);
        play.policy.started(&build);
        play.running.push(build);
    }
    (31..=60).for_each(|n| play.enqueue(queued(n)));
    for name in LANES {
        let named = play.policy.next(&lane(name), time(1));
        let is_running = |rank: Rank| play.running.iter().any(|build| build.rank == rank);
        check(!named.is_some_and(is_running), "a build that runs already is not named")?;
    }
    while play.finish_oldest().is_some() {}
    play.drain()
}
