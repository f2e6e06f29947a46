//! Lanes, policies that break their contract, and routers that change their mind.

use netbuild_core::engine::{EngineConfig, Input};
use netbuild_core::model::{Cause, ExecutorName, Rank, Timestamp};
use netbuild_core::policy::{Fifo, Policy, Queued};

use crate::desk::{Desk, lane, numbered};

#[test]
fn a_new_router_version_moves_the_backlog() {
    let mut desk = Desk::with(Box::new(Fifo::new()), EngineConfig::default(), &[("a", Some(0)), ("b", Some(1))]);
    let builds: Vec<_> = (1..=3).map(|n| desk.admit(numbered("acme", n))).collect();
    desk.router.order.reverse();
    desk.step(Input::Tick);
    assert_eq!(desk.starts(), [], "the same version gives the same routes");
    desk.router.version += 1;
    desk.step(Input::Tick);
    let places = desk.start_places();
    assert_eq!((desk.starts()[0].build.clone(), places[0].0.clone()), (builds[0].clone(), lane("b")));
    let route = &desk.record(&builds[0]).attempts[0].route;
    assert_eq!((route.executor.clone(), route.snapshot), (lane("b"), 2), "the route is explained by its version");
    desk.step(Input::Capacity { executor: lane("a"), slots: Some(5) });
    assert_eq!(desk.starts(), [], "nothing of it is left in the old lane");
}

#[test]
fn a_new_router_version_leaves_live_attempts_where_they_are() {
    let mut desk = Desk::new();
    let attempt = desk.running();
    desk.router.order.reverse();
    desk.router.version += 1;
    desk.step(Input::Tick);
    assert_eq!((desk.engine.live_on(&lane("a")), desk.engine.live_on(&lane("b"))), (1, 0));
    assert!(desk.engine.is_wanted(&attempt));
}

#[test]
fn a_route_to_an_executor_that_is_not_there_fails_the_build_for_the_configuration() {
    let mut desk = Desk::new();
    desk.router.order = vec![lane("nowhere")];
    let build = desk.admit(numbered("acme", 1));
    assert_eq!(desk.failed_with(&build), Some(Cause::NoExecutor));
}

#[test]
fn a_full_lane_holds_up_no_other() {
    let mut desk = Desk::with(Box::new(Fifo::new()), EngineConfig::default(), &[("a", Some(1)), ("b", Some(1))]);
    let a: Vec<_> = (1..=5).map(|n| desk.admit(numbered("acme", n))).collect();
    desk.router.order.reverse();
    let b = desk.admit(numbered("acme", 6));
    let live = |desk: &Desk, name| desk.engine.live_on(&lane(name));
    assert_eq!((live(&desk, "a"), live(&desk, "b")), (1, 1));
    assert!(desk.engine.is_wanted(&b.attempt(netbuild_core::model::AttemptNumber::FIRST)));
    assert!(desk.engine.is_wanted(&a[0].attempt(netbuild_core::model::AttemptNumber::FIRST)));
}

#[test]
fn less_capacity_starts_nothing_and_ends_nothing() {
    let mut desk = Desk::with(Box::new(Fifo::new()), EngineConfig::default(), &[("a", Some(2))]);
    let builds: Vec<_> = (1..=3).map(|n| desk.admit(numbered("acme", n))).collect();
    desk.step(Input::Capacity { executor: lane("a"), slots: Some(1) });
    assert!(desk.last.act.is_empty());
    let attempt = builds[0].attempt(netbuild_core::model::AttemptNumber::FIRST);
    desk.refused(&attempt, Cause::ImageInvalid);
    assert_eq!(desk.starts(), [], "one still lives, and one is the bound");
}

/// Names the same build for ever in one lane, whatever became of it; is first in, first out in the others.
#[derive(Debug)]
struct Stuck {
    lane: ExecutorName,
    first: Option<Rank>,
    others: Fifo,
}

impl Policy for Stuck {
    fn enqueued(&mut self, build: &Queued) {
        if build.lane == self.lane {
            self.first.get_or_insert(build.rank);
        }
        self.others.enqueued(build);
    }

    fn withdrawn(&mut self, build: &Queued) {
        self.others.withdrawn(build);
    }

    fn started(&mut self, build: &Queued) {
        self.others.started(build);
    }

    fn finished(&mut self, build: &Queued) {
        self.others.finished(build);
    }

    fn next(&mut self, lane: &ExecutorName, now: Timestamp) -> Option<Rank> {
        if *lane == self.lane { self.first } else { self.others.next(lane, now) }
    }
}

#[test]
fn a_policy_that_breaks_its_contract_is_counted_and_holds_up_no_other_lane() {
    let policy = Stuck { lane: lane("a"), first: None, others: Fifo::new() };
    let mut desk = Desk::with(Box::new(policy), EngineConfig::default(), &[("a", Some(9)), ("b", Some(9))]);
    desk.admit(numbered("acme", 1));
    assert_eq!(desk.engine.stats().policy_violations, 1, "named once more, although it was started");
    let held = desk.admit(numbered("acme", 2));
    desk.router.order.reverse();
    let free = desk.admit(numbered("acme", 3));
    assert_eq!(desk.starts(), [free.attempt(netbuild_core::model::AttemptNumber::FIRST)]);
    desk.pass(crate::desk::secs(1_000));
    assert_eq!(desk.failed_with(&held), Some(Cause::QueueTimeout), "no build is lost");
}
