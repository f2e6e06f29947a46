//! A policy of the host's decides when to open and for how long.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use netbuild_core::breaker::{Breaker, BreakerConfig, BreakerState, TripPolicy};

/// Opens at the second failure in a row, for the number of seconds that it was told of successes.
#[derive(Clone, Debug, Default)]
struct Second {
    told: Arc<Mutex<Vec<String>>>,
    failures: u32,
}

impl TripPolicy for Second {
    fn failed(&mut self, successes: u64, now: Duration) -> Option<Duration> {
        self.told.lock().unwrap().push(format!("{successes} successes, a failure at {now:?}"));
        self.failures = if successes > 0 { 1 } else { self.failures + 1 };
        (self.failures == 2).then_some(Duration::from_secs(10))
    }

    fn probe_failed(&mut self, now: Duration) -> Duration {
        self.told.lock().unwrap().push(format!("a probe failed at {now:?}"));
        Duration::from_secs(20)
    }

    fn closed(&mut self) {
        self.told.lock().unwrap().push("closed".to_owned());
        self.failures = 0;
    }
}

#[test]
fn it_is_told_all_and_only_when_something_fails() {
    let policy = Second::default();
    let told = policy.told.clone();
    let breaker = Breaker::with_policy(&BreakerConfig::default(), Box::new(policy));
    let at = Duration::from_secs;
    for _ in 0..3 {
        breaker.permit(|| at(0)).unwrap().succeeded();
    }
    assert!(told.lock().unwrap().is_empty(), "it is not asked while all goes well");
    assert_eq!(breaker.permit(|| at(1)).unwrap().failed(|| at(1)), None);
    let change = breaker.permit(|| at(2)).unwrap().failed(|| at(2)).unwrap();
    assert_eq!(change.to, BreakerState::Open { until: at(12) });
    let change = breaker.permit(|| at(12)).unwrap().failed(|| at(13)).unwrap();
    assert_eq!(change.to, BreakerState::Open { until: at(33) });
    breaker.permit(|| at(33)).unwrap().succeeded();
    breaker.permit(|| at(34)).unwrap().failed(|| at(34));
    let expected = [
        "3 successes, a failure at 1s",
        "0 successes, a failure at 2s",
        "a probe failed at 13s",
        "closed",
        "0 successes, a failure at 34s",
    ];
    assert_eq!(*told.lock().unwrap(), expected);
}
