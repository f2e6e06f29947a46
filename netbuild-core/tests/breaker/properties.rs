//! Any calls, several out at a time, answer as the model says.

use std::time::Duration;

use netbuild_core::breaker::{Breaker, BreakerConfig, FailureRatio, OpenTimes, Permit, Recovery};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::model::{Model, ModelPermit};

/// A step, with a number that says which of the permits out it concerns.
#[derive(Clone, Copy, Debug)]
enum Step {
    Permit,
    Succeed(u8),
    Fail(u8),
    Drop(u8),
    Pass(u16),
    /// So many calls, of which every one in so many fails.
    Calls(u8, u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => Just(Step::Permit),
        3 => any::<u8>().prop_map(Step::Succeed),
        3 => any::<u8>().prop_map(Step::Fail),
        1 => any::<u8>().prop_map(Step::Drop),
        3 => (0..3_000u16).prop_map(Step::Pass),
        1 => (0..200u8, 1..=30u8).prop_map(|(calls, one_in)| Step::Calls(calls, one_in)),
    ];
    vec(step, 0..120)
}

prop_compose! {
    fn configs()(
        // Eighths and whole windows: what both can say exactly.
        eighths in 0..=9u8,
        window in prop_oneof![1..12u32, 60..70u32, Just(128)],
        least in 0..12u32,
        probes in 1..4u32,
        successes in 1..4u32,
        seed in proptest::option::of(any::<u64>()),
    ) -> BreakerConfig {
        let times = OpenTimes::doubling(Duration::from_millis(500), Duration::from_secs(3));
        BreakerConfig {
            trip: FailureRatio { ratio: f64::from(eighths) / 8.0, window, least_calls: least.min(window) },
            recovery: Recovery {
                open_times: match seed {
                    Some(seed) => times.jittered(seed),
                    None => times,
                },
                probes,
                successes,
                probe_wait: Duration::from_millis(70),
            },
        }
    }
}

/// Both, side by side.
struct Pair<'a> {
    breaker: &'a Breaker,
    model: Model,
    now: Duration,
    out: Vec<(Permit<'a>, ModelPermit)>,
}

impl<'a> Pair<'a> {
    fn permit(&mut self) -> Result<(), TestCaseError> {
        match (self.breaker.permit(|| self.now), self.model.permit(self.now)) {
            (Ok(permit), Ok(expected)) => {
                prop_assert_eq!(permit.change(), expected.change);
                self.out.push((permit, expected));
            }
            (got, expected) => prop_assert_eq!(got.err(), expected.err()),
        }
        Ok(())
    }

    fn take(&mut self, which: u8) -> Option<(Permit<'a>, ModelPermit)> {
        (!self.out.is_empty()).then(|| self.out.remove(usize::from(which) % self.out.len()))
    }

    fn succeed(&mut self, which: u8) -> Result<(), TestCaseError> {
        if let Some((permit, expected)) = self.take(which) {
            prop_assert_eq!(permit.succeeded(), self.model.succeeded(expected));
        }
        Ok(())
    }

    fn fail(&mut self, which: u8) -> Result<(), TestCaseError> {
        if let Some((permit, expected)) = self.take(which) {
            prop_assert_eq!(permit.failed(|| self.now), self.model.failed(expected, self.now));
        }
        Ok(())
    }

    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Permit => self.permit()?,
            Step::Succeed(which) => self.succeed(which)?,
            Step::Fail(which) => self.fail(which)?,
            Step::Drop(which) => {
                if let Some((permit, expected)) = self.take(which) {
                    drop(permit);
                    self.model.dropped(expected);
                }
            }
            Step::Pass(millis) => self.now += Duration::from_millis(millis.into()),
            Step::Calls(calls, one_in) => {
                for call in 1..=calls {
                    let others = self.out.len();
                    self.permit()?;
                    let last = others as u8;
                    match self.out.len() > others {
                        true if call % one_in == 0 => self.fail(last)?,
                        true => self.succeed(last)?,
                        false => {}
                    }
                }
            }
        }
        prop_assert_eq!(self.breaker.state(self.now), self.model.state(self.now));
        self.counts()
    }

    fn counts(&self) -> Result<(), TestCaseError> {
        prop_assert_eq!(self.breaker.counts(), self.model.counts());
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn it_answers_as_the_model_does(config in configs(), steps in steps()) {
        let breaker = Breaker::new(config.clone());
        let mut pair = Pair { breaker: &breaker, model: Model::new(config), now: Duration::from_secs(9), out: Vec::new() };
        for step in steps {
            pair.step(step)?;
        }
    }
}
