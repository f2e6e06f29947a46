//! Trip rules that are not ours: what they are told, and `failsafe`'s under our permits beside its own machine.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use failsafe::backoff::{constant, exponential};
use failsafe::failure_policy::consecutive_failures;
use failsafe::{FailurePolicy, Instrument, StateMachine, clock};
use netbuild_core::breaker::{Breaker, BreakerState, FailsafePolicy, Recovery, TripPolicy, Verdict};
use proptest::collection::vec;
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);

/// Writes down what it is told, and answers what it is given.
#[derive(Clone, Debug, Default)]
struct Scripted {
    told: Arc<Mutex<Vec<String>>>,
    verdicts: Arc<Mutex<Vec<Verdict>>>,
}

impl Scripted {
    fn tell(&self, what: String) {
        self.told.lock().expect("no panic").push(what);
    }

    fn told(&self) -> Vec<String> {
        std::mem::take(&mut self.told.lock().expect("no panic"))
    }
}

impl TripPolicy for Scripted {
    fn succeeded(&mut self, calls: u64) {
        self.tell(format!("{calls} succeeded"));
    }

    fn failed(&mut self, now: Duration) -> Verdict {
        self.tell(format!("failed at {now:?}"));
        self.verdicts.lock().expect("no panic").pop().expect("no more failures than verdicts")
    }

    fn closed(&mut self) {
        self.tell("closed".to_owned());
    }
}

#[test]
fn a_policy_is_asked_when_something_failed_and_told_then_what_succeeded() {
    let policy = Scripted::default();
    let verdicts = [Verdict::Stay, Verdict::OpenFor(3 * SECOND), Verdict::Open, Verdict::Stay];
    *policy.verdicts.lock().expect("no panic") = verdicts.into_iter().rev().collect();
    let breaker = Breaker::with_policy(policy.clone(), Recovery::default());
    let permit = |now| breaker.permit(|| now).expect("its time has come");
    let unread = || unreachable!("a closed breaker reads no clock for what succeeds");

    for _ in 0..3 {
        breaker.permit(unread).expect("it is closed").succeeded();
    }
    assert!(policy.told().is_empty(), "nothing failed yet");
    assert_eq!(permit(SECOND).failed(|| SECOND), None);
    assert_eq!(policy.told(), ["3 succeeded", "failed at 1s"]);
    breaker.permit(unread).expect("it is closed").succeeded();
    let late = permit(SECOND);

    // Opened for the time that it said, then by each failed probe for the breaker's own.
    let mut now = SECOND;
    for open_for in [3, 1, 2] {
        let opened = permit(now).failed(|| now).expect("it opens");
        assert_eq!(opened.to, BreakerState::Open { until: now + open_for * SECOND });
        now += open_for * SECOND;
    }
    assert_eq!(policy.told(), ["1 succeeded", "failed at 1s", "failed at 4s", "failed at 5s"]);

    permit(now).succeeded().expect("it closes");
    late.succeeded();
    assert_eq!(policy.told(), ["closed"], "the probe is not told, and nothing of before");
}

/// A call that ends so, or time that passes.
#[derive(Clone, Copy, Debug)]
enum Step {
    Call { ok: bool },
    Pass(Duration),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => any::<bool>().prop_map(|ok| Step::Call { ok }),
        2 => Just(Step::Call { ok: false }),
        1 => (0..8_000u64).prop_map(|millis| Step::Pass(Duration::from_millis(millis))),
        1 => (1..8u32).prop_map(|seconds| Step::Pass(seconds * SECOND)),
    ];
    vec(step, 0..150)
}

/// Which states `failsafe` entered.
#[derive(Clone, Default)]
struct Entered(Arc<Mutex<Vec<&'static str>>>);

impl Entered {
    fn enter(&self, state: &'static str) {
        self.0.lock().expect("no panic").push(state);
    }
}

impl Instrument for Entered {
    fn on_call_rejected(&self) {}

    fn on_open(&self) {
        self.enter("open");
    }

    fn on_half_open(&self) {
        self.enter("half_open");
    }

    fn on_closed(&self) {
        self.enter("closed");
    }
}

/// Calls one after the other: there `failsafe`'s machine has no second call to let through when half-open.
fn play<P: FailurePolicy + Send + 'static>(policy: impl Fn() -> P, steps: &[Step]) -> Result<(), TestCaseError> {
    clock::freeze(|time| {
        let entered = Entered::default();
        let theirs = StateMachine::new(policy(), entered.clone());
        let ours = Breaker::with_policy(FailsafePolicy::new(policy()), Recovery::default());
        let (mut now, mut changes) = (Duration::ZERO, vec!["closed"]);
        for step in steps {
            match *step {
                Step::Pass(passed) => {
                    now += passed;
                    // Theirs half-opens after its time is over, ours when it is: a nanosecond makes them one.
                    time.advance(passed + Duration::from_nanos(1));
                }
                Step::Call { ok } => {
                    let permit = ours.permit(|| now);
                    prop_assert_eq!(theirs.is_call_permitted(), permit.is_ok());
                    let Ok(permit) = permit else { continue };
                    changes.extend(permit.change().map(|change| change.to.as_str()));
                    let change = if ok {
                        theirs.on_success();
                        permit.succeeded()
                    } else {
                        theirs.on_error();
                        permit.failed(|| now)
                    };
                    changes.extend(change.map(|change| change.to.as_str()));
                }
            }
            prop_assert_eq!(&*entered.0.lock().expect("no panic"), &changes);
        }
        Ok(())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn it_changes_as_failsafes_own_machine_does(failures in 1..5u32, others in 1..5u32, steps in steps()) {
        play(|| consecutive_failures(failures, constant(3 * SECOND)), &steps)?;
        play(|| consecutive_failures(failures, exponential(SECOND, 6 * SECOND)), &steps)?;
        let other = || consecutive_failures(others, exponential(2 * SECOND, 5 * SECOND));
        play(|| consecutive_failures(failures, exponential(SECOND, 20 * SECOND)).or_else(other()), &steps)?;
    }
}
