//! Attempts that cannot be seen: nothing is concluded before they have certainly fenced themselves.

use netbuild_core::model::{BuildState, Cause, OnUnknown, Owner};
use netbuild_core::port::{Notice, Phase};

use crate::desk::{Desk, a_build, running, secs};

/// Lease, grace and margin of the default configuration.
const FENCE: u64 = 80;

fn desk_with(on_unknown: OnUnknown) -> (Desk, netbuild_core::model::AttemptId) {
    let mut desk = Desk::new();
    let mut build = a_build();
    build.spec.on_unknown = on_unknown;
    let attempt = desk.admit(build).attempt(netbuild_core::model::AttemptNumber::FIRST);
    desk.created(&attempt);
    desk.beat(&attempt);
    (desk, attempt)
}

#[test]
fn park_ends_the_build_with_an_unknown_owner_once_the_attempt_has_fenced_itself() {
    let (mut desk, attempt) = desk_with(OnUnknown::Park);
    desk.sees(&attempt, Phase::Unknown);
    assert!(desk.last.notify.contains(&Notice::Unknown { attempt: attempt.clone() }));
    desk.pass(secs(FENCE - 1));
    assert_eq!(desk.cause_of(&attempt), None);
    desk.pass(secs(1));
    assert_eq!(desk.failed_with(&attempt.build), Some(Cause::Unknown));
    assert_eq!(Cause::Unknown.owner(), Owner::Unknown);
}

#[test]
fn rerun_tries_again_once_the_attempt_has_fenced_itself() {
    let (mut desk, attempt) = desk_with(OnUnknown::Rerun);
    desk.sees(&attempt, Phase::Unknown);
    desk.pass(secs(FENCE - 1));
    assert_eq!(desk.cause_of(&attempt), None);
    desk.pass(secs(1));
    assert_eq!(desk.cause_of(&attempt), Some(Cause::HostLost));
    desk.retried(&attempt);
    assert_eq!(desk.start_places()[0].1, [crate::desk::host("h1")]);
}

#[test]
fn being_told_unknown_again_starts_no_new_wait() {
    let (mut desk, attempt) = desk_with(OnUnknown::Park);
    desk.sees(&attempt, Phase::Unknown);
    desk.pass(secs(40));
    desk.sees(&attempt, Phase::Unknown);
    assert!(!desk.last.notify.contains(&Notice::Unknown { attempt: attempt.clone() }), "told once");
    desk.pass(secs(40));
    assert_eq!(desk.failed_with(&attempt.build), Some(Cause::Unknown));
}

#[test]
fn every_sign_of_life_starts_a_new_wait() {
    type Sign = fn(&mut Desk, &netbuild_core::model::AttemptId);
    let signs: [Sign; 3] = [
        |desk, attempt| drop(desk.beat(attempt).clone()),
        |desk, attempt| drop(desk.sees(attempt, running()).clone()),
        |desk, attempt| drop(desk.lists(&[(attempt, running())]).clone()),
    ];
    for sign in signs {
        let (mut desk, attempt) = desk_with(OnUnknown::Park);
        desk.sees(&attempt, Phase::Unknown);
        desk.pass(secs(FENCE - 1));
        sign(&mut desk, &attempt);
        desk.pass(secs(1));
        desk.sees(&attempt, Phase::Unknown);
        desk.pass(secs(FENCE - 1));
        assert_eq!(desk.cause_of(&attempt), None);
        desk.pass(secs(1));
        assert_eq!(desk.cause_of(&attempt), Some(Cause::Unknown));
    }
}

#[test]
fn an_attempt_is_wanted_while_it_is_unknown() {
    let (mut desk, attempt) = desk_with(OnUnknown::Park);
    desk.sees(&attempt, Phase::Unknown);
    assert!(desk.engine.is_wanted(&attempt), "it may reach the gateway although its host is out of reach");
    desk.pass(secs(FENCE));
    assert!(!desk.engine.is_wanted(&attempt));
}

#[test]
fn nothing_is_concluded_while_the_start_itself_is_not_answered() {
    let mut desk = Desk::new();
    let attempt = desk.asking();
    desk.sees(&attempt, Phase::Unknown);
    desk.pass(secs(FENCE));
    assert_eq!(desk.cause_of(&attempt), None, "the call may take its effect only now");
}

#[test]
fn a_cancelled_build_that_is_unknown_ends_as_cancelled() {
    let (mut desk, attempt) = desk_with(OnUnknown::Rerun);
    desk.sees(&attempt, Phase::Unknown);
    desk.cancel(&attempt.build);
    desk.pass(secs(FENCE));
    assert!(desk.is_cancelled(&attempt.build));
}

#[test]
fn an_executor_that_is_gone_for_good_ends_the_build_after_its_limit() {
    for (on_unknown, cause) in [(OnUnknown::Park, Cause::Unknown), (OnUnknown::Rerun, Cause::HostLost)] {
        let (mut desk, attempt) = desk_with(on_unknown);
        let mut waited = secs(0);
        while desk.cause_of(&attempt).is_none() {
            waited += desk.reach_deadline();
            assert!(waited <= secs(315 + FENCE));
        }
        assert_eq!(waited, secs(315 + FENCE), "run limit with its margin, then the fence");
        assert_eq!(desk.cause_of(&attempt), Some(cause));
    }
}

#[test]
fn a_stopped_attempt_that_is_seen_is_not_given_up() {
    let (mut desk, attempt) = desk_with(OnUnknown::Rerun);
    desk.pass(secs(315));
    for _ in 0..100 {
        desk.pass(secs(5));
        desk.lists(&[(&attempt, running())]);
    }
    assert!(matches!(desk.record(&attempt.build).state, BuildState::Live { .. }), "it lives, so it keeps its place");
}
