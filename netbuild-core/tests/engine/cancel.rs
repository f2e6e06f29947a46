//! A cancel in each stage.

use std::slice::from_ref;

use netbuild_core::engine::{Action, StartAnswer};
use netbuild_core::model::{Cause, Change, Outcome, Report};
use netbuild_core::testkit::fixtures;

use crate::desk::{Desk, a_build, ended, numbered, running, secs, wrote};

#[test]
fn queued() {
    let mut desk = Desk::new();
    desk.step(netbuild_core::engine::Input::Capacity { executor: crate::desk::lane("a"), slots: Some(0) });
    let build = desk.admit(a_build());
    let effects = desk.cancel(&build);
    assert!(wrote(effects, |change| matches!(change, Change::CancelAsked { .. })));
    assert!(desk.is_cancelled(&build));
    desk.step(netbuild_core::engine::Input::Capacity { executor: crate::desk::lane("a"), slots: Some(1) });
    assert_eq!(desk.starts(), [], "the policy has forgotten it");
}

#[test]
fn waiting_for_another_attempt() {
    let mut desk = Desk::new();
    let attempt = desk.running();
    desk.report(&attempt, fixtures::failed(Cause::UploadFailed));
    desk.cancel(&attempt.build);
    assert!(desk.is_cancelled(&attempt.build));
    assert_eq!(desk.engine.deadline(), None);
}

#[test]
fn while_the_executor_is_asked() {
    let mut desk = Desk::new();
    let attempt = desk.asking();
    desk.cancel(&attempt.build);
    assert_eq!((desk.cancels(), desk.ending(&attempt.build)), (vec![], None), "nothing is known yet");
    desk.created(&attempt);
    assert_eq!(desk.cancels(), from_ref(&attempt));
    desk.sees(&attempt, ended(Report::of(Outcome::Cancelled)));
    assert!(desk.is_cancelled(&attempt.build));
}

#[test]
fn while_the_executor_is_asked_and_then_has_no_room() {
    for answer in [StartAnswer::Full, StartAnswer::Unavailable] {
        let mut desk = Desk::new();
        let attempt = desk.asking();
        desk.cancel(&attempt.build);
        desk.answer(&attempt, answer);
        assert!(desk.is_cancelled(&attempt.build), "nothing was ever started");
    }
}

#[test]
fn between_two_askings_when_nothing_was_started() {
    let mut desk = Desk::new();
    let attempt = desk.asking();
    desk.answer(&attempt, StartAnswer::Full);
    desk.cancel(&attempt.build);
    assert!(desk.is_cancelled(&attempt.build));
}

#[test]
fn between_two_askings_when_it_may_be_started() {
    let mut desk = Desk::new();
    let attempt = desk.asking();
    desk.answer(&attempt, StartAnswer::Unknown);
    desk.cancel(&attempt.build);
    assert_eq!((desk.cancels(), desk.ending(&attempt.build)), (vec![attempt.clone()], None));
    desk.lists(&[]);
    assert!(desk.is_cancelled(&attempt.build), "a list asked for later proves that it was never there");
}

/// A later "nothing was started" says nothing of an earlier call.
#[test]
fn a_start_of_unknown_effect_stays_unknown_whatever_later_calls_answer() {
    for later in [StartAnswer::Full, StartAnswer::Unavailable] {
        let mut desk = Desk::new();
        let attempt = desk.asking();
        desk.answer(&attempt, StartAnswer::Unknown);
        desk.pass(secs(2));
        desk.answer(&attempt, later);
        desk.cancel(&attempt.build);
        assert_eq!(desk.ending(&attempt.build), None, "it may run still");
        desk.lists(&[(&attempt, running())]);
        assert_eq!(desk.ending(&attempt.build), None);
        desk.lists(&[]);
        assert!(desk.is_cancelled(&attempt.build));
    }
}

#[test]
fn pending_and_running() {
    for running in [false, true] {
        let mut desk = Desk::new();
        let attempt = if running { desk.running() } else { desk.pending() };
        desk.cancel(&attempt.build);
        assert_eq!(desk.cancels(), from_ref(&attempt));
        assert!(!desk.engine.is_wanted(&attempt));
        let again = desk.reach_deadline();
        assert_eq!((desk.cancels(), again), (vec![attempt.clone()], secs(12)), "asked again after grace and pause");
        desk.report(&attempt, Report::of(Outcome::Cancelled));
        assert!(desk.is_cancelled(&attempt.build));
        assert!(desk.last.act.contains(&Action::Remove { attempt, executor: crate::desk::lane("a") }));
    }
}

#[test]
fn a_success_that_came_first_stays_invisible() {
    let mut desk = Desk::new();
    let attempt = desk.running();
    desk.cancel(&attempt.build);
    desk.report(&attempt, fixtures::succeeded(Some(fixtures::deploy(1))));
    assert!(desk.is_cancelled(&attempt.build));
    assert!(!desk.last.act.iter().any(|action| matches!(action, Action::Activate { .. })));
}

#[test]
fn activating_is_too_late() {
    let mut desk = Desk::new();
    let attempt = desk.activating();
    assert!(!desk.engine.can_cancel(&attempt.build));
    let effects = desk.cancel(&attempt.build);
    assert!(effects.is_empty(), "{effects:?}");
    assert_eq!(desk.engine.stats().stale_inputs, 1);
}

#[test]
fn another_tenants_key_cancels_nothing() {
    let mut desk = Desk::new();
    let attempt = desk.running();
    let mut key = attempt.build.clone();
    key.account = numbered("globex", 1).account;
    assert!(!desk.engine.can_cancel(&key));
    assert!(desk.cancel(&key).is_empty());
    assert!(desk.engine.is_wanted(&attempt));
}

#[test]
fn a_cancel_overrules_a_limit() {
    let mut desk = Desk::new();
    let attempt = desk.pending();
    desk.pass(secs(100));
    desk.cancel(&attempt.build);
    desk.lists(&[]);
    assert!(desk.is_cancelled(&attempt.build), "and it is not tried again");
}

#[test]
fn an_executor_that_never_answers_again_cannot_hold_up_a_cancel_for_ever() {
    for running in [false, true] {
        let mut desk = Desk::new();
        let attempt = if running { desk.running() } else { desk.pending() };
        desk.cancel(&attempt.build);
        let mut waited = secs(0);
        while desk.ending(&attempt.build).is_none() {
            waited += desk.reach_deadline();
            assert!(waited <= secs(80), "its runner fenced itself by then");
        }
        assert_eq!(waited, secs(80), "lease, grace and margin");
        assert!(desk.is_cancelled(&attempt.build));
    }
}
