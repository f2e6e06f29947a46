//! Any sequence of permits, results, drops and waits, in any order: the breaker does what the model does.

use std::time::Duration;

use netbuild_core::breaker::{Breaker, BreakerConfig, Change, Permit};
use proptest::prelude::*;

use crate::model::{Given, Model};

/// What happens next; the index chooses among the permits that are out.
#[derive(Clone, Debug)]
enum Step {
    Permit,
    Succeed(usize),
    Fail(usize),
    Drop(usize),
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => Just(Step::Permit),
        4 => any::<usize>().prop_map(Step::Succeed),
        3 => any::<usize>().prop_map(Step::Fail),
        1 => any::<usize>().prop_map(Step::Drop),
        2 => (0_u64..3_000).prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 1..400)
}

fn configs() -> impl Strategy<Value = BreakerConfig> {
    (1_u32..130, 1_u32..10, 1_u32..=100, 1_u32..4, 1_u64..2_000).prop_map(
        |(window, min_calls, failure_percent, probes, first)| BreakerConfig {
            window,
            min_calls,
            failure_percent,
            probes,
            open_first: Duration::from_millis(first),
            open_max: Duration::from_secs(5),
            jitter: None,
        },
    )
}

fn take<T>(out: &mut Vec<T>, index: usize) -> Option<T> {
    (!out.is_empty()).then(|| out.remove(index % out.len()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if std::env::var_os("NETBUILD_SOAK").is_some() { 50_000 } else { 2_000 }))]

    #[test]
    fn it_does_what_the_model_does(config in configs(), steps in steps()) {
        let breaker = Breaker::new(config.clone());
        let mut model = Model::new(config);
        let mut out: Vec<(Permit<'_>, Given)> = Vec::new();
        let mut now = Duration::ZERO;
        for step in steps {
            let before = model.state;
            let change: Option<Change> = match step {
                Step::Permit => match (breaker.permit(|| now), model.permit(now)) {
                    (Ok(permit), Ok(given)) => {
                        let change = permit.change();
                        out.push((permit, given));
                        change
                    }
                    (Err(refused), Err(left)) => {
                        prop_assert_eq!(refused.retry_after, left);
                        None
                    }
                    (ours, models) => return Err(TestCaseError::fail(format!("{ours:?} where the model says {models:?}"))),
                },
                Step::Succeed(index) => take(&mut out, index).and_then(|(permit, given)| {
                    model.succeeded(given);
                    permit.succeeded()
                }),
                Step::Fail(index) => take(&mut out, index).and_then(|(permit, given)| {
                    model.failed(given, now);
                    permit.failed(|| now)
                }),
                Step::Drop(index) => {
                    if let Some((permit, given)) = take(&mut out, index) {
                        model.dropped(given);
                        drop(permit);
                    }
                    None
                }
                Step::Pass(millis) => {
                    now += Duration::from_millis(millis);
                    None
                }
            };
            prop_assert_eq!(breaker.state(), model.state);
            let expected = (before != model.state).then_some(Change { from: before, to: model.state });
            prop_assert_eq!(change, expected, "a change is returned to whoever caused it");
        }
    }
}
