//! Each limit apart, with its own cause and owner; and whose fault a forced end is.

use std::slice::from_ref;

use netbuild_core::engine::{EngineConfig, StartAnswer};
use netbuild_core::model::{BuildState, Cause, Outcome, Owner, PhaseTime, Report, RunPhase, Timestamp};
use netbuild_core::policy::Fifo;

use crate::desk::{Desk, a_build, ended, running, secs, waits};

#[test]
fn too_long_in_the_queue_is_infrastructures_and_final() {
    let mut desk = Desk::with(Box::new(Fifo::new()), EngineConfig::default(), &[("a", Some(0))]);
    let build = desk.admit(a_build());
    desk.pass(secs(999));
    assert_eq!(desk.ending(&build), None);
    desk.pass(secs(1));
    assert_eq!(desk.failed_with(&build), Some(Cause::QueueTimeout));
    assert_eq!(Cause::QueueTimeout.owner(), Owner::Infrastructure);
    assert_eq!(desk.engine.open_builds(), 0);
}

#[test]
fn too_long_pending_is_infrastructures_and_tried_again_elsewhere() {
    let mut desk = Desk::new();
    let attempt = desk.pending();
    desk.pass(secs(99));
    assert_eq!(desk.cancels(), []);
    desk.pass(secs(1));
    assert_eq!(desk.cancels(), from_ref(&attempt), "asked to end, and not yet given up");
    assert_eq!(desk.cause_of(&attempt), None);
    assert!(!desk.engine.is_wanted(&attempt), "a runner that comes up now is told to stop");
    desk.lists(&[]);
    assert_eq!(desk.cause_of(&attempt), Some(Cause::PendingTimeout));
    desk.retried(&attempt);
    assert_eq!(desk.start_places()[0].1, [crate::desk::host("h1")], "not on that host again");
}

#[test]
fn too_long_a_run_is_the_customers_and_final() {
    let mut desk = Desk::new();
    let attempt = desk.running();
    let margin = EngineConfig::default().run_margin;
    desk.pass(secs(299) + margin);
    assert_eq!(desk.cancels(), [], "the runner keeps the limit itself");
    desk.pass(secs(1));
    assert_eq!(desk.cancels(), from_ref(&attempt));
    desk.sees(&attempt, ended(stopped_after(316)));
    assert_eq!(desk.failed_with(&attempt.build), Some(Cause::RunTimeout));
    assert_eq!(Cause::RunTimeout.owner(), Owner::Customer);
}

/// What a runner leaves that was told to stop.
fn stopped_after(seconds: u64) -> Report {
    let phase = PhaseTime { phase: RunPhase::Run, began_at: Timestamp::EPOCH, millis: seconds * 1_000 };
    Report { phases: vec![phase], ..Report::of(Outcome::Cancelled) }
}

#[test]
fn a_run_that_an_engine_before_this_one_stopped_is_the_customers_only_if_it_was_too_long() {
    for (seconds, cause) in [(316, Cause::RunTimeout), (20, Cause::DeletedByOthers)] {
        let mut desk = Desk::new();
        let attempt = desk.running();
        desk.now = desk.now + secs(310);
        desk.restart(EngineConfig::default());
        desk.lists(&[(&attempt, ended(stopped_after(seconds)))]);
        assert_eq!(desk.cause_of(&attempt), Some(cause), "after {seconds} s");
    }
}

#[test]
fn a_restart_is_no_sign_of_life() {
    let mut desk = Desk::new();
    let attempt = desk.running();
    desk.now = desk.now + secs(310);
    desk.restart(EngineConfig::default());
    desk.pass(secs(5));
    desk.lists(&[]);
    assert_eq!(desk.cause_of(&attempt), Some(Cause::Lost));
}

#[test]
fn an_attempt_that_is_gone_after_it_was_seen_past_its_run_limit_is_the_customers() {
    let mut desk = Desk::new();
    let attempt = desk.running();
    desk.pass(secs(310));
    desk.beat(&attempt);
    desk.pass(secs(5));
    assert_eq!(desk.cancels(), from_ref(&attempt));
    desk.lists(&[]);
    assert_eq!(desk.failed_with(&attempt.build), Some(Cause::RunTimeout), "pods vanish when they are cancelled");
}

