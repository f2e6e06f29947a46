//! The breaker under every order in which its threads' steps can come: its own files, built over the atomics and the lock
//! of loom, which plays them all, the reorderings that the memory orders allow included.

// The files are the crate's, and this test needs less of them than it.
#[expect(dead_code, unreachable_pub, unused_imports, reason = "the crate's own files")]
#[path = "../../src/breaker"]
mod breaker {
    mod config;
    mod machine;
    mod open_times;
    mod own_line;
    mod period;
    mod permit;
    mod policy;
    mod recovery;
    mod state;
    mod window;

    mod sync {
        pub(super) use loom::sync::atomic::AtomicU64;
        pub(super) use loom::sync::{Mutex, MutexGuard};
    }

    pub use config::{BreakerConfig, FailureRatio, Recovery};
    pub use machine::Breaker;
    pub use open_times::OpenTimes;
    pub use permit::{Permit, Refused};
    pub use policy::{TripPolicy, Verdict};
    pub use state::{BreakerCounts, BreakerState, Change};
}

use std::time::Duration;

use breaker::{Breaker, BreakerConfig, BreakerState, Change, FailureRatio, Permit, Recovery};
use loom::thread;

const START: Duration = Duration::ZERO;
/// When what opened at the start is to be probed.
const BACK: Duration = Duration::from_secs(1);

/// In every order of steps.
fn always(test: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    // More than any two threads need here; it bounds what three could do.
    model.preemption_bound = Some(3);
    model.check(test);
}

/// Lives as long as any thread: permits that cross threads borrow from it.
fn breaker(ratio: f64, window: u32, least_calls: u32) -> &'static Breaker {
    let trip = FailureRatio { ratio, window, least_calls };
    Box::leak(Box::new(Breaker::new(BreakerConfig { trip, recovery: Recovery::default() })))
}

fn permit(breaker: &Breaker) -> Permit<'_> {
    breaker.permit(|| START).expect("it is closed")
}

/// What two threads answer.
fn both<T: 'static>(one: impl Fn() -> T + 'static, other: impl Fn() -> T) -> [T; 2] {
    let one = thread::spawn(one);
    let other = other();
    [one.join().expect("no panic"), other]
}

fn trip(breaker: &Breaker) {
    assert!(permit(breaker).failed(|| START).is_some());
}

#[test]
fn one_of_two_threads_gets_the_probe() {
    always(|| {
        let breaker = breaker(1.0, 1, 1);
        trip(breaker);
        let ask = || breaker.permit(|| BACK).ok();
        let probes = both(ask, ask);
        assert_eq!(probes.iter().flatten().count(), 1);
        assert!(probes.iter().flatten().all(|probe| probe.change().is_some()));
        assert_eq!(breaker.counts().refused, 1);
    });
}

#[test]
fn a_place_is_freed_once_and_taken_once() {
    always(|| {
        let breaker = breaker(1.0, 1, 1);
        trip(breaker);
        // Each asks and lets go; whoever comes when the place is free gets it.
        let ask = || drop(breaker.permit(|| BACK));
        both(ask, ask);
        let probe = breaker.permit(|| BACK).expect("the place is free");
        assert!(breaker.permit(|| BACK).is_err(), "and it is one");
        assert!(probe.succeeded().is_some());
    });
}

#[test]
fn two_failures_open_it_once() {
    always(|| {
        let breaker = breaker(1.0, 2, 1);
        let fail = || breaker.permit(|| START).ok().and_then(|permit| permit.failed(|| START));
        let changes = both(fail, fail);
        let to = BreakerState::Open { until: BACK };
        let opened = Change { from: BreakerState::Closed, to };
        assert_eq!(changes.into_iter().flatten().collect::<Vec<_>>(), [opened]);
        assert_eq!((breaker.state(START), breaker.counts().trips), (to, 1));
    });
}

#[test]
fn every_result_of_threads_at_once_is_counted_and_judged_with_those_before_it() {
    always(|| {
        // A success comes before each failure, so at no time are more than half of the results failures.
        let breaker = breaker(0.6, 8, 1);
        let call = || {
            permit(breaker).succeeded();
            assert_eq!(permit(breaker).failed(|| START), None);
        };
        both(call, call);
        let counts = breaker.counts();
        assert_eq!((counts.window_calls, counts.window_failures), (4, 2));
    });
}

/// The places are taken by two threads, and what they push out by either of them.
#[test]
fn what_leaves_the_window_is_counted_off_once() {
    always(|| {
        let breaker = breaker(2.0, 1, 1);
        permit(breaker).failed(|| START);
        both(|| permit(breaker).failed(|| START), || permit(breaker).succeeded());
        assert!(breaker.counts().window_failures <= 1);
        // A failure that was passed by its successor leaves when the ring, of a word at least, has gone round.
        for _ in 0..=64 {
            permit(breaker).succeeded();
        }
        assert_eq!(breaker.counts().window_failures, 0, "all that is left are successes");
    });
}

#[test]
fn a_failure_from_before_it_opened_is_not_in_the_window_after_it_closed() {
    always(|| {
        let breaker = breaker(0.6, 8, 1);
        let old = permit(breaker);
        let late = thread::spawn(move || old.failed(|| START));
        // It may be the one that opens it.
        let opened = permit(breaker).failed(|| START);
        if let Ok(probe) = breaker.permit(|| BACK + BACK) {
            probe.succeeded();
        }
        let late = late.join().expect("no panic");
        assert_eq!([opened, late].iter().flatten().count(), 1);
        if breaker.state(BACK) == BreakerState::Closed {
            assert_eq!(breaker.counts().window_failures, 0);
        }
    });
}
