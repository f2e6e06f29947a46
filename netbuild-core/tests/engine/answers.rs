//! What follows from each answer to a start.

use netbuild_core::engine::{Action, EngineConfig, Input, StartAnswer};
use netbuild_core::model::{AttemptNumber, BuildState, Cause, Owner};
use netbuild_core::policy::Fifo;
use netbuild_core::port::{Observed, Started};

use crate::desk::{Desk, lane, numbered, running, secs};

#[test]
fn stale_steps_down() {
    let mut desk = Desk::new();
    let attempt = desk.asking();
    assert_eq!(desk.answer(&attempt, StartAnswer::Stale).act, [Action::StepDown]);
}

#[test]
fn adopting_another_attempt_steps_down() {
    let mut desk = Desk::new();
    let attempt = desk.asking();
    let later = attempt.build.attempt(AttemptNumber::new(2));
    let observed = Observed { attempt: later, host: None, phase: running() };
    desk.answer(&attempt, StartAnswer::Started(Started::Adopted { observed }));
    assert_eq!(desk.last.act, [Action::StepDown]);
}

#[test]
fn a_taken_name_asks_the_old_attempt_to_end_and_then_again() {
    let mut desk = Desk::new();
    let first = desk.running();
    desk.lists(&[]);
    let second = desk.retried(&first);
    desk.answer(&second, StartAnswer::NameTaken { by: first.clone() });
    assert_eq!(desk.cancels(), [first]);
    assert_eq!(desk.reach_deadline(), secs(2));
    assert_eq!(desk.starts(), [second]);
}

#[test]
fn full_closes_the_lane_and_no_other() {
    let mut desk = Desk::new();
    let first = desk.asking();
    desk.answer(&first, StartAnswer::Full);
    let second = desk.admit(numbered("acme", 2)).attempt(AttemptNumber::FIRST);
    assert_eq!(desk.starts(), [], "the lane is closed");
    desk.router.order.reverse();
    desk.router.version += 1;
    let third = desk.admit(numbered("acme", 3)).attempt(AttemptNumber::FIRST);
    assert_eq!(desk.starts(), [second, third], "the other lane is not");
    desk.pass(secs(2));
    assert_eq!(desk.starts(), [first], "and is asked again");
}

#[test]
fn a_refusal_for_the_configuration_is_final() {
    for cause in [Cause::SpecInvalid, Cause::ImageInvalid, Cause::SecretMissing] {
        assert_eq!(cause.owner(), Owner::Config);
        let mut desk = Desk::new();
        let attempt = desk.asking();
        desk.refused(&attempt, cause.clone());
        assert_eq!(desk.failed_with(&attempt.build), Some(cause));
        assert_eq!(desk.record(&attempt.build).attempts.len(), 1);
    }
}

#[test]
fn a_refusal_of_an_attempt_that_runs_is_too_late() {
    let mut desk = Desk::new();
    let attempt = desk.asking();
    desk.answer(&attempt, StartAnswer::Unknown);
    desk.pass(secs(2));
    desk.beat(&attempt);
    desk.refused(&attempt, Cause::SecretMissing);
    assert!(matches!(desk.record(&attempt.build).state, BuildState::Live { .. }), "the first call started it");
    assert_eq!(desk.engine.stats().stale_inputs, 1);
}

#[test]
fn what_never_fits_moves_to_another_executor() {
    let mut desk = Desk::new();
    let attempt = desk.asking();
    desk.refused(&attempt, Cause::NeverFits);
    desk.retried(&attempt);
    assert_eq!(desk.start_places()[0].0, lane("b"));
}

#[test]
fn what_never_fits_anywhere_fails() {
    let mut desk = Desk::new();
    let first = desk.asking();
    desk.refused(&first, Cause::NeverFits);
    let second = desk.retried(&first);
    desk.refused(&second, Cause::NeverFits);
    assert_eq!(desk.failed_with(&first.build), Some(Cause::NeverFits), "it is not asked again where it never fits");
}

#[test]
fn an_executor_that_refuses_for_reasons_of_its_own_is_asked_again_when_it_is_the_only_one() {
    let mut desk = Desk::with(Box::new(Fifo::new()), EngineConfig::default(), &[("a", Some(1))]);
    let attempt = desk.asking();
    desk.refused(&attempt, Cause::ExecutorRefused);
    desk.retried(&attempt);
}

#[test]
fn an_executor_that_decides_by_itself_is_asked_for_a_bounded_number_at_once() {
    let config = EngineConfig { max_asking: 3, ..EngineConfig::default() };
    let mut desk = Desk::with(Box::new(Fifo::new()), config, &[("a", None)]);
    let builds: Vec<_> = (1..=10).map(|n| desk.admit(numbered("acme", n))).collect();
    assert_eq!(desk.engine.live_on(&lane("a")), 3, "the others stay in the backlog, where policy and cancel see them");
    let attempts: Vec<_> = builds.iter().map(|build| build.attempt(AttemptNumber::FIRST)).collect();
    desk.created(&attempts[0]);
    assert_eq!(desk.starts(), [attempts[3].clone()], "each answer makes room for one more");
    for attempt in &attempts[1..4] {
        desk.answer(attempt, StartAnswer::Full);
    }
    desk.pass(secs(2));
    assert_eq!(desk.starts(), attempts[1..4], "those that were not taken are asked again first");
}

#[test]
fn late_answers_are_counted_and_ignored() {
    let mut desk = Desk::new();
    let attempt = desk.activating();
    let later = attempt.build.attempt(AttemptNumber::new(2));
    for attempt in [attempt, later] {
        desk.created(&attempt);
        assert!(desk.last.is_empty());
        desk.refused(&attempt, Cause::NeverFits);
        assert!(desk.last.is_empty());
        desk.report(&attempt, netbuild_core::testkit::fixtures::failed(Cause::Lost));
        assert!(desk.last.is_empty());
        desk.beat(&attempt);
        assert!(desk.last.is_empty());
    }
    assert_eq!(desk.engine.stats().stale_inputs, 8);
}

#[test]
fn a_build_that_is_admitted_twice_runs_once() {
    let mut desk = Desk::new();
    let attempt = desk.asking();
    let build = std::sync::Arc::new(crate::desk::a_build());
    let effects = desk.step(Input::Admitted { build, rank: netbuild_core::model::Rank(7) });
    assert!(effects.is_empty());
    assert!(desk.engine.is_wanted(&attempt));
}
