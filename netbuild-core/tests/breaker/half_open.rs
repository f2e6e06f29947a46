//! Half-open: so many probes and no more, whoever asks and however they end.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use netbuild_core::breaker::{Breaker, BreakerConfig, BreakerState};

const LATER: Duration = Duration::from_secs(3_600);

/// A breaker that is open, and whose time is over at [`LATER`].
fn tripped(probes: u32) -> Breaker {
    let breaker = Breaker::new(BreakerConfig { min_calls: 1, probes, ..BreakerConfig::default() });
    breaker.permit(|| Duration::ZERO).unwrap().failed(|| Duration::ZERO);
    assert!(matches!(breaker.state(), BreakerState::Open { .. }));
    breaker
}

#[test]
fn one_probe_is_let_through_and_no_second_one() {
    let breaker = tripped(1);
    let probe = breaker.permit(|| LATER).unwrap();
    assert!(probe.is_probe());
    for _ in 0..500 {
        assert_eq!(breaker.permit(|| LATER).unwrap_err().retry_after, Duration::ZERO);
    }
    assert_eq!(breaker.counts().refused, 500);
    assert_eq!(probe.succeeded().unwrap().to, BreakerState::Closed);
    assert!(!breaker.permit(|| panic!("a closed breaker reads no clock")).unwrap().is_probe());
}

#[test]
fn of_many_threads_that_ask_at_once_one_probes() {
    const THREADS: usize = 8;
    for _ in 0..200 {
        let (breaker, start, let_through) = (tripped(1), Barrier::new(THREADS), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    start.wait();
                    if let Ok(permit) = breaker.permit(|| LATER) {
                        let_through.fetch_add(1, Ordering::Relaxed);
                        start.wait();
                        drop(permit);
                    } else {
                        start.wait();
                    }
                });
            }
        });
        assert_eq!(let_through.into_inner(), 1);
    }
}

#[test]
fn a_dropped_probe_frees_its_place_and_counts_nothing() {
    let breaker = tripped(1);
    for _ in 0..3 {
        drop(breaker.permit(|| LATER).unwrap());
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
    }
    breaker.permit(|| LATER).unwrap().succeeded();
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn a_probe_that_fails_opens_for_longer() {
    let breaker = tripped(1);
    let mut now = LATER;
    for expected in [2, 4, 8, 16, 30, 30] {
        let change = breaker.permit(|| now).unwrap().failed(|| now).unwrap();
        assert_eq!(change.from, BreakerState::HalfOpen);
        let until = now + Duration::from_secs(expected);
        assert_eq!(change.to, BreakerState::Open { until });
        assert!(breaker.permit(|| until - Duration::from_nanos(1)).is_err());
        now = until;
    }
}

#[test]
fn several_probes_are_all_needed() {
    let breaker = tripped(3);
    let probes: Vec<_> = (0..3).map(|_| breaker.permit(|| LATER).unwrap()).collect();
    assert!(breaker.permit(|| LATER).is_err());
    let changes: Vec<_> = probes.into_iter().map(|probe| probe.succeeded().map(|change| change.to)).collect();
    assert_eq!(changes, [None, None, Some(BreakerState::Closed)]);
}

#[test]
fn results_from_before_a_trip_do_not_count() {
    let breaker = Breaker::new(BreakerConfig { min_calls: 1, ..BreakerConfig::default() });
    let permit = || breaker.permit(|| Duration::ZERO).unwrap();
    let (early, late, tripping) = (permit(), permit(), permit());
    tripping.failed(|| Duration::ZERO);
    assert_eq!(early.succeeded(), None, "an old success does not close it");
    breaker.permit(|| LATER).unwrap().succeeded();
    assert_eq!(late.failed(|| LATER), None, "an old failure does not open it");
    assert_eq!(breaker.state(), BreakerState::Closed);
    assert_eq!(breaker.counts().stale, 2);
}
