//! A new engine from the records, in each state.

use std::slice::from_ref;

use netbuild_core::engine::{Action, EngineConfig, Input, StartAnswer};
use netbuild_core::model::{BuildState, Cause};
use netbuild_core::testkit::fixtures;

use crate::desk::{Desk, a_build, host, lane, numbered, secs};

fn restart(desk: &mut Desk) {
    desk.restart(EngineConfig::default());
}

#[test]
fn queued_starts_in_its_order_and_keeps_its_time() {
    let mut desk = Desk::new();
    desk.step(Input::Capacity { executor: lane("a"), slots: Some(0) });
    let builds = [desk.admit(a_build()), desk.admit(numbered("acme", 2))];
    desk.pass(secs(999));
    restart(&mut desk);
    assert_eq!(desk.starts().iter().map(|attempt| attempt.build.clone()).collect::<Vec<_>>(), builds);

    let mut desk = Desk::new();
    desk.step(Input::Capacity { executor: lane("a"), slots: Some(0) });
    let build = desk.admit(a_build());
    desk.pass(secs(999));
    desk.now = desk.now + secs(1);
    restart(&mut desk);
    assert_eq!(desk.failed_with(&build), Some(Cause::QueueTimeout), "a restart gives no time back");
}

#[test]
fn waiting_keeps_its_backoff() {
    let mut desk = Desk::new();
    let attempt = desk.running();
    desk.report(&attempt, fixtures::failed(Cause::UploadFailed));
    restart(&mut desk);
    assert_eq!(desk.starts(), []);
    desk.retried(&attempt);
}

#[test]
fn planned_is_asked_for_under_the_same_number_and_may_have_been_started() {
    let mut desk = Desk::new();
    let attempt = desk.asking();
    restart(&mut desk);
    assert_eq!(desk.starts(), from_ref(&attempt));
    desk.answer(&attempt, StartAnswer::Unavailable);
    desk.cancel(&attempt.build);
    assert_eq!(desk.ending(&attempt.build), None, "the engine before this one may have started it");
    desk.lists(&[]);
    assert!(desk.is_cancelled(&attempt.build));
}

#[test]
fn pending_and_running_wait_for_a_list() {
    for running in [false, true] {
        let mut desk = Desk::new();
        let attempt = if running { desk.running() } else { desk.pending() };
        let before = desk.engine.steps();
        restart(&mut desk);
        assert_eq!(desk.last.act, []);
        assert_eq!(desk.engine.live_on(&lane("a")), 1);
        assert!(desk.engine.steps() < before, "steps are the engine's own");
        assert!(desk.engine.is_wanted(&attempt));
        desk.lists(&[]);
        assert_eq!(desk.cause_of(&attempt), Some(Cause::Lost));
    }
}

#[test]
fn limits_go_on_where_they_were() {
    let mut desk = Desk::new();
    let attempt = desk.pending();
    desk.pass(secs(90));
    restart(&mut desk);
    desk.pass(secs(10));
    assert_eq!(desk.cancels(), [attempt]);

    let mut desk = Desk::new();
    let attempt = desk.running();
    desk.pass(secs(200));
    restart(&mut desk);
    desk.pass(secs(115));
    assert_eq!(desk.cancels(), [attempt]);
}

#[test]
fn a_cancel_is_remembered() {
    for stage in [Desk::asking, Desk::pending, Desk::running] {
        let mut desk = Desk::new();
        let attempt = stage(&mut desk);
        desk.cancel(&attempt.build);
        restart(&mut desk);
        assert_eq!((desk.cancels(), desk.starts()), (vec![attempt.clone()], vec![]));
        desk.lists(&[]);
        assert!(desk.is_cancelled(&attempt.build));
    }
}

#[test]
fn activating_is_activated() {
    let mut desk = Desk::new();
    let attempt = desk.activating();
    restart(&mut desk);
    assert_eq!(desk.last.act, [Action::Activate { attempt: attempt.clone() }]);
    assert!(!desk.engine.can_cancel(&attempt.build));
}

#[test]
fn settled_without_its_follow_up_gets_it() {
    let follow_up = |report| {
        let mut desk = Desk::new();
        let attempt = desk.running();
        let change = fixtures::settled(&attempt, report, desk.now);
        desk.records.get_mut(&attempt.build.build).unwrap().apply(&change).unwrap();
        restart(&mut desk);
        (desk, attempt)
    };
    let (mut desk, attempt) = follow_up(fixtures::failed(Cause::Lost));
    desk.retried(&attempt);
    let (desk, attempt) = follow_up(fixtures::failed(Cause::CommandFailed { code: 3 }));
    assert_eq!(desk.failed_with(&attempt.build), Some(Cause::CommandFailed { code: 3 }));
    let (desk, attempt) = follow_up(fixtures::succeeded(None));
    assert!(matches!(desk.record(&attempt.build).state, BuildState::Ended { .. }));
}

#[test]
fn the_number_of_attempts_is_remembered() {
    let mut desk = Desk::new();
    let mut attempt = desk.running();
    for _ in 0..2 {
        desk.lists(&[]);
        restart(&mut desk);
        attempt = desk.retried(&attempt);
        desk.created(&attempt);
    }
    desk.lists(&[]);
    assert_eq!(desk.failed_with(&attempt.build), Some(Cause::Lost));
}

#[test]
fn places_that_failed_are_avoided_after_a_restart_as_before() {
    let mut desk = Desk::new();
    let first = desk.pending();
    desk.pass(secs(100));
    desk.lists(&[]);
    assert_eq!(desk.cause_of(&first), Some(Cause::PendingTimeout));
    restart(&mut desk);
    let second = desk.retried(&first);
    assert_eq!(desk.start_places(), [(lane("a"), vec![host("h1")])]);
    desk.refused(&second, Cause::NeverFits);
    restart(&mut desk);
    desk.retried(&second);
    assert_eq!(desk.start_places(), [(lane("b"), vec![host("h1")])]);
}

#[test]
fn an_executor_that_is_not_there_any_more_does_not_come_back_as_a_lane() {
    let mut desk = Desk::new();
    let attempt = desk.running();
    desk.remove_lane("a");
    restart(&mut desk);
    assert!(desk.engine.is_wanted(&attempt), "its runner may well go on");
    desk.router.order = vec![lane("a")];
    let build = desk.admit(numbered("acme", 2));
    assert_eq!(desk.failed_with(&build), Some(Cause::NoExecutor));
    desk.report(&attempt, fixtures::succeeded(Some(fixtures::deploy(1))));
    assert!(desk.last.act.contains(&Action::Activate { attempt }));
}