#[test]
fn an_attempt_that_vanished_unseen_is_not_the_customers_although_its_run_limit_passed_meanwhile() {
    let mut desk = Desk::new();
    let attempt = desk.running();
    desk.pass(secs(200));
    desk.beat(&attempt);
    desk.pass(secs(115));
    assert_eq!(desk.cancels(), from_ref(&attempt));
    desk.lists(&[]);
    assert_eq!(desk.cause_of(&attempt), Some(Cause::Lost), "nothing showed that it ran for so long");
    desk.retried(&attempt);
}

#[test]
fn what_ends_by_itself_just_before_it_is_stopped_counts() {
    let mut desk = Desk::new();
    let attempt = desk.running();
    desk.pass(secs(315));
    desk.report(&attempt, netbuild_core::testkit::fixtures::failed(Cause::CommandFailed { code: 3 }));
    assert_eq!(desk.failed_with(&attempt.build), Some(Cause::CommandFailed { code: 3 }));
}

#[test]
fn an_executor_without_room_uses_up_the_time_in_the_queue_and_no_attempt() {
    for answer in [StartAnswer::Full, StartAnswer::Unavailable] {
        let mut desk = Desk::new();
        let attempt = desk.asking();
        desk.answer(&attempt, answer.clone());
        while desk.ending(&attempt.build).is_none() {
            desk.reach_deadline();
            if desk.starts() == from_ref(&attempt) {
                desk.answer(&attempt, answer.clone());
            }
        }
        assert_eq!(desk.failed_with(&attempt.build), Some(Cause::QueueTimeout), "{answer:?}");
        assert_eq!(desk.record(&attempt.build).attempts.len(), 1);
        let BuildState::Ended { at, .. } = desk.record(&attempt.build).state else { panic!("it ended") };
        assert_eq!(at.since(desk.record(&attempt.build).admitted_at), secs(1_000), "to the millisecond");
    }
}

#[test]
fn the_time_pending_begins_when_the_executor_may_have_it() {
    let mut desk = Desk::new();
    let attempt = desk.asking();
    desk.answer(&attempt, StartAnswer::Full);
    for _ in 0..100 {
        desk.pass(secs(2));
        desk.answer(&attempt, StartAnswer::Full);
    }
    desk.pass(secs(2));
    desk.created(&attempt);
    desk.pass(secs(99));
    assert_eq!(desk.cancels(), [], "200 s without room are no time pending");
    desk.sees(&attempt, waits());
    desk.pass(secs(1));
    assert_eq!(desk.cancels(), [attempt]);
}

#[test]
fn a_start_of_unknown_effect_is_bounded_by_the_pending_limit_to_the_millisecond() {
    let mut desk = Desk::new();
    let attempt = desk.asking();
    desk.answer(&attempt, StartAnswer::Unknown);
    let mut waited = secs(0);
    while desk.cancels().is_empty() {
        waited += desk.reach_deadline();
        if desk.starts() == from_ref(&attempt) {
            desk.answer(&attempt, StartAnswer::Unknown);
        }
    }
    assert_eq!(waited, secs(100));
    desk.lists(&[]);
    assert_eq!(desk.cause_of(&attempt), Some(Cause::PendingTimeout));
}

#[test]
fn a_clock_that_is_ahead_does_not_lengthen_a_run() {
    let mut desk = Desk::new();
    let attempt = desk.pending();
    desk.sees(&attempt, netbuild_core::port::Phase::Running { since: desk.now + secs(5_000) });
    desk.pass(secs(315));
    assert_eq!(desk.cancels(), from_ref(&attempt));
    let other = Desk::new().pending();
    let mut desk = Desk::new();
    assert_eq!(desk.pending(), other);
    desk.sees(&other, running());
    desk.pass(secs(314));
    assert_eq!(desk.cancels(), [], "a clock that is behind does not shorten it below the planning");
}
