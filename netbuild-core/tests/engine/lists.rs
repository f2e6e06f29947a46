//! What a list proves, and what it does not.

use netbuild_core::engine::{Action, StartAnswer};
use netbuild_core::model::{AttemptNumber, Cause, Outcome, Report};
use netbuild_core::port::{Phase, Started};
use netbuild_core::testkit::fixtures;

use crate::desk::{Desk, ended, lane, running, secs, waits};

#[test]
fn absent_from_an_incomplete_list_proves_nothing() {
    let mut desk = Desk::new();
    let attempt = desk.running();
    desk.listed(desk.engine.steps(), &[], false);
    assert_eq!(desk.cause_of(&attempt), None);
}

#[test]
fn absent_from_a_list_asked_for_before_the_acceptance_proves_nothing() {
    let mut desk = Desk::new();
    let attempt = desk.asking();
    let before = desk.engine.steps();
    desk.created(&attempt);
    desk.listed(before, &[], true);
    assert_eq!(desk.cause_of(&attempt), None);
    desk.lists(&[]);
    assert_eq!(desk.cause_of(&attempt), Some(Cause::Lost));
}

/// The runner can be heard before the start is answered.
#[test]
fn absent_from_a_list_asked_for_before_a_heartbeat_proves_nothing() {
    let mut desk = Desk::new();
    let attempt = desk.asking();
    let before = desk.engine.steps();
    desk.beat(&attempt);
    desk.listed(before, &[], true);
    assert_eq!(desk.cause_of(&attempt), None);
    desk.lists(&[]);
    assert_eq!(desk.cause_of(&attempt), Some(Cause::Lost));
}

#[test]
fn absent_while_the_start_is_not_answered_proves_nothing() {
    let mut desk = Desk::new();
    let attempt = desk.asking();
    desk.lists(&[]);
    desk.answer(&attempt, StartAnswer::Unknown);
    desk.lists(&[]);
    assert_eq!(desk.cause_of(&attempt), None, "it is asked for again");
}

#[test]
fn absent_later_is_lost_and_tried_again() {
    let mut desk = Desk::new();
    let first = desk.running();
    desk.lists(&[]);
    assert_eq!(desk.cause_of(&first), Some(Cause::Lost));
    let second = desk.retried(&first);
    assert_eq!(second.number, AttemptNumber::new(2));
    desk.created(&second);
    desk.lists(&[]);
    let third = desk.retried(&second);
    desk.created(&third);
    desk.lists(&[]);
    assert_eq!(desk.failed_with(&first.build), Some(Cause::Lost), "three attempts are the bound");
}

#[test]
fn another_executors_list_proves_nothing() {
    let mut desk = Desk::new();
    let attempt = desk.running();
    let asked_at_step = desk.engine.steps();
    let listing = netbuild_core::port::Listing { attempts: Vec::new(), complete: true };
    desk.step(netbuild_core::engine::Input::Listed { executor: lane("b"), asked_at_step, listing });
    assert_eq!(desk.cause_of(&attempt), None);
}

#[test]
fn an_old_list_does_not_make_a_new_attempt_unknown() {
    let mut desk = Desk::new();
    let attempt = desk.asking();
    let before = desk.engine.steps();
    desk.created(&attempt);
    desk.listed(before, &[(&attempt, Phase::Unknown)], false);
    desk.pass(secs(80));
    assert_eq!(desk.cause_of(&attempt), None);
}

#[test]
fn a_list_tells_what_events_did_not() {
    let mut desk = Desk::new();
    let attempt = desk.asking();
    desk.answer(&attempt, StartAnswer::Unknown);
    desk.lists(&[(&attempt, waits())]);
    desk.lists(&[(&attempt, running())]);
    desk.lists(&[(&attempt, ended(fixtures::succeeded(Some(fixtures::deploy(1)))))]);
    assert!(desk.last.act.contains(&Action::Activate { attempt }));
}

#[test]
fn what_nobody_runs_here_is_to_be_reaped() {
    let mut desk = Desk::new();
    let attempt = desk.activating();
    let over = ended(Report::of(Outcome::Succeeded { deploy: None }));
    let stranger = crate::desk::numbered("acme", 9).key().attempt(AttemptNumber::FIRST);
    desk.lists(&[(&attempt, over), (&stranger, running())]);
    let reap = |attempt, ended| Action::Reap { attempt, executor: lane("a"), ended };
    assert_eq!(desk.last.act, [reap(attempt, true), reap(stranger, false)]);
}

#[test]
fn an_adopted_attempt_that_is_over_is_settled() {
    let mut desk = Desk::new();
    let attempt = desk.asking();
    let observed = netbuild_core::port::Observed {
        attempt: attempt.clone(),
        host: None,
        phase: ended(fixtures::failed(Cause::CommandFailed { code: 3 })),
    };
    desk.answer(&attempt, StartAnswer::Started(Started::Adopted { observed }));
    assert_eq!(desk.failed_with(&attempt.build), Some(Cause::CommandFailed { code: 3 }));
}
