//! The deadline is exact: before it nothing is due, at it something is, after it the next one is later.

use std::time::Duration;

use netbuild_core::engine::{EngineConfig, StartAnswer};
use netbuild_core::model::Cause;
use netbuild_core::policy::Fifo;
use netbuild_core::port::Phase;
use netbuild_core::testkit::fixtures;

use crate::desk::{Desk, a_build, secs};

fn queued(desk: &mut Desk) {
    desk.step(netbuild_core::engine::Input::Capacity { executor: crate::desk::lane("a"), slots: Some(0) });
    desk.admit(a_build());
}

fn waiting(desk: &mut Desk) {
    let attempt = desk.running();
    desk.report(&attempt, fixtures::failed(Cause::UploadFailed));
}

fn full(desk: &mut Desk) {
    let attempt = desk.asking();
    desk.answer(&attempt, StartAnswer::Full);
}

fn unknown(desk: &mut Desk) {
    let attempt = desk.running();
    desk.sees(&attempt, Phase::Unknown);
}

fn cancelled(desk: &mut Desk) {
    let attempt = desk.running();
    desk.cancel(&attempt.build);
}

fn not_activated(desk: &mut Desk) {
    let attempt = desk.activating();
    desk.activated(&attempt, None);
}

#[test]
fn it_is_exact_in_every_stage() {
    type Take = fn(&mut Desk);
    let stages: [(Take, Duration); 8] = [
        (queued, secs(1_000)),
        (waiting, Duration::ZERO),
        (full, secs(2)),
        (|desk| drop(desk.pending()), secs(100)),
        (|desk| drop(desk.running()), secs(315)),
        (unknown, secs(80)),
        (cancelled, secs(12)),
        (not_activated, secs(2)),
    ];
    for (number, (stage, expected)) in stages.into_iter().enumerate() {
        let mut desk = Desk::new();
        stage(&mut desk);
        let due = desk.engine.deadline().expect("something is due").since(desk.now);
        assert!(expected.is_zero() || due == expected, "stage {number}: {due:?}");
        let effects = desk.pass(due - Duration::from_millis(1)).clone();
        assert!(effects.is_empty(), "stage {number}, a millisecond early: {effects:?}");
        let effects = desk.pass(Duration::from_millis(1)).clone();
        assert!(!effects.is_empty(), "stage {number}: nothing was due");
        assert!(desk.engine.deadline().is_none_or(|next| next > desk.now), "stage {number}: due again at once");
    }
}

#[test]
fn nothing_is_due_while_somebody_else_has_to_answer() {
    let mut desk = Desk::new();
    desk.asking();
    assert_eq!(desk.engine.deadline(), None);
    let mut desk = Desk::new();
    desk.activating();
    assert_eq!(desk.engine.deadline(), None);
}

#[test]
fn pauses_of_nothing_do_not_spin() {
    let config = EngineConfig {
        ask_again: Duration::ZERO,
        grace: Duration::ZERO,
        retry_base: Duration::ZERO,
        ..EngineConfig::default()
    };
    let mut desk = Desk::with(Box::new(Fifo::new()), config, &[("a", Some(1))]);
    let attempt = desk.running();
    desk.cancel(&attempt.build);
    assert!(desk.engine.deadline().is_some_and(|next| next > desk.now));
}

#[test]
fn a_clock_that_goes_back_breaks_nothing() {
    let mut desk = Desk::new();
    let attempt = desk.running();
    desk.now = desk.now - secs(500);
    desk.beat(&attempt);
    desk.pass(secs(500 + 314));
    assert_eq!(desk.cancels(), []);
    desk.pass(secs(1));
    assert_eq!(desk.cancels(), [attempt]);
}
