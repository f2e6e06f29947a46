//! Many threads on one breaker: no result is lost, and no state is entered twice.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use netbuild_core::breaker::{Breaker, BreakerConfig, BreakerState, Change, FailureRatio, OpenTimes, Recovery};

const THREADS: u64 = 4;
const CALLS: u64 = 20_000;

fn on_threads(work: impl Fn(u64) + Sync) {
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let work = &work;
            scope.spawn(move || work(thread));
        }
    });
}

#[test]
fn the_window_counts_every_result() {
    let trip = FailureRatio { ratio: 2.0, window: (THREADS * CALLS) as u32, least_calls: 1 };
    let breaker = Breaker::new(BreakerConfig { trip, ..BreakerConfig::default() });
    let call = |failed: bool| {
        let permit = breaker.permit(|| Duration::ZERO).expect("this rule never opens it");
        if failed { permit.failed(|| Duration::ZERO) } else { permit.succeeded() }
    };
    on_threads(|thread| {
        for n in 0..CALLS {
            call((n + thread).is_multiple_of(10));
        }
    });
    let counts = breaker.counts();
    assert_eq!((counts.window_calls, counts.window_failures), (THREADS * CALLS, THREADS * CALLS / 10));

    // As many successes push all of it out.
    on_threads(|_| {
        for _ in 0..CALLS {
            call(false);
        }
    });
    assert_eq!(breaker.counts().window_failures, 0);
}

/// Every thread calls and fails in its own rhythm while time passes. The changes make one chain:
/// each state is left as often as it was entered.
#[test]
fn every_change_is_told_to_one_call() {
    let trip = FailureRatio { ratio: 0.5, window: 8, least_calls: 4 };
    let open_times = OpenTimes::constant(Duration::from_millis(50));
    let recovery = Recovery { open_times, probes: 2, successes: 2, ..Recovery::default() };
    let breaker = Breaker::new(BreakerConfig { trip, recovery });
    let millis = AtomicU64::new(0);
    let now = || Duration::from_millis(millis.fetch_add(7, Ordering::Relaxed));
    let (changes, refused) = (Mutex::new(Vec::new()), AtomicU64::new(0));
    on_threads(|thread| {
        for n in 0..CALLS {
            let Ok(permit) = breaker.permit(now) else {
                refused.fetch_add(1, Ordering::Relaxed);
                continue;
            };
            let half_opened = permit.change();
            let change = match (n * (thread + 3)) % 7 {
                0..3 => permit.failed(now),
                3 => {
                    drop(permit);
                    None
                }
                _ => permit.succeeded(),
            };
            changes.lock().expect("no panic").extend([half_opened, change].into_iter().flatten());
        }
    });
    let changes: Vec<Change> = changes.into_inner().expect("no panic");
    let entered = |state: &str| changes.iter().filter(|change| change.to.as_str() == state).count() as u64;
    let left = |state: &str| changes.iter().filter(|change| change.from.as_str() == state).count() as u64;
    let counts = breaker.counts();
    assert!(entered("closed") > 10, "it went all the way round, often: {counts:?}");
    assert_eq!((counts.trips, counts.refused), (entered("open"), refused.into_inner()));
    // But for the first and the last.
    let last = breaker.state(Duration::ZERO);
    for state in [BreakerState::Closed, BreakerState::Open { until: Duration::ZERO }, BreakerState::HalfOpen] {
        let (state, last) = (state.as_str(), last.as_str());
        assert_eq!(entered(state) + u64::from(state == "closed"), left(state) + u64::from(state == last), "{state}");
    }
}
